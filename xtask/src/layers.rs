//! Which way dependencies run: the table of allowed edges, and what the pure crates may not touch.
//!
//! It refuses any edge that the table does not list; a new crate starts with a row here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::metadata::{self, Kind, Metadata, Package};
use crate::run;

/// Normal and build dependencies between packages of the workspace. `venues/*` stands for every venue.
const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("wire", &["types"]),
    ("sign", &["types"]),
    ("book", &["types"]),
    ("venue", &["book", "sign", "types"]),
    ("session", &["venue", "book", "sign", "types"]),
    ("account", &["venue", "types"]),
    ("venues/*", &["venue", "wire", "book", "sign", "types"]),
    ("registry", &["venues/*", "venue", "sign", "types"]),
    // The oracle shares no rule with what it judges: neither `book` nor anything that holds one.
    ("sim", &["wire", "sign", "types"]),
    ("testkit", &["session", "sim", "venue", "book", "sign", "types"]),
    ("driver", &["session", "sim", "venue", "book", "sign", "types"]),
    ("store", &["types"]),
    (
        "ingest",
        &["account", "driver", "store", "registry", "session", "sim", "venue", "book", "sign", "types"],
    ),
    (
        "cli",
        &[
            "account", "ingest", "driver", "store", "registry", "session", "sim", "venue", "book", "sign",
            "types",
        ],
    ),
    ("xtask", &[]),
];

/// Crates without a clock, a thread, a socket, an environment, randomness or a log.
const PURE: &[&str] =
    &["types", "wire", "sign", "book", "venue", "session", "account", "venues/*", "registry", "sim"];

/// Crates that run without an operating system.
const NO_STD: &[&str] = &["types", "sign", "book"];

/// What a pure crate does not depend on.
const IMPURE_CRATES: &[&str] = &[
    "async-std",
    "axum",
    "chrono",
    "getrandom",
    "hyper",
    "log",
    "metrics",
    "mio",
    "parking_lot",
    "rand",
    "rayon",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "time",
    "tokio",
    "tokio-rustls",
    "tokio-tungstenite",
    "tracing",
    "tungstenite",
    "ureq",
];

/// What a pure crate does not say, outside its tests.
const IMPURE_WORDS: &[&str] = &[
    "SystemTime",
    "std::time::Instant",
    "time::Instant",
    "Zoned::now",
    "Timestamp::now",
    "std::thread",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "std::env",
    "std::fs",
    "std::process",
    "std::io::std",
    "fastrand::Rng::new()",
    "print!(",
    "println!(",
    "dbg!(",
];

/// Prints what was looked at, or fails with every fault found.
pub(crate) fn run() -> Result<()> {
    let metadata = metadata::workspace()?;
    let faults = faults(&metadata)?;
    if faults.is_empty() {
        println!("{} crates, every edge allowed", metadata.packages.len());
        return Ok(());
    }
    bail!("{}", faults.join("\n"));
}

/// Everything that is wrong with the layers.
fn faults(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = edges(metadata);
    faults.extend(impure_crates(metadata));
    for package in &metadata.packages {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
        let manifest = read(&package.manifest_path)?;
        if !opts_into_lints(&manifest) {
            faults.push(format!("{}: Cargo.toml lacks `[lints] workspace = true`", package.name));
        }
        let layer = layer(package);
        if NO_STD.contains(&layer)
            && !read(&folder.join("src/lib.rs"))?.lines().any(|line| line == "#![no_std]")
        {
            faults.push(format!("{}: lib.rs lacks `#![no_std]`", package.name));
        }
        if PURE.contains(&layer) {
            for file in sources(&folder.join("src"))? {
                faults.extend(impure_words(&file.display().to_string(), &read(&file)?));
            }
        }
    }
    if !forbids_unsafe(&read(&run::root().join("Cargo.toml"))?) {
        faults.push("the workspace lints do not forbid unsafe_code".into());
    }
    Ok(faults)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The row of the table that a package belongs to.
fn layer(package: &Package) -> &str {
    let in_venues =
        package.manifest_path.ancestors().nth(2).is_some_and(|folder| folder.ends_with("crates/venues"));
    if in_venues { "venues/*" } else { package.name.strip_prefix("venuekit-").unwrap_or(&package.name) }
}

fn edges(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let from = layer(package);
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == from) else {
            faults.push(format!("{from}: has no row in the table of edges (xtask/src/layers.rs)"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind != Some(Kind::Dev)) {
            let Some(target) = metadata.packages.iter().find(|p| p.name == dependency.name) else { continue };
            let to = layer(target);
            if !allowed.contains(&to) {
                faults.push(format!(
                    "{} -> {}: {from} may depend on {allowed:?} only",
                    package.name, target.name
                ));
            }
        }
    }
    faults
}

fn impure_crates(metadata: &Metadata) -> Vec<String> {
    let pure = metadata.packages.iter().filter(|package| PURE.contains(&layer(package)));
    pure.flat_map(|package| {
        let normal = package.dependencies.iter().filter(|d| d.kind.is_none());
        normal.filter(|d| IMPURE_CRATES.contains(&d.name.as_str())).map(|d| {
            format!("{} -> {}: a pure crate takes time, bytes and seeds as arguments", package.name, d.name)
        })
    })
    .collect()
}

/// Looks at code lines up to the test module; comments may say what they like.
fn impure_words(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut lines = (1..).zip(text.lines().map(str::trim));
    while let Some((at, line)) = lines.next() {
        if line == "#[cfg(test)]" {
            // Either a declaration of one line, or the module that ends the file.
            if lines.next().is_some_and(|(_, next)| next.ends_with(';')) {
                continue;
            }
            break;
        }
        if !line.starts_with("//") {
            let words = IMPURE_WORDS.iter().filter(|word| line.contains(**word));
            faults.extend(words.map(|word| format!("{file}:{at}: a pure crate does not use {word}")));
        }
    }
    faults
}

/// The Rust files under a folder, tests left out.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|stem| stem == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The lines of a section of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let inside = manifest.lines().map(str::trim).skip_while(move |line| *line != format!("[{name}]")).skip(1);
    inside.take_while(|line| !line.starts_with('['))
}

fn opts_into_lints(manifest: &str) -> bool {
    section(manifest, "lints").any(|line| line == "workspace = true")
}

fn forbids_unsafe(manifest: &str) -> bool {
    section(manifest, "workspace.lints.rust").any(|line| line == r#"unsafe_code = "forbid""#)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule itself, on the workspace as it stands.
    #[test]
    fn every_edge_of_the_workspace_is_allowed() {
        let metadata = metadata::workspace().expect("cargo describes the workspace");
        assert_eq!(faults(&metadata).expect("files are readable"), Vec::<String>::new());
    }

    /// A package: its name, its folder, and its dependencies by kind.
    type MadeUp<'a> = (&'a str, &'a str, &'a [(&'a str, Option<Kind>)]);

    fn made_up(packages: &[MadeUp<'_>]) -> Metadata {
        let package = |&(name, folder, dependencies): &MadeUp<'_>| Package {
            name: name.into(),
            version: "0.1.0".into(),
            license: None,
            source: None,
            manifest_path: format!("/checkout/crates/{folder}/Cargo.toml").into(),
            dependencies: dependencies
                .iter()
                .map(|&(name, kind)| metadata::Dependency { name: name.into(), kind })
                .collect(),
        };
        Metadata { packages: packages.iter().map(package).collect() }
    }

    #[test]
    fn an_edge_against_the_table_is_caught() {
        let check = |from: &str, to: &str, kind: Option<Kind>, allowed: bool| {
            let folder = |name: &str| match name {
                "doex" | "duedex" => format!("venues/{name}"),
                other => other.to_string(),
            };
            let package = |name: &str| format!("venuekit-{name}");
            let (from_folder, to_folder) = (folder(from), folder(to));
            let (from, to) = (package(from), package(to));
            let metadata = made_up(&[(&from, &from_folder, &[(&to, kind)]), (&to, &to_folder, &[])]);
            let faults = edges(&metadata);
            assert_eq!(faults.is_empty(), allowed, "{from} -> {to}: {faults:?}");
        };
        check("book", "types", None, true);
        check("doex", "wire", None, true);
        check("registry", "duedex", None, true);
        check("types", "book", None, false);
        check("book", "venue", None, false);
        check("sim", "book", None, false);
        check("sim", "venue", None, false);
        check("sim", "book", Some(Kind::Build), false);
        check("sim", "book", Some(Kind::Dev), true);
        check("doex", "duedex", None, false);
        check("doex", "session", None, false);
        check("session", "doex", None, false);
        check("session", "sim", None, false);
        check("store", "venue", None, false);
        check("driver", "store", None, false);
        check("cli", "doex", None, false);
    }

    #[test]
    fn a_crate_without_a_row_is_caught() {
        let faults = edges(&made_up(&[("venuekit-webhook", "webhook", &[])]));
        assert!(faults.iter().any(|fault| fault.contains("webhook: has no row")), "{faults:?}");
    }

    #[test]
    fn a_pure_crate_that_reaches_out_is_caught() {
        let metadata = made_up(&[
            ("venuekit-session", "session", &[("tokio", None), ("tracing", Some(Kind::Dev))]),
            ("venuekit-driver", "driver", &[("tokio", None)]),
        ]);
        let faults = impure_crates(&metadata);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("venuekit-session -> tokio"));

        let text = "//! Reads no SystemTime.\n#[cfg(test)]\nmod tests;\nuse std::time::Duration;\n\
                    let t = SystemTime::now();\n#[cfg(test)]\nmod more {\nuse std::fs;\n}\n";
        assert_eq!(impure_words("a.rs", text), ["a.rs:5: a pure crate does not use SystemTime"]);
    }

    #[test]
    fn manifests_are_read_by_section() {
        assert!(opts_into_lints("[lints]\nworkspace = true\n"));
        assert!(!opts_into_lints("[package]\nworkspace = true\n[lints]\n[features]\nworkspace = true\n"));
        assert!(forbids_unsafe("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
        assert!(!forbids_unsafe("[workspace.lints.rust]\nunsafe_code = \"warn\"\n"));
    }
}
