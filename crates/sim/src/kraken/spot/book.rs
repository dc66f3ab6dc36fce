//! Books as subscribers hold them: the best levels to a depth, what changes them, and the checksum over the top.
//!
//! A subscriber truncates each side to its depth after every message, so a level that is pushed out is never
//! deleted, and is told again when it comes back.
//!
//! **Source**: the venue card, section S5.

use venuekit_types::{BookSide, Scale};

use crate::engine::Engine;
use crate::kraken::number::{micros, padded};
use crate::market::Spec;
use crate::text::Text;

/// The depths that can be subscribed.
pub(super) const DEPTHS: [u16; 5] = [10, 25, 100, 500, 1000];

/// Levels of a side that the checksum covers.
const SUMMED: usize = 10;

/// A price and a quantity, in counts.
type Level = (i64, i64);

/// Both sides to a depth, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// The levels of both sides that a message tells; a quantity of zero deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Delta {
    pub(super) fn is_empty(&self) -> bool {
        self.bids.is_empty() && self.asks.is_empty()
    }
}

impl Window {
    /// The top of a book.
    pub(super) fn of(engine: &Engine, depth: u16) -> Window {
        let depth = usize::from(depth);
        Window { bids: engine.bids().take(depth).collect(), asks: engine.asks().take(depth).collect() }
    }

    /// Moves on to the top of a book as it is now, and gives what takes a subscriber there.
    pub(super) fn advance(&mut self, engine: &Engine, depth: u16) -> Delta {
        let next = Window::of(engine, depth);
        let gone = |side, price| engine.qty_at(side, price) == 0;
        let delta = Delta {
            bids: changes(&self.bids, &next.bids, -1, |price| gone(BookSide::Bid, price)),
            asks: changes(&self.asks, &next.asks, 1, |price| gone(BookSide::Ask, price)),
        };
        *self = next;
        delta
    }

    /// The checksum that a subscriber must find.
    pub(super) fn checksum(&self, spec: &Spec) -> u32 {
        let mut text = Text::new();
        for &(price, qty) in self.asks.iter().take(SUMMED).chain(self.bids.iter().take(SUMMED)) {
            summed(&mut text, price, spec.price_scale);
            summed(&mut text, qty, spec.qty_scale);
        }
        crc32(&text.0)
    }

    /// The whole of it, as a message's levels.
    pub(super) fn whole(&self) -> Delta {
        Delta { bids: self.bids.clone(), asks: self.asks.clone() }
    }
}

/// What turns one side into another: what is gone is deleted, what is new or changed is set. `sign` makes both rise.
fn changes(before: &[Level], after: &[Level], sign: i64, gone: impl Fn(i64) -> bool) -> Vec<Level> {
    let deleted = before.iter().filter(|(price, _)| gone(*price)).map(|&(price, _)| (price, 0));
    let was = |price: i64| before.binary_search_by_key(&(sign * price), |level| sign * level.0).ok();
    let set = after.iter().filter(|level| was(level.0).is_none_or(|at| before[at] != **level)).copied();
    deleted.chain(set).collect()
}

/// A number as the checksum reads it: all its places, no point, no leading zero.
fn summed(text: &mut Text, value: i64, scale: Scale) {
    let mut digits = Text::new();
    digits.padded(value, scale);
    let digits = digits.into_string().replace('.', "");
    text.s(digits.trim_start_matches('0'));
}

/// CRC-32 as zlib reckons it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

/// Writes a message of the book channel.
pub(super) fn message(text: &mut Text, spec: &Spec, kind: &str, delta: &Delta, sum: u32, at_ms: i64) {
    text.s(r#"{"channel":"book","type":""#).s(kind).s(r#"","data":[{"symbol":""#).s(spec.symbol);
    text.s(r#"","bids":"#);
    levels(text, spec, &delta.bids);
    text.s(r#","asks":"#);
    levels(text, spec, &delta.asks);
    text.s(r#","checksum":"#).int(sum).s(r#","timestamp":"#);
    micros(text, at_ms);
    text.s("}]}");
}

fn levels(text: &mut Text, spec: &Spec, levels: &[Level]) {
    text.s("[");
    for (at, &(price, qty)) in levels.iter().enumerate() {
        text.s(if at == 0 { r#"{"price":"# } else { r#",{"price":"# });
        padded(text, price, spec.price_scale);
        text.s(r#","qty":"#);
        padded(text, qty, spec.qty_scale);
        text.s("}");
    }
    text.s("]");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastrand::Rng;

    use super::*;
    use crate::kraken::markets::KRAKEN;
    use crate::traders::Trader;

    fn sides(bids: &[Level], asks: &[Level]) -> Window {
        Window { bids: bids.to_vec(), asks: asks.to_vec() }
    }

    /// The document's example, and the card's with small prices.
    #[test]
    fn the_documents_checksums() {
        let asks = [
            (452_852, 100_000),
            (452_864, 154_571_953),
            (452_866, 154_571_109),
            (452_896, 154_560_911),
            (452_902, 15_890_660),
            (452_918, 154_553_491),
            (452_947, 4_454_749),
            (452_961, 35_380_000),
            (452_975, 9_945_542),
            (452_995, 18_772_827),
        ];
        let bids = [
            (452_835, 10_000_000),
            (452_834, 154_582_015),
            (452_821, 10_000_000),
            (452_810, 10_000_000),
            (452_803, 154_592_586),
            (452_790, 7_990_000),
            (452_776, 3_310_103),
            (452_775, 30_000_000),
            (452_773, 154_602_737),
            (452_766, 15_445_238),
        ];
        let mut window = sides(&bids, &asks);
        assert_eq!(window.checksum(&KRAKEN[0]), 3_310_070_434);
        // What stands deeper than ten changes nothing.
        window.asks.push((453_000, 1));
        window.bids.push((452_000, 1));
        assert_eq!(window.checksum(&KRAKEN[0]), 3_310_070_434);
        let small =
            Spec { price_scale: crate::market::scale(8), qty_scale: crate::market::scale(8), ..SMALL };
        let window = sides(
            &[(5_060, 10_000_000), (5_050, 9_876_543_210_000)],
            &[(5_070, 120_000_000_000), (5_100, 3_550_000_000)],
        );
        assert_eq!(window.checksum(&small), 2_765_794_102);
    }

    const SMALL: Spec = Spec { contract: None, ..crate::kraken::markets::PAIR };

    /// Whoever applies each message and truncates holds the top of the book, at every depth.
    #[test]
    fn a_subscriber_that_truncates_holds_the_top() {
        let spec = &KRAKEN[0];
        for seed in 0..20 {
            let depth = DEPTHS[Rng::with_seed(seed).usize(..DEPTHS.len())];
            let mut engine = Engine::new();
            let mut trader = Trader::new(seed, spec);
            trader.open(&mut engine, spec);
            let mut window = Window::of(&engine, depth);
            let mut held: [BTreeMap<i64, i64>; 2] =
                [window.bids.iter().copied().collect(), window.asks.iter().copied().collect()];
            let mut told = 0;
            for step in 0..300 {
                trader.step(&mut engine, spec);
                let delta = window.advance(&engine, depth);
                told += usize::from(!delta.is_empty());
                for (side, changes) in held.iter_mut().zip([&delta.bids, &delta.asks]) {
                    for &(price, qty) in changes {
                        if qty == 0 {
                            assert!(side.remove(&price).is_some(), "SEED={seed} {step}: deleted, never told");
                        } else {
                            side.insert(price, qty);
                        }
                    }
                }
                while held[0].len() > usize::from(depth) {
                    held[0].pop_first();
                }
                while held[1].len() > usize::from(depth) {
                    held[1].pop_last();
                }
                let [bids, asks] = &held;
                let held = sides(
                    &bids.iter().rev().map(|(&p, &q)| (p, q)).collect::<Vec<_>>(),
                    &asks.iter().map(|(&p, &q)| (p, q)).collect::<Vec<_>>(),
                );
                assert_eq!(held, Window::of(&engine, depth), "SEED={seed} step {step} depth {depth}");
            }
            assert!(told > 100, "SEED={seed}: {told}");
        }
    }
}
