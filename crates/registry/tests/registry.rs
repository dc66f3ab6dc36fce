//! Names of venues, and what comes of wrong ones.

use venuekit_registry::{
    SignError, Unsigned, WithProfileError, answer_challenge, default_profile, ids, sign_request, venue,
    with_profile,
};
use venuekit_sign::Credentials;

const DUEDEX_SECRET: &str = "2W2eSP3e0dp+lYMuY1MBUTqF2+8VbNRxDZ88zA7MliU=";

#[test]
fn every_id_is_the_venue_of_that_name() {
    assert_eq!(ids().collect::<Vec<_>>(), ["doex", "duedex", "binance", "kraken"]);
    for id in ids() {
        let venue = venue(id).expect("listed");
        assert!(!venue.specs().is_empty());
        for spec in venue.specs() {
            assert_eq!(spec.venue, id);
        }
    }
    assert_eq!(venue("DueDEX").expect("in any case").specs()[0].venue, "duedex");
}

#[test]
fn a_wrong_name_gets_the_nearest() {
    let check = |given: &str, nearest: &[&str], message: &str| {
        let error = venue(given).map(drop).expect_err(given);
        assert_eq!(error.nearest, nearest, "{given}");
        assert_eq!(error.to_string(), message);
    };
    check(
        "deox",
        &["doex"],
        r#"unknown venue "deox"; did you mean doex? There are doex, duedex, binance, kraken"#,
    );
    check(
        "duex",
        &["doex", "duedex"],
        r#"unknown venue "duex"; did you mean doex or duedex? There are doex, duedex, binance, kraken"#,
    );
    check("bitmex", &[], r#"unknown venue "bitmex"; there are doex, duedex, binance, kraken"#);
    check("", &[], r#"unknown venue ""; there are doex, duedex, binance, kraken"#);
}

#[test]
fn profiles() {
    let text = default_profile("doex").expect("listed").expect("it has one");
    let moved = text.replace("https://api.doex.com", "http://127.0.0.1:1");
    let venue = with_profile("doex", &moved).expect("a whole profile");
    assert_eq!(venue.specs()[0].hosts[0].rest, "http://127.0.0.1:1");
    assert!(
        matches!(with_profile("doex", "x = 1").map(drop), Err(WithProfileError::Profile(error)) if error.line == 1)
    );
    let error = with_profile("duedex", text).map(drop).expect_err("it has none");
    assert_eq!(error.to_string(), "duedex has no profile to replace; leave the profile out");
    assert_eq!(default_profile("duedex"), Ok(None));
    assert!(matches!(with_profile("dox", text).map(drop), Err(WithProfileError::Unknown(_))));
}

#[test]
fn signatures() {
    let request = |method, target| Unsigned {
        method,
        target,
        body: "",
        timestamp_ms: 1_700_000_000_000,
        expiration_ms: None,
    };
    let doex = Credentials::new("key", "doex-test-secret");
    let signed =
        sign_request("doex", None, &doex, &request("GET", "/v1/account/balances?asset=BTC")).expect("ok");
    let signature = "aa6226956cb12101baf049ac4b1cc320795076334d491dfc434d41a2b31ccaca";
    assert_eq!(signed.signature, signature);
    assert_eq!(
        signed.target,
        format!("/v1/account/balances?asset=BTC&timestamp=1700000000000&signature={signature}")
    );
    assert_eq!(signed.headers, [("X-DOEX-APIKEY".to_owned(), "key".to_owned())]);
    let text =
        default_profile("doex").expect("listed").expect("it has one").replace("X-DOEX-APIKEY", "X-KEY");
    let signed = sign_request("doex", Some(&text), &doex, &request("GET", "/v1/ping")).expect("ok");
    assert_eq!(signed.headers, [("X-KEY".to_owned(), "key".to_owned())]);

    let duedex = Credentials::new("key", DUEDEX_SECRET);
    let order = Unsigned { timestamp_ms: 1_600_000_000_000, ..request("get", "/v1/order/active") };
    let signed = sign_request("duedex", None, &duedex, &order).expect("ok");
    assert_eq!(signed.canonical, "GET|/v1/order/active|1600000000000|||");
    assert_eq!(signed.signature, "602ed8379255af8f72d984b82ddf748ee365bb7e4366645f850fd3e4a4a7902b");
    assert!(matches!(
        sign_request("duedex", Some(&text), &duedex, &order).map(drop),
        Err(SignError::Venue(WithProfileError::NoProfile { .. }))
    ));
    assert!(matches!(sign_request("duedex", None, &doex, &order).map(drop), Err(SignError::Secret(_))));
    let body = Unsigned { body: "{}", ..order };
    assert!(matches!(sign_request("doex", None, &doex, &body).map(drop), Err(SignError::Request(_))));

    let challenge = "fd14408d-1740-447d-b335-c019f9201b6e";
    assert_eq!(
        answer_challenge("duedex", &duedex, challenge).as_deref(),
        Ok("b418edd4669b82ab37a5b6d5446b9def386658e8f3ef03165935ff6b72fea710")
    );
    assert!(matches!(answer_challenge("doex", &doex, challenge), Err(SignError::NoChallenge { .. })));
}
