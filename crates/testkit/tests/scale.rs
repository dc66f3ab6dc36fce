//! Rows B3 and S2 at their size: 200 books that break at once, 50 connections whose server is down.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use venuekit_book::State;
use venuekit_session::{Config, Emission, Event, Session, StreamId, Want};
use venuekit_sim::faults::{Command, Fault, FaultPlan, Target};
use venuekit_sim::venue::VenueSim;
use venuekit_testkit::scenario::{SimSeed, unhealed};
use venuekit_testkit::{Rig, Tweaked, Watch};
use venuekit_types::{Mono, Now};
use venuekit_venue::{Channel, Venue};

const SEED: u64 = 5;

/// A venue of so many markets, in peace.
fn simulate(venue: &'static str, markets: usize) -> VenueSim {
    let start = Rig::<VenueSim>::epoch();
    let faults = FaultPlan::default();
    common::crowd(venue, markets, SimSeed { seed: SEED, start, rate: 400, history: 0, faults })
}

/// How long each book was not live, and how often the venue said that we ask too much.
#[derive(Default)]
struct Healing {
    broke: BTreeMap<StreamId, Mono>,
    took: Vec<Duration>,
    limited: u32,
}

impl Watch<VenueSim> for Healing {
    fn event(&mut self, now: Now, emission: Emission<'_>, _: &VenueSim) {
        match emission.event {
            Event::GapOpened(gap) => {
                self.broke.insert(gap.stream, now.mono);
            }
            Event::GapHealed(gap) => {
                if let Some(broke) = self.broke.remove(&gap.stream) {
                    self.took.push(now.mono.since(broke));
                }
            }
            Event::Fault { .. } => self.limited += 1,
            _ => {}
        }
    }
}

/// B3: breaks every book of a venue at once, round trip 50 ms, and says how long healing took.
fn break_all(venue: Arc<dyn Venue>, name: &'static str, markets: usize) -> (Duration, Duration) {
    let mut config = Config { wants: vec![Want::new("*", Channel::Book)], seed: SEED, ..Config::default() };
    if name == "duedex" {
        // What is dropped shall be a diff, and not the whole book that was asked for to be compared.
        config.limits.audit_every = Duration::from_secs(86_400);
    }
    let session = Session::new(venue, config).expect("books can be asked for");
    let mut rig = Rig::new(session, simulate(name, markets), Rig::<VenueSim>::epoch(), SEED);
    rig.weather.latency_min = Duration::from_millis(25);
    rig.weather.latency_max = Duration::from_millis(25);
    let mut healing = Healing::default();
    let up = rig.run_until(Duration::from_secs(150), &mut healing, |rig| {
        rig.session.streams().count() == markets && unhealed(rig).is_empty()
    });
    assert!(up, "SEED={SEED}: never wholly live");
    // The budget that the start drew on is whole again.
    rig.run_for(Duration::from_secs(70), &mut healing);
    assert_eq!((healing.took.len(), healing.limited), (0, 0));
    let symbols: Vec<String> = rig.session.streams().map(|s| s.info.venue_symbol.clone()).collect();
    for symbol in symbols {
        let stream = if name == "doex" {
            format!("{}@depth", symbol.to_lowercase())
        } else {
            format!("level2:{symbol}")
        };
        let now = rig.now();
        rig.front.inject(now, Command { target: Target::Stream(stream), fault: Fault::Drop });
    }
    let mut healing = Healing::default();
    let all = rig.run_until(Duration::from_secs(120), &mut healing, |_| false);
    assert!(!all);
    healing.took.sort();
    assert_eq!((healing.took.len(), healing.broke.len()), (markets, 0), "SEED={SEED}: every book broke once");
    assert_eq!(healing.limited, 0, "SEED={SEED}: the venue complained");
    (healing.took[markets / 2], healing.took[markets - 1])
}

#[test]
fn two_hundred_books_of_duedex_heal_at_once() {
    let (median, longest) = break_all(Arc::new(venuekit_duedex::DueDex::new()), "duedex", 200);
    assert!(longest <= Duration::from_secs(15), "SEED={SEED}: {median:?} {longest:?}");
    let (_, one) = break_all(Arc::new(venuekit_duedex::DueDex::new()), "duedex", 1);
    assert!(one <= Duration::from_secs(2), "SEED={SEED}: {one:?}");
}

/// The deepest Doex snapshot costs 10 of 1,200 units a minute, which is 120 books: a book whose size is known is asked
/// for as deep as it is, and no deeper.
#[test]
fn two_hundred_books_of_doex_heal_at_once_within_the_budget() {
    let (median, longest) = break_all(Arc::new(venuekit_doex::Doex::default()), "doex", 200);
    assert!(longest <= Duration::from_secs(15), "SEED={SEED}: {median:?} {longest:?}");
    let (_, one) = break_all(Arc::new(venuekit_doex::Doex::default()), "doex", 1);
    assert!(one <= Duration::from_secs(2), "SEED={SEED}: {one:?}");
}

/// B3: two hundred markets of which each moves once in a minute and more. That they are quiet is asked and answered
/// within the budget, so that no book goes stale for nothing.
fn quiet(venue: Arc<dyn Venue>, name: &'static str) {
    let config = Config { wants: vec![Want::new("*", Channel::Book)], seed: SEED, ..Config::default() };
    let session = Session::new(venue, config).expect("books can be asked for");
    let mut rig = Rig::new(session, simulate(name, 200), Rig::<VenueSim>::epoch(), SEED);
    let up = rig.run_until(Duration::from_secs(150), &mut (), |rig| {
        rig.session.streams().count() == 200 && unhealed(rig).is_empty()
    });
    assert!(up, "SEED={SEED}: never wholly live");
    let now = rig.now();
    rig.front.set_rate(now, 2);
    let mut healing = Healing::default();
    rig.run_for(Duration::from_secs(1_200), &mut healing);
    let broke = healing.took.len() + healing.broke.len();
    assert_eq!((broke, healing.limited), (0, 0), "SEED={SEED}: books that broke, complaints of the venue");
}

#[test]
fn two_hundred_quiet_books_stay_live() {
    quiet(Arc::new(venuekit_doex::Doex::default()), "doex");
    quiet(Arc::new(venuekit_duedex::DueDex::new()), "duedex");
}

/// S2: fifty connections, a server that is away for ten minutes, then one that flaps every three seconds.
#[test]
fn fifty_connections_knock_one_at_a_time() {
    let venue = Arc::new(Tweaked::new(Arc::new(venuekit_duedex::DueDex::new()), |spec| {
        spec.sockets[0].limits.max_streams = 4;
    }));
    let config = Config { wants: vec![Want::new("*", Channel::Book)], seed: SEED, ..Config::default() };
    let session = Session::new(venue, config).expect("books can be asked for");
    let mut rig = Rig::new(session, simulate("duedex", 200), Rig::<VenueSim>::epoch(), SEED);
    let books = |rig: &Rig<VenueSim>| rig.session.streams().filter(|s| s.state == State::Live).count();
    assert!(rig.run_until(Duration::from_secs(60), &mut (), |rig| books(rig) == 200), "SEED={SEED}: not up");
    assert_eq!(rig.connects().len(), 50);
    let down_at = rig.now().mono;
    let back_at = down_at.plus(Duration::from_secs(600));
    rig.weather.down_until = Some(back_at);
    let now = rig.now();
    rig.front.inject(now, Command::all(Fault::Close));
    rig.run_for(Duration::from_secs(600), &mut ());
    let attempts =
        rig.connects().iter().filter(|at| **at >= down_at && at.since(down_at) < Duration::from_secs(60));
    let attempts = attempts.count();
    assert!(attempts <= 20, "SEED={SEED}: {attempts} attempts in the first minute");
    assert!(
        rig.run_until(Duration::from_secs(35), &mut (), |rig| books(rig) == 200),
        "SEED={SEED}: not up in 35 s"
    );
    let flap_from = rig.now().mono;
    for _ in 0..20 {
        let now = rig.now();
        rig.front.inject(now, Command::all(Fault::Close));
        rig.run_for(Duration::from_secs(3), &mut ());
    }
    let flaps = rig.connects().iter().filter(|at| **at >= flap_from).count();
    assert!(flaps <= 50 * 10, "SEED={SEED}: {flaps} attempts while flapping");
}
