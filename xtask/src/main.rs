//! Developer commands: `cargo xtask ci` is the whole gate, the others are its parts.
//!
//! Owns the table of allowed edges and the licences; it refuses to know what any crate does.

mod bench;
mod ci;
mod deps;
mod layers;
mod metadata;
mod new_venue;
mod peers;
mod prove;
mod run;
mod throughput;
mod torture;
#[cfg(test)]
mod verify_db;

use std::process::ExitCode;

use clap::Parser;

/// Developer commands of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Everything that must hold before a change lands.
    Ci,
    /// Which crate may depend on which, and what pure crates may not touch.
    Layers,
    /// Licences, sources and duplicates of everything we depend on.
    Deps,
    /// The skeleton of a venue's crate, with tests that say what to fill in.
    NewVenue(new_venue::Options),
    /// The property and simulation tests at full size.
    Prove(prove::Options),
    /// Processes that are killed, and disks that fail: nothing lost, doubled or torn.
    Torture(torture::Options),
    /// What it costs, printed and never asserted.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Ci => ci::run(),
        Command::Layers => layers::run(),
        Command::Deps => deps::run(),
        Command::NewVenue(options) => new_venue::run(&options),
        Command::Prove(options) => prove::run(&options),
        Command::Torture(options) => torture::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
