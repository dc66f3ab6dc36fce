//! The caps: how many orders, how large, how far from the market. All exact; what cannot be computed is too much.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use venuekit_types::{Instrument, Mono, Now};
use venuekit_venue::NewOrder;

use super::Refusal;

/// The window of orders a second.
const SECOND: Duration = Duration::from_secs(1);
const DAY_NANOS: i64 = 86_400_000_000_000;

/// The most that may be lost to a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Orders in any second.
    pub orders_per_second: u16,
    /// Orders open at once, over all venues.
    pub open_orders: usize,
    /// How far a price may be from the market, as a fraction of it.
    pub collar: Decimal,
    /// How much an order and a day may be worth, by the asset that prices are in.
    pub notional: BTreeMap<String, Notional>,
}

impl Default for Caps {
    /// Five orders a second, twenty open, a tenth from the market; no asset, so that nothing leaves until one is
    /// given.
    fn default() -> Caps {
        Caps { orders_per_second: 5, open_orders: 20, collar: Decimal::new(1, 1), notional: BTreeMap::new() }
    }
}

/// How much may be ordered in one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notional {
    /// By one order.
    pub order: Decimal,
    /// Within a day of UTC.
    pub day: Decimal,
}

/// Which cap was reached, by how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// Orders in a second.
    OrdersPerSecond {
        /// The cap.
        limit: u16,
    },
    /// Open orders.
    OpenOrders {
        /// The cap.
        limit: usize,
    },
    /// The worth of one order.
    OrderNotional {
        /// In which asset.
        asset: String,
        /// Its worth; nothing when it is beyond counting.
        worth: Option<Decimal>,
        /// The cap.
        limit: Decimal,
    },
    /// The worth of all orders of a day.
    DayNotional {
        /// In which asset.
        asset: String,
        /// Their worth with this one; nothing when it is beyond counting.
        worth: Option<Decimal>,
        /// The cap.
        limit: Decimal,
    },
    /// A price far from the market.
    Collar {
        /// The price.
        price: Decimal,
        /// The market's.
        reference: Decimal,
        /// The largest fraction between the two.
        limit: Decimal,
    },
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worth = |worth: &Option<Decimal>| worth.map_or("beyond counting".to_owned(), |w| w.to_string());
        match self {
            Cap::OrdersPerSecond { limit } => write!(f, "more than {limit} orders in a second"),
            Cap::OpenOrders { limit } => write!(f, "more than {limit} open orders"),
            Cap::OrderNotional { asset, worth: w, limit } => {
                write!(f, "an order worth {} {asset}, where {limit} is the most", worth(w))
            }
            Cap::DayNotional { asset, worth: w, limit } => {
                write!(f, "orders of a day worth {} {asset}, where {limit} is the most", worth(w))
            }
            Cap::Collar { price, reference, limit } => {
                write!(f, "a price of {price} while the market is at {reference}, further than {limit} of it")
            }
        }
    }
}

/// What a day has used, by asset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since the epoch, UTC.
    pub number: i64,
    /// The worth of the orders that were let out.
    pub used: BTreeMap<String, Decimal>,
}

/// An order as the caps see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The asset that its worth is in.
    pub asset: String,
    /// Its quantity in units of the base (linear) or of the quote (inverse).
    pub units: Option<Decimal>,
    /// True when `units` already is the worth.
    pub inverse: bool,
    /// The prices it carries: limit and trigger.
    pub prices: [Option<Decimal>; 2],
    /// Where the market is; nothing when no live book says so.
    pub reference: Option<Decimal>,
    /// Whether it can only make a position smaller.
    pub reduce_only: bool,
    /// How many orders are open, or may be, besides this one.
    pub open_orders: usize,
}

impl Entry {
    /// Sees an order by its instrument, with the market's price and the number of orders that may be open.
    pub fn of(
        order: &NewOrder,
        instrument: &Instrument,
        reference: Option<Decimal>,
        open_orders: usize,
    ) -> Entry {
        let qty = Decimal::from(order.qty);
        let units = match instrument.contract_size {
            Some(size) => qty.checked_mul(size.into()),
            None => Some(qty),
        };
        Entry {
            asset: instrument.symbol.quote().to_owned(),
            units,
            inverse: instrument.inverse,
            prices: [order.price.map(Decimal::from), order.stop_price.map(Decimal::from)],
            reference,
            reduce_only: order.reduce_only,
            open_orders,
        }
    }

    /// The most it can be worth: at the highest price it can trade at within the collar.
    fn worth(&self, reference: Decimal, collar: Decimal) -> Option<Decimal> {
        let units = self.units?.abs();
        if self.inverse {
            return Some(units);
        }
        let market = || reference.checked_mul(Decimal::ONE.checked_add(collar)?);
        let price = match self.prices {
            [Some(limit), _] => limit.max(reference),
            [None, _] => market()?,
        };
        units.checked_mul(price)
    }
}

impl Caps {
    /// The bound of what is remembered of the last second.
    pub(super) fn per_second(&self) -> usize {
        usize::from(self.orders_per_second)
    }

    /// Checks an order against everything: the day as it is after it, or the cap that it would break.
    pub(super) fn check(
        &self,
        now: Now,
        entry: &Entry,
        recent: &VecDeque<Mono>,
        day: &Day,
    ) -> Result<Result<Day, Cap>, Refusal> {
        // Of the last so many orders the first must be a second old.
        let full = recent.len() >= self.per_second();
        if full && recent.front().is_none_or(|first| now.mono.since(*first) < SECOND) {
            return Ok(Err(Cap::OrdersPerSecond { limit: self.orders_per_second }));
        }
        if entry.open_orders >= self.open_orders {
            return Ok(Err(Cap::OpenOrders { limit: self.open_orders }));
        }
        let Some(notional) = self.notional.get(&entry.asset) else {
            return Err(Refusal::NoCap(entry.asset.clone()));
        };
        let Some(reference) = entry.reference.filter(|price| *price > Decimal::ZERO) else {
            return Err(Refusal::Unmeasured(
                "no live book says where the market is; wait until it is live, then order again",
            ));
        };
        if let Some(price) = entry.prices.iter().flatten().find(|price| !self.is_near(**price, reference)) {
            return Ok(Err(Cap::Collar { price: *price, reference, limit: self.collar }));
        }
        let worth = entry.worth(reference, self.collar);
        let asset = || entry.asset.clone();
        let Some(spent) = worth.filter(|worth| *worth <= notional.order) else {
            return Ok(Err(Cap::OrderNotional { asset: asset(), worth, limit: notional.order }));
        };
        let mut day = day.clone();
        let today = now.wall.0.div_euclid(DAY_NANOS);
        // A wall clock that goes back gives no second allowance.
        if today > day.number {
            day = Day { number: today, used: BTreeMap::new() };
        }
        let used = day.used.entry(asset()).or_default();
        let sum = used.checked_add(spent);
        match sum.filter(|sum| *sum <= notional.day) {
            Some(sum) => *used = sum,
            None => return Ok(Err(Cap::DayNotional { asset: asset(), worth: sum, limit: notional.day })),
        }
        Ok(Ok(day))
    }

    fn is_near(&self, price: Decimal, reference: Decimal) -> bool {
        let far = price.checked_sub(reference).map(|gap| gap.abs());
        let limit = reference.checked_mul(self.collar);
        matches!((far, limit), (Some(far), Some(limit)) if far <= limit)
    }
}
