//! Orders: merged by key, never running backwards.

use rust_decimal::Decimal;
use venuekit_types::{Side, Symbol, UnixNanos};
use venuekit_venue::{OrderPatch, OrderStatus, TriggerBy};

/// The key of an order: ids are unique per instrument, not per venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The instrument.
    pub symbol: Symbol,
    /// The venue's id.
    pub order_id: String,
}

/// An own order, every field known so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Our id.
    pub client_order_id: Option<String>,
    /// The side.
    pub side: Side,
    /// The venue-neutral type word.
    pub order_type: Option<String>,
    /// `GTC`, `IOC`, `FOK`.
    pub time_in_force: Option<String>,
    /// Limit price.
    pub price: Option<Decimal>,
    /// Trigger price.
    pub stop_price: Option<Decimal>,
    /// Which price trips the trigger.
    pub trigger_by: Option<TriggerBy>,
    /// Ordered quantity.
    pub qty: Decimal,
    /// Filled quantity by the order's own word; never falls.
    pub cum_qty: Decimal,
    /// Average fill price.
    pub avg_px: Option<Decimal>,
    /// Fees so far; negative is a rebate.
    pub fee: Option<Decimal>,
    /// The asset the fees are paid in.
    pub fee_asset: Option<String>,
    /// Where it stands; a final status stays.
    pub status: OrderStatus,
    /// Whether it is refused rather than filled at once.
    pub post_only: Option<bool>,
    /// Whether it may only reduce a position.
    pub reduce_only: Option<bool>,
    /// When it was created.
    pub created_at: Option<UnixNanos>,
    /// When it last changed.
    pub updated_at: Option<UnixNanos>,
}

/// What a patch did to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    Taken,
    /// It tells of an earlier time.
    Old,
    /// It says the other side: not the same order.
    Contradicts,
}

impl Order {
    /// The first patch of an order; `None` when it lacks side, quantity or status.
    pub(crate) fn first(patch: &OrderPatch) -> Option<Order> {
        Some(Order {
            client_order_id: patch.client_order_id.clone(),
            side: patch.side?,
            order_type: patch.order_type.clone(),
            time_in_force: patch.time_in_force.clone(),
            price: patch.price,
            stop_price: patch.stop_price,
            trigger_by: patch.trigger_by,
            qty: patch.qty?,
            cum_qty: patch.cum_qty.unwrap_or_default(),
            avg_px: patch.avg_px,
            fee: patch.fee,
            fee_asset: patch.fee_asset.clone(),
            status: patch.status?,
            post_only: patch.post_only,
            reduce_only: patch.reduce_only,
            created_at: patch.created_at,
            updated_at: patch.updated_at,
        })
    }

    /// Takes over what a patch carries, unless the patch is older than what is known.
    pub(crate) fn merge(&mut self, patch: &OrderPatch) -> Merge {
        if patch.side.is_some_and(|side| side != self.side) {
            return Merge::Contradicts;
        }
        let earlier = patch.updated_at.zip(self.updated_at).is_some_and(|(new, known)| new < known);
        let fewer = patch.cum_qty.is_some_and(|qty| qty < self.cum_qty);
        let reopens = self.status.is_final() && patch.status.is_some_and(|status| !status.is_final());
        if earlier || fewer || reopens {
            return Merge::Old;
        }
        fn take<T: Clone>(known: &mut Option<T>, new: &Option<T>) {
            if new.is_some() {
                known.clone_from(new);
            }
        }
        take(&mut self.client_order_id, &patch.client_order_id);
        take(&mut self.order_type, &patch.order_type);
        take(&mut self.time_in_force, &patch.time_in_force);
        take(&mut self.price, &patch.price);
        take(&mut self.stop_price, &patch.stop_price);
        take(&mut self.trigger_by, &patch.trigger_by);
        take(&mut self.avg_px, &patch.avg_px);
        take(&mut self.fee, &patch.fee);
        take(&mut self.fee_asset, &patch.fee_asset);
        take(&mut self.post_only, &patch.post_only);
        take(&mut self.reduce_only, &patch.reduce_only);
        take(&mut self.created_at, &patch.created_at);
        take(&mut self.updated_at, &patch.updated_at);
        self.qty = patch.qty.unwrap_or(self.qty);
        self.cum_qty = patch.cum_qty.unwrap_or(self.cum_qty);
        self.status = patch.status.unwrap_or(self.status);
        Merge::Taken
    }
}
