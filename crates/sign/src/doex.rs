//! Doex: the sorted query, signed with the secret's own text, `signature` last.
//!
//! **Source**: the brief's signed-request walkthrough, read 2026-11; percent-encoding is assumed.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Credentials, Secret, eq_hex, hmac_sha256_hex};

/// The header that carries the key.
pub const KEY_HEADER: &str = "X-DOEX-APIKEY";

/// A signed query. Prints without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The text that the signature covers: pairs sorted by key, encoded as they travel.
    pub canonical: String,
    /// 64 lower-case hexadecimal digits.
    pub signature: String,
    /// What follows the `?`: the canonical text, then the signature.
    pub query: String,
    /// Headers to send with it.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("canonical", &self.canonical).finish_non_exhaustive()
    }
}

/// Encodes, sorts and signs parameters, among which the caller has put `timestamp`.
pub fn sign(credentials: &Credentials, params: &[(&str, &str)]) -> Signed {
    let mut query = String::new();
    for (name, value) in params {
        if !query.is_empty() {
            query.push('&');
        }
        encode_into(&mut query, name);
        query.push('=');
        encode_into(&mut query, value);
    }
    sign_encoded(credentials, &query)
}

/// Sorts and signs a query whose pairs are encoded already; their bytes are kept as they are.
pub fn sign_encoded(credentials: &Credentials, query: &str) -> Signed {
    let canonical = canonical(query);
    let signature = hmac_sha256_hex(credentials.secret.expose(), canonical.as_bytes());
    let joint = if canonical.is_empty() { "" } else { "&" };
    let query = alloc::format!("{canonical}{joint}signature={signature}");
    Signed { canonical, signature, query, headers: alloc::vec![(KEY_HEADER, credentials.key.clone())] }
}

/// Sorts the pairs of a query by key, leaving their text alone; equal keys keep their order.
pub fn canonical(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by_key(|pair| pair.split('=').next());
    pairs.join("&")
}

/// Checks a query as a server received it: the last pair must be the signature of all the text before it.
pub fn verify(secret: &Secret, query: &str) -> bool {
    let (signed, signature) = match query.rsplit_once("&signature=") {
        Some(parts) => parts,
        None => match query.strip_prefix("signature=") {
            Some(signature) => ("", signature),
            None => return false,
        },
    };
    eq_hex(signature, &hmac_sha256_hex(secret.expose(), signed.as_bytes()))
}

/// Appends text with everything but the unreserved characters of RFC 3986 percent-encoded.
fn encode_into(out: &mut String, text: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &[(&str, &str)], canonical: &str, signature: &str) {
        let credentials = Credentials::new("the-key", "doex-test-secret");
        let signed = sign(&credentials, params);
        assert_eq!(signed.canonical, canonical);
        assert_eq!(signed.signature, signature);
        assert_eq!(signed.query, alloc::format!("{canonical}&signature={signature}"));
        assert_eq!(signed.headers, [("X-DOEX-APIKEY", "the-key".into())]);
        assert!(verify(&credentials.secret, &signed.query));
        assert_eq!(sign_encoded(&credentials, canonical), signed);
    }

    #[test]
    fn vectors() {
        check(
            &[("timestamp", "1700000000000"), ("asset", "BTC")],
            "asset=BTC&timestamp=1700000000000",
            "aa6226956cb12101baf049ac4b1cc320795076334d491dfc434d41a2b31ccaca",
        );
        check(
            &[
                ("symbol", "BTCUSDT"),
                ("side", "BUY"),
                ("type", "LIMIT"),
                ("quantity", "0.00500000"),
                ("price", "27123.45"),
                ("recvWindow", "5000"),
                ("timestamp", "1700000000123"),
            ],
            "price=27123.45&quantity=0.00500000&recvWindow=5000&side=BUY&symbol=BTCUSDT&timestamp=1700000000123&type=LIMIT",
            "33307dc36e4875e4a793fbd133681c217501be05bdc6d9c3b8b421f0804b8641",
        );
    }

    #[test]
    fn the_signature_covers_the_text_as_it_travels() {
        let credentials = Credentials::new("k", "s");
        let signed = sign(&credentials, &[("z", "a b&c=d/é~"), ("a", "x-._~0")]);
        assert_eq!(signed.canonical, "a=x-._~0&z=a%20b%26c%3Dd%2F%C3%A9~");
        assert_eq!(signed.signature, hmac_sha256_hex(b"s", signed.canonical.as_bytes()));
        assert_eq!(sign(&credentials, &[]).canonical, "");
        assert!(verify(&credentials.secret, &sign(&credentials, &[]).query));
    }

    #[test]
    fn keys_sort_as_keys_and_not_as_pairs() {
        // Sorted as whole pairs, "a-=3" would stand before "a=9".
        assert_eq!(canonical("b=2&a=9&a=1&&ab=0&a-=3"), "a=9&a=1&a-=3&ab=0&b=2");
    }

    #[test]
    fn any_change_is_refused() {
        let credentials = Credentials::new("k", "s");
        let query = sign(&credentials, &[("asset", "BTC"), ("timestamp", "1")]).query;
        let verifies = |query: &str| verify(&credentials.secret, query);
        assert!(verifies(&query));
        assert!(!verifies(&query.replace("BTC", "ETH")));
        assert!(!verifies(&alloc::format!("{query}&extra=1")));
        assert!(!verifies("asset=BTC&timestamp=1"));
        assert!(!verifies("asset=BTC&timestamp=1&signature="));
        assert!(!verify(&Secret::from("other"), &query));
    }
}
