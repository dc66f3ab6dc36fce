//! Orders under loss and kills: at most one at the venue per intent, and the client right about each.

mod common;

use venuekit_testkit::orders::{self, Outcome};
use venuekit_testkit::scenario::Subject;

fn check(subject: &Subject, product: usize, seeds: core::ops::Range<u64>, intents: u64) -> Vec<Outcome> {
    let outcomes: Vec<Outcome> = seeds
        .map(|seed| {
            let outcome = orders::run(subject, product, seed, intents);
            let name = &subject.venue.specs()[product];
            let (wrong, ends) = (&outcome.wrong, &outcome.ends);
            assert!(wrong.is_empty(), "{} {}: SEED={seed} {wrong:#?} {ends:?}", name.venue, name.product);
            outcome
        })
        .collect();
    let count = |word: &str| outcomes.iter().filter_map(|outcome| outcome.ends.get(word)).sum::<u64>();
    // A run in which nothing went wrong on the way would prove nothing.
    for word in ["accepted", "unknown", "found", "never_placed"] {
        assert!(count(word) > 0, "nothing was {word}");
    }
    assert!(outcomes.iter().any(|outcome| outcome.kills > 0), "nothing was killed");
    outcomes
}

#[test]
fn no_order_of_doex_spot_is_doubled_or_misjudged() {
    check(&common::doex(), venuekit_doex::SPOT, 0..8, 20);
}

#[test]
fn no_order_of_doex_futures_is_doubled_or_misjudged() {
    check(&common::doex(), venuekit_doex::FUTURES, 100..104, 20);
}

#[test]
fn no_order_of_duedex_is_doubled_or_misjudged() {
    check(&common::duedex(), 0, 200..206, 20);
}

#[test]
fn no_order_of_binance_spot_is_doubled_or_misjudged() {
    check(&common::binance(), venuekit_binance::SPOT, 300..306, 20);
}

#[test]
fn no_order_of_binance_futures_is_doubled_or_misjudged() {
    check(&common::binance(), venuekit_binance::USDM, 400..406, 20);
}

#[test]
fn no_order_on_margin_is_doubled_or_misjudged() {
    check(&common::binance(), venuekit_binance::MARGIN, 500..504, 20);
    check(&common::binance(), venuekit_binance::ISOLATED, 600..604, 20);
}

#[test]
fn no_order_that_waits_for_a_trigger_is_doubled_or_misjudged() {
    check(&common::binance(), venuekit_binance::ALGO, 700..704, 20);
}

/// A second answer to a sending that was refused for its time was taken for the answer to the next one.
#[test]
fn a_doubled_refusal_for_the_time_does_not_stand_for_the_order_that_left_again() {
    let outcome = orders::run(&common::doex(), venuekit_doex::FUTURES, 63, 50);
    assert!(outcome.wrong.is_empty(), "SEED=63 {:?}", outcome.wrong);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || orders::run(&common::doex(), venuekit_doex::SPOT, 7, 10).trace;
    assert_eq!(run(), run());
}

#[test]
fn no_order_of_kraken_spot_is_doubled_or_misjudged() {
    check(&common::kraken(), venuekit_kraken::SPOT, 300..304, 20);
}

#[test]
fn no_order_of_kraken_futures_is_doubled_or_misjudged() {
    check(&common::kraken(), venuekit_kraken::FUTURES, 400..404, 20);
}
