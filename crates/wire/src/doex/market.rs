//! Public REST answers.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{InstrumentKind, InstrumentStatus};
use crate::{Millis, Num, Text};

/// Answer of `GET /v1/time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// The venue's clock.
    pub server_time: Millis,
}

/// Answer of `GET /v1/depth`, best first. `L` is as in [`super::DepthUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth<L> {
    /// Id of the last change in it.
    pub last_update_id: u64,
    /// Buyers.
    pub bids: L,
    /// Sellers.
    pub asks: L,
}

shapes! {
    /// The terms of an instrument.
    Instrument {
        /// As in `BTCUSDT`; spot and perpetual may share it.
        symbol: Text<'a>,
        /// Spot or perpetual.
        kind: InstrumentKind<'a>,
        /// What is bought.
        base: Text<'a>,
        /// What it is priced in.
        quote: Text<'a>,
        /// What profit is paid in, of contracts.
        settle?: Text<'a>,
        /// Prices are multiples of it.
        tick_size: Num<'a>,
        /// Quantities are multiples of it.
        step_size: Num<'a>,
        /// Smallest order.
        min_qty?: Num<'a>,
        /// Largest order.
        max_qty?: Num<'a>,
        /// Smallest value of an order.
        min_notional?: Num<'a>,
        /// Units in one contract.
        contract_size?: Num<'a>,
        /// True when profit is paid in the base.
        inverse?: bool,
        /// Highest leverage, of contracts.
        max_leverage?: Num<'a>,
        /// Whether it trades.
        status: InstrumentStatus<'a>,
        /// Negative is a rebate.
        maker_fee?: Num<'a>,
        /// Of the value.
        taker_fee?: Num<'a>,
    }

    /// A trade, as listed over REST.
    RestTrade {
        /// Unique per symbol and product.
        id: u64,
        /// At which price.
        price: Num<'a>,
        /// How much of the base.
        qty: Num<'a>,
        /// When.
        time: Millis,
        /// True when the seller was the aggressor.
        is_buyer_maker: bool,
    }

    /// The mark price of a contract, over REST.
    MarkPrice {
        /// Where.
        symbol: Text<'a>,
        /// The mark price.
        mark_price: Num<'a>,
        /// The index price.
        index_price?: Num<'a>,
        /// Positive is paid by longs.
        funding_rate?: Num<'a>,
        /// When it is paid next.
        next_funding_time?: Millis,
    }
}

/// A candle over REST: an array whose places have meanings; further places are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candle<'a> {
    /// First instant of it.
    pub open_time: Millis,
    /// First price.
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
}

impl Serialize for Candle<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Candle { open_time, open, high, low, close, volume, close_time, quote_volume, trades } = self;
        (open_time, open, high, low, close, volume, close_time, quote_volume, trades).serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Candle<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Candle<'a>, D::Error> {
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = Candle<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of nine places")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Candle<'de>, A::Error> {
                fn place<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
                    row: &mut A,
                    name: &'static str,
                ) -> Result<T, A::Error> {
                    row.next_element()?.ok_or_else(|| A::Error::missing_field(name))
                }
                let candle = Candle {
                    open_time: place(&mut row, "openTime")?,
                    open: place(&mut row, "open")?,
                    high: place(&mut row, "high")?,
                    low: place(&mut row, "low")?,
                    close: place(&mut row, "close")?,
                    volume: place(&mut row, "volume")?,
                    close_time: place(&mut row, "closeTime")?,
                    quote_volume: place(&mut row, "quoteVolume")?,
                    trades: place(&mut row, "trades")?,
                };
                while row.next_element::<IgnoredAny>()?.is_some() {}
                Ok(candle)
            }
        }
        deserializer.deserialize_seq(Row)
    }
}
