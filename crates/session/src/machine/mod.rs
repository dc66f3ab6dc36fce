//! The session: one owner of every connection, stream and request of a venue. Two verbs, no IO.
//!
//! The parts: `lines` opens, logs in, rotates and reopens connections; `subscribe` speaks on them; `frames` turns
//! decoded messages into events; `resync` heals streams and watches their silence; `fetch` owns what goes by REST.

mod fetch;
mod frames;
mod lines;
mod report;
mod resync;
mod subscribe;

pub use report::Report;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use venuekit_book::{Book, Gap, NotLive, State, View};
use venuekit_types::{Mono, Now, Symbol, UnixNanos};
use venuekit_venue::{Ask, Catalog, Channel, EventBuf, Fault, FaultKind, Place, Retry, Spec, Topic, Venue};

use crate::backoff::Backoff;
use crate::config::{self, Config, ConfigError, Limits, Origins};
use crate::conn::{Conn, Line};
use crate::event::{Arena, Emission, Event, StreamInfo};
use crate::io::{Command, ConnId, Input, LineId, Output, Persist, PersistId, RequestId, StreamId, Timer};
use crate::rest::{Job, Rest};
use crate::stream::{Rule, Stream};
use crate::timers::Timers;

/// One product as the session knows it.
struct Product {
    enabled: bool,
    loaded: bool,
    catalog: Catalog,
    origins: Origins,
    /// Index into the session's `rests`.
    rest: usize,
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
    Request { rest: usize, job: Box<Job> },
    Persist { id: PersistId, what: Persist },
    Emit(Event),
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
    persists: BTreeMap<PersistId, (StreamId, u32)>,
    next_conn: u32,
    next_request: u64,
    next_persist: u64,
    started: bool,
    stopped: bool,
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
        for spec in venue.specs() {
            let enabled = config.wants.iter().any(|want| concerns(spec, want));
            let origins = match config::origins(&config, spec) {
                Ok(origins) => origins,
                Err(_) if !enabled => Origins { rest: String::new(), stream: String::new() },
                Err(error) => return Err(error),
            };
            let rest = match rests.iter().position(|rest| rest.origin == origins.rest) {
                Some(known) => known,
                None => {
                    rests.push(Rest::new(
                        origins.rest.clone(),
                        &spec.budgets,
                        limits.requests_at_once,
                        limits.snapshots_at_once,
                    ));
                    rests.len() - 1
                }
            };
            let backoff = || Backoff::new(limits.backoff_base, limits.backoff_cap);
            products.push(Product {
                enabled,
                loaded: false,
                catalog: Catalog::new(),
                origins,
                rest,
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
            next_conn: 0,
            next_request: 0,
            next_persist: 0,
            started: false,
            stopped: false,
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
            Input::Persisted { id, value } => self.on_persisted(now, id, value),
            Input::Shed { conn } => self.on_shed(now, conn),
            Input::Command(Command::Resync(stream)) => self.on_resync_command(now, stream),
            Input::Command(Command::Stop) => self.stop(),
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
            Out::Request { rest, job } => {
                Output::Request { id: job.id, origin: &self.rests[*rest].origin, request: &job.request }
            }
            Out::Persist { id, what } => Output::Persist { id: *id, what: *what },
            Out::Emit(event) => Output::Emit(Emission { event, arena: &self.arena }),
        }
    }

    /// The venue it runs over.
    pub fn venue(&self) -> &Arc<dyn Venue> {
        &self.venue
    }

    /// The instruments of a product, as far as they are known.
    pub fn catalog(&self, product: usize) -> &Catalog {
        &self.products[product].catalog
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

    /// Every stream, with its state.
    pub fn streams(&self) -> impl Iterator<Item = StreamStatus<'_>> {
        self.streams.iter().map(|stream| StreamStatus {
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
        for product in 0..self.products.len() {
            if self.products[product].enabled {
                self.timers.set(Timer::Instruments(product), now.mono);
            }
        }
    }

    fn stop(&mut self) {
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
            Timer::Healthy(conn) => self.on_healthy(conn),
            Timer::Age(conn) => self.on_age(now, conn),
            Timer::Overlap(line) => self.on_overlap_timeout(now, line),
            Timer::Live(stream) => self.on_live_timeout(now, stream),
            Timer::Data(stream) => self.on_data_deadline(now, stream),
            Timer::Probe(stream) => self.on_probe_timeout(now, stream),
            Timer::Refetch(stream) => self.resync_now(now, stream),
            Timer::Response(id) => self.on_failed(now, id, "no answer in time"),
            Timer::Budget(_) => {}
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
        let persist = PersistId(self.next_persist);
        self.next_persist += 1;
        self.persists.insert(persist, (id, count));
        self.out.push(Out::Persist { id: persist, what: Persist::Epochs { stream: id, count } });
    }

    fn on_persisted(&mut self, now: Now, id: PersistId, value: u64) {
        let Some((stream, count)) = self.persists.remove(&id) else { return };
        let s = self.stream(stream);
        s.epochs.refill(value, count);
        // A snapshot that found no epoch was let go; now there is one.
        if s.told != State::Live && s.primary.as_ref().is_some_and(|feed| feed.listens() && !feed.is_live()) {
            self.resync_now(now, stream);
        }
    }

    // ---- wishes to streams ----

    /// Makes streams of the wishes that can be understood now.
    fn resolve_wants(&mut self, now: Now) {
        let all_loaded = self.products.iter().all(|product| !product.enabled || product.loaded);
        let wants = core::mem::take(&mut self.unresolved);
        let mut opened = Vec::new();
        for want in wants {
            let found = self.candidates(&want);
            let is_star = want.symbol == "*";
            let is_account = want.channel.is_private();
            match found.as_slice() {
                [] if all_loaded => {
                    self.emit(Event::UnknownSymbol { symbol: want.symbol, candidates: Vec::new() })
                }
                _ if is_star || is_account => {
                    for (product, market) in &found {
                        self.add_stream(*product, *market, want.channel, &mut opened);
                    }
                    if !all_loaded {
                        self.unresolved.push(want);
                    }
                }
                [] => self.unresolved.push(want),
                [(product, market)] if all_loaded || self.is_exact(*product, *market, &want.symbol) => {
                    self.add_stream(*product, *market, want.channel, &mut opened);
                }
                [_] => self.unresolved.push(want),
                several => {
                    let candidates = several
                        .iter()
                        .filter_map(|(product, market)| {
                            Some(self.products[*product].catalog.get((*market)?)?.symbol.clone())
                        })
                        .collect();
                    self.emit(Event::UnknownSymbol { symbol: want.symbol, candidates });
                }
            }
        }
        for line in opened {
            self.timers.set_earlier(Timer::Retry(line), now.mono);
        }
    }

    /// The markets a wish could mean, among the products that are loaded.
    fn candidates(&self, want: &config::Want) -> Vec<(usize, Option<venuekit_venue::MarketId>)> {
        let mut found = Vec::new();
        for (index, product) in self.products.iter().enumerate() {
            let spec = &self.venue.specs()[index];
            if !product.loaded || !concerns(spec, want) {
                continue;
            }
            if want.channel.is_private() {
                found.push((index, None));
                continue;
            }
            for (market, instrument) in product.catalog.iter() {
                let wanted = if want.symbol == "*" {
                    instrument.status == venuekit_types::Status::Trading
                } else {
                    spells(&want.symbol, instrument)
                };
                if wanted {
                    found.push((index, Some(market)));
                }
            }
        }
        // The unified spelling means what it says, even where a shorter one is shared.
        if found.len() > 1 && want.symbol != "*" && !want.channel.is_private() {
            let exact: Vec<_> = found
                .iter()
                .copied()
                .filter(|(product, market)| self.is_exact(*product, *market, &want.symbol))
                .collect();
            if exact.len() == 1 {
                return exact;
            }
        }
        found
    }

    fn is_exact(&self, product: usize, market: Option<venuekit_venue::MarketId>, text: &str) -> bool {
        market
            .and_then(|market| self.products[product].catalog.get(market))
            .is_some_and(|instrument| instrument.symbol.as_str().eq_ignore_ascii_case(text))
    }

    fn add_stream(
        &mut self,
        product: usize,
        market: Option<venuekit_venue::MarketId>,
        channel: Channel,
        opened: &mut Vec<LineId>,
    ) {
        let topic = Topic { channel, market };
        if self.products[product].by_topic.contains_key(&topic) {
            return;
        }
        let venue = Arc::clone(&self.venue);
        let spec = &venue.specs()[product];
        let (Some(rule), Some(socket)) =
            (Rule::of(spec, channel, self.limits.book), spec.socket_for(channel))
        else {
            return;
        };
        let id = StreamId(u32::try_from(self.streams.len()).expect("fewer than 2^32 streams"));
        let instrument = market.and_then(|market| self.products[product].catalog.get(market));
        let info = StreamInfo {
            stream: id,
            product,
            channel,
            market,
            symbol: instrument.map(|instrument| instrument.symbol.clone()),
            venue_symbol: instrument.map(|i| i.venue_symbol.clone()).unwrap_or_default(),
            price_scale: instrument.map(|i| i.price_scale).unwrap_or_default(),
            qty_scale: instrument.map(|i| i.qty_scale).unwrap_or_default(),
        };
        let private = channel.is_private();
        let room = spec.sockets[socket].limits.max_streams;
        let line = self.line_with_room(product, socket, private, room);
        self.lines[line.0 as usize].streams.push(id);
        self.streams.push(Stream::new(info.clone(), line, rule, &self.limits));
        self.products[product].by_topic.insert(topic, id);
        self.emit(Event::Stream(info));
        self.top_up_epochs(id);
        opened.push(line);
    }

    fn line_with_room(&mut self, product: usize, socket: usize, private: bool, room: usize) -> LineId {
        let fits = |line: &Line| {
            line.product == product
                && line.socket == socket
                && line.private == private
                && line.streams.len() < room
        };
        let found = self.lines.iter().position(fits).unwrap_or_else(|| {
            self.lines.push(Line {
                product,
                socket,
                private,
                streams: Vec::new(),
                backoff: Backoff::new(self.limits.backoff_base, self.limits.backoff_cap),
                current: None,
                next: None,
                held: false,
                login_strikes: 0,
                isolate: false,
                stopped: None,
            });
            self.lines.len() - 1
        });
        LineId(u32::try_from(found).expect("fewer lines than streams"))
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

/// Whether a product could satisfy a wish.
fn concerns(spec: &Spec, want: &config::Want) -> bool {
    spec.offers(want.channel) && want.product.as_ref().is_none_or(|product| *product == spec.product)
}

/// Whether a text, in any case, is one of the spellings of an instrument.
fn spells(text: &str, instrument: &venuekit_types::Instrument) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
    };
    let symbol: &Symbol = &instrument.symbol;
    let pair = || format!("{}{}", symbol.base(), symbol.quote());
    text.eq_ignore_ascii_case(symbol.as_str())
        || text.eq_ignore_ascii_case(&instrument.venue_symbol)
        || (!text.contains('/') && plain(text) == plain(&pair()))
}

fn check_want(specs: &[Spec], want: &config::Want, config: &Config) -> Result<(), ConfigError> {
    let venue = || specs.first().map(|spec| spec.venue.clone()).unwrap_or_default();
    if let Some(product) = &want.product
        && !specs.iter().any(|spec| spec.product == *product)
    {
        let known = specs.iter().map(|spec| spec.product.clone()).collect();
        return Err(ConfigError::UnknownProduct { venue: venue(), product: product.clone(), known });
    }
    if !specs.iter().any(|spec| concerns(spec, want)) {
        let mut known: Vec<String> = specs
            .iter()
            .filter(|spec| want.product.as_ref().is_none_or(|product| *product == spec.product))
            .flat_map(|spec| spec.sockets.iter().flat_map(|socket| &socket.carries))
            .map(|channel| channel.as_str().to_owned())
            .collect();
        known.dedup();
        return Err(ConfigError::UnknownChannel {
            venue: venue(),
            product: want.product.clone(),
            channel: want.channel.as_str(),
            known,
        });
    }
    if want.channel.is_private() {
        let channel = want.channel.as_str();
        if config.credentials.is_none() {
            return Err(ConfigError::NoCredentials { venue: venue(), channel });
        }
        for spec in specs.iter().filter(|spec| concerns(spec, want)) {
            let login = spec.socket_for(want.channel).map(|at| spec.sockets[at].login);
            if let Some(login) = login.and_then(lines::unsupported) {
                return Err(ConfigError::UnsupportedLogin { venue: venue(), channel, login });
            }
        }
    }
    Ok(())
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
        Event::Connected { .. } => "connected",
        Event::Disconnected { .. } => "disconnected",
        Event::Broken { .. } => "broken",
        Event::Fault { .. } => "fault",
    }
}

/// A book that tracks the same stream on a new connection.
fn fresh_book(stream: &Stream) -> Book {
    Book::new(stream.rule.rules)
}

impl Session {
    fn ask_of(&mut self, product: usize, ask: &Ask) -> Option<venuekit_venue::HttpRequest> {
        self.venue.ask(self.place(product, 0), ask)
    }

    fn request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }
}
