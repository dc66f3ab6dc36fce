//! Requests: reads carry their parameters in the query, changes in a JSON body. Numbers travel as JSON numbers.

use rust_decimal::Decimal;
use serde::Serialize;
use venuekit_types::{Fixed, Scale, Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, HttpRequest, Interval, MarketId, Method, NewOrder, OrderRef, OrderType, Origin, Page, Place,
    Query, TimeInForce, TriggerBy, Wallet,
};
use venuekit_wire::duedex::{
    self, AmendOrder, CancelOrder, Leverage, PlaceOrder, RiskLimit, StopTriggerType, TransferMargin,
};
use venuekit_wire::{Num, Text, Time};

use crate::spec::{PAGE, SITE};

/// Candles live on the website's host and not on that of the API.
const BARS: &str = "/bars/v1/tradingView/history";

/// Orders, by every verb.
const ORDER: &str = "/v1/order";

/// Writes one request; nothing when the venue has no such route, or when it cannot be said of what the catalog holds.
pub(crate) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let symbol = |market: MarketId| Some(place.catalog.get(market)?.venue_symbol.as_str());
    let text = |market| symbol(market).map(Text::from);
    let get = |route: &'static str, query: Query| HttpRequest::get(ask, route, query.target());
    let view = |route, query| Some(HttpRequest { auth: Auth::Signed, ..get(route, query) });
    match ask {
        Ask::Instruments => Some(get("/v1/instrument", Query::new("/v1/instrument"))),
        Ask::Ticker { market } => {
            Some(get("/v1/ticker/{instrument}", Query::new(format!("/v1/ticker/{}", symbol(*market)?))))
        }
        Ask::Candles { market, interval, from, to } => {
            // Both ends are whole seconds and the last one counts in.
            let query = Query::new(BARS)
                .with("symbol", symbol(*market)?)
                .with("resolution", resolution(*interval)?)
                .with("from", seconds_from(*from))
                .with("to", seconds_from(*to) - 1);
            Some(HttpRequest { origin: Origin::Other(SITE), ..get(BARS, query) })
        }
        Ask::Balances { wallet: Wallet::Futures } => {
            Some(HttpRequest { weight: 3, ..view("/v1/margin", Query::new("/v1/margin"))? })
        }
        Ask::Positions { market: Some(market) } => {
            view("/v1/position/{instrument}", Query::new(format!("/v1/position/{}", symbol(*market)?)))
        }
        // There is no filter: the answer is cut to the market that was asked for.
        Ask::OpenOrders { market } => {
            market.map_or(Some(""), symbol)?;
            view("/v1/order/active", Query::new("/v1/order/active"))
        }
        Ask::Order { market, order } => {
            let query = Query::new(ORDER).with("instrument", symbol(*market)?);
            view(ORDER, named(query, order))
        }
        Ask::OrderHistory { market, page } => {
            let query = history(Query::new("/v1/order/all").with("instrument", symbol(*market)?), page)?;
            Some(HttpRequest { weight: 10, ..view("/v1/order/all", query)? })
        }
        Ask::Place(order) => {
            let request = change(ask, Method::Post, ORDER, &new_order(text(order.market)?, order)?)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Amend { market, order, price } => {
            let (order_id, client_order_id) = ids(order)?;
            let body =
                AmendOrder { instrument: text(*market)?, order_id, client_order_id, price: bare(*price) };
            change(ask, Method::Patch, ORDER, &body)
        }
        Ask::Cancel { market, order } => {
            let (order_id, client_order_id) = ids(order)?;
            let body = CancelOrder { instrument: text(*market)?, order_id, client_order_id };
            change(ask, Method::Delete, ORDER, &body)
        }
        Ask::CancelAll { market: Some(market) } => {
            let instrument = text(*market)?;
            change(
                ask,
                Method::Delete,
                ORDER,
                &CancelOrder { instrument, order_id: None, client_order_id: None },
            )
        }
        Ask::SetLeverage { market, leverage } => {
            let body = Leverage { instrument: text(*market)?, leverage: exact(*leverage) };
            change(ask, Method::Post, "/v1/position/leverage", &body)
        }
        Ask::SetRiskLimit { market, limit } => {
            let body = RiskLimit { instrument: text(*market)?, risk_limit: exact(*limit) };
            change(ask, Method::Post, "/v1/position/riskLimit", &body)
        }
        Ask::MoveMargin { market, amount } => {
            let body = TransferMargin { instrument: text(*market)?, amount: exact(*amount) };
            change(ask, Method::Post, "/v1/position/margin/transfer", &body)
        }
        Ask::Balances { .. }
        | Ask::Positions { market: None }
        | Ask::CancelAll { market: None }
        | Ask::Time
        | Ask::Depth { .. }
        | Ask::Trades { .. }
        | Ask::Mark { .. }
        | Ask::Permissions
        | Ask::Fees
        | Ask::Fills { .. }
        | Ask::Deposits { .. }
        | Ask::Withdrawals { .. }
        | Ask::Transfers { .. }
        | Ask::ClosedOrder { .. }
        | Ask::ClosedOrders { .. }
        | Ask::CopyPositions
        | Ask::CopyTrades { .. }
        | Ask::OpenToken
        | Ask::RenewToken { .. }
        | Ask::DropToken { .. }
        | Ask::Countdown { .. } => None,
    }
}

/// A request with a body. The signature covers these very bytes.
fn change(ask: &Ask, method: Method, route: &'static str, body: &impl Serialize) -> Option<HttpRequest> {
    let body = serde_json::to_vec(body).ok()?;
    let headers = vec![("content-type".into(), "application/json".to_owned())];
    Some(HttpRequest { method, headers, body, auth: Auth::Signed, ..HttpRequest::get(ask, route, route) })
}

/// The two ways to name an order in a body; nothing for a venue id that is none. A body with neither would name every
/// order of the instrument.
fn ids(order: &OrderRef) -> Option<(Option<u64>, Option<Text<'_>>)> {
    match order {
        OrderRef::Venue(id) => Some((Some(id.parse().ok()?), None)),
        OrderRef::Client(id) if id.is_empty() => None,
        OrderRef::Client(id) => Some((None, Some(Text::from(id.as_str())))),
    }
}

fn named(query: Query, order: &OrderRef) -> Query {
    match order {
        OrderRef::Venue(id) => query.with("orderId", id),
        OrderRef::Client(id) => query.with("clientOrderId", id),
    }
}

/// Oldest first, so that orders which come while we read stand behind what we have read.
fn history(query: Query, page: &Page) -> Option<Query> {
    let start: u64 = match &page.after {
        Some(offset) => offset.parse().ok()?,
        None => 0,
    };
    // Times are whole milliseconds, and the last one counts in.
    let to = page.to.map(|to| UnixNanos::from_millis(millis_from(to) - 1));
    let from = page.from.map(|from| UnixNanos::from_millis(millis_from(from)));
    Some(
        query
            .with("start", start)
            .with("limit", page.limit.unwrap_or(PAGE).min(PAGE))
            .with("reverse", false)
            .with_some("fromTime", from.map(Time))
            .with_some("toTime", to.map(Time)),
    )
}

/// A new order; nothing for a size that is not whole.
fn new_order<'a>(instrument: Text<'a>, order: &'a NewOrder) -> Option<PlaceOrder<'a>> {
    let is_triggered = order.order_type.has_trigger();
    Some(PlaceOrder {
        instrument,
        client_order_id: Some(Text::from(order.client_order_id.as_str())).filter(|id| !id.is_empty()),
        r#type: match order.order_type {
            OrderType::Limit => duedex::OrderType::Limit,
            OrderType::Market => duedex::OrderType::Market,
            OrderType::StopMarket => duedex::OrderType::StopMarket,
            OrderType::StopLimit => duedex::OrderType::StopLimit,
            OrderType::TakeProfitMarket => duedex::OrderType::TakeProfitMarket,
            OrderType::TakeProfitLimit => duedex::OrderType::TakeProfitLimit,
        },
        // What is not said is false, but true for orders with a trigger.
        is_close_order: (is_triggered != order.reduce_only).then_some(order.reduce_only),
        side: Some(match order.side {
            Side::Buy => duedex::OrderSide::Long,
            Side::Sell => duedex::OrderSide::Short,
        }),
        price: order.price.map(bare),
        size: Some(whole(order.qty)?),
        stop_price: order.stop_price.map(bare),
        trigger_type: order.trigger_by.map(|by| match by {
            TriggerBy::Last => StopTriggerType::LastPrice,
            TriggerBy::Index => StopTriggerType::IndexPrice,
            TriggerBy::Mark => StopTriggerType::MarkPrice,
        }),
        time_in_force: order.time_in_force.map(|tif| match tif {
            TimeInForce::Gtc => duedex::TimeInForce::Gtc,
            TimeInForce::Ioc => duedex::TimeInForce::Ioc,
            TimeInForce::Fok => duedex::TimeInForce::Fok,
        }),
        post_only: order.post_only.then_some(true),
    })
}

/// A number of contracts; nothing for a part of one.
fn whole(qty: Fixed) -> Option<i64> {
    let unit = qty.scale.unit();
    (qty.scale == Scale::ZERO || qty.mantissa % unit == 0).then_some(qty.mantissa / unit)
}

fn bare<'a>(number: Fixed) -> Num<'a> {
    Num::bare(number.to_string())
}

fn exact<'a>(number: Decimal) -> Num<'a> {
    Num::bare(number.normalize().to_string())
}

/// The resolutions that clients have used; others are not known to exist.
fn resolution(interval: Interval) -> Option<&'static str> {
    match interval {
        Interval::M1 => Some("1"),
        Interval::H1 => Some("60"),
        Interval::D1 => Some("D"),
        Interval::M5 | Interval::M15 | Interval::H4 => None,
    }
}

/// The first whole second at or after an instant.
fn seconds_from(at: UnixNanos) -> i64 {
    at.0.div_euclid(1_000_000_000) + i64::from(at.0.rem_euclid(1_000_000_000) != 0)
}

/// The first whole millisecond at or after an instant.
fn millis_from(at: UnixNanos) -> i64 {
    at.millis() + i64::from(UnixNanos::from_millis(at.millis()) != at)
}
