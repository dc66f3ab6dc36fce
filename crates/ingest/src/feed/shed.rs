//! What the queue had no room for: shed by name, and healed when there is room again.

use venuekit_session::{Command, StreamId};
use venuekit_store::Row;
use venuekit_types::{Now, UnixNanos};

use super::{Feed, Keep, Told, Wish};
use crate::metrics::channel_index;
use crate::queue::Chunk;
use crate::rows;

impl Feed {
    /// Rows of this round that found no room.
    pub(super) fn shed(&mut self, now: Now, chunk: Chunk) {
        let mut kept = Vec::new();
        for item in chunk.items {
            match (&item.row, item.stream) {
                (Row::Gap(gap), Some(id)) if gap.healed_at.is_none() => {
                    self.begin_shedding(now, id, &item.row)
                }
                // They close what is written already, or come once: there cannot be many.
                (Row::Gap(_) | Row::Instrument(_), _) | (_, None) => kept.push(item),
                // An account's own rows are never shed: it trades far less than a market.
                (Row::OrderState(_) | Row::Fill(_) | Row::Movement(_), _) => kept.push(item),
                (_, Some(id)) => {
                    self.tally.shed_rows += 1;
                    self.begin_shedding(now, id, &item.row);
                }
            }
        }
        if !kept.is_empty() {
            self.parts.queue.force(Chunk { items: kept, ..chunk });
        }
    }

    pub(super) fn begin_shedding(&mut self, now: Now, id: StreamId, row: &Row) {
        let Some(stream) = self.streams.get_mut(id.0 as usize) else { return };
        let Some(market) = &stream.market else { return };
        let (epoch, from_seq, at) = match row {
            Row::BookChange(row) => (Some(row.epoch), Some(row.first_seq), row.ts_local),
            Row::Trade(row) => (None, row.trade_id.parse().ok(), row.ts_local),
            Row::Gap(gap) => (gap.epoch, gap.from_seq, gap.detected_at),
            _ => (None, None, now.wall),
        };
        match std::mem::replace(&mut stream.keep, Keep::Whole) {
            // What was being healed is not whole yet, so its gap goes on.
            Keep::Shed(gap) => {
                stream.keep = Keep::Shed(gap);
                return;
            }
            Keep::Healing(gap) => stream.keep = Keep::Shed(gap),
            Keep::Whole => {
                // A gap that was not written is covered by this one; one that was stays open beside it.
                if matches!(row, Row::Gap(_)) {
                    stream.open = None;
                } else {
                    self.tally.gaps_opened += 1;
                    self.tally.gaps_by_channel[channel_index(stream.channel)] += 1;
                }
                let gap = rows::shed_gap(market, stream.label.clone(), epoch, from_seq, at);
                stream.keep = Keep::Shed(Box::new(gap));
            }
        }
        self.shed += 1;
        self.urgent = true;
        if let Some(left_out) = self.told.admit(now.mono, Told::Shed(id)) {
            tracing::warn!(venue = %self.venue, symbol = %market.symbol, channel = %stream.label, left_out,
                "the sink is too slow: rows are shed until there is room");
        }
    }

    /// There is room again: the gaps are written, and the streams are healed.
    pub(super) fn resume(&mut self) {
        if self.shed == 0 || !self.parts.queue.has_room() {
            return;
        }
        for at in 0..self.streams.len() {
            let Keep::Shed(gap) = &self.streams[at].keep else { continue };
            let id = StreamId(u32::try_from(at).expect("a session numbers its streams in 32 bits"));
            let Ok(permit) = self.parts.wishes.try_reserve() else { return };
            permit.send(Wish::Command(Command::Resync(id)));
            let gap = gap.clone();
            self.put(id, Row::Gap(gap.clone()));
            self.streams[at].keep = Keep::Healing(gap);
            self.shed -= 1;
        }
    }

    pub(super) fn end_shedding(&mut self, id: StreamId, at: UnixNanos) {
        let Some(stream) = self.stream(id) else { return };
        match std::mem::replace(&mut stream.keep, Keep::Whole) {
            Keep::Healing(mut gap) => {
                self.tally.gaps_healed += 1;
                gap.healed_at = Some(at);
                self.put(id, Row::Gap(gap));
            }
            other => stream.keep = other,
        }
    }
}
