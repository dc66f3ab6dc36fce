//! The runbook is true: its commands run, its alerts name numbers that there are, and a service manager is told.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;

use crate::child::{Run, venuekit};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(docs().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of one language, each as its lines.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<Vec<&'t str>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let fence = format!("```{language}");
    while lines.by_ref().any(|line| line == fence) {
        blocks.push(lines.by_ref().take_while(|line| *line != "```").collect());
    }
    blocks
}

#[test]
fn every_command_of_the_runbook_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = read("operations.md");
    for block in blocks(&text, "toml") {
        let name = block[0].strip_prefix("# ").expect("a config names its file");
        std::fs::write(folder.path().join(name), block.join("\n")).expect("written");
    }
    let commands: Vec<&str> = blocks(&text, "sh").concat();
    assert!(commands.len() >= 6, "{commands:?}");
    for line in commands {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "venuekit", "{line}");
        let output = venuekit(&words[1..]).current_dir(folder.path()).output().expect("the binary runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {err}");
        if words[1] == "dump" || words[1] == "verify" {
            assert!(!output.stdout.is_empty(), "{line} said nothing");
        }
    }
}

#[test]
fn a_database_that_was_changed_behind_our_back_is_told_by_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("v.db");
    let args = ["ingest", "--json", "--for", "2", "--health", "127.0.0.1:0", "--db"];
    assert!(venuekit(&args).arg(&db).output().expect("runs").status.success());
    let whole = venuekit(&["verify", "--json", "--db"]).arg(&db).output().expect("runs");
    assert_eq!(whole.status.code(), Some(0));
    // One bit of a stored row.
    let mut bytes = std::fs::read(&db).expect("reads");
    let at = bytes.windows(9).rposition(|window| window.starts_with(b"\"],[\"")).expect("levels");
    bytes[at + 5] ^= 1;
    std::fs::write(&db, bytes).expect("writes");
    let damaged = venuekit(&["verify", "--db"]).arg(&db).output().expect("runs");
    let err = String::from_utf8_lossy(&damaged.stderr);
    assert_eq!(damaged.status.code(), Some(8), "{err}");
    assert!(err.contains("not as they were written"), "{err}");
}

/// A server is never named where others read it, and what was written there is not repeated.
#[test]
fn a_server_on_the_command_line_is_refused_and_not_repeated() {
    let output = venuekit(&["ingest", "--db", "postgres://me:CANARY@db/x"]).output().expect("runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("VENUEKIT_CLUSTER_DSN_FILE") && !err.contains("CANARY"), "{err}");
}

#[test]
fn a_service_manager_is_told_of_the_start_the_life_and_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("binds");
    manager.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("sets");
    let db = folder.path().join("v.db");
    let mut command = venuekit(&["ingest", "--quiet", "--health", "127.0.0.1:0", "--db"]);
    command.arg(&db).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let mut run = Run::logged(&mut command, log);
    let mut buffer = [0; 64];
    let mut hear = || {
        let length = manager.recv(&mut buffer).expect("it says something");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut said = Vec::new();
    while said.iter().filter(|word| *word == "WATCHDOG=1").count() < 3
        || !said.contains(&"READY=1".to_owned())
    {
        said.push(hear());
    }
    run.signal(Signal::TERM);
    while hear() != "STOPPING=1" {}
    assert_eq!(run.end().0, Some(143));
}

/// Each number that an alert or the dashboard looks at is one that the worker has.
#[test]
fn alerts_and_dashboard_name_numbers_that_there_are() {
    let (alerts, board) = (read("deploy/prometheus/alerts.yml"), read("deploy/grafana/ingest.json"));
    let metrics = std::fs::read_to_string(docs().join("../crates/ingest/src/metrics.rs")).expect("reads");
    for text in [&alerts, &board] {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names: std::collections::BTreeSet<&str> =
            words.filter(|word| word.starts_with("venuekit_")).collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            let base = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(metrics.contains(&format!("\"{base}\"")), "{name} is no number of the worker");
        }
    }
    let runbook = read("operations.md");
    for line in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(runbook.contains(&format!("| `{line}` |")), "the runbook does not know {line}");
    }
    let board: serde_json::Value = serde_json::from_str(&board).expect("JSON");
    assert_eq!(board["uid"], "venuekit-ingest");
    assert_eq!(board["__inputs"][0]["name"], "DS_PROMETHEUS");
    let ids: Vec<_> = board["panels"].as_array().expect("panels").iter().map(|panel| &panel["id"]).collect();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    check_with("promtool", &["check", "rules", "deploy/prometheus/alerts.yml"]);
}

/// Has a tool look at a file, where the machine has it.
fn check_with(tool: &str, args: &[&str]) {
    match Command::new(tool).args(args).current_dir(docs()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("{tool} is missing: {args:?} was not looked at"),
    }
}
