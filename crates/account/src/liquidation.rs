//! Where a position would be liquidated: the mark at which what backs it equals its maintenance margin.
//!
//! Values between entry and mark are the contract's exact ones here, not cut at the settlement asset's places;
//! the price is rounded once, toward the entry, so that it is never reported further away than it is.

use rust_decimal::Decimal;

use crate::exact::{self, Arithmetic, Rounding, Wide};
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
        // The sign s, and a short's dividend and divisor both turned around: that leaves the price as it is.
        let signed = |amount: Wide| if long { amount } else { -amount };
        let sign = signed(Wide::from(Decimal::ONE));
        let (units, entry) = (Wide::from(self.contract.units(qty)?), Wide::from(entry));
        let (backing, rate) = (Wide::from(backing), Wide::from(rate));
        let value = units.mul(entry)?;
        let (above, below) = match (self.contract.inverse, self.maintenance.basis()) {
            (false, Basis::Entry) => (signed(value).add(rate.mul(value)?)?.add(-backing)?, signed(units)),
            (false, Basis::Mark) => (signed(value).add(-backing)?, units.mul(sign.add(-rate)?)?),
            (true, Basis::Entry) => (signed(value), units.mul(sign.add(-rate)?)?.add(backing.mul(entry)?)?),
            (true, Basis::Mark) => (value.mul(sign.add(rate)?)?, signed(units).add(backing.mul(entry)?)?),
        };
        let (above, below) = (signed(above), signed(below));
        let reachable = if self.contract.inverse { below } else { above };
        if !reachable.is_positive() {
            // A linear price falls to zero, an inverse one rises without end: a long's equity falls with the
            // first and rises with the second.
            return Ok(if long == self.contract.inverse { Liquidation::Always } else { Liquidation::Never });
        }
        let toward_entry = if long { Rounding::Ceiling } else { Rounding::Floor };
        let price = above.over(below, self.contract.price_places, toward_entry)?;
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
