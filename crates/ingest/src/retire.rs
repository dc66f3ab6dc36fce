//! Old rows go while the run goes on: a thread for each place that takes a few away, and rests.
//!
//! Owns the pace. It refuses to matter: when it fails, rows stay, which is logged and tried again.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use venuekit_driver::Clock;
use venuekit_store::{OpenError, Removal, Retainer, Retention, SinkError};
use venuekit_types::UnixNanos;

use crate::metrics::SQLITE;
use crate::sink::reason;

/// Rows of one step, about.
const ROWS_MAX: u64 = 2_000;
/// Between two steps while there is something to do.
const BETWEEN: Duration = Duration::from_millis(100);
/// Between two looks when there is nothing.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Takes old rows away until it is dropped.
#[derive(Default)]
pub(crate) struct Retiring {
    /// Never used: each is what a thread waits on.
    _stops: Vec<Sender<()>>,
}

/// Takes a step; what went, or nothing when there is nothing to do.
type Step = Box<dyn FnMut(UnixNanos) -> Result<Vec<Removal>, SinkError> + Send>;

impl Retiring {
    /// Begins in a database of this process, where any rule says so.
    ///
    /// **Errors**: [`OpenError`].
    pub(crate) fn begin(path: &Path, retention: &Retention, clock: Clock) -> Result<Retiring, OpenError> {
        let mut retiring = Retiring::default();
        if !retention.is_empty() {
            let mut retainer = Retainer::open(path, retention.clone())?;
            retiring.keep_at(SQLITE, Box::new(move |now| retainer.step(now, ROWS_MAX)), clock);
        }
        Ok(retiring)
    }

    /// Begins on a server too, where any rule says so. One that cannot be reached is asked again later.
    #[cfg(feature = "postgres")]
    pub(crate) fn at_server(
        &mut self,
        dsn: &venuekit_store::postgres::Dsn,
        retention: &Retention,
        clock: Clock,
    ) {
        use venuekit_store::postgres::ServerRetainer;
        if retention.is_empty() {
            return;
        }
        let (dsn, retention) = (dsn.clone(), retention.clone());
        let mut retainer: Option<ServerRetainer> = None;
        let step = move |now| {
            let open = match retainer.take() {
                Some(open) => open,
                None => ServerRetainer::connect(&dsn, retention.clone())
                    .map_err(|error| SinkError::Unreachable(Box::new(error)))?,
            };
            retainer.insert(open).step(now, ROWS_MAX)
        };
        self.keep_at(crate::relay::SERVER, Box::new(step), clock);
    }

    fn keep_at(&mut self, sink: &'static str, mut step: Step, clock: Clock) {
        let (stop, stopped) = channel::<()>();
        let thread = move || {
            let mut has_failed = false;
            loop {
                let wait = match step(clock.now().wall) {
                    Ok(removed) => {
                        has_failed = false;
                        for removal in &removed {
                            let (table, venue, rows) = (removal.table, &removal.venue, removal.rows);
                            tracing::debug!(sink, %table, venue, rows, "old rows were taken away");
                        }
                        if removed.is_empty() { LOOK_EVERY } else { BETWEEN }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut has_failed, true) {
                            tracing::error!(sink, "old rows stay: {}", reason(&error));
                        }
                        LOOK_EVERY
                    }
                };
                if stopped.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
            }
        };
        // Without it rows only stay longer than they have to.
        if std::thread::Builder::new().name("retire".to_owned()).spawn(thread).is_err() {
            tracing::error!(sink, "old rows stay: no thread can be started");
        }
        self._stops.push(stop);
    }
}
