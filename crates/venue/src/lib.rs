//! The contract between venues and everything else: what a venue is ([`Spec`]), what it can be told
//! ([`Say`], [`Ask`]) and what its bytes mean ([`Event`], [`Fault`]).
//!
//! Who would take this crate alone: someone who writes an adapter outside this workspace.
//!
//! ```
//! use venuekit_venue::{Channel, Topic, MarketId, EventBuf, Event, Control, AckOf};
//! // An adapter's `decode` writes events into a buffer that the session owns.
//! let mut out = EventBuf::new();
//! let topic = Topic::of(Channel::Book, MarketId(0));
//! out.events.push(Event::Control(Control::Ack(AckOf::Topics(vec![topic]))));
//! assert_eq!(out.events.len(), 1);
//! ```
//!
//! It refuses: sockets, clocks, threads, retries, and anything a venue would have to do twice.

mod ask;
mod catalog;
mod client_id;
mod event;
mod fault;
pub mod grid;
mod order;
pub mod read;
mod request;
mod rows;
pub mod spec;
mod topic;

pub use ask::{Ask, AskKind, Lane, Page, Token, Wallet};
pub use catalog::{Catalog, MarketId};
pub use client_id::ClientIds;
pub use event::{
    AckOf, Body, BookBody, Broken, BrokenWhy, Control, Data, DataKind, Event, EventBuf, LevelSpan, TextSpan,
};
pub use fault::{Fault, FaultKind, Retry};
pub use order::{NewOrder, OrderRef, OrderType, TimeInForce, TriggerBy};
pub use request::{
    Auth, HttpReply, HttpRequest, Method, Origin, Pass, Place, Query, Say, Signed, Stamp, Unsigned,
};
pub use rows::{
    BalancePatch, Candle, CopyPosition, CopyTrade, FeeSchedule, FeeTier, Fill, MarginMode, Movement,
    MovementKind, MovementStatus, OrderChange, OrderPatch, OrderStatus, PairFee, Permissions, PositionPatch,
    Row, TickerPatch, Trade,
};
pub use spec::Spec;
pub use topic::{Channel, Interval, Topic};

use venuekit_sign::Credentials;
use venuekit_types::Instrument;

/// One venue: tables and pure codecs. Every method is total: broken input is an event or a fault, never a panic.
pub trait Venue: Send + Sync {
    /// Its products, one spec each; the order never changes.
    fn specs(&self) -> &[Spec];

    /// What a name alone says of an instrument: symbol and kind, at the scales of nothing. It serves tapes that hold no
    /// list of instruments; a venue whose names do not tell has nothing to say.
    fn terms_of(&self, _place: Place<'_>, _venue_symbol: &str) -> Option<Instrument> {
        None
    }

    /// Names of JSON fields, query parameters and headers under which no secret stands, beyond the usual ones. A tape
    /// keeps their values, and redacts every other value of what we send and of what comes back to who logged in.
    fn public_words(&self) -> &[&'static str] {
        &[]
    }

    /// Reads one frame.
    ///
    /// **Errors**: none; what makes no sense becomes [`Event::Broken`].
    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf);

    /// Writes one message; gives false when the venue has no such message.
    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool;

    /// Writes one request; nothing when the venue has no such route.
    fn ask(&self, place: Place<'_>, ask: &Ask) -> Option<HttpRequest>;

    /// Proves who asks: adds what the venue wants to a request that [`Venue::ask`] wrote, right before it leaves.
    ///
    /// **Errors**: a [`FaultKind::Credentials`] fault when the secret is not of the venue's form.
    fn sign(
        &self,
        place: Place<'_>,
        request: &mut HttpRequest,
        who: &Credentials,
        stamp: Stamp,
    ) -> Result<(), Fault>;

    /// Reads the answer to a request.
    ///
    /// **Shape**: rows stand in [`Event::Data`]. [`DataKind::Snapshot`] says that the answer is the whole of what was
    /// asked for, so that what it leaves out is gone; its topic names a market where only that market was asked for.
    /// A row that does not read costs itself: it becomes [`Event::Broken`], the other rows stand, and the answer is an
    /// [`DataKind::Update`], since what is missing in it need not be gone. An answer without rows is no event, or one
    /// with an empty range. What no stream carries (movements, copies, fees, permissions) comes as an update under
    /// the account's topic of the nearest kind; the row says what it is.
    ///
    /// **Errors**: the venue's refusal, or [`FaultKind::Unreadable`].
    fn answer(
        &self,
        place: Place<'_>,
        ask: &Ask,
        reply: &HttpReply<'_>,
        out: &mut EventBuf,
    ) -> Result<(), Fault>;
}
