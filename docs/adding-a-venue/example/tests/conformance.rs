//! Kiosk passes the suite, and fifty seeds of faults.

use std::sync::Arc;

use kiosk::server::{key, world};
use kiosk::{Kiosk, KioskServer};
use venuekit_sim::world::WorldConfig;
use venuekit_testkit::scenario::{self, Subject};
use venuekit_venue::{Catalog, EventBuf, Place, Row, Venue};

fn subject() -> Subject {
    Subject {
        venue: Arc::new(Kiosk::default()),
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

/// The judge knows books and trades; rows of the account are pinned to the documents' own examples.
#[test]
fn a_balance_is_read_as_documented() {
    let (catalog, mut out) = (Catalog::new(), EventBuf::new());
    let place = Place { product: 0, socket: 0, catalog: &catalog };
    let frame = br#"{"type":"update","stream":"balances","seq":7,"at":1700000000000,
        "data":[{"asset":"BTC","free":"1.50","locked":"0.25"}]}"#;
    Kiosk::default().decode(place, frame, &mut out);
    let [Row::Balance(row)] = &out.rows[..] else { panic!("{:?}", out.events) };
    let told = (row.asset.as_str(), row.free, row.locked);
    assert_eq!(told, ("BTC", "1.50".parse().ok(), "0.25".parse().ok()));
}
