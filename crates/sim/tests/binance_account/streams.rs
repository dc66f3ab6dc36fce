//! The WebSocket API, and whether the streams tell what REST reads.

use super::*;
use crate::futures::futures_stream;

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
