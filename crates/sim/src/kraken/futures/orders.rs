//! Futures orders over REST: placing, cancelling, and the switch that cancels when a client falls silent.
//!
//! An answer that was right may say inside that nothing was done. Left out: edits, batches and trailing stops.

use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_types::{Kind, Side};

use crate::engine::{Refused, Tif};
use crate::kraken::Kraken;
use crate::kraken::futures::events;
use crate::kraken::futures::rest::{Refusal, contracts, missing, refusal};
use crate::kraken::futures::socket::find;
use crate::kraken::names::parse_order_uid;
use crate::kraken::number::millis;
use crate::kraken::params::{Params, counts};
use crate::market::Spec;
use crate::text::{Text, parse_instant};
use crate::venue::Context;
use crate::wallets::{Account, Order, OrderKind, OwnFill, Status, Stop, Ticket, Trigger};
use crate::world::{Denied, World};

/// The longest client's own id.
const CLIENT_ID_MAX: usize = 100;
/// The longest time of the switch, in seconds.
const SWITCH_MAX: u64 = 86_400;

/// Why an order was not taken, in the venue's word.
type Word = &'static str;

/// Says a refused order in the venue's words.
fn word(denied: Denied) -> Word {
    match denied {
        Denied::NoAccount => "marketInactive",
        Denied::BadPrice | Denied::OffTick | Denied::Refused(Refused::BadPrice) => "invalidPrice",
        Denied::PriceTooHigh => "outsidePriceCollar",
        Denied::BadQty | Denied::OffStep | Denied::TooLarge | Denied::TooSmall => "invalidSize",
        Denied::Refused(Refused::BadQty) => "invalidSize",
        Denied::Duplicate => "clientOrderIdAlreadyExist",
        Denied::TooManyOpen => "tooManySmallOrders",
        Denied::NoPosition | Denied::OverReduces => "wouldNotReducePosition",
        Denied::RiskLimit => "maxPositionViolation",
        Denied::NothingFills | Denied::Refused(Refused::CannotFill) => "iocWouldNotExecute",
        Denied::Insufficient(_) => "insufficientAvailableFunds",
        Denied::Refused(Refused::WouldCross) => "postWouldExecute",
        Denied::NotAmendable => "notFound",
    }
}

/// Reads an order from a request.
fn ticket(params: &Params, spec: &Spec, blank: Ticket) -> Result<Ticket, Word> {
    let price = |name| match params.get(name) {
        None => Ok(None),
        Some(text) => counts(text, spec.price_scale).map(Some).map_err(|_| "invalidPrice"),
    };
    let (limit, stop) = (price("limitPrice")?, price("stopPrice")?);
    let kind = match (params.get("orderType").unwrap_or_default(), limit.is_some()) {
        ("mkt", _) => OrderKind::Market,
        ("lmt" | "post" | "ioc" | "fok", _) => OrderKind::Limit,
        ("stp", false) => OrderKind::StopMarket,
        ("stp", true) => OrderKind::StopLimit,
        ("take_profit", false) => OrderKind::TakeProfitMarket,
        ("take_profit", true) => OrderKind::TakeProfitLimit,
        _ => return Err("invalidOrderType"),
    };
    let tif = match params.get("orderType") {
        Some("lmt" | "post") => Tif::Gtc,
        Some("fok") => Tif::Fok,
        Some("stp" | "take_profit") if kind.is_limit() => Tif::Gtc,
        _ => Tif::Ioc,
    };
    let side = match params.get("side") {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err("invalidSide"),
    };
    let trigger = match params.get("triggerSignal") {
        None | Some("last") => Trigger::Last,
        Some("mark") => Trigger::Mark,
        Some("spot") => Trigger::Index,
        Some(_) => return Err("invalidOrderType"),
    };
    let client_id = params.get("cliOrdId").unwrap_or_default();
    if client_id.chars().count() > CLIENT_ID_MAX {
        return Err("clientOrderIdTooLong");
    }
    Ok(Ticket {
        client_id: client_id.to_string(),
        side,
        kind,
        qty: counts(params.get("size").unwrap_or_default(), spec.qty_scale).map_err(|_| "invalidSize")?,
        price: limit.filter(|_| kind.is_limit()),
        stop: stop.filter(|_| kind.waits()).map(|price| Stop { price, trigger }),
        tif,
        post_only: params.get("orderType") == Some("post"),
        reduce_only: params.flag("reduceOnly"),
        must_fill: tif == Tif::Ioc && !kind.waits(),
        ..blank
    })
}

/// An order of a contract by the venue's id or the client's.
fn named<'a>(world: &World, account: &'a Account, params: &Params) -> Result<Option<&'a Order>, Refusal> {
    match (params.get("order_id"), params.get("cliOrdId")) {
        (Some(id), _) => Ok(parse_order_uid(id).and_then(|(market, id)| account.order(market, id))),
        (None, Some(own)) => Ok(by_client_id(world, account, own)),
        (None, None) => Err(missing()),
    }
}

/// The order of any contract with a client's own id.
pub(super) fn by_client_id<'a>(world: &World, account: &'a Account, own: &str) -> Option<&'a Order> {
    contracts(world).find_map(|(market, _)| account.order_by_client_id(market, own))
}

/// The fills that an order met at once.
fn fills_at_once<'a>(account: &'a Account, order: &'a Order) -> Vec<&'a OwnFill> {
    let recent = account.fills().rev().take_while(|fill| fill.at_ms >= order.created_ms);
    let mut own: Vec<_> =
        recent.filter(|fill| (fill.market, fill.order.id) == (order.market, order.id)).collect();
    own.reverse();
    own
}

impl Kraken {
    pub(super) fn futures_own<'a>(&self, cx: &'a Context<'_>) -> Result<&'a Account, Refusal> {
        cx.world.account(self.user.owner).ok_or_else(|| refusal("accountInactive"))
    }

    /// Does what a key that may trade asks for.
    pub(super) fn futures_trade(
        &mut self,
        cx: &mut Context<'_>,
        route: &str,
        params: &Params,
    ) -> Result<Text, Refusal> {
        let mut text = Text::new();
        match route {
            "sendorder" => self.send_order(cx, params, &mut text)?,
            "cancelorder" => self.cancel_order(cx, params, &mut text)?,
            "cancelallorders" => self.cancel_orders(cx, params, &mut text)?,
            "leveragepreferences" => self.set_leverage(cx, params, &mut text)?,
            _ => {
                let seconds = params.get("timeout").ok_or_else(missing)?;
                let seconds: u64 = seconds.parse().map_err(|_| refusal("invalidArgument: timeout"))?;
                if seconds > SWITCH_MAX {
                    return Err(refusal("invalidArgument: timeout"));
                }
                self.futures.switch = (seconds > 0).then(|| cx.now.mono.plus(Duration::from_secs(seconds)));
                text.s(r#""status":{"currentTime":"#);
                millis(&mut text, cx.server_ms());
                text.s(r#","triggerTime":"#);
                match i64::try_from(seconds) {
                    Ok(seconds) if seconds > 0 => millis(&mut text, cx.server_ms() + seconds * 1000),
                    _ => {
                        text.s("\"0\"");
                    }
                }
                text.s("}");
            }
        }
        Ok(text)
    }

    fn send_order(&mut self, cx: &mut Context<'_>, params: &Params, text: &mut Text) -> Result<(), Refusal> {
        for name in ["orderType", "symbol", "side", "size"] {
            params.get(name).ok_or_else(missing)?;
        }
        let native = params.get("symbol").unwrap_or_default();
        let market = find(cx.world, native).ok_or_else(|| refusal("invalidArgument: symbol"))?;
        if let Some(deadline) = params.get("processBefore") {
            let deadline =
                parse_instant(deadline).ok_or_else(|| refusal("invalidArgument: processBefore"))?;
            if deadline < cx.server_ms() {
                return Err(refusal("invalidArgument: processBefore"));
            }
        }
        let (spec, at_ms) = (cx.world.markets()[market].spec, cx.world.wall_ms(cx.now.mono));
        let ticket = ticket(params, spec, Ticket::new(self.user.owner, market, Side::Buy, 0, None));
        let placed = ticket.and_then(|ticket| {
            let account = cx.world.account(self.user.owner).ok_or("marketInactive")?;
            if !ticket.client_id.is_empty() && by_client_id(cx.world, account, &ticket.client_id).is_some() {
                return Err(word(Denied::Duplicate));
            }
            cx.world.submit(ticket, at_ms).map_err(word)
        });
        text.s(r#""sendStatus":{"#);
        match placed {
            Ok(id) => {
                self.book(cx, [market]);
                let account = self.futures_own(cx)?;
                let order = account.order(market, id).ok_or_else(|| refusal("Server Error"))?;
                let fills = fills_at_once(account, order);
                text.s(r#""status":"placed","order_id":""#).s(&events::order_id(order)).s("\"");
                if !order.client_id.is_empty() {
                    text.s(r#","cliOrdId":"#).quoted(&order.client_id);
                }
                text.s(r#","orderEvents":["#);
                let rests = fills.is_empty() || order.status.is_open();
                if rests {
                    events::place(text, spec, order);
                }
                for (at, fill) in fills.into_iter().enumerate() {
                    text.s(if at > 0 || rests { "," } else { "" });
                    events::execution(text, spec, fill);
                }
                text.s("]");
            }
            Err(word) => {
                text.s(r#""status":""#).s(word).s("\"");
            }
        }
        text.s(r#","receivedTime":"#);
        millis(text, cx.server_ms());
        text.s("}");
        Ok(())
    }

    fn cancel_order(
        &mut self,
        cx: &mut Context<'_>,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let found = named(cx.world, self.futures_own(cx)?, params)?;
        let found = found.map(|order| (order.market, order.id, order.status));
        text.s(r#""cancelStatus":{"receivedTime":"#);
        millis(text, cx.server_ms());
        match found {
            Some((market, id, status))
                if status.is_open() && cx.world.cancel(self.user.owner, market, id) =>
            {
                self.book(cx, [market]);
                let spec = cx.world.markets()[market].spec;
                let order = self.futures_own(cx)?.order(market, id).ok_or_else(|| refusal("Server Error"))?;
                text.s(r#","status":"cancelled","order_id":""#).s(&events::order_id(order)).s("\"");
                if !order.client_id.is_empty() {
                    text.s(r#","cliOrdId":"#).quoted(&order.client_id);
                }
                text.s(r#","orderEvents":["#);
                events::cancel(text, spec, order);
                text.s("]}");
            }
            Some((_, _, Status::Filled)) => {
                text.s(r#","status":"filled"}"#);
            }
            _ => {
                text.s(r#","status":"notFound"}"#);
            }
        }
        Ok(())
    }

    /// With a leverage a position is isolated, without one it is cross.
    fn set_leverage(
        &mut self,
        cx: &mut Context<'_>,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let native = params.get("symbol").ok_or_else(missing)?;
        let market = find(cx.world, native).ok_or_else(|| refusal("contractNotFound"))?;
        let wrong = || refusal("invalidArgument: maxLeverage");
        let leverage =
            params.get("maxLeverage").map_or(Ok(Decimal::ZERO), |text| text.parse().map_err(|_| wrong()))?;
        cx.world.set_leverage(self.user.owner, market, leverage).map_err(|_| wrong())?;
        self.book(cx, [market]);
        text.s(r#""symbol":""#).s(cx.world.markets()[market].spec.native).s("\"");
        Ok(())
    }

    fn cancel_orders(
        &mut self,
        cx: &mut Context<'_>,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let only = match params.get("symbol") {
            None => None,
            Some(native) => Some(find(cx.world, native).ok_or_else(|| refusal("invalidArgument: symbol"))?),
        };
        let cancelled = self.cancel_all(cx, Kind::Perpetual, only);
        let account = self.futures_own(cx)?;
        let orders: Vec<&Order> =
            cancelled.iter().filter_map(|&(market, id)| account.order(market, id)).collect();
        text.s(r#""cancelStatus":{"receivedTime":"#);
        millis(text, cx.server_ms());
        text.s(r#","cancelOnly":""#).s(only.map_or("all", |market| cx.world.markets()[market].spec.native));
        text.s(r#"","status":""#).s(if orders.is_empty() { "noOrdersToCancel" } else { "cancelled" });
        text.s(r#"","cancelledOrders":["#);
        for (at, order) in orders.iter().enumerate() {
            text.s(if at == 0 { r#"{"order_id":""# } else { r#",{"order_id":""# })
                .s(&events::order_id(order));
            text.s("\"");
            if !order.client_id.is_empty() {
                text.s(r#","cliOrdId":"#).quoted(&order.client_id);
            }
            text.s("}");
        }
        text.s(r#"],"orderEvents":["#);
        for (at, order) in orders.iter().enumerate() {
            text.s(if at == 0 { "" } else { "," });
            events::cancel(text, cx.world.markets()[order.market].spec, order);
        }
        text.s("]}");
        Ok(())
    }
}
