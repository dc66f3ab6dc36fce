//! Decimal text to `i64` and back, exactly.
//!
//! Owns the one parser of numbers that every venue uses. It refuses to round: a digit that does not fit the
//! scale is [`NumError::TooFine`], a value that does not fit 64 bits is [`NumError::OutOfRange`].

use core::fmt;

/// The number of decimal places an `i64` counts in, 0 to 18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Scale(u8);

impl Scale {
    /// Whole units.
    pub const ZERO: Scale = Scale(0);
    /// The finest scale: 10^-18.
    pub const MAX: Scale = Scale(18);

    /// Gives the scale of `digits` decimal places, or nothing above 18.
    pub const fn new(digits: u8) -> Option<Scale> {
        if digits <= 18 { Some(Scale(digits)) } else { None }
    }

    /// The number of decimal places.
    pub const fn digits(self) -> u8 {
        self.0
    }

    /// 10^digits, the number of counts in one whole unit.
    pub const fn unit(self) -> i64 {
        POW10[self.0 as usize]
    }
}

/// 10^0 to 10^18, all of which fit an `i64`.
const POW10: [i64; 19] = {
    let mut table = [1i64; 19];
    let mut i = 1;
    while i < 19 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};

/// Why a text is not a number we can hold exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumError {
    /// The text is empty.
    #[error("an empty text is not a number")]
    Empty,
    /// The byte at `at` cannot stand there in a decimal number.
    #[error("not a decimal number: unexpected byte at position {at}")]
    Syntax {
        /// Offset of the offending byte.
        at: usize,
    },
    /// The value does not fit 64 bits at this scale.
    #[error("the number does not fit 64 bits at this scale")]
    OutOfRange,
    /// The number has more significant decimal places than the scale; `digits` would hold it.
    #[error("the number needs {digits} decimal places, more than the scale has")]
    TooFine {
        /// Decimal places needed.
        digits: u8,
    },
}

/// The parts of a decimal text: `negative`, significant digits as an integer, and the power of ten they stand at.
struct Parts {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

/// Splits decimal text into parts with neither leading nor trailing zeros in the mantissa.
fn parts(text: &[u8]) -> Result<Parts, NumError> {
    let mut at = 0;
    let negative = match text.first() {
        None => return Err(NumError::Empty),
        Some(b'-') => {
            at = 1;
            true
        }
        Some(b'+') => {
            at = 1;
            false
        }
        Some(_) => false,
    };
    let mut mantissa: u64 = 0;
    let mut overflow = false;
    // Zeros are held back until a later digit makes them significant, so that "1.000…0" of any length is 1.
    let mut pending_zeros: i32 = 0;
    let mut exponent: i32 = 0;
    let mut seen_digit = false;
    let mut seen_dot = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'0'..=b'9' => {
                seen_digit = true;
                if byte == b'0' {
                    if mantissa != 0 {
                        pending_zeros = pending_zeros.saturating_add(1);
                    }
                } else {
                    while pending_zeros > 0 && !overflow {
                        match mantissa.checked_mul(10) {
                            Some(m) => mantissa = m,
                            None => overflow = true,
                        }
                        pending_zeros -= 1;
                    }
                    match mantissa.checked_mul(10).and_then(|m| m.checked_add(u64::from(byte - b'0'))) {
                        Some(m) => mantissa = m,
                        None => overflow = true,
                    }
                }
                if seen_dot {
                    exponent = exponent.saturating_sub(1);
                }
            }
            b'.' if !seen_dot => seen_dot = true,
            b'e' | b'E' if seen_digit => {
                exponent = exponent.saturating_add(exponent_of(text, at + 1)?);
                at = text.len();
                break;
            }
            _ => return Err(NumError::Syntax { at }),
        }
        at += 1;
    }
    if !seen_digit {
        return Err(NumError::Syntax { at });
    }
    if overflow {
        return Err(NumError::OutOfRange);
    }
    if mantissa == 0 {
        return Ok(Parts { negative: false, mantissa: 0, exponent: 0 });
    }
    Ok(Parts { negative, mantissa, exponent: exponent.saturating_add(pending_zeros) })
}

/// Reads the digits after `e`, with an optional sign; saturates, since no value of that size fits anyway.
fn exponent_of(text: &[u8], start: usize) -> Result<i32, NumError> {
    let mut at = start;
    let negative = match text.get(at) {
        Some(b'-') => {
            at += 1;
            true
        }
        Some(b'+') => {
            at += 1;
            false
        }
        _ => false,
    };
    if at >= text.len() {
        return Err(NumError::Syntax { at });
    }
    let mut value: i32 = 0;
    while let Some(&byte) = text.get(at) {
        if !byte.is_ascii_digit() {
            return Err(NumError::Syntax { at });
        }
        value = value.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
        at += 1;
    }
    // Half the range, so that the sum with a count of digits cannot wrap.
    let value = value.min(i32::MAX / 2);
    Ok(if negative { -value } else { value })
}

/// Multiplies a mantissa up to an integer, with its sign.
fn scale_up(parts: &Parts, power: i32) -> Result<i64, NumError> {
    let power = usize::try_from(power).map_err(|_| NumError::OutOfRange)?;
    let unit = *POW10.get(power).ok_or(NumError::OutOfRange)?;
    let magnitude = i128::from(parts.mantissa) * i128::from(unit);
    let signed = if parts.negative { -magnitude } else { magnitude };
    i64::try_from(signed).map_err(|_| NumError::OutOfRange)
}

/// Every byte of a word.
const BYTES: u64 = 0x0101_0101_0101_0101;

/// Eight characters as a word, the first in the lowest byte, with digits as their values.
#[inline]
fn word(eight: [u8; 8]) -> u64 {
    u64::from_le_bytes(eight) ^ (BYTES * 0x30)
}

/// The top bit of each byte of a word that is no digit.
#[inline]
fn others(word: u64) -> u64 {
    (((word & (BYTES * 0x7f)) + BYTES * 0x76) | word) & (BYTES * 0x80)
}

/// The value of the first `count` digits of a word, 1 to 8.
#[inline]
fn value(word: u64, count: u32) -> u64 {
    // Zeros in front, then pairs, fours and eights.
    let digits = word << (64 - 8 * count);
    let pairs = digits.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * (1 << 32) + 1) >> 32
}

/// Reads the digits at the start of a text: their value, up to 16 of them, and how many they are.
fn digits_at(text: &[u8]) -> (u64, usize) {
    let eight_at = |text: &[u8]| {
        let word = word(match text.first_chunk() {
            Some(eight) => *eight,
            None => core::array::from_fn(|at| text.get(at).copied().unwrap_or_default()),
        });
        let count = others(word).trailing_zeros() / 8;
        (if count == 0 { 0 } else { value(word, count) }, count as usize)
    };
    let (first, count) = eight_at(text);
    if count < 8 {
        return (first, count);
    }
    let (more, others) = eight_at(&text[8..]);
    (first * POW10[others].unsigned_abs() + more, 8 + others)
}

/// Reads a plain decimal at the start of a text, `8804.00`, as a count of 10^-scale, with its length in bytes.
///
/// What is not plain is nothing: a sign, an exponent, a part without digits, 16 digits or more in one part, a value
/// beyond the scale or 64 bits. [`parse_scaled`] says what it is.
///
/// ```
/// use venuekit_types::{Scale, plain_prefix};
/// let scale = Scale::new(2).unwrap_or_default();
/// assert_eq!(plain_prefix(b"8804.00\",", scale), Some((880_400, 7)));
/// assert_eq!(plain_prefix(b"0.001", scale), None);
/// ```
#[inline]
pub fn plain_prefix(text: &[u8], scale: Scale) -> Option<(i64, usize)> {
    // Most numbers end within eight characters, and are read as one word.
    let Some(&eight) = text.first_chunk() else { return long_prefix(text, scale) };
    let word = word(eight);
    let others = others(word);
    let whole = others.trailing_zeros() / 8;
    if whole == 0 || whole == 8 {
        return long_prefix(text, scale);
    }
    if eight[whole as usize] != b'.' {
        return Some((value(word, whole).cast_signed().checked_mul(scale.unit())?, whole as usize));
    }
    let end = (others & (others - 1)).trailing_zeros() / 8;
    let places = end - whole - 1;
    let goes_on = end == 8 && text.get(8).is_some_and(u8::is_ascii_digit);
    if goes_on || places == 0 || places > u32::from(scale.0) {
        return long_prefix(text, scale);
    }
    let before = (1 << (8 * whole)) - 1;
    let digits = word & before | word >> 8 & !before;
    let unit = POW10[usize::from(scale.0) - places as usize];
    Some((value(digits, end - 1).cast_signed().checked_mul(unit)?, end as usize))
}

/// The same for numbers of any length.
#[inline(never)]
fn long_prefix(text: &[u8], scale: Scale) -> Option<(i64, usize)> {
    let (whole, len) = digits_at(text);
    if len == 0 || len >= 16 {
        return None;
    }
    let whole = whole.cast_signed().checked_mul(scale.unit())?;
    if text.get(len) != Some(&b'.') {
        return Some((whole, len));
    }
    let (fraction, places) = digits_at(&text[len + 1..]);
    if places == 0 || places >= 16 {
        return None;
    }
    let held = usize::from(scale.0);
    let fraction = if places <= held {
        fraction.cast_signed() * POW10[held - places]
    } else {
        // Only zeros may stand beyond the scale.
        let beyond = POW10[places - held].unsigned_abs();
        if !fraction.is_multiple_of(beyond) {
            return None;
        }
        (fraction / beyond).cast_signed()
    };
    Some((whole.checked_add(fraction)?, len + 1 + places))
}

/// Reads decimal text (sign, point, exponent, any leading or trailing zeros) as a count of 10^-scale.
///
/// **Errors**: [`NumError`]; nothing is rounded. `"1e400"` is out of range, `"NaN"` is a syntax error.
pub fn parse_scaled(text: &[u8], scale: Scale) -> Result<i64, NumError> {
    if let Some((value, len)) = plain_prefix(text, scale)
        && len == text.len()
    {
        return Ok(value);
    }
    let parts = parts(text)?;
    if parts.mantissa == 0 {
        return Ok(0);
    }
    let power = parts.exponent.saturating_add(i32::from(scale.0));
    if power < 0 {
        // The mantissa has no trailing zeros, so its places are exactly -exponent.
        let digits = u8::try_from(parts.exponent.unsigned_abs()).unwrap_or(u8::MAX);
        return Err(NumError::TooFine { digits });
    }
    scale_up(&parts, power)
}

/// Reads decimal text at the scale the text itself needs: trailing zeros are dropped.
pub fn parse_fixed(text: &[u8]) -> Result<Fixed, NumError> {
    let parts = parts(text)?;
    if parts.exponent >= 0 {
        return Ok(Fixed { mantissa: scale_up(&parts, parts.exponent)?, scale: Scale::ZERO });
    }
    let digits = u8::try_from(parts.exponent.unsigned_abs()).unwrap_or(u8::MAX);
    let scale = Scale::new(digits).ok_or(NumError::TooFine { digits })?;
    Ok(Fixed { mantissa: scale_up(&parts, 0)?, scale })
}

/// An `i64` and the scale it counts in, for printing.
///
/// `Display` writes a plain decimal without trailing zeros; [`Scaled::padded`] keeps every place of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    value: i64,
    scale: Scale,
}

impl Scaled {
    /// Pairs a count with its scale.
    pub const fn new(value: i64, scale: Scale) -> Scaled {
        Scaled { value, scale }
    }

    /// The same number with all places of its scale: `8804.50`.
    pub const fn padded(self) -> Padded {
        Padded(self)
    }

    fn split(self) -> (bool, u64, u64) {
        let unit = self.scale.unit().unsigned_abs();
        let magnitude = self.value.unsigned_abs();
        (self.value < 0, magnitude / unit, magnitude % unit)
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, whole, mut fraction) = self.split();
        if negative {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if fraction != 0 {
            let mut places = usize::from(self.scale.0);
            while fraction % 10 == 0 {
                fraction /= 10;
                places -= 1;
            }
            write!(f, ".{fraction:0places$}")?;
        }
        Ok(())
    }
}

/// A [`Scaled`] printed with every place of its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padded(Scaled);

impl fmt::Display for Padded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, whole, fraction) = self.0.split();
        if negative {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        let places = usize::from(self.0.scale.0);
        if places > 0 {
            write!(f, ".{fraction:0places$}")?;
        }
        Ok(())
    }
}

/// An exact decimal of its own scale: fee rates, contract sizes, minimum notionals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fixed {
    /// The count of 10^-scale.
    pub mantissa: i64,
    /// Decimal places.
    pub scale: Scale,
}

impl Fixed {
    /// A whole number.
    pub const fn whole(value: i64) -> Fixed {
        Fixed { mantissa: value, scale: Scale::ZERO }
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Scaled::new(self.mantissa, self.scale).fmt(f)
    }
}

impl core::str::FromStr for Fixed {
    type Err = NumError;

    fn from_str(text: &str) -> Result<Fixed, NumError> {
        parse_fixed(text.as_bytes())
    }
}

#[cfg(feature = "decimal")]
impl From<Fixed> for rust_decimal::Decimal {
    fn from(value: Fixed) -> rust_decimal::Decimal {
        rust_decimal::Decimal::new(value.mantissa, u32::from(value.scale.digits()))
    }
}

#[cfg(feature = "decimal")]
impl From<Scaled> for rust_decimal::Decimal {
    fn from(value: Scaled) -> rust_decimal::Decimal {
        rust_decimal::Decimal::new(value.value, u32::from(value.scale.digits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn check(text: &str, scale: u8, expected: Result<i64, NumError>) {
        assert_eq!(parse_scaled(text.as_bytes(), Scale(scale)), expected, "{text:?} at scale {scale}");
    }

    #[test]
    fn parses_every_spelling_exactly() {
        check("8804.00", 2, Ok(880_400));
        check("0.00006547", 8, Ok(6547));
        check("5.1e-05", 8, Ok(5100));
        check("1e-10", 10, Ok(1));
        check("1E+3", 0, Ok(1000));
        check("-0.5", 1, Ok(-5));
        check("+7", 0, Ok(7));
        check("-0", 4, Ok(0));
        check("007.10", 1, Ok(71));
        check("1.", 0, Ok(1));
        check(".5", 1, Ok(5));
        check("1.00000000000000000000000000000000000", 0, Ok(1));
        check("9223372036854775807", 0, Ok(i64::MAX));
        check("-9223372036854775808", 0, Ok(i64::MIN));
        check("0e999999999999", 3, Ok(0));
        check("100e-2", 0, Ok(1));
    }

    #[test]
    fn refuses_what_it_cannot_hold() {
        check("", 0, Err(NumError::Empty));
        check("-", 0, Err(NumError::Syntax { at: 1 }));
        check(".", 0, Err(NumError::Syntax { at: 1 }));
        check("1.2.3", 2, Err(NumError::Syntax { at: 3 }));
        check("NaN", 2, Err(NumError::Syntax { at: 0 }));
        check("1e", 2, Err(NumError::Syntax { at: 2 }));
        check("1e-", 2, Err(NumError::Syntax { at: 3 }));
        check("1 ", 2, Err(NumError::Syntax { at: 1 }));
        check("e5", 2, Err(NumError::Syntax { at: 0 }));
        check("1e400", 2, Err(NumError::OutOfRange));
        check("9223372036854775808", 0, Err(NumError::OutOfRange));
        check("99999999999999999999", 0, Err(NumError::OutOfRange));
        check("0.123", 2, Err(NumError::TooFine { digits: 3 }));
        check("1e-400", 2, Err(NumError::TooFine { digits: 255 }));
    }

    #[test]
    fn prints_plain_and_padded() {
        let shown = |value, scale| Scaled::new(value, Scale(scale)).to_string();
        assert_eq!(shown(880_450, 2), "8804.5");
        assert_eq!(shown(-5, 3), "-0.005");
        assert_eq!(shown(0, 8), "0");
        assert_eq!(shown(i64::MIN, 0), "-9223372036854775808");
        assert_eq!(Scaled::new(880_450, Scale(2)).padded().to_string(), "8804.50");
        assert_eq!(Scaled::new(7, Scale(0)).padded().to_string(), "7");
        assert_eq!(parse_fixed(b"0.000750").map(|f| f.to_string()), Ok("0.00075".to_string()));
        assert_eq!(parse_fixed(b"1e3"), Ok(Fixed::whole(1000)));
    }

    proptest! {
        /// B6: parse, print, parse is the identity at every scale.
        #[test]
        fn text_round_trips(value in any::<i64>(), digits in 0u8..=18) {
            let scale = Scale(digits);
            let plain = Scaled::new(value, scale).to_string();
            let padded = Scaled::new(value, scale).padded().to_string();
            prop_assert_eq!(parse_scaled(plain.as_bytes(), scale), Ok(value));
            prop_assert_eq!(parse_scaled(padded.as_bytes(), scale), Ok(value));
        }

        /// The plain form is read as the general one reads it, and what is not plain is left alone.
        #[test]
        fn plain_is_general(text in "[0-9]{0,20}(\\.[0-9]{0,20})?[,\\]\"e.-]?", digits in 0u8..=18) {
            let scale = Scale(digits);
            let end = text.find([',', ']', '"', 'e', '-']).unwrap_or(text.len());
            if let Some((value, len)) = plain_prefix(text.as_bytes(), scale) {
                let parts = parts(&text.as_bytes()[..len]).expect("a number");
                let power = parts.exponent + i32::from(digits);
                prop_assert_eq!(scale_up(&parts, power.max(0)), Ok(value));
                prop_assert!(power >= 0 && len <= end);
            }
        }

        /// Any text gives a value or an error and never a panic.
        #[test]
        fn any_text_is_survived(text in "[-+0-9.eE]{0,40}", digits in 0u8..=18) {
            let _ = parse_scaled(text.as_bytes(), Scale(digits));
            let _ = parse_fixed(text.as_bytes());
        }
    }
}
