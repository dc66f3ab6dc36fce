//! Requests of one origin: four strict lanes, weighted budgets, and a gate that shuts while the venue refuses us.

mod budget;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use venuekit_types::Mono;
use venuekit_venue::spec::Budget;
use venuekit_venue::{Ask, Auth, Fault, FaultKind, HttpReply, HttpRequest, Lane, OrderRef, Retry};

use crate::command::CommandId;
use crate::io::{ConnId, LineId, RequestId, StreamId};
use crate::rest::budget::Budgets;

/// The shortest time a refusal shuts the gate, doubled while refusals follow each other.
const LIMITED_FOR: Duration = Duration::from_secs(1);
/// As [`LIMITED_FOR`], for a ban.
const BANNED_FOR: Duration = Duration::from_secs(120);
/// The longest a refusal without a time of the venue's shuts the gate.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a signed request waits for the one before it, where their numbers must arrive rising: an answer that takes
/// longer is lost, and its request arrived long ago or never will.
const FOLLOWS_AFTER: Duration = Duration::from_millis(500);
/// Orders remembered for what their cancels cost.
const PLACED: usize = 4_096;

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The instruments of a product.
    Instruments,
    /// A snapshot for the feed of a stream on this connection.
    Depth(StreamId, ConnId),
    /// Whether a quiet book is still the venue's.
    ProbeDepth(StreamId),
    /// A snapshot to hold a live book against.
    Audit(StreamId),
    /// Trades that fill the holes of a stream.
    Trades(StreamId),
    /// Whether a quiet trade stream is complete.
    ProbeTrades(StreamId),
    /// What somebody asked for.
    Command(CommandId),
    /// What became of an order.
    Lookup(CommandId),
    /// What became of all that are looked for: those that are open first, then, with what was open at that instant known,
    /// those that are over.
    Lookups(Mono),
    /// The venue's time.
    Time,
    /// A token for the private streams of a line.
    Token(LineId),
    /// That token lives on.
    Renew(LineId),
    /// A token that nobody needs any more.
    Drop,
    /// A part of the state of a private stream, for its feed on this connection.
    State(StreamId, ConnId),
}

/// One request, from wish to answer.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: RequestId,
    pub(crate) product: usize,
    pub(crate) lane: Lane,
    pub(crate) ask: Ask,
    pub(crate) purpose: Purpose,
    /// As the adapter wrote it: it is signed as it leaves.
    pub(crate) request: HttpRequest,
    /// When it left.
    pub(crate) sent: Mono,
    /// Whether it was refused for its time once.
    pub(crate) clock_refused: bool,
}

/// What to do next.
pub(crate) enum Next {
    Send(Box<Job>),
    WaitUntil(Mono),
    Idle,
}

/// What the venue lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// Cancels only: what is asked in their lane to see what they did waits, since it would be refused as well.
    Limited(Mono),
    /// Nothing.
    Banned(Mono),
}

/// Bounds of one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Reads under way at once.
    pub(crate) reads: usize,
    /// Snapshots among them.
    pub(crate) snapshots: usize,
    /// Requests that wait in each lane.
    pub(crate) queue: usize,
}

pub(crate) struct Rest {
    pub(crate) origin: String,
    lanes: [VecDeque<Job>; 4],
    in_flight: BTreeMap<RequestId, Job>,
    bounds: Bounds,
    budgets: Budgets,
    /// Whether signed requests follow each other, since their numbers must arrive rising.
    serial: bool,
    /// When orders left, by our ids, oldest first; only where the cost of a cancel depends on it.
    placed: VecDeque<(String, Mono)>,
    limited_until: Mono,
    banned_until: Mono,
    /// Refusals since an answer came through.
    refusals: u32,
}

impl Rest {
    pub(crate) fn new(origin: String, bounds: Bounds) -> Rest {
        Rest {
            origin,
            lanes: Default::default(),
            in_flight: BTreeMap::new(),
            bounds,
            budgets: Budgets::default(),
            serial: false,
            placed: VecDeque::new(),
            limited_until: Mono(0),
            banned_until: Mono(0),
            refusals: 0,
        }
    }

    /// Takes the budgets of a product that lives here.
    pub(crate) fn add_budgets(&mut self, budgets: &[Budget]) {
        self.budgets.add(budgets);
    }

    /// Draws on the budgets of an address as one of so many sessions from now on.
    pub(crate) fn share(&mut self, sessions: core::num::NonZeroU32) {
        self.budgets.share(sessions);
    }

    /// Sends signed requests one after the other from now on. Cancels do not wait: what they overtake is refused for its
    /// number, and sent once more.
    pub(crate) fn be_serial(&mut self) {
        self.serial = true;
    }

    /// Queues a job; gives it back when its lane is full.
    pub(crate) fn push(&mut self, job: Job) -> Result<(), Box<Job>> {
        let lane = &mut self.lanes[job.lane as usize];
        if lane.len() >= self.bounds.queue {
            return Err(Box::new(job));
        }
        lane.push_back(job);
        Ok(())
    }

    /// Queues a job that was sent before, ahead of the others of its lane.
    pub(crate) fn push_front(&mut self, job: Job) {
        self.lanes[job.lane as usize].push_front(job);
    }

    /// Takes queued jobs out.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let mut forgotten = Vec::new();
        for lane in &mut self.lanes {
            let (gone, kept): (VecDeque<Job>, VecDeque<Job>) =
                core::mem::take(lane).into_iter().partition(|job| unwanted(job));
            *lane = kept;
            forgotten.extend(gone);
        }
        forgotten
    }

    /// Everything that waits, and everything under way.
    pub(crate) fn clear(&mut self) -> Vec<Job> {
        let mut jobs = self.forget(|_| true);
        jobs.extend(core::mem::take(&mut self.in_flight).into_values());
        jobs
    }

    /// What the venue lets through now.
    pub(crate) fn gate(&self, now: Mono) -> Gate {
        if now < self.banned_until {
            Gate::Banned(self.banned_until)
        } else if now < self.limited_until {
            Gate::Limited(self.limited_until)
        } else {
            Gate::Open
        }
    }

    /// The next job that may be sent now; it counts as sent. Jobs that are not `ready` are passed over.
    pub(crate) fn next(&mut self, now: Mono, ready: impl Fn(&Job) -> bool) -> Next {
        if self.lanes.iter().all(VecDeque::is_empty) {
            return Next::Idle;
        }
        let gate = self.gate(now);
        if let Gate::Banned(until) = gate {
            return Next::WaitUntil(until);
        }
        let count = |wanted: fn(&Job) -> bool| self.in_flight.values().filter(|job| wanted(job)).count();
        let snapshots_full = count(|job| is_snapshot(&job.purpose)) >= self.bounds.snapshots;
        // Reads never take the place of what is urgent.
        let reads_full = count(|job| job.lane >= Lane::Must) >= self.bounds.reads;
        let signed = self.in_flight.values().filter(|job| job.request.auth == Auth::Signed);
        let follow_at = signed.map(|job| job.sent.plus(FOLLOWS_AFTER)).max();
        let follow_at = follow_at.filter(|at| self.serial && now < *at);
        let mut wake: Option<Mono> = None;
        for lane in Lane::ALL {
            if let (Gate::Limited(until), true) = (gate, lane != Lane::Cancel) {
                wake = Some(wake.map_or(until, |known| known.min(until)));
                break;
            }
            if reads_full && lane >= Lane::Must {
                break;
            }
            let queue = &mut self.lanes[lane as usize];
            let waits = |job: &Job| {
                let follows = lane != Lane::Cancel && job.request.auth == Auth::Signed;
                let refused = matches!(gate, Gate::Limited(_)) && !job.ask.kind().is_change();
                refused || (follows && follow_at.is_some()) || (snapshots_full && is_snapshot(&job.purpose))
            };
            let fits = |job: &Job| !waits(job) && ready(job);
            let Some(at) = queue.iter().position(fits) else {
                if let Some(at) = follow_at.filter(|_| !queue.is_empty()) {
                    wake = Some(wake.map_or(at, |known| known.min(at)));
                }
                continue;
            };
            let job = &queue[at];
            if let Err(until) = self.budgets.fits(now, lane, &job.request, job.ask.market()) {
                wake = Some(wake.map_or(until, |known| known.min(until)));
                // What is less urgent must not eat what this one waits for; only orders wait for a budget of
                // their own.
                if lane == Lane::Order && job.request.orders > 0 {
                    continue;
                }
                break;
            }
            if let Some(mut job) = queue.remove(at) {
                job.sent = now;
                self.count_age(now, &mut job);
                self.budgets.draw(job.id, &job.request, job.ask.market());
                self.in_flight.insert(job.id, job.clone());
                return Next::Send(Box::new(job));
            }
        }
        wake.map_or(Next::Idle, Next::WaitUntil)
    }

    /// Remembers when an order left, and finds out what its cancel costs by that.
    fn count_age(&mut self, now: Mono, job: &mut Job) {
        let Some(ages) = self.budgets.ages() else { return };
        match &job.ask {
            Ask::Place(order) => {
                if self.placed.len() == PLACED {
                    self.placed.pop_front();
                }
                self.placed.push_back((order.client_order_id.clone(), now));
            }
            Ask::Cancel { order, .. } => {
                let is_it = |id: &String| matches!(order, OrderRef::Client(client) if client == id);
                let left = self.placed.iter().rev().find(|(id, _)| is_it(id)).map(|(_, at)| *at);
                let age = left.map_or(Duration::ZERO, |at| now.since(at));
                let cost = ages.iter().find(|(under, _)| age < *under).map_or(0, |(_, cost)| *cost);
                job.request.orders = cost;
            }
            _ => {}
        }
    }

    /// Whether such a request waits here or is under way.
    pub(crate) fn any(&self, is_it: impl Fn(&Job) -> bool) -> bool {
        self.lanes.iter().flatten().chain(self.in_flight.values()).any(is_it)
    }

    /// Whether a request waits here or is under way.
    pub(crate) fn holds(&self, id: RequestId) -> bool {
        self.has(id) || self.queues(id)
    }

    /// Whether a request waits here for its turn or its budget.
    pub(crate) fn queues(&self, id: RequestId) -> bool {
        self.lanes.iter().flatten().any(|job| job.id == id)
    }

    /// Whether a job was sent and not settled.
    pub(crate) fn has(&self, id: RequestId) -> bool {
        self.in_flight.contains_key(&id)
    }

    /// Takes back a sent job, whatever became of it.
    pub(crate) fn settle(&mut self, now: Mono, id: RequestId) -> Option<Job> {
        self.budgets.settle(now, id);
        self.in_flight.remove(&id)
    }

    /// Learns from the headers of an answer what the venue thinks we used.
    pub(crate) fn learn(&mut self, now: Mono, request: &HttpRequest, reply: &HttpReply<'_>) {
        self.budgets.learn(now, request, reply);
    }

    /// A request was refused for its budget.
    pub(crate) fn ran_dry(&mut self, now: Mono, job: &Job) {
        self.budgets.ran_dry(now, &job.request, job.ask.market());
    }

    /// A request came through: refusals begin anew.
    pub(crate) fn came_through(&mut self) {
        self.refusals = 0;
    }

    /// What is drawn from the budgets now; see [`Budgets::used`].
    pub(crate) fn used(&mut self, now: Mono) -> impl Iterator<Item = (&str, bool, u32)> {
        self.budgets.used(now)
    }

    /// Takes over what an earlier run had drawn; see [`Budgets::resume`].
    pub(crate) fn resume(&mut self, now: Mono, name: &str, of_account: bool, amount: u32, age: Duration) {
        self.budgets.resume(now, name, of_account, amount, age);
    }

    /// Shuts the gate for what a fault says; gives what it then lets through.
    ///
    /// The venue's own time is kept, and never less than a least one that doubles: it may be missing, or lie.
    pub(crate) fn refused(&mut self, now: Mono, fault: &Fault) -> Gate {
        let told = match fault.retry {
            Retry::After(span) => span,
            Retry::Never | Retry::Resync => Duration::ZERO,
        };
        let least = |base: Duration, refusals: u32| base.saturating_mul(1 << refusals.min(16)).min(LONGEST);
        match fault.kind {
            FaultKind::RateLimited => {
                // Answers to what was under way when the gate shut are no further refusals.
                if now >= self.limited_until {
                    self.refusals = self.refusals.saturating_add(1);
                }
                let span = told.max(least(LIMITED_FOR, self.refusals.saturating_sub(1)));
                self.limit(now.plus(span));
                Gate::Limited(self.limited_until)
            }
            FaultKind::Banned => {
                if now >= self.banned_until {
                    self.refusals = self.refusals.saturating_add(1);
                }
                let span = told.max(least(
                    if told.is_zero() { BANNED_FOR } else { LIMITED_FOR },
                    self.refusals.saturating_sub(1),
                ));
                self.ban(now.plus(span));
                Gate::Banned(self.banned_until)
            }
            _ => Gate::Open,
        }
    }

    /// Sends cancels alone until then.
    pub(crate) fn limit(&mut self, until: Mono) {
        self.limited_until = self.limited_until.max(until);
    }

    /// Sends nothing until then.
    pub(crate) fn ban(&mut self, until: Mono) {
        self.banned_until = self.banned_until.max(until);
    }
}

fn is_snapshot(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Depth(..) | Purpose::ProbeDepth(_))
}

/// Whether a request has to wait until the clock is known.
pub(crate) fn needs_clock(job: &Job) -> bool {
    job.request.auth == Auth::Signed && job.lane != Lane::Cancel
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_types::{Fixed, Side};
    use venuekit_venue::spec::{BudgetKey, Draws, Window};
    use venuekit_venue::{MarketId, NewOrder, OrderType};

    const MINUTE: Duration = Duration::from_secs(60);

    fn job(lane: Lane, id: u64, weight: u32) -> Job {
        let request = HttpRequest { weight, ..HttpRequest::get(&Ask::Instruments, "/test", "/test") };
        Job {
            id: RequestId(id),
            product: 0,
            lane,
            ask: Ask::Instruments,
            purpose: Purpose::Instruments,
            request,
            sent: Mono(0),
            clock_refused: false,
        }
    }

    fn rest() -> Rest {
        let mut rest = Rest::new("http://127.0.0.1".into(), Bounds { reads: 8, snapshots: 2, queue: 4 });
        rest.add_budgets(&[Budget {
            name: "weight".into(),
            key: BudgetKey::Ip,
            window: Window::Fixed(MINUTE),
            capacity: 20,
            draws: Draws::Weight,
            used_header: None,
            limit_header: None,
            left_header: None,
        }]);
        rest
    }

    fn push(rest: &mut Rest, lane: Lane, id: u64, weight: u32) {
        assert!(rest.push(job(lane, id, weight)).is_ok());
    }

    fn sent(rest: &mut Rest, now: Mono) -> Option<u64> {
        match rest.next(now, |_| true) {
            Next::Send(job) => {
                rest.settle(now, job.id);
                Some(job.id.0)
            }
            Next::WaitUntil(_) | Next::Idle => None,
        }
    }

    fn fault(kind: FaultKind, after: u64) -> Fault {
        Fault { retry: Retry::After(Duration::from_secs(after)), ..Fault::ours(kind, "refused") }
    }

    #[test]
    fn the_urgent_lane_goes_first_and_the_budget_holds() {
        let mut rest = rest();
        let now = Mono(1);
        push(&mut rest, Lane::Poll, 1, 1);
        push(&mut rest, Lane::Must, 2, 12);
        push(&mut rest, Lane::Must, 3, 12);
        push(&mut rest, Lane::Order, 4, 1);
        push(&mut rest, Lane::Cancel, 5, 1);
        let order = [sent(&mut rest, now), sent(&mut rest, now), sent(&mut rest, now), sent(&mut rest, now)];
        // The poll would fit, but the must-have read before it waits for the same budget.
        assert_eq!(order, [Some(5), Some(4), Some(2), None]);
        assert!(matches!(rest.next(now, |_| true), Next::WaitUntil(at) if at == now.plus(MINUTE)));
        assert_eq!(sent(&mut rest, now.plus(MINUTE)), Some(3));
        assert_eq!(sent(&mut rest, now.plus(MINUTE)), Some(1));
    }

    #[test]
    fn a_full_lane_gives_the_job_back() {
        let mut rest = rest();
        (0..4).for_each(|id| push(&mut rest, Lane::Poll, id, 1));
        assert!(rest.push(job(Lane::Poll, 9, 1)).is_err());
        push(&mut rest, Lane::Must, 10, 1);
    }

    #[test]
    fn a_limit_lets_cancels_through_and_a_ban_nothing() {
        let mut rest = rest();
        let now = Mono(1);
        for lane in Lane::ALL {
            push(&mut rest, lane, lane as u64, 1);
            push(&mut rest, lane, 10 + lane as u64, 1);
        }
        assert_eq!(
            rest.refused(now, &fault(FaultKind::RateLimited, 5)),
            Gate::Limited(now.plus(Duration::from_secs(5)))
        );
        // What looks at what cancels did is no cancel.
        assert_eq!(sent(&mut rest, now), None);
        for job in &mut rest.lanes[Lane::Cancel as usize] {
            job.ask = Ask::CancelAll { market: None };
        }
        assert_eq!(
            (sent(&mut rest, now), sent(&mut rest, now), sent(&mut rest, now)),
            (Some(0), Some(10), None)
        );
        let later = now.plus(Duration::from_secs(5));
        assert_eq!(sent(&mut rest, later), Some(1));
        let until = later.plus(Duration::from_secs(30));
        assert_eq!(rest.refused(later, &fault(FaultKind::Banned, 30)), Gate::Banned(until));
        push(&mut rest, Lane::Cancel, 20, 1);
        assert_eq!(sent(&mut rest, later.plus(Duration::from_secs(29))), None);
        assert_eq!(sent(&mut rest, until), Some(20));
    }

    #[test]
    fn a_refusal_without_a_time_or_with_a_false_one_waits_longer_each_time() {
        let mut rest = rest();
        let mut now = Mono(1);
        for seconds in [1, 2, 4, 8] {
            rest.refused(now, &fault(FaultKind::RateLimited, 0));
            // An answer to what was under way already changes nothing.
            rest.refused(now, &fault(FaultKind::RateLimited, 0));
            let until = now.plus(Duration::from_secs(seconds));
            assert_eq!(rest.gate(now), Gate::Limited(until));
            now = until;
        }
        let unbounded = Fault::ours(FaultKind::Banned, "banned");
        assert!(
            matches!(rest.refused(now, &unbounded), Gate::Banned(until) if until >= now.plus(BANNED_FOR))
        );
    }

    /// Numbers that must arrive rising leave one after the other; a cancel overtakes, and a lost answer holds nobody up.
    #[test]
    fn signed_requests_follow_each_other_where_their_numbers_rise() {
        let mut rest = rest();
        rest.be_serial();
        let signed = |lane, id| {
            let mut job = job(lane, id, 1);
            job.request.auth = Auth::Signed;
            job
        };
        for queued in [signed(Lane::Must, 1), signed(Lane::Order, 2), signed(Lane::Cancel, 3)] {
            assert!(rest.push(queued).is_ok());
        }
        push(&mut rest, Lane::Poll, 4, 1);
        let now = Mono(1_000_000_000);
        let leaves = |rest: &mut Rest, now: Mono| match rest.next(now, |_| true) {
            Next::Send(job) => Some(job.id.0),
            _ => None,
        };
        assert_eq!(leaves(&mut rest, now), Some(3));
        // What is not signed has no number.
        assert_eq!(leaves(&mut rest, now), Some(4));
        let Next::WaitUntil(until) = rest.next(now, |_| true) else { panic!("one overtook") };
        assert_eq!(until, now.plus(FOLLOWS_AFTER));
        assert!(rest.settle(now, RequestId(3)).is_some());
        assert_eq!(leaves(&mut rest, now), Some(2));
        // The answer to that one is lost.
        assert_eq!(leaves(&mut rest, now), None);
        assert_eq!(leaves(&mut rest, now.plus(FOLLOWS_AFTER)), Some(1));
    }

    #[test]
    fn a_cancel_costs_by_the_age_of_its_order() {
        static AGES: [(Duration, u32); 2] = [(Duration::from_secs(5), 8), (Duration::from_secs(10), 6)];
        let cost = |age: u64, id: &str| {
            let mut rest = Rest::new("http://127.0.0.1".into(), Bounds { reads: 8, snapshots: 2, queue: 4 });
            rest.add_budgets(&[Budget {
                name: "engine".into(),
                key: BudgetKey::Pair,
                window: Window::Bucket(MINUTE),
                capacity: 60,
                draws: Draws::AgedOrders(&AGES),
                used_header: None,
                limit_header: None,
                left_header: None,
            }]);
            let market = MarketId(0);
            let order = NewOrder {
                market,
                client_order_id: "ours".into(),
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: None,
                qty: Fixed::whole(1),
                price: Some(Fixed::whole(1)),
                stop_price: None,
                trigger_by: None,
                post_only: false,
                reduce_only: false,
            };
            let placed = Job { ask: Ask::Place(Box::new(order)), ..job(Lane::Order, 1, 0) };
            let order = OrderRef::Client(id.into());
            let cancel = Job { ask: Ask::Cancel { market, order }, ..job(Lane::Cancel, 2, 0) };
            assert!(rest.push(placed).is_ok() && sent(&mut rest, Mono(1)) == Some(1));
            assert!(rest.push(cancel).is_ok());
            match rest.next(Mono(1).plus(Duration::from_secs(age)), |_| true) {
                Next::Send(job) => job.request.orders,
                _ => panic!("a cancel waits for nothing"),
            }
        };
        assert_eq!([cost(1, "ours"), cost(5, "ours"), cost(10, "ours")], [8, 6, 0]);
        // Of an order that another program placed nothing is known.
        assert_eq!(cost(10, "theirs"), 8);
    }
}
