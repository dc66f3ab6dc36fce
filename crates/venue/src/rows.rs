//! Rows of everything that is not a book: what streams deliver and what answers list, in words that hold for every venue.
//!
//! Prices and quantities of trades are counts; sums, averages and money are exact decimals.

use rust_decimal::Decimal;
use venuekit_types::{Price, Qty, Side, UnixNanos};

use crate::{Interval, MarketId, TextSpan, TriggerBy, Wallet};

/// One row of a channel that is not a book.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A public trade.
    Trade(Trade),
    /// Changed fields of a ticker.
    Ticker(TickerPatch),
    /// A candle.
    Candle(Candle),
    /// Changed fields of an own order.
    Order(OrderPatch),
    /// A change of an own order that does not name its market.
    OrderChange(Box<OrderChange>),
    /// Changed fields of an own position.
    Position(PositionPatch),
    /// Changed fields of a balance.
    Balance(BalancePatch),
    /// An own fill.
    Fill(Fill),
    /// Money that came, went, or moved between wallets.
    Movement(Box<Movement>),
    /// A position that copies a lead trader.
    CopyPosition(Box<CopyPosition>),
    /// A fill of a copied position.
    CopyTrade(Box<CopyTrade>),
    /// Fee rates of the account.
    Fees(Box<FeeSchedule>),
    /// What the key may do.
    Permissions(Permissions),
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The market.
    pub market: MarketId,
    /// The venue's id, unique per market.
    pub id: TextSpan,
    /// The id as a number, where it is one that rises by one.
    pub number: Option<u64>,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub qty: Qty,
    /// The side of the aggressor.
    pub side: Option<Side>,
    /// The venue's time.
    pub at: UnixNanos,
}

macro_rules! patch {
    (
        $(#[$meta:meta])* $name:ident
        by { $($(#[$kmeta:meta])* $key:ident : $kty:ty,)* }
        with { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }
        $(of_its_moment { $($(#[$mmeta:meta])* $moment:ident : $mty:ty,)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$kmeta])* pub $key: $kty,)*
            $($(#[$fmeta])* pub $field: Option<$ty>,)*
            $($($(#[$mmeta])* pub $moment: Option<$mty>,)*)?
        }

        impl $name {
            /// A patch of the row with this key that changes nothing but what is of its moment.
            pub fn new($($key: $kty),*) -> $name {
                $name { $($key,)* $($field: None,)* $($($moment: None,)*)? }
            }

            /// Takes over every field that the newer patch carries. What the venue reckoned from the row as it stood
            /// is unknown again once a newer patch comes without it.
            pub fn merge(&mut self, newer: &$name) {
                $(if newer.$field.is_some() { self.$field.clone_from(&newer.$field); })*
                $($(self.$moment.clone_from(&newer.$moment);)*)?
            }
        }
    };
}

patch! {
    /// Changed fields of a market's ticker. Sums and averages are exact decimals.
    TickerPatch by {
        /// The market.
        market: MarketId,
    } with {
        /// Last traded price.
        last: Decimal,
        /// Best bid.
        bid: Decimal,
        /// Quantity at the best bid.
        bid_qty: Decimal,
        /// Best ask.
        ask: Decimal,
        /// Quantity at the best ask.
        ask_qty: Decimal,
        /// First price of the day's window.
        open: Decimal,
        /// Highest price of the window.
        high: Decimal,
        /// Lowest price of the window.
        low: Decimal,
        /// Last price of the window, where it lags behind `last`.
        close: Decimal,
        /// Quantity traded in the window, in the unit of quantities.
        volume: Decimal,
        /// Value traded in the window, in the quote.
        quote_volume: Decimal,
        /// Mark price.
        mark: Decimal,
        /// Index price.
        index: Decimal,
        /// Funding rate of the current period.
        funding_rate: Decimal,
        /// End of the current funding period.
        next_funding: UnixNanos,
        /// Open interest, in the unit of quantities.
        open_interest: Decimal,
    }
}

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

patch! {
    /// Changed fields of an own position.
    PositionPatch by {
        /// The market.
        market: MarketId,
    } with {
        /// Signed quantity; zero is flat.
        qty: Decimal,
        /// Average entry price.
        entry_price: Decimal,
        /// Mark price.
        mark_price: Decimal,
        /// Liquidation price.
        liquidation_price: Decimal,
        /// Leverage; zero is cross.
        leverage: Decimal,
        /// What backs it.
        margin_mode: MarginMode,
        /// Maintenance margin as a share of the notional.
        maintenance_rate: Decimal,
        /// Margin held by the position.
        margin: Decimal,
        /// Unrealised profit.
        unrealized_pnl: Decimal,
        /// Realised profit.
        realized_pnl: Decimal,
        /// When it last changed.
        updated_at: UnixNanos,
    }
}

patch! {
    /// Changed fields of a balance.
    BalancePatch by {
        /// The wallet: `spot`, `margin`, `futures`.
        wallet: String,
        /// The asset.
        asset: String,
    } with {
        /// Free to use.
        free: Decimal,
        /// Held by orders.
        order_margin: Decimal,
        /// Held by positions.
        position_margin: Decimal,
        /// Locked, where the venue does not say by what.
        locked: Decimal,
        /// Borrowed units, owed on top of what is free and locked.
        borrowed: Decimal,
        /// Interest owed.
        interest: Decimal,
        /// Realised profit, total.
        realized_pnl: Decimal,
        /// Unrealised profit at the mark.
        unrealized_pnl: Decimal,
    } of_its_moment {
        /// What is there by the venue's own sum, without unrealised profit.
        wallet_balance: Decimal,
        /// What the whole wallet owns over what it owes, as a ratio; repeated in each row of the wallet.
        margin_level: Decimal,
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

/// What backs a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarginMode {
    /// The whole wallet of its settlement asset.
    Cross,
    /// Only the margin set aside for it.
    Isolated,
}

/// Money that came, went, or moved between wallets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Which of the three.
    pub kind: MovementKind,
    /// The venue's id, unique per kind.
    pub id: String,
    /// The asset.
    pub asset: String,
    /// How much arrived, left or moved; the fee is not in it.
    pub amount: Decimal,
    /// The fee, where one is told.
    pub fee: Option<Decimal>,
    /// The chain.
    pub network: Option<String>,
    /// The address it came from or went to.
    pub address: Option<String>,
    /// The chain's id of it.
    pub tx_id: Option<String>,
    /// The wallet it left.
    pub from: Option<Wallet>,
    /// The wallet it reached.
    pub to: Option<Wallet>,
    /// Where it stands.
    pub status: MovementStatus,
    /// The venue's time.
    pub at: UnixNanos,
}

/// Which way money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MovementKind {
    /// It came.
    Deposit,
    /// It went.
    Withdrawal,
    /// It moved between wallets.
    Transfer,
}

impl MovementKind {
    /// The word used in rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            MovementKind::Deposit => "deposit",
            MovementKind::Withdrawal => "withdrawal",
            MovementKind::Transfer => "transfer",
        }
    }
}

/// Where a movement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MovementStatus {
    /// Asked for.
    Pending,
    /// On its chain, not final yet.
    Confirming,
    /// Done.
    Completed,
    /// It came to nothing.
    Failed,
    /// Taken back.
    Cancelled,
    /// A word we do not know.
    Unknown,
}

impl MovementStatus {
    /// The word used in rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            MovementStatus::Pending => "pending",
            MovementStatus::Confirming => "confirming",
            MovementStatus::Completed => "completed",
            MovementStatus::Failed => "failed",
            MovementStatus::Cancelled => "cancelled",
            MovementStatus::Unknown => "unknown",
        }
    }
}

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

/// A candle.
#[derive(Clone, Debug, PartialEq)]
pub struct Candle {
    /// The market.
    pub market: MarketId,
    /// Its span.
    pub interval: Interval,
    /// When it opened.
    pub open_at: UnixNanos,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Quantity traded.
    pub volume: Decimal,
    /// Trades counted, where the venue says it.
    pub trades: Option<u64>,
    /// Whether it will not change any more.
    pub closed: bool,
}
