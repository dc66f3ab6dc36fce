//! Halting by a signed webhook: whatever Standard Webhooks message its secret signed halts, once for each id.
//!
//! It owns the secret, and the ids that were seen for as long as their signature is good. What the message says besides
//! is not read: there is nothing that it could allow.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hyper::{HeaderMap, StatusCode};
use venuekit_sign::Secret;
use venuekit_sign::webhook::{self, TOLERANCE_S, WebhookError};

use super::halt_http::{HaltHttpError, private_text};

/// Largest message.
pub(super) const BODY_MAX: usize = 64 << 10;
/// Longest id.
const ID_MAX: usize = 256;
/// Ids remembered at once. Whoever fills this has the secret; the one that is refused for its time soonest goes first.
const SEEN_MAX: usize = 4_096;

/// The secret of a sender whose messages halt. It never prints.
#[derive(Clone)]
pub struct HookSecret(Secret);

impl HookSecret {
    /// Reads the file of a secret, which must be its owner's alone: `whsec_` and base64 of 24 to 64 bytes.
    ///
    /// **Errors**: [`HaltHttpError::Token`].
    pub fn read(path: &Path) -> Result<HookSecret, HaltHttpError> {
        let text = private_text(path)?;
        let wrong = |error: venuekit_sign::SecretError| HaltHttpError::Token {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        webhook::secret(&Secret::from(text.trim())).map(HookSecret).map_err(wrong)
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret(..)")
    }
}

/// What takes the messages of one sender.
pub(super) struct Hook {
    secret: HookSecret,
    /// By id, when its signature is good no longer, in Unix seconds.
    seen: Mutex<BTreeMap<String, i64>>,
}

impl Hook {
    pub(super) fn new(secret: HookSecret) -> Hook {
        Hook { secret, seen: Mutex::default() }
    }

    /// Takes one message: its id, if it is to halt.
    ///
    /// **Units**: `now` is Unix seconds.
    ///
    /// **Errors**: why it halts nothing.
    pub(super) fn take(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: i64,
    ) -> Result<String, (StatusCode, &'static str)> {
        let one = |name: &str| {
            let mut all = headers.get_all(name).iter();
            let only = all.next().and_then(|value| value.to_str().ok());
            only.filter(|_| all.next().is_none()).ok_or((
                StatusCode::BAD_REQUEST,
                "one webhook-id, webhook-timestamp and webhook-signature are needed",
            ))
        };
        let (id, at, signed) = (one("webhook-id")?, one("webhook-timestamp")?, one("webhook-signature")?);
        // With a point in it, two messages could be signed alike.
        let is_id = |id: &str| {
            !id.is_empty() && id.len() <= ID_MAX && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.')
        };
        if !is_id(id) {
            return Err((StatusCode::BAD_REQUEST, "the webhook-id is no id"));
        }
        webhook::verify(&self.secret.0, id, at, signed, body, now).map_err(|error| match error {
            WebhookError::Signature => (StatusCode::UNAUTHORIZED, "no signature fits"),
            WebhookError::Time => (StatusCode::BAD_REQUEST, "the webhook-timestamp is no count of seconds"),
            WebhookError::Late => {
                (StatusCode::UNAUTHORIZED, "the webhook-timestamp is more than five minutes off")
            }
        })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Until then the sender may still sign the same id for another attempt, and each must be known again.
        seen.retain(|_, until| *until >= now);
        if seen.contains_key(id) {
            return Err((StatusCode::CONFLICT, "this webhook-id was taken before, and halted then"));
        }
        if seen.len() >= SEEN_MAX
            && let Some(first) = seen.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
        {
            seen.remove(&first);
        }
        // A message from as far ahead as is believed is good for twice the tolerance.
        seen.insert(id.to_owned(), now + 2 * TOLERANCE_S);
        Ok(id.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn key() -> Secret {
        webhook::secret(&Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("24 bytes")
    }

    fn headers(id: &str, at: i64, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let signed = webhook::sign(&key(), id, at, body);
        for (name, value) in
            [("webhook-id", id), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signed)]
        {
            headers.insert(name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn each_id_halts_once_for_as_long_as_its_signature_is_good() {
        let hook = Hook::new(HookSecret(key()));
        let take = |id: &str, at: i64, now: i64| {
            hook.take(&headers(id, at, b"{}"), b"{}", now).map_err(|(status, _)| status.as_u16())
        };
        assert_eq!(take("msg_1", NOW, NOW), Ok("msg_1".to_owned()));
        assert_eq!(take("msg_1", NOW, NOW), Err(409));
        // Another attempt of the same message is the same message.
        assert_eq!(take("msg_1", NOW + 5, NOW + 5), Err(409));
        assert_eq!(take("msg_2", NOW, NOW + 5), Ok("msg_2".to_owned()));
        // One from ahead is good for longer, and is remembered for as long.
        assert_eq!(take("msg_3", NOW + TOLERANCE_S, NOW), Ok("msg_3".to_owned()));
        assert_eq!(take("msg_3", NOW + TOLERANCE_S, NOW + 2 * TOLERANCE_S), Err(409));
        assert_eq!(take("msg_3", NOW + TOLERANCE_S, NOW + 2 * TOLERANCE_S + 1), Err(401));
        assert_eq!(take("msg_4", NOW, NOW + TOLERANCE_S + 1), Err(401));
    }

    #[test]
    fn what_is_not_whole_or_not_signed_halts_nothing() {
        let hook = Hook::new(HookSecret(key()));
        let good = headers("msg_1", NOW, b"{}");
        let check = |headers: &HeaderMap, body: &[u8], expected: u16| {
            let taken = hook.take(headers, body, NOW).map_err(|(status, _)| status.as_u16());
            assert_eq!(taken, Err(expected), "{headers:?}");
        };
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = good.clone();
            without.remove(name);
            check(&without, b"{}", 400);
            let mut twice = good.clone();
            twice.append(name, good[name].clone());
            check(&twice, b"{}", 400);
        }
        check(&good, b"{ }", 401);
        check(&headers("msg.1", NOW, b"{}"), b"{}", 400);
        check(&headers(&"m".repeat(ID_MAX + 1), NOW, b"{}"), b"{}", 400);
        // None of them was remembered.
        assert!(hook.take(&good, b"{}", NOW).is_ok());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let hook = Hook::new(HookSecret(key()));
        for number in 0..SEEN_MAX + 10 {
            assert!(hook.take(&headers(&format!("msg_{number}"), NOW, b""), b"", NOW).is_ok());
        }
        assert_eq!(hook.seen.lock().expect("whole").len(), SEEN_MAX);
    }
}
