//! Numbers and levels as the text that rows hold, into buffers that are reused.

use std::fmt::Write as _;

use venuekit_types::{Fixed, Instrument, Kind, Level, Price, Qty, Scale, Scaled, Side, Status, UnixNanos};

use crate::day::Day;

/// Writes a number into `out`, replacing what stood there: a plain decimal without trailing zeros.
pub(crate) fn number(out: &mut String, value: Scaled) {
    out.clear();
    push(out, value);
}

fn push(out: &mut String, value: Scaled) {
    write!(out, "{value}").expect("writing to a String cannot fail");
}

/// Writes levels into `out`, replacing what stood there: `[["price","qty"],…]`.
pub(crate) fn levels(out: &mut String, levels: &[Level], price_scale: Scale, qty_scale: Scale) {
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

/// The aggressor's side as rows name it.
pub(crate) const fn side(side: Option<Side>) -> &'static str {
    match side {
        Some(side) => side.as_str(),
        None => "unknown",
    }
}

/// An instant as RFC 3339 has it, with as many digits as it needs.
pub(crate) struct Rfc3339(pub(crate) UnixNanos);

impl std::fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let day = Day::of(self.0);
        let of_day = self.0.0.saturating_sub(day.start().0);
        let (seconds, nanos) = (of_day / 1_000_000_000, of_day % 1_000_000_000);
        write!(f, "{day}T{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
        if nanos > 0 {
            write!(f, ".{}", format!("{nanos:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// How a fill was made, as rows name it.
pub(crate) const fn liquidity(maker: bool) -> &'static str {
    if maker { "maker" } else { "taker" }
}

/// An instrument's terms as rows hold them.
pub(crate) struct Terms {
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) price_scale: i64,
    pub(crate) qty_scale: i64,
    pub(crate) tick: String,
    pub(crate) step: String,
    pub(crate) min_qty: Option<String>,
    pub(crate) max_qty: Option<String>,
    pub(crate) min_notional: Option<String>,
    pub(crate) contract_size: Option<String>,
    pub(crate) maker_fee: Option<String>,
    pub(crate) taker_fee: Option<String>,
}

impl Terms {
    pub(crate) fn of(terms: &Instrument) -> Terms {
        let price = |value: Price| Scaled::new(value.0, terms.price_scale).to_string();
        let qty = |value: Qty| Scaled::new(value.0, terms.qty_scale).to_string();
        let fixed = |value: Option<Fixed>| value.map(|value| value.to_string());
        Terms {
            kind: match terms.kind {
                Kind::Spot => "spot",
                Kind::Perpetual => "perpetual",
                Kind::Future => "future",
            },
            status: match terms.status {
                Status::Trading => "trading",
                Status::Halted => "halted",
                Status::Delisted => "delisted",
            },
            price_scale: i64::from(terms.price_scale.digits()),
            qty_scale: i64::from(terms.qty_scale.digits()),
            tick: price(terms.tick),
            step: qty(terms.step),
            min_qty: terms.min_qty.map(qty),
            max_qty: terms.max_qty.map(qty),
            min_notional: fixed(terms.min_notional),
            contract_size: fixed(terms.contract_size),
            maker_fee: fixed(terms.maker_fee),
            taker_fee: fixed(terms.taker_fee),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_the_digits_it_needs() {
        let text = |nanos| Rfc3339(UnixNanos(nanos)).to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_700_000_000_120_000_000), "2023-11-14T22:13:20.12Z");
        assert_eq!(text(1_700_000_000_000_000_001), "2023-11-14T22:13:20.000000001Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999999999Z");
        assert!(text(i64::MIN).starts_with("1677-"), "{}", text(i64::MIN));
    }

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
