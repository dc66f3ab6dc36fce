//! What a contract is worth: notional and profit of linear and inverse contracts.

use rust_decimal::Decimal;
use venuekit_types::{Instrument, Kind};

use crate::exact::{self, Arithmetic, Rounding};

/// The terms that value a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// True when profit is paid in the base.
    pub inverse: bool,
    /// Units of the base (linear) or of the quote (inverse) in one contract.
    pub size: Decimal,
    /// Decimal places of the settlement asset: where notionals are cut.
    pub places: u32,
    /// Decimal places of a price.
    pub price_places: u32,
}

impl Contract {
    /// The terms of an instrument; `None` for spot. The settlement asset's places are the venue's to say.
    pub fn of(instrument: &Instrument, places: u32) -> Option<Contract> {
        match instrument.kind {
            Kind::Spot => None,
            Kind::Perpetual | Kind::Future => Some(Contract {
                inverse: instrument.inverse,
                size: instrument.contract_size.map_or(Decimal::ONE, Decimal::from),
                places,
                price_places: u32::from(instrument.price_scale.digits()),
            }),
        }
    }

    /// Units of the base (linear) or of the quote (inverse) in a quantity, without its sign.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn units(&self, qty: Decimal) -> Result<Decimal, Arithmetic> {
        exact::mul(qty.abs(), self.size)
    }

    /// The value of a quantity at a price, without its sign: units × price, inverse units / price.
    ///
    /// **Units**: the settlement asset, cut toward zero at its places.
    ///
    /// **Errors**: any [`Arithmetic`].
    ///
    /// **Source**: DueDEX truncates `notionalValue` of inverse contracts at 8 places (1 at 8600 is 0.00011627).
    pub fn notional(&self, qty: Decimal, price: Decimal) -> Result<Decimal, Arithmetic> {
        let units = self.units(qty)?;
        if self.inverse {
            exact::div_to(units, price, self.places, Rounding::Down)
        } else {
            exact::mul_to(units, price, self.places, Rounding::Down)
        }
    }

    /// The profit of a signed quantity between two prices: the difference of its two notionals, each cut as
    /// [`notional`](Contract::notional) cuts, so that realised and unrealised profit add up to the last digit.
    ///
    /// **Units**: the settlement asset.
    ///
    /// **Errors**: any [`Arithmetic`].
    pub fn profit(&self, qty: Decimal, entry: Decimal, exit: Decimal) -> Result<Decimal, Arithmetic> {
        let (before, after) = (self.notional(qty, entry)?, self.notional(qty, exit)?);
        let long = qty.is_sign_positive();
        if long == self.inverse { exact::sub(before, after) } else { exact::sub(after, before) }
    }
}
