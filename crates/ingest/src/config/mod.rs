//! What the worker is asked to do: from a TOML file, from flags over it, or nothing but defaults.
//!
//! Owns every check that needs no network, each with its place in the file. It refuses secrets: no key of the file
//! holds one, they come from the environment.

mod build;
mod error;
mod file;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use venuekit_session::{HostOverride, Want};
use venuekit_sim::faults::FaultPlan;
use venuekit_store::Retention;
use venuekit_venue::Venue;

pub use error::ConfigError;
pub(crate) use error::nearest;

/// The database when nothing names another.
pub const DEFAULT_DATABASE: &str = "venuekit.db";
/// Where health is served when nothing names another place.
pub const DEFAULT_HEALTH: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9470);

/// Everything one run does.
#[derive(Clone, Debug)]
pub struct Config {
    /// The venues to follow.
    pub venues: Vec<VenueConfig>,
    /// Where rows go.
    pub sink: SinkConfig,
    /// Where health and metrics are served; where absent, [`DEFAULT_HEALTH`] or any free port.
    pub health: Option<SocketAddr>,
    /// The directory that takes one tape a venue.
    pub tape: Option<PathBuf>,
    /// An authority that is trusted besides the machine's, as PEM text.
    pub ca: Option<String>,
    /// The embedded simulator.
    pub sim: SimSettings,
    /// How long rows are kept; for good where nothing says so.
    pub retention: Retention,
    /// How the work is cut where several workers share it.
    pub cluster: ClusterConfig,
    /// The bus that is told of what was stored, where there is one.
    pub fanout: Option<FanoutConfig>,
}

/// How the work is cut where several workers share it. Every member of a cluster has to have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Into how many parts each venue's spot and derivative markets are cut.
    pub buckets: NonZeroU16,
    /// What stands for the address from which this machine speaks to venues; machines behind one share its budgets.
    /// Where absent, the address that the server sees.
    pub address: Option<String>,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
}

impl Default for ClusterConfig {
    fn default() -> ClusterConfig {
        let buckets = NonZeroU16::new(4).expect("not zero");
        ClusterConfig { buckets, address: None, lease: Duration::from_secs(10) }
    }
}

/// One venue to follow.
#[derive(Clone)]
pub struct VenueConfig {
    /// The venue's id.
    pub id: String,
    /// Its tables and codecs.
    pub venue: Arc<dyn Venue>,
    /// `sim`, or an environment whose hosts the venue's spec names.
    pub environment: String,
    /// Origins that replace those of the environment.
    pub hosts: Vec<HostOverride>,
    /// Public channels to follow, and private ones that were named.
    pub wants: Vec<Want>,
    /// Whether the account's own channels are followed too.
    pub private: Private,
}

impl VenueConfig {
    /// Whether it runs against the simulator inside this process.
    pub fn is_embedded(&self) -> bool {
        self.environment == SIM && self.hosts.is_empty()
    }
}

impl fmt::Debug for VenueConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VenueConfig")
            .field("id", &self.id)
            .field("environment", &self.environment)
            .field("hosts", &self.hosts)
            .field("wants", &self.wants)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// The environment that means a simulator.
pub(crate) const SIM: &str = "sim";

/// Whether the account's own channels are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Private {
    /// When the environment holds credentials for the venue.
    #[default]
    Auto,
    /// Never.
    Off,
    /// With the demo account of the embedded simulator.
    Demo,
}

/// What takes the rows in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// A SQLite file.
    #[default]
    Sqlite,
    /// A Postgres server, behind a SQLite file that holds what it has not taken. The server is named outside of the
    /// config, which holds no secrets.
    Postgres,
}

/// Where rows go, and how much may wait on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// What takes the rows in the end.
    pub kind: SinkKind,
    /// The SQLite file: the sink itself, or the spool before it.
    pub path: PathBuf,
    /// The most that the rows in a spool may take up. Beyond it the oldest market data goes, what the server has taken
    /// first, and what it has not by name.
    pub spool_bytes: u64,
    /// True when nobody named the file: an earlier simulator run is then kept aside instead of refused.
    pub is_default_path: bool,
    /// Most rows in one transaction.
    pub batch_rows: usize,
    /// How long the first row of a transaction waits for company.
    pub batch_for: Duration,
    /// Most rows that wait for the sink. When they are there, the newest are shed, by name.
    pub queue_rows: usize,
}

impl Default for SinkConfig {
    fn default() -> SinkConfig {
        SinkConfig {
            kind: SinkKind::Sqlite,
            spool_bytes: 2 << 30,
            path: PathBuf::from(DEFAULT_DATABASE),
            is_default_path: true,
            batch_rows: 8_192,
            batch_for: Duration::from_millis(5),
            queue_rows: 200_000,
        }
    }
}

/// A NATS server that is told of what was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutConfig {
    /// Addresses of one cluster, as `nats://10.0.0.1:4222`.
    pub servers: Vec<String>,
    /// The stream that takes the messages, made where it is not there.
    pub stream: String,
    /// The file that says who we are.
    pub credentials: Option<PathBuf>,
    /// How long the stream keeps messages, where it is made here.
    pub max_age: Duration,
    /// The most that the stream keeps, where it is made here.
    pub bytes_max: Option<u64>,
}

/// How the embedded simulator behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimSettings {
    /// Book messages a second and venue.
    pub rate: u32,
    /// The seed of its markets and of its faults.
    pub seed: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// The file that takes the truth as NDJSON.
    pub truth: Option<PathBuf>,
    /// The digest of every n-th book message goes into the truth.
    pub truth_every: u32,
    /// Whether its hosts speak TLS.
    pub tls: bool,
}

impl Default for SimSettings {
    fn default() -> SimSettings {
        SimSettings {
            rate: venuekit_sim::RATE,
            seed: 1,
            faults: Faults::None,
            truth: None,
            truth_every: 1,
            tls: false,
        }
    }
}

/// The fault profiles of the simulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Faults {
    /// Nothing goes wrong.
    #[default]
    None,
    /// A bad day.
    Light,
    /// A bad minute, every minute.
    Heavy,
}

impl Faults {
    /// Every profile.
    pub const ALL: [Faults; 3] = [Faults::None, Faults::Light, Faults::Heavy];

    /// The word that names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Faults::None => "none",
            Faults::Light => "light",
            Faults::Heavy => "heavy",
        }
    }

    /// A profile by its word.
    pub fn from_word(word: &str) -> Option<Faults> {
        Faults::ALL.into_iter().find(|faults| faults.as_str() == word)
    }

    pub(crate) fn plan(self, seed: u64) -> FaultPlan {
        FaultPlan::profile(self.as_str(), seed).unwrap_or_default()
    }
}

/// What flags say over the file; what is absent stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The SQLite file.
    pub database: Option<PathBuf>,
    /// Where health is served.
    pub health: Option<SocketAddr>,
    /// The directory for tapes.
    pub tape: Option<PathBuf>,
    /// The simulator's truth file.
    pub sim_truth: Option<PathBuf>,
    /// What goes wrong in the simulator.
    pub sim_faults: Option<Faults>,
    /// The simulator's rate.
    pub sim_rate: Option<u32>,
    /// The simulator's seed.
    pub seed: Option<u64>,
    /// Whether the simulator speaks TLS.
    pub sim_tls: Option<bool>,
}

impl Config {
    /// The simulator with both venues, all their markets, into `./venuekit.db`.
    pub fn default_sim() -> Config {
        build::default_sim()
    }

    /// Reads a config from its text. Paths in it are taken from `directory`; `name` is for messages.
    ///
    /// **Errors**: the first mistake, with line, column and the nearest valid names.
    pub fn from_toml(text: &str, name: &str, directory: &Path) -> Result<Config, ConfigError> {
        build::from_toml(error::Source { name, text }, directory)
    }

    /// Reads a config from a file.
    ///
    /// **Errors**: as [`Config::from_toml`], and when the file cannot be read.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: name.clone(),
            line: 0,
            column: 0,
            message: format!("cannot be read: {error}"),
        })?;
        Config::from_toml(&text, &name, path.parent().unwrap_or(Path::new("")))
    }

    /// Puts flags over it.
    #[must_use]
    pub fn with(mut self, flags: Overrides) -> Config {
        if let Some(path) = flags.database {
            self.sink.path = path;
            self.sink.is_default_path = false;
        }
        self.health = flags.health.or(self.health);
        self.tape = flags.tape.or(self.tape);
        self.sim.truth = flags.sim_truth.or(self.sim.truth);
        self.sim.faults = flags.sim_faults.unwrap_or(self.sim.faults);
        self.sim.rate = flags.sim_rate.unwrap_or(self.sim.rate);
        self.sim.seed = flags.seed.unwrap_or(self.sim.seed);
        self.sim.tls = flags.sim_tls.unwrap_or(self.sim.tls);
        self
    }
}
