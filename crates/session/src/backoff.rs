//! Exponential back-off with full jitter, forgotten only after sustained health.

use core::time::Duration;

/// The state of one back-off.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Backoff {
        Backoff { base, cap, failures: 0 }
    }

    /// The span to wait after one more failure: anywhere between a tenth of the ceiling and the ceiling.
    pub(crate) fn next(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let ceiling = self.base.saturating_mul(1 << self.failures.min(16)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        let ceiling = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rng.u64(ceiling / 10..=ceiling.max(1)))
    }

    /// Called once health has lasted.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_down_sees_few_attempts_in_its_first_minute() {
        for seed in 0..1_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
            let mut at = Duration::ZERO;
            let mut attempts = 1;
            loop {
                at += backoff.next(&mut rng);
                if at > Duration::from_secs(60) {
                    break;
                }
                attempts += 1;
            }
            assert!(attempts <= 20, "seed {seed}: {attempts} attempts");
            assert!((0..100).all(|_| backoff.next(&mut rng) <= Duration::from_secs(30)));
        }
    }
}
