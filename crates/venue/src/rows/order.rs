//! Rows of own orders and what filled them.

use rust_decimal::Decimal;
use venuekit_types::{Side, UnixNanos};

use crate::{MarketId, TriggerBy};

patch! {
    /// Changed fields of an own order.
    OrderPatch by {
        /// The market.
        market: MarketId,
        /// The venue's order id.
        order_id: String,
    } with {
        /// Our id.
        client_order_id: String,
        /// The side.
        side: Side,
        /// The venue-neutral type word: `limit`, `market`, `stop_market`, …
        order_type: String,
        /// `GTC`, `IOC`, `FOK`.
        time_in_force: String,
        /// Limit price.
        price: Decimal,
        /// Trigger price.
        stop_price: Decimal,
        /// Which price trips the trigger.
        trigger_by: TriggerBy,
        /// Ordered quantity.
        qty: Decimal,
        /// Filled quantity.
        cum_qty: Decimal,
        /// Average fill price.
        avg_px: Decimal,
        /// Fees so far; negative is a rebate.
        fee: Decimal,
        /// The asset the fees are paid in.
        fee_asset: String,
        /// The venue-neutral status word: `new`, `partially_filled`, `filled`, `canceled`, …
        status: OrderStatus,
        /// Whether it is refused rather than filled at once.
        post_only: bool,
        /// Whether it may only reduce a position.
        reduce_only: bool,
        /// When it was created.
        created_at: UnixNanos,
        /// When it last changed.
        updated_at: UnixNanos,
    }
}

/// A change of an own order by a venue that names its market only once.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderChange {
    /// The venue's order id.
    pub order_id: String,
    /// Where it stands now, where that changed.
    pub status: Option<OrderStatus>,
    /// Filled quantity.
    pub cum_qty: Option<Decimal>,
    /// Average fill price.
    pub avg_px: Option<Decimal>,
    /// When.
    pub at: Option<UnixNanos>,
}

impl OrderChange {
    /// As a patch, once the market is known.
    pub fn of(self, market: MarketId) -> OrderPatch {
        OrderPatch {
            status: self.status,
            cum_qty: self.cum_qty,
            avg_px: self.avg_px,
            updated_at: self.at,
            ..OrderPatch::new(market, self.order_id)
        }
    }
}

/// An own fill.
#[derive(Clone, Debug, PartialEq)]
pub struct Fill {
    /// The market.
    pub market: MarketId,
    /// The venue's fill id.
    pub fill_id: String,
    /// The venue's order id.
    pub order_id: String,
    /// Our id, where the venue repeats it.
    pub client_order_id: Option<String>,
    /// The side.
    pub side: Side,
    /// The price.
    pub price: Decimal,
    /// The quantity.
    pub qty: Decimal,
    /// The fee; negative is a rebate.
    pub fee: Decimal,
    /// The fee as a share of the value, where the venue says it.
    pub fee_rate: Option<Decimal>,
    /// The asset the fee is paid in, where the venue says it.
    pub fee_asset: Option<String>,
    /// Profit realised by it, where the venue says it.
    pub realized_pnl: Option<Decimal>,
    /// Whether it rested in the book.
    pub maker: bool,
    /// The venue's time.
    pub at: UnixNanos,
}

/// The life of an order, in FIX's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Sent, no answer yet.
    PendingNew,
    /// Resting, or waiting for its trigger.
    New,
    /// Partly filled and resting.
    PartiallyFilled,
    /// Wholly filled.
    Filled,
    /// Cancel sent, no answer yet.
    PendingCancel,
    /// Cancelled.
    Canceled,
    /// Refused.
    Rejected,
    /// Ended by its own terms.
    Expired,
    /// Only the venue knows.
    Unknown,
}

impl OrderStatus {
    /// Whether nothing more can happen to it.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Expired
        )
    }

    /// The word of the FIX vocabulary.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderStatus::PendingNew => "pending_new",
            OrderStatus::New => "new",
            OrderStatus::PartiallyFilled => "partially_filled",
            OrderStatus::Filled => "filled",
            OrderStatus::PendingCancel => "pending_cancel",
            OrderStatus::Canceled => "canceled",
            OrderStatus::Rejected => "rejected",
            OrderStatus::Expired => "expired",
            OrderStatus::Unknown => "unknown",
        }
    }
}
