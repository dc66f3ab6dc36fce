//! What everything is worth in one currency. A line without a live mark has no number, and the total says so.

use rust_decimal::Decimal;
use venuekit_types::Mono;

use crate::exact::{self, Arithmetic, Rounding};
use crate::{Cause, Figure, Ledger, Marks, Name, Reported, Sight, Stake};

/// What is measured with: the currency, its places, and the marks as they stand now.
#[derive(Clone, Copy, Debug)]
pub struct Yardstick<'a> {
    /// The currency.
    pub quote: &'a Name,
    /// Its decimal places; each line is rounded half-even to them, and totals are exact sums of lines.
    pub places: u32,
    /// The prices.
    pub marks: &'a Marks,
    /// The time that their age is taken at.
    pub now: Mono,
}

/// One thing and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Valued<'a, T> {
    /// Where the number comes from.
    pub of: &'a T,
    /// Its worth in the currency.
    pub value: Sight<Decimal>,
}

/// What ledgers and positions are worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Valuation<'a> {
    /// Each ledger, net of what is owed.
    pub ledgers: Vec<Valued<'a, Ledger>>,
    /// Each position's unrealised profit: a position is no balance.
    pub positions: Vec<Valued<'a, Stake<'a>>>,
    /// The sum of the ledgers.
    pub balance: Figure<Decimal>,
    /// The sum of the positions.
    pub unrealised: Figure<Decimal>,
    /// Both.
    pub equity: Figure<Decimal>,
}

/// Values ledgers and positions.
///
/// **Errors**: any [`Arithmetic`].
pub fn value<'a>(
    ledgers: &'a [Ledger],
    stakes: &'a [Stake<'a>],
    yardstick: &Yardstick<'_>,
) -> Result<Valuation<'a>, Arithmetic> {
    let of_ledger = |ledger: &Ledger| match ledger.amounts {
        Reported::Known(amounts) => yardstick.measure(amounts.net()?, &ledger.place.asset),
        Reported::Unreported => Ok(Sight::blind(Cause::Ledger(ledger.place.clone()))),
    };
    let of_stake = |stake: &Stake<'_>| match stake.unrealised()? {
        // A contract without a settlement asset is priced in nothing.
        Sight::Seen(profit) => yardstick.measure(profit, &Name::from(stake.symbol.settle().unwrap_or(""))),
        blind @ Sight::Blind(_) => Ok(blind),
    };
    let ledgers = ledgers.iter().map(|of| Ok(Valued { of, value: of_ledger(of)? }));
    let ledgers: Vec<Valued<'a, Ledger>> = ledgers.collect::<Result<_, Arithmetic>>()?;
    let positions = stakes.iter().map(|of| Ok(Valued { of, value: of_stake(of)? }));
    let positions: Vec<Valued<'a, Stake<'a>>> = positions.collect::<Result<_, Arithmetic>>()?;
    let of_ledgers = || ledgers.iter().map(|line| &line.value);
    let of_positions = || positions.iter().map(|line| &line.value);
    Ok(Valuation {
        balance: total(of_ledgers())?,
        unrealised: total(of_positions())?,
        equity: total(of_ledgers().chain(of_positions()))?,
        ledgers,
        positions,
    })
}

impl Yardstick<'_> {
    /// An amount of an asset in the currency. Nothing is worth nothing, mark or no mark.
    ///
    /// **Errors**: any [`Arithmetic`].
    pub fn measure(&self, amount: Decimal, asset: &Name) -> Result<Sight<Decimal>, Arithmetic> {
        if amount.is_zero() {
            return Ok(Sight::Seen(Decimal::ZERO));
        }
        match self.marks.rate(asset, self.quote, self.now)? {
            Sight::Seen(rate) => {
                exact::mul_to(amount, rate, self.places, Rounding::HalfEven).map(Sight::Seen)
            }
            blind @ Sight::Blind(_) => Ok(blind),
        }
    }
}

fn total<'a>(values: impl Iterator<Item = &'a Sight<Decimal>>) -> Result<Figure<Decimal>, Arithmetic> {
    let (mut known, mut without) = (Decimal::ZERO, Vec::new());
    for value in values {
        match value {
            Sight::Seen(value) => known = exact::add(known, *value)?,
            Sight::Blind(causes) => without.extend(causes.iter().cloned()),
        }
    }
    Ok(Figure::of(known, without))
}
