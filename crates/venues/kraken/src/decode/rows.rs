//! Numbers, words and times that both engines share.

use rust_decimal::Decimal;
use venuekit_types::{Scale, Side, UnixNanos};
use venuekit_venue::OrderStatus;
use venuekit_venue::read::{self, Unfit};
use venuekit_wire::{Num, Text};

/// An exact decimal of the digits as they came.
pub(super) fn decimal(num: &Num<'_>) -> Result<Decimal, Unfit> {
    Ok(read::decimal(num.as_str())?)
}

pub(super) fn optional(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    num.map(decimal).transpose()
}

/// A price where zero stands for none.
pub(super) fn positive(num: Option<&Num<'_>>) -> Result<Option<Decimal>, Unfit> {
    Ok(optional(num)?.filter(|price| !price.is_zero()))
}

/// A number of a quantity that nobody trades by: what does not fit a decimal is cut where the decimal ends.
///
/// Averages and profits come with as many digits as a float has.
pub(super) fn estimate(num: Option<&Num<'_>>) -> Option<Decimal> {
    num.and_then(|num| decimal(num).ok())
}

pub(super) fn side(word: &str) -> Result<Side, Unfit> {
    match word {
        "buy" | "b" => Ok(Side::Buy),
        "sell" | "s" => Ok(Side::Sell),
        other => Err(Unfit::shape(format!("side {other:?}"))),
    }
}

/// Unix seconds with a fraction, from their text.
pub(super) fn seconds(num: &Num<'_>) -> Result<UnixNanos, Unfit> {
    let nanos = Scale::new(9).expect("9 is a scale");
    Ok(UnixNanos(num.parse_scaled(nanos)?))
}

/// Text that is there and not empty.
pub(super) fn some(text: Option<&Text<'_>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToString::to_string)
}

/// The neutral word for a type of order, whichever engine and route it comes from.
pub(super) fn order_type(word: &str) -> String {
    match word {
        "lmt" | "post" | "ioc" | "fok" => "limit".to_owned(),
        "mkt" => "market".to_owned(),
        "stop-loss" => "stop_market".to_owned(),
        "stop-loss-limit" | "stp" | "stop" => "stop_limit".to_owned(),
        "take-profit" => "take_profit_market".to_owned(),
        "take-profit-limit" | "take_profit" => "take_profit_limit".to_owned(),
        other => other.replace('-', "_"),
    }
}

/// Where an order of spot stands; `filled` tells a wholly filled one from one that was closed otherwise.
pub(super) fn spot_status(word: &str, cum_qty: Decimal) -> OrderStatus {
    match word {
        "pending" | "pending_new" => OrderStatus::PendingNew,
        "open" | "new" if cum_qty.is_zero() => OrderStatus::New,
        "open" | "new" | "partially_filled" => OrderStatus::PartiallyFilled,
        "closed" | "filled" => OrderStatus::Filled,
        "canceled" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        _ => OrderStatus::Unknown,
    }
}
