//! The frames of the public streams, field by field in the card's order.

use rust_decimal::Decimal;
use venuekit_types::{BookSide, Scale, Side};

use crate::binance::streams::{Best, Channel, Diff, INTERVALS, Stream, Told};
use crate::binance::{AGGREGATES_MAX, Binance, Product};
use crate::candles::Candle;
use crate::market::{Spec, scale};
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Step, Trade, World};

/// Places of every decimal on spot, and of prices off the grid everywhere.
const PLACES: Scale = scale(8);

/// Trades of one order at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aggregate {
    pub(super) id: u64,
    pub(super) price: i64,
    pub(super) qty: i64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) aggressor: Side,
    pub(super) at_ms: i64,
}

/// A decimal of a market: with eight places on spot, with those of its scale on futures.
fn fixed(text: &mut Text, spec: &Spec, counts: i64, own: Scale) {
    text.padded(counts, own);
    if Product::of(spec) == Product::Spot {
        eight(text, own);
    }
}

/// Zeros up to eight places after a number of a scale.
fn eight(text: &mut Text, own: Scale) {
    if own == Scale::ZERO {
        text.s(".");
    }
    for _ in own.digits()..PLACES.digits() {
        text.s("0");
    }
}

/// A price on the grid.
pub(super) fn price(text: &mut Text, spec: &Spec, counts: i64) {
    fixed(text, spec, counts, spec.price_scale);
}

/// A quantity.
pub(super) fn qty(text: &mut Text, spec: &Spec, counts: i64) {
    fixed(text, spec, counts, spec.qty_scale);
}

/// A price off the grid, with eight places.
pub(super) fn reference(text: &mut Text, spec: &Spec, counts: i64) {
    text.padded(counts, spec.price_scale);
    eight(text, spec.price_scale);
}

/// A rate in millionths, with eight places.
pub(super) fn rate(text: &mut Text, rate_e6: i64) {
    let own = scale(6);
    text.padded(rate_e6, own);
    eight(text, own);
}

/// An amount with at least eight places; what has more keeps them.
pub(super) fn amount(value: Decimal) -> String {
    let mut value = value.normalize();
    if value.scale() < u32::from(PLACES.digits()) {
        value.rescale(u32::from(PLACES.digits()));
    }
    value.to_string()
}

/// The sum of price times quantity.
pub(super) fn notional(spec: &Spec, sum: i128) -> Decimal {
    let places = u32::from(spec.price_scale.digits() + spec.qty_scale.digits());
    // Beyond 2^96 counts, which no simulated day reaches, the sum would not print.
    Decimal::try_from_i128_with_scale(sum, places).unwrap_or_default()
}

/// A string field, with the comma before it.
pub(super) fn field(text: &mut Text, name: &str, value: &str) {
    text.s(",\"").s(name).s("\":\"").s(value).s("\"");
}

fn price_field(text: &mut Text, name: &str, spec: &Spec, counts: i64) {
    text.s(",\"").s(name).s("\":\"");
    price(text, spec, counts);
    text.s("\"");
}

fn qty_field(text: &mut Text, name: &str, spec: &Spec, counts: i64) {
    text.s(",\"").s(name).s("\":\"");
    qty(text, spec, counts);
    text.s("\"");
}

/// The wire's word for a flag.
pub(super) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// The beginning that most events share: `e`, `E`, `s`.
fn head(text: &mut Text, event: &str, spec: &Spec, at_ms: i64) {
    text.s(r#"{"e":""#).s(event).s(r#"","E":"#).int(at_ms).s(r#","s":""#).s(spec.native).s("\"");
}

/// The ending of what a futures stream tells: which universe it is of.
fn universe(text: &mut Text, spec: &Spec) {
    text.s(if Product::of(spec) == Product::Spot { "}" } else { r#","st":1}"# });
}

pub(super) fn trade(text: &mut Text, spec: &Spec, one: &Trade) {
    let is_spot = Product::of(spec) == Product::Spot;
    if is_spot {
        head(text, "trade", spec, one.at_ms);
    } else {
        text.s(r#"{"e":"trade","E":"#).int(one.at_ms).s(r#","T":"#).int(one.at_ms);
        field(text, "s", spec.native);
    }
    text.s(r#","t":"#).int(one.id);
    price_field(text, "p", spec, one.price);
    qty_field(text, "q", spec, one.qty);
    let maker = flag(one.aggressor == Side::Sell);
    if is_spot {
        text.s(r#","T":"#).int(one.at_ms).s(r#","m":"#).s(maker).s(r#","M":true}"#);
    } else {
        text.s(r#","X":"MARKET","m":"#).s(maker).s("}");
    }
}

pub(super) fn aggregate(text: &mut Text, spec: &Spec, one: &Aggregate) {
    head(text, "aggTrade", spec, one.at_ms);
    text.s(",");
    aggregate_fields(text, spec, one);
    universe(text, spec);
}

/// The fields from `a` on that the stream and REST share.
pub(super) fn aggregate_fields(text: &mut Text, spec: &Spec, one: &Aggregate) {
    text.s(r#""a":"#).int(one.id);
    price_field(text, "p", spec, one.price);
    qty_field(text, "q", spec, one.qty);
    if Product::of(spec) == Product::Usdm {
        qty_field(text, "nq", spec, one.qty);
    }
    text.s(r#","f":"#).int(one.first).s(r#","l":"#).int(one.last).s(r#","T":"#).int(one.at_ms);
    text.s(r#","m":"#).s(flag(one.aggressor == Side::Sell));
    if Product::of(spec) == Product::Spot {
        text.s(r#","M":true"#);
    }
}

/// An array of `["price","quantity"]`.
pub(super) fn levels(text: &mut Text, spec: &Spec, levels: impl Iterator<Item = (i64, i64)>) {
    text.s("[");
    for (at, (level, size)) in levels.enumerate() {
        text.s(if at == 0 { "[\"" } else { ",[\"" });
        price(text, spec, level);
        text.s("\",\"");
        qty(text, spec, size);
        text.s("\"]");
    }
    text.s("]");
}

/// The beginning of a book event, up to its levels.
fn depth_head(text: &mut Text, spec: &Spec, diff: &Diff, (first, last): (u64, u64), at_ms: i64) {
    let is_spot = Product::of(spec) == Product::Spot;
    text.s(r#"{"e":"depthUpdate","E":"#).int(at_ms);
    if is_spot {
        field(text, "s", spec.native);
    } else {
        text.s(r#","T":"#).int(at_ms);
        field(text, "s", spec.native);
        field(text, "ps", spec.native);
        text.s(r#","st":1"#);
    }
    text.s(r#","U":"#).int(first).s(r#","u":"#).int(last);
    if !is_spot {
        text.s(r#","pu":"#).int(diff.prev);
    }
}

/// The changes of a book since it was told last: absolute quantities, zero removes.
pub(super) fn depth(text: &mut Text, spec: &Spec, diff: &Diff, range: (u64, u64), at_ms: i64) {
    depth_head(text, spec, diff, range, at_ms);
    text.s(r#","b":"#);
    levels(text, spec, diff.bids.iter().rev().map(|(&price, &qty)| (price, qty)));
    text.s(r#","a":"#);
    levels(text, spec, diff.asks.iter().map(|(&price, &qty)| (price, qty)));
    text.s("}");
}

/// The top of a book: on futures in the shape of changes, on spot in that of a snapshot.
fn partial(text: &mut Text, market: &Market, diff: &Diff, range: (u64, u64), count: usize, at_ms: i64) {
    let spec = market.spec;
    let (bids, asks) = if Product::of(spec) == Product::Spot {
        text.s(r#"{"lastUpdateId":"#).int(range.1);
        (r#","bids":"#, r#","asks":"#)
    } else {
        depth_head(text, spec, diff, range, at_ms);
        (r#","b":"#, r#","a":"#)
    };
    text.s(bids);
    levels(text, spec, market.engine.bids().take(count));
    text.s(asks);
    levels(text, spec, market.engine.asks().take(count));
    text.s("}");
}

fn best(market: &Market) -> Best {
    [BookSide::Bid, BookSide::Ask].map(|side| market.engine.best(side))
}

fn book_ticker(text: &mut Text, market: &Market, at_ms: i64) {
    let spec = market.spec;
    let is_spot = Product::of(spec) == Product::Spot;
    if is_spot {
        text.s(r#"{"u":"#).int(market.seq);
        field(text, "s", spec.native);
    } else {
        text.s(r#"{"e":"bookTicker","u":"#).int(market.seq).s(r#","E":"#).int(at_ms).s(r#","T":"#).int(at_ms);
        field(text, "s", spec.native);
        field(text, "ps", spec.native);
    }
    best_fields(text, market, ["b", "B", "a", "A"]);
    universe(text, spec);
}

/// The best levels under the names given; zeros on an empty side.
pub(super) fn best_fields(text: &mut Text, market: &Market, names: [&str; 4]) {
    for (pair, level) in names.chunks(2).zip(best(market)) {
        let (price, qty) = level.unwrap_or_default();
        price_field(text, pair[0], market.spec, price);
        qty_field(text, pair[1], market.spec, qty);
    }
}

/// A candle of a market as streams tell it.
fn kline(
    text: &mut Text,
    spec: &Spec,
    candle: &Candle,
    (name, length): (&str, i64),
    at_ms: i64,
    closed: bool,
) {
    head(text, "kline", spec, at_ms);
    text.s(r#","k":{"t":"#).int(candle.open_ms).s(r#","T":"#).int(candle.open_ms + length - 1);
    field(text, "s", spec.native);
    field(text, "i", name);
    let ids = candle.ids().map_or((-1, -1), |(first, last)| (i128::from(first), i128::from(last)));
    text.s(r#","f":"#).int(ids.0).s(r#","L":"#).int(ids.1);
    for (key, value) in [("o", candle.open), ("c", candle.close), ("h", candle.high), ("l", candle.low)] {
        price_field(text, key, spec, value);
    }
    qty_field(text, "v", spec, candle.volume);
    text.s(r#","n":"#).int(candle.trades).s(r#","x":"#).s(flag(closed));
    field(text, "q", &amount(notional(spec, candle.notional)));
    qty_field(text, "V", spec, candle.bought);
    field(text, "Q", &amount(notional(spec, candle.bought_notional)));
    field(text, "B", "0");
    text.s("}}");
}

/// What a price has moved by: absolute, in percent, and the average that it was traded at.
pub(super) fn moves(spec: &Spec, day: &Candle, last: i64) -> (i64, String, Decimal) {
    let change = last - day.open;
    let percent = spec.price(change) * Decimal::ONE_HUNDRED / spec.price(day.open.max(1));
    let average = notional(spec, day.notional).checked_div(spec.qty(day.volume)).unwrap_or(spec.price(last));
    let mut percent = percent.round_dp(3);
    percent.rescale(3);
    (change, percent.to_string(), average.round_dp(u32::from(spec.price_scale.digits())))
}

fn ticker(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, day, last) = (market.spec, market.candles.day(), market.last_price());
    let is_spot = Product::of(spec) == Product::Spot;
    let (change, percent, average) = moves(spec, &day, last);
    head(text, "24hrTicker", spec, at_ms);
    price_field(text, "p", spec, change);
    field(text, "P", &percent);
    field(text, "w", &amount(average));
    if is_spot {
        price_field(text, "x", spec, day.open);
    }
    price_field(text, "c", spec, last);
    qty_field(text, "Q", spec, market.trades.back().map_or(0, |trade| trade.qty));
    if is_spot {
        best_fields(text, market, ["b", "B", "a", "A"]);
    }
    for (key, value) in [("o", day.open), ("h", day.high), ("l", day.low)] {
        price_field(text, key, spec, value);
    }
    qty_field(text, "v", spec, day.volume);
    field(text, "q", &amount(notional(spec, day.notional)));
    let ids = day.ids().map_or((-1, -1), |(first, last)| (i128::from(first), i128::from(last)));
    text.s(r#","O":"#).int(day.open_ms).s(r#","C":"#).int(at_ms);
    text.s(r#","F":"#).int(ids.0).s(r#","L":"#).int(ids.1).s(r#","n":"#).int(day.trades);
    universe(text, spec);
}

fn mini_ticker(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, day) = (market.spec, market.candles.day());
    head(text, "24hrMiniTicker", spec, at_ms);
    for (key, value) in [("c", market.last_price()), ("o", day.open), ("h", day.high), ("l", day.low)] {
        price_field(text, key, spec, value);
    }
    qty_field(text, "v", spec, day.volume);
    field(text, "q", &amount(notional(spec, day.notional)));
    universe(text, spec);
}

fn mark(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, state) = (market.spec, market.reference);
    head(text, "markPriceUpdate", spec, at_ms);
    for (name, value) in [("p", state.mark), ("ap", state.mark), ("i", state.index), ("P", state.index)] {
        text.s(",\"").s(name).s("\":\"");
        reference(text, spec, value);
        text.s("\"");
    }
    text.s(r#","r":""#);
    rate(text, state.rate_e6);
    text.s(r#"","T":"#).int(state.next_ms);
    universe(text, spec);
}

/// The average of the last five minutes; the last price when nothing was traded.
pub(super) fn average(market: &Market) -> Decimal {
    let minutes = market.candles.of(60_000).into_iter().flatten().rev().take(5);
    let (sum, volume) =
        minutes.fold((0, 0), |(sum, volume), minute| (sum + minute.notional, volume + minute.volume));
    let spec = market.spec;
    let average = notional(spec, sum).checked_div(spec.qty(volume));
    average.unwrap_or(spec.price(market.last_price())).round_dp(u32::from(PLACES.digits()))
}

fn avg_price(text: &mut Text, market: &Market, at_ms: i64) {
    head(text, "avgPrice", market.spec, at_ms);
    field(text, "i", "5m");
    field(text, "w", &amount(average(market)));
    let last_ms = market.trades.back().map_or(at_ms, |trade| trade.at_ms);
    text.s(r#","T":"#).int(last_ms).s("}");
}

/// The frames that a stream is due.
pub(super) fn due(
    text: &mut Text,
    world: &World,
    stream: Stream,
    told: &mut Told,
    at_ms: i64,
    frames: &mut Vec<Vec<u8>>,
) {
    let Some(market) = stream.market else { return due_of_all(text, world, stream, at_ms, frames) };
    let market = &world.markets()[market];
    match stream.channel {
        Channel::Depth(_) | Channel::Partial(..) => {
            let Some(range) = told.diff.range else { return };
            match stream.channel {
                Channel::Partial(count, _) => partial(text, market, &told.diff, range, count, at_ms),
                _ => depth(text, market.spec, &told.diff, range, at_ms),
            }
            told.diff = Diff { prev: range.1, ..Diff::default() };
        }
        Channel::Kline(interval) => return candles(text, market, interval, told, at_ms, frames),
        channel if !one(text, market, channel, at_ms) => return,
        _ => {}
    }
    frames.push(text.take());
}

/// One market's event of a channel that tells the present; false when it is not due.
fn one(text: &mut Text, market: &Market, channel: Channel, at_ms: i64) -> bool {
    match channel {
        Channel::Ticker => ticker(text, market, at_ms),
        Channel::MiniTicker => mini_ticker(text, market, at_ms),
        Channel::AvgPrice => avg_price(text, market, at_ms),
        Channel::BookTicker => book_ticker(text, market, at_ms),
        Channel::Mark(seconds) if at_ms.div_euclid(1_000) % seconds == 0 => mark(text, market, at_ms),
        _ => return false,
    }
    true
}

/// A stream of all markets: an array, except that best levels come one by one, every five seconds.
fn due_of_all(text: &mut Text, world: &World, stream: Stream, at_ms: i64, frames: &mut Vec<Vec<u8>>) {
    let markets = world.markets().iter().filter(|market| Product::of(market.spec) == stream.product);
    if stream.channel == Channel::BookTicker {
        if at_ms.div_euclid(1_000) % 5 == 0 {
            for market in markets {
                book_ticker(text, market, at_ms);
                frames.push(text.take());
            }
        }
        return;
    }
    let mut events = Text::new();
    let mut count = 0;
    for market in markets {
        events.s(if count == 0 { "[" } else { "," });
        count += u32::from(one(&mut events, market, stream.channel, at_ms));
    }
    if count > 0 {
        events.s("]");
        frames.push(events.take());
    }
}

/// The candles that closed since the last time, then the open one.
fn candles(
    text: &mut Text,
    market: &Market,
    interval: usize,
    told: &mut Told,
    at_ms: i64,
    frames: &mut Vec<Vec<u8>>,
) {
    let interval = INTERVALS[interval];
    let Some(series) = market.candles.of(interval.1) else { return };
    // The first time there is nothing to close.
    let is_new = |candle: &&Candle| told.candle_ms > 0 && candle.open_ms >= told.candle_ms;
    let unseen = series.iter().rev().take_while(is_new).count().max(1);
    let open = series.len().saturating_sub(1);
    for (at, candle) in series.iter().enumerate().skip(series.len() - unseen) {
        kline(text, market.spec, candle, interval, at_ms, at < open);
        frames.push(text.take());
    }
    told.candle_ms = series.back().map_or(0, |candle| candle.open_ms);
}

impl Binance {
    /// Tells trades, one by one and put together, as they happen.
    pub(super) fn tell_trades(&mut self, cx: &mut Context<'_>, step: &Step) {
        let spec = cx.world.markets()[step.market].spec;
        let of = |channel| Stream { product: Product::of(spec), market: Some(step.market), channel };
        let singly = self.streams.contains_key(&of(Channel::Trade));
        for one in &step.trades {
            if singly {
                trade(&mut self.text, spec, one);
                let frame = self.text.take();
                self.broadcast(cx, of(Channel::Trade), frame);
            }
        }
        for one in self.put_together(step) {
            if self.streams.contains_key(&of(Channel::AggTrade)) {
                aggregate(&mut self.text, spec, &one);
                let frame = self.text.take();
                self.broadcast(cx, of(Channel::AggTrade), frame);
            }
        }
    }

    /// Puts trades of a step together that follow each other at one price and from one side, and keeps them.
    fn put_together(&mut self, step: &Step) -> Vec<Aggregate> {
        let kept = &mut self.aggregates[step.market];
        let mut id = kept.back().map_or(0, |one| one.id);
        let mut all: Vec<Aggregate> = Vec::new();
        for &Trade { id: trade, price, qty, aggressor, at_ms, .. } in &step.trades {
            match all.last_mut() {
                Some(last) if (last.price, last.aggressor) == (price, aggressor) => {
                    last.qty += qty;
                    last.last = trade;
                }
                _ => {
                    id += 1;
                    all.push(Aggregate { id, price, qty, first: trade, last: trade, aggressor, at_ms });
                }
            }
        }
        kept.extend(&all);
        kept.drain(..kept.len().saturating_sub(AGGREGATES_MAX));
        all
    }

    /// Tells the best levels of a book when they have changed.
    pub(super) fn tell_best(&mut self, cx: &mut Context<'_>, step: &Step) {
        let market = &cx.world.markets()[step.market];
        let product = Product::of(market.spec);
        let stream = Stream { product, market: Some(step.market), channel: Channel::BookTicker };
        let Some(told) = self.streams.get_mut(&stream).filter(|_| !step.changes.is_empty()) else { return };
        let now = best(market);
        if told.best != now {
            told.best = now;
            book_ticker(&mut self.text, market, step.at_ms);
            let frame = self.text.take();
            self.broadcast(cx, stream, frame);
        }
    }
}
