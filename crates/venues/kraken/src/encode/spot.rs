//! Requests of spot. Public ones are read by query; private ones are forms, to which the nonce is added as they leave.

use core::time::Duration;

use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, HttpRequest, MarketId, Method, NewOrder, OrderRef, OrderType, Page, Place, Query, TimeInForce,
    TriggerBy, Wallet,
};

use crate::spec::minutes;

/// Levels a side that REST gives at most.
const DEPTH_MAX: u32 = 500;
/// Trades on one page at most.
const TRADES_MAX: u32 = 1_000;

/// Writes one request; nothing when the venue has no such route.
pub(super) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let desk = Desk { place, ask };
    Some(match ask {
        Ask::Instruments => desk.public("AssetPairs").read(),
        Ask::Time => desk.public("Time").read(),
        Ask::Depth { market, levels } => {
            let count = if *levels == 0 { DEPTH_MAX } else { DEPTH_MAX.min(*levels) };
            desk.public("Depth").market(*market)?.with("count", count).read()
        }
        // The venue pages by time and not by id.
        Ask::Trades { from: Some(_), .. } => return None,
        Ask::Trades { market, limit, .. } => {
            desk.public("Trades").market(*market)?.with("count", TRADES_MAX.min(*limit)).read()
        }
        Ask::Candles { market, interval, from, .. } => desk
            .public("OHLC")
            .market(*market)?
            .with("interval", minutes(*interval))
            // Bars after this second, and not at it.
            .with("since", seconds(*from) - 1)
            .read(),
        Ask::Ticker { market } => desk.public("Ticker").market(*market)?.read(),
        Ask::Fees => {
            let names = place.catalog.iter().filter_map(|(_, instrument)| instrument.aliases.first());
            // What is not named is not told, and a request has its bounds.
            let names: Vec<&str> = names.take(100).map(String::as_str).collect();
            desk.private("TradeVolume", 1).with("pair", names.join(",")).sign()
        }
        Ask::Balances { wallet: Wallet::Spot } => desk.private("BalanceEx", 1).sign(),
        Ask::Balances { wallet: Wallet::Margin } => {
            desk.private("TradeBalance", 1).with("asset", "ZUSD").sign()
        }
        Ask::Positions { .. } => desk.private("OpenPositions", 1).with("docalcs", true).sign(),
        Ask::OpenOrders { .. } => desk.private("OpenOrders", 1).sign(),
        Ask::Order { order: OrderRef::Venue(id), .. } => {
            desk.private("QueryOrders", 1).with("txid", id).sign()
        }
        // Of ours by our id, the venue lists those that are open; what is over stands elsewhere.
        Ask::Order { order: OrderRef::Client(id), .. } => {
            desk.private("OpenOrders", 1).with("cl_ord_id", id).sign()
        }
        Ask::ClosedOrder { order: OrderRef::Client(id), .. } => {
            desk.private("ClosedOrders", 2).with("cl_ord_id", id).sign()
        }
        // Those after this second, and not at it.
        Ask::ClosedOrders { from } => {
            desk.private("ClosedOrders", 2).with("start", seconds(*from) - 1).sign()
        }
        Ask::OrderHistory { page, .. } => desk.private("ClosedOrders", 2).page(page).sign(),
        Ask::Fills { page, .. } => desk.private("TradesHistory", 2).page(page).sign(),
        Ask::Deposits { page } => desk.private("DepositStatus", 1).span(page).sign(),
        Ask::Withdrawals { page } => desk.private("WithdrawStatus", 1).span(page).sign(),
        Ask::Transfers { page } => desk.private("Ledgers", 2).with("type", "transfer").page(page).sign(),
        Ask::OpenToken => desk.private("GetWebSocketsToken", 1).sign(),
        Ask::Place(order) => {
            HttpRequest { orders: 1, ..desk.private("AddOrder", 0).new_order(order)?.sign() }
        }
        Ask::Cancel { order, .. } => {
            let draft = desk.private("CancelOrder", 0);
            match order {
                OrderRef::Venue(id) => draft.with("txid", id),
                OrderRef::Client(id) => draft.with("cl_ord_id", id),
            }
            .sign()
        }
        // There is no route for those of one market.
        Ask::CancelAll { market: None } => desk.private("CancelAll", 0).sign(),
        Ask::Countdown { market: None, within } => {
            desk.private("CancelAllOrdersAfter", 1).with("timeout", within.map_or(0, seconds_up)).sign()
        }
        _ => return None,
    })
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
    fn public(self, route: &'static str) -> Draft<'a> {
        let path = format!("/0/public/{route}");
        Draft { desk: self, route, query: Query::new(path.as_str()), path, weight: 1 }
    }

    fn private(self, route: &'static str, weight: u32) -> Draft<'a> {
        Draft { desk: self, route, path: format!("/0/private/{route}"), weight, query: Query::new("") }
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
        let instrument = self.desk.place.catalog.get(market)?;
        let name = instrument.aliases.first().unwrap_or(&instrument.venue_symbol).clone();
        Some(self.with("pair", name))
    }

    /// A span in seconds: at or after the start, and, as the venue reads it, at or before the end.
    fn span(self, page: &Page) -> Self {
        self.with_some("start", page.from.map(seconds)).with_some("end", page.to.map(seconds))
    }

    fn page(self, page: &Page) -> Self {
        self.span(page).with_some("ofs", page.after.as_ref())
    }

    /// A new order; nothing for what the venue has no word for.
    fn new_order(self, order: &NewOrder) -> Option<Self> {
        let kind = match order.order_type {
            OrderType::Limit => "limit",
            OrderType::Market => "market",
            OrderType::StopMarket => "stop-loss",
            OrderType::StopLimit => "stop-loss-limit",
            OrderType::TakeProfitMarket => "take-profit",
            OrderType::TakeProfitLimit => "take-profit-limit",
        };
        let tif = match order.time_in_force {
            // The rule of the venue for all but those that are told otherwise.
            None | Some(TimeInForce::Gtc) => None,
            Some(TimeInForce::Ioc) => Some("IOC"),
            Some(TimeInForce::Fok) => Some("FOK"),
        };
        let trigger = match order.trigger_by {
            None => None,
            Some(TriggerBy::Last) => Some("last"),
            Some(TriggerBy::Index) => Some("index"),
            Some(TriggerBy::Mark) => return None,
        };
        // The first price is what trips the order, where something does.
        let (price, price2) = match order.order_type.has_trigger() {
            true => (order.stop_price, order.price),
            false => (order.price, None),
        };
        let draft = self
            .market(order.market)?
            .with("type", if order.side == Side::Buy { "buy" } else { "sell" })
            .with("ordertype", kind)
            .with("volume", order.qty)
            .with_some("price", price)
            .with_some("price2", price2)
            .with_some("trigger", trigger)
            .with_some("timeinforce", tif)
            .with_some("oflags", order.post_only.then_some("post"))
            .with_some("reduce_only", order.reduce_only.then_some(true))
            .with("cl_ord_id", &order.client_order_id);
        Some(draft)
    }

    fn read(self) -> HttpRequest {
        HttpRequest {
            weight: self.weight,
            ..HttpRequest::get(self.desk.ask, self.route, self.query.target())
        }
    }

    fn sign(self) -> HttpRequest {
        let body = self.query.target();
        let request = HttpRequest::get(self.desk.ask, self.route, self.path);
        HttpRequest {
            method: Method::Post,
            headers: vec![("Content-Type".into(), "application/x-www-form-urlencoded".to_owned())],
            body: body.strip_prefix('?').unwrap_or_default().as_bytes().to_vec(),
            auth: Auth::Signed,
            weight: self.weight,
            ..request
        }
    }
}

fn seconds(at: UnixNanos) -> i64 {
    at.0.div_euclid(1_000_000_000)
}

/// A span in whole seconds, rounded up: zero would turn the switch off.
fn seconds_up(span: Duration) -> u128 {
    span.as_nanos().div_ceil(1_000_000_000)
}
