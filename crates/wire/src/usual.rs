//! The fast path: a frame in the order its venue usually writes, read in one pass without allocating.
//!
//! A venue names its keys as literals, one after the other, and takes the values between. Whatever is spelt in
//! another way (white space, another order, an escape, an exponent, a sign, a digit beyond the scale) is
//! [`Unusual`], and the frame goes to the tolerant path through serde, which decides what it is. So this module may
//! refuse anything; what it takes it must read exactly as the tolerant path would.

use venuekit_types::{Level, Price, Qty, Scale, plain_prefix};

/// The frame is not spelt in the usual way from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in the venue's usual spelling, read it through serde")]
pub struct Unusual;

/// The longest frame that is usual: so many levels fit, and no more memory than a few times its bytes.
pub const LONG: usize = 1 << 20;

/// A frame that is being read.
///
/// ```
/// use venuekit_types::{Level, Scale};
/// use venuekit_wire::usual::{Cursor, Unusual};
///
/// let mut frame = Cursor::new(br#"{"u":160,"b":[["0.0024","10"]]}"#);
/// frame.literal(r#"{"u":"#)?;
/// assert_eq!(frame.integer()?, 160);
/// frame.literal(r#","b":"#)?;
/// let scales = (Scale::new(4).unwrap_or_default(), Scale::ZERO);
/// assert_eq!(frame.levels(scales).collect::<Result<Vec<_>, _>>()?, [Level::new(24, 10)]);
/// frame.literal("}")?;
/// frame.end()?;
/// # Ok::<(), Unusual>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte. A frame of more than [`LONG`] bytes has none that is usual.
    pub fn new(frame: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: if frame.len() > LONG { &[] } else { frame } }
    }

    /// Takes exactly this text.
    ///
    /// **Errors**: [`Unusual`] for any other.
    #[inline]
    pub fn literal(&mut self, text: &str) -> Result<(), Unusual> {
        self.rest = self.rest.strip_prefix(text.as_bytes()).ok_or(Unusual)?;
        Ok(())
    }

    /// Takes text up to the quote that ends it, and the quote.
    ///
    /// **Errors**: [`Unusual`] for an escape, a control character, or what is not ASCII.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Unusual> {
        let plain = |byte: &u8| !matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
        let end = self.rest.iter().position(plain).ok_or(Unusual)?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\"").ok_or(Unusual)?;
        std::str::from_utf8(text).map_err(|_| Unusual)
    }

    /// Takes an integer without a sign.
    ///
    /// **Errors**: [`Unusual`] where JSON has no integer, and for more than 64 bits.
    #[inline]
    pub fn integer(&mut self) -> Result<u64, Unusual> {
        let mut value = 0_u64;
        let mut len = 0;
        while let Some(digit) = self.rest.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10) {
            value = value.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit))).ok_or(Unusual)?;
            len += 1;
        }
        if len == 0 || (len > 1 && self.rest[0] == b'0') {
            return Err(Unusual);
        }
        self.rest = &self.rest[len..];
        Ok(value)
    }

    /// Takes an array of levels: `[["8804.00","1.5"],[8803,0]]`, each number quoted or bare.
    ///
    /// **Shape**: an iterator that must be used up before the cursor goes on; it ends after an error.
    #[inline]
    pub fn levels(&mut self, scales: (Scale, Scale)) -> Levels<'a, '_> {
        Levels { cursor: self, scales, place: Place::Start }
    }

    /// Takes an array of levels whose numbers have names, and gives the digits behind each point too:
    /// `[{"price":8804.50,"qty":1.5}]` of the names `price` and `qty`.
    ///
    /// **Shape**: as [`Cursor::levels`].
    #[inline]
    pub fn named_levels(&mut self, names: [&'a str; 2], scales: (Scale, Scale)) -> NamedLevels<'a, '_> {
        NamedLevels { cursor: self, names, scales, place: Place::Start }
    }

    /// Takes a number, quoted or bare, as a count of 10^-scale, and gives the digits behind its point too.
    ///
    /// **Errors**: [`Unusual`] for a sign, an exponent, and what does not fit the scale.
    #[inline]
    pub fn spelt(&mut self, scale: Scale) -> Result<(i64, u8), Unusual> {
        let before = self.rest;
        let value = self.number(scale)?;
        let text = &before[..before.len() - self.rest.len()];
        let behind = text.iter().rev().skip_while(|byte| **byte == b'"').position(|byte| *byte == b'.');
        Ok((value, behind.map_or(Ok(0), u8::try_from).map_err(|_| Unusual)?))
    }

    /// Says that nothing may follow.
    ///
    /// **Errors**: [`Unusual`] when something does.
    pub fn end(&self) -> Result<(), Unusual> {
        if self.rest.is_empty() { Ok(()) } else { Err(Unusual) }
    }

    #[inline]
    fn byte(&mut self, byte: u8) -> Result<(), Unusual> {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(Unusual),
        }
    }

    #[inline]
    fn named_row(&mut self, [price, qty]: [&str; 2], scales: (Scale, Scale)) -> Result<Spelt, Unusual> {
        self.byte(b'{')?;
        self.name(price)?;
        let price = self.spelt(scales.0)?;
        self.byte(b',')?;
        self.name(qty)?;
        let qty = self.spelt(scales.1)?;
        self.byte(b'}')?;
        Ok((Level { price: Price(price.0), qty: Qty(qty.0) }, [price.1, qty.1]))
    }

    /// A name of an object, and the colon.
    #[inline]
    fn name(&mut self, name: &str) -> Result<(), Unusual> {
        self.byte(b'"')?;
        self.literal(name)?;
        self.literal("\":")
    }

    #[inline]
    fn row(&mut self, (price, qty): (Scale, Scale)) -> Result<Level, Unusual> {
        self.byte(b'[')?;
        let price = Price(self.number(price)?);
        self.byte(b',')?;
        let qty = Qty(self.number(qty)?);
        self.byte(b']')?;
        Ok(Level { price, qty })
    }

    #[inline]
    fn number(&mut self, scale: Scale) -> Result<i64, Unusual> {
        match self.rest {
            [b'"', quoted @ ..] => {
                let (value, len) = plain_prefix(quoted, scale).ok_or(Unusual)?;
                self.rest = &quoted[len..];
                self.byte(b'"')?;
                Ok(value)
            }
            // JSON has no bare `007`.
            [b'0', b'0'..=b'9', ..] => Err(Unusual),
            bare => {
                let (value, len) = plain_prefix(bare, scale).ok_or(Unusual)?;
                self.rest = &bare[len..];
                Ok(value)
            }
        }
    }
}

/// The rows of one side; see [`Cursor::levels`].
#[derive(Debug)]
pub struct Levels<'a, 'c> {
    cursor: &'c mut Cursor<'a>,
    scales: (Scale, Scale),
    place: Place,
}

/// The rows of one side; see [`Cursor::named_levels`].
#[derive(Debug)]
pub struct NamedLevels<'a, 'c> {
    cursor: &'c mut Cursor<'a>,
    names: [&'a str; 2],
    scales: (Scale, Scale),
    place: Place,
}

/// A level, and the digits behind the points of its price and its quantity.
type Spelt = (Level, [u8; 2]);

impl Iterator for NamedLevels<'_, '_> {
    type Item = Result<Spelt, Unusual>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let go_on = self.place.go_on(self.cursor)?;
        let row = go_on.and_then(|()| self.cursor.named_row(self.names, self.scales));
        if row.is_err() {
            self.place = Place::Done;
        }
        Some(row)
    }
}

/// Where in an array a cursor stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Start,
    Row,
    Done,
}

impl Place {
    /// Goes to the next row; nothing at the end.
    #[inline]
    fn go_on(&mut self, cursor: &mut Cursor<'_>) -> Option<Result<(), Unusual>> {
        let go_on = match self {
            Place::Row => cursor.byte(b','),
            Place::Start => cursor.byte(b'['),
            Place::Done => return None,
        };
        let is_start = matches!(self, Place::Start);
        let may_end = go_on.is_ok() == is_start;
        if may_end && cursor.byte(b']').is_ok() {
            *self = Place::Done;
            return None;
        }
        *self = Place::Row;
        Some(go_on)
    }
}

impl Iterator for Levels<'_, '_> {
    type Item = Result<Level, Unusual>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let go_on = self.place.go_on(self.cursor)?;
        let row = go_on.and_then(|()| self.cursor.row(self.scales));
        if row.is_err() {
            self.place = Place::Done;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use venuekit_types::parse_scaled;

    fn scale(digits: u8) -> Scale {
        Scale::new(digits).expect("within 0..=18")
    }

    /// Rows, and what stands behind them.
    type Taken<'a> = (Vec<(i64, i64)>, &'a str);

    fn rows(text: &str, price: u8, qty: u8) -> Result<Taken<'_>, Unusual> {
        let mut cursor = Cursor::new(text.as_bytes());
        let levels: Result<Vec<Level>, Unusual> = cursor.levels((scale(price), scale(qty))).collect();
        let rest = std::str::from_utf8(cursor.rest).expect("it was text");
        Ok((levels?.iter().map(|row| (row.price.0, row.qty.0)).collect(), rest))
    }

    #[test]
    fn takes_what_venues_send_and_leaves_what_follows() {
        assert_eq!(
            rows(r#"[["8804.00",100],["8803","0"]],"x""#, 2, 0),
            Ok((vec![(880_400, 100), (880_300, 0)], ",\"x\""))
        );
        assert_eq!(rows("[[0.1,7]]", 1, 0), Ok((vec![(1, 7)], "")));
        assert_eq!(rows("[]}", 1, 0), Ok((vec![], "}")));
    }

    #[test]
    fn takes_levels_with_names_and_says_how_they_were_spelt() {
        let take = |text: &str| {
            let mut cursor = Cursor::new(text.as_bytes());
            let rows: Result<Vec<Spelt>, Unusual> =
                cursor.named_levels(["price", "qty"], (scale(2), scale(8))).collect();
            rows.map(|rows| rows.iter().map(|(row, places)| (row.price.0, row.qty.0, *places)).collect())
        };
        let row = |price, qty, places| (price, qty, places);
        let text = r#"[{"price":8804.50,"qty":1.00000000},{"price":"8803","qty":0}]"#;
        let rows: Vec<(i64, i64, [u8; 2])> = vec![row(880_450, 100_000_000, [2, 8]), row(880_300, 0, [0, 0])];
        assert_eq!(take(text), Ok(rows));
        // What stands beyond the scale is zero, and counted.
        assert_eq!(take(r#"[{"price":0.50000,"qty":"7.0"}]"#), Ok(vec![row(50, 700_000_000, [5, 1])]));
        assert_eq!(take("[]"), Ok(vec![]));
        for text in [
            r#"[{"qty":1,"price":1}]"#,
            r#"[{"price":1}]"#,
            r#"[{"price":1,"qty":1,"n":1}]"#,
            r#"[{"price": 1,"qty":1}]"#,
            r#"[{"price":5.1e-05,"qty":1}]"#,
            r#"[{"price":0.001,"qty":1}]"#,
            r#"[{"price":1,"qty":1}"#,
            "[[1,1]]",
            "null",
        ] {
            assert_eq!(take(text), Err(Unusual), "{text}");
        }
    }

    #[test]
    fn leaves_the_rest_to_the_tolerant_path() {
        for text in [
            "",
            "[",
            "]",
            "[[",
            "[[]]",
            "[[1]]",
            "[[1,2]",
            "[[1,2],]",
            "[,[1,2]]",
            "[[1,2][3,4]]",
            "[[1,2,3]]",
            "null",
            "[ ]",
            "[[1, 2]]",
            "[[1e2,2]]",
            "[[-1,2]]",
            "[[01,2]]",
            "[[1.,2]]",
            "[[.5,2]]",
            r#"[["1,2]]"#,
            r#"[["1","2]]"#,
            r#"[["1.23",2]]"#,
            r#"[["\u0031",2]]"#,
            r#"[["+1",2]]"#,
        ] {
            assert_eq!(rows(text, 1, 0), Err(Unusual), "{text}");
        }
        for text in ["\"", "a\\\"", "\u{e9}\"", "a\n\"", "a"] {
            let taken = Cursor::new(text.as_bytes()).text();
            assert_eq!(taken.is_ok(), text == "\"", "{text:?}");
        }
        for text in ["", "01", "18446744073709551616", "-1", "x"] {
            assert_eq!(Cursor::new(text.as_bytes()).integer(), Err(Unusual), "{text}");
        }
        assert_eq!(Cursor::new(b"18446744073709551615").integer(), Ok(u64::MAX));
        assert_eq!(Cursor::new(b"0").integer(), Ok(0));
    }

    /// What fits 15 digits.
    const NARROW: i64 = 1_000_000_000_000_000;

    /// What the tolerant path makes of the same array.
    fn tolerant(text: &str, price: Scale, qty: Scale) -> Option<Vec<(i64, i64)>> {
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        let number = |digits: &str, scale| parse_scaled(digits.as_bytes(), scale).ok();
        scan::levels(raw.get())
            .map(|row| row.ok().and_then(|(p, q)| Some((number(p, price)?, number(q, qty)?))))
            .collect()
    }

    proptest! {
        /// What the fast path takes whole, the tolerant path reads the same; and it takes every plain array.
        #[test]
        fn agrees_with_the_tolerant_path(
            text in prop::collection::vec(
                (r#""?[0-9]{1,12}(\.[0-9]{1,9})?"?"#, r#""?-?[0-9]{0,12}(\.[0-9]{0,9})?(e[0-9])?"?"#), 0..4,
            ).prop_map(|rows| {
                let rows: Vec<String> = rows.iter().map(|(p, q)| format!("[{p},{q}]")).collect();
                format!("[{}]", rows.join(","))
            }),
            changed in prop::option::of((any::<prop::sample::Index>(), any::<char>())),
            price in 0_u8..=18, qty in 0_u8..=18,
        ) {
            let mut text = text;
            if let Some((at, with)) = changed {
                let at = at.index(text.len());
                text.replace_range(at..=at, &with.to_string());
            }
            if let Ok((fast, "")) = rows(&text, price, qty) {
                prop_assert_eq!(Some(fast), tolerant(&text, scale(price), scale(qty)), "{}", text);
            }
        }

        #[test]
        fn takes_every_plain_array(
            levels in prop::collection::vec((0..NARROW, 0..NARROW, any::<bool>()), 0..5),
            price in 0_u8..=9, qty in 0_u8..=9,
        ) {
            let shown = |value, digits| venuekit_types::Scaled::new(value, scale(digits)).padded();
            let text: Vec<String> = levels.iter().map(|(p, q, quoted)| match quoted {
                true => format!("[\"{}\",\"{}\"]", shown(*p, price), shown(*q, qty)),
                false => format!("[{},{}]", shown(*p, price), shown(*q, qty)),
            }).collect();
            let text = format!("[{}]", text.join(","));
            let expected: Vec<(i64, i64)> = levels.iter().map(|(p, q, _)| (*p, *q)).collect();
            prop_assert_eq!(rows(&text, price, qty), Ok((expected, "")), "{}", text);
        }
    }
}
