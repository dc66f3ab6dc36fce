//! Orders under loss: what reaches the venue, and what the client makes of it, when answers vanish and processes die.
//!
//! One run places intents one after another over a link that cuts, holds, truncates and doubles, kills the process
//! between the store and the socket and between the socket and the answer, and starts it again from its journal. Then
//! the venue's own books say who was right.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use venuekit_session::{
    AskCommand, Command, CommandId, Config, Done, Emission, Event, Input, Intent, Persist, Resolution,
    Session, Want,
};
use venuekit_sim::faults::FaultPlan;
use venuekit_sim::venue::VenueSim;
use venuekit_types::{Fixed, Mono, Now, Scale, Side};
use venuekit_venue::spec::{Budget, Draws};
use venuekit_venue::{
    Ask, AskKind, Channel, ClientIds, DataKind, FaultKind, MarketId, NewOrder, OrderPatch, OrderRef,
    OrderType, grid,
};

use crate::rig::{Rig, Watch};
use crate::scenario::{SimSeed, Subject};

/// How long an outcome may stay unknown while the venue answers.
pub const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// How one run went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Orders that were meant.
    pub intents: u64,
    /// How they ended, by word.
    pub ends: BTreeMap<&'static str, u64>,
    /// Times that the process was killed.
    pub kills: u64,
    /// What was wrong.
    pub wrong: Vec<String>,
    /// The longest that an outcome was unknown.
    pub unknown_for: Duration,
    /// Digest of everything that crossed the link.
    pub trace: String,
}

/// What the client knows of one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Under,
    /// Ended as unknown, or left over from a killed process, at that time.
    Unknown(Mono),
    There,
    Nowhere,
}

#[derive(Default)]
struct Client {
    outcome: Outcome,
    /// By command.
    known: BTreeMap<u64, Known>,
    /// Open orders by client id, as the private stream tells them.
    open: BTreeSet<String>,
    /// Requests that the venue refused for their time.
    refused_for_time: usize,
    /// When the venue refused to answer last: so many new processes can use up its budget.
    refused_at: Option<Mono>,
    /// How long that budget takes to be as it was.
    refills_in: Duration,
    /// Whether the venue gives so few requests that what is to be judged has to wait for them.
    is_small: bool,
    /// Rows of the message that is being told.
    pending: Vec<OrderPatch>,
}

impl Client {
    /// Whether more time is given before the venue's books are compared.
    fn is_patient(&self) -> bool {
        self.is_small || self.refused_at.is_some()
    }

    fn wrong(&mut self, text: String) {
        self.outcome.wrong.push(text);
    }

    fn ended(&mut self, now: Now, id: CommandId, word: &'static str, next: Known) {
        *self.outcome.ends.entry(word).or_default() += 1;
        let Some(&known) = self.known.get(&id.0) else { return };
        match (known, next) {
            (Known::Under, _) => {}
            (Known::Unknown(since), Known::There | Known::Nowhere) => {
                let span = now.mono.since(since);
                self.outcome.unknown_for = self.outcome.unknown_for.max(span);
                // One that refuses for its budget does not answer, nor does it until that has filled again.
                let answered = self.refused_at.is_none_or(|at| at.plus(self.refills_in) <= since);
                if span > UNKNOWN_FOR && answered {
                    self.wrong(format!("order {id} was unknown for {span:?}"));
                }
            }
            _ => self.wrong(format!("order {id} ended twice: {known:?}, then {word}")),
        }
        self.known.insert(id.0, next);
    }
}

impl Watch<VenueSim> for Client {
    fn event(&mut self, now: Now, emission: Emission<'_>, _: &VenueSim) {
        match emission.event {
            Event::Done { id, done } => {
                let next = match done {
                    Done::Accepted => Known::There,
                    Done::Rejected(_) | Done::NotSent(_) => Known::Nowhere,
                    Done::Unknown(_) => Known::Unknown(now.mono),
                };
                self.ended(now, *id, done.as_str(), next);
            }
            Event::Resolved { id, outcome } => {
                let next = match outcome {
                    Resolution::Found(_) => Known::There,
                    Resolution::NeverPlaced => Known::Nowhere,
                };
                self.ended(now, *id, outcome.as_str(), next);
            }
            Event::Fault { fault, .. } if fault.kind == FaultKind::Clock => self.refused_for_time += 1,
            Event::Fault { fault, .. } if fault.kind == FaultKind::RateLimited => {
                self.refused_at = Some(now.mono);
            }
            Event::Order { row, .. } => self.pending.push((**row).clone()),
            Event::Committed { kind, .. } => {
                if self.pending.is_empty() && *kind == DataKind::Update {
                    return;
                }
                if *kind == DataKind::Snapshot && !self.is_orders(emission) {
                    return;
                }
                if *kind == DataKind::Snapshot {
                    self.open.clear();
                }
                for row in core::mem::take(&mut self.pending) {
                    let Some(id) = row.client_order_id.clone() else { continue };
                    if row.status.is_some_and(venuekit_venue::OrderStatus::is_final) {
                        self.open.remove(&id);
                    } else {
                        self.open.insert(id);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Client {
    /// Only streams of orders are followed that commit snapshots.
    fn is_orders(&self, emission: Emission<'_>) -> bool {
        matches!(emission.event, Event::Committed { wallet: None, .. })
    }
}

struct Run<'a> {
    subject: &'a Subject,
    dice: fastrand::Rng,
    rig: Rig<VenueSim>,
    client: Client,
    config: Config,
    product: usize,
    ids: ClientIds,
    next: u64,
    /// Client order ids by command.
    meant: BTreeMap<u64, (String, MarketId)>,
}

/// Runs one seed with so many intents in one product.
pub fn run(subject: &Subject, product: usize, seed: u64, intents: u64) -> Outcome {
    let mut dice = fastrand::Rng::with_seed(seed);
    let start = Rig::<VenueSim>::epoch();
    let sim_seed = SimSeed { seed: dice.u64(..), start, rate: 20, history: 16, faults: FaultPlan::default() };
    let credentials = subject.credentials.map(|make| make(sim_seed.seed));
    let spec = &subject.venue.specs()[product];
    let name = spec.product.clone();
    let want = |product: &String, symbol: &str, channel| Want {
        product: Some(product.clone()),
        symbol: symbol.to_owned(),
        channel,
    };
    let mut wants = vec![want(spec.markets_of.as_ref().unwrap_or(&name), "*", Channel::Book)];
    wants.extend(spec.offers(Channel::Orders).then(|| want(&name, "", Channel::Orders)));
    let config =
        Config { wants, products: vec![name.clone()], credentials, seed: dice.u64(..), ..Config::default() };
    let session = Session::new(Arc::clone(&subject.venue), config.clone()).expect("the channels exist");
    let mut rig = Rig::new(session, (subject.sim)(sim_seed), start, dice.u64(..));
    rig.weather.latency_max = Duration::from_millis(dice.u64(5..=80));
    // A venue that gives an account so few requests makes it wait for the next ones.
    let counted = |budget: &&Budget| matches!(budget.draws, Draws::Weight | Draws::Under(_));
    let budgets = || subject.venue.specs()[product].budgets.iter().filter(counted);
    let client = Client {
        refills_in: budgets().map(|budget| budget.window.span()).max().unwrap_or_default(),
        is_small: budgets().any(|budget| budget.capacity < 30),
        ..Client::default()
    };
    let meant = BTreeMap::new();
    let ids = ClientIds::new(seed);
    let mut run = Run { subject, dice, rig, client, config, product, ids, next: 0, meant };
    run.settle();
    run.rig.weather.lossy_changes = 300;
    for _ in 0..intents {
        run.place();
        if run.dice.u8(0..4) == 0 {
            run.cancel_one();
        }
        // Each new process reads instruments and books again: more kills a minute than this the venue would not bear.
        match run.dice.u8(0..12) {
            // Between the store and the socket, or right behind it, or before the answer.
            0 => run.kill_within(Duration::from_millis(40)),
            1 => run.kill_within(Duration::from_millis(200)),
            _ => {
                let span = Duration::from_millis(run.dice.u64(0..800));
                run.rig.run_for(span, &mut run.client);
            }
        }
    }
    run.rig.weather.lossy_changes = 0;
    run.judge()
}

impl Run<'_> {
    /// Waits until orders can be placed and every stream is live.
    fn settle(&mut self) {
        // Where lookups have to wait for a budget, what is less urgent waits behind them.
        let within = Duration::from_secs(if self.client.is_patient() { 180 } else { 60 });
        let lived = self.rig.run_until(within, &mut self.client, |rig| {
            rig.session.streams().count() > 1
                && rig.session.streams().all(|stream| stream.state == venuekit_book::State::Live)
        });
        if !lived {
            self.client.wrong(format!("not live: {:?}", crate::scenario::unhealed(&self.rig)));
        }
    }

    fn command(&mut self, ask: Ask) -> u64 {
        self.next += 1;
        let id = CommandId(self.next);
        let command = AskCommand { id, product: self.product, ask, lane: None, within: None };
        self.rig.tell(Input::Command(Command::Ask(Box::new(command))), &mut self.client);
        self.next
    }

    fn place(&mut self) {
        let Some(order) = self.order() else { return };
        let (id, market) = (order.client_order_id.clone(), order.market);
        // Known before it is told: its end may come at once.
        self.client.known.insert(self.next + 1, Known::Under);
        self.client.outcome.intents += 1;
        let command = self.command(Ask::Place(Box::new(order)));
        self.meant.insert(command, (id, market));
    }

    /// An order that fits its instrument: resting far from the market, or taking from it.
    fn order(&mut self) -> Option<NewOrder> {
        let now = self.rig.now();
        let books: Vec<_> = self
            .rig
            .session
            .streams()
            .filter(|stream| stream.info.channel == Channel::Book)
            .filter_map(|stream| {
                let best = self.rig.session.book(stream.info.stream, now).ok()?.best_bid()?;
                // The book may be another product's of the same market.
                let name = &stream.info.venue_symbol;
                Some((self.rig.session.catalog(self.product).find(name)?.0, best.price.0))
            })
            .collect();
        let (market, bid) = *self.dice.choice(&books)?;
        let instrument = self.rig.session.catalog(self.product).get(market)?.clone();
        let rules = self.subject.venue.specs()[self.product].orders.clone()?;
        let tick = instrument.tick.0.max(1);
        let fixed = |mantissa, scale: Scale| Fixed { mantissa, scale };
        let taking = self.dice.u8(0..4) == 0;
        let price = if taking { bid + bid / 100 } else { bid - bid / 20 };
        let step = instrument.step.0.max(1);
        let mut order = NewOrder {
            market,
            client_order_id: self.ids.next_id(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: None,
            qty: fixed(step, instrument.qty_scale),
            price: Some(fixed(price / tick * tick, instrument.price_scale)),
            stop_price: None,
            trigger_by: None,
            post_only: false,
            reduce_only: false,
        };
        if !rules.types.contains(&OrderType::Limit) {
            // Far away, so that it waits until it is cancelled.
            let stop = (bid + bid / 10) / tick * tick;
            order.order_type = OrderType::StopLimit;
            order.stop_price = Some(fixed(stop, instrument.price_scale));
            order.price = order.stop_price;
        }
        for _ in 0..40 {
            if grid::check(&order, &instrument, &rules).is_ok() {
                return Some(order);
            }
            order.qty.mantissa *= 2;
        }
        None
    }

    /// Cancels an order that was meant, whatever became of it.
    fn cancel_one(&mut self) {
        let meant: Vec<_> = self.meant.values().cloned().collect();
        if let Some((id, market)) = self.dice.choice(&meant).cloned() {
            self.command(Ask::Cancel { market, order: OrderRef::Client(id) });
        }
    }

    /// Kills the process at some instant within a span, and starts it from its journal.
    fn kill_within(&mut self, span: Duration) {
        let after = Duration::from_micros(self.dice.u64(0..u64::try_from(span.as_micros()).unwrap_or(1)));
        self.rig.run_for(after, &mut self.client);
        let mut left: BTreeMap<u64, Intent> = BTreeMap::new();
        for step in self.rig.journal() {
            match step {
                Persist::Intent { id, intent } => drop(left.insert(id.0, (**intent).clone())),
                Persist::Settled { id, .. } => drop(left.remove(&id.0)),
                Persist::Ban(_) | Persist::Used(_) | Persist::Epochs { .. } => {}
            }
        }
        let now = self.rig.now();
        for (id, known) in &mut self.client.known {
            match *known {
                // It was never kept, so it never left.
                Known::Under if !left.contains_key(id) => *known = Known::Nowhere,
                Known::Under | Known::Unknown(_) => *known = Known::Unknown(now.mono),
                Known::There | Known::Nowhere => {}
            }
        }
        self.client.outcome.kills += 1;
        self.client.pending.clear();
        let config =
            Config { intents: left.into_values().collect(), seed: self.dice.u64(..), ..self.config.clone() };
        let session = Session::new(Arc::clone(&self.subject.venue), config).expect("it was made before");
        self.rig.restart(session);
        if self.dice.bool() {
            self.settle();
        }
    }

    /// Gives everything time to end, then asks the venue's own books.
    fn judge(mut self) -> Outcome {
        self.rig.run_for(Duration::from_secs(12), &mut self.client);
        self.settle();
        // The demo account cancels by itself now and then: what it did just now is still on its way.
        // After a refusal it answers again within a minute, and lookups may have to wait for each other.
        let under = |known: &Known| matches!(known, Known::Under | Known::Unknown(_));
        for _ in 0..if self.client.is_patient() { 1_200 } else { 20 } {
            self.rig.run_for(Duration::from_millis(250), &mut self.client);
            if self.told() == self.open() && !self.client.known.values().any(under) {
                break;
            }
        }
        let mut there: BTreeMap<&str, u64> = BTreeMap::new();
        for order in self.rig.front.account().orders() {
            *there.entry(order.client_id.as_str()).or_default() += 1;
        }
        let mut again = 0;
        for (command, (id, _)) in &self.meant {
            let known = self.client.known.get(command).copied();
            let count = there.get(id.as_str()).copied().unwrap_or(0);
            let left = self
                .rig
                .requests()
                .iter()
                .filter(|sent| sent.kind == AskKind::Place && sent.text.contains(id.as_str()))
                .count();
            let fits = match known {
                Some(Known::There) => count == 1,
                Some(Known::Nowhere) => count == 0,
                _ => false,
            };
            if !fits {
                let text =
                    format!("order {command} ({id}): the client says {known:?}, the venue has {count}");
                self.client.outcome.wrong.push(text);
            }
            // A refusal for the time is a definite no, after which it leaves once more.
            again += left.saturating_sub(1);
            if left > 2 || again > self.client.refused_for_time {
                self.client.outcome.wrong.push(format!("order {command} ({id}) left {left} times"));
            }
        }
        let (told, open) = (self.told(), self.open());
        if told != open {
            let text = format!("open at the venue {open:?}, told to the client {told:?}");
            self.client.outcome.wrong.push(text);
        }
        self.client.outcome.trace = self.rig.trace();
        self.client.outcome
    }

    fn is_ours(&self, id: &str) -> bool {
        self.meant.values().any(|(ours, _)| ours == id)
    }

    /// Our open orders, as the private stream tells them; the venue's own list where there is none.
    fn told(&self) -> BTreeSet<String> {
        if !self.subject.venue.specs()[self.product].offers(Channel::Orders) {
            return self.open();
        }
        self.client.open.iter().filter(|id| self.is_ours(id)).cloned().collect()
    }

    /// Our open orders, as the venue has them.
    fn open(&self) -> BTreeSet<String> {
        let orders = self.rig.front.account().open_orders();
        orders.map(|order| order.client_id.clone()).filter(|id| self.is_ours(id)).collect()
    }
}
