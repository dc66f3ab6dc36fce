//! Reading a book: [`View`] while it is live, [`Unvouched`] when somebody must see the remains.
//!
//! The two share their queries and no type: nothing that takes a view can be handed remains.

use core::fmt;
use core::time::Duration;

use venuekit_types::{BookSide, Level, Now, Price, Qty, Scale};

use crate::Book;
use crate::ladder::Ladder;

/// What vouches for a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assurance {
    /// The numbers show that nothing is missing.
    Sequenced,
    /// The last message carried a checksum of the top of the book, and it held.
    Checksummed,
    /// Only the connection: nothing in the messages could show a loss.
    Transport,
}

impl Assurance {
    /// The word for metrics and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Assurance::Sequenced => "sequenced",
            Assurance::Checksummed => "checksummed",
            Assurance::Transport => "transport",
        }
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A live book at one instant, stamped with what it is worth. It borrows the book, so no message can come
/// between two of its answers.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    book: &'a Book,
    ladder: &'a Ladder,
    now: Now,
}

impl<'a> View<'a> {
    pub(crate) fn new(book: &'a Book, ladder: &'a Ladder, now: Now) -> View<'a> {
        View { book, ladder, now }
    }

    /// The generation: it changes with every snapshot.
    pub fn epoch(&self) -> u64 {
        self.book.epoch()
    }

    /// The id of the last message in it; nothing where the venue sends none.
    pub fn seq(&self) -> Option<u64> {
        self.book.last_id()
    }

    /// The span since the last message that it holds.
    pub fn age(&self) -> Duration {
        self.now.mono.since(self.book.updated().mono)
    }

    /// When the last message that it holds was applied.
    pub fn updated_at(&self) -> Now {
        self.book.updated()
    }

    /// The number of levels a side beyond which nothing is known; nothing for a whole book.
    pub fn horizon(&self) -> Option<u32> {
        self.book.rules().depth
    }

    /// What vouches for it.
    pub fn assurance(&self) -> Assurance {
        self.book.assurance()
    }

    /// The highest bid.
    pub fn best_bid(&self) -> Option<Level> {
        self.ladder.side(BookSide::Bid).best()
    }

    /// The lowest ask.
    pub fn best_ask(&self) -> Option<Level> {
        self.ladder.side(BookSide::Ask).best()
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: BookSide) -> impl Iterator<Item = Level> + Clone + use<'a> {
        self.ladder.side(side).iter()
    }

    /// The bids, best first.
    pub fn bids(&self) -> impl Iterator<Item = Level> + Clone + use<'a> {
        self.levels(BookSide::Bid)
    }

    /// The asks, best first.
    pub fn asks(&self) -> impl Iterator<Item = Level> + Clone + use<'a> {
        self.levels(BookSide::Ask)
    }

    /// The number of levels of a side.
    pub fn level_count(&self, side: BookSide) -> usize {
        self.ladder.side(side).len()
    }

    /// The quantity resting at a price; nothing where no level is.
    pub fn qty_at(&self, side: BookSide, price: Price) -> Option<Qty> {
        self.ladder.at(side, price)
    }

    /// True when a bid stands at or above an ask. Venues do send such books for moments (auctions, a halt):
    /// it is kept as it came, and whoever trades should ask.
    pub fn is_crossed(&self) -> bool {
        self.ladder.is_crossed()
    }

    /// Writes the canonical text of the whole book, for the caller's hasher: lines `b,<price>,<qty>` best bid
    /// first, then `a,<price>,<qty>` best ask first, plain decimals without trailing zeros, each line ended
    /// by a newline.
    pub fn digest_into(&self, price_scale: Scale, qty_scale: Scale, sink: &mut impl FnMut(&[u8])) {
        self.ladder.digest_into(price_scale, qty_scale, sink);
    }
}

/// The levels of a book that nothing vouches for; see [`Book::last_known_unvouched`].
///
/// It has no touch and no price query on purpose: it can be listed and compared, not traded on.
#[derive(Clone, Copy, Debug)]
pub struct Unvouched<'a> {
    ladder: &'a Ladder,
}

impl<'a> Unvouched<'a> {
    pub(crate) fn new(ladder: &'a Ladder) -> Unvouched<'a> {
        Unvouched { ladder }
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: BookSide) -> impl Iterator<Item = Level> + Clone + use<'a> {
        self.ladder.side(side).iter()
    }

    /// The number of levels of a side.
    pub fn level_count(&self, side: BookSide) -> usize {
        self.ladder.side(side).len()
    }

    /// Writes the canonical text, as [`View::digest_into`] does.
    pub fn digest_into(&self, price_scale: Scale, qty_scale: Scale, sink: &mut impl FnMut(&[u8])) {
        self.ladder.digest_into(price_scale, qty_scale, sink);
    }
}
