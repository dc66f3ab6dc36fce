//! What goes wrong on command and by plan, and that nothing else does.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{End, Naive, Rig, json, start};
use serde_json::Value;
use venuekit_sim::{Command, DoexLimits, Fault, FaultPlan, SimConfig, Target};

const LEVEL2: &str = r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD"]}]}"#;

fn inject(rig: &mut Rig, venue: &str, target: Target, fault: Fault) {
    let now = rig.now;
    rig.sim.venue_mut(venue).expect("a venue").inject(now, Command { target, fault });
    rig.drain();
}

/// Sequences of a level2 connection in the order they came; a frame that does not read is none.
fn sequences(frames: &[String]) -> Vec<Option<u64>> {
    let sequence = |frame: &String| serde_json::from_str::<Value>(frame).ok()?["sequence"].as_u64();
    frames.iter().map(sequence).collect()
}

/// A level2 connection past its snapshot, and the sequence it stands at.
fn following() -> (Rig, u64, u64) {
    let mut rig = Rig::new(1);
    let conn = rig.open("duedex", "/v1/feed");
    rig.send("duedex", conn, LEVEL2);
    rig.pass_ms(1_000);
    let last = sequences(&rig.take(conn)).pop().flatten().expect("a sequence");
    (rig, conn, last)
}

fn after(fault: Fault, target: Target) -> (Vec<Option<i64>>, Rig) {
    let (mut rig, conn, last) = following();
    inject(&mut rig, "duedex", target, fault);
    rig.pass_ms(1_000);
    let relative = |sequence: Option<u64>| Some(i64::try_from(sequence?).ok()? - i64::try_from(last).ok()?);
    let seen = sequences(&rig.take(conn)).into_iter().map(relative).collect();
    (seen, rig)
}

fn upto(n: i64) -> Vec<Option<i64>> {
    (1..=n).map(Some).collect()
}

#[test]
fn a_command_strikes_exactly_one_frame() {
    let stream = || Target::Stream("level2:BTCUSD".to_string());
    let (seen, rig) = after(Fault::Drop, stream());
    let all = i64::try_from(seen.len()).expect("few") + 1;
    assert_eq!(seen, upto(all)[1..]);
    assert_eq!(rig.sim.venue("duedex").map(|venue| venue.fault_log().count("drop")), Some(1));

    let (seen, _) = after(Fault::Duplicate, stream());
    assert_eq!(seen[..4], [Some(1), Some(1), Some(2), Some(3)]);
    let (seen, _) = after(Fault::Reorder, stream());
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, upto(all));
    assert!((1..=3).contains(&seen.iter().position(|s| *s == Some(1)).expect("late, not lost")));
    for fault in [Fault::Corrupt, Fault::Truncate] {
        let (seen, _) = after(fault.clone(), stream());
        assert_eq!(seen[..3], [None, Some(2), Some(3)], "{fault:?}");
    }
    let (seen, _) = after(Fault::Delay(Duration::from_millis(300)), stream());
    let at = seen.iter().position(|s| *s == Some(1)).expect("late, not lost");
    assert!(at > 5, "{at}");
    // Another stream or connection is not struck.
    for target in [Target::Stream("level2:ETHUSDT".to_string()), Target::Conn(999)] {
        let (seen, rig) = after(Fault::Drop, target);
        assert_eq!(seen, upto(all));
        assert_eq!(rig.sim.venue("duedex").map(|venue| venue.fault_log().count("drop")), Some(0));
    }
}

#[test]
fn a_delayed_connection_keeps_its_order_and_a_stalled_one_loses() {
    let (seen, _) = after(Fault::Delay(Duration::from_millis(500)), Target::All);
    let all = i64::try_from(seen.len()).expect("few");
    assert!(all > 30);
    assert_eq!(seen, upto(all));
    let (seen, rig) = after(Fault::Stall(Some(Duration::from_millis(500))), Target::All);
    let first = seen[0].expect("it goes on after the stall");
    assert!(first > 10);
    assert_eq!(seen.last(), upto(all).last());
    assert_eq!(rig.sim.venue("duedex").map(|venue| venue.fault_log().count("stall")), Some(1));
    let (seen, _) = after(Fault::Stall(None), Target::Stream("level2:BTCUSD".to_string()));
    assert_eq!(seen, []);
}

#[test]
fn connections_are_cut_and_logins_refused() {
    let mut rig = Rig::new(1);
    let (one, two) = (rig.open("duedex", "/v1/feed"), rig.open("duedex", "/v1/feed"));
    inject(&mut rig, "duedex", Target::Conn(one), Fault::Close);
    assert_eq!((rig.ends.get(&one), rig.ends.get(&two)), (Some(&End::Cut), None));
    rig.send("duedex", one, LEVEL2);
    rig.pass_ms(500);
    assert_eq!(rig.take(one), Vec::<String>::new());

    let keys = SimConfig::new(1, start()).keys.duedex;
    inject(&mut rig, "duedex", Target::All, Fault::RefuseLogin);
    for (conn, end) in [(two, Some(End::Closed(None))), (rig.open("duedex", "/v1/feed"), None)] {
        rig.send("duedex", conn, r#"{"type":"challenge"}"#);
        let challenge = rig.take_json(conn)[0]["challenge"].as_str().expect("text").to_string();
        let answer = venuekit_sign::duedex::answer(&keys.secret, &challenge).expect("base64");
        rig.send("duedex", conn, &format!(r#"{{"type":"auth","key":"{}","answer":"{answer}"}}"#, keys.key));
        assert_eq!(rig.ends.get(&conn).cloned(), end, "once, not twice");
    }
}

#[test]
fn a_late_snapshot_comes_after_updates_it_already_holds() {
    let mut rig = Rig::new(1);
    let conn = rig.open("duedex", "/v1/feed");
    inject(&mut rig, "duedex", Target::All, Fault::LateSnapshot(Duration::from_millis(400)));
    rig.send("duedex", conn, LEVEL2);
    rig.pass_ms(1_000);
    let frames = rig.take_json(conn);
    let at = frames.iter().position(|frame| frame["type"] == "snapshot").expect("a snapshot");
    assert!(at > 5);
    let seq = |frame: &Value| frame["sequence"].as_u64().expect("a number");
    let snapshot = &frames[at];
    // Whoever buffers what came before it stands at the true book.
    let mut book = Naive::default();
    book.apply(&snapshot["data"]["bids"], &snapshot["data"]["asks"]);
    let mut last = seq(snapshot);
    for frame in frames[1..at].iter().chain(&frames[at + 1..]).filter(|frame| seq(frame) > seq(snapshot)) {
        assert_eq!(seq(frame), last + 1);
        last += 1;
        book.apply(&frame["data"]["bids"], &frame["data"]["asks"]);
    }
    let truth = rig.sim.venue("duedex").and_then(|venue| venue.book("BTC/USD:BTC")).expect("a market");
    assert_eq!((last, book.canonical()), (truth.seq, truth.canonical()));
}

#[test]
fn snapshots_over_rest_are_slow_or_refused_and_other_routes_limited() {
    let mut rig = Rig::new(1);
    let target = "/v1/depth?symbol=BTCUSDT";
    inject(&mut rig, "doex", Target::All, Fault::SlowSnapshot(Duration::from_secs(3)));
    assert_eq!(rig.get("doex", "/v1/ping").status, 200, "no snapshot");
    let slow = rig.ask("doex", "GET", target, &[], "");
    rig.pass_ms(2_900);
    assert!(!rig.responses.contains_key(&slow));
    rig.pass_ms(200);
    assert_eq!(rig.responses[&slow].as_ref().map(|response| response.status), Some(200));
    for status in [429, 503] {
        inject(&mut rig, "doex", Target::All, Fault::RefuseSnapshot(status));
        let response = rig.get("doex", target);
        assert_eq!(response.status, status);
        if status == 429 {
            assert_eq!(
                (json(&response)["code"].as_i64(), response.header("retry-after")),
                (Some(-1003), Some("1"))
            );
        } else {
            assert!(
                serde_json::from_slice::<Value>(&response.body).is_err(),
                "a gateway does not speak JSON"
            );
        }
        assert_eq!(rig.get("doex", target).status, 200);
    }
    inject(&mut rig, "doex", Target::All, Fault::Reject(429));
    assert_eq!(rig.get("doex", "/v1/time").status, 429);
    inject(&mut rig, "duedex", Target::All, Fault::Reject(429));
    let response = rig.get("duedex", "/v1/ticker");
    assert_eq!((response.status, json(&response)["code"].as_i64()), (429, Some(5010)));
}

#[test]
fn a_skewed_clock_is_what_the_venue_believes() {
    let mut rig = Rig::new(1);
    inject(&mut rig, "doex", Target::All, Fault::Skew(7_000));
    assert_eq!(rig.get_json("doex", "/v1/time")["serverTime"], 1_700_000_007_000_i64);
    let keys = SimConfig::new(1, start()).keys.doex;
    let mut at = |stamp: &str| {
        let query = venuekit_sign::doex::sign(&keys, &[("timestamp", stamp)]).query;
        let response =
            rig.get_with("doex", &format!("/v1/account/balances?{query}"), &[("X-DOEX-APIKEY", &keys.key)]);
        json(&response)["code"].as_i64()
    };
    assert_eq!(at("1700000000000"), Some(-1021));
    assert_eq!(at("1700000007000"), None);
}

#[test]
fn a_restart_cuts_all_and_begins_sequences_again() {
    let mut rig = Rig::new(1);
    rig.pass_ms(2_000);
    let feed = rig.open("duedex", "/v1/feed");
    rig.send("duedex", feed, LEVEL2);
    let stream = rig.open("doex", "/ws/btcusdt@depth");
    inject(&mut rig, "doex", Target::All, Fault::SlowSnapshot(Duration::from_secs(60)));
    let pending = rig.ask("doex", "GET", "/v1/depth?symbol=BTCUSDT", &[], "");
    for venue in ["doex", "duedex"] {
        inject(&mut rig, venue, Target::All, Fault::Restart(Duration::from_secs(2)));
    }
    assert_eq!((rig.ends.get(&feed), rig.ends.get(&stream)), (Some(&End::Cut), Some(&End::Cut)));
    assert_eq!(rig.responses.get(&pending), Some(&None), "an answer from before never comes");
    let refused = rig.open("doex", "/ws/btcusdt@depth");
    assert_eq!(rig.ends.get(&refused), Some(&End::Refused(503)));
    let lost = rig.ask("doex", "GET", "/v1/time", &[], "");
    assert_eq!(rig.responses.get(&lost), Some(&None));
    rig.pass_ms(2_500);
    let feed = rig.open("duedex", "/v1/feed");
    rig.send("duedex", feed, r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD"]},{"name":"ticker","instruments":["BTCUSD"]},{"name":"matches","instruments":["BTCUSD"]}]}"#);
    let snapshots = rig.take_json(feed);
    for snapshot in &snapshots[1..] {
        assert!(
            snapshot["sequence"].as_u64().is_some_and(|sequence| (1..200).contains(&sequence)),
            "{snapshot}"
        );
    }
    let truth = rig.sim.venue("duedex").and_then(|venue| venue.book("BTC/USD:BTC")).expect("a market");
    assert_eq!((truth.generation, Some(truth.seq)), (1, snapshots[1]["sequence"].as_u64()));
    let mut book = Naive::default();
    book.apply(&snapshots[1]["data"]["bids"], &snapshots[1]["data"]["asks"]);
    assert_eq!(book.canonical(), truth.canonical());
    // Trade ids go on, so that a trade is stored once.
    let trades = rig.get_json("doex", "/v1/trades?symbol=BTCUSDT&limit=500");
    let ids: Vec<u64> =
        trades.as_array().expect("rows").iter().map(|row| row["id"].as_u64().expect("an id")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    assert!(rig.sim.venue("doex").and_then(|venue| venue.book_at("BTC/USDT", 1, 1)).is_some());
}

/// Rates over many frames come out as planned.
#[test]
fn a_plan_keeps_its_rates() {
    let plan = FaultPlan {
        seed: 11,
        drop: 20_000,
        duplicate: 10_000,
        reorder: 10_000,
        corrupt: 5_000,
        truncate: 5_000,
        ..FaultPlan::default()
    };
    let mut rig = Rig::with(SimConfig { rate: 2_000, ..SimConfig::new(1, start()) }.with_faults(&plan));
    let conn = rig.open("doex", "/ws/btcusdt@depth");
    let control = rig.open("doex", "/ws/btcusdt@depth");
    rig.pass(Duration::from_secs(60));
    let frames = rig.take(conn);
    let n = f64::from(u32::try_from(frames.len() + rig.take(control).len()).expect("few"));
    let log = rig.sim.venue("doex").expect("a venue").fault_log();
    for (name, rate) in
        [("drop", 0.02), ("duplicate", 0.01), ("reorder", 0.01), ("corrupt", 0.005), ("truncate", 0.005)]
    {
        let (count, expected) = (f64::from(u32::try_from(log.count(name)).expect("few")), n * rate);
        // Five standard deviations.
        assert!(
            (count - expected).abs() < 5.0 * expected.sqrt() + 5.0,
            "{name}: {count} of {n}, planned {expected}"
        );
    }
    assert_eq!(
        log.records().count(),
        usize::try_from(log.counts().values().sum::<u64>().min(10_000)).expect("few")
    );
    let broken = frames.iter().filter(|frame| serde_json::from_str::<Value>(frame).is_err()).count();
    assert!(broken > 50, "corrupt and truncated frames never parse: {broken}");
}

#[test]
fn profiles_strike_connections_logins_clocks_and_the_venue() {
    assert!(FaultPlan::profile("none", 7).is_some_and(|plan| plan.is_none()));
    assert_eq!(FaultPlan::profile("odd", 7), None);
    let heavy = FaultPlan::profile("heavy", 7).expect("a profile");
    assert!(!heavy.is_none());
    let mut rig = Rig::with(SimConfig::new(1, start()).with_faults(&heavy));
    let mut conn = rig.open("doex", "/ws/btcusdt@depth");
    for _ in 0..600 {
        rig.pass_ms(1_000);
        if rig.ends.contains_key(&conn) {
            conn = rig.open("doex", "/ws/btcusdt@depth");
        }
        rig.ask("doex", "GET", "/v1/depth?symbol=BTCUSDT", &[], "");
        rig.ask("doex", "GET", "/v1/ping", &[], "");
        rig.take(conn);
        rig.trace.clear();
    }
    let counts = rig.sim.venue("doex").expect("a venue").fault_log().counts().clone();
    let seen: BTreeMap<&str, u64> = counts.into_iter().collect();
    for name in [
        "drop",
        "duplicate",
        "reorder",
        "corrupt",
        "truncate",
        "delay",
        "close",
        "slow_snapshot",
        "refuse_snapshot",
        "reject",
        "skew",
        "restart",
    ] {
        assert!(seen.get(name).is_some_and(|count| *count > 1), "SEED=7 {name}: {seen:?}");
    }
    // A quiet plan ends it.
    let now = rig.now;
    rig.sim.venue_mut("doex").expect("a venue").set_faults(now, FaultPlan::default());
    rig.pass(Duration::from_secs(30));
    let before = rig.sim.venue("doex").expect("a venue").fault_log().counts().clone();
    let conn = rig.open("doex", "/ws/btcusdt@depth");
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.sim.venue("doex").expect("a venue").fault_log().counts(), &before);
    let frames = rig.take_json(conn);
    assert!(frames.windows(2).all(|pair| pair[0]["u"].as_u64().map(|u| u + 1) == pair[1]["U"].as_u64()));
}

const ORDER: [(&str, &str); 5] =
    [("symbol", "BTCUSDT"), ("side", "BUY"), ("type", "LIMIT"), ("quantity", "0.001"), ("price", "60000")];

/// What is answered badly, or not at all, has happened all the same, once.
#[test]
fn an_answer_is_lost_after_the_order_was_accepted() {
    let mut rig = Rig::quiet();
    let doex = common::trade::keys("doex");
    let place = |rig: &mut Rig, client_id: &str, fault: Fault| {
        inject(rig, "doex", Target::All, fault);
        let mut order = ORDER.to_vec();
        order.push(("clientOrderId", client_id));
        rig.doex_ask(("POST", "/v1/orders"), &order, &doex, common::PEER)
    };
    let lost = place(&mut rig, "lost", Fault::LoseAnswer);
    assert_eq!(rig.responses.remove(&lost), Some(None));
    let cut = place(&mut rig, "cut", Fault::CutAnswer);
    let response = rig.responses.remove(&cut).flatten().expect("answered");
    assert!(response.status == 200 && serde_json::from_slice::<serde_json::Value>(&response.body).is_err());
    let failed = place(&mut rig, "failed", Fault::FailAnswer(502));
    let response = rig.responses.remove(&failed).flatten().expect("answered");
    assert_eq!((response.status, response.header("content-type")), (502, Some("text/html")));
    let late = place(&mut rig, "late", Fault::LateAnswer(Duration::from_secs(3)));
    let refused = place(&mut rig, "refused", Fault::Reject(503));
    assert_eq!(rig.responses.remove(&refused).flatten().map(|response| response.status), Some(503));
    let ids =
        |rig: &Rig| rig.doex_account().open_orders().map(|order| order.client_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&rig), ["lost", "cut", "failed", "late"]);
    rig.pass_ms(2_999);
    assert!(!rig.responses.contains_key(&late));
    rig.pass_ms(1);
    assert_eq!(rig.responses.remove(&late).flatten().map(|response| response.status), Some(200));

    inject(&mut rig, "duedex", Target::All, Fault::LoseAnswer);
    let body = r#"{"instrument":"BTCUSD","type":"limit","side":"long","price":"9000.00","size":1}"#;
    let duedex = common::trade::keys("duedex");
    let reading = rig.duedex_ask(("GET", "/v1/margin"), "", &duedex, common::PEER);
    assert!(matches!(rig.responses.remove(&reading), Some(Some(_))), "only changes lose their answer");
    let lost = rig.duedex_ask(("POST", "/v1/order"), body, &duedex, common::PEER);
    assert_eq!(rig.responses.remove(&lost), Some(None));
    assert_eq!(rig.duedex_data("GET", "/v1/order/active", "").as_array().map(Vec::len), Some(1));
}

/// Under the heavy profile every kind of it happens, and each order that was accepted stands once.
#[test]
fn the_heavy_profile_loses_answers_by_seed() {
    let plan =
        FaultPlan { restart_every: None, skew_every: None, ..FaultPlan::profile("heavy", 5).expect("known") };
    let limits = DoexLimits { orders_per_10s: 10_000, weight_per_minute: 100_000, ..DoexLimits::default() };
    let config = SimConfig { doex_limits: limits, ..common::trade::quiet() }.with_faults(&plan);
    let mut rig = Rig::with(config);
    let keys = common::trade::keys("doex");
    let mut accepted = 0;
    for number in 0..900 {
        let client_id = format!("n{number}");
        let mut order = ORDER.to_vec();
        order.push(("clientOrderId", &client_id));
        let id = rig.doex_ask(("POST", "/v1/orders"), &order, &keys, common::PEER);
        let known = rig.doex_account().order_by_client_id(0, &client_id).is_some();
        let answered_429 =
            rig.responses.get(&id).is_some_and(|r| r.as_ref().is_some_and(|r| r.status == 429));
        assert_eq!(known, !answered_429, "SEED=5 {client_id}");
        accepted += usize::from(known);
    }
    assert_eq!(rig.doex_account().open_orders().count(), accepted);
    let log = rig.sim.venue("doex").expect("a venue").fault_log();
    for name in ["lose_answer", "cut_answer", "fail_answer", "late_answer", "reject"] {
        assert!(log.count(name) > 3, "SEED=5 {name}: {}", log.count(name));
    }
}

/// Events of the account's stream come twice or late, as those of any stream.
#[test]
fn private_events_come_twice_and_late() {
    let mut rig = Rig::quiet();
    let key = common::trade::keys("doex").key;
    let id = rig.ask("doex", "POST", "/v1/user-stream", &[("X-DOEX-APIKEY", key.as_str())], "");
    let listen = json(&rig.responses.remove(&id).flatten().expect("answered"));
    let conn = rig.open("doex", &format!("/ws/{}", listen["listenKey"].as_str().expect("a key")));
    let events = |rig: &mut Rig| -> Vec<String> {
        rig.take_json(conn).iter().map(|event| event["e"].as_str().expect("a word").to_string()).collect()
    };
    inject(&mut rig, "doex", Target::Stream("order".into()), Fault::Duplicate);
    rig.doex("POST", "/v1/orders", &ORDER);
    assert_eq!(events(&mut rig), ["order", "order", "balance"]);
    inject(&mut rig, "doex", Target::Stream("order".into()), Fault::Delay(Duration::from_secs(2)));
    rig.doex("POST", "/v1/orders", &ORDER);
    assert_eq!(events(&mut rig), ["balance"]);
    rig.pass_ms(2_000);
    assert_eq!(events(&mut rig), ["order"]);
}
