//! One side of a book: the data structure, and nothing that depends on which one it is leaves this file.
//!
//! Prices become ticks of the widest step that divides them all, and ticks become ranks, the better the lower.
//! Ranks around the touch live in a [`Window`]; a few levels too far away for its directory stand in a sorted
//! vector behind it. It owns order, absence of duplicates and the choice between the two; it refuses to know
//! about sequences, bounds and checksums.

use alloc::vec::Vec;
use core::hint::select_unpredictable;
use core::iter::FusedIterator;

use venuekit_types::{BookSide, Level, Price, Qty};

use crate::grid::Grid;
use crate::window::{Place, Walk, Window};

/// The levels of one side.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// All ones for bids, all zeros for asks: the complement turns an order round and, other than the negative,
    /// exists for every integer.
    flip: u64,
    /// The step that the venue promises; 0 when unknown.
    tick: u64,
    grid: Grid,
    has_been_off_grid: bool,
    window: Window,
    /// The levels outside the window, from the worst to the best. No price twice, no quantity of zero.
    tail: Vec<Level>,
    /// What was laid last: kept for its memory.
    laid: Vec<Level>,
    /// Times that a level went to or left the tail since the window was last laid.
    misses: usize,
    /// No level stands at a better rank than this one.
    best_rank: u64,
    /// The quantity that stands there; zero when the best level has to be looked for from there on.
    best_qty: Qty,
}

/// Where a level is written that the window has a place for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    rank: u64,
    place: Place,
}

impl Side {
    pub(crate) fn new(side: BookSide) -> Side {
        let flip = match side {
            BookSide::Bid => u64::MAX,
            BookSide::Ask => 0,
        };
        Side {
            flip,
            tick: 0,
            grid: Grid::UNKNOWN,
            has_been_off_grid: false,
            window: Window::new(),
            tail: Vec::new(),
            laid: Vec::new(),
            misses: 0,
            best_rank: u64::MAX,
            best_qty: Qty(0),
        }
    }

    /// Names the step of the venue; zero or less when it names none. What lies between two steps is kept all
    /// the same.
    pub(crate) fn set_tick(&mut self, tick: Price) {
        self.tick = u64::try_from(tick.0).unwrap_or_default();
        let levels: Vec<Level> = self.iter().collect();
        self.load(&levels);
    }

    /// True where a price between two steps of the venue stands, or once stood.
    #[inline]
    pub(crate) fn has_been_off_grid(&self) -> bool {
        self.has_been_off_grid
    }

    /// True for a price between two steps of the venue.
    pub(crate) fn is_off_grid(&self, price: Price) -> bool {
        self.tick != 0 && !price.0.unsigned_abs().is_multiple_of(self.tick)
    }

    /// Orders prices from worst to best.
    #[inline]
    fn order(&self, price: Price) -> i64 {
        price.0 ^ !self.flip.cast_signed()
    }

    #[inline]
    fn rank(&self, price: Price) -> Option<u64> {
        self.grid.tick(price).map(|tick| tick ^ self.flip)
    }

    #[inline]
    fn price(&self, rank: u64) -> Price {
        self.grid.price(rank ^ self.flip)
    }

    /// The level at a rank that the window has.
    fn level(&self, rank: u64) -> Level {
        let qty = self.window.qty(rank).expect("the window named the rank");
        Level { price: self.price(rank), qty: Qty(qty) }
    }

    fn find(&self, price: Price) -> Result<usize, usize> {
        self.tail.binary_search_by_key(&self.order(price), |row| self.order(row.price))
    }

    /// Sets the quantity at each price; zero removes it.
    ///
    /// Always inlined: the loop keeps what it needs of the side in registers.
    #[inline(always)]
    pub(crate) fn set(&mut self, rows: &[Level]) {
        for &level in rows {
            match self.slot(level.price) {
                Some(Slot { rank, place }) => {
                    self.window.set(place, level.qty.0);
                    if rank <= self.best_rank {
                        (self.best_rank, self.best_qty) = (rank, level.qty);
                    }
                }
                None => self.set_elsewhere(level),
            }
        }
        self.find_best();
    }

    /// Where a price is written that lies in a leaf with all places.
    #[inline(always)]
    pub(crate) fn slot_in_whole(&self, price: Price) -> Option<Slot> {
        let rank = self.rank(price)?;
        Some(Slot { rank, place: self.window.place_in_whole(rank)? })
    }

    /// Where a price is written that has a place in the window.
    #[inline(always)]
    pub(crate) fn slot(&self, price: Price) -> Option<Slot> {
        let rank = self.rank(price)?;
        Some(Slot { rank, place: self.window.place(rank)? })
    }

    /// Sets the quantity there; zero removes it. Whether that was the best level is nothing to guess at: chance
    /// decides it. A level that is gone is looked for by whoever asks, or by [`Side::find_best`].
    #[inline(always)]
    pub(crate) fn set_at(&mut self, Slot { rank, place }: Slot, qty: Qty) {
        self.window.set(place, qty.0);
        let is_best = rank <= self.best_rank;
        self.best_rank = select_unpredictable(is_best, rank, self.best_rank);
        self.best_qty = Qty(select_unpredictable(is_best, qty.0, self.best_qty.0));
    }

    /// Sets the quantity there as [`Side::set_at`] does, and makes it quicker next time.
    #[inline(never)]
    pub(crate) fn set_at_last(&mut self, slot: Slot, qty: Qty) {
        self.set_at(slot, qty);
        self.window.make_whole(slot.place);
    }

    /// Finds the best level if it is not known, so that reading it is quick.
    #[inline]
    pub(crate) fn find_best(&mut self) {
        if self.best_qty.0 == 0 {
            self.window.prune(self.best_rank);
            let best = self.look_for_best();
            self.best_qty = best.unwrap_or_default().qty;
            self.best_rank = best.and_then(|best| self.rank(best.price)).unwrap_or(u64::MAX);
        }
    }

    #[inline(never)]
    fn look_for_best(&self) -> Option<Level> {
        let near = self.window.lowest(self.best_rank).map(|rank| self.level(rank));
        let far = self.tail.last().copied();
        near.into_iter().chain(far).max_by_key(|row| self.order(row.price))
    }

    /// Writes a level that has no place in the window yet.
    #[cold]
    #[inline(never)]
    fn set_elsewhere(&mut self, level: Level) {
        let rank = self.rank(level.price);
        if let Some(rank) = rank.filter(|rank| *rank <= self.best_rank) {
            (self.best_rank, self.best_qty) = (rank, Qty(0));
        }
        self.write_elsewhere(level, rank);
    }

    fn write_elsewhere(&mut self, level: Level, rank: Option<u64>) {
        if let Some(rank) = rank.filter(|rank| self.window.covers(*rank)) {
            if level.qty.0 != 0 {
                self.insert(rank, level.qty);
            }
            return;
        }
        match (self.find(level.price), level.qty.0) {
            (Ok(at), 0) => {
                self.tail.remove(at);
            }
            (Ok(at), _) => self.tail[at].qty = level.qty,
            (Err(_), 0) => return,
            (Err(at), _) => {
                let Some(rank) = rank else {
                    return self.lay_anew(Some(level), self.grid.step_with(level.price));
                };
                if self.widen(rank) {
                    return self.insert(rank, level.qty);
                }
                self.tail.insert(at, level);
            }
        }
        self.misses += 1;
        if self.misses > 2 * self.len() + 256 {
            // The touch has left the window, or the step is too fine for one. Laying it anew costs as much as
            // the misses did.
            self.lay_anew(None, self.grid.step());
        }
    }

    /// Lays what the side has, and one more level.
    fn lay_anew(&mut self, more: Option<Level>, step: u64) {
        let mut levels = core::mem::take(&mut self.laid);
        levels.clear();
        levels.extend(self.iter().chain(more));
        self.lay(&levels, step);
        self.laid = levels;
    }

    fn insert(&mut self, rank: u64, qty: Qty) {
        self.window.insert(rank, qty.0);
        if self.window.is_wasteful() {
            self.window.compact();
        }
    }

    /// The longest directory that the levels are worth.
    fn leaves_max(levels: usize) -> usize {
        1_024 + 4 * levels
    }

    /// Widens the window to a rank if that is worth it, and moves the levels of the tail that lie in it then.
    fn widen(&mut self, rank: u64) -> bool {
        if !self.window.reach(rank, Side::leaves_max(self.len())) {
            return false;
        }
        let Side { flip, grid, window, tail, .. } = self;
        tail.retain(|row| match grid.tick(row.price).map(|tick| tick ^ *flip) {
            Some(rank) if window.covers(rank) => {
                window.insert(rank, row.qty.0);
                false
            }
            _ => true,
        });
        true
    }

    /// Replaces everything. Of a price that stands twice, the last row counts.
    pub(crate) fn load(&mut self, levels: &[Level]) {
        let mut grid = Grid::new(self.tick);
        for level in levels.iter().filter(|level| level.qty.0 != 0) {
            if grid.tick(level.price).is_none() {
                grid = Grid::new(grid.step_with(level.price));
            }
        }
        self.lay(levels, grid.step());
    }

    /// Lays the window from the best of these levels down, on a grid that has them all, and writes them.
    fn lay(&mut self, levels: &[Level], step: u64) {
        self.grid = Grid::new(step);
        self.has_been_off_grid = self.tick != 0 && step != self.tick;
        self.tail.clear();
        self.misses = 0;
        (self.best_rank, self.best_qty) = (0, Qty(0));
        let ranks =
            || levels.iter().filter(|level| level.qty.0 != 0).filter_map(|level| self.rank(level.price));
        let (Some(low), Some(high)) = (ranks().min(), ranks().max()) else {
            self.window.clear();
            return self.find_best();
        };
        // An eighth of the room is for what will be better.
        let leaves = Side::leaves_max(levels.len());
        self.window.start(low, high, leaves - leaves / 8);
        // The last of equal prices leads in the tail, and is written last in the window.
        for level in levels {
            let Some(rank) = self.rank(level.price) else { continue };
            if !self.window.covers(rank) {
                self.tail.push(*level);
            } else if let Some(place) = self.window.place(rank) {
                self.window.set(place, level.qty.0);
            } else if level.qty.0 != 0 {
                self.window.insert(rank, level.qty.0);
            }
        }
        self.tail.reverse();
        let flip = !self.flip.cast_signed();
        self.tail.sort_by_key(|row| row.price.0 ^ flip);
        self.tail.dedup_by_key(|row| row.price);
        self.tail.retain(|row| row.qty.0 != 0);
        self.find_best();
    }

    /// Cuts off all but the best `depth` levels and tells each of those cut off, the worst first.
    pub(crate) fn trim(&mut self, depth: usize, mut cut: impl FnMut(Level)) {
        while self.len() > depth {
            let near = self.window.highest().map(|rank| self.level(rank));
            let far = self.tail.first().copied();
            let worst = near.into_iter().chain(far).min_by_key(|row| self.order(row.price));
            let worst = worst.expect("it has more levels than none");
            self.set(&[Level { qty: Qty(0), ..worst }]);
            cut(worst);
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.window.len() + self.tail.len()
    }

    /// Places for levels, with a quantity or without; there are no fewer than levels.
    pub(crate) fn places(&self) -> usize {
        self.window.places() + self.tail.len()
    }

    #[inline]
    pub(crate) fn best(&self) -> Option<Level> {
        if self.best_qty.0 == 0 {
            return self.look_for_best();
        }
        Some(Level { price: self.price(self.best_rank), qty: self.best_qty })
    }

    #[inline]
    pub(crate) fn at(&self, price: Price) -> Option<Qty> {
        match self.rank(price).and_then(|rank| self.window.qty(rank)) {
            Some(qty) => Some(Qty(qty)),
            None => self.find(price).ok().map(|at| self.tail[at].qty),
        }
    }

    /// Writes the best levels, best first, as many as there is room for; gives how many.
    pub(crate) fn top(&self, out: &mut [Level]) -> usize {
        let near = self
            .window
            .lowest_into(self.best_rank, out, |rank, qty| Level { price: self.price(rank), qty: Qty(qty) });
        let worst = out[..near].last().filter(|_| near == out.len());
        let is_all = match (worst, self.tail.last()) {
            (_, None) => true,
            (Some(near), Some(far)) => self.order(near.price) > self.order(far.price),
            (None, Some(_)) => false,
        };
        if is_all {
            return near;
        }
        // Some of them stand in the tail.
        out.iter_mut().zip(self.iter()).map(|(place, level)| *place = level).count()
    }

    /// Best first, and the worst first from its other end.
    #[inline]
    pub(crate) fn iter(&self) -> Levels<'_> {
        Levels { side: self, window: self.window.walk(), tail: &self.tail, left: self.len() }
    }
}

/// The levels of a side.
#[derive(Clone, Debug)]
pub(crate) struct Levels<'a> {
    side: &'a Side,
    window: Walk<'a>,
    tail: &'a [Level],
    left: usize,
}

impl Iterator for Levels<'_> {
    type Item = Level;

    #[inline]
    fn next(&mut self) -> Option<Level> {
        self.left = self.left.checked_sub(1)?;
        let near = self.window.peek_low();
        let price = near.map(|rank| self.side.price(rank));
        if let Some((far, rest)) = self.tail.split_last()
            && price.is_none_or(|near| self.side.order(far.price) > self.side.order(near))
        {
            self.tail = rest;
            return Some(*far);
        }
        Some(Level { price: price?, qty: Qty(self.window.take_low(near?)) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Levels<'_> {
    fn next_back(&mut self) -> Option<Level> {
        self.left = self.left.checked_sub(1)?;
        let near = self.window.peek_high();
        let price = near.map(|rank| self.side.price(rank));
        if let Some((far, rest)) = self.tail.split_first()
            && price.is_none_or(|near| self.side.order(far.price) < self.side.order(near))
        {
            self.tail = rest;
            return Some(*far);
        }
        Some(Level { price: price?, qty: Qty(self.window.take_high(near?)) })
    }
}

impl ExactSizeIterator for Levels<'_> {}
impl FusedIterator for Levels<'_> {}
#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use proptest::prelude::*;

    fn side(of: BookSide, rows: &[(i64, i64)]) -> Side {
        let mut side = Side::new(of);
        side.load(&rows.iter().map(|&(p, q)| Level::new(p, q)).collect::<Vec<_>>());
        side
    }

    fn shown(side: &Side) -> Vec<(i64, i64)> {
        side.iter().map(|row| (row.price.0, row.qty.0)).collect()
    }

    #[test]
    fn the_best_comes_first_on_either_side() {
        let rows = [(5, 1), (9, 2), (7, 3)];
        assert_eq!(shown(&side(BookSide::Bid, &rows)), vec![(9, 2), (7, 3), (5, 1)]);
        assert_eq!(shown(&side(BookSide::Ask, &rows)), vec![(5, 1), (7, 3), (9, 2)]);
    }

    #[test]
    fn of_a_price_twice_the_last_row_counts() {
        assert_eq!(shown(&side(BookSide::Bid, &[(5, 1), (9, 2), (5, 4)])), vec![(9, 2), (5, 4)]);
        assert_eq!(shown(&side(BookSide::Bid, &[(5, 1), (9, 2), (5, 0)])), vec![(9, 2)]);
        assert_eq!(shown(&side(BookSide::Ask, &[(5, 0), (9, 2), (5, 4)])), vec![(5, 4), (9, 2)]);
    }

    #[test]
    fn a_trim_keeps_the_best() {
        for of in [BookSide::Bid, BookSide::Ask] {
            let mut side = side(of, &[(5, 1), (9, 2), (7, 3)]);
            let best = shown(&side);
            let mut cut = Vec::new();
            side.trim(2, |row| cut.push((row.price.0, row.qty.0)));
            assert_eq!((shown(&side), &cut), (best[..2].to_vec(), &best[2..].to_vec()));
            side.trim(2, |row| panic!("{row:?} was cut off"));
        }
    }

    #[test]
    fn the_ends_of_the_integers_are_prices_too() {
        let mut asks = side(BookSide::Ask, &[(i64::MAX, 1), (1, i64::MAX)]);
        assert_eq!(shown(&asks), vec![(1, i64::MAX), (i64::MAX, 1)]);
        asks.set(&[Level::new(i64::MIN, 0)]);
        assert_eq!(asks.len(), 2);
        assert_eq!(asks.at(Price(i64::MAX)), Some(Qty(1)));
        assert_eq!(asks.at(Price(2)), None);
    }

    /// Otherwise each insertion would sweep everything once more.
    #[test]
    fn what_was_swept_stays_so_for_a_while() {
        for levels in 1..=64 {
            let rows: Vec<(i64, i64)> =
                (0..300 * levels).map(|n| (64 + n / levels * 64 + n % levels, 1)).collect();
            let mut side = side(BookSide::Ask, &rows);
            side.window.compact();
            assert!(!side.window.is_wasteful(), "{levels} levels a leaf");
            assert_eq!(shown(&side), rows);
        }
    }

    proptest! {
        /// Row by row or all at once: the same side.
        #[test]
        fn setting_each_row_equals_loading_all(
            rows in prop::collection::vec((1i64..20, 0i64..4), 0..40), ask in any::<bool>(),
        ) {
            let of = if ask { BookSide::Ask } else { BookSide::Bid };
            let loaded = side(of, &rows);
            let mut set = Side::new(of);
            for &(p, q) in &rows {
                set.set(&[Level::new(p, q)]);
            }
            prop_assert_eq!(shown(&loaded), shown(&set));
            prop_assert_eq!(loaded.best(), loaded.iter().next());
        }
    }

    /// Prices as venues have them, and as none has: a dense touch, sparse depths, no common step, far ends.
    fn price() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => (1_000_i64..1_100).prop_map(|tick| tick * 50),
            3 => (1_i64..2_000).prop_map(|tick| tick * 500),
            1 => 1_i64..100_000,
            1 => (1_i64..100).prop_map(|n| n << 40),
            1 => Just(i64::MAX),
        ]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(i64, i64),
        Load(Vec<(i64, i64)>),
        Trim(usize),
        /// The touch moves on: rows a little better than the last ones.
        Drift(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            200 => (price(), prop_oneof![Just(0), 1_i64..5, Just(i64::MAX)]).prop_map(|(p, q)| Step::Set(p, q)),
            1 => prop::collection::vec((price(), 0_i64..5), 0..300).prop_map(Step::Load),
            2 => (0_usize..200).prop_map(Step::Trim),
            2 => any::<u8>().prop_map(Step::Drift),
        ]
    }

    fn agrees(side: &Side, of: BookSide, model: &BTreeMap<i64, i64>) -> Result<(), TestCaseError> {
        let mut expected: Vec<(i64, i64)> = model.iter().map(|(p, q)| (*p, *q)).collect();
        if of == BookSide::Bid {
            expected.reverse();
        }
        prop_assert_eq!(side.len(), expected.len());
        prop_assert_eq!(side.iter().len(), expected.len());
        prop_assert_eq!(side.best().map(|row| (row.price.0, row.qty.0)), expected.first().copied());
        prop_assert_eq!(&shown(side), &expected);
        for room in [1, expected.len() / 2, expected.len() + 1] {
            let mut top = vec![Level::default(); room];
            let count = side.top(&mut top);
            prop_assert_eq!(count, room.min(expected.len()));
            prop_assert!(
                top[..count].iter().map(|row| (row.price.0, row.qty.0)).eq(expected[..count].iter().copied())
            );
        }
        expected.reverse();
        let back: Vec<(i64, i64)> = side.iter().rev().map(|row| (row.price.0, row.qty.0)).collect();
        prop_assert_eq!(&back, &expected);
        // From both ends at once.
        let (mut ends, mut from_both) = (side.iter(), Vec::new());
        while let Some(row) = ends.next() {
            from_both.push(row.price.0);
            from_both.extend(ends.next_back().map(|row| row.price.0));
        }
        from_both.sort_unstable();
        prop_assert!(from_both.iter().eq(model.keys()));
        for (price, qty) in &expected {
            prop_assert_eq!(side.at(Price(*price)), Some(Qty(*qty)));
            prop_assert_eq!(side.at(Price(price - 1)).map(|qty| qty.0), model.get(&(price - 1)).copied());
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Whatever comes, in whatever order: the same as a map.
        #[test]
        fn equals_a_map(
            steps in prop::collection::vec(step(), 1..1500), ask in any::<bool>(), tick in prop_oneof![Just(0_i64), Just(50)],
        ) {
            let of = if ask { BookSide::Ask } else { BookSide::Bid };
            let mut side = Side::new(of);
            side.set_tick(Price(tick));
            let mut model: BTreeMap<i64, i64> = BTreeMap::new();
            let write = |model: &mut BTreeMap<i64, i64>, price: i64, qty: i64| match qty {
                0 => { model.remove(&price); }
                _ => { model.insert(price, qty); }
            };
            for (at, step) in steps.iter().enumerate() {
                match step {
                    Step::Set(price, qty) => {
                        side.set(&[Level::new(*price, *qty)]);
                        write(&mut model, *price, *qty);
                    }
                    Step::Load(rows) => {
                        side.load(&rows.iter().map(|&(p, q)| Level::new(p, q)).collect::<Vec<_>>());
                        model.clear();
                        rows.iter().for_each(|&(p, q)| write(&mut model, p, q));
                    }
                    Step::Trim(depth) => {
                        side.trim(*depth, |cut| {
                            let worst = if ask { model.pop_last() } else { model.pop_first() };
                            assert_eq!(worst, Some((cut.price.0, cut.qty.0)));
                        });
                    }
                    Step::Drift(rows) => {
                        let best = side.best().map_or(1_000_000, |row| row.price.0);
                        for n in 1..=i64::from(*rows) {
                            let away = n.saturating_mul(64 * 50);
                            let price = if ask { best.saturating_sub(away) } else { best.saturating_add(away) };
                            if price > 0 {
                                side.set(&[Level::new(price, n)]);
                                write(&mut model, price, n);
                            }
                        }
                    }
                }
                if at % 100 == 0 {
                    agrees(&side, of, &model)?;
                }
            }
            agrees(&side, of, &model)?;
        }
    }
}
