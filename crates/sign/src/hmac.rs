//! HMAC-SHA256 in hexadecimal, and its comparison. Owns no key: the bytes are an argument.

use alloc::string::String;

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Gives HMAC-SHA256 of `message` under `key` as 64 lower-case hexadecimal digits.
pub fn hmac_sha256_hex(key: &[u8], message: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// Compares two hexadecimal texts in either case, in a time that depends on their lengths alone.
///
/// Servers compare a signature with this: a comparison that stops at the first difference tells an attacker how
/// far a guess was right.
pub fn eq_hex(a: &str, b: &str) -> bool {
    let differing = a
        .bytes()
        .zip(b.bytes())
        .fold(0u8, |bits, (x, y)| bits | (x.to_ascii_lowercase() ^ y.to_ascii_lowercase()));
    a.len() == b.len() && bool::from(differing.ct_eq(&0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// **Source**: RFC 4231, test cases 1, 2 and 6 (a key longer than a block).
    #[test]
    fn rfc_4231() {
        let check = |key: &[u8], message: &[u8], expected: &str| {
            assert_eq!(hmac_sha256_hex(key, message), expected);
        };
        check(&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn hex_is_compared_whole_and_in_either_case() {
        assert!(eq_hex("", ""));
        assert!(eq_hex("b418edd4", "B418EDD4"));
        assert!(!eq_hex("b418edd4", "b418edd"));
        assert!(!eq_hex("b418edd4", "b418edd5"));
        assert!(!eq_hex("b418edd4", "a418edd4"));
        assert!(!eq_hex("", "b4"));
    }
}
