//! A message of one level has a way of its own through the book: it gets no less care there. The same row said twice
//! means the same and takes the usual way, so two books fed by the two spellings must never differ.
//!
//! `VENUEKIT_CASES` sets the number of cases.

use std::env;

use proptest::prelude::*;
use venuekit_book::{
    Book, Cause, ChainFirst, Checksum, Gap, Ids, Limits, Linkage, Rules, StaleStep, StepFirst, Update,
};
use venuekit_types::{BookSide, Level, Now, Price, Scale};

#[derive(Clone, Debug)]
enum Step {
    Row { is_bid: bool, row: Level, ids: Numbers, checksum: Option<u32> },
    Snapshot,
    ExpectSnapshot,
    ExpectRefetch,
    Tick(i64),
    Desync,
}

/// The numbers of a message, seen from those of the last.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    Next,
    Same,
    Jump,
    /// A range that ends before it begins.
    Inverted,
    /// Names the last as its predecessor, and lies before it.
    Back,
    None,
}

impl Numbers {
    fn after(self, last: u64) -> Option<Ids> {
        let (first, to, prev) = match self {
            Numbers::Next => (last + 1, last + 1, last),
            Numbers::Same => (last, last, last - 1),
            Numbers::Jump => (last + 3, last + 3, last + 2),
            Numbers::Inverted => (last + 1, last, last),
            Numbers::Back => (last - 1, last - 1, last),
            Numbers::None => return None,
        };
        Some(Ids { first, last: to, prev: Some(prev) })
    }
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = prop_oneof![
        60 => Just(Numbers::Next),
        4 => Just(Numbers::Same),
        1 => Just(Numbers::Jump),
        1 => Just(Numbers::Inverted),
        1 => Just(Numbers::Back),
        1 => Just(Numbers::None),
    ];
    // Prices of one leaf and a little beyond, so that it has places for prices that cannot be.
    let qty = prop_oneof![20 => 0_i64..3, 1 => Just(-1)];
    let row =
        (prop_oneof![40 => 1_i64..70, 1 => Just(0)], qty).prop_map(|(price, qty)| Level::new(price, qty));
    let checksum = prop_oneof![30 => Just(None), 1 => any::<u32>().prop_map(Some)];
    let row = (any::<bool>(), row, numbers, checksum).prop_map(|(is_bid, row, ids, checksum)| Step::Row {
        is_bid,
        row,
        ids,
        checksum,
    });
    prop_oneof![
        60 => row,
        3 => Just(Step::Snapshot),
        1 => Just(Step::ExpectSnapshot),
        1 => Just(Step::ExpectRefetch),
        1 => prop_oneof![Just(0_i64), Just(2), Just(5)].prop_map(Step::Tick),
        1 => Just(Step::Desync),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let stepped = |first, stale| Linkage::Step { first, restart: None, stale };
    let linkage = prop_oneof![
        Just(stepped(StepFirst::Next, StaleStep::Drop)),
        Just(stepped(StepFirst::Anchor, StaleStep::Desync)),
        Just(Linkage::Range { overlap: false }),
        Just(Linkage::Range { overlap: true }),
        Just(Linkage::Chain { first: ChainFirst::Prev }),
        Just(Linkage::Rising),
    ];
    let depth = prop_oneof![3 => Just(None), 1 => (20_u32..40).prop_map(Some)];
    let checksum = prop_oneof![3 => Just(Checksum::None), 1 => Just(Checksum::Crc32Fixed { levels: 3 })];
    // The short way is for books with more room than places.
    let levels = prop_oneof![25_usize..35, 200_usize..300];
    (linkage, depth, checksum, levels).prop_map(|(linkage, depth, checksum, levels_per_side)| Rules {
        depth,
        checksum,
        limits: Limits { levels_per_side, ..Limits::default() },
        ..Rules::new(linkage)
    })
}

/// Everything that a book shows.
fn shown(book: &Book) -> String {
    let mut text = String::new();
    let scale = Scale::ZERO;
    book.last_known_unvouched().digest_into(scale, scale, &mut |bytes| {
        text.push_str(core::str::from_utf8(bytes).expect("digits and letters"));
    });
    let best = book.view(Now::default()).map(|view| (view.best_bid(), view.best_ask(), view.assurance()));
    let counts = [BookSide::Bid, BookSide::Ask].map(|side| book.last_known_unvouched().level_count(side));
    let at = (book.state(), book.gap(), book.epoch(), book.last_id(), book.held(), book.off_grid());
    format!("{at:?} {best:?} {counts:?} {text}")
}

fn config() -> ProptestConfig {
    let cases = env::var("VENUEKIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    ProptestConfig::with_cases(cases)
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn a_row_said_once_means_what_it_means_said_twice(
        rules in rules(), steps in prop::collection::vec(step(), 1..300),
    ) {
        let (mut once, mut twice) = (Book::new(rules), Book::new(rules));
        let rows: Vec<Level> = (10..35).map(|price| Level::new(price, 1)).collect();
        let (mut last, mut epoch) = (100, 0);
        for step in std::iter::once(&Step::Snapshot).chain(&steps) {
            let said = match step {
                Step::Row { is_bid, row, ids, checksum } => {
                    let numbers = ids.after(last);
                    let said = [1, 2].map(|times| {
                        let rows = &[*row; 2][..times];
                        let (bids, asks) = if *is_bid { (rows, &[][..]) } else { (&[][..], rows) };
                        let update = Update { ids: numbers, bids, asks, checksum: *checksum, digits: None };
                        let book = if times == 1 { &mut once } else { &mut twice };
                        Some(book.apply(Now::default(), &update))
                    });
                    last = once.last_id().unwrap_or(last);
                    said
                }
                Step::Snapshot => {
                    epoch += 1;
                    let update = Update { ids: Some(Ids::single(last)), bids: &rows, asks: &rows, ..Update::default() };
                    [&mut once, &mut twice].map(|book| Some(book.snapshot(Now::default(), epoch, &update)))
                }
                Step::ExpectSnapshot => [&mut once, &mut twice].map(|book| { book.expect_snapshot(); None }),
                Step::ExpectRefetch => [&mut once, &mut twice].map(|book| { book.expect_refetch(); None }),
                Step::Tick(tick) => [&mut once, &mut twice].map(|book| { book.set_tick(Price(*tick)); None }),
                Step::Desync => [&mut once, &mut twice].map(|book| { book.desync(Gap::of(Cause::Closed)); None }),
            };
            prop_assert_eq!(said[0], said[1], "{:?}", step);
            prop_assert_eq!(shown(&once), shown(&twice), "after {:?}", step);
        }
    }
}
