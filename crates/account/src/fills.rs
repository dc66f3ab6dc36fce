//! Own fills, each exactly once, whatever order and however often they are told.
//!
//! The memory is bounded. When it is full the earliest fills leave it and a horizon moves up behind them: at or
//! before it, a fill cannot be told from one already counted, so it is named [`FillNews::TooOld`] and left to the
//! store's key. Nothing is ever counted twice.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use venuekit_types::{Symbol, UnixNanos};
use venuekit_venue::Fill;

use crate::exact::{self, Arithmetic};
use crate::{Order, OrderKey};

/// A fill that was counted.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnFill {
    /// The instrument; the market id in `fill` is not looked at.
    pub symbol: Symbol,
    /// The venue's row, or ours where it is derived.
    pub fill: Fill,
    /// True when no venue told of it: it was inferred from an order's own sums.
    pub derived: bool,
}

impl OwnFill {
    /// The order that it fills.
    pub fn order(&self) -> OrderKey {
        OrderKey { symbol: self.symbol.clone(), order_id: self.fill.order_id.clone() }
    }
}

/// What a told fill turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum FillNews {
    /// New, and counted.
    Counted {
        /// Its order was not told yet.
        early: bool,
        /// Its order's fills now come to more than was ordered.
        overfilled: bool,
        /// Derived fills of its order that it disproves: they count no more. Derive again once the rest arrived.
        withdrawn: Vec<String>,
    },
    /// Counted before; nothing changed.
    Repeated,
    /// Its id was counted with another order, side, price or quantity, or its order has the other side. Not
    /// counted: ask the venue.
    Conflicting,
    /// From before the memory reaches. Not counted here: the store's key decides.
    TooOld,
}

/// The fills of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fills {
    rows: BTreeMap<(Symbol, String), OwnFill>,
    by_order: BTreeSet<(OrderKey, String)>,
    by_time: BTreeSet<(UnixNanos, Symbol, String)>,
    horizon: Option<UnixNanos>,
}

impl Fills {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OwnFill> {
        self.by_time.iter().filter_map(|(_, symbol, id)| self.rows.get(&(symbol.clone(), id.clone())))
    }

    pub(crate) fn of_order(&self, key: &OrderKey) -> impl Iterator<Item = &OwnFill> {
        let ids = self.by_order.range((key.clone(), String::new())..).take_while(move |(k, _)| k == key);
        ids.filter_map(|(key, id)| self.rows.get(&(key.symbol.clone(), id.clone())))
    }

    /// The quantity of an order's fills.
    pub(crate) fn qty_of(&self, key: &OrderKey) -> Result<Decimal, Arithmetic> {
        exact::sum(self.of_order(key).map(|own| own.fill.qty))
    }

    /// Whether fills at this time may already have been forgotten.
    pub(crate) fn forgets(&self, at: UnixNanos) -> bool {
        self.horizon.is_some_and(|horizon| at <= horizon)
    }

    /// Counts a fill that a venue told.
    pub(crate) fn tell(
        &mut self,
        symbol: &Symbol,
        fill: Fill,
        order: Option<&Order>,
        limit: usize,
    ) -> FillNews {
        if let Some(known) = self.rows.get(&(symbol.clone(), fill.fill_id.clone())) {
            let known = &known.fill;
            let same = known.order_id == fill.order_id
                && (known.side, known.price, known.qty) == (fill.side, fill.price, fill.qty);
            return if same { FillNews::Repeated } else { FillNews::Conflicting };
        }
        if order.is_some_and(|order| order.side != fill.side) {
            return FillNews::Conflicting;
        }
        if self.forgets(fill.at) {
            return FillNews::TooOld;
        }
        let own = OwnFill { symbol: symbol.clone(), fill, derived: false };
        let key = own.order();
        let derived = self.of_order(&key).filter(|own| own.derived).map(|own| own.fill.fill_id.clone());
        let withdrawn: Vec<String> = derived.collect();
        for id in &withdrawn {
            self.remove(symbol, id);
        }
        self.insert(own, limit);
        // A sum that no decimal holds is surely more than was ordered.
        let overfilled = order.is_some_and(|order| self.qty_of(&key).map_or(true, |qty| qty > order.qty));
        FillNews::Counted { early: order.is_none(), overfilled, withdrawn }
    }

    /// Counts a fill and, past the limit, forgets the earliest.
    pub(crate) fn insert(&mut self, own: OwnFill, limit: usize) {
        let id = own.fill.fill_id.clone();
        self.by_order.insert((own.order(), id.clone()));
        self.by_time.insert((own.fill.at, own.symbol.clone(), id.clone()));
        self.rows.insert((own.symbol.clone(), id), own);
        while self.rows.len() > limit {
            let Some((at, symbol, id)) = self.by_time.first().cloned() else { return };
            self.remove(&symbol, &id);
            self.horizon = self.horizon.max(Some(at));
        }
    }

    fn remove(&mut self, symbol: &Symbol, id: &str) {
        if let Some(own) = self.rows.remove(&(symbol.clone(), id.to_owned())) {
            self.by_order.remove(&(own.order(), id.to_owned()));
            self.by_time.remove(&(own.fill.at, own.symbol, own.fill.fill_id));
        }
    }
}
