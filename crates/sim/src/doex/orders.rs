//! Orders over REST: placing, cancelling, asking, and the switch that cancels when a client falls silent.

use std::time::Duration;

use venuekit_types::{Kind, Mono, Side};

use crate::doex::answers::rows;
use crate::doex::params::{
    BAD_SIDE, BAD_SYMBOL, BAD_TEXT, BAD_TIF, BAD_TYPE, BAD_VALUE, MISSING, NOT_REQUIRED, Params, Refusal,
};
use crate::doex::{Doex, user};
use crate::engine::{Refused, Tif};
use crate::market::Spec;
use crate::text::Text;
use crate::venue::{Context, Protocol};
use crate::wallets::{Account, Order, OrderKind, Stop, Ticket, Trigger};
use crate::world::{Denied, World};

const NO_ORDER: Refusal = (400, -2013, "order does not exist");
const UNKNOWN_ORDER: Refusal = (400, -2011, "cancel rejected: unknown order");

/// The longest countdown, in milliseconds.
const COUNTDOWN_MS_MAX: i64 = 86_400_000;

/// The longest client order id.
const CLIENT_ID_MAX: usize = 36;

/// Orders that came in within a window, all keys of the account together.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderCount {
    ends: Mono,
    pub(super) used: u32,
}

impl OrderCount {
    const WINDOW: Duration = Duration::from_secs(10);

    pub(super) fn new(now: Mono) -> OrderCount {
        OrderCount { ends: now.plus(OrderCount::WINDOW), used: 0 }
    }

    /// Begins a new window when the old one is over.
    pub(super) fn roll(&mut self, now: Mono) {
        if now >= self.ends {
            *self = OrderCount::new(now);
        }
    }

    /// Counts an order, or says how long to wait.
    pub(super) fn admit(&mut self, now: Mono, max: u32) -> Result<(), Duration> {
        self.roll(now);
        if self.used >= max {
            return Err(self.ends.since(now));
        }
        self.used += 1;
        Ok(())
    }
}

/// When each product's open orders are cancelled unless the client says otherwise before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Countdowns {
    spot: Option<Mono>,
    futures: Option<Mono>,
}

impl Countdowns {
    fn of(&mut self, kind: Kind) -> &mut Option<Mono> {
        if kind == Kind::Spot { &mut self.spot } else { &mut self.futures }
    }

    pub(super) fn next(&self) -> Option<Mono> {
        [self.spot, self.futures].into_iter().flatten().min()
    }
}

/// Says a refused order in the venue's codes.
fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::NoAccount => NO_ORDER,
        Denied::BadPrice => (400, -1013, "filter failure: price"),
        Denied::OffTick => (400, -1013, "filter failure: price is no multiple of tickSize"),
        Denied::PriceTooHigh => (400, -1013, "filter failure: price too high"),
        Denied::BadQty => (400, -1013, "filter failure: quantity below minQty"),
        Denied::OffStep => (400, -1013, "filter failure: quantity is no multiple of stepSize"),
        Denied::TooLarge => (400, -1013, "filter failure: quantity above maxQty"),
        Denied::TooSmall => (400, -1013, "filter failure: value below minNotional"),
        Denied::Refused(Refused::BadQty | Refused::BadPrice) => (400, -1013, "filter failure"),
        Denied::Duplicate => (400, -2010, "order rejected: duplicate clientOrderId"),
        Denied::TooManyOpen => (400, -2010, "order rejected: too many open orders"),
        Denied::NoPosition => (400, -2010, "order rejected: no position to reduce"),
        Denied::OverReduces => (400, -2010, "order rejected: reduce-only quantity above the position"),
        Denied::RiskLimit => (400, -2010, "order rejected: position would exceed its limit"),
        Denied::Insufficient(_) => (400, -2010, "order rejected: insufficient balance"),
        Denied::Refused(Refused::WouldCross) => (400, -2010, "order rejected: post-only order would cross"),
        Denied::Refused(Refused::CannotFill) => (400, -2010, "order rejected: fill-or-kill cannot be filled"),
        Denied::NothingFills => (400, -2010, "order rejected: nothing could fill at once"),
        Denied::NotAmendable => UNKNOWN_ORDER,
    }
}

/// Reads an order from a request.
fn ticket(params: Params<'_>, spec: &Spec, blank: Ticket) -> Result<Ticket, Refusal> {
    let side = match params.raw("side").ok_or(MISSING)? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(BAD_SIDE),
    };
    let kind = match params.raw("type").ok_or(MISSING)? {
        "LIMIT" => OrderKind::Limit,
        "MARKET" => OrderKind::Market,
        "STOP_LIMIT" => OrderKind::StopLimit,
        "STOP_MARKET" => OrderKind::StopMarket,
        _ => return Err(BAD_TYPE),
    };
    let tif = match (params.raw("timeInForce"), kind.is_limit()) {
        (None | Some("GTC"), true) => Tif::Gtc,
        (Some("FOK"), true) => Tif::Fok,
        (Some("IOC"), true) | (None | Some("GTC" | "IOC" | "FOK"), false) => Tif::Ioc,
        _ => return Err(BAD_TIF),
    };
    let given = |name, scale, wanted: bool| match (params.counts(name, scale)?, wanted) {
        (None, true) => Err(MISSING),
        (Some(_), false) => Err(NOT_REQUIRED),
        (counts, _) => Ok(counts),
    };
    let price = given("price", spec.price_scale, kind.is_limit())?;
    let stop = given("stopPrice", spec.price_scale, kind.waits())?;
    let (post_only, reduce_only) = (params.flag("postOnly")?, params.flag("reduceOnly")?);
    if (post_only && (kind != OrderKind::Limit || tif != Tif::Gtc))
        || (reduce_only && spec.contract.is_none())
    {
        return Err(NOT_REQUIRED);
    }
    let client_id = params.text("clientOrderId")?.unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
    if client_id.len() > CLIENT_ID_MAX || !client_id.chars().all(is_plain) {
        return Err(BAD_TEXT);
    }
    Ok(Ticket {
        side,
        kind,
        qty: params.counts("quantity", spec.qty_scale)?.ok_or(MISSING)?,
        price,
        stop: stop.map(|price| Stop { price, trigger: Trigger::Last }),
        tif,
        post_only,
        reduce_only,
        client_id: client_id.into_owned(),
        ..blank
    })
}

/// Finds an order by the venue's id or the client's.
fn named<'a>(account: &'a Account, market: usize, params: Params<'_>) -> Result<Option<&'a Order>, Refusal> {
    match (params.raw("orderId"), params.text("clientOrderId")?) {
        (Some(id), _) => Ok(account.order(market, id.parse().map_err(|_| MISSING)?)),
        (None, Some(client_id)) => Ok(account.order_by_client_id(market, &client_id)),
        (None, None) => Err(MISSING),
    }
}

/// An order as an object.
pub(super) fn object(text: &mut Text, world: &World, order: &Order) {
    text.s("{");
    user::order(text, world.markets()[order.market].spec, order);
    text.s("}");
}

impl Doex {
    /// What a route of orders answers; nothing when it is none of them.
    pub(super) fn order_answer(
        &mut self,
        cx: &mut Context<'_>,
        (method, path, kind): (&str, &str, Kind),
        params: Params<'_>,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        match (method, path) {
            ("POST", "orders") => self.place(cx, kind, params, text)?,
            ("GET", "orders") => {
                let (market, _) = self.market(cx, kind, params)?;
                object(text, cx.world, named(self.account(cx)?, market, params)?.ok_or(NO_ORDER)?);
            }
            ("DELETE", "orders") => {
                let (market, _) = self.market(cx, kind, params)?;
                let order = named(self.account(cx)?, market, params)?.ok_or(UNKNOWN_ORDER)?;
                let key = (market, order.id);
                if !cx.world.cancel(self.user.owner, key.0, key.1) {
                    return Err(UNKNOWN_ORDER);
                }
                self.book(cx, [market]);
                object(text, cx.world, self.account(cx)?.order(key.0, key.1).ok_or(UNKNOWN_ORDER)?);
            }
            ("DELETE", "orders/all") => {
                let market = params.raw("symbol").map(|_| self.market(cx, kind, params)).transpose()?;
                let only = market.map(|(market, _)| market);
                let cancelled = self.cancel_all(cx, kind, only);
                let account = self.account(cx)?;
                let orders: Vec<_> = cancelled.iter().filter_map(|&(m, id)| account.order(m, id)).collect();
                rows(text, &orders, |text, order| object(text, cx.world, order));
            }
            ("POST", "orders/countdown") => {
                let ms = params.integer("countdownMs")?.ok_or(MISSING)?;
                let ms = u64::try_from(ms).ok().filter(|_| ms <= COUNTDOWN_MS_MAX).ok_or(BAD_VALUE)?;
                let at = (ms > 0).then(|| cx.now.mono.plus(Duration::from_millis(ms)));
                *self.countdowns.of(kind) = at;
                text.s(r#"{"countdownMs":"#).int(ms).s("}");
            }
            ("GET", "orders/open") => {
                let markets = cx.world.markets();
                let only = params.raw("symbol").map(|_| self.market(cx, kind, params)).transpose()?;
                let mut open: Vec<_> = self.account(cx)?.open_orders().collect();
                open.retain(|order| markets[order.market].spec.kind == kind);
                open.retain(|order| only.is_none_or(|(market, _)| market == order.market));
                rows(text, &open, |text, order| object(text, cx.world, order));
            }
            ("GET", "orders/history") => {
                let (market, _) = self.market(cx, kind, params)?;
                let orders = self.account(cx)?.orders_of(market);
                let page = params.page()?.pick(orders, |order| (order.id, order.created_ms));
                rows(text, &page, |text, order| object(text, cx.world, order));
            }
            ("GET", "fills") => {
                let (market, state) = self.market(cx, kind, params)?;
                let fills = self.account(cx)?.fills().filter(|fill| fill.market == market);
                let page = params.page()?.pick(fills, |fill| (fill.id, fill.at_ms));
                rows(text, &page, |text, fill| user::fill(text, state.spec, fill));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn place(
        &mut self,
        cx: &mut Context<'_>,
        kind: Kind,
        params: Params<'_>,
        text: &mut Text,
    ) -> Result<(), Refusal> {
        let (market, state) = self.market(cx, kind, params)?;
        let blank = Ticket::new(self.user.owner, market, Side::Buy, 0, None);
        let ticket = ticket(params, state.spec, blank)?;
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let id = cx.world.submit(ticket, at_ms).map_err(refusal)?;
        self.book(cx, [market]);
        object(text, cx.world, self.account(cx)?.order(market, id).ok_or(NO_ORDER)?);
        Ok(())
    }

    pub(super) fn account<'a>(&self, cx: &'a Context<'_>) -> Result<&'a Account, Refusal> {
        cx.world.account(self.user.owner).ok_or(BAD_SYMBOL)
    }

    fn cancel_all(&mut self, cx: &mut Context<'_>, kind: Kind, only: Option<usize>) -> Vec<(usize, u64)> {
        let kinds: Vec<Kind> = cx.world.markets().iter().map(|market| market.spec.kind).collect();
        let meant = |market: usize| kinds[market] == kind && only.is_none_or(|only| only == market);
        let cancelled = cx.world.cancel_all(self.user.owner, meant);
        let mut markets: Vec<usize> = cancelled.iter().map(|(market, _)| *market).collect();
        markets.dedup();
        self.book(cx, markets);
        cancelled
    }

    /// Books what was done in some markets, and tells all who listen.
    fn book(&mut self, cx: &mut Context<'_>, markets: impl IntoIterator<Item = usize>) {
        for market in markets {
            let step = cx.flush(market);
            self.step(cx, &step);
        }
    }

    /// Cancels what the countdowns that have run out were set to cancel.
    pub(super) fn run_countdowns(&mut self, cx: &mut Context<'_>) {
        for kind in [Kind::Spot, Kind::Perpetual] {
            if self.countdowns.of(kind).take_if(|at| *at <= cx.now.mono).is_some() {
                self.cancel_all(cx, kind, None);
            }
        }
    }
}
