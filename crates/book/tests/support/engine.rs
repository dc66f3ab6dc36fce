//! The sequence engine against what cannot be wrong: the body of a fuzz target and of the test that replays its
//! corpus.
//!
//! Id `i` sets level `i` once and for ever. So a book that claims to stand at `L` holds exactly the levels `1..=L`,
//! whatever came in whatever order.

use venuekit_book::{Book, ChainFirst, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
use venuekit_types::{Level, Now};

/// The levels of a stretch of ids.
fn rows(first: u64, last: u64) -> Vec<Level> {
    (first..=last).map(|id| i64::try_from(id).expect("small")).map(|id| Level::new(id, id)).collect()
}

fn linkage(byte: u8) -> Linkage {
    let stale = if byte & 8 == 0 { StaleStep::Drop } else { StaleStep::Desync };
    let restart = (byte & 16 != 0).then_some(1);
    match byte % 6 {
        0 => Linkage::Step { first: StepFirst::Next, restart, stale },
        1 => Linkage::Step { first: StepFirst::Anchor, restart, stale },
        2 => Linkage::Range { overlap: false },
        3 => Linkage::Range { overlap: true },
        4 => Linkage::Chain { first: ChainFirst::Prev },
        _ => Linkage::Chain { first: ChainFirst::Straddle },
    }
}

/// The first byte is the rule; each further pair is a letter and its id.
pub(crate) fn engine(data: &[u8]) {
    let Some((first, letters)) = data.split_first() else { return };
    let linkage = linkage(*first);
    let mut book = Book::new(Rules::new(linkage));
    book.expect_snapshot();
    for pair in letters.chunks_exact(2).take(500) {
        let (letter, id) = (pair[0], u64::from(pair[1] % 32) + 1);
        let width = u64::from(letter >> 3) % id;
        let before = book.last_id();
        let outcome = match letter & 7 {
            0 => {
                book.expect_refetch();
                continue;
            }
            1 => {
                book.expect_snapshot();
                continue;
            }
            2 => {
                let bids = rows(1, id);
                let update = Update { ids: Some(Ids::single(id)), bids: &bids, ..Update::default() };
                book.snapshot(Now::default(), 1, &update)
            }
            _ => {
                let (ids, from) = match linkage {
                    Linkage::Step { .. } => (Ids::single(id), id),
                    Linkage::Chain { .. } => {
                        (Ids { first: id - width, last: id, prev: Some(id - width - 1) }, id - width)
                    }
                    _ => (Ids::range(id - width, id), id - width),
                };
                let bids = rows(from, id);
                book.apply(Now::default(), &Update { ids: Some(ids), bids: &bids, ..Update::default() })
            }
        };
        match book.view(Now::default()) {
            Ok(view) => {
                let last = view.seq().expect("a numbered book");
                assert!(view.bids().rev().eq(rows(1, last)), "{linkage:?} at {last}");
                if outcome == Outcome::Old {
                    assert!(
                        before == Some(last) && id <= last,
                        "{linkage:?}: {id} is not in a book at {last}"
                    );
                }
            }
            Err(_) => assert_ne!(outcome, Outcome::Applied),
        }
    }
}
