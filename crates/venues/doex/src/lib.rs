//! Doex: spot and futures, as tables and pure codecs.
//!
//! Who would take this crate alone: someone who speaks this venue with sockets of their own.
//!
//! ```
//! use venuekit_doex::{Doex, SPOT};
//! use venuekit_venue::{AckOf, Catalog, Control, Event, EventBuf, Place, Venue};
//! let venue = Doex::default();
//! let (catalog, mut out) = (Catalog::new(), EventBuf::new());
//! let place = Place { product: SPOT, socket: 0, catalog: &catalog };
//! venue.decode(place, br#"{"result":null,"id":1}"#, &mut out);
//! assert_eq!(out.events, [Event::Control(Control::Ack(AckOf::Request(1)))]);
//! ```
//!
//! The venue publishes no reference. All that is assumed of it stands in `profile.toml`, which is compiled in and
//! can be replaced at run time by [`Doex::from_profile`].
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
    Ask, EventBuf, Fault, FaultKind, HttpReply, HttpRequest, Place, Say, Signed, Spec, Stamp, Unsigned, Venue,
};

pub use auth::SignError;
pub use spec::{FUTURES, Fact, ProfileError, SPOT};

/// The venue, as its profile describes it.
#[derive(Clone, Debug)]
pub struct Doex {
    profile: spec::Profile,
    specs: Vec<Spec>,
}

impl Doex {
    /// The text of the profile that is compiled in, to copy and edit.
    pub const DEFAULT_PROFILE: &str = spec::DEFAULT;

    /// The venue as another profile describes it.
    ///
    /// **Errors**: [`ProfileError`] with line and column for a key that is unknown, missing or of the wrong kind.
    pub fn from_profile(text: &str) -> Result<Doex, ProfileError> {
        let profile = spec::Profile::parse(text)?;
        let specs = spec::specs(&profile);
        Ok(Doex { profile, specs })
    }

    /// Every fact of the profile, and whether it has been seen on a real account.
    pub fn facts(&self) -> Vec<Fact> {
        self.profile.facts()
    }

    /// Signs a REST request; a timestamp or window that stands in its query already is kept.
    ///
    /// **Errors**: [`SignError`] when the venue would refuse it whatever the signature.
    /// **Source**: the brief's signed-request walkthrough, read 2026-11.
    pub fn sign_request(
        &self,
        credentials: &Credentials,
        request: &Unsigned<'_>,
    ) -> Result<Signed, SignError> {
        auth::sign_request(&self.profile, credentials, request)
    }
}

impl Default for Doex {
    fn default() -> Doex {
        Doex::from_profile(Doex::DEFAULT_PROFILE).expect("a test reads the profile that is compiled in")
    }
}

impl Venue for Doex {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn terms_of(&self, place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        symbol::bare(venue_symbol, place.product)
    }

    fn public_words(&self) -> &[&'static str] {
        &spec::WORDS
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        decode::decode(&self.profile, place, frame, out);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        encode::say(&self.profile, place, say, out)
    }

    fn ask(&self, place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
        encode::ask(&self.profile, place, ask)
    }

    fn sign(
        &self,
        _place: Place<'_>,
        request: &mut HttpRequest,
        who: &Credentials,
        stamp: Stamp,
    ) -> Result<(), Fault> {
        auth::sign(&self.profile, request, who, stamp)
            .map_err(|error| Fault::ours(FaultKind::BadRequest, error.to_string()))
    }

    fn answer(
        &self,
        place: Place<'_>,
        ask: &Ask,
        reply: &HttpReply<'_>,
        out: &mut EventBuf,
    ) -> Result<(), Fault> {
        decode::answer(&self.profile, place, ask, reply, out)
    }
}
