//! Proofs: what is added to a request right before it leaves. The schemes themselves are `sign`'s.

use venuekit_sign::{Credentials, SecretError, kraken};
use venuekit_venue::{AskKind, Auth, HttpRequest, Method, Place, Query, Stamp};
use venuekit_wire::Time;

use crate::spec::SPOT;

/// Proves who asks, in place.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub(crate) fn sign(
    place: Place<'_>,
    request: &mut HttpRequest,
    who: &Credentials,
    stamp: Stamp,
) -> Result<(), SecretError> {
    if request.auth == Auth::None {
        return Ok(());
    }
    let nonce = stamp.nonce.to_string();
    // Neither signature covers a time: a new order says itself until when it may be taken.
    let deadline = stamp.window.filter(|_| request.kind == AskKind::Place);
    if let Some(window) = deadline {
        let name = if place.product == SPOT { "deadline" } else { "processBefore" };
        let until = Query::new("").with(name, Time(stamp.at.plus(window))).target();
        request.body.extend(until.replacen('?', "&", 1).into_bytes());
    }
    // What an adapter wrote is text.
    let body = core::str::from_utf8(&request.body).unwrap_or_default();
    let headers = if place.product == SPOT {
        let joint = if body.is_empty() { "" } else { "&" };
        let body = format!("nonce={nonce}{joint}{body}");
        let signature = kraken::spot(&who.secret, &request.target, &nonce, &body)?;
        request.body = body.into_bytes();
        vec![(kraken::SPOT_KEY_HEADER, who.key.clone()), (kraken::SPOT_SIGNATURE_HEADER, signature)]
    } else {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let data = if request.method == Method::Post { body } else { query };
        let signature = kraken::futures(&who.secret, data, &nonce, path)?;
        vec![
            (kraken::FUTURES_KEY_HEADER, who.key.clone()),
            (kraken::FUTURES_NONCE_HEADER, nonce),
            (kraken::FUTURES_SIGNATURE_HEADER, signature),
        ]
    };
    request.headers.extend(headers.into_iter().map(|(name, value)| (name.into(), value)));
    Ok(())
}
