//! Spot: the frames of WebSocket v2 in both directions, and the answers of REST.

use serde::Deserialize;

use super::{Level, Named};
use crate::{Num, RawValue, Text, Time, WireError, parse};

/// What the server sends on a socket.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// The answer to a request, one for each symbol in it.
    Reply(Reply<'a>),
    /// Data of a channel.
    Data(Message<'a>),
    /// Proof of life.
    Heartbeat,
    /// A word of the retired version, which only recordings hold.
    Retired {
        /// The venue's word for it.
        event: Text<'a>,
    },
}

/// Every field that any frame has.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    method: Option<Text<'a>>,
    event: Option<Text<'a>>,
    channel: Option<Text<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    data: Option<&'a RawValue>,
    sequence: Option<u64>,
    req_id: Option<u64>,
    success: Option<bool>,
    error: Option<Text<'a>>,
    symbol: Option<Text<'a>>,
    result: Option<&'a RawValue>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// What was asked: `subscribe`, `unsubscribe`, `pong`, …
    pub method: Text<'a>,
    /// The number it was asked under.
    pub req_id: Option<u64>,
    /// Whether it was done; a pong does not say.
    pub success: Option<bool>,
    /// Why not.
    pub error: Option<Text<'a>>,
    /// Of which symbol, where the answer names one outside its result.
    pub symbol: Option<Text<'a>>,
    /// What was done.
    pub result: Option<&'a RawValue>,
}

/// Data of a channel.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Which.
    pub channel: Text<'a>,
    /// Whether it is the whole state.
    pub is_snapshot: bool,
    /// Counts the messages of a private channel.
    pub sequence: Option<u64>,
    /// What it carries: an array of rows, or one object for `instrument`.
    pub data: &'a RawValue,
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame as a client does.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ServerFrame<'a>, WireError> {
        let frame: Envelope<'a> = parse(bytes)?;
        if let Some(method) = frame.method {
            let Envelope { req_id, success, error, symbol, result, .. } = frame;
            return Ok(ServerFrame::Reply(Reply { method, req_id, success, error, symbol, result }));
        }
        if let Some(event) = frame.event {
            return Ok(ServerFrame::Retired { event });
        }
        let channel = frame.channel.ok_or(WireError::Missing { field: "channel" })?;
        if channel == "heartbeat" {
            return Ok(ServerFrame::Heartbeat);
        }
        let kind = frame.kind.ok_or(WireError::Missing { field: "type" })?;
        let data = frame.data.ok_or(WireError::Missing { field: "data" })?;
        let is_snapshot = kind == "snapshot";
        Ok(ServerFrame::Data(Message { channel, is_snapshot, sequence: frame.sequence, data }))
    }
}

impl<'a> Message<'a> {
    /// Reads the rows of the message.
    ///
    /// **Errors**: [`WireError`] when it is not what the channel carries.
    pub fn rows<T: Deserialize<'a>>(&self) -> Result<Vec<T>, WireError> {
        parse(self.data.get().as_bytes())
    }
}

/// What was subscribed to, or left.
#[derive(Clone, Debug, Deserialize)]
pub struct Subscribed<'a> {
    /// The channel.
    #[serde(borrow)]
    pub channel: Option<Text<'a>>,
    /// The symbol, for channels that have one.
    pub symbol: Option<Text<'a>>,
}

/// A change of a book, or the whole of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Book<'a> {
    /// Of which pair.
    #[serde(borrow)]
    pub symbol: Text<'a>,
    /// Bids.
    #[serde(default)]
    pub bids: Vec<Level<'a>>,
    /// Asks.
    #[serde(default)]
    pub asks: Vec<Level<'a>>,
    /// CRC32 of the top ten of both sides afterwards.
    pub checksum: u32,
    /// When it was made; a snapshot may lack it.
    pub timestamp: Option<Time>,
}

shapes! {
    #![snake_case]

    /// A trade.
    Trade {
        /// Of which pair.
        symbol: Text<'a>,
        /// The taker's.
        side: Text<'a>,
        /// The price.
        price: Num<'a>,
        /// The quantity.
        qty: Num<'a>,
        /// Unique for the pair, rising.
        trade_id: u64,
        /// When.
        timestamp: Time,
    }

    /// Best prices and the day's figures.
    Ticker {
        /// Of which pair.
        symbol: Text<'a>,
        /// Best bid.
        bid?: Num<'a>,
        /// Quantity there.
        bid_qty?: Num<'a>,
        /// Best ask.
        ask?: Num<'a>,
        /// Quantity there.
        ask_qty?: Num<'a>,
        /// Last traded price.
        last?: Num<'a>,
        /// Traded in 24 h, in the base.
        volume?: Num<'a>,
        /// Lowest price of 24 h.
        low?: Num<'a>,
        /// Highest price of 24 h.
        high?: Num<'a>,
        /// Last price less the one 24 h ago.
        change?: Num<'a>,
        /// When.
        timestamp?: Time,
    }

    /// A bar in the making.
    Ohlc {
        /// Of which pair.
        symbol: Text<'a>,
        /// First price.
        open: Num<'a>,
        /// Highest.
        high: Num<'a>,
        /// Lowest.
        low: Num<'a>,
        /// Last.
        close: Num<'a>,
        /// Trades counted.
        trades: u64,
        /// Quantity traded.
        volume: Num<'a>,
        /// When it began.
        interval_begin: Time,
        /// Its length in minutes.
        interval: u64,
    }

    /// A pair of the `instrument` channel.
    Pair {
        /// `BTC/USD`.
        symbol: Text<'a>,
        /// The base.
        base: Text<'a>,
        /// The quote.
        quote: Text<'a>,
        /// `online`, `cancel_only`, …
        status: Text<'a>,
        /// Decimals of a price on the wire.
        price_precision: u64,
        /// Decimals of a quantity on the wire.
        qty_precision: u64,
        /// Price step.
        price_increment?: Num<'a>,
        /// Quantity step.
        qty_increment?: Num<'a>,
        /// Least quantity.
        qty_min?: Num<'a>,
        /// Least value.
        cost_min?: Num<'a>,
    }

    /// A report about an own order. Sparse: only what the event is about is told.
    Execution {
        /// What happened: `new`, `trade`, `filled`, `canceled`, …
        exec_type: Text<'a>,
        /// The order.
        order_id: Text<'a>,
        /// Ours.
        cl_ord_id?: Text<'a>,
        /// Of which pair.
        symbol?: Text<'a>,
        /// `buy` or `sell`.
        side?: Text<'a>,
        /// `limit`, `stop-loss`, …
        order_type?: Text<'a>,
        /// Where the order stands.
        order_status?: Text<'a>,
        /// Ordered.
        order_qty?: Num<'a>,
        /// The limit.
        limit_price?: Num<'a>,
        /// What trips it.
        triggers?: Triggers<'a>,
        /// Filled so far.
        cum_qty?: Num<'a>,
        /// At this average.
        avg_price?: Num<'a>,
        /// Filled now.
        last_qty?: Num<'a>,
        /// At this price.
        last_price?: Num<'a>,
        /// The fill.
        exec_id?: Text<'a>,
        /// `m` or `t`.
        liquidity_ind?: Text<'a>,
        /// What was paid for it.
        fees?: Vec<Fee<'a>>,
        /// `gtc`, `ioc`, …
        time_in_force?: Text<'a>,
        /// Refused rather than filled at once.
        post_only?: bool,
        /// May only reduce a position.
        reduce_only?: bool,
        /// When.
        timestamp?: Time,
    }

    /// What trips an order.
    Triggers {
        /// At this price.
        price?: Num<'a>,
    }

    /// A fee.
    Fee {
        /// In which asset.
        asset: Text<'a>,
        /// How much.
        qty: Num<'a>,
    }
}

/// The list of the `instrument` channel.
#[derive(Clone, Debug, Deserialize)]
pub struct Instruments<'a> {
    /// The pairs.
    #[serde(borrow, default)]
    pub pairs: Vec<&'a RawValue>,
}

// ---- REST ----

/// The envelope of every REST answer. Words that begin with `E` are errors, with `W` warnings.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer<'a> {
    /// What was wrong.
    #[serde(borrow, default)]
    pub error: Vec<Text<'a>>,
    /// What was asked for.
    pub result: Option<&'a RawValue>,
}

/// The venue's time.
#[derive(Clone, Debug, Deserialize)]
pub struct ServerTime {
    /// Whole Unix seconds.
    pub unixtime: i64,
}

shapes! {
    #![snake_case]

    /// A pair of `AssetPairs`; its key is the internal name.
    AssetPair {
        /// `XBTUSD`.
        altname: Text<'a>,
        /// `XBT/USD`; the names of WebSocket v2 say `BTC`.
        wsname?: Text<'a>,
        /// Decimals of a price.
        pair_decimals: u64,
        /// Decimals of a quantity.
        lot_decimals: u64,
        /// Price step.
        tick_size?: Num<'a>,
        /// Least quantity.
        ordermin?: Num<'a>,
        /// Least value.
        costmin?: Num<'a>,
        /// As in [`Pair`]; absent on some.
        status?: Text<'a>,
        /// Percentages by volume, for takers.
        fees?: Vec<(Num<'a>, Num<'a>)>,
        /// The same for makers.
        fees_maker?: Vec<(Num<'a>, Num<'a>)>,
    }

    /// A balance of `BalanceEx`.
    Balance {
        /// What there is, held or not.
        balance: Num<'a>,
        /// Held by orders.
        hold_trade: Num<'a>,
        /// A credit line.
        credit?: Num<'a>,
        /// What of it is used.
        credit_used?: Num<'a>,
    }

    /// The margin account, in one asset.
    TradeBalance {
        /// Equity, with unrealised profit.
        e: Num<'a>,
        /// Initial margin of open positions.
        m: Num<'a>,
        /// Unrealised profit of open positions.
        n: Num<'a>,
        /// Margin that is free.
        mf: Num<'a>,
    }

    /// An order of `OpenOrders`, `ClosedOrders` and `QueryOrders`; its key is its id.
    Order {
        /// Ours.
        cl_ord_id?: Text<'a>,
        /// `pending`, `open`, `closed`, `canceled`, `expired`.
        status: Text<'a>,
        /// When it was made, in seconds.
        opentm?: Num<'a>,
        /// When it ended, in seconds.
        closetm?: Num<'a>,
        /// What was ordered.
        descr: OrderDescr<'a>,
        /// Ordered.
        vol: Num<'a>,
        /// Filled.
        vol_exec: Num<'a>,
        /// Paid in fees, in the quote unless the flags say `fcib`.
        fee: Num<'a>,
        /// Average price of the fills.
        price?: Num<'a>,
        /// What trips it.
        stopprice?: Num<'a>,
        /// Flags, joined by commas.
        oflags?: Text<'a>,
        /// How long it stands, where it is told.
        timeinforce?: Text<'a>,
        /// Whether it may only reduce a position, where it is told.
        reduce_only?: bool,
    }

    /// What was ordered, in words.
    OrderDescr {
        /// The pair's alternative name.
        pair: Text<'a>,
        /// `buy` or `sell`.
        r#type: Text<'a>,
        /// `limit`, `market`, `stop-loss`, …
        ordertype: Text<'a>,
        /// The limit, or what trips an order that has none.
        price: Num<'a>,
        /// The limit of an order that is tripped by `price`.
        price2?: Num<'a>,
    }

    /// A fill of `TradesHistory`; its key is its id.
    Fill {
        /// Of which order.
        ordertxid: Text<'a>,
        /// Of which pair.
        pair: Text<'a>,
        /// When, in seconds.
        time: Num<'a>,
        /// `buy` or `sell`.
        r#type: Text<'a>,
        /// The price.
        price: Num<'a>,
        /// The quantity.
        vol: Num<'a>,
        /// The fee, in the quote.
        fee: Num<'a>,
        /// Whether it rested.
        maker?: bool,
    }

    /// A lot of a margin position; its key is the id of its fill.
    Position {
        /// Of which pair.
        pair: Text<'a>,
        /// `buy` for long.
        r#type: Text<'a>,
        /// What it cost.
        cost: Num<'a>,
        /// Its size when it was opened.
        vol: Num<'a>,
        /// What of it is closed.
        vol_closed: Num<'a>,
        /// Margin it holds.
        margin: Num<'a>,
        /// Unrealised profit, where it was asked for.
        net?: Num<'a>,
    }

    /// A deposit or a withdrawal.
    Movement {
        /// How.
        method?: Text<'a>,
        /// Which asset.
        asset: Text<'a>,
        /// The venue's id.
        refid: Text<'a>,
        /// The chain's id.
        txid?: Text<'a>,
        /// Where to, or where from.
        info?: Text<'a>,
        /// How much.
        amount: Num<'a>,
        /// The fee.
        fee?: Num<'a>,
        /// When, in seconds.
        time: Num<'a>,
        /// Where it stands.
        status: Text<'a>,
        /// Why it stands there.
        #[serde(rename = "status-prop")]
        status_prop?: Text<'a>,
    }

    /// A row of `Ledgers`; its key is its id.
    Entry {
        /// What it belongs to.
        refid: Text<'a>,
        /// When, in seconds.
        time: Num<'a>,
        /// `trade`, `deposit`, `transfer`, …
        r#type: Text<'a>,
        /// The rest of that.
        subtype?: Text<'a>,
        /// Which asset.
        asset: Text<'a>,
        /// How much came; negative went.
        amount: Num<'a>,
        /// The fee.
        fee?: Num<'a>,
    }

    /// The fee of one pair at the account's volume.
    PairFee {
        /// In percent.
        fee: Num<'a>,
    }

    /// A token for private channels.
    SocketToken {
        /// It never prints.
        token: crate::Hidden<'a>,
    }
}

/// The orders of `OpenOrders` and of `ClosedOrders`.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Orders<'a> {
    /// By id.
    #[serde(alias = "closed", alias = "open")]
    pub orders: Named<'a, &'a RawValue>,
}

/// The fills of `TradesHistory`.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Fills<'a> {
    /// By id.
    pub trades: Named<'a, &'a RawValue>,
}

/// The rows of `Ledgers`.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Ledger<'a> {
    /// By id.
    pub ledger: Named<'a, &'a RawValue>,
}

/// The fees of the account.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Fees<'a> {
    /// Traded in 30 days.
    pub volume: Num<'a>,
    /// By pair, for takers.
    pub fees: Option<Named<'a, PairFee<'a>>>,
    /// By pair, for makers.
    pub fees_maker: Option<Named<'a, PairFee<'a>>>,
}

/// The answer to a new order.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Placed<'a> {
    /// The ids it got; none where it was only validated.
    #[serde(default)]
    pub txid: Vec<Text<'a>>,
}

/// The ticker of one pair.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct RestTicker<'a> {
    /// Ask, whole lots, lots.
    pub a: Vec<Num<'a>>,
    /// Bid, whole lots, lots.
    pub b: Vec<Num<'a>>,
    /// Last price and quantity.
    pub c: Vec<Num<'a>>,
    /// Volume today and in 24 h.
    pub v: Vec<Num<'a>>,
    /// Lowest price today and in 24 h.
    pub l: Vec<Num<'a>>,
    /// Highest price today and in 24 h.
    pub h: Vec<Num<'a>>,
    /// First price today.
    pub o: Num<'a>,
}
