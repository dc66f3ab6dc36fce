//! The parameters of a request, and the refusals that say what is wrong with them.

use std::borrow::Cow;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Scale;

use crate::query;

/// A refusal: HTTP status, the venue's code, its words.
pub(super) type Refusal = (u16, i32, &'static str);

pub(super) const NO_ROUTE: Refusal = (404, -1000, "no such route");
pub(super) const BAD_TEXT: Refusal = (400, -1100, "illegal characters in a parameter");
pub(super) const MISSING: Refusal = (400, -1102, "mandatory parameter missing or malformed");
pub(super) const NOT_REQUIRED: Refusal = (400, -1106, "parameter sent when not required");
pub(super) const BAD_TIF: Refusal = (400, -1115, "invalid timeInForce");
pub(super) const BAD_TYPE: Refusal = (400, -1116, "invalid order type");
pub(super) const BAD_SIDE: Refusal = (400, -1117, "invalid side");
pub(super) const BAD_SYMBOL: Refusal = (400, -1121, "invalid symbol");
pub(super) const NO_LISTEN_KEY: Refusal = (400, -1125, "listen key does not exist");
pub(super) const BAD_VALUE: Refusal = (400, -1130, "parameter out of range");
pub(super) const OFF_GRID: Refusal = (400, -1013, "filter failure: more decimal places than the market has");

/// Rows of a history route when it does not say, and at most.
pub(super) const ROWS: (usize, usize) = (100, 500);

/// The longest window of a history route, in milliseconds.
const WINDOW_MS: i64 = 7 * 86_400_000;

/// The text after the `?`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params<'a>(pub(super) &'a str);

impl<'a> Params<'a> {
    /// A parameter as it travels.
    pub(super) fn raw(self, name: &str) -> Option<&'a str> {
        query::param(self.0, name)
    }

    /// A parameter, decoded.
    pub(super) fn text(self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        self.raw(name).map(|text| query::decode(text).ok_or(BAD_TEXT)).transpose()
    }

    /// An integer.
    pub(super) fn integer(self, name: &str) -> Result<Option<i64>, Refusal> {
        self.raw(name).map(|text| text.parse().map_err(|_| MISSING)).transpose()
    }

    /// A number within bounds, or the default when absent.
    pub(super) fn bounded(self, name: &str, default: usize, max: usize) -> Result<usize, Refusal> {
        match self.raw(name) {
            None => Ok(default),
            Some(text) => text.parse().ok().filter(|n| (1..=max).contains(n)).ok_or(BAD_VALUE),
        }
    }

    /// A flag, false when absent.
    pub(super) fn flag(self, name: &str) -> Result<bool, Refusal> {
        match self.raw(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(BAD_VALUE),
        }
    }

    /// A decimal in counts of a scale.
    pub(super) fn counts(self, name: &str, scale: Scale) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
            return Err(MISSING);
        }
        let decimal: Decimal = text.parse().map_err(|_| MISSING)?;
        let counts = decimal.checked_mul(Decimal::from(scale.unit())).ok_or(BAD_VALUE)?;
        if !counts.fract().is_zero() {
            return Err(OFF_GRID);
        }
        counts.to_i64().ok_or(BAD_VALUE).map(Some)
    }

    /// What a history route asks for.
    pub(super) fn page(self) -> Result<Page, Refusal> {
        let (start, end) = (self.integer("startTime")?, self.integer("endTime")?);
        let from_id = self.raw("fromId").map(|id| id.parse().map_err(|_| BAD_VALUE)).transpose()?;
        let (from_ms, to_ms) = match (start, end) {
            (None, None) => (i64::MIN, i64::MAX),
            (Some(start), None) => (start, start.saturating_add(WINDOW_MS)),
            (None, Some(end)) => (end.saturating_sub(WINDOW_MS), end),
            (Some(start), Some(end)) => (start, end),
        };
        let is_open = (start, end) == (None, None);
        if !is_open && (from_ms > to_ms || to_ms.saturating_sub(from_ms) > WINDOW_MS) {
            return Err(BAD_VALUE);
        }
        let latest = from_id.is_none() && start.is_none();
        Ok(Page { from_id, from_ms, to_ms, limit: self.bounded("limit", ROWS.0, ROWS.1)?, latest })
    }
}

/// A page of history: rows from an id and within a window, ids ascending.
///
/// Without an id or a start it holds the latest rows, otherwise the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    from_id: Option<u64>,
    from_ms: i64,
    to_ms: i64,
    limit: usize,
    latest: bool,
}

impl Page {
    /// Picks the page out of all rows, which ascend by id; `key` gives a row's id and time.
    pub(super) fn pick<T>(&self, rows: impl Iterator<Item = T>, key: impl Fn(&T) -> (u64, i64)) -> Vec<T> {
        let within = |row: &T| {
            let (id, at_ms) = key(row);
            self.from_id.is_none_or(|from| id >= from) && (self.from_ms..=self.to_ms).contains(&at_ms)
        };
        let mut chosen: Vec<T> = if self.latest {
            rows.filter(within).collect()
        } else {
            rows.filter(within).take(self.limit).collect()
        };
        chosen.drain(..chosen.len().saturating_sub(self.limit));
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_bounded() {
        let params = Params("a=x%2Fy%3A&n=7&q=0.50&bad=%G1&neg=-1.5");
        assert_eq!(params.text("a"), Ok(Some("x/y:".into())));
        assert_eq!(params.text("bad"), Err(BAD_TEXT));
        assert_eq!((params.bounded("n", 1, 7), params.bounded("n", 1, 6)), (Ok(7), Err(BAD_VALUE)));
        let scale = |digits| Scale::new(digits).expect("in range");
        assert_eq!(params.counts("q", scale(1)), Ok(Some(5)));
        assert_eq!(params.counts("q", scale(0)), Err(OFF_GRID));
        assert_eq!(params.counts("neg", scale(1)), Ok(Some(-15)));
        assert_eq!(params.counts("a", scale(1)), Err(MISSING));
        assert_eq!(params.counts("none", scale(1)), Ok(None));
    }

    #[test]
    fn a_page_is_the_first_from_an_id_or_a_start_and_else_the_latest() {
        let rows = || (1..=20_u64).map(|id| (id, i64::try_from(id).expect("small") * 100));
        let ids = |query: &str| -> Vec<u64> {
            let page = Params(query).page().expect("a page");
            page.pick(rows(), |row| *row).into_iter().map(|row| row.0).collect()
        };
        assert_eq!(ids("limit=3"), [18, 19, 20]);
        assert_eq!(ids("limit=3&fromId=5"), [5, 6, 7]);
        assert_eq!(ids("limit=2&startTime=700"), [7, 8]);
        assert_eq!(ids("limit=2&endTime=700"), [6, 7]);
        assert_eq!(ids("limit=5&startTime=300&endTime=400&fromId=4"), [4]);
        for bad in ["startTime=2&endTime=1", "startTime=0&endTime=604800001", "limit=501", "fromId=x"] {
            assert_eq!(Params(bad).page().map(|_| ()), Err(BAD_VALUE), "{bad}");
        }
        assert!(Params("startTime=0&endTime=604800000").page().is_ok());
    }
}
