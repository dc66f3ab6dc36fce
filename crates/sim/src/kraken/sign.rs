//! How the venue checks a signature, by itself: it shares no line with those who sign.
//!
//! **Source**: the venue card, sections S2 and F2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use venuekit_sign::Secret;

/// Base64 of HMAC-SHA512 under a secret that is base64 itself; nothing when the secret is not.
fn mac(secret: &Secret, parts: &[&[u8]]) -> Option<String> {
    let key = STANDARD.decode(secret.expose()).ok()?;
    let mut mac = Hmac::<Sha512>::new_from_slice(&key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// What `API-Sign` has to be.
pub(super) fn spot(secret: &Secret, path: &str, nonce: &str, body: &[u8]) -> Option<String> {
    mac(secret, &[path.as_bytes(), &digest(&[nonce.as_bytes(), body])])
}

/// What `Authent` has to be; `endpoint` begins with `/api/`.
pub(super) fn futures(secret: &Secret, post_data: &[u8], nonce: &str, endpoint: &str) -> Option<String> {
    mac(secret, &[&digest(&[post_data, nonce.as_bytes(), endpoint.as_bytes()])])
}

/// What a signed challenge has to be.
pub(super) fn challenge(secret: &Secret, challenge: &str) -> Option<String> {
    mac(secret, &[&digest(&[challenge.as_bytes()])])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: &str =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
    const FUTURES: &str =
        "7zxMEF5p/Z8l2p2U7Ghv6x14Af+Fx+92tPgUdVQ748FOIrEoT9bgT+bTRfXc5pz8na+hL/QdrCVG7bh9KpT0eMTm";

    #[test]
    fn the_documents_vectors() {
        let body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25";
        assert_eq!(
            spot(&Secret::from(SPOT), "/0/private/AddOrder", "1616492376594", body).as_deref(),
            Some("4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==")
        );
        let secret = Secret::from(FUTURES);
        assert_eq!(
            challenge(&secret, "c100b894-1729-464d-ace1-52dbce11db42").as_deref(),
            Some("4JEpF3ix66GA2B+ooK128Ift4XQVtc137N9yeg4Kqsn9PI0Kpzbysl9M1IeCEdjg0zl00wkVqcsnG4bmnlMb3A==")
        );
        for (data, nonce, endpoint, expected) in [
            (
                "",
                "1415957147987",
                "/api/v3/accounts",
                "ar47HmgHaRy9Sx4pgny8d0JvjsPmPE1vDPwEb2c+42WPpLtRI4xcLAppaweKMoTpyJQxYZEPqCM5LK5SDaPdBA==",
            ),
            (
                "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.001&limitPrice=50000&cliOrdId=abc%20def",
                "1415957147987",
                "/api/v3/sendorder",
                "D7Ur8BXtwsrL4aTnpkMMmeaM8QeIv5DaK4mhERXBlRwBDT+PCfTTvK7vdTlqDS/iJx62J7pf87R5m2+1ts2t8g==",
            ),
            (
                "since=1700000000000&sort=asc",
                "",
                "/api/history/v3/executions",
                "JHyvklbHghYKga8EjS21PJJ1s9r16ZjbYLyqyWvg1+KRlKojV0tTyKzwF5pawMt9cub5x11jwZmRi0X5tw0KVA==",
            ),
        ] {
            assert_eq!(futures(&secret, data.as_bytes(), nonce, endpoint).as_deref(), Some(expected));
        }
        assert_eq!(futures(&Secret::from("not base64"), b"", "", ""), None);
    }
}
