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

/// Commands of the documents that no test can run, each with the reason.
const NOT_RUN: [(&str, &str); 2] = [
    (
        "systemctl reload venuekit-ingest",
        "it wants a service manager and root; what its signal does is tested apart",
    ),
    ("cargo test --workspace", "it is this test, and every other"),
];

/// Runs a line of a document as it stands there, within a folder that holds what the lines before it made.
fn run(document: &str, line: &str, folder: &std::path::Path) {
    let line = line.split("  #").next().expect("split gives one").trim();
    if let Some((_, why)) = NOT_RUN.iter().find(|(known, _)| *known == line) {
        println!("{document}: {line:?} is not run: {why}");
        return;
    }
    let args = line.strip_prefix("venuekit ").or_else(|| line.strip_prefix("cargo run --release -- "));
    let args = args.unwrap_or_else(|| panic!("{document}: nobody knows how to test {line:?}"));
    let mut words: Vec<&str> = args.split(' ').collect();
    if words[0] == "ingest" && !words.contains(&"--for") {
        words.extend(["--for", "3"]);
    }
    let output = venuekit(&words).current_dir(folder).output().expect("the binary runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{document}: {line}: {err}");
    if ["dump", "verify", "ingest"].contains(&words[0]) {
        assert!(!output.stdout.is_empty(), "{document}: {line} said nothing");
    }
}

#[test]
fn every_command_of_the_runbook_and_the_readme_runs() {
    let documents = ["operations.md", "../README.md"].map(|name| (name, read(name)));
    let mut seen = Vec::new();
    for (name, text) in &documents {
        let folder = tempfile::tempdir().expect("a folder");
        for block in blocks(text, "toml") {
            let file = block[0].strip_prefix("# ").expect("a config names its file");
            std::fs::write(folder.path().join(file), block.join("\n")).expect("written");
        }
        for line in blocks(text, "sh").concat() {
            run(name, line, folder.path());
            seen.push(line);
        }
    }
    assert!(seen.len() >= 9, "{seen:?}");
    let is_there = |known: &str| seen.iter().any(|line| line.starts_with(known));
    assert!(NOT_RUN.iter().all(|(known, _)| is_there(known)), "a reason for what no document says");
    for (name, text) in &documents {
        for span in text.split('`').skip(1).step_by(2) {
            let Some(args) = span.strip_prefix("venuekit ").filter(|args| !args.contains('\n')) else {
                continue;
            };
            let words: Vec<&str> = args.split(' ').collect();
            let output = venuekit(&[words[0], "--help"]).output().expect("the binary runs");
            let help = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{name}: there is no `venuekit {}`", words[0]);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{name}: `{span}`: there is no {flag}");
            }
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
