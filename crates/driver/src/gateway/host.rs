//! The gateway's side of a session's loop: tells who waits how a command ended, and has intents made durable.

use std::sync::Arc;

use tokio::sync::OnceCell;
use venuekit_session::{Done, Emission, Event, Persist, PersistId, Resolution};
use venuekit_types::Now;
use venuekit_venue::{Ask, Row};

use super::journal::Record;
use super::keeper::Note;
use super::orders::Product;
use super::shared::Shared;
use crate::run::{Handle, Host};

/// The word of [`Resolution::Found`].
const FOUND: &str = "found";

/// Takes the events of one venue's session.
pub(super) struct GatewayHost {
    shared: Arc<Shared>,
    venue: usize,
    /// Set before the session runs.
    handle: Arc<OnceCell<Handle>>,
    next_epoch: u64,
}

impl GatewayHost {
    pub(super) fn new(shared: Arc<Shared>, venue: usize, handle: Arc<OnceCell<Handle>>) -> GatewayHost {
        GatewayHost { shared, venue, handle, next_epoch: 1 }
    }
}

impl Host for GatewayHost {
    fn event(&mut self, now: Now, emission: Emission<'_>) {
        match emission.event {
            Event::Answered { id, product, ask, rows } => {
                let rows = emission.rows(rows);
                if let Ask::Place(_) = **ask {
                    let product = Product { venue: self.venue, product: *product };
                    self.shared.orders(|orders| {
                        for row in rows {
                            if let Row::Order(order) = row {
                                orders.heard(product, order, now.mono);
                            }
                        }
                    });
                }
                self.shared.answered(*id, rows);
            }
            Event::Done { id, done } => {
                if !matches!(done, Done::Unknown(_)) {
                    self.shared.orders(|orders| orders.settle(*id));
                }
                self.shared.done(*id, done);
            }
            Event::Resolved { id, outcome } => {
                self.shared.orders(|orders| {
                    if let (Some(product), Resolution::Found(order)) = (orders.settle(*id), outcome) {
                        orders.heard(product, order, now.mono);
                    }
                });
                self.shared.resolved(*id, outcome);
            }
            _ => {}
        }
    }

    fn persist(&mut self, id: PersistId, what: Persist) -> Option<u64> {
        match what {
            // Nothing of a gateway's books is stored, so their epochs need not outlive it.
            Persist::Epochs { count, .. } => {
                let first = self.next_epoch;
                self.next_epoch += u64::from(count);
                Some(first)
            }
            Persist::Intent { intent, .. } => {
                if let Some(handle) = self.handle.get() {
                    let record = Record::Intent(intent);
                    self.shared.note(Note::Intent { handle: handle.clone(), id, record });
                }
                None
            }
            Persist::Settled { id: command, how } => {
                // One that was found is open, which its event says; until then it counts as it did.
                if how != FOUND {
                    self.shared.orders(|orders| orders.settle(command));
                }
                self.shared.note(Note::Keep(Record::Settled { id: command.0, how: how.to_owned() }));
                Some(0)
            }
            // One process that runs for long, and places a few orders a second: its budgets begin anew.
            Persist::Used(_) => None,
            Persist::Ban(ban) => {
                self.shared.note(Note::Keep(Record::Ban(ban)));
                Some(0)
            }
        }
    }
}
