//! What a gateway does at the venues: asks, reads what is open, cancels everything, keeps the dead man's switch armed.
//!
//! It owns no rule of a venue: what can be asked for all markets at once and what must be asked market by market, the
//! adapter says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use venuekit_book::NotLive;
use venuekit_session::gate::{Scope, Step, Sweep};
use venuekit_session::{AskCommand, Command, CommandId, Done, Session};
use venuekit_types::Now;
use venuekit_venue::spec::DeadMan;
use venuekit_venue::{Ask, AskKind, Fault, FaultKind, Lane, MarketId, OrderPatch, Place, Row, Venue};

use super::orders::Product;
use super::report::{FaultView, HaltReport, ProductReport};
use super::shared::{Ended, Shared};
use crate::run::Handle;

/// Longest wait for the end of a command, beyond the session's own bound.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Answers that wait for a sweep.
const TOLD_QUEUE: usize = 256;
/// How often a sweep looks whether another demand has followed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often what is open is read while something may be, and while nothing is.
const READ_EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// One venue of a gateway.
pub(super) struct Line {
    pub(super) venue: Arc<dyn Venue>,
    pub(super) handle: Handle,
}

impl Line {
    pub(super) fn id(&self) -> &str {
        self.venue.specs().first().map_or("", |spec| spec.venue.as_str())
    }
}

/// What a sweep is told.
enum Told {
    Scope(usize, Scope),
    End(u64, Result<Vec<OrderPatch>, Fault>),
}

/// The orders that an answer lists.
fn orders_of(ended: Ended) -> Result<Vec<OrderPatch>, Fault> {
    let order = |row| match row {
        Row::Order(order) => Some(order),
        _ => None,
    };
    match ended.done {
        Done::Accepted => Ok(ended.rows.into_iter().filter_map(order).collect()),
        Done::Rejected(fault) | Done::NotSent(fault) | Done::Unknown(fault) => Err(fault),
    }
}

/// The venues of a gateway, and everything shared by who works at them.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) lines: Vec<Line>,
    pub(super) countdown: Duration,
    ids: AtomicU64,
}

impl Desk {
    /// `first_id` is above every number that an earlier run used.
    pub(super) fn new(shared: Arc<Shared>, lines: Vec<Line>, countdown: Duration, first_id: u64) -> Desk {
        Desk { shared, lines, countdown, ids: AtomicU64::new(first_id) }
    }

    pub(super) fn next_id(&self) -> CommandId {
        CommandId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Every product that takes orders.
    pub(super) fn products(&self) -> impl Iterator<Item = Product> + '_ {
        self.lines.iter().enumerate().flat_map(|(venue, line)| {
            let specs = line.venue.specs().iter().enumerate();
            specs
                .filter(|(_, spec)| spec.orders.is_some() && spec.markets_of.is_none())
                .map(move |(product, _)| Product { venue, product })
        })
    }

    pub(super) fn dead_man(&self, at: Product) -> DeadMan {
        let spec = &self.lines[at.venue].venue.specs()[at.product];
        spec.orders.as_ref().map_or(DeadMan::None, |orders| orders.dead_man)
    }

    /// Asks a venue for something, and waits for the end of it.
    pub(super) async fn ask(&self, at: Product, ask: Ask, lane: Lane) -> Ended {
        self.ask_as(self.next_id(), at, ask, Some(lane)).await
    }

    pub(super) async fn ask_as(&self, id: CommandId, at: Product, ask: Ask, lane: Option<Lane>) -> Ended {
        let unanswered = |why: &str| Ended {
            rows: Vec::new(),
            done: Done::NotSent(Fault::ours(FaultKind::Unavailable, why)),
        };
        let (ended, _) = self.shared.wait_for(id);
        // What nobody waits for any more must not eat the budget of what somebody does.
        let within = Some(END_WITHIN);
        let command = Command::Ask(Box::new(AskCommand { id, product: at.product, ask, lane, within }));
        if self.lines[at.venue].handle.command(command).await.is_err() {
            self.shared.forget(id);
            return unanswered("the venue's session has ended; start the gateway again");
        }
        let ended = timeout(END_WITHIN, ended).await;
        self.shared.forget(id);
        match ended {
            Ok(Ok(ended)) => ended,
            _ => unanswered("the venue's session does not answer"),
        }
    }

    /// Looks at a venue's session.
    pub(super) async fn look<R: Send + 'static>(
        &self,
        venue: usize,
        look: impl FnOnce(&Session, Now) -> R + Send + 'static,
    ) -> Option<R> {
        self.lines[venue].handle.query(look).await.ok()
    }

    /// Reads what is open at a product.
    ///
    /// **Errors**: why it is not known.
    pub(super) async fn read_open(&self, at: Product, lane: Lane) -> Result<Vec<OrderPatch>, Fault> {
        let read = self.read_anew(at, lane).await;
        if let Err(fault) = &read {
            self.shared.orders(|orders| orders.unread(at, fault.clone()));
        }
        read
    }

    async fn read_anew(&self, at: Product, lane: Lane) -> Result<Vec<OrderPatch>, Fault> {
        let asked = self.shared.clock.now().mono;
        let scope = self.look(at.venue, move |session, _| Scope::of(session, at.product)).await;
        let asks = scope.unwrap_or_default().read;
        if asks.is_empty() {
            return Err(Fault::ours(FaultKind::Unavailable, "no instrument list has been read yet"));
        }
        let mut open = Vec::new();
        for ask in asks {
            open.extend(orders_of(self.ask(at, ask, lane).await)?);
        }
        self.shared.orders(|orders| orders.listed(at, asked, open.clone()));
        self.shared.changed.notify_waiters();
        Ok(open)
    }

    // ---- the sweep ----

    /// Cancels everything until no product shows an order twice in a row, whenever that is demanded.
    pub(super) async fn sweep_forever(self: Arc<Desk>) {
        loop {
            while let Some(demand) = self.shared.gate(|gate, _| gate.sweep()) {
                self.sweep(demand).await;
            }
            self.shared.sweep.notified().await;
        }
    }

    /// Works off one demand, until it is met or another one follows.
    async fn sweep(self: &Arc<Desk>, demand: u64) {
        let products: Vec<Product> = self.products().collect();
        let mut sweep = Sweep::new(products.len());
        let (tell, mut told) = mpsc::channel(TOLD_QUEUE);
        let mut work = JoinSet::new();
        while self.shared.gate(|gate, _| gate.sweep()) == Some(demand) {
            let in_flight = self.shared.orders(|orders| orders.in_flight());
            let now = self.shared.clock.now().mono;
            match sweep.poll(now, in_flight) {
                Step::Scope { product } => {
                    let (desk, at, tell) = (Arc::clone(self), products[product], tell.clone());
                    work.spawn(async move {
                        let scope =
                            desk.look(at.venue, move |session, _| Scope::of(session, at.product)).await;
                        // One that has moved on to another demand wants nothing of this.
                        let _ = tell.send(Told::Scope(product, scope.unwrap_or_default())).await;
                    });
                }
                Step::Ask { ticket, product, ask } => {
                    let (desk, at, tell) = (Arc::clone(self), products[product], tell.clone());
                    work.spawn(async move {
                        let ended = desk.ask(at, ask, Lane::Cancel).await;
                        let _ = tell.send(Told::End(ticket, orders_of(ended))).await;
                    });
                }
                Step::Read { product, began, open } => {
                    self.shared.orders(|orders| match open {
                        Ok(open) => orders.listed(products[product], began, open),
                        Err(fault) => orders.unread(products[product], fault),
                    });
                    self.shared.changed.notify_waiters();
                }
                Step::Left(open) => self.shared.gate(|gate, now| gate.left(now, open)),
                Step::Flat => {
                    self.shared.gate(|gate, now| gate.flat(now, demand));
                    break;
                }
                Step::Wait(until) => {
                    let patience = until.since(now).min(LOOK_EVERY);
                    match timeout(patience, told.recv()).await {
                        Ok(Some(Told::Scope(product, scope))) => {
                            sweep.on_scope(self.shared.clock.now().mono, product, scope);
                        }
                        Ok(Some(Told::End(ticket, end))) => sweep.on_end(ticket, end),
                        // Time has passed, which is all there is to say.
                        Ok(None) | Err(_) => {}
                    }
                }
            }
            while work.try_join_next().is_some() {}
        }
        // What is still asked goes its way, and nobody waits for it.
        work.detach_all();
    }

    /// What is open everywhere, as last read, and what protects it.
    pub(super) fn report(&self) -> HaltReport {
        let products = self.products().map(|at| {
            let spec = &self.lines[at.venue].venue.specs()[at.product];
            let (open, read, fault) =
                self.shared.orders(|orders| (orders.may_be_open(at), orders.read_at(at), orders.fault(at)));
            let now = self.shared.clock.now().mono;
            ProductReport {
                venue: spec.venue.clone(),
                product: spec.product.clone(),
                open: read.map(|_| open),
                read_ms_ago: read.map(|at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX)),
                fault: fault.as_ref().map(FaultView::of),
                dead_man: match self.dead_man(at) {
                    DeadMan::None => "none: this venue cancels nothing when the gateway dies".to_owned(),
                    DeadMan::Countdown => format!("countdown of {} s", self.countdown.as_secs()),
                    DeadMan::OnDisconnect | DeadMan::OnDisconnectAfter(_) => {
                        "the venue cancels what was placed on a socket that ends".to_owned()
                    }
                },
            }
        });
        let products = products.collect();
        let in_flight = self.shared.orders(|orders| orders.in_flight());
        let flat = self.shared.gate(|gate, _| gate.sweep().is_none());
        HaltReport { halted: true, flat, in_flight, products }
    }

    // ---- the watch ----

    /// Reads what is open at a product while something may be, and keeps its dead man's switch armed.
    pub(super) async fn watch_forever(self: Arc<Desk>, at: Product) {
        let mut armed: Option<venuekit_types::Mono> = None;
        loop {
            let now = self.shared.clock.now().mono;
            let (open, read) = self.shared.orders(|orders| (orders.may_be_open(at), orders.read_at(at)));
            // What was never read may be full of orders.
            let may_be_open = open > 0 || read.is_none();
            let every = if may_be_open { READ_EVERY.0 } else { READ_EVERY.1 };
            if read.is_none_or(|read| now.since(read) >= every) {
                // What cannot be read stays as it was known, and is read again.
                let _ = self.read_open(at, Lane::Must).await;
            }
            // While everything is to be cancelled the venue's own countdown may run out: it helps. And what a run
            // before this one left open is not kept alive by one that nobody has armed.
            let ours = self.shared.gate(|gate, _| gate.was_armed() && gate.sweep().is_none());
            let due = armed.is_none_or(|armed| now.since(armed) >= self.countdown / 3);
            if open > 0 && due && ours && self.arm_countdown(at).await.is_ok() {
                armed = Some(now);
            }
            let changed = self.shared.changed.notified();
            // Nothing here is worth more than ten looks a second.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = timeout(Duration::from_millis(900), changed).await;
        }
    }

    /// Arms the venue's countdown, where it has one.
    ///
    /// **Errors**: why it is not armed.
    pub(super) async fn arm_countdown(&self, at: Product) -> Result<(), Fault> {
        let can = self.lines[at.venue].venue.specs()[at.product].can(AskKind::Countdown);
        if self.dead_man(at) != DeadMan::Countdown || !can {
            return Ok(());
        }
        let within = Some(self.countdown);
        let everywhere = move |session: &Session, _: Now| {
            let catalog = session.catalog(at.product);
            let place = Place { product: at.product, socket: 0, catalog };
            session.venue().ask(place, &Ask::Countdown { market: None, within }).is_some()
        };
        let markets = match self.look(at.venue, everywhere).await {
            Some(true) => vec![None],
            _ => self.shared.orders(|orders| orders.markets(at)).into_iter().map(Some).collect(),
        };
        for market in markets {
            match self.ask(at, Ask::Countdown { market, within }, Lane::Cancel).await.done {
                Done::Accepted => {}
                Done::Rejected(fault) | Done::NotSent(fault) | Done::Unknown(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Where a market is: the middle of its live book, exactly.
    pub(super) async fn reference(&self, at: Product, market: MarketId) -> Option<rust_decimal::Decimal> {
        let middle = move |session: &Session, now: Now| -> Result<Option<rust_decimal::Decimal>, NotLive> {
            let book = session.streams().find(|status| {
                let info = status.info;
                info.channel == venuekit_venue::Channel::Book
                    && info.product == at.product
                    && info.market == Some(market)
            });
            let Some(info) = book.map(|status| status.info) else { return Ok(None) };
            let view = session.book(info.stream, now)?;
            let price = |level: venuekit_types::Level| {
                rust_decimal::Decimal::from(venuekit_types::Scaled::new(level.price.0, info.price_scale))
            };
            let best = view.bids().next().map(price).zip(view.asks().next().map(price));
            let two = rust_decimal::Decimal::TWO;
            Ok(best.and_then(|(bid, ask)| bid.checked_add(ask)?.checked_div(two)))
        };
        self.look(at.venue, middle).await?.ok()?
    }
}
