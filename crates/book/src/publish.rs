//! The top of a book for readers on other threads: one writer that never waits, readers that never see half.
//!
//! The levels lie in atomic words under a version that is odd while they are written. A reader that saw a new word
//! has also seen the odd version or a later one, since words are released and acquired one by one, and tries again.
//! This module owns that order and the layout of the words; it refuses to hand out levels of a book that was not live.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

#[cfg(not(all(test, loom)))]
use alloc::sync::Arc;
#[cfg(not(all(test, loom)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(test, loom))]
use loom::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use venuekit_types::{BookSide, Level, Mono, Now, UnixNanos};

use crate::{Assurance, Book, Cause, Gap, NotLive, State};

/// Words before the levels: state, flags, epoch, seq, two clocks, the gap's two numbers, two counts.
const HEAD: usize = 10;
/// Words of a level.
const LEVEL: usize = 2;
/// How often a reader tries before it lets the caller decide.
const TRIES: usize = 1_000;

/// Opens a publication of the best `depth` levels a side.
///
/// ```
/// use venuekit_book::{Book, Linkage, Rules, Top, Update, publication};
/// use venuekit_types::{Level, Now};
///
/// let mut book = Book::new(Rules::new(Linkage::Unnumbered));
/// let (mut publisher, reader) = publication(20);
/// let mut top = Top::default();
/// assert!(reader.read(&mut top) && top.view().is_err());
///
/// let _ = book.snapshot(Now::default(), 1, &Update { bids: &[Level::new(9_000, 5)], ..Update::default() });
/// publisher.publish(Now::default(), &book);
/// assert!(reader.read(&mut top));
/// assert_eq!(top.view()?.bids, [Level::new(9_000, 5)]);
///
/// drop(publisher); // A publication nobody writes any more is stale.
/// assert!(reader.read(&mut top) && top.view().is_err());
/// # Ok::<(), venuekit_book::NotLive>(())
/// ```
pub fn publication(depth: usize) -> (Publisher, Reader) {
    let shared = Arc::new(Words::new(HEAD + 2 * LEVEL * depth));
    (Publisher { shared: Arc::clone(&shared), depth }, Reader { shared, depth })
}

/// Words that are written and read as one.
#[derive(Debug)]
struct Words {
    /// Odd while the words are written.
    version: AtomicU64,
    words: Box<[AtomicU64]>,
}

impl Words {
    fn new(count: usize) -> Words {
        let words = core::iter::repeat_with(|| AtomicU64::new(0)).take(count).collect();
        Words { version: AtomicU64::new(0), words }
    }

    /// Writes some of the words. There is one writer.
    fn write(&self, fill: impl FnOnce(&dyn Fn(usize, u64))) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        // Each word is released, so that whoever sees it sees the odd version too.
        fill(&|at, word| self.words[at].store(word, Ordering::Release));
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// Reads the words; nothing when a write came between.
    fn read<T>(&self, take: impl FnOnce(&dyn Fn(usize) -> u64) -> T) -> Option<T> {
        let before = self.version.load(Ordering::Acquire);
        if before & 1 != 0 {
            return None;
        }
        let taken = take(&|at| self.words[at].load(Ordering::Acquire));
        // Relaxed suffices: every word was acquired, so this load cannot come before any of them.
        (self.version.load(Ordering::Relaxed) == before).then_some(taken)
    }
}

/// The writer's end: one for each publication, with the book's owner.
///
/// Whoever drops it leaves a publication that reads as stale.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Words>,
    depth: usize,
}

impl Publisher {
    /// Publishes the book as it is now: its best levels while it is live, else that it is not, and why. To be
    /// called after every message and every loss.
    ///
    /// **Shape**: waits for nobody and allocates nothing.
    pub fn publish(&mut self, now: Now, book: &Book) {
        let view = book.view(now).ok();
        let gap = book.gap();
        let updated = book.updated();
        self.shared.write(|put| {
            put(0, book.state() as u64);
            put(1, flags(view.map(|view| view.assurance()), book.last_id().is_some(), gap));
            put(2, book.epoch());
            put(3, book.last_id().unwrap_or_default());
            put(4, updated.mono.0);
            put(5, updated.wall.0.cast_unsigned());
            put(6, gap.and_then(|gap| gap.expected).unwrap_or_default());
            put(7, gap.and_then(|gap| gap.got).unwrap_or_default());
            for (at, side) in [BookSide::Bid, BookSide::Ask].into_iter().enumerate() {
                let mut count = 0;
                let start = HEAD + at * LEVEL * self.depth;
                for level in view.iter().flat_map(|view| view.levels(side)).take(self.depth) {
                    put(start + count * LEVEL, level.price.0.cast_unsigned());
                    put(start + count * LEVEL + 1, level.qty.0.cast_unsigned());
                    count += 1;
                }
                put(8 + at, count as u64);
            }
        });
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.write(|put| {
            put(0, State::Stale as u64);
            put(1, flags(None, false, Some(Gap::of(Cause::Closed))));
        });
    }
}

/// A reader's end: as many as are wanted, on any thread.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Words>,
    depth: usize,
}

impl Reader {
    /// Takes what was published last; false when the writer came between every time, after which `top` holds
    /// nothing.
    ///
    /// **Shape**: allocates only while `top` grows to the publication's depth.
    pub fn read(&self, top: &mut Top) -> bool {
        for _ in 0..TRIES {
            if self.try_read(top) {
                return true;
            }
            core::hint::spin_loop();
        }
        *top = Top::default();
        false
    }

    fn try_read(&self, top: &mut Top) -> bool {
        let head = self.shared.read(|word| {
            let mut head = [0; HEAD];
            head.iter_mut().enumerate().for_each(|(at, place)| *place = word(at));
            for (at, side) in [&mut top.bids, &mut top.asks].into_iter().enumerate() {
                side.clear();
                let count = usize::try_from(head[8 + at]).unwrap_or(usize::MAX).min(self.depth);
                let start = HEAD + at * LEVEL * self.depth;
                side.extend((0..count).map(|row| {
                    let (price, qty) = (word(start + row * LEVEL), word(start + row * LEVEL + 1));
                    Level::new(price.cast_signed(), qty.cast_signed())
                }));
            }
            head
        });
        head.map(|head| top.stamp(head)).is_some()
    }
}

/// The top of a book as it was published, kept by a reader and filled again at each read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Top {
    state: State,
    gap: Option<Gap>,
    epoch: u64,
    seq: Option<u64>,
    updated: Now,
    assurance: Option<Assurance>,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// The levels of a book that was live when they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopView<'a> {
    /// Best first.
    pub bids: &'a [Level],
    /// Best first.
    pub asks: &'a [Level],
    /// What vouches for them.
    pub assurance: Assurance,
}

impl Top {
    fn stamp(&mut self, head: [u64; HEAD]) {
        let states = [State::Empty, State::Buffering, State::Live, State::Stale];
        let one = |of: u64| of as usize;
        self.state = states[one(head[0] % 4)];
        let flags = head[1];
        let given = |bit: u32, value: u64| (flags >> bit & 1 != 0).then_some(value);
        self.seq = given(0, head[3]);
        self.gap = Cause::ALL.get(one(flags >> 8 & 0xff).wrapping_sub(1)).map(|&cause| Gap {
            cause,
            expected: given(1, head[6]),
            got: given(2, head[7]),
        });
        let assurances = [Assurance::Sequenced, Assurance::Checksummed, Assurance::Transport];
        self.assurance = assurances.get(one(flags >> 16 & 0xff).wrapping_sub(1)).copied();
        self.epoch = head[2];
        self.updated = Now { mono: Mono(head[4]), wall: UnixNanos(head[5].cast_signed()) };
    }

    /// What the book was worth.
    pub fn state(&self) -> State {
        self.state
    }

    /// The generation of the book.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The id of the last message in it; nothing where the venue sends none.
    pub fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// When the last message in it was applied.
    pub fn updated_at(&self) -> Now {
        self.updated
    }

    /// The span since the last message in it. It grows when the writer stands still: whoever trades bounds it.
    pub fn age(&self, now: Now) -> Duration {
        now.mono.since(self.updated.mono)
    }

    /// The levels, if the book was live.
    ///
    /// **Errors**: [`NotLive`] says what it was instead, and why.
    pub fn view(&self) -> Result<TopView<'_>, NotLive> {
        match (self.state, self.assurance) {
            (State::Live, Some(assurance)) => Ok(TopView { bids: &self.bids, asks: &self.asks, assurance }),
            (state, _) => Err(NotLive { state, gap: self.gap }),
        }
    }
}

/// Whether there is a seq and the gap's numbers, in bits 0 to 2; from bit 8 on the cause and from bit 16 on the
/// assurance, counted from one.
fn flags(assurance: Option<Assurance>, seq: bool, gap: Option<Gap>) -> u64 {
    let assurance = assurance.map_or(0, |assurance| assurance as u64 + 1);
    let (cause, expected, got) = gap
        .map_or((0, false, false), |gap| (gap.cause as u64 + 1, gap.expected.is_some(), gap.got.is_some()));
    u64::from(seq) | u64::from(expected) << 1 | u64::from(got) << 2 | cause << 8 | assurance << 16
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;

    /// In every interleaving and every order of memory that is allowed, a reader gets the words of one write or
    /// none.
    #[test]
    fn a_reader_never_sees_half() {
        loom::model(|| {
            let words = Arc::new(Words::new(2));
            let read = Arc::clone(&words);
            let reading = thread::spawn(move || {
                for _ in 0..2 {
                    if let Some((a, b)) = read.read(|word| (word(0), word(1))) {
                        assert_eq!(a, b, "torn");
                    }
                }
            });
            for n in 1..=2 {
                words.write(|put| {
                    put(0, n);
                    put(1, n);
                });
            }
            reading.join().expect("the reader asserts");
        });
    }
}
