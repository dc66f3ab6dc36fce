//! REST: who may ask for what, with weights, bans and signatures.

use std::time::Duration;

use bytes::Bytes;
use venuekit_sign::doex::{KEY_HEADER, verify};
use venuekit_types::Kind;

use crate::doex::answers::{depth, instrument, klines, mark, rows, trades};
use crate::doex::budget::{Admission, Budget};
use crate::doex::params::{BAD_SYMBOL, BAD_VALUE, MISSING, NO_LISTEN_KEY, NO_ROUTE, Params, Refusal};
use crate::doex::{Doex, account};
use crate::front::{RUN_HEADER, Request, Response};
use crate::keys::ApiKey;
use crate::outbox::{RestFault, RestKind};
use crate::text::Text;
use crate::venue::Context;
use crate::world::Market;

const BAD_KEY: Refusal = (401, -2014, "key missing or malformed");
const REFUSED_KEY: Refusal = (401, -2015, "invalid key, address or permissions");
const TOO_MANY: &str = "too many requests; wait for Retry-After seconds";

/// Header of the orders of this window.
const COUNT_HEADER: &str = "X-DOEX-ORDER-COUNT-10S";

/// Header of the weight used in this minute.
const WEIGHT_HEADER: &str = "X-DOEX-USED-WEIGHT-1M";
/// How far a timestamp may be ahead of the venue's clock, in milliseconds.
const AHEAD_MS_MAX: i64 = 1000;
/// The time a request holds when it does not say, and at most, in milliseconds.
const RECV_WINDOW_MS: (i64, i64) = (5000, 60_000);
/// Who may ask for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    /// Anyone.
    Public,
    /// Whoever names a key that may read.
    Key,
    /// Whoever signs with one that may read.
    Read,
    /// Whoever signs with one that may trade.
    Trade,
}

impl Doex {
    pub(super) fn request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        let (auth, weight) = classify(request);
        self.order_count.roll(cx.now.mono);
        let budget = self.budgets.entry(request.peer).or_insert_with(|| Budget::new(cx.now.mono));
        let admission = budget.admit(cx.now.mono, weight, &self.limits);
        if let Some(response) = self.turned_away(request, admission) {
            return cx.out.respond(cx.now, id, RestFault::None, response);
        }
        let fault = cx.out.rest_fault(cx.now, kind_of(request));
        let response = match fault {
            RestFault::Status(status) => self.fault_response(request, status),
            _ => match self.authorize(cx, auth, request) {
                Err(refusal) => self.refusal(request, refusal),
                Ok(_) => match self.count_order(cx, request) {
                    Some(response) => response,
                    None => match self.answer(cx, request) {
                        Ok(text) => {
                            let body = Bytes::from(text.into_string());
                            Response { status: 200, headers: self.headers(request), body }
                        }
                        Err(refusal) => self.refusal(request, refusal),
                    },
                },
            },
        };
        cx.out.respond(cx.now, id, fault, response);
    }

    /// The answer to a request that is not let in.
    fn turned_away(&self, request: &Request<'_>, admission: Admission) -> Option<Response> {
        let (status, wait): (u16, Duration) = match admission {
            Admission::Pass => return None,
            Admission::Limited(wait) => (429, wait),
            Admission::Banned(wait) => (418, wait),
        };
        let mut response = self.refusal(request, (status, -1003, TOO_MANY));
        response.headers.push(("Retry-After", (wait.as_secs() + 1).to_string()));
        Some(response)
    }

    /// Counts a new order; gives the answer to one too many.
    fn count_order(&mut self, cx: &Context<'_>, request: &Request<'_>) -> Option<Response> {
        if request.method != "POST" || !request.path.ends_with("/orders") {
            return None;
        }
        let wait = self.order_count.admit(cx.now.mono, self.limits.orders_per_10s).err()?;
        let budget = self.budgets.get_mut(&request.peer)?;
        let admission = budget.refuse(cx.now.mono, wait, &self.limits);
        self.turned_away(request, admission)
    }

    fn headers(&self, request: &Request<'_>) -> Vec<(&'static str, String)> {
        let used = self.budgets.get(&request.peer).map_or(0, Budget::used);
        let mut headers = vec![
            ("Content-Type", "application/json".to_string()),
            (WEIGHT_HEADER, used.to_string()),
            (RUN_HEADER, self.run.clone()),
        ];
        if request.path.contains("/orders") {
            headers.push((COUNT_HEADER, self.order_count.used.to_string()));
        }
        headers
    }

    fn refusal(&self, request: &Request<'_>, (status, code, msg): Refusal) -> Response {
        let body = Bytes::from(format!(r#"{{"code":{code},"msg":"{msg}"}}"#));
        Response { status, headers: self.headers(request), body }
    }

    /// An error that a fault asks for; a broken gateway does not answer in JSON.
    fn fault_response(&self, request: &Request<'_>, status: u16) -> Response {
        if status < 500 {
            let mut response = self.refusal(request, (status, -1003, TOO_MANY));
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

    /// Says with which key a request may be answered, or why not; none for what anyone may ask.
    fn authorize<'a>(
        &self,
        cx: &Context<'a>,
        auth: Auth,
        request: &Request<'_>,
    ) -> Result<Option<&'a ApiKey>, Refusal> {
        if auth == Auth::Public {
            return Ok(None);
        }
        let name = request.header(KEY_HEADER).filter(|key| !key.is_empty()).ok_or(BAD_KEY)?;
        let key = cx.keys.find(name).ok_or(REFUSED_KEY)?;
        if auth != Auth::Key {
            let params = Params(request.query);
            let timestamp = params.integer("timestamp")?.ok_or(MISSING)?;
            let window = params.integer("recvWindow")?.unwrap_or(RECV_WINDOW_MS.0);
            if !(1..=RECV_WINDOW_MS.1).contains(&window) {
                return Err(BAD_VALUE);
            }
            let late = cx.server_ms().saturating_sub(timestamp);
            if late > window || late < -AHEAD_MS_MAX {
                return Err((400, -1021, "timestamp outside recvWindow"));
            }
            if !verify(&key.credentials.secret, request.query) {
                return Err((400, -1022, "signature is not valid"));
            }
        }
        let permitted = if auth == Auth::Trade { key.permissions.trade } else { key.permissions.read };
        if permitted && key.works_from(request.peer) { Ok(Some(key)) } else { Err(REFUSED_KEY) }
    }

    fn answer(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Result<Text, Refusal> {
        let (path, kind) = match request.path.strip_prefix("/v1/futures/") {
            Some(rest) => (rest, Kind::Perpetual),
            None => (request.path.strip_prefix("/v1/").ok_or(NO_ROUTE)?, Kind::Spot),
        };
        let params = Params(request.query);
        let mut text = Text::new();
        match (request.method, path, kind) {
            ("POST" | "PUT" | "DELETE", "user-stream", Kind::Spot) => {
                self.user_stream(cx, request, &mut text)?;
            }
            ("GET", "ping", Kind::Spot) => {
                text.s("{}");
            }
            ("GET", "time", Kind::Spot) => {
                text.s(r#"{"serverTime":"#).int(cx.server_ms()).s("}");
            }
            ("GET", "instruments", Kind::Spot) => rows(&mut text, cx.world.markets(), instrument),
            ("GET", "depth", _) => depth(&mut text, self.market(cx, kind, params)?.1, params)?,
            ("GET", "trades", _) => trades(&mut text, self.market(cx, kind, params)?.1, params)?,
            ("GET", "klines", _) => klines(&mut text, self.market(cx, kind, params)?.1, params)?,
            ("GET", "mark", Kind::Perpetual) => mark(&mut text, self.market(cx, kind, params)?.1),
            ("GET", "account/permissions", Kind::Spot) => {
                let key = self.authorize(cx, Auth::Read, request)?.ok_or(REFUSED_KEY)?;
                account::permissions(&mut text, key);
            }
            (method, path, kind) => {
                if !self.order_answer(cx, (method, path, kind), params, &mut text)? {
                    self.account_answer(cx, (method, path, kind), params, &mut text)?;
                }
            }
        }
        Ok(text)
    }

    pub(super) fn market<'a>(
        &self,
        cx: &'a Context<'_>,
        kind: Kind,
        params: Params<'_>,
    ) -> Result<(usize, &'a Market), Refusal> {
        let symbol = params.raw("symbol").ok_or(MISSING)?;
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
        let named = Params(request.query).raw("listenKey");
        let current = self.state.listen_key.as_ref().map(|listen| listen.text.as_str());
        if request.method != "POST" && (current.is_none() || named.is_some_and(|_| named != current)) {
            return Err(NO_LISTEN_KEY);
        }
        let until = cx.now.mono.plus(self.limits.listen_key_for);
        let maker = request.header(KEY_HEADER).unwrap_or_default();
        let key = self.state.issue(cx.rng, maker, until);
        text.s(r#"{"listenKey":""#).s(&key).s("\"}");
        if request.method == "DELETE" {
            self.end_listen_key(cx);
        }
        Ok(())
    }
}

/// What faults a request may suffer.
fn kind_of(request: &Request<'_>) -> RestKind {
    if request.path.ends_with("/depth") {
        RestKind::Snapshot
    } else if request.method != "GET" && request.path.contains("/orders") {
        RestKind::Change
    } else {
        RestKind::Other
    }
}

/// Who may ask for a route, and its weight.
fn classify(request: &Request<'_>) -> (Auth, u32) {
    let limit: u32 = Params(request.query).raw("limit").and_then(|text| text.parse().ok()).unwrap_or(100);
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
        "user-stream" => (Auth::Key, 1),
        "orders/open" => (Auth::Read, 3),
        "orders/history" => (Auth::Read, 10),
        "orders" if request.method == "GET" => (Auth::Read, 2),
        "orders" | "orders/all" | "orders/countdown" => (Auth::Trade, 1),
        "account/permissions" => (Auth::Read, 1),
        "account/balances" | "margin/account" | "balances" | "positions" | "fills" | "account/fees"
        | "copy/positions" | "copy/trades" | "wallet/deposits" | "wallet/withdrawals"
        | "wallet/transfers" => (Auth::Read, 5),
        _ => (Auth::Public, 1),
    }
}
