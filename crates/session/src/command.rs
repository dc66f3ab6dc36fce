//! What a caller can want of a session, how each wish ends, and what has to be durable for that.

use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, Fault, Lane, OrderPatch};

use crate::config::Want;
use crate::io::{StreamId, id};

id! {
    /// One command, numbered by whoever gives it: never used twice, over restarts too, since an intent outlives
    /// the process.
    CommandId(u64)
}

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Treat a stream as broken and heal it.
    Resync(StreamId),
    /// Ask the venue for something by REST.
    Ask(Box<AskCommand>),
    /// Draw on the budgets that the venue keeps of an address as one of so many sessions behind it, this one among
    /// them.
    Share(NonZeroU32),
    /// Follow these and nothing else from now on. What cannot be followed is told as a fault and left out:
    /// [`crate::Session::refuses`] says so beforehand.
    Follow(Vec<Want>),
    /// Close every connection and ask for nothing more.
    Stop,
}

/// Something to ask a venue for by REST. It ends in exactly one [`crate::Event::Done`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskCommand {
    /// Its number.
    pub id: CommandId,
    /// Index into the venue's specs.
    pub product: usize,
    /// What.
    pub ask: Ask,
    /// How urgent it is; by its kind when absent. Order entry is never more urgent than [`Lane::Order`].
    pub lane: Option<Lane>,
    /// How long it may wait for its turn, where its caller waits no longer either: after that it does not leave. Order
    /// entry has the session's own bound, [`crate::Limits::leave_within`].
    pub within: Option<Duration>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The venue did it; what it said was told before, as [`crate::Event::Answered`].
    Accepted,
    /// The venue, or its rules as we know them, refused it: nothing happened.
    Rejected(Fault),
    /// It never left us: nothing happened.
    NotSent(Fault),
    /// It left and nobody said what became of it. Of an order, a cancel and an amendment exactly one
    /// [`crate::Event::Resolved`] follows; a read was not answered and may be asked again; of anything else the
    /// state must be read.
    Unknown(Fault),
}

impl Done {
    /// The word for logs, metrics and the journal.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Done::Accepted => "accepted",
            Done::Rejected(_) => "rejected",
            Done::NotSent(_) => "not_sent",
            Done::Unknown(_) => "unknown",
        }
    }
}

/// What became of an order whose outcome was unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The venue has it: so it stands there now.
    Found(Box<OrderPatch>),
    /// The venue does not have it, and it can no longer arrive.
    NeverPlaced,
}

impl Resolution {
    /// The word for logs, metrics and the journal.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Resolution::Found(_) => "found",
            Resolution::NeverPlaced => "never_placed",
        }
    }
}

/// An order as it was meant, in texts that stand for themselves: enough to look it up after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The number of the command that placed it.
    pub id: u64,
    /// The venue.
    pub venue: String,
    /// The product.
    pub product: String,
    /// The venue's spelling of the symbol.
    pub symbol: String,
    /// Our order id.
    pub client_order_id: String,
    /// `buy`, `sell`.
    pub side: String,
    /// `limit`, `market`, …
    pub order_type: String,
    /// Ordered quantity.
    pub qty: String,
    /// Limit price.
    pub price: Option<String>,
    /// Unix nanoseconds by the venue's clock, as far as that was known.
    pub created: i64,
}

/// A time before which an origin must not be spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// The REST origin.
    pub origin: String,
    /// Unix nanoseconds by the local clock.
    pub until: i64,
    /// Cancels may leave all the same: the venue limits, and has not banned.
    #[serde(default)]
    pub is_limit: bool,
}

impl Ban {
    /// The end of the ban.
    pub const fn until(&self) -> UnixNanos {
        UnixNanos(self.until)
    }
}

/// What was drawn from a budget of an origin, when nothing of it had come back yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The REST origin.
    pub origin: String,
    /// The budget's name.
    pub budget: String,
    /// Whether it is the account's, and not the address's.
    pub of_account: bool,
    /// How much.
    pub amount: u32,
    /// Unix nanoseconds by the local clock.
    pub at: i64,
}

/// A durable step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Persist {
    /// Reserve a block of epochs for a book: the value is the first of them, above every one before.
    Epochs {
        /// Which book.
        stream: StreamId,
        /// How many.
        count: u32,
    },
    /// Keep what an order is meant to be. It leaves once this is durable, and not before.
    Intent {
        /// The command that places it.
        id: CommandId,
        /// The order.
        intent: Box<Intent>,
    },
    /// An intent needs no looking up any more. Nothing waits for this.
    Settled {
        /// The command that placed it.
        id: CommandId,
        /// How it ended: the word of a [`Done`] or of a [`Resolution`].
        how: &'static str,
    },
    /// Keep a ban, so that a restart does not break it. Nothing waits for this.
    Ban(Ban),
    /// Keep what is used of the venue's budgets, so that a restart does not begin anew. It replaces what was kept of
    /// the same budgets, and comes at most once a second. Nothing waits for this.
    Used(Vec<Used>),
}
