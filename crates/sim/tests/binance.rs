//! Binance's public side as a client sees it.

mod common;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use common::{End, Rig, json, start, text};
use rust_decimal::Decimal;
use serde_json::{Value, json as value};
use venuekit_sim::{
    BinanceLimits, Command, Fault, FrontInput, ProductLimits, RUN_HEADER, Request, Response, SimConfig,
    Target,
};

const VENUE: &str = "binance";

fn code(response: &Response) -> (u16, i64) {
    (response.status, json(response)["code"].as_i64().unwrap_or(0))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// A book rebuilt by the venue's own rule: absolute quantities, zero removes, also what never was.
#[derive(Default)]
struct Book([BTreeMap<Decimal, Decimal>; 2]);

impl Book {
    fn apply(&mut self, bids: &Value, asks: &Value) {
        let decimal =
            |value: &Value| value.as_str().expect("text").parse::<Decimal>().expect("a decimal").normalize();
        for (side, levels) in self.0.iter_mut().zip([bids, asks]) {
            for level in levels.as_array().expect("levels") {
                let (price, qty) = (decimal(&level[0]), decimal(&level[1]));
                if qty.is_zero() {
                    side.remove(&price);
                } else {
                    side.insert(price, qty);
                }
            }
        }
    }

    fn canonical(&self) -> String {
        let line = |mark: &str, (price, qty): (&Decimal, &Decimal)| format!("{mark},{price},{qty}\n");
        let bids = self.0[0].iter().rev().map(|level| line("b", level));
        bids.chain(self.0[1].iter().map(|level| line("a", level))).collect()
    }
}

fn truth(rig: &Rig, symbol: &str, seq: u64) -> String {
    let book = rig.sim.venue(VENUE).and_then(|venue| venue.book_at(symbol, 0, seq));
    book.unwrap_or_else(|| panic!("{symbol} at {seq} is no message's")).canonical()
}

fn subscribe(rig: &mut Rig, conn: u64, names: &[&str]) {
    let names = serde_json::to_string(names).expect("names");
    rig.send(VENUE, conn, &format!(r#"{{"method":"SUBSCRIBE","params":{names},"id":1}}"#));
}

#[test]
fn public_routes_answer_in_the_shapes_of_the_card() {
    let mut rig = Rig::new(1);
    rig.pass_ms(5_000);
    assert_eq!(text(&rig.get(VENUE, "/api/v3/ping")), "{}");
    assert_eq!(rig.get_json(VENUE, "/fapi/v1/time"), value!({"serverTime": 1_700_000_005_000_i64}));
    let spot = rig.get(VENUE, "/api/v3/exchangeInfo");
    assert!(text(&spot).starts_with(
        r#"{"timezone":"UTC","serverTime":1700000005000,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":100},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":200000},{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":300000}],"exchangeFilters":[],"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,"quoteAsset":"USDT","#
    ));
    assert!(text(&spot).contains(
        r#"{"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"}"#
    ));
    let sets = |rig: &mut Rig, query: &str| {
        let info = rig.get_json(VENUE, &format!("/api/v3/exchangeInfo{query}"));
        info["symbols"][0]["permissionSets"].clone()
    };
    assert_eq!(sets(&mut rig, ""), value!([["SPOT", "MARGIN"]]));
    assert_eq!(sets(&mut rig, "?showPermissionSets=false"), value!([]));
    let usdm = rig.get_json(VENUE, "/fapi/v1/exchangeInfo");
    let contract = &usdm["symbols"][0];
    assert_eq!(
        [
            &contract["pair"],
            &contract["contractType"],
            &contract["marginAsset"],
            &contract["filters"][0]["tickSize"]
        ],
        [&value!("BTCUSDT"), &value!("PERPETUAL"), &value!("USDT"), &value!("0.10")]
    );
    assert_eq!(usdm["symbols"].as_array().map(Vec::len), Some(2));

    let depth = rig.get_json(VENUE, "/api/v3/depth?symbol=BTCUSDT&limit=3");
    assert_eq!(depth["bids"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        depth["bids"][0][0].as_str().and_then(|price| price.split('.').next_back()).map(str::len),
        Some(8)
    );
    let depth = rig.get_json(VENUE, "/fapi/v1/depth?symbol=ETHUSDT&limit=5");
    assert_eq!((&depth["E"], &depth["T"]), (&value!(1_700_000_005_000_i64), &value!(1_700_000_005_000_i64)));
    let trades = rig.get_json(VENUE, "/api/v3/trades?symbol=ETHUSDT&limit=7");
    let trades = trades.as_array().expect("trades");
    assert!(
        trades.len() == 7 && trades.windows(2).all(|two| number(&two[0], "id") + 1 == number(&two[1], "id"))
    );
    assert!(trades[0]["isBestMatch"].as_bool() == Some(true));
    let klines = rig.get_json(VENUE, "/fapi/v1/klines?symbol=BTCUSDT&interval=1m");
    let last = klines.as_array().and_then(|rows| rows.last()).expect("a candle");
    assert_eq!((last[0].as_i64(), last[6].as_i64()), (Some(1_699_999_980_000), Some(1_700_000_039_999)));
    assert_eq!(last.as_array().map(Vec::len), Some(12));
    let ticker = rig.get_json(VENUE, "/api/v3/ticker/24hr?symbol=BTCUSDT");
    let (open, close) = (decimal(&ticker["openPrice"]), decimal(&ticker["lastPrice"]));
    assert_eq!(decimal(&ticker["priceChange"]), close - open);
    assert_eq!(number(&ticker, "lastId") + 1 - number(&ticker, "firstId"), number(&ticker, "count"));
    assert_eq!(rig.get_json(VENUE, "/api/v3/ticker/bookTicker").as_array().map(Vec::len), Some(2));
    let premium = rig.get_json(VENUE, "/fapi/v1/premiumIndex?symbol=BTCUSDT");
    assert_eq!(premium["nextFundingTime"].as_i64(), Some(1_700_006_400_000));
    let aggregates = rig.get_json(VENUE, "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000");
    let aggregates = aggregates.as_array().expect("rows");
    assert!(aggregates.windows(2).all(|two| number(&two[0], "l") + 1 == number(&two[1], "f")));

    for (target, expected) in [
        ("/api/v3/depth", (400, -1102)),
        ("/api/v3/depth?symbol=NOPE", (400, -1121)),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", (400, -4021)),
        ("/api/v3/depth?symbol=BTCUSDT&limit=0", (400, -1130)),
        ("/api/v3/klines?symbol=BTCUSDT&interval=7m", (400, -1120)),
        ("/api/v3/aggTrades?symbol=BTCUSDT&startTime=5&endTime=1", (400, -1127)),
        ("/api/v3/premiumIndex?symbol=BTCUSDT", (404, -1000)),
        ("/api/v1/depth?symbol=BTCUSDT", (404, -1000)),
        ("/nothing", (404, -1000)),
    ] {
        assert_eq!(code(&rig.get(VENUE, target)), expected, "{target}");
    }
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().expect("text").parse().expect("a decimal")
}

/// Spot: `U` follows the `u` before it, and snapshot and diffs are the engine's book at every number.
#[test]
fn spot_diffs_rebuild_the_book_and_their_numbers_have_no_hole() {
    for (name, symbol, cadence) in
        [("btcusdt@depth@100ms", "BTC/USDT", 100), ("ethusdt@depth", "ETH/USDT", 1_000)]
    {
        let mut rig = Rig::new(3);
        let conn = rig.open(VENUE, &format!("/ws/{name}"));
        rig.pass_ms(2_350);
        let native = symbol.replace('/', "");
        let snapshot = rig.get_json(VENUE, &format!("/api/v3/depth?symbol={native}&limit=5000"));
        rig.pass_ms(8_000);
        let mut book = Book::default();
        book.apply(&snapshot["bids"], &snapshot["asks"]);
        let mut at = number(&snapshot, "lastUpdateId");
        let frames = rig.take_json(conn);
        let (mut applied, mut dropped, mut last) = (0, 0, None);
        for frame in &frames {
            let (first, end) = (number(frame, "U"), number(frame, "u"));
            assert!(last.is_none_or(|last: u64| first == last + 1), "SEED=3 {frame}");
            assert_eq!(frame["E"].as_i64().map(|ms| ms % cadence), Some(0));
            last = Some(end);
            if end <= at {
                dropped += 1;
                continue;
            }
            assert!(first <= at + 1, "a hole before {frame}");
            book.apply(&frame["b"], &frame["a"]);
            at = end;
            applied += 1;
            assert_eq!(book.canonical(), truth(&rig, symbol, at), "SEED=3 {symbol} at {at}");
        }
        assert!(dropped >= 2 && applied >= 7, "{dropped} dropped, {applied} applied");
    }
}

/// Futures: numbers are shared by all contracts, so that only `pu` proves that nothing is missing.
#[test]
fn futures_diffs_chain_by_pu_alone() {
    let mut rig = Rig::new(4);
    let conn = rig.open(VENUE, "/public/stream?streams=btcusdt@depth@100ms/ethusdt@depth@500ms");
    rig.pass_ms(1_040);
    let snapshots = ["BTCUSDT", "ETHUSDT"]
        .map(|native| rig.get_json(VENUE, &format!("/fapi/v1/depth?symbol={native}&limit=1000")));
    rig.pass_ms(10_000);
    let frames = rig.take_json(conn);
    for (native, snapshot) in ["BTCUSDT", "ETHUSDT"].into_iter().zip(&snapshots) {
        let symbol = if native == "BTCUSDT" { "BTC/USDT:USDT" } else { "ETH/USDT:USDT" };
        let mut book = Book::default();
        book.apply(&snapshot["bids"], &snapshot["asks"]);
        let taken = number(snapshot, "lastUpdateId");
        let (mut at, mut jumps, mut applied) = (None, 0, 0);
        let mut before: Option<u64> = None;
        for frame in frames.iter().map(|frame| &frame["data"]).filter(|data| data["s"] == native) {
            let (first, end, prev) = (number(frame, "U"), number(frame, "u"), number(frame, "pu"));
            assert!(before.is_none_or(|before| prev == before), "SEED=4 {frame}");
            jumps += u32::from(before.is_some_and(|before| first != before + 1));
            before = Some(end);
            if end < taken {
                continue;
            }
            if at.is_none() {
                assert!(first <= taken && end >= taken || prev == taken, "SEED=4 {taken}: {frame}");
            }
            book.apply(&frame["b"], &frame["a"]);
            at = Some(end);
            applied += 1;
            assert_eq!(book.canonical(), truth(&rig, symbol, end), "SEED=4 {symbol} at {end}");
            assert_eq!((&frame["ps"], &frame["st"]), (&value!(native), &value!(1)));
        }
        assert!(applied > 15 && jumps > 10, "{native}: {applied} applied, {jumps} jumps of U");
    }
}

#[test]
fn a_name_that_is_none_is_acknowledged_and_never_heard_of() {
    let mut rig = Rig::new(5);
    for (path, names) in [
        (
            "/ws",
            &["nope@trade", "BTCUSDT@trade", "btcusdt@markPrice", "btcusdt@depth@250ms", "btcusdt@kline_7m"]
                [..],
        ),
        ("/public/ws", &["btcusdt@aggTrade", "btcusdt@kline_1m", "btcusdt@markPrice@1s"][..]),
        ("/market/ws", &["btcusdt@depth@100ms", "btcusdt@bookTicker", "btcusdt@avgPrice", "!ticker"][..]),
    ] {
        let conn = rig.open(VENUE, path);
        subscribe(&mut rig, conn, names);
        let quiet = rig.take(conn);
        assert_eq!(quiet, [r#"{"result":null,"id":1}"#], "{path}");
        rig.pass_ms(4_000);
        let heard = rig.take(conn);
        let heard: Vec<_> = heard.iter().filter(|frame| !frame.contains("24hrTicker")).collect();
        assert!(heard.is_empty(), "{path}: {heard:?}");
        rig.send(VENUE, conn, r#"{"method":"LIST_SUBSCRIPTIONS","id":"x"}"#);
        let listed = serde_json::to_string(names).expect("names");
        assert_eq!(rig.take(conn).last(), Some(&format!(r#"{{"result":{listed},"id":"x"}}"#)));
    }
    let conn = rig.open(VENUE, "/ws/nope@depth");
    rig.pass_ms(2_000);
    assert_eq!(rig.take(conn).len(), 0);
    assert_eq!(rig.ends.get(&conn), None);
}

#[test]
fn streams_are_told_plain_or_wrapped_and_requests_are_answered_by_id() {
    let mut rig = Rig::new(6);
    let conn = rig.open(VENUE, "/stream?streams=btcusdt@trade/ethusdt@bookTicker");
    rig.pass_ms(3_000);
    let frames = rig.take_json(conn);
    assert!(
        frames
            .iter()
            .all(|frame| frame["stream"] == "btcusdt@trade" || frame["stream"] == "ethusdt@bookTicker")
    );
    assert!(frames.iter().any(|frame| frame["data"]["e"] == "trade"));
    let mut ask = |text: &str| {
        rig.pass_ms(1_000);
        rig.take(conn);
        rig.send(VENUE, conn, text);
        rig.take(conn).first().cloned().unwrap_or_default()
    };
    assert_eq!(ask(r#"{"method":"GET_PROPERTY","params":["combined"],"id":2}"#), r#"{"result":true,"id":2}"#);
    assert_eq!(
        ask(r#"{"method":"SET_PROPERTY","params":["combined",false],"id":3}"#),
        r#"{"result":null,"id":3}"#
    );
    assert_eq!(
        ask(r#"{"method":"GET_PROPERTY","params":["other"],"id":4}"#),
        r#"{"code":0,"msg":"Unknown property","id":4}"#
    );
    assert!(ask(r#"{"method":"SUBSCRIBE","params":"x"}"#).starts_with(r#"{"result":null,"id":null}"#));
    assert!(
        ask(r#"{"method":"SUBSCRIBE","params":[1],"id":5}"#)
            .starts_with(r#"{"code":2,"msg":"Invalid request: "#)
    );
    let long = format!(r#"{{"method":"SUBSCRIBE","params":[],"id":"{}"}}"#, "x".repeat(37));
    assert!(ask(&long).starts_with(r#"{"code":2,"msg":"Invalid request: request ID"#));
    assert!(ask("nothing").starts_with(r#"{"code":3,"msg":"Invalid JSON: "#));
    assert!(ask(r#"{"method":"LIST","id":6}"#).contains("unknown variant `LIST`"));
    assert_eq!(
        ask(r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":7}"#),
        r#"{"result":null,"id":7}"#
    );
    rig.pass_ms(3_000);
    let frames = rig.take_json(conn);
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame["e"].is_null() && frame["u"].is_u64()));
    for (path, status) in [("/other", 404), ("/wsx", 404), ("/public", 404), ("/private/ws/none", 400)] {
        let conn = rig.open(VENUE, path);
        assert_eq!(rig.ends.get(&conn), Some(&End::Refused(status)), "{path}");
    }
}

#[test]
fn aggregates_cover_all_trades_and_rest_tells_the_same() {
    let mut rig = Rig::new(7);
    for (paths, route) in [(["/ws", "/ws"], "/api/v3"), (["/public/ws", "/market/ws"], "/fapi/v1")] {
        let [trades, aggregates] = paths.map(|path| rig.open(VENUE, path));
        subscribe(&mut rig, trades, &["ethusdt@trade"]);
        subscribe(&mut rig, aggregates, &["ethusdt@aggTrade"]);
        rig.pass_ms(20_000);
        let trades = rig.take_json(trades).split_off(1);
        let aggregates = rig.take_json(aggregates).split_off(1);
        assert!(trades.len() > 100 && aggregates.len() < trades.len());
        let mut next = trades.iter();
        for one in &aggregates {
            let own: Vec<_> = next
                .by_ref()
                .take(usize::try_from(number(one, "l") - number(one, "f") + 1).expect("small"))
                .collect();
            assert_eq!(
                (number(own[0], "t"), number(own[own.len() - 1], "t")),
                (number(one, "f"), number(one, "l"))
            );
            assert_eq!(own.iter().map(|trade| decimal(&trade["q"])).sum::<Decimal>(), decimal(&one["q"]));
            assert!(own.iter().all(|trade| trade["p"] == one["p"] && trade["m"] == one["m"]));
        }
        let from = number(&aggregates[3], "a");
        let rest = rig.get_json(VENUE, &format!("{route}/aggTrades?symbol=ETHUSDT&fromId={from}&limit=50"));
        for (row, event) in rest.as_array().expect("rows").iter().zip(&aggregates[3..53]) {
            for name in ["a", "p", "q", "f", "l", "T", "m"] {
                assert_eq!(row[name], event[name]);
            }
        }
    }
}

#[test]
fn tickers_marks_and_candles_come_at_their_own_pace() {
    let mut rig = Rig::new(8);
    let spot = rig.open(VENUE, "/ws");
    subscribe(
        &mut rig,
        spot,
        &["ethusdt@ticker", "ethusdt@miniTicker", "ethusdt@kline_1m", "ethusdt@avgPrice", "!miniTicker@arr"],
    );
    let usdm = rig.open(VENUE, "/market/ws");
    subscribe(
        &mut rig,
        usdm,
        &[
            "btcusdt@markPrice",
            "btcusdt@markPrice@1s",
            "!markPrice@arr@1s",
            "!ticker@arr",
            "btcusdt@forceOrder",
        ],
    );
    for _ in 0..7 {
        rig.pass_ms(15_000);
        rig.input(VENUE, FrontInput::Pong { conn: spot });
    }
    rig.pass_ms(500);
    let count = |frames: &[Value], event: &str| frames.iter().filter(|frame| frame["e"] == event).count();
    let frames = rig.take_json(spot);
    assert_eq!(["24hrTicker", "24hrMiniTicker", "avgPrice"].map(|event| count(&frames, event)), [105; 3]);
    assert_eq!(frames.iter().filter(|frame| frame.as_array().is_some_and(|all| all.len() == 2)).count(), 105);
    let candles: Vec<&Value> =
        frames.iter().filter(|frame| frame["e"] == "kline").map(|frame| &frame["k"]).collect();
    let closed: Vec<_> =
        candles.iter().filter(|k| k["x"] == true).map(|k| k["t"].as_i64().expect("ms")).collect();
    // 1_700_000_000 is 20 s into its minute.
    assert_eq!(closed, [1_699_999_980_000, 1_700_000_040_000]);
    let candles: Vec<&Value> = candles.into_iter().filter(|k| k["n"] != 0 || k["f"] != -1).collect();
    assert!(candles.len() > 90);
    for pair in candles.windows(2).filter(|pair| pair[0]["x"] == true) {
        assert_eq!(number(pair[0], "L") + 1, number(pair[1], "f"), "candles share no trade and lose none");
    }
    for k in &candles {
        assert_eq!(number(k, "L") + 1 - number(k, "f"), number(k, "n"));
        assert!(decimal(&k["V"]) <= decimal(&k["v"]) && decimal(&k["Q"]) <= decimal(&k["q"]));
    }
    let frames = rig.take_json(usdm);
    let marks = count(&frames, "markPriceUpdate");
    assert_eq!((marks, count(&frames, "forceOrder")), (105 + 35, 0));
    assert_eq!(frames.iter().filter(|frame| frame[0]["e"] == "markPriceUpdate").count(), 105);
    assert_eq!(frames.iter().filter(|frame| frame[0]["e"] == "24hrTicker").count(), 105);
}

#[test]
fn best_levels_and_partial_books_are_the_top_of_the_book() {
    let mut rig = Rig::new(9);
    let spot = rig.open(VENUE, "/stream?streams=btcusdt@bookTicker/btcusdt@depth5@100ms");
    let usdm = rig.open(VENUE, "/public/stream?streams=btcusdt@bookTicker/btcusdt@depth5@100ms/!bookTicker");
    rig.pass_ms(4_000);
    for (conn, symbol) in [(spot, "BTC/USDT"), (usdm, "BTC/USDT:USDT")] {
        let (mut tops, mut partials) = (0, 0);
        let mut last = (Value::Null, Value::Null);
        for frame in rig.take_json(conn) {
            let data = &frame["data"];
            let seq = data["u"].as_u64().or(data["lastUpdateId"].as_u64()).expect("a number");
            if data["s"] == "ETHUSDT" {
                continue;
            }
            let lines = truth(&rig, symbol, seq);
            let levels = |mark: &str, count: usize| -> Vec<String> {
                lines.lines().filter(|line| line.starts_with(mark)).take(count).map(str::to_string).collect()
            };
            let shown = |mark: &str, price: &Value, qty: &Value| {
                format!("{mark}{},{}", decimal(price).normalize(), decimal(qty).normalize())
            };
            if frame["stream"] == "btcusdt@depth5@100ms" {
                let (bids, asks) = if data["lastUpdateId"].is_u64() { ("bids", "asks") } else { ("b", "a") };
                for (mark, name) in [("b,", bids), ("a,", asks)] {
                    let own: Vec<String> = data[name]
                        .as_array()
                        .expect("levels")
                        .iter()
                        .map(|l| shown(mark, &l[0], &l[1]))
                        .collect();
                    assert_eq!(own, levels(mark, 5), "SEED=9 {symbol} at {seq}");
                }
                partials += 1;
            } else {
                assert_eq!(shown("b,", &data["b"], &data["B"]), levels("b,", 1)[0]);
                assert_eq!(shown("a,", &data["a"], &data["A"]), levels("a,", 1)[0]);
                if frame["stream"] == "btcusdt@bookTicker" {
                    let now = (value!([data["b"], data["B"]]), value!([data["a"], data["A"]]));
                    assert_ne!(last, now, "told again without a change");
                    last = now;
                    tops += 1;
                }
            }
        }
        assert!(tops > 20 && partials > 30, "{symbol}: {tops} tops, {partials} partials");
    }
}

#[test]
fn the_venue_pings_hangs_up_on_the_silent_and_ends_the_old() {
    let limits = BinanceLimits { age_max: Duration::from_secs(1_500), ..BinanceLimits::default() };
    let mut rig = Rig::with(SimConfig { rate: 1, binance_limits: limits, ..SimConfig::new(1, start()) });
    let silent = ["/ws", "/ws-api/v3", "/market/ws"].map(|path| rig.open(VENUE, path));
    let awake = rig.open(VENUE, "/public/ws");
    rig.pass_ms(59_000);
    assert_eq!(silent.map(|conn| rig.pings.get(&conn).copied()), [Some(2), Some(2), None]);
    rig.pass_ms(2_000);
    assert_eq!(
        silent.map(|conn| rig.ends.get(&conn).cloned()),
        [Some(End::Closed(None)), Some(End::Closed(None)), None]
    );
    for _ in 0..7 {
        rig.pass_ms(180_000);
        rig.input(VENUE, FrontInput::Pong { conn: awake });
    }
    assert_eq!((rig.ends.get(&silent[2]), rig.ends.get(&awake)), (Some(&End::Closed(None)), None));
    rig.pass_ms(200_000);
    assert_eq!(rig.ends.get(&awake), Some(&End::Closed(Some(1001))));
}

#[test]
fn who_says_too_much_is_cut_off() {
    let mut rig = Rig::new(1);
    for (path, most) in [("/ws", 5), ("/market/ws", 10)] {
        let conn = rig.open(VENUE, path);
        for id in 0..most - 2 {
            rig.send(VENUE, conn, &format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#));
        }
        // Pings and pongs count too.
        rig.input(VENUE, FrontInput::Ping { conn });
        rig.input(VENUE, FrontInput::Pong { conn });
        assert_eq!(rig.ends.get(&conn), None, "{path}");
        rig.input(VENUE, FrontInput::Ping { conn });
        assert_eq!(rig.ends.get(&conn), Some(&End::Closed(Some(1008))), "{path}");
        rig.pass_ms(1_000);
    }
    let limits = BinanceLimits { streams_max: 2, connections_per_5m: 3, ..BinanceLimits::default() };
    let mut rig = Rig::with(SimConfig { binance_limits: limits, ..SimConfig::new(6, start()) });
    let conn = rig.open(VENUE, "/ws/btcusdt@trade");
    subscribe(&mut rig, conn, &["btcusdt@depth", "ethusdt@depth"]);
    assert!(rig.take(conn)[0].starts_with(r#"{"code":2,"msg":"Invalid request: too many"#));
    subscribe(&mut rig, conn, &["btcusdt@trade", "ethusdt@depth"]);
    assert_eq!(rig.take(conn), [r#"{"result":null,"id":1}"#]);
    let more = [rig.open(VENUE, "/ws"), rig.open(VENUE, "/ws"), rig.open(VENUE, "/ws")];
    let refused = more.map(|conn| rig.ends.get(&conn).cloned());
    assert_eq!(refused, [None, None, Some(End::Refused(429))]);
    let futures = rig.open(VENUE, "/market/ws");
    assert_eq!(rig.ends.get(&futures), None, "spot's limit is spot's alone");
}

#[test]
fn weights_fill_windows_of_the_clock_then_429_then_a_ban() {
    let mut rig = Rig::with(SimConfig { rate: 0, ..SimConfig::new(1, start()) });
    let used = |response: &Response, name: &str| response.header(name).map(str::to_string);
    let mut total = 0;
    for (limit, weight) in [(100, 5), (101, 25), (1_000, 50), (1_001, 250)] {
        total += weight;
        let response = rig.get(VENUE, &format!("/api/v3/depth?symbol=BTCUSDT&limit={limit}"));
        assert_eq!(used(&response, "X-MBX-USED-WEIGHT-1M"), Some(total.to_string()));
        assert_eq!(response.header(RUN_HEADER), Some(rig.sim.run()));
    }
    for (limit, weight) in [(50, 2), (100, 5), (500, 10), (1_000, 20)] {
        let response = rig.get(VENUE, &format!("/fapi/v1/depth?symbol=BTCUSDT&limit={limit}"));
        let total = [2, 5, 10, 20].iter().filter(|one| **one <= weight).sum::<i32>();
        assert_eq!(used(&response, "x-mbx-used-weight-1m"), Some(total.to_string()));
    }
    // 1_700_000_000 is 20 s into its minute, and so is the window.
    for _ in 0..(6_000 - total) / 80 {
        assert_eq!(rig.get(VENUE, "/api/v3/ticker/24hr").status, 200);
    }
    rig.pass_ms(10_000);
    let response = rig.get(VENUE, "/api/v3/ticker/24hr");
    assert_eq!((code(&response), response.header("retry-after")), ((429, -1003), Some("31")));
    assert_eq!(rig.get(VENUE, "/fapi/v1/ping").status, 200, "futures have a budget of their own");
    let statuses: Vec<u16> = (0..20).map(|_| rig.get(VENUE, "/api/v3/ticker/24hr").status).collect();
    assert_eq!(statuses[..19], [429; 19]);
    let banned = rig.get(VENUE, "/api/v3/ping");
    assert_eq!((statuses[19], code(&banned), banned.header("retry-after")), (418, (418, -1003), Some("121")));
    let peer = IpAddr::from([10, 0, 0, 1]);
    let request = Request { method: "GET", path: "/api/v3/ping", query: "", headers: &[], body: b"", peer };
    rig.input(VENUE, FrontInput::Request { id: 9_999, request });
    assert_eq!(
        rig.responses[&9_999].as_ref().map(|response| response.status),
        Some(200),
        "another address is free"
    );
    rig.pass_ms(31_000);
    assert_eq!(rig.get(VENUE, "/api/v3/ping").status, 418, "a new window ends no ban");
    rig.pass_ms(90_000);
    assert_eq!(rig.get(VENUE, "/api/v3/ping").status, 200);

    let spot = ProductLimits { weight_per_minute: 5, ..BinanceLimits::default().spot };
    let limits = BinanceLimits { spot, ..BinanceLimits::default() };
    let mut rig = Rig::with(SimConfig { rate: 0, binance_limits: limits, ..SimConfig::new(1, start()) });
    assert_eq!(rig.get(VENUE, "/api/v3/depth?symbol=BTCUSDT").status, 200);
    assert_eq!(rig.get(VENUE, "/api/v3/ping").status, 429);
    rig.pass_ms(40_000);
    assert_eq!(rig.get(VENUE, "/api/v3/ping").status, 200, "the window ended with the minute of the clock");
}

#[test]
fn faults_strike_one_product_and_snapshots_and_restarts_begin_again() {
    let mut rig = Rig::new(2);
    let spot = rig.open(VENUE, "/ws/btcusdt@depth@100ms");
    let usdm = rig.open(VENUE, "/public/ws/btcusdt@depth@100ms");
    rig.pass_ms(1_000);
    let now = rig.now;
    let strike = |fault, name: &str| Command { target: Target::Stream(name.to_string()), fault };
    rig.sim.venue_mut(VENUE).expect("a venue").inject(now, strike(Fault::Drop, "public/btcusdt@depth@100ms"));
    rig.pass_ms(2_000);
    let gaps = |frames: &[Value], first: &str, after: u64| {
        frames.windows(2).filter(|two| number(&two[1], first) != number(&two[0], "u") + after).count()
    };
    assert_eq!(gaps(&rig.take_json(spot), "U", 1), 0);
    assert_eq!(gaps(&rig.take_json(usdm), "pu", 0), 1);
    let venue = rig.sim.venue_mut(VENUE).expect("a venue");
    venue.inject(now, Command::all(Fault::RefuseSnapshot(503)));
    assert_eq!(code(&rig.get(VENUE, "/fapi/v1/depth?symbol=BTCUSDT")), (503, -1008));
    let venue = rig.sim.venue_mut(VENUE).expect("a venue");
    venue.inject(now, Command::all(Fault::RefuseSnapshot(429)));
    let limited = rig.get(VENUE, "/api/v3/depth?symbol=BTCUSDT");
    assert_eq!((code(&limited), limited.header("Retry-After")), ((429, -1003), Some("1")));
    let venue = rig.sim.venue_mut(VENUE).expect("a venue");
    venue.inject(now, Command::all(Fault::SlowSnapshot(Duration::from_secs(1))));
    let slow = rig.ask(VENUE, "GET", "/api/v3/depth?symbol=BTCUSDT", &[], "");
    assert!(!rig.responses.contains_key(&slow));
    rig.pass_ms(1_100);
    assert_eq!(rig.responses[&slow].as_ref().map(|response| response.status), Some(200));

    let before = number(&rig.get_json(VENUE, "/fapi/v1/depth?symbol=BTCUSDT"), "lastUpdateId");
    let now = rig.now;
    rig.sim
        .venue_mut(VENUE)
        .expect("a venue")
        .inject(now, Command::all(Fault::Restart(Duration::from_millis(500))));
    rig.drain();
    assert_eq!([spot, usdm].map(|conn| rig.ends.get(&conn).cloned()), [Some(End::Cut), Some(End::Cut)]);
    rig.pass_ms(600);
    let after = number(&rig.get_json(VENUE, "/fapi/v1/depth?symbol=BTCUSDT"), "lastUpdateId");
    assert!(after < before, "{before} then {after}");
    let again = rig.open(VENUE, "/public/ws/btcusdt@depth@100ms");
    rig.pass_ms(1_000);
    let frames = rig.take_json(again);
    assert!(frames.len() > 5 && gaps(&frames, "pu", 0) == 0);
}
