//! Margin: the stream of its wallet, and orders on it.

use super::*;

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

/// What a cell of the demo account holds and what of it is locked.
fn cell(rig: &Rig, wallet: Wallet, asset: &str) -> (Decimal, Decimal) {
    let cash = rig.binance_account().cash_of(wallet, asset);
    (cash.total, cash.locked)
}

/// An order on margin holds what its own wallet has, is found on its own routes alone, and is told on the stream of its
/// wallet.
#[test]
fn orders_on_margin_are_their_wallets_own() {
    let number = |text: &str| text.parse::<Decimal>().expect("a number");
    for (wallet, isolated) in [(Wallet::Margin, "FALSE"), (Wallet::Isolated("BTCUSDT"), "TRUE")] {
        let mut rig = Rig::quiet();
        let key = keys(VENUE).key;
        let target = format!("/sapi/v1/userListenToken?isIsolated={isolated}&symbol=BTCUSDT");
        let made = json(&raw(&mut rig, "POST", &target, "", Some(&key)));
        let conn = rig.open(VENUE, "/ws-api/v3");
        let listen = "userDataStream.subscribe.listenToken";
        api(&mut rig, conn, listen, &[("listenToken", made["token"].clone())]);
        let (spot, before) = (cell(&rig, Wallet::Spot, "USDT"), cell(&rig, wallet, "USDT"));
        let named = [("symbol", "BTCUSDT"), ("isIsolated", isolated), ("origClientOrderId", "mine")];
        let order = |more: &[(&'static str, &'static str)]| {
            let plain = [("symbol", "BTCUSDT"), ("isIsolated", isolated), ("side", "BUY"), ("type", "LIMIT")];
            let rest = [("timeInForce", "GTC"), ("quantity", "0.001"), ("newClientOrderId", "mine")];
            [&plain[..], &rest[..], more].concat()
        };
        // One that would borrow is not taken for one that does not.
        let borrows = order(&[("price", "50000"), ("sideEffectType", "MARGIN_BUY")]);
        assert_eq!(code(&rig.binance("POST", "/sapi/v1/margin/order", &borrows)), (400, -1130));
        let plain = order(&[("price", "50000"), ("sideEffectType", "NO_SIDE_EFFECT")]);
        let placed = rig.binance_json("POST", "/sapi/v1/margin/order", &plain);
        assert_eq!((&placed["isIsolated"], &placed["status"]), (&value!(isolated == "TRUE"), &value!("NEW")));
        assert_eq!(cell(&rig, wallet, "USDT"), (before.0, before.1 + number("50")));
        assert_eq!(cell(&rig, Wallet::Spot, "USDT"), spot, "spot holds nothing for it");
        let events: Vec<Value> =
            rig.take_json(conn).iter().map(|frame| frame["event"]["e"].clone()).collect();
        assert_eq!(events, ["executionReport", "outboundAccountPosition"]);
        let of_spot = [("symbol", "BTCUSDT"), ("origClientOrderId", "mine")];
        assert_eq!(code(&rig.binance("GET", "/api/v3/order", &of_spot)), (400, -2013));
        assert_eq!(rig.binance_json("GET", "/api/v3/openOrders", &[]), value!([]));
        let other =
            [("symbol", "BTCUSDT"), ("isIsolated", if isolated == "TRUE" { "FALSE" } else { "TRUE" })];
        assert_eq!(rig.binance_json("GET", "/sapi/v1/margin/openOrders", &other), value!([]));
        let open = rig.binance_json("GET", "/sapi/v1/margin/openOrders", &named[..2]);
        assert_eq!(open[0]["clientOrderId"], "mine");
        let gone = rig.binance_json("DELETE", "/sapi/v1/margin/order", &named);
        assert_eq!(gone["orderId"], value!(placed["orderId"].to_string()), "a text, here alone");
        assert_eq!(cell(&rig, wallet, "USDT"), before);
        // One that fills pays and is paid where it was placed.
        let (bitcoin, ask) = (cell(&rig, wallet, "BTC").0, best(&rig.sim, VENUE, "BTC/USDT").1);
        let market = [("symbol", "BTCUSDT"), ("isIsolated", isolated), ("side", "BUY"), ("type", "MARKET")];
        let filled = rig.binance_json(
            "POST",
            "/sapi/v1/margin/order",
            &[&market[..], &[("quantity", "0.001")]].concat(),
        );
        assert_eq!(
            (&filled["status"], filled["fills"][0].get("tradeId")),
            (&value!("FILLED"), None),
            "{ask}"
        );
        assert!(cell(&rig, wallet, "BTC").0 > bitcoin && cell(&rig, wallet, "USDT").0 < before.0);
        assert_eq!(cell(&rig, Wallet::Spot, "USDT"), spot);
        let trades = rig.binance_json("GET", "/sapi/v1/margin/myTrades", &named[..2]);
        assert_eq!(trades.as_array().map(Vec::len), filled["fills"].as_array().map(Vec::len));
        assert_eq!(rig.binance_json("GET", "/api/v3/myTrades", &[("symbol", "BTCUSDT")]), value!([]));
    }
}
