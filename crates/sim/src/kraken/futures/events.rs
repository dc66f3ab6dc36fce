//! Orders as futures answers write them, and what happens to them as events of an answer.

use crate::engine::Tif;
use crate::kraken::futures::public::field;
use crate::kraken::names::{Uid, uid};
use crate::kraken::number::millis;
use crate::kraken::spot::side;
use crate::market::Spec;
use crate::text::Text;
use crate::wallets::{Order, OrderKind, OwnFill, Trigger};

/// The short word for what an order does.
pub(super) fn kind_word(order: &Order) -> &'static str {
    match (order.kind, order.tif) {
        (OrderKind::Market, _) => "mkt",
        (OrderKind::Limit, Tif::Gtc) if order.post_only => "post",
        (OrderKind::Limit, Tif::Gtc) => "lmt",
        (OrderKind::Limit, Tif::Ioc) => "ioc",
        (OrderKind::Limit, Tif::Fok) => "fok",
        (OrderKind::StopMarket | OrderKind::StopLimit, _) => "stp",
        (OrderKind::TakeProfitMarket | OrderKind::TakeProfitLimit, _) => "take_profit",
    }
}

/// Which price sets an order off.
pub(super) fn signal(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Last => "last",
        Trigger::Index => "spot",
        Trigger::Mark => "mark",
    }
}

/// The id of an order.
pub(super) fn order_id(order: &Order) -> String {
    uid(Uid::Order, order.market, order.id)
}

/// An order, as it stood with so much of it filled.
pub(super) fn object(text: &mut Text, spec: &Spec, order: &Order, filled: i64) {
    text.s(r#"{"orderId":""#).s(&order_id(order)).s(r#"","cliOrdId":"#);
    client_id(text, order);
    text.s(r#","type":""#).s(kind_word(order)).s(r#"","symbol":""#).s(spec.native);
    text.s(r#"","side":""#).s(side(order.side)).s("\"");
    field(text, "quantity", spec.qty(order.qty));
    field(text, "filled", spec.qty(filled));
    if let Some(price) = order.price {
        field(text, "limitPrice", spec.price(price));
    }
    text.s(r#","reduceOnly":"#).s(if order.reduce_only { "true" } else { "false" });
    times(text, order);
    text.s("}");
}

fn times(text: &mut Text, order: &Order) {
    text.s(r#","timestamp":"#);
    millis(text, order.created_ms);
    text.s(r#","lastUpdateTimestamp":"#);
    millis(text, order.updated_ms);
}

/// The client's own id, or null.
pub(super) fn client_id(text: &mut Text, order: &Order) {
    if order.client_id.is_empty() {
        text.s("null");
    } else {
        text.quoted(&order.client_id);
    }
}

/// An order was taken in; one that waits for a price is a trigger.
pub(super) fn place(text: &mut Text, spec: &Spec, order: &Order) {
    match order.stop {
        None => {
            text.s(r#"{"type":"PLACE","order":"#);
            object(text, spec, order, 0);
        }
        Some(stop) => {
            text.s(r#"{"type":"PLACE","orderTrigger":{"uid":""#).s(&order_id(order)).s(r#"","clientId":"#);
            client_id(text, order);
            text.s(r#","type":""#).s(kind_word(order)).s(r#"","symbol":""#).s(spec.native);
            text.s(r#"","side":""#).s(side(order.side)).s("\"");
            field(text, "quantity", spec.qty(order.qty));
            if let Some(price) = order.price {
                field(text, "limitPrice", spec.price(price));
            }
            field(text, "triggerPrice", spec.price(stop.price));
            let rise = order.kind.waits_for_rise(order.side);
            text.s(if rise {
                r#","triggerSide":"trigger_above""#
            } else {
                r#","triggerSide":"trigger_below""#
            });
            text.s(r#","triggerSignal":""#).s(signal(stop.trigger)).s(r#"","reduceOnly":"#);
            text.s(if order.reduce_only { "true" } else { "false" });
            times(text, order);
            text.s("}");
        }
    }
    text.s(r#","reducedQuantity":null}"#);
}

/// An order filled.
pub(super) fn execution(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    text.s(r#"{"type":"EXECUTION","executionId":""#).s(&uid(Uid::Fill, fill.market, fill.id)).s("\"");
    field(text, "price", spec.price(fill.price));
    field(text, "amount", spec.qty(fill.qty));
    text.s(r#","orderPriorEdit":null,"orderPriorExecution":"#);
    object(text, spec, &fill.order, fill.order.filled - fill.qty);
    text.s(r#","takerReducedQuantity":null}"#);
}

/// An order was cancelled.
pub(super) fn cancel(text: &mut Text, spec: &Spec, order: &Order) {
    text.s(r#"{"type":"CANCEL","uid":""#).s(&order_id(order)).s(r#"","order":"#);
    object(text, spec, order, order.filled);
    text.s("}");
}
