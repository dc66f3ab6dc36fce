//! One session before it runs: what it follows, as whom, where to, and on which tape.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use venuekit_driver::{Clock, Handle, Tape};
use venuekit_session::{About, Config as SessionConfig, Only, Session, Want};
use venuekit_sign::Credentials;
use venuekit_store::{Limit, Resume};
use venuekit_venue::{Channel, Venue};

use crate::config::{Config, Private, VenueConfig};
use crate::credentials::Accounts;
use crate::error::IngestError;
use crate::fanout::Fanning;
use crate::feed::Wish;
use crate::limits;
use crate::metrics::Metrics;
use crate::simulator::Simulator;

/// The accounts' own channels.
const PRIVATE: [Channel; 4] = [Channel::Orders, Channel::Positions, Channel::Balances, Channel::Fills];

/// What an earlier run left of one venue.
pub(super) fn of_venue(resume: &Resume, venue: &str) -> Resume {
    Resume {
        cursors: resume.cursors.iter().filter(|cursor| *cursor.market.venue == *venue).cloned().collect(),
        open_gaps: resume.open_gaps.iter().filter(|gap| *gap.market.venue == *venue).cloned().collect(),
        limits: resume.limits.clone(),
    }
}

/// Carries wishes to a session, so that whoever has them never waits for it.
pub(super) async fn relay(handle: Handle, mut wishes: mpsc::Receiver<Wish>) {
    while let Some(wish) = wishes.recv().await {
        let told = match wish {
            Wish::Persisted(id, value) => handle.persisted(id, value).await,
            Wish::Command(command) => handle.command(command).await,
        };
        if told.is_err() {
            break;
        }
    }
}

/// The account that a venue's own channels are followed with.
pub(super) fn account(
    venue: &VenueConfig,
    accounts: &Accounts,
    simulator: Option<&Simulator>,
) -> Option<Credentials> {
    match venue.private {
        Private::Off => None,
        Private::Auto => accounts.get(&venue.id).cloned(),
        Private::Demo => simulator.and_then(|simulator| simulator.demo(&venue.id)),
    }
}

/// Whether a venue's own channels are followed.
pub(super) fn follows_account(venue: &VenueConfig, accounts: &Accounts) -> bool {
    match venue.private {
        Private::Off => false,
        Private::Auto => accounts.contains_key(&venue.id),
        Private::Demo => true,
    }
}

/// A session of a venue, with the account's own channels where there is a key.
pub(super) fn session(
    venue: &VenueConfig,
    credentials: Option<Credentials>,
    seed: u64,
    limits: &[Limit],
    simulator: Option<&Simulator>,
    only: Option<Only>,
) -> Result<(Session, Vec<Want>), IngestError> {
    let mut hosts = venue.hosts.clone();
    if venue.is_embedded() {
        let served = simulator.and_then(|simulator| simulator.hosts(&venue.id));
        hosts.push(served.ok_or_else(|| IngestError::NotSimulated { venue: venue.id.clone() })?);
    }
    let (bans, used) = limits::resumed(limits);
    let mut config = SessionConfig {
        wants: venue.wants.clone(),
        hosts,
        environment: venue.environment.clone(),
        credentials,
        bans,
        used,
        seed,
        only,
        ..SessionConfig::default()
    };
    if config.credentials.is_some() {
        config.wants.extend(private_wants(venue.venue.as_ref()));
    }
    let session = Session::new(Arc::clone(&venue.venue), config.clone());
    let session = session.map_err(|source| IngestError::Venue { venue: venue.id.clone(), source })?;
    Ok((session, config.wants))
}

/// The private channels that are followed beside the public ones.
pub(super) fn private_wants(venue: &dyn Venue) -> Vec<Want> {
    let offered = PRIVATE.into_iter().filter(|c| venue.specs().iter().any(|spec| spec.offers(*c)));
    offered.map(|channel| Want::new("", channel)).collect()
}

/// A fresh tape of a venue: `doex-1700000000.jsonl.zst`.
pub(super) fn tape(
    directory: &Path,
    venue: &VenueConfig,
    wants: Vec<Want>,
    seed: u64,
    clock: Clock,
) -> Result<Tape, IngestError> {
    let now = clock.now();
    let seconds = now.wall.millis() / 1000;
    let about = About {
        venue: venue.id.clone(),
        recorder: concat!("venuekit ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed,
        environment: venue.environment.clone(),
        config: hex::encode(Sha256::digest(format!("{venue:?}"))),
        wants: wants
            .into_iter()
            .map(|want| (want.product, want.symbol, want.channel.as_str().to_owned()))
            .collect(),
    };
    let file = |source| IngestError::File { path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(file)?;
    Tape::create(&directory.join(format!("{}-{seconds}.jsonl.zst", venue.id)), &about, now)
        .map_err(|source| IngestError::Tape { venue: venue.id.clone(), source })
}

/// The way to the bus, where the config names one.
#[cfg(feature = "nats")]
pub(super) fn fanout(
    config: &Config,
    metrics: &Metrics,
    clock: Clock,
) -> Result<Option<Fanning>, IngestError> {
    use venuekit_store::{Fanout, Nats, NatsSettings};

    use crate::fanout::NATS;

    let Some(keys) = &config.fanout else { return Ok(None) };
    let bus = Nats::new(&NatsSettings {
        servers: keys.servers.clone(),
        stream: keys.stream.clone(),
        credentials: keys.credentials.clone(),
        ca: config.ca.clone(),
        max_age: keys.max_age,
        bytes_max: keys.bytes_max,
    })?;
    let fanout = Fanout::open(&config.sink.path, NATS)?;
    Fanning::begin(fanout, Box::new(bus), metrics.fanout(NATS), clock).map(Some)
}

/// A config that wants a bus is refused by this build.
#[cfg(not(feature = "nats"))]
pub(super) fn fanout(_: &Config, _: &Metrics, _: Clock) -> Result<Option<Fanning>, IngestError> {
    Ok(None)
}
