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
}

/// Changed fields of a balance, with the debt of a margin wallet beside what every venue sends.
#[derive(Clone, Debug, PartialEq)]
pub struct BalanceRow {
    /// As adapters emit it. Its profits are a position's and are not kept here.
    pub patch: BalancePatch,
    /// Borrowed units, where told.
    pub borrowed: Option<Decimal>,
    /// Interest owed, where told.
    pub interest: Option<Decimal>,
}

impl From<BalancePatch> for BalanceRow {
    fn from(patch: BalancePatch) -> BalanceRow {
        BalanceRow { patch, borrowed: None, interest: None }
    }
}

impl BalanceRow {
    pub(crate) fn merge(&mut self, newer: &BalanceRow) {
        self.patch.merge(&newer.patch);
        self.borrowed = newer.borrowed.or(self.borrowed);
        self.interest = newer.interest.or(self.interest);
    }

    /// The merged amounts; `None` while the free part was never told.
    pub(crate) fn amounts(&self) -> Result<Option<Amounts>, Arithmetic> {
        let Some(free) = self.patch.free else { return Ok(None) };
        let held = [self.patch.locked, self.patch.order_margin, self.patch.position_margin];
        Ok(Some(Amounts {
            free,
            locked: exact::sum(held.into_iter().flatten())?,
            borrowed: self.borrowed.unwrap_or_default(),
            interest: self.interest.unwrap_or_default(),
        }))
    }
}
