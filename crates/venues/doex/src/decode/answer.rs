//! Answers to requests.

use venuekit_book::Ids;
use venuekit_types::{Instrument, Price, Qty, UnixNanos};
use venuekit_venue::read::{Unfit, clip};
use venuekit_venue::{
    Ask, Body, Candle, Channel, Control, Data, DataKind, Event, EventBuf, Fault, HttpReply, Interval,
    MarketId, Place, Row, TickerPatch, Topic, Trade,
};
use venuekit_wire::{RawValue, doex};

use super::rows::{aggressor, decimal, optional};
use super::{account, levels};
use crate::fault;
use crate::spec::Profile;
use crate::symbol;

/// Reads the answer to a request.
pub(crate) fn answer(
    profile: &Profile,
    place: Place<'_>,
    ask: &Ask,
    reply: &HttpReply<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let body = fault::body(profile, reply)?;
    let (channel, market, kind, ids, body) = match ask {
        Ask::Instruments => return instruments(place, body, out),
        Ask::Time => {
            let doex::ServerTime { server_time } = typed(body)?;
            out.events.push(Event::Control(Control::Time(server_time.0)));
            return Ok(());
        }
        Ask::Depth { market, .. } => {
            let depth: doex::Depth<&RawValue> = typed(body)?;
            let instrument = place.instrument(*market)?;
            let book = levels(depth.bids, depth.asks, instrument, out).map_err(Unfit::fault)?;
            (
                Channel::Book,
                market,
                DataKind::Snapshot,
                Some(Ids::single(depth.last_update_id)),
                Body::Book(book),
            )
        }
        Ask::Trades { market, .. } => {
            let body = trades(*market, place.instrument(*market)?, typed(body)?, out)?;
            (Channel::Trades, market, DataKind::Update, None, body)
        }
        Ask::Candles { market, interval, from, to } => {
            let rows = candles(*market, *interval, &typed::<Vec<_>>(body)?)?;
            let wanted = rows.into_iter().filter(|candle| (*from..*to).contains(&candle.open_at));
            let body = out.put_rows(wanted.map(Row::Candle));
            (Channel::Candles(*interval), market, DataKind::Update, None, body)
        }
        Ask::Mark { market } => {
            let mark: doex::MarkPrice<'_> = typed(body)?;
            if mark.symbol != place.instrument(*market)?.venue_symbol.as_str() {
                return Err(Fault::unreadable(format!("the mark of {}", clip(&mark.symbol))));
            }
            let body = out.put_rows([mark_row(*market, &mark).map_err(Unfit::fault)?]);
            (Channel::Mark, market, DataKind::Snapshot, None, body)
        }
        ask => return account::answer(place, ask, body, out),
    };
    out.events.push(Event::Data(Data { topic: Topic::of(channel, *market), kind, ids, at: None, body }));
    Ok(())
}

pub(super) fn typed<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    venuekit_wire::parse(body).map_err(Fault::unreadable)
}

/// One instrument that does not read costs itself alone.
fn instruments(place: Place<'_>, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    for terms in typed::<Vec<&RawValue>>(body)? {
        match symbol::instrument(terms.get(), place.product) {
            Ok(instrument) => out.instruments.extend(instrument),
            Err(error) => out.events.push(Unfit::new(error.why(), &error.to_string()).broken(None)),
        }
    }
    Ok(())
}

/// Trades by ascending id, whichever way the venue lists them.
fn trades(
    market: MarketId,
    instrument: &Instrument,
    mut trades: Vec<doex::RestTrade<'_>>,
    out: &mut EventBuf,
) -> Result<Body, Fault> {
    trades.sort_by_key(|trade| trade.id);
    let start = out.rows.len();
    for trade in &trades {
        let count = |result: Result<i64, _>| result.map_err(|error| Unfit::from(error).fault());
        let row = Trade {
            market,
            id: out.put_text(&trade.id.to_string()),
            number: Some(trade.id),
            price: Price(count(trade.price.parse_scaled(instrument.price_scale))?),
            qty: Qty(count(trade.qty.parse_scaled(instrument.qty_scale))?),
            side: Some(aggressor(trade.is_buyer_maker)),
            at: trade.time.0,
        };
        out.rows.push(Row::Trade(row));
    }
    Ok(Body::Rows(start..out.rows.len()))
}

/// Candles as listed, oldest first; only the last can still change.
fn candles(market: MarketId, interval: Interval, listed: &[doex::Candle<'_>]) -> Result<Vec<Candle>, Fault> {
    let last = listed.iter().map(|candle| candle.open_time.0).max().unwrap_or(UnixNanos(0));
    let row = |candle: &doex::Candle<'_>| -> Result<Candle, Unfit> {
        Ok(Candle {
            market,
            interval,
            open_at: candle.open_time.0,
            open: decimal(&candle.open)?,
            high: decimal(&candle.high)?,
            low: decimal(&candle.low)?,
            close: decimal(&candle.close)?,
            volume: decimal(&candle.volume)?,
            trades: Some(candle.trades),
            closed: candle.open_time.0 < last,
        })
    };
    let rows: Result<Vec<Candle>, Unfit> = listed.iter().map(row).collect();
    let mut rows = rows.map_err(Unfit::fault)?;
    rows.sort_by_key(|candle| candle.open_at);
    Ok(rows)
}

fn mark_row(market: MarketId, mark: &doex::MarkPrice<'_>) -> Result<Row, Unfit> {
    let mut patch = TickerPatch::new(market);
    patch.mark = Some(decimal(&mark.mark_price)?);
    patch.index = optional(mark.index_price.as_ref())?;
    patch.funding_rate = optional(mark.funding_rate.as_ref())?;
    patch.next_funding = mark.next_funding_time.map(|time| time.0);
    Ok(Row::Ticker(patch))
}
