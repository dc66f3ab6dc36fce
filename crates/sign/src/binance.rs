//! Binance: the text as it travels, signed with an HMAC secret or an Ed25519 key, told apart by the secret's form.
//!
//! **Source**: rest-api.md and web-socket-api.md of binance-spot-api-docs as of 2026-07-21. The venue also takes RSA
//! keys; Ed25519 keys do the same with shorter signatures, so RSA keys are refused here by name.

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::{Secret, SecretError, eq_hex, hmac_sha256_hex};

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// The same before the 32 bytes of a public key.
const ED25519_PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs a text: 64 hexadecimal digits with an HMAC secret, 88 characters of base64 with an Ed25519 key, which are to
/// be percent-encoded where they travel in a URL.
///
/// **Errors**: [`SecretError`] for an RSA key, one that is locked by a password, and none at all.
pub fn sign(secret: &Secret, text: &[u8]) -> Result<String, SecretError> {
    Ok(match ed25519(secret)? {
        Some(key) => STANDARD.encode(key.sign(text).to_bytes()),
        None => hmac_sha256_hex(secret.expose(), text),
    })
}

/// Checks a signature as a server does that holds an HMAC secret or the private key.
///
/// **Errors**: as [`sign`].
pub fn verify(secret: &Secret, text: &[u8], signature: &str) -> Result<bool, SecretError> {
    Ok(match ed25519(secret)? {
        Some(key) => is_signed_by(&key.verifying_key(), text, signature),
        None => eq_hex(signature, &hmac_sha256_hex(secret.expose(), text)),
    })
}

/// Checks a signature as a server does that was given the public key, in PEM.
pub fn verify_public(public_pem: &str, text: &[u8], signature: &str) -> bool {
    let key = der(public_pem).and_then(|der| der.strip_prefix(&ED25519_PUBLIC)?.try_into().ok());
    let key = key.and_then(|bytes: [u8; 32]| VerifyingKey::from_bytes(&bytes).ok());
    key.is_some_and(|key| is_signed_by(&key, text, signature))
}

fn is_signed_by(key: &VerifyingKey, text: &[u8], signature: &str) -> bool {
    let bytes = STANDARD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.is_some_and(|bytes: [u8; 64]| key.verify_strict(text, &Signature::from_bytes(&bytes)).is_ok())
}

/// The key, where the secret is one; nothing for an HMAC secret, which is any text.
fn ed25519(secret: &Secret) -> Result<Option<SigningKey>, SecretError> {
    if secret.expose().is_empty() {
        return Err(SecretError::Empty);
    }
    let Ok(text) = core::str::from_utf8(secret.expose()) else { return Ok(None) };
    let armoured = text.trim_start().starts_with("-----BEGIN");
    // Without its armour a key is text like any other, except for how it begins.
    if !armoured && !text.starts_with("MC4CAQAwBQYDK2VwBCIEI") {
        return Ok(None);
    }
    let key = der(text).and_then(|der| {
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(der.strip_prefix(&ED25519)?.try_into().ok()?);
        Some(SigningKey::from_bytes(&seed))
    });
    key.map(Some).ok_or(SecretError::NotEd25519)
}

/// The bytes inside PEM, with its armour or without.
fn der(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let lines = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let joined: Zeroizing<String> = Zeroizing::new(lines.collect());
    STANDARD.decode(joined.as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// The first test key of RFC 8032, section 7.1.
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const PUBLIC: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

    fn check(secret: &str, text: &str, expected: &str) {
        let secret = Secret::from(secret);
        assert_eq!(sign(&secret, text.as_bytes()).as_deref(), Ok(expected));
        assert_eq!(verify(&secret, text.as_bytes(), expected), Ok(true));
        assert_eq!(verify(&secret, format!("{text}&").as_bytes(), expected), Ok(false));
        assert_eq!(verify(&secret, text.as_bytes(), &expected[1..]), Ok(false));
    }

    #[test]
    fn hmac_secrets_make_digits() {
        check(
            SECRET,
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        );
        // A name of full-width digits, encoded before it is signed.
        check(
            SECRET,
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        );
        // The WebSocket API signs names in order, and nothing encoded.
        check(
            SECRET,
            "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        );
    }

    #[test]
    fn ed25519_keys_make_base64() {
        let text = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2&timestamp=1668481559918&recvWindow=5000";
        let expected =
            "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg==";
        check(PRIVATE, text, expected);
        check(
            &format!("-----BEGIN PRIVATE KEY-----\n{PRIVATE}\n-----END PRIVATE KEY-----\n"),
            text,
            expected,
        );
        check(
            &format!("\n-----BEGIN PRIVATE KEY-----\r\n{PRIVATE}\r\n-----END PRIVATE KEY-----"),
            text,
            expected,
        );
        let public = format!("-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n");
        assert!(verify_public(&public, text.as_bytes(), expected));
        assert!(!verify_public(&public, b"another", expected));
        assert!(!verify_public(PRIVATE, text.as_bytes(), expected));
    }

    #[test]
    fn other_keys_are_refused_by_name() {
        let rsa = "-----BEGIN PRIVATE KEY-----\nMIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGB\n-----END PRIVATE KEY-----";
        let old_rsa = "-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQ==\n-----END RSA PRIVATE KEY-----";
        let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIFNTBfBgkqhkiG9w0BBQ0w\n-----END ENCRYPTED PRIVATE KEY-----";
        let cut = &PRIVATE[..60];
        for secret in [rsa, old_rsa, locked, cut, "-----BEGIN PRIVATE KEY-----"] {
            let error = sign(&Secret::from(secret), b"x").expect_err(secret);
            assert_eq!(error, SecretError::NotEd25519, "{secret}");
            assert!(format!("{error}").contains("Ed25519"), "{error}");
        }
        assert_eq!(sign(&Secret::from(""), b"x"), Err(SecretError::Empty));
    }
}
