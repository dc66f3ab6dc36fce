//! The commands, one module each.

mod replay;
mod sign;
mod words;

use clap::Subcommand;

use crate::exit::Outcome;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Replay(replay::Args),
    Sign(sign::Args),
}

impl Command {
    /// Whether it is asked for its output alone, so that only warnings belong beside it.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Command::Replay(_) | Command::Sign(_))
    }

    /// Does it.
    pub(crate) fn run(self) -> Outcome {
        match self {
            Command::Replay(args) => replay::run(args),
            Command::Sign(args) => sign::run(args),
        }
    }
}
