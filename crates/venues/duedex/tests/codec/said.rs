//! What we say, to the byte, in the spelling of the venue's document.

use venuekit_duedex::{DueDex, sign_request};
use venuekit_sign::Credentials;
use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, Catalog, Channel, Interval, MarketId, Say, Topic, Unsigned, Venue};

use crate::{catalog, place};

const KEY: &str = "13f1ab93-771d-4d59-bb6a-fe96f6b609ea";
const SECRET: &str = "2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=";
const CHALLENGE: &str = "fd14408d-1740-447d-b335-c019f9201b6e";

fn check(say: Say<'_>, expected: Option<&str>) {
    let mut out = Vec::new();
    let said = DueDex::new().say(place(&catalog()), say, &mut out);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(said.then_some(text.as_str()), expected, "{say:?}");
}

fn market(catalog: &Catalog, name: &str) -> MarketId {
    catalog.find(name).expect("listed").0
}

#[test]
fn subscriptions() {
    let catalog = catalog();
    let of = |channel, name| Topic::of(channel, market(&catalog, name));
    let one = [of(Channel::Book, "BTCUSD")];
    check(
        Say::Subscribe { id: 1, topics: &one, pass: None },
        Some(r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD"]}]}"#),
    );
    check(
        Say::Unsubscribe { id: 2, topics: &one, pass: None },
        Some(r#"{"type":"unsubscribe","channels":[{"name":"level2","instruments":["BTCUSD"]}]}"#),
    );
    let many = [
        of(Channel::Trades, "BTCUSD"),
        Topic::account(Channel::Balances),
        of(Channel::Ticker, "LINKUSDT"),
        of(Channel::Trades, "ETHUSDT"),
        Topic::account(Channel::Orders),
        Topic::account(Channel::Positions),
        Topic::account(Channel::Fills),
    ];
    check(
        Say::Subscribe { id: 3, topics: &many, pass: None },
        Some(concat!(
            r#"{"type":"subscribe","channels":[{"name":"matches","instruments":["BTCUSD","ETHUSDT"]},"#,
            r#"{"name":"margins"},{"name":"ticker","instruments":["LINKUSDT"]},"#,
            r#"{"name":"orders"},{"name":"positions"},{"name":"executions"}]}"#
        )),
    );
}

/// The venue would close the connection without a word.
#[test]
fn what_would_be_refused_is_not_said() {
    let btc = market(&catalog(), "BTCUSD");
    for topic in [
        Topic::of(Channel::Mark, btc),
        Topic::of(Channel::Candles(Interval::M1), btc),
        Topic::of(Channel::Book, MarketId(99)),
        Topic::account(Channel::Book),
        Topic::of(Channel::Orders, btc),
    ] {
        check(Say::Subscribe { id: 1, topics: &[Topic::of(Channel::Book, btc), topic], pass: None }, None);
    }
    check(Say::Subscribe { id: 1, topics: &[], pass: None }, None);
    check(Say::Ping { id: 1 }, None);
    check(Say::Pong { id: "1" }, None);
}

#[test]
fn login() {
    check(Say::AskChallenge { credentials: &Credentials::new("key", "") }, Some(r#"{"type":"challenge"}"#));
    let credentials = Credentials::new(KEY, SECRET);
    let say = |credentials, challenge| Say::Login { credentials, challenge, at: UnixNanos(0) };
    check(
        say(&credentials, Some(CHALLENGE)),
        Some(concat!(
            r#"{"type":"auth","key":"13f1ab93-771d-4d59-bb6a-fe96f6b609ea","#,
            r#""answer":"b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710"}"#
        )),
    );
    check(say(&credentials, None), None);
    check(say(&Credentials::new(KEY, "no base64!"), Some(CHALLENGE)), None);
}

#[test]
fn signed_requests() {
    let credentials = Credentials::new(KEY, SECRET);
    let check = |request: Unsigned<'_>, canonical: &str, signature: &str| {
        let signed = sign_request(&credentials, &request).expect("base64");
        assert_eq!((signed.canonical.as_str(), signed.signature.as_str()), (canonical, signature));
        assert_eq!(signed.target, request.target);
        let header = |name: &str| {
            signed.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(header("Ddx-Key"), Some(KEY));
        assert_eq!(header("Ddx-Signature"), Some(signature));
        assert_eq!(header("Ddx-Timestamp"), Some("1600000000000"));
        let expiration = request.expiration_ms.map(|ms| ms.to_string());
        assert_eq!(header("Ddx-Expiration"), expiration.as_deref());
    };
    let request = Unsigned {
        method: "get",
        target: "/v1/order?instrument=BTCUSD&orderId=42",
        body: "",
        timestamp_ms: 1_600_000_000_000,
        expiration_ms: Some(1_600_000_005_000),
    };
    check(
        request,
        "GET|/v1/order|1600000000000|1600000005000|instrument=BTCUSD&orderId=42|",
        "0f0bd7d9572171016f60f9300f3d50ffaf5904b250d7e3986a859bb5e48a514f",
    );
    check(
        Unsigned { target: "/v1/order/active", expiration_ms: None, ..request },
        "GET|/v1/order/active|1600000000000|||",
        "602ed8379255af8f72d984b82ddf748ee365bb7e4366645f850fd3e4a4a7902b",
    );
    let body = r#"{"instrument":"BTCUSD","orderId":42}"#;
    let expiration_ms = Some(1_600_000_030_000);
    check(
        Unsigned { method: "DELETE", target: "/v1/order", body, expiration_ms, ..request },
        r#"DELETE|/v1/order|1600000000000|1600000030000||{"instrument":"BTCUSD","orderId":42}"#,
        "e1b55ea3753a0e8cbf46ebecf40d706b8103e4be8a6835cc27265432a590a978",
    );
}

#[test]
fn requests() {
    let catalog = catalog();
    let target = |ask: Ask| {
        let request = DueDex::new().ask(place(&catalog), &ask)?;
        assert!(request.headers.is_empty() && request.body.is_empty() && request.weight > 0);
        Some(format!("{} {}", request.method.as_str(), request.target))
    };
    let market = market(&catalog, "ETHUSDT");
    let candles = |interval, market| Ask::Candles {
        market,
        interval,
        from: UnixNanos(1_599_732_000_000_000_001),
        to: UnixNanos(1_599_735_600_000_000_000),
    };
    assert_eq!(target(Ask::Instruments).as_deref(), Some("GET /v1/instrument"));
    assert_eq!(target(Ask::Ticker { market }).as_deref(), Some("GET /v1/ticker/ETHUSDT"));
    assert_eq!(
        target(candles(Interval::H1, market)).as_deref(),
        Some("GET /bars/v1/tradingView/history?symbol=ETHUSDT&resolution=60&from=1599732001&to=1599735599")
    );
    for ask in [
        Ask::Time,
        Ask::Depth { market, levels: 10 },
        Ask::Trades { market, from: None, limit: 10 },
        Ask::Mark { market },
        Ask::Ticker { market: MarketId(99) },
        candles(Interval::M5, market),
        candles(Interval::H1, MarketId(99)),
    ] {
        assert_eq!(target(ask), None);
    }
}
