//! Secrets in memory: wiped when dropped, never printed. Refuses to be serialised, displayed or compared.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes that are wiped on drop and print as `Secret(..)`.
///
/// It has no `Display` and no `Serialize`; a copy is made by an explicit `clone` only.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a secret cannot be used. It says how long the secret is, never what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The venue hands out base64 and this is not.
    #[error(
        "the api secret ({chars} characters) is not padded standard base64; copy it again as the venue showed it"
    )]
    NotBase64 {
        /// Length of the text that was given.
        chars: usize,
    },
    /// It is a private key of a kind that is not signed with here.
    #[error(
        "the api secret is a private key that is no plain Ed25519 key; make an Ed25519 key without a password at the venue (RSA keys are not signed with), or use an HMAC secret"
    )]
    NotEd25519,
    /// It has another length than secrets of its kind.
    #[error("the secret has {bytes} bytes, and one of its kind has 24 to 64; make a new one")]
    Length {
        /// How many it has.
        bytes: usize,
    },
    /// There is nothing to sign with.
    #[error("the api secret is empty; set it in the environment")]
    Empty,
}

impl Secret {
    /// Lends the bytes. What is done with them must not print, log or store them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Decodes a secret that the venue hands out in base64.
    ///
    /// **Errors**: [`SecretError`], without a byte of the secret in it.
    pub fn decode_base64(&self) -> Result<Secret, SecretError> {
        if self.0.is_empty() {
            return Err(SecretError::Empty);
        }
        // One allocation of full size, so that no shorter copy is left behind unwiped.
        let mut bytes = Zeroizing::new(alloc::vec![0u8; base64::decoded_len_estimate(self.0.len())]);
        let length = STANDARD
            .decode_slice(self.0.as_slice(), bytes.as_mut_slice())
            .map_err(|_| SecretError::NotBase64 { chars: self.0.len() })?;
        bytes.truncate(length);
        Ok(Secret(bytes))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret::from(text.into_bytes())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret::from(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What an account signs with.
///
/// It prints as the first characters of its key and nothing else.
#[derive(Clone)]
pub struct Credentials {
    /// The key's id, as the venue names it. Not secret, yet never printed whole.
    pub key: String,
    /// What signs.
    pub secret: Secret,
    /// A third part that some venues ask for.
    pub passphrase: Option<Secret>,
}

impl Credentials {
    /// A key and its secret, without a passphrase.
    pub fn new(key: impl Into<String>, secret: impl Into<Secret>) -> Credentials {
        Credentials { key: key.into(), secret: secret.into(), passphrase: None }
    }

    /// Whether they are the same key with the same secrets, in a time that does not depend on what differs.
    pub fn is(&self, other: &Credentials) -> bool {
        let bytes = |secret: &Option<Secret>| secret.clone().unwrap_or(Secret::from("")).0;
        let (ours, theirs) = (bytes(&self.passphrase), bytes(&other.passphrase));
        let same = self.key.as_bytes().ct_eq(other.key.as_bytes())
            & self.secret.0.ct_eq(&other.secret.0)
            & ours.ct_eq(&theirs);
        same.into()
    }

    /// The name under which logs and messages mention this key: `key_id=AbCd…`, or `key_id=…` for a key so
    /// short that four characters would give much of it away.
    pub fn key_id(&self) -> String {
        let shown = if self.key.len() >= 16 { 4 } else { 0 };
        let start: String = self.key.chars().take(shown).collect();
        alloc::format!("key_id={start}…")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.key_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn decodes_padded_standard_base64_only() {
        let decode = |text: &str| Secret::from(text).decode_base64().map(|secret| secret.expose().to_vec());
        assert_eq!(decode("AAEC/w=="), Ok(alloc::vec![0, 1, 2, 255]));
        assert_eq!(decode("++//"), Ok(alloc::vec![0xfb, 0xef, 0xff]));
        assert_eq!(decode(""), Err(SecretError::Empty));
        for text in ["AAEC/w", "AAEC_w==", "AAEC/w==\n", "not base64", "A"] {
            assert_eq!(decode(text), Err(SecretError::NotBase64 { chars: text.len() }), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_itself_and_no_other() {
        let key = Credentials::new("k", "s");
        assert!(key.is(&key.clone()));
        let with_phrase = Credentials { passphrase: Some("p".into()), ..key.clone() };
        for other in [Credentials::new("k", "S"), Credentials::new("K", "s"), with_phrase] {
            assert!(!key.is(&other) && !other.is(&key) && other.is(&other), "{other:?}");
        }
    }

    #[test]
    fn nothing_prints_a_canary() {
        let canary = "CANARYCANARYCANARYCANARYCANARY!!";
        let key = "KEYKEYKEYKEYKEYKEYKEYKEY";
        let secret = Secret::from(canary);
        let mut credentials = Credentials::new(key, secret.clone());
        credentials.passphrase = Some(secret.clone());
        let request = crate::duedex::Request {
            method: "GET",
            path: "/v1/margin",
            timestamp: "1600000000000",
            expiration: None,
            query: "",
            body: "",
        };
        let base64 = STANDARD.encode(canary);
        let encoded = Credentials::new(key, base64.as_str());
        let printed = [
            alloc::format!("{secret:?} {secret:#?} {:?}", Some(&secret)),
            alloc::format!("{credentials:?} {credentials:#?} {}", credentials.key_id()),
            alloc::format!("{:?}", credentials.secret.decode_base64().expect_err("not base64")),
            credentials.secret.decode_base64().expect_err("not base64").to_string(),
            alloc::format!("{encoded:?} {:?}", encoded.secret.decode_base64()),
            alloc::format!("{:?}", request.sign(&encoded).expect("base64")),
            alloc::format!("{:?}", crate::doex::sign(&credentials, &[("asset", "BTC")])),
        ];
        let bytes = alloc::format!("{:?}", canary.as_bytes());
        let listed = bytes.trim_matches(['[', ']']).to_string();
        let forms = [canary.to_string(), hex::encode(canary), hex::encode_upper(canary), base64, listed];
        for text in printed {
            for form in &forms {
                // A third of the canary is as bad as the whole.
                let part = &form[..form.len() / 3];
                assert!(!text.contains(part), "{text} holds {part}");
            }
            assert!(!text.contains(key), "{text} holds the whole key");
        }
        assert_eq!(alloc::format!("{credentials:?}"), "Credentials(key_id=KEYK…)");
        assert_eq!(Credentials::new("short", "s").key_id(), "key_id=…");
        assert_eq!(Credentials::new("ééééééééé", "s").key_id(), "key_id=éééé…");
    }
}
