//! What is read again while a worker runs: config and keys on SIGHUP, keys alone when one of their files changes.
//!
//! Owns the reading. What cannot be read changes nothing, and the log says why and where.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};
use venuekit_ingest::{Accounts, Config, CredentialsError, Overrides, Reload};

use crate::exit::{Exit, Failure, OrExit};

/// How often key files are looked at. A change counts once it has stood that long, since a key comes in two files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where a worker's config and keys come from.
pub(crate) struct Sources {
    /// The config, where a file holds one.
    pub(crate) config: Option<PathBuf>,
    /// What flags say over it.
    pub(crate) overrides: Overrides,
    /// Whose keys are looked for.
    pub(crate) venues: Vec<String>,
}

/// What tells one state of the key files from another.
type Stamps = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

impl Sources {
    /// Reads again whenever there is cause to, for ever.
    pub(crate) async fn keep_reading(self, mut hangup: Signal, reloads: Sender<Reload>) -> Infallible {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_force = self.stamps();
        let mut seen = in_force.clone();
        loop {
            let read = tokio::select! {
                Some(()) = hangup.recv() => {
                    in_force = self.stamps();
                    tracing::info!("SIGHUP: config and keys are read again");
                    self.everything()
                }
                _ = look.tick() => {
                    let now = self.stamps();
                    let is_settled = now == seen;
                    seen = now;
                    if !is_settled || seen == in_force {
                        continue;
                    }
                    in_force.clone_from(&seen);
                    tracing::info!("a key file changed: keys are read again");
                    self.keys().map(|accounts| Reload { config: None, accounts }).or_exit(Exit::Credentials)
                }
            };
            match read {
                // A worker that is ending takes no change.
                Ok(reload) => drop(reloads.send(reload).await),
                Err(error) => {
                    tracing::error!("nothing is changed: {error}");
                }
            }
        }
    }

    fn everything(&self) -> Result<Reload, Failure> {
        let config = match &self.config {
            Some(path) => Some(Config::load(path).or_exit(Exit::Config)?.with(self.overrides.clone())),
            None => None,
        };
        Ok(Reload { config, accounts: self.keys().or_exit(Exit::Credentials)? })
    }

    fn keys(&self) -> Result<Accounts, CredentialsError> {
        venuekit_ingest::accounts(self.venues.iter().map(String::as_str), &|name| std::env::var_os(name))
    }

    fn stamps(&self) -> Stamps {
        let files = venuekit_ingest::key_files(self.venues.iter().map(String::as_str), &|name| {
            std::env::var_os(name)
        });
        let stamp = |path: PathBuf| {
            let meta = std::fs::metadata(&path).ok();
            let stamp = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
            (path, stamp)
        };
        files.into_iter().map(stamp).collect()
    }
}
