//! Time as data: nobody here reads a clock, so tests write instants by hand.

use core::fmt;
use core::time::Duration;

/// Nanoseconds since the Unix epoch, UTC: what rows, tapes and venues speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// From whole milliseconds; saturates, since a venue may send anything.
    pub const fn from_millis(ms: i64) -> UnixNanos {
        UnixNanos(ms.saturating_mul(1_000_000))
    }

    /// Whole milliseconds, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// A later instant.
    pub const fn plus(self, span: Duration) -> UnixNanos {
        UnixNanos(self.0.saturating_add(nanos(span)))
    }

    /// Nanoseconds since an earlier instant; negative when `earlier` is later.
    pub const fn since(self, earlier: UnixNanos) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nanoseconds on a clock that never goes back; its zero means nothing. Every deadline is one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// A later instant.
    pub const fn plus(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(nanos(span) as u64))
    }

    /// The span since an earlier instant, zero when `earlier` is later.
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The present, as handed to a machine: both clocks, read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and ages.
    pub mono: Mono,
    /// For stamps and signatures.
    pub wall: UnixNanos,
}

impl Now {
    /// Both clocks moved forward by the same span: how tests let time pass.
    pub const fn plus(self, span: Duration) -> Now {
        Now { mono: self.mono.plus(span), wall: self.wall.plus(span) }
    }
}

/// A span in nanoseconds, saturated at 292 years.
const fn nanos(span: Duration) -> i64 {
    let n = span.as_nanos();
    if n > i64::MAX as u128 { i64::MAX } else { n as i64 }
}
