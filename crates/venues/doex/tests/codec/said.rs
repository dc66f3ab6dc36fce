//! What we say, to the byte.

use venuekit_doex::{Doex, FUTURES, SPOT, SignError};
use venuekit_sign::Credentials;
use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, Channel, Interval, MarketId, Say, Topic, Unsigned, Venue};

use crate::Desk;

fn check(desk: &Desk, say: Say<'_>, expected: Option<&str>) {
    let mut out = Vec::new();
    let said = desk.venue.say(desk.place(), say, &mut out);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(said.then_some(text.as_str()), expected, "{say:?}");
}

#[test]
fn subscriptions() {
    let spot = Desk::new(SPOT);
    let btc = spot.market("BTCUSDT");
    let trade = [Topic::of(Channel::Trades, btc)];
    let subscribe = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#;
    check(&spot, Say::Subscribe { id: 1, topics: &trade, pass: None }, Some(subscribe));
    let unsubscribe = r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":2}"#;
    check(&spot, Say::Unsubscribe { id: 2, topics: &trade, pass: None }, Some(unsubscribe));
    let many = [
        Topic::of(Channel::Book, btc),
        Topic::of(Channel::Ticker, spot.market("DOGEUSDT")),
        Topic::of(Channel::Candles(Interval::H4), btc),
    ];
    let subscribe =
        r#"{"method":"SUBSCRIBE","params":["btcusdt@depth","dogeusdt@ticker","btcusdt@kline_4h"],"id":3}"#;
    check(&spot, Say::Subscribe { id: 3, topics: &many, pass: None }, Some(subscribe));
    let futures = Desk::new(FUTURES);
    let btc = futures.market("BTCUSDT");
    let two = [Topic::of(Channel::Mark, btc), Topic::of(Channel::Book, btc)];
    let subscribe =
        r#"{"method":"SUBSCRIBE","params":["futures:btcusdt@mark","futures:btcusdt@depth"],"id":4}"#;
    check(&futures, Say::Subscribe { id: 4, topics: &two, pass: None }, Some(subscribe));
}

#[test]
fn what_is_not_said() {
    let spot = Desk::new(SPOT);
    let btc = spot.market("BTCUSDT");
    for topic in [
        Topic::of(Channel::Mark, btc),
        Topic::of(Channel::Book, MarketId(99)),
        Topic::account(Channel::Book),
        Topic::account(Channel::Orders),
    ] {
        check(
            &spot,
            Say::Subscribe { id: 1, topics: &[Topic::of(Channel::Book, btc), topic], pass: None },
            None,
        );
    }
    let credentials = Credentials::new("key", "secret");
    check(&spot, Say::Subscribe { id: 1, topics: &[], pass: None }, None);
    check(&spot, Say::AskChallenge { credentials: &credentials }, None);
    check(&spot, Say::Login { credentials: &credentials, challenge: None, at: UnixNanos(0) }, None);
    check(&spot, Say::Ping { id: 1 }, None);
    check(&spot, Say::Pong { id: "1" }, None);
}

#[test]
fn requests() {
    let desks = [Desk::new(SPOT), Desk::new(FUTURES)];
    let check = |product: usize, ask: &Ask, expected: Option<(&str, u32)>| {
        let desk = &desks[product];
        let request = desk.venue.ask(desk.place(), ask);
        let found = request.as_ref().map(|request| (request.target.as_str(), request.weight));
        assert_eq!(found, expected, "{ask:?}");
        if let Some(request) = request {
            assert!(request.headers.is_empty() && request.body.is_empty());
            assert_eq!(request.method.as_str(), "GET");
        }
    };
    let market = desks[SPOT].market("ETHUSDT");
    let depth = |levels| Ask::Depth { market, levels };
    check(SPOT, &Ask::Time, Some(("/v1/time", 1)));
    check(FUTURES, &Ask::Instruments, Some(("/v1/instruments", 10)));
    check(SPOT, &depth(5), Some(("/v1/depth?symbol=ETHUSDT&limit=5", 1)));
    check(SPOT, &depth(100), Some(("/v1/depth?symbol=ETHUSDT&limit=100", 1)));
    check(SPOT, &depth(101), Some(("/v1/depth?symbol=ETHUSDT&limit=101", 5)));
    check(FUTURES, &depth(1000), Some(("/v1/futures/depth?symbol=ETHUSDT&limit=1000", 10)));
    check(SPOT, &depth(100_000), Some(("/v1/depth?symbol=ETHUSDT&limit=5000", 50)));
    let trades = |from, limit| Ask::Trades { market, from, limit };
    check(SPOT, &trades(None, 10), Some(("/v1/trades?symbol=ETHUSDT&limit=10", 1)));
    check(
        FUTURES,
        &trades(Some(77), 9999),
        Some(("/v1/futures/trades?symbol=ETHUSDT&limit=500&fromId=77", 1)),
    );
    let candles = Ask::Candles {
        market,
        interval: Interval::M15,
        from: UnixNanos(1_700_000_000_000_000_001),
        to: UnixNanos(1_700_003_600_000_000_000),
    };
    let target =
        "/v1/klines?symbol=ETHUSDT&interval=15m&startTime=1700000000001&endTime=1700003599999&limit=500";
    check(SPOT, &candles, Some((target, 1)));
    check(FUTURES, &Ask::Mark { market }, Some(("/v1/futures/mark?symbol=ETHUSDT", 1)));
    check(SPOT, &Ask::Mark { market }, None);
    check(SPOT, &Ask::Ticker { market }, None);
    check(SPOT, &Ask::Depth { market: MarketId(99), levels: 5 }, None);
}

fn request<'a>(target: &'a str) -> Unsigned<'a> {
    Unsigned { method: "GET", target, body: "", timestamp_ms: 1_700_000_000_000, expiration_ms: None }
}

#[test]
fn signed_requests() {
    let credentials = Credentials::new("the-key", "doex-test-secret");
    let check = |request: Unsigned<'_>, path: &str, canonical: &str, signature: &str| {
        let signed = Doex::default().sign_request(&credentials, &request).expect("signable");
        assert_eq!((signed.canonical.as_str(), signed.signature.as_str()), (canonical, signature));
        assert_eq!(signed.target, format!("{path}?{canonical}&signature={signature}"));
        assert_eq!(signed.headers, [("X-DOEX-APIKEY".to_owned(), "the-key".to_owned())]);
    };
    check(
        request("/v1/account/balances?asset=BTC"),
        "/v1/account/balances",
        "asset=BTC&timestamp=1700000000000",
        "aa6226956cb12101baf049ac4b1cc320795076334d491dfc434d41a2b31ccaca",
    );
    let order = "/v1/orders?symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.00500000&price=27123.45";
    let vector = (
        "price=27123.45&quantity=0.00500000&recvWindow=5000&side=BUY&symbol=BTCUSDT&timestamp=1700000000123&type=LIMIT",
        "33307dc36e4875e4a793fbd133681c217501be05bdc6d9c3b8b421f0804b8641",
    );
    let timestamp_ms = 1_700_000_000_123;
    let expiration_ms = Some(timestamp_ms + 5000);
    check(Unsigned { timestamp_ms, expiration_ms, ..request(order) }, "/v1/orders", vector.0, vector.1);
    // What stands in the query already is neither doubled nor replaced.
    let given = format!("{order}&timestamp=1700000000123&recvWindow=5000");
    let expiration_ms = Some(timestamp_ms + 9);
    check(Unsigned { timestamp_ms, expiration_ms, ..request(&given) }, "/v1/orders", vector.0, vector.1);
    let signed = Doex::default().sign_request(&credentials, &request("/v1/orders/open")).expect("signable");
    assert_eq!(signed.canonical, "timestamp=1700000000000");
}

#[test]
fn what_is_not_signed() {
    let credentials = Credentials::new("k", "s");
    let sign = |request: Unsigned<'_>| Doex::default().sign_request(&credentials, &request).map(drop);
    assert_eq!(sign(Unsigned { body: "{}", ..request("/v1/orders") }), Err(SignError::Body));
    for asked_ms in [0, -1, 60_001] {
        let expiration_ms = Some(1_700_000_000_000 + asked_ms);
        let refusal = SignError::Window { asked_ms, max_ms: 60_000 };
        assert_eq!(sign(Unsigned { expiration_ms, ..request("/v1/orders") }), Err(refusal));
    }
}
