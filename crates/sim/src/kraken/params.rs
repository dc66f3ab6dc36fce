//! What a request carries besides its path: the query, a form or a flat JSON object.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use venuekit_types::Scale;

use crate::query::decode;

/// The largest body that is read.
const BODY_MAX: usize = 64 << 10;

/// Names and values, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=b&c=d`; nothing when an encoding is broken.
    pub(super) fn form(text: &str) -> Option<Params> {
        if text.len() > BODY_MAX {
            return None;
        }
        let unescaped = |text: &str| decode(&text.replace('+', " ")).map(|text| text.into_owned());
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescaped(name)?, unescaped(value)?))
        });
        pairs.collect::<Option<Vec<_>>>().map(Params)
    }

    /// Reads an object of scalars; what is no scalar stays as its text.
    pub(super) fn json(text: &str) -> Option<Params> {
        if text.len() > BODY_MAX {
            return None;
        }
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else { return None };
        let fields = fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        Some(Params(fields.collect()))
    }

    /// These and then those.
    pub(super) fn and(mut self, mut more: Params) -> Params {
        self.0.append(&mut more.0);
        self
    }

    /// The first value of a name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find(|(other, _)| other == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    /// All values of a name.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    }

    /// True when a flag is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "true" || value == "1")
    }
}

/// Why a decimal is no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotCounts {
    /// It is no plain decimal.
    Malformed,
    /// It has more places than the scale.
    TooFine,
}

/// A plain decimal in counts of a scale.
pub(super) fn counts(text: &str, scale: Scale) -> Result<i64, NotCounts> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        return Err(NotCounts::Malformed);
    }
    let value: Decimal = text.parse().map_err(|_| NotCounts::Malformed)?;
    let counts = value.checked_mul(Decimal::from(scale.unit())).ok_or(NotCounts::Malformed)?;
    if !counts.fract().is_zero() {
        return Err(NotCounts::TooFine);
    }
    counts.to_i64().ok_or(NotCounts::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::scale;

    #[test]
    fn forms_and_objects_are_read_alike() {
        let form = Params::form("nonce=7&pair=XBT%2FUSD&note=a+b&empty=&ids=1&ids=2").expect("well formed");
        assert_eq!(
            (form.get("pair"), form.get("note"), form.get("empty")),
            (Some("XBT/USD"), Some("a b"), None)
        );
        assert_eq!(form.all("ids"), ["1", "2"]);
        let json = Params::json(r#"{"nonce":7,"pair":"XBT/USD","validate":true}"#).expect("an object");
        assert_eq!((json.get("nonce"), json.flag("validate")), (Some("7"), true));
        assert!(Params::form("a=%zz").is_none() && Params::json("[1]").is_none());
    }

    #[test]
    fn decimals_become_counts_exactly() {
        assert_eq!(counts("37500", scale(1)), Ok(375_000));
        assert_eq!(counts("0.05", scale(1)), Err(NotCounts::TooFine));
        assert_eq!(counts("1e3", scale(1)), Err(NotCounts::Malformed));
        assert_eq!(counts("", scale(1)), Err(NotCounts::Malformed));
    }
}
