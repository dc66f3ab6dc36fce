//! Binance's messages: each is read in every form it comes in, and written again as it came.

use serde_json::Value;
use venuekit_wire::binance::{self, ServerFrame};

/// Frames of streams, raw.
const EVENTS: [(&str, &str); 11] = [
    (
        "Trade",
        r#"{"e":"trade","E":2,"T":1,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","X":"MARKET","m":true}"#,
    ),
    (
        "AggTrade",
        r#"{"e":"aggTrade","E":2,"s":"BTCUSDT","a":5,"p":"0.001","q":"100","f":100,"l":105,"T":1,"m":true,"st":1}"#,
    ),
    (
        "Depth",
        r#"{"e":"depthUpdate","E":2,"T":1,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.0024","10"]],"a":[]}"#,
    ),
    (
        "Kline",
        r#"{"e":"kline","E":2,"s":"BTCUSDT","k":{"t":0,"T":59999,"s":"BTCUSDT","i":"1m","f":-1,"L":-1,"o":"1","c":"2","h":"3","l":"0.5","v":"1000","n":100,"x":false,"q":"1.0","V":"500","Q":"0.500"}}"#,
    ),
    (
        "Ticker",
        r#"{"e":"24hrTicker","E":2,"s":"BTCUSDT","c":"2","o":"1","h":"3","l":"0.5","v":"10","q":"20"}"#,
    ),
    ("BookTicker", r#"{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}"#),
    (
        "BookTicker",
        r#"{"e":"bookTicker","u":400900217,"E":2,"T":1,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}"#,
    ),
    (
        "MarkPrice",
        r#"{"e":"markPriceUpdate","E":2,"s":"BTCUSDT","p":"11794.15","i":"11784.62","P":"11784.25","r":"0.00038167","T":3}"#,
    ),
    ("Balances", r#"{"e":"outboundAccountPosition","E":2,"u":1,"B":[{"a":"ETH","f":"1.5","l":"0.5"}]}"#),
    (
        "Order",
        r#"{"e":"ORDER_TRADE_UPDATE","E":2,"T":1,"o":{"s":"BTCUSDT","c":"TEST","S":"BUY","o":"LIMIT","f":"GTC","q":"0.001","p":"7100.50","ap":"7100.50","sp":"0","x":"TRADE","X":"FILLED","i":8886774,"l":"0.001","z":"0.001","L":"7100.50","N":"USDT","n":"0.01","T":1,"t":12345678,"m":true,"R":false,"ps":"BOTH","rp":"12.34"}}"#,
    ),
    (
        "Account",
        r#"{"e":"ACCOUNT_UPDATE","E":2,"T":1,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"100.5","cw":"100.5","bc":"0"}],"P":[{"s":"BTCUSDT","pa":"-10","ep":"6563.8","up":"-1.5","mt":"cross","iw":"0","ps":"BOTH"}]}}"#,
    ),
];

fn kind(frame: &ServerFrame<'_>) -> String {
    let shown = format!("{frame:?}");
    shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).expect("an example is JSON")
}

#[test]
fn an_event_is_the_same_raw_combined_and_subscribed() {
    for (expected, raw) in EVENTS {
        let forms = [
            raw.to_owned(),
            format!(r#"{{"stream":"x@y","data":{raw}}}"#),
            format!(r#"{{"data":{raw},"stream":"x@y"}}"#),
            format!(r#"{{"subscriptionId":0,"event":{raw}}}"#),
        ];
        for form in forms {
            let frame = ServerFrame::parse(form.as_bytes()).expect(&form);
            assert_eq!(kind(&frame), expected, "{form}");
            let written = serde_json::to_string(&frame).expect("it serialises");
            assert_eq!(value(&written), value(raw), "{form}");
        }
    }
}

#[test]
fn answers_are_told_apart() {
    let check = |json: &str, expected: &str| {
        let frame = ServerFrame::parse(json.as_bytes()).expect(json);
        assert_eq!(kind(&frame), expected, "{json}");
        let written = serde_json::to_string(&frame).expect("it serialises");
        assert_eq!(kind(&ServerFrame::parse(written.as_bytes()).expect("as it was")), expected, "{written}");
    };
    check(r#"{"result":null,"id":1}"#, "Ack");
    check(r#"{"result":["btcusdt@aggTrade"],"id":3}"#, "Ack");
    check(r#"{"code":2,"msg":"Invalid request: unknown variant","id":7}"#, "Refused");
    check(r#"{"code":3,"msg":"Invalid JSON: expected value"}"#, "Refused");
    check(r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#, "Refused");
    check(r#"{"id":"login","status":200,"result":{"subscriptionId":0},"rateLimits":[]}"#, "Reply");
    check(r#"{"id":"login","status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}"#, "Reply");
    check(r#"{"e":"serverShutdown","E":1770123456789}"#, "Shutdown");
    check(r#"{"event":{"e":"serverShutdown","E":1770123456789}}"#, "Shutdown");
    check(r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#, "Shutdown");
    check(r#"{"e":"listenKeyExpired","E":1,"listenKey":"canary"}"#, "UserStreamEnded");
    check(r#"{"e":"TRADE_LITE","E":1}"#, "Other");
    check(r#"{"stream":"!assetIndex@arr","data":[{"e":"assetIndexUpdate"}]}"#, "Other");
    for broken in ["", "{", "[]", "{}", r#"{"id":1}"#, r#"{"stream":"x"}"#, r#"{"e":"trade"}"#, "null", "7"] {
        assert!(ServerFrame::parse(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn a_candle_is_an_array_of_twelve() {
    let json = r#"[1499040000000,"0.016","0.8","0.015","0.0157","148976.1",1499644799999,"2434.1",308,"1756.8","28.4","0"]"#;
    let candle: binance::Candle<'_> = venuekit_wire::parse(json.as_bytes()).expect("the documents' example");
    assert_eq!((candle.close.as_str(), candle.trades), ("0.0157", 308));
    assert_eq!(serde_json::to_string(&candle).expect("it serialises"), json);
}
