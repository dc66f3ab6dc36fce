//! What anyone may read of spot over REST.

use rust_decimal::Decimal;
use venuekit_types::{BookSide, Kind, Side};

use crate::kraken::markets::{self, ASSETS, altname, order_min, wsname};
use crate::kraken::number::{places, whole};
use crate::kraken::params::Params;
use crate::kraken::spot::public::{INTERVALS, candles, taker_kind, vwap};
use crate::kraken::spot::rest::{BAD_ARGUMENTS, NO_PAIR, Refusal};
use crate::market::{Spec, scale};
use crate::text::Text;
use crate::venue::Context;
use crate::world::{Market, Trade, World};

/// Rows of trades when the request does not say, and at most.
const TRADES_MAX: usize = 1000;
/// Candles of an answer.
const CANDLES_MAX: usize = 720;
/// Levels of a side when the request does not say, and at most.
const LEVELS: (usize, usize) = (100, 500);
/// Nanoseconds in a millisecond.
const MILLI: i64 = 1_000_000;

/// When a trade was, in nanoseconds and never twice the same: its number tells those of a millisecond apart.
pub(in crate::kraken) fn trade_ns(at_ms: i64, id: u64) -> i64 {
    at_ms * MILLI + i64::try_from(id % 1_000_000).expect("it is below a million")
}

/// The pair that a client names, by any name but that of the streams.
pub(super) fn find_pair(world: &World, name: &str) -> Result<usize, Refusal> {
    let mut pairs = world.markets().iter().enumerate().filter(|(_, market)| market.spec.kind == Kind::Spot);
    let named = |spec: &Spec| spec.native == name || altname(spec) == name || wsname(spec) == name;
    pairs.find(|(_, market)| named(market.spec)).map(|(at, _)| at).ok_or(NO_PAIR)
}

/// The answer to a public method.
pub(super) fn public(cx: &Context<'_>, method: &str, params: &Params) -> Result<Text, Refusal> {
    let mut text = Text::new();
    let world = &*cx.world;
    let one = || -> Result<&Market, Refusal> {
        Ok(&world.markets()[find_pair(world, params.get("pair").ok_or(BAD_ARGUMENTS)?)?])
    };
    match method {
        "Time" => {
            text.s(r#"{"unixtime":"#).int(cx.server_ms() / 1000).s(r#","rfc1123":""#);
            rfc1123(&mut text, cx.server_ms());
            text.s("\"}");
        }
        "SystemStatus" => {
            text.s(r#"{"status":"online","timestamp":"#);
            whole(&mut text, cx.server_ms());
            text.s("}");
        }
        "Assets" => assets(&mut text, params)?,
        "AssetPairs" => pairs(&mut text, &chosen(world, params)?),
        "Ticker" => tickers(&mut text, &chosen(world, params)?),
        "Depth" => depth(&mut text, one()?, params, cx.server_ms())?,
        "Trades" => trades(&mut text, one()?, params)?,
        "OHLC" => ohlc(&mut text, one()?, params)?,
        _ => return Err("EGeneral:Unknown method"),
    }
    Ok(text)
}

/// The pairs that a list names; all when there is none.
fn chosen<'a>(world: &'a World, params: &Params) -> Result<Vec<&'a Market>, Refusal> {
    match params.get("pair") {
        None => Ok(world.markets().iter().filter(|market| market.spec.kind == Kind::Spot).collect()),
        Some(list) => {
            list.split(',').map(|name| find_pair(world, name).map(|at| &world.markets()[at])).collect()
        }
    }
}

fn number(params: &Params, name: &str, default: usize, max: usize) -> Result<usize, Refusal> {
    match params.get(name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|n| (1..=max).contains(n)).ok_or(BAD_ARGUMENTS),
    }
}

/// `Tue, 11 Nov 25 00:17:04 +0000`.
fn rfc1123(text: &mut Text, ms: i64) {
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = usize::try_from(ms.div_euclid(86_400_000).rem_euclid(7)).expect("it is below 7");
    let mut iso = Text::new();
    iso.iso(ms);
    let iso = iso.into_string();
    let month: usize = iso[5..7].parse().expect("a month has two digits");
    text.s(days[day]).s(", ").s(&iso[8..10]).s(" ").s(months[month - 1]).s(" ").s(&iso[2..4]);
    text.s(" ").s(&iso[11..19]).s(" +0000");
}

/// The asset's own entry, one for each.
fn assets(text: &mut Text, params: &Params) -> Result<(), Refusal> {
    let chosen: Vec<_> = match params.get("asset") {
        None => ASSETS.iter().collect(),
        Some(list) => {
            let named = list.split(',').map(|name| markets::find_asset(name).ok_or("EQuery:Unknown asset"));
            named.collect::<Result<_, _>>()?
        }
    };
    for (at, asset) in chosen.into_iter().enumerate() {
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(asset.internal);
        text.s(r#"":{"aclass":"currency","altname":""#).s(asset.alt);
        text.s(r#"","decimals":"#).int(asset.places.0).s(r#","display_decimals":"#).int(asset.places.1);
        text.s(r#","status":"enabled"}"#);
    }
    text.s("}");
    Ok(())
}

/// A fee rate in hundredths.
pub(super) fn percent(rate: Decimal) -> String {
    (rate * Decimal::ONE_HUNDRED).normalize().to_string()
}

fn pairs(text: &mut Text, all: &[&Market]) {
    for (at, market) in all.iter().enumerate() {
        let spec = market.spec;
        let (base, quote) = (markets::asset(spec.base), markets::asset(spec.quote));
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(spec.native).s(r#"":{"altname":""#).s(&altname(spec));
        text.s(r#"","wsname":""#).s(&wsname(spec)).s(r#"","aclass_base":"currency","base":""#);
        text.s(base.internal).s(r#"","aclass_quote":"currency","quote":""#).s(quote.internal);
        text.s(r#"","lot":"unit","cost_decimals":5,"pair_decimals":"#).int(spec.price_scale.digits());
        text.s(r#","lot_decimals":"#).int(spec.qty_scale.digits());
        text.s(r#","lot_multiplier":1,"leverage_buy":[],"leverage_sell":[],"fees":[[0,"#);
        text.s(&percent(spec.fee_rate(false))).s(r#"]],"fees_maker":[[0,"#);
        text.s(&percent(spec.fee_rate(true))).s(r#"]],"fee_volume_currency":"ZUSD","margin_call":80,"#);
        text.s(r#""margin_stop":40,"ordermin":""#).plain(order_min(spec), spec.qty_scale);
        text.s(r#"","costmin":""#).s(spec.min_notional).s(r#"","tick_size":""#);
        text.plain(spec.tick, spec.price_scale).s(r#"","status":"online"}"#);
    }
    text.s(if all.is_empty() { "{}" } else { "}" });
}

fn tickers(text: &mut Text, all: &[&Market]) {
    for (at, market) in all.iter().enumerate() {
        let (spec, day) = (market.spec, market.candles.day());
        let price = |text: &mut Text, value| {
            text.s("\"").padded(value, spec.price_scale).s("\"");
        };
        let qty = |text: &mut Text, value| {
            text.s("\"").padded(value, spec.qty_scale).s("\"");
        };
        text.s(if at == 0 { "{\"" } else { ",\"" }).s(spec.native).s("\":{");
        for (name, side) in [("a", BookSide::Ask), ("b", BookSide::Bid)] {
            let (best, held) = market.engine.best(side).unwrap_or_default();
            text.s("\"").s(name).s("\":[");
            price(text, best);
            text.s(",\"").s(&places(spec.qty(held), 0)).s(r#"",""#).s(&places(spec.qty(held), 3)).s("\"],");
        }
        text.s("\"c\":[");
        price(text, market.last_price());
        text.s(",");
        qty(text, market.trades.back().map_or(0, |trade| trade.qty));
        text.s("]");
        type Write<'a> = &'a dyn Fn(&mut Text, i64);
        let twice: [(&str, Write<'_>, i64); 4] = [
            ("v", &qty, day.volume),
            ("p", &price, vwap(&day)),
            ("l", &price, day.low),
            ("h", &price, day.high),
        ];
        for (name, write, value) in twice {
            text.s(",\"").s(name).s("\":[");
            write(text, value);
            text.s(",");
            write(text, value);
            text.s("]");
        }
        text.s(r#","t":["#).int(day.trades).s(",").int(day.trades).s(r#"],"o":"#);
        price(text, day.open);
        text.s("}");
    }
    text.s(if all.is_empty() { "{}" } else { "}" });
}

/// Prices with five places at least, quantities with three, as the venue rounds them here.
fn depth(text: &mut Text, market: &Market, params: &Params, at_ms: i64) -> Result<(), Refusal> {
    let count = number(params, "count", LEVELS.0, LEVELS.1)?;
    let spec = market.spec;
    text.s("{\"").s(spec.native).s("\":{");
    let sides: [(&str, &mut dyn Iterator<Item = (i64, i64)>); 2] =
        [("\"asks\":[", &mut market.engine.asks()), ("],\"bids\":[", &mut market.engine.bids())];
    for (head, levels) in sides {
        text.s(head);
        for (at, (price, qty)) in levels.take(count).enumerate() {
            text.s(if at == 0 { "[\"" } else { ",[\"" });
            text.s(&places(spec.price(price), spec.price_scale.digits().max(5)));
            let qty = spec.qty(qty).max(Decimal::new(1, 3));
            text.s("\",\"").s(&places(qty, 3)).s("\",").int(at_ms / 1000).s("]");
        }
    }
    text.s("]}}");
    Ok(())
}

fn trades(text: &mut Text, market: &Market, params: &Params) -> Result<(), Refusal> {
    let count = number(params, "count", TRADES_MAX, TRADES_MAX)?;
    let spec = market.spec;
    let chosen: Vec<&Trade> = match params.get("since") {
        None => market.trades.iter().skip(market.trades.len().saturating_sub(count)).collect(),
        Some(since) => {
            // Seconds are as good as nanoseconds.
            let since: i64 = since.parse().map_err(|_| BAD_ARGUMENTS)?;
            let since = if since < 100_000_000_000 { since.saturating_mul(1_000 * MILLI) } else { since };
            let first = market.trades.partition_point(|trade| trade_ns(trade.at_ms, trade.id) <= since);
            market.trades.iter().skip(first).take(count).collect()
        }
    };
    text.s("{\"").s(spec.native).s("\":[");
    for (at, trade) in chosen.iter().enumerate() {
        text.s(if at == 0 { "[\"" } else { ",[\"" });
        text.padded(trade.price, spec.price_scale).s("\",\"").padded(trade.qty, spec.qty_scale).s("\",");
        text.padded(trade_ns(trade.at_ms, trade.id), scale(9));
        text.s(if trade.aggressor == Side::Buy { ",\"b\"" } else { ",\"s\"" });
        text.s(if taker_kind(trade) == "market" { ",\"m\",\"\"," } else { ",\"l\",\"\"," });
        text.int(trade.id).s("]");
    }
    let since = params.get("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let last = chosen.last().map_or(since, |trade| trade_ns(trade.at_ms, trade.id));
    text.s(r#"],"last":""#).int(last).s("\"}");
    Ok(())
}

fn ohlc(text: &mut Text, market: &Market, params: &Params) -> Result<(), Refusal> {
    let minutes = params.get("interval").map_or(Some(1), |text| text.parse().ok());
    let minutes = minutes.filter(|minutes| INTERVALS.contains(minutes)).ok_or(BAD_ARGUMENTS)?;
    let since = params.get("since").map_or(Some(i64::MIN), |text| text.parse().ok()).ok_or(BAD_ARGUMENTS)?;
    let mut all = candles(market, minutes);
    all.drain(..all.len().saturating_sub(CANDLES_MAX));
    // The one before the running one is the last that will not change.
    let last = all.len().checked_sub(2).map_or(0, |at| all[at].open_ms / 1000);
    all.retain(|candle| candle.open_ms / 1000 > since);
    let spec = market.spec;
    text.s("{\"").s(spec.native).s("\":[");
    for (at, candle) in all.iter().enumerate() {
        text.s(if at == 0 { "[" } else { ",[" }).int(candle.open_ms / 1000);
        for price in [candle.open, candle.high, candle.low, candle.close, vwap(candle)] {
            text.s(",\"").padded(price, spec.price_scale).s("\"");
        }
        text.s(",\"").padded(candle.volume, spec.qty_scale).s("\",").int(candle.trades).s("]");
    }
    text.s(r#"],"last":"#).int(last).s("}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_as_a_recorded_answer_tells_it() {
        let mut text = Text::new();
        rfc1123(&mut text, 1_762_820_224_000);
        assert_eq!(text.into_string(), "Tue, 11 Nov 25 00:17:04 +0000");
    }
}
