//! What is wrong with a config, where, and what was probably meant.

use std::fmt;
use std::ops::Range;

/// A mistake in a config file, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; 0 where the mistake has no place.
    pub line: usize,
    /// The column in characters, from 1; 0 where the mistake has no place.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// A file's text under its name: turns byte offsets into places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ConfigError {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// What the parser says, in our words where a name is unknown.
    pub(super) fn parse_error(&self, error: &toml::de::Error) -> ConfigError {
        let message = unknown_name(error.message()).unwrap_or_else(|| error.message().to_owned());
        match error.span() {
            Some(span) => self.error(span, message),
            None => ConfigError { file: self.name.to_owned(), line: 0, column: 0, message },
        }
    }
}

/// serde quotes the unknown name and every known one in backticks.
fn unknown_name(message: &str) -> Option<String> {
    let what = match message {
        m if m.starts_with("unknown field") => "key",
        m if m.starts_with("unknown variant") => "value",
        _ => return None,
    };
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(unknown(what, given, &known))
}

/// `unknown channel "boook", did you mean "book"? known are book, trades`.
pub(crate) fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let mut message = format!("unknown {what} {given:?}");
    if let Some(near) = nearest(given, known.iter().copied()).first() {
        message.push_str(&format!(", did you mean {near:?}?"));
    }
    if !known.is_empty() {
        message.push_str(&format!(" known are {}", known.join(", ")));
    }
    message
}

/// The names that a mistyped one may have meant, the nearest first: at most three.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['/', '-', '_', ':'], "");
    let wanted = plain(given);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), name))
        .filter(|(distance, name)| *distance <= 1.max(name.len().min(wanted.len()) / 3))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_never() {
        let symbols = ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT", "DOGE/USDT"];
        assert_eq!(nearest("BTC/USTD", symbols), ["BTC/USDT"]);
        assert_eq!(nearest("ETHUSD", symbols), ["ETH/USDT"]);
        assert_eq!(nearest("XRP/EUR", symbols), Vec::<&str>::new());
        assert_eq!(nearest("boook", ["book", "trades"]), ["book"]);
    }

    #[test]
    fn places_count_characters_and_lines_from_one() {
        let source = Source { name: "f.toml", text: "a = 1\n# é\néé = 2\n" };
        let at = |offset| {
            let error = source.error(offset..offset, "m");
            (error.line, error.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(5), (1, 6));
        assert_eq!(at(11), (3, 1));
        assert_eq!(at(13), (3, 2));
        assert_eq!(at(9_999), (4, 1));
    }
}
