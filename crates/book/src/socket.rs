//! The counter of a connection: venues that number every message of a socket, whatever its channel.

/// Follows the numbers of one connection, which start at 0 and rise by one with each message.
///
/// Count a frame before decoding it, so that one which cannot be read is no hole. A [`SocketSeq::Jump`] is
/// to be reported to every book of the connection with [`Book::desync`](crate::Book::desync).
///
/// ```
/// use venuekit_book::{SocketCounter, SocketSeq};
/// let mut counter = SocketCounter::new();
/// assert_eq!(counter.observe(0), SocketSeq::Next);
/// assert_eq!(counter.observe(2), SocketSeq::Jump { expected: 1, got: 2 });
/// assert_eq!(counter.observe(1), SocketSeq::Old);
/// assert_eq!(counter.observe(3), SocketSeq::Next);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SocketCounter {
    next: u64,
}

impl SocketCounter {
    /// A connection that has said nothing yet.
    pub const fn new() -> SocketCounter {
        SocketCounter { next: 0 }
    }

    /// Takes the number of the next message.
    pub fn observe(&mut self, n: u64) -> SocketSeq {
        if n < self.next {
            return SocketSeq::Old;
        }
        let expected = core::mem::replace(&mut self.next, n.saturating_add(1));
        if n == expected { SocketSeq::Next } else { SocketSeq::Jump { expected, got: n } }
    }
}

/// What the number of a message says.
#[must_use = "a jump desyncs every book of the connection"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketSeq {
    /// In order.
    Next,
    /// Seen before, to be ignored.
    Old,
    /// Messages are missing; the count goes on from this one.
    Jump {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        got: u64,
    },
}
