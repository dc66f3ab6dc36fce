//! The parameters of a request, and the refusals that say what is wrong with them.

use std::borrow::Cow;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Scale;

use crate::query;

/// A refusal: HTTP status, the venue's code, its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i32,
    pub(super) msg: Cow<'static, str>,
}

impl Refusal {
    /// A refusal of a bad request.
    pub(super) fn new(code: i32, msg: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status: 400, code, msg: msg.into() }
    }

    pub(super) fn missing(name: &str) -> Refusal {
        let msg = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Refusal::new(-1102, msg)
    }

    pub(super) fn illegal(name: &str) -> Refusal {
        Refusal::new(-1100, format!("Illegal characters found in parameter '{name}'."))
    }

    pub(super) fn invalid(name: &str) -> Refusal {
        Refusal::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }

    pub(super) fn unwanted(name: &str) -> Refusal {
        Refusal::new(-1106, format!("Parameter '{name}' sent when not required."))
    }

    pub(super) fn precision() -> Refusal {
        Refusal::new(-1111, "Precision is over the maximum defined for this asset.")
    }

    pub(super) fn symbol() -> Refusal {
        Refusal::new(-1121, "Invalid symbol.")
    }

    pub(super) fn route() -> Refusal {
        Refusal { status: 404, code: -1000, msg: "Not found.".into() }
    }

    /// A key that is not known, or may not do this.
    pub(super) fn key() -> Refusal {
        Refusal { status: 401, code: -2015, msg: "Invalid API-key, IP, or permissions for action.".into() }
    }
}

/// What a request asks with: names and values, decoded, those of the query before those of the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query and a body; what is in both counts as the query says.
    pub(super) fn read(query: &str, body: &[u8]) -> Result<Params, Refusal> {
        let body = std::str::from_utf8(body).map_err(|_| Refusal::illegal("body"))?;
        let pairs = query.split('&').chain(body.split('&')).filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = query::decode(value).ok_or_else(|| Refusal::illegal(name))?;
            Ok((name.to_string(), value.into_owned()))
        });
        Ok(Params(pairs.collect::<Result<_, _>>()?))
    }

    /// Parameters that came another way.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Params {
        Params(pairs)
    }

    /// A parameter; one that is empty was not sent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// An integer.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(|text| text.parse().map_err(|_| Refusal::illegal(name))).transpose()
    }

    /// An id.
    pub(super) fn id(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.text(name).map(|text| text.parse().map_err(|_| Refusal::illegal(name))).transpose()
    }

    /// How many rows; more than the venue gives is as much as it gives.
    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        match self.integer("limit")? {
            None => Ok(default),
            Some(limit) => {
                let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
                limit.map(|limit| limit.min(max)).ok_or_else(|| Refusal::invalid("limit"))
            }
        }
    }

    /// The page of rows that a number and a size name: the first, of the usual size, when they are not given.
    pub(super) fn numbered<T>(
        &self,
        rows: Vec<T>,
        size: &str,
        usual: usize,
        most: usize,
    ) -> Result<impl Iterator<Item = T> + use<T>, Refusal> {
        let number = |name: &str, usual| match self.integer(name)? {
            None => Ok(usual),
            Some(value) => {
                let value = usize::try_from(value).ok().filter(|value| *value > 0);
                value.ok_or_else(|| Refusal::invalid(name))
            }
        };
        // Wallets call the number of a page `current`, futures call it `page`.
        let name = if self.text("page").is_some() { "page" } else { "current" };
        let (page, size) = (number(name, 1)?, number(size, usual)?.min(most));
        Ok(rows.into_iter().skip((page - 1).saturating_mul(size)).take(size))
    }

    /// A flag, false when absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::invalid(name)),
        }
    }

    /// A decimal.
    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
            return Err(Refusal::illegal(name));
        }
        text.parse().map(Some).map_err(|_| Refusal::illegal(name))
    }

    /// A decimal in counts of a scale.
    pub(super) fn counts(&self, name: &str, scale: Scale) -> Result<Option<i64>, Refusal> {
        let Some(decimal) = self.decimal(name)? else { return Ok(None) };
        let counts = decimal.checked_mul(Decimal::from(scale.unit())).ok_or_else(Refusal::precision)?;
        if !counts.fract().is_zero() {
            return Err(Refusal::precision());
        }
        counts.to_i64().ok_or_else(|| Refusal::invalid(name)).map(Some)
    }

    /// The span that a history route asks about, at most so long; an edge that is not given is open.
    pub(super) fn span(&self, longest_ms: i64) -> Result<Span, Refusal> {
        let (start, end) = (self.integer("startTime")?, self.integer("endTime")?);
        let (from_ms, to_ms) = (start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX));
        if let (Some(start), Some(end)) = (start, end)
            && (start > end || end.saturating_sub(start) > longest_ms)
        {
            return Err(Refusal::new(-1127, "More than the allowed time between startTime and endTime."));
        }
        Ok(Span { from_ms, to_ms, has_start: start.is_some() })
    }
}

/// A span of time, both edges in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    has_start: bool,
}

impl Span {
    /// The page of rows that ascend by id and time: from an id or a start on the first ones, otherwise the latest.
    ///
    /// `key` gives a row's id and time.
    pub(super) fn page<T>(
        &self,
        rows: impl Iterator<Item = T>,
        from_id: Option<u64>,
        limit: usize,
        key: impl Fn(&T) -> (u64, i64),
    ) -> Vec<T> {
        let within = |row: &T| {
            let (id, at_ms) = key(row);
            from_id.is_none_or(|from| id >= from) && (self.from_ms..=self.to_ms).contains(&at_ms)
        };
        if from_id.is_some() || self.has_start {
            return rows.filter(within).take(limit).collect();
        }
        let mut rows: Vec<T> = rows.filter(within).collect();
        rows.drain(..rows.len().saturating_sub(limit));
        rows
    }
}
