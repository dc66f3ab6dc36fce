//! Subscriptions: batched, paced, one at a time where the venue wants it, and every answer accounted for.

use std::collections::BTreeSet;

use venuekit_book::Update;
use venuekit_types::Now;
use venuekit_venue::spec::{Ack, Login, Proof};
use venuekit_venue::{AckOf, Control, Fault, FaultKind, Pass, Retry, Say, Topic};

use super::Session;
use crate::conn::{Key, Outstanding, Phase, Task};
use crate::event::Event;
use crate::io::{CloseReason, ConnId, StreamId, Timer};
use crate::stream::{Start, Sub, Which};

impl Session {
    /// Sends what may be sent now.
    pub(super) fn pump(&mut self, now: Now, id: ConnId) {
        while self.pump_one(now, id) {}
    }

    fn pump_one(&mut self, now: Now, id: ConnId) -> bool {
        let Some(line) = self.conns.get(&id).map(|conn| conn.line) else { return false };
        let unasked = self.starts_unasked(line);
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let spec = &self.venue.specs()[conn.product].subscribe;
        if conn.phase != Phase::Ready || (spec.one_at_a_time && !conn.outstanding.is_empty()) {
            return false;
        }
        let Some(&first) = conn.queue.front() else { return false };
        let paces = [conn.pace.as_mut(), conn.subscribe_pace.as_mut()];
        for pace in paces.into_iter().flatten().filter(|_| !self.hears_alone) {
            if let Err(at) = pace.take(now.mono) {
                self.timers.set(Timer::Pace(id), at);
                return false;
            }
        }
        let subscribe = matches!(first, Task::Subscribe(_));
        let most = if self.lines[conn.line.0 as usize].isolate { 1 } else { spec.batch.max(1) };
        let one_channel = spec.one_channel;
        let specs = self.venue.specs();
        let name = |task: &Task| {
            let info = &self.streams[task.stream().0 as usize].info;
            specs[info.product].channel_name(info.channel)
        };
        // A batch takes every task of one kind, but none that must stay behind another of its own stream.
        let mut streams: Vec<StreamId> = Vec::new();
        let mut behind: BTreeSet<StreamId> = BTreeSet::new();
        conn.queue.retain(|task| {
            let same = matches!(task, Task::Subscribe(_)) == subscribe
                && (!one_channel || name(task) == name(&first));
            if same && streams.len() < most && !behind.contains(&task.stream()) {
                streams.push(task.stream());
                return false;
            }
            behind.insert(task.stream());
            true
        });
        streams.retain(|stream| !subscribe || self.streams[stream.0 as usize].stopped.is_none());
        if streams.is_empty() {
            return true;
        }
        let topics: Vec<Topic> = streams.iter().map(|s| self.streams[s.0 as usize].topic).collect();
        let request = conn.next_request;
        conn.next_request += 1;
        let within = spec.within;
        let acked = spec.ack != Ack::Open && !unasked && !self.hears_alone;
        let due = now.mono.plus(within);
        if acked {
            let outstanding =
                Outstanding { id: request, subscribe, streams: streams.clone(), resent: false, due };
            conn.outstanding.push_back(outstanding);
            self.timers.set_earlier(Timer::Answer(id), due);
        }
        // What starts by itself with the connection is not asked for.
        if !unasked {
            let said = self.say_topics(id, subscribe, request, &topics);
            if !said && self.refuse_pass(now, id) {
                return false;
            }
            debug_assert!(said, "a venue says what its spec offers");
        }
        for &stream in &streams {
            self.on_asked(now, id, stream, subscribe);
        }
        if !acked {
            self.on_accepted(now, id, &streams, subscribe);
        }
        true
    }

    /// A subscribe or unsubscribe of a stream went out.
    fn on_asked(&mut self, now: Now, conn: ConnId, id: StreamId, subscribe: bool) {
        let within = self.limits.live_within;
        let s = self.stream(id);
        let Some(which) = s.which(conn) else { return };
        let waits = s.rule.start != Start::FirstData || s.rule.usual_gap.is_some();
        let Some(feed) = s.feed(which) else { return };
        if !subscribe {
            feed.sub = Sub::Leaving;
            return;
        }
        feed.sub = Sub::Asked;
        feed.take_early();
        // A probe asks again for a stream that is live: its book stays as it is until the answer.
        if !feed.is_live() {
            feed.book.expect_snapshot();
            if waits && which == Which::Primary {
                self.timers.set(Timer::Live(id), now.mono.plus(within));
            }
        }
        self.tell_state(id);
    }

    pub(super) fn on_control(&mut self, now: Now, id: ConnId, control: Control) {
        match control {
            Control::Ack(of) => self.on_ack(now, id, &of),
            Control::Refused { of, fault } => self.on_refused(now, id, &of, fault),
            Control::LoggedIn => self.on_logged_in(now, id),
            Control::LoginRefused(fault) => self.on_login_refused(now, id, fault),
            Control::Pong => self.on_pong(now, id),
            Control::Beat | Control::Time(_) | Control::Token(_) => {}
            Control::Leaving => self.on_age(now, id),
            Control::KeyExpired => self.on_key_expired(now, id),
            Control::Notice(fault) => {
                if let Some(conn) = self.conns.get(&id) {
                    let product = conn.product;
                    self.fault(product, "stream", fault);
                }
            }
            // Both point into the decode buffer and are served where it is at hand.
            Control::Challenge(_) | Control::ServerPing(_) => {}
        }
    }

    /// Finds what an answer answers: by id, by topics, else the oldest.
    fn take_outstanding(&mut self, id: ConnId, of: &AckOf) -> Option<Outstanding> {
        let streams = &self.streams;
        let conn = self.conns.get_mut(&id)?;
        let topics: &[Topic] = match of {
            AckOf::Topics(topics) => topics,
            AckOf::Request(_) | AckOf::OneOf(..) | AckOf::Any => &[],
        };
        let is_named = |stream: &StreamId| {
            let topic = &streams[stream.0 as usize].topic;
            topics.contains(topic) || matches!(of, AckOf::OneOf(_, market) if topic.market == Some(*market))
        };
        let at = match of {
            AckOf::Request(request) | AckOf::OneOf(request, _) => {
                conn.outstanding.iter().position(|o| o.id == *request)?
            }
            AckOf::Any => 0,
            AckOf::Topics(_) => {
                conn.outstanding.iter().position(|o| o.streams.iter().any(is_named)).unwrap_or(0)
            }
        };
        let asked = conn.outstanding.get_mut(at)?;
        let (named, rest): (Vec<StreamId>, Vec<StreamId>) = asked.streams.iter().partition(|s| is_named(s));
        let taken = if named.is_empty() || rest.is_empty() {
            conn.outstanding.remove(at)
        } else {
            // The others of the request have answers of their own.
            asked.streams = rest;
            Some(Outstanding { streams: named, ..asked.clone() })
        };
        let due = conn.outstanding.iter().map(|o| o.due).min();
        match due {
            Some(due) => self.timers.set(Timer::Answer(id), due),
            None => self.timers.cancel(Timer::Answer(id)),
        }
        taken
    }

    fn on_ack(&mut self, now: Now, id: ConnId, of: &AckOf) {
        if let Some(answered) = self.take_outstanding(id, of) {
            self.on_accepted(now, id, &answered.streams, answered.subscribe);
        }
        self.pump(now, id);
    }

    fn on_accepted(&mut self, now: Now, conn: ConnId, streams: &[StreamId], subscribe: bool) {
        for &id in streams {
            let s = self.stream(id);
            s.strikes = 0;
            let Some(which) = s.which(conn) else { continue };
            let start = s.rule.start;
            let Some(feed) = s.feed(which) else { continue };
            if !subscribe || feed.sub == Sub::Leaving {
                continue;
            }
            feed.sub = Sub::On;
            match start {
                Start::Fetch if !feed.is_live() => self.fetch_depth(now, id, which),
                // What comes on the one that will take over is held until the old one has reached it.
                Start::Backfill if !feed.is_live() && which == Which::Primary => self.backfill(now, id),
                Start::State if !feed.is_live() => match which {
                    Which::Primary => self.fetch_state(now, id),
                    Which::Shadow => {
                        // The old connection still tells: nothing is missing where the new one begins.
                        let _ = feed.book.snapshot(now, 0, &Update::default());
                        self.try_switch(now, id);
                    }
                },
                _ => {}
            }
        }
        if let Some(conn) = self.conns.get(&conn) {
            self.lines[conn.line.0 as usize].login_strikes = 0;
            let line = &self.lines[conn.line.0 as usize];
            if line.isolate && line.streams.iter().all(|s| self.streams[s.0 as usize].strikes == 0) {
                self.lines[conn.line.0 as usize].isolate = false;
            }
        }
    }

    fn on_refused(&mut self, now: Now, id: ConnId, of: &AckOf, fault: Fault) {
        let Some(conn) = self.conns.get(&id) else { return };
        let product = conn.product;
        let Some(refused) = self.take_outstanding(id, of) else {
            self.fault(product, "subscribe", fault);
            return;
        };
        if refused.streams.len() > 1 {
            // One bad topic fails the batch: find it by asking for each alone.
            let line = self.conns[&id].line;
            self.lines[line.0 as usize].isolate = true;
            if let Some(conn) = self.conns.get_mut(&id) {
                for &stream in &refused.streams {
                    conn.enqueue(if refused.subscribe {
                        Task::Subscribe(stream)
                    } else {
                        Task::Unsubscribe(stream)
                    });
                }
            }
        } else if refused.subscribe && fault.retry == Retry::Never {
            for &stream in &refused.streams {
                self.stop_stream(now, stream, fault.clone());
            }
        } else {
            for &stream in &refused.streams {
                self.resync_later(now, stream);
            }
        }
        self.fault(product, "subscribe", fault);
        self.pump(now, id);
    }

    /// A subscription was not answered: it is asked once more, then the connection is given up. Nobody asks once more
    /// for what was since asked the other way: a stream that was left and joined again would be left for good.
    pub(super) fn on_answer_timeout(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        let within = self.venue.specs()[conn.product].subscribe.within;
        let Some(at) = conn.outstanding.iter().position(|o| o.due <= now.mono) else { return };
        if conn.outstanding[at].resent {
            self.close(now, id, CloseReason::NoAnswer);
            return;
        }
        let Outstanding { subscribe, ref streams, .. } = conn.outstanding[at];
        let waits = |stream: &StreamId| {
            let stream = &self.streams[stream.0 as usize];
            let feed = stream.primary.iter().chain(&stream.shadow).find(|feed| feed.conn == id);
            feed.map_or(!subscribe, |feed| (feed.sub == Sub::Leaving) != subscribe)
        };
        let streams: Vec<StreamId> = streams.iter().copied().filter(waits).collect();
        let conn = self.conns.get_mut(&id).expect("it was there");
        if streams.is_empty() {
            conn.outstanding.remove(at);
            match conn.outstanding.iter().map(|o| o.due).min() {
                Some(due) => self.timers.set(Timer::Answer(id), due),
                None => self.timers.cancel(Timer::Answer(id)),
            }
            return self.pump(now, id);
        }
        conn.outstanding[at].streams.clone_from(&streams);
        conn.outstanding[at].resent = true;
        conn.outstanding[at].due = now.mono.plus(within);
        let request = conn.outstanding[at].id;
        let due = conn.outstanding.iter().map(|o| o.due).min();
        if let Some(due) = due {
            self.timers.set(Timer::Answer(id), due);
        }
        let topics: Vec<Topic> = streams.iter().map(|s| self.streams[s.0 as usize].topic).collect();
        self.say_topics(id, subscribe, request, &topics);
    }

    /// Subscribes or unsubscribes, with what opens the topics where they want that.
    fn say_topics(&mut self, id: ConnId, subscribe: bool, request: u64, topics: &[Topic]) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        let line = &self.lines[conn.line.0 as usize];
        let login = self.venue.specs()[conn.product].sockets[conn.socket].login;
        let (key, challenge) = (line.key.clone(), conn.challenge.clone());
        let credentials = self.config.credentials.clone().filter(|_| line.private);
        let pass = match (login, &key, &challenge, &credentials) {
            (Login::RestToken { .. }, Key::Known(token), ..) => Some(Pass::Token(token)),
            (Login::Challenge { proof: Proof::EachSubscribe }, _, Some(challenge), Some(credentials)) => {
                Some(Pass::Challenge { credentials, challenge })
            }
            _ => None,
        };
        let say = if subscribe {
            Say::Subscribe { id: request, topics, pass }
        } else {
            Say::Unsubscribe { id: request, topics, pass }
        };
        self.say(id, say)
    }

    /// What opens private topics could not be written: the secret is not of the venue's form.
    fn refuse_pass(&mut self, now: Now, id: ConnId) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        let line = conn.line;
        if !self.lines[line.0 as usize].private {
            return false;
        }
        let text = "the secret cannot open this venue's private topics: check that it was copied whole";
        self.stop_line(now, line, Fault::ours(FaultKind::Credentials, text));
        true
    }

    /// The first data of a stream proves its subscription, whatever became of the answer.
    pub(super) fn proven_by_data(&mut self, now: Now, id: ConnId, stream: StreamId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let mut resolved = false;
        if let Some(at) = conn.outstanding.iter().position(|o| o.subscribe && o.streams.contains(&stream)) {
            conn.outstanding[at].streams.retain(|s| *s != stream);
            if conn.outstanding[at].streams.is_empty() {
                conn.outstanding.remove(at);
                resolved = true;
            }
        }
        if conn.outstanding.is_empty() {
            self.timers.cancel(Timer::Answer(id));
        }
        self.on_accepted(now, id, &[stream], true);
        if resolved {
            self.pump(now, id);
        }
    }

    /// Tells a change of a stream's state, once.
    pub(super) fn tell_state(&mut self, id: StreamId) {
        let s = self.stream(id);
        let to = s.state();
        let from = s.told;
        if from == to {
            return;
        }
        s.told = to;
        s.gap = s.primary.as_ref().and_then(|feed| feed.book.gap()).or(s.gap);
        if to == venuekit_book::State::Live {
            s.gap = None;
        }
        let gap = s.gap;
        self.emit(Event::State { stream: id, from, to, gap });
    }
}
