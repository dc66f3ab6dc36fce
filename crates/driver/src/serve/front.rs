//! The task that owns a front: inputs in, outputs out, time when it is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use venuekit_sim::{Front, FrontInput, FrontOutput, Request, Response};
use venuekit_types::{Mono, Now};

use super::ServeOptions;
use super::conn::{Arrived, Asked, Gate, Verdict, greet};
use crate::socket::{CLOSE_WITHIN, Heard, Outlet, Said, outlet};

/// What clients did and the front has not seen yet.
const ARRIVED_QUEUE: usize = 1_024;
/// Taken between two looks at everything else.
const ARRIVED_AT_ONCE: usize = 64;
/// Connections at once.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes that wait for a client before the front's time slows down for it.
const CROWD: usize = 1 << 20;

/// What is done to a front between two inputs.
pub(super) type Act<F> = Box<dyn FnOnce(&mut F, Now) + Send>;

/// What the owner of a server wants.
pub(super) enum Call<F> {
    Act(Act<F>),
    Stop,
}

/// A websocket that is open.
struct Open {
    outlet: Outlet,
    /// Ends the connection at once.
    kill: oneshot::Sender<()>,
    /// Since when much waits and nothing is read: the count of what was, and the time.
    stalled: Option<(usize, Mono)>,
}

/// Owns a front while it is served.
pub(super) struct Keeper<F> {
    front: F,
    options: ServeOptions,
    listener: TcpListener,
    calls: mpsc::Receiver<Call<F>>,
    arrived: mpsc::Receiver<Arrived>,
    gate: Gate,
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
    /// Clients that wait to be let in.
    knocking: BTreeMap<u64, oneshot::Sender<Verdict>>,
    open: BTreeMap<u64, Open>,
    asking: BTreeMap<u64, oneshot::Sender<Response>>,
    next_id: u64,
    relief: Arc<Notify>,
    /// Connections that we ended ourselves and have to report.
    ended: Vec<u64>,
}

impl<F: Front> Keeper<F> {
    pub(super) fn new(
        front: F,
        listener: TcpListener,
        calls: mpsc::Receiver<Call<F>>,
        options: ServeOptions,
    ) -> Keeper<F> {
        let (sender, arrived) = mpsc::channel(ARRIVED_QUEUE);
        let (stop, stopped) = watch::channel(());
        let tls = options.tls.as_ref().map(|tls| tls.config().into());
        let gate = Gate { arrived: sender, tls, stop: stopped };
        Keeper {
            front,
            options,
            listener,
            calls,
            arrived,
            gate,
            stop,
            tasks: JoinSet::new(),
            knocking: BTreeMap::new(),
            open: BTreeMap::new(),
            asking: BTreeMap::new(),
            next_id: 0,
            relief: Arc::new(Notify::new()),
            ended: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) -> F {
        let relief = Arc::clone(&self.relief);
        let mut arrivals = Vec::with_capacity(ARRIVED_AT_ONCE);
        let clock = self.options.clock;
        let sleep = sleep_until(clock.instant(Mono(0)));
        tokio::pin!(sleep);
        loop {
            let crowded = self.cut_stalled(clock.now().mono);
            let due = crowded.or_else(|| self.front.next_at());
            if let Some(due) = due.map(|at| clock.instant(at)).filter(|due| *due != sleep.deadline()) {
                sleep.as_mut().reset(due);
            }
            tokio::select! {
                accepted = self.listener.accept(), if self.tasks.len() < CONNECTIONS_MAX => {
                    // What fails here is one client's connection, or the lack of file descriptors, which passes.
                    if let Ok((tcp, peer)) = accepted {
                        self.tasks.spawn(greet(self.gate.clone(), tcp, peer.ip()));
                    }
                }
                Some(_) = self.tasks.join_next() => {}
                _ = self.arrived.recv_many(&mut arrivals, ARRIVED_AT_ONCE) => {
                    for arrived in arrivals.drain(..) {
                        self.take(clock.now(), arrived);
                    }
                }
                call = self.calls.recv() => match call {
                    Some(Call::Act(act)) => {
                        let now = clock.now();
                        act(&mut self.front, now);
                        self.drain();
                    }
                    Some(Call::Stop) | None => break,
                },
                () = relief.notified(), if crowded.is_some() => {}
                () = &mut sleep, if due.is_some() => {
                    if crowded.is_none() {
                        self.feed(clock.now(), FrontInput::Tick);
                    }
                    // A front that is always due must not keep its clients' tasks from running.
                    tokio::task::yield_now().await;
                }
            }
        }
        self.say_goodbye().await;
        self.front
    }

    async fn say_goodbye(&mut self) {
        self.stop.send_replace(());
        self.knocking.clear();
        self.asking.clear();
        for open in std::mem::take(&mut self.open).into_values() {
            if open.outlet.push(Said::Close(Some(1001))).is_err() {
                let _ = open.kill.send(());
            }
        }
        let (tasks, arrived) = (&mut self.tasks, &mut self.arrived);
        let _ = timeout(CLOSE_WITHIN + Duration::from_secs(1), async {
            tokio::select! {
                () = async { while tasks.join_next().await.is_some() {} } => {}
                () = async { while arrived.recv().await.is_some() {} } => {}
            }
        })
        .await;
    }

    /// Cuts clients that have read nothing for too long; while others are crowded, gives when to look again.
    fn cut_stalled(&mut self, now: Mono) -> Option<Mono> {
        let mut look_at: Option<Mono> = None;
        let mut cut = Vec::new();
        for (&conn, open) in &mut self.open {
            if !open.outlet.is_crowded() {
                open.stalled = None;
                continue;
            }
            let taken = open.outlet.taken();
            let since = match open.stalled {
                Some((before, since)) if before == taken => since,
                _ => now,
            };
            open.stalled = Some((taken, since));
            let until = since.plus(self.options.stall);
            if until <= now {
                cut.push(conn);
            } else {
                look_at = Some(look_at.map_or(until, |at| at.min(until)));
            }
        }
        for conn in cut {
            self.cut(conn, "it read nothing for too long");
        }
        self.report_ended(self.options.clock.now());
        look_at
    }

    fn cut(&mut self, conn: u64, why: &'static str) {
        let Some(open) = self.open.remove(&conn) else { return };
        tracing::warn!(conn, why, "cut a client");
        let _ = open.kill.send(());
        self.ended.push(conn);
    }

    fn report_ended(&mut self, now: Now) {
        while let Some(conn) = self.ended.pop() {
            self.feed(now, FrontInput::Closed { conn });
        }
    }

    fn take(&mut self, now: Now, arrived: Arrived) {
        match arrived {
            Arrived::Knock { path, peer, verdict } => {
                let conn = self.fresh_id();
                self.knocking.insert(conn, verdict);
                self.feed(now, FrontInput::Opened { conn, path: &path, peer });
            }
            Arrived::Heard { conn, batch } => {
                for heard in batch {
                    // Nothing more is said of a connection that the front has ended.
                    if !self.open.contains_key(&conn) {
                        break;
                    }
                    let input = match &heard {
                        Heard::Message { data, binary } => FrontInput::Frame { conn, data, binary: *binary },
                        Heard::Ping => FrontInput::Ping { conn },
                        Heard::Pong => FrontInput::Pong { conn },
                    };
                    self.feed(now, input);
                }
            }
            Arrived::Closed { conn } => {
                if self.open.remove(&conn).is_some() {
                    self.feed(now, FrontInput::Closed { conn });
                }
            }
            Arrived::Asked(asked) => self.ask(now, *asked),
        }
        self.report_ended(now);
    }

    fn ask(&mut self, now: Now, asked: Asked) {
        let id = self.fresh_id();
        self.asking.insert(id, asked.answer);
        let text =
            asked.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers: Vec<_> = text.collect();
        let request = Request {
            method: asked.method.as_str(),
            path: asked.uri.path(),
            query: asked.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &asked.body,
            peer: asked.peer,
        };
        self.feed(now, FrontInput::Request { id, request });
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn feed(&mut self, now: Now, input: FrontInput<'_>) {
        self.front.handle(now, input);
        self.drain();
    }

    /// Does everything that the front wants done.
    fn drain(&mut self) {
        while let Some(output) = self.front.poll() {
            match output {
                FrontOutput::Accept { conn } => self.accept(conn),
                FrontOutput::Refuse { conn, status } => {
                    if let Some(verdict) = self.knocking.remove(&conn) {
                        let _ = verdict.send(Verdict::Refuse { status });
                    }
                }
                FrontOutput::Send { conn, text } => self.say(conn, Said::Text(text)),
                FrontOutput::Ping { conn } => self.say(conn, Said::Ping),
                FrontOutput::Close { conn, code } => self.end(conn, Said::Close(code)),
                FrontOutput::Cut { conn } => self.end(conn, Said::Cut),
                FrontOutput::Respond { id, response } => {
                    if let Some(answer) = self.asking.remove(&id) {
                        // A client that went away is no news to the front: its request needs nothing more.
                        let _ = answer.send(response);
                    }
                }
                FrontOutput::Abandon { id } => {
                    self.asking.remove(&id);
                }
            }
        }
    }

    fn accept(&mut self, conn: u64) {
        let Some(verdict) = self.knocking.remove(&conn) else { return };
        let (outlet, inlet) = outlet(self.options.client_bytes, CROWD, Arc::clone(&self.relief));
        let (kill, killed) = oneshot::channel();
        if verdict.send(Verdict::Accept { conn, inlet, killed }).is_ok() {
            self.open.insert(conn, Open { outlet, kill, stalled: None });
        } else {
            self.ended.push(conn);
        }
    }

    fn say(&mut self, conn: u64, said: Said) {
        let Some(open) = self.open.get(&conn) else { return };
        if open.outlet.push(said).is_err() {
            self.cut(conn, "it reads too slowly");
        }
    }

    /// Lets go of a connection that the front has ended; what was said before is still written.
    fn end(&mut self, conn: u64, said: Said) {
        self.knocking.remove(&conn);
        let Some(open) = self.open.remove(&conn) else { return };
        if open.outlet.push(said).is_err() {
            let _ = open.kill.send(());
        }
    }
}
