//! Any drop, duplicate, reorder, truncation or corruption ends equal to a naive venue or desynchronised, and
//! never silently different: one property a rule.
//!
//! `VENUEKIT_CASES` sets the number of cases. A failure leaves its seed in `tests/model.regressions`, which the
//! next run tries first.

#[path = "support/venue.rs"]
mod venue;

use std::collections::BTreeMap;
use std::env;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;
use venue::{Beat, History, Message, Resting};
use venuekit_book::{
    Assurance, Book, Cause, ChainFirst, Checksum, Early, Gap, Ids, Linkage, Outcome, Rules, SocketCounter,
    SocketSeq, StaleStep, State, StepFirst, View,
};
use venuekit_types::{Level, Now};

/// What comes over the wire.
#[derive(Clone, Debug)]
enum Event {
    /// A snapshot and what it shows.
    Snapshot(Message, Resting),
    /// The message of this place in the history, perhaps damaged.
    Message(usize, Message),
    /// A message of another channel on the same socket.
    Other(u64),
}

/// What the wire does to the events; the places are taken modulo what there is.
#[derive(Clone, Debug)]
enum Fault {
    Drop(Index),
    /// The event comes again, right after itself or later.
    Duplicate(Index, usize),
    /// The event moves to another place.
    Move(Index, Index),
    /// A row is lost from a message.
    Truncate(Index, Index),
    /// The quantity of a row changes.
    CorruptQty(Index, Index),
    /// The price of a row changes.
    CorruptPrice(Index, Index),
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let at = any::<Index>;
    let fault = prop_oneof![
        3 => at().prop_map(Fault::Drop),
        3 => (at(), 1_usize..5).prop_map(|(at, later)| Fault::Duplicate(at, later)),
        3 => (at(), at()).prop_map(|(from, to)| Fault::Move(from, to)),
        1 => (at(), at()).prop_map(|(at, row)| Fault::Truncate(at, row)),
        1 => (at(), at()).prop_map(|(at, row)| Fault::CorruptQty(at, row)),
        1 => (at(), at()).prop_map(|(at, row)| Fault::CorruptPrice(at, row)),
    ];
    prop_oneof![1 => Just(Vec::new()), 4 => prop::collection::vec(fault, 1..4)]
}

fn beats() -> impl Strategy<Value = Vec<Beat>> {
    let change = (any::<bool>(), 0_i64..10, 0_i64..5);
    prop::collection::vec((prop::collection::vec(change, 0..5), 1_u64..4, 0_u64..3), 1..24)
}

/// How far the snapshot's answer lags behind the state it shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// It is one message of the stream, in its place.
    Stream,
    /// It is fetched beside the stream and arrives when at least the next message has.
    Rest,
}

#[derive(Clone, Copy)]
struct Rule {
    rules: Rules,
    source: Source,
}

impl Rule {
    fn new(linkage: Linkage, source: Source) -> Rule {
        Rule { rules: Rules::new(linkage), source }
    }

    /// True where damage inside a message can be seen.
    fn sees_damage(&self) -> bool {
        self.rules.checksum != Checksum::None
    }

    /// True where an applied message is always the one after the last.
    fn is_gapless(&self) -> bool {
        matches!(
            self.rules.linkage,
            Linkage::Step { .. } | Linkage::Range { overlap: false } | Linkage::Chain { .. }
        )
    }
}

/// The events of an undisturbed session: every message from the start on, and the snapshot in its place.
fn session(rule: &Rule, history: &History, taken: Index, lag: Index, within: bool) -> (Vec<Event>, usize) {
    let total = history.messages.len();
    let (messages, arrives) = match rule.source {
        Source::Stream => {
            let at = taken.index(total + 1);
            (at, at)
        }
        Source::Rest => {
            // Some have to see the message that the snapshot ends with, the others the one behind it.
            let needs_own = matches!(rule.rules.linkage, Linkage::Step { first: StepFirst::Anchor, .. });
            let at = if needs_own { 1 + taken.index(total) } else { taken.index(total) };
            (at, (at + 1 + lag.index(total)).min(total))
        }
    };
    let mid = (within && rule.source == Source::Rest).then(|| history.snapshot_within(&rule.rules, messages));
    let (snapshot, state) = mid
        .flatten()
        .unwrap_or_else(|| (history.snapshot(&rule.rules, messages), history.states[messages].clone()));
    let mut events: Vec<Event> =
        history.messages.iter().cloned().enumerate().map(|(m, message)| Event::Message(m, message)).collect();
    events.insert(arrives, Event::Snapshot(snapshot, state));
    if rule.rules.linkage == Linkage::Socket {
        events = number(events);
    }
    (events, messages)
}

/// Numbers the messages of a socket, among which are those of other channels.
fn number(events: Vec<Event>) -> Vec<Event> {
    let mut numbered = Vec::new();
    let mut next = 0;
    for mut event in events {
        if let Event::Message(m, _) = event
            && m % 3 == 0
        {
            numbered.push(Event::Other(next));
            next += 1;
        }
        if let Event::Message(_, message) | Event::Snapshot(message, _) = &mut event {
            message.ids = Some(Ids::single(next));
        }
        next += 1;
        numbered.push(event);
    }
    numbered
}

/// Lets the wire do its worst, from place `from` on.
fn disturb(events: &mut Vec<Event>, faults: &[Fault], rule: &Rule, from: usize) {
    for fault in faults {
        let span = events.len() - from;
        if span == 0 {
            return;
        }
        let at = |index: &Index| from + index.index(span);
        let damage = |event: &mut Event, change: &dyn Fn(&mut Message)| {
            if let Event::Message(_, message) = event
                && rule.sees_damage()
            {
                change(message);
            }
        };
        let row = |message: &mut Message, index: &Index, change: &dyn Fn(&mut Level)| {
            let rows = message.bids.iter_mut().chain(&mut message.asks).collect::<Vec<_>>();
            let count = rows.len();
            if let Some((level, _)) = rows.into_iter().nth(if count == 0 { 0 } else { index.index(count) }) {
                change(level);
            }
        };
        match fault {
            Fault::Drop(index) => {
                events.remove(at(index));
            }
            Fault::Duplicate(index, later) => {
                let copy = events[at(index)].clone();
                events.insert((at(index) + later).min(events.len()), copy);
            }
            Fault::Move(index, to) => {
                let event = events.remove(at(index));
                events.insert(at(to), event);
            }
            Fault::Truncate(index, which) => damage(&mut events[at(index)], &|message| {
                let rows = if message.bids.is_empty() { &mut message.asks } else { &mut message.bids };
                let kept = if rows.is_empty() { 0 } else { which.index(rows.len()) };
                rows.truncate(kept);
            }),
            Fault::CorruptQty(index, which) => damage(&mut events[at(index)], &|message| {
                row(message, which, &|level| level.qty.0 = (level.qty.0 + 1) % 1_010);
            }),
            Fault::CorruptPrice(index, which) => damage(&mut events[at(index)], &|message| {
                row(message, which, &|level| level.price.0 ^= 1);
            }),
        }
    }
}

fn shown(view: View<'_>) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
    let plain = |rows: Vec<Level>| rows.into_iter().map(|row| (row.price.0, row.qty.0)).collect();
    (plain(view.bids().collect()), plain(view.asks().collect()))
}

fn plain(state: &Resting) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
    let plain = |rows: &venue::Rows| rows.iter().map(|(price, (qty, _))| (*price, *qty)).collect();
    (plain(&state.bids), plain(&state.asks))
}

/// Plays events into a book and holds every live view against the history.
struct Player<'a> {
    rule: Rule,
    history: &'a History,
    book: Book,
    socket: SocketCounter,
    /// What a live view has to show.
    expected: Option<Resting>,
    /// The last message applied to the snapshot.
    last: Option<usize>,
    desyncs: usize,
}

impl<'a> Player<'a> {
    fn new(rule: Rule, history: &'a History) -> Player<'a> {
        let mut book = Book::new(rule.rules);
        book.expect_snapshot();
        Player { rule, history, book, socket: SocketCounter::new(), expected: None, last: None, desyncs: 0 }
    }

    /// Counts a message of the socket; false when it is to be ignored.
    fn count(&mut self, n: u64) -> bool {
        match self.socket.observe(n) {
            SocketSeq::Next => true,
            SocketSeq::Old => false,
            SocketSeq::Jump { expected, got } => {
                self.book.desync(Gap::between(Cause::SocketCounter, expected, got));
                self.desyncs += 1;
                true
            }
        }
    }

    fn play(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let rules = self.rule.rules;
        if rules.linkage == Linkage::Socket {
            let n = match event {
                Event::Other(n) => *n,
                Event::Snapshot(message, _) | Event::Message(_, message) => {
                    message.ids.expect("numbered").last
                }
            };
            if !self.count(n) {
                return self.compare();
            }
        }
        match event {
            Event::Other(_) => {}
            Event::Snapshot(message, state) => {
                match message.with(&rules, |update| self.book.snapshot(Now::default(), 1, update)) {
                    Outcome::Applied => {
                        self.expected = Some(state.clone());
                        self.last = None;
                        let replayed: Vec<Option<Ids>> =
                            self.book.replayed().map(|update| update.ids).collect();
                        for ids in replayed {
                            let place = self.history.messages.iter().position(|message| message.ids == ids);
                            // The messages of a socket were numbered on their way.
                            let place = place.filter(|_| rules.linkage != Linkage::Socket);
                            self.applied(place)?;
                        }
                    }
                    Outcome::Desync(_) => self.desyncs += 1,
                    other => prop_assert!(false, "a snapshot is {:?}", other),
                }
            }
            Event::Message(place, message) => {
                let was = self.book.state();
                match message.with(&rules, |update| self.book.apply(Now::default(), update)) {
                    Outcome::Applied => {
                        prop_assert_eq!(was, State::Live);
                        self.applied(Some(*place))?;
                    }
                    Outcome::Buffered => prop_assert_eq!(was, State::Buffering),
                    Outcome::Old => {}
                    Outcome::Desync(gap) => {
                        self.desyncs += 1;
                        prop_assert_eq!(self.book.gap(), Some(gap));
                        prop_assert!(self.book.view(Now::default()).is_err(), "readable right after {}", gap);
                    }
                }
            }
        }
        self.compare()
    }

    fn applied(&mut self, place: Option<usize>) -> Result<(), TestCaseError> {
        let Some(place) = place else { return Ok(()) };
        if let (Some(last), true) = (self.last, self.rule.is_gapless()) {
            prop_assert_eq!(place, last + 1, "applied without the one between");
        }
        self.last = Some(place);
        self.expected = Some(self.history.states[place + 1].clone());
        Ok(())
    }

    /// A live view shows what the venue had when it sent the last message that was applied, unless it says
    /// itself that only the transport vouches for it: the checksum of an empty book is 0, which means none.
    fn compare(&self) -> Result<(), TestCaseError> {
        if let Ok(view) = self.book.view(Now::default()) {
            if self.rule.sees_damage() && view.assurance() == Assurance::Transport {
                return Ok(());
            }
            prop_assert_eq!(Some(shown(view)), self.expected.as_ref().map(plain));
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Case {
    beats: Vec<Beat>,
    faults: Vec<Fault>,
    taken: Index,
    lag: Index,
    within: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (beats(), faults(), any::<Index>(), any::<Index>(), any::<bool>())
        .prop_map(|(beats, faults, taken, lag, within)| Case { beats, faults, taken, lag, within })
}

fn holds(rule: Rule, case: &Case) -> Result<(), TestCaseError> {
    let history = History::new(&rule.rules, &case.beats);
    let (mut events, taken) = session(&rule, &history, case.taken, case.lag, case.within);
    // A free chain cannot see what is lost right behind the snapshot; nothing happens there.
    let free = matches!(rule.rules.linkage, Linkage::Chain { first: ChainFirst::Free });
    let from = if free { (taken + 2).min(events.len()) } else { 0 };
    disturb(&mut events, &case.faults, &rule, from);
    let mut player = Player::new(rule, &history);
    for event in &events {
        player.play(event)?;
    }
    let end = history.states.last().expect("there is a first state");
    if case.faults.is_empty() {
        prop_assert_eq!(player.desyncs, 0, "nothing was wrong, yet {:?}", player.book.gap());
        let view =
            player.book.view(Now::default()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(shown(view), plain(end));
    }
    // Whatever happened, a snapshot of the end heals it.
    let total = history.messages.len();
    if player.book.state() != State::Live && rule.rules.linkage != Linkage::Socket {
        player.book.expect_snapshot();
        player.play(&Event::Snapshot(history.snapshot(&rule.rules, total), end.clone()))?;
        prop_assert_eq!(player.book.state(), State::Live);
    }
    Ok(())
}

fn check(rule: Rule) {
    let cases_wanted = env::var("VENUEKIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let config = ProptestConfig {
        cases: cases_wanted,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/model.regressions"))),
        ..ProptestConfig::default()
    };
    proptest!(config, |(case in cases())| holds(rule, &case)?);
}

fn step(first: StepFirst, stale: StaleStep) -> Linkage {
    // The history counts from 101 on, so this is never met; restarts are the tables' business.
    Linkage::Step { first, restart: Some(1), stale }
}

#[test]
fn step_from_a_stream_snapshot() {
    check(Rule::new(step(StepFirst::Next, StaleStep::Desync), Source::Stream));
}

#[test]
fn step_that_drops_duplicates() {
    check(Rule::new(step(StepFirst::Next, StaleStep::Drop), Source::Rest));
}

#[test]
fn step_from_an_anchor() {
    check(Rule::new(step(StepFirst::Anchor, StaleStep::Drop), Source::Rest));
}

#[test]
fn range() {
    check(Rule::new(Linkage::Range { overlap: false }, Source::Rest));
}

#[test]
fn range_with_overlap() {
    check(Rule::new(Linkage::Range { overlap: true }, Source::Rest));
}

#[test]
fn chain_that_straddles() {
    check(Rule::new(Linkage::Chain { first: ChainFirst::Straddle }, Source::Rest));
}

#[test]
fn chain_from_the_snapshot() {
    check(Rule::new(Linkage::Chain { first: ChainFirst::Prev }, Source::Stream));
}

#[test]
fn chain_that_discards_early_updates() {
    let mut rule = Rule::new(Linkage::Chain { first: ChainFirst::Prev }, Source::Stream);
    rule.rules.early = Early::Discard;
    check(rule);
}

#[test]
fn chain_with_a_free_start() {
    check(Rule::new(Linkage::Chain { first: ChainFirst::Free }, Source::Stream));
}

#[test]
fn socket_counter() {
    check(Rule::new(Linkage::Socket, Source::Stream));
}

#[test]
fn replace() {
    let mut rule = Rule::new(Linkage::Replace, Source::Stream);
    rule.rules.depth = Some(5);
    check(rule);
}

#[test]
fn unnumbered_with_a_checksum_of_digits() {
    let mut rule = Rule::new(Linkage::Unnumbered, Source::Stream);
    rule.rules.checksum = Checksum::Crc32Fixed { levels: 10 };
    check(rule);
}

#[test]
fn unnumbered_with_a_checksum_and_a_depth() {
    let mut rule = Rule::new(Linkage::Unnumbered, Source::Stream);
    rule.rules.checksum = Checksum::Crc32Fixed { levels: 10 };
    rule.rules.depth = Some(4);
    check(rule);
}

#[test]
fn rising_with_a_checksum_of_text() {
    let mut rule = Rule::new(Linkage::Rising, Source::Stream);
    rule.rules.checksum = Checksum::Crc32Text { levels: 25 };
    check(rule);
}

#[test]
fn rising_with_a_checksum_of_text_and_a_depth() {
    let mut rule = Rule::new(Linkage::Rising, Source::Stream);
    rule.rules.checksum = Checksum::Crc32Text { levels: 25 };
    rule.rules.depth = Some(4);
    check(rule);
}
