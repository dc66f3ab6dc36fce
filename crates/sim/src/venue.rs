//! One simulated venue: a world, a protocol before it, and the faults between them and the wire.
//!
//! [`VenueSim`] is the [`Front`] that carriers serve and the oracle that tests ask. A [`Protocol`] is what differs:
//! it turns client messages into answers and steps of the world into frames. Out-of-tree venues bring their own.

use std::time::Duration;

use fastrand::Rng;
use rust_decimal::Decimal;
use venuekit_sign::Credentials;
use venuekit_types::{Level, Mono, Now, Side};

use crate::engine::Owner;
use crate::faults::{Command, FaultLog, FaultPlan};
use crate::front::{Front, FrontInput, FrontOutput};
use crate::keys::{ApiKey, KeyRing, Permissions};
use crate::outbox::{Happened, Outbox};
use crate::script::Script;
use crate::truth::TrueBook;
use crate::wallets::Account;
use crate::world::{Step, Trade, World, WorldConfig};

/// Steps that one tick makes at most, so that a carrier gets to write in between.
const STEPS_MAX: usize = 256;

/// The server side of a venue's protocol: pure, told everything, saying everything through the outbox.
pub trait Protocol: Send {
    /// A client did something.
    fn input(&mut self, cx: &mut Context<'_>, input: FrontInput<'_>);

    /// A market moved: tell its subscribers, and the accounts concerned.
    fn step(&mut self, cx: &mut Context<'_>, step: &Step);

    /// Time passed.
    fn tick(&mut self, cx: &mut Context<'_>);

    /// When [`Protocol::tick`] is wanted next.
    fn next_at(&self) -> Option<Mono>;

    /// A connection is gone.
    fn closed(&mut self, conn: u64);

    /// A key was taken away: what it opened has to end.
    fn revoked(&mut self, cx: &mut Context<'_>, key: &str);

    /// All connections are gone and sequences begin again.
    fn restarted(&mut self, cx: &mut Context<'_>);

    /// The trades of a market as its followed stream tells them: the single ones, unless the venue puts some together.
    fn told_trades<'a>(
        &'a self,
        world: &'a World,
        market: usize,
    ) -> Box<dyn Iterator<Item = ToldTrade> + 'a> {
        Box::new(world.markets()[market].trades.iter().map(ToldTrade::from))
    }

    /// How the followed stream spells a trade: its number, as JSON, and when it was, in Unix nanoseconds.
    fn trade_spelt(&self, _world: &World, _market: usize, trade: &ToldTrade) -> (String, i64) {
        (trade.id.to_string(), trade.at_ms * 1_000_000)
    }
}

/// A trade as a stream tells it, under the stream's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldTrade {
    /// Ascending by one per market and stream.
    pub id: u64,
    /// In counts.
    pub price: i64,
    /// In counts.
    pub qty: i64,
    /// The side of the order that came in.
    pub aggressor: Side,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl From<&Trade> for ToldTrade {
    fn from(&Trade { id, price, qty, aggressor, at_ms, .. }: &Trade) -> ToldTrade {
        ToldTrade { id, price, qty, aggressor, at_ms }
    }
}

/// What a protocol works with.
pub struct Context<'a> {
    /// The present; the wall clock is the real one, before any skew.
    pub now: Now,
    /// What is true.
    pub world: &'a mut World,
    /// The way out.
    pub out: &'a mut Outbox,
    /// For challenges and keys.
    pub rng: &'a mut Rng,
    /// What opens the account.
    pub keys: &'a KeyRing,
}

impl Context<'_> {
    /// Books what was done in a market since its last message, and gives it as a step to tell.
    pub fn flush(&mut self, market: usize) -> Step {
        let mut step = Step::default();
        let at_ms = self.world.wall_ms(self.now.mono);
        self.world.flush(market, at_ms, &mut step);
        step
    }

    /// What the venue believes the time to be, in Unix milliseconds: what it checks timestamps against.
    pub fn server_ms(&self) -> i64 {
        self.now.wall.millis() + self.out.skew_ms()
    }
}

/// An account that clients may log in to, with the keys of [`Context::keys`].
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Whose orders are its own.
    pub owner: Owner,
}

/// What a simulated venue is made from.
#[derive(Clone, Debug)]
pub struct VenueConfig {
    /// Its markets and their schedule.
    pub world: WorldConfig,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// The demo account's first key, which may read and trade.
    pub credentials: Credentials,
    /// Its further keys.
    pub keys: Vec<ApiKey>,
    /// The demo account, funded.
    pub account: Account,
    /// Whether the demo account trades by itself, so that private streams move.
    pub script: bool,
    /// Another account that trades by itself, whose contract fills the demo account copies at half their size.
    pub lead: Option<Account>,
}

/// One simulated venue.
pub struct VenueSim {
    name: &'static str,
    world: World,
    out: Outbox,
    protocol: Box<dyn Protocol>,
    user: User,
    scripts: Vec<Script>,
    rng: Rng,
    keys: KeyRing,
    step: Step,
    /// The last trade of each market that truth lines tell.
    recorded: Vec<u64>,
    /// The present as told last.
    latest: Mono,
    /// Nobody is let in before.
    down_until: Option<Mono>,
}

impl VenueSim {
    /// Opens a venue with the protocol that `protocol` makes for the demo account, after giving it a past if it likes.
    pub fn new(
        config: VenueConfig,
        protocol: impl FnOnce(&mut World, User, Now) -> Box<dyn Protocol>,
    ) -> VenueSim {
        let (start, seed, name) = (config.world.start, config.world.seed, config.world.venue);
        let mut rng = Rng::with_seed(!seed);
        let mut world = World::new(config.world);
        let owner = world.open_account(config.account);
        let user = User { owner };
        let mut keys = KeyRing::default();
        keys.add(ApiKey::new(config.credentials, Permissions::TRADE));
        config.keys.into_iter().for_each(|key| keys.add(key));
        let mut scripts = Vec::new();
        if config.script {
            scripts.push(Script::new(owner, rng.u64(..)));
        }
        if let Some(account) = config.lead {
            let lead = world.open_account(account);
            world.copy((lead, "northstar"), owner, Decimal::new(5, 1), Decimal::new(1, 1));
            scripts.push(Script::new(lead, rng.u64(..)));
        }
        let protocol = protocol(&mut world, user, start);
        VenueSim {
            name,
            world,
            out: Outbox::new(config.faults, start.mono),
            protocol,
            user,
            scripts,
            rng,
            keys,
            step: Step::default(),
            recorded: Vec::new(),
            latest: start.mono,
            down_until: None,
        }
    }

    /// The venue's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What is true.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The demo account's books.
    pub fn account(&self) -> &Account {
        self.world.account(self.user.owner).expect("the demo account was opened with the venue")
    }

    /// What is true, for tests to change: further accounts and their orders.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Who the demo account is.
    pub fn owner(&self) -> Owner {
        self.user.owner
    }

    /// What opens the demo account.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// Adds a key to the demo account, or replaces the one of its name.
    pub fn add_key(&mut self, key: ApiKey) {
        self.keys.add(key);
    }

    /// Takes a key away, and ends what it opened; false when there is none of that name.
    pub fn revoke_key(&mut self, now: Now, key: &str) -> bool {
        let known = self.keys.revoke(key);
        if known {
            self.with_protocol(now, |protocol, cx| protocol.revoked(cx, key));
        }
        known
    }

    /// The index of a market, by its unified symbol.
    pub fn market(&self, symbol: &str) -> Option<usize> {
        self.world.markets().iter().position(|market| market.spec.symbol == symbol)
    }

    /// The trades of a market that are remembered, as its followed stream tells them.
    pub fn told_trades(&self, market: usize) -> impl Iterator<Item = ToldTrade> {
        self.protocol.told_trades(&self.world, market)
    }

    /// The book of a market now, by its unified symbol.
    pub fn book(&self, symbol: &str) -> Option<TrueBook> {
        Some(self.world.book(self.market(symbol)?))
    }

    /// The book of a market at the number of a past message; nothing when it is no message's, or forgotten.
    pub fn book_at(&self, symbol: &str, generation: u32, seq: u64) -> Option<TrueBook> {
        self.world.book_at(self.market(symbol)?, generation, seq)
    }

    /// The latest book of a market whose best levels to a depth are these; nothing when none was, or it is forgotten.
    pub fn book_like(&self, symbol: &str, depth: usize, sides: (&[Level], &[Level])) -> Option<TrueBook> {
        self.world.book_like(self.market(symbol)?, depth, sides)
    }

    /// Takes the truth lines so far: trades are those that are still remembered, so take them often.
    pub fn take_truth(&mut self) -> Vec<u8> {
        self.recorded.resize(self.world.markets().len(), 0);
        for (market, recorded) in self.recorded.iter_mut().enumerate() {
            let told = self.protocol.told_trades(&self.world, market);
            let news: Vec<ToldTrade> = told.filter(|trade| trade.id > *recorded).collect();
            for trade in news {
                *recorded = trade.id;
                let spelt = self.protocol.trade_spelt(&self.world, market, &trade);
                self.world.record_trade(market, spelt, &trade);
            }
        }
        self.world.take_truth()
    }

    /// Adds to the truth lines how accounts stand by now: open orders, ledgers and positions.
    pub fn write_accounts(&mut self) {
        let at_ms = self.world.wall_ms(self.latest);
        self.world.write_accounts(at_ms);
    }

    /// Changes the number of book messages a second.
    pub fn set_rate(&mut self, now: Now, rate: u32) {
        self.world.set_rate(now, rate);
    }

    /// Replaces the fault plan.
    pub fn set_faults(&mut self, now: Now, plan: FaultPlan) {
        self.out.set_plan(plan, now.mono);
    }

    /// Does exactly one fault.
    pub fn inject(&mut self, now: Now, command: Command) {
        self.out.command(now, command);
        self.follow(now);
    }

    /// The faults done.
    pub fn fault_log(&self) -> &FaultLog {
        self.out.log()
    }

    fn with_protocol(&mut self, now: Now, act: impl FnOnce(&mut dyn Protocol, &mut Context<'_>)) {
        let VenueSim { world, out, rng, keys, .. } = self;
        let mut cx = Context { now, world, out, rng, keys };
        act(self.protocol.as_mut(), &mut cx);
    }

    fn tick(&mut self, now: Now) {
        self.out.tick(now.mono);
        self.follow(now);
        if self.down_until.is_some_and(|until| until <= now.mono) {
            self.down_until = None;
        }
        self.world.pass(self.world.wall_ms(now.mono));
        let mut step = std::mem::take(&mut self.step);
        for _ in 0..STEPS_MAX {
            let Some((market, at_ms)) = self.world.advance(now) else { break };
            for script in &mut self.scripts {
                script.act(&mut self.world, market, at_ms);
            }
            self.world.flush(market, at_ms, &mut step);
            self.with_protocol(now, |protocol, cx| protocol.step(cx, &step));
        }
        self.step = step;
        if self.protocol.next_at().is_some_and(|at| at <= now.mono) {
            self.with_protocol(now, |protocol, cx| protocol.tick(cx));
        }
    }

    /// Lets the protocol know of connections that faults have ended.
    fn follow(&mut self, now: Now) {
        while let Some(happened) = self.out.poll_happened() {
            match happened {
                Happened::Cut(conn) => self.protocol.closed(conn),
                Happened::Restart(span) => {
                    self.world.restart();
                    self.with_protocol(now, |protocol, cx| protocol.restarted(cx));
                    self.down_until = (span > Duration::ZERO).then(|| now.mono.plus(span));
                }
            }
        }
    }
}

impl Front for VenueSim {
    fn handle(&mut self, now: Now, input: FrontInput<'_>) {
        self.latest = now.mono;
        let down = self.down_until.is_some_and(|until| now.mono < until);
        match input {
            FrontInput::Tick => self.tick(now),
            FrontInput::Opened { conn, .. } if down => self.out.refuse(conn, 503),
            FrontInput::Request { id, .. } if down => self.out.abandon(id),
            FrontInput::Closed { conn } => {
                self.out.forget(conn);
                self.protocol.closed(conn);
            }
            input => {
                if matches!(&input, FrontInput::Request { request, .. } if request.method != "GET") {
                    // What an order meets is the present, however late the last tick was.
                    self.tick(now);
                }
                self.with_protocol(now, |protocol, cx| protocol.input(cx, input));
            }
        }
        self.follow(now);
    }

    fn poll(&mut self) -> Option<FrontOutput> {
        self.out.poll()
    }

    fn next_at(&self) -> Option<Mono> {
        [self.out.next_at(), self.world.next_at(), self.protocol.next_at(), self.down_until]
            .into_iter()
            .flatten()
            .min()
    }
}
