//! Every linkage rule as a table: messages in, one word each out.

use venuekit_book::{
    Book, Cause, ChainFirst, Early, Gap, Ids, Linkage, Outcome, Rules, StaleStep, State, StepFirst, Update,
};
use venuekit_types::{Level, Now};

/// What the caller does to the book.
#[derive(Clone, Copy, Debug)]
enum Do {
    /// A new stream is asked for.
    Expect,
    /// Another snapshot for the same stream is asked for.
    Refetch,
    /// A snapshot at an id.
    Snap(u64),
    /// An update with these numbers.
    Ids(Ids),
    /// A message without numbers.
    Bare,
}

fn n(n: u64) -> Do {
    Do::Ids(Ids::single(n))
}

fn span(first: u64, last: u64) -> Do {
    Do::Ids(Ids::range(first, last))
}

fn link(prev: u64, last: u64) -> Do {
    Do::Ids(Ids::linked(prev, last))
}

fn usdm(first: u64, last: u64, prev: u64) -> Do {
    Do::Ids(Ids { first, last, prev: Some(prev) })
}

fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied => "applied".into(),
        Outcome::Old => "old".into(),
        Outcome::Buffered => "buffered".into(),
        Outcome::Desync(gap) => gap.to_string(),
    }
}

/// Runs the script and compares outcome by outcome, then the state and last id at the end.
#[track_caller]
fn check(rules: Rules, script: &[(Do, &str)], end: State, last: Option<u64>) {
    let mut book = Book::new(rules);
    let now = Now::default();
    for (at, &(step, expected)) in script.iter().enumerate() {
        let row = [Level::new(7, 1)];
        let update = |ids| Update { ids, bids: &row, ..Update::default() };
        let got = match step {
            Do::Expect => {
                book.expect_snapshot();
                book.state().to_string()
            }
            Do::Refetch => {
                book.expect_refetch();
                book.state().to_string()
            }
            Do::Snap(id) => word(book.snapshot(now, 1, &update(Some(Ids::single(id))))),
            Do::Ids(ids) => word(book.apply(now, &update(Some(ids)))),
            Do::Bare => word(book.apply(now, &update(None))),
        };
        assert_eq!(got, expected, "step {at}, {step:?} of {script:?}");
        assert_eq!(book.view(now).is_ok(), book.state() == State::Live);
    }
    assert_eq!((book.state(), book.last_id()), (end, last), "after {script:?}");
}

fn step(first: StepFirst, restart: Option<u64>, stale: StaleStep) -> Rules {
    Rules::new(Linkage::Step { first, restart, stale })
}

const LIVE: State = State::Live;
const STALE: State = State::Stale;
const BUFFERING: State = State::Buffering;

#[test]
fn step_counts_by_one() {
    let rules = step(StepFirst::Next, None, StaleStep::Desync);
    let buffered = [
        (Do::Expect, "buffering"),
        (n(9), "buffered"),
        (n(10), "buffered"),
        (n(11), "buffered"),
        (Do::Snap(10), "applied"),
        (n(12), "applied"),
    ];
    check(rules, &buffered, LIVE, Some(12));
    check(rules, &[(Do::Snap(10), "applied"), (n(12), "sequence, expected 11, got 12")], STALE, Some(10));
    // Late ones are dropped only until the first has followed the snapshot.
    let late = [
        (Do::Snap(10), "applied"),
        (n(9), "old"),
        (n(10), "old"),
        (n(11), "applied"),
        (n(11), "sequence, expected 12, got 11"),
        (n(12), "old"),
    ];
    check(rules, &late, STALE, Some(11));
    let lenient = step(StepFirst::Next, None, StaleStep::Drop);
    let duplicates = [(Do::Snap(10), "applied"), (n(11), "applied"), (n(11), "old"), (n(12), "applied")];
    check(lenient, &duplicates, LIVE, Some(12));
    check(
        lenient,
        &[(Do::Snap(10), "applied"), (Do::Bare, "sequence, expected 11, got none")],
        STALE,
        Some(10),
    );
    check(lenient, &[(Do::Snap(0), "applied"), (n(1), "applied")], LIVE, Some(1));
    check(lenient, &[(Do::Snap(u64::MAX), "applied"), (n(0), "old")], LIVE, Some(u64::MAX));
}

#[test]
fn a_snapshot_replaces_at_any_time_even_with_a_lower_id() {
    let rules = step(StepFirst::Next, None, StaleStep::Desync);
    let lower = [(Do::Snap(10), "applied"), (n(11), "applied"), (Do::Snap(3), "applied"), (n(4), "applied")];
    check(rules, &lower, LIVE, Some(4));
    let healed = [
        (Do::Snap(10), "applied"),
        (n(12), "sequence, expected 11, got 12"),
        (n(13), "old"),
        (Do::Snap(13), "applied"),
        (n(14), "applied"),
    ];
    check(rules, &healed, LIVE, Some(14));
}

#[test]
fn step_anchor_waits_for_the_snapshots_own_number() {
    let rules = step(StepFirst::Anchor, Some(1), StaleStep::Drop);
    let anchored =
        [(Do::Snap(10), "applied"), (n(9), "old"), (n(10), "applied"), (n(10), "old"), (n(11), "applied")];
    check(rules, &anchored, LIVE, Some(11));
    check(rules, &[(Do::Snap(10), "applied"), (n(11), "sequence, expected 10, got 11")], STALE, Some(10));
    let too_old = [
        (Do::Expect, "buffering"),
        (n(11), "buffered"),
        (n(12), "buffered"),
        (Do::Snap(10), "snapshot_too_old, expected 10, got 11"),
        (Do::Refetch, "buffering"),
        (Do::Snap(12), "applied"),
        (n(13), "applied"),
    ];
    check(rules, &too_old, LIVE, Some(13));
}

#[test]
fn a_restart_ends_the_epoch_and_is_no_gap() {
    let rules = step(StepFirst::Next, Some(1), StaleStep::Drop);
    check(rules, &[(Do::Snap(10), "applied"), (n(1), "restarted, expected 11, got 1")], STALE, Some(10));
    check(rules, &[(Do::Snap(0), "applied"), (n(1), "applied"), (n(1), "old")], LIVE, Some(1));
    // The count begins anew while a snapshot is awaited: what was held before is of no use.
    let while_waiting = [
        (Do::Expect, "buffering"),
        (n(98), "buffered"),
        (n(99), "buffered"),
        (n(1), "buffered"),
        (n(2), "buffered"),
        (Do::Snap(99), "restarted, expected 100, got 1"),
        (Do::Refetch, "buffering"),
        (Do::Snap(3), "restarted, expected 4, got 1"),
        (Do::Snap(2), "applied"),
        (n(3), "applied"),
    ];
    check(rules, &while_waiting, LIVE, Some(3));
}

#[test]
fn range_joins_end_to_end() {
    let rules = Rules::new(Linkage::Range { overlap: false });
    let from_buffer = [
        (Do::Expect, "buffering"),
        (span(5, 9), "buffered"),
        (span(10, 14), "buffered"),
        (span(15, 16), "buffered"),
        // The snapshot stands inside the second.
        (Do::Snap(12), "applied"),
        (span(17, 17), "applied"),
        (span(17, 17), "old"),
        (span(18, 20), "applied"),
    ];
    check(rules, &from_buffer, LIVE, Some(20));
    check(rules, &[(Do::Snap(12), "applied"), (span(13, 14), "applied")], LIVE, Some(14));
    check(
        rules,
        &[(Do::Snap(12), "applied"), (span(14, 14), "sequence, expected 13, got 14")],
        STALE,
        Some(12),
    );
    // Only the first may reach back.
    let reaches_back = [
        (Do::Snap(12), "applied"),
        (span(11, 14), "applied"),
        (span(14, 15), "sequence, expected 15, got 14"),
    ];
    check(rules, &reaches_back, STALE, Some(14));
    check(
        rules,
        &[(Do::Snap(12), "applied"), (span(15, 13), "sequence, expected 13, got 15")],
        STALE,
        Some(12),
    );
}

#[test]
fn range_may_overlap() {
    let rules = Rules::new(Linkage::Range { overlap: true });
    let script = [
        (Do::Snap(12), "applied"),
        (span(11, 14), "applied"),
        (span(13, 15), "applied"),
        (span(13, 15), "old"),
        (span(16, 16), "applied"),
        (span(18, 18), "sequence, expected 17, got 18"),
    ];
    check(rules, &script, STALE, Some(16));
}

#[test]
fn a_snapshot_too_old_keeps_what_is_held() {
    let rules = Rules::new(Linkage::Range { overlap: true });
    let script = [
        (Do::Expect, "buffering"),
        (span(20, 22), "buffered"),
        (Do::Snap(18), "snapshot_too_old, expected 19, got 20"),
        (span(23, 24), "buffered"),
        (Do::Refetch, "buffering"),
        (Do::Snap(21), "applied"),
        (span(25, 25), "applied"),
    ];
    check(rules, &script, LIVE, Some(25));
    // A new stream owes nothing to the old one.
    let resubscribed = [
        (Do::Expect, "buffering"),
        (span(20, 22), "buffered"),
        (Do::Expect, "buffering"),
        (Do::Snap(18), "applied"),
    ];
    check(rules, &resubscribed, LIVE, Some(18));
}

#[test]
fn a_hole_between_held_updates_needs_a_snapshot_behind_it() {
    let rules = Rules::new(Linkage::Range { overlap: false });
    let script = [
        (Do::Expect, "buffering"),
        (span(10, 11), "buffered"),
        (span(14, 15), "buffered"),
        (Do::Snap(10), "sequence, expected 12, got 14"),
        (Do::Snap(13), "applied"),
        (span(16, 16), "applied"),
    ];
    check(rules, &script, LIVE, Some(16));
    // A hole before the snapshot is none.
    let overtaken = [
        (Do::Expect, "buffering"),
        (span(10, 11), "buffered"),
        (span(14, 15), "buffered"),
        (Do::Snap(14), "applied"),
    ];
    check(rules, &overtaken, LIVE, Some(15));
}

#[test]
fn chain_straddles_then_names_its_predecessor() {
    let rules = Rules::new(Linkage::Chain { first: ChainFirst::Straddle });
    let script = [
        (Do::Expect, "buffering"),
        (usdm(5, 9, 4), "buffered"),
        (usdm(12, 14, 9), "buffered"),
        (Do::Snap(12), "applied"),
        // The ids jump, the link holds.
        (usdm(20, 25, 14), "applied"),
        (usdm(20, 25, 14), "old"),
        (usdm(27, 28, 26), "sequence, expected 25, got 26"),
    ];
    check(rules, &script, STALE, Some(25));
    check(rules, &[(Do::Snap(9), "applied"), (usdm(5, 9, 4), "applied")], LIVE, Some(9));
    check(rules, &[(Do::Snap(9), "applied"), (usdm(5, 8, 4), "old")], LIVE, Some(9));
    check(
        rules,
        &[(Do::Snap(9), "applied"), (usdm(11, 12, 10), "sequence, expected 9, got 11")],
        STALE,
        Some(9),
    );
    // The snapshot ended where a message did: what follows names it.
    check(rules, &[(Do::Snap(9), "applied"), (usdm(11, 12, 9), "applied")], LIVE, Some(12));
    check(
        rules,
        &[(Do::Snap(9), "applied"), (usdm(9, 9, 4), "applied"), (n(12), "sequence, expected 9, got none")],
        STALE,
        Some(9),
    );
}

#[test]
fn chain_follows_the_snapshot_by_name() {
    let rules = Rules::new(Linkage::Chain { first: ChainFirst::Prev });
    let script = [
        (Do::Snap(9), "applied"),
        (link(4, 7), "old"),
        (link(9, 13), "applied"),
        (link(13, 14), "applied"),
        (link(15, 16), "sequence, expected 14, got 15"),
    ];
    check(rules, &script, STALE, Some(14));
    check(rules, &[(Do::Snap(9), "applied"), (link(10, 13), "sequence, expected 9, got 10")], STALE, Some(9));
    check(rules, &[(Do::Snap(9), "applied"), (link(9, 8), "sequence, expected 10, got 8")], STALE, Some(9));
    check(
        rules,
        &[(Do::Snap(9), "applied"), (link(9, 9), "applied"), (link(9, 10), "applied")],
        LIVE,
        Some(10),
    );
    let discarding = Rules { early: Early::Discard, ..rules };
    let early =
        [(Do::Expect, "buffering"), (link(7, 9), "old"), (Do::Snap(9), "applied"), (link(9, 10), "applied")];
    check(discarding, &early, LIVE, Some(10));
}

#[test]
fn chain_free_checks_from_the_second_on() {
    let rules = Rules::new(Linkage::Chain { first: ChainFirst::Free });
    let script = [
        (Do::Snap(9), "applied"),
        (link(5, 9), "old"),
        (link(10, 12), "applied"),
        (link(12, 13), "applied"),
        (link(14, 15), "sequence, expected 13, got 14"),
    ];
    check(rules, &script, STALE, Some(13));
}

#[test]
fn rising_and_socket_numbers_only_rise() {
    for linkage in [Linkage::Rising, Linkage::Socket] {
        let script = [
            (Do::Expect, "buffering"),
            (n(3), "buffered"),
            (n(9), "buffered"),
            (Do::Snap(5), "applied"),
            (n(9), "old"),
            (n(20), "applied"),
            (Do::Bare, "sequence, expected 21, got none"),
        ];
        check(Rules::new(linkage), &script, STALE, Some(20));
    }
}

#[test]
fn unnumbered_updates_before_the_snapshot_are_dropped() {
    let script = [(Do::Bare, "old"), (Do::Expect, "buffering"), (Do::Bare, "old"), (Do::Snap(1), "applied")];
    check(Rules::new(Linkage::Unnumbered), &script, LIVE, Some(1));
    let mut book = Book::new(Rules::new(Linkage::Unnumbered));
    let now = Now::default();
    assert_eq!(book.snapshot(now, 1, &Update::default()), Outcome::Applied);
    assert_eq!(book.apply(now, &Update::default()), Outcome::Applied);
    assert_eq!(book.view(now).expect("live").seq(), None);
}

#[test]
fn replace_takes_the_whole_book_from_each_frame() {
    let rules = Rules::new(Linkage::Replace);
    let script = [
        (Do::Bare, "old"),
        (Do::Snap(5), "applied"),
        (n(4), "old"),
        (n(5), "applied"),
        (n(9), "applied"),
        (Do::Bare, "applied"),
    ];
    check(rules, &script, LIVE, Some(9));

    let mut book = Book::new(rules);
    let now = Now::default();
    fn frame(bids: &[Level]) -> Update<'_> {
        Update { bids, ..Update::default() }
    }
    assert_eq!(book.snapshot(now, 1, &frame(&[Level::new(5, 1), Level::new(4, 1)])), Outcome::Applied);
    assert_eq!(book.apply(now, &frame(&[Level::new(3, 2)])), Outcome::Applied);
    let bids: Vec<Level> = book.view(now).expect("live").bids().collect();
    assert_eq!(bids, [Level::new(3, 2)]);
}

#[test]
fn a_numbered_stream_needs_a_numbered_snapshot() {
    let mut book = Book::new(Rules::new(Linkage::Range { overlap: true }));
    book.expect_snapshot();
    let outcome = book.snapshot(Now::default(), 1, &Update::default());
    assert_eq!(outcome, Outcome::Desync(Gap::of(Cause::Sequence)));
    assert_eq!(book.state(), State::Stale);
    assert_eq!(book.gap().expect("it has a reason").to_string(), "sequence");
    book.expect_snapshot();
    assert_eq!(book.apply(Now::default(), &Update::default()), Outcome::Desync(Gap::of(Cause::Sequence)));
}

#[test]
fn buffering_states_are_what_they_say() {
    let rules = step(StepFirst::Next, None, StaleStep::Drop);
    check(rules, &[(n(1), "old")], State::Empty, None);
    check(rules, &[(Do::Expect, "buffering"), (n(1), "buffered")], BUFFERING, None);
}
