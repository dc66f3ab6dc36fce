//! Price-time priority matching for one market, on integers.
//!
//! Owns the resting orders, the ids of orders and trades, and what changed since it was last asked. It knows no
//! venue, no wallet and no time, and it shares no code with the books it is the oracle for.

use std::collections::BTreeMap;

use venuekit_types::{BookSide, Side};

/// The largest quantity an order may have, so that a million of them at one price still fit 64 bits.
pub const MAX_QTY: i64 = 1_000_000_000_000;

/// Who an order belongs to; 0 is the house, whose wallet nobody keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(pub u32);

impl Owner {
    /// The crowd of simulated traders.
    pub const HOUSE: Owner = Owner(0);
}

/// How long an order may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tif {
    /// Until cancelled.
    Gtc,
    /// What fills at once; the rest is cancelled.
    Ioc,
    /// All of it at once, or nothing.
    Fok,
}

/// An order on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Whose it is.
    pub owner: Owner,
    /// Buy or sell.
    pub side: Side,
    /// How much, in counts.
    pub qty: i64,
    /// The worst price, in counts; none is a market order, which never rests.
    pub limit: Option<i64>,
    /// How long it may wait.
    pub tif: Tif,
    /// Refused rather than filled at once.
    pub post_only: bool,
}

/// What became of an order at once: what neither filled nor rests was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its id, ascending per market.
    pub id: u64,
    /// Filled at once.
    pub filled: i64,
    /// Left in the book.
    pub resting: i64,
}

/// Why an order was refused; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The quantity is not within 1 and [`MAX_QTY`].
    #[error("the quantity is out of range; give 1 to {MAX_QTY} counts")]
    BadQty,
    /// The price is not positive.
    #[error("the price is not positive")]
    BadPrice,
    /// Post-only, and it would have filled at once.
    #[error("a post-only order would cross; move the price away from the other side")]
    WouldCross,
    /// Fill or kill, and there is not enough within the limit.
    #[error("a fill-or-kill order cannot be filled whole")]
    CannotFill,
}

/// One side of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// The order.
    pub order: u64,
    /// Whose it is.
    pub owner: Owner,
}

/// Two orders met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The trade's id, ascending by one per market.
    pub trade: u64,
    /// The resting order's price.
    pub price: i64,
    /// How much changed hands.
    pub qty: i64,
    /// The side of the order that came in.
    pub aggressor: Side,
    /// The order that rested.
    pub maker: Party,
    /// The order that came in.
    pub taker: Party,
}

/// A price level before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which side of the book.
    pub side: BookSide,
    /// Where.
    pub price: i64,
    /// The quantity before, 0 for none.
    pub was: i64,
    /// The quantity after, 0 for none.
    pub now: i64,
}

/// An order in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    /// Its id.
    pub id: u64,
    /// Whose it is.
    pub owner: Owner,
    /// Buy or sell.
    pub side: Side,
    /// Where it rests.
    pub price: i64,
    /// How much is left.
    pub left: i64,
}

/// The matching engine of one market.
///
/// ```
/// use venuekit_sim::engine::{Engine, NewOrder, Owner, Tif};
/// use venuekit_types::Side;
/// let mut engine = Engine::new();
/// let order = |side, qty, price| NewOrder {
///     owner: Owner::HOUSE, side, qty, limit: Some(price), tif: Tif::Gtc, post_only: false,
/// };
/// engine.place(order(Side::Sell, 5, 101))?;
/// let placed = engine.place(order(Side::Buy, 7, 101))?;
/// assert_eq!((placed.filled, placed.resting), (5, 2));
/// assert_eq!(engine.bids().next(), Some((101, 2)));
/// # Ok::<(), venuekit_sim::engine::Refused>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Engine {
    bids: BTreeMap<i64, Queue>,
    asks: BTreeMap<i64, Queue>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    by_id: BTreeMap<u64, u32>,
    last_order: u64,
    last_trade: u64,
    touched: Vec<Touched>,
    fills: Vec<Fill>,
}

/// No node.
const NIL: u32 = u32::MAX;

/// The orders at one price, oldest first, as a list through the nodes.
#[derive(Clone, Copy, Debug)]
struct Queue {
    qty: i64,
    head: u32,
    tail: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    order: Resting,
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Touched {
    side: BookSide,
    price: i64,
    was: i64,
}

/// Where an order of this side rests.
fn resting_side(side: Side) -> BookSide {
    match side {
        Side::Buy => BookSide::Bid,
        Side::Sell => BookSide::Ask,
    }
}

impl Engine {
    /// An empty market.
    pub fn new() -> Engine {
        Engine::default()
    }

    /// Takes an order in, matches it, and rests what may rest.
    ///
    /// **Errors**: [`Refused`]; then nothing changed.
    pub fn place(&mut self, order: NewOrder) -> Result<Placed, Refused> {
        self.may_place(&order)?;
        let id = self.reserve();
        Ok(self.enter(id, &order))
    }

    /// Takes an order in under an id that [`Engine::reserve`] gave and that does not rest here.
    ///
    /// **Errors**: [`Refused`]; then nothing changed.
    pub fn place_as(&mut self, id: u64, order: NewOrder) -> Result<Placed, Refused> {
        self.may_place(&order)?;
        Ok(self.enter(id, &order))
    }

    /// Gives out the next id, for an order that waits elsewhere.
    pub fn reserve(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// What an order could fill at once, counted no further than its quantity.
    pub fn fillable(&self, order: &NewOrder) -> i64 {
        self.available(order).min(order.qty)
    }

    fn may_place(&self, order: &NewOrder) -> Result<(), Refused> {
        if order.qty < 1 || order.qty > MAX_QTY {
            return Err(Refused::BadQty);
        }
        if order.limit.is_some_and(|price| price < 1) {
            return Err(Refused::BadPrice);
        }
        if order.post_only && self.crosses(order) {
            return Err(Refused::WouldCross);
        }
        if order.tif == Tif::Fok && self.available(order) < order.qty {
            return Err(Refused::CannotFill);
        }
        Ok(())
    }

    fn enter(&mut self, id: u64, order: &NewOrder) -> Placed {
        let left = self.match_against(id, order);
        let filled = order.qty - left;
        let resting = match (order.limit, order.tif) {
            (Some(price), Tif::Gtc) if left > 0 => {
                self.rest(Resting { id, owner: order.owner, side: order.side, price, left });
                left
            }
            _ => 0,
        };
        Placed { id, filled, resting }
    }

    /// Takes an order out of the book; gives what was left of it, or nothing when it does not rest.
    pub fn cancel(&mut self, id: u64) -> Option<Resting> {
        let slot = *self.by_id.get(&id)?;
        let order = self.nodes[slot as usize].order;
        self.unlink(slot, order.left);
        Some(order)
    }

    /// A resting order.
    pub fn order(&self, id: u64) -> Option<Resting> {
        self.by_id.get(&id).map(|&slot| self.nodes[slot as usize].order)
    }

    /// How many orders rest.
    pub fn open_orders(&self) -> usize {
        self.by_id.len()
    }

    /// Bid levels (price, quantity), best first.
    pub fn bids(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.bids.iter().rev().map(|(&price, queue)| (price, queue.qty))
    }

    /// Ask levels (price, quantity), best first.
    pub fn asks(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.asks.iter().map(|(&price, queue)| (price, queue.qty))
    }

    /// The best level of a side.
    pub fn best(&self, side: BookSide) -> Option<(i64, i64)> {
        match side {
            BookSide::Bid => self.bids().next(),
            BookSide::Ask => self.asks().next(),
        }
    }

    /// How many levels a side has.
    pub fn depth(&self, side: BookSide) -> usize {
        self.levels(side).len()
    }

    /// The quantity at a price, 0 for none.
    pub fn qty_at(&self, side: BookSide, price: i64) -> i64 {
        self.levels(side).get(&price).map_or(0, |queue| queue.qty)
    }

    /// The youngest order at the worst price of a side.
    pub fn worst(&self, side: BookSide) -> Option<Resting> {
        let queue = match side {
            BookSide::Bid => self.bids.first_key_value()?.1,
            BookSide::Ask => self.asks.last_key_value()?.1,
        };
        Some(self.nodes[queue.tail as usize].order)
    }

    /// Moves the levels that changed since the last call into `out`, bids best first, then asks best first.
    ///
    /// Gives the number of single changes behind them; a level that ended as it began is counted but not listed.
    pub fn drain_changes(&mut self, out: &mut Vec<Change>) -> u64 {
        let events = self.touched.len() as u64;
        let mut touched = std::mem::take(&mut self.touched);
        // Stable, so that the first of equals holds the quantity from before the batch.
        touched.sort_by_key(|t| match t.side {
            BookSide::Bid => (BookSide::Bid, -t.price),
            BookSide::Ask => (BookSide::Ask, t.price),
        });
        touched.dedup_by_key(|t| (t.side, t.price));
        out.extend(touched.iter().filter_map(|&Touched { side, price, was }| {
            let now = self.qty_at(side, price);
            (now != was).then_some(Change { side, price, was, now })
        }));
        touched.clear();
        self.touched = touched;
        events
    }

    /// Moves the fills since the last call into `out`, in order.
    pub fn drain_fills(&mut self, out: &mut Vec<Fill>) {
        out.append(&mut self.fills);
    }

    fn levels(&self, side: BookSide) -> &BTreeMap<i64, Queue> {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    fn levels_mut(&mut self, side: BookSide) -> &mut BTreeMap<i64, Queue> {
        match side {
            BookSide::Bid => &mut self.bids,
            BookSide::Ask => &mut self.asks,
        }
    }

    fn within(order: &NewOrder, price: i64) -> bool {
        order.limit.is_none_or(|limit| match order.side {
            Side::Buy => price <= limit,
            Side::Sell => price >= limit,
        })
    }

    fn crosses(&self, order: &NewOrder) -> bool {
        let other = resting_side(order.side.opposite());
        self.best(other).is_some_and(|(price, _)| Self::within(order, price))
    }

    /// What could fill at once, counted no further than needed.
    fn available(&self, order: &NewOrder) -> i64 {
        let mut sum = 0;
        let mut count = |(price, qty): (i64, i64)| {
            let more = Self::within(order, price) && sum < order.qty;
            sum += if more { qty } else { 0 };
            more
        };
        match order.side {
            Side::Buy => self.asks().all(&mut count),
            Side::Sell => self.bids().all(&mut count),
        };
        sum
    }

    /// Fills an incoming order from the other side; gives what is left of it.
    fn match_against(&mut self, id: u64, order: &NewOrder) -> i64 {
        let other = resting_side(order.side.opposite());
        let mut left = order.qty;
        while left > 0 {
            let Some((price, _)) = self.best(other).filter(|&(price, _)| Self::within(order, price)) else {
                break;
            };
            let slot = self.levels(other)[&price].head;
            let maker = self.nodes[slot as usize].order;
            let qty = left.min(maker.left);
            left -= qty;
            self.unlink(slot, qty);
            self.last_trade += 1;
            self.fills.push(Fill {
                trade: self.last_trade,
                price,
                qty,
                aggressor: order.side,
                maker: Party { order: maker.id, owner: maker.owner },
                taker: Party { order: id, owner: order.owner },
            });
        }
        left
    }

    fn rest(&mut self, order: Resting) {
        let node = Node { order, prev: NIL, next: NIL };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 orders rest")
            }
        };
        self.by_id.insert(order.id, slot);
        let side = resting_side(order.side);
        let queue =
            self.levels_mut(side).entry(order.price).or_insert(Queue { qty: 0, head: slot, tail: NIL });
        let (was, tail) = (queue.qty, queue.tail);
        queue.qty += order.left;
        queue.tail = slot;
        if tail != NIL {
            self.nodes[tail as usize].next = slot;
            self.nodes[slot as usize].prev = tail;
        }
        self.touched.push(Touched { side, price: order.price, was });
    }

    /// Takes quantity off a resting order, and the order out of the book when nothing is left.
    fn unlink(&mut self, slot: u32, qty: i64) {
        let node = &mut self.nodes[slot as usize];
        node.order.left -= qty;
        let Node { order, prev, next } = *node;
        let gone = order.left == 0;
        let side = resting_side(order.side);
        let queue = self.levels_mut(side).get_mut(&order.price).expect("a resting order has a level");
        let was = queue.qty;
        queue.qty -= qty;
        if gone {
            if prev == NIL {
                queue.head = next;
            }
            if next == NIL {
                queue.tail = prev;
            }
        }
        if queue.head == NIL {
            self.levels_mut(side).remove(&order.price);
        }
        self.touched.push(Touched { side, price: order.price, was });
        if gone {
            if prev != NIL {
                self.nodes[prev as usize].next = next;
            }
            if next != NIL {
                self.nodes[next as usize].prev = prev;
            }
            self.by_id.remove(&order.id);
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests;
