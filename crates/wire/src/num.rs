//! Numbers in the text they came in. Refuses to be a float at any point.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;
use venuekit_types::{Fixed, NumError, Scale, parse_fixed, parse_scaled};

/// A decimal number as a venue wrote it, quoted or bare, to the digit.
///
/// Two are equal when they are spelt alike: `8804.0` is not `8804.00`. Whether the text is a number is found out
/// by whoever asks for one.
#[derive(Clone, PartialEq, Eq)]
pub struct Num<'a> {
    text: Cow<'a, str>,
    quoted: bool,
}

impl<'a> Num<'a> {
    /// A number that travels as a JSON string.
    pub fn quoted(text: impl Into<Cow<'a, str>>) -> Num<'a> {
        Num { text: text.into(), quoted: true }
    }

    /// A number that travels as a JSON number; serialising it fails when the text is not one.
    pub fn bare(text: impl Into<Cow<'a, str>>) -> Num<'a> {
        Num { text: text.into(), quoted: false }
    }

    /// The digits as they came, without quotes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads it as a count of 10^-scale.
    ///
    /// **Errors**: [`NumError`]; nothing is rounded.
    pub fn parse_scaled(&self, scale: Scale) -> Result<i64, NumError> {
        parse_scaled(self.text.as_bytes(), scale)
    }

    /// Reads it at the scale its own digits need.
    ///
    /// **Errors**: [`NumError`]; nothing is rounded.
    pub fn parse_fixed(&self) -> Result<Fixed, NumError> {
        parse_fixed(self.text.as_bytes())
    }

    /// Looks at raw JSON; nothing when it is neither text nor number.
    fn from_raw(raw: &'a RawValue) -> Option<Num<'a>> {
        let json = raw.get();
        match json.as_bytes().first() {
            Some(b'"') => {
                let inner = json.strip_prefix('"')?.strip_suffix('"')?;
                if inner.contains('\\') {
                    serde_json::from_str::<String>(json).ok().map(Num::quoted)
                } else {
                    Some(Num::quoted(inner))
                }
            }
            Some(b'-' | b'0'..=b'9') => Some(Num::bare(json)),
            _ => None,
        }
    }

    /// Reads an optional field: absent, `null` and `""` are all nothing.
    #[allow(dead_code, reason = "used by the venues' modules, which are features")]
    pub(crate) fn optional<'de, D>(deserializer: D) -> Result<Option<Num<'a>>, D::Error>
    where
        'de: 'a,
        D: Deserializer<'de>,
    {
        let Some(raw) = Option::<&'de RawValue>::deserialize(deserializer)? else { return Ok(None) };
        match Num::from_raw(raw) {
            Some(num) if num.text.is_empty() => Ok(None),
            Some(num) => Ok(Some(num)),
            None => Err(D::Error::custom(NOT_A_NUMBER)),
        }
    }
}

const NOT_A_NUMBER: &str = "expected a number or the text of one";

impl<'de: 'a, 'a> Deserialize<'de> for Num<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Num<'a>, D::Error> {
        match Num::from_raw(<&'de RawValue>::deserialize(deserializer)?) {
            Some(num) if !num.text.is_empty() => Ok(num),
            _ => Err(D::Error::custom(NOT_A_NUMBER)),
        }
    }
}

impl Serialize for Num<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.quoted {
            return serializer.serialize_str(&self.text);
        }
        let raw = RawValue::from_string(self.text.clone().into_owned()).map_err(ser::Error::custom)?;
        match Num::from_raw(&raw) {
            Some(num) if !num.quoted => raw.serialize(serializer),
            _ => Err(ser::Error::custom(NOT_A_NUMBER)),
        }
    }
}

impl fmt::Debug for Num<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { fmt::Debug::fmt(&*self.text, f) } else { f.write_str(&self.text) }
    }
}

/// Anything that prints, serialised as a JSON string without a `String` in between: a price on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsText<T>(pub T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Row<'a> {
        #[serde(borrow)]
        a: Num<'a>,
        #[serde(default, deserialize_with = "Num::optional")]
        b: Option<Num<'a>>,
    }

    fn row(json: &str) -> Result<Row<'_>, crate::WireError> {
        crate::parse(json.as_bytes())
    }

    #[test]
    fn keeps_every_digit_and_the_form() {
        for json in
            [r#""8804.00""#, "8804.00", "-0.10", "1e400", "12345678901234567890.123456789012345678901"]
        {
            let text = format!(r#"{{"a": {json} ,"b":{json}}}"#);
            let row = row(&text).expect("valid");
            assert_eq!(row.a.as_str(), json.trim_matches('"'));
            assert!(matches!(row.a.text, Cow::Borrowed(_)));
            assert_eq!(row.b.as_ref(), Some(&row.a));
            assert_eq!(serde_json::to_string(&row.a).expect("valid"), json);
        }
        assert_eq!(row(r#"{"a":"\u0031.5"}"#).expect("valid").a.as_str(), "1.5");
    }

    #[test]
    fn nothing_is_nothing_and_not_zero() {
        for b in ["", r#","b":null"#, r#","b":"""#] {
            assert_eq!(row(&format!(r#"{{"a":1{b}}}"#)).map(|row| row.b), Ok(None), "{b}");
        }
        for a in ["null", r#""""#, "true", "[1]", "{}", "NaN", "-", "01", "+1", "1.", ".5"] {
            let text = format!(r#"{{"a":{a}}}"#);
            assert!(row(&text).is_err(), "{a}");
        }
        assert!(row(r#"{"a":1,"b":[]}"#).is_err());
        let error = row("{}").expect_err("no a").to_string();
        assert!(error.contains("missing field `a`"), "{error}");
    }

    #[test]
    fn numbers_come_from_their_text() {
        let scale = Scale::new(2).expect("2 is a scale");
        assert_eq!(Num::quoted("8804.00").parse_scaled(scale), Ok(880_400));
        assert_eq!(Num::bare("0.1").parse_scaled(scale), Ok(10));
        assert_eq!(Num::bare("1e400").parse_scaled(scale), Err(NumError::OutOfRange));
        assert_eq!(Num::quoted("abc").parse_fixed(), Err(NumError::Syntax { at: 0 }));
        assert_eq!(Num::quoted("0.000750").parse_fixed().map(|f| f.to_string()), Ok("0.00075".to_string()));
    }

    #[test]
    fn what_is_no_number_is_not_written_bare() {
        for text in ["", "abc", "\"1\"", "1,2", "null"] {
            assert!(serde_json::to_string(&Num::bare(text)).is_err(), "{text:?}");
        }
        let level = (AsText(venuekit_types::Scaled::new(880_400, Scale::new(2).expect("2")).padded()), 100);
        assert_eq!(serde_json::to_string(&level).expect("valid"), r#"["8804.00",100]"#);
    }
}
