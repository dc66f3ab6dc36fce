//! Rows of what an account holds: balances, positions, and money that moves.

use rust_decimal::Decimal;
use venuekit_types::UnixNanos;

use crate::{MarketId, Wallet};

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
