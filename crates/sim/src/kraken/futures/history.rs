//! The account's history, in pages that a token joins: executions, and what became of orders.

use venuekit_types::Kind;

use crate::engine::Tif;
use crate::kraken::Kraken;
use crate::kraken::futures::account::rows;
use crate::kraken::futures::events::order_id;
use crate::kraken::futures::rest::{Refusal, refusal};
use crate::kraken::names::{Uid, uid};
use crate::kraken::params::Params;
use crate::kraken::spot::side;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Order, OrderKind, OwnFill, Status};
use crate::world::World;

/// Rows of a page when the request does not say, and at most.
const ROWS: (usize, usize) = (1_000, 1_000);

/// One element of the history.
#[derive(Clone, Copy)]
enum Element<'a> {
    Execution(&'a OwnFill),
    Order(&'a Order),
}

impl Element<'_> {
    fn at_ms(&self) -> i64 {
        match self {
            Element::Execution(fill) => fill.at_ms,
            Element::Order(order) => order.updated_ms,
        }
    }

    fn market(&self) -> usize {
        match self {
            Element::Execution(fill) => fill.market,
            Element::Order(order) => order.market,
        }
    }
}

impl Kraken {
    pub(super) fn futures_history(
        &mut self,
        cx: &mut Context<'_>,
        route: &str,
        params: &Params,
    ) -> Result<Text, Refusal> {
        let account = self.futures_own(cx)?;
        let world = &*cx.world;
        let mut all: Vec<Element<'_>> = match route {
            "executions" => account.fills().map(Element::Execution).collect(),
            "orders" => account.orders().map(Element::Order).collect(),
            _ => return Err(refusal("notFound")),
        };
        let number = |name: &str| match params.get(name) {
            None => Ok(None),
            Some(text) => {
                text.parse::<i64>().map(Some).map_err(|_| refusal(&format!("invalidArgument: {name}")))
            }
        };
        let (since, before) = (number("since")?, number("before")?);
        let count = match number("count")? {
            None => ROWS.0,
            Some(count) => {
                let count = usize::try_from(count).ok().filter(|count| (1..=ROWS.1).contains(count));
                count.ok_or_else(|| refusal("invalidArgument: count"))?
            }
        };
        all.retain(|element| {
            let spec = world.markets()[element.market()].spec;
            spec.kind != Kind::Spot
                && params.get("tradeable").is_none_or(|native| spec.native.eq_ignore_ascii_case(native))
                && since.is_none_or(|since| element.at_ms() >= since)
                && before.is_none_or(|before| element.at_ms() <= before)
        });
        // The sort is stable, so that what happened at once keeps its order, and pages do not overlap.
        all.sort_by_key(Element::at_ms);
        if params.get("sort") != Some("asc") {
            all.reverse();
        }
        let skip = match params.get("continuation_token") {
            None => 0,
            Some(token) => hex::decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok())
                .ok_or_else(|| refusal("invalidArgument: continuation_token"))?,
        };
        let page = all.get(skip..).unwrap_or_default();
        let more = page.len() > count;
        let page = &page[..page.len().min(count)];
        let mut text = Text::new();
        text.s(r#"{"accountUid":""#).s(&account.user.to_string()).s(r#"","len":"#);
        text.s(&page.len().to_string()).s(r#","elements":"#);
        rows(&mut text, page.iter(), |text, element| match element {
            Element::Execution(fill) => execution(text, world, fill),
            Element::Order(order) => order_event(text, world, order),
        });
        if more {
            let token = hex::encode((skip + count).to_string());
            text.s(r#","continuationToken":""#).s(&token).s("\"");
        }
        text.s("}");
        Ok(text)
    }
}

/// An order, its numbers in strings: what is left of it, and what is not.
///
/// **Source**: an order that was filled at once, as CCXT's notes on this route show one: nothing is left of it.
fn order_object(text: &mut Text, spec: &Spec, order: &Order, (left, filled): (i64, i64)) {
    text.s(r#"{"uid":""#).s(&order_id(order)).s(r#"","tradeable":""#).s(spec.native);
    text.s(r#"","direction":""#).s(if side(order.side) == "buy" { "Buy" } else { "Sell" });
    text.s(r#"","quantity":""#).plain(left, spec.qty_scale);
    text.s(r#"","filled":""#).plain(filled, spec.qty_scale);
    text.s(r#"","timestamp":"#).int(order.created_ms).s(r#","limitPrice":""#);
    text.plain(order.price.unwrap_or(0), spec.price_scale);
    text.s(r#"","orderType":""#).s(match (order.kind, order.tif) {
        (OrderKind::Market, _) => "Market",
        (OrderKind::Limit, Tif::Ioc) => "IoC",
        (OrderKind::Limit, Tif::Fok) => "FoK",
        (OrderKind::Limit, Tif::Gtc) if order.post_only => "Post",
        (OrderKind::Limit, Tif::Gtc) => "Limit",
        _ => "Stop",
    });
    text.s(r#"","clientId":"#).quoted(&order.client_id).s(r#","reduceOnly":"#);
    text.s(if order.reduce_only { "true" } else { "false" });
    text.s(r#","lastUpdateTimestamp":"#).int(order.updated_ms).s("}");
}

/// A fill, with the account's own order as it stood before.
///
/// **Source**: the venue's OpenAPI of its history, read 2026-11: the private events spell their name in lower case and
/// hold one order, where the public ones hold both.
fn execution(text: &mut Text, world: &World, fill: &OwnFill) {
    let state = &world.markets()[fill.market];
    let spec = state.spec;
    let part = if fill.maker { "maker" } else { "taker" };
    text.s(r#"{"uid":""#).s(&uid(Uid::Event, fill.market, fill.id)).s(r#"","timestamp":"#).int(fill.at_ms);
    text.s(r#","event":{"execution":{"execution":{"uid":""#).s(&uid(Uid::Fill, fill.market, fill.id));
    text.s(r#"","order":"#);
    let order = &fill.order;
    order_object(text, spec, order, (order.left() + fill.qty, order.filled - fill.qty));
    text.s(r#","timestamp":"#).int(fill.at_ms).s(r#","quantity":""#).plain(fill.qty, spec.qty_scale);
    text.s(r#"","price":""#).plain(fill.price, spec.price_scale);
    text.s(r#"","markPrice":""#).plain(state.reference.mark, spec.price_scale);
    text.s(r#"","limitFilled":"#).s(if fill.order.status == Status::Filled { "true" } else { "false" });
    text.s(r#","executionType":""#).s(part).s(r#"","usdValue":""#);
    let inverse = spec.contract.as_ref().is_some_and(|contract| contract.inverse);
    let usd = if inverse { spec.qty(fill.qty) } else { spec.value(fill.price, fill.qty) };
    text.s(&usd.normalize().to_string()).s(r#"","orderData":{"fee":""#);
    text.s(&fill.fee.normalize().to_string()).s(r#"","positionSize":"0"}},"takerReducedQuantity":""}}}"#);
}

/// What became of an order last.
fn order_event(text: &mut Text, world: &World, order: &Order) {
    let (name, reason) = match order.status {
        Status::Untriggered | Status::New => ("OrderPlaced", "new_user_order"),
        Status::PartiallyFilled => ("OrderUpdated", "partial_fill"),
        Status::Filled => ("OrderUpdated", "full_fill"),
        Status::Cancelled => ("OrderCancelled", "cancelled_by_user"),
        Status::Expired => ("OrderCancelled", "not_filled"),
    };
    text.s(r#"{"uid":""#)
        .s(&uid(Uid::Event, order.market, order.id))
        .s(r#"","timestamp":"#)
        .int(order.updated_ms);
    let field = if name == "OrderUpdated" { "newOrder" } else { "order" };
    text.s(r#","event":{""#).s(name).s(r#"":{""#).s(field).s("\":");
    order_object(text, world.markets()[order.market].spec, order, (order.left(), order.filled));
    text.s(r#","reason":""#).s(reason).s("\"}}}");
}
