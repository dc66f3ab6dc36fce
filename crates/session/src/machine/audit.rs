//! Holding a live book against its venue: a second one is built from a fresh snapshot and the same messages, and where
//! both stand at one number they are equal level for level, or the first one is wrong.
//!
//! Owns the turn of each book, one at a time a product and behind everything that is needed. What cannot be compared
//! says nothing: an answer that comes too late, a snapshot that the messages do not continue. It refuses to raise an
//! alarm over anything else than two levels that differ.

use venuekit_book::{Book, Cause, Gap, Outcome, State, Update, View};
use venuekit_types::{Level, Now, Price};
use venuekit_venue::{Ask, Body, Event as Decoded, EventBuf, Lane};

use super::{Session, fresh_book};
use crate::conn::Task;
use crate::io::{ConnId, RequestId, StreamId, Timer};
use crate::rest::{Job, Purpose};
use crate::stream::{Start, Stream, Sub, Which, snapshot_depth};

/// The most turns of a product in the time that one book has for its own. More books share them, since whatever they
/// draw on the budget is missing when all of them have to be fetched at once.
const TURNS_MAX: u32 = 12;

/// The prices between which a snapshot names every level; beyond them it was cut.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Band {
    lowest: Option<Price>,
    highest: Option<Price>,
}

impl Band {
    /// What a snapshot that was asked for at most `levels` a side knows.
    pub(super) fn of(update: &Update<'_>, levels: u32) -> Band {
        let is_cut = |side: &[Level]| side.len() >= levels as usize;
        let prices = |side: &'_ [Level]| side.iter().map(|level| level.price).collect::<Vec<_>>();
        Band {
            lowest: if is_cut(update.bids) { prices(update.bids).into_iter().min() } else { None },
            highest: if is_cut(update.asks) { prices(update.asks).into_iter().max() } else { None },
        }
    }

    fn meet(self, other: Band) -> Band {
        let lowest = self.lowest.max(other.lowest);
        let highest = match (self.highest, other.highest) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Band { lowest, highest }
    }

    /// Whether two books have the same levels in it.
    pub(super) fn is_equal(self, ours: &View<'_>, theirs: &View<'_>) -> bool {
        let bids = |level: &Level| self.lowest.is_none_or(|lowest| level.price >= lowest);
        let asks = |level: &Level| self.highest.is_none_or(|highest| level.price <= highest);
        ours.bids().take_while(bids).eq(theirs.bids().take_while(bids))
            && ours.asks().take_while(asks).eq(theirs.asks().take_while(asks))
    }
}

/// A book that is being held against its venue.
#[derive(Debug)]
pub(super) struct Audit {
    stream: StreamId,
    request: RequestId,
    /// The feed and the generation that it is about.
    conn: ConnId,
    epoch: u64,
    /// The second book; it holds messages from the request on.
    book: Book,
    band: Band,
}

impl Session {
    /// How often a live book was found to be the venue's.
    pub fn audits(&self) -> u64 {
        self.audited
    }

    /// The turn of the next book of a product.
    pub(super) fn on_audit_due(&mut self, now: Now, product: usize) {
        let is_next = |s: &&Stream| s.info.product == product && self.is_auditable(s);
        let count = self.streams.iter().filter(is_next).count();
        let next = self.streams.iter().filter(is_next).min_by_key(|s| (s.audited_at, s.info.stream));
        let next = next.map(|s| s.info.stream);
        let every = self.limits.audit_every;
        let turns = u32::try_from(count).unwrap_or(TURNS_MAX).clamp(1, TURNS_MAX);
        self.timers.set(Timer::Audit(product), now.mono.plus(every / turns));
        // One that still waits for its budget keeps its place; one that was asked long ago came to nothing.
        let waits = self
            .audits
            .get(&product)
            .is_some_and(|audit| self.rests.iter().any(|rest| rest.holds(audit.request)));
        if waits {
            return;
        }
        self.audits.remove(&product);
        if let Some(id) = next {
            self.begin_audit(now, product, id);
        }
    }

    /// Whether a second book can be had, and nothing is under way that would disturb it.
    fn is_auditable(&self, s: &Stream) -> bool {
        let is_calm = s.shadow.is_none() && s.probe.is_none() && s.stopped.is_none();
        let feed = s.primary.as_ref().filter(|feed| feed.is_live() && feed.sub == Sub::On);
        s.is_book() && self.spec(s.info.product).has_second_book() && is_calm && feed.is_some()
    }

    fn begin_audit(&mut self, now: Now, product: usize, id: StreamId) {
        let s = &mut self.streams[id.0 as usize];
        s.audited_at = now.mono;
        let Some(feed) = s.primary.as_ref() else { return };
        let (conn, epoch) = (feed.conn, feed.book.epoch());
        if s.rule.start == Start::Snapshot {
            // The answer is the whole book at the place where the stream stands.
            s.audited = Some(epoch);
            if let Some(conn) = self.conns.get_mut(&conn) {
                conn.enqueue(Task::Subscribe(id));
            }
            self.pump(now, conn);
            return;
        }
        let book = fresh_book(s);
        let Some(market) = s.info.market else { return };
        let levels = snapshot_depth(&s.rule.rest_depths, s.levels);
        let ask = Ask::Depth { market, levels };
        if let Some(request) = self.request(product, Lane::Poll, ask, Purpose::Audit(id)) {
            let audit = Audit { stream: id, request, conn, epoch, book, band: Band::default() };
            self.audits.insert(product, audit);
        }
    }

    /// The request leaves: from here on the second book holds what comes.
    pub(super) fn on_audit_sent(&mut self, job: &Job) {
        let Some(audit) = self.audits.get_mut(&job.product).filter(|audit| audit.request == job.id) else {
            return;
        };
        let feed = self.streams[audit.stream.0 as usize].primary.as_ref().filter(|feed| feed.is_live());
        if let Some(feed) = feed {
            (audit.conn, audit.epoch) = (feed.conn, feed.book.epoch());
            audit.book.expect_snapshot();
        }
    }

    /// A message that the live book took: the second one takes it too.
    pub(super) fn audit_update(&mut self, now: Now, id: StreamId, update: &Update<'_>) {
        let product = self.streams[id.0 as usize].info.product;
        let Some(audit) = self.audits.get_mut(&product).filter(|audit| audit.stream == id) else { return };
        match audit.book.apply(now, update) {
            Outcome::Desync(_) => drop(self.audits.remove(&product)),
            Outcome::Applied | Outcome::Old => self.compare_books(now, product),
            Outcome::Buffered => {}
        }
    }

    /// The snapshot came.
    pub(super) fn on_audit_answer(&mut self, now: Now, job: &Job, buf: &EventBuf) {
        let Some(audit) = self.audits.get_mut(&job.product).filter(|audit| audit.request == job.id) else {
            return;
        };
        let asked = match job.ask {
            Ask::Depth { levels, .. } => levels,
            _ => 0,
        };
        for event in &buf.events {
            if let Decoded::Data(data) = event
                && let Body::Book(body) = &data.body
            {
                let update = buf.update(data.ids, body);
                audit.band = Band::of(&update, asked);
                match audit.book.snapshot(now, audit.epoch, &update) {
                    Outcome::Applied => self.compare_books(now, job.product),
                    _ => drop(self.audits.remove(&job.product)),
                }
                return;
            }
        }
        self.audits.remove(&job.product);
    }

    /// Compares, once both books stand at one number.
    fn compare_books(&mut self, now: Now, product: usize) {
        let Some(audit) = self.audits.get(&product).filter(|audit| audit.book.state() == State::Live) else {
            return;
        };
        let (id, s) = (audit.stream, &self.streams[audit.stream.0 as usize]);
        let same = |feed: &&crate::stream::Feed| feed.conn == audit.conn && feed.book.epoch() == audit.epoch;
        let feed = s.primary.as_ref().filter(same);
        let views = feed.and_then(|feed| Some((feed.book.view(now).ok()?, audit.book.view(now).ok()?)));
        let Some((ours, theirs)) = views else {
            // It is not the book any more that was to be compared.
            self.audits.remove(&product);
            return;
        };
        if theirs.seq() > ours.seq() {
            // The snapshot is ahead of the stream, which will come by.
            return;
        }
        let is_equal = s.band.meet(audit.band).is_equal(&ours, &theirs);
        let is_level = theirs.seq() == ours.seq();
        self.audits.remove(&product);
        match (is_level, is_equal) {
            (true, true) => self.audited += 1,
            (true, false) => self.break_feed(now, id, Which::Primary, Gap::of(Cause::Drift)),
            (false, _) => {}
        }
    }
}
