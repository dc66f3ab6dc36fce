//! Request weight a minute and address, and the ban for those who do not listen.

use std::time::Duration;

use venuekit_types::Mono;

use crate::doex::DoexLimits;

/// The minute that weights are counted in.
const WINDOW: Duration = Duration::from_secs(60);

/// What an address has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    window_ends: Mono,
    used: u32,
    /// Requests that came although the window was used up.
    ignored: u32,
    banned_until: Option<Mono>,
    bans: u32,
}

/// How a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may pass.
    Pass,
    /// 429: wait for so long.
    Limited(Duration),
    /// 418: banned for so long.
    Banned(Duration),
}

impl Budget {
    pub(super) fn new(now: Mono) -> Budget {
        Budget { window_ends: now.plus(WINDOW), used: 0, ignored: 0, banned_until: None, bans: 0 }
    }

    /// Takes a request's weight, or says why not.
    pub(super) fn admit(&mut self, now: Mono, weight: u32, limits: &DoexLimits) -> Admission {
        if now >= self.window_ends {
            (self.window_ends, self.used, self.ignored) = (now.plus(WINDOW), 0, 0);
        }
        if let Some(until) = self.banned_until.filter(|&until| now < until) {
            return Admission::Banned(until.since(now));
        }
        self.banned_until = None;
        if self.used.saturating_add(weight) <= limits.weight_per_minute {
            self.used += weight;
            return Admission::Pass;
        }
        self.refuse(now, self.window_ends.since(now), limits)
    }

    /// Turns a request away that has to wait; one of those who do not listen is banned.
    pub(super) fn refuse(&mut self, now: Mono, wait: Duration, limits: &DoexLimits) -> Admission {
        self.ignored += 1;
        if self.ignored <= limits.ignored_429_max {
            return Admission::Limited(wait);
        }
        let span = limits.ban_for * 2u32.pow(self.bans.min(10));
        self.bans += 1;
        self.banned_until = Some(now.plus(span));
        Admission::Banned(span)
    }

    /// The weight used in this window.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// False once it could be forgotten without a difference for an hour.
    pub(super) fn matters(&self, now: Mono) -> bool {
        now < self.window_ends.max(self.banned_until.unwrap_or_default()).plus(Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_a_warning_a_ban() {
        let limits = DoexLimits { weight_per_minute: 10, ignored_429_max: 2, ..DoexLimits::default() };
        let at = |secs| Mono::default().plus(Duration::from_secs(secs));
        let mut budget = Budget::new(at(0));
        assert_eq!(budget.admit(at(1), 10, &limits), Admission::Pass);
        assert_eq!(budget.admit(at(2), 1, &limits), Admission::Limited(Duration::from_secs(58)));
        assert_eq!(budget.admit(at(60), 1, &limits), Admission::Pass);
        assert_eq!(budget.admit(at(61), 10, &limits), Admission::Limited(Duration::from_secs(59)));
        assert_eq!(budget.admit(at(61), 10, &limits), Admission::Limited(Duration::from_secs(59)));
        assert_eq!(budget.admit(at(61), 10, &limits), Admission::Banned(Duration::from_secs(120)));
        assert_eq!(budget.admit(at(62), 1, &limits), Admission::Banned(Duration::from_secs(119)));
        assert_eq!(budget.admit(at(181), 1, &limits), Admission::Pass);
        assert!(budget.matters(at(3000)) && !budget.matters(at(5000)));
    }
}
