//! Spot orders over REST: placing, cancelling, and the switch that cancels when a client falls silent.
//!
//! Left out: relative prices, conditional closes, margin, good-till-date, batches and amendments.

use std::time::Duration;

use venuekit_types::{Kind, Side};

use crate::engine::{Refused, Tif};
use crate::kraken::Kraken;
use crate::kraken::limit::Counter;
use crate::kraken::markets::{altname, order_min};
use crate::kraken::names::{parse_spot_id, spot_id};
use crate::kraken::number::whole;
use crate::kraken::params::{NotCounts, Params, counts};
use crate::kraken::spot::answers::find_pair;
use crate::kraken::spot::public::side;
use crate::kraken::spot::rest::{BAD_ARGUMENTS, Refusal};
use crate::market::Spec;
use crate::text::{Text, parse_instant};
use crate::venue::Context;
use crate::wallets::{Order, OrderKind, Stop, Ticket, Trigger};
use crate::world::{Denied, World};

const NO_ORDER: Refusal = "EOrder:Unknown order";
const BAD_PRICE: Refusal = "EOrder:Invalid price";
/// The longest free text of a client's own id; a UUID is longer.
const FREE_ID_MAX: usize = 18;
/// The longest time of the switch, in seconds.
const SWITCH_MAX: u64 = 86_400;

/// Says a refused order in the venue's words.
fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::NoAccount => "EGeneral:Permission denied",
        Denied::BadPrice | Denied::PriceTooHigh | Denied::Refused(Refused::BadPrice) => BAD_PRICE,
        Denied::OffTick => "EOrder:Tick size check failed",
        Denied::BadQty | Denied::Refused(Refused::BadQty) => "EOrder:Order minimum not met",
        Denied::OffStep | Denied::TooLarge => "EGeneral:Invalid arguments:volume",
        Denied::TooSmall => "EOrder:Cost minimum not met",
        Denied::Duplicate => "EGeneral:Invalid arguments:cl_ord_id",
        Denied::TooManyOpen => "EOrder:Orders limit exceeded",
        Denied::NoPosition | Denied::OverReduces => "EOrder:Reduce only:No position exists",
        Denied::RiskLimit => "EOrder:Margin level too low",
        Denied::Insufficient(_) => "EOrder:Insufficient funds",
        Denied::Refused(Refused::WouldCross) => "EOrder:Post only order",
        Denied::NothingFills | Denied::Refused(Refused::CannotFill) => "EOrder:Not enough leaves qty",
        Denied::NotAmendable => "EOrder:Order not editable",
    }
}

/// The wire's word for what an order does.
pub(super) fn kind_word(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Market => "market",
        OrderKind::Limit => "limit",
        OrderKind::StopMarket => "stop-loss",
        OrderKind::StopLimit => "stop-loss-limit",
        OrderKind::TakeProfitMarket => "take-profit",
        OrderKind::TakeProfitLimit => "take-profit-limit",
    }
}

/// True for a UUID with or without dashes, or a short free text.
fn is_client_id(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.len() {
        36 => id.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && id.split('-').all(hex),
        32 => hex(id),
        _ => id.chars().count() <= FREE_ID_MAX && id.is_ascii(),
    }
}

/// Reads an order from a request.
fn ticket(params: &Params, spec: &Spec, blank: Ticket) -> Result<Ticket, Refusal> {
    let kind = match params.get("ordertype").unwrap_or_default() {
        "market" => OrderKind::Market,
        "limit" => OrderKind::Limit,
        "stop-loss" => OrderKind::StopMarket,
        "stop-loss-limit" => OrderKind::StopLimit,
        "take-profit" => OrderKind::TakeProfitMarket,
        "take-profit-limit" => OrderKind::TakeProfitLimit,
        _ => return Err("EGeneral:Invalid arguments:ordertype"),
    };
    let side = match params.get("type") {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err("EGeneral:Invalid arguments:type"),
    };
    let price = |name| match params.get(name).map(|text| counts(text, spec.price_scale)) {
        None => Ok(None),
        Some(Ok(counts)) => Ok(Some(counts)),
        Some(Err(NotCounts::TooFine)) => Err("EOrder:Tick size check failed"),
        Some(Err(NotCounts::Malformed)) => Err("EGeneral:Invalid arguments:price"),
    };
    let volume = params.get("volume").ok_or("EGeneral:Invalid arguments:volume")?;
    let qty = counts(volume, spec.qty_scale).map_err(|_| "EGeneral:Invalid arguments:volume")?;
    let (first, second) = (price("price")?, price("price2")?);
    let (limit, stop) = match (kind.is_limit(), kind.waits()) {
        (false, false) => (None, None),
        (true, false) => (first, None),
        (false, true) => (None, first),
        (true, true) => (second, first),
    };
    if limit.is_some() != kind.is_limit() || stop.is_some() != kind.waits() {
        return Err("EGeneral:Invalid arguments:price");
    }
    let tif = match (params.get("timeinforce"), kind.is_limit()) {
        (None | Some("GTC"), true) => Tif::Gtc,
        (Some("IOC"), _) | (None | Some("GTC"), false) => Tif::Ioc,
        (Some("FOK"), true) => Tif::Fok,
        _ => return Err("EGeneral:Invalid arguments:timeinforce"),
    };
    let trigger = match params.get("trigger") {
        None | Some("last") => Trigger::Last,
        Some("index") => Trigger::Index,
        Some(_) => return Err("EGeneral:Invalid arguments:trigger"),
    };
    let client_id = params.get("cl_ord_id").unwrap_or_default();
    if !is_client_id(client_id) || (!client_id.is_empty() && params.get("userref").is_some()) {
        return Err("EGeneral:Invalid arguments:cl_ord_id");
    }
    // There are no positions on margin that it could reduce.
    if params.flag("reduce_only") {
        return Err(refusal(Denied::NoPosition));
    }
    let flags = params.get("oflags").unwrap_or_default();
    if params.get("leverage").is_some_and(|leverage| leverage != "none") {
        return Err("EGeneral:Invalid arguments:leverage");
    }
    Ok(Ticket {
        client_id: client_id.to_string(),
        side,
        kind,
        qty,
        price: limit,
        stop: stop.map(|price| Stop { price, trigger }),
        tif,
        post_only: flags.split(',').any(|flag| flag == "post"),
        reuses_id: true,
        ..blank
    })
}

/// An order in words: `buy 1.25000000 XBTUSD @ limit 37500.0`.
pub(super) fn describe(
    text: &mut Text,
    spec: &Spec,
    (way, qty): (Side, i64),
    order: (OrderKind, Option<i64>, Option<i64>),
) {
    let (kind, limit, stop) = order;
    text.s(side(way)).s(" ").padded(qty, spec.qty_scale).s(" ").s(&altname(spec)).s(" @ ");
    let mut words = kind_word(kind).replace('-', " ");
    if kind.waits() {
        words = words.trim_end_matches(" limit").to_string();
    }
    text.s(&words);
    if let Some(stop) = stop {
        text.s(" ").padded(stop, spec.price_scale);
    }
    if let Some(limit) = limit {
        text.s(if kind.waits() { " -> limit " } else { " " }).padded(limit, spec.price_scale);
    }
}

/// What cancelling an order costs by its age, in seconds.
fn cancel_cost(age: i64) -> u64 {
    match age {
        ..5 => 8,
        5..10 => 6,
        10..15 => 5,
        15..45 => 4,
        45..90 => 2,
        90..300 => 1,
        _ => 0,
    }
}

/// The open orders of spot that a request names by id or the client's own.
fn named(world: &World, orders: Vec<&Order>, params: &Params) -> Result<Vec<(usize, u64, i64)>, Refusal> {
    let id = params.get("txid");
    let own = params.get("cl_ord_id");
    let meant = |order: &&Order| match (id, own) {
        (Some(id), _) => parse_spot_id('O', id) == Some((order.market, order.id)),
        (None, Some(own)) => order.client_id == own,
        (None, None) => false,
    };
    if id.is_none() && own.is_none() {
        return Err(BAD_ARGUMENTS);
    }
    let spot = |order: &&Order| world.markets()[order.market].spec.kind == Kind::Spot;
    let found = orders.into_iter().filter(spot).filter(meant);
    Ok(found.map(|order| (order.market, order.id, order.created_ms)).collect())
}

impl Kraken {
    /// The answer to a method that changes orders.
    pub(super) fn order_answer(
        &mut self,
        cx: &mut Context<'_>,
        method: &str,
        params: &Params,
    ) -> Result<Text, Refusal> {
        let mut text = Text::new();
        match method {
            "AddOrder" => self.add_order(cx, params, &mut text)?,
            "CancelOrder" => {
                let account = cx.world.account(self.user.owner).ok_or(NO_ORDER)?;
                let orders = named(cx.world, account.open_orders().collect(), params)?;
                if orders.is_empty() {
                    return Err(NO_ORDER);
                }
                let now_ms = cx.world.wall_ms(cx.now.mono);
                for &(market, id, created_ms) in &orders {
                    // It costs, and is done all the same.
                    let cost = cancel_cost((now_ms - created_ms) / 1000);
                    let rate = self.limits.spot_orders;
                    self.order_counter(cx, market).charge(cx.now.mono, cost, rate);
                    cx.world.cancel(self.user.owner, market, id);
                    self.book(cx, [market]);
                }
                text.s(r#"{"count":"#).int(i64::try_from(orders.len()).expect("few orders")).s("}");
            }
            "CancelAll" => {
                let cancelled = self.cancel_all(cx, Kind::Spot, None);
                text.s(r#"{"count":"#).int(i64::try_from(cancelled.len()).expect("few orders")).s("}");
            }
            _ => {
                let seconds: u64 =
                    params.get("timeout").and_then(|text| text.parse().ok()).ok_or(BAD_ARGUMENTS)?;
                if seconds > SWITCH_MAX {
                    return Err(BAD_ARGUMENTS);
                }
                self.spot.switch = (seconds > 0).then(|| cx.now.mono.plus(Duration::from_secs(seconds)));
                text.s(r#"{"currentTime":"#);
                whole(&mut text, cx.server_ms());
                text.s(r#","triggerTime":"#);
                match i64::try_from(seconds) {
                    Ok(seconds) if seconds > 0 => whole(&mut text, cx.server_ms() + seconds * 1000),
                    _ => {
                        text.s("\"0\"");
                    }
                }
                text.s("}");
            }
        }
        Ok(text)
    }

    fn order_counter(&mut self, cx: &Context<'_>, market: usize) -> &mut Counter {
        self.spot.order_counters.entry(market).or_insert_with(|| Counter::new(cx.now.mono))
    }

    fn add_order(&mut self, cx: &mut Context<'_>, params: &Params, text: &mut Text) -> Result<(), Refusal> {
        let pair = params.get("pair").ok_or("EGeneral:Invalid arguments:pair")?;
        let market = find_pair(cx.world, pair)?;
        let spec = cx.world.markets()[market].spec;
        if let Some(deadline) = params.get("deadline") {
            let deadline = parse_instant(deadline).ok_or("EGeneral:Invalid arguments:deadline")?;
            if deadline < cx.server_ms() {
                return Err("EService:Deadline elapsed");
            }
        }
        let ticket = ticket(params, spec, Ticket::new(self.user.owner, market, Side::Buy, 0, None))?;
        let (rate, now) = (self.limits.spot_orders, cx.now.mono);
        if !self.order_counter(cx, market).take(now, 1, rate) {
            return Err("EOrder:Rate limit exceeded");
        }
        if ticket.qty < order_min(spec) {
            return Err("EOrder:Order minimum not met");
        }
        let account = cx.world.account(self.user.owner).ok_or(NO_ORDER)?;
        let spot = |order: &&Order| cx.world.markets()[order.market].spec.kind == Kind::Spot;
        let own = &ticket.client_id;
        if !own.is_empty() && account.open_orders().filter(spot).any(|order| order.client_id == *own) {
            return Err(refusal(Denied::Duplicate));
        }
        if account.open_orders().filter(|order| order.market == market).count() >= self.limits.spot_open_max {
            return Err("EOrder:Orders limit exceeded");
        }
        text.s(r#"{"descr":{"order":""#);
        let stop = ticket.stop.map(|stop| stop.price);
        describe(text, spec, (ticket.side, ticket.qty), (ticket.kind, ticket.price, stop));
        text.s("\"}");
        if !params.flag("validate") {
            let at_ms = cx.world.wall_ms(cx.now.mono);
            let id = cx.world.submit(ticket, at_ms).map_err(refusal)?;
            self.book(cx, [market]);
            text.s(r#","txid":[""#).s(&spot_id('O', market, id)).s("\"]");
        }
        text.s("}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kraken::markets::KRAKEN;

    #[test]
    fn orders_are_described_as_recorded_answers_do() {
        let shown = |order| {
            let mut text = Text::new();
            describe(&mut text, &KRAKEN[0], (Side::Buy, 212_340_000), order);
            text.into_string()
        };
        assert_eq!(shown((OrderKind::Limit, Some(250_001), None)), "buy 2.12340000 XBTUSD @ limit 25000.1");
        assert_eq!(shown((OrderKind::Market, None, None)), "buy 2.12340000 XBTUSD @ market");
        assert_eq!(
            shown((OrderKind::StopLimit, Some(260_000), Some(270_000))),
            "buy 2.12340000 XBTUSD @ stop loss 27000.0 -> limit 26000.0"
        );
    }

    #[test]
    fn client_ids_are_uuids_or_short() {
        for (id, good) in [
            ("6d1b345e-2821-40e2-ad83-4ecb18a06876", true),
            ("da8e4ad59b78481c93e589746b0cf91f", true),
            ("arb-20240509-00010", true),
            ("arb-20240509-000100", false),
            ("6d1b345e-2821-40e2-ad83-4ecb18a0687z", false),
        ] {
            assert_eq!(is_client_id(id), good, "{id}");
        }
        assert_eq!([4, 5, 14, 44, 89, 299, 300].map(cancel_cost), [8, 6, 5, 4, 2, 1, 0]);
    }
}
