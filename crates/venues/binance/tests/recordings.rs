//! Sessions that the venue sent, replayed through the whole machine, and once more with one fault each.
//!
//! Needs the folder that `VENUEKIT_RECORDINGS` names, by default beside the workspace; without it the tests say so and
//! pass, unless `VENUEKIT_REQUIRE_SERVICES=1`.

#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::sync::Arc;

use common::{found, json, lines, recordings};
use serde_json::Value;
use venuekit_binance::Binance;
use venuekit_session::tape::Row;
use venuekit_session::{Config, Replay, Report, Session, Survey};

/// Replays rows as `venuekit replay --product` does.
fn replay(product: &str, rows: &[String]) -> Report {
    let rows: Vec<Row> = rows.iter().map(|line| Row::parse(line).expect("a row")).collect();
    let venue = Arc::new(Binance::new());
    let mut survey = Survey::new(venue.clone(), Some(product));
    rows.iter().for_each(|row| survey.row(row));
    let Config { wants, listed, .. } = survey.config();
    assert!(!wants.is_empty(), "the survey found nothing to follow");
    let config = Config { wants, listed, ..Config::default() };
    let mut replay = Replay::new(Session::new(venue, config).expect("a session"));
    rows.iter().for_each(|row| replay.row(row, &mut |_, _| {}));
    replay.session().report()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn tops(value: &Value) -> Vec<(String, String)> {
    serde_json::from_value(value.clone()).expect("ten levels")
}

fn check(folder: &str, product: &str) {
    let Some(recordings) = recordings() else { return };
    let expectations = found(&recordings.join(folder), ".expected.json");
    assert!(!expectations.is_empty(), "{folder}: no session");
    for path in expectations {
        let expected = json(&path);
        let tape = path.with_file_name(text(&expected, "recording"));
        let rows = lines(&tape);
        let report = replay(product, &rows);
        let name = tape.display();
        assert_eq!(report.decode_errors, 0, "{name}: {:?}", report.events);
        let books = expected["books"].as_object().expect("books");
        assert_eq!(report.books.len(), books.len(), "{name}");
        for book in report.books.values() {
            let expected = &books[&book.venue_symbol];
            let of = format!("{name} {}", book.venue_symbol);
            assert_eq!((book.state, book.gaps), ("live", 0), "{of}");
            assert_eq!(book.updates, expected["updates"], "{of}");
            assert_eq!(book.stale_dropped, expected["stale_dropped"], "{of}");
            assert_eq!(book.last_seq, expected["last_id"].as_u64(), "{of}");
            assert_eq!(book.top_bids, tops(&expected["final_top10_bids"]), "{of}");
            assert_eq!(book.top_asks, tops(&expected["final_top10_asks"]), "{of}");
            assert_eq!(book.sha256, text(expected, "final_book_sha256"), "{of}");
        }
        let trades = expected["trades"].as_object().expect("trades");
        for (stream, expected) in trades {
            let symbol = stream.split(':').next().unwrap_or_default();
            let got = report.trades.values().find(|trades| trades.venue_symbol == symbol);
            let got = got.unwrap_or_else(|| panic!("{name}: no trades of {symbol}"));
            assert_eq!(got.count, expected["count"], "{name} {symbol}");
            assert_eq!(got.qty_sum, text(expected, "sum_qty"), "{name} {symbol}");
            assert_eq!(got.notional_sum, text(expected, "sum_notional"), "{name} {symbol}");
        }
        let faults = path.with_file_name(text(&expected, "recording").replace(".jsonl.gz", ".faults.json"));
        if faults.exists() {
            damaged(product, &rows, &json(&faults));
        }
    }
}

/// With one fault, exactly the books that suffer complain, and at the update that shows it.
fn damaged(product: &str, rows: &[String], cases: &Value) {
    for case in cases["faults"].as_array().expect("faults") {
        let fault = &case["fault"];
        let row = |key: &str| usize::try_from(fault[key].as_u64().expect("a row")).expect("it fits");
        let mut rows = rows.to_vec();
        match text(fault, "op") {
            "drop" => drop(rows.remove(row("row"))),
            "duplicate" => rows.insert(row("row"), rows[row("row")].clone()),
            "swap" => rows.swap(row("row"), row("row2")),
            "corrupt_qty" => {
                let escaped = |key| text(fault, key).replace('"', "\\\"");
                let damaged = rows[row("row")].replacen(&escaped("from"), &escaped("to"), 1);
                rows[row("row")] = damaged;
            }
            op => panic!("no fault {op}"),
        }
        let report = replay(product, &rows);
        let changed = case["expected"]["changed_books"].as_object().expect("books");
        for book in report.books.values() {
            let of = format!("{fault} {}", book.venue_symbol);
            let expected = changed.get(&book.venue_symbol);
            let gap = expected.and_then(|expected| expected["first_gap_at_update"].as_u64());
            assert_eq!(book.first_gap_at_update, gap, "{of}");
            if gap.is_none() {
                let whole = &cases["undamaged"][&book.venue_symbol];
                let digest = text(expected.unwrap_or(whole), "final_book_sha256");
                assert_eq!((book.state, book.sha256.as_str()), ("live", digest), "{of}");
            }
        }
    }
}

#[test]
fn sessions_of_spot() {
    check("binance", "spot");
}

#[test]
fn sessions_of_usdm() {
    check("binance-usdm", "usdm");
}
