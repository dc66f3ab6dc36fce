//! Orders: what an answer means, what a client order id guards, and what the venue does when we vanish.

use core::time::Duration;

use crate::{OrderType, TriggerBy};

/// How orders behave.
#[derive(Clone, Debug)]
pub struct OrderSpec {
    /// What an answer to a new order means.
    pub ack: OrderAck,
    /// What a client order id guards.
    pub client_id: ClientId,
    /// The longest client order id taken, in characters.
    pub client_id_max: usize,
    /// The types of order there are.
    pub types: Vec<OrderType>,
    /// The prices that a trigger can watch, where an order may choose; empty where it may not.
    pub triggers: Vec<TriggerBy>,
    /// Whether an order may be told to make a position smaller only.
    pub reduce_only: bool,
    /// What the venue does when we vanish.
    pub dead_man: DeadMan,
}

/// What an answer to a new order means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAck {
    /// The engine's state.
    Result,
    /// An id only; state comes later.
    Accepted,
}

/// What a client order id guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientId {
    /// A repeat is refused.
    Unique,
    /// A repeat is refused while the first lives.
    WhileOpen,
    /// A repeat answers with the first order.
    ReturnsOriginal,
    /// A repeat is a second order.
    Label,
}

/// What the venue does when we vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadMan {
    /// Nothing.
    None,
    /// Cancels at zero unless armed again.
    Countdown,
    /// Orders made on a socket die with it.
    OnDisconnect,
    /// Once every enrolled socket is gone that long.
    OnDisconnectAfter(Duration),
}
