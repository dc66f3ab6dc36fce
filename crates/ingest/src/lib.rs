//! The ingestion worker: registry, driver and store, with health and metrics.

mod board;
mod config;
mod credentials;
mod feed;
mod metrics;
mod queue;
mod rows;
mod sample;
mod sink;

pub use config::*;
pub use credentials::{CredentialsError, credentials};
