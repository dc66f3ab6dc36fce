//! Why a message does not read, and the one entry to reading it.

use serde::Deserialize;

use crate::bulk;

/// Why bytes are not the message they should be. Its text is bounded, whatever the peer sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes are no text at all.
    #[error("not UTF-8 from byte {at} on")]
    Utf8 {
        /// Where the first wrong byte stands.
        at: usize,
    },
    /// The text is no JSON, or not of the shape this message has.
    #[error("{reason}")]
    Json {
        /// What is wrong and where; a missing or repeated field is named.
        reason: Box<str>,
    },
    /// A list is longer than any that a venue writes.
    #[error("a list of too many elements: read to byte {at}")]
    TooLong {
        /// Where the first element beyond the bound begins.
        at: usize,
    },
    /// The message lacks a field that its kind must have.
    #[error("missing field `{field}`")]
    Missing {
        /// As the venue spells it.
        field: &'static str,
    },
}

/// The longest reason that is kept: a peer's own text may be quoted in it.
const REASON_BYTES_MAX: usize = 200;

impl From<serde_json::Error> for WireError {
    fn from(error: serde_json::Error) -> WireError {
        let mut reason = error.to_string();
        if reason.len() > REASON_BYTES_MAX {
            // The place stands at the end and is worth keeping; what is cut is the middle.
            let place = format!("… at line {} column {}", error.line(), error.column());
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX - place.len()));
            reason.push_str(&place);
        }
        WireError::Json { reason: reason.into() }
    }
}

/// Reads any message type of this crate, borrowing from the bytes.
///
/// **Errors**: [`WireError`] for whatever a peer may send; never a panic, whatever the depth, and never more memory
/// than a few times the bytes.
pub fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, WireError> {
    Ok(serde_json::from_str(text(bytes)?)?)
}

/// The bytes as text, with no list in it that is too long.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, WireError> {
    if let Some(at) = bulk::too_long(bytes) {
        return Err(WireError::TooLong { at });
    }
    std::str::from_utf8(bytes).map_err(|error| WireError::Utf8 { at: error.valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_keeps_its_place() {
        let long = format!("\"{}\"", "é".repeat(100_000));
        let WireError::Json { reason } = parse::<u64>(long.as_bytes()).expect_err("no number") else {
            panic!("JSON it is")
        };
        assert!(reason.len() <= REASON_BYTES_MAX, "{}", reason.len());
        assert!(reason.starts_with("invalid type: string"), "{reason}");
        assert!(reason.ends_with("at line 1 column 200002"), "{reason}");
        assert_eq!(parse::<&str>(b"\"ab\xff\""), Err(WireError::Utf8 { at: 3 }));
    }
}
