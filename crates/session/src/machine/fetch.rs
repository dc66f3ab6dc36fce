//! What goes by REST: instruments, snapshots, missed trades, and probes of quiet streams.

use core::time::Duration;

use venuekit_types::{Instrument, Mono, Now};
use venuekit_venue::{Ask, Body, Event as Decoded, EventBuf, Fault, FaultKind, Lane, MarketId, Retry, Row};

use super::Session;
use super::audit::Band;
use crate::io::{LineId, RequestId, StreamId, Timer};
use crate::rest::{Job, Purpose};
use crate::stream::{Start, Which, snapshot_depth};

/// Trades asked for in one page.
const TRADES_PAGE: u32 = 500;

impl Session {
    pub(super) fn ask_instruments(&mut self, now: Now, product: usize) {
        // The first list is a must; a later look for changed terms can wait.
        let lane = if self.products[product].loaded { Lane::Poll } else { Lane::Must };
        if self.request(product, lane, Ask::Instruments, Purpose::Instruments).is_none() {
            // A venue without a list of instruments cannot be followed by symbol.
            self.products[product].loaded = true;
            self.resolve_wants(now);
        }
    }

    /// Asks for a book snapshot for one feed, unless that is under way.
    pub(super) fn fetch_depth(&mut self, now: Now, id: StreamId, which: Which) {
        let s = self.stream(id);
        let (product, levels) = (s.info.product, snapshot_depth(&s.rule.rest_depths, s.levels));
        let Some(market) = s.info.market else { return };
        let Some(conn) = s.feed(which).filter(|feed| feed.fetch.is_none()).map(|feed| feed.conn) else {
            return;
        };
        let ask = Ask::Depth { market, levels };
        let request = self.request(product, Lane::Must, ask, Purpose::Depth(id, conn));
        if request.is_none() {
            self.resync_later(now, id);
        }
        if let Some(feed) = self.stream(id).feed(which) {
            feed.fetch = request;
        }
    }

    /// Asks for the trades that are missing, or for the newest one to start from.
    pub(super) fn backfill(&mut self, now: Now, id: StreamId) {
        let s = self.stream(id);
        let product = s.info.product;
        let Some(market) = s.info.market else { return };
        let from = s.trades.first_missing().or(s.trades.last().map(|last| last.saturating_add(1)));
        let limit = if from.is_some() { TRADES_PAGE } else { 1 };
        let Some(feed) = s.primary.as_mut().filter(|feed| feed.fetch.is_none()) else { return };
        if feed.book.state() != venuekit_book::State::Buffering {
            feed.book.expect_snapshot();
        }
        let ask = Ask::Trades { market, from, limit };
        let request = self.request(product, Lane::Must, ask, Purpose::Trades(id));
        if request.is_none() {
            self.resync_later(now, id);
        }
        if let Some(feed) = self.stream(id).primary.as_mut() {
            feed.fetch = request;
        }
        self.tell_state(id);
    }

    pub(super) fn probe_depth(&mut self, id: StreamId) -> Option<RequestId> {
        let s = self.stream(id);
        // The number is all that is looked at.
        let (product, levels) = (s.info.product, s.rule.rest_depths.first().copied().unwrap_or_default());
        let market = s.info.market?;
        self.request(product, Lane::Must, Ask::Depth { market, levels }, Purpose::ProbeDepth(id))
    }

    pub(super) fn probe_trades(&mut self, id: StreamId) -> Option<RequestId> {
        let s = self.stream(id);
        let (product, from) = (s.info.product, s.trades.last().map(|last| last.saturating_add(1)));
        let ask = Ask::Trades { market: s.info.market?, from, limit: 1 };
        self.request(product, Lane::Must, ask, Purpose::ProbeTrades(id))
    }

    /// Whether a snapshot came full at a depth below the most, so that it may lack levels: it is asked for deeper. One
    /// that is longer than what was asked for answers a deeper question, as on the tape of another program.
    fn is_cut(&mut self, id: StreamId, job: &Job, update: &venuekit_book::Update<'_>) -> bool {
        let longer = update.bids.len().max(update.asks.len());
        let s = self.stream(id);
        s.levels = u32::try_from(longer).unwrap_or(u32::MAX);
        let most = s.rule.rest_depths.last().copied().unwrap_or_default();
        matches!(job.ask, Ask::Depth { levels, .. } if levels < most && longer == levels as usize)
    }

    // ---- answers ----

    pub(super) fn on_answer(&mut self, now: Now, job: &Job, buf: &mut EventBuf) {
        match job.purpose {
            Purpose::Instruments => self.on_instruments(now, job.product, buf),
            Purpose::Depth(id, conn) => {
                let Some(which) = self.stream(id).which(conn) else { return };
                let Some(feed) = self.stream(id).feed(which) else { return };
                feed.fetch = None;
                if feed.is_live() || !feed.listens() {
                    return;
                }
                for event in &buf.events {
                    if let Decoded::Data(data) = event
                        && let Body::Book(body) = &data.body
                    {
                        let update = buf.update(data.ids, body);
                        if self.is_cut(id, job, &update) {
                            self.fetch_depth(now, id, which);
                            return;
                        }
                        if let Ask::Depth { levels, .. } = job.ask {
                            self.stream(id).band = Band::of(&update, levels);
                        }
                        self.on_snapshot(now, id, which, data.at, &update);
                        self.try_switch(now, id);
                        return;
                    }
                }
                self.resync_later(now, id);
            }
            Purpose::ProbeDepth(id) => {
                let theirs = buf.events.iter().find_map(|event| match event {
                    Decoded::Data(data) => data.ids.map(|ids| ids.last),
                    _ => None,
                });
                let s = self.stream(id);
                let ours = s.primary.as_ref().and_then(|feed| feed.book.last_id());
                match theirs {
                    Some(theirs) if ours < Some(theirs) => self.probe_behind(id, theirs),
                    Some(_) => self.probe_answered(now, id),
                    None => {}
                }
            }
            Purpose::Audit(_) => self.on_audit_answer(now, job, buf),
            Purpose::Trades(id) => self.on_trades(now, id, job, buf),
            Purpose::Command(id) => self.on_command_answer(id, job, buf),
            Purpose::Lookup(id) => self.on_lookup_answer(now, id, job, buf),
            Purpose::Lookups(open_at) => self.on_lookups_answer(now, open_at, job, buf),
            Purpose::Time => self.on_time(now, job, buf),
            Purpose::Token(line) => self.on_token(now, line, buf),
            Purpose::Renew(_) | Purpose::Drop => {}
            Purpose::State(id, conn) => self.on_private_state(now, id, conn, job, buf),
            Purpose::ProbeTrades(id) => {
                let newest = numbers(buf).max();
                match newest {
                    Some(newest) if self.stream(id).trades.last() < Some(newest) => {
                        self.probe_behind(id, newest);
                    }
                    _ => self.probe_answered(now, id),
                }
            }
        }
    }

    /// The private line that a request was for.
    fn line_of(&self, purpose: &Purpose) -> Option<LineId> {
        match *purpose {
            Purpose::Token(line) | Purpose::Renew(line) => Some(line),
            Purpose::State(stream, _) => Some(self.streams[stream.0 as usize].line),
            _ => None,
        }
    }

    /// Takes the instruments that the config names, so that no list of them is asked for.
    pub(super) fn take_listed(&mut self, now: Now) {
        for listed in core::mem::take(&mut self.config.listed) {
            let specs = self.venue.specs();
            let Some(product) = specs.iter().position(|spec| spec.product == listed.product) else {
                continue;
            };
            self.list(now, product, listed.instruments);
        }
    }

    fn on_instruments(&mut self, now: Now, product: usize, buf: &mut EventBuf) {
        self.products[product].instruments_backoff.reset();
        self.list(now, product, buf.instruments.drain(..));
    }

    fn list(&mut self, now: Now, product: usize, instruments: impl IntoIterator<Item = Instrument>) {
        let mut changed: Vec<MarketId> = Vec::new();
        for instrument in instruments {
            let (market, is_new) = self.products[product].catalog.put(instrument);
            if is_new {
                changed.push(market);
            }
        }
        self.products[product].loaded = true;
        for market in changed {
            self.on_terms_changed(now, product, market);
        }
        self.resolve_wants(now);
    }

    /// Missed trades came: each fills its hole, and what the venue no longer has is given up and told as lost.
    fn on_trades(&mut self, now: Now, id: StreamId, job: &Job, buf: &EventBuf) {
        let asked_from = match job.ask {
            Ask::Trades { from, .. } => from,
            _ => None,
        };
        let s = self.stream(id);
        let Some(feed) = s.primary.as_mut() else { return };
        feed.fetch = None;
        let lowest = numbers(buf).min();
        let full = numbers(buf).count() >= TRADES_PAGE as usize;
        for event in &buf.events {
            if let Decoded::Data(data) = event
                && let Body::Rows(range) = &data.body
            {
                let rows: Vec<Row> =
                    buf.rows[range.clone()].iter().filter(|row| self.continues(id, row)).cloned().collect();
                self.tell_rows(now, id, data, &rows, buf);
            }
        }
        let s = self.stream(id);
        // The venue starts above what we asked for: what lies between is gone for good.
        let lost = match (asked_from, lowest) {
            (Some(_), Some(lowest)) => s.trades.give_up_below(lowest),
            (Some(_), None) => s.trades.give_up_below(u64::MAX),
            (None, _) => None,
        };
        if let (Some((_, to)), Some(open)) = (lost, s.open_gap.as_mut()) {
            open.lost_to = Some(open.lost_to.map_or(to, |known| known.max(to)));
        }
        s.pages += 1;
        if (full || s.trades.first_missing().is_some()) && s.pages < self.limits.backfill_pages {
            self.backfill(now, id);
            return;
        }
        let s = self.stream(id);
        if let Some((_, to)) = s.trades.give_up_below(u64::MAX)
            && let Some(open) = s.open_gap.as_mut()
        {
            open.lost_to = Some(open.lost_to.map_or(to, |known| known.max(to)));
        }
        s.pages = 0;
        let Some(feed) = s.primary.as_mut() else { return };
        if feed.listens() {
            feed.book.expect_snapshot();
            let _ = feed.book.snapshot(now, 0, &venuekit_book::Update::default());
            self.went_live(now, id);
        }
    }

    /// Whether a fetched trade fills a hole or follows the last one. The venue may be ahead of its own stream: a
    /// trade further on will come by itself.
    fn continues(&self, id: StreamId, row: &Row) -> bool {
        let Row::Trade(trade) = row else { return false };
        let last = self.streams[id.0 as usize].trades.last();
        match (trade.number, last) {
            (Some(number), Some(last)) => number <= last.saturating_add(1),
            _ => true,
        }
    }

    /// A request came to nothing: whoever it was for acts.
    pub(super) fn on_fault(&mut self, now: Now, job: &Job, fault: Fault) {
        let wait = match fault.retry {
            Retry::After(span) => Some(span),
            Retry::Resync => Some(Duration::ZERO),
            Retry::Never => None,
        };
        match job.purpose {
            // Its caller is told how it ended.
            Purpose::Command(id) => return self.on_command_fault(now, id, job, fault),
            // Not finding it is an answer.
            Purpose::Lookup(id) => {
                self.on_lookup_fault(now, id, job, &fault);
                if fault.kind == FaultKind::NotFound {
                    return;
                }
            }
            _ => {}
        }
        let route = job.request.route.clone();
        let answered =
            !matches!(fault.kind, FaultKind::Transport | FaultKind::Unavailable | FaultKind::RateLimited);
        // One that an earlier key signed says nothing of the present one.
        let hopeless =
            fault.kind == FaultKind::Credentials && fault.retry == Retry::Never && job.sent > self.keyed_at;
        self.fault(job.product, route, fault.clone());
        if hopeless && let Some(line) = self.line_of(&job.purpose) {
            // Asking again with the same key gains nothing and may cost a ban.
            self.stop_line(now, line, fault);
            return;
        }
        let soon = |machine: &mut Session, timer: Timer, wait: Duration| {
            machine.timers.set_earlier(timer, now.mono.plus(wait));
        };
        match job.purpose {
            Purpose::Instruments => {
                let backoff = self.products[job.product].instruments_backoff.next(&mut self.rng);
                let at: Mono = now.mono.plus(backoff.max(wait.unwrap_or_default()));
                self.timers.set(Timer::Instruments(job.product), at);
            }
            Purpose::Depth(id, conn) => {
                if let Some(which) = self.stream(id).which(conn)
                    && let Some(feed) = self.stream(id).feed(which)
                {
                    feed.fetch = None;
                    self.resync_later(now, id);
                }
            }
            Purpose::Trades(id) => {
                if let Some(feed) = self.stream(id).primary.as_mut() {
                    feed.fetch = None;
                    self.resync_later(now, id);
                }
            }
            // One that gets no answer is over at the next turn.
            Purpose::Command(_)
            | Purpose::Lookup(_)
            | Purpose::Lookups(_)
            | Purpose::Drop
            | Purpose::Audit(_) => {}
            Purpose::Time => self.on_time_failed(now),
            Purpose::Token(line) => self.on_token_failed(now, line),
            Purpose::Renew(line) => self.on_renew_failed(now, line, &job.ask, answered),
            Purpose::State(id, conn) => self.on_private_state_failed(now, id, conn),
            // Without an answer nobody vouches for the stream any more: its probe times out at once.
            Purpose::ProbeDepth(id) | Purpose::ProbeTrades(id) => {
                if self.stream(id).probe.is_some() && self.stream(id).rule.start != Start::Snapshot {
                    soon(self, Timer::Probe(id), Duration::ZERO);
                }
            }
        }
    }
}

fn numbers(buf: &EventBuf) -> impl Iterator<Item = u64> {
    buf.rows.iter().filter_map(|row| match row {
        Row::Trade(trade) => trade.number,
        _ => None,
    })
}
