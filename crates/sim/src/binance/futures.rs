//! Orders of USD-M futures: one-way mode, conditional orders by their own interface.

use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_types::{Mono, Side};

use crate::binance::answers::rows;
use crate::binance::events::{amount, field, flag};
use crate::binance::orders::{
    client_id, fresh_id, goes_off, kind, named, no_order, on_grid, price_field, qty_field, read_client_id,
    read_side, side, status, time_in_force, unknown_order,
};
use crate::binance::params::{Params, Refusal};
use crate::binance::positions::contracts;
use crate::binance::{Binance, Product};
use crate::engine::{Refused, Tif};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Order, OrderKind, OwnFill, Status, Stop, Ticket, Trigger};
use crate::world::{Denied, Market};

const WEEK_MS: i64 = 7 * 86_400_000;

/// Says a refused order in the codes of futures.
pub(super) fn refusal(denied: Denied, spec: &Spec) -> Refusal {
    let not_kept = "The order will not be recorded in the order history";
    let (code, msg) = match denied {
        Denied::BadPrice | Denied::Refused(Refused::BadPrice) => (-4001, "Price less than 0.".to_string()),
        Denied::OffTick => (-4014, "Price not increased by tick size.".to_string()),
        Denied::PriceTooHigh => (-4016, "Limit price can't be higher than the largest price.".to_string()),
        Denied::BadQty | Denied::Refused(Refused::BadQty) => {
            (-4003, "Quantity less than or equal to zero.".to_string())
        }
        Denied::OffStep => (-4023, "Qty not increased by step size.".to_string()),
        Denied::TooLarge => (-4005, "Quantity greater than max quantity.".to_string()),
        Denied::TooSmall => {
            let least = spec.min_notional;
            (
                -4164,
                format!("Order's notional must be no smaller than {least} (unless you choose reduce only)."),
            )
        }
        Denied::TooManyOpen => (-2025, "Reach max open order limit.".to_string()),
        Denied::Duplicate => (-4116, "ClientOrderId is duplicated.".to_string()),
        Denied::NoPosition | Denied::OverReduces => (-2022, "ReduceOnly Order is rejected.".to_string()),
        Denied::RiskLimit => {
            (-2027, "Exceeded the maximum allowable position at current leverage.".to_string())
        }
        Denied::Insufficient(_) => (-2019, "Margin is insufficient.".to_string()),
        Denied::Refused(Refused::WouldCross) => (
            -5022,
            format!(
                "Due to the order could not be executed as maker, the Post Only order will be rejected. {not_kept}"
            ),
        ),
        Denied::Refused(Refused::CannotFill) | Denied::NothingFills => (
            -5021,
            format!(
                "Due to the order could not be filled immediately, the FOK order has been rejected. {not_kept}"
            ),
        ),
        Denied::NoAccount | Denied::NotAmendable => return unknown_order(),
    };
    Refusal::new(code, msg)
}

/// What an order is once it is no longer conditional.
fn plain_kind(order: &Order) -> &'static str {
    if order.kind.is_limit() { "LIMIT" } else { "MARKET" }
}

/// How much an order's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// As it was accepted, whatever it has filled since.
    Ack,
    /// As it stands, without average and turnover.
    Result,
    /// As it stands, with them.
    Whole,
}

fn object(text: &mut Text, spec: &Spec, order: &Order, said: Said) {
    let (filled, stands) = match said {
        Said::Ack => (0, Status::New),
        _ => (order.filled, order.status),
    };
    text.s(r#"{"orderId":"#).int(order.id).s(r#","symbol":""#).s(spec.native).s("\"");
    field(text, "status", status(stands));
    text.s(r#","clientOrderId":"#).quoted(&client_id(order));
    price_field(text, "price", spec, order.price);
    if said == Said::Whole {
        field(text, "avgPrice", &places(order.average(spec), 5));
        field(text, "cumQuote", &places(order.value, 5));
    } else {
        qty_field(text, "cumQty", spec, filled);
    }
    qty_field(text, "origQty", spec, order.qty);
    qty_field(text, "executedQty", spec, filled);
    field(text, "timeInForce", time_in_force(order, Product::Usdm));
    field(text, "type", plain_kind(order));
    field(text, "origType", plain_kind(order));
    text.s(r#","reduceOnly":"#).s(flag(order.reduce_only)).s(r#","closePosition":false"#);
    field(text, "side", side(order.side));
    text.s(
        r#","positionSide":"BOTH","stopPrice":"0.00","workingType":"CONTRACT_PRICE","priceProtect":false"#,
    );
    text.s(r#","priceMatch":"NONE","selfTradePreventionMode":"EXPIRE_MAKER","goodTillDate":0"#);
    if said == Said::Whole {
        text.s(r#","time":"#).int(order.created_ms);
    }
    text.s(r#","updateTime":"#).int(order.updated_ms).s("}");
}

/// An amount with at least so many places; what has more keeps them.
pub(super) fn places(value: Decimal, least: u32) -> String {
    let mut value = value.normalize();
    if value.scale() < least {
        value.rescale(least);
    }
    value.to_string()
}

/// Where a conditional order stands.
fn algo_status(order: &Order, triggered: bool) -> &'static str {
    match order.status {
        _ if triggered => "TRIGGERED",
        Status::Cancelled => "CANCELED",
        Status::Expired => "EXPIRED",
        _ => "NEW",
    }
}

fn working_type(order: &Order) -> &'static str {
    match order.stop {
        Some(Stop { trigger: Trigger::Mark, .. }) => "MARK_PRICE",
        _ => "CONTRACT_PRICE",
    }
}

fn algo_object(text: &mut Text, spec: &Spec, order: &Order, triggered: bool) {
    text.s(r#"{"algoId":"#).int(order.id).s(r#","clientAlgoId":"#).quoted(&client_id(order));
    field(text, "algoType", "CONDITIONAL");
    field(text, "orderType", kind(order, Product::Usdm));
    field(text, "symbol", spec.native);
    field(text, "side", side(order.side));
    field(text, "positionSide", "BOTH");
    field(text, "timeInForce", time_in_force(order, Product::Usdm));
    qty_field(text, "quantity", spec, order.qty);
    field(text, "algoStatus", algo_status(order, triggered));
    if triggered {
        text.s(r#","actualOrderId":""#).int(order.id).s("\"");
    }
    price_field(text, "triggerPrice", spec, order.stop.map(|stop| stop.price));
    price_field(text, "price", spec, order.price);
    text.s(r#","icebergQuantity":null,"selfTradePreventionMode":"EXPIRE_MAKER""#);
    field(text, "workingType", working_type(order));
    text.s(r#","priceMatch":"NONE","closePosition":false,"priceProtect":false,"reduceOnly":"#);
    text.s(flag(order.reduce_only))
        .s(r#","activatePrice":"","callbackRate":"","createTime":"#)
        .int(order.created_ms);
    text.s(r#","updateTime":"#).int(order.updated_ms);
    text.s(r#","triggerTime":"#).int(if triggered { order.updated_ms } else { 0 }).s(r#","goodTillDate":0}"#);
}

pub(super) fn algo_update(text: &mut Text, spec: &Spec, order: &Order, triggered: bool) {
    text.s(r#"{"e":"ALGO_UPDATE","T":"#).int(order.updated_ms).s(r#","E":"#).int(order.updated_ms);
    text.s(r#","o":{"caid":"#).quoted(&client_id(order)).s(r#","aid":"#).int(order.id);
    field(text, "at", "CONDITIONAL");
    field(text, "o", kind(order, Product::Usdm));
    field(text, "s", spec.native);
    field(text, "S", side(order.side));
    field(text, "ps", "BOTH");
    field(text, "f", time_in_force(order, Product::Usdm));
    qty_field(text, "q", spec, order.qty);
    field(text, "X", algo_status(order, triggered));
    field(text, "ai", &if triggered { order.id.to_string() } else { String::new() });
    price_field(text, "tp", spec, order.stop.map(|stop| stop.price));
    price_field(text, "p", spec, order.price);
    field(text, "V", "EXPIRE_MAKER");
    field(text, "wt", working_type(order));
    text.s(r#","pm":"NONE","cp":false,"pP":false,"R":"#).s(flag(order.reduce_only));
    text.s(r#","tt":"#).int(if triggered { order.updated_ms } else { 0 }).s(r#","gtd":0}}"#);
}

pub(super) fn order_update(text: &mut Text, spec: &Spec, order: &Order, fill: Option<&OwnFill>, what: &str) {
    text.s(r#"{"e":"ORDER_TRADE_UPDATE","E":"#).int(order.updated_ms).s(r#","T":"#).int(order.updated_ms);
    text.s(r#","o":{"s":""#).s(spec.native).s(r#"","c":"#).quoted(&client_id(order));
    field(text, "S", side(order.side));
    field(text, "o", plain_kind(order));
    field(text, "f", time_in_force(order, Product::Usdm));
    qty_field(text, "q", spec, order.qty);
    price_field(text, "p", spec, order.price);
    field(text, "ap", &places(order.average(spec), 1));
    field(text, "sp", "0");
    field(text, "x", what);
    field(text, "X", status(order.status));
    text.s(r#","i":"#).int(order.id);
    qty_field(text, "l", spec, fill.map_or(0, |fill| fill.qty));
    qty_field(text, "z", spec, order.filled);
    price_field(text, "L", spec, fill.map(|fill| fill.price));
    if let Some(fill) = fill {
        field(text, "n", &amount(fill.fee));
        field(text, "N", order.fee_asset(spec));
    }
    text.s(r#","T":"#).int(order.updated_ms).s(r#","t":"#).int(fill.map_or(0, |fill| fill.id));
    text.s(r#","b":"0","a":"0","m":"#).s(flag(fill.is_some_and(|fill| fill.maker)));
    text.s(r#","R":"#).s(flag(order.reduce_only));
    field(text, "wt", "CONTRACT_PRICE");
    field(text, "ot", plain_kind(order));
    text.s(r#","ps":"BOTH","cp":false"#);
    field(text, "rp", &amount(fill.map_or(Decimal::ZERO, |fill| fill.realised)));
    text.s(r#","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0}}"#);
}

/// The part of a fill that is told first.
pub(super) fn trade_lite(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    let order = &fill.order;
    text.s(r#"{"e":"TRADE_LITE","E":"#).int(fill.at_ms).s(r#","T":"#).int(fill.at_ms);
    field(text, "s", spec.native);
    qty_field(text, "q", spec, order.qty);
    price_field(text, "p", spec, order.price);
    text.s(r#","m":"#).s(flag(fill.maker)).s(r#","c":"#).quoted(&client_id(order));
    field(text, "S", side(order.side));
    price_field(text, "L", spec, Some(fill.price));
    qty_field(text, "l", spec, fill.qty);
    text.s(r#","t":"#).int(fill.id).s(r#","i":"#).int(order.id).s("}");
}

fn user_trade(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    let buys = fill.order.side == Side::Buy;
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","id":"#).int(fill.id);
    text.s(r#","orderId":"#).int(fill.order.id);
    field(text, "side", side(fill.order.side));
    price_field(text, "price", spec, Some(fill.price));
    qty_field(text, "qty", spec, fill.qty);
    field(text, "realizedPnl", &amount(fill.realised));
    field(text, "quoteQty", &amount(spec.value(fill.price, fill.qty)));
    field(text, "commission", &amount(fill.fee));
    field(text, "commissionAsset", fill.order.fee_asset(spec));
    text.s(r#","time":"#).int(fill.at_ms).s(r#","positionSide":"BOTH","buyer":"#).s(flag(buys));
    text.s(r#","maker":"#).s(flag(fill.maker)).s("}");
}

/// Reads a futures order from a request; `blank` says whose and where.
fn ticket(params: &Params, market: &Market, blank: Ticket, conditional: bool) -> Result<Ticket, Refusal> {
    let (spec, product) = (market.spec, Product::Usdm);
    let side = read_side(params)?;
    let kind = match (params.need("type")?, conditional) {
        ("LIMIT", false) => OrderKind::Limit,
        ("MARKET", false) => OrderKind::Market,
        ("STOP", true) => OrderKind::StopLimit,
        ("STOP_MARKET", true) => OrderKind::StopMarket,
        ("TAKE_PROFIT", true) => OrderKind::TakeProfitLimit,
        ("TAKE_PROFIT_MARKET", true) => OrderKind::TakeProfitMarket,
        ("STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET", false) => {
            let msg = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.";
            return Err(Refusal::new(-4120, msg));
        }
        _ => return Err(Refusal::new(-1116, "Invalid orderType.")),
    };
    if !matches!(params.text("positionSide"), None | Some("BOTH")) {
        return Err(Refusal::new(-4061, "Order's position side does not match user's setting."));
    }
    let (tif, post_only) = match (params.text("timeInForce"), kind.is_limit()) {
        (None, true) if !conditional => return Err(Refusal::missing("timeInForce")),
        (None | Some("GTC"), true) => (Tif::Gtc, false),
        (Some("GTX"), true) => (Tif::Gtc, true),
        (Some("IOC"), true) => (Tif::Ioc, false),
        (Some("FOK"), true) => (Tif::Fok, false),
        (None, false) => (Tif::Ioc, false),
        (Some("GTC" | "IOC" | "FOK"), false) if conditional => (Tif::Ioc, false),
        (Some("GTC" | "IOC" | "FOK" | "GTX"), false) => return Err(Refusal::unwanted("timeInForce")),
        _ => return Err(Refusal::new(-1115, "Invalid timeInForce.")),
    };
    let given = |name, wanted: bool| match (on_grid(params, name, spec.price_scale, product)?, wanted) {
        (None, true) => Err(Refusal::missing(name)),
        (Some(_), false) => Err(Refusal::unwanted(name)),
        (counts, _) => Ok(counts),
    };
    let (price, trigger_price) = (given("price", kind.is_limit())?, given("triggerPrice", conditional)?);
    let trigger = match params.text("workingType") {
        None | Some("CONTRACT_PRICE") => Trigger::Last,
        Some("MARK_PRICE") => Trigger::Mark,
        Some(_) => return Err(Refusal::invalid("workingType")),
    };
    if params.flag("closePosition")? {
        return Err(Refusal::invalid("closePosition"));
    }
    let now = if trigger == Trigger::Mark { market.reference.mark } else { market.last_price() };
    if trigger_price.is_some_and(|stop| goes_off(kind, side, now, stop)) {
        return Err(Refusal::new(-2021, "Order would immediately trigger."));
    }
    let own = if conditional { "clientAlgoId" } else { "newClientOrderId" };
    Ok(Ticket {
        side,
        kind,
        qty: on_grid(params, "quantity", spec.qty_scale, product)?
            .ok_or_else(|| Refusal::missing("quantity"))?,
        price,
        stop: trigger_price.map(|price| Stop { price, trigger }),
        tif,
        post_only,
        reduce_only: params.flag("reduceOnly")?,
        reuses_id: true,
        client_id: read_client_id(params, own, product)?.unwrap_or(blank.client_id),
        ..blank
    })
}

impl Binance {
    /// True for an order that is known as a conditional one only: it waits, or never got further.
    pub(super) fn is_algo(&self, order: &Order) -> bool {
        order.kind.waits() && !self.state.triggered.contains(&(order.market, order.id))
    }

    /// What a route of futures orders answers; false when it is none of them.
    pub(super) fn futures_order_answer(
        &mut self,
        cx: &mut Context<'_>,
        (method, path): (&str, &str),
        params: &Params,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        let product = Product::Usdm;
        match (method, path) {
            ("POST", "order") => {
                let said = match params.text("newOrderRespType") {
                    None | Some("ACK") => Said::Ack,
                    Some("RESULT") => Said::Result,
                    Some(_) => return Err(Refusal::new(-1104, "Invalid newOrderRespType.")),
                };
                let (spec, key) = self.place_futures(cx, params, false)?;
                object(text, spec, self.account(cx)?.order(key.0, key.1).ok_or_else(no_order)?, said);
            }
            ("POST", "algoOrder") => {
                if params.need("algoType")? != "CONDITIONAL" {
                    return Err(Refusal::invalid("algoType"));
                }
                let (spec, key) = self.place_futures(cx, params, true)?;
                algo_object(text, spec, self.account(cx)?.order(key.0, key.1).ok_or_else(no_order)?, false);
            }
            ("GET", "order" | "openOrder") => {
                let (at, market) = self.market(cx, product, params)?;
                let order = named(self.account(cx)?, at, params)?.filter(|order| !self.is_algo(order));
                let order = order.filter(|order| path == "order" || order.status.is_open());
                object(text, market.spec, order.ok_or_else(no_order)?, Said::Whole);
            }
            ("DELETE", "order") => {
                let (at, market) = self.market(cx, product, params)?;
                let order = named(self.account(cx)?, at, params)?.filter(|order| !self.is_algo(order));
                let (spec, id) = (market.spec, order.ok_or_else(unknown_order)?.id);
                self.cancel(cx, (at, id), "")?;
                object(text, spec, self.account(cx)?.order(at, id).ok_or_else(unknown_order)?, Said::Result);
            }
            ("PUT", "order") => {
                let (at, market) = self.market(cx, product, params)?;
                let (spec, account) = (market.spec, self.account(cx)?);
                let order = named(account, at, params)?.filter(|order| !self.is_algo(order));
                let id = self.amend(cx, spec, order.cloned().ok_or_else(no_order)?, params)?;
                object(text, spec, self.account(cx)?.order(at, id).ok_or_else(no_order)?, Said::Result);
            }
            ("DELETE", "allOpenOrders") => {
                let (at, _) = self.market(cx, product, params)?;
                self.cancel_market(cx, at, "", |order| order.status != Status::Untriggered);
                text.s(r#"{"code":200,"msg":"The operation of cancel all open order is done."}"#);
            }
            ("POST", "countdownCancelAll") => {
                let (at, market) = self.market(cx, product, params)?;
                let spec = market.spec;
                let ms = params.integer("countdownTime")?.ok_or_else(|| Refusal::missing("countdownTime"))?;
                let span = u64::try_from(ms).map_err(|_| Refusal::invalid("countdownTime"))?;
                if span == 0 {
                    self.countdowns.remove(&at);
                } else {
                    self.countdowns.insert(at, cx.now.mono.plus(Duration::from_millis(span)));
                }
                text.s(r#"{"symbol":""#).s(spec.native).s(r#"","countdownTime":""#).int(ms).s("\"}");
            }
            ("GET", "openOrders") => {
                let markets = cx.world.markets();
                let mut orders = self.open_orders(cx, product, params)?;
                orders.retain(|order| !self.is_algo(order));
                rows(text, orders, |text, order| {
                    object(text, markets[order.market].spec, order, Said::Whole)
                });
            }
            ("GET", "allOrders") => {
                let (at, market) = self.market(cx, product, params)?;
                let orders = self.account(cx)?.orders_of(at).filter(|order| !self.is_algo(order));
                let (span, limit) = (params.span(WEEK_MS)?, params.limit(500, 1_000)?);
                let page =
                    span.page(orders, params.id("orderId")?, limit, |order| (order.id, order.created_ms));
                rows(text, page, |text, order| object(text, market.spec, order, Said::Whole));
            }
            ("GET", "userTrades") => {
                let (at, market) = self.market(cx, product, params)?;
                let (from, order) = (params.id("fromId")?, params.id("orderId")?);
                if from.is_some() && params.text("startTime").or(params.text("endTime")).is_some() {
                    return Err(Refusal::new(-1128, "Combination of optional parameters invalid."));
                }
                let fills = self
                    .account(cx)?
                    .fills()
                    .filter(|fill| fill.market == at && order.is_none_or(|order| fill.order.id == order));
                let (span, limit) = (params.span(WEEK_MS)?, params.limit(500, 1_000)?);
                let page = span.page(fills, from, limit, |fill| (fill.id, fill.at_ms));
                rows(text, page, |text, fill| user_trade(text, market.spec, fill));
            }
            ("GET" | "DELETE", "algoOrder") => {
                let key = self
                    .algo(cx, params)?
                    .ok_or_else(|| if method == "GET" { no_order() } else { unknown_order() })?;
                if method == "DELETE" {
                    self.cancel(cx, key, "")?;
                    text.s(r#"{"algoId":"#).int(key.1).s(r#","clientAlgoId":"#);
                    let order = self.account(cx)?.order(key.0, key.1).ok_or_else(unknown_order)?;
                    text.quoted(&client_id(order)).s(r#","code":"200","msg":"success"}"#);
                } else {
                    let order = self.account(cx)?.order(key.0, key.1).ok_or_else(no_order)?;
                    let triggered = !self.is_algo(order);
                    algo_object(text, cx.world.markets()[key.0].spec, order, triggered);
                }
            }
            ("GET", "openAlgoOrders") => {
                let markets = cx.world.markets();
                let mut orders = self.open_orders(cx, product, params)?;
                orders.retain(|order| self.is_algo(order));
                rows(text, orders, |text, order| algo_object(text, markets[order.market].spec, order, false));
            }
            ("DELETE", "algoOpenOrders") => {
                let (at, _) = self.market(cx, product, params)?;
                let orders = self.open_orders(cx, product, params)?;
                let ids: Vec<u64> =
                    orders.iter().filter(|order| self.is_algo(order)).map(|order| order.id).collect();
                for id in ids {
                    self.cancel(cx, (at, id), "")?;
                }
                text.s(r#"{"code":"200","msg":"The operation of cancel all open order is done."}"#);
            }
            ("GET", "rateLimit/order") => self.order_limits(cx, product, text),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn place_futures(
        &mut self,
        cx: &mut Context<'_>,
        params: &Params,
        conditional: bool,
    ) -> Result<(&'static Spec, (usize, u64)), Refusal> {
        let (at, market) = self.market(cx, Product::Usdm, params)?;
        let spec = market.spec;
        let blank = Ticket::new(self.user.owner, at, Side::Buy, 0, None);
        let mut ticket = ticket(params, market, blank, conditional)?;
        if ticket.client_id.is_empty() {
            ticket.client_id = fresh_id(cx);
        }
        Ok((spec, (at, self.submit(cx, Product::Usdm, spec, ticket)?)))
    }

    /// Gives a limit order another price and another quantity, both of which have to be said; gives its id.
    fn amend(
        &mut self,
        cx: &mut Context<'_>,
        spec: &Spec,
        order: Order,
        params: &Params,
    ) -> Result<u64, Refusal> {
        let given =
            |name, scale| on_grid(params, name, scale, Product::Usdm)?.ok_or_else(|| Refusal::missing(name));
        let (price, qty) = (given("price", spec.price_scale)?, given("quantity", spec.qty_scale)?);
        if read_side(params)? != order.side {
            return Err(Refusal::new(-1117, "Invalid side."));
        }
        if (order.price, order.qty) == (Some(price), qty) {
            return Err(Refusal::new(-5027, "No need to modify the order."));
        }
        let (key, at_ms) = ((order.market, order.id), cx.world.wall_ms(cx.now.mono));
        let amended = cx.world.amend_to(self.user.owner, key, price, qty, at_ms);
        amended.map_err(|denied| refusal(denied, spec))?;
        self.state.note_amended(key);
        self.book(cx, order.market);
        Ok(order.id)
    }

    /// Finds a conditional order by the venue's id or the client's, in whichever market it is.
    fn algo(&self, cx: &Context<'_>, params: &Params) -> Result<Option<(usize, u64)>, Refusal> {
        let (id, own) = (params.id("algoId")?, params.text("clientAlgoId"));
        if id.is_none() && own.is_none() {
            return Err(Refusal::missing("algoId"));
        }
        let account = self.account(cx)?;
        let found = contracts(cx.world).find_map(|(at, _)| {
            let order = match (id, own) {
                (Some(id), _) => account.order(at, id),
                (None, own) => account.order_by_client_id(at, own.unwrap_or_default()),
            };
            order.filter(|order| order.kind.waits()).map(|order| (at, order.id))
        });
        Ok(found)
    }

    /// Cancels what the countdowns that have run out were set to cancel; conditional orders stay.
    pub(super) fn run_countdowns(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.mono;
        let due: Vec<usize> = self
            .countdowns
            .iter()
            .filter(|&(_, at): &(&usize, &Mono)| *at <= now)
            .map(|(market, _)| *market)
            .collect();
        for market in due {
            self.countdowns.remove(&market);
            self.cancel_market(cx, market, "", |order| order.status != Status::Untriggered);
        }
    }
}
