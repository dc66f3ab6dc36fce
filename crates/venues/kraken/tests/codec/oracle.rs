//! Requests held against those of another library, and against the venue's own vectors, signatures included.

use std::collections::BTreeMap;

use crate::common::{catalogs, recordings};
use serde_json::Value;
use venuekit_kraken::{FUTURES, Kraken, SPOT};
use venuekit_sign::Credentials;
use venuekit_types::{Fixed, Side, UnixNanos};
use venuekit_venue::{
    Ask, Auth, Catalog, HttpRequest, Interval, MarketId, NewOrder, OrderRef, OrderType, Page, Place, Stamp,
    TimeInForce, TriggerBy, Venue, Wallet,
};

fn number(text: &str) -> Fixed {
    text.parse().expect(text)
}

fn order(market: MarketId, side: Side, qty: &str, price: &str) -> NewOrder {
    NewOrder {
        market,
        client_order_id: "myid-123".to_owned(),
        side,
        order_type: OrderType::Limit,
        time_in_force: None,
        qty: number(qty),
        price: Some(number(price)),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }
}

struct Desk {
    venue: Kraken,
    catalogs: [Catalog; 2],
}

impl Desk {
    fn new() -> Desk {
        let venue = Kraken::new();
        let catalogs = catalogs(&venue);
        Desk { venue, catalogs }
    }

    fn market(&self, product: usize, name: &str) -> MarketId {
        self.catalogs[product].find(name).expect(name).0
    }

    /// A request as it leaves, stamped with a nonce and without a deadline.
    fn request(&self, product: usize, ask: &Ask, who: &Credentials, nonce: u64) -> HttpRequest {
        let place = Place { product, socket: 0, catalog: &self.catalogs[product] };
        let mut request = self.venue.ask(place, ask).unwrap_or_else(|| panic!("{ask:?}"));
        let stamp = Stamp { at: UnixNanos::from_millis(1_700_000_000_123), window: None, nonce };
        self.venue.sign(place, &mut request, who, stamp).expect("the secret is base64");
        request
    }
}

/// Parameters of a query or a form, decoded no further than to compare.
fn params(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What the other library was asked for, in our words; nothing for what cannot be said so, with the reason.
fn ask_of(desk: &Desk, product: usize, method: &str, description: &str) -> Result<Ask, &'static str> {
    let name = if product == SPOT { "XXBTZUSD" } else { "PF_XBTUSD" };
    let market = desk.market(product, name);
    let price = if product == SPOT { "25000.1" } else { "25000" };
    let limit = order(market, Side::Buy, "0.01", price);
    let placed = |order: NewOrder| Ok(Ask::Place(Box::new(order)));
    match (method, description) {
        ("createOrder", "limit buy" | "limit buy with client order id") => placed(limit),
        ("createOrder", "limit buy post-only") => placed(NewOrder { post_only: true, ..limit }),
        ("createOrder", "rounding to tick and lot") => placed(NewOrder { qty: number("0.1234"), ..limit }),
        ("createOrder", "limit sell IOC") => {
            placed(NewOrder { side: Side::Sell, time_in_force: Some(TimeInForce::Ioc), ..limit })
        }
        ("createOrder", "limit sell reduce-only") => {
            placed(NewOrder { side: Side::Sell, reduce_only: true, ..limit })
        }
        ("createOrder", "stop-limit / trigger order") => {
            Err("it sends `triggerPrice`, which spot has no parameter for; ours is a stop-loss-limit")
        }
        ("cancelAllOrders", _) if product == SPOT => Ok(Ask::CancelAll { market: None }),
        ("cancelAllOrders", _) => Ok(Ask::CancelAll { market: Some(market) }),
        ("fetchMyTrades", _) => {
            let from = Some(UnixNanos::from_millis(1_699_999_000_000));
            Ok(Ask::Fills { market, page: Page { from, ..Page::default() } })
        }
        ("fetchBalance", _) => Ok(Ask::Balances { wallet: Wallet::Spot }),
        ("fetchTicker", _) => Ok(Ask::Ticker { market }),
        ("fetchOHLCV", _) => {
            let (from, to) = (1_699_999_000_000, 1_700_000_000_000);
            // Bars after a second: ours asks for the one that begins at it, theirs for the one before.
            let from = if product == SPOT { 1_699_998_941_000 } else { from };
            let (from, to) = (UnixNanos::from_millis(from), UnixNanos::from_millis(to));
            Ok(Ask::Candles { market, interval: Interval::M1, from, to })
        }
        ("fetchOrder", _) => Err("it reads what the documents say is posted: `orders/status`"),
        ("fetchOpenOrders", _) => Ok(Ask::OpenOrders { market: Some(market) }),
        ("fetchPositions", _) => Ok(Ask::Positions { market: Some(market) }),
        ("fetchTrades", _) => Err("it reads `/api/history/v3`, where ours reads the shorter `history`"),
        ("setLeverage", _) => Ok(Ask::SetLeverage { market, leverage: 10.into() }),
        other => panic!("{other:?} is new"),
    }
}

#[test]
fn requests_are_those_of_another_library() {
    let Some(folder) = recordings() else { return };
    let desk = Desk::new();
    let who = Credentials::new("key", "c2VjcmV0c2VjcmV0");
    let mut said = Vec::new();
    let mut equal = 0;
    for (venue, product) in [("kraken", SPOT), ("kraken-futures", FUTURES)] {
        let path = folder.join(venue).join(format!("ccxt-oracle/request_{venue}.json"));
        let file: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("as recorded")).expect("as recorded");
        // Left out by the file itself; `cl_ord_id` is sent with every order of ours.
        let skipped: Vec<&str> = file["skipKeys"]
            .as_array()
            .expect("as recorded")
            .iter()
            .filter_map(Value::as_str)
            .chain(["cl_ord_id"])
            .collect();
        for (method, cases) in file["methods"].as_object().expect("as recorded") {
            for case in cases.as_array().expect("as recorded") {
                let description = case["description"].as_str().expect("as recorded");
                let at = format!("{venue} {method} {description}");
                let ask = match ask_of(&desk, product, method, description) {
                    Ok(ask) => ask,
                    Err(reason) => {
                        said.push((at, reason));
                        continue;
                    }
                };
                let ours = desk.request(product, &ask, &who, 1_700_000_000_123);
                let url = case["url"].as_str().expect("as recorded");
                let target = url.split_once("kraken.com").expect("as recorded").1;
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let (our_path, our_query) = ours.target.split_once('?').unwrap_or((&ours.target, ""));
                assert_eq!(
                    (ours.method.as_str(), our_path),
                    (case["httpMethod"].as_str().expect("as recorded"), path),
                    "{at}"
                );
                let all = |query: &str, body: &str| {
                    let mut all = params(query);
                    all.extend(params(body));
                    all.retain(|name, _| !skipped.contains(&name.as_str()));
                    all
                };
                let theirs = all(query, case["output"].as_str().unwrap_or_default());
                assert_eq!(
                    all(our_query, std::str::from_utf8(&ours.body).expect("as recorded")),
                    theirs,
                    "{at}"
                );
                assert_eq!(
                    ours.auth == Auth::Signed,
                    !case["headers"].as_object().expect("as recorded").is_empty(),
                    "{at}"
                );
                equal += 1;
            }
        }
    }
    // What cannot be said is exactly this much, and each for its reason.
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(equal, 18);
}

/// The request whose signed text a vector is, where it can be asked for; else why not.
fn vector_ask(desk: &Desk, id: &str) -> Result<(usize, Ask), &'static str> {
    let spot = |name| desk.market(SPOT, name);
    let future = |name| desk.market(FUTURES, name);
    Ok(match id {
        "kraken-spot-addorder" | "kraken-01" => {
            return Err("an order without an id of ours, which none leaves without");
        }
        "kraken-03" => return Err("an order with another that waits for it to fill"),
        "kraken-05" => return Err("open orders with their trades, which are told apart"),
        "kraken-07" => {
            let both = "OBCMZD-JIEE7-77TH3F,OMMDB2-FSB6Z-7W3HPO".to_owned();
            (SPOT, Ask::Order { market: spot("XBTUSD"), order: OrderRef::Venue(both) })
        }
        "kraken-09" => (SPOT, Ask::OpenToken),
        "kraken-futures-01" => return Err("the order of its parameters is another"),
        "kraken-futures-03" => return Err("an order without an id of ours, which none leaves without"),
        "kraken-futures-05" => (FUTURES, Ask::CancelAll { market: Some(future("PI_XBTUSD")) }),
        "kraken-futures-07" => (FUTURES, Ask::OpenOrders { market: None }),
        "kraken-futures-09" => {
            let to = Some(UnixNanos::from_millis(1_595_425_047_077));
            let page = Page { to, ..Page::default() };
            (FUTURES, Ask::Fills { market: future("PI_XBTUSD"), page })
        }
        "kraken-v2-book-checksum" | "kraken-futures-ws-challenge" => return Err("no request"),
        other => panic!("{other} is new"),
    })
}

#[test]
fn what_is_signed_is_what_the_vectors_say() {
    let Some(folder) = recordings() else { return };
    let desk = Desk::new();
    let (mut made, mut said) = (0, 0);
    for venue in ["kraken", "kraken-futures"] {
        let path = folder.join(venue).join("signing/vectors.json");
        let file: Value =
            serde_json::from_str(&std::fs::read_to_string(path).expect("as recorded")).expect("as recorded");
        for vector in file["vectors"].as_array().expect("as recorded") {
            let field = |name: &str| vector[name].as_str().unwrap_or_default();
            let Ok((product, ask)) = vector_ask(&desk, field("id")) else {
                said += 1;
                continue;
            };
            let who = Credentials::new(field("api_key"), field("secret"));
            let nonce = field("nonce").parse().unwrap_or(0);
            let request = desk.request(product, &ask, &who, nonce);
            let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
            let signed = if request.body.is_empty() { query.as_bytes() } else { &request.body };
            assert_eq!(
                std::str::from_utf8(signed).expect("as recorded"),
                field("payload"),
                "{}",
                field("id")
            );
            assert!(path.ends_with(field("path")), "{path} {}", field("path"));
            // The futures vectors have no nonce, ours always has one: their text is compared, not their signature.
            let header =
                |name: &str| request.headers.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
            match product {
                SPOT => assert_eq!(header("API-Sign").as_deref(), Some(field("expected")), "{}", field("id")),
                _ => assert!(header("Authent").is_some() && header("Nonce").is_some()),
            }
            made += 1;
        }
    }
    assert_eq!((made, said), (5, 8));
}

#[test]
fn a_new_order_says_until_when_it_may_be_taken() {
    let desk = Desk::new();
    let who = Credentials::new("key", "c2VjcmV0");
    for (product, name, param) in [(SPOT, "XBTUSD", "deadline"), (FUTURES, "PF_XBTUSD", "processBefore")] {
        let place = Place { product, socket: 0, catalog: &desk.catalogs[product] };
        let stop = NewOrder {
            order_type: OrderType::StopLimit,
            stop_price: Some(number("24100")),
            trigger_by: Some(TriggerBy::Last),
            ..order(desk.market(product, name), Side::Sell, "0.01", "24000")
        };
        let mut request = desk.venue.ask(place, &Ask::Place(Box::new(stop))).expect("a stop");
        let window = Some(core::time::Duration::from_secs(2));
        let stamp = Stamp { at: UnixNanos::from_millis(1_700_000_000_000), window, nonce: 7 };
        desk.venue.sign(place, &mut request, &who, stamp).expect("the secret is base64");
        let body = params(std::str::from_utf8(&request.body).expect("as recorded"));
        assert_eq!(body[param], "2023-11-14T22%3A13%3A22.000Z");
        if product == SPOT {
            let told =
                ["ordertype", "price", "price2", "trigger", "cl_ord_id"].map(|name| body[name].as_str());
            assert_eq!(told, ["stop-loss-limit", "24100", "24000", "last", "myid-123"]);
        } else {
            let told =
                ["orderType", "stopPrice", "limitPrice", "triggerSignal"].map(|name| body[name].as_str());
            assert_eq!(told, ["stp", "24100", "24000", "last"]);
        }
    }
}

/// What the venue has no word for is no request.
#[test]
fn what_cannot_be_said_is_not_sent() {
    let desk = Desk::new();
    let check = |product: usize, ask: Ask| {
        let place = Place { product, socket: 0, catalog: &desk.catalogs[product] };
        assert!(desk.venue.ask(place, &ask).is_none(), "{ask:?}");
    };
    let market = desk.market(SPOT, "XBTUSD");
    let limit = order(market, Side::Buy, "1", "1");
    check(SPOT, Ask::Place(Box::new(NewOrder { trigger_by: Some(TriggerBy::Mark), ..limit })));
    check(SPOT, Ask::CancelAll { market: Some(market) });
    check(SPOT, Ask::Trades { market, from: Some(1), limit: 10 });
    check(FUTURES, Ask::Deposits { page: Page::default() });
    check(FUTURES, Ask::OpenToken);
}
