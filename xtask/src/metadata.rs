//! What cargo knows of the workspace and of what it depends on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::run;

/// The part of `cargo metadata` that is read here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Absent for the packages of the workspace.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A line of `[dependencies]` or one of its kin.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for a normal one, else `build` or `dev`.
    pub(crate) kind: Option<Kind>,
}

/// When a dependency is needed, if not always.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Build,
    Dev,
}

/// The packages of the workspace alone; needs no network.
pub(crate) fn workspace() -> Result<Metadata> {
    read(&["--no-deps", "--offline"])
}

/// Everything that the default features resolve to on one platform, tests and build scripts included.
pub(crate) fn resolved(platform: &str) -> Result<Metadata> {
    read(&["--locked", "--filter-platform", platform])
}

fn read(arguments: &[&str]) -> Result<Metadata> {
    let json = run::output(run::cargo(&["metadata", "--format-version", "1"]).args(arguments))?;
    serde_json::from_slice(&json).context("cargo metadata has another shape than expected")
}

impl Metadata {
    /// Versions by name.
    pub(crate) fn versions(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in &self.packages {
            versions.entry(&package.name).or_default().push(&package.version);
        }
        versions
    }
}
