//! Every shape of Doex's card, read and written back to the byte, and the brief's own use of them.

mod common;

use common::{compact, mistreat};
use serde::{Deserialize, Serialize};
use venuekit_wire::doex::*;
use venuekit_wire::{AsText, Hidden, Millis, Num, WireError, parse, scan};

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("ours serialises")
}

fn stream(text: &str) -> Result<String, WireError> {
    Ok(json(&ServerFrame::parse(text.as_bytes())?))
}

#[track_caller]
fn check_stream(text: &str) {
    let text = compact(text);
    assert_eq!(stream(&text).as_deref(), Ok(text.as_str()));
}

#[track_caller]
fn check<'a, T: Deserialize<'a> + Serialize>(text: &'a str) -> T {
    let value: T = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(json(&value), compact(text));
    value
}

/// One event of each kind.
const EVENTS: [&str; 10] = [
    r#"{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":42,"p":"27123.45","q":"0.00500000","T":1700000000120,
        "m":true}"#,
    r#"{"e":"depthUpdate","E":1700000000123,"s":"BTCUSDT","U":101,"u":103,"b":[["27123.45","0.5"],["27123.00","0"]],
        "a":[]}"#,
    r#"{"e":"kline","E":1700000000123,"s":"BTCUSDT","k":{"t":1700000000000,"T":1700000059999,"i":"1m",
        "o":"27123.45","h":"27130.00","l":"27120.00","c":"27125.00","v":"12.5","n":17,"x":false}}"#,
    r#"{"e":"ticker","E":1700000000123,"s":"BTCUSDT","c":"27125.00","o":"27000.00","h":"27200.00","l":"26900.00",
        "v":"1234.5","q":"33333333.33","b":"27124.99","B":"0.5","a":"27125.01","A":"0.25"}"#,
    r#"{"e":"mark","E":1700000000123,"s":"BTCUSDT","p":"27124.50","i":"27124.00","r":"0.0001","T":1700006400000}"#,
    r#"{"e":"balance","E":1700000000123,"w":"spot","B":[{"a":"BTC","f":"1.5","l":"0.5"}]}"#,
    r#"{"e":"order","E":1700000000123,"w":"spot","symbol":"BTCUSDT","orderId":7,"clientOrderId":"c-1","side":"BUY",
        "type":"LIMIT","timeInForce":"GTC","postOnly":false,"reduceOnly":false,"price":"27123.45","stopPrice":"0",
        "origQty":"0.5","executedQty":"0.25","avgPrice":"27123.45","status":"PARTIALLY_FILLED","fee":"0.0001",
        "feeAsset":"BTC","time":1700000000000,"updateTime":1700000000120,"fill":{"id":9,"orderId":7,
        "clientOrderId":"c-1","symbol":"BTCUSDT","side":"BUY","price":"27123.45","qty":"0.25","quoteQty":"6780.8625",
        "fee":"0.0001","feeAsset":"BTC","isMaker":true,"time":1700000000120}}"#,
    r#"{"e":"order","E":1700000000123,"w":"futures","symbol":"BTCUSDT","orderId":8,"clientOrderId":"","side":"SELL",
        "type":"MARKET","origQty":"1","executedQty":"0","status":"NEW","time":1700000000000,
        "updateTime":1700000000000,"fill":null}"#,
    r#"{"e":"position","E":1700000000123,"s":"BTCUSDT","pa":"-0.5","ep":"27123.45","mp":"27124.50","lp":"30000.00",
        "lev":"10","mm":"cross","up":"-0.525"}"#,
    r#"{"e":"listenKeyExpired","E":1700000000123}"#,
];

#[test]
fn every_event() {
    EVENTS.into_iter().for_each(check_stream);
}

/// **Source**: the brief's walkthrough takes `e`, `s`, `p`, `q` and `T` off a trade, and nothing else.
#[test]
fn the_trade_of_the_brief() {
    let text = r#"{"e":"trade","s":"BTCUSDT","p":"27123.45","q":"0.005","T":1700000000120}"#;
    check_stream(text);
    let Ok(ServerFrame::Trade(trade)) = ServerFrame::parse(text.as_bytes()) else { panic!("a trade") };
    assert_eq!(
        (trade.symbol.as_str(), trade.price, trade.qty.as_str()),
        ("BTCUSDT", Num::quoted("27123.45"), "0.005")
    );
    assert_eq!(trade.time.0.millis(), 1_700_000_000_120);
    for field in ["s", "p", "q", "T"] {
        let error = stream(&text.replace(&format!("\"{field}\":"), "\"x\":")).expect_err(field).to_string();
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
    }
    assert_eq!(stream(&text.replace("\"e\":", "\"x\":")), Err(WireError::Missing { field: "e" }));
}

/// **Source**: the brief reads `assets` of the balances, each with `asset`, `free` and `locked`.
#[test]
fn the_balances_of_the_brief() {
    let balances: SpotBalances<'_> =
        check(r#"{"assets":[{"asset":"BTC","free":"1.50000000","locked":"0.50000000"}]}"#);
    assert_eq!(balances.assets[0].free.as_str(), "1.50000000");
}

#[test]
fn requests_and_their_answers() {
    let request: Request<'_> = check(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#);
    assert_eq!(request.method, Method::Subscribe);
    check::<Request<'_>>(r#"{"method":"UNSUBSCRIBE","params":["futures:btcusdt@mark"],"id":2}"#);
    let other: Request<'_> = parse(br#"{"method":"LIST","id":3}"#).expect("an unknown method is kept");
    assert_eq!(other.method, Method::Other("LIST".into()));
    check_stream(r#"{"result":null,"id":1}"#);
    check_stream(r#"{"error":{"code":-1121,"msg":"unknown stream"},"id":1}"#);
    check_stream(r#"{"error":{"code":-1100,"msg":"not JSON"},"id":null}"#);
    let error: ApiError<'_> = check(r#"{"code":-1021,"msg":"timestamp outside recvWindow"}"#);
    assert_eq!(error.code, -1021);
}

#[test]
fn what_is_new_is_no_error() {
    check_stream(r#"{"e":"liquidation"}"#);
    let text = EVENTS[0].replace("\"m\":true", r#""m":true,"new":{"deep":[1e400,null]}"#);
    assert_eq!(stream(&text), Ok(compact(EVENTS[0])));
    let order = EVENTS[6].replace("PARTIALLY_FILLED", "PENDING_NEW").replace("\"GTC\"", "\"GTX\"");
    check_stream(&order);
}

#[test]
fn any_order_of_keys_and_escaped_text_are_read() {
    let text =
        r#"{"a":[["1","2"]],"b":null,"u":3,"U":2,"s":"BTC\/USDT","E":1700000000123,"e":"depth\u0055pdate"}"#;
    let expected =
        r#"{"e":"depthUpdate","E":1700000000123,"s":"BTC/USDT","U":2,"u":3,"b":null,"a":[["1","2"]]}"#;
    assert_eq!(stream(text).as_deref(), Ok(expected));
    let Ok(ServerFrame::Depth(depth)) = ServerFrame::parse(text.as_bytes()) else { panic!("a depth update") };
    assert_eq!(scan::levels(depth.bids.get()).count(), 0);
    assert_eq!(scan::levels(depth.asks.get()).collect::<Result<Vec<_>, _>>(), Ok(vec![("1", "2")]));
}

#[test]
fn broken_frames_are_errors() {
    for text in EVENTS.into_iter().chain([r#"{"error":{"code":-1121,"msg":"unknown stream"},"id":1}"#]) {
        mistreat(&compact(text), |bytes| {
            ServerFrame::parse(bytes).map(drop).map_err(|error| error.to_string())
        });
    }
    let subscribe = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#;
    mistreat(subscribe, |bytes| parse::<Request<'_>>(bytes).map(drop).map_err(|error| error.to_string()));
}

#[test]
fn a_tag_is_checked() {
    let error = parse::<Trade<'_>>(EVENTS[0].replace("trade", "ticker").as_bytes())
        .expect_err("no trade")
        .to_string();
    assert!(error.contains("expected the word `trade`"), "{error}");
}

/// What a server makes of its own integers is the event above, to the byte.
#[test]
fn events_are_written_from_integers() {
    let scale = |digits| venuekit_types::Scale::new(digits).expect("a scale");
    let row = |ticks, steps| {
        let price = venuekit_types::Scaled::new(ticks, scale(2)).padded();
        (AsText(price), AsText(venuekit_types::Scaled::new(steps, scale(8))))
    };
    let event = DepthUpdate {
        tag: DepthTag,
        event_time: Millis(venuekit_types::UnixNanos::from_millis(1_700_000_000_123)),
        symbol: "BTCUSDT".into(),
        first_id: 101,
        last_id: 103,
        bids: &[row(2_712_345, 50_000_000), row(2_712_300, 0)][..],
        asks: &[][..],
    };
    assert_eq!(json(&event), compact(EVENTS[1]));
}

#[test]
fn public_routes() {
    check::<ServerTime>(r#"{"serverTime":1700000000123}"#);
    let depth: Depth<&venuekit_wire::RawValue> =
        check(r#"{"lastUpdateId":100,"bids":[["27123.45","0.5"]],"asks":[["27124.00","1.25"]]}"#);
    assert_eq!(scan::levels(depth.asks.get()).next(), Some(Ok(("27124.00", "1.25"))));
    check::<Vec<RestTrade<'_>>>(
        r#"[{"id":42,"price":"27123.45","qty":"0.005","time":1700000000120,"isBuyerMaker":true}]"#,
    );
    check::<MarkPrice<'_>>(
        r#"{"symbol":"BTCUSDT","markPrice":"27124.50","indexPrice":"27124.00","fundingRate":"0.0001",
        "nextFundingTime":1700006400000}"#,
    );
    check::<Vec<Instrument<'_>>>(
        r#"[{"symbol":"BTCUSDT","kind":"spot","base":"BTC","quote":"USDT","tickSize":"0.01","stepSize":"0.00001",
        "minQty":"0.00001","maxQty":"9000","minNotional":"5","status":"trading","makerFee":"0.001",
        "takerFee":"0.001"},{"symbol":"BTCUSDT","kind":"perpetual","base":"BTC","quote":"USDT","settle":"USDT",
        "tickSize":"0.1","stepSize":"0.001","minQty":"0.001","maxQty":"1000","minNotional":"5",
        "contractSize":"1","inverse":false,"maxLeverage":"100","status":"halted","makerFee":"-0.0001",
        "takerFee":"0.0005"}]"#,
    );
}

#[test]
fn candles_are_rows() {
    let text =
        r#"[1700000000000,"27123.45","27130.00","27120.00","27125.00","12.5",1700000059999,"339062.5",17]"#;
    let candle: Candle<'_> = check(text);
    assert_eq!((candle.close.as_str(), candle.trades), ("27125.00", 17));
    check::<Vec<Candle<'_>>>(&format!("[{text},{text}]"));
    let longer = text.replace(",17]", ",17,\"0\",[1]]");
    let longer: Candle<'_> = parse(longer.as_bytes()).expect("longer rows are read");
    assert_eq!(longer, candle);
    let shorter = parse::<Candle<'_>>(text.replace(",17]", "]").as_bytes()).map(drop);
    assert!(shorter.expect_err("too short").to_string().contains("missing field `trades`"));
    assert!(parse::<Candle<'_>>(b"{}").is_err());
}

#[test]
fn private_routes() {
    check::<MarginAccount<'_>>(
        r#"{"marginLevel":"3.5","assets":[{"asset":"BTC","free":"1","locked":"0","borrowed":"0.5",
        "interest":"0.0001"}]}"#,
    );
    check::<FuturesBalances<'_>>(
        r#"{"assets":[{"asset":"USDT","walletBalance":"1000","availableBalance":"900","unrealizedPnl":"-5.5",
        "orderMargin":"50","positionMargin":"50"}]}"#,
    );
    let position = r#"{"symbol":"BTCUSDT","positionAmt":"-0.5","entryPrice":"27123.45","markPrice":"27124.50",
        "liquidationPrice":"30000","leverage":"10","marginMode":"isolated","isolatedMargin":"1356.17",
        "unrealizedPnl":"-0.525","maintMarginRate":"0.005","updateTime":1700000000000}"#;
    check::<Vec<Position<'_>>>(&format!("[{position}]"));
    let number = position.replace("\"10\"", "10");
    let number: Position<'_> = parse(number.as_bytes()).expect("a bare number");
    assert_eq!(number.leverage, Some(Num::bare("10")));
    check::<Vec<CopyPosition<'_>>>(
        r#"[{"copyId":1,"leadTraderId":2,"leadTraderName":"Zoë","mirrorRatio":"0.1","symbol":"BTCUSDT",
        "positionAmt":"0.05","entryPrice":"27123.45","markPrice":"27124.50","unrealizedPnl":"0.0525",
        "openTime":1700000000000}]"#,
    );
    check::<Vec<CopyTrade<'_>>>(
        r#"[{"copyId":1,"leadTraderId":2,"leadOrderId":3,"orderId":4,"fillId":5,"symbol":"BTCUSDT","side":"BUY",
        "price":"27123.45","qty":"0.05","profitShare":"0","time":1700000000000}]"#,
    );
    check::<Vec<Movement<'_>>>(
        r#"[{"id":1,"asset":"BTC","amount":"0.5","fee":"0.0001","network":"BTC","address":"bc1q","txId":"00ff",
        "status":"confirming","time":1700000000000}]"#,
    );
    check::<Vec<Transfer<'_>>>(
        r#"[{"id":1,"asset":"USDT","amount":"100","from":"spot","to":"futures","time":1700000000000}]"#,
    );
    check::<Fees<'_>>(
        r#"{"tier":0,"volume30d":"12345.67","pairs":[{"symbol":"BTCUSDT","maker":"0.001","taker":"0.001"}],
        "tiers":[{"tier":0,"minVolume30d":"0","maker":"0.001","taker":"0.001"}]}"#,
    );
    check::<Permissions>(r#"{"read":true,"trade":false,"withdraw":false,"ipRestricted":true}"#);
    check::<Vec<Fill<'_>>>(
        r#"[{"id":9,"orderId":7,"clientOrderId":"","symbol":"BTCUSDT","side":"SELL","price":"27123.45","qty":"0.25",
        "quoteQty":"6780.8625","fee":"3.39","feeAsset":"USDT","isMaker":false,"realizedPnl":"-1.5",
        "time":1700000000120}]"#,
    );
}

/// The order of the user stream is the order over REST, with something around it.
#[test]
fn one_order_two_places() {
    let Ok(ServerFrame::Order(event)) = ServerFrame::parse(EVENTS[6].as_bytes()) else { panic!("an order") };
    let text = json(&event.order);
    let order: Order<'_> = check(&text);
    assert_eq!(order, event.order);
    assert!(compact(EVENTS[6]).contains(&text[1..text.len() - 1]));
    assert_eq!(event.fill.map(|fill| fill.id), Some(9));
}

#[test]
fn what_opens_an_account_does_not_print() {
    let text = r#"{"listenKey":"canary"}"#;
    let key: ListenKey<'_> = check(text);
    assert_eq!(key.listen_key, Hidden("canary".into()));
    let expired = r#"{"e":"listenKeyExpired","E":1700000000123,"listenKey":"canary"}"#;
    check_stream(expired);
    let shown = format!("{key:?} {:?}", ServerFrame::parse(expired.as_bytes()));
    assert!(!shown.contains("canary"), "{shown}");
}
