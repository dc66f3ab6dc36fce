//! A session whose markets change hands between workers: its rows wait until the lease is there, and what the one
//! before left open is closed.

use venuekit_book::State;
use venuekit_session::Session;
use venuekit_store::{Resume, Row};
use venuekit_types::Now;

use super::{Feed, Keep};
use crate::metrics::channel_index;
use crate::rows;

/// Rows that a session keeps while it has no lease. Whoever holds the shard hands it over within seconds; beyond this
/// the session begins anew with the lease.
pub(super) const WARM_ROWS_MAX: usize = 50_000;

impl Feed {
    /// Whether rows may leave now; while they may not, they are kept within a bound.
    pub(super) fn may_leave(&mut self, now: Now, session: &Session) -> bool {
        let Some(tenure) = &self.parts.tenure else { return true };
        let (fence, left) = tenure.gate.look();
        let Some(fence) = fence else {
            if self.overfull || self.items.len() > WARM_ROWS_MAX {
                self.overfull = true;
                self.items.retain(|item| matches!(item.row, Row::Instrument(_)));
            }
            return false;
        };
        self.fence = Some(fence);
        if let Some(left) = left {
            self.inherit(session, now, left);
        }
        if std::mem::take(&mut self.overfull) {
            self.begin_again(now);
        }
        true
    }

    /// Takes over what another worker left: its open gaps end when the stream is live here, and so does the time in
    /// which nobody stored anything.
    fn inherit(&mut self, session: &Session, now: Now, left: Resume) {
        self.parts.resume = left;
        for status in session.streams() {
            let id = status.info.stream;
            let Some(stream) = self.streams.get(id.0 as usize) else { continue };
            let (market, label, since) = (stream.market.clone(), stream.label.clone(), stream.since);
            let gaps = self.earlier_gaps(since, id, market.as_ref(), &label);
            if status.state != State::Live {
                self.streams[id.0 as usize].earlier.extend(gaps);
                continue;
            }
            for mut gap in gaps {
                self.tally.gaps_healed += 1;
                gap.healed_at = Some(now.wall.max(gap.detected_at));
                self.put(id, Row::Gap(Box::new(gap)));
            }
        }
    }

    /// What was kept was too much and is gone: every stream begins anew, and says so.
    fn begin_again(&mut self, now: Now) {
        for at in 0..self.streams.len() {
            let stream = &mut self.streams[at];
            let Some(market) = &stream.market else { continue };
            let gap = rows::shed_gap(market, stream.label.clone(), None, None, now.wall);
            // Their rows are gone too; this gap covers them.
            stream.open = None;
            if !matches!(stream.keep, Keep::Shed(_)) {
                self.shed += 1;
            }
            stream.keep = Keep::Shed(Box::new(gap));
            self.tally.gaps_opened += 1;
            self.tally.gaps_by_channel[channel_index(stream.channel)] += 1;
        }
    }

    /// Whether a market is one of those whose rows are ours.
    pub(super) fn is_ours(&self, symbol: &venuekit_types::Symbol) -> bool {
        self.parts.tenure.as_ref().is_none_or(|tenure| tenure.only.holds(symbol))
    }
}
