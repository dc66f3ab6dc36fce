//! Days and weeks of virtual time in one session: what small leaks, false alarms and rare orders of events need in order
//! to show.
//!
//! A calm run must raise no false alarm of drift. A troubled one must name a cause for every departure from live, and be
//! whole again in the end.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use venuekit_book::{Cause, State};
use venuekit_session::{Config, Emission, Event, Input, Session, StreamId};
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_types::Now;

use crate::oracle::Judge;
use crate::rig::{Rig, Watch};
use crate::scenario::{HEAL_WITHIN, SILENCE, SimSeed, Subject, unhealed, wants};

/// Book messages a second over all markets.
const RATE: u32 = 2;
const HOUR: Duration = Duration::from_secs(3_600);
/// Departures described before the rest is only counted.
const DESCRIBED: usize = 20;

/// How a long run went.
#[derive(Debug, Default)]
pub struct Endured {
    /// What was compared with the truth, and what differed.
    pub judge: Judge,
    /// Live books that were held against their venue and found to be the venue's.
    pub audits: u64,
    /// Departures from live, by cause.
    pub departures: BTreeMap<&'static str, u64>,
    /// Departures that no gap and no reason stands for.
    pub unexplained: Vec<String>,
    /// Streams that are not live in the end, though nothing has been wrong for long.
    pub unhealed: Vec<String>,
    /// Gaps that are open and not told to have healed.
    open: BTreeSet<StreamId>,
    stopped: BTreeSet<StreamId>,
}

impl Endured {
    /// Books that were told to have drifted.
    pub fn drifts(&self) -> u64 {
        self.departures.get(Cause::Drift.as_str()).copied().unwrap_or(0)
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.judge.divergences.is_empty() && self.unexplained.is_empty() && self.unhealed.is_empty()
    }
}

impl Watch<VenueSim> for Endured {
    fn event(&mut self, now: Now, emission: Emission<'_>, sim: &VenueSim) {
        match emission.event {
            Event::GapOpened(opened) => {
                self.open.insert(opened.stream);
                *self.departures.entry(opened.gap.cause.as_str()).or_default() += 1;
            }
            Event::GapHealed(healed) => {
                self.open.remove(&healed.stream);
            }
            Event::Stopped { stream, .. } => {
                self.stopped.insert(*stream);
            }
            Event::State { stream, from: State::Live, to, .. } => {
                let is_told = self.open.contains(stream) || self.stopped.contains(stream);
                if !is_told && self.unexplained.len() < DESCRIBED {
                    self.unexplained
                        .push(format!("stream {} went {to} at {} without a word", stream.0, now.wall.0));
                }
            }
            Event::State { stream, to: State::Live, .. } => {
                self.stopped.remove(stream);
            }
            _ => {}
        }
        self.judge.event(now, emission, sim);
    }

    fn round(&mut self, now: Now, session: &Session, sim: &VenueSim) {
        self.judge.round(now, session, sim);
    }
}

/// Runs one session for so many hours: in peace, or through a life of faults, of which some hours are bad.
///
/// A login that was refused for no fault of the key's stops the account's streams; within the hour somebody gives the
/// same key once more, as a person would.
pub fn run(subject: &Subject, seed: u64, hours: u32, is_troubled: bool) -> Endured {
    let mut dice = fastrand::Rng::with_seed(seed);
    let start = Rig::<VenueSim>::epoch();
    let faults = FaultPlan::default();
    let sim = (subject.sim)(SimSeed { seed: dice.u64(..), start, rate: RATE, history: 4_096, faults });
    let credentials = subject.credentials.map(|make| {
        // The simulator's own seed made its key.
        let mut dice = fastrand::Rng::with_seed(seed);
        make(dice.u64(..))
    });
    let config = Config {
        wants: wants(subject.venue.as_ref(), credentials.is_some()),
        credentials: credentials.clone(),
        seed: dice.u64(..),
        ..Config::default()
    };
    let session = Session::new(Arc::clone(&subject.venue), config).expect("every channel can be asked for");
    let mut rig = Rig::new(session, sim, start, dice.u64(..));
    let mut endured = Endured::default();
    for _ in 0..hours {
        if is_troubled {
            let profile = ["none", "light", "light", "light", "light", "heavy"][dice.usize(..6)];
            let plan = FaultPlan::profile(profile, dice.u64(..)).expect("the profiles exist");
            let now = rig.now();
            rig.front.set_faults(now, plan);
            if let Some(credentials) = credentials.as_ref().filter(|_| !endured.stopped.is_empty()) {
                rig.tell(Input::Credentials { credentials }, &mut endured);
            }
        }
        rig.run_for(HOUR, &mut endured);
    }
    let now = rig.now();
    rig.front.set_faults(now, FaultPlan::default());
    if let Some(credentials) = credentials.as_ref().filter(|_| !endured.stopped.is_empty()) {
        rig.tell(Input::Credentials { credentials }, &mut endured);
    }
    rig.run_for(SILENCE, &mut endured);
    rig.run_until(HEAL_WITHIN, &mut endured, |rig| unhealed(rig).is_empty());
    endured.audits = rig.session.audits();
    endured.unhealed = unhealed(&rig);
    endured
}
