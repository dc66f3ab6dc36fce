//! Recorded sessions: where they are, their rows, and one fault at a time.

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

/// The folder of recordings, or nothing where it is absent and not required.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join(env::var("VENUEKIT_RECORDINGS").unwrap_or_else(|_| "../shared/recordings".into()));
    if folder.is_dir() {
        return Some(folder);
    }
    let required = env::var("VENUEKIT_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
    assert!(!required, "no recordings in {}; set VENUEKIT_RECORDINGS", folder.display());
    println!("skipped: no recordings in {}; set VENUEKIT_RECORDINGS to run this", folder.display());
    None
}

/// One row, as far as the tests need it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    /// `recv`, `http`, …
    pub(crate) t: String,
    /// The connection.
    #[serde(default)]
    pub(crate) conn: String,
    /// The address of an `http` or a `connect` row.
    #[serde(default, alias = "addr")]
    pub(crate) url: String,
    /// The payload.
    #[serde(default)]
    pub(crate) data: String,
}

/// A recording and its neighbours.
pub(crate) struct Recording {
    stem: PathBuf,
}

impl Recording {
    pub(crate) fn new(stem: PathBuf) -> Recording {
        Recording { stem }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut name = self.stem.clone().into_os_string();
        name.push(extension);
        name.into()
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let path = self.beside(".jsonl.gz");
        let mut text = String::new();
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        GzDecoder::new(file).read_to_string(&mut text).expect("a whole gzip file of text");
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_str(line).expect("a row is an object"))
            .collect()
    }

    /// The `expected.json` or `faults.json` beside it.
    pub(crate) fn json(&self, kind: &str) -> Option<Value> {
        let text = fs::read_to_string(self.beside(&format!(".{kind}.json"))).ok()?;
        Some(serde_json::from_str(&text).expect("JSON"))
    }
}

/// One fault, by row number from 0.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Fault {
    Drop { row: usize },
    Duplicate { row: usize },
    Swap { row: usize, row2: usize },
    CorruptQty { row: usize, from: String, to: String },
}

impl Fault {
    pub(crate) fn apply(&self, rows: &mut Vec<Row>) {
        match self {
            Fault::Drop { row } => {
                rows.remove(*row);
            }
            Fault::Duplicate { row } => rows.insert(*row, rows[*row].clone()),
            Fault::Swap { row, row2 } => rows.swap(*row, *row2),
            Fault::CorruptQty { row, from, to } => {
                let data = &mut rows[*row].data;
                assert!(data.contains(from), "row {row} holds no {from}");
                *data = data.replacen(from, to, 1);
            }
        }
    }
}
