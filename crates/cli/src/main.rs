//! The `venuekit` binary: a thin module per command. Standard output is data; all else goes to standard error.
//!
//! It refuses: rules of a venue, and secrets on the command line, for which no flag exists.

mod command;
mod exit;
mod fronts;
mod log;
mod notify;
mod out;
mod signals;
mod tape;

use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;

use crate::command::Command;

/// Honest market data from crypto exchanges, and the tools to check it.
#[derive(Debug, Parser)]
#[command(name = "venuekit", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 unexpected, 2 usage, 3 credentials, 4 configuration, 5 unreachable, \
    6 rate-limited, 7 rejected, 8 differences found, 9 halted, 10 stale, 130 SIGINT, 143 SIGTERM.\n\
    Secrets come from the environment only: VENUEKIT_<VENUE>_API_KEY and VENUEKIT_<VENUE>_API_SECRET, or a file \
    that the same name with _FILE points to."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Whatever this process writes is for its owner alone: databases, tapes, key files.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let cli = Cli::parse();
    let screen = log::init(cli.command.is_quiet());
    match cli.command.run(screen) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
