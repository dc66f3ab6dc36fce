//! A counter that falls by itself, as all of the venue's limits are.

use std::time::Duration;

use venuekit_types::Mono;

/// A counter and when it was looked at last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    /// In millionths.
    level: u64,
    at: Mono,
}

/// How far a counter may rise, and how much it falls in a second, both in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The most it may hold.
    pub max_milli: u64,
    /// What it loses in a second.
    pub decay_milli: u64,
}

impl Counter {
    pub(super) fn new(now: Mono) -> Counter {
        Counter { level: 0, at: now }
    }

    fn decay(&mut self, now: Mono, rate: Rate) {
        let ms = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(ms.saturating_mul(rate.decay_milli));
        self.at = self.at.plus(Duration::from_millis(ms));
    }

    /// Adds whole units if they fit; false, and nothing added, when they do not.
    pub(super) fn take(&mut self, now: Mono, units: u64, rate: Rate) -> bool {
        self.decay(now, rate);
        let after = self.level.saturating_add(units.saturating_mul(1_000_000));
        let fits = after <= rate.max_milli.saturating_mul(1_000);
        if fits {
            self.level = after;
        }
        fits
    }

    /// Adds whole units, past the most too.
    pub(super) fn charge(&mut self, now: Mono, units: u64, rate: Rate) {
        self.decay(now, rate);
        self.level = self.level.saturating_add(units.saturating_mul(1_000_000));
    }

    /// False once it could be forgotten without a difference.
    pub(super) fn matters(&self, now: Mono, rate: Rate) -> bool {
        let mut later = *self;
        later.decay(now, rate);
        later.level > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_by_what_is_asked_and_falls_by_itself() {
        let at = |ms| Mono::default().plus(Duration::from_millis(ms));
        let rate = Rate { max_milli: 3_000, decay_milli: 330 };
        let mut counter = Counter::new(at(0));
        assert!(counter.take(at(0), 3, rate) && !counter.take(at(0), 1, rate));
        assert!(!counter.take(at(3_000), 1, rate), "0.99 of it is back");
        assert!(counter.take(at(3_031), 1, rate));
        counter.charge(at(3_031), 8, rate);
        assert!(!counter.take(at(27_000), 1, rate));
        assert!(counter.matters(at(27_000), rate) && !counter.matters(at(60_000), rate));
    }
}
