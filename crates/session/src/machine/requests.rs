//! Requests: queued by their origin, signed as they leave, and the first look at what comes back.

use core::time::Duration;

use venuekit_types::{Mono, Now, UnixNanos};
use venuekit_venue::spec::{ClockSource, Nonce};
use venuekit_venue::{
    Ask, Auth, Control, Event as Decoded, EventBuf, Fault, FaultKind, HttpReply, HttpRequest, Lane, Origin,
    Stamp,
};

use super::{Out, Persisting, Session, transport_fault};
use crate::clock::http_date;
use crate::command::{Ban, Persist, Used};
use crate::conn::Task;
use crate::event::Event;
use crate::io::{RequestId, Timer};
use crate::rest::{Gate, Job, Next, Purpose, needs_clock};
use crate::stream::Start;

/// How soon the clock is measured again after that failed.
const CLOCK_AGAIN: Duration = Duration::from_secs(1);

/// How often what is used of the budgets is kept, while requests leave.
const USED_EVERY: Duration = Duration::from_secs(1);

impl Session {
    /// Sends every request that its budget allows now.
    pub(super) fn pump_requests(&mut self, now: Now) {
        for at in 0..self.rests.len() {
            loop {
                // Orders leave only with a time that the venue vouched for, since that says how long they may still
                // arrive; anything else goes with the best there is.
                let (ready, measured) = (self.clock.is_ready(), self.clock.is_measured());
                let fits =
                    |job: &Job| (ready || !needs_clock(job)) && (measured || !job.ask.kind().is_entry());
                match self.rests[at].next(now.mono, fits) {
                    Next::Send(job) => self.send(now, at, *job),
                    Next::WaitUntil(until) => {
                        let soonest = now.mono.plus(Duration::from_millis(1));
                        self.timers.set(Timer::Budget(at), until.max(soonest));
                        break;
                    }
                    Next::Idle => break,
                }
            }
        }
    }

    /// Signs a request and lets it go.
    fn send(&mut self, now: Now, rest: usize, job: Job) {
        let mut request = Box::new(job.request.clone());
        if let Err(fault) = self.sign(now, &job, &mut request) {
            self.rests[rest].settle(now.mono, job.id);
            self.unsent(&job, fault.clone());
            self.on_fault(now, &job, fault);
            return;
        }
        let change = job.ask.kind().is_change() || job.purpose == Purpose::Time;
        let within = if change { self.limits.change_within } else { self.limits.request_within };
        self.timers.set(Timer::Response(job.id), now.mono.plus(within));
        match job.purpose {
            Purpose::Command(id) => self.timers.cancel(Timer::Leave(id)),
            Purpose::Audit(_) => self.on_audit_sent(&job),
            _ => {}
        }
        if !self.timers.is_set(Timer::Used) {
            self.timers.set(Timer::Used, now.mono.plus(USED_EVERY));
        }
        self.out.push(Out::Request { rest, id: job.id, request });
    }

    fn sign(&mut self, now: Now, job: &Job, request: &mut HttpRequest) -> Result<(), Fault> {
        if request.auth == Auth::None {
            return Ok(());
        }
        let Some(who) = &self.config.credentials else {
            return Err(Fault::ours(FaultKind::Credentials, "this route needs an API key; give one"));
        };
        let at = self.clock.stamp(now);
        let window = job.ask.kind().is_change().then(|| self.window(job.product));
        let stamp = Stamp { at, window, nonce: self.clock.nonce(now) };
        self.venue.sign(self.place(job.product, 0), request, who, stamp)
    }

    /// The queue that a request of a product goes to.
    pub(super) fn rest_of(&self, product: usize, request: &HttpRequest) -> Option<usize> {
        let product = &self.products[product];
        match request.origin {
            Origin::Rest => Some(product.rest),
            Origin::Other(name) => {
                product.others.iter().find(|(known, _)| *known == name).map(|(_, rest)| *rest)
            }
        }
    }

    /// Queues a request of our own; nothing when the venue has no such route or there is no room.
    pub(super) fn request(
        &mut self,
        product: usize,
        lane: Lane,
        ask: Ask,
        purpose: Purpose,
    ) -> Option<RequestId> {
        let request = self.venue.ask(self.place(product, 0), &ask)?;
        let rest = self.rest_of(product, &request)?;
        let id = self.request_id();
        let job = Job { id, product, lane, ask, purpose, request, sent: Mono(0), clock_refused: false };
        match self.rests[rest].push(job) {
            Ok(()) => Some(id),
            Err(job) => {
                let text = format!("the {} queue is full; follow less, or raise its limit", lane.as_str());
                self.fault(product, job.request.route, Fault::ours(FaultKind::RateLimited, text));
                None
            }
        }
    }

    pub(super) fn request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    // ---- answers ----

    pub(super) fn on_response(&mut self, now: Now, id: RequestId, reply: &HttpReply<'_>) {
        self.timers.cancel(Timer::Response(id));
        let Some(at) = self.rests.iter().position(|rest| rest.has(id)) else { return };
        let Some(job) = self.rests[at].settle(now.mono, id) else { return };
        self.rests[at].learn(now.mono, &job.request, reply);
        if !is_route(self.spec(job.product).clock)
            && let Some(time) = reply.header("date").and_then(http_date)
        {
            self.clock.measured(job.sent, now.mono, time, Duration::from_secs(1));
            self.tell_clock(now, job.product);
        }
        let mut buf = core::mem::take(&mut self.buf);
        buf.clear();
        let answer = self.venue.answer(self.place(job.product, 0), &job.ask, reply, &mut buf);
        // Some venues refuse with a status of success, so the answer decides.
        let is_through = match &answer {
            Ok(()) => true,
            Err(fault) => !matches!(fault.kind, FaultKind::RateLimited | FaultKind::Banned),
        };
        if is_through && reply.status < 400 {
            self.rests[at].came_through();
        }
        match answer {
            Ok(()) => {
                self.tell_broken(&job, &buf);
                self.on_answer(now, &job, &mut buf);
            }
            Err(fault) => self.on_refusal(now, at, job, fault),
        }
        self.buf = buf;
    }

    pub(super) fn on_failed(&mut self, now: Now, id: RequestId, why: &str) {
        if let Some(job) = self.take_back(now, id) {
            self.on_fault(now, &job, transport_fault(why));
        }
    }

    /// The last hop stopped a request.
    pub(super) fn on_unsent(&mut self, now: Now, id: RequestId, why: &str) {
        let Some(job) = self.take_back(now, id) else { return };
        let fault = Fault::ours(FaultKind::Rejected, why);
        self.unsent(&job, fault.clone());
        self.on_fault(now, &job, fault);
    }

    fn take_back(&mut self, now: Now, id: RequestId) -> Option<Job> {
        self.timers.cancel(Timer::Response(id));
        let at = self.rests.iter().position(|rest| rest.has(id))?;
        self.rests[at].settle(now.mono, id)
    }

    /// Rows that made no sense cost themselves, and are told.
    fn tell_broken(&mut self, job: &Job, buf: &EventBuf) {
        for event in &buf.events {
            if let Decoded::Broken(broken) = event {
                let text = format!("{}: {}", broken.why.as_str(), broken.detail);
                let fault = Fault::ours(FaultKind::Unreadable, text);
                self.fault(job.product, job.request.route.clone(), fault);
            }
        }
    }

    /// The venue said no: for its clock once more, else for good.
    fn on_refusal(&mut self, now: Now, at: usize, mut job: Job, fault: Fault) {
        if fault.kind == FaultKind::Clock && !job.clock_refused {
            let product = job.product;
            self.fault(job.product, job.request.route.clone(), fault);
            job.clock_refused = true;
            // Under a number of its own: a second answer to the first sending must not stand for this one.
            job.id = self.request_id();
            match job.purpose {
                Purpose::Command(id) => self.renumber(id, job.id),
                Purpose::State(stream, _) => {
                    if let Some(feed) = self.stream(stream).primary.as_mut() {
                        feed.fetch = Some(job.id);
                    }
                }
                _ => {}
            }
            if let (Purpose::Command(id), true) = (job.purpose, job.ask.kind().is_entry()) {
                self.timers.set(Timer::Leave(id), now.mono.plus(self.limits.leave_within));
            }
            self.rests[at].push_front(job);
            if matches!(self.spec(product).nonce, Nonce::Rising | Nonce::LooseRising) {
                // It was the number that was refused, and no time is signed.
                self.clock.skip_nonces();
            } else {
                self.clock.distrust();
                self.measure(now);
            }
            return;
        }
        if fault.kind == FaultKind::RateLimited {
            self.rests[at].ran_dry(now.mono, &job);
        }
        let (until, is_limit) = match self.rests[at].refused(now.mono, &fault) {
            Gate::Open => return self.on_fault(now, &job, fault),
            Gate::Limited(until) => (until, true),
            Gate::Banned(until) => (until, false),
        };
        let origin = self.rests[at].origin.clone();
        let until = now.wall.plus(until.since(now.mono)).0;
        self.persist(Persisting::Nothing, Persist::Ban(Ban { origin, until, is_limit }));
        if !is_limit {
            self.drop_urgent(at, &fault);
        }
        self.on_fault(now, &job, fault);
    }

    /// A ban began: what is urgent and has not left ends at once, so that its caller can act.
    fn drop_urgent(&mut self, at: usize, fault: &Fault) {
        let urgent = |job: &Job| job.lane <= Lane::Order && matches!(job.purpose, Purpose::Command(_));
        for job in self.rests[at].forget(urgent) {
            self.unsent(&job, fault.clone());
        }
    }

    /// Takes over the bans of an earlier run, and what it had used.
    pub(super) fn resume_bans(&mut self, now: Now) {
        for Used { origin, budget, of_account, amount, at } in &self.config.used {
            // A clock that was set back since makes nothing older.
            let age = Duration::from_nanos(u64::try_from(now.wall.since(UnixNanos(*at))).unwrap_or(0));
            for rest in self.rests.iter_mut().filter(|rest| rest.origin == *origin) {
                rest.resume(now.mono, budget, *of_account, *amount, age);
            }
        }
        for ban in &self.config.bans {
            let left = u64::try_from(ban.until().since(now.wall)).unwrap_or(0);
            for rest in self.rests.iter_mut().filter(|rest| rest.origin == ban.origin && left > 0) {
                let until = now.mono.plus(Duration::from_nanos(left));
                if ban.is_limit { rest.limit(until) } else { rest.ban(until) }
            }
        }
    }

    /// Has what is used of the budgets kept.
    pub(super) fn tell_used(&mut self, now: Now) {
        let mut told = Vec::new();
        for rest in &mut self.rests {
            let origin = rest.origin.clone();
            let used = |(budget, of_account, amount): (&str, bool, u32)| Used {
                origin: origin.clone(),
                budget: budget.to_owned(),
                of_account,
                amount,
                at: now.wall.0,
            };
            told.extend(rest.used(now.mono).map(used));
        }
        if !told.is_empty() {
            self.persist(Persisting::Nothing, Persist::Used(told));
        }
    }

    // ---- the venue's clock ----

    /// The product whose time is measured: all of a venue live by one clock.
    fn clock_product(&self) -> Option<usize> {
        self.products.iter().position(|product| product.enabled)
    }

    /// Measures the venue's time anew, unless that is under way.
    pub(super) fn measure(&mut self, now: Now) {
        let Some(product) = self.clock_product().filter(|_| self.config.credentials.is_some()) else {
            return;
        };
        self.timers.set(Timer::Clock, now.mono.plus(self.limits.clock_every));
        match self.spec(product).clock {
            source if is_route(source) && !self.measuring => {
                // Everything signed waits for it, so it is as urgent as anything.
                self.measuring = self.request(product, Lane::Order, Ask::Time, Purpose::Time).is_some();
            }
            ClockSource::Route | ClockSource::RouteSeconds => {}
            ClockSource::ReplyField | ClockSource::HttpDate | ClockSource::FrameTime => {
                if !self.clock.is_ready() {
                    // The next frame or answer tells. Until one comes, the local clock has to do.
                    self.timers.set(Timer::Clock, now.mono.plus(CLOCK_AGAIN));
                }
                self.ask_frame_time(now);
            }
        }
    }

    /// Where times come inside frames alone, a snapshot is asked for again when none came for long.
    fn ask_frame_time(&mut self, now: Now) {
        if self.clock.is_fresh(now.mono, self.limits.clock_every) {
            return;
        }
        let live = |s: &crate::stream::Stream| {
            s.rule.start == Start::Snapshot && s.primary.as_ref().is_some_and(|feed| feed.is_live())
        };
        let Some(stream) = self.streams.iter().find(|s| live(s)) else { return };
        let Some(id) = stream.primary.as_ref().map(|feed| feed.conn) else { return };
        let task = Task::Subscribe(stream.info.stream);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.enqueue(task);
        }
        self.pump(now, id);
    }

    pub(super) fn on_clock_due(&mut self, now: Now) {
        let waits = self.clock_product().is_some_and(|at| !is_route(self.spec(at).clock));
        if waits && !self.clock.is_ready() {
            self.clock.give_up();
        }
        self.measure(now);
    }

    pub(super) fn on_time(&mut self, now: Now, job: &Job, buf: &EventBuf) {
        self.measuring = false;
        let time = buf.events.iter().find_map(|event| match event {
            Decoded::Control(Control::Time(time)) => Some(*time),
            _ => None,
        });
        match time {
            Some(time) => {
                let whole_seconds = self.spec(job.product).clock == ClockSource::RouteSeconds;
                let unit = Duration::from_millis(if whole_seconds { 1_000 } else { 1 });
                self.clock.measured(job.sent, now.mono, time, unit);
                self.tell_clock(now, job.product);
            }
            None => self.on_time_failed(now),
        }
    }

    pub(super) fn on_time_failed(&mut self, now: Now) {
        self.measuring = false;
        self.clock.give_up();
        self.timers.set_earlier(Timer::Clock, now.mono.plus(CLOCK_AGAIN));
    }

    pub(super) fn tell_clock(&mut self, now: Now, product: usize) {
        if let Some(news) = self.clock.news(now) {
            let (offset, accuracy, alarm) = (news.offset, news.accuracy, news.alarm);
            self.emit(Event::Clock { product, offset, accuracy, alarm });
        }
    }
}

/// Whether the time is asked for.
fn is_route(source: ClockSource) -> bool {
    matches!(source, ClockSource::Route | ClockSource::RouteSeconds)
}
