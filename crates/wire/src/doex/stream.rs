//! The frames of a stream connection, in both directions. Owns how they are told apart; the events stand beside it.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    BalanceEvent, DepthUpdate, KlineEvent, ListenKeyExpired, Mark, Method, OrderEvent, PositionEvent, Ticker,
    Trade,
};
use crate::{Text, WireError};

shapes! {
    /// What a client sends.
    Request {
        /// What it asks.
        method: Method<'a>,
        /// Stream names, as in `btcusdt@trade`.
        #[serde(default)]
        params: Vec<Text<'a>>,
        /// Comes back in the answer.
        id: u64,
    }

    /// Why something was refused, on a stream or over REST.
    ApiError {
        /// The venue's number for it.
        code: i64,
        /// The venue's words for it.
        msg: Text<'a>,
    }
}

/// What the server sends.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// A request was done.
    Ack {
        /// Which one.
        id: u64,
    },
    /// A request was refused.
    Refused {
        /// Which one, where it could be read.
        id: Option<u64>,
        /// Why.
        error: ApiError<'a>,
    },
    /// A trade.
    Trade(Trade<'a>),
    /// A change of the book.
    Depth(DepthUpdate<'a>),
    /// A candle in the making.
    Kline(KlineEvent<'a>),
    /// 24 h figures and best prices.
    Ticker(Box<Ticker<'a>>),
    /// The mark price of a contract.
    Mark(Mark<'a>),
    /// Balances changed.
    Balance(BalanceEvent<'a>),
    /// An order changed.
    Order(Box<OrderEvent<'a>>),
    /// A position changed.
    Position(Box<PositionEvent<'a>>),
    /// The listen key of this connection is void.
    ListenKeyExpired(ListenKeyExpired<'a>),
    /// An event that is not known here.
    Other {
        /// The venue's word for it.
        event: Text<'a>,
    },
}

/// What tells frames apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<Text<'a>>,
    id: Option<u64>,
    error: Option<ApiError<'a>>,
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame as a client does.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ServerFrame<'a>, WireError> {
        let json = crate::error::text(bytes)?;
        let head: Head<'a> = serde_json::from_str(json)?;
        let Some(event) = head.e else {
            return match (head.error, head.id) {
                (Some(error), id) => Ok(ServerFrame::Refused { id, error }),
                (None, Some(id)) => Ok(ServerFrame::Ack { id }),
                (None, None) => Err(WireError::Missing { field: "e" }),
            };
        };
        Ok(match event.as_str() {
            "trade" => ServerFrame::Trade(serde_json::from_str(json)?),
            "depthUpdate" => ServerFrame::Depth(serde_json::from_str(json)?),
            "kline" => ServerFrame::Kline(serde_json::from_str(json)?),
            "ticker" => ServerFrame::Ticker(serde_json::from_str(json)?),
            "mark" => ServerFrame::Mark(serde_json::from_str(json)?),
            "balance" => ServerFrame::Balance(serde_json::from_str(json)?),
            "order" => ServerFrame::Order(Box::new(OrderEvent::from_json(json)?)),
            "position" => ServerFrame::Position(serde_json::from_str(json)?),
            "listenKeyExpired" => ServerFrame::ListenKeyExpired(serde_json::from_str(json)?),
            _ => ServerFrame::Other { event },
        })
    }
}

impl Serialize for ServerFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ServerFrame::Ack { id } => {
                let mut out = serializer.serialize_struct("Ack", 2)?;
                out.serialize_field("result", &())?;
                out.serialize_field("id", id)?;
                out.end()
            }
            ServerFrame::Refused { id, error } => {
                let mut out = serializer.serialize_struct("Refused", 2)?;
                out.serialize_field("error", error)?;
                out.serialize_field("id", id)?;
                out.end()
            }
            ServerFrame::Trade(event) => event.serialize(serializer),
            ServerFrame::Depth(event) => event.serialize(serializer),
            ServerFrame::Kline(event) => event.serialize(serializer),
            ServerFrame::Ticker(event) => event.serialize(serializer),
            ServerFrame::Mark(event) => event.serialize(serializer),
            ServerFrame::Balance(event) => event.serialize(serializer),
            ServerFrame::Order(event) => event.serialize(serializer),
            ServerFrame::Position(event) => event.serialize(serializer),
            ServerFrame::ListenKeyExpired(event) => event.serialize(serializer),
            ServerFrame::Other { event } => {
                let mut out = serializer.serialize_struct("Other", 1)?;
                out.serialize_field("e", event)?;
                out.end()
            }
        }
    }
}
