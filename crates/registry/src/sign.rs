//! Signatures by a venue's name: what `venuekit sign` shows. The schemes are the venues' own.

use venuekit_doex::Doex;
use venuekit_sign::{Credentials, SecretError};
use venuekit_venue::{Signed, Unsigned};

use crate::{Known, UnknownVenue, WithProfileError, known};

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
    #[error(
        "{venue} sends no challenge to answer; its streams are opened by a key or token that is asked for by REST"
    )]
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
    match known(id)? {
        Known::Doex => {
            let venue = match profile {
                Some(text) => Doex::from_profile(text).map_err(WithProfileError::from)?,
                None => Doex::default(),
            };
            Ok(venue.sign_request(credentials, request)?)
        }
        other if profile.is_some() => Err(WithProfileError::NoProfile { venue: other.id() }.into()),
        Known::Binance => Ok(venuekit_binance::sign_request(credentials, request)?),
        Known::Kraken => Ok(venuekit_kraken::sign_request(credentials, request)?),
        Known::DueDex => Ok(venuekit_duedex::sign_request(credentials, request)?),
    }
}

/// Answers a login challenge.
///
/// **Errors**: [`SignError`].
pub fn answer_challenge(id: &str, credentials: &Credentials, challenge: &str) -> Result<String, SignError> {
    match known(id)? {
        Known::Kraken => Ok(venuekit_sign::kraken::challenge(&credentials.secret, challenge)?),
        other @ (Known::Doex | Known::Binance) => Err(SignError::NoChallenge { venue: other.id() }),
        Known::DueDex => Ok(venuekit_sign::duedex::answer(&credentials.secret, challenge)?),
    }
}
