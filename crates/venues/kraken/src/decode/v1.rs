//! The retired array frames of spot, for the sake of recordings: books and trades. Everything else they told is told by
//! other channels now.

use venuekit_types::{Price, Qty};
use venuekit_venue::read::{Told, Unfit};
use venuekit_venue::{Body, BrokenWhy, Channel, DataKind, EventBuf, Place, Row, Trade};
use venuekit_wire::kraken::v1::{self, Frame};
use venuekit_wire::{RawValue, WireError, parse, scan};

use super::rows::{seconds, side};
use super::{book, of_market};

/// Reads one frame.
pub(super) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<(), WireError> {
    let frame = Frame::parse(frame)?;
    if frame.channel == "trade" {
        let payload = frame.payloads.first().ok_or(WireError::Missing { field: "trades" })?;
        trades(place, &frame.pair, &parse::<Vec<_>>(payload.get().as_bytes())?, out);
    } else if frame.channel.starts_with("book-") {
        let parts: Result<Vec<v1::Book<'_>>, WireError> =
            frame.payloads.iter().map(|part| parse(part.get().as_bytes())).collect();
        levels(place, &frame.pair, &parts?, out);
    } else {
        out.events.push(Unfit::new(BrokenWhy::UnknownKind, &frame.channel).broken(None));
    }
    Ok(())
}

fn levels<'a>(place: Place<'_>, pair: &str, parts: &[v1::Book<'a>], out: &mut EventBuf) {
    of_market(place, Channel::Book, pair, out, |_, instrument, out| {
        let is_snapshot = parts.iter().any(|part| part.all_asks.is_some() || part.all_bids.is_some());
        let checksum =
            parts.iter().find_map(|part| part.c).map(str::parse).transpose().map_err(Unfit::shape)?;
        // A part may hold either side, of a snapshot or of a change.
        let text = |pick: fn(&v1::Book<'a>) -> Option<&'a RawValue>| {
            parts.iter().find_map(pick).map_or("null", RawValue::get)
        };
        let bids = text(|part| part.all_bids.or(part.b));
        let asks = text(|part| part.all_asks.or(part.a));
        let side = |text: &'a str| scan::levels(text).map(|row| row.map_err(Unfit::shape));
        let body = book(side(bids), side(asks), checksum, instrument, out)?;
        let kind = if is_snapshot { DataKind::Snapshot } else { DataKind::Update };
        Ok(Told { kind, ids: None, at: None, body: Body::Book(body) })
    });
}

/// A trade is known by its time, which has microseconds.
fn trades(place: Place<'_>, pair: &str, trades: &[v1::Trade<'_>], out: &mut EventBuf) {
    of_market(place, Channel::Trades, pair, out, |market, instrument, out| {
        let start = out.rows.len();
        for (price, qty, time, taker, ..) in trades {
            let id = out.put_text(time.as_str());
            out.rows.push(Row::Trade(Trade {
                market,
                id,
                number: None,
                price: Price(price.parse_scaled(instrument.price_scale)?),
                qty: Qty(qty.parse_scaled(instrument.qty_scale)?),
                side: Some(side(taker)?),
                at: seconds(time)?,
            }));
        }
        Ok(Told::rows(None, Body::Rows(start..out.rows.len())))
    });
}
