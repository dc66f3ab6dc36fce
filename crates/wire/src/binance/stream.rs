//! The frames of stream connections and of the WebSocket API, in both directions. Owns how they are told apart.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    AccountPosition, AccountUpdate, AggTrade, AlgoUpdate, BookTicker, DepthUpdate, ExecutionReport,
    KlineEvent, MarkPriceUpdate, Method, OrderTradeUpdate, Ticker, Trade,
};
use crate::{Text, WireError};

shapes! {
    /// What a client sends on a stream connection.
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

/// What a client sends to the WebSocket API. `P` is whatever serialises as an object of parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiRequest<'a, P> {
    /// Comes back in the answer.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// As in `userDataStream.subscribe.signature`.
    pub method: Cow<'a, str>,
    /// What it takes.
    pub params: P,
}

/// What the WebSocket API answers.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiReply<'a> {
    /// Which request; nothing where it could not be read.
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    /// As in HTTP.
    pub status: u16,
    /// What was asked for.
    pub result: Option<&'a RawValue>,
    /// Why it was refused.
    pub error: Option<ApiError<'a>>,
}

/// What the server sends.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// A request on a stream connection was done. A name that no stream has is done too, and never delivers.
    Ack {
        /// Which one.
        id: u64,
    },
    /// A request on a stream connection was refused.
    Refused {
        /// Which one, where it could be read.
        id: Option<u64>,
        /// Why.
        error: ApiError<'a>,
    },
    /// An answer of the WebSocket API.
    Reply(ApiReply<'a>),
    /// A trade.
    Trade(Trade<'a>),
    /// Trades of one aggressor.
    AggTrade(AggTrade<'a>),
    /// A change of the book.
    Depth(DepthUpdate<'a>),
    /// A candle in the making.
    Kline(Box<KlineEvent<'a>>),
    /// 24 h figures.
    Ticker(Box<Ticker<'a>>),
    /// Best prices.
    BookTicker(BookTicker<'a>),
    /// Mark, index and funding.
    MarkPrice(MarkPriceUpdate<'a>),
    /// An order of spot or margin changed.
    Execution(Box<ExecutionReport<'a>>),
    /// Balances of spot or margin changed.
    Balances(AccountPosition<'a>),
    /// An order of USD-M changed.
    Order(Box<OrderTradeUpdate<'a>>),
    /// An order of USD-M that waits for a trigger changed.
    Algo(Box<AlgoUpdate<'a>>),
    /// Balances or positions of USD-M changed.
    Account(AccountUpdate<'a>),
    /// The server ends soon: another connection is to be opened.
    Shutdown,
    /// The listen key of this connection is void, or its subscription ended.
    UserStreamEnded,
    /// An event that has no shape here.
    Other {
        /// The venue's word for it.
        event: Text<'a>,
    },
}

/// What tells frames apart, in every form they come in.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<Text<'a>>,
    stream: Option<Text<'a>>,
    data: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    status: Option<u16>,
    id: Option<&'a RawValue>,
    code: Option<i64>,
    msg: Option<Text<'a>>,
    error: Option<ApiError<'a>>,
    #[serde(default, deserialize_with = "is_there")]
    result: bool,
    u: Option<u64>,
}

/// Whether a field stands in the object, be it `null`.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame as a client does: raw, or wrapped as a combined stream or as a subscription of the WebSocket API.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ServerFrame<'a>, WireError> {
        let json = crate::error::text(bytes)?;
        let head: Head<'a> = serde_json::from_str(json)?;
        match (head.stream.is_some(), head.data, head.event) {
            (true, Some(data), _) => return ServerFrame::inner(data.get()),
            (false, _, Some(event)) => return ServerFrame::inner(event.get()),
            _ => {}
        }
        if head.status.is_some() {
            return Ok(ServerFrame::Reply(serde_json::from_str(json)?));
        }
        if head.e.is_none() {
            let id = head.id.and_then(|id| id.get().trim_matches('"').parse().ok());
            let flat = head.code.zip(head.msg).map(|(code, msg)| ApiError { code, msg });
            match (flat.or(head.error), id) {
                (Some(error), id) => return Ok(ServerFrame::Refused { id, error }),
                (None, Some(id)) if head.result => {
                    return Ok(ServerFrame::Ack { id });
                }
                _ => {}
            }
        }
        ServerFrame::event(json, head.e, head.u.is_some())
    }

    fn inner(json: &'a str) -> Result<ServerFrame<'a>, WireError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            e: Option<Text<'a>>,
            u: Option<u64>,
        }
        if json.starts_with('[') {
            return Ok(ServerFrame::Other { event: Text::from("a list of all markets") });
        }
        let Kind { e, u } = serde_json::from_str(json)?;
        ServerFrame::event(json, e, u.is_some())
    }

    /// Spot's best prices are the one event without a name.
    fn event(json: &'a str, event: Option<Text<'a>>, numbered: bool) -> Result<ServerFrame<'a>, WireError> {
        let Some(event) = event else {
            return match numbered {
                true => Ok(ServerFrame::BookTicker(serde_json::from_str(json)?)),
                false => Err(WireError::Missing { field: "e" }),
            };
        };
        Ok(match event.as_str() {
            "trade" => ServerFrame::Trade(serde_json::from_str(json)?),
            "aggTrade" => ServerFrame::AggTrade(serde_json::from_str(json)?),
            "depthUpdate" => ServerFrame::Depth(serde_json::from_str(json)?),
            "kline" => ServerFrame::Kline(serde_json::from_str(json)?),
            "24hrTicker" => ServerFrame::Ticker(serde_json::from_str(json)?),
            "bookTicker" => ServerFrame::BookTicker(serde_json::from_str(json)?),
            "markPriceUpdate" => ServerFrame::MarkPrice(serde_json::from_str(json)?),
            "executionReport" => ServerFrame::Execution(serde_json::from_str(json)?),
            "outboundAccountPosition" => ServerFrame::Balances(serde_json::from_str(json)?),
            "ORDER_TRADE_UPDATE" => ServerFrame::Order(serde_json::from_str(json)?),
            "ALGO_UPDATE" => ServerFrame::Algo(serde_json::from_str(json)?),
            "ACCOUNT_UPDATE" => ServerFrame::Account(serde_json::from_str(json)?),
            "serverShutdown" => ServerFrame::Shutdown,
            "listenKeyExpired" | "eventStreamTerminated" => ServerFrame::UserStreamEnded,
            _ => ServerFrame::Other { event },
        })
    }
}

impl Serialize for ServerFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = |serializer: S, event: &str| {
            let mut out = serializer.serialize_struct("Other", 1)?;
            out.serialize_field("e", event)?;
            out.end()
        };
        match self {
            ServerFrame::Ack { id } => {
                let mut out = serializer.serialize_struct("Ack", 2)?;
                out.serialize_field("result", &())?;
                out.serialize_field("id", id)?;
                out.end()
            }
            ServerFrame::Refused { id, error } => {
                let mut out = serializer.serialize_struct("Refused", 3)?;
                out.serialize_field("code", &error.code)?;
                out.serialize_field("msg", &error.msg)?;
                out.serialize_field("id", id)?;
                out.end()
            }
            ServerFrame::Reply(reply) => {
                let mut out = serializer.serialize_struct("Reply", 4)?;
                out.serialize_field("id", &reply.id)?;
                out.serialize_field("status", &reply.status)?;
                match (&reply.result, &reply.error) {
                    (_, Some(error)) => out.serialize_field("error", error)?,
                    (result, None) => out.serialize_field("result", result)?,
                }
                out.end()
            }
            ServerFrame::Trade(event) => event.serialize(serializer),
            ServerFrame::AggTrade(event) => event.serialize(serializer),
            ServerFrame::Depth(event) => event.serialize(serializer),
            ServerFrame::Kline(event) => event.serialize(serializer),
            ServerFrame::Ticker(event) => event.serialize(serializer),
            ServerFrame::BookTicker(event) => event.serialize(serializer),
            ServerFrame::MarkPrice(event) => event.serialize(serializer),
            ServerFrame::Execution(event) => event.serialize(serializer),
            ServerFrame::Balances(event) => event.serialize(serializer),
            ServerFrame::Order(event) => event.serialize(serializer),
            ServerFrame::Algo(event) => event.serialize(serializer),
            ServerFrame::Account(event) => event.serialize(serializer),
            ServerFrame::Shutdown => named(serializer, "serverShutdown"),
            ServerFrame::UserStreamEnded => named(serializer, "listenKeyExpired"),
            ServerFrame::Other { event } => named(serializer, event),
        }
    }
}
