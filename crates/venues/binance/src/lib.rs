//! Binance: spot, margin and USD-M futures, as tables and pure codecs.
//!
//! Who would take this crate alone: someone who speaks this venue with sockets of their own.
//!
//! ```
//! use venuekit_binance::{Binance, SPOT};
//! use venuekit_venue::{AckOf, Catalog, Control, Event, EventBuf, Place, Venue};
//! let venue = Binance::new();
//! let (catalog, mut out) = (Catalog::new(), EventBuf::new());
//! let place = Place { product: SPOT, socket: 0, catalog: &catalog };
//! venue.decode(place, br#"{"result":null,"id":1}"#, &mut out);
//! assert_eq!(out.events, [Event::Control(Control::Ack(AckOf::Request(1)))]);
//! ```
//!
//! It refuses: sockets, clocks, retries, books and accounts.

mod auth;
mod decode;
mod encode;
mod fault;
mod spec;
mod symbol;

use venuekit_sign::Credentials;
use venuekit_types::Instrument;
use venuekit_venue::{
    Ask, EventBuf, Fault, FaultKind, HttpReply, HttpRequest, Place, Say, Spec, Stamp, Venue,
};

pub use auth::sign_request;
pub use spec::{ALGO, ISOLATED, MARGIN, SPOT, USDM};

/// The venue.
#[derive(Clone, Debug)]
pub struct Binance {
    specs: [Spec; 5],
}

impl Binance {
    /// The venue as its documents of July 2026 describe it.
    pub fn new() -> Binance {
        Binance { specs: spec::specs() }
    }
}

impl Default for Binance {
    fn default() -> Binance {
        Binance::new()
    }
}

impl Venue for Binance {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        decode::decode(place, frame, out);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        encode::say(place, say, out)
    }

    fn ask(&self, place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
        encode::ask(place, ask)
    }

    fn terms_of(&self, place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        symbol::terms_of(venue_symbol, place.product)
    }

    fn public_words(&self) -> &[&'static str] {
        &spec::PUBLIC_WORDS
    }

    fn sign(
        &self,
        _place: Place<'_>,
        request: &mut HttpRequest,
        who: &Credentials,
        stamp: Stamp,
    ) -> Result<(), Fault> {
        auth::sign(request, who, stamp)
            .map_err(|error| Fault::ours(FaultKind::Credentials, error.to_string()))
    }

    fn answer(
        &self,
        place: Place<'_>,
        ask: &Ask,
        reply: &HttpReply<'_>,
        out: &mut EventBuf,
    ) -> Result<(), Fault> {
        decode::answer(place, ask, reply, out)
    }
}
