//! The client's side of the session's loop: copies events out, within bounds.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use venuekit_session::{Emission, Event, Persist, PersistId, Session};
use venuekit_types::{Now, Symbol};

use super::calls::Pending;
use super::{BookUpdate, MarketEvent, TradePrint};
use crate::run::Host;

/// Events that wait for the program.
const EVENTS_QUEUE: usize = 8_192;
/// Levels in those events together.
const LEVELS_QUEUE: usize = 2 << 20;

/// An event on its way, and the levels it holds.
#[derive(Debug)]
pub(super) struct Queued {
    event: MarketEvent,
    levels: usize,
}

/// What the loop and the program both see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Levels that wait.
    levels: AtomicUsize,
    /// Events that found no room since one did.
    missed: AtomicU64,
    /// Told whenever the state of a stream may have changed, and at the end.
    pub(super) changed: Notify,
    /// Symbols that the venue does not list, as they were asked for.
    unknown: Mutex<Vec<String>>,
}

impl Shared {
    /// Takes an event off the queue.
    pub(super) fn take(&self, queued: Queued) -> MarketEvent {
        self.levels.fetch_sub(queued.levels, Ordering::Relaxed);
        queued.event
    }

    /// What found no room before everything ended, once.
    pub(super) fn missed_at_the_end(&self) -> Option<MarketEvent> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        (missed > 0).then_some(MarketEvent::Lagged { missed })
    }

    /// Whether the venue is known not to list a symbol.
    pub(super) fn is_unknown(&self, symbol: &Symbol) -> bool {
        let plain = |text: &str| -> String {
            let letters = text.chars().filter(char::is_ascii_alphanumeric);
            letters.map(|letter| letter.to_ascii_uppercase()).collect()
        };
        let asked = [plain(symbol.as_str()), plain(&format!("{}{}", symbol.base(), symbol.quote()))];
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.iter().any(|known| asked.contains(&plain(known)))
    }
}

/// Copies the events of a session to a program.
pub(super) struct ClientHost {
    events: mpsc::Sender<Queued>,
    shared: Arc<Shared>,
    pending: Arc<Pending>,
    next_epoch: u64,
}

impl ClientHost {
    pub(super) fn new(pending: Arc<Pending>) -> (ClientHost, mpsc::Receiver<Queued>) {
        let (events, receiver) = mpsc::channel(EVENTS_QUEUE);
        (ClientHost { events, shared: Arc::default(), pending, next_epoch: 1 }, receiver)
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    fn tell(&self, event: MarketEvent) {
        if !self.tell_missed() || !self.push(event) {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says what found no room, as soon as there is some; false while there is none.
    fn tell_missed(&self) -> bool {
        let missed = self.shared.missed.load(Ordering::Relaxed);
        if missed > 0 {
            if !self.push(MarketEvent::Lagged { missed }) {
                return false;
            }
            self.shared.missed.store(0, Ordering::Relaxed);
        }
        true
    }

    fn push(&self, event: MarketEvent) -> bool {
        let levels = match &event {
            MarketEvent::Book(update) => update.bids.len() + update.asks.len(),
            MarketEvent::Trade(_) | MarketEvent::Other(_) | MarketEvent::Lagged { .. } => 0,
        };
        let before = self.shared.levels.fetch_add(levels, Ordering::Relaxed);
        // One update of any size fits a queue without levels.
        let over = before > 0 && before + levels > LEVELS_QUEUE;
        if over || self.events.try_send(Queued { event, levels }).is_err() {
            self.shared.levels.fetch_sub(levels, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl Host for ClientHost {
    fn event(&mut self, _now: Now, emission: Emission<'_>) {
        if self.pending.hear(&emission) {
            return;
        }
        let event = match emission.event {
            Event::Book(change) => MarketEvent::Book(BookUpdate {
                stream: change.stream,
                epoch: change.epoch,
                first_seq: change.first_seq,
                last_seq: change.last_seq,
                is_snapshot: change.is_snapshot,
                bids: emission.levels(&change.bids).to_vec(),
                asks: emission.levels(&change.asks).to_vec(),
                at: change.at,
                received: change.received,
            }),
            Event::Trade(trade) => MarketEvent::Trade(TradePrint {
                stream: trade.stream,
                id: emission.text(&trade.id).to_owned(),
                price: trade.price,
                qty: trade.qty,
                side: trade.side,
                at: trade.at,
                received: trade.received,
            }),
            other => {
                if let Event::UnknownSymbol { symbol, .. } = other {
                    let mut unknown = self.shared.unknown.lock().unwrap_or_else(PoisonError::into_inner);
                    unknown.push(symbol.clone());
                }
                if matches!(
                    other,
                    Event::Stream(_)
                        | Event::State { .. }
                        | Event::Instrument { .. }
                        | Event::UnknownSymbol { .. }
                ) {
                    self.shared.changed.notify_waiters();
                }
                MarketEvent::Other(other.clone())
            }
        };
        self.tell(event);
    }

    /// Epochs count within this client: nothing outlives it.
    fn persist(&mut self, _id: PersistId, what: Persist) -> Option<u64> {
        // No orders are placed from here: without a word from a store none leaves.
        let Persist::Epochs { count, .. } = what else { return None };
        let first = self.next_epoch;
        self.next_epoch = first.saturating_add(u64::from(count));
        Some(first)
    }

    fn round(&mut self, _now: Now, _session: &Session) {
        self.tell_missed();
    }
}

impl Drop for ClientHost {
    /// Whoever waits for a book finds out that there will be none.
    fn drop(&mut self) {
        self.pending.end();
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_session::StreamId;
    use venuekit_types::{Level, UnixNanos};

    fn update(levels: usize) -> MarketEvent {
        MarketEvent::Book(BookUpdate {
            stream: StreamId(0),
            epoch: 1,
            first_seq: 1,
            last_seq: 1,
            is_snapshot: true,
            bids: vec![Level::new(1, 1); levels],
            asks: Vec::new(),
            at: None,
            received: UnixNanos(0),
        })
    }

    fn lagged(event: Option<MarketEvent>) -> u64 {
        match event {
            Some(MarketEvent::Lagged { missed }) => missed,
            other => panic!("no lag but {other:?}"),
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_before_what_comes_next() {
        let (host, mut events) = ClientHost::new(Arc::new(Pending::new(0)));
        for _ in 0..EVENTS_QUEUE + 5 {
            host.tell(update(1));
        }
        let shared = host.shared();
        for _ in 0..EVENTS_QUEUE {
            let queued = events.try_recv().expect("as many as fit");
            assert!(matches!(shared.take(queued), MarketEvent::Book(_)));
        }
        assert!(events.try_recv().is_err());
        host.tell(update(1));
        assert_eq!(lagged(events.try_recv().ok().map(|queued| shared.take(queued))), 5);
        assert!(matches!(events.try_recv().map(|queued| shared.take(queued)), Ok(MarketEvent::Book(_))));
        assert_eq!(shared.levels.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn levels_are_bounded_as_well_and_the_end_tells_what_was_missed() {
        let (host, mut events) = ClientHost::new(Arc::new(Pending::new(0)));
        host.tell(update(LEVELS_QUEUE + 1));
        host.tell(update(1));
        host.tell(update(1));
        let shared = host.shared();
        drop(host);
        assert!(matches!(events.try_recv().map(|queued| shared.take(queued)), Ok(MarketEvent::Book(_))));
        assert!(events.try_recv().is_err());
        assert_eq!(lagged(shared.missed_at_the_end()), 2);
        assert!(shared.missed_at_the_end().is_none());
    }
}
