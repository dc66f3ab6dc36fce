//! The kill switch: whether an order may leave now, and why none may.
//!
//! It owns the three modes, what moves between them, the caps, and the demand that everything be cancelled. It fails
//! closed: nothing passes that an operator has not armed, for a span, with a state that was read back within the last
//! two seconds. What cancels is a [`Sweep`]. It refuses to read a clock, and to open by itself: [`Gate::arm`] is the only
//! way to [`Mode::Active`].

mod caps;
mod sweep;
#[cfg(test)]
mod tests;

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use venuekit_types::{Mono, Now, UnixNanos};

pub use caps::{Cap, Caps, Day, Entry, Notional};
pub use sweep::{Scope, Step, Sweep};

/// How long a state that was read back vouches for the gate.
pub const VERIFIED_FOR: Duration = Duration::from_secs(2);
/// Longest span it can be armed for.
pub const ARMED_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Audit records that wait to be taken; the oldest goes first, and the hole shows in their numbers.
const AUDITS_MAX: usize = 256;

/// What may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Cancels only.
    Halted,
    /// Cancels, and orders that can only make a position smaller.
    Reducing,
    /// Everything within the caps.
    Active,
}

impl Mode {
    /// The word used in files, answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Halted => "halted",
            Mode::Reducing => "reducing",
            Mode::Active => "active",
        }
    }
}

/// Why nothing but cancels may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Halt {
    /// It has just started.
    StartUp,
    /// The span it was armed for is over.
    Expired,
    /// The state was not read back for [`VERIFIED_FOR`].
    Unverified,
    /// The state is missing, unreadable, not ours, or could not be written.
    State(String),
    /// A part of the gateway ended that should not have.
    Crashed(String),
    /// It is being armed in another mode, and what was let out in the old one has not ended.
    Rearming,
    /// The gateway was stopped.
    Stopped,
    /// Somebody said so, and by which way.
    Command(String),
    /// A cap was reached.
    Cap(Cap),
}

impl Halt {
    /// The word used in files, answers and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Halt::StartUp => "start_up",
            Halt::Expired => "expired",
            Halt::Unverified => "unverified",
            Halt::State(_) => "state",
            Halt::Crashed(_) => "crashed",
            Halt::Rearming => "rearming",
            Halt::Stopped => "stopped",
            Halt::Command(_) => "command",
            Halt::Cap(_) => "cap",
        }
    }

    /// Whether everything is to be cancelled, and not only nothing let out.
    pub const fn cancels(&self) -> bool {
        matches!(self, Halt::Command(_) | Halt::Cap(_))
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::StartUp => f.write_str("the gateway has started and was not armed"),
            Halt::Expired => f.write_str("the span it was armed for is over"),
            Halt::Unverified => f.write_str("the state was not verified for two seconds"),
            Halt::State(what) => write!(f, "the state cannot be trusted: {what}"),
            Halt::Crashed(what) => write!(f, "a part of the gateway ended: {what}"),
            Halt::Rearming => f.write_str("it is being armed in another mode"),
            Halt::Stopped => f.write_str("the gateway was stopped"),
            Halt::Command(by) => write!(f, "halted by {by}"),
            Halt::Cap(cap) => write!(f, "a cap was reached: {cap}"),
        }
    }
}

/// Why an order was not let out. Nothing of it left this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The gate is shut.
    #[error("halted: {0}; see the cause, then `venuekit arm --for SPAN`")]
    Halted(Halt),
    /// Only orders that reduce pass.
    #[error("reducing: only reduce-only orders pass; `venuekit arm --for SPAN` lets others pass")]
    Reducing,
    /// The caps cannot be checked.
    #[error("{0}")]
    Unmeasured(&'static str),
    /// No cap is set for what it is worth in.
    #[error("no cap is set for orders in {0}; set one with `--max-order {0}=N` and `--max-day {0}=N`")]
    NoCap(String),
}

/// Why the gate was not armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// The span is nothing, or too long.
    #[error("armed for at least a second and at most 24 hours; choose a span in between")]
    Span,
    /// The state does not vouch for it.
    #[error(
        "the state was not verified in the last two seconds; look at the state file, its directory and its disk"
    )]
    Unverified,
    /// Orders may still be open that were to be cancelled.
    #[error("cancels are outstanding: wait until the venue shows no order, or arm with --force")]
    Outstanding,
}

/// What an operator wants when arming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// For how long.
    pub span: Duration,
    /// Whether only orders that reduce pass.
    pub reducing: bool,
    /// Whether outstanding cancels are no obstacle.
    pub force: bool,
    /// Who, for the audit.
    pub by: String,
}

/// Until when entries may leave, and which: what the last hop goes by, so that a gate nobody keeps verifying shuts
/// by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Before this instant.
    pub until: Mono,
    /// Whether only those that reduce.
    pub reducing: bool,
}

/// One thing that happened to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Its number, one more than the last one's; a hole means lost records.
    pub seq: u64,
    /// When.
    pub at: UnixNanos,
    /// What.
    pub what: Happening,
}

/// What happened to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was armed.
    Armed {
        /// Until when, on the wall.
        until: UnixNanos,
        /// Which mode.
        mode: Mode,
        /// Whether cancels were outstanding.
        forced: bool,
        /// Who did it.
        by: String,
    },
    /// Arming was refused.
    ArmRefused {
        /// Why.
        why: ArmError,
        /// Who tried.
        by: String,
    },
    /// It shut, or was shut once more.
    Halted(Halt),
    /// No order is open any more.
    Flat,
    /// Orders are still open after a round of cancels.
    Left {
        /// How many are known.
        open: usize,
    },
}

/// What of a gate outlives the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Why it was shut, when it was.
    pub halt: Option<Halt>,
    /// Whether cancels were outstanding.
    pub outstanding: bool,
    /// What the day has used.
    pub day: Day,
    /// The number of the last audit record.
    pub seq: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Shut(Halt),
    Open(Lease),
}

/// The kill switch of one gateway. Every method takes the time, and nothing in it moves without one.
#[derive(Clone, Debug)]
pub struct Gate {
    state: State,
    caps: Caps,
    verified: Option<Mono>,
    /// Counts the demands that everything be cancelled.
    sweep: u64,
    outstanding: bool,
    was_armed: bool,
    recent: VecDeque<Mono>,
    day: Day,
    seq: u64,
    audits: VecDeque<Audit>,
}

impl Gate {
    /// A gate as it is after a start: shut.
    pub fn new(caps: Caps) -> Gate {
        Gate {
            state: State::Shut(Halt::StartUp),
            caps,
            verified: None,
            sweep: 0,
            outstanding: false,
            was_armed: false,
            recent: VecDeque::new(),
            day: Day::default(),
            seq: 0,
            audits: VecDeque::new(),
        }
    }

    /// A gate after a restart: shut in any case, for the old reason where that one demanded cancels.
    pub fn restored(caps: Caps, kept: Kept) -> Gate {
        let halt = kept.halt.filter(|halt| kept.outstanding || halt.cancels());
        Gate {
            state: State::Shut(halt.unwrap_or(Halt::StartUp)),
            sweep: u64::from(kept.outstanding),
            outstanding: kept.outstanding,
            day: kept.day,
            seq: kept.seq,
            ..Gate::new(caps)
        }
    }

    /// A gate after a restart that found its state unusable: shut, and whatever may be open is to be cancelled.
    pub fn unreadable(caps: Caps, why: impl Into<String>) -> Gate {
        let state = State::Shut(Halt::State(why.into()));
        Gate { state, sweep: 1, outstanding: true, ..Gate::new(caps) }
    }

    /// Numbers its audit records above those of an earlier run that the state did not know of.
    pub fn count_from(&mut self, seq: u64) {
        self.seq = self.seq.max(seq);
    }

    /// What is to outlive the process.
    pub fn kept(&self) -> Kept {
        let halt = match &self.state {
            State::Shut(halt) => Some(halt.clone()),
            State::Open(_) => None,
        };
        Kept { halt, outstanding: self.outstanding, day: self.day.clone(), seq: self.seq }
    }

    /// What may leave.
    pub fn mode(&mut self, now: Now) -> Mode {
        match self.lease(now) {
            None => Mode::Halted,
            Some(Lease { reducing: true, .. }) => Mode::Reducing,
            Some(Lease { reducing: false, .. }) => Mode::Active,
        }
    }

    /// Why nothing but cancels may leave, when that is so.
    pub fn halt_reason(&self) -> Option<&Halt> {
        match &self.state {
            State::Shut(halt) => Some(halt),
            State::Open(_) => None,
        }
    }

    /// Until when it is armed.
    pub fn armed_until(&self) -> Option<Mono> {
        match &self.state {
            State::Shut(_) => None,
            State::Open(lease) => Some(lease.until),
        }
    }

    /// Whether it was armed since it started: before that, no open order is of this run.
    pub const fn was_armed(&self) -> bool {
        self.was_armed
    }

    /// The demand that everything be cancelled, while it is not met: its number, to answer with.
    pub fn sweep(&self) -> Option<u64> {
        self.outstanding.then_some(self.sweep)
    }

    /// Lets time pass: what has run out shuts the gate.
    pub fn tick(&mut self, now: Now) {
        let State::Open(lease) = &self.state else { return };
        // The span first: one that is over is over, whoever vouches for it.
        if now.mono >= lease.until {
            self.shut(now, Halt::Expired);
        } else if !self.is_verified(now) {
            self.shut(now, Halt::Unverified);
        }
    }

    /// The state was read back just now, and it says what the gate says.
    pub fn verified(&mut self, now: Now) {
        self.verified_at(now, now.mono);
    }

    /// As [`Gate::verified`], where the oldest of what vouches for the gate was read at an earlier instant.
    pub fn verified_at(&mut self, now: Now, read: Mono) {
        // A gap that is already there counts, whatever comes after it.
        self.tick(now);
        self.verified = self.verified.max(Some(read.min(now.mono)));
    }

    /// The state is not what it should be.
    pub fn distrust(&mut self, now: Now, why: impl Into<String>) {
        self.tick(now);
        self.verified = None;
        self.shut(now, Halt::State(why.into()));
    }

    /// A part of the gateway ended.
    pub fn crashed(&mut self, now: Now, what: impl Into<String>) {
        self.tick(now);
        self.shut(now, Halt::Crashed(what.into()));
    }

    /// It is to be armed in another mode: nothing is let out meanwhile.
    pub fn rearm(&mut self, now: Now) {
        self.tick(now);
        self.shut(now, Halt::Rearming);
    }

    /// The gateway ends.
    pub fn stop(&mut self, now: Now) {
        self.tick(now);
        self.shut(now, Halt::Stopped);
    }

    /// Somebody wants everything stopped and cancelled; said again, it is done again.
    pub fn halt(&mut self, now: Now, by: impl Into<String>) {
        self.tick(now);
        self.shut(now, Halt::Command(by.into()));
    }

    /// As [`Gate::halt`], by something that lasts, such as a file: nothing vouches for the gate any more until that is
    /// gone and it was verified anew.
    pub fn forbid(&mut self, now: Now, by: impl Into<String>) {
        self.halt(now, by);
        self.verified = None;
    }

    /// Opens the gate for a span: the only way to do so.
    ///
    /// **Errors**: [`ArmError`]; the gate is as it was.
    pub fn arm(&mut self, now: Now, wish: Arm) -> Result<Mode, ArmError> {
        self.tick(now);
        let Arm { span, reducing, force, by } = wish;
        let why = if span < Duration::from_secs(1) || span > ARMED_MAX {
            Some(ArmError::Span)
        } else if !self.is_verified(now) {
            Some(ArmError::Unverified)
        } else if self.outstanding && !force {
            Some(ArmError::Outstanding)
        } else {
            None
        };
        if let Some(why) = why {
            self.note(now, Happening::ArmRefused { why, by });
            return Err(why);
        }
        let mode = if reducing { Mode::Reducing } else { Mode::Active };
        let forced = core::mem::take(&mut self.outstanding);
        self.was_armed = true;
        self.state = State::Open(Lease { until: now.mono.plus(span), reducing });
        self.note(now, Happening::Armed { until: now.wall.plus(span), mode, forced, by });
        Ok(mode)
    }

    /// The venues were read and show no order, twice, since the demand with this number. An older demand's answer
    /// counts for nothing.
    pub fn flat(&mut self, now: Now, sweep: u64) {
        self.tick(now);
        if self.sweep() == Some(sweep) {
            self.outstanding = false;
            self.note(now, Happening::Flat);
        }
    }

    /// A round of cancels is over and orders are still open, or could not be read.
    pub fn left(&mut self, now: Now, open: usize) {
        self.tick(now);
        self.note(now, Happening::Left { open });
    }

    /// Lets an order out, and counts it; a cap that it would break shuts the gate instead.
    ///
    /// What was let out stays counted, whatever becomes of it.
    ///
    /// **Errors**: [`Refusal`]; the order must not leave.
    pub fn admit(&mut self, now: Now, entry: &Entry) -> Result<(), Refusal> {
        self.tick(now);
        match &self.state {
            State::Shut(halt) => return Err(Refusal::Halted(halt.clone())),
            State::Open(lease) if lease.reducing && !entry.reduce_only => return Err(Refusal::Reducing),
            State::Open(_) => {}
        }
        match self.caps.check(now, entry, &self.recent, &self.day)? {
            Ok(day) => self.day = day,
            Err(cap) => {
                let halt = Halt::Cap(cap);
                self.shut(now, halt.clone());
                return Err(Refusal::Halted(halt));
            }
        }
        if self.recent.len() == self.caps.per_second() {
            self.recent.pop_front();
        }
        self.recent.push_back(now.mono);
        Ok(())
    }

    /// What the last hop may let out from now on, and until when if nobody says more.
    pub fn lease(&mut self, now: Now) -> Option<Lease> {
        self.tick(now);
        match (&self.state, self.verified) {
            (State::Open(lease), Some(verified)) => {
                Some(Lease { until: lease.until.min(verified.plus(VERIFIED_FOR)), ..*lease })
            }
            _ => None,
        }
    }

    /// The next thing that happened, oldest first.
    pub fn poll_audit(&mut self) -> Option<Audit> {
        self.audits.pop_front()
    }

    fn is_verified(&self, now: Now) -> bool {
        self.verified.is_some_and(|at| now.mono < at.plus(VERIFIED_FOR))
    }

    fn shut(&mut self, now: Now, halt: Halt) {
        if halt.cancels() {
            self.sweep += 1;
            self.outstanding = true;
        } else if let State::Shut(_) = self.state {
            // A gate that is shut says why it first was, unless somebody shuts it by will.
            return;
        }
        self.state = State::Shut(halt.clone());
        self.note(now, Happening::Halted(halt));
    }

    fn note(&mut self, now: Now, what: Happening) {
        if self.audits.len() == AUDITS_MAX {
            self.audits.pop_front();
        }
        self.seq += 1;
        self.audits.push_back(Audit { seq: self.seq, at: now.wall, what });
    }
}
