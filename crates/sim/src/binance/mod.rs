//! Binance's server side: spot and USD-M futures, REST, streams and the WebSocket API, on one port.
//!
//! **Source**: the venue's card (spot documents of 2026-07, connector of 2026-08). The hosts of the venue are told apart
//! by their paths: `/api` and `/sapi` with `/ws`, `/stream` and `/ws-api/v3` are spot's, `/fapi` with `/public`, `/market`
//! and `/private` are the futures'. What a real host would answer on another's path, this one answers as that other.
//!
//! It refuses: hedge mode, order lists, margin orders, and candles of intervals that the world does not keep, whose
//! streams stay silent.

mod account;
mod answers;
mod budget;
mod events;
mod futures;
mod margin;
mod markets;
mod orders;
mod params;
mod positions;
mod rest;
mod socket;
mod streams;
#[cfg(test)]
mod tests;
mod user;
mod wsapi;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use venuekit_types::{Kind, Mono, Now};

use crate::binance::budget::{Bucket, Budget, OrderCounts};
use crate::binance::events::Aggregate;
use crate::binance::socket::Conn;
use crate::binance::streams::{Cadence, Stream, Told};
use crate::binance::user::UserState;
use crate::front::FrontInput;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::{Context, Protocol, ToldTrade, User};
use crate::world::{Step, World};

pub use markets::MARKETS;
pub(crate) use markets::{demo_account, give_a_past};

/// Aggregate trades kept per market for those who ask for the past.
const AGGREGATES_MAX: usize = 20_000;

/// What one of the two products allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductLimits {
    /// Request weight a minute and address.
    pub weight_per_minute: u32,
    /// New orders in ten seconds.
    pub orders_per_10s: u32,
    /// New orders in the longer window: a day on spot, a minute on futures.
    pub orders_per_span: u32,
    /// Client messages a second and connection; pings and pongs count.
    pub messages_per_second: u32,
    /// How often the venue pings.
    pub ping_every: Duration,
    /// How long it waits for a pong.
    pub pong_for: Duration,
}

/// The figures of the venue's limits, for tests to make small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinanceLimits {
    /// Spot's.
    pub spot: ProductLimits,
    /// The futures'.
    pub usdm: ProductLimits,
    /// Weight a minute of each wallet and margin route: per address, and per account for those that count so.
    pub sapi_per_minute: (u32, u32),
    /// Requests during 429 that are answered so before the address is banned.
    pub ignored_429_max: u32,
    /// How long the first ban lasts; each further one lasts twice as long, up to three days.
    pub ban_for: Duration,
    /// Streams a connection.
    pub streams_max: usize,
    /// Connections to spot in five minutes and from one address.
    pub connections_per_5m: u32,
    /// How long a connection lives.
    pub age_max: Duration,
    /// How long a listen key lives without a renewal.
    pub listen_key_for: Duration,
}

impl Default for BinanceLimits {
    fn default() -> BinanceLimits {
        let secs = Duration::from_secs;
        BinanceLimits {
            spot: ProductLimits {
                weight_per_minute: 6_000,
                orders_per_10s: 100,
                orders_per_span: 200_000,
                messages_per_second: 5,
                ping_every: secs(20),
                pong_for: secs(60),
            },
            usdm: ProductLimits {
                weight_per_minute: 2_400,
                orders_per_10s: 300,
                orders_per_span: 1_200,
                messages_per_second: 10,
                ping_every: secs(180),
                pong_for: secs(600),
            },
            sapi_per_minute: (12_000, 180_000),
            ignored_429_max: 20,
            ban_for: secs(120),
            streams_max: 1_024,
            connections_per_5m: 300,
            age_max: secs(24 * 3_600),
            listen_key_for: secs(3_600),
        }
    }
}

/// One of the two products, which share names and codes that mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Product {
    /// Spot, margin and wallets.
    Spot,
    /// USD-M futures.
    Usdm,
}

impl Product {
    /// The product of a market.
    fn of(spec: &Spec) -> Product {
        if spec.kind == Kind::Spot { Product::Spot } else { Product::Usdm }
    }
}

impl BinanceLimits {
    fn of(&self, product: Product) -> &ProductLimits {
        match product {
            Product::Spot => &self.spot,
            Product::Usdm => &self.usdm,
        }
    }
}

/// Binance's protocol over a world.
pub struct Binance {
    limits: BinanceLimits,
    user: User,
    state: UserState,
    conns: BTreeMap<u64, Conn>,
    budgets: BTreeMap<(IpAddr, Bucket), Budget>,
    order_counts: OrderCounts,
    /// Until when orders of a contract may stay, where its client has set a countdown.
    countdowns: BTreeMap<usize, Mono>,
    /// The streams that somebody listens to.
    streams: BTreeMap<Stream, Told>,
    aggregates: Vec<VecDeque<Aggregate>>,
    cadences: [(Cadence, Mono); 4],
    text: Text,
    run: String,
}

impl Binance {
    /// The protocol for a world whose demo account is `user`.
    pub fn new(world: &World, user: User, start: Now, limits: BinanceLimits, run: String) -> Binance {
        Binance {
            limits,
            user,
            state: UserState::new(world, &user),
            conns: BTreeMap::new(),
            budgets: BTreeMap::new(),
            order_counts: OrderCounts::default(),
            countdowns: BTreeMap::new(),
            streams: BTreeMap::new(),
            aggregates: vec![VecDeque::new(); world.markets().len()],
            cadences: Cadence::ALL.map(|cadence| (cadence, start.mono.plus(cadence.span()))),
            text: Text::new(),
            run,
        }
    }
}

impl Protocol for Binance {
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>) {
        match input {
            FrontInput::Opened { conn, path, peer } => self.opened(cx, conn, path, peer),
            FrontInput::Frame { conn, data, binary } => self.frame(cx, conn, data, binary),
            FrontInput::Ping { conn } => {
                self.counts_message(cx, conn);
            }
            FrontInput::Pong { conn } => self.pong(cx, conn),
            FrontInput::Request { id, request } => self.request(cx, id, &request),
            FrontInput::Closed { .. } | FrontInput::Tick => {}
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, step: &Step) {
        self.tell_trades(cx, step);
        self.note_changes(step);
        self.tell_best(cx, step);
        self.tell_account(cx);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        for at in 0..self.cadences.len() {
            let (cadence, due) = self.cadences[at];
            if due <= now {
                // Late or not, once: what is told is the present.
                let behind = u32::try_from(now.since(due).as_millis() / cadence.span().as_millis());
                self.cadences[at].1 = due.plus(cadence.span() * (behind.unwrap_or(u32::MAX - 1) + 1));
                self.tell_cadence(cx, cadence);
            }
        }
        self.expire_listen_key(cx);
        self.expire_subscriptions(cx);
        self.run_countdowns(cx);
        self.tick_conns(cx);
    }

    /// The futures' documented stream of trades puts those of one order at one price together.
    fn told_trades<'a>(
        &'a self,
        world: &'a World,
        market: usize,
    ) -> Box<dyn Iterator<Item = ToldTrade> + 'a> {
        if Product::of(world.markets()[market].spec) == Product::Spot {
            return Box::new(world.markets()[market].trades.iter().map(ToldTrade::from));
        }
        let told = self.aggregates[market].iter();
        Box::new(told.map(|&Aggregate { id, price, qty, aggressor, at_ms, .. }| ToldTrade {
            id,
            price,
            qty,
            aggressor,
            at_ms,
        }))
    }

    fn next_at(&self) -> Option<Mono> {
        let conns = self.conns.values().map(|conn| conn.next_ping.min(conn.ends_at));
        // Each cadence is a whole part of the longest, which always runs.
        let cadences = self.cadences.iter().filter(|(cadence, _)| {
            *cadence == Cadence::Second
                || self.streams.keys().any(|stream| stream.cadence() == Some(*cadence))
        });
        let countdowns = self.countdowns.values().copied();
        conns.chain(cadences.map(|(_, due)| *due)).chain(countdowns).min()
    }

    fn closed(&mut self, conn: u64) {
        self.drop_conn(conn);
    }

    fn revoked(&mut self, cx: &mut Context<'_>, key: &str) {
        self.end_key(cx, key);
    }

    fn restarted(&mut self, _: &mut Context<'_>) {
        let conns: Vec<u64> = self.conns.keys().copied().collect();
        for conn in conns {
            self.drop_conn(conn);
        }
        self.state.listen_key = None;
    }
}
