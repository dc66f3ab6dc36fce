//! Keys: what is signed, what each may do, and both kinds of secret.

use super::*;

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
