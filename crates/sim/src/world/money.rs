//! Money that moves by itself: funding and liquidation; and the sum that never changes.
//!
//! **Source**: funding at the venues' hours, longs paying shorts at a positive rate on the value at the mark; takeover
//! at the bankruptcy price when the mark reaches the liquidation price. Steps between (smaller risk limits, partial
//! reductions, deleveraging) are left out: the insurance fund closes what it took over at the mark, at once.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Side;

use super::World;
use crate::engine::Owner;
use crate::wallets::{Account, News, Order, Part, Ticket, Wallet, profit};

impl World {
    /// Everything of an asset: all wallets less loans, what positions carry, fees taken, and the insurance fund.
    ///
    /// It changes by what comes into accounts from outside and goes out again, never by a trade.
    pub fn conserved(&self, asset: &str) -> Decimal {
        let of = |account: &Account| -> Decimal {
            let cells = account.cash().filter(|cell| cell.1 == asset);
            cells.map(|(.., cash)| cash.total - cash.borrowed).sum::<Decimal>() + account.carried(asset)
        };
        let accounts: Decimal = self.accounts.iter().map(of).sum();
        accounts + of(&self.house) + self.fees_taken(asset) + self.insurance(asset)
    }

    /// Fees and interest taken so far, rebates off.
    pub fn fees_taken(&self, asset: &str) -> Decimal {
        self.fees.get(asset).copied().unwrap_or_default()
    }

    /// What the insurance fund has won, less what it has lost.
    pub fn insurance(&self, asset: &str) -> Decimal {
        self.insurance.get(asset).copied().unwrap_or_default()
    }

    /// Pays the funding of a market's period at its rate and mark.
    pub(super) fn fund(&mut self, market: usize) {
        let state = &self.markets[market];
        let (spec, reference) = (state.spec, state.reference);
        let Some(contract) = &spec.contract else { return };
        let rate = Decimal::new(reference.rate_e6, 6);
        let mut paid = Decimal::ZERO;
        for account in &mut self.accounts {
            let qty = account.position(market).qty;
            if qty == 0 {
                continue;
            }
            let value = contract.cut(spec.value(reference.mark, qty.abs()) * rate);
            let due = if qty > 0 { value } else { -value };
            account.position_mut(market).realised -= due;
            let cash = account.cell(Wallet::Futures, contract.settle.code);
            cash.total -= due;
            cash.realised -= due;
            account.keep_funding(market, -due, reference.next_ms);
            account.tell(News::Cash);
            paid += due;
        }
        self.house.cell(Wallet::Futures, contract.settle.code).total += paid;
    }

    /// Takes over the positions of a market that have come to their liquidation price.
    ///
    /// Called between steps, when all fills are booked.
    pub(super) fn liquidate(&mut self, market: usize, at_ms: i64) {
        let spec = self.markets[market].spec;
        if spec.contract.is_none() {
            return;
        }
        let marks = self.marks();
        for owner in (1..).map(Owner).take(self.accounts.len()) {
            let is_due =
                |world: &World| world.account(owner).is_some_and(|a| a.must_be_liquidated(market, &marks));
            if !is_due(self) {
                continue;
            }
            let position = self.account(owner).map(|account| account.position(market)).unwrap_or_default();
            self.free_margin(owner, market, position.is_isolated(), at_ms);
            // Margin that orders held may be enough.
            if is_due(self) {
                self.take_over(owner, market, position.qty, &marks, at_ms);
            }
        }
    }

    /// Cancels the orders that hold margin a position could use.
    fn free_margin(&mut self, owner: Owner, market: usize, isolated: bool, at_ms: i64) {
        let money = self.markets[market].spec.money();
        let specs: Vec<_> = self.markets.iter().map(|market| market.spec).collect();
        self.cancel_all(owner, |other| {
            let same = specs[other].contract.is_some() && specs[other].money() == money;
            other == market || (same && !isolated)
        });
        self.book_ends(|_| true, at_ms);
    }

    fn take_over(&mut self, owner: Owner, market: usize, held: i64, marks: &[i64], at_ms: i64) {
        let state = &mut self.markets[market];
        let (spec, mark) = (state.spec, state.reference.mark);
        let (side, other) = if held > 0 { (Side::Sell, Side::Buy) } else { (Side::Buy, Side::Sell) };
        let id = state.engine.reserve();
        let Some(account) = self.account_mut(owner) else { return };
        let counts = account.bankruptcy_price(market, marks) * Decimal::from(spec.price_scale.unit());
        let price = counts.to_i64().unwrap_or(mark).max(1);
        let qty = held.abs();
        let mut ticket = Ticket::new(owner, market, side, qty, None);
        ticket.reduce_only = true;
        account.accept(Order::of(ticket, id, at_ms));
        let part = Part { price, qty, maker: false, rate: Decimal::ZERO };
        let booked = account.fill(market, id, part, at_ms);
        if let Some(fill) = &booked {
            self.record_fill(owner, fill);
        }
        self.house.book(Wallet::Spot, market, other, Part { price: mark, ..part }, at_ms);
        let won = profit(spec, held, spec.value(price, qty), spec.value(mark, qty));
        *self.insurance.entry(spec.money()).or_default() += won;
        self.liquidations += 1;
    }

    /// Positions that were taken over so far.
    pub fn liquidations(&self) -> u64 {
        self.liquidations
    }

    /// Books the orders that ended in some markets, once the fills before them are booked.
    pub(super) fn book_ends(&mut self, markets: impl Fn(usize) -> bool, at_ms: i64) {
        let (due, rest) =
            std::mem::take(&mut self.ends).into_iter().partition::<Vec<_>, _>(|end| markets(end.1));
        self.ends = rest;
        for (owner, market, id, status) in due {
            self.end_order(owner, (market, id), status, at_ms);
        }
    }
}
