//! Orders as they are asked for: how one is named, what it does, and what it consists of.
//!
//! It refuses to hold a number that is not exact.

use venuekit_types::{Fixed, Side};

use crate::MarketId;

/// How an order is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderRef {
    /// By the venue's id.
    Venue(String),
    /// By ours.
    Client(String),
}

/// The type of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderType {
    /// At a price or better.
    Limit,
    /// At whatever price there is.
    Market,
    /// A market order once the price moved against us.
    StopMarket,
    /// A limit order once the price moved against us.
    StopLimit,
    /// A market order once the price moved for us.
    TakeProfitMarket,
    /// A limit order once the price moved for us.
    TakeProfitLimit,
}

impl OrderType {
    /// Every type.
    pub const ALL: [OrderType; 6] = [
        OrderType::Limit,
        OrderType::Market,
        OrderType::StopMarket,
        OrderType::StopLimit,
        OrderType::TakeProfitMarket,
        OrderType::TakeProfitLimit,
    ];

    /// The word used in rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderType::Limit => "limit",
            OrderType::Market => "market",
            OrderType::StopMarket => "stop_market",
            OrderType::StopLimit => "stop_limit",
            OrderType::TakeProfitMarket => "take_profit_market",
            OrderType::TakeProfitLimit => "take_profit_limit",
        }
    }

    /// A type by its word.
    pub fn from_word(word: &str) -> Option<OrderType> {
        OrderType::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it carries a limit price.
    pub const fn has_price(self) -> bool {
        matches!(self, OrderType::Limit | OrderType::StopLimit | OrderType::TakeProfitLimit)
    }

    /// Whether it waits for a trigger.
    pub const fn has_trigger(self) -> bool {
        !matches!(self, OrderType::Limit | OrderType::Market)
    }
}

/// How long an order may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeInForce {
    /// Until cancelled.
    Gtc,
    /// Fills what it can at once.
    Ioc,
    /// Fills wholly at once, or not at all.
    Fok,
}

impl TimeInForce {
    /// The word used in rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            TimeInForce::Gtc => "GTC",
            TimeInForce::Ioc => "IOC",
            TimeInForce::Fok => "FOK",
        }
    }

    /// A time in force by its word, in any case.
    pub fn from_word(word: &str) -> Option<TimeInForce> {
        let all = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok];
        all.into_iter().find(|tif| tif.as_str().eq_ignore_ascii_case(word))
    }
}

/// Which price trips a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TriggerBy {
    /// The last trade.
    Last,
    /// The index.
    Index,
    /// The mark.
    Mark,
}

impl TriggerBy {
    /// The word used in rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            TriggerBy::Last => "last",
            TriggerBy::Index => "index",
            TriggerBy::Mark => "mark",
        }
    }
}

/// An order to place. Prices and quantities are exact and of any scale; the grid is checked before one is written.
///
/// **Units**: prices in the quote; quantities in the base, or in contracts where the instrument has a contract size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewOrder {
    /// Of which market.
    pub market: MarketId,
    /// Ours, and never empty.
    pub client_order_id: String,
    /// Buy or sell.
    pub side: Side,
    /// Its type.
    pub order_type: OrderType,
    /// How long it may wait; the venue's rule for the type when absent.
    pub time_in_force: Option<TimeInForce>,
    /// How much.
    pub qty: Fixed,
    /// The limit; exactly for the types that have one.
    pub price: Option<Fixed>,
    /// The trigger; exactly for the types that have one.
    pub stop_price: Option<Fixed>,
    /// Which price trips the trigger; the venue's rule when absent.
    pub trigger_by: Option<TriggerBy>,
    /// Refused rather than filled at once.
    pub post_only: bool,
    /// May only make a position smaller.
    pub reduce_only: bool,
}
