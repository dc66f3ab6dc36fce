//! DueDEX's server side: REST, and one feed for public and private channels.
//!
//! **Source**: the venue's WebSocket document of 2019 and its API documentation as of 2020-11-12; what neither says
//! follows what its clients need to work.

mod body;
mod budget;
mod feed;
mod orders;
mod private;
mod public;
mod rest;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use venuekit_types::{Mono, Now};

use crate::duedex::budget::{Bucket, Payer};
use crate::duedex::feed::{Conn, StreamState};
use crate::duedex::private::Private;
use crate::duedex::public::Ticker;
use crate::front::FrontInput;
use crate::text::Text;
use crate::venue::{Context, Protocol, User};
use crate::world::{Step, World};

/// Positions and margins follow the mark once a second.
const SECOND: Duration = Duration::from_secs(1);
/// The 24 h figures of tickers are refreshed this often.
const DAY_EVERY: Duration = Duration::from_secs(5);

/// The figures of the venue's limits, for tests to make small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuedexLimits {
    /// Weight a minute of an address.
    pub quota_ip: u32,
    /// Weight a minute of a user, all keys together.
    pub quota_user: u32,
    /// Requests beyond the quota after which 429 becomes a ban.
    pub ignored_429_max: u32,
    /// How long a ban lasts.
    pub ban_for: Duration,
}

impl Default for DuedexLimits {
    fn default() -> DuedexLimits {
        DuedexLimits {
            quota_ip: 300,
            quota_user: 600,
            ignored_429_max: 30,
            ban_for: Duration::from_secs(120),
        }
    }
}

/// DueDEX's protocol over a world.
pub struct Duedex {
    limits: DuedexLimits,
    user: User,
    user_id: u32,
    conns: BTreeMap<u64, Conn>,
    buckets: BTreeMap<Payer, Bucket>,
    /// Public streams by market and channel, then the private ones.
    streams: Vec<StreamState>,
    tickers: Vec<Ticker>,
    /// How often each market's matches were told.
    matches_seq: Vec<u64>,
    private: Private,
    next_second: Mono,
    next_day: Mono,
    text: Text,
    run: String,
}

impl Duedex {
    /// The protocol for a world whose demo account is `user`.
    pub fn new(world: &World, user: User, start: Now, limits: DuedexLimits, run: String) -> Duedex {
        Duedex {
            limits,
            user_id: world.account(user.owner).map_or(0, |account| account.user),
            conns: BTreeMap::new(),
            buckets: BTreeMap::new(),
            streams: feed::streams(world),
            tickers: world.markets().iter().map(Ticker::new).collect(),
            matches_seq: vec![0; world.markets().len()],
            private: Private::new(world, user.owner),
            user,
            next_second: start.mono.plus(SECOND),
            next_day: start.mono.plus(DAY_EVERY),
            text: Text::new(),
            run,
        }
    }
}

impl Protocol for Duedex {
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>) {
        match input {
            FrontInput::Opened { conn, path, peer } => self.opened(cx, conn, path, peer),
            FrontInput::Frame { conn, data, binary } => self.frame(cx, conn, data, binary),
            FrontInput::Request { id, request } => self.request(cx, id, &request),
            FrontInput::Ping { .. }
            | FrontInput::Pong { .. }
            | FrontInput::Closed { .. }
            | FrontInput::Tick => {}
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, step: &Step) {
        self.tell_level2(cx, step);
        self.tell_matches(cx, step);
        self.tell_ticker(cx, step.market, step.at_ms);
        self.tell_account(cx, step.at_ms);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        let at_ms = cx.world.wall_ms(now);
        if self.next_day <= now {
            self.next_day = now.plus(DAY_EVERY);
            cx.world.roll(at_ms);
            for market in 0..self.tickers.len() {
                self.tickers[market].refresh_day(&cx.world.markets()[market]);
                self.tell_ticker(cx, market, at_ms);
            }
        }
        if self.next_second <= now {
            self.next_second = now.plus(SECOND);
            self.tell_account(cx, at_ms);
            self.tell_marks(cx, at_ms);
            self.buckets.retain(|_, bucket| bucket.matters(now));
        }
    }

    fn next_at(&self) -> Option<Mono> {
        Some(self.next_second.min(self.next_day))
    }

    fn closed(&mut self, conn: u64) {
        self.drop_conn(conn);
    }

    fn revoked(&mut self, cx: &mut Context<'_>, key: &str) {
        let opened = |(&conn, state): (&u64, &Conn)| state.is_of(key).then_some(conn);
        let conns: Vec<u64> = self.conns.iter().filter_map(opened).collect();
        for conn in conns {
            self.drop_conn(conn);
            cx.out.close(conn, None);
        }
    }

    fn restarted(&mut self, cx: &mut Context<'_>) {
        self.conns.clear();
        for stream in &mut self.streams {
            stream.conns.clear();
        }
        for (market, ticker) in self.tickers.iter_mut().enumerate() {
            ticker.seq = 1;
            self.matches_seq[market] = u64::from(!cx.world.markets()[market].trades.is_empty());
        }
        self.private.restart();
    }
}
