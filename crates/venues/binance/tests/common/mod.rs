//! Where the recordings are, and how their files are read.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of recordings, or nothing, said in one line; required in CI.
pub(crate) fn recordings() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(|| default.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    println!("skipped: no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    None
}

/// What ends so, anywhere below a folder.
pub(crate) fn found(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(self::found(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("a recording");
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("gzipped text");
    text.lines().map(ToOwned::to_owned).collect()
}

pub(crate) fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file");
    if let Ok(value) = serde_json::from_str(&text) {
        return value;
    }
    // Some collections annotate what they keep.
    let bare: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    serde_json::from_str(&bare.join("\n")).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
