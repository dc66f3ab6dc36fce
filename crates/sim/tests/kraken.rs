//! Kraken's public side: streams, books and their checksums, sequences, REST, limits, faults.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::kraken::{SpotBook, lively, number, quiet, roomy, truth};
use common::{End, Rig, start};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use venuekit_sim::faults::{Command, Fault, Target};
use venuekit_sim::{KrakenLimits, Rate, SimConfig};
use venuekit_types::Side;

const PAIRS: [(&str, (u32, u32)); 4] =
    [("BTC/USD", (1, 8)), ("ETH/USD", (2, 8)), ("BTC/USDT", (1, 8)), ("SHIB/USD", (8, 5))];

fn inject(rig: &mut Rig, target: Target, fault: Fault) {
    let now = rig.now;
    rig.sim.venue_mut("kraken").expect("a venue").inject(now, Command { target, fault });
    rig.drain();
}

fn subscribe(channel: &str, symbols: &[&str], more: &str, id: i64) -> String {
    let symbols = serde_json::to_string(symbols).expect("texts");
    format!(
        r#"{{"method":"subscribe","params":{{"channel":"{channel}","symbol":{symbols}{more}}},"req_id":{id}}}"#
    )
}

/// A text without the instants that every answer ends with.
fn timeless(mut value: Value) -> Value {
    let fields = value.as_object_mut().expect("an object");
    for name in ["time_in", "time_out"] {
        let at = fields.remove(name).expect("both times");
        assert!(at.as_str().is_some_and(|text| text.len() == 27 && text.ends_with('Z')), "{at}");
    }
    value
}

#[test]
fn a_spot_connection_says_its_status_pings_and_refuses_what_is_no_request() {
    let mut rig = Rig::with(quiet());
    let conn = rig.open("kraken", "/v2");
    let status = &rig.take_json(conn)[0];
    assert_eq!((&status["channel"], &status["type"]), (&json!("status"), &json!("update")));
    assert_eq!(status["data"][0]["system"], "online");
    assert_eq!(status["data"][0]["api_version"], "v2");
    assert!(status["data"][0]["connection_id"].is_u64());
    let refused = rig.open("kraken", "/v3");
    assert_eq!(rig.ends.get(&refused), Some(&End::Refused(404)));

    for (text, answer) in [
        (r#"{"method":"ping","req_id":9}"#, json!({"method": "pong", "req_id": 9})),
        (r#"{"method":"ping","req_id":"nine"}"#, json!({"method": "pong"})),
        (
            r#"{"method":"dance","req_id":1}"#,
            json!({"method": "dance", "req_id": 1, "success": false, "error": "Method not supported"}),
        ),
        ("nonsense", json!({"success": false, "error": "Malformed request"})),
        (
            r#"{"method":"subscribe","params":{"channel":"level9"},"req_id":2}"#,
            json!({"method": "subscribe", "req_id": 2, "success": false, "error": "Channel not supported"}),
        ),
        (
            r#"{"method":"subscribe","params":{"channel":"book"},"req_id":3}"#,
            json!({"method": "subscribe", "req_id": 3, "success": false, "error": "Symbol(s) missing"}),
        ),
    ] {
        rig.send("kraken", conn, text);
        let answers = rig.take_json(conn);
        assert_eq!(answers.into_iter().map(timeless).collect::<Vec<_>>(), [answer], "{text}");
    }
}

/// One answer for each symbol, good and bad alike, each under the request's number.
#[test]
fn every_symbol_is_answered_by_itself() {
    let mut rig = Rig::with(quiet());
    let conn = rig.spot_conn();
    rig.send("kraken", conn, &subscribe("book", &["BTC/USD", "XBT/USD", "SHIB/USD"], r#","depth":25"#, 7));
    let frames = rig.take_json(conn);
    let answers: Vec<Value> =
        frames.iter().filter(|f| f.get("method").is_some()).cloned().map(timeless).collect();
    let ack = |symbol: &str| {
        json!({"method": "subscribe", "req_id": 7, "success": true, "result":
            {"channel": "book", "depth": 25, "snapshot": true, "symbol": symbol}})
    };
    let error = json!({"method": "subscribe", "req_id": 7, "success": false, "symbol": "XBT/USD",
        "error": "Currency pair not supported XBT/USD"});
    assert_eq!(answers, [ack("BTC/USD"), error, ack("SHIB/USD")]);
    let snapshots = frames.iter().filter(|frame| frame["type"] == "snapshot").count();
    assert_eq!(snapshots, 2);

    for (channel, more, result) in [
        ("trade", "", json!({"channel": "trade", "snapshot": false, "symbol": "BTC/USD"})),
        (
            "ticker",
            r#","event_trigger":"bbo""#,
            json!({"channel": "ticker", "event_trigger": "bbo", "snapshot": true, "symbol": "BTC/USD"}),
        ),
        (
            "ohlc",
            r#","interval":5,"snapshot":false"#,
            json!({"channel": "ohlc", "interval": 5, "snapshot": false, "symbol": "BTC/USD"}),
        ),
    ] {
        rig.send("kraken", conn, &subscribe(channel, &["BTC/USD"], more, 1));
        let frames = rig.take_json(conn);
        assert_eq!((&frames[0]["result"], &frames[0]["success"]), (&result, &json!(true)));
        let snapshot = result["snapshot"] == true;
        assert_eq!(frames.len(), 1 + usize::from(snapshot), "{frames:?}");
    }
    for (text, error) in [
        (subscribe("book", &["BTC/USD"], r#","depth":25"#, 1), "Already subscribed"),
        (subscribe("book", &["BTC/USD"], r#","depth":11"#, 1), "Depth not supported"),
        (subscribe("ohlc", &["BTC/USD"], r#","interval":2"#, 1), "Interval not supported"),
        // What is to end has to be named as it began.
        (subscribe("book", &["BTC/USD"], "", 1).replacen("sub", "unsub", 1), "Subscription Not Found"),
    ] {
        rig.send("kraken", conn, &text);
        let answer = &rig.take_json(conn)[0];
        assert_eq!((&answer["error"], &answer["success"]), (&json!(error), &json!(false)), "{text}");
    }
    rig.send(
        "kraken",
        conn,
        &subscribe("book", &["BTC/USD"], r#","depth":25"#, 8).replacen("sub", "unsub", 1),
    );
    assert_eq!(timeless(rig.take_json(conn).remove(0))["success"], true);
}

/// At every depth and with every pair's places: whoever applies, truncates and sums holds the true top of the book.
#[test]
fn books_are_the_truth_to_their_depth_and_their_checksums_hold() {
    for depth in [10, 25, 100, 500, 1000] {
        let mut rig = Rig::with(lively());
        let conn = rig.spot_conn();
        let names: Vec<&str> = PAIRS.iter().map(|(name, _)| *name).collect();
        rig.send("kraken", conn, &subscribe("book", &names, &format!(r#","depth":{depth}"#), 1));
        let mut books = PAIRS.map(|(name, places)| (name, places, SpotBook::default(), 0));
        for _ in 0..40 {
            rig.pass_ms(100);
            for frame in rig.take(conn).iter().filter(|frame| frame.starts_with(r#"{"channel":"book""#)) {
                let (_, places, book, seen) = books
                    .iter_mut()
                    .find(|(name, ..)| frame.contains(&format!(r#""symbol":"{name}""#)))
                    .expect("a pair that was asked for");
                book.apply(frame, depth, *places);
                *seen += 1;
            }
            for (name, _, book, _) in &books {
                assert_eq!(book.canonical(), truth(&rig, name, depth), "SEED=1 {name} to {depth}");
            }
        }
        assert!(books.iter().all(|(.., seen)| *seen > 10), "SEED=1 {depth}: {:?}", books.map(|b| b.3));
    }
}

/// A book is never told deeper than asked, and levels that fall out of it are not deleted.
#[test]
fn a_level_that_is_pushed_out_is_not_deleted_and_comes_back() {
    let mut rig = Rig::with(lively());
    let conn = rig.spot_conn();
    rig.send("kraken", conn, &subscribe("book", &["BTC/USD"], r#","depth":10"#, 1));
    let (mut pushed_out, mut deleted, mut told_again) = (0, 0, 0);
    let mut known: BTreeSet<Decimal> = BTreeSet::new();
    let mut book = SpotBook::default();
    // No more than one message at a time, so that the present is what it tells of.
    for _ in 0..4_000 {
        rig.pass_ms(5);
        for frame in rig.take(conn).iter().filter(|frame| frame.starts_with(r#"{"channel":"book""#)) {
            let before: BTreeSet<Decimal> = book.bids.keys().copied().collect();
            book.apply(frame, 10, (1, 8));
            let now = rig.sim.venue("kraken").and_then(|venue| venue.book("BTC/USD")).expect("a market");
            let stands =
                |price: &Decimal| now.bids.iter().any(|level| Decimal::new(level.price.0, 1) == *price);
            pushed_out +=
                before.iter().filter(|price| !book.bids.contains_key(price) && stands(price)).count();
            let value: Value = serde_json::from_str(frame).expect("JSON");
            for level in value["data"][0]["bids"].as_array().expect("levels") {
                let price = number(&level["price"].to_string());
                if level["qty"] == 0.0 {
                    assert!(!stands(&price), "SEED=1 {price} is deleted, and only out of reach");
                    deleted += 1;
                } else {
                    told_again += usize::from(!before.contains(&price) && !known.insert(price));
                }
            }
        }
    }
    assert!(pushed_out > 20 && deleted > 20 && told_again > 20, "{pushed_out} {deleted} {told_again}");
}

#[test]
fn the_instrument_channel_tells_assets_and_pairs() {
    let mut rig = Rig::with(quiet());
    let conn = rig.spot_conn();
    rig.send("kraken", conn, r#"{"method":"subscribe","params":{"channel":"instrument"},"req_id":3}"#);
    let frames = rig.take_json(conn);
    assert_eq!(frames[0]["result"], json!({"channel": "instrument", "snapshot": true}));
    let data = &frames[1]["data"];
    let assets: Vec<&str> =
        data["assets"].as_array().expect("assets").iter().filter_map(|asset| asset["id"].as_str()).collect();
    assert_eq!(assets, ["BTC", "ETH", "SHIB", "USD", "USDT"]);
    for (pair, (symbol, places)) in data["pairs"].as_array().expect("pairs").iter().zip(PAIRS) {
        assert_eq!(pair["symbol"], symbol);
        assert_eq!((&pair["price_precision"], &pair["qty_precision"]), (&json!(places.0), &json!(places.1)));
        assert_eq!(pair["status"], "online");
        let increment = number(&pair["price_increment"].to_string());
        assert_eq!(increment, Decimal::new(1, places.0), "{symbol}");
    }
}

#[test]
fn trades_tickers_and_candles_follow_the_market() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(5));
    let conn = rig.spot_conn();
    rig.send("kraken", conn, &subscribe("trade", &["BTC/USD"], r#","snapshot":true"#, 1));
    rig.send("kraken", conn, &subscribe("ticker", &["BTC/USD"], "", 2));
    rig.send("kraken", conn, &subscribe("ohlc", &["BTC/USD"], r#","interval":1"#, 3));
    let first = rig.take_json(conn);
    let snapshot = |channel: &str| {
        first.iter().find(|f| f["channel"] == channel && f["type"] == "snapshot").expect("a snapshot").clone()
    };
    let candles = snapshot("ohlc")["data"].as_array().expect("candles").clone();
    assert_eq!(candles.last().expect("one")["interval_begin"], "2023-11-14T22:13:00.000000000Z");
    rig.pass(Duration::from_secs(70));
    let frames = rig.take_json(conn);
    let told: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["channel"] == "trade")
        .flat_map(|frame| frame["data"].as_array().expect("trades"))
        .collect();
    let old = snapshot("trade")["data"].as_array().expect("trades").clone();
    let world = rig.sim.venue("kraken").expect("a venue").world();
    let real = &world.markets()[0].trades;
    let last_old = old.last().expect("trades")["trade_id"].as_u64().expect("a number");
    let expected: Vec<_> = real.iter().filter(|trade| trade.id > last_old).collect();
    assert_eq!(told.len(), expected.len());
    assert!(told.len() > 20);
    for (told, real) in told.iter().zip(expected) {
        assert_eq!(told["trade_id"], real.id);
        assert_eq!(number(&told["price"].to_string()), Decimal::new(real.price, 1));
        assert_eq!(number(&told["qty"].to_string()), Decimal::new(real.qty, 8));
        assert_eq!(told["side"], if real.aggressor == Side::Buy { "buy" } else { "sell" });
    }
    let tickers = frames.iter().filter(|frame| frame["channel"] == "ticker").count();
    let bursts = frames.iter().filter(|frame| frame["channel"] == "trade").count();
    assert_eq!(tickers, bursts, "one at each message of trades");
    let begins: BTreeSet<&str> = frames
        .iter()
        .filter(|frame| frame["channel"] == "ohlc")
        .filter_map(|frame| frame["data"][0]["interval_begin"].as_str())
        .collect();
    assert_eq!(begins.len(), 2, "a minute has passed: {begins:?}");
}

/// A heartbeat a second where nothing else is said, none before anything is subscribed, and an end to who wants nothing.
#[test]
fn quiet_connections_have_heartbeats_and_idle_ones_end() {
    let mut rig = Rig::with(quiet());
    let (idle, quiet) = (rig.spot_conn(), rig.spot_conn());
    rig.send("kraken", quiet, &subscribe("trade", &["BTC/USD"], "", 1));
    rig.take(quiet);
    rig.pass(Duration::from_secs(30));
    let beats = rig.take(quiet);
    assert!(
        (29..=31).contains(&beats.len()) && beats.iter().all(|beat| beat == r#"{"channel":"heartbeat"}"#)
    );
    assert!(rig.take(idle).is_empty());
    rig.pass(Duration::from_secs(31));
    assert_eq!((rig.ends.get(&idle), rig.ends.get(&quiet)), (Some(&End::Closed(Some(1000))), None));

    let limits = KrakenLimits { spot_messages: 3, ..roomy() };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..common::kraken::quiet() });
    let conn = rig.spot_conn();
    for _ in 0..4 {
        rig.send("kraken", conn, r#"{"method":"ping"}"#);
    }
    let answers = rig.take_json(conn);
    assert_eq!((&answers[2]["method"], &answers[3]["error"]), (&json!("pong"), &json!("Exceeded msg rate")));
}

#[test]
fn spot_answers_have_the_names_and_forms_of_the_venue() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(5));
    assert_eq!(
        rig.spot_public("Time"),
        json!({"unixtime": 1_700_000_005, "rfc1123": "Tue, 14 Nov 23 22:13:25 +0000"})
    );
    assert_eq!(
        rig.spot_public("SystemStatus"),
        json!({"status": "online", "timestamp": "2023-11-14T22:13:25Z"})
    );
    assert_eq!(
        rig.spot_public("Assets?asset=XBT,ZUSD"),
        json!({
            "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5, "status": "enabled"},
            "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2, "status": "enabled"},
        })
    );
    let pairs = rig.spot_public("AssetPairs");
    let names: Vec<&String> = pairs.as_object().expect("pairs").keys().collect();
    assert_eq!(names, ["SHIBUSD", "XBTUSDT", "XETHZUSD", "XXBTZUSD"]);
    let bitcoin = &pairs["XXBTZUSD"];
    assert_eq!((&bitcoin["altname"], &bitcoin["wsname"]), (&json!("XBTUSD"), &json!("XBT/USD")));
    assert_eq!((&bitcoin["base"], &bitcoin["quote"]), (&json!("XXBT"), &json!("ZUSD")));
    assert_eq!((&bitcoin["tick_size"], &bitcoin["ordermin"]), (&json!("0.1"), &json!("0.00005")));
    assert_eq!(pairs["SHIBUSD"]["tick_size"], "0.00000001");
    // Under its own name, whatever it was asked by.
    for name in ["XXBTZUSD", "XBTUSD", "XBT%2FUSD"] {
        let depth = rig.spot_public(&format!("Depth?pair={name}&count=3"));
        let asks = depth["XXBTZUSD"]["asks"].as_array().expect("levels").clone();
        assert_eq!(asks.len(), 3);
        assert!(asks[0][0].as_str().is_some_and(|price| price.split('.').nth(1).map(str::len) == Some(5)));
        assert!(asks[0][1].is_string() && asks[0][2].is_i64(), "{asks:?}");
    }
    for (target, error) in [
        ("Depth?pair=BTC/USD", "EQuery:Unknown asset pair"),
        ("Depth?pair=NOPE", "EQuery:Unknown asset pair"),
        ("Assets?asset=BTC", "EQuery:Unknown asset"),
        ("Depth?pair=XBTUSD&count=501", "EGeneral:Invalid arguments"),
        ("OHLC?pair=XBTUSD&interval=2", "EGeneral:Invalid arguments"),
        ("Nope", "EGeneral:Unknown method"),
    ] {
        let answer = rig.get_json("kraken", &format!("/0/public/{target}"));
        assert_eq!(answer, json!({"error": [error]}), "{target}");
    }
    let ticker = rig.spot_public("Ticker?pair=SHIBUSD");
    for (name, count) in [("a", 3), ("b", 3), ("c", 2), ("v", 2), ("p", 2), ("t", 2), ("l", 2), ("h", 2)] {
        assert_eq!(ticker["SHIBUSD"][name].as_array().map(Vec::len), Some(count), "{name}");
    }
    assert!(ticker["SHIBUSD"]["o"].is_string());
    let ohlc = rig.spot_public("OHLC?pair=XBTUSD&interval=60");
    let row = ohlc["XXBTZUSD"][0].as_array().expect("a row").clone();
    assert!(row.len() == 8 && row[0].is_i64() && row[1].is_string() && row[7].is_u64(), "{row:?}");
}

/// Pages of trades joined by their cursor are the trades that were, each once.
#[test]
fn trades_are_paged_by_a_cursor_in_nanoseconds() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(60));
    let (mut since, mut ids) = ("1".to_string(), Vec::new());
    loop {
        let page = rig.spot_public(&format!("Trades?pair=XBTUSD&since={since}&count=7"));
        let rows = page["XXBTZUSD"].as_array().expect("rows").clone();
        since = page["last"].as_str().expect("text").to_string();
        ids.extend(rows.iter().map(|row| row[6].as_u64().expect("a number")));
        if rows.is_empty() {
            break;
        }
        assert!(rows.iter().all(|row| row[3] == "b" || row[3] == "s"));
    }
    let real = &rig.sim.venue("kraken").expect("a venue").world().markets()[0].trades;
    assert_eq!(ids, real.iter().map(|trade| trade.id).collect::<Vec<_>>());
    assert!(ids.len() > 30 && since.len() == 19);
}

#[test]
fn public_requests_are_limited_by_address() {
    let public = Rate { max_milli: 2_000, decay_milli: 1_000 };
    let limits = KrakenLimits { spot_public: public, ..roomy() };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..quiet() });
    let ask = |rig: &mut Rig| rig.get_json("kraken", "/0/public/Time")["error"].clone();
    assert_eq!([ask(&mut rig), ask(&mut rig)], [json!([]), json!([])]);
    assert_eq!(ask(&mut rig), json!(["EAPI:Rate limit exceeded"]));
    rig.pass_ms(1_000);
    assert_eq!(ask(&mut rig), json!([]));
    assert_eq!(rig.get("kraken", "/nowhere").status, 404);
}

// ---- futures ----

fn follow(feed: &str, products: &str) -> String {
    format!(r#"{{"event":"subscribe","feed":"{feed}","product_ids":[{products}]}}"#)
}

#[test]
fn a_futures_connection_answers_for_each_product() {
    let mut rig = Rig::with(quiet());
    let conn = rig.open("kraken", "/ws/v1");
    assert_eq!(rig.take(conn), [r#"{"event":"info","version":1}"#]);
    rig.send("kraken", conn, &follow("book", r#""PF_XBTUSD","pi_xbtusd""#));
    let frames = rig.take_json(conn);
    let ack = |product: &str| json!({"event": "subscribed", "feed": "book", "product_ids": [product]});
    assert_eq!(frames[..2], [ack("PF_XBTUSD"), ack("PI_XBTUSD")]);
    assert_eq!(
        (&frames[2]["feed"], &frames[3]["product_id"]),
        (&json!("book_snapshot"), &json!("PI_XBTUSD"))
    );
    assert_eq!(frames[2]["tickSize"], Value::Null);
    for (text, answer) in [
        (follow("book", r#""NOPE""#), json!({"event": "error", "message": "Invalid product id"})),
        (follow("book", ""), json!({"event": "error", "message": "Invalid product id"})),
        (follow("nope", r#""PF_XBTUSD""#), json!({"event": "error", "message": "Invalid feed"})),
        ("nonsense".into(), json!({"event": "error", "message": "Json Error"})),
        (r#"{"event":"ping"}"#.into(), json!({"event": "pong"})),
        (
            follow("trade", r#""PF_XBTUSD""#).replacen("sub", "unsub", 1),
            json!({"event": "unsubscribed", "feed": "trade", "product_ids": ["PF_XBTUSD"]}),
        ),
    ] {
        rig.send("kraken", conn, &text);
        assert_eq!(rig.take_json(conn), [answer], "{text}");
    }
}

/// One level a message, each with the next number of its product, from the snapshot's on.
#[test]
fn futures_books_are_the_truth_at_every_number() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(1));
    let conn = rig.open("kraken", "/ws/v1");
    rig.send("kraken", conn, &follow("book", r#""PF_XBTUSD""#));
    rig.pass(Duration::from_secs(10));
    let frames = rig.take_json(conn);
    let at = frames.iter().position(|frame| frame["feed"] == "book_snapshot").expect("a snapshot");
    let decimal = |value: &Value| number(&value.to_string()).normalize();
    let mut book = SpotBook::default();
    for (side, name) in [(&mut book.bids, "bids"), (&mut book.asks, "asks")] {
        for level in frames[at][name].as_array().expect("levels") {
            side.insert(decimal(&level["price"]), decimal(&level["qty"]));
        }
    }
    let mut seq = frames[at]["seq"].as_u64().expect("a number");
    let venue = rig.sim.venue("kraken").expect("a venue");
    let mut told = 0;
    for frame in &frames[at + 1..] {
        seq += 1;
        assert_eq!((&frame["feed"], &frame["seq"]), (&json!("book"), &json!(seq)));
        let side = if frame["side"] == "buy" { &mut book.bids } else { &mut book.asks };
        let (price, qty) = (decimal(&frame["price"]), decimal(&frame["qty"]));
        if qty.is_zero() {
            assert!(side.remove(&price).is_some(), "a level is deleted that never was");
        } else {
            side.insert(price, qty);
        }
        told += 1;
        if told % 50 == 0 {
            let truth = venue.book_at("BTC/USD:USD", 0, seq).expect("every number is a message's");
            assert_eq!(book.canonical(), truth.canonical(), "SEED=1 at {seq}");
        }
    }
    let truth = venue.book("BTC/USD:USD").expect("a market");
    assert_eq!((seq, book.canonical()), (truth.seq, truth.canonical()));
    assert!(told > 1_000);
}

#[test]
fn futures_trades_tickers_and_heartbeats() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(5));
    let conn = rig.open("kraken", "/ws/v1");
    rig.send("kraken", conn, &follow("trade", r#""PF_XBTUSD""#));
    rig.send("kraken", conn, &follow("ticker", r#""PI_XBTUSD""#));
    rig.send("kraken", conn, &follow("ticker_lite", r#""PF_ETHUSD""#));
    rig.send("kraken", conn, r#"{"event":"subscribe","feed":"heartbeat"}"#);
    rig.pass(Duration::from_secs(30));
    let frames = rig.take_json(conn);
    let of = |feed: &str| {
        frames.iter().filter(|frame| frame["feed"] == feed && frame["event"].is_null()).collect::<Vec<_>>()
    };
    let snapshot = of("trade_snapshot")[0]["trades"].as_array().expect("trades").clone();
    let seqs: Vec<u64> = snapshot.iter().map(|trade| trade["seq"].as_u64().expect("a number")).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] == pair[1] + 1), "the newest first: {seqs:?}");
    let mut last = seqs[0];
    for trade in of("trade") {
        last += 1;
        assert_eq!((&trade["seq"], &trade["type"]), (&json!(last), &json!("fill")));
        assert!(trade["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    }
    assert!(last > seqs[0] + 5);
    for feed in ["ticker", "ticker_lite", "heartbeat"] {
        assert!((29..=31).contains(&of(feed).len()), "{feed}: {}", of(feed).len());
    }
    let ticker = of("ticker")[0];
    let market = &rig.sim.venue("kraken").expect("a venue").world().markets()[6];
    assert_eq!(ticker["next_funding_rate_time"], market.reference.next_ms);
    assert_eq!(market.reference.next_ms, 1_700_002_800_000, "funding is hourly: at 23:00 after 22:13");
    let value = |name: &str| number(&ticker[name].to_string());
    let relative = value("relative_funding_rate");
    // What an inverse contract pays is in the base: so little that it is scientific on the wire.
    assert!(
        (value("funding_rate") * value("index") - relative).abs() < "0.00000001".parse().expect("a decimal")
    );
    assert!(of("ticker_lite")[0].get("funding_rate").is_none());
    // Whoever says nothing for a minute is hung up on.
    rig.pass(Duration::from_secs(29));
    assert_eq!(rig.ends.get(&conn), None);
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)));
}

#[test]
fn futures_answers_have_the_names_and_forms_of_the_venue() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(20));
    let mut get = |target: &str| {
        let answer = rig.get_json("kraken", &format!("/derivatives/api/v3/{target}"));
        assert_eq!(answer["result"], "success", "{target}: {answer}");
        assert!(answer["serverTime"].as_str().is_some_and(|at| at.ends_with('Z')));
        answer
    };
    let instruments = get("instruments")["instruments"].as_array().expect("rows").clone();
    let shape: Vec<_> = instruments
        .iter()
        .map(|i| (i["symbol"].clone(), i["type"].clone(), i["contractValueTradePrecision"].clone()))
        .collect();
    assert_eq!(
        shape,
        [
            (json!("PF_XBTUSD"), json!("flexible_futures"), json!(4)),
            (json!("PF_ETHUSD"), json!("flexible_futures"), json!(3)),
            (json!("PI_XBTUSD"), json!("futures_inverse"), json!(0)),
        ]
    );
    assert_eq!((&instruments[0]["tickSize"], &instruments[2]["tickSize"]), (&json!(1.0), &json!(0.5)));
    assert_eq!((&instruments[0]["base"], &instruments[0]["pair"]), (&json!("BTC"), &json!("BTC:USD")));
    assert_eq!(get("tickers")["tickers"].as_array().map(Vec::len), Some(3));
    assert_eq!(get("tickers/pf_ethusd")["ticker"]["symbol"], "PF_ETHUSD");
    let book = get("orderbook?symbol=PF_XBTUSD")["orderBook"].clone();
    assert!(book["bids"][0][0].as_f64() < book["asks"][0][0].as_f64() && book.get("seq").is_none());
    let history = get("history?symbol=PF_XBTUSD")["history"].as_array().expect("rows").clone();
    assert!(history.len() > 5 && history[0]["trade_id"].as_u64() > history[1]["trade_id"].as_u64());
    let oldest = &history[history.len() - 1];
    let earlier =
        get(&format!("history?symbol=PF_XBTUSD&lastTime={}", oldest["time"].as_str().expect("text")));
    let newest = earlier["history"][0]["trade_id"].as_u64();
    assert!(newest >= oldest["trade_id"].as_u64() && newest < history[0]["trade_id"].as_u64());
    assert_eq!(get("feeschedules")["feeSchedules"].as_array().map(Vec::len), Some(2));
    let charts = rig.get_json("kraken", "/api/charts/v1/trade/PF_XBTUSD/1m?from=1699999980");
    assert!(charts["candles"][0]["open"].is_string() && charts["more_candles"] == false);
    for (path, error) in [
        ("/derivatives/api/v3/orderbook", "requiredArgumentMissing"),
        ("/derivatives/api/v3/orderbook?symbol=NOPE", "invalidArgument: symbol"),
        ("/derivatives/api/v3/accounts", "authenticationError"),
    ] {
        let answer = rig.get_json("kraken", path);
        assert_eq!((&answer["result"], &answer["error"]), (&json!("error"), &json!(error)), "{path}");
    }
    assert_eq!(rig.get("kraken", "/derivatives/api/v3/nope").status, 404);
}

// ---- faults ----

#[test]
fn frames_of_a_stream_are_lost_doubled_and_late_and_the_checksum_tells() {
    for (fault, breaks) in [(Fault::Drop, true), (Fault::Duplicate, false)] {
        let mut rig = Rig::with(lively());
        let conn = rig.spot_conn();
        rig.send("kraken", conn, &subscribe("book", &["BTC/USD"], "", 1));
        rig.pass_ms(500);
        inject(&mut rig, Target::Stream("book:BTC/USD".into()), fault.clone());
        rig.pass(Duration::from_secs(5));
        let frames = rig.take(conn);
        let frames: Vec<String> =
            frames.into_iter().filter(|f| f.starts_with(r#"{"channel":"book""#)).collect();
        let mut book = SpotBook::default();
        let sound = frames.iter().try_for_each(|frame| book.check(frame, 10, (1, 8)));
        assert_eq!(sound.is_err(), breaks, "{fault:?} {sound:?}");
    }
    let mut rig = Rig::with(lively());
    let conn = rig.open("kraken", "/ws/v1");
    inject(&mut rig, Target::All, Fault::LateSnapshot(Duration::from_millis(400)));
    rig.send("kraken", conn, &follow("book", r#""PF_XBTUSD""#));
    rig.pass(Duration::from_secs(2));
    let frames = rig.take_json(conn);
    let at = frames.iter().position(|frame| frame["feed"] == "book_snapshot").expect("a snapshot");
    let seq = frames[at]["seq"].as_u64().expect("a number");
    assert!(at > 5 && frames[2]["seq"] == seq + 1, "what came before it goes on from it");
}

#[test]
fn a_restart_cuts_all_and_futures_count_again() {
    let mut rig = Rig::with(lively());
    rig.pass(Duration::from_secs(2));
    let (spot, futures) = (rig.spot_conn(), rig.open("kraken", "/ws/v1"));
    inject(&mut rig, Target::All, Fault::Restart(Duration::from_secs(1)));
    assert_eq!((rig.ends.get(&spot), rig.ends.get(&futures)), (Some(&End::Cut), Some(&End::Cut)));
    let refused = rig.open("kraken", "/v2");
    assert_eq!(rig.ends.get(&refused), Some(&End::Refused(503)));
    rig.pass(Duration::from_secs(2));
    let conn = rig.open("kraken", "/ws/v1");
    rig.send("kraken", conn, &follow("book", r#""PF_XBTUSD""#));
    let snapshot = rig.take_json(conn).pop().expect("a snapshot");
    let seq = snapshot["seq"].as_u64().expect("a number");
    let truth = rig.sim.venue("kraken").and_then(|venue| venue.book("BTC/USD:USD")).expect("a market");
    assert!(truth.generation == 1 && truth.seq == seq && seq < 1_000, "{seq}");
}

#[test]
fn snapshots_over_rest_are_refused_by_what_stands_before_the_venue() {
    let mut rig = Rig::with(quiet());
    for target in ["/0/public/Depth?pair=XBTUSD", "/derivatives/api/v3/orderbook?symbol=PF_XBTUSD"] {
        for status in [429, 503] {
            inject(&mut rig, Target::All, Fault::RefuseSnapshot(status));
            let response = rig.get("kraken", target);
            assert_eq!((response.status, response.header("content-type")), (status, Some("text/html")));
            assert_eq!(rig.get("kraken", target).status, 200);
        }
    }
    inject(&mut rig, Target::All, Fault::Skew(7_000));
    assert_eq!(rig.spot_public("Time")["unixtime"], 1_700_000_007);
}

/// The same seed gives the same bytes, to whoever asks the same.
#[test]
fn a_seed_gives_one_trace() {
    let run = |seed| {
        let mut rig =
            Rig::with(SimConfig { seed, rate: 100, ..SimConfig::new(seed, start()) }.only(&["kraken"]));
        let (spot, futures) = (rig.open("kraken", "/v2"), rig.open("kraken", "/ws/v1"));
        rig.send("kraken", spot, &subscribe("book", &["BTC/USD", "SHIB/USD"], "", 1));
        rig.send("kraken", futures, &follow("book", r#""PF_XBTUSD""#));
        rig.pass(Duration::from_secs(5));
        (rig.take(spot), rig.take(futures))
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
