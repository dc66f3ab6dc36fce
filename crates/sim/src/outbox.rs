//! Everything a front sends, on its way out, and the faults done to it there.
//!
//! Each connection is a pipe: frames leave in order unless a fault says otherwise. Without faults the outbox is a
//! plain queue. It knows no protocol; a front tells it only which frames are snapshots and which stream they serve.

mod rest;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use venuekit_types::{Mono, Now};

use crate::faults::{Command, Fault, FaultLog, FaultPlan, FaultRecord, Target};
use crate::front::{FrontOutput, Response};

pub use rest::{RestFault, RestKind};

/// Frames that may wait in a delayed connection; then it is cut, as a venue cuts slow consumers.
const WAITING_MAX: usize = 100_000;

/// How long a reordered frame waits for the next one at most.
const REORDER_MAX: Duration = Duration::from_millis(200);

/// What happened to the venue as a whole; the front has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A connection was cut.
    Cut(u64),
    /// All connections were cut and sequences begin again; nobody is let in for this long.
    Restart(Duration),
}

/// A frame that waits for others to pass.
#[derive(Clone, Debug)]
struct Held {
    text: Bytes,
    /// Frames that still have to pass it.
    behind: u32,
    /// When it leaves at the latest.
    until: Mono,
}

/// One connection on its way out.
#[derive(Clone, Debug, Default)]
struct Pipe {
    held: Vec<Held>,
    /// Nothing leaves before.
    blocked_until: Option<Mono>,
    waiting: VecDeque<Bytes>,
    /// What leaves is lost before.
    stalled_until: Option<Mono>,
    next_delay: Option<Mono>,
    next_stall: Option<Mono>,
    next_close: Option<Mono>,
}

/// What a front has to say.
#[derive(Debug)]
pub struct Outbox {
    ready: VecDeque<FrontOutput>,
    pipes: BTreeMap<u64, Pipe>,
    late: BTreeMap<(Mono, u64), Response>,
    plan: FaultPlan,
    rng: Rng,
    /// Commands that wait for what they strike.
    armed: Vec<Command>,
    /// Streams that are stalled, and until when.
    stalled: Vec<(String, Option<Mono>)>,
    skew_ms: i64,
    next_skew: Option<Mono>,
    next_restart: Option<Mono>,
    happened: VecDeque<Happened>,
    log: FaultLog,
    /// No fault is planned, armed or going on, so frames need no look.
    calm: bool,
}

impl Outbox {
    pub(crate) fn new(plan: FaultPlan, now: Mono) -> Outbox {
        let mut outbox = Outbox {
            ready: VecDeque::new(),
            pipes: BTreeMap::new(),
            late: BTreeMap::new(),
            rng: Rng::with_seed(plan.seed),
            plan: FaultPlan::default(),
            armed: Vec::new(),
            stalled: Vec::new(),
            skew_ms: 0,
            next_skew: None,
            next_restart: None,
            happened: VecDeque::new(),
            log: FaultLog::default(),
            calm: true,
        };
        outbox.set_plan(plan, now);
        outbox
    }

    /// Replaces the plan; what is going on ends by itself, and a skewed clock is put right.
    pub(crate) fn set_plan(&mut self, plan: FaultPlan, now: Mono) {
        self.rng = Rng::with_seed(plan.seed);
        self.plan = plan;
        self.skew_ms = 0;
        self.next_skew = self.some_time_after(now, self.plan.skew_every);
        self.next_restart = self.some_time_after(now, self.plan.restart_every);
        let conns: Vec<u64> = self.pipes.keys().copied().collect();
        for conn in conns {
            self.schedule(conn, now);
        }
        self.look();
    }

    /// Lets a client in.
    pub fn accept(&mut self, now: Now, conn: u64) {
        self.pipes.insert(conn, Pipe::default());
        self.schedule(conn, now.mono);
        self.ready.push_back(FrontOutput::Accept { conn });
    }

    /// Sends a client away before the upgrade.
    pub fn refuse(&mut self, conn: u64, status: u16) {
        self.ready.push_back(FrontOutput::Refuse { conn, status });
    }

    /// Sends a frame of a stream, or none.
    pub fn send(&mut self, now: Now, conn: u64, stream: Option<&str>, text: Bytes) {
        if self.calm {
            self.ready.push_back(FrontOutput::Send { conn, text });
            return;
        }
        match self.frame_fault(now.mono, conn, stream) {
            None => self.pass(conn, text),
            Some(Fault::Duplicate) => {
                self.pass(conn, text.clone());
                self.pass(conn, text);
            }
            Some(Fault::Reorder) => {
                let behind = self.rng.u32(1..=3);
                self.hold(conn, text, behind, now.mono.plus(REORDER_MAX));
            }
            Some(Fault::Delay(span)) => self.hold(conn, text, u32::MAX, now.mono.plus(span)),
            Some(Fault::Corrupt) => {
                let mut bytes = text.to_vec();
                for _ in 0..self.rng.usize(1..=4) {
                    let at = self.rng.usize(..bytes.len());
                    bytes[at] = self.rng.u8(1..=8);
                }
                self.pass_if_text(conn, bytes);
            }
            Some(Fault::Truncate) => {
                let keep = self.rng.usize(1..text.len().max(2));
                self.pass_if_text(conn, text[..keep.min(text.len())].to_vec());
            }
            // Dropped, or stalled.
            Some(_) => {}
        }
    }

    /// Sends a stream's snapshot, which may come late.
    pub fn send_snapshot(&mut self, now: Now, conn: u64, stream: &str, text: Bytes) {
        let armed = self.armed_for(|fault| matches!(fault, Fault::LateSnapshot(_)), conn, Some(stream));
        let span = match armed {
            Some(Fault::LateSnapshot(span)) => Some(span),
            _ => self.chance(self.plan.late_snapshot).then(|| self.up_to(self.plan.snapshot_for)),
        };
        match span {
            Some(span) => {
                self.record(now.mono, Some(conn), Some(stream), Fault::LateSnapshot(span));
                self.hold(conn, text, u32::MAX, now.mono.plus(span));
            }
            None => self.send(now, conn, Some(stream), text),
        }
    }

    /// Sends a websocket ping.
    pub fn ping(&mut self, conn: u64) {
        self.ready.push_back(FrontOutput::Ping { conn });
    }

    /// Ends a connection in order. What still waits is lost.
    pub fn close(&mut self, conn: u64, code: Option<u16>) {
        self.pipes.remove(&conn);
        self.ready.push_back(FrontOutput::Close { conn, code });
    }

    /// Forgets a connection that its client ended.
    pub fn forget(&mut self, conn: u64) {
        self.pipes.remove(&conn);
    }

    /// Says whether a login that is right should be refused all the same.
    pub fn refuses_login(&mut self, now: Now, conn: u64) -> bool {
        let armed = self.armed_for(|fault| *fault == Fault::RefuseLogin, conn, None).is_some();
        let refused = armed || self.chance(self.plan.refuse_login);
        if refused {
            self.record(now.mono, Some(conn), None, Fault::RefuseLogin);
        }
        refused
    }

    /// How far the venue's clock is off, in milliseconds.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms
    }

    /// The faults done.
    pub fn log(&self) -> &FaultLog {
        &self.log
    }

    /// Does one fault, or keeps it for what it strikes.
    pub(crate) fn command(&mut self, now: Now, command: Command) {
        let until = |span: Duration| now.mono.plus(span);
        match (&command.fault, &command.target) {
            (Fault::Skew(ms), _) => self.skew(now.mono, *ms),
            (Fault::Restart(span), _) => self.restart(now.mono, *span),
            (Fault::Close, target) => {
                for conn in self.struck(target) {
                    self.cut(now.mono, conn);
                }
            }
            (Fault::Stall(span), Target::Stream(name)) => {
                self.stalled.push((name.clone(), span.map(until)));
                self.record(now.mono, None, Some(name), command.fault.clone());
            }
            (Fault::Stall(span), target) => {
                let end = span.map_or(Mono(u64::MAX), until);
                for conn in self.struck(target) {
                    self.stall(now.mono, conn, end, command.fault.clone());
                }
            }
            (Fault::Delay(span), Target::All | Target::Conn(_)) => {
                for conn in self.struck(&command.target) {
                    self.block(now.mono, conn, *span);
                }
            }
            _ => self.armed.push(command),
        }
        self.look();
    }

    /// Lets time pass: what waited leaves, what is planned happens.
    pub(crate) fn tick(&mut self, now: Mono) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, id), response) = entry.remove_entry();
            self.ready.push_back(FrontOutput::Respond { id, response });
        }
        if self.calm {
            return;
        }
        if self.next_skew.is_some_and(|at| at <= now) {
            let reach = i64::from(self.plan.skew_ms);
            let ms = self.rng.i64(-reach..=reach);
            self.skew(now, ms);
            self.next_skew = self.some_time_after(now, self.plan.skew_every);
        }
        if self.next_restart.is_some_and(|at| at <= now) {
            let span = self.up_to(self.plan.restart_for);
            self.restart(now, span);
            self.next_restart = self.some_time_after(now, self.plan.restart_every);
        }
        self.stalled.retain(|(_, until)| until.is_none_or(|until| until > now));
        let conns: Vec<u64> = self.pipes.keys().copied().collect();
        for conn in conns {
            self.tick_pipe(now, conn);
        }
        self.look();
    }

    /// When time has to pass next.
    pub(crate) fn next_at(&self) -> Option<Mono> {
        let late = self.late.keys().next().map(|(at, _)| *at);
        if self.calm {
            return late;
        }
        let pipes = self.pipes.values().flat_map(|pipe| {
            let held = pipe.held.iter().map(|held| held.until).min();
            let stalled = pipe.stalled_until.filter(|&until| until != Mono(u64::MAX));
            [held, pipe.blocked_until, stalled, pipe.next_delay, pipe.next_stall, pipe.next_close]
        });
        let stalled = self.stalled.iter().map(|(_, until)| *until);
        pipes.chain(stalled).chain([late, self.next_skew, self.next_restart]).flatten().min()
    }

    /// The next thing to do.
    pub(crate) fn poll(&mut self) -> Option<FrontOutput> {
        self.ready.pop_front()
    }

    /// What happened to the venue as a whole.
    pub(crate) fn poll_happened(&mut self) -> Option<Happened> {
        self.happened.pop_front()
    }

    fn tick_pipe(&mut self, now: Mono, conn: u64) {
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        if due(pipe.next_close) {
            self.cut(now, conn);
            return;
        }
        if due(pipe.stalled_until) {
            pipe.stalled_until = None;
        }
        let (delays, stalls) = (due(pipe.next_delay), due(pipe.next_stall));
        if due(pipe.blocked_until) {
            pipe.blocked_until = None;
            for text in std::mem::take(&mut pipe.waiting) {
                self.ready.push_back(FrontOutput::Send { conn, text });
            }
        }
        let (leave, stay) = std::mem::take(&mut pipe.held).into_iter().partition(|held| held.until <= now);
        pipe.held = stay;
        let leave: Vec<Held> = leave;
        for held in leave {
            self.push(conn, held.text);
        }
        if delays {
            let span = self.up_to(self.plan.delay_for);
            self.block(now, conn, span);
        }
        if stalls {
            let span = self.up_to(self.plan.stall_for);
            self.stall(now, conn, now.plus(span), Fault::Stall(Some(span)));
        }
        if delays || stalls {
            let (delay, stall) = (self.plan.delay_every, self.plan.stall_every);
            let (next_delay, next_stall) =
                (self.some_time_after(now, delay), self.some_time_after(now, stall));
            if let Some(pipe) = self.pipes.get_mut(&conn) {
                pipe.next_delay = if delays { next_delay } else { pipe.next_delay };
                pipe.next_stall = if stalls { next_stall } else { pipe.next_stall };
            }
        }
    }

    /// Picks what happens to a frame; a stall counts once, when it begins.
    fn frame_fault(&mut self, now: Mono, conn: u64, stream: Option<&str>) -> Option<Fault> {
        let pipe = self.pipes.get(&conn)?;
        let stream_stalls = stream.is_some_and(|name| self.stalled.iter().any(|(other, _)| other == name));
        if pipe.stalled_until.is_some() || stream_stalls {
            return Some(Fault::Drop);
        }
        let of_frames = |fault: &Fault| {
            matches!(
                fault,
                Fault::Drop
                    | Fault::Duplicate
                    | Fault::Reorder
                    | Fault::Corrupt
                    | Fault::Truncate
                    | Fault::Delay(_)
            )
        };
        let fault = self.armed_for(of_frames, conn, stream).or_else(|| self.planned_frame_fault())?;
        self.record(now, Some(conn), stream, fault.clone());
        Some(fault)
    }

    fn planned_frame_fault(&mut self) -> Option<Fault> {
        let plan = &self.plan;
        let rates = [
            (plan.drop, Fault::Drop),
            (plan.duplicate, Fault::Duplicate),
            (plan.reorder, Fault::Reorder),
            (plan.corrupt, Fault::Corrupt),
            (plan.truncate, Fault::Truncate),
        ];
        let mut dice = self.rng.u32(..1_000_000);
        for (rate, fault) in rates {
            if dice < rate {
                return Some(fault);
            }
            dice -= rate;
        }
        None
    }

    /// Takes the first armed command that strikes here.
    fn armed_for(&mut self, kind: impl Fn(&Fault) -> bool, conn: u64, stream: Option<&str>) -> Option<Fault> {
        let hits = |command: &Command| kind(&command.fault) && command.target.hits(conn, stream);
        let at = self.armed.iter().position(hits)?;
        Some(self.armed.remove(at).fault)
    }

    /// Sends a frame on, and after it those that waited for it.
    fn pass(&mut self, conn: u64, text: Bytes) {
        self.push(conn, text);
        let Some(pipe) = self.pipes.get_mut(&conn) else { return };
        if pipe.held.is_empty() {
            return;
        }
        let mut leave = Vec::new();
        pipe.held.retain_mut(|held| {
            if held.behind != u32::MAX {
                held.behind -= 1;
            }
            let stays = held.behind > 0;
            if !stays {
                leave.push(held.text.clone());
            }
            stays
        });
        for text in leave {
            self.push(conn, text);
        }
    }

    /// Sends a damaged frame on if it is still text; otherwise it is as good as lost.
    fn pass_if_text(&mut self, conn: u64, bytes: Vec<u8>) {
        if std::str::from_utf8(&bytes).is_ok() {
            self.pass(conn, Bytes::from(bytes));
        }
    }

    fn push(&mut self, conn: u64, text: Bytes) {
        match self.pipes.get_mut(&conn) {
            Some(pipe) if pipe.blocked_until.is_some() => {
                pipe.waiting.push_back(text);
                if pipe.waiting.len() > WAITING_MAX {
                    self.pipes.remove(&conn);
                    self.ready.push_back(FrontOutput::Cut { conn });
                    self.happened.push_back(Happened::Cut(conn));
                }
            }
            Some(_) => self.ready.push_back(FrontOutput::Send { conn, text }),
            // Cut in this very step; its protocol will hear of it.
            None => {}
        }
    }

    fn hold(&mut self, conn: u64, text: Bytes, behind: u32, until: Mono) {
        if let Some(pipe) = self.pipes.get_mut(&conn) {
            pipe.held.push(Held { text, behind, until });
            self.calm = false;
        }
    }

    fn block(&mut self, now: Mono, conn: u64, span: Duration) {
        if let Some(pipe) = self.pipes.get_mut(&conn) {
            pipe.blocked_until = pipe.blocked_until.max(Some(now.plus(span)));
            self.record(now, Some(conn), None, Fault::Delay(span));
        }
    }

    fn stall(&mut self, now: Mono, conn: u64, until: Mono, fault: Fault) {
        if let Some(pipe) = self.pipes.get_mut(&conn) {
            pipe.stalled_until = pipe.stalled_until.max(Some(until));
            self.record(now, Some(conn), None, fault);
        }
    }

    fn cut(&mut self, now: Mono, conn: u64) {
        if self.pipes.remove(&conn).is_some() {
            self.record(now, Some(conn), None, Fault::Close);
            self.ready.push_back(FrontOutput::Cut { conn });
            self.happened.push_back(Happened::Cut(conn));
        }
    }

    fn skew(&mut self, now: Mono, ms: i64) {
        self.skew_ms = ms;
        self.record(now, None, None, Fault::Skew(ms));
    }

    fn restart(&mut self, now: Mono, span: Duration) {
        self.record(now, None, None, Fault::Restart(span));
        for conn in std::mem::take(&mut self.pipes).into_keys() {
            self.ready.push_back(FrontOutput::Cut { conn });
        }
        for (_, id) in std::mem::take(&mut self.late).into_keys() {
            self.ready.push_back(FrontOutput::Abandon { id });
        }
        self.happened.push_back(Happened::Restart(span));
    }

    fn struck(&self, target: &Target) -> Vec<u64> {
        self.pipes.keys().copied().filter(|&conn| target.hits(conn, None)).collect()
    }

    fn record(&mut self, at: Mono, conn: Option<u64>, stream: Option<&str>, fault: Fault) {
        self.log.push(FaultRecord { at, conn, stream: stream.map(str::to_string), fault });
    }

    /// Plans the faults of a connection.
    fn schedule(&mut self, conn: u64, now: Mono) {
        let [delay, stall, close] = [self.plan.delay_every, self.plan.stall_every, self.plan.close_every]
            .map(|every| self.some_time_after(now, every));
        if let Some(pipe) = self.pipes.get_mut(&conn) {
            (pipe.next_delay, pipe.next_stall, pipe.next_close) = (delay, stall, close);
        }
    }

    /// Sees whether any fault is planned, armed or going on.
    fn look(&mut self) {
        let quiet = |pipe: &Pipe| {
            pipe.held.is_empty() && pipe.blocked_until.is_none() && pipe.stalled_until.is_none()
        };
        self.calm = self.plan.is_none()
            && self.armed.is_empty()
            && self.stalled.is_empty()
            && self.pipes.values().all(quiet);
    }

    fn chance(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.rng.u32(..1_000_000) < per_million
    }

    /// A span between a tenth of one and the whole.
    fn up_to(&mut self, span: Duration) -> Duration {
        span * self.rng.u32(100..=1000) / 1000
    }

    /// An instant after about a span: anything from nearly nothing to twice it.
    fn some_time_after(&mut self, now: Mono, span: Option<Duration>) -> Option<Mono> {
        span.map(|span| now.plus(span * self.rng.u32(20..=1980) / 1000))
    }
}

#[cfg(test)]
mod tests;
