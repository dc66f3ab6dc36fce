//! What differs between venues, as data: one [`Spec`] per product, read by `session` and never by an adapter's own loop.
//!
//! The enums are closed. Ten venues were set side by side to derive them, so a new venue is a new value; a case
//! nobody uses yet is implemented when the first venue that needs it arrives.

mod order;
mod rest;
mod socket;
mod stream;

use core::time::Duration;

use venuekit_book::Linkage;

use crate::{AskKind, Channel, Wallet};

pub use order::{ClientId, DeadMan, OrderAck, OrderSpec};
pub use rest::{
    Budget, BudgetKey, ClockSource, Draws, Nonce, NumberForm, Numbers, Paging, PagingSpec, SignScheme, Window,
};
pub use socket::{FrameCodec, Heartbeat, KeyPlace, Login, Proof, Rate, Renew, SocketLimits, SocketSpec};
pub use stream::{
    Ack, BookSpec, ChannelSpec, PrivateModel, PrivateSpec, Refusal, Resync, RowIds, SnapshotSource,
    SubscribeSpec,
};

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
