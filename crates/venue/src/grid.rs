//! Whether an order fits its instrument, and rounding that says which way. Nothing is rounded unasked.

use rust_decimal::Decimal;
use venuekit_types::{Fixed, Instrument, Scale, Side};

use crate::spec::OrderSpec;
use crate::{NewOrder, OrderType, TriggerBy};

/// Which way to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Toward {
    /// To the next larger.
    Up,
    /// To the next smaller.
    Down,
    /// To what is less eager to trade: a lower price to buy, a higher one to sell, a smaller quantity.
    Passive(Side),
    /// To what is more eager to trade.
    Aggressive(Side),
}

/// Why an order would be refused for its numbers or its form, and what would not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffGrid {
    /// Between two ticks.
    #[error("{what} {value} is between two ticks; use {below} or {above}")]
    Tick {
        /// `price` or `stop price`.
        what: &'static str,
        /// As ordered.
        value: Fixed,
        /// The next lower one on the grid.
        below: Fixed,
        /// The next higher one on the grid.
        above: Fixed,
    },
    /// Between two steps.
    #[error("quantity {value} is between two steps; use {below} or {above}")]
    Step {
        /// As ordered.
        value: Fixed,
        /// The next lower one on the grid.
        below: Fixed,
        /// The next higher one on the grid.
        above: Fixed,
    },
    /// Zero or less.
    #[error("{what} {value} is not positive; use {least} or more")]
    NotPositive {
        /// Which number.
        what: &'static str,
        /// As ordered.
        value: Fixed,
        /// The smallest one on the grid.
        least: Fixed,
    },
    /// Too little.
    #[error("quantity {value} is too small; use {least} or more")]
    TooSmall {
        /// As ordered.
        value: Fixed,
        /// The smallest one taken.
        least: Fixed,
    },
    /// Too much.
    #[error("quantity {value} is too large; use {most} or less")]
    TooLarge {
        /// As ordered.
        value: Fixed,
        /// The largest one taken.
        most: Fixed,
    },
    /// Worth too little.
    #[error("the order is worth {value}, less than {least}; use a quantity of {qty} or more at this price")]
    Notional {
        /// What it is worth in the quote.
        value: Decimal,
        /// The least it may be worth.
        least: Fixed,
        /// The smallest quantity worth enough.
        qty: Fixed,
    },
    /// A number that 64 bits do not hold at the instrument's scale.
    #[error("{what} {value} does not fit 64 bits at the instrument's scale; use a smaller one")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// As ordered.
        value: Fixed,
    },
    /// A number that its type needs.
    #[error("a {} order needs a {what}; give one", order_type.as_str())]
    Missing {
        /// Which number.
        what: &'static str,
        /// Of the order.
        order_type: OrderType,
    },
    /// A number that its type has no place for.
    #[error("a {} order has no {what}; leave it out", order_type.as_str())]
    Forbidden {
        /// Which number.
        what: &'static str,
        /// Of the order.
        order_type: OrderType,
    },
    /// A type that the venue does not have.
    #[error("the venue has no {} orders; use one of {}", order_type.as_str(), words(known))]
    Type {
        /// Of the order.
        order_type: OrderType,
        /// Those it has.
        known: Vec<OrderType>,
    },
    /// A trigger that the venue cannot be told to watch.
    #[error("the venue cannot be told that a trigger watches the {by:?} price; leave it out")]
    Trigger {
        /// Of the order.
        by: TriggerBy,
    },
    /// A restriction that the product does not know.
    #[error("the product has no positions to reduce; leave reduce-only out")]
    ReduceOnly,
    /// Only an order that may rest can refuse to take.
    #[error("a {} order cannot be post-only; use a limit order that is good till cancelled", order_type.as_str())]
    PostOnly {
        /// Of the order.
        order_type: OrderType,
    },
    /// No client order id.
    #[error("the client order id is empty; make one, or an answer that is lost can never be found again")]
    NoId,
    /// A client order id that the venue would not take.
    #[error("the client order id has {length} characters; use at most {most}")]
    LongId {
        /// Its length.
        length: usize,
        /// What the venue takes.
        most: usize,
    },
    /// A client order id that not every venue would take.
    #[error("the client order id has {found:?} in it; use letters, digits, `-` and `_`")]
    IdCharacter {
        /// The first that does not fit.
        found: char,
    },
}

fn words(types: &[OrderType]) -> String {
    types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// Checks an order against the terms of its instrument and the rules of its venue, before it is written.
///
/// The value of an order without a price is not known, and is left to the venue.
///
/// **Errors**: the first thing that does not fit, with the nearest that would.
pub fn check(order: &NewOrder, instrument: &Instrument, rules: &OrderSpec) -> Result<(), OffGrid> {
    check_id(&order.client_order_id, rules)?;
    check_form(order, rules)?;
    check_qty(order.qty, instrument)?;
    for (what, price) in [("price", order.price), ("stop price", order.stop_price)] {
        if let Some(price) = price {
            check_price(what, price, instrument)?;
        }
    }
    match order.price {
        Some(price) => check_notional(order.qty, price, instrument),
        None => Ok(()),
    }
}

/// Puts a price on the grid; nothing when 64 bits do not hold it there.
pub fn round_price(price: Fixed, instrument: &Instrument, toward: Toward) -> Option<Fixed> {
    let up = match toward {
        Toward::Up | Toward::Passive(Side::Sell) | Toward::Aggressive(Side::Buy) => true,
        Toward::Down | Toward::Passive(Side::Buy) | Toward::Aggressive(Side::Sell) => false,
    };
    price_grid(instrument).round(price, up)
}

/// Puts a quantity on the grid; nothing when 64 bits do not hold it there.
pub fn round_qty(qty: Fixed, instrument: &Instrument, toward: Toward) -> Option<Fixed> {
    qty_grid(instrument).round(qty, matches!(toward, Toward::Up | Toward::Aggressive(_)))
}

/// Multiples of an increment. Both ends of it are held in 10^-18, which holds every number there is.
#[derive(Clone, Copy)]
struct Grid {
    scale: Scale,
    increment: i128,
}

fn price_grid(instrument: &Instrument) -> Grid {
    Grid::new(instrument.tick.0, instrument.price_scale)
}

fn qty_grid(instrument: &Instrument) -> Grid {
    Grid::new(instrument.step.0, instrument.qty_scale)
}

/// A number in 10^-18.
fn fine(value: Fixed) -> i128 {
    i128::from(value.mantissa) * unit(value.scale)
}

/// One count of a scale in 10^-18.
fn unit(scale: Scale) -> i128 {
    10i128.pow(u32::from(Scale::MAX.digits() - scale.digits()))
}

impl Grid {
    /// Where the venue names no increment, the scale is one.
    fn new(increment: i64, scale: Scale) -> Grid {
        Grid { scale, increment: i128::from(increment.max(1)) * unit(scale) }
    }

    fn coarse(self, fine: i128) -> Option<Fixed> {
        let mantissa = i64::try_from(fine / unit(self.scale)).ok()?;
        Some(Fixed { mantissa, scale: self.scale })
    }

    fn round(self, value: Fixed, up: bool) -> Option<Fixed> {
        let value = fine(value);
        let below = value.div_euclid(self.increment) * self.increment;
        self.coarse(if up && below != value { below + self.increment } else { below })
    }

    fn least(self) -> Option<Fixed> {
        self.coarse(self.increment)
    }

    /// The two neighbours of a number that is not on the grid.
    fn neighbours(self, value: Fixed) -> Option<(Fixed, Fixed)> {
        Some((self.round(value, false)?, self.round(value, true)?))
    }
}

fn check_id(id: &str, rules: &OrderSpec) -> Result<(), OffGrid> {
    let length = id.chars().count();
    if length == 0 {
        return Err(OffGrid::NoId);
    }
    if let Some(found) = id.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        return Err(OffGrid::IdCharacter { found });
    }
    let most = rules.client_id_max;
    if length > most { Err(OffGrid::LongId { length, most }) } else { Ok(()) }
}

fn check_form(order: &NewOrder, rules: &OrderSpec) -> Result<(), OffGrid> {
    let order_type = order.order_type;
    if !rules.types.contains(&order_type) {
        return Err(OffGrid::Type { order_type, known: rules.types.clone() });
    }
    for (what, value, wanted) in [
        ("price", order.price, order_type.has_price()),
        ("stop price", order.stop_price, order_type.has_trigger()),
    ] {
        match (value, wanted) {
            (None, true) => return Err(OffGrid::Missing { what, order_type }),
            (Some(_), false) => return Err(OffGrid::Forbidden { what, order_type }),
            _ => {}
        }
    }
    if let Some(by) = order.trigger_by {
        if !order_type.has_trigger() {
            return Err(OffGrid::Forbidden { what: "trigger", order_type });
        }
        if !rules.triggers.contains(&by) {
            return Err(OffGrid::Trigger { by });
        }
    }
    if order.reduce_only && !rules.reduce_only {
        return Err(OffGrid::ReduceOnly);
    }
    let may_rest =
        order_type.has_price() && order.time_in_force.is_none_or(|tif| tif == crate::TimeInForce::Gtc);
    if order.post_only && !may_rest { Err(OffGrid::PostOnly { order_type }) } else { Ok(()) }
}

fn check_price(what: &'static str, value: Fixed, instrument: &Instrument) -> Result<(), OffGrid> {
    let grid = price_grid(instrument);
    let out_of_range = OffGrid::OutOfRange { what, value };
    if value.mantissa <= 0 {
        let least = grid.least().ok_or(out_of_range)?;
        return Err(OffGrid::NotPositive { what, value, least });
    }
    let (below, above) = grid.neighbours(value).ok_or(out_of_range)?;
    match below == above {
        true => Ok(()),
        // There is no price of zero.
        false if below.mantissa == 0 => Err(OffGrid::NotPositive { what, value, least: above }),
        false => Err(OffGrid::Tick { what, value, below, above }),
    }
}

fn check_qty(value: Fixed, instrument: &Instrument) -> Result<(), OffGrid> {
    let grid = qty_grid(instrument);
    let out_of_range = || OffGrid::OutOfRange { what: "quantity", value };
    let at_scale = |mantissa| Fixed { mantissa, scale: instrument.qty_scale };
    let least = match instrument.min_qty {
        Some(min) if min.0 > 0 => grid.round(at_scale(min.0), true),
        _ => grid.least(),
    }
    .ok_or_else(out_of_range)?;
    if fine(value) < fine(least) {
        return Err(OffGrid::TooSmall { value, least });
    }
    if let Some(max) = instrument.max_qty {
        let most = grid.round(at_scale(max.0), false).ok_or_else(out_of_range)?;
        if fine(value) > fine(most) {
            return Err(OffGrid::TooLarge { value, most });
        }
    }
    let (below, above) = grid.neighbours(value).ok_or_else(out_of_range)?;
    if below == above { Ok(()) } else { Err(OffGrid::Step { value, below, above }) }
}

/// What an order is worth in the quote; nothing when it is more than 28 digits hold, which is enough for any minimum.
fn notional(qty: Fixed, price: Fixed, instrument: &Instrument) -> Option<Decimal> {
    let units =
        Decimal::from(qty).checked_mul(instrument.contract_size.map_or(Decimal::ONE, Decimal::from))?;
    if instrument.inverse { Some(units) } else { units.checked_mul(Decimal::from(price)) }
}

fn check_notional(qty: Fixed, price: Fixed, instrument: &Instrument) -> Result<(), OffGrid> {
    let Some(least) = instrument.min_notional else { return Ok(()) };
    let is_enough = |value: Option<Decimal>| value.is_none_or(|value| value >= Decimal::from(least));
    let value = match notional(qty, price, instrument) {
        Some(value) if !is_enough(Some(value)) => value,
        _ => return Ok(()),
    };
    let out_of_range = || OffGrid::OutOfRange { what: "quantity", value: qty };
    let grid = qty_grid(instrument);
    // What one increment is worth, and how many of them it takes.
    let one = grid.least().ok_or_else(out_of_range)?;
    let steps = notional(one, price, instrument)
        .and_then(|worth| Decimal::from(least).checked_div(worth))
        .and_then(|steps| i128::try_from(steps.ceil()).ok())
        .ok_or_else(out_of_range)?;
    let qty =
        steps.checked_mul(grid.increment).and_then(|fine| grid.coarse(fine)).ok_or_else(out_of_range)?;
    Err(OffGrid::Notional { value, least, qty })
}
