//! Updates held while a snapshot is awaited: bounded, in arrival order, in three flat arenas.
//!
//! It refuses to decide what is old or broken: `link` does. After a snapshot it keeps what was applied, so that
//! a recorder can store snapshot and diffs apart.

use alloc::vec::Vec;

use venuekit_types::{Level, Scale};

use crate::link::{Cursor, Verdict};
use crate::{Cause, Digits, Gap, Ids, Limits, Linkage, Places, Update};

#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    entries: Vec<Entry>,
    /// The rows of all entries: bids, then asks of each.
    levels: Vec<Level>,
    /// One for each row of the entries that have them.
    places: Vec<Places>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    ids: Option<Ids>,
    checksum: Option<u32>,
    scales: Option<(Scale, Scale)>,
    levels: Span,
    places: Span,
}

/// A stretch of an arena: bids from `start` to `mid`, asks from there to `end`.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    mid: usize,
    end: usize,
}

impl Span {
    fn append<T: Copy>(arena: &mut Vec<T>, bids: &[T], asks: &[T]) -> Span {
        let start = arena.len();
        arena.extend_from_slice(bids);
        let mid = arena.len();
        arena.extend_from_slice(asks);
        Span { start, mid, end: arena.len() }
    }

    fn of<T>(self, arena: &[T]) -> (&[T], &[T]) {
        (&arena[self.start..self.mid], &arena[self.mid..self.end])
    }
}

impl Buffer {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.levels.clear();
        self.places.clear();
    }

    /// Takes an update, or gives the bound it would pass and what it would come to.
    pub(crate) fn push(&mut self, limits: &Limits, update: &Update<'_>) -> Result<(), (usize, usize)> {
        let entries = self.entries.len() + 1;
        if entries > limits.buffered_updates {
            return Err((limits.buffered_updates, entries));
        }
        let levels = self.levels.len() + update.bids.len() + update.asks.len();
        if levels > limits.buffered_levels {
            return Err((limits.buffered_levels, levels));
        }
        let (bids, asks) = update.digits.map_or((&[][..], &[][..]), |digits| (digits.bids, digits.asks));
        // Spellings without a row mean nothing; without this they would not be bounded.
        let (bids, asks) =
            (&bids[..bids.len().min(update.bids.len())], &asks[..asks.len().min(update.asks.len())]);
        self.entries.push(Entry {
            ids: update.ids,
            checksum: update.checksum,
            scales: update.digits.map(|digits| (digits.price_scale, digits.qty_scale)),
            levels: Span::append(&mut self.levels, update.bids, update.asks),
            places: Span::append(&mut self.places, bids, asks),
        });
        Ok(())
    }

    /// Walks the numbers from a snapshot on and keeps only the updates that continue it. Where one of them does
    /// not, all stay: a newer snapshot may reach it.
    pub(crate) fn link(&mut self, linkage: Linkage, from: Cursor) -> Result<(), Gap> {
        let last_held = self.entries.last().and_then(|entry| entry.ids).map(|ids| ids.last);
        let mut at = from;
        for entry in &self.entries {
            match linkage.judge(at, entry.ids) {
                Verdict::Next => at = at.after(entry.ids),
                Verdict::Old => {}
                // The count began anew before the snapshot, if the stream has come as far as the snapshot
                // since; if it has not, the snapshot may be of the count before.
                Verdict::Broken(gap) if gap.cause == Cause::Restarted && last_held >= from.last => {}
                Verdict::Broken(gap) => {
                    let too_old = !at.linked && gap.cause == Cause::Sequence;
                    return Err(if too_old { Gap { cause: Cause::SnapshotTooOld, ..gap } } else { gap });
                }
            }
        }
        let mut at = from;
        self.entries.retain(|entry| {
            let next = linkage.judge(at, entry.ids) == Verdict::Next;
            if next {
                at = at.after(entry.ids);
            }
            next
        });
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Update<'_>> {
        self.entries.iter().map(|entry| {
            let (bids, asks) = entry.levels.of(&self.levels);
            let digits = entry.scales.map(|(price_scale, qty_scale)| {
                let (bids, asks) = entry.places.of(&self.places);
                Digits { price_scale, qty_scale, bids, asks }
            });
            Update { ids: entry.ids, bids, asks, checksum: entry.checksum, digits }
        })
    }
}
