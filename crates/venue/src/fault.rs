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
    /// The venue's own words.
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
