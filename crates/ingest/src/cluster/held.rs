//! What a member holds, between the thread that keeps its leases and the thread that writes under them.
//!
//! Owns one caution: while the leases were not renewed in time, nothing is written, and nothing is thrown away either;
//! they may be its own again in a moment. It refuses to judge who may write, which the server does with every batch.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::Counter;
use venuekit_driver::Clock;
use venuekit_store::postgres::{Fence, Lease, Postgres};
use venuekit_store::{Batch, Market, Receipt, Resume, Shard, Sink, SinkError};
use venuekit_types::Mono;

use super::Ask;

/// The leases of a member.
#[derive(Clone)]
pub(crate) struct Held {
    state: Arc<Mutex<HeldState>>,
    owner: Arc<str>,
    buckets: NonZeroU16,
    clock: Clock,
    asks: Sender<Ask>,
    /// Batches that a fence turned away.
    rejections: Counter,
}

#[derive(Default)]
struct HeldState {
    leases: Vec<Lease>,
    /// Until when they are known to stand, if the server's clock goes no faster than ours.
    until: Mono,
}

impl Held {
    pub(super) fn new(
        owner: &str,
        buckets: NonZeroU16,
        clock: Clock,
        asks: Sender<Ask>,
        rejections: Counter,
    ) -> Held {
        Held { state: Arc::default(), owner: owner.into(), buckets, clock, asks, rejections }
    }

    /// Says what is held, and until when that is sure.
    pub(super) fn set(&self, leases: Vec<Lease>, until: Mono) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = HeldState { leases, until };
    }

    /// Says that a lease was taken: before any row of its shard may leave.
    pub(super) fn add(&self, lease: &Lease) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leases.retain(|held| held.shard != lease.shard);
        state.leases.push(lease.clone());
    }

    /// Says that a lease was given away.
    pub(super) fn forget(&self, lease: &Lease) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).leases.retain(|held| held != lease);
    }

    /// What to write under now; nothing while that is not known.
    fn fence(&self) -> Option<Fence> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (self.clock.now().mono < state.until).then(|| Fence {
            owner: self.owner.to_string(),
            buckets: self.buckets,
            leases: state.leases.clone(),
        })
    }
}

/// A server that takes rows under the leases of a member.
pub(crate) struct Fenced {
    server: Postgres,
    held: Held,
}

impl Fenced {
    pub(crate) fn new(server: Postgres, held: Held) -> Fenced {
        Fenced { server, held }
    }
}

impl Sink for Fenced {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let Some(fence) = self.held.fence() else {
            return Err(SinkError::Unleased("the leases were not renewed in time, and are looked at".into()));
        };
        self.server.write_under(fence.clone());
        let receipt = self.server.commit(batch)?;
        let is_held = |shard: &&Shard| fence.leases.iter().any(|lease| lease.shard == **shard);
        match receipt.lost.iter().find(is_held) {
            // Rows of a shard that was given up are nobody's any more.
            None => Ok(receipt),
            // What is left of the batch is kept until it is known whether the shard is ours again.
            Some(shard) => {
                self.held.rejections.increment(1);
                let why = format!("the lease on {shard} is lost");
                // The member may be gone already.
                let _ = self.held.asks.send(Ask::Look);
                Err(SinkError::Unleased(why.into()))
            }
        }
    }

    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        self.server.reserve_epochs(market, count)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        self.server.resume()
    }
}
