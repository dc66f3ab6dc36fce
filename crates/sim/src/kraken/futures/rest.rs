//! Futures over REST: who may ask for what, nonces, signatures, budgets, and what anyone may read.

use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::candles::Candle;
use crate::front::Request;
use crate::keys::ApiKey;
use crate::kraken::futures::public::{counted, field, funding, pair, volumes};
use crate::kraken::futures::socket::find;
use crate::kraken::names::{Uid, uid};
use crate::kraken::number::{float, millis};
use crate::kraken::params::Params;
use crate::kraken::spot::{change_pct, side};
use crate::kraken::{Kraken, sign};
use crate::market::Spec;
use crate::outbox::{RestFault, RestKind};
use crate::text::{Text, parse_instant};
use crate::venue::Context;
use crate::world::{Market, World};

/// A refusal in the venue's words.
pub(super) type Refusal = String;

/// How far a nonce may fall behind the highest one.
const NONCE_WINDOW: u64 = 10_000;
/// Nonces of a key that are kept.
const NONCES_MAX: usize = 1_000;
/// Trades of an answer.
const TRADES_MAX: usize = 100;
/// Candles of an answer.
const CANDLES_MAX: usize = 2_000;

/// The lengths of candles, by name.
const RESOLUTIONS: [(&str, i64); 9] = [
    ("1m", 60_000),
    ("5m", 300_000),
    ("15m", 900_000),
    ("30m", 1_800_000),
    ("1h", 3_600_000),
    ("4h", 14_400_000),
    ("12h", 43_200_000),
    ("1d", 86_400_000),
    ("1w", 604_800_000),
];

pub(super) fn refusal(text: &str) -> Refusal {
    text.to_string()
}

/// What is missing, in the venue's words.
pub(super) fn missing() -> Refusal {
    refusal("requiredArgumentMissing")
}

impl Kraken {
    pub(in crate::kraken) fn futures_request(
        &mut self,
        cx: &mut Context<'_>,
        id: u64,
        request: &Request<'_>,
    ) {
        let fault = cx.out.rest_fault(cx.now, kind_of(request));
        let response = match fault {
            RestFault::Status(status) => self.page(status),
            _ => match self.futures_answer(cx, request) {
                Some(answer) => {
                    let mut body = Text::new();
                    match answer {
                        Ok(fields) if request.path.starts_with("/derivatives/") => {
                            body.s(r#"{"result":"success","#).s(&fields.into_string()).s(r#","serverTime":"#);
                            millis(&mut body, cx.server_ms());
                            body.s("}");
                        }
                        Ok(fields) => body = fields,
                        Err(error) => {
                            body.s(r#"{"result":"error","error":"#).quoted(&error).s(r#","serverTime":"#);
                            millis(&mut body, cx.server_ms());
                            body.s("}");
                        }
                    }
                    self.json(body)
                }
                None => self.page(404),
            },
        };
        cx.out.respond(cx.now, id, fault, response);
    }

    /// The answer to a request, its envelope apart; nothing when there is no such route.
    fn futures_answer(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
    ) -> Option<Result<Text, Refusal>> {
        let query = Params::form(request.query);
        let body = std::str::from_utf8(request.body).ok().and_then(Params::form);
        let Some((query, body)) = query.zip(body) else { return Some(Err(refusal("invalidArgument: body"))) };
        let params = query.and(body);
        if let Some(path) = request.path.strip_prefix("/api/charts/v1/") {
            return charts(cx.world, path, &params);
        }
        let route = request.path.strip_prefix("/derivatives/api/v3/");
        if let Some(answer) = route.and_then(|route| public(cx, route, &params)) {
            return Some(answer);
        }
        let history = request.path.strip_prefix("/api/history/v3/");
        let cost = match (request.method, route, history) {
            (method, Some(route), _) => cost(method, route, &params)?,
            (_, None, Some("executions" | "orders")) => 1,
            _ => return None,
        };
        let key = match self.futures_key(cx, request) {
            Ok(key) => key,
            Err(refusal) => return Some(Err(refusal)),
        };
        let trades = request.method != "GET" && route.is_some_and(|route| route != "orders/status");
        if !(if trades { key.permissions.trade } else { key.permissions.read }) {
            return Some(Err(refusal("insufficientPrivileges")));
        }
        let (now, limits) = (cx.now.mono, self.limits);
        let within = match route {
            Some(_) => self.futures.requests.take(now, cost, limits.futures),
            None => self.futures.history.take(now, cost, limits.futures_history),
        };
        if !within {
            return Some(Err(refusal("apiLimitExceeded")));
        }
        match (route, history) {
            (Some(route), _) if trades => Some(self.futures_trade(cx, route, &params)),
            (Some(route), _) => Some(self.futures_account(cx, route, &params)),
            (None, history) => Some(self.futures_history(cx, history.unwrap_or_default(), &params)),
        }
    }

    /// Says with which key a request was signed.
    fn futures_key<'a>(&mut self, cx: &Context<'a>, request: &Request<'_>) -> Result<&'a ApiKey, Refusal> {
        let wrong = || refusal("authenticationError");
        let name = request.header("APIKey").ok_or_else(wrong)?;
        let key = cx.keys.find(name).filter(|key| key.works_from(request.peer)).ok_or_else(wrong)?;
        let nonce = request.header("Nonce").unwrap_or_default();
        // Parameters are signed as they travelled, in the query or in the body.
        let data = [request.query.as_bytes(), request.body].concat();
        let endpoint = request.path.strip_prefix("/derivatives").unwrap_or(request.path);
        let wanted = sign::futures(&key.credentials.secret, &data, nonce, endpoint).ok_or_else(wrong)?;
        if request.header("Authent") != Some(wanted.as_str()) {
            return Err(wrong());
        }
        if !nonce.is_empty() {
            let nonce: u64 = nonce.parse().map_err(|_| refusal("invalidArgument: nonce"))?;
            let known = self.futures.nonces.entry(name.to_string()).or_default();
            let highest = known.last().copied().unwrap_or_default();
            if nonce.saturating_add(NONCE_WINDOW) < highest {
                return Err(refusal("nonceBelowThreshold"));
            }
            if !known.insert(nonce) {
                return Err(refusal("nonceDuplicate"));
            }
            while known.len() > NONCES_MAX {
                known.pop_first();
            }
        }
        Ok(key)
    }
}

/// What faults a request may suffer.
fn kind_of(request: &Request<'_>) -> RestKind {
    match request.path.strip_prefix("/derivatives/api/v3/") {
        Some("orderbook") => RestKind::Snapshot,
        Some("sendorder" | "cancelorder" | "cancelallorders" | "cancelallordersafter") => RestKind::Change,
        _ => RestKind::Other,
    }
}

/// What a private route costs; nothing when there is none.
fn cost(method: &str, route: &str, params: &Params) -> Option<u64> {
    match (method, route) {
        ("POST", "sendorder" | "cancelorder") => Some(10),
        ("POST", "cancelallorders" | "cancelallordersafter") => Some(25),
        ("POST", "orders/status") => Some(1),
        ("GET", "transfers") | ("PUT", "leveragepreferences") => Some(10),
        ("GET", "accounts" | "openpositions" | "openorders" | "leveragepreferences") => Some(2),
        ("GET", "fills") => Some(if params.get("lastFillTime").is_some() { 25 } else { 2 }),
        _ => None,
    }
}

/// The contracts of a world.
pub(super) fn contracts(world: &World) -> impl Iterator<Item = (usize, &Market)> {
    world.markets().iter().enumerate().filter(|(_, market)| market.spec.kind != Kind::Spot)
}

/// The fields of a public answer; nothing when the route is none.
fn public(cx: &Context<'_>, route: &str, params: &Params) -> Option<Result<Text, Refusal>> {
    let mut text = Text::new();
    let world = &*cx.world;
    let named = || match params.get("symbol") {
        None => Err(missing()),
        Some(symbol) => find(world, symbol).ok_or_else(|| refusal("invalidArgument: symbol")),
    };
    match route {
        "instruments" => {
            text.s(r#""instruments":["#);
            for (at, (_, market)) in contracts(world).enumerate() {
                text.s(if at == 0 { "" } else { "," });
                instrument(&mut text, market.spec);
            }
            text.s("]");
        }
        "instruments/status" => {
            text.s(r#""instrumentStatus":["#);
            for (at, (_, market)) in contracts(world).enumerate() {
                text.s(if at == 0 { r#"{"tradeable":""# } else { r#",{"tradeable":""# })
                    .s(market.spec.native);
                text.s(r#"","experiencingDislocation":false,"priceDislocationDirection":null,"#);
                text.s(
                    r#""experiencingExtremeVolatility":false,"extremeVolatilityInitialMarginMultiplier":1}"#,
                );
            }
            text.s("]");
        }
        "tickers" => {
            text.s(r#""tickers":["#);
            for (at, (_, market)) in contracts(world).enumerate() {
                text.s(if at == 0 { "" } else { "," });
                ticker(&mut text, market, cx.world.wall_ms(cx.now.mono));
            }
            text.s("]");
        }
        "orderbook" => match named() {
            Ok(at) => orderbook(&mut text, &world.markets()[at]),
            Err(refusal) => return Some(Err(refusal)),
        },
        "history" => {
            let last = params.get("lastTime").map(|text| parse_instant(text).ok_or(()));
            match (named(), last.transpose()) {
                (Ok(at), Ok(last)) => trades(&mut text, world, at, last),
                (Ok(_), Err(())) => return Some(Err(refusal("invalidArgument: lastTime"))),
                (Err(refusal), _) => return Some(Err(refusal)),
            }
        }
        "feeschedules" => fee_schedules(&mut text, world),
        _ => {
            let at = find(world, route.strip_prefix("tickers/")?)?;
            text.s(r#""ticker":"#);
            ticker(&mut text, &world.markets()[at], cx.world.wall_ms(cx.now.mono));
        }
    }
    Some(Ok(text))
}

/// Which schedule of fees a contract has: here each kind has its own.
fn schedule_of(spec: &Spec) -> &'static str {
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    if inverse { "a6cbc326-9477-4a6c-911a-d4cb3ed7481e" } else { "723888f7-0a8e-4183-8648-f920a22339e3" }
}

fn instrument(text: &mut Text, spec: &Spec) {
    let Some(contract) = &spec.contract else { return };
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","type":""#);
    text.s(if contract.inverse { "futures_inverse" } else { "flexible_futures" }).s("\"");
    if contract.inverse {
        text.s(r#","underlying":"rr_xbtusd""#);
    }
    field(text, "tickSize", spec.price(spec.tick));
    text.s(r#","contractSize":"#).s(contract.multiplier).s(r#","tradeable":true"#);
    field(text, "impactMidSize", spec.qty(spec.clip * spec.step));
    field(text, "maxPositionSize", spec.qty(spec.max_qty));
    text.s(r#","openingDate":"2022-03-22T13:18:45Z","marginLevels":[{""#);
    text.s(if contract.inverse { "contracts" } else { "numNonContractUnits" }).s(r#"":0"#);
    field(text, "initialMargin", contract.init_rate());
    field(text, "maintenanceMargin", contract.maint_rate());
    text.s(r#"}],"fundingRateCoefficient":1,"maxRelativeFundingRate":0.0025,"contractValueTradePrecision":"#);
    text.int(spec.qty_scale.digits()).s(r#","postOnly":false,"feeScheduleUid":""#).s(schedule_of(spec));
    text.s(r#"","mtf":true,"base":""#).s(spec.base).s(r#"","quote":""#).s(spec.quote);
    text.s(r#"","pair":""#).s(spec.base).s(":").s(spec.quote).s(r#"","category":"Layer 1","tags":[]}"#);
}

fn ticker(text: &mut Text, market: &Market, at_ms: i64) {
    use venuekit_types::BookSide;
    let (spec, day, reference) = (market.spec, market.candles.day(), market.reference);
    let best = |side| market.engine.best(side).unwrap_or_default();
    let ((bid, bid_size), (ask, ask_size)) = (best(BookSide::Bid), best(BookSide::Ask));
    let ((volume, volume_quote), (absolute, _)) = (volumes(market), funding(market));
    let last = market.trades.back();
    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
    field(text, "last", spec.price(market.last_price()));
    text.s(r#","lastTime":"#);
    millis(text, last.map_or(at_ms, |trade| trade.at_ms));
    text.s(r#","tag":"perpetual","pair":""#).s(&pair(spec)).s("\"");
    for (name, value) in [
        ("markPrice", spec.price(reference.mark)),
        ("bid", spec.price(bid)),
        ("bidSize", spec.qty(bid_size)),
        ("ask", spec.price(ask)),
        ("askSize", spec.qty(ask_size)),
        ("vol24h", volume),
        ("volumeQuote", volume_quote),
        ("openInterest", spec.qty(market.open_interest)),
        ("open24h", spec.price(day.open)),
        ("high24h", spec.price(day.high)),
        ("low24h", spec.price(day.low)),
        ("lastSize", spec.qty(last.map_or(0, |trade| trade.qty))),
        ("fundingRate", absolute),
        ("fundingRatePrediction", absolute),
        ("indexPrice", spec.price(reference.index)),
        ("change24h", change_pct(market.last_price(), day.open)),
    ] {
        field(text, name, value);
    }
    text.s(r#","suspended":false,"postOnly":false}"#);
}

fn orderbook(text: &mut Text, market: &Market) {
    let spec = market.spec;
    let sides: [(&str, &mut dyn Iterator<Item = (i64, i64)>); 2] = [
        (r#""orderBook":{"bids":["#, &mut market.engine.bids()),
        (r#"],"asks":["#, &mut market.engine.asks()),
    ];
    for (head, levels) in sides {
        text.s(head);
        for (at, (price, qty)) in levels.enumerate() {
            text.s(if at == 0 { "[" } else { ",[" });
            counted(text, price, spec.price_scale);
            text.s(",");
            counted(text, qty, spec.qty_scale);
            text.s("]");
        }
    }
    text.s("]}");
}

/// The latest trades up to a time, the newest first.
fn trades(text: &mut Text, world: &World, at: usize, last: Option<i64>) {
    let market = &world.markets()[at];
    let spec = market.spec;
    let until = |trade: &&crate::world::Trade| last.is_none_or(|last| trade.at_ms <= last);
    text.s(r#""history":["#);
    for (row, trade) in market.trades.iter().rev().filter(until).take(TRADES_MAX).enumerate() {
        text.s(if row == 0 { r#"{"time":"# } else { r#",{"time":"# });
        millis(text, trade.at_ms);
        text.s(r#","trade_id":"#).int(trade.id);
        field(text, "price", spec.price(trade.price));
        field(text, "size", spec.qty(trade.qty));
        text.s(r#","side":""#).s(side(trade.aggressor)).s(r#"","type":"fill","uid":""#);
        text.s(&uid(Uid::Trade, at, trade.id)).s("\"}");
    }
    text.s("]");
}

fn fee_schedules(text: &mut Text, world: &World) {
    let mut told = Vec::new();
    text.s(r#""feeSchedules":["#);
    for (_, market) in contracts(world) {
        let uid = schedule_of(market.spec);
        if told.contains(&uid) {
            continue;
        }
        text.s(if told.is_empty() { r#"{"uid":""# } else { r#",{"uid":""# }).s(uid);
        text.s(r#"","name":"mainfees","tiers":[{"usdVolume":0.0"#);
        field(text, "makerFee", market.spec.fee_rate(true) * Decimal::ONE_HUNDRED);
        field(text, "takerFee", market.spec.fee_rate(false) * Decimal::ONE_HUNDRED);
        text.s("}]}");
        told.push(uid);
    }
    text.s("]");
}

/// Candles of trades; none of marks and of the index are kept.
fn charts(world: &World, path: &str, params: &Params) -> Option<Result<Text, Refusal>> {
    let mut parts = path.split('/');
    let (kind, native, name) = (parts.next()?, parts.next()?, parts.next()?);
    let market = &world.markets()[find(world, native)?];
    let (_, length) = *RESOLUTIONS.iter().find(|(other, _)| *other == name)?;
    let edge = |name, default| match params.get(name) {
        None => Ok(default),
        Some(text) => text.parse::<i64>().map_err(|_| refusal("invalidArgument: time")),
    };
    let (from, to) = match (edge("from", i64::MIN), edge("to", i64::MAX)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(refusal), _) | (_, Err(refusal)) => return Some(Err(refusal)),
    };
    let minutes = u16::try_from(length / 60_000).ok()?;
    let mut all: Vec<Candle> = match kind {
        "trade" => crate::kraken::spot::candles(market, minutes),
        "mark" | "spot" => Vec::new(),
        _ => return None,
    };
    all.retain(|candle| (from..=to).contains(&(candle.open_ms / 1000)));
    let more = all.len() > CANDLES_MAX;
    all.truncate(CANDLES_MAX);
    let mut text = Text::new();
    text.s(r#"{"candles":["#);
    for (at, candle) in all.iter().enumerate() {
        text.s(if at == 0 { r#"{"time":"# } else { r#",{"time":"# }).int(candle.open_ms);
        for (name, price) in
            [("open", candle.open), ("high", candle.high), ("low", candle.low), ("close", candle.close)]
        {
            text.s(",\"").s(name).s("\":\"");
            float(&mut text, market.spec.price(price));
            text.s("\"");
        }
        text.s(r#","volume":""#).plain(candle.volume, market.spec.qty_scale).s("\"}");
    }
    text.s(r#"],"more_candles":"#).s(if more { "true}" } else { "false}" });
    Some(Ok(text))
}
