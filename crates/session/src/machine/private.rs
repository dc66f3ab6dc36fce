//! Private streams that need REST: the token that opens them, and the state that their events change.

use core::time::Duration;

use venuekit_book::{State, Update};
use venuekit_types::Now;
use venuekit_venue::spec::{KeyPlace, Login, Paging};
use venuekit_venue::{
    Ask, AskKind, BrokenWhy, Channel, Control, Data, DataKind, Event as Decoded, EventBuf, Lane, Page, Row,
    Wallet,
};

use super::Session;
use super::frames::CHANGED_WITHIN;
use crate::conn::{Key, Line};
use crate::io::{CloseReason, ConnId, LineId, StreamId, Timer};
use crate::rest::{Job, Purpose};
use crate::stream::{Start, Which};

/// How soon a token is renewed again after that was not answered.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

impl Session {
    // ---- tokens ----

    /// Whether a line needs a token before it is opened.
    fn needs_token(&self, id: LineId) -> bool {
        let line = &self.lines[id.0 as usize];
        let login = self.venue.specs()[line.product].sockets[line.socket].login;
        line.private && matches!(login, Login::ListenKey { .. } | Login::RestToken { .. })
    }

    /// A token inside subscribes is good for the connection that used it, and each one gets its own.
    pub(super) fn spend_token(&mut self, id: LineId) {
        let is_known = matches!(self.lines[id.0 as usize].key, Key::Known(_));
        if is_known && self.needs_token(id) && self.listen_key(id).is_none() {
            self.lines[id.0 as usize].key = Key::None;
        }
    }

    /// The listen-key rule of a line, when it has one.
    fn listen_key(&self, id: LineId) -> Option<(KeyPlace, Duration)> {
        let line = &self.lines[id.0 as usize];
        match self.venue.specs()[line.product].sockets[line.socket].login {
            Login::ListenKey { place, every, .. } if line.private => Some((place, every)),
            _ => None,
        }
    }

    /// Whether the topics of a line start by themselves.
    pub(super) fn starts_unasked(&self, id: LineId) -> bool {
        let line = &self.lines[id.0 as usize];
        let login = self.venue.specs()[line.product].sockets[line.socket].login;
        line.private && matches!(login, Login::ListenKey { .. } | Login::SignedFrame { auto_topics: true })
    }

    /// Asks for the token that a line needs and does not have; true when it has to wait for one.
    pub(super) fn awaits_token(&mut self, now: Now, id: LineId) -> bool {
        if !self.needs_token(id) || matches!(self.lines[id.0 as usize].key, Key::Known(_)) {
            return false;
        }
        if self.lines[id.0 as usize].key == Key::None {
            let product = self.lines[id.0 as usize].product;
            if self.request(product, Lane::Must, Ask::OpenToken, Purpose::Token(id)).is_some() {
                self.lines[id.0 as usize].key = Key::Asked;
            } else {
                self.on_token_failed(now, id);
            }
        }
        true
    }

    pub(super) fn on_token(&mut self, now: Now, id: LineId, buf: &EventBuf) {
        let token = buf.events.iter().find_map(|event| match event {
            Decoded::Control(Control::Token(token)) if !token.0.is_empty() => Some(token.clone()),
            _ => None,
        });
        let Some(token) = token.filter(|_| self.needs_token(id)) else {
            self.on_token_failed(now, id);
            return;
        };
        self.lines[id.0 as usize].key = Key::Known(token);
        if let Some((_, every)) = self.listen_key(id) {
            self.timers.set(Timer::Renew(id), now.mono.plus(every));
        }
        self.open_line(now, id);
    }

    /// There is no token: the line tries again later.
    pub(super) fn on_token_failed(&mut self, now: Now, id: LineId) {
        self.lines[id.0 as usize].key = Key::None;
        self.timers.cancel(Timer::Renew(id));
        let wait = self.lines[id.0 as usize].backoff.next(&mut self.rng);
        self.timers.set_earlier(Timer::Retry(id), now.mono.plus(wait));
    }

    pub(super) fn on_renew_due(&mut self, now: Now, id: LineId) {
        let (Some((_, every)), Key::Known(token)) = (self.listen_key(id), &self.lines[id.0 as usize].key)
        else {
            return;
        };
        let (product, ask) = (self.lines[id.0 as usize].product, Ask::RenewToken { token: token.clone() });
        let asked = self.request(product, Lane::Must, ask, Purpose::Renew(id)).is_some();
        self.timers.set(Timer::Renew(id), now.mono.plus(if asked { every } else { RENEW_AGAIN }));
    }

    /// A token was not renewed: it is tried again soon where nobody answered, else it is gone.
    pub(super) fn on_renew_failed(&mut self, now: Now, id: LineId, ask: &Ask, answered: bool) {
        let is_ours = match (ask, &self.lines[id.0 as usize].key) {
            (Ask::RenewToken { token }, Key::Known(known)) => token == known,
            _ => false,
        };
        // An earlier one may go.
        if !is_ours {
            return;
        }
        if answered {
            self.lose_token(now, id);
        } else {
            self.timers.set(Timer::Renew(id), now.mono.plus(RENEW_AGAIN));
        }
    }

    pub(super) fn on_key_expired(&mut self, now: Now, conn: ConnId) {
        let Some(line) = self.conns.get(&conn).map(|conn| conn.line) else { return };
        let Line { current, next, wants_another, .. } = &self.lines[line.0 as usize];
        if *current == Some(conn) && (next.is_some() || *wants_another) {
            // Another one is on its way, with a token of its own.
            self.close(now, conn, CloseReason::KeyExpired);
        } else {
            self.lose_token(now, line);
        }
    }

    /// The token of a line is gone, and what was opened with it brings nothing more.
    fn lose_token(&mut self, now: Now, id: LineId) {
        self.lines[id.0 as usize].key = Key::None;
        self.timers.cancel(Timer::Renew(id));
        let line = &self.lines[id.0 as usize];
        for conn in [line.next, line.current].into_iter().flatten() {
            self.close(now, conn, CloseReason::KeyExpired);
        }
    }

    /// The place of a line's token in its URL.
    pub(super) fn with_token(&self, id: LineId, url: String) -> String {
        match (self.listen_key(id), &self.lines[id.0 as usize].key) {
            (Some((KeyPlace::Path, _)), Key::Known(token)) => {
                format!("{}/{}", url.trim_end_matches('/'), token.0)
            }
            (Some((KeyPlace::Query, _)), Key::Known(token)) => format!("{url}?listenKey={}", token.0),
            _ => url,
        }
    }

    /// Gives every token back, as far as that can leave at once; nobody waits for the answers.
    pub(super) fn drop_tokens(&mut self, now: Now) {
        for at in 0..self.lines.len() {
            let product = self.lines[at].product;
            let Key::Known(token) = core::mem::replace(&mut self.lines[at].key, Key::None) else { continue };
            let _ = self.request(product, Lane::Must, Ask::DropToken { token }, Purpose::Drop);
        }
        self.pump_requests(now);
    }

    // ---- state ----

    /// Asks for the state that a stream's events change, part by part.
    pub(super) fn fetch_state(&mut self, now: Now, id: StreamId) {
        let parts = self.state_parts(id);
        let Some(feed) = self.stream(id).primary.as_mut().filter(|feed| feed.fetch.is_none()) else { return };
        feed.parts = parts;
        if !feed.is_live() && feed.book.state() != State::Buffering {
            feed.book.expect_snapshot();
        }
        self.fetch_part(now, id, Lane::Must);
        self.tell_state(id);
    }

    /// What the state of a stream consists of.
    fn state_parts(&self, id: StreamId) -> Vec<Ask> {
        let stream = &self.streams[id.0 as usize];
        let spec = self.spec(stream.info.product);
        // Asked for from the back.
        let mut parts: Vec<Ask> = match stream.info.channel {
            Channel::Balances => {
                spec.wallets.iter().map(|wallet| Ask::Balances { wallet: *wallet }).collect()
            }
            Channel::Orders => vec![Ask::OpenOrders { market: None }],
            Channel::Positions => vec![Ask::Positions { market: None }],
            // Fills are listed by market: where there was none, none can be missing.
            Channel::Fills => {
                let limit = spec.paging_of(AskKind::Fills).map(|paging| paging.page);
                let page = Page { from: stream.rows.last_fill(), limit, ..Page::default() };
                self.traded(stream.info.product)
                    .map(|market| Ask::Fills { market, page: page.clone() })
                    .collect()
            }
            _ => Vec::new(),
        };
        parts.retain(|part| spec.can(part.kind()));
        parts.reverse();
        parts
    }

    /// Markets of a product in which an own order or fill was seen.
    fn traded(&self, product: usize) -> impl Iterator<Item = venuekit_venue::MarketId> {
        let of_product = self.streams.iter().filter(move |stream| stream.info.product == product);
        let markets: std::collections::BTreeSet<_> =
            of_product.flat_map(|stream| stream.rows.markets()).collect();
        markets.into_iter()
    }

    fn fetch_part(&mut self, now: Now, id: StreamId, lane: Lane) {
        let product = self.streams[id.0 as usize].info.product;
        let Some(feed) = self.stream(id).primary.as_mut() else { return };
        let conn = feed.conn;
        let Some(ask) = feed.parts.pop() else {
            self.state_is_whole(now, id);
            return;
        };
        let asked = self.request(product, lane, ask, Purpose::State(id, conn));
        if let Some(feed) = self.stream(id).primary.as_mut() {
            feed.fetch = asked;
        }
        if asked.is_none() {
            self.resync_later(now, id);
        }
    }

    pub(super) fn on_private_state(
        &mut self,
        now: Now,
        id: StreamId,
        conn: ConnId,
        job: &Job,
        buf: &EventBuf,
    ) {
        if self.stream(id).which(conn) != Some(Which::Primary) {
            return;
        }
        let s = self.stream(id);
        // An answer to what was asked before it all began anew is too old.
        let Some(feed) = s.primary.as_mut().filter(|feed| feed.fetch == Some(job.id)) else { return };
        feed.fetch = None;
        let live = feed.is_live();
        if live && s.last_data > job.sent {
            // The stream moved meanwhile: which of the two is newer nobody can say. It is compared another time.
            s.primary.as_mut().into_iter().for_each(|feed| feed.parts.clear());
            self.timers.set_earlier(Timer::Compare(id), now.mono.plus(self.limits.compare_every / 4));
            return;
        }
        let (topic, wallet) = (s.topic, wallet_of(&job.ask));
        let kind = if topic.channel == Channel::Fills { DataKind::Update } else { DataKind::Snapshot };
        if kind == DataKind::Snapshot && is_short(buf) {
            self.on_short_state(now, id, job.product, buf);
            return;
        }
        let body = venuekit_venue::Body::Rows(0..buf.rows.len());
        let data = Data { topic, kind, ids: None, at: None, body };
        let of_topic: Vec<Row> = buf.rows.iter().filter(|row| belongs(row, topic.channel)).cloned().collect();
        let next = self.next_page(id, &job.ask, &of_topic);
        self.tell_state_rows(now, id, &data, wallet, &of_topic, buf);
        let Some(feed) = self.stream(id).primary.as_mut().filter(|feed| feed.fetch.is_none()) else {
            // A row that could not be understood began it all anew.
            return;
        };
        feed.parts.extend(next);
        self.fetch_part(now, id, if live { Lane::Poll } else { Lane::Must });
    }

    /// A list lacks a row that made no sense: it is no whole state, or what it lacks would read as gone. It is asked
    /// for again, with the instruments where one of them was unknown.
    fn on_short_state(&mut self, now: Now, id: StreamId, product: usize, buf: &EventBuf) {
        let unknown = |event: &Decoded| matches!(event, Decoded::Broken(broken) if broken.why == BrokenWhy::UnknownMarket);
        if buf.events.iter().any(unknown) {
            self.timers.set_earlier(Timer::Instruments(product), now.mono);
        }
        let Some(feed) = self.stream(id).primary.as_mut() else { return };
        feed.parts.clear();
        if feed.is_live() {
            self.timers.set(Timer::Compare(id), now.mono.plus(self.limits.compare_every));
        } else {
            self.resync_later(now, id);
        }
    }

    /// The page of fills after one that came full and told something new.
    fn next_page(&self, id: StreamId, ask: &Ask, rows: &[Row]) -> Option<Ask> {
        let Ask::Fills { market, page } = ask else { return None };
        let s = &self.streams[id.0 as usize];
        let paging = self.spec(s.info.product).paging_of(ask.kind())?;
        let newer = |row: &&Row| matches!(row, Row::Fill(fill) if !s.rows.knows(fill));
        let full = paging.paging == Paging::IdUp && rows.len() >= paging.page as usize;
        let last = rows.iter().rev().find(newer).filter(|_| full)?;
        let Row::Fill(last) = last else { return None };
        let page = Page { from: None, after: Some(last.fill_id.clone()), ..page.clone() };
        Some(Ask::Fills { market: *market, page })
    }

    pub(super) fn on_private_state_failed(&mut self, now: Now, id: StreamId, conn: ConnId) {
        let s = self.stream(id);
        if s.which(conn) != Some(Which::Primary) {
            return;
        }
        let Some(feed) = s.primary.as_mut() else { return };
        feed.fetch = None;
        if feed.is_live() {
            feed.parts.clear();
            self.timers.set(Timer::Compare(id), now.mono.plus(self.limits.compare_every));
        } else {
            self.resync_later(now, id);
        }
    }

    /// Every part was told: what came meanwhile follows, and the stream is live.
    fn state_is_whole(&mut self, now: Now, id: StreamId) {
        self.timers.set_earlier(Timer::Compare(id), now.mono.plus(self.limits.compare_every));
        let Some(feed) = self.stream(id).primary.as_mut().filter(|feed| !feed.is_live()) else { return };
        feed.book.expect_snapshot();
        let _ = feed.book.snapshot(now, 0, &Update::default());
        for (_, frame) in feed.take_early() {
            self.tell_held(now, id, &frame);
        }
        self.went_live_unless_broken(now, id);
    }

    /// The state of a live stream is held against the venue's. Whoever keeps it sees the difference.
    pub(super) fn on_compare_due(&mut self, now: Now, id: StreamId) {
        let parts = self.state_parts(id);
        let s = self.stream(id);
        if s.rule.start != Start::State || s.stopped.is_some() {
            return;
        }
        let Some(feed) = s.primary.as_mut().filter(|feed| feed.is_live()) else { return };
        if feed.fetch.is_some() {
            // What is under way may be older than what made this due.
            self.timers.set(Timer::Compare(id), now.mono.plus(CHANGED_WITHIN));
            return;
        }
        feed.parts = parts;
        self.fetch_part(now, id, Lane::Poll);
    }
}

/// The wallet that an answer is the whole of.
fn wallet_of(ask: &Ask) -> Option<Wallet> {
    match ask {
        Ask::Balances { wallet } => Some(*wallet),
        _ => None,
    }
}

fn belongs(row: &Row, channel: Channel) -> bool {
    match row {
        Row::Balance(_) => channel == Channel::Balances,
        Row::Order(_) => channel == Channel::Orders,
        Row::Position(_) => channel == Channel::Positions,
        Row::Fill(_) => channel == Channel::Fills,
        _ => false,
    }
}

/// Whether rows of an answer made no sense.
fn is_short(buf: &EventBuf) -> bool {
    buf.events.iter().any(|event| matches!(event, Decoded::Broken(_)))
}
