//! A venue that is not quite itself: the same codecs under specs that a test has changed, or between hands that change
//! what comes, what it is read to, and what goes.

use std::sync::Arc;

use venuekit_sign::Credentials;
use venuekit_types::Instrument;
use venuekit_venue::{Ask, EventBuf, Fault, HttpReply, HttpRequest, Place, Say, Spec, Stamp, Venue};

type Hearing = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;
type Reading = dyn Fn(Place<'_>, Option<&Ask>, &mut EventBuf) + Send + Sync;
type Saying = dyn Fn(&mut Vec<u8>) + Send + Sync;

/// A venue whose specs were edited, so that a test can make an age limit short or a batch small, and whose messages
/// may be.
pub struct Tweaked {
    inner: Arc<dyn Venue>,
    specs: Vec<Spec>,
    hearing: Option<Box<Hearing>>,
    reading: Option<Box<Reading>>,
    saying: Option<Box<Saying>>,
}

impl Tweaked {
    /// The venue with each of its specs edited.
    pub fn new(inner: Arc<dyn Venue>, edit: impl Fn(&mut Spec)) -> Tweaked {
        let mut specs = inner.specs().to_vec();
        specs.iter_mut().for_each(edit);
        Tweaked { inner, specs, hearing: None, reading: None, saying: None }
    }

    /// Reads another frame in the place of one that came, where the function gives one.
    pub fn hearing(self, change: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Tweaked {
        Tweaked { hearing: Some(Box::new(change)), ..self }
    }

    /// Edits what a frame was read to, or the answer to a request.
    pub fn reading(
        self,
        edit: impl Fn(Place<'_>, Option<&Ask>, &mut EventBuf) + Send + Sync + 'static,
    ) -> Tweaked {
        Tweaked { reading: Some(Box::new(edit)), ..self }
    }

    /// Edits what is sent on sockets.
    pub fn saying(self, edit: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> Tweaked {
        Tweaked { saying: Some(Box::new(edit)), ..self }
    }

    fn read(&self, place: Place<'_>, ask: Option<&Ask>, out: &mut EventBuf) {
        if let Some(edit) = &self.reading {
            edit(place, ask, out);
        }
    }
}

impl Venue for Tweaked {
    fn specs(&self) -> &[Spec] {
        &self.specs
    }

    fn terms_of(&self, place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        self.inner.terms_of(place, venue_symbol)
    }

    fn public_words(&self) -> &[&'static str] {
        self.inner.public_words()
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        let other = self.hearing.as_ref().and_then(|change| change(frame));
        self.inner.decode(place, other.as_deref().unwrap_or(frame), out);
        self.read(place, None, out);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        let said = self.inner.say(place, say, out);
        if let Some(edit) = &self.saying {
            edit(out);
        }
        said
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
        self.inner.answer(place, ask, reply, out)?;
        self.read(place, Some(ask), out);
        Ok(())
    }
}
