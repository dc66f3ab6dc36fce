//! Commands of the caller: each ends once, and an order whose outcome is unknown is looked up until it is known.
//!
//! No order is sent twice. The one exception is an order that the venue refused for its time: a definite no, after
//! which it leaves once more with a better stamp.

use core::time::Duration;

use venuekit_types::{Mono, Now, UnixNanos};
use venuekit_venue::spec::{ClientId, PrivateModel};
use venuekit_venue::{
    Ask, AskKind, Auth, Channel, Event as Decoded, EventBuf, Fault, FaultKind, Lane, MarketId, NewOrder,
    OrderPatch, OrderRef, OrderStatus, Row, grid,
};

use super::{Out, Persisting, Session};
use crate::backoff::Backoff;
use crate::command::{AskCommand, CommandId, Done, Intent, Persist, Resolution};
use crate::config::Want;
use crate::event::Event;
use crate::io::{PersistId, RequestId, Timer};
use crate::rest::{Gate, Job, Purpose};
use crate::stream::Stream;

/// First span between two lookups of an order.
const LOOKUP_BASE: Duration = Duration::from_millis(100);
/// Longest span between two lookups while the venue answers.
const LOOKUP_CAP: Duration = Duration::from_millis(800);
/// How far an instant that was told by our measure of the venue's clock may lie off where a list of orders is cut by it.
const CLOCKS_APART: Duration = Duration::from_secs(300);
/// How long a connection that beats may take to say that nothing has come.
const HEARD_WITHIN: Duration = Duration::from_millis(1_500);
/// The span between two lookups that only an operator can help.
const LOOKUP_REFUSED: Duration = Duration::from_secs(30);

/// A command that has not ended, or whose outcome is looked up.
pub(super) struct Pending {
    product: usize,
    /// Whether an intent was given to the store.
    kept: bool,
    /// The order that it places or cancels.
    about: Option<About>,
    stage: Stage,
}

/// The order that a command is about, as far as the private stream can tell of it.
struct About {
    order: OrderRef,
    /// Whether the command places it; else only its end answers the command.
    places: bool,
    /// What the stream told of it that would answer the command.
    told: Option<Box<OrderPatch>>,
}

impl About {
    fn of(ask: &Ask) -> Option<About> {
        let (order, places) = match ask {
            Ask::Place(order) => (OrderRef::Client(order.client_order_id.clone()), true),
            Ask::Cancel { order, .. } => (order.clone(), false),
            _ => return None,
        };
        Some(About { order, places, told: None })
    }

    /// Whether what the stream tells of an order answers the command.
    fn is_answered_by(&self, row: &OrderPatch) -> bool {
        let named = match &self.order {
            OrderRef::Venue(id) => row.order_id == *id,
            OrderRef::Client(id) => row.client_order_id.as_ref() == Some(id),
        };
        named && (self.places || row.status.is_some_and(OrderStatus::is_final))
    }
}

enum Stage {
    /// The store has not vouched for it.
    Storing(Box<Job>),
    /// It waits for its turn, or for its answer.
    Asked(RequestId),
    /// It ended as unknown.
    Looking(Looking),
}

struct Looking {
    /// The venue's spelling, since the list of instruments may still be to come.
    symbol: String,
    order: OrderRef,
    /// When it left, where this process sent it.
    sent: Option<Mono>,
    /// From when on "not found" means that it never was.
    surely_from: Mono,
    /// When it was meant, by the venue's clock as far as that was known.
    created: UnixNanos,
    /// Whether it is asked for by itself, since a list of all did not tell.
    alone: bool,
    backoff: Backoff,
}

impl Session {
    pub(super) fn on_ask(&mut self, now: Now, command: AskCommand) {
        let AskCommand { id, product, within, .. } = command;
        if self.commands.contains_key(&id) {
            // Its number belongs to a command that will end by itself; nothing may end twice.
            let text =
                format!("command {id} was given while another of that number is under way; number it anew");
            if product < self.products.len() {
                self.fault(product, "command", Fault::ours(FaultKind::BadRequest, text));
            }
            return;
        }
        let job = match self.prepare(now, command) {
            Ok(job) => job,
            Err(done) => {
                self.emit(Event::Done { id, done });
                return;
            }
        };
        let within = if job.ask.kind().is_entry() { Some(self.limits.leave_within) } else { within };
        if let Some(within) = within {
            self.timers.set(Timer::Leave(id), now.mono.plus(within));
        }
        match &job.ask {
            Ask::Cancel { market, order: OrderRef::Client(client) } => {
                self.recall(product, Some(*market), Some(client));
            }
            Ask::CancelAll { market } => self.recall(product, *market, None),
            _ => {}
        }
        let Ask::Place(order) = &job.ask else {
            let stage = Stage::Asked(job.id);
            self.commands.insert(id, Pending { product, kept: false, about: About::of(&job.ask), stage });
            self.enqueue(job);
            return;
        };
        let intent = Box::new(self.intent(now, id, product, order));
        self.persist(Persisting::Intent(id), Persist::Intent { id, intent });
        let about = About::of(&job.ask);
        self.commands
            .insert(id, Pending { product, kept: true, about, stage: Stage::Storing(Box::new(job)) });
    }

    /// Makes a request of a command, or says how it ends before it began.
    fn prepare(&mut self, now: Now, command: AskCommand) -> Result<Job, Done> {
        let AskCommand { id, product, ask, lane, .. } = command;
        let not_sent = |kind, text: String| Done::NotSent(Fault::ours(kind, text));
        let kind = ask.kind();
        if self.stopped {
            return Err(not_sent(FaultKind::Unavailable, "the session was stopped".to_owned()));
        }
        let Some(known) = self.products.get(product).filter(|known| known.enabled) else {
            let text = format!("product {product} is not served; name it in the session's products");
            return Err(not_sent(FaultKind::BadRequest, text));
        };
        if self.commands.len() >= self.limits.commands {
            let text = format!("{} commands are under way; wait until some have ended", self.commands.len());
            return Err(not_sent(FaultKind::RateLimited, text));
        }
        if let Some(market) = ask.market()
            && known.catalog.get(market).is_none()
        {
            let text = format!("market {} is not listed; wait for the instruments", market.0);
            return Err(not_sent(FaultKind::BadRequest, text));
        }
        if let Ask::Place(order) = &ask {
            self.check_order(product, order)?;
        }
        let Some(request) = self.venue.ask(self.place(product, 0), &ask) else {
            let text = format!("{} has no route for {kind:?}", self.spec(product).product);
            return Err(not_sent(FaultKind::NotFound, text));
        };
        if request.auth != Auth::None && self.config.credentials.is_none() {
            let text = format!("{} needs an API key; give one", request.route);
            return Err(not_sent(FaultKind::Credentials, text));
        }
        let lane = lane.unwrap_or(kind.lane());
        let lane = if kind.is_entry() { lane.max(Lane::Order) } else { lane };
        let Some(rest) = self.rest_of(product, &request) else {
            let text = format!("{} goes to a host that is not known; name it in the spec", request.route);
            return Err(not_sent(FaultKind::BadRequest, text));
        };
        // What is urgent is worth nothing later: its caller must know at once.
        match self.rests[rest].gate(now.mono) {
            Gate::Banned(until) if lane <= Lane::Order => {
                let text = format!("banned for another {:?}; nothing can be sent", until.since(now.mono));
                return Err(not_sent(FaultKind::Banned, text));
            }
            Gate::Limited(until) if lane == Lane::Order => {
                let text = format!("refused for another {:?}; only cancels are sent", until.since(now.mono));
                return Err(not_sent(FaultKind::RateLimited, text));
            }
            _ => {}
        }
        let id = (self.request_id(), Purpose::Command(id));
        Ok(Job { id: id.0, product, lane, ask, purpose: id.1, request, sent: Mono(0), clock_refused: false })
    }

    /// Whether an order may be sent at all: what could not be looked up after a loss is not placed.
    fn check_order(&self, product: usize, order: &NewOrder) -> Result<(), Done> {
        let spec = self.spec(product);
        let refuse = |text: &str| Err(Done::NotSent(Fault::ours(FaultKind::BadRequest, text)));
        if order.client_order_id.is_empty() {
            return refuse(
                "an order needs a client order id; without one a lost answer could not be looked up",
            );
        }
        if !spec.can(AskKind::Order) {
            return refuse("this product cannot look an order up; a lost answer would stay unknown");
        }
        let Some(rules) = &spec.orders else { return refuse("this product takes no orders") };
        if rules.client_id == ClientId::ReturnsOriginal {
            return refuse("this venue is asked about an order by sending it again, which is not done yet");
        }
        let Some(instrument) = self.products[product].catalog.get(order.market) else {
            return refuse("the market is not listed; wait for the instruments");
        };
        grid::check(order, instrument, rules)
            .map_err(|error| Done::Rejected(Fault::ours(FaultKind::Rejected, error.to_string())))
    }

    fn intent(&self, now: Now, id: CommandId, product: usize, order: &NewOrder) -> Intent {
        let spec = self.spec(product);
        Intent {
            id: id.0,
            venue: spec.venue.clone(),
            product: spec.product.clone(),
            symbol: self.symbol_of(product, order.market),
            client_order_id: order.client_order_id.clone(),
            side: order.side.as_str().to_owned(),
            order_type: order.order_type.as_str().to_owned(),
            qty: order.qty.to_string(),
            price: order.price.map(|price| price.to_string()),
            created: self.clock.time(now).0,
        }
    }

    fn symbol_of(&self, product: usize, market: MarketId) -> String {
        self.products[product].catalog.get(market).map(|i| i.venue_symbol.clone()).unwrap_or_default()
    }

    /// The store vouches for an intent: its order may leave, unless it has come too late.
    pub(super) fn on_intent_kept(&mut self, id: CommandId) {
        let Some(pending) = self.commands.get_mut(&id) else { return };
        let Stage::Storing(job) = &pending.stage else { return };
        let job = (**job).clone();
        pending.stage = Stage::Asked(job.id);
        self.enqueue(job);
    }

    fn enqueue(&mut self, job: Job) {
        let Some(rest) = self.rest_of(job.product, &job.request) else { return };
        if let Err(job) = self.rests[rest].push(job) {
            let text = format!("the {} queue is full; wait until some requests have left", job.lane.as_str());
            self.unsent(&job, Fault::ours(FaultKind::RateLimited, text));
        }
    }

    /// A command has not left in time: what it was meant for may be over, and nobody may wait for it any more.
    pub(super) fn on_leave_timeout(&mut self, id: CommandId) {
        let Some(pending) = self.commands.get(&id) else { return };
        match &pending.stage {
            Stage::Storing(_) => {
                let text = "the store did not vouch for the order in time";
                self.end(id, Done::NotSent(Fault::ours(FaultKind::Unavailable, text)));
            }
            Stage::Asked(request) => {
                let request = *request;
                for rest in &mut self.rests {
                    if !rest.forget(|job| job.id == request).is_empty() {
                        let text =
                            "its turn did not come in time: a budget, a gate or the venue's clock held it";
                        self.end(id, Done::NotSent(Fault::ours(FaultKind::RateLimited, text)));
                        return;
                    }
                }
            }
            Stage::Looking(_) => {}
        }
    }

    /// A cancel overtakes orders that have not left: those must not follow it.
    fn recall(&mut self, product: usize, market: Option<MarketId>, client: Option<&str>) {
        let meant = |job: &Job| match &job.ask {
            Ask::Place(order) => {
                job.product == product
                    && market.is_none_or(|market| market == order.market)
                    && client.is_none_or(|client| client == order.client_order_id)
            }
            _ => false,
        };
        let storing = self.commands.iter().filter_map(|(id, pending)| match &pending.stage {
            Stage::Storing(job) if meant(job) => Some(*id),
            _ => None,
        });
        let mut recalled: Vec<CommandId> = storing.collect();
        for job in self.rests.iter_mut().flat_map(|rest| rest.forget(meant)) {
            if let Purpose::Command(id) = job.purpose {
                recalled.push(id);
            }
        }
        for id in recalled {
            let text = "it was cancelled before it left";
            self.end(id, Done::NotSent(Fault::ours(FaultKind::Rejected, text)));
        }
    }

    /// Ends a command, and frees the store of its intent unless the outcome is unknown.
    fn end(&mut self, id: CommandId, done: Done) {
        self.timers.cancel(Timer::Leave(id));
        let Some(pending) = self.commands.remove(&id) else { return };
        if pending.kept && !matches!(done, Done::Unknown(_)) {
            self.persist(Persisting::Nothing, Persist::Settled { id, how: done.as_str() });
        }
        self.emit(Event::Done { id, done });
    }

    /// The request of a command goes on under another number.
    pub(super) fn renumber(&mut self, id: CommandId, request: RequestId) {
        if let Some(Pending { stage: Stage::Asked(known), .. }) = self.commands.get_mut(&id) {
            *known = request;
        }
    }

    /// A request of a command never left.
    pub(super) fn unsent(&mut self, job: &Job, fault: Fault) {
        if let Purpose::Command(id) = job.purpose {
            self.end(id, Done::NotSent(fault));
        }
    }

    pub(super) fn on_command_answer(&mut self, id: CommandId, job: &Job, buf: &EventBuf) {
        let rows = self.arena.put_rows(buf);
        self.emit(Event::Answered { id, product: job.product, ask: Box::new(job.ask.clone()), rows });
        self.end(id, Done::Accepted);
    }

    /// Asks among the orders that are over for one that is not open, where the venue keeps them apart.
    fn ask_closed(&mut self, job: &Job, fault: &Fault) -> Option<RequestId> {
        let Ask::Order { market, order } = &job.ask else { return None };
        if fault.kind != FaultKind::NotFound || !self.spec(job.product).can(AskKind::ClosedOrder) {
            return None;
        }
        let ask = Ask::ClosedOrder { market: *market, order: order.clone() };
        self.request(job.product, job.lane, ask, job.purpose)
    }

    pub(super) fn on_command_fault(&mut self, now: Now, id: CommandId, job: &Job, fault: Fault) {
        if let Some(request) = self.ask_closed(job, &fault) {
            self.renumber(id, request);
            return;
        }
        let silent = [FaultKind::Transport, FaultKind::Unavailable, FaultKind::Unreadable];
        if !silent.contains(&fault.kind) {
            self.end(id, Done::Rejected(fault));
            return;
        }
        let wanted = match &job.ask {
            Ask::Place(order) => Some((order.market, OrderRef::Client(order.client_order_id.clone()))),
            Ask::Cancel { market, order } | Ask::Amend { market, order, .. } => {
                Some((*market, order.clone()))
            }
            _ => None,
        };
        let Some((market, order)) = wanted.filter(|_| self.spec(job.product).can(AskKind::Order)) else {
            self.end(id, Done::Unknown(fault));
            return;
        };
        let symbol = self.symbol_of(job.product, market);
        let surely_from = job.sent.plus(self.arrives_within(job.product));
        let created = earlier(self.clock.time(now), now.mono.since(job.sent));
        let mut told = None;
        if let Some(pending) = self.commands.get_mut(&id) {
            pending.stage = Stage::Looking(Looking::new(symbol, order, Some(job.sent), surely_from, created));
            told = pending.about.as_mut().and_then(|about| about.told.take());
        }
        self.emit(Event::Done { id, done: Done::Unknown(fault) });
        match told {
            Some(row) => self.resolve(id, Resolution::Found(row)),
            None => self.look_first(now, id),
        }
    }

    /// The span after which an order that left cannot arrive any more, and one that arrived shows in answers.
    ///
    /// A stamp is never ahead of the venue, so its window is over once that span has passed here.
    fn arrives_within(&self, product: usize) -> Duration {
        let drift = self.limits.order_window / 1_000;
        self.window(product).saturating_add(drift).saturating_add(self.limits.shown_within)
    }

    /// How long a request that changes something stays valid.
    pub(super) fn window(&self, product: usize) -> Duration {
        self.limits.order_window.min(self.spec(product).window)
    }

    // ---- lookups ----

    /// Takes over the unresolved orders of an earlier run. Whatever left, left before now.
    pub(super) fn resume_intents(&mut self, now: Now) {
        for intent in core::mem::take(&mut self.config.intents) {
            let specs = self.venue.specs();
            let Some(product) =
                specs.iter().position(|spec| spec.venue == intent.venue && spec.product == intent.product)
            else {
                continue;
            };
            let id = CommandId(intent.id);
            let surely_from = now.mono.plus(self.arrives_within(product));
            let order = OrderRef::Client(intent.client_order_id);
            let about = Some(About { order: order.clone(), places: true, told: None });
            let looking = Looking::new(intent.symbol, order, None, surely_from, UnixNanos(intent.created));
            self.commands.insert(id, Pending { product, kept: true, about, stage: Stage::Looking(looking) });
            self.look_first(now, id);
        }
    }

    /// The first lookup of an order: at once, unless a numbered stream of the account's orders is followed, which tells
    /// of it without a request if it is there.
    fn look_first(&mut self, now: Now, id: CommandId) {
        let Some(Pending { product, stage: Stage::Looking(looking), .. }) = self.commands.get(&id) else {
            return;
        };
        let at = if self.hears_orders(*product) { looking.surely_from } else { now.mono };
        self.timers.set(Timer::Lookup(id), at.max(now.mono));
    }

    /// Whether a stream of a product's orders is to be followed that loses nothing without our knowing.
    fn hears_orders(&self, product: usize) -> bool {
        let spec = self.spec(product);
        let wanted = |want: &Want| {
            want.channel == Channel::Orders && want.product.as_ref().is_none_or(|name| *name == spec.product)
        };
        spec.private.orders == PrivateModel::SnapshotDelta { numbered: true }
            && self.config.credentials.is_some()
            && self.config.wants.iter().any(wanted)
    }

    /// Whether that stream told everything from one instant to another: it was live all along, and its connection spoke
    /// after the second.
    fn heard_all(&self, product: usize, from: Mono, to: Mono) -> bool {
        let orders = |s: &&Stream| {
            s.info.product == product && s.topic.channel == Channel::Orders && s.rule.is_numbered()
        };
        let Some(stream) = self.streams.iter().find(orders) else { return false };
        let conn = stream.primary.as_ref().and_then(|feed| self.conns.get(&feed.conn));
        stream.live_since.is_some_and(|since| since <= from) && conn.is_some_and(|conn| conn.last_frame >= to)
    }

    /// The private stream told of an order: that answers whoever looks for it, and whoever will.
    pub(super) fn on_order_told(&mut self, product: usize, row: &OrderPatch) {
        let about = |pending: &Pending| {
            pending.product == product
                && pending.about.as_ref().is_some_and(|about| about.is_answered_by(row))
        };
        let Some((&id, pending)) = self.commands.iter_mut().find(|(_, pending)| about(pending)) else {
            return;
        };
        if matches!(pending.stage, Stage::Looking(_)) {
            self.resolve(id, Resolution::Found(Box::new(row.clone())));
        } else if let Some(about) = &mut pending.about {
            about.told = Some(Box::new(row.clone()));
        }
    }

    pub(super) fn on_lookup_due(&mut self, now: Now, id: CommandId) {
        let Some(Pending { product, about, stage: Stage::Looking(looking), .. }) = self.commands.get(&id)
        else {
            return;
        };
        let product = *product;
        let surely_from = looking.surely_from;
        let places = about.as_ref().is_some_and(|about| about.places);
        // A stream that was heard all the while an order could arrive, and has not told of it, says that it never was.
        if places && looking.sent.is_some_and(|sent| self.heard_all(product, sent, surely_from)) {
            self.resolve(id, Resolution::NeverPlaced);
            return;
        }
        if places && self.hears_orders(product) && now.mono < surely_from.plus(HEARD_WITHIN) {
            // The next beat of its connection says as much, and costs no request.
            self.timers.set(Timer::Lookup(id), now.mono.plus(LOOKUP_BASE));
            return;
        }
        let listed = self.products[product].catalog.find(&looking.symbol);
        if places
            && !looking.alone
            && now.mono >= surely_from
            && self.spec(product).can(AskKind::ClosedOrders)
        {
            self.look_for_all(now, product);
            self.look_later(now, id, LOOKUP_CAP);
            return;
        }
        let ask = listed.map(|(market, _)| Ask::Order { market, order: looking.order.clone() });
        let asked = ask.and_then(|ask| self.request(product, Lane::Order, ask, Purpose::Lookup(id)));
        if asked.is_none() {
            self.look_later(now, id, LOOKUP_CAP);
        }
    }

    /// Asks for every order that is looked up at once: what kept the answer away may be over.
    pub(super) fn look_up_now(&mut self, now: Now) {
        let waiting = self.commands.keys().map(|id| Timer::Lookup(*id));
        let waiting: Vec<Timer> = waiting.filter(|timer| self.timers.is_set(*timer)).collect();
        for timer in waiting {
            self.timers.set(timer, now.mono);
        }
    }

    /// Asks once for everyone who looks for an order, unless that is under way: a process that starts again may have left
    /// many, and the budget may hold few.
    fn look_for_all(&mut self, now: Now, product: usize) {
        let is_it = |job: &Job| matches!(job.purpose, Purpose::Lookups(_)) && job.product == product;
        if self.rests.iter().any(|rest| rest.any(is_it)) {
            return;
        }
        let latest = self
            .looked_for(product)
            .map(|(_, looking)| looking.surely_from)
            .filter(|at| *at <= now.mono)
            .max();
        // What is open a stream that is live has told already.
        if latest.is_some_and(|latest| self.heard_all(product, now.mono, latest)) {
            self.look_among_closed(now, product, latest.unwrap_or_default());
        } else {
            let ask = Ask::OpenOrders { market: None };
            self.request(product, Lane::Order, ask, Purpose::Lookups(Mono(0)));
        }
    }

    fn look_among_closed(&mut self, now: Now, product: usize, open_at: Mono) {
        let meant = self.looked_for(product).map(|(_, looking)| looking.created).min();
        let from = earlier(meant.unwrap_or_else(|| self.clock.time(now)), CLOCKS_APART);
        self.request(product, Lane::Order, Ask::ClosedOrders { from }, Purpose::Lookups(open_at));
    }

    /// Orders of a product that were placed and are looked for.
    fn looked_for(&self, product: usize) -> impl Iterator<Item = (CommandId, &Looking)> {
        self.commands.iter().filter_map(move |(id, pending)| match &pending.stage {
            Stage::Looking(looking) if pending.product == product => {
                pending.about.as_ref().is_some_and(|about| about.places).then_some((*id, looking))
            }
            _ => None,
        })
    }

    /// The orders that are open, or those that are over: whoever is looked for and is among them is found. Whoever was not
    /// open, and is not over either, never was, if no row is missing.
    pub(super) fn on_lookups_answer(&mut self, now: Now, open_at: Mono, job: &Job, buf: &EventBuf) {
        let row_of = |order: &OrderRef| {
            let OrderRef::Client(wanted) = order else { return None };
            buf.rows.iter().find_map(|row| match row {
                Row::Order(row) if row.client_order_id.as_ref() == Some(wanted) => {
                    Some(Box::new(row.clone()))
                }
                _ => None,
            })
        };
        let found: Vec<(CommandId, Box<OrderPatch>)> = self
            .looked_for(job.product)
            .filter_map(|(id, looking)| Some((id, row_of(&looking.order)?)))
            .collect();
        for (id, row) in found {
            self.resolve(id, Resolution::Found(row));
        }
        let is_broken = |event: &Decoded| matches!(event, Decoded::Broken(_));
        let is_short = buf.events.iter().any(is_broken);
        let due = |looking: &Looking, at: Mono| !looking.alone && looking.surely_from <= at;
        let (from, is_whole, at) = match &job.ask {
            Ask::ClosedOrders { from } => {
                let page =
                    self.spec(job.product).paging_of(AskKind::ClosedOrders).map_or(0, |p| p.page as usize);
                (*from, !is_short && buf.rows.len() < page, open_at)
            }
            // Next, those that are over; unless a row was missing here, since that could have been the one.
            _ if !is_short => {
                if self.looked_for(job.product).any(|(_, looking)| due(looking, job.sent)) {
                    self.look_among_closed(now, job.product, job.sent);
                }
                return;
            }
            _ => (UnixNanos(i64::MIN), false, job.sent),
        };
        let absent: Vec<CommandId> = self
            .looked_for(job.product)
            .filter(|(_, looking)| due(looking, at) && earlier(looking.created, CLOCKS_APART) >= from)
            .map(|(id, _)| id)
            .collect();
        for id in absent {
            if is_whole {
                self.resolve(id, Resolution::NeverPlaced);
            } else if let Some(Pending { stage: Stage::Looking(looking), .. }) = self.commands.get_mut(&id) {
                looking.alone = true;
                self.timers.set(Timer::Lookup(id), now.mono);
            }
        }
    }

    fn look_later(&mut self, now: Now, id: CommandId, least: Duration) {
        let Some(Pending { stage: Stage::Looking(looking), .. }) = self.commands.get_mut(&id) else { return };
        let wait = looking.backoff.next(&mut self.rng).max(least);
        self.timers.set(Timer::Lookup(id), now.mono.plus(wait));
    }

    pub(super) fn on_lookup_answer(&mut self, now: Now, id: CommandId, job: &Job, buf: &EventBuf) {
        let (Ask::Order { market, order } | Ask::ClosedOrder { market, order }) = &job.ask else { return };
        let found = buf.rows.iter().find_map(|row| match row {
            Row::Order(row) if row.market == *market && is_named(row, order) => Some(row.clone()),
            _ => None,
        });
        match found {
            Some(row) => self.resolve(id, Resolution::Found(Box::new(row))),
            // It speaks of another order: that is no answer.
            None => {
                let text = "the answer names another order than was asked for";
                self.fault(job.product, job.request.route.clone(), Fault::ours(FaultKind::Unreadable, text));
                self.look_later(now, id, LOOKUP_BASE);
            }
        }
    }

    pub(super) fn on_lookup_fault(&mut self, now: Now, id: CommandId, job: &Job, fault: &Fault) {
        let Some(Pending { stage: Stage::Looking(looking), .. }) = self.commands.get(&id) else { return };
        // One that is not open may be over; while it may still arrive, that is not worth a request.
        if job.sent >= looking.surely_from && self.ask_closed(job, fault).is_some() {
            return;
        }
        let Some(Pending { stage: Stage::Looking(looking), .. }) = self.commands.get(&id) else { return };
        match fault.kind {
            FaultKind::NotFound if job.sent >= looking.surely_from => {
                self.resolve(id, Resolution::NeverPlaced)
            }
            // Nothing is learnt by asking before that: the next answer decides, and the budget is spared.
            FaultKind::NotFound => {
                let left = looking.surely_from.since(now.mono);
                self.look_later(now, id, left.max(LOOKUP_BASE));
            }
            FaultKind::Credentials | FaultKind::BadRequest => self.look_later(now, id, LOOKUP_REFUSED),
            _ => self.look_later(now, id, LOOKUP_BASE),
        }
    }

    fn resolve(&mut self, id: CommandId, outcome: Resolution) {
        self.timers.cancel(Timer::Lookup(id));
        let Some(pending) = self.commands.remove(&id) else { return };
        if pending.kept {
            self.persist(Persisting::Nothing, Persist::Settled { id, how: outcome.as_str() });
        }
        self.emit(Event::Resolved { id, outcome });
    }

    // ---- the end ----

    /// Everything stops: what has not left never will, and of what is under way nobody will hear.
    pub(super) fn stop_commands(&mut self) {
        let fault = Fault::ours(FaultKind::Unavailable, "the session was stopped");
        for (id, pending) in core::mem::take(&mut self.commands) {
            let done = match pending.stage {
                Stage::Storing(_) => Done::NotSent(fault.clone()),
                Stage::Asked(request) if !self.rests.iter().any(|rest| rest.has(request)) => {
                    Done::NotSent(fault.clone())
                }
                Stage::Asked(_) => Done::Unknown(fault.clone()),
                Stage::Looking(_) => continue,
            };
            if pending.kept && !matches!(done, Done::Unknown(_)) {
                self.persist(Persisting::Nothing, Persist::Settled { id, how: done.as_str() });
            }
            self.emit(Event::Done { id, done });
        }
    }

    /// Has something made durable.
    pub(super) fn persist(&mut self, why: Persisting, what: Persist) {
        let id = PersistId(self.next_persist);
        self.next_persist += 1;
        if !matches!(why, Persisting::Nothing) {
            self.persists.insert(id, why);
        }
        self.out.push(Out::Persist { id, what });
    }
}

impl Looking {
    fn new(
        symbol: String,
        order: OrderRef,
        sent: Option<Mono>,
        surely_from: Mono,
        created: UnixNanos,
    ) -> Looking {
        let backoff = Backoff::new(LOOKUP_BASE, LOOKUP_CAP);
        Looking { symbol, order, sent, surely_from, created, alone: false, backoff }
    }
}

fn earlier(at: UnixNanos, span: Duration) -> UnixNanos {
    UnixNanos(at.0.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
}

/// Whether a row is the one that was asked for.
fn is_named(row: &venuekit_venue::OrderPatch, order: &OrderRef) -> bool {
    match order {
        OrderRef::Venue(id) => row.order_id == *id,
        OrderRef::Client(id) => row.client_order_id.as_ref().is_none_or(|known| known == id),
    }
}
