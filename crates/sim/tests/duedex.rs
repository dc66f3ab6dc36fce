//! DueDEX as a client sees it: the feed's rules, and what clients of the time could not live without.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{End, Naive, PEER, Rig, json, start, text};
use serde_json::Value;
use venuekit_sign::{Credentials, duedex as sign};
use venuekit_sim::{DuedexLimits, FrontInput, Request, Response, SimConfig};
use venuekit_wire::duedex as wire;

const FEED: &str = "/v1/feed";

fn keys() -> Credentials {
    SimConfig::new(1, start()).keys.duedex
}

fn open(rig: &mut Rig) -> u64 {
    rig.open("duedex", FEED)
}

/// Logs in and says whether it worked.
fn log_in(rig: &mut Rig, conn: u64, keys: &Credentials) -> bool {
    rig.send("duedex", conn, r#"{"type":"challenge"}"#);
    let challenge =
        rig.take_json(conn).pop().expect("a challenge")["challenge"].as_str().expect("text").to_string();
    let answer = sign::answer(&keys.secret, &challenge).expect("base64").to_uppercase();
    rig.send("duedex", conn, &format!(r#"{{"type":"auth","key":"{}","answer":"{answer}"}}"#, keys.key));
    rig.take(conn) == [r#"{"type":"auth","userId":1001}"#]
}

fn subscribe(rig: &mut Rig, conn: u64, channels: &str) {
    rig.send("duedex", conn, &format!(r#"{{"type":"subscribe","channels":{channels}}}"#));
}

const ALL_PUBLIC: &str = r#"[{"name":"level2","instruments":["BTCUSD","BTCUSDT","ETHUSDT","LINKUSDT"]},{"name":"ticker","instruments":["BTCUSD","BTCUSDT","ETHUSDT","LINKUSDT"]},{"name":"matches","instruments":["BTCUSD","BTCUSDT","ETHUSDT","LINKUSDT"]}]"#;
const ALL_PRIVATE: &str =
    r#"[{"name":"orders"},{"name":"positions","instruments":[]},{"name":"margins"},{"name":"executions"}]"#;

fn stream_of(message: &Value) -> (String, String) {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_string();
    (text("channel"), text("instrument"))
}

#[test]
fn the_challenge_is_a_lower_case_uuid_and_answers_are_checked() {
    let mut rig = Rig::new(1);
    let conn = open(&mut rig);
    rig.send("duedex", conn, r#"{"type":"challenge"}"#);
    let frame = rig.take(conn).pop().expect("a challenge");
    let challenge =
        frame.strip_prefix(r#"{"type":"challenge","challenge":""#).and_then(|t| t.strip_suffix("\"}"));
    let challenge = challenge.expect("the document's shape");
    let parts: Vec<usize> = challenge.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(challenge.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    assert_eq!(challenge.as_bytes()[14], b'4');

    let good = keys();
    assert!(log_in(&mut rig, conn, &good));
    assert!(log_in(&mut rig, conn, &good), "a second login on the same connection");
    // A challenge is good for one answer.
    rig.send("duedex", conn, &format!(r#"{{"type":"auth","key":"{}","answer":"00"}}"#, good.key));
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)));
    let wrong_secret = Credentials::new(good.key.clone(), Credentials::new("", "d3Jvbmc=").secret);
    let wrong_key = Credentials::new("13f1ab93-771d-4d59-bb6a-fe96f6b609ea", good.secret.clone());
    for wrong in [wrong_secret, wrong_key] {
        let conn = open(&mut rig);
        assert!(!log_in(&mut rig, conn, &wrong));
        assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)), "closed without a message");
        assert_eq!(rig.take(conn), Vec::<String>::new());
    }
}

#[test]
fn the_acknowledgement_echoes_and_one_snapshot_follows_for_each_pair() {
    let mut rig = Rig::new(2);
    rig.pass_ms(2_000);
    let conn = open(&mut rig);
    let channels = r#"[{"name":"level2","instruments":["BTCUSD"]}]"#;
    subscribe(&mut rig, conn, channels);
    let frames = rig.take(conn);
    assert_eq!(frames[0], format!(r#"{{"type":"subscriptions","channels":{channels}}}"#));
    assert!(
        frames[1].starts_with(r#"{"type":"snapshot","channel":"level2","instrument":"BTCUSD","sequence":"#)
    );
    assert_eq!(frames.len(), 2);
    // Repeated entries and grouped instruments, mixed channels, and one pair named twice.
    let channels = r#"[{"name":"matches","instruments":["BTCUSD"]},{"name":"matches","instruments":["ETHUSDT"]},{"name":"ticker","instruments":["BTCUSD","LINKUSDT"]},{"name":"level2","instruments":["BTCUSD","BTCUSD"]}]"#;
    subscribe(&mut rig, conn, channels);
    let frames = rig.take(conn);
    assert_eq!(frames[0], format!(r#"{{"type":"subscriptions","channels":{channels}}}"#));
    let streams: Vec<_> =
        frames[1..].iter().map(|frame| stream_of(&serde_json::from_str(frame).expect(frame))).collect();
    let pair = |channel: &str, native: &str| (channel.to_string(), native.to_string());
    assert_eq!(
        streams,
        [
            pair("matches", "BTCUSD"),
            pair("matches", "ETHUSDT"),
            pair("ticker", "BTCUSD"),
            pair("ticker", "LINKUSDT"),
            pair("level2", "BTCUSD")
        ]
    );
    // Unsubscribing is the same with another word, and then it is quiet.
    rig.send("duedex", conn, &format!(r#"{{"type":"unsubscribe","channels":{channels}}}"#));
    assert_eq!(rig.take(conn), [format!(r#"{{"type":"subscriptions","channels":{channels}}}"#)]);
    rig.pass_ms(6_000);
    assert_eq!(rig.take(conn), Vec::<String>::new());
}

#[test]
fn invalid_requests_end_the_connection_without_a_word() {
    for request in [
        r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["NOPE"]}]}"#,
        r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD"]},{"name":"nope"}]}"#,
        r#"{"type":"subscribe","channels":[{"name":"level2"}]}"#,
        r#"{"type":"subscribe","channels":[{"name":"orders"}]}"#,
        r#"{"type":"unsubscribe","channels":[{"name":"level2","instruments":["NOPE"]}]}"#,
        r#"{"type":"subscriptions","channels":[{"name":"level2","instruments":["BTCUSD"]}]}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"auth","key":"k","answer":"a"}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"challenge""#,
        "[]",
        "",
    ] {
        let mut rig = Rig::new(1);
        let conn = open(&mut rig);
        rig.send("duedex", conn, request);
        assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)), "{request}");
        rig.pass_ms(1_000);
        assert_eq!(rig.take(conn), Vec::<String>::new(), "{request}");
    }
    let mut rig = Rig::new(1);
    let conn = open(&mut rig);
    assert!(log_in(&mut rig, conn, &keys()));
    subscribe(&mut rig, conn, r#"[{"name":"orders","instruments":["BTCUSD"]}]"#);
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)), "instruments on a private channel");
    let conn = rig.open("duedex", "/v2/feed");
    assert_eq!(rig.ends.get(&conn), Some(&End::Refused(404)));
}

/// What the clients of the time read without looking: §5 of the card, on a minute of everything.
#[test]
fn every_frame_keeps_to_what_clients_rely_on() {
    let mut rig = Rig::new(3);
    rig.pass_ms(3_000);
    let conn = open(&mut rig);
    assert!(log_in(&mut rig, conn, &keys()));
    subscribe(&mut rig, conn, ALL_PUBLIC);
    subscribe(&mut rig, conn, ALL_PRIVATE);
    rig.pass_ms(60_000);
    let frames = rig.take(conn);
    let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut seen_orders = BTreeSet::new();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut fills_told = 0;
    for frame in &frames {
        let wire::ServerFrame::Data(message) = wire::ServerFrame::parse(frame.as_bytes()).expect(frame)
        else {
            continue;
        };
        // Every payload reads, and no word is one that the venue does not have.
        let payload = message.payload().expect(frame);
        assert!(!format!("{payload:?}").contains("Other("), "{frame}");
        let value: Value = serde_json::from_str(frame).expect(frame);
        let (stream, update) = (stream_of(&value), value["type"] == "update");
        *counts.entry(stream.0.clone()).or_default() += 1;
        assert!(is_iso(&value["timestamp"]), "{frame}");
        let sequence = value["sequence"].as_u64().expect("a number");
        let before = last.insert(stream.clone(), sequence);
        if update {
            assert_eq!(before, Some(sequence - 1), "exactly one more on {stream:?}");
        } else {
            assert_eq!(before, None);
        }
        let data = &value["data"];
        match stream.0.as_str() {
            "level2" => {
                let keys: Vec<&String> = data.as_object().expect("an object").keys().collect();
                assert_eq!(keys.len(), 2, "both sides, always: {frame}");
                for level in data["bids"]
                    .as_array()
                    .expect("bids")
                    .iter()
                    .chain(data["asks"].as_array().expect("asks"))
                {
                    assert!(level[0].is_string() && level[1].is_u64(), "[string, integer]: {level}");
                }
                if !update {
                    best_first(data);
                }
            }
            "orders" => {
                for row in data.as_array().expect("rows") {
                    for key in ["instrument", "orderId", "clientOrderId"] {
                        assert!(!row[key].is_null(), "{key} in {row}");
                    }
                    let key = (row["instrument"].to_string(), row["orderId"].to_string());
                    if seen_orders.insert(key) {
                        assert_eq!(
                            row.as_object().map(serde_json::Map::len),
                            Some(16),
                            "whole on insert: {row}"
                        );
                        assert!(is_iso(&row["createTime"]) && is_iso(&row["updateTime"]));
                    } else {
                        assert_eq!(
                            row["fillPrice"].is_null(),
                            row["filledSize"].is_null(),
                            "together: {row}"
                        );
                        assert_eq!(row["createTime"], Value::Null, "only what changed: {row}");
                        fills_told += u32::from(!row["filledSize"].is_null());
                    }
                }
            }
            "matches" | "executions" => {
                for row in data.as_array().expect("rows") {
                    assert!(
                        is_iso(&row["timestamp"]) && row.as_object().is_some_and(|row| row.len() >= 7),
                        "whole: {row}"
                    );
                }
            }
            "ticker" if !update => assert_eq!(data.as_object().map(serde_json::Map::len), Some(15)),
            "ticker" => {
                assert!(data["instrument"].is_string() && data.as_object().is_some_and(|row| row.len() < 15))
            }
            _ => {}
        }
    }
    for (channel, at_least) in [
        ("level2", 1000),
        ("ticker", 1000),
        ("matches", 100),
        ("orders", 50),
        ("positions", 50),
        ("margins", 50),
        ("executions", 20),
    ] {
        assert!(counts[channel] >= at_least, "{channel}: {counts:?}");
    }
    assert!(fills_told > 5);
    assert_eq!(last.len(), 4 * 3 + 4);
}

fn best_first(data: &Value) {
    let prices = |side: &str| -> Vec<rust_decimal::Decimal> {
        let levels = data[side].as_array().expect("levels").iter();
        levels.map(|level| level[0].as_str().expect("text").parse().expect("a price")).collect()
    };
    assert!(prices("bids").is_sorted_by(|a, b| a > b) && prices("asks").is_sorted_by(|a, b| a < b));
}

fn is_iso(value: &Value) -> bool {
    let shape: String = value
        .as_str()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

#[test]
fn snapshot_and_updates_rebuild_every_book_at_every_number() {
    let mut rig = Rig::new(4);
    rig.pass_ms(1_000);
    let conn = open(&mut rig);
    subscribe(&mut rig, conn, ALL_PUBLIC);
    rig.pass_ms(5_000);
    let mut books: BTreeMap<String, Naive> = BTreeMap::new();
    let mut checked = 0;
    for message in rig.take_json(conn) {
        let (channel, native) = stream_of(&message);
        if channel != "level2" {
            continue;
        }
        let book = books.entry(native.clone()).or_default();
        book.apply(&message["data"]["bids"], &message["data"]["asks"]);
        let symbol = match native.as_str() {
            "BTCUSD" => "BTC/USD:BTC".to_string(),
            other => format!("{}/USDT:USDT", &other[..other.len() - 4]),
        };
        let sequence = message["sequence"].as_u64().expect("a number");
        let truth =
            rig.sim.venue("duedex").and_then(|venue| venue.book_at(&symbol, 0, sequence)).expect("kept");
        assert_eq!(book.canonical(), truth.canonical(), "SEED=4 {symbol} at {sequence}");
        checked += 1;
    }
    assert!(checked > 900 && books.len() == 4);
}

/// Merges a patch into an object.
fn merge(into: &mut Value, patch: &Value) {
    for (key, value) in patch.as_object().expect("an object") {
        into[key] = value.clone();
    }
}

#[test]
fn patches_merge_to_what_a_fresh_snapshot_says() {
    let mut rig = Rig::new(5);
    rig.pass_ms(2_000);
    let conn = open(&mut rig);
    assert!(log_in(&mut rig, conn, &keys()));
    subscribe(&mut rig, conn, ALL_PUBLIC);
    subscribe(&mut rig, conn, ALL_PRIVATE);
    rig.pass_ms(30_000);
    let mut state: BTreeMap<(String, String), BTreeMap<String, Value>> = BTreeMap::new();
    let mut sequences = BTreeMap::new();
    let key = |channel: &str, row: &Value| match channel {
        "orders" => format!("{} {:09}", row["instrument"], row["orderId"].as_u64().unwrap_or_default()),
        "margins" => row["currency"].to_string(),
        "executions" => format!("{} {}", row["instrument"], row["executionId"]),
        _ => row["instrument"].to_string(),
    };
    let rows = |message: &Value| match &message["data"] {
        Value::Array(rows) => rows.clone(),
        other => vec![other.clone()],
    };
    for message in rig.take_json(conn) {
        let (channel, native) = stream_of(&message);
        if !matches!(channel.as_str(), "ticker" | "orders" | "positions" | "margins" | "executions") {
            continue;
        }
        sequences.insert((channel.clone(), native.clone()), message["sequence"].clone());
        let table = state.entry((channel.clone(), native)).or_default();
        for row in rows(&message) {
            let id = key(&channel, &row);
            merge(table.entry(id.clone()).or_insert_with(|| serde_json::json!({})), &row);
            let status = table[&id]["status"].as_str().unwrap_or_default().to_string();
            if channel == "orders" && matches!(status.as_str(), "filled" | "cancelled") {
                table.remove(&id);
            }
        }
    }
    // Subscribing again gives snapshots although all is subscribed already.
    subscribe(&mut rig, conn, ALL_PUBLIC);
    subscribe(&mut rig, conn, ALL_PRIVATE);
    let mut compared = 0;
    for message in rig.take_json(conn).into_iter().filter(|message| message["type"] == "snapshot") {
        let (channel, native) = stream_of(&message);
        let Some(table) = state.get(&(channel.clone(), native.clone())) else { continue };
        let fresh: BTreeMap<String, Value> =
            rows(&message).into_iter().map(|row| (key(&channel, &row), row)).collect();
        assert_eq!(sequences[&(channel.clone(), native.clone())], message["sequence"]);
        if channel == "executions" {
            assert!(fresh.iter().all(|(id, row)| table.get(id) == Some(row)), "the latest of what was told");
        } else {
            assert_eq!(&fresh, table, "{channel} {native}");
        }
        compared += 1;
    }
    assert_eq!(compared, 4 + 4);
}

#[test]
fn day_figures_come_every_five_seconds_and_prices_as_they_change() {
    let mut rig = Rig::new(6);
    let conn = open(&mut rig);
    subscribe(&mut rig, conn, r#"[{"name":"ticker","instruments":["BTCUSD"]}]"#);
    rig.pass_ms(20_500);
    let frames = rig.take_json(conn);
    let with = |field: &str| frames[2..].iter().filter(|frame| !frame["data"][field].is_null()).count();
    assert!(with("bestBid") > 100, "{}", with("bestBid"));
    assert!((1..=4).contains(&with("volume")), "{}", with("volume"));
    assert_eq!(with("volume"), with("volumeUsd"));
    let last_of =
        |field: &str| frames.iter().rev().find_map(|frame| frame["data"][field].as_str().map(str::to_string));
    assert_eq!(last_of("nextFundingTime").as_deref(), Some("2023-11-15T04:00:00.000Z"));
}

#[test]
fn the_instrument_list_is_the_one_that_was_recorded() {
    let mut rig = Rig::new(1);
    let response = rig.get("duedex", "/v1/instrument");
    let body = text(&response);
    assert!(body.starts_with(r#"{"code":0,"data":["#));
    for instrument in [
        r#"{"instrumentId":"BTCUSD","status":"open","baseCurrencySymbol":"BTC","quoteCurrencySymbol":"USD","positionCurrency":{"symbol":"USD","name":"US Dollar","precision":4},"settlementCurrency":{"symbol":"BTC","name":"Bitcoin","precision":8},"expirationType":"perpetual","markMethod":"fairPrice","multiplier":"1","quantoExchangeRate":"1","isInverse":true,"isQuanto":false,"adlEnabled":true,"makerFee":"-0.000250","takerFee":"0.000750","lotSize":1,"maxSize":10000000,"pricePrecision":2,"tickSize":"0.50","maxPrice":"100000.00","minInitMargin":"0.0100","maintMargin":"0.0050","baseRiskLimit":"100.00000000","riskStep":"50.00000000","maxRiskLimit":"600.00000000"}"#,
        r#"{"instrumentId":"BTCUSDT","status":"open","baseCurrencySymbol":"BTC","quoteCurrencySymbol":"USDT","positionCurrency":{"symbol":"BTC","name":"Bitcoin","precision":8},"settlementCurrency":{"symbol":"USDT","name":"Tether USD","precision":4},"expirationType":"perpetual","markMethod":"fairPrice","multiplier":"0.0001","quantoExchangeRate":"1","isInverse":false,"isQuanto":false,"adlEnabled":true,"makerFee":"-0.000250","takerFee":"0.000750","lotSize":1,"maxSize":10000000,"pricePrecision":2,"tickSize":"0.50","maxPrice":"100000.00","minInitMargin":"0.0100","maintMargin":"0.0050","baseRiskLimit":"1000000.0000","riskStep":"500000.0000","maxRiskLimit":"6000000.0000"}"#,
        r#"{"instrumentId":"ETHUSDT","status":"open","baseCurrencySymbol":"ETH","quoteCurrencySymbol":"USDT","positionCurrency":{"symbol":"ETH","name":"Ether","precision":6},"settlementCurrency":{"symbol":"USDT","name":"Tether USD","precision":4},"expirationType":"perpetual","markMethod":"fairPrice","multiplier":"0.01","quantoExchangeRate":"1","isInverse":false,"isQuanto":false,"adlEnabled":true,"makerFee":"-0.000250","takerFee":"0.000750","lotSize":1,"maxSize":10000000,"pricePrecision":2,"tickSize":"0.05","maxPrice":"5000.00","minInitMargin":"0.0200","maintMargin":"0.0100","baseRiskLimit":"1000000.0000","riskStep":"500000.0000","maxRiskLimit":"6000000.0000"}"#,
        r#"{"instrumentId":"LINKUSDT","status":"open","baseCurrencySymbol":"LINK","quoteCurrencySymbol":"USDT","positionCurrency":{"symbol":"LINK","name":"ChainLink Token","precision":4},"settlementCurrency":{"symbol":"USDT","name":"Tether USD","precision":4},"expirationType":"perpetual","markMethod":"fairPrice","multiplier":"0.1","quantoExchangeRate":"1","isInverse":false,"isQuanto":false,"adlEnabled":true,"makerFee":"0.000000","takerFee":"0.000000","lotSize":1,"maxSize":10000000,"pricePrecision":3,"tickSize":"0.001","maxPrice":"500.000","minInitMargin":"0.0200","maintMargin":"0.0100","baseRiskLimit":"1000000.0000","riskStep":"500000.0000","maxRiskLimit":"6000000.0000"}"#,
    ] {
        assert!(body.contains(instrument), "{instrument}");
    }
    let list: Vec<wire::Instrument<'_>> = serde_json::from_str(&body[17..body.len() - 1]).expect("a list");
    assert_eq!(list.len(), 4);
}

fn signed(rig: &mut Rig, target: &str, stamp: i64, expiration: Option<i64>, keys: &Credentials) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (stamp, expiration) = (stamp.to_string(), expiration.map(|ms| ms.to_string()));
    let request = sign::Request {
        method: "GET",
        path,
        timestamp: &stamp,
        expiration: expiration.as_deref(),
        query,
        body: "",
    };
    let signed = request.sign(keys).expect("base64");
    let headers: Vec<(&str, &str)> =
        signed.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    rig.get_with("duedex", target, &headers)
}

fn code(response: &Response) -> (u16, i64) {
    (response.status, json(response)["code"].as_i64().expect("a code"))
}

const NOW_MS: i64 = 1_700_000_000_000;

#[test]
fn signatures_cover_the_raw_text_and_times_are_checked() {
    let (mut rig, keys) = (Rig::new(1), keys());
    let mut at = |target: &str, stamp: i64, expiration: Option<i64>| {
        code(&signed(&mut rig, target, stamp, expiration, &keys))
    };
    assert_eq!(at("/v1/margin", NOW_MS, None), (200, 0));
    assert_eq!(at("/v1/margin", NOW_MS + 4999, None), (200, 0));
    assert_eq!(at("/v1/margin", NOW_MS + 5000, None), (401, 5003));
    assert_eq!(at("/v1/margin", NOW_MS - 4999, None), (200, 0));
    assert_eq!(at("/v1/margin", NOW_MS - 5000, None), (401, 5003));
    assert_eq!(at("/v1/margin", NOW_MS - 50_000, Some(NOW_MS + 1)), (200, 0));
    assert_eq!(at("/v1/margin", NOW_MS - 50_000, Some(NOW_MS)), (400, 5004));
    assert_eq!(at("/v1/margin/BTC", NOW_MS, None), (200, 0));
    assert_eq!(at("/v1/margin/DOGE", NOW_MS, None), (400, 10070));
    assert_eq!(at("/v1/position/NOPE", NOW_MS, None), (400, 10050));
    assert_eq!(at("/v1/order?instrument=BTCUSD&clientOrderId=a%7Cb", NOW_MS, None), (400, 10056));
    assert_eq!(at("/v1/order?instrument=BTCUSD", NOW_MS, None), (400, 1000));
    assert_eq!(at("/v1/order?instrument=BTCUSD&instrument=BTCUSD", NOW_MS, None), (400, 5006));
    assert_eq!(at("/v1/nope", NOW_MS, None), (404, 5000));

    let wrong = Credentials::new(keys.key.clone(), "d3Jvbmc=");
    assert_eq!(code(&signed(&mut rig, "/v1/margin", NOW_MS, None, &wrong)), (401, 5005));
    let other = Credentials::new("13f1ab93-771d-4d59-bb6a-fe96f6b609ea", keys.secret.clone());
    assert_eq!(code(&signed(&mut rig, "/v1/margin", NOW_MS, None, &other)), (401, 5002));
    assert_eq!(code(&rig.get("duedex", "/v1/margin")), (400, 5001));
    // Any of the headers makes it an authenticated request, on public routes too, where it may also succeed.
    assert_eq!(code(&rig.get_with("duedex", "/v1/instrument", &[("ddx-expiration", "1")])), (400, 5001));
    assert_eq!(code(&signed(&mut rig, "/v1/instrument", NOW_MS, None, &wrong)), (401, 5005));
    assert_eq!(code(&signed(&mut rig, "/v1/instrument", NOW_MS, None, &keys)), (200, 0));

    // A body on DELETE is signed to the byte.
    let body = r#"{"instrument":"BTCUSD","orderId":42}"#;
    let stamp = NOW_MS.to_string();
    let request = sign::Request {
        method: "DELETE",
        path: "/v1/order",
        timestamp: &stamp,
        expiration: None,
        query: "",
        body,
    };
    let headers = request.sign(&keys).expect("base64").headers;
    let mut headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", "application/json; charset=utf-8"));
    for (sent, expected) in [(body, (400, 10056)), (r#"{"instrument":"BTCUSD","orderId":43}"#, (401, 5005))] {
        let id = rig.ask("duedex", "DELETE", "/v1/order", &headers, sent);
        assert_eq!(code(&rig.responses.remove(&id).flatten().expect("answered")), expected);
    }
}

#[test]
fn an_account_reads_over_rest_what_its_channels_say() {
    let (mut rig, keys) = (Rig::new(1), keys());
    let conn = open(&mut rig);
    assert!(log_in(&mut rig, conn, &keys));
    rig.pass_ms(30_000);
    subscribe(&mut rig, conn, ALL_PRIVATE);
    let snapshots: BTreeMap<String, Value> = rig
        .take_json(conn)
        .into_iter()
        .filter(|message| message["type"] == "snapshot")
        .map(|message| (stream_of(&message).0, message["data"].clone()))
        .collect();
    let now_ms = NOW_MS + 30_000;
    let mut read = |target: &str| json(&signed(&mut rig, target, now_ms, None, &keys))["data"].clone();
    let orders = read("/v1/order/active");
    assert_eq!(orders, snapshots["orders"]);
    assert!(orders.as_array().is_some_and(|orders| !orders.is_empty()));
    assert_eq!(read("/v1/margin").as_array().map(Vec::len), Some(2));
    let position = read("/v1/position/ETHUSDT");
    assert_eq!(position.as_object().map(serde_json::Map::len), Some(14));
    let first = &orders[0];
    let one = read(&format!(
        "/v1/order?instrument={}&orderId={}",
        first["instrument"].as_str().expect("text"),
        first["orderId"]
    ));
    assert_eq!(&one, first);
    let sum = |row: &Value, fields: &[&str]| -> rust_decimal::Decimal {
        fields
            .iter()
            .map(|field| {
                row[*field].as_str().expect("text").parse::<rust_decimal::Decimal>().expect("a decimal")
            })
            .sum()
    };
    for (row, deposit) in snapshots["margins"].as_array().expect("rows").iter().zip(["10", "50000"]) {
        let held = sum(row, &["available", "orderMargin", "positionMargin"]);
        assert_eq!(held - sum(row, &["realisedPnl"]), deposit.parse().expect("a decimal"), "{row}");
    }
}

#[test]
fn quotas_are_told_with_every_answer_and_a_flood_is_banned() {
    let limits = DuedexLimits { quota_ip: 10, quota_user: 30, ignored_429_max: 3, ..DuedexLimits::default() };
    let config = SimConfig { duedex_limits: limits, ..SimConfig::new(1, start()) };
    let keys = config.keys.duedex.clone();
    let mut rig = Rig::with(config);
    let figures = |response: &Response| {
        ["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"]
            .map(|name| response.header(name).and_then(|text| text.parse::<i64>().ok()).expect("an integer"))
    };
    let [limit, remaining, reset] = figures(&rig.get("duedex", "/v1/ticker/BTCUSD"));
    assert_eq!((limit, remaining, reset), (10, 9, NOW_MS / 1000 + 7));
    assert_eq!(figures(&signed(&mut rig, "/v1/margin", NOW_MS, None, &keys))[..2], [30, 27]);
    for _ in 0..9 {
        assert_eq!(rig.get("duedex", "/v1/nothing").status, 404);
    }
    for _ in 0..3 {
        let response = rig.get("duedex", "/v1/ticker");
        assert_eq!((code(&response), figures(&response)[1]), ((429, 5010), 0));
    }
    let banned = rig.get("duedex", "/v1/ticker");
    assert_eq!((banned.status, banned.header("retry-after")), (403, Some("121")));
    assert_eq!(
        signed(&mut rig, "/v1/margin", NOW_MS, None, &keys).status,
        200,
        "the user's quota is another"
    );
    let request = Request {
        method: "GET",
        path: "/v1/ticker",
        query: "",
        headers: &[],
        body: b"",
        peer: [10, 0, 0, 1].into(),
    };
    rig.input("duedex", FrontInput::Request { id: 9_999, request });
    assert_eq!(rig.responses[&9_999].as_ref().map(|r| r.status), Some(200), "{PEER} alone is banned");
    rig.pass(Duration::from_secs(121));
    assert_eq!(rig.get("duedex", "/v1/ticker").status, 200);
}

#[test]
fn tickers_and_candles_over_rest() {
    let mut rig = Rig::new(2);
    rig.pass(Duration::from_secs(90));
    let all = rig.get_json("duedex", "/v1/ticker");
    assert_eq!((all["data"].as_array().map(Vec::len), &all["code"]), (Some(4), &Value::from(0)));
    assert_eq!(rig.get_json("duedex", "/v1/ticker/LINKUSDT")["data"], all["data"][3]);
    assert_eq!(code(&rig.get("duedex", "/v1/ticker/NOPE")), (400, 10050));
    let from = NOW_MS / 1000 - 60;
    let target =
        format!("/bars/v1/tradingView/history?symbol=BTCUSD&resolution=1&from={from}&to={}", from + 300);
    let response = rig.get("duedex", &target);
    let bars: wire::Bars<'_> = serde_json::from_slice(&response.body).expect("bars");
    assert_eq!((bars.s.as_str(), &bars.t[..]), ("ok", &[1_699_999_980, 1_700_000_040][..]));
    assert!([bars.o.len(), bars.h.len(), bars.l.len(), bars.c.len(), bars.v.len()] == [2; 5]);
    assert!(json(&response)["o"][0].is_number());
    assert_eq!(
        text(&rig.get("duedex", "/bars/v1/tradingView/history?symbol=BTCUSD&resolution=D&from=1&to=2")),
        r#"{"s":"no_data"}"#
    );
    assert_eq!(
        text(&rig.get("duedex", "/bars/v1/tradingView/history?symbol=NOPE&resolution=D&from=1&to=2")),
        r#"{"s":"error"}"#
    );
}

/// What is done over REST is told by all four private channels, and merges to what REST says afterwards.
#[test]
fn the_feed_tells_what_rest_has_done() {
    let mut rig = Rig::quiet();
    let conn = open(&mut rig);
    assert!(log_in(&mut rig, conn, &keys()));
    subscribe(&mut rig, conn, ALL_PRIVATE);
    let told = |rig: &mut Rig| -> BTreeMap<String, Value> {
        let messages = rig.take_json(conn).into_iter().filter(|message| message["type"] == "update");
        messages.map(|message| (stream_of(&message).0, message["data"].clone())).collect()
    };
    rig.take(conn);
    let body = r#"{"instrument":"BTCUSDT","clientOrderId":"c","type":"limit","side":"long","price":"10000.00","size":50}"#;
    let placed = rig.duedex_data("POST", "/v1/order", body);
    let first = told(&mut rig);
    assert_eq!(first["orders"], serde_json::json!([placed]), "an insert is whole");
    assert_eq!(first["positions"][0]["buyOrderMargin"], "0.5000");
    assert_eq!(first["margins"][0]["orderMargin"], "0.5000");
    assert!(!first.contains_key("executions"));
    rig.pass_ms(7);
    let patch = r#"{"instrument":"BTCUSDT","clientOrderId":"c","price":"10100.00"}"#;
    rig.duedex_data("PATCH", "/v1/order", patch);
    let id = &placed["orderId"];
    assert_eq!(
        told(&mut rig)["orders"],
        serde_json::json!([{"instrument": "BTCUSDT", "orderId": id, "clientOrderId": "c", "price": "10100.00",
            "notionalValue": "50.5000", "status": "new", "fillPrice": "0.00", "filledSize": 0,
            "accumulatedFees": "0.0000", "updateTime": "2023-11-14T22:13:20.007Z"}])
    );
    rig.duedex_data("DELETE", "/v1/order", r#"{"instrument":"BTCUSDT","clientOrderId":"c"}"#);
    let last = told(&mut rig);
    assert_eq!(
        (&last["orders"][0]["status"], &last["margins"][0]["orderMargin"]),
        (&"cancelled".into(), &"0.0000".into())
    );

    let market = r#"{"instrument":"BTCUSDT","type":"market","side":"short","size":40}"#;
    let placed = rig.duedex_data("POST", "/v1/order", market);
    let filled = told(&mut rig);
    assert_eq!(
        (&filled["orders"][0]["status"], &filled["orders"][0]["filledSize"]),
        (&"filled".into(), &40.into())
    );
    let executions = filled["executions"].as_array().expect("rows");
    let size: i64 = executions.iter().filter_map(|row| row["executionSize"].as_i64()).sum();
    assert!(size == 40 && executions.iter().all(|row| row["orderId"] == placed["orderId"]));
    assert_eq!(executions.last().map(|row| &row["orderSizeLeft"]), Some(&0.into()));
    assert_eq!(filled["positions"][0]["quantity"], -40);
    let rest = rig.duedex_data("GET", "/v1/margin/USDT", "");
    assert_eq!(
        (&filled["margins"][0]["available"], &filled["margins"][0]["realisedPnl"]),
        (&rest["available"], &rest["realisedPnl"])
    );
    // A key that is taken away takes its connection with it.
    let now = rig.now;
    assert!(rig.sim.venue_mut("duedex").expect("a venue").revoke_key(now, &keys().key));
    rig.drain();
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)));
}
