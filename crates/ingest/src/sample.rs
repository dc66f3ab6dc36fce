//! Noisy repeats, at most once a minute each: a storm of faults must not fill the disk with its log.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use venuekit_types::Mono;

/// How long a kind stays quiet after it was told.
const EVERY: Duration = Duration::from_secs(60);
/// Kinds remembered; of more than these in one minute nothing is told.
const KINDS_MAX: usize = 4_096;

/// Who was told when.
#[derive(Debug)]
pub(crate) struct Sampler<K> {
    told: HashMap<K, (Mono, u64)>,
}

impl<K> Default for Sampler<K> {
    fn default() -> Sampler<K> {
        Sampler { told: HashMap::new() }
    }
}

impl<K: Eq + Hash> Sampler<K> {
    /// Whether a kind is told now; then how many of it were left out since the last time.
    pub(crate) fn admit(&mut self, now: Mono, kind: K) -> Option<u64> {
        if let Some((at, left_out)) = self.told.get_mut(&kind) {
            if now.since(*at) < EVERY {
                *left_out += 1;
                return None;
            }
            *at = now;
            return Some(std::mem::take(left_out));
        }
        if self.told.len() >= KINDS_MAX {
            self.told.retain(|_, (at, _)| now.since(*at) < EVERY);
            if self.told.len() >= KINDS_MAX {
                return None;
            }
        }
        self.told.insert(kind, (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_a_minute_with_what_was_left_out() {
        let mut sampler = Sampler::default();
        let at = |seconds| Mono(1).plus(Duration::from_secs(seconds));
        assert_eq!(sampler.admit(at(0), "a"), Some(0));
        assert_eq!(sampler.admit(at(1), "a"), None);
        assert_eq!(sampler.admit(at(1), "b"), Some(0));
        assert_eq!(sampler.admit(at(59), "a"), None);
        assert_eq!(sampler.admit(at(60), "a"), Some(2));
        assert_eq!(sampler.admit(at(61), "a"), None);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut sampler = Sampler::default();
        let told = (0..2 * KINDS_MAX).filter(|kind| sampler.admit(Mono(1), *kind).is_some()).count();
        assert_eq!(told, KINDS_MAX);
        let later = Mono(1).plus(EVERY);
        assert_eq!(sampler.admit(later, KINDS_MAX), Some(0));
    }
}
