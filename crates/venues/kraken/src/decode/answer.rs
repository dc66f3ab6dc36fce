//! Answers to requests, and what both engines need to read them.

use venuekit_venue::read::Unfit;
use venuekit_venue::{
    Ask, Channel, EventBuf, Fault, HttpReply, MarketId, NewOrder, OrderPatch, OrderStatus, Place, Row, Topic,
};
use venuekit_wire::RawValue;

use super::{futures_rest, spot_rest};
use crate::fault;
use crate::spec::SPOT;

/// Reads the answer to a request.
pub(crate) fn answer(
    place: Place<'_>,
    ask: &Ask,
    reply: &HttpReply<'_>,
    out: &mut EventBuf,
) -> Result<(), Fault> {
    if place.product == SPOT {
        spot_rest::answer(place, ask, fault::spot_result(reply)?, out)
    } else {
        futures_rest::answer(place, ask, &fault::futures_answer(reply)?, out)
    }
}

pub(super) fn typed<'a, T: serde::Deserialize<'a>>(json: &'a RawValue) -> Result<T, Fault> {
    venuekit_wire::parse(json.get().as_bytes()).map_err(Fault::unreadable)
}

pub(super) fn parse<'a, T: serde::Deserialize<'a>>(row: &'a RawValue) -> Result<T, Unfit> {
    venuekit_wire::parse(row.get().as_bytes()).map_err(Unfit::shape)
}

/// Keeps a row of the market that was asked for; a list of the venue's is of every market.
pub(super) fn only(asked: Option<MarketId>, (market, row): (MarketId, Row)) -> Option<Row> {
    asked.is_none_or(|asked| asked == market).then_some(row)
}

/// One row about an order.
pub(super) fn tell_order(row: Row, out: &mut EventBuf) {
    out.tell_list(Topic::account(Channel::Orders), false, [row], |row| Ok(Some(row)));
}

/// A new order as it was accepted: the venue repeats nothing of it but its id.
pub(super) fn placed(order: &NewOrder, order_id: String) -> Row {
    Row::Order(OrderPatch {
        client_order_id: Some(order.client_order_id.clone()),
        side: Some(order.side),
        order_type: Some(order.order_type.as_str().to_owned()),
        time_in_force: order.time_in_force.map(|tif| tif.as_str().to_owned()),
        price: order.price.map(Into::into),
        stop_price: order.stop_price.map(Into::into),
        qty: Some(order.qty.into()),
        status: Some(OrderStatus::New),
        post_only: Some(order.post_only),
        reduce_only: Some(order.reduce_only),
        ..OrderPatch::new(order.market, order_id)
    })
}
