//! The properties and the simulation at full size; `cargo test` runs the same at a size that fits between commits.
#![allow(clippy::disallowed_methods, reason = "a bound in minutes is watched by the clock")]

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
    #[arg(long, default_value_t = 10_000)]
    pub(crate) cases: u64,
    /// Fails when the session against the simulator takes longer than so many minutes.
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Only this venue, and only the session against the simulator.
    #[arg(long)]
    pub(crate) venue: Option<String>,
    /// Only this seed: replays a failure.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// Packages whose tests grow with `VENUEKIT_CASES`; the seeds are the simulation's own below.
const PROPERTIES: [&str; 10] =
    ["types", "wire", "sign", "book", "session", "doex", "duedex", "sim", "testkit", "store"];

/// Runs the properties, then the session against the simulator, which prints a failing seed and how to repeat it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut simulation = simulation(options);
    if options.venue.is_none() && options.seed.is_none() {
        let mut tests = run::cargo(&["test", "--release"]);
        tests.args(PROPERTIES.map(|name| format!("--package=venuekit-{name}")));
        tests.env("VENUEKIT_CASES", options.cases.to_string());
        run::pass_through(&mut tests)?;
    }
    // Compiled first, so that the bound is on the runs alone.
    run::pass_through(&mut run::cargo(&[
        "build",
        "--release",
        "--package=venuekit-testkit",
        "--example=prove",
    ]))?;
    within(&mut simulation, options.minutes)
}

fn simulation(options: &Options) -> Command {
    let mut command =
        run::cargo(&["run", "--release", "--package=venuekit-testkit", "--example=prove", "--"]);
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
