//! Every message that others have kept of this venue decodes, or the README says why it does not have to.

#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{found, json, lines, recordings};
use serde_json::Value;
use venuekit_binance::{ALGO, Binance, MARGIN, SPOT, USDM};
use venuekit_types::{Fixed, Scale, Side, UnixNanos};
use venuekit_venue::{
    Ask, AskKind, Broken, BrokenWhy, Catalog, Event, EventBuf, HttpReply, Interval, MarketId, NewOrder,
    OrderRef, OrderType, Page, Place, Token, Venue, Wallet,
};

/// A message as somebody kept it.
struct Sample {
    from: String,
    what: What,
}

enum What {
    /// A frame of a stream, or of the WebSocket API.
    Frame(String),
    /// An answer to a request.
    Answer { method: String, path: String, status: u16, body: String },
}

/// Why an answer to what is never asked does not read.
const NO_ROUTE: &str = "no such route is asked";

impl Sample {
    /// How the README may name it: as one that a collection has, or by its path where nobody here goes to it. A frame
    /// that is understood and does not read, and an answer of a route that is asked, are excused one by one.
    fn names(&self, name: &str, why: &str) -> Vec<String> {
        let mut names = vec![format!("{}: {name}", self.from.split('/').nth(1).unwrap_or_default())];
        let path = name.split_once(' ').map_or(name, |(_, path)| path);
        let followed =
            ["trade", "aggTrade", "depthUpdate", "kline", "24hrTicker", "bookTicker", "markPriceUpdate"];
        let is_frame = matches!(self.what, What::Frame(_));
        if (is_frame && !followed.contains(&name)) || why == NO_ROUTE {
            names.push(if is_frame { name.to_owned() } else { path.to_owned() });
        }
        names
    }
}

/// What the README declares to be out of scope: routes, and words of events.
fn out_of_scope() -> BTreeSet<&'static str> {
    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("## Out of scope").expect("the section");
    section.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_message_decodes_or_is_out_of_scope() {
    let Some(folder) = recordings() else { return };
    let samples = samples(&folder);
    assert!(samples.len() > 250, "{} messages", samples.len());
    let out_of_scope = out_of_scope();
    let (mut used, mut undeclared, mut decoded) = (BTreeSet::new(), Vec::new(), 0);
    for sample in &samples {
        match read(sample) {
            Ok(()) => decoded += 1,
            Err((name, why)) => {
                let names = sample.names(&name, &why);
                let is_of = |scope: &&&str| match scope.strip_suffix('*') {
                    Some(start) => names.iter().any(|name| name.starts_with(start)),
                    None => names.iter().any(|name| name == **scope),
                };
                match out_of_scope.iter().find(is_of) {
                    Some(scope) => drop(used.insert(*scope)),
                    None => undeclared.push(format!("{}: {name}: {why}", sample.from)),
                }
            }
        }
    }
    assert!(undeclared.is_empty(), "neither decoded nor out of scope:\n{}", undeclared.join("\n"));
    let unused: Vec<_> = out_of_scope.difference(&used).collect();
    assert!(unused.is_empty(), "declared out of scope, and no message is: {unused:?}");
    println!("{decoded} of {} messages decode", samples.len());
}

/// Reads a message as one of any product; gives its name and why it does not read.
fn read(sample: &Sample) -> Result<(), (String, String)> {
    let products = if sample.from.starts_with("binance-usdm") {
        [USDM, ALGO, SPOT, MARGIN]
    } else {
        [SPOT, MARGIN, USDM, ALGO]
    };
    let (mut name, mut why) = (String::new(), String::new());
    for product in products {
        let told = match &sample.what {
            What::Frame(json) => {
                name = event_of(json);
                frame(product, json)
            }
            What::Answer { method, path, status, body } => {
                name = format!("{method} {path}");
                answer(product, method, path, *status, body)
            }
        };
        match told {
            Ok(()) => return Ok(()),
            Err(told) if told != NO_ROUTE || why.is_empty() => why = told,
            Err(_) => {}
        }
    }
    Err((name, why))
}

/// The word that a frame goes by: its event, or what else it is.
fn event_of(json: &str) -> String {
    let value: Value = serde_json::from_str(json).expect("a message is JSON");
    let inner = value.get("data").or(value.get("event")).unwrap_or(&value);
    let inner = inner.get(0).unwrap_or(inner);
    let list =
        if value.get("data").is_some_and(Value::is_array) || value.is_array() { "list of " } else { "" };
    let word = inner["e"].as_str().or(value["e"].as_str());
    match word {
        Some(word) => format!("{list}{word}"),
        None if value.get("method").is_some() => "what a client says".to_owned(),
        None if inner.get("lastUpdateId").is_some() => "partial book".to_owned(),
        None => format!("{list}{}", value["stream"].as_str().unwrap_or("nameless")),
    }
}

/// A catalog with every market that a text names.
fn catalog(product: usize, text: &str) -> Catalog {
    let venue = Binance::new();
    let mut catalog = Catalog::new();
    for name in text
        .split('"')
        .filter(|word| word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
    {
        let bare = Catalog::new();
        let place = Place { product, socket: 0, catalog: &bare };
        if let Some(mut terms) = venue.terms_of(place, name) {
            let scale = Scale::new(8).expect("8");
            (terms.price_scale, terms.qty_scale) = (scale, scale);
            catalog.put(terms);
        }
    }
    catalog
}

fn frame(product: usize, json: &str) -> Result<(), String> {
    let catalog = catalog(product, json);
    let mut out = EventBuf::new();
    let place = Place { product, socket: 0, catalog: &catalog };
    Binance::new().decode(place, json.as_bytes(), &mut out);
    judge(&out)
}

fn judge(out: &EventBuf) -> Result<(), String> {
    let broken = out.events.iter().find_map(|event| match event {
        Event::Broken(Broken { why, detail, .. }) => Some(format!("{}: {detail}", why.as_str())),
        _ => None,
    });
    match broken {
        Some(why) => Err(why),
        None if out.events.is_empty() && out.instruments.is_empty() => Err("tells nothing".to_owned()),
        None => Ok(()),
    }
}

/// Reads an answer as one to whatever request of ours goes to the same route.
fn answer(product: usize, method: &str, path: &str, status: u16, body: &str) -> Result<(), String> {
    let venue = Binance::new();
    let mut catalog = catalog(product, body);
    if catalog.is_empty() {
        catalog = self::catalog(product, "\"BTCUSDT\"");
    }
    let place = Place { product, socket: 0, catalog: &catalog };
    let mut why = NO_ROUTE.to_owned();
    for ask in asks(product, body) {
        let Some(request) = venue.ask(place, &ask) else { continue };
        if request.method.as_str() != method || unversioned(&request.route) != unversioned(path) {
            continue;
        }
        let mut out = EventBuf::new();
        let reply = HttpReply { status, headers: &[], body: body.as_bytes() };
        let told = match venue.answer(place, &ask, &reply, &mut out) {
            // A refusal that is understood is as good as an answer.
            Err(fault) if fault.code.is_some() => Ok(()),
            Err(fault) => Err(fault.text),
            Ok(()) if out.events.is_empty() => Ok(()),
            Ok(()) => judge(&out),
        };
        match told {
            Ok(()) => return Ok(()),
            Err(told) => why = told,
        }
    }
    Err(why)
}

fn unversioned(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "v1" | "v2" | "v3")).collect::<Vec<_>>().join("/")
}

/// Something of each kind to ask, about what the answer turns out to be about.
fn asks(product: usize, body: &str) -> Vec<Ask> {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let one = value.get(0).unwrap_or(&value);
    let market = MarketId(0);
    let page = Page::default();
    let told =
        |names: [&str; 2]| names.into_iter().find_map(|name| one.get(name).cloned()).unwrap_or_default();
    let id = told(["orderId", "algoId"]).to_string().replace('"', "");
    let client = told(["clientOrderId", "clientAlgoId"]).as_str().unwrap_or_default().to_owned();
    let is_algo = product == ALGO;
    let placed = NewOrder {
        market,
        client_order_id: client,
        side: Side::Buy,
        order_type: if is_algo { OrderType::StopMarket } else { OrderType::Market },
        time_in_force: None,
        qty: Fixed { mantissa: 1, scale: Scale::ZERO },
        price: None,
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    };
    let order = OrderRef::Venue(id);
    let token = Token("x".to_owned());
    let mut asks = vec![
        Ask::Instruments,
        Ask::Time,
        Ask::Depth { market, levels: 100 },
        Ask::Trades { market, from: None, limit: 10 },
        Ask::Trades { market, from: Some(1), limit: 10 },
        Ask::Candles { market, interval: Interval::M1, from: UnixNanos(0), to: UnixNanos(i64::MAX) },
        Ask::Ticker { market },
        Ask::Mark { market },
        Ask::Permissions,
        Ask::Fees,
        Ask::Positions { market: None },
        Ask::OpenOrders { market: None },
        Ask::Order { market, order: order.clone() },
        Ask::OrderHistory { market, page: page.clone() },
        Ask::Fills { market, page: page.clone() },
        Ask::Deposits { page: page.clone() },
        Ask::Withdrawals { page: page.clone() },
        Ask::Transfers { page },
        Ask::OpenToken,
        Ask::RenewToken { token: token.clone() },
        Ask::DropToken { token },
        Ask::Place(Box::new(placed)),
        Ask::Cancel { market, order },
        Ask::CancelAll { market: Some(market) },
        Ask::Countdown { market: Some(market), within: None },
    ];
    asks.extend(Wallet::ALL.map(|wallet| Ask::Balances { wallet }));
    let offered = &Binance::new().specs()[product].asks.clone();
    let listed = |kind: AskKind| offered.contains(&kind);
    asks.retain(|ask| listed(ask.kind()));
    asks
}

// ---- the collections ----

fn samples(folder: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    for product in ["binance", "binance-usdm"] {
        let of = folder.join(product);
        for path in found(&of, "") {
            let from = path.strip_prefix(folder).expect("below it").display().to_string();
            let collection = from.split('/').nth(1).unwrap_or_default().to_owned();
            let file = from.rsplit('/').next().unwrap_or_default().to_owned();
            let mut add = |what| samples.push(Sample { from: from.clone(), what });
            match collection.as_str() {
                "jkorf" if file != "SOURCE.txt" => jkorf(&path, &mut add),
                "nautilus" | "xchange" if file.ends_with(".json") && !file.contains(".metadata.") => {
                    kept(&file, &json(&path), &mut add);
                }
                "gocryptotrader" if file.ends_with(".gz") => {
                    let mock: Value = serde_json::from_str(&lines(&path).join("\n")).expect("JSON");
                    mocked(&mock, &mut add);
                }
                _ if file.ends_with(".jsonl") => {
                    let text = std::fs::read_to_string(&path).expect("a file");
                    text.lines().for_each(|line| listed(line, &mut add));
                }
                _ => {}
            }
        }
    }
    samples
}

/// A line of a list: the message itself, or an object that holds it.
fn listed(line: &str, add: &mut dyn FnMut(What)) {
    let value: Value = serde_json::from_str(line).expect("a line is JSON");
    let message = match (value["json"].as_str(), value.get("message")) {
        (Some(json), _) => json.to_owned(),
        (None, Some(message)) => message.to_string(),
        (None, None) => line.to_owned(),
    };
    if message == "[{}]" {
        // The documents leave the element of a list out.
        return;
    }
    match value["http"].as_str().and_then(|http| http.split_once(' ')) {
        Some((method, path)) => answered(method, path, &message, add),
        None => add(What::Frame(message)),
    }
}

fn answered(method: &str, path: &str, body: &str, add: &mut dyn FnMut(What)) {
    let status = if body.trim_start().starts_with(r#"{"code": -"#) { 400 } else { 200 };
    let (method, path) = (method.to_owned(), path.split('?').next().unwrap_or_default().to_owned());
    add(What::Answer { method, path, status, body: body.to_owned() });
}

/// A file of one message, of which its name says what it is.
fn kept(file: &str, value: &Value, add: &mut dyn FnMut(What)) {
    let (method, path) = match file {
        "all_orders_response.json" => ("GET", "/api/v3/allOrders"),
        "open_orders_response.json" | "open-orders.json" => ("GET", "/api/v3/openOrders"),
        "avg_price_response.json" => ("GET", "/api/v3/avgPrice"),
        "book_ticker_response.json" => ("GET", "/api/v3/ticker/bookTicker"),
        "klines_response.json" => ("GET", "/api/v3/klines"),
        "server_time_response.json" => ("GET", "/api/v3/time"),
        "ticker_price_response.json" => ("GET", "/api/v3/ticker/price"),
        "trades_response.json" => ("GET", "/api/v3/trades"),
        "balance.json" => ("GET", "/fapi/v3/balance"),
        "filled-market-order.json" => ("GET", "/api/v3/order"),
        "asset-dividend-list.json" => ("GET", "/sapi/v1/asset/assetDividend"),
        "withdraw-200.json" | "withdraw-400.json" => ("POST", "/sapi/v1/capital/withdraw/apply"),
        _ => return add(What::Frame(value.to_string())),
    };
    answered(method, path, &value.to_string(), add);
}

/// Recorded answers by route.
fn mocked(mock: &Value, add: &mut dyn FnMut(What)) {
    for (path, methods) in mock["routes"].as_object().expect("routes") {
        for (method, answers) in methods.as_object().expect("methods") {
            for answer in
                answers.as_array().expect("answers").iter().filter(|answer| !answer["data"].is_null())
            {
                answered(
                    method,
                    path,
                    &answer["data"].to_string().replacen("{\"code\":", "{\"code\": ", 1),
                    add,
                );
            }
        }
    }
}

/// A file of another library's tests: a request and its answer, or a conversation.
fn jkorf(path: &Path, add: &mut dyn FnMut(What)) {
    let text = std::fs::read_to_string(path).expect("a file");
    let text =
        text.trim_start_matches('\u{feff}').replace("|1|", "1").replace("|*|", "1").replace("|id|", "1");
    if path.components().any(|part| part.as_os_str() == "Endpoints") {
        let mut lines = text.lines();
        let (Some(method), Some(route), Some(_)) = (lines.next(), lines.next(), lines.next()) else { return };
        let body = lines.skip_while(|line| line.contains("Params:")).collect::<Vec<_>>().join("\n");
        if !body.trim().is_empty() {
            answered(method.trim(), route.trim(), &body, add);
        }
        return;
    }
    let mut message = String::new();
    for line in text.lines().chain(["<"]) {
        if line.starts_with(['>', '<', '=']) {
            let said = core::mem::take(&mut message);
            if said.starts_with(['<', '=']) && said.len() > 2 {
                let json = said[1..].trim_start_matches(|c: char| c.is_ascii_digit());
                add(What::Frame(json.trim().to_owned()));
            }
        }
        message.push_str(line);
        message.push('\n');
    }
}

/// A refusal to read is told as what it is.
#[test]
fn a_message_that_does_not_read_is_named() {
    let mut out = EventBuf::new();
    let catalog = Catalog::new();
    let place = Place { product: SPOT, socket: 0, catalog: &catalog };
    Binance::new().decode(place, br#"{"e":"brandNew","E":1}"#, &mut out);
    assert!(matches!(&out.events[..], [Event::Broken(Broken { why: BrokenWhy::UnknownKind, .. })]));
}
