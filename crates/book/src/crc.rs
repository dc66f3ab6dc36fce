//! The two checksums over the top of a book, and the spelling one of them needs.
//!
//! The CRC is IEEE's, as in zlib. It owns text only; when a checksum is due, and what a mismatch means, is the
//! ladder's.

use alloc::collections::BTreeMap;

use crc32fast::Hasher;
use venuekit_types::{BookSide, Level, Price, Scale};

use crate::side::Side;
use crate::{Places, Update};

/// The digits of an unsigned 64-bit integer, or of a text of as many places as we print.
const TEXT_MAX: usize = 64;

/// The precision of a stream whose scales are not the venue's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Precision {
    scales: (Scale, Scale),
    places: Places,
}

impl Precision {
    /// With the places of one more message; nothing while none was spelt.
    pub(crate) fn after(known: Option<Precision>, update: &Update<'_>) -> Option<Precision> {
        let Some(digits) = update.digits else { return known };
        let mut places = known.map_or(Places::default(), |known| known.places);
        for row in digits.bids.iter().chain(digits.asks) {
            places.price = places.price.max(row.price);
            places.qty = places.qty.max(row.qty);
        }
        Some(Precision { scales: (digits.price_scale, digits.qty_scale), places })
    }
}

/// Asks, then bids, best first; each level as the digits of its integers, or of as many places as `precision` says.
pub(crate) fn fixed(bids: &Side, asks: &Side, levels: u8, precision: Option<Precision>) -> u32 {
    let mut hasher = Hasher::new();
    let mut push = |value: i64, form: Option<(Scale, u8)>| {
        let text = Text::integer(value);
        let digits = text.bytes();
        let (scale, places) = form.map_or((0, 0), |(scale, places)| (scale.digits(), places));
        let surplus = usize::from(scale.saturating_sub(places)).min(digits.len());
        hasher.update(&digits[..digits.len() - surplus]);
        for _ in scale..places {
            hasher.update(b"0");
        }
    };
    for side in [asks, bids] {
        for row in side.iter().take(usize::from(levels)) {
            push(row.price.0, precision.map(|p| (p.scales.0, p.places.price)));
            push(row.qty.0, precision.map(|p| (p.scales.1, p.places.qty)));
        }
    }
    hasher.finalize()
}

/// How the venue spelt the numbers of each level: the places behind the point, beside the integers.
#[derive(Clone, Debug)]
pub(crate) struct Spelling {
    scales: Option<(Scale, Scale)>,
    bids: BTreeMap<i64, Places>,
    asks: BTreeMap<i64, Places>,
}

impl Spelling {
    pub(crate) const fn new() -> Spelling {
        Spelling { scales: None, bids: BTreeMap::new(), asks: BTreeMap::new() }
    }

    pub(crate) fn clear(&mut self) {
        *self = Spelling::new();
    }

    /// Notes the spelling of a message's rows; a row without one is forgotten.
    pub(crate) fn set(&mut self, update: &Update<'_>) {
        let (bids, asks) = update.digits.map_or((&[][..], &[][..]), |digits| (digits.bids, digits.asks));
        if let Some(digits) = update.digits {
            self.scales = Some((digits.price_scale, digits.qty_scale));
        }
        note(&mut self.bids, update.bids, bids);
        note(&mut self.asks, update.asks, asks);
    }

    pub(crate) fn forget(&mut self, side: BookSide, price: Price) {
        match side {
            BookSide::Bid => self.bids.remove(&price.0),
            BookSide::Ask => self.asks.remove(&price.0),
        };
    }

    /// `bid:qty:ask:qty…` in the original text; a side that has ended is skipped. Nothing when a level came
    /// without its spelling.
    pub(crate) fn crc(&self, bids: &Side, asks: &Side, levels: u8) -> Option<u32> {
        debug_assert!(
            self.bids.len() <= bids.len() && self.asks.len() <= asks.len(),
            "a spelling outlived its level"
        );
        let mut text = Joined { hasher: Hasher::new(), started: false };
        let (mut bids, mut asks) = (bids.iter(), asks.iter());
        for _ in 0..levels {
            for (row, places) in [(bids.next(), &self.bids), (asks.next(), &self.asks)] {
                if let Some(row) = row {
                    let (price_scale, qty_scale) = self.scales?;
                    let places = places.get(&row.price.0)?;
                    text.push(Text::decimal(row.price.0, price_scale, places.price)?);
                    text.push(Text::decimal(row.qty.0, qty_scale, places.qty)?);
                }
            }
        }
        Some(text.hasher.finalize())
    }
}

fn note(known: &mut BTreeMap<i64, Places>, rows: &[Level], places: &[Places]) {
    let mut places = places.iter();
    for row in rows {
        match places.next() {
            Some(&places) if row.qty.0 != 0 => known.insert(row.price.0, places),
            _ => known.remove(&row.price.0),
        };
    }
}

/// Texts with colons between.
struct Joined {
    hasher: Hasher,
    started: bool,
}

impl Joined {
    fn push(&mut self, text: Text) {
        if self.started {
            self.hasher.update(b":");
        }
        self.started = true;
        self.hasher.update(text.bytes());
    }
}

/// A number as text, on the stack, written from its end.
struct Text {
    bytes: [u8; TEXT_MAX],
    start: usize,
}

impl Text {
    fn integer(value: i64) -> Text {
        let mut text = Text { bytes: [b'0'; TEXT_MAX], start: TEXT_MAX };
        text.digits(value.unsigned_abs(), 1);
        text
    }

    /// The number with exactly `places` digits behind the point; nothing when that would round it, or be
    /// longer than any number is.
    fn decimal(value: i64, scale: Scale, places: u8) -> Option<Text> {
        let mut text = Text { bytes: [b'0'; TEXT_MAX], start: TEXT_MAX };
        let magnitude = value.unsigned_abs();
        let unit = scale.unit().unsigned_abs();
        let (whole, mut fraction) = (magnitude / unit, magnitude % unit);
        let held = usize::from(scale.digits());
        let wanted = usize::from(places);
        if wanted > 0 {
            // Places beyond the scale are zeros, which the buffer holds already.
            text.start = text.start.checked_sub(wanted.saturating_sub(held)).filter(|&start| start > 40)?;
        }
        for _ in wanted..held {
            if fraction % 10 != 0 {
                return None;
            }
            fraction /= 10;
        }
        if wanted > 0 {
            text.digits(fraction, wanted.min(held));
            text.push(b'.');
        }
        text.digits(whole, 1);
        Some(text)
    }

    /// Writes digits in front, at least `width` of them.
    fn digits(&mut self, mut value: u64, width: usize) {
        let end = self.start;
        while value > 0 || end - self.start < width {
            self.push(b'0' + u8::try_from(value % 10).expect("a digit is below ten"));
            value /= 10;
        }
    }

    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}
