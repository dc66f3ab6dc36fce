//! The leaky bucket of a user or an address, and the ban for those who do not listen.

use std::net::IpAddr;
use std::time::Duration;

use venuekit_types::Mono;

use crate::duedex::DuedexLimits;

/// The minute that quotas are named for, in milliseconds: a request's weight counts so many drops.
const MINUTE_MS: u64 = 60_000;

/// Whose quota a request draws on: the user's when it is authenticated, else the address's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Payer {
    /// All keys of a user together.
    User(u32),
    /// An address.
    Ip(IpAddr),
}

/// A bucket that leaks `quota` requests a minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    quota: u64,
    /// Requests times [`MINUTE_MS`].
    level: u64,
    leaked_at: Mono,
    ignored: u32,
    banned_until: Option<Mono>,
}

/// How a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may pass.
    Pass,
    /// 429: nothing happens, and it still cost one.
    Limited,
    /// 403: banned for so long.
    Banned(Duration),
}

impl Bucket {
    pub(super) fn new(quota: u32, now: Mono) -> Bucket {
        Bucket { quota: u64::from(quota.max(1)), level: 0, leaked_at: now, ignored: 0, banned_until: None }
    }

    fn leak(&mut self, now: Mono) {
        let ms = u64::try_from(now.since(self.leaked_at).as_millis()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(ms.saturating_mul(self.quota));
        self.leaked_at = self.leaked_at.plus(Duration::from_millis(ms));
        if self.level == 0 {
            self.ignored = 0;
        }
    }

    pub(super) fn admit(&mut self, now: Mono, weight: u32, limits: &DuedexLimits) -> Admission {
        self.leak(now);
        if let Some(until) = self.banned_until.filter(|&until| now < until) {
            return Admission::Banned(until.since(now));
        }
        self.banned_until = None;
        let cost = u64::from(weight) * MINUTE_MS;
        if self.level + cost <= self.quota * MINUTE_MS {
            self.level += cost;
            return Admission::Pass;
        }
        self.level = (self.level + MINUTE_MS).min(self.quota * MINUTE_MS);
        self.ignored += 1;
        if self.ignored <= limits.ignored_429_max {
            return Admission::Limited;
        }
        self.ignored = 0;
        self.banned_until = Some(now.plus(limits.ban_for));
        Admission::Banned(limits.ban_for)
    }

    /// The quota, what remains of it, and how long until it is whole again.
    pub(super) fn state(&self) -> (u64, u64, Duration) {
        let used = self.level.div_ceil(MINUTE_MS);
        let whole = Duration::from_millis(self.level.div_ceil(self.quota));
        (self.quota, self.quota.saturating_sub(used), whole)
    }

    /// False once it could be forgotten without a difference.
    pub(super) fn matters(&self, now: Mono) -> bool {
        let mut later = *self;
        later.leak(now);
        later.level > 0 || later.banned_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_leaks_warns_and_bans() {
        let limits = DuedexLimits { ignored_429_max: 2, ..DuedexLimits::default() };
        let at = |ms| Mono::default().plus(Duration::from_millis(ms));
        let mut bucket = Bucket::new(60, at(0));
        assert_eq!(bucket.admit(at(0), 60, &limits), Admission::Pass);
        assert_eq!(bucket.state(), (60, 0, Duration::from_secs(60)));
        assert_eq!(bucket.admit(at(500), 1, &limits), Admission::Limited);
        // The half that leaked went to the refused request.
        assert_eq!(bucket.admit(at(1000), 1, &limits), Admission::Limited);
        assert_eq!(bucket.admit(at(2000), 1, &limits), Admission::Pass);
        assert_eq!(bucket.admit(at(2000), 1, &limits), Admission::Banned(Duration::from_secs(120)));
        assert_eq!(bucket.admit(at(3000), 1, &limits), Admission::Banned(Duration::from_secs(119)));
        assert!(bucket.matters(at(100_000)));
        assert_eq!(bucket.admit(at(122_000), 1, &limits), Admission::Pass);
        assert_eq!(bucket.state(), (60, 59, Duration::from_secs(1)));
        assert!(!bucket.matters(at(123_000)));
    }
}
