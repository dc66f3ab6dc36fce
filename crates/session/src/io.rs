//! The two verbs of a session: what goes in, what comes out.

use venuekit_sign::Credentials;
use venuekit_types::Mono;
use venuekit_venue::{HttpReply, HttpRequest};

use crate::command::{Command, CommandId, Persist};
use crate::event::Emission;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($ty:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $ty);

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

pub(crate) use id;

id! {
    /// One attempt at a connection; never used twice in a session.
    ConnId(u32)
}
id! {
    /// One request; never used twice in a session.
    RequestId(u64)
}
id! {
    /// One stream of a session, for its whole life.
    StreamId(u32)
}
id! {
    /// A logical connection: a set of streams that share a socket, across reconnects.
    LineId(u32)
}
id! {
    /// One durable step.
    PersistId(u64)
}

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A connection opened.
    Opened {
        /// Which.
        conn: ConnId,
    },
    /// A message came.
    Frame {
        /// On which connection.
        conn: ConnId,
        /// The payload, text or binary.
        bytes: &'a [u8],
    },
    /// Our ping was answered.
    Pong {
        /// On which connection.
        conn: ConnId,
    },
    /// A connection failed to open, or ended.
    Closed {
        /// Which.
        conn: ConnId,
        /// In the carrier's words.
        why: &'a str,
    },
    /// A request was answered.
    Response {
        /// Which.
        id: RequestId,
        /// The answer.
        reply: HttpReply<'a>,
    },
    /// A request was not answered.
    Failed {
        /// Which.
        id: RequestId,
        /// In the carrier's words.
        why: &'a str,
    },
    /// A request was stopped before a byte of it left.
    Unsent {
        /// Which.
        id: RequestId,
        /// By whom and why.
        why: &'a str,
    },
    /// A durable step is done.
    Persisted {
        /// Which.
        id: PersistId,
        /// What it gave: the first of a block of epochs.
        value: u64,
    },
    /// Frames were shed before the session saw them, under load.
    Shed {
        /// On which connection.
        conn: ConnId,
    },
    /// The operator wants something.
    Command(Command),
    /// The account is spoken for with another key from now on. What the session had of the old one is wiped.
    Credentials {
        /// The new key; whoever lends it wipes its own copy.
        credentials: &'a Credentials,
    },
    /// A deadline passed.
    Tick,
}

/// What to do outside.
#[derive(Debug)]
pub enum Output<'a> {
    /// Open a connection.
    Connect {
        /// Under this number.
        conn: ConnId,
        /// To here.
        url: &'a str,
        /// Largest message and frame to take.
        max_message: usize,
        /// Largest frame to take.
        max_frame: usize,
    },
    /// Send a text message.
    Send {
        /// On which connection.
        conn: ConnId,
        /// The payload.
        bytes: &'a [u8],
    },
    /// Send a ping control frame.
    Ping {
        /// On which connection.
        conn: ConnId,
    },
    /// Close a connection; nothing more of it is wanted, its `Closed` may be left out.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Send a request, or report [`Input::Unsent`]. Its `kind` says what the last hop may have to stop.
    Request {
        /// Under this number.
        id: RequestId,
        /// To this origin.
        origin: &'a str,
        /// What.
        request: &'a HttpRequest,
    },
    /// Make something durable, then report [`Input::Persisted`].
    Persist {
        /// Under this number.
        id: PersistId,
        /// What.
        what: Persist,
    },
    /// Something to know.
    Emit(Emission<'a>),
    /// Nothing more until an input, or until this deadline.
    Wait(Option<(Mono, Timer)>),
}

/// Why we close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// It did not open in time.
    OpenTimeout,
    /// The login was not answered in time.
    LoginTimeout,
    /// Our ping was not answered in time.
    NoPong,
    /// A subscription was not answered.
    NoAnswer,
    /// It stays open and delivers nothing.
    Silent,
    /// Another one took over before it grew too old.
    Rotated,
    /// The connection's own counter jumped.
    SocketCounter,
    /// The token it was opened with is gone.
    KeyExpired,
    /// The key it was to log in with was changed.
    KeyChanged,
    /// Nobody follows what it carries any more.
    Unwanted,
    /// The operator said so.
    Stopped,
}

impl CloseReason {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloseReason::OpenTimeout => "open_timeout",
            CloseReason::LoginTimeout => "login_timeout",
            CloseReason::NoPong => "no_pong",
            CloseReason::NoAnswer => "no_answer",
            CloseReason::Silent => "silent",
            CloseReason::Rotated => "rotated",
            CloseReason::SocketCounter => "socket_counter",
            CloseReason::KeyExpired => "key_expired",
            CloseReason::KeyChanged => "key_changed",
            CloseReason::Unwanted => "unwanted",
            CloseReason::Stopped => "stopped",
        }
    }
}

/// Why a deadline exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Ask for the instruments of a product.
    Instruments(usize),
    /// Open a line again, or for the first time.
    Retry(LineId),
    /// A connection must be open.
    Open(ConnId),
    /// The first message may be sent.
    QuietStart(ConnId),
    /// The login must be answered.
    Login(ConnId),
    /// A subscription must be answered.
    Answer(ConnId),
    /// A message may be sent again.
    Pace(ConnId),
    /// A ping is due.
    Ping(ConnId),
    /// A pong is due.
    Pong(ConnId),
    /// A connection must have had a frame.
    Beat(ConnId),
    /// A connection was healthy long enough to reset the back-off.
    Healthy(ConnId),
    /// A connection nears the venue's age limit.
    Age(ConnId),
    /// Two connections have overlapped long enough.
    Overlap(LineId),
    /// A stream must have its first state.
    Live(StreamId),
    /// A stream must have had data.
    Data(StreamId),
    /// A probe must be answered.
    Probe(StreamId),
    /// A snapshot is fetched again.
    Refetch(StreamId),
    /// A request must be answered.
    Response(RequestId),
    /// A request may be sent.
    Budget(usize),
    /// An order must have left.
    Leave(CommandId),
    /// What became of an order is asked again.
    Lookup(CommandId),
    /// What is used of the budgets is kept.
    Used,
    /// The venue's time is measured again.
    Clock,
    /// A token must be kept alive.
    Renew(LineId),
    /// The state of a private stream is compared with the venue's.
    Compare(StreamId),
    /// A live book of a product is held against the venue's.
    Audit(usize),
}

impl Timer {
    /// Whether it is set for an answer, or a sign of life, to what was said or sent.
    pub(crate) fn awaits_peer(self) -> bool {
        matches!(
            self,
            Timer::Open(_)
                | Timer::Login(_)
                | Timer::Answer(_)
                | Timer::Pong(_)
                | Timer::Beat(_)
                | Timer::Age(_)
                | Timer::Live(_)
                | Timer::Data(_)
                | Timer::Probe(_)
                | Timer::Response(_)
        )
    }
}
