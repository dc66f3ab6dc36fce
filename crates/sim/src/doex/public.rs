//! The public streams: trades and depth as they happen, tickers, marks and candles once a second.

use bytes::Bytes;
use venuekit_types::{BookSide, Scale, Side};

use crate::candles::Candle;
use crate::doex::{CHANNELS, DEPTH, Doex, INTERVALS, KLINE, MARK, TICKER, TRADE};
use crate::engine::Change;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Step, Trade};

/// Decimal places of funding rates.
pub(super) fn rate_scale() -> Scale {
    Scale::new(6).expect("6 is within 0..=18")
}

/// The trade event, its shape named by the brief: `e s p q T`.
pub(super) fn trade(text: &mut Text, spec: &Spec, trade: &Trade) {
    text.s(r#"{"e":"trade","E":"#)
        .int(trade.at_ms)
        .s(r#","s":""#)
        .s(spec.native)
        .s(r#"","t":"#)
        .int(trade.id);
    text.s(r#","p":""#).padded(trade.price, spec.price_scale);
    text.s(r#"","q":""#).padded(trade.qty, spec.qty_scale).s(r#"","T":"#).int(trade.at_ms);
    text.s(r#","m":"#).s(if trade.aggressor == Side::Sell { "true}" } else { "false}" });
}

/// The depth event: absolute quantities, `"0"` removes.
pub(super) fn depth(text: &mut Text, spec: &Spec, step: &Step) {
    text.s(r#"{"e":"depthUpdate","E":"#).int(step.at_ms).s(r#","s":""#).s(spec.native);
    text.s(r#"","U":"#).int(step.first).s(r#","u":"#).int(step.last).s(r#","b":"#);
    let of = |side| step.changes.iter().filter(move |change: &&Change| change.side == side);
    levels(text, spec, of(BookSide::Bid).map(|change| (change.price, change.now)));
    text.s(r#","a":"#);
    levels(text, spec, of(BookSide::Ask).map(|change| (change.price, change.now)));
    text.s("}");
}

/// An array of `["price","quantity"]`.
pub(super) fn levels(text: &mut Text, spec: &Spec, levels: impl Iterator<Item = (i64, i64)>) {
    text.s("[");
    for (at, (price, qty)) in levels.enumerate() {
        text.s(if at == 0 { "[\"" } else { ",[\"" }).padded(price, spec.price_scale).s(r#"",""#);
        match qty {
            0 => text.s("0"),
            qty => text.padded(qty, spec.qty_scale),
        };
        text.s("\"]");
    }
    text.s("]");
}

/// The sum of price times quantity, printed plain.
pub(super) fn notional(text: &mut Text, spec: &Spec, candle: &Candle) {
    let places = u32::from(spec.price_scale.digits() + spec.qty_scale.digits());
    // Beyond 2^96 counts, which no simulated day reaches, the sum would not print.
    let sum = rust_decimal::Decimal::try_from_i128_with_scale(candle.notional, places).unwrap_or_default();
    text.s(&sum.normalize().to_string());
}

fn ticker(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, day) = (market.spec, market.candles.day());
    let scale = spec.price_scale;
    text.s(r#"{"e":"ticker","E":"#).int(at_ms).s(r#","s":""#).s(spec.native);
    for (name, price) in [("c", market.last_price()), ("o", day.open), ("h", day.high), ("l", day.low)] {
        text.s(r#"",""#).s(name).s(r#"":""#).padded(price, scale);
    }
    text.s(r#"","v":""#).padded(day.volume, spec.qty_scale).s(r#"","q":""#);
    notional(text, spec, &day);
    for (price, qty, side) in [("b", "B", BookSide::Bid), ("a", "A", BookSide::Ask)] {
        let (at, size) = market.engine.best(side).unwrap_or_default();
        text.s(r#"",""#).s(price).s(r#"":""#).padded(at, scale);
        text.s(r#"",""#).s(qty).s(r#"":""#).padded(size, spec.qty_scale);
    }
    text.s("\"}");
}

fn mark(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, reference) = (market.spec, market.reference);
    text.s(r#"{"e":"mark","E":"#).int(at_ms).s(r#","s":""#).s(spec.native);
    text.s(r#"","p":""#).padded(reference.mark, spec.price_scale);
    text.s(r#"","i":""#).padded(reference.index, spec.price_scale);
    text.s(r#"","r":""#).padded(reference.rate_e6, rate_scale()).s(r#"","T":"#).int(reference.next_ms).s("}");
}

fn kline(
    text: &mut Text,
    spec: &Spec,
    candle: &Candle,
    (name, length): (&str, i64),
    at_ms: i64,
    closed: bool,
) {
    text.s(r#"{"e":"kline","E":"#).int(at_ms).s(r#","s":""#).s(spec.native);
    text.s(r#"","k":{"t":"#).int(candle.open_ms).s(r#","T":"#).int(candle.open_ms + length - 1);
    text.s(r#","i":""#).s(name);
    for (key, price) in [("o", candle.open), ("h", candle.high), ("l", candle.low), ("c", candle.close)] {
        text.s(r#"",""#).s(key).s(r#"":""#).padded(price, spec.price_scale);
    }
    text.s(r#"","v":""#).padded(candle.volume, spec.qty_scale).s(r#"","n":"#).int(candle.trades);
    text.s(r#","x":"#).s(if closed { "true}}" } else { "false}}" });
}

impl Doex {
    pub(super) fn tell_trades(&mut self, cx: &mut Context<'_>, step: &Step) {
        if self.streams[step.market][TRADE].conns.is_empty() {
            return;
        }
        let spec = cx.world.markets()[step.market].spec;
        for one in &step.trades {
            trade(&mut self.text, spec, one);
            self.broadcast(cx, step.market, TRADE);
        }
    }

    pub(super) fn tell_depth(&mut self, cx: &mut Context<'_>, step: &Step) {
        if step.changes.is_empty() || self.streams[step.market][DEPTH].conns.is_empty() {
            return;
        }
        depth(&mut self.text, cx.world.markets()[step.market].spec, step);
        self.broadcast(cx, step.market, DEPTH);
    }

    pub(super) fn tell_each_second(&mut self, cx: &mut Context<'_>) {
        let at_ms = cx.world.wall_ms(cx.now.mono);
        cx.world.roll(at_ms);
        for market in 0..self.streams.len() {
            for channel in TICKER..CHANNELS {
                if self.streams[market][channel].conns.is_empty() {
                    self.streams[market][channel].told_ms = 0;
                    continue;
                }
                let state = &cx.world.markets()[market];
                match channel {
                    TICKER => ticker(&mut self.text, state, at_ms),
                    MARK => mark(&mut self.text, state, at_ms),
                    _ => {
                        self.tell_candles(cx, market, channel, at_ms);
                        continue;
                    }
                }
                self.broadcast(cx, market, channel);
            }
        }
    }

    /// Tells the candles that closed since the last time, then the open one.
    fn tell_candles(&mut self, cx: &mut Context<'_>, market: usize, channel: usize, at_ms: i64) {
        let interval = INTERVALS[channel - KLINE];
        let told_ms = self.streams[market][channel].told_ms;
        let state = &cx.world.markets()[market];
        let Some(series) = state.candles.of(interval.1) else { return };
        let spec = state.spec;
        let open = series.len().saturating_sub(1);
        // The first time there is nothing to close.
        let unseen =
            series.iter().rev().take_while(|candle| told_ms > 0 && candle.open_ms >= told_ms).count();
        let frames: Vec<Candle> = series.iter().skip(series.len() - unseen.max(1)).copied().collect();
        let closed = open + 1 - frames.len();
        for (at, candle) in (closed..).zip(&frames) {
            kline(&mut self.text, spec, candle, interval, at_ms, at < open);
            self.broadcast(cx, market, channel);
        }
        self.streams[market][channel].told_ms = frames.last().map_or(0, |candle| candle.open_ms);
    }

    /// Sends the text to all who listen to a stream, as one allocation.
    pub(super) fn broadcast(&mut self, cx: &mut Context<'_>, market: usize, channel: usize) {
        let text = Bytes::from(self.text.take());
        let stream = &self.streams[market][channel];
        for &conn in &stream.conns {
            cx.out.send(cx.now, conn, Some(&stream.name), text.clone());
        }
    }
}
