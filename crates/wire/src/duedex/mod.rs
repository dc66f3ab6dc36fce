//! DueDEX: one feed for everything, and REST answers in an envelope.
//!
//! **Source**: the venue's own documents at their last change (WEBSOCKET_API.MD, REST_API.MD and DATA_TYPES.MD of
//! DueDEX/API-Documentation, 2020-11-12) and payloads recorded in 2020.
//!
//! Decimals are strings of a fixed scale, `size` and ids are integers, times are ISO 8601 with three digits, and
//! what does not apply is absent. Reading is wider: a decimal may be a bare number, a time may be Unix
//! milliseconds, and `null` or `""` is nothing. In updates only the fields that changed are there, so all but the
//! primary key is optional.

mod feed;
mod market;
mod private;
mod rest;
mod words;

pub use feed::{ClientFrame, DataKind, Message, Payload, ServerFrame, Subscription};
pub use market::{CurrencyInfo, Instrument, Match, Orderbook, Ticker};
pub use private::{Execution, Margin, Order, Position};
pub use rest::{
    AmendOrder, Answer, Bars, CancelOrder, Leverage, PlaceOrder, Problem, RiskLimit, TransferMargin,
};
pub use words::{
    Channel, ExpirationType, MarkMethod, MarketStatus, OrderSide, OrderStatus, OrderType, StopTriggerType,
    TickDirection, TimeInForce,
};
