//! Frames that make no sense cost themselves and name what they may have belonged to.

use proptest::prelude::*;
use venuekit_venue::{BrokenWhy, Channel, Event, Topic};

use crate::{FRAMES, catalog, decode};

/// Decodes one frame that is nothing but broken.
fn check(frame: &str, why: BrokenWhy, detail: &str, topic: Option<Topic>) {
    let out = decode(&catalog(), frame.as_bytes());
    let [Event::Broken(broken)] = &out.events[..] else { panic!("{frame}: {:?}", out.events) };
    assert_eq!((broken.why, broken.topic), (why, topic), "{frame}: {}", broken.detail);
    assert!(broken.detail.contains(detail), "{frame}: {}", broken.detail);
    assert!(broken.detail.len() <= 200, "{frame}");
    assert!(out.rows.is_empty(), "{frame}");
}

fn book() -> Option<Topic> {
    let catalog = catalog();
    let (market, _) = catalog.find("BTCUSD").expect("listed");
    Some(Topic::of(Channel::Book, market))
}

fn of(channel: Channel) -> Option<Topic> {
    Some(Topic { channel, ..book().expect("some") })
}

/// A level2 update of BTCUSD with this data.
fn level2(data: &str) -> String {
    let head = r#"{"type":"update","channel":"level2","instrument":"BTCUSD","sequence":1"#;
    format!(r#"{head},"data":{data},"timestamp":"2020-09-10T10:00:00.000Z"}}"#)
}

fn update(channel: &str, data: &str) -> String {
    level2(data).replace("level2", channel)
}

#[test]
fn what_is_no_json() {
    for frame in ["", "{", "ping", "\u{0}", r#"{"type":"#, r#"{"type":"auth","userId":10"#, "[", "{]"] {
        check(frame, BrokenWhy::Syntax, "", None);
    }
    check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), BrokenWhy::Shape, "", None);
    let out = decode(&catalog(), b"{\"type\":\"\xff\"}");
    assert!(matches!(&out.events[..], [Event::Broken(broken)] if broken.why == BrokenWhy::Syntax));
}

#[test]
fn what_is_of_another_shape() {
    let shape = |frame: &str, detail: &str, topic| check(frame, BrokenWhy::Shape, detail, topic);
    for frame in ["null", "[]", "{}", "1", "\"text\"", r#"{"type":null}"#, r#"{"type":{"a":1}}"#] {
        shape(frame, "", None);
    }
    shape(r#"{"type":"challenge"}"#, "challenge", None);
    shape(r#"{"type":"auth","userId":"ten"}"#, "invalid type", None);
    shape(r#"{"type":"subscriptions"}"#, "channels", None);
    shape(r#"{"type":"update","channel":"level2","sequence":1,"data":{},"timestamp":0}"#, "instrument", None);
    for field in ["sequence", "data", "timestamp"] {
        let missing = level2(r#"{"bids":[],"asks":[]}"#).replace(field, "x");
        shape(&missing, field, book());
        shape(&missing.replace("level2", "orders"), field, Some(Topic::account(Channel::Orders)));
    }
    for sequence in ["-1", "1.5", "\"1\"", "18446744073709551616"] {
        let frame = level2(r#"{"bids":[],"asks":[]}"#);
        let sequence = format!("\"sequence\":{sequence}");
        shape(&frame.replace("\"sequence\":1", &sequence), "", book());
    }
    for (data, detail) in [
        ("{}", "bids"),
        ("null", ""),
        ("[]", ""),
        (r#"{"bids":[]}"#, "asks"),
        (r#"{"bids":{},"asks":[]}"#, "levels"),
        (r#"{"bids":[["1.00"]],"asks":[]}"#, "levels"),
        (r#"{"bids":[[["1.00"],1]],"asks":[]}"#, "levels"),
        (r#"{"bids":[["abc",1]],"asks":[]}"#, "decimal"),
        (r#"{"bids":[["1.00",1]],"asks":[["",1]]}"#, "empty"),
    ] {
        shape(&level2(data), detail, book());
    }
    shape(&update("ticker", r#"{"bestBid":"1"}"#), "instrument", of(Channel::Ticker));
    shape(&update("ticker", r#"{"instrument":"ETHUSDT"}"#), "a row of ETHUSDT", of(Channel::Ticker));
    let trade = r#"[{"instrument":"BTCUSD","matchId":1,"price":"1.00","size":1,"side":"long","timestamp":0},
        {"instrument":"BTCUSD","matchId":2,"price":"1.00","size":1.5,"side":"long","timestamp":0}]"#;
    shape(&update("matches", trade), "1.5", of(Channel::Trades));
    let trade = trade.replace("1.5", "1").replace("D\",\"matchId\":2", "DT\",\"matchId\":2");
    shape(&update("matches", &trade), "a row of BTCUSDT", of(Channel::Trades));
    let margins = r#"[{"currency":"BTC","available":"1"},{"currency":"USDT","available":"many"}]"#;
    shape(&update("margins", margins), "decimal", Some(Topic::account(Channel::Balances)));
}

#[test]
fn numbers_that_do_not_fit() {
    let number = |frame: &str, detail: &str, topic| check(frame, BrokenWhy::Number, detail, topic);
    for (data, detail) in [
        (r#"{"bids":[["9120.505",1]],"asks":[]}"#, "needs 3 decimal places"),
        (r#"{"bids":[["9120.50",1],["1e400",1]],"asks":[]}"#, "64 bits"),
        (r#"{"bids":[],"asks":[["9120.50",0.5]]}"#, "needs 1 decimal places"),
        (r#"{"bids":[],"asks":[["9120.50",9223372036854775808]]}"#, "64 bits"),
    ] {
        number(&level2(data), detail, book());
    }
    let trade =
        r#"[{"instrument":"BTCUSD","matchId":1,"price":"1.001","size":1,"side":"long","timestamp":0}]"#;
    number(&update("matches", trade), "3 decimal places", of(Channel::Trades));
    let ticker = format!(r#"{{"instrument":"BTCUSD","bestBid":"{}"}}"#, "9".repeat(60));
    number(&update("ticker", &ticker), "64 bits", of(Channel::Ticker));
}

#[test]
fn what_we_do_not_know() {
    check(r#"{"type":"error","message":"no"}"#, BrokenWhy::UnknownKind, "error", None);
    let frame = level2(r#"{"bids":[],"asks":[]}"#);
    check(&frame.replace("level2", "level3"), BrokenWhy::UnknownKind, "level3", None);
    check(&frame.replace("BTCUSD", "XRPUSD"), BrokenWhy::UnknownMarket, "XRPUSD", None);
    check(&frame.replace("BTCUSD", &"é".repeat(50_000)), BrokenWhy::UnknownMarket, "éé", None);
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
    let at = 0..4096usize;
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

proptest! {
    /// Whatever is done to a frame, it is read or complained of, once, and never with half of its rows.
    #[test]
    fn spoilt_frames_are_survived(
        line in 0..FRAMES.lines().count(),
        harms in prop::collection::vec(harm(), 1..4),
    ) {
        let mut frame = FRAMES.lines().nth(line).expect("in range").as_bytes().to_vec();
        for harm in &harms {
            spoil(&mut frame, harm);
        }
        let out = decode(&catalog(), &frame);
        let whole = out.events.iter().filter(|event| !matches!(event, Event::Broken(_))).count();
        prop_assert!(whole <= 1 && !out.events.is_empty());
        if whole == 0 {
            prop_assert!(out.rows.is_empty());
        }
    }

    /// A frame that was cut short is never taken for a whole one.
    #[test]
    fn every_cut_is_noticed(line in 0..FRAMES.lines().count(), at in any::<prop::sample::Index>()) {
        let frame = FRAMES.lines().nth(line).expect("in range").as_bytes();
        let out = decode(&catalog(), &frame[..at.index(frame.len())]);
        let [Event::Broken(broken)] = &out.events[..] else { panic!("{:?}", out.events) };
        prop_assert_eq!(broken.why, BrokenWhy::Syntax);
    }
}
