//! Rows on their way from the sessions to the sink: a bounded queue that never blocks who fills it.
//!
//! Owns the bound. When it is reached, a chunk comes back whole and whoever brought it decides what to shed; what is
//! itself bounded elsewhere (gap rows, reservations) passes by force. It refuses to drop anything by itself.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use venuekit_session::StreamId;
use venuekit_store::{Limit, Market, Row};
use venuekit_types::Mono;

/// A row, and the stream it comes from.
#[derive(Debug)]
pub(crate) struct Item {
    /// Nothing for rows that belong to no stream.
    pub(crate) stream: Option<StreamId>,
    pub(crate) row: Row,
}

/// What one round of a session gave.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Which venue, by its place in the config; of a cluster's member, which shard.
    pub(crate) venue: usize,
    /// Which of its sessions, where there are several one after the other.
    pub(crate) session: u32,
    /// Under which lease it was taken, where there are leases.
    pub(crate) fence: Option<u64>,
    /// When the last of it arrived.
    pub(crate) arrived: Mono,
    pub(crate) items: Vec<Item>,
}

/// Epochs that a session waits for.
pub(crate) struct Reservation {
    pub(crate) market: Market,
    pub(crate) count: NonZeroU32,
    /// Takes the first epoch, once it is durable.
    pub(crate) answer: Box<dyn FnOnce(u64) + Send>,
}

/// What the sink has to do next.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) limits: Vec<Limit>,
    /// Nothing will follow once the queue is empty.
    pub(crate) closed: bool,
}

/// The queue.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    rows_max: AtomicUsize,
}

#[derive(Default)]
struct State {
    reservations: Vec<Reservation>,
    chunks: VecDeque<Chunk>,
    /// By origin and name: the latest of each.
    limits: BTreeMap<(String, String), Limit>,
    weight: usize,
    /// Chunks that were ever put in.
    put: u64,
    /// The weight at which the sink wants to be woken; nothing while it is busy.
    wake_at: Option<usize>,
    closed: bool,
    /// The sink need not try any longer.
    hopeless: bool,
    /// The sink is gone: what comes now would wait for ever.
    abandoned: bool,
}

/// Rows that a chunk counts as: one each, and one more for every sixteen levels.
fn weight(chunk: &Chunk) -> usize {
    let of_row = |item: &Item| match &item.row {
        Row::BookChange(change) => 1 + (change.bids.len() + change.asks.len()) / 16,
        _ => 1,
    };
    chunk.items.iter().map(of_row).sum()
}

impl Queue {
    pub(crate) fn new(rows_max: usize) -> Queue {
        Queue { state: Mutex::default(), ready: Condvar::new(), rows_max: AtomicUsize::new(rows_max) }
    }

    /// Changes the bound; what is over it is taken all the same.
    pub(crate) fn hold(&self, rows_max: usize) {
        self.rows_max.store(rows_max, Ordering::Relaxed);
    }

    fn rows_max(&self) -> usize {
        self.rows_max.load(Ordering::Relaxed)
    }

    /// Brings a chunk.
    ///
    /// **Errors**: gives it back when there is no room.
    pub(crate) fn push(&self, chunk: Chunk) -> Result<(), Chunk> {
        let weight = weight(&chunk);
        let mut state = self.lock();
        // A chunk that is larger than the whole queue passes when it is alone: it could never pass otherwise.
        if state.abandoned || (state.weight + weight > self.rows_max() && state.weight > 0) {
            return Err(chunk);
        }
        self.put(&mut state, chunk, weight);
        Ok(())
    }

    /// Brings what must not be lost and cannot be much.
    pub(crate) fn force(&self, chunk: Chunk) {
        let weight = weight(&chunk);
        let mut state = self.lock();
        if !state.abandoned {
            self.put(&mut state, chunk, weight);
        }
    }

    /// Asks for epochs. Each stream waits for one answer at a time, which bounds them.
    pub(crate) fn reserve(&self, reservation: Reservation) {
        let mut state = self.lock();
        if !state.abandoned {
            state.reservations.push(reservation);
            self.wake(&mut state, true);
        }
    }

    /// Whether there is room for streams that were shed to begin again: half of the queue.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.lock();
        !state.abandoned && state.weight <= self.rows_max() / 2
    }

    /// Rows that wait.
    pub(crate) fn depth(&self) -> usize {
        self.lock().weight
    }

    /// How many chunks were ever put in: when the sink has stored as many, it has stored what is here now.
    #[cfg(feature = "postgres")]
    pub(crate) fn put_so_far(&self) -> u64 {
        self.lock().put
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(&mut state, true);
    }

    /// Says that the sink shall not wait for better times any more.
    pub(crate) fn give_up(&self) {
        self.lock().hopeless = true;
        self.ready.notify_all();
    }

    /// Lets the sink wait for better times; false when it shall not.
    pub(crate) fn pause(&self, span: Duration) -> bool {
        let waited = self.ready.wait_timeout_while(self.lock(), span, |state| !state.hopeless);
        !waited.unwrap_or_else(PoisonError::into_inner).0.hopeless
    }

    /// Says that nobody takes any more; gives how many rows were left.
    pub(crate) fn abandon(&self) -> usize {
        let mut state = self.lock();
        state.abandoned = true;
        state.reservations.clear();
        let left = state.chunks.drain(..).map(|chunk| chunk.items.len()).sum();
        state.weight = 0;
        left
    }

    /// Waits for work, then a little longer for company, and takes at most `rows_max` rows and one chunk more.
    ///
    /// Reservations do not wait for company: a session stands still until it has its first epochs.
    pub(crate) fn take(&self, rows_max: usize, company: Duration) -> Work {
        let mut state = self.lock();
        while state.weight == 0 && state.reservations.is_empty() && state.limits.is_empty() && !state.closed {
            state.wake_at = Some(1);
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.reservations.is_empty() && state.weight < rows_max && !state.closed && !company.is_zero() {
            state.wake_at = Some(rows_max);
            let alone =
                |state: &mut State| state.reservations.is_empty() && state.weight < rows_max && !state.closed;
            let waited = self.ready.wait_timeout_while(state, company, alone);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wake_at = None;
        let mut work = Work {
            reservations: std::mem::take(&mut state.reservations),
            limits: std::mem::take(&mut state.limits).into_values().collect(),
            ..Work::default()
        };
        let mut rows = 0;
        while rows < rows_max
            && let Some(chunk) = state.chunks.pop_front()
        {
            rows += chunk.items.len();
            state.weight -= weight(&chunk);
            work.chunks.push(chunk);
        }
        work.closed = state.closed && state.chunks.is_empty();
        work
    }

    /// Has what a venue lets through kept.
    pub(crate) fn keep(&self, limits: impl IntoIterator<Item = Limit>) {
        let mut state = self.lock();
        for limit in limits {
            state.limits.insert((limit.origin.clone(), limit.name.clone()), limit);
        }
        self.wake(&mut state, true);
    }

    fn put(&self, state: &mut State, chunk: Chunk, weight: usize) {
        state.weight += weight;
        state.put += 1;
        state.chunks.push_back(chunk);
        self.wake(state, false);
    }

    /// Wakes the sink if it wants to be: one wake for many pushes.
    fn wake(&self, state: &mut State, always: bool) {
        if state.wake_at.is_some_and(|at| always || state.weight >= at) {
            state.wake_at = None;
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the queue as it was: every change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use venuekit_store::Gap;
    use venuekit_types::UnixNanos;

    use super::*;

    fn chunk(rows: usize) -> Chunk {
        let gap = Gap {
            market: Market::new("doex", "BTC/USDT".parse().expect("a symbol")),
            channel: Cow::Borrowed("book"),
            epoch: None,
            from_seq: None,
            to_seq: None,
            cause: Cow::Borrowed("test"),
            detected_at: UnixNanos(0),
            healed_at: None,
        };
        let item = || Item { stream: None, row: Row::Gap(Box::new(gap.clone())) };
        Chunk {
            venue: 0,
            session: 0,
            fence: None,
            arrived: Mono(1),
            items: std::iter::repeat_with(item).take(rows).collect(),
        }
    }

    #[test]
    fn a_full_queue_gives_the_chunk_back_and_has_room_again_at_half() {
        let queue = Queue::new(10);
        assert!(queue.push(chunk(6)).is_ok());
        assert_eq!(queue.push(chunk(5)).expect_err("full").items.len(), 5);
        assert!(queue.push(chunk(4)).is_ok() && !queue.has_room());
        queue.force(chunk(3));
        assert_eq!(queue.depth(), 13);
        let taken = queue.take(6, Duration::ZERO);
        assert_eq!(taken.chunks.len(), 1);
        assert!(!queue.has_room(), "7 of 10 rows wait");
        let taken = queue.take(4, Duration::ZERO);
        assert_eq!((taken.chunks.len(), taken.closed), (1, false));
        assert!(queue.has_room());
    }

    #[test]
    fn a_chunk_larger_than_the_queue_passes_alone() {
        let queue = Queue::new(10);
        assert!(queue.push(chunk(50)).is_ok());
        assert!(queue.push(chunk(1)).is_err());
    }

    #[test]
    fn everything_is_taken_before_the_end_is_told() {
        let queue = Queue::new(10);
        assert!(queue.push(chunk(2)).is_ok() && queue.push(chunk(3)).is_ok());
        queue.close();
        assert!(!queue.take(2, Duration::from_secs(3600)).closed);
        let last = queue.take(2, Duration::from_secs(3600));
        assert_eq!((last.chunks.len(), last.closed), (1, true));
        assert!(queue.take(2, Duration::from_secs(3600)).closed);
    }

    #[test]
    fn a_waiting_sink_is_woken_by_rows_reservations_and_the_end() {
        let queue = Arc::new(Queue::new(10));
        let (told, taken) = std::sync::mpsc::channel();
        let sink = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                loop {
                    // An hour of company: only a full batch, a reservation or the end cuts it short.
                    let work = queue.take(2, Duration::from_secs(3600));
                    let said = (work.chunks.len(), work.reservations.len(), work.closed);
                    if told.send(said).is_err() || work.closed {
                        break;
                    }
                }
            }
        });
        assert!(queue.push(chunk(1)).is_ok() && queue.push(chunk(1)).is_ok());
        assert_eq!(taken.recv(), Ok((2, 0, false)));
        let market = Market::new("doex", "BTC/USDT".parse().expect("a symbol"));
        queue.reserve(Reservation { market, count: NonZeroU32::MIN, answer: Box::new(|_| ()) });
        assert_eq!(taken.recv(), Ok((0, 1, false)));
        queue.close();
        assert_eq!(taken.recv(), Ok((0, 0, true)));
        sink.join().expect("the sink ends");
    }

    #[test]
    fn an_abandoned_queue_takes_nothing() {
        let queue = Queue::new(10);
        assert!(queue.push(chunk(4)).is_ok());
        assert_eq!(queue.abandon(), 4);
        assert!(queue.push(chunk(1)).is_err() && !queue.has_room());
        queue.force(chunk(1));
        assert_eq!(queue.depth(), 0);
    }
}
