//! What is changed while a session runs: the key it speaks with, and what it follows.
//!
//! A new key signs whatever leaves from now on, and every private connection is replaced by one that logs in with it:
//! the old one tells until the new one does. It refuses to judge whether a key is good; the venue does.

use venuekit_sign::Credentials;
use venuekit_types::{Now, Symbol};
use venuekit_venue::{Fault, FaultKind};

use super::wishes::{check_want, concerns};
use super::{Session, fresh_book};
use crate::config::Want;
use crate::conn::{Key, Phase, Task};
use crate::event::Event;
use crate::io::{CloseReason, LineId, StreamId, Timer};
use crate::stream::{Feed, Stream};

impl Session {
    // ---- the key ----

    /// Speaks for the account with another key.
    pub(super) fn on_credentials(&mut self, now: Now, credentials: &Credentials) {
        if self.stopped {
            return;
        }
        // What is dropped here is wiped.
        self.config.credentials = Some(credentials.clone());
        self.keyed_at = now.mono;
        if !self.clock.is_measured() {
            self.measure(now);
        }
        for at in 0..self.lines.len() {
            if self.lines[at].private {
                self.log_in_anew(now, LineId(u32::try_from(at).expect("fewer lines than streams")));
            }
        }
        self.look_up_now(now);
    }

    /// Replaces the connection of a private line by one that logs in with the present key.
    fn log_in_anew(&mut self, now: Now, id: LineId) {
        let line = &mut self.lines[id.0 as usize];
        line.login_strikes = 0;
        // A token was the old key's.
        line.key = Key::None;
        self.timers.cancel(Timer::Renew(id));
        let line = &mut self.lines[id.0 as usize];
        if let Some(fault) = line.stopped.take() {
            line.backoff.reset();
            for stream in line.streams.clone() {
                let s = self.stream(stream);
                s.stopped.take_if(|stopped| *stopped == fault);
            }
        }
        if let Some(next) = self.lines[id.0 as usize].next {
            self.close(now, next, CloseReason::KeyChanged);
        }
        let current = self.lines[id.0 as usize].current;
        let is_in = current.and_then(|conn| self.conns.get(&conn)).is_some_and(|c| c.phase == Phase::Ready);
        match current {
            // Whatever it was to log in with, it has not: the next attempt does with the present key.
            Some(conn) if !is_in => self.close(now, conn, CloseReason::KeyChanged),
            Some(_) => self.lines[id.0 as usize].wants_another = true,
            None => {}
        }
        self.timers.set(Timer::Retry(id), now.mono);
    }

    // ---- what is followed ----

    /// Why a wish cannot be followed from here on without a restart, in words; nothing where it can.
    pub fn refuses(&self, want: &Want) -> Option<String> {
        if let Err(error) = check_want(self.venue.specs(), want, &self.config) {
            return Some(error.to_string());
        }
        let mut of_want =
            self.products.iter().zip(self.venue.specs()).filter(|(_, spec)| concerns(spec, want));
        if !of_want.all(|(product, _)| product.enabled && product.loaded) {
            return Some(format!("{} is in a product that was not followed so far; restart", want.symbol));
        }
        let found = self.candidates(want);
        if want.symbol == "*" || want.channel.is_private() || found.len() == 1 {
            return None;
        }
        let name = |(product, market): &(usize, _)| -> Option<&Symbol> {
            Some(&self.products[*product].catalog.get((*market)?)?.symbol)
        };
        let meant: Vec<String> = found.iter().filter_map(name).map(ToString::to_string).collect();
        Some(match meant.as_slice() {
            [] => format!("{} lists no {}", self.venue.specs()[0].venue, want.symbol),
            _ => format!("{} could be {}", want.symbol, meant.join(", ")),
        })
    }

    /// Follows these and nothing else from now on; streams that are wanted still are left as they are.
    pub(super) fn on_follow(&mut self, now: Now, wants: Vec<Want>) {
        if self.stopped {
            return;
        }
        let (wants, refused): (Vec<Want>, Vec<Want>) =
            wants.into_iter().partition(|want| self.refuses(want).is_none());
        for want in refused {
            let why = self.refuses(&want).unwrap_or_default();
            self.fault(0, "follow", Fault::ours(FaultKind::BadRequest, why));
        }
        for at in 0..self.streams.len() {
            let s = &self.streams[at];
            if !s.left && !wants.iter().any(|want| self.is_about(want, s)) {
                self.leave(now, s.info.stream);
            }
        }
        self.config.wants.clone_from(&wants);
        self.unresolved = wants;
        self.resolve_wants(now);
    }

    fn is_about(&self, want: &Want, s: &Stream) -> bool {
        let is_named = || self.candidates(want).contains(&(s.info.product, s.info.market));
        want.channel == s.info.channel
            && concerns(self.spec(s.info.product), want)
            && (want.symbol == "*" || want.channel.is_private() || is_named())
    }

    /// Lets a stream go.
    fn leave(&mut self, now: Now, id: StreamId) {
        for timer in [Timer::Live, Timer::Data, Timer::Probe, Timer::Refetch, Timer::Compare] {
            self.timers.cancel(timer(id));
        }
        let s = self.stream(id);
        s.left = true;
        s.stopped.get_or_insert_with(|| Fault::ours(FaultKind::Rejected, "it is not followed any more"));
        s.probe = None;
        let (at, product, topic) = (s.line, s.info.product, s.topic);
        let feeds = [s.primary.take(), s.shadow.take()];
        self.products[product].by_topic.remove(&topic);
        self.tell_state(id);
        self.emit(Event::Left { stream: id });
        let line = &mut self.lines[at.0 as usize];
        line.streams.retain(|stream| *stream != id);
        if line.streams.is_empty() {
            for conn in [line.next.take(), line.current].into_iter().flatten() {
                self.close(now, conn, CloseReason::Unwanted);
            }
            return;
        }
        for feed in feeds.into_iter().flatten() {
            if let Some(conn) = self.conns.get_mut(&feed.conn) {
                conn.queue.retain(|task| task.stream() != id);
                if feed.listens() {
                    conn.enqueue(Task::Unsubscribe(id));
                }
            }
            self.pump(now, feed.conn);
        }
        self.finish_rotation(now, at);
    }

    /// Subscribes a stream that came to a line whose connection is open already.
    pub(super) fn join(&mut self, now: Now, id: StreamId) {
        let line = &self.lines[self.streams[id.0 as usize].line.0 as usize];
        let is_in = |conn: &_| self.conns.get(conn).is_some_and(|conn| conn.phase == Phase::Ready);
        let Some(conn) = [line.next, line.current].into_iter().flatten().find(is_in) else { return };
        let s = &mut self.streams[id.0 as usize];
        if s.primary.is_none() {
            s.primary = Some(Feed::new(conn, fresh_book(s)));
            if let Some(conn) = self.conns.get_mut(&conn) {
                conn.enqueue(Task::Subscribe(id));
            }
            self.pump(now, conn);
        }
    }
}
