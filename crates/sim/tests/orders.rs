//! Keys, permissions and orders over REST, on both venues, by the codes and shapes of the cards.

mod common;

use std::net::IpAddr;

use common::trade::{best, code, keys, quiet};
use common::{End, PEER, Rig, json, text};
use serde_json::{Value, json as value};
use venuekit_sign::Credentials;
use venuekit_sim::{ApiKey, DoexLimits, Permissions, SimConfig};

const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

/// A rig with a key that may only read, and one that works from one address alone.
fn keyed() -> (Rig, Credentials, Credentials, Credentials, Credentials) {
    let secret = keys("duedex").secret;
    let doex = |name: &str| Credentials::new(name, "a-secret-of-doex");
    let duedex = |name: &str| Credentials::new(name, secret.clone());
    let (doex_read, doex_here) = (doex("read-only"), doex("only-here"));
    let (duedex_read, duedex_here) = (duedex("read-only"), duedex("only-here"));
    let here = |keys: &Credentials| ApiKey::new(keys.clone(), Permissions::TRADE).only_from([PEER]);
    let config = quiet()
        .with_key("doex", ApiKey::new(doex_read.clone(), Permissions::READ))
        .with_key("doex", here(&doex_here))
        .with_key("duedex", ApiKey::new(duedex_read.clone(), Permissions::READ))
        .with_key("duedex", here(&duedex_here));
    (Rig::with(config), doex_read, doex_here, duedex_read, duedex_here)
}

#[test]
fn each_key_may_do_what_it_may_from_where_it_may_until_it_is_revoked() {
    let (mut rig, doex_read, doex_here, duedex_read, duedex_here) = keyed();
    let order = [
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("quantity", "0.001"),
        ("price", "60000"),
    ];
    let doex = |rig: &mut Rig, route, params: &[(&str, &str)], keys: &Credentials, peer| {
        let id = rig.doex_ask(route, params, keys, peer);
        code(&rig.responses.remove(&id).flatten().expect("answered"))
    };
    let balances = ("GET", "/v1/account/balances");
    assert_eq!(doex(&mut rig, balances, &[], &doex_read, PEER), (200, 0));
    assert_eq!(doex(&mut rig, ("POST", "/v1/orders"), &order, &doex_read, PEER), (401, -2015));
    assert_eq!(doex(&mut rig, ("DELETE", "/v1/futures/orders/all"), &[], &doex_read, PEER), (401, -2015));
    assert_eq!(
        doex(&mut rig, ("POST", "/v1/orders/countdown"), &[("countdownMs", "1")], &doex_read, PEER),
        (401, -2015)
    );
    assert_eq!(doex(&mut rig, balances, &[], &doex_here, PEER), (200, 0));
    assert_eq!(doex(&mut rig, balances, &[], &doex_here, ELSEWHERE), (401, -2015));
    assert_eq!(doex(&mut rig, ("POST", "/v1/orders"), &order, &doex_here, PEER), (200, 0));
    let permissions = |rig: &mut Rig, keys: &Credentials| {
        let id = rig.doex_ask(("GET", "/v1/account/permissions"), &[], keys, PEER);
        text(&rig.responses.remove(&id).flatten().expect("answered"))
    };
    assert_eq!(
        permissions(&mut rig, &doex_read),
        r#"{"read":true,"trade":false,"withdraw":false,"ipRestricted":false}"#
    );
    assert_eq!(
        permissions(&mut rig, &doex_here),
        r#"{"read":true,"trade":true,"withdraw":false,"ipRestricted":true}"#
    );

    let duedex = |rig: &mut Rig, route, body, keys: &Credentials, peer| {
        let id = rig.duedex_ask(route, body, keys, peer);
        code(&rig.responses.remove(&id).flatten().expect("answered"))
    };
    let order = r#"{"instrument":"BTCUSD","type":"limit","side":"long","price":"10000.00","size":10}"#;
    assert_eq!(duedex(&mut rig, ("GET", "/v1/margin"), "", &duedex_read, PEER), (200, 0));
    assert_eq!(duedex(&mut rig, ("POST", "/v1/order"), order, &duedex_read, PEER), (403, 5011));
    assert_eq!(duedex(&mut rig, ("GET", "/v1/margin"), "", &duedex_here, ELSEWHERE), (403, 5012));
    assert_eq!(duedex(&mut rig, ("POST", "/v1/order"), order, &duedex_here, PEER), (200, 0));

    // A stream that a key opened ends with the key.
    let header = [("X-DOEX-APIKEY", doex_read.key.as_str())];
    let id = rig.ask("doex", "POST", "/v1/user-stream", &header, "");
    let listen = json(&rig.responses.remove(&id).flatten().expect("answered"));
    let conn = rig.open("doex", &format!("/ws/{}", listen["listenKey"].as_str().expect("a key")));
    let now = rig.now;
    assert_eq!(rig.sim.keys("doex").map(|keys| keys.iter().count()), Some(3));
    assert!(rig.sim.venue_mut("doex").expect("a venue").revoke_key(now, "read-only"));
    assert!(rig.sim.venue_mut("duedex").expect("a venue").revoke_key(now, "read-only"));
    rig.drain();
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(Some(1000))));
    assert_eq!(doex(&mut rig, balances, &[], &doex_read, PEER), (401, -2015));
    assert_eq!(duedex(&mut rig, ("GET", "/v1/margin"), "", &duedex_read, PEER), (401, 5002));
    assert_eq!(doex(&mut rig, balances, &[], &doex_here, PEER), (200, 0), "the others live on");
}

/// An order of one line: `BTCUSDT BUY LIMIT 0.001 60000 key=value …`.
fn params(line: &str) -> Vec<(&str, &str)> {
    let mut words = line.split_whitespace();
    let names = ["symbol", "side", "type", "quantity"];
    let mut params: Vec<_> = names.iter().filter_map(|name| Some((*name, words.next()?))).collect();
    params.extend(words.map(|word| word.split_once('=').unwrap_or(("price", word))));
    params
}

#[test]
fn doex_answers_an_order_as_it_stands_and_again_by_either_id() {
    let mut rig = Rig::quiet();
    let placed =
        rig.doex("POST", "/v1/orders", &params("BTCUSDT BUY LIMIT 0.00500 60000.00 clientOrderId=desk/1"));
    let id = json(&placed)["orderId"].as_u64().expect("an id");
    let expected = format!(
        r#"{{"symbol":"BTCUSDT","orderId":{id},"clientOrderId":"desk/1","side":"BUY","type":"LIMIT","timeInForce":"GTC","postOnly":false,"reduceOnly":false,"price":"60000.00","origQty":"0.00500","executedQty":"0.00000","avgPrice":"0","status":"NEW","fee":"0","feeAsset":"BTC","time":1700000000000,"updateTime":1700000000000}}"#
    );
    assert_eq!(text(&placed), expected);
    assert_eq!(placed.header("x-doex-order-count-10s"), Some("1"));
    let by_id = rig.doex("GET", "/v1/orders", &[("symbol", "BTCUSDT"), ("orderId", &id.to_string())]);
    let by_client = rig.doex("GET", "/v1/orders", &[("symbol", "BTCUSDT"), ("clientOrderId", "desk/1")]);
    assert_eq!((text(&by_id), text(&by_client)), (expected.clone(), expected.clone()));
    assert_eq!(text(&rig.doex("GET", "/v1/orders/open", &[])), format!("[{expected}]"));
    assert_eq!(text(&rig.doex("GET", "/v1/futures/orders/open", &[])), "[]");
    assert_eq!(text(&rig.doex("GET", "/v1/orders/open", &[("symbol", "ETHUSDT")])), "[]");
    // The id belongs to another symbol, or to the other product of the same name.
    for path in ["/v1/orders", "/v1/futures/orders"] {
        let symbol = if path == "/v1/orders" { "ETHUSDT" } else { "BTCUSDT" };
        let foreign = [("symbol", symbol), ("orderId", "1000000")];
        assert_eq!(code(&rig.doex("GET", path, &foreign)), (400, -2013));
        assert_eq!(code(&rig.doex("DELETE", path, &foreign)), (400, -2011));
    }
    rig.pass_ms(5);
    let gone = rig.doex("DELETE", "/v1/orders", &[("symbol", "BTCUSDT"), ("clientOrderId", "desk/1")]);
    let cancelled = expected
        .replace("\"NEW\"", "\"CANCELED\"")
        .replace("updateTime\":1700000000000", "updateTime\":1700000000005");
    assert_eq!(text(&gone), cancelled);
    assert_eq!(
        code(&rig.doex("DELETE", "/v1/orders", &[("symbol", "BTCUSDT"), ("orderId", &id.to_string())])),
        (400, -2011)
    );
    assert_eq!(
        text(&rig.doex("GET", "/v1/orders/history", &[("symbol", "BTCUSDT")])),
        format!("[{cancelled}]")
    );
    assert_eq!(rig.doex_account().cash_of(venuekit_sim::wallets::Wallet::Spot, "USDT").locked, 0.into());
}

#[test]
fn doex_refuses_with_the_codes_of_the_card() {
    let mut rig = Rig::quiet();
    let (bid, ask) = best(&rig.sim, "doex", "BTC/USDT");
    for (line, expected) in [
        ("BTCUSDT BUY LIMIT 0.001 60000", (200, 0)),
        ("NOPE BUY LIMIT 0.001 60000", (400, -1121)),
        ("BTCUSDT BID LIMIT 0.001 60000", (400, -1117)),
        ("BTCUSDT BUY LIMITED 0.001 60000", (400, -1116)),
        ("BTCUSDT BUY LIMIT 0.001", (400, -1102)),
        ("BTCUSDT BUY LIMIT x 60000", (400, -1102)),
        ("BTCUSDT BUY LIMIT 1_0 60000", (400, -1102)),
        ("BTCUSDT BUY LIMIT 0.001 60000 stopPrice=1", (400, -1106)),
        ("BTCUSDT BUY MARKET 0.001 60000", (400, -1106)),
        ("BTCUSDT BUY STOP_LIMIT 0.001 60000", (400, -1102)),
        ("BTCUSDT BUY LIMIT 0.001 60000 timeInForce=GTX", (400, -1115)),
        ("BTCUSDT BUY LIMIT 0.001 60000 timeInForce=IOC postOnly=true", (400, -1106)),
        ("BTCUSDT BUY LIMIT 0.001 60000 postOnly=yes", (400, -1130)),
        ("BTCUSDT BUY LIMIT 0.001 60000 reduceOnly=true", (400, -1106)),
        ("BTCUSDT BUY LIMIT 0.001 60000 clientOrderId=a|b", (400, -1100)),
        ("BTCUSDT BUY LIMIT 0.001 60000 clientOrderId=1234567890123456789012345678901234567", (400, -1100)),
        ("BTCUSDT BUY LIMIT 0.001 60000.001", (400, -1013)),
        ("BTCUSDT BUY LIMIT 0.000001 60000", (400, -1013)),
        ("BTCUSDT BUY LIMIT 0 60000", (400, -1013)),
        ("BTCUSDT BUY LIMIT -1 60000", (400, -1013)),
        ("BTCUSDT BUY LIMIT 0.001 0", (400, -1013)),
        ("BTCUSDT BUY LIMIT 0.00008 60000", (400, -1013)),
        ("BTCUSDT BUY LIMIT 9000.00001 60000", (400, -1013)),
        ("BTCUSDT BUY LIMIT 100 60000", (400, -2010)),
        ("BTCUSDT SELL MARKET 100", (400, -2010)),
        (&format!("BTCUSDT BUY LIMIT 0.001 {ask} postOnly=true"), (400, -2010)),
        (&format!("BTCUSDT BUY LIMIT 0.001 {bid} postOnly=true"), (200, 0)),
        (&format!("BTCUSDT BUY LIMIT 3 {ask} timeInForce=FOK"), (400, -2010)),
        ("BTCUSDT BUY LIMIT 0.001 60000 clientOrderId=one", (200, 0)),
        ("BTCUSDT BUY LIMIT 0.001 60000 clientOrderId=one", (400, -2010)),
    ] {
        assert_eq!(code(&rig.doex("POST", "/v1/orders", &params(line))), expected, "{line}");
    }
    for (line, expected) in [
        ("BTCUSDT SELL LIMIT 0.010 1000000.1", (400, -1013)),
        ("BTCUSDT SELL MARKET 0.010 reduceOnly=true", (400, -2010)),
        ("BTCUSDT BUY LIMIT 200 60000", (400, -2010)),
    ] {
        assert_eq!(code(&rig.doex("POST", "/v1/futures/orders", &params(line))), expected, "{line}");
    }
    let venue = rig.sim.venue("doex").expect("a venue");
    assert_eq!(venue.world().duplicates(), 1, "the blind repetition is counted");
    assert_eq!(venue.account().open_orders().count(), 3, "what was refused is nowhere");
}

#[test]
fn doex_fills_at_once_what_can_and_the_stream_and_the_fills_agree() {
    let mut rig = Rig::quiet();
    rig.pass_ms(1_000);
    let header = [("X-DOEX-APIKEY", keys("doex").key)];
    let header = [(header[0].0, header[0].1.as_str())];
    let id = rig.ask("doex", "POST", "/v1/user-stream", &header, "");
    let listen = json(&rig.responses.remove(&id).flatten().expect("answered"));
    let conn = rig.open("doex", &format!("/ws/{}", listen["listenKey"].as_str().expect("a key")));
    let depth = rig.open("doex", "/ws/futures:btcusdt@depth");
    let bought =
        json(&rig.doex("POST", "/v1/futures/orders", &params("BTCUSDT BUY MARKET 0.500 clientOrderId=in")));
    assert_eq!(
        (&bought["status"], &bought["executedQty"], &bought["timeInForce"]),
        (&value!("FILLED"), &value!("0.500"), &value!("IOC"))
    );
    assert!(bought.get("price").is_none());
    let events = rig.take_json(conn);
    let of = |name: &str| events.iter().filter(|event| event["e"] == name).collect::<Vec<_>>();
    let fills: Vec<&Value> =
        of("order").into_iter().map(|event| &event["fill"]).filter(|fill| !fill.is_null()).collect();
    assert_eq!(of("order")[0]["status"], "NEW");
    assert_eq!(
        (of("order").last().expect("one")["status"].as_str(), of("position").len()),
        (Some("FILLED"), 1)
    );
    assert_eq!(of("balance")[0]["w"], "futures");
    assert!(!rig.take(depth).is_empty(), "the book tells what was taken from it");
    let rest = json(&rig.doex("GET", "/v1/futures/fills", &[("symbol", "BTCUSDT")]));
    assert_eq!(rest.as_array().expect("rows").iter().collect::<Vec<_>>(), fills);
    // A window without a hole: pages by id, inclusive.
    let ids: Vec<u64> = fills.iter().map(|fill| fill["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let page = json(&rig.doex(
        "GET",
        "/v1/futures/fills",
        &[("symbol", "BTCUSDT"), ("fromId", "1"), ("limit", "1")],
    ));
    assert_eq!(page, value!([fills[0]]));
    let late = [("symbol", "BTCUSDT"), ("startTime", "1700000001001")];
    assert_eq!(text(&rig.doex("GET", "/v1/futures/fills", &late)), "[]");
    assert_eq!(
        code(&rig.doex(
            "GET",
            "/v1/futures/fills",
            &[("symbol", "BTCUSDT"), ("startTime", "0"), ("endTime", "604800001")]
        )),
        (400, -1130)
    );
    assert_eq!(code(&rig.doex("GET", "/v1/futures/fills", &[])), (400, -1102));
    let positions = json(&rig.doex("GET", "/v1/futures/positions", &[]));
    assert_eq!(positions[0]["positionAmt"], "0.500");
    // What may only reduce may not turn the position around.
    let reduce = |rig: &mut Rig, line: &str| code(&rig.doex("POST", "/v1/futures/orders", &params(line)));
    assert_eq!(reduce(&mut rig, "BTCUSDT BUY MARKET 0.100 reduceOnly=true"), (400, -2010));
    assert_eq!(reduce(&mut rig, "BTCUSDT SELL MARKET 0.501 reduceOnly=true"), (400, -2010));
    assert_eq!(reduce(&mut rig, "BTCUSDT SELL LIMIT 0.400 70000.0 reduceOnly=true"), (200, 0));
    assert_eq!(reduce(&mut rig, "BTCUSDT SELL LIMIT 0.200 70000.0 reduceOnly=true"), (400, -2010));
    // Closed otherwise, the order that would reduce has nothing left to do.
    assert_eq!(reduce(&mut rig, "BTCUSDT SELL MARKET 0.300"), (200, 0));
    assert_eq!(text(&rig.doex("GET", "/v1/futures/orders/open", &[])), "[]");
    let history = json(&rig.doex("GET", "/v1/futures/orders/history", &[("symbol", "BTCUSDT")]));
    let statuses: Vec<&str> =
        history.as_array().expect("rows").iter().filter_map(|o| o["status"].as_str()).collect();
    assert_eq!(statuses, ["FILLED", "EXPIRED", "FILLED"]);
    // An IOC order takes what there is and is over.
    let (_, ask) = best(&rig.sim, "doex", "BTC/USDT");
    let some = json(&rig.doex(
        "POST",
        "/v1/orders",
        &params(&format!("BTCUSDT BUY LIMIT 3.5 {ask} timeInForce=IOC")),
    ));
    assert_eq!(some["status"], "EXPIRED");
    assert_eq!(
        some["avgPrice"].as_str().map(|price| price.parse::<rust_decimal::Decimal>()),
        Some(ask.parse())
    );
}

#[test]
fn doex_counts_orders_and_bans_those_who_do_not_listen() {
    let limits = DoexLimits { orders_per_10s: 3, ignored_429_max: 1, ..DoexLimits::default() };
    let mut rig = Rig::with(SimConfig { doex_limits: limits, ..quiet() });
    let line = params("BTCUSDT BUY LIMIT 0.001 60000");
    let place = |rig: &mut Rig| rig.doex("POST", "/v1/orders", &line);
    for count in ["1", "2", "3"] {
        assert_eq!(place(&mut rig).header("x-doex-order-count-10s"), Some(count));
    }
    rig.pass_ms(4_000);
    let limited = place(&mut rig);
    assert_eq!((code(&limited), limited.header("retry-after")), ((429, -1003), Some("7")));
    assert_eq!(rig.doex("DELETE", "/v1/orders/all", &[]).status, 200, "cancels are not counted");
    rig.pass_ms(6_000);
    assert_eq!(place(&mut rig).header("x-doex-order-count-10s"), Some("1"));
    for _ in 0..2 {
        place(&mut rig);
    }
    let banned = place(&mut rig);
    assert_eq!((code(&banned), banned.header("retry-after")), ((418, -1003), Some("121")));
    assert_eq!(rig.get("doex", "/v1/ping").status, 418);
    assert_eq!(rig.doex_account().open_orders().count(), 3);
}

#[test]
fn doex_cancels_all_of_a_product_by_request_and_by_countdown() {
    let mut rig = Rig::quiet();
    let open = |rig: &Rig| rig.doex_account().open_orders().count();
    let lines = [
        "BTCUSDT BUY LIMIT 0.001 60000",
        "ETHUSDT SELL LIMIT 1 5000",
        "BTCUSDT BUY STOP_MARKET 0.001 stopPrice=90000",
    ];
    let place = |rig: &mut Rig| {
        for line in lines {
            assert_eq!(code(&rig.doex("POST", "/v1/orders", &params(line))), (200, 0), "{line}");
        }
        assert_eq!(
            code(&rig.doex("POST", "/v1/futures/orders", &params("ETHUSDT BUY LIMIT 1 3000"))),
            (200, 0)
        );
    };
    place(&mut rig);
    let some = json(&rig.doex("DELETE", "/v1/orders/all", &[("symbol", "ETHUSDT")]));
    assert_eq!((some.as_array().map(Vec::len), &some[0]["status"]), (Some(1), &value!("CANCELED")));
    assert_eq!(json(&rig.doex("DELETE", "/v1/orders/all", &[])).as_array().map(Vec::len), Some(2));
    assert_eq!((text(&rig.doex("DELETE", "/v1/orders/all", &[])), open(&rig)), ("[]".to_string(), 1));
    assert_eq!(json(&rig.doex("DELETE", "/v1/futures/orders/all", &[])).as_array().map(Vec::len), Some(1));

    place(&mut rig);
    let arm =
        |rig: &mut Rig, ms: &str| text(&rig.doex("POST", "/v1/orders/countdown", &[("countdownMs", ms)]));
    assert_eq!(arm(&mut rig, "2000"), r#"{"countdownMs":2000}"#);
    rig.pass_ms(1_999);
    assert_eq!(open(&rig), 4);
    arm(&mut rig, "2000");
    rig.pass_ms(1_999);
    assert_eq!(open(&rig), 4, "renewed");
    rig.pass_ms(1);
    assert_eq!(open(&rig), 1, "spot is empty, futures are not");
    place(&mut rig);
    arm(&mut rig, "1000");
    assert_eq!(arm(&mut rig, "0"), r#"{"countdownMs":0}"#);
    rig.pass_ms(5_000);
    assert_eq!(open(&rig), 5, "disarmed");
    assert_eq!(code(&rig.doex("POST", "/v1/orders/countdown", &[("countdownMs", "-1")])), (400, -1130));
    assert_eq!(code(&rig.doex("POST", "/v1/orders/countdown", &[])), (400, -1102));
}

#[test]
fn duedex_answers_an_order_as_it_was_accepted() {
    let mut rig = Rig::quiet();
    let body =
        r#"{"instrument":"BTCUSD","clientOrderId":"a","type":"limit","side":"long","price":8600,"size":1}"#;
    let placed = text(&rig.duedex("POST", "/v1/order", body));
    let id = rig.sim.venue("duedex").expect("a venue").account().open_orders().next().expect("one").id;
    let row = |client: &str, kind: &str, more: &str, price: &str| {
        format!(
            r#"{{"instrument":"BTCUSD","orderId":{id},"clientOrderId":"{client}","type":"{kind}","isCloseOrder":false,"side":"long","price":"{price}","size":1{more},"timeInForce":"gtc","notionalValue":"0.00011627","status":"new","fillPrice":"0.00","filledSize":0,"accumulatedFees":"0.00000000","createTime":"2023-11-14T22:13:20.000Z","updateTime":"2023-11-14T22:13:20.000Z"}}"#
        )
    };
    let order = row("a", "limit", "", "8600.00");
    assert_eq!(placed, format!(r#"{{"code":0,"data":{order}}}"#));
    for target in [
        format!("/v1/order?instrument=BTCUSD&orderId={id}"),
        "/v1/order?instrument=BTCUSD&clientOrderId=a".into(),
    ] {
        assert_eq!(text(&rig.duedex("GET", &target, "")), placed);
    }
    assert_eq!(text(&rig.duedex("GET", "/v1/order/active", "")), format!(r#"{{"code":0,"data":[{order}]}}"#));
    let patch = format!(r#"{{"instrument":"BTCUSD","orderId":{id},"price":"8700.50"}}"#);
    assert_eq!(text(&rig.duedex("PATCH", "/v1/order", &patch)), r#"{"code":0}"#);
    let amended = rig.duedex_data("GET", "/v1/order?instrument=BTCUSD&clientOrderId=a", "");
    assert_eq!((&amended["price"], &amended["notionalValue"]), (&value!("8700.50"), &value!("0.00011493")));
    assert_eq!(
        text(&rig.duedex("DELETE", "/v1/order", r#"{"instrument":"BTCUSD","clientOrderId":"a"}"#)),
        r#"{"code":0}"#
    );
    assert_eq!(
        code(&rig.duedex("DELETE", "/v1/order", r#"{"instrument":"BTCUSD","clientOrderId":"a"}"#)),
        (400, 10056)
    );
    assert_eq!(code(&rig.duedex("PATCH", "/v1/order", &patch)), (400, 10037));
    assert_eq!(
        rig.duedex_data("GET", "/v1/order?instrument=BTCUSD&clientOrderId=a", "")["status"],
        "cancelled"
    );

    // A market order is answered as accepted; what it met is read again.
    let body = r#"{"instrument":"BTCUSD","type":"market","side":"short","size":200,"timeInForce":"ioc","postOnly":false,"isCloseOrder":false}"#;
    let answer = rig.duedex_data("POST", "/v1/order", body);
    assert_eq!(
        (&answer["status"], &answer["filledSize"], answer.get("price")),
        (&value!("new"), &value!(0), None)
    );
    let filled =
        rig.duedex_data("GET", &format!("/v1/order?instrument=BTCUSD&orderId={}", answer["orderId"]), "");
    assert_eq!((&filled["status"], &filled["filledSize"]), (&value!("filled"), &value!(200)));
    assert_eq!(rig.duedex_data("GET", "/v1/position/BTCUSD", "")["quantity"], -200);
    // The whole position, derived by the venue.
    let close = r#"{"instrument":"BTCUSD","type":"market","isCloseOrder":true}"#;
    assert_eq!(rig.duedex_data("POST", "/v1/order", close)["side"], "long");
    assert_eq!(rig.duedex_data("GET", "/v1/position/BTCUSD", "")["quantity"], 0);
    assert_eq!(code(&rig.duedex("POST", "/v1/order", close)), (400, 10094));

    // The history: newest first unless asked otherwise, paged and by time.
    rig.pass_ms(1_000);
    for size in 1..=5 {
        let body = format!(
            r#"{{"instrument":"BTCUSD","type":"limit","side":"long","price":"9000.00","size":{size}}}"#
        );
        rig.duedex_data("POST", "/v1/order", &body);
    }
    let sizes = |rig: &mut Rig, query: &str| -> Vec<i64> {
        let rows = rig.duedex_data("GET", &format!("/v1/order/all?instrument=BTCUSD{query}"), "");
        rows.as_array().expect("rows").iter().filter_map(|row| row["size"].as_i64()).collect()
    };
    assert_eq!(sizes(&mut rig, ""), [5, 4, 3, 2, 1, 200, 200, 1]);
    assert_eq!(sizes(&mut rig, "&reverse=false&start=1&limit=3"), [200, 200, 1]);
    assert_eq!(sizes(&mut rig, "&fromTime=2023-11-14T22%3A13%3A21.000Z&limit=2"), [5, 4]);
    assert_eq!(sizes(&mut rig, "&toTime=2023-11-14T22:13:20.999Z"), [200, 200, 1]);
    for bad in ["&limit=101", "&limit=0", "&reverse=no", "&fromTime=soon"] {
        assert_eq!(
            code(&rig.duedex("GET", &format!("/v1/order/all?instrument=BTCUSD{bad}"), "")),
            (400, 1000)
        );
    }
    assert_eq!(text(&rig.duedex("DELETE", "/v1/order", r#"{"instrument":"BTCUSD"}"#)), r#"{"code":0}"#);
    assert_eq!(code(&rig.duedex("DELETE", "/v1/order", r#"{"instrument":"BTCUSD"}"#)), (400, 10118));
}

#[test]
fn duedex_refuses_with_the_codes_of_its_clients() {
    let mut rig = Rig::quiet();
    // Half of the value as margin, so that the funds are not enough for what the risk limit allows.
    rig.duedex_data("POST", "/v1/position/leverage", r#"{"instrument":"LINKUSDT","leverage":2}"#);
    let (bid, ask) = best(&rig.sim, "duedex", "BTC/USD:BTC");
    let limit = |more: &str| format!(r#"{{"instrument":"BTCUSD","type":"limit","side":"long",{more}}}"#);
    let plain = r#""price":"9000.00","size":1"#;
    for (body, expected) in [
        (limit(plain), 0),
        (limit(r#""price":9000.0,"size":1"#), 0),
        ("nonsense".to_string(), 1000),
        ("{}".to_string(), 1000),
        (limit(plain).replace("BTCUSD", "NOPE"), 10050),
        (limit(plain).replace("limit", "iceberg"), 10148),
        (limit(plain).replace("long", "up"), 1000),
        (limit(r#""size":1"#), 10120),
        (limit(r#""price":"0","size":1"#), 10120),
        (limit(r#""price":"9000.25","size":1"#), 10038),
        (limit(r#""price":"9000.001","size":1"#), 10038),
        (limit(r#""price":"100000.50","size":1"#), 10103),
        (limit(r#""price":"9000.00""#), 1000),
        (limit(r#""price":"9000.00","size":1.5"#), 1000),
        (limit(r#""price":"9000.00","size":0"#), 10121),
        (limit(r#""price":"9000.00","size":10000001"#), 10121),
        (limit(&format!(r#"{plain},"stopPrice":"8000.00""#)), 1000),
        (limit(&format!(r#"{plain},"triggerType":"markPrice""#)), 1000),
        (limit(&format!(r#"{plain},"timeInForce":"gtt""#)), 10107),
        (limit(&format!(r#"{plain},"timeInForce":"ioc""#)), 10091),
        (limit(&format!(r#"{plain},"timeInForce":"fok""#)), 10100),
        (limit(&format!(r#"{plain},"timeInForce":"ioc","postOnly":true"#)), 1000),
        (limit(&format!(r#"{plain},"isCloseOrder":true"#)), 10094),
        (limit(&format!(r#"{plain},"clientOrderId":"1234567890123456789012345678901234567""#)), 1000),
        (limit(&format!(r#"{plain},"clientOrderId":"x""#)), 0),
        (limit(&format!(r#"{plain},"clientOrderId":"x""#)), 10093),
        (limit(&format!(r#""price":"{ask}","size":1,"postOnly":true"#)), 10117),
        (limit(&format!(r#""price":"{bid}","size":1,"postOnly":true"#)), 0),
        (limit(r#""price":"9000.00","size":9999999"#), 10065),
        (limit(r#""price":"9000.00","size":800000"#).replace("BTCUSD", "ETHUSDT"), 10103),
        (r#"{"instrument":"BTCUSD","type":"market","side":"long","size":1,"price":"9000.00"}"#.into(), 1000),
        (
            r#"{"instrument":"BTCUSD","type":"market","side":"long","size":1,"timeInForce":"gtc"}"#.into(),
            10107,
        ),
        (r#"{"instrument":"BTCUSD","type":"stopMarket","side":"long","size":1}"#.into(), 10120),
        (
            r#"{"instrument":"BTCUSD","type":"stopLimit","side":"long","size":1,"stopPrice":"11000.00"}"#
                .into(),
            10120,
        ),
        (
            r#"{"instrument":"BTCUSD","type":"stopMarket","isCloseOrder":true,"stopPrice":"11000.00"}"#
                .into(),
            1000,
        ),
        (
            r#"{"instrument":"LINKUSDT","type":"limit","side":"long","price":"12.000","size":800000}"#.into(),
            10128,
        ),
    ] {
        let (_, code) = code(&rig.duedex("POST", "/v1/order", &body));
        assert_eq!(code, expected, "{body}");
    }
    let signed = |rig: &mut Rig, kind: &str| {
        let body = limit(plain);
        let stamp = rig.now.wall.millis().to_string();
        let request = venuekit_sign::duedex::Request {
            method: "POST",
            path: "/v1/order",
            timestamp: &stamp,
            expiration: None,
            query: "",
            body: &body,
        };
        let signed = request.sign(&keys("duedex")).expect("base64");
        let mut headers: Vec<(&str, &str)> = signed.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.push(("content-type", kind));
        let id = rig.ask("duedex", "POST", "/v1/order", &headers, &body);
        code(&rig.responses.remove(&id).flatten().expect("answered")).1
    };
    assert_eq!(signed(&mut rig, "application/json; charset=utf-8"), 0);
    assert_eq!(signed(&mut rig, "application/x-www-form-urlencoded"), 5009);
    assert_eq!(signed(&mut rig, "application/json; charset=latin1"), 5007);
    for (body, expected) in [
        (r#"{"instrument":"BTCUSD","orderId":1,"clientOrderId":"x","price":1}"#, 1000),
        (r#"{"instrument":"BTCUSD","price":9000}"#, 1000),
        (r#"{"instrument":"BTCUSD","clientOrderId":"x"}"#, 1000),
        (r#"{"instrument":"BTCUSD","clientOrderId":"x","price":9000.1}"#, 10038),
        (r#"{"instrument":"BTCUSD","clientOrderId":"y","price":9000}"#, 10056),
        (r#"{"instrument":"ETHUSDT","clientOrderId":"x","price":300}"#, 10056),
        (r#"{"instrument":"BTCUSD","clientOrderId":"x","price":9100}"#, 0),
    ] {
        assert_eq!(code(&rig.duedex("PATCH", "/v1/order", body)).1, expected, "{body}");
    }
}
