//! Rows B3 and S2 at their size: 200 books that break at once, 50 connections whose server is down.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use venuekit_book::State;
use venuekit_session::{Config, Emission, Event, Session, StreamId, Want};
use venuekit_sim::faults::{Command, Fault, FaultPlan, Target};
use venuekit_sim::market::{self, Contract, Spec};
use venuekit_sim::venue::{VenueConfig, VenueSim};
use venuekit_sim::wallets::Account;
use venuekit_sim::world::{Numbering, WorldConfig};
use venuekit_sim::{Doex, DoexLimits, Duedex, DuedexLimits, Keys};
use venuekit_testkit::scenario::unhealed;
use venuekit_testkit::{Rig, Tweaked, Watch};
use venuekit_types::{Mono, Now};
use venuekit_venue::{Channel, Venue};

const SEED: u64 = 5;

/// A market like `like` under another name.
fn another(like: &Spec, number: usize) -> Spec {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let base = leak(format!("T{number:03}"));
    let spot = like.contract.is_none();
    Spec {
        native: leak(format!("{base}{}", like.quote)),
        symbol: leak(if spot {
            format!("{base}/{}", like.quote)
        } else {
            format!("{base}/{0}:{0}", like.quote)
        }),
        base,
        contract: like.contract.as_ref().map(|c| Contract {
            position: market::Asset { code: base, name: base, places: c.position.places },
            settle: market::Asset { code: c.settle.code, name: c.settle.name, places: c.settle.places },
            ..*c
        }),
        ..*like
    }
}

fn simulate(venue: &'static str, markets: usize) -> VenueSim {
    let start = Rig::<VenueSim>::epoch();
    let keys = Keys::from_seed(SEED);
    let (like, credentials) =
        if venue == "doex" { (&market::DOEX[2], keys.doex) } else { (&market::DUEDEX[1], keys.duedex) };
    let specs: &'static [Spec] =
        Box::leak((0..markets).map(|number| another(like, number)).collect::<Vec<_>>().into_boxed_slice());
    let world = WorldConfig {
        venue,
        specs,
        numbering: if venue == "doex" { Numbering::PerChange } else { Numbering::PerMessage },
        funding_hour: 0,
        funding_hours: 8,
        seed: SEED,
        start,
        rate: 400,
        history: 0,
        truth_every: 0,
        run: "scale".into(),
    };
    let config = VenueConfig {
        world,
        faults: FaultPlan::default(),
        credentials,
        keys: Vec::new(),
        account: Account::new(1, specs),
        script: true,
        lead: None,
    };
    VenueSim::new(config, |world, user, start| {
        if venue == "doex" {
            Box::new(Doex::new(world, user, start, DoexLimits::default(), "scale".into()))
        } else {
            Box::new(Duedex::new(world, user, start, DuedexLimits::default(), "scale".into()))
        }
    })
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
    let config = Config { wants: vec![Want::new("*", Channel::Book)], seed: SEED, ..Config::default() };
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
