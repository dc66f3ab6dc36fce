//! The host of a watched session: its events as lines, and as the little that decides whether to go on.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use venuekit_book::{Gap, State};
use venuekit_driver::Host;
use venuekit_session::{Emission, Event, Persist, PersistId, Session, StreamId};
use venuekit_types::Now;
use venuekit_venue::{Channel, FaultKind};

use super::lines::Style;
use super::print::Printed;
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
    books: BTreeMap<StreamId, Printed>,
    next_epoch: u64,
    /// The symbol is not listed; the names that are follow at the end of the round.
    is_unknown: bool,
    was_live: bool,
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

    fn on_state(&mut self, now: Now, stream: StreamId, from: State, to: State, gap: Option<Gap>) {
        if to == State::Live && !std::mem::replace(&mut self.was_live, true) {
            self.tell(Told::Live { venue: self.venue });
        }
        if from == State::Live
            && let Some(book) = self.books.get_mut(&stream)
        {
            book.lose(now.wall, to, gap, &self.lines);
        }
    }
}

impl Host for Feed {
    fn event(&mut self, now: Now, emission: Emission<'_>) {
        match emission.event {
            Event::Stream(info) if info.channel == Channel::Book => {
                let fresh = || Printed::new(self.id, info.clone(), self.style);
                self.books.entry(info.stream).or_insert_with(fresh).set_info(info);
            }
            Event::UnknownSymbol { candidates, .. } if candidates.is_empty() => self.is_unknown = true,
            Event::UnknownSymbol { candidates, .. } => {
                let candidates = candidates.iter().map(ToString::to_string).collect();
                self.tell(Told::Ambiguous { venue: self.venue, candidates });
            }
            Event::State { stream, from, to, gap } => self.on_state(now, *stream, *from, *to, *gap),
            Event::Book(change) => {
                if let Some(book) = self.books.get_mut(&change.stream) {
                    let (bids, asks) = (emission.levels(&change.bids), emission.levels(&change.asks));
                    book.change(change, bids, asks, &self.lines);
                }
            }
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
        let Persist::Epochs { count, .. } = what else { return None };
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
        for (stream, book) in &mut self.books {
            book.settle(|| session.book(*stream, now).ok(), &self.lines);
        }
    }
}
