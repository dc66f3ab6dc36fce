//! Requests under pressure: a flood of polls beside a few cancels, and clocks that jump.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use venuekit_session::{AskCommand, Command, CommandId, Config, Done, Emission, Event, Input, Session};
use venuekit_sim::faults::{self, FaultPlan};
use venuekit_sim::venue::VenueSim;
use venuekit_types::{Mono, Now};
use venuekit_venue::{Ask, AskKind, Fault, FaultKind, Lane, MarketId, OrderRef};

use crate::rig::{Rig, Watch};
use crate::scenario::{SimSeed, Subject};

/// How many times its budget a flood asks for.
const FLOOD: u32 = 100;

/// How a flood went.
#[derive(Clone, Debug)]
pub struct Flood {
    /// What each cancel waited before it left, shortest first.
    pub waits: Vec<Duration>,
    /// The share of the budget that was used, in parts of a thousand.
    pub used_permille: u32,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Refusals for a budget, with whatever status and words the venue has for them.
    pub limited: u64,
    /// Bans and lockouts.
    pub banned: u64,
    /// Polls that found no place in the queue, and were told so.
    pub turned_away: u64,
}

/// How a run with jumping clocks went.
#[derive(Clone, Debug)]
pub struct Jumps {
    /// Jumps of either clock.
    pub events: u64,
    /// Calls that the venue refused for their time.
    pub refused: u64,
    /// Calls that ended well.
    pub accepted: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Stamps that were used twice.
    pub doubled: usize,
    /// Alarms that were raised.
    pub alarms: u64,
}

#[derive(Default)]
struct Ends {
    accepted: u64,
    not_sent: u64,
    other: u64,
    clock_faults: u64,
    alarms: u64,
    limited: u64,
    banned: u64,
}

impl Ends {
    /// The venue refused something.
    fn refused(&mut self, fault: &Fault) {
        match fault.kind {
            FaultKind::Clock => self.clock_faults += 1,
            FaultKind::RateLimited => self.limited += 1,
            FaultKind::Banned => self.banned += 1,
            _ => {}
        }
    }
}

impl Watch<VenueSim> for Ends {
    fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
        match emission.event {
            Event::Done { done: Done::Accepted, .. } => self.accepted += 1,
            Event::Done { done: Done::NotSent(_), .. } => self.not_sent += 1,
            Event::Done { done, .. } => {
                self.other += 1;
                if let Done::Rejected(fault) = done {
                    self.refused(fault);
                }
            }
            Event::Fault { fault, .. } => self.refused(fault),
            Event::Clock { alarm: true, .. } => self.alarms += 1,
            _ => {}
        }
    }
}

fn rig(subject: &Subject, product: usize, seed: u64, client_ahead: i64) -> Rig<VenueSim> {
    let start = Rig::<VenueSim>::epoch();
    let sim_seed = SimSeed { seed, start, rate: 1, history: 16, faults: FaultPlan::default() };
    let config = Config {
        products: vec![subject.venue.specs()[product].product.clone()],
        credentials: subject.credentials.map(|make| make(seed)),
        seed,
        ..Config::default()
    };
    let session = Session::new(Arc::clone(&subject.venue), config).expect("the product exists");
    let mut rig = Rig::new(session, (subject.sim)(sim_seed), start, seed);
    rig.client_ahead = client_ahead;
    rig
}

fn ask(rig: &mut Rig<VenueSim>, ends: &mut Ends, id: u64, product: usize, ask: Ask) {
    let command = AskCommand { id: CommandId(id), product, ask, lane: None, within: None };
    rig.tell(Input::Command(Command::Ask(Box::new(command))), ends);
}

/// Asks for a hundred times more polls than the weight budget holds, and for one cancel a second.
pub fn flood(subject: &Subject, product: usize, seed: u64, minutes: u32) -> Flood {
    let spec = &subject.venue.specs()[product];
    let budget = spec.budgets.first().expect("the venue has a budget");
    let (mut rig, mut ends) = (rig(subject, product, seed, 0), Ends::default());
    rig.run_for(Duration::from_secs(2), &mut ends);
    let poll = Ask::Balances { wallet: spec.wallets[0] };
    assert_eq!(poll.kind().lane(), Lane::Poll, "what floods is the least urgent");
    // What one poll draws, as the adapter says.
    let catalog = rig.session.catalog(product).clone();
    let place = venuekit_venue::Place { product, socket: 0, catalog: &catalog };
    let weighed = |ask: &Ask| subject.venue.ask(place, ask).map_or(1, |request| request.weight);
    let order = OrderRef::Client("0".repeat(32));
    let weights = [weighed(&poll), weighed(&Ask::Cancel { market: MarketId(0), order })];
    // What a minute gives back, whatever the venue's own span is.
    let span = u32::try_from(budget.window.span().as_secs()).unwrap_or(u32::MAX).max(1);
    let per_minute = budget.capacity * 60 / span;
    let polls = (per_minute * FLOOD / weights[0] / 240).max(1);
    let (mut next, mut cancels) = (0, Vec::new());
    let began = rig.now().mono;
    for quarter in 0..minutes * 240 {
        for _ in 0..polls {
            next += 1;
            ask(&mut rig, &mut ends, next, product, poll.clone());
        }
        if quarter % 4 == 0 {
            next += 1;
            cancels.push(rig.now().mono);
            let order = OrderRef::Client(format!("{next:032x}"));
            ask(&mut rig, &mut ends, next, product, Ask::Cancel { market: MarketId(0), order });
        }
        rig.run_for(Duration::from_millis(250), &mut ends);
    }
    let left = rig.requests().iter().filter(|sent| sent.at >= began);
    let left_at: Vec<Mono> =
        left.clone().filter(|sent| sent.kind == AskKind::Cancel).map(|sent| sent.at).collect();
    let weight_of = |kind| match kind {
        AskKind::Balances => weights[0],
        AskKind::Cancel => weights[1],
        _ => 1,
    };
    let drawn: u64 = left.map(|sent| u64::from(weight_of(sent.kind))).sum();
    let whole = u64::from(per_minute) * u64::from(minutes);
    let mut waits: Vec<Duration> =
        cancels.iter().zip(&left_at).map(|(asked, left)| left.since(*asked)).collect();
    // One that never left waited for ever.
    waits.resize(cancels.len(), Duration::MAX);
    waits.sort();
    Flood {
        waits,
        used_permille: u32::try_from(drawn * 1_000 / whole).unwrap_or(u32::MAX),
        statuses: rig.statuses().clone(),
        limited: ends.limited,
        banned: ends.banned,
        turned_away: ends.not_sent,
    }
}

/// Calls five times a second while the local clock is off and steps, and the venue's is set anew.
pub fn jumps(subject: &Subject, product: usize, seed: u64, rounds: u32) -> Jumps {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut rig, mut ends) =
        (rig(subject, product, seed, dice.i64(-5_000..=5_000) * 1_000_000), Ends::default());
    let poll = Ask::Balances { wallet: subject.venue.specs()[product].wallets[0] };
    let (mut next, mut events) = (0, 0);
    rig.run_for(Duration::from_secs(1), &mut ends);
    for round in 0..rounds {
        for _ in 0..50 {
            next += 1;
            ask(&mut rig, &mut ends, next, product, poll.clone());
            rig.run_for(Duration::from_millis(200), &mut ends);
        }
        events += 1;
        let now = rig.now();
        match round % 3 {
            0 => rig.client_ahead += 2_000_000_000,
            1 => rig.client_ahead -= 3_600_000_000_000,
            _ => rig.front.inject(now, faults::Command::all(faults::Fault::Skew(dice.i64(6_000..20_000)))),
        }
    }
    rig.run_for(Duration::from_secs(5), &mut ends);
    let stamps: Vec<String> = rig
        .requests()
        .iter()
        .filter_map(|sent| Some(sent.text.split_once("timestamp=")?.1.split('&').next()?.to_owned()))
        .collect();
    let doubled = stamps.len() - stamps.iter().collect::<BTreeSet<_>>().len();
    let (accepted, failed) = (ends.accepted, ends.not_sent + ends.other);
    Jumps { events, refused: ends.clock_faults, accepted, failed, doubled, alarms: ends.alarms }
}
