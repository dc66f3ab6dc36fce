//! Rows of a market: trades, tickers, candles.

use rust_decimal::Decimal;
use venuekit_types::{Price, Qty, Side, UnixNanos};

use crate::{Interval, MarketId, TextSpan};

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The market.
    pub market: MarketId,
    /// The venue's id, unique per market.
    pub id: TextSpan,
    /// The id as a number, where it is one that rises by one.
    pub number: Option<u64>,
    /// The price.
    pub price: Price,
    /// The quantity.
    pub qty: Qty,
    /// The side of the aggressor.
    pub side: Option<Side>,
    /// The venue's time.
    pub at: UnixNanos,
}

patch! {
    /// Changed fields of a market's ticker. Sums and averages are exact decimals.
    TickerPatch by {
        /// The market.
        market: MarketId,
    } with {
        /// Last traded price.
        last: Decimal,
        /// Best bid.
        bid: Decimal,
        /// Quantity at the best bid.
        bid_qty: Decimal,
        /// Best ask.
        ask: Decimal,
        /// Quantity at the best ask.
        ask_qty: Decimal,
        /// First price of the day's window.
        open: Decimal,
        /// Highest price of the window.
        high: Decimal,
        /// Lowest price of the window.
        low: Decimal,
        /// Last price of the window, where it lags behind `last`.
        close: Decimal,
        /// Quantity traded in the window, in the unit of quantities.
        volume: Decimal,
        /// Value traded in the window, in the quote.
        quote_volume: Decimal,
        /// Mark price.
        mark: Decimal,
        /// Index price.
        index: Decimal,
        /// Funding rate of the current period.
        funding_rate: Decimal,
        /// End of the current funding period.
        next_funding: UnixNanos,
        /// Open interest, in the unit of quantities.
        open_interest: Decimal,
    }
}

/// A candle.
#[derive(Clone, Debug, PartialEq)]
pub struct Candle {
    /// The market.
    pub market: MarketId,
    /// Its span.
    pub interval: Interval,
    /// When it opened.
    pub open_at: UnixNanos,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Quantity traded.
    pub volume: Decimal,
    /// Trades counted, where the venue says it.
    pub trades: Option<u64>,
    /// Whether it will not change any more.
    pub closed: bool,
}
