//! What Kraken says: frames of its streams, and answers. Total: whatever arrives becomes an event or a fault.

mod answer;
mod futures;
mod futures_rest;
mod rows;
mod spot;
mod spot_rest;
mod usual;
mod v1;

pub(crate) use answer::answer;

use venuekit_book::Places;
use venuekit_types::{Instrument, Level};
use venuekit_venue::read::{self, Told, Unfit};
use venuekit_venue::{BookBody, BrokenWhy, Channel, Event, EventBuf, LevelSpan, MarketId, Place, Topic};
use venuekit_wire::{RawValue, Text, WireError};

use crate::spec::SPOT;

/// Reads one frame.
pub(crate) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    let usual = if place.product == SPOT { usual::spot } else { usual::futures };
    if let Ok(event) = usual(place, frame, out) {
        out.events.push(event);
        return;
    }
    let read = match place.product {
        SPOT if frame.first() == Some(&b'[') => v1::decode(place, frame, out),
        SPOT => spot::decode(place, frame, out),
        _ => futures::decode(place, frame, out),
    };
    if let Err(error) = read {
        out.events.extend(illegible(place, frame, &error));
    }
}

/// Says what can still be said of a frame that does not read: once for each stream it was part of.
fn illegible(place: Place<'_>, frame: &[u8], error: &WireError) -> Vec<Event> {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        channel: Option<Text<'a>>,
        feed: Option<Text<'a>>,
        product_id: Option<Text<'a>>,
        data: Option<&'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        symbol: Text<'a>,
    }
    let is_json = venuekit_wire::parse::<&RawValue>(frame).is_ok();
    let why = if is_json { BrokenWhy::Shape } else { BrokenWhy::Syntax };
    let broken = |topic| Unfit::new(why, &error.to_string()).broken(topic);
    let Ok(head) = venuekit_wire::parse::<Head<'_>>(frame) else { return vec![broken(None)] };
    let channels: Vec<Channel> = if place.product == SPOT {
        spot::channels(head.channel.as_deref().unwrap_or_default()).to_vec()
    } else {
        futures::channel_of(head.feed.as_deref().unwrap_or_default()).into_iter().collect()
    };
    let rows = head.data.and_then(|json| venuekit_wire::parse::<Vec<Row<'_>>>(json.get().as_bytes()).ok());
    let first = rows.and_then(|rows| rows.into_iter().next());
    let symbol = head.product_id.or(first.map(|row| row.symbol));
    let market = symbol.and_then(|symbol| place.catalog.find(&symbol)).map(|(market, _)| market);
    let topic = |channel: &Channel| match market {
        _ if channel.is_private() => Some(Topic::account(*channel)),
        Some(market) => Some(Topic::of(*channel, market)),
        None => None,
    };
    match &channels[..] {
        [] => vec![broken(None)],
        channels => channels.iter().map(|channel| broken(topic(channel))).collect(),
    }
}

/// Tells of one market, or what was wrong with it.
fn of_market(
    place: Place<'_>,
    channel: Channel,
    symbol: &str,
    out: &mut EventBuf,
    read: impl FnOnce(MarketId, &Instrument, &mut EventBuf) -> Result<Told, Unfit>,
) {
    let event = read::of_market(place, channel, symbol, out, read);
    out.events.push(event);
}

/// Both sides of a book, straight into the arena. Where the text is not of the instrument's precision, its own is kept
/// beside, since the checksum covers it.
fn book<'t, I>(
    bids: I,
    asks: I,
    checksum: Option<u32>,
    instrument: &Instrument,
    out: &mut EventBuf,
) -> Result<BookBody, Unfit>
where
    I: Iterator<Item = Result<(&'t str, &'t str), Unfit>> + Clone,
{
    let scales = (instrument.price_scale, instrument.qty_scale);
    let is_wide = |row: &Result<(&str, &str), Unfit>| {
        row.as_ref()
            .is_ok_and(|(price, qty)| places(price) > scales.0.digits() || places(qty) > scales.1.digits())
    };
    // An instrument without a step was guessed at, and so were its scales.
    let is_guess = instrument.step.0 == 0;
    let spelt = checksum.is_some() && (is_guess || bids.clone().chain(asks.clone()).any(|row| is_wide(&row)));
    let mut side = |rows: I| -> Result<LevelSpan, Unfit> {
        let level = |row: Result<(&'t str, &'t str), Unfit>| -> Result<(Level, Places), Unfit> {
            let (price, qty) = row?;
            let places = Places { price: places(price), qty: places(qty) };
            Ok((read::level((price, qty), instrument)?, places))
        };
        match spelt {
            true => out.put_spelt_levels(scales, rows.map(level)),
            false => out.put_levels(rows.map(|row| Ok(read::level(row?, instrument)?))),
        }
    };
    Ok(BookBody { bids: side(bids)?, asks: side(asks)?, checksum })
}

/// The digits behind the point of a number's text, an exponent counted in.
fn places(text: &str) -> u8 {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let places = i64::try_from(behind).unwrap_or(0).saturating_sub(exponent).clamp(0, 255);
    u8::try_from(places).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_text() {
        let texts = ["1", "1.50", "5.1e-05", "1e-10", "1.25E2", "45283.50000", "-0.10", "x"];
        assert_eq!(texts.map(places), [0, 2, 6, 10, 0, 5, 2, 0]);
    }
}
