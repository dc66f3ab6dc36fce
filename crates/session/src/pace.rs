//! At most so many in any span: the sender's side of a rolling limit.
//!
//! The venue counts arrivals and the way there is not even: messages that left further apart may arrive closer
//! together. So the span is kept a quarter longer than the venue asks for.

use std::collections::VecDeque;

use venuekit_types::Mono;
use venuekit_venue::spec::Rate;

#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    sent: VecDeque<Mono>,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Pace {
        let per = rate.per.saturating_add(rate.per / 4);
        Pace { rate: Rate { per, ..rate }, sent: VecDeque::new() }
    }

    /// Takes a place, or says when there will be one.
    pub(crate) fn take(&mut self, now: Mono) -> Result<(), Mono> {
        while self.sent.front().is_some_and(|&at| at.plus(self.rate.per) <= now) {
            self.sent.pop_front();
        }
        if self.sent.len() < self.rate.count as usize {
            self.sent.push_back(now);
            return Ok(());
        }
        match self.sent.front() {
            Some(&oldest) => Err(oldest.plus(self.rate.per)),
            None => Err(Mono(u64::MAX)),
        }
    }
}
