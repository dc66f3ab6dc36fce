//! The commands, one module each.

mod ingest;
mod replay;
mod sign;
mod sim;
mod target;
mod watch;
mod words;

use clap::Subcommand;
use venuekit_ingest::Screen;

use crate::exit::{Exit, OrExit, Outcome};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ingest(ingest::Args),
    Sim(sim::Args),
    Watch(watch::Args),
    Replay(replay::Args),
    Sign(sign::Args),
}

impl Command {
    /// Whether it is asked for its output alone, so that only warnings belong beside it.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self, Command::Ingest(_) | Command::Sim(_))
    }

    /// Does it; `screen` is standard error, where that is a terminal.
    pub(crate) fn run(self, screen: Option<Screen>) -> Outcome {
        match self {
            Command::Ingest(args) => ingest::run(args, screen),
            Command::Sim(args) => sim::run(args),
            Command::Watch(args) => watch::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Sign(args) => sign::run(args),
        }
    }
}

/// Runs a command that waits for the outside, on a runtime that ends with it.
fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Unexpected)?
        .block_on(command)
}
