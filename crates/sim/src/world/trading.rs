//! Orders of accounts: what is refused, what waits for a price, what is amended, cancelled and set off.

use rust_decimal::Decimal;
use venuekit_types::Side;

use super::World;
use crate::engine::{Engine, MAX_QTY, NewOrder, Owner, Placed, Refused, Tif};
use crate::market::Spec;
use crate::wallets::{Account, Insufficient, OPEN_MAX, Order, Status, Ticket, Trigger, Wallet};

/// Why an order was not taken; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// A price or a stop price is missing or not positive.
    #[error("the price is missing or not positive")]
    BadPrice,
    /// A price or a stop price is no multiple of the tick.
    #[error("the price is off the tick; give a multiple of it")]
    OffTick,
    /// A price or a stop price is above the largest one.
    #[error("the price is above the largest price")]
    PriceTooHigh,
    /// The quantity is not positive.
    #[error("the quantity is not positive")]
    BadQty,
    /// The quantity is no multiple of the step.
    #[error("the quantity is off the step; give a multiple of it")]
    OffStep,
    /// The quantity is above the largest order.
    #[error("the quantity is above the largest order")]
    TooLarge,
    /// The order is worth too little.
    #[error("the order is below the smallest value; order more")]
    TooSmall,
    /// The client's own id was used before in this market.
    #[error("the client order id was used before; take a new one")]
    Duplicate,
    /// Too many orders are open.
    #[error("{OPEN_MAX} orders are open; cancel some first")]
    TooManyOpen,
    /// A reducing order finds no position of the other direction.
    #[error("there is no position to reduce")]
    NoPosition,
    /// Reducing orders would together be larger than the position.
    #[error("reducing orders would exceed the position; order less, or cancel those that reduce it already")]
    OverReduces,
    /// The position would be worth more than its risk limit.
    #[error("the position would exceed its risk limit; order less, or raise the limit")]
    RiskLimit,
    /// Nothing of it could fill at once.
    #[error("nothing of the order could fill at once")]
    NothingFills,
    /// The order is not open, or has no price to change.
    #[error("the order is not open or has no price")]
    NotAmendable,
    /// The funds do not cover it.
    #[error(transparent)]
    Insufficient(#[from] Insufficient),
    /// The engine refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl World {
    /// Takes an order of an account in; its fills are booked by the next [`World::flush`] of the market.
    ///
    /// One that waits for a price holds no funds until it is set off.
    ///
    /// **Errors**: [`Denied`]; then nothing changed.
    pub fn submit(&mut self, ticket: Ticket, at_ms: i64) -> Result<u64, Denied> {
        if let Err(denied) = self.check(&ticket) {
            self.duplicates += u64::from(denied == Denied::Duplicate);
            return Err(denied);
        }
        let (owner, market) = (ticket.owner, ticket.market);
        if ticket.kind.waits() {
            let id = self.markets[market].engine.reserve();
            self.stops[market].insert(id, owner);
            self.owned_mut(owner)?.accept(Order::of(ticket, id, at_ms));
            return Ok(id);
        }
        let order = NewOrder {
            owner,
            side: ticket.side,
            qty: ticket.qty,
            limit: ticket.price,
            tif: ticket.tif,
            post_only: ticket.post_only,
        };
        self.afford(ticket.wallet, market, &order)?;
        let engine = &mut self.markets[market].engine;
        if ticket.must_fill && engine.fillable(&order) == 0 {
            return Err(Denied::NothingFills);
        }
        let placed = match engine.place(order) {
            Err(Refused::CannotFill) if ticket.expires => {
                Placed { id: engine.reserve(), filled: 0, resting: 0 }
            }
            placed => placed?,
        };
        self.owned_mut(owner)?.accept(Order::of(ticket, placed.id, at_ms));
        if placed.filled + placed.resting < order.qty {
            self.ends.push((owner, market, placed.id, Status::Expired));
        }
        Ok(placed.id)
    }

    /// Changes the price of an open limit order; one in the book goes to the end of its new level.
    ///
    /// **Errors**: [`Denied`]; then nothing changed.
    pub fn amend(
        &mut self,
        owner: Owner,
        market: usize,
        id: u64,
        price: i64,
        at_ms: i64,
    ) -> Result<(), Denied> {
        let qty = self.owned(owner)?.open_order(market, id).ok_or(Denied::NotAmendable)?.qty;
        self.amend_to(owner, (market, id), price, qty, at_ms)
    }

    /// Changes price and quantity of an open limit order; one in the book goes to the end of its new level, and one
    /// that has filled as much already is cancelled.
    ///
    /// **Errors**: [`Denied`]; then nothing changed.
    pub fn amend_to(
        &mut self,
        owner: Owner,
        (market, id): (usize, u64),
        price: i64,
        qty: i64,
        at_ms: i64,
    ) -> Result<(), Denied> {
        let order = self.owned(owner)?.open_order(market, id).ok_or(Denied::NotAmendable)?.clone();
        let old = order.price.ok_or(Denied::NotAmendable)?;
        let spec = self.markets[market].spec;
        check_price(spec, price)?;
        check_qty(spec, qty)?;
        if qty <= order.filled {
            self.cancel(owner, market, id);
            return Ok(());
        }
        let change = |order: &mut Order| (order.price, order.qty) = (Some(price), qty);
        if order.status == Status::Untriggered {
            self.owned_mut(owner)?.change(market, id, at_ms, change);
            return Ok(());
        }
        let (side, post_only, left) = (order.side, order.post_only, qty - order.filled);
        self.affords_more(owner, &order, spec.value(price, left) - spec.value(old, order.left()), left)?;
        let new = NewOrder { owner, side, qty: left, limit: Some(price), tif: Tif::Gtc, post_only };
        let engine = &mut self.markets[market].engine;
        if post_only && engine.fillable(&new) > 0 {
            return Err(Refused::WouldCross.into());
        }
        engine.cancel(id).ok_or(Denied::NotAmendable)?;
        engine.place_as(id, new)?;
        self.owned_mut(owner)?.change(market, id, at_ms, change);
        Ok(())
    }

    /// Takes an account's order out; false when it is not open.
    pub fn cancel(&mut self, owner: Owner, market: usize, id: u64) -> bool {
        self.withdraw_order(owner, market, id, Status::Cancelled)
    }

    /// Takes an account's open orders out of some markets; gives them by market and id.
    pub fn cancel_all(&mut self, owner: Owner, markets: impl Fn(usize) -> bool) -> Vec<(usize, u64)> {
        let open = self.account(owner).into_iter().flat_map(Account::open_orders);
        let open = open.filter(|order| markets(order.market)).map(|order| (order.market, order.id));
        let open: Vec<_> = open.collect();
        open.into_iter().filter(|&(market, id)| self.cancel(owner, market, id)).collect()
    }

    /// What a market order for so much would cost now, as [`Spec::value`] reckons.
    pub fn cost(&self, market: usize, order: &NewOrder) -> Decimal {
        let super::Market { spec, engine, .. } = &self.markets[market];
        match order.limit {
            Some(price) => spec.value(price, order.qty),
            None => market_cost(spec, engine, order),
        }
    }

    /// Orders that were refused because their client order id had been used: what a blind repetition looks like.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn owned(&self, owner: Owner) -> Result<&Account, Denied> {
        self.account(owner).ok_or(Denied::NoAccount)
    }

    fn owned_mut(&mut self, owner: Owner) -> Result<&mut Account, Denied> {
        self.account_mut(owner).ok_or(Denied::NoAccount)
    }

    fn afford(&self, wallet: Wallet, market: usize, order: &NewOrder) -> Result<(), Denied> {
        let cost = self.cost(market, order);
        Ok(self.owned(order.owner)?.covers(wallet, market, order.side, order.qty, cost, &self.marks())?)
    }

    /// Says whether the account can pay what an order of its would cost more with so much of it left.
    fn affords_more(&self, owner: Owner, order: &Order, more: Decimal, left: i64) -> Result<(), Denied> {
        let account = self.owned(owner)?;
        let growth = left - order.left();
        if order.reduce_only {
            let (most, taken) = reducible(account, order.market, order.side);
            return if taken + growth > most { Err(Denied::OverReduces) } else { Ok(()) };
        }
        let is_spot_sale = self.markets[order.market].spec.contract.is_none() && order.side == Side::Sell;
        let (grows, qty) = if is_spot_sale { (growth > 0, growth) } else { (more > Decimal::ZERO, left) };
        if grows {
            account.covers(order.wallet, order.market, order.side, qty, more, &self.marks())?;
        }
        Ok(())
    }

    fn check(&self, ticket: &Ticket) -> Result<(), Denied> {
        let account = self.owned(ticket.owner)?;
        let market = &self.markets[ticket.market];
        let spec = market.spec;
        if ticket.kind.is_limit() != ticket.price.is_some() || ticket.kind.waits() != ticket.stop.is_some() {
            return Err(Denied::BadPrice);
        }
        for price in ticket.price.into_iter().chain(ticket.stop.map(|stop| stop.price)) {
            check_price(spec, price)?;
        }
        check_qty(spec, ticket.qty)?;
        let price = ticket.price.or(ticket.stop.map(|stop| stop.price)).unwrap_or(market.last_price());
        if !ticket.reduce_only && spec.value(price, ticket.qty) < spec.least_value() {
            return Err(Denied::TooSmall);
        }
        let known = |id: &String| {
            let order = account.order_by_client_id(ticket.market, id);
            order.is_some_and(|order| order.status.is_open() || !ticket.reuses_id)
        };
        if !ticket.client_id.is_empty() && known(&ticket.client_id) {
            return Err(Denied::Duplicate);
        }
        if account.open_orders().count() >= OPEN_MAX {
            return Err(Denied::TooManyOpen);
        }
        if ticket.reduce_only && !ticket.kind.waits() {
            let (reducible, taken) = reducible(account, ticket.market, ticket.side);
            return match reducible {
                0 => Err(Denied::NoPosition),
                most if taken + ticket.qty > most => Err(Denied::OverReduces),
                _ => Ok(()),
            };
        }
        if spec.contract.is_some() && !ticket.reduce_only {
            let signed = |side, qty: i64| if side == Side::Buy { qty } else { -qty };
            let held = account.position(ticket.market).qty;
            let open = account.open_orders().filter(|order| {
                order.market == ticket.market && order.side == ticket.side && !order.reduce_only
            });
            let more = open.map(Order::left).sum::<i64>() + ticket.qty;
            let becomes = held + signed(ticket.side, more);
            let value = spec.value(market.reference.mark, becomes.abs());
            if becomes.abs() > held.abs() && value > account.risk_limit(ticket.market) {
                return Err(Denied::RiskLimit);
            }
        }
        Ok(())
    }

    /// Takes an order out of the book or from among those that wait; its end is booked by the next flush.
    fn withdraw_order(&mut self, owner: Owner, market: usize, id: u64, status: Status) -> bool {
        let engine = &mut self.markets[market].engine;
        let rests = engine.order(id).is_some_and(|order| order.owner == owner);
        if rests {
            engine.cancel(id);
        }
        let waits = self.stops[market].get(&id) == Some(&owner);
        if waits {
            self.stops[market].remove(&id);
        }
        if rests || waits {
            self.ends.push((owner, market, id, status));
        }
        rests || waits
    }

    /// Sets off the orders of a market whose price has come.
    pub(super) fn set_off(&mut self, market: usize, at_ms: i64) {
        let state = &self.markets[market];
        let (last, reference) = (state.last_price(), state.reference);
        let is_due = |order: &Order| {
            let Some(stop) = order.stop else { return true };
            let price = match stop.trigger {
                Trigger::Last => last,
                Trigger::Index => reference.index,
                Trigger::Mark => reference.mark,
            };
            if order.kind.waits_for_rise(order.side) { price >= stop.price } else { price <= stop.price }
        };
        let waiting = self.stops[market].iter();
        let due = waiting.filter(|&(&id, &owner)| {
            self.account(owner).and_then(|account| account.open_order(market, id)).is_none_or(is_due)
        });
        let due: Vec<(u64, Owner)> = due.map(|(&id, &owner)| (id, owner)).collect();
        for (id, owner) in due {
            self.stops[market].remove(&id);
            if self.activate(owner, market, id, at_ms).is_err() {
                self.end_order(owner, (market, id), Status::Expired, at_ms);
            }
        }
    }

    /// Places an order that waited; one that reduces is cut to the position first.
    fn activate(&mut self, owner: Owner, market: usize, id: u64, at_ms: i64) -> Result<(), Denied> {
        let account = self.owned(owner)?;
        let order = account.open_order(market, id).ok_or(Denied::NotAmendable)?;
        let (side, post_only, wallet) = (order.side, order.post_only, order.wallet);
        let (limit, tif) = (order.price, order.tif);
        let mut new = NewOrder { owner, side, qty: order.qty, limit, tif, post_only };
        if order.reduce_only {
            let (most, taken) = reducible(account, market, side);
            new.qty = new.qty.min(most - taken);
            if new.qty < 1 {
                return Err(Denied::NoPosition);
            }
        } else {
            self.afford(wallet, market, &new)?;
        }
        let placed = self.markets[market].engine.place_as(id, new)?;
        self.owned_mut(owner)?.change(market, id, at_ms, |order| {
            (order.status, order.qty) = (Status::New, new.qty);
        });
        if placed.filled + placed.resting < new.qty {
            self.ends.push((owner, market, id, Status::Expired));
        }
        Ok(())
    }

    /// Takes out reducing orders that have become larger than the position, the newest first.
    pub(super) fn trim(&mut self, owner: Owner, market: usize) {
        let Some(account) = self.account(owner) else { return };
        let mut over = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let (most, mut taken) = reducible(account, market, side);
            let mut reducing: Vec<&Order> = reducing(account, market, side).collect();
            while let Some(order) = reducing.pop().filter(|_| taken > most) {
                taken -= order.left();
                over.push(order.id);
            }
        }
        for id in over {
            self.withdraw_order(owner, market, id, Status::Expired);
        }
    }
}

/// The reducing orders of one side that stand in the book.
fn reducing(account: &Account, market: usize, side: Side) -> impl Iterator<Item = &Order> {
    account.open_orders().filter(move |order| {
        let stands = order.status != Status::Untriggered && order.reduce_only;
        stands && (order.market, order.side) == (market, side)
    })
}

/// How much orders of a side could reduce, and how much of it is taken by those in the book.
fn reducible(account: &Account, market: usize, side: Side) -> (i64, i64) {
    let held = account.position(market).qty;
    let against = if side == Side::Buy { -held } else { held };
    (against.max(0), reducing(account, market, side).map(Order::left).sum())
}

fn check_qty(spec: &Spec, qty: i64) -> Result<(), Denied> {
    match qty {
        qty if qty < 1 => Err(Denied::BadQty),
        qty if qty > spec.max_qty.min(MAX_QTY) => Err(Denied::TooLarge),
        qty if qty % spec.step != 0 => Err(Denied::OffStep),
        _ => Ok(()),
    }
}

fn check_price(spec: &Spec, price: i64) -> Result<(), Denied> {
    let ceiling = spec.contract.as_ref().map_or(i64::MAX, |contract| contract.max_price);
    match price {
        price if price < 1 => Err(Denied::BadPrice),
        price if price > ceiling => Err(Denied::PriceTooHigh),
        price if price % spec.tick != 0 => Err(Denied::OffTick),
        _ => Ok(()),
    }
}

/// What a market order would cost if it came in now.
fn market_cost(spec: &Spec, engine: &Engine, order: &NewOrder) -> Decimal {
    let mut left = order.qty;
    let mut cost = Decimal::ZERO;
    let mut take = |(price, qty): (i64, i64)| {
        let part = left.min(qty);
        left -= part;
        cost += spec.value(price, part);
        left > 0
    };
    match order.side {
        Side::Buy => engine.asks().all(&mut take),
        Side::Sell => engine.bids().all(&mut take),
    };
    cost
}
