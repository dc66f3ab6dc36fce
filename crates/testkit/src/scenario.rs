//! Seeded runs of one session against one simulated venue under faults: what `prove` repeats by the thousand.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use venuekit_book::State;
use venuekit_session::{Config, Session, StreamInfo, Want};
use venuekit_sign::Credentials;
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_types::Now;
use venuekit_venue::Venue;

use crate::oracle::Judge;
use crate::rig::Rig;

/// What is put to the test: an adapter, and the simulated venue that it speaks to.
pub struct Subject {
    /// The adapter.
    pub venue: Arc<dyn Venue>,
    /// Makes the venue for one run.
    pub sim: fn(SimSeed) -> VenueSim,
    /// The key of the simulator's demo account, where the adapter has private channels that can be followed.
    pub credentials: Option<fn(u64) -> Credentials>,
    /// The name by which the simulator strikes the stream of a book.
    pub book_stream: fn(&StreamInfo) -> String,
}

/// What a simulated venue is made from in one run.
#[derive(Clone, Debug)]
pub struct SimSeed {
    /// Of everything in it.
    pub seed: u64,
    /// When it begins.
    pub start: Now,
    /// Book messages a second over all markets.
    pub rate: u32,
    /// Book messages remembered per market, for the judge.
    pub history: usize,
    /// What goes wrong.
    pub faults: FaultPlan,
}

/// How one run went.
#[derive(Debug)]
pub struct Outcome {
    /// The judge, with every difference it found.
    pub judge: Judge,
    /// Streams that were not live after the faults had ended and time was given to heal.
    pub unhealed: Vec<String>,
    /// Faults the simulator did, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Digest of everything that crossed the link.
    pub trace: String,
    /// Frames the session read.
    pub frames: u64,
}

impl Outcome {
    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.judge.divergences.is_empty() && self.unhealed.is_empty()
    }
}

/// How long faults last in one run, in virtual time.
pub const FAULTS_FOR: Duration = Duration::from_secs(30);
/// How long a stream may be silent before it is found out.
pub const SILENCE: Duration = Duration::from_secs(62);
/// How long healing may take after that.
pub const HEAL_WITHIN: Duration = Duration::from_secs(120);

/// Runs one seed: faults for a while, then peace, in which everything must heal.
///
/// The seed chooses the fault profile, the rate of the markets and the latency of the link. With `log`, the judge
/// keeps every event in words.
pub fn run(subject: &Subject, seed: u64, log: bool) -> Outcome {
    let mut dice = fastrand::Rng::with_seed(seed);
    let profile = if dice.u8(0..3) == 0 { "light" } else { "heavy" };
    let faults = FaultPlan::profile(profile, dice.u64(..)).expect("both profiles exist");
    let rate = dice.u32(20..=120);
    let latency_max = Duration::from_millis(dice.u64(5..=80));
    let start = Rig::<VenueSim>::epoch();
    let sim_seed = SimSeed { seed: dice.u64(..), start, rate, history: 4_096, faults };
    let credentials = subject.credentials.map(|make| make(sim_seed.seed));
    let config = Config {
        wants: wants(subject.venue.as_ref(), credentials.is_some()),
        credentials,
        seed: dice.u64(..),
        ..Config::default()
    };
    let session =
        Session::new(Arc::clone(&subject.venue), config).expect("every public channel can be asked for");
    let mut rig = Rig::new(session, (subject.sim)(sim_seed), start, dice.u64(..));
    rig.weather.latency_max = latency_max;
    let mut judge = Judge::new();
    judge.log = log.then(Vec::new);
    rig.run_for(FAULTS_FOR, &mut judge);
    let now = rig.now();
    rig.front.set_faults(now, FaultPlan::default());
    rig.front.set_rate(now, 20);
    // A stream that fell silent just now is found out after its data deadline.
    rig.run_for(SILENCE, &mut judge);
    rig.run_until(HEAL_WITHIN, &mut judge, |rig| unhealed(rig).is_empty());
    rig.run_for(Duration::from_secs(2), &mut judge);
    // What was found out only now, since the question had to wait for its budget, has as long.
    rig.run_until(HEAL_WITHIN, &mut judge, |rig| unhealed(rig).is_empty());
    let mut unhealed = unhealed(&rig);
    if unhealed.is_empty() && subject.credentials.is_some() && !rest(&mut rig, &mut judge) {
        unhealed.push("the account was never told as a whole".to_owned());
    }
    let faults = rig.front.fault_log().counts().clone();
    // Logins refused twice in a row stop the private streams, as they should: that is no failure to heal.
    let refused =
        faults.contains_key("refuse_login") && unhealed.iter().all(|text| text.contains("credentials"));
    Outcome {
        unhealed: if refused { Vec::new() } else { unhealed },
        faults,
        trace: rig.trace(),
        frames: rig.session.report().frames,
        judge,
    }
}

/// Lets the markets stand still until the whole account was told again, then compares it with the simulator's books;
/// false when it never was.
fn rest(rig: &mut Rig<VenueSim>, judge: &mut Judge) -> bool {
    let now = rig.now();
    rig.front.set_rate(now, 0);
    // What was under way arrives, and nothing that counts moves any more.
    rig.run_for(Duration::from_secs(5), judge);
    let since = rig.now().mono;
    let end = since.plus(HEAL_WITHIN);
    while !judge.knows_account_since(&rig.session, since) {
        if rig.now().mono >= end {
            return false;
        }
        rig.run_for(Duration::from_secs(1), judge);
    }
    judge.compare_account(&rig.session, &rig.front);
    true
}

/// Every channel of every symbol; private ones where there is a key.
pub fn wants(venue: &dyn Venue, private: bool) -> Vec<Want> {
    let mut wants = Vec::new();
    for spec in venue.specs() {
        for socket in &spec.sockets {
            for &channel in &socket.carries {
                let symbol = if channel.is_private() { "" } else { "*" };
                let want = Want { product: None, symbol: symbol.to_owned(), channel };
                if (private || !channel.is_private()) && !wants.contains(&want) {
                    wants.push(want);
                }
            }
        }
    }
    wants
}

/// Streams that ought to be live and are not, in words.
pub fn unhealed(rig: &Rig<VenueSim>) -> Vec<String> {
    let mut found: Vec<String> = rig
        .session
        .streams()
        .filter(|stream| stream.state != State::Live)
        .map(|stream| {
            let (info, gap) = (stream.info, stream.gap);
            let why = gap.map(|gap| gap.to_string()).unwrap_or_default();
            let stopped = stream.stopped.map(|fault| format!(", stopped: {fault}")).unwrap_or_default();
            format!("{} {} is {} {why}{stopped}", info.venue_symbol, info.channel, stream.state)
        })
        .collect();
    if rig.session.streams().next().is_none() {
        found.push("there is no stream at all".to_owned());
    }
    found
}
