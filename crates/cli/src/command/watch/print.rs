//! What was printed of one book, and what is owed.
//!
//! Nobody here waits: when the reader of the lines is slow, changes are shed, and the whole book follows once there is
//! room; that a book was lost is kept until it can be said.

use venuekit_book::{Gap, State, View};
use venuekit_session::{BookChange, StreamInfo};
use venuekit_types::{Level, UnixNanos};

use super::lines::{Line, Style, Time, rows};
use super::writer::Lines;

/// One book, as far as its lines go.
pub(super) struct Printed {
    venue: &'static str,
    info: StreamInfo,
    style: Style,
    /// The number of the last line.
    seq: Option<u64>,
    /// The venue's time of the last change.
    at: Option<UnixNanos>,
    /// Whether the whole of it is to be printed at the end of the round.
    is_owed: bool,
    /// A loss that is not said yet.
    lost: Option<Lost>,
}

/// A book that can be trusted no more.
#[derive(Clone, Copy)]
struct Lost {
    at: UnixNanos,
    state: State,
    gap: Option<Gap>,
}

impl Printed {
    pub(super) fn new(venue: &'static str, info: StreamInfo, style: Style) -> Printed {
        Printed { venue, info, style, seq: None, at: None, is_owed: false, lost: None }
    }

    /// The stream means something else from now on.
    pub(super) fn set_info(&mut self, info: &StreamInfo) {
        self.info.clone_from(info);
    }

    /// A message was applied.
    pub(super) fn change(&mut self, change: &BookChange, bids: &[Level], asks: &[Level], lines: &Lines) {
        self.at = change.at;
        match self.style {
            Style::Nothing => {}
            Style::Tops(_) => self.is_owed = true,
            // What comes while something is owed is part of it.
            Style::Changes if self.is_owed || self.lost.is_some() => self.is_owed = true,
            Style::Changes => {
                let line = Line {
                    timestamp: change.at.map(Time),
                    is_snapshot: Some(change.is_snapshot),
                    seq: Some(change.last_seq),
                    prev_seq: self.seq.filter(|_| !change.is_snapshot),
                    epoch: change.epoch,
                    bids: Some(rows(&self.info, bids.iter().copied())),
                    asks: Some(rows(&self.info, asks.iter().copied())),
                    ..Line::new("book_change", self.venue, &self.info, change.received)
                };
                if lines.put(&line) {
                    self.seq = Some(change.last_seq);
                } else {
                    self.is_owed = true;
                }
            }
        }
    }

    /// A book that was live is not any more.
    pub(super) fn lose(&mut self, at: UnixNanos, state: State, gap: Option<Gap>, lines: &Lines) {
        if self.style != Style::Nothing {
            self.is_owed = false;
            self.lost = Some(Lost { at, state, gap });
            self.say_lost(lines);
        }
    }

    /// Pays what is owed, as far as there is room; `view` looks at the book, if it is live.
    pub(super) fn settle<'a>(&mut self, view: impl FnOnce() -> Option<View<'a>>, lines: &Lines) {
        self.say_lost(lines);
        if !self.is_owed || self.lost.is_some() {
            return;
        }
        let Some(view) = view() else { return };
        let depth = match self.style {
            Style::Tops(depth) => Some(depth),
            Style::Nothing | Style::Changes => None,
        };
        if lines.put(&Line::of_view(self.venue, &self.info, &view, self.at, depth)) {
            (self.is_owed, self.seq) = (false, view.seq());
        }
    }

    fn say_lost(&mut self, lines: &Lines) {
        let Some(Lost { at, state, gap }) = self.lost else { return };
        let line = Line {
            seq: self.seq,
            book_state: state.as_str(),
            cause: gap.map(|gap| gap.to_string()),
            ..Line::new("disconnect", self.venue, &self.info, at)
        };
        if lines.put(&line) {
            self.lost = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use serde_json::{Value, json};
    use venuekit_book::{Book, Cause, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
    use venuekit_session::StreamId;
    use venuekit_types::{Now, Scale};
    use venuekit_venue::Channel;

    use super::*;

    /// A book, its printer, and a reader who takes lines when the test says so.
    struct Desk {
        book: Book,
        printed: Printed,
        lines: Lines,
        reader: Receiver<String>,
    }

    impl Desk {
        fn new(style: Style, room: usize) -> Desk {
            let info = StreamInfo {
                stream: StreamId(0),
                product: 0,
                channel: Channel::Book,
                market: None,
                symbol: None,
                venue_symbol: String::new(),
                price_scale: Scale::ZERO,
                qty_scale: Scale::ZERO,
            };
            let step = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };
            let mut book = Book::new(Rules::new(step));
            book.expect_snapshot();
            let (lines, reader) = Lines::of(room);
            Desk { book, printed: Printed::new("tiny", info, style), lines, reader }
        }

        /// The venue sends a message: a snapshot when it is the first, with one bid as large as its number.
        fn send(&mut self, seq: u64) {
            let bids = [Level::new(100, i64::try_from(seq).expect("small"))];
            let update = Update { ids: Some(Ids::single(seq)), bids: &bids, ..Update::default() };
            let is_snapshot = self.book.state() != State::Live;
            let outcome = match is_snapshot {
                true => self.book.snapshot(Now::default(), seq, &update),
                false => self.book.apply(Now::default(), &update),
            };
            assert_eq!(outcome, Outcome::Applied);
            let change = BookChange {
                stream: StreamId(0),
                epoch: self.book.epoch(),
                first_seq: seq,
                last_seq: seq,
                is_snapshot,
                bids: 0..1,
                asks: 0..0,
                at: None,
                received: UnixNanos(0),
            };
            self.printed.change(&change, &bids, &[], &self.lines);
            self.settle();
        }

        fn lose(&mut self) {
            let gap = Gap::of(Cause::Closed);
            self.book.desync(gap);
            self.book.expect_snapshot();
            self.printed.lose(UnixNanos(0), self.book.state(), Some(gap), &self.lines);
            self.settle();
        }

        fn settle(&mut self) {
            self.printed.settle(|| self.book.view(Now::default()).ok(), &self.lines);
        }

        /// Takes every line that waits: its type, whether it is a whole book, its numbers, and the one bid.
        fn read(&mut self) -> Vec<Value> {
            let lines = self.reader.try_iter().map(|line| {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                json!([
                    line["type"],
                    line["isSnapshot"],
                    line["prev_seq"],
                    line["seq"],
                    line["bids"][0]["amount"]
                ])
            });
            lines.collect()
        }
    }

    #[test]
    fn a_quick_reader_gets_every_change() {
        let mut desk = Desk::new(Style::Changes, 8);
        desk.send(1);
        desk.send(2);
        desk.lose();
        desk.send(7);
        let expected = [
            json!(["book_change", true, null, 1, "1"]),
            json!(["book_change", false, 1, 2, "2"]),
            json!(["disconnect", null, null, 2, null]),
            json!(["book_change", true, null, 7, "7"]),
        ];
        assert_eq!(desk.read(), expected);
    }

    #[test]
    fn a_slow_reader_gets_the_whole_book_and_then_what_follows() {
        let mut desk = Desk::new(Style::Changes, 1);
        for seq in 1..=3 {
            desk.send(seq);
        }
        assert_eq!(desk.read(), [json!(["book_change", true, null, 1, "1"])]);
        desk.settle();
        assert_eq!(desk.read(), [json!(["book_change", true, null, 3, "3"])]);
        desk.send(4);
        assert_eq!(desk.read(), [json!(["book_change", false, 3, 4, "4"])]);
    }

    #[test]
    fn a_loss_is_said_even_when_there_was_no_room_for_it() {
        let mut desk = Desk::new(Style::Changes, 1);
        desk.send(1);
        desk.lose();
        desk.send(5);
        assert_eq!(desk.read(), [json!(["book_change", true, null, 1, "1"])]);
        desk.settle();
        assert_eq!(desk.read(), [json!(["disconnect", null, null, 1, null])]);
        desk.settle();
        assert_eq!(desk.read(), [json!(["book_change", true, null, 5, "5"])]);
    }

    #[test]
    fn tops_are_the_newest_there_is_room_for() {
        let mut desk = Desk::new(Style::Tops(5), 1);
        for seq in 1..=4 {
            desk.send(seq);
        }
        assert_eq!(desk.read(), [json!(["book_snapshot", null, null, 1, "1"])]);
        desk.settle();
        assert_eq!(desk.read(), [json!(["book_snapshot", null, null, 4, "4"])]);
        desk.settle();
        assert_eq!(desk.read(), Vec::<Value>::new());
    }
}
