//! Acknowledged means committed: a process that dies loses nothing it was told is stored, and no batch is torn.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{cursor, open, trade};
use venuekit_store::{Batch, Reader, Row, Sink};

const ROWS_PER_BATCH: u64 = 20;

/// Batch `n`: its rows, and the cursor that says so.
fn batch(n: u64) -> Batch {
    let ids = n * ROWS_PER_BATCH..(n + 1) * ROWS_PER_BATCH;
    Batch {
        rows: ids.map(|id| Row::Trade(trade("BTC/USDT", id, 100, 1))).collect(),
        cursors: vec![cursor("BTC/USDT", 1, n)],
    }
}

/// The number of whole batches in a database; panics where one is torn, doubled or out of step with its cursor.
fn whole_batches(path: &Path) -> u64 {
    let mut sink = open(path).expect("recovers without a hand");
    let cursor = sink.resume().expect("reads").cursors.first().map_or(0, |cursor| cursor.last_seq + 1);
    let mut ids = Vec::new();
    let reader = Reader::open(path).expect("opens");
    reader
        .trades(&common::market("BTC/USDT"), |row| ids.push(row.trade_id.parse::<u64>().expect("a number")))
        .expect("reads");
    let expected: Vec<u64> = (0..cursor * ROWS_PER_BATCH).collect();
    assert_eq!(ids, expected, "rows and cursor disagree");
    cursor
}

/// I2: the image that a power cut leaves: any prefix of the log after the last sync.
#[test]
fn any_prefix_of_the_log_is_whole_batches() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    for n in 0..5 {
        let _ = sink.commit(&batch(n)).expect("commits");
    }
    let log = fs::read(dir.path().join("t.db-wal")).expect("has a log");
    let mut last = 0;
    for cut in (0..log.len()).step_by(1500).chain([log.len()]) {
        let copy = dir.path().join(format!("{cut}.db"));
        fs::copy(&path, &copy).expect("copies");
        fs::write(dir.path().join(format!("{cut}.db-wal")), &log[..cut]).expect("writes");
        let whole = whole_batches(&copy);
        assert!(whole >= last, "a longer log holds no less");
        last = whole;
    }
    assert_eq!(last, 5);
}

/// Runs in a process of its own until it is killed.
#[test]
fn child_commits_until_killed() {
    let Some(path) = std::env::var_os("STORE_TEST_COMMIT") else { return };
    let mut sink = open(Path::new(&path)).expect("opens");
    let next = sink.resume().expect("reads").cursors.first().map_or(0, |cursor| cursor.last_seq + 1);
    for n in next.. {
        let _ = sink.commit(&batch(n)).expect("commits");
        println!("\nacknowledged {n}");
    }
}

/// I2: SIGKILL at an instant that follows from nothing but the machine's mood, over and over on one file.
#[cfg(unix)]
#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    for lines in [1, 3, 40, 2, 15, 1, 7, 90] {
        let mut child = Command::new(std::env::current_exe().expect("known"))
            .args(["--exact", "child_commits_until_killed", "--nocapture"])
            .env("STORE_TEST_COMMIT", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut acknowledged = None;
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut read = |line: Option<std::io::Result<String>>| {
            let line = line?.ok()?;
            if let Some(n) = line.strip_prefix("acknowledged ") {
                acknowledged = Some(n.parse::<u64>().expect("a number"));
            }
            Some(acknowledged.is_some())
        };
        let mut seen = 0;
        while seen < lines {
            let heard = read(output.next()).expect("the child goes on until it is killed");
            seen += usize::from(heard);
        }
        child.kill().expect("kills");
        // What it managed to say before it died counts too.
        while read(output.next()).is_some() {}
        child.wait().expect("reaps");
        let acknowledged = acknowledged.expect("at least one line");
        let whole = whole_batches(&path);
        assert!(whole > acknowledged, "{acknowledged} was acknowledged and {whole} batches are stored");
    }
}
