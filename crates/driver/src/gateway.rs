//! The gateway: the one part of a program that holds trade keys, and that orders leave by.
//!
//! It owns the gate and its files, one session per venue, the sweep that cancels everything, and the dead man's switch
//! of venues that have one. Orders, cancels, halts and arming go through a [`Gateway`], inside a program, or over its
//! socket with [`Gateway::serve`]. It refuses to open by itself, to let an order leave that was not made durable, and to
//! call a venue flat that it has not read twice.

mod cell;
mod desk;
mod halt_hook;
mod halt_http;
mod host;
mod journal;
mod keeper;
mod orders;
mod place;
mod report;
mod shared;
mod socket;
mod switch;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::timeout;
use venuekit_session::gate::{Arm, ArmError, Caps, Gate, Halt, Kept, Mode};
use venuekit_session::{Config, ConfigError, Session, Want};
use venuekit_venue::{Channel, Venue};

pub use cell::GateCell;
pub use halt_hook::HookSecret;
pub use halt_http::{HaltBy, HaltHttpError, HaltToken};
pub use report::{DeskError, FaultView, HaltReport, OrderView, OrderWish, Outcome, ProductReport, Status};
pub use socket::{Answer, Client as GatewayClient, OrderName, OrderText, Talk, TalkError};
pub use switch::{Position, Switch};

use self::desk::{Desk, Line};
use self::host::GatewayHost;
use self::journal::{Found, Journal, sync_dir};
use self::keeper::{Keeper, Note, Paths, StateFile};
use self::shared::{Shared, Vigil};
use crate::clock::Clock;
use crate::error::{StartError, Stopped};
use crate::run::{Options, Runner};
use crate::tls::ClientTls;

/// Notes that wait for the keeper.
const NOTES: usize = 8_192;
/// The span of the venue's own countdown.
const COUNTDOWN: Duration = Duration::from_secs(30);

/// How a gateway is set up.
#[derive(Clone)]
pub struct Setup {
    /// Where its files are: one directory for each environment, which nobody else can enter.
    pub dir: PathBuf,
    /// Which environment its orders go to, for every answer.
    pub environment: String,
    /// The caps.
    pub caps: Caps,
    /// The venues, each with the credentials that may trade there.
    pub venues: Vec<(Arc<dyn Venue>, Config)>,
    /// Whom it trusts.
    pub tls: ClientTls,
    /// The span after which a venue with a countdown cancels everything, unless it is told again.
    pub countdown: Duration,
}

impl Setup {
    /// A gateway in a directory, with caps and venues still to be named.
    pub fn new(dir: impl Into<PathBuf>, environment: impl Into<String>) -> Setup {
        Setup {
            dir: dir.into(),
            environment: environment.into(),
            caps: Caps::default(),
            venues: Vec::new(),
            tls: ClientTls::new(),
            countdown: COUNTDOWN,
        }
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its files cannot be used.
    #[error("the gateway cannot use {}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others can enter its directory.
    #[error("{} can be entered by others; give it a directory of your own with mode 700", path.display())]
    Shared {
        /// Which.
        path: PathBuf,
    },
    /// Another one runs.
    #[error("a gateway runs in {} already; speak to that one, or stop it", path.display())]
    Running {
        /// Where.
        path: PathBuf,
    },
    /// A venue cannot be followed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A session cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A thread cannot be started.
    #[error("a thread of the gateway cannot be started")]
    Thread(#[source] io::Error),
}

/// A running gateway. Dropping it shuts the gate and ends its sessions; orders that are open stay open, for the
/// venue's own switch where it has one.
pub struct Gateway {
    desk: Arc<Desk>,
    environment: String,
    paths: Paths,
    tasks: JoinSet<()>,
    /// Dropped, they end the threads that read switches.
    watches: Vec<SyncSender<()>>,
    keeper: Option<std::thread::JoinHandle<()>>,
    _lock: File,
}

impl Gateway {
    /// Starts one: shut, whatever it was before.
    ///
    /// **Errors**: [`GatewayError`].
    pub async fn start(setup: Setup) -> Result<Gateway, GatewayError> {
        let Setup { dir, environment, caps, venues, tls, countdown } = setup;
        let paths = Paths::new(&dir);
        let lock = own(&dir, &paths)?;
        let files = |path: PathBuf| move |source| GatewayError::Files { path, source };
        let known = paths.journal().exists();
        let (journal, found) = Journal::open(&paths.journal()).map_err(files(paths.journal()))?;
        let gate = restore(caps, StateFile::read(&paths.state()), &journal, known, found);
        let memory = journal.memory().clone();
        let clock = Clock::start();
        let (notes, noted) = sync_channel(NOTES);
        let shared = Arc::new(Shared::new(clock, gate, notes));
        let mut lines = Vec::new();
        let mut runners = Vec::new();
        for (number, (venue, mut config)) in venues.into_iter().enumerate() {
            let specs = venue.specs();
            let id = specs.first().map_or("", |spec| spec.venue.as_str());
            // On margin and by triggers it does not trade: a market is found by its name alone here.
            let trading = || specs.iter().filter(|spec| spec.orders.is_some() && spec.markets_of.is_none());
            config.products = trading().map(|spec| spec.product.clone()).collect();
            if config.wants.is_empty() {
                // The caps need to know where each market is.
                config.wants = trading()
                    .map(|spec| Want {
                        product: Some(spec.product.clone()),
                        symbol: "*".into(),
                        channel: Channel::Book,
                    })
                    .collect();
            }
            config.intents =
                memory.intents.values().filter(|i| i.venue == id).map(|i| (**i).clone()).collect();
            config.bans = memory.bans.values().cloned().collect();
            for intent in &config.intents {
                if let Some(product) = specs.iter().position(|spec| spec.product == intent.product) {
                    let at = orders::Product { venue: number, product };
                    shared.orders(|orders| orders.begin(venuekit_session::CommandId(intent.id), at));
                }
            }
            let session = Session::new(Arc::clone(&venue), config)?;
            let cell = Arc::new(OnceCell::new());
            let host = GatewayHost::new(Arc::clone(&shared), number, Arc::clone(&cell));
            let options = Options { tls: tls.clone(), clock, gate: shared.cell.clone() };
            let (runner, handle) = Runner::new(session, host, options)?;
            // Nobody else has this cell yet.
            let _ = cell.set(handle.clone());
            lines.push(Line { venue, handle });
            runners.push(runner);
        }
        let keeper = Keeper::new(Arc::clone(&shared), paths.clone(), journal, noted);
        let thread = std::thread::Builder::new().name("keeper".to_owned());
        let keeper = thread.spawn(move || keeper.run()).map_err(GatewayError::Thread)?;
        // Microseconds of the wall clock: above whatever an earlier run has counted up to from its own start.
        let first_id = u64::try_from(clock.now().wall.0 / 1_000).unwrap_or(1);
        let last_id = memory.intents.keys().next_back().map_or(0, |id| id + 1);
        let desk = Arc::new(Desk::new(Arc::clone(&shared), lines, countdown, first_id.max(last_id)));
        let mut tasks = JoinSet::new();
        for runner in runners {
            let vigil = Vigil::over(&shared, "a venue's session");
            tasks.spawn(async move {
                runner.run().await;
                drop(vigil);
            });
        }
        let vigil = Vigil::over(&shared, "the sweep");
        let sweeper = Arc::clone(&desk);
        tasks.spawn(async move {
            sweeper.sweep_forever().await;
            drop(vigil);
        });
        for at in desk.products().collect::<Vec<_>>() {
            let (desk, vigil) = (Arc::clone(&desk), Vigil::over(&shared, "the watch over open orders"));
            tasks.spawn(async move {
                desk.watch_forever(at).await;
                drop(vigil);
            });
        }
        let watches = Vec::new();
        Ok(Gateway { desk, environment, paths, tasks, watches, keeper: Some(keeper), _lock: lock })
    }

    /// A way to speak to it, for as long as it runs.
    pub fn handle(&self) -> GatewayHandle {
        GatewayHandle {
            desk: Arc::clone(&self.desk),
            environment: self.environment.clone(),
            halt_file: self.paths.halt(),
        }
    }

    /// Serves its socket, which its own user alone can speak to, until it stops.
    ///
    /// **Errors**: when the socket cannot be made.
    pub fn serve(&mut self) -> Result<(), GatewayError> {
        let path = self.paths.socket();
        let listener = socket::listen(&path).map_err(|source| GatewayError::Files { path, source })?;
        self.tasks.spawn(socket::serve(listener, self.handle()));
        Ok(())
    }

    /// Serves `POST /halt` on loopback for whoever has the token, and `POST /webhook` for whoever signs with the secret;
    /// it can do nothing else.
    ///
    /// **Errors**: when the port cannot be had, or is not of this machine.
    pub async fn serve_halt(&mut self, listen: SocketAddr, by: HaltBy) -> Result<SocketAddr, HaltHttpError> {
        let (address, serving) = halt_http::bind(listen, by, self.handle()).await?;
        self.tasks.spawn(serving);
        Ok(address)
    }

    /// Obeys a switch from now on: no order leaves unless it was read within two seconds and says that orders may.
    ///
    /// **Errors**: when it has no thread to be read on.
    pub fn obey(&mut self, switch: Box<dyn Switch>) -> Result<(), GatewayError> {
        let shared = Arc::clone(&self.desk.shared);
        let (watch, ended) = sync_channel(0);
        let at = shared.switches(|all| {
            all.push(switch::Seen::new(switch.name()));
            all.len() - 1
        });
        // What was verified without it counts for nothing.
        shared.gate(|gate, now| gate.distrust(now, "a switch was added"));
        let thread = std::thread::Builder::new().name("switch".to_owned());
        thread.spawn(move || switch::watch(&shared, at, switch, &ended)).map_err(GatewayError::Thread)?;
        self.watches.push(watch);
        Ok(())
    }

    /// Shuts the gate, ends the sessions and the files, in order. Open orders stay open.
    pub async fn stop(mut self) {
        self.desk.shared.gate(|gate, now| gate.stop(now));
        for line in &self.desk.lines {
            // One that has ended already is as good.
            let _ = line.handle.stop().await;
        }
        let settle = async {
            while !self.tasks.is_empty() && self.sessions_run() {
                self.tasks.join_next().await;
            }
        };
        let _ = timeout(Duration::from_secs(3), settle).await;
        self.end();
    }

    fn sessions_run(&self) -> bool {
        self.desk.lines.iter().any(|line| !line.handle.is_stopped())
    }

    fn end(&mut self) {
        self.desk.shared.gate(|gate, now| gate.stop(now));
        self.tasks.abort_all();
        // One that hangs in a reading ends by itself, and has nothing left to stop.
        self.watches.clear();
        self.desk.shared.note(Note::Stop);
        if let Some(keeper) = self.keeper.take() {
            // One that panicked has shut the gate, which is all that matters now.
            let _ = keeper.join();
        }
        // A socket that nobody serves would only puzzle.
        let _ = std::fs::remove_file(self.paths.socket());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            self.end();
        }
    }
}

/// Speaks to a gateway inside the same program.
#[derive(Clone)]
pub struct GatewayHandle {
    desk: Arc<Desk>,
    environment: String,
    halt_file: PathBuf,
}

impl GatewayHandle {
    /// What it is doing.
    pub fn status(&self) -> Status {
        let shared = &self.desk.shared;
        let mut report = self.desk.report();
        shared.gate(|gate, now| {
            let mode = gate.mode(now);
            report.halted = mode == Mode::Halted;
            let left = gate.armed_until().map(|until| until.since(now.mono).as_secs());
            Status {
                mode: report::mode_word(mode),
                halt: gate.halt_reason().map(|halt| halt.as_str().to_owned()),
                why: gate.halt_reason().map(|halt| match (halt, shared.against()) {
                    (Halt::Unverified, Some(against)) => format!("{halt}; {against}"),
                    _ => halt.to_string(),
                }),
                armed_for_s: left,
                sweeping: gate.sweep().is_some(),
                environment: self.environment.clone(),
                report,
            }
        })
    }

    /// Stops everything: when it returns, no byte of an order is leaving any more. Cancelling has begun; what comes of
    /// it [`GatewayHandle::until_flat`] tells.
    pub fn halt(&self, by: &str) {
        self.desk.shared.halt(by);
    }

    /// Waits until the last halt's cancels are confirmed, or for a while, and says what is left.
    pub async fn until_flat(&self, patience: Duration) -> HaltReport {
        let waited = async {
            while self.desk.shared.gate(|gate, _| gate.sweep()).is_some() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // What is left when patience ends is in the report.
        let _ = timeout(patience, waited).await;
        self.desk.report()
    }

    /// Lets orders leave for a span.
    ///
    /// **Errors**: [`DeskError`], as [`venuekit_session::gate::Gate::arm`].
    pub async fn arm(&self, wish: Arm) -> Result<Status, DeskError> {
        let shared = &self.desk.shared;
        if wish.reducing {
            // What was let in as an ordinary order must not leave as one now.
            shared.gate(|gate, now| gate.rearm(now));
            let settled = async {
                while shared.orders(|orders| orders.in_flight()) > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            if timeout(Duration::from_secs(10), settled).await.is_err() {
                let text = "the outcome of an order is still unknown; arm again once `order open` shows none in flight";
                return Err(DeskError::new(9, text));
            }
        }
        let armed = shared.gate(|gate, now| gate.arm(now, wish));
        shared.note(Note::Wake);
        armed.map_err(|error| match error {
            ArmError::Unverified if self.halt_file.exists() => DeskError::new(
                9,
                format!("the halt file {} is there; remove it, then arm again", self.halt_file.display()),
            ),
            ArmError::Unverified if shared.against().is_some() => {
                let why = shared.against().unwrap_or_default();
                DeskError::new(9, format!("a switch keeps it shut: {why}; set it to run, then arm again"))
            }
            other => DeskError::new(9, other.to_string()),
        })?;
        Ok(self.status())
    }
}

/// Makes the directory ours, and nobody else's.
fn own(dir: &Path, paths: &Paths) -> Result<File, GatewayError> {
    let files = |source| GatewayError::Files { path: dir.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(files)?;
    let about = std::fs::metadata(dir).map_err(files)?;
    if about.mode() & 0o077 != 0 {
        return Err(GatewayError::Shared { path: dir.to_owned() });
    }
    let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(paths.lock());
    let lock = lock.map_err(files)?;
    sync_dir(&paths.lock()).map_err(files)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(GatewayError::Running { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(files(source)),
    }
}

/// The gate as it starts. What cannot be trusted demands that everything be cancelled first.
fn restore(
    caps: Caps,
    state: io::Result<Option<StateFile>>,
    journal: &Journal,
    known: bool,
    found: Found,
) -> Gate {
    let memory = journal.memory();
    let mut gate = match state {
        _ if found.damaged => {
            Gate::unreadable(caps, "the journal is damaged; what could not be read was set aside")
        }
        Err(error) => Gate::unreadable(caps, format!("the state file does not read: {error}")),
        Ok(None) if known => Gate::unreadable(caps, "the state file is gone"),
        Ok(None) => Gate::new(caps),
        Ok(Some(file)) => Gate::restored(caps, merged(file.gate, memory)),
    };
    // Its records go on from the last number in the journal.
    if let Some(journal::Record::Audit { seq, .. }) = memory.audits.back() {
        gate.count_from(*seq);
    }
    gate
}

/// The state, with what the journal knows later of the day.
fn merged(mut kept: Kept, memory: &journal::Memory) -> Kept {
    if let Some(day) = memory.day.clone().filter(|day| day.number >= kept.day.number) {
        kept.day = day;
    }
    kept
}

/// Writes the halt file of a directory in which no gateway runs, so that the next one starts halted, and holds the
/// directory so that none starts meanwhile.
///
/// **Errors**: [`GatewayError::Running`] when one runs: halt that one.
pub fn halt_file(dir: &Path) -> Result<File, GatewayError> {
    let paths = Paths::new(dir);
    let lock = own(dir, &paths)?;
    let path = paths.halt();
    journal::replace(&path, b"halted by command; remove this file to let the gateway be armed again\n")
        .map_err(|source| GatewayError::Files { path, source })?;
    Ok(lock)
}

impl From<Stopped> for DeskError {
    fn from(stopped: Stopped) -> DeskError {
        DeskError::new(5, stopped.to_string())
    }
}
