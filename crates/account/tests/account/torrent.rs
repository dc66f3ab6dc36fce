//! A torrent of fills, each counted exactly once: told twice, late, out of order, in parts, by stream and by REST, and
//! now and then by somebody who mixes them up.
//!
//! A small venue of our own makes orders and fills and keeps its sums in integers. Everything it says reaches the
//! account over two roads that lose, delay, repeat and shuffle; the memory of the account is far shorter than the run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rust_decimal::Decimal;
use venuekit_account::{Accounts, FillNews, Limits, OrderKey, OwnFill, Part, Reported, Row, Underivable};
use venuekit_types::{Side, Symbol, UnixNanos};
use venuekit_venue::{DataKind, Fill, MarketId, OrderPatch, OrderStatus};

use crate::support::{feed, owner, symbol};

/// The markets; ids begin anew in each, so that one id is four fills.
const MARKETS: [&str; 4] = ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC"];
/// Orders that are open at one time.
const OPEN: usize = 60;

/// What came of a torrent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Fills that the venue made.
    pub(crate) made: u64,
    /// Fills told to the account.
    pub(crate) told: u64,
    /// Of those: counted, counted before their order, known already, of another content, from before the memory.
    pub(crate) news: [u64; 5],
    /// Fills inferred from an order's sums, all of which the real ones took back.
    pub(crate) derived: u64,
    /// Rows of orders told, and those of them that told of an earlier time.
    pub(crate) rows: [u64; 2],
}

/// An order as the venue has it, in lots, ticks and hundred-millionths.
#[derive(Clone, Debug)]
struct Order {
    market: usize,
    id: u64,
    side: Side,
    qty: i64,
    cum: i64,
    value: i64,
    fee: i64,
    status: OrderStatus,
    created: i64,
    updated: i64,
}

impl Order {
    fn key(&self) -> OrderKey {
        OrderKey { symbol: symbol(MARKETS[self.market]), order_id: self.id.to_string() }
    }

    fn row(&self) -> Row {
        let mut row = OrderPatch::new(MarketId(0), self.id.to_string());
        row.side = Some(self.side);
        row.qty = Some(lots(self.qty));
        row.cum_qty = Some(lots(self.cum));
        row.avg_px = self.value.checked_div(self.cum).map(|price| Decimal::new(price, 2));
        row.fee = Some(Decimal::new(self.fee, 8));
        row.status = Some(self.status);
        row.created_at = Some(UnixNanos(self.created));
        row.updated_at = Some(UnixNanos(self.updated));
        Row::Order(symbol(MARKETS[self.market]), Box::new(row))
    }
}

fn lots(count: i64) -> Decimal {
    Decimal::new(count, 3)
}

/// Sums of one market: fills, lots, fees.
type Sums = [(u64, Decimal, Decimal); MARKETS.len()];

#[derive(Clone, Debug)]
enum Word {
    /// A fill of this number, over a road that spells it like this.
    Fill { number: u64, market: usize, fill: Box<Fill>, is_true: bool },
    /// An order as it stood.
    Row(Box<Order>),
}

/// What is on its way, by when it arrives; what arrives at one time is shuffled.
struct Link {
    due: BinaryHeap<Reverse<(i64, u64, u64)>>,
    words: BTreeMap<u64, Word>,
    next: u64,
}

impl Link {
    fn post(&mut self, dice: &mut fastrand::Rng, at: i64, word: Word) {
        self.next += 1;
        self.words.insert(self.next, word);
        self.due.push(Reverse((at, dice.u64(..), self.next)));
    }

    fn arrived(&mut self, now: i64) -> Option<Word> {
        let Reverse((at, _, _)) = self.due.peek()?;
        if *at > now {
            return None;
        }
        let Reverse((_, _, number)) = self.due.pop()?;
        self.words.remove(&number)
    }
}

struct Torrent {
    seed: u64,
    dice: fastrand::Rng,
    /// Fills that the account remembers, which sets how late things are.
    memory: i64,
    now: i64,
    open: Vec<Order>,
    orders: u64,
    ids: [u64; MARKETS.len()],
    link: Link,
    truth: Sums,
    // the account's side
    accounts: Accounts,
    counted: Sums,
    /// Fills that were counted, by number.
    seen: Vec<bool>,
    derived: BTreeMap<(Symbol, String), OwnFill>,
    filled: BTreeMap<OrderKey, Decimal>,
    tally: Tally,
}

/// Runs a torrent of so many fills through an account that remembers a sixteenth of them.
///
/// Panics with its seed where a fill was not counted, or was counted twice, or an order ran backwards.
pub(crate) fn run(seed: u64, fills: u64) -> Tally {
    let memory = usize::try_from(fills / 16).expect("a size").max(256);
    let limits = Limits { fills: memory, orders: memory / 4, ..Limits::default() };
    let mut torrent = Torrent {
        seed,
        dice: fastrand::Rng::with_seed(seed),
        memory: i64::try_from(memory).expect("a size"),
        now: 0,
        open: Vec::new(),
        orders: 0,
        ids: [0; MARKETS.len()],
        link: Link { due: BinaryHeap::new(), words: BTreeMap::new(), next: 0 },
        truth: Sums::default(),
        accounts: Accounts::new(limits),
        counted: Sums::default(),
        seen: Vec::new(),
        derived: BTreeMap::new(),
        filled: BTreeMap::new(),
        tally: Tally::default(),
    };
    torrent.resync();
    while torrent.tally.made < fills {
        torrent.now += 1;
        torrent.trade();
        torrent.hear();
        if torrent.now % (torrent.memory / 2) == 0 {
            torrent.resync();
        }
    }
    torrent.now = i64::MAX;
    torrent.hear();
    torrent.judge();
    torrent.tally
}

impl Torrent {
    /// The venue takes an order in, or fills one, in up to four parts that differ by their ids alone.
    fn trade(&mut self) {
        if self.open.len() < OPEN && self.dice.u8(0..8) == 0 {
            self.orders += 1;
            let order = Order {
                market: self.dice.usize(..MARKETS.len()),
                id: self.orders,
                side: if self.dice.bool() { Side::Buy } else { Side::Sell },
                qty: self.dice.i64(1..=2_000),
                cum: 0,
                value: 0,
                fee: 0,
                status: OrderStatus::New,
                created: self.now,
                updated: self.now,
            };
            self.tell_order(&order);
            self.open.push(order);
            return;
        }
        if self.open.is_empty() {
            return;
        }
        let at = self.dice.usize(..self.open.len());
        let mut order = self.open.swap_remove(at);
        order.updated = self.now;
        if self.dice.u8(0..40) == 0 {
            order.status = OrderStatus::Canceled;
            self.tell_order(&order);
            return;
        }
        let parts = if self.dice.u8(0..4) == 0 { self.dice.i64(2..=4) } else { 1 };
        let (price, qty) = (self.dice.i64(1..=9_999_999), self.dice.i64(1..=150));
        for part in 0..parts {
            let qty = qty.min(order.qty - order.cum);
            if qty > 0 {
                self.fill(&mut order, price, qty, part);
            }
        }
        order.status =
            if order.cum == order.qty { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        self.tell_order(&order);
        if order.status != OrderStatus::Filled {
            self.open.push(order);
        }
    }

    fn fill(&mut self, order: &mut Order, price: i64, qty: i64, part: i64) {
        let fee = self.dice.i64(-50_000..=200_000);
        order.cum += qty;
        order.value += qty * price;
        order.fee += fee;
        let market = order.market;
        // Half of the markets number the parts of a match, the others count them behind its number.
        let is_numbered = market.is_multiple_of(2);
        self.ids[market] += u64::from(part == 0 || is_numbered);
        let id = self.ids[market];
        let fill = Fill {
            market: MarketId(0),
            fill_id: if is_numbered { id.to_string() } else { format!("{id}-{part}") },
            order_id: order.id.to_string(),
            client_order_id: None,
            side: order.side,
            price: Decimal::new(price, 2),
            qty: lots(qty),
            fee: Decimal::new(fee, 8),
            fee_rate: None,
            fee_asset: Some("USDT".into()),
            realized_pnl: None,
            maker: self.dice.bool(),
            at: UnixNanos(self.now),
        };
        let sums = &mut self.truth[market];
        *sums = (sums.0 + 1, sums.1 + fill.qty, sums.2 + fill.fee);
        let number = self.tally.made;
        self.tally.made += 1;
        self.seen.push(false);
        self.tell_fill(number, market, fill);
    }

    /// By stream, nine times in ten and sometimes late; by REST, always and whenever the page is read; and once in a
    /// while again when nobody remembers, or with other contents.
    fn tell_fill(&mut self, number: u64, market: usize, fill: Fill) {
        let late = self.memory / 4;
        let by_rest = Fill {
            fee_asset: None,
            maker: false,
            price: fill.price * Decimal::new(10, 1),
            qty: fill.qty * Decimal::new(100, 2),
            ..fill.clone()
        };
        let word =
            |fill: &Fill, is_true| Word::Fill { number, market, fill: Box::new(fill.clone()), is_true };
        let dice = &mut self.dice;
        let soon = |dice: &mut fastrand::Rng| {
            if dice.u8(0..20) == 0 { dice.i64(0..=late) } else { dice.i64(0..=5) }
        };
        if dice.u8(0..10) > 0 {
            for _ in 0..=u8::from(dice.u8(0..5) == 0) {
                let at = self.now + soon(dice);
                self.link.post(dice, at, word(&fill, true));
            }
        }
        for _ in 0..=u8::from(dice.u8(0..5) == 0) {
            let at = self.now + dice.i64(0..=late);
            self.link.post(dice, at, word(&by_rest, true));
        }
        if dice.u8(0..100) == 0 {
            let at = self.now + 2 * self.memory + dice.i64(0..=self.memory);
            self.link.post(dice, at, word(&by_rest, true));
        }
        if dice.u16(0..500) == 0 {
            // After the true one at the latest road.
            let at = self.now + late + 1 + dice.i64(0..=late / 4);
            let other = Fill { qty: fill.qty + lots(1), ..fill };
            self.link.post(dice, at, word(&other, false));
        }
    }

    fn tell_order(&mut self, order: &Order) {
        let dice = &mut self.dice;
        for _ in 0..=u8::from(dice.u8(0..8) == 0) {
            let most = if dice.u8(0..50) == 0 { self.memory / 16 } else { 20 };
            let at = self.now + dice.i64(0..=most);
            self.link.post(dice, at, Word::Row(Box::new(order.clone())));
        }
    }

    fn hear(&mut self) {
        while let Some(word) = self.link.arrived(self.now) {
            match word {
                Word::Fill { number, market, fill, is_true } => {
                    self.hear_fill(number, market, *fill, is_true);
                }
                Word::Row(order) => {
                    let orders = feed(Part::Orders, "all");
                    let applied = self.accounts.apply(&orders, DataKind::Update, vec![order.row()]);
                    let applied = applied.unwrap_or_else(|why| panic!("SEED={}: {why}", self.seed));
                    self.tally.rows[0] += 1;
                    self.tally.rows[1] += u64::from(applied.old > 0);
                    self.read_order(&order);
                }
            }
        }
    }

    fn hear_fill(&mut self, number: u64, market: usize, fill: Fill, is_true: bool) {
        let of = symbol(MARKETS[market]);
        let (qty, fee) = (fill.qty, fill.fee);
        let news = self.accounts.fill(&owner(), &of, fill);
        self.tally.told += 1;
        let index = usize::try_from(number).expect("a size");
        let is_first = is_true && !std::mem::replace(&mut self.seen[index], true);
        let kind = match &news {
            FillNews::Counted { early, overfilled, withdrawn } => {
                assert!(is_first && !overfilled, "SEED={}: fill {number}: {news:?}", self.seed);
                self.count(market, 1, qty, fee);
                for id in withdrawn {
                    let own = self.derived.remove(&(of.clone(), id.clone()));
                    let own = own.unwrap_or_else(|| panic!("SEED={}: {id} was never derived", self.seed));
                    self.count(market, 0, -own.fill.qty, -own.fill.fee);
                }
                usize::from(*early)
            }
            FillNews::Repeated => 2,
            FillNews::Conflicting => 3,
            FillNews::TooOld => 4,
        };
        assert!(!is_first || kind < 2, "SEED={}: fill {number} was not counted: {news:?}", self.seed);
        assert_eq!(kind == 3, !is_true, "SEED={}: fill {number}: {news:?}", self.seed);
        self.tally.news[kind] += 1;
    }

    fn count(&mut self, market: usize, fills: u64, qty: Decimal, fee: Decimal) {
        let sums = &mut self.counted[market];
        *sums = (sums.0 + fills, sums.1 + qty, sums.2 + fee);
    }

    /// What is filled by an order's own word never falls.
    fn read_order(&mut self, order: &Order) {
        let key = order.key();
        let Reported::Known(known) = self.accounts.order(&owner(), &key) else { return };
        let before = self.filled.insert(key.clone(), known.cum_qty).unwrap_or_default();
        assert!(known.cum_qty >= before, "SEED={}: {key:?} fell from {before}", self.seed);
    }

    /// The line was cut: the open orders are read, and what they say was filled without a word is inferred.
    fn resync(&mut self) {
        let orders = feed(Part::Orders, "all");
        self.accounts.lost(&orders);
        let rows = self.open.iter().map(Order::row).collect();
        let applied = self.accounts.apply(&orders, DataKind::Snapshot, rows);
        let _ = applied.unwrap_or_else(|why| panic!("SEED={}: {why}", self.seed));
        let (derived, cannot) = self.accounts.derive_fills(&owner());
        for (key, why) in cannot {
            assert!(why == Underivable::BeyondMemory, "SEED={}: {key:?}: {why}", self.seed);
        }
        for own in derived {
            let market = MARKETS.iter().position(|name| *name == own.symbol.as_str()).expect("ours");
            self.count(market, 0, own.fill.qty, own.fill.fee);
            self.tally.derived += 1;
            let known = self.derived.insert((own.symbol.clone(), own.fill.fill_id.clone()), own);
            assert!(known.is_none(), "SEED={}: derived twice: {known:?}", self.seed);
        }
    }

    /// Everything has arrived: the account's sums are the venue's, and so is each order that is still known.
    fn judge(&mut self) {
        let seed = self.seed;
        assert_eq!(self.counted, self.truth, "SEED={seed}");
        assert!(self.seen.iter().all(|seen| *seen), "SEED={seed}: a fill was never told");
        assert!(self.derived.is_empty(), "SEED={seed}: {:?}", self.derived);
        for order in &self.open {
            let known = self.accounts.order(&owner(), &order.key());
            let known = known.known().unwrap_or_else(|| panic!("SEED={seed}: {order:?} is not known"));
            assert_eq!((known.cum_qty, known.status), (lots(order.cum), order.status), "SEED={seed}");
            let fills = self.accounts.fills_of(&owner(), &order.key());
            let sum: Decimal = fills.iter().map(|own| own.fill.qty).sum();
            // Its first fills may be forgotten, and none that it did not have is there.
            assert!(sum <= known.cum_qty, "SEED={seed}: {order:?} has {sum}");
        }
    }
}

/// A hundredth of what `cargo xtask prove` runs.
#[test]
fn each_of_many_fills_counts_once() {
    for seed in [1, 2] {
        let tally = run(seed, 10_000);
        let [counted, early, repeated, conflicting, too_old] = tally.news;
        assert_eq!(counted + early, tally.made, "SEED={seed}");
        // Each way in which a fill may come amiss has come.
        let amiss = [early, repeated, conflicting, too_old, tally.derived, tally.rows[1]];
        assert!(amiss.iter().all(|count| *count > 0), "SEED={seed}: {tally:?}");
    }
}
