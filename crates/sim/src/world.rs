//! One venue's markets, traders and accounts, moving on a schedule of their own.
//!
//! A [`World`] owns what is true and says it in [`Step`]s: everything one message tells of one market. Steps stand at
//! fixed instants after the start, so what happens in a market depends on the seed and the schedule alone, however
//! late a tick comes. It knows no protocol; fronts turn steps into frames.

mod copying;
mod margin;
mod money;
mod movements;
mod trading;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use rust_decimal::Decimal;
use venuekit_types::{Kind, Level, Mono, Now, Side};

use crate::candles::Candles;
use crate::engine::{Change, Engine, Fill, Owner};
use crate::market::Spec;
use crate::traders::Trader;
use crate::truth::{History, Numbered, TrueBook, Truth};
use crate::venue::ToldTrade;
use crate::wallets::{Account, OwnFill, Part, Status, Wallet};

pub use copying::{CopiedTrade, Copying};
pub use margin::MarginDenied;
pub use movements::MoveDenied;
pub use trading::Denied;

/// Trades kept per market for those who ask for the past.
pub const TRADES_MAX: usize = 20_000;

const HOUR_MS: i64 = 3_600_000;

/// How far the schedule may fall behind before it skips what it cannot catch up with.
const LAG_MAX: Duration = Duration::from_secs(1);

/// What a venue's sequence numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// Every single change; a message covers a range.
    PerChange,
    /// Every message.
    PerMessage,
    /// Every level of a contract that changed; a message tells one. Messages of spot markets have no numbers.
    PerLevel,
    /// Every single change; contracts are counted together, and each spot market by itself.
    Shared,
}

/// What a world is made from.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The venue's name.
    pub venue: &'static str,
    /// The markets.
    pub specs: &'static [Spec],
    /// What sequence numbers count.
    pub numbering: Numbering,
    /// Hours after midnight UTC of the first funding of a day.
    pub funding_hour: i64,
    /// Hours from one funding to the next.
    pub funding_hours: i64,
    /// The seed of everything.
    pub seed: u64,
    /// When it begins.
    pub start: Now,
    /// Book messages a second over all markets; 0 stands still.
    pub rate: u32,
    /// Messages a market's past is kept for, for [`World::book_at`].
    pub history: usize,
    /// Digest of every n-th book message in the truth lines; 0 writes none.
    pub truth_every: u32,
    /// The run that truth lines name.
    pub run: String,
}

/// Whether a price moved, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickDirection {
    /// Lower than the trade before.
    Minus,
    /// The same as the trade before, after a fall.
    ZeroMinus,
    /// The same as the trade before, after a rise.
    ZeroPlus,
    /// Higher than the trade before.
    Plus,
}

/// A trade as the public sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Ascending by one per market, restarts included.
    pub id: u64,
    /// In counts.
    pub price: i64,
    /// In counts.
    pub qty: i64,
    /// The side of the order that came in.
    pub aggressor: Side,
    /// Against the trade before.
    pub direction: TickDirection,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// Everything one message tells of one market; nothing lies between its changes.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Index of the market.
    pub market: usize,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The first number of the message.
    pub first: u64,
    /// The last number of the message, that of the book after it.
    pub last: u64,
    /// The levels that changed; empty when the book did not, and then no number was used.
    pub changes: Vec<Change>,
    /// The trades, in order.
    pub trades: Vec<Trade>,
}

/// Index price, mark price and funding of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What other venues say, in counts, off the grid.
    pub index: i64,
    /// Index and the decaying funding basis, in counts.
    pub mark: i64,
    /// Funding rate in millionths.
    pub rate_e6: i64,
    /// The end of the period, Unix milliseconds.
    pub next_ms: i64,
}

/// One market and all that is true of it.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its terms.
    pub spec: &'static Spec,
    /// Its book.
    pub engine: Engine,
    /// The number of its book on the wire.
    pub seq: u64,
    /// The latest trades, oldest first.
    pub trades: VecDeque<Trade>,
    /// Its candles.
    pub candles: Candles,
    /// Index, mark, funding.
    pub reference: Reference,
    /// Contracts held, in counts.
    pub open_interest: i64,
    trader: Trader,
    history: History,
}

impl Market {
    /// The last trade's price; the opening price before the first.
    pub fn last_price(&self) -> i64 {
        self.trades.back().map_or(self.spec.open, |trade| trade.price)
    }
}

/// The schedule: the n-th step stands n intervals after the origin.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: u32,
    origin: Mono,
    done: u64,
}

impl Pace {
    fn due(&self) -> Option<Mono> {
        let nanos = (u128::from(self.done) + 1) * 1_000_000_000 / u128::from(self.rate.max(1));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        (self.rate > 0).then(|| self.origin.plus(Duration::from_nanos(nanos)))
    }
}

/// How a market's message is numbered on the wire.
fn numbered(numbering: Numbering, spec: &Spec, first: u64, last: u64) -> Numbered {
    match numbering {
        Numbering::PerLevel if spec.kind == Kind::Spot => Numbered::Not,
        Numbering::PerLevel => Numbered::Each(first, last),
        Numbering::PerChange | Numbering::PerMessage | Numbering::Shared => Numbered::Once(last),
    }
}

/// One venue's truth.
#[derive(Clone, Debug)]
pub struct World {
    /// How often sequences have begun again.
    pub generation: u32,
    markets: Vec<Market>,
    accounts: Vec<Account>,
    numbering: Numbering,
    /// The last number that contracts have counted together.
    shared_seq: u64,
    /// After midnight, and from one to the next, in milliseconds.
    funding: (i64, i64),
    start: Now,
    pace: Pace,
    rng: Rng,
    truth: Truth,
    fills: Vec<Fill>,
    /// Orders that end once the fills before them are booked, and how.
    ends: Vec<(Owner, usize, u64, Status)>,
    /// Orders that wait for a price, by market, and whose they are.
    stops: Vec<BTreeMap<u64, Owner>>,
    specs: &'static [Spec],
    copyings: Vec<Copying>,
    /// The wallet that deposits come into and withdrawals leave.
    edge: Wallet,
    /// Makes addresses and transaction ids.
    chain: Rng,
    outside: BTreeMap<&'static str, Decimal>,
    /// Up to when loans have been charged.
    interest_ms: i64,
    /// The other side of all that accounts trade with the crowd.
    house: Account,
    fees: BTreeMap<&'static str, Decimal>,
    insurance: BTreeMap<&'static str, Decimal>,
    liquidations: u64,
    duplicates: u64,
}

impl World {
    /// Opens all markets, quoted full: the first message of each is behind it.
    pub fn new(config: WorldConfig) -> World {
        let mut rng = Rng::with_seed(config.seed);
        let at_ms = config.start.wall.millis();
        let funding = (config.funding_hour * HOUR_MS, config.funding_hours * HOUR_MS);
        let next_ms = next_funding(funding, at_ms);
        let spot = config.specs.iter().any(|spec| spec.kind == Kind::Spot);
        let markets = config.specs.iter().map(|spec| {
            let mut engine = Engine::new();
            let mut trader = Trader::new(rng.u64(..), spec);
            trader.open(&mut engine, spec);
            let rate_e6 = rng.i64(-300..=300);
            let reference = Reference { index: spec.open, mark: spec.open, rate_e6, next_ms };
            Market {
                spec,
                engine,
                seq: 0,
                trades: VecDeque::new(),
                candles: Candles::new(at_ms, spec.open),
                reference,
                open_interest: spec.clip * spec.step * 1000,
                trader,
                history: History::new(config.history),
            }
        });
        let mut world = World {
            generation: 0,
            markets: markets.collect(),
            accounts: Vec::new(),
            numbering: config.numbering,
            shared_seq: 0,
            funding,
            start: config.start,
            pace: Pace { rate: config.rate, origin: config.start.mono, done: 0 },
            rng,
            truth: Truth::new(config.venue, config.run, config.truth_every),
            fills: Vec::new(),
            ends: Vec::new(),
            stops: vec![BTreeMap::new(); config.specs.len()],
            specs: config.specs,
            copyings: Vec::new(),
            edge: if spot { Wallet::Spot } else { Wallet::Futures },
            chain: Rng::with_seed(config.seed.rotate_left(32)),
            outside: BTreeMap::new(),
            interest_ms: at_ms,
            house: Account::new(0, config.specs),
            fees: BTreeMap::new(),
            insurance: BTreeMap::new(),
            liquidations: 0,
            duplicates: 0,
        };
        let mut step = Step::default();
        for market in 0..world.markets.len() {
            world.flush(market, at_ms, &mut step);
        }
        world
    }

    /// The markets, in the order of the tables.
    pub fn markets(&self) -> &[Market] {
        &self.markets
    }

    /// The marks of all markets.
    pub fn marks(&self) -> Vec<i64> {
        self.markets.iter().map(|market| market.reference.mark).collect()
    }

    /// Adds an account and gives its owner.
    pub fn open_account(&mut self, account: Account) -> Owner {
        self.accounts.push(account);
        Owner(u32::try_from(self.accounts.len()).expect("fewer than 2^32 accounts"))
    }

    /// An account.
    pub fn account(&self, owner: Owner) -> Option<&Account> {
        self.accounts.get((owner.0 as usize).checked_sub(1)?)
    }

    /// An account, to take its news from.
    pub fn account_mut(&mut self, owner: Owner) -> Option<&mut Account> {
        self.accounts.get_mut((owner.0 as usize).checked_sub(1)?)
    }

    /// The wall clock of an instant, as the venue's market data tells it, in milliseconds.
    pub fn wall_ms(&self, at: Mono) -> i64 {
        self.start.wall.plus(at.since(self.start.mono)).millis()
    }

    /// When the next step is due; never when the world stands still.
    pub fn next_at(&self) -> Option<Mono> {
        self.pace.due()
    }

    /// Changes the number of book messages a second from now on.
    pub fn set_rate(&mut self, now: Now, rate: u32) {
        self.pace = Pace { rate, origin: now.mono, done: 0 };
    }

    /// Lets the crowd of one market do what is due by now, if anything; gives the market and the time.
    ///
    /// [`World::flush`] makes a step of it. A schedule that has fallen more than a second behind skips to the
    /// present, since nobody can catch up for ever.
    pub fn advance(&mut self, now: Now) -> Option<(usize, i64)> {
        let due = self.pace.due().filter(|&due| due <= now.mono)?;
        let due = if now.mono.since(due) > LAG_MAX {
            self.pace = Pace { origin: now.mono, done: 0, ..self.pace };
            now.mono
        } else {
            self.pace.done += 1;
            due
        };
        let at_ms = self.wall_ms(due);
        let index = self.rng.usize(..self.markets.len());
        self.liquidate(index, at_ms);
        self.place_copies(index, at_ms);
        let market = &mut self.markets[index];
        market.trader.step(&mut market.engine, market.spec);
        market.candles.roll(at_ms);
        self.refer(index, at_ms);
        self.set_off(index, at_ms);
        Some((index, at_ms))
    }

    /// Closes the candles that have ended by an instant, in quiet markets too.
    pub fn roll(&mut self, at_ms: i64) {
        for market in &mut self.markets {
            market.candles.roll(at_ms);
        }
    }

    /// Gathers all that happened in a market since its last message into one step, and numbers it.
    pub fn flush(&mut self, index: usize, at_ms: i64, step: &mut Step) {
        (step.market, step.at_ms) = (index, at_ms);
        step.changes.clear();
        step.trades.clear();
        let market = &mut self.markets[index];
        market.engine.drain_fills(&mut self.fills);
        let mut booked_fills = Vec::new();
        for fill in &self.fills {
            let trade = market.record(fill, at_ms, &mut self.rng);
            step.trades.push(trade);
            if [fill.maker.owner, fill.taker.owner] == [Owner::HOUSE; 2] {
                continue;
            }
            let maker = (fill.maker, fill.aggressor.opposite(), true);
            for (party, side, maker) in [maker, (fill.taker, fill.aggressor, false)] {
                let mut part = Part { price: fill.price, qty: fill.qty, maker, rate: Decimal::ZERO };
                let Some(at) = (party.owner.0 as usize).checked_sub(1) else {
                    self.house.book(Wallet::Spot, index, side, part, at_ms);
                    continue;
                };
                part.rate = market.spec.fee_rate(maker);
                let booked = self.accounts[at].fill(index, party.order, part, at_ms);
                let own = booked.expect("an order that fills is open in its account's books");
                *self.fees.entry(own.order.fee_asset(market.spec)).or_default() += own.fee;
                booked_fills.push((party.owner, own));
            }
        }
        self.fills.clear();
        for (owner, fill) in &booked_fills {
            self.record_fill(*owner, fill);
            self.note_copy(*owner, fill);
            self.trim(*owner, index);
        }
        self.book_ends(|market| market == index, at_ms);
        let market = &mut self.markets[index];
        let events = market.engine.drain_changes(&mut step.changes);
        let shares = self.numbering == Numbering::Shared && market.spec.contract.is_some();
        let before = if shares { self.shared_seq } else { market.seq };
        step.first = before + 1;
        if !step.changes.is_empty() {
            market.seq = before
                + match self.numbering {
                    Numbering::PerChange | Numbering::Shared => events,
                    Numbering::PerMessage => 1,
                    Numbering::PerLevel => step.changes.len() as u64,
                };
            self.shared_seq = if shares { market.seq } else { self.shared_seq };
            if self.numbering == Numbering::PerLevel {
                for (seq, change) in (step.first..).zip(&step.changes) {
                    market.history.push(self.generation, seq, std::slice::from_ref(change));
                }
            } else {
                market.history.push(self.generation, market.seq, &step.changes);
            }
            let numbered = numbered(self.numbering, market.spec, step.first, market.seq);
            self.truth.book(market.spec, &market.engine, self.generation, numbered);
        }
        step.last = market.seq;
    }

    /// Begins all sequences again, as a venue's restart may; books, orders and trade ids live on.
    pub fn restart(&mut self) {
        self.generation += 1;
        self.shared_seq = 1;
        for market in &mut self.markets {
            // An empty book is 0, so a full one stands behind one message.
            market.seq = 1;
            market.history.push(self.generation, 1, &[]);
            // A book without a number is what it was.
            match numbered(self.numbering, market.spec, 1, 1) {
                Numbered::Not => {}
                seq => self.truth.book(market.spec, &market.engine, self.generation, seq),
            }
        }
    }

    /// The book of a market now.
    pub fn book(&self, market: usize) -> TrueBook {
        let Market { spec, engine, seq, .. } = &self.markets[market];
        TrueBook::now(spec, engine, self.generation, *seq)
    }

    /// The book of a market at the number of a message within the history kept.
    pub fn book_at(&self, market: usize, generation: u32, seq: u64) -> Option<TrueBook> {
        self.markets[market].history.walk_back(self.book(market), generation, seq)
    }

    /// The latest book within the history kept whose best levels to a depth are these: for those who are told books
    /// without a number.
    pub fn book_like(&self, market: usize, depth: usize, sides: (&[Level], &[Level])) -> Option<TrueBook> {
        self.markets[market].history.walk_back_to(self.book(market), depth, sides)
    }

    /// Adds to the truth lines how all accounts stand.
    pub fn write_accounts(&mut self, at_ms: i64) {
        for account in &self.accounts {
            self.truth.account(self.specs, self.generation, account, at_ms);
        }
    }

    /// Adds a fill of an account, and its order if that was the last of it, to the truth lines.
    fn record_fill(&mut self, owner: Owner, fill: &OwnFill) {
        let (spec, user) = (&self.specs[fill.market], self.account(owner).map_or(0, |account| account.user));
        self.truth.fill(spec, self.generation, user, fill);
        if fill.order.status == Status::Filled {
            self.truth.order(spec, self.generation, user, &fill.order);
        }
    }

    /// Books the end of an order, and adds it to the truth lines.
    fn end_order(&mut self, owner: Owner, (market, id): (usize, u64), status: Status, at_ms: i64) {
        let (spec, generation) = (&self.specs[market], self.generation);
        let account = (owner.0 as usize).checked_sub(1).and_then(|at| self.accounts.get_mut(at));
        let Some(account) = account else { return };
        account.end(market, id, status, at_ms);
        if let Some(order) = account.order(market, id).filter(|order| order.status == status) {
            self.truth.order(spec, generation, account.user, order);
        }
    }

    /// Adds a trade as it is told to the truth lines, with its id and its time as they are spelt.
    pub(crate) fn record_trade(&mut self, market: usize, spelt: (String, i64), trade: &ToldTrade) {
        self.truth.trade(self.markets[market].spec, self.generation, spelt, trade);
    }

    /// Takes the truth lines so far.
    pub fn take_truth(&mut self) -> Vec<u8> {
        self.truth.take()
    }

    /// Truth lines lost because nobody took them.
    pub fn truth_lost(&self) -> u64 {
        self.truth.lost()
    }

    /// Moves index, mark and funding along.
    fn refer(&mut self, index: usize, at_ms: i64) {
        if at_ms >= self.markets[index].reference.next_ms {
            self.fund(index);
            let reference = &mut self.markets[index].reference;
            reference.next_ms = next_funding(self.funding, at_ms);
            reference.rate_e6 = self.rng.i64(-300..=300);
        }
        let market = &mut self.markets[index];
        let reference = &mut market.reference;
        reference.index = market.trader.fair(market.spec);
        let left = i128::from(reference.next_ms - at_ms);
        let basis = i128::from(reference.index) * i128::from(reference.rate_e6) * left
            / (i128::from(self.funding.1) * 1_000_000);
        reference.mark = reference.index + i64::try_from(basis).expect("a basis is far below its index");
    }
}

/// The end of the funding period that an instant is in: periods begin so long after midnight, and last so long.
fn next_funding((after_midnight, every): (i64, i64), at_ms: i64) -> i64 {
    let since = at_ms - after_midnight;
    since - since.rem_euclid(every) + every + after_midnight
}

impl Market {
    /// Turns a fill into a public trade and remembers it.
    fn record(&mut self, fill: &Fill, at_ms: i64, rng: &mut Rng) -> Trade {
        let direction = match self.trades.back() {
            None => TickDirection::Plus,
            Some(last) if fill.price > last.price => TickDirection::Plus,
            Some(last) if fill.price < last.price => TickDirection::Minus,
            Some(last) => match last.direction {
                TickDirection::Plus | TickDirection::ZeroPlus => TickDirection::ZeroPlus,
                TickDirection::Minus | TickDirection::ZeroMinus => TickDirection::ZeroMinus,
            },
        };
        let trade = Trade {
            id: fill.trade,
            price: fill.price,
            qty: fill.qty,
            aggressor: fill.aggressor,
            direction,
            at_ms,
        };
        self.candles.trade(&trade);
        // Both sides opened, one opened and one closed, or both closed.
        let held = self.open_interest + trade.qty * rng.i64(-1..=1);
        self.open_interest = held.max(trade.qty);
        if self.trades.len() == TRADES_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(trade);
        trade
    }
}
