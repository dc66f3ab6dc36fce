//! Requests of a program, matched with their answers: the one place between the traits and the session.
//!
//! It refuses to ask twice: what was not answered is told as that, and the caller decides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use venuekit_session::{AskCommand, Command, CommandId, Done, Emission, Event, Session};
use venuekit_types::Symbol;
use venuekit_venue::{Ask, AskKind, Fault, MarketId, Place, Row, Spec};

use crate::error::Stopped;
use crate::run::Handle;

/// Why a call gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The venue, or its rules as we know them, refused it.
    #[error(transparent)]
    Refused(Fault),
    /// It never left: nothing happened.
    #[error("not sent: {0}")]
    NotSent(Fault),
    /// It left, and no answer came that could be understood.
    #[error("no answer: {0}")]
    Unknown(Fault),
    /// No product that can answer lists the symbol.
    #[error("{venue} lists no {symbol}{}; it lists {}", .what.map(|what| format!(" with {what}")).unwrap_or_default(), .listed.iter().map(Symbol::as_str).collect::<Vec<_>>().join(", "))]
    UnknownSymbol {
        /// The venue.
        venue: String,
        /// What was asked for.
        symbol: Symbol,
        /// What was wanted of it, where only some products have that.
        what: Option<&'static str>,
        /// What there is.
        listed: Vec<Symbol>,
    },
    /// The client has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl CallError {
    /// The venue's fault, where there is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            CallError::Refused(fault) | CallError::NotSent(fault) | CallError::Unknown(fault) => Some(fault),
            CallError::UnknownSymbol { .. } | CallError::Stopped(_) => None,
        }
    }
}

/// What waits for one command.
#[derive(Debug)]
struct Waiting {
    rows: Vec<Row>,
    answer: oneshot::Sender<(Done, Vec<Row>)>,
}

/// Commands under way, shared by the loop and the program.
#[derive(Debug)]
pub(super) struct Pending {
    next: AtomicU64,
    waiting: Mutex<HashMap<CommandId, Waiting>>,
}

impl Pending {
    /// Numbers commands from here upward.
    pub(super) fn new(first: u64) -> Pending {
        Pending { next: AtomicU64::new(first), waiting: Mutex::default() }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<CommandId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an event; true when it was the answer to a call, and nobody else's business.
    pub(super) fn hear(&self, emission: &Emission<'_>) -> bool {
        match emission.event {
            Event::Answered { id, rows, .. } => {
                let mut waiting = self.waiting();
                let Some(call) = waiting.get_mut(id) else { return false };
                call.rows.extend_from_slice(emission.rows(rows));
                true
            }
            Event::Done { id, done } => {
                let Some(call) = self.waiting().remove(id) else { return false };
                // Whoever asked may have gone away.
                let _ = call.answer.send((done.clone(), call.rows));
                true
            }
            _ => false,
        }
    }

    /// Tells everyone who waits that nothing more comes.
    pub(super) fn end(&self) {
        self.waiting().clear();
    }
}

/// Forgets a call whose caller went away before its answer came.
struct Forget<'a> {
    pending: &'a Pending,
    id: CommandId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.waiting().remove(&self.id);
    }
}

/// Asks a session for things, by REST.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) handle: Handle,
    pub(super) pending: Arc<Pending>,
}

impl Calls {
    /// Asks one product, and gives the rows of the answer.
    pub(super) async fn ask(&self, product: usize, ask: Ask) -> Result<Vec<Row>, CallError> {
        let id = CommandId(self.pending.next.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        self.pending.waiting().insert(id, Waiting { rows: Vec::new(), answer });
        let _forget = Forget { pending: &self.pending, id };
        self.handle
            .command(Command::Ask(Box::new(AskCommand { id, product, ask, lane: None, within: None })))
            .await?;
        match answered.await.map_err(|_| Stopped)? {
            (Done::Accepted, rows) => Ok(rows),
            (Done::Rejected(fault), _) => Err(CallError::Refused(fault)),
            (Done::NotSent(fault), _) => Err(CallError::NotSent(fault)),
            (Done::Unknown(fault), _) => Err(CallError::Unknown(fault)),
        }
    }

    /// Asks a product at once, or market by market where it has no route for all: each answer's rows.
    pub(super) async fn ask_every(
        &self,
        product: usize,
        ask: impl Fn(Option<MarketId>) -> Ask,
    ) -> Result<Vec<Vec<Row>>, CallError> {
        let whole = ask(None);
        let look = move |session: &Session, _| {
            let catalog = session.catalog(product);
            let place = Place { product, socket: 0, catalog };
            let has_route = session.venue().ask(place, &whole).is_some();
            let markets = catalog.iter().map(|(market, _)| market).collect::<Vec<_>>();
            (!has_route).then_some(markets)
        };
        let Some(markets) = self.handle.query(look).await? else {
            return Ok(vec![self.ask(product, ask(None)).await?]);
        };
        let mut answers = Vec::with_capacity(markets.len());
        for market in markets {
            answers.push(self.ask(product, ask(Some(market))).await?);
        }
        Ok(answers)
    }

    /// Asks every product that can answer, in order, and gives each product's rows.
    pub(super) async fn ask_all(
        &self,
        kind: AskKind,
        ask: impl Fn(usize) -> Ask,
    ) -> Result<Vec<(usize, Vec<Row>)>, CallError> {
        let mut answers = Vec::new();
        for product in self.products(kind).await? {
            answers.push((product, self.ask(product, ask(product)).await?));
        }
        Ok(answers)
    }

    /// The products that can be asked for something.
    pub(super) async fn products(&self, kind: AskKind) -> Result<Vec<usize>, Stopped> {
        self.handle.query(move |session, _| products(session, kind)).await
    }

    /// The product and market of a symbol, among the products that can be asked for something.
    pub(super) async fn market(
        &self,
        symbol: &Symbol,
        kind: AskKind,
        what: &'static str,
    ) -> Result<(usize, MarketId), CallError> {
        let symbol = symbol.clone();
        let find = move |session: &Session, _| {
            let products = products(session, kind);
            let all = products.len() == served(session).count();
            let found = products.iter().find_map(|&product| {
                let (market, _) = session.catalog(product).find_symbol(&symbol)?;
                Some((product, market))
            });
            found.ok_or_else(|| {
                let catalogs = products.iter().map(|&product| session.catalog(product));
                let listed = catalogs.flat_map(|catalog| catalog.iter().map(|(_, of)| of.symbol.clone()));
                let venue = session.venue().specs()[0].venue.clone();
                CallError::UnknownSymbol {
                    venue,
                    symbol,
                    what: (!all).then_some(what),
                    listed: listed.collect(),
                }
            })
        };
        self.handle.query(find).await?
    }

    /// The symbol of each row's market.
    pub(super) async fn named<T: Send + 'static>(
        &self,
        rows: Vec<(usize, MarketId, T)>,
    ) -> Result<Vec<(Symbol, T)>, Stopped> {
        let name = move |session: &Session, _| {
            let named = rows.into_iter().filter_map(|(product, market, row)| {
                Some((session.catalog(product).get(market)?.symbol.clone(), row))
            });
            named.collect()
        };
        self.handle.query(name).await
    }
}

/// The products that the session serves.
fn served(session: &Session) -> impl Iterator<Item = (usize, &Spec)> {
    session.venue().specs().iter().enumerate().filter(|(product, _)| session.serves(*product))
}

fn products(session: &Session, kind: AskKind) -> Vec<usize> {
    served(session).filter(|(_, spec)| spec.can(kind)).map(|(product, _)| product).collect()
}
