//! Doex's server side: REST and streams, public and the account's own.
//!
//! **Source**: the integration brief for hosts, trades, signing and balances; the rest is assumed in the shape the
//! brief names, and stands here once.

mod account;
mod answers;
mod budget;
mod orders;
mod params;
mod public;
mod rest;
mod socket;
#[cfg(test)]
mod tests;
mod user;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use venuekit_types::{Kind, Mono, Now};

use crate::doex::budget::Budget;
use crate::doex::orders::{Countdowns, OrderCount};
use crate::doex::socket::Conn;
use crate::doex::user::UserState;
use crate::front::FrontInput;
use crate::text::Text;
use crate::venue::{Context, Protocol, User};
use crate::world::{Step, World};

/// Intervals of candles: their names and lengths in milliseconds.
pub(crate) const INTERVALS: [(&str, i64); 6] = [
    ("1m", 60_000),
    ("5m", 300_000),
    ("15m", 900_000),
    ("1h", 3_600_000),
    ("4h", 14_400_000),
    ("1d", 86_400_000),
];

/// What a stream tells of a market.
const TRADE: usize = 0;
const DEPTH: usize = 1;
const TICKER: usize = 2;
const MARK: usize = 3;
/// The first of the candle streams, one for each interval.
const KLINE: usize = 4;
const CHANNELS: usize = KLINE + INTERVALS.len();

/// Tickers, marks and candles are told once a second.
const SECOND: Duration = Duration::from_secs(1);

/// The figures of the venue's limits, for tests to make small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoexLimits {
    /// Request weight a minute and address.
    pub weight_per_minute: u32,
    /// New orders in ten seconds, all keys of the account together.
    pub orders_per_10s: u32,
    /// Requests during 429 that are answered so before the address is banned.
    pub ignored_429_max: u32,
    /// How long the first ban lasts; each further one lasts twice as long.
    pub ban_for: Duration,
    /// Streams a connection.
    pub streams_max: usize,
    /// Client messages a second and connection.
    pub messages_per_second: u32,
    /// How often the venue pings.
    pub ping_every: Duration,
    /// Unanswered pings after which it hangs up.
    pub pings_missed_max: u32,
    /// How long a connection lives.
    pub age_max: Duration,
    /// How long a listen key lives without a renewal.
    pub listen_key_for: Duration,
}

impl Default for DoexLimits {
    fn default() -> DoexLimits {
        DoexLimits {
            weight_per_minute: 1200,
            orders_per_10s: 100,
            ignored_429_max: 20,
            ban_for: Duration::from_secs(120),
            streams_max: 200,
            messages_per_second: 5,
            ping_every: Duration::from_secs(60),
            pings_missed_max: 3,
            age_max: Duration::from_secs(24 * 3600),
            listen_key_for: Duration::from_secs(3600),
        }
    }
}

/// One stream: a market and what is told of it.
type Stream = (usize, usize);

/// Doex's protocol over a world.
pub struct Doex {
    limits: DoexLimits,
    user: User,
    state: UserState,
    conns: BTreeMap<u64, Conn>,
    budgets: BTreeMap<IpAddr, Budget>,
    order_count: OrderCount,
    countdowns: Countdowns,
    streams: Vec<[StreamState; CHANNELS]>,
    next_second: Mono,
    text: Text,
    run: String,
}

/// A stream, and who listens.
#[derive(Clone, Debug, Default)]
struct StreamState {
    /// As clients spell it; empty where the market has no such stream.
    name: String,
    conns: Vec<u64>,
    /// When the candle that was told last began.
    told_ms: i64,
}

impl Doex {
    /// The protocol for a world whose demo account is `user`.
    pub fn new(world: &World, user: User, start: Now, limits: DoexLimits, run: String) -> Doex {
        let streams = world.markets().iter().map(|market| {
            let futures = market.spec.kind == Kind::Perpetual;
            let prefix = if futures { "futures:" } else { "" };
            let symbol = market.spec.native.to_ascii_lowercase();
            let mut channel = 0..CHANNELS;
            [(); CHANNELS].map(|()| {
                let channel = channel.next().unwrap_or_default();
                let what = match channel {
                    TRADE => "trade".to_string(),
                    DEPTH => "depth".to_string(),
                    TICKER => "ticker".to_string(),
                    MARK if !futures => return StreamState::default(),
                    MARK => "mark".to_string(),
                    kline => format!("kline_{}", INTERVALS[kline - KLINE].0),
                };
                StreamState { name: format!("{prefix}{symbol}@{what}"), conns: Vec::new(), told_ms: 0 }
            })
        });
        let streams = streams.collect();
        let state = UserState::new(world, &user);
        Doex {
            limits,
            user,
            state,
            conns: BTreeMap::new(),
            budgets: BTreeMap::new(),
            order_count: OrderCount::new(start.mono),
            countdowns: Countdowns::default(),
            streams,
            next_second: start.mono.plus(SECOND),
            text: Text::new(),
            run,
        }
    }
}

impl Protocol for Doex {
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>) {
        match input {
            FrontInput::Opened { conn, path, .. } => self.opened(cx, conn, path),
            FrontInput::Frame { conn, data, binary } => self.frame(cx, conn, data, binary),
            FrontInput::Pong { conn } => {
                if let Some(conn) = self.conns.get_mut(&conn) {
                    conn.unanswered = 0;
                }
            }
            FrontInput::Request { id, request } => self.request(cx, id, &request),
            FrontInput::Ping { .. } | FrontInput::Closed { .. } | FrontInput::Tick => {}
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, step: &Step) {
        self.tell_trades(cx, step);
        self.tell_depth(cx, step);
        self.tell_account(cx);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        if self.next_second <= cx.now.mono {
            // Late or not, once: what is told is the present.
            self.next_second = cx.now.mono.plus(SECOND);
            self.tell_each_second(cx);
            self.tell_account(cx);
            self.tell_positions(cx);
            self.expire_listen_key(cx);
            let now = cx.now.mono;
            self.budgets.retain(|_, budget| budget.matters(now));
        }
        self.run_countdowns(cx);
        self.tick_conns(cx);
    }

    fn next_at(&self) -> Option<Mono> {
        let conns = self.conns.values().map(|conn| conn.next_ping.min(conn.ends_at));
        conns.chain([self.next_second]).chain(self.countdowns.next()).min()
    }

    fn closed(&mut self, conn: u64) {
        self.drop_conn(conn);
    }

    fn revoked(&mut self, cx: &mut Context<'_>, key: &str) {
        if self.state.listen_key.as_ref().is_some_and(|listen| listen.maker == key) {
            self.end_listen_key(cx);
        }
    }

    fn restarted(&mut self, _: &mut Context<'_>) {
        let conns: Vec<u64> = self.conns.keys().copied().collect();
        for conn in conns {
            self.drop_conn(conn);
        }
        self.state.listen_key = None;
    }
}
