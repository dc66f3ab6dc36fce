//! Cancelling everything: what is sent, what is read, and when a venue may be called flat.
//!
//! It owns the order of things: cancels leave at once, nobody waits long for their answers, and only a reading says what
//! they did. A product is flat once it was read twice in a row without an order while no order was on its way. Products
//! do not wait for each other. It refuses to know a venue: what reaches every market it is told.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use venuekit_types::Mono;
use venuekit_venue::{Ask, Fault, FaultKind, MarketId, OrderPatch, OrderRef, Place};

use crate::Session;

/// Cancels of one product that are under way at once.
const AT_ONCE: usize = 128;
/// How long the answers to cancels are waited for, from the last that left.
const CANCELS_WITHIN: Duration = Duration::from_millis(250);
/// How long a reading may take, before it is begun anew.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// The pause before the next reading; it doubles while orders stay open, or cannot be read.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Readings in a row that show no order.
const EMPTY: u32 = 2;

/// What together reaches every market of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// What cancels everything.
    pub cancel: Vec<Ask>,
    /// What reads everything that is open; nothing while no instrument is known.
    pub read: Vec<Ask>,
}

impl Scope {
    /// The scope of a product: one ask where the venue knows one for all markets, else one for each market.
    pub fn of(session: &Session, product: usize) -> Scope {
        let catalog = session.catalog(product);
        let place = Place { product, socket: 0, catalog };
        let asks = |ask: fn(Option<MarketId>) -> Ask| match session.venue().ask(place, &ask(None)) {
            Some(_) => vec![ask(None)],
            None => catalog.iter().map(|(market, _)| ask(Some(market))).collect(),
        };
        Scope {
            cancel: asks(|market| Ask::CancelAll { market }),
            read: asks(|market| Ask::OpenOrders { market }),
        }
    }
}

/// What a sweep wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Find out what reaches every market of a product, and tell it with [`Sweep::on_scope`].
    Scope {
        /// Which product.
        product: usize,
    },
    /// Ask the venue, in the lane of cancels, and tell the end with [`Sweep::on_end`].
    Ask {
        /// The number to tell it by.
        ticket: u64,
        /// At which product.
        product: usize,
        /// What.
        ask: Ask,
    },
    /// A product was read, or could not be.
    Read {
        /// Which product.
        product: usize,
        /// When the reading began.
        began: Mono,
        /// What is open.
        open: Result<Vec<OrderPatch>, Fault>,
    },
    /// So many orders are still open everywhere, or may be.
    Left(usize),
    /// Every product is flat. Nothing more is wanted.
    Flat,
    /// Nothing, until then.
    Wait(Mono),
}

/// One demand that everything be cancelled.
#[derive(Clone, Debug)]
pub struct Sweep {
    products: Vec<Product>,
    steps: VecDeque<Step>,
    next_ticket: u64,
    told: Option<usize>,
}

#[derive(Clone, Debug)]
struct Product {
    stage: Stage,
    scope: Scope,
    /// Asks that are under way, by ticket.
    out: BTreeMap<u64, Ask>,
    /// Asks that have not left.
    wanted: VecDeque<Ask>,
    /// Whether a cancel since the scope was told has failed, or was not answered.
    failed: bool,
    /// Whether everything was cancelled once more because of that.
    again: bool,
    pause: Duration,
    empty: u32,
    /// Open orders, as last read.
    left: usize,
}

#[derive(Clone, Debug)]
enum Stage {
    /// It waits to be told its scope.
    Scoping,
    /// Cancels are under way; by their ids, where what cancels all has left something.
    Cancelling { by_id: bool, until: Mono },
    /// It is being read.
    Reading { began: Mono, alone: bool, after_ids: bool, open: Vec<OrderPatch>, fault: Option<Fault> },
    /// It begins again at that time: with a reading alone, where the last one showed nothing.
    Pausing { until: Mono },
    /// It was read twice without an order.
    Flat,
}

impl Sweep {
    /// Begins to cancel everything at so many products.
    pub fn new(products: usize) -> Sweep {
        let begin = |product| Step::Scope { product };
        Sweep {
            products: vec![Product::new(); products],
            steps: (0..products).map(begin).collect(),
            next_ticket: 0,
            told: None,
        }
    }

    /// What reaches every market of a product.
    pub fn on_scope(&mut self, now: Mono, product: usize, scope: Scope) {
        let Some(p) = self.products.get_mut(product).filter(|p| matches!(p.stage, Stage::Scoping)) else {
            return;
        };
        (p.scope, p.failed, p.again) = (scope, false, false);
        p.cancel_all(now);
    }

    /// An ask ended: with the orders of its answer, or with why there is none.
    pub fn on_end(&mut self, ticket: u64, end: Result<Vec<OrderPatch>, Fault>) {
        let Some(p) = self.products.iter_mut().find(|p| p.out.contains_key(&ticket)) else { return };
        p.out.remove(&ticket);
        match (&mut p.stage, end) {
            (Stage::Reading { open, .. }, Ok(orders)) => open.extend(orders),
            (Stage::Reading { fault, .. }, Err(why)) => *fault = Some(why),
            (_, end) => p.failed |= end.is_err(),
        }
    }

    /// What is to be done now. `in_flight` orders have left and are not answered: they may still arrive.
    pub fn poll(&mut self, now: Mono, in_flight: usize) -> Step {
        for at in 0..self.products.len() {
            while self.advance(now, at, in_flight) {}
        }
        if let Some(step) = self.steps.pop_front() {
            return step;
        }
        if self.products.iter().all(|p| matches!(p.stage, Stage::Flat)) {
            return Step::Flat;
        }
        let wake = self.products.iter().filter_map(|p| p.wake()).min();
        // What has no instant of its own waits to be told something.
        Step::Wait(wake.unwrap_or(now.plus(PAUSE_MAX)))
    }

    /// Does the next thing at a product; false when it has to wait.
    fn advance(&mut self, now: Mono, at: usize, in_flight: usize) -> bool {
        let Sweep { products, steps, next_ticket, .. } = self;
        let p = &mut products[at];
        while p.out.len() < AT_ONCE
            && let Some(ask) = p.wanted.pop_front()
        {
            *next_ticket += 1;
            if let Stage::Cancelling { until, .. } = &mut p.stage {
                *until = now.plus(CANCELS_WITHIN);
            }
            p.out.insert(*next_ticket, ask.clone());
            steps.push_back(Step::Ask { ticket: *next_ticket, product: at, ask });
        }
        match &mut p.stage {
            Stage::Cancelling { by_id, until } => {
                if !p.out.is_empty() && now < *until {
                    return false;
                }
                // Whoever has not answered by now is asked no more: what it did the reading shows.
                let after_ids = *by_id;
                p.failed |= !p.out.is_empty();
                p.out.clear();
                p.wanted.clear();
                p.read(now, in_flight == 0, after_ids);
                true
            }
            Stage::Reading { began, alone, after_ids, open, fault } => {
                if !p.out.is_empty() && now < began.plus(READ_WITHIN) && fault.is_none() {
                    return false;
                }
                if !p.out.is_empty() || p.scope.read.is_empty() {
                    let why = if p.out.is_empty() {
                        "no instrument list has been read yet"
                    } else {
                        "a reading took too long"
                    };
                    fault.get_or_insert(Fault::ours(FaultKind::Unavailable, why));
                }
                p.out.clear();
                p.wanted.clear();
                let read = match fault.take() {
                    Some(fault) => Err(fault),
                    None => Ok(core::mem::take(open)),
                };
                let (began, alone, after_ids) = (*began, *alone, *after_ids);
                steps.push_back(Step::Read { product: at, began, open: read.clone() });
                p.judge(now, read, alone, after_ids);
                self.tell_left(in_flight);
                true
            }
            Stage::Pausing { until } if now >= *until => {
                if p.empty > 0 {
                    p.read(now, in_flight == 0, false);
                } else {
                    p.stage = Stage::Scoping;
                    steps.push_back(Step::Scope { product: at });
                }
                true
            }
            Stage::Scoping | Stage::Pausing { .. } | Stage::Flat => false,
        }
    }

    fn tell_left(&mut self, in_flight: usize) {
        let left = self.products.iter().map(|p| p.left).sum::<usize>() + in_flight;
        if left > 0 && self.told != Some(left) {
            self.told = Some(left);
            self.steps.push_back(Step::Left(left));
        }
    }
}

impl Product {
    fn new() -> Product {
        Product {
            stage: Stage::Scoping,
            scope: Scope::default(),
            out: BTreeMap::new(),
            wanted: VecDeque::new(),
            failed: false,
            again: false,
            pause: PAUSE,
            empty: 0,
            left: 0,
        }
    }

    fn cancel_all(&mut self, now: Mono) {
        // Where one ask for each market would be too many, a reading says which orders are worth one.
        if self.scope.cancel.len() <= AT_ONCE {
            self.wanted.extend(self.scope.cancel.iter().cloned());
        }
        self.stage = Stage::Cancelling { by_id: false, until: now.plus(CANCELS_WITHIN) };
    }

    fn read(&mut self, now: Mono, alone: bool, after_ids: bool) {
        self.wanted.extend(self.scope.read.iter().cloned());
        self.stage = Stage::Reading { began: now, alone, after_ids, open: Vec::new(), fault: None };
    }

    /// What a reading means.
    fn judge(&mut self, now: Mono, read: Result<Vec<OrderPatch>, Fault>, alone: bool, after_ids: bool) {
        let open = match read {
            Ok(open) if open.is_empty() && alone => {
                (self.empty, self.left, self.pause) = (self.empty + 1, 0, PAUSE);
                self.stage = match self.empty >= EMPTY {
                    true => Stage::Flat,
                    false => Stage::Pausing { until: now.plus(PAUSE) },
                };
                return;
            }
            Ok(open) => open,
            Err(_) => Vec::new(),
        };
        (self.empty, self.left) = (0, open.len());
        if open.is_empty() || after_ids {
            self.stage = Stage::Pausing { until: now.plus(self.pause) };
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            return;
        }
        // One that failed is tried once more: it is one request, and hundreds by their ids would be refused.
        if self.failed && !self.again {
            self.again = true;
            return self.cancel_all(now);
        }
        // Whatever a cancel of all leaves behind is cancelled by its id.
        let one =
            |order: OrderPatch| Ask::Cancel { market: order.market, order: OrderRef::Venue(order.order_id) };
        self.wanted.extend(open.into_iter().map(one));
        self.stage = Stage::Cancelling { by_id: true, until: now.plus(CANCELS_WITHIN) };
    }

    /// When time alone changes something.
    fn wake(&self) -> Option<Mono> {
        match &self.stage {
            Stage::Cancelling { until, .. } | Stage::Pausing { until } => Some(*until),
            Stage::Reading { began, .. } => Some(began.plus(READ_WITHIN)),
            Stage::Scoping | Stage::Flat => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use venuekit_venue::AskKind;

    fn ms(ms: u64) -> Mono {
        Mono(1).plus(Duration::from_millis(ms))
    }

    fn order(id: &str) -> OrderPatch {
        OrderPatch::new(MarketId(0), id.to_owned())
    }

    fn lost() -> Fault {
        Fault::ours(FaultKind::Transport, "lost")
    }

    /// One product, scoped, with what it asks at once.
    fn begun() -> (Sweep, Vec<u64>) {
        let mut sweep = Sweep::new(1);
        assert_eq!(sweep.poll(ms(0), 0), Step::Scope { product: 0 });
        let scope = Scope {
            cancel: vec![Ask::CancelAll { market: None }],
            read: vec![Ask::OpenOrders { market: None }],
        };
        sweep.on_scope(ms(0), 0, scope);
        let asked = asked(&mut sweep, ms(0), 0, AskKind::CancelAll);
        (sweep, asked)
    }

    /// What is asked now, all of one kind, until it waits; readings that ended are passed over.
    fn asked(sweep: &mut Sweep, now: Mono, in_flight: usize, kind: AskKind) -> Vec<u64> {
        let mut tickets = Vec::new();
        loop {
            match sweep.poll(now, in_flight) {
                Step::Ask { ticket, ask, .. } => {
                    assert_eq!(ask.kind(), kind);
                    tickets.push(ticket);
                }
                Step::Read { .. } | Step::Left(_) => {}
                Step::Wait(until) => {
                    assert!(until > now, "a wait that is over");
                    return tickets;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn read_as(sweep: &mut Sweep, now: Mono, in_flight: usize, open: Vec<OrderPatch>) {
        let [ticket] = asked(sweep, now, in_flight, AskKind::OpenOrders)[..] else { panic!("one reading") };
        sweep.on_end(ticket, Ok(open));
    }

    #[test]
    fn it_is_flat_after_two_empty_readings_in_a_row() {
        let (mut sweep, asked) = begun();
        sweep.on_end(asked[0], Ok(Vec::new()));
        read_as(&mut sweep, ms(50), 0, Vec::new());
        assert!(matches!(sweep.poll(ms(100), 0), Step::Read { open: Ok(_), .. }));
        assert!(matches!(sweep.poll(ms(100), 0), Step::Wait(_)), "once is not enough");
        read_as(&mut sweep, ms(150), 0, Vec::new());
        assert!(matches!(sweep.poll(ms(200), 0), Step::Read { .. }));
        assert_eq!(sweep.poll(ms(200), 0), Step::Flat);
    }

    #[test]
    fn a_reading_while_an_order_is_on_its_way_is_no_empty_one() {
        let (mut sweep, asked) = begun();
        sweep.on_end(asked[0], Ok(Vec::new()));
        let mut now = 50;
        for in_flight in [1, 1, 0, 1, 0, 0] {
            assert_ne!(sweep.poll(ms(now), in_flight), Step::Flat);
            loop {
                match sweep.poll(ms(now), in_flight) {
                    Step::Ask { ticket, ask, .. } => {
                        sweep.on_end(ticket, Ok(Vec::new()));
                        if ask.kind() == AskKind::OpenOrders {
                            break;
                        }
                    }
                    Step::Scope { product } => {
                        let read = vec![Ask::OpenOrders { market: None }];
                        sweep.on_scope(ms(now), product, Scope { cancel: Vec::new(), read });
                    }
                    Step::Wait(until) => now = (until.0 - 1).div_ceil(1_000_000),
                    Step::Read { .. } | Step::Left(_) => {}
                    Step::Flat => panic!("too soon"),
                }
            }
        }
        let flat = (0..3).any(|_| sweep.poll(ms(now), 0) == Step::Flat);
        assert!(flat, "two in a row, with nothing on its way");
    }

    #[test]
    fn what_is_left_is_cancelled_by_its_id_and_a_cancel_that_failed_is_sent_again_first() {
        let (mut sweep, first) = begun();
        sweep.on_end(first[0], Err(lost()));
        read_as(&mut sweep, ms(50), 0, vec![order("a"), order("b")]);
        let again = asked(&mut sweep, ms(100), 0, AskKind::CancelAll);
        assert_eq!(again.len(), 1);
        sweep.on_end(again[0], Ok(Vec::new()));
        read_as(&mut sweep, ms(150), 0, vec![order("b")]);
        assert_eq!(asked(&mut sweep, ms(200), 0, AskKind::Cancel).len(), 1);
        // Nobody answers, and the reading does not wait for that.
        assert_eq!(asked(&mut sweep, ms(449), 0, AskKind::Cancel).len(), 0);
        read_as(&mut sweep, ms(450), 0, vec![order("b")]);
        while !matches!(sweep.poll(ms(500), 0), Step::Wait(_)) {}
        assert_eq!(sweep.poll(ms(550), 0), Step::Scope { product: 0 }, "all over again");
    }

    #[test]
    fn what_cannot_be_read_is_not_flat_and_is_read_again() {
        let (mut sweep, asked) = begun();
        sweep.on_end(asked[0], Ok(Vec::new()));
        let mut now = ms(0);
        let mut readings = 0;
        while now < ms(60_000) {
            match sweep.poll(now, 0) {
                Step::Ask { ticket, ask, .. } if ask.kind() == AskKind::CancelAll => {
                    sweep.on_end(ticket, Ok(Vec::new()))
                }
                // Never answered, or refused.
                Step::Ask { ticket, .. } if readings % 2 == 0 => sweep.on_end(ticket, Err(lost())),
                Step::Ask { .. } | Step::Left(_) => {}
                Step::Scope { product } => {
                    let scope = sweep.products[0].scope.clone();
                    sweep.on_scope(now, product, scope);
                }
                Step::Read { open, .. } => {
                    assert!(open.is_err());
                    readings += 1;
                }
                Step::Flat => panic!("nobody read it"),
                Step::Wait(until) => now = until,
            }
        }
        assert!((15..60).contains(&readings), "{readings} readings in a minute");
    }

    #[test]
    fn without_instruments_nothing_is_called_flat() {
        let mut sweep = Sweep::new(1);
        let mut now = ms(0);
        while now < ms(10_000) {
            match sweep.poll(now, 0) {
                Step::Scope { product } => sweep.on_scope(now, product, Scope::default()),
                Step::Read { open, .. } => assert!(open.is_err()),
                Step::Wait(until) => now = until,
                Step::Left(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_product_that_does_not_answer_holds_no_other_up() {
        let mut sweep = Sweep::new(2);
        let scope = Scope {
            cancel: vec![Ask::CancelAll { market: None }],
            read: vec![Ask::OpenOrders { market: None }],
        };
        let (mut now, mut empty) = (ms(0), 0);
        while now < ms(1_000) {
            match sweep.poll(now, 0) {
                Step::Scope { product } => sweep.on_scope(now, product, scope.clone()),
                Step::Ask { ticket, product: 0, .. } => sweep.on_end(ticket, Ok(Vec::new())),
                Step::Read { product: 0, open, .. } => empty += usize::from(open.is_ok()),
                Step::Wait(until) => now = until,
                Step::Flat => panic!("one of them never answered"),
                _ => {}
            }
        }
        assert_eq!(empty, 2);
    }
}
