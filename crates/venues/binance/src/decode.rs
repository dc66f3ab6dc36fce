//! What Binance says: frames of its streams, and answers. Total: whatever arrives becomes an event or a fault.

mod account;
mod answer;
mod rows;

pub(crate) use answer::answer;

use venuekit_book::Ids;
use venuekit_types::{Instrument, UnixNanos};
use venuekit_venue::read::{self, Told, Unfit};
use venuekit_venue::{
    AckOf, Body, BookBody, BrokenWhy, Channel, Control, Data, DataKind, Event, EventBuf, Interval, LevelSpan,
    MarketId, Place, Row, Topic, Wallet,
};
use venuekit_wire::binance::{AccountUpdate, ApiReply, ExecutionReport, OrderTradeUpdate, ServerFrame};
use venuekit_wire::scan;
use venuekit_wire::usual::{Cursor, Unusual};
use venuekit_wire::{RawValue, Text, WireError};

use crate::auth::LOGIN;
use crate::fault;
use crate::spec::{ALGO, MARGIN, is_usdm};
use rows::Traded;

/// Reads one frame.
pub(crate) fn decode(place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    match usual(place, frame, out) {
        Ok(event) => out.events.push(event),
        Err(Unusual) => tolerant(place, frame, out),
    }
}

/// Reads a change of a book in the order that the venue writes, raw or as part of a combined stream.
fn usual(place: Place<'_>, frame: &[u8], out: &mut EventBuf) -> Result<Event, Unusual> {
    let mut frame = Cursor::new(frame);
    let combined = frame.literal(r#"{"stream":""#).is_ok();
    if combined {
        frame.text()?;
        frame.literal(r#","data":"#)?;
    }
    frame.literal(r#"{"e":"depthUpdate","E":"#)?;
    let millis =
        i64::try_from(frame.integer()?).ok().and_then(|n| n.checked_mul(1_000_000)).ok_or(Unusual)?;
    let usdm = is_usdm(place.product);
    if usdm {
        frame.literal(r#","T":"#)?;
        frame.integer()?;
    }
    frame.literal(r#","s":""#)?;
    let (market, instrument) = place.catalog.find(frame.text()?).ok_or(Unusual)?;
    let scales = (instrument.price_scale, instrument.qty_scale);
    // Since one system serves both kinds of contracts, it says the pair and the kind.
    if frame.literal(r#","ps":""#).is_ok() {
        frame.text()?;
    }
    if frame.literal(r#","st":"#).is_ok() {
        frame.integer()?;
    }
    frame.literal(r#","U":"#)?;
    let first = frame.integer()?;
    frame.literal(r#","u":"#)?;
    let last = frame.integer()?;
    let prev = if usdm {
        frame.literal(r#","pu":"#)?;
        Some(frame.integer()?)
    } else {
        None
    };
    frame.literal(r#","b":"#)?;
    let bids = out.put_levels(frame.levels(scales))?;
    frame.literal(r#","a":"#)?;
    let asks = out.put_levels(frame.levels(scales))?;
    frame.literal(if combined { "}}" } else { "}" })?;
    frame.end()?;
    Ok(Event::Data(Data {
        topic: Topic::of(Channel::Book, market),
        kind: DataKind::Update,
        ids: Some(Ids { first, last, prev }),
        at: Some(UnixNanos(millis)),
        body: Body::Book(BookBody { bids, asks, checksum: None }),
    }))
}

/// Reads whatever else there is, and whatever is spelt in another way.
fn tolerant(place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
    let usdm = is_usdm(place.product);
    let told = match ServerFrame::parse(frame) {
        Ok(told) => told,
        Err(error) => return illegible(place, frame, &error, out),
    };
    let event = match told {
        ServerFrame::Ack { id } => Event::Control(Control::Ack(AckOf::Request(id))),
        ServerFrame::Refused { id, error } => {
            let fault = fault::of_stream(&error);
            Event::Control(match id {
                Some(id) => Control::Refused { of: AckOf::Request(id), fault },
                None => Control::Notice(fault),
            })
        }
        ServerFrame::Reply(reply) if place.product == MARGIN => Event::Control(subscribed(&reply)),
        ServerFrame::Reply(reply) => Event::Control(replied(place.product, &reply)),
        ServerFrame::Shutdown => Event::Control(Control::Leaving),
        ServerFrame::UserStreamEnded => Event::Control(Control::KeyExpired),
        ServerFrame::Other { event } if is_passed_over(&event) => BEAT,
        ServerFrame::Other { event } => Unfit::new(BrokenWhy::UnknownKind, &event).broken(None),
        // What an insurance fund took over did not trade in the book.
        ServerFrame::Trade(trade) if trade.kind.as_ref().is_some_and(|kind| *kind != "MARKET") => BEAT,
        ServerFrame::Trade(trade) => {
            let told = Traded {
                id: trade.trade_id,
                price: &trade.price,
                qty: &trade.qty,
                time: trade.time,
                buyer_is_maker: trade.buyer_is_maker,
            };
            traded(place, &trade.symbol, &told, out)
        }
        ServerFrame::AggTrade(trade) => {
            let told = Traded {
                id: trade.agg_id,
                price: &trade.price,
                qty: &trade.qty,
                time: trade.time,
                buyer_is_maker: trade.buyer_is_maker,
            };
            traded(place, &trade.symbol, &told, out)
        }
        ServerFrame::Depth(depth) => {
            read::of_market(place, Channel::Book, &depth.symbol, out, |_, instrument, out| {
                // Each product has its own chain, and the other's would be taken for broken.
                if usdm != depth.prev_id.is_some() {
                    return Err(Unfit::shape(if usdm { "no `pu`" } else { "`pu` is of USD-M" }));
                }
                let body = Body::Book(levels(depth.bids, depth.asks, instrument, out)?);
                let ids = Some(Ids { first: depth.first_id, last: depth.last_id, prev: depth.prev_id });
                Ok(Told { ids, ..Told::rows(depth.event_time.0, body) })
            })
        }
        ServerFrame::Kline(event) => match Interval::from_word(&event.kline.interval) {
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
        ServerFrame::BookTicker(best) => {
            read::of_market(place, Channel::Ticker, &best.symbol, out, |market, _, out| {
                let body = out.put_rows([rows::best(market, &best)?]);
                let at = best.event_time.map(|time| time.0);
                Ok(Told { kind: DataKind::Update, ids: None, at, body })
            })
        }
        ServerFrame::MarkPrice(mark) if usdm => {
            read::of_market(place, Channel::Mark, &mark.symbol, out, |market, _, out| {
                let (index, rate) = (mark.index.as_ref(), mark.funding_rate.as_ref());
                let row = rows::mark(market, &mark.mark, index, rate, mark.next_funding_time)?;
                Ok(Told::whole(mark.event_time.0, out.put_rows([row])))
            })
        }
        ServerFrame::Execution(report) if !usdm => return execution(place, &report, out),
        ServerFrame::Balances(event) if !usdm => {
            let wallet = if place.product == MARGIN { Wallet::Margin } else { Wallet::Spot };
            let balances = event.balances.iter();
            let rows: Result<Vec<_>, Unfit> = balances.map(|change| rows::balance(wallet, change)).collect();
            account(Channel::Balances, event.event_time.0, rows, out)
        }
        ServerFrame::Algo(event) if place.product == ALGO => {
            return own(place, Channel::Orders, &event.order.symbol, event.event_time.0, out, |market| {
                rows::algo_event(market, &event).map(Some)
            });
        }
        // The key of a user stream is the account's, so that it tells of ordinary orders here as well.
        ServerFrame::Order(_) | ServerFrame::Account(_) if place.product == ALGO => BEAT,
        ServerFrame::Order(event) if usdm => return order(place, &event, out),
        ServerFrame::Account(event) if usdm => return changes(place, &event, out),
        // A socket of one product does not tell of the other: it has told nothing that is followed there.
        ServerFrame::MarkPrice(_)
        | ServerFrame::Execution(_)
        | ServerFrame::Balances(_)
        | ServerFrame::Order(_)
        | ServerFrame::Algo(_)
        | ServerFrame::Account(_) => BEAT,
    };
    out.events.push(event);
}

/// It lives, and says nothing that is kept.
const BEAT: Event = Event::Control(Control::Beat);

/// Events that add nothing to what is followed: each is told again in another, or is about what is not followed.
fn is_passed_over(event: &str) -> bool {
    matches!(
        event,
        "balanceUpdate"
            | "externalLockUpdate"
            | "listStatus"
            | "TRADE_LITE"
            | "ACCOUNT_CONFIG_UPDATE"
            | "CONDITIONAL_ORDER_TRIGGER_REJECT"
            | "MARGIN_CALL"
            | "STRATEGY_UPDATE"
            | "GRID_UPDATE"
    )
}

/// The answer to a subscription by token. An id of ours is told as a text there.
fn subscribed(reply: &ApiReply<'_>) -> Control {
    let id = reply.id.as_ref().and_then(|id| id.parse().ok());
    let of = id.map_or(AckOf::Any, AckOf::Request);
    match &reply.error {
        None => Control::Ack(of),
        // It is so already.
        Some(error) if error.code == fault::SUBSCRIBED => Control::Ack(of),
        Some(error) if error.code == fault::NO_TOKEN => Control::KeyExpired,
        Some(error) => Control::Refused { of, fault: fault::of_api(MARGIN, reply.status, error) },
    }
}

/// The one thing that is asked of the WebSocket API is to open a user stream.
fn replied(product: usize, reply: &ApiReply<'_>) -> Control {
    let is_login = reply.id.as_ref().is_none_or(|id| *id == LOGIN);
    match &reply.error {
        Some(error) if is_login => Control::LoginRefused(fault::of_api(product, reply.status, error)),
        Some(error) => Control::Notice(fault::of_api(product, reply.status, error)),
        None if is_login => Control::LoggedIn,
        None => Control::Beat,
    }
}

fn traded(place: Place<'_>, symbol: &str, told: &Traded<'_>, out: &mut EventBuf) -> Event {
    read::of_market(place, Channel::Trades, symbol, out, |market, instrument, out| {
        let row = rows::trade(market, instrument, told, out)?;
        Ok(Told::rows(told.time.0, out.put_rows([row])))
    })
}

/// An event of spot is a row of two channels: the order as it is, and the fill that made it so.
fn execution(place: Place<'_>, report: &ExecutionReport<'_>, out: &mut EventBuf) {
    let at = report.event_time.0;
    own(place, Channel::Orders, &report.symbol, at, out, |market| rows::execution(market, report).map(Some));
    own(place, Channel::Fills, &report.symbol, at, out, |market| rows::executed(market, report));
}

/// As [`execution`], of USD-M.
fn order(place: Place<'_>, event: &OrderTradeUpdate<'_>, out: &mut EventBuf) {
    let (order, at) = (&event.order, event.event_time.0);
    own(place, Channel::Orders, &order.symbol, at, out, |market| {
        rows::futures_order(market, order).map(Some)
    });
    own(place, Channel::Fills, &order.symbol, at, out, |market| rows::futures_executed(market, order));
}

/// What changed in a futures wallet: balances, positions, or both.
fn changes(place: Place<'_>, event: &AccountUpdate<'_>, out: &mut EventBuf) {
    let at = event.event_time.0;
    let balances = event.changes.balances.iter();
    let balances: Result<Vec<_>, Unfit> = balances
        .map(|change| rows::wallet(&change.asset, &change.wallet_balance).map(Row::Balance))
        .collect();
    let positions = event.changes.positions.iter();
    let positions: Result<Vec<_>, Unfit> = positions
        .filter_map(|change| {
            let Some((market, _)) = place.catalog.find(&change.symbol) else {
                return Some(Err(Unfit::market(&change.symbol)));
            };
            rows::changed_position(market, change).transpose()
        })
        .collect();
    let mut silent = true;
    for (channel, rows) in [(Channel::Balances, balances), (Channel::Positions, positions)] {
        if !matches!(&rows, Ok(rows) if rows.is_empty()) {
            let event = account(channel, at, rows, out);
            out.events.push(event);
            silent = false;
        }
    }
    if silent {
        out.events.push(BEAT);
    }
}

/// Tells of one row of an account, where there is one.
fn own(
    place: Place<'_>,
    channel: Channel,
    symbol: &str,
    at: UnixNanos,
    out: &mut EventBuf,
    read: impl FnOnce(MarketId) -> Result<Option<Row>, Unfit>,
) {
    let row = match place.catalog.find(symbol) {
        Some((market, _)) => read(market),
        None => Err(Unfit::market(symbol)),
    };
    if let Some(row) = row.transpose() {
        let event = account(channel, at, row.map(|row| vec![row]), out);
        out.events.push(event);
    }
}

fn account(channel: Channel, at: UnixNanos, rows: Result<Vec<Row>, Unfit>, out: &mut EventBuf) -> Event {
    let topic = Topic::account(channel);
    match rows {
        Ok(rows) => {
            let Told { kind, ids, at, body } = Told::rows(at, out.put_rows(rows));
            Event::Data(Data { topic, kind, ids, at, body })
        }
        Err(unfit) => unfit.broken(Some(topic)),
    }
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

/// What can still be told of a frame that does not read.
#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<Text<'a>>,
    s: Option<Text<'a>>,
    k: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
}

/// Says what can still be said of a frame that does not read: once for each stream it was part of.
fn illegible(place: Place<'_>, frame: &[u8], error: &WireError, out: &mut EventBuf) {
    #[derive(serde::Deserialize)]
    struct Kline<'a> {
        #[serde(borrow)]
        i: Text<'a>,
    }
    let is_json = venuekit_wire::parse::<&RawValue>(frame).is_ok();
    let why = if is_json { BrokenWhy::Shape } else { BrokenWhy::Syntax };
    let detail = error.to_string();
    let mut complain = |topic| out.events.push(Unfit::new(why, &detail).broken(topic));
    let Ok(mut head) = venuekit_wire::parse::<Head<'_>>(frame) else { return complain(None) };
    if let Some(inner) = head.data.or(head.event) {
        match venuekit_wire::parse(inner.get().as_bytes()) {
            Ok(inner) => head = inner,
            Err(_) => return complain(None),
        }
    }
    let account: &[Channel] = match head.e.as_ref().map_or("", Text::as_str) {
        "executionReport" | "ORDER_TRADE_UPDATE" => &[Channel::Orders, Channel::Fills],
        "outboundAccountPosition" => &[Channel::Balances],
        "ACCOUNT_UPDATE" => &[Channel::Balances, Channel::Positions],
        _ => &[],
    };
    for &channel in account {
        complain(Some(Topic::account(channel)));
    }
    if !account.is_empty() {
        return;
    }
    let channel = match head.e.as_ref().map_or("", Text::as_str) {
        "trade" | "aggTrade" => Channel::Trades,
        "depthUpdate" => Channel::Book,
        "24hrTicker" | "bookTicker" => Channel::Ticker,
        "markPriceUpdate" => Channel::Mark,
        "kline" => {
            let kline: Option<Kline<'_>> =
                head.k.and_then(|json| venuekit_wire::parse(json.get().as_bytes()).ok());
            match kline.and_then(|kline| Interval::from_word(&kline.i)) {
                Some(interval) => Channel::Candles(interval),
                None => return complain(None),
            }
        }
        _ => return complain(None),
    };
    let market = head.s.and_then(|symbol| place.catalog.find(&symbol));
    complain(market.map(|(market, _)| Topic::of(channel, market)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SPOT, USDM};
    use venuekit_types::Scale;
    use venuekit_venue::Catalog;

    /// The venue's usual spelling takes the fast path, which reads it as the tolerant one does.
    #[test]
    fn the_venue_writes_books_in_the_usual_way() {
        let mut catalog = Catalog::new();
        let terms = crate::symbol::terms_of("BTCUSDT", SPOT).expect("a name that tells");
        let scale = |digits| Scale::new(digits).expect("a scale");
        catalog.put(Instrument { price_scale: scale(2), qty_scale: scale(3), ..terms });
        let spot = r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":5,"u":7,"b":[["1.50","0.100"]],"a":[]}"#;
        let usdm = r#"{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":5,"u":7,"pu":3,"b":[["1.50","0.100"]],"a":[]}"#;
        let kinds = r#"{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","ps":"BTCUSDT","st":1,"U":5,"u":7,"pu":3,"b":[],"a":[["2","0"]]}"#;
        for (product, json) in [(SPOT, spot), (USDM, usdm), (USDM, kinds)] {
            for frame in [json.to_owned(), format!(r#"{{"stream":"btcusdt@depth","data":{json}}}"#)] {
                let place = Place { product, socket: 0, catalog: &catalog };
                let (mut fast, mut slow) = (EventBuf::new(), EventBuf::new());
                let event = usual(place, frame.as_bytes(), &mut fast);
                tolerant(place, frame.as_bytes(), &mut slow);
                assert_eq!(event.as_ref(), Ok(&slow.events[0]), "{frame}");
                let spaced = frame.replace(r#","u""#, r#", "u""#);
                assert_eq!(usual(place, spaced.as_bytes(), &mut fast), Err(Unusual));
            }
        }
        let place = Place { product: USDM, socket: 0, catalog: &catalog };
        let mut out = EventBuf::new();
        decode(place, spot.as_bytes(), &mut out);
        assert!(matches!(&out.events[..], [Event::Broken(broken)] if broken.topic.is_some()), "no `pu`");
    }
}
