//! Money that comes in, goes out, and moves between wallets.

use rust_decimal::Decimal;

use super::Wallet;

/// Which way money crosses the venue's edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Into the account.
    Deposit,
    /// Out of it.
    Withdrawal,
}

/// Where a deposit or withdrawal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementStatus {
    /// Asked for.
    Pending,
    /// On the chain.
    Confirming,
    /// Done.
    Completed,
    /// It will not happen; what was taken is back.
    Failed,
    /// Taken back by its owner; what was taken is back.
    Cancelled,
}

impl MovementStatus {
    /// The lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            MovementStatus::Pending => "pending",
            MovementStatus::Confirming => "confirming",
            MovementStatus::Completed => "completed",
            MovementStatus::Failed => "failed",
            MovementStatus::Cancelled => "cancelled",
        }
    }

    /// True while it still moves on.
    pub const fn is_under_way(self) -> bool {
        matches!(self, MovementStatus::Pending | MovementStatus::Confirming)
    }
}

/// A deposit or withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Ascending by one per account, both ways together.
    pub id: u64,
    /// Which way.
    pub way: Way,
    /// What.
    pub asset: &'static str,
    /// How much, the fee not counted.
    pub amount: Decimal,
    /// What it costs on top.
    pub fee: Decimal,
    /// On which chain.
    pub network: &'static str,
    /// Where to, or from.
    pub address: String,
    /// On the chain; empty until it is there.
    pub tx_id: String,
    /// Where it stands.
    pub status: MovementStatus,
    /// Asked for, Unix milliseconds.
    pub at_ms: i64,
    /// When its status moves on, or moved on for the last time, Unix milliseconds.
    pub(crate) next_ms: i64,
}

impl Movement {
    /// When it was completed, Unix milliseconds; nothing when it was not.
    pub fn completed_ms(&self) -> Option<i64> {
        (self.status == MovementStatus::Completed).then_some(self.next_ms)
    }
}

/// What a position paid, or was paid, at the end of a funding period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Ascending by one per account.
    pub id: u64,
    /// Index of the market.
    pub market: usize,
    /// What the account got; negative is what it paid.
    pub amount: Decimal,
    /// The end of the period, Unix milliseconds.
    pub at_ms: i64,
}

/// Money moved between wallets of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Ascending by one per account.
    pub id: u64,
    /// What.
    pub asset: &'static str,
    /// How much.
    pub amount: Decimal,
    /// Out of which wallet.
    pub from: Wallet,
    /// Into which wallet.
    pub to: Wallet,
    /// Unix milliseconds.
    pub at_ms: i64,
}
