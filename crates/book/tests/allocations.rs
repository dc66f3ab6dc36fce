//! A book that has seen its market asks for no more memory: not for a diff, a snapshot, a trim or a read.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use venuekit_book::{Book, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Top, Update, publication};
use venuekit_types::{BookSide, Level, Now, Price, Qty};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A walk over some thousand prices a side, from a seed, in which levels come and go.
fn session(seed: u64, messages: usize) -> Vec<[Vec<Level>; 2]> {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % below).expect("it was 31 bits")
    };
    let mut rows = |sign: i64| -> Vec<Level> {
        (0..next(60))
            .map(|_| {
                let away = if next(10) == 0 { 50_000 * (1 + next(5)) } else { next(3_000) };
                Level::new(6_000_000 + sign * (1 + away) * 10, if next(3) == 0 { 0 } else { 1 + next(1_000) })
            })
            .collect()
    };
    (0..messages).map(|_| [rows(-1), rows(1)]).collect()
}

fn run(rules: Rules) {
    let session = session(7, 2_000);
    let mut book = Book::new(rules);
    let (mut publisher, reader) = publication(20);
    let (mut top, mut id) = (Top::default(), 0);
    let mut pass = || {
        for (n, [bids, asks]) in session.iter().enumerate() {
            id += 1;
            let update = Update { ids: Some(Ids::single(id)), bids, asks, ..Update::default() };
            let outcome = match n {
                0 => book.snapshot(Now::default(), 1, &update),
                _ => book.apply(Now::default(), &update),
            };
            assert_eq!(outcome, Outcome::Applied);
            let view = book.view(Now::default()).expect("live");
            let _ = (
                view.best_bid(),
                view.fill(BookSide::Ask, Qty(5_000)),
                view.depth_to(BookSide::Bid, Price(5_990_000)),
            );
            publisher.publish(Now::default(), &book);
            assert!(reader.read(&mut top));
        }
    };
    // The market twice, so that everything has grown to what it needs.
    pass();
    pass();
    let region = Region::new(ALLOCATOR);
    pass();
    let after = region.change();
    assert_eq!((after.allocations, after.reallocations), (0, 0), "{rules:?}");
}

/// One test, since another one's allocations would count.
#[test]
fn a_warm_book_allocates_nothing() {
    let linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
    run(Rules::new(linkage));
    run(Rules { depth: Some(200), ..Rules::new(linkage) });
    run(Rules::new(Linkage::Replace));
}
