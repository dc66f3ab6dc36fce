//! Channels and topics: what can be subscribed to, in words that hold for every venue.

use core::fmt;

use crate::MarketId;

/// A kind of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Level-2 book.
    Book,
    /// Public trades.
    Trades,
    /// Ticker, with mark and funding where the venue sends them in it.
    Ticker,
    /// Candles of one interval.
    Candles(Interval),
    /// Mark, index and funding, where they have a stream of their own.
    Mark,
    /// Own orders.
    Orders,
    /// Own positions.
    Positions,
    /// Own balances.
    Balances,
    /// Own fills.
    Fills,
}

impl Channel {
    /// Whether two channels are of one kind, whatever their interval.
    pub fn same_kind(self, other: Channel) -> bool {
        core::mem::discriminant(&self) == core::mem::discriminant(&other)
    }

    /// Whether it needs a login.
    pub const fn is_private(self) -> bool {
        matches!(self, Channel::Orders | Channel::Positions | Channel::Balances | Channel::Fills)
    }

    /// The word used in config, rows, metrics and `/readyz`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Book => "book",
            Channel::Trades => "trades",
            Channel::Ticker => "ticker",
            Channel::Candles(_) => "candles",
            Channel::Mark => "mark",
            Channel::Orders => "orders",
            Channel::Positions => "positions",
            Channel::Balances => "balances",
            Channel::Fills => "fills",
        }
    }

    /// Every channel word, for messages that name the valid ones.
    pub const WORDS: [&'static str; 9] =
        ["book", "trades", "ticker", "candles", "mark", "orders", "positions", "balances", "fills"];

    /// A channel by its word; candles are of one minute.
    pub fn from_word(word: &str) -> Option<Channel> {
        Some(match word {
            "book" => Channel::Book,
            "trades" => Channel::Trades,
            "ticker" => Channel::Ticker,
            "candles" => Channel::Candles(Interval::M1),
            "mark" => Channel::Mark,
            "orders" => Channel::Orders,
            "positions" => Channel::Positions,
            "balances" => Channel::Balances,
            "fills" => Channel::Fills,
            _ => return None,
        })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The span of a candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// Fifteen minutes.
    M15,
    /// One hour.
    H1,
    /// Four hours.
    H4,
    /// One day.
    D1,
}

impl Interval {
    /// Every interval.
    pub const ALL: [Interval; 6] =
        [Interval::M1, Interval::M5, Interval::M15, Interval::H1, Interval::H4, Interval::D1];

    /// The usual spelling: `1m`, `1h`, `1d`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Interval::M1 => "1m",
            Interval::M5 => "5m",
            Interval::M15 => "15m",
            Interval::H1 => "1h",
            Interval::H4 => "4h",
            Interval::D1 => "1d",
        }
    }

    /// An interval by its usual spelling.
    pub fn from_word(word: &str) -> Option<Interval> {
        Interval::ALL.into_iter().find(|interval| interval.as_str() == word)
    }
}

/// One thing to subscribe to within a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The channel.
    pub channel: Channel,
    /// The market, for channels that have one.
    pub market: Option<MarketId>,
}

impl Topic {
    /// A topic of one market.
    pub const fn of(channel: Channel, market: MarketId) -> Topic {
        Topic { channel, market: Some(market) }
    }

    /// A topic of the whole account.
    pub const fn account(channel: Channel) -> Topic {
        Topic { channel, market: None }
    }
}
