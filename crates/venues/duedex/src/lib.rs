//! DueDEX: perpetual contracts over one feed, as tables and pure codecs.
//!
//! Who would take this crate alone: someone who speaks this venue with sockets of their own.
//!
//! ```
//! use venuekit_duedex::DueDex;
//! use venuekit_venue::{Catalog, EventBuf, Event, Place, Venue};
//! let venue = DueDex::new();
//! let (catalog, mut out) = (Catalog::new(), EventBuf::new());
//! let place = Place { product: 0, socket: 0, catalog: &catalog };
//! venue.decode(place, br#"{"type":"auth","userId":10}"#, &mut out);
//! assert_eq!(out.events, [Event::Control(venuekit_venue::Control::LoggedIn)]);
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

/// The venue.
#[derive(Clone, Debug)]
pub struct DueDex {
    specs: [Spec; 1],
}

impl DueDex {
    /// The venue as its documents of November 2020 describe it.
    pub fn new() -> DueDex {
        DueDex { specs: [spec::spec()] }
    }
}

impl Default for DueDex {
    fn default() -> DueDex {
        DueDex::new()
    }
}

impl Venue for DueDex {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn terms_of(&self, _place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        symbol::bare(venue_symbol)
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
