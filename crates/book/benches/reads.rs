//! Reading: the touch, the best 20 of both sides, a fill and a price, beside a `BTreeMap` in the same run.

#[path = "support/workload.rs"]
mod workload;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use venuekit_book::{Book, Linkage, Outcome, Rules, Update};
use venuekit_types::{BookSide, Level, Now, Price, Qty};
use workload::Session;

/// Something that needs all four numbers.
fn spread(bid: Level, ask: Level) -> i64 {
    (ask.price.0 - bid.price.0) ^ (ask.qty.0 - bid.qty.0)
}

fn measure(criterion: &mut Criterion, name: &str, session: &Session) {
    let now = Now::default();
    let mut book = Book::new(Rules::new(Linkage::Unnumbered));
    let [mut bids, mut asks] = [BTreeMap::new(), BTreeMap::new()];
    for (n, (bid_rows, ask_rows)) in std::iter::once(session.snapshot()).chain(session.messages()).enumerate()
    {
        let update = Update { bids: bid_rows, asks: ask_rows, ..Update::default() };
        let outcome = if n == 0 { book.snapshot(now, 1, &update) } else { book.apply(now, &update) };
        assert_eq!(outcome, Outcome::Applied);
        for (tree, rows) in [(&mut bids, bid_rows), (&mut asks, ask_rows)] {
            for Level { price: Price(price), qty: Qty(qty) } in rows {
                if *qty == 0 {
                    tree.remove(price)
                } else {
                    tree.insert(*price, *qty)
                };
            }
        }
    }
    let mut group = criterion.benchmark_group(format!("touch/{name}"));
    group.bench_function("venuekit-book", |bencher| {
        bencher.iter(|| {
            let view = black_box(&book).view(now).expect("live");
            view.best_bid().zip(view.best_ask()).map_or(0, |(bid, ask)| spread(bid, ask))
        });
    });
    group.bench_function("btreemap", |bencher| {
        bencher.iter(|| {
            let (bid, ask) = (black_box(&bids).last_key_value(), black_box(&asks).first_key_value());
            let level = |(price, qty): (&i64, &i64)| Level::new(*price, *qty);
            bid.zip(ask).map_or(0, |(bid, ask)| spread(level(bid), level(ask)))
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group(format!("top20/{name}"));
    group.bench_function("venuekit-book", |bencher| {
        let mut top = [[Level::default(); 20]; 2];
        bencher.iter(|| {
            let view = black_box(&book).view(now).expect("live");
            let [bids, asks] = &mut top;
            let count = view.top(BookSide::Bid, bids) + view.top(BookSide::Ask, asks);
            black_box(&top);
            count
        });
    });
    group.bench_function("btreemap", |bencher| {
        let mut top = Vec::with_capacity(40);
        bencher.iter(|| {
            top.clear();
            let level = |(p, q): (&i64, &i64)| Level::new(*p, *q);
            let (bids, asks) = (black_box(&bids).iter().rev(), black_box(&asks).iter());
            top.extend(bids.take(20).map(level).chain(asks.take(20).map(level)));
            black_box(&top).len()
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group(format!("other/{name}"));
    group.bench_function("fill", |bencher| {
        bencher.iter(|| black_box(&book).view(now).expect("live").fill(BookSide::Ask, Qty(1_000_000)));
    });
    let best = book.view(now).expect("live").best_bid().expect("a bid").price;
    group.bench_function("qty_at", |bencher| {
        bencher.iter(|| black_box(&book).view(now).expect("live").qty_at(BookSide::Bid, black_box(best)));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    measure(&mut criterion, "w1", &workload::dense(1_000, 200_000));
    measure(&mut criterion, "eth", &workload::recorded("ETHUSDT"));
    criterion.final_summary();
}
