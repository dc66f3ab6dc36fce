//! Numbers and instants as the two engines write them: bare in JSON, some of them scientific.

use rust_decimal::Decimal;
use venuekit_types::Scale;

use crate::text::Text;

/// A bare number with all its places; one below a ten-thousandth is scientific, `5.1e-05`.
pub(super) fn padded(text: &mut Text, value: i64, scale: Scale) {
    let small = i64::from(scale.digits()) - i64::from(value.unsigned_abs().checked_ilog10().unwrap_or(0));
    if value != 0 && small > 4 {
        scientific(text, i128::from(value), u32::from(scale.digits()), 2);
    } else {
        text.padded(value, scale);
    }
}

/// A bare float: `438.0`, `0.5`, `1.5e-6`.
pub(super) fn float(text: &mut Text, value: Decimal) {
    let value = value.normalize();
    let small = i64::from(value.scale())
        - i64::from(value.mantissa().unsigned_abs().checked_ilog10().unwrap_or_default());
    if !value.is_zero() && small > 5 {
        scientific(text, value.mantissa(), value.scale(), 1);
    } else {
        text.s(&value.to_string());
        if value.scale() == 0 {
            text.s(".0");
        }
    }
}

/// One digit, a point, the other digits, and a power of ten with so many digits at least.
fn scientific(text: &mut Text, mantissa: i128, scale: u32, width: usize) {
    let digits = mantissa.unsigned_abs().to_string();
    let power = i64::from(scale) - i64::try_from(digits.len() - 1).expect("a number has few digits");
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at(1);
    text.s(if mantissa < 0 { "-" } else { "" }).s(first);
    if !rest.is_empty() {
        text.s(".").s(rest);
    }
    text.s(&format!("e-{power:0width$}"));
}

/// A decimal with a fixed number of places, as spot answers write it in strings; cut, not rounded.
pub(super) fn places(value: Decimal, places: u8) -> String {
    format!("{:.*}", usize::from(places), value.trunc_with_scale(u32::from(places)))
}

/// Seconds with three places, as a bare float.
pub(super) fn seconds(text: &mut Text, ms: i64) {
    text.padded(ms, crate::market::scale(3));
}

/// A quoted instant with six places.
pub(super) fn micros(text: &mut Text, ms: i64) {
    text.s("\"").iso(ms);
    text.0.pop();
    text.s("000Z\"");
}

/// A quoted instant in Unix nanoseconds, with six places.
pub(super) fn instant(text: &mut Text, ns: i64) {
    text.s("\"").iso(ns.div_euclid(1_000_000));
    text.0.pop();
    text.s(&format!("{:03}Z\"", ns.rem_euclid(1_000_000) / 1_000));
}

/// A quoted instant with nine places.
pub(super) fn nanos(text: &mut Text, ms: i64) {
    text.s("\"").iso(ms);
    text.0.pop();
    text.s("000000Z\"");
}

/// A quoted instant with three places.
pub(super) fn millis(text: &mut Text, ms: i64) {
    text.s("\"").iso(ms).s("\"");
}

/// A quoted instant without places.
pub(super) fn whole(text: &mut Text, ms: i64) {
    text.s("\"").iso(ms);
    text.0.truncate(text.0.len() - 5);
    text.s("Z\"");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::scale;

    fn shown(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new();
        write(&mut text);
        text.into_string()
    }

    #[test]
    fn small_numbers_are_scientific_and_others_padded() {
        for (value, digits, expected) in [
            (641_235, 1, "64123.5"),
            (100_000, 8, "0.00100000"),
            (10_000, 8, "0.00010000"),
            (9_999, 8, "9.999e-05"),
            (5_070, 8, "5.07e-05"),
            (-5_100, 8, "-5.1e-05"),
            (1, 8, "1e-08"),
            (0, 8, "0.00000000"),
            (7, 0, "7"),
        ] {
            assert_eq!(shown(|text| padded(text, value, scale(digits))), expected);
        }
    }

    #[test]
    fn floats_keep_a_place() {
        for (value, expected) in [
            ("438", "438.0"),
            ("439.30", "439.3"),
            ("0", "0.0"),
            ("0.0000186711875", "0.0000186711875"),
            ("-0.00000000006260", "-6.26e-11"),
            ("0.000001", "1e-6"),
        ] {
            assert_eq!(shown(|text| float(text, value.parse().expect("a decimal"))), expected);
        }
    }

    #[test]
    fn instants_have_their_places() {
        let at = 1_559_174_400_007;
        assert_eq!(shown(|text| micros(text, at)), r#""2019-05-30T00:00:00.007000Z""#);
        assert_eq!(shown(|text| nanos(text, at)), r#""2019-05-30T00:00:00.007000000Z""#);
        assert_eq!(shown(|text| whole(text, at)), r#""2019-05-30T00:00:00Z""#);
        assert_eq!(shown(|text| seconds(text, at)), "1559174400.007");
        assert_eq!(places("1.23456".parse().expect("a decimal"), 4), "1.2345");
    }
}
