//! Answers and refusals.

use core::time::Duration;

use venuekit_doex::{FUTURES, SPOT};
use venuekit_types::UnixNanos;
use venuekit_venue::{Ask, BrokenWhy, Control, Event, FaultKind, HttpReply, Interval, MarketId, Retry};

use crate::{Desk, INSTRUMENTS, dump, reply};

const DEPTH: &str = include_str!("../../../../../fixtures/doex/depth.json");
const TRADES: &str = include_str!("../../../../../fixtures/doex/trades.json");
const KLINES: &str = include_str!("../../../../../fixtures/doex/klines.json");
const MARK: &str = include_str!("../../../../../fixtures/doex/mark.json");

#[test]
fn instruments_of_each_product() {
    let table = |product| -> Vec<String> {
        let desk = Desk::new(product);
        let some = |value: Option<String>| value.unwrap_or("-".to_owned());
        desk.catalog
            .iter()
            .map(|(_, i)| {
                format!(
                    "{} {} {:?} scales {} {} tick {} step {} min {} max {} worth {} size {} fees {} {} {:?}",
                    i.venue_symbol,
                    i.symbol,
                    i.kind,
                    i.price_scale.digits(),
                    i.qty_scale.digits(),
                    i.tick.0,
                    i.step.0,
                    some(i.min_qty.map(|qty| qty.0.to_string())),
                    some(i.max_qty.map(|qty| qty.0.to_string())),
                    some(i.min_notional.map(|value| value.to_string())),
                    some(i.contract_size.map(|value| value.to_string())),
                    some(i.maker_fee.map(|value| value.to_string())),
                    some(i.taker_fee.map(|value| value.to_string())),
                    i.status,
                )
            })
            .collect()
    };
    assert_eq!(
        table(SPOT),
        [
            "BTCUSDT BTC/USDT Spot scales 2 5 tick 1 step 1 min 1 max 900000000 worth 5 size - fees 0.001 0.001 Trading",
            "ETHUSDT ETH/USDT Spot scales 2 4 tick 1 step 1 min 1 max 90000000 worth 5 size - fees 0.001 0.001 Trading",
            "DOGEUSDT DOGE/USDT Spot scales 5 0 tick 1 step 1 min - max - worth - size - fees - - Halted",
        ]
    );
    assert_eq!(
        table(FUTURES),
        [
            "BTCUSDT BTC/USDT:USDT Perpetual scales 1 3 tick 1 step 1 min 1 max 1000000 worth 5 size 1 fees -0.0001 0.0005 Trading",
            "ETHUSDT ETH/USDT:USDT Perpetual scales 2 3 tick 1 step 1 min 1 max 10000000 worth 5 size 1 fees 0.0002 0.0005 Trading",
        ]
    );
}

#[test]
fn an_instrument_that_does_not_read_costs_itself() {
    let spoil = |from: &str, to: &str, why| {
        let body = INSTRUMENTS.replacen(from, to, 1);
        let out = Desk::new(SPOT).answer(&Ask::Instruments, &reply(200, &body)).expect("the rest");
        let [Event::Broken(broken)] = &out.events[..] else { panic!("{:?}", out.events) };
        assert_eq!((broken.why, out.instruments.len()), (why, 2));
        broken.detail.clone()
    };
    let shape = |from, to| spoil(from, to, BrokenWhy::Shape);
    assert!(shape(r#""tickSize":"0.01""#, r#""tickSize":"fine""#).contains("tickSize"));
    assert!(shape(r#""stepSize":"0.00001""#, r#""stepSize":"1e-19""#).contains("stepSize"));
    assert!(shape(r#""minQty":"0.00001""#, r#""minQty":"0.000001""#).contains("minQty"));
    assert!(shape(r#""base":"BTC","#, "").contains("base"));
    assert!(shape(r#""quote":"USDT""#, r#""quote":"US$""#).contains("US$"));
    assert!(shape("BTCUSDT", "BTC&USDT").contains("no name"));
    assert!(spoil(r#""kind":"spot""#, r#""kind":"option""#, BrokenWhy::UnknownKind).contains("option"));
    let body = INSTRUMENTS.replacen(r#""settle":"USDT","#, "", 1);
    let out = Desk::new(FUTURES).answer(&Ask::Instruments, &reply(200, &body)).expect("the rest");
    assert!(matches!(&out.events[..], [Event::Broken(broken)] if broken.detail.contains("settle")));
}

#[test]
fn the_time() {
    let out =
        Desk::new(SPOT).answer(&Ask::Time, &reply(200, r#"{"serverTime":1700000000123}"#)).expect("reads");
    assert_eq!(out.events, [Event::Control(Control::Time(UnixNanos(1_700_000_000_123_000_000)))]);
}

#[test]
fn a_book() {
    let desk = Desk::new(SPOT);
    let ask = Ask::Depth { market: desk.market("BTCUSDT"), levels: 1000 };
    insta::assert_snapshot!(dump(&desk.answer(&ask, &reply(200, DEPTH)).expect("reads")));
    for (from, to) in [("27123.40", "27123.405"), ("[[", "["), ("160", "-1"), ("\"asks\"", "\"x\"")] {
        let fault = desk.answer(&ask, &reply(200, &DEPTH.replacen(from, to, 1))).expect_err(from);
        assert_eq!(fault.kind, FaultKind::Unreadable, "{from}");
    }
    let nowhere = Ask::Depth { market: MarketId(99), levels: 1000 };
    assert_eq!(desk.answer(&nowhere, &reply(200, DEPTH)).expect_err("nowhere").kind, FaultKind::Unreadable);
}

#[test]
fn trades_by_rising_id() {
    let desk = Desk::new(SPOT);
    let ask = Ask::Trades { market: desk.market("BTCUSDT"), from: Some(11), limit: 500 };
    insta::assert_snapshot!(dump(&desk.answer(&ask, &reply(200, TRADES)).expect("reads")));
    let fault = desk.answer(&ask, &reply(200, &TRADES.replace("0.3", "0.000001"))).expect_err("too fine");
    assert!(fault.text.contains("6 decimal places"), "{fault}");
}

#[test]
fn candles_within_the_span() {
    let desk = Desk::new(SPOT);
    let ask = |from, to| Ask::Candles {
        market: desk.market("ETHUSDT"),
        interval: Interval::M1,
        from: UnixNanos::from_millis(from),
        to: UnixNanos::from_millis(to),
    };
    let rows = |ask: &Ask, body: &str| dump(&desk.answer(ask, &reply(200, body)).expect("reads"));
    let all = ask(0, 1_800_000_000_000);
    insta::assert_snapshot!(rows(&all, KLINES));
    assert_eq!(rows(&ask(1_699_999_920_001, 1_699_999_980_000), KLINES).lines().count(), 1);
    assert_eq!(rows(&ask(1_699_999_920_000, 1_699_999_980_000), KLINES).lines().count(), 2);
    assert_eq!(rows(&all, "[]").lines().count(), 1);
    assert!(desk.answer(&all, &reply(200, "[[1,2]]")).is_err());
}

#[test]
fn the_mark() {
    let desk = Desk::new(FUTURES);
    let ask = Ask::Mark { market: desk.market("ETHUSDT") };
    insta::assert_snapshot!(dump(&desk.answer(&ask, &reply(200, MARK)).expect("reads")));
    let other = Ask::Mark { market: desk.market("BTCUSDT") };
    let fault = desk.answer(&other, &reply(200, MARK)).expect_err("another market");
    assert_eq!(fault.text, "the mark of ETHUSDT");
}

#[test]
fn answers_that_are_none() {
    let desk = Desk::new(SPOT);
    for body in ["", "{}", "null", "[", r#"{"code":-1,"msg":"no"}"#, "\u{1}", "<html>"] {
        for ask in [Ask::Instruments, Ask::Time, Ask::Depth { market: MarketId(0), levels: 5 }] {
            let fault = desk.answer(&ask, &reply(200, body)).expect_err(body);
            assert_eq!((fault.kind, fault.retry), (FaultKind::Unreadable, Retry::Never), "{body}");
        }
    }
    let fault =
        desk.answer(&Ask::Ticker { market: MarketId(0) }, &reply(200, "{}")).expect_err("never asked");
    assert_eq!(fault.kind, FaultKind::Unreadable);
}

fn check(
    status: u16,
    retry_after: Option<&str>,
    body: &str,
    kind: FaultKind,
    code: Option<i64>,
    retry: Retry,
) {
    let after = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned()));
    let headers: Vec<_> = after.into_iter().collect();
    let reply = HttpReply { status, headers: &headers, body: body.as_bytes() };
    let fault = Desk::new(SPOT).answer(&Ask::Time, &reply).expect_err("a refusal");
    assert_eq!((fault.kind, fault.code, fault.retry), (kind, code, retry), "{status} {body}");
    assert!(!fault.text.is_empty() && fault.text.len() <= 320);
}

#[test]
fn every_code_of_the_card() {
    use FaultKind::{BadRequest, Clock, Credentials, NotFound, RateLimited, Rejected};
    for (status, code, kind) in [
        (400, -1021, Clock),
        (400, -1022, Credentials),
        (400, -1100, BadRequest),
        (400, -1115, BadRequest),
        (400, -1130, BadRequest),
        (400, -1013, Rejected),
        (400, -2010, Rejected),
        (400, -2011, NotFound),
        (400, -2013, NotFound),
        (401, -2014, Credentials),
        (401, -2015, Credentials),
        (400, -1003, RateLimited),
        (400, -987_654, BadRequest),
        (401, -987_654, Credentials),
        (403, -2015, Credentials),
        (403, -987_654, BadRequest),
        (404, -987_654, NotFound),
    ] {
        let retry = match kind {
            Clock => Retry::Resync,
            RateLimited => Retry::After(Duration::ZERO),
            _ => Retry::Never,
        };
        check(status, None, &format!(r#"{{"code":{code},"msg":"why"}}"#), kind, Some(code), retry);
    }
}

#[test]
fn statuses() {
    use FaultKind::{BadRequest, Banned, Credentials, NotFound, RateLimited, Unavailable, Unreadable};
    let after = |s| Retry::After(Duration::from_secs(s));
    let limit = r#"{"code":-1003,"msg":"Too many requests."}"#;
    check(429, Some("7"), limit, RateLimited, Some(-1003), after(7));
    check(418, Some("120"), limit, Banned, Some(-1003), after(120));
    check(429, None, "", RateLimited, None, after(0));
    check(418, Some("soon"), "<html>", Banned, None, after(0));
    check(403, Some("60"), "<html>", Banned, None, after(60));
    check(500, None, r#"{"code":-2010,"msg":"?"}"#, Unavailable, Some(-2010), after(0));
    check(503, Some("1"), "<html>signature=abc</html>", Unavailable, None, after(1));
    check(401, None, "", Credentials, None, Retry::Never);
    check(404, None, "gone", NotFound, None, Retry::Never);
    check(400, None, r#"{"error":"unlike ours"}"#, BadRequest, None, Retry::Never);
    check(302, None, "", Unreadable, None, Retry::Never);
    let long = format!(r#"{{"code":-1100,"msg":"{}"}}"#, "é".repeat(5000));
    check(400, None, &long, BadRequest, Some(-1100), Retry::Never);
    // A proxy's page may repeat what we sent, so nothing of it is kept.
    let reply = reply(502, "<html>signature=abc</html>");
    let fault = Desk::new(SPOT).answer(&Ask::Time, &reply).expect_err("a refusal");
    let advice = Unavailable.advice();
    assert_eq!(
        fault.to_string(),
        format!("venue unavailable: HTTP 502 with 26 bytes that name no error; {advice}")
    );
}
