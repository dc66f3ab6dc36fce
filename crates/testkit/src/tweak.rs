//! A venue with other figures: the same codecs under specs that a test has changed.

use std::sync::Arc;

use venuekit_sign::Credentials;
use venuekit_venue::{Ask, EventBuf, Fault, HttpReply, HttpRequest, Place, Say, Spec, Stamp, Venue};

/// A venue whose specs were edited, so that a test can make an age limit short or a batch small.
pub struct Tweaked {
    inner: Arc<dyn Venue>,
    specs: Vec<Spec>,
}

impl Tweaked {
    /// The venue with each of its specs edited.
    pub fn new(inner: Arc<dyn Venue>, edit: impl Fn(&mut Spec)) -> Tweaked {
        let mut specs = inner.specs().to_vec();
        specs.iter_mut().for_each(edit);
        Tweaked { inner, specs }
    }
}

impl Venue for Tweaked {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn public_words(&self) -> &[&'static str] {
        self.inner.public_words()
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        self.inner.decode(place, frame, out);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        self.inner.say(place, say, out)
    }

    fn ask(&self, place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
        self.inner.ask(place, ask)
    }

    fn sign(
        &self,
        place: Place<'_>,
        request: &mut HttpRequest,
        who: &Credentials,
        stamp: Stamp,
    ) -> Result<(), Fault> {
        self.inner.sign(place, request, who, stamp)
    }

    fn answer(
        &self,
        place: Place<'_>,
        ask: &Ask,
        reply: &HttpReply<'_>,
        out: &mut EventBuf,
    ) -> Result<(), Fault> {
        self.inner.answer(place, ask, reply, out)
    }
}
