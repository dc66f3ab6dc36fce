//! A span of a history on the command line.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use venuekit_types::UnixNanos;
use venuekit_venue::Page;

/// Which part of a history.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Span {
    /// At or after: a date or a time in RFC 3339, in UTC.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<UnixNanos>,
    /// Before: a date or a time in RFC 3339, in UTC.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<UnixNanos>,
    /// Where the page before ended, as the venue names it: an id or an offset.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Most rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
}

impl Span {
    pub(super) fn page(&self) -> Page {
        Page { from: self.from, to: self.to, after: self.after.clone(), limit: self.limit }
    }
}

/// Reads a date, or an instant.
fn instant(text: &str) -> Result<UnixNanos, String> {
    let day = || Date::from_str(text).ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let found = Timestamp::from_str(text).ok().or_else(day);
    let nanos = found.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanos.map(UnixNanos).ok_or_else(|| {
        format!("{text:?} is no time; write 2026-11-24 or 2026-11-24T09:30:00Z, between 1678 and 2262")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_instant_in_utc() {
        assert_eq!(instant("1970-01-02"), Ok(UnixNanos(86_400_000_000_000)));
        assert_eq!(instant("1970-01-01T00:00:01.5Z"), Ok(UnixNanos(1_500_000_000)));
        assert_eq!(instant("1970-01-01T01:00:00+01:00"), Ok(UnixNanos(0)));
        assert!(instant("yesterday").is_err_and(|why| why.contains("2026-11-24")));
        assert!(instant("3000-01-01").is_err());
    }
}
