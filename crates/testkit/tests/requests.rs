//! Budgets under a flood and clocks that jump: small sizes of what `prove` runs.

mod common;

use core::time::Duration;

use venuekit_testkit::requests;

#[test]
fn a_flood_of_polls_delays_no_cancel_and_breaks_no_budget() {
    let flood = requests::flood(&common::doex(), venuekit_doex::SPOT, 1, 3);
    let p99 = flood.waits[flood.waits.len() * 99 / 100];
    assert!(p99 <= Duration::from_millis(50), "SEED=1 a cancel waited {p99:?}");
    assert!(flood.used_permille >= 900, "SEED=1 only {} of 1000 were used", flood.used_permille);
    assert_eq!(flood.statuses.get(&418), None, "SEED=1 banned: {:?}", flood.statuses);
    assert!(flood.statuses.get(&429).is_none_or(|&count| count <= 1), "SEED=1 {:?}", flood.statuses);
    assert!(flood.turned_away > 0, "the queue has no bound");
}

#[test]
fn a_jump_of_a_clock_costs_one_call_at_most_and_no_stamp_repeats() {
    for seed in 0..4 {
        let jumps = requests::jumps(&common::doex(), venuekit_doex::SPOT, seed, 6);
        assert!(jumps.refused <= jumps.events, "SEED={seed} {jumps:?}");
        assert!(jumps.refused > 0, "SEED={seed}: the venue's clock never mattered: {jumps:?}");
        assert_eq!((jumps.failed, jumps.doubled), (0, 0), "SEED={seed} {jumps:?}");
        assert!(jumps.alarms > 0, "SEED={seed} {jumps:?}");
    }
}
