//! An hour each of what `prove` runs for a day and a week.

mod common;

use venuekit_testkit::endure;

const SEED: u64 = 1;

#[test]
fn an_hour_in_peace_raises_no_alarm() {
    for (name, subject) in common::subjects() {
        let endured = endure::run(&subject, SEED, 1, false);
        assert!(endured.is_clean(), "{name} SEED={SEED}: {endured:#?}");
        assert!(endured.judge.compared > 1_000, "{name} SEED={SEED}: {} books", endured.judge.compared);
        assert_eq!(endured.drifts(), 0, "{name} SEED={SEED}: a false alarm");
    }
}

#[test]
fn an_hour_of_faults_leaves_nothing_unexplained_and_nothing_broken() {
    for (name, subject) in common::subjects() {
        let endured = endure::run(&subject, SEED, 1, true);
        assert!(
            endured.is_clean(),
            "{name} SEED={SEED}: {:#?}",
            (&endured.judge.divergences, &endured.unexplained, &endured.unhealed)
        );
        assert!(endured.departures.values().sum::<u64>() > 5, "{name} SEED={SEED}: {:?}", endured.departures);
    }
}
