//! Seeded runs of a session against the simulator under faults, in virtual time.
//!
//! `cargo run --release -p venuekit-testkit --example prove -- --seeds 2000 [--venue doex] [--seed 7] [--log]`
//!
//! Prints one line per venue; exits 1 at the first run that was not clean, with its seed and the command that repeats
//! it.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::process::ExitCode;

use venuekit_testkit::scenario::{self, Outcome};

struct Args {
    seeds: u64,
    log: bool,
    venue: Option<String>,
    seed: Option<u64>,
}

fn args() -> Result<Args, String> {
    let mut args = Args { seeds: 200, log: false, venue: None, seed: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--log" {
            args.log = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--seeds" => args.seeds = number()?,
            "--seed" => args.seed = Some(number()?),
            "--venue" => args.venue = Some(value),
            _ => return Err(format!("{word}: use --seeds N, --venue NAME, --seed S, --log")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    let mut clean = true;
    for (name, subject) in common::subjects() {
        if args.venue.as_deref().is_some_and(|venue| venue != name) {
            continue;
        }
        let seeds = match args.seed {
            Some(seed) => seed..seed + 1,
            None => 0..args.seeds,
        };
        let (mut compared, mut forgotten, mut gaps, mut healed, mut frames) = (0, 0, 0, 0, 0);
        let (mut trades, mut runs) = (0, 0);
        let mut faults: BTreeMap<&'static str, u64> = BTreeMap::new();
        for seed in seeds {
            let outcome = scenario::run(&subject, seed, args.log);
            for line in outcome.judge.log.iter().flatten() {
                eprintln!("{line}");
            }
            runs += 1;
            compared += outcome.judge.compared;
            forgotten += outcome.judge.forgotten;
            gaps += outcome.judge.gaps;
            healed += outcome.judge.healed;
            trades += outcome.judge.trade_count;
            frames += outcome.frames;
            for (kind, count) in &outcome.faults {
                *faults.entry(kind).or_default() += count;
            }
            // Some seeds run twice: the same seed must give the same trace.
            let same = seed % 50 != 0 || scenario::run(&subject, seed, false).trace == outcome.trace;
            if !outcome.is_clean() || !same {
                report(name, seed, &outcome, same);
                clean = false;
                break;
            }
        }
        println!(
            "{name}: {runs} seeds, {frames} frames, {compared} books compared, {forgotten} not comparable, \
             {trades} trades, {gaps} gaps, {healed} healed, faults {faults:?}"
        );
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(name: &str, seed: u64, outcome: &Outcome, same: bool) {
    println!("{name}: SEED={seed} FAILED");
    if !same {
        println!("  two runs of this seed differ");
    }
    for text in &outcome.judge.divergences {
        println!("  divergence: {text}");
    }
    for text in &outcome.unhealed {
        println!("  not healed: {text}");
    }
    println!("  faults: {:?}", outcome.faults);
    println!(
        "  repeat: cargo run --release -p venuekit-testkit --example prove -- --venue {name} --seed {seed}"
    );
}
