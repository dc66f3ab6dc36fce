//! Stream connections: what they listen to, what they may ask, and when they end.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use venuekit_types::Mono;
use venuekit_wire::doex::{Method, Request};

use crate::doex::{Doex, Stream};
use crate::venue::Context;

/// The close code of a connection that asked too much.
const POLICY: u16 = 1008;
/// The close code of a connection that lived its time.
const GOING_AWAY: u16 = 1001;

/// One stream connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    streams: BTreeSet<Stream>,
    /// The listen key it was opened with.
    pub(super) listen_key: Option<String>,
    pub(super) next_ping: Mono,
    pub(super) ends_at: Mono,
    pub(super) unanswered: u32,
    /// When the second began in which messages are counted, and how many there were.
    second: (Mono, u32),
}

impl Doex {
    pub(super) fn opened(&mut self, cx: &mut Context<'_>, conn: u64, path: &str) {
        let path = path.split('?').next().unwrap_or_default();
        let first = match path.strip_prefix("/ws") {
            Some("") | Some("/") => None,
            Some(rest) => rest.strip_prefix('/').map(|name| name.replace("%40", "@").replace("%3A", ":")),
            None => return cx.out.refuse(conn, 404),
        };
        let stream = first.as_deref().and_then(|name| self.stream(name));
        let listen_key = first.filter(|name| self.state.listens(name));
        if stream.is_none() && listen_key.is_none() && !matches!(path, "/ws" | "/ws/") {
            return cx.out.refuse(conn, 400);
        }
        let now = cx.now.mono;
        self.conns.insert(
            conn,
            Conn {
                streams: BTreeSet::new(),
                listen_key,
                next_ping: now.plus(self.limits.ping_every),
                ends_at: now.plus(self.limits.age_max),
                unanswered: 0,
                second: (now, 0),
            },
        );
        cx.out.accept(cx.now, conn);
        if let Some(stream) = stream {
            self.subscribe(conn, stream);
        }
    }

    pub(super) fn frame(&mut self, cx: &mut Context<'_>, conn: u64, data: &[u8], binary: bool) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if cx.now.mono.since(state.second.0) >= Duration::from_secs(1) {
            state.second = (cx.now.mono, 0);
        }
        state.second.1 += 1;
        if state.second.1 > self.limits.messages_per_second {
            return self.close(cx, conn, Some(POLICY));
        }
        let request = match venuekit_wire::parse::<Request<'_>>(data) {
            Ok(request) if !binary => request,
            _ => return self.answer_error(cx, conn, None, -1130, "not a request"),
        };
        let id = Some(request.id);
        let mut streams = Vec::new();
        for name in &request.params {
            match self.stream(name.as_str()) {
                Some(stream) => streams.push(stream),
                None => return self.answer_error(cx, conn, id, -1121, "unknown stream"),
            }
        }
        match request.method {
            Method::Subscribe => {
                let held = self.conns.get(&conn).map(|state| state.streams.clone()).unwrap_or_default();
                let all: BTreeSet<Stream> = held.into_iter().chain(streams.iter().copied()).collect();
                if all.len() > self.limits.streams_max {
                    return self.answer_error(cx, conn, id, -1128, "too many streams");
                }
                self.acknowledge(cx, conn, request.id);
                for stream in streams {
                    self.subscribe(conn, stream);
                }
            }
            Method::Unsubscribe => {
                for stream in streams {
                    self.unsubscribe(conn, stream);
                }
                self.acknowledge(cx, conn, request.id);
            }
            Method::Other(_) => self.answer_error(cx, conn, id, -1100, "unknown method"),
        }
    }

    /// Pings, hangs up on the silent, and ends what has lived its time.
    pub(super) fn tick_conns(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        let mut ends = Vec::new();
        for (&conn, state) in &mut self.conns {
            if state.ends_at <= now {
                ends.push((conn, Some(GOING_AWAY)));
            } else if state.next_ping <= now {
                if state.unanswered >= self.limits.pings_missed_max {
                    ends.push((conn, None));
                    continue;
                }
                state.unanswered += 1;
                state.next_ping = now.plus(self.limits.ping_every);
                cx.out.ping(conn);
            }
        }
        for (conn, code) in ends {
            self.close(cx, conn, code);
        }
    }

    pub(super) fn close(&mut self, cx: &mut Context<'_>, conn: u64, code: Option<u16>) {
        self.drop_conn(conn);
        cx.out.close(conn, code);
    }

    pub(super) fn drop_conn(&mut self, conn: u64) {
        if let Some(state) = self.conns.remove(&conn) {
            for (market, channel) in state.streams {
                self.streams[market][channel].conns.retain(|&other| other != conn);
            }
        }
    }

    /// Finds a stream by the name that clients give.
    fn stream(&self, name: &str) -> Option<Stream> {
        self.streams.iter().enumerate().find_map(|(market, channels)| {
            let channel = channels.iter().position(|stream| !name.is_empty() && stream.name == name)?;
            Some((market, channel))
        })
    }

    fn subscribe(&mut self, conn: u64, stream: Stream) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if state.streams.insert(stream) {
            self.streams[stream.0][stream.1].conns.push(conn);
        }
    }

    fn unsubscribe(&mut self, conn: u64, stream: Stream) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if state.streams.remove(&stream) {
            self.streams[stream.0][stream.1].conns.retain(|&other| other != conn);
        }
    }

    fn acknowledge(&mut self, cx: &mut Context<'_>, conn: u64, id: u64) {
        let text = format!(r#"{{"result":null,"id":{id}}}"#);
        cx.out.send(cx.now, conn, None, Bytes::from(text));
    }

    fn answer_error(&mut self, cx: &mut Context<'_>, conn: u64, id: Option<u64>, code: i32, msg: &str) {
        let id = id.map_or("null".to_string(), |id| id.to_string());
        let text = format!(r#"{{"error":{{"code":{code},"msg":"{msg}"}},"id":{id}}}"#);
        cx.out.send(cx.now, conn, None, Bytes::from(text));
    }
}
