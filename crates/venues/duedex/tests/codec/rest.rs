//! Answers and refusals.

use core::time::Duration;

use venuekit_duedex::DueDex;
use venuekit_types::UnixNanos;
use venuekit_venue::{
    Ask, Body, BrokenWhy, Event, EventBuf, Fault, FaultKind, HttpReply, Interval, MarketId, Retry, Row, Venue,
};

use crate::{INSTRUMENTS, catalog, dump, place, reply};

const TICKER: &str = include_str!("../../../../../fixtures/duedex/ticker.json");
const BARS: &str = include_str!("../../../../../fixtures/duedex/bars.json");

fn answer(ask: &Ask, reply: &HttpReply<'_>) -> Result<EventBuf, Fault> {
    let mut out = EventBuf::new();
    DueDex::new().answer(place(&catalog()), ask, reply, &mut out).map(|()| out)
}

#[test]
fn instruments_are_those_of_the_card() {
    let catalog = catalog();
    let table: Vec<String> = catalog
        .iter()
        .map(|(_, i)| {
            format!(
                "{} {} {:?} scales {} {} tick {} step {} max {} size {} inverse {} fees {} {} {:?}",
                i.venue_symbol,
                i.symbol,
                i.kind,
                i.price_scale.digits(),
                i.qty_scale.digits(),
                i.tick.0,
                i.step.0,
                i.max_qty.expect("some").0,
                i.contract_size.expect("some"),
                i.inverse,
                i.maker_fee.expect("some"),
                i.taker_fee.expect("some"),
                i.status,
            )
        })
        .collect();
    assert_eq!(
        table,
        [
            "BTCUSD BTC/USD:BTC Perpetual scales 2 0 tick 50 step 1 max 10000000 size 1 inverse true fees -0.00025 0.00075 Trading",
            "BTCUSDT BTC/USDT:USDT Perpetual scales 2 0 tick 50 step 1 max 10000000 size 0.0001 inverse false fees -0.00025 0.00075 Trading",
            "ETHUSDT ETH/USDT:USDT Perpetual scales 2 0 tick 5 step 1 max 10000000 size 0.01 inverse false fees -0.00025 0.00075 Trading",
            "LINKUSDT LINK/USDT:USDT Perpetual scales 3 0 tick 1 step 1 max 10000000 size 0.1 inverse false fees 0 0 Trading",
        ]
    );
}

#[test]
fn an_instrument_that_does_not_read_costs_itself() {
    let spoil = |from: &str, to: &str| {
        let out =
            answer(&Ask::Instruments, &reply(200, &INSTRUMENTS.replacen(from, to, 1))).expect("the rest");
        let [Event::Broken(broken)] = &out.events[..] else { panic!("{:?}", out.events) };
        assert_eq!((broken.why, out.instruments.len()), (BrokenWhy::Shape, 3));
        broken.detail.clone()
    };
    assert!(spoil(r#""tickSize":"0.50""#, r#""tickSize":"0.005""#).contains("tickSize"));
    assert!(spoil(r#""pricePrecision":2"#, r#""pricePrecision":19"#).contains("pricePrecision"));
    assert!(spoil(r#""multiplier":"1""#, r#""multiplier":"one""#).contains("multiplier"));
    assert!(spoil(r#""lotSize":1,"#, "").contains("lotSize"));
    assert!(spoil(r#""baseCurrencySymbol":"BTC""#, r#""baseCurrencySymbol":"₿""#).contains("₿"));
    assert!(spoil("BTCUSD\"", "../BTC?\"").contains("no name"));
    let status = |word: &str| {
        let body = INSTRUMENTS.replacen(r#""status":"open""#, &format!(r#""status":"{word}""#), 1);
        let out = answer(&Ask::Instruments, &reply(200, &body)).expect("reads");
        out.instruments[0].status
    };
    use venuekit_types::Status::{Delisted, Halted};
    assert_eq!(
        ["created", "suspended", "new word", "delisted"].map(status),
        [Halted, Halted, Halted, Delisted]
    );
}

#[test]
fn a_ticker() {
    let (market, _) = catalog().find("ETHUSDT").expect("listed");
    let ask = Ask::Ticker { market };
    insta::assert_snapshot!(dump(&answer(&ask, &reply(200, TICKER)).expect("reads")));
    let other =
        answer(&Ask::Ticker { market: MarketId(0) }, &reply(200, TICKER)).expect_err("another market");
    assert_eq!((other.kind, other.text.as_str()), (FaultKind::Unreadable, "the ticker of ETHUSDT"));
}

#[test]
fn candles() {
    let ask = |from, to| Ask::Candles {
        market: MarketId(0),
        interval: Interval::M1,
        from: UnixNanos(from),
        to: UnixNanos(to),
    };
    let whole = ask(0, i64::MAX);
    insta::assert_snapshot!(dump(&answer(&whole, &reply(200, BARS)).expect("reads")));
    let rows = |ask, body: &str| {
        let out = answer(&ask, &reply(200, body)).expect("reads");
        let [Event::Data(data)] = &out.events[..] else { panic!("{:?}", out.events) };
        let Body::Rows(rows) = &data.body else { panic!("{:?}", data.body) };
        let open = |row: &Row| match row {
            Row::Candle(candle) => candle.open_at.0 / 1_000_000_000,
            row => panic!("{row:?}"),
        };
        out.rows[rows.clone()].iter().map(open).collect::<Vec<_>>()
    };
    let middle = ask(1_599_732_000_000_000_001, 1_599_732_120_000_000_000);
    assert_eq!(rows(middle, BARS), [1_599_732_060]);
    for nothing in ["", r#"{"s":"no_data"}"#, r#"{"s":"no_data","nextTime":null,"t":null}"#] {
        assert!(rows(whole.clone(), nothing).is_empty(), "{nothing}");
    }
    for broken in [
        r#"{"s":"ok","t":[1],"o":[],"h":[],"l":[],"c":[],"v":[]}"#,
        "<html>",
        "[]",
        r#"{"s":"ok","t":["x"]}"#,
    ] {
        assert_eq!(answer(&whole, &reply(200, broken)).expect_err(broken).kind, FaultKind::Unreadable);
    }
}

#[test]
fn answers_that_are_none() {
    for body in
        ["", "[]", "null", "{}", r#"{"data":[]}"#, r#"{"code":0}"#, r#"{"code":0,"data":{}}"#, "\u{1}"]
    {
        let fault = answer(&Ask::Instruments, &reply(200, body)).expect_err(body);
        assert_eq!((fault.kind, fault.retry), (FaultKind::Unreadable, Retry::Never), "{body}");
    }
    let fault = answer(&Ask::Time, &reply(200, r#"{"code":0}"#)).expect_err("never asked");
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
    let headers: Vec<_> =
        retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
    let reply = HttpReply { status, headers: &headers, body: body.as_bytes() };
    let fault = answer(&Ask::Instruments, &reply).expect_err("a refusal");
    assert_eq!((fault.kind, fault.code, fault.retry), (kind, code, retry), "{status} {body}");
    assert!(!fault.text.is_empty() && fault.text.len() <= 320);
}

#[test]
fn every_code_of_the_card() {
    use FaultKind::{BadRequest, Clock, Credentials, NotFound, RateLimited, Rejected, Unavailable};
    let table: [(FaultKind, &[i64]); 7] = [
        (Unavailable, &[-1, 100]),
        (BadRequest, &[1000, 5001, 5006, 5007, 5008, 5009, 10035, 10039, 10052, 10066, 10095]),
        (BadRequest, &[10101, 10102, 10187, 10188, 10189, 424_242]),
        (NotFound, &[5000, 10050, 10056, 10070, 10098, 10118]),
        (Credentials, &[5002, 5005, 5011, 5012, 10075, 10082, 10090]),
        (Clock, &[5003, 5004]),
        (
            Rejected,
            &[
                10036, 10037, 10038, 10040, 10061, 10065, 10091, 10092, 10093, 10094, 10099, 10100, 10103,
                10104, 10106, 10107, 10117, 10119, 10120, 10121, 10028, 10128, 10148,
            ],
        ),
    ];
    for (kind, codes) in table {
        let retry = match kind {
            Unavailable => Retry::After(Duration::ZERO),
            Clock => Retry::Resync,
            _ => Retry::Never,
        };
        for &code in codes {
            let body = format!(r#"{{"code":{code},"message":"why"}}"#);
            // The status of a business error is not known, so either must do.
            check(200, None, &body, kind, Some(code), retry);
            check(400, None, &body, kind, Some(code), retry);
        }
    }
    let limited = Retry::After(Duration::ZERO);
    check(200, None, r#"{"code":5010}"#, RateLimited, Some(5010), limited);
    let fault =
        answer(&Ask::Instruments, &reply(200, r#"{"code":10117,"message":"Post-only order rejected"}"#))
            .expect_err("a refusal");
    assert_eq!(
        fault.to_string(),
        "rejected: Post-only order rejected; use a price that does not cross, or leave post-only out (code 10117)"
    );
}

#[test]
fn statuses() {
    use FaultKind::{BadRequest, Banned, Credentials, NotFound, RateLimited, Unavailable, Unreadable};
    let after = |s| Retry::After(Duration::from_secs(s));
    check(429, Some("7"), r#"{"code":5010,"message":"slow down"}"#, RateLimited, Some(5010), after(7));
    check(429, None, "", RateLimited, None, after(0));
    check(403, Some("600"), "", Banned, None, after(600));
    check(403, Some("Thu, 10 Sep 2020 10:00:00 GMT"), "<html>", Banned, None, after(0));
    check(403, None, r#"{"code":5012,"message":"address"}"#, Credentials, Some(5012), Retry::Never);
    check(502, Some("3"), "<html>Bad gateway</html>", Unavailable, None, after(3));
    check(503, None, r#"{"code":100}"#, Unavailable, Some(100), after(0));
    check(401, None, "", Credentials, None, Retry::Never);
    check(404, None, "gone", NotFound, None, Retry::Never);
    check(302, None, "", Unreadable, None, Retry::Never);
    check(400, None, r#"{"code":0,"data":[]}"#, BadRequest, None, Retry::Never);
    let problem =
        r#"{"type":"about:blank","title":"One or more fields are wrong.","status":400,"traceId":"x"}"#;
    check(400, None, problem, BadRequest, None, Retry::Never);
    let fault = answer(&Ask::Instruments, &reply(400, problem)).expect_err("a refusal");
    assert_eq!(fault.text, format!("One or more fields are wrong.; {}", BadRequest.advice()));
    let long = format!(r#"{{"code":1000,"message":"{}"}}"#, "é".repeat(5000));
    check(400, None, &long, BadRequest, Some(1000), Retry::Never);
    // A proxy's page may repeat what we sent, so nothing of it is kept.
    let fault = answer(&Ask::Instruments, &reply(502, "<html>signature=abc</html>")).expect_err("a refusal");
    assert_eq!(fault.text, format!("HTTP 502 with 26 bytes that are no answer; {}", Unavailable.advice()));
}
