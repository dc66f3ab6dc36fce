//! Money: what never changes over any run, what moves at its hour, and what is taken over.

mod common;

use std::time::Duration;

use common::trade::{code, quiet};
use common::{Rig, json, start, text};
use fastrand::Rng;
use rust_decimal::Decimal;
use serde_json::{Value, json as value};
use venuekit_sim::engine::{Owner, Tif};
use venuekit_sim::wallets::{Account, OrderKind, Stop, Ticket, Trigger, Wallet};
use venuekit_sim::world::{Step, World};
use venuekit_sim::{Front, FrontInput, Keys, Sim, SimConfig, market};
use venuekit_types::{BookSide, Side};

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

const ASSETS: [&str; 4] = ["BTC", "ETH", "DOGE", "USDT"];

/// What never changes: all wallets, what positions carry, fees and insurance, less what came from outside.
fn constant(world: &World) -> Vec<Decimal> {
    ASSETS.iter().map(|asset| (world.conserved(asset) - world.outside(asset)).normalize()).collect()
}

/// Any order that an account might give, sensible or not.
fn any_ticket(rng: &mut Rng, world: &World, owner: Owner) -> Ticket {
    let market = rng.usize(..world.markets().len());
    let state = &world.markets()[market];
    let spec = state.spec;
    let side = if rng.bool() { Side::Buy } else { Side::Sell };
    let touch = state.engine.best(if side == Side::Buy { BookSide::Ask } else { BookSide::Bid });
    let price = touch.map_or(spec.open, |(price, _)| price) + rng.i64(-20..=20) * spec.unit * spec.tick;
    let price = spec.on_tick(price.max(spec.tick), side);
    let qty = rng.i64(1..=spec.clip * 4) * spec.step;
    let kinds = [
        OrderKind::Market,
        OrderKind::Limit,
        OrderKind::StopMarket,
        OrderKind::StopLimit,
        OrderKind::TakeProfitMarket,
        OrderKind::TakeProfitLimit,
    ];
    let kind = kinds[rng.usize(..kinds.len())];
    let triggers = [Trigger::Last, Trigger::Index, Trigger::Mark];
    let tifs = [Tif::Gtc, Tif::Ioc, Tif::Fok];
    let limit = kind.is_limit().then_some(price);
    Ticket {
        kind,
        stop: kind.waits().then(|| Stop { price, trigger: triggers[rng.usize(..3)] }),
        tif: if kind.is_limit() { tifs[rng.usize(..3)] } else { Tif::Ioc },
        post_only: kind == OrderKind::Limit && rng.u8(..) < 40,
        reduce_only: spec.contract.is_some() && rng.u8(..) < 60,
        ..Ticket::new(owner, market, side, qty, limit)
    }
}

/// One thing that an account might do.
fn act(rng: &mut Rng, world: &mut World, owner: Owner, at_ms: i64) {
    let open: Vec<(usize, u64)> = world
        .account(owner)
        .into_iter()
        .flat_map(Account::open_orders)
        .map(|order| (order.market, order.id))
        .collect();
    let pick = |rng: &mut Rng| (!open.is_empty()).then(|| open[rng.usize(..open.len())]);
    let amount = Decimal::new(rng.i64(1..5_000), 2);
    let wallets = [Wallet::Spot, Wallet::Margin, Wallet::Futures];
    let asset = ASSETS[rng.usize(..ASSETS.len())];
    match rng.u8(..20) {
        0..12 => {
            let ticket = any_ticket(rng, world, owner);
            let _ = world.submit(ticket, at_ms);
        }
        12..14 => {
            if let Some((market, id)) = pick(rng) {
                world.cancel(owner, market, id);
            }
        }
        14 => {
            if let Some((market, id)) = pick(rng) {
                let spec = world.markets()[market].spec;
                let _ = world.amend(owner, market, id, spec.open + rng.i64(-50..50) * spec.tick, at_ms);
            }
        }
        15 => drop(world.transfer(
            owner,
            (asset, amount),
            wallets[rng.usize(..3)],
            wallets[rng.usize(..3)],
            at_ms,
        )),
        16 => drop(if rng.bool() {
            world.borrow(owner, asset, amount)
        } else {
            world.repay(owner, asset, amount)
        }),
        17 => drop(if rng.bool() {
            world.deposit(owner, asset, amount, at_ms)
        } else {
            world.withdraw(owner, asset, amount, at_ms)
        }),
        18 => {
            let market = rng.usize(..world.markets().len());
            let _ = world.set_leverage(owner, market, Decimal::from(rng.u32(0..60)));
            let _ = world.move_margin(owner, market, amount - Decimal::TEN);
        }
        _ => drop(world.set_risk_limit(owner, rng.usize(..world.markets().len()), dec("1500000"))),
    }
}

/// Over random trading of several accounts at both venues, with funding, interest, liquidations, copying, deposits
/// and withdrawals going on, not a digit appears or is lost.
#[test]
fn not_a_digit_appears_or_is_lost() {
    for seed in 1..=3_u64 {
        for (venue, specs) in [("doex", &market::DOEX[..]), ("duedex", &market::DUEDEX[..])] {
            let mut sim = Sim::new(SimConfig { rate: 400, ..SimConfig::new(seed, start()) });
            let sim = sim.venue_mut(venue).expect("a venue");
            let mut rng = Rng::with_seed(seed);
            let mut owners = vec![sim.owner()];
            for user in 0..3 {
                let mut account = Account::new(user, specs);
                for wallet in [Wallet::Spot, Wallet::Margin, Wallet::Futures] {
                    for (asset, amount) in ASSETS.iter().zip(["0.05", "1", "5000", "3000"]) {
                        account.deposit(wallet, asset, dec(amount));
                    }
                }
                owners.push(sim.world_mut().open_account(account));
            }
            let before = constant(sim.world());
            let mut now = start();
            for step in 0..3_000 {
                // Most steps are short, some span hours, so that interest and funding fall due.
                let span =
                    if step % 100 == 99 { Duration::from_secs(3_600) } else { Duration::from_millis(20) };
                now = now.plus(span);
                sim.handle(now, FrontInput::Tick);
                while sim.poll().is_some() {}
                let at_ms = now.wall.millis();
                let owner = owners[rng.usize(..owners.len())];
                act(&mut rng, sim.world_mut(), owner, at_ms);
                for market in 0..specs.len() {
                    sim.world_mut().flush(market, at_ms, &mut Step::default());
                }
                assert_eq!(constant(sim.world()), before, "SEED={seed} {venue} step {step}");
            }
            let world = sim.world();
            let fills: usize =
                owners.iter().filter_map(|o| world.account(*o)).map(|a| a.fills().count()).sum();
            assert!(fills > 500, "SEED={seed} {venue}: {fills}");
            assert!(!world.fees_taken("USDT").is_zero());
            for account in owners.iter().filter_map(|owner| world.account(*owner)) {
                for (wallet, asset, cash) in account.cash() {
                    let locked: Decimal = account
                        .open_orders()
                        .filter(|o| {
                            specs[o.market].contract.is_none() && o.stop.is_none() && wallet == Wallet::Spot
                        })
                        .map(|o| match o.side {
                            Side::Buy if specs[o.market].quote == asset => {
                                specs[o.market].value(o.price.unwrap_or(0), o.left())
                            }
                            Side::Sell if specs[o.market].base == asset => specs[o.market].qty(o.left()),
                            _ => Decimal::ZERO,
                        })
                        .sum();
                    assert!(cash.locked >= locked, "SEED={seed} {asset}");
                    assert!(wallet == Wallet::Futures || cash.free() >= Decimal::ZERO, "SEED={seed} {asset}");
                }
            }
        }
    }
}

/// DueDEX moves, Doex stands still, and nobody trades by a script.
fn lively(seed: u64, rate: u32) -> Rig {
    let config = SimConfig::new(seed, start());
    let mut rig = Rig::with(SimConfig { rate: 0, script: false, keys: Keys::from_seed(1), ..config });
    set_rate(&mut rig, rate);
    rig
}

fn set_rate(rig: &mut Rig, rate: u32) {
    let now = rig.now;
    rig.sim.venue_mut("duedex").expect("a venue").set_rate(now, rate);
}

/// Funding is the value at the mark times the rate, at the venue's hours, longs to shorts.
#[test]
fn funding_is_paid_at_its_hour_to_the_last_digit() {
    let mut rig = lively(2, 400);
    rig.pass_ms(2_000);
    rig.duedex_data(
        "POST",
        "/v1/order",
        r#"{"instrument":"BTCUSD","type":"market","side":"long","size":300}"#,
    );
    let funding_ms = 1_700_020_800_000; // 04:00 UTC after 22:13:20.
    let margin = |rig: &mut Rig| {
        let row = rig.duedex_data("GET", "/v1/margin/BTC", "");
        dec(row["realisedPnl"].as_str().expect("text"))
    };
    let left = u64::try_from(funding_ms - rig.now.wall.millis()).expect("ahead");
    set_rate(&mut rig, 0);
    rig.pass_ms(left - 100);
    set_rate(&mut rig, 400);
    rig.pass_ms(99);
    let (before, mut paid) = (margin(&mut rig), Decimal::ZERO);
    for _ in 0..2_000 {
        let reference = rig.sim.venue("duedex").expect("a venue").world().markets()[0].reference;
        rig.pass_ms(1);
        let after = margin(&mut rig);
        if after != before {
            let spec = &market::DUEDEX[0];
            let rate = Decimal::new(reference.rate_e6, 6);
            let due = (spec.value(reference.mark, 300) * rate).trunc_with_scale(8);
            assert_eq!(before - after, due);
            paid = due;
            break;
        }
    }
    assert!(!paid.is_zero(), "nothing was paid at four");
    let position = rig.duedex_data("GET", "/v1/position/BTCUSD", "");
    assert_eq!(position["quantity"], 300);
}

/// A position whose mark comes to its liquidation price is taken over at its bankruptcy price, its orders cancelled.
#[test]
fn a_position_without_margin_is_taken_over() {
    for (leverage, qty) in [("0", 34_000), ("100", 10_000)] {
        let mut rig = lively(3, 1_000);
        let mut account = Account::new(7, &market::DUEDEX);
        account.deposit(Wallet::Futures, "USDT", dec("400"));
        let venue = rig.sim.venue_mut("duedex").expect("a venue");
        let owner = venue.world_mut().open_account(account);
        rig.pass_ms(100);
        let at_ms = rig.now.wall.millis();
        let world = rig.sim.venue_mut("duedex").expect("a venue").world_mut();
        world.set_leverage(owner, 1, dec(leverage)).expect("allowed");
        let before = constant(world);
        let mut step = Step::default();
        world.submit(Ticket::new(owner, 1, Side::Buy, qty, None), at_ms).expect("affordable");
        world.flush(1, at_ms, &mut step);
        world.submit(Ticket::new(owner, 1, Side::Buy, 100, Some(900_000)), at_ms).expect("affordable");
        let marks = world.marks();
        let price = world.account(owner).expect("opened").liquidation_price(1, &marks);
        assert!(price > Decimal::ZERO);
        let liquidations = |rig: &Rig| rig.sim.venue("duedex").expect("a venue").world().liquidations();
        for _ in 0..40_000 {
            rig.pass_ms(100);
            if liquidations(&rig) > 0 {
                break;
            }
        }
        assert_eq!(liquidations(&rig), 1, "the mark wanders below within an hour or so");
        let world = rig.sim.venue("duedex").expect("a venue").world();
        let account = world.account(owner).expect("opened");
        assert_eq!((account.position(1).qty, account.open_orders().count()), (0, 0));
        let last = account.fills().last().expect("one");
        assert_eq!((last.order.reduce_only, last.fee), (true, Decimal::ZERO));
        let cash = account.cash_of(Wallet::Futures, "USDT").total;
        if leverage == "0" {
            assert!(cash >= Decimal::ZERO && cash < dec("20"), "all of the margin went: {cash}");
        } else {
            assert!(cash > dec("20"), "no more than the position's own margin went: {cash}");
        }
        assert_eq!(constant(world), before);
    }
}

#[test]
fn duedex_positions_are_held_as_their_owner_says() {
    let mut rig = Rig::quiet();
    let post = |rig: &mut Rig, what: &str, body: &str| {
        code(&rig.duedex("POST", &format!("/v1/position/{what}"), body)).1
    };
    let leverage = |rig: &mut Rig, x: &str| {
        post(rig, "leverage", &format!(r#"{{"instrument":"BTCUSDT","leverage":{x}}}"#))
    };
    let transfer = |rig: &mut Rig, x: &str| {
        post(rig, "margin/transfer", &format!(r#"{{"instrument":"BTCUSDT","amount":"{x}"}}"#))
    };
    let limit = |rig: &mut Rig, x: &str| {
        post(rig, "riskLimit", &format!(r#"{{"instrument":"BTCUSDT","riskLimit":"{x}"}}"#))
    };
    assert_eq!(
        (leverage(&mut rig, "-1"), leverage(&mut rig, "0.5"), leverage(&mut rig, "101")),
        (10035, 10035, 10052)
    );
    assert_eq!((transfer(&mut rig, "0"), transfer(&mut rig, "1")), (10095, 10098));
    assert_eq!(
        (limit(&mut rig, "1000000"), limit(&mut rig, "1250000"), limit(&mut rig, "6500000")),
        (10066, 10039, 10039)
    );
    rig.duedex_data(
        "POST",
        "/v1/order",
        r#"{"instrument":"BTCUSDT","type":"market","side":"long","size":2000}"#,
    );
    assert_eq!(transfer(&mut rig, "1"), 1000, "cross");
    let text_of = |rig: &mut Rig, field: &str| {
        rig.duedex_data("GET", "/v1/position/BTCUSDT", "")[field].as_str().expect("text").to_string()
    };
    assert_eq!(text_of(&mut rig, "leverage"), "0.00");
    assert_eq!(leverage(&mut rig, "10"), 0);
    let entry = dec(&text_of(&mut rig, "entryValue"));
    assert_eq!(text_of(&mut rig, "leverage"), "10.00");
    assert_eq!(dec(&text_of(&mut rig, "positionMargin")), (entry / Decimal::TEN).trunc_with_scale(4));
    // The card's formula for an isolated linear long: entry·(1 − IMR + MMR) − extra/(size·mult).
    let liquidation = |rig: &mut Rig, extra: &str| {
        let price = dec(&text_of(rig, "entryPrice")) * dec("0.905") - dec(extra) / dec("0.2");
        let told = dec(&text_of(rig, "liquidationPrice"));
        assert!((told - price).abs() <= dec("0.02"), "{told} {price}");
    };
    liquidation(&mut rig, "0");
    assert_eq!(
        (transfer(&mut rig, "12.5"), transfer(&mut rig, "-12.6"), transfer(&mut rig, "1000000")),
        (0, 10128, 10128)
    );
    liquidation(&mut rig, "12.5");
    let margin = rig.duedex_data("GET", "/v1/margin/USDT", "");
    let field = |name: &str| dec(margin[name].as_str().expect("text"));
    assert_eq!(
        field("available") + field("orderMargin") + field("positionMargin"),
        dec("50000") + field("realisedPnl")
    );
    assert_eq!((limit(&mut rig, "1500000"), text_of(&mut rig, "riskLimit")), (0, "1500000.0000".to_string()));
    assert_eq!(leverage(&mut rig, "100"), 10052, "a step of the risk limit lowers the largest leverage");
}

#[test]
fn stops_and_take_profits_go_off_at_their_price() {
    let mut rig = Rig::with(SimConfig {
        rate: 400,
        script: false,
        keys: Keys::from_seed(1),
        ..SimConfig::new(4, start())
    });
    rig.pass_ms(500);
    rig.duedex_data(
        "POST",
        "/v1/order",
        r#"{"instrument":"ETHUSDT","type":"market","side":"long","size":50}"#,
    );
    let prices = |rig: &Rig| {
        let market = &rig.sim.venue("duedex").expect("a venue").world().markets()[2];
        [
            ("lastPrice", market.last_price()),
            ("indexPrice", market.reference.index),
            ("markPrice", market.reference.mark),
        ]
    };
    let mut waiting = Vec::new();
    for (trigger, price) in prices(&rig) {
        for (kind, away) in [("stopMarket", -60), ("takeProfitMarket", 60)] {
            let stop = price - price % 5 + away;
            let text = Decimal::new(stop, 2);
            let body = format!(
                r#"{{"instrument":"ETHUSDT","type":"{kind}","side":"short","size":7,"stopPrice":"{text}","triggerType":"{trigger}"}}"#
            );
            let order = rig.duedex_data("POST", "/v1/order", &body);
            assert_eq!((&order["status"], &order["isCloseOrder"]), (&value!("untriggered"), &value!(true)));
            waiting.push((order["orderId"].as_u64().expect("an id"), trigger, stop, away));
        }
    }
    let mut went_off = 0;
    for _ in 0..60_000 {
        let before = prices(&rig);
        rig.pass_ms(5);
        let after = prices(&rig);
        let account = rig.sim.venue("duedex").expect("a venue").account();
        waiting.retain(|&(id, trigger, stop, away)| {
            let is_past = |prices: &[(&str, i64); 3]| {
                let price = prices.iter().find(|(name, _)| *name == trigger).expect("known").1;
                if away > 0 { price >= stop } else { price <= stop }
            };
            let order = account.order(2, id).expect("kept");
            let off = order.status != venuekit_sim::wallets::Status::Untriggered;
            if off {
                assert!(is_past(&before) || is_past(&after), "{trigger} {stop} {before:?} {after:?}");
                went_off += 1;
            }
            !off
        });
        if went_off >= 4 {
            break;
        }
    }
    assert!(went_off >= 4, "{went_off} went off");
}

#[test]
fn doex_tells_movements_transfers_loans_and_copied_trades() {
    let mut rig = Rig::with(SimConfig { script: true, ..quiet() });
    let get = |rig: &mut Rig, path: &str| json(&rig.doex("GET", path, &[]));
    let deposits = get(&mut rig, "/v1/wallet/deposits");
    let told: Vec<(&str, &str, &str)> = deposits
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| Some((row["asset"].as_str()?, row["amount"].as_str()?, row["status"].as_str()?)))
        .collect();
    assert_eq!(told, [("USDT", "1000", "completed"), ("BTC", "0.25", "pending")]);
    assert_eq!(
        (deposits[0]["txId"].as_str().map(str::len), deposits[1]["txId"].as_str()),
        (Some(64), Some(""))
    );
    let withdrawals = get(&mut rig, "/v1/wallet/withdrawals");
    let fields =
        ["id", "asset", "amount", "fee", "network", "status"].map(|name| withdrawals[0][name].clone());
    assert_eq!(value!(fields), value!([2, "USDT", "250", "1", "TRX", "completed"]));
    let transfers = text(&rig.doex("GET", "/v1/wallet/transfers", &[]));
    assert_eq!(
        transfers,
        r#"[{"id":1,"asset":"USDT","amount":"1000","from":"spot","to":"futures","time":1699913600000}]"#
    );
    let paged = text(&rig.doex("GET", "/v1/wallet/deposits", &[("fromId", "2"), ("limit", "1")]));
    assert!(paged.contains(r#""id":3,"#) && !paged.contains(r#""id":1,"#));

    // The deposit arrives, and its wallet's stream says so.
    let spot = |rig: &mut Rig| rig.doex_account().cash_of(Wallet::Spot, "BTC").total;
    rig.pass_ms(31_000);
    assert_eq!(get(&mut rig, "/v1/wallet/deposits")[1]["status"], "confirming");
    let before = spot(&mut rig);
    rig.pass_ms(90_000);
    assert_eq!(get(&mut rig, "/v1/wallet/deposits")[1]["status"], "completed");
    assert_eq!(spot(&mut rig), before + dec("0.25"));

    let usdt = |rig: &mut Rig| {
        let account = get(rig, "/v1/margin/account");
        let row =
            account["assets"].as_array().expect("rows").iter().find(|row| row["asset"] == "USDT").cloned();
        (account["marginLevel"].as_str().map(dec).expect("a level"), row.expect("a row"))
    };
    let (level, row) = usdt(&mut rig);
    assert_eq!(
        (&row["borrowed"], &row["interest"], &row["free"]),
        (&value!("2000"), &value!("0"), &value!("7000"))
    );
    assert!(level > dec("10"), "{level}");
    rig.pass(Duration::from_secs(2 * 3600));
    assert_eq!(usdt(&mut rig).1["interest"], "0.04");
    let owner = rig.sim.venue("doex").expect("a venue").owner();
    let world = rig.sim.venue_mut("doex").expect("a venue").world_mut();
    world.repay(owner, "USDT", dec("3000")).expect("free");
    let (level, row) = usdt(&mut rig);
    assert_eq!(
        (level, &row["borrowed"], &row["interest"], &row["free"]),
        (dec("999"), &value!("0"), &value!("0"), &value!("4999.96"))
    );

    // The lead trades, the account follows at half the size, each fill with its origin.
    let now = rig.now;
    rig.sim.venue_mut("doex").expect("a venue").set_rate(now, 400);
    rig.pass_ms(60_000);
    let trades = get(&mut rig, "/v1/copy/trades");
    let trades = trades.as_array().expect("rows");
    assert!(trades.len() > 20, "{}", trades.len());
    let world = rig.sim.venue("doex").expect("a venue").world();
    let copying = &world.copyings()[0];
    let (lead, own) = (world.account(copying.lead).expect("opened"), rig.doex_account());
    for trade in copying.trades() {
        let origin = lead.order(trade.market, trade.lead_order).expect("the lead's order");
        let fill =
            own.fills().find(|f| (f.market, f.id) == (trade.market, trade.fill)).expect("the account's fill");
        assert_eq!(
            (fill.order.id, fill.price, fill.qty, origin.side),
            (trade.order, trade.price, trade.qty, trade.side)
        );
        assert!(trade.share >= Decimal::ZERO);
    }
    assert!(copying.trades().any(|trade| trade.share > Decimal::ZERO), "some profit was shared");
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let of = |rows: &[Value]| -> Decimal {
            let rows = rows.iter().filter(|row| row["symbol"] == symbol);
            rows.map(|row| {
                dec(row["qty"].as_str().expect("text"))
                    * if row["side"] == "BUY" { Decimal::ONE } else { Decimal::NEGATIVE_ONE }
            })
            .sum()
        };
        let all = json(&rig.doex("GET", "/v1/copy/trades", &[("limit", "500")]));
        let positions = get(&mut rig, "/v1/copy/positions");
        let held = positions.as_array().expect("rows").iter().find(|row| row["symbol"] == symbol);
        let told = held.map_or(Decimal::ZERO, |row| dec(row["positionAmt"].as_str().expect("text")));
        assert_eq!(told, of(all.as_array().expect("rows")), "{symbol}");
    }
}
