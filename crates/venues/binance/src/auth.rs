//! Proofs: which parameters a signed request gets, and the frame that opens a user stream. The schemes are `sign`'s.

use serde::Serialize;
use venuekit_sign::{Credentials, SecretError, binance};
use venuekit_types::UnixNanos;
use venuekit_venue::{Auth, HttpRequest, Query, Signed, Stamp, Unsigned};
use venuekit_wire::binance::ApiRequest;
use venuekit_wire::{Hidden, Text};

/// The header that carries the key.
const KEY_HEADER: &str = "X-MBX-APIKEY";

/// The longest that a request may hold.
const WINDOW_MS_MAX: i64 = 60_000;

/// The id of the request that opens a user stream.
pub(crate) const LOGIN: &str = "login";

/// Signs a REST request. Its time goes where its parameters are, in the body or else in the query; a time or window
/// that stands there already is kept.
///
/// **Errors**: [`SecretError`] when the secret is neither an HMAC secret nor an Ed25519 key.
/// **Source**: rest-api.md of binance-spot-api-docs as of 2026-07-21, "SIGNED request example".
pub fn sign_request(credentials: &Credentials, request: &Unsigned<'_>) -> Result<Signed, SecretError> {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let in_body = !request.body.is_empty();
    let mut params = if in_body { request.body } else { query }.to_owned();
    let mut add = |name: &str, value: i64| {
        if !params.split('&').any(|pair| pair.split('=').next() == Some(name)) {
            let joint = if params.is_empty() { "" } else { "&" };
            params.push_str(&format!("{joint}{name}={value}"));
        }
    };
    if let Some(until) = request.expiration_ms {
        add("recvWindow", until.saturating_sub(request.timestamp_ms).clamp(1, WINDOW_MS_MAX));
    }
    add("timestamp", request.timestamp_ms);
    // Query and body are signed as one text, without a joint.
    let canonical = if in_body { format!("{query}{params}") } else { params.clone() };
    let signature = binance::sign(&credentials.secret, canonical.as_bytes())?;
    // Base64 has characters that mean something else in a query.
    let pair = Query::new("").with("signature", &signature).target();
    params.push('&');
    params.push_str(&pair[1..]);
    let (target, body) = match (in_body, query.is_empty()) {
        (false, _) => (format!("{path}?{params}"), String::new()),
        (true, true) => (path.to_owned(), params),
        (true, false) => (format!("{path}?{query}"), params),
    };
    let headers = vec![(KEY_HEADER.to_owned(), credentials.key.clone())];
    Ok(Signed { canonical, signature, headers, target, body })
}

/// Proves who asks, in place.
///
/// **Errors**: [`SecretError`].
pub(crate) fn sign(request: &mut HttpRequest, who: &Credentials, stamp: Stamp) -> Result<(), SecretError> {
    match request.auth {
        Auth::None => {}
        Auth::Key => request.headers.push((KEY_HEADER.into(), who.key.clone())),
        Auth::Signed => {
            let timestamp_ms = stamp.at.millis();
            let window = stamp.window.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
            // What an adapter wrote is text: its bodies are forms.
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
            request.target = signed.target;
            request.body = signed.body.into_bytes();
        }
    }
    Ok(())
}

/// What opens the user stream of an account on the WebSocket API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subscribe<'a> {
    api_key: Hidden<'a>,
    signature: Hidden<'a>,
    timestamp: i64,
}

/// The frame that opens the user stream of an account.
///
/// **Errors**: [`SecretError`].
pub(crate) fn login(who: &Credentials, at: UnixNanos) -> Result<ApiRequest<'_, Subscribe<'_>>, SecretError> {
    let timestamp = at.millis();
    // By name, and not encoded: here the text is no part of a URL.
    let payload = format!("apiKey={}&timestamp={timestamp}", who.key);
    let signature = binance::sign(&who.secret, payload.as_bytes())?;
    Ok(ApiRequest {
        id: Text::from(LOGIN),
        method: "userDataStream.subscribe.signature".into(),
        params: Subscribe {
            api_key: Hidden(Text::from(who.key.as_str())),
            signature: Hidden(Text::from(signature)),
            timestamp,
        },
    })
}
