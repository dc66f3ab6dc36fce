//! What a peer did wrong, and who must act.

use core::fmt;
use core::time::Duration;

/// One fault of a venue: what kind, in the venue's own words, and whether trying again can help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}{}", CodeSuffix(*code))]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// The venue's number for it.
    pub code: Option<i64>,
    /// The venue's own words, and what to do about it.
    pub text: String,
    /// Whether and when trying again can help.
    pub retry: Retry,
}

struct CodeSuffix(Option<i64>);

impl fmt::Display for CodeSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => write!(f, " (code {code})"),
            None => Ok(()),
        }
    }
}

/// The kinds of fault, by who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Key, secret, permission or address: the operator.
    Credentials,
    /// Our clock: measure it again.
    Clock,
    /// Our request: the caller.
    BadRequest,
    /// The order: the caller.
    Rejected,
    /// Unknown order, symbol or route: the caller.
    NotFound,
    /// Over a budget: wait.
    RateLimited,
    /// Banned: send nothing until it ends.
    Banned,
    /// The venue is down or busy: wait; an order's outcome is unknown.
    Unavailable,
    /// The answer made no sense to us.
    Unreadable,
    /// No answer at all.
    Transport,
}

impl FaultKind {
    /// The word used in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            FaultKind::Credentials => "credentials refused",
            FaultKind::Clock => "clock out of window",
            FaultKind::BadRequest => "bad request",
            FaultKind::Rejected => "rejected",
            FaultKind::NotFound => "not found",
            FaultKind::RateLimited => "rate limited",
            FaultKind::Banned => "banned",
            FaultKind::Unavailable => "venue unavailable",
            FaultKind::Unreadable => "unreadable answer",
            FaultKind::Transport => "no answer",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fault {
    /// A fault that we found by ourselves, and that trying again cannot mend.
    pub fn ours(kind: FaultKind, text: impl Into<String>) -> Fault {
        Fault { kind, code: None, text: text.into(), retry: Retry::Never }
    }
}

impl FaultKind {
    /// What to do about a fault of which no more is known than its kind.
    pub const fn advice(self) -> &'static str {
        match self {
            FaultKind::Credentials => "check the key, its secret, its permissions and its address list",
            FaultKind::Clock => {
                "measure the venue's time again; set this machine's clock if that does not help"
            }
            FaultKind::BadRequest => "change the request; it will be refused again as it is",
            FaultKind::Rejected => "change the order; it will be refused again as it is",
            FaultKind::NotFound => "check the id and the symbol; it may be gone already",
            FaultKind::RateLimited => "send less, and nothing before the wait is over",
            FaultKind::Banned => "send nothing until the ban ends; orders that rest stay where they are",
            FaultKind::Unavailable => "wait, and look up what was sent: it may have been done",
            FaultKind::Unreadable => "look up what was sent; compare the answer with the venue's documents",
            FaultKind::Transport => "check the connection, and look up what was sent: it may have been done",
        }
    }
}

/// Whether trying again can help. Only `session` retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It cannot.
    Never,
    /// After that long; zero leaves it to the back-off.
    After(Duration),
    /// After measuring the clock or the state again.
    Resync,
}
