//! From the store to a bus: what is durable here is told there, as fast as the bus takes it.
//!
//! Owns the thread that does it, and the patience with a bus that is away. It refuses to matter: a bus that is dead or
//! slow neither slows nor ends the run. Its cursor stands still, `/readyz` and metrics say so, and what it was not told
//! is told when it is back.

#![cfg_attr(not(feature = "nats"), allow(dead_code, reason = "this build knows no bus"))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use venuekit_driver::Clock;
use venuekit_store::{Bus, Fanout, Told};
use venuekit_types::Mono;

use crate::error::IngestError;
use crate::metrics::FanoutMetrics;
use crate::relay::{chain, pause};
use crate::sample::Sampler;

/// The bus's name: in the store, in `/readyz` and in metrics.
pub(crate) const NATS: &str = "nats";
/// Messages of one step, about.
const ROWS_MAX: usize = 4_000;
/// First wait after a failure; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const RETRY_LONGEST: Duration = Duration::from_secs(2);

/// What became of the way to the bus.
#[derive(Default)]
pub(crate) struct FanoutBoard {
    state: Mutex<FanoutState>,
    /// Nobody waits for the rest any more.
    hurry: AtomicBool,
}

/// What it last said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct FanoutState {
    /// Since when the bus does not take messages, and why.
    pub(crate) trouble: Option<(Mono, Arc<str>)>,
    /// Batches that wait, to its knowledge.
    pub(crate) behind: u64,
    /// Messages that the bus took.
    pub(crate) published: u64,
    /// Messages that the bus takes none so large of.
    pub(crate) oversize: u64,
    /// Batches that went before the bus was told of them.
    pub(crate) missed: u64,
}

impl FanoutBoard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, FanoutState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that what still waits may wait for the next run.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }
}

/// A way to a bus that is open.
pub(crate) struct Fanning {
    pub(crate) board: Arc<FanoutBoard>,
    /// Rung when there is something to tell; the way ends when it is dropped.
    pub(crate) bell: SyncSender<()>,
    /// Resolves when it has ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Fanning {
    /// Begins, on a thread of its own.
    ///
    /// **Errors**: [`IngestError::Died`] where no thread can be started.
    pub(crate) fn begin(
        fanout: Fanout,
        bus: Box<dyn Bus>,
        metrics: FanoutMetrics,
        clock: Clock,
    ) -> Result<Fanning, IngestError> {
        let board = Arc::<FanoutBoard>::default();
        let (bell, rung) = sync_channel(1);
        let (ends, ended) = oneshot::channel::<()>();
        let teller = Teller { fanout, bus, board: Arc::clone(&board), metrics, clock };
        let thread = move || {
            // Dropped when the thread ends, however it ends.
            let _ends = ends;
            teller.run(&rung);
        };
        std::thread::Builder::new()
            .name(NATS.to_owned())
            .spawn(thread)
            .map_err(|_| IngestError::Died { part: "the way to the bus".to_owned() })?;
        Ok(Fanning { board, bell, ended })
    }
}

struct Teller {
    fanout: Fanout,
    bus: Box<dyn Bus>,
    board: Arc<FanoutBoard>,
    metrics: FanoutMetrics,
    clock: Clock,
}

impl Drop for Teller {
    /// A thread that panics is a bus that is told nothing any more.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.board.lock().trouble = Some((self.clock.now().mono, "its thread died".into()));
            self.metrics.up(false);
        }
    }
}

impl Teller {
    /// Tells until the bell is gone and nothing is left, or nobody waits for it.
    fn run(mut self, bell: &Receiver<()>) {
        let mut told = Sampler::default();
        let mut wait = RETRY_FIRST;
        let mut is_last = false;
        while !self.board.hurry.load(Ordering::Relaxed) {
            match self.fanout.step(&mut *self.bus, ROWS_MAX) {
                Ok(step) => {
                    wait = RETRY_FIRST;
                    let is_done = step.published.is_none();
                    self.took(step, &mut told);
                    match (is_done, is_last) {
                        (true, true) => return,
                        // Whatever was stored before the bell went away is there now: one more look.
                        (true, false) => is_last = bell.recv().is_err(),
                        (false, _) => {}
                    }
                }
                Err(error) => {
                    self.failed(&error, &mut told);
                    if is_last || !pause(bell, wait, self.clock) {
                        return;
                    }
                    wait = RETRY_LONGEST.min(wait * 2);
                }
            }
        }
    }

    /// Notes what the bus took.
    fn took(&self, step: Told, told: &mut Sampler<&'static str>) {
        let Told { published, behind, missed } = step;
        let published = published.unwrap_or_default();
        let now = self.clock.now().mono;
        let mut state = self.board.lock();
        state.behind = behind;
        state.published += published.new + published.dup;
        state.oversize += published.oversize.len() as u64;
        state.missed += missed;
        let trouble = state.trouble.take();
        drop(state);
        self.metrics.told(&published, behind, missed);
        self.metrics.up(true);
        if let Some((since, why)) = trouble {
            tracing::info!(seconds = now.since(since).as_secs(), was = %why, "the bus takes messages again");
        }
        for id in &published.oversize {
            if let Some(left_out) = told.admit(now, "oversize") {
                tracing::error!(left_out, "{id} is larger than the bus takes; it is in the store alone");
            }
        }
        if missed > 0
            && let Some(left_out) = told.admit(now, "missed")
        {
            tracing::warn!(left_out, batches = missed, "rows went before the bus was told of them");
        }
    }

    fn failed(&self, error: &venuekit_store::FanoutError, told: &mut Sampler<&'static str>) {
        let now = self.clock.now().mono;
        let why: Arc<str> = chain(error).into();
        let mut state = self.board.lock();
        let since = state.trouble.take().map_or(now, |(since, _)| since);
        state.trouble = Some((since, Arc::clone(&why)));
        drop(state);
        self.metrics.up(false);
        self.metrics.failed();
        if let Some(left_out) = told.admit(now, "trouble") {
            tracing::error!(left_out, "messages wait in the store: {why}");
        }
    }
}
