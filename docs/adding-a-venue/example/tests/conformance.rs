//! Kiosk passes the suite, and fifty seeds of faults.

use std::sync::Arc;

use kiosk::server::{key, world};
use kiosk::{Kiosk, KioskServer};
use venuekit_sim::world::WorldConfig;
use venuekit_testkit::scenario::{self, Subject};

fn subject() -> Subject {
    Subject {
        venue: Arc::new(Kiosk::new()),
        sim: |run| {
            let world = WorldConfig { rate: run.rate, history: run.history, ..world(run.seed, run.start) };
            KioskServer::open(world, run.faults)
        },
        credentials: Some(key),
        book_stream: |info| format!("book:{}", info.venue_symbol),
    }
}

venuekit_testkit::conformance!(subject());

#[test]
fn no_seed_of_fifty_diverges() {
    for seed in 0..50 {
        let outcome = scenario::run(&subject(), seed, false);
        assert!(outcome.is_clean(), "SEED={seed}: {:#?} {:#?}", outcome.judge.divergences, outcome.unhealed);
        assert!(outcome.judge.compared > 0, "SEED={seed}: no book was compared");
    }
}
