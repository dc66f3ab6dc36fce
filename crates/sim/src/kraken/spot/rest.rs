//! Spot over REST: who may ask for what, nonces, signatures, tokens, and how often.
//!
//! Every answer is 200 with a list of errors; only what stands before the venue answers otherwise.

use std::collections::{BTreeSet, VecDeque};

use venuekit_types::Mono;

use crate::front::{Request, Response};
use crate::keys::ApiKey;
use crate::kraken::limit::Counter;
use crate::kraken::params::Params;
use crate::kraken::spot::answers;
use crate::kraken::{Kraken, sign};
use crate::outbox::{RestFault, RestKind};
use crate::text::{Text, quoted};
use crate::venue::Context;

/// Tokens of a key that are kept, the latest.
const TOKENS_MAX: usize = 16;

/// A refusal in the venue's words.
pub(super) type Refusal = &'static str;

pub(super) const BAD_ARGUMENTS: Refusal = "EGeneral:Invalid arguments";
pub(super) const NO_PAIR: Refusal = "EQuery:Unknown asset pair";
const RATE: Refusal = "EAPI:Rate limit exceeded";

/// What is known of a key.
#[derive(Clone, Debug)]
pub(super) struct KeyState {
    /// The last nonce that was good.
    nonce: u64,
    counter: Counter,
    /// Wrong signatures and nonces since the last right one.
    failures: u32,
    locked_until: Option<Mono>,
    pub(super) tokens: VecDeque<Token>,
}

/// What opens private channels.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    /// Until when it may be used for the first time.
    pub(super) until: Mono,
    /// Connections that it opened.
    pub(super) used_by: BTreeSet<u64>,
}

impl Kraken {
    pub(in crate::kraken) fn spot_request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        let fault = cx.out.rest_fault(cx.now, kind_of(request.path));
        let response = match fault {
            RestFault::Status(status) => self.page(status),
            _ => {
                let answer = self.spot_answer(cx, request);
                self.spot_envelope(answer)
            }
        };
        cx.out.respond(cx.now, id, fault, response);
    }

    fn spot_envelope(&self, answer: Result<Text, Refusal>) -> Response {
        let mut body = Text::new();
        match answer {
            Ok(result) => {
                body.s(r#"{"error":[],"result":"#).s(&result.into_string()).s("}");
            }
            Err(refusal) => {
                body.s(r#"{"error":["#).quoted(refusal).s("]}");
            }
        }
        self.json(body)
    }

    fn spot_answer(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Result<Text, Refusal> {
        if let Some(method) = request.path.strip_prefix("/0/public/") {
            let rate = self.limits.spot_public;
            let counter = self.spot.public.entry(request.peer).or_insert_with(|| Counter::new(cx.now.mono));
            if !counter.take(cx.now.mono, 1, rate) {
                return Err(RATE);
            }
            let params = Params::form(request.query).ok_or(BAD_ARGUMENTS)?;
            return answers::public(cx, method, &params);
        }
        let method = request.path.strip_prefix("/0/private/").ok_or("EGeneral:Unknown method")?;
        if request.method != "POST" {
            return Err("EGeneral:Unknown method");
        }
        let body = std::str::from_utf8(request.body).map_err(|_| BAD_ARGUMENTS)?;
        let json = request.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json"));
        let params = if json { Params::json(body) } else { Params::form(body) }.ok_or(BAD_ARGUMENTS)?;
        let key = self.authenticate(cx, request, &params)?;
        if !permitted(key, method) {
            return Err("EGeneral:Permission denied");
        }
        let name = key.credentials.key.clone();
        let (now, rate) = (cx.now.mono, self.limits.spot_private);
        let state = self.spot.keys.get_mut(&name).expect("a key that signed is known");
        if !state.counter.take(now, cost(method), rate) {
            return Err(RATE);
        }
        if method == "GetWebSocketsToken" {
            return Ok(self.issue_token(cx, &name));
        }
        self.private_answer(cx, method, &params)
    }

    /// Says with which key a request was signed.
    fn authenticate<'a>(
        &mut self,
        cx: &Context<'a>,
        request: &Request<'_>,
        params: &Params,
    ) -> Result<&'a ApiKey, Refusal> {
        let (now, limits) = (cx.now.mono, self.limits);
        let name = request.header("API-Key").ok_or("EAPI:Invalid key")?;
        let key = cx.keys.find(name).filter(|key| key.works_from(request.peer)).ok_or("EAPI:Invalid key")?;
        let state = self.spot.keys.entry(name.to_string()).or_insert_with(|| KeyState {
            nonce: 0,
            counter: Counter::new(now),
            failures: 0,
            locked_until: None,
            tokens: VecDeque::new(),
        });
        if state.locked_until.is_some_and(|until| now < until) {
            return Err("EGeneral:Temporary lockout");
        }
        let nonce = params.get("nonce").unwrap_or_default();
        let wanted = sign::spot(&key.credentials.secret, request.path, nonce, request.body);
        let right = wanted.is_some() && wanted.as_deref() == request.header("API-Sign");
        let risen = nonce.parse().ok().filter(|&nonce: &u64| nonce > state.nonce);
        match (right, risen) {
            (true, Some(nonce)) => {
                (state.nonce, state.failures, state.locked_until) = (nonce, 0, None);
                Ok(key)
            }
            (right, _) => {
                state.failures += 1;
                if state.failures >= limits.lockout_after {
                    (state.failures, state.locked_until) = (0, Some(now.plus(limits.lockout_for)));
                }
                Err(if right { "EAPI:Invalid nonce" } else { "EAPI:Invalid signature" })
            }
        }
    }

    fn issue_token(&mut self, cx: &mut Context<'_>, key: &str) -> Text {
        let text: String = (0..43).map(|_| cx.rng.alphanumeric()).collect();
        let state = self.spot.keys.get_mut(key).expect("a key that signed is known");
        if state.tokens.len() == TOKENS_MAX {
            state.tokens.pop_front();
        }
        let until = cx.now.mono.plus(self.limits.token_for);
        let mut answer = Text::new();
        answer.s(r#"{"token":"#).s(&quoted(&text));
        answer.s(r#","expires":"#).int(self.limits.token_for.as_secs()).s("}");
        state.tokens.push_back(Token { text, until, used_by: BTreeSet::new() });
        answer
    }

    /// The key that a token stands for: one that is fresh, or that opened this connection's channels already.
    pub(super) fn redeem(&mut self, cx: &Context<'_>, conn: u64, token: &str) -> Result<String, Refusal> {
        let mut keys = self.spot.keys.iter_mut();
        let found = keys.find_map(|(key, state)| {
            state.tokens.iter_mut().find(|other| other.text == token).map(|token| (key, token))
        });
        let (key, token) = found.ok_or("EAPI:Invalid token")?;
        let fresh = cx.now.mono < token.until || token.used_by.contains(&conn);
        if !fresh || cx.keys.find(key).is_none() {
            return Err("ESession:Invalid session");
        }
        token.used_by.insert(conn);
        Ok(key.clone())
    }

    /// Forgets counters that no longer matter.
    pub(super) fn spot_housekeeping(&mut self, now: Mono) {
        let rate = self.limits.spot_public;
        self.spot.public.retain(|_, counter| counter.matters(now, rate));
    }
}

/// What faults a request may suffer.
fn kind_of(path: &str) -> RestKind {
    match path {
        "/0/public/Depth" => RestKind::Snapshot,
        "/0/private/AddOrder"
        | "/0/private/CancelOrder"
        | "/0/private/CancelAll"
        | "/0/private/CancelAllOrdersAfter" => RestKind::Change,
        _ => RestKind::Other,
    }
}

/// What a request adds to the key's counter; orders have one of their own.
fn cost(method: &str) -> u64 {
    match method {
        "AddOrder" | "CancelOrder" | "CancelAll" | "CancelAllOrdersAfter" => 0,
        "Ledgers" | "TradesHistory" | "ClosedOrders" => 2,
        _ => 1,
    }
}

/// Says whether a key may ask for this.
fn permitted(key: &ApiKey, method: &str) -> bool {
    match method {
        "AddOrder" | "CancelOrder" | "CancelAll" | "CancelAllOrdersAfter" => key.permissions.trade,
        _ => key.permissions.read,
    }
}
