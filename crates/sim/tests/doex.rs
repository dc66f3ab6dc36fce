//! Doex as a client sees it.

mod common;

use std::time::Duration;

use common::{End, Naive, PEER, Rig, json, start, text};
use serde_json::{Value, json as value};
use venuekit_sign::{Credentials, doex::sign};
use venuekit_sim::{DoexLimits, FrontInput, RUN_HEADER, SimConfig};
use venuekit_wire::doex::ServerFrame;

fn keys() -> Credentials {
    SimConfig::new(1, start()).keys.doex
}

fn signed(rig: &mut Rig, path: &str, params: &[(&str, &str)], keys: &Credentials) -> venuekit_sim::Response {
    let signed = sign(keys, params);
    let target = format!("{path}?{}", signed.query);
    rig.get_with("doex", &target, &[("x-doex-apikey", &keys.key)])
}

fn code(response: &venuekit_sim::Response) -> (u16, i64) {
    (response.status, json(response)["code"].as_i64().expect("a code"))
}

#[test]
fn public_routes_answer_in_the_shapes_of_the_card() {
    let mut rig = Rig::new(1);
    rig.pass_ms(5_000);
    assert_eq!(text(&rig.get("doex", "/v1/ping")), "{}");
    let time = rig.get_json("doex", "/v1/time");
    assert_eq!(time, value!({"serverTime": 1_700_000_005_000_i64}));
    let instruments = rig.get("doex", "/v1/instruments");
    let list: Vec<venuekit_wire::doex::Instrument<'_>> =
        serde_json::from_slice(&instruments.body).expect("a list");
    assert_eq!(list.len(), 5);
    assert!(text(&instruments).starts_with(
        r#"[{"symbol":"BTCUSDT","kind":"spot","base":"BTC","quote":"USDT","settle":"USDT","tickSize":"0.01","stepSize":"0.00001","minQty":"0.00001","maxQty":"9000.00000","minNotional":"5","contractSize":"1","inverse":false,"maxLeverage":"1","status":"trading","makerFee":"0.001","takerFee":"0.001"},"#
    ));
    for (prefix, symbol) in [("/v1", "DOGEUSDT"), ("/v1/futures", "ETHUSDT")] {
        let depth = rig.get_json("doex", &format!("{prefix}/depth?symbol={symbol}&limit=5"));
        assert_eq!(depth["bids"].as_array().map(Vec::len), Some(5));
        let trades = rig.get("doex", &format!("{prefix}/trades?symbol={symbol}&limit=7"));
        let trades: Vec<venuekit_wire::doex::RestTrade<'_>> =
            serde_json::from_slice(&trades.body).expect("trades");
        assert!(trades.windows(2).all(|pair| pair[0].id + 1 == pair[1].id) && trades.len() == 7);
        let klines = rig.get("doex", &format!("{prefix}/klines?symbol={symbol}&interval=1m"));
        let klines: Vec<venuekit_wire::doex::Candle<'_>> =
            serde_json::from_slice(&klines.body).expect("candles");
        assert!(!klines.is_empty());
    }
    let mark = rig.get("doex", "/v1/futures/mark?symbol=BTCUSDT");
    let mark: venuekit_wire::doex::MarkPrice<'_> = serde_json::from_slice(&mark.body).expect("a mark");
    assert!(mark.next_funding_time.is_some());
    for (target, expected) in [
        ("/v1/depth", (400, -1102)),
        ("/v1/depth?symbol=NOPE", (400, -1121)),
        ("/v1/futures/depth?symbol=DOGEUSDT", (400, -1121)),
        ("/v1/depth?symbol=BTCUSDT&limit=5001", (400, -1130)),
        ("/v1/klines?symbol=BTCUSDT&interval=7m", (400, -1130)),
        ("/v1/mark?symbol=BTCUSDT", (404, -1000)),
        ("/nothing", (404, -1000)),
    ] {
        assert_eq!(code(&rig.get("doex", target)), expected, "{target}");
    }
}

/// Every stream and snapshot rebuilt naively is the engine's book, at every number.
#[test]
fn snapshot_and_diffs_rebuild_the_book() {
    for (stream, route, symbol) in [
        ("btcusdt@depth", "/v1/depth?symbol=BTCUSDT", "BTC/USDT"),
        ("dogeusdt@depth", "/v1/depth?symbol=DOGEUSDT", "DOGE/USDT"),
        ("futures:ethusdt@depth", "/v1/futures/depth?symbol=ETHUSDT", "ETH/USDT:USDT"),
    ] {
        let mut rig = Rig::new(3);
        rig.pass_ms(1_000);
        let conn = rig.open("doex", &format!("/ws/{stream}"));
        rig.pass_ms(1_000);
        let snapshot = rig.get_json("doex", &format!("{route}&limit=1000"));
        rig.pass_ms(4_000);
        let mut book = Naive::default();
        book.apply(&snapshot["bids"], &snapshot["asks"]);
        let mut last = snapshot["lastUpdateId"].as_u64().expect("an id");
        let (mut dropped, mut applied) = (0, 0);
        for diff in rig.take_json(conn) {
            let (first, to) = (diff["U"].as_u64().expect("U"), diff["u"].as_u64().expect("u"));
            assert!(first <= to);
            if to <= last {
                dropped += 1;
                continue;
            }
            assert_eq!(first, last + 1, "SEED=3 {symbol}");
            book.apply(&diff["b"], &diff["a"]);
            last = to;
            applied += 1;
            let truth = rig.sim.venue("doex").and_then(|v| v.book_at(symbol, 0, to)).expect("kept");
            assert_eq!(book.canonical(), truth.canonical(), "SEED=3 {symbol} at {to}");
        }
        assert!(dropped > 10 && applied > 100, "{dropped} dropped, {applied} applied");
    }
}

#[test]
fn trades_are_numbered_without_a_hole_and_rest_fills_one() {
    let mut rig = Rig::new(4);
    let conn = rig.open("doex", "/ws/futures:btcusdt@trade");
    rig.pass_ms(20_000);
    let trades = rig.take_json(conn);
    assert!(trades.len() > 200);
    let ids: Vec<u64> = trades.iter().map(|trade| trade["t"].as_u64().expect("an id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    let from = ids[50];
    let rest = rig.get_json("doex", &format!("/v1/futures/trades?symbol=BTCUSDT&fromId={from}&limit=100"));
    for (row, event) in rest.as_array().expect("rows").iter().zip(&trades[50..150]) {
        assert_eq!(
            (&row["id"], &row["price"], &row["qty"], &row["time"], &row["isBuyerMaker"]),
            (&event["t"], &event["p"], &event["q"], &event["T"], &event["m"])
        );
    }
}

#[test]
fn tickers_marks_and_candles_come_each_second_and_candles_close() {
    let mut rig = Rig::new(5);
    let conn = rig.open("doex", "/ws");
    rig.send("doex", conn, r#"{"method":"SUBSCRIBE","params":["ethusdt@ticker","futures:ethusdt@mark","ethusdt@kline_1m"],"id":7}"#);
    rig.pass_ms(105_500);
    let frames = rig.take(conn);
    assert_eq!(frames[0], r#"{"result":null,"id":7}"#);
    let (mut tickers, mut marks, mut opens, mut closed) = (0, 0, Vec::new(), Vec::new());
    for frame in &frames[1..] {
        match ServerFrame::parse(frame.as_bytes()).expect(frame) {
            ServerFrame::Ticker(_) => tickers += 1,
            ServerFrame::Mark(_) => marks += 1,
            ServerFrame::Kline(event) if event.kline.closed => closed.push(event.kline.open_time.0.millis()),
            ServerFrame::Kline(event) => opens.push(event.kline.open_time.0.millis()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((tickers, marks, opens.len()), (105, 105, 105));
    // 1_700_000_000 is 20 s into its minute.
    assert_eq!(closed, [1_699_999_980_000, 1_700_000_040_000]);
    assert!(opens.is_sorted());
}

#[test]
fn requests_are_answered_by_id_and_limits_hold() {
    let mut rig = Rig::new(6);
    let conn = rig.open("doex", "/ws");
    let ask = |rig: &mut Rig, text: &str| {
        rig.pass_ms(1_000);
        rig.take(conn);
        rig.send("doex", conn, text);
        rig.take(conn).first().cloned().unwrap_or_default()
    };
    let refused =
        |code, msg: &str, id: &str| format!(r#"{{"error":{{"code":{code},"msg":"{msg}"}},"id":{id}}}"#);
    assert_eq!(
        ask(&mut rig, r#"{"method":"SUBSCRIBE","params":["nope@trade"],"id":1}"#),
        refused(-1121, "unknown stream", "1")
    );
    assert_eq!(
        ask(&mut rig, r#"{"method":"SUBSCRIBE","params":["btcusdt@mark"],"id":2}"#),
        refused(-1121, "unknown stream", "2")
    );
    assert_eq!(
        ask(&mut rig, r#"{"method":"LIST","params":[],"id":3}"#),
        refused(-1100, "unknown method", "3")
    );
    assert_eq!(ask(&mut rig, "not json"), refused(-1130, "not a request", "null"));
    assert_eq!(
        ask(&mut rig, r#"{"method":"SUBSCRIBE","params":["btcusdt@depth"],"id":4}"#),
        r#"{"result":null,"id":4}"#
    );
    rig.pass_ms(500);
    assert!(!rig.take(conn).is_empty());
    assert_eq!(
        ask(&mut rig, r#"{"method":"UNSUBSCRIBE","params":["btcusdt@depth"],"id":5}"#),
        r#"{"result":null,"id":5}"#
    );
    rig.pass_ms(2_000);
    assert_eq!(rig.take(conn), Vec::<String>::new());
    for id in 0..5 {
        rig.send("doex", conn, &format!(r#"{{"method":"UNSUBSCRIBE","params":[],"id":{id}}}"#));
    }
    assert_eq!(rig.ends.get(&conn), None);
    rig.send("doex", conn, r#"{"method":"UNSUBSCRIBE","params":[],"id":6}"#);
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(Some(1008))));

    let limits = DoexLimits { streams_max: 2, ..DoexLimits::default() };
    let mut rig = Rig::with(SimConfig { doex_limits: limits, ..SimConfig::new(6, start()) });
    let conn = rig.open("doex", "/ws/btcusdt@trade");
    rig.send("doex", conn, r#"{"method":"SUBSCRIBE","params":["btcusdt@depth","ethusdt@depth"],"id":1}"#);
    rig.send("doex", conn, r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","ethusdt@depth"],"id":2}"#);
    assert_eq!(
        rig.take(conn),
        [refused(-1128, "too many streams", "1"), r#"{"result":null,"id":2}"#.to_string()]
    );
    for (path, end) in [("/ws/nope", 400), ("/other", 404), ("/wsx", 400)] {
        let conn = rig.open("doex", path);
        assert_eq!(rig.ends.get(&conn), Some(&End::Refused(end)), "{path}");
    }
}

#[test]
fn signed_requests_are_checked() {
    let (mut rig, keys) = (Rig::new(1), keys());
    let now = "1700000000000";
    let balances = signed(&mut rig, "/v1/account/balances", &[("timestamp", now)], &keys);
    let assets: venuekit_wire::doex::SpotBalances<'_> =
        serde_json::from_slice(&balances.body).expect("balances");
    assert_eq!(assets.assets.len(), 4);
    let path = "/v1/account/balances";
    let target = |query: &str| format!("{path}?{query}");
    let good = sign(&keys, &[("timestamp", now)]).query;
    let with = |rig: &mut Rig, query: &str, headers: &[(&str, &str)]| {
        code(&rig.get_with("doex", &target(query), headers))
    };
    assert_eq!(with(&mut rig, &good, &[]), (401, -2014));
    assert_eq!(with(&mut rig, &good, &[("X-DOEX-APIKEY", "other")]), (401, -2015));
    let header = [("X-DOEX-APIKEY", keys.key.as_str())];
    assert_eq!(with(&mut rig, "timestamp=1700000000000", &header), (400, -1022));
    assert_eq!(with(&mut rig, "", &header), (400, -1102));
    let wrong = Credentials::new(keys.key.clone(), "wrong");
    assert_eq!(code(&signed(&mut rig, path, &[("timestamp", now)], &wrong)), (400, -1022));
    let at = |rig: &mut Rig, stamp: &str, window: &str| {
        let response = signed(rig, path, &[("timestamp", stamp), ("recvWindow", window)], &keys);
        if response.status == 200 { (200, 0) } else { code(&response) }
    };
    for (stamp, window, expected) in [
        ("1699999995000", "5000", (200, 0)),
        ("1699999994999", "5000", (400, -1021)),
        ("1699999994999", "6000", (200, 0)),
        ("1700000001000", "5000", (200, 0)),
        ("1700000001001", "5000", (400, -1021)),
        (now, "60001", (400, -1130)),
        ("now", "5000", (400, -1102)),
    ] {
        assert_eq!(at(&mut rig, stamp, window), expected, "{stamp} {window}");
    }
}

#[test]
fn the_account_reads_itself_and_its_stream_agrees() {
    let (mut rig, keys) = (Rig::new(1), keys());
    let header = [("X-DOEX-APIKEY", keys.key.as_str())];
    let post = rig.ask("doex", "POST", "/v1/user-stream", &header, "");
    let key = json(&rig.responses.remove(&post).flatten().expect("answered"))["listenKey"].clone();
    let key = key.as_str().expect("a key").to_string();
    assert_eq!(key.len(), 64);
    let conn = rig.open("doex", &format!("/ws/{key}"));
    assert_eq!(rig.ends.get(&conn), None);
    rig.pass_ms(60_000);
    let frames = rig.take(conn);
    let mut orders = std::collections::BTreeMap::new();
    let mut balances = std::collections::BTreeMap::new();
    let (mut fills, mut positions) = (0, 0);
    for frame in &frames {
        match ServerFrame::parse(frame.as_bytes()).expect(frame) {
            ServerFrame::Order(event) => {
                let key =
                    (event.wallet.as_str().to_string(), event.order.symbol.to_string(), event.order.order_id);
                fills += u32::from(event.fill.is_some());
                let state: Value = serde_json::from_str(frame).expect("JSON");
                orders.insert(key, (event.order.status.as_str().to_string(), state["executedQty"].clone()));
            }
            ServerFrame::Balance(event) => {
                for change in event.balances {
                    let cell = (change.free.as_str().to_string(), change.locked.as_str().to_string());
                    balances.insert((event.wallet.as_str().to_string(), change.asset.to_string()), cell);
                }
            }
            ServerFrame::Position(_) => positions += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(fills > 20 && positions > 20, "{fills} fills, {positions} positions");
    let stamp = (1_700_000_000_000_i64 + 60_000).to_string();
    let params = [("timestamp", stamp.as_str())];
    let spot = json(&signed(&mut rig, "/v1/account/balances", &params, &keys));
    for asset in spot["assets"].as_array().expect("assets") {
        let told = &balances[&("spot".to_string(), asset["asset"].as_str().expect("text").to_string())];
        assert_eq!(
            (&told.0, &told.1),
            (
                &asset["free"].as_str().expect("text").to_string(),
                &asset["locked"].as_str().expect("text").to_string()
            )
        );
    }
    for (route, wallet) in [("/v1/orders/open", "spot"), ("/v1/futures/orders/open", "futures")] {
        let open = json(&signed(&mut rig, route, &params, &keys));
        let open: Vec<_> = open
            .as_array()
            .expect("orders")
            .iter()
            .map(|order| {
                let id = order["orderId"].as_u64().expect("an id");
                let key = (wallet.to_string(), order["symbol"].as_str().expect("text").to_string(), id);
                (key, (order["status"].as_str().expect("text").to_string(), order["executedQty"].clone()))
            })
            .collect();
        let live = |status: &str| matches!(status, "NEW" | "PARTIALLY_FILLED");
        let told: Vec<_> =
            orders.iter().filter(|(key, (status, _))| key.0 == wallet && live(status)).collect();
        assert_eq!(
            open.iter().map(|(k, v)| (k, v)).collect::<std::collections::BTreeMap<_, _>>(),
            told.into_iter().collect()
        );
        assert!(!open.is_empty());
    }
    for route in ["/v1/margin/account", "/v1/futures/balances", "/v1/account/fees", "/v1/account/permissions"]
    {
        assert_eq!(signed(&mut rig, route, &params, &keys).status, 200, "{route}");
    }
    let positions = signed(&mut rig, "/v1/futures/positions", &params, &keys);
    let positions: Vec<venuekit_wire::doex::Position<'_>> =
        serde_json::from_slice(&positions.body).expect("positions");
    assert_eq!(positions.len(), 2);
    let fills = signed(&mut rig, "/v1/fills", &[("symbol", "ETHUSDT"), ("timestamp", &stamp)], &keys);
    let fills: Vec<venuekit_wire::doex::Fill<'_>> = serde_json::from_slice(&fills.body).expect("fills");
    assert!(fills.windows(2).all(|pair| pair[0].id < pair[1].id) && !fills.is_empty());
}

#[test]
fn a_listen_key_lives_an_hour_from_its_last_renewal() {
    let keys = keys();
    let limits = DoexLimits { listen_key_for: Duration::from_secs(60), ..DoexLimits::default() };
    let mut rig = Rig::with(SimConfig { doex_limits: limits, rate: 5, ..SimConfig::new(1, start()) });
    let header = [("X-DOEX-APIKEY", keys.key.as_str())];
    let status = |rig: &mut Rig, method: &str| {
        let id = rig.ask("doex", method, "/v1/user-stream", &header, "");
        let response = rig.responses.remove(&id).flatten().expect("answered");
        (response.status, json(&response)["listenKey"].as_str().unwrap_or_default().to_string())
    };
    assert_eq!(status(&mut rig, "PUT").0, 400);
    let (_, key) = status(&mut rig, "POST");
    let conn = rig.open("doex", &format!("/ws/{key}"));
    rig.pass_ms(50_000);
    assert_eq!(status(&mut rig, "PUT"), (200, key.clone()));
    assert_eq!(status(&mut rig, "POST"), (200, key.clone()));
    rig.pass_ms(58_000);
    let expired =
        |frames: &[String]| frames.iter().filter(|frame| frame.contains("listenKeyExpired")).count();
    assert_eq!(expired(&rig.take(conn)), 0);
    rig.pass_ms(4_000);
    let frames = rig.take(conn);
    assert_eq!(expired(&frames), 1);
    let last = frames.iter().find(|frame| frame.contains("listenKeyExpired")).expect("one");
    assert!(matches!(ServerFrame::parse(last.as_bytes()), Ok(ServerFrame::ListenKeyExpired(_))));
    let (_, second) = status(&mut rig, "POST");
    assert_ne!(second, key);
    let refused = rig.open("doex", &format!("/ws/{key}"));
    assert_eq!(rig.ends.get(&refused), Some(&End::Refused(400)));
    let conn = rig.open("doex", &format!("/ws/{second}"));
    assert_eq!(status(&mut rig, "DELETE").0, 200);
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(Some(1000))));
}

#[test]
fn the_venue_pings_hangs_up_on_the_silent_and_ends_the_old() {
    let limits = DoexLimits { age_max: Duration::from_secs(600), ..DoexLimits::default() };
    let mut rig = Rig::with(SimConfig { rate: 1, doex_limits: limits, ..SimConfig::new(1, start()) });
    let (silent, awake) = (rig.open("doex", "/ws"), rig.open("doex", "/ws"));
    for _ in 0..4 {
        rig.pass_ms(60_000);
        rig.input("doex", FrontInput::Pong { conn: awake });
    }
    assert_eq!(rig.pings.get(&silent), Some(&3));
    assert_eq!(rig.ends.get(&silent), Some(&End::Closed(None)));
    for _ in 0..6 {
        rig.pass_ms(60_000);
        rig.input("doex", FrontInput::Pong { conn: awake });
    }
    assert_eq!(rig.ends.get(&awake), Some(&End::Closed(Some(1001))));
}

#[test]
fn weights_add_up_to_429_and_then_to_a_ban() {
    let mut rig = Rig::new(1);
    let used =
        |response: &venuekit_sim::Response| response.header("x-doex-used-weight-1m").map(str::to_string);
    let mut total = 0;
    for (limit, weight) in [(100, 1), (101, 5), (1000, 10), (1001, 50)] {
        total += weight;
        let response = rig.get("doex", &format!("/v1/depth?symbol=BTCUSDT&limit={limit}"));
        assert_eq!(used(&response), Some(total.to_string()));
        assert_eq!(response.header(RUN_HEADER), Some(rig.sim.run()));
    }
    for _ in 0..113 {
        total += 10;
        assert_eq!(rig.get("doex", "/v1/instruments").status, 200);
    }
    assert_eq!(total, 1196);
    rig.pass_ms(10_000);
    let response = rig.get("doex", "/v1/instruments");
    assert_eq!((code(&response), response.header("retry-after")), ((429, -1003), Some("51")));
    let mut seen = Vec::new();
    for _ in 0..21 {
        seen.push(rig.get("doex", "/v1/instruments").status);
    }
    assert_eq!(seen.iter().filter(|status| **status == 429).count(), 19);
    assert_eq!(seen.last(), Some(&418));
    let other = std::net::IpAddr::from([10, 0, 0, 1]);
    let request = venuekit_sim::Request {
        method: "GET",
        path: "/v1/ping",
        query: "",
        headers: &[],
        body: b"",
        peer: other,
    };
    rig.input("doex", FrontInput::Request { id: 9_999, request });
    assert_eq!(rig.responses[&9_999].as_ref().map(|r| r.status), Some(200), "{PEER} is banned, not {other}");
    rig.pass_ms(130_000);
    assert_eq!(rig.get("doex", "/v1/ping").status, 200);
}
