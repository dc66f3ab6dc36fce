//! What a session does with bad wishes and with venues that change or refuse: no venue crate is at fault here.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use venuekit_book::{Cause, State};
use venuekit_session::{Command, Config, ConfigError, Emission, Event, Input, Session, Want};
use venuekit_sim::Keys;
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_testkit::scenario::{SimSeed, Subject, unhealed};
use venuekit_testkit::{Judge, Rig, Tweaked, Watch};
use venuekit_types::{Now, Price, Scale};
use venuekit_venue::{Ask, Broken, BrokenWhy, Channel, FaultKind, Venue};

const SEED: u64 = 3;

fn rig(subject: &Subject, venue: Arc<dyn Venue>, wants: Vec<Want>) -> Rig<VenueSim> {
    let start = Rig::<VenueSim>::epoch();
    let sim =
        (subject.sim)(SimSeed { seed: SEED, start, rate: 50, history: 1_024, faults: FaultPlan::default() });
    let session =
        Session::new(venue, Config { wants, seed: SEED, ..Config::default() }).expect("valid wishes");
    Rig::new(session, sim, start, SEED)
}

#[derive(Default)]
struct Unknown(Vec<(String, Vec<String>)>);

impl Watch<VenueSim> for Unknown {
    fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
        if let Event::UnknownSymbol { symbol, candidates } = emission.event {
            self.0.push((symbol.clone(), candidates.iter().map(ToString::to_string).collect()));
        }
    }
}

#[test]
fn a_symbol_is_found_by_every_spelling_and_an_ambiguous_one_lists_what_it_could_mean() {
    let subject = common::doex();
    let check = |text: &str, streams: usize, unknown: &[(&str, &[&str])]| {
        let wants = vec![Want::new(text, Channel::Book)];
        let mut rig = rig(&subject, Arc::clone(&subject.venue), wants);
        let mut seen = Unknown::default();
        rig.run_for(Duration::from_secs(3), &mut seen);
        assert_eq!(rig.session.streams().count(), streams, "{text}");
        let unknown: Vec<_> = unknown
            .iter()
            .map(|(s, c)| (s.to_string(), c.iter().map(ToString::to_string).collect()))
            .collect();
        assert_eq!(seen.0, unknown, "{text}");
    };
    check("BTC/USDT", 1, &[]);
    check("btc/usdt:usdt", 1, &[]);
    check("DOGEUSDT", 1, &[]);
    check("doge-usdt", 1, &[]);
    check("BTCUSDT", 0, &[("BTCUSDT", &["BTC/USDT", "BTC/USDT:USDT"])]);
    check("XYZ/USDT", 0, &[("XYZ/USDT", &[])]);
    check("*", 5, &[]);
}

#[test]
fn wishes_that_do_not_fit_the_venue_are_refused_with_what_would() {
    let check = |subject: &Subject, want: Want, expected: &str| {
        let config = Config { wants: vec![want], ..Config::default() };
        let error: ConfigError = match Session::new(Arc::clone(&subject.venue), config) {
            Ok(_) => panic!("{expected}: was accepted"),
            Err(error) => error,
        };
        assert!(error.to_string().contains(expected), "{error}");
    };
    let private = Want::new("", Channel::Orders);
    check(&common::duedex(), private, "give an API key and secret");
    check(&common::duedex(), Want::new("*", Channel::Mark), "has no channel mark");
    let product = Want { product: Some("options".into()), symbol: "*".into(), channel: Channel::Book };
    check(&common::doex(), product, "it has spot, futures");
}

/// What was told of streams.
#[derive(Default)]
struct Told {
    left: Vec<String>,
    gaps: Vec<String>,
    faults: Vec<String>,
    names: std::collections::BTreeMap<venuekit_session::StreamId, String>,
    books: std::collections::BTreeMap<String, u64>,
    judge: Judge,
}

impl Watch<VenueSim> for Told {
    fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
        match emission.event {
            Event::Stream(info) => {
                let name = info.symbol.as_ref().map(ToString::to_string).unwrap_or_default();
                self.names.insert(info.stream, name);
            }
            Event::GapOpened(gap) => self.gaps.push(format!("{} {}", self.names[&gap.stream], gap.gap)),
            Event::Left { stream } => self.left.push(self.names[stream].clone()),
            Event::Fault { fault, .. } => self.faults.push(fault.to_string()),
            Event::Book(change) => *self.books.entry(self.names[&change.stream].clone()).or_default() += 1,
            _ => {}
        }
        self.judge.event(now, emission, sim);
    }

    fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
        self.judge.round(now, session, sim);
    }
}

#[test]
fn what_is_followed_changes_while_it_runs_and_the_rest_is_left_alone() {
    for (name, subject) in common::subjects() {
        let listed: Vec<String> = {
            let mut rig = rig(&subject, Arc::clone(&subject.venue), vec![Want::new("*", Channel::Book)]);
            rig.run_for(Duration::from_secs(5), &mut ());
            rig.session.streams().map(|s| s.info.symbol.as_ref().expect("a market").to_string()).collect()
        };
        let book = |symbol: &String| Want::new(symbol.clone(), Channel::Book);
        let [first, second, third, ..] = &listed[..] else { panic!("{name} lists few: {listed:?}") };
        let mut rig = rig(&subject, Arc::clone(&subject.venue), vec![book(first), book(second)]);
        let mut told = Told::default();
        let live = |count: usize| {
            move |rig: &Rig<VenueSim>| rig.session.streams().count() == count && unhealed(rig).is_empty()
        };
        assert!(rig.run_until(Duration::from_secs(30), &mut told, live(2)), "{name}: {:?}", unhealed(&rig));
        let connects = rig.connects().len();
        told.gaps.clear();
        let follow = |wants: Vec<Want>| Input::Command(Command::Follow(wants));
        // One stays, one goes, one comes, and one is nowhere.
        rig.tell(follow(vec![book(second), book(third), Want::new("NO/WHERE", Channel::Book)]), &mut told);
        assert!(told.faults.len() == 1 && told.faults[0].contains("lists no NO/WHERE"), "{:?}", told.faults);
        assert_eq!(told.left.len(), 1, "{name}");
        assert!(rig.run_until(Duration::from_secs(30), &mut told, live(2)), "{name}: {:?}", unhealed(&rig));
        let of_left = told.books[&told.left[0]];
        rig.run_for(Duration::from_secs(5), &mut told);
        assert_eq!(told.books[&told.left[0]], of_left, "{name}: what nobody follows is told");
        // It can come back, as a stream of its own.
        rig.tell(follow(vec![book(first), book(second), book(third)]), &mut told);
        assert!(rig.run_until(Duration::from_secs(30), &mut told, live(3)), "{name}: {:?}", unhealed(&rig));
        rig.run_for(Duration::from_secs(5), &mut told);
        assert!(told.books[&told.left[0]] > of_left, "{name}: what came back is silent");
        let is_one_line = [first, second, third].iter().all(|s| s.contains(':') == first.contains(':'));
        assert!(!is_one_line || rig.connects().len() == connects, "{name}: a connection was opened for it");
        assert!(told.gaps.is_empty(), "{name}: what stayed was disturbed: {:?}", told.gaps);
        assert!(told.judge.divergences.is_empty(), "{name}: {:?}", told.judge.divergences);
        // With nothing left, nothing is open.
        rig.tell(follow(Vec::new()), &mut told);
        rig.run_for(Duration::from_secs(1), &mut told);
        assert_eq!((rig.session.streams().count(), rig.session_conn()), (0, None), "{name}");
    }
}

/// Whether one of the times that something is to happen is left, and takes it.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// A subscription that the venue answers with a close stops its stream, after few attempts, and no other.
#[test]
fn a_close_in_answer_to_a_subscription_stops_that_stream_alone() {
    let subject = common::duedex();
    // It subscribes to an instrument that does not exist instead of this one.
    let wrong = Tweaked::new(Arc::clone(&subject.venue), |_| {}).saying(|bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("\"ETHUSDT\"", "\"NOPE\"").into_bytes();
    });
    let mut rig = rig(&subject, Arc::new(wrong), vec![Want::new("*", Channel::Book)]);
    let mut judge = Judge::new();
    rig.run_for(Duration::from_secs(120), &mut judge);
    for status in rig.session.streams() {
        let bad = status.info.venue_symbol == "ETHUSDT";
        let kind = status.stopped.map(|fault| fault.kind);
        assert_eq!(kind, bad.then_some(FaultKind::BadRequest), "{}", status.info.venue_symbol);
        assert_eq!(status.state == State::Live, !bad, "{}", status.info.venue_symbol);
    }
    assert!(rig.connects().len() <= 6, "SEED={SEED}: {} connections", rig.connects().len());
    assert!(judge.divergences.is_empty(), "SEED={SEED}: {:?}", judge.divergences);
}

/// Digits beyond the scale: the terms are read anew, the book starts over at the right scale, and nothing is rounded.
#[test]
fn prices_finer_than_the_listed_scale_reload_the_instrument() {
    struct Causes(Vec<Cause>);
    impl Watch<VenueSim> for Causes {
        fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
            if let Event::State { gap: Some(gap), .. } = emission.event {
                self.0.push(gap.cause);
            }
        }
    }
    for subject in [common::doex(), common::duedex()] {
        // Its list is too coarse, twice.
        let coarse = AtomicU32::new(2);
        let venue = Tweaked::new(Arc::clone(&subject.venue), |_| {}).reading(move |_, ask, out| {
            if ask == Some(&Ask::Instruments) && take(&coarse) {
                for instrument in &mut out.instruments {
                    instrument.price_scale = Scale::ZERO;
                    instrument.tick = Price(1);
                }
            }
        });
        let mut rig = rig(&subject, Arc::new(venue), vec![Want::new("*", Channel::Book)]);
        let mut causes = Causes(Vec::new());
        rig.run_for(Duration::from_secs(30), &mut causes);
        assert!(
            causes.0.iter().any(|cause| matches!(cause, Cause::BadNumber | Cause::Rescaled)),
            "{:?}",
            causes.0
        );
        let mut judge = Judge::new();
        let healed = rig.run_until(Duration::from_secs(60), &mut judge, |rig| unhealed(rig).is_empty());
        assert!(healed, "SEED={SEED}: {:?}", unhealed(&rig));
        for status in rig.session.streams() {
            assert!(status.info.price_scale > Scale::ZERO, "{}", status.info.venue_symbol);
        }
    }
}

/// A list that lacks a row is no whole state: an order that is left out of it would read as gone.
#[test]
fn a_state_that_lacks_a_row_is_asked_for_again_and_never_taken_as_whole() {
    let subject = common::doex();
    let short = Arc::new(AtomicU32::new(3));
    let wrong = Tweaked::new(Arc::clone(&subject.venue), |_| {}).reading({
        let short = Arc::clone(&short);
        move |_, ask, out| {
            if matches!(ask, Some(Ask::OpenOrders { .. })) && take(&short) {
                let broken = Broken { why: BrokenWhy::UnknownMarket, detail: "NEW".into(), topic: None };
                out.events.push(venuekit_venue::Event::Broken(broken));
            }
        }
    });
    let start = Rig::<VenueSim>::epoch();
    let sim =
        (subject.sim)(SimSeed { seed: SEED, start, rate: 50, history: 1_024, faults: FaultPlan::default() });
    let want = Want { product: Some("spot".into()), symbol: String::new(), channel: Channel::Orders };
    let credentials = Some(Keys::from_seed(SEED).doex);
    let config = Config { wants: vec![want], seed: SEED, credentials, ..Config::default() };
    let session = Session::new(Arc::new(wrong), config).expect("valid wishes");
    let mut rig = Rig::new(session, sim, start, SEED);
    let live = |rig: &Rig<VenueSim>| rig.session.streams().any(|stream| stream.state == State::Live);
    let up = rig.run_until(Duration::from_secs(60), &mut (), live);
    assert!(up, "SEED={SEED}: it never became live");
    assert_eq!(short.load(Ordering::Relaxed), 0, "SEED={SEED}: a short list was taken as whole");
}
