//! Whatever stands where something else should.

use super::*;
use crate::futures::futures_stream;

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

const ROUTES: [(&str, &str); 38] = [
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
    ("POST", "/sapi/v1/margin/order"),
    ("DELETE", "/sapi/v1/margin/order"),
    ("GET", "/sapi/v1/margin/order"),
    ("GET", "/sapi/v1/margin/myTrades"),
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
