//! Generated accounts, reckoned by the crate and by a Python script that shares nothing with it.
//!
//! `VENUEKIT_CASES` sets how many, `VENUEKIT_SEED` where they start. Without `python3` one line says so, and the
//! test fails where `VENUEKIT_REQUIRE_SERVICES=1`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use fastrand::Rng;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use venuekit_account::{
    Accounts, Amounts, Basis, Contract, Distance, Figure, FillNews, Holding, Limits, Liquidation, MarginMode,
    Marks, Name, OrderKey, Owner, Place, Policy, Reported, Row, Sight, Stake, Terms, Tier, outlooks, project,
    stakes, value,
};
use venuekit_account::{Feed, Maintenance, Part, Yardstick};
use venuekit_types::{Mono, Side, Symbol, UnixNanos};
use venuekit_venue::{BalancePatch, DataKind, Fill, MarketId, OrderPatch, OrderStatus, PositionPatch};

const VENUES: [(&str, &[&str]); 2] = [("doex", &["spot", "margin", "futures"]), ("duedex", &["futures"])];
const ASSETS: [&str; 3] = ["BTC", "ETH", "USDT"];
const SYMBOLS: [&str; 4] = ["BTC/USD:BTC", "BTC/USDT:USDT", "ETH/USD:BTC", "ETH/USDT:USDT"];
const STATUSES: [OrderStatus; 5] = [
    OrderStatus::New,
    OrderStatus::PartiallyFilled,
    OrderStatus::Filled,
    OrderStatus::Canceled,
    OrderStatus::Unknown,
];
/// When the marks are read; a mark of age `a` was seen that much earlier.
const NOW: Mono = Mono(1_000_000_000_000);

#[test]
fn every_number_of_generated_accounts_is_the_oracles() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (cases, seed) = (number("VENUEKIT_CASES", 500), number("VENUEKIT_SEED", 1));
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        let required = std::env::var("VENUEKIT_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!required, "python3 is required: install it");
        println!("skipped: there is no python3 to check the accounts with");
        return;
    }
    // In portions, so that memory stays small however many are asked for.
    let mut seen = BTreeMap::new();
    for first in (seed..seed + cases).step_by(500) {
        let seeds: Vec<u64> = (first..(first + 500).min(seed + cases)).collect();
        compare(&seeds, &mut seen);
    }
    println!("{cases} accounts from SEED={seed}, every number equal: {seen:?}");
    for kind in ["at", "never", "always", "blind", "ratio", "due", "endless", "partial", "whole", "refused"] {
        assert!(seen.get(kind).is_some_and(|count| *count > 0), "the generator never made {kind}: {seen:?}");
    }
}

fn compare(seeds: &[u64], seen: &mut BTreeMap<String, u64>) {
    let cases: Vec<Value> = seeds.iter().map(|seed| generate(&mut Rng::with_seed(*seed))).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&mut file, &cases).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py");
    let output =
        Command::new("python3").arg(script).arg(file.path()).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the oracle failed on SEED={}", seeds[0]);
    let expected: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(expected.len(), cases.len());
    for ((case, expected), seed) in cases.iter().zip(&expected).zip(seeds) {
        let ours = reckon(case);
        for (part, expected) in expected.as_object().unwrap() {
            assert_eq!(&ours[part], expected, "{part} differs, VENUEKIT_SEED={seed} VENUEKIT_CASES=1");
        }
        assert_eq!(ours.as_object().unwrap().len(), expected.as_object().unwrap().len());
        count(&ours, seen);
    }
}

/// What the cases hit, so that a generator that went narrow is noticed.
fn count(ours: &Value, seen: &mut BTreeMap<String, u64>) {
    let mut add = |word: &str| *seen.entry(word.to_owned()).or_default() += 1;
    for row in ours["positions"].as_array().unwrap() {
        for (field, number) in [("liquidation", "at"), ("distance", "ratio")] {
            let word = row[field].as_str().unwrap();
            add(if word.starts_with(|c: char| c.is_ascii_digit()) { number } else { word });
        }
    }
    add(if ours["equity"][0] == json!(true) { "whole" } else { "partial" });
    if ours["log"].to_string().contains("refused") {
        add("refused");
    }
}

// ---- generating --------------------------------------------------------------------------------------------------

/// A decimal of up to `digits` digits, `places` of them behind the point.
fn decimal(rng: &mut Rng, digits: u32, places: u32) -> Decimal {
    let most = 10i64.pow(rng.u32(1..=digits));
    Decimal::new(rng.i64(0..most), places)
}

fn maybe<T>(rng: &mut Rng, percent: u8, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    (rng.u8(0..100) < percent).then(|| make(rng))
}

fn generate(rng: &mut Rng) -> Value {
    let mut terms = serde_json::Map::new();
    let mut levels = BTreeMap::new();
    for symbol in SYMBOLS {
        let inverse = symbol.ends_with(":BTC");
        levels.insert(symbol, decimal(rng, 7, 2) + Decimal::ONE);
        if rng.u8(0..100) < 5 {
            continue;
        }
        let mut tiers = vec![json!(["0", Decimal::new(rng.i64(0..200), 4)])];
        let mut from = Decimal::ZERO;
        for step in 1..=rng.i64(0..3) {
            from += decimal(rng, 8, if inverse { 6 } else { 2 }) + Decimal::new(1, 6);
            tiers.push(json!([from, Decimal::new(rng.i64(200..900) + 800 * step, 4)]));
        }
        let size =
            if inverse { Decimal::from(rng.i64(1..=10)) } else { decimal(rng, 4, 4) + Decimal::new(1, 4) };
        let terms_of = json!({
            "inverse": inverse,
            "size": size,
            "places": if inverse { 8 } else { 4 },
            "price_places": rng.u32(0..=4),
            "basis": if rng.bool() { "entry" } else { "mark" },
            "tiers": tiers,
        });
        terms.insert(symbol.into(), terms_of);
    }
    let age = |rng: &mut Rng| if rng.u8(0..100) < 4 { 5_001 + rng.u64(0..9) } else { rng.u64(0..=5_000) };
    let (mut contracts, mut rates) = (Vec::new(), Vec::new());
    for (venue, _) in VENUES {
        for (symbol, level) in &levels {
            if let Some(moved) = maybe(rng, 96, |rng| *level * Decimal::new(rng.i64(70..130), 2)) {
                contracts.push(json!([venue, symbol, moved, age(rng)]));
            }
        }
    }
    for pair in [("BTC", "USDT"), ("ETH", "USDT"), ("ETH", "BTC"), ("USDT", "USD"), ("BTC", "USD")] {
        if let Some(price) = maybe(rng, 75, |rng| decimal(rng, 8, 4)) {
            rates.push(json!([pair.0, pair.1, price, age(rng)]));
        }
    }
    let ops = (0..rng.usize(10..40)).map(|at| operation(rng, at, &levels)).collect::<Vec<_>>();
    let mut all: Vec<Value> = Vec::new();
    for (venue, wallets) in VENUES {
        let parts = wallets
            .iter()
            .map(|wallet| ("balances", *wallet))
            .chain([("positions", "futures"), ("orders", "futures")]);
        for (part, scope) in parts {
            if rng.u8(0..100) < 97 {
                all.push(feed_op(rng, "snapshot", venue, part, scope, &levels));
            }
        }
    }
    all.extend(ops);
    json!({
        "ops": all,
        "terms": terms,
        "contracts": contracts,
        "rates": rates,
        "age_max_ms": 5_000,
        "quote": if rng.bool() { "USD" } else { "USDT" },
        "places": rng.u32(2..=8),
    })
}

fn operation(rng: &mut Rng, at: usize, levels: &BTreeMap<&str, Decimal>) -> Value {
    let (venue, wallets) = VENUES[rng.usize(0..2)];
    match rng.u8(0..100) {
        0..30 => json!({
            "op": "fill", "venue": venue, "account": "main",
            "symbol": SYMBOLS[rng.usize(0..4)], "id": rng.u8(0..30).to_string(),
            "order": rng.u8(0..4).to_string(), "side": side_word(rng),
            "price": Decimal::new(rng.i64(1..4), 1), "qty": Decimal::from(rng.i64(1..4)), "at": at,
        }),
        30..32 => {
            let part = ["balances", "positions", "orders"][rng.usize(0..3)];
            json!({"op": "lost", "venue": venue, "account": "main", "part": part, "scope": "futures"})
        }
        pick => {
            let kind = if pick < 42 { "snapshot" } else { "update" };
            let part = ["balances", "positions", "orders"][rng.usize(0..3)];
            let scope = if part == "balances" { wallets[rng.usize(0..wallets.len())] } else { "futures" };
            feed_op(rng, kind, venue, part, scope, levels)
        }
    }
}

fn side_word(rng: &mut Rng) -> &'static str {
    if rng.u8(0..10) < 8 { "buy" } else { "sell" }
}

fn feed_op(
    rng: &mut Rng,
    kind: &str,
    venue: &str,
    part: &str,
    scope: &str,
    levels: &BTreeMap<&str, Decimal>,
) -> Value {
    // An update that lacks a required field of an unknown row is refused; keep that rare.
    let need = if kind == "snapshot" { 100 } else { 98 };
    let count = if kind == "snapshot" { 4 } else { rng.usize(1..=2) };
    let rows = (0..count).map(|index| match part {
        "balances" => {
            let asset = if kind == "snapshot" { ASSETS[index % 3] } else { ASSETS[rng.usize(0..3)] };
            json!({
                "asset": asset,
                "free": maybe(rng, need, |rng| decimal(rng, 14, 8)),
                "locked": maybe(rng, 30, |rng| decimal(rng, 12, 8)),
                "order_margin": maybe(rng, 30, |rng| decimal(rng, 12, 8)),
                "position_margin": maybe(rng, 30, |rng| decimal(rng, 12, 8)),
                "borrowed": maybe(rng, 20, |rng| decimal(rng, 12, 8)),
                "interest": maybe(rng, 20, |rng| decimal(rng, 9, 8)),
            })
        }
        "positions" => {
            let symbol = if kind == "snapshot" { SYMBOLS[index] } else { SYMBOLS[rng.usize(0..4)] };
            let mode = ["cross", "isolated"][rng.usize(0..2)];
            let qty = |rng: &mut Rng| {
                let most = 10i64.pow(rng.u32(1..=6));
                Decimal::from(rng.i64(-most..=most))
            };
            let entry = |rng: &mut Rng| levels[symbol] * Decimal::new(rng.i64(7_000..13_000), 4);
            json!({
                "symbol": symbol,
                "qty": maybe(rng, need, qty),
                "entry": maybe(rng, 98, entry),
                "leverage": maybe(rng, 40, |rng| if mode == "cross" { 0 } else { rng.u32(1..100) }),
                "margin": maybe(rng, 98, |rng| decimal(rng, 13, 8)),
                "mode": maybe(rng, 98, |_| mode),
            })
        }
        _ => json!({
            "symbol": SYMBOLS[rng.usize(0..2)],
            "id": rng.u8(0..4).to_string(),
            "side": maybe(rng, need, side_word),
            "qty": maybe(rng, need, |rng| rng.u8(4..9).to_string()),
            "cum": maybe(rng, 70, |rng| rng.u8(0..6).to_string()),
            "status": maybe(rng, need, |rng| STATUSES[rng.usize(0..5)].as_str()),
            "updated": maybe(rng, 60, |rng| rng.u8(0..20)),
        }),
    });
    let mut rows: Vec<Value> = rows.collect();
    if kind == "snapshot" && rng.u8(0..100) < 15 {
        rows.remove(rng.usize(0..rows.len()));
    }
    json!({"op": kind, "venue": venue, "account": "main", "part": part, "scope": scope, "rows": rows})
}

// ---- reckoning ---------------------------------------------------------------------------------------------------

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse().unwrap()),
        other => Some(Decimal::from(other.as_u64().unwrap())),
    }
}

fn side(value: &Value) -> Option<Side> {
    value.as_str().map(|word| if word == "buy" { Side::Buy } else { Side::Sell })
}

fn symbol(value: &Value) -> Symbol {
    text(value).parse().unwrap()
}

fn row(part: Part, scope: &str, row: &Value) -> Row {
    match part {
        Part::Balances => {
            let mut patch = BalancePatch::new(scope.into(), text(&row["asset"]).into());
            patch.free = number(&row["free"]);
            patch.locked = number(&row["locked"]);
            patch.order_margin = number(&row["order_margin"]);
            patch.position_margin = number(&row["position_margin"]);
            patch.borrowed = number(&row["borrowed"]);
            patch.interest = number(&row["interest"]);
            Row::Balance(Box::new(patch))
        }
        Part::Positions => {
            let mut patch = PositionPatch::new(MarketId(0));
            patch.qty = number(&row["qty"]);
            patch.entry_price = number(&row["entry"]);
            patch.leverage = number(&row["leverage"]);
            patch.margin = number(&row["margin"]);
            patch.margin_mode = row["mode"].as_str().map(|word| match word {
                "cross" => MarginMode::Cross,
                _ => MarginMode::Isolated,
            });
            Row::Position(symbol(&row["symbol"]), Box::new(patch))
        }
        Part::Orders => {
            let mut patch = OrderPatch::new(MarketId(0), text(&row["id"]).into());
            patch.side = side(&row["side"]);
            patch.qty = number(&row["qty"]);
            patch.cum_qty = number(&row["cum"]);
            patch.status = row["status"]
                .as_str()
                .map(|word| STATUSES.into_iter().find(|status| status.as_str() == word).unwrap());
            patch.updated_at = row["updated"].as_i64().map(UnixNanos);
            Row::Order(symbol(&row["symbol"]), Box::new(patch))
        }
    }
}

fn play(accounts: &mut Accounts, log: &mut BTreeMap<String, Vec<Value>>, op: &Value) {
    let owner = Owner::new(text(&op["venue"]), text(&op["account"]));
    let log = log.entry(format!("{}/{}", owner.venue, owner.account)).or_default();
    if op["op"] == "fill" {
        let fill = Fill {
            market: MarketId(0),
            fill_id: text(&op["id"]).into(),
            order_id: text(&op["order"]).into(),
            client_order_id: None,
            side: side(&op["side"]).unwrap(),
            price: number(&op["price"]).unwrap(),
            qty: number(&op["qty"]).unwrap(),
            fee: Decimal::ZERO,
            fee_rate: None,
            fee_asset: None,
            realized_pnl: None,
            maker: true,
            at: UnixNanos(op["at"].as_i64().unwrap()),
        };
        log.push(match accounts.fill(&owner, &symbol(&op["symbol"]), fill) {
            FillNews::Counted { early, overfilled, .. } => json!(["counted", early, overfilled]),
            FillNews::Repeated => json!("repeated"),
            FillNews::Conflicting => json!("conflicting"),
            FillNews::TooOld => json!("too old"),
        });
        return;
    }
    let part = match text(&op["part"]) {
        "balances" => Part::Balances,
        "positions" => Part::Positions,
        _ => Part::Orders,
    };
    let scope = text(&op["scope"]);
    let feed = Feed::new(&owner, part, scope);
    let kind = match text(&op["op"]) {
        "lost" => return accounts.lost(&feed),
        "snapshot" => DataKind::Snapshot,
        _ => DataKind::Update,
    };
    let rows = op["rows"].as_array().unwrap().iter().map(|value| row(part, scope, value)).collect();
    log.push(match accounts.apply(&feed, kind, rows) {
        Ok(applied) => {
            let left_out = applied.left_out.iter().map(|key| json!([key.symbol.as_str(), key.order_id]));
            json!([applied.old, left_out.collect::<Vec<_>>()])
        }
        Err(_) => json!("refused"),
    });
}

fn terms_of(case: &Value) -> BTreeMap<Symbol, Terms> {
    let of = |(name, terms): (&String, &Value)| {
        let whole = |field: &str| u32::try_from(terms[field].as_u64().unwrap()).unwrap();
        let tiers: Vec<Tier> = terms["tiers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tier| Tier { from: number(&tier[0]).unwrap(), rate: number(&tier[1]).unwrap() })
            .collect();
        let basis = if terms["basis"] == "entry" { Basis::Entry } else { Basis::Mark };
        let contract = Contract {
            inverse: terms["inverse"].as_bool().unwrap(),
            size: number(&terms["size"]).unwrap(),
            places: whole("places"),
            price_places: whole("price_places"),
        };
        let maintenance = Maintenance::new(basis, &tiers).unwrap();
        (name.parse().unwrap(), Terms { contract, maintenance })
    };
    case["terms"].as_object().unwrap().iter().map(of).collect()
}

fn marks_of(case: &Value) -> Marks {
    let mut marks = Marks::new(Duration::from_millis(case["age_max_ms"].as_u64().unwrap()));
    let seen_at = |row: &Value| Mono(NOW.0 - row[3].as_u64().unwrap() * 1_000_000);
    for row in case["contracts"].as_array().unwrap() {
        let venue = Name::from(text(&row[0]));
        marks.put_contract(&venue, &symbol(&row[1]), number(&row[2]).unwrap(), seen_at(row));
    }
    for row in case["rates"].as_array().unwrap() {
        let (asset, quote) = (Name::from(text(&row[0])), Name::from(text(&row[1])));
        marks.put_rate(&asset, &quote, number(&row[2]).unwrap(), seen_at(row));
    }
    marks
}

fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

fn four(sums: &Amounts) -> [String; 4] {
    [sums.free, sums.locked, sums.borrowed, sums.interest].map(plain)
}

fn place(place: &Place) -> String {
    place.to_string()
}

fn figure(figure: &Figure<Decimal>) -> Value {
    match figure {
        Figure::Whole(value) => json!([true, plain(*value)]),
        Figure::Partial { known, without } => {
            assert!(!without.is_empty());
            json!([false, plain(*known)])
        }
    }
}

fn views(accounts: &Accounts) -> Value {
    let ledgers = accounts.ledgers();
    let view = |policy: Policy| {
        let view = project(&ledgers, policy).unwrap();
        let lines = view.lines.iter().map(|line| {
            let (whole, sum) = match &line.sum {
                Figure::Whole(sum) => (true, sum),
                Figure::Partial { known, .. } => (false, known),
            };
            json!({
                "group": line.group.map_or("", |name| name),
                "asset": **line.asset,
                "whole": whole,
                "sum": four(sum),
                "cells": line.cells.iter().map(|cell| place(&cell.place)).collect::<Vec<_>>(),
            })
        });
        lines.collect::<Vec<_>>()
    };
    json!({"asset": view(Policy::Asset), "wallet": view(Policy::Wallet), "venue": view(Policy::Venue)})
}

fn position(stake: &Stake<'_>, liquidation: &Sight<Liquidation>, distance: &Sight<Distance>) -> Value {
    let gain = stake.unrealised().unwrap().seen().map(plain);
    let liquidation = match liquidation {
        Sight::Blind(causes) => {
            assert!(!causes.is_empty());
            "blind".to_owned()
        }
        Sight::Seen(Liquidation::Never) => "never".to_owned(),
        Sight::Seen(Liquidation::Always) => "always".to_owned(),
        Sight::Seen(Liquidation::At(price)) => plain(*price),
    };
    let distance = match distance {
        Sight::Blind(_) => "blind".to_owned(),
        Sight::Seen(Distance::Endless) => "endless".to_owned(),
        Sight::Seen(Distance::Due) => "due".to_owned(),
        Sight::Seen(Distance::Ratio(ratio)) => plain(*ratio),
    };
    json!({
        "symbol": stake.symbol.as_str(), "gain": gain, "liquidation": liquidation, "distance": distance,
    })
}

fn reckon(case: &Value) -> Value {
    let (mut accounts, mut log) = (Accounts::new(Limits::default()), BTreeMap::new());
    for op in case["ops"].as_array().unwrap() {
        if op["op"] == "lost" {
            let owner = format!("{}/{}", text(&op["venue"]), text(&op["account"]));
            log.entry(owner).or_insert_with(Vec::new);
        }
        play(&mut accounts, &mut log, op);
    }
    let (terms, marks) = (terms_of(case), marks_of(case));
    let owners: Vec<Owner> = accounts.owners().cloned().collect();
    let (mut all, mut positions) = (Vec::new(), Vec::new());
    for owner in &owners {
        for asset in ["BTC", "USDT"] {
            let stakes = stakes(&accounts, owner, asset, &terms, &marks, NOW);
            let ledger = accounts.ledger(&Place {
                venue: owner.venue.clone(),
                account: owner.account.clone(),
                wallet: "futures".into(),
                asset: asset.into(),
            });
            let outlooks = outlooks(&ledger, &stakes).unwrap();
            assert_eq!(outlooks.len(), stakes.len());
            for (stake, outlook) in stakes.iter().zip(&outlooks) {
                assert_eq!(stake.symbol, outlook.symbol);
                positions.push(position(stake, &outlook.liquidation, &outlook.distance));
            }
            all.extend(stakes);
        }
    }
    let ledgers = accounts.ledgers();
    let quote = Name::from(text(&case["quote"]));
    let places = u32::try_from(case["places"].as_u64().unwrap()).unwrap();
    let yardstick = Yardstick { quote: &quote, places, marks: &marks, now: NOW };
    let worth = value(&ledgers, &all, &yardstick).unwrap();
    let values = worth.ledgers.iter().map(|line| line.value.clone());
    let values = values.chain(worth.positions.iter().map(|line| line.value.clone()));
    let cells = ledgers.iter().map(|ledger| match ledger.amounts {
        Reported::Known(a) => {
            json!([place(&ledger.place), four(&a)])
        }
        Reported::Unreported => json!([place(&ledger.place), null]),
    });
    let holdings = owners.iter().flat_map(|owner| accounts.holdings(owner)).map(|(symbol, holding)| {
        let (word, qty) = match holding {
            Holding::Open(position) => ("open", Some(plain(position.qty))),
            Holding::Flat => ("flat", None),
            Holding::Unreported => ("unreported", None),
        };
        json!([symbol.as_str(), word, qty])
    });
    let orders = owners.iter().flat_map(|owner| {
        accounts.orders(owner).map(|(OrderKey { symbol, order_id }, order)| {
            let key = OrderKey { symbol: symbol.clone(), order_id: order_id.clone() };
            let filled: Decimal = accounts.fills_of(owner, &key).iter().map(|own| own.fill.qty).sum();
            let known = order.known();
            let (status, cum) = (known.map(|o| o.status.as_str()), known.map(|o| plain(o.cum_qty)));
            json!([symbol.as_str(), order_id, status, cum, plain(filled)])
        })
    });
    json!({
        "log": log,
        "cells": cells.collect::<Vec<_>>(),
        "views": views(&accounts),
        "holdings": holdings.collect::<Vec<_>>(),
        "orders": orders.collect::<Vec<_>>(),
        "positions": positions,
        "values": values.map(|value| value.seen().map(plain)).collect::<Vec<_>>(),
        "balance": figure(&worth.balance),
        "unrealised": figure(&worth.unrealised),
        "equity": figure(&worth.equity),
    })
}
