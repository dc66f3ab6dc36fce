//! Exit codes: what a script can tell apart without reading a message.

use std::fmt;

/// How a run ended.
///
/// The numbers are a contract and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the contract holds numbers that no command gives yet")]
pub(crate) enum Exit {
    /// All that was asked for.
    Ok = 0,
    /// Nothing foresaw it.
    Unexpected = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// A key, a secret or a permission is missing or wrong.
    Credentials = 3,
    /// A config, a tape or a database cannot be used.
    Config = 4,
    /// A host cannot be reached, or did not answer in time.
    Unreachable = 5,
    /// Over a budget, or banned.
    Limited = 6,
    /// The venue said no.
    Rejected = 7,
    /// Two things that should be equal are not.
    Differences = 8,
    /// The kill switch is on.
    Halted = 9,
    /// Streams are stale.
    Unhealthy = 10,
    /// Ended by SIGINT, in good order.
    Interrupted = 130,
    /// Ended by SIGTERM, in good order.
    Terminated = 143,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit as u8)
    }
}

/// An error and the code it ends the process with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into() }
    }

    /// A failure that is nothing but a message.
    pub(crate) fn say(exit: Exit, message: impl fmt::Display) -> Failure {
        Failure { exit, error: anyhow::anyhow!("{message}") }
    }
}

impl fmt::Display for Failure {
    /// One line: the error, then its sources.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// What every command gives.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Names the code beside the error, where the error does not know it.
pub(crate) trait OrExit<T> {
    /// Gives the value, or the error with its code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_a_contract() {
        let table = [
            (Exit::Ok, 0),
            (Exit::Unexpected, 1),
            (Exit::Usage, 2),
            (Exit::Credentials, 3),
            (Exit::Config, 4),
            (Exit::Unreachable, 5),
            (Exit::Limited, 6),
            (Exit::Rejected, 7),
            (Exit::Differences, 8),
            (Exit::Halted, 9),
            (Exit::Unhealthy, 10),
            (Exit::Interrupted, 130),
            (Exit::Terminated, 143),
        ];
        for (exit, code) in table {
            assert_eq!(exit as u8, code, "{exit:?}");
        }
    }

    #[test]
    fn a_failure_names_its_sources_in_one_line() {
        let cause = std::io::Error::other("the disk is gone");
        let error = anyhow::Error::new(cause).context("cannot read tape.jsonl");
        let failure = Failure::new(Exit::Config, error);
        assert_eq!(failure.to_string(), "cannot read tape.jsonl: the disk is gone");
    }
}
