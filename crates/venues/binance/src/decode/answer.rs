//! Answers to requests.

use venuekit_book::Ids;
use venuekit_types::UnixNanos;
use venuekit_venue::read::{Unfit, clip};
use venuekit_venue::{
    Ask, Body, BrokenWhy, Candle, Channel, Control, Data, DataKind, Event, EventBuf, Fault, HttpReply,
    Interval, MarketId, Place, Row, Topic,
};
use venuekit_wire::{RawValue, binance};

use super::rows::{self, Traded, decimal};
use super::{account, levels};
use crate::fault;
use crate::spec::is_usdm;
use crate::symbol;

/// Reads the answer to a request.
pub(crate) fn answer(
    place: Place<'_>,
    ask: &Ask,
    reply: &HttpReply<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let body = match fault::body(place.product, reply) {
        Ok(body) => body,
        Err(fault) => return account::without(ask, fault, out),
    };
    let (channel, market, kind, ids, at, body) = match ask {
        Ask::Instruments => return instruments(place, body, out),
        Ask::Time => {
            let binance::ServerTime { server_time } = typed(body)?;
            out.events.push(Event::Control(Control::Time(server_time.0)));
            return Ok(());
        }
        Ask::Depth { market, .. } => {
            let depth: binance::Depth<&RawValue> = typed(body)?;
            let book =
                levels(depth.bids, depth.asks, place.instrument(*market)?, out).map_err(Unfit::fault)?;
            let ids = Some(Ids::single(depth.last_update_id));
            let at = depth.event_time.map(|time| time.0);
            (Channel::Book, market, DataKind::Snapshot, ids, at, Body::Book(book))
        }
        Ask::Trades { market, .. } => {
            let body = trades(place, *market, body, out)?;
            (Channel::Trades, market, DataKind::Update, None, None, body)
        }
        Ask::Candles { market, interval, from, to } => {
            let rows = candles(*market, *interval, &typed::<Vec<_>>(body)?)?;
            let wanted = rows.into_iter().filter(|candle| (*from..*to).contains(&candle.open_at));
            let body = out.put_rows(wanted.map(Row::Candle));
            (Channel::Candles(*interval), market, DataKind::Update, None, None, body)
        }
        Ask::Ticker { market } => {
            let day: binance::Day<'_> = typed(body)?;
            is_of(place, *market, &day.symbol)?;
            let body = out.put_rows([rows::day(*market, &day).map_err(Unfit::fault)?]);
            (Channel::Ticker, market, DataKind::Snapshot, None, Some(day.close_time.0), body)
        }
        Ask::Mark { market } => {
            let mark: binance::Premium<'_> = typed(body)?;
            is_of(place, *market, &mark.symbol)?;
            let (index, rate) = (mark.index_price.as_ref(), mark.last_funding_rate.as_ref());
            let row = rows::mark(*market, &mark.mark_price, index, rate, mark.next_funding_time);
            let body = out.put_rows([row.map_err(Unfit::fault)?]);
            (Channel::Mark, market, DataKind::Snapshot, None, Some(mark.time.0), body)
        }
        ask => return account::answer(place, ask, body, out),
    };
    out.events.push(Event::Data(Data { topic: Topic::of(channel, *market), kind, ids, at, body }));
    Ok(())
}

pub(super) fn typed<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    venuekit_wire::parse(body).map_err(Fault::unreadable)
}

/// An answer about one market must be of that one.
fn is_of(place: Place<'_>, market: MarketId, symbol: &str) -> Result<(), Fault> {
    if place.instrument(market)?.venue_symbol == symbol {
        return Ok(());
    }
    Err(Fault::unreadable(format!("an answer about {}, which was not asked for", clip(symbol))))
}

/// One market that does not read costs itself alone.
fn instruments(place: Place<'_>, body: &[u8], out: &mut EventBuf) -> Result<(), Fault> {
    for terms in typed::<binance::ExchangeInfo<'_>>(body)?.symbols {
        match symbol::instrument(terms.get(), place.product) {
            Ok(instrument) => out.instruments.extend(instrument),
            Err(error) => out.events.push(Unfit::new(BrokenWhy::Shape, &error.to_string()).broken(None)),
        }
    }
    Ok(())
}

/// Trades by ascending id: single ones at spot, those of one aggressor at USD-M, as their streams have them.
fn trades(place: Place<'_>, market: MarketId, body: &[u8], out: &mut EventBuf) -> Result<Body, Fault> {
    let instrument = place.instrument(market)?;
    let (single, aggregate);
    let mut told: Vec<Traded<'_>> = if is_usdm(place.product) {
        aggregate = typed::<Vec<binance::RestAggTrade<'_>>>(body)?;
        aggregate
            .iter()
            .map(|trade| Traded {
                id: trade.agg_id,
                price: &trade.price,
                qty: &trade.qty,
                time: trade.time,
                buyer_is_maker: trade.buyer_is_maker,
            })
            .collect()
    } else {
        single = typed::<Vec<binance::RestTrade<'_>>>(body)?;
        single
            .iter()
            .map(|trade| Traded {
                id: trade.id,
                price: &trade.price,
                qty: &trade.qty,
                time: trade.time,
                buyer_is_maker: trade.is_buyer_maker,
            })
            .collect()
    };
    told.sort_by_key(|trade| trade.id);
    let start = out.rows.len();
    for trade in &told {
        let row = rows::trade(market, instrument, trade, out).map_err(Unfit::fault)?;
        out.rows.push(row);
    }
    Ok(Body::Rows(start..out.rows.len()))
}

/// Candles oldest first; only the last can still change.
fn candles(
    market: MarketId,
    interval: Interval,
    listed: &[binance::Candle<'_>],
) -> Result<Vec<Candle>, Fault> {
    let last = listed.iter().map(|candle| candle.open_time.0).max().unwrap_or(UnixNanos(0));
    let row = |candle: &binance::Candle<'_>| -> Result<Candle, Unfit> {
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
