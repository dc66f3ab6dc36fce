//! Who takes which shard when: decisions of one member at one look, from what the server says and nothing else.
//!
//! Pure: no clock, no server, no session. The order that loses nothing stands here: a lease before a session where
//! nobody follows the markets, a session before a lease where somebody does.

use std::collections::BTreeMap;

use venuekit_store::postgres::{Lease, Standing};
use venuekit_store::{Shard, assign};

/// What a member does about a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// This process has not looked yet. The spool may hold rows of an earlier one, which are good under a lease that
    /// nobody else had since.
    Fresh,
    /// Nothing, and nothing of it is under way.
    Idle,
    /// It follows the markets and keeps the rows to itself: another member still has the lease.
    Warming,
    /// It stores the markets under its lease.
    Held(Lease),
    /// It has stopped to follow them, and waits until what it took is stored; then the lease goes, where it still has
    /// it: to the heir, or back.
    Ending(Option<(Lease, Option<String>)>),
}

/// A shard, as this member sees it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) shard: Shard,
    pub(super) phase: Phase,
    /// Nobody held it at the last look.
    pub(super) was_vacant: bool,
}

/// What a look at the server gave.
pub(super) struct View<'a> {
    pub(super) me: &'a str,
    /// Who is there; this member among them, unless it leaves.
    pub(super) peers: &'a [&'a str],
    pub(super) standings: &'a BTreeMap<Shard, Standing>,
    /// Leases that were prolonged just now.
    pub(super) kept: &'a [Lease],
    /// It gives away what it has.
    pub(super) is_leaving: bool,
    /// The others had time to say that they are there. After an outage of the server nobody had, and each begins with
    /// what was its own.
    pub(super) may_take: bool,
    /// Whether what is followed of a slot has come: whoever holds it may hand it over.
    pub(super) is_warm: &'a dyn Fn(usize) -> bool,
}

/// What is to be done about a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the lease, which nobody has, and follow the markets.
    Take,
    /// Take the lease again that ran out.
    Retake(Lease),
    /// Follow the markets, without a lease.
    Warm,
    /// Say that it may be handed over.
    Offer,
    /// It was handed over.
    Adopt(Lease),
    /// Stop to follow the markets; then give the lease to the heir, or back.
    End { heir: Option<String> },
    /// The lease is gone.
    Forget,
}

/// What a member does after a look, by place in `slots`.
pub(super) fn steps(slots: &[Slot], view: &View<'_>) -> Vec<(usize, Step)> {
    let shards: Vec<Shard> = slots.iter().map(|slot| slot.shard.clone()).collect();
    let owners = assign(&shards, view.peers);
    let decide = |(at, slot): (usize, &Slot)| Some((at, step(at, slot, owners[at], view)?));
    slots.iter().enumerate().filter_map(decide).collect()
}

/// Whether nobody holds a shard.
pub(super) fn is_vacant(standing: Option<&Standing>) -> bool {
    standing.is_none_or(|standing| standing.owner.is_empty() || !standing.is_held)
}

fn step(at: usize, slot: &Slot, assigned: Option<&str>, view: &View<'_>) -> Option<Step> {
    let standing = view.standings.get(&slot.shard);
    let is_wished = !view.is_leaving && assigned == Some(view.me);
    let is_vacant = is_vacant(standing);
    let is_own = standing.is_some_and(|standing| standing.owner == view.me);
    // Whoever should take it did not: then whoever can does.
    let is_left = slot.was_vacant && !view.is_leaving;
    let may_take = is_vacant && (is_wished || is_left) && (view.may_take || is_own);
    match &slot.phase {
        Phase::Fresh if is_own && !view.is_leaving => Some(Step::Take),
        Phase::Fresh => Some(Step::End { heir: None }),
        Phase::Idle if may_take => Some(Step::Take),
        Phase::Idle if is_wished && !is_vacant => Some(Step::Warm),
        Phase::Idle => None,
        Phase::Warming => match standing {
            Some(standing) if is_own && standing.is_held => Some(Step::Adopt(standing.lease.clone())),
            _ if may_take => Some(Step::Take),
            _ if !is_wished => Some(Step::End { heir: None }),
            Some(standing) if !is_vacant && standing.heir != view.me && (view.is_warm)(at) => {
                Some(Step::Offer)
            }
            _ => None,
        },
        Phase::Held(lease) if !view.kept.contains(lease) => Some(Step::Retake(lease.clone())),
        Phase::Held(_) => {
            let heir = standing.map(|standing| standing.heir.as_str()).filter(|heir| {
                !is_wished && *heir != view.me && view.peers.contains(heir)
                // An heir of an earlier assignment would only hand it on.
                && assigned == Some(*heir)
            });
            match heir {
                Some(heir) => Some(Step::End { heir: Some(heir.to_owned()) }),
                None if view.is_leaving && view.peers.is_empty() => Some(Step::End { heir: None }),
                None => None,
            }
        }
        Phase::Ending(Some((lease, _))) if !view.kept.contains(lease) => Some(Step::Forget),
        Phase::Ending(_) => None,
    }
}

#[cfg(test)]
mod tests;
