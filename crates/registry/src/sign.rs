//! Signatures by a venue's name: what `venuekit sign` shows. The schemes are the venues' own.

use venuekit_doex::Doex;
use venuekit_sign::{Credentials, SecretError};

use crate::{Known, UnknownVenue, WithProfileError, known};

/// A request that wants a signature.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// In any case.
    pub method: &'a str,
    /// Path and query, encoded as they will be sent.
    pub target: &'a str,
    /// The body to the byte; empty when there is none.
    pub body: &'a str,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// Unix milliseconds until which the request holds; the venue's own rule when absent.
    pub expiration_ms: Option<i64>,
}

/// A signed request.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text that the signature covers.
    pub canonical: String,
    /// In lower-case hexadecimal.
    pub signature: String,
    /// Headers to send with it; one of them is the key.
    pub headers: Vec<(String, String)>,
    /// Path and query to send below the venue's REST origin.
    pub target: String,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// There is no such venue, or no such profile of it.
    #[error(transparent)]
    Venue(#[from] WithProfileError),
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The venue would refuse the request whatever its signature.
    #[error(transparent)]
    Request(#[from] venuekit_doex::SignError),
    /// The venue asks for no such proof.
    #[error("{venue} sends no challenge to answer; its streams are opened by a listen key")]
    NoChallenge {
        /// Which one.
        venue: &'static str,
    },
}

impl From<UnknownVenue> for SignError {
    fn from(error: UnknownVenue) -> SignError {
        SignError::Venue(error.into())
    }
}

/// Signs a REST request, with names as a profile has them where one is given.
///
/// **Errors**: [`SignError`].
pub fn sign_request(
    id: &str,
    profile: Option<&str>,
    credentials: &Credentials,
    request: &Unsigned<'_>,
) -> Result<Signed, SignError> {
    let &Unsigned { method, target, body, timestamp_ms, expiration_ms } = request;
    match known(id)? {
        Known::Doex => {
            let venue = match profile {
                Some(text) => Doex::from_profile(text).map_err(WithProfileError::from)?,
                None => Doex::default(),
            };
            let request = venuekit_doex::Unsigned { method, target, body, timestamp_ms, expiration_ms };
            let signed = venue.sign_request(credentials, &request)?;
            let venuekit_doex::Signed { canonical, signature, headers, target } = signed;
            Ok(Signed { canonical, signature, headers, target })
        }
        Known::DueDex if profile.is_some() => Err(WithProfileError::NoProfile { venue: "duedex" }.into()),
        Known::DueDex => {
            let request = venuekit_duedex::Unsigned { method, target, body, timestamp_ms, expiration_ms };
            let signed = venuekit_duedex::sign_request(credentials, &request)?;
            let venuekit_duedex::Signed { canonical, signature, headers, target } = signed;
            Ok(Signed { canonical, signature, headers, target })
        }
    }
}

/// Answers a login challenge.
///
/// **Errors**: [`SignError`].
pub fn answer_challenge(id: &str, credentials: &Credentials, challenge: &str) -> Result<String, SignError> {
    match known(id)? {
        Known::Doex => Err(SignError::NoChallenge { venue: "doex" }),
        Known::DueDex => Ok(venuekit_sign::duedex::answer(&credentials.secret, challenge)?),
    }
}
