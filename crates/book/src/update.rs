//! What a venue said, in integers: one message about one book, borrowed from whoever decoded it.

use venuekit_types::{Level, Scale};

/// The numbers a message carries; a single id `n` is `first == last`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The first id the message covers.
    pub first: u64,
    /// The last id the message covers; of a snapshot, the id it stands at.
    pub last: u64,
    /// The id the message says it follows.
    pub prev: Option<u64>,
}

impl Ids {
    /// A single id.
    pub const fn single(n: u64) -> Ids {
        Ids { first: n, last: n, prev: None }
    }

    /// A range of ids.
    pub const fn range(first: u64, last: u64) -> Ids {
        Ids { first, last, prev: None }
    }

    /// An id which names its predecessor.
    pub const fn linked(prev: u64, last: u64) -> Ids {
        Ids { first: last, last, prev: Some(prev) }
    }
}

/// One whole venue message about one book, snapshot or diff: a transaction.
///
/// Quantities are absolute; zero removes the level, and to remove one that is not there is harmless. Of a
/// price that stands twice in one message, the last row counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update<'a> {
    /// Its numbers; nothing where the venue sends none.
    pub ids: Option<Ids>,
    /// Bid rows, in any order.
    pub bids: &'a [Level],
    /// Ask rows, in any order.
    pub asks: &'a [Level],
    /// The checksum the venue vouches with, as 32 bits.
    pub checksum: Option<u32>,
    /// The spelling of the numbers; only under
    /// [`Checksum::Crc32Text`](crate::Checksum::Crc32Text), and
    /// [`Checksum::Crc32Fixed`](crate::Checksum::Crc32Fixed) where the scales are not the venue's precision.
    pub digits: Option<Digits<'a>>,
}

/// How the numbers of an [`Update`] were spelt, row by row.
///
/// Rows without a counterpart here cannot be covered by a checksum: a comparison which needs them fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits<'a> {
    /// The scale of the prices.
    pub price_scale: Scale,
    /// The scale of the quantities.
    pub qty_scale: Scale,
    /// One for each bid row.
    pub bids: &'a [Places],
    /// One for each ask row.
    pub asks: &'a [Places],
}

/// The number of digits behind the point in the text of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Of the price.
    pub price: u8,
    /// Of the quantity.
    pub qty: u8,
}
