//! Seeded traders that keep a market moving around a fair price that walks at random.
//!
//! A [`Trader`] is the whole crowd of one market: it quotes near the fair price and deep behind it, takes what has
//! become stale, cancels at random, and keeps the book at a few hundred levels a side.

use fastrand::Rng;
use venuekit_types::{BookSide, Side};

use crate::engine::{Engine, NewOrder, Owner, Tif};
use crate::market::Spec;

/// Levels a side that the crowd never exceeds; what accounts add stays far below a snapshot of 1000.
pub const LEVELS_MAX: usize = 600;

/// Orders the crowd keeps in a market.
const ORDERS: usize = 760;

/// The fair price counts thousandths of a tick, so that slow walks are possible.
const MILLI: i64 = 1000;

/// The crowd of one market.
#[derive(Clone, Debug)]
pub struct Trader {
    rng: Rng,
    /// In thousandths of a tick.
    fair: i64,
    /// Where the fair price is drawn back to, in thousandths of a tick.
    anchor: i64,
    /// Orders that rested when placed; some are gone since.
    live: Vec<u64>,
}

impl Trader {
    /// A crowd that has not quoted yet.
    pub fn new(seed: u64, spec: &Spec) -> Trader {
        let anchor = spec.open / spec.tick * MILLI;
        Trader { rng: Rng::with_seed(seed), fair: anchor, anchor, live: Vec::new() }
    }

    /// The fair price in counts, off the grid: what an index of other venues would say.
    pub fn fair(&self, spec: &Spec) -> i64 {
        self.fair * spec.tick / MILLI
    }

    /// Quotes an empty market full.
    pub fn open(&mut self, engine: &mut Engine, spec: &Spec) {
        for at in 0..ORDERS {
            let side = if at % 2 == 0 { Side::Buy } else { Side::Sell };
            self.quote(engine, spec, side);
        }
    }

    /// Does what the crowd does between two messages: some ten changes.
    pub fn step(&mut self, engine: &mut Engine, spec: &Spec) {
        self.walk(spec);
        self.take_stale(engine, spec);
        if self.rng.u8(..) < 40 {
            let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
            let qty = self.size(spec);
            self.take(engine, side, qty, None);
        }
        for _ in 0..self.rng.usize(2..=5) {
            self.cancel_one(engine);
        }
        self.trim(engine);
        let missing = ORDERS.saturating_sub(engine.open_orders());
        for _ in 0..self.rng.usize(2..=4) + (missing / 16).min(8) {
            let thin = engine.depth(BookSide::Bid) < engine.depth(BookSide::Ask);
            let side = if thin == (self.rng.u8(..) < 192) { Side::Buy } else { Side::Sell };
            self.quote(engine, spec, side);
        }
        if self.live.len() > 2 * ORDERS {
            self.live.retain(|&id| engine.order(id).is_some());
        }
    }

    fn walk(&mut self, spec: &Spec) {
        let reach = 2 * spec.unit * MILLI;
        let pull = (self.anchor - self.fair) / 20_000;
        self.fair += self.rng.i64(-reach..=reach) + pull;
        let band = self.anchor / 4;
        self.fair = self.fair.clamp(self.anchor - band, self.anchor + band);
    }

    /// Takes quotes that the walk has left on the wrong side of the fair price.
    fn take_stale(&mut self, engine: &mut Engine, spec: &Spec) {
        let fair = self.fair(spec);
        let margin = spec.unit * spec.tick / 2;
        for (side, other, limit) in
            [(Side::Buy, BookSide::Ask, fair - margin), (Side::Sell, BookSide::Bid, fair + margin)]
        {
            let stale = engine.best(other).is_some_and(|(price, _)| match side {
                Side::Buy => price < limit,
                Side::Sell => price > limit,
            });
            if stale {
                let qty = 3 * self.size(spec);
                self.take(engine, side, qty, Some(spec.on_tick(limit, side)));
            }
        }
    }

    fn take(&mut self, engine: &mut Engine, side: Side, qty: i64, limit: Option<i64>) {
        let order = NewOrder { owner: Owner::HOUSE, side, qty, limit, tif: Tif::Ioc, post_only: false };
        // A crowd shrugs at a refusal: the book may be empty on that side.
        let _ = engine.place(order);
    }

    fn cancel_one(&mut self, engine: &mut Engine) {
        for _ in 0..4 {
            if self.live.is_empty() {
                return;
            }
            let at = self.rng.usize(..self.live.len());
            if engine.cancel(self.live.swap_remove(at)).is_some() {
                return;
            }
        }
    }

    /// Lets the deep end of the thicker side go when the walk has left one side behind.
    fn trim(&mut self, engine: &mut Engine) {
        let (bids, asks) = (engine.depth(BookSide::Bid), engine.depth(BookSide::Ask));
        let thick = if bids > asks { BookSide::Bid } else { BookSide::Ask };
        if bids.abs_diff(asks) > 40
            && let Some(worst) = engine.worst(thick).filter(|worst| worst.owner == Owner::HOUSE)
        {
            engine.cancel(worst.id);
        }
    }

    fn quote(&mut self, engine: &mut Engine, spec: &Spec, side: Side) {
        let book_side = if side == Side::Buy { BookSide::Bid } else { BookSide::Ask };
        if engine.depth(book_side) >= LEVELS_MAX {
            return;
        }
        // Dense at the touch, thin in the deep: two products of uniform draws.
        let widest = if self.rng.u8(..) < 26 { 700 } else { 180 };
        let away = 1 + self.rng.i64(0..widest) * self.rng.i64(0..=100) / 100;
        let ticks = away * spec.unit - self.rng.i64(0..spec.unit);
        let distance = ticks * spec.tick;
        let fair = self.fair(spec);
        let price = if side == Side::Buy { fair - distance } else { fair + distance };
        let limit = Some(spec.on_tick(price, side).max(spec.tick));
        let qty = self.size(spec);
        let post_only = self.rng.u8(..) < 200;
        let order = NewOrder { owner: Owner::HOUSE, side, qty, limit, tif: Tif::Gtc, post_only };
        if let Ok(placed) = engine.place(order)
            && placed.resting > 0
        {
            self.live.push(placed.id);
        }
    }

    /// An order size in counts: around the clip, now and then ten times that.
    fn size(&mut self, spec: &Spec) -> i64 {
        let clip = spec.clip.max(8);
        let steps = self.rng.i64(clip / 8..=clip * 2);
        let steps = if self.rng.u8(..) < 6 { steps * 10 } else { steps };
        (steps * spec.step).min(spec.max_qty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{DOEX, DUEDEX};

    #[test]
    fn books_keep_their_size_and_every_order_stands_on_the_grid() {
        for spec in DOEX.iter().chain(&DUEDEX) {
            for seed in 0..3 {
                let mut engine = Engine::new();
                let mut trader = Trader::new(seed, spec);
                trader.open(&mut engine, spec);
                let (mut changes, mut fills, mut total) = (vec![], vec![], 0);
                engine.drain_changes(&mut changes);
                for step in 0..4000 {
                    changes.clear();
                    trader.step(&mut engine, spec);
                    engine.drain_changes(&mut changes);
                    total += changes.len();
                    for side in [BookSide::Bid, BookSide::Ask] {
                        let depth = engine.depth(side);
                        assert!(
                            (100..=LEVELS_MAX).contains(&depth),
                            "seed {seed} {} step {step}: {depth}",
                            spec.symbol
                        );
                    }
                    let bid = engine.best(BookSide::Bid).expect("a bid").0;
                    let ask = engine.best(BookSide::Ask).expect("an ask").0;
                    assert!(bid < ask);
                    assert!(changes.iter().all(|c| c.price % spec.tick == 0 && c.now % spec.step == 0));
                }
                engine.drain_fills(&mut fills);
                let (per_step, trades) = (total / 4000, fills.len());
                assert!((4..=16).contains(&per_step), "{} changes a step in {}", per_step, spec.symbol);
                assert!(trades > 400, "{trades} trades in {}", spec.symbol);
                assert!(trader.live.len() <= 2 * ORDERS + 8);
                let drift = (trader.fair(spec) - spec.open).abs();
                assert!(drift <= spec.open / 4 + spec.tick, "{} walked away by {drift}", spec.symbol);
            }
        }
    }
}
