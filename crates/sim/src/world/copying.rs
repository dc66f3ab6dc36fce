//! Copy trading: what a lead trader fills, a follower's account trades after it, in proportion.
//!
//! The follower's orders are market orders of its own account, so its fills, fees and positions hold them too; what
//! is kept here is only where each came from, and the position that the copying alone would have.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Side;

use super::World;
use crate::engine::Owner;
use crate::wallets::{Account, News, OwnFill, Part, Position, Ticket, Wallet};

/// Copied trades kept.
const TRADES_MAX: usize = 10_000;

/// Fills of the lead that wait to be copied; further ones are not.
const WAITING_MAX: usize = 1_000;

/// Who copies whom.
#[derive(Clone, Debug)]
pub struct Copying {
    /// The copying's number.
    pub id: u64,
    /// Who is copied.
    pub lead: Owner,
    /// The lead's number as the venue shows it.
    pub lead_id: u64,
    /// The lead's name as the venue shows it.
    pub lead_name: &'static str,
    /// Who copies.
    pub follower: Owner,
    /// Own size over the lead's.
    pub ratio: Decimal,
    /// What the lead takes of a profit.
    pub share: Decimal,
    /// The positions of the copying alone.
    book: Account,
    opened_ms: Vec<i64>,
    waiting: VecDeque<Waiting>,
    /// Orders that copy, with the lead's order, until they are booked.
    placed: BTreeMap<(usize, u64), u64>,
    trades: VecDeque<CopiedTrade>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    market: usize,
    side: Side,
    qty: i64,
    lead_order: u64,
}

/// A fill that copies another's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedTrade {
    /// Index of the market.
    pub market: usize,
    /// The lead's order.
    pub lead_order: u64,
    /// The follower's order.
    pub order: u64,
    /// The follower's fill.
    pub fill: u64,
    /// Buy or sell.
    pub side: Side,
    /// In counts.
    pub price: i64,
    /// In counts.
    pub qty: i64,
    /// What the lead took of the profit.
    pub share: Decimal,
    /// Unix milliseconds.
    pub at_ms: i64,
}

impl Copying {
    /// The position of the copying in a market, and when it was opened.
    pub fn position(&self, market: usize) -> (Position, i64) {
        (self.book.position(market), self.opened_ms[market])
    }

    /// The latest copied trades, oldest first.
    pub fn trades(&self) -> impl Iterator<Item = &CopiedTrade> {
        self.trades.iter()
    }
}

impl World {
    /// Lets one account copy another's fills in contracts; gives the copying's number.
    pub fn copy(
        &mut self,
        (lead, lead_name): (Owner, &'static str),
        follower: Owner,
        ratio: Decimal,
        share: Decimal,
    ) -> u64 {
        let id = self.copyings.len() as u64 + 1;
        let specs = self.specs;
        self.copyings.push(Copying {
            id,
            lead,
            lead_id: 70_000 + u64::from(lead.0),
            lead_name,
            follower,
            ratio,
            share,
            book: Account::new(0, specs),
            opened_ms: vec![0; specs.len()],
            waiting: VecDeque::new(),
            placed: BTreeMap::new(),
            trades: VecDeque::new(),
        });
        id
    }

    /// Who copies whom.
    pub fn copyings(&self) -> &[Copying] {
        &self.copyings
    }

    /// Notes a booked fill: a lead's waits to be copied, a copying order's is attributed.
    pub(super) fn note_copy(&mut self, owner: Owner, fill: &OwnFill) {
        let contract = self.specs[fill.market].contract.as_ref();
        let Some(contract) = contract else { return };
        for at in 0..self.copyings.len() {
            let copying = &mut self.copyings[at];
            if copying.lead == owner && copying.waiting.len() < WAITING_MAX {
                let qty = (Decimal::from(fill.qty) * copying.ratio).floor().to_i64().unwrap_or(0);
                let qty = qty - qty % self.specs[fill.market].step;
                let (market, side, lead_order) = (fill.market, fill.order.side, fill.order.id);
                copying.waiting.push_back(Waiting { market, side, qty, lead_order });
            }
            let placed = copying.placed.get(&(fill.market, fill.order.id));
            let Some(&lead_order) = placed.filter(|_| copying.follower == owner) else { continue };
            let part = Part { price: fill.price, qty: fill.qty, maker: false, rate: Decimal::ZERO };
            let was_flat = copying.book.position(fill.market).qty == 0;
            let (_, realised) =
                copying.book.book(fill.order.wallet, fill.market, fill.order.side, part, fill.at_ms);
            if was_flat {
                copying.opened_ms[fill.market] = fill.at_ms;
            }
            let share = contract.cut(realised.max(Decimal::ZERO) * copying.share);
            if copying.trades.len() == TRADES_MAX {
                copying.trades.pop_front();
            }
            copying.trades.push_back(CopiedTrade {
                market: fill.market,
                lead_order,
                order: fill.order.id,
                fill: fill.id,
                side: fill.order.side,
                price: fill.price,
                qty: fill.qty,
                share,
                at_ms: fill.at_ms,
            });
            let (lead, follower) = (copying.lead, copying.follower);
            self.pay_share(follower, lead, contract.settle.code, share);
        }
    }

    fn pay_share(&mut self, from: Owner, to: Owner, asset: &'static str, share: Decimal) {
        for (owner, amount) in [(from, -share), (to, share)] {
            if let Some(account) = self.account_mut(owner).filter(|_| !share.is_zero()) {
                let cash = account.cell(Wallet::Futures, asset);
                cash.total += amount;
                cash.realised += amount;
                account.tell(News::Cash);
            }
        }
    }

    /// Places what waits to be copied in a market; the flush of this step books it.
    pub(super) fn place_copies(&mut self, market: usize, at_ms: i64) {
        for at in 0..self.copyings.len() {
            let copying = &mut self.copyings[at];
            copying.placed.clear();
            let follower = copying.follower;
            let (due, rest) = std::mem::take(&mut copying.waiting)
                .into_iter()
                .partition::<VecDeque<_>, _>(|waiting| waiting.market == market);
            copying.waiting = rest;
            for Waiting { side, qty, lead_order, .. } in due {
                let ticket = Ticket::new(follower, market, side, qty, None);
                // What the follower cannot pay for, or is too small to order, is not copied.
                if let Ok(order) = self.submit(ticket, at_ms) {
                    self.copyings[at].placed.insert((market, order), lead_order);
                }
            }
        }
    }
}
