//! What a person should know of a session: the log, sampled; the board, a few times a second; the first live books.

use std::borrow::Cow;
use std::sync::Arc;

use venuekit_book::State;
use venuekit_session::{Session, StreamId};
use venuekit_sign::Credentials;
use venuekit_types::{Level, Now, Scaled};
use venuekit_venue::{Broken, Channel, Fault, FaultKind};

use super::{Feed, Keep, Notice, PUBLISH_EVERY, Told};
use crate::board::StreamLine;
use crate::config::nearest;
use crate::metrics::broken_index;

impl Feed {
    pub(super) fn on_fault(&mut self, now: Now, route: Cow<'static, str>, fault: &Fault) {
        let text: Arc<str> = self.clean(&fault.to_string()).into();
        if fault.kind == FaultKind::Credentials {
            self.on_credentials(&text);
        }
        if let Some(left_out) = self.told.admit(now.mono, Told::Fault(route.clone(), fault.kind)) {
            tracing::warn!(venue = %self.venue, %route, left_out, "{text}");
        }
        self.fault = Some(text);
        self.urgent = true;
    }

    pub(super) fn on_credentials(&mut self, text: &str) {
        let key = self.parts.credentials.as_ref().map(Credentials::key_id).unwrap_or_default();
        self.credentials_fault = Some(format!("{key} {text}").into());
    }

    pub(super) fn on_stopped(&mut self, id: StreamId, fault: &Fault) {
        let text = self.clean(&fault.to_string());
        if fault.kind == FaultKind::Credentials {
            self.on_credentials(&text);
        }
        let Some(stream) = self.stream(id) else { return };
        let (label, symbol) = (stream.label.clone(), stream.symbol().to_owned());
        tracing::error!(venue = %self.venue, symbol, channel = %label, "given up: {text}");
        self.urgent = true;
    }

    pub(super) fn on_broken(&mut self, now: Now, broken: &Broken) {
        self.tally.broken[broken_index(broken.why)] += 1;
        let kind = broken.why.as_str();
        if let Some(left_out) = self.told.admit(now.mono, Told::Broken(kind)) {
            let detail = self.clean(&broken.detail);
            tracing::warn!(venue = %self.venue, kind, left_out, "a frame made no sense: {detail}");
        }
    }

    pub(super) fn on_ended(&mut self, now: Now, reason: &'static str, why: &str) {
        self.connections = self.connections.saturating_sub(1);
        self.parts.metrics.ended(reason);
        if let Some(left_out) = self.told.admit(now.mono, Told::Ended(reason)) {
            let why = self.clean(why);
            tracing::info!(venue = %self.venue, reason, left_out, "a connection ended: {why}");
        }
        self.fault = Some(self.clean(why).into());
        self.urgent = true;
    }

    /// A peer's words without our key and secret, should it repeat them.
    pub(super) fn clean(&self, words: &str) -> String {
        let Some(credentials) = &self.parts.credentials else { return words.to_owned() };
        let mut words = words.to_owned();
        let secret = String::from_utf8_lossy(credentials.secret.expose());
        for part in [secret.as_ref(), credentials.key.as_str()] {
            if !part.is_empty() && words.contains(part) {
                words = words.replace(part, "REDACTED");
            }
        }
        words
    }

    /// Tells of books that are live for the first time, and of symbols nobody knows.
    pub(super) fn announce(&mut self, now: Now, session: &Session) {
        let mut waiting = std::mem::take(&mut self.unannounced);
        waiting.retain(|&id| {
            let (Ok(view), Some(stream)) = (session.book(id, now), self.streams.get(id.0 as usize)) else {
                return true;
            };
            let Some(market) = &stream.market else { return false };
            let notice = Notice::Book {
                venue: Arc::clone(&self.venue),
                symbol: market.symbol.clone(),
                bid: view.best_bid().map(|level| Scaled::new(level.price.0, stream.scales.0)),
                ask: view.best_ask().map(|level| Scaled::new(level.price.0, stream.scales.0)),
                seq: view.seq(),
            };
            self.parts.notices.try_send(notice).is_err()
        });
        self.unannounced = waiting;
        let mut unknown = std::mem::take(&mut self.unknown);
        unknown.retain(|(symbol, candidates)| {
            let candidates = if candidates.is_empty() {
                near(session, symbol)
            } else {
                candidates.iter().map(ToString::to_string).collect()
            };
            let (venue, symbol) = (Arc::clone(&self.venue), symbol.clone());
            self.parts.notices.try_send(Notice::UnknownSymbol { venue, symbol, candidates }).is_err()
        });
        self.unknown = unknown;
    }

    pub(super) fn publish(&mut self, now: Now, session: &Session) {
        self.urgent = false;
        self.publish_at = now.mono.plus(PUBLISH_EVERY);
        self.tally.gaps_open = self.tally.gaps_opened.saturating_sub(self.tally.gaps_healed);
        let mut board = self.parts.board.lock();
        board.streams.clear();
        for status in session.streams() {
            let Some(stream) = self.streams.get(status.info.stream.0 as usize) else { continue };
            let shed = !matches!(stream.keep, Keep::Whole);
            let touch = (stream.channel == Channel::Book && status.state == State::Live)
                .then(|| session.book(status.info.stream, now).ok())
                .flatten()
                .and_then(|view| {
                    let price = |level: Level| Scaled::new(level.price.0, stream.scales.0);
                    Some((price(view.best_bid()?), price(view.best_ask()?)))
                });
            let stopped = status.stopped.map(|fault| Arc::from(self.clean(&fault.to_string())));
            if let (Channel::Book, Some(market)) = (stream.channel, &stream.market) {
                self.parts.metrics.book(market.symbol.as_str(), status.state);
            }
            board.streams.push(StreamLine {
                label: stream.label.clone(),
                symbol: status.info.symbol.clone(),
                state: status.state,
                seq: status.seq,
                last_data: status.last_data,
                gap: status.gap,
                stopped,
                silent: stream.silent_at.is_some_and(|at| status.last_data <= at),
                shed,
                touch,
            });
        }
        board.tally = self.tally.clone();
        board.is_listed = session.is_listed();
        let opened = self.connections.saturating_sub(board.connections);
        let closed = board.connections.saturating_sub(self.connections);
        board.connections = self.connections;
        board.fault.clone_from(&self.fault);
        board.credentials.clone_from(&self.credentials_fault);
        drop(board);
        // Sessions of one venue count together.
        let (tally, metrics) = (&self.tally, &self.parts.metrics);
        let before = std::mem::replace(&mut self.counted, tally.clone());
        let counters = metrics.events.iter().chain(&metrics.gaps).chain(&metrics.broken);
        let counts = tally.events.iter().chain(&tally.gaps_by_channel).chain(&tally.broken);
        let befores = before.events.iter().chain(&before.gaps_by_channel).chain(&before.broken);
        for (counter, (count, before)) in counters.zip(counts.zip(befores)) {
            counter.increment(count - before);
        }
        metrics.checksum_failures.increment(tally.checksum_failures - before.checksum_failures);
        metrics.shed.increment(tally.shed_rows - before.shed_rows);
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics.connections.increment(number(opened));
        metrics.connections.decrement(number(closed));
    }
}

/// Listed symbols that a mistyped one may have meant.
fn near(session: &Session, symbol: &str) -> Vec<String> {
    let products = 0..session.venue().specs().len();
    let listed: Vec<&venuekit_types::Instrument> =
        products.flat_map(|product| session.catalog(product).iter().map(|(_, one)| one)).collect();
    let mut found = nearest(symbol, listed.iter().map(|one| one.symbol.as_str()));
    if found.is_empty() {
        // None is near, so all are shown, up to a handful.
        found = listed.iter().map(|one| one.symbol.as_str()).take(10).collect();
    }
    found.into_iter().map(ToOwned::to_owned).collect()
}
