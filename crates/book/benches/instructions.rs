//! What `cargo xtask bench` runs under callgrind: a session, applied as many times as it is told.
//!
//! The difference of two runs is the cost of applying it once, free of start-up, and does not depend on what else
//! the machine does.

#[path = "support/workload.rs"]
mod workload;

use venuekit_book::{Book, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
use venuekit_types::Now;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo runs every bench with this argument and no others: then there is nothing to do.
    let [name, times] = &arguments[..] else { return };
    let session = match name.as_str() {
        "w1" => workload::dense(1_000, 50_000),
        "w2" => workload::sparse(500),
        _ => return,
    };
    for _ in 0..times.parse::<u32>().expect("how often") {
        let linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
        let mut book = Book::new(Rules::new(linkage));
        let (bids, asks) = session.snapshot();
        let update = Update { ids: Some(Ids::single(0)), bids, asks, ..Update::default() };
        assert_eq!(book.snapshot(Now::default(), 1, &update), Outcome::Applied);
        for (n, (bids, asks)) in (1..).zip(session.messages()) {
            let update = Update { ids: Some(Ids::single(n)), bids, asks, ..Update::default() };
            assert!(book.apply(Now::default(), &update) == Outcome::Applied, "a straight session");
        }
        std::hint::black_box(&book);
    }
    println!("{}", session.updates());
}
