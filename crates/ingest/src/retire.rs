//! Old rows go while the run goes on: a thread that takes a few away, and rests.
//!
//! Owns the pace. It refuses to matter: when it fails, rows stay, which is logged and tried again.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use venuekit_driver::Clock;
use venuekit_store::{OpenError, Retainer, Retention};

use crate::sink::reason;

/// Rows of one step, about.
const ROWS_MAX: u64 = 2_000;
/// Between two steps while there is something to do.
const BETWEEN: Duration = Duration::from_millis(100);
/// Between two looks when there is nothing.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Takes old rows away until it is dropped.
pub(crate) struct Retiring {
    /// Never used: it is what the thread waits on.
    _stop: Sender<()>,
}

impl Retiring {
    /// Begins, where any rule says so.
    ///
    /// **Errors**: [`OpenError`].
    pub(crate) fn begin(
        path: &Path,
        retention: &Retention,
        clock: Clock,
    ) -> Result<Option<Retiring>, OpenError> {
        if retention.is_empty() {
            return Ok(None);
        }
        let mut retainer = Retainer::open(path, retention.clone())?;
        let (stop, stopped) = channel::<()>();
        let thread = move || {
            let mut has_failed = false;
            loop {
                let wait = match retainer.step(clock.now().wall, ROWS_MAX) {
                    Ok(removed) => {
                        has_failed = false;
                        for removal in &removed {
                            let (table, venue, rows) = (removal.table, &removal.venue, removal.rows);
                            tracing::debug!(%table, venue, rows, "old rows were taken away");
                        }
                        if removed.is_empty() { LOOK_EVERY } else { BETWEEN }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut has_failed, true) {
                            tracing::error!("old rows stay: {}", reason(&error));
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
            tracing::error!("old rows stay: no thread can be started");
        }
        Ok(Some(Retiring { _stop: stop }))
    }
}
