//! The vectors that the venue published, as recorded outside this repository.
//!
//! They are looked for in `VENUEKIT_RECORDINGS`, by default beside the workspace.

use std::path::PathBuf;

use venuekit_sign::{Secret, SecretError, binance, duedex, kraken};

/// The folder of recordings, or nothing, said in one line; required in CI.
fn recordings() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(|| default.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    println!("skipped: no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    None
}

#[test]
fn duedex_published() {
    let Some(folder) = recordings() else { return };
    let text = std::fs::read_to_string(folder.join("duedex/signing/vectors.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let field = |name: &str| vector[name].as_str().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(field("scheme"), "hmac_sha256_hex_b64key");
        let secret = Secret::from(field("secret"));
        assert_eq!(duedex::answer(&secret, field("payload")).as_deref(), Ok(field("expected")));
        // A REST vector must also come out of its parts, not of the ready text alone.
        let parts: Vec<&str> = field("payload").splitn(6, '|').collect();
        if let [method, path, timestamp, expiration, query, body] = parts[..] {
            let expiration = (!expiration.is_empty()).then_some(expiration);
            let request = duedex::Request { method, path, timestamp, expiration, query, body };
            assert_eq!(request.verify(&secret, field("expected")), Ok(true));
        }
    }
}

#[test]
fn kraken_published() {
    let Some(folder) = recordings() else { return };
    let mut checked = 0;
    for venue in ["kraken", "kraken-futures"] {
        let text = std::fs::read_to_string(folder.join(venue).join("signing/vectors.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let field = |name: &str| vector[name].as_str().unwrap_or_default();
            let secret = Secret::from(field("secret"));
            let (payload, nonce, path) = (field("payload"), field("nonce"), field("path"));
            let made = match field("scheme") {
                "kraken_spot" => kraken::spot(&secret, path, nonce, payload),
                "kraken_futures" if path.is_empty() => kraken::challenge(&secret, payload),
                "kraken_futures" => kraken::futures(&secret, payload, nonce, path),
                // The checksum of a book stands with the book.
                other => {
                    assert_eq!(other, "crc32_u32");
                    continue;
                }
            };
            assert_eq!(made.as_deref(), Ok(field("expected")), "{}", field("id"));
            checked += 1;
        }
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn binance_published() {
    let Some(folder) = recordings() else { return };
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for venue in ["binance", "binance-usdm"] {
        let text = std::fs::read_to_string(folder.join(venue).join("signing/vectors.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            let field = |name: &str| vector[name].as_str().unwrap_or_else(|| panic!("no {name}"));
            let secret = vector["secret"].as_str().or(vector["private_key_pem"].as_str()).expect("a secret");
            let signed = binance::sign(&Secret::from(secret), field("payload").as_bytes());
            match field("scheme") {
                // What the venue takes as well and we do not make: refused by name.
                "rsa_pkcs1_sha256_b64" => assert_eq!(signed, Err(SecretError::NotEd25519)),
                _ => assert_eq!(signed.as_deref(), Ok(field("expected")), "{}", field("id")),
            }
            *seen.entry(field("scheme").to_owned()).or_default() += 1;
        }
    }
    assert!(seen["hmac_sha256_hex"] >= 10 && seen["ed25519_b64"] >= 1, "{seen:?}");
}
