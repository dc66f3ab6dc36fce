//! Requests as another library makes them, and signatures as the venue and that library have them.

#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::collections::BTreeMap;

use common::{json, recordings};
use serde_json::Value;
use venuekit_binance::{ALGO, Binance, ISOLATED, SPOT, USDM, sign_request};
use venuekit_sign::Credentials;
use venuekit_types::{Scale, Side, UnixNanos};
use venuekit_venue::{
    Ask, AskKind, Catalog, HttpRequest, Interval, MarketId, NewOrder, OrderRef, OrderType, Page, Place,
    Stamp, TimeInForce, Unsigned, Venue, Wallet,
};

/// The clock of the other library.
const NOW: UnixNanos = UnixNanos(1_700_000_000_123_000_000);
const MARKET: MarketId = MarketId(0);

fn catalog(product: usize) -> Catalog {
    let mut catalog = Catalog::new();
    let place = Place { product, socket: 0, catalog: &Catalog::new() };
    let mut terms = Binance::new().terms_of(place, "BTCUSDT").expect("a name that tells");
    (terms.price_scale, terms.qty_scale) = (Scale::new(8).expect("8"), Scale::new(8).expect("8"));
    catalog.put(terms);
    catalog
}

/// Parameters of a request, wherever they travel, without those that are of the moment.
fn params<'a>(url: &'a str, body: &'a str, skipped: &[String]) -> BTreeMap<&'a str, &'a str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').chain(body.split('&')).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| !skipped.iter().any(|skip| skip == name)).collect()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(ToOwned::to_owned)).collect()
}

/// What the other library's caller asked for, in our words; nothing where it has no form here.
fn ask_of(method: &str, case: &Value) -> Option<Ask> {
    let input = &case["input"];
    let text = |at: usize| input[at].as_str().unwrap_or_default();
    let page = || Page {
        from: input[1].as_i64().map(UnixNanos::from_millis),
        limit: input[2].as_u64().map(|limit| u32::try_from(limit).expect("a limit")),
        ..Page::default()
    };
    let named = || OrderRef::Venue(text(0).to_owned());
    Some(match method {
        "createOrder" => Ask::Place(Box::new(order_of(case)?)),
        "cancelOrder" => Ask::Cancel { market: MARKET, order: named() },
        "cancelAllOrders" => Ask::CancelAll { market: Some(MARKET) },
        "fetchOpenOrders" => Ask::OpenOrders { market: Some(MARKET) },
        "fetchMyTrades" => Ask::Fills { market: MARKET, page: page() },
        "fetchOrder" => Ask::Order { market: MARKET, order: named() },
        "fetchTicker" => Ask::Ticker { market: MARKET },
        "fetchOrderBook" => Ask::Depth { market: MARKET, levels: 50 },
        "fetchFundingRate" => Ask::Mark { market: MARKET },
        "fetchOHLCV" => {
            let from = UnixNanos::from_millis(input[2].as_i64().expect("since"));
            Ask::Candles { market: MARKET, interval: Interval::M1, from, to: NOW }
        }
        "fetchPositions" => Ask::Positions { market: None },
        method => panic!("{method} is new"),
    })
}

/// An order as its caller gave it, rounded to the grid as the other library did: that is the caller's part here.
fn order_of(case: &Value) -> Option<NewOrder> {
    let body = case["output"].as_str().expect("a body");
    let sent = params("", body, &[]);
    let number = |name: &str| sent.get(name).map(|text| text.parse().expect("a number"));
    let options = &case["input"][5];
    let trigger = options.get("triggerPrice").is_some();
    let limit = case["input"][1] == "limit";
    Some(NewOrder {
        market: MARKET,
        client_order_id: (*sent.get("newClientOrderId").or(sent.get("clientAlgoId"))?).to_owned(),
        side: if case["input"][2] == "buy" { Side::Buy } else { Side::Sell },
        order_type: match (limit, trigger) {
            (true, true) => OrderType::StopLimit,
            (true, false) => OrderType::Limit,
            (false, true) => OrderType::StopMarket,
            (false, false) => OrderType::Market,
        },
        time_in_force: options["timeInForce"].as_str().and_then(TimeInForce::from_word),
        qty: number("quantity")?,
        price: number("price"),
        stop_price: number("stopPrice").or_else(|| number("triggerPrice")),
        trigger_by: None,
        post_only: false,
        reduce_only: options["reduceOnly"] == true,
    })
}

fn made(product: usize, ask: &Ask, who: &Credentials) -> Option<HttpRequest> {
    let (venue, catalog) = (Binance::new(), catalog(product));
    let place = Place { product, socket: 0, catalog: &catalog };
    let mut request = venue.ask(place, ask)?;
    let stamp = Stamp { at: NOW, window: Some(core::time::Duration::from_secs(10)), nonce: 0 };
    venue.sign(place, &mut request, who, stamp).expect("an HMAC secret signs");
    Some(request)
}

/// Cases that the README lists as having no form here, by product, method and description.
const WITHOUT_FORM: [(usize, &str, &str); 2] =
    [(USDM, "fetchOHLCV", "klines 1m since, limit"), (USDM, "fetchPositions", "positions")];

#[test]
fn another_librarys_requests_come_out() {
    let Some(folder) = recordings() else { return };
    let files =
        [(SPOT, "binance", "request_binance.json"), (USDM, "binance-usdm", "request_binance-usdm.json")];
    let (mut same, mut without) = (0, 0);
    for (product, name, file) in files {
        let oracle = json(&folder.join(name).join("ccxt-oracle").join(file));
        let skipped = words(&oracle["skipKeys"]);
        let keys = &oracle["credentials"];
        let field = |name: &str| keys[name].as_str().expect("a key").to_owned();
        let who = Credentials::new(field("apiKey"), field("secret"));
        let origin = Binance::new().specs()[product].hosts[0].rest.clone();
        for (method, cases) in oracle["methods"].as_object().expect("methods") {
            for case in cases.as_array().expect("cases") {
                let description = case["description"].as_str().unwrap_or_default();
                let url = case["url"].as_str().expect("a URL");
                let body = case["output"].as_str().unwrap_or_default();
                let of = format!("{name} {method}: {description}");
                // Orders with a trigger are another product's there.
                let made_by = if url.ends_with("/algoOrder") { ALGO } else { product };
                let request = ask_of(method, case).and_then(|ask| made(made_by, &ask, &who));
                let is_same = request.as_ref().is_some_and(|request| {
                    let ours = format!("{origin}{}", request.target);
                    let form = core::str::from_utf8(&request.body).expect("a form is text");
                    request.method.as_str() == case["httpMethod"]
                        && ours.split('?').next() == url.split('?').next()
                        && params(&ours, form, &skipped) == params(url, body, &skipped)
                        && form.is_empty() == body.is_empty()
                });
                if WITHOUT_FORM.contains(&(product, method, description)) {
                    assert!(!is_same, "{of}: it has a form after all");
                    without += 1;
                    continue;
                }
                let request = request.unwrap_or_else(|| panic!("{of}: no request"));
                let text = String::from_utf8_lossy(&request.body).into_owned();
                assert!(is_same, "{of}:\n{} {text}\n{url} {body}", request.target);
                same += 1;
                if case["headers"].get("X-MBX-APIKEY").is_some() {
                    let key = request.headers.iter().find(|(name, _)| name == "X-MBX-APIKEY");
                    assert_eq!(key.map(|(_, key)| key.as_str()), Some(who.key.as_str()), "{of}");
                    resigned(&who, url, body, &of);
                }
            }
        }
    }
    assert_eq!((same, without), (19, WITHOUT_FORM.len()));
}

/// The same text gives the same signature.
fn resigned(who: &Credentials, url: &str, body: &str, of: &str) {
    let signed = if body.is_empty() { url } else { body };
    let (text, signature) = signed.rsplit_once("&signature=").expect("a signature");
    let path = url.split('?').next().unwrap_or_default();
    let (target, form) = match body {
        "" => (text, ""),
        _ => (path, text),
    };
    let request = Unsigned { method: "POST", target, body: form, timestamp_ms: 0, expiration_ms: None };
    let ours = sign_request(who, &request).expect("an HMAC secret signs");
    assert_eq!(ours.signature, signature, "{of}");
    assert_eq!(
        (ours.target.as_str(), ours.body.as_str()),
        if body.is_empty() { (url, "") } else { (path, body) }
    );
}

#[test]
fn recorded_requests_are_signed_alike() {
    let Some(folder) = recordings() else { return };
    let mut count = 0;
    for name in ["binance", "binance-usdm"] {
        let vectors = json(&folder.join(name).join("signing/vectors.json"));
        for vector in vectors["vectors"].as_array().expect("vectors") {
            let Some(url) = vector["url"].as_str() else { continue };
            let field = |name: &str| vector[name].as_str().unwrap_or_else(|| panic!("no {name}"));
            let who = Credentials::new(field("api_key"), field("secret"));
            resigned(&who, url, vector["body"].as_str().unwrap_or_default(), field("id"));
            count += 1;
        }
    }
    assert!(count >= 9, "{count} vectors");
}

#[test]
fn a_spec_asks_for_what_it_offers_and_for_nothing_else() {
    let venue = Binance::new();
    for (product, spec) in venue.specs().iter().enumerate() {
        let catalog = catalog(product);
        let place = Place { product, socket: 0, catalog: &catalog };
        for kind in AskKind::ALL.into_iter().filter(|kind| *kind != AskKind::Balances) {
            let sample = sample(kind).map(|ask| match ask {
                // Its wallets are asked one by one.
                Ask::OpenOrders { .. } if product == ISOLATED => Ask::OpenOrders { market: Some(MARKET) },
                Ask::Place(order) if product == ALGO => Ask::Place(Box::new(NewOrder {
                    order_type: OrderType::StopMarket,
                    stop_price: Some("1".parse().expect("a number")),
                    price: None,
                    post_only: false,
                    ..*order
                })),
                ask => ask,
            });
            let made = sample.is_some_and(|ask| venue.ask(place, &ask).is_some());
            assert_eq!(made, spec.can(kind), "{} {kind:?}", spec.product);
        }
        for wallet in Wallet::ALL {
            let made = venue.ask(place, &Ask::Balances { wallet }).is_some();
            assert_eq!(made, spec.wallets.contains(&wallet), "{} {wallet:?}", spec.product);
        }
    }
}

/// One of each kind that any product here could have.
fn sample(kind: AskKind) -> Option<Ask> {
    let (market, page, order) = (MARKET, Page::default(), OrderRef::Client("x".to_owned()));
    let number = |text: &str| text.parse().expect("a number");
    let token = venuekit_venue::Token("x".to_owned());
    Some(match kind {
        AskKind::Instruments => Ask::Instruments,
        AskKind::Time => Ask::Time,
        AskKind::Depth => Ask::Depth { market, levels: 100 },
        AskKind::Trades => Ask::Trades { market, from: None, limit: 1 },
        AskKind::Candles => {
            Ask::Candles { market, interval: Interval::H1, from: UnixNanos(0), to: UnixNanos(1) }
        }
        AskKind::Ticker => Ask::Ticker { market },
        AskKind::Mark => Ask::Mark { market },
        AskKind::Permissions => Ask::Permissions,
        AskKind::Fees => Ask::Fees,
        AskKind::Positions => Ask::Positions { market: None },
        AskKind::OpenOrders => Ask::OpenOrders { market: None },
        AskKind::Order => Ask::Order { market, order },
        AskKind::OrderHistory => Ask::OrderHistory { market, page },
        AskKind::Fills => Ask::Fills { market, page },
        AskKind::Deposits => Ask::Deposits { page },
        AskKind::Withdrawals => Ask::Withdrawals { page },
        AskKind::Transfers => Ask::Transfers { page },
        AskKind::CopyPositions => Ask::CopyPositions,
        AskKind::CopyTrades => Ask::CopyTrades { page },
        AskKind::OpenToken => Ask::OpenToken,
        AskKind::RenewToken => Ask::RenewToken { token },
        AskKind::DropToken => Ask::DropToken { token },
        AskKind::Place => Ask::Place(Box::new(NewOrder {
            market,
            client_order_id: "x".to_owned(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: None,
            qty: number("1"),
            price: Some(number("1")),
            stop_price: None,
            trigger_by: None,
            post_only: true,
            reduce_only: false,
        })),
        AskKind::Cancel => Ask::Cancel { market, order },
        AskKind::CancelAll => Ask::CancelAll { market: Some(market) },
        AskKind::Countdown => Ask::Countdown { market: Some(market), within: None },
        _ => return None,
    })
}

/// What is signed is what travels: time and window at the end of it, the signature last and fit for a URL.
#[test]
fn a_request_travels_as_it_was_signed() {
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----";
    let cancel = Ask::Cancel { market: MARKET, order: OrderRef::Client("mine".to_owned()) };
    for secret in ["secret", PEM] {
        let who = Credentials::new("key", secret);
        let request = made(SPOT, &cancel, &who).expect("a request");
        let text = "symbol=BTCUSDT&origClientOrderId=mine&recvWindow=10000&timestamp=1700000000123";
        let signature = venuekit_sign::binance::sign(&who.secret, text.as_bytes()).expect("it signs");
        let escaped = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        assert_eq!(request.target, format!("/api/v3/order?{text}&signature={escaped}"));
        assert!(request.body.is_empty());
        // A query and a form are signed as one text.
        let unsigned = Unsigned {
            method: "POST",
            target: "/api/v3/order?symbol=LTCBTC",
            body: "side=BUY",
            timestamp_ms: 5,
            expiration_ms: Some(90_005),
        };
        let signed = sign_request(&who, &unsigned).expect("it signs");
        assert_eq!(signed.canonical, "symbol=LTCBTCside=BUY&recvWindow=60000&timestamp=5");
        assert_eq!(signed.target, unsigned.target);
        assert!(signed.body.starts_with("side=BUY&recvWindow=60000&timestamp=5&signature="));
    }
    // A listen key is asked for with the key alone.
    let request = made(USDM, &Ask::OpenToken, &Credentials::new("key", "secret")).expect("a request");
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/fapi/v1/listenKey"));
    assert_eq!(request.headers, [("X-MBX-APIKEY".into(), "key".to_owned())]);
}

/// A page after the first is named by its id alone; a page by its number counts the rows before it.
#[test]
fn histories_are_paged_as_their_routes_want() {
    let target = |product: usize, ask: Ask| {
        Binance::new()
            .ask(Place { product, socket: 0, catalog: &catalog(product) }, &ask)
            .expect("a request")
            .target
    };
    let page = |after: Option<&str>| Page {
        from: Some(UnixNanos(1_000_000)),
        to: Some(UnixNanos(9_500_000)),
        after: after.map(ToOwned::to_owned),
        limit: Some(50),
    };
    let fills = |after| target(SPOT, Ask::Fills { market: MARKET, page: page(after) });
    // Our end does not count in, the venue's does.
    assert_eq!(fills(None), "/api/v3/myTrades?symbol=BTCUSDT&startTime=1&endTime=9&limit=50");
    assert_eq!(fills(Some("28457")), "/api/v3/myTrades?symbol=BTCUSDT&fromId=28458&limit=50");
    let orders = target(USDM, Ask::OrderHistory { market: MARKET, page: page(Some("7")) });
    assert_eq!(orders, "/fapi/v1/allOrders?symbol=BTCUSDT&orderId=8&limit=50");
    let deposits = target(SPOT, Ask::Deposits { page: page(Some("100")) });
    assert_eq!(deposits, "/sapi/v1/capital/deposit/hisrec?startTime=1&endTime=9&offset=100&limit=50");
    let transfers = target(USDM, Ask::Transfers { page: page(Some("100")) });
    assert_eq!(transfers, "/fapi/v1/income?incomeType=TRANSFER&startTime=1&endTime=9&page=3&limit=50");
    let margin = target(SPOT, Ask::Transfers { page: page(None) });
    assert_eq!(margin, "/sapi/v1/margin/transfer?startTime=1&endTime=9&current=1&size=50");
}

/// What a request weighs is what the venue counts.
#[test]
fn requests_weigh_what_the_venue_counts() {
    let check = |product: usize, ask: Ask, weight: u32, orders: u32| {
        let catalog = catalog(product);
        let request =
            Binance::new().ask(Place { product, socket: 0, catalog: &catalog }, &ask).expect("a request");
        assert_eq!((request.weight, request.orders), (weight, orders), "{ask:?}");
    };
    for (levels, spot, usdm) in [(50, 5, 2), (100, 5, 5), (500, 25, 10), (1000, 50, 20)] {
        check(SPOT, Ask::Depth { market: MARKET, levels }, spot, 0);
        check(USDM, Ask::Depth { market: MARKET, levels }, usdm, 0);
    }
    check(SPOT, Ask::OpenOrders { market: None }, 80, 0);
    check(SPOT, Ask::OpenOrders { market: Some(MARKET) }, 6, 0);
    check(USDM, Ask::OpenOrders { market: None }, 40, 0);
    check(USDM, sample(AskKind::Place).expect("an order"), 0, 1);
    check(SPOT, sample(AskKind::Place).expect("an order"), 1, 1);
    check(USDM, Ask::Transfers { page: Page::default() }, 30, 0);
}
