//! Real sessions of other people's recorders through `venuekit replay`, against what an independent checker made of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::child::venuekit;

/// The folders of venues that are spoken here: folder, venue and product.
const FOLDERS: [(&str, &str, &str); 4] = [
    ("binance", "binance", "spot"),
    ("binance-usdm", "binance", "usdm"),
    ("kraken", "kraken", "spot"),
    ("kraken-futures", "kraken", "futures"),
];

/// The folder of recordings; nothing, told in one line, where there is none and none is required.
fn recordings() -> Option<PathBuf> {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(usual, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_none_or(|word| word != "1"),
        "no recordings at {}",
        folder.display()
    );
    eprintln!("no recordings at {}; set VENUEKIT_RECORDINGS to replay them", folder.display());
    None
}

/// Every file below a folder whose name ends so, sorted.
fn found(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            all.extend(found(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// An entry by the venue's spelling, which either side may write in capitals. Kraken's retired streams say XBT.
fn of<'a>(all: &'a Value, name: &str) -> &'a Value {
    let usual = name.replace("XBT/", "BTC/").replace("/XBT", "/BTC");
    let mut all = all.as_object().expect("an object").values();
    let is_it = |entry: &&Value| {
        let own = entry["venue_symbol"].as_str();
        own.is_some_and(|own| own.eq_ignore_ascii_case(name) || own == usual)
    };
    all.find(is_it).unwrap_or_else(|| panic!("nothing of {name}"))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("as recorded")).expect("as recorded")
}

/// The recording that a file beside it is about.
fn recording(path: &Path, about: &Value) -> PathBuf {
    path.with_file_name(about["recording"].as_str().expect("as recorded"))
}

/// What the binary makes of a tape.
fn replay(venue: &str, product: &str, tape: &Path) -> Value {
    let run = venuekit(&["replay", "--venue", venue, "--product", product, "--json"]).arg(tape).output();
    let run = run.expect("the binary runs");
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(0), "{}: {told}", tape.display());
    serde_json::from_slice(&run.stdout).expect("one object")
}

#[test]
fn sessions_of_others_replay_to_what_an_independent_checker_made_of_them() {
    let Some(folder) = recordings() else { return };
    let mut sessions = 0;
    let of_all = |&(name, venue, product): &(&str, &'static str, &'static str)| {
        found(&folder.join(name), ".expected.json").into_iter().map(move |path| (venue, product, path))
    };
    for (venue, product, path) in FOLDERS.iter().flat_map(of_all) {
        let expected = json(&path);
        let name = path.display();
        let report = replay(venue, product, &recording(&path, &expected));
        sessions += 1;
        let books = expected["books"].as_object().expect("books");
        assert_eq!(report["books"].as_object().map(|ours| ours.len()), Some(books.len()), "{name}");
        for (symbol, theirs) in books {
            let ours = of(&report["books"], symbol);
            for (key, wanted) in [
                ("updates", "updates"),
                ("gaps", "gaps"),
                ("stale_dropped", "stale_dropped"),
                ("bid_levels", "bid_levels"),
                ("ask_levels", "ask_levels"),
                ("top_bids", "final_top10_bids"),
                ("top_asks", "final_top10_asks"),
                ("sha256", "final_book_sha256"),
            ] {
                assert_eq!(ours[key], theirs[wanted], "{name} {symbol} {key}");
            }
            if theirs["last_id"].is_u64() {
                assert_eq!(ours["last_seq"], theirs["last_id"], "{name} {symbol}");
            }
            for key in ["checksums_ok", "checksums_bad"] {
                assert_eq!(ours[key].as_u64(), theirs[key].as_u64().or(Some(0)), "{name} {symbol} {key}");
            }
            assert_eq!(ours["state"], "live", "{name} {symbol}");
        }
        for (stream, theirs) in expected["trades"].as_object().into_iter().flatten() {
            // The checker names the kind of trade beside the symbol.
            let symbol = stream.split(':').next().unwrap_or(stream);
            let ours = of(&report["trades"], symbol);
            for (key, wanted) in
                [("count", "count"), ("qty_sum", "sum_qty"), ("notional_sum", "sum_notional")]
            {
                assert_eq!(ours[key], theirs[wanted], "{name} {stream} {key}");
            }
        }
    }
    assert!(sessions >= 8, "{sessions} sessions");
}

/// The rows of a tape with one fault done to them.
fn spoilt(rows: &str, fault: &Value) -> String {
    let mut rows: Vec<String> = rows.lines().map(str::to_owned).collect();
    let row = |key: &str| usize::try_from(fault[key].as_u64().expect("as recorded")).expect("a row");
    let at = row("row");
    match fault["op"].as_str().expect("as recorded") {
        "drop" => drop(rows.remove(at)),
        "duplicate" => rows.insert(at, rows[at].clone()),
        "swap" => rows.swap(at, row("row2")),
        "corrupt_qty" => {
            let quoted = |key: &str| fault[key].as_str().expect("as recorded").replace('"', "\\\"");
            assert!(rows[at].contains(&quoted("from")), "as recorded");
            rows[at] = rows[at].replacen(&quoted("from"), &quoted("to"), 1);
        }
        other => panic!("{other} is new"),
    }
    rows.join("\n")
}

#[test]
fn every_fault_in_them_is_told_at_its_update_and_nowhere_else() {
    let Some(folder) = recordings() else { return };
    let scratch = tempfile::tempdir().expect("a folder");
    let tape = scratch.path().join("spoilt.jsonl");
    let mut complaints = 0;
    for (name, venue, product) in FOLDERS {
        for path in found(&folder.join(name), ".faults.json") {
            let file = json(&path);
            let gzipped = std::fs::File::open(recording(&path, &file)).expect("as recorded");
            let rows = std::io::read_to_string(flate2::read::GzDecoder::new(gzipped)).expect("as recorded");
            for fault in file["faults"].as_array().expect("as recorded") {
                std::fs::write(&tape, spoilt(&rows, &fault["fault"])).expect("written");
                let report = replay(venue, product, &tape);
                let changed = &fault["expected"]["changed_books"];
                for book in report["books"].as_object().expect("books").values() {
                    let symbol = book["venue_symbol"].as_str().expect("a name");
                    let at = format!("{} of {symbol}", fault["fault"]);
                    let wanted = |key: &str| changed.get(symbol).map_or(&Value::Null, |book| &book[key]);
                    let sum = wanted("first_checksum_bad_at_update");
                    let gap = wanted("first_gap_at_update");
                    // A book whose checksum fails is given up, which is a gap too.
                    let first = if gap.is_null() { sum } else { gap };
                    assert_eq!(&book["first_checksum_bad_at_update"], sum, "{at}");
                    assert_eq!(&book["first_gap_at_update"], first, "{at}");
                    complaints += usize::from(!first.is_null());
                }
            }
        }
    }
    assert!(complaints >= 10, "{complaints} complaints");
}
