//! Orders and fills as an account's books hold them.

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::engine::{Owner, Tif};
use crate::market::{FeeIn, Spec};
use crate::wallets::Wallet;

/// What an order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// Takes what there is.
    Market,
    /// Never worse than its price.
    Limit,
    /// A market order once the price has gone against its side.
    StopMarket,
    /// A limit order once the price has gone against its side.
    StopLimit,
    /// A market order once the price has gone its side's way.
    TakeProfitMarket,
    /// A limit order once the price has gone its side's way.
    TakeProfitLimit,
}

impl OrderKind {
    /// True when it has a limit.
    pub const fn is_limit(self) -> bool {
        matches!(self, OrderKind::Limit | OrderKind::StopLimit | OrderKind::TakeProfitLimit)
    }

    /// True when it waits for a price.
    pub const fn waits(self) -> bool {
        !matches!(self, OrderKind::Limit | OrderKind::Market)
    }

    /// True when an order of this side waits for the price to rise, false when for it to fall.
    pub fn waits_for_rise(self, side: Side) -> bool {
        let takes_profit = matches!(self, OrderKind::TakeProfitMarket | OrderKind::TakeProfitLimit);
        (side == Side::Buy) != takes_profit
    }
}

/// Which price sets an order off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// That of the last trade.
    Last,
    /// The index.
    Index,
    /// The mark.
    Mark,
}

/// What an order waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// In counts.
    pub price: i64,
    /// Which price.
    pub trigger: Trigger,
}

/// An account's order on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is.
    pub owner: Owner,
    /// Index of the market.
    pub market: usize,
    /// What a spot order pays from and is paid into.
    pub wallet: Wallet,
    /// The client's own id; empty for none.
    pub client_id: String,
    /// Buy or sell.
    pub side: Side,
    /// What it does; says whether there is a price and a stop.
    pub kind: OrderKind,
    /// In counts.
    pub qty: i64,
    /// The limit, in counts; for kinds that have one.
    pub price: Option<i64>,
    /// For kinds that wait.
    pub stop: Option<Stop>,
    /// How long it may wait in the book.
    pub tif: Tif,
    /// Refused rather than filled at once.
    pub post_only: bool,
    /// May only make a position smaller.
    pub reduce_only: bool,
    /// Refused when nothing of it could fill at once.
    pub must_fill: bool,
    /// Taken in and expired, rather than refused, when it has to fill whole and cannot.
    pub expires: bool,
    /// The client's own id may be that of an order that has ended.
    pub reuses_id: bool,
}

impl Ticket {
    /// A plain order: a limit order that waits when there is a price, else a market order.
    pub fn new(owner: Owner, market: usize, side: Side, qty: i64, price: Option<i64>) -> Ticket {
        let (kind, tif) =
            if price.is_some() { (OrderKind::Limit, Tif::Gtc) } else { (OrderKind::Market, Tif::Ioc) };
        Ticket {
            owner,
            market,
            wallet: Wallet::Spot,
            client_id: String::new(),
            side,
            kind,
            qty,
            price,
            stop: None,
            tif,
            post_only: false,
            reduce_only: false,
            must_fill: false,
            expires: false,
            reuses_id: false,
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for its price.
    Untriggered,
    /// Nothing filled yet.
    New,
    /// Some of it filled.
    PartiallyFilled,
    /// All of it filled.
    Filled,
    /// Its owner, or the venue for it, took it out.
    Cancelled,
    /// The rest could not fill at once, or could no longer be placed.
    Expired,
}

impl Status {
    /// True while it may still fill.
    pub const fn is_open(self) -> bool {
        matches!(self, Status::Untriggered | Status::New | Status::PartiallyFilled)
    }

    /// The lower-case word of truth lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Untriggered => "untriggered",
            Status::New => "new",
            Status::PartiallyFilled => "partially_filled",
            Status::Filled => "filled",
            Status::Cancelled => "canceled",
            Status::Expired => "expired",
        }
    }
}

/// An order of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Index of the market.
    pub market: usize,
    /// What a spot order pays from and is paid into.
    pub wallet: Wallet,
    /// The engine's id, ascending per market.
    pub id: u64,
    /// The client's own id; empty for none.
    pub client_id: String,
    /// Buy or sell.
    pub side: Side,
    /// What it does.
    pub kind: OrderKind,
    /// The limit, in counts; none for kinds without.
    pub price: Option<i64>,
    /// What it waits for, or waited for.
    pub stop: Option<Stop>,
    /// Ordered, in counts.
    pub qty: i64,
    /// Filled, in counts.
    pub filled: i64,
    /// Value of the fills, as [`Spec::value`] reckons.
    pub value: Decimal,
    /// Fees so far; negative is a rebate.
    pub fee: Decimal,
    /// How long it may wait.
    pub tif: Tif,
    /// Refused rather than filled at once.
    pub post_only: bool,
    /// May only make a position smaller.
    pub reduce_only: bool,
    /// Where it stands.
    pub status: Status,
    /// Taken in, Unix milliseconds.
    pub created_ms: i64,
    /// Last changed, Unix milliseconds.
    pub updated_ms: i64,
}

impl Order {
    /// The order that a ticket becomes when it is taken in.
    pub(crate) fn of(ticket: Ticket, id: u64, at_ms: i64) -> Order {
        let status = if ticket.kind.waits() { Status::Untriggered } else { Status::New };
        Order {
            market: ticket.market,
            wallet: ticket.wallet,
            id,
            client_id: ticket.client_id,
            side: ticket.side,
            kind: ticket.kind,
            price: ticket.price,
            stop: ticket.stop,
            qty: ticket.qty,
            filled: 0,
            value: Decimal::ZERO,
            fee: Decimal::ZERO,
            tif: ticket.tif,
            post_only: ticket.post_only,
            reduce_only: ticket.reduce_only,
            status,
            created_ms: at_ms,
            updated_ms: at_ms,
        }
    }

    /// The average fill price rounded to the price scale; zero before the first fill.
    pub fn average(&self, spec: &Spec) -> Decimal {
        average(spec, self.filled, self.value)
    }

    /// The asset that the fee is taken in: on spot as the market says, the settlement asset for contracts.
    pub fn fee_asset(&self, spec: &Spec) -> &'static str {
        let of_base = spec.contract.is_none() && spec.fee_in == FeeIn::Received && self.side == Side::Buy;
        if of_base { spec.base } else { spec.money() }
    }

    /// True while it holds funds: it stands in the book, and does not only reduce.
    pub(super) fn holds(&self) -> bool {
        matches!(self.status, Status::New | Status::PartiallyFilled) && !self.reduce_only
    }

    /// What is left to fill, in counts.
    pub fn left(&self) -> i64 {
        self.qty - self.filled
    }
}

/// The average price of a quantity that was worth `value`, rounded to the price scale.
pub(super) fn average(spec: &Spec, qty: i64, value: Decimal) -> Decimal {
    if qty == 0 || value.is_zero() {
        return Decimal::ZERO;
    }
    let units = spec.qty(qty.abs()) * spec.contract.as_ref().map_or(Decimal::ONE, |c| c.multiplier());
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    let price = if inverse { units / value } else { value / units };
    price.round_dp(u32::from(spec.price_scale.digits()))
}

/// A fill of an account's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFill {
    /// Index of the market.
    pub market: usize,
    /// The fill's id, ascending by one per market and account.
    pub id: u64,
    /// The order, as it stood after this fill.
    pub order: Order,
    /// In counts.
    pub price: i64,
    /// In counts.
    pub qty: i64,
    /// True when our order rested.
    pub maker: bool,
    /// The fee rate.
    pub rate: Decimal,
    /// The fee; negative is a rebate.
    pub fee: Decimal,
    /// Profit realised by this fill.
    pub realised: Decimal,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// One side's part in a trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// In counts.
    pub(crate) price: i64,
    /// In counts.
    pub(crate) qty: i64,
    /// True when its order rested.
    pub(crate) maker: bool,
    /// What it pays of the value.
    pub(crate) rate: Decimal,
}
