//! Binance's account as a client sees it: keys, orders, wallets, and the streams that tell of them.

mod common;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use common::trade::{best, binance_query, code, keys, quiet};
use common::{End, PEER, Rig, json, start, text};
use rust_decimal::Decimal;
use serde_json::{Value, json as value};
use venuekit_sign::{Credentials, hmac_sha256_hex};
use venuekit_sim::wallets::Wallet;
use venuekit_sim::{
    ApiKey, BinanceLimits, Command, Fault, FrontInput, Keys, Permissions, ProductLimits, Request, Response,
    SimConfig,
};

const VENUE: &str = "binance";
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));
const NOW_MS: i64 = 1_700_000_000_000;

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).parse().expect("a decimal")
}

/// A request with a query and a body as they are.
fn raw(rig: &mut Rig, method: &str, target: &str, body: &str, key: Option<&str>) -> Response {
    let headers: Vec<(&str, &str)> = key.into_iter().map(|key| ("x-mbx-apikey", key)).collect();
    let id = rig.ask(VENUE, method, target, &headers, body);
    rig.responses.remove(&id).flatten().expect("answered at once")
}

/// Signs and sends over the WebSocket API; gives the answer.
fn api(rig: &mut Rig, conn: u64, method: &str, params: &[(&str, Value)]) -> Value {
    let keys = keys(VENUE);
    let mut all: Vec<(String, Value)> =
        params.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    all.push(("apiKey".to_string(), keys.key.clone().into()));
    all.push(("timestamp".to_string(), rig.now.wall.millis().into()));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let payload: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let signature = hmac_sha256_hex(keys.secret.expose(), payload.join("&").as_bytes());
    all.push(("signature".to_string(), signature.into()));
    let params: serde_json::Map<String, Value> = all.into_iter().collect();
    rig.take(conn);
    rig.send(VENUE, conn, &value!({"id": "a-1", "method": method, "params": params}).to_string());
    let frames = rig.take_json(conn);
    frames.into_iter().find(|frame| frame["id"] == "a-1").expect("an answer")
}

#[test]
fn signed_requests_are_checked() {
    let (mut rig, keys) = (Rig::quiet(), keys(VENUE));
    let path = "/api/v3/account";
    let signed = |params: &[(&str, &str)], stamp: i64| {
        format!("{path}?{}", binance_query(params, stamp, keys.secret.expose()))
    };
    let mut get = |target: &str, key: Option<&str>| code(&raw(&mut rig, "GET", target, "", key));
    let key = Some(keys.key.as_str());
    assert_eq!(get(&signed(&[], NOW_MS), key), (200, 0));
    assert_eq!(get(&signed(&[], NOW_MS), None), (401, -2014));
    assert_eq!(get(&signed(&[], NOW_MS), Some("other")), (401, -2015));
    assert_eq!(get(path, key), (400, -1102));
    assert_eq!(get(&format!("{path}?timestamp={NOW_MS}"), key), (400, -1022));
    assert_eq!(get(&format!("{}&a=1", signed(&[], NOW_MS)), key), (400, -1022), "the signature stands last");
    let other = format!("{path}?{}", binance_query(&[], NOW_MS, b"other"));
    assert_eq!(get(&other, key), (400, -1022));
    assert_eq!(get(&signed(&[], NOW_MS).replace("signature=", "signature=0"), key), (400, -1022));
    let upper = signed(&[], NOW_MS);
    let (head, hex) = upper.split_once("signature=").expect("signed");
    assert_eq!(get(&format!("{head}signature={}", hex.to_ascii_uppercase()), key), (200, 0));
    for (stamp, window, expected) in [
        (NOW_MS - 5_000, "5000", (200, 0)),
        (NOW_MS - 5_001, "5000", (400, -1021)),
        (NOW_MS - 5_001, "5001", (200, 0)),
        (NOW_MS - 5_001, "5000.9", (400, -1021)),
        (NOW_MS + 999, "5000", (200, 0)),
        (NOW_MS + 1_000, "5000", (400, -1021)),
        (NOW_MS * 1_000, "5000", (200, 0)),
        (NOW_MS, "60001", (400, -1131)),
        (NOW_MS, "x", (400, -1100)),
    ] {
        assert_eq!(get(&signed(&[("recvWindow", window)], stamp), key), expected, "{stamp} {window}");
    }
    // The venue's clock, not the client's, and not the world's.
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").inject(now, Command::all(Fault::Skew(6_000)));
    assert_eq!(code(&raw(&mut rig, "GET", &signed(&[], NOW_MS), "", key)), (400, -1021));
}

/// The text that is signed is what travels: the query, then the body, encoded as they are.
#[test]
fn query_and_body_are_signed_as_one_text_and_the_query_wins() {
    let (mut rig, keys) = (Rig::quiet(), keys(VENUE));
    let (key, secret) = (Some(keys.key.as_str()), keys.secret.expose());
    let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&newClientOrderId=a%2Db";
    let body = format!("side=SELL&quantity=1&price=60000&timestamp={NOW_MS}");
    let signature = hmac_sha256_hex(secret, format!("{query}{body}").as_bytes());
    let target = format!("/api/v3/order?{query}");
    let placed = raw(&mut rig, "POST", &target, &format!("{body}&signature={signature}"), key);
    let placed = json(&placed);
    assert_eq!((&placed["side"], &placed["clientOrderId"]), (&value!("BUY"), &value!("a-b")), "{placed}");
    let wrong = hmac_sha256_hex(secret, format!("{query}&{body}").as_bytes());
    let refused = raw(&mut rig, "POST", &target, &format!("{body}&signature={wrong}"), key);
    assert_eq!(code(&refused), (400, -1022));
    // A percent sign is part of the text, so that signing what it stands for is refused.
    let plain = query.replace("%2D", "-");
    let wrong = hmac_sha256_hex(secret, format!("{plain}{body}").as_bytes());
    let refused = raw(&mut rig, "POST", &target, &format!("{body}&signature={wrong}"), key);
    assert_eq!(code(&refused), (400, -1022));
}

#[test]
fn each_key_may_do_what_it_may_from_where_it_may_until_it_is_revoked() {
    let reader = Credentials::new("read-only", "a-secret");
    let here = Credentials::new("only-here", "a-secret");
    let config = quiet()
        .with_key(VENUE, ApiKey::new(reader.clone(), Permissions::READ))
        .with_key(VENUE, ApiKey::new(here.clone(), Permissions::TRADE).only_from([PEER]));
    let mut rig = Rig::with(config);
    let ask = |rig: &mut Rig, route, params: &[(&str, &str)], keys: &Credentials, peer| {
        let id = rig.binance_ask(route, params, keys, peer);
        rig.responses.remove(&id).flatten().expect("answered")
    };
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01"),
        ("price", "60000"),
    ];
    let account = ("GET", "/api/v3/account");
    assert_eq!(json(&ask(&mut rig, account, &[], &reader, PEER))["canTrade"], false);
    for path in ["/api/v3/order", "/fapi/v1/order"] {
        assert_eq!(code(&ask(&mut rig, ("POST", path), &order, &reader, PEER)), (401, -2015));
    }
    let countdown = [("symbol", "BTCUSDT"), ("countdownTime", "1")];
    assert_eq!(
        code(&ask(&mut rig, ("POST", "/fapi/v1/countdownCancelAll"), &countdown, &reader, PEER)),
        (401, -2015)
    );
    assert_eq!(code(&ask(&mut rig, account, &[], &here, PEER)), (200, 0));
    assert_eq!(code(&ask(&mut rig, account, &[], &here, ELSEWHERE)), (401, -2015));
    let rights = ("GET", "/sapi/v1/account/apiRestrictions");
    let of = |rig: &mut Rig, keys: &Credentials| {
        let shown = json(&ask(rig, rights, &[], keys, PEER));
        ["ipRestrict", "enableReading", "enableSpotAndMarginTrading", "enableFutures", "enableWithdrawals"]
            .map(|name| shown[name].as_bool().expect("a flag"))
    };
    assert_eq!(of(&mut rig, &reader), [false, true, false, false, false]);
    assert_eq!(of(&mut rig, &here), [true, true, true, true, false]);
    let now = rig.now;
    assert!(rig.sim.venue_mut(VENUE).expect("a venue").revoke_key(now, "only-here"));
    assert_eq!(code(&ask(&mut rig, account, &[], &here, PEER)), (401, -2015));
}

#[test]
fn a_spot_order_is_placed_asked_for_cancelled_and_told_as_the_card_says() {
    let mut rig = Rig::quiet();
    let conn = rig.open(VENUE, "/ws-api/v3");
    let opened = api(&mut rig, conn, "userDataStream.subscribe.signature", &[]);
    assert_eq!((&opened["status"], &opened["result"]), (&value!(200), &value!({"subscriptionId": 0})));
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.5"),
        ("price", "60000.10"),
        ("newClientOrderId", "mine-1"),
    ];
    let placed = rig.binance("POST", "/api/v3/order", &order);
    assert_eq!(placed.header("X-MBX-ORDER-COUNT-10S"), Some("1"));
    assert_eq!(placed.header("X-MBX-ORDER-COUNT-1D"), Some("1"));
    assert_eq!(placed.header("X-MBX-USED-WEIGHT-1M"), Some("4"), "what succeeds is free: 4 are the socket's");
    let placed = json(&placed);
    let id = placed["orderId"].as_u64().expect("an id");
    assert_eq!(
        placed,
        value!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1, "clientOrderId": "mine-1", "transactTime": NOW_MS,
            "price": "60000.10000000", "origQty": "0.50000000", "executedQty": "0.00000000", "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
            "workingTime": NOW_MS, "fills": [], "selfTradePreventionMode": "NONE"})
    );
    let frames = rig.take_json(conn);
    let [report, position] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(report["subscriptionId"], 0);
    let report = &report["event"];
    assert_eq!(
        [&report["c"], &report["C"], &report["x"], &report["X"]],
        ["mine-1", "", "NEW", "NEW"].map(Value::from).each_ref()
    );
    let told = &position["event"];
    assert_eq!(
        (&told["e"], &told["B"][0]["a"], &told["B"][0]["l"]),
        (&value!("outboundAccountPosition"), &value!("USDT"), &value!("30000.05000000"))
    );

    let again = rig.binance("POST", "/api/v3/order", &order);
    assert_eq!((code(&again), &json(&again)["msg"]), ((400, -2010), &value!("Duplicate order sent.")));
    assert_eq!(again.header("X-MBX-USED-WEIGHT-1M"), Some("5"), "what fails is not free");
    let asked =
        rig.binance_json("GET", "/api/v3/order", &[("symbol", "BTCUSDT"), ("origClientOrderId", "mine-1")]);
    assert_eq!(
        (&asked["orderId"], &asked["isWorking"], &asked["time"]),
        (&value!(id), &value!(true), &value!(NOW_MS))
    );
    let open = rig.binance_json("GET", "/api/v3/openOrders", &[]);
    assert_eq!(open, value!([asked]));
    let number = id.to_string();
    let gone = rig.binance_json(
        "DELETE",
        "/api/v3/order",
        &[("symbol", "BTCUSDT"), ("orderId", &number), ("newClientOrderId", "stop-1")],
    );
    assert_eq!(
        [&gone["origClientOrderId"], &gone["clientOrderId"], &gone["status"]],
        ["mine-1", "stop-1", "CANCELED"].map(Value::from).each_ref()
    );
    let frames = rig.take_json(conn);
    let report = &frames[0]["event"];
    assert_eq!(
        [&report["c"], &report["C"], &report["x"]],
        ["stop-1", "mine-1", "CANCELED"].map(Value::from).each_ref()
    );
    for (method, expected) in [("DELETE", -2011), ("GET", 0)] {
        let answer = rig.binance(method, "/api/v3/order", &[("symbol", "BTCUSDT"), ("orderId", &number)]);
        assert_eq!(code(&answer).1, expected);
    }
    let none = [("symbol", "BTCUSDT"), ("orderId", "999999999")];
    assert_eq!(code(&rig.binance("GET", "/api/v3/order", &none)), (400, -2013));
    assert_eq!(code(&rig.binance("GET", "/api/v3/order", &[("symbol", "BTCUSDT")])), (400, -1102));
    // Once its order has ended an id is free again.
    assert_eq!(code(&rig.binance("POST", "/api/v3/order", &order)), (200, 0));
    assert_eq!(code(&rig.binance("DELETE", "/api/v3/openOrders", &[("symbol", "BTCUSDT")])), (200, 0));
    assert_eq!(code(&rig.binance("DELETE", "/api/v3/openOrders", &[("symbol", "BTCUSDT")])), (400, -2011));
    let all = rig.binance_json("GET", "/api/v3/allOrders", &[("symbol", "BTCUSDT")]);
    assert_eq!(all.as_array().map(Vec::len), Some(2));
}

#[test]
fn spot_fills_are_answered_told_and_paged_and_agree() {
    let mut rig = Rig::quiet();
    let conn = rig.open(VENUE, "/ws-api/v3");
    api(&mut rig, conn, "userDataStream.subscribe.signature", &[]);
    let mut told = Vec::new();
    for (side, quantity) in [("BUY", "0.4"), ("SELL", "0.3"), ("BUY", "0.2")] {
        let order = [("symbol", "BTCUSDT"), ("side", side), ("type", "MARKET"), ("quantity", quantity)];
        let placed = rig.binance_json("POST", "/api/v3/order", &order);
        assert_eq!(
            (&placed["status"], &placed["executedQty"]),
            (&value!("FILLED"), &value!(format!("{quantity}0000000")))
        );
        let fills = placed["fills"].as_array().expect("fills");
        let sum: Decimal = fills.iter().map(|fill| decimal(&fill["price"]) * decimal(&fill["qty"])).sum();
        assert_eq!(sum, decimal(&placed["cummulativeQuoteQty"]));
        let asset = if side == "BUY" { "BTC" } else { "USDT" };
        assert!(
            fills
                .iter()
                .all(|fill| fill["commissionAsset"] == asset && decimal(&fill["commission"]) > Decimal::ZERO)
        );
        let frames = rig.take_json(conn);
        let trades: Vec<Value> =
            frames.iter().map(|frame| frame["event"].clone()).filter(|event| event["x"] == "TRADE").collect();
        assert_eq!(trades.len(), fills.len());
        for (trade, fill) in trades.iter().zip(fills) {
            assert_eq!(
                [&trade["L"], &trade["l"], &trade["n"], &trade["t"]],
                [&fill["price"], &fill["qty"], &fill["commission"], &fill["tradeId"]]
            );
        }
        told.extend(trades);
    }
    let page = |rig: &mut Rig, params: &[(&str, &str)]| {
        let all = [&[("symbol", "BTCUSDT")], params].concat();
        let rows = rig.binance_json("GET", "/api/v3/myTrades", &all);
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["id"].as_u64().expect("an id"))
            .collect::<Vec<_>>()
    };
    let all = page(&mut rig, &[]);
    assert_eq!(all, told.iter().map(|trade| trade["t"].as_u64().expect("an id")).collect::<Vec<_>>());
    assert!(all.len() >= 3);
    let mut paged = Vec::new();
    let mut from = all[0];
    loop {
        let rows = page(&mut rig, &[("fromId", &from.to_string()), ("limit", "1")]);
        let Some(last) = rows.last() else { break };
        from = last + 1;
        paged.extend(rows);
    }
    assert_eq!(paged, all);
    assert_eq!(page(&mut rig, &[("limit", "1")]), all[all.len() - 1..], "unasked the newest");
    let own = told[0]["i"].clone();
    let order = own.to_string();
    assert!(
        page(&mut rig, &[("orderId", &order)])
            .iter()
            .all(|id| told.iter().any(|t| t["t"] == *id && t["i"] == own))
    );
    for (params, expected) in [
        (&[("fromId", "1"), ("startTime", "1")][..], -1128),
        (&[("startTime", "0"), ("endTime", "86400001")], -1127),
        (&[("fromId", "x")], -1100),
    ] {
        let all = [&[("symbol", "BTCUSDT")], params].concat();
        assert_eq!(code(&rig.binance("GET", "/api/v3/myTrades", &all)).1, expected, "{params:?}");
    }
    assert_eq!(code(&rig.binance("GET", "/api/v3/myTrades", &[])).1, -1102);
}

#[test]
fn spot_orders_are_refused_in_the_cards_words() {
    let mut rig = Rig::quiet();
    rig.sim.venue_mut(VENUE).expect("a venue").set_rate(start(), 50);
    rig.pass_ms(2_000);
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").set_rate(now, 0);
    let (bid, ask) = best(&rig.sim, VENUE, "BTC/USDT");
    let with = |changes: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let mut order: BTreeMap<&'static str, String> = [
            ("symbol", "BTCUSDT"),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.01"),
            ("price", "60000"),
        ]
        .map(|(name, value)| (name, value.to_string()))
        .into();
        for (name, value) in changes {
            order.insert(name, value.to_string());
        }
        order.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    };
    let mut refused = |changes: &[(&'static str, &str)]| {
        let order = with(changes);
        let order: Vec<(&str, &str)> = order.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = rig.binance("POST", "/api/v3/order", &order);
        (code(&answer).1, json(&answer)["msg"].as_str().unwrap_or_default().to_string())
    };
    for (changes, expected, words) in [
        (&[("price", "60000.001")][..], -1013, "Filter failure: PRICE_FILTER"),
        (&[("quantity", "0.000001")], -1013, "Filter failure: LOT_SIZE"),
        (&[("quantity", "9001")], -1013, "Filter failure: LOT_SIZE"),
        (&[("quantity", "0.00005")], -1013, "Filter failure: NOTIONAL"),
        (&[("quantity", "8")], -2010, "Account has insufficient balance for requested action."),
        (
            &[("type", "LIMIT_MAKER"), ("timeInForce", ""), ("price", &ask)],
            -2010,
            "Order would immediately match and take.",
        ),
        (&[("type", "LIMIT_MAKER")], -1106, "Parameter 'timeInForce' sent when not required."),
        (
            &[("timeInForce", "")],
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        (&[("timeInForce", "GTX")], -1115, "Invalid timeInForce."),
        (&[("type", "STOP")], -1116, "Invalid orderType."),
        (&[("side", "LONG")], -1117, "Invalid side."),
        (&[("symbol", "NOPE")], -1121, "Invalid symbol."),
        (&[("newClientOrderId", "a.b")], -1100, "Illegal characters found in parameter 'newClientOrderId'."),
        (&[("type", "MARKET"), ("timeInForce", ""), ("price", "")], 0, ""),
        (&[("type", "MARKET"), ("timeInForce", "")], -1106, "Parameter 'price' sent when not required."),
        (
            &[("type", "STOP_LOSS_LIMIT"), ("stopPrice", "60000")],
            -2010,
            "Stop price would trigger immediately.",
        ),
    ] {
        assert_eq!(refused(changes), (expected, words.to_string()), "{changes:?}");
    }
    // What cannot fill at once is taken in and expires, whole.
    for tif in ["IOC", "FOK"] {
        let order = with(&[("timeInForce", tif), ("price", &bid), ("newClientOrderId", tif)]);
        let order: Vec<(&str, &str)> = order.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let placed = rig.binance_json("POST", "/api/v3/order", &order);
        assert_eq!(
            (&placed["status"], &placed["executedQty"]),
            (&value!("EXPIRED"), &value!("0.00000000")),
            "{tif}"
        );
    }
    let half = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "MARKET"), ("quoteOrderQty", "500")];
    let placed = rig.binance_json("POST", "/api/v3/order", &half);
    let paid = decimal(&placed["cummulativeQuoteQty"]);
    assert!(paid <= Decimal::from(500) && paid > Decimal::from(499), "{paid}");
}

#[test]
fn too_many_orders_are_refused_and_those_that_fill_count_no_longer_on_spot() {
    let base = BinanceLimits::default();
    let spot = ProductLimits { orders_per_10s: 2, ..base.spot };
    let usdm = ProductLimits { orders_per_10s: 2, ..base.usdm };
    let mut rig = Rig::with(SimConfig { binance_limits: BinanceLimits { spot, usdm, ..base }, ..quiet() });
    let rests = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01"),
        ("price", "60000"),
    ];
    let fills = [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "MARKET"), ("quantity", "0.01")];
    let mut place = |path: &str, order: &[(&str, &str)]| {
        let answer = rig.binance("POST", path, order);
        (code(&answer), answer.header("X-MBX-ORDER-COUNT-10S").map(str::to_string))
    };
    let count = |count: &str| ((200, 0), Some(count.to_string()));
    assert_eq!(place("/api/v3/order", &rests), count("1"));
    for _ in 0..2 {
        assert_eq!(place("/api/v3/order", &fills), count("1"));
        assert_eq!(place("/fapi/v1/order", &fills).0, (200, 0));
    }
    assert_eq!(place("/fapi/v1/order", &fills).0, (429, -1015), "futures count what fills too");
    assert_eq!(place("/api/v3/order", &rests), count("2"));
    assert_eq!(place("/api/v3/order", &rests).0, (429, -1015));
    rig.pass_ms(10_000);
    let used = rig.binance_json("GET", "/fapi/v1/rateLimit/order", &[]);
    assert_eq!([&used[0]["count"], &used[1]["count"]], [&value!(0), &value!(2)]);
    assert_eq!(code(&rig.binance("POST", "/api/v3/order", &rests)), (200, 0));
}

#[test]
fn a_futures_order_takes_another_price_and_quantity_and_loses_its_place() {
    let mut rig = Rig::quiet();
    let (conn, _) = futures_stream(&mut rig, "ORDER_TRADE_UPDATE");
    let order = [
        ("symbol", "ETHUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.5"),
        ("price", "3000"),
    ];
    let number = rig.binance_json("POST", "/fapi/v1/order", &order)["orderId"].clone();
    let id = number.to_string();
    let change = |rig: &mut Rig, side: &str, quantity: &str, price: &str| {
        let params = [
            ("symbol", "ETHUSDT"),
            ("orderId", &id),
            ("side", side),
            ("quantity", quantity),
            ("price", price),
        ];
        let params: Vec<(&str, &str)> = params.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        rig.binance("PUT", "/fapi/v1/order", &params)
    };
    let changed = json(&change(&mut rig, "BUY", "0.7", "3100.5"));
    assert_eq!([&changed["price"], &changed["origQty"]], ["3100.50", "0.700"].map(Value::from).each_ref());
    let told = rig.take_json(conn);
    let what: Vec<&Value> = told.iter().map(|frame| &frame["o"]["x"]).collect();
    assert_eq!((what, &told[1]["o"]["q"]), (vec![&value!("NEW"), &value!("AMENDMENT")], &value!("0.700")));
    for (side, quantity, price, expected) in [
        ("BUY", "0.7", "3100.5", -5027),
        ("SELL", "0.8", "3100.5", -1117),
        ("BUY", "", "3100.5", -1102),
        ("BUY", "0.7", "", -1102),
        ("BUY", "0.7", "3100.555", -1111),
        ("BUY", "10001", "3100.5", -4005),
        ("BUY", "9000", "3100.5", -2019),
    ] {
        assert_eq!(code(&change(&mut rig, side, quantity, price)).1, expected, "{side} {quantity} {price}");
    }
    let open = rig.binance_json("GET", "/fapi/v1/openOrders", &[]);
    assert_eq!((&open[0]["origQty"], &open[0]["price"]), (&value!("0.700"), &value!("3100.50")));
    // What fills at once is told as fills of the same order.
    let (_, ask) = best(&rig.sim, VENUE, "ETH/USDT:USDT");
    change(&mut rig, "BUY", "0.7", &ask);
    let told = rig.take_json(conn);
    assert_eq!((&told[0]["o"]["x"], &told[1]["o"]["x"]), (&value!("AMENDMENT"), &value!("TRADE")));
    assert!(told.iter().all(|frame| frame["o"]["i"] == number));
    // Once all of it has filled there is nothing to change.
    assert_eq!(code(&change(&mut rig, "BUY", "0.9", "3000")).1, -2011);
    assert_eq!(
        code(&rig.binance("PUT", "/fapi/v1/order", &[("symbol", "ETHUSDT"), ("orderId", "77777777")])).1,
        -2013
    );
}

/// Opens the futures stream of the demo account.
fn futures_stream(rig: &mut Rig, query: &str) -> (u64, String) {
    let key = keys(VENUE).key;
    let made = json(&raw(rig, "POST", "/fapi/v1/listenKey", "", Some(&key)));
    let listen = made["listenKey"].as_str().expect("a key").to_string();
    let path = if query.is_empty() {
        format!("/private/ws/{listen}")
    } else {
        format!("/private/ws?listenKey={listen}&events={query}")
    };
    (rig.open(VENUE, &path), listen)
}

#[test]
fn a_futures_order_is_answered_as_accepted_and_the_stream_tells_the_rest() {
    let mut rig = Rig::quiet();
    let (conn, _) = futures_stream(&mut rig, "");
    let (only, _) = futures_stream(&mut rig, "ACCOUNT_UPDATE");
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "MARKET"),
        ("quantity", "0.2"),
        ("newClientOrderId", "f.1:/_-x"),
    ];
    let placed = rig.binance("POST", "/fapi/v1/order", &order);
    assert_eq!(placed.header("x-mbx-order-count-10s"), Some("1"));
    assert_eq!(placed.header("x-mbx-order-count-1m"), Some("1"));
    let placed = json(&placed);
    assert_eq!(
        (&placed["status"], &placed["executedQty"]),
        (&value!("NEW"), &value!("0.000")),
        "ACK knows no fill"
    );
    assert!(placed["avgPrice"].is_null() && placed["cumQuote"].is_null());
    let id = placed["orderId"].to_string();
    let asked = rig.binance_json("GET", "/fapi/v1/order", &[("symbol", "BTCUSDT"), ("orderId", &id)]);
    assert_eq!((&asked["status"], &asked["executedQty"]), (&value!("FILLED"), &value!("0.200")));
    let frames = rig.take_json(conn);
    let events: Vec<&str> = frames.iter().map(|frame| frame["e"].as_str().expect("an event")).collect();
    assert_eq!((events[0], events[events.len() - 1]), ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"));
    let trades: Vec<&Value> = frames.iter().filter(|f| f["o"]["x"] == "TRADE").map(|f| &f["o"]).collect();
    let lite: Vec<&Value> = frames.iter().filter(|f| f["e"] == "TRADE_LITE").collect();
    assert!(!trades.is_empty() && trades.len() == lite.len());
    assert!(trades.iter().zip(&lite).all(|(trade, lite)| trade["t"] == lite["t"] && trade["L"] == lite["L"]));
    assert_eq!(trades[trades.len() - 1]["X"], "FILLED");
    let told: Vec<Value> = rig.take_json(only);
    assert!(told.iter().all(|frame| frame["e"] == "ACCOUNT_UPDATE") && told.len() == 1);
    let update = &told[0]["a"];
    let fees: Decimal = trades.iter().map(|trade| decimal(&trade["n"])).sum();
    assert_eq!(
        (&update["m"], decimal(&update["B"][0]["wb"])),
        (&value!("ORDER"), rig.binance_account().cash_of(Wallet::Futures, "USDT").total)
    );
    assert_eq!(decimal(&update["B"][0]["bc"]), Decimal::ZERO);
    assert!(fees > Decimal::ZERO);
    assert_eq!((&update["P"][0]["pa"], &update["P"][0]["ps"]), (&value!("-0.200"), &value!("BOTH")));

    let risk = rig.binance_json("GET", "/fapi/v3/positionRisk", &[]);
    assert_eq!(risk.as_array().map(Vec::len), Some(1));
    assert_eq!((&risk[0]["positionAmt"], &risk[0]["entryPrice"]), (&value!("-0.200"), &update["P"][0]["ep"]));
    assert!(
        decimal(&risk[0]["notional"]) < Decimal::ZERO
            && decimal(&risk[0]["liquidationPrice"]) > Decimal::ZERO
    );
    let fills = rig.binance_json("GET", "/fapi/v1/userTrades", &[("symbol", "BTCUSDT")]);
    assert_eq!(fills.as_array().map(Vec::len), Some(trades.len()));
    assert_eq!(
        fills.as_array().expect("rows").iter().map(|fill| decimal(&fill["commission"])).sum::<Decimal>(),
        fees
    );
    let balance = rig.binance_json("GET", "/fapi/v3/balance", &[]);
    let account = rig.binance_json("GET", "/fapi/v3/account", &[]);
    assert_eq!(balance[0]["balance"], account["totalWalletBalance"]);
    assert_eq!(decimal(&balance[0]["balance"]), decimal(&update["B"][0]["wb"]));
    assert_eq!(account["positions"][0]["positionAmt"], "-0.200");
}

#[test]
fn futures_orders_are_refused_in_the_cards_codes() {
    let mut rig = Rig::quiet();
    let (_, ask) = best(&rig.sim, VENUE, "BTC/USDT:USDT");
    let with = |changes: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        let mut order: BTreeMap<&'static str, String> = [
            ("symbol", "BTCUSDT"),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.01"),
            ("price", "60000"),
        ]
        .map(|(name, value)| (name, value.to_string()))
        .into();
        for (name, value) in changes {
            order.insert(name, value.to_string());
        }
        order.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    };
    let mut place = |path: &str, changes: &[(&'static str, &str)]| {
        let order = with(changes);
        let order: Vec<(&str, &str)> = order.iter().map(|(name, value)| (*name, value.as_str())).collect();
        code(&rig.binance("POST", path, &order)).1
    };
    for (changes, expected) in [
        (&[("price", "60000.05")][..], -4014),
        (&[("price", "60000.001")], -1111),
        (&[("quantity", "0.0001")], -1111),
        (&[("quantity", "0")], -4003),
        (&[("quantity", "1001")], -4005),
        (&[("quantity", "0.0005")], -1111),
        (&[("price", "40000"), ("quantity", "0.001")], -4164),
        (&[("quantity", "30")], -2027),
        (&[("timeInForce", "GTX"), ("price", &ask)], -5022),
        (&[("timeInForce", "FOK"), ("price", "64000"), ("quantity", "10")], -5021),
        (&[("reduceOnly", "true")], -2022),
        (&[("positionSide", "LONG")], -4061),
        (&[("type", "STOP_MARKET"), ("timeInForce", "")], -4120),
        (&[("newClientOrderId", "dup")], 0),
        (&[("newClientOrderId", "dup")], -4116),
    ] {
        assert_eq!(place("/fapi/v1/order", changes), expected, "{changes:?}");
    }
    assert_eq!(
        code(&rig.binance("DELETE", "/fapi/v1/order", &[("symbol", "BTCUSDT"), ("orderId", "77777777")])).1,
        -2011
    );
    assert_eq!(
        code(&rig.binance("GET", "/fapi/v1/order", &[("symbol", "BTCUSDT"), ("orderId", "77777777")])).1,
        -2013
    );
    let done = rig.binance_json("DELETE", "/fapi/v1/allOpenOrders", &[("symbol", "BTCUSDT")]);
    assert_eq!(done, value!({"code": 200, "msg": "The operation of cancel all open order is done."}));
    assert_eq!(rig.binance_json("GET", "/fapi/v1/openOrders", &[]), value!([]));
}

#[test]
fn a_countdown_takes_plain_orders_of_its_contract_and_leaves_conditional_ones() {
    let mut rig = Rig::quiet();
    let limit = |symbol: &'static str, price: &'static str| {
        [
            ("symbol", symbol),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.02"),
            ("price", price),
        ]
    };
    rig.binance_json("POST", "/fapi/v1/order", &limit("BTCUSDT", "60000"));
    rig.binance_json("POST", "/fapi/v1/order", &limit("ETHUSDT", "3000"));
    let stop = [
        ("algoType", "CONDITIONAL"),
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "STOP_MARKET"),
        ("quantity", "0.02"),
        ("triggerPrice", "50000"),
        ("clientAlgoId", "algo-1"),
    ];
    let algo = rig.binance_json("POST", "/fapi/v1/algoOrder", &stop);
    assert_eq!(
        [&algo["algoStatus"], &algo["orderType"], &algo["triggerPrice"]],
        ["NEW", "STOP_MARKET", "50000.00"].map(Value::from).each_ref()
    );
    let set = |rig: &mut Rig, ms: &str| {
        rig.binance_json(
            "POST",
            "/fapi/v1/countdownCancelAll",
            &[("symbol", "BTCUSDT"), ("countdownTime", ms)],
        )
    };
    assert_eq!(set(&mut rig, "5000"), value!({"symbol": "BTCUSDT", "countdownTime": "5000"}));
    rig.pass_ms(4_000);
    set(&mut rig, "5000");
    rig.pass_ms(4_000);
    let open = |rig: &mut Rig| -> Vec<String> {
        let rows = rig.binance_json("GET", "/fapi/v1/openOrders", &[]);
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["symbol"].as_str().expect("text").to_string())
            .collect()
    };
    assert_eq!(open(&mut rig), ["BTCUSDT", "ETHUSDT"], "renewed in time");
    rig.pass_ms(1_100);
    assert_eq!(open(&mut rig), ["ETHUSDT"]);
    let waiting = rig.binance_json("GET", "/fapi/v1/openAlgoOrders", &[]);
    assert_eq!(waiting[0]["clientAlgoId"], "algo-1");
    let (conn, _) = futures_stream(&mut rig, "");
    let gone = rig.binance_json("DELETE", "/fapi/v1/algoOrder", &[("clientAlgoId", "algo-1")]);
    assert_eq!(gone["msg"], "success");
    let frames = rig.take_json(conn);
    assert_eq!(
        (frames.len(), &frames[0]["e"], &frames[0]["o"]["X"]),
        (1, &value!("ALGO_UPDATE"), &value!("CANCELED"))
    );
    rig.binance_json("POST", "/fapi/v1/order", &limit("BTCUSDT", "60000"));
    set(&mut rig, "5000");
    set(&mut rig, "0");
    rig.pass_ms(6_000);
    assert_eq!(open(&mut rig), ["BTCUSDT", "ETHUSDT"], "0 stops it");
}

#[test]
fn a_listen_key_lives_an_hour_from_its_last_renewal() {
    let limits = BinanceLimits { listen_key_for: Duration::from_secs(60), ..BinanceLimits::default() };
    let mut rig = Rig::with(SimConfig { binance_limits: limits, ..quiet() });
    let key = keys(VENUE).key;
    let ask = |rig: &mut Rig, method: &str| raw(rig, method, "/fapi/v1/listenKey", "", Some(&key));
    assert_eq!(code(&ask(&mut rig, "PUT")), (400, -1125));
    assert_eq!(code(&raw(&mut rig, "POST", "/fapi/v1/listenKey", "", None)), (401, -2014));
    let (conn, first) = futures_stream(&mut rig, "");
    rig.pass_ms(50_000);
    assert_eq!(json(&ask(&mut rig, "PUT"))["listenKey"], first.as_str());
    rig.pass_ms(50_000);
    assert_eq!(json(&ask(&mut rig, "POST"))["listenKey"], first.as_str(), "POST gives the one there is");
    rig.pass_ms(59_000);
    assert_eq!(rig.take(conn), Vec::<String>::new());
    rig.pass_ms(2_000);
    let frames = rig.take_json(conn);
    assert_eq!(
        (frames.len(), &frames[0]["e"], &frames[0]["listenKey"]),
        (1, &value!("listenKeyExpired"), &value!(first))
    );
    assert_eq!(code(&ask(&mut rig, "PUT")), (400, -1125));
    let (conn, second) = futures_stream(&mut rig, "");
    assert_ne!(second, first);
    let refused = rig.open(VENUE, &format!("/private/ws/{first}"));
    assert_eq!(rig.ends.get(&refused), Some(&End::Refused(400)));
    assert_eq!(ask(&mut rig, "DELETE").status, 200);
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(Some(1000))));
}

#[test]
fn the_websocket_api_opens_one_stream_an_account_and_takes_orders() {
    let mut rig = Rig::quiet();
    let conn = rig.open(VENUE, "/ws-api/v3");
    let refused = |answer: &Value| (answer["status"].as_u64(), answer["error"]["code"].as_i64());
    let signed = "userDataStream.subscribe.signature";
    let logon = api(&mut rig, conn, "session.logon", &[]);
    assert_eq!(refused(&logon), (Some(400), Some(-2015)), "only Ed25519 keys log on");
    let late = api(&mut rig, conn, signed, &[("timestamp", value!(NOW_MS - 60_000))]);
    assert_ne!(late["status"], 200);
    rig.send(VENUE, conn, &value!({"id": 7, "method": signed, "params": {"apiKey": keys(VENUE).key, "timestamp": NOW_MS, "signature": "00"}}).to_string());
    let wrong = rig.take_json(conn).pop().expect("an answer");
    assert_eq!((refused(&wrong), &wrong["id"]), ((Some(400), Some(-1022)), &value!(7)));
    assert_eq!(wrong["rateLimits"][0]["limit"], 6_000);
    assert_eq!(api(&mut rig, conn, signed, &[])["result"]["subscriptionId"], 0);
    assert_eq!(refused(&api(&mut rig, conn, signed, &[])), (Some(400), Some(-2035)));
    assert_eq!(api(&mut rig, conn, "session.subscriptions", &[])["result"], value!([{"subscriptionId": 0}]));
    let order = [
        ("symbol", value!("ETHUSDT")),
        ("side", value!("BUY")),
        ("type", value!("LIMIT")),
        ("timeInForce", value!("GTC")),
        ("quantity", value!("1")),
        ("price", value!("3000.00")),
        ("recvWindow", value!(1_000)),
    ];
    let placed = api(&mut rig, conn, "order.place", &order);
    assert_eq!((&placed["status"], &placed["result"]["status"]), (&value!(200), &value!("NEW")));
    let id = placed["result"]["orderId"].clone();
    let gone = api(&mut rig, conn, "order.cancel", &[("symbol", value!("ETHUSDT")), ("orderId", id)]);
    assert_eq!(gone["result"]["status"], "CANCELED");
    assert_eq!(api(&mut rig, conn, "userDataStream.unsubscribe", &[])["result"], value!({}));
    assert_eq!(api(&mut rig, conn, "session.subscriptions", &[])["result"], value!([]));
    assert_eq!(api(&mut rig, conn, signed, &[])["result"]["subscriptionId"], 1, "ids are never used twice");
    let now = rig.now;
    let venue = rig.sim.venue_mut(VENUE).expect("a venue");
    venue.inject(now, Command::all(Fault::RefuseLogin));
    let other = rig.open(VENUE, "/ws-api/v3?returnRateLimits=false");
    let answer = api(&mut rig, other, signed, &[]);
    assert_eq!((refused(&answer), &answer["rateLimits"]), ((Some(401), Some(-2015)), &Value::Null));
    rig.take(conn);
    assert!(rig.sim.venue_mut(VENUE).expect("a venue").revoke_key(now, &keys(VENUE).key));
    rig.drain();
    let ended = rig.take_json(conn);
    assert_eq!(
        (&ended[0]["subscriptionId"], &ended[0]["event"]["e"]),
        (&value!(1), &value!("eventStreamTerminated"))
    );
}

/// **Source**: the key of RFC 8032, test 1, in PKCS #8; its public half never reaches a client.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

#[test]
fn an_ed25519_key_signs_requests_and_logs_sessions_on() {
    let keys = Credentials::new("an-ed25519-key", ED25519);
    let key = ApiKey::new(keys.clone(), Permissions::TRADE);
    let mut rig = Rig::with(quiet().with_key(VENUE, key));
    let query = format!("recvWindow=5000&timestamp={NOW_MS}");
    let signature = venuekit_sign::binance::sign(&keys.secret, query.as_bytes()).expect("a key");
    let encoded = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mut get = |signature: &str| {
        let target = format!("/api/v3/account?{query}&signature={signature}");
        code(&raw(&mut rig, "GET", &target, "", Some("an-ed25519-key")))
    };
    assert_eq!(get(&encoded), (200, 0));
    assert_eq!(get(&encoded.replacen(|c: char| c.is_ascii_lowercase(), "0", 1)), (400, -1022));
    assert_eq!(
        get(&hmac_sha256_hex(ED25519.as_bytes(), query.as_bytes())),
        (400, -1022),
        "it is no HMAC secret"
    );

    let conn = rig.open(VENUE, "/ws-api/v3");
    let mut ask = |method: &str, params: Value| {
        rig.take(conn);
        rig.send(VENUE, conn, &value!({"id": 1, "method": method, "params": params}).to_string());
        let answers = rig.take_json(conn);
        answers.into_iter().find(|frame| frame["id"] == 1).expect("an answer")
    };
    let stamp = value!({"timestamp": NOW_MS});
    assert_eq!(ask("userDataStream.subscribe", value!({}))["error"]["code"], -2015, "nobody has logged on");
    let payload = format!("apiKey=an-ed25519-key&timestamp={NOW_MS}");
    let signature = venuekit_sign::binance::sign(&keys.secret, payload.as_bytes()).expect("a key");
    let logon = ask(
        "session.logon",
        value!({"apiKey": "an-ed25519-key", "timestamp": NOW_MS, "signature": signature}),
    );
    assert_eq!((&logon["status"], &logon["result"]["apiKey"]), (&value!(200), &value!("an-ed25519-key")));
    assert_eq!(ask("userDataStream.subscribe", value!({}))["result"]["subscriptionId"], 0);
    assert_eq!(
        ask("openOrders.status", stamp.clone())["result"],
        value!([]),
        "no signature is needed any more"
    );
    assert_eq!(ask("openOrders.status", value!({}))["error"]["code"], -1102, "but the time is");
    assert_eq!(ask("session.logout", value!({}))["result"]["apiKey"], Value::Null);
    assert_eq!(ask("openOrders.status", stamp)["error"]["code"], -1102);
}

#[test]
fn a_margin_token_opens_its_wallets_stream_until_it_runs_out() {
    let mut rig = Rig::quiet();
    let key = keys(VENUE).key;
    let made = json(&raw(&mut rig, "POST", "/sapi/v1/userListenToken?validity=60000", "", Some(&key)));
    let token = made["token"].as_str().expect("a token").to_string();
    assert_eq!(made["expirationTime"], NOW_MS + 60_000);
    let conn = rig.open(VENUE, "/ws-api/v3");
    let listen = "userDataStream.subscribe.listenToken";
    assert_eq!(api(&mut rig, conn, listen, &[("listenToken", value!("none"))])["error"]["code"], -1209);
    let opened = api(&mut rig, conn, listen, &[("listenToken", value!(token))]);
    assert_eq!(opened["result"], value!({"subscriptionId": 0, "expirationTime": NOW_MS + 60_000}));
    rig.binance_json(
        "POST",
        "/sapi/v1/asset/transfer",
        &[("type", "MAIN_MARGIN"), ("asset", "USDT"), ("amount", "12.5")],
    );
    let events: Vec<Value> = rig.take_json(conn).into_iter().map(|frame| frame["event"].clone()).collect();
    assert_eq!((&events[0]["e"], &events[0]["d"]), (&value!("balanceUpdate"), &value!("12.50000000")));
    assert_eq!(events[1]["e"], "outboundAccountPosition");
    for _ in 0..5 {
        rig.pass_ms(15_000);
        rig.input(VENUE, FrontInput::Pong { conn });
    }
    let last = rig.take_json(conn).pop().expect("something");
    assert_eq!(last["event"]["e"], "eventStreamTerminated");
}

#[test]
fn every_wallet_is_the_accounts_own() {
    let mut rig = Rig::with(SimConfig { rate: 100, ..SimConfig::new(1, start()) });
    rig.pass_ms(20_000);
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").set_rate(now, 0);
    let mut shown: BTreeMap<(Wallet, String), Decimal> = BTreeMap::new();
    let spot = rig.binance_json("GET", "/api/v3/account", &[("omitZeroBalances", "true")]);
    for row in spot["balances"].as_array().expect("rows") {
        let key = (Wallet::Spot, row["asset"].as_str().expect("text").to_string());
        shown.insert(key, decimal(&row["free"]) + decimal(&row["locked"]));
    }
    let owned = rig.binance_json("POST", "/sapi/v3/asset/getUserAsset", &[("needBtcValuation", "true")]);
    for row in owned.as_array().expect("rows") {
        let total = decimal(&row["free"]) + decimal(&row["locked"]);
        assert_eq!(shown[&(Wallet::Spot, row["asset"].as_str().expect("text").to_string())], total);
        assert!(decimal(&row["btcValuation"]) > Decimal::ZERO);
    }
    let funding = rig.binance_json("POST", "/sapi/v1/asset/get-funding-asset", &[]);
    for row in funding.as_array().expect("rows") {
        shown.insert(
            (Wallet::Funding, row["asset"].as_str().expect("text").to_string()),
            decimal(&row["free"]),
        );
    }
    let margin = rig.binance_json("GET", "/sapi/v1/margin/account", &[]);
    for row in margin["userAssets"].as_array().expect("rows") {
        let (free, owed) = (decimal(&row["free"]), decimal(&row["borrowed"]) + decimal(&row["interest"]));
        assert_eq!(decimal(&row["netAsset"]), free - owed);
        shown.insert((Wallet::Margin, row["asset"].as_str().expect("text").to_string()), free);
    }
    let isolated = rig.binance_json("GET", "/sapi/v1/margin/isolated/account", &[("symbols", "BTCUSDT")]);
    assert!(isolated["totalAssetOfBtc"].is_null());
    let one = &isolated["assets"][0];
    assert_eq!(
        (&one["symbol"], &one["quoteAsset"]["borrowed"]),
        (&value!("BTCUSDT"), &value!("500.00000000"))
    );
    for side in ["baseAsset", "quoteAsset"] {
        let asset = one[side]["asset"].as_str().expect("text").to_string();
        shown.insert((Wallet::Isolated("BTCUSDT"), asset), decimal(&one[side]["totalAsset"]));
    }
    let futures = rig.binance_json("GET", "/fapi/v3/balance", &[]);
    for row in futures.as_array().expect("rows") {
        shown.insert(
            (Wallet::Futures, row["asset"].as_str().expect("text").to_string()),
            decimal(&row["balance"]),
        );
    }
    let truth: BTreeMap<(Wallet, String), Decimal> = rig
        .binance_account()
        .cash()
        .map(|(wallet, asset, cash)| ((wallet, asset.to_string()), cash.total))
        .collect();
    assert_eq!(shown, truth);
    assert_eq!(truth.keys().map(|(wallet, _)| *wallet).collect::<std::collections::BTreeSet<_>>().len(), 5);
    let wallets = rig.binance_json("GET", "/sapi/v1/asset/wallet/balance", &[]);
    let names: Vec<&str> = wallets
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["walletName"].as_str().expect("text"))
        .collect();
    assert_eq!(names, ["Spot", "Funding", "Cross Margin", "Isolated Margin", "USDⓈ-M Futures"]);
}

#[test]
fn deposits_withdrawals_and_transfers_are_listed_as_the_wallet_lists_them() {
    let mut rig = Rig::quiet();
    let deposits = rig.binance_json("GET", "/sapi/v1/capital/deposit/hisrec", &[]);
    let statuses: Vec<_> =
        deposits.as_array().expect("rows").iter().map(|row| row["status"].as_i64()).collect();
    assert_eq!(statuses, [Some(0), Some(1)], "the newest first, and that is under way");
    assert_eq!(deposits[1]["completeTime"], NOW_MS - 5 * 86_400_000 + 120_000);
    let skipped =
        rig.binance_json("GET", "/sapi/v1/capital/deposit/hisrec", &[("offset", "1"), ("limit", "1")]);
    assert_eq!(skipped, value!([deposits[1]]));
    let withdrawals = rig.binance_json("GET", "/sapi/v1/capital/withdraw/history", &[]);
    assert_eq!(
        (&withdrawals[0]["status"], &withdrawals[0]["applyTime"]),
        (&value!(6), &value!("2023-11-12 22:13:20"))
    );
    assert_eq!(
        (&withdrawals[0]["amount"], &withdrawals[0]["transactionFee"]),
        (&value!("250"), &value!("1"))
    );
    let far = [("startTime", "0"), ("endTime", "7776000001")];
    assert_eq!(code(&rig.binance("GET", "/sapi/v1/capital/deposit/hisrec", &far)).1, -1127);

    let transfer =
        |rig: &mut Rig, params: &[(&str, &str)]| rig.binance("POST", "/sapi/v1/asset/transfer", params);
    let moved = transfer(&mut rig, &[("type", "MAIN_UMFUTURE"), ("asset", "USDT"), ("amount", "7.25")]);
    assert!(json(&moved)["tranId"].is_u64(), "{}", text(&moved));
    let rows = rig.binance_json("GET", "/sapi/v1/asset/transfer", &[("type", "MAIN_UMFUTURE")]);
    assert_eq!(
        (&rows["total"], &rows["rows"][0]["amount"], &rows["rows"][0]["timestamp"]),
        (&value!(2), &value!("7.25"), &value!(NOW_MS))
    );
    let second = rig.binance_json(
        "GET",
        "/sapi/v1/asset/transfer",
        &[("type", "MAIN_UMFUTURE"), ("current", "2"), ("size", "1")],
    );
    assert_eq!((&second["total"], &second["rows"][0]["amount"]), (&value!(2), &value!("1000")));
    let isolated = [("type", "MARGIN_ISOLATEDMARGIN"), ("toSymbol", "BTCUSDT")];
    assert_eq!(rig.binance_json("GET", "/sapi/v1/asset/transfer", &isolated)["total"], 1);
    for (params, expected) in [
        (&[("type", "MAIN_MOON")][..], -1130),
        (&[("asset", "USDT")], -1102),
        (&[("type", "MARGIN_ISOLATEDMARGIN")], -1102),
    ] {
        assert_eq!(code(&rig.binance("GET", "/sapi/v1/asset/transfer", params)).1, expected, "{params:?}");
    }
    let poor = transfer(&mut rig, &[("type", "FUNDING_MAIN"), ("asset", "USDT"), ("amount", "901")]);
    assert_eq!(code(&poor).1, -5013);
}

#[test]
fn margin_transfers_and_the_income_of_futures_are_the_accounts_own() {
    let mut rig = Rig::with(SimConfig { rate: 100, ..SimConfig::new(1, start()) });
    // Over the end of a funding period, which is 6400 s away, at a slower pace.
    rig.pass_ms(20_000);
    let now = rig.now;
    let names: Vec<&str> = rig.sim.venues().iter().map(venuekit_sim::VenueSim::name).collect();
    for name in names {
        rig.sim.venue_mut(name).expect("a venue").set_rate(now, u32::from(name == VENUE));
    }
    rig.pass_ms(6_390_000);
    let margin = rig.binance_json("GET", "/sapi/v1/margin/transfer", &[]);
    assert_eq!(
        margin,
        value!({"rows": [{"amount": "200.00000000", "asset": "USDT", "status": "CONFIRMED",
            "timestamp": NOW_MS - 86_400_000, "txId": 4, "type": "ROLL_OUT", "transFrom": "CROSS_MARGIN",
            "transTo": "ISOLATED_MARGIN", "toSymbol": "BTCUSDT"}], "total": 1})
    );
    let income = |rig: &mut Rig, params: &[(&str, &str)]| {
        let all = [params, &[("limit", "1000")]].concat();
        let rows = rig.binance_json("GET", "/fapi/v1/income", &all);
        rows.as_array().expect("rows").clone()
    };
    let transfers = income(&mut rig, &[("incomeType", "TRANSFER")]);
    let amounts: Vec<&Value> = transfers.iter().map(|row| &row["income"]).collect();
    assert_eq!(amounts, [&value!("1000.00000000"), &value!("-300.00000000")]);
    let funding = income(&mut rig, &[("incomeType", "FUNDING_FEE")]);
    assert!(!funding.is_empty() && funding.iter().all(|row| row["time"] == 1_700_006_400_000_i64));
    let of = |account: &venuekit_sim::wallets::Account| account.cash_of(Wallet::Futures, "USDT").realised;
    let mut sum = Decimal::ZERO;
    for page in 1.. {
        let rows = income(&mut rig, &[("page", &page.to_string())]);
        if rows.is_empty() {
            break;
        }
        assert!(rows.windows(2).all(|two| two[0]["time"].as_i64() <= two[1]["time"].as_i64()));
        let own = rows.iter().filter(|row| row["incomeType"] != "TRANSFER");
        sum += own.map(|row| decimal(&row["income"])).sum::<Decimal>();
    }
    assert_eq!(sum, of(rig.binance_account()), "fees, profits and funding are all that the wallet realised");
    let one = income(&mut rig, &[("symbol", "BTCUSDT"), ("incomeType", "COMMISSION")]);
    assert!(!one.is_empty() && one.iter().all(|row| row["symbol"] == "BTCUSDT" && row["tradeId"] != ""));
    let ids: std::collections::BTreeSet<_> = one.iter().map(|row| row["tranId"].as_u64()).collect();
    assert_eq!(ids.len(), one.len());
}

/// What was done and not answered is found by the client's own id.
#[test]
fn an_order_whose_answer_is_lost_is_found_by_its_client_id() {
    let mut rig = Rig::quiet();
    for (path, fault) in [
        ("/api/v3/order", Fault::LoseAnswer),
        ("/api/v3/order", Fault::FailAnswer(504)),
        ("/fapi/v1/order", Fault::CutAnswer),
        ("/fapi/v1/order", Fault::LateAnswer(Duration::from_secs(2))),
    ] {
        let own = format!("lost-{}", rig.next);
        let order = [
            ("symbol", "BTCUSDT"),
            ("side", "BUY"),
            ("type", "LIMIT"),
            ("timeInForce", "GTC"),
            ("quantity", "0.01"),
            ("price", "60000"),
            ("newClientOrderId", own.as_str()),
        ];
        let now = rig.now;
        rig.sim.venue_mut(VENUE).expect("a venue").inject(now, Command::all(fault.clone()));
        let id = rig.binance_ask(("POST", path), &order, &keys(VENUE), PEER);
        match (&fault, rig.responses.get(&id)) {
            (Fault::LoseAnswer, Some(None)) | (Fault::LateAnswer(_), None) => {}
            (Fault::FailAnswer(status), Some(Some(response))) => assert_eq!(response.status, *status),
            (Fault::CutAnswer, Some(Some(response))) => {
                assert!(serde_json::from_slice::<Value>(&response.body).is_err());
            }
            other => panic!("{other:?}"),
        }
        let found = rig.binance_json("GET", path, &[("symbol", "BTCUSDT"), ("origClientOrderId", &own)]);
        assert_eq!((&found["clientOrderId"], &found["status"]), (&value!(own), &value!("NEW")), "{fault:?}");
    }
    // What was refused before it was looked at was never done.
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").inject(now, Command::all(Fault::Reject(503)));
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "MARKET"),
        ("quantity", "0.01"),
        ("newClientOrderId", "never"),
    ];
    assert_eq!(code(&rig.binance("POST", "/fapi/v1/order", &order)), (503, -1008));
    let none = rig.binance("GET", "/fapi/v1/order", &[("symbol", "BTCUSDT"), ("origClientOrderId", "never")]);
    assert_eq!(code(&none), (400, -2013));
}

/// Whatever the demo account does by itself, its streams and its reads agree to the last digit.
#[test]
fn the_streams_rebuild_what_rest_reads() {
    let mut rig = Rig::with(SimConfig { rate: 150, keys: Keys::from_seed(1), ..SimConfig::new(6, start()) });
    let spot = rig.open(VENUE, "/ws-api/v3");
    api(&mut rig, spot, "userDataStream.subscribe.signature", &[]);
    let (futures, _) = futures_stream(&mut rig, "");
    for _ in 0..4 {
        rig.pass_ms(15_000);
        rig.input(VENUE, FrontInput::Pong { conn: spot });
    }
    let now = rig.now;
    rig.sim.venue_mut(VENUE).expect("a venue").set_rate(now, 0);
    let mut orders: BTreeMap<(bool, String, u64), (String, Decimal)> = BTreeMap::new();
    let mut cells: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    let (mut fills, mut wallet) = ([0, 0], Decimal::ZERO);
    for frame in rig.take_json(spot) {
        let event = &frame["event"];
        match event["e"].as_str() {
            Some("executionReport") => {
                fills[0] += u32::from(event["x"] == "TRADE");
                let key = (
                    true,
                    event["s"].as_str().expect("text").to_string(),
                    event["i"].as_u64().expect("an id"),
                );
                orders.insert(key, (event["X"].as_str().expect("text").to_string(), decimal(&event["z"])));
            }
            Some("outboundAccountPosition") => {
                for cell in event["B"].as_array().expect("cells") {
                    cells.insert(
                        cell["a"].as_str().expect("text").to_string(),
                        (decimal(&cell["f"]), decimal(&cell["l"])),
                    );
                }
            }
            other => assert_eq!(other, Some("balanceUpdate"), "{frame}"),
        }
    }
    for frame in rig.take_json(futures) {
        match frame["e"].as_str() {
            Some("ORDER_TRADE_UPDATE") => {
                let order = &frame["o"];
                fills[1] += u32::from(order["x"] == "TRADE");
                let key = (
                    false,
                    order["s"].as_str().expect("text").to_string(),
                    order["i"].as_u64().expect("an id"),
                );
                orders.insert(key, (order["X"].as_str().expect("text").to_string(), decimal(&order["z"])));
            }
            Some("ACCOUNT_UPDATE") => {
                if let Some(cell) = frame["a"]["B"].as_array().and_then(|cells| cells.first()) {
                    wallet = decimal(&cell["wb"]);
                }
            }
            other => assert_eq!(other, Some("TRADE_LITE"), "{frame}"),
        }
    }
    assert!(fills.iter().all(|count| *count > 10), "{fills:?}");
    for (is_spot, path) in [(true, "/api/v3/openOrders"), (false, "/fapi/v1/openOrders")] {
        let open = rig.binance_json("GET", path, &[]);
        let open: BTreeMap<(String, u64), (String, Decimal)> = open
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| {
                let key = (
                    row["symbol"].as_str().expect("text").to_string(),
                    row["orderId"].as_u64().expect("an id"),
                );
                (key, (row["status"].as_str().expect("text").to_string(), decimal(&row["executedQty"])))
            })
            .collect();
        let told: BTreeMap<(String, u64), (String, Decimal)> = orders
            .iter()
            .filter(|(key, (status, _))| {
                key.0 == is_spot && (status == "NEW" || status == "PARTIALLY_FILLED")
            })
            .map(|(key, state)| ((key.1.clone(), key.2), state.clone()))
            .collect();
        assert_eq!(open, told, "SEED=6");
        assert!(!open.is_empty());
    }
    let account = rig.binance_json("GET", "/api/v3/account", &[]);
    for row in account["balances"].as_array().expect("rows") {
        let told = cells[row["asset"].as_str().expect("text")];
        assert_eq!(told, (decimal(&row["free"]), decimal(&row["locked"])), "SEED=6 {row}");
    }
    let balance = rig.binance_json("GET", "/fapi/v3/balance", &[]);
    assert_eq!(decimal(&balance[0]["balance"]), wallet, "SEED=6");
    let request =
        Request { method: "GET", path: "/api/v3/account", query: "", headers: &[], body: b"", peer: PEER };
    rig.input(VENUE, FrontInput::Request { id: 9_999, request });
    assert_eq!(rig.responses[&9_999].as_ref().map(|response| response.status), Some(401));
}

/// Texts that stand where something else should.
const ODD: [&str; 22] = [
    "",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "0.000000000000000000000000001",
    "79228162514264337593543950335",
    "1e9",
    "0.5",
    "65000",
    "%",
    "%FF",
    "%00",
    "BTCUSDT",
    "ETHUSDT",
    "BUY",
    "LIMIT",
    "MAIN_UMFUTURE",
    "true",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

const NAMES: [&str; 30] = [
    "symbol",
    "limit",
    "fromId",
    "startTime",
    "endTime",
    "interval",
    "orderId",
    "origClientOrderId",
    "side",
    "type",
    "quantity",
    "price",
    "timeInForce",
    "newClientOrderId",
    "quoteOrderQty",
    "stopPrice",
    "triggerPrice",
    "algoType",
    "clientAlgoId",
    "countdownTime",
    "asset",
    "amount",
    "offset",
    "current",
    "size",
    "page",
    "symbols",
    "isIsolated",
    "validity",
    "recvWindow",
];

const ROUTES: [(&str, &str); 34] = [
    ("GET", "/api/v3/depth"),
    ("GET", "/api/v3/klines"),
    ("GET", "/api/v3/aggTrades"),
    ("GET", "/api/v3/historicalTrades"),
    ("POST", "/api/v3/order"),
    ("DELETE", "/api/v3/order"),
    ("GET", "/api/v3/order"),
    ("DELETE", "/api/v3/openOrders"),
    ("GET", "/api/v3/allOrders"),
    ("GET", "/api/v3/myTrades"),
    ("GET", "/api/v3/account"),
    ("GET", "/fapi/v1/depth"),
    ("GET", "/fapi/v1/klines"),
    ("GET", "/fapi/v1/aggTrades"),
    ("POST", "/fapi/v1/order"),
    ("PUT", "/fapi/v1/order"),
    ("DELETE", "/fapi/v1/order"),
    ("POST", "/fapi/v1/algoOrder"),
    ("DELETE", "/fapi/v1/algoOrder"),
    ("GET", "/fapi/v1/allOrders"),
    ("GET", "/fapi/v1/userTrades"),
    ("GET", "/fapi/v1/income"),
    ("GET", "/fapi/v3/positionRisk"),
    ("GET", "/fapi/v1/leverageBracket"),
    ("POST", "/fapi/v1/countdownCancelAll"),
    ("POST", "/fapi/v1/listenKey"),
    ("GET", "/sapi/v1/capital/deposit/hisrec"),
    ("GET", "/sapi/v1/capital/withdraw/history"),
    ("GET", "/sapi/v1/asset/transfer"),
    ("POST", "/sapi/v1/asset/transfer"),
    ("GET", "/sapi/v1/margin/transfer"),
    ("GET", "/sapi/v1/margin/isolated/account"),
    ("POST", "/sapi/v1/userListenToken"),
    ("POST", "/sapi/v3/asset/getUserAsset"),
];

/// Whatever stands where something else should is answered, in JSON, and moves no money that is not there.
#[test]
fn odd_requests_are_answered_and_conserve_what_there_is() {
    let base = BinanceLimits::default();
    let plenty = |limits| ProductLimits {
        weight_per_minute: u32::MAX,
        orders_per_10s: u32::MAX,
        orders_per_span: u32::MAX,
        ..limits
    };
    let limits = BinanceLimits {
        spot: plenty(base.spot),
        usdm: plenty(base.usdm),
        sapi_per_minute: (u32::MAX, u32::MAX),
        ..base
    };
    let mut rig = Rig::with(SimConfig { binance_limits: limits, ..quiet() });
    let total = |rig: &Rig| {
        let world = rig.sim.venue(VENUE).expect("a venue").world();
        ["BTC", "ETH", "USDT"].map(|asset| world.conserved(asset) - world.outside(asset))
    };
    let before = total(&rig);
    let usual = [
        ("symbol", "BTCUSDT"),
        ("side", "SELL"),
        ("type", "MARKET"),
        ("quantity", "0.01"),
        ("asset", "USDT"),
        ("interval", "1m"),
    ];
    let mut right = 0;
    // What only reads comes first, while there is little to read.
    let reads = ROUTES.iter().filter(|(method, _)| *method == "GET");
    let changes = ROUTES.iter().filter(|(method, _)| *method != "GET");
    for &route in reads.chain(changes) {
        for (name, odd) in NAMES.iter().flat_map(|name| ODD.iter().map(move |odd| (*name, *odd))) {
            // What is said first counts.
            let params = [&[(name, odd)], &usual[..]].concat();
            let id = rig.binance_ask(route, &params, &keys(VENUE), PEER);
            let answer = rig.responses.remove(&id).flatten();
            let answer = answer.unwrap_or_else(|| panic!("{route:?} {name}={odd} is not answered"));
            let body = serde_json::from_slice::<Value>(&answer.body);
            assert!(body.is_ok() && answer.status < 500, "{route:?} {name}={odd}: {answer:?}");
            right += u32::from(answer.status == 200);
        }
        rig.trace.clear();
    }
    rig.pass_ms(1_000);
    assert_eq!(total(&rig), before);
    assert!(right > 5_000, "only {right} were right");
}

#[test]
fn odd_frames_are_answered_or_end_the_connection() {
    let mut rig = Rig::quiet();
    let (_, listen) = futures_stream(&mut rig, "");
    let private = format!("/private/ws/{listen}");
    for path in ["/ws", "/stream", "/public/ws", "/market/stream", &private, "/ws-api/v3"] {
        for frame in [
            "",
            "null",
            "[]",
            "[[[[",
            "{}",
            "1e999",
            r#"{"id":1}"#,
            r#"{"id":-1,"method":"SUBSCRIBE"}"#,
            r#"{"id":1,"method":"SUBSCRIBE","params":{"a":1}}"#,
            r#"{"id":1.5,"method":"SUBSCRIBE","params":["x"]}"#,
            r#"{"id":1,"method":"SUBSCRIBE","params":["","@","!","!@arr","btcusdt@","btcusdt@depth5@","btcusdt@kline_"]}"#,
            r#"{"id":1,"method":"order.place","params":{"apiKey":null,"timestamp":true,"signature":{}}}"#,
            r#"{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":99}}"#,
            "{\"id\":1,\"method\":\"\u{ffff}\"}",
        ] {
            let conn = rig.open(VENUE, path);
            assert_eq!(rig.ends.get(&conn), None, "{path}");
            rig.send(VENUE, conn, frame);
            let answers = rig.take_json(conn);
            assert_eq!(answers.len(), 1, "{path} {frame}: {answers:?}");
            rig.input(VENUE, FrontInput::Frame { conn, data: &[0xff, 0xfe], binary: true });
            assert_eq!(rig.take_json(conn).len(), 1, "{path}");
            rig.input(VENUE, FrontInput::Closed { conn });
        }
    }
}
