//! The sequence engine: one pure question, whether an update follows what the book has.
//!
//! It sees numbers only, and keeps none: [`Cursor`] is the caller's.

use crate::{Cause, ChainFirst, Gap, Ids, Linkage, StaleStep, StepFirst};

/// Where a book stands in its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The id of the snapshot or of the last update applied to it.
    pub(crate) last: Option<u64>,
    /// True once an update has followed the snapshot.
    pub(crate) linked: bool,
}

impl Cursor {
    /// Right after a snapshot.
    pub(crate) fn at_snapshot(ids: Option<Ids>) -> Cursor {
        Cursor { last: ids.map(|ids| ids.last), linked: false }
    }

    /// After an update that followed.
    #[inline]
    pub(crate) fn after(self, ids: Option<Ids>) -> Cursor {
        Cursor { last: ids.map_or(self.last, |ids| Some(ids.last)), linked: true }
    }
}

/// The usual case of [`Linkage::judge`]: the update right after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usual {
    /// None can be told without more ado.
    Unknown,
    /// Its range begins with the next number; a single number is a range.
    Next,
    /// It names the last.
    Chain,
}

impl Usual {
    /// True when it is surely the next; false says nothing.
    #[inline]
    pub(crate) fn is_next(self, last: u64, ids: Ids) -> bool {
        if self == Usual::Next {
            return last.wrapping_add(1) == ids.first && ids.first != 0 && ids.first <= ids.last;
        }
        self == Usual::Chain && ids.prev == Some(last) && last <= ids.last
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the next one.
    Next,
    /// The book is past it.
    Old,
    /// Something is missing between.
    Broken(Gap),
}

impl Linkage {
    /// True where a message without ids breaks the rule.
    pub(crate) fn is_numbered(self) -> bool {
        !matches!(self, Linkage::Replace | Linkage::Unnumbered)
    }

    /// True where the numbers show that nothing is missing.
    pub fn sees_holes(self) -> bool {
        match self {
            Linkage::Step { .. } | Linkage::Range { .. } | Linkage::Chain { .. } | Linkage::Socket => true,
            Linkage::Replace | Linkage::Unnumbered | Linkage::Rising => false,
        }
    }

    /// True when this update begins the venue's count anew, whatever came before.
    pub(crate) fn is_restart(self, ids: Option<Ids>) -> bool {
        match (self, ids) {
            (Linkage::Step { restart: Some(n), .. }, Some(ids)) => ids.last == n,
            _ => false,
        }
    }

    /// How the update right after the last is known once the stream has linked.
    pub(crate) fn usual(self) -> Usual {
        match self {
            Linkage::Step { .. } | Linkage::Range { .. } => Usual::Next,
            Linkage::Chain { .. } => Usual::Chain,
            Linkage::Replace | Linkage::Unnumbered | Linkage::Rising | Linkage::Socket => Usual::Unknown,
        }
    }

    /// Judges an update by its numbers.
    pub(crate) fn judge(self, at: Cursor, ids: Option<Ids>) -> Verdict {
        let (ids, last) = match (ids, at.last) {
            (Some(ids), Some(last)) => (ids, last),
            (None, last) if self.is_numbered() => {
                let expected = last.map(|last| last.saturating_add(1));
                return Verdict::Broken(Gap { cause: Cause::Sequence, expected, got: None });
            }
            // Nothing to compare: a numbered stream has a numbered snapshot, so this is one of the other two.
            _ => return Verdict::Next,
        };
        let old = ids.last <= last;
        let wanted = last.saturating_add(1);
        match self {
            Linkage::Unnumbered => Verdict::Next,
            Linkage::Replace if ids.last < last => Verdict::Old,
            Linkage::Replace => Verdict::Next,
            Linkage::Rising | Linkage::Socket if old => Verdict::Old,
            Linkage::Rising | Linkage::Socket => Verdict::Next,
            Linkage::Step { first, restart, stale } => {
                let n = ids.last;
                if restart == Some(n) && n != last && n != wanted {
                    return Verdict::Broken(Gap::between(Cause::Restarted, wanted, n));
                }
                match (at.linked, first) {
                    (false, StepFirst::Anchor) if n == last => Verdict::Next,
                    (false, StepFirst::Anchor) if n > last => broken(last, n),
                    (true, _) if old && stale == StaleStep::Desync => broken(wanted, n),
                    _ if old => Verdict::Old,
                    _ if n == wanted => Verdict::Next,
                    _ => broken(wanted, n),
                }
            }
            Linkage::Range { .. } if old => Verdict::Old,
            Linkage::Range { overlap } => {
                let may_overlap = overlap || !at.linked;
                if ids.first == wanted || (may_overlap && ids.first < wanted) {
                    Verdict::Next
                } else {
                    broken(wanted, ids.first)
                }
            }
            Linkage::Chain { first: ChainFirst::Straddle } if !at.linked => {
                if ids.last < last {
                    Verdict::Old
                } else if ids.first <= last || ids.prev == Some(last) {
                    Verdict::Next
                } else {
                    broken(last, ids.first)
                }
            }
            Linkage::Chain { .. } if ids.prev == Some(last) => {
                // It follows by name: one that then goes back is broken, not old.
                if ids.last >= last { Verdict::Next } else { broken(wanted, ids.last) }
            }
            Linkage::Chain { .. } if old => Verdict::Old,
            Linkage::Chain { first: ChainFirst::Free } if !at.linked => Verdict::Next,
            Linkage::Chain { .. } => {
                Verdict::Broken(Gap { cause: Cause::Sequence, expected: Some(last), got: ids.prev })
            }
        }
    }
}

fn broken(expected: u64, got: u64) -> Verdict {
    Verdict::Broken(Gap::between(Cause::Sequence, expected, got))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_surely_next_after_the_last_number_there_is() {
        assert!(Usual::Next.is_next(u64::MAX - 1, Ids::single(u64::MAX)));
        assert!(!Usual::Next.is_next(u64::MAX, Ids::single(0)));
    }
}
