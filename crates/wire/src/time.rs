//! Instants as venues write them: ISO 8601 in UTC, or Unix milliseconds. Refuses time zones and calendars.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};
use venuekit_types::UnixNanos;

/// An instant that is written as `2019-05-30T00:00:00.000Z`, always with three digits, rounded down.
///
/// It is read with a fraction of zero to nine digits, or from Unix milliseconds, quoted or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub UnixNanos);

/// An instant that is written as Unix milliseconds, and read as [`Time`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub UnixNanos);

/// The text is no instant of the form `2019-05-30T00:00:00.000Z` of the years 1678 to 2261, which 64 bits of nanoseconds hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an instant; expected UTC as in 2019-05-30T00:00:00.000Z, of the years 1678 to 2261")]
pub struct TimeError;

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Time, TimeError> {
        parse(text.as_bytes()).map(|nanos| Time(UnixNanos(nanos))).ok_or(TimeError)
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.f{1,9}]Z`.
fn parse(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let punctuation = [head[4], head[7], head[10], head[13], head[16]];
    if punctuation != *b"--T::" {
        return None;
    }
    let year = digits(&head[..4])?;
    let (month, day) = (digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..])?);
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let fraction = match tail {
        [b'Z'] => 0,
        [b'.', places @ .., b'Z'] if (1..=9).contains(&places.len()) => {
            digits(places)? * 10i64.pow(9 - u32::try_from(places.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
}

/// Reads at most nine decimal digits, and nothing else.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0i64, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; the year is counted from March, so that the leap
/// day is its last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 719_469
}

/// The inverse of [`days_since_epoch`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    (year, if month < 10 { month + 3 } else { month - 9 }, day)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.millis();
        let (year, month, day) = date_of(millis.div_euclid(86_400_000));
        let of_day = millis.rem_euclid(86_400_000);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0.millis())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        struct TimeVisitor;
        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an instant as ISO 8601 text in UTC or as integer Unix milliseconds")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                match text.parse::<i64>() {
                    Ok(millis) => self.visit_i64(millis),
                    Err(_) => text.parse().map_err(E::custom),
                }
            }

            fn visit_i64<E: Error>(self, millis: i64) -> Result<Time, E> {
                let nanos = millis.checked_mul(1_000_000);
                let nanos = nanos.ok_or_else(|| E::invalid_value(Unexpected::Signed(millis), &self))?;
                Ok(Time(UnixNanos(nanos)))
            }

            fn visit_u64<E: Error>(self, millis: u64) -> Result<Time, E> {
                match i64::try_from(millis) {
                    Ok(millis) => self.visit_i64(millis),
                    Err(_) => Err(E::invalid_value(Unexpected::Unsigned(millis), &self)),
                }
            }
        }
        deserializer.deserialize_any(TimeVisitor)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        Time::deserialize(deserializer).map(|time| Millis(time.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(text: &str) -> Option<i64> {
        text.parse::<Time>().ok().map(|time| time.0.0)
    }

    #[test]
    fn reads_each_fraction() {
        let whole = 1_559_174_400_000_000_000;
        assert_eq!(nanos("2019-05-30T00:00:00Z"), Some(whole));
        assert_eq!(nanos("2019-05-30T00:00:00.000Z"), Some(whole));
        assert_eq!(nanos("2019-05-30T00:00:00.5Z"), Some(whole + 500_000_000));
        assert_eq!(nanos("2019-05-30T00:00:00.1234567Z"), Some(whole + 123_456_700));
        assert_eq!(nanos("2019-05-30T00:00:00.000000001Z"), Some(whole + 1));
        assert_eq!(nanos("1969-12-31T23:59:59.999Z"), Some(-1_000_000));
        assert_eq!(nanos("2020-02-29T23:59:59Z"), Some(1_583_020_799_000_000_000));
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "2019-05-30",
            "2019-05-30T00:00:00",
            "2019-05-30T00:00:00+00:00",
            "2019-05-30 00:00:00Z",
            "2019-05-30T00:00:00.Z",
            "2019-05-30T00:00:00.0000000000Z",
            "2019-05-30T00:00:00.00éZ",
            "2019-05-30T00:00:00.-01Z",
            "2019-13-01T00:00:00Z",
            "2019-00-01T00:00:00Z",
            "2019-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2019-05-30T24:00:00Z",
            "2019-05-30T00:60:00Z",
            "2019-05-30T00:00:60Z",
            "+019-05-30T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
        ] {
            assert_eq!(nanos(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_both_forms_and_writes_its_own() {
        let instant = UnixNanos(1_559_174_400_123_000_000);
        for json in ["\"2019-05-30T00:00:00.123Z\"", "1559174400123", "\"1559174400123\""] {
            assert_eq!(crate::parse(json.as_bytes()), Ok(Time(instant)));
            assert_eq!(crate::parse(json.as_bytes()), Ok(Millis(instant)));
        }
        assert_eq!(serde_json::to_string(&Time(instant)).expect("valid"), "\"2019-05-30T00:00:00.123Z\"");
        assert_eq!(serde_json::to_string(&Millis(instant)).expect("valid"), "1559174400123");
        for json in ["1.5", "1e3", "null", "true", "\"1559174400.1\"", "9223372036854775807", "-1e400", "[]"]
        {
            assert!(crate::parse::<Time>(json.as_bytes()).is_err(), "{json}");
        }
    }

    proptest! {
        /// Another implementation of the calendar agrees, in both directions and over the whole range.
        #[test]
        fn agrees_with_jiff(value in any::<i64>()) {
            let theirs = jiff::Timestamp::from_nanosecond(i128::from(value)).expect("jiff's range is wider");
            prop_assert_eq!(nanos(&format!("{theirs:.9}")), Some(value));
            let floored = UnixNanos(value).millis();
            let theirs = jiff::Timestamp::from_millisecond(floored).expect("jiff's range is wider");
            prop_assert_eq!(Time(UnixNanos(value)).to_string(), format!("{theirs:.3}"));
        }

        #[test]
        fn any_text_is_survived(text in "[0-9TZ:.é-]{0,32}") {
            let _ = nanos(&text);
        }
    }
}
