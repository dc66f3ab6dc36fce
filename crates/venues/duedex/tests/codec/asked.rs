//! Requests about an account, as they leave, and the vectors of the venue's document.

use core::time::Duration;

use proptest::prelude::*;
use venuekit_duedex::DueDex;
use venuekit_sign::Credentials;
use venuekit_testkit::codec;
use venuekit_types::{Fixed, Scale, Side, UnixNanos};
use venuekit_venue::grid::{Toward, check, round_price, round_qty};
use venuekit_venue::{
    Ask, AskKind, Auth, HttpRequest, MarketId, NewOrder, OrderRef, OrderType, Origin, Page, Stamp,
    TimeInForce, TriggerBy, Venue, Wallet,
};

use crate::{catalog, place};

/// Of the venue's document.
const SECRET: &str = "2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=";

fn number(text: &str) -> Fixed {
    text.parse().expect("a number")
}

fn write(ask: &Ask) -> Option<HttpRequest> {
    DueDex::new().ask(place(&catalog()), ask)
}

fn order() -> NewOrder {
    NewOrder {
        market: MarketId(0),
        client_order_id: String::new(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: Some(TimeInForce::Ioc),
        qty: number("10"),
        price: Some(number("8000.00")),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }
}

fn theirs() -> OrderRef {
    OrderRef::Venue("42".to_owned())
}

fn ours() -> OrderRef {
    OrderRef::Client("desk-1".to_owned())
}

#[test]
fn what_can_be_asked_is_what_is_written() {
    codec::assert_asks_are_written(&DueDex::new(), 0, &catalog(), &order());
    // There is no route for either of all markets at once.
    assert_eq!(write(&Ask::CancelAll { market: None }), None);
    assert_eq!(write(&Ask::Positions { market: None }), None);
    assert!(write(&Ask::OpenOrders { market: None }).is_some());
}

fn line(request: &HttpRequest) -> String {
    let HttpRequest { method, target, auth, weight, orders, body, .. } = request;
    let json = [("content-type".into(), "application/json".to_owned())];
    assert_eq!(request.headers, if body.is_empty() { &[][..] } else { &json[..] });
    let body = core::str::from_utf8(body).expect("text");
    format!("{} {target} {auth:?} {weight} {orders} {body}", method.as_str()).trim_end().to_owned()
}

#[test]
fn every_private_route_of_the_card() {
    let check =
        |ask: Ask, expected: &str| assert_eq!(line(&write(&ask).expect("a route")), expected, "{ask:?}");
    let market = MarketId(0);
    check(Ask::Balances { wallet: Wallet::Futures }, "GET /v1/margin Signed 3 0");
    check(Ask::Positions { market: Some(market) }, "GET /v1/position/BTCUSD Signed 1 0");
    check(Ask::OpenOrders { market: None }, "GET /v1/order/active Signed 1 0");
    check(Ask::OpenOrders { market: Some(market) }, "GET /v1/order/active Signed 1 0");
    check(Ask::Order { market, order: theirs() }, "GET /v1/order?instrument=BTCUSD&orderId=42 Signed 1 0");
    let named = "GET /v1/order?instrument=BTCUSD&clientOrderId=desk-1 Signed 1 0";
    check(Ask::Order { market, order: ours() }, named);
    let history = |page| Ask::OrderHistory { market, page };
    let newest = "GET /v1/order/all?instrument=BTCUSD&start=0&limit=100&reverse=false Signed 10 0";
    check(history(Page::default()), newest);
    let page = Page {
        from: Some(UnixNanos(1_599_732_000_000_000_001)),
        to: Some(UnixNanos(1_599_735_600_000_000_000)),
        after: Some("200".to_owned()),
        limit: Some(7),
    };
    check(
        history(page),
        "GET /v1/order/all?instrument=BTCUSD&start=200&limit=7&reverse=false&fromTime=2020-09-10T10%3A00%3A00.001Z&toTime=2020-09-10T10%3A59%3A59.999Z Signed 10 0",
    );
    let cancel = r#"DELETE /v1/order Signed 1 0 {"instrument":"BTCUSD","orderId":42}"#;
    check(Ask::Cancel { market, order: theirs() }, cancel);
    let cancel = r#"DELETE /v1/order Signed 1 0 {"instrument":"BTCUSD","clientOrderId":"desk-1"}"#;
    check(Ask::Cancel { market, order: ours() }, cancel);
    check(Ask::CancelAll { market: Some(market) }, r#"DELETE /v1/order Signed 1 0 {"instrument":"BTCUSD"}"#);
    let amend =
        r#"PATCH /v1/order Signed 1 0 {"instrument":"BTCUSD","clientOrderId":"desk-1","price":8000.5}"#;
    check(Ask::Amend { market, order: ours(), price: number("8000.50") }, amend);
    let leverage = r#"POST /v1/position/leverage Signed 1 0 {"instrument":"BTCUSD","leverage":0}"#;
    check(Ask::SetLeverage { market, leverage: "0.00".parse().expect("zero") }, leverage);
    let limit = r#"POST /v1/position/riskLimit Signed 1 0 {"instrument":"BTCUSD","riskLimit":150}"#;
    check(Ask::SetRiskLimit { market, limit: "150.0".parse().expect("a limit") }, limit);
    let out = r#"POST /v1/position/margin/transfer Signed 1 0 {"instrument":"BTCUSD","amount":-0.00012}"#;
    check(Ask::MoveMargin { market, amount: "-0.00012000".parse().expect("an amount") }, out);
    let candles = write(&codec::sample(AskKind::Candles, Wallet::Futures, order())).expect("a route");
    assert_eq!((candles.origin, candles.auth), (Origin::Other("site"), Auth::None));
}

#[test]
fn new_orders() {
    let check = |order: NewOrder, expected: &str| {
        let request = write(&Ask::Place(Box::new(order))).expect("a route");
        assert_eq!(line(&request), format!("POST /v1/order Signed 1 1 {expected}"));
    };
    let named = NewOrder { client_order_id: "desk-1".to_owned(), ..order() };
    let post_only = NewOrder { post_only: true, time_in_force: None, reduce_only: true, ..named.clone() };
    check(
        post_only,
        r#"{"instrument":"BTCUSD","clientOrderId":"desk-1","type":"limit","isCloseOrder":true,"side":"long","price":8000,"size":10,"postOnly":true}"#,
    );
    let market = NewOrder {
        order_type: OrderType::Market,
        side: Side::Sell,
        price: None,
        time_in_force: None,
        qty: number("10.000"),
        ..named.clone()
    };
    check(
        market.clone(),
        r#"{"instrument":"BTCUSD","clientOrderId":"desk-1","type":"market","side":"short","size":10}"#,
    );
    // Without a word, an order with a trigger would only close.
    let stop = NewOrder {
        order_type: OrderType::TakeProfitMarket,
        stop_price: Some(number("9000.5")),
        trigger_by: Some(TriggerBy::Mark),
        ..market
    };
    check(
        stop.clone(),
        r#"{"instrument":"BTCUSD","clientOrderId":"desk-1","type":"takeProfitMarket","isCloseOrder":false,"side":"short","size":10,"stopPrice":9000.5,"triggerType":"markPrice"}"#,
    );
    check(
        NewOrder { reduce_only: true, trigger_by: None, ..stop },
        r#"{"instrument":"BTCUSD","clientOrderId":"desk-1","type":"takeProfitMarket","side":"short","size":10,"stopPrice":9000.5}"#,
    );
    assert_eq!(write(&Ask::Place(Box::new(NewOrder { qty: number("1.5"), ..named }))), None);
}

/// A body that named no order would take every order of the instrument off.
#[test]
fn a_cancel_that_names_nothing_is_not_written() {
    for order in ["", "x", "-1", "4.2"].map(|id| OrderRef::Venue(id.to_owned())) {
        assert_eq!(write(&Ask::Cancel { market: MarketId(0), order }), None);
    }
    let nameless = OrderRef::Client(String::new());
    assert_eq!(write(&Ask::Cancel { market: MarketId(0), order: nameless.clone() }), None);
    assert_eq!(write(&Ask::Amend { market: MarketId(0), order: nameless, price: number("1") }), None);
    assert_eq!(write(&Ask::Cancel { market: MarketId(99), order: theirs() }), None);
    let page = Page { after: Some("next".to_owned()), ..Page::default() };
    assert_eq!(write(&Ask::OrderHistory { market: MarketId(0), page }), None);
}

#[test]
fn vectors() {
    let venue = DueDex::new();
    let who = Credentials::new("13f1ab93-771d-4d59-bb6a-fe96f6b609ea", SECRET);
    let market = MarketId(0);
    let check = |ask: Ask, at: i64, window: Option<u64>, signature: &str| {
        let mut request = write(&ask).expect("a route");
        let stamp =
            Stamp { at: UnixNanos::from_millis(at), window: window.map(Duration::from_secs), nonce: 0 };
        venue.sign(place(&catalog()), &mut request, &who, stamp).expect("signable");
        let header = |name: &str| {
            let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(header("Ddx-Signature").as_deref(), Some(signature), "{ask:?}");
        assert_eq!(header("Ddx-Timestamp"), Some(at.to_string()));
        assert_eq!(header("Ddx-Key").as_deref(), Some("13f1ab93-771d-4d59-bb6a-fe96f6b609ea"));
        let expiration = window.map(|s| at + i64::try_from(s).expect("small") * 1000);
        assert_eq!(header("Ddx-Expiration"), expiration.map(|ms| ms.to_string()));
    };
    let at = 1_600_000_000_000;
    // V2, V4 to V8 of the card.
    check(
        Ask::Place(Box::new(order())),
        1_559_211_656_342,
        None,
        "ca3cd5f535f35f17a5bf76e8c88fc3c568db4831decb85cfba52508a40fce5f1",
    );
    check(
        Ask::Order { market, order: theirs() },
        at,
        Some(5),
        "0f0bd7d9572171016f60f9300f3d50ffaf5904b250d7e3986a859bb5e48a514f",
    );
    check(
        Ask::OpenOrders { market: None },
        at,
        None,
        "602ed8379255af8f72d984b82ddf748ee365bb7e4366645f850fd3e4a4a7902b",
    );
    check(
        Ask::Balances { wallet: Wallet::Futures },
        at,
        Some(30),
        "39766e2dd6b9e7add5fb18e740b3f85fe7eb9536b582beb6512f43905fb37da7",
    );
    check(
        Ask::Cancel { market, order: theirs() },
        at,
        Some(30),
        "e1b55ea3753a0e8cbf46ebecf40d706b8103e4be8a6835cc27265432a590a978",
    );
    check(
        Ask::Amend { market, order: theirs(), price: number("8000.5") },
        at,
        Some(30),
        "bc2aa1c0f0c7ca487572a339f4f91393842c1bbd3ad2c76bafa7cf1667b442f6",
    );
}

#[test]
fn a_secret_of_another_form_is_the_operators() {
    let who = Credentials::new("k", "not base64!");
    let stamp = Stamp { at: UnixNanos(0), window: None, nonce: 0 };
    let mut request = write(&Ask::OpenOrders { market: None }).expect("a route");
    let fault = DueDex::new().sign(place(&catalog()), &mut request, &who, stamp).expect_err("no secret");
    assert_eq!(fault.kind, venuekit_venue::FaultKind::Credentials);
    assert!(!fault.text.contains("not base64!"));
}

proptest! {
    /// O2: what was rounded and checked reads from the wire as the very counts that were meant.
    #[test]
    fn the_wire_carries_the_same_numbers(
        price in 1..1_000_000_000_000i64, qty in 1..1_000_000_000i64, digits in 0..=8u8, market in 0..4u32,
    ) {
        let catalog = catalog();
        let venue = DueDex::new();
        let instrument = catalog.get(MarketId(market)).expect("listed");
        let scale = Scale::new(digits).expect("0 to 8");
        let coarse = |mantissa| Fixed { mantissa, scale };
        let price = round_price(coarse(price), instrument, Toward::Up).expect("fits");
        let qty = round_qty(coarse(qty), instrument, Toward::Up).expect("fits");
        let id = "desk-1".to_owned();
        let order = NewOrder { market: MarketId(market), price: Some(price), qty, client_order_id: id, ..order() };
        let rules = venue.specs()[0].orders.as_ref().expect("orders");
        if check(&order, instrument, rules).is_ok() {
            let request = write(&Ask::Place(Box::new(order))).expect("a route");
            let body: venuekit_wire::duedex::PlaceOrder<'_> = venuekit_wire::parse(&request.body).expect("reads");
            let told = body.price.expect("a limit").parse_scaled(instrument.price_scale);
            prop_assert_eq!((told, body.size), (Ok(price.mantissa), Some(qty.mantissa)));
        }
    }
}
