//! REST: the public routes and what an account may read, with weights, bans and signatures.

use bytes::Bytes;
use rust_decimal::Decimal;
use venuekit_sign::doex::{KEY_HEADER, verify};
use venuekit_types::{Kind, Now};

use crate::doex::budget::{Admission, Budget};
use crate::doex::{Doex, INTERVALS, public, user};
use crate::front::{RUN_HEADER, Request, Response};
use crate::market::Spec;
use crate::outbox::RestFault;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, Wallet};
use crate::world::Market;

/// Header of the weight used in this minute.
const WEIGHT_HEADER: &str = "X-DOEX-USED-WEIGHT-1M";
/// How far a timestamp may be ahead of the venue's clock, in milliseconds.
const AHEAD_MS_MAX: i64 = 1000;
/// The time a request holds when it does not say, and at most, in milliseconds.
const RECV_WINDOW_MS: (i64, i64) = (5000, 60_000);
/// Rows of a history route when it does not say, and at most.
const ROWS: (usize, usize) = (100, 500);

/// Who may ask for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    /// Anyone.
    Public,
    /// Whoever names a key.
    Key,
    /// Whoever signs with it.
    Signed,
}

/// A refusal: HTTP status, the venue's code, its words.
type Refusal = (u16, i32, &'static str);

const NO_ROUTE: Refusal = (404, -1000, "no such route");
const BAD_SYMBOL: Refusal = (400, -1121, "invalid symbol");
const MISSING: Refusal = (400, -1102, "mandatory parameter missing or malformed");
const BAD_VALUE: Refusal = (400, -1130, "parameter out of range");
const NO_LISTEN_KEY: Refusal = (400, -1125, "listen key does not exist");

fn param<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}

/// A number within bounds, or the default when absent.
fn bounded(query: &str, name: &str, default: usize, max: usize) -> Result<usize, Refusal> {
    match param(query, name) {
        None => Ok(default),
        Some(text) => text.parse().ok().filter(|n| (1..=max).contains(n)).ok_or(BAD_VALUE),
    }
}

impl Doex {
    pub(super) fn request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        let (auth, weight) = classify(request);
        let budget = self.budgets.entry(request.peer).or_insert_with(|| Budget::new(cx.now.mono));
        let (used, wait) = match budget.admit(cx.now.mono, weight, &self.limits) {
            Admission::Pass(used) => (used, None),
            Admission::Limited(used, wait) => (used, Some((429, wait))),
            Admission::Banned(used, wait) => (used, Some((418, wait))),
        };
        if let Some((status, wait)) = wait {
            let refusal = (status, -1003, "too many requests; wait for Retry-After seconds");
            let mut response = self.refusal(refusal, used);
            response.headers.push(("Retry-After", (wait.as_secs() + 1).to_string()));
            return cx.out.respond(cx.now, id, RestFault::None, response);
        }
        let fault = cx.out.rest_fault(cx.now, request.path.ends_with("/depth"));
        let response = match fault {
            RestFault::Status(status) => self.fault_response(status, used),
            _ => {
                let answer = self
                    .authorize(cx, auth, request)
                    .and_then(|()| self.answer(cx, request))
                    .map(|text| Bytes::from(text.into_string()));
                match answer {
                    Ok(body) => Response { status: 200, headers: self.headers(used), body },
                    Err(refusal) => self.refusal(refusal, used),
                }
            }
        };
        cx.out.respond(cx.now, id, fault, response);
    }

    fn headers(&self, used: u32) -> Vec<(&'static str, String)> {
        vec![
            ("Content-Type", "application/json".to_string()),
            (WEIGHT_HEADER, used.to_string()),
            (RUN_HEADER, self.run.clone()),
        ]
    }

    fn refusal(&self, (status, code, msg): Refusal, used: u32) -> Response {
        let body = Bytes::from(format!(r#"{{"code":{code},"msg":"{msg}"}}"#));
        Response { status, headers: self.headers(used), body }
    }

    /// An error that a fault asks for; a broken gateway does not answer in JSON.
    fn fault_response(&self, status: u16, used: u32) -> Response {
        if status < 500 {
            let mut response = self.refusal((status, -1003, "too many requests"), used);
            response.headers.push(("Retry-After", "1".to_string()));
            return response;
        }
        let headers = vec![("Content-Type", "text/html".to_string()), (RUN_HEADER, self.run.clone())];
        Response {
            status,
            headers,
            body: Bytes::from_static(b"<html><body>service unavailable</body></html>"),
        }
    }

    fn authorize(&self, cx: &Context<'_>, auth: Auth, request: &Request<'_>) -> Result<(), Refusal> {
        if auth == Auth::Public {
            return Ok(());
        }
        let key = request.header(KEY_HEADER).filter(|key| !key.is_empty());
        let key = key.ok_or((401, -2014, "key missing or malformed"))?;
        if key != self.user.credentials.key {
            return Err((401, -2015, "invalid key, address or permissions"));
        }
        if auth == Auth::Key {
            return Ok(());
        }
        let integer = |name| param(request.query, name).map(|text| text.parse::<i64>().map_err(|_| MISSING));
        let timestamp = integer("timestamp").ok_or(MISSING)??;
        let window = integer("recvWindow").unwrap_or(Ok(RECV_WINDOW_MS.0))?;
        if !(1..=RECV_WINDOW_MS.1).contains(&window) {
            return Err(BAD_VALUE);
        }
        let late = cx.server_ms().saturating_sub(timestamp);
        if late > window || late < -AHEAD_MS_MAX {
            return Err((400, -1021, "timestamp outside recvWindow"));
        }
        if !verify(&self.user.credentials.secret, request.query) {
            return Err((400, -1022, "signature is not valid"));
        }
        let trades = request.path.contains("/orders") && request.method != "GET";
        if trades { Err((401, -2015, "invalid key, address or permissions")) } else { Ok(()) }
    }

    fn answer(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Result<Text, Refusal> {
        let (path, kind) = match request.path.strip_prefix("/v1/futures/") {
            Some(rest) => (rest, Kind::Perpetual),
            None => (request.path.strip_prefix("/v1/").ok_or(NO_ROUTE)?, Kind::Spot),
        };
        let query = request.query;
        let mut text = Text::new();
        match (request.method, path, kind) {
            ("POST" | "PUT" | "DELETE", "user-stream", Kind::Spot) => {
                self.user_stream(cx, request, &mut text)?;
            }
            ("GET", path, kind) => match (path, kind) {
                ("ping", Kind::Spot) => {
                    text.s("{}");
                }
                ("time", Kind::Spot) => {
                    text.s(r#"{"serverTime":"#).int(cx.server_ms()).s("}");
                }
                ("instruments", Kind::Spot) => rows(&mut text, cx.world.markets(), instrument),
                ("depth", _) => depth(&mut text, self.market(cx, kind, query)?.1, query)?,
                ("trades", _) => trades(&mut text, self.market(cx, kind, query)?.1, query)?,
                ("klines", _) => klines(&mut text, self.market(cx, kind, query)?.1, query)?,
                ("mark", Kind::Perpetual) => mark(&mut text, self.market(cx, kind, query)?.1),
                _ => self.account_answer(cx, (path, kind), query, &mut text)?,
            },
            _ => return Err(NO_ROUTE),
        }
        Ok(text)
    }

    fn market<'a>(
        &self,
        cx: &'a Context<'_>,
        kind: Kind,
        query: &str,
    ) -> Result<(usize, &'a Market), Refusal> {
        let symbol = param(query, "symbol").ok_or(MISSING)?;
        let mut markets = cx.world.markets().iter().enumerate();
        markets.find(|(_, m)| m.spec.kind == kind && m.spec.native == symbol).ok_or(BAD_SYMBOL)
    }

    /// POST makes or renews the key, PUT renews it, DELETE ends it.
    fn user_stream(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let named = param(request.query, "listenKey");
        let current = self.state.listen_key.as_ref().map(|(key, _)| key.as_str());
        if request.method != "POST" && (current.is_none() || named.is_some_and(|_| named != current)) {
            return Err(NO_LISTEN_KEY);
        }
        let until = cx.now.mono.plus(self.limits.listen_key_for);
        let key = self.state.issue(cx.rng, until);
        text.s(r#"{"listenKey":""#).s(&key).s("\"}");
        if request.method == "DELETE" {
            self.state.listen_key = None;
            let listens = |(&conn, state): (&u64, &super::Conn)| {
                (state.listen_key.as_deref() == Some(&key)).then_some(conn)
            };
            let ended: Vec<u64> = self.conns.iter().filter_map(listens).collect();
            for conn in ended {
                self.close(cx, conn, Some(1000));
            }
        }
        Ok(())
    }

    /// What the account reads of itself.
    fn account_answer(
        &self,
        cx: &Context<'_>,
        route: (&str, Kind),
        query: &str,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let account = cx.world.account(self.user.owner).ok_or(NO_ROUTE)?;
        let markets = cx.world.markets();
        let now = cx.now;
        match route {
            ("account/balances", Kind::Spot) => balances(text, account, Wallet::Spot),
            ("margin/account", Kind::Spot) => balances(text, account, Wallet::Margin),
            ("balances", Kind::Perpetual) => futures_balances(text, account, &cx.world.marks()),
            ("positions", Kind::Perpetual) => {
                positions(text, account, markets, now, &cx.world.marks());
            }
            ("orders/open", kind) => {
                let open: Vec<_> =
                    account.open_orders().filter(|order| markets[order.market].spec.kind == kind).collect();
                rows(text, &open, |text, order| {
                    text.s("{");
                    user::order(text, markets[order.market].spec, order);
                    text.s("}");
                });
            }
            ("fills", kind) => {
                let (market, _) = self.market(cx, kind, query)?;
                let limit = bounded(query, "limit", ROWS.0, ROWS.1)?;
                let from: u64 =
                    param(query, "fromId").map_or(Ok(0), |id| id.parse().map_err(|_| BAD_VALUE))?;
                let fills: Vec<_> = account
                    .fills()
                    .filter(|fill| fill.market == market && fill.id >= from)
                    .take(limit)
                    .collect();
                rows(text, &fills, |text, fill| user::fill(text, markets[market].spec, fill));
            }
            ("account/fees", Kind::Spot) => fees(text, markets),
            ("account/permissions", Kind::Spot) => {
                text.s(r#"{"read":true,"trade":false,"withdraw":false,"ipRestricted":false}"#);
            }
            _ => return Err(NO_ROUTE),
        }
        Ok(())
    }
}

/// Who may ask for a route, and its weight.
fn classify(request: &Request<'_>) -> (Auth, u32) {
    let limit: u32 = param(request.query, "limit").and_then(|text| text.parse().ok()).unwrap_or(100);
    let path = request.path.strip_prefix("/v1/").unwrap_or_default();
    match path.strip_prefix("futures/").unwrap_or(path) {
        "depth" => {
            let weight = match limit {
                0..=100 => 1,
                101..=500 => 5,
                501..=1000 => 10,
                _ => 50,
            };
            (Auth::Public, weight)
        }
        "instruments" => (Auth::Public, 10),
        "ping" | "time" | "trades" | "klines" | "mark" => (Auth::Public, 1),
        "user-stream" => (Auth::Key, 1),
        "orders/open" => (Auth::Signed, 3),
        "orders/history" => (Auth::Signed, 10),
        "orders" if request.method == "GET" => (Auth::Signed, 2),
        "account/permissions" | "orders" | "orders/all" | "orders/countdown" => (Auth::Signed, 1),
        "account/balances" | "margin/account" | "balances" | "positions" | "fills" | "account/fees" => {
            (Auth::Signed, 5)
        }
        _ => (Auth::Public, 1),
    }
}

/// An array with one value for each row.
fn rows<T>(text: &mut Text, items: &[T], mut write: impl FnMut(&mut Text, &T)) {
    text.s("[");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.s(",");
        }
        write(text, item);
    }
    text.s("]");
}

fn instrument(text: &mut Text, market: &Market) {
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

fn depth(text: &mut Text, market: &Market, query: &str) -> Result<(), Refusal> {
    let limit = bounded(query, "limit", 100, 5000)?;
    text.s(r#"{"lastUpdateId":"#).int(market.seq).s(r#","bids":"#);
    public::levels(text, market.spec, market.engine.bids().take(limit));
    text.s(r#","asks":"#);
    public::levels(text, market.spec, market.engine.asks().take(limit));
    text.s("}");
    Ok(())
}

/// The latest trades, or those from an id on; ids ascending.
fn trades(text: &mut Text, market: &Market, query: &str) -> Result<(), Refusal> {
    let limit = bounded(query, "limit", ROWS.0, ROWS.1)?;
    let all = &market.trades;
    let first = match param(query, "fromId") {
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

fn klines(text: &mut Text, market: &Market, query: &str) -> Result<(), Refusal> {
    let limit = bounded(query, "limit", ROWS.0, ROWS.1)?;
    let name = param(query, "interval").ok_or(MISSING)?;
    let (_, length) = *INTERVALS.iter().find(|(other, _)| *other == name).ok_or(BAD_VALUE)?;
    let edge = |name| param(query, name).map(|text| text.parse::<i64>().map_err(|_| BAD_VALUE)).transpose();
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

fn mark(text: &mut Text, market: &Market) {
    let (spec, reference) = (market.spec, market.reference);
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","markPrice":""#).padded(reference.mark, spec.price_scale);
    text.s(r#"","indexPrice":""#).padded(reference.index, spec.price_scale);
    text.s(r#"","fundingRate":""#).padded(reference.rate_e6, public::rate_scale());
    text.s(r#"","nextFundingTime":"#).int(reference.next_ms).s("}");
}

/// A field that holds an amount, with the comma before it.
fn amount(text: &mut Text, name: &str, value: Decimal) {
    text.s(",\"").s(name).s("\":\"").s(&value.normalize().to_string()).s("\"");
}

fn balances(text: &mut Text, account: &Account, wallet: Wallet) {
    text.s(if wallet == Wallet::Margin { r#"{"marginLevel":"999","assets":"# } else { r#"{"assets":"# });
    let cells: Vec<_> = account.cash().filter(|cell| cell.0 == wallet).collect();
    rows(text, &cells, |text, (_, asset, cash)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        amount(text, "free", cash.total - cash.locked);
        amount(text, "locked", cash.locked);
        if wallet == Wallet::Margin {
            amount(text, "borrowed", Decimal::ZERO);
            amount(text, "interest", Decimal::ZERO);
        }
        text.s("}");
    });
    text.s("}");
}

fn futures_balances(text: &mut Text, account: &Account, marks: &[i64]) {
    text.s(r#"{"assets":"#);
    let cells: Vec<_> = account.cash().filter(|cell| cell.0 == Wallet::Futures).collect();
    rows(text, &cells, |text, (_, asset, cash)| {
        let margin = account.margin(asset, marks);
        text.s(r#"{"asset":""#).s(asset).s("\"");
        amount(text, "walletBalance", cash.total);
        amount(text, "availableBalance", margin.available);
        amount(text, "unrealizedPnl", margin.unrealised);
        amount(text, "orderMargin", margin.order);
        amount(text, "positionMargin", margin.position);
        text.s("}");
    });
    text.s("}");
}

fn positions(text: &mut Text, account: &Account, markets: &[Market], now: Now, marks: &[i64]) {
    let contracts: Vec<_> = markets.iter().enumerate().filter(|(_, m)| m.spec.contract.is_some()).collect();
    rows(text, &contracts, |text, (at, market)| {
        let (spec, held, mark) = (market.spec, account.position(*at), market.reference.mark);
        text.s(r#"{"symbol":""#)
            .s(spec.native)
            .s(r#"","positionAmt":""#)
            .padded(held.qty, spec.qty_scale)
            .s("\"");
        amount(text, "entryPrice", held.entry_price(spec));
        text.s(r#","markPrice":""#).padded(mark, spec.price_scale).s("\"");
        amount(text, "liquidationPrice", account.liquidation_price(*at, marks));
        text.s(r#","leverage":""#)
            .s(&user::leverage(spec))
            .s(r#"","marginMode":"cross","isolatedMargin":"0""#);
        amount(text, "unrealizedPnl", held.unrealised(spec, mark));
        amount(text, "maintMarginRate", spec.contract.as_ref().map(|c| c.maint_rate()).unwrap_or_default());
        text.s(r#","updateTime":"#).int(now.wall.millis()).s("}");
    });
}

fn fees(text: &mut Text, markets: &[Market]) {
    text.s(r#"{"tier":0,"volume30d":"0","pairs":"#);
    let spot: Vec<_> = markets.iter().filter(|market| market.spec.kind == Kind::Spot).collect();
    rows(text, &spot, |text, market| {
        text.s(r#"{"symbol":""#).s(market.spec.native).s(r#"","maker":""#).s(market.spec.maker_fee);
        text.s(r#"","taker":""#).s(market.spec.taker_fee).s("\"}");
    });
    text.s(r#","tiers":[{"tier":0,"minVolume30d":"0","maker":"0.001","taker":"0.001"}]}"#);
}
