//! What a session does with bad wishes and with venues that change or refuse: no venue crate is at fault here.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use venuekit_book::{Cause, State};
use venuekit_session::{Config, ConfigError, Emission, Event, Session, Want};
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
