//! Live marks: prices that go blind when they are old.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_types::{Mono, Symbol};

use crate::exact::{self, Arithmetic};
use crate::{Cause, Name, Sight};

/// A price, and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    price: Decimal,
    seen_at: Mono,
}

/// The latest marks of contracts and rates of assets. They can only be read through their age.
#[derive(Clone, Debug)]
pub struct Marks {
    age_max: Duration,
    contracts: BTreeMap<(Name, Symbol), Mark>,
    rates: BTreeMap<(Name, Name), Mark>,
}

impl Marks {
    /// No marks yet; one older than `age_max` is stale.
    pub fn new(age_max: Duration) -> Marks {
        Marks { age_max, contracts: BTreeMap::new(), rates: BTreeMap::new() }
    }

    /// Takes a contract's mark price, unless a later one is known.
    pub fn put_contract(&mut self, venue: &Name, symbol: &Symbol, price: Decimal, seen_at: Mono) {
        put(&mut self.contracts, (venue.clone(), symbol.clone()), Mark { price, seen_at });
    }

    /// Takes the price of one unit of `asset` in `quote`, unless a later one is known.
    pub fn put_rate(&mut self, asset: &Name, quote: &Name, price: Decimal, seen_at: Mono) {
        put(&mut self.rates, (asset.clone(), quote.clone()), Mark { price, seen_at });
    }

    /// A contract's mark price.
    pub fn contract(&self, venue: &Name, symbol: &Symbol, now: Mono) -> Sight<Decimal> {
        let mark = self.contracts.get(&(venue.clone(), symbol.clone()));
        self.fresh(mark, now, || format!("{symbol} at {venue}"))
    }

    /// The price of one unit of `asset` in `quote`: 1 of itself, else the pair's own rate, else through the first
    /// asset by name that links the two with fresh rates.
    ///
    /// **Errors**: [`Arithmetic::OutOfRange`].
    pub fn rate(&self, asset: &Name, quote: &Name, now: Mono) -> Result<Sight<Decimal>, Arithmetic> {
        if asset == quote {
            return Ok(Sight::Seen(Decimal::ONE));
        }
        let direct = self.pair(asset, quote, now);
        if matches!(direct, Sight::Seen(_)) {
            return Ok(direct);
        }
        let from_asset = self.rates.range((asset.clone(), Name::from(""))..);
        for ((_, link), _) in from_asset.take_while(|((from, _), _)| from == asset) {
            let legs = (self.pair(asset, link, now), self.pair(link, quote, now));
            if let (Sight::Seen(first), Sight::Seen(second)) = legs {
                return exact::mul(first, second).map(Sight::Seen);
            }
        }
        Ok(direct)
    }

    fn pair(&self, asset: &Name, quote: &Name, now: Mono) -> Sight<Decimal> {
        let mark = self.rates.get(&(asset.clone(), quote.clone()));
        self.fresh(mark, now, || format!("{asset} in {quote}"))
    }

    fn fresh(&self, mark: Option<&Mark>, now: Mono, of: impl Fn() -> String) -> Sight<Decimal> {
        // Venues write zero for a market that never traded.
        let Some(mark) = mark.filter(|mark| mark.price > Decimal::ZERO) else {
            return Sight::blind(Cause::NoMark(of()));
        };
        let age = now.since(mark.seen_at);
        if age > self.age_max {
            return Sight::blind(Cause::StaleMark { of: of(), age });
        }
        Sight::Seen(mark.price)
    }
}

fn put<K: Ord>(marks: &mut BTreeMap<K, Mark>, key: K, mark: Mark) {
    let known = marks.entry(key).or_insert(mark);
    if mark.seen_at >= known.seen_at {
        *known = mark;
    }
}
