//! Proofs: what is added to a request right before it leaves. The schemes themselves are `sign`'s.

use venuekit_sign::{Credentials, SecretError, kraken};
use venuekit_venue::{AskKind, Auth, HttpRequest, Method, Place, Query, Signed, Stamp, Unsigned};
use venuekit_wire::Time;

use crate::spec::SPOT;

/// Signs a REST request, its time as its nonce: below `/0/` with the key of spot, else with that of futures.
///
/// **Shape**: what is covered is a hash, so `canonical` shows what goes into it, in its order.
/// **Errors**: [`SecretError`] when the secret is not base64.
pub fn sign_request(credentials: &Credentials, request: &Unsigned<'_>) -> Result<Signed, SecretError> {
    let nonce = request.timestamp_ms.to_string();
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let proof = if path.starts_with("/0/") {
        spot(credentials, request.target, request.body, &nonce)?
    } else {
        let data = if request.body.is_empty() { query } else { request.body };
        futures(credentials, path, data, request.body, &nonce)?
    };
    let headers = proof.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let Proof { canonical, signature, body, .. } = proof;
    Ok(Signed { canonical, signature, headers, target: request.target.to_owned(), body })
}

/// What proves one request.
struct Proof {
    canonical: String,
    signature: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn spot(who: &Credentials, target: &str, body: &str, nonce: &str) -> Result<Proof, SecretError> {
    let joint = if body.is_empty() { "" } else { "&" };
    let body = format!("nonce={nonce}{joint}{body}");
    let signature = kraken::spot(&who.secret, target, nonce, &body)?;
    let headers =
        vec![(kraken::SPOT_KEY_HEADER, who.key.clone()), (kraken::SPOT_SIGNATURE_HEADER, signature.clone())];
    Ok(Proof { canonical: format!("{target}|{nonce}{body}"), signature, headers, body })
}

fn futures(who: &Credentials, path: &str, data: &str, body: &str, nonce: &str) -> Result<Proof, SecretError> {
    let signature = kraken::futures(&who.secret, data, nonce, path)?;
    let headers = vec![
        (kraken::FUTURES_KEY_HEADER, who.key.clone()),
        (kraken::FUTURES_NONCE_HEADER, nonce.to_owned()),
        (kraken::FUTURES_SIGNATURE_HEADER, signature.clone()),
    ];
    let signed_path = path.strip_prefix("/derivatives").unwrap_or(path);
    Ok(Proof { canonical: format!("{data}{nonce}{signed_path}"), signature, headers, body: body.to_owned() })
}

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
    let proof = if place.product == SPOT {
        spot(who, &request.target, body, &nonce)?
    } else {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        futures(who, path, if request.method == Method::Post { body } else { query }, body, &nonce)?
    };
    request.body = proof.body.into_bytes();
    request.headers.extend(proof.headers.into_iter().map(|(name, value)| (name.into(), value)));
    Ok(())
}
