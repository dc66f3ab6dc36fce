//! Fills that no venue tells of, inferred from what an order says of itself.
//!
//! DueDEX keeps no fill history over REST: what filled while we were away shows only in the order's filled
//! quantity, average price and fees. One derived fill stands for all that is missing.

use rust_decimal::Decimal;
use venuekit_types::Symbol;
use venuekit_venue::{Fill, MarketId};

use crate::exact::{self, Arithmetic, Rounding};
use crate::fills::Fills;
use crate::{Order, OrderKey, OwnFill};

/// Why an order's missing fills cannot be inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Underivable {
    /// The order lacks its average price, its fees, or when it was created or changed.
    #[error("the order does not tell its {0}; ask for the order again")]
    NoField(&'static str),
    /// It is older than the fills we remember, so some may have been counted and forgotten.
    #[error("the order is older than the fills kept in memory; read its fills from the store")]
    BeyondMemory,
    /// The order's own sums make no price.
    #[error(transparent)]
    Arithmetic(#[from] Arithmetic),
}

/// Places of the quotients that an inverse contract's average is made of.
const RECIPROCAL_PLACES: u32 = 18;

/// The one fill that is missing from an order, or `None` when nothing is.
///
/// **Units**: the price is rounded half-even to the places of the order's average, and equals the average when no
/// fill is known. Fees are exact. Whether it was the maker is not known and reads false.
pub(crate) fn missing(key: &OrderKey, order: &Order, fills: &Fills) -> Result<Option<OwnFill>, Underivable> {
    let known = fills.qty_of(key)?;
    if order.cum_qty <= known {
        return Ok(None);
    }
    let created_at = order.created_at.ok_or(Underivable::NoField("creation time"))?;
    if fills.forgets(created_at) {
        return Err(Underivable::BeyondMemory);
    }
    let average = order.avg_px.ok_or(Underivable::NoField("average price"))?;
    let fees = order.fee.ok_or(Underivable::NoField("fees"))?;
    let at = order.updated_at.ok_or(Underivable::NoField("time of its last change"))?;
    let qty = exact::sub(order.cum_qty, known)?;
    let price = if known.is_zero() { average } else { rest_price(key, order, average, qty, fills)? };
    let fee = exact::sub(fees, exact::sum(fills.of_order(key).map(|own| own.fill.fee))?)?;
    let fill = Fill {
        market: MarketId(u32::MAX),
        fill_id: format!("derived-{}-{known}-{}", key.order_id, order.cum_qty),
        order_id: key.order_id.clone(),
        client_order_id: order.client_order_id.clone(),
        side: order.side,
        price,
        qty,
        fee,
        fee_rate: None,
        fee_asset: order.fee_asset.clone().or_else(|| key.symbol.settle().map(str::to_owned)),
        realized_pnl: None,
        maker: false,
        at,
    };
    Ok(Some(OwnFill { symbol: key.symbol.clone(), fill, derived: true }))
}

/// The average of what is left when the known fills are taken out of the order's average.
fn rest_price(
    key: &OrderKey,
    order: &Order,
    average: Decimal,
    qty: Decimal,
    fills: &Fills,
) -> Result<Decimal, Arithmetic> {
    let places = average.scale();
    let known = fills.of_order(key).map(|own| (own.fill.price, own.fill.qty));
    let price = if is_inverse(&key.symbol) {
        let value = |qty, price| exact::div_to(qty, price, RECIPROCAL_PLACES, Rounding::HalfEven);
        let known = known.map(|(price, qty)| value(qty, price)).collect::<Result<Vec<_>, _>>()?;
        let rest = exact::sub(value(order.cum_qty, average)?, exact::sum(known)?)?;
        exact::div_to(qty, rest, places, Rounding::HalfEven)
    } else {
        let known = known.map(|(price, qty)| exact::mul(price, qty)).collect::<Result<Vec<_>, _>>()?;
        let rest = exact::sub(exact::mul(average, order.cum_qty)?, exact::sum(known)?)?;
        exact::div_to(rest, qty, places, Rounding::HalfEven)
    };
    // The venue's average is rounded: on a small rest it can leave no price at all.
    Ok(price.ok().filter(|price| *price > Decimal::ZERO).unwrap_or(average))
}

/// Whether profit is paid in the base, as the unified symbol says.
fn is_inverse(symbol: &Symbol) -> bool {
    symbol.settle() == Some(symbol.base())
}
