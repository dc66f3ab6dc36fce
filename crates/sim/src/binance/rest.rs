//! REST: who may ask for what, with weights, bans and signatures.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use rust_decimal::Decimal;
use venuekit_sign::{Secret, binance::verify};

use crate::binance::budget::{Admission, Bucket, Budget};
use crate::binance::params::{Params, Refusal};
use crate::binance::{Binance, Product};
use crate::front::{RUN_HEADER, Request, Response};
use crate::keys::ApiKey;
use crate::outbox::{RestFault, RestKind};
use crate::query;
use crate::text::{Text, quoted};
use crate::venue::Context;

/// The header that carries a key.
const KEY_HEADER: &str = "X-MBX-APIKEY";
/// How far a timestamp may be ahead of the venue's clock, in milliseconds.
const AHEAD_MS_MAX: i64 = 1_000;
/// The time a request holds when it does not say, and at most, in milliseconds.
const RECV_WINDOW_MS: (i64, i64) = (5_000, 60_000);
/// From here on a timestamp counts microseconds.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;

const TOO_MANY: &str = "Too many requests; current limit is exceeded. Please use WebSocket Streams for live updates to avoid polling the API.";
const BANNED: &str = "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to avoid bans.";

/// Which of the venue's interfaces a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `/api/v3`.
    Api,
    /// `/fapi`.
    Fapi,
    /// `/sapi`.
    Sapi,
}

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

/// What a request is, before anything of it is looked at closely.
#[derive(Clone, Copy, Debug)]
struct Route<'a> {
    family: Family,
    /// Without the version.
    path: &'a str,
    auth: Auth,
    bucket: Bucket,
    weight: u32,
}

/// The wallet and margin routes: method, path, who may ask, weight, and whether it counts by account.
const SAPI: [(&str, &str, Auth, u32, bool); 23] = [
    ("GET", "account/apiRestrictions", Auth::Read, 1, false),
    ("POST", "asset/getUserAsset", Auth::Read, 5, false),
    ("POST", "asset/get-funding-asset", Auth::Read, 1, false),
    ("GET", "asset/wallet/balance", Auth::Read, 60, false),
    ("GET", "asset/tradeFee", Auth::Read, 1, false),
    ("GET", "asset/transfer", Auth::Read, 1, false),
    ("POST", "asset/transfer", Auth::Trade, 900, true),
    ("GET", "capital/deposit/hisrec", Auth::Read, 1, false),
    ("GET", "capital/withdraw/history", Auth::Read, 18_000, true),
    ("GET", "margin/account", Auth::Read, 10, false),
    ("GET", "margin/isolated/account", Auth::Read, 10, false),
    ("GET", "margin/transfer", Auth::Read, 1, false),
    ("POST", "margin/order", Auth::Trade, 6, true),
    ("DELETE", "margin/order", Auth::Trade, 10, false),
    ("GET", "margin/order", Auth::Read, 10, false),
    ("GET", "margin/openOrders", Auth::Read, 10, false),
    ("DELETE", "margin/openOrders", Auth::Trade, 1, false),
    ("GET", "margin/allOrders", Auth::Read, 200, false),
    ("GET", "margin/myTrades", Auth::Read, 10, false),
    ("GET", "margin/allPairs", Auth::Key, 1, false),
    ("GET", "margin/isolated/allPairs", Auth::Key, 10, false),
    ("POST", "userListenToken", Auth::Key, 1, false),
    ("GET", "copyTrading/futures/userStatus", Auth::Read, 20, true),
];

impl<'a> Route<'a> {
    /// Sorts a request by its path; nothing for a path that is no interface's.
    fn of(request: &Request<'a>, params: &Params) -> Option<Route<'a>> {
        let (family, rest) = [("/api/", Family::Api), ("/fapi/", Family::Fapi), ("/sapi/", Family::Sapi)]
            .into_iter()
            .find_map(|(prefix, family)| Some((family, request.path.strip_prefix(prefix)?)))?;
        let (version, path) = rest.split_once('/')?;
        let number = version.strip_prefix('v')?;
        match family {
            Family::Api if number != "3" => return None,
            _ if !matches!(number, "1" | "2" | "3") => return None,
            Family::Sapi => {
                let row = SAPI.iter().find(|row| (row.0, row.1) == (request.method, path))?;
                let &(_, name, auth, weight, by_account) = row;
                let bucket = if by_account { Bucket::SapiUid(name) } else { Bucket::SapiIp(name) };
                return Some(Route { family, path, auth, bucket, weight });
            }
            _ => {}
        }
        let one = params.text("symbol").is_some();
        let limit: u32 = params.text("limit").and_then(|text| text.parse().ok()).unwrap_or(0);
        let (auth, weight) = match family {
            Family::Fapi => fapi(request.method, path, one, limit),
            _ => api(request.method, path, one, limit, params.text("orderId").is_some()),
        };
        let bucket = if family == Family::Fapi { Bucket::Fapi } else { Bucket::Api };
        Some(Route { family, path, auth, bucket, weight })
    }

    fn product(&self) -> Product {
        if self.family == Family::Fapi { Product::Usdm } else { Product::Spot }
    }

    /// What faults a request may suffer.
    fn kind(&self, method: &str) -> RestKind {
        if self.path == "depth" {
            RestKind::Snapshot
        } else if method != "GET" && self.auth == Auth::Trade {
            RestKind::Change
        } else {
            RestKind::Other
        }
    }

    /// True for a request that costs nothing when it succeeds.
    fn is_free_when_right(&self, method: &str) -> bool {
        self.family == Family::Api && method != "GET" && matches!(self.path, "order" | "openOrders")
    }
}

/// Who may ask for a route of spot, and its weight.
fn api(method: &str, path: &str, one: bool, limit: u32, by_order: bool) -> (Auth, u32) {
    match (method, path) {
        (_, "exchangeInfo") => (Auth::Public, 20),
        (_, "depth") => {
            let weight = match limit {
                0..=100 => 5,
                101..=500 => 25,
                501..=1_000 => 50,
                _ => 250,
            };
            (Auth::Public, weight)
        }
        (_, "trades") => (Auth::Public, 25),
        (_, "historicalTrades") => (Auth::Public, 25),
        (_, "aggTrades") => (Auth::Public, 4),
        (_, "klines" | "avgPrice") => (Auth::Public, 2),
        (_, "ticker/24hr") => (Auth::Public, if one { 2 } else { 80 }),
        (_, "ticker/price" | "ticker/bookTicker") => (Auth::Public, if one { 2 } else { 4 }),
        (_, "account" | "allOrders" | "account/commission") => (Auth::Read, 20),
        (_, "myTrades") => (Auth::Read, if by_order { 5 } else { 20 }),
        ("GET", "openOrders") => (Auth::Read, if one { 6 } else { 80 }),
        ("GET", "order") => (Auth::Read, 4),
        ("GET", "rateLimit/order") => (Auth::Read, 40),
        (_, "order" | "openOrders" | "order/test") => (Auth::Trade, 1),
        _ => (Auth::Public, 1),
    }
}

/// Who may ask for a route of futures, and its weight.
fn fapi(method: &str, path: &str, one: bool, limit: u32) -> (Auth, u32) {
    match (method, path) {
        (_, "depth") => {
            let weight = match limit {
                1..=50 => 2,
                51..=100 => 5,
                0 | 101..=500 => 10,
                _ => 20,
            };
            (Auth::Public, weight)
        }
        (_, "klines") => {
            let weight = match limit {
                1..=99 => 1,
                100..=499 => 2,
                0 | 500..=1_000 => 5,
                _ => 10,
            };
            (Auth::Public, weight)
        }
        (_, "trades") => (Auth::Public, 5),
        (_, "historicalTrades") => (Auth::Key, 200),
        (_, "aggTrades") => (Auth::Public, 20),
        (_, "ticker/24hr") => (Auth::Public, if one { 1 } else { 40 }),
        (_, "ticker/price") => (Auth::Public, if one { 1 } else { 2 }),
        (_, "ticker/bookTicker") => (Auth::Public, if one { 2 } else { 5 }),
        (_, "premiumIndex") => (Auth::Public, if one { 1 } else { 10 }),
        (_, "listenKey") => (Auth::Key, 1),
        (_, "balance" | "account" | "positionRisk" | "allOrders" | "userTrades" | "symbolConfig") => {
            (Auth::Read, 5)
        }
        (_, "accountConfig") => (Auth::Read, 5),
        (_, "commissionRate") => (Auth::Read, 20),
        (_, "income") => (Auth::Read, 30),
        ("GET", "positionSide/dual" | "multiAssetsMargin") => (Auth::Read, 30),
        ("GET", "openOrders" | "openAlgoOrders") => (Auth::Read, if one { 1 } else { 40 }),
        ("GET", "order" | "openOrder" | "algoOrder" | "leverageBracket" | "rateLimit/order") => {
            (Auth::Read, 1)
        }
        (_, "countdownCancelAll") => (Auth::Trade, 10),
        ("POST", "order" | "algoOrder") => (Auth::Trade, 0),
        (_, "order" | "allOpenOrders" | "leverage" | "algoOrder" | "algoOpenOrders") => (Auth::Trade, 1),
        _ => (Auth::Public, 1),
    }
}

/// A request that was let in, as its answer needs it.
pub(super) struct Asked<'a> {
    pub(super) family: Family,
    pub(super) method: &'a str,
    /// Without the version.
    pub(super) path: &'a str,
    pub(super) params: &'a Params,
}

impl Binance {
    pub(super) fn request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        let params = Params::read(request.query, request.body);
        let route = params.and_then(|params| match Route::of(request, &params) {
            Some(route) => Ok((params, route)),
            None => Err(Refusal::route()),
        });
        let (params, route) = match route {
            Ok(known) => known,
            Err(refusal) => {
                let response = self.refuse(None, &refusal);
                return cx.out.respond(cx.now, id, RestFault::None, response);
            }
        };
        match self.admit(cx, request.peer, route.bucket, route.weight) {
            Admission::Pass => {}
            Admission::Limited(wait) => {
                let response = self.turned_away(route, request.peer, (429, TOO_MANY), wait);
                return cx.out.respond(cx.now, id, RestFault::None, response);
            }
            Admission::Banned(wait) => {
                let response = self.turned_away(route, request.peer, (418, BANNED), wait);
                return cx.out.respond(cx.now, id, RestFault::None, response);
            }
        }
        let fault = cx.out.rest_fault(cx.now, route.kind(request.method));
        let response = match fault {
            RestFault::Status(status) => self.fault_response(route, request.peer, status),
            _ => {
                let answer = self.authorize(cx, route.auth, request, &params).and_then(|key| {
                    let asked = Asked {
                        family: route.family,
                        method: request.method,
                        path: route.path,
                        params: &params,
                    };
                    self.answer(cx, &asked, key)
                });
                match answer {
                    Ok(text) => {
                        if route.is_free_when_right(request.method)
                            && let Some(budget) = self.budgets.get_mut(&(request.peer, route.bucket))
                        {
                            budget.refund(route.weight);
                        }
                        let mut headers = self.headers(Some((route.bucket, request.peer)));
                        if request.method == "POST" && route.path == "order" {
                            headers.extend(self.count_headers(cx, route.product()));
                        }
                        Response { status: 200, headers, body: Bytes::from(text.into_string()) }
                    }
                    Err(refusal) => self.refuse(Some((route.bucket, request.peer)), &refusal),
                }
            }
        };
        cx.out.respond(cx.now, id, fault, response);
    }

    /// The answer to a request that is not let in.
    fn turned_away(
        &self,
        route: Route<'_>,
        peer: IpAddr,
        (status, msg): (u16, &'static str),
        wait: Duration,
    ) -> Response {
        let refusal = Refusal { status, code: -1003, msg: Cow::Borrowed(msg) };
        let mut response = self.refuse(Some((route.bucket, peer)), &refusal);
        response.headers.push(("Retry-After", (wait.as_secs() + 1).to_string()));
        response
    }

    fn headers(&self, used: Option<(Bucket, IpAddr)>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Content-Type", "application/json;charset=UTF-8".to_string()),
            (RUN_HEADER, self.run.clone()),
        ];
        if let Some((bucket, peer)) = used {
            let name = match bucket {
                Bucket::Fapi => "x-mbx-used-weight-1m",
                Bucket::SapiIp(_) => "X-SAPI-USED-IP-WEIGHT-1M",
                Bucket::SapiUid(_) => "X-SAPI-USED-UID-WEIGHT-1M",
                Bucket::Api | Bucket::Connections => "X-MBX-USED-WEIGHT-1M",
            };
            let used = self.budgets.get(&(peer, bucket)).map_or(0, Budget::used);
            headers.push((name, used.to_string()));
        }
        headers
    }

    /// The headers of the orders in both windows.
    fn count_headers(&mut self, cx: &Context<'_>, product: Product) -> [(&'static str, String); 2] {
        let used = self.order_counts.used(product, cx.world.wall_ms(cx.now.mono));
        let names = match product {
            Product::Spot => ["X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1D"],
            Product::Usdm => ["x-mbx-order-count-10s", "x-mbx-order-count-1m"],
        };
        [(names[0], used[0].to_string()), (names[1], used[1].to_string())]
    }

    fn refuse(&self, used: Option<(Bucket, IpAddr)>, refusal: &Refusal) -> Response {
        let body = Bytes::from(format!(r#"{{"code":{},"msg":{}}}"#, refusal.code, quoted(&refusal.msg)));
        Response { status: refusal.status, headers: self.headers(used), body }
    }

    /// An error that a fault asks for: of what was not done.
    fn fault_response(&self, route: Route<'_>, peer: IpAddr, status: u16) -> Response {
        match status {
            503 => {
                let msg = "Request throttled by system-level protection.";
                let refusal = Refusal { status, code: -1008, msg: Cow::Borrowed(msg) };
                self.refuse(Some((route.bucket, peer)), &refusal)
            }
            status if status < 500 => self.turned_away(route, peer, (status, TOO_MANY), Duration::ZERO),
            status => {
                let mut response = self.refuse(None, &Refusal { status, ..Refusal::route() });
                response.headers[0].1 = "text/html".to_string();
                response.body = Bytes::from_static(b"<html><body>bad gateway</body></html>");
                response
            }
        }
    }

    /// Says with which key a request may be answered, or why not; none for what anyone may ask.
    fn authorize<'a>(
        &self,
        cx: &Context<'a>,
        auth: Auth,
        request: &Request<'_>,
        params: &Params,
    ) -> Result<Option<&'a ApiKey>, Refusal> {
        if auth == Auth::Public {
            return Ok(None);
        }
        let name = request.header(KEY_HEADER).filter(|key| !key.is_empty());
        let bad_key = || Refusal { status: 401, code: -2014, msg: "API-key format invalid.".into() };
        let key = cx.keys.find(name.ok_or_else(bad_key)?).ok_or_else(Refusal::key)?;
        if auth != Auth::Key {
            check_time(cx, params)?;
            let body = std::str::from_utf8(request.body).map_err(|_| Refusal::illegal("body"))?;
            let signed = signed_part(request.query, body).is_some_and(|(payload, signature)| {
                // Base64 has characters that a query has to encode.
                let signature = query::decode(signature);
                signature.is_some_and(|text| is_signature(&key.credentials.secret, &payload, &text))
            });
            if !signed {
                return Err(Refusal::new(-1022, "Signature for this request is not valid."));
            }
        }
        let permitted = if auth == Auth::Trade { key.permissions.trade } else { key.permissions.read };
        if permitted && key.works_from(request.peer) { Ok(Some(key)) } else { Err(Refusal::key()) }
    }

    fn answer(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Asked<'_>,
        key: Option<&ApiKey>,
    ) -> Result<Text, Refusal> {
        let mut text = Text::new();
        let product = if asked.family == Family::Fapi { Product::Usdm } else { Product::Spot };
        let is_public = asked.family != Family::Sapi
            && asked.method == "GET"
            && self.public_answer(cx, product, asked.path, asked.params, &mut text)?;
        if !is_public
            && !self.order_answer(cx, asked, &mut text)?
            && !self.account_answer(cx, asked, key, &mut text)?
        {
            return Err(Refusal::route());
        }
        Ok(text)
    }
}

/// Refuses a request that comes too late, or too early.
pub(super) fn check_time(cx: &Context<'_>, params: &Params) -> Result<(), Refusal> {
    let stamp = params.integer("timestamp")?.ok_or_else(|| Refusal::missing("timestamp"))?;
    let stamp = if stamp >= MICROSECONDS_FROM { stamp / 1_000 } else { stamp };
    let window = params.decimal("recvWindow")?.unwrap_or(Decimal::from(RECV_WINDOW_MS.0));
    if window > Decimal::from(RECV_WINDOW_MS.1) || window <= Decimal::ZERO {
        return Err(Refusal::new(-1131, "recvWindow must be less than 60000."));
    }
    let late = cx.server_ms().saturating_sub(stamp);
    if late <= -AHEAD_MS_MAX {
        let msg = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(Refusal::new(-1021, msg));
    }
    if Decimal::from(late) > window {
        return Err(Refusal::new(-1021, "Timestamp for this request is outside of the recvWindow."));
    }
    Ok(())
}

/// The text that a signature has to cover, and the signature, which stands last in the query or in the body.
fn signed_part<'a>(query: &'a str, body: &'a str) -> Option<(String, &'a str)> {
    let split = |text: &'a str| match text.rsplit_once("&signature=") {
        Some((before, signature)) => (before, Some(signature)),
        None => match text.strip_prefix("signature=") {
            Some(signature) => ("", Some(signature)),
            None => (text, None),
        },
    };
    let ((query, in_query), (body, in_body)) = (split(query), split(body));
    Some((format!("{query}{body}"), in_query.or(in_body)?))
}

/// True for the signature of a payload by a key's secret, which says by its form how it signs.
pub(super) fn is_signature(secret: &Secret, payload: &str, signature: &str) -> bool {
    verify(secret, payload.as_bytes(), signature).unwrap_or(false)
}
