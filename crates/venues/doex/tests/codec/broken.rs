//! Frames that make no sense cost themselves and name what they may have belonged to.

use proptest::prelude::*;
use venuekit_doex::{FUTURES, SPOT};
use venuekit_venue::{BrokenWhy, Channel, Event, Interval, Topic};

use crate::{Desk, FUTURES_ONLY, PUBLIC, USER};

/// Decodes one frame that is nothing but broken, on a socket of futures.
fn check(frame: &str, why: BrokenWhy, detail: &str, topics: &[Option<Topic>]) {
    let out = Desk::new(FUTURES).decode(frame.as_bytes());
    let mut found = Vec::new();
    for event in &out.events {
        let Event::Broken(broken) = event else { panic!("{frame}: {event:?}") };
        assert_eq!(broken.why, why, "{frame}: {}", broken.detail);
        assert!(broken.detail.contains(detail), "{frame}: {}", broken.detail);
        assert!(broken.detail.len() <= 200, "{frame}");
        found.push(broken.topic);
    }
    assert_eq!(found, topics, "{frame}");
    assert!(out.rows.is_empty(), "{frame}");
}

fn of(channel: Channel) -> [Option<Topic>; 1] {
    [Some(Topic::of(channel, Desk::new(FUTURES).market("BTCUSDT")))]
}

fn account(channel: Channel) -> Option<Topic> {
    Some(Topic::account(channel))
}

const DEPTH: &str = r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}"#;
const TRADE: &str = r#"{"e":"trade","E":1,"s":"BTCUSDT","t":9,"p":"1.0","q":"0.1","T":1,"m":true}"#;
const KLINE: &str = r#"{"e":"kline","E":1,"s":"BTCUSDT","k":{"t":0,"T":59999,"i":"5m","o":"1","h":"1","l":"1","c":"1","v":"1","n":1,"x":true}}"#;

#[test]
fn what_is_no_json() {
    for frame in ["", "{", "ping", "\u{0}", r#"{"e":"#, &DEPTH[..60], "[", "{]"] {
        check(frame, BrokenWhy::Syntax, "", &[None]);
    }
    check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), BrokenWhy::Shape, "", &[None]);
    let out = Desk::new(SPOT).decode(b"{\"e\":\"\xff\"}");
    assert!(matches!(&out.events[..], [Event::Broken(broken)] if broken.why == BrokenWhy::Syntax));
}

#[test]
fn what_is_of_another_shape() {
    let shape = |frame: &str, detail: &str, topics: &[Option<Topic>]| {
        check(frame, BrokenWhy::Shape, detail, topics);
    };
    for frame in ["null", "[]", "{}", "1", "\"text\"", r#"{"e":{"a":1}}"#, r#"{"result":null}"#] {
        shape(frame, "", &[None]);
    }
    for field in ["E", "U", "u", "b", "a"] {
        let missing = DEPTH.replacen(&format!("\"{field}\":"), "\"x\":", 1);
        shape(&missing, &format!("missing field `{field}`"), &of(Channel::Book));
    }
    for side in ["{}", r#"[["1.0"]]"#, r#"[[["1.0"],"1"]]"#, r#"[["abc","1"]]"#, r#"[["","1"]]"#, "true"] {
        shape(&DEPTH.replace("\"a\":[]", &format!("\"a\":{side}")), "", &of(Channel::Book));
    }
    shape(&DEPTH.replace("\"U\":1", "\"U\":-1"), "", &of(Channel::Book));
    shape(&TRADE.replace("\"1.0\"", "\"one\""), "decimal", &of(Channel::Trades));
    shape(&TRADE.replace("\"1.0\"", "null"), "", &of(Channel::Trades));
    shape(&TRADE.replace("\"T\":1", "\"T\":\"now\""), "instant", &of(Channel::Trades));
    shape(&KLINE.replace("\"n\":1", "\"n\":\"x\""), "", &of(Channel::Candles(Interval::M5)));
    shape(&KLINE.replace("{\"t\":0", "{\"t\":null"), "", &of(Channel::Candles(Interval::M5)));
    shape(&KLINE.replace("\"i\":\"5m\",", ""), "missing field `i`", &[None]);
    shape(r#"{"e":"ticker","E":1,"s":"BTCUSDT","q":"1"}"#, "missing field `v`", &of(Channel::Ticker));
    shape(r#"{"e":"mark","E":1,"s":"BTCUSDT"}"#, "missing field `p`", &of(Channel::Mark));
    shape(r#"{"e":"balance","E":1,"w":"futures"}"#, "missing field `B`", &[account(Channel::Balances)]);
    let balance =
        r#"{"e":"balance","E":1,"w":"futures","B":[{"a":"BTC","f":"1","l":"0"},{"a":"X","f":"?","l":"0"}]}"#;
    shape(balance, "decimal", &[account(Channel::Balances)]);
    let position = r#"{"e":"position","E":1,"s":"BTCUSDT","pa":"all"}"#;
    shape(position, "decimal", &[account(Channel::Positions)]);
    // Nobody can tell any more whether there was a fill in it.
    let both = [account(Channel::Orders), account(Channel::Fills)];
    shape(r#"{"e":"order","E":1,"w":"futures","fill":null}"#, "missing field", &both);
    let order = USER.lines().nth(4).expect("an order");
    shape(&order.replace("SELL", "SIDEWAYS"), "SIDEWAYS", &[account(Channel::Orders)]);
}

#[test]
fn numbers_that_do_not_fit() {
    let number = |frame: &str, detail: &str, channel| check(frame, BrokenWhy::Number, detail, &of(channel));
    for (row, detail) in [
        (r#"[["1.05","1"]]"#, "needs 2 decimal places"),
        (r#"[["1.0","1"],["1e400","1"]]"#, "64 bits"),
        (r#"[["1.0","0.0001"]]"#, "needs 4 decimal places"),
        (r#"[["1.0","9223372036854775807"]]"#, "64 bits"),
    ] {
        number(&DEPTH.replace("\"b\":[]", &format!("\"b\":{row}")), detail, Channel::Book);
    }
    number(&TRADE.replace("\"1.0\"", "\"1.01\""), "2 decimal places", Channel::Trades);
    number(&TRADE.replace("\"0.1\"", "\"0.00001\""), "5 decimal places", Channel::Trades);
    let mark = format!(r#"{{"e":"mark","E":1,"s":"BTCUSDT","p":"{}"}}"#, "9".repeat(60));
    number(&mark, "64 bits", Channel::Mark);
}

#[test]
fn what_we_do_not_know() {
    check(r#"{"e":"liquidation","s":"BTCUSDT"}"#, BrokenWhy::UnknownKind, "liquidation", &[None]);
    check(&KLINE.replace("5m", "2m"), BrokenWhy::UnknownKind, "2m", &[None]);
    check(r#"{"e":"balance","E":1,"w":"earn","B":[]}"#, BrokenWhy::UnknownKind, "earn", &[None]);
    for frame in [DEPTH, TRADE, KLINE] {
        check(&frame.replace("BTCUSDT", "XRPUSDT"), BrokenWhy::UnknownMarket, "XRPUSDT", &[None]);
    }
    // It is listed, but as a spot market.
    check(&DEPTH.replace("BTCUSDT", "DOGEUSDT"), BrokenWhy::UnknownMarket, "DOGEUSDT", &[None]);
    let order = USER.lines().nth(4).expect("an order");
    check(&order.replace("BTCUSDT", "XRPUSDT"), BrokenWhy::UnknownMarket, "XRPUSDT", &[None]);
    check(&DEPTH.replace("BTCUSDT", &"é".repeat(50_000)), BrokenWhy::UnknownMarket, "éé", &[None]);
}

/// How a frame is spoilt.
#[derive(Clone, Debug)]
enum Harm {
    Cut(usize),
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = 0..1024usize;
    prop_oneof![
        at.clone().prop_map(Harm::Cut),
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Harm::Set(at, byte)),
        (at.clone(), 1..64usize).prop_map(|(at, length)| Harm::Remove(at, length)),
        (at, prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

fn spoil(frame: &mut Vec<u8>, harm: &Harm) {
    let within = |at: usize| at % frame.len().max(1);
    match harm {
        Harm::Cut(at) => frame.truncate(within(*at)),
        Harm::Set(at, byte) => {
            let at = within(*at);
            if let Some(old) = frame.get_mut(at) {
                *old = *byte;
            }
        }
        Harm::Remove(at, length) => {
            let at = within(*at);
            frame.drain(at..(at + length).min(frame.len()));
        }
        Harm::Insert(at, bytes) => {
            let at = within(*at);
            frame.splice(at..at, bytes.iter().copied());
        }
    }
}

fn frame() -> impl Strategy<Value = &'static str> {
    let frames: Vec<_> = [PUBLIC, FUTURES_ONLY, USER].into_iter().flat_map(str::lines).collect();
    prop::sample::select(frames)
}

proptest! {
    /// Whatever is done to a frame, it is read or complained of, and rows stand in no event that is not data.
    #[test]
    fn spoilt_frames_are_survived(
        frame in frame(),
        harms in prop::collection::vec(harm(), 1..4),
        product in 0..2usize,
    ) {
        let mut frame = frame.as_bytes().to_vec();
        for harm in &harms {
            spoil(&mut frame, harm);
        }
        let out = Desk::new(product).decode(&frame);
        prop_assert!((1..=2).contains(&out.events.len()));
        let data = out.events.iter().filter(|event| matches!(event, Event::Data(_))).count();
        prop_assert!(data > 0 || out.rows.is_empty());
    }

    /// A frame that was cut short is never taken for a whole one.
    #[test]
    fn every_cut_is_noticed(frame in frame(), at in any::<prop::sample::Index>()) {
        let frame = frame.as_bytes();
        let out = Desk::new(SPOT).decode(&frame[..at.index(frame.len())]);
        let [Event::Broken(broken)] = &out.events[..] else { panic!("{:?}", out.events) };
        prop_assert_eq!((broken.why, broken.topic), (BrokenWhy::Syntax, None));
    }
}
