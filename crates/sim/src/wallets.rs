//! What accounts own and owe: cash by wallet, orders, fills, positions and margins, in exact decimals.
//!
//! An [`Account`] is told of orders and fills by the world and keeps books of them; it never matches anything, and
//! it speaks no venue's wire. Amounts are cut toward zero at the places of the settlement asset, as DueDEX does.

mod movement;
mod order;
mod position;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::market::{FeeIn, Spec};

pub use movement::{Funding, Movement, MovementStatus, Transfer, Way};
pub(crate) use order::Part;
pub use order::{Order, OrderKind, OwnFill, Status, Stop, Ticket, Trigger};
pub(crate) use position::profit;
pub use position::{Margin, Position};

/// Fills kept per account, the latest.
pub const FILLS_MAX: usize = 50_000;

/// Orders kept per account that can no longer fill, the latest.
pub const DONE_MAX: usize = 50_000;

/// Orders an account may have open, in all markets.
pub const OPEN_MAX: usize = 1_000;

/// Deposits and withdrawals kept per account, and as many transfers and payments of funding, the latest.
pub const MOVEMENTS_MAX: usize = 10_000;

/// News that wait to be told; of an account that nobody listens to the oldest are forgotten.
const NEWS_MAX: usize = 10_000;

/// One of the separate ledgers of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wallet {
    /// What spot orders trade with.
    Spot,
    /// Collateral and loans.
    Margin,
    /// What contracts settle in.
    Futures,
    /// Where money waits that trades nowhere.
    Funding,
    /// Collateral and loans of one spot market alone, by its venue's spelling.
    Isolated(&'static str),
}

impl Wallet {
    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Wallet::Spot => "spot",
            Wallet::Margin => "margin",
            Wallet::Futures => "futures",
            Wallet::Funding => "funding",
            Wallet::Isolated(_) => "isolated",
        }
    }
}

/// One asset in one wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cash {
    /// Everything, locked or not: deposits, loans and what was realised.
    pub total: Decimal,
    /// The part that spot orders hold; margins of contracts are reckoned, not locked.
    pub locked: Decimal,
    /// Realised profit of contracts so far, fees and funding included.
    pub realised: Decimal,
    /// Owed, without interest.
    pub borrowed: Decimal,
    /// Owed on top.
    pub interest: Decimal,
}

impl Cash {
    /// What nothing holds.
    pub fn free(&self) -> Decimal {
        self.total - self.locked
    }
}

/// What happened to an account, in order, for the streams to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An order was taken in, cancelled or changed.
    Order(Order),
    /// An order filled, in part or whole.
    Fill(OwnFill),
    /// Cash moved without a fill.
    Cash,
}

/// An order or a move of money that the account cannot pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the balance does not cover it; deposit, or take less")]
pub struct Insufficient;

/// One user's books.
#[derive(Clone, Debug)]
pub struct Account {
    /// The number the venue knows the user by.
    pub user: u32,
    specs: &'static [Spec],
    cash: BTreeMap<(Wallet, &'static str), Cash>,
    positions: Vec<Position>,
    orders: BTreeMap<(usize, u64), Order>,
    open: BTreeSet<(usize, u64)>,
    /// Orders that can no longer fill, in the order they ended.
    done: VecDeque<(usize, u64)>,
    client_ids: BTreeMap<(usize, String), u64>,
    fills: VecDeque<OwnFill>,
    fill_ids: Vec<u64>,
    movements: VecDeque<Movement>,
    transfers: VecDeque<Transfer>,
    fundings: VecDeque<Funding>,
    /// The ids given last, to movements, to transfers and to fundings.
    moved: [u64; 3],
    news: VecDeque<News>,
}

impl Account {
    /// An account without funds.
    pub fn new(user: u32, specs: &'static [Spec]) -> Account {
        Account {
            user,
            specs,
            cash: BTreeMap::new(),
            positions: vec![Position::default(); specs.len()],
            orders: BTreeMap::new(),
            open: BTreeSet::new(),
            done: VecDeque::new(),
            client_ids: BTreeMap::new(),
            fills: VecDeque::new(),
            fill_ids: vec![0; specs.len()],
            movements: VecDeque::new(),
            transfers: VecDeque::new(),
            fundings: VecDeque::new(),
            moved: [0; 3],
            news: VecDeque::new(),
        }
    }

    /// Puts funds into a wallet.
    pub fn deposit(&mut self, wallet: Wallet, asset: &'static str, amount: Decimal) {
        self.cash.entry((wallet, asset)).or_default().total += amount;
        self.tell(News::Cash);
    }

    /// All cells, by wallet and asset.
    pub fn cash(&self) -> impl Iterator<Item = (Wallet, &'static str, Cash)> + '_ {
        self.cash.iter().map(|(&(wallet, asset), &cash)| (wallet, asset, cash))
    }

    /// One cell; empty when there is none.
    pub fn cash_of(&self, wallet: Wallet, asset: &str) -> Cash {
        self.cash.get(&(wallet, asset)).copied().unwrap_or_default()
    }

    /// Open orders by market and id, those that wait for a price too.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().map(|key| &self.orders[key])
    }

    /// An open order.
    pub fn open_order(&self, market: usize, id: u64) -> Option<&Order> {
        self.order(market, id).filter(|order| order.status.is_open())
    }

    /// All orders that are kept, by market and id: the open ones and the latest [`DONE_MAX`] others.
    pub fn orders(&self) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.values()
    }

    /// The orders of one market that are kept, by id.
    pub fn orders_of(&self, market: usize) -> impl DoubleEndedIterator<Item = &Order> {
        self.orders.range((market, 0)..=(market, u64::MAX)).map(|(_, order)| order)
    }

    /// An order, if it is kept.
    pub fn order(&self, market: usize, id: u64) -> Option<&Order> {
        self.orders.get(&(market, id))
    }

    /// An order by the client's own id, if it is kept.
    pub fn order_by_client_id(&self, market: usize, client_id: &str) -> Option<&Order> {
        let id = self.client_ids.get(&(market, client_id.to_string()))?;
        self.order(market, *id)
    }

    /// The latest fills, oldest first, at most [`FILLS_MAX`].
    pub fn fills(&self) -> impl DoubleEndedIterator<Item = &OwnFill> {
        self.fills.iter()
    }

    /// The latest deposits and withdrawals, oldest first.
    pub fn movements(&self) -> impl Iterator<Item = &Movement> {
        self.movements.iter()
    }

    /// The latest transfers between wallets, oldest first.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.iter()
    }

    /// The latest payments of funding, oldest first.
    pub fn fundings(&self) -> impl Iterator<Item = &Funding> {
        self.fundings.iter()
    }

    /// Moves what happened since the last call into `out`.
    pub fn drain_news(&mut self, out: &mut Vec<News>) {
        out.extend(self.news.drain(..));
    }

    pub(crate) fn tell(&mut self, news: News) {
        if self.news.len() == NEWS_MAX {
            self.news.pop_front();
        }
        self.news.push_back(news);
    }

    /// A cell, to move money in or out of.
    pub(crate) fn cell(&mut self, wallet: Wallet, asset: &'static str) -> &mut Cash {
        self.cash.entry((wallet, asset)).or_default()
    }

    pub(crate) fn cells_mut(&mut self) -> impl Iterator<Item = &mut Cash> {
        self.cash.values_mut()
    }

    pub(crate) fn movements_mut(&mut self) -> impl Iterator<Item = &mut Movement> {
        self.movements.iter_mut()
    }

    /// Numbers a movement and keeps it; gives its id.
    pub(crate) fn keep_movement(&mut self, movement: Movement) -> u64 {
        if self.movements.len() == MOVEMENTS_MAX {
            self.movements.pop_front();
        }
        self.moved[0] += 1;
        self.movements.push_back(Movement { id: self.moved[0], ..movement });
        self.moved[0]
    }

    /// Numbers a transfer and keeps it; gives its id.
    pub(crate) fn keep_transfer(&mut self, transfer: Transfer) -> u64 {
        if self.transfers.len() == MOVEMENTS_MAX {
            self.transfers.pop_front();
        }
        self.moved[1] += 1;
        self.transfers.push_back(Transfer { id: self.moved[1], ..transfer });
        self.moved[1]
    }

    /// Keeps what a position got at the end of a funding period.
    pub(crate) fn keep_funding(&mut self, market: usize, amount: Decimal, at_ms: i64) {
        if self.fundings.len() == MOVEMENTS_MAX {
            self.fundings.pop_front();
        }
        self.moved[2] += 1;
        self.fundings.push_back(Funding { id: self.moved[2], market, amount, at_ms });
    }

    /// Moves the next movement on whose time has come; gives it, and where it stands now.
    pub(crate) fn move_on(&mut self, at_ms: i64) -> Option<(Movement, MovementStatus)> {
        self.movements.iter_mut().find_map(|movement| {
            let status = movement.move_on(at_ms)?;
            Some((movement.clone(), status))
        })
    }

    pub(crate) fn position_mut(&mut self, market: usize) -> &mut Position {
        &mut self.positions[market]
    }

    /// Takes an accepted order into the books, before its first fill.
    pub(crate) fn accept(&mut self, order: Order) {
        let key = (order.market, order.id);
        if !order.client_id.is_empty() {
            self.client_ids.insert((order.market, order.client_id.clone()), order.id);
        }
        self.lock(&order, Decimal::ONE);
        self.tell(News::Order(order.clone()));
        self.open.insert(key);
        self.orders.insert(key, order);
    }

    /// Changes an open order by a function, what it holds following.
    pub(crate) fn change(&mut self, market: usize, id: u64, at_ms: i64, change: impl FnOnce(&mut Order)) {
        let Some(mut order) = self.open_order(market, id).cloned() else { return };
        self.lock(&order, Decimal::NEGATIVE_ONE);
        change(&mut order);
        order.updated_ms = at_ms;
        self.lock(&order, Decimal::ONE);
        self.keep(order.clone());
        self.tell(News::Order(order));
    }

    /// Books the end of an order that did not fill whole.
    pub(crate) fn end(&mut self, market: usize, id: u64, status: Status, at_ms: i64) {
        self.change(market, id, at_ms, |order| order.status = status);
    }

    /// Books a fill of one of our orders, and gives it.
    pub(crate) fn fill(&mut self, market: usize, id: u64, part: Part, at_ms: i64) -> Option<OwnFill> {
        let mut order = self.open_order(market, id).cloned()?;
        self.lock(&order, Decimal::NEGATIVE_ONE);
        let (fee, realised) = self.book(order.wallet, market, order.side, part, at_ms);
        let spec = &self.specs[market];
        order.filled += part.qty;
        order.value += spec.value(part.price, part.qty);
        order.fee += fee;
        order.updated_ms = at_ms;
        order.status = if order.left() == 0 { Status::Filled } else { Status::PartiallyFilled };
        self.lock(&order, Decimal::ONE);
        self.keep(order.clone());
        self.fill_ids[market] += 1;
        let id = self.fill_ids[market];
        let Part { price, qty, maker, rate } = part;
        let own = OwnFill { market, id, order, price, qty, maker, rate, fee, realised, at_ms };
        if self.fills.len() == FILLS_MAX {
            self.fills.pop_front();
        }
        self.fills.push_back(own.clone());
        self.tell(News::Fill(own.clone()));
        Some(own)
    }

    /// Moves cash and position for a trade, whatever order it came from; gives the fee and the profit realised.
    pub(crate) fn book(
        &mut self,
        wallet: Wallet,
        market: usize,
        side: Side,
        part: Part,
        at_ms: i64,
    ) -> (Decimal, Decimal) {
        let spec = &self.specs[market];
        let value = spec.value(part.price, part.qty);
        match &spec.contract {
            None => (self.exchange(wallet, spec, side, (part.qty, value), part.rate), Decimal::ZERO),
            Some(contract) => {
                let fee = contract.cut(value * part.rate);
                (fee, self.settle(market, side, (part.price, part.qty), fee, at_ms))
            }
        }
    }

    /// Puts an order back, among the open or the done ones.
    fn keep(&mut self, order: Order) {
        let key = (order.market, order.id);
        if !order.status.is_open() && self.open.remove(&key) {
            if self.done.len() == DONE_MAX {
                self.forget_oldest();
            }
            self.done.push_back(key);
        }
        self.orders.insert(key, order);
    }

    fn forget_oldest(&mut self) {
        let gone = self.done.pop_front().and_then(|key| self.orders.remove(&key));
        if let Some(Order { market, id, client_id, .. }) = gone {
            let key = (market, client_id);
            if self.client_ids.get(&key) == Some(&id) {
                self.client_ids.remove(&key);
            }
        }
    }

    /// Locks (+1) or frees (-1) what the rest of a spot limit order holds.
    fn lock(&mut self, order: &Order, sign: Decimal) {
        let spec = &self.specs[order.market];
        let Some(price) = order.price.filter(|_| spec.contract.is_none() && order.holds()) else { return };
        let (asset, amount) = match order.side {
            Side::Buy => {
                (spec.quote, spec.value(price, order.left()) * (Decimal::ONE + spec.quote_fee_rate()))
            }
            Side::Sell => (spec.base, spec.qty(order.left())),
        };
        self.cell(order.wallet, asset).locked += amount * sign;
    }

    /// Swaps assets for a spot fill; gives the fee.
    fn exchange(
        &mut self,
        wallet: Wallet,
        spec: &Spec,
        side: Side,
        (qty, value): (i64, Decimal),
        rate: Decimal,
    ) -> Decimal {
        let qty = spec.qty(qty);
        let (base, quote, fee) = match side {
            Side::Buy if spec.fee_in == FeeIn::Quote => (qty, -value - value * rate, value * rate),
            Side::Buy => (qty - qty * rate, -value, qty * rate),
            Side::Sell => (-qty, value - value * rate, value * rate),
        };
        self.cell(wallet, spec.base).total += base;
        self.cell(wallet, spec.quote).total += quote;
        fee
    }
}
