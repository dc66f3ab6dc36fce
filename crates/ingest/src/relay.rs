//! From the spool to the server: what is durable here is handed on there, as fast as the server takes it.
//!
//! Owns the thread that does it, and the patience with a server that is away. A batch leaves the spool's queue only
//! when the server has acknowledged it. It refuses to lose: what the server does not take waits, and whoever ends the
//! run before that finds it again with the next one.

#![cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "this build knows no other end"))]

#[cfg(feature = "postgres")]
mod connect;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use venuekit_driver::Clock;
use venuekit_store::{Market, Outbox, Receipt, Relayed, Resume, Sink, Sqlite};
use venuekit_types::Mono;

use crate::error::IngestError;
use crate::metrics::SinkMetrics;
use crate::sample::Sampler;

#[cfg(feature = "postgres")]
pub(crate) use connect::{connect, connect_fenced};

/// The name of the server's part: in the spool, in `/readyz` and in metrics.
pub(crate) const SERVER: &str = "postgres";
/// Rows of one step, about.
const ROWS_MAX: usize = 4_000;
/// First wait after a failure; each further one is twice as long.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest wait between two attempts.
const RETRY_LONGEST: Duration = Duration::from_secs(1);

/// What a server held when it was connected to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) epochs: Vec<(Market, u64)>,
    pub(crate) resume: Resume,
}

impl Known {
    /// Makes a spool go on where the server is: no generation is given twice, and a spool that is new knows of the
    /// streams that the server has.
    pub(crate) fn adopt(&self, spool: &mut Sqlite) -> Result<Resume, IngestError> {
        for (market, last) in &self.epochs {
            spool.raise_epochs(market, *last)?;
        }
        let resume = spool.resume()?;
        Ok(match resume.cursors.as_slice() {
            [] => Resume { limits: resume.limits, ..self.resume.clone() },
            _ => resume,
        })
    }
}

/// What became of the way to the server.
#[derive(Default)]
pub(crate) struct RelayBoard {
    state: Mutex<RelayState>,
    /// Nobody waits for the rest any more.
    hurry: AtomicBool,
    /// The most that rows in the spool may take up.
    bytes_max: AtomicU64,
}

/// What it last said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct RelayState {
    /// Since when the server does not take rows, and why.
    pub(crate) trouble: Option<(Mono, Arc<str>)>,
    /// Batches that wait, to its knowledge.
    pub(crate) behind: u64,
    /// Rows that the server took.
    pub(crate) rows: u64,
    /// Rows that it did not take, since another worker holds their shard.
    pub(crate) fenced: u64,
    /// Whatever was in the spool at that instant has been handed on.
    pub(crate) empty_at: Mono,
    /// Rows that the spool had no room for before the server took them.
    pub(crate) shed: u64,
    /// The spool's size cannot be held.
    untrimmed: bool,
}

impl RelayBoard {
    pub(crate) fn lock(&self) -> MutexGuard<'_, RelayState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that what still waits may wait for the next run.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }

    /// From now on the rows in the spool may take up so much.
    pub(crate) fn hold(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// The most that they may take up.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// The spool held its size; so many rows went lost for it.
    pub(crate) fn trimmed(&self, shed: u64) {
        let mut state = self.lock();
        state.untrimmed = false;
        if shed > 0 {
            if state.shed == 0 {
                tracing::error!("the spool is full and the server is away: the oldest market data is shed");
            }
            state.shed += shed;
        }
    }

    /// The spool could not be made smaller; the next commit tries again.
    pub(crate) fn untrimmed(&self, error: &venuekit_store::SinkError) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.untrimmed, true) {
            tracing::error!("the spool's size is not held: {}", crate::sink::reason(error));
        }
    }
}

/// A server that is connected and waits for its spool.
pub(crate) struct Connected {
    pub(crate) known: Known,
    begin: Sender<Begin>,
    ended: oneshot::Receiver<()>,
}

/// What hands on is made from.
struct Begin {
    outbox: Outbox,
    bell: Receiver<()>,
    board: Arc<RelayBoard>,
    metrics: SinkMetrics,
    clock: Clock,
}

/// A way to the server that is open.
pub(crate) struct Relay {
    pub(crate) board: Arc<RelayBoard>,
    /// Resolves when it has ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Connected {
    /// Connects on a thread of its own, which is where the connection lives and ends.
    ///
    /// **Errors**: what `connect` says.
    pub(crate) async fn make(
        connect: impl FnOnce() -> Result<(Box<dyn Sink>, Known), IngestError> + Send + 'static,
    ) -> Result<Connected, IngestError> {
        let (begin, begun) = channel::<Begin>();
        let (tell, told) = oneshot::channel();
        let (ends, ended) = oneshot::channel::<()>();
        let thread = move || {
            // Dropped when the thread ends, however it ends.
            let _ends = ends;
            match connect() {
                Ok((sink, known)) => {
                    // Whoever asked may have been refused for another reason: then nothing begins.
                    let _ = tell.send(Ok(known));
                    if let Ok(begin) = begun.recv() {
                        hand_on(sink, begin);
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        };
        let died = || IngestError::Died { part: "the way to the server".to_owned() };
        std::thread::Builder::new().name(SERVER.to_owned()).spawn(thread).map_err(|_| died())?;
        let known = told.await.map_err(|_| died())??;
        Ok(Connected { known, begin, ended })
    }

    /// Begins to hand on what the outbox has.
    pub(crate) fn begin(self, outbox: Outbox, metrics: SinkMetrics, clock: Clock) -> (Relay, SyncSender<()>) {
        let board = Arc::<RelayBoard>::default();
        let (ring, bell) = sync_channel(1);
        let begin = Begin { outbox, bell, board: Arc::clone(&board), metrics, clock };
        // A thread that is gone is noticed where its end is waited for.
        let _ = self.begin.send(begin);
        (Relay { board, ended: self.ended }, ring)
    }
}

/// Hands on until the bell is gone and nothing is left, or nobody waits for it.
fn hand_on(mut server: Box<dyn Sink>, begin: Begin) {
    let Begin { mut outbox, bell, board, metrics, clock } = begin;
    metrics.up(true);
    let mut told = Sampler::default();
    let mut wait = RETRY_FIRST;
    let mut is_last = false;
    while !board.hurry.load(Ordering::Relaxed) {
        let looked = clock.now().mono;
        match outbox.step(&mut *server, ROWS_MAX) {
            Ok(Relayed { receipt, behind }) => {
                wait = RETRY_FIRST;
                let now = clock.now().mono;
                let is_done = receipt.is_none();
                let trouble = took(&board, receipt.as_ref(), behind, &metrics);
                if behind == 0 {
                    board.lock().empty_at = looked;
                }
                if let Some((since, why)) = trouble {
                    metrics.up(true);
                    tracing::info!(seconds = now.since(since).as_secs(), was = %why, "the server takes rows again");
                }
                for refused in receipt.iter().flat_map(|receipt| &receipt.refused) {
                    if let Some(left_out) = told.admit(now, Some(refused.table)) {
                        tracing::error!(table = %refused.table, left_out, "{refused}");
                    }
                }
                match (is_done, is_last) {
                    (true, true) => return,
                    // Whatever was stored before the bell went away is there now: one more look.
                    (true, false) => is_last = bell.recv().is_err(),
                    (false, _) => {}
                }
            }
            Err(error) => {
                let now = clock.now().mono;
                let why: Arc<str> = chain(&error).into();
                let mut state = board.lock();
                let since = state.trouble.take().map_or(now, |(since, _)| since);
                state.trouble = Some((since, Arc::clone(&why)));
                drop(state);
                metrics.up(false);
                if let Some(left_out) = told.admit(now, None) {
                    tracing::error!(left_out, "rows wait in the spool: {why}");
                }
                if is_last || !pause(&bell, wait, clock) {
                    return;
                }
                wait = RETRY_LONGEST.min(wait * 2);
            }
        }
    }
}

/// Notes what the server took; gives the trouble that is over.
fn took(
    board: &RelayBoard,
    receipt: Option<&Receipt>,
    behind: u64,
    metrics: &SinkMetrics,
) -> Option<(Mono, Arc<str>)> {
    let mut state = board.lock();
    state.behind = behind;
    metrics.depth(usize::try_from(behind).unwrap_or(usize::MAX));
    if let Some(receipt) = receipt {
        let total = receipt.total();
        state.rows += total.new;
        state.fenced += total.fenced;
        metrics.stored_all(receipt);
    }
    state.trouble.take()
}

/// Waits, however often the bell rings; false when it is gone.
pub(crate) fn pause(bell: &Receiver<()>, span: Duration, clock: Clock) -> bool {
    let began = clock.now().mono;
    loop {
        let left = span.saturating_sub(clock.now().mono.since(began));
        match bell.recv_timeout(left) {
            Ok(()) if !left.is_zero() => {}
            Ok(()) | Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// An error and its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
