//! Rows of everything that is not a book: what streams deliver and what answers list, in words that hold for every venue.
//!
//! Prices and quantities of trades are counts; sums, averages and money are exact decimals.

macro_rules! patch {
    (
        $(#[$meta:meta])* $name:ident
        by { $($(#[$kmeta:meta])* $key:ident : $kty:ty,)* }
        with { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }
        $(of_its_moment { $($(#[$mmeta:meta])* $moment:ident : $mty:ty,)* })?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$kmeta])* pub $key: $kty,)*
            $($(#[$fmeta])* pub $field: Option<$ty>,)*
            $($($(#[$mmeta])* pub $moment: Option<$mty>,)*)?
        }

        impl $name {
            /// A patch of the row with this key that changes nothing but what is of its moment.
            pub fn new($($key: $kty),*) -> $name {
                $name { $($key,)* $($field: None,)* $($($moment: None,)*)? }
            }

            /// Takes over every field that the newer patch carries. What the venue reckoned from the row as it stood
            /// is unknown again once a newer patch comes without it.
            pub fn merge(&mut self, newer: &$name) {
                $(if newer.$field.is_some() { self.$field.clone_from(&newer.$field); })*
                $($(self.$moment.clone_from(&newer.$moment);)*)?
            }
        }
    };
}

mod account;
mod market;
mod money;
mod order;

pub use account::{CopyPosition, CopyTrade, FeeSchedule, FeeTier, PairFee, Permissions};
pub use market::{Candle, TickerPatch, Trade};
pub use money::{BalancePatch, MarginMode, Movement, MovementKind, MovementStatus, PositionPatch};
pub use order::{Fill, OrderChange, OrderPatch, OrderStatus};

/// One row of a channel that is not a book.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A public trade.
    Trade(Trade),
    /// Changed fields of a ticker.
    Ticker(TickerPatch),
    /// A candle.
    Candle(Candle),
    /// Changed fields of an own order.
    Order(OrderPatch),
    /// A change of an own order that does not name its market.
    OrderChange(Box<OrderChange>),
    /// Changed fields of an own position.
    Position(PositionPatch),
    /// Changed fields of a balance.
    Balance(BalancePatch),
    /// An own fill.
    Fill(Fill),
    /// Money that came, went, or moved between wallets.
    Movement(Box<Movement>),
    /// A position that copies a lead trader.
    CopyPosition(Box<CopyPosition>),
    /// A fill of a copied position.
    CopyTrade(Box<CopyTrade>),
    /// Fee rates of the account.
    Fees(Box<FeeSchedule>),
    /// What the key may do.
    Permissions(Permissions),
}
