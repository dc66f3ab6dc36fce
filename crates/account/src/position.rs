//! Positions: open, flat, or not known to be either.

use rust_decimal::Decimal;
use venuekit_types::UnixNanos;
use venuekit_venue::{MarginMode, PositionPatch};

/// An open position.
///
/// **Units**: `qty` as the instrument counts it; prices in the quote; margin and profits in the settlement asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Signed, never zero; negative is short.
    pub qty: Decimal,
    /// Average entry price.
    pub entry: Option<Decimal>,
    /// The venue's mark when it last spoke of this position.
    pub mark: Option<Decimal>,
    /// The venue's own liquidation price.
    pub liquidation: Option<Decimal>,
    /// Leverage; zero is cross.
    pub leverage: Option<Decimal>,
    /// What backs it, where the venue says so: by name, or by a leverage of zero.
    pub mode: Option<MarginMode>,
    /// Margin set aside for it.
    pub margin: Option<Decimal>,
    /// The venue's own unrealised profit.
    pub unrealized_pnl: Option<Decimal>,
    /// Realised profit of this position.
    pub realized_pnl: Option<Decimal>,
    /// When it last changed.
    pub updated_at: Option<UnixNanos>,
}

/// What is known of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// The venue says there is one.
    Open(Position),
    /// The venue says there is none.
    Flat,
    /// The venue does not say: left out, never told, or told by a feed that is not live. It may well be open.
    Unreported,
}

/// What a merged position says; venues write zero for a price that does not exist.
pub(crate) fn holding(row: &PositionPatch) -> Holding {
    let price = |field: Option<Decimal>| field.filter(|price| !price.is_zero());
    let cross = row.leverage.filter(Decimal::is_zero).map(|_| MarginMode::Cross);
    match row.qty {
        None => Holding::Unreported,
        Some(qty) if qty.is_zero() => Holding::Flat,
        Some(qty) => Holding::Open(Position {
            qty,
            entry: price(row.entry_price),
            mark: price(row.mark_price),
            liquidation: price(row.liquidation_price),
            leverage: row.leverage,
            mode: row.margin_mode.or(cross),
            margin: row.margin,
            unrealized_pnl: row.unrealized_pnl,
            realized_pnl: row.realized_pnl,
            updated_at: row.updated_at,
        }),
    }
}
