//! The deadline table: each timer has at most one deadline, and the nearest is found at once.

use std::collections::{BTreeMap, BTreeSet};

use venuekit_types::Mono;

use crate::io::Timer;

#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_timer: BTreeMap<Timer, Mono>,
    by_deadline: BTreeSet<(Mono, Timer)>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, timer: Timer, at: Mono) {
        if let Some(old) = self.by_timer.insert(timer, at) {
            self.by_deadline.remove(&(old, timer));
        }
        self.by_deadline.insert((at, timer));
    }

    /// Sets a deadline unless an earlier one stands.
    pub(crate) fn set_earlier(&mut self, timer: Timer, at: Mono) {
        if self.by_timer.get(&timer).is_none_or(|&old| at < old) {
            self.set(timer, at);
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(old) = self.by_timer.remove(&timer) {
            self.by_deadline.remove(&(old, timer));
        }
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.by_timer.contains_key(&timer)
    }

    pub(crate) fn clear(&mut self) {
        self.by_timer.clear();
        self.by_deadline.clear();
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<(Mono, Timer)> {
        self.by_deadline.first().copied()
    }

    /// Takes the nearest timer that is due.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<Timer> {
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}
