//! Simulator to stored rows on this machine, as whole processes: messages a second and the lag from arrival to commit.
//!
//! It prints and asserts nothing: wall time on a shared machine is a record, not a verdict.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{cargo, pass_through, root};

/// Book messages a second and venue: a lively day, the aim of 50,000 messages a second, and more than there is.
const RATES: [u32; 3] = [1_000, 11_000, 100_000];
/// Seconds of each run.
const SECONDS: u32 = 10;

pub(crate) fn run() -> Result<()> {
    pass_through(&mut cargo(&["build", "--release", "--package", "venuekit-cli"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let binary = target.join("release/venuekit");
    println!(
        "{:<6} {:>12} {:>12} {:>12} {:>6} {:>12} {:>12}",
        "", "asked/s", "messages/s", "rows/s", "shed", "p50 ms", "p99 ms"
    );
    for tls in [false, true] {
        for rate in RATES {
            let summary = one(&binary, rate, tls)?;
            let per_second = |key: &str| summary[key].as_u64().unwrap_or(0) / u64::from(SECONDS);
            let lag = |key: &str| summary[key].as_str().unwrap_or("-").to_owned();
            println!(
                "{:<6} {:>12} {:>12} {:>12} {:>6} {:>12} {:>12}",
                if tls { "tls" } else { "plain" },
                rate * 2,
                per_second("frames"),
                per_second("rows_new"),
                summary["shed"],
                lag("lag_p50_ms"),
                lag("lag_p99_ms"),
            );
        }
    }
    Ok(())
}

/// One run into a database that is thrown away.
fn one(binary: &Path, rate: u32, tls: bool) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("venuekit-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut command = Command::new(binary);
    command.args(["ingest", "--json", "--quiet", "--health", "127.0.0.1:0", "--db"]);
    command.arg(folder.join("bench.db"));
    command.args(["--for", &SECONDS.to_string(), "--rate", &rate.to_string()]);
    if tls {
        command.arg("--sim-tls");
    }
    let output = command.stderr(Stdio::null()).output().context("cannot run the binary")?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    if !output.status.success() {
        bail!("ingest ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("ingest printed no summary")
}
