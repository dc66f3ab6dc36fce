//! Placing an order, cancelling one, and looking: the gateway's side of `order`.

use std::time::Duration;

use tokio::time::timeout;
use venuekit_session::gate::{Entry, Mode};
use venuekit_session::{AskCommand, Command, Done, Resolution, Session};
use venuekit_types::{Instrument, Symbol};
use venuekit_venue::{Ask, Lane, MarketId, NewOrder, OrderPatch, OrderRef, Row};

use super::GatewayHandle;
use super::journal::Record;
use super::keeper::Note;
use super::orders::Product;
use super::report::{DeskError, FaultView, OrderView, OrderWish, Outcome, fault_of};

/// Longest wait for the end of an order, and again for what became of it.
const END_WITHIN: Duration = Duration::from_secs(15);

/// A market that was found by its name.
pub(super) struct Found {
    pub(super) at: Product,
    pub(super) market: MarketId,
    pub(super) instrument: Instrument,
}

impl GatewayHandle {
    /// Places an order, if the gate lets it out, and waits for what becomes of it.
    ///
    /// An order that was let out goes its way even when nobody waits any more.
    ///
    /// **Errors**: [`DeskError`] when it was not let out; what the venue says is an [`Outcome`].
    pub async fn place(&self, wish: OrderWish) -> Result<Outcome, DeskError> {
        let handle = self.clone();
        let placing = tokio::spawn(async move { handle.place_now(wish).await });
        placing
            .await
            .unwrap_or_else(|_| Err(DeskError::new(1, "placing the order failed; look with `order open`")))
    }

    async fn place_now(&self, wish: OrderWish) -> Result<Outcome, DeskError> {
        let (desk, shared) = (&self.desk, &self.desk.shared);
        // Asked first, so that a halted gateway does nothing else for it.
        shared.gate(|gate, now| match (gate.mode(now), gate.halt_reason()) {
            (Mode::Halted, Some(halt)) => Err(DeskError::halted(halt.clone())),
            _ => Ok(()),
        })?;
        let Found { at, market, instrument } =
            self.find(&wish.venue, &wish.symbol, wish.product.as_deref()).await?;
        let id = desk.next_id();
        let client_order_id = wish.client_order_id.unwrap_or_else(|| venuekit_venue::ClientIds::id(id.0, 0));
        let order = NewOrder {
            market,
            client_order_id: client_order_id.clone(),
            side: wish.side,
            order_type: wish.order_type,
            time_in_force: wish.time_in_force,
            qty: wish.qty,
            price: wish.price,
            stop_price: wish.stop_price,
            trigger_by: wish.trigger_by,
            post_only: wish.post_only,
            reduce_only: wish.reduce_only,
        };
        // Off the grid is the caller's mistake, and no reason to count it.
        let spec = &desk.lines[at.venue].venue.specs()[at.product];
        if let Some(rules) = &spec.orders {
            venuekit_venue::grid::check(&order, &instrument, rules)
                .map_err(|error| DeskError::new(7, error.to_string()))?;
        }
        let reference = desk.reference(at, market).await;
        // The switch first: an order that rests with nobody to cancel it must not be.
        if shared.orders(|orders| orders.may_be_open(at)) == 0 {
            desk.arm_countdown(at).await.map_err(|fault| {
                let text =
                    format!("the venue's countdown could not be armed, so nothing was ordered: {fault}");
                DeskError { text, ..DeskError::fault(&fault) }
            })?;
        }
        shared.gate(|gate, now| {
            let open = shared.orders(|orders| orders.count());
            gate.admit(now, &Entry::of(&order, &instrument, reference, open))
                .map_err(|refusal| DeskError::refused(&refusal))?;
            // Within the lock, so that a sweep that begins now waits for it.
            shared.orders(|orders| orders.begin(id, at));
            shared.note(Note::Keep(Record::Day(gate.kept().day)));
            Ok::<(), DeskError>(())
        })?;
        let (ended, resolved) = shared.wait_for(id);
        let ask = Ask::Place(Box::new(order));
        let command = AskCommand { id, product: at.product, ask, lane: None, within: None };
        if let Err(stopped) = desk.lines[at.venue].handle.command(Command::Ask(Box::new(command))).await {
            shared.orders(|orders| orders.settle(id));
            shared.forget(id);
            return Err(stopped.into());
        }
        shared.changed.notify_waiters();
        let Ok(Ok(ended)) = timeout(END_WITHIN, ended).await else {
            return Err(DeskError::new(
                5,
                format!("no word of order {client_order_id}; look with `order status`"),
            ));
        };
        let mut outcome = Outcome {
            outcome: ended.done.as_str().to_owned(),
            client_order_id,
            order: None,
            fault: fault_of(&ended.done).map(FaultView::of),
        };
        let view = |order: OrderPatch| OrderView::of(&spec.venue, &spec.product, Some(&instrument), order);
        outcome.order = ended.rows.into_iter().find_map(|row| match row {
            Row::Order(order) => Some(view(order)),
            _ => None,
        });
        if let (Done::NotSent(_), Some(halt)) =
            (&ended.done, shared.gate(|gate, _| gate.halt_reason().cloned()))
        {
            return Err(DeskError::halted(halt));
        }
        if matches!(ended.done, Done::Unknown(_))
            && let Ok(Ok(resolution)) = timeout(END_WITHIN, resolved).await
        {
            outcome.outcome = resolution.as_str().to_owned();
            if let Resolution::Found(order) = resolution {
                outcome.order = Some(view(*order));
            }
        }
        Ok(outcome)
    }

    /// Cancels an order, halted or not.
    ///
    /// **Errors**: [`DeskError`], with the venue's words.
    pub async fn cancel(
        &self,
        venue: &str,
        symbol: &str,
        product: Option<&str>,
        order: OrderRef,
    ) -> Result<(), DeskError> {
        let found = self.find(venue, symbol, product).await?;
        let ask = Ask::Cancel { market: found.market, order };
        let ended = self.desk.ask(found.at, ask, Lane::Cancel).await;
        // Whatever it said, the venue knows best.
        let _ = self.desk.read_open(found.at, Lane::Must).await;
        match fault_of(&ended.done) {
            None => Ok(()),
            Some(fault) => Err(DeskError::fault(fault)),
        }
    }

    /// Looks an order up at its venue.
    ///
    /// **Errors**: [`DeskError`], with the venue's words.
    pub async fn order(
        &self,
        venue: &str,
        symbol: &str,
        product: Option<&str>,
        order: OrderRef,
    ) -> Result<OrderView, DeskError> {
        let Found { at, market, instrument } = self.find(venue, symbol, product).await?;
        // Somebody waits: it goes before what is read on a schedule, where a small budget holds both.
        let ended = self.desk.ask(at, Ask::Order { market, order }, Lane::Order).await;
        if let Some(fault) = fault_of(&ended.done) {
            return Err(DeskError::fault(fault));
        }
        let spec = &self.desk.lines[at.venue].venue.specs()[at.product];
        let row = ended.rows.into_iter().find_map(|row| match row {
            Row::Order(order) => Some(OrderView::of(&spec.venue, &spec.product, Some(&instrument), order)),
            _ => None,
        });
        row.ok_or_else(|| DeskError::new(5, "the venue answered with no order"))
    }

    /// Reads what is open, at one venue or at all.
    ///
    /// **Errors**: [`DeskError`] when a venue cannot be read.
    pub async fn open_orders(&self, venue: Option<&str>) -> Result<Vec<OrderView>, DeskError> {
        let mut all = Vec::new();
        for at in self.desk.products().collect::<Vec<_>>() {
            let spec = &self.desk.lines[at.venue].venue.specs()[at.product];
            if venue.is_some_and(|venue| venue != spec.venue) {
                continue;
            }
            let open = self.desk.read_open(at, Lane::Must).await;
            let open = open.map_err(|fault| DeskError::fault(&fault))?;
            let instruments = move |session: &Session, _| {
                open.into_iter()
                    .map(|order| (session.catalog(at.product).get(order.market).cloned(), order))
                    .collect::<Vec<_>>()
            };
            let named = self.desk.look(at.venue, instruments).await.unwrap_or_default();
            let view = |(instrument, order): (Option<Instrument>, OrderPatch)| {
                OrderView::of(&spec.venue, &spec.product, instrument.as_ref(), order)
            };
            all.extend(named.into_iter().map(view));
        }
        Ok(all)
    }

    pub(super) async fn find(
        &self,
        venue: &str,
        symbol: &str,
        product: Option<&str>,
    ) -> Result<Found, DeskError> {
        let known = || self.desk.lines.iter().map(|line| line.id()).collect::<Vec<_>>().join(", ");
        let number = self.desk.lines.iter().position(|line| line.id() == venue);
        let number = number.ok_or_else(|| {
            DeskError::new(2, format!("this gateway has no venue {venue:?}; it has {}", known()))
        })?;
        let products: Vec<Product> = self.desk.products().filter(|at| at.venue == number).collect();
        let (text, unified) = (symbol.to_owned(), symbol.parse::<Symbol>().ok());
        let wanted = product.map(str::to_owned);
        let look = move |session: &Session, _| {
            let named = products.iter().filter(|at| {
                wanted.as_ref().is_none_or(|name| session.venue().specs()[at.product].product == *name)
            });
            let found = named.filter_map(|at| {
                let catalog = session.catalog(at.product);
                let hit = match &unified {
                    Some(symbol) => catalog.find_symbol(symbol),
                    None => catalog.find(&text.to_ascii_uppercase()),
                };
                hit.map(|(market, instrument)| Found { at: *at, market, instrument: instrument.clone() })
            });
            let loaded = products.iter().all(|at| !session.catalog(at.product).is_empty());
            (found.collect::<Vec<_>>(), loaded)
        };
        let (mut found, loaded) = self.desk.look(number, look).await.unwrap_or_default();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 if !loaded => {
                Err(DeskError::new(5, "the instruments have not been read yet; try again in a moment"))
            }
            0 => Err(DeskError::new(2, format!("{venue} lists no {symbol:?} that takes orders"))),
            _ => {
                let names: Vec<_> = found.iter().map(|found| found.instrument.symbol.to_string()).collect();
                Err(DeskError::new(2, format!("{symbol:?} could be {}; name one of them", names.join(", "))))
            }
        }
    }
}
