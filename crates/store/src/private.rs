//! What a sink stores of an account: the states of its orders, its fills, and money that came, went or moved.
//!
//! Owns the shapes and keys of private rows. Each says of which account at which venue it is, and a wallet is kept
//! where one is known: ledgers stay apart. Numbers are plain decimal text, since private rows are rare.
//!
//! A venue may tell one thing twice, once in less detail: rows of one key say the same where nothing that both of
//! them tell differs. The first one stored stays.

use std::borrow::Cow;
use std::sync::Arc;

use venuekit_types::{Side, Symbol, UnixNanos};

use crate::text;

/// An account at a venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The venue's id, as in `doex`.
    pub venue: Arc<str>,
    /// The account's name in the config.
    pub account: Arc<str>,
}

impl Owner {
    /// Pairs a venue id with an account's name.
    pub fn new(venue: impl Into<Arc<str>>, account: impl Into<Arc<str>>) -> Owner {
        Owner { venue: venue.into(), account: account.into() }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.venue, self.account)
    }
}

/// Where an account trades.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk {
    /// Whose it is.
    pub owner: Owner,
    /// The venue's product, as `spot` or `futures`.
    pub product: Cow<'static, str>,
    /// The wallet that pays, where the product has only one.
    pub wallet: Option<Cow<'static, str>>,
    /// The unified symbol.
    pub symbol: Symbol,
}

impl std::fmt::Display for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.owner, self.product, self.symbol)
    }
}

/// How an own order stood at one time.
///
/// **Key**: (venue, account, product, symbol, venue_order_id, ts_venue, status, cum_qty): one row a state, however
/// often the state is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderState {
    /// Where.
    pub desk: Desk,
    /// The venue's id.
    pub venue_order_id: String,
    /// Our id.
    pub client_order_id: Option<String>,
    /// The side.
    pub side: Side,
    /// `limit`, `market`, `stop_market`, …
    pub order_type: Option<String>,
    /// `GTC`, `IOC`, `FOK`.
    pub time_in_force: Option<String>,
    /// Limit price.
    pub price: Option<String>,
    /// Trigger price.
    pub stop_price: Option<String>,
    /// Ordered quantity.
    pub qty: String,
    /// Filled quantity.
    pub cum_qty: String,
    /// Average fill price.
    pub avg_px: Option<String>,
    /// Fees so far; negative is a rebate.
    pub fee: Option<String>,
    /// The asset the fees are paid in.
    pub fee_asset: Option<String>,
    /// FIX's word: `new`, `partially_filled`, `filled`, …
    pub status: Cow<'static, str>,
    /// Whether it is refused rather than filled at once.
    pub post_only: Option<bool>,
    /// Whether it may only reduce a position.
    pub reduce_only: Option<bool>,
    /// When it was created.
    pub created_at: Option<UnixNanos>,
    /// When it came to stand so; 0 where the venue does not say.
    pub ts_venue: UnixNanos,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// An own fill.
///
/// **Key**: (venue, account, product, symbol, fill_id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Where.
    pub desk: Desk,
    /// The venue's id; ours where it is derived.
    pub fill_id: String,
    /// The order that it fills.
    pub venue_order_id: String,
    /// Our id of that order, where the venue repeats it.
    pub client_order_id: Option<String>,
    /// The side.
    pub side: Side,
    /// Its price.
    pub last_px: String,
    /// Its quantity.
    pub last_qty: String,
    /// Its fee; negative is a rebate.
    pub fee: String,
    /// The asset the fee is paid in.
    pub fee_asset: Option<String>,
    /// Profit realised by it.
    pub realized_pnl: Option<String>,
    /// Whether it rested in the book; nothing where it is derived.
    pub maker: Option<bool>,
    /// Whether no venue told it: it was inferred from its order's own sums.
    pub derived: bool,
    /// The venue's stamp; not part of the content, since a stream and an answer give it with other digits.
    pub ts_venue: UnixNanos,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// Money that came, went, or moved between wallets, as it stood at one time.
///
/// **Key**: (venue, account, kind, movement_id, status): one row a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Whose it is.
    pub owner: Owner,
    /// `deposit`, `withdrawal` or `transfer`.
    pub kind: Cow<'static, str>,
    /// The venue's id, unique per kind.
    pub movement_id: String,
    /// `pending`, `confirming`, `completed`, `failed`, `cancelled` or `unknown`.
    pub status: Cow<'static, str>,
    /// The asset.
    pub asset: String,
    /// How much arrived, left or moved; the fee is not in it.
    pub amount: String,
    /// The fee, where one is told.
    pub fee: Option<String>,
    /// The chain.
    pub network: Option<String>,
    /// The address it came from or went to.
    pub address: Option<String>,
    /// The chain's id of it.
    pub tx_id: Option<String>,
    /// The wallet it left.
    pub from_wallet: Option<Cow<'static, str>>,
    /// The wallet it reached.
    pub to_wallet: Option<Cow<'static, str>>,
    /// The venue's stamp; not part of the content.
    pub ts_venue: UnixNanos,
    /// When it arrived; not part of the content.
    pub ts_local: UnixNanos,
}

/// One value of a private row, whatever engine it is bound for.
pub(crate) enum Cell<'a> {
    Text(Option<&'a str>),
    Int(Option<i64>),
    Flag(Option<bool>),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(Some(text))
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Cell<'a> {
        Cell::Text(text.as_deref())
    }
}

impl<'a> From<&'a Option<Cow<'static, str>>> for Cell<'a> {
    fn from(text: &'a Option<Cow<'static, str>>) -> Cell<'a> {
        Cell::Text(text.as_deref())
    }
}

impl From<UnixNanos> for Cell<'_> {
    fn from(at: UnixNanos) -> Self {
        Cell::Int(Some(at.0))
    }
}

impl From<Option<bool>> for Cell<'_> {
    fn from(flag: Option<bool>) -> Self {
        Cell::Flag(flag)
    }
}

impl OrderState {
    /// Its values in the order of the table's columns.
    pub(crate) fn cells(&self) -> [Cell<'_>; 23] {
        [
            (&*self.desk.owner.venue).into(),
            (&*self.desk.owner.account).into(),
            (&*self.desk.product).into(),
            self.desk.symbol.as_str().into(),
            self.venue_order_id.as_str().into(),
            self.ts_venue.into(),
            (&*self.status).into(),
            self.cum_qty.as_str().into(),
            (&self.desk.wallet).into(),
            (&self.client_order_id).into(),
            self.side.as_str().into(),
            (&self.order_type).into(),
            (&self.time_in_force).into(),
            (&self.price).into(),
            (&self.stop_price).into(),
            self.qty.as_str().into(),
            (&self.avg_px).into(),
            (&self.fee).into(),
            (&self.fee_asset).into(),
            self.post_only.into(),
            self.reduce_only.into(),
            Cell::Int(self.created_at.map(|at| at.0)),
            self.ts_local.into(),
        ]
    }
}

impl Fill {
    /// Its values in the order of the table's columns.
    pub(crate) fn cells(&self) -> [Cell<'_>; 18] {
        [
            (&*self.desk.owner.venue).into(),
            (&*self.desk.owner.account).into(),
            (&*self.desk.product).into(),
            self.desk.symbol.as_str().into(),
            self.fill_id.as_str().into(),
            (&self.desk.wallet).into(),
            self.venue_order_id.as_str().into(),
            (&self.client_order_id).into(),
            self.side.as_str().into(),
            self.last_px.as_str().into(),
            self.last_qty.as_str().into(),
            self.fee.as_str().into(),
            (&self.fee_asset).into(),
            (&self.realized_pnl).into(),
            Cell::Text(self.maker.map(text::liquidity)),
            Some(self.derived).into(),
            self.ts_venue.into(),
            self.ts_local.into(),
        ]
    }
}

impl Movement {
    /// Its values in the order of the table's columns.
    pub(crate) fn cells(&self) -> [Cell<'_>; 15] {
        [
            (&*self.owner.venue).into(),
            (&*self.owner.account).into(),
            (&*self.kind).into(),
            self.movement_id.as_str().into(),
            (&*self.status).into(),
            self.asset.as_str().into(),
            self.amount.as_str().into(),
            (&self.fee).into(),
            (&self.network).into(),
            (&self.address).into(),
            (&self.tx_id).into(),
            (&self.from_wallet).into(),
            (&self.to_wallet).into(),
            self.ts_venue.into(),
            self.ts_local.into(),
        ]
    }
}
