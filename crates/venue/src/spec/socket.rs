//! Sockets: where they are, how one is logged in to, what keeps it alive and what may be asked of it.

use core::time::Duration;

use crate::Channel;

/// One kind of socket.
#[derive(Clone, Debug)]
pub struct SocketSpec {
    /// Which of [`Hosts::streams`](super::Hosts::streams) it is at; the product's stream origin when absent.
    pub origin: Option<&'static str>,
    /// Path below that origin.
    pub path: String,
    /// The channels it carries.
    pub carries: Vec<Channel>,
    /// How it is logged in to.
    pub login: Login,
    /// How its frames are encoded.
    pub codec: FrameCodec,
    /// Every heartbeat rule that holds on it.
    pub heartbeats: Vec<Heartbeat>,
    /// What may be asked of it.
    pub limits: SocketLimits,
}

/// The limits of one socket.
#[derive(Clone, Debug)]
pub struct SocketLimits {
    /// The venue closes a connection of this age; we leave before.
    pub max_age: Option<Duration>,
    /// Streams a connection may carry.
    pub max_streams: usize,
    /// Messages a client may send in a span.
    pub client_messages: Option<Rate>,
    /// Subscribe requests a client may send in a span.
    pub subscribes: Option<Rate>,
    /// Time to wait after the connection opened before the first message.
    pub quiet_start: Duration,
    /// Largest message taken; a larger one closes the connection.
    pub max_message: usize,
    /// Largest frame taken.
    pub max_frame: usize,
}

impl Default for SocketLimits {
    fn default() -> SocketLimits {
        SocketLimits {
            max_age: None,
            max_streams: 200,
            client_messages: None,
            subscribes: None,
            quiet_start: Duration::ZERO,
            max_message: 8 << 20,
            max_frame: 8 << 20,
        }
    }
}

/// At most `count` in any span of `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which span.
    pub per: Duration,
}

/// How a socket is logged in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    None,
    /// One signed frame, one verdict.
    SignedFrame {
        /// Private topics then start unasked.
        auto_topics: bool,
    },
    /// The server's text is signed.
    Challenge {
        /// Where the proof goes.
        proof: Proof,
    },
    /// A proof inside each private subscribe.
    SignedSubscribe {
        /// A JSON web token instead of an HMAC.
        jwt: bool,
    },
    /// A token by REST, inside subscribes.
    RestToken {
        /// How long it lives.
        life: Duration,
        /// When it is renewed.
        renew: Renew,
    },
    /// A key by REST, in the URL, kept alive by REST.
    ListenKey {
        /// Where in the URL.
        place: KeyPlace,
        /// How often it is kept alive.
        every: Duration,
        /// How long it lives without.
        life: Duration,
    },
}

/// Where a challenge's answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// In a frame of its own.
    Frame,
    /// In every private subscribe.
    EachSubscribe,
}

/// When a token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// When the venue says that it is gone.
    OnFault,
    /// Before it expires.
    Ahead,
}

/// Where a listen key stands in the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// As the last path segment.
    Path,
    /// As a query parameter.
    Query,
}

/// One heartbeat rule of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The server pings by control frame; the driver answers.
    ServerPing {
        /// How often.
        every: Duration,
        /// Silence after which the socket counts as dead.
        within: Duration,
    },
    /// We ping by control frame.
    ClientPing {
        /// How often.
        every: Duration,
        /// How long the pong may take.
        within: Duration,
    },
    /// We ping by a JSON message.
    ClientJson {
        /// How often.
        every: Duration,
        /// How long the answer may take.
        within: Duration,
    },
    /// We ping by bare text.
    ClientText {
        /// How often.
        every: Duration,
        /// How long the answer may take.
        within: Duration,
    },
    /// The server asks by JSON and must be answered with its id.
    ServerJson {
        /// How often.
        every: Duration,
        /// How long our answer may take.
        within: Duration,
    },
    /// The server beats; silence means dead.
    Beat {
        /// How often.
        every: Duration,
        /// Silence after which the socket counts as dead.
        stale: Duration,
        /// Whether the beat has to be subscribed to.
        subscribe: bool,
    },
}

/// How frames are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameCodec {
    /// JSON text.
    Json,
    /// JSON text, and bare words.
    JsonBareText,
    /// JSON control, protobuf data.
    JsonProtobuf,
    /// JSON, gzipped when binary.
    JsonGzip,
}
