//! Replays a tape through a session: the same code that ran live, fed from rows instead of sockets.
//!
//! Our own tapes record every input with its time and replay exactly. Tapes of others hold frames and answers only:
//! then every due tick is given at its deadline, what the session would send is discarded, a connection is bound to the
//! one that asked for the same path, and an answer to the request with the same path and symbol. A connection whose path
//! the session asks for nowhere carried what its own program wanted: it stands for all that the session opens.

use core::num::NonZeroU32;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use venuekit_types::{Mono, Now, UnixNanos};
use venuekit_venue::HttpReply;

use crate::Session;
use crate::command::{Command, Persist};
use crate::event::Emission;
use crate::io::{ConnId, Input, Output, PersistId, RequestId, StreamId};
use crate::recorder::Wish;
use crate::tape::{Kind, Row};

/// Answers kept for requests that come later than on the tape.
const SHELF: usize = 4_096;

/// A session and the tape position it stands at.
pub struct Replay {
    session: Session,
    now: Option<Now>,
    first: UnixNanos,
    /// Whether the tape records its own ticks and durable steps.
    exact: bool,
    /// Connections asked for and not bound to one of the tape.
    waiting: VecDeque<(ConnId, String)>,
    bound: BTreeMap<String, ConnId>,
    /// Connections of the session that those of the tape stand for together, whichever they are.
    pool: Vec<ConnId>,
    /// Connections of the tape whose path the session asks for nowhere.
    pooled: BTreeSet<String>,
    asked: Vec<(RequestId, String)>,
    shelf: VecDeque<Row>,
    epochs: BTreeMap<StreamId, u64>,
}

/// The payload of a `command` row.
#[derive(Deserialize)]
struct Told {
    input: String,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    value: u64,
    #[serde(default)]
    stream: u32,
    #[serde(default)]
    why: String,
    #[serde(default)]
    wants: Vec<Wish>,
}

/// What a `header` row says that concerns a replay.
#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    exact: bool,
}

impl Replay {
    /// Stands before the first row. The session must be fresh.
    pub fn new(session: Session) -> Replay {
        Replay {
            session,
            now: None,
            first: UnixNanos(0),
            exact: false,
            waiting: VecDeque::new(),
            bound: BTreeMap::new(),
            pool: Vec::new(),
            pooled: BTreeSet::new(),
            asked: Vec::new(),
            shelf: VecDeque::new(),
            epochs: BTreeMap::new(),
        }
    }

    /// The session, as far as it has come.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The time of the last row.
    pub fn now(&self) -> Now {
        self.now.unwrap_or_default()
    }

    /// Feeds one row; `told` sees every event it caused.
    pub fn row(&mut self, row: &Row, told: &mut dyn FnMut(Now, Emission<'_>)) {
        if row.kind == Kind::Header {
            self.exact = serde_json::from_slice::<Header>(&row.data).is_ok_and(|header| header.exact);
            return;
        }
        let now = self.time(row);
        self.pass_until(now, told);
        match row.kind {
            Kind::Header | Kind::Send => {}
            Kind::Connect => self.open(now, row, told),
            Kind::Recv => {
                // A tape without `connect` rows: the first frame stands for one. And what the session opens after the
                // tape's connection was open is carried by it too.
                if !self.bound.contains_key(&row.conn)
                    && (!self.waiting.is_empty() || !self.pooled.contains(&row.conn))
                {
                    self.open(now, row, told);
                }
                for conn in self.stands_for(&row.conn) {
                    self.input(now, Input::Frame { conn, bytes: &row.data }, told);
                }
            }
            Kind::Close => {
                if !self.bound.contains_key(&row.conn) && !self.pooled.contains(&row.conn) {
                    let _ = self.bind(row);
                }
                let mut closed: Vec<ConnId> = self.bound.remove(&row.conn).into_iter().collect();
                if self.pooled.remove(&row.conn) && self.pooled.is_empty() {
                    closed.append(&mut self.pool);
                }
                let why = String::from_utf8_lossy(&row.data).into_owned();
                for conn in closed {
                    self.input(now, Input::Closed { conn, why: &why }, told);
                }
            }
            Kind::Http => self.answer_or_keep(now, row, told),
            Kind::Command => self.command(now, row, told),
        }
    }

    /// The two clocks of a row. Foreign tapes have one: the other starts with the first row and never goes back.
    fn time(&mut self, row: &Row) -> Now {
        let now = match (self.now, row.mono) {
            (_, Some(mono)) => Now { mono, wall: row.at },
            (None, None) => {
                self.first = row.at;
                Now { mono: Mono(1_000_000_000), wall: row.at }
            }
            (Some(last), None) => {
                let since = u64::try_from(row.at.since(self.first)).unwrap_or(0);
                Now { mono: last.mono.max(Mono(1_000_000_000 + since)), wall: row.at }
            }
        };
        if self.now.is_none() && !self.exact {
            self.now = Some(now);
            self.session.hear_alone();
            self.session.handle(now, Input::Tick);
            self.drain(now, &mut |_, _| {});
        }
        now
    }

    /// Gives every tick that is due before a row.
    fn pass_until(&mut self, now: Now, told: &mut dyn FnMut(Now, Emission<'_>)) {
        let last = self.now.replace(now).unwrap_or(now);
        while !self.exact {
            let Output::Wait(Some((at, _))) = self.session.poll() else { break };
            if at > now.mono {
                break;
            }
            let tick = last.plus(at.since(last.mono));
            self.input(tick, Input::Tick, told);
        }
    }

    fn input(&mut self, now: Now, input: Input<'_>, told: &mut dyn FnMut(Now, Emission<'_>)) {
        self.session.handle(now, input);
        self.drain(now, told);
    }

    fn drain(&mut self, now: Now, told: &mut dyn FnMut(Now, Emission<'_>)) {
        loop {
            match self.session.poll() {
                Output::Emit(emission) => told(now, emission),
                Output::Connect { conn, url, .. } => {
                    let path = path_of(url).to_owned();
                    self.waiting.push_back((conn, path));
                }
                Output::Close { conn, .. } => {
                    self.waiting.retain(|(waiting, _)| *waiting != conn);
                    self.bound.retain(|_, bound| *bound != conn);
                    self.pool.retain(|pooled| *pooled != conn);
                }
                Output::Request { id, request, .. } => self.asked.push((id, request.target.clone())),
                Output::Persist { id, what: Persist::Epochs { stream, count } } if !self.exact => {
                    let next = self.epochs.entry(stream).or_insert(1);
                    let value = *next;
                    *next += u64::from(count);
                    self.session.handle(now, Input::Persisted { id, value });
                }
                Output::Persist { .. } | Output::Send { .. } | Output::Ping { .. } => {}
                Output::Wait(_) => {
                    if self.exact || !self.serve_from_shelf(now) {
                        return;
                    }
                }
            }
        }
    }

    /// A connection of the tape is open: so is the one that it stands for, or all of them.
    fn open(&mut self, now: Now, row: &Row, told: &mut dyn FnMut(Now, Emission<'_>)) {
        if let Some(conn) = self.bind(row) {
            return self.input(now, Input::Opened { conn }, told);
        }
        if row.mono.is_some() {
            return;
        }
        self.pooled.insert(row.conn.clone());
        while let Some((conn, _)) = self.waiting.pop_front() {
            self.pool.push(conn);
            self.input(now, Input::Opened { conn }, told);
        }
    }

    /// Binds a connection of the tape to one the session asked for: by its number on our own tapes, else the oldest
    /// that asked for the same path.
    fn bind(&mut self, row: &Row) -> Option<ConnId> {
        let at = match row.mono {
            Some(_) => {
                let number: u32 = row.conn.parse().ok()?;
                self.waiting.iter().position(|(conn, _)| conn.0 == number)?
            }
            None => {
                let path = row.url.as_deref().map(path_of)?;
                self.waiting.iter().position(|(_, waiting)| path == waiting)?
            }
        };
        let (conn, _) = self.waiting.remove(at)?;
        self.bound.insert(row.conn.clone(), conn);
        Some(conn)
    }

    /// What a connection of the tape stands for: its own, or of the pool one for each product, since a frame is for the
    /// stream that it names.
    fn stands_for(&self, conn: &str) -> Vec<ConnId> {
        if let Some(bound) = self.bound.get(conn) {
            return vec![*bound];
        }
        if !self.pooled.contains(conn) {
            return Vec::new();
        }
        let mut products = BTreeSet::new();
        let first =
            |conn: &&ConnId| self.session.product_of(**conn).is_some_and(|product| products.insert(product));
        self.pool.iter().filter(first).copied().collect()
    }

    fn answer_or_keep(&mut self, now: Now, row: &Row, told: &mut dyn FnMut(Now, Emission<'_>)) {
        let url = row.url.as_deref().unwrap_or_default();
        let by_number = row
            .conn
            .strip_prefix("http.")
            .and_then(|number| number.parse().ok())
            .filter(|_| row.mono.is_some())
            .and_then(|number: u64| {
                // What was recorded of an account is redacted: a session that reads it may have asked for other things.
                self.asked.iter().position(|(id, target)| id.0 == number && same_request(target, url))
            });
        let at = by_number.or_else(|| self.asked.iter().position(|(_, target)| same_request(target, url)));
        match at {
            Some(at) => {
                let (id, _) = self.asked.remove(at);
                self.respond(now, id, row, told);
            }
            None if !self.exact => {
                if self.shelf.len() == SHELF {
                    self.shelf.pop_front();
                }
                self.shelf.push_back(row.clone());
            }
            None => {}
        }
    }

    /// Answers a request from what the tape held earlier; false when nothing fits.
    fn serve_from_shelf(&mut self, now: Now) -> bool {
        for at in 0..self.asked.len() {
            let target = &self.asked[at].1;
            let fits = |row: &Row| same_request(target, row.url.as_deref().unwrap_or_default());
            if let Some(kept) = self.shelf.iter().position(fits)
                && let Some(row) = self.shelf.remove(kept)
            {
                let (id, _) = self.asked.remove(at);
                let reply = reply_of(&row);
                self.session.handle(now, Input::Response { id, reply });
                return true;
            }
        }
        false
    }

    fn respond(&mut self, now: Now, id: RequestId, row: &Row, told: &mut dyn FnMut(Now, Emission<'_>)) {
        let input = Input::Response { id, reply: reply_of(row) };
        self.input(now, input, told);
    }

    fn command(&mut self, now: Now, row: &Row, told: &mut dyn FnMut(Now, Emission<'_>)) {
        let Ok(command) = serde_json::from_slice::<Told>(&row.data) else { return };
        let conn = self.bound.get(&row.conn).copied();
        let input = match (command.input.as_str(), conn) {
            ("tick", _) => Input::Tick,
            ("pong", Some(conn)) => Input::Pong { conn },
            ("shed", Some(conn)) => Input::Shed { conn },
            ("persisted", _) => Input::Persisted { id: PersistId(command.id), value: command.value },
            ("failed", _) => {
                self.asked.retain(|(id, _)| id.0 != command.id);
                Input::Failed { id: RequestId(command.id), why: &command.why }
            }
            ("unsent", _) => {
                self.asked.retain(|(id, _)| id.0 != command.id);
                Input::Unsent { id: RequestId(command.id), why: &command.why }
            }
            ("resync", _) => Input::Command(Command::Resync(StreamId(command.stream))),
            ("share", _) => {
                let sessions = u32::try_from(command.value).ok().and_then(NonZeroU32::new);
                let Some(sessions) = sessions else { return };
                Input::Command(Command::Share(sessions))
            }
            ("follow", _) => {
                let wants = command.wants.into_iter().filter_map(Wish::into_want).collect();
                Input::Command(Command::Follow(wants))
            }
            ("credentials", _) => {
                // Any key does: what it signs goes nowhere.
                let Some(credentials) = self.session.credentials().cloned() else { return };
                return self.input(now, Input::Credentials { credentials: &credentials }, told);
            }
            // A stop ends the recording; the replay keeps what was known.
            _ => return,
        };
        self.input(now, input, told);
    }
}

fn reply_of(row: &Row) -> HttpReply<'_> {
    HttpReply { status: row.status.unwrap_or(200), headers: &row.headers, body: &row.data }
}

/// Path and query of a URL, or of a target that is one already.
fn path_of(url: &str) -> &str {
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => url,
    }
}

/// Whether a recorded URL answers a request: the same path, of whichever version, and the same symbol where one is
/// named.
pub(crate) fn same_request(target: &str, url: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let recorded = path_of(url);
    let (recorded_path, recorded_query) = recorded.split_once('?').unwrap_or((recorded, ""));
    unversioned(path).eq(unversioned(recorded_path)) && symbol_of(query) == symbol_of(recorded_query)
}

/// The segments of a path without those that name a version: `v3`.
fn unversioned(path: &str) -> impl Iterator<Item = &str> {
    let is_version = |segment: &&str| {
        segment
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    path.split('/').filter(move |segment| !is_version(segment))
}

fn symbol_of(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        matches!(key, "symbol" | "instrument" | "pair" | "product_id" | "instrument_name").then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_by_path_and_symbol() {
        let check = |target: &str, url: &str, same: bool| {
            assert_eq!(same_request(target, url), same, "{target} {url}")
        };
        check(
            "/v1/depth?symbol=BTCUSDT&limit=1000",
            "https://api.x.com/v1/depth?limit=5&symbol=BTCUSDT",
            true,
        );
        check("/v1/depth?symbol=BTCUSDT", "https://api.x.com/v1/depth?symbol=ETHUSDT", false);
        check("/v1/time", "/v1/time", true);
        check("/api/v3/depth?symbol=X", "https://www.x.com/api/v1/depth?symbol=X&limit=1000", true);
        check("/api/v3/depth?symbol=X", "https://www.x.com/fapi/v1/depth?symbol=X", false);
        check("/v1/time", "https://api.x.com", false);
    }
}
