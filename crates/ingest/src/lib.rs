//! The ingestion worker: registry, driver and store, with health and metrics.
//!
//! Who would take this crate alone: a program that stores market data of some venues and wants to start, watch and
//! stop that from within.
//!
//! ```no_run
//! # async fn example() -> Result<(), venuekit_ingest::IngestError> {
//! use venuekit_ingest::{Config, Console, Ended, RunOptions, run};
//! let console = Console::silent(Box::new(std::io::stdout()));
//! let in_a_minute = async {
//!     tokio::time::sleep(std::time::Duration::from_secs(60)).await;
//!     Ended::Asked
//! };
//! let summary = run(Config::default_sim(), RunOptions::default(), console, in_a_minute).await?;
//! assert_eq!(summary.gaps_open, 0);
//! # Ok(())
//! # }
//! ```
//!
//! Data flows one straight way: frame, session, event, row, queue, sink. The queue is bounded and nobody waits for it:
//! when the sink is too slow, the newest rows are shed, each stream that lost one is marked, a `gap` row with cause
//! `shed` says so, and the stream is healed when there is room again. It refuses: rules of a venue, secrets in config,
//! and silence about loss.

mod board;
#[cfg(feature = "postgres")]
mod cluster;
mod config;
mod console;
mod credentials;
mod embedded;
mod error;
mod fanout;
mod feed;
mod health;
mod ledgers;
mod limits;
mod metrics;
mod queue;
mod relay;
mod retire;
mod rows;
mod sample;
mod simulator;
mod sink;
mod status;
mod summary;
mod tenure;
mod worker;
mod world;

pub use config::{
    ClusterConfig, Config, ConfigError, DEFAULT_DATABASE, DEFAULT_HEALTH, FanoutConfig, Faults, Overrides,
    Private, SimSettings, SinkConfig, SinkKind, VenueConfig,
};
pub use console::{Console, Screen};
pub use credentials::{Accounts, CredentialsError, accounts, credentials, key_files};
pub use error::{Exit, IngestError};
pub use summary::{ClusterSummary, Ended, Summary};
#[cfg(feature = "postgres")]
pub use venuekit_store::postgres::{Dsn, DsnError};
pub use worker::{OnStart, Reload, RunOptions, Started, run};
