//! The commands, one module each.

mod account;
mod archive;
mod arm;
mod checks;
mod doctor;
mod dump;
mod fees;
mod fills;
mod gateway;
mod halt;
mod home;
mod ingest;
mod normalize;
mod order;
mod orders;
mod positions;
mod reader;
mod reload;
mod replay;
mod retain;
mod rows;
mod sign;
mod sim;
mod simulated;
mod smoke;
mod span;
mod table;
mod target;
mod verify;
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
    Normalize(normalize::Args),
    Account(account::Args),
    Positions(positions::Args),
    Orders(orders::Args),
    Fills(fills::Args),
    Fees(fees::Args),
    Doctor(doctor::Args),
    Smoke(smoke::Args),
    Gateway(gateway::Args),
    Order(order::Args),
    Halt(halt::Args),
    Arm(arm::Args),
    Archive(archive::Args),
    Dump(dump::Args),
    Verify(verify::Args),
    Retain(retain::Args),
}

impl Command {
    /// Whether it is asked for its output alone, so that only warnings belong beside it.
    pub(crate) fn is_quiet(&self) -> bool {
        !matches!(self, Command::Ingest(_) | Command::Sim(_) | Command::Gateway(_))
    }

    /// Does it; `screen` is standard error, where that is a terminal.
    pub(crate) fn run(self, screen: Option<Screen>) -> Outcome {
        match self {
            Command::Ingest(args) => ingest::run(args, screen),
            Command::Sim(args) => sim::run(args),
            Command::Watch(args) => watch::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Sign(args) => sign::run(args),
            Command::Normalize(args) => normalize::run(args),
            Command::Account(args) => account::run(args),
            Command::Positions(args) => positions::run(args),
            Command::Orders(args) => orders::run(args),
            Command::Fills(args) => fills::run(args),
            Command::Fees(args) => fees::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Smoke(args) => smoke::run(args),
            Command::Gateway(args) => gateway::run(args),
            Command::Order(args) => order::run(args),
            Command::Halt(args) => halt::run(args),
            Command::Arm(args) => arm::run(args),
            Command::Archive(args) => archive::run(args),
            Command::Dump(args) => dump::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Retain(args) => retain::run(args),
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
