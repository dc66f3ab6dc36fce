//! The events of streams, public ones first. Flat objects; their one-letter names are the venue's.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Fill, MarginMode, Order, Wallet};
use crate::{Hidden, Millis, Num, Text, WireError};

tags! {
    /// `trade`.
    TradeTag = "trade",
    /// `depthUpdate`.
    DepthTag = "depthUpdate",
    /// `kline`.
    KlineTag = "kline",
    /// `ticker`.
    TickerTag = "ticker",
    /// `mark`.
    MarkTag = "mark",
    /// `balance`.
    BalanceTag = "balance",
    /// `position`.
    PositionTag = "position",
    /// `listenKeyExpired`.
    ListenKeyExpiredTag = "listenKeyExpired",
}

shapes! {
    /// A trade. The brief names `e`, `s`, `p`, `q` and `T`; the rest is assumed and may be missing.
    Trade {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: TradeTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time?: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Unique per symbol and product.
        #[serde(rename = "t")]
        trade_id?: u64,
        /// At which price.
        #[serde(rename = "p")]
        price: Num<'a>,
        /// How much of the base.
        #[serde(rename = "q")]
        qty: Num<'a>,
        /// When it happened.
        #[serde(rename = "T")]
        time: Millis,
        /// True when the seller was the aggressor.
        #[serde(rename = "m")]
        buyer_is_maker?: bool,
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
        /// As in `1m`.
        #[serde(rename = "i")]
        interval: Text<'a>,
        /// First price.
        #[serde(rename = "o")]
        open: Num<'a>,
        /// Highest price.
        #[serde(rename = "h")]
        high: Num<'a>,
        /// Lowest price.
        #[serde(rename = "l")]
        low: Num<'a>,
        /// Last price.
        #[serde(rename = "c")]
        close: Num<'a>,
        /// How much of the base was traded.
        #[serde(rename = "v")]
        volume: Num<'a>,
        /// How many trades.
        #[serde(rename = "n")]
        trades: u64,
        /// Whether it is over.
        #[serde(rename = "x")]
        closed: bool,
    }

    /// The state of a market. What an untraded or empty market has not is missing.
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
        /// Last price.
        #[serde(rename = "c")]
        last?: Num<'a>,
        /// First price of the last 24 h.
        #[serde(rename = "o")]
        open?: Num<'a>,
        /// Highest price of the last 24 h.
        #[serde(rename = "h")]
        high?: Num<'a>,
        /// Lowest price of the last 24 h.
        #[serde(rename = "l")]
        low?: Num<'a>,
        /// How much of the base was traded in the last 24 h.
        #[serde(rename = "v")]
        volume: Num<'a>,
        /// How much of the quote was traded in the last 24 h.
        #[serde(rename = "q")]
        quote_volume: Num<'a>,
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
    }

    /// The mark price of a contract.
    Mark {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: MarkTag,
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
        /// Positive is paid by longs.
        #[serde(rename = "r")]
        funding_rate?: Num<'a>,
        /// When it is paid next.
        #[serde(rename = "T")]
        next_funding_time?: Millis,
    }

    /// Balances that changed in one wallet.
    BalanceEvent {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: BalanceTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Which ledger.
        #[serde(rename = "w")]
        wallet: Wallet<'a>,
        /// The new balances, not differences.
        #[serde(rename = "B")]
        balances: Vec<BalanceChange<'a>>,
    }

    /// The new balance of an asset.
    BalanceChange {
        /// Which one.
        #[serde(rename = "a")]
        asset: Text<'a>,
        /// Free to use.
        #[serde(rename = "f")]
        free: Num<'a>,
        /// Held by orders.
        #[serde(rename = "l")]
        locked: Num<'a>,
    }

    /// A position that changed.
    PositionEvent {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: PositionTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time: Millis,
        /// Where.
        #[serde(rename = "s")]
        symbol: Text<'a>,
        /// Negative is short.
        #[serde(rename = "pa")]
        position_amt: Num<'a>,
        /// Average price of entry.
        #[serde(rename = "ep")]
        entry_price?: Num<'a>,
        /// The mark price.
        #[serde(rename = "mp")]
        mark_price?: Num<'a>,
        /// Where it is liquidated.
        #[serde(rename = "lp")]
        liquidation_price?: Num<'a>,
        /// Value over margin.
        #[serde(rename = "lev")]
        leverage?: Num<'a>,
        /// What stands behind it.
        #[serde(rename = "mm")]
        margin_mode?: MarginMode<'a>,
        /// At the mark.
        #[serde(rename = "up")]
        unrealized_pnl?: Num<'a>,
    }

    /// The listen key of this connection is void.
    ListenKeyExpired {
        /// Says what this is.
        #[serde(rename = "e")]
        tag: ListenKeyExpiredTag,
        /// When it was sent.
        #[serde(rename = "E")]
        event_time?: Millis,
        /// The key, where the venue repeats it.
        listen_key?: Hidden<'a>,
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
    /// Where.
    #[serde(borrow, rename = "s")]
    pub symbol: Text<'a>,
    /// Id of the first change in it.
    #[serde(rename = "U")]
    pub first_id: u64,
    /// Id of the last change in it.
    #[serde(rename = "u")]
    pub last_id: u64,
    /// Buyers.
    #[serde(rename = "b")]
    pub bids: L,
    /// Sellers.
    #[serde(rename = "a")]
    pub asks: L,
}

/// An order that changed, and the fill that changed it.
///
/// On the wire the order's fields stand flat between the wallet and the fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEvent<'a> {
    /// When it was sent.
    pub event_time: Millis,
    /// Which ledger.
    pub wallet: Wallet<'a>,
    /// The order as it is now.
    pub order: Order<'a>,
    /// Written as `null` when nothing was filled.
    pub fill: Option<Fill<'a>>,
}

impl Serialize for OrderEvent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("OrderEvent", 24)?;
        out.serialize_field("e", "order")?;
        out.serialize_field("E", &self.event_time)?;
        out.serialize_field("w", &self.wallet)?;
        self.order.write(&mut out)?;
        out.serialize_field("fill", &self.fill)?;
        out.end()
    }
}

impl<'a> OrderEvent<'a> {
    /// Reads the same text twice: once for what surrounds the order, once for the order.
    pub(super) fn from_json(json: &'a str) -> Result<OrderEvent<'a>, WireError> {
        #[derive(Deserialize)]
        struct Around<'a> {
            #[serde(rename = "E")]
            event_time: Millis,
            #[serde(borrow, rename = "w")]
            wallet: Wallet<'a>,
            fill: Option<Fill<'a>>,
        }
        let Around { event_time, wallet, fill } = serde_json::from_str(json)?;
        Ok(OrderEvent { event_time, wallet, order: serde_json::from_str(json)?, fill })
    }
}
