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

mod catalog;
mod event;
mod fault;
mod request;
pub mod spec;
mod topic;

pub use catalog::{Catalog, MarketId};
pub use event::{
    AckOf, BalancePatch, Body, BookBody, Broken, BrokenWhy, Candle, Control, Data, DataKind, Event, EventBuf,
    Fill, LevelSpan, OrderPatch, OrderStatus, PositionPatch, Row, TextSpan, TickerPatch, Trade,
};
pub use fault::{Fault, FaultKind, Retry};
pub use request::{Ask, HttpReply, HttpRequest, Method, Place, Say, Signed, Unsigned};
pub use spec::Spec;
pub use topic::{Channel, Interval, Topic};

/// One venue: tables and pure codecs. Every method is total: broken input is an event or a fault, never a panic.
pub trait Venue: Send + Sync {
    /// Its products, one spec each; the order never changes.
    fn specs(&self) -> &[Spec];

    /// Reads one frame.
    ///
    /// **Errors**: none; what makes no sense becomes [`Event::Broken`].
    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf);

    /// Writes one message; gives false when the venue has no such message.
    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool;

    /// Writes one request; nothing when the venue has no such route.
    fn ask(&self, place: Place<'_>, ask: &Ask) -> Option<HttpRequest>;

    /// Reads the answer to a request.
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
