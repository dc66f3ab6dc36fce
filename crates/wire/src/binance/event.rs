//! The events of public streams. Flat objects; their one-letter names are the venue's.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Millis, Num, Text};

tags! {
    /// `trade`.
    TradeTag = "trade",
    /// `aggTrade`.
    AggTradeTag = "aggTrade",
    /// `depthUpdate`.
    DepthTag = "depthUpdate",
    /// `kline`.
    KlineTag = "kline",
    /// `24hrTicker`.
    TickerTag = "24hrTicker",
    /// `bookTicker`.
    BookTickerTag = "bookTicker",
    /// `markPriceUpdate`.
    MarkPriceTag = "markPriceUpdate",
}

shapes! {
    /// A trade.
    Trade {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: TradeTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Rises by one per symbol.
        #[serde(rename = "t")]
        trade_id: u64,
        /// At which price.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// How much.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// `MARKET` for what traded in the book; USD-M alone.
        #[serde(rename = "X")]
        kind?: Text<'a>,
        /// True when the seller was the aggressor.
        #[serde(rename = "m")]
        buyer_is_maker: bool,
    }

    /// Trades of one aggressor at one price.
    AggTrade {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: AggTradeTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Rises by one per symbol.
        #[serde(rename = "a")]
        agg_id: u64,
        /// At which price.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// How much together.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// How much of it without the orders that the book does not show; USD-M alone.
        #[serde(rename = "nq")]
        plain_qty?: Num<'a>,
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
        /// Which universe: 1 is USD-M, 2 is COIN-M.
        #[serde(rename = "st")]
        universe?: u64,
    }

    /// A candle as it stands.
    KlineEvent {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: KlineTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// The candle.
        #[serde(rename = "k")]
        kline: Kline<'a>,
    }

    /// A candle.
    Kline {
        /// First instant of it.
        #[serde(rename = "t")]
        open_time: Millis,
        /// Last instant of it.
        #[serde(rename = "T")]
        close_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// As in `1m`.
        #[serde(rename = "i")]
        interval: Text<'a>,
        /// First trade.
        #[serde(rename = "f")]
        first_id: i64,
        /// Last trade.
        #[serde(rename = "L")]
        last_id: i64,
        /// First price.
        #[serde(rename = "o")]
        open: Num<'a>,
        /// Last price.
        #[serde(rename = "c")]
        close: Num<'a>,
        /// Highest price.
        #[serde(rename = "h")]
        high: Num<'a>,
        /// Lowest price.
        #[serde(rename = "l")]
        low: Num<'a>,
        /// How much of the base was traded.
        #[serde(rename = "v")]
        volume: Num<'a>,
        /// How many trades.
        #[serde(rename = "n")]
        trades: u64,
        /// Whether it is over.
        #[serde(rename = "x")]
        closed: bool,
        /// How much of the quote was traded.
        #[serde(rename = "q")]
        quote_volume: Num<'a>,
        /// How much of the base was bought by aggressors.
        #[serde(rename = "V")]
        taker_volume: Num<'a>,
        /// How much of the quote was paid by aggressors who bought.
        #[serde(rename = "Q")]
        taker_quote_volume: Num<'a>,
    }

    /// The figures of the last 24 h; USD-M leaves the best prices out.
    Ticker {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: TickerTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Last price less the first.
        #[serde(rename = "p")]
        change?: Num<'a>,
        /// The same as a share of the first.
        #[serde(rename = "P")]
        change_percent?: Num<'a>,
        /// Average price, by quantity.
        #[serde(rename = "w")]
        average?: Num<'a>,
        /// Last price.
        #[serde(rename = "c")]
        last: Num<'a>,
        /// Quantity of the last trade.
        #[serde(rename = "Q")]
        last_qty?: Num<'a>,
        /// Highest bid.
        #[serde(rename = "b")]
        bid?: Num<'a>,
        /// How much rests there.
        #[serde(rename = "B")]
        bid_qty?: Num<'a>,
        /// Lowest ask.
        #[serde(rename = "a")]
        ask?: Num<'a>,
        /// How much rests there.
        #[serde(rename = "A")]
        ask_qty?: Num<'a>,
        /// First price.
        #[serde(rename = "o")]
        open: Num<'a>,
        /// Highest price.
        #[serde(rename = "h")]
        high: Num<'a>,
        /// Lowest price.
        #[serde(rename = "l")]
        low: Num<'a>,
        /// How much of the base was traded.
        #[serde(rename = "v")]
        volume: Num<'a>,
        /// How much of the quote was traded.
        #[serde(rename = "q")]
        quote_volume: Num<'a>,
    }

    /// Best prices. Spot names neither the event nor a time.
    BookTicker {
        /// Says what this is; USD-M alone.
        #[serde(rename = "e")]
        tag?: BookTickerTag,
        /// The book's number.
        #[serde(rename = "u")]
        update_id: u64,
        /// When it was sent; USD-M alone.
        #[serde(rename = "E")]
        event_time?: Millis,
        /// When it came to be; USD-M alone.
        #[serde(rename = "T")]
        time?: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Highest bid.
        #[serde(rename = "b")]
        bid: Num<'a>,
        /// How much rests there.
        #[serde(rename = "B")]
        bid_qty: Num<'a>,
        /// Lowest ask.
        #[serde(rename = "a")]
        ask: Num<'a>,
        /// How much rests there.
        #[serde(rename = "A")]
        ask_qty: Num<'a>,
    }

    /// Mark, index and funding of a contract.
    MarkPriceUpdate {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: MarkPriceTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// The mark price.
        #[serde(rename = "p")]
        mark: Num<'a>,
        /// The index price.
        #[serde(rename = "i")]
        index?: Num<'a>,
        /// What a contract with an end would settle at.
        #[serde(rename = "P")]
        settle?: Num<'a>,
        /// Positive is paid by longs; nothing for contracts with an end.
        #[serde(rename = "r")]
        funding_rate?: Num<'a>,
        /// When it is paid next; zero for contracts with an end.
        #[serde(rename = "T")]
        next_funding_time?: Millis,
        /// Which universe: 1 is USD-M, 2 is COIN-M.
        #[serde(rename = "st")]
        universe?: u64,
    }
}

/// A change of the book. `L` is the raw rows when read, and anything that serialises as `[["8804.00","1"]]` when
/// written. A quantity is absolute, zero removing the row; [`crate::scan`] reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthUpdate<'a, L = &'a RawValue> {
    /// Says what this is.
    #[serde(rename = "e")]
    pub tag: DepthTag,
    /// When it was sent.
    #[serde(rename = "E")]
    pub event_time: Millis,
    /// When it came to be; USD-M alone.
    #[serde(rename = "T", skip_serializing_if = "Option::is_none")]
    pub time: Option<Millis>,
    /// Where.
    #[serde(borrow, rename = "s")]
    pub symbol: Text<'a>,
    /// Id of the first change in it. In USD-M the ids are shared by all symbols.
    #[serde(rename = "U")]
    pub first_id: u64,
    /// Id of the last change in it.
    #[serde(rename = "u")]
    pub last_id: u64,
    /// Id of the last change in the message before; USD-M alone.
    #[serde(rename = "pu", skip_serializing_if = "Option::is_none")]
    pub prev_id: Option<u64>,
    /// Buyers.
    #[serde(rename = "b")]
    pub bids: L,
    /// Sellers.
    #[serde(rename = "a")]
    pub asks: L,
}
