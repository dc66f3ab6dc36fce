//! Decimal text against integers of any size: the body of a fuzz target and of the test that replays its corpus.

use num_bigint::BigInt;
use venuekit_types::{Scale, parse_fixed, parse_scaled, plain_prefix};

/// Exponents beyond this say the same as this one, and cost the oracle memory.
const EXPONENT_MAX: i64 = 400;

/// What a text says: an integer and the power of ten it stands at; nothing when it is no decimal.
fn read(text: &[u8]) -> Option<(BigInt, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        None => (rest, 0),
        Some((number, exponent)) => {
            let (minus, digits) = match exponent.strip_prefix(['+', '-']) {
                Some(digits) => (exponent.starts_with('-'), digits),
                None => (false, exponent),
            };
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let digits = is_number.then(|| digits.trim_start_matches('0'))?;
            // More digits than that are more than any bound.
            let value = if digits.len() > 6 { 1_000_000 } else { format!("0{digits}").parse().ok()? };
            (number, if minus { -value } else { value })
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa: BigInt = is_number.then(|| format!("{sign}{digits}").parse().ok())??;
    Some((mantissa, exponent - i64::try_from(fraction.len()).ok()?))
}

/// The count of 10^-scale, where there is one in 64 bits.
fn expected(text: &[u8], scale: Scale) -> Option<i64> {
    let (mantissa, exponent) = read(text)?;
    let zero = BigInt::from(0);
    if mantissa == zero {
        return Some(0);
    }
    let power = exponent + i64::from(scale.digits());
    let bounded = u32::try_from(power.abs().min(EXPONENT_MAX)).ok()?;
    let unit = BigInt::from(10).pow(bounded);
    let value = match power {
        0.. => mantissa * unit,
        _ if &mantissa % &unit == zero => mantissa / unit,
        _ => return None,
    };
    i64::try_from(value).ok()
}

/// The first byte is the scale, the rest is the text.
pub(crate) fn decimal(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    // The oracle's cost grows with the text.
    let text = &text[..text.len().min(300)];
    let scale = Scale::new(first % 19).expect("within 0..=18");
    let expected = expected(text, scale);
    assert_eq!(parse_scaled(text, scale).ok(), expected, "{:?} at {scale:?}", String::from_utf8_lossy(text));
    if let Some((value, len)) = plain_prefix(text, scale) {
        let plain = &text[..len];
        assert!(plain.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'));
        assert!(text.get(len).is_none_or(|byte| !byte.is_ascii_digit()), "it stopped within the number");
        assert_eq!(self::expected(plain, scale), Some(value), "{:?}", String::from_utf8_lossy(plain));
    }
    if let Ok(fixed) = parse_fixed(text) {
        assert_eq!(self::expected(text, fixed.scale), Some(fixed.mantissa));
    }
}
