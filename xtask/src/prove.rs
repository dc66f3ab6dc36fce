//! The properties and the simulation at full size; `cargo test` runs the same at a size that fits between commits.
#![allow(clippy::disallowed_methods, reason = "a bound in minutes is watched by the clock")]

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::run;

/// How much to prove.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Seeds per venue of the session against the simulator.
    #[arg(long, default_value_t = 2000)]
    pub(crate) seeds: u64,
    /// Cases per property.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) cases: u64,
    /// Fails when the session against the simulator takes longer than so many minutes, and leaves out the model of
    /// interleavings.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Only this venue, and only the session against the simulator.
    #[arg(long)]
    pub(crate) venue: Option<String>,
    /// Only this seed: replays a failure.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// Packages whose tests grow with [`CASES`]; the seeds are the simulation's own below.
const PROPERTIES: [&str; 8] = ["wire", "sign", "book", "session", "doex", "duedex", "sim", "testkit"];
/// The same of numbers alone, a case of which is quick: ten times the cases.
const NUMBERS: [&str; 2] = ["types", "venue"];
/// The same, a case of which writes to a database or asks another program: a tenth of the cases.
const SLOW: [&str; 2] = ["store", "account"];
/// What sets the number of cases: for properties of the usual kind, and for those with a loop of their own.
const CASES: [&str; 2] = ["PROPTEST_CASES", "VENUEKIT_CASES"];

/// Runs the properties, the model of interleavings, then the session against the simulator, which prints a failing
/// seed and how to repeat it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut simulation = simulation(options);
    if options.venue.is_none() && options.seed.is_none() {
        properties(&NUMBERS, options.cases.saturating_mul(10))?;
        properties(&PROPERTIES, options.cases)?;
        properties(&SLOW, options.cases / 10)?;
        // Two minutes by itself, which whoever counts minutes does not have.
        if options.minutes.is_none() {
            run::pass_through(&mut interleavings())?;
        }
    }
    // Compiled first, so that the bounds are on the runs alone.
    run::pass_through(&mut run::cargo(&[
        "build",
        "--release",
        "--package=venuekit-testkit",
        "--example=prove",
    ]))?;
    within(&mut simulation, options.minutes)?;
    if options.venue.is_none() && options.seed.is_none() {
        for what in ["crowd", "orders", "requests"] {
            let mut command = run::cargo(&PROVE);
            // A seed follows two hundred markets or places about a hundred orders: a tenth of the seeds are as much work.
            command.args(["--what", what, "--seeds", &(options.seeds / 10).max(1).to_string()]);
            within(&mut command, options.minutes)?;
        }
        within(&mut run::cargo(&FILLS), options.minutes)?;
    }
    Ok(())
}

/// A million fills through an account, each exactly once.
const FILLS: [&str; 5] = ["run", "--release", "--package=venuekit-account", "--example=fills", "--"];

/// The runner of everything in virtual time.
const PROVE: [&str; 5] = ["run", "--release", "--package=venuekit-testkit", "--example=prove", "--"];

fn properties(packages: &[&str], cases: u64) -> Result<()> {
    let mut tests = run::cargo(&["test", "--release"]);
    tests.args(packages.iter().map(|name| format!("--package=venuekit-{name}")));
    tests.envs(CASES.map(|name| (name, cases.to_string())));
    run::pass_through(&mut tests)
}

/// Every interleaving of the one who publishes a book and one who reads it. Built with other flags, so in a folder
/// of its own.
fn interleavings() -> Command {
    let mut command = run::cargo(&["test", "--release", "--package=venuekit-book", "--lib", "model"]);
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from);
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", target.join("loom"));
    command
}

fn simulation(options: &Options) -> Command {
    let mut command = run::cargo(&PROVE);
    command.args(["--seeds", &options.seeds.to_string()]);
    if let Some(venue) = &options.venue {
        command.args(["--venue", venue]);
    }
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    command
}

/// Runs it to its end, or kills it when the minutes are over.
fn within(command: &mut Command, minutes: Option<u64>) -> Result<()> {
    let Some(minutes) = minutes else { return run::pass_through(command) };
    let limit = Duration::from_secs(60 * minutes);
    let began = Instant::now();
    let mut child = command.spawn().context("cannot start the simulation")?;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if began.elapsed() < limit => thread::sleep(Duration::from_millis(50)),
            None => {
                child.kill()?;
                child.wait()?;
                bail!(
                    "the simulation did not end within {minutes} minutes; ask for fewer seeds or more minutes"
                );
            }
        }
    };
    ensure!(status.success(), "the simulation found a failure ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(venue: Option<&str>, seed: Option<u64>) -> Options {
        Options { seeds: 9, cases: 1, minutes: None, venue: venue.map(Into::into), seed }
    }

    #[test]
    fn a_seed_is_replayed_by_the_command_that_the_runner_prints() {
        let shown = |options: &Options| {
            let words: Vec<String> =
                simulation(options).get_args().map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ")
        };
        let start = "run --release --package=venuekit-testkit --example=prove --";
        assert_eq!(shown(&options(None, None)), format!("{start} --seeds 9"));
        assert_eq!(
            shown(&options(Some("doex"), Some(7))),
            format!("{start} --seeds 9 --venue doex --seed 7")
        );
    }
}
