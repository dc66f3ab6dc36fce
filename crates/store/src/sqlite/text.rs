//! Numbers and levels as the text that rows hold, into buffers that are reused.

use std::fmt::Write as _;

use venuekit_types::{Level, Scale, Scaled};

/// Writes a number into `out`, replacing what stood there: a plain decimal without trailing zeros.
pub(super) fn number(out: &mut String, value: Scaled) {
    out.clear();
    push(out, value);
}

fn push(out: &mut String, value: Scaled) {
    write!(out, "{value}").expect("writing to a String cannot fail");
}

/// Writes levels into `out`, replacing what stood there: `[["price","qty"],…]`.
pub(super) fn levels(out: &mut String, levels: &[Level], price_scale: Scale, qty_scale: Scale) {
    out.clear();
    out.push('[');
    for (at, level) in levels.iter().enumerate() {
        out.push_str(if at == 0 { "[\"" } else { ",[\"" });
        push(out, Scaled::new(level.price.0, price_scale));
        out.push_str("\",\"");
        push(out, Scaled::new(level.qty.0, qty_scale));
        out.push_str("\"]");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_json_arrays_of_decimal_text() {
        let scale = |digits| Scale::new(digits).expect("in range");
        let mut out = "left over".to_string();
        levels(&mut out, &[Level::new(880_450, 25), Level::new(880_400, 0)], scale(2), scale(3));
        assert_eq!(out, r#"[["8804.5","0.025"],["8804","0"]]"#);
        levels(&mut out, &[], scale(2), scale(3));
        assert_eq!(out, "[]");
    }
}
