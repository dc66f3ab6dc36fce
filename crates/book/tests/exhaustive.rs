//! Every sequence of messages over a few ids, for each rule that can see a hole.
//!
//! The oracle knows no rule. Id `i` sets level `i` once and for ever, so a snapshot at `S` is the levels `1..=S`,
//! an update `U..u` the levels `U..=u`, and a book that claims to stand at `L` must hold exactly `1..=L`.

use std::env;

use venuekit_book::{Book, ChainFirst, Ids, Linkage, Outcome, Rules, StaleStep, State, StepFirst, Update};
use venuekit_types::{BookSide, Level, Now};

/// Ids run from 1 to this.
const IDS: u64 = 4;

/// One thing that can happen to a book.
#[derive(Clone, Copy, Debug)]
enum Letter {
    Snapshot(u64),
    Update(Ids),
    Refetch,
}

/// The levels of a stretch of ids.
fn rows(first: u64, last: u64) -> Vec<Level> {
    (first..=last).map(|id| i64::try_from(id).expect("small")).map(|id| Level::new(id, id)).collect()
}

/// Full size when the cases are as many as `prove` asks for; one letter less else.
fn length(full: usize) -> usize {
    let cases = env::var("VENUEKIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_u32);
    if cases > 10_000 { full } else { full - 1 }
}

struct Walk {
    rules: Rules,
    letters: Vec<(Letter, Vec<Level>)>,
    path: Vec<Letter>,
    nodes: u64,
    live: u64,
}

impl Walk {
    /// Every continuation of a path, depth first.
    fn on(&mut self, book: &Book, left: usize) {
        if left == 0 {
            return;
        }
        for at in 0..self.letters.len() {
            let mut book = book.clone();
            let (letter, rows) = &self.letters[at];
            let before = book.last_id();
            let outcome = match *letter {
                Letter::Snapshot(id) => {
                    let update = Update { ids: Some(Ids::single(id)), bids: rows, ..Update::default() };
                    Some(book.snapshot(Now::default(), 1, &update))
                }
                Letter::Update(ids) => {
                    let update = Update { ids: Some(ids), bids: rows, ..Update::default() };
                    Some(book.apply(Now::default(), &update))
                }
                Letter::Refetch => {
                    book.expect_refetch();
                    None
                }
            };
            self.path.push(*letter);
            self.check(&book, before, outcome);
            self.on(&book, left - 1);
            self.path.pop();
        }
    }

    fn check(&mut self, book: &Book, before: Option<u64>, outcome: Option<Outcome>) {
        self.nodes += 1;
        let path = &self.path;
        let Ok(view) = book.view(Now::default()) else {
            assert_ne!(outcome, Some(Outcome::Applied), "{path:?}");
            return;
        };
        self.live += 1;
        let last = view.seq().expect("a numbered book");
        let mut expected = rows(1, last);
        expected.reverse();
        assert_eq!(view.bids().collect::<Vec<_>>(), expected, "at {last} after {path:?}");
        assert_eq!(view.level_count(BookSide::Ask), 0);
        match (outcome, path.last()) {
            (Some(Outcome::Applied), Some(Letter::Update(ids))) => assert_eq!(last, ids.last, "{path:?}"),
            (Some(Outcome::Old), Some(Letter::Update(ids))) => {
                assert!(ids.last <= last, "{path:?}: what is not in the book cannot be old");
                assert_eq!(before, Some(last), "{path:?}");
            }
            _ => {}
        }
    }
}

/// All paths over the snapshots at 0 to 4, a refetch and these updates.
fn walk(linkage: Linkage, updates: Vec<Ids>, full: usize) {
    let mut letters: Vec<_> = (0..=IDS).map(|id| (Letter::Snapshot(id), rows(1, id))).collect();
    // What an update states is what follows its predecessor, where it names one.
    letters.extend(updates.into_iter().map(|ids| {
        let first = ids.prev.map_or(ids.first, |prev| ids.first.min(prev + 1));
        (Letter::Update(ids), rows(first, ids.last))
    }));
    letters.push((Letter::Refetch, Vec::new()));
    let rules = Rules::new(linkage);
    let mut walk = Walk { rules, letters, path: Vec::new(), nodes: 0, live: 0 };
    let mut book = Book::new(walk.rules);
    book.expect_snapshot();
    walk.on(&book, length(full));
    println!("{linkage:?}: {} sequences, live after {}", walk.nodes, walk.live);
    assert!(walk.live * 8 > walk.nodes, "a book that is never live is never wrong");
}

/// Every `U..u`.
fn ranges() -> Vec<Ids> {
    (1..=IDS).flat_map(|first| (first..=IDS).map(move |last| Ids::range(first, last))).collect()
}

/// Every `p` and `u` after it.
fn links() -> Vec<Ids> {
    (0..IDS).flat_map(|prev| (prev + 1..=IDS).map(move |last| Ids::linked(prev, last))).collect()
}

#[test]
fn steps() {
    for first in [StepFirst::Next, StepFirst::Anchor] {
        for restart in [None, Some(1)] {
            for stale in [StaleStep::Drop, StaleStep::Desync] {
                let updates = (1..=IDS).map(Ids::single).collect();
                walk(Linkage::Step { first, restart, stale }, updates, 6);
            }
        }
    }
}

#[test]
fn ranges_end_to_end() {
    walk(Linkage::Range { overlap: false }, ranges(), 6);
}

#[test]
fn ranges_that_overlap() {
    walk(Linkage::Range { overlap: true }, ranges(), 6);
}

#[test]
fn chains_by_predecessor() {
    walk(Linkage::Chain { first: ChainFirst::Prev }, links(), 6);
}

#[test]
fn chains_that_straddle() {
    // Here `U` may lie anywhere after `p`: the ids between belong to other events.
    let updates = links()
        .into_iter()
        .flat_map(|ids| (ids.prev.unwrap_or(0) + 1..=ids.last).map(move |first| Ids { first, ..ids }))
        .collect();
    walk(Linkage::Chain { first: ChainFirst::Straddle }, updates, 5);
}

#[test]
fn a_straight_stream_is_never_doubted() {
    let linkages = [
        Linkage::Step { first: StepFirst::Next, restart: Some(1), stale: StaleStep::Desync },
        Linkage::Range { overlap: false },
        Linkage::Range { overlap: true },
        Linkage::Chain { first: ChainFirst::Prev },
        Linkage::Chain { first: ChainFirst::Free },
        Linkage::Rising,
        Linkage::Socket,
    ];
    for linkage in linkages {
        // The snapshot at `at` comes after `seen` updates.
        for at in 0..=6_u64 {
            for seen in at..=6 {
                let mut book = Book::new(Rules::new(linkage));
                book.expect_snapshot();
                let send = |book: &mut Book, n: u64| {
                    let bids = rows(n, n);
                    let ids = Ids { first: n, last: n, prev: Some(n - 1) };
                    book.apply(Now::default(), &Update { ids: Some(ids), bids: &bids, ..Update::default() })
                };
                for n in 1..=seen {
                    assert_eq!(send(&mut book, n), Outcome::Buffered);
                }
                let bids = rows(1, at);
                let snapshot = Update { ids: Some(Ids::single(at)), bids: &bids, ..Update::default() };
                assert_eq!(book.snapshot(Now::default(), 1, &snapshot), Outcome::Applied, "{linkage:?}");
                for n in seen + 1..=8 {
                    assert_eq!(
                        send(&mut book, n),
                        Outcome::Applied,
                        "{linkage:?}: {n} after {at} and {seen}"
                    );
                }
                assert_eq!((book.state(), book.last_id()), (State::Live, Some(8)));
            }
        }
    }
}
