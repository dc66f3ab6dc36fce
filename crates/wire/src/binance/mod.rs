//! Binance: spot with margin, and USD-M futures. Flat stream events told apart by `e`, and bare REST answers.
//!
//! **Source**: the venue's spot documents as of 2026-07-21, its generated SDK of 2026-08-21 for margin, wallet and
//! USD-M, and recorded sessions.
//!
//! Decimals are strings, times are Unix milliseconds, ids are integers. The two products share most shapes; a field
//! that only one of them has is optional, and what it lacks is left out when written.

mod account;
mod event;
mod market;
mod order;
mod stream;
mod user;
mod words;

pub use account::{
    AccountConfig, ApiRestrictions, Deposit, FundingAsset, FuturesAccount, FuturesAsset, Income,
    IsolatedAccount, IsolatedPair, ListenKey, ListenToken, MarginAccount, MarginAsset, MarginTransfer,
    MarginTransfers, Position, SpotAccount, SpotBalance, TradeFee, Withdrawal,
};
pub use event::{
    AggTrade, AggTradeTag, BookTicker, BookTickerTag, DepthTag, DepthUpdate, Kline, KlineEvent, KlineTag,
    MarkPriceTag, MarkPriceUpdate, Ticker, TickerTag, Trade, TradeTag,
};
pub use market::{
    Candle, Day, Depth, ExchangeInfo, Filter, Premium, RestAggTrade, RestTrade, ServerTime, Terms,
};
pub use order::{AlgoCancelled, AlgoOrder, Fill, Order, OrderFill};
pub use stream::{ApiError, ApiReply, ApiRequest, Request, ServerFrame};
pub use user::{
    AccountChanges, AccountPosition, AccountPositionTag, AccountUpdate, AccountUpdateTag, AlgoChange,
    AlgoUpdate, AlgoUpdateTag, BalanceChange, ExecutionReport, ExecutionReportTag, FuturesOrder,
    OrderTradeUpdate, OrderTradeUpdateTag, PositionChange, WalletChange,
};
pub use words::{
    ContractType, ExecutionType, MarginType, Method, OrderStatus, OrderType, PositionSide, Side,
    SymbolStatus, TimeInForce,
};
