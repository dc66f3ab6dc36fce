//! One view of many ledgers: sums that can be opened into the cells they came from.

use std::collections::{BTreeMap, BTreeSet};

use crate::exact::Arithmetic;
use crate::{Amounts, Cause, Figure, Ledger, Name, Place, Reported};

/// What the lines of a view keep apart, besides the asset: units of two assets are never added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// One line for each asset.
    Asset,
    /// One line for each wallet and asset.
    Wallet,
    /// One line for each venue and asset.
    Venue,
}

impl Policy {
    /// The word used on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Policy::Asset => "asset",
            Policy::Wallet => "wallet",
            Policy::Venue => "venue",
        }
    }

    /// A policy by its word.
    pub fn from_word(word: &str) -> Option<Policy> {
        [Policy::Asset, Policy::Wallet, Policy::Venue].into_iter().find(|policy| policy.as_str() == word)
    }
}

/// A view of ledgers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// How it was made.
    pub policy: Policy,
    /// Its lines, ordered by group and asset.
    pub lines: Vec<Line<'a>>,
}

/// One line of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The wallet or venue, where the policy keeps them apart.
    pub group: Option<&'a Name>,
    /// The asset.
    pub asset: &'a Name,
    /// The sum of the cells, exact; partial when one of them is not reported.
    pub sum: Figure<Amounts>,
    /// The cells, every one that belongs here.
    pub cells: Vec<&'a Ledger>,
}

/// Why ledgers make no view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unprojectable {
    /// A place was given twice and would count twice.
    #[error("the ledger at {0} was given twice; give each once")]
    Twice(Place),
    /// A sum does not fit.
    #[error(transparent)]
    Arithmetic(#[from] Arithmetic),
}

/// Sums ledgers into one view. Each cell stands in exactly one line.
///
/// **Errors**: any [`Unprojectable`].
pub fn project(ledgers: &[Ledger], policy: Policy) -> Result<View<'_>, Unprojectable> {
    let mut seen = BTreeSet::new();
    let mut groups: BTreeMap<(Option<&Name>, &Name), Vec<&Ledger>> = BTreeMap::new();
    for ledger in ledgers {
        let place = &ledger.place;
        if !seen.insert(place) {
            return Err(Unprojectable::Twice(place.clone()));
        }
        let group = match policy {
            Policy::Asset => None,
            Policy::Wallet => Some(&place.wallet),
            Policy::Venue => Some(&place.venue),
        };
        groups.entry((group, &place.asset)).or_default().push(ledger);
    }
    let lines = groups.into_iter().map(|((group, asset), mut cells)| {
        cells.sort_by_key(|cell| &cell.place);
        Ok(Line { group, asset, sum: sum(&cells)?, cells })
    });
    Ok(View { policy, lines: lines.collect::<Result<_, Arithmetic>>()? })
}

fn sum(cells: &[&Ledger]) -> Result<Figure<Amounts>, Arithmetic> {
    let mut known = Amounts::default();
    let mut without = Vec::new();
    for cell in cells {
        match cell.amounts {
            Reported::Known(amounts) => known = known.plus(&amounts)?,
            Reported::Unreported => without.push(Cause::Ledger(cell.place.clone())),
        }
    }
    Ok(Figure::of(known, without))
}
