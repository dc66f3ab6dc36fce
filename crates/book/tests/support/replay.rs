//! Runs rows through a decoder and one book a name, and keeps count of what became of them.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest as _, Sha256};
use venuekit_book::{
    Book, Cause, Checksum, Digits, Gap, Outcome, Rules, SocketCounter, SocketSeq, State, Update,
};
use venuekit_types::{BookSide, Level, Now, Scale, Scaled};

use super::decode::{Decoded, Decoder, Message, Shape, Touch};
use super::tape::Row;

/// One book and its counts, in the words of `expected.json`.
pub(crate) struct Replayed {
    pub(crate) book: Book,
    pub(crate) scales: (Scale, Scale),
    pub(crate) snapshots: u64,
    pub(crate) updates: u64,
    pub(crate) stale_dropped: u64,
    pub(crate) checksums_ok: u64,
    pub(crate) crossed: u64,
    /// The first loss, and the place among applied updates of the one that did not fit.
    pub(crate) first_gap: Option<(Gap, u64)>,
    /// Every 500 updates: how many, the last id, the digest.
    pub(crate) checkpoints: Vec<(u64, Option<u64>, String)>,
    /// The rows of the updates that were applied as they came.
    pub(crate) applied_rows: Vec<usize>,
    /// Updates that were held and applied with the snapshot.
    pub(crate) replayed: u64,
    /// Times that the touch was what the venue's ticker says for the same id, and times that it was not.
    pub(crate) touches_ok: u64,
    pub(crate) touches_bad: u64,
    /// Tickers ahead of the book.
    touches: VecDeque<Touch>,
    touch: Option<Touch>,
}

pub(crate) fn sha256(
    scales: (Scale, Scale),
    digest: impl FnOnce(Scale, Scale, &mut dyn FnMut(&[u8])),
) -> String {
    let mut hasher = Sha256::new();
    digest(scales.0, scales.1, &mut |bytes| hasher.update(bytes));
    hex::encode(hasher.finalize())
}

impl Replayed {
    fn new(rules: Rules) -> Replayed {
        let mut book = Book::new(rules);
        book.expect_snapshot();
        Replayed {
            book,
            scales: (Scale::ZERO, Scale::ZERO),
            snapshots: 0,
            updates: 0,
            stale_dropped: 0,
            checksums_ok: 0,
            crossed: 0,
            first_gap: None,
            checkpoints: Vec::new(),
            applied_rows: Vec::new(),
            replayed: 0,
            touches_ok: 0,
            touches_bad: 0,
            touches: VecDeque::new(),
            touch: None,
        }
    }

    /// The digest of the levels as they last stood, live or not.
    pub(crate) fn digest(&self) -> String {
        sha256(self.scales, |price, qty, sink| {
            self.book.last_known_unvouched().digest_into(price, qty, &mut |bytes| sink(bytes));
        })
    }

    /// The best ten of a side as `expected.json` writes them.
    pub(crate) fn top(&self, side: BookSide) -> Vec<[String; 2]> {
        let text = |level: Level| {
            let (price, qty) = self.scales;
            [Scaled::new(level.price.0, price).to_string(), Scaled::new(level.qty.0, qty).to_string()]
        };
        self.book.last_known_unvouched().levels(side).take(10).map(text).collect()
    }

    fn take(&mut self, row: usize, message: &Message) {
        let now = Now::default();
        let digits = matches!(self.book.rules().checksum, Checksum::Crc32Text { .. }).then(|| Digits {
            price_scale: self.scales.0,
            qty_scale: self.scales.1,
            bids: &message.bids.places,
            asks: &message.asks.places,
        });
        let update = Update {
            ids: message.ids,
            bids: &message.bids.levels,
            asks: &message.asks.levels,
            checksum: message.checksum,
            digits,
        };
        let held = self.book.held();
        let was_live = self.book.state() == State::Live;
        let outcome = if message.is_snapshot {
            self.snapshots += 1;
            self.book.snapshot(now, self.snapshots, &update)
        } else {
            self.book.apply(now, &update)
        };
        match outcome {
            Outcome::Applied => {
                let checked = message.checksum.is_some() && self.book.rules().checksum != Checksum::None;
                self.checksums_ok += u64::from(checked);
                if message.is_snapshot {
                    let replayed = self.book.held();
                    self.stale_dropped += u64::try_from(held - replayed).expect("a small count");
                    self.replayed += u64::try_from(replayed).expect("a small count");
                    self.updates += self.replayed;
                    assert!(self.updates < 500, "a checkpoint hides in the replay");
                } else {
                    self.updates += 1;
                    self.applied_rows.push(row);
                    self.checkpoint();
                    self.compare_touch();
                }
            }
            Outcome::Old if was_live => self.stale_dropped += 1,
            Outcome::Old | Outcome::Buffered => {}
            Outcome::Desync(gap) => {
                self.first_gap.get_or_insert((gap, self.updates + 1));
            }
        }
    }

    fn checkpoint(&mut self) {
        let view = self.book.view(Now::default()).expect("it was applied");
        self.crossed += u64::from(view.is_crossed());
        if self.updates.is_multiple_of(500) {
            let digest = sha256(self.scales, |price, qty, sink| {
                view.digest_into(price, qty, &mut |bytes| sink(bytes))
            });
            self.checkpoints.push((self.updates, view.seq(), digest));
        }
    }

    /// The last ticker at or before the book's id names the book's touch.
    fn compare_touch(&mut self) {
        let view = self.book.view(Now::default()).expect("it was applied");
        let Some(last) = view.seq() else { return };
        while self.touches.front().is_some_and(|touch| touch.id <= last) {
            self.touch = self.touches.pop_front();
        }
        if let Some(touch) = &self.touch {
            let same = (view.best_bid(), view.best_ask()) == (Some(touch.bid), Some(touch.ask));
            self.touches_ok += u64::from(same);
            self.touches_bad += u64::from(!same);
        }
    }
}

/// Every book that the rows speak of, by the venue's name.
pub(crate) fn replay(shape: Shape, rules: Rules, rows: &[Row]) -> BTreeMap<String, Replayed> {
    let mut decoder = Decoder::new(shape);
    let mut socket = SocketCounter::new();
    let mut books: BTreeMap<String, Replayed> = BTreeMap::new();
    let mut decoded: Vec<(usize, Decoded)> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        decoded.extend(decoder.decode(row).into_iter().map(|one| (at, one)));
    }
    // A ticker may overtake the diff it belongs to or fall behind it: the ids say which belong together.
    for (_, decoded) in &decoded {
        if let Decoded::Touch(touch) = decoded {
            let replayed = books.entry(touch.book.clone()).or_insert_with(|| Replayed::new(rules));
            replayed.touches.push_back(touch.clone());
        }
    }
    for (row, decoded) in decoded {
        match decoded {
            Decoded::Socket(n) => {
                if let SocketSeq::Jump { expected, got } = socket.observe(n) {
                    let gap = Gap::between(Cause::SocketCounter, expected, got);
                    for replayed in books.values_mut() {
                        let at = replayed.updates + 1;
                        replayed.book.desync(gap);
                        replayed.first_gap.get_or_insert((gap, at));
                    }
                }
            }
            Decoded::Touch(_) => {}
            Decoded::Book(message) => {
                let replayed = books.entry(message.book.clone()).or_insert_with(|| Replayed::new(rules));
                replayed.scales = decoder.scales(&message.book);
                replayed.take(row, &message);
            }
        }
    }
    books
}
