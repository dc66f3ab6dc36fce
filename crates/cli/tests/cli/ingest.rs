//! `venuekit ingest`: a thin wrapper, so what is tested here is the wrapping.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::child::{Run, venuekit};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn one_object_on_standard_output_and_a_report_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, report) = (folder.path().join("v.db"), folder.path().join("report.json"));
    let args = ["ingest", "--json", "--for", "2", "--seed", "7", "--health", "127.0.0.1:0"];
    let output = venuekit(&args).arg("--db").arg(&db).arg("--report").arg(&report).output();
    let output = output.expect("the binary runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{err}");
    let out = String::from_utf8(output.stdout).expect("text");
    assert_eq!(out.lines().count(), 1, "{out}");
    let summary: Value = serde_json::from_str(&out).expect("one JSON object");
    assert!(summary["book_changes"].as_u64().is_some_and(|rows| rows > 0), "{summary}");
    assert_eq!((&summary["gaps_open"], &summary["conflicts"]), (&0.into(), &0.into()), "{summary}");
    assert_eq!(summary["ended"], "asked");
    for line in err.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert!(line["level"].is_string() && line["ts"].is_string(), "{line}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("written")).expect("JSON");
    assert_eq!(report["doex"]["books"]["BTC/USDT"]["state"], "live", "{report}");
    assert_eq!(report["duedex"]["books"]["BTC/USD:BTC"]["state"], "live", "{report}");
}

/// Whether the checker can run, which shares nothing with what it checks.
fn has_python() -> bool {
    let is_there = Command::new("python3").arg("--version").output().is_ok_and(|told| told.status.success());
    if !is_there {
        println!("python3 is missing: the database was not compared with the truth");
        let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
        assert!(!required, "VENUEKIT_REQUIRE_SERVICES=1 needs python3");
    }
    is_there
}

#[test]
fn four_venues_are_one_job_and_what_they_store_is_the_truth() {
    if !has_python() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (config, db, truth) = (path("venuekit.toml"), path("v.db"), path("truth.ndjson"));
    let venues = ["doex", "duedex", "binance", "kraken"];
    let toml: String = venues.iter().map(|venue| format!("[venues.{venue}]\n")).collect();
    std::fs::write(&config, toml).expect("written");
    let args = ["ingest", "--json", "--for", "5", "--seed", "7", "--rate", "100", "--health", "127.0.0.1:0"];
    let mut command = venuekit(&args);
    command.arg("--config").arg(&config).arg("--db").arg(&db).arg("--sim-truth").arg(&truth);
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&summary["gaps_open"], &summary["conflicts"]), (&0.into(), &0.into()), "{summary}");
    let checker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/verify_db.py");
    let check = |db: &Path| {
        let run = Command::new("python3").arg("-B").arg(&checker).arg(db).arg(&truth).output();
        let run = run.expect("python3 runs");
        (run.status.code(), String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned())
    };
    let (code, told) = check(&db);
    assert_eq!(code, Some(0), "{told}");
    for venue in venues {
        let compared = told.lines().filter(|line| line.starts_with(venue) && line.ends_with("equal"));
        assert!(compared.count() > 1, "{venue}: {told}");
    }
}

#[test]
fn a_tape_replays_to_what_the_run_saw() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, tapes, report) =
        (folder.path().join("v.db"), folder.path().join("tapes"), folder.path().join("report.json"));
    let args =
        ["ingest", "--json", "--for", "4", "--seed", "7", "--sim-faults", "heavy", "--health", "127.0.0.1:0"];
    let mut command = venuekit(&args);
    command.arg("--db").arg(&db).arg("--tape").arg(&tapes).arg("--report").arg(&report);
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&std::fs::read(&report).expect("written")).expect("JSON");
    let mut gaps = 0;
    for venue in ["doex", "duedex"] {
        let entries =
            std::fs::read_dir(&tapes).expect("a folder").map(|entry| entry.expect("readable").path());
        let is_its = |path: &PathBuf| {
            path.file_name().is_some_and(|name| text(Path::new(name)).starts_with(&format!("{venue}-")))
        };
        let tape = entries.into_iter().find(is_its).expect("its tape");
        let output =
            venuekit(&["replay", "--venue", venue, "--json"]).arg(&tape).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let replayed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(replayed, seen[venue], "{venue}");
        gaps += replayed["events"]["gap_opened"].as_u64().unwrap_or(0);
    }
    assert!(gaps > 0, "heavy faults that opened no gap show nothing: {seen}");
}

#[test]
fn signals_end_it_in_good_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for (signal, code, word) in [(Signal::INT, 130, "interrupt"), (Signal::TERM, 143, "terminate")] {
        let db = folder.path().join(word);
        let mut run = Run::start(&["ingest", "--health", "127.0.0.1:0", "--db", text(&db)]);
        // A line for a book that went live: it is at work.
        let line = run.line();
        assert!(line.contains("live"), "{line}");
        run.signal(signal);
        let (ended, err) = run.end();
        assert_eq!(ended, Some(code), "{err}");
        assert!(db.exists());
    }
}

#[test]
fn a_config_that_is_wrong_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("venuekit.toml");
    let check = |toml: &str, words: &[&str]| {
        std::fs::write(&config, toml).expect("written");
        let by_flag = venuekit(&["ingest", "--config", text(&config)]).output().expect("the binary runs");
        let by_env = venuekit(&["ingest"]).env("VENUEKIT_CONFIG", &config).output().expect("the binary runs");
        for output in [by_flag, by_env] {
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{err}");
            for word in words {
                assert!(err.contains(word), "{word:?} is missing from {err}");
            }
        }
    };
    check("[venues.doex]\nsymbls = [\"BTC/USDT\"]\n", &["venuekit.toml:2:1", "symbols"]);
    check("[venues.doxe]\n", &["venuekit.toml:1:", "doex"]);
    check("[venues.doex]\nchannels = [\"boook\"]\n", &["venuekit.toml:2:", "book"]);
}
