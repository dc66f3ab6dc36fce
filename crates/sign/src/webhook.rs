//! Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in base64 behind `v1,`.
//!
//! Owns the signature and the span in which it is good. It refuses to read a clock, and to remember which messages came
//! before: that is the receiver's.

use alloc::string::String;

use ::hmac::{Hmac, KeyInit, Mac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Secret, SecretError};

/// How far the time of an attempt may lie from the receiver's clock, either way.
///
/// **Units**: seconds.
pub const TOLERANCE_S: i64 = 300;

/// Bytes that a secret may have.
const SECRET_BYTES: core::ops::RangeInclusive<usize> = 24..=64;
/// Signatures looked at in one message: a sender that changes its secret sends two.
const SIGNATURES_MAX: usize = 8;

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It carries no time that reads.
    #[error("the time of the attempt is no count of seconds")]
    Time,
    /// It is older, or from further ahead, than anybody waits for.
    #[error("the time of the attempt is more than five minutes off; check both clocks, or send it anew")]
    Late,
    /// Nobody who has the secret signed this.
    #[error("no signature fits; check the secret at both ends")]
    Signature,
}

/// Reads a secret as it is handed out: `whsec_` and the base64 of 24 to 64 bytes.
///
/// **Errors**: [`SecretError`], without a byte of it.
pub fn secret(text: &Secret) -> Result<Secret, SecretError> {
    let shown = text.expose();
    let bare = shown.strip_prefix(b"whsec_").unwrap_or(shown);
    let bytes = Secret::from(bare.to_vec()).decode_base64()?;
    match SECRET_BYTES.contains(&bytes.expose().len()) {
        true => Ok(bytes),
        false => Err(SecretError::Length { bytes: bytes.expose().len() }),
    }
}

/// Gives the value of the header `webhook-signature` for one attempt.
///
/// **Units**: `timestamp` is Unix seconds.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mac = mac(secret, id, &alloc::format!("{timestamp}"), body);
    alloc::format!("v1,{}", STANDARD.encode(mac))
}

/// Whether a message comes from who has the secret, and was sent within [`TOLERANCE_S`] of `now`.
///
/// `timestamp` and `signatures` are the headers as they came. Every signature is compared in constant time.
///
/// **Units**: `now` is Unix seconds.
///
/// **Errors**: [`WebhookError`]. The signature is checked first, so that a stranger learns nothing of the clock.
pub fn verify(
    secret: &Secret,
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: i64,
) -> Result<(), WebhookError> {
    let expected = mac(secret, id, timestamp, body);
    let fits = |signature: &str| {
        let bytes = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        bytes.is_some_and(|bytes| bool::from(bytes.as_slice().ct_eq(expected.as_slice())))
    };
    // All of them are looked at, whichever fits.
    if signatures.split(' ').take(SIGNATURES_MAX).filter(|signature| fits(signature)).count() == 0 {
        return Err(WebhookError::Signature);
    }
    let at: i64 = timestamp.parse().map_err(|_| WebhookError::Time)?;
    match now.checked_sub(at).is_some_and(|age| age.unsigned_abs() <= TOLERANCE_S.unsigned_abs()) {
        true => Ok(()),
        false => Err(WebhookError::Late),
    }
}

fn mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes a key of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn key() -> Secret {
        secret(&Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("24 bytes")
    }

    /// **Source**: the example of the specification's libraries; computed again with Python's `hmac`.
    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(sign(&key(), ID, AT, BODY), SIGNED);
        let bare =
            secret(&Secret::from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("the prefix may be left out");
        assert_eq!(sign(&bare, ID, AT, BODY), SIGNED);
    }

    #[test]
    fn what_was_not_signed_now_by_who_has_the_secret_is_refused() {
        let check = |id: &str, at: &str, signed: &str, body: &[u8], now: i64, expected| {
            assert_eq!(verify(&key(), id, at, signed, body, now), expected, "{id} {at} {signed} {now}");
        };
        let at = AT.to_string();
        let (ok, wrong, late) = (Ok(()), Err(WebhookError::Signature), Err(WebhookError::Late));
        check(ID, &at, SIGNED, BODY, AT, ok);
        // A sender that changes its secret signs with both.
        check(ID, &at, &alloc::format!("v1,AAAA v1a,x {SIGNED}"), BODY, AT, ok);
        for (now, expected) in [(299, ok), (300, ok), (-300, ok), (301, late), (-301, late)] {
            check(ID, &at, SIGNED, BODY, AT + now, expected);
        }
        check("msg_other", &at, SIGNED, BODY, AT, wrong);
        check(ID, "1614265331", SIGNED, BODY, AT, wrong);
        check(ID, &at, SIGNED, br#"{"test": 2432232315}"#, AT, wrong);
        for signed in ["", "v1,", "v1", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", &SIGNED[3..]] {
            check(ID, &at, signed, BODY, AT, wrong);
        }
        for byte in 3..SIGNED.len() {
            let mut other = alloc::vec::Vec::from(SIGNED.as_bytes());
            other[byte] = if other[byte] == b'A' { b'B' } else { b'A' };
            check(ID, &at, core::str::from_utf8(&other).expect("ASCII"), BODY, AT, wrong);
        }
        // Too many are not looked through.
        let many = alloc::format!("{}{SIGNED}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        check(ID, &at, &many, BODY, AT, wrong);
        for at in ["", "now", "99999999999999999999", "-9223372036854775808"] {
            let signed = alloc::format!("v1,{}", STANDARD.encode(mac(&key(), ID, at, BODY)));
            let expected = if at.starts_with('-') { late } else { Err(WebhookError::Time) };
            check(ID, at, &signed, BODY, AT, expected);
        }
    }

    #[test]
    fn a_secret_has_its_length() {
        for (bytes, fits) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            let text = alloc::format!("whsec_{}", STANDARD.encode(alloc::vec![7; bytes]));
            assert_eq!(secret(&Secret::from(text)).is_ok(), fits, "{bytes}");
        }
        assert!(secret(&Secret::from("whsec_no base64")).is_err());
    }
}
