//! Requests: their routes, weights and parameters.

use core::time::Duration;

use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, HttpRequest, MarketId, Method, NewOrder, OrderRef, OrderType, Page, Place, Query, TimeInForce,
    TriggerBy, Wallet,
};
use venuekit_wire::binance;

use crate::spec::{ALGO, ISOLATED, MARGIN, MARGIN_PAGE, PAGE, USDM};

/// The header of a body that is a form.
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Writes one request; nothing when the venue has no such route, or when it cannot be said of what the catalog holds.
pub(crate) fn ask(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    match place.product {
        USDM => usdm(place, ask),
        MARGIN | ISOLATED => margin(place, ask),
        ALGO => algo(place, ask),
        _ => spot(place, ask),
    }
}

/// Orders of spot's markets on margin, which say which of the wallets they are of, and that they borrow nothing.
///
/// **Source**: the venue's SDK of 2026-08-21. These routes count against budgets of their own.
fn margin(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let is_isolated = place.product == ISOLATED;
    let word = if is_isolated { "TRUE" } else { "FALSE" };
    let route = |path| Draft { place, ask, path, query: Query::new(path) }.with("isIsolated", word);
    match ask {
        Ask::Instruments | Ask::Time => spot(place, ask),
        Ask::Balances { wallet: Wallet::Margin } if !is_isolated => spot(place, ask),
        Ask::Balances { wallet: Wallet::Isolated } if is_isolated => spot(place, ask),
        // Of isolated wallets, those of one pair at a time.
        Ask::OpenOrders { market: None } if is_isolated => None,
        Ask::OpenOrders { market } => {
            route("/sapi/v1/margin/openOrders").some_market(*market)?.read(Auth::Signed, 1)
        }
        Ask::Order { market, order } => {
            route("/sapi/v1/margin/order").market(*market)?.order(order).read(Auth::Signed, 1)
        }
        Ask::OrderHistory { market, page } => {
            let page =
                Page { limit: Some(page.limit.unwrap_or(MARGIN_PAGE).min(MARGIN_PAGE)), ..page.clone() };
            route("/sapi/v1/margin/allOrders").market(*market)?.page(&page, "orderId")?.read(Auth::Signed, 1)
        }
        Ask::Fills { market, page } => {
            route("/sapi/v1/margin/myTrades").market(*market)?.page(page, "fromId")?.read(Auth::Signed, 1)
        }
        Ask::OpenToken if !is_isolated => {
            let path = "/sapi/v1/userListenToken";
            Draft { place, ask, path, query: Query::new(path) }.change(Method::Post, Auth::Key, 1)
        }
        Ask::Place(order) => {
            let draft = route("/sapi/v1/margin/order").spot_order(order)?;
            let draft = draft.with("sideEffectType", "NO_SIDE_EFFECT").with("newOrderRespType", "FULL");
            let request = draft.change(Method::Post, Auth::Signed, 1)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Cancel { market, order } => route("/sapi/v1/margin/order").market(*market)?.order(order).change(
            Method::Delete,
            Auth::Signed,
            1,
        ),
        Ask::CancelAll { market: Some(market) } => {
            route("/sapi/v1/margin/openOrders").market(*market)?.change(Method::Delete, Auth::Signed, 1)
        }
        _ => None,
    }
}

/// Orders of USD-M that wait for a trigger.
///
/// **Source**: as of [`usdm`]; the changes of 2025-12.
fn algo(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let route = |path| Draft { place, ask, path, query: Query::new(path) };
    match ask {
        Ask::Instruments | Ask::Time | Ask::OpenToken | Ask::RenewToken { .. } => usdm(place, ask),
        Ask::OpenOrders { market } => {
            let weight = if market.is_some() { 1 } else { 40 };
            route("/fapi/v1/openAlgoOrders").some_market(*market)?.read(Auth::Signed, weight)
        }
        Ask::Order { order, .. } => route("/fapi/v1/algoOrder").algo_order(order).read(Auth::Signed, 1),
        Ask::OrderHistory { market, page } => {
            route("/fapi/v1/allAlgoOrders").market(*market)?.page(page, "algoId")?.read(Auth::Signed, 5)
        }
        Ask::Place(order) => {
            let request =
                route("/fapi/v1/algoOrder").algo_terms(order)?.change(Method::Post, Auth::Signed, 0)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Cancel { order, .. } => {
            route("/fapi/v1/algoOrder").algo_order(order).change(Method::Delete, Auth::Signed, 1)
        }
        Ask::CancelAll { market: Some(market) } => {
            route("/fapi/v1/algoOpenOrders").market(*market)?.change(Method::Delete, Auth::Signed, 1)
        }
        _ => None,
    }
}

/// **Source**: rest-api.md of binance-spot-api-docs as of 2026-07-21; the venue's SDK of 2026-08-21 for what is of the
/// wallets, whose requests count against budgets of their own.
fn spot(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let route = |path| Draft { place, ask, path, query: Query::new(path) };
    match ask {
        // The sets of permissions are most of the answer, and more than an answer may hold.
        Ask::Instruments => {
            route("/api/v3/exchangeInfo").with("showPermissionSets", false).read(Auth::None, 20)
        }
        Ask::Time => route("/api/v3/time").read(Auth::None, 1),
        Ask::Depth { market, levels } => {
            let weight = match levels {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                _ => 250,
            };
            route("/api/v3/depth")
                .market(*market)?
                .with("limit", (*levels).clamp(1, 5000))
                .read(Auth::None, weight)
        }
        Ask::Trades { market, from: None, limit } => {
            route("/api/v3/trades").market(*market)?.with("limit", PAGE.min(*limit)).read(Auth::None, 25)
        }
        Ask::Trades { market, from: Some(from), limit } => route("/api/v3/historicalTrades")
            .market(*market)?
            .with("limit", PAGE.min(*limit))
            .with("fromId", from)
            .read(Auth::None, 25),
        Ask::Candles { .. } => route("/api/v3/klines").candles()?.read(Auth::None, 2),
        Ask::Ticker { market } => route("/api/v3/ticker/24hr").market(*market)?.read(Auth::None, 2),
        Ask::Permissions => route("/sapi/v1/account/apiRestrictions").read(Auth::Signed, 1),
        Ask::Fees => route("/sapi/v1/asset/tradeFee").read(Auth::Signed, 1),
        Ask::Balances { wallet: Wallet::Spot } => {
            route("/api/v3/account").with("omitZeroBalances", true).read(Auth::Signed, 20)
        }
        Ask::Balances { wallet: Wallet::Margin } => route("/sapi/v1/margin/account").read(Auth::Signed, 10),
        Ask::Balances { wallet: Wallet::Isolated } => {
            route("/sapi/v1/margin/isolated/account").read(Auth::Signed, 10)
        }
        Ask::Balances { wallet: Wallet::Funding } => {
            route("/sapi/v1/asset/get-funding-asset").change(Method::Post, Auth::Signed, 1)
        }
        Ask::OpenOrders { market } => {
            let weight = if market.is_some() { 6 } else { 80 };
            route("/api/v3/openOrders").some_market(*market)?.read(Auth::Signed, weight)
        }
        Ask::Order { market, order } => {
            route("/api/v3/order").market(*market)?.order(order).read(Auth::Signed, 4)
        }
        Ask::OrderHistory { market, page } => {
            route("/api/v3/allOrders").market(*market)?.page(page, "orderId")?.read(Auth::Signed, 20)
        }
        Ask::Fills { market, page } => {
            route("/api/v3/myTrades").market(*market)?.page(page, "fromId")?.read(Auth::Signed, 20)
        }
        Ask::Deposits { page } => {
            route("/sapi/v1/capital/deposit/hisrec").offset(page)?.read(Auth::Signed, 1)
        }
        Ask::Withdrawals { page } => {
            route("/sapi/v1/capital/withdraw/history").offset(page)?.read(Auth::Signed, 1)
        }
        Ask::Transfers { page } => {
            route("/sapi/v1/margin/transfer").number(page, "current", "size", 100)?.read(Auth::Signed, 1)
        }
        Ask::Place(order) => {
            let draft = route("/api/v3/order").spot_order(order)?.with("newOrderRespType", "FULL");
            let request = draft.change(Method::Post, Auth::Signed, 1)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Cancel { market, order } => {
            route("/api/v3/order").market(*market)?.order(order).change(Method::Delete, Auth::Signed, 1)
        }
        Ask::CancelAll { market: Some(market) } => {
            route("/api/v3/openOrders").market(*market)?.change(Method::Delete, Auth::Signed, 1)
        }
        _ => None,
    }
}

/// **Source**: the USD-M documents as indexed in 2026-08, the venue's SDK of 2026-08-21 for weights.
fn usdm(place: Place<'_>, ask: &Ask) -> Option<HttpRequest> {
    let route = |path| Draft { place, ask, path, query: Query::new(path) };
    match ask {
        Ask::Instruments => route("/fapi/v1/exchangeInfo").read(Auth::None, 1),
        Ask::Time => route("/fapi/v1/time").read(Auth::None, 1),
        Ask::Depth { market, levels } => {
            // It takes these seven and nothing between.
            let limits = [(5, 2), (10, 2), (20, 2), (50, 2), (100, 5), (500, 10), (1000, 20)];
            let (limit, weight) = *limits.iter().find(|(limit, _)| limit >= levels).unwrap_or(&limits[6]);
            route("/fapi/v1/depth").market(*market)?.with("limit", limit).read(Auth::None, weight)
        }
        Ask::Trades { market, from, limit } => route("/fapi/v1/aggTrades")
            .market(*market)?
            .with("limit", PAGE.min(*limit))
            .with_some("fromId", *from)
            .read(Auth::None, 20),
        Ask::Candles { .. } => route("/fapi/v1/klines").candles()?.read(Auth::None, 5),
        Ask::Ticker { market } => route("/fapi/v1/ticker/24hr").market(*market)?.read(Auth::None, 1),
        Ask::Mark { market } => route("/fapi/v1/premiumIndex").market(*market)?.read(Auth::None, 1),
        Ask::Permissions | Ask::Fees => route("/fapi/v1/accountConfig").read(Auth::Signed, 5),
        Ask::Balances { wallet: Wallet::Futures } => route("/fapi/v3/account").read(Auth::Signed, 5),
        Ask::Positions { market } => {
            route("/fapi/v3/positionRisk").some_market(*market)?.read(Auth::Signed, 5)
        }
        Ask::OpenOrders { market } => {
            let weight = if market.is_some() { 1 } else { 40 };
            route("/fapi/v1/openOrders").some_market(*market)?.read(Auth::Signed, weight)
        }
        Ask::Order { market, order } => {
            route("/fapi/v1/order").market(*market)?.order(order).read(Auth::Signed, 1)
        }
        Ask::OrderHistory { market, page } => {
            route("/fapi/v1/allOrders").market(*market)?.page(page, "orderId")?.read(Auth::Signed, 5)
        }
        Ask::Fills { market, page } => {
            route("/fapi/v1/userTrades").market(*market)?.page(page, "fromId")?.read(Auth::Signed, 5)
        }
        Ask::Transfers { page } => route("/fapi/v1/income")
            .with("incomeType", "TRANSFER")
            .number(page, "page", "limit", PAGE)?
            .read(Auth::Signed, 30),
        // The key of a user stream is the account's, whoever asks for it. It is never dropped, since other programs may
        // use it, and lapses by itself.
        Ask::OpenToken => route("/fapi/v1/listenKey").change(Method::Post, Auth::Key, 1),
        Ask::RenewToken { .. } => route("/fapi/v1/listenKey").change(Method::Put, Auth::Key, 1),
        Ask::Place(order) => {
            let draft = route("/fapi/v1/order").futures_order(order)?.with("newOrderRespType", "RESULT");
            // Orders draw on their own budgets alone.
            let request = draft.change(Method::Post, Auth::Signed, 0)?;
            Some(HttpRequest { orders: 1, ..request })
        }
        Ask::Cancel { market, order } => {
            route("/fapi/v1/order").market(*market)?.order(order).change(Method::Delete, Auth::Signed, 1)
        }
        Ask::CancelAll { market: Some(market) } => {
            route("/fapi/v1/allOpenOrders").market(*market)?.change(Method::Delete, Auth::Signed, 1)
        }
        Ask::Countdown { market: Some(market), within } => route("/fapi/v1/countdownCancelAll")
            .market(*market)?
            .with("countdownTime", within.map_or(0, millis_up))
            .change(Method::Post, Auth::Signed, 10),
        _ => None,
    }
}

/// A request in the making.
struct Draft<'a> {
    place: Place<'a>,
    ask: &'a Ask,
    path: &'static str,
    query: Query,
}

impl<'a> Draft<'a> {
    fn with(self, name: &str, value: impl core::fmt::Display) -> Draft<'a> {
        Draft { query: self.query.with(name, value), ..self }
    }

    fn with_some(self, name: &str, value: Option<impl core::fmt::Display>) -> Draft<'a> {
        Draft { query: self.query.with_some(name, value), ..self }
    }

    fn market(self, market: MarketId) -> Option<Draft<'a>> {
        let instrument = self.place.catalog.get(market)?;
        Some(self.with("symbol", &instrument.venue_symbol))
    }

    fn some_market(self, market: Option<MarketId>) -> Option<Draft<'a>> {
        match market {
            Some(market) => self.market(market),
            None => Some(self),
        }
    }

    fn order(self, order: &OrderRef) -> Draft<'a> {
        match order {
            OrderRef::Venue(id) => self.with("orderId", id),
            OrderRef::Client(id) => self.with("origClientOrderId", id),
        }
    }

    /// Ids of orders that wait for a trigger are unique over all markets.
    fn algo_order(self, order: &OrderRef) -> Draft<'a> {
        match order {
            OrderRef::Venue(id) => self.with("algoId", id),
            OrderRef::Client(id) => self.with("clientAlgoId", id),
        }
    }

    fn candles(self) -> Option<Draft<'a>> {
        let Ask::Candles { market, interval, from, to } = self.ask else { return None };
        let draft = self.market(*market)?.with("interval", interval.as_str());
        Some(draft.span(Some(*from), Some(*to)).with("limit", PAGE))
    }

    /// The venue's last millisecond counts in, ours does not.
    fn span(self, from: Option<UnixNanos>, to: Option<UnixNanos>) -> Draft<'a> {
        self.with_some("startTime", from.map(millis_from))
            .with_some("endTime", to.map(|to| millis_from(to) - 1))
    }

    fn limit(self, page: &Page) -> Draft<'a> {
        self.with("limit", page.limit.unwrap_or(PAGE).min(PAGE))
    }

    /// Pages rise by id, and the venue's first one counts in. An id leaves no place for times.
    fn page(self, page: &Page, name: &str) -> Option<Draft<'a>> {
        let Some(id) = &page.after else { return Some(self.span(page.from, page.to).limit(page)) };
        Some(self.with(name, id.parse::<u64>().ok()?.checked_add(1)?).limit(page))
    }

    /// Pages count the rows before them.
    fn offset(self, page: &Page) -> Option<Draft<'a>> {
        let before = page.after.as_ref().map(|text| text.parse::<u32>()).transpose().ok()?;
        Some(self.span(page.from, page.to).with_some("offset", before).limit(page))
    }

    /// Pages have numbers, the first of which is one.
    fn number(self, page: &Page, number: &str, size: &str, most: u32) -> Option<Draft<'a>> {
        let before = page.after.as_ref().map(|text| text.parse::<u32>()).transpose().ok()?;
        let limit = page.limit.unwrap_or(most).clamp(1, most);
        let current = before.unwrap_or(0).checked_div(limit)?.checked_add(1)?;
        Some(self.span(page.from, page.to).with(number, current).with(size, limit))
    }

    /// What every order has, its type given.
    fn new_order(
        self,
        order: &NewOrder,
        kind: binance::OrderType<'_>,
        force: Option<&str>,
    ) -> Option<Draft<'a>> {
        let side = match order.side {
            Side::Buy => binance::Side::Buy,
            Side::Sell => binance::Side::Sell,
        };
        // At any price means at once.
        let waits =
            !order.order_type.has_price() && order.time_in_force.is_some_and(|tif| tif != TimeInForce::Ioc);
        if order.trigger_by.is_some() || waits {
            return None;
        }
        Some(
            self.market(order.market)?
                .with("side", side.as_str())
                .with("type", kind.as_str())
                .with_some("timeInForce", force)
                .with("quantity", order.qty)
                .with_some("price", order.price)
                .with_some("stopPrice", order.stop_price)
                .with("newClientOrderId", &order.client_order_id),
        )
    }

    /// An order of spot. What must not fill at once is a type of its own here, and has no time in force.
    fn spot_order(self, order: &NewOrder) -> Option<Draft<'a>> {
        use binance::OrderType as Kind;
        if order.reduce_only {
            return None;
        }
        let kind = match (order.order_type, order.post_only) {
            (OrderType::Limit, true) => Kind::LimitMaker,
            (_, true) => return None,
            (OrderType::Limit, false) => Kind::Limit,
            (OrderType::Market, false) => Kind::Market,
            (OrderType::StopMarket, false) => Kind::StopLoss,
            (OrderType::StopLimit, false) => Kind::StopLossLimit,
            (OrderType::TakeProfitMarket, false) => Kind::TakeProfit,
            (OrderType::TakeProfitLimit, false) => Kind::TakeProfitLimit,
        };
        let takes_force = order.order_type.has_price() && !order.post_only;
        let force = takes_force.then(|| order.time_in_force.unwrap_or(TimeInForce::Gtc).as_str());
        self.new_order(order, kind, force)
    }

    /// An order of USD-M. What must not fill at once is a time in force here.
    fn futures_order(self, order: &NewOrder) -> Option<Draft<'a>> {
        let (kind, force) = match (order.order_type, order.post_only) {
            (OrderType::Limit, true) => (binance::OrderType::Limit, Some("GTX")),
            (OrderType::Limit, false) => {
                let force = order.time_in_force.unwrap_or(TimeInForce::Gtc);
                (binance::OrderType::Limit, Some(force.as_str()))
            }
            (OrderType::Market, false) => (binance::OrderType::Market, None),
            _ => return None,
        };
        Some(self.new_order(order, kind, force)?.with_some("reduceOnly", order.reduce_only.then_some(true)))
    }

    /// An order of USD-M that waits for a trigger. One at any price is never in the book, so it says not how long it
    /// stands there.
    fn algo_terms(self, order: &NewOrder) -> Option<Draft<'a>> {
        use binance::OrderType as Kind;
        let kind = match order.order_type {
            OrderType::StopMarket => Kind::StopMarket,
            OrderType::StopLimit => Kind::Stop,
            OrderType::TakeProfitMarket => Kind::TakeProfitMarket,
            OrderType::TakeProfitLimit => Kind::TakeProfit,
            OrderType::Limit | OrderType::Market => return None,
        };
        let force = match (order.order_type.has_price(), order.post_only, order.time_in_force) {
            (true, true, _) => Some("GTX"),
            // Until cancelled, unless told otherwise.
            (true, false, force) => force.map(TimeInForce::as_str),
            (false, false, None | Some(TimeInForce::Ioc)) => None,
            (false, ..) => return None,
        };
        let trigger = match order.trigger_by {
            None => None,
            Some(TriggerBy::Last) => Some("CONTRACT_PRICE"),
            Some(TriggerBy::Mark) => Some("MARK_PRICE"),
            Some(TriggerBy::Index) => return None,
        };
        Some(
            self.with("algoType", "CONDITIONAL")
                .market(order.market)?
                .with("side", if order.side == Side::Buy { "BUY" } else { "SELL" })
                .with("type", kind.as_str())
                .with_some("timeInForce", force)
                .with("quantity", order.qty)
                .with_some("price", order.price)
                .with_some("triggerPrice", order.stop_price)
                .with_some("workingType", trigger)
                .with_some("reduceOnly", order.reduce_only.then_some(true))
                .with("clientAlgoId", &order.client_order_id)
                .with("newOrderRespType", "RESULT"),
        )
    }

    fn read(self, auth: Auth, weight: u32) -> Option<HttpRequest> {
        let request = HttpRequest::get(self.ask, self.path, self.query.target());
        Some(HttpRequest { auth, weight, ..request })
    }

    /// What creates something says it in a form, everything else in the query.
    fn change(self, method: Method, auth: Auth, weight: u32) -> Option<HttpRequest> {
        let mut request = HttpRequest { method, ..self.read(auth, weight)? };
        if method == Method::Post
            && let Some((path, form)) = request.target.split_once('?')
        {
            request.body = form.as_bytes().to_vec();
            request.headers.push((FORM.0.into(), FORM.1.to_owned()));
            request.target = path.to_owned();
        }
        Some(request)
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
