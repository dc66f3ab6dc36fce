//! Futures: what it keeps of connections, nonces and limits.

mod account;
mod events;
mod history;
mod orders;
mod private;
mod public;
mod rest;
mod socket;

use std::collections::{BTreeMap, BTreeSet};

use venuekit_types::{Mono, Now};

use crate::kraken::futures::socket::{Conn, Feed};
use crate::kraken::limit::Counter;

/// What futures keep.
pub(super) struct State {
    conns: BTreeMap<u64, Conn>,
    /// Who listens to what.
    listeners: BTreeMap<Feed, Vec<u64>>,
    /// Nonces of each key within the window that still counts.
    nonces: BTreeMap<String, BTreeSet<u64>>,
    requests: Counter,
    history: Counter,
    /// When all orders are cancelled unless the client says otherwise before.
    pub(super) switch: Option<Mono>,
}

impl State {
    pub(super) fn new(start: Now) -> State {
        State {
            conns: BTreeMap::new(),
            listeners: BTreeMap::new(),
            nonces: BTreeMap::new(),
            requests: Counter::new(start.mono),
            history: Counter::new(start.mono),
            switch: None,
        }
    }

    pub(super) fn holds(&self, conn: u64) -> bool {
        self.conns.contains_key(&conn)
    }

    /// A connection said something.
    pub(super) fn heard(&mut self, conn: u64, now: Mono) {
        if let Some(state) = self.conns.get_mut(&conn) {
            state.heard_at = now;
        }
    }

    pub(super) fn drop_conn(&mut self, conn: u64) {
        if let Some(state) = self.conns.remove(&conn) {
            for feed in state.feeds {
                self.leave(conn, feed);
            }
        }
    }

    /// Ends what a key has opened: gives the connections to close.
    pub(super) fn revoke(&mut self, key: &str) -> Vec<u64> {
        self.nonces.remove(key);
        let opened = |(&conn, state): (&u64, &Conn)| (state.key.as_deref() == Some(key)).then_some(conn);
        let conns: Vec<u64> = self.conns.iter().filter_map(opened).collect();
        conns.iter().for_each(|&conn| self.drop_conn(conn));
        conns
    }

    /// Forgets all connections.
    pub(super) fn restart(&mut self) {
        self.conns.clear();
        self.listeners.clear();
    }
}
