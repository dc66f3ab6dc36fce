//! Both sides of a book and the one way to write them: a whole message at a time.
//!
//! Owns the order of the steps (numbers, rows, trim, bound, checksum) and the canonical text. It refuses to
//! judge sequences: whoever writes has asked `link` first.

use core::fmt::{self, Write};

use venuekit_types::{BookSide, Level, Price, Qty, Scale, Scaled};

use crate::crc::{self, Spelling};
use crate::side::Side;
use crate::{Cause, Checksum, Gap, Rules, Update};

#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    bids: Side,
    asks: Side,
    /// Only under [`Checksum::Crc32Text`]: other books do not pay for it.
    spelling: Spelling,
}

impl Ladder {
    pub(crate) const fn new() -> Ladder {
        Ladder { bids: Side::new(BookSide::Bid), asks: Side::new(BookSide::Ask), spelling: Spelling::new() }
    }

    pub(crate) fn side(&self, side: BookSide) -> &Side {
        match side {
            BookSide::Bid => &self.bids,
            BookSide::Ask => &self.asks,
        }
    }

    pub(crate) fn at(&self, side: BookSide, price: Price) -> Option<Qty> {
        self.side(side).at(price)
    }

    /// True when a bid stands at or above an ask.
    pub(crate) fn is_crossed(&self) -> bool {
        match (self.bids.best(), self.asks.best()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// Replaces the book by a message; `Ok(true)` when a checksum vouched for it.
    pub(crate) fn load(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        self.bids.load(update.bids);
        self.asks.load(update.asks);
        if matches!(rules.checksum, Checksum::Crc32Text { .. }) {
            self.spelling.clear();
            self.spelling.set(update);
        }
        self.finish(rules, update)
    }

    /// Writes a diff into the book; `Ok(true)` when a checksum vouched for the result.
    pub(crate) fn write(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        for &level in update.bids {
            self.bids.set(level);
        }
        for &level in update.asks {
            self.asks.set(level);
        }
        if matches!(rules.checksum, Checksum::Crc32Text { .. }) {
            self.spelling.set(update);
        }
        self.finish(rules, update)
    }

    /// What follows the rows of a message: trim, bound, checksum, in this order.
    fn finish(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        if let Some(depth) = rules.depth {
            let depth = usize::try_from(depth).unwrap_or(usize::MAX);
            self.bids.trim(depth).for_each(|cut| self.spelling.forget(BookSide::Bid, cut.price));
            self.asks.trim(depth).for_each(|cut| self.spelling.forget(BookSide::Ask, cut.price));
        }
        let bound = rules.limits.levels_per_side;
        let levels = self.bids.len().max(self.asks.len());
        if levels > bound {
            return Err(Gap::between(Cause::TooManyLevels, count(bound), count(levels)));
        }
        let (ours, theirs) = match (rules.checksum, update.checksum) {
            (Checksum::None, _) | (_, None) | (Checksum::Crc32Text { .. }, Some(0)) => return Ok(false),
            (Checksum::Crc32Fixed { levels }, Some(theirs)) => {
                (Some(crc::fixed(&self.bids, &self.asks, levels)), theirs)
            }
            (Checksum::Crc32Text { levels }, Some(theirs)) => {
                (self.spelling.crc(&self.bids, &self.asks, levels), theirs)
            }
        };
        if ours == Some(theirs) {
            return Ok(true);
        }
        Err(Gap { cause: Cause::Checksum, expected: ours.map(u64::from), got: Some(u64::from(theirs)) })
    }

    /// Writes the canonical text of the whole book into a sink.
    pub(crate) fn digest_into(&self, price: Scale, qty: Scale, sink: &mut impl FnMut(&[u8])) {
        let mut text = Sink(sink);
        for (letter, side) in [('b', &self.bids), ('a', &self.asks)] {
            for row in side.iter() {
                let (price, qty) = (Scaled::new(row.price.0, price), Scaled::new(row.qty.0, qty));
                writeln!(text, "{letter},{price},{qty}").expect("a sink takes everything");
            }
        }
    }
}

/// Refuses a message with a number that no level can have, before anything of it is written.
///
/// A removal is harmless at any price, so rows that venues fill up with zeros pass.
pub(crate) fn check_numbers(update: &Update<'_>) -> Result<(), Gap> {
    let fits = |row: &Level| row.qty.0 == 0 || (row.qty.0 > 0 && row.price.0 > 0);
    if update.bids.iter().all(fits) && update.asks.iter().all(fits) {
        return Ok(());
    }
    Err(Gap::of(Cause::BadNumber))
}

/// A count as it stands in a [`Gap`].
pub(crate) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Text into a function that takes bytes.
struct Sink<'a, F>(&'a mut F);

impl<F: FnMut(&[u8])> Write for Sink<'_, F> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text.as_bytes());
        Ok(())
    }
}
