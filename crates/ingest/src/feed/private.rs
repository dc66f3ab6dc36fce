//! An account's own rows: what a session tells of orders and fills, kept with where they belong, and the movements that
//! no stream tells, which are asked for.
//!
//! Positions and balances are no rows: they are what orders, fills and movements come to, and are kept as ledgers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use venuekit_session::{AskCommand, Command, CommandId, Emission, Event, Session, StreamId};
use venuekit_store::{Desk, Owner, Row};
use venuekit_types::{Now, UnixNanos};
use venuekit_venue::{Ask, AskKind, Fill, Lane, MarketId, OrderPatch, Page, Row as Told, Spec};

use super::{Feed, Wish};
use crate::ledgers::ACCOUNT;
use crate::queue::Item;
use crate::rows;

/// Between two looks at what came, went and moved: a page of the newest, of which most is known.
const MOVEMENTS_EVERY: Duration = Duration::from_secs(600);

/// A row whose market has no name yet: that is looked up when the session is at hand.
pub(super) struct Own {
    stream: StreamId,
    received: UnixNanos,
    row: OwnRow,
}

enum OwnRow {
    Order(Box<OrderPatch>),
    Fill(Box<Fill>),
}

impl OwnRow {
    fn market(&self) -> MarketId {
        match self {
            OwnRow::Order(row) => row.market,
            OwnRow::Fill(row) => row.market,
        }
    }
}

impl Feed {
    /// Takes note of an event that becomes a row.
    pub(super) fn keep_own(&mut self, now: Now, event: &Event) {
        let (stream, row) = match event {
            Event::Order { stream, row } => (*stream, OwnRow::Order(row.clone())),
            Event::Fill { stream, row } => (*stream, OwnRow::Fill(row.clone())),
            _ => return,
        };
        self.own.push(Own { stream, received: now.wall, row });
    }

    /// Makes rows of them.
    pub(super) fn put_own(&mut self, session: &Session) {
        for Own { stream, received, row } in std::mem::take(&mut self.own) {
            let Some(product) = self.streams.get(stream.0 as usize).map(|stream| stream.product) else {
                continue;
            };
            // A row was read by the catalog that its market stands in.
            let Some(terms) = session.catalog(product).get(row.market()) else { continue };
            let desk = desk(&self.venue, &session.venue().specs()[product], terms.symbol.clone());
            let row = match row {
                OwnRow::Order(row) => {
                    let state = rows::order_state(*row, desk, received);
                    state.map(|state| Row::OrderState(Box::new(state)))
                }
                OwnRow::Fill(row) => Some(Row::Fill(Box::new(rows::fill(*row, desk, received)))),
            };
            if let Some(row) = row {
                self.put(stream, row);
            }
        }
    }

    /// Asks for movements when their time has come; with a full queue, the next round does.
    pub(super) fn ask_movements(&mut self, now: Now, session: &Session) {
        if self.movements_at.is_none_or(|at| now.mono < at) {
            return;
        }
        let specs = session.venue().specs().iter().enumerate();
        let asks: Vec<(usize, Ask)> = specs
            .flat_map(|(product, spec)| {
                let page = Page::default;
                let all = [
                    (AskKind::Deposits, Ask::Deposits { page: page() }),
                    (AskKind::Withdrawals, Ask::Withdrawals { page: page() }),
                    (AskKind::Transfers, Ask::Transfers { page: page() }),
                ];
                let offered = all.into_iter().filter(|(kind, _)| spec.asks.contains(kind));
                offered.map(move |(_, ask)| (product, ask)).collect::<Vec<_>>()
            })
            .collect();
        let Ok(permits) = self.parts.wishes.try_reserve_many(asks.len()) else { return };
        for ((product, ask), permit) in asks.into_iter().zip(permits) {
            // Numbers rise with the clock, so that none is used twice.
            self.asked = self.asked.max(now.wall.0.unsigned_abs()).saturating_add(1);
            let id = CommandId(self.asked);
            let command = AskCommand { id, product, ask, lane: Some(Lane::Poll), within: None };
            permit.send(Wish::Command(Command::Ask(Box::new(command))));
        }
        self.movements_at = Some(now.mono.plus(MOVEMENTS_EVERY));
    }

    /// Takes what was answered.
    pub(super) fn on_answered(&mut self, now: Now, emission: Emission<'_>, rows: &std::ops::Range<usize>) {
        for told in emission.rows(rows) {
            let Told::Movement(told) = told else { continue };
            let owner = Owner::new(Arc::clone(&self.venue), ACCOUNT);
            let row = Row::Movement(Box::new(rows::movement(told, owner, now.wall)));
            self.items.push(Item { stream: None, row });
        }
    }
}

fn desk(venue: &Arc<str>, spec: &Spec, symbol: venuekit_types::Symbol) -> Desk {
    let wallet = match spec.wallets.as_slice() {
        [only] => Some(Cow::Borrowed(only.as_str())),
        _ => None,
    };
    Desk {
        owner: Owner::new(Arc::clone(venue), ACCOUNT),
        product: Cow::Owned(spec.product.clone()),
        wallet,
        symbol,
    }
}
