//! What DueDEX says: frames of the feed, and answers. Total: whatever arrives becomes an event or a fault.

mod answer;
mod rows;

pub(crate) use answer::answer;

use venuekit_book::Ids;
use venuekit_types::Instrument;
use venuekit_venue::read::{self, Unfit, clip};
use venuekit_venue::{
    AckOf, Body, BookBody, BrokenWhy, Channel, Control, Data, DataKind, Event, EventBuf, LevelSpan, MarketId,
    Place, Row, Topic,
};
use venuekit_wire::duedex::{self, Message, Orderbook, Payload, ServerFrame, Subscription};
use venuekit_wire::scan;
use venuekit_wire::usual::{Cursor, Unusual};
use venuekit_wire::{RawValue, Text, Time, WireError};

use crate::spec::CHANNELS;

/// Reads one frame.
pub(crate) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    match usual(place, frame, out) {
        Ok(event) => out.events.push(event),
        Err(Unusual) => tolerant(place, frame, out),
    }
}

/// Reads a book message in the order that the venue writes.
fn usual(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<Event, Unusual> {
    let mut frame = Cursor::new(frame);
    frame.literal(r#"{"type":""#)?;
    let kind = match frame.text()? {
        "update" => DataKind::Update,
        "snapshot" => DataKind::Snapshot,
        _ => return Err(Unusual),
    };
    frame.literal(r#","channel":"level2","instrument":""#)?;
    let (market, instrument) = place.catalog.find(frame.text()?).ok_or(Unusual)?;
    let scales = (instrument.price_scale, instrument.qty_scale);
    frame.literal(r#","sequence":"#)?;
    let sequence = frame.integer()?;
    frame.literal(r#","data":{"bids":"#)?;
    let bids = out.put_levels(frame.levels(scales))?;
    frame.literal(r#","asks":"#)?;
    let asks = out.put_levels(frame.levels(scales))?;
    frame.literal(r#"},"timestamp":""#)?;
    let at: Time = frame.text()?.parse().map_err(|_| Unusual)?;
    frame.literal("}")?;
    frame.end()?;
    Ok(Event::Data(Data {
        topic: Topic::of(Channel::Book, market),
        kind,
        ids: Some(Ids::single(sequence)),
        at: Some(at.0),
        body: Body::Book(BookBody { bids, asks, checksum: None }),
    }))
}

/// Reads whatever else there is, and whatever is spelt in another way.
fn tolerant(place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    let event = match ServerFrame::parse(frame) {
        Ok(ServerFrame::Data(message)) => data(place, &message, out),
        Ok(ServerFrame::Challenge { challenge }) => {
            Event::Control(Control::Challenge(out.put_text(&challenge)))
        }
        Ok(ServerFrame::Auth { .. }) => Event::Control(Control::LoggedIn),
        Ok(ServerFrame::Subscriptions { channels }) => {
            Event::Control(Control::Ack(AckOf::Topics(topics(place, &channels))))
        }
        Ok(ServerFrame::Other { kind }) => Unfit::new(BrokenWhy::UnknownKind, &kind).broken(None),
        Err(error) => illegible(place, frame, &error),
    };
    out.events.push(event);
}

/// The topics an acknowledgement lists; what we do not know is passed over, since we cannot have asked for it.
fn topics(place: Place<'_>, channels: &[Subscription<'_>]) -> Vec<Topic> {
    let mut topics = Vec::new();
    for Subscription { name, instruments } in channels {
        let Some(channel) = channel(name) else { continue };
        if channel.is_private() {
            topics.push(Topic::account(channel));
        } else {
            let markets = instruments.iter().filter_map(|name| place.catalog.find(name));
            topics.extend(markets.map(|(market, _)| Topic::of(channel, market)));
        }
    }
    topics
}

fn channel(name: &duedex::Channel<'_>) -> Option<Channel> {
    CHANNELS.iter().find(|(_, word)| *word == name.as_str()).map(|&(channel, _)| channel)
}

/// Finds out what can still be said of a frame that does not read.
fn illegible(place: Place<'_>, frame: &[u8], error: &WireError) -> Event {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        channel: duedex::Channel<'a>,
        instrument: Option<Text<'a>>,
    }
    let topic = venuekit_wire::parse(frame).ok().and_then(|head: Head<'_>| {
        let channel = channel(&head.channel)?;
        if channel.is_private() {
            return Some(Topic::account(channel));
        }
        let (market, _) = place.catalog.find(&head.instrument?)?;
        Some(Topic::of(channel, market))
    });
    let is_json = venuekit_wire::parse::<&RawValue>(frame).is_ok();
    let why = if is_json { BrokenWhy::Shape } else { BrokenWhy::Syntax };
    Unfit::new(why, &error.to_string()).broken(topic)
}

/// Reads a snapshot or an update.
fn data(place: Place<'_>, message: &Message<'_>, out: &mut EventBuf) -> Event {
    let Some(channel) = channel(&message.channel) else {
        return Unfit::new(BrokenWhy::UnknownKind, message.channel.as_str()).broken(None);
    };
    let market = match &message.instrument {
        _ if channel.is_private() => None,
        None => return Unfit::shape("missing field `instrument`").broken(None),
        Some(name) => match place.catalog.find(name) {
            None => return Unfit::market(name).broken(None),
            known => known,
        },
    };
    let topic = Topic { channel, market: market.map(|(id, _)| id) };
    match body(place, market, message, out) {
        Ok(body) => Event::Data(Data {
            topic,
            kind: match message.kind {
                duedex::DataKind::Snapshot => DataKind::Snapshot,
                duedex::DataKind::Update => DataKind::Update,
            },
            ids: Some(Ids::single(message.sequence)),
            at: Some(message.timestamp.0),
            body,
        }),
        Err(unfit) => unfit.broken(Some(topic)),
    }
}

fn body(
    place: Place<'_>,
    market: Option<(MarketId, &Instrument)>,
    message: &Message<'_>,
    out: &mut EventBuf,
) -> Result<Body, Unfit> {
    let whole = message.kind == duedex::DataKind::Snapshot;
    match (message.payload().map_err(Unfit::shape)?, market) {
        (Payload::Level2(book), Some((_, instrument))) => Ok(Body::Book(levels(&book, instrument, out)?)),
        (Payload::Ticker(ticker), Some((market, instrument))) => {
            is_of(message, &ticker.instrument)?;
            let row = rows::ticker(market, instrument, &ticker, whole)?;
            Ok(out.put_rows([row]))
        }
        (Payload::Matches(matches), Some((market, instrument))) => collect(out, &matches, |out, trade| {
            is_of(message, &trade.instrument)?;
            rows::trade(market, instrument, trade, out).map(Some)
        }),
        (Payload::Orders(orders), _) => collect(out, &orders, |out, order| {
            known(place, &order.instrument, out)
                .map(|(market, instrument)| rows::order(market, instrument, order))
                .transpose()
        }),
        (Payload::Positions(positions), _) => collect(out, &positions, |out, position| {
            known(place, &position.instrument, out)
                .map(|(market, _)| rows::position(market, position))
                .transpose()
        }),
        (Payload::Executions(fills), _) => collect(out, &fills, |out, fill| {
            known(place, &fill.instrument, out)
                .map(|(market, instrument)| rows::fill(market, instrument, fill))
                .transpose()
        }),
        (Payload::Margins(margins), _) => collect(out, &margins, |_, margin| rows::balance(margin).map(Some)),
        (Payload::Level2(_) | Payload::Ticker(_) | Payload::Matches(_) | Payload::Other(_), _) => {
            Err(Unfit::new(BrokenWhy::UnknownKind, message.channel.as_str()))
        }
    }
}

/// Both sides of a book, straight into the arena. Sizes are contracts, and whole.
fn levels(
    book: &Orderbook<&RawValue>,
    instrument: &Instrument,
    out: &mut EventBuf,
) -> Result<BookBody, Unfit> {
    let mut side = |json: &RawValue| -> Result<LevelSpan, Unfit> {
        out.put_levels(
            scan::levels(json.get()).map(|row| Ok(read::level(row.map_err(Unfit::shape)?, instrument)?)),
        )
    };
    Ok(BookBody { bids: side(book.bids)?, asks: side(book.asks)?, checksum: None })
}

/// A row inside a message of one instrument must be of that instrument.
fn is_of(message: &Message<'_>, instrument: &Text<'_>) -> Result<(), Unfit> {
    if message.instrument.as_ref() == Some(instrument) {
        return Ok(());
    }
    Err(Unfit::shape(format!("a row of {}", clip(instrument))))
}

/// The market of a row in a message of the whole account. One we do not know is complained of by itself: the
/// other rows count, and so does the message's number, or else its stream would never be in sequence again.
fn known<'a>(place: Place<'a>, name: &str, out: &mut EventBuf) -> Option<(MarketId, &'a Instrument)> {
    let market = place.catalog.find(name);
    if market.is_none() {
        out.events.push(Unfit::market(name).broken(None));
    }
    market
}

/// Makes rows of all items, or none.
fn collect<T>(
    out: &mut EventBuf,
    items: &[T],
    mut row: impl FnMut(&mut EventBuf, &T) -> Result<Option<Row>, Unfit>,
) -> Result<Body, Unfit> {
    let start = out.rows.len();
    for item in items {
        match row(out, item) {
            Ok(made) => out.rows.extend(made),
            Err(unfit) => {
                out.rows.truncate(start);
                return Err(unfit);
            }
        }
    }
    Ok(Body::Rows(start..out.rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::{Ask, Catalog, HttpReply};

    #[test]
    fn the_venue_writes_books_in_the_usual_way() {
        let (mut catalog, mut out) = (Catalog::new(), EventBuf::new());
        let place = Place { product: 0, socket: 0, catalog: &Catalog::new() };
        let listed = include_str!("../../../../fixtures/duedex/instruments.json");
        let reply = HttpReply { status: 200, headers: &[], body: listed.as_bytes() };
        answer(place, &Ask::Instruments, &reply, &mut out).expect("the fixture reads");
        for instrument in out.instruments.drain(..) {
            catalog.put(instrument);
        }
        let frames = include_str!("../../../../fixtures/duedex/frames.jsonl");
        let books = frames.lines().filter(|frame| frame.contains(r#""channel":"level2""#));
        let taken = books
            .map(|frame| usual(Place { catalog: &catalog, ..place }, frame.as_bytes(), &mut out).is_ok());
        // The third is written in another order on purpose.
        assert_eq!(taken.collect::<Vec<_>>(), [true, true, false, true]);
    }
}
