//! The session: one owner of every connection, stream and request of a venue. Two verbs, no IO.
//!
//! The parts: `wishes` makes streams of what was asked for; `lines` opens, logs in, rotates and reopens connections;
//! `subscribe` speaks on them; `frames` and `books` turn decoded messages into events; `resync` heals streams and
//! watches their silence, `audit` holds live books against the venue's; `fetch` owns what public streams need by REST, `private` what private ones do; `requests`
//! signs and sends, and keeps the venue's clock; `commands` owns what callers ask for and what became of it; `change`
//! owns what is changed meanwhile: the key, and what is followed.

pub(crate) mod audit;
mod books;
mod change;
mod commands;
mod fetch;
mod frames;
mod lines;
mod private;
mod report;
mod requests;
mod resync;
mod subscribe;
mod wishes;

pub use report::Report;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use venuekit_book::{Book, Gap, NotLive, State, View};
use venuekit_types::{Mono, Now, UnixNanos};
use venuekit_venue::spec::Nonce;
use venuekit_venue::{Catalog, EventBuf, Fault, FaultKind, HttpRequest, Place, Retry, Spec, Topic, Venue};

use self::commands::Pending;
use self::wishes::{check_product, check_want, concerns};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::clock::ClockReading;
use crate::command::{Command, CommandId, Persist};
use crate::config::{self, Config, ConfigError, Limits, Origins};
use crate::conn::{Conn, Line};
use crate::event::{Arena, Emission, Event, StreamInfo};
use crate::io::{ConnId, Input, Output, PersistId, RequestId, StreamId, Timer};
use crate::rest::{Bounds, Rest};
use crate::stream::Stream;
use crate::timers::Timers;

/// One product as the session knows it.
struct Product {
    enabled: bool,
    loaded: bool,
    catalog: Catalog,
    origins: Origins,
    /// Index into the session's `rests`.
    rest: usize,
    /// As `rest`, of its other origins by name.
    others: Vec<(&'static str, usize)>,
    by_topic: BTreeMap<Topic, StreamId>,
    /// Attempts at the stream host since one succeeded, shared by its lines: one knocks, the others wait.
    host_backoff: Backoff,
    host_down_until: Option<Mono>,
    instruments_backoff: Backoff,
}

/// An output that waits to be polled.
enum Out {
    Connect { conn: ConnId, url: String, max_message: usize, max_frame: usize },
    Send { conn: ConnId, bytes: core::ops::Range<usize> },
    Ping { conn: ConnId },
    Close { conn: ConnId, reason: crate::io::CloseReason },
    Request { rest: usize, id: RequestId, request: Box<HttpRequest> },
    Persist { id: PersistId, what: Persist },
    Emit(Event),
}

/// What a durable step is for.
enum Persisting {
    Epochs(StreamId, u32),
    Intent(CommandId),
    /// Nobody waits for it.
    Nothing,
}

/// A session over one venue: connects, logs in, subscribes, keeps every stream provably whole, and says so.
///
/// After each [`Session::handle`], call [`Session::poll`] until it gives [`Output::Wait`].
pub struct Session {
    venue: Arc<dyn Venue>,
    config: Config,
    limits: Limits,
    rng: fastrand::Rng,
    products: Vec<Product>,
    rests: Vec<Rest>,
    lines: Vec<Line>,
    conns: BTreeMap<ConnId, Conn>,
    streams: Vec<Stream>,
    unresolved: Vec<config::Want>,
    timers: Timers,
    persists: BTreeMap<PersistId, Persisting>,
    commands: BTreeMap<CommandId, Pending>,
    clock: Clock,
    /// Books that are held against their venue, by product.
    audits: BTreeMap<usize, audit::Audit>,
    audited: u64,
    /// Whether the venue was asked for its time.
    measuring: bool,
    next_conn: u32,
    next_request: u64,
    next_persist: u64,
    started: bool,
    stopped: bool,
    /// What it is fed was sent to another program; see [`Session::hear_alone`].
    hears_alone: bool,
    /// Since when the present key signs.
    keyed_at: Mono,
    /// Decode buffers, reused.
    buf: EventBuf,
    spare: EventBuf,
    out: Vec<Out>,
    polled: usize,
    arena: Arena,
    frames: u64,
    decode_errors: u64,
    event_counts: BTreeMap<&'static str, u64>,
}

impl Session {
    /// A session that has done nothing yet; its first [`Input::Tick`] starts it.
    ///
    /// **Errors**: [`ConfigError`] when the wishes do not fit the venue.
    pub fn new(venue: Arc<dyn Venue>, config: Config) -> Result<Session, ConfigError> {
        let mut products = Vec::new();
        let mut rests: Vec<Rest> = Vec::new();
        let limits = config.limits.clone();
        for want in &config.wants {
            check_want(venue.specs(), want, &config)?;
        }
        for product in &config.products {
            check_product(venue.specs(), product)?;
        }
        for spec in venue.specs() {
            let enabled = config.wants.iter().any(|want| concerns(spec, want))
                || config.products.contains(&spec.product)
                || config
                    .intents
                    .iter()
                    .any(|intent| intent.venue == spec.venue && intent.product == spec.product);
            let origins = match config::origins(&config, spec) {
                Ok(origins) => origins,
                Err(_) if !enabled => Origins::default(),
                Err(error) => return Err(error),
            };
            let mut rest_of = |origin: &String| {
                let at = rests.iter().position(|rest| rest.origin == *origin).unwrap_or_else(|| {
                    let bounds = Bounds {
                        reads: limits.requests_at_once,
                        snapshots: limits.snapshots_at_once,
                        queue: limits.queued_requests,
                    };
                    rests.push(Rest::new(origin.clone(), bounds));
                    rests.len() - 1
                });
                rests[at].add_budgets(&spec.budgets);
                if spec.nonce == Nonce::Rising {
                    rests[at].be_serial();
                }
                at
            };
            let rest = rest_of(&origins.rest);
            let others = origins.others.iter().map(|(name, origin)| (*name, rest_of(origin))).collect();
            let backoff = || Backoff::new(limits.backoff_base, limits.backoff_cap);
            products.push(Product {
                enabled,
                loaded: false,
                catalog: Catalog::new(),
                origins,
                rest,
                others,
                by_topic: BTreeMap::new(),
                host_backoff: backoff(),
                host_down_until: None,
                instruments_backoff: backoff(),
            });
        }
        Ok(Session {
            rng: fastrand::Rng::with_seed(config.seed),
            unresolved: config.wants.clone(),
            venue,
            config,
            limits,
            products,
            rests,
            lines: Vec::new(),
            conns: BTreeMap::new(),
            streams: Vec::new(),
            timers: Timers::default(),
            persists: BTreeMap::new(),
            commands: BTreeMap::new(),
            clock: Clock::default(),
            audits: BTreeMap::new(),
            audited: 0,
            measuring: false,
            next_conn: 0,
            next_request: 0,
            next_persist: 0,
            started: false,
            stopped: false,
            hears_alone: false,
            keyed_at: Mono(0),
            buf: EventBuf::new(),
            spare: EventBuf::new(),
            out: Vec::new(),
            polled: 0,
            arena: Arena::default(),
            frames: 0,
            decode_errors: 0,
            event_counts: BTreeMap::new(),
        })
    }

    /// From now on it is fed what the venue said to another program. Nobody answers what it says itself, so it takes
    /// every wish as granted and waits for nothing; and whichever connection a frame comes on, it is for the stream
    /// that it names.
    pub(crate) fn hear_alone(&mut self) {
        self.hears_alone = true;
    }

    /// The product of a connection.
    pub(crate) fn product_of(&self, conn: ConnId) -> Option<usize> {
        self.conns.get(&conn).map(|conn| conn.product)
    }

    /// Takes what happened outside.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.polled >= self.out.len() {
            self.out.clear();
            self.arena.clear();
            self.polled = 0;
        }
        match input {
            Input::Opened { conn } => self.on_opened(now, conn),
            Input::Frame { conn, bytes } => self.on_frame(now, conn, bytes),
            Input::Pong { conn } => self.on_pong(now, conn),
            Input::Closed { conn, why } => self.on_closed(now, conn, why),
            Input::Response { id, reply } => self.on_response(now, id, &reply),
            Input::Failed { id, why } => self.on_failed(now, id, why),
            Input::Unsent { id, why } => self.on_unsent(now, id, why),
            Input::Persisted { id, value } => self.on_persisted(now, id, value),
            Input::Shed { conn } => self.on_shed(now, conn),
            Input::Command(Command::Resync(stream)) => self.on_resync_command(now, stream),
            Input::Command(Command::Ask(command)) => self.on_ask(now, *command),
            Input::Command(Command::Share(sessions)) => {
                self.rests.iter_mut().for_each(|rest| rest.share(sessions));
            }
            Input::Command(Command::Follow(wants)) => self.on_follow(now, wants),
            Input::Command(Command::Stop) => self.stop(now),
            Input::Credentials { credentials } => self.on_credentials(now, credentials),
            Input::Tick => self.start(now),
        }
        // A deadline that passed is served whatever woke us, so that a late tick changes nothing.
        while let Some(timer) = self.timers.pop_due(now.mono) {
            self.on_timer(now, timer);
        }
        self.pump_requests(now);
    }

    /// Gives what is to be done next; [`Output::Wait`] ends a round.
    #[must_use]
    pub fn poll(&mut self) -> Output<'_> {
        let Some(out) = self.out.get(self.polled) else {
            return Output::Wait(self.timers.next());
        };
        self.polled += 1;
        match out {
            Out::Connect { conn, url, max_message, max_frame } => {
                Output::Connect { conn: *conn, url, max_message: *max_message, max_frame: *max_frame }
            }
            Out::Send { conn, bytes } => {
                Output::Send { conn: *conn, bytes: &self.arena.bytes[bytes.clone()] }
            }
            Out::Ping { conn } => Output::Ping { conn: *conn },
            Out::Close { conn, reason } => Output::Close { conn: *conn, reason: *reason },
            Out::Request { rest, id, request } => {
                Output::Request { id: *id, origin: &self.rests[*rest].origin, request }
            }
            Out::Persist { id, what } => Output::Persist { id: *id, what: what.clone() },
            Out::Emit(event) => Output::Emit(Emission { event, arena: &self.arena }),
        }
    }

    /// Frames taken so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Who it speaks for.
    pub(crate) fn credentials(&self) -> Option<&venuekit_sign::Credentials> {
        self.config.credentials.as_ref()
    }

    /// The venue it runs over.
    pub fn venue(&self) -> &Arc<dyn Venue> {
        &self.venue
    }

    /// The instruments of a product, as far as they are known.
    pub fn catalog(&self, product: usize) -> &Catalog {
        &self.products[product].catalog
    }

    /// Whether a product of the venue is served: it was named, or something of it is followed.
    pub fn serves(&self, product: usize) -> bool {
        self.products.get(product).is_some_and(|known| known.enabled)
    }

    /// Whether every product that is served has listed its instruments.
    pub fn is_listed(&self) -> bool {
        self.products.iter().all(|product| !product.enabled || product.loaded)
    }

    /// How the venue's clock stands to ours; nothing while it was not measured.
    pub fn clock(&self, now: Now) -> Option<ClockReading> {
        self.clock.reading(now)
    }

    /// The book of a stream, if it is live.
    ///
    /// **Errors**: [`NotLive`] says what it is instead, and why.
    pub fn book(&self, stream: StreamId, now: Now) -> Result<View<'_>, NotLive> {
        let Some(stream) = self.streams.get(stream.0 as usize).filter(|stream| stream.is_book()) else {
            return Err(NotLive { state: State::Empty, gap: None });
        };
        match &stream.primary {
            Some(feed) => feed.book.view(now),
            None => Err(NotLive { state: State::Empty, gap: stream.gap }),
        }
    }

    /// Every stream that is followed, with its state.
    pub fn streams(&self) -> impl Iterator<Item = StreamStatus<'_>> {
        self.streams.iter().filter(|stream| !stream.left).map(|stream| StreamStatus {
            info: &stream.info,
            state: stream.state(),
            gap: stream.gap,
            seq: stream.primary.as_ref().and_then(|feed| feed.book.last_id()),
            last_data: stream.last_data_wall,
            stopped: stream.stopped.as_ref(),
        })
    }

    // ---- small pieces that every part uses ----

    fn emit(&mut self, event: Event) {
        *self.event_counts.entry(kind_of(&event)).or_default() += 1;
        self.out.push(Out::Emit(event));
    }

    fn spec(&self, product: usize) -> &Spec {
        &self.venue.specs()[product]
    }

    fn place(&self, product: usize, socket: usize) -> Place<'_> {
        Place { product, socket, catalog: &self.products[product].catalog }
    }

    fn stream(&mut self, id: StreamId) -> &mut Stream {
        &mut self.streams[id.0 as usize]
    }

    fn fault(&mut self, product: usize, route: impl Into<Cow<'static, str>>, fault: Fault) {
        self.emit(Event::Fault { product, route: route.into(), fault });
    }

    // ---- life ----

    fn start(&mut self, now: Now) {
        if self.started || self.stopped {
            return;
        }
        self.started = true;
        self.resume_bans(now);
        self.take_listed(now);
        for product in 0..self.products.len() {
            if self.products[product].enabled && !self.products[product].loaded {
                self.timers.set(Timer::Instruments(product), now.mono);
            }
        }
        self.measure(now);
        self.resume_intents(now);
    }

    fn stop(&mut self, now: Now) {
        self.stop_commands();
        self.drop_tokens(now);
        self.tell_used(now);
        self.stopped = true;
        let open: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in open {
            self.out.push(Out::Close { conn, reason: crate::io::CloseReason::Stopped });
        }
        self.conns.clear();
        self.timers.clear();
        for rest in &mut self.rests {
            rest.clear();
        }
    }

    fn on_timer(&mut self, now: Now, timer: Timer) {
        if self.hears_alone && timer.awaits_peer() {
            return;
        }
        match timer {
            Timer::Instruments(product) => self.ask_instruments(now, product),
            Timer::Retry(line) => self.open_line(now, line),
            Timer::Open(conn) => self.close(now, conn, crate::io::CloseReason::OpenTimeout),
            Timer::QuietStart(conn) => self.begin_login(now, conn),
            Timer::Login(conn) => self.close(now, conn, crate::io::CloseReason::LoginTimeout),
            Timer::Answer(conn) => self.on_answer_timeout(now, conn),
            Timer::Pace(conn) => self.pump(now, conn),
            Timer::Ping(conn) => self.on_ping_due(now, conn),
            Timer::Pong(conn) => self.close(now, conn, crate::io::CloseReason::NoPong),
            Timer::Beat(conn) => self.on_beat_due(now, conn),
            Timer::Healthy(conn) => self.on_healthy(conn),
            Timer::Age(conn) => self.on_age(now, conn),
            Timer::Overlap(line) => self.on_overlap_timeout(now, line),
            Timer::Live(stream) => self.on_live_timeout(now, stream),
            Timer::Data(stream) => self.on_data_deadline(now, stream),
            Timer::Probe(stream) => self.on_probe_timeout(now, stream),
            Timer::Refetch(stream) => self.resync_now(now, stream),
            Timer::Response(id) => self.on_failed(now, id, "no answer in time"),
            Timer::Budget(_) => {}
            Timer::Leave(command) => self.on_leave_timeout(command),
            Timer::Lookup(command) => self.on_lookup_due(now, command),
            Timer::Used => self.tell_used(now),
            Timer::Clock => self.on_clock_due(now),
            Timer::Renew(line) => self.on_renew_due(now, line),
            Timer::Compare(stream) => self.on_compare_due(now, stream),
            Timer::Audit(product) => self.on_audit_due(now, product),
        }
    }

    // ---- epochs ----

    /// Reserves epochs ahead, so that a snapshot never waits for the disk.
    fn top_up_epochs(&mut self, id: StreamId) {
        let count = self.limits.epoch_block.max(1);
        let stream = &mut self.streams[id.0 as usize];
        if !stream.is_book() || stream.epochs.asked || stream.epochs.left() > u64::from(count / 2) {
            return;
        }
        stream.epochs.asked = true;
        self.persist(Persisting::Epochs(id, count), Persist::Epochs { stream: id, count });
    }

    fn on_persisted(&mut self, now: Now, id: PersistId, value: u64) {
        let (stream, count) = match self.persists.remove(&id) {
            Some(Persisting::Epochs(stream, count)) => (stream, count),
            Some(Persisting::Intent(command)) => return self.on_intent_kept(command),
            Some(Persisting::Nothing) | None => return,
        };
        let s = self.stream(stream);
        s.epochs.refill(value, count);
        // A snapshot that found no epoch was let go; now there is one.
        if core::mem::take(&mut s.epochs.missed)
            && s.told != State::Live
            && s.primary.as_ref().is_some_and(|feed| feed.listens() && !feed.is_live())
        {
            self.resync_now(now, stream);
        }
    }
}

/// A stream and its state, as `/readyz` shows it.
#[derive(Clone, Copy, Debug)]
pub struct StreamStatus<'a> {
    /// What it is.
    pub info: &'a StreamInfo,
    /// Its state.
    pub state: State,
    /// Why it is not live, or what it lost last.
    pub gap: Option<Gap>,
    /// The number it stands at.
    pub seq: Option<u64>,
    /// When it last had data; zero when never.
    pub last_data: UnixNanos,
    /// Why it was given up.
    pub stopped: Option<&'a Fault>,
}

/// A fault of the carrier: no answer at all.
fn transport_fault(why: &str) -> Fault {
    Fault {
        kind: FaultKind::Transport,
        code: None,
        text: why.to_owned(),
        retry: Retry::After(core::time::Duration::ZERO),
    }
}

fn kind_of(event: &Event) -> &'static str {
    match event {
        Event::Stream(_) => "stream",
        Event::Instrument { .. } => "instrument",
        Event::UnknownSymbol { .. } => "unknown_symbol",
        Event::State { .. } => "state",
        Event::GapOpened(_) => "gap_opened",
        Event::GapHealed(_) => "gap_healed",
        Event::Book(change) if change.is_snapshot => "book_snapshot",
        Event::Book(_) => "book_change",
        Event::Trade(_) => "trade",
        Event::Ticker { .. } => "ticker",
        Event::Candle { .. } => "candle",
        Event::Order { .. } => "order",
        Event::Position { .. } => "position",
        Event::Balance { .. } => "balance",
        Event::Fill { .. } => "fill",
        Event::Committed { .. } => "committed",
        Event::Stopped { .. } => "stopped",
        Event::Left { .. } => "left",
        Event::Connected { .. } => "connected",
        Event::Disconnected { .. } => "disconnected",
        Event::Answered { .. } => "answered",
        Event::Done { .. } => "done",
        Event::Resolved { .. } => "resolved",
        Event::Clock { .. } => "clock",
        Event::OffGrid { .. } => "off_grid",
        Event::Broken { .. } => "broken",
        Event::Fault { .. } => "fault",
    }
}

/// A book that tracks the same stream on a new connection.
fn fresh_book(stream: &Stream) -> Book {
    let mut book = Book::new(stream.rule.rules);
    book.set_tick(stream.tick);
    book
}
