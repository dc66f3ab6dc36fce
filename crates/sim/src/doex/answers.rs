//! What anyone may read over REST: instruments, depth, trades, candles, marks.

use venuekit_types::Kind;

use crate::doex::params::{BAD_VALUE, MISSING, Params, ROWS, Refusal};
use crate::doex::{INTERVALS, public, user};
use crate::market::Spec;
use crate::text::Text;
use crate::world::Market;

/// An array with one value for each row.
pub(super) fn rows<T>(text: &mut Text, items: &[T], mut write: impl FnMut(&mut Text, &T)) {
    text.s("[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.s(",");
        }
        write(text, item);
    }
    text.s("]");
}

pub(super) fn instrument(text: &mut Text, market: &Market) {
    let spec: &Spec = market.spec;
    let spot = spec.kind == Kind::Spot;
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","kind":""#).s(if spot { "spot" } else { "perpetual" });
    text.s(r#"","base":""#)
        .s(spec.base)
        .s(r#"","quote":""#)
        .s(spec.quote)
        .s(r#"","settle":""#)
        .s(spec.money());
    text.s(r#"","tickSize":""#).padded(spec.tick, spec.price_scale);
    text.s(r#"","stepSize":""#).padded(spec.step, spec.qty_scale);
    text.s(r#"","minQty":""#).padded(spec.step, spec.qty_scale);
    text.s(r#"","maxQty":""#).padded(spec.max_qty, spec.qty_scale);
    text.s(r#"","minNotional":""#).s(spec.min_notional);
    text.s(r#"","contractSize":""#).s(spec.contract.as_ref().map_or("1", |contract| contract.multiplier));
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    text.s(r#"","inverse":"#).s(if inverse { "true" } else { "false" });
    text.s(r#","maxLeverage":""#).s(&user::leverage(spec)).s(r#"","status":"trading","makerFee":""#);
    text.s(spec.maker_fee).s(r#"","takerFee":""#).s(spec.taker_fee).s("\"}");
}

pub(super) fn depth(text: &mut Text, market: &Market, params: Params<'_>) -> Result<(), Refusal> {
    let limit = params.bounded("limit", 100, 5000)?;
    text.s(r#"{"lastUpdateId":"#).int(market.seq).s(r#","bids":"#);
    public::levels(text, market.spec, market.engine.bids().take(limit));
    text.s(r#","asks":"#);
    public::levels(text, market.spec, market.engine.asks().take(limit));
    text.s("}");
    Ok(())
}

/// The latest trades, or those from an id on; ids ascending.
pub(super) fn trades(text: &mut Text, market: &Market, params: Params<'_>) -> Result<(), Refusal> {
    let limit = params.bounded("limit", ROWS.0, ROWS.1)?;
    let all = &market.trades;
    let first = match params.raw("fromId") {
        None => all.len().saturating_sub(limit),
        Some(id) => {
            let id: u64 = id.parse().map_err(|_| BAD_VALUE)?;
            all.partition_point(|trade| trade.id < id)
        }
    };
    let spec = market.spec;
    let chosen: Vec<_> = all.iter().skip(first).take(limit).collect();
    rows(text, &chosen, |text, trade| {
        text.s(r#"{"id":"#).int(trade.id).s(r#","price":""#).padded(trade.price, spec.price_scale);
        text.s(r#"","qty":""#).padded(trade.qty, spec.qty_scale).s(r#"","time":"#).int(trade.at_ms);
        let maker = trade.aggressor == venuekit_types::Side::Sell;
        text.s(r#","isBuyerMaker":"#).s(if maker { "true}" } else { "false}" });
    });
    Ok(())
}

pub(super) fn klines(text: &mut Text, market: &Market, params: Params<'_>) -> Result<(), Refusal> {
    let limit = params.bounded("limit", ROWS.0, ROWS.1)?;
    let name = params.raw("interval").ok_or(MISSING)?;
    let (_, length) = *INTERVALS.iter().find(|(other, _)| *other == name).ok_or(BAD_VALUE)?;
    let edge = |name| params.raw(name).map(|text| text.parse::<i64>().map_err(|_| BAD_VALUE)).transpose();
    let (from, to) = (edge("startTime")?, edge("endTime")?);
    let within = |candle: &&crate::candles::Candle| {
        from.is_none_or(|from| candle.open_ms >= from) && to.is_none_or(|to| candle.open_ms <= to)
    };
    let all: Vec<_> = market.candles.of(length).into_iter().flatten().filter(within).collect();
    // From a start the first rows, otherwise the latest.
    let skip = if from.is_some() { 0 } else { all.len().saturating_sub(limit) };
    let spec = market.spec;
    let chosen: Vec<_> = all.into_iter().skip(skip).take(limit).collect();
    rows(text, &chosen, |text, candle| {
        text.s("[").int(candle.open_ms);
        for price in [candle.open, candle.high, candle.low, candle.close] {
            text.s(",\"").padded(price, spec.price_scale).s("\"");
        }
        text.s(",\"")
            .padded(candle.volume, spec.qty_scale)
            .s("\",")
            .int(candle.open_ms + length - 1)
            .s(",\"");
        public::notional(text, spec, candle);
        text.s("\",").int(candle.trades).s("]");
    });
    Ok(())
}

pub(super) fn mark(text: &mut Text, market: &Market) {
    let (spec, reference) = (market.spec, market.reference);
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","markPrice":""#).padded(reference.mark, spec.price_scale);
    text.s(r#"","indexPrice":""#).padded(reference.index, spec.price_scale);
    text.s(r#"","fundingRate":""#).padded(reference.rate_e6, public::rate_scale());
    text.s(r#"","nextFundingTime":"#).int(reference.next_ms).s("}");
}
