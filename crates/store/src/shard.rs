//! How work is cut for several workers, and who does which part: pure functions of names.
//!
//! Owns the cut and the assignment. It refuses to know who is alive; whoever asks says so.

use venuekit_types::Symbol;

use crate::Market;

/// A part of the work that one worker does at a time, as `doex/spot/3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(String);

impl Shard {
    /// The part that a market belongs to, where each venue's spot and derivative markets are cut into `buckets`.
    ///
    /// The cut depends on names alone, so that all workers agree on it.
    pub fn of(market: &Market, buckets: std::num::NonZeroU16) -> Shard {
        let bucket = hash(&[market.symbol.as_str()]) % u64::from(buckets.get());
        Shard(format!("{}/{}/{bucket}", market.venue, product(&market.symbol)))
    }

    /// Every part of a venue's markets.
    pub fn all(venue: &str, buckets: std::num::NonZeroU16) -> impl Iterator<Item = Shard> {
        let of_kind =
            move |kind| (0..buckets.get()).map(move |bucket| Shard(format!("{venue}/{kind}/{bucket}")));
        [SPOT, SWAP].into_iter().flat_map(of_kind)
    }

    /// The venue.
    pub fn venue(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The part that an account's own rows belong to: one a venue, whatever the rows were traded in.
    pub fn of_account(venue: &str) -> Shard {
        Shard(format!("{venue}/account"))
    }

    /// The name under which it is leased.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Shard {
    fn from(name: String) -> Shard {
        Shard(name)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

const SPOT: &str = "spot";
const SWAP: &str = "swap";

fn product(symbol: &Symbol) -> &'static str {
    if symbol.settle().is_some() { SWAP } else { SPOT }
}

/// Gives each shard to one of `workers`, none more than its even share rounded up; by place in `shards`.
///
/// Each pair has a weight of its own, and the heaviest pairs come first: a worker that joins or leaves moves its own
/// share and what the share's limit pushes on, and nothing else. Nobody is assigned anything where nobody works.
pub fn assign<'w>(shards: &[Shard], workers: &[&'w str]) -> Vec<Option<&'w str>> {
    let mut owners = vec![None; shards.len()];
    if workers.is_empty() {
        return owners;
    }
    let share = shards.len().div_ceil(workers.len());
    let mut room = vec![share; workers.len()];
    let mut pairs: Vec<(u64, &str, &str, usize, usize)> = shards
        .iter()
        .enumerate()
        .flat_map(|(at, shard)| {
            workers
                .iter()
                .enumerate()
                .map(move |(who, worker)| (hash(&[shard.as_str(), worker]), shard.as_str(), *worker, at, who))
        })
        .collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    for (_, _, _, at, who) in pairs {
        if owners[at].is_none() && room[who] > 0 {
            owners[at] = Some(workers[who]);
            room[who] -= 1;
        }
    }
    owners
}

/// FNV-1a over the parts, each ended by a byte that no name has, and mixed, since its high bits vary little.
fn hash(parts: &[&str]) -> u64 {
    let mut state = 0xCBF2_9CE4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xFF]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
    state = (state ^ (state >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^ (state >> 29)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU16;

    use super::*;

    fn shards(count: usize) -> Vec<Shard> {
        (0..count).map(|n| Shard(format!("doex/spot/{n}"))).collect()
    }

    #[test]
    fn markets_fall_into_buckets_by_name() {
        let of = |symbol: &str, buckets| {
            let market = Market::new("doex", symbol.parse().expect("a symbol"));
            Shard::of(&market, NonZeroU16::new(buckets).expect("not zero"))
        };
        assert_eq!(of("BTC/USDT", 1).as_str(), "doex/spot/0");
        assert_eq!(of("BTC/USDT:USDT", 1).as_str(), "doex/swap/0");
        let names = ["BTC", "ETH", "DOGE", "SOL", "XRP", "ADA", "LTC", "DOT", "TRX", "UNI", "BCH", "ETC"];
        let used: std::collections::BTreeSet<Shard> =
            names.iter().map(|base| of(&format!("{base}/USDT"), 4)).collect();
        assert_eq!(used.len(), 4, "twelve names reach each of four buckets");
        let all: Vec<Shard> = Shard::all("doex", NonZeroU16::new(4).expect("not zero")).collect();
        assert_eq!(all.len(), 8);
        assert!(
            used.iter().all(|shard| all.contains(shard) && shard.venue() == "doex"),
            "{used:?} of {all:?}"
        );
    }

    #[test]
    fn everything_is_done_by_one_worker_and_nobody_has_more_than_a_share() {
        assert_eq!(assign(&shards(3), &[]), [None; 3]);
        for workers in [&["a"][..], &["a", "b", "c"], &["a", "b", "c", "d"]] {
            let owners = assign(&shards(64), workers);
            let mut load = BTreeMap::new();
            for owner in owners {
                *load.entry(owner.expect("somebody")).or_insert(0) += 1;
            }
            assert!(load.values().all(|&count| count <= 64usize.div_ceil(workers.len())), "{load:?}");
        }
    }

    #[test]
    fn the_order_of_arguments_changes_nothing() {
        let forward = assign(&shards(16), &["a", "b", "c"]);
        assert_eq!(assign(&shards(16), &["c", "a", "b"]), forward);
        let mut reversed: Vec<Shard> = shards(16);
        reversed.reverse();
        let mut owners = assign(&reversed, &["a", "b", "c"]);
        owners.reverse();
        assert_eq!(owners, forward);
    }

    #[test]
    fn who_joins_or_leaves_moves_little_more_than_its_share() {
        for seed in 0..50 {
            let names: Vec<String> = (0..5).map(|n| format!("worker-{seed}-{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (four, five) = (assign(&shards(64), &names[..4]), assign(&shards(64), &names));
            let moved = four.iter().zip(&five).filter(|(a, b)| a != b).count();
            assert!((12..=26).contains(&moved), "SEED={seed}: {moved} of 64 moved for a share of 13");
        }
    }
}
