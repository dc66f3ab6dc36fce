//! The words for what became of a message and of a book. The same words stand in metrics, rows and logs.

use core::fmt;

/// What a book is worth right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing was ever asked for.
    #[default]
    Empty,
    /// A snapshot is awaited; updates are held for it where they can be linked.
    Buffering,
    /// In sequence: it can be read.
    Live,
    /// Out of sequence, and nobody has asked for a snapshot yet.
    Stale,
}

impl State {
    /// The word for metrics and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Empty => "empty",
            State::Buffering => "buffering",
            State::Live => "live",
            State::Stale => "stale",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What became of one message.
#[must_use = "a desync has to be answered with a new snapshot"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The book holds it, whole.
    Applied,
    /// It changed nothing: the book is past it, or is not waiting for it.
    Old,
    /// It is held until the snapshot comes.
    Buffered,
    /// It did not fit: the book cannot be read until a snapshot heals it.
    Desync(Gap),
}

/// Why a book stopped being live, with the two numbers that did not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gap {
    /// What kind of loss it is.
    pub cause: Cause,
    /// What the book called for: an id, its own checksum, a bound.
    pub expected: Option<u64>,
    /// What the message brought instead.
    pub got: Option<u64>,
}

impl Gap {
    /// A loss which has no numbers: a close, silence, a frame that did not parse.
    pub const fn of(cause: Cause) -> Gap {
        Gap { cause, expected: None, got: None }
    }

    /// A loss and its two numbers.
    pub const fn between(cause: Cause, expected: u64, got: u64) -> Gap {
        Gap { cause, expected: Some(expected), got: Some(got) }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        if let Some(expected) = self.expected {
            write!(f, ", expected {expected}")?;
        }
        match (self.got, self.expected) {
            (Some(got), _) => write!(f, ", got {got}"),
            (None, Some(_)) => f.write_str(", got none"),
            (None, None) => Ok(()),
        }
    }
}

/// The kinds of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The message does not follow the last one.
    Sequence,
    /// The venue's checksum is not that of the book.
    Checksum,
    /// The snapshot ends before the held updates begin: fetch another, they are kept.
    SnapshotTooOld,
    /// The snapshot took longer than the buffer could hold.
    BufferFull,
    /// A side grew past its bound.
    TooManyLevels,
    /// A price or quantity is negative, or was more than its scale or 64 bits can hold.
    BadNumber,
    /// The counter of the connection jumped.
    SocketCounter,
    /// A frame was lost on our side: unreadable, or shed under load.
    Lost,
    /// The connection closed.
    Closed,
    /// Nothing came within the channel's deadline.
    Silent,
    /// The venue started its count again: an end of the epoch, not a loss.
    Restarted,
    /// The terms of the instrument changed, so its integers mean something else.
    Rescaled,
    /// The venue's own book at the same number has other levels.
    Drift,
}

impl Cause {
    /// Every cause, for whoever keeps one counter for each.
    pub const ALL: [Cause; 13] = [
        Cause::Sequence,
        Cause::Checksum,
        Cause::SnapshotTooOld,
        Cause::BufferFull,
        Cause::TooManyLevels,
        Cause::BadNumber,
        Cause::SocketCounter,
        Cause::Lost,
        Cause::Closed,
        Cause::Silent,
        Cause::Restarted,
        Cause::Rescaled,
        Cause::Drift,
    ];

    /// The word for metrics and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Sequence => "sequence",
            Cause::Checksum => "checksum",
            Cause::SnapshotTooOld => "snapshot_too_old",
            Cause::BufferFull => "buffer_full",
            Cause::TooManyLevels => "too_many_levels",
            Cause::BadNumber => "bad_number",
            Cause::SocketCounter => "socket_counter",
            Cause::Lost => "lost",
            Cause::Closed => "closed",
            Cause::Silent => "silent",
            Cause::Restarted => "restarted",
            Cause::Rescaled => "rescaled",
            Cause::Drift => "drift",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why there is no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLive {
    /// What the book is instead.
    pub state: State,
    /// What it lost last, if it ever was more; stays until the book is live again.
    pub gap: Option<Gap>,
}

impl fmt::Display for NotLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the book is {}", self.state)?;
        if let Some(gap) = self.gap {
            write!(f, " ({gap})")?;
        }
        f.write_str(", wait for a snapshot")
    }
}

impl core::error::Error for NotLive {}
