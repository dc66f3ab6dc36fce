//! The loop: one `match` on what a session wants done, one `select!` while it waits. The same for every venue.
//!
//! It owns the session and everything that moves around it. It refuses to know what any event means: that is the
//! [`Host`]'s business.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep_until, timeout};
use venuekit_session::{Command, Emission, Input, Output, Persist, PersistId, Session};
use venuekit_sign::Credentials;
use venuekit_types::{Mono, Now};
use venuekit_venue::HttpReply;

use crate::clock::Clock;
use crate::error::{StartError, Stopped};
use crate::gateway::GateCell;
use crate::http::Http;
use crate::net::{Happened, Net};
use crate::socket::{CLOSE_WITHIN, Heard, Said};
use crate::tape::Tape;
use crate::tls::ClientTls;

/// Batches and answers that wait for the session; their bytes have a bound of their own.
const HAPPENED_QUEUE: usize = 256;
/// Batches taken between two looks at everything else.
const TAKEN_AT_ONCE: usize = 4;
/// Calls that wait for the session.
const CALL_QUEUE: usize = 1_024;
/// Calls taken between two looks at everything else.
const CALLS_AT_ONCE: usize = 64;

/// What takes the events of a session, within its loop: every method returns at once.
pub trait Host: Send {
    /// A session has something to say.
    fn event(&mut self, now: Now, emission: Emission<'_>);

    /// Something is to be made durable: the value when that is done at once, else nothing, and the value later
    /// through [`Handle::persisted`].
    fn persist(&mut self, id: PersistId, what: Persist) -> Option<u64>;

    /// The session speaks for its account with another key from now on.
    fn credentials(&mut self, credentials: &Credentials) {
        let _ = credentials;
    }

    /// A round is over: everything that was waiting has been handled. The session can be looked at.
    fn round(&mut self, now: Now, session: &Session) {
        let _ = (now, session);
    }
}

/// How a session is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whom it trusts.
    pub tls: ClientTls,
    /// The clock it lives by.
    pub clock: Clock,
    /// Whether its orders may leave.
    pub gate: GateCell,
}

impl Default for Options {
    /// The machine's authorities, a clock that starts now, and a gate that lets no order leave: that is what a
    /// [`crate::gateway::Gateway`] is for.
    fn default() -> Options {
        let clock = Clock::start();
        Options { tls: ClientTls::new(), clock, gate: GateCell::shut(clock) }
    }
}

type Query = Box<dyn FnOnce(&Session, Now) + Send>;

enum Call {
    Persisted { id: PersistId, value: u64 },
    Command(Command),
    Credentials(Credentials),
    Query(Query),
}

/// Speaks to a running session. When the last handle is dropped, the session stops.
#[derive(Clone)]
pub struct Handle {
    calls: mpsc::Sender<Call>,
}

impl Handle {
    /// Answers a [`Host::persist`] that was not answered at once.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn persisted(&self, id: PersistId, value: u64) -> Result<(), Stopped> {
        self.call(Call::Persisted { id, value }).await
    }

    /// As [`Handle::persisted`], for a thread that is no task. It must not be called from a task.
    ///
    /// **Errors**: [`Stopped`].
    pub fn persisted_blocking(&self, id: PersistId, value: u64) -> Result<(), Stopped> {
        self.calls.blocking_send(Call::Persisted { id, value }).map_err(|_| Stopped)
    }

    /// Hands over what the operator wants.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn command(&self, command: Command) -> Result<(), Stopped> {
        self.call(Call::Command(command)).await
    }

    /// Has the session speak for its account with another key. What it had of the old one is wiped.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn credentials(&self, credentials: Credentials) -> Result<(), Stopped> {
        self.call(Call::Credentials(credentials)).await
    }

    /// Asks the session to stop; [`Runner::run`] returns once its connections have said goodbye.
    ///
    /// **Errors**: [`Stopped`] when it has already.
    pub async fn stop(&self) -> Result<(), Stopped> {
        self.command(Command::Stop).await
    }

    /// Looks at the session between two rounds.
    ///
    /// **Errors**: [`Stopped`].
    pub async fn query<R, F>(&self, look: F) -> Result<R, Stopped>
    where
        R: Send + 'static,
        F: FnOnce(&Session, Now) -> R + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let query: Query = Box::new(move |session, now| {
            // Whoever asked may have gone away.
            let _ = answer.send(look(session, now));
        });
        self.call(Call::Query(query)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Whether the session has stopped.
    pub fn is_stopped(&self) -> bool {
        self.calls.is_closed()
    }

    async fn call(&self, call: Call) -> Result<(), Stopped> {
        self.calls.send(call).await.map_err(|_| Stopped)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(..)")
    }
}

/// A session and everything that it needs in order to run.
pub struct Runner<H> {
    session: Session,
    host: H,
    clock: Clock,
    net: Net,
    http: Http,
    tape: Option<Tape>,
    happened: mpsc::Receiver<Happened>,
    calls: mpsc::Receiver<Call>,
    /// What we found out ourselves while doing what the session wanted.
    found: VecDeque<Happened>,
    answers: Vec<(PersistId, u64)>,
    deadline: Option<Mono>,
    stopping: bool,
}

impl<H: Host> Runner<H> {
    /// Prepares to run a session.
    ///
    /// **Errors**: when it cannot be run at all.
    pub fn new(session: Session, host: H, options: Options) -> Result<(Runner<H>, Handle), StartError> {
        let (sender, happened) = mpsc::channel(HAPPENED_QUEUE);
        let (calls, receiver) = mpsc::channel(CALL_QUEUE);
        let runner = Runner {
            session,
            host,
            clock: options.clock,
            net: Net::new(options.tls.clone(), sender.clone()),
            http: Http::new(options.tls, options.gate, sender)?,
            tape: None,
            happened,
            calls: receiver,
            found: VecDeque::new(),
            answers: Vec::new(),
            deadline: None,
            stopping: false,
        };
        Ok((runner, Handle { calls }))
    }

    /// Writes everything that the session is told, and everything it says, to a tape.
    pub fn record(&mut self, mut tape: Tape) {
        tape.keep(self.session.venue().public_words());
        self.tape = Some(tape);
    }

    /// Runs until it is told to stop, then gives back the session, for its report, and the host.
    pub async fn run(mut self) -> (Session, H) {
        let mut batches = Vec::with_capacity(TAKEN_AT_ONCE);
        let sleep = sleep_until(self.clock.instant(Mono(0)));
        tokio::pin!(sleep);
        self.feed(self.clock.now(), Input::Tick);
        loop {
            while let Some(found) = self.found.pop_front() {
                self.take(found);
            }
            let now = self.clock.now();
            self.host.round(now, &self.session);
            if self.stopping {
                break;
            }
            let due = self.deadline.map(|at| self.clock.instant(at));
            if let Some(due) = due.filter(|due| *due != sleep.deadline()) {
                sleep.as_mut().reset(due);
            }
            tokio::select! {
                count = self.happened.recv_many(&mut batches, TAKEN_AT_ONCE) => {
                    debug_assert!(count > 0, "the loop holds a sender itself");
                    for happened in batches.drain(..) {
                        self.take(happened);
                    }
                }
                call = self.calls.recv() => {
                    self.answer(call);
                    for _ in 1..CALLS_AT_ONCE {
                        let Ok(call) = self.calls.try_recv() else { break };
                        self.answer(Some(call));
                    }
                }
                () = &mut sleep, if due.is_some() => self.feed(self.clock.now(), Input::Tick),
            }
        }
        self.say_goodbye().await;
        if let Some(tape) = self.tape {
            tape.finish().await;
        }
        (self.session, self.host)
    }

    /// Lets every connection close in order, and throws away what still comes.
    async fn say_goodbye(&mut self) {
        let (net, happened) = (&mut self.net, &mut self.happened);
        let _ = timeout(CLOSE_WITHIN + Duration::from_secs(1), async {
            tokio::select! {
                () = net.settled() => {}
                () = async { while happened.recv().await.is_some() {} } => {}
            }
        })
        .await;
    }

    fn take(&mut self, happened: Happened) {
        let now = self.clock.now();
        match happened {
            Happened::Opened { conn } => self.feed(now, Input::Opened { conn }),
            Happened::Heard { conn, batch, _room } => {
                for heard in batch {
                    // Nothing more is wanted of a connection that the session has closed.
                    if !self.net.is_open(conn) {
                        break;
                    }
                    match heard {
                        // Each message has an instant of its own: what two of one batch break must not look like one.
                        Heard::Message { data, .. } => {
                            self.feed(self.clock.now(), Input::Frame { conn, bytes: &data });
                        }
                        Heard::Pong => self.feed(self.clock.now(), Input::Pong { conn }),
                        // It was answered; a session watches data, not the socket's pulse.
                        Heard::Ping => {}
                    }
                }
            }
            Happened::Closed { conn, why } => {
                self.net.forget(conn);
                self.feed(now, Input::Closed { conn, why: &why });
            }
            Happened::Answered { id, reply } => {
                let reply = HttpReply { status: reply.status, headers: &reply.headers, body: &reply.body };
                self.feed(now, Input::Response { id, reply });
            }
            Happened::Failed { id, why } => self.feed(now, Input::Failed { id, why: &why }),
            Happened::Unsent { id, why } => self.feed(now, Input::Unsent { id, why: &why }),
        }
    }

    fn answer(&mut self, call: Option<Call>) {
        let now = self.clock.now();
        match call {
            Some(Call::Persisted { id, value }) => self.feed(now, Input::Persisted { id, value }),
            Some(Call::Command(command)) => {
                self.stopping |= command == Command::Stop;
                self.feed(now, Input::Command(command));
            }
            Some(Call::Credentials(credentials)) => {
                self.host.credentials(&credentials);
                self.feed(now, Input::Credentials { credentials: &credentials });
            }
            Some(Call::Query(look)) => look(&self.session, now),
            // Nobody is left who could stop it.
            None => {
                self.stopping = true;
                self.feed(now, Input::Command(Command::Stop));
            }
        }
    }

    /// Tells the session one thing and does everything that it wants for it.
    fn feed(&mut self, now: Now, input: Input<'_>) {
        self.handle(now, input);
        loop {
            let output = self.session.poll();
            if let Some(tape) = &mut self.tape {
                tape.output(now, &output);
            }
            match output {
                Output::Connect { conn, url, max_message, max_frame } => {
                    self.net.connect(conn, url, max_message, max_frame);
                }
                Output::Send { conn, bytes } => {
                    let said = Said::Text(Bytes::copy_from_slice(bytes));
                    if let Err(why) = self.net.say(conn, said) {
                        self.found.push_back(Happened::Closed { conn, why });
                    }
                }
                Output::Ping { conn } => {
                    if let Err(why) = self.net.say(conn, Said::Ping) {
                        self.found.push_back(Happened::Closed { conn, why });
                    }
                }
                Output::Close { conn, .. } => self.net.close(conn),
                Output::Request { id, origin, request } => {
                    if let Err(why) = self.http.send(id, origin, request) {
                        self.found.push_back(Happened::Unsent { id, why });
                    }
                }
                Output::Persist { id, what } => {
                    if let Some(value) = self.host.persist(id, what) {
                        self.answers.push((id, value));
                    }
                }
                Output::Emit(emission) => self.host.event(now, emission),
                Output::Wait(deadline) => {
                    self.deadline = deadline.map(|(at, _)| at);
                    let Some((id, value)) = self.answers.pop() else { break };
                    self.handle(now, Input::Persisted { id, value });
                }
            }
        }
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        if let Some(tape) = &mut self.tape {
            tape.input(now, &input);
        }
        self.session.handle(now, input);
    }
}
