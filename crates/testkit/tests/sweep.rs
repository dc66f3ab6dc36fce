//! Cancelling everything at every venue: at once, confirmed by two empty readings, whatever goes wrong meanwhile.

mod common;

use core::time::Duration;

use venuekit_sim::{Fault, Sim, SimConfig, VenueSim};
use venuekit_testkit::scenario::{SimSeed, Subject};
use venuekit_testkit::sweep::{self, Outcome};

/// Orders that rest at a venue, none of which its client has heard of.
const ORDERS: usize = 200;
/// By when every order had a cancel leave for it.
const DISPATCHED: Duration = Duration::from_millis(250);
/// By when the venue was read twice without an order, over a round trip of 50 ms.
const CONFIRMED: Duration = Duration::from_secs(2);

/// Every venue, with a demo account that does nothing by itself: its orders would come after the last reading, too.
fn quiet() -> Vec<(&'static str, Subject)> {
    fn sim(name: &'static str, seed: SimSeed) -> VenueSim {
        let config = SimConfig { rate: seed.rate, script: false, ..SimConfig::new(seed.seed, seed.start) };
        Sim::new(config.only(&[name])).into_venues().pop().expect("it is one of the simulator's")
    }
    let sims: [fn(SimSeed) -> VenueSim; 4] = [
        |seed| sim("doex", seed),
        |seed| sim("duedex", seed),
        |seed| sim("binance", seed),
        |seed| sim("kraken", seed),
    ];
    let subjects = common::subjects().into_iter().zip(sims);
    subjects.map(|((name, subject), sim)| (name, Subject { sim, ..subject })).collect()
}

fn check(venue: &str, seed: u64, outcome: &Outcome) {
    assert_eq!(outcome.before, ORDERS, "SEED={seed} {venue}");
    assert!(outcome.fills > 0, "SEED={seed} {venue}: nothing filled in between");
    assert_eq!(outcome.left, 0, "SEED={seed} {venue}: {outcome:?}");
    assert!(outcome.dispatched <= DISPATCHED, "SEED={seed} {venue}: {outcome:?}");
    assert!(outcome.confirmed.is_some_and(|at| at <= CONFIRMED), "SEED={seed} {venue}: {outcome:?}");
}

#[test]
fn two_hundred_orders_that_nobody_knows_are_gone_within_two_seconds() {
    for (venue, subject) in quiet() {
        let outcome = sweep::run(&subject, 11, ORDERS, &[]);
        check(venue, 11, &outcome);
        println!("{venue}: {:?} dispatched, {:?} confirmed", outcome.dispatched, outcome.confirmed);
    }
}

/// One cancel is refused, one is done and never answered, one order fills and one appears in the middle.
#[test]
fn a_refused_and_a_lost_cancel_cost_no_more_than_that() {
    let faults = [Fault::Reject(503), Fault::LateAnswer(Duration::from_secs(3_600))];
    for (venue, subject) in quiet() {
        for seed in 20..24 {
            let outcome = sweep::run(&subject, seed, ORDERS, &faults);
            check(venue, seed, &outcome);
            for fault in &faults {
                assert!(outcome.faults.contains_key(fault.name()), "SEED={seed} {venue}: {outcome:?}");
            }
            println!(
                "{venue}: {:?} dispatched, last cancel {:?}, {:?} confirmed, reported {:?}",
                outcome.dispatched, outcome.last_cancel, outcome.confirmed, outcome.reported
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_sweep() {
    let run = || sweep::run(&quiet()[0].1, 3, 20, &[Fault::Reject(503)]);
    assert_eq!(run(), run());
}
