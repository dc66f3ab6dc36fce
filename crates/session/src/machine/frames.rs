//! The straight way of data: frame, decode, sequence, event.

use core::time::Duration;

use venuekit_book::{Cause, Gap, Outcome, State, Update};
use venuekit_types::{Now, UnixNanos};
use venuekit_venue::spec::{ClockSource, RowIds};
use venuekit_venue::{
    Body, Broken, BrokenWhy, Data, DataKind, Event as Decoded, EventBuf, OrderChange, Place, Row, Say,
    TickerPatch, Wallet,
};

use super::Session;
use crate::event::{Event, TradeEvent};
use crate::io::{ConnId, StreamId, Timer};
use crate::private::State as PrivateState;
use crate::stream::{Feed, Probe, Start, Sub, Which};
use crate::trades::Seen;

/// How soon a state is asked for after an event that told no more than that it changed: what follows at once is told
/// by the same answer.
pub(super) const CHANGED_WITHIN: Duration = Duration::from_millis(250);

impl Session {
    pub(super) fn on_frame(&mut self, now: Now, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.last_frame = now.mono;
        self.frames += 1;
        let (product, socket) = (conn.product, conn.socket);
        let mut buf = core::mem::take(&mut self.buf);
        buf.clear();
        let place = Place { product, socket, catalog: &self.products[product].catalog };
        self.venue.decode(place, bytes, &mut buf);
        let mut events = core::mem::take(&mut buf.events);
        for event in events.drain(..) {
            match event {
                Decoded::Data(data) => self.on_data(now, id, &data, &buf, bytes),
                Decoded::Control(venuekit_venue::Control::Challenge(span)) => {
                    self.on_challenge(now, id, buf.text(span));
                }
                Decoded::Control(venuekit_venue::Control::ServerPing(span)) => {
                    self.say(id, Say::Pong { id: buf.text(span) });
                }
                Decoded::Control(control) => self.on_control(now, id, control),
                Decoded::Broken(broken) => self.on_broken(now, id, product, broken),
            }
        }
        buf.events = events;
        self.buf = buf;
    }

    /// A frame that made no sense costs that frame, and what it may have belonged to where the rule is blind.
    fn on_broken(&mut self, now: Now, id: ConnId, product: usize, broken: Broken) {
        self.decode_errors += 1;
        let (why, topic) = (broken.why, broken.topic);
        self.emit(Event::Broken { conn: id, product, broken });
        match why {
            BrokenWhy::UnknownKind => {}
            BrokenWhy::Number => {
                // Digits beyond the scale mean that the terms changed: read them anew, and start over.
                self.reload_instruments(now, product);
                let stream = topic.and_then(|topic| self.products[product].by_topic.get(&topic).copied());
                if let Some(stream) = stream
                    && let Some(which) = self.stream(stream).which(id)
                {
                    self.break_feed(now, stream, which, Gap::of(Cause::BadNumber));
                }
            }
            BrokenWhy::Syntax | BrokenWhy::Shape | BrokenWhy::UnknownMarket => {
                self.lose_unnoticed(now, id, topic, Gap::of(Cause::Lost));
            }
        }
    }

    fn on_data(&mut self, now: Now, conn: ConnId, data: &Data, buf: &EventBuf, frame: &[u8]) {
        let Some(product) = self.conns.get(&conn).map(|c| c.product) else { return };
        let Some(&id) = self.products[product].by_topic.get(&data.topic) else { return };
        let s = &mut self.streams[id.0 as usize];
        let which = s.which(conn).or(self.hears_alone.then_some(Which::Primary));
        let Some(which) = which else { return };
        let Some(feed) = s.feed(which).filter(|feed| feed.listens()) else { return };
        let asked = feed.sub == Sub::Asked;
        if which == Which::Primary {
            s.heard(now.mono);
            s.last_data_wall = now.wall;
            s.silences = 0;
            if matches!(s.probe, Some(Probe::Asked(_))) {
                // The stream speaks for itself, whatever becomes of the question.
                s.probe = None;
                self.timers.cancel(Timer::Probe(id));
                self.watch(now, id);
            }
        }
        if asked {
            self.proven_by_data(now, conn, id);
        }
        if let Some(at) = data.at
            && self.spec(product).clock == ClockSource::FrameTime
        {
            self.clock.at_least(now.mono, at);
        }
        match &data.body {
            Body::Book(body) => self.on_book(now, id, which, data, body, buf),
            Body::Rows(range) => {
                self.on_message(now, id, which, data, &buf.rows[range.clone()], buf, frame);
            }
        }
        if self.streams[id.0 as usize].shadow.is_some() {
            self.try_switch(now, id);
        }
    }

    // ---- every other channel ----

    #[expect(clippy::too_many_arguments, reason = "one message and where it stands; it is split right below")]
    fn on_message(
        &mut self,
        now: Now,
        id: StreamId,
        which: Which,
        data: &Data,
        rows: &[Row],
        buf: &EventBuf,
        frame: &[u8],
    ) {
        let update = Update { ids: data.ids, ..Update::default() };
        let s = &mut self.streams[id.0 as usize];
        let numbered = s.rule.is_numbered();
        let start = s.rule.start;
        let Some(feed) = s.feed(which) else { return };
        if !numbered {
            if which == Which::Shadow && start == Start::Backfill {
                // The new connection may run ahead of the old one: its trades wait until the old one reached them.
                let lowest = rows.iter().filter_map(number_of).min().unwrap_or_default();
                if !feed.hold(lowest, frame, &self.limits) {
                    s.shadow = None;
                }
                return;
            }
            if start == Start::State && which == Which::Primary && !feed.is_live() {
                // The state that these change is still under way.
                if !feed.hold(0, frame, &self.limits) {
                    self.break_feed(now, id, which, Gap::of(Cause::BufferFull));
                }
                return;
            }
            if start == Start::State && rows.is_empty() && data.kind == DataKind::Update {
                // Something changed, and the venue tells it whole by REST alone.
                self.timers.set_earlier(Timer::Compare(id), now.mono.plus(CHANGED_WITHIN));
                return;
            }
            // Nothing orders these messages: both connections of an overlap may speak, the newest row counts.
            let first = start == Start::FirstData && feed.book.state() == State::Buffering;
            let live = first && feed.book.snapshot(now, 0, &update) == Outcome::Applied;
            self.tell_rows(now, id, data, rows, buf);
            if live && which == Which::Primary {
                self.went_live_unless_broken(now, id);
            }
            return;
        }
        match data.kind {
            DataKind::Snapshot => self.on_state(now, id, which, data, rows, buf),
            DataKind::Update => match feed.book.apply(now, &update) {
                Outcome::Applied if which == Which::Primary => {
                    s.stats.updates += 1;
                    self.tell_rows(now, id, data, rows, buf);
                }
                Outcome::Applied => {}
                Outcome::Old if which == Which::Primary => s.stats.stale_dropped += 1,
                Outcome::Old => {}
                Outcome::Buffered => {
                    let last = data.ids.map_or(0, |ids| ids.last);
                    if !feed.hold(last, frame, &self.limits) {
                        self.break_feed(now, id, which, Gap::of(Cause::BufferFull));
                    }
                }
                Outcome::Desync(gap) if which == Which::Primary => self.broke(now, id, gap, None),
                Outcome::Desync(_) => self.resync(now, id, which, None),
            },
        }
    }

    /// The whole state of a numbered channel.
    fn on_state(&mut self, now: Now, id: StreamId, which: Which, data: &Data, rows: &[Row], buf: &EventBuf) {
        let update = Update { ids: data.ids, ..Update::default() };
        if self.confirms(now, id, which, &update) {
            return;
        }
        let s = self.stream(id);
        let Some(feed) = s.feed(which) else { return };
        if let Outcome::Desync(gap) = feed.book.snapshot(now, 0, &update) {
            match which {
                Which::Primary => self.broke(now, id, gap, None),
                Which::Shadow => self.resync(now, id, which, None),
            }
            return;
        }
        let replayed: Vec<u64> = feed.book.replayed().filter_map(|u| u.ids.map(|ids| ids.last)).collect();
        let held = feed.take_early();
        if which == Which::Shadow {
            return;
        }
        self.tell_rows(now, id, data, rows, buf);
        for (last, frame) in held {
            if replayed.contains(&last) {
                self.tell_held(now, id, &frame);
            }
        }
        self.went_live_unless_broken(now, id);
    }

    /// After the rows of a first state: one that could not be understood broke it again, and that is being healed.
    pub(super) fn went_live_unless_broken(&mut self, now: Now, id: StreamId) {
        if self.stream(id).primary.as_ref().is_some_and(Feed::is_live) {
            self.went_live(now, id);
        }
    }

    /// Reads a held frame again and tells its rows.
    pub(super) fn tell_held(&mut self, now: Now, id: StreamId, frame: &[u8]) {
        let product = self.streams[id.0 as usize].info.product;
        let line = self.streams[id.0 as usize].line;
        let socket = self.lines[line.0 as usize].socket;
        let mut buf = core::mem::take(&mut self.spare);
        buf.clear();
        let place = Place { product, socket, catalog: &self.products[product].catalog };
        self.venue.decode(place, frame, &mut buf);
        let topic = self.streams[id.0 as usize].topic;
        let events = core::mem::take(&mut buf.events);
        for event in &events {
            if let Decoded::Data(data) = event
                && data.topic == topic
                && let Body::Rows(range) = &data.body
            {
                self.streams[id.0 as usize].stats.updates += 1;
                self.tell_rows(now, id, data, &buf.rows[range.clone()], &buf);
            }
        }
        buf.events = events;
        self.spare = buf;
    }

    /// Tells rows, each once, merged where they are partial. The whole message is one transaction.
    pub(super) fn tell_rows(&mut self, now: Now, id: StreamId, data: &Data, rows: &[Row], buf: &EventBuf) {
        self.tell_state_rows(now, id, data, None, rows, buf);
    }

    /// As [`Session::tell_rows`], where a snapshot may be of one wallet alone.
    pub(super) fn tell_state_rows(
        &mut self,
        now: Now,
        id: StreamId,
        data: &Data,
        wallet: Option<Wallet>,
        rows: &[Row],
        buf: &EventBuf,
    ) {
        let private = data.topic.channel.is_private();
        if private && data.kind == DataKind::Snapshot {
            self.stream(id).rows.begin_snapshot(wallet);
        }
        for row in rows {
            let told = match row {
                Row::Trade(trade) => self.tell_trade(now, id, trade, buf),
                Row::Ticker(patch) => self.tell_ticker(now, id, patch, data.at),
                Row::Candle(candle) => {
                    self.emit(Event::Candle {
                        stream: id,
                        row: Box::new(candle.clone()),
                        received: now.wall,
                    });
                    true
                }
                Row::Order(patch) => self.tell_private(id, PrivateState::Order(patch.clone())),
                Row::OrderChange(change) => self.tell_order_change(id, change),
                Row::Position(patch) => self.tell_private(id, PrivateState::Position(patch.clone())),
                Row::Balance(patch) => self.tell_private(id, PrivateState::Balance(patch.clone())),
                Row::Fill(fill) => {
                    if self.stream(id).rows.is_new(fill) {
                        self.emit(Event::Fill { stream: id, row: Box::new(fill.clone()) });
                    }
                    true
                }
                // Only answers list these.
                Row::Movement(_)
                | Row::CopyPosition(_)
                | Row::CopyTrade(_)
                | Row::Fees(_)
                | Row::Permissions(_) => true,
            };
            if !told {
                // A change of a row we do not know cannot be understood: the state is asked for again.
                self.break_feed(now, id, Which::Primary, Gap::of(Cause::Lost));
                return;
            }
        }
        if private {
            self.emit(Event::Committed { stream: id, kind: data.kind, wallet });
        }
    }

    fn tell_private(&mut self, id: StreamId, patch: PrivateState) -> bool {
        let limit = self.limits.private_rows;
        match self.stream(id).rows.merge(patch, limit) {
            Ok(PrivateState::Order(row)) => {
                let product = self.streams[id.0 as usize].info.product;
                self.on_order_told(product, &row);
                self.emit(Event::Order { stream: id, row: Box::new(row) });
            }
            Ok(PrivateState::Position(row)) => self.emit(Event::Position { stream: id, row: Box::new(row) }),
            Ok(PrivateState::Balance(row)) => self.emit(Event::Balance { stream: id, row: Box::new(row) }),
            Err(_) => return false,
        }
        true
    }

    /// An order that we do not know may have come and gone before the state did; of any other it must be asked.
    fn tell_order_change(&mut self, id: StreamId, change: &OrderChange) -> bool {
        let rows = &self.streams[id.0 as usize].rows;
        match rows.market_of(&change.order_id) {
            Some(market) => self.tell_private(id, PrivateState::Order(change.clone().of(market))),
            None => change.status.is_some_and(|status| status.is_final()),
        }
    }

    fn tell_ticker(&mut self, now: Now, id: StreamId, patch: &TickerPatch, at: Option<UnixNanos>) -> bool {
        let s = self.stream(id);
        let row = s.ticker.get_or_insert_with(|| TickerPatch::new(patch.market));
        row.merge(patch);
        let row = Box::new(row.clone());
        self.emit(Event::Ticker { stream: id, row, at, received: now.wall });
        true
    }

    fn tell_trade(&mut self, now: Now, id: StreamId, trade: &venuekit_venue::Trade, buf: &EventBuf) -> bool {
        let s = self.stream(id);
        let seen = s.trades.see(trade.number);
        if seen == Seen::Duplicate {
            s.stats.stale_dropped += 1;
            return true;
        }
        s.stats.trades += 1;
        let (price_scale, qty_scale) = (s.info.price_scale, s.info.qty_scale);
        let price = rust_decimal::Decimal::new(trade.price.0, u32::from(price_scale.digits()));
        let qty = rust_decimal::Decimal::new(trade.qty.0, u32::from(qty_scale.digits()));
        if let Some(sum) = s.stats.qty_sum.checked_add(qty) {
            s.stats.qty_sum = sum;
        }
        if let Some(sum) = price.checked_mul(qty).and_then(|n| s.stats.notional_sum.checked_add(n)) {
            s.stats.notional_sum = sum;
        }
        let text = self.arena.put_text(buf.text(trade.id));
        self.emit(Event::Trade(TradeEvent {
            stream: id,
            id: text,
            price: trade.price,
            qty: trade.qty,
            side: trade.side,
            at: trade.at,
            received: now.wall,
        }));
        if let Seen::NewAfterHole(from, to) = seen {
            self.on_trade_hole(now, id, from, to);
        }
        true
    }

    /// Ids are missing before a trade: the stream is not whole until they were fetched.
    fn on_trade_hole(&mut self, now: Now, id: StreamId, from: u64, to: u64) {
        debug_assert!(
            self.streams[id.0 as usize].rule.ids == RowIds::Contiguous,
            "only contiguous ids have holes"
        );
        let gap = Gap::between(Cause::Sequence, from, to.saturating_add(1));
        let s = self.stream(id);
        let Some(feed) = s.primary.as_mut() else { return };
        feed.book.desync(gap);
        self.open_gap_from(now, id, gap, from);
        self.tell_state(id);
        self.backfill(now, id);
    }
}

/// The number of a trade, where it has one.
fn number_of(row: &Row) -> Option<u64> {
    match row {
        Row::Trade(trade) => trade.number,
        _ => None,
    }
}
