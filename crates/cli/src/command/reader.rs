//! Accounts, opened for reading: which environment, whose key, and a client of each venue.
//!
//! It refuses to guess an environment while credentials are at hand, and holds no key that a host was not named for.

use std::time::Duration;

use anyhow::Context as _;
use venuekit_driver::{AccountReads, CallError, Client, ClientTls, Options};
use venuekit_ingest::credentials;
use venuekit_session::Config;
use venuekit_sign::Credentials;
use venuekit_venue::{Fault, FaultKind};

use super::target::{SIM, Target, Targets, Where};
use crate::exit::{Exit, Failure, OrExit};

/// How long a venue may take to list its instruments.
const LISTED_WITHIN: Duration = Duration::from_secs(15);

/// One venue's account.
pub(crate) struct Reader {
    pub(crate) id: &'static str,
    pub(crate) environment: String,
    pub(crate) client: Client,
}

/// Every account that a command reads.
pub(crate) struct Readers {
    pub(crate) list: Vec<Reader>,
    /// Where they are; keeps the simulator inside this process, where there is one.
    targets: Targets,
}

impl Readers {
    /// Opens the accounts of the venues that the flags name.
    pub(crate) async fn open(place: &Where) -> Result<Readers, Failure> {
        let targets = keyed(place, Targets::of(place, environment(place)?).await?)?;
        let mut list = Vec::new();
        for target in &targets.list {
            let who = credentials_of(target)?;
            let main = target.venue.specs().iter().filter(|spec| spec.markets_of.is_none());
            let products = main.map(|spec| spec.product.clone()).collect();
            let config = Config {
                products,
                hosts: target.hosts.clone(),
                environment: target.environment.clone(),
                credentials: Some(who),
                seed: place.seed,
                ..Config::default()
            };
            let options = Options { tls: targets.tls.clone(), ..Options::default() };
            let client =
                Client::connect(target.venue.clone(), config, options).await.or_exit(Exit::Config)?;
            let listed = tokio::time::timeout(LISTED_WITHIN, client.listed()).await;
            let listed = listed.ok().and_then(Result::ok);
            if listed.is_none() {
                let message =
                    format!("{} did not list its instruments in time: {}", target.id, target.origins);
                return Err(Failure::say(Exit::Unreachable, message));
            }
            list.push(Reader { id: target.id, environment: target.environment.clone(), client });
        }
        Ok(Readers { list, targets })
    }

    /// Says goodbye to every venue.
    pub(crate) async fn close(self) {
        for reader in self.list {
            reader.client.close().await;
        }
    }

    /// Where a venue of the list is, and who we are there.
    pub(crate) fn target(&self, id: &str) -> &Target {
        self.targets.list.iter().find(|target| target.id == id).expect("every reader was made of one")
    }

    /// What secures connections to all of them.
    pub(crate) fn tls(&self) -> ClientTls {
        self.targets.tls.clone()
    }

    /// The environment that every output names.
    pub(crate) fn environment(&self) -> &str {
        self.list.first().map_or(SIM, |reader| reader.environment.as_str())
    }
}

/// The environment where none is named: the simulator, unless there is a key that could be meant for somewhere else.
pub(crate) fn environment(place: &Where) -> Result<&'static str, Failure> {
    if place.env.is_none() && place.config.is_none() {
        for id in venuekit_registry::ids() {
            if credentials(id, &|name| std::env::var_os(name)).or_exit(Exit::Credentials)?.is_some() {
                let message = format!(
                    "there are credentials of {id}, and no --env says what they are for; add --env sim or --env live"
                );
                return Err(Failure::say(Exit::Usage, message));
            }
        }
    }
    Ok(SIM)
}

/// The venues that flags mean where they name none: those that there is a key for, or all of them where there is none,
/// so that the first says what it lacks.
pub(crate) fn keyed(place: &Where, mut targets: Targets) -> Result<Targets, Failure> {
    if !place.venues.is_empty() {
        return Ok(targets);
    }
    let mut with_key = Vec::new();
    for target in &targets.list {
        let found = credentials(target.id, &|name| std::env::var_os(name)).or_exit(Exit::Credentials)?;
        if target.demo.is_some() || found.is_some() {
            with_key.push(target.id);
        }
    }
    targets.list.retain(|target| with_key.is_empty() || with_key.contains(&target.id));
    Ok(targets)
}

/// Who we are at a venue.
pub(crate) fn credentials_of(target: &Target) -> Result<Credentials, Failure> {
    if let Some(demo) = &target.demo {
        return Ok(demo.clone());
    }
    let id = target.id;
    let found = credentials(id, &|name| std::env::var_os(name)).or_exit(Exit::Credentials)?;
    found.ok_or_else(|| {
        let name = id.to_ascii_uppercase();
        let message = format!(
            "no credentials of {id}: set VENUEKIT_{name}_API_KEY and VENUEKIT_{name}_API_SECRET, or the same names \
             with _FILE"
        );
        Failure::say(Exit::Credentials, message)
    })
}

/// The code that a fault ends the process with.
pub(crate) fn exit_of(fault: &Fault) -> Exit {
    match fault.kind {
        FaultKind::Credentials => Exit::Credentials,
        FaultKind::RateLimited | FaultKind::Banned => Exit::Limited,
        FaultKind::Unavailable | FaultKind::Transport => Exit::Unreachable,
        FaultKind::Clock | FaultKind::BadRequest | FaultKind::Rejected | FaultKind::NotFound => {
            Exit::Rejected
        }
        FaultKind::Unreadable => Exit::Unexpected,
    }
}

/// The failure that a call ended in.
pub(crate) fn failure(venue: &str, error: CallError) -> Failure {
    let exit = match &error {
        CallError::UnknownSymbol { .. } => Exit::Usage,
        CallError::Stopped(_) => Exit::Unexpected,
        other => other.fault().map_or(Exit::Unexpected, exit_of),
    };
    Failure::new(exit, anyhow::Error::new(error).context(venue.to_owned()))
}

/// The account of a client; every venue that has keys has balances.
pub(crate) fn account(reader: &Reader) -> Result<std::sync::Arc<dyn AccountReads>, Failure> {
    let account = reader.client.account().with_context(|| format!("{} has no accounts to read", reader.id));
    account.or_exit(Exit::Usage)
}
