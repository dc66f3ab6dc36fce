//! Both sides of a book and the one way to write them: a whole message at a time.
//!
//! Owns the order of the steps (numbers, rows, trim, bound, checksum) and the canonical text. It refuses to
//! judge sequences: whoever writes has asked `link` first.

use core::fmt::{self, Write};
use core::hint::select_unpredictable;

use venuekit_types::{BookSide, Level, Price, Qty, Scale, Scaled};

use crate::crc::{self, Precision, Spelling};
use crate::side::Side;
use crate::{Cause, Checksum, Gap, Rules, Update};

#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    /// Bids, then asks.
    sides: [Side; 2],
    /// The first price of the last message that lies between two ticks.
    off_grid: Option<Price>,
    /// Only under [`Checksum::Crc32Text`]: other books do not pay for it.
    spelling: Spelling,
    /// Only under [`Checksum::Crc32Fixed`], where the scales are not the venue's precision.
    precision: Option<Precision>,
}

impl Ladder {
    pub(crate) fn new() -> Ladder {
        Ladder {
            sides: [Side::new(BookSide::Bid), Side::new(BookSide::Ask)],
            off_grid: None,
            spelling: Spelling::new(),
            precision: None,
        }
    }

    #[inline]
    pub(crate) fn side(&self, side: BookSide) -> &Side {
        let [bids, asks] = &self.sides;
        match side {
            BookSide::Bid => bids,
            BookSide::Ask => asks,
        }
    }

    #[inline]
    pub(crate) fn at(&self, side: BookSide, price: Price) -> Option<Qty> {
        self.side(side).at(price)
    }

    /// True when a bid stands at or above an ask.
    pub(crate) fn is_crossed(&self) -> bool {
        let [bids, asks] = &self.sides;
        match (bids.best(), asks.best()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        }
    }

    /// Replaces the book by a message; `Ok(true)` when a checksum vouched for it.
    pub(crate) fn load(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        let [bids, asks] = &mut self.sides;
        bids.load(update.bids);
        asks.load(update.asks);
        self.spelling.clear();
        self.precision = None;
        self.finish(rules, update)
    }

    /// True while no price between two ticks was ever written, so that no message has one to name, and while there
    /// are fewer places than levels allowed, so that writing into them breaks no bound.
    pub(crate) fn is_plain(&self, levels_max: usize) -> bool {
        self.sides.iter().all(|side| !side.has_been_off_grid() && side.places() <= levels_max)
    }

    /// The side of a single row, where either is as likely.
    #[inline]
    pub(crate) fn side_of_row(&mut self, is_bid: bool) -> &mut Side {
        let [bids, asks] = &mut self.sides;
        select_unpredictable(is_bid, bids, asks)
    }

    /// Finds the best levels that are not known: on the short way of a single row nobody does.
    #[cold]
    #[inline(never)]
    pub(crate) fn find_best(&mut self) {
        self.sides.iter_mut().for_each(Side::find_best);
    }

    /// Writes a diff into the book; `Ok(true)` when a checksum vouched for the result. Nothing of a message with a
    /// number that cannot be is written.
    pub(crate) fn write(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        check_numbers(update)?;
        let [bids, asks] = &mut self.sides;
        bids.set(update.bids);
        asks.set(update.asks);
        self.finish(rules, update)
    }

    /// What follows the rows of a message: spelling, trim, bound, checksum, in this order.
    fn finish(&mut self, rules: &Rules, update: &Update<'_>) -> Result<bool, Gap> {
        self.off_grid = self.find_off_grid(update);
        match rules.checksum {
            Checksum::Crc32Text { .. } => self.spelling.set(update),
            Checksum::Crc32Fixed { .. } => self.precision = Precision::after(self.precision, update),
            Checksum::None => {}
        }
        if let Some(depth) = rules.depth {
            self.trim(usize::try_from(depth).unwrap_or(usize::MAX));
        }
        self.check_bound(rules)?;
        match update.checksum {
            None => Ok(false),
            Some(theirs) => self.compare(rules.checksum, theirs),
        }
    }

    fn find_off_grid(&self, update: &Update<'_>) -> Option<Price> {
        let [bids, asks] = &self.sides;
        if !bids.has_been_off_grid() && !asks.has_been_off_grid() {
            return None;
        }
        let mut rows = update.bids.iter().chain(update.asks);
        rows.find(|row| row.qty.0 != 0 && bids.is_off_grid(row.price)).map(|row| row.price)
    }

    pub(crate) fn off_grid(&self) -> Option<Price> {
        self.off_grid
    }

    pub(crate) fn set_tick(&mut self, tick: Price) {
        self.sides.iter_mut().for_each(|side| side.set_tick(tick));
        self.off_grid = None;
    }

    fn check_bound(&self, rules: &Rules) -> Result<(), Gap> {
        let [bids, asks] = &self.sides;
        let bound = rules.limits.levels_per_side;
        let levels = bids.len().max(asks.len());
        if levels > bound {
            return Err(Gap::between(Cause::TooManyLevels, count(bound), count(levels)));
        }
        Ok(())
    }

    fn trim(&mut self, depth: usize) {
        let Ladder { sides: [bids, asks], spelling, .. } = self;
        bids.trim(depth, |cut| spelling.forget(BookSide::Bid, cut.price));
        asks.trim(depth, |cut| spelling.forget(BookSide::Ask, cut.price));
    }

    /// Compares a checksum; `Ok(false)` when it says nothing.
    fn compare(&self, rule: Checksum, theirs: u32) -> Result<bool, Gap> {
        let [bids, asks] = &self.sides;
        let ours = match rule {
            Checksum::None => return Ok(false),
            Checksum::Crc32Text { .. } if theirs == 0 => return Ok(false),
            Checksum::Crc32Fixed { levels } => Some(crc::fixed(bids, asks, levels, self.precision)),
            Checksum::Crc32Text { levels } => self.spelling.crc(bids, asks, levels),
        };
        if ours == Some(theirs) {
            return Ok(true);
        }
        Err(Gap { cause: Cause::Checksum, expected: ours.map(u64::from), got: Some(u64::from(theirs)) })
    }

    /// Writes the canonical text of the whole book into a sink.
    pub(crate) fn digest_into(&self, price: Scale, qty: Scale, sink: &mut impl FnMut(&[u8])) {
        let mut text = Sink(sink);
        for (letter, side) in ['b', 'a'].into_iter().zip(&self.sides) {
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
#[inline]
pub(crate) fn check_numbers(update: &Update<'_>) -> Result<(), Gap> {
    if update.asks.iter().fold(update.bids.iter().fold(0, signs), signs) >= 0 {
        return Ok(());
    }
    Err(Gap::of(Cause::BadNumber))
}

/// Negative once a row is wrong, without a branch or a comparison for each: only the topmost bits count, that of the
/// quantity, and that of a price or its predecessor where the quantity's negative has it too.
#[inline]
fn signs(signs: i64, &Level { price: Price(price), qty: Qty(qty) }: &Level) -> i64 {
    signs | qty | ((price | price.wrapping_sub(1)) & qty.wrapping_neg())
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
