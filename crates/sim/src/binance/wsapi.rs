//! The WebSocket API of spot: the account's stream, and orders as REST knows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use venuekit_sign::binance::sign;
use venuekit_types::Mono;

use crate::binance::budget::{Admission, Bucket, Budget};
use crate::binance::params::{Params, Refusal};
use crate::binance::rest::{check_time, is_signature};
use crate::binance::socket::read_id;
use crate::binance::{Binance, Product};
use crate::keys::ApiKey;
use crate::query;
use crate::text::{Text, quoted};
use crate::venue::Context;
use crate::wallets::Wallet;

/// The length of an Ed25519 signature in base64.
const ED25519_LEN: usize = 88;
/// Subscriptions that a connection may hold at once.
const ACTIVE_MAX: usize = 1_000;
/// Subscriptions that a connection may ever have held.
const EVER_MAX: u64 = 65_535;

/// What a connection to the WebSocket API has opened.
#[derive(Clone, Debug, Default)]
pub(super) struct ApiSession {
    /// By id: the key that opened it, and the wallet that it tells of.
    open: BTreeMap<u64, Subscription>,
    next: u64,
    /// The key that has logged on, and when, Unix milliseconds.
    logged_on: Option<(String, i64)>,
    /// When it was opened, Unix milliseconds.
    since_ms: i64,
    /// Whether answers leave the rate limits out.
    terse: bool,
}

#[derive(Clone, Debug)]
struct Subscription {
    key: String,
    wallet: Wallet,
    /// When it ends by itself.
    until: Option<Mono>,
}

impl ApiSession {
    /// A session as the path of its connection asks for it.
    pub(super) fn new(path: &str, since_ms: i64) -> ApiSession {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let terse = query::param(query, "returnRateLimits") == Some("false");
        ApiSession { terse, since_ms, ..ApiSession::default() }
    }

    /// The ids of the subscriptions to a wallet.
    pub(super) fn subscriptions(&self, wallet: Wallet) -> impl Iterator<Item = u64> + '_ {
        self.open.iter().filter(move |(_, open)| open.wallet == wallet).map(|(id, _)| *id)
    }

    /// Ends what a key opened; gives the ids.
    pub(super) fn end_of(&mut self, key: &str) -> Vec<u64> {
        self.logged_on.take_if(|(name, _)| name == key);
        let ids: Vec<u64> = self.open.iter().filter(|(_, open)| open.key == key).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| {
            self.open.remove(id);
        });
        ids
    }

    /// Opens a subscription, one for each account.
    fn open(&mut self, subscription: Subscription) -> Result<u64, Refusal> {
        if self.open.values().any(|open| open.wallet == subscription.wallet) {
            return Err(Refusal::new(-2035, "This connection is already subscribed to the account."));
        }
        if self.open.len() >= ACTIVE_MAX || self.next > EVER_MAX {
            return Err(Refusal::new(-2036, "Too many subscriptions on this connection."));
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, subscription);
        Ok(id)
    }
}

/// The weight of a method.
fn weight(method: &str) -> u32 {
    match method {
        "ping" | "time" | "order.place" | "order.cancel" | "order.test" => 1,
        "order.status" => 4,
        "openOrders.status" => 6,
        "allOrders" | "myTrades" => 20,
        "account.rateLimits.orders" => 40,
        _ => 2,
    }
}

/// The REST route that a method is the same as.
fn as_rest(method: &str) -> Option<(&'static str, &'static str)> {
    Some(match method {
        "order.place" => ("POST", "order"),
        "order.test" => ("POST", "order/test"),
        "order.cancel" => ("DELETE", "order"),
        "order.status" => ("GET", "order"),
        "openOrders.status" => ("GET", "openOrders"),
        "openOrders.cancelAll" => ("DELETE", "openOrders"),
        "allOrders" => ("GET", "allOrders"),
        "myTrades" => ("GET", "myTrades"),
        "account.rateLimits.orders" => ("GET", "rateLimit/order"),
        _ => return None,
    })
}

/// The parameters of a request as text: strings as they are, everything else as it was written.
fn read_params(value: &Value) -> Vec<(String, String)> {
    let pairs = value["params"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    pairs.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The text that a signature has to cover: all parameters but itself, sorted by name, not encoded.
fn payload(pairs: &[(String, String)]) -> String {
    let mut signed: Vec<&(String, String)> = pairs.iter().filter(|(name, _)| name != "signature").collect();
    signed.sort();
    signed.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

impl Binance {
    /// Answers a request over the WebSocket API.
    pub(super) fn api_request(&mut self, cx: &mut Context<'_>, conn: u64, value: &Value) {
        let Some(peer) = self.conns.get(&conn).map(|state| state.peer) else { return };
        let id = read_id(value).unwrap_or_else(|_| "null".to_string());
        let method = value["method"].as_str().unwrap_or_default();
        let pairs = read_params(value);
        let wait = match self.admit(cx, peer, Bucket::Api, weight(method)) {
            Admission::Pass => None,
            Admission::Limited(wait) => Some((429, wait)),
            Admission::Banned(wait) => Some((418, wait)),
        };
        let mut text = Text::new();
        let result = match wait {
            Some((status, _)) => {
                let msg = "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates to avoid bans.";
                Err(Refusal { status, ..Refusal::new(-1003, msg) })
            }
            None => self.api_answer(cx, conn, method, pairs, &mut text),
        };
        let mut answer = format!(r#"{{"id":{id},"status":"#);
        match result {
            Ok(()) => answer.push_str(&format!(r#"200,"result":{}"#, text.into_string())),
            Err(Refusal { status, code, msg }) => {
                let error = format!(r#"{status},"error":{{"code":{code},"msg":{}"#, quoted(&msg));
                answer.push_str(&error);
                if let Some((_, wait)) = wait {
                    let now_ms = cx.world.wall_ms(cx.now.mono);
                    let until_ms = now_ms + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX - now_ms);
                    answer.push_str(&format!(r#","data":{{"serverTime":{now_ms},"retryAfter":{until_ms}}}"#));
                }
                answer.push('}');
            }
        }
        if !self.conns.get(&conn).is_some_and(|state| state.api.terse) {
            let used = self.budgets.get(&(peer, Bucket::Api)).map_or(0, Budget::used);
            let limit = self.limits.spot.weight_per_minute;
            answer.push_str(&format!(
                r#","rateLimits":[{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{limit},"count":{used}}}]"#
            ));
        }
        answer.push('}');
        self.say(cx, conn, &answer);
    }

    fn api_answer(
        &mut self,
        cx: &mut Context<'_>,
        conn: u64,
        method: &str,
        pairs: Vec<(String, String)>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        match method {
            "ping" => {
                text.s("{}");
            }
            "time" => {
                text.s(r#"{"serverTime":"#).int(cx.server_ms()).s("}");
            }
            "session.logon" => {
                let credentials = &self.api_key(cx, conn, &pairs)?.credentials;
                // Only one of the two kinds of keys signs in base64.
                let is_ed25519 = sign(&credentials.secret, b"").is_ok_and(|text| text.len() == ED25519_LEN);
                if !is_ed25519 {
                    return Err(Refusal::new(-2015, "Only Ed25519 keys can log a session on."));
                }
                if cx.out.refuses_login(cx.now, conn) {
                    return Err(Refusal::key());
                }
                let logged_on = Some((credentials.key.clone(), cx.server_ms()));
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.api.logged_on = logged_on;
                }
                self.session_status(cx, conn, text);
            }
            "session.status" => self.session_status(cx, conn, text),
            "session.logout" => {
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.api.logged_on = None;
                }
                self.session_status(cx, conn, text);
            }
            "session.subscriptions" => {
                let open = self.conns.get(&conn).map(|state| state.api.open.keys().copied());
                super::answers::rows(text, open.into_iter().flatten(), |text, id| {
                    text.s(r#"{"subscriptionId":"#).int(id).s("}");
                });
            }
            "userDataStream.subscribe.signature" => {
                let key = self.api_key(cx, conn, &pairs)?.credentials.key.clone();
                if cx.out.refuses_login(cx.now, conn) {
                    return Err(Refusal::key());
                }
                let id = self.open(conn, Subscription { key, wallet: Wallet::Spot, until: None })?;
                text.s(r#"{"subscriptionId":"#).int(id).s("}");
            }
            "userDataStream.subscribe" => {
                let logged_on = self.conns.get(&conn).and_then(|state| state.api.logged_on.clone());
                let (key, _) = logged_on.ok_or_else(Refusal::key)?;
                let id = self.open(conn, Subscription { key, wallet: Wallet::Spot, until: None })?;
                text.s(r#"{"subscriptionId":"#).int(id).s("}");
            }
            "userDataStream.subscribe.listenToken" => {
                let params = Params::of(pairs);
                let token = params.need("listenToken")?;
                let known = self.state.tokens.get(token).cloned();
                let (key, wallet, until) =
                    known.ok_or_else(|| Refusal::new(-1209, "The listenToken is invalid or has expired."))?;
                let id = self.open(conn, Subscription { key, wallet, until: Some(until) })?;
                let until_ms = cx.world.wall_ms(until);
                text.s(r#"{"subscriptionId":"#).int(id).s(r#","expirationTime":"#).int(until_ms).s("}");
            }
            "userDataStream.unsubscribe" => {
                let only = Params::of(pairs).id("subscriptionId")?;
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.api.open.retain(|id, _| only.is_some_and(|only| only != *id));
                }
                text.s("{}");
            }
            method => {
                let route = as_rest(method);
                let route = route.ok_or_else(|| Refusal::new(-1020, "This operation is not supported."))?;
                let key = self.api_key(cx, conn, &pairs)?;
                let permitted = if route.0 == "GET" { key.permissions.read } else { key.permissions.trade };
                if !permitted {
                    return Err(Refusal::key());
                }
                self.spot_order_answer(cx, Wallet::Spot, route, &Params::of(pairs), text)?;
            }
        }
        Ok(())
    }

    /// The key that signed a request, if it did.
    fn api_key<'a>(
        &self,
        cx: &Context<'a>,
        conn: u64,
        pairs: &[(String, String)],
    ) -> Result<&'a ApiKey, Refusal> {
        let params = Params::of(pairs.to_vec());
        let logged_on = self.conns.get(&conn).and_then(|state| state.api.logged_on.as_ref());
        // Who has logged on need not sign again, but has to say when it asks.
        let by_session = logged_on.filter(|_| params.text("apiKey").is_none());
        let name = by_session.map_or_else(|| params.need("apiKey"), |(name, _)| Ok(name.as_str()))?;
        let key = cx.keys.find(name).ok_or_else(Refusal::key)?;
        check_time(cx, &params)?;
        if by_session.is_none()
            && !is_signature(&key.credentials.secret, &payload(pairs), params.need("signature")?)
        {
            return Err(Refusal::new(-1022, "Signature for this request is not valid."));
        }
        let peer = self.conns.get(&conn).map(|state| state.peer);
        let permitted = key.permissions.read && peer.is_some_and(|peer| key.works_from(peer));
        if permitted { Ok(key) } else { Err(Refusal::key()) }
    }

    /// Who has logged on to a session, and since when.
    fn session_status(&self, cx: &Context<'_>, conn: u64, text: &mut Text) {
        let Some(state) = self.conns.get(&conn) else { return };
        match &state.api.logged_on {
            Some((key, at_ms)) => {
                text.s(r#"{"apiKey":"#).quoted(key).s(r#","authorizedSince":"#).int(*at_ms);
            }
            None => {
                text.s(r#"{"apiKey":null,"authorizedSince":null"#);
            }
        }
        text.s(r#","connectedSince":"#).int(state.api.since_ms).s(r#","returnRateLimits":"#);
        text.s(if state.api.terse { "false" } else { "true" });
        text.s(r#","serverTime":"#).int(cx.server_ms()).s(r#","userDataStream":"#);
        text.s(if state.api.open.is_empty() { "false}" } else { "true}" });
    }

    fn open(&mut self, conn: u64, subscription: Subscription) -> Result<u64, Refusal> {
        let state = self.conns.get_mut(&conn).ok_or_else(Refusal::key)?;
        state.api.open(subscription)
    }

    /// Makes a token that opens a margin wallet's stream.
    pub(super) fn listen_token(
        &mut self,
        cx: &mut Context<'_>,
        maker: &str,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let day_ms = 86_400_000;
        let validity = params.integer("validity")?.unwrap_or(day_ms);
        let validity = u64::try_from(validity).ok().filter(|_| validity <= day_ms);
        let span = Duration::from_millis(validity.ok_or_else(|| Refusal::invalid("validity"))?);
        let wallet = if params.flag("isIsolated")? {
            Wallet::Isolated(self.market(cx, Product::Spot, params)?.1.spec.native)
        } else {
            Wallet::Margin
        };
        let token: String = (0..60).map(|_| cx.rng.alphanumeric()).collect();
        let until = cx.now.mono.plus(span);
        text.s(r#"{"token":""#).s(&token).s(r#"","expirationTime":"#).int(cx.world.wall_ms(until)).s("}");
        if self.state.tokens.len() == ACTIVE_MAX {
            self.state.tokens.pop_first();
        }
        self.state.tokens.insert(token, (maker.to_string(), wallet, until));
        Ok(())
    }

    /// Ends the subscriptions whose token has run out.
    pub(super) fn expire_subscriptions(&mut self, cx: &mut Context<'_>) {
        let (now, at_ms) = (cx.now.mono, cx.world.wall_ms(cx.now.mono));
        let mut ended = Vec::new();
        for (&conn, state) in &mut self.conns {
            state.api.open.retain(|&id, open| {
                let stays = open.until.is_none_or(|until| now < until);
                if !stays {
                    ended.push((conn, id));
                }
                stays
            });
        }
        for (conn, id) in ended {
            self.say(cx, conn, &terminated(id, at_ms));
        }
    }
}

/// What is said of a subscription that has ended.
pub(super) fn terminated(id: u64, at_ms: i64) -> String {
    format!(r#"{{"subscriptionId":{id},"event":{{"e":"eventStreamTerminated","E":{at_ms}}}}}"#)
}
