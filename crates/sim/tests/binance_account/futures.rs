//! Futures orders, their countdown and the key of their stream.

use super::*;

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
pub(crate) fn futures_stream(rig: &mut Rig, query: &str) -> (u64, String) {
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
