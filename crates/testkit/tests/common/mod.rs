//! The two venues of this workspace as subjects of a run.

use std::sync::Arc;

use venuekit_sim::{Keys, Sim, SimConfig, VenueSim};
use venuekit_testkit::scenario::{SimSeed, Subject};

/// Every subject, by venue.
#[allow(dead_code, reason = "not every test runs every subject")]
pub(crate) fn subjects() -> Vec<(&'static str, Subject)> {
    vec![("doex", doex()), ("duedex", duedex())]
}

pub(crate) fn doex() -> Subject {
    Subject {
        venue: Arc::new(venuekit_doex::Doex::default()),
        sim: |seed| simulate("doex", seed),
        credentials: Some(|seed| Keys::from_seed(seed).doex),
        book_stream: |info| {
            let name = format!("{}@depth", info.venue_symbol.to_lowercase());
            let is_spot = info.symbol.as_ref().is_some_and(|symbol| symbol.settle().is_none());
            if is_spot { name } else { format!("futures:{name}") }
        },
    }
}

pub(crate) fn duedex() -> Subject {
    Subject {
        venue: Arc::new(venuekit_duedex::DueDex::new()),
        sim: |seed| simulate("duedex", seed),
        credentials: Some(|seed| Keys::from_seed(seed).duedex),
        book_stream: |info| format!("level2:{}", info.venue_symbol),
    }
}

fn simulate(name: &str, seed: SimSeed) -> VenueSim {
    let config =
        SimConfig { rate: seed.rate, history: seed.history, ..SimConfig::new(seed.seed, seed.start) }
            .with_faults(&seed.faults);
    Sim::new(config).into_venues().into_iter().find(|venue| venue.name() == name).expect("both venues exist")
}
