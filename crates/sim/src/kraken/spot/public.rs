//! The public channels apart from books: trades, tickers, candles, assets and pairs.

use rust_decimal::Decimal;
use venuekit_types::{BookSide, Kind, Side};

use crate::candles::Candle;
use crate::kraken::Kraken;
use crate::kraken::markets::{ASSETS, order_min};
use crate::kraken::number::{float, instant, micros, nanos, padded};
use crate::kraken::spot::answers::trade_ns;
use crate::kraken::spot::book;
use crate::kraken::spot::socket::Topic;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Step, Trade, World};

/// The lengths of candles, in minutes.
pub(super) const INTERVALS: [u16; 9] = [1, 5, 15, 30, 60, 240, 1440, 10_080, 21_600];

/// Trades of a snapshot.
const TRADES: usize = 50;
/// Candles of a snapshot.
const CANDLES: usize = 60;
const DAY_MINUTES: u16 = 1440;

/// The candles of so many minutes, oldest first, the running one last.
pub(in crate::kraken) fn candles(market: &Market, minutes: u16) -> Vec<Candle> {
    let length = i64::from(minutes) * 60_000;
    if let Some(kept) = market.candles.of(length) {
        return kept.iter().copied().collect();
    }
    // Others are put together from days or from quarters of them, counted from the beginning of 1970.
    let day = i64::from(DAY_MINUTES) * 60_000;
    let days = market.candles.of(if length % day == 0 { day } else { day / 6 });
    let mut all: Vec<Candle> = Vec::new();
    for day in days.into_iter().flatten() {
        let open_ms = day.open_ms - day.open_ms.rem_euclid(length);
        match all.last_mut().filter(|last| last.open_ms == open_ms) {
            Some(last) => {
                last.high = last.high.max(day.high);
                last.low = last.low.min(day.low);
                last.close = day.close;
                last.volume = last.volume.saturating_add(day.volume);
                last.notional = last.notional.saturating_add(day.notional);
                last.trades += day.trades;
            }
            None => all.push(Candle { open_ms, ..*day }),
        }
    }
    all
}

/// The average price of a candle by volume, in counts; its close when nothing traded.
pub(super) fn vwap(candle: &Candle) -> i64 {
    let volume = i128::from(candle.volume);
    let average = candle.notional.checked_div(volume).unwrap_or(i128::from(candle.close));
    i64::try_from(average).expect("an average lies between prices")
}

fn trade(text: &mut Text, spec: &Spec, trade: &Trade) {
    text.s(r#"{"symbol":""#).s(spec.symbol).s(r#"","side":""#).s(side(trade.aggressor));
    text.s(r#"","price":"#);
    padded(text, trade.price, spec.price_scale);
    text.s(r#","qty":"#);
    padded(text, trade.qty, spec.qty_scale);
    text.s(r#","ord_type":""#).s(taker_kind(trade)).s(r#"","trade_id":"#).int(trade.id);
    text.s(r#","timestamp":"#);
    instant(text, trade_ns(trade.at_ms, trade.id));
    text.s("}");
}

/// What the taker's order was. Trades do not keep it, so their numbers decide.
pub(super) fn taker_kind(trade: &Trade) -> &'static str {
    if trade.id.is_multiple_of(4) { "market" } else { "limit" }
}

pub(in crate::kraken) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn trades<'a>(text: &mut Text, spec: &Spec, kind: &str, all: impl Iterator<Item = &'a Trade>) {
    text.s(r#"{"channel":"trade","type":""#).s(kind).s(r#"","data":["#);
    for (at, one) in all.enumerate() {
        text.s(if at == 0 { "" } else { "," });
        trade(text, spec, one);
    }
    text.s("]}");
}

fn ticker(text: &mut Text, market: &Market, kind: &str, at_ms: i64) {
    let (spec, day) = (market.spec, market.candles.day());
    let last = market.last_price();
    let best = |side| market.engine.best(side).unwrap_or_default();
    let ((bid, bid_qty), (ask, ask_qty)) = (best(BookSide::Bid), best(BookSide::Ask));
    text.s(r#"{"channel":"ticker","type":""#).s(kind).s(r#"","data":[{"symbol":""#).s(spec.symbol).s("\"");
    let mut number = |name: &str, value, scale| {
        text.s(",\"").s(name).s("\":");
        padded(text, value, scale);
    };
    let (price, qty) = (spec.price_scale, spec.qty_scale);
    number("bid", bid, price);
    number("bid_qty", bid_qty, qty);
    number("ask", ask, price);
    number("ask_qty", ask_qty, qty);
    number("last", last, price);
    number("volume", day.volume, qty);
    number("vwap", vwap(&day), price);
    number("low", day.low, price);
    number("high", day.high, price);
    number("change", last - day.open, price);
    text.s(r#","change_pct":"#);
    float(text, change_pct(last, day.open));
    text.s(r#","timestamp":"#);
    micros(text, at_ms);
    text.s("}]}");
}

/// By how many hundredths a price has changed, to two places.
pub(in crate::kraken) fn change_pct(now: i64, then: i64) -> Decimal {
    let change = Decimal::from(now - then) * Decimal::ONE_HUNDRED;
    change.checked_div(Decimal::from(then)).unwrap_or_default().round_dp(2)
}

fn ohlc(text: &mut Text, spec: &Spec, minutes: u16, kind: &str, all: &[Candle], at_ms: i64) {
    text.s(r#"{"channel":"ohlc","type":""#).s(kind).s(r#"","timestamp":"#);
    nanos(text, at_ms);
    text.s(r#","data":["#);
    for (at, candle) in all.iter().enumerate() {
        text.s(if at == 0 { "" } else { "," }).s(r#"{"symbol":""#).s(spec.symbol).s("\"");
        let mut number = |name: &str, value, scale| {
            text.s(",\"").s(name).s("\":");
            padded(text, value, scale);
        };
        number("open", candle.open, spec.price_scale);
        number("high", candle.high, spec.price_scale);
        number("low", candle.low, spec.price_scale);
        number("close", candle.close, spec.price_scale);
        number("vwap", vwap(candle), spec.price_scale);
        number("volume", candle.volume, spec.qty_scale);
        text.s(r#","trades":"#).int(candle.trades).s(r#","interval_begin":"#);
        nanos(text, candle.open_ms);
        text.s(r#","interval":"#).int(minutes).s(r#","timestamp":"#);
        micros(text, candle.open_ms + i64::from(minutes) * 60_000);
        text.s("}");
    }
    text.s("]}");
}

fn instruments(text: &mut Text, world: &World) {
    text.s(r#"{"channel":"instrument","type":"snapshot","data":{"assets":["#);
    for (at, asset) in ASSETS.iter().enumerate() {
        text.s(if at == 0 { r#"{"id":""# } else { r#",{"id":""# }).s(asset.code);
        text.s(r#"","status":"enabled","precision":"#).int(asset.places.0);
        text.s(r#","precision_display":"#).int(asset.places.1);
        text.s(r#","borrowable":true,"collateral_value":1.00,"margin_rate":0.025000}"#);
    }
    text.s(r#"],"pairs":["#);
    let pairs = world.markets().iter().filter(|market| market.spec.kind == Kind::Spot);
    for (at, market) in pairs.enumerate() {
        let spec = market.spec;
        text.s(if at == 0 { r#"{"symbol":""# } else { r#",{"symbol":""# }).s(spec.symbol);
        text.s(r#"","base":""#).s(spec.base).s(r#"","quote":""#).s(spec.quote);
        text.s(r#"","status":"online","qty_precision":"#).int(spec.qty_scale.digits());
        text.s(r#","qty_increment":"#);
        padded(text, spec.step, spec.qty_scale);
        text.s(r#","price_precision":"#).int(spec.price_scale.digits());
        text.s(r#","cost_precision":5,"marginable":false,"has_index":true,"cost_min":"#).s(spec.min_notional);
        text.s(r#","tick_size":"#);
        padded(text, spec.tick, spec.price_scale);
        text.s(r#","price_increment":"#);
        padded(text, spec.tick, spec.price_scale);
        text.s(r#","qty_min":"#);
        padded(text, order_min(spec), spec.qty_scale);
        text.s("}");
    }
    text.s("]}}");
}

/// Writes the snapshot of a public channel that is no book.
pub(super) fn snapshot(text: &mut Text, world: &World, topic: Topic, at_ms: i64) {
    let market = |market: usize| &world.markets()[market];
    match topic {
        Topic::Trade(at) => {
            let state = market(at);
            let skip = state.trades.len().saturating_sub(TRADES);
            trades(text, state.spec, "snapshot", state.trades.iter().skip(skip));
        }
        Topic::Ticker(at, _) => ticker(text, market(at), "snapshot", at_ms),
        Topic::Ohlc(at, minutes) => {
            let all = candles(market(at), minutes);
            let latest = &all[all.len().saturating_sub(CANDLES)..];
            ohlc(text, market(at).spec, minutes, "snapshot", latest, at_ms);
        }
        Topic::Instrument => instruments(text, world),
        Topic::Book(..) | Topic::Executions | Topic::Balances => {}
    }
}

impl Kraken {
    pub(in crate::kraken) fn spot_step(&mut self, cx: &mut Context<'_>, step: &Step) {
        let at = step.market;
        self.tell_books(cx, step);
        let market = &cx.world.markets()[at];
        let touch = [BookSide::Bid, BookSide::Ask].map(|side| market.engine.best(side).unwrap_or_default());
        let moved = std::mem::replace(&mut self.spot.touches[at], touch) != touch;
        if moved && self.spot.has(Topic::Ticker(at, true)) {
            ticker(&mut self.text, market, "update", step.at_ms);
            self.broadcast(cx, Topic::Ticker(at, true));
        }
        if step.trades.is_empty() {
            return;
        }
        if self.spot.has(Topic::Trade(at)) {
            trades(&mut self.text, cx.world.markets()[at].spec, "update", step.trades.iter());
            self.broadcast(cx, Topic::Trade(at));
        }
        if self.spot.has(Topic::Ticker(at, false)) {
            ticker(&mut self.text, &cx.world.markets()[at], "update", step.at_ms);
            self.broadcast(cx, Topic::Ticker(at, false));
        }
        for minutes in INTERVALS {
            if self.spot.has(Topic::Ohlc(at, minutes)) {
                let market = &cx.world.markets()[at];
                let running: Vec<Candle> = candles(market, minutes).last().copied().into_iter().collect();
                ohlc(&mut self.text, market.spec, minutes, "update", &running, step.at_ms);
                self.broadcast(cx, Topic::Ohlc(at, minutes));
            }
        }
    }

    fn tell_books(&mut self, cx: &mut Context<'_>, step: &Step) {
        let depths = self.spot.windows.range((step.market, 0)..=(step.market, u16::MAX));
        let depths: Vec<u16> = depths.map(|((_, depth), _)| *depth).collect();
        for depth in depths {
            let market = &cx.world.markets()[step.market];
            let window = self.spot.windows.get_mut(&(step.market, depth)).expect("it was just found");
            let delta = window.advance(&market.engine, depth);
            if delta.is_empty() {
                continue;
            }
            let sum = window.checksum(market.spec);
            book::message(&mut self.text, market.spec, "update", &delta, sum, step.at_ms);
            self.broadcast(cx, Topic::Book(step.market, depth));
        }
    }
}

/// The day's volume in the quote, as a decimal.
pub(in crate::kraken) fn volume_quote(market: &Market) -> Decimal {
    let places = u32::from(market.spec.price_scale.digits() + market.spec.qty_scale.digits());
    Decimal::try_from_i128_with_scale(market.candles.day().notional, places).unwrap_or_default()
}
