//! The host of a watched session: its events as lines, and as the little that decides whether to go on.
//!
//! It never waits. When the reader of the lines is slow, changes of a book are shed, and the whole book follows once
//! there is room; that a book was lost is kept until it can be said.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use venuekit_book::{Gap, State};
use venuekit_driver::Host;
use venuekit_session::{BookChange, Emission, Event, Persist, PersistId, Session, StreamId, StreamInfo};
use venuekit_types::{Now, UnixNanos};
use venuekit_venue::{Channel, FaultKind};

use super::lines::{Line, Style, Time, rows};
use super::writer::Lines;

/// What happened to a venue, by its place among those watched.
#[derive(Debug)]
pub(super) enum Told {
    /// Its book can be read for the first time.
    Live { venue: usize },
    /// It does not list the symbol.
    Unknown { venue: usize, names: Vec<String> },
    /// The symbol may mean several of its markets.
    Ambiguous { venue: usize, candidates: Vec<String> },
    /// It could not be reached, or complained.
    Trouble { venue: usize, kind: FaultKind, why: String },
}

/// One session's host.
pub(super) struct Feed {
    venue: usize,
    id: &'static str,
    style: Style,
    lines: Lines,
    told: mpsc::Sender<Told>,
    books: BTreeMap<StreamId, Book>,
    next_epoch: u64,
    /// The symbol is not listed; the names that are follow at the end of the round.
    is_unknown: bool,
    was_live: bool,
}

/// One book, as far as its lines go.
struct Book {
    info: StreamInfo,
    last_seq: Option<u64>,
    /// The venue's time of the last change.
    at: Option<UnixNanos>,
    /// The whole of what is to be printed is owed at the end of the round.
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

impl Feed {
    pub(super) fn new(
        venue: usize,
        id: &'static str,
        style: Style,
        lines: Lines,
        told: mpsc::Sender<Told>,
    ) -> Feed {
        Feed {
            venue,
            id,
            style,
            lines,
            told,
            books: BTreeMap::new(),
            next_epoch: 1,
            is_unknown: false,
            was_live: false,
        }
    }

    /// Tells the little there is to tell. A venue that talks so much that the queue is full has been heard already.
    fn tell(&self, told: Told) {
        let _ = self.told.try_send(told);
    }

    fn trouble(&self, kind: FaultKind, why: String) {
        if !self.was_live {
            self.tell(Told::Trouble { venue: self.venue, kind, why });
        }
    }

    fn on_change(&mut self, change: &BookChange, emission: Emission<'_>) {
        let Some(book) = self.books.get_mut(&change.stream) else { return };
        book.at = change.at;
        match self.style {
            Style::Nothing => {}
            Style::Tops(_) => book.is_owed = true,
            // What comes while something is owed is part of it.
            Style::Changes if book.is_owed || book.lost.is_some() => book.is_owed = true,
            Style::Changes => {
                let prev_seq = book.last_seq.filter(|_| !change.is_snapshot);
                let line = Line {
                    timestamp: change.at.map(Time),
                    is_snapshot: Some(change.is_snapshot),
                    seq: Some(change.last_seq),
                    prev_seq,
                    epoch: change.epoch,
                    bids: Some(rows(&book.info, emission.levels(&change.bids).iter().copied())),
                    asks: Some(rows(&book.info, emission.levels(&change.asks).iter().copied())),
                    ..Line::new("book_change", self.id, &book.info, change.received)
                };
                book.last_seq = Some(change.last_seq);
                book.is_owed = !self.lines.put(&line);
            }
        }
    }

    fn on_state(&mut self, now: Now, stream: StreamId, from: State, to: State, gap: Option<Gap>) {
        let Some(book) = self.books.get_mut(&stream) else { return };
        if to == State::Live {
            if !std::mem::replace(&mut self.was_live, true) {
                self.tell(Told::Live { venue: self.venue });
            }
        } else if from == State::Live && self.style != Style::Nothing {
            book.is_owed = false;
            book.lost = Some(Lost { at: now.wall, state: to, gap });
            book.say_lost(self.id, &self.lines);
        }
    }
}

impl Book {
    /// Says that the book was lost, if it was and there is room.
    fn say_lost(&mut self, venue: &str, lines: &Lines) {
        if let Some(Lost { at, state, gap }) = self.lost {
            let line = Line {
                seq: self.last_seq,
                book_state: state.as_str(),
                cause: gap.map(|gap| gap.to_string()),
                ..Line::new("disconnect", venue, &self.info, at)
            };
            if lines.put(&line) {
                self.lost = None;
            }
        }
    }
}

impl Host for Feed {
    fn event(&mut self, now: Now, emission: Emission<'_>) {
        match emission.event {
            Event::Stream(info) if info.channel == Channel::Book => {
                let book = Book { info: info.clone(), last_seq: None, at: None, is_owed: false, lost: None };
                self.books.insert(info.stream, book);
            }
            Event::UnknownSymbol { candidates, .. } if candidates.is_empty() => self.is_unknown = true,
            Event::UnknownSymbol { candidates, .. } => {
                let candidates = candidates.iter().map(ToString::to_string).collect();
                self.tell(Told::Ambiguous { venue: self.venue, candidates });
            }
            Event::State { stream, from, to, gap } => self.on_state(now, *stream, *from, *to, *gap),
            Event::Book(change) => self.on_change(change, emission),
            Event::Fault { route, fault, .. } => self.trouble(fault.kind, format!("{route}: {fault}")),
            Event::Stopped { fault, .. } => self.trouble(fault.kind, fault.to_string()),
            Event::Disconnected { reason, why, .. } => {
                let why = reason.map_or_else(|| why.clone(), |reason| reason.as_str().to_owned());
                self.trouble(FaultKind::Transport, why);
            }
            _ => {}
        }
    }

    fn persist(&mut self, _: PersistId, what: Persist) -> Option<u64> {
        // Nothing outlives this process, so epochs are counted from one.
        let Persist::Epochs { count, .. } = what;
        let first = self.next_epoch;
        self.next_epoch += u64::from(count);
        Some(first)
    }

    fn round(&mut self, now: Now, session: &Session) {
        if std::mem::take(&mut self.is_unknown) {
            let products = 0..session.venue().specs().len();
            let names = products.flat_map(|product| session.catalog(product).iter());
            let names = names.map(|(_, instrument)| instrument.symbol.to_string()).collect();
            self.tell(Told::Unknown { venue: self.venue, names });
        }
        let depth = match self.style {
            Style::Tops(depth) => Some(depth),
            Style::Nothing | Style::Changes => None,
        };
        for (stream, book) in &mut self.books {
            book.say_lost(self.id, &self.lines);
            if !book.is_owed || book.lost.is_some() {
                continue;
            }
            let Ok(view) = session.book(*stream, now) else { continue };
            if self.lines.put(&Line::of_view(self.id, &book.info, &view, book.at, depth)) {
                (book.is_owed, book.last_seq) = (false, view.seq());
            }
        }
    }
}
