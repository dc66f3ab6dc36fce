//! Kraken: HMAC-SHA512 over a SHA256, in base64, in one way for spot and in another for futures.
//!
//! **Source**: docs.kraken.com, "Spot REST authentication" and "Futures REST authentication", read 2026-10.

use alloc::string::String;

use ::hmac::{Hmac, KeyInit, Mac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use crate::{Secret, SecretError};

/// The header of spot that carries the key.
pub const SPOT_KEY_HEADER: &str = "API-Key";
/// The header of spot that carries the signature.
pub const SPOT_SIGNATURE_HEADER: &str = "API-Sign";
/// The header of futures that carries the key.
pub const FUTURES_KEY_HEADER: &str = "APIKey";
/// The header of futures that carries the signature.
pub const FUTURES_SIGNATURE_HEADER: &str = "Authent";
/// The header of futures that carries the nonce; without it the nonce is empty.
pub const FUTURES_NONCE_HEADER: &str = "Nonce";

/// Signs a request of spot: the path, then the hash of the nonce and the body, which repeats the nonce.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub fn spot(secret: &Secret, path: &str, nonce: &str, body: &str) -> Result<String, SecretError> {
    let hash = Sha256::new().chain_update(nonce).chain_update(body).finalize();
    mac(secret, &[path.as_bytes(), &hash])
}

/// Signs a request of futures: the hash of the parameters as they travel, the nonce, and the path without
/// `/derivatives`.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub fn futures(secret: &Secret, data: &str, nonce: &str, path: &str) -> Result<String, SecretError> {
    let path = path.strip_prefix("/derivatives").unwrap_or(path);
    let hash = Sha256::new().chain_update(data).chain_update(nonce).chain_update(path).finalize();
    mac(secret, &[&hash])
}

/// Signs the text that a stream of futures asks to have signed.
///
/// **Errors**: [`SecretError`] when the secret is not base64.
pub fn challenge(secret: &Secret, text: &str) -> Result<String, SecretError> {
    mac(secret, &[&Sha256::digest(text)])
}

fn mac(secret: &Secret, parts: &[&[u8]]) -> Result<String, SecretError> {
    let key = secret.decode_base64()?;
    let mut mac = Hmac::<Sha512>::new_from_slice(key.expose()).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// **Source**: the worked example of the documents, and the golden vector of the venue's own SDK.
    #[test]
    fn spot_vectors() {
        let secret = Secret::from(
            "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==",
        );
        let body = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25";
        assert_eq!(
            spot(&secret, "/0/private/AddOrder", "1616492376594", body).as_deref(),
            Ok("4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==")
        );
        let secret = Secret::from(STANDARD.encode([1u8; 32]));
        let nonce = "1700000000000000000";
        assert_eq!(
            spot(&secret, "/0/private/Balance", nonce, "nonce=1700000000000000000").as_deref(),
            Ok("6i7+cpXVLDDnDOekgsRcgFQhkYFyPDSSxhSVA8OrA6vjziXcy2K1DP3n7f9B/Kgni71WjBSQusZKxduRsdF20Q==")
        );
    }

    /// **Source**: the challenge of the documents; the others are composed, and recomputed by another program.
    #[test]
    fn futures_vectors() {
        let secret = Secret::from(
            "7zxMEF5p/Z8l2p2U7Ghv6x14Af+Fx+92tPgUdVQ748FOIrEoT9bgT+bTRfXc5pz8na+hL/QdrCVG7bh9KpT0eMTm",
        );
        assert_eq!(
            challenge(&secret, "c100b894-1729-464d-ace1-52dbce11db42").as_deref(),
            Ok("4JEpF3ix66GA2B+ooK128Ift4XQVtc137N9yeg4Kqsn9PI0Kpzbysl9M1IeCEdjg0zl00wkVqcsnG4bmnlMb3A==")
        );
        let check = |data: &str, nonce: &str, path: &str, expected: &str| {
            assert_eq!(futures(&secret, data, nonce, path).as_deref(), Ok(expected), "{path}");
        };
        check(
            "",
            "1415957147987",
            "/derivatives/api/v3/accounts",
            "ar47HmgHaRy9Sx4pgny8d0JvjsPmPE1vDPwEb2c+42WPpLtRI4xcLAppaweKMoTpyJQxYZEPqCM5LK5SDaPdBA==",
        );
        check(
            "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.001&limitPrice=50000&cliOrdId=abc%20def",
            "1415957147987",
            "/api/v3/sendorder",
            "D7Ur8BXtwsrL4aTnpkMMmeaM8QeIv5DaK4mhERXBlRwBDT+PCfTTvK7vdTlqDS/iJx62J7pf87R5m2+1ts2t8g==",
        );
        check(
            "since=1700000000000&sort=asc",
            "",
            "/api/history/v3/executions",
            "JHyvklbHghYKga8EjS21PJJ1s9r16ZjbYLyqyWvg1+KRlKojV0tTyKzwF5pawMt9cub5x11jwZmRi0X5tw0KVA==",
        );
    }

    #[test]
    fn a_secret_that_is_not_base64_is_an_error() {
        let secret = Secret::from("not-base64!");
        assert_eq!(challenge(&secret, "a"), Err(SecretError::NotBase64 { chars: 11 }));
        assert_eq!(spot(&secret, "/", "1", "nonce=1"), Err(SecretError::NotBase64 { chars: 11 }));
    }
}
