//! Sessions that real venues sent, replayed whole and with one fault at a time.
//!
//! Needs the folder that `VENUEKIT_RECORDINGS` names; without it the tests say so and pass, unless
//! `VENUEKIT_REQUIRE_SERVICES=1`.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;
use support::decode::Shape;
use support::replay::{Replayed, replay};
use support::tape::{Fault, Recording, Row, folder};
use venuekit_book::{Cause, ChainFirst, Checksum, Linkage, Rules, StaleStep, State, StepFirst};
use venuekit_types::BookSide;

fn numbers(value: &Value, key: &str) -> Option<u64> {
    value.get(key).and_then(Value::as_u64)
}

fn compare(name: &str, expected: &Value, got: &Replayed) {
    assert_eq!(got.first_gap, None, "{name}");
    assert_eq!(got.book.state(), State::Live, "{name}");
    let view = got.book.view(venuekit_types::Now::default()).expect("live");
    let count = |n: usize| u64::try_from(n).expect("a small count");
    let counts = [
        ("snapshots", got.snapshots),
        ("updates", got.updates),
        ("gaps", 0),
        ("stale_dropped", got.stale_dropped),
        ("checksums_ok", got.checksums_ok),
        ("checksums_bad", 0),
        ("crossed_after_update", got.crossed),
        ("bid_levels", count(view.level_count(BookSide::Bid))),
        ("ask_levels", count(view.level_count(BookSide::Ask))),
        ("book_ticker_crosschecks_bad", got.touches_bad),
    ];
    for (key, value) in counts {
        if let Some(expected) = numbers(expected, key) {
            assert_eq!(value, expected, "{name}: {key}");
        }
    }
    // The expectation leaves some comparisons out that we make, and makes those of replayed updates.
    let touches = numbers(expected, "book_ticker_crosschecks_ok").unwrap_or_default();
    assert!(got.touches_ok + got.replayed >= touches, "{name}: {} of {touches} touches", got.touches_ok);
    if let Some(last) = numbers(expected, "last_id") {
        assert_eq!(view.seq(), Some(last), "{name}: last_id");
    }
    for (key, side) in [("final_top10_bids", BookSide::Bid), ("final_top10_asks", BookSide::Ask)] {
        let expected = Vec::<[String; 2]>::deserialize(&expected[key]).expect("ten levels");
        assert_eq!(got.top(side), expected, "{name}: {key}");
    }
    let checkpoints = expected.get("checkpoints").and_then(Value::as_array).cloned().unwrap_or_default();
    for (checkpoint, (after, last, digest)) in checkpoints.iter().zip(&got.checkpoints) {
        assert_eq!(numbers(checkpoint, "after_updates"), Some(*after), "{name}");
        assert_eq!(checkpoint["book_sha256"], digest.as_str(), "{name}: after {after} updates");
        if let Some(expected) = numbers(checkpoint, "last") {
            assert_eq!(*last, Some(expected), "{name}: last id after {after} updates");
        }
    }
    assert_eq!(checkpoints.len(), got.checkpoints.len(), "{name}: checkpoints");
    assert_eq!(expected["final_book_sha256"], got.digest().as_str(), "{name}: whole book");
}

/// Replays a recording and compares everything that its expectation names; then once for each fault.
fn check(stem: &str, shape: Shape, rules: Rules) {
    let Some(folder) = folder() else { return };
    let recording = Recording::new(folder.join(stem));
    let rows = recording.rows();
    let expected = recording.json("expected").expect("a recording has its expectation");
    let books = replay(shape, rules, &rows);
    let names = expected["books"].as_object().expect("an object of books");
    assert_eq!(books.values().filter(|book| book.snapshots > 0).count(), names.len());
    let mut updates = 0;
    for (name, expected) in names {
        let got = books.get(name).unwrap_or_else(|| panic!("no book {name} in {stem}"));
        compare(name, expected, got);
        updates += got.updates;
    }
    assert_eq!(numbers(&expected["totals"], "updates"), Some(updates));

    if rules.checksum == Checksum::None {
        for name in books.keys() {
            lose_one(stem, shape, rules, &rows, &books, name);
        }
    }
    let faults = recording.json("faults").unwrap_or_default();
    for case in faults["faults"].as_array().unwrap_or(&Vec::new()) {
        let fault = Fault::deserialize(&case["fault"]).expect("a fault");
        let mut damaged = rows.clone();
        fault.apply(&mut damaged);
        let damaged = replay(shape, rules, &damaged);
        let changed = case["expected"]["changed_books"].as_object().expect("an object of books");
        assert!(!changed.is_empty(), "{fault:?}");
        for (name, got) in &damaged {
            complain(&format!("{stem}, {fault:?}, {name}"), changed.get(name), got, &books[name]);
        }
    }
}

/// Loses the update in the middle of one book, which shows at the next one, and nowhere else; then doubles it,
/// which changes nothing.
fn lose_one(
    stem: &str,
    shape: Shape,
    rules: Rules,
    rows: &[Row],
    books: &BTreeMap<String, Replayed>,
    name: &str,
) {
    let whole = &books[name];
    let middle = whole.applied_rows.len() / 2;
    let Some(&row) = whole.applied_rows.get(middle).filter(|_| middle + 1 < whole.applied_rows.len()) else {
        return;
    };
    let damaged = |fault: Fault| {
        let mut rows = rows.to_vec();
        fault.apply(&mut rows);
        replay(shape, rules, &rows)
    };
    let at = whole.replayed + u64::try_from(middle).expect("a small count") + 1;
    for (other, got) in damaged(Fault::Drop { row }) {
        let complaint = got.first_gap.map(|(gap, at)| (gap.cause, at));
        match rules.linkage {
            Linkage::Socket => {
                assert_eq!(complaint.map(|(cause, _)| cause), Some(Cause::SocketCounter), "{stem}, {other}");
            }
            _ => {
                let expected = (other == name).then_some((Cause::Sequence, at));
                assert_eq!(complaint, expected, "{stem} without row {row}, {other}");
            }
        }
    }
    for (other, got) in damaged(Fault::Duplicate { row }) {
        assert_eq!(
            (got.first_gap, got.digest()),
            (None, books[&other].digest()),
            "{stem}, {other}: row {row} twice"
        );
    }
}

/// A damaged replay complains about the damaged book at the update that shows it, and about nothing else.
fn complain(what: &str, expected: Option<&Value>, got: &Replayed, undamaged: &Replayed) {
    let first = expected.and_then(|expected| {
        let gap = numbers(expected, "first_gap_at_update").map(|at| (Cause::Sequence, at));
        gap.or(numbers(expected, "first_checksum_bad_at_update").map(|at| (Cause::Checksum, at)))
    });
    assert_eq!(got.first_gap.map(|(gap, at)| (gap.cause, at)), first, "{what}");
    if let Some((_, at)) = first {
        assert_eq!(got.updates, at - 1, "{what}: nothing is applied after it");
        assert_eq!(got.book.state(), State::Stale, "{what}");
        let gap = got.book.gap().expect("stale has a reason");
        assert!(gap.expected.is_some() && gap.got.is_some() && gap.expected != gap.got, "{what}: {gap}");
        return;
    }
    assert_eq!(got.book.state(), undamaged.book.state(), "{what}");
    assert_eq!(got.digest(), undamaged.digest(), "{what}");
    if let Some(stale) = expected.and_then(|expected| numbers(expected, "stale_dropped")) {
        assert_eq!(got.stale_dropped, stale, "{what}: duplicates are dropped");
    }
}

fn binance_spot() -> Rules {
    Rules::new(Linkage::Range { overlap: true })
}

fn binance_usdm() -> Rules {
    Rules::new(Linkage::Chain { first: ChainFirst::Straddle })
}

fn bybit(depth: u32) -> Rules {
    let linkage = Linkage::Step { first: StepFirst::Next, restart: Some(1), stale: StaleStep::Drop };
    Rules { depth: Some(depth), ..Rules::new(linkage) }
}

#[test]
fn binance_spot_with_faults() {
    check("binance/cryptofeed/spot_4sym_20211011", Shape::Binance, binance_spot());
}

#[test]
fn binance_spot_snapshot_among_diffs() {
    check("binance/cryptofeed/spot_btc_eth_dot_20210404", Shape::Binance, binance_spot());
}

#[test]
fn binance_spot_deep() {
    check("binance/hftbacktest/spot_ethusdt_20240808", Shape::Binance, binance_spot());
}

#[test]
fn binance_usdm_four_symbols() {
    check("binance-usdm/cryptofeed/usdm_4sym_20210722", Shape::Binance, binance_usdm());
}

#[test]
fn binance_usdm_deep() {
    check("binance-usdm/hftbacktest/usdm_ethusdt_20240808_first30000", Shape::Binance, binance_usdm());
}

#[test]
fn kraken_v2_checksums_with_faults() {
    let rules = Rules {
        checksum: Checksum::Crc32Fixed { levels: 10 },
        depth: Some(1000),
        ..Rules::new(Linkage::Unnumbered)
    };
    check("kraken/cryptofeed-as-v2/wsv2_book1000_10pairs_20210417", Shape::KrakenV2, rules);
}

#[test]
fn kraken_futures_numbers() {
    let linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
    check("kraken-futures/cryptofeed/ws_book_10products_20210722", Shape::KrakenFutures, Rules::new(linkage));
}

#[test]
fn bybit_200_levels() {
    check("bybit/cryptofeed/v5_linear_spot_20260809_share", Shape::Bybit, bybit(200));
}

#[test]
fn bybit_500_levels() {
    check("bybit/nautilus-ob500/linear_XRPUSDT_ob500_20241201", Shape::Bybit, bybit(500));
}

#[test]
fn bitget_checksums_of_the_original_text() {
    let rules = Rules { checksum: Checksum::Crc32Text { levels: 25 }, ..Rules::new(Linkage::Unnumbered) };
    check("bitget/cryptofeed/v1_books_spot_mix_20220407", Shape::Bitget, rules);
}

#[test]
fn coinbase_advanced_socket_counter() {
    let rules = Rules::new(Linkage::Socket);
    check("coinbase/cryptofeed/advanced_l2_20260809_first300", Shape::CoinbaseAdvanced, rules);
}
