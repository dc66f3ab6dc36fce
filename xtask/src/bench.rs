//! Measurements, printed and never asserted: `cargo xtask bench [book|ingest|drain|trip]`, and `--peers` for other people's
//! books beside ours.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::run::{self, cargo, pass_through, program, root};
use crate::{peers, throughput};

/// What to measure; everything when nothing is named.
#[derive(Args)]
pub(crate) struct Options {
    /// The order book by itself, the whole way from the simulator to stored rows, or a halt.
    what: Option<What>,
    /// Other people's order books beside ours, from the separate workspace xtask/peers.
    #[arg(long)]
    peers: bool,
    /// With --peers: one JSON object a measurement instead of a table.
    #[arg(long, requires = "peers")]
    json: bool,
    /// With --peers: how often every engine is run; the median counts.
    #[arg(long, requires = "peers", default_value_t = 3)]
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The criterion benches of the book, and its instructions.
    Book,
    /// Whole processes: simulator, sockets, session, book, database.
    Ingest,
    /// How fast a spool drains into a server that is back, beside rows that go on coming.
    Drain,
    /// How long a halt takes to hold, inside the gateway's process and from another one.
    Trip,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.peers {
        return peers::run(options.json, options.rounds);
    }
    let wanted = |what| options.what.is_none_or(|named| named == what);
    if wanted(What::Book) {
        pass_through(&mut cargo(&["bench", "--package", "venuekit-book"]))?;
        instructions()?;
    }
    if wanted(What::Ingest) {
        throughput::run()?;
    }
    if wanted(What::Drain) {
        let bench = ["bench", "--package=venuekit-store", "--features=postgres", "--bench=drain"];
        pass_through(&mut cargo(&bench))?;
    }
    if wanted(What::Trip) {
        pass_through(&mut cargo(&["bench", "--package", "venuekit-driver", "--bench", "trip"]))?;
    }
    Ok(())
}

/// Instructions for each level, by callgrind, beside the committed ones: wall time is noisy, these are not.
fn instructions() -> Result<()> {
    if !run::exists("valgrind") {
        println!("no valgrind here: instructions are not counted");
        return Ok(());
    }
    let built = run::output(&mut cargo(&[
        "bench",
        "--package=venuekit-book",
        "--bench=instructions",
        "--no-run",
        "--message-format=json",
    ]))?;
    let binary = String::from_utf8(built)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "instructions")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo built no bench of that name")?;
    let baseline = root().join("crates/book/benches/instructions.json");
    let baseline: Value = serde_json::from_slice(&std::fs::read(&baseline)?)?;
    println!("{:<6} {:>20} {:>10}", "", "instructions/level", "baseline");
    for session in ["w1", "w2"] {
        let count = |times: u64| -> Result<(u64, u64)> {
            let mut counted = program("valgrind");
            counted.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&binary);
            let done = counted.args([session, &times.to_string()]).output()?;
            ensure!(done.status.success(), "callgrind failed ({})", done.status);
            let said = String::from_utf8_lossy(&done.stderr);
            let total = said.lines().find_map(|line| line.split_once("Collected :")).context("no count")?.1;
            Ok((total.trim().parse()?, String::from_utf8(done.stdout)?.trim().parse()?))
        };
        let ((once, levels), (twice, _)) = (count(1)?, count(2)?);
        println!("{session:<6} {:>20} {:>10}", (twice - once) / levels.max(1), baseline[session]);
    }
    Ok(())
}
