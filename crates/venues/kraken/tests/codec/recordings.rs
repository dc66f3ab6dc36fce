//! Sessions that the venue sent, replayed through the same code that runs live, whole and with one fault at a time.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde_json::Value;
use venuekit_kraken::Kraken;
use venuekit_session::tape::Row;
use venuekit_session::{Replay, Report, Session, Survey};

use crate::common::{files, recordings};

fn lines(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).expect("as recorded");
    BufReader::new(GzDecoder::new(file)).lines().collect::<Result<_, _>>().expect("as recorded")
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("as recorded")).expect("as recorded")
}

fn replay(product: &str, lines: &[String]) -> Report {
    let rows: Vec<Row> = lines.iter().map(|line| Row::parse(line).expect(line)).collect();
    let venue = Arc::new(Kraken::new());
    let mut survey = Survey::new(Arc::clone(&venue) as _, Some(product));
    rows.iter().for_each(|row| survey.row(row));
    let mut replay = Replay::new(Session::new(venue, survey.config()).expect("a survey fits its venue"));
    for row in &rows {
        replay.row(row, &mut |_, _| {});
    }
    replay.session().report()
}

fn compare(name: &str, expected: &Value, report: &Report) {
    // The names of the retired streams are aliases of ours.
    let usual = |name: &str| name.replace("XBT/", "BTC/").replace("/XBT", "/BTC");
    let books: BTreeMap<&str, _> =
        report.books.values().map(|book| (book.venue_symbol.as_str(), book)).collect();
    let known = expected["books"].as_object().expect("as recorded");
    assert_eq!(books.len(), known.len(), "{name}: {:?}", books.keys());
    for (symbol, book) in known {
        let at = format!("{name} {symbol}");
        let ours = books.get(usual(symbol).as_str()).or(books.get(symbol.as_str())).expect(&at);
        assert_eq!(ours.state, "live", "{at}");
        let count = |key: &str| book[key].as_u64().unwrap_or_else(|| panic!("{at}: no {key}"));
        assert_eq!(ours.updates, count("updates"), "{at}");
        assert_eq!((ours.gaps, ours.stale_dropped), (count("gaps"), count("stale_dropped")), "{at}");
        if let Some(ok) = book["checksums_ok"].as_u64() {
            assert_eq!((ours.checksums_ok, ours.checksums_bad), (ok, 0), "{at}");
        }
        assert_eq!(ours.bid_levels as u64, count("bid_levels"), "{at}");
        assert_eq!(ours.ask_levels as u64, count("ask_levels"), "{at}");
        assert_eq!(ours.sha256, book["final_book_sha256"].as_str().expect("as recorded"), "{at}");
        for (key, top) in [("final_top10_bids", &ours.top_bids), ("final_top10_asks", &ours.top_asks)] {
            let top: Vec<Value> = top.iter().map(|(price, qty)| serde_json::json!([price, qty])).collect();
            assert_eq!(&Value::Array(top), &book[key], "{at} {key}");
        }
    }
    for (symbol, trades) in expected["trades"].as_object().into_iter().flatten() {
        let at = format!("{name} trades of {symbol}");
        let mut all = report.trades.values();
        let ours = all.find(|ours| [symbol, &usual(symbol)].contains(&&ours.venue_symbol)).expect(&at);
        assert_eq!(ours.count, trades["count"].as_u64().expect("as recorded"), "{at}");
        assert_eq!(ours.qty_sum, trades["sum_qty"].as_str().expect("as recorded"), "{at}");
        assert_eq!(ours.notional_sum, trades["sum_notional"].as_str().expect("as recorded"), "{at}");
    }
}

fn check(venue: &str, product: &str, at_least: usize) {
    let Some(folder) = recordings() else { return };
    let expected = files(&folder.join(venue), ".expected.json");
    assert!(expected.len() >= at_least, "{expected:?}");
    for path in expected {
        let expected = json(&path);
        let tape =
            path.parent().expect("as recorded").join(expected["recording"].as_str().expect("as recorded"));
        let report = replay(product, &lines(&tape));
        compare(&path.display().to_string(), &expected, &report);
        assert_eq!(report.decode_errors, unknown_frames(&expected), "{}", path.display());
    }
}

/// Tickers of the retired streams, which tell what another channel tells now.
fn unknown_frames(expected: &Value) -> u64 {
    if expected["checker"] != "kraken-v1" {
        return 0;
    }
    expected["messages"]["ticker"].as_u64().unwrap_or(0)
}

#[test]
fn every_session_of_spot_matches_to_the_last_digit() {
    check("kraken", "spot", 2);
}

#[test]
fn every_session_of_futures_matches_to_the_last_digit() {
    check("kraken-futures", "futures", 1);
}

/// Applies one fault to the rows of a tape.
fn spoil(lines: &[String], fault: &Value) -> Vec<String> {
    let mut lines = lines.to_vec();
    let row = |key: &str| fault[key].as_u64().expect("as recorded") as usize;
    let at = row("row");
    match fault["op"].as_str().expect("as recorded") {
        "drop" => drop(lines.remove(at)),
        "duplicate" => lines.insert(at, lines[at].clone()),
        "swap" => lines.swap(at, row("row2")),
        "corrupt_qty" => {
            let quoted = |key: &str| fault[key].as_str().expect("as recorded").replace('"', "\\\"");
            assert!(lines[at].contains(&quoted("from")));
            lines[at] = lines[at].replacen(&quoted("from"), &quoted("to"), 1);
        }
        other => panic!("{other}"),
    }
    lines
}

#[test]
fn every_fault_is_noticed_at_its_update_and_nowhere_else() {
    let Some(folder) = recordings() else { return };
    let files = files(&folder.join("kraken"), ".faults.json");
    assert!(!files.is_empty());
    for path in files {
        let file = json(&path);
        let clean = lines(
            &path.parent().expect("as recorded").join(file["recording"].as_str().expect("as recorded")),
        );
        let faults = file["faults"].as_array().expect("as recorded");
        assert!(!faults.is_empty());
        for fault in faults {
            let report = replay("spot", &spoil(&clean, &fault["fault"]));
            let changed = &fault["expected"]["changed_books"];
            for book in report.books.values() {
                let at = format!("{} of {}", fault["fault"], book.venue_symbol);
                let expected = changed[&book.venue_symbol]["first_checksum_bad_at_update"].as_u64();
                assert_eq!(book.first_checksum_bad_at_update, expected, "{at}");
                assert_eq!(book.state, if expected.is_some() { "buffering" } else { "live" }, "{at}");
            }
        }
    }
}
