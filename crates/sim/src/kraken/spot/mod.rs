//! Spot: what it keeps of connections, keys and books told.

mod account;
mod answers;
mod book;
mod executions;
mod ledger;
mod orders;
mod public;
mod rest;
mod socket;

pub(super) use answers::trade_ns;
pub(super) use public::{candles, change_pct, side, volume_quote};

use std::collections::BTreeMap;
use std::net::IpAddr;

use venuekit_types::{Mono, Now};

use crate::kraken::limit::Counter;
use crate::kraken::spot::book::Window;
use crate::kraken::spot::ledger::Ledger;
use crate::kraken::spot::rest::KeyState;
use crate::kraken::spot::socket::{Conn, Topic};
use crate::venue::User;
use crate::world::World;

/// What spot keeps.
pub(super) struct State {
    conns: BTreeMap<u64, Conn>,
    /// Who listens to what.
    listeners: BTreeMap<Topic, Vec<u64>>,
    /// Books as told last, by market and depth, while anybody listens.
    windows: BTreeMap<(usize, u16), Window>,
    /// The best prices and quantities of each market as told last.
    touches: Vec<[(i64, i64); 2]>,
    public: BTreeMap<IpAddr, Counter>,
    keys: BTreeMap<String, KeyState>,
    /// What orders of each market have cost.
    order_counters: BTreeMap<usize, Counter>,
    ledger: Ledger,
    /// When all orders are cancelled unless the client says otherwise before.
    pub(super) switch: Option<Mono>,
}

impl State {
    pub(super) fn new(world: &World, user: User, start: Now) -> State {
        let account = world.account(user.owner);
        let at_ms = start.wall.millis();
        let ledger = account.map(|account| Ledger::new(account, world.markets(), at_ms)).unwrap_or_default();
        State {
            conns: BTreeMap::new(),
            listeners: BTreeMap::new(),
            windows: BTreeMap::new(),
            touches: vec![[(0, 0); 2]; world.markets().len()],
            public: BTreeMap::new(),
            keys: BTreeMap::new(),
            order_counters: BTreeMap::new(),
            ledger,
            switch: None,
        }
    }

    pub(super) fn holds(&self, conn: u64) -> bool {
        self.conns.contains_key(&conn)
    }

    pub(super) fn drop_conn(&mut self, conn: u64) {
        if let Some(state) = self.conns.remove(&conn) {
            for topic in state.topics() {
                self.leave(conn, topic);
            }
        }
    }

    /// Ends what a key has opened: gives the connections to close.
    pub(super) fn revoke(&mut self, key: &str) -> Vec<u64> {
        self.keys.remove(key);
        let opened = |(&conn, state): (&u64, &Conn)| state.is_of(key).then_some(conn);
        let conns: Vec<u64> = self.conns.iter().filter_map(opened).collect();
        conns.iter().for_each(|&conn| self.drop_conn(conn));
        conns
    }

    /// Forgets all connections.
    pub(super) fn restart(&mut self) {
        self.conns.clear();
        self.listeners.clear();
        self.windows.clear();
    }
}
