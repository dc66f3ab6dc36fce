//! Other people's order books beside ours, in one run: builds xtask/peers, runs each engine in a process of its own,
//! in turns, and prints a table, with the longest parse of a hostile frame below, or lines of JSON.
//!
//! The engines take turns, so that a slow minute of the machine falls on all of them. It measures and asserts
//! nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::run::{cargo, output, pass_through, root};

const ENGINES: [&str; 8] = [
    "venuekit-book",
    "btreemap",
    "barter-data",
    "nautilus-model",
    "hftbacktest-hashmap",
    "hftbacktest-roi",
    "kraken-book",
    "ninjabook",
];
/// What only we and the baseline have a pipeline for.
const PARSERS: [&str; 2] = ["venuekit-book", "btreemap"];
const APPLY: [&str; 5] = ["apply/w1", "apply/w2", "apply/btc", "apply/eth", "rotate/256"];
const PARSE: [&str; 4] = ["parse/binance", "parse/duedex", "parse/btc", "parse/eth"];
const SCALE: [&str; 5] = ["scale/100", "scale/300", "scale/1000", "scale/3000", "scale/10000"];

type Key = (String, String);

pub(crate) fn run(json: bool, rounds: usize) -> Result<()> {
    let manifest = root().join("xtask/peers/Cargo.toml");
    pass_through(cargo(&["build", "--release", "--manifest-path"]).arg(&manifest))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("xtask/peers/target"), PathBuf::from);
    let binary = |name: &str| Command::new(target.join("release").join(name));

    let mut times: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
    let mut wrong: BTreeMap<Key, bool> = BTreeMap::new();
    for _ in 0..rounds.max(1) {
        for engine in ENGINES {
            let scale: &[&str] = if PARSERS.contains(&engine) { &SCALE } else { &[] };
            note(&mut times, &mut wrong, binary(engine).args(APPLY).args(scale))?;
        }
        for engine in PARSERS {
            note(&mut times, &mut wrong, binary(&format!("parse-{engine}")).args(PARSE))?;
        }
    }
    let mut memory: BTreeMap<Key, Value> = BTreeMap::new();
    for row in lines(binary("memory").args(&APPLY[..4]))? {
        memory.insert(key(&row)?, row);
    }

    if !json {
        println!(
            "{:<16}{:<22}{:>10}{:>12}{:>12}{:>10}  end",
            "bench", "engine", "ns/level", "x btreemap", "bytes/book", "allocs"
        );
    }
    for bench in APPLY.into_iter().chain(PARSE).chain(SCALE) {
        for engine in ENGINES {
            let at = (bench.to_owned(), engine.to_owned());
            let Some(ns) = times.get_mut(&at).map(|times| median(times)) else { continue };
            let baseline =
                times.get_mut(&(bench.to_owned(), "btreemap".to_owned())).map(|times| median(times));
            let counted = memory.get(&at).cloned().unwrap_or_default();
            let row = json!({
                "bench": bench,
                "engine": engine,
                "ns_per_level": rounded(ns),
                // How many times as fast as the baseline.
                "ratio_to_btreemap": baseline.map(|baseline| ratio(baseline, ns)),
                "bytes_per_book": counted["bytes_per_book"],
                "allocs_per_message": counted["allocs_per_message"],
                "final_state": if wrong.get(&at) == Some(&true) { "wrong" } else { "ok" },
            });
            if json {
                println!("{row}");
            } else {
                println!(
                    "{bench:<16}{engine:<22}{:>10}{:>12}{:>12}{:>10}  {}",
                    row["ns_per_level"],
                    row["ratio_to_btreemap"],
                    row["bytes_per_book"],
                    row["allocs_per_message"],
                    row["final_state"].as_str().unwrap_or_default()
                );
            }
        }
    }
    if !json {
        pass_through(&mut binary("parse-worst"))?;
    }
    Ok(())
}

fn lines(command: &mut Command) -> Result<Vec<Value>> {
    let text = String::from_utf8(output(command)?)?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

fn key(row: &Value) -> Result<Key> {
    let word =
        |name: &str| row[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {row}"));
    Ok((word("bench")?, word("engine")?))
}

fn note(
    times: &mut BTreeMap<Key, Vec<f64>>,
    wrong: &mut BTreeMap<Key, bool>,
    command: &mut Command,
) -> Result<()> {
    for row in lines(command)? {
        let at = key(&row)?;
        times.entry(at.clone()).or_default().push(row["ns_per_level"].as_f64().context("no time")?);
        *wrong.entry(at).or_default() |= row["final_state"] != "ok";
    }
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[expect(clippy::float_arithmetic, reason = "times are measured, not money")]
fn ratio(baseline: f64, ns: f64) -> f64 {
    rounded(baseline / ns)
}

/// To three places.
#[expect(clippy::float_arithmetic, reason = "times are measured, not money")]
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
