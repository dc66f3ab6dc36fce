//! Rows that answers alone list: copy trading, fee rates, what a key may do.

use rust_decimal::Decimal;
use venuekit_types::{Side, UnixNanos};

use crate::MarketId;

/// A position that copies a lead trader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPosition {
    /// The market.
    pub market: MarketId,
    /// The venue's id of the copy relation.
    pub copy_id: String,
    /// The lead trader's id.
    pub lead_id: String,
    /// The lead trader's name.
    pub lead_name: Option<String>,
    /// Our units for each of the lead's.
    pub mirror_ratio: Decimal,
    /// Signed quantity.
    pub qty: Decimal,
    /// Average entry price.
    pub entry_price: Option<Decimal>,
    /// Mark price.
    pub mark_price: Option<Decimal>,
    /// Unrealised profit.
    pub unrealized_pnl: Option<Decimal>,
    /// When it was opened.
    pub opened_at: UnixNanos,
}

/// A fill of a copied position: whom it copies, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTrade {
    /// The market.
    pub market: MarketId,
    /// The venue's id of the copy relation.
    pub copy_id: String,
    /// The lead trader's id.
    pub lead_id: String,
    /// The lead's order.
    pub lead_order_id: String,
    /// Our order.
    pub order_id: String,
    /// Our fill.
    pub fill_id: String,
    /// The side.
    pub side: Side,
    /// The price.
    pub price: Decimal,
    /// The quantity.
    pub qty: Decimal,
    /// The lead's share of the profit.
    pub profit_share: Decimal,
    /// The venue's time.
    pub at: UnixNanos,
}

/// Fee rates of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeSchedule {
    /// The tier it is in.
    pub tier: Option<String>,
    /// What it traded in 30 days, in the venue's reference asset.
    pub volume_30d: Option<Decimal>,
    /// Rates by pair.
    pub pairs: Vec<PairFee>,
    /// Rates by tier.
    pub tiers: Vec<FeeTier>,
}

/// Fee rates of one pair, as shares of the value; negative is a rebate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFee {
    /// The market.
    pub market: MarketId,
    /// For orders that rested.
    pub maker: Decimal,
    /// For orders that took.
    pub taker: Decimal,
}

/// Fee rates of one tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeTier {
    /// Its name.
    pub tier: String,
    /// The least volume in 30 days.
    pub min_volume_30d: Decimal,
    /// For orders that rested.
    pub maker: Decimal,
    /// For orders that took.
    pub taker: Decimal,
}

/// What a key may do; nothing where the venue does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// See the account.
    pub read: Option<bool>,
    /// Place and cancel orders.
    pub trade: Option<bool>,
    /// Move money out.
    pub withdraw: Option<bool>,
    /// Only from listed addresses.
    pub ip_restricted: Option<bool>,
}
