//! Whether a secret stands anywhere, in any spelling that a log or a file could give it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A value as it is, in hexadecimal, in base64 of both alphabets, and percent-encoded.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let percent = value.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    let texts = [
        value.to_owned(),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        percent.collect(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Fails where one of the values stands in the bytes.
pub(crate) fn assert_untold<'a>(values: impl IntoIterator<Item = &'a str>, bytes: &[u8], place: &str) {
    for value in values {
        for spelling in spellings(value) {
            let found = bytes.windows(spelling.len()).any(|part| part == spelling);
            assert!(!found, "a key or secret stands in {place}, {} bytes long", spelling.len());
        }
    }
}

#[test]
fn every_spelling_is_found() {
    let told = |text: &str| {
        std::panic::catch_unwind(|| assert_untold(["k+y/="], text.as_bytes(), "a test")).is_err()
    };
    for text in ["a k+y/= b", "6b2b792f3d", "6B2B792F3D", "ayt5Lz0=", "?key=k%2By%2F%3D"] {
        assert!(told(text), "{text}");
    }
    assert!(!told("k+y"));
}
