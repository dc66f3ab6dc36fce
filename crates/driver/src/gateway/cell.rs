//! The last hop's own view of the gate: one instant until which bytes of entries may be written.
//!
//! A write of an entry happens while the instant is held for reading, a trip holds it for writing. So when a trip has
//! returned, no byte of an entry is on its way into a socket, and none follows. The instant runs out by itself: a gate
//! that nobody keeps verifying is shut without anybody doing anything.

use std::sync::{Arc, PoisonError, RwLock};

use venuekit_types::Mono;

use crate::clock::Clock;

/// Whether entries may leave now. Copies share one state.
///
/// Whoever has one can stop entries; [`crate::gateway::Gateway`] is what opens it, by the rules of
/// [`venuekit_session::gate::Gate`].
#[derive(Clone, Debug)]
pub struct GateCell {
    until: Arc<RwLock<Mono>>,
    clock: Clock,
}

impl GateCell {
    /// A cell that lets nothing leave.
    pub fn shut(clock: Clock) -> GateCell {
        GateCell { until: Arc::new(RwLock::new(Mono(0))), clock }
    }

    /// Lets entries leave before an instant of its clock.
    pub fn open(&self, until: Mono) {
        // A panic while it was held left no half-written instant, but something is broken: it stays shut.
        if let Ok(mut held) = self.until.write() {
            *held = until;
        }
    }

    /// Shuts it. No byte of an entry leaves after this has returned.
    pub fn trip(&self) {
        *self.until.write().unwrap_or_else(PoisonError::into_inner) = Mono(0);
    }

    /// Whether an entry may leave now.
    pub fn is_open(&self) -> bool {
        self.within(|| ()).is_some()
    }

    /// Does what may only be done while it is open; a trip waits for it, so it must not block.
    pub(crate) fn within<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        let held = self.until.read().ok()?;
        (self.clock.now().mono < *held).then(act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn it_is_shut_until_opened_and_shuts_by_itself() {
        let clock = Clock::start();
        let cell = GateCell::shut(clock);
        assert!(!cell.is_open());
        cell.open(clock.now().mono.plus(Duration::from_secs(600)));
        assert_eq!(cell.clone().within(|| 7), Some(7));
        cell.open(clock.now().mono);
        assert_eq!(cell.within(|| 7), None, "its instant is over");
        cell.open(Mono(u64::MAX));
        cell.trip();
        assert!(!cell.is_open());
    }

    #[test]
    fn nothing_is_written_once_a_trip_has_returned() {
        let clock = Clock::start();
        let cell = GateCell::shut(clock);
        let (tripped, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let (written, late) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        cell.within(|| {
                            written.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            late.fetch_add(u64::from(tripped.load(Ordering::SeqCst)), Ordering::Relaxed);
                        });
                    }
                });
            }
            for _ in 0..10_000 {
                cell.open(Mono(u64::MAX));
                std::thread::yield_now();
                cell.trip();
                tripped.store(true, Ordering::SeqCst);
                std::thread::yield_now();
                tripped.store(false, Ordering::SeqCst);
            }
            ended.store(true, Ordering::Relaxed);
        });
        assert!(written.into_inner() > 0, "something was written in between");
        assert_eq!(late.into_inner(), 0);
    }

    #[test]
    fn one_that_broke_while_it_was_held_stays_shut() {
        let cell = GateCell::shut(Clock::start());
        cell.open(Mono(u64::MAX));
        let broken = cell.clone();
        let _ = std::thread::spawn(move || {
            let _held = broken.until.write().expect("nobody broke it yet");
            panic!("on purpose");
        })
        .join();
        assert!(!cell.is_open());
        cell.open(Mono(u64::MAX));
        assert!(!cell.is_open());
        cell.trip();
    }
}
