//! Requests of futures: parameters travel in the query of what reads and in the body of what posts.

use core::time::Duration;

use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, HttpRequest, MarketId, Method, NewOrder, OrderRef, OrderType, Page, Place, Query, TimeInForce,
    TriggerBy,
};
use venuekit_wire::Time;

use crate::spec::word;

/// Writes one request; nothing when the venue has no such route.
pub(super) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let desk = Desk { place, ask };
    Some(match ask {
        Ask::Instruments => desk.get("instruments", 0).read(),
        // Every answer carries the time; this is the shortest of the public ones.
        Ask::Time => desk.at("tickers", "/derivatives/api/v3/tickers/PF_XBTUSD".to_owned(), 0).read(),
        Ask::Depth { market, .. } => desk.get("orderbook", 0).market(*market)?.read(),
        Ask::Trades { from: Some(_), .. } => return None,
        Ask::Trades { market, .. } => desk.get("history", 0).market(*market)?.read(),
        Ask::Candles { market, interval, from, to } => {
            let symbol = &place.catalog.get(*market)?.venue_symbol;
            let path = format!("/api/charts/v1/trade/{symbol}/{}", word(*interval));
            desk.at("charts", path, 0).with("from", seconds(*from)).with("to", seconds(*to)).read()
        }
        Ask::Ticker { market } => {
            let symbol = &place.catalog.get(*market)?.venue_symbol;
            desk.at("tickers", format!("/derivatives/api/v3/tickers/{symbol}"), 0).read()
        }
        Ask::Fees => desk.get("feeschedules", 0).read(),
        Ask::Balances { .. } => desk.get("accounts", 2).sign(Method::Get),
        Ask::Positions { .. } => desk.get("openpositions", 2).sign(Method::Get),
        Ask::OpenOrders { .. } => desk.get("openorders", 2).sign(Method::Get),
        Ask::Order { order, .. } => {
            let name = match order {
                OrderRef::Venue(_) => "orderIds",
                OrderRef::Client(_) => "cliOrdIds",
            };
            desk.get("orders/status", 1).with(name, id(order)).sign(Method::Post)
        }
        Ask::OrderHistory { market, page } => {
            let symbol = &place.catalog.get(*market)?.venue_symbol;
            desk.at("history/orders", "/api/history/v3/orders".to_owned(), 1)
                .with_some("since", page.from.map(UnixNanos::millis))
                .with_some("before", page.to.map(UnixNanos::millis))
                .with("sort", "asc")
                .with("tradeable", symbol)
                .with_some("count", page.limit)
                .with_some("continuation_token", page.after.as_ref())
                .sign(Method::Get)
        }
        Ask::Fills { page, .. } => desk.fills(page),
        Ask::Transfers { .. } => desk.get("transfers", 10).sign(Method::Get),
        Ask::Place(order) => {
            let request = desk.get("sendorder", 10).new_order(order)?.sign(Method::Post);
            HttpRequest { orders: 1, ..request }
        }
        Ask::Cancel { order, .. } => {
            let name = match order {
                OrderRef::Venue(_) => "order_id",
                OrderRef::Client(_) => "cliOrdId",
            };
            desk.get("cancelorder", 10).with(name, id(order)).sign(Method::Post)
        }
        Ask::CancelAll { market } => {
            let draft = desk.get("cancelallorders", 25);
            match market {
                Some(market) => draft.market(*market)?,
                None => draft,
            }
            .sign(Method::Post)
        }
        Ask::Countdown { market: None, within } => desk
            .get("cancelallordersafter", 25)
            .with("timeout", within.map_or(0, seconds_up))
            .sign(Method::Post),
        Ask::SetLeverage { market, leverage } => {
            let leverage = (!leverage.is_zero()).then_some(leverage);
            desk.get("leveragepreferences", 10)
                .with_some("maxLeverage", leverage)
                .market(*market)?
                .sign(Method::Put)
        }
        _ => return None,
    })
}

fn id(order: &OrderRef) -> &str {
    match order {
        OrderRef::Venue(id) | OrderRef::Client(id) => id,
    }
}

/// Who asks what, and where.
#[derive(Clone, Copy)]
struct Desk<'a> {
    place: Place<'a>,
    ask: &'a Ask,
}

/// A request in the making.
struct Draft<'a> {
    desk: Desk<'a>,
    route: &'static str,
    path: String,
    weight: u32,
    query: Query,
}

impl<'a> Desk<'a> {
    fn get(self, route: &'static str, weight: u32) -> Draft<'a> {
        self.at(route, format!("/derivatives/api/v3/{route}"), weight)
    }

    fn at(self, route: &'static str, path: String, weight: u32) -> Draft<'a> {
        Draft { desk: self, route, path, weight, query: Query::new("") }
    }

    /// A page of fills goes down from a time, which costs much more.
    fn fills(self, page: &Page) -> HttpRequest {
        let before = page.after.clone().or(page.to.map(|to| Time(to).to_string()));
        let weight = if before.is_some() { 25 } else { 2 };
        self.get("fills", weight).with_some("lastFillTime", before).sign(Method::Get)
    }
}

impl Draft<'_> {
    fn with(self, name: &str, value: impl core::fmt::Display) -> Self {
        Draft { query: self.query.with(name, value), ..self }
    }

    fn with_some(self, name: &str, value: Option<impl core::fmt::Display>) -> Self {
        Draft { query: self.query.with_some(name, value), ..self }
    }

    fn market(self, market: MarketId) -> Option<Self> {
        let symbol = self.desk.place.catalog.get(market)?.venue_symbol.clone();
        Some(self.with("symbol", symbol))
    }

    /// A new order; nothing for what the venue has no word for.
    fn new_order(self, order: &NewOrder) -> Option<Self> {
        let kind = match (order.order_type, order.time_in_force) {
            (OrderType::Limit, _) if order.post_only => "post",
            (OrderType::Limit, None | Some(TimeInForce::Gtc)) => "lmt",
            (OrderType::Limit, Some(TimeInForce::Ioc)) => "ioc",
            (OrderType::Limit, Some(TimeInForce::Fok)) => "fok",
            // It never waits, whatever it is told.
            (OrderType::Market, _) => "mkt",
            (OrderType::StopMarket | OrderType::StopLimit, _) => "stp",
            (OrderType::TakeProfitMarket | OrderType::TakeProfitLimit, _) => "take_profit",
        };
        let signal = order.trigger_by.map(|by| match by {
            TriggerBy::Last => "last",
            TriggerBy::Index => "spot",
            TriggerBy::Mark => "mark",
        });
        let draft = self
            .market(order.market)?
            .with("side", if order.side == Side::Buy { "buy" } else { "sell" })
            .with("size", order.qty)
            .with("cliOrdId", &order.client_order_id)
            .with_some("reduceOnly", order.reduce_only.then_some(true))
            .with("orderType", kind)
            .with_some("limitPrice", order.price)
            .with_some("stopPrice", order.stop_price)
            .with_some("triggerSignal", signal);
        Some(draft)
    }

    fn read(self) -> HttpRequest {
        let target = format!("{}{}", self.path, self.query.target());
        HttpRequest { weight: self.weight, ..HttpRequest::get(self.desk.ask, self.route, target) }
    }

    fn sign(self, method: Method) -> HttpRequest {
        let query = self.query.target();
        let (target, body) = match method {
            Method::Post => (self.path, query.strip_prefix('?').unwrap_or_default().as_bytes().to_vec()),
            _ => (format!("{}{query}", self.path), Vec::new()),
        };
        let form = ("Content-Type".into(), "application/x-www-form-urlencoded".to_owned());
        let request = HttpRequest::get(self.desk.ask, self.route, target);
        HttpRequest { method, headers: vec![form], body, auth: Auth::Signed, weight: self.weight, ..request }
    }
}

fn seconds(at: UnixNanos) -> i64 {
    at.0.div_euclid(1_000_000_000)
}

/// A span in whole seconds, rounded up: zero would turn the switch off.
fn seconds_up(span: Duration) -> u128 {
    span.as_nanos().div_ceil(1_000_000_000)
}
