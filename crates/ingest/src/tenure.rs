//! The right of one session to have its rows stored, where several workers share the markets.
//!
//! Owns what a session that is one of many has to know: which markets are its own, and whether its rows may leave yet.
//! A session that warms up keeps its rows to itself until its worker holds the lease. It refuses to judge that: whoever
//! holds leases opens it, and the server has the last word with every batch.

#![cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "without a server nothing is shared"))]

use std::sync::{Arc, Mutex, PoisonError};

use venuekit_session::Only;
use venuekit_store::Resume;

use crate::queue::Reservation;

/// What a session of a shard lives by.
#[derive(Clone)]
pub(crate) struct Tenure {
    /// Which of its shard's sessions it is, counted from the first.
    pub(crate) session: u32,
    /// The markets of its shard.
    pub(crate) only: Only,
    pub(crate) gate: Arc<Gate>,
    /// Takes reservations of generations, which all workers share.
    pub(crate) reserve: Arc<dyn Fn(Reservation) + Send + Sync>,
}

/// Whether rows may leave, and under which fence.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
}

#[derive(Default)]
struct GateState {
    fence: Option<u64>,
    left: Option<Resume>,
}

impl Gate {
    /// Lets rows leave under a fence from now on; `left` is what others left behind at the server, where there was
    /// somebody else before.
    pub(crate) fn open(&self, fence: i64, left: Option<Resume>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fence = Some(fence.unsigned_abs());
        state.left = left.or(state.left.take());
    }

    /// The fence, and once what others left.
    pub(crate) fn look(&self) -> (Option<u64>, Option<Resume>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.fence, state.left.take())
    }
}
