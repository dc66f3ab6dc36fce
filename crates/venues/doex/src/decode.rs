//! What Doex says: frames of its streams, and answers. Total: whatever arrives becomes an event or a fault.

mod account;
mod answer;
mod rows;

pub(crate) use answer::answer;

use venuekit_book::Ids;
use venuekit_types::{Instrument, UnixNanos};
use venuekit_venue::read::{self, Told, Unfit};
use venuekit_venue::{
    AckOf, Body, BookBody, BrokenWhy, Channel, Control, Data, DataKind, Event, EventBuf, LevelSpan, MarketId,
    Place, Row, Topic,
};
use venuekit_wire::doex::{OrderEvent, ServerFrame, Wallet};
use venuekit_wire::scan;
use venuekit_wire::usual::{Cursor, Unusual};
use venuekit_wire::{RawValue, Text, WireError};

use crate::fault;
use crate::spec::{FUTURES, Profile};

/// Reads one frame.
pub(crate) fn decode(profile: &Profile, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    match usual(place, frame, out) {
        Ok(event) => out.events.push(event),
        Err(Unusual) => tolerant(profile, place, frame, out),
    }
}

/// Reads a change of a book in the order that the venue writes.
fn usual(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<Event, Unusual> {
    let mut frame = Cursor::new(frame);
    frame.literal(r#"{"e":"depthUpdate","E":"#)?;
    let millis =
        i64::try_from(frame.integer()?).ok().and_then(|n| n.checked_mul(1_000_000)).ok_or(Unusual)?;
    frame.literal(r#","s":""#)?;
    let (market, instrument) = place.catalog.find(frame.text()?).ok_or(Unusual)?;
    let scales = (instrument.price_scale, instrument.qty_scale);
    frame.literal(r#","U":"#)?;
    let first = frame.integer()?;
    frame.literal(r#","u":"#)?;
    let last = frame.integer()?;
    frame.literal(r#","b":"#)?;
    let bids = out.put_levels(frame.levels(scales))?;
    frame.literal(r#","a":"#)?;
    let asks = out.put_levels(frame.levels(scales))?;
    frame.literal("}")?;
    frame.end()?;
    Ok(Event::Data(Data {
        topic: Topic::of(Channel::Book, market),
        kind: DataKind::Update,
        ids: Some(Ids::range(first, last)),
        at: Some(UnixNanos(millis)),
        body: Body::Book(BookBody { bids, asks, checksum: None }),
    }))
}

/// Reads whatever else there is, and whatever is spelt in another way.
fn tolerant(profile: &Profile, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    let told = match ServerFrame::parse(frame) {
        Ok(told) => told,
        Err(error) => return illegible(profile, place, frame, &error, out),
    };
    let event = match told {
        ServerFrame::Ack { id } => Event::Control(Control::Ack(AckOf::Request(id))),
        ServerFrame::Refused { id, error } => {
            let fault = fault::of_stream(profile, &error);
            Event::Control(match id {
                Some(id) => Control::Refused { of: AckOf::Request(id), fault },
                None => Control::Notice(fault),
            })
        }
        ServerFrame::ListenKeyExpired(_) => Event::Control(Control::KeyExpired),
        ServerFrame::Other { event } => Unfit::new(BrokenWhy::UnknownKind, &event).broken(None),
        ServerFrame::Trade(trade) => {
            read::of_market(place, Channel::Trades, &trade.symbol, out, |market, instrument, out| {
                let row = rows::trade(market, instrument, &trade, out)?;
                Ok(Told::rows(trade.time.0, out.put_rows([row])))
            })
        }
        ServerFrame::Depth(depth) => {
            read::of_market(place, Channel::Book, &depth.symbol, out, |_, instrument, out| {
                let body = Body::Book(levels(depth.bids, depth.asks, instrument, out)?);
                let ids = Some(Ids::range(depth.first_id, depth.last_id));
                Ok(Told { ids, ..Told::rows(depth.event_time.0, body) })
            })
        }
        ServerFrame::Kline(event) => match profile.interval_of(&event.kline.interval) {
            None => Unfit::new(BrokenWhy::UnknownKind, &event.kline.interval).broken(None),
            Some(interval) => {
                read::of_market(place, Channel::Candles(interval), &event.symbol, out, |market, _, out| {
                    let row = rows::kline(market, interval, &event.kline)?;
                    Ok(Told::rows(event.event_time.0, out.put_rows([row])))
                })
            }
        },
        ServerFrame::Ticker(ticker) => {
            read::of_market(place, Channel::Ticker, &ticker.symbol, out, |market, _, out| {
                let row = rows::ticker(market, &ticker)?;
                Ok(Told::whole(ticker.event_time.0, out.put_rows([row])))
            })
        }
        ServerFrame::Mark(mark) if place.product == FUTURES => {
            read::of_market(place, Channel::Mark, &mark.symbol, out, |market, _, out| {
                let row = rows::mark(market, &mark)?;
                Ok(Told::whole(mark.event_time.0, out.put_rows([row])))
            })
        }
        ServerFrame::Position(position) if place.product == FUTURES => of_account(
            place,
            Channel::Positions,
            &position.symbol,
            position.event_time.0,
            out,
            |market, _| rows::position(market, &position),
        ),
        ServerFrame::Mark(_) | ServerFrame::Position(_) => ELSEWHERE,
        ServerFrame::Balance(event) => match belongs(place, &event.wallet) {
            Ok(false) => ELSEWHERE,
            Err(unfit) => unfit.broken(None),
            Ok(true) => {
                let rows: Result<Vec<_>, Unfit> =
                    event.balances.iter().map(|change| rows::balance(&event.wallet, change)).collect();
                match rows {
                    Ok(rows) => account(Channel::Balances, event.event_time.0, out.put_rows(rows)),
                    Err(unfit) => unfit.broken(Some(Topic::account(Channel::Balances))),
                }
            }
        },
        ServerFrame::Order(event) => match belongs(place, &event.wallet) {
            Ok(true) => return order(place, &event, out),
            Ok(false) => ELSEWHERE,
            Err(unfit) => unfit.broken(None),
        },
    };
    out.events.push(event);
}

/// A user stream tells of both products; what is the other's proves no more than that the stream lives.
const ELSEWHERE: Event = Event::Control(Control::Beat);

/// Whether a wallet is one of this product. Margin orders trade in spot markets.
fn belongs(place: Place<'_>, wallet: &Wallet<'_>) -> Result<bool, Unfit> {
    match wallet {
        Wallet::Spot | Wallet::Margin => Ok(place.product != FUTURES),
        Wallet::Futures => Ok(place.product == FUTURES),
        Wallet::Other(word) => Err(Unfit::new(BrokenWhy::UnknownKind, word)),
    }
}

/// An order event is a row of two channels: the order as it is, and the fill that made it so.
fn order(place: Place<'_>, event: &OrderEvent<'_>, out: &mut EventBuf) {
    let at = event.event_time.0;
    let told = of_account(place, Channel::Orders, &event.order.symbol, at, out, |market, _| {
        rows::order(market, &event.order)
    });
    out.events.push(told);
    if let Some(fill) = &event.fill {
        let told =
            of_account(place, Channel::Fills, &fill.symbol, at, out, |market, _| rows::fill(market, fill));
        out.events.push(told);
    }
}

fn of_account(
    place: Place<'_>,
    channel: Channel,
    symbol: &str,
    at: UnixNanos,
    out: &mut EventBuf,
    read: impl FnOnce(MarketId, &Instrument) -> Result<Row, Unfit>,
) -> Event {
    let Some((market, instrument)) = place.catalog.find(symbol) else {
        return Unfit::market(symbol).broken(None);
    };
    match read(market, instrument) {
        Ok(row) => account(channel, at, out.put_rows([row])),
        Err(unfit) => unfit.broken(Some(Topic::account(channel))),
    }
}

fn account(channel: Channel, at: UnixNanos, body: Body) -> Event {
    let Told { kind, ids, at, body } = Told::rows(at, body);
    Event::Data(Data { topic: Topic::account(channel), kind, ids, at, body })
}

/// Both sides of a book, straight into the arena.
fn levels(
    bids: &RawValue,
    asks: &RawValue,
    instrument: &Instrument,
    out: &mut EventBuf,
) -> Result<BookBody, Unfit> {
    let mut side = |json: &RawValue| -> Result<LevelSpan, Unfit> {
        out.put_levels(
            scan::levels(json.get()).map(|row| Ok(read::level(row.map_err(Unfit::shape)?, instrument)?)),
        )
    };
    Ok(BookBody { bids: side(bids)?, asks: side(asks)?, checksum: None })
}

/// Says what can still be said of a frame that does not read: once for each stream it was part of.
fn illegible(profile: &Profile, place: Place<'_>, frame: &[u8], error: &WireError, out: &mut EventBuf) {
    #[derive(serde::Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        e: Text<'a>,
        s: Option<Text<'a>>,
        k: Option<&'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Kline<'a> {
        #[serde(borrow)]
        i: Text<'a>,
    }
    let is_json = venuekit_wire::parse::<&RawValue>(frame).is_ok();
    let why = if is_json { BrokenWhy::Shape } else { BrokenWhy::Syntax };
    let detail = error.to_string();
    let mut complain = |topic| out.events.push(Unfit::new(why, &detail).broken(topic));
    let Ok(head) = venuekit_wire::parse::<Head<'_>>(frame) else { return complain(None) };
    let channel = match head.e.as_str() {
        "trade" => Channel::Trades,
        "depthUpdate" => Channel::Book,
        "ticker" => Channel::Ticker,
        "mark" => Channel::Mark,
        "kline" => {
            let kline: Option<Kline<'_>> =
                head.k.and_then(|json| venuekit_wire::parse(json.get().as_bytes()).ok());
            match kline.and_then(|kline| profile.interval_of(&kline.i)) {
                Some(interval) => Channel::Candles(interval),
                None => return complain(None),
            }
        }
        "balance" => return complain(Some(Topic::account(Channel::Balances))),
        "position" => return complain(Some(Topic::account(Channel::Positions))),
        "order" => {
            complain(Some(Topic::account(Channel::Orders)));
            return complain(Some(Topic::account(Channel::Fills)));
        }
        _ => return complain(None),
    };
    let market = head.s.and_then(|symbol| place.catalog.find(&symbol));
    complain(market.map(|(market, _)| Topic::of(channel, market)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Doex;
    use venuekit_venue::{Ask, Catalog, HttpReply, Venue};

    #[test]
    fn the_venue_writes_books_in_the_usual_way() {
        let (mut catalog, mut out) = (Catalog::new(), EventBuf::new());
        let place = Place { product: 0, socket: 0, catalog: &Catalog::new() };
        let listed = include_str!("../../../../fixtures/doex/instruments.json");
        let reply = HttpReply { status: 200, headers: &[], body: listed.as_bytes() };
        Doex::default().answer(place, &Ask::Instruments, &reply, &mut out).expect("the fixture reads");
        for instrument in out.instruments.drain(..) {
            catalog.put(instrument);
        }
        let frames = include_str!("../../../../fixtures/doex/public.jsonl");
        let books = frames.lines().filter(|frame| frame.contains("depthUpdate"));
        let place = Place { catalog: &catalog, ..place };
        let taken = books.map(|frame| usual(place, frame.as_bytes(), &mut out).is_ok());
        // The second is written in another order on purpose.
        assert_eq!(taken.collect::<Vec<_>>(), [true, false]);
    }
}
