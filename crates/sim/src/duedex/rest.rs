//! REST: who may ask for what, instruments, tickers and candles.

use bytes::Bytes;
use venuekit_sign::duedex as sign;

use crate::candles::Candle;
use crate::duedex::Duedex;
use crate::duedex::budget::{Admission, Bucket, Payer};
use crate::front::{RUN_HEADER, Request, Response};
use crate::keys::{ApiKey, Permissions};
use crate::market::{Asset, Spec};
use crate::outbox::{RestFault, RestKind};
use crate::query::param;
use crate::text::Text;
use crate::venue::Context;

/// How far a timestamp may be ahead of the venue's clock, and how long it holds without an expiration, in ms.
const WINDOW_MS: i64 = 5000;

/// Headers any of which makes a request count as authenticated.
const AUTH_HEADERS: [&str; 4] =
    [sign::TIMESTAMP_HEADER, sign::KEY_HEADER, sign::SIGNATURE_HEADER, sign::EXPIRATION_HEADER];

/// A refusal: the venue's code and its words.
pub(super) type Refusal = (i32, &'static str);

pub(super) const INVALID: Refusal = (1000, "Invalid argument");
pub(super) const NO_ENDPOINT: Refusal = (5000, "Endpoint not found");
const NO_INSTRUMENT: Refusal = (10050, "Instrument not found");
pub(super) const NO_ORDER: Refusal = (10056, "Order not found");

/// The HTTP status of a code; which one the venue used is not known.
fn status_of(code: i32) -> u16 {
    match code {
        0 => 200,
        -1 => 500,
        100 => 503,
        5000 => 404,
        5002 | 5003 | 5005 => 401,
        5010 => 429,
        5011 | 5012 => 403,
        _ => 400,
    }
}

fn has_duplicates(query: &str) -> bool {
    let mut names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count
}

impl Duedex {
    pub(super) fn request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        if let Some(path) = request.path.strip_prefix("/bars") {
            let body = self.bars(cx, path, request.query);
            let headers =
                vec![("Content-Type", "application/json".to_string()), (RUN_HEADER, self.run.clone())];
            let response = Response { status: 200, headers, body: Bytes::from(body.into_string()) };
            return cx.out.respond(cx.now, id, RestFault::None, response);
        }
        let user = self.authenticate(cx, request);
        let (payer, quota) = match user {
            Ok(Some(_)) => (Payer::User(self.user_id), self.limits.quota_user),
            _ => (Payer::Ip(request.peer), self.limits.quota_ip),
        };
        let now = cx.now.mono;
        let bucket = self.buckets.entry(payer).or_insert_with(|| Bucket::new(quota, now));
        let admission = bucket.admit(now, weight(request), &self.limits);
        let state = bucket.state();
        let mut fault = RestFault::None;
        let answer = match admission {
            Admission::Limited => Err((5010, "Rate limit exceeded")),
            Admission::Banned(span) => {
                let mut response = self.envelope(cx, Err((5010, "Banned")), state);
                response.status = 403;
                response.headers.push(("Retry-After", (span.as_secs() + 1).to_string()));
                return cx.out.respond(cx.now, id, RestFault::None, response);
            }
            Admission::Pass => {
                let kind = if request.method == "GET" { RestKind::Other } else { RestKind::Change };
                fault = cx.out.rest_fault(cx.now, kind);
                match fault {
                    RestFault::Status(429) => Err((5010, "Rate limit exceeded")),
                    RestFault::Status(_) => Err((100, "Service unavailable")),
                    _ => user.and_then(|user| self.answer(cx, request, user)),
                }
            }
        };
        let response = self.envelope(cx, answer, state);
        cx.out.respond(cx.now, id, fault, response);
    }

    /// Wraps an answer, with the state of the bucket.
    fn envelope(
        &self,
        cx: &Context<'_>,
        answer: Result<Text, Refusal>,
        (limit, remaining, whole): (u64, u64, std::time::Duration),
    ) -> Response {
        let reset = cx.server_ms() / 1000 + i64::try_from(whole.as_secs() + 1).unwrap_or_default();
        let headers = vec![
            ("Content-Type", "application/json; charset=utf-8".to_string()),
            ("X-Rate-Limit-Limit", limit.to_string()),
            ("X-Rate-Limit-Remaining", remaining.to_string()),
            ("X-Rate-Limit-Reset", reset.to_string()),
            (RUN_HEADER, self.run.clone()),
        ];
        let (status, body) = match answer {
            Ok(data) if data.0.is_empty() => (200, r#"{"code":0}"#.to_string()),
            Ok(data) => (200, format!(r#"{{"code":0,"data":{}}}"#, data.into_string())),
            Err((code, message)) => (status_of(code), format!(r#"{{"code":{code},"message":"{message}"}}"#)),
        };
        Response { status, headers, body: Bytes::from(body) }
    }

    /// Says with which key a request was signed; one that claims to be and is not is refused.
    fn authenticate<'a>(
        &self,
        cx: &Context<'a>,
        request: &Request<'_>,
    ) -> Result<Option<&'a ApiKey>, Refusal> {
        if AUTH_HEADERS.iter().all(|name| request.header(name).is_none()) {
            return Ok(None);
        }
        let header = |name| request.header(name).ok_or((5001, "Authentication header missing"));
        let (timestamp, key) = (header(sign::TIMESTAMP_HEADER)?, header(sign::KEY_HEADER)?);
        let signature = header(sign::SIGNATURE_HEADER)?;
        let expiration = request.header(sign::EXPIRATION_HEADER);
        let key = cx.keys.find(key).ok_or((5002, "API key not found"))?;
        let server_ms = cx.server_ms();
        let stamp: i64 = timestamp.parse().map_err(|_| (5003, "Invalid timestamp"))?;
        if stamp >= server_ms.saturating_add(WINDOW_MS) {
            return Err((5003, "Invalid timestamp"));
        }
        let ends = match expiration {
            None => stamp.saturating_add(WINDOW_MS),
            Some(text) => text.parse().map_err(|_| (5004, "Invalid expiration"))?,
        };
        if server_ms >= ends {
            // Without an expiration of its own it is the timestamp that is too old.
            return Err(if expiration.is_some() {
                (5004, "Invalid expiration")
            } else {
                (5003, "Invalid timestamp")
            });
        }
        let body = std::str::from_utf8(request.body).map_err(|_| (5007, "Unsupported charset"))?;
        let signed = sign::Request {
            method: request.method,
            path: request.path,
            timestamp,
            expiration,
            query: request.query,
            body,
        };
        if signed.verify(&key.credentials.secret, signature) != Ok(true) {
            return Err((5005, "Invalid signature"));
        }
        if !key.works_from(request.peer) {
            return Err((5012, "Address not in the IP whitelist"));
        }
        Ok(Some(key))
    }

    fn answer(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        key: Option<&ApiKey>,
    ) -> Result<Text, Refusal> {
        if has_duplicates(request.query) {
            return Err((5006, "Duplicate parameter"));
        }
        let path: Vec<&str> = request.path.strip_prefix("/v1/").ok_or(NO_ENDPOINT)?.split('/').collect();
        let mut text = Text::new();
        match (request.method, path.as_slice()) {
            ("GET", ["instrument"]) => {
                rows(&mut text, cx.world.markets(), |text, market| instrument(text, market.spec));
            }
            ("GET", ["ticker"]) => {
                let all: Vec<_> = self.tickers.iter().zip(cx.world.markets()).collect();
                rows(&mut text, &all, |text, (ticker, market)| ticker.write(text, market.spec));
            }
            ("GET", ["ticker", native]) => {
                let market = self.find(cx, native)?;
                self.tickers[market].write(&mut text, cx.world.markets()[market].spec);
            }
            ("GET", ["order" | "margin", ..] | ["position", _]) => {
                permitted(key, |may| may.read)?;
                self.account_answer(cx, &path, request.query, &mut text)?;
            }
            ("POST" | "DELETE" | "PATCH", ["order"] | ["position", ..]) => {
                permitted(key, |may| may.trade)?;
                self.trade(cx, request, &path, &mut text)?;
            }
            _ => return Err(NO_ENDPOINT),
        }
        Ok(text)
    }

    pub(super) fn find(&self, cx: &Context<'_>, native: &str) -> Result<usize, Refusal> {
        cx.world.markets().iter().position(|market| market.spec.native == native).ok_or(NO_INSTRUMENT)
    }

    /// Candles as charts ask for them, on a host of their own: no envelope, bare numbers, times in seconds.
    fn bars(&self, cx: &Context<'_>, path: &str, query: &str) -> Text {
        let number = |name| param(query, name).and_then(|text| text.parse::<i64>().ok());
        let market = param(query, "symbol").and_then(|native| self.find(cx, native).ok());
        let interval = match param(query, "resolution") {
            Some("1") => Some(60_000),
            Some("30") => Some(1_800_000),
            Some("60") => Some(3_600_000),
            Some("D") => Some(86_400_000),
            _ => None,
        };
        let mut text = Text::new();
        let asked = (path == "/v1/tradingView/history").then_some(()).and(market.zip(interval));
        let (Some((market, interval)), Some(from), Some(to)) = (asked, number("from"), number("to")) else {
            text.s(r#"{"s":"error"}"#);
            return text;
        };
        let state = &cx.world.markets()[market];
        let within = |candle: &&Candle| (from..=to).contains(&(candle.open_ms / 1000));
        let candles: Vec<&Candle> = state.candles.of(interval).into_iter().flatten().filter(within).collect();
        if candles.is_empty() {
            text.s(r#"{"s":"no_data"}"#);
            return text;
        }
        let scale = state.spec.price_scale;
        text.s(r#"{"s":"ok","t":"#);
        rows(&mut text, &candles, |text, candle| {
            text.int(candle.open_ms / 1000);
        });
        for name in ["o", "h", "l", "c"] {
            text.s(",\"").s(name).s("\":");
            rows(&mut text, &candles, |text, candle| {
                let price = match name {
                    "o" => candle.open,
                    "h" => candle.high,
                    "l" => candle.low,
                    _ => candle.close,
                };
                text.plain(price, scale);
            });
        }
        text.s(r#","v":"#);
        rows(&mut text, &candles, |text, candle| {
            text.int(candle.volume);
        });
        text.s("}");
        text
    }
}

/// Refuses whoever did not sign, or signed with a key that may not.
fn permitted(key: Option<&ApiKey>, may: impl Fn(&Permissions) -> bool) -> Result<(), Refusal> {
    let key = key.ok_or((5001, "Authentication header missing"))?;
    if may(&key.permissions) { Ok(()) } else { Err((5011, "Insufficient permission")) }
}

/// What a request costs.
fn weight(request: &Request<'_>) -> u32 {
    match (request.method, request.path) {
        ("GET", "/v1/order/all") => 10,
        ("GET", "/v1/margin") => 3,
        _ => 1,
    }
}

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

fn instrument(text: &mut Text, spec: &Spec) {
    let Some(contract) = &spec.contract else { return };
    let asset = |text: &mut Text, asset: &Asset| {
        text.s(r#"{"symbol":""#).s(asset.code).s(r#"","name":""#).s(asset.name);
        text.s(r#"","precision":"#).int(asset.places).s("}");
    };
    text.s(r#"{"instrumentId":""#)
        .s(spec.native)
        .s(r#"","status":"open","baseCurrencySymbol":""#)
        .s(spec.base);
    text.s(r#"","quoteCurrencySymbol":""#).s(spec.quote).s(r#"","positionCurrency":"#);
    asset(text, &contract.position);
    text.s(r#","settlementCurrency":"#);
    asset(text, &contract.settle);
    text.s(r#","expirationType":"perpetual","markMethod":"fairPrice","multiplier":""#).s(contract.multiplier);
    text.s(r#"","quantoExchangeRate":"1","isInverse":"#).s(if contract.inverse { "true" } else { "false" });
    text.s(r#","isQuanto":false,"adlEnabled":true,"makerFee":""#).s(spec.maker_fee);
    text.s(r#"","takerFee":""#).s(spec.taker_fee).s(r#"","lotSize":"#).int(spec.step);
    text.s(r#","maxSize":"#).int(spec.max_qty).s(r#","pricePrecision":"#).int(spec.price_scale.digits());
    text.s(r#","tickSize":""#).padded(spec.tick, spec.price_scale);
    text.s(r#"","maxPrice":""#).padded(contract.max_price, spec.price_scale);
    text.s(r#"","minInitMargin":""#).s(contract.min_init_margin);
    text.s(r#"","maintMargin":""#).s(contract.maint_margin);
    let [base, step, max] = contract.risk;
    text.s(r#"","baseRiskLimit":""#)
        .s(base)
        .s(r#"","riskStep":""#)
        .s(step)
        .s(r#"","maxRiskLimit":""#)
        .s(max)
        .s("\"}");
}
