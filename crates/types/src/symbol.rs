//! Unified symbols, spelled as CCXT spells them.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

/// A unified symbol: `BTC/USDT` spot, `BTC/USDT:USDT` linear, `BTC/USD:BTC` inverse.
///
/// **Source**: CCXT's unified symbols, read 2026-11.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

/// Why a text is no unified symbol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a unified symbol; write BASE/QUOTE for spot or BASE/QUOTE:SETTLE for a contract, as in BTC/USDT or BTC/USDT:USDT"
)]
pub struct SymbolError {
    /// What was given.
    pub text: String,
}

impl Symbol {
    /// A spot pair.
    ///
    /// **Errors**: when an asset is not 1 to 20 of `A-Z 0-9 . _ -`.
    pub fn spot(base: &str, quote: &str) -> Result<Symbol, SymbolError> {
        alloc::format!("{base}/{quote}").parse()
    }

    /// A perpetual that settles in `settle`.
    ///
    /// **Errors**: as [`Symbol::spot`].
    pub fn perpetual(base: &str, quote: &str, settle: &str) -> Result<Symbol, SymbolError> {
        alloc::format!("{base}/{quote}:{settle}").parse()
    }

    /// A contract that settles in `settle` and expires on a day, written `YYMMDD`.
    ///
    /// **Errors**: as [`Symbol::spot`].
    pub fn future(base: &str, quote: &str, settle: &str, expiry: &str) -> Result<Symbol, SymbolError> {
        alloc::format!("{base}/{quote}:{settle}-{expiry}").parse()
    }

    /// The text, as printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The asset before the slash.
    pub fn base(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The asset prices are counted in.
    pub fn quote(&self) -> &str {
        let after = self.0.split('/').nth(1).unwrap_or_default();
        after.split(':').next().unwrap_or_default()
    }

    /// The asset profit is paid in, for contracts.
    pub fn settle(&self) -> Option<&str> {
        self.0.split(':').nth(1).map(|rest| rest.split('-').next().unwrap_or(rest))
    }
}

fn is_asset(text: &str) -> bool {
    (1..=20).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_'))
}

impl FromStr for Symbol {
    type Err = SymbolError;

    /// Reads a unified symbol in any case.
    fn from_str(text: &str) -> Result<Symbol, SymbolError> {
        let upper = text.to_ascii_uppercase();
        let valid = upper.split_once('/').is_some_and(|(base, rest)| {
            let (quote, contract) = match rest.split_once(':') {
                Some((quote, contract)) => (quote, Some(contract)),
                None => (rest, None),
            };
            let contract_ok = contract.is_none_or(|contract| {
                let mut parts = contract.split('-');
                parts.next().is_some_and(is_asset) && parts.all(|part| part.len() <= 12 && is_asset(part))
            });
            is_asset(base) && is_asset(quote) && contract_ok
        });
        if valid { Ok(Symbol(upper.into())) } else { Err(SymbolError { text: text.to_string() }) }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Symbol {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Symbol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Symbol, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_shapes() {
        let parts = |text: &str| {
            let symbol: Symbol = text.parse().expect("valid");
            (symbol.base().to_string(), symbol.quote().to_string(), symbol.settle().map(ToString::to_string))
        };
        assert_eq!(parts("btc/usdt"), ("BTC".into(), "USDT".into(), None));
        assert_eq!(parts("BTC/USDT:USDT"), ("BTC".into(), "USDT".into(), Some("USDT".into())));
        assert_eq!(parts("BTC/USD:BTC-241231"), ("BTC".into(), "USD".into(), Some("BTC".into())));
    }

    #[test]
    fn refuses_other_spellings_with_advice() {
        for text in ["BTCUSDT", "BTC-USDT", "/USDT", "BTC/", "BTC/USDT:", "B C/USDT", ""] {
            let error = text.parse::<Symbol>().expect_err(text);
            assert!(error.to_string().contains("BASE/QUOTE"), "{error}");
        }
    }
}
