//! Streams: how they are subscribed to, how their messages join, where a first state comes from and what heals it.

use core::time::Duration;

use venuekit_book::{Checksum, Early, Linkage};

use crate::Channel;

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
