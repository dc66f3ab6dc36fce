//! `venuekit watch` and `venuekit sim`, as a user runs them, on loopback.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use rustix::termios::Winsize;
use serde_json::Value;

use crate::child::{Run, venuekit};

/// A book as a reader of the lines keeps it: prices and amounts as text.
#[derive(Default)]
struct Book {
    seq: Option<u64>,
    epoch: u64,
    changes: u32,
    bids: BTreeMap<String, String>,
    asks: BTreeMap<String, String>,
}

impl Book {
    /// Applies a line, which must follow the one before.
    fn apply(&mut self, line: &Value) {
        assert_eq!(line["type"], "book_change", "{line}");
        assert_eq!(line["book_state"], "live");
        let is_snapshot = line["isSnapshot"].as_bool().expect("a word");
        if is_snapshot {
            (self.bids, self.asks) = Default::default();
        } else {
            assert_eq!(line["prev_seq"].as_u64(), self.seq, "{line}");
            assert_eq!(line["epoch"], self.epoch);
            self.changes += 1;
        }
        (self.seq, self.epoch) = (line["seq"].as_u64(), line["epoch"].as_u64().expect("a number"));
        for (name, side) in [("bids", &mut self.bids), ("asks", &mut self.asks)] {
            for level in line[name].as_array().expect("levels") {
                let text = |key: &str| level[key].as_str().expect("decimals are text").to_owned();
                match text("amount").as_str() {
                    "0" => drop(side.remove(&text("price"))),
                    amount => drop(side.insert(text("price"), amount.to_owned())),
                }
            }
        }
    }
}

#[test]
fn changes_of_both_venues_follow_each_other_and_an_interrupt_ends_them() {
    let mut run = Run::start(&["watch", "BTC/USDT:USDT", "-v", "doex,duedex", "--ndjson", "--seed", "7"]);
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    while books.len() < 2 || books.values().any(|book| book.changes < 10) {
        let line = run.json();
        assert_eq!((&line["symbol"], &line["venue_symbol"]), (&"BTC/USDT:USDT".into(), &"BTCUSDT".into()));
        for name in ["localTimestamp", "timestamp"] {
            let time = &line[name];
            let is_time = time.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z'));
            assert!(is_time || (name == "timestamp" && time.is_null()), "{time}");
        }
        books.entry(line["venue"].as_str().expect("a name").to_owned()).or_default().apply(&line);
    }
    assert_eq!(books.keys().collect::<Vec<_>>(), ["doex", "duedex"]);
    assert!(books.values().all(|book| !book.bids.is_empty() && !book.asks.is_empty()));
    run.signal(Signal::INT);
    assert_eq!(run.end(), (Some(130), String::new()));
}

/// Kraken's book has no numbers of its own, and is followed like the others all the same.
#[test]
fn three_venues_of_other_people_stand_side_by_side() {
    let mut run = Run::start(&["watch", "BTC/USDT", "-v", "binance,kraken,doex", "--ndjson", "--seed", "7"]);
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    while books.len() < 3 || books.values().any(|book| book.changes < 10) {
        let line = run.json();
        assert_eq!(line["symbol"], "BTC/USDT");
        books.entry(line["venue"].as_str().expect("a name").to_owned()).or_default().apply(&line);
    }
    assert_eq!(books.keys().collect::<Vec<_>>(), ["binance", "doex", "kraken"]);
    run.signal(Signal::INT);
    assert_eq!(run.end(), (Some(130), String::new()));
}

#[test]
fn a_depth_gives_whole_tops_and_a_count_ends_them() {
    let output = venuekit(&["watch", "btcusd", "-v", "duedex", "--depth", "3", "--count", "4"]).output();
    let output = output.expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 4);
    for line in &lines {
        assert_eq!((&line["type"], &line["symbol"]), (&"book_snapshot".into(), &"BTC/USD:BTC".into()));
        for side in ["bids", "asks"] {
            assert_eq!(line[side].as_array().map(Vec::len), Some(3), "{line}");
        }
    }
    assert!(lines.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()));
}

#[test]
fn a_terminal_shows_a_ladder_and_is_given_back() {
    let size = Winsize { ws_row: 30, ws_col: 72, ws_xpixel: 0, ws_ypixel: 0 };
    let args = ["watch", "BTC/USDT:USDT", "-v", "doex,duedex", "--depth", "3"];
    let (mut run, mut terminal) = Run::on_terminal(&args, size);
    // What is shown until both books are live: a frame begins at the upper left corner.
    let mut shown = String::new();
    let is_whole = |frame: &&str| frame.matches("live  seq ").count() == 2 && frame.ends_with("\x1b[J");
    let mut buffer = [0; 4096];
    while shown.rsplit("\x1b[H").find(is_whole).is_none() {
        let count = terminal.read(&mut buffer).expect("it is shown");
        shown += std::str::from_utf8(&buffer[..count]).expect("ASCII");
        assert!(shown.matches("\x1b[H").count() < 300, "never both live: {shown:?}");
    }
    let frame = shown.rsplit("\x1b[H").find(is_whole).expect("the loop found it");
    assert!(shown.starts_with("\x1b[?1049h"), "{shown:?}");
    for venue in ["doex", "duedex"] {
        assert!(frame.contains(&format!("{venue} BTC/USDT:USDT  ")), "{frame:?}");
    }
    // A title, three asks, the spread, three bids and a line between, twice.
    assert_eq!(frame.matches('\n').count(), 18, "{frame:?}");
    assert_eq!(frame.matches("\x1b[31m").count(), 6, "{frame:?}");
    run.signal(Signal::INT);
    let mut rest = Vec::new();
    // Linux answers EIO, not an end, once nobody is left at the other side.
    let _ = terminal.read_to_end(&mut rest);
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.ends_with("\x1b[?25h\x1b[?1049l"), "{rest:?}");
    assert_eq!(run.end(), (Some(130), String::new()));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut run = Run::start(&["watch", "BTC/USDT", "-v", "doex", "--rate", "2000"]);
    run.json();
    run.close_output();
    assert_eq!(run.end(), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_watched_says_why() {
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let output = venuekit(&[&["watch"], args].concat()).output().expect("the binary runs");
        let err = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {word:?} is missing from {err}");
        }
    };
    check(&["BTC/USTD", "-v", "doex"], 2, &["unknown symbol", "did you mean BTC/USDT", "doex has"]);
    check(&["XYZ/ABC"], 2, &["unknown symbol", "doex has", "duedex has", "LINK/USDT:USDT"]);
    check(&["BTCUSDT", "-v", "doex"], 2, &["ambiguous", "BTC/USDT or BTC/USDT:USDT"]);
    check(&["BTC/USDT", "-v", "doe"], 2, &["unknown venue", "did you mean doex"]);
    check(&["BTC/USDT", "-v", "doex", "--product", "futurs"], 2, &["spot, futures"]);
    check(&["BTC/USDT", "--env", "lvie"], 2, &["lvie", "live"]);
    let elsewhere = ["--rest", "http://192.0.2.1", "--stream", "ws://127.0.0.1:1"];
    check(&[&["BTC/USDT", "-v", "doex"], &elsewhere[..]].concat(), 2, &["--rest", "not encrypted"]);
    // Nobody listens on port 1.
    let nobody = ["--rest", "http://127.0.0.1:1", "--stream", "ws://127.0.0.1:1"];
    check(&[&["BTC/USDT", "-v", "doex"], &nobody[..]].concat(), 5, &["doex", "http://127.0.0.1:1"]);
    check(&[&["BTC/USDT"], &nobody[..]].concat(), 2, &["-v"]);
    check(&["BTC/USDT", "--config", "/nowhere/at/all.toml"], 4, &["/nowhere/at/all.toml"]);
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_simulator_serves_whoever_trusts_it_and_leaves_its_keys_to_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    let (ca, keys, truth) = (path("ca.pem"), path("demo.env"), path("truth.ndjson"));
    std::fs::write(&keys, "an older file that all can read").expect("written");
    std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o644)).expect("changed");
    let args = ["sim", "--ndjson", "--seed", "7", "--tls", "--ca", &text(&ca)];
    let files = ["--credentials", &text(&keys), "--sim-truth", &text(&truth)];
    let mut sim = Run::start(&[&args[..], &files[..]].concat());
    let (doex, duedex) = (sim.json(), sim.json());
    assert_eq!((&doex["venue"], &duedex["venue"]), (&"doex".into(), &"duedex".into()));
    assert_eq!(doex["run"], duedex["run"]);
    assert_eq!(sim.status("Umask"), "0077");
    assert_ne!(doex["rest"], duedex["rest"]);
    let origin = |venue: &Value, name: &str| venue[name].as_str().expect("text").to_owned();
    assert!(origin(&doex, "rest").starts_with("https://127.0.0.1:"));
    assert!(origin(&doex, "stream").starts_with("wss://127.0.0.1:"));

    let (rest, stream) = (origin(&doex, "rest"), origin(&doex, "stream"));
    let hosts = ["watch", "ETH/USDT", "-v", "doex", "--rest", &rest, "--stream", &stream, "--count", "5"];
    let output = venuekit(&hosts).arg("--ca").arg(&ca).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 5);
    let wary = venuekit(&hosts).output().expect("the binary runs");
    assert_eq!(wary.status.code(), Some(5), "{}", String::from_utf8_lossy(&wary.stderr));

    sim.signal(Signal::TERM);
    let (code, err) = sim.end();
    assert_eq!(code, Some(143), "{err}");
    assert!(err.contains("demo.env"), "{err}");
    let lines = std::fs::read_to_string(&keys).expect("written");
    for name in ["DOEX_API_KEY", "DOEX_API_SECRET", "DUEDEX_API_KEY", "DUEDEX_API_SECRET"] {
        let name = format!("VENUEKIT_{name}=");
        let value = lines.lines().find_map(|line| line.strip_prefix(&name)).expect(&name);
        assert!(value.len() >= 32 && !err.contains(value));
    }
    assert_eq!([mode(&keys), mode(&truth), mode(&ca)], [0o600; 3]);
    let truth = std::fs::read_to_string(&truth).expect("written");
    let rows: Vec<Value> = truth.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(rows.iter().all(|row| row["run"] == doex["run"]));
    for venue in ["doex", "duedex"] {
        assert!(rows.iter().any(|row| row["venue"] == venue && row["t"] == "book"), "no book of {venue}");
    }
}
