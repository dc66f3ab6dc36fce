//! Live books are held against their venue: a level that is wrong is found within a turn, and hours without a fault
//! raise no alarm.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use venuekit_book::Cause;
use venuekit_session::{Config, Emission, Event, Limits, Session, Want};
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_testkit::scenario::{SimSeed, Subject, unhealed};
use venuekit_testkit::{Judge, Rig, Tweaked, Watch};
use venuekit_types::{Mono, Now};
use venuekit_venue::{Channel, Venue};

/// The frame with the last digit of its last level changed; nothing where it has none.
fn flip(frame: &[u8]) -> Option<Vec<u8>> {
    let is_last = |window: &[u8]| window[0].is_ascii_digit() && (window[1] == b']' || &window[1..] == b"\"]");
    let at = frame.windows(3).rposition(is_last)?;
    let mut flipped = frame.to_vec();
    flipped[at] ^= 1;
    Some(flipped)
}

/// A venue of which one book message arrives with another quantity: what a bit that flips in memory comes to. `mark`
/// stands in such a message; `left` counts them until then.
fn flipped(inner: &Arc<dyn Venue>, mark: &'static str, left: &Arc<AtomicU32>) -> Arc<dyn Venue> {
    let left = Arc::clone(left);
    Arc::new(Tweaked::new(Arc::clone(inner), |_| {}).hearing(move |frame| {
        let is_marked = frame.windows(mark.len()).any(|window| window == mark.as_bytes());
        let flipped = is_marked.then(|| flip(frame)).flatten()?;
        let count = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        (count == Ok(1)).then_some(flipped)
    }))
}

/// What was told of gaps, and what the judge says of the books.
#[derive(Default)]
struct Told {
    judge: Judge,
    drifts: Vec<Mono>,
    /// When a live book was first not the true one.
    wrong: Option<Mono>,
}

impl Watch<VenueSim> for Told {
    fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
        if let Event::GapOpened(opened) = emission.event
            && opened.gap.cause == Cause::Drift
        {
            self.drifts.push(now.mono);
        }
        self.judge.event(now, emission, sim);
    }

    fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
        self.judge.round(now, session, sim);
        if !self.judge.divergences.is_empty() {
            self.wrong.get_or_insert(now.mono);
        }
    }
}

fn rig(subject: &Subject, venue: Arc<dyn Venue>, seed: u64, rate: u32, every: Duration) -> Rig<VenueSim> {
    let start = Rig::<VenueSim>::epoch();
    let sim = (subject.sim)(SimSeed { seed, start, rate, history: 4_096, faults: FaultPlan::default() });
    let limits = Limits { audit_every: every, ..Limits::default() };
    let wants = vec![Want::new("*", Channel::Book)];
    let session = Session::new(venue, Config { wants, seed, limits, ..Config::default() }).expect("valid");
    Rig::new(session, sim, start, seed)
}

/// B4: found within a turn of its book, and then the true book again. A level that changes again before is true by
/// itself, and nothing is left to find.
#[test]
fn a_level_that_is_wrong_is_found_within_a_turn_and_healed() {
    for (name, subject, mark) in
        [("doex", common::doex(), "depth"), ("duedex", common::duedex(), "\"update\"")]
    {
        let mut found = 0;
        for seed in 1..=8_u32 {
            let left = Arc::new(AtomicU32::new(150 + 37 * seed));
            let venue = flipped(&subject.venue, mark, &left);
            let mut rig = rig(&subject, venue, seed.into(), 40, Duration::from_secs(5));
            let mut told = Told::default();
            let is_flipped = |_: &Rig<VenueSim>| left.load(Ordering::Relaxed) == 0;
            let flips = rig.run_until(Duration::from_secs(60), &mut told, is_flipped);
            assert!(
                flips && told.drifts.is_empty(),
                "{name} SEED={seed}: an alarm before anything was wrong"
            );
            rig.run_for(Duration::from_secs(15), &mut told);
            assert!(told.drifts.len() <= 1, "{name} SEED={seed}: {} alarms", told.drifts.len());
            if let Some(drift) = told.drifts.first() {
                found += 1;
                let wrong = told.wrong.unwrap_or_else(|| panic!("{name} SEED={seed}: a false alarm"));
                let after = drift.since(wrong);
                assert!(after <= Duration::from_secs(7), "{name} SEED={seed}: found after {after:?}");
            }
            told.judge.divergences.clear();
            rig.run_for(Duration::from_secs(5), &mut told);
            assert_eq!(told.judge.divergences, Vec::<String>::new(), "{name} SEED={seed}");
            assert_eq!((unhealed(&rig).len(), told.judge.open_gaps()), (0, 0), "{name} SEED={seed}");
        }
        assert!(found >= 4, "{name}: only {found} of 8 wrong levels were found");
        println!("{name}: {found} of 8 wrong levels were found before they changed again");
    }
}

/// Hours in which every book is compared again and again, some of them on busy markets: nothing is called wrong.
/// `VENUEKIT_HOURS` makes it a day.
#[test]
fn hours_in_peace_raise_no_alarm() {
    let hours = std::env::var("VENUEKIT_HOURS").map_or(2, |hours| hours.parse().expect("a number"));
    let comparable = common::subjects()
        .into_iter()
        .filter(|(_, subject)| subject.venue.specs().iter().any(|spec| spec.has_second_book()));
    for (name, subject) in comparable {
        for (rate, span) in [(1, hours * 3_600), (60, hours * 300)] {
            let mut rig = rig(&subject, Arc::clone(&subject.venue), 3, rate, Duration::from_secs(60));
            let mut told = Told::default();
            rig.run_for(Duration::from_secs(span), &mut told);
            assert_eq!(told.drifts.len(), 0, "{name} SEED=3 rate {rate}");
            assert_eq!((told.judge.gaps, told.judge.divergences.len()), (0, 0), "{name} SEED=3 rate {rate}");
            // Four or five books, each once a minute after the first one.
            let (done, due) = (rig.session.audits(), (span / 60 - 1) * 4);
            assert!(
                done * 10 >= due * 9,
                "{name} rate {rate}: {done} of {due} comparisons came to something"
            );
        }
    }
}
