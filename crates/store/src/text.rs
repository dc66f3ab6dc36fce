//! Numbers and levels as the text that rows hold, into buffers that are reused.

use std::fmt::Write as _;

use venuekit_types::{Fixed, Instrument, Kind, Level, Price, Qty, Scale, Scaled, Side, Status};

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
    fn levels_are_json_arrays_of_decimal_text() {
        let scale = |digits| Scale::new(digits).expect("in range");
        let mut out = "left over".to_string();
        levels(&mut out, &[Level::new(880_450, 25), Level::new(880_400, 0)], scale(2), scale(3));
        assert_eq!(out, r#"[["8804.5","0.025"],["8804","0"]]"#);
        levels(&mut out, &[], scale(2), scale(3));
        assert_eq!(out, "[]");
    }
}
