//! Kraken: spot and futures, as tables and pure codecs.
//!
//! Who would take this crate alone: someone who speaks this venue with sockets of their own.
//!
//! ```
//! use venuekit_kraken::{Kraken, SPOT};
//! use venuekit_venue::{Catalog, Control, Event, EventBuf, Place, Venue};
//! let (venue, catalog, mut out) = (Kraken::new(), Catalog::new(), EventBuf::new());
//! let place = Place { product: SPOT, socket: 0, catalog: &catalog };
//! venue.decode(place, br#"{"channel":"heartbeat"}"#, &mut out);
//! assert_eq!(out.events, [Event::Control(Control::Beat)]);
//! ```
//!
//! The two products are two engines: hosts, keys, signatures, spellings and error words differ in everything, so each
//! half of a file serves one of them.
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
pub use spec::{FUTURES, SPOT};

/// The venue.
#[derive(Clone, Debug)]
pub struct Kraken {
    specs: [Spec; 2],
}

impl Kraken {
    /// The venue as its documents of October 2026 describe it, at the limits of its lowest tier.
    pub fn new() -> Kraken {
        Kraken { specs: [spec::spot(), spec::futures()] }
    }
}

impl Default for Kraken {
    fn default() -> Kraken {
        Kraken::new()
    }
}

impl Venue for Kraken {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn terms_of(&self, place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        symbol::bare(place.product, venue_symbol)
    }

    fn public_words(&self) -> &[&'static str] {
        &spec::WORDS
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

    fn sign(
        &self,
        place: Place<'_>,
        request: &mut HttpRequest,
        who: &Credentials,
        stamp: Stamp,
    ) -> Result<(), Fault> {
        auth::sign(place, request, who, stamp)
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
