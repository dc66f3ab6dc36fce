//! Answers to requests, and what they suffer before and after the venue has done what was asked.

use std::time::Duration;

use bytes::Bytes;
use venuekit_types::Now;

use super::Outbox;
use crate::faults::Fault;
use crate::front::{FrontOutput, RUN_HEADER, Response};

/// What a request is for, as far as faults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestKind {
    /// A book's snapshot.
    Snapshot,
    /// A change of orders or positions.
    Change,
    /// Anything else.
    Other,
}

/// What a request and its answer should suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestFault {
    /// Nothing.
    None,
    /// It is done, and the answer comes this late.
    Late(Duration),
    /// It is not done, and the answer is an error of this status, in the venue's own shape.
    Status(u16),
    /// It is done, and no answer comes: the connection ends.
    Lost,
    /// It is done, and the answer ends in the middle.
    Cut,
    /// It is done, and a gateway answers with this status.
    Failed(u16),
}

impl Outbox {
    /// Answers a request, as its fault says.
    pub fn respond(&mut self, now: Now, id: u64, fault: RestFault, mut response: Response) {
        match fault {
            RestFault::Late(span) => {
                self.late.insert((now.mono.plus(span), id), response);
                return;
            }
            RestFault::Lost => return self.abandon(id),
            RestFault::Cut => {
                let keep = self.rng.usize(..response.body.len().max(1));
                response.body.truncate(keep);
            }
            RestFault::Failed(status) => {
                response.status = status;
                response.headers.retain(|(name, _)| *name == RUN_HEADER);
                response.headers.push(("Content-Type", "text/html".to_string()));
                response.body = Bytes::from_static(b"<html><body>bad gateway</body></html>");
            }
            RestFault::None | RestFault::Status(_) => {}
        }
        self.ready.push_back(FrontOutput::Respond { id, response });
    }

    /// Never answers a request.
    pub fn abandon(&mut self, id: u64) {
        self.ready.push_back(FrontOutput::Abandon { id });
    }

    /// Says what a request and its answer should suffer.
    pub fn rest_fault(&mut self, now: Now, kind: RestKind) -> RestFault {
        let strikes = |fault: &Fault| match fault {
            Fault::SlowSnapshot(_) | Fault::RefuseSnapshot(_) => kind == RestKind::Snapshot,
            Fault::LateAnswer(_) | Fault::LoseAnswer | Fault::CutAnswer | Fault::FailAnswer(_) => {
                kind == RestKind::Change
            }
            Fault::Reject(_) => true,
            _ => false,
        };
        let fault = self.armed_for(strikes, 0, None).or_else(|| self.planned_rest_fault(kind));
        let Some(fault) = fault else { return RestFault::None };
        self.record(now.mono, None, None, fault.clone());
        match fault {
            Fault::SlowSnapshot(span) | Fault::LateAnswer(span) => RestFault::Late(span),
            Fault::RefuseSnapshot(status) | Fault::Reject(status) => RestFault::Status(status),
            Fault::LoseAnswer => RestFault::Lost,
            Fault::CutAnswer => RestFault::Cut,
            Fault::FailAnswer(status) => RestFault::Failed(status),
            _ => RestFault::None,
        }
    }

    fn planned_rest_fault(&mut self, kind: RestKind) -> Option<Fault> {
        if kind == RestKind::Snapshot {
            if self.chance(self.plan.slow_snapshot) {
                return Some(Fault::SlowSnapshot(self.up_to(self.plan.snapshot_for)));
            }
            let status =
                self.chance(self.plan.refuse_snapshot).then(|| if self.rng.bool() { 503 } else { 429 });
            return status.map(Fault::RefuseSnapshot);
        }
        if self.chance(self.plan.reject) {
            return Some(Fault::Reject(429));
        }
        if kind == RestKind::Change {
            if self.chance(self.plan.lose_answer) {
                return Some(Fault::LoseAnswer);
            }
            if self.chance(self.plan.cut_answer) {
                return Some(Fault::CutAnswer);
            }
            if self.chance(self.plan.fail_answer) {
                return Some(Fault::FailAnswer(if self.rng.bool() { 502 } else { 504 }));
            }
            if self.chance(self.plan.late_answer) {
                return Some(Fault::LateAnswer(self.up_to(self.plan.answer_for)));
            }
        }
        None
    }
}
