//! The gate against a model that knows nothing of modes: it remembers what was done, and asks the history.

use rust_decimal::Decimal;
use venuekit_types::UnixNanos;

use super::*;

const DAY: i64 = 1_700_006_400_000_000_000;

fn at(ms: u64) -> Now {
    Now { mono: Mono(1), wall: UnixNanos(DAY) }.plus(Duration::from_millis(ms))
}

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn caps() -> Caps {
    let notional = Notional { order: dec("1000"), day: dec("5000") };
    Caps {
        orders_per_second: 3,
        open_orders: 4,
        collar: dec("0.05"),
        notional: [("USDT".to_owned(), notional)].into(),
    }
}

/// An order of 0.1 at 100, where the market is at 100.
fn entry() -> Entry {
    Entry {
        asset: "USDT".into(),
        units: Some(dec("0.1")),
        inverse: false,
        prices: [Some(dec("100")), None],
        reference: Some(dec("100")),
        reduce_only: false,
        open_orders: 0,
    }
}

fn arm(span: u64) -> Arm {
    Arm { span: Duration::from_secs(span), reducing: false, force: false, by: "test".into() }
}

fn armed(caps: Caps) -> Gate {
    let mut gate = Gate::new(caps);
    gate.verified(at(0));
    gate.arm(at(0), arm(3_600)).expect("verified, and nothing outstanding");
    gate
}

#[test]
fn what_forbids_leaves_nothing_that_would_let_it_be_armed() {
    let mut gate = armed(caps());
    gate.forbid(at(10), "the halt file");
    let forced = Arm { force: true, ..arm(60) };
    assert_eq!(gate.arm(at(11), forced.clone()), Err(ArmError::Unverified));
    gate.verified(at(12));
    assert_eq!(gate.arm(at(13), forced), Ok(Mode::Active));
}

/// What can be done to a gate, each as one letter of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Wait(u64),
    Verify,
    Distrust,
    Crash,
    Rearm,
    Halt,
    FatFinger,
    Arm { reducing: bool, force: bool },
    FlatNow,
    FlatStale,
    Restart,
}

const ACTS: [Act; 14] = [
    Act::Wait(1_000),
    Act::Wait(2_000),
    Act::Wait(9_000),
    Act::Verify,
    Act::Distrust,
    Act::Crash,
    Act::Rearm,
    Act::Halt,
    Act::FatFinger,
    Act::Arm { reducing: false, force: false },
    Act::Arm { reducing: true, force: true },
    Act::FlatNow,
    Act::FlatStale,
    Act::Restart,
];
const SPAN: u64 = 10;

/// What the history of a gate says may pass. Nothing here is a mode.
#[derive(Default)]
struct Model {
    armed_at: Option<u64>,
    reducing: bool,
    verified: Vec<u64>,
    outstanding: bool,
}

impl Model {
    fn is_fresh(&self, now: u64) -> bool {
        self.verified.last().is_some_and(|last| now - last < 2_000)
    }

    /// Armed, the span not over, and no two seconds since in which nothing vouched for it.
    fn passes(&self, now: u64) -> bool {
        let Some(since) = self.armed_at else { return false };
        let mut vouched = self.verified.iter().filter(|at| **at <= since).max().copied();
        for at in self.verified.iter().filter(|at| **at >= since).copied().chain([now]) {
            if vouched.is_none_or(|before| at - before >= 2_000) {
                return false;
            }
            vouched = Some(at);
        }
        now - since < SPAN * 1_000
    }

    fn shut(&mut self) {
        self.armed_at = None;
    }
}

/// Does one thing to both, and holds them against each other.
fn step(gate: &mut Gate, model: &mut Model, now: &mut u64, act: Act) -> Result<(), String> {
    match act {
        Act::Wait(ms) => *now += ms,
        Act::Verify => {
            gate.verified(at(*now));
            if !model.passes(*now) {
                model.shut();
            }
            model.verified.push(*now);
        }
        Act::Distrust => {
            gate.distrust(at(*now), "test");
            model.verified.clear();
            model.shut();
        }
        Act::Crash => {
            gate.crashed(at(*now), "test");
            model.shut();
        }
        Act::Rearm => {
            gate.rearm(at(*now));
            model.shut();
        }
        Act::Halt => {
            gate.halt(at(*now), "test");
            model.shut();
            model.outstanding = true;
        }
        Act::FatFinger => {
            let refused = gate.admit(at(*now), &Entry { units: Some(dec("1000")), ..entry() });
            if refused.is_ok() {
                return Err("a fat finger passed".into());
            }
            if model.passes(*now) && !model.reducing {
                model.shut();
                model.outstanding = true;
            }
        }
        Act::Arm { reducing, force } => {
            let wish = Arm { span: Duration::from_secs(SPAN), reducing, force, by: "test".into() };
            let may = model.is_fresh(*now) && (!model.outstanding || force);
            if gate.arm(at(*now), wish).is_ok() != may {
                return Err(format!("arming should be {may}"));
            }
            if may {
                (model.armed_at, model.reducing, model.outstanding) = (Some(*now), reducing, false);
            }
        }
        Act::FlatNow => {
            if let Some(sweep) = gate.sweep() {
                gate.flat(at(*now), sweep);
            }
            model.outstanding = false;
        }
        Act::FlatStale => {
            let stale = gate.sweep().unwrap_or(0).wrapping_sub(1);
            gate.flat(at(*now), stale);
        }
        Act::Restart => {
            *gate = Gate::restored(caps(), gate.kept());
            model.verified.clear();
            model.shut();
        }
    }
    let expected = match (model.passes(*now), model.reducing) {
        (false, _) => Mode::Halted,
        (true, true) => Mode::Reducing,
        (true, false) => Mode::Active,
    };
    // A copy is asked, so that looking changes nothing about what is looked at.
    let mut seen = gate.clone();
    let passes = |reduce_only| seen.clone().admit(at(*now), &Entry { reduce_only, ..entry() }).is_ok();
    let (any, reducing) = (passes(false), passes(true));
    if any != (expected == Mode::Active) || reducing != (expected != Mode::Halted) {
        return Err(format!("passes {any}, reducing {reducing}, where it should be {expected:?}"));
    }
    if seen.lease(at(*now)).is_some_and(|lease| lease.until <= at(*now).mono) {
        return Err("a lease that is over".into());
    }
    match seen.mode(at(*now)) {
        mode if mode != expected => Err(format!("{mode:?} where it should be {expected:?}")),
        _ if gate.sweep().is_some() != model.outstanding => Err("cancels outstanding, or not".into()),
        _ => Ok(()),
    }
}

#[test]
fn every_history_of_four_acts_ends_as_the_model_says() {
    // Each begins unarmed, and armed: what needs both lies within four more.
    for begin in [&[][..], &[Act::Verify, Act::Arm { reducing: false, force: false }]] {
        for number in 0..ACTS.len().pow(4) {
            let (mut gate, mut model, mut now) = (Gate::new(caps()), Model::default(), 0);
            let acts = (0..4_u32).map(|place| ACTS[number / ACTS.len().pow(place) % ACTS.len()]);
            let acts: Vec<Act> = begin.iter().copied().chain(acts).collect();
            for act in &acts {
                if let Err(why) = step(&mut gate, &mut model, &mut now, *act) {
                    panic!("{why}, after {act:?} of {acts:?}");
                }
            }
        }
    }
}

#[test]
fn no_order_passes_ten_thousand_fault_runs_unless_armed_and_verified() {
    for seed in 0..10_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut gate, mut model, mut now) = (Gate::new(caps()), Model::default(), 0);
        for turn in 0..40 {
            // Mostly what keeps it open, so that faults find it open.
            let act = match random.u32(0..10) {
                0..3 => Act::Verify,
                3..5 => Act::Wait(random.u64(1..1_500)),
                5 => Act::Arm { reducing: random.bool(), force: random.bool() },
                _ => ACTS[random.usize(0..ACTS.len())],
            };
            if let Err(why) = step(&mut gate, &mut model, &mut now, act) {
                panic!("SEED={seed} {why}, after {act:?} in turn {turn}");
            }
        }
    }
}

#[test]
fn each_cap_shuts_the_gate_and_demands_cancels() {
    let check = |entry: Entry, expected: Option<Cap>| {
        let mut gate = armed(caps());
        let refusal = gate.admit(at(10), &entry).err();
        match expected {
            None => {
                assert_eq!(refusal, None, "{entry:?}");
                assert_eq!((gate.mode(at(10)), gate.sweep()), (Mode::Active, None));
            }
            Some(cap) => {
                assert_eq!(refusal, Some(Refusal::Halted(Halt::Cap(cap))), "{entry:?}");
                assert_eq!((gate.mode(at(10)), gate.sweep()), (Mode::Halted, Some(1)));
                assert!(gate.admit(at(11), &self::entry()).is_err(), "it stays shut");
            }
        }
    };
    let collar = |price: &str| Cap::Collar { price: dec(price), reference: dec("100"), limit: dec("0.05") };
    let order = |worth: Option<&str>| Cap::OrderNotional {
        asset: "USDT".into(),
        worth: worth.map(dec),
        limit: dec("1000"),
    };
    let units = |text: &str| Entry { units: Some(dec(text)), ..entry() };
    let priced = |limit: Option<&str>, stop: Option<&str>| Entry {
        prices: [limit.map(dec), stop.map(dec)],
        ..entry()
    };
    check(entry(), None);
    // To the last digit, on both sides.
    check(units("10"), None);
    check(units("10.00000001"), Some(order(Some("1000.00000100"))));
    check(units("-10.5"), Some(order(Some("1050.0"))));
    check(Entry { units: None, ..entry() }, Some(order(None)));
    check(units("79228162514264337593543950335"), Some(order(None)));
    check(priced(Some("105"), None), None);
    check(priced(Some("105.01"), None), Some(collar("105.01")));
    check(priced(Some("95"), None), None);
    check(priced(Some("94.99"), None), Some(collar("94.99")));
    check(priced(Some("100"), Some("106")), Some(collar("106")));
    check(priced(Some("50"), None), Some(collar("50")));
    // A market order is worth what it may cost at worst: 9.6 at 105.
    check(Entry { units: Some(dec("9.52")), ..priced(None, None) }, None);
    check(Entry { units: Some(dec("9.6")), ..priced(None, None) }, Some(order(Some("1008.00"))));
    // A low sell may trade at the market.
    check(Entry { units: Some(dec("10.1")), ..priced(Some("95"), None) }, Some(order(Some("1010.0"))));
    // An inverse contract is worth its size, whatever the price.
    check(Entry { inverse: true, ..units("1000") }, None);
    check(Entry { inverse: true, ..units("1001") }, Some(order(Some("1001"))));
    check(Entry { open_orders: 3, ..entry() }, None);
    check(Entry { open_orders: 4, ..entry() }, Some(Cap::OpenOrders { limit: 4 }));
}

#[test]
fn what_cannot_be_measured_is_refused_and_trips_nothing() {
    let mut gate = armed(caps());
    let refused = |gate: &mut Gate, entry: Entry| gate.admit(at(10), &entry).expect_err("refused");
    assert!(matches!(refused(&mut gate, Entry { reference: None, ..entry() }), Refusal::Unmeasured(_)));
    let zero = Entry { reference: Some(Decimal::ZERO), ..entry() };
    assert!(matches!(refused(&mut gate, zero), Refusal::Unmeasured(_)));
    let btc = Entry { asset: "BTC".into(), ..entry() };
    assert_eq!(refused(&mut gate, btc), Refusal::NoCap("BTC".into()));
    assert_eq!((gate.mode(at(10)), gate.sweep()), (Mode::Active, None));
    assert_eq!(armed(Caps::default()).admit(at(1), &entry()), Err(Refusal::NoCap("USDT".into())));
}

#[test]
fn never_more_orders_in_any_second_than_the_cap() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut gate, mut now, mut passed) = (armed(caps()), 0, Vec::new());
        for _ in 0..60 {
            now += random.u64(0..600);
            gate.verified(at(now));
            let within = passed.iter().filter(|at| now - **at < 1_000).count();
            let outcome = gate.admit(at(now), &Entry { units: Some(dec("0.01")), ..entry() });
            if within < 3 {
                assert_eq!(outcome, Ok(()), "SEED={seed}");
                passed.push(now);
            } else {
                let cap = Cap::OrdersPerSecond { limit: 3 };
                assert_eq!(outcome, Err(Refusal::Halted(Halt::Cap(cap))), "SEED={seed}");
                let sweep = gate.sweep().expect("cancels are demanded");
                gate.flat(at(now), sweep);
                gate.arm(at(now), arm(3_600)).expect("nothing is outstanding");
            }
        }
        assert!(passed.len() > 10, "SEED={seed}");
    }
    let none = Caps { orders_per_second: 0, ..caps() };
    assert!(armed(none).admit(at(1), &entry()).is_err(), "no orders a second are none");
}

#[test]
fn a_day_is_counted_to_the_last_digit_and_over_a_restart() {
    let large = |units: &str| Entry { units: Some(dec(units)), ..entry() };
    let mut gate = armed(caps());
    for turn in 1..=4 {
        gate.verified(at(turn * 1_000));
        gate.admit(at(turn * 1_000), &large("10")).expect("within the day");
    }
    let mut gate = Gate::restored(caps(), gate.kept());
    gate.verified(at(6_000));
    gate.arm(at(6_000), arm(3_600)).expect("nothing is outstanding");
    gate.admit(at(6_000), &large("9.99")).expect("999 more");
    let limit = dec("5000");
    let cap = Cap::DayNotional { asset: "USDT".into(), worth: Some(dec("5000.0100")), limit };
    assert_eq!(gate.admit(at(6_100), &large("0.0101")), Err(Refusal::Halted(Halt::Cap(cap))));
    // The next day begins anew; a wall clock that goes back does not.
    let mut kept = gate.kept();
    kept.outstanding = false;
    kept.halt = None;
    let tomorrow = Now { mono: Mono(1), wall: UnixNanos(DAY + 86_400_000_000_000) };
    let mut gate = Gate::restored(caps(), kept);
    gate.verified(tomorrow);
    gate.arm(tomorrow, arm(60)).expect("nothing is outstanding");
    gate.admit(tomorrow, &large("10")).expect("a new day");
    let back = Now { mono: tomorrow.mono.plus(Duration::from_secs(1)), wall: UnixNanos(DAY) };
    gate.verified(back);
    gate.admit(back, &large("10")).expect("the same allowance");
    assert_eq!(gate.kept().day.used["USDT"], dec("2000"));
}

#[test]
fn a_restart_is_shut_and_remembers_what_was_to_be_cancelled() {
    let mut gate = armed(caps());
    assert!(gate.was_armed());
    let restored = Gate::restored(caps(), gate.kept());
    assert_eq!((restored.halt_reason(), restored.was_armed()), (Some(&Halt::StartUp), false));
    gate.halt(at(1), "the test");
    let mut again = Gate::restored(caps(), gate.kept());
    assert_eq!(again.halt_reason(), Some(&Halt::Command("the test".into())));
    again.verified(at(2));
    assert_eq!(again.arm(at(2), arm(60)), Err(ArmError::Outstanding));
    let sweep = again.sweep().expect("still to be cancelled");
    again.flat(at(3), sweep);
    assert_eq!(again.arm(at(3), arm(60)), Ok(Mode::Active));
    let mut lost = Gate::unreadable(caps(), "no JSON");
    lost.verified(at(2));
    assert_eq!(lost.arm(at(2), arm(60)), Err(ArmError::Outstanding));
}

#[test]
fn an_older_sweep_confirms_nothing_and_a_halt_can_be_said_again() {
    let mut gate = armed(caps());
    gate.halt(at(1), "one");
    let first = gate.sweep().expect("demanded");
    gate.halt(at(2), "two");
    gate.flat(at(3), first);
    let second = gate.sweep().expect("the second demand stands");
    assert!(second > first);
    gate.flat(at(4), second);
    assert_eq!(gate.sweep(), None);
    // What only shuts does not hide why it was shut.
    gate.crashed(at(5), "a task");
    assert_eq!(gate.halt_reason(), Some(&Halt::Command("two".into())));
}

#[test]
fn arming_has_bounds_and_leaves_a_trail() {
    let mut gate = Gate::new(caps());
    assert_eq!(gate.arm(at(0), arm(60)), Err(ArmError::Unverified));
    gate.verified(at(0));
    assert_eq!(gate.arm(at(0), arm(0)), Err(ArmError::Span));
    assert_eq!(gate.arm(at(0), arm(86_401)), Err(ArmError::Span));
    gate.halt(at(1), "file");
    assert_eq!(gate.arm(at(1), Arm { force: true, ..arm(60) }), Ok(Mode::Active));
    gate.left(at(1), 2);
    let trail: Vec<Audit> = core::iter::from_fn(|| gate.poll_audit()).collect();
    let numbers: Vec<u64> = trail.iter().map(|audit| audit.seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let by = || "test".to_owned();
    assert_eq!(trail[0].what, Happening::ArmRefused { why: ArmError::Unverified, by: by() });
    assert_eq!(trail[3].what, Happening::Halted(Halt::Command("file".into())));
    let until = at(1).wall.plus(Duration::from_secs(60));
    assert_eq!(trail[4].what, Happening::Armed { until, mode: Mode::Active, forced: true, by: by() });
    assert_eq!(trail[5].what, Happening::Left { open: 2 });
    // Nobody who takes none makes it grow.
    for turn in 0..2_000 {
        gate.halt(at(turn), "again");
    }
    let trail: Vec<Audit> = core::iter::from_fn(|| gate.poll_audit()).collect();
    assert_eq!((trail.len(), trail.last().map(|audit| audit.seq)), (AUDITS_MAX, Some(2_006)));
}
