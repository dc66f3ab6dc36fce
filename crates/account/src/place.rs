//! Who and where: the names that ledgers, positions, orders and feeds are keyed by.

use std::sync::Arc;

/// A venue, an account, a wallet, an asset: shared text.
pub type Name = Arc<str>;

/// Whether a wallet is the one that a feed tells of, or the part of it that belongs to one pair: `isolated:BTCUSDT`.
pub(crate) fn is_part_of(wallet: &str, scope: &str) -> bool {
    wallet.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// One account at one venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The venue's id, as in `doex`.
    pub venue: Name,
    /// The account's name in our own config; two keys of one venue are two accounts.
    pub account: Name,
}

impl Owner {
    /// Pairs a venue with an account.
    pub fn new(venue: impl Into<Name>, account: impl Into<Name>) -> Owner {
        Owner { venue: venue.into(), account: account.into() }
    }
}

/// The key of a ledger: where units of an asset sit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The venue's id.
    pub venue: Name,
    /// The account at it.
    pub account: Name,
    /// The wallet: `spot`, `margin`, `futures`.
    pub wallet: Name,
    /// The asset.
    pub asset: Name,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.venue, self.account, self.wallet, self.asset)
    }
}

/// What a feed tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Ledgers.
    Balances,
    /// Positions.
    Positions,
    /// Orders.
    Orders,
}

/// A private stream, or the route that resynchronises it: the extent that one snapshot replaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed {
    /// Whose.
    pub owner: Owner,
    /// Of what.
    pub part: Part,
    /// The wallet for balances; the product for positions and orders.
    pub scope: Name,
}

impl Feed {
    /// A feed of one part of an account.
    pub fn new(owner: &Owner, part: Part, scope: impl Into<Name>) -> Feed {
        Feed { owner: owner.clone(), part, scope: scope.into() }
    }
}
