//! Connections: which path they came in by, what they ask of their streams, and when they end.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use venuekit_types::Mono;

use crate::binance::budget::{Admission, Bucket, Instant};
use crate::binance::streams::Stream;
use crate::binance::wsapi::ApiSession;
use crate::binance::{Binance, Product};
use crate::query;
use crate::text::quoted;
use crate::venue::Context;

/// The close code of a connection that said too much.
const POLICY: u16 = 1008;
/// The close code of a connection that lived its time.
const GOING_AWAY: u16 = 1001;
/// The longest id of a request that is text.
const ID_MAX: usize = 36;
/// Weight of a connection to the WebSocket API.
const API_CONNECT_WEIGHT: u32 = 2;

/// Which path a connection came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Spot's streams.
    Spot,
    /// Books of futures.
    Public,
    /// The rest of what is public of futures.
    Market,
    /// A futures account's own.
    Private,
    /// The WebSocket API of spot.
    Api,
}

impl Door {
    pub(super) fn product(self) -> Product {
        if matches!(self, Door::Spot | Door::Api) { Product::Spot } else { Product::Usdm }
    }

    /// What stands before a stream's name where a fault has to say which product it strikes.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Door::Public => "public/",
            Door::Market => "market/",
            _ => "",
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    pub(super) door: Door,
    /// Where it comes from.
    pub(super) peer: IpAddr,
    /// Whether frames are wrapped in the name of their stream.
    pub(super) combined: bool,
    /// What was subscribed, in order; a name that no stream has is kept too, and never heard of.
    names: Vec<(String, Option<Stream>)>,
    /// The listen keys it was opened with, each with the events that are wanted; all when none are named.
    pub(super) listen_keys: Vec<(String, Vec<String>)>,
    pub(super) api: ApiSession,
    pub(super) next_ping: Mono,
    pub(super) ends_at: Mono,
    last_pong: Mono,
    /// When the second began in which messages are counted, and how many there were.
    second: (Mono, u32),
}

/// What a stream connection asks for before it says anything.
#[derive(Debug, Default)]
struct Wish {
    combined: bool,
    names: Vec<String>,
    listen_keys: Vec<(String, Vec<String>)>,
}

/// Splits the path of an upgrade into its door, and what is asked for there.
fn read_path(path: &str) -> Option<(Door, Wish)> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.trim_end_matches('/');
    if path == "/ws-api/v3" {
        return Some((Door::Api, Wish::default()));
    }
    let (door, rest) = [("/public", Door::Public), ("/market", Door::Market), ("/private", Door::Private)]
        .into_iter()
        .find_map(|(prefix, door)| Some((door, path.strip_prefix(prefix)?)))
        .unwrap_or((Door::Spot, path));
    let names = |text: &str| -> Option<Vec<String>> {
        let names = text.split('/').filter(|name| !name.is_empty());
        names.map(|name| query::decode(name).map(|name| name.into_owned())).collect()
    };
    let mut wish = Wish { combined: rest == "/stream", ..Wish::default() };
    let listed = match rest.strip_prefix("/ws") {
        Some(listed) if listed.is_empty() || listed.starts_with('/') => names(listed)?,
        None if wish.combined => names(query::param(query, "streams").unwrap_or_default())?,
        _ => return None,
    };
    if door != Door::Private {
        wish.names = listed;
        return Some((door, wish));
    }
    wish.listen_keys = listed.into_iter().map(|key| (key, Vec::new())).collect();
    // Pairs repeat: each list of events belongs to the key before it.
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match (name, wish.listen_keys.last_mut()) {
            ("listenKey", _) => wish.listen_keys.push((value.to_string(), Vec::new())),
            ("events", Some((_, events))) => *events = names(value)?,
            _ => {}
        }
    }
    Some((door, wish))
}

impl Binance {
    pub(super) fn opened(&mut self, cx: &mut Context<'_>, conn: u64, path: &str, peer: IpAddr) {
        let Some((door, wish)) = read_path(path) else { return cx.out.refuse(conn, 404) };
        if door.product() == Product::Spot && self.admit(cx, peer, Bucket::Connections, 1) != Admission::Pass
        {
            return cx.out.refuse(conn, 429);
        }
        if door == Door::Api && self.admit(cx, peer, Bucket::Api, API_CONNECT_WEIGHT) != Admission::Pass {
            return cx.out.refuse(conn, 429);
        }
        let is_unknown = |key: &(String, Vec<String>)| !self.state.listens(&key.0);
        let refused =
            door == Door::Private && (wish.listen_keys.is_empty() || wish.listen_keys.iter().any(is_unknown));
        if refused || wish.names.len() > self.limits.streams_max {
            return cx.out.refuse(conn, 400);
        }
        let (now, limits) = (cx.now.mono, self.limits.of(door.product()));
        self.conns.insert(
            conn,
            Conn {
                door,
                peer,
                combined: wish.combined,
                names: Vec::new(),
                listen_keys: wish.listen_keys,
                api: ApiSession::new(path, cx.world.wall_ms(now)),
                next_ping: now.plus(limits.ping_every),
                ends_at: now.plus(self.limits.age_max),
                last_pong: now,
                second: (now, 0),
            },
        );
        cx.out.accept(cx.now, conn);
        self.subscribe(cx, conn, &wish.names);
    }

    pub(super) fn frame(&mut self, cx: &mut Context<'_>, conn: u64, data: &[u8], binary: bool) {
        if !self.counts_message(cx, conn) {
            return;
        }
        let is_api = self.conns.get(&conn).is_some_and(|state| state.door == Door::Api);
        let value = if binary { None } else { serde_json::from_slice::<Value>(data).ok() };
        match value {
            None => {
                self.say(cx, conn, r#"{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"}"#)
            }
            Some(value) if is_api => self.api_request(cx, conn, &value),
            Some(value) => {
                let answer = self.stream_request(cx, conn, &value);
                self.say(cx, conn, &answer.unwrap_or_else(|refusal| refusal));
            }
        }
    }

    /// Counts a message of a client; false, and the end of the connection, when it is one too many.
    pub(super) fn counts_message(&mut self, cx: &mut Context<'_>, conn: u64) -> bool {
        let Some(state) = self.conns.get_mut(&conn) else { return false };
        if cx.now.mono.since(state.second.0) >= Duration::from_secs(1) {
            state.second = (cx.now.mono, 0);
        }
        state.second.1 += 1;
        let most = self.limits.of(state.door.product()).messages_per_second;
        let fits = state.second.1 <= most || state.door == Door::Api;
        if !fits {
            self.close(cx, conn, Some(POLICY));
        }
        fits
    }

    pub(super) fn pong(&mut self, cx: &mut Context<'_>, conn: u64) {
        if self.counts_message(cx, conn)
            && let Some(state) = self.conns.get_mut(&conn)
        {
            state.last_pong = cx.now.mono;
        }
    }

    /// What a stream connection is answered, or refused with.
    fn stream_request(&mut self, cx: &Context<'_>, conn: u64, value: &Value) -> Result<String, String> {
        let id = read_id(value)?;
        let refuse = |msg: &str| {
            format!(r#"{{"code":2,"msg":{},"id":{id}}}"#, quoted(&format!("Invalid request: {msg}")))
        };
        let done = || format!(r#"{{"result":null,"id":{id}}}"#);
        let method = value["method"].as_str().ok_or_else(|| refuse("missing field `method`"))?;
        let params = value["params"].as_array().map(Vec::as_slice).unwrap_or_default();
        let state = self.conns.get(&conn).ok_or_else(|| refuse("the connection is gone"))?;
        match method {
            "SUBSCRIBE" | "UNSUBSCRIBE" => {
                let names: Option<Vec<String>> =
                    params.iter().map(|name| name.as_str().map(str::to_string)).collect();
                let names = names.ok_or_else(|| refuse("request is not valid: stream names are strings"))?;
                if method == "UNSUBSCRIBE" {
                    self.unsubscribe(conn, &names);
                    return Ok(done());
                }
                let new = names.iter().filter(|name| !state.names.iter().any(|(other, _)| other == *name));
                if state.names.len() + new.count() > self.limits.streams_max {
                    return Err(refuse("too many streams"));
                }
                self.subscribe(cx, conn, &names);
                Ok(done())
            }
            "LIST_SUBSCRIPTIONS" => {
                let names: Vec<String> = state.names.iter().map(|(name, _)| quoted(name)).collect();
                Ok(format!(r#"{{"result":[{}],"id":{id}}}"#, names.join(",")))
            }
            "SET_PROPERTY" | "GET_PROPERTY" if params.first().and_then(Value::as_str) != Some("combined") => {
                Err(format!(r#"{{"code":0,"msg":"Unknown property","id":{id}}}"#))
            }
            "GET_PROPERTY" => Ok(format!(r#"{{"result":{},"id":{id}}}"#, state.combined)),
            "SET_PROPERTY" => {
                let combined = params.get(1).and_then(Value::as_bool);
                let combined = combined.ok_or_else(|| refuse("property value must be a boolean"))?;
                if let Some(state) = self.conns.get_mut(&conn) {
                    state.combined = combined;
                }
                Ok(done())
            }
            other => Err(refuse(&format!(
                "unknown variant `{other}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, \
                 `SET_PROPERTY`, `GET_PROPERTY`"
            ))),
        }
    }

    fn subscribe(&mut self, cx: &Context<'_>, conn: u64, names: &[String]) {
        for name in names {
            let Some(state) = self.conns.get(&conn) else { return };
            if state.names.iter().any(|(other, _)| other == name) {
                continue;
            }
            let door = state.door;
            let stream = self.stream(cx, door, name);
            if let Some(stream) = stream {
                self.listen(cx, conn, door, stream, name);
            }
            if let Some(state) = self.conns.get_mut(&conn) {
                state.names.push((name.clone(), stream));
            }
        }
    }

    fn unsubscribe(&mut self, conn: u64, names: &[String]) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let (gone, kept) = std::mem::take(&mut state.names)
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| names.contains(name));
        state.names = kept;
        for stream in gone.into_iter().filter_map(|(_, stream)| stream) {
            self.unlisten(conn, stream);
        }
    }

    /// Pings, hangs up on the silent, and ends what has lived its time.
    pub(super) fn tick_conns(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        let mut ends = Vec::new();
        for (&conn, state) in &mut self.conns {
            let limits = self.limits.of(state.door.product());
            if state.ends_at <= now {
                ends.push((conn, Some(GOING_AWAY)));
            } else if state.next_ping <= now {
                if now.since(state.last_pong) >= limits.pong_for {
                    ends.push((conn, None));
                    continue;
                }
                state.next_ping = now.plus(limits.ping_every);
                cx.out.ping(conn);
            }
        }
        for (conn, code) in ends {
            self.close(cx, conn, code);
        }
    }

    /// Takes the weight of a request, or says why not.
    pub(super) fn admit(&mut self, cx: &Context<'_>, peer: IpAddr, bucket: Bucket, weight: u32) -> Admission {
        let now = instant(cx);
        self.budgets.entry((peer, bucket)).or_default().admit(now, bucket, weight, &self.limits)
    }

    /// Forgets budgets that no longer make a difference.
    pub(super) fn forget_budgets(&mut self, cx: &Context<'_>) {
        let now = instant(cx);
        self.budgets.retain(|_, budget| budget.matters(now));
    }

    /// Sends a text that is no stream's.
    pub(super) fn say(&self, cx: &mut Context<'_>, conn: u64, text: &str) {
        cx.out.send(cx.now, conn, None, Bytes::copy_from_slice(text.as_bytes()));
    }

    pub(super) fn close(&mut self, cx: &mut Context<'_>, conn: u64, code: Option<u16>) {
        self.drop_conn(conn);
        cx.out.close(conn, code);
    }

    pub(super) fn drop_conn(&mut self, conn: u64) {
        if let Some(state) = self.conns.remove(&conn) {
            for stream in state.names.into_iter().filter_map(|(_, stream)| stream) {
                self.unlisten(conn, stream);
            }
        }
    }
}

/// The present as budgets count it: windows of the clock, before any skew.
pub(super) fn instant(cx: &Context<'_>) -> Instant {
    Instant { mono: cx.now.mono, ms: cx.world.wall_ms(cx.now.mono) }
}

/// The id of a request as it is repeated: an integer, a short text or null.
pub(super) fn read_id(value: &Value) -> Result<String, String> {
    match &value["id"] {
        Value::Null => Ok("null".to_string()),
        Value::String(id) if id.chars().count() <= ID_MAX => Ok(quoted(id)),
        Value::Number(id) if id.is_i64() || id.is_u64() => Ok(id.to_string()),
        _ => Err(r#"{"code":2,"msg":"Invalid request: request ID must be an unsigned integer or a string of 36 characters"}"#
            .to_string()),
    }
}
