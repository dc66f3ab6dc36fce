//! How a run ends, and with which exit code.

use std::path::PathBuf;

use venuekit_driver::{ServeError, StartError, TapeFileError, TlsError};
use venuekit_store::{OpenError, SinkError};

use crate::config::ConfigError;
use crate::credentials::CredentialsError;

/// The exit codes of the command line that a run can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All was well.
    Ok = 0,
    /// Something nobody foresaw.
    Unexpected = 1,
    /// Credentials or permission.
    Credentials = 3,
    /// The configuration.
    Config = 4,
    /// A venue cannot be reached.
    Unreachable = 5,
    /// Stopped by SIGINT, after a clean end.
    Interrupted = 130,
    /// Stopped by SIGTERM, after a clean end.
    Terminated = 143,
}

/// Why a run ended before it was asked to, or never began.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// A mistake in the config file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is asked for does not fit the venue.
    #[error("the config does not fit {venue}")]
    Venue {
        /// The venue.
        venue: String,
        /// In which way.
        source: venuekit_session::ConfigError,
    },
    /// Credentials are there and cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A symbol means nothing, or too much.
    #[error("{venue} does not list {symbol:?}; {}", meant(.candidates))]
    UnknownSymbol {
        /// The venue.
        venue: String,
        /// As the config has it.
        symbol: String,
        /// What it may have meant, the nearest first.
        candidates: Vec<String>,
    },
    /// Rows of a simulator and of live venues, or of two simulators, would mix.
    #[error("{simulated} and {other} are of two worlds, and one database holds one; run them apart")]
    TwoWorlds {
        /// A simulated venue.
        simulated: String,
        /// A venue of the other.
        other: String,
    },
    /// The simulator does not know a venue.
    #[error("the embedded simulator has no {venue}; give it an environment or hosts")]
    NotSimulated {
        /// The venue.
        venue: String,
    },
    /// No venue answers.
    #[error("no venue can be reached: {why}; check the hosts and the network")]
    Unreachable {
        /// What each of them said.
        why: String,
    },
    /// The database is refused.
    #[error("the database cannot be used")]
    Open(#[from] OpenError),
    /// The database failed right after it was opened.
    #[error("the database cannot be read")]
    Sink(#[from] SinkError),
    /// No server is named, or in a way that cannot be.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Dsn(#[from] venuekit_store::postgres::DsnError),
    /// The server is refused, or refuses.
    #[cfg(feature = "postgres")]
    #[error("the server cannot be used")]
    Server(#[from] venuekit_store::postgres::ConnectError),
    /// The bus cannot be used as the config says.
    #[cfg(feature = "nats")]
    #[error(transparent)]
    Nats(#[from] venuekit_store::NatsError),
    /// Rows were left that the sink never took.
    #[error("{rows} rows were not stored before the end: {why}")]
    NotStored {
        /// How many.
        rows: usize,
        /// What the sink said last.
        why: String,
    },
    /// Health cannot be served where it shall be.
    #[error("health cannot be served on {listen}; choose another [health] listen")]
    Health {
        /// Where.
        listen: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tape cannot be made.
    #[error("the tape of {venue} cannot be recorded")]
    Tape {
        /// The venue.
        venue: String,
        /// Why.
        source: TapeFileError,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The simulator cannot be served.
    #[error("the simulator cannot be served")]
    Serve(#[from] ServeError),
    /// A session cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A member of a cluster would follow markets that the others cannot see.
    #[error(
        "{venue} is simulated inside this process, where no other member sees it; give it an environment or hosts"
    )]
    NotShared {
        /// The venue.
        venue: String,
    },
    /// A cluster's sessions come and go, and one tape cannot hold them.
    #[error("a member of a cluster records no tape; leave [tape] and --tape out")]
    NoTape,
    /// Another process has taken this member's name.
    #[error("another process runs as the member {member:?}; give each member a name of its own")]
    Usurped {
        /// The name.
        member: String,
    },
    /// A part of the run has died, which is our mistake.
    #[error("{part} died; the log says why, please report it")]
    Died {
        /// Which part.
        part: String,
    },
}

impl IngestError {
    /// The exit code it maps to.
    pub fn exit(&self) -> Exit {
        use venuekit_session::ConfigError as Unfit;
        #[cfg(feature = "postgres")]
        if let IngestError::Server(error) = self {
            use venuekit_store::postgres::ConnectError as Refused;
            return match error {
                Refused::Credentials { .. } => Exit::Credentials,
                Refused::Unreachable { .. } => Exit::Unreachable,
                Refused::Engine { .. } => Exit::Unexpected,
                _ => Exit::Config,
            };
        }
        match self {
            #[cfg(feature = "postgres")]
            IngestError::Dsn(venuekit_store::postgres::DsnError::OpenPasswords { .. }) => Exit::Credentials,
            #[cfg(feature = "postgres")]
            IngestError::Dsn(_) | IngestError::Server(_) => Exit::Config,
            #[cfg(feature = "nats")]
            IngestError::Nats(venuekit_store::NatsError::Exposed { .. }) => Exit::Credentials,
            #[cfg(feature = "nats")]
            IngestError::Nats(_) => Exit::Config,
            IngestError::Credentials(_) | IngestError::Venue { source: Unfit::NoCredentials { .. }, .. } => {
                Exit::Credentials
            }
            IngestError::Open(OpenError::Engine { .. }) => Exit::Unexpected,
            IngestError::Config(_)
            | IngestError::Venue { .. }
            | IngestError::UnknownSymbol { .. }
            | IngestError::TwoWorlds { .. }
            | IngestError::NotSimulated { .. }
            | IngestError::Open(_)
            | IngestError::Health { .. }
            | IngestError::NotShared { .. }
            | IngestError::NoTape
            | IngestError::Usurped { .. }
            | IngestError::Tape { .. }
            | IngestError::Tls(TlsError::NoCertificate | TlsError::Pem(_) | TlsError::Authority(_)) => {
                Exit::Config
            }
            IngestError::Unreachable { .. } => Exit::Unreachable,
            IngestError::Sink(_)
            | IngestError::NotStored { .. }
            | IngestError::File { .. }
            | IngestError::Tls(_)
            | IngestError::Serve(_)
            | IngestError::Start(_)
            | IngestError::Died { .. } => Exit::Unexpected,
        }
    }
}

fn meant(candidates: &[String]) -> String {
    match candidates {
        [] => "it lists nothing at all".to_owned(),
        [one] => format!("did you mean {one}?"),
        several => format!("it may be one of {}", several.join(", ")),
    }
}
