//! Cancelling everything while things go wrong: orders that the client never heard of, cancels that are refused and
//! never answered, a fill and a new order in the middle.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use venuekit_session::gate::{Scope, Step as Want, Sweep};
use venuekit_session::{AskCommand, Command, CommandId, Config, Done, Emission, Event, Input, Session};
use venuekit_sim::faults::{self, Fault as SimFault, FaultPlan};
use venuekit_sim::venue::VenueSim;
use venuekit_sim::wallets::Ticket;
use venuekit_sim::world::Step;
use venuekit_types::{Now, Side};
use venuekit_venue::{AskKind, Fault, Lane, OrderPatch, Row};

use crate::rig::{Rig, Watch};
use crate::scenario::{SimSeed, Subject};

/// One way of a message; twice that is a round trip.
const WAY: Duration = Duration::from_millis(25);
/// When, after the beginning, an order fills and another one appears.
const MIDDLE: Duration = Duration::from_millis(60);
/// When a sweep that is not over is looked at no more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How finely time passes.
const TICK: Duration = Duration::from_millis(1);

/// How a sweep went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Orders that were open at its beginning.
    pub before: usize,
    /// When the last cancel of the first wave left, which together reach every order.
    pub dispatched: Duration,
    /// When the last cancel of all left.
    pub last_cancel: Duration,
    /// When everything had been read as empty twice, if it was.
    pub confirmed: Option<Duration>,
    /// Cancels that left.
    pub cancels: usize,
    /// What was reported as still open, one after another.
    pub reported: Vec<usize>,
    /// What the venue holds at the end.
    pub left: usize,
    /// Fills that came in between.
    pub fills: usize,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Digest of everything that crossed the link.
    pub trace: String,
}

/// How commands ended, with their rows.
#[derive(Default)]
struct Ends {
    rows: BTreeMap<u64, Vec<OrderPatch>>,
    ended: Vec<(u64, Result<Vec<OrderPatch>, Fault>)>,
}

impl Watch<VenueSim> for Ends {
    fn event(&mut self, _: Now, emission: Emission<'_>, _: &VenueSim) {
        match emission.event {
            Event::Answered { id, rows, .. } => {
                let order = |row: &Row| match row {
                    Row::Order(order) => Some(order.clone()),
                    _ => None,
                };
                self.rows.entry(id.0).or_default().extend(emission.rows(rows).iter().filter_map(order));
            }
            Event::Done { id, done } => {
                let rows = self.rows.remove(&id.0).unwrap_or_default();
                let end = match done {
                    Done::Accepted => Ok(rows),
                    Done::Rejected(fault) | Done::NotSent(fault) | Done::Unknown(fault) => Err(fault.clone()),
                };
                self.ended.push((id.0, end));
            }
            _ => {}
        }
    }
}

/// Cancels `orders` orders at a venue, over a link of 50 ms there and back, with these faults waiting for it.
pub fn run(subject: &Subject, seed: u64, orders: usize, faults: &[SimFault]) -> Outcome {
    let start = Rig::<VenueSim>::epoch();
    let sim_seed = SimSeed { seed, start, rate: 20, history: 16, faults: FaultPlan::default() };
    let specs = subject.venue.specs();
    // As the gateway does: what trades another's markets has to be named.
    let takes = |at: &usize| specs[*at].orders.is_some() && specs[*at].markets_of.is_none();
    let products: Vec<usize> = (0..specs.len()).filter(takes).collect();
    let config = Config {
        products: products.iter().map(|at| specs[*at].product.clone()).collect(),
        credentials: subject.credentials.map(|make| make(seed)),
        seed,
        ..Config::default()
    };
    let session = Session::new(Arc::clone(&subject.venue), config).expect("the products exist");
    let mut rig = Rig::new(session, (subject.sim)(sim_seed), start, seed);
    (rig.weather.latency_min, rig.weather.latency_max) = (WAY, WAY);
    let mut ends = Ends::default();
    rig.run_for(Duration::from_secs(3), &mut ends);
    // The demo account's own orders are in nobody's way.
    let before = fill_up(&mut rig, &products, orders);
    let now = rig.now();
    for fault in faults {
        rig.front.inject(now, faults::Command::all(fault.clone()));
    }
    let fills = rig.front.account().fills().count();
    let began = rig.now().mono;
    let (mut sweep, mut tickets, mut reported) = (Sweep::new(products.len()), BTreeMap::new(), Vec::new());
    let (mut next, mut middle, mut confirmed) = (0, false, None);
    // Nothing was read while the first wave left.
    let mut first_wave = None;
    while rig.now().mono.since(began) < PATIENCE {
        let now = rig.now().mono;
        match sweep.poll(now, 0) {
            Want::Scope { product } => {
                sweep.on_scope(now, product, Scope::of(&rig.session, products[product]))
            }
            Want::Ask { ticket, product, ask } => {
                next += 1;
                tickets.insert(next, ticket);
                if ask.kind() == AskKind::OpenOrders && first_wave.is_none() {
                    first_wave = Some(now.since(began));
                }
                let (id, product) = (CommandId(next), products[product]);
                let command = AskCommand { id, product, ask, lane: Some(Lane::Cancel), within: None };
                rig.tell(Input::Command(Command::Ask(Box::new(command))), &mut ends);
            }
            Want::Read { .. } => {}
            Want::Left(open) => reported.push(open),
            Want::Flat => {
                confirmed = Some(now.since(began));
                break;
            }
            Want::Wait(until) => {
                let span = until.since(now).min(TICK).max(Duration::from_nanos(1));
                rig.run_for(span, &mut ends);
                if !middle && rig.now().mono.since(began) >= MIDDLE {
                    middle = true;
                    disturb(&mut rig, products[0]);
                }
            }
        }
        for (id, end) in core::mem::take(&mut ends.ended) {
            if let Some(ticket) = tickets.remove(&id) {
                sweep.on_end(ticket, end);
            }
        }
    }
    let is_cancel = |kind: AskKind| matches!(kind, AskKind::Cancel | AskKind::CancelAll);
    let cancels: Vec<Duration> = rig
        .requests()
        .iter()
        .filter(|sent| sent.at >= began && is_cancel(sent.kind))
        .map(|sent| sent.at.since(began))
        .collect();
    let wave = cancels.iter().filter(|at| first_wave.is_none_or(|read| **at <= read));
    Outcome {
        before,
        dispatched: wave.max().copied().unwrap_or(Duration::MAX),
        last_cancel: cancels.iter().max().copied().unwrap_or(Duration::MAX),
        confirmed,
        cancels: cancels.len(),
        reported,
        left: rig.front.account().open_orders().count(),
        fills: rig.front.account().fills().count() - fills,
        faults: rig.front.fault_log().counts().clone(),
        trace: rig.trace(),
    }
}

/// The index of the first market of a product in the venue's own world.
fn market_of(rig: &Rig<VenueSim>, product: usize) -> usize {
    let catalog = rig.session.catalog(product);
    let symbols = catalog.iter().map(|(_, instrument)| instrument.symbol.to_string());
    symbols.into_iter().find_map(|symbol| rig.front.market(&symbol)).expect("the venue lists what it trades")
}

/// Rests so many orders of the account, spread over the products, behind the session's back.
fn fill_up(rig: &mut Rig<VenueSim>, products: &[usize], orders: usize) -> usize {
    for number in 0..orders {
        let market = market_of(rig, products[number % products.len()]);
        submit(rig, market, 97);
    }
    rig.front.account().open_orders().count()
}

/// An order takes from the market, and another one rests, while everything is being cancelled.
fn disturb(rig: &mut Rig<VenueSim>, product: usize) {
    let market = market_of(rig, product);
    submit(rig, market, 102);
    submit(rig, market, 96);
}

/// The smallest buy that the venue takes, at a price in parts of a hundred of the market's.
fn submit(rig: &mut Rig<VenueSim>, market: usize, percent: i64) {
    let (owner, at_ms) = (rig.front.owner(), rig.front.world().wall_ms(rig.now().mono));
    let spec = &rig.front.world().markets()[market].spec;
    let price = spec.on_tick(rig.front.world().markets()[market].last_price() / 100 * percent, Side::Buy);
    let sizes = core::iter::successors(Some(spec.step), |size| Some(size * 2)).take(40);
    let placed = sizes.into_iter().any(|qty| {
        let ticket = Ticket::new(owner, market, Side::Buy, qty, Some(price));
        rig.front.world_mut().submit(ticket, at_ms).is_ok()
    });
    assert!(placed, "the account can pay for it");
    rig.front.world_mut().flush(market, at_ms, &mut Step::default());
}
