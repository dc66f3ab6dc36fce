//! The JSON body of a request: fields by name, numbers from their text, never through a float.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::duedex::rest::{INVALID, Refusal};
use crate::front::Request;

/// The largest body that is read.
const BODY_MAX: usize = 16 << 10;

/// The fields of a body.
pub(super) struct Body<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Body<'a> {
    /// Reads the body of a request.
    pub(super) fn of(request: &Request<'a>) -> Result<Body<'a>, Refusal> {
        if request.body.len() > BODY_MAX {
            return Err((5008, "Request too large"));
        }
        let kind = request.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let mut parts = kind.split(';').map(str::trim);
        if parts.next() != Some("application/json") {
            return Err((5009, "Unsupported MIME type"));
        }
        let charset = parts.find_map(|part| part.strip_prefix("charset="));
        if charset.is_some_and(|charset| charset.trim_matches('"') != "utf-8") {
            return Err((5007, "Unsupported charset"));
        }
        let text = std::str::from_utf8(request.body).map_err(|_| (5007, "Unsupported charset"))?;
        serde_json::from_str(text).map(Body).map_err(|_| INVALID)
    }

    /// A field's raw text; null is as good as absent.
    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|value| value.get()).filter(|text| *text != "null")
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.raw(name).map(|raw| serde_json::from_str(raw).map_err(|_| INVALID)).transpose()
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.raw(name).map(|raw| raw.parse().map_err(|_| INVALID)).transpose()
    }

    /// A decimal, as a number or as a string.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
            return Err(INVALID);
        }
        text.parse().map(Some).map_err(|_| INVALID)
    }

    /// An integer, as a number or as a string.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(number) = self.decimal(name)? else { return Ok(None) };
        i64::try_from(number).ok().filter(|_| number.fract().is_zero()).map(Some).ok_or(INVALID)
    }
}
