//! Whole numbers that some venue, or some other client of it, writes as text: `42` and `"42"` are one.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// The integer types of messages.
pub(crate) trait Int: Sized + FromStr + TryFrom<i64> + TryFrom<u64> {}

impl<T: Sized + FromStr + TryFrom<i64> + TryFrom<u64>> Int for T {}

struct Reader<T>(PhantomData<T>);

impl<T: Int> Visitor<'_> for Reader<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or the text of one")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<T>, E> {
        T::try_from(value).map(Some).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<T>, E> {
        T::try_from(value).map(Some).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        match text {
            "" => Ok(None),
            _ => text.parse().map(Some).map_err(|_| E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

/// Reads an optional field: `null` and `""` are nothing.
#[allow(dead_code, reason = "used by the venues' modules, which are features")]
pub(crate) fn optional<'de, D: Deserializer<'de>, T: Int>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Reader(PhantomData))
}

/// Reads a field that must be there.
#[allow(dead_code, reason = "used by the venues' modules, which are features")]
pub(crate) fn required<'de, D: Deserializer<'de>, T: Int>(deserializer: D) -> Result<T, D::Error> {
    optional(deserializer)?.ok_or_else(|| D::Error::custom("expected a whole number, found none"))
}

#[cfg(test)]
mod tests {
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Row {
        #[serde(deserialize_with = "super::required")]
        a: u64,
        #[serde(default, deserialize_with = "super::optional")]
        b: Option<i64>,
    }

    #[test]
    fn digits_count_quoted_or_not() {
        let row = |json: &str| crate::parse::<Row>(json.as_bytes());
        for json in [r#"{"a":42,"b":-7}"#, r#"{"a":"42","b":"-7"}"#] {
            assert_eq!(row(json), Ok(Row { a: 42, b: Some(-7) }), "{json}");
        }
        for json in [r#"{"a":42}"#, r#"{"a":42,"b":null}"#, r#"{"a":42,"b":""}"#] {
            assert_eq!(row(json), Ok(Row { a: 42, b: None }), "{json}");
        }
        for a in ["null", r#""""#, "-1", r#""-1""#, "1.0", r#""1.5""#, "1e3", "true", "[1]", "{}", r#"" 1""#]
        {
            assert!(row(&format!(r#"{{"a":{a}}}"#)).is_err(), "{a}");
        }
        assert_eq!(row(r#"{"a":18446744073709551615}"#).map(|row| row.a), Ok(u64::MAX));
        assert!(row(r#"{"a":18446744073709551616}"#).is_err());
        assert!(row(r#"{"a":1,"b":9223372036854775808}"#).is_err());
    }
}
