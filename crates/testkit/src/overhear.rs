//! A venue that remembers what it proved: logins, and every text that depends on the secret.
//!
//! What depends on the secret is found by writing the same thing with another secret: no venue's words are known here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use venuekit_sign::{Credentials, Secret};
use venuekit_types::Instrument;
use venuekit_venue::{Ask, EventBuf, Fault, HttpReply, HttpRequest, Place, Say, Spec, Stamp, Venue};

/// Shorter parts of a message are numbers and words; proofs are longer.
const PROOF_MIN: usize = 16;

#[derive(Default)]
struct Heard {
    logins: usize,
    proofs: BTreeSet<String>,
}

/// The same venue, overheard.
pub(crate) struct Overhear {
    inner: Arc<dyn Venue>,
    heard: Mutex<Heard>,
}

impl Overhear {
    pub(crate) fn new(inner: Arc<dyn Venue>) -> Arc<Overhear> {
        Arc::new(Overhear { inner, heard: Mutex::default() })
    }

    /// How many logins were written, whether or not they were let in.
    pub(crate) fn logins(&self) -> usize {
        self.heard().logins
    }

    /// Texts that another secret would have made others.
    pub(crate) fn proofs(&self) -> BTreeSet<String> {
        self.heard().proofs.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, said: &str, otherwise: &str) {
        let parts = |text: &str| -> BTreeSet<String> {
            let parts = text.split(['"', '&', '=', '?', ' ', '\n']).filter(|part| part.len() >= PROOF_MIN);
            parts.map(str::to_owned).collect()
        };
        let other = parts(otherwise);
        self.heard().proofs.extend(parts(said).into_iter().filter(|part| !other.contains(part)));
    }
}

/// The same key with another secret of the same form: its first letter in the other case.
fn altered(who: &Credentials) -> Credentials {
    let mut secret = who.secret.expose().to_vec();
    if let Some(letter) = secret.iter_mut().find(|byte| byte.is_ascii_alphabetic()) {
        *letter ^= 0x20;
    }
    Credentials::new(who.key.clone(), Secret::from(secret))
}

fn text(request: &HttpRequest) -> String {
    let headers: Vec<&str> = request.headers.iter().map(|(_, value)| value.as_str()).collect();
    format!("{} {} {}", request.target, headers.join(" "), String::from_utf8_lossy(&request.body))
}

impl Venue for Overhear {
    fn specs(&self) -> &[Spec] {
        self.inner.specs()
    }

    fn terms_of(&self, place: Place<'_>, venue_symbol: &str) -> Option<Instrument> {
        self.inner.terms_of(place, venue_symbol)
    }

    fn public_words(&self) -> &[&'static str] {
        self.inner.public_words()
    }

    fn decode(&self, place: Place<'_>, frame: &[u8], out: &mut EventBuf) {
        self.inner.decode(place, frame, out);
    }

    fn say(&self, place: Place<'_>, say: Say<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let said = self.inner.say(place, say, out);
        if let Say::Login { credentials, challenge, at } = say {
            let (other, mut otherwise) = (altered(credentials), Vec::new());
            self.inner.say(place, Say::Login { credentials: &other, challenge, at }, &mut otherwise);
            self.note(&String::from_utf8_lossy(&out[start..]), &String::from_utf8_lossy(&otherwise));
            self.heard().logins += 1;
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
        let mut otherwise = request.clone();
        self.inner.sign(place, request, who, stamp)?;
        if self.inner.sign(place, &mut otherwise, &altered(who), stamp).is_ok() {
            self.note(&text(request), &text(&otherwise));
        }
        Ok(())
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
