//! An account's own rows: what a session tells of orders and fills, kept with where they belong.
//!
//! Positions and balances are no rows: they are what orders, fills and movements come to, and are kept as ledgers.

use std::borrow::Cow;
use std::sync::Arc;

use venuekit_session::{Event, Session, StreamId};
use venuekit_store::{Desk, Owner, Row};
use venuekit_types::{Now, UnixNanos};
use venuekit_venue::{Fill, MarketId, OrderPatch, Spec};

use super::Feed;
use crate::ledgers::ACCOUNT;
use crate::rows;

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
            let Some(product) = self.streams.get(stream.0 as usize).map(|stream| stream.product) else { continue };
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

    /// Whose rows they are.
    pub(super) fn owner(&self) -> Owner {
        Owner::new(Arc::clone(&self.venue), ACCOUNT)
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
