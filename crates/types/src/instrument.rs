//! What is traded, and in which units. Versioned, because venues change tick sizes while we watch.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Fixed, Price, Qty, Scale, Symbol};

/// The kind of contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Kind {
    /// Delivery of the asset itself.
    Spot,
    /// A swap without expiry.
    Perpetual,
    /// A contract that expires.
    Future,
}

/// Whether orders are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Status {
    /// Open for trading.
    Trading,
    /// Listed, but takes no orders now.
    Halted,
    /// Gone for good.
    Delisted,
}

/// One instrument of one venue at one version of its terms.
///
/// **Units**: `tick` and every price count 10^-`price_scale` of the quote; `step` and every quantity count
/// 10^-`qty_scale` of the base, or of contracts where `contract_size` is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Instrument {
    /// The venue's own spelling.
    pub venue_symbol: String,
    /// Other names the venue has for it, the one its requests want first.
    #[cfg_attr(feature = "serde", serde(default))]
    pub aliases: Vec<String>,
    /// The one spelling we print.
    pub symbol: Symbol,
    /// Spot, perpetual or dated.
    pub kind: Kind,
    /// Decimal places of prices.
    pub price_scale: Scale,
    /// Decimal places of quantities.
    pub qty_scale: Scale,
    /// Smallest price increment; zero when the venue names none.
    pub tick: Price,
    /// Smallest quantity increment; zero when the venue names none.
    pub step: Qty,
    /// Smallest order quantity.
    pub min_qty: Option<Qty>,
    /// Largest order quantity.
    pub max_qty: Option<Qty>,
    /// Smallest order value in the quote.
    pub min_notional: Option<Fixed>,
    /// Units of the base (linear) or of the quote (inverse) in one contract.
    pub contract_size: Option<Fixed>,
    /// True when profit is paid in the base.
    pub inverse: bool,
    /// Maker fee rate; negative is a rebate.
    pub maker_fee: Option<Fixed>,
    /// Taker fee rate.
    pub taker_fee: Option<Fixed>,
    /// Whether it trades now.
    pub status: Status,
    /// Rises by one whenever any other field changes.
    pub version: u32,
}
