//! What a session is asked to follow, and the bounds it keeps.

use core::time::Duration;
use std::sync::Arc;

use venuekit_book::Limits as BookLimits;
use venuekit_sign::Credentials;
use venuekit_types::{Instrument, Symbol};
use venuekit_venue::{Channel, Spec};

use crate::command::{Ban, Intent, Used};

/// What one session follows: some products of one venue.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What to follow.
    pub wants: Vec<Want>,
    /// The markets to follow of those that wishes mean; every one when absent.
    pub only: Option<Only>,
    /// Products to serve whether or not a wish is about them: for commands, and for intents left over.
    pub products: Vec<String>,
    /// Origins that replace the spec's, by product name.
    pub hosts: Vec<HostOverride>,
    /// Instruments known beforehand, of products whose list cannot be had: a tape of somebody else's.
    pub listed: Vec<Listed>,
    /// The environment whose hosts are used where nothing replaces them: `live` when empty.
    pub environment: String,
    /// Who we are, for private channels.
    pub credentials: Option<Credentials>,
    /// Orders of an earlier run whose outcome is unknown: they are looked up, and never sent again.
    pub intents: Vec<Intent>,
    /// Bans of an earlier run.
    pub bans: Vec<Ban>,
    /// What an earlier run had used of the venue's budgets.
    pub used: Vec<Used>,
    /// The seed of every random choice: jitter, mostly.
    pub seed: u64,
    /// Bounds.
    pub limits: Limits,
}

/// One wish: a channel of a symbol, or of every symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The product it must belong to; any when absent.
    pub product: Option<String>,
    /// A symbol in any spelling, `*` for every one that trades, empty for private channels.
    pub symbol: String,
    /// The channel.
    pub channel: Channel,
}

impl Want {
    /// A channel of one symbol, in whichever product has it.
    pub fn new(symbol: impl Into<String>, channel: Channel) -> Want {
        Want { product: None, symbol: symbol.into(), channel }
    }
}

/// Which markets a session follows of those that its wishes mean, where several sessions share them.
#[derive(Clone)]
pub struct Only(Arc<dyn Fn(&Symbol) -> bool + Send + Sync>);

impl Only {
    /// Those of which this holds; it must say the same of a symbol each time.
    pub fn new(holds: impl Fn(&Symbol) -> bool + Send + Sync + 'static) -> Only {
        Only(Arc::new(holds))
    }

    /// Whether a market is one of them.
    pub fn holds(&self, symbol: &Symbol) -> bool {
        (self.0)(symbol)
    }
}

impl core::fmt::Debug for Only {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Only(..)")
    }
}

/// Instruments of one product.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The product.
    pub product: String,
    /// Its instruments.
    pub instruments: Vec<Instrument>,
}

/// Origins that replace those of a product's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOverride {
    /// The product; every one when absent.
    pub product: Option<String>,
    /// REST origin, such as `http://127.0.0.1:8080`.
    pub rest: String,
    /// Stream origin, such as `ws://127.0.0.1:8080`.
    pub stream: String,
}

/// The bounds and spans a session keeps.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bounds of each book.
    pub book: BookLimits,
    /// How long opening a connection may take.
    pub open_within: Duration,
    /// How long a login may take.
    pub login_within: Duration,
    /// How long a request may take.
    pub request_within: Duration,
    /// How long a request that changes something may take; its outcome counts as unknown after that.
    pub change_within: Duration,
    /// How long an order may wait for the store and its turn; it is not sent after that.
    pub leave_within: Duration,
    /// How long the venue may take an order after it left: what its signature says, where that covers a time.
    pub order_window: Duration,
    /// How long an order that the venue took may take to show in an answer.
    pub shown_within: Duration,
    /// How often the venue's time is measured.
    pub clock_every: Duration,
    /// How often the state of private streams is compared with the venue's.
    pub compare_every: Duration,
    /// How often each live book is held against the venue's. A dozen books of a product have a turn in that time; more
    /// take turns.
    pub audit_every: Duration,
    /// How long a stream may take from its subscription to its first state.
    pub live_within: Duration,
    /// How long a probe of a quiet stream may take.
    pub probe_within: Duration,
    /// How long two connections may overlap at a planned change.
    pub overlap_within: Duration,
    /// First span of the back-off.
    pub backoff_base: Duration,
    /// Longest span of the back-off.
    pub backoff_cap: Duration,
    /// Health that resets the back-off.
    pub healthy_after: Duration,
    /// Snapshot requests under way at once per product.
    pub snapshots_at_once: usize,
    /// Reads under way at once per origin; what is urgent goes beside them.
    pub requests_at_once: usize,
    /// Requests that wait in each lane of an origin.
    pub queued_requests: usize,
    /// Commands that have not ended, and orders that are looked up.
    pub commands: usize,
    /// Frames held for a numbered channel that is no book.
    pub early_frames: usize,
    /// Bytes in those frames together.
    pub early_bytes: usize,
    /// Holes of a trade stream remembered at once.
    pub trade_holes: usize,
    /// Pages fetched to fill one hole of a trade stream.
    pub backfill_pages: u32,
    /// Rows kept of one private channel.
    pub private_rows: usize,
    /// Epochs reserved at once for a book.
    pub epoch_block: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        let s = Duration::from_secs;
        Limits {
            book: BookLimits::default(),
            open_within: s(10),
            login_within: s(10),
            request_within: s(10),
            change_within: s(3),
            leave_within: s(1),
            order_window: s(2),
            shown_within: Duration::from_millis(500),
            clock_every: s(60),
            compare_every: s(60),
            audit_every: s(60),
            live_within: s(10),
            probe_within: Duration::from_millis(900),
            overlap_within: s(30),
            backoff_base: Duration::from_millis(500),
            backoff_cap: s(30),
            healthy_after: s(60),
            snapshots_at_once: 4,
            requests_at_once: 8,
            queued_requests: 1_024,
            commands: 4_096,
            early_frames: 1_024,
            early_bytes: 4 << 20,
            trade_holes: 64,
            backfill_pages: 20,
            private_rows: 65_536,
            epoch_block: 64,
        }
    }
}

/// Why a session cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The venue has no such product.
    #[error("{venue} has no product {product:?}; it has {}", .known.join(", "))]
    UnknownProduct {
        /// The venue.
        venue: String,
        /// What was asked for.
        product: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No product of the venue has the channel.
    #[error("{venue} has no channel {channel}{}; it has {}", .product.as_ref().map(|p| format!(" in {p}")).unwrap_or_default(), .known.join(", "))]
    UnknownChannel {
        /// The venue.
        venue: String,
        /// The product, where one was named.
        product: Option<String>,
        /// What was asked for.
        channel: &'static str,
        /// What there is.
        known: Vec<String>,
    },
    /// A private channel without credentials.
    #[error("{venue} {channel} is private: give an API key and secret, or leave the channel out")]
    NoCredentials {
        /// The venue.
        venue: String,
        /// The channel.
        channel: &'static str,
    },
    /// A login that this version cannot perform.
    #[error(
        "private streams of {venue} need a {login} login, which this version does not perform yet; leave {channel} out"
    )]
    UnsupportedLogin {
        /// The venue.
        venue: String,
        /// The channel.
        channel: &'static str,
        /// The login.
        login: &'static str,
    },
    /// The spec names no hosts of the environment.
    #[error("{venue} has no hosts for the environment {environment:?}; name hosts in the config, or use {}", .known.join(", "))]
    UnknownEnvironment {
        /// The venue.
        venue: String,
        /// What was asked for.
        environment: String,
        /// What there is.
        known: Vec<String>,
    },
}

/// The origins of one product, after every replacement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// REST origin, without a trailing slash.
    pub rest: String,
    /// Stream origin, without a trailing slash.
    pub stream: String,
    /// Further origins by name. Where the REST origin is replaced, it stands for every one of them.
    pub others: Vec<(&'static str, String)>,
    /// Further stream origins by name. Where the stream origin is replaced, it stands for every one of them.
    pub streams: Vec<(&'static str, String)>,
}

impl Origins {
    /// The origin of a socket, by the name its spec gives.
    pub(crate) fn stream(&self, name: Option<&str>) -> &str {
        let named = name.and_then(|name| self.streams.iter().find(|(known, _)| *known == name));
        named.map_or(&self.stream, |(_, origin)| origin)
    }
}

/// Finds where a product lives.
pub(crate) fn origins(config: &Config, spec: &Spec) -> Result<Origins, ConfigError> {
    let named = config.hosts.iter().find(|h| h.product.as_deref() == Some(spec.product.as_str()));
    let any = || config.hosts.iter().find(|h| h.product.is_none());
    let bare = |origin: &String| origin.trim_end_matches('/').to_owned();
    let (rest, stream, others, streams) = match named.or_else(any) {
        Some(hosts) => {
            // Every name the product knows leads to the replacement.
            let names = spec.hosts.iter().flat_map(|hosts| &hosts.others);
            let mut others: Vec<_> = names.map(|(name, _)| (*name, bare(&hosts.rest))).collect();
            others.dedup();
            (&hosts.rest, &hosts.stream, others, Vec::new())
        }
        None => {
            let environment =
                if config.environment.is_empty() { "live" } else { config.environment.as_str() };
            let hosts = spec.hosts.iter().find(|h| h.environment == environment).ok_or_else(|| {
                ConfigError::UnknownEnvironment {
                    venue: spec.venue.clone(),
                    environment: environment.to_owned(),
                    known: spec.hosts.iter().map(|h| h.environment.clone()).collect(),
                }
            })?;
            let named = |origins: &[(&'static str, String)]| -> Vec<(&'static str, String)> {
                origins.iter().map(|(name, origin)| (*name, bare(origin))).collect()
            };
            (&hosts.rest, &hosts.stream, named(&hosts.others), named(&hosts.streams))
        }
    };
    Ok(Origins { rest: bare(rest), stream: bare(stream), others, streams })
}
