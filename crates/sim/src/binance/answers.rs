//! What anyone may read over REST: instruments, books, trades, candles, tickers, marks.

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::binance::events::{self, amount, field, flag, notional};
use crate::binance::params::{Params, Refusal};
use crate::binance::streams::INTERVALS;
use crate::binance::{Binance, BinanceLimits, Product};
use crate::candles::Candle;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::world::Market;

/// An array with one value for each row.
pub(super) fn rows<T>(
    text: &mut Text,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Text, T),
) {
    text.s("[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            text.s(",");
        }
        write(text, item);
    }
    text.s("]");
}

/// A price between quotes.
fn price(text: &mut Text, spec: &Spec, counts: i64) {
    text.s("\"");
    events::price(text, spec, counts);
    text.s("\"");
}

/// A quantity between quotes.
fn qty(text: &mut Text, spec: &Spec, counts: i64) {
    text.s("\"");
    events::qty(text, spec, counts);
    text.s("\"");
}

fn rate_limits(text: &mut Text, product: Product, limits: &BinanceLimits) {
    let own = limits.of(product);
    let span = if product == Product::Spot { "DAY" } else { "MINUTE" };
    let mut all = vec![
        ("REQUEST_WEIGHT", "MINUTE", 1, own.weight_per_minute),
        ("ORDERS", "SECOND", 10, own.orders_per_10s),
        ("ORDERS", span, 1, own.orders_per_span),
    ];
    if product == Product::Spot {
        all.push(("RAW_REQUESTS", "MINUTE", 5, 300_000));
    }
    rows(text, all, |text, (kind, interval, count, limit)| {
        text.s(r#"{"rateLimitType":""#).s(kind).s(r#"","interval":""#).s(interval);
        text.s(r#"","intervalNum":"#).int(count).s(r#","limit":"#).int(limit).s("}");
    });
}

pub(super) fn exchange_info(
    text: &mut Text,
    product: Product,
    limits: &BinanceLimits,
    server_ms: i64,
    markets: &[&Market],
    with_sets: bool,
) {
    text.s(r#"{"timezone":"UTC","serverTime":"#).int(server_ms);
    if product == Product::Usdm {
        text.s(r#","futuresType":"U_MARGINED""#);
    }
    text.s(r#","rateLimits":"#);
    rate_limits(text, product, limits);
    text.s(r#","exchangeFilters":[]"#);
    if product == Product::Usdm {
        text.s(r#","assets":[{"asset":"USDT","marginAvailable":true,"autoAssetExchange":"-10000"}]"#);
    }
    text.s(r#","symbols":"#);
    rows(text, markets, |text, market| match product {
        Product::Spot => spot_symbol(text, market.spec, with_sets),
        Product::Usdm => futures_symbol(text, market.spec),
    });
    text.s("}");
}

/// A filter of sizes: least, most and step of one kind of number.
fn filter(text: &mut Text, kind: &str, names: [&str; 3], mut numbers: impl FnMut(&mut Text, usize)) {
    text.s(r#"{"filterType":""#).s(kind).s("\"");
    for (at, name) in names.into_iter().enumerate() {
        text.s(",\"").s(name).s("\":");
        numbers(text, at);
    }
    text.s("}");
}

fn price_filter(text: &mut Text, spec: &Spec) {
    let most = spec.contract.as_ref().map_or(100_000_000, |contract| contract.max_price);
    let numbers = [spec.tick, most, spec.tick];
    filter(text, "PRICE_FILTER", ["minPrice", "maxPrice", "tickSize"], |text, at| {
        price(text, spec, numbers[at])
    });
}

fn lot_filter(text: &mut Text, kind: &str, spec: &Spec) {
    let numbers = [spec.step, spec.max_qty, spec.step];
    filter(text, kind, ["minQty", "maxQty", "stepSize"], |text, at| qty(text, spec, numbers[at]));
}

fn spot_symbol(text: &mut Text, spec: &Spec, with_sets: bool) {
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","status":"TRADING""#);
    field(text, "baseAsset", spec.base);
    text.s(r#","baseAssetPrecision":8"#);
    field(text, "quoteAsset", spec.quote);
    text.s(r#","quotePrecision":8,"quoteAssetPrecision":8,"baseCommissionPrecision":8,"quoteCommissionPrecision":8"#);
    text.s(r#","orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"]"#);
    text.s(r#","icebergAllowed":false,"ocoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":false"#);
    text.s(r#","cancelReplaceAllowed":false,"isSpotTradingAllowed":true,"isMarginTradingAllowed":true,"filters":["#);
    price_filter(text, spec);
    text.s(",");
    lot_filter(text, "LOT_SIZE", spec);
    text.s(",");
    // Zeros: no minimum and no step beyond those of LOT_SIZE.
    filter(text, "MARKET_LOT_SIZE", ["minQty", "maxQty", "stepSize"], |text, at| {
        qty(text, spec, [0, spec.max_qty, 0][at]);
    });
    text.s(r#",{"filterType":"NOTIONAL","minNotional":""#).s(&amount(spec.least_value()));
    text.s(r#"","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5}"#);
    text.s(r#",{"filterType":"MAX_NUM_ORDERS","maxNumOrders":1000}],"permissions":[],"permissionSets":"#);
    text.s(if with_sets { r#"[["SPOT","MARGIN"]]"# } else { "[]" });
    text.s(r#","defaultSelfTradePreventionMode":"NONE","allowedSelfTradePreventionModes":["NONE"]}"#);
}

fn futures_symbol(text: &mut Text, spec: &Spec) {
    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
    field(text, "pair", spec.native);
    text.s(r#","contractType":"PERPETUAL","deliveryDate":4133404800000,"onboardDate":1569398400000,"status":"TRADING""#);
    let percent = |rate: Decimal| {
        let mut percent = rate * Decimal::ONE_HUNDRED;
        percent.rescale(4);
        percent.to_string()
    };
    if let Some(contract) = &spec.contract {
        field(text, "maintMarginPercent", &percent(contract.maint_rate()));
        field(text, "requiredMarginPercent", &percent(contract.init_rate()));
    }
    for (name, asset) in [("baseAsset", spec.base), ("quoteAsset", spec.quote), ("marginAsset", spec.money())]
    {
        field(text, name, asset);
    }
    text.s(r#","pricePrecision":"#).int(spec.price_scale.digits());
    text.s(r#","quantityPrecision":"#).int(spec.qty_scale.digits());
    text.s(
        r#","baseAssetPrecision":8,"quotePrecision":8,"underlyingType":"COIN","underlyingSubType":["PoW"]"#,
    );
    text.s(r#","settlePlan":0,"triggerProtect":"0.0500","liquidationFee":"0.012500","marketTakeBound":"0.05","filters":["#);
    price_filter(text, spec);
    text.s(",");
    lot_filter(text, "LOT_SIZE", spec);
    text.s(",");
    lot_filter(text, "MARKET_LOT_SIZE", spec);
    text.s(r#",{"filterType":"MAX_NUM_ORDERS","limit":1000}"#);
    text.s(r#",{"filterType":"MIN_NOTIONAL","notional":""#).s(spec.min_notional).s("\"}]");
    text.s(r#","orderTypes":["LIMIT","MARKET","STOP","STOP_MARKET","TAKE_PROFIT","TAKE_PROFIT_MARKET"]"#);
    text.s(r#","timeInForce":["GTC","IOC","FOK","GTX"]}"#);
}

/// The deepest a snapshot goes, and what it gives unasked.
const fn depths(product: Product) -> (usize, usize) {
    match product {
        Product::Spot => (100, 5_000),
        Product::Usdm => (500, 1_000),
    }
}

fn depth(
    text: &mut Text,
    market: &Market,
    product: Product,
    params: &Params,
    at_ms: i64,
) -> Result<(), Refusal> {
    let (default, most) = depths(product);
    let limit = params.limit(default, most)?;
    if product == Product::Usdm && ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) {
        return Err(Refusal::new(-4021, format!("{limit} is not a valid limit.")));
    }
    text.s(r#"{"lastUpdateId":"#).int(market.seq);
    if product == Product::Usdm {
        text.s(r#","E":"#).int(at_ms).s(r#","T":"#).int(at_ms);
    }
    text.s(r#","bids":"#);
    events::levels(text, market.spec, market.engine.bids().take(limit));
    text.s(r#","asks":"#);
    events::levels(text, market.spec, market.engine.asks().take(limit));
    text.s("}");
    Ok(())
}

/// The latest trades, or with `fromId` those from it on; ids ascending.
fn trades(text: &mut Text, market: &Market, params: &Params) -> Result<(), Refusal> {
    let limit = params.limit(500, 1_000)?;
    let (all, spec) = (&market.trades, market.spec);
    let first = match params.id("fromId")? {
        None => all.len().saturating_sub(limit),
        Some(id) => all.partition_point(|trade| trade.id < id),
    };
    rows(text, all.iter().skip(first).take(limit), |text, trade| {
        text.s(r#"{"id":"#).int(trade.id).s(r#","price":"#);
        price(text, spec, trade.price);
        text.s(r#","qty":"#);
        qty(text, spec, trade.qty);
        field(text, "quoteQty", &amount(spec.value(trade.price, trade.qty)));
        text.s(r#","time":"#).int(trade.at_ms).s(r#","isBuyerMaker":"#);
        text.s(flag(trade.aggressor == Side::Sell));
        text.s(if spec.contract.is_none() { r#","isBestMatch":true}"# } else { "}" });
    });
    Ok(())
}

/// The limits of a page of candles: what it holds unasked, and at most.
const fn candle_limits(product: Product) -> (usize, usize) {
    match product {
        Product::Spot => (500, 1_000),
        Product::Usdm => (500, 1_500),
    }
}

fn klines(text: &mut Text, market: &Market, product: Product, params: &Params) -> Result<(), Refusal> {
    let (default, most) = candle_limits(product);
    let limit = params.limit(default, most)?;
    let name = params.need("interval")?;
    let interval = INTERVALS.iter().find(|(other, _)| *other == name);
    let (_, length) = *interval.ok_or_else(|| Refusal::new(-1120, "Invalid interval."))?;
    let spec = market.spec;
    let series = market.candles.of(length).into_iter().flatten().map(|candle| (candle.open_ms, candle));
    let chosen = params.span(i64::MAX)?.page(series, None, limit, |row| (0, row.0));
    rows(text, chosen, |text, (_, candle): (i64, &Candle)| {
        text.s("[").int(candle.open_ms);
        for value in [candle.open, candle.high, candle.low, candle.close] {
            text.s(",");
            price(text, spec, value);
        }
        text.s(",");
        qty(text, spec, candle.volume);
        text.s(",").int(candle.open_ms + length - 1);
        text.s(",\"").s(&amount(notional(spec, candle.notional))).s("\",").int(candle.trades).s(",");
        qty(text, spec, candle.bought);
        text.s(",\"").s(&amount(notional(spec, candle.bought_notional))).s(r#"","0"]"#);
    });
    Ok(())
}

fn day_ticker(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, day, last) = (market.spec, market.candles.day(), market.last_price());
    let is_spot = spec.contract.is_none();
    let (change, percent, average) = events::moves(spec, &day, last);
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","priceChange":"#);
    price(text, spec, change);
    field(text, "priceChangePercent", &percent);
    field(text, "weightedAvgPrice", &amount(average));
    if is_spot {
        text.s(r#","prevClosePrice":"#);
        price(text, spec, day.open);
    }
    text.s(r#","lastPrice":"#);
    price(text, spec, last);
    text.s(r#","lastQty":"#);
    qty(text, spec, market.trades.back().map_or(0, |trade| trade.qty));
    if is_spot {
        events::best_fields(text, market, ["bidPrice", "bidQty", "askPrice", "askQty"]);
    }
    for (name, value) in [("openPrice", day.open), ("highPrice", day.high), ("lowPrice", day.low)] {
        text.s(",\"").s(name).s("\":");
        price(text, spec, value);
    }
    text.s(r#","volume":"#);
    qty(text, spec, day.volume);
    field(text, "quoteVolume", &amount(notional(spec, day.notional)));
    let ids = day.ids().map_or((-1, -1), |(first, last)| (i128::from(first), i128::from(last)));
    text.s(r#","openTime":"#).int(day.open_ms).s(r#","closeTime":"#).int(at_ms);
    text.s(r#","firstId":"#)
        .int(ids.0)
        .s(r#","lastId":"#)
        .int(ids.1)
        .s(r#","count":"#)
        .int(day.trades)
        .s("}");
}

fn book_ticker(text: &mut Text, market: &Market, at_ms: i64) {
    text.s(r#"{"symbol":""#).s(market.spec.native).s("\"");
    events::best_fields(text, market, ["bidPrice", "bidQty", "askPrice", "askQty"]);
    if market.spec.contract.is_some() {
        text.s(r#","time":"#).int(at_ms).s(r#","lastUpdateId":"#).int(market.seq);
    }
    text.s("}");
}

fn last_price(text: &mut Text, market: &Market, at_ms: i64) {
    text.s(r#"{"symbol":""#).s(market.spec.native).s(r#"","price":"#);
    price(text, market.spec, market.last_price());
    if market.spec.contract.is_some() {
        text.s(r#","time":"#).int(at_ms);
    }
    text.s("}");
}

fn premium_index(text: &mut Text, market: &Market, at_ms: i64) {
    let (spec, state) = (market.spec, market.reference);
    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
    for (name, value) in
        [("markPrice", state.mark), ("indexPrice", state.index), ("estimatedSettlePrice", state.index)]
    {
        text.s(",\"").s(name).s("\":\"");
        events::reference(text, spec, value);
        text.s("\"");
    }
    text.s(r#","lastFundingRate":""#);
    events::rate(text, state.rate_e6);
    text.s(r#"","interestRate":"0.00010000","nextFundingTime":"#).int(state.next_ms);
    text.s(r#","time":"#).int(at_ms).s("}");
}

fn open_interest(text: &mut Text, market: &Market, at_ms: i64) {
    text.s(r#"{"openInterest":"#);
    qty(text, market.spec, market.open_interest);
    field(text, "symbol", market.spec.native);
    text.s(r#","time":"#).int(at_ms).s("}");
}

fn avg_price(text: &mut Text, market: &Market, at_ms: i64) {
    let close_ms = market.trades.back().map_or(at_ms, |trade| trade.at_ms);
    text.s(r#"{"mins":5,"price":""#).s(&amount(events::average(market)));
    text.s(r#"","closeTime":"#).int(close_ms).s("}");
}

impl Binance {
    /// What a public route of a product answers; false when it is none of them.
    pub(super) fn public_answer(
        &self,
        cx: &Context<'_>,
        product: Product,
        path: &str,
        params: &Params,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let one = || self.market(cx, product, params).map(|(_, market)| market);
        match path {
            "ping" => {
                text.s("{}");
            }
            "time" => {
                text.s(r#"{"serverTime":"#).int(cx.server_ms()).s("}");
            }
            "exchangeInfo" => {
                let markets = of_product(cx, product);
                let chosen = match params.text("symbol").filter(|_| product == Product::Spot) {
                    None => markets,
                    Some(_) => vec![one()?],
                };
                // Sets of permissions are shown unless they are not wanted.
                let with_sets = params.text("showPermissionSets") != Some("false");
                exchange_info(text, product, &self.limits, cx.server_ms(), &chosen, with_sets);
            }
            "depth" => depth(text, one()?, product, params, at_ms)?,
            "trades" | "historicalTrades" => trades(text, one()?, params)?,
            "aggTrades" => self.aggregate_rows(cx, product, params, text)?,
            "klines" => klines(text, one()?, product, params)?,
            "avgPrice" if product == Product::Spot => avg_price(text, one()?, at_ms),
            "openInterest" if product == Product::Usdm => open_interest(text, one()?, at_ms),
            "fundingInfo" if product == Product::Usdm => {
                // Only symbols that deviate from the usual are listed, and none does.
                text.s("[]");
            }
            "ticker/24hr" | "ticker/price" | "ticker/bookTicker" | "premiumIndex" => {
                let write = match path {
                    "ticker/24hr" => day_ticker,
                    "ticker/price" => last_price,
                    "ticker/bookTicker" => book_ticker,
                    _ if product == Product::Usdm => premium_index,
                    _ => return Ok(false),
                };
                match params.text("symbol") {
                    Some(_) => write(text, one()?, at_ms),
                    None => rows(text, of_product(cx, product), |text, market| write(text, market, at_ms)),
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn aggregate_rows(
        &self,
        cx: &Context<'_>,
        product: Product,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let (at, market) = self.market(cx, product, params)?;
        let (limit, from) = (params.limit(500, 1_000)?, params.id("fromId")?);
        let span = params.span(3_600_000)?;
        let chosen = span.page(self.aggregates[at].iter(), from, limit, |one| (one.id, one.at_ms));
        rows(text, chosen, |text, one| {
            text.s("{");
            events::aggregate_fields(text, market.spec, one);
            text.s("}");
        });
        Ok(())
    }

    /// The market that a request names.
    pub(super) fn market<'a>(
        &self,
        cx: &'a Context<'_>,
        product: Product,
        params: &Params,
    ) -> Result<(usize, &'a Market), Refusal> {
        let symbol = params.need("symbol")?;
        let mut markets = cx.world.markets().iter().enumerate();
        let is_meant = |market: &Market| Product::of(market.spec) == product && market.spec.native == symbol;
        markets.find(|(_, market)| is_meant(market)).ok_or_else(Refusal::symbol)
    }
}

/// The markets of a product.
pub(super) fn of_product<'a>(cx: &'a Context<'_>, product: Product) -> Vec<&'a Market> {
    cx.world.markets().iter().filter(|market| Product::of(market.spec) == product).collect()
}
