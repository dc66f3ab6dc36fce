//! Writing: ns for each level, beside a `BTreeMap` in the same run. Reads stand in a binary of their own, since
//! engines in one binary cost each other their inlining.

#[path = "support/workload.rs"]
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use venuekit_book::{Book, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
use venuekit_types::{Level, Now};
use workload::Session;

fn book(session: &Session) -> Book {
    let linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
    let mut book = Book::new(Rules::new(linkage));
    let (bids, asks) = session.snapshot();
    let update = Update { ids: Some(Ids::single(0)), bids, asks, ..Update::default() };
    assert_eq!(book.snapshot(Now::default(), 1, &update), Outcome::Applied);
    book
}

fn apply(book: &mut Book, n: usize, (bids, asks): (&[Level], &[Level])) {
    let ids = Ids::single(u64::try_from(n).expect("a small number"));
    let update = Update { ids: Some(ids), bids, asks, ..Update::default() };
    assert!(book.apply(Now::default(), &update) == Outcome::Applied, "a straight session");
}

type Trees = [BTreeMap<i64, i64>; 2];

fn apply_to_trees(trees: &mut Trees, (bids, asks): (&[Level], &[Level])) {
    for (tree, rows) in trees.iter_mut().zip([bids, asks]) {
        for row in rows {
            match row.qty.0 {
                0 => tree.remove(&row.price.0),
                qty => tree.insert(row.price.0, qty),
            };
        }
    }
}

fn measure(criterion: &mut Criterion, name: &str, session: &Session) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::try_from(session.updates()).expect("a small count")));
    group.bench_function("venuekit-book", |bencher| {
        let run = |book: &mut Book| {
            for (n, rows) in session.messages().enumerate() {
                apply(book, n + 1, rows);
            }
        };
        bencher.iter_batched_ref(|| book(session), run, BatchSize::PerIteration);
    });
    group.bench_function("btreemap", |bencher| {
        let start = || {
            let mut trees = Trees::default();
            apply_to_trees(&mut trees, session.snapshot());
            trees
        };
        let run = |trees: &mut Trees| session.messages().for_each(|rows| apply_to_trees(trees, rows));
        bencher.iter_batched_ref(start, run, BatchSize::PerIteration);
    });
    group.finish();
}

/// 256 books, each at another place of the session.
fn rotate(criterion: &mut Criterion, session: &Session) {
    const BOOKS: usize = 256;
    const ROUNDS: usize = 20;
    let rows: Vec<(&[Level], &[Level])> = session.messages().collect();
    let place = |book: usize| rows.len() / 4 + book * rows.len() / 2 / BOOKS;
    let levels: usize = (0..BOOKS)
        .flat_map(|book| &rows[place(book)..place(book) + ROUNDS])
        .map(|(bids, asks)| bids.len() + asks.len())
        .sum();
    let mut group = criterion.benchmark_group("rotate/256");
    group.throughput(Throughput::Elements(u64::try_from(levels).expect("a small count")));
    group.bench_function("venuekit-book", |bencher| {
        let start = || -> Vec<Book> {
            let at = |number: usize| {
                let mut book = book(session);
                (0..place(number)).for_each(|n| apply(&mut book, n + 1, rows[n]));
                book
            };
            (0..BOOKS).map(at).collect()
        };
        let run = |books: &mut Vec<Book>| {
            for round in 0..ROUNDS {
                for (number, book) in books.iter_mut().enumerate() {
                    apply(book, place(number) + round + 1, rows[place(number) + round]);
                }
            }
        };
        bencher.iter_batched_ref(start, run, BatchSize::PerIteration);
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    measure(&mut criterion, "apply/w1", &workload::dense(1_000, 500_000));
    measure(&mut criterion, "apply/w2", &workload::sparse(10_000));
    measure(&mut criterion, "apply/btc", &workload::recorded("BTCUSDT"));
    let eth = workload::recorded("ETHUSDT");
    measure(&mut criterion, "apply/eth", &eth);
    rotate(&mut criterion, &eth);
    for levels in [100, 1_000, 10_000] {
        measure(&mut criterion, &format!("scale/{levels}"), &workload::dense(levels, 200_000));
    }
    criterion.final_summary();
}
