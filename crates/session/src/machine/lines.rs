//! Connections: opening, login, heartbeat, planned rotation with overlap, and what a close means.

use venuekit_book::{Cause, Gap};
use venuekit_sign::Credentials;
use venuekit_types::Now;
use venuekit_venue::spec::{Login, Proof, Refusal, Renew};
use venuekit_venue::{Ask, Fault, FaultKind, Place, Retry, Say, Stamp};

use super::{Out, Session, fresh_book};
use crate::conn::{Conn, Key, Phase, Task, beat, client_ping};
use crate::event::Event;
use crate::io::{CloseReason, ConnId, LineId, StreamId, Timer};
use crate::rest::Purpose;
use crate::stream::{Feed, Sub, Which};

/// Closes right after the proof of a login, on fresh sockets, that make it a fault of the credentials.
const LOGIN_STRIKES: u8 = 2;
/// Closes in answer to a subscription that stop its stream: from the second on it was asked for alone, and a
/// network that failed twice in that short time is not yet a refusal.
const SUBSCRIBE_STRIKES: u8 = 3;

/// How often a login that waits for the venue's time looks for it.
const CLOCK_LOOK: core::time::Duration = core::time::Duration::from_millis(50);

/// The word of a login that is not performed yet.
pub(super) fn unsupported(login: Login) -> Option<&'static str> {
    match login {
        Login::None
        | Login::Challenge { .. }
        | Login::SignedFrame { .. }
        | Login::ListenKey { .. }
        | Login::RestToken { renew: Renew::OnFault, .. } => None,
        Login::SignedSubscribe { .. } => Some("signed subscribe"),
        Login::RestToken { renew: Renew::Ahead, .. } => Some("REST token renewed ahead"),
    }
}

impl Session {
    /// Starts an attempt at a line that has no connection, or whose connection is to be replaced.
    pub(super) fn open_line(&mut self, now: Now, id: LineId) {
        let line = &self.lines[id.0 as usize];
        if self.stopped || line.stopped.is_some() || line.streams.is_empty() {
            return;
        }
        if line.current.is_some() {
            if line.wants_another && line.next.is_none() && !self.awaits_token(now, id) {
                let next = self.connect(now, id);
                self.lines[id.0 as usize].next = Some(next);
            }
            return;
        }
        let product = line.product;
        // While nobody is in, one line knocks at a time; the others are let in behind it.
        let mut of_host = self.conns.values().filter(|c| c.product == product);
        let inside = of_host.clone().any(|c| c.phase != Phase::Opening);
        let knocking = of_host.any(|c| c.phase == Phase::Opening);
        let until = self.products[product].host_down_until.unwrap_or_default();
        if !self.hears_alone && (now.mono < until || (knocking && !inside)) {
            self.lines[id.0 as usize].held = true;
            let later = until.max(now.mono.plus(self.limits.backoff_base));
            self.timers.set(Timer::Retry(id), later);
            return;
        }
        self.lines[id.0 as usize].held = false;
        if self.awaits_token(now, id) {
            return;
        }
        let conn = self.connect(now, id);
        self.lines[id.0 as usize].current = Some(conn);
    }

    fn connect(&mut self, now: Now, id: LineId) -> ConnId {
        let (product, socket) = (self.lines[id.0 as usize].product, self.lines[id.0 as usize].socket);
        let spec = &self.venue.specs()[product].sockets[socket];
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.lines[id.0 as usize].wants_another = false;
        let origin = self.products[product].origins.stream(spec.origin);
        let url = self.with_token(id, format!("{origin}{}", spec.path));
        let (max_message, max_frame) = (spec.limits.max_message, spec.limits.max_frame);
        self.conns.insert(conn, Conn::new(id, product, socket, spec));
        self.out.push(Out::Connect { conn, url, max_message, max_frame });
        self.timers.set(Timer::Open(conn), now.mono.plus(self.limits.open_within));
        conn
    }

    pub(super) fn on_opened(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.phase = Phase::Quiet;
        conn.last_frame = now.mono;
        let product = conn.product;
        let socket = &self.venue.specs()[product].sockets[conn.socket];
        self.timers.cancel(Timer::Open(id));
        self.timers.set(Timer::Healthy(id), now.mono.plus(self.limits.healthy_after));
        if let Some((every, _)) = client_ping(socket) {
            self.timers.set(Timer::Ping(id), now.mono.plus(every));
        }
        if let Some(stale) = beat(socket) {
            self.timers.set(Timer::Beat(id), now.mono.plus(stale));
        }
        if let Some(age) = socket.limits.max_age {
            // Somewhere in the last tenth before the limit, so that lines do not rotate all at once.
            let tenth = u64::try_from(age.as_nanos() / 10).unwrap_or(u64::MAX);
            let early = core::time::Duration::from_nanos(self.rng.u64(tenth / 2..=tenth.max(1)));
            self.timers.set(Timer::Age(id), now.mono.plus(age.saturating_sub(early)));
        }
        let quiet = socket.limits.quiet_start;
        // The host is up: whoever was held may come.
        self.products[product].host_down_until = None;
        for at in 0..self.lines.len() {
            if self.lines[at].product == product && core::mem::take(&mut self.lines[at].held) {
                let other = LineId(u32::try_from(at).expect("fewer lines than streams"));
                let soon = core::time::Duration::from_millis(self.rng.u64(1..=500));
                self.timers.set_earlier(Timer::Retry(other), now.mono.plus(soon));
            }
        }
        self.emit(Event::Connected { conn: id, product });
        if quiet.is_zero() {
            self.begin_login(now, id);
        } else {
            self.timers.set(Timer::QuietStart(id), now.mono.plus(quiet));
        }
    }

    /// Logs in where the line needs it, else goes straight to subscribing.
    pub(super) fn begin_login(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let line = conn.line;
        let login = self.venue.specs()[conn.product].sockets[conn.socket].login;
        let private = self.lines[line.0 as usize].private;
        match login {
            Login::Challenge { .. } if private => {
                conn.phase = Phase::LoggingIn { proven: false };
                self.timers.set(Timer::Login(id), now.mono.plus(self.limits.login_within));
                if let Some(credentials) = self.config.credentials.clone() {
                    self.say(id, Say::AskChallenge { credentials: &credentials });
                }
            }
            // What is signed is stamped with the venue's time, which is being measured.
            Login::SignedFrame { .. } if private && !self.clock.is_ready() => {
                self.timers.set(Timer::QuietStart(id), now.mono.plus(CLOCK_LOOK));
            }
            Login::SignedFrame { .. } if private => {
                conn.phase = Phase::LoggingIn { proven: true };
                self.timers.set(Timer::Login(id), now.mono.plus(self.limits.login_within));
                self.prove(now, id, None);
            }
            _ => self.ready(now, id),
        }
    }

    pub(super) fn on_challenge(&mut self, now: Now, id: ConnId, challenge: &str) {
        let waiting = Phase::LoggingIn { proven: false };
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.phase == waiting) else { return };
        let socket = &self.venue.specs()[conn.product].sockets[conn.socket];
        if socket.login == (Login::Challenge { proof: Proof::EachSubscribe }) {
            // It is proven by the first subscription that is accepted.
            conn.challenge = Some(challenge.to_owned());
            self.timers.cancel(Timer::Login(id));
            self.ready(now, id);
            return;
        }
        conn.phase = Phase::LoggingIn { proven: true };
        self.prove(now, id, Some(challenge));
    }

    /// Says who we are. A secret that cannot sign ends the line: the next attempt would fare no better.
    fn prove(&mut self, now: Now, id: ConnId, challenge: Option<&str>) {
        let Some(credentials) = self.config.credentials.clone() else { return };
        let say = Say::Login { credentials: &credentials, challenge, at: self.clock.time(now) };
        if self.say(id, say) {
            return;
        }
        let (line, fault) = (self.conns[&id].line, self.why_unsigned(now, id, &credentials));
        self.stop_line(now, line, fault);
    }

    /// What is wrong with a secret that made no login, in the words that a request would be refused with.
    fn why_unsigned(&self, now: Now, id: ConnId, credentials: &Credentials) -> Fault {
        let Conn { product, socket, .. } = self.conns[&id];
        let place = Place { product, socket, catalog: &self.products[product].catalog };
        let stamp = Stamp { at: self.clock.time(now), window: None, nonce: 0 };
        let signed = self
            .venue
            .ask(place, &Ask::Permissions)
            .map(|mut request| self.venue.sign(place, &mut request, credentials, stamp));
        let text = "the secret cannot sign this venue's login: check its form, and that it was copied whole";
        match signed {
            Some(Err(fault)) => fault,
            _ => Fault::ours(FaultKind::Credentials, text),
        }
    }

    pub(super) fn on_logged_in(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        if !matches!(conn.phase, Phase::LoggingIn { .. }) {
            return;
        }
        let line = conn.line;
        self.lines[line.0 as usize].login_strikes = 0;
        self.timers.cancel(Timer::Login(id));
        self.ready(now, id);
    }

    pub(super) fn on_login_refused(&mut self, now: Now, id: ConnId, fault: Fault) {
        let Some(conn) = self.conns.get(&id) else { return };
        let line = conn.line;
        // A text that was damaged on its way is signed wrongly: that is refused once.
        let login = self.venue.specs()[conn.product].sockets[conn.socket].login;
        let strikes = &mut self.lines[line.0 as usize].login_strikes;
        *strikes += 1;
        let is_sure = *strikes >= LOGIN_STRIKES || !matches!(login, Login::Challenge { .. });
        if fault.retry == Retry::Never && is_sure {
            self.stop_line(now, line, fault);
        } else {
            let product = conn.product;
            if fault.kind == FaultKind::Clock {
                self.clock.distrust();
                self.measure(now);
            }
            self.fault(product, "login", fault);
        }
        self.close(now, id, CloseReason::LoginTimeout);
    }

    /// The connection can carry streams: every stream of its line wants one here.
    fn ready(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.phase = Phase::Ready;
        let line = conn.line;
        let replaces = self.lines[line.0 as usize].next == Some(id);
        for stream in self.lines[line.0 as usize].streams.clone() {
            let s = &mut self.streams[stream.0 as usize];
            if s.stopped.is_some() {
                continue;
            }
            if replaces && s.primary.is_some() {
                s.shadow = Some(Feed::new(id, fresh_book(s)));
            } else {
                // The old book is kept: what it last knew and why it broke stay readable until it heals.
                let book = match s.primary.take() {
                    Some(feed) => feed.book,
                    None => fresh_book(s),
                };
                s.primary = Some(Feed::new(id, book));
            }
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.enqueue(Task::Subscribe(stream));
            }
        }
        if replaces {
            self.timers.set(Timer::Overlap(line), now.mono.plus(self.limits.overlap_within));
        }
        self.pump(now, id);
    }

    // ---- heartbeat and age ----

    pub(super) fn on_ping_due(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        let socket = &self.venue.specs()[conn.product].sockets[conn.socket];
        if let Some((every, within)) = client_ping(socket) {
            self.out.push(Out::Ping { conn: id });
            self.timers.set(Timer::Ping(id), now.mono.plus(every));
            self.timers.set_earlier(Timer::Pong(id), now.mono.plus(within));
        }
    }

    pub(super) fn on_pong(&mut self, _now: Now, id: ConnId) {
        self.timers.cancel(Timer::Pong(id));
    }

    /// No frame came for long, beats included: the socket is dead.
    pub(super) fn on_beat_due(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        let Some(stale) = beat(&self.venue.specs()[conn.product].sockets[conn.socket]) else { return };
        let due = conn.last_frame.plus(stale);
        if now.mono < due {
            self.timers.set(Timer::Beat(id), due);
        } else {
            self.close(now, id, CloseReason::Silent);
        }
    }

    pub(super) fn on_healthy(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        let product = conn.product;
        self.lines[conn.line.0 as usize].backoff.reset();
        self.products[product].host_backoff.reset();
    }

    /// Opens the replacement before the venue closes this one.
    pub(super) fn on_age(&mut self, now: Now, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        let line = conn.line;
        let line_of = &mut self.lines[line.0 as usize];
        if line_of.current == Some(id) && line_of.next.is_none() {
            line_of.wants_another = true;
            self.open_line(now, line);
        }
    }

    /// Lets go of the old connection once every stream of the line is carried by the new one.
    pub(super) fn finish_rotation(&mut self, now: Now, line: LineId) {
        let Some(next) = self.lines[line.0 as usize].next else { return };
        let carried = self.lines[line.0 as usize].streams.iter().all(|stream| {
            let s = &self.streams[stream.0 as usize];
            s.stopped.is_some() || s.primary.as_ref().is_some_and(|feed| feed.conn == next)
        });
        if !carried {
            return;
        }
        self.timers.cancel(Timer::Overlap(line));
        let old = self.lines[line.0 as usize].current.replace(next);
        self.lines[line.0 as usize].next = None;
        if let Some(old) = old {
            self.close(now, old, CloseReason::Rotated);
        }
    }

    /// The overlap took too long: the new connection takes what it has, the rest is healed there.
    pub(super) fn on_overlap_timeout(&mut self, now: Now, line: LineId) {
        let Some(next) = self.lines[line.0 as usize].next else { return };
        for stream in self.lines[line.0 as usize].streams.clone() {
            let s = &self.streams[stream.0 as usize];
            if s.shadow.as_ref().is_some_and(|feed| feed.conn == next) {
                self.promote(now, stream, Gap::of(Cause::Closed));
            }
        }
        self.finish_rotation(now, line);
    }

    // ---- closing ----

    /// Closes a connection of ours, and serves what that means at once.
    pub(super) fn close(&mut self, now: Now, id: ConnId, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.closing = Some(reason);
        self.out.push(Out::Close { conn: id, reason });
        self.on_closed(now, id, reason.as_str());
    }

    pub(super) fn on_closed(&mut self, now: Now, id: ConnId, why: &str) {
        let Some(conn) = self.conns.remove(&id) else { return };
        for timer in [Timer::Open, Timer::QuietStart, Timer::Login, Timer::Answer, Timer::Pace] {
            self.timers.cancel(timer(id));
        }
        for timer in [Timer::Ping, Timer::Pong, Timer::Beat, Timer::Healthy, Timer::Age] {
            self.timers.cancel(timer(id));
        }
        let product = conn.product;
        self.emit(Event::Disconnected { conn: id, product, reason: conn.closing, why: why.to_owned() });
        let is_ours = matches!(conn.closing, Some(CloseReason::KeyChanged | CloseReason::Unwanted));
        if conn.phase == Phase::Opening && !is_ours {
            let wait = self.products[product].host_backoff.next(&mut self.rng);
            self.products[product].host_down_until = Some(now.mono.plus(wait));
            // It may be the token that was refused: the next attempt brings a fresh one.
            if matches!(self.lines[conn.line.0 as usize].key, Key::Known(_)) {
                self.lines[conn.line.0 as usize].key = Key::None;
                self.timers.cancel(Timer::Renew(conn.line));
            }
        }
        if conn.closing.is_none() {
            self.blame(now, &conn);
        }
        let line = conn.line;
        self.spend_token(line);
        let was_current = self.lines[line.0 as usize].current == Some(id);
        let next = self.lines[line.0 as usize].next;
        let successor = next.filter(|_| was_current);
        for stream in self.lines[line.0 as usize].streams.clone() {
            match self.streams[stream.0 as usize].which(id) {
                Some(Which::Primary) => self.lose_primary(now, stream, successor.is_some()),
                Some(Which::Shadow) => self.stream(stream).shadow = None,
                None => {}
            }
        }
        let _ = self.rests[self.products[product].rest].forget(
            |job| matches!(job.purpose, Purpose::Depth(_, conn) | Purpose::State(_, conn) if conn == id),
        );
        if was_current {
            self.lines[line.0 as usize].current = successor;
            self.lines[line.0 as usize].next = None;
            if successor.is_none() {
                self.schedule_retry(now, line);
            } else {
                self.timers.cancel(Timer::Overlap(line));
            }
        } else if next == Some(id) {
            self.lines[line.0 as usize].next = None;
            self.timers.cancel(Timer::Overlap(line));
            if let Some(current) = self.lines[line.0 as usize].current {
                let wait = self.lines[line.0 as usize].backoff.next(&mut self.rng);
                self.timers.set(Timer::Age(current), now.mono.plus(wait));
            }
        }
    }

    fn schedule_retry(&mut self, now: Now, id: LineId) {
        let line = &mut self.lines[id.0 as usize];
        if self.stopped || line.stopped.is_some() {
            return;
        }
        let wait = line.backoff.next(&mut self.rng);
        let mut at = now.mono.plus(wait);
        if let Some(until) = self.products[line.product].host_down_until {
            at = at.max(until);
        }
        self.timers.set(Timer::Retry(id), at);
    }

    /// The stream's connection is gone.
    fn lose_primary(&mut self, now: Now, id: StreamId, has_successor: bool) {
        self.timers.cancel(Timer::Live(id));
        self.timers.cancel(Timer::Data(id));
        self.timers.cancel(Timer::Probe(id));
        self.timers.cancel(Timer::Refetch(id));
        self.timers.cancel(Timer::Compare(id));
        let s = self.stream(id);
        s.probe = None;
        if has_successor && s.shadow.is_some() {
            self.promote(now, id, Gap::of(Cause::Closed));
            return;
        }
        if let Some(feed) = s.primary.as_mut() {
            // A snapshot still on its way belongs to a stream that is no more: nothing would follow it.
            feed.sub = Sub::Wanted;
            feed.take_early();
            feed.fetch = None;
        }
        self.break_stream(now, id, Gap::of(Cause::Closed));
    }

    /// Reads a cause into a close that came without a word.
    fn blame(&mut self, now: Now, conn: &Conn) {
        if (conn.phase == Phase::LoggingIn { proven: true }) {
            let line = &mut self.lines[conn.line.0 as usize];
            line.login_strikes += 1;
            if line.login_strikes >= LOGIN_STRIKES {
                let text = "the venue closed the connection right after the login, twice: \
                            check the API key, its secret and its view permission";
                let fault = Fault {
                    kind: FaultKind::Credentials,
                    code: None,
                    text: text.into(),
                    retry: Retry::Never,
                };
                self.stop_line(now, conn.line, fault);
            }
        }
        let spec = self.spec(conn.product);
        if !spec.subscribe.refusals.contains(&Refusal::Close) {
            return;
        }
        let suspects: Vec<StreamId> = conn
            .outstanding
            .iter()
            .filter(|request| request.subscribe)
            .flat_map(|request| request.streams.iter().copied())
            .collect();
        if suspects.is_empty() {
            return;
        }
        let alone = suspects.len() == 1;
        self.lines[conn.line.0 as usize].isolate = true;
        for id in suspects {
            let s = self.stream(id);
            s.strikes += 1;
            if alone && s.strikes >= SUBSCRIBE_STRIKES {
                let text = format!(
                    "the venue closed the connection in answer to the subscription of {} {}: \
                     check that the symbol is listed and the channel exists",
                    s.info.channel, s.info.venue_symbol
                );
                let fault = Fault { kind: FaultKind::BadRequest, code: None, text, retry: Retry::Never };
                self.stop_stream(now, id, fault);
            }
        }
    }

    /// Gives a whole line up, with the connections that it has.
    pub(super) fn stop_line(&mut self, now: Now, id: LineId, fault: Fault) {
        let line = &mut self.lines[id.0 as usize];
        if line.stopped.replace(fault.clone()).is_some() {
            return;
        }
        let (product, next, current) = (line.product, line.next.take(), line.current);
        for stream in line.streams.clone() {
            self.stream(stream).stopped = Some(fault.clone());
            self.emit(Event::Stopped { stream, fault: fault.clone() });
        }
        self.timers.cancel(Timer::Retry(id));
        self.timers.cancel(Timer::Overlap(id));
        self.fault(product, "login", fault);
        for conn in [next, current].into_iter().flatten() {
            self.close(now, conn, CloseReason::LoginTimeout);
        }
    }

    /// Gives one stream up.
    pub(super) fn stop_stream(&mut self, _now: Now, id: StreamId, fault: Fault) {
        let s = self.stream(id);
        s.stopped = Some(fault.clone());
        for timer in [Timer::Live, Timer::Data, Timer::Probe, Timer::Refetch, Timer::Compare] {
            self.timers.cancel(timer(id));
        }
        self.emit(Event::Stopped { stream: id, fault });
    }

    /// Says something on a socket; false when the venue has no such message.
    pub(super) fn say(&mut self, id: ConnId, say: Say<'_>) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        let place = venuekit_venue::Place {
            product: conn.product,
            socket: conn.socket,
            catalog: &self.products[conn.product].catalog,
        };
        let start = self.arena.bytes.len();
        let said = self.venue.say(place, say, &mut self.arena.bytes);
        if said {
            let bytes = start..self.arena.bytes.len();
            self.out.push(Out::Send { conn: id, bytes });
        } else {
            self.arena.bytes.truncate(start);
        }
        said
    }

    /// Frames of a connection were shed before we saw them.
    pub(super) fn on_shed(&mut self, now: Now, id: ConnId) {
        self.lose_unnoticed(now, id, None, Gap::of(Cause::Lost));
    }

    /// A loss on a connection: every stream whose own rule could not notice it is broken.
    pub(super) fn lose_unnoticed(
        &mut self,
        now: Now,
        id: ConnId,
        only: Option<venuekit_venue::Topic>,
        gap: Gap,
    ) {
        let Some(conn) = self.conns.get(&id) else { return };
        for stream in self.lines[conn.line.0 as usize].streams.clone() {
            let s = &self.streams[stream.0 as usize];
            let Some(which) = s.which(id) else { continue };
            if s.rule.notices_loss() || only.is_some_and(|topic| topic != s.topic) {
                continue;
            }
            self.break_feed(now, stream, which, gap);
        }
    }
}
