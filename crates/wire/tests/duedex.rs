//! Every example of DueDEX's documents and every payload recorded from it, read and written back to the byte.

mod common;

use std::path::PathBuf;

use common::{compact, mistreat};
use serde::{Deserialize, Serialize};
use venuekit_wire::duedex::*;
use venuekit_wire::{AsText, Hidden, Num, RawValue, Time, WireError, parse, scan};

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("ours serialises")
}

/// Reads a frame and what it carries, and writes both again.
fn server(text: &str) -> Result<String, WireError> {
    let frame = ServerFrame::parse(text.as_bytes())?;
    let ServerFrame::Data(message) = frame else { return Ok(json(&frame)) };
    fn with<D: Serialize>(message: &Message<'_>, data: D) -> String {
        let Message { kind, channel, instrument, sequence, timestamp, .. } = message.clone();
        json(&Message { kind, channel, instrument, sequence, data, timestamp })
    }
    Ok(match message.payload()? {
        Payload::Level2(book) => {
            for side in [book.bids, book.asks] {
                scan::levels(side.get())
                    .try_for_each(|row| row.map(drop))
                    .map_err(|error| WireError::Json { reason: error.to_string().into() })?;
            }
            with(&message, book)
        }
        Payload::Ticker(data) => with(&message, data),
        Payload::Matches(data) => with(&message, data),
        Payload::Orders(data) => with(&message, data),
        Payload::Positions(data) => with(&message, data),
        Payload::Margins(data) => with(&message, data),
        Payload::Executions(data) => with(&message, data),
        Payload::Other(data) => with(&message, data),
    })
}

fn client(text: &str) -> Result<String, WireError> {
    Ok(json(&ClientFrame::parse(text.as_bytes())?))
}

#[track_caller]
fn check_server(text: &str) {
    let text = compact(text);
    assert_eq!(server(&text).as_deref(), Ok(text.as_str()));
}

#[track_caller]
fn check_client(text: &str) {
    let text = compact(text);
    assert_eq!(client(&text).as_deref(), Ok(text.as_str()));
}

#[track_caller]
fn check<'a, T: Deserialize<'a> + Serialize>(text: &'a str) -> T {
    let value: T = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(json(&value), compact(text));
    value
}

/// **Source**: the WebSocket document, chapter by chapter, as printed.
mod document {
    use super::*;

    const LEVEL2: &str = r#"
    {
        "type": "snapshot",
        "channel": "level2",
        "instrument": "BTCUSD",
        "sequence": 100,
        "data": {
            "bids": [
                [
                    "8804.00",
                    100
                ],
                [
                    "8803.00",
                    100
                ]
            ],
            "asks": [
                [
                    "8855.00",
                    600
                ],
                [
                    "8856.00",
                    1000
                ],
                [
                    "8857.00",
                    1000
                ]
            ]
        },
        "timestamp": "2019-05-30T00:00:00.000Z"
    }"#;

    const MARGINS: &str = r#"
    {
        "type": "update",
        "channel": "margins",
        "sequence": 9,
        "data": [
            {
                "currency": "BTC",
                "available": "1.948500",
                "orderMargin": "0.011500"
            }
        ],
        "timestamp": "2019-05-30T00:00:00.000Z"
    }"#;

    #[test]
    fn login() {
        check_client(
            r#"
    {
        "type": "challenge"
    }"#,
        );
        check_server(
            r#"
    {
        "type": "challenge",
        "challenge": "1f94d8db-a9ca-4cf4-82ee-9692f937032e"
    }"#,
        );
        check_client(
            r#"
    {
        "type": "auth",
        "key": "YOUR_API_KEY_ID_HERE",
        "answer": "3563bd49f03177a4aa5efce5ad2042d4416452523eb42d8ddf11b946b0e1d267"
    }"#,
        );
        check_server(
            r#"
    {
        "type": "auth",
        "userId": 10
    }"#,
        );
    }

    #[test]
    fn subscription() {
        let text = r#"
    {
        "type": "subscribe",
        "channels": [
            {
                "name": "level2",
                "instruments": [
                    "BTCUSD"
                ]
            }
        ]
    }"#;
        check_client(text);
        check_client(&text.replace("subscribe", "unsubscribe"));
        check_server(&text.replace("subscribe", "subscriptions"));
    }

    #[test]
    fn messages() {
        check_server(LEVEL2);
        check_server(MARGINS);
        check_server(&LEVEL2.replace("snapshot", "update"));
        check_server(&MARGINS.replace("update", "snapshot"));
    }

    /// The frame that a server makes of its own book is the document's, to the byte.
    #[test]
    fn the_example_book_is_written_from_integers() {
        let scale = venuekit_types::Scale::new(2).expect("2 is a scale");
        let row = |ticks, size: i64| (AsText(venuekit_types::Scaled::new(ticks, scale).padded()), size);
        let message = Message {
            kind: DataKind::Snapshot,
            channel: Channel::Level2,
            instrument: Some("BTCUSD".into()),
            sequence: 100,
            data: Orderbook {
                bids: &[row(880_400, 100), row(880_300, 100)][..],
                asks: &[row(885_500, 600), row(885_600, 1000), row(885_700, 1000)][..],
            },
            timestamp: "2019-05-30T00:00:00.000Z".parse().expect("an instant"),
        };
        assert_eq!(json(&message), compact(LEVEL2));
    }

    /// The document's template says Unix milliseconds, its examples are ISO 8601; an update from before a book
    /// may be stamped either way.
    #[test]
    fn both_forms_of_the_timestamp() {
        let millis = compact(MARGINS).replace("\"2019-05-30T00:00:00.000Z\"", "1559174400000");
        assert_eq!(server(&millis), Ok(compact(MARGINS)));
        for fraction in ["", ".0", ".0000000"] {
            let text = compact(MARGINS).replace(".000Z", &format!("{fraction}Z"));
            assert_eq!(server(&text), Ok(compact(MARGINS)));
        }
    }

    #[test]
    fn broken_frames_are_errors() {
        for text in [LEVEL2, MARGINS] {
            mistreat(&compact(text), |bytes| {
                // What is not UTF-8 cannot be handed on as text; the reader itself must say so.
                ServerFrame::parse(bytes).map_err(|error| error.to_string())?;
                server(std::str::from_utf8(bytes).expect("parsed"))
                    .map(drop)
                    .map_err(|error| error.to_string())
            });
        }
        for text in [
            r#"{"type":"auth","key":"k","answer":"a"}"#,
            r#"{"type":"subscribe","channels":[{"name":"matches","instruments":["BTCUSD"]}]}"#,
        ] {
            mistreat(text, |bytes| ClientFrame::parse(bytes).map(drop).map_err(|error| error.to_string()));
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        for field in ["channel", "sequence", "data", "timestamp"] {
            let text = compact(LEVEL2).replace(&format!("\"{field}\":"), "\"x\":");
            assert_eq!(server(&text), Err(WireError::Missing { field }), "{text}");
        }
        for field in ["type", "bids", "asks"] {
            let text = compact(LEVEL2).replace(&format!("\"{field}\":"), "\"x\":");
            let error = server(&text).expect_err(field).to_string();
            assert!(error.contains(&format!("missing field `{field}`")), "{error}");
        }
        let error = server(&compact(MARGINS).replace("currency", "x")).expect_err("no key").to_string();
        assert!(error.contains("missing field `currency`"), "{error}");
        assert_eq!(server(r#"{"type":"auth"}"#), Err(WireError::Missing { field: "userId" }));
        assert_eq!(server(r#"{"type":"challenge"}"#), Err(WireError::Missing { field: "challenge" }));
        assert_eq!(client(r#"{"type":"auth","key":"k"}"#), Err(WireError::Missing { field: "answer" }));
        assert_eq!(client(r#"{"type":"subscribe"}"#), Err(WireError::Missing { field: "channels" }));
    }

    #[test]
    fn any_order_of_keys_is_read() {
        let text = r#"{"timestamp":"2019-05-30T00:00:00.000Z","data":{"asks":[],"bids":[["1.00",0]]},"sequence":7,
            "extra":{"deep":[1e400]},"instrument":"BTC\/USDT","channel":"level2","type":"update"}"#;
        let expected = r#"{"type":"update","channel":"level2","instrument":"BTC/USDT","sequence":7,
            "data":{"bids":[["1.00",0]],"asks":[]},"timestamp":"2019-05-30T00:00:00.000Z"}"#;
        assert_eq!(server(text), Ok(compact(expected)));
    }

    #[test]
    fn odd_levels_are_survived() {
        let frame = |bids: &str| compact(LEVEL2).replace(r#"[["8804.00",100],["8803.00",100]]"#, bids);
        for good in ["null", "[]", r#"[[8804.0,"100"]]"#, r#"[["8804.00",100,"more"]]"#, "[[1e400,1]]"] {
            assert!(server(&frame(good)).is_ok(), "{good}");
        }
        for bad in
            ["{}", "1", "\"\"", "[null]", "[[]]", "[[1]]", "[[null,1]]", "[[[1],2]]", "[[NaN,1]]", "[[1,2],]"]
        {
            assert!(server(&frame(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_is_no_danger_in_any_channel() {
        for channel in
            ["level2", "ticker", "matches", "orders", "positions", "margins", "executions", "other"]
        {
            for open in ["[", "{\"a\":", "[{\"a\":", "{\"bids\":["] {
                let close: String = open
                    .chars()
                    .rev()
                    .filter_map(|c| match c {
                        '[' => Some(']'),
                        '{' => Some('}'),
                        _ => None,
                    })
                    .collect();
                let data = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
                let frame = format!(
                    r#"{{"type":"update","channel":"{channel}","sequence":1,"data":{data},"timestamp":1}}"#
                );
                assert_eq!(server(&frame).is_ok(), channel == "other", "{channel}");
            }
        }
    }

    #[test]
    fn what_is_new_is_no_error() {
        check_server(r#"{"type":"announcement"}"#);
        check_server(
            r#"{"type":"update","channel":"liquidations","sequence":1,"data":{"any":[1]},"timestamp":"2019-05-30T00:00:00.000Z"}"#,
        );
        check_client(r#"{"type":"ping"}"#);
    }

    /// Two widely used clients put many channels into one message, in different ways.
    #[test]
    fn subscriptions_as_clients_write_them() {
        check_client(
            r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD"]},
                {"name":"level2","instruments":["BTCUSDT"]},{"name":"orders"},{"name":"margins"}]}"#,
        );
        check_client(
            r#"{"type":"subscribe","channels":[{"name":"matches","instruments":["BTCUSD","ETHUSDT"]}]}"#,
        );
        for absent in ["[]", "null"] {
            let text =
                format!(r#"{{"type":"subscribe","channels":[{{"name":"orders","instruments":{absent}}}]}}"#);
            assert_eq!(
                client(&text),
                Ok(r#"{"type":"subscribe","channels":[{"name":"orders"}]}"#.to_owned())
            );
        }
    }
}

/// Payloads that were recorded from the live venue, and those the documents describe field by field.
mod data {
    use super::*;

    #[test]
    fn ticker() {
        let text = r#"{"instrument":"BTCUSD","bestBid":"10037.00","bestAsk":"10039.00","lastPrice":"10037.50",
            "indexPrice":"10036.01","markPrice":"10036.21","fundingRate":"0.000100",
            "nextFundingTime":"2020-09-09T04:00:00.000Z","open":"10337.00","high":"10356.50","low":"9850.00",
            "close":"10040.00","volume":7509236,"openInterest":717585}"#;
        let ticker: Ticker<'_> = check(text);
        assert_eq!(ticker.best_bid, Some(Num::quoted("10037.00")));
        check::<Ticker<'_>>(&text.replace("717585", r#"717585,"volumeUsd":"7509236.00""#));
        check::<Ticker<'_>>(r#"{"instrument":"BTCUSD","lastPrice":"10038.00"}"#);
        let empty = r#"{"instrument":"BTCUSD","bestBid":null,"bestAsk":"","lastPrice":"0.00"}"#;
        let empty: Ticker<'_> = parse(empty.as_bytes()).expect("an untraded market");
        assert_eq!(json(&empty), r#"{"instrument":"BTCUSD","lastPrice":"0.00"}"#);
    }

    #[test]
    fn order() {
        let text = r#"{"instrument":"BTCUSD","orderId":69839181,"clientOrderId":"","type":"limit",
            "isCloseOrder":false,"side":"long","price":"8600.00","size":1,"timeInForce":"gtc",
            "notionalValue":"0.00011627","status":"new","fillPrice":"0.00","filledSize":0,
            "accumulatedFees":"0.00000000","createTime":"2020-09-10T10:02:52.165Z",
            "updateTime":"2020-09-10T10:02:52.165Z"}"#;
        let order: Order<'_> = check(text);
        assert_eq!((order.order_id, order.status), (69_839_181, Some(OrderStatus::New)));
        check::<Order<'_>>(
            &text.replace(r#""size":1,"#, r#""size":1,"stopPrice":"8700.00","triggerType":"markPrice","#),
        );
        check::<Order<'_>>(
            r#"{"instrument":"BTCUSD","orderId":1,"clientOrderId":"","status":"partiallyFilled",
            "fillPrice":"8600.00","filledSize":1}"#,
        );
        let unknown: Order<'_> = check(r#"{"instrument":"BTCUSD","orderId":1,"type":"iceberg"}"#);
        assert_eq!(unknown.r#type, Some(OrderType::Other("iceberg".into())));
    }

    #[test]
    fn the_other_channels() {
        check::<Match<'_>>(
            r#"{"instrument":"BTCUSD","matchId":9001,"price":"8804.00","size":100,"side":"short",
            "tickDirection":"zeroMinusTick","timestamp":"2019-05-30T00:00:00.000Z"}"#,
        );
        check::<Execution<'_>>(
            r#"{"instrument":"BTCUSD","executionId":5,"orderId":69839181,"clientOrderId":"","orderType":"limit",
            "orderSide":"long","orderPrice":"8600.00","orderSize":10,"executionPrice":"8600.00",
            "executionSize":4,"isMaker":true,"feeRate":"-0.000250","fee":"-0.00000011","orderSizeLeft":6,
            "timestamp":"2020-09-10T10:02:53.000Z"}"#,
        );
        check::<Position<'_>>(
            r#"{"instrument":"BTCUSD","quantity":-10,"leverage":"0","entryValue":"0.00099635",
            "entryPrice":"10036.50","markPrice":"10036.21","liquidationPrice":"0.00",
            "positionMargin":"0.00000997","buyOrderMargin":"0.00000000","sellOrderMargin":"0.00000000",
            "unrealisedPnl":"0.00000003","realisedPnl":"-0.00000074","riskValue":"0.00099638",
            "riskLimit":"100.00000000"}"#,
        );
        check::<Margin<'_>>(
            r#"{"currency":"BTC","available":"0.09865794","orderMargin":"0.00046317",
            "positionMargin":"0.00088501","realisedPnl":"0.00000612","unrealisedPnl":"0.00000003",
            "bonusLeft":"0.00000000"}"#,
        );
    }

    /// The document's misspelling is read as the word it means; what a server writes is the word.
    #[test]
    fn the_misspelt_tick_direction() {
        assert_eq!(parse(br#""zeroMiusTick""#), Ok(TickDirection::ZeroMinusTick));
        assert_eq!(json(&TickDirection::ZeroMinusTick), r#""zeroMinusTick""#);
    }

    #[test]
    fn instruments_as_listed_in_2020() {
        let row = |id: &str, position: &str, settlement: &str, inverse: bool, terms: [&str; 11]| {
            let [multiplier, maker, taker, precision, tick, max, init, maint, base, step, top] = terms;
            let text = format!(
                r#"{{"instrumentId":"{id}","status":"open","baseCurrencySymbol":"X","quoteCurrencySymbol":"Y",
                "positionCurrency":{position},"settlementCurrency":{settlement},"expirationType":"perpetual",
                "markMethod":"fairPrice","multiplier":"{multiplier}","quantoExchangeRate":"1",
                "isInverse":{inverse},"isQuanto":false,"adlEnabled":true,"makerFee":"{maker}",
                "takerFee":"{taker}","lotSize":1,"maxSize":10000000,"pricePrecision":{precision},
                "tickSize":"{tick}","maxPrice":"{max}","minInitMargin":"{init}","maintMargin":"{maint}",
                "baseRiskLimit":"{base}","riskStep":"{step}","maxRiskLimit":"{top}"}}"#
            );
            check::<Instrument<'_>>(&text);
        };
        let usd = r#"{"symbol":"USD","name":"US Dollar","precision":4}"#;
        let btc = r#"{"symbol":"BTC","name":"Bitcoin","precision":8}"#;
        let usdt = r#"{"symbol":"USDT","name":"Tether USD","precision":4}"#;
        let eth = r#"{"symbol":"ETH","name":"Ether","precision":6}"#;
        let link = r#"{"symbol":"LINK","name":"ChainLink Token","precision":4}"#;
        let linear = ["1000000.0000", "500000.0000", "6000000.0000"];
        let [base, step, top] = linear;
        row(
            "BTCUSD",
            usd,
            btc,
            true,
            [
                "1",
                "-0.000250",
                "0.000750",
                "2",
                "0.50",
                "100000.00",
                "0.0100",
                "0.0050",
                "100.00000000",
                "50.00000000",
                "600.00000000",
            ],
        );
        row(
            "BTCUSDT",
            btc,
            usdt,
            false,
            [
                "0.0001",
                "-0.000250",
                "0.000750",
                "2",
                "0.50",
                "100000.00",
                "0.0100",
                "0.0050",
                base,
                step,
                top,
            ],
        );
        row(
            "ETHUSDT",
            eth,
            usdt,
            false,
            ["0.01", "-0.000250", "0.000750", "2", "0.05", "5000.00", "0.0200", "0.0100", base, step, top],
        );
        row(
            "LINKUSDT",
            link,
            usdt,
            false,
            ["0.1", "0.000000", "0.000000", "3", "0.001", "500.000", "0.0200", "0.0100", base, step, top],
        );
    }
}

mod rest {
    use super::*;

    #[test]
    fn answers() {
        let done: Answer<'_> = check(r#"{"code":0}"#);
        assert!(done.data.is_none());
        let failed: Answer<'_> = check(r#"{"code":10117,"message":"Post-only order rejected"}"#);
        assert_eq!(failed.message.as_deref(), Some("Post-only order rejected"));
        let listed: Answer<'_> = check(r#"{"code":0,"data":[{"instrument":"BTCUSD","lastPrice":"1.00"}]}"#);
        let tickers: Vec<Ticker<'_>> = parse(listed.data.expect("data").get().as_bytes()).expect("tickers");
        let ours = Answer { code: Some(0), data: Some(&tickers), message: None, status: None, title: None };
        assert_eq!(json(&ours), json(&listed));
        let unknown: Answer<'_> =
            parse(br#"{"code":-1,"data":null,"more":{}}"#).expect("unknown is survived");
        assert_eq!((unknown.code, unknown.data.is_none()), (Some(-1), true));
    }

    #[test]
    fn a_body_without_code() {
        let text = r#"{"type":"https://tools.ietf.org/html/rfc7231#section-6.5.1",
            "title":"One or more validation errors occurred.","status":400,"traceId":"|1a2b3c."}"#;
        let problem: Answer<'_> = parse(text.as_bytes()).expect("a problem");
        assert_eq!((problem.code, problem.status), (None, Some(400)));
        check::<Problem<'_>>(text);
    }

    #[test]
    fn bodies_of_requests() {
        // Those of the signing vectors, to the byte.
        check::<PlaceOrder<'_>>(
            r#"{"instrument":"BTCUSD","type":"limit","side":"long","price":8000,"size":10,"timeInForce":"ioc"}"#,
        );
        check::<CancelOrder<'_>>(r#"{"instrument":"BTCUSD","orderId":42}"#);
        check::<AmendOrder<'_>>(r#"{"instrument":"BTCUSD","orderId":42,"price":8000.5}"#);
        // As other clients write them: decimals in strings, every default spelt out.
        check::<PlaceOrder<'_>>(
            r#"{"instrument":"BTCUSD","clientOrderId":"c-1","type":"stopLimit","isCloseOrder":true,"side":"short",
            "price":"10494.00","size":10,"stopPrice":"10500.00","triggerType":"markPrice","timeInForce":"gtc",
            "postOnly":false}"#,
        );
        check::<PlaceOrder<'_>>(r#"{"instrument":"BTCUSD","type":"market","isCloseOrder":true}"#);
        check::<CancelOrder<'_>>(r#"{"instrument":"BTCUSD"}"#);
        check::<CancelOrder<'_>>(r#"{"instrument":"BTCUSD","clientOrderId":"c-1"}"#);
        check::<Leverage<'_>>(r#"{"instrument":"BTCUSD","leverage":0}"#);
        check::<RiskLimit<'_>>(r#"{"instrument":"BTCUSD","riskLimit":"150.00000000"}"#);
        check::<TransferMargin<'_>>(r#"{"instrument":"BTCUSD","amount":-0.001}"#);
        let error =
            parse::<AmendOrder<'_>>(br#"{"instrument":"BTCUSD","orderId":42}"#).expect_err("no price");
        assert!(error.to_string().contains("missing field `price`"), "{error}");
    }

    #[test]
    fn candles() {
        let text = r#"{"s":"ok","t":[1599696000,1599696060],"o":[10337.00,10340.5],"h":[10356.50,10341],
            "l":[9850,10339.5],"c":[10040.00,10340],"v":[7509236,12]}"#;
        let bars: Bars<'_> = check(text);
        assert_eq!(bars.o[0], Num::bare("10337.00"));
        check::<Bars<'_>>(r#"{"s":"no_data"}"#);
        assert!(parse::<Bars<'_>>(br#"{"s":"no_data","t":null,"nextTime":1}"#).is_ok());
    }
}

#[test]
fn what_opens_an_account_does_not_print() {
    let frame =
        ClientFrame::Auth { key: Hidden("canary-key".into()), answer: Hidden("canary-answer".into()) };
    assert!(!format!("{frame:?} {frame:#?}").contains("canary"));
    assert!(json(&frame).contains("canary-answer"));
}

/// The folder of recordings, or nothing, said in one line; required in CI.
fn recordings() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(|| default.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    println!("skipped: no recordings at {}; set VENUEKIT_RECORDINGS", folder.display());
    None
}

#[test]
fn recorded_examples() {
    let Some(folder) = recordings() else { return };
    let text = std::fs::read_to_string(folder.join("duedex/duedex-docs/examples.jsonl")).unwrap();
    #[derive(Deserialize)]
    struct Example {
        section: String,
        json: String,
    }
    let mut read = 0;
    for line in text.lines() {
        let example: Example = serde_json::from_str(line).unwrap();
        // The same word opens a client's challenge and the server's; the client's carries nothing.
        let is_client = example.json == r#"{"type": "challenge"}"#;
        if is_client {
            check_client(&example.json)
        } else {
            check_server(&example.json)
        }
        assert!(!example.section.is_empty());
        read += 1;
    }
    assert!(read >= 3, "{read} examples");
}

/// The types hold their own when nothing is borrowed: a simulator builds them from its own text.
#[test]
fn types_outlive_their_input() {
    fn build() -> Order<'static> {
        let text = String::from(r#"{"instrument":"BTC\/USD","orderId":1}"#);
        let order: Order<'_> = parse(text.as_bytes()).expect("valid");
        Order {
            instrument: order.instrument.to_string().into(),
            client_order_id: Some("".into()),
            price: Some(Num::quoted(format!("{}.00", 8600))),
            create_time: Some(Time::default()),
            ..parse(br#"{"instrument":"","orderId":1}"#).expect("valid")
        }
    }
    let expected = r#"{"instrument":"BTC/USD","orderId":1,"clientOrderId":"","price":"8600.00","createTime":"1970-01-01T00:00:00.000Z"}"#;
    assert_eq!(json(&build()), expected);
    let _: &RawValue = parse(b"[1]").expect("raw text is read like any type");
}
