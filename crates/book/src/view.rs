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
    #[inline]
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
    #[inline]
    pub fn best_bid(&self) -> Option<Level> {
        self.ladder.side(BookSide::Bid).best()
    }

    /// The lowest ask.
    #[inline]
    pub fn best_ask(&self) -> Option<Level> {
        self.ladder.side(BookSide::Ask).best()
    }

    /// The levels of a side, best first; from its other end, worst first.
    pub fn levels(
        &self,
        side: BookSide,
    ) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + Clone + use<'a> {
        self.ladder.side(side).iter()
    }

    /// The bids, best first.
    #[inline]
    pub fn bids(&self) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + Clone + use<'a> {
        self.levels(BookSide::Bid)
    }

    /// The asks, best first.
    #[inline]
    pub fn asks(&self) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + Clone + use<'a> {
        self.levels(BookSide::Ask)
    }

    /// Writes the best levels of a side into a slice, best first, and gives how many there were: the quickest way
    /// to the top of a book.
    pub fn top(&self, side: BookSide, out: &mut [Level]) -> usize {
        self.ladder.side(side).top(out)
    }

    /// The number of levels of a side.
    #[inline]
    pub fn level_count(&self, side: BookSide) -> usize {
        self.ladder.side(side).len()
    }

    /// The quantity resting at a price; nothing where no level is.
    #[inline]
    pub fn qty_at(&self, side: BookSide, price: Price) -> Option<Qty> {
        self.ladder.at(side, price)
    }

    /// What rests from the touch to a price, both included.
    ///
    /// **Shape**: walks the levels it counts.
    pub fn depth_to(&self, side: BookSide, price: Price) -> Depth {
        let within = |level: &Level| match side {
            BookSide::Bid => level.price >= price,
            BookSide::Ask => level.price <= price,
        };
        let mut depth = Depth::default();
        for level in self.levels(side).take_while(within) {
            depth.levels += 1;
            depth.qty += i128::from(level.qty.0);
        }
        depth
    }

    /// What it takes to fill a quantity from a side: asks to buy, bids to sell. Nothing is filled of a quantity
    /// of zero or below.
    ///
    /// **Shape**: walks the levels that are taken.
    pub fn fill(&self, side: BookSide, qty: Qty) -> Fill {
        let mut fill = Fill::default();
        let mut left = qty.0.max(0);
        for level in self.levels(side).take_while(|_| qty.0 > 0) {
            let taken = left.min(level.qty.0);
            left -= taken;
            fill.levels += 1;
            fill.worst = Some(level.price);
            fill.notional += i128::from(level.price.0) * i128::from(taken);
            if left == 0 {
                break;
            }
        }
        fill.qty = Qty(qty.0.max(0) - left);
        fill
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

/// What rests in a band of prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// How many levels.
    pub levels: usize,
    /// Their quantities together, in the unit of quantities.
    pub qty: i128,
}

/// What it takes to fill a quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// How much can be filled; less than was asked for when the side has no more.
    pub qty: Qty,
    /// How many levels it takes, the last perhaps in part.
    pub levels: usize,
    /// The price of the last level taken.
    pub worst: Option<Price>,
    /// Price times quantity, summed over what is taken: exact, in the unit of prices times that of quantities.
    pub notional: i128,
}

impl Fill {
    /// The volume-weighted price, rounded down to a whole count; nothing when nothing was filled.
    pub fn average_rounded_down(&self) -> Option<Price> {
        // It lies between the best and the worst price, so it fits.
        i64::try_from(self.notional.checked_div(i128::from(self.qty.0))?).ok().map(Price)
    }

    /// The volume-weighted price, rounded up to a whole count; nothing when nothing was filled.
    pub fn average_rounded_up(&self) -> Option<Price> {
        let down = self.average_rounded_down()?;
        let is_whole = self.notional == i128::from(down.0) * i128::from(self.qty.0);
        Some(if is_whole { down } else { Price(down.0 + 1) })
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
    pub fn levels(
        &self,
        side: BookSide,
    ) -> impl DoubleEndedIterator<Item = Level> + ExactSizeIterator + Clone + use<'a> {
        self.ladder.side(side).iter()
    }

    /// The number of levels of a side.
    #[inline]
    pub fn level_count(&self, side: BookSide) -> usize {
        self.ladder.side(side).len()
    }

    /// Writes the canonical text, as [`View::digest_into`] does.
    pub fn digest_into(&self, price_scale: Scale, qty_scale: Scale, sink: &mut impl FnMut(&[u8])) {
        self.ladder.digest_into(price_scale, qty_scale, sink);
    }
}
