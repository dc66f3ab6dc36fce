//! Prices, quantities and sides.

use core::fmt;

/// A count of 10^-price_scale of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Price(pub i64);

/// A count of 10^-qty_scale of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Qty(pub i64);

/// One row of a book: the absolute quantity resting at a price; zero removes the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Level {
    /// Where it rests.
    pub price: Price,
    /// How much rests there, not a difference.
    pub qty: Qty,
}

impl Level {
    /// From raw counts.
    pub const fn new(price: i64, qty: i64) -> Level {
        Level { price: Price(price), qty: Qty(qty) }
    }
}

/// Which side of the book a level rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookSide {
    /// Buyers; best is the highest price.
    Bid,
    /// Sellers; best is the lowest price.
    Ask,
}

/// The side of an order, or of the aggressor in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Side {
    /// Bought, or the buyer crossed the spread.
    Buy,
    /// Sold, or the seller crossed the spread.
    Sell,
}

impl Side {
    /// The lower-case word of the FIX vocabulary.
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }

    /// The other side.
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
