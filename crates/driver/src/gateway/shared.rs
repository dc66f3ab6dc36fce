//! What every part of a gateway holds: the gate, its cell in the last hop, and who waits for what.
//!
//! The gate is one lock, and the cell follows it within that lock, so the two never disagree for longer than a write
//! to a socket takes.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use venuekit_session::gate::Gate;
use venuekit_session::{CommandId, Done, Resolution};
use venuekit_types::{Mono, Now};
use venuekit_venue::Row;

use super::GateCell;
use super::keeper::Note;
use super::orders::Orders;
use super::switch::Seen;
use crate::clock::Clock;

/// How a command ended, with the rows of its answer.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) rows: Vec<Row>,
    pub(super) done: Done,
}

/// Who waits for the end of a command.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) rows: Vec<Row>,
    pub(super) done: Option<oneshot::Sender<Ended>>,
    pub(super) resolved: Option<oneshot::Sender<Resolution>>,
}

/// Shared by the parts of one gateway.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) cell: GateCell,
    gate: Mutex<Gate>,
    orders: Mutex<Orders>,
    /// What stands outside and must vouch for the gate too.
    switches: Mutex<Vec<Seen>>,
    waiting: Mutex<BTreeMap<CommandId, Waiting>>,
    notes: SyncSender<Note>,
    /// Told when everything is to be cancelled.
    pub(super) sweep: Notify,
    /// Told when an order was placed, or what is open was read.
    pub(super) changed: Notify,
}

impl Shared {
    pub(super) fn new(clock: Clock, gate: Gate, notes: SyncSender<Note>) -> Shared {
        Shared {
            clock,
            cell: GateCell::shut(clock),
            gate: Mutex::new(gate),
            orders: Mutex::default(),
            switches: Mutex::default(),
            waiting: Mutex::default(),
            notes,
            sweep: Notify::new(),
            changed: Notify::new(),
        }
    }

    /// Looks at what is open, or changes it.
    pub(super) fn orders<R>(&self, act: impl FnOnce(&mut Orders) -> R) -> R {
        act(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the switches, or changes what is known of them.
    pub(super) fn switches<R>(&self, act: impl FnOnce(&mut Vec<Seen>) -> R) -> R {
        act(&mut self.switches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The instant for which every switch vouches, if each of them does for one.
    pub(super) fn vouched(&self, now: Mono) -> Option<Mono> {
        self.switches(|all| all.iter().try_fold(now, |oldest, seen| Some(oldest.min(seen.good()?))))
    }

    /// What a switch has against orders, in words.
    pub(super) fn against(&self) -> Option<String> {
        self.switches(|all| all.iter().find_map(Seen::against))
    }

    /// Does something to the gate; the cell follows before this returns.
    pub(super) fn gate<R>(&self, act: impl FnOnce(&mut Gate, Now) -> R) -> R {
        let (mut gate, broken) = match self.gate.lock() {
            Ok(gate) => (gate, false),
            Err(poisoned) => (poisoned.into_inner(), true),
        };
        let before = gate.sweep();
        let now = self.clock.now();
        if broken {
            self.cell.trip();
            gate.crashed(now, "a panic while the gate was held");
        }
        let result = act(&mut gate, now);
        self.follow(&mut gate, now);
        let demanded = gate.sweep().is_some() && gate.sweep() != before;
        drop(gate);
        if demanded {
            self.sweep.notify_one();
        }
        result
    }

    /// Stops everything, first of all in the last hop: no byte of an order leaves once this has returned.
    pub(super) fn halt(&self, by: &str) {
        self.cell.trip();
        self.gate(|gate, now| gate.halt(now, by));
        self.note(Note::Wake);
    }

    /// As [`Shared::halt`], by something that stays until it is taken away.
    pub(super) fn forbid(&self, by: &str) {
        self.cell.trip();
        self.gate(|gate, now| gate.forbid(now, by));
        self.note(Note::Wake);
    }

    fn follow(&self, gate: &mut MutexGuard<'_, Gate>, now: Now) {
        match gate.lease(now) {
            Some(lease) => self.cell.open(lease.until),
            None => self.cell.trip(),
        }
    }

    /// Hands something to the keeper. One that takes nothing more vouches for nothing more.
    pub(super) fn note(&self, note: Note) -> bool {
        // A wake that finds no room is no loss: the keeper is awake.
        let wake = matches!(note, Note::Wake);
        let taken = self.notes.try_send(note).is_ok();
        if !taken && !wake {
            self.gate(|gate, now| gate.distrust(now, "the journal takes nothing more"));
        }
        taken
    }

    // ---- who waits for a command ----

    pub(super) fn wait_for(
        &self,
        id: CommandId,
    ) -> (oneshot::Receiver<Ended>, oneshot::Receiver<Resolution>) {
        let ((done, ended), (resolved, resolution)) = (oneshot::channel(), oneshot::channel());
        let waiting = Waiting { rows: Vec::new(), done: Some(done), resolved: Some(resolved) };
        self.lock_waiting().insert(id, waiting);
        (ended, resolution)
    }

    /// Nobody waits for a command any more.
    pub(super) fn forget(&self, id: CommandId) {
        self.lock_waiting().remove(&id);
    }

    pub(super) fn answered(&self, id: CommandId, rows: &[Row]) {
        if let Some(waiting) = self.lock_waiting().get_mut(&id) {
            waiting.rows.extend_from_slice(rows);
        }
    }

    pub(super) fn done(&self, id: CommandId, done: &Done) {
        let mut all = self.lock_waiting();
        let Some(waiting) = all.get_mut(&id) else { return };
        if let Some(tell) = waiting.done.take() {
            // Whoever asked may have gone away.
            let _ = tell.send(Ended { rows: std::mem::take(&mut waiting.rows), done: done.clone() });
        }
        if !matches!(done, Done::Unknown(_)) {
            all.remove(&id);
        }
    }

    pub(super) fn resolved(&self, id: CommandId, outcome: &Resolution) {
        let waiting = self.lock_waiting().remove(&id);
        if let Some(tell) = waiting.and_then(|waiting| waiting.resolved) {
            let _ = tell.send(outcome.clone());
        }
    }

    fn lock_waiting(&self) -> MutexGuard<'_, BTreeMap<CommandId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a part of the gateway ended, unless it was told to.
pub(super) struct Vigil {
    shared: std::sync::Arc<Shared>,
    part: &'static str,
    dismissed: bool,
}

impl Vigil {
    pub(super) fn over(shared: &std::sync::Arc<Shared>, part: &'static str) -> Vigil {
        Vigil { shared: std::sync::Arc::clone(shared), part, dismissed: false }
    }

    /// It ended as it should.
    pub(super) fn dismiss(mut self) {
        self.dismissed = true;
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        if !self.dismissed {
            self.shared.cell.trip();
            self.shared.gate(|gate, now| gate.crashed(now, self.part));
        }
    }
}
