//! The rules of a stream, as data: how its updates link, what its checksum covers, what is bounded.
//!
//! Owns no behaviour: `link` judges by [`Linkage`], `crc` by [`Checksum`]. A venue names values here and
//! brings no code of its own.

/// How the updates of a stream link to a snapshot and to each other.
///
/// Notation: `S` is the snapshot's id, `L` the id last applied, `n` a single id, `U..u` the ids an update
/// covers, `p` the predecessor it names. A snapshot restarts the count at any time, even with a lower id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Every frame is the whole book: `u < L` is old, everything else replaces.
    ///
    /// The frame which makes a book live goes through [`Book::snapshot`](crate::Book::snapshot), since it
    /// starts an epoch; the following ones go through [`Book::apply`](crate::Book::apply).
    Replace,
    /// No numbers: updates count in order of arrival, and those before the snapshot are dropped.
    Unnumbered,
    /// `n <= L` is old; holes cannot be seen.
    Rising,
    /// `n` follows `n - 1`.
    Step {
        /// Which update may follow a snapshot; those with `n <= S` before it are dropped.
        first: StepFirst,
        /// The number a venue falls back to when it restarts its count: this ends the epoch
        /// ([`Cause::Restarted`](crate::Cause::Restarted)) instead of looking old.
        restart: Option<u64>,
        /// What `n <= L` means once an update has followed the snapshot.
        stale: StaleStep,
    },
    /// Ranges of ids: `u <= L` is old, else `U == L + 1`. The first after a snapshot needs `U <= S + 1 <= u`.
    Range {
        /// Allows `U <= L + 1 <= u` throughout: an update may repeat what was seen.
        overlap: bool,
    },
    /// Each update names its predecessor: `p == L`, else `u <= L` is old.
    Chain {
        /// Which update may follow a snapshot.
        first: ChainFirst,
    },
    /// The numbers belong to the connection: `n <= L` is old. Holes are seen by the connection's
    /// [`SocketCounter`](crate::SocketCounter), whose jump the caller reports to every book of that socket.
    Socket,
}

/// The update that may follow a snapshot under [`Linkage::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepFirst {
    /// `n == S + 1`.
    Next,
    /// `n == S`: the stream must show that it passed the snapshot's own state.
    Anchor,
}

/// What a number at or below the last one means under [`Linkage::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleStep {
    /// A late duplicate, dropped.
    Drop,
    /// A break: the venue promises `L + 1` and nothing else.
    Desync,
}

/// The update that may follow a snapshot under [`Linkage::Chain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainFirst {
    /// `U <= S <= u`, or `p == S`; `u < S` is old.
    Straddle,
    /// `p == S`; `u <= S` is old.
    Prev,
    /// Any with `u > S`: a hole at this one place cannot be seen.
    Free,
}

/// What a venue's checksum covers. It is compared after the whole message and after the trim to depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The venue sends none.
    None,
    /// CRC32 over the best `levels` asks, then bids, best first: price and quantity as the digits of the
    /// integers, so the scales must be the venue's own precision; where updates bring
    /// [`Digits`](crate::Digits), the most places that were seen since the snapshot count instead.
    Crc32Fixed {
        /// Levels a side.
        levels: u8,
    },
    /// CRC32 over `bid:qty:ask:qty…`, interleaved and best first, in the numbers' original text; needs
    /// [`Digits`](crate::Digits) with every update. A checksum of 0 means that none was sent; a venue's signed
    /// value is given as its 32 bits.
    Crc32Text {
        /// Levels a side.
        levels: u8,
    },
}

/// What becomes of updates that come before a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Early {
    /// They are kept and linked when the snapshot is there, where the linkage has numbers to link by.
    Buffer,
    /// They are dropped: the stream repeats nothing and the snapshot is never behind it.
    Discard,
}

/// The bounds of one book. Passing one of them is a [`Gap`](crate::Gap), never a panic or a silent loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Updates held while a snapshot is awaited.
    pub buffered_updates: usize,
    /// Levels in those updates together.
    pub buffered_levels: usize,
    /// Levels a side after a message and its trim.
    pub levels_per_side: usize,
}

impl Default for Limits {
    /// Room for the deepest books seen (some ten thousand levels a side) and a slow snapshot of a busy one:
    /// at most about 10 MB a book.
    fn default() -> Limits {
        Limits { buffered_updates: 8_192, buffered_levels: 262_144, levels_per_side: 131_072 }
    }
}

/// Everything a book needs to know of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How updates link.
    pub linkage: Linkage,
    /// What the venue's checksum covers.
    pub checksum: Checksum,
    /// Levels a side that the venue keeps for us: deeper ones are cut off after each message, since the venue
    /// never deletes them. Nothing for a whole book.
    pub depth: Option<u32>,
    /// What becomes of updates before a snapshot.
    pub early: Early,
    /// Bounds.
    pub limits: Limits,
}

impl Rules {
    /// Rules of a whole book without a checksum, buffering early updates, with default limits.
    pub fn new(linkage: Linkage) -> Rules {
        Rules {
            linkage,
            checksum: Checksum::None,
            depth: None,
            early: Early::Buffer,
            limits: Limits::default(),
        }
    }
}
