//! Signed requests: which parameters are added, and under which names. The scheme itself is `sign`'s.

use venuekit_sign::{Credentials, doex};
use venuekit_venue::{Auth, HttpRequest, Signed, Stamp, Unsigned};

use crate::spec::Profile;

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The signature would not cover it.
    #[error("doex takes no body; put the parameters after a `?` in the path")]
    Body,
    /// The venue would refuse it.
    #[error("the request would hold for {asked_ms} ms; doex takes 1 to {max_ms}")]
    Window {
        /// What was asked for.
        asked_ms: i64,
        /// What the profile allows.
        max_ms: u32,
    },
}

/// Signs a REST request; a timestamp or window that stands in the query already is kept.
pub(crate) fn sign_request(
    profile: &Profile,
    credentials: &Credentials,
    request: &Unsigned<'_>,
) -> Result<Signed, SignError> {
    if !request.body.is_empty() {
        return Err(SignError::Body);
    }
    let names = &profile.params;
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let mut query = query.to_owned();
    let mut add = |name: &str, value: i64| {
        let is_there = query.split('&').any(|pair| pair.split('=').next() == Some(name));
        if !is_there {
            query.push_str(&format!("&{name}={value}"));
        }
    };
    add(&names.timestamp, request.timestamp_ms);
    if let Some(expiration_ms) = request.expiration_ms {
        let asked_ms = expiration_ms.saturating_sub(request.timestamp_ms);
        let max_ms = profile.signing.recv_window_ms_max;
        if !(1..=i64::from(max_ms)).contains(&asked_ms) {
            return Err(SignError::Window { asked_ms, max_ms });
        }
        add(&names.recv_window, asked_ms);
    }
    let doex::Signed { canonical, signature, .. } = doex::sign_encoded(credentials, &query);
    Ok(Signed {
        target: format!("{path}?{canonical}&{}={signature}", names.signature),
        headers: vec![(profile.headers.key.clone(), credentials.key.clone())],
        canonical,
        signature,
        body: String::new(),
    })
}

/// Proves who asks, in place.
///
/// **Errors**: [`SignError`].
pub(crate) fn sign(
    profile: &Profile,
    request: &mut HttpRequest,
    who: &Credentials,
    stamp: Stamp,
) -> Result<(), SignError> {
    match request.auth {
        Auth::None => {}
        Auth::Key => request.headers.push((profile.headers.key.clone().into(), who.key.clone())),
        Auth::Signed => {
            let timestamp_ms = stamp.at.millis();
            let window = stamp.window.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
            let unsigned = Unsigned {
                method: request.method.as_str(),
                target: &request.target,
                body: "",
                timestamp_ms,
                expiration_ms: window.map(|ms| timestamp_ms.saturating_add(ms)),
            };
            let signed = sign_request(profile, who, &unsigned)?;
            request.headers.extend(signed.headers.into_iter().map(|(name, value)| (name.into(), value)));
            request.target = signed.target;
        }
    }
    Ok(())
}
