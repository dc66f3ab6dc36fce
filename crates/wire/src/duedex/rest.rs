//! REST: the envelope of answers, the bodies of requests, and candles, which come without an envelope.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{OrderSide, OrderType, StopTriggerType, TimeInForce};
use crate::text::null_as_empty;
use crate::{Num, Text};

/// The envelope of every answer; `D` is the raw data when read and the data's type when written.
///
/// A malformed request has been answered by an object without `code`, of the shape of [`Problem`]: then only
/// `status` and `title` are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<'a, D = &'a RawValue> {
    /// Zero is success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Left out by routes that have nothing to say.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub data: Option<D>,
    /// On failure, for people to read.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub message: Option<Text<'a>>,
    /// The HTTP status, where there is no code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was wrong, where there is no code.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text<'a>>,
}

fn none<T>() -> Option<T> {
    None
}

shapes! {
    /// What a web framework says of a malformed request before the venue's own code sees it.
    Problem {
        /// A link to the meaning of the status.
        r#type: Text<'a>,
        /// What was wrong.
        title: Text<'a>,
        /// The HTTP status again.
        status: u16,
        /// For the venue's own logs.
        trace_id: Text<'a>,
    }

    /// Body of `POST /v1/order`. Decimals may be strings or numbers.
    PlaceOrder {
        /// Where.
        instrument: Text<'a>,
        /// At most 36 characters, unique per instrument.
        client_order_id?: Text<'a>,
        /// What it is.
        r#type: OrderType<'a>,
        /// Whether it may only reduce the position; true unless said for orders with a trigger.
        is_close_order?: bool,
        /// Left out, with the size, by limit and market orders that close the whole position.
        side?: OrderSide<'a>,
        /// Of orders with a limit, and of no others.
        price?: Num<'a>,
        /// Contracts.
        size?: i64,
        /// Of orders with a trigger, and of no others.
        stop_price?: Num<'a>,
        /// Of orders with a trigger, and of no others.
        trigger_type?: StopTriggerType<'a>,
        /// `gtc` unless said for orders with a limit, else `ioc`.
        time_in_force?: TimeInForce<'a>,
        /// Refused rather than filled at once.
        post_only?: bool,
    }

    /// Body of `DELETE /v1/order`; with neither id it cancels all active orders of the instrument.
    CancelOrder {
        /// Where.
        instrument: Text<'a>,
        /// The venue's id.
        order_id?: u64,
        /// The client's own id.
        client_order_id?: Text<'a>,
    }

    /// Body of `PATCH /v1/order`; exactly one of the ids. Nothing but the price can be changed.
    AmendOrder {
        /// Where.
        instrument: Text<'a>,
        /// The venue's id.
        order_id?: u64,
        /// The client's own id.
        client_order_id?: Text<'a>,
        /// The new price.
        price: Num<'a>,
    }

    /// Body of `POST /v1/position/leverage`.
    Leverage {
        /// Where.
        instrument: Text<'a>,
        /// Zero is cross margin.
        leverage: Num<'a>,
    }

    /// Body of `POST /v1/position/riskLimit`.
    RiskLimit {
        /// Where.
        instrument: Text<'a>,
        /// In settlement currency.
        risk_limit: Num<'a>,
    }

    /// Body of `POST /v1/position/margin/transfer`.
    TransferMargin {
        /// Where.
        instrument: Text<'a>,
        /// Positive into the position, negative out of it.
        amount: Num<'a>,
    }
}

/// Candles in the column form of TradingView's datafeed; all columns have one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bars<'a> {
    /// `ok`, or another word when there are none.
    #[serde(borrow)]
    pub s: Text<'a>,
    /// Opening times in Unix **seconds**.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub t: Vec<i64>,
    /// First prices.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub o: Vec<Num<'a>>,
    /// Highest prices.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub h: Vec<Num<'a>>,
    /// Lowest prices.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub l: Vec<Num<'a>>,
    /// Last prices.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub c: Vec<Num<'a>>,
    /// Contracts traded.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub v: Vec<Num<'a>>,
}
