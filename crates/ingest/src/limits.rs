//! What venues let through, over restarts: from what a session says to what a store keeps, and back.

use venuekit_session::{Ban, Used};
use venuekit_store::Limit;
use venuekit_types::UnixNanos;

/// A ban, during which nothing is sent.
const BAN: &str = "ban";
/// A limit, during which cancels alone are sent.
const LIMIT: &str = "limit";
/// Before the name of an address's budget.
const OF_ADDRESS: &str = "address:";
/// Before the name of an account's budget.
const OF_ACCOUNT: &str = "account:";

pub(crate) fn of_ban(ban: Ban) -> Limit {
    let at = ban.until();
    let name = if ban.is_limit { LIMIT } else { BAN };
    Limit { origin: ban.origin, name: name.to_owned(), amount: 0, at }
}

pub(crate) fn of_used(used: Used) -> Limit {
    let Used { origin, budget, of_account, amount, at } = used;
    let whose = if of_account { OF_ACCOUNT } else { OF_ADDRESS };
    Limit { origin, name: format!("{whose}{budget}"), amount, at: UnixNanos(at) }
}

/// What a session takes over; a name that this version does not know is left out.
pub(crate) fn resumed(limits: &[Limit]) -> (Vec<Ban>, Vec<Used>) {
    let (mut bans, mut all) = (Vec::new(), Vec::new());
    for Limit { origin, name, amount, at } in limits {
        let origin = origin.clone();
        let used = |budget: &str, of_account| Used {
            origin: origin.clone(),
            budget: budget.to_owned(),
            of_account,
            amount: *amount,
            at: at.0,
        };
        if let Some(budget) = name.strip_prefix(OF_ADDRESS) {
            all.push(used(budget, false));
        } else if let Some(budget) = name.strip_prefix(OF_ACCOUNT) {
            all.push(used(budget, true));
        } else if name == BAN || name == LIMIT {
            bans.push(Ban { origin, until: at.0, is_limit: name == LIMIT });
        }
    }
    (bans, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let origin = || "https://x".to_owned();
        let bans = [true, false].map(|is_limit| Ban { origin: origin(), until: 7, is_limit });
        let used = [true, false].map(|of_account| Used {
            origin: origin(),
            budget: "weight:1m".to_owned(),
            of_account,
            amount: 9,
            at: 8,
        });
        let mut kept: Vec<Limit> = bans.iter().cloned().map(of_ban).collect();
        kept.extend(used.iter().cloned().map(of_used));
        kept.push(Limit { origin: origin(), name: "later".to_owned(), amount: 1, at: UnixNanos(1) });
        assert_eq!(resumed(&kept), (bans.to_vec(), used.to_vec()));
    }
}
