//! Seeded runs under faults: the small size of what `prove` runs in full.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use venuekit_testkit::scenario::{self, Subject};

fn check(name: &str, subject: &Subject) {
    check_some(name, subject, 200);
}

fn check_some(name: &str, subject: &Subject, usual: u64) {
    let seeds: u64 = std::env::var("VENUEKIT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let mut account_rows = 0;
    for seed in 0..seeds {
        let outcome = scenario::run(subject, seed, false);
        assert!(
            outcome.is_clean(),
            "SEED={seed}: {:#?} {:#?}\nrepeat: cargo run --release -p venuekit-testkit --example prove -- \
             --venue {name} --seed {seed}",
            outcome.judge.divergences,
            outcome.unhealed,
        );
        assert!(outcome.judge.compared > 0, "SEED={seed}: no book was compared");
        account_rows += outcome.judge.account_rows;
    }
    // Cash, positions, orders and fills: some of each in every run but those whose login was refused.
    assert!(account_rows > 10 * seeds, "{name}: only {account_rows} rows of the account were compared");
}

#[test]
fn binance_never_diverges() {
    check("binance", &common::binance());
}

#[test]
fn doex_never_diverges() {
    check("doex", &common::doex());
}

#[test]
fn duedex_never_diverges() {
    check("duedex", &common::duedex());
}

#[test]
fn kraken_never_diverges() {
    // Its futures tell one level a message, which makes a run ten times as many.
    check_some("kraken", &common::kraken(), 60);
}

/// A snapshot that linked to no update forgot the updates' frames and kept their numbers; the next one then went live
/// without their rows.
#[test]
fn a_state_tells_the_rows_of_every_update_it_links_to() {
    let outcome = scenario::run(&common::kraken(), 199, false);
    assert!(outcome.is_clean(), "SEED=199: {:#?} {:#?}", outcome.judge.divergences, outcome.unhealed);
}
