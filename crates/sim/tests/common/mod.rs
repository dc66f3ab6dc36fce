//! A client's side of the wire without a wire: hands inputs to the simulator and keeps what it sends.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod kraken;
pub(crate) mod trade;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::Value;
use venuekit_sim::{Front, FrontInput, FrontOutput, Keys, Request, Response, Sim, SimConfig};
use venuekit_types::{Mono, Now, UnixNanos};

pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) fn start() -> Now {
    Now { mono: Mono(1_000_000_000), wall: UnixNanos::from_millis(1_700_000_000_000) }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Refused(u16),
    Closed(Option<u16>),
    Cut,
}

pub(crate) struct Rig {
    pub(crate) sim: Sim,
    pub(crate) now: Now,
    pub(crate) frames: BTreeMap<u64, Vec<String>>,
    pub(crate) pings: BTreeMap<u64, u32>,
    pub(crate) ends: BTreeMap<u64, End>,
    pub(crate) responses: BTreeMap<u64, Option<Response>>,
    /// Everything that left, in order.
    pub(crate) trace: Vec<(&'static str, FrontOutput)>,
    pub(crate) next: u64,
}

impl Rig {
    pub(crate) fn new(seed: u64) -> Rig {
        // Clients know the keys of seed 1.
        let keys = Keys::from_seed(1);
        Rig::with(
            SimConfig { history: 20_000, keys, ..SimConfig::new(seed, start()) }
                .only(&["doex", "duedex", "binance"]),
        )
    }

    pub(crate) fn with(config: SimConfig) -> Rig {
        Rig {
            now: config.start,
            sim: Sim::new(config),
            frames: BTreeMap::new(),
            pings: BTreeMap::new(),
            ends: BTreeMap::new(),
            responses: BTreeMap::new(),
            trace: Vec::new(),
            next: 0,
        }
    }

    pub(crate) fn input(&mut self, venue: &str, input: FrontInput<'_>) {
        self.sim.venue_mut(venue).expect("a venue").handle(self.now, input);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some((venue, output)) = self.sim.poll() {
            match &output {
                FrontOutput::Send { conn, text } => {
                    let text = String::from_utf8(text.to_vec()).expect("frames are text");
                    self.frames.entry(*conn).or_default().push(text);
                }
                FrontOutput::Ping { conn } => *self.pings.entry(*conn).or_default() += 1,
                FrontOutput::Refuse { conn, status } => {
                    self.ends.insert(*conn, End::Refused(*status));
                }
                FrontOutput::Close { conn, code } => {
                    self.ends.insert(*conn, End::Closed(*code));
                }
                FrontOutput::Cut { conn } => {
                    self.ends.insert(*conn, End::Cut);
                }
                FrontOutput::Respond { id, response } => {
                    self.responses.insert(*id, Some(response.clone()));
                }
                FrontOutput::Abandon { id } => {
                    self.responses.insert(*id, None);
                }
                FrontOutput::Accept { .. } => {}
            }
            self.trace.push((venue, output));
        }
    }

    /// Lets time pass, ticking whenever a tick is due.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now.plus(span);
        while let Some(at) = self.sim.next_at().filter(|&at| at <= end.mono) {
            if at > self.now.mono {
                self.now = self.now.plus(at.since(self.now.mono));
            }
            self.sim.tick(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    pub(crate) fn open(&mut self, venue: &str, path: &str) -> u64 {
        self.next += 1;
        let conn = self.next;
        self.input(venue, FrontInput::Opened { conn, path, peer: PEER });
        conn
    }

    pub(crate) fn send(&mut self, venue: &str, conn: u64, text: &str) {
        self.input(venue, FrontInput::Frame { conn, data: text.as_bytes(), binary: false });
    }

    /// The frames of a connection since the last time.
    pub(crate) fn take(&mut self, conn: u64) -> Vec<String> {
        self.frames.remove(&conn).unwrap_or_default()
    }

    pub(crate) fn take_json(&mut self, conn: u64) -> Vec<Value> {
        self.take(conn).iter().map(|text| serde_json::from_str(text).expect(text)).collect()
    }

    pub(crate) fn ask(
        &mut self,
        venue: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> u64 {
        self.next += 1;
        let id = self.next;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request { method, path, query, headers, body: body.as_bytes(), peer: PEER };
        self.input(venue, FrontInput::Request { id, request });
        id
    }

    pub(crate) fn get_with(&mut self, venue: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let id = self.ask(venue, "GET", target, headers, "");
        self.responses.remove(&id).flatten().expect("answered at once")
    }

    pub(crate) fn get(&mut self, venue: &str, target: &str) -> Response {
        self.get_with(venue, target, &[])
    }

    pub(crate) fn get_json(&mut self, venue: &str, target: &str) -> Value {
        let response = self.get(venue, target);
        assert_eq!(response.status, 200, "{target}: {response:?}");
        json(&response)
    }
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("JSON")
}

pub(crate) fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).expect("text")
}

/// A book rebuilt by somebody who knows nothing but the protocol: prices and quantities as canonical text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    bids: BTreeMap<rust_decimal::Decimal, rust_decimal::Decimal>,
    asks: BTreeMap<rust_decimal::Decimal, rust_decimal::Decimal>,
}

fn decimal(value: &Value) -> rust_decimal::Decimal {
    let text = value.as_str().map(str::to_string).unwrap_or_else(|| value.to_string());
    text.parse::<rust_decimal::Decimal>().expect("a decimal").normalize()
}

impl Naive {
    pub(crate) fn apply(&mut self, bids: &Value, asks: &Value) {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels.as_array().expect("levels") {
                let (price, qty) = (decimal(&level[0]), decimal(&level[1]));
                if qty.is_zero() {
                    assert!(side.remove(&price).is_some(), "a level is removed that never was");
                } else {
                    side.insert(price, qty);
                }
            }
        }
    }

    pub(crate) fn canonical(&self) -> String {
        let line = |mark: &str, (price, qty): (&rust_decimal::Decimal, &rust_decimal::Decimal)| {
            format!("{mark},{price},{qty}\n")
        };
        let bids = self.bids.iter().rev().map(|level| line("b", level));
        bids.chain(self.asks.iter().map(|level| line("a", level))).collect()
    }
}
