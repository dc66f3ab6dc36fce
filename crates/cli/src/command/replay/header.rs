//! What a tape says of itself, and the session that its rows are for.

use serde::Deserialize;
use venuekit_session::tape::{Kind, Row};
use venuekit_session::{Config, HostOverride, Want};
use venuekit_sign::Credentials;
use venuekit_venue::{Channel, Interval, Venue};

use crate::exit::{Exit, Failure};

/// The part of a `header` row that a replay needs; tapes of others have none of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    venue: Option<String>,
    seed: u64,
    environment: String,
    wants: Vec<Wish>,
    hosts: Vec<Host>,
}

#[derive(Debug, Deserialize)]
struct Wish {
    #[serde(default)]
    product: Option<String>,
    #[serde(default)]
    symbol: String,
    channel: String,
    #[serde(default)]
    interval: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Host {
    #[serde(default)]
    product: Option<String>,
    rest: String,
    stream: String,
}

/// What a recorder writes when its disk was too slow.
#[derive(Debug, Deserialize)]
struct Overflow {
    input: String,
    #[serde(default)]
    dropped: u64,
}

impl Header {
    /// Reads a header's payload. One that is no JSON object belongs to another recorder and says nothing to us.
    pub(super) fn parse(row: &Row) -> Header {
        serde_json::from_slice(&row.data).unwrap_or_default()
    }

    /// Rows that the recorder itself says it lost before this one.
    pub(super) fn lost_before(row: &Row) -> Option<u64> {
        let command: Overflow = serde_json::from_slice(&row.data).ok()?;
        (row.kind == Kind::Command && command.input == "tape_overflow").then_some(command.dropped)
    }

    /// Refuses a tape of another venue.
    pub(super) fn check(&self, venue: &str) -> Result<(), Failure> {
        match &self.venue {
            Some(recorded) if recorded != venue => Err(Failure::say(
                Exit::Usage,
                format_args!(
                    "the tape says that it was recorded from {recorded}; replay it with --venue {recorded}"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Whether it tells what was followed.
    pub(super) fn says_what(&self) -> bool {
        !self.wants.is_empty()
    }

    /// The session that made the tape, or where its header does not tell the one that a survey found.
    pub(super) fn config(self, venue: &dyn Venue, product: Option<&str>, surveyed: Config) -> Config {
        let mut wants = surveyed.wants;
        wants.extend(self.wants.into_iter().filter_map(Wish::into_want));
        if let Some(product) = product {
            wants.retain(|want| want.product.as_deref().is_none_or(|named| named == product));
            for want in &mut wants {
                want.product = Some(product.to_owned());
            }
        }
        // A simulator's hosts, or those of one config, are in no spec; any that are will do, for nothing is sent.
        let mut hosts = venue.specs().iter().flat_map(|spec| &spec.hosts);
        let is_known = hosts.any(|hosts| hosts.environment == self.environment);
        let is_private = wants.iter().any(|want| want.channel.is_private());
        let host = |Host { product, rest, stream }| HostOverride { product, rest, stream };
        Config {
            wants,
            hosts: self.hosts.into_iter().map(host).collect(),
            environment: if is_known { self.environment } else { String::new() },
            // What it signs goes nowhere. An account that was recorded is followed only with a key, and a session with a
            // key asks for the venue's time, which one without does not.
            credentials: is_private.then(|| Credentials::new("REDACTED", "UkVEQUNURUQ=")),
            seed: self.seed,
            listed: surveyed.listed,
            ..Config::default()
        }
    }
}

impl Wish {
    /// A wish as a session takes it; nothing for a channel that this version does not know.
    fn into_want(self) -> Option<Want> {
        let mut channel = Channel::from_word(&self.channel)?;
        if let (Channel::Candles(interval), Some(word)) = (&mut channel, &self.interval) {
            *interval = Interval::from_word(word)?;
        }
        Some(Want { product: self.product, symbol: self.symbol, channel })
    }
}
