//! Requests of one origin: four strict lanes, weighted budgets, and a gate that shuts while the venue refuses us.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use venuekit_types::Mono;
use venuekit_venue::spec::{Budget, Draws, Window};
use venuekit_venue::{Ask, HttpReply, HttpRequest};

use crate::io::{ConnId, RequestId, StreamId};

/// Strict priority, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Reads and resyncs that must happen.
    Must,
    /// Opportunistic polls.
    Poll,
}

const LANES: usize = 2;

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The instruments of a product.
    Instruments,
    /// A snapshot for the feed of a stream on this connection.
    Depth(StreamId, ConnId),
    /// Whether a quiet book is still the venue's.
    ProbeDepth(StreamId),
    /// Trades that fill the holes of a stream.
    Trades(StreamId),
    /// Whether a quiet trade stream is complete.
    ProbeTrades(StreamId),
}

/// One request, from wish to answer.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: RequestId,
    pub(crate) product: usize,
    pub(crate) ask: Ask,
    pub(crate) purpose: Purpose,
    pub(crate) request: HttpRequest,
}

/// What to do next.
pub(crate) enum Next {
    Send(Job),
    WaitUntil(Mono),
    Idle,
}

pub(crate) struct Rest {
    pub(crate) origin: String,
    lanes: [VecDeque<Job>; LANES],
    in_flight: BTreeMap<RequestId, Job>,
    at_once: usize,
    snapshots_at_once: usize,
    budgets: Vec<Spent>,
    blocked_until: Option<Mono>,
}

impl Rest {
    pub(crate) fn new(origin: String, budgets: &[Budget], at_once: usize, snapshots_at_once: usize) -> Rest {
        Rest {
            origin,
            lanes: Default::default(),
            in_flight: BTreeMap::new(),
            at_once,
            snapshots_at_once,
            budgets: budgets.iter().filter(|b| b.draws == Draws::Weight).map(Spent::new).collect(),
            blocked_until: None,
        }
    }

    /// Queues a job. The callers keep at most one per purpose and stream, which bounds the queue.
    pub(crate) fn push(&mut self, lane: Lane, job: Job) {
        self.lanes[lane as usize].push_back(job);
    }

    /// Forgets what was queued or sent for these streams' connection.
    pub(crate) fn forget(&mut self, unwanted: impl Fn(&Purpose) -> bool) {
        for lane in &mut self.lanes {
            lane.retain(|job| !unwanted(&job.purpose));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.lanes = Default::default();
        self.in_flight.clear();
    }

    /// The next job that may be sent now; it counts as sent.
    pub(crate) fn next(&mut self, now: Mono) -> Next {
        if self.lanes.iter().all(VecDeque::is_empty) || self.in_flight.len() >= self.at_once {
            return Next::Idle;
        }
        if let Some(until) = self.blocked_until {
            if now < until {
                return Next::WaitUntil(until);
            }
            self.blocked_until = None;
        }
        let snapshots = self.in_flight.values().filter(|job| is_snapshot(&job.purpose)).count();
        let full = snapshots >= self.snapshots_at_once;
        for lane in &mut self.lanes {
            let Some(at) = lane.iter().position(|job| !(full && is_snapshot(&job.purpose))) else { continue };
            let weight = lane[at].request.weight;
            if let Some(until) = self.budgets.iter_mut().filter_map(|b| b.wait(now, weight)).max() {
                return Next::WaitUntil(until);
            }
            for budget in &mut self.budgets {
                budget.draw(now, weight);
            }
            if let Some(job) = lane.remove(at) {
                self.in_flight.insert(job.id, job.clone());
                return Next::Send(job);
            }
        }
        Next::Idle
    }

    /// Whether a job was sent and not settled.
    pub(crate) fn has(&self, id: RequestId) -> bool {
        self.in_flight.contains_key(&id)
    }

    /// Takes back a sent job, whatever became of it.
    pub(crate) fn settle(&mut self, id: RequestId) -> Option<Job> {
        self.in_flight.remove(&id)
    }

    /// Learns from the headers of an answer what the venue thinks we used.
    pub(crate) fn learn(&mut self, now: Mono, reply: &HttpReply<'_>) {
        for budget in &mut self.budgets {
            let used = budget.used_header.as_deref().and_then(|name| reply.header(name));
            if let Some(used) = used.and_then(|text| text.trim().parse::<u32>().ok()) {
                budget.at_least(now, used);
            }
        }
    }

    /// Sends nothing until then.
    pub(crate) fn block(&mut self, until: Mono) {
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }
}

fn is_snapshot(purpose: &Purpose) -> bool {
    matches!(purpose, Purpose::Depth(..) | Purpose::ProbeDepth(_))
}

/// What was drawn from one budget, and when.
struct Spent {
    capacity: u32,
    span: Duration,
    used_header: Option<String>,
    draws: VecDeque<(Mono, u32)>,
    total: u32,
}

impl Spent {
    fn new(budget: &Budget) -> Spent {
        // Every window is kept as a rolling one, the strictest reading: what fits any span of that length fits a
        // fixed window and an even refill as well.
        let (Window::Fixed(span) | Window::Rolling(span) | Window::Bucket(span)) = budget.window;
        Spent {
            capacity: budget.capacity,
            span,
            used_header: budget.used_header.clone(),
            draws: VecDeque::new(),
            total: 0,
        }
    }

    fn expire(&mut self, now: Mono) {
        while let Some(&(at, weight)) = self.draws.front() {
            if at.plus(self.span) > now {
                break;
            }
            self.total = self.total.saturating_sub(weight);
            self.draws.pop_front();
        }
    }

    /// Nothing when the weight fits now, else when to ask again.
    fn wait(&mut self, now: Mono, weight: u32) -> Option<Mono> {
        self.expire(now);
        if self.total.saturating_add(weight) <= self.capacity {
            return None;
        }
        self.draws.front().map(|&(at, _)| at.plus(self.span))
    }

    fn draw(&mut self, now: Mono, weight: u32) {
        self.draws.push_back((now, weight));
        self.total = self.total.saturating_add(weight);
    }

    fn at_least(&mut self, now: Mono, used: u32) {
        self.expire(now);
        if used > self.total {
            self.draw(now, used - self.total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::spec::BudgetKey;

    fn job(id: u64, weight: u32) -> Job {
        let request = HttpRequest { weight, ..HttpRequest::get(&Ask::Instruments, "/test", "/test") };
        let id = RequestId(id);
        Job { id, product: 0, ask: Ask::Instruments, purpose: Purpose::Instruments, request }
    }

    fn rest() -> Rest {
        let budget = Budget {
            name: "weight".into(),
            key: BudgetKey::Ip,
            window: Window::Fixed(Duration::from_secs(60)),
            capacity: 10,
            draws: Draws::Weight,
            used_header: Some("x-used".into()),
        };
        Rest::new("http://127.0.0.1".into(), &[budget], 8, 2)
    }

    fn sent(rest: &mut Rest, now: Mono) -> Option<u64> {
        match rest.next(now) {
            Next::Send(job) => Some(job.id.0),
            Next::WaitUntil(_) | Next::Idle => None,
        }
    }

    #[test]
    fn the_urgent_lane_goes_first_and_the_budget_holds() {
        let mut rest = rest();
        rest.push(Lane::Poll, job(1, 1));
        rest.push(Lane::Must, job(2, 6));
        rest.push(Lane::Must, job(3, 6));
        let now = Mono(1);
        assert_eq!(sent(&mut rest, now), Some(2));
        assert!(matches!(rest.next(now), Next::WaitUntil(at) if at == now.plus(Duration::from_secs(60))));
        assert_eq!(sent(&mut rest, now.plus(Duration::from_secs(60))), Some(3));
        assert_eq!(sent(&mut rest, now.plus(Duration::from_secs(60))), Some(1));
    }

    #[test]
    fn the_venues_own_count_is_believed_and_a_block_shuts_everything() {
        let mut rest = rest();
        let now = Mono(1);
        let headers = [("x-used".to_owned(), "10".to_owned())];
        rest.learn(now, &HttpReply { status: 200, headers: &headers, body: b"" });
        rest.push(Lane::Must, job(1, 1));
        assert_eq!(sent(&mut rest, now), None);
        let later = now.plus(Duration::from_secs(60));
        rest.block(later.plus(Duration::from_secs(5)));
        assert_eq!(sent(&mut rest, later), None);
        assert_eq!(sent(&mut rest, later.plus(Duration::from_secs(5))), Some(1));
    }
}
