//! What a gateway tells: plain values, all text exact, the same inside a program and over its socket.

use serde::{Deserialize, Serialize};
use venuekit_session::Done;
use venuekit_session::gate::{Halt, Mode, Refusal};
use venuekit_types::{Fixed, Instrument, Side};
use venuekit_venue::{Fault, FaultKind, OrderPatch, OrderType, TimeInForce, TriggerBy};

/// An order as a program or an operator wants it.
///
/// **Units**: as [`venuekit_venue::NewOrder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderWish {
    /// The venue.
    pub venue: String,
    /// The symbol: unified, or the venue's own spelling.
    pub symbol: String,
    /// The product, where the symbol alone does not say it.
    pub product: Option<String>,
    /// Buy or sell.
    pub side: Side,
    /// Its type.
    pub order_type: OrderType,
    /// How much.
    pub qty: Fixed,
    /// The limit.
    pub price: Option<Fixed>,
    /// The trigger.
    pub stop_price: Option<Fixed>,
    /// Which price trips the trigger.
    pub trigger_by: Option<TriggerBy>,
    /// How long it may wait.
    pub time_in_force: Option<TimeInForce>,
    /// Refused rather than filled at once.
    pub post_only: bool,
    /// May only make a position smaller.
    pub reduce_only: bool,
    /// Our id; one is made when absent.
    pub client_order_id: Option<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `accepted`, `rejected`, `not_sent`, `unknown`, `found` or `never_placed`.
    pub outcome: String,
    /// Our id of it.
    pub client_order_id: String,
    /// As the venue shows it, when it did.
    pub order: Option<OrderView>,
    /// What went wrong, when something did.
    pub fault: Option<FaultView>,
}

/// An order, as the venue shows it. Numbers are exact decimals as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the field of `OrderPatch` with the same name")]
pub struct OrderView {
    pub venue: String,
    pub product: String,
    pub symbol: String,
    pub venue_symbol: String,
    pub order_id: String,
    pub client_order_id: Option<String>,
    pub side: Option<String>,
    pub order_type: Option<String>,
    pub time_in_force: Option<String>,
    pub status: Option<String>,
    pub qty: Option<String>,
    pub cum_qty: Option<String>,
    pub price: Option<String>,
    pub stop_price: Option<String>,
    pub avg_px: Option<String>,
    pub reduce_only: Option<bool>,
}

impl OrderView {
    pub(super) fn of(
        venue: &str,
        product: &str,
        instrument: Option<&Instrument>,
        order: OrderPatch,
    ) -> OrderView {
        let text = |number: Option<rust_decimal::Decimal>| number.map(|n| n.normalize().to_string());
        OrderView {
            venue: venue.to_owned(),
            product: product.to_owned(),
            symbol: instrument.map(|i| i.symbol.as_str().to_owned()).unwrap_or_default(),
            venue_symbol: instrument.map(|i| i.venue_symbol.clone()).unwrap_or_default(),
            order_id: order.order_id,
            client_order_id: order.client_order_id.filter(|id| !id.is_empty()),
            side: order.side.map(|side| side.as_str().to_owned()),
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            status: order.status.map(|status| status.as_str().to_owned()),
            qty: text(order.qty),
            cum_qty: text(order.cum_qty),
            price: text(order.price),
            stop_price: text(order.stop_price),
            avg_px: text(order.avg_px),
            reduce_only: order.reduce_only,
        }
    }
}

/// A fault, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// Its kind, as [`FaultKind::as_str`].
    pub kind: String,
    /// The venue's number for it.
    pub code: Option<i64>,
    /// The words.
    pub text: String,
    /// The exit code of a command that ends with it.
    pub exit: u8,
}

impl FaultView {
    pub(super) fn of(fault: &Fault) -> FaultView {
        FaultView {
            kind: fault.kind.as_str().to_owned(),
            code: fault.code,
            text: fault.text.clone(),
            exit: exit_of(fault.kind),
        }
    }
}

pub(super) const fn exit_of(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::Credentials => 3,
        FaultKind::RateLimited | FaultKind::Banned => 6,
        FaultKind::Clock | FaultKind::BadRequest | FaultKind::Rejected | FaultKind::NotFound => 7,
        FaultKind::Unavailable | FaultKind::Unreadable | FaultKind::Transport => 5,
    }
}

pub(super) fn fault_of(done: &Done) -> Option<&Fault> {
    match done {
        Done::Accepted => None,
        Done::Rejected(fault) | Done::NotSent(fault) | Done::Unknown(fault) => Some(fault),
    }
}

/// What a halt came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltReport {
    /// Nothing but cancels leaves.
    pub halted: bool,
    /// Every product was read and showed no order, twice in a row, after the last cancel.
    pub flat: bool,
    /// Orders whose outcome the venue has not told.
    pub in_flight: usize,
    /// Each product.
    pub products: Vec<ProductReport>,
}

/// What is open at a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductReport {
    /// The venue.
    pub venue: String,
    /// The product.
    pub product: String,
    /// Open orders, as last read; nothing when they never were.
    pub open: Option<usize>,
    /// How long ago that reading began.
    pub read_ms_ago: Option<u64>,
    /// Why no later one succeeded: a ban, during which nothing at all is sent, or whatever else.
    pub fault: Option<FaultView>,
    /// What cancels them if the gateway dies.
    pub dead_man: String,
}

/// What a gateway is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `active`, `reducing` or `halted`.
    pub mode: String,
    /// Why it is halted, in a word: `start_up`, `expired`, `unverified`, `state`, `crashed`, `command`, `cap`.
    pub halt: Option<String>,
    /// Why it is halted, in a sentence.
    pub why: Option<String>,
    /// For how many seconds more it is armed.
    pub armed_for_s: Option<u64>,
    /// Whether everything is being cancelled.
    pub sweeping: bool,
    /// Which environment its orders go to.
    pub environment: String,
    /// What is open.
    pub report: HaltReport,
}

/// Why a gateway did not do what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{text}")]
pub struct DeskError {
    /// The exit code of a command that ends with it.
    pub exit: u8,
    /// What is wrong, and what to do.
    pub text: String,
}

impl DeskError {
    pub(super) fn new(exit: u8, text: impl Into<String>) -> DeskError {
        DeskError { exit, text: text.into() }
    }

    pub(super) fn halted(halt: Halt) -> DeskError {
        DeskError::new(9, Refusal::Halted(halt).to_string())
    }

    pub(super) fn refused(refusal: &Refusal) -> DeskError {
        let exit = match refusal {
            Refusal::Halted(_) | Refusal::Reducing => 9,
            Refusal::NoCap(_) => 4,
            Refusal::Unmeasured(_) => 10,
        };
        DeskError::new(exit, refusal.to_string())
    }

    pub(super) fn fault(fault: &Fault) -> DeskError {
        DeskError::new(exit_of(fault.kind), fault.to_string())
    }
}

pub(super) fn mode_word(mode: Mode) -> String {
    mode.as_str().to_owned()
}
