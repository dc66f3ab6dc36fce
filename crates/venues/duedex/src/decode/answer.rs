//! Answers to requests. A row of a list that does not read costs itself alone.

use venuekit_types::UnixNanos;
use venuekit_venue::read::{Unfit, clip};
use venuekit_venue::{
    Ask, Candle, Channel, EventBuf, Fault, FaultKind, HttpReply, Interval, MarketId, OrderRef, Place, Row,
    Topic,
};
use venuekit_wire::duedex;
use venuekit_wire::{Num, RawValue};

use super::rows;
use crate::fault;
use crate::symbol;

/// Reads the answer to a request.
pub(crate) fn answer(
    place: Place<'_>,
    ask: &Ask,
    reply: &HttpReply<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    if let Ask::Candles { market, interval, from, to } = ask {
        let rows = candles(*market, *interval, fault::body(reply)?)?;
        let wanted = rows.into_iter().filter(|candle| (*from..*to).contains(&candle.open_at));
        let topic = Topic::of(Channel::Candles(*interval), *market);
        out.tell_list(topic, false, wanted, |candle| Ok(Some(Row::Candle(candle))));
        return Ok(());
    }
    let data = match fault::data(reply) {
        Err(fault) if is_empty_already(ask, &fault) => None,
        data => data?,
    };
    let account = Topic::account;
    match ask {
        Ask::Instruments => instruments(data, out)?,
        Ask::Ticker { market } => {
            let ticker: duedex::Ticker<'_> = typed(data)?;
            let instrument = match place.catalog.find(&ticker.instrument) {
                Some((known, instrument)) if known == *market => instrument,
                _ => return Err(Fault::unreadable(format!("the ticker of {}", clip(&ticker.instrument)))),
            };
            let row = rows::ticker(*market, instrument, &ticker, true).map_err(Unfit::fault)?;
            out.tell_list(Topic::of(Channel::Ticker, *market), true, [row], |row| Ok(Some(row)));
        }
        Ask::Balances { .. } => {
            let listed: Vec<&RawValue> = typed(data)?;
            out.tell_list(account(Channel::Balances), true, listed, |row| {
                rows::balance(&parse(row)?).map(Some)
            });
        }
        Ask::Positions { market } => {
            let position: duedex::Position<'_> = typed(data)?;
            let row = match place.catalog.find(&position.instrument) {
                Some((known, _)) if market.is_none_or(|market| market == known) => {
                    rows::position(known, &position).map_err(Unfit::fault)?
                }
                _ => {
                    return Err(Fault::unreadable(format!("the position of {}", clip(&position.instrument))));
                }
            };
            let topic = Topic { channel: Channel::Positions, market: *market };
            out.tell_list(topic, true, [row], |row| Ok(Some(row)));
        }
        Ask::OpenOrders { market } => {
            let topic = Topic { channel: Channel::Orders, market: *market };
            let listed: Vec<&RawValue> = typed(data)?;
            out.tell_list(topic, true, listed, |row| {
                let order = order(place, &parse(row)?)?;
                Ok(Some(order)
                    .filter(|(of, _)| market.is_none_or(|market| market == *of))
                    .map(|(_, row)| row))
            });
        }
        Ask::OrderHistory { market, .. } => {
            let listed: Vec<&RawValue> = typed(data)?;
            out.tell_list(Topic::of(Channel::Orders, *market), false, listed, |row| {
                match order(place, &parse(row)?)? {
                    (of, row) if of == *market => Ok(Some(row)),
                    (of, _) => Err(Unfit::shape(format!("an order of market {}", of.0))),
                }
            });
        }
        Ask::Order { market, order } => one_order(place, *market, order, data, out)?,
        Ask::Place(order) => {
            let named = OrderRef::Client(order.client_order_id.clone());
            one_order(place, order.market, &named, data, out)?;
        }
        // These have nothing to say beyond their code.
        Ask::Amend { .. }
        | Ask::Cancel { .. }
        | Ask::CancelAll { .. }
        | Ask::SetLeverage { .. }
        | Ask::SetRiskLimit { .. }
        | Ask::MoveMargin { .. } => {}
        _ => return Err(Fault::unreadable("an answer to what was never asked")),
    }
    Ok(())
}

/// Whether there was nothing to cancel, which is what was wanted.
fn is_empty_already(ask: &Ask, fault: &Fault) -> bool {
    matches!(ask, Ask::CancelAll { .. })
        && fault.kind == FaultKind::NotFound
        && fault.code == Some(fault::NO_ORDERS)
}

fn typed<'a, T: serde::Deserialize<'a>>(data: Option<&'a RawValue>) -> Result<T, Fault> {
    let data = data.ok_or_else(|| Fault::unreadable("an answer without `data`"))?;
    venuekit_wire::parse(data.get().as_bytes()).map_err(Fault::unreadable)
}

fn parse<'a, T: serde::Deserialize<'a>>(row: &'a RawValue) -> Result<T, Unfit> {
    venuekit_wire::parse(row.get().as_bytes()).map_err(Unfit::shape)
}

/// One instrument that does not read costs itself alone.
fn instruments(data: Option<&RawValue>, out: &mut EventBuf) -> Result<(), Fault> {
    for terms in typed::<Vec<&RawValue>>(data)? {
        match symbol::instrument(terms.get()) {
            Ok(instrument) => out.instruments.push(instrument),
            Err(error) => out.events.push(Unfit::shape(error).broken(None)),
        }
    }
    Ok(())
}

fn order(place: Place<'_>, order: &duedex::Order<'_>) -> Result<(MarketId, Row), Unfit> {
    let known = place.catalog.find(&order.instrument);
    let (market, instrument) = known.ok_or_else(|| Unfit::market(&order.instrument))?;
    Ok((market, rows::order(market, instrument, order)?))
}

/// The answer must be the order that was asked for: of that market, and by that name.
fn one_order(
    place: Place<'_>,
    market: MarketId,
    named: &OrderRef,
    data: Option<&RawValue>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    let told: duedex::Order<'_> = typed(data)?;
    let is_it = match named {
        OrderRef::Venue(id) => told.order_id.to_string() == *id,
        OrderRef::Client(id) => told.client_order_id.as_ref().map_or("", |told| told.as_str()) == id,
    };
    let (of, row) = order(place, &told).map_err(Unfit::fault)?;
    if !is_it || of != market {
        let text = format!("order {} of {}, which was not asked for", told.order_id, clip(&told.instrument));
        return Err(Fault::unreadable(text));
    }
    out.tell_list(Topic::account(Channel::Orders), false, [row], |row| Ok(Some(row)));
    Ok(())
}

/// Candles by column. Only the last can still change; a body that is empty or not `ok` holds none.
fn candles(market: MarketId, interval: Interval, body: &[u8]) -> Result<Vec<Candle>, Fault> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let bars: duedex::Bars<'_> = venuekit_wire::parse(body).map_err(Fault::unreadable)?;
    if bars.s != "ok" {
        return Ok(Vec::new());
    }
    let columns = [&bars.o, &bars.h, &bars.l, &bars.c, &bars.v];
    if columns.iter().any(|column| column.len() != bars.t.len()) {
        return Err(Fault::unreadable("columns of different lengths"));
    }
    let mut rows = Vec::with_capacity(bars.t.len());
    for (at, &seconds) in bars.t.iter().enumerate() {
        let number = |column: &[Num<'_>]| super::rows::decimal(&column[at]).map_err(Unfit::fault);
        rows.push(Candle {
            market,
            interval,
            open_at: UnixNanos::from_millis(seconds.saturating_mul(1000)),
            open: number(&bars.o)?,
            high: number(&bars.h)?,
            low: number(&bars.l)?,
            close: number(&bars.c)?,
            volume: number(&bars.v)?,
            trades: None,
            closed: at + 1 < bars.t.len(),
        });
    }
    Ok(rows)
}
