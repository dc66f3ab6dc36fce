//! The retired first version of the spot streams: array frames, read for the sake of recordings alone.

use crate::{Num, RawValue, Text, WireError, parse};

/// One frame: `[id, payload.., channel, pair]`.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// One or two, since a book may send its sides apart; `null` is left out.
    pub payloads: Vec<&'a RawValue>,
    /// With its depth or interval: `book-1000`.
    pub channel: Text<'a>,
    /// As in [`super::spot::AssetPair::wsname`].
    pub pair: Text<'a>,
}

/// The sides of a book message; those of a snapshot have an `s` behind their names.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub struct Book<'a> {
    /// Asks of a snapshot.
    #[serde(borrow, rename = "as")]
    pub all_asks: Option<&'a RawValue>,
    /// Bids of a snapshot.
    #[serde(rename = "bs")]
    pub all_bids: Option<&'a RawValue>,
    /// Asks.
    pub a: Option<&'a RawValue>,
    /// Bids.
    pub b: Option<&'a RawValue>,
    /// The checksum, as text.
    pub c: Option<&'a str>,
}

/// `[price, quantity, seconds, side, type, misc]`.
pub type Trade<'a> = (Num<'a>, Num<'a>, Num<'a>, Text<'a>, Text<'a>, Text<'a>);

impl<'a> Frame<'a> {
    /// Reads a frame.
    ///
    /// **Errors**: [`WireError`] for anything but an array that ends in two texts.
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, WireError> {
        let mut parts: Vec<&'a RawValue> = parse(bytes)?;
        let missing = |field| WireError::Missing { field };
        let pair = parse(parts.pop().ok_or(missing("pair"))?.get().as_bytes())?;
        let channel = parse(parts.pop().ok_or(missing("channel"))?.get().as_bytes())?;
        if parts.is_empty() {
            return Err(missing("channelID"));
        }
        let payloads = parts.into_iter().skip(1).filter(|part| part.get() != "null").collect();
        Ok(Frame { payloads, channel, pair })
    }
}
