//! Days of UTC, by which partitions and files are cut.

use std::str::FromStr;

use venuekit_types::UnixNanos;

/// Nanoseconds of a day; UTC as clocks keep it has no other length.
const LENGTH: i64 = 86_400_000_000_000;

/// A day of UTC, counted from 1970-01-01. Written and read as `2026-11-24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day that an instant falls on.
    pub fn of(at: UnixNanos) -> Day {
        Day(i32::try_from(at.0.div_euclid(LENGTH)).expect("63 bits of nanoseconds are 106,752 days"))
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Day {
        Day(self.0.saturating_add(1))
    }

    /// Its first instant; the last representable one where the day lies beyond.
    pub fn start(self) -> UnixNanos {
        UnixNanos(i64::from(self.0).saturating_mul(LENGTH))
    }

    /// Year, month and day of the month.
    fn civil(self) -> (i32, i32, i32) {
        // Counted from 0000-03-01, so that the leap day is the last of its year.
        let days = self.0.saturating_add(719_468);
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i32::from(month <= 2), month, day)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A text is no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day; write it as 2026-11-24")]
pub struct DayError;

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Day, DayError> {
        let mut parts = text.split('-').map(|part| part.parse::<u16>().ok().map(i32::from));
        let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(DayError);
        };
        let (shifted, of_year) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let era = shifted.div_euclid(400);
        let of_era = shifted.rem_euclid(400);
        let days = of_era * 365 + of_era / 4 - of_era / 100 + (153 * of_year + 2) / 5 + day - 1;
        let found = Day(era * 146_097 + days - 719_468);
        // Only what comes out as it went in is a day of the calendar.
        if found.to_string() == text && (1970..2262).contains(&year) { Ok(found) } else { Err(DayError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_reads_back_and_follows_the_one_before() {
        let mut day = Day(0);
        assert_eq!(day.to_string(), "1970-01-01");
        for number in 0..100_000 {
            assert_eq!(day.to_string().parse(), Ok(day));
            assert_eq!((Day::of(day.start()), day.0), (day, number));
            day = day.next();
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, seconds) in [("2000-02-29", 951_782_400), ("2026-11-24", 1_795_478_400)] {
            let day: Day = text.parse().expect("a day");
            assert_eq!(day.start(), UnixNanos(seconds * 1_000_000_000), "{text}");
            assert_eq!(Day::of(UnixNanos(seconds * 1_000_000_000 - 1)).next(), day);
        }
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "26-01-01", "2026-01-01-", "", "3000-01-01"] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
        assert_eq!(Day::of(UnixNanos(-1)).to_string(), "1969-12-31");
    }
}
