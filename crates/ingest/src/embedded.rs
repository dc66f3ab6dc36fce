//! The database inside this process as the sink of the run: alone, or as the spool of a server, and with a bus beside it.
//!
//! Owns what the file needs between two commits: its size is held, and whoever hands on or tells from it is rung. It refuses to
//! fail a batch that is stored for the sake of either.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use metrics::Gauge;
use venuekit_driver::Clock;
use venuekit_store::{Batch, Limit, Market, Receipt, Resume, Sink, SinkError, Sqlite};

use crate::relay::RelayBoard;

/// A database that takes rows.
pub(crate) struct Embedded {
    sqlite: Sqlite,
    clock: Clock,
    spool: Option<Spool>,
    /// Rung when there is something to tell a bus.
    bus: Option<SyncSender<()>>,
}

/// What makes it a spool.
pub(crate) struct Spool {
    /// Rung when there is something to hand on.
    pub(crate) bell: SyncSender<()>,
    pub(crate) board: Arc<RelayBoard>,
    pub(crate) bytes: Gauge,
}

impl Embedded {
    pub(crate) fn new(
        sqlite: Sqlite,
        clock: Clock,
        spool: Option<Spool>,
        bus: Option<SyncSender<()>>,
    ) -> Embedded {
        Embedded { sqlite, clock, spool, bus }
    }

    fn keep(&mut self) {
        if let Some(bus) = &self.bus {
            // As below: whoever tells the bus hears of this batch either way.
            let _ = bus.try_send(());
        }
        let Some(spool) = &self.spool else { return };
        // One that hands on already hears of this batch too; one that is gone has said why.
        let _ = spool.bell.try_send(());
        let trimmed = self.sqlite.trim(spool.board.bytes_max(), self.clock.now().wall);
        match trimmed.and_then(|trimmed| Ok((trimmed, self.sqlite.bytes()?))) {
            Ok((trimmed, bytes)) => {
                // A gauge takes a span's seconds as they are, and no other number of 64 bits.
                spool.bytes.set(Duration::from_secs(bytes));
                spool.board.trimmed(trimmed.shed);
            }
            Err(error) => spool.board.untrimmed(&error),
        }
    }
}

impl Sink for Embedded {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let receipt = self.sqlite.commit(batch)?;
        self.keep();
        Ok(receipt)
    }

    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        self.sqlite.reserve_epochs(market, count)
    }

    fn keep_limits(&mut self, limits: &[Limit]) -> Result<(), SinkError> {
        self.sqlite.keep_limits(limits)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        self.sqlite.resume()
    }
}
