//! Futures: the v1 feeds in both directions, and the answers of REST.

use serde::Deserialize;

use super::{Level, Named, Sides};
use crate::{Millis, Num, RawValue, Text, Time, WireError, parse};

/// What the server sends on a socket.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// An event: an answer, or news of the connection.
    Event(Event<'a>),
    /// Data of a feed.
    Data {
        /// Which: `book`, `trade`, `open_orders`, …
        feed: Text<'a>,
        /// The whole frame.
        json: &'a str,
    },
}

/// What tells frames apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Option<Text<'a>>,
    feed: Option<Text<'a>>,
    message: Option<Text<'a>>,
    product_ids: Option<Vec<Text<'a>>>,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// `subscribed`, `challenge`, `error`, …
    pub event: Text<'a>,
    /// Of which feed.
    pub feed: Option<Text<'a>>,
    /// The text of an error, or the one to sign.
    pub message: Option<Text<'a>>,
    /// Of which products.
    pub product_ids: Vec<Text<'a>>,
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame as a client does.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ServerFrame<'a>, WireError> {
        let json = crate::error::text(bytes)?;
        let Head { event, feed, message, product_ids } = parse(bytes)?;
        if let Some(event) = event {
            let product_ids = product_ids.unwrap_or_default();
            return Ok(ServerFrame::Event(Event { event, feed, message, product_ids }));
        }
        let feed = feed.ok_or(WireError::Missing { field: "feed" })?;
        Ok(ServerFrame::Data { feed, json })
    }
}

shapes! {
    #![snake_case]

    /// A whole book.
    BookSnapshot {
        /// Of which product.
        product_id: Text<'a>,
        /// When.
        timestamp: Millis,
        /// The number it stands at.
        seq: u64,
        /// Bids; some may be of nothing.
        bids: Vec<Level<'a>>,
        /// Asks; some may be of nothing.
        asks: Vec<Level<'a>>,
    }

    /// A change of one level.
    BookChange {
        /// Of which product.
        product_id: Text<'a>,
        /// `buy` or `sell`.
        side: Text<'a>,
        /// Its number.
        seq: u64,
        /// The price.
        price: Num<'a>,
        /// What stands there now.
        qty: Num<'a>,
        /// When; older recordings lack it.
        timestamp?: Millis,
    }

    /// A trade.
    Trade {
        /// Of which product.
        product_id: Text<'a>,
        /// Its id.
        uid: Text<'a>,
        /// The taker's.
        side: Text<'a>,
        /// Unique for the product, rising.
        seq?: u64,
        /// When.
        time: Millis,
        /// How much.
        qty: Num<'a>,
        /// The price.
        price: Num<'a>,
    }

    /// The last trades, newest first.
    TradeSnapshot {
        /// Of which product.
        product_id: Text<'a>,
        /// The trades.
        trades: Vec<Trade<'a>>,
    }

    /// A fill.
    Fill {
        /// Of which product.
        instrument: Text<'a>,
        /// When.
        time: Millis,
        /// The price.
        price: Num<'a>,
        /// Whether it bought.
        buy: bool,
        /// How much.
        qty: Num<'a>,
        /// Of which order.
        order_id: Text<'a>,
        /// Ours.
        cli_ord_id?: Text<'a>,
        /// Its id.
        fill_id: Text<'a>,
        /// `maker`, `taker`, `liquidation`, …
        fill_type: Text<'a>,
        /// The fee.
        fee_paid?: Num<'a>,
        /// In which asset.
        fee_currency?: Text<'a>,
    }

    /// Fills, new ones or the last ones.
    Fills {
        /// The fills.
        fills: Vec<Fill<'a>>,
    }

    /// An open order.
    Order {
        /// Of which product.
        instrument: Text<'a>,
        /// When it was made.
        time?: Millis,
        /// When it last changed.
        last_update_time?: Millis,
        /// What is left of it.
        qty: Num<'a>,
        /// Filled.
        filled: Num<'a>,
        /// The limit.
        limit_price?: Num<'a>,
        /// What trips it.
        stop_price?: Num<'a>,
        /// `limit`, `stop`, …
        r#type: Text<'a>,
        /// The order.
        order_id: Text<'a>,
        /// Ours.
        cli_ord_id?: Text<'a>,
        /// 0 buys, 1 sells.
        direction: u64,
        /// May only reduce a position.
        reduce_only: bool,
    }

    /// Every open order.
    OrderSnapshot {
        /// The orders.
        orders: Vec<Order<'a>>,
    }

    /// A change of one open order.
    OrderChange {
        /// What it is now; a cancel may lack it.
        order?: Order<'a>,
        /// The order, where it is not told whole.
        order_id?: Text<'a>,
        /// Ours.
        cli_ord_id?: Text<'a>,
        /// Whether it left the book, by a cancel or a fill.
        is_cancel: bool,
        /// Why.
        reason?: Text<'a>,
    }

    /// Every open position.
    Positions {
        /// The positions.
        positions: Vec<FeedPosition<'a>>,
    }

    /// An open position.
    FeedPosition {
        /// Of which product.
        instrument: Text<'a>,
        /// How much; negative is short.
        balance: Num<'a>,
        /// What it was entered at.
        entry_price?: Num<'a>,
        /// The mark.
        mark_price?: Num<'a>,
        /// Profit at the mark.
        pnl?: Num<'a>,
        /// Where it is closed.
        liquidation_threshold?: Num<'a>,
        /// Its leverage, where it has one of its own.
        effective_leverage?: Num<'a>,
    }
}

shapes! {
    /// Best prices, mark, index and funding, in the feed's spelling or in that of REST.
    Ticker {
        /// Of which product.
        #[serde(alias = "product_id")]
        symbol: Text<'a>,
        /// When.
        time?: Millis,
        /// Best bid.
        bid?: Num<'a>,
        /// Quantity there.
        #[serde(alias = "bid_size")]
        bid_size?: Num<'a>,
        /// Best ask.
        ask?: Num<'a>,
        /// Quantity there.
        #[serde(alias = "ask_size")]
        ask_size?: Num<'a>,
        /// Last traded price.
        last?: Num<'a>,
        /// Traded in 24 h.
        #[serde(alias = "vol24h")]
        volume?: Num<'a>,
        /// The same, in the quote.
        volume_quote?: Num<'a>,
        /// First price of 24 h.
        #[serde(alias = "open24h")]
        open?: Num<'a>,
        /// Highest price of 24 h.
        #[serde(alias = "high24h")]
        high?: Num<'a>,
        /// Lowest price of 24 h.
        #[serde(alias = "low24h")]
        low?: Num<'a>,
        /// The index.
        #[serde(alias = "indexPrice")]
        index?: Num<'a>,
        /// The mark.
        mark_price?: Num<'a>,
        /// Open contracts.
        open_interest?: Num<'a>,
        /// Funding of this hour as a share of the value; REST does not tell it.
        #[serde(rename = "relative_funding_rate")]
        relative_funding_rate?: Num<'a>,
        /// End of this hour; zero where there is no funding.
        #[serde(rename = "next_funding_rate_time")]
        next_funding_rate_time?: Millis,
    }

    /// A product.
    Instrument {
        /// `PF_XBTUSD`.
        symbol: Text<'a>,
        /// `futures_inverse`, `flexible_futures`, `futures_vanilla`.
        r#type: Text<'a>,
        /// Price step.
        tick_size?: Num<'a>,
        /// Of one contract.
        contract_size?: Num<'a>,
        /// Decimals of a quantity; negative for multiples of tens.
        contract_value_trade_precision?: i64,
        /// Whether it trades.
        tradeable: bool,
        /// Largest position.
        max_position_size?: Num<'a>,
        /// When it expires.
        last_trading_time?: Time,
        /// The base, in the usual spelling.
        base?: Text<'a>,
        /// The quote.
        quote?: Text<'a>,
        /// Its fees.
        fee_schedule_uid?: Text<'a>,
    }

    /// An order of REST, in the many spellings that its routes have.
    RestOrder {
        /// The order.
        #[serde(alias = "order_id", alias = "uid")]
        order_id: Text<'a>,
        /// Ours.
        #[serde(alias = "cli_ord_id")]
        cli_ord_id?: Text<'a>,
        /// Of which product.
        symbol: Text<'a>,
        /// `buy` or `sell`.
        side: Text<'a>,
        /// `lmt`, `stop`, …
        #[serde(alias = "orderType")]
        r#type: Text<'a>,
        /// The limit.
        limit_price?: Num<'a>,
        /// What trips it.
        #[serde(alias = "triggerPrice")]
        stop_price?: Num<'a>,
        /// Ordered, where that is told.
        quantity?: Num<'a>,
        /// What is left, where that is told.
        unfilled_size?: Num<'a>,
        /// Filled.
        #[serde(alias = "filledSize")]
        filled?: Num<'a>,
        /// May only reduce a position.
        reduce_only?: bool,
        /// When it was made.
        #[serde(alias = "receivedTime")]
        timestamp?: Time,
        /// When it last changed.
        #[serde(alias = "lastUpdateTimestamp")]
        last_update_time?: Time,
    }

    /// An order and where it stands, of `orders/status`.
    OrderState {
        /// The order.
        order: RestOrder<'a>,
        /// `ENTERED_BOOK`, `FULLY_EXECUTED`, `REJECTED`, `CANCELLED`, `TRIGGER_PLACED`, …
        status: Text<'a>,
    }

    /// A fill of `fills`.
    RestFill {
        /// Its id.
        #[serde(rename = "fill_id")]
        fill_id: Text<'a>,
        /// Of which product.
        symbol: Text<'a>,
        /// `buy` or `sell`.
        side: Text<'a>,
        /// Of which order.
        #[serde(rename = "order_id")]
        order_id: Text<'a>,
        /// Ours.
        #[serde(alias = "cli_ord_id")]
        cli_ord_id?: Text<'a>,
        /// When.
        fill_time: Time,
        /// How much.
        size: Num<'a>,
        /// The price.
        price: Num<'a>,
        /// `maker`, `taker`, `liquidation`, …
        fill_type: Text<'a>,
        /// The fee.
        #[serde(rename = "fee_paid")]
        fee_paid?: Num<'a>,
        /// In which asset.
        #[serde(rename = "fee_currency")]
        fee_currency?: Text<'a>,
    }

    /// A position of `openpositions`.
    Position {
        /// `long` or `short`.
        side: Text<'a>,
        /// Of which product.
        symbol: Text<'a>,
        /// What it was entered at.
        price: Num<'a>,
        /// How much.
        size: Num<'a>,
        /// Its own leverage, where it is isolated.
        max_fixed_leverage?: Num<'a>,
    }

    /// An asset of the account that backs every product.
    FlexAsset {
        /// How much there is.
        quantity: Num<'a>,
        /// What of it may leave.
        available?: Num<'a>,
    }

    /// A trade of the public history.
    RestTrade {
        /// When.
        time: Time,
        /// Its number.
        #[serde(rename = "trade_id")]
        trade_id: u64,
        /// The price.
        price: Num<'a>,
        /// How much.
        size: Num<'a>,
        /// The taker's.
        side: Text<'a>,
        /// Its id.
        uid?: Text<'a>,
    }

    /// A bar.
    Candle {
        /// When it began.
        time: Millis,
        /// First price.
        open: Num<'a>,
        /// Highest.
        high: Num<'a>,
        /// Lowest.
        low: Num<'a>,
        /// Last.
        close: Num<'a>,
        /// Quantity traded.
        volume: Num<'a>,
    }

    /// What became of a request that changes an order.
    Done {
        /// `placed`, `cancelled`, `notFound`, `insufficientAvailableFunds`, …
        status: Text<'a>,
        /// The order.
        #[serde(alias = "order_id")]
        order_id?: Text<'a>,
        /// When.
        received_time?: Time,
    }

    /// Fees of one tier, in percent.
    FeeTier {
        /// For orders that rest.
        maker_fee: Num<'a>,
        /// For orders that take.
        taker_fee: Num<'a>,
        /// From this volume on.
        usd_volume: Num<'a>,
    }

    /// A schedule of fees.
    FeeSchedule {
        /// Its id.
        uid: Text<'a>,
        /// Its name.
        name: Text<'a>,
        /// Its tiers.
        tiers: Vec<FeeTier<'a>>,
    }

    /// A row of the account's log.
    LogEntry {
        /// Its number.
        id: u64,
        /// When.
        date: Time,
        /// Which asset.
        asset: Text<'a>,
        /// What it is about.
        info: Text<'a>,
        /// Of which account.
        #[serde(rename = "margin_account")]
        margin_account?: Text<'a>,
        /// Before.
        #[serde(rename = "old_balance")]
        old_balance?: Num<'a>,
        /// After.
        #[serde(rename = "new_balance")]
        new_balance?: Num<'a>,
        /// The fee.
        fee?: Num<'a>,
    }

    /// A transfer to or from the spot wallet, of `transfers`.
    Transfer {
        /// Its id.
        #[serde(alias = "transfer_id")]
        transfer_id: Text<'a>,
        /// Which asset.
        currency: Text<'a>,
        /// How much.
        amount: Num<'a>,
        /// `deposit` from the spot wallet, `withdrawal` to it.
        #[serde(alias = "transfer_type")]
        transfer_type: Text<'a>,
        /// Where it stands.
        status?: Text<'a>,
        /// When.
        #[serde(alias = "receivedTime")]
        received_time?: Time,
    }

    /// An account of `accounts`; which fields there are depends on its type.
    Account {
        /// `cashAccount`, `marginAccount`, `multiCollateralMarginAccount`.
        r#type: Text<'a>,
        /// What one of margin settles in.
        currency?: Text<'a>,
        /// Assets, and positions under the names of their products.
        balances?: Named<'a, Num<'a>>,
        /// What one of margin is worth.
        auxiliary?: Auxiliary<'a>,
        /// Assets of the account that backs every product.
        currencies?: Named<'a, FlexAsset<'a>>,
    }

    /// What a margin account is worth.
    Auxiliary {
        /// Available funds.
        af: Num<'a>,
        /// Unrealised profit.
        pnl: Num<'a>,
    }
}

/// The rows of `execution` events in `/api/history/v3/executions`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Page<'a> {
    /// The rows.
    pub elements: Vec<&'a RawValue>,
    /// Where the next page begins; none after the last.
    pub continuation_token: Option<Text<'a>>,
}

/// Every field that the envelope of an answer has, and the lists of the routes beside them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Answer<'a> {
    /// `success` or `error`; the histories have none.
    pub result: Option<Text<'a>>,
    /// What was wrong.
    pub error: Option<Text<'a>>,
    /// What was wrong, in more words.
    pub errors: Option<&'a RawValue>,
    /// The venue's time.
    pub server_time: Option<Time>,
    /// Of `instruments`.
    pub instruments: Option<Vec<&'a RawValue>>,
    /// Of `orderbook`.
    pub order_book: Option<Sides<'a>>,
    /// Of `history`.
    pub history: Option<Vec<&'a RawValue>>,
    /// Of `tickers` with a symbol.
    pub ticker: Option<&'a RawValue>,
    /// Of `accounts`.
    pub accounts: Option<Named<'a, &'a RawValue>>,
    /// Of `openpositions`.
    pub open_positions: Option<Vec<&'a RawValue>>,
    /// Of `openorders`.
    pub open_orders: Option<Vec<&'a RawValue>>,
    /// Of `orders/status`.
    pub orders: Option<Vec<&'a RawValue>>,
    /// Of `fills`.
    pub fills: Option<Vec<&'a RawValue>>,
    /// Of `feeschedules`.
    pub fee_schedules: Option<Vec<&'a RawValue>>,
    /// Of `transfers`.
    pub transfers: Option<Vec<&'a RawValue>>,
    /// Of `sendorder`.
    pub send_status: Option<&'a RawValue>,
    /// Of `cancelorder` and `cancelallorders`.
    pub cancel_status: Option<&'a RawValue>,
    /// Of the charts.
    pub candles: Option<Vec<Candle<'a>>>,
    /// Of the account's histories.
    pub elements: Option<Vec<&'a RawValue>>,
}
