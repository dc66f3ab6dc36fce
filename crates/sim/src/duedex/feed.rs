//! The feed: challenge and login, subscriptions, snapshots.
//!
//! What is wrong ends the connection without a word, as the venue does: a wrong answer, an unknown channel or
//! instrument, a private channel without login, text that is no request.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use fastrand::Rng;
use venuekit_sign::{duedex::answer, eq_hex};
use venuekit_wire::duedex::{ClientFrame, ServerFrame, Subscription};

use crate::duedex::{Duedex, public};
use crate::venue::Context;
use crate::world::World;

/// The public channels, in the order of a market's streams.
pub(super) const PUBLIC: [&str; 3] = ["level2", "ticker", "matches"];
pub(super) const LEVEL2: usize = 0;
pub(super) const TICKER: usize = 1;
pub(super) const MATCHES: usize = 2;
/// The private channels, after all public streams.
pub(super) const PRIVATE: [&str; 4] = ["orders", "positions", "margins", "executions"];

/// One feed connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    peer: IpAddr,
    /// The challenge that waits for its answer.
    challenge: Option<String>,
    /// The key it logged in with.
    key: Option<String>,
    streams: BTreeSet<usize>,
}

impl Conn {
    /// True when it logged in with a key.
    pub(super) fn is_of(&self, key: &str) -> bool {
        self.key.as_deref() == Some(key)
    }
}

/// A stream, and who listens.
#[derive(Clone, Debug)]
pub(super) struct StreamState {
    /// `level2:BTCUSD`, `orders`.
    pub(super) name: String,
    pub(super) conns: Vec<u64>,
}

/// All streams: three for each market, then the private ones.
pub(super) fn streams(world: &World) -> Vec<StreamState> {
    let of_market = |native: &'static str| PUBLIC.iter().map(move |channel| format!("{channel}:{native}"));
    let public = world.markets().iter().flat_map(|market| of_market(market.spec.native));
    let names = public.chain(PRIVATE.iter().map(|channel| (*channel).to_string()));
    names.map(|name| StreamState { name, conns: Vec::new() }).collect()
}

/// The stream of a market's channel.
pub(super) fn public(market: usize, channel: usize) -> usize {
    market * PUBLIC.len() + channel
}

/// A random UUID of version 4, in lower case, since clients sign its text.
fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(super) fn challenge_text(challenge: &str) -> String {
    format!(r#"{{"type":"challenge","challenge":"{challenge}"}}"#)
}

pub(super) fn auth_text(user_id: u32) -> String {
    format!(r#"{{"type":"auth","userId":{user_id}}}"#)
}

impl Duedex {
    pub(super) fn opened(&mut self, cx: &mut Context<'_>, conn: u64, path: &str, peer: IpAddr) {
        if path.split('?').next() == Some("/v1/feed") {
            let state = Conn { peer, challenge: None, key: None, streams: BTreeSet::new() };
            self.conns.insert(conn, state);
            cx.out.accept(cx.now, conn);
        } else {
            cx.out.refuse(conn, 404);
        }
    }

    pub(super) fn frame(&mut self, cx: &mut Context<'_>, conn: u64, data: &[u8], binary: bool) {
        if !self.conns.contains_key(&conn) {
            return;
        }
        let done = match ClientFrame::parse(data) {
            Ok(frame) if !binary => self.obey(cx, conn, frame),
            _ => None,
        };
        if done.is_none() {
            self.drop_conn(conn);
            cx.out.close(conn, None);
        }
    }

    pub(super) fn drop_conn(&mut self, conn: u64) {
        if let Some(state) = self.conns.remove(&conn) {
            for stream in state.streams {
                self.streams[stream].conns.retain(|&other| other != conn);
            }
        }
    }

    /// Does what a client asks; nothing when it has to go.
    fn obey(&mut self, cx: &mut Context<'_>, conn: u64, frame: ClientFrame<'_>) -> Option<()> {
        match frame {
            ClientFrame::Challenge => {
                let challenge = uuid(cx.rng);
                let text = challenge_text(&challenge);
                self.conns.get_mut(&conn)?.challenge = Some(challenge);
                cx.out.send(cx.now, conn, None, Bytes::from(text));
            }
            ClientFrame::Auth { key, answer: given } => {
                let state = self.conns.get_mut(&conn)?;
                let challenge = state.challenge.take()?;
                let found = cx.keys.find(key.0.as_str())?;
                let wanted = answer(&found.credentials.secret, &challenge).ok()?;
                let permitted = found.permissions.read && found.works_from(state.peer);
                let right = permitted && eq_hex(given.0.as_str(), &wanted);
                if !right || cx.out.refuses_login(cx.now, conn) {
                    return None;
                }
                state.key = Some(found.credentials.key.clone());
                cx.out.send(cx.now, conn, None, Bytes::from(auth_text(self.user_id)));
            }
            ClientFrame::Subscribe { channels } => {
                let streams = self.resolve(cx, conn, &channels)?;
                self.acknowledge(cx, conn, channels);
                for stream in streams {
                    if self.conns.get_mut(&conn)?.streams.insert(stream) {
                        self.streams[stream].conns.push(conn);
                    }
                    self.send_snapshot(cx, conn, stream);
                }
            }
            ClientFrame::Unsubscribe { channels } => {
                for stream in self.resolve(cx, conn, &channels)? {
                    if self.conns.get_mut(&conn)?.streams.remove(&stream) {
                        self.streams[stream].conns.retain(|&other| other != conn);
                    }
                }
                self.acknowledge(cx, conn, channels);
            }
            ClientFrame::Other { .. } => return None,
        }
        Some(())
    }

    /// The streams that a request names, each once; nothing when it is invalid.
    fn resolve(&self, cx: &Context<'_>, conn: u64, channels: &[Subscription<'_>]) -> Option<Vec<usize>> {
        let mut streams = Vec::new();
        let mut add = |stream| {
            if !streams.contains(&stream) {
                streams.push(stream);
            }
        };
        for Subscription { name, instruments } in channels {
            let name = name.as_str();
            if let Some(channel) = PUBLIC.iter().position(|public| *public == name) {
                if instruments.is_empty() {
                    return None;
                }
                for instrument in instruments {
                    let native = instrument.as_str();
                    let market = cx.world.markets().iter().position(|m| m.spec.native == native)?;
                    add(public(market, channel));
                }
            } else {
                let channel = PRIVATE.iter().position(|private| *private == name)?;
                if !instruments.is_empty() || self.conns.get(&conn)?.key.is_none() {
                    return None;
                }
                add(public(cx.world.markets().len(), channel));
            }
        }
        Some(streams)
    }

    /// Answers with what was asked for.
    fn acknowledge(&self, cx: &mut Context<'_>, conn: u64, channels: Vec<Subscription<'_>>) {
        let text = serde_json::to_vec(&ServerFrame::Subscriptions { channels });
        cx.out.send(cx.now, conn, None, Bytes::from(text.expect("an echo serializes as it was read")));
    }

    /// Sends the whole state of a stream, at its number.
    fn send_snapshot(&mut self, cx: &mut Context<'_>, conn: u64, stream: usize) {
        let (text, at_ms) = (&mut self.text, cx.world.wall_ms(cx.now.mono));
        let (market, channel) = (stream / PUBLIC.len(), stream % PUBLIC.len());
        match cx.world.markets().get(market) {
            Some(state) => {
                let spec = state.spec;
                let seq = match channel {
                    LEVEL2 => state.seq,
                    TICKER => self.tickers[market].seq,
                    _ => self.matches_seq[market],
                };
                public::head(text, "snapshot", PUBLIC[channel], Some(spec.native), seq);
                match channel {
                    LEVEL2 => public::book(text, spec, state.engine.bids(), state.engine.asks()),
                    TICKER => self.tickers[market].write(text, spec),
                    _ => {
                        let old = state.trades.len().saturating_sub(public::MATCHES_MAX);
                        public::matches(text, spec, state.trades.iter().skip(old));
                    }
                }
            }
            None => self.private.write_snapshot(text, stream - public(cx.world.markets().len(), 0)),
        }
        public::tail(&mut self.text, at_ms);
        let text = Bytes::from(self.text.take());
        cx.out.send_snapshot(cx.now, conn, &self.streams[stream].name, text);
    }
}
