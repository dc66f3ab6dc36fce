//! The one place that reads the machine's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use venuekit_types::{Mono, Now, UnixNanos};

/// Both clocks of the machine. [`Mono`] counts from the moment the clock was started, so two parts of a program
/// that compare instants share a copy of one clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose count begins now.
    #[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// The present.
    #[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
    pub fn now(&self) -> Now {
        // Zero means nothing, so the first instant is 1.
        let mono = Mono(1).plus(self.origin.elapsed());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono, wall: UnixNanos(0).plus(since) }
    }

    /// When an instant of this clock comes, for the runtime's timer.
    pub(crate) fn instant(&self, at: Mono) -> tokio::time::Instant {
        let since = Duration::from_nanos(at.0.saturating_sub(1));
        // Past what the machine can count lies a century away, which is never.
        let far = || self.origin + Duration::from_secs(100 * 365 * 86_400);
        self.origin.checked_add(since).unwrap_or_else(far).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_where_its_mono_says() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(now.mono > Mono(0) && now.wall > UnixNanos(0));
        assert_eq!(clock.instant(Mono(1)), clock.origin.into());
        assert_eq!(
            clock.instant(Mono(1).plus(Duration::from_secs(5))) - clock.instant(Mono(1)),
            Duration::from_secs(5)
        );
        assert!(clock.instant(Mono(u64::MAX)) > clock.instant(now.mono));
    }
}
