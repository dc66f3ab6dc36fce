//! Kraken's private side: keys, nonces, limits, orders, histories, and the account's own streams.

mod common;

use std::time::Duration;

use common::kraken::{keys, number, quiet, roomy, spot_sign};
use common::{End, PEER, Rig, json as parsed, start};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use venuekit_sign::Credentials;
use venuekit_sim::faults::{Command, Fault};
use venuekit_sim::wallets::Wallet;
use venuekit_sim::{ApiKey, KrakenLimits, Permissions, Rate, Request, SimConfig};

fn rig() -> Rig {
    Rig::with(quiet())
}

fn account(rig: &Rig) -> &venuekit_sim::wallets::Account {
    rig.sim.venue("kraken").expect("a venue").account()
}

fn decimal(value: &Value) -> Decimal {
    number(&value.as_str().map_or_else(|| value.to_string(), str::to_string)).normalize()
}

/// A resting buy far below the market, as parameters.
const FAR: &str = "ordertype=limit&type=buy&pair=XBTUSD&price=50000.0&volume=0.001";

fn place(rig: &mut Rig, more: &str) -> String {
    let result = rig.spot("AddOrder", &format!("{FAR}{more}"));
    result["txid"][0].as_str().expect("an id").to_string()
}

// ---- spot: keys ----

#[test]
fn a_request_is_signed_over_its_path_nonce_and_body() {
    let mut rig = rig();
    let ask = |rig: &mut Rig, method: &str, path: &str, key: &str, sign: &str, body: &str| {
        let headers = [("API-Key", key), ("API-Sign", sign)];
        let request =
            Request { method, path, query: "", headers: &headers, body: body.as_bytes(), peer: PEER };
        let id = rig.request("kraken", request);
        let response = rig.responses.remove(&id).flatten().expect("answered");
        assert_eq!(response.status, 200, "errors are 200 too");
        parsed(&response)["error"].clone()
    };
    let keys = keys();
    let path = "/0/private/Balance";
    let good = |nonce: &str, body: &str| spot_sign(&keys, path, nonce, body);
    let ok = json!([]);
    assert_eq!(ask(&mut rig, "POST", path, &keys.key, &good("10", "nonce=10"), "nonce=10"), ok);
    for (method, key, sign, body, error) in [
        ("POST", "nobody", good("11", "nonce=11"), "nonce=11", "EAPI:Invalid key"),
        ("POST", &keys.key, good("11", "nonce=11"), "nonce=11&asset=XBT", "EAPI:Invalid signature"),
        ("POST", &keys.key, good("12", "nonce=11"), "nonce=11", "EAPI:Invalid signature"),
        ("POST", &keys.key, good("10", "nonce=10"), "nonce=10", "EAPI:Invalid nonce"),
        ("POST", &keys.key, good("9", "nonce=9"), "nonce=9", "EAPI:Invalid nonce"),
        ("GET", &keys.key, good("11", "nonce=11"), "nonce=11", "EGeneral:Unknown method"),
    ] {
        assert_eq!(ask(&mut rig, method, path, key, &sign, body), json!([error]), "{method} {body}");
    }
    // What was refused has not raised the nonce, and scales may be mixed only upwards.
    assert_eq!(ask(&mut rig, "POST", path, &keys.key, &good("11", "nonce=11"), "nonce=11"), ok);
    assert_eq!(rig.spot_error("Nope", ""), "EGeneral:Unknown method");
}

#[test]
fn wrong_signatures_lock_a_key_out_for_a_while() {
    let limits = KrakenLimits { lockout_after: 3, ..roomy() };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..quiet() });
    let wrong = Credentials::new(keys().key, "AAAA");
    for _ in 0..3 {
        let id = rig.spot_ask(&wrong, "Balance", "");
        let answer = rig.responses.remove(&id).flatten().expect("answered");
        assert_eq!(parsed(&answer)["error"], json!(["EAPI:Invalid signature"]));
    }
    assert_eq!(rig.spot_error("Balance", ""), "EGeneral:Temporary lockout");
    rig.pass(Duration::from_secs(899));
    assert_eq!(rig.spot_error("Balance", ""), "EGeneral:Temporary lockout");
    rig.pass(Duration::from_secs(2));
    rig.spot("Balance", "");
}

#[test]
fn keys_may_do_what_they_were_made_for() {
    let reader = Credentials::new("reader", "UkVBREVS");
    let config = quiet().with_key("kraken", ApiKey::new(reader.clone(), Permissions::READ));
    let mut rig = Rig::with(config);
    let ask = |rig: &mut Rig, method: &str, params: &str| {
        let id = rig.spot_ask(&reader, method, params);
        parsed(&rig.responses.remove(&id).flatten().expect("answered"))["error"].clone()
    };
    assert_eq!(ask(&mut rig, "OpenOrders", ""), json!([]));
    for (method, params) in [("AddOrder", FAR), ("CancelAll", ""), ("CancelAllOrdersAfter", "timeout=60")] {
        assert_eq!(ask(&mut rig, method, params), json!(["EGeneral:Permission denied"]), "{method}");
    }
    let mut futures = |method: &str, path: &str, params: &str| {
        rig.futures_with(&reader, (method, path, params), "")["error"].clone()
    };
    assert_eq!(futures("GET", "/derivatives/api/v3/accounts", ""), Value::Null);
    let order = "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000";
    assert_eq!(futures("POST", "/derivatives/api/v3/sendorder", order), "insufficientPrivileges");
}

#[test]
fn a_counter_for_requests_and_one_for_each_pairs_orders() {
    let limits = KrakenLimits {
        spot_private: Rate { max_milli: 4_000, decay_milli: 330 },
        spot_orders: Rate { max_milli: 10_000, decay_milli: 1_000 },
        ..roomy()
    };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..quiet() });
    rig.spot("Ledgers", "");
    rig.spot("ClosedOrders", "");
    assert_eq!(rig.spot_error("Balance", ""), "EAPI:Rate limit exceeded");
    // Orders are counted elsewhere: one each, and a young one's cancel costs eight.
    let first = place(&mut rig, "");
    place(&mut rig, "");
    assert_eq!(rig.spot("CancelOrder", &format!("txid={first}"))["count"], 1);
    assert_eq!(rig.spot_error("AddOrder", FAR), "EOrder:Rate limit exceeded");
    // Another pair has its own, and what is over comes back at one a second.
    rig.spot("AddOrder", "ordertype=limit&type=buy&pair=ETHUSD&price=2000.00&volume=0.01");
    rig.pass(Duration::from_secs(1));
    place(&mut rig, "");
    assert_eq!(rig.spot_error("AddOrder", FAR), "EOrder:Rate limit exceeded");
    rig.pass(Duration::from_secs(4));
    rig.spot("Balance", "");

    let limits = KrakenLimits { spot_open_max: 2, ..roomy() };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..quiet() });
    place(&mut rig, "");
    place(&mut rig, "");
    assert_eq!(rig.spot_error("AddOrder", FAR), "EOrder:Orders limit exceeded");
}

// ---- spot: orders ----

#[test]
fn an_order_is_described_held_told_and_cancelled() {
    let mut rig = rig();
    let own = "6d1b345e-2821-40e2-ad83-4ecb18a06876";
    let checked = rig.spot("AddOrder", &format!("{FAR}&validate=true"));
    assert_eq!(checked, json!({"descr": {"order": "buy 0.00100000 XBTUSD @ limit 50000.0"}}));
    assert_eq!(account(&rig).open_orders().count(), 0);
    let id = place(&mut rig, &format!("&oflags=post&cl_ord_id={own}"));
    assert!(id.len() == 19 && id.starts_with('O'));
    let open = rig.spot("OpenOrders", "")["open"].clone();
    let order = &open[&id];
    assert_eq!((&order["status"], &order["cl_ord_id"]), (&json!("open"), &json!(own)));
    assert_eq!((&order["vol"], &order["vol_exec"]), (&json!("0.00100000"), &json!("0.00000000")));
    let descr = &order["descr"];
    assert_eq!(
        (&descr["pair"], &descr["price"], &descr["ordertype"]),
        (&json!("XBTUSD"), &json!("50000.0"), &json!("limit"))
    );
    assert_eq!((&descr["leverage"], &order["oflags"]), (&json!("none"), &json!("fciq,post")));
    assert_eq!(order["opentm"].to_string(), "1700000000.0");
    // What it could cost at most is held, its fee included.
    let held = rig.spot("BalanceEx", "")["ZUSD"]["hold_trade"].clone();
    assert_eq!(decimal(&held), "50.2".parse().expect("a decimal"));
    assert_eq!(
        rig.spot_error("AddOrder", &format!("{FAR}&cl_ord_id={own}")),
        "EGeneral:Invalid arguments:cl_ord_id"
    );
    assert_eq!(rig.spot("CancelOrder", &format!("cl_ord_id={own}"))["count"], 1);
    assert_eq!(rig.spot_error("CancelOrder", &format!("txid={id}")), "EOrder:Unknown order");
    let closed = rig.spot("ClosedOrders", &format!("cl_ord_id={own}"));
    assert_eq!((&closed["count"], &closed["closed"][&id]["status"]), (&json!(1), &json!("canceled")));
    assert_eq!(closed["closed"][&id]["reason"], "User requested");
    assert!(closed["closed"][&id]["closetm"].is_number());
    assert_eq!(rig.spot("QueryOrders", &format!("txid={id}"))[&id]["status"], "canceled");
    // An id is unique among open orders only.
    let again = place(&mut rig, &format!("&cl_ord_id={own}"));
    assert_ne!(again, id);
    assert_eq!(rig.spot("CancelAll", ""), json!({"count": 1}));
}

#[test]
fn what_is_refused_is_refused_in_the_venues_words() {
    let mut rig = rig();
    let best = rig.spot_public("Ticker?pair=XBTUSD")["XXBTZUSD"].clone();
    let ask = best["a"][0].as_str().expect("a price").to_string();
    for (params, error) in [
        ("ordertype=limit&type=buy&pair=NOPE&price=1&volume=1".to_string(), "EQuery:Unknown asset pair"),
        (
            "ordertype=limit&type=buy&pair=XBTUSD&price=50000.05&volume=1".into(),
            "EOrder:Tick size check failed",
        ),
        ("ordertype=limit&type=buy&pair=XBTUSD&price=0&volume=1".into(), "EOrder:Invalid price"),
        ("ordertype=limit&type=buy&pair=XBTUSD&volume=1".into(), "EGeneral:Invalid arguments:price"),
        (
            "ordertype=limit&type=buy&pair=XBTUSD&price=50000&volume=0.00004".into(),
            "EOrder:Order minimum not met",
        ),
        (
            "ordertype=limit&type=buy&pair=XBTUSD&price=100&volume=0.00005".into(),
            "EOrder:Cost minimum not met",
        ),
        ("ordertype=limit&type=buy&pair=XBTUSD&price=50000&volume=100".into(), "EOrder:Insufficient funds"),
        (
            format!("ordertype=limit&type=buy&pair=XBTUSD&price={ask}&volume=0.001&oflags=post"),
            "EOrder:Post only order",
        ),
        (
            "ordertype=dance&type=buy&pair=XBTUSD&price=1&volume=1".into(),
            "EGeneral:Invalid arguments:ordertype",
        ),
        ("ordertype=limit&type=long&pair=XBTUSD&price=1&volume=1".into(), "EGeneral:Invalid arguments:type"),
        (format!("{FAR}&timeinforce=GTD"), "EGeneral:Invalid arguments:timeinforce"),
        (format!("{FAR}&cl_ord_id=a-text-that-is-far-too-long"), "EGeneral:Invalid arguments:cl_ord_id"),
        (format!("{FAR}&deadline=2023-11-14T22:13:19Z"), "EService:Deadline elapsed"),
    ] {
        assert_eq!(rig.spot_error("AddOrder", &params), error, "{params}");
    }
    assert_eq!(account(&rig).open_orders().count(), 0);
    assert_eq!(rig.spot_error("CancelOrder", ""), "EGeneral:Invalid arguments");
    assert_eq!(rig.spot_error("QueryOrders", "txid=nonsense"), "EOrder:Invalid order");
}

/// A fill costs its fee in the quote on both sides, and every row of the ledger says what it left.
#[test]
fn fills_fees_and_the_ledger_agree_with_the_balances() {
    let mut rig = rig();
    let before = |rig: &Rig, asset: &str| account(rig).cash_of(Wallet::Spot, asset).total;
    let (usd, btc) = (before(&rig, "USD"), before(&rig, "BTC"));
    rig.spot("AddOrder", "ordertype=market&type=buy&pair=XBTUSD&volume=0.05");
    rig.spot("AddOrder", "ordertype=market&type=sell&pair=XBTUSD&volume=0.02");
    let trades = rig.spot("TradesHistory", "");
    let rows = trades["trades"].as_object().expect("rows").clone();
    assert_eq!(trades["count"], rows.len());
    let (mut money, mut coins) = (Decimal::ZERO, Decimal::ZERO);
    for (id, row) in &rows {
        assert!(id.starts_with('T') && row["ordertxid"].as_str().is_some_and(|id| id.starts_with('O')));
        assert_eq!((&row["pair"], &row["maker"]), (&json!("XXBTZUSD"), &json!(false)));
        let sign = if row["type"] == "buy" { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        coins += sign * decimal(&row["vol"]);
        money -= sign * decimal(&row["cost"]) + decimal(&row["fee"]);
        let rate = decimal(&row["fee"]) / decimal(&row["cost"]);
        assert!((rate - "0.004".parse::<Decimal>().expect("a decimal")).abs() < Decimal::new(1, 6));
    }
    assert_eq!(before(&rig, "BTC") - btc, coins);
    assert!((before(&rig, "USD") - usd - money).abs() < Decimal::new(1, 3));
    let ledger = rig.spot("Ledgers", "asset=ZUSD&type=trade")["ledger"].clone();
    let mut own: Vec<&Value> = ledger.as_object().expect("rows").values().collect();
    own.sort_by_key(|row| decimal(&row["balance"]));
    assert!(own.iter().all(|row| row["refid"].as_str().is_some_and(|id| rows.contains_key(id))));
    // The last row of each asset is what the wallet holds.
    let all = rig.spot("Ledgers", "")["ledger"].as_object().expect("rows").clone();
    for (asset, name) in [("USD", "ZUSD"), ("BTC", "XXBT"), ("ETH", "XETH")] {
        let last = all.iter().filter(|(_, row)| row["asset"] == name).max_by_key(|(id, _)| (*id).clone());
        let balance = decimal(&last.expect("a row").1["balance"]);
        assert_eq!(balance, before(&rig, asset).normalize(), "{asset}");
    }
    let volume = rig.spot("TradeVolume", "pair=XBTUSD,ETHUSD");
    assert_eq!(
        (&volume["fees"]["XXBTZUSD"]["fee"], &volume["fees_maker"]["XETHZUSD"]["fee"]),
        (&json!("0.4000"), &json!("0.2500"))
    );
    assert!(decimal(&volume["volume"]) > Decimal::from(4_000));
    let trade_balance = rig.spot("TradeBalance", "asset=ZUSD");
    assert!(decimal(&trade_balance["eb"]) > Decimal::from(500_000) && trade_balance["m"] == "0.0000");
}

/// Fifty to a page, the newest first; an offset, or the id of the last row seen, leads on to the rest.
#[test]
fn histories_are_paged_by_offset_and_by_id() {
    let mut rig = rig();
    for _ in 0..120 {
        rig.spot("AddOrder", "ordertype=market&type=buy&pair=XBTUSD&volume=0.0001");
        rig.pass_ms(1_000);
    }
    let count = rig.spot("TradesHistory", "")["count"].as_u64().expect("a number");
    let mut by_offset = std::collections::BTreeSet::new();
    for offset in (0..count).step_by(50) {
        let page =
            rig.spot("TradesHistory", &format!("ofs={offset}"))["trades"].as_object().expect("rows").clone();
        assert!(page.len() <= 50);
        by_offset.extend(page.keys().cloned());
    }
    assert_eq!(by_offset.len() as u64, count);
    let (mut end, mut by_id) = (String::new(), std::collections::BTreeSet::new());
    loop {
        let page =
            rig.spot("Ledgers", &format!("type=trade{end}"))["ledger"].as_object().expect("rows").clone();
        let fresh = page.keys().filter(|id| by_id.insert((*id).clone())).count();
        if fresh == 0 {
            break;
        }
        // Ids rise, so that the least of a page is its oldest.
        end = format!("&end={}", page.keys().min().expect("rows"));
    }
    assert_eq!(by_id.len() as u64, 2 * count, "two rows a trade");
    let closed = rig.spot("ClosedOrders", "start=1700000010&end=1700000012.5");
    assert_eq!(closed["count"], 2, "after the start, to the end: {closed}");
    assert!(rig.spot("ClosedOrders", "without_count=true").get("count").is_none());
}

#[test]
fn a_switch_cancels_all_of_spot_and_nothing_else() {
    let mut rig = rig();
    place(&mut rig, "");
    let order = "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000";
    rig.futures("POST", "/derivatives/api/v3/sendorder", order);
    let armed = rig.spot("CancelAllOrdersAfter", "timeout=60");
    assert_eq!(armed, json!({"currentTime": "2023-11-14T22:13:20Z", "triggerTime": "2023-11-14T22:14:20Z"}));
    rig.pass(Duration::from_secs(59));
    assert_eq!(account(&rig).open_orders().count(), 2);
    rig.spot("CancelAllOrdersAfter", "timeout=60");
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.spot("CancelAllOrdersAfter", "timeout=0")["triggerTime"], "0");
    rig.pass(Duration::from_secs(60));
    assert_eq!(account(&rig).open_orders().count(), 2, "disarmed");
    rig.spot("CancelAllOrdersAfter", "timeout=10");
    rig.pass(Duration::from_secs(10));
    assert_eq!(account(&rig).open_orders().map(|order| order.market).collect::<Vec<_>>(), [4]);
    let armed = rig.futures("POST", "/derivatives/api/v3/cancelallordersafter", "timeout=5");
    assert_eq!(armed["status"]["triggerTime"], "2023-11-14T22:16:04.000Z");
    rig.pass(Duration::from_secs(5));
    assert_eq!(account(&rig).open_orders().count(), 0);
    let disarmed = rig.futures("POST", "/derivatives/api/v3/cancelallordersafter", "timeout=0");
    assert_eq!(disarmed["status"]["triggerTime"], "0");
}

#[test]
fn money_under_way_is_told_with_its_status() {
    let mut rig = rig();
    let deposits = rig.spot("DepositStatus", "");
    let statuses = |rows: &Value| -> Vec<String> {
        rows.as_array()
            .expect("rows")
            .iter()
            .map(|row| row["status"].as_str().expect("a word").into())
            .collect()
    };
    assert_eq!(statuses(&deposits), ["Initial", "Success"]);
    assert_eq!((&deposits[0]["asset"], &deposits[0]["method"]), (&json!("XXBT"), &json!("Bitcoin")));
    let before = account(&rig).cash_of(Wallet::Spot, "BTC").total;
    rig.pass(Duration::from_secs(121));
    assert_eq!(statuses(&rig.spot("DepositStatus", "asset=XBT")), ["Success"]);
    assert_eq!(account(&rig).cash_of(Wallet::Spot, "BTC").total - before, Decimal::new(25, 2));
    let ledger = rig.spot("Ledgers", "type=deposit&asset=XXBT")["ledger"].clone();
    let row = ledger.as_object().expect("rows").values().next().expect("a row").clone();
    assert_eq!(row["refid"], deposits[0]["refid"]);
    let moved = rig.spot("Ledgers", "type=transfer")["ledger"].clone();
    let moved: Vec<&Value> = moved.as_object().expect("rows").values().map(|row| &row["amount"]).collect();
    assert_eq!(moved.iter().map(|amount| decimal(amount)).collect::<Vec<_>>(), [Decimal::from(-1_000)]);
    // One of each asset that it began with, and none that was needed since.
    assert_eq!(rig.spot("Ledgers", "type=adjustment")["count"], 5);
    let page = rig.spot("DepositStatus", "cursor=true&limit=1");
    let cursor = page["next_cursor"].as_str().expect("more").to_string();
    let rest = rig.spot("DepositStatus", &format!("cursor={cursor}&limit=1"));
    assert_eq!((&rest["deposits"][0]["asset"], &rest["next_cursor"]), (&json!("ZUSD"), &Value::Null));
    assert_eq!(statuses(&rig.spot("WithdrawStatus", "")), ["Success"]);
}

// ---- spot: streams ----

fn private(channel: &str, token: &str, more: &str) -> String {
    format!(
        r#"{{"method":"subscribe","params":{{"channel":"{channel}","token":"{token}"{more}}},"req_id":5}}"#
    )
}

#[test]
fn a_token_opens_the_accounts_channels_while_it_is_fresh() {
    let mut rig = rig();
    let conn = rig.spot_conn();
    for (text, error) in [
        (private("executions", "nonsense", ""), "EAPI:Invalid token"),
        (private("executions", "", "").replace(r#","token":"""#, ""), "EGeneral:Invalid arguments:token"),
    ] {
        rig.send("kraken", conn, &text);
        let answer = &rig.take_json(conn)[0];
        assert_eq!(
            (&answer["error"], &answer["success"], &answer["req_id"]),
            (&json!(error), &json!(false), &json!(5))
        );
    }
    let token = rig.token();
    let now = rig.now;
    rig.sim.venue_mut("kraken").expect("a venue").inject(now, Command::all(Fault::RefuseLogin));
    rig.send("kraken", conn, &private("balances", &token, ""));
    assert_eq!(rig.take_json(conn)[0]["error"], "ESession:Invalid session");
    rig.send("kraken", conn, &private("balances", &token, ""));
    let frames = rig.take_json(conn);
    assert_eq!(frames[0]["result"], json!({"channel": "balances", "snapshot": true}));
    assert_eq!((&frames[1]["type"], &frames[1]["sequence"]), (&json!("snapshot"), &json!(1)));
    let btc =
        frames[1]["data"].as_array().expect("rows").iter().find(|row| row["asset"] == "BTC").expect("a row");
    assert_eq!((decimal(&btc["balance"]), &btc["wallets"][0]["id"]), (Decimal::from(3), &json!("main")));
    // Used within its time it stays good on its connection; elsewhere it is stale.
    rig.pass(Duration::from_secs(901));
    rig.send("kraken", conn, &private("executions", &token, r#","snap_orders":true"#));
    assert!(rig.take_json(conn).iter().any(|frame| frame["result"]["channel"] == "executions"));
    let other = rig.spot_conn();
    rig.send("kraken", other, &private("executions", &token, ""));
    assert_eq!(rig.take_json(other)[0]["error"], "ESession:Invalid session");
    // A key that is taken away takes its connections with it.
    let now = rig.now;
    rig.sim.venue_mut("kraken").expect("a venue").revoke_key(now, &keys().key);
    rig.drain();
    assert_eq!((rig.ends.get(&conn), rig.ends.get(&other)), (Some(&End::Closed(None)), None));
}

#[test]
fn executions_tell_each_orders_life_under_rising_numbers() {
    let mut rig = rig();
    let first = place(&mut rig, "&cl_ord_id=one");
    let conn = rig.spot_conn();
    let token = rig.token();
    rig.send("kraken", conn, &private("executions", &token, r#","snap_orders":true,"snap_trades":true"#));
    let frames = rig.take_json(conn);
    assert_eq!(frames[0]["result"]["maxratecount"], 1_000_000);
    let open = frames[1]["data"][0].clone();
    assert_eq!(
        (&open["order_id"], &open["cl_ord_id"], &open["order_status"]),
        (&json!(first), &json!("one"), &json!("new"))
    );
    let second = place(&mut rig, "");
    rig.spot("CancelOrder", &format!("txid={second}"));
    rig.spot("AddOrder", "ordertype=market&type=buy&pair=XBTUSD&volume=0.01");
    let frames = rig.take_json(conn);
    let sequences: Vec<u64> =
        frames.iter().map(|frame| frame["sequence"].as_u64().expect("a number")).collect();
    assert_eq!(sequences, (2..2 + frames.len() as u64).collect::<Vec<_>>());
    let events: Vec<&Value> =
        frames.iter().flat_map(|frame| frame["data"].as_array().expect("events")).collect();
    let words: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            (event["exec_type"].as_str().expect("a word"), event["order_status"].as_str().expect("a word"))
        })
        .collect();
    assert_eq!(words[..3], [("pending_new", "pending_new"), ("new", "new"), ("canceled", "canceled")]);
    assert_eq!(words[3..5], [("pending_new", "pending_new"), ("new", "new")]);
    assert_eq!(words.last(), Some(&("filled", "filled")));
    let fills: Vec<&&Value> = events.iter().filter(|event| event["exec_type"] == "trade").collect();
    let qty: Decimal = fills.iter().map(|fill| decimal(&fill["last_qty"])).sum();
    assert_eq!(qty, Decimal::new(1, 2));
    for fill in fills {
        assert!(fill["exec_id"].as_str().is_some_and(|id| id.starts_with('T')));
        assert_eq!((&fill["liquidity_ind"], &fill["fees"][0]["asset"]), (&json!("t"), &json!("USD")));
        assert_eq!(
            decimal(&fill["fees"][0]["qty"]),
            (decimal(&fill["cost"]) * Decimal::new(4, 3)).normalize()
        );
    }
    // The same fills are those of the history.
    let trades = rig.spot("TradesHistory", "")["trades"].as_object().expect("rows").clone();
    assert!(events.iter().filter_map(|event| event["exec_id"].as_str()).all(|id| trades.contains_key(id)));

    let balances = rig.spot_conn();
    rig.send("kraken", balances, &private("balances", &token, ""));
    rig.take(balances);
    rig.spot("AddOrder", "ordertype=market&type=sell&pair=XBTUSD&volume=0.01");
    let rows: Vec<Value> = rig
        .take_json(balances)
        .iter()
        .flat_map(|frame| frame["data"].as_array().expect("rows").clone())
        .collect();
    let last = rows.iter().rev().find(|row| row["asset"] == "USD").expect("a row");
    assert_eq!(decimal(&last["balance"]), account(&rig).cash_of(Wallet::Spot, "USD").total.normalize());
    assert_eq!((&last["type"], &last["wallet_type"]), (&json!("trade"), &json!("spot")));
}

/// What is answered badly, or not at all, has happened all the same, once.
#[test]
fn an_answer_is_lost_after_the_order_was_accepted() {
    let mut rig = rig();
    for (fault, own) in
        [(Fault::LoseAnswer, "lost"), (Fault::CutAnswer, "cut"), (Fault::FailAnswer(502), "failed")]
    {
        let now = rig.now;
        rig.sim.venue_mut("kraken").expect("a venue").inject(now, Command::all(fault));
        rig.spot_ask(&keys(), "AddOrder", &format!("{FAR}&cl_ord_id={own}"));
        let open = rig.spot("OpenOrders", &format!("cl_ord_id={own}"))["open"].clone();
        assert_eq!(open.as_object().map(serde_json::Map::len), Some(1), "{own}");
    }
}

// ---- futures ----

fn send(rig: &mut Rig, params: &str) -> Value {
    let answer = rig.futures("POST", "/derivatives/api/v3/sendorder", params);
    assert_eq!(answer["result"], "success", "{params}: {answer}");
    answer["sendStatus"].clone()
}

fn read(rig: &mut Rig, route: &str) -> Value {
    let (route, query) = route.split_once('?').unwrap_or((route, ""));
    let answer = rig.futures("GET", &format!("/derivatives/api/v3/{route}"), query);
    assert_eq!(answer["result"], "success", "{route}: {answer}");
    answer
}

#[test]
fn futures_requests_are_signed_over_data_nonce_and_path() {
    let mut rig = rig();
    let accounts = ("GET", "/derivatives/api/v3/accounts", "");
    let error = |answer: Value| answer["error"].clone();
    assert_eq!(error(rig.futures_with(&keys(), accounts, "100000")), Value::Null);
    assert_eq!(error(rig.futures_with(&keys(), accounts, "100000")), "nonceDuplicate");
    assert_eq!(
        error(rig.futures_with(&keys(), accounts, "99990")),
        Value::Null,
        "a little disorder is borne"
    );
    assert_eq!(error(rig.futures_with(&keys(), accounts, "80000")), "nonceBelowThreshold");
    assert_eq!(error(rig.futures_with(&keys(), accounts, "")), Value::Null, "no nonce at all is good too");
    let wrong = Credentials::new(keys().key, "AAAA");
    assert_eq!(error(rig.futures_with(&wrong, accounts, "100001")), "authenticationError");
    let stranger = Credentials::new("nobody", "AAAA");
    assert_eq!(error(rig.futures_with(&stranger, accounts, "100001")), "authenticationError");

    let limits = KrakenLimits { futures: Rate { max_milli: 30_000, decay_milli: 1_000 }, ..roomy() };
    let mut rig = Rig::with(SimConfig { kraken_limits: limits, ..quiet() });
    let order = "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000";
    for _ in 0..3 {
        send(&mut rig, order);
    }
    let answer = rig.futures("GET", "/derivatives/api/v3/openorders", "");
    assert_eq!((&answer["result"], &answer["error"]), (&json!("error"), &json!("apiLimitExceeded")));
    rig.pass(Duration::from_secs(2));
    assert_eq!(read(&mut rig, "openorders")["openOrders"].as_array().map(Vec::len), Some(3));
}

#[test]
fn futures_orders_say_inside_what_became_of_them() {
    let mut rig = rig();
    let placed = send(
        &mut rig,
        "orderType=post&symbol=pf_xbtusd&side=buy&size=0.1&limitPrice=50000&cliOrdId=own%20one",
    );
    assert_eq!((&placed["status"], &placed["cliOrdId"]), (&json!("placed"), &json!("own one")));
    let id = placed["order_id"].as_str().expect("an id").to_string();
    let event = &placed["orderEvents"][0];
    assert_eq!(
        (&event["type"], &event["order"]["type"], &event["order"]["quantity"]),
        (&json!("PLACE"), &json!("post"), &json!(0.1))
    );
    let open = read(&mut rig, "openorders")["openOrders"][0].clone();
    assert_eq!(
        (&open["order_id"], &open["cliOrdId"], &open["status"]),
        (&json!(id), &json!("own one"), &json!("untouched"))
    );
    assert_eq!(
        (&open["orderType"], &open["limitPrice"], &open["unfilledSize"]),
        (&json!("lmt"), &json!(50000.0), &json!(0.1))
    );
    let best = rig.get_json("kraken", "/derivatives/api/v3/tickers/PF_XBTUSD")["ticker"]["ask"].to_string();
    let best = best.trim_end_matches(".0");
    for (params, status) in [
        (
            "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000&cliOrdId=own%20one"
                .to_string(),
            "clientOrderIdAlreadyExist",
        ),
        ("orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000.5".into(), "invalidPrice"),
        ("orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.00001&limitPrice=50000".into(), "invalidSize"),
        ("orderType=lmt&symbol=PF_XBTUSD&side=long&size=0.1&limitPrice=50000".into(), "invalidSide"),
        ("orderType=dance&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000".into(), "invalidOrderType"),
        ("orderType=ioc&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000".into(), "iocWouldNotExecute"),
        (format!("orderType=post&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice={best}"), "postWouldExecute"),
        (
            "orderType=lmt&symbol=PF_XBTUSD&side=sell&size=0.1&limitPrice=70000&reduceOnly=true".into(),
            "wouldNotReducePosition",
        ),
        (
            "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=10000&limitPrice=50000".into(),
            "maxPositionViolation",
        ),
    ] {
        let refused = send(&mut rig, &params);
        assert_eq!(refused["status"], status, "{params}");
        assert!(refused.get("order_id").is_none());
    }
    let answer =
        rig.futures("POST", "/derivatives/api/v3/sendorder", "orderType=lmt&symbol=PF_XBTUSD&side=buy");
    assert_eq!(answer["error"], "requiredArgumentMissing");
    let cancelled =
        rig.futures("POST", "/derivatives/api/v3/cancelorder", "cliOrdId=own%20one")["cancelStatus"].clone();
    assert_eq!((&cancelled["status"], &cancelled["order_id"]), (&json!("cancelled"), &json!(id)));
    let again = rig.futures("POST", "/derivatives/api/v3/cancelorder", &format!("order_id={id}"));
    assert_eq!(again["cancelStatus"]["status"], "notFound");
    // An id that was ever used is used.
    let reused = send(
        &mut rig,
        "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000&cliOrdId=own%20one",
    );
    assert_eq!(reused["status"], "clientOrderIdAlreadyExist");
    let status =
        rig.futures("POST", "/derivatives/api/v3/orders/status", &format!("orderIds={id}&cliOrdIds=own+one"));
    let words: Vec<&Value> =
        status["orders"].as_array().expect("rows").iter().map(|row| &row["status"]).collect();
    assert_eq!(words, ["CANCELLED", "CANCELLED"]);

    send(&mut rig, "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000");
    send(&mut rig, "orderType=lmt&symbol=PI_XBTUSD&side=buy&size=100&limitPrice=50000");
    let mut all = |params: &str| {
        rig.futures("POST", "/derivatives/api/v3/cancelallorders", params)["cancelStatus"].clone()
    };
    let some = all("symbol=pi_xbtusd");
    assert_eq!((&some["status"], &some["cancelOnly"]), (&json!("cancelled"), &json!("PI_XBTUSD")));
    assert_eq!(all("")["cancelledOrders"].as_array().map(Vec::len), Some(1));
    assert_eq!(all("")["status"], "noOrdersToCancel");
}

#[test]
fn futures_fills_positions_and_wallets_agree() {
    let mut rig = rig();
    let bought = send(&mut rig, "orderType=mkt&symbol=PF_XBTUSD&side=buy&size=0.2");
    let events = bought["orderEvents"].as_array().expect("events").clone();
    assert!(events.iter().all(|event| event["type"] == "EXECUTION"), "{events:?}");
    let amount: Decimal = events.iter().map(|event| decimal(&event["amount"])).sum();
    assert_eq!(amount, Decimal::new(2, 1));
    send(&mut rig, "orderType=mkt&symbol=PI_XBTUSD&side=sell&size=500");
    let fills = read(&mut rig, "fills")["fills"].as_array().expect("rows").clone();
    assert!(fills.iter().all(|fill| fill["fillType"] == "taker" && fill["fee_paid"].is_number()));
    let of = |symbol: &str| fills.iter().filter(|fill| fill["symbol"] == symbol).collect::<Vec<_>>();
    assert_eq!(
        (&of("PF_XBTUSD")[0]["fee_currency"], &of("PI_XBTUSD")[0]["fee_currency"]),
        (&json!("USD"), &json!("BTC"))
    );
    let positions = read(&mut rig, "openpositions")["openPositions"].clone();
    let shape: Vec<_> = positions
        .as_array()
        .expect("rows")
        .iter()
        .map(|p| (p["symbol"].clone(), p["side"].clone(), p["size"].clone()))
        .collect();
    assert_eq!(
        shape,
        [(json!("PF_XBTUSD"), json!("long"), json!(0.2)), (json!("PI_XBTUSD"), json!("short"), json!(500.0))]
    );
    let accounts = read(&mut rig, "accounts")["accounts"].clone();
    let usd = account(&rig).cash_of(Wallet::Futures, "USD").total;
    assert_eq!(decimal(&accounts["flex"]["currencies"]["USD"]["quantity"]), usd.normalize());
    let fees: Decimal = of("PF_XBTUSD").iter().map(|fill| decimal(&fill["fee_paid"])).sum();
    assert_eq!(Decimal::from(101_000) - usd, fees, "a thousand came from spot");
    assert_eq!(accounts["fi_xbtusd"]["balances"]["PI_XBTUSD"], -500.0);
    assert_eq!(
        (&accounts["fi_xbtusd"]["currency"], &accounts["flex"]["type"]),
        (&json!("xbt"), &json!("multiCollateralMarginAccount"))
    );
    let earlier = read(&mut rig, "fills?lastFillTime=2023-11-14T22:13:20.000Z")["fills"].clone();
    assert_eq!(earlier, json!([]), "only what is older");
}

/// Pages joined by their tokens are the fills that were, each once, in either order.
#[test]
fn executions_are_paged_by_tokens() {
    let mut rig = rig();
    for _ in 0..12 {
        send(&mut rig, "orderType=mkt&symbol=PF_XBTUSD&side=buy&size=0.001");
        rig.pass_ms(1_000);
    }
    let count = account(&rig).fills().count();
    for sort in ["asc", "desc"] {
        let (mut token, mut times, mut uids) = (String::new(), Vec::new(), std::collections::BTreeSet::new());
        loop {
            let page =
                rig.futures("GET", "/api/history/v3/executions", &format!("count=5&sort={sort}{token}"));
            assert!(page["len"].as_u64().is_some_and(|len| len <= 5), "{page}");
            for element in page["elements"].as_array().expect("rows") {
                let execution = &element["event"]["execution"]["execution"];
                assert_eq!(
                    (&execution["order"]["tradeable"], &execution["executionType"]),
                    (&json!("PF_XBTUSD"), &json!("taker"))
                );
                times.push(element["timestamp"].as_i64().expect("a number"));
                assert!(uids.insert(execution["uid"].as_str().expect("an id").to_string()));
            }
            match page["continuationToken"].as_str() {
                Some(next) => token = format!("&continuation_token={next}"),
                None => break,
            }
        }
        assert_eq!(uids.len(), count);
        assert!(times.is_sorted_by(|a, b| if sort == "asc" { a <= b } else { a >= b }), "{times:?}");
    }
    let some = rig.futures("GET", "/api/history/v3/executions", "since=1700000002000&before=1700000003000");
    assert_eq!(some["len"], 2);
    let orders = rig.futures("GET", "/api/history/v3/orders", "tradeable=PF_XBTUSD");
    let updated = &orders["elements"][0]["event"]["OrderUpdated"];
    assert_eq!(updated["reason"], "full_fill");
    let order = &updated["newOrder"];
    assert_eq!(
        (&order["quantity"], &order["filled"]),
        (&json!("0"), &json!("0.001")),
        "nothing is left of it"
    );
}

#[test]
fn a_signed_challenge_opens_the_accounts_feeds() {
    let mut rig = rig();
    let (conn, carried) = rig.futures_conn();
    let ask = |feed: &str, carried: &str| format!(r#"{{"event":"subscribe","feed":"{feed}",{carried}}}"#);
    let refused = |message: &str| [json!({"event": "error", "message": message})];
    rig.send("kraken", conn, &ask("fills", &carried.replace("=\"", "x\"")));
    assert_eq!(rig.take_json(conn), refused("Invalid signed challenge"));
    rig.send("kraken", conn, &ask("fills", &carried.replace(&keys().key, "nobody")));
    assert_eq!(rig.take_json(conn), refused("Invalid API key"));
    // A challenge is its connection's.
    let (other, _) = rig.futures_conn();
    rig.send("kraken", other, &ask("fills", &carried));
    assert_eq!(rig.take_json(other), refused("Invalid challenge"));
    for (feed, first, rows) in [
        ("open_orders", "open_orders_snapshot", "orders"),
        ("fills", "fills_snapshot", "fills"),
        ("open_positions", "open_positions", "positions"),
        ("balances", "balances_snapshot", "flex_futures"),
    ] {
        rig.send("kraken", conn, &ask(feed, &carried));
        let frames = rig.take_json(conn);
        assert_eq!((&frames[0]["event"], &frames[0]["feed"]), (&json!("subscribed"), &json!(feed)));
        assert_eq!(frames[1]["feed"], first);
        assert!(frames[1].get(rows).is_some(), "{feed}: {}", frames[1]);
    }
    let placed =
        send(&mut rig, "orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.1&limitPrice=50000&cliOrdId=one");
    let frames = rig.take_json(conn);
    assert_eq!(
        (&frames[0]["feed"], &frames[0]["reason"]),
        (&json!("open_orders"), &json!("new_placed_order_by_user"))
    );
    let order = &frames[0]["order"];
    assert_eq!((&order["qty"], &order["filled"], &order["direction"]), (&json!(0.1), &json!(0.0), &json!(0)));
    assert_eq!((&order["type"], &frames[0]["is_cancel"]), (&json!("limit"), &json!(false)));
    rig.futures("POST", "/derivatives/api/v3/cancelorder", "cliOrdId=one");
    let gone = json!({"feed": "open_orders", "order_id": placed["order_id"], "cli_ord_id": "one", "is_cancel": true,
        "reason": "cancelled_by_user"});
    assert_eq!(rig.take_json(conn), [gone]);

    // A limit order that meets the market at once: taken in, filled in parts, and out of the book.
    let ask_price =
        rig.get_json("kraken", "/derivatives/api/v3/tickers/PF_XBTUSD")["ticker"]["ask"].to_string();
    let price = ask_price.trim_end_matches(".0");
    send(&mut rig, &format!("orderType=lmt&symbol=PF_XBTUSD&side=buy&size=0.001&limitPrice={price}"));
    let frames = rig.take_json(conn);
    let fills: Vec<&Value> = frames.iter().filter(|frame| frame["feed"] == "fills").collect();
    let fill = &fills[0]["fills"][0];
    assert_eq!(
        (&fill["buy"], &fill["fill_type"], &fill["qty"]),
        (&json!(true), &json!("taker"), &json!(0.001))
    );
    let reasons: Vec<&Value> =
        frames.iter().filter(|f| f["feed"] == "open_orders").map(|f| &f["reason"]).collect();
    assert_eq!(reasons, ["new_placed_order_by_user", "full_fill"]);
    let last = frames.iter().rfind(|frame| frame["feed"] == "open_orders").expect("an event");
    let order = &last["order"];
    assert_eq!(
        (&order["qty"], &order["filled"]),
        (&json!(0.0), &json!(0.001)),
        "what is left, and what is not"
    );
    let positions =
        frames.iter().find(|frame| frame["feed"] == "open_positions").expect("told after the fill");
    assert_eq!(positions["positions"][0]["balance"], 0.001);
    let wallets = frames.iter().find(|frame| frame["feed"] == "balances").expect("told after the fill");
    let usd = account(&rig).cash_of(Wallet::Futures, "USD").total;
    assert_eq!(decimal(&wallets["flex_futures"]["balance_value"]), usd.normalize());
    let now = rig.now;
    rig.sim.venue_mut("kraken").expect("a venue").revoke_key(now, &keys().key);
    rig.drain();
    assert_eq!(rig.ends.get(&conn), Some(&End::Closed(None)));
}

/// Money is neither made nor lost, whatever trades by itself at both products.
#[test]
fn money_is_conserved_while_the_demo_account_trades() {
    for seed in 0..3 {
        let config = SimConfig { rate: 400, ..SimConfig::new(seed, start()) }.only(&["kraken"]);
        let mut rig = Rig::with(config);
        let assets = ["USD", "USDT", "BTC", "ETH", "SHIB"];
        let sums = |rig: &Rig| {
            let world = rig.sim.venue("kraken").expect("a venue").world();
            assets.map(|asset| (world.conserved(asset) - world.outside(asset)).normalize())
        };
        let before = sums(&rig);
        rig.pass(Duration::from_secs(30));
        assert_eq!(sums(&rig), before, "SEED={seed}");
        let fills = account(&rig).fills().count();
        assert!(fills > 20, "SEED={seed}: {fills} fills");
        let world = rig.sim.venue("kraken").expect("a venue").world();
        let paid = world.fees_taken("USD") + world.fees_taken("USDT");
        assert!(paid > Decimal::ZERO && world.fees_taken("SHIB").is_zero(), "fees are the quote's");
    }
}
