//! A naive venue for the property tests: a `BTreeMap` a side, messages about its changes, and what a wire can do
//! to them. It shares no code with the book.

use std::collections::BTreeMap;

use venuekit_book::{Checksum, Digits, Ids, Linkage, Places, Rules, Update};
use venuekit_types::{Level, Scale, Scaled};

/// Quantity and spelling by price.
pub(crate) type Rows = BTreeMap<i64, (i64, Places)>;

/// The scale of every number here.
pub(crate) fn scale() -> Scale {
    Scale::new(2).expect("2 is within 0..=18")
}

/// What the venue has resting, or what a client of a limited depth may see of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Resting {
    pub(crate) bids: Rows,
    pub(crate) asks: Rows,
}

/// What happened at the venue between two messages: a side, a price and a quantity, each from a small range.
pub(crate) type Change = (bool, i64, i64);

impl Resting {
    /// Prices of the sides do not meet, and every number has as many digits as every other, so that the text
    /// under a checksum can be read in one way only.
    fn change(&mut self, change: Change, places: Places) {
        let (is_bid, price, qty) = change;
        let (rows, price) =
            if is_bid { (&mut self.bids, 10_000 + price) } else { (&mut self.asks, 20_000 + price) };
        match qty {
            0 => rows.remove(&price),
            _ => rows.insert(price, (1_000 + qty, places)),
        };
    }

    fn window(&self, depth: Option<u32>) -> Resting {
        let depth = depth.map_or(usize::MAX, |depth| usize::try_from(depth).expect("small"));
        Resting {
            bids: self.bids.iter().rev().take(depth).map(|(p, row)| (*p, *row)).collect(),
            asks: self.asks.iter().take(depth).map(|(p, row)| (*p, *row)).collect(),
        }
    }

    fn checksum(&self, rules: &Rules) -> Option<u32> {
        let text = |(price, (qty, places)): (&i64, &(i64, Places))| {
            [spell(*price, places.price), spell(*qty, places.qty)]
        };
        match rules.checksum {
            Checksum::None => None,
            Checksum::Crc32Fixed { levels } => {
                let best = usize::from(levels);
                let rows = self.asks.iter().take(best).chain(self.bids.iter().rev().take(best));
                let digits: String = rows.map(|(price, (qty, _))| format!("{price}{qty}")).collect();
                Some(crc32fast::hash(digits.as_bytes()))
            }
            Checksum::Crc32Text { levels } => {
                let (mut bids, mut asks) = (self.bids.iter().rev(), self.asks.iter());
                let rows = (0..levels).flat_map(|_| [bids.next(), asks.next()]).flatten();
                let texts: Vec<String> = rows.flat_map(text).collect();
                Some(crc32fast::hash(texts.join(":").as_bytes()))
            }
        }
    }
}

/// A number with so many places, of which the scale's are among them.
fn spell(value: i64, places: u8) -> String {
    let zeros = usize::from(places - scale().digits());
    format!("{}{}", Scaled::new(value, scale()).padded(), "0".repeat(zeros))
}

/// A message as it goes over the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) ids: Option<Ids>,
    pub(crate) bids: Vec<(Level, Places)>,
    pub(crate) asks: Vec<(Level, Places)>,
    pub(crate) checksum: Option<u32>,
}

impl Message {
    /// Hands the message on as the book wants it.
    pub(crate) fn with<T>(&self, rules: &Rules, take: impl FnOnce(&Update<'_>) -> T) -> T {
        let split = |rows: &[(Level, Places)]| -> (Vec<Level>, Vec<Places>) { rows.iter().copied().unzip() };
        let ((bids, bid_places), (asks, ask_places)) = (split(&self.bids), split(&self.asks));
        let digits =
            Digits { price_scale: scale(), qty_scale: scale(), bids: &bid_places, asks: &ask_places };
        let has_digits = matches!(rules.checksum, Checksum::Crc32Text { .. });
        take(&Update {
            ids: self.ids,
            bids: &bids,
            asks: &asks,
            checksum: self.checksum,
            digits: has_digits.then_some(digits),
        })
    }

    fn of(rows: &Resting, rules: &Rules) -> Message {
        let all = |rows: &Rows| rows.iter().map(|(p, (q, places))| (Level::new(*p, *q), *places)).collect();
        Message { ids: None, bids: all(&rows.bids), asks: all(&rows.asks), checksum: rows.checksum(rules) }
    }

    /// What leads from one window to the next. A level that was only pushed out is not mentioned.
    fn between(before: &Resting, after: &Resting, all: &Resting, rules: &Rules) -> Message {
        let side = |before: &Rows, after: &Rows, all: &Rows| {
            let set = after.iter().filter(|(price, row)| before.get(price) != Some(row));
            let gone = before.keys().filter(|price| !all.contains_key(price));
            set.map(|(price, (qty, places))| (Level::new(*price, *qty), *places))
                .chain(gone.map(|price| (Level::new(*price, 0), Places { price: 2, qty: 0 })))
                .collect()
        };
        Message {
            ids: None,
            bids: side(&before.bids, &after.bids, &all.bids),
            asks: side(&before.asks, &after.asks, &all.asks),
            checksum: after.checksum(rules),
        }
    }
}

impl Message {
    /// States the rows of the message before once more, as they are now: the ids overlap.
    fn repeat(&mut self, before: &Message, now: &Resting) {
        let rows = |repeated: &[(Level, Places)], now: &Rows| -> Vec<(Level, Places)> {
            let row = |price: i64| now.get(&price).copied().unwrap_or_default();
            let again =
                |level: Level| (Level::new(level.price.0, row(level.price.0).0), row(level.price.0).1);
            repeated.iter().map(|(level, _)| again(*level)).collect()
        };
        self.bids.extend(rows(&before.bids, &now.bids));
        self.asks.extend(rows(&before.asks, &now.asks));
    }
}

/// What the venue did: message `m` leads from `states[m]` to `states[m + 1]`.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) states: Vec<Resting>,
    pub(crate) messages: Vec<Message>,
}

/// One message's worth of change, and small numbers that decide its ids.
pub(crate) type Beat = (Vec<Change>, u64, u64);

impl History {
    pub(crate) fn new(rules: &Rules, beats: &[Beat]) -> History {
        let mut all = Resting::default();
        let mut history = History { states: vec![Resting::default()], messages: Vec::new() };
        let (mut last, mut last_width) = (100, 1);
        for (at, (changes, width, skip)) in (0_u8..).zip(beats) {
            let before = all.window(rules.depth);
            for &change in changes {
                all.change(change, Places { price: 2 + at % 2, qty: 2 + at % 3 });
            }
            let after = all.window(rules.depth);
            let mut message = match rules.linkage {
                Linkage::Replace => Message::of(&after, rules),
                _ => Message::between(&before, &after, &all, rules),
            };
            message.ids = ids(rules.linkage, last, last_width, *width, *skip);
            if let (Some(repeated), true) =
                (history.messages.last(), message.ids.is_some_and(|ids| ids.first <= last))
            {
                message.repeat(repeated, &after);
            }
            last_width = *width;
            last = message.ids.map_or(last, |ids| ids.last);
            history.states.push(after);
            history.messages.push(message);
        }
        history
    }

    /// The id at which the venue stands after so many messages.
    pub(crate) fn id(&self, messages: usize) -> u64 {
        let before = messages.checked_sub(1).and_then(|at| self.messages[at].ids);
        before.map_or(100, |ids| ids.last)
    }

    /// A snapshot after so many messages.
    pub(crate) fn snapshot(&self, rules: &Rules, messages: usize) -> Message {
        let ids = rules_have_ids(rules).then(|| Ids::single(self.id(messages)));
        Message { ids, ..Message::of(&self.states[messages], rules) }
    }

    /// A snapshot from the midst of the next message, where its range has a midst: some of its rows are in it.
    pub(crate) fn snapshot_within(&self, rules: &Rules, messages: usize) -> Option<(Message, Resting)> {
        let next = self.messages.get(messages)?;
        let ids = next.ids.filter(|ids| ids.first < ids.last)?;
        let mut state = self.states[messages].clone();
        let (bids, asks) = (next.bids.iter().step_by(2), next.asks.iter().step_by(2));
        for (rows, (level, places)) in bids.map(|row| (true, row)).chain(asks.map(|row| (false, row))) {
            let rows = if rows { &mut state.bids } else { &mut state.asks };
            match level.qty.0 {
                0 => rows.remove(&level.price.0),
                qty => rows.insert(level.price.0, (qty, *places)),
            };
        }
        let message = Message { ids: Some(Ids::single(ids.last - 1)), ..Message::of(&state, rules) };
        Some((message, state))
    }
}

fn rules_have_ids(rules: &Rules) -> bool {
    rules.linkage != Linkage::Unnumbered
}

/// The numbers of the next message. Every count is gapless where the rule says so, and jumps where it may.
fn ids(linkage: Linkage, last: u64, last_width: u64, width: u64, skip: u64) -> Option<Ids> {
    match linkage {
        Linkage::Unnumbered => None,
        Linkage::Step { .. } => Some(Ids::single(last + 1)),
        Linkage::Range { overlap: false } => Some(Ids::range(last + 1, last + width)),
        Linkage::Range { overlap: true } => Some(Ids::range(last + 1 - skip.min(last_width), last + width)),
        Linkage::Chain { .. } => {
            let end = last + skip + width;
            Some(Ids { first: end + 1 - width, last: end, prev: Some(last) })
        }
        Linkage::Replace | Linkage::Rising | Linkage::Socket => Some(Ids::single(last + 1 + skip)),
    }
}
