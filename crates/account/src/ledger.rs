//! Ledgers: what sits where, by wallet and asset. A position's profit is never in them.

use rust_decimal::Decimal;
use venuekit_venue::BalancePatch;

use crate::exact::{self, Arithmetic};
use crate::{Place, Reported};

/// The units of one asset in one wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Free to use.
    pub free: Decimal,
    /// Held by orders and positions, whichever way the venue words it.
    pub locked: Decimal,
    /// Borrowed: owed, and contained in the other two or spent.
    pub borrowed: Decimal,
    /// Interest owed on it.
    pub interest: Decimal,
}

impl Amounts {
    /// What is there: free and locked.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn total(&self) -> Result<Decimal, Arithmetic> {
        exact::add(self.free, self.locked)
    }

    /// What is there without what is owed.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn net(&self) -> Result<Decimal, Arithmetic> {
        exact::sub(self.total()?, exact::add(self.borrowed, self.interest)?)
    }

    /// Field by field, exact.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn plus(&self, other: &Amounts) -> Result<Amounts, Arithmetic> {
        Ok(Amounts {
            free: exact::add(self.free, other.free)?,
            locked: exact::add(self.locked, other.locked)?,
            borrowed: exact::add(self.borrowed, other.borrowed)?,
            interest: exact::add(self.interest, other.interest)?,
        })
    }
}

/// One ledger: a cell of every view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Where.
    pub place: Place,
    /// How much.
    pub amounts: Reported<Amounts>,
    /// What the venue itself makes of it.
    pub standing: Standing,
}

/// The venue's own figures of a ledger as it stands: nothing where it tells none, or where amounts have moved since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is there by the venue's own sum, without unrealised profit.
    pub wallet_balance: Option<Decimal>,
    /// What the whole wallet owns over what it owes, as a ratio.
    pub margin_level: Option<Decimal>,
}

impl Standing {
    /// Of a merged balance.
    pub(crate) fn of(row: &BalancePatch) -> Standing {
        Standing { wallet_balance: row.wallet_balance, margin_level: row.margin_level }
    }
}

/// What a merged balance amounts to; `None` while the free part was never told. Its profits are a position's and are
/// not kept here.
pub(crate) fn amounts(row: &BalancePatch) -> Result<Option<Amounts>, Arithmetic> {
    let Some(free) = row.free else { return Ok(None) };
    let held = [row.locked, row.order_margin, row.position_margin];
    Ok(Some(Amounts {
        free,
        locked: exact::sum(held.into_iter().flatten())?,
        borrowed: row.borrowed.unwrap_or_default(),
        interest: row.interest.unwrap_or_default(),
    }))
}
