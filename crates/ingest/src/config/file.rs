//! The shape of the file, as TOML has it. Owns the keys; what their values mean is decided next door.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::Private;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) venues: BTreeMap<Spanned<String>, Venue>,
    pub(super) sink: Sink,
    pub(super) health: Health,
    pub(super) tape: Tape,
    pub(super) tls: Tls,
    pub(super) sim: Sim,
    pub(super) retain: Retain,
    pub(super) cluster: Cluster,
    pub(super) fanout: Option<Fanout>,
}

/// `[venues.ID]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Venue {
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) environment: Option<Spanned<String>>,
    pub(super) rest: Option<Spanned<String>>,
    pub(super) stream: Option<Spanned<String>>,
    pub(super) symbols: Option<Vec<Spanned<String>>>,
    pub(super) channels: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) private: Private,
    pub(super) profile: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) products: BTreeMap<Spanned<String>, Product>,
}

/// `[venues.ID.products.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) rest: Option<Spanned<String>>,
    pub(super) stream: Option<Spanned<String>>,
    pub(super) symbols: Option<Vec<Spanned<String>>>,
    pub(super) channels: Option<Vec<Spanned<String>>>,
}

/// `[sink]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sink {
    pub(super) kind: Option<Spanned<super::SinkKind>>,
    /// Never taken: it would hold a password sooner or later.
    pub(super) dsn: Option<Spanned<String>>,
    pub(super) spool_bytes: Option<Spanned<u64>>,
    pub(super) path: Option<PathBuf>,
    pub(super) batch_rows: Option<Spanned<usize>>,
    pub(super) batch_ms: Option<Spanned<u64>>,
    pub(super) queue_rows: Option<Spanned<usize>>,
}

/// `[cluster]`: the same for every member, but for the address.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cluster {
    pub(super) buckets: Option<Spanned<std::num::NonZeroU16>>,
    pub(super) address: Option<Spanned<String>>,
    pub(super) lease_seconds: Option<Spanned<u64>>,
}

/// `[health]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Health {
    pub(super) listen: Option<SocketAddr>,
}

/// `[tape]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tape {
    pub(super) path: Option<PathBuf>,
}

/// `[retain]`: how long rows are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retain {
    pub(super) trade: Option<Spanned<String>>,
    pub(super) book_change: Option<Spanned<String>>,
    pub(super) ticker: Option<Spanned<String>>,
    pub(super) candle: Option<Spanned<String>>,
    pub(super) order_state: Option<Spanned<String>>,
    pub(super) fill: Option<Spanned<String>>,
    pub(super) movement: Option<Spanned<String>>,
    pub(super) venues: BTreeMap<Spanned<String>, RetainVenue>,
}

/// `[retain.venues.ID]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetainVenue {
    pub(super) trade: Option<Spanned<String>>,
    pub(super) book_change: Option<Spanned<String>>,
    pub(super) ticker: Option<Spanned<String>>,
    pub(super) candle: Option<Spanned<String>>,
    pub(super) order_state: Option<Spanned<String>>,
    pub(super) fill: Option<Spanned<String>>,
    pub(super) movement: Option<Spanned<String>>,
}

/// `[fanout]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fanout {
    pub(super) kind: Spanned<Bus>,
    pub(super) servers: Spanned<Vec<String>>,
    pub(super) stream: Option<String>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) max_age: Option<Spanned<String>>,
    pub(super) bytes_max: Option<u64>,
}

/// What may be told.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Bus {
    Nats,
}

/// `[tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) ca: Option<Spanned<PathBuf>>,
}

/// `[sim]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sim {
    pub(super) rate: Option<u32>,
    pub(super) seed: Option<u64>,
    pub(super) faults: Option<super::Faults>,
    pub(super) truth: Option<PathBuf>,
    pub(super) truth_every: Option<Spanned<u32>>,
    pub(super) tls: Option<bool>,
}

fn yes() -> bool {
    true
}
