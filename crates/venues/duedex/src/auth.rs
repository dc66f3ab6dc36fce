//! Proofs: the answer to a login challenge, and the headers of a signed request. The scheme itself is `sign`'s.

use venuekit_sign::duedex::{Request, answer};
use venuekit_sign::{Credentials, SecretError};
use venuekit_venue::{Auth, HttpRequest, Signed, Stamp, Unsigned};
use venuekit_wire::duedex::ClientFrame;
use venuekit_wire::{Hidden, Text};

/// Signs a REST request.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
/// **Source**: REST_API.MD of DueDEX/API-Documentation as of 2020-11-12.
pub fn sign_request(credentials: &Credentials, request: &Unsigned<'_>) -> Result<Signed, SecretError> {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let timestamp = request.timestamp_ms.to_string();
    let expiration = request.expiration_ms.map(|ms| ms.to_string());
    let signed = Request {
        method: &request.method.to_ascii_uppercase(),
        path,
        timestamp: &timestamp,
        expiration: expiration.as_deref(),
        query,
        body: request.body,
    }
    .sign(credentials)?;
    Ok(Signed {
        canonical: signed.canonical,
        signature: signed.signature,
        headers: signed.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        target: request.target.to_owned(),
        body: request.body.to_owned(),
    })
}

/// The frame that logs a connection in.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub(crate) fn login<'a>(
    credentials: &'a Credentials,
    challenge: &str,
) -> Result<ClientFrame<'a>, SecretError> {
    let key = Hidden(Text::from(credentials.key.as_str()));
    let answer = Hidden(Text::from(answer(&credentials.secret, challenge)?));
    Ok(ClientFrame::Auth { key, answer })
}

/// Proves who asks, in place.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub(crate) fn sign(request: &mut HttpRequest, who: &Credentials, stamp: Stamp) -> Result<(), SecretError> {
    if request.auth == Auth::None {
        return Ok(());
    }
    let timestamp_ms = stamp.at.millis();
    let window = stamp.window.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    // What an adapter wrote is text: its bodies are JSON.
    let body = core::str::from_utf8(&request.body).unwrap_or_default();
    let unsigned = Unsigned {
        method: request.method.as_str(),
        target: &request.target,
        body,
        timestamp_ms,
        expiration_ms: window.map(|ms| timestamp_ms.saturating_add(ms)),
    };
    let signed = sign_request(who, &unsigned)?;
    request.headers.extend(signed.headers.into_iter().map(|(name, value)| (name.into(), value)));
    Ok(())
}
