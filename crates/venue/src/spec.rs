//! What differs between venues, as data: one [`Spec`] per product, read by `session` and never by an adapter's own loop.
//!
//! The enums are closed. Ten venues were set side by side to derive them, so a new venue is a new value; a case
//! nobody uses yet is implemented when the first venue that needs it arrives.

use core::time::Duration;

use venuekit_book::{Checksum, Early, Linkage};

use crate::{AskKind, Channel, OrderType, TriggerBy, Wallet};

/// Everything that is particular to one product of one venue.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The venue's id, as CCXT spells it: `doex`.
    pub venue: String,
    /// The product within the venue: `spot`, `futures`.
    pub product: String,
    /// The product whose markets these are, and which has their data, where this one is but another way to trade them:
    /// on margin, or by a trigger. It serves only who names it.
    pub markets_of: Option<String>,
    /// Where it lives, by environment; any of them can be overridden.
    pub hosts: Vec<Hosts>,
    /// The kinds of socket it offers.
    pub sockets: Vec<SocketSpec>,
    /// How a subscription is asked for and answered.
    pub subscribe: SubscribeSpec,
    /// The rules of its book channels; the first is the default.
    pub books: Vec<BookSpec>,
    /// The rules of its other channels.
    pub channels: Vec<ChannelSpec>,
    /// Where a trustworthy time comes from.
    pub clock: ClockSource,
    /// How far ahead of the venue a request time may be.
    pub future_limit: Duration,
    /// How long a signed request stays valid.
    pub window: Duration,
    /// What makes a signed request unique.
    pub nonce: Nonce,
    /// The text that is signed.
    pub sign: SignScheme,
    /// Request budgets, all of which a request must fit.
    pub budgets: Vec<Budget>,
    /// How orders behave.
    pub orders: Option<OrderSpec>,
    /// How each kind of private state is delivered.
    pub private: PrivateSpec,
    /// The wallets whose balances belong to this product.
    pub wallets: Vec<Wallet>,
    /// What can be asked of it by REST; [`crate::Venue::ask`] writes these and no others.
    pub asks: Vec<AskKind>,
    /// How history is paged.
    pub paging: Vec<PagingSpec>,
    /// How numbers travel.
    pub numbers: Numbers,
}

impl Spec {
    /// The rule of a channel that is not a book, when the product offers it.
    pub fn channel(&self, channel: Channel) -> Option<&ChannelSpec> {
        self.channels.iter().find(|spec| spec.channel.same_kind(channel))
    }

    /// The venue's name of a channel; empty where it offers none.
    pub fn channel_name(&self, channel: Channel) -> &str {
        if channel == Channel::Book {
            return self.books.first().map_or("", |book| &book.name);
        }
        self.channel(channel).map_or("", |spec| &spec.name)
    }

    /// The index of the socket kind that carries a channel.
    pub fn socket_for(&self, channel: Channel) -> Option<usize> {
        self.sockets.iter().position(|socket| socket.carries.iter().any(|c| c.same_kind(channel)))
    }

    /// Whether something can be asked of it.
    pub fn can(&self, ask: AskKind) -> bool {
        self.asks.contains(&ask)
    }

    /// How one kind of history is paged.
    pub fn paging_of(&self, ask: AskKind) -> Option<&PagingSpec> {
        self.paging.iter().find(|paging| paging.ask == ask)
    }

    /// Whether a second book can be had beside a live one, to hold the one against the other: from a fetched snapshot
    /// that shares the stream's numbers, or from the stream asked once more without leaving it.
    pub fn has_second_book(&self) -> bool {
        let Some(book) = self.books.first() else { return false };
        match book.snapshot {
            // A book that is cut to a depth forgets what may come back into it.
            SnapshotSource::Rest => book.trim.is_none() && !book.rest_depths.is_empty(),
            SnapshotSource::Stream | SnapshotSource::Either | SnapshotSource::EachFrame => {
                let is_numbered = !matches!(book.linkage, Linkage::Unnumbered | Linkage::Replace);
                is_numbered && self.subscribe.repeats && book.resync != Resync::Await
            }
        }
    }

    /// Whether the product offers a channel at all.
    pub fn offers(&self, channel: Channel) -> bool {
        self.socket_for(channel).is_some()
    }
}

/// The hosts of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// `live`, `testnet`.
    pub environment: String,
    /// REST origin: `https://api.example.com`.
    pub rest: String,
    /// Stream origin: `wss://stream.example.com`.
    pub stream: String,
    /// Further origins by name, for [`crate::Origin::Other`].
    pub others: Vec<(&'static str, String)>,
    /// Further stream origins by name, for [`SocketSpec::origin`].
    pub streams: Vec<(&'static str, String)>,
}

/// One kind of socket.
#[derive(Clone, Debug)]
pub struct SocketSpec {
    /// Which of [`Hosts::streams`] it is at; the product's stream origin when absent.
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

/// How a subscription is asked for.
#[derive(Clone, Debug)]
pub struct SubscribeSpec {
    /// Most topics in one request.
    pub batch: usize,
    /// Whether one request takes topics of one channel only, by the venue's name of it.
    pub one_channel: bool,
    /// Whether a second request must wait for the answer to the first.
    pub one_at_a_time: bool,
    /// Whether asking for what is subscribed already yields its state again; where not, it is left first.
    pub repeats: bool,
    /// How a yes looks.
    pub ack: Ack,
    /// How a no looks; several may hold.
    pub refusals: Vec<Refusal>,
    /// How long an answer may take.
    pub within: Duration,
}

/// How a yes to a subscription looks. It never makes a channel live: its first data does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// One verdict by request id.
    PerRequest,
    /// The request's id, once per topic.
    PerTopicById,
    /// Names the topic, without a usable id.
    Echo,
    /// Lists channels, to compare with the wish.
    Listing,
    /// Names neither id nor symbol.
    KindOnly,
    /// The URL subscribed; no answer comes.
    Open,
}

/// How a no to a subscription looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An error with the id or the topic.
    Bound,
    /// A text tied to nothing.
    Unbound,
    /// An acknowledgement that differs in its text only.
    LooksLikeAck,
    /// The connection closes without a word.
    Close,
    /// Acknowledged, and never delivers.
    Silence,
}

/// The rule of one book channel.
#[derive(Clone, Debug)]
pub struct BookSpec {
    /// The venue's name of the channel.
    pub name: String,
    /// How messages join.
    pub linkage: Linkage,
    /// What proves the content.
    pub checksum: Checksum,
    /// What to do with updates that come before the snapshot.
    pub early: Early,
    /// Where a snapshot comes from.
    pub snapshot: SnapshotSource,
    /// What heals it.
    pub resync: Resync,
    /// Depths offered; empty when the whole book comes.
    pub depths: Vec<u32>,
    /// Depth to trim to after each message.
    pub trim: Option<u32>,
    /// Levels a side that a REST snapshot can be asked for, cheapest first. It is asked for at the first that should
    /// hold the whole book, and at the next when it comes full.
    pub rest_depths: Vec<u32>,
    /// The median gap between messages, from which the data deadline follows.
    pub usual_gap: Duration,
}

/// The rule of a channel that is not a book.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// Which channel.
    pub channel: Channel,
    /// The venue's name of it.
    pub name: String,
    /// How messages join; `Unnumbered` where nothing vouches for completeness.
    pub linkage: Linkage,
    /// Whether subscribing yields the state first.
    pub snapshot: bool,
    /// What heals it.
    pub resync: Resync,
    /// Whether its rows carry ids that rise by one, so that a hole shows.
    pub ids: RowIds,
    /// The median gap between messages; nothing for channels that may rightly stay silent.
    pub usual_gap: Option<Duration>,
}

/// What the ids of rows say about completeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowIds {
    /// Each id is the one before plus one; missed rows can be fetched by id.
    Contiguous,
    /// Nothing.
    Opaque,
}

/// Where a book's snapshot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotSource {
    /// Subscribing yields it, and it may come again at any time.
    Stream,
    /// Fetched, and linked by number.
    Rest,
    /// The stream's, and REST shares its numbers.
    Either,
    /// Every frame is one.
    EachFrame,
}

/// What heals a broken stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// Unsubscribe, subscribe, wait for the snapshot.
    Resubscribe,
    /// Keep the stream and its buffer, fetch a snapshot.
    Refetch,
    /// Fetch what was missed, a snapshot when that is too old.
    ReplayThenRefetch,
    /// A new connection, for all its books.
    Reconnect,
    /// The next frame heals.
    Await,
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

/// Where a trustworthy time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// A time route.
    Route,
    /// A time route that tells whole seconds.
    RouteSeconds,
    /// A field in every reply.
    ReplyField,
    /// The `Date` header.
    HttpDate,
    /// Times inside pushes.
    FrameTime,
}

/// What makes a signed request unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// Nothing.
    None,
    /// A number above the last accepted, per key.
    Rising,
    /// As `Rising`, with a little disorder allowed.
    LooseRising,
    /// The time itself.
    ClockWindow,
    /// Random, fresh per request.
    Random,
}

/// The text that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignScheme {
    /// None: no request wants a proof.
    None,
    /// The query sorted by key, encoded as sent.
    SortedQuery,
    /// Query and body as sent.
    QueryBody,
    /// Parameters sorted and not encoded.
    SortedRaw,
    /// Six fields joined by pipes.
    PipeJoined,
    /// Time, key, window, then the payload.
    TimeKeyWindowPayload,
    /// Time, method, path with query, body.
    TimeMethodPathBody,
    /// Key, time, payload.
    KeyTimePayload,
    /// Method, id, key, flattened parameters, nonce.
    FlattenedParams,
    /// Path and the hash of nonce and body.
    PathHashNonceBody,
    /// The hash of data, nonce and path.
    HashBodyNoncePath,
    /// A JSON web token's claims.
    Jwt,
}

/// Whose budget a request draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BudgetKey {
    /// The address we come from.
    Ip,
    /// Every key of a user.
    Account,
    /// One key.
    ApiKey,
    /// The user when signed, else the address.
    AccountElseIp,
    /// Account and symbol.
    Pair,
}

/// How a budget refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Resets on the clock.
    Fixed(Duration),
    /// Any span of that length.
    Rolling(Duration),
    /// A bucket that refills evenly, wholly in that span.
    Bucket(Duration),
}

impl Window {
    /// The span after which a full budget is back.
    pub const fn span(self) -> Duration {
        match self {
            Window::Fixed(span) | Window::Rolling(span) | Window::Bucket(span) => span,
        }
    }
}

/// One request budget.
#[derive(Clone, Debug)]
pub struct Budget {
    /// A word for logs and metrics.
    pub name: String,
    /// Whose it is.
    pub key: BudgetKey,
    /// How it refills.
    pub window: Window,
    /// What it holds.
    pub capacity: u32,
    /// What draws on it.
    pub draws: Draws,
    /// The header that tells what is used, in lower case.
    pub used_header: Option<String>,
    /// The header that tells what it holds, in lower case.
    pub limit_header: Option<String>,
    /// The header that tells what is left, in lower case.
    pub left_header: Option<String>,
}

/// Which requests draw on a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Every request, by its weight.
    Weight,
    /// Order entry only, one each.
    Orders,
    /// Every request to a path that begins so, by its weight.
    Under(&'static str),
    /// Order entry, one each, and each cancel by the age of its order: the spans rise, and the first that the order is
    /// younger than says how much. One of unknown age costs the most.
    AgedOrders(&'static [(Duration, u32)]),
}

/// How orders behave.
#[derive(Clone, Debug)]
pub struct OrderSpec {
    /// What an answer to a new order means.
    pub ack: OrderAck,
    /// What a client order id guards.
    pub client_id: ClientId,
    /// The longest client order id taken, in characters.
    pub client_id_max: usize,
    /// The types of order there are.
    pub types: Vec<OrderType>,
    /// The prices that a trigger can watch, where an order may choose; empty where it may not.
    pub triggers: Vec<TriggerBy>,
    /// Whether an order may be told to make a position smaller only.
    pub reduce_only: bool,
    /// What the venue does when we vanish.
    pub dead_man: DeadMan,
}

/// What an answer to a new order means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAck {
    /// The engine's state.
    Result,
    /// An id only; state comes later.
    Accepted,
}

/// What a client order id guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// A repeat is refused.
    Unique,
    /// A repeat is refused while the first lives.
    WhileOpen,
    /// A repeat answers with the first order.
    ReturnsOriginal,
    /// A repeat is a second order.
    Label,
}

/// What the venue does when we vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadMan {
    /// Nothing.
    None,
    /// Cancels at zero unless armed again.
    Countdown,
    /// Orders made on a socket die with it.
    OnDisconnect,
    /// Once every enrolled socket is gone that long.
    OnDisconnectAfter(Duration),
}

/// How each kind of private state is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateSpec {
    /// Balances.
    pub balances: PrivateModel,
    /// Positions.
    pub positions: PrivateModel,
    /// Orders.
    pub orders: PrivateModel,
    /// Fills.
    pub fills: PrivateModel,
}

/// How one kind of private state is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateModel {
    /// The whole at subscribe, then changed rows.
    SnapshotDelta {
        /// Whether messages are numbered.
        numbered: bool,
    },
    /// REST first, then events.
    Delta,
    /// Each push is the whole: absent means gone.
    WholeSet,
    /// Fills are differences of cumulative rows.
    Cumulative,
    /// REST only.
    Poll,
    /// Not at all.
    None,
}

/// How one kind of history is paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PagingSpec {
    /// What is asked.
    pub ask: AskKind,
    /// The scheme.
    pub paging: Paging,
    /// Most rows a page.
    pub page: u32,
    /// Longest span one request may cover.
    pub span: Option<Duration>,
}

/// A paging scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// From the last id plus one.
    IdUp,
    /// Below the last id.
    IdDown,
    /// An opaque cursor.
    Cursor,
    /// Rows or pages inside a fixed window.
    Offset,
    /// The end moves to the oldest row.
    TimeDown,
}

/// How numbers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// As read.
    pub read: NumberForm,
    /// As written.
    pub write: NumberForm,
}

/// One form of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberForm {
    /// A string; empty means none.
    Text,
    /// A JSON number kept as its text.
    Token,
    /// Either.
    Either,
}
