//! A connection to a database server that is made again when it breaks.
//!
//! Owns the small runtime that moves bytes while its owner waits, the patience with a server that does not answer,
//! and the meaning of errors. It runs nothing in the background: between calls nothing moves.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Dsn;
use crate::{SinkError, World};

/// The longest a call waits for the server before the connection counts as broken; a little more than the server
/// itself gives a statement.
const ANSWER_FOR: Duration = Duration::from_secs(7);

/// Why a server is not used. Nothing was written to it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Who we say we are is not believed, or may not do what is needed.
    #[error("{at} refuses the user or the password; check the credentials and what the user may do")]
    Credentials {
        /// Where.
        at: String,
        /// What it said.
        source: SinkError,
    },
    /// Nobody answers.
    #[error("{at} cannot be reached; check that the server runs and listens there")]
    Unreachable {
        /// Where.
        at: String,
        /// What was tried last.
        source: SinkError,
    },
    /// Written by a later release.
    #[error(
        "{at} has schema version {found}, and this build knows versions up to {known}; use a newer venuekit"
    )]
    NewerSchema {
        /// Where.
        at: String,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The schema holds tables of somebody else.
    #[error("{at} has a schema named venuekit that is not ours; name another database")]
    Foreign {
        /// Where.
        at: String,
    },
    /// Rows of two worlds would mix.
    #[error("{at} holds data of {recorded}, and this run would add data of {wanted}; name another database")]
    OtherWorld {
        /// Where.
        at: String,
        /// What it holds.
        recorded: World,
        /// What was to be added.
        wanted: World,
    },
    /// The server failed.
    #[error("{at} cannot be used")]
    Engine {
        /// Where.
        at: String,
        /// What it said.
        source: SinkError,
    },
}

/// A connection, and how to make it.
pub(super) struct Link {
    dsn: Dsn,
    runtime: Runtime,
    client: Option<Client>,
    /// Counts connections, so that what was prepared on one is not used on the next.
    generation: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("dsn", &self.dsn).finish_non_exhaustive()
    }
}

impl Link {
    /// A link that has not yet connected.
    pub(super) fn new(dsn: Dsn) -> Result<Link, ConnectError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                ConnectError::Engine { at: dsn.to_string(), source: SinkError::Other(Box::new(error)) }
            })?;
        Ok(Link { dsn, runtime, client: None, generation: 0 })
    }

    /// Does something on a connection, which is made first where there is none, and dropped where it broke.
    ///
    /// What had begun when the time was up may still happen at the server; whoever calls repeats what is safe to
    /// repeat.
    pub(super) fn run<T, E: From<tokio_postgres::Error>>(
        &mut self,
        act: impl AsyncFnOnce(&mut Client, u64) -> Result<T, E>,
    ) -> Result<T, LinkError<E>> {
        self.run_within(ANSWER_FOR, act)
    }

    /// As [`Link::run`], for work that may take longer.
    pub(super) fn run_within<T, E: From<tokio_postgres::Error>>(
        &mut self,
        span: Duration,
        act: impl AsyncFnOnce(&mut Client, u64) -> Result<T, E>,
    ) -> Result<T, LinkError<E>> {
        let Link { dsn, runtime, client, generation } = self;
        runtime.block_on(async {
            let mut open = match client.take().filter(|client| !client.is_closed()) {
                Some(open) => open,
                None => {
                    *generation += 1;
                    // One that takes the connection and then says nothing is as absent as one that does not.
                    let made = tokio::time::timeout(ANSWER_FOR, connect(dsn)).await;
                    made.map_err(|_| LinkError::Late)?.map_err(LinkError::Connect)?
                }
            };
            // A connection on which time ran out is not kept: its answer would come to the next question.
            let outcome = tokio::time::timeout(span, act(&mut open, *generation)).await;
            let outcome = outcome.map_err(|_| LinkError::Late)?;
            if !open.is_closed() {
                *client = Some(open);
            }
            outcome.map_err(LinkError::Act)
        })
    }
}

/// What went wrong on a link.
pub(super) enum LinkError<E> {
    /// There was no connection to be had.
    Connect(tokio_postgres::Error),
    /// The server did not answer in time.
    Late,
    /// The work itself.
    Act(E),
}

impl LinkError<tokio_postgres::Error> {
    /// As the error of a sink that runs.
    pub(super) fn into_sink(self) -> SinkError {
        match self {
            LinkError::Connect(error) => SinkError::Unreachable(Box::new(error)),
            LinkError::Late => {
                SinkError::Unreachable(format!("no answer within {} s", ANSWER_FOR.as_secs()).into())
            }
            LinkError::Act(error) => error.into(),
        }
    }

    /// As the error of a start.
    pub(super) fn into_connect(self, dsn: &Dsn) -> ConnectError {
        let at = dsn.to_string();
        let error = match self {
            LinkError::Late => return ConnectError::Unreachable { at, source: self.into_sink() },
            LinkError::Connect(error) | LinkError::Act(error) => error,
        };
        if is_refusal(&error) {
            return ConnectError::Credentials { at, source: SinkError::Other(Box::new(error)) };
        }
        match SinkError::from(error) {
            source @ SinkError::Unreachable(_) => ConnectError::Unreachable { at, source },
            source => ConnectError::Engine { at, source },
        }
    }
}

async fn connect(dsn: &Dsn) -> Result<Client, tokio_postgres::Error> {
    // The connection moves whenever the runtime does, which is while somebody waits for an answer.
    Ok(match &dsn.tls {
        None => {
            let (client, connection) = dsn.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        }
        Some(tls) => {
            let tls = MakeRustlsConnect::new(rustls::ClientConfig::clone(tls));
            let (client, connection) = dsn.config.connect(tls).await?;
            tokio::spawn(connection);
            client
        }
    })
}

/// Whether the server says that we are not who we say, or may not do this.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code().starts_with("28") || *code == SqlState::INSUFFICIENT_PRIVILEGE,
        // Found out on our side: a password is asked for and none is there, or the server does not know ours.
        None => {
            let text = error.to_string();
            text.starts_with("authentication error") || text.starts_with("invalid configuration")
        }
    }
}

impl From<tokio_postgres::Error> for SinkError {
    fn from(error: tokio_postgres::Error) -> SinkError {
        let wrap = match error.code().map(SqlState::code) {
            // Nothing the server said: the way to it broke.
            None => SinkError::Unreachable,
            // Administrators and crashes; a server that starts; too many connections; connections that failed.
            Some(code) if code.starts_with("57P") || code.starts_with("08") || code == "53300" => {
                SinkError::Unreachable
            }
            Some("53100") => SinkError::Full,
            Some("25006") => SinkError::ReadOnly,
            // Deadlock, serialization, a lock or a statement that took too long.
            Some("40P01" | "40001" | "55P03" | "57014") => SinkError::Busy,
            Some("XX001" | "XX002") => SinkError::Corrupt,
            Some(_) => SinkError::Other,
        };
        wrap(Box::new(error))
    }
}
