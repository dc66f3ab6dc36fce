//! Doex: flat stream events told apart by `e`, and bare REST answers.
//!
//! **Source**: the brief names the hosts, the signing, the spot balances, the futures positions and five fields of
//! the trade event. Every other field name is an assumption of the shape the brief describes, kept in this module
//! alone, to be confirmed against an authorised account.
//!
//! Decimals are strings, times are Unix milliseconds, ids are integers. Reading is wider: a decimal may be a bare
//! number, a time may be ISO 8601, and `null` or `""` is nothing where a field is optional.

mod account;
mod event;
mod market;
mod order;
mod stream;
mod words;

pub use account::{
    Asset, Assets, CopyPosition, CopyTrade, FeeTier, Fees, FuturesAsset, FuturesBalances, ListenKey,
    MarginAccount, MarginAsset, MarginLevel, Movement, PairFee, Permissions, Position, RawFees, SpotBalances,
    Transfer,
};
pub use event::{
    BalanceChange, BalanceEvent, BalanceTag, DepthTag, DepthUpdate, Kline, KlineEvent, KlineTag,
    ListenKeyExpired, ListenKeyExpiredTag, Mark, MarkTag, OrderEvent, PositionEvent, PositionTag, Ticker,
    TickerTag, Trade, TradeTag,
};
pub use market::{Candle, Depth, Instrument, MarkPrice, RestTrade, ServerTime};
pub use order::{Fill, Order};
pub use stream::{ApiError, Request, ServerFrame};
pub use words::{
    InstrumentKind, InstrumentStatus, MarginMode, Method, MovementStatus, OrderStatus, OrderType, Side,
    TimeInForce, Wallet,
};
