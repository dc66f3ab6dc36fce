//! What we depend on: licences, sources, bans and duplicates, of everything that the default features resolve to.
//!
//! It refuses what would bind users to a copyleft licence, bring a second TLS or WebSocket stack, or come from
//! somewhere else than the registry.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::metadata::{self, Metadata};
use crate::run;

/// Where the product runs. Dependencies of other platforms are not built by anybody.
const PLATFORMS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

/// Licences that ask for no more than a notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The one exception that only takes conditions away.
const EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Crates that must not come in by a side door, and why.
const BANNED: &[(&str, &str)] = &[
    ("native-tls", "rustls is our TLS"),
    ("openssl-sys", "rustls is our TLS"),
    ("aws-lc-sys", "ring is our provider; this one needs cmake"),
    ("webpki-roots", "roots come from the system, through rustls-native-certs"),
];

/// Crates of which two versions would be two stacks.
const SINGLE: &[&str] = &[
    "hyper",
    "libsqlite3-sys",
    "ring",
    "rusqlite",
    "rust_decimal",
    "rustls",
    "serde",
    "serde_json",
    "sha2",
    "tokio",
    "tokio-tungstenite",
    "tungstenite",
];

/// Prints how much was looked at, or fails with every fault found.
pub(crate) fn run() -> Result<()> {
    // `--locked` below refuses a lock file that would have to change.
    run::output(run::program("git").args(["ls-files", "--error-unmatch", "Cargo.lock"]))?;
    let mut found = BTreeSet::new();
    let mut counts = Vec::new();
    for platform in PLATFORMS {
        let metadata = metadata::resolved(platform)?;
        found.extend(faults(&metadata));
        counts.push(format!("{platform} {}", metadata.packages.len()));
    }
    if found.is_empty() {
        println!("crates, tests and build scripts included: {}", counts.join(", "));
        return Ok(());
    }
    bail!("{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}

fn faults(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    let registries: BTreeSet<&str> = metadata.packages.iter().filter_map(|p| p.source.as_deref()).collect();
    if registries.len() > 1 || registries.iter().any(|source| !source.starts_with("registry+")) {
        faults.push(format!("packages come from more than one registry: {registries:?}"));
    }
    for package in &metadata.packages {
        match package.license.as_deref().map(allowed) {
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                let licence = package.license.as_deref().unwrap_or_default();
                faults.push(format!(
                    "{} {}: licence {licence} is not on our list",
                    package.name, package.version
                ));
            }
            Some(Err(reason)) => faults.push(format!("{} {}: {reason}", package.name, package.version)),
            None => faults.push(format!("{} {}: states no licence", package.name, package.version)),
        }
        if let Some((_, why)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            faults.push(format!("{} is banned: {why}", package.name));
        }
    }
    for (name, versions) in metadata.versions() {
        if SINGLE.contains(&name) && versions.len() > 1 {
            faults.push(format!("{name} comes in versions {}; one is enough", versions.join(" and ")));
        }
    }
    faults
}

/// Whether an SPDX expression leaves a choice that is on our list. `/` is the old spelling of `OR`.
///
/// **Errors**: when it is no expression.
fn allowed(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words };
    match parser.any_of() {
        Some(allowed) if parser.words.is_empty() => Ok(allowed),
        _ => Err(format!("cannot read the licence {expression:?}")),
    }
}

/// `OR` binds weaker than `AND`, `AND` weaker than `WITH`. Nothing where a word is missing.
struct Parser<'a> {
    words: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn any_of(&mut self) -> Option<bool> {
        let mut allowed = self.all_of()?;
        while self.take("OR") {
            allowed |= self.all_of()?;
        }
        Some(allowed)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let allowed = self.any_of()?;
            return self.take(")").then_some(allowed);
        }
        let licence = self.next().filter(|word| !matches!(*word, "OR" | "AND" | "WITH" | ")"))?;
        let mut allowed = LICENCES.contains(&licence);
        if self.take("WITH") {
            allowed &= EXCEPTIONS.contains(&self.next()?);
        }
        Some(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn licences_are_read_as_expressions() {
        let check =
            |expression: &str, expected: bool| assert_eq!(allowed(expression), Ok(expected), "{expression}");
        check("MIT", true);
        check("MIT OR Apache-2.0", true);
        check("MIT/Apache-2.0", true);
        check("Apache-2.0 / MIT", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true);
        check("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true);
        check("GPL-3.0-only", false);
        check("LGPL-2.1-or-later", false);
        check("AGPL-3.0", false);
        check("MPL-2.0", false);
        check("CDLA-Permissive-2.0", false);
        check("MIT AND MPL-2.0", false);
        check("(MIT OR Apache-2.0) AND CDLA-Permissive-2.0", false);
        check("Apache-2.0 WITH Classpath-exception-2.0", false);
        for broken in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND", "MIT WITH"] {
            assert!(allowed(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let package = |name: &str, version: &str, licence: Option<&str>, source: Option<&str>| Package {
            name: name.into(),
            version: version.into(),
            license: licence.map(Into::into),
            source: source.map(Into::into),
            manifest_path: "Cargo.toml".into(),
            dependencies: vec![],
        };
        let registry = Some("registry+https://index.example");
        let check = |packages: Vec<Package>, words: &[&str]| {
            let faults = faults(&Metadata { packages });
            assert_eq!(faults.len(), words.len(), "{faults:?}");
            for (fault, word) in faults.iter().zip(words) {
                assert!(fault.contains(word), "{fault}");
            }
        };
        check(
            vec![package("ours", "1.0.0", Some("MIT"), None), package("a", "1.0.0", Some("MIT"), registry)],
            &[],
        );
        check(vec![package("a", "1.0.0", Some("MPL-2.0"), registry)], &["a 1.0.0: licence MPL-2.0"]);
        check(vec![package("a", "1.0.0", None, registry)], &["states no licence"]);
        check(
            vec![package("a", "1.0.0", Some("MIT"), Some("git+https://git.example"))],
            &["more than one registry"],
        );
        check(vec![package("webpki-roots", "1.0.0", Some("MIT"), registry)], &["webpki-roots is banned"]);
        check(
            vec![
                package("rustls", "0.22.1", Some("MIT"), registry),
                package("rustls", "0.23.1", Some("MIT"), registry),
            ],
            &["rustls comes in versions 0.22.1 and 0.23.1"],
        );
    }
}
