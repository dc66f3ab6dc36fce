//! Positions, what they hold, and where they end.
//!
//! **Source**: DueDEX's help articles for margins and the linear isolated liquidation; the inverse one is the same in
//! 1/price, which the venue does not document. A cross position has the asset's available margin behind it as well.
//! What a step of the risk limit adds to the rates is not documented either: here each adds one maintenance rate.

use rust_decimal::Decimal;
use venuekit_types::Side;

use super::order::average;
use super::{Account, Insufficient, Wallet};
use crate::market::Spec;

/// A net position in a contract, and how it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Signed, in counts.
    pub qty: i64,
    /// Value at entry in the settlement asset, never negative.
    pub entry_value: Decimal,
    /// Realised while this position has been open.
    pub realised: Decimal,
    /// How often the margin at entry is worth the position; 0 is cross.
    pub leverage: Decimal,
    /// Margin put into an isolated position beyond what its leverage asks for.
    pub added: Decimal,
    /// How many steps the risk limit stands above its base.
    pub risk_steps: u32,
    /// When it last changed, Unix milliseconds.
    pub updated_ms: i64,
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

    /// True when no other margin stands behind it.
    pub fn is_isolated(&self) -> bool {
        !self.leverage.is_zero()
    }
}

/// Profit of a position of this sign between two values.
pub(crate) fn profit(spec: &Spec, sign: i64, entry: Decimal, exit: Decimal) -> Decimal {
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

impl Account {
    /// The position in a market.
    pub fn position(&self, market: usize) -> Position {
        self.positions[market]
    }

    /// The rates of initial and maintenance margin of a market as the account holds it.
    pub fn rates(&self, market: usize) -> (Decimal, Decimal) {
        let Some(contract) = &self.specs[market].contract else { return Default::default() };
        let (position, base) = (&self.positions[market], contract.maint_rate());
        let more = base * Decimal::from(position.risk_steps);
        let least = contract.init_rate() + more;
        let rate = Decimal::ONE.checked_div(position.leverage).unwrap_or(least);
        (rate.max(least), base + more)
    }

    /// The largest value of a position in a market; zero on spot.
    pub fn risk_limit(&self, market: usize) -> Decimal {
        let contract = self.specs[market].contract.as_ref();
        contract.map_or(Decimal::ZERO, |c| c.risk_limit(self.positions[market].risk_steps))
    }

    /// What open orders of one side hold in a market; those that only reduce hold nothing.
    pub fn order_margin(&self, market: usize, side: Side) -> Decimal {
        let spec = &self.specs[market];
        let Some(contract) = &spec.contract else { return Decimal::ZERO };
        let (rate, _) = self.rates(market);
        let orders = self.open.range((market, 0)..=(market, u64::MAX)).map(|key| &self.orders[key]);
        orders
            .filter(|order| order.side == side && order.holds())
            .filter_map(|order| Some(contract.cut(spec.value(order.price?, order.left()) * rate)))
            .sum()
    }

    /// What the position in a market holds.
    pub fn position_margin(&self, market: usize) -> Decimal {
        let position = &self.positions[market];
        let contract = self.specs[market].contract.as_ref();
        contract.map_or(Decimal::ZERO, |contract| {
            contract.cut(position.entry_value * self.rates(market).0) + position.added
        })
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

    /// What a position may lose before a share of its entry value is all that is left of its margin.
    fn cushion(&self, market: usize, kept: Decimal, marks: &[i64]) -> Decimal {
        let position = &self.positions[market];
        let own = (self.rates(market).0 - kept) * position.entry_value + position.added;
        if position.is_isolated() {
            own
        } else {
            own + self.margin(self.specs[market].money(), marks).available
        }
    }

    /// The price at which a position has lost its cushion; zero when flat.
    fn price_after(&self, market: usize, cushion: Decimal) -> Decimal {
        let (spec, position) = (&self.specs[market], &self.positions[market]);
        let Some(contract) = spec.contract.as_ref().filter(|_| position.qty != 0) else {
            return Decimal::ZERO;
        };
        let entry = position.entry_price(spec);
        let units = spec.qty(position.qty.abs()) * contract.multiplier();
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

    /// Where the position in a market would be taken over; zero when flat.
    pub fn liquidation_price(&self, market: usize, marks: &[i64]) -> Decimal {
        if self.positions[market].qty == 0 {
            return Decimal::ZERO;
        }
        let kept = self.rates(market).1;
        self.price_after(market, self.cushion(market, kept, marks))
    }

    /// Where nothing would be left of the position's margin; zero when flat.
    pub fn bankruptcy_price(&self, market: usize, marks: &[i64]) -> Decimal {
        if self.positions[market].qty == 0 {
            return Decimal::ZERO;
        }
        self.price_after(market, self.cushion(market, Decimal::ZERO, marks))
    }

    /// True when the position in a market has only its maintenance margin left at the mark.
    pub fn must_be_liquidated(&self, market: usize, marks: &[i64]) -> bool {
        let position = &self.positions[market];
        if position.qty == 0 {
            return false;
        }
        let loss = -position.unrealised(&self.specs[market], marks[market]);
        loss > Decimal::ZERO && loss >= self.cushion(market, self.rates(market).1, marks)
    }

    /// Says whether the account can pay for an order that costs at most `cost` (as [`Spec::value`] reckons).
    ///
    /// **Errors**: [`Insufficient`].
    pub fn covers(
        &self,
        wallet: Wallet,
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
                    Side::Buy => (spec.quote, cost * (Decimal::ONE + spec.quote_fee_rate())),
                    Side::Sell => (spec.base, spec.qty(qty)),
                };
                (self.cash_of(wallet, asset).free(), need)
            }
            Some(_) => {
                let held = self.positions[market].qty;
                let reduces = (held > 0) == (side == Side::Sell) && held.abs() >= qty;
                let rate = if reduces { Decimal::ZERO } else { self.rates(market).0 };
                (self.margin(spec.money(), marks).available, cost * (rate + spec.fee_rate(false)))
            }
        };
        if have >= need { Ok(()) } else { Err(Insufficient) }
    }

    /// Moves a position and its cash for a contract trade; gives the profit realised, the fee not counted.
    pub(super) fn settle(
        &mut self,
        market: usize,
        side: Side,
        (price, qty): (i64, i64),
        fee: Decimal,
        at_ms: i64,
    ) -> Decimal {
        let spec = &self.specs[market];
        let contract = spec.contract.as_ref().expect("only contracts settle");
        let position = &mut self.positions[market];
        let signed = if side == Side::Buy { qty } else { -qty };
        let opposite = position.qty != 0 && (position.qty > 0) != (signed > 0);
        let closed = if opposite { position.qty.abs().min(qty) } else { 0 };
        let (mut realised, mut exit) = (Decimal::ZERO, Decimal::ZERO);
        if closed > 0 {
            let part = position.entry_value * Decimal::from(closed) / Decimal::from(position.qty.abs());
            // The last contract takes all that is left, so that a flat position holds no dust.
            let entry = if closed == position.qty.abs() { position.entry_value } else { contract.cut(part) };
            exit = spec.value(price, closed);
            realised = profit(spec, position.qty, entry, exit);
            position.entry_value -= entry;
        }
        let opened = qty - closed;
        position.qty += signed;
        position.realised += realised - fee;
        position.updated_ms = at_ms;
        if opened > 0 {
            if closed > 0 || position.qty == signed {
                position.realised = realised - fee;
            }
            // What both parts are worth is what the whole is worth, whatever each is cut to.
            position.entry_value += spec.value(price, qty) - exit;
        }
        if position.qty == 0 || (closed > 0 && opened > 0) {
            position.added = Decimal::ZERO;
        }
        let cash = self.cash.entry((Wallet::Futures, contract.settle.code)).or_default();
        cash.total += realised - fee;
        cash.realised += realised - fee;
        realised
    }

    /// What of the cash of an asset stands against the entry values of its positions.
    ///
    /// Cash and this together change by the value of each trade and nothing else, so that over all accounts, each
    /// trade having two sides, they change only with what comes in and goes out.
    pub fn carried(&self, asset: &str) -> Decimal {
        let contracts = self.specs.iter().zip(&self.positions);
        let of_asset = contracts.filter(|(spec, _)| spec.contract.is_some() && spec.money() == asset);
        of_asset.map(|(spec, position)| profit(spec, position.qty, position.entry_value, Decimal::ZERO)).sum()
    }
}
