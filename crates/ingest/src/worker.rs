//! The run itself: puts the parts together, watches them, and takes them apart in the order that loses nothing.
//!
//! Down the stream on the way out: sessions stop, the queue empties, the sink commits, and only then is there a summary.

pub(crate) mod crew;
mod prepare;
mod reload;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use venuekit_driver::{ClientTls, Clock};
use venuekit_session::Report;
#[cfg(feature = "postgres")]
use venuekit_store::postgres::{Dsn, DsnError};
use venuekit_store::{OpenMode, Outbox, Resume, Sink, Sqlite, World};

use self::crew::{Crew, Part, Prepared, Running};
use self::reload::Present;
use crate::board::Board;
#[cfg(feature = "postgres")]
use crate::cluster::{self, Joining, Member, Outcome, Works};
use crate::config::Config;
#[cfg(feature = "postgres")]
use crate::config::SinkKind;
use crate::console::Console;
use crate::credentials::Accounts;
use crate::embedded::{Embedded, Spool};
use crate::error::IngestError;
use crate::feed::Notice;
use crate::health::{self, Health};
use crate::metrics::{Metrics, SQLITE};
use crate::queue::Queue;
#[cfg(feature = "postgres")]
use crate::relay;
use crate::relay::{Connected, SERVER};
use crate::retire::Retiring;
use crate::simulator::Simulator;
use crate::sink::{Drained, Writer};
use crate::status::Status;
use crate::summary::{ClusterSummary, Ended, Summary};
use crate::world;

/// Without a server nobody shares markets.
#[cfg(not(feature = "postgres"))]
type Member = std::convert::Infallible;

/// When no venue has answered by then, the run ends instead of waiting for ever.
const REACHED_WITHIN: Duration = Duration::from_secs(20);
/// How long connections may take to close.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the sink may take to store what is left.
const DRAIN_WITHIN: Duration = Duration::from_secs(15);
/// How long a sink that was given up may take to notice.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(10);

/// What a run is given besides its config.
#[derive(Default)]
pub struct RunOptions {
    /// Credentials by venue, as [`crate::accounts`] finds them.
    pub accounts: Accounts,
    /// The server that takes the rows, where the config wants one.
    #[cfg(feature = "postgres")]
    pub server: Option<Dsn>,
    /// The name of this member, where several workers share the markets over the server.
    #[cfg(feature = "postgres")]
    pub member: Option<String>,
    /// The file that takes what each session made of what it saw, as JSON.
    pub report: Option<PathBuf>,
    /// Called once, when everything has begun.
    pub on_start: Option<OnStart>,
    /// What is to be changed while it runs.
    pub reload: Option<mpsc::Receiver<Reload>>,
}

pub use self::reload::Reload;

/// What is told of a run that has begun.
pub type OnStart = Box<dyn FnOnce(&Started) + Send>;

/// A run that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Where health is served.
    pub health: SocketAddr,
    /// Whose data it is.
    pub world: World,
    /// Where an earlier simulator run was moved, if it was in the way.
    pub set_aside: Option<PathBuf>,
}

/// Runs until it is asked to end; the last line of its data is the summary.
///
/// `shutdown` says when to end; dropping the returned future instead loses what was not yet stored.
///
/// **Errors**: [`IngestError`], whose [`IngestError::exit`] is the exit code. What was stored by then stays.
pub async fn run(
    config: Config,
    options: RunOptions,
    mut console: Console,
    shutdown: impl Future<Output = Ended>,
) -> Result<Summary, IngestError> {
    let clock = Clock::start();
    let embedded: Vec<&str> =
        config.venues.iter().filter(|venue| venue.is_embedded()).map(|venue| venue.id.as_str()).collect();
    #[cfg(feature = "postgres")]
    if options.member.is_some() {
        refuse_alone(&config, &embedded)?;
    }
    let simulator = match embedded.as_slice() {
        [] => None,
        venues => Some(Simulator::start(&config.sim, venues, clock).await?),
    };
    let world = world::find(&config.venues, simulator.as_ref().map(Simulator::run)).await?;
    let mode = match simulator {
        Some(_) if config.sink.is_default_path => OpenMode::NewSimRun,
        _ => OpenMode::Resume,
    };
    let metrics = Arc::new(Metrics::new());
    // Refused before the spool is touched.
    #[cfg(feature = "postgres")]
    let joining = match (&options.member, &options.server) {
        (None, _) => None,
        (Some(_), None) => return Err(DsnError::Absent.into()),
        (Some(member), Some(dsn)) => {
            let (dsn, world, rejections) = (dsn.clone(), world.clone(), metrics.fence_rejections());
            Some(Joining::connect(dsn, world, member.clone(), &config.cluster, clock, rejections).await?)
        }
    };
    #[cfg(feature = "postgres")]
    let server = server(config.sink.kind, options.server.clone(), &world, joining.as_ref()).await?;
    // A config that wants a server is refused by this build.
    #[cfg(not(feature = "postgres"))]
    let server: Option<Connected> = None;
    let mut sink = Sqlite::open(&config.sink.path, &world, mode)?;
    let set_aside = sink.set_aside().map(Path::to_path_buf);
    if let Some(aside) = &set_aside {
        console.note(&format!("an earlier simulator run is kept as {}", aside.display()));
    }
    let resume = match &server {
        Some(server) => server.known.adopt(&mut sink)?,
        None => sink.resume()?,
    };
    let base = Base {
        config: &config,
        metrics,
        simulator,
        clock,
        #[cfg(feature = "postgres")]
        joining,
    };
    let mut parts = Parts::start(base, &options.accounts, (sink, server), resume).await?;
    parts.reloads = options.reload;
    parts.present.accounts = options.accounts;
    #[cfg(feature = "postgres")]
    {
        parts.present.server = options.server;
    }
    parts.retiring = parts.retire(&config)?;
    let health = parts.health_at;
    let path = config.sink.path.display();
    console.note(&format!("{world}, into {path}; health on http://{health}/readyz?verbose"));
    if let Some(on_start) = options.on_start {
        on_start(&Started { health, world, set_aside });
    }
    let outcome = parts.watch(&mut console, shutdown).await;
    let (reports, drained) = parts.drain().await;
    let ended = outcome?;
    drained?;
    let environments =
        config.venues.iter().map(|venue| (venue.id.clone(), venue.environment.clone())).collect();
    let ran_for = clock.now().mono.since(venuekit_types::Mono(0));
    let summary = Summary::new(environments, config.sink.path.clone(), ran_for, &parts.board, reports, ended);
    let summary = Summary { cluster: parts.shared.take(), ..summary };
    if let Some(path) = options.report {
        write_private(&path, &summary.reports_json()).await?;
    }
    console.answer(&if console.json { summary.to_json() } else { summary.to_string() });
    Ok(summary)
}

/// What a run begins with.
struct Base<'a> {
    config: &'a Config,
    metrics: Arc<Metrics>,
    simulator: Option<Simulator>,
    clock: Clock,
    /// The cluster that it joins, where there is one.
    #[cfg(feature = "postgres")]
    joining: Option<Joining>,
}

/// Everything that moves.
struct Parts {
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    queue: Arc<Queue>,
    clock: Clock,
    sessions: Vec<Running>,
    notices: mpsc::Receiver<Notice>,
    writer: Option<std::thread::JoinHandle<Drained>>,
    /// Resolves when the writer has ended.
    written: oneshot::Receiver<()>,
    /// Resolves when the way to the server has ended, where there is one.
    relayed: Option<oneshot::Receiver<()>>,
    /// Resolves when the way to the bus has ended, where there is one.
    fanned: Option<oneshot::Receiver<()>>,
    retiring: Retiring,
    /// What is in force.
    present: Present,
    reloads: Option<mpsc::Receiver<Reload>>,
    health: JoinHandle<()>,
    health_at: SocketAddr,
    simulator: Option<Simulator>,
    /// What begins and ends sessions, where several workers share the markets.
    member: Option<Member>,
    /// What it did.
    shared: Option<ClusterSummary>,
}

impl Drop for Parts {
    /// A run that is thrown away leaves nothing at work.
    fn drop(&mut self) {
        self.sessions.iter().for_each(|running| running.task.abort());
        self.queue.close();
        self.health.abort();
    }
}

impl Parts {
    async fn start(
        base: Base<'_>,
        accounts: &Accounts,
        (sqlite, server): (Sqlite, Option<Connected>),
        resume: Resume,
    ) -> Result<Parts, IngestError> {
        let Base { config, metrics, simulator, clock, .. } = base;
        #[cfg(feature = "postgres")]
        let joining = base.joining;
        let ids: Vec<String> = config.venues.iter().map(|venue| venue.id.clone()).collect();
        #[cfg(feature = "postgres")]
        let shards = joining.as_ref().map(|_| cluster::shards(&config.venues, &config.cluster));
        #[cfg(feature = "postgres")]
        let (board, ids) = match &shards {
            None => (Board::new(ids.iter().map(String::as_str)), ids),
            Some(shards) => {
                let names = shards.iter().map(|(_, shard)| (shard.venue(), shard.as_str()));
                (Board::of_shards(names), shards.iter().map(|(_, shard)| shard.venue().to_owned()).collect())
            }
        };
        #[cfg(not(feature = "postgres"))]
        let board = Board::new(ids.iter().map(String::as_str));
        let board = Arc::new(board);
        board.beat(clock.now().mono);
        let queue = Arc::new(Queue::new(config.sink.queue_rows));
        let listener = health::bind(config.health).await?;
        let health_at = listener
            .local_addr()
            .map_err(|source| IngestError::Health { listen: crate::config::DEFAULT_HEALTH, source })?;
        let tls = match (&config.ca, &simulator) {
            (Some(ca), _) => ClientTls::with_ca(ca)?,
            (None, Some(simulator)) => simulator.trust()?,
            (None, None) => ClientTls::new(),
        };
        // Everything that can be refused comes before anything runs, so that a refusal leaves nothing behind.
        let (notify, notices) = mpsc::channel(1_024);
        let crew = Crew {
            clock,
            tls,
            queue: Arc::clone(&queue),
            board: Arc::clone(&board),
            metrics: Arc::clone(&metrics),
            notices: notify,
            seed: config.sim.seed,
            tape: config.tape.clone(),
        };
        let mut prepared = Vec::new();
        for (index, venue) in config.venues.iter().enumerate() {
            let account = prepare::account(venue, accounts, simulator.as_ref());
            // An account's own channels are no shard's.
            #[cfg(feature = "postgres")]
            let account = account.filter(|_| joining.is_none());
            let resume = prepare::of_venue(&resume, &venue.id);
            let simulator = simulator.as_ref();
            prepared.push(crew.prepare(Part { index, venue, account, simulator, resume, tenure: None })?);
        }
        // A member begins its sessions by itself; what could be refused of them has been tried here.
        #[cfg(feature = "postgres")]
        if joining.is_some() {
            prepared.clear();
        }
        let mut relayed = None;
        let mut spool = None;
        #[cfg(feature = "postgres")]
        let mut member = None;
        if let Some(server) = server {
            let outbox = Outbox::open(&config.sink.path, SERVER)?;
            let (relay, bell) = server.begin(outbox, metrics.sink(SERVER, &[]), clock);
            // Set once: the board is new.
            let _ = board.relay.set(Arc::clone(&relay.board));
            let board = Arc::clone(&relay.board);
            #[cfg(feature = "postgres")]
            if let (Some(joining), Some(shards)) = (joining, shards) {
                let works = Works {
                    crew,
                    runtime: tokio::runtime::Handle::current(),
                    venues: config.venues.clone(),
                    cluster: config.cluster.clone(),
                    shards,
                    held: joining.held.clone(),
                    relay: Arc::clone(&board),
                    bell: bell.clone(),
                    process: format!("{}-{}", std::process::id(), clock.now().wall.0),
                    asks: joining.asks(),
                };
                member = Some((joining, works));
            }
            board.hold(config.sink.spool_bytes);
            spool = Some(Spool { bell, board, bytes: metrics.spool() });
            relayed = Some(relay.ended);
        }
        let mut fanned = None;
        let mut bus = None;
        if let Some(fanning) = prepare::fanout(config, &metrics, clock)? {
            // Set once: the board is new.
            let _ = board.fanout.set(fanning.board);
            (fanned, bus) = (Some(fanning.ended), Some(fanning.bell));
        }
        let writer = Writer::new(
            Embedded::new(sqlite, clock, spool, bus),
            resume.cursors,
            &config.sink,
            Arc::clone(&queue),
            Arc::clone(&board.sink),
            metrics.sink(SQLITE, &ids),
            clock,
        );
        let (ended, written) = oneshot::channel();
        let writer = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            // Dropped when the thread ends, however it ends.
            let _ended: oneshot::Sender<()> = ended;
            writer.run()
        });
        let writer = writer.map_err(|_| died("the sink's thread"))?;
        let sessions = prepared.into_iter().map(Prepared::begin).collect();
        #[cfg(feature = "postgres")]
        let member = member.map(|(joining, works)| joining.begin(works));
        #[cfg(not(feature = "postgres"))]
        let member = None;
        let health = Health { board: Arc::clone(&board), metrics: Arc::clone(&metrics), clock };
        let health = tokio::spawn(health::serve(listener, health));
        Ok(Parts {
            board,
            metrics,
            queue,
            clock,
            sessions,
            notices,
            writer: Some(writer),
            written,
            relayed,
            fanned,
            retiring: Retiring::default(),
            present: Present::of(config),
            reloads: None,
            health,
            health_at,
            simulator,
            member,
            shared: None,
        })
    }

    /// Shows how it goes until something ends it.
    async fn watch(
        &mut self,
        console: &mut Console,
        shutdown: impl Future<Output = Ended>,
    ) -> Result<Ended, IngestError> {
        tokio::pin!(shutdown);
        let mut status = Status::default();
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reached_by = Instant::now() + REACHED_WITHIN;
        // A member may have nothing to follow.
        let mut is_reached = self.member.is_some();
        loop {
            tokio::select! {
                ended = &mut shutdown => return Ok(ended),
                notice = self.notices.recv() => match notice {
                    Some(Notice::Book { venue, symbol, bid, ask, seq }) => {
                        let price = |side: Option<venuekit_types::Scaled>| {
                            side.map_or_else(|| "-".to_owned(), |price| price.to_string())
                        };
                        let seq = seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
                        console.line(&format!("{venue} {symbol} live {} / {} seq {seq}", price(bid), price(ask)));
                    }
                    Some(Notice::UnknownSymbol { venue, symbol, candidates }) => {
                        return Err(IngestError::UnknownSymbol { venue: venue.to_string(), symbol, candidates });
                    }
                    None => return Err(died("every session")),
                },
                Some(reload) = next(&mut self.reloads) => self.reload(reload).await,
                _ = &mut self.written => return Err(died("the sink")),
                error = member_ended(&mut self.member) => return Err(error),
                _ = ended(&mut self.relayed) => return Err(died("the way to the server")),
                _ = tick.tick() => {
                    let now = self.clock.now().mono;
                    self.board.beat(now);
                    self.metrics.upkeep();
                    let line = status.look(now, &self.board);
                    match &console.screen {
                        Some(screen) => screen.status(&line.text()),
                        None if status.is_due(now) => line.log(),
                        None => {}
                    }
                    if let Some(dead) = self.sessions.iter().find(|running| running.task.is_finished()) {
                        return Err(died(&format!("the session of {}", dead.venue)));
                    }
                    is_reached = is_reached || self.board.venues.iter().any(|v| !v.lock().streams.is_empty());
                    if !is_reached && Instant::now() >= reached_by {
                        return Err(IngestError::Unreachable { why: self.why_unreached() });
                    }
                }
            }
        }
    }

    fn why_unreached(&self) -> String {
        let said = |venue: &Arc<crate::board::VenueBoard>| {
            let fault = venue.lock().fault.clone();
            format!("{} ({})", venue.venue, fault.as_deref().unwrap_or("no answer at all"))
        };
        self.board.venues.iter().map(said).collect::<Vec<_>>().join(", ")
    }

    /// Takes everything apart, down the stream. What each session made of what it saw, and whether all was stored.
    async fn drain(&mut self) -> (BTreeMap<String, Report>, Result<(), IngestError>) {
        self.board.drain();
        for running in &self.sessions {
            // One that has stopped needs no telling.
            let _ = running.handle.stop().await;
        }
        let mut reports = self.leave().await;
        for running in self.sessions.drain(..) {
            match timeout(STOP_WITHIN, running.task).await {
                Ok(Ok(report)) => {
                    reports.insert(running.venue, report);
                }
                Ok(Err(error)) => tracing::error!(venue = running.venue, "the session died: {error}"),
                Err(_) => tracing::error!(venue = running.venue, "the session did not stop in time"),
            }
        }
        let stored = self.drain_sink().await;
        self.drain_relay().await;
        self.drain_fanout().await;
        if let (Some(shared), Some(relay)) = (&mut self.shared, self.board.relay.get()) {
            shared.rows_fenced = relay.lock().fenced;
        }
        let stopped = match self.simulator.take() {
            Some(simulator) => simulator.stop().await,
            None => Ok(()),
        };
        self.health.abort();
        (reports, stored.and(stopped))
    }

    /// Gives shards to others; what their sessions made of what they saw.
    #[cfg(feature = "postgres")]
    async fn leave(&mut self) -> BTreeMap<String, Report> {
        let Some(member) = self.member.take() else { return BTreeMap::new() };
        let Some(Outcome { summary, reports, .. }) = member.leave().await else {
            tracing::error!("the member did not leave in time; its leases end by themselves");
            return BTreeMap::new();
        };
        self.shared = Some(summary);
        reports
    }

    #[cfg(not(feature = "postgres"))]
    async fn leave(&mut self) -> BTreeMap<String, Report> {
        BTreeMap::new()
    }

    /// Gives the server what it takes in time; the rest waits in the spool.
    async fn drain_relay(&mut self) {
        let Some(relay) = self.board.relay.get() else { return };
        if timeout(DRAIN_WITHIN, ended(&mut self.relayed)).await.is_err() {
            relay.hurry();
            if timeout(GIVE_UP_WITHIN, ended(&mut self.relayed)).await.is_err() {
                tracing::warn!("the server does not answer; it is left");
            }
        }
        let state = relay.lock().clone();
        if state.trouble.is_some() || state.behind > 0 {
            tracing::warn!(batches = state.behind, "rows wait in the spool for the next run");
        }
    }

    /// Tells the bus what it takes in time; the rest waits in the store.
    async fn drain_fanout(&mut self) {
        let Some(fanout) = self.board.fanout.get() else { return };
        if timeout(DRAIN_WITHIN, ended(&mut self.fanned)).await.is_err() {
            fanout.hurry();
            if timeout(GIVE_UP_WITHIN, ended(&mut self.fanned)).await.is_err() {
                tracing::warn!("the bus does not answer; it is left");
            }
        }
        let state = fanout.lock().clone();
        if state.trouble.is_some() || state.behind > 0 {
            tracing::warn!(batches = state.behind, "messages wait in the store for the next run");
        }
    }

    async fn drain_sink(&mut self) -> Result<(), IngestError> {
        self.queue.close();
        if timeout(DRAIN_WITHIN, &mut self.written).await.is_err() {
            self.queue.give_up();
            // Still busy: a commit that hangs cannot be called back, only left.
            if timeout(GIVE_UP_WITHIN, &mut self.written).await.is_err() {
                let rows = self.queue.depth();
                return Err(IngestError::NotStored { rows, why: "a commit hangs".to_owned() });
            }
        }
        let Some(writer) = self.writer.take() else { return Ok(()) };
        match writer.join() {
            Ok(Drained { lost: 0 }) => Ok(()),
            Ok(Drained { lost }) => {
                let why = self.board.sink.lock().trouble.take().map(|(_, why)| why.to_string());
                Err(IngestError::NotStored { rows: lost, why: why.unwrap_or_default() })
            }
            Err(_) => Err(died("the sink")),
        }
    }
}

/// The server that takes the rows, where the config or a cluster wants one.
#[cfg(feature = "postgres")]
async fn server(
    kind: SinkKind,
    dsn: Option<Dsn>,
    world: &World,
    joining: Option<&Joining>,
) -> Result<Option<Connected>, IngestError> {
    match (joining, kind) {
        (Some(joining), _) => {
            let dsn = dsn.ok_or(DsnError::Absent)?;
            relay::connect_fenced(dsn, world.clone(), joining.held.clone()).await.map(Some)
        }
        (None, SinkKind::Sqlite) => Ok(None),
        (None, SinkKind::Postgres) => {
            relay::connect(dsn.ok_or(DsnError::Absent)?, world.clone()).await.map(Some)
        }
    }
}

/// Refuses what only a worker by itself can do.
#[cfg(feature = "postgres")]
fn refuse_alone(config: &Config, embedded: &[&str]) -> Result<(), IngestError> {
    match embedded.first() {
        Some(venue) => Err(IngestError::NotShared { venue: (*venue).to_owned() }),
        None if config.tape.is_some() => Err(IngestError::NoTape),
        None => Ok(()),
    }
}

/// Waits for the end of a member that nobody asked for; for ever where there is none.
async fn member_ended(member: &mut Option<Member>) -> IngestError {
    match member {
        #[cfg(feature = "postgres")]
        Some(member) => member.ended().await,
        #[cfg(not(feature = "postgres"))]
        Some(never) => match *never {},
        None => std::future::pending().await,
    }
}

/// Waits for the next change; for ever where none can come.
async fn next(reloads: &mut Option<mpsc::Receiver<Reload>>) -> Option<Reload> {
    match reloads {
        Some(reloads) => reloads.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits for an end; for ever where there is nothing that could.
async fn ended(part: &mut Option<oneshot::Receiver<()>>) {
    match part {
        Some(ended) => {
            // It is only ever dropped.
            let _ = ended.await;
            *part = None;
        }
        None => std::future::pending().await,
    }
}

fn died(part: &str) -> IngestError {
    IngestError::Died { part: part.to_owned() }
}

async fn write_private(path: &Path, text: &str) -> Result<(), IngestError> {
    use tokio::io::AsyncWriteExt as _;
    let write = async {
        let mut file = crate::simulator::create_private(path).await?;
        file.write_all(text.as_bytes()).await?;
        file.write_all(b"\n").await?;
        file.flush().await
    };
    write.await.map_err(|source| IngestError::File { path: path.to_owned(), source })
}
