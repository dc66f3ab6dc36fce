//! Budgets under a flood and clocks that jump: small sizes of what `prove` runs.

mod common;

use core::time::Duration;
use std::sync::Arc;

use venuekit_session::{
    AskCommand, Ban, Command, CommandId, Config, Done, Emission, Event, Input, Persist, Session, Used, Want,
};
use venuekit_sim::{FaultPlan, Front as _, FrontInput, Request, VenueSim};
use venuekit_testkit::scenario::SimSeed;
use venuekit_testkit::{Rig, Tweaked, Watch, requests};
use venuekit_types::{Fixed, Now, Side};
use venuekit_venue::{
    Ask, AskKind, Channel, FaultKind, MarketId, NewOrder, OrderRef, OrderType, Venue, Wallet,
};

#[test]
fn a_flood_of_polls_delays_no_cancel_and_breaks_no_budget() {
    let flood = requests::flood(&common::doex(), venuekit_doex::SPOT, 1, 3);
    let p99 = flood.waits[flood.waits.len() * 99 / 100];
    assert!(p99 <= Duration::from_millis(50), "SEED=1 a cancel waited {p99:?}");
    assert!(flood.used_permille >= 900, "SEED=1 only {} of 1000 were used", flood.used_permille);
    assert_eq!(flood.statuses.get(&418), None, "SEED=1 banned: {:?}", flood.statuses);
    assert!(flood.statuses.get(&429).is_none_or(|&count| count <= 1), "SEED=1 {:?}", flood.statuses);
    assert!(flood.turned_away > 0, "the queue has no bound");
}

#[test]
fn a_jump_of_a_clock_costs_one_call_at_most_and_no_stamp_repeats() {
    for seed in 0..4 {
        let jumps = requests::jumps(&common::doex(), venuekit_doex::SPOT, seed, 6);
        assert!(jumps.refused <= jumps.events, "SEED={seed} {jumps:?}");
        assert!(jumps.refused > 0, "SEED={seed}: the venue's clock never mattered: {jumps:?}");
        assert_eq!((jumps.failed, jumps.doubled), (0, 0), "SEED={seed} {jumps:?}");
        assert!(jumps.alarms > 0, "SEED={seed} {jumps:?}");
    }
}

/// Its windows are those of the clock, and each of its products has one of its own.
#[test]
fn a_flood_and_a_jump_cost_no_more_where_windows_follow_the_clock() {
    for product in [venuekit_binance::SPOT, venuekit_binance::USDM] {
        let flood = requests::flood(&common::binance(), product, 2, 2);
        let p99 = flood.waits[flood.waits.len() * 99 / 100];
        assert!(p99 <= Duration::from_millis(50), "SEED=2 {product}: a cancel waited {p99:?}");
        assert!(
            flood.used_permille >= 900,
            "SEED=2 {product}: only {} of 1000 were used",
            flood.used_permille
        );
        let turned = [429, 418].map(|status| flood.statuses.get(&status).copied().unwrap_or(0));
        assert!(turned[0] <= 1 && turned[1] == 0, "SEED=2 {product}: {:?}", flood.statuses);
        let jumps = requests::jumps(&common::binance(), product, 2, 6);
        assert!((1..=jumps.events).contains(&jumps.refused), "SEED=2 {product}: {jumps:?}");
        assert_eq!((jumps.failed, jumps.doubled), (0, 0), "SEED=2 {product}: {jumps:?}");
    }
}

/// Its refusals are words under a status of success, its counter gives back one in three seconds, and its numbers must
/// arrive rising: a cancel that overtakes a poll makes it be refused and sent once more.
#[test]
fn a_flood_at_a_venue_with_a_small_counter_and_rising_numbers_delays_no_cancel() {
    for product in [venuekit_kraken::SPOT, venuekit_kraken::FUTURES] {
        let flood = requests::flood(&common::kraken(), product, 3, 5);
        let p99 = flood.waits[flood.waits.len() * 99 / 100];
        assert!(p99 <= Duration::from_millis(50), "SEED=3 {product}: a cancel waited {p99:?}");
        assert!(flood.used_permille >= 900, "SEED=3 {product}: {} of 1000 were used", flood.used_permille);
        assert!(
            flood.limited <= 1 && flood.banned == 0,
            "SEED=3 {product}: {} {}",
            flood.limited,
            flood.banned
        );
        assert!(flood.turned_away > 0, "SEED=3 {product}: the queue has no bound");
    }
}

/// Collects how commands ended.
#[derive(Default)]
struct Ends(Vec<(u64, Done)>);

impl Watch<VenueSim> for Ends {
    fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
        if let Event::Done { id, done } = emission.event {
            self.0.push((id.0, done.clone()));
        }
    }
}

/// A session that follows nothing and may ask, over a fresh or the same simulator.
fn session(bans: Vec<Ban>, used: Vec<Used>) -> Session {
    session_of(common::doex().venue, bans, used)
}

fn session_of(venue: Arc<dyn Venue>, bans: Vec<Ban>, used: Vec<Used>) -> Session {
    let config = Config {
        products: vec!["spot".to_owned()],
        credentials: common::doex().credentials.map(|make| make(5)),
        seed: 5,
        bans,
        used,
        ..Config::default()
    };
    Session::new(venue, config).expect("the product exists")
}

fn fresh() -> Rig<VenueSim> {
    let start = Rig::<VenueSim>::epoch();
    let seed = SimSeed { seed: 5, start, rate: 1, history: 16, faults: FaultPlan::default() };
    let mut rig = Rig::new(session(Vec::new(), Vec::new()), (common::doex().sim)(seed), start, 5);
    rig.run_for(Duration::from_secs(2), &mut ());
    rig
}

/// Another program on this address asks until nobody there is heard any more.
fn exhaust(rig: &mut Rig<VenueSim>, requests: u64) {
    for n in 0..requests {
        let request = Request {
            method: "GET",
            path: "/v1/ping",
            query: "",
            headers: &[],
            body: b"",
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        rig.front.handle(rig.now(), FrontInput::Request { id: (9_999 << 32) | n, request });
    }
}

fn ask(rig: &mut Rig<VenueSim>, ends: &mut Ends, id: u64, ask: Ask) {
    let command =
        AskCommand { id: CommandId(id), product: venuekit_doex::SPOT, ask, lane: None, within: None };
    rig.tell(Input::Command(Command::Ask(Box::new(command))), ends);
}

fn cancel() -> Ask {
    Ask::Cancel { market: MarketId(0), order: OrderRef::Client("nobody".to_owned()) }
}

fn order(client_order_id: &str) -> Ask {
    let fixed = |text: &str| text.parse().expect("a number");
    Ask::Place(Box::new(NewOrder {
        market: MarketId(0),
        client_order_id: client_order_id.to_owned(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: None,
        qty: fixed("0.01"),
        price: Some(fixed("20000")),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }))
}

fn kind_of(done: &Done) -> Option<FaultKind> {
    match done {
        Done::Accepted => None,
        Done::Rejected(fault) | Done::NotSent(fault) | Done::Unknown(fault) => Some(fault.kind),
    }
}

#[test]
fn during_a_ban_nothing_leaves_and_a_restart_does_not_break_it() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    exhaust(&mut rig, 3_000);
    ask(&mut rig, &mut ends, 1, Ask::Balances { wallet: Wallet::Spot });
    rig.run_for(Duration::from_secs(1), &mut ends);
    assert_eq!(ends.0.iter().map(|(_, done)| kind_of(done)).collect::<Vec<_>>(), [Some(FaultKind::Banned)]);
    let bans: Vec<Ban> = rig
        .journal()
        .iter()
        .filter_map(|step| match step {
            Persist::Ban(ban) if !ban.is_limit => Some(ban.clone()),
            _ => None,
        })
        .collect();
    let [ban] = bans.as_slice() else { panic!("kept {bans:?}") };
    let left = rig.requests().len();
    ask(&mut rig, &mut ends, 2, cancel());
    ask(&mut rig, &mut ends, 3, order("3"));
    for id in [2, 3] {
        let done = ends.0.iter().find(|(known, _)| *known == id).map(|(_, done)| done);
        assert!(matches!(done, Some(Done::NotSent(fault)) if fault.kind == FaultKind::Banned), "{done:?}");
    }
    rig.restart(session(bans.clone(), Vec::new()));
    let until = Duration::from_nanos(u64::try_from(ban.until().since(rig.now().wall)).expect("ahead"));
    rig.run_for(until - Duration::from_millis(1), &mut ends);
    assert_eq!(rig.requests().len(), left, "something left during a ban");
    rig.run_for(Duration::from_secs(5), &mut ends);
    assert!(rig.requests().len() > left, "a ban without an end");
}

#[test]
fn while_the_venue_limits_us_only_cancels_leave() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    // Over the budget, and not yet so far that it is a ban.
    exhaust(&mut rig, 1_200);
    ask(&mut rig, &mut ends, 1, Ask::Balances { wallet: Wallet::Spot });
    rig.run_for(Duration::from_secs(1), &mut ends);
    assert_eq!(kind_of(&ends.0[0].1), Some(FaultKind::RateLimited));
    let left = rig.requests().len();
    ask(&mut rig, &mut ends, 2, Ask::Balances { wallet: Wallet::Spot });
    ask(&mut rig, &mut ends, 3, order("3"));
    ask(&mut rig, &mut ends, 4, cancel());
    let sent: Vec<AskKind> = rig.requests()[left..].iter().map(|sent| sent.kind).collect();
    assert_eq!(sent, [AskKind::Cancel]);
    assert!(matches!(&ends.0[1], (3, Done::NotSent(_))), "{:?}", ends.0);
}

/// What its caller has given up must not eat the budget of what comes after.
#[test]
fn a_read_whose_caller_waits_no_longer_does_not_leave() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    exhaust(&mut rig, 1_200);
    ask(&mut rig, &mut ends, 1, Ask::Balances { wallet: Wallet::Spot });
    rig.run_for(Duration::from_secs(1), &mut ends);
    let left = rig.requests().len();
    let command = AskCommand {
        id: CommandId(2),
        product: venuekit_doex::SPOT,
        ask: Ask::Balances { wallet: Wallet::Spot },
        lane: None,
        within: Some(Duration::from_millis(300)),
    };
    rig.tell(Input::Command(Command::Ask(Box::new(command))), &mut ends);
    rig.run_for(Duration::from_millis(299), &mut ends);
    assert_eq!(ends.0.len(), 1, "{:?}", ends.0);
    rig.run_for(Duration::from_millis(2), &mut ends);
    assert!(matches!(&ends.0[1], (2, Done::NotSent(_))), "{:?}", ends.0);
    rig.run_for(Duration::from_secs(120), &mut ends);
    let late = rig.requests()[left..].iter().filter(|sent| sent.kind == AskKind::Balances).count();
    assert_eq!((late, ends.0.len()), (0, 2), "{:?}", ends.0);
}

#[test]
fn a_limit_outlives_a_restart_and_lets_cancels_alone_through() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    exhaust(&mut rig, 1_200);
    ask(&mut rig, &mut ends, 1, Ask::Balances { wallet: Wallet::Spot });
    rig.run_for(Duration::from_secs(1), &mut ends);
    let kept = rig.journal().iter().filter_map(|step| match step {
        Persist::Ban(ban) => Some(ban.clone()),
        _ => None,
    });
    let kept: Vec<Ban> = kept.collect();
    assert!(matches!(kept.as_slice(), [ban] if ban.is_limit), "{kept:?}");
    rig.restart(session(kept.clone(), Vec::new()));
    let left = rig.requests().len();
    let until = Duration::from_nanos(u64::try_from(kept[0].until().since(rig.now().wall)).expect("ahead"));
    rig.run_for(until - Duration::from_millis(1), &mut ends);
    assert_eq!(rig.requests().len(), left, "something left while the venue limits us");
    rig.run_for(Duration::from_secs(5), &mut ends);
    assert!(rig.requests().len() > left, "a limit without an end");
}

/// R1: a worker that is killed again and again within one window stays within the venue's budget.
#[test]
fn what_was_used_outlives_a_restart() {
    // One that says itself what was used would teach us with its first answer.
    let silent = || -> Arc<dyn Venue> {
        Arc::new(Tweaked::new(common::doex().venue, |spec| {
            spec.budgets.iter_mut().for_each(|budget| budget.used_header = None);
        }))
    };
    let storm = |remembers: bool| {
        let (mut rig, mut ends) = (fresh(), Ends::default());
        rig.restart(session_of(silent(), Vec::new(), Vec::new()));
        rig.run_for(Duration::from_secs(1), &mut ends);
        for life in 0..6 {
            for id in 0..400 {
                ask(
                    &mut rig,
                    &mut ends,
                    life * 1_000 + id,
                    Ask::Depth { market: MarketId(0), levels: 1_000 },
                );
            }
            rig.run_for(Duration::from_secs(4), &mut ends);
            let used = if remembers { rig.used().to_vec() } else { Vec::new() };
            rig.restart(session_of(silent(), Vec::new(), used));
            rig.run_for(Duration::from_secs(1), &mut ends);
        }
        rig.statuses().clone()
    };
    let refused = |statuses: std::collections::BTreeMap<u16, u64>| {
        [429, 418].map(|status| statuses.get(&status).copied().unwrap_or(0)).iter().sum::<u64>()
    };
    assert_eq!(refused(storm(true)), 0, "SEED=5");
    assert!(refused(storm(false)) > 0, "SEED=5: the budget was never in danger");
}

#[test]
fn an_order_is_kept_before_it_leaves_and_a_cancel_takes_it_along() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    let placed = |rig: &Rig<VenueSim>| rig.requests().iter().filter(|s| s.kind == AskKind::Place).count();
    ask(&mut rig, &mut ends, 1, order("mine"));
    assert!(matches!(rig.journal(), [Persist::Intent { intent, .. }] if intent.client_order_id == "mine"));
    assert_eq!(placed(&rig), 0, "it left before it was kept");
    ask(&mut rig, &mut ends, 2, Ask::CancelAll { market: None });
    assert!(matches!(&ends.0[0], (1, Done::NotSent(_))), "{:?}", ends.0);
    rig.run_for(Duration::from_secs(3), &mut ends);
    assert_eq!(placed(&rig), 0, "it left behind the cancel");
    assert!(matches!(rig.journal(), [_, Persist::Settled { how: "not_sent", .. }]));
    ask(&mut rig, &mut ends, 3, order("again"));
    rig.run_for(Duration::from_secs(3), &mut ends);
    assert_eq!(placed(&rig), 1);
    assert!(matches!(rig.journal().last(), Some(Persist::Settled { how: "accepted", .. })), "{:?}", ends.0);
}

#[test]
fn what_cannot_be_sent_ends_at_once_and_says_why() {
    let (mut rig, mut ends) = (fresh(), Ends::default());
    let Ask::Place(mut off_grid) = order("x") else { panic!("it places") };
    off_grid.price = Some("20000.00000001".parse().expect("a number"));
    let asks = [
        Ask::Place(off_grid),
        order(""),
        Ask::Depth { market: MarketId(999), levels: 5 },
        Ask::SetRiskLimit { market: MarketId(0), limit: 1.into() },
    ];
    let count = asks.len();
    for (id, wish) in asks.into_iter().enumerate() {
        ask(&mut rig, &mut ends, u64::try_from(id).expect("few"), wish);
    }
    let kinds: Vec<_> = ends.0.iter().map(|(_, done)| (done.as_str(), kind_of(done))).collect();
    assert_eq!(
        kinds,
        [
            ("rejected", Some(FaultKind::Rejected)),
            ("not_sent", Some(FaultKind::BadRequest)),
            ("not_sent", Some(FaultKind::BadRequest)),
            ("not_sent", Some(FaultKind::NotFound)),
        ]
    );
    assert_eq!(ends.0.len(), count);
    assert!(rig.journal().is_empty(), "nothing was meant to last");
}

/// DueDEX tells its time inside frames alone: with a stream its orders leave, and without one they do not.
#[test]
fn an_order_never_leaves_with_a_time_that_nobody_vouched_for() {
    for (wants, accepted) in [(vec![Want::new("", Channel::Positions)], true), (Vec::new(), false)] {
        let subject = common::duedex();
        let start = Rig::<VenueSim>::epoch();
        let seed = SimSeed { seed: 6, start, rate: 1, history: 16, faults: FaultPlan::default() };
        let config = Config {
            wants,
            products: vec!["derivatives".to_owned()],
            credentials: subject.credentials.map(|make| make(6)),
            seed: 6,
            ..Config::default()
        };
        let session = Session::new(subject.venue, config).expect("the channel exists");
        let mut rig = Rig::new(session, (subject.sim)(seed), start, 6);
        rig.client_ahead = 4_000_000_000;
        let mut ends = Ends::default();
        rig.run_for(Duration::from_secs(3 * 3600), &mut ends);
        let instrument = rig.session.catalog(0).get(MarketId(0)).expect("listed").clone();
        let Ask::Place(mut wish) = order("after-hours") else { panic!("it places") };
        let fixed = |mantissa, scale| Fixed { mantissa, scale };
        wish.qty = fixed(instrument.min_qty.unwrap_or(instrument.step).0, instrument.qty_scale);
        wish.price = Some(fixed(instrument.tick.0 * 1_000, instrument.price_scale));
        ask(&mut rig, &mut ends, 1, Ask::Place(wish));
        rig.run_for(Duration::from_secs(3), &mut ends);
        let placed = rig.requests().iter().filter(|sent| sent.kind == AskKind::Place).count();
        let [(1, done)] = ends.0.as_slice() else { panic!("{:?}", ends.0) };
        assert_eq!((done == &Done::Accepted, placed), (accepted, usize::from(accepted)), "{done:?}");
    }
}
