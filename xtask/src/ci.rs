//! The whole gate, in the order in which a mistake is cheapest to find. It stops at the first step that fails.
#![allow(clippy::disallowed_methods, reason = "a step prints how long it took")]

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::run::{self, cargo, pass_through};
use crate::{deps, layers, prove, torture as kills};

/// A step and what it runs.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 11] = [
    ("tools", tools),
    ("fmt", || pass_through(&mut cargo(&["fmt", "--all", "--check"]))),
    ("layers", layers::run),
    ("deps", deps::run),
    ("clippy", || {
        pass_through(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("test", test),
    ("outside", outside),
    ("torture", torture),
    ("features", features),
    ("doc", || {
        pass_through(
            cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
        )
    }),
    ("prove", || {
        // Minutes, not hours: the full size is for a person or a night.
        prove::run(&prove::Options { seeds: 300, cases: 2_000, minutes: Some(6), venue: None, seed: None })
    }),
];

/// Runs every step.
pub(crate) fn run() -> Result<()> {
    let all = Instant::now();
    for (name, step) in STEPS {
        let began = Instant::now();
        println!("==> {name}");
        step().with_context(|| format!("ci stopped at {name}"))?;
        println!("==> {name}: ok in {:.1?}", began.elapsed());
    }
    println!("==> ci: ok in {:.1?}", all.elapsed());
    Ok(())
}

/// Programs that a step starts, and the packages they come in.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("git", &["git"]),
    ("cc", &["gcc", "libc6-dev"]),
    ("python3", &["python3"]),
    // Its server stands beside its own programs, which are not on the path.
    ("psql", &["postgresql"]),
    ("nats-server", &["nats-server"]),
    // Injects faults into calls of a process.
    ("strace", &["strace"]),
];

/// Installs what is missing, where the system has a way that asks nobody.
fn tools() -> Result<()> {
    let mut is_listed = false;
    for (program, packages) in PROGRAMS {
        if run::exists(program) {
            continue;
        }
        ensure!(run::exists("apt-get"), "{program} is missing; install it first");
        // A fresh machine has no list of packages, or an old one.
        if !std::mem::replace(&mut is_listed, true) {
            pass_through(run::program("apt-get").args(["update", "--quiet"]))?;
        }
        pass_through(
            run::program("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(packages),
        )?;
        ensure!(run::exists(program), "{program} is still missing after installing {packages:?}");
    }
    Ok(())
}

/// What is off by default: sinks that need a server or a large library.
fn features() -> Result<()> {
    let mut tests =
        cargo(&["test", "--package=venuekit-store", "--features=postgres,parquet,nats", "--locked"]);
    pass_through(tests.env("VENUEKIT_REQUIRE_SERVICES", "1"))?;
    let mut tests =
        cargo(&["test", "--package=venuekit-ingest", "--features=postgres", "--test=server", "--locked"]);
    pass_through(tests.env("VENUEKIT_REQUIRE_SERVICES", "1"))?;
    let mut tests =
        cargo(&["test", "--package=venuekit-ingest", "--features=nats", "--test=nats", "--locked"]);
    pass_through(tests.env("VENUEKIT_REQUIRE_SERVICES", "1"))?;
    torture_cluster()?;
    pass_through(&mut cargo(&["check", "--package=venuekit-cli", "--features=parquet,nats", "--locked"]))?;
    pass_through(&mut cargo(&["check", "--package=venuekit-cli", "--no-default-features", "--locked"]))
}

/// The example of a venue outside the workspace, by its own manifest and with the versions that were tested.
fn outside() -> Result<()> {
    let example = run::root().join("docs/adding-a-venue/example");
    std::fs::copy(run::root().join("Cargo.lock"), example.join("Cargo.lock"))
        .context("cannot copy Cargo.lock to the example")?;
    let mut check = cargo(&["check", "--all-targets", "--offline", "--manifest-path"]);
    pass_through(check.arg(example.join("Cargo.toml")).arg("--target-dir").arg(run::target()))
}

/// A few deaths and failing disks, with the binary that the tests were built with; hundreds are for a person.
fn torture() -> Result<()> {
    pass_through(&mut cargo(&["build", "--package=venuekit-cli", "--locked"]))?;
    kills::run(&kills::Options { kills: 3, injections: 1, ..short() })
}

/// Row D1 with short leases, fewer workers and fewer shards.
fn torture_cluster() -> Result<()> {
    pass_through(&mut cargo(&["build", "--package=venuekit-cli", "--locked"]))?;
    kills::run(&kills::Options { cluster: true, ..short() })
}

/// What a torture in this gate has in common.
fn short() -> kills::Options {
    kills::Options {
        kills: 0,
        seed: 1,
        rate: 50,
        faults: "none".into(),
        injections: 0,
        cluster: false,
        workers: 3,
        shards: 16,
        lease_seconds: 4,
        frozen_seconds: 0,
        binary: Some(run::target().join("debug/venuekit")),
    }
}

/// The README's test command. With recorded sessions at hand nothing may be skipped.
fn test() -> Result<()> {
    let mut tests = cargo(&["test", "--workspace"]);
    let recordings = run::root().join("../shared/recordings");
    if std::env::var_os("VENUEKIT_RECORDINGS").is_some() {
        tests.env("VENUEKIT_REQUIRE_SERVICES", "1");
    } else if let Ok(recordings) = recordings.canonicalize() {
        tests.env("VENUEKIT_RECORDINGS", recordings).env("VENUEKIT_REQUIRE_SERVICES", "1");
    } else {
        println!("no recorded sessions at ../shared/recordings: the tests that replay them say so and pass");
    }
    pass_through(&mut tests)
}
