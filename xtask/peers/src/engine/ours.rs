//! Our book and the baseline.

use std::collections::BTreeMap;

use venuekit_book::{Book, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
use venuekit_types::{BookSide, Level, Now};

use crate::{Engine, Session};

/// venuekit-book under a rule of consecutive numbers.
pub struct Ours(Book);

impl Engine for Ours {
    type Message<'a> = (&'a [Level], &'a [Level]);

    fn message<'a>(_: &Session, bids: &'a [Level], asks: &'a [Level]) -> Self::Message<'a> {
        (bids, asks)
    }

    fn new(session: &Session) -> Ours {
        let linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
        let mut book = Book::new(Rules::new(linkage));
        book.expect_snapshot();
        let (bids, asks) = session.snapshot();
        let snapshot = Update { ids: Some(Ids::single(0)), bids, asks, ..Update::default() };
        assert_eq!(book.snapshot(Now::default(), 1, &snapshot), Outcome::Applied);
        Ours(book)
    }

    #[inline]
    fn apply(&mut self, n: usize, &(bids, asks): &(&[Level], &[Level])) {
        let update = Update { ids: Some(Ids::single(n as u64)), bids, asks, ..Update::default() };
        let outcome = self.0.apply(Now::default(), &update);
        assert!(outcome == Outcome::Applied, "a straight session");
    }

    fn levels(&self, _: &Session) -> (Vec<Level>, Vec<Level>) {
        let view = self.0.view(Now::default()).expect("live");
        (view.levels(BookSide::Bid).collect(), view.levels(BookSide::Ask).collect())
    }
}

/// `BTreeMap<i64, i64>` a side.
pub struct BTree {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

fn write(side: &mut BTreeMap<i64, i64>, rows: &[Level]) {
    for row in rows {
        if row.qty.0 == 0 {
            side.remove(&row.price.0);
        } else {
            side.insert(row.price.0, row.qty.0);
        }
    }
}

impl Engine for BTree {
    type Message<'a> = (&'a [Level], &'a [Level]);

    fn message<'a>(_: &Session, bids: &'a [Level], asks: &'a [Level]) -> Self::Message<'a> {
        (bids, asks)
    }

    fn new(session: &Session) -> BTree {
        let mut book = BTree { bids: BTreeMap::new(), asks: BTreeMap::new() };
        let (bids, asks) = session.snapshot();
        book.apply(0, &(bids, asks));
        book
    }

    #[inline(always)]
    fn apply(&mut self, _: usize, &(bids, asks): &(&[Level], &[Level])) {
        write(&mut self.bids, bids);
        write(&mut self.asks, asks);
    }

    fn levels(&self, _: &Session) -> (Vec<Level>, Vec<Level>) {
        let row = |(&price, &qty): (&i64, &i64)| Level::new(price, qty);
        (self.bids.iter().rev().map(row).collect(), self.asks.iter().map(row).collect())
    }
}
