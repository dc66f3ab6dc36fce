//! Books: each message through the sequence, and what became of it told.

use core::cmp::Ordering;

use venuekit_book::{Cause, Gap, Ids, Outcome, State, Update};
use venuekit_types::{Now, UnixNanos};
use venuekit_venue::spec::Resync;
use venuekit_venue::{BookBody, Data, DataKind, EventBuf, MarketId};

use super::audit::Band;
use super::{Session, fresh_book};
use crate::event::{BookChange, Event};
use crate::io::{StreamId, Timer};
use crate::stream::Which;

impl Session {
    pub(super) fn on_book(
        &mut self,
        now: Now,
        id: StreamId,
        which: Which,
        data: &Data,
        body: &BookBody,
        buf: &EventBuf,
    ) {
        let update = buf.update(data.ids, body);
        let s = self.stream(id);
        // Where every frame is the whole book, only the first one starts an epoch.
        let starts = !(s.rule.resync == Resync::Await && which_is_live(s, which));
        if data.kind == DataKind::Snapshot && starts {
            self.on_snapshot(now, id, which, data.at, &update);
            return;
        }
        let Some(feed) = s.feed(which) else { return };
        let outcome = feed.book.apply(now, &update);
        if which == Which::Shadow {
            if let Outcome::Desync(_) = outcome {
                self.resync(now, id, which, Some(&update));
            }
            return;
        }
        match outcome {
            Outcome::Applied => {
                if update.checksum.is_some() {
                    s.stats.checksums_ok += 1;
                }
                self.tell_update(id, now, data.at, &update, false);
                self.audit_update(now, id, &update);
            }
            Outcome::Old => s.stats.stale_dropped += 1,
            Outcome::Buffered => {}
            Outcome::Desync(gap) => {
                let position = s.stats.updates + 1;
                if gap.cause == Cause::Checksum {
                    s.stats.checksums_bad += 1;
                    s.stats.first_checksum_bad_at_update.get_or_insert(position);
                }
                self.broke(now, id, gap, Some(&update));
            }
        }
    }

    /// A snapshot, from the stream or fetched.
    pub(super) fn on_snapshot(
        &mut self,
        now: Now,
        id: StreamId,
        which: Which,
        at: Option<UnixNanos>,
        update: &Update<'_>,
    ) {
        if self.confirms(now, id, which, update) {
            return;
        }
        let Some(epoch) = self.stream(id).epochs.take() else {
            // The store has not given one yet. The snapshot is let go and asked for again when it has.
            self.stream(id).epochs.missed = true;
            self.top_up_epochs(id);
            return;
        };
        self.top_up_epochs(id);
        let s = self.stream(id);
        let Some(feed) = s.feed(which) else { return };
        let held = feed.book.held();
        let outcome = feed.book.snapshot(now, epoch, update);
        let state = feed.book.state();
        // What was held and did not continue the snapshot was in it already.
        let dropped = held.saturating_sub(feed.book.held());
        match outcome {
            Outcome::Applied if which == Which::Primary => {
                s.stats.stale_dropped += u64::try_from(dropped).unwrap_or(u64::MAX);
                if update.checksum.is_some() {
                    s.stats.checksums_ok += 1;
                }
                self.tell_snapshot(now, id, at, update);
                self.went_live(now, id);
            }
            Outcome::Applied | Outcome::Old | Outcome::Buffered => {}
            Outcome::Desync(_) if state == State::Buffering => {
                // Too old for what we hold: the stream goes on, another snapshot is needed.
                self.resync_later(now, id);
            }
            Outcome::Desync(gap) if which == Which::Primary => {
                if gap.cause == Cause::Checksum {
                    s.stats.checksums_bad += 1;
                    let position = s.stats.updates.max(1);
                    s.stats.first_checksum_bad_at_update.get_or_insert(position);
                }
                self.broke(now, id, gap, None);
            }
            Outcome::Desync(_) => self.resync(now, id, which, None),
        }
    }

    /// Holds a snapshot against a live stream: true when the venue stands where we stand, as it does in the answer to
    /// a probe. Anything else means that something was missed, or begun again, and breaks the stream first.
    pub(super) fn confirms(&mut self, now: Now, id: StreamId, which: Which, update: &Update<'_>) -> bool {
        let s = self.stream(id);
        let audited = s.audited.take();
        let mut theirs_book = fresh_book(s);
        let Some(feed) = s.feed(which).filter(|feed| feed.is_live()) else { return false };
        let is_audit = which == Which::Primary && audited == Some(feed.book.epoch());
        let (ours, theirs) = (feed.book.last_id(), update.ids.map(|ids| ids.last));
        // At one number the levels are one book's, and where nothing is numbered they are all there is.
        let mut same_levels = || {
            let _ = theirs_book.snapshot(now, 0, update);
            let views = (feed.book.view(now), theirs_book.view(now));
            matches!(views, (Ok(ours), Ok(theirs)) if Band::default().is_equal(&ours, &theirs))
        };
        if ours == theirs && same_levels() {
            self.audited += u64::from(is_audit);
            self.probe_answered(now, id);
            return true;
        }
        if is_audit && ours != theirs {
            // Nobody was silent: the stream itself says what follows.
            return true;
        }
        if which == Which::Primary {
            let expected = ours.map(|last| last.saturating_add(1));
            let gap = match theirs.cmp(&ours) {
                Ordering::Less => Gap { cause: Cause::Restarted, expected, got: theirs },
                Ordering::Equal if ours.is_some() => Gap::of(Cause::Drift),
                _ => Gap { cause: Cause::Sequence, expected, got: theirs },
            };
            feed.book.desync(gap);
            self.open_gap(now, id, gap);
            self.tell_state(id);
        }
        false
    }

    /// Tells a snapshot, then each held update that continued it.
    fn tell_snapshot(&mut self, now: Now, id: StreamId, at: Option<UnixNanos>, update: &Update<'_>) {
        self.tell_update(id, now, at, update, true);
        let s = &mut self.streams[id.0 as usize];
        let Some(feed) = s.primary.as_ref() else { return };
        let epoch = feed.book.epoch();
        let mut replayed = 0;
        for held in feed.book.replayed() {
            let Some(ids) = held.ids else { continue };
            replayed += 1;
            let Some((first_seq, last_seq)) = news(ids, s.told_seq) else { continue };
            s.told_seq = last_seq;
            let bids = self.arena.put_levels(held.bids.iter().copied());
            let asks = self.arena.put_levels(held.asks.iter().copied());
            let change = BookChange {
                stream: id,
                epoch,
                first_seq,
                last_seq,
                is_snapshot: false,
                bids,
                asks,
                at: None,
                received: now.wall,
            };
            *self.event_counts.entry("book_change").or_default() += 1;
            self.out.push(super::Out::Emit(Event::Book(change)));
        }
        s.stats.updates += replayed;
    }

    /// Tells one message that the primary book took.
    fn tell_update(
        &mut self,
        id: StreamId,
        now: Now,
        at: Option<UnixNanos>,
        update: &Update<'_>,
        is_snapshot: bool,
    ) {
        let s = &mut self.streams[id.0 as usize];
        let Some(feed) = s.primary.as_ref() else { return };
        let epoch = feed.book.epoch();
        if !is_snapshot {
            s.stats.updates += 1;
        }
        let (first_seq, last_seq) = match update.ids {
            Some(ids) if !is_snapshot => match news(ids, s.told_seq) {
                Some(news) => news,
                None => return,
            },
            Some(ids) => (ids.last, ids.last),
            None => {
                s.row_counter += 1;
                (s.row_counter, s.row_counter)
            }
        };
        s.told_seq = last_seq;
        let bids = self.arena.put_levels(update.bids.iter().copied());
        let asks = self.arena.put_levels(update.asks.iter().copied());
        self.emit(Event::Book(BookChange {
            stream: id,
            epoch,
            first_seq,
            last_seq,
            is_snapshot,
            bids,
            asks,
            at,
            received: now.wall,
        }));
        self.watch_grid(now, id);
    }

    /// A price between two ticks means that the terms have changed: told once, and the terms read anew.
    fn watch_grid(&mut self, now: Now, id: StreamId) {
        let s = &mut self.streams[id.0 as usize];
        let Some(price) = s.primary.as_ref().and_then(|feed| feed.book.off_grid()) else { return };
        if core::mem::replace(&mut s.off_grid_told, true) {
            return;
        }
        let product = s.info.product;
        self.emit(Event::OffGrid { stream: id, price });
        self.reload_instruments(now, product);
    }

    /// Tells the whole book as it stands, under its own epoch: a new connection took over.
    pub(super) fn tell_takeover(&mut self, now: Now, id: StreamId) {
        let s = &mut self.streams[id.0 as usize];
        let Some(feed) = s.primary.as_ref() else { return };
        let Ok(view) = feed.book.view(now) else { return };
        let seq = match view.seq() {
            Some(seq) => seq,
            None => {
                s.row_counter += 1;
                s.row_counter
            }
        };
        s.told_seq = seq;
        let epoch = view.epoch();
        let bids = self.arena.put_levels(view.bids());
        let asks = self.arena.put_levels(view.asks());
        self.emit(Event::Book(BookChange {
            stream: id,
            epoch,
            first_seq: seq,
            last_seq: seq,
            is_snapshot: true,
            bids,
            asks,
            at: None,
            received: now.wall,
        }));
    }

    /// The instruments of a product may have changed: ask again, unless that is under way.
    pub(super) fn reload_instruments(&mut self, now: Now, product: usize) {
        if !self.timers.is_set(Timer::Instruments(product)) {
            let wait = self.products[product].instruments_backoff.next(&mut self.rng);
            self.timers.set(Timer::Instruments(product), now.mono.plus(wait));
        }
    }

    /// The terms of a market changed: its integers mean something else from now on.
    pub(super) fn on_terms_changed(&mut self, now: Now, product: usize, market: MarketId) {
        self.emit(Event::Instrument { product, market });
        let Some(instrument) = self.products[product].catalog.get(market) else { return };
        let (price_scale, qty_scale, tick) = (instrument.price_scale, instrument.qty_scale, instrument.tick);
        for at in 0..self.streams.len() {
            let s = &mut self.streams[at];
            if s.info.product == product && s.info.market == Some(market) {
                (s.tick, s.off_grid_told) = (tick, false);
                for feed in [s.primary.as_mut(), s.shadow.as_mut()].into_iter().flatten() {
                    feed.book.set_tick(tick);
                }
            }
            let same = s.left || (s.info.price_scale == price_scale && s.info.qty_scale == qty_scale);
            if s.info.product != product || s.info.market != Some(market) || same {
                continue;
            }
            s.info.price_scale = price_scale;
            s.info.qty_scale = qty_scale;
            let info = s.info.clone();
            let id = info.stream;
            self.emit(Event::Stream(info));
            for which in [Which::Shadow, Which::Primary] {
                self.break_feed(now, id, which, Gap::of(Cause::Rescaled));
            }
        }
    }
}

/// The numbers that a diff adds to what was told; nothing for one that repeats the snapshot's last. It may reach back
/// behind what was told, and one that names its predecessor adds all that came since.
fn news(ids: Ids, told: u64) -> Option<(u64, u64)> {
    let next = told.saturating_add(1);
    let first = if ids.prev.is_some() { next } else { ids.first.max(next) };
    (first <= ids.last).then_some((first, ids.last))
}

fn which_is_live(s: &crate::stream::Stream, which: Which) -> bool {
    match which {
        Which::Primary => s.primary.as_ref().is_some_and(crate::stream::Feed::is_live),
        Which::Shadow => s.shadow.as_ref().is_some_and(crate::stream::Feed::is_live),
    }
}
