//! Where a position would be liquidated: the mark at which what backs it equals its maintenance margin.
//!
//! Values between entry and mark are the contract's exact ones here, not cut at the settlement asset's places;
//! the price is rounded once, toward the entry, so that it is never reported further away than it is.

use rust_decimal::Decimal;

use crate::exact::{self, Arithmetic, Rounding};
use crate::{Basis, Contract, Maintenance};

/// The terms that decide over a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it is worth.
    pub contract: Contract,
    /// What it must keep.
    pub maintenance: Maintenance,
}

/// The mark at which a position would be liquidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liquidation {
    /// No mark above zero does it.
    Never,
    /// This one, and every one past it.
    At(Decimal),
    /// Every mark does it: what backs the position is gone.
    Always,
}

/// How far the mark is from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// No mark above zero liquidates it.
    Endless,
    /// The part of the mark that it would have to move, above zero; six places, rounded down.
    Ratio(Decimal),
    /// The mark is there or past it.
    Due,
}

/// Decimal places of a [`Distance::Ratio`].
pub const RATIO_PLACES: u32 = 6;

impl Liquidation {
    /// The distance from a mark, of a long (`qty` above zero) or short position.
    ///
    /// **Errors**: any [`Arithmetic`].
    pub fn distance(self, qty: Decimal, mark: Decimal) -> Result<Distance, Arithmetic> {
        let price = match self {
            Liquidation::Never => return Ok(Distance::Endless),
            Liquidation::Always => return Ok(Distance::Due),
            Liquidation::At(price) => price,
        };
        let room = if qty.is_sign_positive() { exact::sub(mark, price)? } else { exact::sub(price, mark)? };
        if room <= Decimal::ZERO {
            return Ok(Distance::Due);
        }
        Ok(Distance::Ratio(exact::div_to(room, mark, RATIO_PLACES, Rounding::Down)?))
    }
}

impl Terms {
    /// The mark that liquidates `qty` entered at `entry` and backed by `collateral` of the settlement asset.
    ///
    /// **Errors**: any [`Arithmetic`].
    pub fn liquidation(
        &self,
        qty: Decimal,
        entry: Decimal,
        collateral: Decimal,
    ) -> Result<Liquidation, Arithmetic> {
        let long = qty.is_sign_positive();
        let mut nearest = Liquidation::Never;
        // A requirement is the largest over the tiers, so the nearest price over the tiers is the position's.
        for (rate, deduction) in self.maintenance.lines() {
            let backing = exact::add(collateral, deduction)?;
            let by_tier = self.by_rate(qty, entry, backing, rate)?;
            nearest = nearer(long, nearest, by_tier);
        }
        Ok(nearest)
    }

    /// Solves `backing + profit(P) = rate × notional` for P.
    ///
    /// With U units, entry E, s = +1 long and −1 short, rate m and backing B:
    /// linear, notional at entry: P = (sUE + mUE − B) / sU; at the mark: P = (sUE − B) / (U(s − m));
    /// inverse, notional at entry: P = sUE / (sU − mU + BE); at the mark: P = UE(s + m) / (sU + BE).
    fn by_rate(
        &self,
        qty: Decimal,
        entry: Decimal,
        backing: Decimal,
        rate: Decimal,
    ) -> Result<Liquidation, Arithmetic> {
        let long = qty.is_sign_positive();
        let sign = if long { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let units = self.contract.units(qty)?;
        let value = exact::mul(units, entry)?;
        let signed = |amount| exact::mul(sign, amount);
        let (above, below) = match (self.contract.inverse, self.maintenance.basis()) {
            (false, Basis::Entry) => {
                let kept = exact::add(signed(value)?, exact::mul(rate, value)?)?;
                (exact::sub(kept, backing)?, signed(units)?)
            }
            (false, Basis::Mark) => {
                let below = exact::mul(units, exact::sub(sign, rate)?)?;
                (exact::sub(signed(value)?, backing)?, below)
            }
            (true, Basis::Entry) => {
                let kept = exact::sub(signed(units)?, exact::mul(rate, units)?)?;
                (signed(value)?, exact::add(kept, exact::mul(backing, entry)?)?)
            }
            (true, Basis::Mark) => {
                let above = exact::mul(value, exact::add(sign, rate)?)?;
                (above, exact::add(signed(units)?, exact::mul(backing, entry)?)?)
            }
        };
        // A short's two are both turned around, which leaves the price as it is and the known one positive.
        let (above, below) = (signed(above)?, signed(below)?);
        let unreachable = if self.contract.inverse { below } else { above };
        if unreachable <= Decimal::ZERO {
            // A linear price falls to zero, an inverse one rises without end: a long's equity falls with the
            // first and rises with the second.
            return Ok(if long == self.contract.inverse { Liquidation::Always } else { Liquidation::Never });
        }
        let toward_entry = if long { Rounding::Ceiling } else { Rounding::Floor };
        let price = exact::div_to(above, below, self.contract.price_places, toward_entry)?;
        Ok(if price.is_zero() { Liquidation::Always } else { Liquidation::At(price) })
    }
}

/// The one that the mark meets first.
fn nearer(long: bool, a: Liquidation, b: Liquidation) -> Liquidation {
    match (a, b) {
        (Liquidation::Always, _) | (_, Liquidation::Always) => Liquidation::Always,
        (Liquidation::Never, other) | (other, Liquidation::Never) => other,
        (Liquidation::At(a), Liquidation::At(b)) => Liquidation::At(if long { a.max(b) } else { a.min(b) }),
    }
}
