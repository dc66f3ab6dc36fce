//! `venuekit sign`, as a user runs it: every vector of both venues, and no secret anywhere but in the environment.

use std::process::Output;

use serde_json::{Value, json};

use crate::child::venuekit;

const DUEDEX_SECRET: &str = "2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=";
const DUEDEX_KEY: &str = "13f1ab93-771d-4d59-bb6a-fe96f6b609ea";
const DOEX_SECRET: &str = "doex-test-secret";
const ORDER: &str =
    r#"{"instrument":"BTCUSD","type":"limit","side":"long","price":8000,"size":10,"timeInForce":"ioc"}"#;

/// Runs the binary in an environment that holds these variables and nothing else.
fn run(env: &[(&str, &str)], args: &[&str]) -> Output {
    venuekit(&["sign"]).envs(env.iter().copied()).args(args).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Runs it, expects success, and holds the secret against all that came out.
fn signed(env: &[(&str, &str)], args: &[&str]) -> Value {
    let output = run(env, args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    assert_eq!(err, "", "{args:?}");
    for secret in [DUEDEX_SECRET, DOEX_SECRET] {
        assert!(!out.contains(secret), "{args:?} printed its secret");
    }
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(&out).expect("one JSON object")
}

#[test]
fn the_challenge_needs_no_key() {
    let shown = signed(
        &[("DUEDEX_SECRET", DUEDEX_SECRET)],
        &["--venue", "duedex", "challenge", "fd14408d-1740-447d-b335-c019f9201b6e"],
    );
    let expected = json!({
        "canonical": "fd14408d-1740-447d-b335-c019f9201b6e",
        "signature": "b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710",
        "headers": {},
        "url": "wss://feed.duedex.com/v1/feed",
    });
    assert_eq!(shown, expected);
}

/// One vector of DueDEX: the flags after `request`, the text that is signed, the signature, and where it goes.
fn duedex(args: &[&str], canonical: &str, signature: &str, url: &str) {
    let env = [("VENUEKIT_DUEDEX_API_KEY", DUEDEX_KEY), ("VENUEKIT_DUEDEX_API_SECRET", DUEDEX_SECRET)];
    let shown = signed(&env, &[&["--venue", "duedex", "request"], args].concat());
    assert_eq!(shown["canonical"], canonical);
    assert_eq!(shown["signature"], signature, "{canonical}");
    assert_eq!(shown["url"], url);
    let fields: Vec<&str> = canonical.splitn(6, '|').collect();
    let mut headers = json!({"Ddx-Key": DUEDEX_KEY, "Ddx-Timestamp": fields[2], "Ddx-Signature": signature});
    if !fields[3].is_empty() {
        headers["Ddx-Expiration"] = fields[3].into();
    }
    assert_eq!(shown["headers"], headers);
}

#[test]
fn every_request_vector_of_duedex() {
    duedex(
        &["POST", "/v1/order", "--body", ORDER, "--timestamp", "1559211656342"],
        &format!("POST|/v1/order|1559211656342|||{ORDER}"),
        "ca3cd5f535f35f17a5bf76e8c88fc3c568db4831decb85cfba52508a40fce5f1",
        "https://api.duedex.com/v1/order",
    );
    duedex(
        &[
            "get",
            "/v1/order?instrument=BTCUSD&orderId=42",
            "--timestamp",
            "1600000000000",
            "--expiration",
            "1600000005000",
        ],
        "GET|/v1/order|1600000000000|1600000005000|instrument=BTCUSD&orderId=42|",
        "0f0bd7d9572171016f60f9300f3d50ffaf5904b250d7e3986a859bb5e48a514f",
        "https://api.duedex.com/v1/order?instrument=BTCUSD&orderId=42",
    );
    duedex(
        &["GET", "/v1/order/active", "--timestamp", "1600000000000"],
        "GET|/v1/order/active|1600000000000|||",
        "602ed8379255af8f72d984b82ddf748ee365bb7e4366645f850fd3e4a4a7902b",
        "https://api.duedex.com/v1/order/active",
    );
    let until = ["--timestamp", "1600000000000", "--expiration", "1600000030000"];
    duedex(
        &[&["GET", "/v1/margin"], &until[..]].concat(),
        "GET|/v1/margin|1600000000000|1600000030000||",
        "39766e2dd6b9e7add5fb18e740b3f85fe7eb9536b582beb6512f43905fb37da7",
        "https://api.duedex.com/v1/margin",
    );
    let body = r#"{"instrument":"BTCUSD","orderId":42}"#;
    duedex(
        &[&["DELETE", "/v1/order", "--body", body], &until[..]].concat(),
        &format!("DELETE|/v1/order|1600000000000|1600000030000||{body}"),
        "e1b55ea3753a0e8cbf46ebecf40d706b8103e4be8a6835cc27265432a590a978",
        "https://api.duedex.com/v1/order",
    );
    let body = r#"{"instrument":"BTCUSD","orderId":42,"price":8000.5}"#;
    duedex(
        &[&["PATCH", "/v1/order", "--body", body], &until[..]].concat(),
        &format!("PATCH|/v1/order|1600000000000|1600000030000||{body}"),
        "bc2aa1c0f0c7ca487572a339f4f91393842c1bbd3ad2c76bafa7cf1667b442f6",
        "https://api.duedex.com/v1/order",
    );
}

#[test]
fn both_vectors_of_doex() {
    let env = [("DOEX_KEY", "the-key"), ("DOEX_SECRET", DOEX_SECRET)];
    let check = |method: &str, target: &str, timestamp: &str, query: &str, signature: &str| {
        let shown = signed(&env, &["--venue", "doex", "request", method, target, "--timestamp", timestamp]);
        let path = target.split('?').next().expect("a path");
        let expected = json!({
            "canonical": query,
            "signature": signature,
            "headers": {"X-DOEX-APIKEY": "the-key"},
            "url": format!("https://api.doex.com{path}?{query}&signature={signature}"),
        });
        assert_eq!(shown, expected);
    };
    check(
        "GET",
        "/v1/account/balances?asset=BTC",
        "1700000000000",
        "asset=BTC&timestamp=1700000000000",
        "aa6226956cb12101baf049ac4b1cc320795076334d491dfc434d41a2b31ccaca",
    );
    check(
        "POST",
        "/v1/orders?symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.00500000&price=27123.45&recvWindow=5000",
        "1700000000123",
        "price=27123.45&quantity=0.00500000&recvWindow=5000&side=BUY&symbol=BTCUSDT&timestamp=1700000000123&type=LIMIT",
        "33307dc36e4875e4a793fbd133681c217501be05bdc6d9c3b8b421f0804b8641",
    );
}

#[test]
fn a_secret_may_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), format!("{DUEDEX_SECRET}\n")).expect("written");
    let path = file.path().to_str().expect("text");
    let challenge = ["--venue", "duedex", "challenge", "fd14408d-1740-447d-b335-c019f9201b6e"];
    for name in ["DUEDEX_SECRET_FILE", "VENUEKIT_DUEDEX_API_SECRET_FILE"] {
        let shown = signed(&[(name, path)], &challenge);
        assert_eq!(shown["signature"], "b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710");
    }
}

#[test]
fn what_is_wrong_is_named_and_the_secret_is_not() {
    let canary = "canary+canary-canary";
    let secret = ("DUEDEX_SECRET", DUEDEX_SECRET);
    let check = |env: &[(&str, &str)], args: &[&str], code: i32, words: &[&str]| {
        let output = run(env, args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        assert_eq!(out, "", "{args:?}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {word:?} is missing from {err}");
        }
        assert!(!err.contains(canary) && !err.contains(DUEDEX_SECRET), "{err}");
    };
    let margin = ["--venue", "duedex", "request", "GET", "/v1/margin", "--timestamp", "1"];
    let challenge = ["--venue", "duedex", "challenge", "x"];
    // Credentials: exit code 3, and the variable's name.
    check(&[], &margin, 3, &["VENUEKIT_DUEDEX_API_SECRET"]);
    check(&[], &challenge, 3, &["VENUEKIT_DUEDEX_API_SECRET"]);
    check(&[secret], &margin, 3, &["VENUEKIT_DUEDEX_API_KEY"]);
    check(&[("DUEDEX_KEY", "k"), ("DUEDEX_SECRET", canary)], &margin, 3, &["base64"]);
    check(&[("DUEDEX_SECRET_FILE", "/nowhere/at/all")], &challenge, 3, &["DUEDEX_SECRET_FILE"]);
    // Usage: exit code 2, and the nearest valid name.
    check(&[], &["--venue", "duedx", "challenge", "x"], 2, &["duedx", "did you mean duedex?"]);
    check(&[], &["--venue", "duedex", "chalenge", "x"], 2, &["challenge"]);
    check(&[], &["--venue", "duedex", "request", "GTE", "/v1/margin", "--timestamp", "1"], 2, &["GET"]);
    check(
        &[],
        &["--venue", "duedex", "request", "GET", "v1/margin", "--timestamp", "1"],
        2,
        &["begins with"],
    );
    check(&[], &["--venue", "duedex", "request", "GET", "/v1/margin"], 2, &["--timestamp"]);
    check(&[("DOEX_SECRET", "s")], &["--venue", "doex", "challenge", "x"], 2, &["no challenge"]);
    let doex = [("DOEX_KEY", "k"), ("DOEX_SECRET", "s")];
    let body = ["--venue", "doex", "request", "POST", "/v1/orders", "--body", "{}", "--timestamp", "1"];
    check(&doex, &body, 2, &["doex takes no body"]);
    // No flag takes a secret.
    for flag in ["--secret", "--api-secret", "--key", "--api-key"] {
        check(&[], &["--venue", "duedex", flag, "x", "challenge", "x"], 2, &[flag]);
    }
    // Configuration: exit code 4.
    let profile = ["--venue", "doex", "--profile", "/nowhere/at/all", "challenge", "x"];
    check(&[secret], &profile, 4, &["/nowhere/at/all"]);
    check(&[secret], &["--venue", "duedex", "--profile", "/dev/null", "challenge", "x"], 4, &["no profile"]);
}
