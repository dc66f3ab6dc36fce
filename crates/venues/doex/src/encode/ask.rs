//! Requests. Every path, weight and name of a parameter comes from the profile; the words of values are the wire's.

use core::time::Duration;

use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, HttpRequest, MarketId, Method, NewOrder, OrderRef, OrderType, Page, Place, Query, TimeInForce,
    Wallet,
};
use venuekit_wire::doex;

use crate::spec::{FUTURES, PRODUCTS, Profile, SPOT};

/// Writes one request; nothing when the venue has no such route, or when it cannot be said of what the catalog holds.
pub(crate) fn ask(profile: &Profile, place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let product = *PRODUCTS.get(place.product)?;
    let desk = Desk { profile, place, ask, product };
    let (spot, futures) = (place.product == SPOT, place.product == FUTURES);
    match ask {
        Ask::Instruments => desk.shared("instruments")?.read(Auth::None),
        Ask::Time => desk.shared("time")?.read(Auth::None),
        Ask::Depth { market, levels } => {
            let (limit, weight) = profile.depth(*levels);
            let draft = desk.own("depth")?.market(*market)?.with(&profile.params.limit, limit);
            Some(HttpRequest { weight, ..draft.read(Auth::None)? })
        }
        Ask::Trades { market, from, limit } => desk
            .own("trades")?
            .market(*market)?
            .with(&profile.params.limit, profile.history.page.get().min(*limit))
            .with_some(&profile.params.from_id, *from)
            .read(Auth::None),
        Ask::Candles { market, interval, from, to } => desk
            .own("klines")?
            .market(*market)?
            .with(&profile.params.interval, profile.interval(*interval))
            .page(&Page { from: Some(*from), to: Some(*to), ..Page::default() })?
            .read(Auth::None),
        Ask::Mark { market } => desk.own("mark")?.market(*market)?.read(Auth::None),
        Ask::Permissions => desk.shared("permissions")?.read(Auth::Signed),
        Ask::Fees => desk.shared("fees")?.read(Auth::Signed),
        Ask::Balances { wallet: Wallet::Spot } if spot => desk.own("balances")?.read(Auth::Signed),
        Ask::Balances { wallet: Wallet::Margin } if spot => desk.shared("margin_account")?.read(Auth::Signed),
        Ask::Balances { wallet: Wallet::Futures } if futures => desk.own("balances")?.read(Auth::Signed),
        Ask::Positions { market } => desk.own("positions")?.some_market(*market)?.read(Auth::Signed),
        Ask::OpenOrders { market } => desk.own("orders_open")?.some_market(*market)?.read(Auth::Signed),
        Ask::Order { market, order } => desk.own("orders")?.market(*market)?.order(order).read(Auth::Signed),
        Ask::OrderHistory { market, page } => {
            desk.own("orders_history")?.market(*market)?.page(page)?.read(Auth::Signed)
        }
        Ask::Fills { market, page } => desk.own("fills")?.market(*market)?.page(page)?.read(Auth::Signed),
        Ask::Deposits { page } if spot => desk.shared("deposits")?.page(page)?.read(Auth::Signed),
        Ask::Withdrawals { page } if spot => desk.shared("withdrawals")?.page(page)?.read(Auth::Signed),
        Ask::Transfers { page } if spot => desk.shared("transfers")?.page(page)?.read(Auth::Signed),
        Ask::CopyPositions if futures => desk.shared("copy_positions")?.read(Auth::Signed),
        Ask::CopyTrades { page } if futures => desk.shared("copy_trades")?.page(page)?.read(Auth::Signed),
        Ask::OpenToken => desk.shared("user_stream")?.change(Method::Post, Auth::Key),
        Ask::RenewToken { token } => desk
            .shared("user_stream")?
            .with(&profile.params.listen_key, &token.0)
            .change(Method::Put, Auth::Key),
        Ask::DropToken { token } => desk
            .shared("user_stream")?
            .with(&profile.params.listen_key, &token.0)
            .change(Method::Delete, Auth::Key),
        Ask::Place(order) => {
            let request = desk.own("orders")?.new_order(order)?.change(Method::Post, Auth::Signed)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Cancel { market, order } => {
            desk.own("orders")?.market(*market)?.order(order).change(Method::Delete, Auth::Signed)
        }
        Ask::CancelAll { market } => {
            desk.own("orders_all")?.some_market(*market)?.change(Method::Delete, Auth::Signed)
        }
        Ask::Countdown { market: None, within } => desk
            .own("countdown")?
            .with(&profile.params.countdown_ms, within.map_or(0, millis_up))
            .change(Method::Post, Auth::Signed),
        Ask::Balances { .. }
        | Ask::Countdown { .. }
        | Ask::Deposits { .. }
        | Ask::Withdrawals { .. }
        | Ask::Transfers { .. }
        | Ask::ClosedOrder { .. }
        | Ask::ClosedOrders { .. }
        | Ask::CopyPositions
        | Ask::CopyTrades { .. }
        | Ask::Ticker { .. }
        | Ask::Amend { .. }
        | Ask::SetLeverage { .. }
        | Ask::SetRiskLimit { .. }
        | Ask::MoveMargin { .. } => None,
    }
}

/// Who asks what, and where.
#[derive(Clone, Copy)]
struct Desk<'a> {
    profile: &'a Profile,
    place: Place<'a>,
    ask: &'a Ask,
    product: &'static str,
}

/// A request in the making.
struct Draft<'a> {
    desk: Desk<'a>,
    name: &'static str,
    weight: u32,
    change_weight: u32,
    query: Query,
}

impl<'a> Desk<'a> {
    /// A route that both products share.
    fn shared(self, name: &'static str) -> Option<Draft<'a>> {
        self.draft("shared", name)
    }

    /// A route of this product alone.
    fn own(self, name: &'static str) -> Option<Draft<'a>> {
        self.draft(self.product, name)
    }

    fn draft(self, group: &str, name: &'static str) -> Option<Draft<'a>> {
        let route = self.profile.route(group, name)?;
        let change_weight = route.change_weight.unwrap_or(route.weight);
        let query = Query::new(route.path.as_str());
        Some(Draft { desk: self, name, weight: route.weight, change_weight, query })
    }
}

impl<'a> Draft<'a> {
    fn with(self, name: &str, value: impl core::fmt::Display) -> Draft<'a> {
        Draft { query: self.query.with(name, value), ..self }
    }

    fn with_some(self, name: &str, value: Option<impl core::fmt::Display>) -> Draft<'a> {
        Draft { query: self.query.with_some(name, value), ..self }
    }

    fn market(self, market: MarketId) -> Option<Draft<'a>> {
        let instrument = self.desk.place.catalog.get(market)?;
        let name = &self.desk.profile.params.symbol;
        Some(self.with(name, &instrument.venue_symbol))
    }

    fn some_market(self, market: Option<MarketId>) -> Option<Draft<'a>> {
        match market {
            Some(market) => self.market(market),
            None => Some(self),
        }
    }

    fn order(self, order: &OrderRef) -> Draft<'a> {
        let names = &self.desk.profile.params;
        match order {
            OrderRef::Venue(id) => self.with(&names.order_id, id),
            OrderRef::Client(id) => self.with(&names.client_order_id, id),
        }
    }

    /// Pages rise by id, and the venue's first one counts in.
    fn page(self, page: &Page) -> Option<Draft<'a>> {
        let names = &self.desk.profile.params;
        let from_id = match &page.after {
            Some(id) => Some(id.parse::<u64>().ok()?.checked_add(1)?),
            None => None,
        };
        let most = self.desk.profile.history.page.get();
        Some(
            self.with_some(&names.start_time, page.from.map(millis_from))
                // The venue's last millisecond counts in, ours does not.
                .with_some(&names.end_time, page.to.map(|to| millis_from(to) - 1))
                .with_some(&names.from_id, from_id)
                .with(&names.limit, page.limit.unwrap_or(most).min(most)),
        )
    }

    /// A new order; nothing for a type or a trigger that the venue has no word for.
    fn new_order(self, order: &NewOrder) -> Option<Draft<'a>> {
        let names = &self.desk.profile.params;
        let side = match order.side {
            Side::Buy => doex::Side::Buy,
            Side::Sell => doex::Side::Sell,
        };
        let kind = match order.order_type {
            OrderType::Limit => doex::OrderType::Limit,
            OrderType::Market => doex::OrderType::Market,
            OrderType::StopMarket => doex::OrderType::StopMarket,
            OrderType::StopLimit => doex::OrderType::StopLimit,
            OrderType::TakeProfitMarket | OrderType::TakeProfitLimit => return None,
        };
        if order.trigger_by.is_some() {
            return None;
        }
        let draft = self
            .market(order.market)?
            .with(&names.side, side.as_str())
            .with(&names.r#type, kind.as_str())
            .with_some(&names.time_in_force, order.time_in_force.map(TimeInForce::as_str))
            .with(&names.quantity, order.qty)
            .with_some(&names.price, order.price)
            .with_some(&names.stop_price, order.stop_price)
            .with_some(&names.post_only, order.post_only.then_some(true))
            .with_some(&names.reduce_only, order.reduce_only.then_some(true));
        let id = &order.client_order_id;
        Some(draft.with_some(&names.client_order_id, (!id.is_empty()).then_some(id)))
    }

    fn read(self, auth: Auth) -> Option<HttpRequest> {
        let request = HttpRequest::get(self.desk.ask, self.name, self.query.target());
        Some(HttpRequest { auth, weight: self.weight, ..request })
    }

    fn change(self, method: Method, auth: Auth) -> Option<HttpRequest> {
        let weight = self.change_weight;
        Some(HttpRequest { method, weight, ..self.read(auth)? })
    }
}

/// The first whole millisecond at or after an instant.
fn millis_from(at: UnixNanos) -> i64 {
    at.millis() + i64::from(UnixNanos::from_millis(at.millis()) != at)
}

/// A span in whole milliseconds, rounded up: zero would turn the switch off.
fn millis_up(span: Duration) -> u128 {
    span.as_nanos().div_ceil(1_000_000)
}
