//! Liquidation over a whole account: all positions that settle in one asset, and the ledger behind them.
//!
//! The rule. An isolated position is backed by its own margin alone. A cross position is backed by everything in
//! the wallet, what orders hold included, less debts, less the margins of isolated positions, plus the profit of
//! every other cross position at its live mark less what that one must keep. Other marks are held still.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use venuekit_types::{Mono, Symbol};

use crate::exact::{self, Arithmetic};
use crate::{
    Accounts, Basis, Cause, Distance, Holding, Ledger, Liquidation, MarginMode, Marks, Owner, Position,
    Reported, Sight, Terms,
};

/// One position, with what is needed to judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stake<'a> {
    /// Whose.
    pub owner: &'a Owner,
    /// The instrument.
    pub symbol: &'a Symbol,
    /// What is known of it.
    pub holding: Holding,
    /// Its contract and maintenance rule, where known.
    pub terms: Option<&'a Terms>,
    /// Its live mark.
    pub mark: Sight<Decimal>,
}

/// What lies ahead of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook<'a> {
    /// The instrument.
    pub symbol: &'a Symbol,
    /// Where it would be liquidated. An isolated one needs no mark to say so.
    pub liquidation: Sight<Liquidation>,
    /// How far its mark is from there; blind, never silent, when a mark it rests on is stale.
    pub distance: Sight<Distance>,
}

/// The positions of an account that settle in an asset, flat ones left out.
pub fn stakes<'a>(
    accounts: &'a Accounts,
    owner: &'a Owner,
    asset: &str,
    terms: &'a BTreeMap<Symbol, Terms>,
    marks: &Marks,
    now: Mono,
) -> Vec<Stake<'a>> {
    let held = accounts.holdings(owner).filter(|(symbol, holding)| {
        symbol.settle().is_some_and(|settle| settle == asset) && *holding != Holding::Flat
    });
    held.map(|(symbol, holding)| Stake {
        owner,
        symbol,
        holding,
        terms: terms.get(symbol),
        mark: marks.contract(&owner.venue, symbol, now),
    })
    .collect()
}

impl<'a> Stake<'a> {
    /// The position, or why there is none to reckon with; `None` when flat.
    fn position(&self) -> Option<Result<Position, Cause>> {
        match self.holding {
            Holding::Flat => None,
            Holding::Open(position) => Some(Ok(position)),
            Holding::Unreported => {
                Some(Err(Cause::Position { venue: self.owner.venue.clone(), symbol: self.symbol.clone() }))
            }
        }
    }

    fn field<T>(&self, value: Option<T>, field: &'static str) -> Result<T, Cause> {
        value.ok_or_else(|| Cause::NoField { symbol: self.symbol.clone(), field })
    }

    fn terms(&self) -> Result<&'a Terms, Cause> {
        self.terms.ok_or_else(|| Cause::NoTerms(self.symbol.clone()))
    }

    /// Position, terms and entry: what profit and liquidation both need.
    fn basics(&self, position: Result<Position, Cause>) -> Result<(Position, &'a Terms, Decimal), Cause> {
        let position = position?;
        Ok((position, self.terms()?, self.field(position.entry, "entry price")?))
    }

    /// Unrealised profit at the live mark, in the settlement asset; zero when flat.
    ///
    /// **Errors**: any [`Arithmetic`].
    pub fn unrealised(&self) -> Result<Sight<Decimal>, Arithmetic> {
        let Some(position) = self.position() else { return Ok(Sight::Seen(Decimal::ZERO)) };
        let (basics, mark) = (self.basics(position), &self.mark);
        match (basics, mark) {
            (Ok((position, terms, entry)), &Sight::Seen(mark)) => {
                terms.contract.profit(position.qty, entry, mark).map(Sight::Seen)
            }
            (Err(cause), _) => Ok(Sight::blind(cause)),
            (_, Sight::Blind(causes)) => Ok(Sight::Blind(causes.clone())),
        }
    }

    /// What this position adds to the backing of the cross positions beside it.
    fn contribution(&self, position: Result<Position, Cause>) -> Result<Sight<Decimal>, Arithmetic> {
        let mode = position.clone().and_then(|p| self.field(p.mode, "margin mode"));
        match mode {
            Err(cause) => return Ok(Sight::blind(cause)),
            Ok(MarginMode::Isolated) => {
                let margin = position.and_then(|p| self.field(p.margin, "margin"));
                return Ok(margin.map_or_else(Sight::blind, |margin| Sight::Seen(-margin)));
            }
            Ok(MarginMode::Cross) => {}
        }
        let (profit, basics) = (self.unrealised()?, self.basics(position));
        match (profit, basics, &self.mark) {
            (Sight::Seen(profit), Ok((position, terms, entry)), &Sight::Seen(mark)) => {
                let at = match terms.maintenance.basis() {
                    Basis::Entry => entry,
                    Basis::Mark => mark,
                };
                let required = terms.maintenance.required(terms.contract.notional(position.qty, at)?)?;
                exact::sub(profit, required).map(Sight::Seen)
            }
            (Sight::Blind(causes), ..) => Ok(Sight::Blind(causes)),
            (_, Err(cause), _) => Ok(Sight::blind(cause)),
            (.., Sight::Blind(causes)) => Ok(Sight::Blind(causes.clone())),
        }
    }

    fn outlook(
        &self,
        position: Result<Position, Cause>,
        shared: &Sight<Decimal>,
    ) -> Result<Outlook<'a>, Arithmetic> {
        let blind = |causes: Vec<Cause>| Outlook {
            symbol: self.symbol,
            liquidation: Sight::Blind(causes.clone()),
            distance: Sight::Blind(causes),
        };
        let basics = self.basics(position).and_then(|(position, terms, entry)| {
            Ok((position, terms, entry, self.field(position.mode, "margin mode")?))
        });
        let (position, terms, entry, mode) = match basics {
            Ok(basics) => basics,
            Err(cause) => return Ok(blind(vec![cause])),
        };
        let backing = match (mode, shared) {
            (MarginMode::Cross, Sight::Blind(causes)) => return Ok(blind(causes.clone())),
            (MarginMode::Cross, &Sight::Seen(backing)) => backing,
            (MarginMode::Isolated, _) => match self.field(position.margin, "margin") {
                Ok(margin) => margin,
                Err(cause) => return Ok(blind(vec![cause])),
            },
        };
        let liquidation = terms.liquidation(position.qty, entry, backing)?;
        let distance = match &self.mark {
            &Sight::Seen(mark) => Sight::Seen(liquidation.distance(position.qty, mark)?),
            Sight::Blind(causes) => Sight::Blind(causes.clone()),
        };
        Ok(Outlook { symbol: self.symbol, liquidation: Sight::Seen(liquidation), distance })
    }
}

/// Judges every position that settles in the ledger's asset. `stakes` must be all of them.
///
/// **Errors**: any [`Arithmetic`].
pub fn outlooks<'a>(ledger: &Ledger, stakes: &[Stake<'a>]) -> Result<Vec<Outlook<'a>>, Arithmetic> {
    let mut causes: Vec<(usize, Cause)> = Vec::new();
    let mut backing = Decimal::ZERO;
    match ledger.amounts {
        Reported::Known(amounts) => backing = amounts.net()?,
        // No stake has this index: it blinds them all.
        Reported::Unreported => causes.push((stakes.len(), Cause::Ledger(ledger.place.clone()))),
    }
    let mut held = Vec::new();
    for (index, stake) in stakes.iter().enumerate() {
        let Some(position) = stake.position() else { continue };
        let added = match stake.contribution(position.clone())? {
            Sight::Seen(amount) => amount,
            Sight::Blind(why) => {
                causes.extend(why.into_iter().map(|cause| (index, cause)));
                Decimal::ZERO
            }
        };
        backing = exact::add(backing, added)?;
        held.push((index, stake, position, added));
    }
    held.into_iter()
        .map(|(index, stake, position, added)| {
            let others: Vec<Cause> =
                causes.iter().filter(|(of, _)| *of != index).map(|(_, cause)| cause.clone()).collect();
            let shared = if others.is_empty() {
                Sight::Seen(exact::sub(backing, added)?)
            } else {
                Sight::Blind(others)
            };
            stake.outlook(position, &shared)
        })
        .collect()
}
