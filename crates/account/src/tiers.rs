//! Maintenance margin by tiers of notional.

use rust_decimal::Decimal;

use crate::exact::{self, Arithmetic};

/// One tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Where it begins, in notional of the settlement asset.
    pub from: Decimal,
    /// The rate on the part of the notional that lies in it.
    pub rate: Decimal,
}

/// Which notional the rates apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// That at the entry price: the requirement stays what it was (DueDEX).
    Entry,
    /// That at the mark: the requirement moves with it.
    Mark,
}

/// Why tiers make no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTiers {
    /// There is none, or the first does not begin at zero.
    #[error("the first tier must begin at zero")]
    Start,
    /// A later tier begins no higher, or has a lower rate.
    #[error("tiers must begin ever higher, with rates that never fall")]
    Order,
    /// A rate is below zero, or one and more.
    #[error("a maintenance rate must be at least 0 and below 1")]
    Rate,
    /// A number does not fit.
    #[error(transparent)]
    Arithmetic(#[from] Arithmetic),
}

/// The maintenance rule of a contract: what equity a position needs not to be liquidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    basis: Basis,
    /// Rate and deduction: a requirement is the largest of rate × notional − deduction.
    lines: Vec<(Decimal, Decimal)>,
}

impl Maintenance {
    /// One rate whatever the notional. Where a venue applies a tier's rate to the whole notional, or tells the
    /// rate with the position, give that rate.
    ///
    /// **Errors**: [`BadTiers::Rate`].
    pub fn flat(basis: Basis, rate: Decimal) -> Result<Maintenance, BadTiers> {
        Maintenance::new(basis, &[Tier { from: Decimal::ZERO, rate }])
    }

    /// Marginal tiers.
    ///
    /// **Errors**: any [`BadTiers`].
    pub fn new(basis: Basis, tiers: &[Tier]) -> Result<Maintenance, BadTiers> {
        if tiers.first().is_none_or(|tier| !tier.from.is_zero()) {
            return Err(BadTiers::Start);
        }
        if tiers.iter().any(|tier| tier.rate < Decimal::ZERO || tier.rate >= Decimal::ONE) {
            return Err(BadTiers::Rate);
        }
        if tiers.windows(2).any(|pair| pair[0].from >= pair[1].from || pair[0].rate > pair[1].rate) {
            return Err(BadTiers::Order);
        }
        let mut lines: Vec<(Decimal, Decimal)> = Vec::with_capacity(tiers.len());
        for tier in tiers {
            let (rate, deduction) = lines.last().copied().unwrap_or((tier.rate, Decimal::ZERO));
            let step = exact::mul(tier.from, exact::sub(tier.rate, rate)?)?;
            lines.push((tier.rate, exact::add(deduction, step)?));
        }
        Ok(Maintenance { basis, lines })
    }

    /// Which notional the rates apply to.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// What a notional requires, exact.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn required(&self, notional: Decimal) -> Result<Decimal, Arithmetic> {
        let mut required = Decimal::ZERO;
        for (rate, deduction) in self.lines() {
            required = required.max(exact::sub(exact::mul(rate, notional)?, deduction)?);
        }
        Ok(required)
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = (Decimal, Decimal)> {
        self.lines.iter().copied()
    }
}
