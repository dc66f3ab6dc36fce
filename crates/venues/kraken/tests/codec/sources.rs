//! Answers and messages that other projects kept, every one of which decodes or is out of scope for a reason that the
//! README gives.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{catalogs, files, recordings};
use serde_json::Value;
use venuekit_kraken::{FUTURES, Kraken, SPOT};
use venuekit_types::{Symbol, UnixNanos};
use venuekit_venue::read::bare_terms;
use venuekit_venue::{
    Ask, Broken, BrokenWhy, Event, EventBuf, Fault, HttpReply, Interval, MarketId, OrderRef, Page, Place,
    Row, Venue, Wallet,
};

/// Frames of channels that are not followed, and of the retired version: by the word that they are refused with.
const OTHER_FRAMES: [&str; 8] =
    ["level3", "spread", "ticker", "ohlc-5", "openOrders", "add_order", "batch_add", "error"];

/// Files that are no frame and no answer of a route that is asked.
const OTHER_FILES: [&str; 18] = [
    // What a client sends.
    "ws_batch_add_request.json",
    "ws_cancel_order_request.json",
    // Own orders and trades of the retired version: arrays without a channel, that our channels replaced.
    "OwnTradeUpdate.txt",
    "OpenOrdersUpdate.txt",
    // Routes that nothing here asks for.
    "GetAllocationStatus.txt",
    "PlaceMultipleOrders.txt",
    "GetRecentSpread.txt",
    "GetSymbolStatusAsync.txt",
    "GetHistoricalFundingRates.txt",
    "GetSelfTradeStrategy.txt",
    "GetLeverageAsync.txt",
    "GetPnlCurrencyAsync.txt",
    "GetAccountLogAsync.txt",
    "GetAssetsAsync.txt",
    "http_futures_order_events_unknown.json",
    "http_system_status.json",
    "GetSystemStatus.txt",
    // One ticker is asked for at a time.
    "GetTickers.txt",
];

/// The start of further names of such files.
const OTHER_PREFIXES: [&str; 7] = [
    "GetDepositMethods",
    "example-deposit-methods",
    "example-deposit-addresses",
    "GetWithdrawInfo",
    "GetWithdrawAddresses",
    "Withdraw.txt",
    "SetPnlCurrency",
];

struct Bench {
    venue: Kraken,
    catalogs: [venuekit_venue::Catalog; 2],
    out: EventBuf,
    refused: BTreeSet<String>,
    frames: usize,
    answers: usize,
}

impl Bench {
    fn new() -> Bench {
        let venue = Kraken::new();
        let catalogs = catalogs(&venue);
        Bench { venue, catalogs, out: EventBuf::new(), refused: BTreeSet::new(), frames: 0, answers: 0 }
    }

    /// Decodes a frame; what is refused must be a word that is out of scope.
    fn frame(&mut self, product: usize, text: &str, name: &str) {
        self.out.clear();
        let place = Place { product, socket: 0, catalog: &self.catalogs[product] };
        self.venue.decode(place, text.as_bytes(), &mut self.out);
        assert!(!self.out.events.is_empty() || !self.out.instruments.is_empty(), "{name}: {text}");
        for event in &self.out.events {
            if let Event::Broken(Broken { why, detail, .. }) = event {
                assert_eq!(*why, BrokenWhy::UnknownKind, "{name}: {detail} in {text}");
                assert!(OTHER_FRAMES.contains(&detail.as_str()), "{name}: {detail} in {text}");
                self.refused.insert(detail.clone());
            }
        }
        self.frames += 1;
    }

    fn answer(&mut self, product: usize, ask: &Ask, body: &str, name: &str) -> Result<&[Row], Fault> {
        let reply = HttpReply { status: 200, headers: &[], body: body.as_bytes() };
        loop {
            self.out.clear();
            let place = Place { product, socket: 0, catalog: &self.catalogs[product] };
            self.venue.answer(place, ask, &reply, &mut self.out)?;
            // A pair of those days that none of our lists knows is listed, and the answer read again.
            let unknown = self.out.events.iter().find_map(|event| match event {
                Event::Broken(broken) if broken.why == BrokenWhy::UnknownMarket => Some(&broken.detail),
                _ => None,
            });
            let Some(name) = unknown else { break };
            let symbol = Symbol::spot(name, "OLD").expect(name);
            let (_, is_new) = self.catalogs[product].put(bare_terms(name, symbol, false));
            assert!(is_new, "{name} is listed and unknown");
        }
        for event in &self.out.events {
            assert!(!matches!(event, Event::Broken(_)), "{name}: {event:?}");
        }
        self.answers += 1;
        Ok(&self.out.rows)
    }
}

/// What an answer in a file answers, by a part of the file's name.
fn ask_of(product: usize, name: &str, market: MarketId) -> Option<Ask> {
    let page = Page::default;
    let wide = (UnixNanos(0), UnixNanos(i64::MAX));
    let bars = |interval| Ask::Candles { market, interval, from: wide.0, to: wide.1 };
    let routes: [(&str, Ask); 33] = [
        ("http_asset_pairs", Ask::Instruments),
        ("GetSymbolsAsync", Ask::Instruments),
        ("http_futures_instrument", Ask::Instruments),
        ("http_server_time", Ask::Time),
        ("GetSymbolStatus.txt", Ask::Time),
        ("http_order_book", Ask::Depth { market, levels: 0 }),
        ("http_futures_orderbook", Ask::Depth { market, levels: 0 }),
        ("GetOrderBook", Ask::Depth { market, levels: 0 }),
        ("example-depth-data", Ask::Depth { market, levels: 0 }),
        ("http_trades", Ask::Trades { market, from: None, limit: 1 }),
        ("GetTrades", Ask::Trades { market, from: None, limit: 1 }),
        ("GetKlines", bars(Interval::M1)),
        ("http_futures_candles", bars(Interval::H1)),
        ("GetTickerAsync", Ask::Ticker { market }),
        ("GetTickersAsync", Ask::Ticker { market }),
        ("example-ticker-data", Ask::Ticker { market }),
        ("GetTradeVolume", Ask::Fees),
        ("example-tradevolume", Ask::Fees),
        ("GetAvailableBalances", Ask::Balances { wallet: Wallet::Spot }),
        ("GetTradeBalance", Ask::Balances { wallet: Wallet::Margin }),
        ("open_positions", Ask::Positions { market: None }),
        ("GetOpenPositions", Ask::Positions { market: None }),
        ("open_orders", Ask::OpenOrders { market: None }),
        ("GetOpenOrders", Ask::OpenOrders { market: None }),
        ("example-openorders", Ask::OpenOrders { market: None }),
        ("closed_orders", Ask::OrderHistory { market, page: page() }),
        ("GetUserTrades", Ask::Fills { market, page: page() }),
        ("example-tradehistory", Ask::Fills { market, page: page() }),
        ("http_futures_fills", Ask::Fills { market, page: page() }),
        ("GetDepositStatus", Ask::Deposits { page: page() }),
        ("GetWithdrawalStatus", Ask::Withdrawals { page: page() }),
        ("GetLedgerInfo", Ask::Transfers { page: page() }),
        ("CancelAllOrder", Ask::Countdown { market: None, within: None }),
    ];
    let cancel = Ask::Cancel { market, order: OrderRef::Venue(String::new()) };
    let more: [(&str, Ask); 4] = [
        ("CancelOrder", cancel),
        ("SetLeverage", Ask::SetLeverage { market, leverage: 10.into() }),
        ("GetBalancesAsync", Ask::Balances { wallet: Wallet::Futures }),
        ("GetBalances.txt", Ask::Balances { wallet: Wallet::Futures }),
    ];
    let mut all = routes.into_iter().chain(more);
    let found = all.find(|(part, _)| name.contains(part)).map(|(_, ask)| ask);
    // Spot's plain `Balance` is not asked for: it lacks what is held.
    found.filter(|ask| product == FUTURES || !matches!(ask, Ask::Balances { wallet: Wallet::Futures }))
}

/// An order of a file that holds several, by the id it is keyed with.
fn named_order(body: &str) -> Option<Ask> {
    let json: Value = serde_json::from_str(body).ok()?;
    let id = json["result"].as_object()?.keys().next()?.clone();
    Some(Ask::Order { market: MarketId(0), order: OrderRef::Venue(id) })
}

fn is_other(name: &str) -> bool {
    OTHER_FILES.contains(&name) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn every_message_decodes_or_is_out_of_scope() {
    let Some(folder) = recordings() else { return };
    let mut bench = Bench::new();
    for (venue, product) in [("kraken", SPOT), ("kraken-futures", FUTURES)] {
        for path in files(&folder.join(venue), "") {
            let name = path.file_name().expect("as recorded").to_string_lossy().into_owned();
            let of_source = |part: &str| path.to_string_lossy().contains(part);
            if name == "SOURCE.txt"
                || of_source("signing")
                || of_source("ccxt-oracle")
                || of_source("cryptofeed")
            {
                continue;
            }
            if name.ends_with(".gz") {
                gzipped(&mut bench, product, &path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("as recorded");
            let text = text.trim_start_matches('\u{feff}');
            if name.ends_with(".jsonl") {
                text.lines().for_each(|line| row(&mut bench, product, line, &name));
            } else if of_source("Subscriptions") {
                conversation(&mut bench, product, text, &name);
            } else if !is_other(&name) {
                file(&mut bench, product, text, &name);
            }
        }
    }
    assert_eq!(bench.refused, OTHER_FRAMES.map(str::to_owned).into());
    assert!(bench.frames >= 60 && bench.answers >= 45, "{} frames, {} answers", bench.frames, bench.answers);
}

/// One row of a list of messages, in the wrapping of its project.
fn row(bench: &mut Bench, product: usize, line: &str, name: &str) {
    let json: Value = serde_json::from_str(line).expect("as recorded");
    let text = match (&json["json"], &json["message"]) {
        (Value::String(text), _) => text.clone(),
        (_, Value::Null) => line.to_owned(),
        (_, message) => message.to_string(),
    };
    let is_futures = text.contains("\"feed\"") || text.contains("orderBook");
    let product = if is_futures { FUTURES } else { product };
    if text.contains("\"orderBook\"") {
        let ask = Ask::Depth { market: MarketId(4), levels: 0 };
        bench.answer(product, &ask, &text, name).expect(name);
    } else if !line.contains("openOrders") {
        bench.frame(product, &text, name);
    } else {
        bench.refused.insert("openOrders".to_owned());
    }
}

/// What was said in both directions: ours begins with `>`, theirs with `<` and `=`.
fn conversation(bench: &mut Bench, product: usize, text: &str, name: &str) {
    let text = text.replace("\"|1|\"", "1").replace("|1|", "1");
    let mut pushed = String::new();
    for line in text.lines() {
        match line.split_at_checked(2) {
            Some(("< ", theirs)) => bench.frame(product, theirs, name),
            Some(("> ", _)) => {}
            _ => {
                pushed.push_str(line.strip_prefix("=").unwrap_or(line));
                pushed.push('\n');
            }
        }
    }
    // The file of the documents repeats the conversation for each depth.
    for message in serde_json::Deserializer::from_str(&pushed).into_iter::<Value>() {
        bench.frame(product, &message.expect("as recorded").to_string(), name);
    }
}

fn gzipped(bench: &mut Bench, product: usize, path: &Path) {
    let file = std::fs::File::open(path).expect("as recorded");
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).expect("as recorded");
    bench.frame(product, &text, "instrument");
    assert_eq!(bench.out.instruments.len(), 683);
}

fn file(bench: &mut Bench, product: usize, text: &str, name: &str) {
    if name.starts_with("ws_") || name.starts_with("orderBookMessage") || name == "ticker.json" {
        return bench.frame(product, text, name);
    }
    if ["SpreadUpdate.txt", "KlineUpdate.txt", "SystemStatusUpdate.txt"].contains(&name) {
        return bench.frame(product, text, name);
    }
    // Some files begin with the request.
    let body = text.find(['{', '[']).map_or(text, |at| &text[at..]);
    if name.starts_with("GetOrder") && !name.contains("Book") {
        let ask = named_order(body).expect(name);
        let place = Place { product, socket: 0, catalog: &bench.catalogs[product] };
        let market = if body.contains("SUIUSD") {
            place.catalog.find("SUIUSD").expect("as recorded").0
        } else {
            MarketId(0)
        };
        let Ask::Order { order, .. } = ask else { unreachable!("an order was asked for") };
        let rows = bench.answer(product, &Ask::Order { market, order }, body, name).expect(name);
        assert_eq!(rows.len(), 1, "{name}");
        return;
    }
    if name.starts_with("PlaceOrder") || name.starts_with("http_send_order") {
        // A reply to an order is read with the order at hand.
        return;
    }
    let market = if product == FUTURES { MarketId(4) } else { MarketId(0) };
    let Some(ask) = ask_of(product, name, market) else {
        assert!(name.starts_with("GetBalances") || name.starts_with("example-balance"), "{name}: who asks?");
        return;
    };
    if let Err(fault) = bench.answer(product, &ask, body, name) {
        panic!("{name}: {fault}");
    }
}
