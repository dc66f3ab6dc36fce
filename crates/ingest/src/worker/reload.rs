//! A change while the run goes on: another config, other keys. All of it, or nothing.
//!
//! Owns which parts of a config can change at run time. It refuses everything else by name, and then nothing changes.

use std::sync::Arc;

use venuekit_session::{Command, Session, Want};
use venuekit_sign::Credentials;
use venuekit_store::OpenError;
#[cfg(feature = "postgres")]
use venuekit_store::postgres::Dsn;

use super::{Parts, Running, prepare};
use crate::config::{Config, Private, SinkConfig, VenueConfig};
use crate::credentials::Accounts;
use crate::retire::Retiring;

/// What is to be in force from now on.
#[derive(Debug)]
pub struct Reload {
    /// The config, where it is to change.
    pub config: Option<Config>,
    /// The credentials by venue.
    pub accounts: Accounts,
}

/// What is in force.
pub(super) struct Present {
    pub(super) config: Config,
    pub(super) accounts: Accounts,
    /// The server that takes the rows in the end.
    #[cfg(feature = "postgres")]
    pub(super) server: Option<Dsn>,
}

impl Present {
    pub(super) fn of(config: &Config) -> Present {
        Present {
            config: config.clone(),
            accounts: Accounts::new(),
            #[cfg(feature = "postgres")]
            server: None,
        }
    }
}

/// What a change comes to for one venue.
struct Step {
    /// Which, by its place in the config.
    at: usize,
    credentials: Option<Credentials>,
    /// What is followed from now on, where that changes.
    wants: Option<Vec<Want>>,
}

impl Parts {
    /// Begins to take away what a config does not keep.
    pub(super) fn retire(&self, config: &Config) -> Result<Retiring, OpenError> {
        let retiring = Retiring::begin(&config.sink.path, &config.retention, self.clock)?;
        #[cfg(feature = "postgres")]
        let retiring = {
            let mut retiring = retiring;
            if let Some(dsn) = &self.present.server {
                retiring.at_server(dsn, &config.retention, self.clock);
            }
            retiring
        };
        Ok(retiring)
    }

    /// Puts a change in force, or says what stands against it.
    pub(super) async fn reload(&mut self, reload: Reload) {
        match self.plan(&reload).await {
            Ok(steps) => self.change(reload, steps).await,
            Err(refused) => {
                tracing::error!("the change is refused, and what was in force stays: {}", refused.join("; "));
            }
        }
    }

    /// What is to be done, checked to the end before any of it is.
    async fn plan(&self, reload: &Reload) -> Result<Vec<Step>, Vec<String>> {
        let present = &self.present.config;
        let config = reload.config.as_ref().unwrap_or(present);
        let mut refused = fixed(present, config);
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut steps = Vec::new();
        for (at, (old, new)) in present.venues.iter().zip(&config.venues).enumerate() {
            let credentials = match rekeyed(new, &self.present.accounts, &reload.accounts) {
                Ok(credentials) => credentials,
                Err(why) => {
                    refused.push(why);
                    continue;
                }
            };
            let credentials = credentials.filter(|_| self.sessions.get(at).is_some());
            let is_first = credentials.is_some() && !self.present.accounts.contains_key(&new.id);
            if old.wants == new.wants && !is_first {
                steps.push(Step { at, credentials, wants: None });
                continue;
            }
            let has_key = credentials.is_some() || prepare::follows_account(new, &self.present.accounts);
            let (venue, wants) = (Arc::clone(&new.venue), new.wants.clone());
            let look = move |session: &Session, _| -> Result<Vec<Want>, Vec<String>> {
                let refused: Vec<String> = wants
                    .iter()
                    .filter(|want| !want.channel.is_private())
                    .filter_map(|want| session.refuses(want))
                    .collect();
                let account = if has_key { prepare::private_wants(venue.as_ref()) } else { Vec::new() };
                if refused.is_empty() { Ok([wants, account].concat()) } else { Err(refused) }
            };
            let Some(running) = self.sessions.get(at) else {
                let why = "[venues.{}] symbols and channels cannot change while members share them; restart";
                refused.push(why.replace("{}", &new.id));
                continue;
            };
            match running.handle.query(look).await {
                Ok(Ok(wants)) => steps.push(Step { at, credentials, wants: Some(wants) }),
                Ok(Err(whys)) => refused.extend(whys.into_iter().map(|why| format!("{}: {why}", new.id))),
                Err(_) => refused.push(format!("{} is stopping", new.id)),
            }
        }
        if refused.is_empty() { Ok(steps) } else { Err(refused) }
    }

    async fn change(&mut self, reload: Reload, steps: Vec<Step>) {
        let mut changed = Vec::new();
        for Step { at, credentials, wants } in steps {
            // A member's shards have no account.
            let Some(Running { venue, handle, .. }) = self.sessions.get(at) else { continue };
            if let Some(credentials) = credentials {
                changed.push(format!("{venue} speaks with {}", credentials.key_id()));
                // One that has stopped needs no key.
                let _ = handle.credentials(credentials).await;
            }
            if let Some(wants) = wants {
                changed.push(format!("{venue} follows {} wishes", wants.len()));
                let _ = handle.command(Command::Follow(wants)).await;
            }
        }
        self.present.accounts = reload.accounts;
        if let Some(config) = reload.config {
            if config.retention != self.present.config.retention {
                match self.retire(&config) {
                    Ok(retiring) => {
                        self.retiring = retiring;
                        changed.push("[retain]".to_owned());
                    }
                    Err(error) => tracing::error!("[retain] stays as it was: {error}"),
                }
            }
            let (old, new) = (&self.present.config.sink, &config.sink);
            if old.queue_rows != new.queue_rows {
                self.queue.hold(new.queue_rows);
                changed.push(format!("queue_rows = {}", new.queue_rows));
            }
            if old.spool_bytes != new.spool_bytes {
                if let Some(relay) = self.board.relay.get() {
                    relay.hold(new.spool_bytes);
                }
                changed.push(format!("spool_bytes = {}", new.spool_bytes));
            }
            self.present.config = config;
        }
        let what = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
        tracing::info!("reloaded; what changed: {what}");
    }
}

/// What differs and cannot change while a run goes on, by its name in the file.
fn fixed(old: &Config, new: &Config) -> Vec<String> {
    let ids = |config: &Config| config.venues.iter().map(|venue| venue.id.clone()).collect::<Vec<_>>();
    let mut names: Vec<String> = Vec::new();
    let mut check = |is_same: bool, name: &str| {
        if !is_same {
            names.push(format!("{name} cannot change while it runs; restart"));
        }
    };
    check(ids(old) == ids(new), "the list of [venues]");
    let SinkConfig { kind, path, batch_rows, batch_for, is_default_path: _, spool_bytes: _, queue_rows: _ } =
        &new.sink;
    check(old.sink.kind == *kind, "[sink] kind");
    check(old.sink.path == *path, "[sink] path");
    check(old.sink.batch_rows == *batch_rows, "[sink] batch_rows");
    check(old.sink.batch_for == *batch_for, "[sink] batch_ms");
    check(old.health == new.health, "[health] listen");
    check(old.tape == new.tape, "[tape] path");
    check(old.ca == new.ca, "[tls] ca");
    check(old.sim == new.sim, "[sim]");
    check(old.cluster == new.cluster, "[cluster]");
    check(old.fanout == new.fanout, "[fanout]");
    for (old, new) in old.venues.iter().zip(&new.venues).filter(|(old, new)| old.id == new.id) {
        let mut check = |is_same: bool, key: &str| check(is_same, &format!("[venues.{}] {key}", new.id));
        check(old.environment == new.environment, "environment");
        check(old.hosts == new.hosts, "rest and stream");
        check(old.private == new.private, "private");
        check(profile(old) == profile(new), "profile");
    }
    names
}

/// What a venue's tables come to, by its profile.
fn profile(venue: &VenueConfig) -> String {
    format!("{:?}", venue.venue.specs())
}

/// The key that a venue's session speaks with from now on, where it changes.
fn rekeyed(venue: &VenueConfig, old: &Accounts, new: &Accounts) -> Result<Option<Credentials>, String> {
    if venue.private != Private::Auto {
        return Ok(None);
    }
    match (old.get(&venue.id), new.get(&venue.id)) {
        (Some(old), Some(new)) if old.is(new) => Ok(None),
        (_, Some(new)) => Ok(Some(new.clone())),
        (Some(old), None) => {
            Err(format!("{} has no key any more; {} stays, restart to go without", venue.id, old.key_id()))
        }
        (None, None) => Ok(None),
    }
}
