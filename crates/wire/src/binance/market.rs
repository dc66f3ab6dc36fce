//! Public REST answers.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{ContractType, SymbolStatus};
use crate::{Millis, Num, Text};

/// Answer of `GET /api/v3/time` and `/fapi/v1/time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// The venue's clock.
    pub server_time: Millis,
}

/// Answer of `GET /api/v3/depth` and `/fapi/v1/depth`, best first. `L` is as in [`super::DepthUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth<L> {
    /// Id of the last change in it.
    pub last_update_id: u64,
    /// When it was sent; USD-M alone.
    #[serde(rename = "E", skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Millis>,
    /// When it came to be; USD-M alone.
    #[serde(rename = "T", skip_serializing_if = "Option::is_none")]
    pub time: Option<Millis>,
    /// Buyers.
    pub bids: L,
    /// Sellers.
    pub asks: L,
}

/// Answer of `GET /api/v3/exchangeInfo` and `/fapi/v1/exchangeInfo`, as far as it concerns markets.
#[derive(Clone, Debug, Deserialize)]
pub struct ExchangeInfo<'a> {
    /// One object of [`Terms`] each.
    #[serde(borrow)]
    pub symbols: Vec<&'a RawValue>,
}

shapes! {
    /// The terms of a market.
    Terms {
        /// As in `BTCUSDT`; spot and USD-M may share it.
        symbol: Text<'a>,
        /// Whether it trades.
        status: SymbolStatus<'a>,
        /// What is bought.
        base_asset: Text<'a>,
        /// What it is priced in.
        quote_asset: Text<'a>,
        /// What profit is paid in; USD-M alone.
        margin_asset?: Text<'a>,
        /// The kind of contract; USD-M alone.
        contract_type?: ContractType<'a>,
        /// Whether it trades on margin; spot alone.
        is_margin_trading_allowed?: bool,
        /// What orders must keep to.
        filters: Vec<Filter<'a>>,
    }

    /// A rule that orders must keep to. Which fields there are depends on the first; a zero switches a bound off.
    Filter {
        /// As in `PRICE_FILTER`.
        filter_type: Text<'a>,
        /// Of `PRICE_FILTER`.
        min_price?: Num<'a>,
        /// Of `PRICE_FILTER`.
        max_price?: Num<'a>,
        /// Of `PRICE_FILTER`.
        tick_size?: Num<'a>,
        /// Of `LOT_SIZE` and `MARKET_LOT_SIZE`.
        min_qty?: Num<'a>,
        /// Of `LOT_SIZE` and `MARKET_LOT_SIZE`.
        max_qty?: Num<'a>,
        /// Of `LOT_SIZE` and `MARKET_LOT_SIZE`.
        step_size?: Num<'a>,
        /// Of `NOTIONAL` and of spot's older `MIN_NOTIONAL`.
        min_notional?: Num<'a>,
        /// Of USD-M's `MIN_NOTIONAL`.
        notional?: Num<'a>,
    }

    /// A trade.
    RestTrade {
        /// Rises by one per symbol.
        id: u64,
        /// At which price.
        price: Num<'a>,
        /// How much.
        qty: Num<'a>,
        /// Worth how much.
        quote_qty?: Num<'a>,
        /// When.
        time: Millis,
        /// True when the seller was the aggressor.
        is_buyer_maker: bool,
        /// Always true.
        is_best_match?: bool,
    }

    /// Trades of one aggressor at one price.
    RestAggTrade {
        /// Rises by one per symbol.
        #[serde(rename = "a")]
        agg_id: u64,
        /// At which price.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// How much together.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// Its first trade.
        #[serde(rename = "f")]
        first_id: u64,
        /// Its last trade.
        #[serde(rename = "l")]
        last_id: u64,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// True when the seller was the aggressor.
        #[serde(rename = "m")]
        buyer_is_maker: bool,
    }

    /// The figures of the last 24 h.
    Day {
        /// Where.
        symbol: Text<'a>,
        /// Last price.
        last_price: Num<'a>,
        /// Highest bid; spot alone.
        bid_price?: Num<'a>,
        /// How much rests there; spot alone.
        bid_qty?: Num<'a>,
        /// Lowest ask; spot alone.
        ask_price?: Num<'a>,
        /// How much rests there; spot alone.
        ask_qty?: Num<'a>,
        /// First price.
        open_price: Num<'a>,
        /// Highest price.
        high_price: Num<'a>,
        /// Lowest price.
        low_price: Num<'a>,
        /// How much of the base was traded.
        volume: Num<'a>,
        /// How much of the quote was traded.
        quote_volume: Num<'a>,
        /// Last instant of it.
        close_time: Millis,
    }

    /// Mark, index and funding of a contract.
    Premium {
        /// Where.
        symbol: Text<'a>,
        /// The mark price.
        mark_price: Num<'a>,
        /// The index price.
        index_price?: Num<'a>,
        /// Positive is paid by longs; nothing for contracts with an end.
        last_funding_rate?: Num<'a>,
        /// When it is paid next; zero for contracts with an end.
        next_funding_time?: Millis,
        /// When it was so.
        time: Millis,
    }
}

/// A candle: an array of twelve places.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Candle<'a> {
    /// First instant of it.
    pub open_time: Millis,
    /// First price.
    #[serde(borrow)]
    pub open: Num<'a>,
    /// Highest price.
    pub high: Num<'a>,
    /// Lowest price.
    pub low: Num<'a>,
    /// Last price.
    pub close: Num<'a>,
    /// How much of the base was traded.
    pub volume: Num<'a>,
    /// Last instant of it.
    pub close_time: Millis,
    /// How much of the quote was traded.
    pub quote_volume: Num<'a>,
    /// How many trades.
    pub trades: u64,
    /// How much of the base was bought by aggressors.
    pub taker_volume: Num<'a>,
    /// How much of the quote was paid by aggressors who bought.
    pub taker_quote_volume: Num<'a>,
    /// Means nothing any more.
    pub unused: Num<'a>,
}

impl Serialize for Candle<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Candle { open_time, open, high, low, close, volume, close_time, quote_volume, trades, .. } = self;
        let Candle { taker_volume, taker_quote_volume, unused, .. } = self;
        let row = (
            open_time,
            open,
            high,
            low,
            close,
            volume,
            close_time,
            quote_volume,
            trades,
            taker_volume,
            taker_quote_volume,
            unused,
        );
        row.serialize(serializer)
    }
}
