//! What accounts own and owe: cash by wallet, open orders, fills, positions and margins, in exact decimals.
//!
//! An [`Account`] is told of orders and fills by the world and keeps books of them; it never matches anything, and
//! it speaks no venue's wire. Amounts are cut toward zero at the places of the settlement asset, as DueDEX does.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::engine::{Fill, Tif};
use crate::market::Spec;

/// Fills kept per account.
pub const FILLS_MAX: usize = 200;

/// One of the separate ledgers of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wallet {
    /// What spot orders trade with.
    Spot,
    /// Collateral and loans.
    Margin,
    /// What contracts settle in.
    Futures,
}

impl Wallet {
    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Wallet::Spot => "spot",
            Wallet::Margin => "margin",
            Wallet::Futures => "futures",
        }
    }
}

/// One asset in one wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cash {
    /// Everything, locked or not: deposits and what was realised.
    pub total: Decimal,
    /// The part that spot orders hold; margins of contracts are reckoned, not locked.
    pub locked: Decimal,
    /// Realised profit of contracts so far, fees included.
    pub realised: Decimal,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing filled yet.
    New,
    /// Some of it filled.
    PartiallyFilled,
    /// All of it filled.
    Filled,
    /// The rest will not fill.
    Cancelled,
}

/// An order of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Index of the market.
    pub market: usize,
    /// The engine's id.
    pub id: u64,
    /// The client's own id; empty for none.
    pub client_id: String,
    /// Buy or sell.
    pub side: Side,
    /// The limit, in counts; none for a market order.
    pub price: Option<i64>,
    /// Ordered, in counts.
    pub qty: i64,
    /// Filled, in counts.
    pub filled: i64,
    /// Value of the fills, as [`Spec::value`] reckons.
    pub value: Decimal,
    /// Fees so far; negative is a rebate.
    pub fee: Decimal,
    /// How long it may wait.
    pub tif: Tif,
    /// Refused rather than filled at once.
    pub post_only: bool,
    /// Where it stands.
    pub status: Status,
    /// Taken in, Unix milliseconds.
    pub created_ms: i64,
    /// Last changed, Unix milliseconds.
    pub updated_ms: i64,
}

impl Order {
    /// The average fill price rounded to the price scale; zero before the first fill.
    pub fn average(&self, spec: &Spec) -> Decimal {
        average(spec, self.filled, self.value)
    }

    /// The asset that the fee is taken in: what the order receives on spot, the settlement asset for contracts.
    pub fn fee_asset(&self, spec: &Spec) -> &'static str {
        if spec.contract.is_none() && self.side == Side::Buy { spec.base } else { spec.money() }
    }

    /// What is left to fill, in counts.
    pub fn left(&self) -> i64 {
        self.qty - self.filled
    }
}

/// The average price of a quantity that was worth `value`, rounded to the price scale.
fn average(spec: &Spec, qty: i64, value: Decimal) -> Decimal {
    if qty == 0 || value.is_zero() {
        return Decimal::ZERO;
    }
    let units = spec.qty(qty.abs()) * spec.contract.as_ref().map_or(Decimal::ONE, |c| c.multiplier());
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    let price = if inverse { units / value } else { value / units };
    price.round_dp(u32::from(spec.price_scale.digits()))
}

/// A fill of an account's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFill {
    /// Index of the market.
    pub market: usize,
    /// The fill's id, ascending by one per market.
    pub id: u64,
    /// The order, as it stood after this fill.
    pub order: Order,
    /// In counts.
    pub price: i64,
    /// In counts.
    pub qty: i64,
    /// True when our order rested.
    pub maker: bool,
    /// The fee rate.
    pub rate: Decimal,
    /// The fee; negative is a rebate.
    pub fee: Decimal,
    /// Profit realised by this fill.
    pub realised: Decimal,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// A net position in a contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Signed, in counts.
    pub qty: i64,
    /// Value at entry in the settlement asset, never negative.
    pub entry_value: Decimal,
    /// Realised while this position has been open.
    pub realised: Decimal,
}

impl Position {
    /// The average entry price; zero when flat.
    pub fn entry_price(&self, spec: &Spec) -> Decimal {
        average(spec, self.qty, self.entry_value)
    }

    /// Profit if it were closed at `mark`.
    pub fn unrealised(&self, spec: &Spec, mark: i64) -> Decimal {
        let now = spec.value(mark, self.qty.abs());
        profit(spec, self.qty, self.entry_value, now)
    }
}

/// Profit of a position of this sign between two values.
fn profit(spec: &Spec, sign: i64, entry: Decimal, exit: Decimal) -> Decimal {
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    if (sign > 0) == inverse { entry - exit } else { exit - entry }
}

/// The margins of one settlement asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// What new orders may use.
    pub available: Decimal,
    /// Held by open orders.
    pub order: Decimal,
    /// Held by positions.
    pub position: Decimal,
    /// Realised so far.
    pub realised: Decimal,
    /// Open profit at the marks.
    pub unrealised: Decimal,
}

/// What happened to an account, in order, for the streams to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An order was taken in, cancelled or changed.
    Order(Order),
    /// An order filled, in part or whole.
    Fill(OwnFill),
}

/// An order that its account cannot pay for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the balance does not cover the order; deposit, or order less")]
pub struct Insufficient;

/// One user's books.
#[derive(Clone, Debug)]
pub struct Account {
    /// The number the venue knows the user by.
    pub user: u32,
    specs: &'static [Spec],
    cash: BTreeMap<(Wallet, &'static str), Cash>,
    positions: Vec<Position>,
    open: BTreeMap<(usize, u64), Order>,
    fills: VecDeque<OwnFill>,
    fill_ids: Vec<u64>,
    news: Vec<News>,
}

impl Account {
    /// An account without funds.
    pub fn new(user: u32, specs: &'static [Spec]) -> Account {
        Account {
            user,
            specs,
            cash: BTreeMap::new(),
            positions: vec![Position::default(); specs.len()],
            open: BTreeMap::new(),
            fills: VecDeque::new(),
            fill_ids: vec![0; specs.len()],
            news: Vec::new(),
        }
    }

    /// Puts funds into a wallet.
    pub fn deposit(&mut self, wallet: Wallet, asset: &'static str, amount: Decimal) {
        self.cash.entry((wallet, asset)).or_default().total += amount;
    }

    /// All cells, by wallet and asset.
    pub fn cash(&self) -> impl Iterator<Item = (Wallet, &'static str, Cash)> + '_ {
        self.cash.iter().map(|(&(wallet, asset), &cash)| (wallet, asset, cash))
    }

    /// One cell; empty when there is none.
    pub fn cash_of(&self, wallet: Wallet, asset: &'static str) -> Cash {
        self.cash.get(&(wallet, asset)).copied().unwrap_or_default()
    }

    /// The position in a market.
    pub fn position(&self, market: usize) -> Position {
        self.positions[market]
    }

    /// Open orders by market and id.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.values()
    }

    /// An open order.
    pub fn open_order(&self, market: usize, id: u64) -> Option<&Order> {
        self.open.get(&(market, id))
    }

    /// The latest fills, oldest first.
    pub fn fills(&self) -> impl Iterator<Item = &OwnFill> {
        self.fills.iter()
    }

    /// Moves what happened since the last call into `out`.
    pub fn drain_news(&mut self, out: &mut Vec<News>) {
        out.append(&mut self.news);
    }

    /// What open orders of one side hold in a market.
    pub fn order_margin(&self, market: usize, side: Side) -> Decimal {
        let spec = &self.specs[market];
        let Some(contract) = &spec.contract else { return Decimal::ZERO };
        let orders = self.open.range((market, 0)..=(market, u64::MAX)).map(|(_, order)| order);
        orders
            .filter(|order| order.side == side)
            .map(|order| {
                let value = spec.value(order.price.unwrap_or_default(), order.left());
                contract.cut(value * contract.init_rate())
            })
            .sum()
    }

    /// What the position in a market holds.
    pub fn position_margin(&self, market: usize) -> Decimal {
        let contract = self.specs[market].contract.as_ref();
        contract.map_or(Decimal::ZERO, |c| c.cut(self.positions[market].entry_value * c.init_rate()))
    }

    /// The margins of a settlement asset at the given marks, one per market.
    pub fn margin(&self, asset: &'static str, marks: &[i64]) -> Margin {
        let cash = self.cash_of(Wallet::Futures, asset);
        let mut margin = Margin { available: cash.total, realised: cash.realised, ..Margin::default() };
        for (market, spec) in self.specs.iter().enumerate() {
            if spec.contract.is_none() || spec.money() != asset {
                continue;
            }
            margin.order += self.order_margin(market, Side::Buy) + self.order_margin(market, Side::Sell);
            margin.position += self.position_margin(market);
            margin.unrealised += self.positions[market].unrealised(spec, marks[market]);
        }
        margin.available -= margin.order + margin.position;
        margin
    }

    /// Where the position in a market would be taken over, all margin of its asset behind it; zero when flat.
    ///
    /// **Source**: the venue's isolated formula for linear contracts, with the available margin as what was added;
    /// the inverse one is the same in 1/price, which the venue does not document.
    pub fn liquidation_price(&self, market: usize, marks: &[i64]) -> Decimal {
        let (spec, position) = (&self.specs[market], &self.positions[market]);
        let Some(contract) = spec.contract.as_ref().filter(|_| position.qty != 0) else {
            return Decimal::ZERO;
        };
        let entry = position.entry_price(spec);
        let units = spec.qty(position.qty.abs()) * contract.multiplier();
        let cushion = (contract.init_rate() - contract.maint_rate()) * position.entry_value
            + self.margin(spec.money(), marks).available;
        let ceiling = spec.price(contract.max_price);
        let price = match (contract.inverse, position.qty > 0) {
            (false, true) => entry - cushion / units,
            (false, false) => entry + cushion / units,
            (true, long) => {
                let reciprocal = Decimal::ONE.checked_div(entry).unwrap_or_default();
                let moved = if long { reciprocal + cushion / units } else { reciprocal - cushion / units };
                if moved > Decimal::ZERO { Decimal::ONE / moved } else { ceiling }
            }
        };
        price.clamp(Decimal::ZERO, ceiling).round_dp(u32::from(spec.price_scale.digits()))
    }

    /// Says whether the account can pay for an order that costs at most `cost` (as [`Spec::value`] reckons).
    ///
    /// **Errors**: [`Insufficient`].
    pub fn covers(
        &self,
        market: usize,
        side: Side,
        qty: i64,
        cost: Decimal,
        marks: &[i64],
    ) -> Result<(), Insufficient> {
        let spec = &self.specs[market];
        let (have, need) = match &spec.contract {
            None => {
                let (asset, need) = match side {
                    Side::Buy => (spec.quote, cost),
                    Side::Sell => (spec.base, spec.qty(qty)),
                };
                let cash = self.cash_of(Wallet::Spot, asset);
                (cash.total - cash.locked, need)
            }
            Some(contract) => {
                let held = self.positions[market].qty;
                let reduces = (held > 0) == (side == Side::Sell) && held.abs() >= qty;
                let rate = if reduces { Decimal::ZERO } else { contract.init_rate() };
                (self.margin(spec.money(), marks).available, cost * (rate + spec.fee_rate(false)))
            }
        };
        if have >= need { Ok(()) } else { Err(Insufficient) }
    }

    /// Takes an accepted order into the books, before its first fill.
    pub(crate) fn accept(&mut self, order: Order) {
        self.lock(&order, Decimal::ONE);
        self.news.push(News::Order(order.clone()));
        self.open.insert((order.market, order.id), order);
    }

    /// Books a fill of one of our orders.
    pub(crate) fn fill(&mut self, market: usize, fill: &Fill, maker: bool, at_ms: i64) {
        let id = if maker { fill.maker.order } else { fill.taker.order };
        let Some(mut order) = self.open.remove(&(market, id)) else { return };
        let spec = &self.specs[market];
        self.lock(&order, Decimal::NEGATIVE_ONE);
        let value = spec.value(fill.price, fill.qty);
        let rate = spec.fee_rate(maker);
        let (fee, realised) = match &spec.contract {
            None => (self.exchange(spec, order.side, fill.qty, value, rate), Decimal::ZERO),
            Some(contract) => {
                let fee = contract.cut(value * rate);
                (fee, self.settle(market, order.side, fill, fee))
            }
        };
        order.filled += fill.qty;
        order.value += value;
        order.fee += fee;
        order.updated_ms = at_ms;
        order.status = if order.left() == 0 { Status::Filled } else { Status::PartiallyFilled };
        if order.status != Status::Filled {
            self.lock(&order, Decimal::ONE);
            self.open.insert((market, id), order.clone());
        }
        self.fill_ids[market] += 1;
        let own = OwnFill {
            market,
            id: self.fill_ids[market],
            order,
            price: fill.price,
            qty: fill.qty,
            maker,
            rate,
            fee,
            realised,
            at_ms,
        };
        if self.fills.len() == FILLS_MAX {
            self.fills.pop_front();
        }
        self.fills.push_back(own.clone());
        self.news.push(News::Fill(own));
    }

    /// Books the end of an order that did not fill whole.
    pub(crate) fn cancel(&mut self, market: usize, id: u64, at_ms: i64) {
        if let Some(mut order) = self.open.remove(&(market, id)) {
            self.lock(&order, Decimal::NEGATIVE_ONE);
            order.status = Status::Cancelled;
            order.updated_ms = at_ms;
            self.news.push(News::Order(order));
        }
    }

    /// Locks (+1) or frees (-1) what the rest of a spot limit order holds.
    fn lock(&mut self, order: &Order, sign: Decimal) {
        let spec = &self.specs[order.market];
        let Some(price) = order.price.filter(|_| spec.contract.is_none()) else { return };
        let (asset, amount) = match order.side {
            Side::Buy => (spec.quote, spec.value(price, order.left())),
            Side::Sell => (spec.base, spec.qty(order.left())),
        };
        self.cash.entry((Wallet::Spot, asset)).or_default().locked += amount * sign;
    }

    /// Swaps assets for a spot fill; gives the fee, which comes off what is received.
    fn exchange(&mut self, spec: &Spec, side: Side, qty: i64, value: Decimal, rate: Decimal) -> Decimal {
        let qty = spec.qty(qty);
        let (base, quote, fee) = match side {
            Side::Buy => (qty - qty * rate, -value, qty * rate),
            Side::Sell => (-qty, value - value * rate, value * rate),
        };
        self.cash.entry((Wallet::Spot, spec.base)).or_default().total += base;
        self.cash.entry((Wallet::Spot, spec.quote)).or_default().total += quote;
        fee
    }

    /// Moves a position for a contract fill; gives the profit realised, the fee not counted.
    fn settle(&mut self, market: usize, side: Side, fill: &Fill, fee: Decimal) -> Decimal {
        let spec = &self.specs[market];
        let contract = spec.contract.as_ref().expect("only contracts settle");
        let position = &mut self.positions[market];
        let signed = if side == Side::Buy { fill.qty } else { -fill.qty };
        let opposite = position.qty != 0 && (position.qty > 0) != (signed > 0);
        let closed = if opposite { position.qty.abs().min(fill.qty) } else { 0 };
        let mut realised = Decimal::ZERO;
        if closed > 0 {
            let part = position.entry_value * Decimal::from(closed) / Decimal::from(position.qty.abs());
            // The last contract takes all that is left, so that a flat position holds no dust.
            let entry = if closed == position.qty.abs() { position.entry_value } else { contract.cut(part) };
            realised = profit(spec, position.qty, entry, spec.value(fill.price, closed));
            position.entry_value -= entry;
        }
        let opened = fill.qty - closed;
        position.qty += signed;
        position.realised += realised - fee;
        if opened > 0 {
            if closed > 0 || position.qty == signed {
                position.realised = realised - fee;
            }
            position.entry_value += spec.value(fill.price, opened);
        }
        let cash = self.cash.entry((Wallet::Futures, contract.settle.code)).or_default();
        cash.total += realised - fee;
        cash.realised += realised - fee;
        realised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Owner, Party};
    use crate::market::{DOEX, DUEDEX};
    use proptest::prelude::*;

    fn dec(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    fn order(market: usize, id: u64, side: Side, price: i64, qty: i64) -> Order {
        Order {
            market,
            id,
            client_id: String::new(),
            side,
            price: Some(price),
            qty,
            filled: 0,
            value: Decimal::ZERO,
            fee: Decimal::ZERO,
            tif: Tif::Gtc,
            post_only: false,
            status: Status::New,
            created_ms: 1,
            updated_ms: 1,
        }
    }

    fn fill(id: u64, price: i64, qty: i64) -> Fill {
        let ours = Party { order: id, owner: Owner(1) };
        Fill { trade: id, price, qty, aggressor: Side::Buy, maker: ours, taker: ours }
    }

    #[test]
    fn spot_money_moves_to_the_last_digit() {
        let mut account = Account::new(1, &DOEX);
        account.deposit(Wallet::Spot, "USDT", dec("1000"));
        account.accept(order(0, 1, Side::Buy, 6_000_000, 1000));
        assert_eq!(account.cash_of(Wallet::Spot, "USDT").locked, dec("600"));
        // Half of it fills at a better price: the difference is free again.
        account.fill(0, &fill(1, 5_990_000, 500), true, 2);
        let usdt = account.cash_of(Wallet::Spot, "USDT");
        assert_eq!((usdt.total, usdt.locked), (dec("700.5"), dec("300")));
        assert_eq!(account.cash_of(Wallet::Spot, "BTC").total, dec("0.004995"));
        account.cancel(0, 1, 3);
        assert_eq!(account.cash_of(Wallet::Spot, "USDT").locked, Decimal::ZERO);
        let mut news = vec![];
        account.drain_news(&mut news);
        let statuses: Vec<Status> = news
            .iter()
            .map(|n| match n {
                News::Order(order) => order.status,
                News::Fill(fill) => fill.order.status,
            })
            .collect();
        assert_eq!(statuses, [Status::New, Status::PartiallyFilled, Status::Cancelled]);
    }

    #[test]
    fn an_order_must_be_paid_for() {
        let mut account = Account::new(1, &DOEX);
        account.deposit(Wallet::Spot, "USDT", dec("10"));
        let marks = [0; 5];
        assert_eq!(account.covers(0, Side::Buy, 1, dec("10"), &marks), Ok(()));
        assert_eq!(account.covers(0, Side::Buy, 1, dec("10.01"), &marks), Err(Insufficient));
        assert_eq!(account.covers(0, Side::Sell, 1, dec("0"), &marks), Err(Insufficient));
        assert_eq!(account.covers(3, Side::Sell, 1, dec("1"), &marks), Err(Insufficient));
    }

    #[test]
    fn the_inverse_contract_pays_in_the_base() {
        let mut account = Account::new(1, &DUEDEX);
        account.deposit(Wallet::Futures, "BTC", dec("1"));
        account.accept(order(0, 1, Side::Buy, 1_000_000, 1000));
        account.fill(0, &fill(1, 1_000_000, 1000), false, 2);
        let position = account.position(0);
        assert_eq!((position.qty, position.entry_value), (1000, dec("0.1")));
        assert_eq!(position.entry_price(&DUEDEX[0]), dec("10000"));
        assert_eq!(position.unrealised(&DUEDEX[0], 1_100_000), dec("0.00909091"));
        // Taker fee 0.075 % of 0.1.
        assert_eq!(account.cash_of(Wallet::Futures, "BTC").total, dec("0.999925"));
        let liquidation = account.liquidation_price(0, &[1_000_000, 0, 0, 0]);
        assert!(liquidation > dec("900") && liquidation < dec("1000"), "{liquidation}");
        // Sold through zero: 1000 closed, 500 opened short.
        account.accept(order(0, 2, Side::Sell, 1_100_000, 1500));
        account.fill(0, &fill(2, 1_100_000, 1500), true, 3);
        let position = account.position(0);
        assert_eq!((position.qty, position.entry_value), (-500, dec("0.04545454")));
        // The value at exit is cut, so the profit is larger by that part of a satoshi.
        assert_eq!(
            account.cash_of(Wallet::Futures, "BTC").realised,
            dec("-0.000075") + dec("0.00909091") + dec("0.00003409")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        /// The identity that both recorded margin samples of DueDEX show, after any run of fills and cancels.
        #[test]
        fn available_and_margins_are_deposits_and_realised(
            moves in prop::collection::vec((0usize..4, any::<bool>(), 1i64..500, -20i64..20, 0i64..3), 1..40)
        ) {
            let mut account = Account::new(1, &DUEDEX);
            account.deposit(Wallet::Futures, "BTC", dec("10"));
            account.deposit(Wallet::Futures, "USDT", dec("50000"));
            let marks: Vec<i64> = DUEDEX.iter().map(|spec| spec.open).collect();
            for (id, (market, buy, qty, away, part)) in (1..).zip(moves) {
                let side = if buy { Side::Buy } else { Side::Sell };
                let price = DUEDEX[market].open + away * DUEDEX[market].tick;
                account.accept(order(market, id, side, price, qty * 2));
                if part > 0 {
                    account.fill(market, &fill(id, price, qty), part == 1, 2);
                }
                if part == 2 {
                    account.cancel(market, id, 3);
                }
            }
            for (asset, deposit) in [("BTC", "10"), ("USDT", "50000")] {
                let margin = account.margin(asset, &marks);
                prop_assert_eq!(margin.available + margin.order + margin.position, dec(deposit) + margin.realised);
            }
            for market in 0..4 {
                let position = account.position(market);
                prop_assert_eq!(position.qty == 0, position.entry_value.is_zero());
                prop_assert!(position.entry_value >= Decimal::ZERO);
            }
        }
    }
}
