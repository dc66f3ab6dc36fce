//! The frames of the feed, in both directions. Owns the envelope; what a channel carries stands beside it.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Channel, Execution, Margin, Match, Order, Orderbook, Position, Ticker};
use crate::text::null_as_empty;
use crate::{Hidden, Text, Time, WireError, parse};

/// One channel, and the instruments it is wanted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription<'a> {
    /// Which channel.
    #[serde(borrow)]
    pub name: Channel<'a>,
    /// Empty for channels that know no instruments; then the field is left out.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<Text<'a>>,
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// Asks for a text to sign.
    Challenge,
    /// Answers the challenge.
    Auth {
        /// The API key's id.
        key: Hidden<'a>,
        /// The signature of the challenge, in hexadecimal of either case.
        answer: Hidden<'a>,
    },
    /// Asks for channels; a snapshot of each follows, even where it was subscribed already.
    Subscribe {
        /// Which ones.
        channels: Vec<Subscription<'a>>,
    },
    /// Ends channels.
    Unsubscribe {
        /// Which ones.
        channels: Vec<Subscription<'a>>,
    },
    /// A type that is not known here.
    Other {
        /// The venue's word for it.
        kind: Text<'a>,
    },
}

/// What the server sends.
#[derive(Clone, Debug)]
pub enum ServerFrame<'a> {
    /// A text to sign.
    Challenge {
        /// A lower-case UUID, to be signed as it came.
        challenge: Text<'a>,
    },
    /// The answer was right.
    Auth {
        /// Whose key it is.
        user_id: u64,
    },
    /// A subscribe or unsubscribe was done.
    Subscriptions {
        /// Which channels it named.
        channels: Vec<Subscription<'a>>,
    },
    /// A snapshot or an update of a channel.
    Data(Message<'a>),
    /// A type that is not known here.
    Other {
        /// The venue's word for it.
        kind: Text<'a>,
    },
}

/// Whether a message replaces the state or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// The whole state.
    Snapshot,
    /// What changed. No state in between exists.
    Update,
}

/// A snapshot or an update; `D` is what it carries: raw text when read, the channel's type when written.
#[derive(Clone, Debug, Serialize)]
pub struct Message<'a, D = &'a RawValue> {
    /// Which of the two.
    #[serde(rename = "type")]
    pub kind: DataKind,
    /// Of which channel.
    pub channel: Channel<'a>,
    /// Of which instrument, where the channel knows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Text<'a>>,
    /// Counts the updates of this stream; a snapshot carries that of the last update in it.
    pub sequence: u64,
    /// What the channel carries.
    pub data: D,
    /// When the server wrote it.
    pub timestamp: Time,
}

/// What a message carries, by channel.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Of `level2`.
    Level2(Orderbook<&'a RawValue>),
    /// Of `ticker`.
    Ticker(Box<Ticker<'a>>),
    /// Of `matches`.
    Matches(Vec<Match<'a>>),
    /// Of `orders`.
    Orders(Vec<Order<'a>>),
    /// Of `positions`.
    Positions(Vec<Position<'a>>),
    /// Of `margins`.
    Margins(Vec<Margin<'a>>),
    /// Of `executions`.
    Executions(Vec<Execution<'a>>),
    /// Of a channel that is not known here.
    Other(&'a RawValue),
}

impl<'a> Message<'a> {
    /// Reads what the message carries.
    ///
    /// **Errors**: [`WireError`] when it is not what the channel carries.
    pub fn payload(&self) -> Result<Payload<'a>, WireError> {
        let json = self.data.get();
        Ok(match self.channel {
            Channel::Level2 => Payload::Level2(serde_json::from_str(json)?),
            Channel::Ticker => Payload::Ticker(serde_json::from_str(json)?),
            Channel::Matches => Payload::Matches(serde_json::from_str(json)?),
            Channel::Orders => Payload::Orders(serde_json::from_str(json)?),
            Channel::Positions => Payload::Positions(serde_json::from_str(json)?),
            Channel::Margins => Payload::Margins(serde_json::from_str(json)?),
            Channel::Executions => Payload::Executions(serde_json::from_str(json)?),
            Channel::Other(_) => Payload::Other(self.data),
        })
    }
}

/// Every field that any frame has; which of them must be there depends on the type.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    channel: Option<Channel<'a>>,
    instrument: Option<Text<'a>>,
    sequence: Option<u64>,
    data: Option<&'a RawValue>,
    timestamp: Option<Time>,
    challenge: Option<Text<'a>>,
    #[serde(rename = "userId")]
    user_id: Option<u64>,
    channels: Option<Vec<Subscription<'a>>>,
    key: Option<Hidden<'a>>,
    answer: Option<Hidden<'a>>,
}

/// The value of a field that this type of frame must have.
fn required<T>(value: Option<T>, field: &'static str) -> Result<T, WireError> {
    value.ok_or(WireError::Missing { field })
}

impl<'a> ClientFrame<'a> {
    /// Reads a frame as the server does.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ClientFrame<'a>, WireError> {
        let frame: Envelope<'a> = parse(bytes)?;
        Ok(match frame.kind.as_str() {
            "challenge" => ClientFrame::Challenge,
            "auth" => {
                let key = required(frame.key, "key")?;
                ClientFrame::Auth { key, answer: required(frame.answer, "answer")? }
            }
            "subscribe" => ClientFrame::Subscribe { channels: required(frame.channels, "channels")? },
            "unsubscribe" => ClientFrame::Unsubscribe { channels: required(frame.channels, "channels")? },
            _ => ClientFrame::Other { kind: frame.kind },
        })
    }
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame as a client does.
    ///
    /// **Errors**: [`WireError`].
    pub fn parse(bytes: &'a [u8]) -> Result<ServerFrame<'a>, WireError> {
        let frame: Envelope<'a> = parse(bytes)?;
        let kind = match frame.kind.as_str() {
            "snapshot" => DataKind::Snapshot,
            "update" => DataKind::Update,
            "challenge" => {
                let challenge = required(frame.challenge, "challenge")?;
                return Ok(ServerFrame::Challenge { challenge });
            }
            "auth" => return Ok(ServerFrame::Auth { user_id: required(frame.user_id, "userId")? }),
            "subscriptions" => {
                let channels = required(frame.channels, "channels")?;
                return Ok(ServerFrame::Subscriptions { channels });
            }
            _ => return Ok(ServerFrame::Other { kind: frame.kind }),
        };
        Ok(ServerFrame::Data(Message {
            kind,
            channel: required(frame.channel, "channel")?,
            instrument: frame.instrument,
            sequence: required(frame.sequence, "sequence")?,
            data: required(frame.data, "data")?,
            timestamp: required(frame.timestamp, "timestamp")?,
        }))
    }
}

/// Writes `{"type":kind}` and the given fields in order.
fn write<S: Serializer, T: Serialize>(
    serializer: S,
    kind: &str,
    fields: &[(&'static str, T)],
) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_struct("Frame", 1 + fields.len())?;
    out.serialize_field("type", kind)?;
    for (name, value) in fields {
        out.serialize_field(name, value)?;
    }
    out.end()
}

impl Serialize for ClientFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ClientFrame::Challenge => write::<_, ()>(serializer, "challenge", &[]),
            ClientFrame::Auth { key, answer } => {
                write(serializer, "auth", &[("key", key), ("answer", answer)])
            }
            ClientFrame::Subscribe { channels } => write(serializer, "subscribe", &[("channels", channels)]),
            ClientFrame::Unsubscribe { channels } => {
                write(serializer, "unsubscribe", &[("channels", channels)])
            }
            ClientFrame::Other { kind } => write::<_, ()>(serializer, kind, &[]),
        }
    }
}

impl Serialize for ServerFrame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ServerFrame::Challenge { challenge } => {
                write(serializer, "challenge", &[("challenge", challenge)])
            }
            ServerFrame::Auth { user_id } => write(serializer, "auth", &[("userId", user_id)]),
            ServerFrame::Subscriptions { channels } => {
                write(serializer, "subscriptions", &[("channels", channels)])
            }
            ServerFrame::Data(message) => message.serialize(serializer),
            ServerFrame::Other { kind } => write::<_, ()>(serializer, kind, &[]),
        }
    }
}
