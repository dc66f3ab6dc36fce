//! Which trades of a stream were seen: each is told once, and a hole in contiguous ids shows.

use std::collections::{BTreeSet, VecDeque};

use venuekit_venue::spec::RowIds;

/// What to do with one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Tell it.
    New,
    /// Tell it; the ids from the first to the second are missing before it.
    NewAfterHole(u64, u64),
    /// Tell it: it fills a hole.
    Filled,
    /// It was told already.
    Duplicate,
}

/// What was seen of one trade stream.
#[derive(Debug)]
pub(crate) struct Trades {
    ids: RowIds,
    last: Option<u64>,
    holes: Vec<(u64, u64)>,
    recent: BTreeSet<u64>,
    order: VecDeque<u64>,
    holes_max: usize,
}

/// Opaque ids remembered for being told once; older repeats are caught by the store's key.
const RECENT: usize = 4_096;

impl Trades {
    pub(crate) fn new(ids: RowIds, holes_max: usize) -> Trades {
        Trades {
            ids,
            last: None,
            holes: Vec::new(),
            recent: BTreeSet::new(),
            order: VecDeque::new(),
            holes_max: holes_max.max(1),
        }
    }

    /// The highest contiguous id seen.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The first id that is missing.
    pub(crate) fn first_missing(&self) -> Option<u64> {
        self.holes.first().map(|hole| hole.0)
    }

    /// Stops waiting for what is missing below an id, and says how much that was.
    pub(crate) fn give_up_below(&mut self, id: u64) -> Option<(u64, u64)> {
        let mut lost: Option<(u64, u64)> = None;
        self.holes.retain_mut(|hole| {
            if hole.0 >= id {
                return true;
            }
            let end = hole.1.min(id - 1);
            let span = lost.get_or_insert((hole.0, end));
            span.1 = span.1.max(end);
            hole.0 = id;
            hole.0 <= hole.1
        });
        lost
    }

    /// Judges one trade by its number.
    pub(crate) fn see(&mut self, number: Option<u64>) -> Seen {
        let Some(n) = number else { return Seen::New };
        match self.ids {
            RowIds::Opaque => self.see_opaque(n),
            RowIds::Contiguous => self.see_contiguous(n),
        }
    }

    fn see_opaque(&mut self, n: u64) -> Seen {
        if !self.recent.insert(n) {
            return Seen::Duplicate;
        }
        self.order.push_back(n);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        self.last = Some(self.last.map_or(n, |last| last.max(n)));
        Seen::New
    }

    fn see_contiguous(&mut self, n: u64) -> Seen {
        let Some(last) = self.last else {
            self.last = Some(n);
            return Seen::New;
        };
        if n <= last {
            return if self.fill(n) { Seen::Filled } else { Seen::Duplicate };
        }
        self.last = Some(n);
        if n == last + 1 {
            return Seen::New;
        }
        let hole = (last + 1, n - 1);
        if self.holes.len() < self.holes_max {
            self.holes.push(hole);
        } else if let Some(newest) = self.holes.last_mut() {
            // The bound is kept by widening the newest hole: the trades between are fetched again, and the
            // store knows them by key.
            newest.1 = hole.1;
        }
        Seen::NewAfterHole(hole.0, hole.1)
    }

    /// Takes one id out of the holes; false when it was in none.
    fn fill(&mut self, n: u64) -> bool {
        let Some(at) = self.holes.iter().position(|hole| (hole.0..=hole.1).contains(&n)) else {
            return false;
        };
        let (from, to) = self.holes[at];
        match (n == from, n == to) {
            (true, true) => {
                self.holes.remove(at);
            }
            (true, false) => self.holes[at].0 = n + 1,
            (false, true) => self.holes[at].1 = n - 1,
            (false, false) => {
                self.holes[at].1 = n - 1;
                self.holes.insert(at + 1, (n + 1, to));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_open_fill_in_any_order_and_close() {
        let mut trades = Trades::new(RowIds::Contiguous, 8);
        assert_eq!(trades.see(Some(10)), Seen::New);
        assert_eq!(trades.see(Some(10)), Seen::Duplicate);
        assert_eq!(trades.see(Some(15)), Seen::NewAfterHole(11, 14));
        assert_eq!(trades.see(Some(13)), Seen::Filled);
        assert_eq!(trades.see(Some(13)), Seen::Duplicate);
        assert_eq!(trades.first_missing(), Some(11));
        assert_eq!(trades.see(Some(11)), Seen::Filled);
        assert_eq!(trades.see(Some(12)), Seen::Filled);
        assert_eq!(trades.first_missing(), Some(14));
        assert_eq!(trades.give_up_below(15), Some((14, 14)));
        assert_eq!(trades.first_missing(), None);
        assert_eq!(trades.see(Some(9)), Seen::Duplicate);
    }

    #[test]
    fn more_holes_than_the_bound_widen_the_newest() {
        let mut trades = Trades::new(RowIds::Contiguous, 1);
        assert_eq!(trades.see(Some(1)), Seen::New);
        assert_eq!(trades.see(Some(3)), Seen::NewAfterHole(2, 2));
        assert_eq!(trades.see(Some(9)), Seen::NewAfterHole(4, 8));
        assert_eq!(trades.first_missing(), Some(2));
        assert_eq!(trades.see(Some(8)), Seen::Filled);
    }

    #[test]
    fn opaque_ids_are_told_once_in_any_order() {
        let mut trades = Trades::new(RowIds::Opaque, 8);
        assert_eq!(trades.see(Some(7)), Seen::New);
        assert_eq!(trades.see(Some(5)), Seen::New);
        assert_eq!(trades.see(Some(7)), Seen::Duplicate);
        assert_eq!(trades.see(None), Seen::New);
    }
}
