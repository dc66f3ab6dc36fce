//! `venuekit replay`, as a user runs it, on tapes of another recorder: frames and answers, and nothing of ours.

use std::io::Write;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::child::venuekit;

const INSTRUMENTS: &str = include_str!("../../../../fixtures/duedex/instruments.json");

fn replay(args: &[&str], tape: &Path) -> Output {
    venuekit(&["replay"]).args(args).arg(tape).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn row(kind: &str, ts: u32, rest: Value) -> String {
    let mut row = json!({"t": kind, "conn": "1", "ts": 1_599_732_170 + ts});
    for (name, value) in rest.as_object().expect("an object") {
        row[name] = value.clone();
    }
    row.to_string()
}

fn recv(ts: u32, frame: &Value) -> String {
    row("recv", ts, json!({"data": frame.to_string()}))
}

fn level2(kind: &str, sequence: u64, bids: Value, asks: Value) -> Value {
    json!({
        "type": kind, "channel": "level2", "instrument": "BTCUSD", "sequence": sequence,
        "data": {"bids": bids, "asks": asks}, "timestamp": "2020-09-10T10:02:52.165Z",
    })
}

/// A short session of one book: a snapshot, a level removed and one set, a level more, and a trade.
fn rows() -> Vec<String> {
    let matched = json!({
        "type": "update", "channel": "matches", "instrument": "BTCUSD", "sequence": 6,
        "data": [{
            "instrument": "BTCUSD", "matchId": 8, "price": "9121.00", "size": 20, "side": "long",
            "tickDirection": "plusTick", "timestamp": "2020-09-10T10:02:53.000Z",
        }],
        "timestamp": "2020-09-10T10:02:53.000Z",
    });
    let before = json!({
        "type": "snapshot", "channel": "matches", "instrument": "BTCUSD", "sequence": 5, "data": [],
        "timestamp": "2020-09-10T10:02:52.000Z",
    });
    let channels = json!([{"name": "level2", "instruments": ["BTCUSD"]}, {"name": "matches", "instruments": ["BTCUSD"]}]);
    let snapshot = level2(
        "snapshot",
        2001,
        json!([["9120.50", 1500], ["9120.00", 20], ["9118.50", 7]]),
        json!([["9121.00", 300], ["9122.50", 12000]]),
    );
    vec![
        row("http", 0, json!({"url": "https://api.duedex.com/v1/instrument", "data": INSTRUMENTS})),
        row("connect", 0, json!({"addr": "wss://feed.duedex.com/v1/feed"})),
        recv(1, &json!({"type": "subscriptions", "channels": channels})),
        recv(1, &snapshot),
        recv(1, &before),
        recv(2, &level2("update", 2002, json!([["9120.00", 0], ["9119.50", 44]]), json!([]))),
        recv(2, &matched),
        recv(3, &level2("update", 2003, json!([]), json!([["9122.00", 9]]))),
    ]
}

fn tape(rows: &[String]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    writeln!(file, "{}", rows.join("\n")).expect("written");
    file
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

const JSON: [&str; 3] = ["--venue", "duedex", "--json"];

#[test]
fn the_report_is_the_object_of_the_contract() {
    let output = replay(&JSON, tape(&rows()).path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = report(&output);
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&report), ["books", "decode_errors", "events", "frames", "trades"]);
    assert_eq!((&report["frames"], &report["decode_errors"]), (&json!(6), &json!(0)));
    let expected = json!({
        "venue_symbol": "BTCUSD",
        "state": "live",
        "updates": 2,
        "gaps": 0,
        "first_gap_at_update": null,
        "stale_dropped": 0,
        "resyncs": 0,
        "checksums_ok": 0,
        "checksums_bad": 0,
        "first_checksum_bad_at_update": null,
        "last_seq": 2003,
        "bid_levels": 3,
        "ask_levels": 3,
        "top_bids": [["9120.5", "1500"], ["9119.5", "44"], ["9118.5", "7"]],
        "top_asks": [["9121", "300"], ["9122", "9"], ["9122.5", "12000"]],
        // printf 'b,9120.5,1500\nb,9119.5,44\nb,9118.5,7\na,9121,300\na,9122,9\na,9122.5,12000\n' | sha256sum
        "sha256": "60e4729d451b4daabd07ffe7d15937b1ddf828fdf08d68dece5d27a23dbc32ea",
    });
    assert_eq!(report["books"]["BTC/USD:BTC"], expected);
    let trades = json!({"venue_symbol": "BTCUSD", "count": 1, "qty_sum": "20", "notional_sum": "182420"});
    assert_eq!(report["trades"]["BTC/USD:BTC"], trades);
    // The list names others as well, of which the tape says nothing.
    assert_eq!(names(&report["books"]), ["BTC/USD:BTC"]);
}

#[test]
fn a_tape_without_a_list_is_followed_by_what_its_frames_name() {
    let with = report(&replay(&JSON, tape(&rows()).path()));
    let frames = rows().into_iter().filter(|row| row.contains("\"recv\"")).collect::<Vec<_>>();
    let output = replay(&JSON, tape(&frames).path());
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let without = report(&output);
    assert_eq!(with["books"], without["books"]);
    assert_eq!(with["trades"], without["trades"]);
}

#[test]
fn compressed_tapes_and_standard_input_give_the_same() {
    let plain = rows().join("\n");
    let expected = report(&replay(&JSON, tape(&rows()).path()));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(plain.as_bytes()).expect("to memory");
    let zstd = zstd::encode_all(plain.as_bytes(), 3).expect("to memory");
    for bytes in [gzip.finish().expect("to memory"), zstd] {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), bytes).expect("written");
        assert_eq!(report(&replay(&JSON, file.path())), expected);
        let piped = file.reopen().expect("still there");
        let output =
            venuekit(&["replay"]).args(JSON).arg("-").stdin(piped).output().expect("the binary runs");
        assert_eq!(report(&output), expected);
    }
}

#[test]
fn a_gap_is_counted_and_stops_at_its_row_when_asked() {
    let mut rows = rows();
    rows.remove(5);
    let file = tape(&rows);
    let goes_on = replay(&JSON, file.path());
    assert_eq!(goes_on.status.code(), Some(0), "{}", text(&goes_on.stderr));
    let book = &report(&goes_on)["books"]["BTC/USD:BTC"];
    assert_eq!(
        (&book["gaps"], &book["first_gap_at_update"], &book["updates"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_ne!(book["state"], "live", "no further snapshot is on the tape");
    let stops = replay(&[&JSON[..], &["--at-error", "stop"]].concat(), file.path());
    let err = text(&stops.stderr);
    assert_eq!(stops.status.code(), Some(8), "{err}");
    assert!(err.contains("line 7: BTC/USD:BTC book: sequence, expected 2002, got 2003"), "{err}");
    assert_eq!(report(&stops)["books"]["BTC/USD:BTC"]["gaps"], 1);
    // A tape without one is no error.
    let sound = replay(&["--venue", "duedex", "--at-error", "stop"], tape(&self::rows()).path());
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound.stderr));
}

#[test]
fn a_broken_row_costs_itself_and_a_broken_frame_its_frame() {
    let mut rows = rows();
    rows.insert(4, r#"{"t":"recv","conn":"1","ts":1599732171,"data":"cut"#.into());
    rows.insert(6, row("recv", 1, json!({"data": "{\"type\":\"upd"})));
    let output = replay(&JSON, tape(&rows).path());
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("line 5:") && err.contains("1 rows of the tape could not be read"), "{err}");
    let report = report(&output);
    assert_eq!(report["decode_errors"], 1);
    assert_eq!(report["books"]["BTC/USD:BTC"]["last_seq"], 2003);
}

#[test]
fn rows_that_the_recorder_lost_are_told() {
    let mut rows = rows();
    rows.insert(5, row("command", 1, json!({"data": "{\"input\":\"tape_overflow\",\"dropped\":12}"})));
    let output = replay(&JSON, tape(&rows).path());
    assert!(text(&output.stderr).contains("line 6: the recorder lost 12 rows"), "{}", text(&output.stderr));
    assert_eq!(report(&output)["books"]["BTC/USD:BTC"]["state"], "live");
}

#[test]
fn the_table_names_every_book() {
    let output = replay(&["--venue", "duedex"], tape(&rows()).path());
    let table = text(&output.stdout);
    let line = table.lines().find(|line| line.starts_with("BTC/USD:BTC")).expect("a line");
    for word in ["live", "2003", "9120.5", "9121"] {
        assert!(line.split_whitespace().any(|cell| cell == word), "{word} is missing from {line}");
    }
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let check = |args: &[&str], rows: &[&str], code: i32, words: &[&str]| {
        let rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        let output = replay(args, tape(&rows).path());
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{word:?} is missing from {err}");
        }
    };
    let venue = ["--venue", "duedex"];
    check(&venue, &[], 4, &["line 1", "no row"]);
    check(&venue, &["what is this"], 4, &["line 1"]);
    let header = r#"{"t":"header","ts":1,"data":"{\"venue\":\"doex\"}"}"#;
    check(&venue, &[header], 2, &["--venue doex"]);
    check(&["--venue", "doex", "--product", "spto"], &[header], 2, &["did you mean spot?", "futures"]);
    check(&["--venue", "binanse"], &[header], 2, &["unknown venue", "did you mean binance?"]);
    let missing = replay(&venue, Path::new("/nowhere/at/all.jsonl"));
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing.stderr).contains("/nowhere/at/all.jsonl"));
    let mut broken = zstd::encode_all(rows().join("\n").as_bytes(), 3).expect("to memory");
    let middle = broken.len() / 2;
    broken[middle..].fill(0xff);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), broken).expect("written");
    let output = replay(&venue, file.path());
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("at line"), "{}", text(&output.stderr));
}
