//! Text as it stands in a message, and closed sets of words that stay open to new ones.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// Text borrowed from the message, or owned where it was escaped or is ours.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Text<'a> {
        Text(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text))
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// By hand, because serde's derive lends a `Cow` from the input only where it is not inside an `Option`. A whole
/// number is read as its digits: ids are text to one venue and numbers to the next.
impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Text that opens something: a key, an answer, a listen key. It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden<'a>(pub Text<'a>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Serialize for Hidden<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Hidden<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hidden<'a>, D::Error> {
        Text::deserialize(deserializer).map(Hidden)
    }
}

/// Reads `null` as the empty value of a type.
#[allow(dead_code, reason = "used by the venues' modules, which are features")]
pub(crate) fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(unreachable_pub, reason = "the macro declares public enums")]

    use super::*;

    words! {
        /// Two words, one of them misspelt by its venue.
        Word {
            /// One.
            One = "one",
            /// Two.
            Two = "two" | "tow",
        }
    }

    #[derive(serde::Deserialize)]
    struct Row<'a> {
        #[serde(borrow)]
        plain: Text<'a>,
        optional: Option<Text<'a>>,
        list: Vec<Text<'a>>,
        #[serde(default, deserialize_with = "null_as_empty")]
        null: Vec<Text<'a>>,
    }

    #[test]
    fn text_is_borrowed_unless_escaped() {
        let row: Row<'_> =
            crate::parse(br#"{"plain":"a","optional":"b","list":["c","BTC\/USDT"],"null":null}"#)
                .expect("valid");
        assert!(matches!(row.plain.0, Cow::Borrowed("a")));
        assert!(matches!(row.optional, Some(Text(Cow::Borrowed("b")))));
        assert!(matches!(row.list[0].0, Cow::Borrowed("c")));
        assert!(matches!(&row.list[1].0, Cow::Owned(text) if text == "BTC/USDT"));
        assert!(row.null.is_empty());
    }

    #[test]
    fn words_are_read_in_every_spelling_and_kept_when_unknown() {
        let words: Vec<Word<'_>> = crate::parse(br#"["one","tow","two","th\u0072ee"]"#).expect("valid");
        assert_eq!(words, [Word::One, Word::Two, Word::Two, Word::Other("three".into())]);
        assert_eq!(serde_json::to_string(&words).expect("valid"), r#"["one","two","two","three"]"#);
    }

    #[test]
    fn what_is_hidden_travels_and_does_not_print() {
        let hidden: Hidden<'_> = crate::parse(br#""canary""#).expect("valid");
        assert_eq!(format!("{hidden:?} {:?}", Some(&hidden)), "Hidden(..) Some(Hidden(..))");
        assert_eq!(serde_json::to_string(&hidden).expect("valid"), r#""canary""#);
    }
}
