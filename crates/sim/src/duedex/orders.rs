//! Orders and positions over REST: what a key that may trade can do, and what of it can be read again.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Side;

use crate::duedex::body::Body;
use crate::duedex::rest::{INVALID, NO_ENDPOINT, NO_ORDER, Refusal, rows};
use crate::duedex::{Duedex, private};
use crate::engine::{Refused, Tif};
use crate::front::Request;
use crate::market::Spec;
use crate::query::{decode, param};
use crate::text::{Text, parse_instant};
use crate::venue::{Context, Protocol};
use crate::wallets::{Account, Order, OrderKind, Status, Stop, Ticket, Trigger};
use crate::world::{Denied, MarginDenied};

/// The longest client order id.
const CLIENT_ID_MAX: usize = 36;

/// Rows of the history when it does not say, and at most.
const ROWS_MAX: usize = 100;

const BAD_PRICE: Refusal = (10120, "Invalid order price");
const INSUFFICIENT: Refusal = (10128, "Insufficient balance");

/// Says a refused order in the venue's codes.
fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::NoAccount => (10075, "Unauthorised"),
        Denied::BadPrice | Denied::Refused(Refused::BadPrice) => BAD_PRICE,
        Denied::OffTick => (10038, "Invalid price step"),
        Denied::PriceTooHigh => (10103, "Order price too high"),
        Denied::BadQty | Denied::TooLarge | Denied::TooSmall | Denied::Refused(Refused::BadQty) => {
            (10121, "Invalid order size")
        }
        Denied::OffStep => (10040, "Invalid size step"),
        Denied::Duplicate => (10093, "Client order ID already exists"),
        Denied::TooManyOpen => (10099, "Max order count exceeded"),
        Denied::NoPosition => (10094, "No position to close"),
        Denied::OverReduces => (10106, "Close order already exists"),
        Denied::RiskLimit => (10065, "Risk limit exceeded"),
        Denied::NothingFills => (10091, "IOC order cancelled without fills"),
        Denied::NotAmendable => (10037, "Invalid order status"),
        Denied::Insufficient(_) => INSUFFICIENT,
        Denied::Refused(Refused::WouldCross) => (10117, "Post-only order rejected"),
        Denied::Refused(Refused::CannotFill) => (10100, "FOK order not filled"),
    }
}

/// Says a refused change of a position in the venue's codes.
fn margin_refusal(denied: MarginDenied) -> Refusal {
    match denied {
        MarginDenied::NoAccount => (10075, "Unauthorised"),
        MarginDenied::NotAContract | MarginDenied::CrossMargin => INVALID,
        MarginDenied::BadLeverage => (10035, "Invalid leverage"),
        MarginDenied::LeverageTooHigh => (10052, "Max leverage exceeded"),
        MarginDenied::OffRiskStep => (10039, "Invalid risk limit"),
        MarginDenied::SameRiskLimit => (10066, "Risk limit not changed"),
        MarginDenied::OverRiskLimit => (10065, "Risk limit exceeded"),
        MarginDenied::NoPosition => (10098, "Position not found"),
        MarginDenied::Zero => (10095, "Amount must not be zero"),
        MarginDenied::Liquidates(Side::Buy) => (10092, "Price under liquidation"),
        MarginDenied::Liquidates(Side::Sell) => (10061, "Price over liquidation"),
        MarginDenied::Insufficient(_) => INSUFFICIENT,
    }
}

/// A price in counts.
fn price(body: &Body<'_>, name: &str, spec: &Spec) -> Result<Option<i64>, Refusal> {
    let Some(price) = body.decimal(name)? else { return Ok(None) };
    let counts = price.checked_mul(Decimal::from(spec.price_scale.unit())).ok_or(BAD_PRICE)?;
    if !counts.fract().is_zero() {
        return Err((10038, "Invalid price step"));
    }
    counts.to_i64().ok_or(BAD_PRICE).map(Some)
}

/// A field that some kinds of order must have and others must not.
fn only_if<T>(wanted: bool, given: Option<T>, missing: Refusal) -> Result<Option<T>, Refusal> {
    match (given, wanted) {
        (None, true) => Err(missing),
        (Some(_), false) => Err(INVALID),
        (given, _) => Ok(given),
    }
}

/// Reads an order from a body.
fn ticket(body: &Body<'_>, spec: &Spec, account: &Account, blank: Ticket) -> Result<Ticket, Refusal> {
    let kind = match body.text("type")?.ok_or(INVALID)?.as_str() {
        "limit" => OrderKind::Limit,
        "market" => OrderKind::Market,
        "stopMarket" => OrderKind::StopMarket,
        "stopLimit" => OrderKind::StopLimit,
        "takeProfitMarket" => OrderKind::TakeProfitMarket,
        "takeProfitLimit" => OrderKind::TakeProfitLimit,
        _ => return Err((10148, "Invalid order type")),
    };
    let reduce_only = body.flag("isCloseOrder")?.unwrap_or(kind.waits());
    let side = match body.text("side")?.as_deref() {
        None => None,
        Some("long") => Some(Side::Buy),
        Some("short") => Some(Side::Sell),
        Some(_) => return Err(INVALID),
    };
    let (side, qty) = match (side, body.integer("size")?) {
        (Some(side), Some(size)) => (side, size),
        (None, None) if reduce_only && !kind.waits() => match account.position(blank.market).qty {
            0 => return Err((10094, "No position to close")),
            held => (if held > 0 { Side::Sell } else { Side::Buy }, held.abs()),
        },
        _ => return Err(INVALID),
    };
    let tif = match (body.text("timeInForce")?.as_deref(), kind.is_limit()) {
        (None | Some("gtc"), true) => Tif::Gtc,
        (Some("ioc"), _) | (None, false) => Tif::Ioc,
        (Some("fok"), _) => Tif::Fok,
        _ => return Err((10107, "Invalid time in force")),
    };
    let trigger = match body.text("triggerType")?.as_deref() {
        None => None,
        Some("lastPrice") => Some(Trigger::Last),
        Some("indexPrice") => Some(Trigger::Index),
        Some("markPrice") => Some(Trigger::Mark),
        Some(_) => return Err(INVALID),
    };
    let post_only = body.flag("postOnly")?.unwrap_or(false);
    let client_id = body.text("clientOrderId")?.unwrap_or_default();
    if (trigger.is_some() && !kind.waits())
        || (post_only && tif != Tif::Gtc)
        || client_id.chars().count() > CLIENT_ID_MAX
    {
        return Err(INVALID);
    }
    let stop = only_if(kind.waits(), price(body, "stopPrice", spec)?, BAD_PRICE)?;
    Ok(Ticket {
        client_id,
        side,
        kind,
        qty,
        price: only_if(kind.is_limit(), price(body, "price", spec)?, BAD_PRICE)?,
        stop: stop.map(|price| Stop { price, trigger: trigger.unwrap_or(Trigger::Last) }),
        tif,
        post_only,
        reduce_only,
        must_fill: tif == Tif::Ioc && !kind.waits(),
        ..blank
    })
}

/// Finds an order by exactly one of its ids.
fn named(
    account: &Account,
    market: usize,
    (id, client_id): (Option<i64>, Option<&str>),
) -> Result<Order, Refusal> {
    let order = match (id, client_id) {
        (Some(id), None) => u64::try_from(id).ok().and_then(|id| account.order(market, id)),
        (None, Some(client_id)) => account.order_by_client_id(market, client_id),
        _ => return Err(INVALID),
    };
    order.cloned().ok_or(NO_ORDER)
}

/// The page of the history that a query asks for.
fn page<'a>(account: &'a Account, market: usize, query: &str) -> Result<Vec<&'a Order>, Refusal> {
    let number = |name, default: usize| match param(query, name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| INVALID),
    };
    let (start, limit) = (number("start", 0)?, number("limit", ROWS_MAX)?);
    if !(1..=ROWS_MAX).contains(&limit) {
        return Err(INVALID);
    }
    let instant = |name| match param(query, name) {
        None => Ok(None),
        Some(text) => decode(text).and_then(|text| parse_instant(&text)).ok_or(INVALID).map(Some),
    };
    let (from, to) = (instant("fromTime")?.unwrap_or(i64::MIN), instant("toTime")?.unwrap_or(i64::MAX));
    let within = |order: &&Order| (from..=to).contains(&order.created_ms);
    let orders = account.orders_of(market).filter(within);
    match param(query, "reverse") {
        None | Some("true") => Ok(orders.rev().skip(start).take(limit).collect()),
        Some("false") => Ok(orders.skip(start).take(limit).collect()),
        Some(_) => Err(INVALID),
    }
}

impl Duedex {
    /// Does what a key that may trade asks for.
    pub(super) fn trade(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        path: &[&str],
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let body = Body::of(request)?;
        let market = self.find(cx, &body.text("instrument")?.ok_or(INVALID)?)?;
        let owner = self.user.owner;
        let decimal = |name| body.decimal(name)?.ok_or(INVALID);
        match (request.method, path) {
            ("POST", ["order"]) => self.place(cx, market, &body, text)?,
            ("DELETE", ["order"]) => self.cancel(cx, market, &body)?,
            ("PATCH", ["order"]) => self.amend(cx, market, &body)?,
            ("POST", ["position", "leverage"]) => {
                cx.world.set_leverage(owner, market, decimal("leverage")?).map_err(margin_refusal)?;
                self.book(cx, market);
            }
            ("POST", ["position", "riskLimit"]) => {
                cx.world.set_risk_limit(owner, market, decimal("riskLimit")?).map_err(margin_refusal)?;
                self.book(cx, market);
            }
            ("POST", ["position", "margin", "transfer"]) => {
                cx.world.move_margin(owner, market, decimal("amount")?).map_err(margin_refusal)?;
                self.book(cx, market);
            }
            _ => return Err(NO_ENDPOINT),
        }
        Ok(())
    }

    /// Answers with the order as it was accepted; what it met is told by the feed.
    fn place(
        &mut self,
        cx: &mut Context<'_>,
        market: usize,
        body: &Body<'_>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let blank = Ticket::new(self.user.owner, market, Side::Buy, 0, None);
        let spec = cx.world.markets()[market].spec;
        let ticket = ticket(body, spec, self.account(cx)?, blank)?;
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let id = cx.world.submit(ticket, at_ms).map_err(refusal)?;
        let accepted = self.account(cx)?.order(market, id).cloned().ok_or(NO_ORDER)?;
        self.book(cx, market);
        private::order_row(spec, &accepted).write(text);
        Ok(())
    }

    /// Cancels one order, or all of an instrument.
    fn cancel(&mut self, cx: &mut Context<'_>, market: usize, body: &Body<'_>) -> Result<(), Refusal> {
        let (id, client_id) = (body.integer("orderId")?, body.text("clientOrderId")?);
        if id.is_none() && client_id.is_none() {
            if cx.world.cancel_all(self.user.owner, |other| other == market).is_empty() {
                return Err((10118, "No orders to cancel"));
            }
        } else {
            let order = named(self.account(cx)?, market, (id, client_id.as_deref()))?;
            if !cx.world.cancel(self.user.owner, market, order.id) {
                return Err(NO_ORDER);
            }
        }
        self.book(cx, market);
        Ok(())
    }

    fn amend(&mut self, cx: &mut Context<'_>, market: usize, body: &Body<'_>) -> Result<(), Refusal> {
        let (id, client_id) = (body.integer("orderId")?, body.text("clientOrderId")?);
        let order = named(self.account(cx)?, market, (id, client_id.as_deref()))?;
        let price = price(body, "price", cx.world.markets()[market].spec)?.ok_or(INVALID)?;
        let at_ms = cx.world.wall_ms(cx.now.mono);
        cx.world.amend(self.user.owner, market, order.id, price, at_ms).map_err(refusal)?;
        self.book(cx, market);
        Ok(())
    }

    /// Books what was done in a market, and tells all who listen.
    fn book(&mut self, cx: &mut Context<'_>, market: usize) {
        let step = cx.flush(market);
        self.step(cx, &step);
    }

    pub(super) fn account<'a>(&self, cx: &'a Context<'_>) -> Result<&'a Account, Refusal> {
        cx.world.account(self.user.owner).ok_or((10075, "Unauthorised"))
    }

    /// What the account reads of itself.
    pub(super) fn account_answer(
        &self,
        cx: &Context<'_>,
        path: &[&str],
        query: &str,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let (world, account) = (&*cx.world, self.account(cx)?);
        let row = |order: &Order| private::order_row(world.markets()[order.market].spec, order);
        match path {
            ["order", "active"] => {
                let open: Vec<_> = account.open_orders().collect();
                rows(text, &open, |text, order| row(order).write(text));
            }
            ["order", "all"] => {
                let market = self.find(cx, param(query, "instrument").ok_or(INVALID)?)?;
                rows(text, &page(account, market, query)?, |text, order| row(order).write(text));
            }
            ["order"] => {
                let market = self.find(cx, param(query, "instrument").ok_or(INVALID)?)?;
                let id = param(query, "orderId").map(|id| id.parse().map_err(|_| INVALID)).transpose()?;
                let client_id =
                    param(query, "clientOrderId").map(|id| decode(id).ok_or(INVALID)).transpose()?;
                row(&named(account, market, (id, client_id.as_deref()))?).write(text);
            }
            ["margin"] => {
                let currencies = private::currencies(world);
                rows(text, &currencies, |text, (currency, places)| {
                    private::margin_row(world, account, currency, *places).write(text);
                });
            }
            ["margin", currency] => {
                let mut currencies = private::currencies(world).into_iter();
                let (code, places) =
                    currencies.find(|(code, _)| code == currency).ok_or((10070, "Token not found"))?;
                private::margin_row(world, account, code, places).write(text);
            }
            ["position", native] => private::position_row(world, account, self.find(cx, native)?).write(text),
            _ => return Err(NO_ENDPOINT),
        }
        Ok(())
    }
}

/// The wire's word for where an order stands.
pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::Untriggered => "untriggered",
        Status::New => "new",
        Status::PartiallyFilled => "partiallyFilled",
        Status::Filled => "filled",
        Status::Cancelled | Status::Expired => "cancelled",
    }
}
