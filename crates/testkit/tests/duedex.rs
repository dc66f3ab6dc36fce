//! DueDEX passes the suite.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

venuekit_testkit::conformance!(common::duedex());

#[test]
fn a_recorded_tape_replays_to_the_same_account() {
    venuekit_testkit::conformance::a_recorded_tape_replays_to_the_same_account(&common::duedex());
}
