//! One session and one venue's server side in a virtual network: no socket, no sleep, one seed.
//!
//! Time jumps from one thing that happens to the next, so an hour of quiet costs nothing and the same seed gives the
//! same trace. The link delays each direction and keeps the order of each connection, as TCP does; what goes wrong
//! beyond that is the simulator's business, or the [`Weather`] of the link.

use core::time::Duration;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest, Sha256};
use venuekit_session::tape::Row;
use venuekit_session::{
    About, ConnId, Emission, Input, Output, Persist, PersistId, Recorder, RequestId, Session, StreamId, Used,
};
use venuekit_sim::{Front, FrontInput, FrontOutput, Request, Response};
use venuekit_types::{Mono, Now, UnixNanos};
use venuekit_venue::{AskKind, HttpReply};

/// What the link does to everything that crosses it.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Shortest way of a message in one direction.
    pub latency_min: Duration,
    /// Longest way of a message in one direction.
    pub latency_max: Duration,
    /// Nobody gets through before.
    pub down_until: Option<Mono>,
    /// Of requests that change something, how many in a thousand suffer on their way, there or back: they are cut off,
    /// late, truncated, answered by somebody else or answered twice.
    pub lossy_changes: u32,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather {
            latency_min: Duration::from_millis(2),
            latency_max: Duration::from_millis(30),
            down_until: None,
            lossy_changes: 0,
        }
    }
}

/// The longest that a lossy link holds a request or its answer back: more than any order may take.
const HELD_MAX: Duration = Duration::from_secs(6);

/// Something under way in the link.
#[derive(Debug)]
enum Parcel {
    // towards the venue
    Open { conn: ConnId, path: String },
    Up { conn: ConnId, bytes: Vec<u8> },
    UpPing { conn: ConnId },
    UpPong { conn: ConnId },
    UpClosed { conn: ConnId },
    Ask { id: u64, request: Asked },
    // towards the session
    Opened { conn: ConnId },
    Down { conn: ConnId, bytes: Vec<u8> },
    Pong { conn: ConnId },
    Closed { conn: ConnId, why: String },
    Answer { id: RequestId, response: Response },
    NoAnswer { id: RequestId },
    Answered { id: RequestId, status: u16, body: Vec<u8> },
    Persisted { id: PersistId, value: u64 },
}

#[derive(Debug)]
struct Asked {
    kind: AskKind,
    method: &'static str,
    target: String,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Due {
    at: Mono,
    order: u64,
    parcel: Parcel,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// Reversed: the heap gives the earliest first.
    fn cmp(&self, other: &Due) -> core::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// A request as it left.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: Mono,
    /// What it asked for.
    pub kind: AskKind,
    /// Target and body.
    pub text: String,
}

/// Watches a run. Every method has a default that does nothing.
pub trait Watch<F> {
    /// The session said something; the venue's side is as it stands at this instant.
    fn event(&mut self, _now: Now, _emission: Emission<'_>, _front: &F) {}

    /// Everything that one input caused has been said.
    fn round(&mut self, _now: Now, _session: &Session, _front: &F) {}
}

/// A watch that watches nothing.
impl<F> Watch<F> for () {}

/// A session, a venue's server side, and the link between them.
pub struct Rig<F: Front> {
    /// The client.
    pub session: Session,
    /// The server.
    pub front: F,
    /// The link.
    pub weather: Weather,
    /// Nanoseconds that the client's wall clock is ahead of the venue's.
    pub client_ahead: i64,
    now: Now,
    rng: fastrand::Rng,
    queue: BinaryHeap<Due>,
    order: u64,
    /// The last arrival by connection and direction, which later ones must not overtake.
    last: BTreeMap<(u8, u64), Mono>,
    /// Connections the venue knows.
    open: BTreeSet<ConnId>,
    /// Connections that the session has given up.
    gone: BTreeSet<ConnId>,
    /// Sessions that were killed: what they had sent may still arrive, and nothing reaches them.
    killed: u64,
    /// What each request under way asks for.
    kinds: BTreeMap<u64, AskKind>,
    /// Requests that left a session.
    requests: Vec<Sent>,
    /// How each answer that came back began, by status.
    statuses: BTreeMap<u16, u64>,
    epochs: BTreeMap<StreamId, u64>,
    journal: Vec<Persist>,
    used: Vec<Used>,
    trace: Sha256,
    connects: Vec<Mono>,
    paths: Vec<String>,
    sent: Vec<(Mono, String)>,
    received: VecDeque<String>,
    tape: Option<(Recorder, Vec<Row>)>,
}

/// Longest trace of sent messages that a test may look at.
const SENT_MAX: usize = 100_000;
/// Received messages kept for tests to look at.
const RECEIVED_MAX: usize = 64;

impl<F: Front> Rig<F> {
    /// Puts a session and a venue together; nothing happens before the first [`Rig::run_for`].
    pub fn new(session: Session, front: F, start: Now, seed: u64) -> Rig<F> {
        Rig {
            session,
            front,
            weather: Weather::default(),
            client_ahead: 0,
            now: start,
            rng: fastrand::Rng::with_seed(seed),
            queue: BinaryHeap::new(),
            order: 0,
            last: BTreeMap::new(),
            open: BTreeSet::new(),
            gone: BTreeSet::new(),
            killed: 0,
            kinds: BTreeMap::new(),
            requests: Vec::new(),
            statuses: BTreeMap::new(),
            epochs: BTreeMap::new(),
            journal: Vec::new(),
            used: Vec::new(),
            trace: Sha256::new(),
            connects: Vec::new(),
            paths: Vec::new(),
            sent: Vec::new(),
            received: VecDeque::new(),
            tape: None,
        }
    }

    /// Records everything from here on.
    pub fn record(&mut self, about: &About) {
        let mut recorder = Recorder::new();
        recorder.keep(self.session.venue().public_words());
        let header = recorder.header(self.now, about);
        self.tape = Some((recorder, vec![header]));
    }

    /// The rows recorded so far.
    pub fn tape(&self) -> &[Row] {
        self.tape.as_ref().map_or(&[], |(_, rows)| rows)
    }

    /// When every run begins: tests write instants from here.
    pub const fn epoch() -> Now {
        Now { mono: Mono(1_000_000_000), wall: UnixNanos(1_700_000_000_000_000_000) }
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.now
    }

    /// Kills the session's process and starts another in its place. What it had sent goes on to the venue; its
    /// connections end, and what was coming is lost.
    pub fn restart(&mut self, session: Session) {
        self.session = session;
        self.queue.retain(|due| matches!(due.parcel, Parcel::Ask { .. }));
        for conn in core::mem::take(&mut self.open) {
            self.front.handle(self.now, FrontInput::Closed { conn: self.number(u64::from(conn.0)) });
            self.drain_front();
        }
        self.gone.clear();
        self.last.clear();
        self.killed += 1;
    }

    /// The number by which the venue knows a connection or a request of the present session.
    fn number(&self, own: u64) -> u64 {
        (self.killed << 32) | own
    }

    /// The present session's own number for what the venue names; nothing for a killed session's.
    fn own(&self, number: u64) -> Option<u64> {
        (number >> 32 == self.killed).then_some(number & u64::from(u32::MAX))
    }

    /// The requests that left a session, each once for every time it left.
    pub fn requests(&self) -> &[Sent] {
        &self.requests
    }

    /// Answers by status.
    pub fn statuses(&self) -> &BTreeMap<u16, u64> {
        &self.statuses
    }

    /// What the session wanted kept, besides epochs, in order: durable from the moment it was said.
    pub fn journal(&self) -> &[Persist] {
        &self.journal
    }

    /// What the session last said it had used of the venue's budgets.
    pub fn used(&self) -> &[Used] {
        &self.used
    }

    /// When the session tried to connect.
    pub fn connects(&self) -> &[Mono] {
        &self.connects
    }

    /// Where the session connected to.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// What the session sent on its sockets, and when.
    pub fn sent(&self) -> &[(Mono, String)] {
        &self.sent
    }

    /// The first connection that is open, for tests that speak in the venue's place.
    pub fn session_conn(&self) -> Option<ConnId> {
        self.open.iter().find(|conn| !self.gone.contains(conn)).copied()
    }

    /// The latest messages that the venue sent.
    pub fn received(&self) -> &VecDeque<String> {
        &self.received
    }

    /// A digest of everything that crossed the link so far.
    pub fn trace(&self) -> String {
        hex::encode(self.trace.clone().finalize())
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration, watch: &mut impl Watch<F>) {
        let end = self.now.mono.plus(span);
        while self.step(end, watch) {}
        self.advance(end);
    }

    /// Lets time pass until something holds, at most for a span; false when it never did.
    pub fn run_until(
        &mut self,
        most: Duration,
        watch: &mut impl Watch<F>,
        mut holds: impl FnMut(&Rig<F>) -> bool,
    ) -> bool {
        let end = self.now.mono.plus(most);
        loop {
            if holds(self) {
                return true;
            }
            if !self.step(end, watch) {
                self.advance(end);
                return holds(self);
            }
        }
    }

    /// Tells the session something from outside the link.
    pub fn tell(&mut self, input: Input<'_>, watch: &mut impl Watch<F>) {
        self.give(input);
        self.drain_session(watch);
    }

    fn give(&mut self, input: Input<'_>) {
        let now = Now { wall: UnixNanos(self.now.wall.0.saturating_add(self.client_ahead)), ..self.now };
        if let Some((recorder, rows)) = &mut self.tape {
            rows.push(recorder.input(now, &input));
        }
        self.session.handle(now, input);
    }

    fn advance(&mut self, to: Mono) {
        let span = to.since(self.now.mono);
        self.now = self.now.plus(span);
    }

    /// Does the next thing that happens before `end`; false when there is none.
    fn step(&mut self, end: Mono, watch: &mut impl Watch<F>) -> bool {
        self.give(Input::Tick);
        let session_at = self.drain_session(watch);
        let front_at = self.front.next_at();
        let parcel_at = self.queue.peek().map(|due| due.at);
        let Some(next) = [session_at, front_at, parcel_at].into_iter().flatten().min() else { return false };
        if next > end {
            return false;
        }
        self.advance(next.max(self.now.mono));
        if parcel_at.is_some_and(|at| at <= self.now.mono) {
            if let Some(due) = self.queue.pop() {
                self.deliver(due.parcel, watch);
            }
        } else if front_at.is_some_and(|at| at <= self.now.mono) {
            self.front.handle(self.now, FrontInput::Tick);
            self.drain_front();
        }
        true
    }

    // ---- the session's side ----

    fn drain_session(&mut self, watch: &mut impl Watch<F>) -> Option<Mono> {
        let next = loop {
            let out = self.session.poll();
            if let Some((recorder, rows)) = &mut self.tape {
                rows.extend(recorder.output(self.now, &out));
            }
            let out = match out {
                Output::Wait(next) => break next.map(|(at, _)| at),
                Output::Emit(emission) => {
                    watch.event(self.now, emission, &self.front);
                    continue;
                }
                Output::Connect { conn, url, .. } => {
                    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
                    Said::Connect(conn, format!("/{path}"))
                }
                Output::Send { conn, bytes } => Said::Send(conn, bytes.to_vec()),
                Output::Ping { conn } => Said::Ping(conn),
                Output::Close { conn, .. } => Said::Close(conn),
                Output::Request { id, request, .. } => Said::Ask(
                    id,
                    Asked {
                        kind: request.kind,
                        method: request.method.as_str(),
                        target: request.target.clone(),
                        headers: request.headers.clone(),
                        body: request.body.clone(),
                    },
                ),
                Output::Persist { id, what: Persist::Epochs { stream, count } } => {
                    let next = self.epochs.entry(stream).or_insert(1);
                    let value = *next;
                    *next += u64::from(count);
                    Said::Persist(id, value)
                }
                Output::Persist { what: Persist::Used(used), .. } => {
                    self.used = used;
                    continue;
                }
                Output::Persist { id, what } => {
                    let waits = matches!(what, Persist::Intent { .. });
                    self.journal.push(what);
                    if !waits {
                        continue;
                    }
                    Said::Persist(id, 0)
                }
            };
            self.carry(out);
        };
        watch.round(self.now, &self.session, &self.front);
        next
    }

    fn carry(&mut self, said: Said) {
        match said {
            Said::Connect(conn, path) => {
                self.connects.push(self.now.mono);
                if self.paths.len() < SENT_MAX {
                    self.paths.push(path.clone());
                }
                self.post(0, u64::from(conn.0), Parcel::Open { conn, path });
            }
            Said::Send(conn, bytes) => {
                self.trace.update(&bytes);
                if self.sent.len() < SENT_MAX {
                    self.sent.push((self.now.mono, String::from_utf8_lossy(&bytes).into_owned()));
                }
                self.post(0, u64::from(conn.0), Parcel::Up { conn, bytes });
            }
            Said::Ping(conn) => self.post(0, u64::from(conn.0), Parcel::UpPing { conn }),
            Said::Close(conn) => {
                self.gone.insert(conn);
                self.post(0, u64::from(conn.0), Parcel::UpClosed { conn });
            }
            Said::Ask(id, request) => {
                self.trace.update(request.target.as_bytes());
                if self.requests.len() < SENT_MAX {
                    let body = String::from_utf8_lossy(&request.body);
                    let text = format!("{} {body}", request.target);
                    self.requests.push(Sent { at: self.now.mono, kind: request.kind, text });
                }
                let number = self.number(id.0);
                self.kinds.insert(number, request.kind);
                let lossy = request.kind.is_change() && self.strikes();
                match self.rng.u8(0..4) {
                    // It never arrives, and the sender is told, or not.
                    0 if lossy => self.post(3, id.0, Parcel::NoAnswer { id }),
                    1 if lossy => {}
                    // It arrives late.
                    2 if lossy => self.post_held(2, id.0, Parcel::Ask { id: number, request }),
                    _ => self.post(2, id.0, Parcel::Ask { id: number, request }),
                }
            }
            Said::Persist(id, value) => self.post(4, id.0, Parcel::Persisted { id, value }),
        }
    }

    // ---- the venue's side ----

    fn drain_front(&mut self) {
        while let Some(out) = self.front.poll() {
            match out {
                FrontOutput::Accept { conn } => {
                    let Some(conn) = self.conn(conn) else { continue };
                    self.open.insert(conn);
                    self.post(1, u64::from(conn.0), Parcel::Opened { conn });
                }
                FrontOutput::Refuse { conn, status } => {
                    let Some(conn) = self.conn(conn) else { continue };
                    let why = format!("refused with status {status}");
                    self.post(1, u64::from(conn.0), Parcel::Closed { conn, why });
                }
                FrontOutput::Send { conn, text } => {
                    let Some(conn) = self.conn(conn) else { continue };
                    self.trace.update(&text);
                    if self.received.len() == RECEIVED_MAX {
                        self.received.pop_front();
                    }
                    self.received.push_back(String::from_utf8_lossy(&text).into_owned());
                    self.post(1, u64::from(conn.0), Parcel::Down { conn, bytes: text.to_vec() });
                }
                FrontOutput::Ping { conn } => {
                    // The carrier answers by itself.
                    let Some(conn) = self.conn(conn) else { continue };
                    self.post(0, u64::from(conn.0), Parcel::UpPong { conn });
                }
                FrontOutput::Close { conn, .. } | FrontOutput::Cut { conn } => {
                    let Some(conn) = self.conn(conn) else { continue };
                    self.open.remove(&conn);
                    let why = "closed by the venue".to_owned();
                    self.post(1, u64::from(conn.0), Parcel::Closed { conn, why });
                }
                FrontOutput::Respond { id, response } => {
                    self.trace.update(&response.body);
                    *self.statuses.entry(response.status).or_default() += 1;
                    self.bring_back(id, response);
                }
                FrontOutput::Abandon { id } => {
                    self.kinds.remove(&id);
                    if let Some(id) = self.own(id) {
                        self.post(3, id, Parcel::NoAnswer { id: RequestId(id) });
                    }
                }
            }
        }
    }

    fn conn(&self, number: u64) -> Option<ConnId> {
        let own = self.own(number)?;
        Some(ConnId(u32::try_from(own).expect("the numbers are the session's own")))
    }

    /// Sends an answer on its way back, or what a lossy link makes of it.
    fn bring_back(&mut self, number: u64, response: Response) {
        let kind = self.kinds.remove(&number);
        let Some(own) = self.own(number) else { return };
        let id = RequestId(own);
        let lossy = kind.is_some_and(AskKind::is_change) && self.strikes();
        match self.rng.u8(0..6) {
            0 if lossy => self.post(3, own, Parcel::NoAnswer { id }),
            1 if lossy => {}
            2 if lossy => self.post_held(3, own, Parcel::Answer { id, response }),
            3 if lossy => {
                let body = response.body[..response.body.len() / 2].to_vec();
                self.post(3, own, Parcel::Answered { id, status: response.status, body });
            }
            4 if lossy => {
                let body = b"<html>bad gateway</html>".to_vec();
                self.post(3, own, Parcel::Answered { id, status: 502, body });
            }
            5 if lossy => {
                let (status, body) = (response.status, response.body.to_vec());
                self.post(3, own, Parcel::Answer { id, response });
                self.post(3, own, Parcel::Answered { id, status, body });
            }
            _ => self.post(3, own, Parcel::Answer { id, response }),
        }
    }

    /// Whether the link does something to a request, this time.
    fn strikes(&mut self) -> bool {
        self.weather.lossy_changes > 0 && self.rng.u32(0..1_000) < self.weather.lossy_changes
    }

    // ---- the link ----

    /// As [`Rig::post`], after a hold that has no bound a sender could count on.
    fn post_held(&mut self, direction: u8, key: u64, parcel: Parcel) {
        let held = Duration::from_millis(self.rng.u64(0..=u64::try_from(HELD_MAX.as_millis()).unwrap_or(0)));
        self.last.insert((direction, key), self.now.mono.plus(held));
        self.post(direction, key, parcel);
    }

    fn post(&mut self, direction: u8, key: u64, parcel: Parcel) {
        let span = self.rng.u64(
            u64::try_from(self.weather.latency_min.as_nanos()).unwrap_or(0)
                ..=u64::try_from(self.weather.latency_max.as_nanos()).unwrap_or(u64::MAX),
        );
        let mut at = self.now.mono.plus(Duration::from_nanos(span));
        let last = self.last.entry((direction, key)).or_insert(at);
        at = at.max(*last);
        *last = at;
        self.order += 1;
        self.queue.push(Due { at, order: self.order, parcel });
    }

    fn deliver(&mut self, parcel: Parcel, watch: &mut impl Watch<F>) {
        let down = self.weather.down_until.is_some_and(|until| self.now.mono < until);
        match parcel {
            Parcel::Open { conn, .. } if down => {
                let why = "connection refused".to_owned();
                self.post(1, u64::from(conn.0), Parcel::Closed { conn, why });
            }
            Parcel::Open { conn, path } => {
                let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let input = FrontInput::Opened { conn: self.number(u64::from(conn.0)), path: &path, peer };
                self.front.handle(self.now, input);
                self.drain_front();
            }
            Parcel::Up { conn, bytes } if self.open.contains(&conn) => {
                let input =
                    FrontInput::Frame { conn: self.number(u64::from(conn.0)), data: &bytes, binary: false };
                self.front.handle(self.now, input);
                self.drain_front();
            }
            Parcel::UpPing { conn } if self.open.contains(&conn) => {
                self.front.handle(self.now, FrontInput::Ping { conn: self.number(u64::from(conn.0)) });
                self.drain_front();
                self.post(1, u64::from(conn.0), Parcel::Pong { conn });
            }
            Parcel::UpPong { conn } if self.open.contains(&conn) => {
                self.front.handle(self.now, FrontInput::Pong { conn: self.number(u64::from(conn.0)) });
                self.drain_front();
            }
            Parcel::UpClosed { conn } => {
                if self.open.remove(&conn) {
                    let conn = self.number(u64::from(conn.0));
                    self.front.handle(self.now, FrontInput::Closed { conn });
                    self.drain_front();
                }
            }
            Parcel::Ask { id, .. } if down => {
                if let Some(own) = self.own(id) {
                    self.post(3, own, Parcel::NoAnswer { id: RequestId(own) });
                }
            }
            Parcel::Ask { id, request } => self.ask(id, &request),
            Parcel::Up { .. } | Parcel::UpPing { .. } | Parcel::UpPong { .. } => {}
            Parcel::Opened { conn } => self.input(conn, Input::Opened { conn }, watch),
            Parcel::Down { conn, bytes } => {
                self.input(conn, Input::Frame { conn, bytes: &bytes }, watch);
            }
            Parcel::Pong { conn } => self.input(conn, Input::Pong { conn }, watch),
            Parcel::Closed { conn, why } => self.input(conn, Input::Closed { conn, why: &why }, watch),
            Parcel::Answer { id, response } => {
                let headers: Vec<(String, String)> =
                    response.headers.iter().map(|(n, v)| (n.to_lowercase(), v.clone())).collect();
                let reply = HttpReply { status: response.status, headers: &headers, body: &response.body };
                self.tell(Input::Response { id, reply }, watch);
            }
            Parcel::Answered { id, status, body } => {
                let reply = HttpReply { status, headers: &[], body: &body };
                self.tell(Input::Response { id, reply }, watch);
            }
            Parcel::NoAnswer { id } => self.tell(Input::Failed { id, why: "connection reset" }, watch),
            Parcel::Persisted { id, value } => self.tell(Input::Persisted { id, value }, watch),
        }
    }

    /// An input of a connection, unless the session has given that up.
    fn input(&mut self, conn: ConnId, input: Input<'_>, watch: &mut impl Watch<F>) {
        if !self.gone.contains(&conn) {
            self.tell(input, watch);
        }
    }

    fn ask(&mut self, id: u64, asked: &Asked) {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let headers: Vec<(&str, &str)> =
            asked.headers.iter().map(|(n, v)| (n.as_ref(), v.as_str())).collect();
        let request = Request {
            method: asked.method,
            path,
            query,
            headers: &headers,
            body: &asked.body,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        self.front.handle(self.now, FrontInput::Request { id, request });
        self.drain_front();
    }
}

/// What the session said, without its borrow.
enum Said {
    Connect(ConnId, String),
    Send(ConnId, Vec<u8>),
    Ping(ConnId),
    Close(ConnId),
    Ask(RequestId, Asked),
    Persist(PersistId, u64),
}
