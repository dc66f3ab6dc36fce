//! The same seed gives the same world to the byte, and what it says was true was.

mod common;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use common::{Rig, start};
use serde_json::Value;
use venuekit_sim::{FaultPlan, FrontOutput, Sim, SimConfig};

/// A session with a bit of everything, as a digest of all that left.
fn trace(seed: u64) -> u64 {
    let plan = FaultPlan::profile("heavy", seed).expect("a profile");
    let config = SimConfig { truth_every: 50, ..SimConfig::new(seed, start()) }.with_faults(&plan);
    let mut rig = Rig::with(config);
    for round in 0..4 {
        for path in ["/ws/btcusdt@depth", "/ws/futures:ethusdt@trade", "/ws/ethusdt@kline_1m"] {
            rig.open("doex", path);
        }
        let conn = rig.open("duedex", "/v1/feed");
        rig.send("duedex", conn, r#"{"type":"challenge"}"#);
        rig.send("duedex", conn, r#"{"type":"subscribe","channels":[{"name":"level2","instruments":["BTCUSD","LINKUSDT"]},{"name":"ticker","instruments":["ETHUSDT"]}]}"#);
        rig.ask("doex", "GET", "/v1/depth?symbol=BTCUSDT&limit=1000", &[], "");
        rig.pass(Duration::from_millis(2_500 + round));
    }
    let mut hasher = DefaultHasher::new();
    for (venue, output) in &rig.trace {
        (venue, format!("{output:?}")).hash(&mut hasher);
    }
    assert!(rig.trace.len() > 1_000);
    rig.sim.take_truth().hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 1..=5 {
        assert_eq!(trace(seed), trace(seed), "SEED={seed}");
    }
    assert_ne!(trace(1), trace(2));
}

/// What happens in a market does not depend on who listens or how late ticks come.
#[test]
fn the_world_does_not_depend_on_its_clients() {
    let run = |step_ms: u64, clients: bool| {
        let mut rig = Rig::with(SimConfig { truth_every: 1, ..SimConfig::new(9, start()) });
        if clients {
            rig.open("doex", "/ws/btcusdt@depth");
            rig.get("doex", "/v1/instruments");
        }
        for _ in 0..2_000 / step_ms {
            rig.now = rig.now.plus(Duration::from_millis(step_ms));
            rig.sim.tick(rig.now);
            rig.drain();
        }
        String::from_utf8(rig.sim.take_truth()).expect("text")
    };
    let by_venue = |text: String| {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("NDJSON");
            lines.entry(value["venue"].to_string()).or_default().push(line.to_string());
        }
        lines
    };
    let fine = by_venue(run(1, true));
    assert_eq!(fine, by_venue(run(500, false)));
    assert!(fine.len() == venuekit_sim::VENUES.len() && fine.values().all(|lines| lines.len() > 300));
}

#[test]
fn truth_lines_are_the_books_and_trades_that_were() {
    let mut rig = Rig::with(SimConfig { truth_every: 1, history: 5_000, ..SimConfig::new(3, start()) });
    let (doex, duedex) = (rig.open("doex", "/ws/ethusdt@trade"), rig.open("duedex", "/v1/feed"));
    rig.send(
        "duedex",
        duedex,
        r#"{"type":"subscribe","channels":[{"name":"matches","instruments":["ETHUSDT"]}]}"#,
    );
    let (binance, kraken) =
        (rig.open("binance", "/market/ws/btcusdt@aggTrade"), rig.open("kraken", "/ws/v1"));
    rig.send("kraken", kraken, r#"{"event":"subscribe","feed":"trade","product_ids":["PF_XBTUSD"]}"#);
    rig.pass_ms(5_000);
    let lines = String::from_utf8(rig.sim.take_truth()).expect("text");
    assert!(rig.sim.take_truth().is_empty());
    let mut unnumbered = BTreeMap::new();
    let mut trades = BTreeMap::new();
    let mut books = 0;
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).expect(line);
        assert_eq!((value["run"].as_str(), &value["generation"]), (Some(rig.sim.run()), &Value::from(0)));
        let text = |name: &str| value[name].as_str().expect(line).to_string();
        let number = |name: &str| value[name].as_u64().expect(line);
        let (venue, symbol) = (text("venue"), text("symbol"));
        if value["t"] == "book" && value["seq"].is_null() {
            unnumbered.insert((venue, symbol), text("sha256"));
        } else if value["t"] == "book" {
            let at = rig.sim.venue(&venue).and_then(|v| v.book_at(&symbol, 0, number("seq"))).expect("kept");
            assert_eq!(at.sha256(), text("sha256"), "{line}");
            books += 1;
        } else if value["t"] == "trade" {
            let key = (venue, symbol, value["id"].to_string());
            assert_eq!(trades.insert(key, (text("price"), text("qty"), text("side"), number("ts"))), None);
        }
    }
    assert!(books > 1_500, "{books}");
    // Without numbers, the last one is the one that is.
    for ((venue, symbol), digest) in &unnumbered {
        let now = rig.sim.venue(venue).and_then(|v| v.book(symbol)).expect("a book");
        assert_eq!((venue.as_str(), now.sha256()), ("kraken", digest.clone()), "{symbol}");
    }
    assert_eq!(unnumbered.len(), 4);
    let plain = |text: &Value| {
        text.as_str()
            .expect("text")
            .parse::<rust_decimal::Decimal>()
            .expect("a decimal")
            .normalize()
            .to_string()
    };
    let told = rig.take_json(doex);
    for event in &told {
        let key = ("doex".to_string(), "ETH/USDT".to_string(), event["t"].to_string());
        let side = if event["m"] == true { "sell" } else { "buy" };
        let ts = event["T"].as_u64().expect("a time") * 1_000_000;
        assert_eq!(trades.get(&key), Some(&(plain(&event["p"]), plain(&event["q"]), side.to_string(), ts)));
    }
    let mut matches = 0;
    for row in rig
        .take_json(duedex)
        .iter()
        .filter(|m| m["type"] == "update")
        .flat_map(|m| m["data"].as_array().expect("rows"))
    {
        let key = ("duedex".to_string(), "ETH/USDT:USDT".to_string(), row["matchId"].to_string());
        let side = if row["side"] == "short" { "sell" } else { "buy" };
        let known = trades.get(&key).expect("a trade");
        assert_eq!(
            (known.0.clone(), known.1.clone(), known.2.as_str()),
            (plain(&row["price"]), row["size"].to_string(), side)
        );
        matches += 1;
    }
    assert!(told.len() > 20 && matches > 20);
    // Trades that a stream puts together are told so, and ids as they are spelt.
    let together = rig.take_json(binance);
    for event in &together {
        let key = ("binance".to_string(), "BTC/USDT:USDT".to_string(), event["a"].to_string());
        let known = trades.get(&key).expect("a trade");
        assert_eq!((&known.0, &known.1), (&plain(&event["p"]), &plain(&event["q"])));
    }
    let contracts: Vec<Value> =
        rig.take_json(kraken).into_iter().filter(|frame| frame["uid"].is_string()).collect();
    for trade in &contracts {
        let key = ("kraken".to_string(), "BTC/USD:USD".to_string(), trade["uid"].to_string());
        assert!(trades.contains_key(&key), "{trade}");
    }
    assert!(together.len() > 20 && contracts.len() > 20, "{} {}", together.len(), contracts.len());
}

/// Fills, ended orders and ledgers in the truth are those of the account's books, to the last digit.
#[test]
fn truth_lines_of_accounts_are_their_books() {
    let mut rig = Rig::with(SimConfig { truth_every: 1_000_000, ..SimConfig::new(4, start()) });
    rig.pass_ms(30_000);
    for venue in ["doex", "duedex"] {
        rig.sim.venue_mut(venue).expect("a venue").write_accounts();
    }
    let lines = String::from_utf8(rig.sim.take_truth()).expect("text");
    let mut counts = BTreeMap::new();
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).expect(line);
        let what = row["t"].as_str().expect("a word").to_string();
        let venue = rig.sim.venue(row["venue"].as_str().expect("text")).expect("a venue");
        let account = venue.account();
        if row["account"].as_u64() != Some(u64::from(account.user)) {
            continue;
        }
        let decimal = |value: &Value| -> rust_decimal::Decimal {
            value.as_str().expect(line).parse().expect("a decimal")
        };
        let market = row["symbol"].as_str().and_then(|symbol| venue.market(symbol));
        let spec = market.map(|market| venue.world().markets()[market].spec);
        let id = row["id"].as_u64();
        match what.as_str() {
            "fill" => {
                let mut fills = account.fills();
                let fill = fills.find(|fill| (Some(fill.market), Some(fill.id)) == (market, id)).expect(line);
                let spec = spec.expect(line);
                assert_eq!(decimal(&row["price"]), spec.price(fill.price), "{line}");
                assert_eq!(decimal(&row["qty"]), spec.qty(fill.qty), "{line}");
                assert_eq!(
                    (decimal(&row["fee"]), decimal(&row["realised"])),
                    (fill.fee, fill.realised),
                    "{line}"
                );
            }
            "order" => {
                let order = account.order(market.expect(line), id.expect(line)).expect(line);
                assert_eq!(row["status"], order.status.as_str(), "{line}");
                assert_eq!(decimal(&row["filled"]), spec.expect(line).qty(order.filled), "{line}");
            }
            "ledger" => {
                let told = ["total", "locked", "borrowed", "interest"].map(|name| decimal(&row[name]));
                let mut cells = account.cash();
                let cell =
                    cells.find(|c| row["wallet"] == c.0.as_str() && row["asset"] == c.1).expect(line).2;
                assert_eq!(told, [cell.total, cell.locked, cell.borrowed, cell.interest], "{line}");
            }
            "position" => {
                let position = account.position(market.expect(line));
                assert_eq!(decimal(&row["qty"]), spec.expect(line).qty(position.qty), "{line}");
                assert_eq!(decimal(&row["entry_value"]), position.entry_value, "{line}");
            }
            _ => {}
        }
        *counts.entry((venue.name(), what)).or_insert(0) += 1;
    }
    for venue in ["doex", "duedex"] {
        let of = |what: &str| counts.get(&(venue, what.to_string())).copied().unwrap_or(0);
        let account = rig.sim.venue(venue).expect("a venue").account();
        assert_eq!(of("fill"), account.fills().count(), "{venue}: all fills, once");
        assert_eq!(of("order"), account.orders().count(), "{venue}: all orders, once");
        assert_eq!(of("ledger"), account.cash().count(), "{venue}");
        assert!(of("fill") > 20 && of("position") > 1, "{venue} {counts:?}");
    }
}

#[test]
fn the_run_names_seed_and_start() {
    let run = |seed, start| SimConfig::new(seed, start).run();
    assert_eq!(run(1, start()), run(1, start()));
    assert_ne!(run(1, start()), run(2, start()));
    assert_ne!(run(1, start()), run(1, start().plus(Duration::from_millis(1))));
    assert_eq!(run(1, start()).len(), 16);
}

#[test]
fn keys_are_made_from_the_seed_and_never_print() {
    let (one, two) = (SimConfig::new(1, start()), SimConfig::new(2, start()));
    assert_ne!(one.keys.duedex.key, two.keys.duedex.key);
    assert_eq!(one.keys.duedex.secret.decode_base64().map(|secret| secret.expose().len()), Ok(32));
    let secret = String::from_utf8(one.keys.doex.secret.expose().to_vec()).expect("text");
    assert!(!format!("{one:?}").contains(&secret));
}

/// A schedule that cannot be kept is given up, not caught up with.
#[test]
fn a_late_tick_makes_a_bounded_number_of_steps() {
    let mut sim = Sim::new(SimConfig { rate: 1_000_000, ..SimConfig::new(1, start()) });
    let doex = sim.venue_mut("doex").expect("a venue");
    use venuekit_sim::{Front, FrontInput};
    doex.handle(start(), FrontInput::Opened { conn: 1, path: "/ws/btcusdt@depth", peer: common::PEER });
    let mut late = |span| {
        let now = start().plus(span);
        doex.handle(now, FrontInput::Tick);
        let sent =
            std::iter::from_fn(|| doex.poll()).filter(|o| matches!(o, FrontOutput::Send { .. })).count();
        (sent, doex.next_at().expect("a schedule").since(now.mono))
    };
    // An hour late is no hour of steps: the schedule begins again at the present.
    let (sent, ahead) = late(Duration::from_secs(3600));
    assert!(sent <= 1 && ahead > Duration::ZERO, "{sent} {ahead:?}");
    // Half a second late is caught up with, but not in one go.
    let (sent, ahead) = late(Duration::from_millis(3_600_500));
    assert!((10..=256).contains(&sent) && ahead == Duration::ZERO, "{sent} {ahead:?}");
}
