//! Kraken's server side: spot and futures, two engines that share a name, an account and here a port.
//!
//! Spot speaks `/0/…` over REST and the second version of its streams at `/v2`, public and private alike; futures
//! speak `/derivatives/…` and `/api/…` over REST and streams at `/ws/v1`. No path is both's.
//!
//! **Source**: the venue card; what it leaves open follows payloads that users recorded.

mod futures;
mod limit;
pub(crate) mod markets;
mod names;
mod number;
mod params;
mod sign;
mod spot;

use std::time::Duration;

use bytes::Bytes;
use venuekit_types::{Kind, Mono, Now};

use crate::front::{FrontInput, RUN_HEADER, Request, Response};
use crate::kraken::names::{Uid, uid};
use crate::outbox::RestFault;
use crate::text::{Text, quoted};
use crate::venue::{Context, Protocol, ToldTrade, User};
use crate::wallets::News;
use crate::world::{Step, World};

pub use limit::Rate;
pub(crate) use markets::{demo_account, give_a_past};

/// What stands still is told once a second.
const SECOND: Duration = Duration::from_secs(1);

/// The figures of the venue's limits, for tests to make small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KrakenLimits {
    /// Public spot requests of an address.
    pub spot_public: Rate,
    /// Private spot requests of a key.
    pub spot_private: Rate,
    /// What orders and cancels of a pair cost the account.
    pub spot_orders: Rate,
    /// Open orders of a pair.
    pub spot_open_max: usize,
    /// Requests with a wrong signature or nonce after which a key is locked out.
    pub lockout_after: u32,
    /// How long that lasts.
    pub lockout_for: Duration,
    /// How long a token waits for its first use.
    pub token_for: Duration,
    /// How long a spot connection may be without a subscription.
    pub idle_for: Duration,
    /// Spot client messages a second and connection.
    pub spot_messages: u32,
    /// Futures requests of the account.
    pub futures: Rate,
    /// Futures history requests of the account.
    pub futures_history: Rate,
    /// How long a futures connection may be silent.
    pub futures_silent_for: Duration,
    /// Futures client messages a second and connection.
    pub futures_messages: u32,
}

impl Default for KrakenLimits {
    fn default() -> KrakenLimits {
        let secs = Duration::from_secs;
        KrakenLimits {
            spot_public: Rate { max_milli: 15_000, decay_milli: 1_000 },
            spot_private: Rate { max_milli: 15_000, decay_milli: 330 },
            spot_orders: Rate { max_milli: 60_000, decay_milli: 1_000 },
            spot_open_max: 60,
            lockout_after: 10,
            lockout_for: secs(15 * 60),
            token_for: secs(15 * 60),
            idle_for: secs(60),
            spot_messages: 50,
            futures: Rate { max_milli: 500_000, decay_milli: 50_000 },
            futures_history: Rate { max_milli: 100_000, decay_milli: 166 },
            futures_silent_for: secs(60),
            futures_messages: 100,
        }
    }
}

/// Kraken's protocol over a world.
pub struct Kraken {
    limits: KrakenLimits,
    user: User,
    spot: spot::State,
    futures: futures::State,
    news: Vec<News>,
    next_second: Mono,
    text: Text,
    run: String,
}

impl Kraken {
    /// The protocol for a world whose demo account is `user`.
    pub fn new(world: &World, user: User, start: Now, limits: KrakenLimits, run: String) -> Kraken {
        Kraken {
            limits,
            user,
            spot: spot::State::new(world, user, start),
            futures: futures::State::new(start),
            news: Vec::new(),
            next_second: start.mono.plus(SECOND),
            text: Text::new(),
            run,
        }
    }

    fn request(&mut self, cx: &mut Context<'_>, id: u64, request: &Request<'_>) {
        if request.path.starts_with("/0/") {
            self.spot_request(cx, id, request);
        } else if request.path.starts_with("/derivatives/") || request.path.starts_with("/api/") {
            self.futures_request(cx, id, request);
        } else {
            let response = self.page(404);
            cx.out.respond(cx.now, id, RestFault::None, response);
        }
    }

    /// An answer in JSON.
    fn json(&self, body: Text) -> Response {
        let headers = vec![("Content-Type", "application/json".to_string()), (RUN_HEADER, self.run.clone())];
        Response { status: 200, headers, body: Bytes::from(body.0) }
    }

    /// What stands before the venue answers by itself, and not in JSON.
    fn page(&self, status: u16) -> Response {
        let headers = vec![("Content-Type", "text/html".to_string()), (RUN_HEADER, self.run.clone())];
        let body = Bytes::from(format!("<html><body>error code: {status}</body></html>"));
        Response { status, headers, body }
    }

    /// Books what was done in some markets, and tells all who listen.
    fn book(&mut self, cx: &mut Context<'_>, markets: impl IntoIterator<Item = usize>) {
        for market in markets {
            let step = cx.flush(market);
            self.step(cx, &step);
        }
    }

    /// Takes the account's open orders of a product out, or those of one market; gives them by market and id.
    fn cancel_all(&mut self, cx: &mut Context<'_>, kind: Kind, only: Option<usize>) -> Vec<(usize, u64)> {
        let kinds: Vec<Kind> = cx.world.markets().iter().map(|market| market.spec.kind).collect();
        let meant = |market: usize| kinds[market] == kind && only.is_none_or(|only| only == market);
        let cancelled = cx.world.cancel_all(self.user.owner, meant);
        let mut markets: Vec<usize> = cancelled.iter().map(|(market, _)| *market).collect();
        markets.dedup();
        self.book(cx, markets);
        cancelled
    }

    /// Tells both products' listeners what happened to the account since the last time.
    fn tell_account(&mut self, cx: &mut Context<'_>) {
        let mut news = std::mem::take(&mut self.news);
        if let Some(account) = cx.world.account_mut(self.user.owner) {
            account.drain_news(&mut news);
        }
        if !news.is_empty() {
            self.spot_news(cx, &news);
            self.futures_news(cx, &news);
            news.clear();
        }
        self.news = news;
    }
}

impl Protocol for Kraken {
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>) {
        match input {
            FrontInput::Opened { conn, path, peer } => match path.split('?').next().unwrap_or_default() {
                "/v2" => self.spot_opened(cx, conn),
                "/ws/v1" => self.futures_opened(cx, conn, peer),
                _ => cx.out.refuse(conn, 404),
            },
            FrontInput::Frame { conn, data, binary } => {
                let text = std::str::from_utf8(data).ok().filter(|_| !binary);
                if self.spot.holds(conn) {
                    self.spot_frame(cx, conn, text);
                } else if self.futures.holds(conn) {
                    self.futures_frame(cx, conn, text);
                }
            }
            FrontInput::Ping { conn } => self.futures.heard(conn, cx.now.mono),
            FrontInput::Request { id, request } => self.request(cx, id, &request),
            FrontInput::Pong { .. } | FrontInput::Closed { .. } | FrontInput::Tick => {}
        }
    }

    fn step(&mut self, cx: &mut Context<'_>, step: &Step) {
        match cx.world.markets()[step.market].spec.kind {
            Kind::Spot => self.spot_step(cx, step),
            _ => self.futures_step(cx, step),
        }
        self.tell_account(cx);
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        if self.next_second <= cx.now.mono {
            // Late or not, once: what is told is the present.
            self.next_second = cx.now.mono.plus(SECOND);
            let at_ms = cx.world.wall_ms(cx.now.mono);
            cx.world.roll(at_ms);
            self.tell_account(cx);
            self.spot_second(cx);
            self.futures_second(cx);
        }
        self.run_switches(cx);
    }

    fn trade_spelt(&self, world: &World, market: usize, trade: &ToldTrade) -> (String, i64) {
        match world.markets()[market].spec.kind {
            // The stream tells microseconds.
            Kind::Spot => (trade.id.to_string(), spot::trade_ns(trade.at_ms, trade.id) / 1_000 * 1_000),
            _ => (quoted(&uid(Uid::Trade, market, trade.id)), trade.at_ms * 1_000_000),
        }
    }

    fn next_at(&self) -> Option<Mono> {
        [Some(self.next_second), self.spot.switch, self.futures.switch].into_iter().flatten().min()
    }

    fn closed(&mut self, conn: u64) {
        self.spot.drop_conn(conn);
        self.futures.drop_conn(conn);
    }

    fn revoked(&mut self, cx: &mut Context<'_>, key: &str) {
        for conn in self.spot.revoke(key).into_iter().chain(self.futures.revoke(key)) {
            cx.out.close(conn, None);
        }
    }

    fn restarted(&mut self, _: &mut Context<'_>) {
        self.spot.restart();
        self.futures.restart();
    }
}

impl Kraken {
    /// Cancels what the switches were set to cancel, once their time has come.
    fn run_switches(&mut self, cx: &mut Context<'_>) {
        let due = |at: &mut Mono| *at <= cx.now.mono;
        let (spot, futures) = (self.spot.switch.take_if(due), self.futures.switch.take_if(due));
        if spot.is_some() {
            self.cancel_all(cx, Kind::Spot, None);
        }
        if futures.is_some() {
            self.cancel_all(cx, Kind::Perpetual, None);
        }
    }
}
