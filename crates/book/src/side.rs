//! One side of a book: the data structure, and nothing that depends on which one it is leaves this file.
//!
//! A sorted vector with the touch at its end: most updates are near the touch, so little moves. It owns order
//! and absence of duplicates; it refuses to know about sequences, bounds and checksums.

use alloc::vec::Vec;

use venuekit_types::{BookSide, Level, Price, Qty};

/// The levels of one side.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    side: BookSide,
    /// Rows by rising rank, the best last. No price twice, no quantity of zero.
    rows: Vec<Level>,
}

impl Side {
    pub(crate) const fn new(side: BookSide) -> Side {
        Side { side, rows: Vec::new() }
    }

    /// Orders prices from worst to best. The complement turns the order round and, other than the negative,
    /// exists for every integer.
    fn rank(side: BookSide, price: Price) -> i64 {
        match side {
            BookSide::Bid => price.0,
            BookSide::Ask => !price.0,
        }
    }

    fn find(&self, price: Price) -> Result<usize, usize> {
        let rank = Side::rank(self.side, price);
        self.rows.binary_search_by_key(&rank, |row| Side::rank(self.side, row.price))
    }

    /// Sets the quantity at a price; zero removes it.
    pub(crate) fn set(&mut self, level: Level) {
        match (self.find(level.price), level.qty.0) {
            (Ok(at), 0) => {
                self.rows.remove(at);
            }
            (Ok(at), _) => self.rows[at].qty = level.qty,
            (Err(_), 0) => {}
            (Err(at), _) => self.rows.insert(at, level),
        }
    }

    /// Replaces everything. Of a price that stands twice, the last row counts.
    pub(crate) fn load(&mut self, levels: &[Level]) {
        let side = self.side;
        self.rows.clear();
        // Venues send the best first: reversed, the rows are in order already, and of equal ones the last leads.
        self.rows.extend(levels.iter().rev());
        self.rows.sort_by_key(|row| Side::rank(side, row.price));
        self.rows.dedup_by_key(|row| row.price);
        self.rows.retain(|row| row.qty.0 != 0);
    }

    /// Cuts off all but the best `depth` levels and gives those cut off.
    pub(crate) fn trim(&mut self, depth: usize) -> impl Iterator<Item = Level> + '_ {
        let excess = self.rows.len().saturating_sub(depth);
        self.rows.drain(..excess)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn best(&self) -> Option<Level> {
        self.rows.last().copied()
    }

    pub(crate) fn at(&self, price: Price) -> Option<Qty> {
        self.find(price).ok().map(|at| self.rows[at].qty)
    }

    /// Best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Level> + Clone + '_ {
        self.rows.iter().rev().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let cut: Vec<_> = side.trim(2).map(|row| (row.price.0, row.qty.0)).collect();
            assert_eq!((shown(&side), cut), (best[..2].to_vec(), best[2..].to_vec()));
            assert_eq!(side.trim(2).count(), 0);
        }
    }

    #[test]
    fn the_ends_of_the_integers_are_prices_too() {
        let mut asks = side(BookSide::Ask, &[(i64::MAX, 1), (1, i64::MAX)]);
        assert_eq!(shown(&asks), vec![(1, i64::MAX), (i64::MAX, 1)]);
        asks.set(Level::new(i64::MIN, 0));
        assert_eq!(asks.len(), 2);
        assert_eq!(asks.at(Price(i64::MAX)), Some(Qty(1)));
        assert_eq!(asks.at(Price(2)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        /// Row by row or all at once: the same side.
        #[test]
        fn setting_each_row_equals_loading_all(
            rows in prop::collection::vec((1i64..20, 0i64..4), 0..40), ask in any::<bool>(),
        ) {
            let of = if ask { BookSide::Ask } else { BookSide::Bid };
            let loaded = side(of, &rows);
            let mut set = Side::new(of);
            for &(p, q) in &rows {
                set.set(Level::new(p, q));
            }
            prop_assert_eq!(shown(&loaded), shown(&set));
            prop_assert_eq!(loaded.best(), loaded.iter().next());
        }
    }
}
