//! Healing: what breaks a stream, what mends it, and how silence is told from quiet.

use venuekit_book::{Cause, Gap, State, Update};
use venuekit_types::Now;
use venuekit_venue::spec::Resync;

use super::Session;
use crate::conn::Task;
use crate::event::{Event, GapHealed, GapOpened};
use crate::io::{CloseReason, StreamId, Timer};
use crate::stream::{OpenGap, Probe, Start, Sub, Which};

/// Attempts at a first state after which the connection is held to blame.
const TRIES_PER_CONN: u32 = 4;
/// Silence after which a stream counts as dead even if nobody could be asked.
const PROBE_WITHIN: core::time::Duration = core::time::Duration::from_secs(120);
/// Time live after which a stream's next loss is healed at once.
const HEALTHY_AFTER: core::time::Duration = core::time::Duration::from_secs(5);

impl Session {
    // ---- breaking ----

    /// The primary feed lost its sequence; its book knows already.
    pub(super) fn broke(&mut self, now: Now, id: StreamId, gap: Gap, update: Option<&Update<'_>>) {
        self.open_gap(now, id, gap);
        self.tell_state(id);
        self.resync(now, id, Which::Primary, update);
    }

    /// Something outside the numbers broke a feed.
    pub(super) fn break_feed(&mut self, now: Now, id: StreamId, which: Which, gap: Gap) {
        let Some(feed) = self.stream(id).feed(which) else { return };
        feed.book.desync(gap);
        match which {
            Which::Primary => self.broke(now, id, gap, None),
            Which::Shadow => self.resync(now, id, which, None),
        }
    }

    /// As [`Session::break_feed`] for the primary, where nothing is left to heal it on.
    pub(super) fn break_stream(&mut self, now: Now, id: StreamId, gap: Gap) {
        let s = self.stream(id);
        if let Some(feed) = s.primary.as_mut() {
            feed.book.desync(gap);
        }
        self.open_gap(now, id, gap);
        self.tell_state(id);
    }

    /// Tells that a stream which was live lost something.
    pub(super) fn open_gap(&mut self, now: Now, id: StreamId, gap: Gap) {
        let s = self.stream(id);
        let from = if s.is_book() || s.rule.is_numbered() {
            s.primary.as_ref().and_then(|feed| feed.book.last_id()).map_or(0, |last| last.saturating_add(1))
        } else {
            s.trades.last().map_or(0, |last| last.saturating_add(1))
        };
        self.open_gap_from(now, id, gap, from);
    }

    pub(super) fn open_gap_from(&mut self, now: Now, id: StreamId, gap: Gap, from_seq: u64) {
        let s = self.stream(id);
        s.gap = Some(gap);
        // One that was given up is told as that.
        if s.told != State::Live || s.open_gap.is_some() || s.stopped.is_some() {
            return;
        }
        let position = s.stats.updates + 1;
        s.stats.gaps += 1;
        s.stats.first_gap_at_update.get_or_insert(position);
        let epoch = s.primary.as_ref().map_or(0, |feed| feed.book.epoch());
        s.open_gap = Some(OpenGap { epoch, from_seq, lost_to: None });
        // Health that lasted forgives earlier trouble.
        if s.live_since.take().is_some_and(|since| now.mono.since(since) >= HEALTHY_AFTER) {
            s.resyncs_since_health = 0;
            s.resync_backoff.reset();
        }
        self.timers.cancel(Timer::Data(id));
        self.timers.cancel(Timer::Probe(id));
        self.stream(id).probe = None;
        self.emit(Event::GapOpened(GapOpened { stream: id, epoch, from_seq, gap, at: now.wall }));
    }

    // ---- healing ----

    /// The primary feed has its state: tell it, close the gap, and watch for silence.
    pub(super) fn went_live(&mut self, now: Now, id: StreamId) {
        self.timers.cancel(Timer::Live(id));
        self.timers.cancel(Timer::Refetch(id));
        let s = self.stream(id);
        s.live_since = Some(now.mono);
        s.last_data = now.mono;
        if let Some(feed) = s.primary.as_mut() {
            feed.tries = 0;
            feed.sub = Sub::On;
        }
        self.tell_state(id);
        let s = self.stream(id);
        if let Some(open) = s.open_gap.take() {
            s.stats.resyncs += 1;
            let at_seq = s.primary.as_ref().and_then(|feed| feed.book.last_id());
            let to_seq = if s.rule.ids == venuekit_venue::spec::RowIds::Contiguous {
                Some(open.lost_to.unwrap_or(open.from_seq.saturating_sub(1)))
            } else {
                at_seq
            };
            let healed =
                GapHealed { stream: id, epoch: open.epoch, from_seq: open.from_seq, to_seq, at: now.wall };
            self.emit(Event::GapHealed(healed));
        }
        self.watch(now, id);
        let s = self.stream(id);
        let turn = Timer::Audit(s.info.product);
        if s.is_book() && !self.timers.is_set(turn) {
            self.timers.set(turn, now.mono.plus(self.limits.audit_every));
        }
    }

    /// Starts the data deadline of a live stream.
    pub(super) fn watch(&mut self, now: Now, id: StreamId) {
        if let Some(deadline) = self.stream(id).deadline() {
            self.timers.set(Timer::Data(id), now.mono.plus(deadline));
        }
    }

    /// Heals a feed by its venue's rule, now or after a back-off when it keeps breaking.
    pub(super) fn resync(&mut self, now: Now, id: StreamId, which: Which, update: Option<&Update<'_>>) {
        let s = self.stream(id);
        if s.stopped.is_some() {
            return;
        }
        let refetch = s.rule.start == Start::Fetch;
        if let Some(feed) = s.feed(which) {
            if refetch && feed.listens() {
                // The stream stays up: hold from this very update on.
                feed.book.expect_refetch();
                if let Some(update) = update {
                    let _ = feed.book.apply(now, update);
                }
            }
            // Whose frames are gone, their numbers must not stay: a state that they link to would be told without them.
            if !feed.take_early().is_empty() && feed.book.state() == State::Buffering {
                feed.book.expect_snapshot();
            }
        }
        if which == Which::Primary {
            self.tell_state(id);
        }
        let s = self.stream(id);
        s.resyncs_since_health = s.resyncs_since_health.saturating_add(1);
        if s.resyncs_since_health == 1 {
            self.resync_feed(now, id, which);
        } else {
            self.resync_later(now, id);
        }
    }

    /// Heals after a back-off.
    pub(super) fn resync_later(&mut self, now: Now, id: StreamId) {
        let s = &mut self.streams[id.0 as usize];
        let wait = s.resync_backoff.next(&mut self.rng);
        self.timers.set_earlier(Timer::Refetch(id), now.mono.plus(wait));
    }

    /// The back-off is over: heals whatever of the stream is not live.
    pub(super) fn resync_now(&mut self, now: Now, id: StreamId) {
        for which in [Which::Primary, Which::Shadow] {
            if self.stream(id).feed(which).is_some_and(|feed| !feed.is_live()) {
                self.resync_feed(now, id, which);
            }
        }
    }

    fn resync_feed(&mut self, now: Now, id: StreamId, which: Which) {
        let within = self.limits.live_within;
        let s = &mut self.streams[id.0 as usize];
        let (start, rule) = (s.rule.start, s.rule.resync);
        if s.stopped.is_some() {
            return;
        }
        let Some(feed) = s.feed(which) else { return };
        let conn = feed.conn;
        if !self.conns.contains_key(&conn) {
            return;
        }
        feed.tries += 1;
        if !self.hears_alone && (feed.tries > TRIES_PER_CONN || rule == Resync::Reconnect) {
            self.close(now, conn, CloseReason::NoAnswer);
            return;
        }
        let on = feed.sub == Sub::On;
        match start {
            Start::Fetch if on => {
                feed.book.expect_refetch();
                self.fetch_depth(now, id, which);
            }
            Start::Backfill if on => {
                feed.book.expect_refetch();
                self.backfill(now, id);
            }
            Start::State if on => {
                feed.book.expect_snapshot();
                feed.fetch = None;
                self.fetch_state(now, id);
            }
            // Nothing is gained by asking again: the next message is as good as a first one.
            Start::FirstData if feed.listens() => feed.book.expect_snapshot(),
            _ => self.resubscribe(now, id, which),
        }
        if which == Which::Primary {
            self.timers.set(Timer::Live(id), now.mono.plus(within));
            self.tell_state(id);
        }
    }

    /// Leaves a stream and asks for it again; what comes in between is discarded.
    pub(super) fn resubscribe(&mut self, now: Now, id: StreamId, which: Which) {
        let s = self.stream(id);
        let Some(feed) = s.feed(which) else { return };
        let conn = feed.conn;
        let was_asked = feed.listens();
        feed.take_early();
        if was_asked {
            feed.sub = Sub::Leaving;
        }
        if let Some(conn) = self.conns.get_mut(&conn) {
            if was_asked {
                conn.enqueue(Task::Unsubscribe(id));
            }
            conn.enqueue(Task::Subscribe(id));
        }
        self.pump(now, conn);
    }

    /// The first state did not come in time.
    pub(super) fn on_live_timeout(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        if s.stopped.is_some() || s.primary.as_ref().is_none_or(|feed| feed.is_live()) {
            return;
        }
        // What waits for its budget, or is under way, has a deadline of its own: asking again would only double it.
        if let Some(fetch) = s.primary.as_ref().and_then(|feed| feed.fetch)
            && self.rests.iter().any(|rest| rest.holds(fetch))
        {
            self.timers.set(Timer::Live(id), now.mono.plus(self.limits.live_within));
            return;
        }
        if let Some(feed) = self.stream(id).primary.as_mut() {
            feed.fetch = None;
        }
        self.resync_feed(now, id, Which::Primary);
    }

    pub(super) fn on_resync_command(&mut self, now: Now, id: StreamId) {
        if self.streams.get(id.0 as usize).is_some_and(|s| !s.left) {
            self.break_feed(now, id, Which::Primary, Gap::of(Cause::Lost));
        }
    }

    // ---- silence ----

    /// Nothing came for long: a quiet market, or a dead stream?
    pub(super) fn on_data_deadline(&mut self, now: Now, id: StreamId) {
        let within = self.limits.probe_within;
        let s = &mut self.streams[id.0 as usize];
        let Some(deadline) = s.deadline() else { return };
        let due = s.last_data.plus(deadline);
        if now.mono < due {
            self.timers.set(Timer::Data(id), due);
            return;
        }
        let Some(feed) = s.primary.as_ref().filter(|feed| feed.is_live()) else { return };
        let conn = feed.conn;
        let request = match s.rule.start {
            Start::Fetch => self.probe_depth(id),
            Start::Backfill => self.probe_trades(id),
            Start::Snapshot => {
                // Subscribing again yields the state: when it is the one we have, it is only quiet.
                let repeats = self.spec(self.streams[id.0 as usize].info.product).subscribe.repeats;
                if let Some(conn) = self.conns.get_mut(&conn) {
                    if !repeats {
                        conn.enqueue(Task::Unsubscribe(id));
                    }
                    conn.enqueue(Task::Subscribe(id));
                }
                self.pump(now, conn);
                None
            }
            // Nothing can vouch for them.
            Start::FirstData | Start::State => {
                self.silent(now, id);
                return;
            }
        };
        self.stream(id).probe = Some(Probe::Asked(request));
        self.timers.set(Timer::Probe(id), now.mono.plus(within));
    }

    /// The venue stands where the stream stands: it was only quiet.
    pub(super) fn probe_answered(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        if s.probe.take().is_some() {
            s.heard(now.mono);
            self.timers.cancel(Timer::Probe(id));
            self.watch(now, id);
        }
    }

    /// The venue has passed the stream: it has a moment to catch up.
    pub(super) fn probe_behind(&mut self, id: StreamId, theirs: u64) {
        let s = self.stream(id);
        if s.probe.is_some() {
            s.probe = Some(Probe::Behind(theirs));
        }
    }

    pub(super) fn on_probe_timeout(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        let Some(probe) = s.probe else { return };
        if self.probe_waits(now, id) {
            self.timers.set(Timer::Probe(id), now.mono.plus(self.limits.probe_within));
            return;
        }
        let s = self.stream(id);
        s.probe = None;
        let ours = match s.rule.start {
            Start::Backfill => s.trades.last(),
            _ => s.primary.as_ref().and_then(|feed| feed.book.last_id()),
        };
        let caught_up = match probe {
            Probe::Asked(_) => false,
            Probe::Behind(theirs) => ours >= Some(theirs),
        };
        if caught_up {
            self.watch(now, id);
        } else {
            self.silent(now, id);
        }
    }

    /// Whether a probe has not left yet, for its budget or its turn: that says nothing of the stream, within a bound.
    fn probe_waits(&self, now: Now, id: StreamId) -> bool {
        let s = &self.streams[id.0 as usize];
        let conn = s.primary.as_ref().and_then(|feed| self.conns.get(&feed.conn));
        let waits = match s.probe {
            Some(Probe::Asked(Some(request))) => self.rests.iter().any(|rest| rest.queues(request)),
            Some(Probe::Asked(None)) => conn.is_some_and(|conn| conn.queue.contains(&Task::Subscribe(id))),
            _ => false,
        };
        waits && now.mono.since(s.last_data) < PROBE_WITHIN
    }

    /// A stream is dead on a live socket: it is asked for again, and the socket is given up when it is mute.
    fn silent(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        let deadline = s.deadline().unwrap_or_default();
        s.silences += 1;
        let silences = s.silences;
        let Some(conn) = s.primary.as_ref().map(|feed| feed.conn) else { return };
        let mute = self.conns.get(&conn).is_some_and(|conn| now.mono.since(conn.last_frame) >= deadline);
        let gap = Gap::of(Cause::Silent);
        if let Some(feed) = self.stream(id).primary.as_mut() {
            feed.book.desync(gap);
        }
        self.open_gap(now, id, gap);
        self.tell_state(id);
        if mute || silences > 1 {
            self.close(now, conn, CloseReason::Silent);
        } else {
            self.stream(id).resyncs_since_health += 1;
            self.resubscribe(now, id, Which::Primary);
            self.timers.set(Timer::Live(id), now.mono.plus(self.limits.live_within));
            self.tell_state(id);
        }
    }

    // ---- two connections at once ----

    /// Takes over to the shadow feed once both stand at the same number.
    pub(super) fn try_switch(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        let (Some(primary), Some(shadow)) = (s.primary.as_ref(), s.shadow.as_ref()) else { return };
        let ready = match s.rule.start {
            // Every trade from its first one on is held: the old connection has to reach that.
            Start::Backfill => shadow.early.front().is_some_and(|(first, _)| {
                s.trades.last().is_none_or(|last| last.saturating_add(1) >= *first)
            }),
            _ => shadow.is_live(),
        };
        if !ready {
            return;
        }
        let level =
            primary.is_live() && (primary.book.last_id() == shadow.book.last_id() || !s.rule.is_numbered());
        if level || !primary.is_live() {
            self.promote(now, id, Gap::of(Cause::Closed));
        }
    }

    /// Makes the shadow feed the primary one. Nothing is lost when it stands where the old one stood, or behind.
    pub(super) fn promote(&mut self, now: Now, id: StreamId, gap: Gap) {
        let s = &mut self.streams[id.0 as usize];
        let line = s.line;
        let Some(mut shadow) = s.shadow.take() else { return };
        let (was_live, old_last) = match &s.primary {
            Some(feed) => (feed.is_live(), feed.book.last_id()),
            None => (false, None),
        };
        if s.rule.start == Start::Backfill && was_live {
            // Trades are told once by their ids, whichever connection brings them.
            shadow.book.expect_snapshot();
            let _ = shadow.book.snapshot(now, 0, &Update::default());
        }
        let (live, new_last) = (shadow.is_live(), shadow.book.last_id());
        let is_book = s.is_book();
        let numbered = s.rule.is_numbered();
        let start = s.rule.start;
        // A book is whole wherever it stands; rows between the two numbers would be missing from a row channel.
        let skipped = !is_book && numbered && was_live && new_last > old_last;
        let whole = live && !skipped;
        if !whole || (is_book && numbered && old_last != new_last) {
            self.open_gap(now, id, gap);
        }
        if !whole {
            shadow.book.desync(gap);
        }
        let held = if start == Start::Backfill { shadow.take_early() } else { Default::default() };
        self.streams[id.0 as usize].primary = Some(shadow);
        for (_, frame) in held {
            self.tell_held(now, id, &frame);
        }
        if whole {
            if is_book {
                self.tell_takeover(now, id);
            }
            self.went_live(now, id);
        } else {
            self.tell_state(id);
            self.resync_feed(now, id, Which::Primary);
        }
        self.finish_rotation(now, line);
    }
}
