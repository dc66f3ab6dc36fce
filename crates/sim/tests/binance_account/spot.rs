//! Spot orders and fills, answered, told, refused, lost and found.

use super::*;

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
