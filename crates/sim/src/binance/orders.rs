//! Orders over REST: placing, cancelling, asking.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Side;

use crate::binance::answers::rows;
use crate::binance::events::{amount, field, flag};
use crate::binance::params::{Params, Refusal};
use crate::binance::rest::{Asked, Family};
use crate::binance::{Binance, Product, events, futures};
use crate::engine::{Refused, Tif};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::{Context, Protocol};
use crate::wallets::{Account, Order, OrderKind, OwnFill, Status, Stop, Ticket, Trigger, Wallet};
use crate::world::{Denied, Market};

const DAY_MS: i64 = 86_400_000;

/// The longest client order id.
const CLIENT_ID_MAX: usize = 36;

pub(super) fn no_order() -> Refusal {
    Refusal::new(-2013, "Order does not exist.")
}

pub(super) fn unknown_order() -> Refusal {
    Refusal::new(-2011, "Unknown order sent.")
}

/// Says a refused order in the product's codes.
pub(super) fn refusal(product: Product, denied: Denied, spec: &Spec) -> Refusal {
    match product {
        Product::Spot => spot_refusal(denied),
        Product::Usdm => futures::refusal(denied, spec),
    }
}

fn spot_refusal(denied: Denied) -> Refusal {
    let filter = |name: &str| Refusal::new(-1013, format!("Filter failure: {name}"));
    let rejected = |msg: &'static str| Refusal::new(-2010, msg);
    match denied {
        Denied::BadPrice | Denied::OffTick | Denied::PriceTooHigh | Denied::Refused(Refused::BadPrice) => {
            filter("PRICE_FILTER")
        }
        Denied::BadQty | Denied::OffStep | Denied::TooLarge | Denied::Refused(Refused::BadQty) => {
            filter("LOT_SIZE")
        }
        Denied::TooSmall => filter("NOTIONAL"),
        Denied::TooManyOpen => filter("MAX_NUM_ORDERS"),
        Denied::Duplicate => rejected("Duplicate order sent."),
        Denied::Refused(Refused::WouldCross) => rejected("Order would immediately match and take."),
        Denied::Refused(Refused::CannotFill) | Denied::NothingFills => rejected("Order could not be filled."),
        Denied::Insufficient(_) => rejected("Account has insufficient balance for requested action."),
        Denied::NoPosition | Denied::OverReduces | Denied::RiskLimit => filter("MAX_POSITION"),
        Denied::NoAccount | Denied::NotAmendable => unknown_order(),
    }
}

/// The wire's word for a side.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The wire's word for how long an order may wait.
pub(super) fn time_in_force(order: &Order, product: Product) -> &'static str {
    match order.tif {
        Tif::Gtc if order.post_only && product == Product::Usdm => "GTX",
        Tif::Ioc if !order.kind.is_limit() => "GTC",
        Tif::Gtc => "GTC",
        Tif::Ioc => "IOC",
        Tif::Fok => "FOK",
    }
}

/// The wire's word for what an order does.
pub(super) fn kind(order: &Order, product: Product) -> &'static str {
    match (order.kind, product) {
        (OrderKind::Market, _) => "MARKET",
        (OrderKind::Limit, Product::Spot) if order.post_only => "LIMIT_MAKER",
        (OrderKind::Limit, _) => "LIMIT",
        (OrderKind::StopMarket, Product::Spot) => "STOP_LOSS",
        (OrderKind::StopLimit, Product::Spot) => "STOP_LOSS_LIMIT",
        (OrderKind::TakeProfitMarket, Product::Spot) => "TAKE_PROFIT",
        (OrderKind::TakeProfitLimit, Product::Spot) => "TAKE_PROFIT_LIMIT",
        (OrderKind::StopMarket, Product::Usdm) => "STOP_MARKET",
        (OrderKind::StopLimit, Product::Usdm) => "STOP",
        (OrderKind::TakeProfitMarket, Product::Usdm) => "TAKE_PROFIT_MARKET",
        (OrderKind::TakeProfitLimit, Product::Usdm) => "TAKE_PROFIT",
    }
}

/// The wire's word for where an order stands.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::New | Status::Untriggered => "NEW",
        Status::PartiallyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Cancelled => "CANCELED",
        Status::Expired => "EXPIRED",
    }
}

/// The id that the venue shows for the client: its own where the client gave none.
pub(super) fn client_id(order: &Order) -> String {
    if order.client_id.is_empty() { format!("web_{}", order.id) } else { order.client_id.clone() }
}

/// A field that holds a price; a zero where there is none.
pub(super) fn price_field(text: &mut Text, name: &str, spec: &Spec, counts: Option<i64>) {
    text.s(",\"").s(name).s("\":\"");
    events::price(text, spec, counts.unwrap_or(0));
    text.s("\"");
}

/// A field that holds a quantity.
pub(super) fn qty_field(text: &mut Text, name: &str, spec: &Spec, counts: i64) {
    text.s(",\"").s(name).s("\":\"");
    events::qty(text, spec, counts);
    text.s("\"");
}

/// What the sizes of a spot order are, from `price` on. One on margin says of which wallet it is.
fn sizes(text: &mut Text, spec: &Spec, order: &Order) {
    if order.wallet != Wallet::Spot {
        text.s(r#","isIsolated":"#).s(flag(matches!(order.wallet, Wallet::Isolated(_))));
    }
    price_field(text, "price", spec, order.price);
    qty_field(text, "origQty", spec, order.qty);
    qty_field(text, "executedQty", spec, order.filled);
    field(text, "origQuoteOrderQty", "0.00000000");
    field(text, "cummulativeQuoteQty", &amount(order.value));
    field(text, "status", status(order.status));
    field(text, "timeInForce", time_in_force(order, Product::Spot));
    field(text, "type", kind(order, Product::Spot));
    field(text, "side", side(order.side));
}

/// A spot order as it is asked for.
pub(super) fn object(text: &mut Text, spec: &Spec, order: &Order) {
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","orderId":"#).int(order.id).s(r#","orderListId":-1"#);
    text.s(r#","clientOrderId":"#).quoted(&client_id(order));
    sizes(text, spec, order);
    price_field(text, "stopPrice", spec, order.stop.map(|stop| stop.price));
    field(text, "icebergQty", "0.00000000");
    text.s(r#","time":"#).int(order.created_ms).s(r#","updateTime":"#).int(order.updated_ms);
    let works = order.status != Status::Untriggered;
    text.s(r#","isWorking":"#).s(flag(works));
    text.s(r#","workingTime":"#).int(if works { order.created_ms } else { -1 });
    text.s(r#","selfTradePreventionMode":"NONE"}"#);
}

/// How much a new order's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Ack,
    Result,
    Full,
}

fn placed(text: &mut Text, spec: &Spec, order: &Order, fills: &[&OwnFill], said: Said) {
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","orderId":"#).int(order.id).s(r#","orderListId":-1"#);
    text.s(r#","clientOrderId":"#).quoted(&client_id(order));
    text.s(r#","transactTime":"#).int(order.created_ms);
    if said != Said::Ack {
        sizes(text, spec, order);
        text.s(r#","workingTime":"#).int(order.created_ms);
        if said == Said::Full {
            text.s(r#","fills":"#);
            rows(text, fills, |text, fill| {
                text.s(r#"{"price":""#);
                events::price(text, spec, fill.price);
                text.s("\"");
                qty_field(text, "qty", spec, fill.qty);
                field(text, "commission", &amount(fill.fee));
                field(text, "commissionAsset", fill.order.fee_asset(spec));
                if order.wallet == Wallet::Spot {
                    text.s(r#","tradeId":"#).int(fill.id);
                }
                text.s("}");
            });
        }
        field(text, "selfTradePreventionMode", "NONE");
    }
    text.s("}");
}

fn cancelled(text: &mut Text, spec: &Spec, order: &Order, cancel_id: &str) {
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","origClientOrderId":"#).quoted(&client_id(order));
    // On margin the id is a text.
    match order.wallet {
        Wallet::Spot => text.s(r#","orderId":"#).int(order.id),
        _ => text.s(r#","orderId":""#).int(order.id).s("\""),
    };
    text.s(r#","orderListId":-1,"clientOrderId":"#).quoted(cancel_id);
    text.s(r#","transactTime":"#).int(order.updated_ms);
    sizes(text, spec, order);
    text.s(r#","selfTradePreventionMode":"NONE"}"#);
}

fn spot_fill(text: &mut Text, spec: &Spec, fill: &OwnFill) {
    text.s(r#"{"symbol":""#).s(spec.native).s(r#"","id":"#).int(fill.id);
    text.s(r#","orderId":"#).int(fill.order.id).s(r#","orderListId":-1"#);
    price_field(text, "price", spec, Some(fill.price));
    qty_field(text, "qty", spec, fill.qty);
    field(text, "quoteQty", &amount(spec.value(fill.price, fill.qty)));
    field(text, "commission", &amount(fill.fee));
    field(text, "commissionAsset", fill.order.fee_asset(spec));
    text.s(r#","time":"#).int(fill.at_ms);
    text.s(r#","isBuyer":"#).s(flag(fill.order.side == Side::Buy));
    text.s(r#","isMaker":"#).s(flag(fill.maker)).s(r#","isBestMatch":true}"#);
}

/// Reads a number on the grid; one off it fails the filter, as the venue takes eight places of everything on spot.
pub(super) fn on_grid(
    params: &Params,
    name: &str,
    scale: venuekit_types::Scale,
    product: Product,
) -> Result<Option<i64>, Refusal> {
    let filter = if name == "quantity" { "LOT_SIZE" } else { "PRICE_FILTER" };
    params.counts(name, scale).map_err(|refusal| match (refusal.code, product) {
        (-1111, Product::Spot) => Refusal::new(-1013, format!("Filter failure: {filter}")),
        _ => refusal,
    })
}

/// Reads the side of an order.
pub(super) fn read_side(params: &Params) -> Result<Side, Refusal> {
    match params.need("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Refusal::new(-1117, "Invalid side.")),
    }
}

/// Reads a client's own id, which may be left out.
pub(super) fn read_client_id(
    params: &Params,
    name: &str,
    product: Product,
) -> Result<Option<String>, Refusal> {
    let Some(id) = params.text(name) else { return Ok(None) };
    let is_plain = |c: char| {
        let more = if product == Product::Usdm { ".:/_-" } else { "-_" };
        c.is_ascii_alphanumeric() || more.contains(c)
    };
    if id.len() > CLIENT_ID_MAX || !id.chars().all(is_plain) {
        return Err(Refusal::illegal(name));
    }
    Ok(Some(id.to_string()))
}

/// Reads a spot order from a request; `blank` says whose and where.
fn spot_ticket(params: &Params, market: &Market, blank: Ticket) -> Result<Ticket, Refusal> {
    let spec = market.spec;
    let side = read_side(params)?;
    let word = params.need("type")?;
    let kind = match word {
        "LIMIT" | "LIMIT_MAKER" => OrderKind::Limit,
        "MARKET" => OrderKind::Market,
        "STOP_LOSS" => OrderKind::StopMarket,
        "STOP_LOSS_LIMIT" => OrderKind::StopLimit,
        "TAKE_PROFIT" => OrderKind::TakeProfitMarket,
        "TAKE_PROFIT_LIMIT" => OrderKind::TakeProfitLimit,
        _ => return Err(Refusal::new(-1116, "Invalid orderType.")),
    };
    let waits_for_limit = kind.is_limit() && word != "LIMIT_MAKER";
    let tif = match (params.text("timeInForce"), waits_for_limit) {
        (Some(_), false) => return Err(Refusal::unwanted("timeInForce")),
        (None, true) => return Err(Refusal::missing("timeInForce")),
        (None, false) => {
            if kind.is_limit() {
                Tif::Gtc
            } else {
                Tif::Ioc
            }
        }
        (Some("GTC"), true) => Tif::Gtc,
        (Some("IOC"), true) => Tif::Ioc,
        (Some("FOK"), true) => Tif::Fok,
        _ => return Err(Refusal::new(-1115, "Invalid timeInForce.")),
    };
    let given = |name, wanted: bool| match (on_grid(params, name, spec.price_scale, Product::Spot)?, wanted) {
        (None, true) => Err(Refusal::missing(name)),
        (Some(_), false) => Err(Refusal::unwanted(name)),
        (counts, _) => Ok(counts),
    };
    let (price, stop) = (given("price", kind.is_limit())?, given("stopPrice", kind.waits())?);
    let qty =
        match (on_grid(params, "quantity", spec.qty_scale, Product::Spot)?, params.decimal("quoteOrderQty")?)
        {
            (Some(_), Some(_)) => return Err(Refusal::unwanted("quoteOrderQty")),
            (Some(qty), None) => qty,
            (None, Some(quote)) if kind == OrderKind::Market => affordable(market, side, quote),
            _ => return Err(Refusal::missing("quantity")),
        };
    if stop.is_some_and(|stop| goes_off(kind, side, market.last_price(), stop)) {
        return Err(Refusal::new(-2010, "Stop price would trigger immediately."));
    }
    Ok(Ticket {
        side,
        kind,
        qty,
        price,
        stop: stop.map(|price| Stop { price, trigger: Trigger::Last }),
        tif,
        post_only: word == "LIMIT_MAKER",
        reuses_id: true,
        expires: true,
        client_id: read_client_id(params, "newClientOrderId", Product::Spot)?.unwrap_or(blank.client_id),
        ..blank
    })
}

/// True when an order that waits would be set off by the price of now.
pub(super) fn goes_off(kind: OrderKind, side: Side, now: i64, stop: i64) -> bool {
    if kind.waits_for_rise(side) { now >= stop } else { now <= stop }
}

/// The largest quantity on the step that so much of the quote trades against the book now.
fn affordable(market: &Market, side: Side, quote: Decimal) -> i64 {
    let (spec, engine) = (market.spec, &market.engine);
    let (mut left, mut qty) = (quote, 0);
    let levels: Vec<(i64, i64)> = match side {
        Side::Buy => engine.asks().collect(),
        Side::Sell => engine.bids().collect(),
    };
    for (price, size) in levels {
        let value = spec.value(price, size);
        if value <= left {
            left -= value;
            qty += size;
            continue;
        }
        let part = left.checked_div(spec.value(price, 1)).unwrap_or_default();
        qty += part.floor().to_i64().unwrap_or(0);
        break;
    }
    qty - qty % spec.step
}

/// Finds an order by the venue's id or the client's; the latest of those that used one.
pub(super) fn named<'a>(
    account: &'a Account,
    market: usize,
    params: &Params,
) -> Result<Option<&'a Order>, Refusal> {
    if let Some(id) = params.id("orderId")? {
        return Ok(account.order(market, id));
    }
    let name = params.text("origClientOrderId").ok_or_else(|| {
        Refusal::new(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    })?;
    let own = name.strip_prefix("web_").and_then(|id| id.parse().ok());
    let own = own.and_then(|id| account.order(market, id)).filter(|order| order.client_id.is_empty());
    Ok(account.order_by_client_id(market, name).or(own))
}

impl Binance {
    /// What a route of orders answers; false when it is none of them.
    pub(super) fn order_answer(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Asked<'_>,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        match asked.family {
            Family::Sapi => {
                let Some(path) = asked.path.strip_prefix("margin/") else { return Ok(false) };
                let wallet = self.margin_wallet(cx, asked.params);
                let route = (asked.method, path);
                // Whether a pair was named says the route; those that are none of orders' have a meaning of their own.
                wallet.and_then(|wallet| self.spot_order_answer(cx, wallet, route, asked.params, text))
            }
            Family::Api => {
                let route = (asked.method, asked.path);
                self.spot_order_answer(cx, Wallet::Spot, route, asked.params, text)
            }
            Family::Fapi => self.futures_order_answer(cx, (asked.method, asked.path), asked.params, text),
        }
    }

    /// The wallet that a request on margin is about.
    fn margin_wallet(&self, cx: &Context<'_>, params: &Params) -> Result<Wallet, Refusal> {
        if !params.flag("isIsolated")? {
            return Ok(Wallet::Margin);
        }
        Ok(Wallet::Isolated(self.market(cx, Product::Spot, params)?.1.spec.native))
    }

    /// Routes of spot's orders, which those on margin are spelt like.
    pub(super) fn spot_order_answer(
        &mut self,
        cx: &mut Context<'_>,
        wallet: Wallet,
        (method, path): (&str, &str),
        params: &Params,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        let product = Product::Spot;
        match (method, path) {
            ("POST", "order") => self.place_spot(cx, wallet, params, text)?,
            ("POST", "order/test") if wallet == Wallet::Spot => {
                let (at, market) = self.market(cx, product, params)?;
                spot_ticket(params, market, Ticket::new(self.user.owner, at, Side::Buy, 0, None))?;
                text.s("{}");
            }
            ("GET", "order") => {
                let (at, market) = self.market(cx, product, params)?;
                let order = named(self.account(cx)?, at, params)?.filter(|order| order.wallet == wallet);
                object(text, market.spec, order.ok_or_else(no_order)?);
            }
            ("DELETE", "order") => {
                let (at, market) = self.market(cx, product, params)?;
                let order = named(self.account(cx)?, at, params)?.filter(|order| order.wallet == wallet);
                let (spec, id) = (market.spec, order.ok_or_else(unknown_order)?.id);
                let cancel_id = read_client_id(params, "newClientOrderId", product)?;
                let cancel_id = cancel_id.unwrap_or_else(|| fresh_id(cx));
                self.cancel(cx, (at, id), &cancel_id)?;
                cancelled(text, spec, self.account(cx)?.order(at, id).ok_or_else(unknown_order)?, &cancel_id);
            }
            ("DELETE", "openOrders") => {
                let (at, market) = self.market(cx, product, params)?;
                let spec = market.spec;
                let cancel_id = fresh_id(cx);
                let gone = self.cancel_market(cx, at, &cancel_id, |order| order.wallet == wallet);
                if gone.is_empty() {
                    return Err(unknown_order());
                }
                let account = self.account(cx)?;
                let orders = gone.iter().filter_map(|&id| account.order(at, id));
                rows(text, orders, |text, order| cancelled(text, spec, order, &cancel_id));
            }
            ("GET", "openOrders") => {
                let markets = cx.world.markets();
                let orders = self.open_orders(cx, product, params)?;
                let own = orders.into_iter().filter(|order| order.wallet == wallet);
                rows(text, own, |text, order| object(text, markets[order.market].spec, order));
            }
            ("GET", "allOrders") => {
                let (at, market) = self.market(cx, product, params)?;
                let span = params.span(DAY_MS)?;
                let orders = self.account(cx)?.orders_of(at).filter(|order| order.wallet == wallet);
                let most = if wallet == Wallet::Spot { 1_000 } else { 500 };
                let page = span.page(orders, params.id("orderId")?, params.limit(500, most)?, |order| {
                    (order.id, order.created_ms)
                });
                rows(text, page, |text, order| object(text, market.spec, order));
            }
            ("GET", "myTrades") => {
                let (at, market) = self.market(cx, product, params)?;
                let (from, order) = (params.id("fromId")?, params.id("orderId")?);
                let timed = params.text("startTime").or(params.text("endTime")).is_some();
                if timed && (from.is_some() || order.is_some()) {
                    return Err(Refusal::new(-1128, "Combination of optional parameters invalid."));
                }
                let fills = self
                    .account(cx)?
                    .fills()
                    .filter(|fill| fill.market == at && order.is_none_or(|order| fill.order.id == order))
                    .filter(|fill| fill.order.wallet == wallet);
                let (span, limit) = (params.span(DAY_MS)?, params.limit(500, 1_000)?);
                let page = span.page(fills, from, limit, |fill| (fill.id, fill.at_ms));
                rows(text, page, |text, fill| spot_fill(text, market.spec, fill));
            }
            ("GET", "rateLimit/order") if wallet == Wallet::Spot => self.order_limits(cx, product, text),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn place_spot(
        &mut self,
        cx: &mut Context<'_>,
        wallet: Wallet,
        params: &Params,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let (at, market) = self.market(cx, Product::Spot, params)?;
        let spec = market.spec;
        // Orders that borrow are not simulated.
        if params.text("sideEffectType").is_some_and(|effect| effect != "NO_SIDE_EFFECT") {
            return Err(Refusal::invalid("sideEffectType"));
        }
        let blank = Ticket { wallet, ..Ticket::new(self.user.owner, at, Side::Buy, 0, None) };
        let mut ticket = spot_ticket(params, market, blank)?;
        let said = match params.text("newOrderRespType") {
            Some("ACK") => Said::Ack,
            Some("RESULT") => Said::Result,
            Some("FULL") => Said::Full,
            Some(_) => return Err(Refusal::new(-1104, "Invalid newOrderRespType.")),
            None if ticket.kind.waits() || ticket.post_only => Said::Ack,
            None => Said::Full,
        };
        if ticket.client_id.is_empty() {
            ticket.client_id = fresh_id(cx);
        }
        let id = self.submit(cx, Product::Spot, spec, ticket)?;
        let account = self.account(cx)?;
        let fills: Vec<&OwnFill> =
            account.fills().rev().filter(|fill| (fill.market, fill.order.id) == (at, id)).collect();
        let fills: Vec<&OwnFill> = fills.into_iter().rev().collect();
        placed(text, spec, account.order(at, id).ok_or_else(no_order)?, &fills, said);
        Ok(())
    }

    /// Counts an order, takes it in and books what it does; gives its id.
    pub(super) fn submit(
        &mut self,
        cx: &mut Context<'_>,
        product: Product,
        spec: &Spec,
        ticket: Ticket,
    ) -> Result<u64, Refusal> {
        let (market, at_ms) = (ticket.market, cx.world.wall_ms(cx.now.mono));
        if let Err((most, window)) = self.order_counts.admit(product, at_ms, &self.limits) {
            let msg = format!("Too many new orders; current limit is {most} orders per {window}.");
            return Err(Refusal { status: 429, ..Refusal::new(-1015, msg) });
        }
        let id = cx.world.submit(ticket, at_ms).map_err(|denied| refusal(product, denied, spec))?;
        self.book(cx, market);
        Ok(id)
    }

    /// Cancels an order, and books it under the id of the cancel.
    pub(super) fn cancel(
        &mut self,
        cx: &mut Context<'_>,
        key: (usize, u64),
        cancel_id: &str,
    ) -> Result<(), Refusal> {
        if !cx.world.cancel(self.user.owner, key.0, key.1) {
            return Err(unknown_order());
        }
        self.state.note_cancel(key, cancel_id);
        self.book(cx, key.0);
        Ok(())
    }

    /// Cancels the open orders of a market that are meant; gives their ids.
    pub(super) fn cancel_market(
        &mut self,
        cx: &mut Context<'_>,
        market: usize,
        cancel_id: &str,
        is_meant: impl Fn(&Order) -> bool,
    ) -> Vec<u64> {
        let open = cx.world.account(self.user.owner).into_iter().flat_map(Account::open_orders);
        let meant = open.filter(|order| order.market == market && is_meant(order));
        let ids: Vec<u64> = meant.map(|order| order.id).collect();
        let gone: Vec<u64> =
            ids.into_iter().filter(|&id| cx.world.cancel(self.user.owner, market, id)).collect();
        gone.iter().for_each(|&id| self.state.note_cancel((market, id), cancel_id));
        self.book(cx, market);
        gone
    }

    /// The open orders of a product, or of the market that is named.
    pub(super) fn open_orders<'a>(
        &self,
        cx: &'a Context<'_>,
        product: Product,
        params: &Params,
    ) -> Result<Vec<&'a Order>, Refusal> {
        let markets = cx.world.markets();
        let only = params.text("symbol").map(|_| self.market(cx, product, params)).transpose()?;
        let open = self.account(cx)?.open_orders();
        let meant = open.filter(|order| match only {
            Some((market, _)) => order.market == market,
            None => Product::of(markets[order.market].spec) == product,
        });
        Ok(meant.collect())
    }

    /// The limits of new orders, and what is used of them.
    pub(super) fn order_limits(&mut self, cx: &Context<'_>, product: Product, text: &mut Text) {
        let used = self.order_counts.used(product, cx.world.wall_ms(cx.now.mono));
        let limits = self.limits.of(product);
        let span = if product == Product::Spot { "DAY" } else { "MINUTE" };
        let all =
            [("SECOND", 10, limits.orders_per_10s, used[0]), (span, 1, limits.orders_per_span, used[1])];
        rows(text, all, |text, (interval, number, limit, count)| {
            text.s(r#"{"rateLimitType":"ORDERS","interval":""#)
                .s(interval)
                .s(r#"","intervalNum":"#)
                .int(number);
            text.s(r#","limit":"#).int(limit).s(r#","count":"#).int(count).s("}");
        });
    }

    pub(super) fn account<'a>(&self, cx: &'a Context<'_>) -> Result<&'a Account, Refusal> {
        cx.world.account(self.user.owner).ok_or_else(Refusal::key)
    }

    /// Books what was done in a market, and tells all who listen.
    pub(super) fn book(&mut self, cx: &mut Context<'_>, market: usize) {
        let step = cx.flush(market);
        self.step(cx, &step);
    }
}

/// An id of the venue's own making.
pub(super) fn fresh_id(cx: &mut Context<'_>) -> String {
    (0..22).map(|_| cx.rng.alphanumeric()).collect()
}
