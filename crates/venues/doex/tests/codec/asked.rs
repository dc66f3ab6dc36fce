//! Requests about an account, as they leave.

use core::time::Duration;

use proptest::prelude::*;
use venuekit_doex::{FUTURES, SPOT};
use venuekit_sign::{Credentials, doex::verify};
use venuekit_testkit::codec;
use venuekit_types::{Fixed, Scale, Side, UnixNanos};
use venuekit_venue::grid::{Toward, check, round_price, round_qty};
use venuekit_venue::{
    Ask, AskKind, Auth, HttpRequest, MarketId, NewOrder, OrderRef, OrderType, Page, Stamp, TimeInForce,
    Token, TriggerBy, Venue, Wallet,
};

use crate::Desk;

fn number(text: &str) -> Fixed {
    text.parse().expect("a number")
}

fn order(market: MarketId) -> NewOrder {
    NewOrder {
        market,
        client_order_id: "desk-1".to_owned(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: Some(TimeInForce::Gtc),
        qty: number("0.5"),
        price: Some(number("27123.40")),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }
}

#[test]
fn what_can_be_asked_is_what_is_written() {
    for product in [SPOT, FUTURES] {
        let desk = Desk::new(product);
        codec::assert_asks_are_written(&desk.venue, product, &desk.catalog, &order(MarketId(0)));
    }
}

fn line(request: &HttpRequest) -> String {
    assert!(request.headers.is_empty() && request.body.is_empty());
    let HttpRequest { method, target, auth, weight, orders, .. } = request;
    format!("{} {target} {auth:?} {weight} {orders}", method.as_str())
}

#[test]
fn every_private_route_of_the_card() {
    let desks = [Desk::new(SPOT), Desk::new(FUTURES)];
    let check = |product: usize, ask: Ask, expected: &str| {
        let desk = &desks[product];
        let request = desk.venue.ask(desk.place(), &ask).expect("a route");
        assert_eq!(line(&request), expected, "{ask:?}");
    };
    let market = desks[SPOT].market("ETHUSDT");
    let page = || Page {
        from: Some(UnixNanos(1_700_000_000_000_000_001)),
        to: Some(UnixNanos(1_700_000_060_000_000_000)),
        after: Some("41".to_owned()),
        limit: Some(9999),
    };
    let span = "startTime=1700000000001&endTime=1700000059999&fromId=42&limit=500";
    check(SPOT, Ask::Permissions, "GET /v1/account/permissions Signed 1 0");
    check(SPOT, Ask::Fees, "GET /v1/account/fees Signed 5 0");
    check(SPOT, Ask::Balances { wallet: Wallet::Spot }, "GET /v1/account/balances Signed 5 0");
    check(SPOT, Ask::Balances { wallet: Wallet::Margin }, "GET /v1/margin/account Signed 5 0");
    check(FUTURES, Ask::Balances { wallet: Wallet::Futures }, "GET /v1/futures/balances Signed 5 0");
    check(FUTURES, Ask::Positions { market: None }, "GET /v1/futures/positions Signed 5 0");
    check(SPOT, Ask::OpenOrders { market: None }, "GET /v1/orders/open Signed 3 0");
    let open = "GET /v1/futures/orders/open?symbol=ETHUSDT Signed 3 0";
    check(FUTURES, Ask::OpenOrders { market: Some(market) }, open);
    let history = format!("GET /v1/orders/history?symbol=ETHUSDT&{span} Signed 10 0");
    check(SPOT, Ask::OrderHistory { market, page: page() }, &history);
    let fills = format!("GET /v1/futures/fills?symbol=ETHUSDT&{span} Signed 5 0");
    check(FUTURES, Ask::Fills { market, page: page() }, &fills);
    check(
        SPOT,
        Ask::Fills { market, page: Page::default() },
        "GET /v1/fills?symbol=ETHUSDT&limit=500 Signed 5 0",
    );
    check(SPOT, Ask::Deposits { page: page() }, &format!("GET /v1/wallet/deposits?{span} Signed 5 0"));
    check(SPOT, Ask::Withdrawals { page: page() }, &format!("GET /v1/wallet/withdrawals?{span} Signed 5 0"));
    check(SPOT, Ask::Transfers { page: page() }, &format!("GET /v1/wallet/transfers?{span} Signed 5 0"));
    check(FUTURES, Ask::CopyPositions, "GET /v1/copy/positions Signed 5 0");
    check(FUTURES, Ask::CopyTrades { page: page() }, &format!("GET /v1/copy/trades?{span} Signed 5 0"));
    let (ours, theirs) = (OrderRef::Client("a&b c".to_owned()), OrderRef::Venue("88001".to_owned()));
    let by_id = "GET /v1/orders?symbol=ETHUSDT&orderId=88001 Signed 2 0";
    check(SPOT, Ask::Order { market, order: theirs.clone() }, by_id);
    let by_name = "GET /v1/futures/orders?symbol=ETHUSDT&clientOrderId=a%26b%20c Signed 2 0";
    check(FUTURES, Ask::Order { market, order: ours }, by_name);
    // A change weighs one, though reading the same path weighs two.
    let off = "DELETE /v1/orders?symbol=ETHUSDT&orderId=88001 Signed 1 0";
    check(SPOT, Ask::Cancel { market, order: theirs }, off);
    check(SPOT, Ask::CancelAll { market: None }, "DELETE /v1/orders/all Signed 1 0");
    let all = "DELETE /v1/futures/orders/all?symbol=ETHUSDT Signed 1 0";
    check(FUTURES, Ask::CancelAll { market: Some(market) }, all);
    let token = || Token("key/1".to_owned());
    check(SPOT, Ask::OpenToken, "POST /v1/user-stream Key 1 0");
    check(SPOT, Ask::RenewToken { token: token() }, "PUT /v1/user-stream?listenKey=key%2F1 Key 1 0");
    check(FUTURES, Ask::DropToken { token: token() }, "DELETE /v1/user-stream?listenKey=key%2F1 Key 1 0");
    let countdown = |within| Ask::Countdown { market: None, within };
    check(SPOT, countdown(None), "POST /v1/orders/countdown?countdownMs=0 Signed 1 0");
    let armed = "POST /v1/futures/orders/countdown?countdownMs=10000 Signed 1 0";
    check(FUTURES, countdown(Some(Duration::from_secs(10))), armed);
    // A part of a millisecond is no zero, which would turn the switch off.
    let soon = "POST /v1/orders/countdown?countdownMs=1 Signed 1 0";
    check(SPOT, countdown(Some(Duration::from_nanos(1))), soon);
}

#[test]
fn new_orders() {
    let desks = [Desk::new(SPOT), Desk::new(FUTURES)];
    let market = desks[SPOT].market("ETHUSDT");
    let place = |product: usize, order: NewOrder| {
        desks[product]
            .venue
            .ask(desks[product].place(), &Ask::Place(Box::new(order)))
            .map(|request| line(&request))
    };
    let check = |product, order, expected: &str| assert_eq!(place(product, order).as_deref(), Some(expected));
    check(
        SPOT,
        order(market),
        "POST /v1/orders?symbol=ETHUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.5&price=27123.4&clientOrderId=desk-1 Signed 1 1",
    );
    let market_order = NewOrder {
        order_type: OrderType::Market,
        side: Side::Sell,
        time_in_force: None,
        price: None,
        client_order_id: String::new(),
        ..order(market)
    };
    check(
        SPOT,
        market_order.clone(),
        "POST /v1/orders?symbol=ETHUSDT&side=SELL&type=MARKET&quantity=0.5 Signed 1 1",
    );
    let stop = NewOrder {
        order_type: OrderType::StopLimit,
        stop_price: Some(number("26000")),
        post_only: true,
        reduce_only: true,
        ..order(market)
    };
    check(
        FUTURES,
        stop,
        "POST /v1/futures/orders?symbol=ETHUSDT&side=BUY&type=STOP_LIMIT&timeInForce=GTC&quantity=0.5&price=27123.4&stopPrice=26000&postOnly=true&reduceOnly=true&clientOrderId=desk-1 Signed 1 1",
    );
    // What the venue has no word for is not said by half.
    assert_eq!(
        place(SPOT, NewOrder { order_type: OrderType::TakeProfitMarket, ..market_order.clone() }),
        None
    );
    assert_eq!(place(SPOT, NewOrder { trigger_by: Some(TriggerBy::Mark), ..market_order }), None);
    assert_eq!(place(SPOT, order(MarketId(99))), None);
}

#[test]
fn pages_that_are_none() {
    let desk = Desk::new(SPOT);
    for after in ["", "x", "-1", "18446744073709551615"] {
        let page = Page { after: Some(after.to_owned()), ..Page::default() };
        assert_eq!(desk.venue.ask(desk.place(), &Ask::Deposits { page }), None, "{after}");
    }
}

#[test]
fn proofs() {
    let desk = Desk::new(SPOT);
    let who = Credentials::new("the-key", "doex-test-secret");
    let stamp = Stamp {
        at: UnixNanos::from_millis(1_700_000_000_123),
        window: Some(Duration::from_secs(5)),
        nonce: 0,
    };
    let key = ("X-DOEX-APIKEY".into(), "the-key".to_owned());
    for kind in AskKind::ALL {
        let ask = codec::sample(kind, Wallet::Spot, order(MarketId(0)));
        let Some(request) = desk.venue.ask(desk.place(), &ask) else { continue };
        let mut signed = request.clone();
        desk.venue.sign(desk.place(), &mut signed, &who, stamp).expect("signable");
        match request.auth {
            Auth::None => assert_eq!(signed, request),
            Auth::Key => {
                assert_eq!((&signed.target, &signed.headers[..]), (&request.target, &[key.clone()][..]));
            }
            Auth::Signed => {
                assert_eq!(signed.headers, std::slice::from_ref(&key));
                let (path, query) = signed.target.split_once('?').expect("a query");
                assert_eq!(path, request.target.split('?').next().expect("a path"));
                assert!(query.contains("timestamp=1700000000123") && query.contains("recvWindow=5000"));
                assert!(verify(&who.secret, query), "{query}");
            }
        }
    }
}

/// What a query says under a name.
fn told<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

proptest! {
    /// O2: what was rounded and checked reads from the wire as the very counts that were meant.
    #[test]
    fn the_wire_carries_the_same_numbers(
        price in 1..10_000_000_000i64, qty in 1_000_000..10_000_000_000i64, digits in 0..=8u8, product in 0..2usize,
    ) {
        let desk = Desk::new(product);
        let spec = &desk.venue.specs()[product];
        let instrument = desk.catalog.get(MarketId(0)).expect("listed");
        let scale = Scale::new(digits).expect("0 to 8");
        let coarse = |mantissa| Fixed { mantissa, scale };
        let price = round_price(coarse(price), instrument, Toward::Up).expect("fits");
        let qty = round_qty(coarse(qty), instrument, Toward::Up).expect("fits");
        let order = NewOrder { price: Some(price), qty, ..order(MarketId(0)) };
        let rules = spec.orders.as_ref().expect("orders");
        if check(&order, instrument, rules).is_ok() {
            let request = desk.venue.ask(desk.place(), &Ask::Place(Box::new(order))).expect("a route");
            let read = |name| number(told(&request.target, name).expect("there"));
            prop_assert_eq!(venuekit_types::parse_scaled(read("price").to_string().as_bytes(), instrument.price_scale), Ok(price.mantissa));
            prop_assert_eq!(venuekit_types::parse_scaled(read("quantity").to_string().as_bytes(), instrument.qty_scale), Ok(qty.mantissa));
        }
    }
}
