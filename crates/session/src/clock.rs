//! The venue's clock, known between two bounds and read from the monotone one, so that steps of the wall clock do
//! not matter.
//!
//! A time that the venue wrote was true at some moment between question and answer. At the moment of the answer it
//! is therefore a lower bound of the venue's time, and with the round trip on top an upper one. Samples narrow the
//! bounds; between samples they widen by what two clocks may drift. A request is stamped with the lower bound: that
//! is never ahead of the venue.

use core::time::Duration;
use std::collections::VecDeque;

use venuekit_types::{Mono, Now, UnixNanos};

/// One part in this many is the most that our clock and the venue's drift apart: 500 parts in a million.
const DRIFT: i128 = 2_000;
/// An offset of the local clock that an operator should know of.
const ALARM: i64 = 500_000_000;
/// A change of the offset that is worth telling.
const WORTH: i64 = 100_000_000;

/// Microseconds that numbers skip after the first refusal, and at most.
const NONCE_LEAD: u64 = 2_000_000;
const NONCE_LEAD_MAX: u64 = 86_400_000_000;

/// Stamps remembered.
const STAMPS: usize = 1_024;

/// A bound as it was at a moment.
#[derive(Clone, Copy, Debug)]
struct Bound {
    venue: i64,
    at: Mono,
}

impl Bound {
    /// The bound now, widened by the drift in a direction.
    fn at(self, now: Mono, direction: i128) -> i64 {
        let passed = i128::from(now.0) - i128::from(self.at.0);
        let there = i128::from(self.venue) + passed + direction * (passed.abs() / DRIFT);
        i64::try_from(there).unwrap_or(i64::MAX)
    }
}

/// What is known of the venue's clock, and the stamps made from it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    lower: Option<Bound>,
    upper: Option<Bound>,
    /// Whether stamps may be made: it was measured, or could not be.
    ready: bool,
    last_stamp_ms: i64,
    highest_ms: i64,
    /// The latest stamps, for a venue whose clock was set back.
    stamps: VecDeque<i64>,
    last_nonce: u64,
    /// Microseconds that the numbers run ahead.
    nonce_lead: u64,
    told_offset: Option<i64>,
    told_alarm: bool,
}

/// How the venue's clock stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Nanoseconds that the venue is ahead of the local clock.
    pub offset: i64,
    /// How far the truth may lie from that; nothing when it has no upper bound.
    pub accuracy: Option<Duration>,
    /// Whether the local clock is further off than it should be.
    pub alarm: bool,
}

impl Clock {
    /// Whether a request may be stamped.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Whether anything was measured.
    pub(crate) fn is_measured(&self) -> bool {
        self.lower.is_some()
    }

    /// Whether the lower bound is no older than that.
    pub(crate) fn is_fresh(&self, now: Mono, within: Duration) -> bool {
        self.lower.is_some_and(|lower| now.since(lower.at) < within)
    }

    /// A measurement failed for good: requests go on with what there is.
    pub(crate) fn give_up(&mut self) {
        self.ready = true;
    }

    /// The venue refused a stamp: nothing that was known holds, and nothing is stamped until it is measured again.
    pub(crate) fn distrust(&mut self) {
        (self.lower, self.upper) = (None, None);
        self.ready = false;
    }

    /// A venue's time that was true at some moment between `asked` and `now`, give or take its own unit.
    pub(crate) fn measured(&mut self, asked: Mono, now: Mono, time: UnixNanos, unit: Duration) {
        let slack = now.since(asked).saturating_add(unit);
        let upper = time.plus(slack).0;
        let stepped = self.upper.is_some_and(|known| time.0 > known.at(now, 1))
            || self.lower.is_some_and(|known| upper < known.at(now, -1));
        if stepped {
            // The venue's clock was set: what was known is about another time.
            (self.lower, self.upper) = (None, None);
        }
        self.at_least(now, time);
        if self.upper.is_none_or(|known| upper < known.at(now, 1)) {
            self.upper = Some(Bound { venue: upper, at: now });
        }
    }

    /// A venue's time that is past now: a lower bound, and no more.
    pub(crate) fn at_least(&mut self, now: Mono, time: UnixNanos) {
        if self.lower.is_none_or(|known| time.0 > known.at(now, -1)) {
            self.lower = Some(Bound { venue: time.0, at: now });
        }
        self.ready = true;
    }

    /// The venue's time, never ahead of it; the local clock's where nothing was measured.
    pub(crate) fn time(&self, now: Now) -> UnixNanos {
        self.lower.map_or(now.wall, |lower| UnixNanos(lower.at(now.mono, -1)))
    }

    /// A stamp for one request. No two are of the same millisecond, and none is before an earlier one.
    pub(crate) fn stamp(&mut self, now: Now) -> UnixNanos {
        let ms = self.time(now).millis();
        // After a step back of the venue's clock the old stamps are ahead of it: only the newer ones count, but none
        // of the old ones comes again.
        let stepped_back = ms < self.last_stamp_ms.saturating_sub(1_000);
        let mut ms = if stepped_back { ms } else { ms.max(self.last_stamp_ms.saturating_add(1)) };
        while ms <= self.highest_ms && self.stamps.contains(&ms) {
            ms = ms.saturating_add(1);
        }
        self.last_stamp_ms = ms;
        self.highest_ms = self.highest_ms.max(ms);
        if self.stamps.len() == STAMPS {
            self.stamps.pop_front();
        }
        self.stamps.push_back(ms);
        UnixNanos::from_millis(ms)
    }

    /// A number above every earlier one, above those of earlier runs too while the local clock goes forward. It follows
    /// that clock, since what is known of the venue's may lag by more than a restart takes.
    pub(crate) fn nonce(&mut self, now: Now) -> u64 {
        let micros = u64::try_from(now.wall.0 / 1_000).unwrap_or(0).saturating_add(self.nonce_lead);
        self.last_nonce = micros.max(self.last_nonce.saturating_add(1));
        self.last_nonce
    }

    /// A number was refused: somebody was ahead with a number of this key. The next ones run further ahead.
    pub(crate) fn skip_nonces(&mut self) {
        self.nonce_lead = self.nonce_lead.saturating_mul(2).clamp(NONCE_LEAD, NONCE_LEAD_MAX);
    }

    /// What is known of the venue's clock now.
    pub(crate) fn reading(&self, now: Now) -> Option<ClockReading> {
        let lower = self.lower?.at(now.mono, -1);
        let upper = self.upper.map(|upper| upper.at(now.mono, 1));
        let middle = upper.map_or(lower, |upper| lower + (upper - lower) / 2);
        let accuracy =
            upper.map(|upper| Duration::from_nanos(u64::try_from((upper - lower) / 2).unwrap_or(0)));
        let offset = UnixNanos(middle).since(now.wall);
        Some(ClockReading { offset, accuracy, alarm: offset.abs() > ALARM })
    }

    /// What is worth telling since it was told last.
    pub(crate) fn news(&mut self, now: Now) -> Option<ClockReading> {
        let reading = self.reading(now)?;
        let known = self.told_offset.is_some_and(|told| (reading.offset - told).abs() < WORTH);
        if known && reading.alarm == self.told_alarm {
            return None;
        }
        self.told_offset = Some(reading.offset);
        self.told_alarm = reading.alarm;
        Some(reading)
    }
}

/// The time in a `Date` header, as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`. It names a whole second.
pub(crate) fn http_date(text: &str) -> Option<UnixNanos> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|known| *known == name)?).ok()? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let sane = (1..=31).contains(&day)
        && (1970..=2261).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if words.next() != Some("GMT") || !sane {
        return None;
    }
    // Days since the epoch in the Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(UnixNanos::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    /// A venue whose clock is off and drifts, asked over an uneven way.
    #[test]
    fn a_stamp_is_never_ahead_and_close_behind() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let offset = rng.i64(-5 * S..5 * S);
            let ppm = rng.i64(-200..=200);
            let venue = |mono: Mono| {
                UnixNanos(
                    1_700_000_000 * S
                        + offset
                        + i64::try_from(mono.0).unwrap() / 1_000_000 * (1_000_000 + ppm),
                )
            };
            let mut clock = Clock::default();
            let mut now = Mono(1_000_000_000);
            for _ in 0..60 {
                let asked = now;
                let there = now.plus(Duration::from_micros(rng.u64(100..60_000)));
                now = there.plus(Duration::from_micros(rng.u64(100..60_000)));
                clock.measured(
                    asked,
                    now,
                    UnixNanos::from_millis(venue(there).millis()),
                    Duration::from_millis(1),
                );
                for _ in 0..10 {
                    now = now.plus(Duration::from_millis(rng.u64(1..6_000)));
                    let behind = venue(now).since(clock.time(Now { mono: now, wall: UnixNanos(0) }));
                    assert!(behind >= 0, "SEED={seed}: ahead by {} ns", -behind);
                    assert!(behind < S / 5, "SEED={seed}: behind by {behind} ns");
                    let upper = clock.upper.map(|upper| upper.at(now, 1));
                    assert!(upper >= Some(venue(now).0), "SEED={seed}: the upper bound is too low");
                }
            }
        }
    }

    #[test]
    fn a_step_of_the_venue_replaces_what_was_known() {
        let mut clock = Clock::default();
        let ms = Duration::from_millis;
        let (base, unit) = (UnixNanos(1_700_000_000 * S), ms(1));
        let at = |n: u64| Mono(0).plus(ms(n));
        clock.measured(at(0), at(20), base, unit);
        for (n, time) in [(1_000, base.0 + 3 * S), (2_000, base.0 - 7 * S)] {
            clock.measured(at(n - 20), at(n), UnixNanos(time), unit);
            let now = Now { mono: at(n), wall: base };
            assert_eq!(clock.time(now), UnixNanos(time));
        }
    }

    #[test]
    fn stamps_and_nonces_rise_whatever_the_wall_clock_does() {
        let mut clock = Clock::default();
        let mut last = (UnixNanos(0), 0);
        let mut now = Now { mono: Mono(5), wall: UnixNanos(1_700_000_000 * S) };
        clock.measured(Mono(1), Mono(5), now.wall, Duration::from_millis(1));
        for step in [0, 0, 2 * S, -2 * S, -3600 * S, 1] {
            now.wall = UnixNanos(now.wall.0 + step);
            let stamp = clock.stamp(now);
            let nonce = clock.nonce(now);
            assert!(stamp > last.0 && nonce > last.1);
            last = (stamp, nonce);
        }
    }

    #[test]
    fn a_stamp_does_not_come_again_when_the_venue_is_set_back() {
        let mut clock = Clock::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut now = Now { mono: Mono(1), wall: UnixNanos(0) };
        for round in 0..3 {
            clock.distrust();
            clock.measured(now.mono, now.mono, UnixNanos(1_700_000_000 * S), Duration::from_millis(1));
            for call in 0..20 {
                now = now.plus(Duration::from_millis(500));
                assert!(seen.insert(clock.stamp(now)), "round {round}, call {call}");
            }
        }
    }

    #[test]
    fn an_offset_past_half_a_second_is_told_once_and_again_when_it_is_over() {
        let mut clock = Clock::default();
        let mut now = Now { mono: Mono(1), wall: UnixNanos(1_700_000_000 * S) };
        clock.measured(Mono(1), Mono(1), UnixNanos(now.wall.0 + S), Duration::from_millis(1));
        assert!(clock.news(now).is_some_and(|news| news.alarm && news.offset >= S));
        assert_eq!(clock.news(now), None);
        now.wall = UnixNanos(now.wall.0 + S);
        assert!(clock.news(now).is_some_and(|news| !news.alarm));
    }

    #[test]
    fn the_date_header_is_read() {
        let seconds = |text| http_date(text).map(|at| at.0 / S);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 29 Feb 2024 23:59:60 GMT"), Some(1_709_251_200));
        for text in [
            "",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nul 1994 08:49:37 GMT",
            "x, 99 Nov 1994 1:1:1 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
