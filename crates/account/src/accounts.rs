//! The state of every account: keyed patches in, ledgers, positions, orders and fills out.
//!
//! A whole venue message is one call. A feed that is not live tells nothing that can be read, and only a snapshot
//! makes it live. A message that is refused takes its feed down with it, so a half-applied one is never seen.

use std::collections::{BTreeMap, BTreeSet};

use venuekit_types::Symbol;
use venuekit_venue::{BalancePatch, DataKind, Fill, OrderPatch, PositionPatch};

use crate::derive::{self, Underivable};
use crate::exact::Arithmetic;
use crate::fills::Fills;
use crate::order::Merge;
use crate::place::is_part_of;
use crate::{
    Amounts, Feed, FillNews, Holding, Ledger, Name, Order, OrderKey, OwnFill, Owner, Part, Place, Reported,
    Standing, ledger, position,
};

/// How much one account may hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ledgers.
    pub ledgers: usize,
    /// Positions.
    pub positions: usize,
    /// Orders; the oldest that can change no more make room.
    pub orders: usize,
    /// Fills remembered, at least one; the earliest make room.
    pub fills: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { ledgers: 4_096, positions: 4_096, orders: 16_384, fills: 65_536 }
    }
}

/// One row of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// Of a balances feed.
    Balance(Box<BalancePatch>),
    /// Of a positions feed; the market id in the patch is not looked at.
    Position(Symbol, Box<PositionPatch>),
    /// Of an orders feed; the market id in the patch is not looked at.
    Order(Symbol, Box<OrderPatch>),
}

/// What a message did that its rows do not show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Applied {
    /// Orders thought open that a snapshot leaves out: how they ended is unknown; look them up.
    pub left_out: Vec<OrderKey>,
    /// Order rows that told of an earlier time and changed nothing.
    pub old: usize,
}

/// Why a message was refused. The feed reads unreported from now on: ask for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// An update came while there is nothing it could change.
    #[error("an update on a feed that is not live; ask for a snapshot")]
    NotLive,
    /// It changes a row that is not known, and lacks what a new one needs.
    #[error("a change of {key}, which is not known, without {needs}; ask for a snapshot")]
    Incomplete {
        /// The row.
        key: String,
        /// The required fields.
        needs: &'static str,
    },
    /// A row of another wallet, product or part than the feed's.
    #[error("{key} does not belong to this feed; give each feed its own rows, then ask for a snapshot")]
    Foreign {
        /// The row.
        key: String,
    },
    /// An order changed its side.
    #[error("order {order_id} in {symbol} came with its other side; ask for a snapshot", symbol = .0.symbol, order_id = .0.order_id)]
    Contradiction(OrderKey),
    /// There is no room for one more.
    #[error("no room for another row of {part:?}; raise its limit, then ask for a snapshot")]
    Full {
        /// Of what.
        part: Part,
    },
    /// An amount does not fit.
    #[error(transparent)]
    Arithmetic(#[from] Arithmetic),
}

/// All accounts of all venues.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    limits: Limits,
    books: BTreeMap<Owner, Books>,
}

#[derive(Clone, Debug, Default)]
struct Books {
    live: BTreeSet<(Part, Name)>,
    ledgers: BTreeMap<(Name, Name), Slot<(BalancePatch, Amounts)>>,
    positions: BTreeMap<Symbol, Slot<PositionPatch>>,
    orders: BTreeMap<OrderKey, Slot<Order>>,
    fills: Fills,
}

/// A row, and whether its feed has told it since the last snapshot began.
#[derive(Clone, Debug)]
struct Slot<T> {
    scope: Name,
    told: bool,
    row: T,
}

impl Accounts {
    /// No accounts yet.
    pub fn new(limits: Limits) -> Accounts {
        Accounts { limits, books: BTreeMap::new() }
    }

    /// Applies one whole message of a feed.
    ///
    /// A snapshot replaces every row of the feed; those it leaves out read unreported, never flat. An update
    /// changes the rows it names.
    ///
    /// **Errors**: [`Refused`]; the feed then reads unreported until a snapshot is applied.
    pub fn apply(&mut self, feed: &Feed, kind: DataKind, rows: Vec<Row>) -> Result<Applied, Refused> {
        let books = self.books.entry(feed.owner.clone()).or_default();
        let key = (feed.part, feed.scope.clone());
        // Not live while the message is half applied, nor after one that is refused.
        let was_live = books.live.remove(&key);
        match kind {
            DataKind::Update if !was_live => return Err(Refused::NotLive),
            DataKind::Update => {}
            DataKind::Snapshot => books.begin_snapshot(feed),
        }
        let mut applied = Applied::default();
        for row in rows {
            books.merge(feed, row, &self.limits, &mut applied)?;
        }
        if kind == DataKind::Snapshot {
            books.end_snapshot(feed, &mut applied);
        }
        books.live.insert(key);
        Ok(applied)
    }

    /// Says that a feed is not live: what it told reads unreported until a snapshot is applied.
    pub fn lost(&mut self, feed: &Feed) {
        if let Some(books) = self.books.get_mut(&feed.owner) {
            books.live.remove(&(feed.part, feed.scope.clone()));
        }
    }

    /// Counts a fill, once. Fills do not depend on any feed being live, and may come before their order.
    pub fn fill(&mut self, owner: &Owner, symbol: &Symbol, fill: Fill) -> FillNews {
        let books = self.books.entry(owner.clone()).or_default();
        let key = OrderKey { symbol: symbol.clone(), order_id: fill.order_id.clone() };
        let order = books.orders.get(&key).map(|slot| &slot.row);
        books.fills.tell(symbol, fill, order, self.limits.fills.max(1))
    }

    /// Infers the fills that no feed told, counts them as derived, and gives them with the orders where that
    /// cannot be done. Call it after a resync of orders: before that, fills may merely be on their way.
    pub fn derive_fills(&mut self, owner: &Owner) -> (Vec<OwnFill>, Vec<(OrderKey, Underivable)>) {
        let (mut derived, mut cannot) = (Vec::new(), Vec::new());
        let Some(books) = self.books.get_mut(owner) else { return (derived, cannot) };
        for (key, slot) in books.orders.iter().filter(|(_, slot)| slot.reads_order(&books.live)) {
            match derive::missing(key, &slot.row, &books.fills) {
                Ok(own) => derived.extend(own),
                Err(why) => cannot.push((key.clone(), why)),
            }
        }
        for own in &derived {
            books.fills.insert(own.clone(), self.limits.fills.max(1));
        }
        (derived, cannot)
    }

    /// Every account that was ever told of.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.books.keys()
    }

    /// Whether a feed is live.
    pub fn is_live(&self, feed: &Feed) -> bool {
        self.books.get(&feed.owner).is_some_and(|books| books.live.contains(&(feed.part, feed.scope.clone())))
    }

    /// Every ledger of every account, ordered by place.
    pub fn ledgers(&self) -> Vec<Ledger> {
        self.books.iter().flat_map(|(owner, books)| books.ledgers(owner)).collect()
    }

    /// One ledger; unreported when it was never told.
    pub fn ledger(&self, place: &Place) -> Ledger {
        let owner = Owner { venue: place.venue.clone(), account: place.account.clone() };
        let books = self.books.get(&owner);
        let slot = books.and_then(|books| {
            let slot = books.ledgers.get(&(place.wallet.clone(), place.asset.clone()))?;
            slot.reads(Part::Balances, &books.live).then_some(slot)
        });
        ledger_of(place.clone(), slot)
    }

    /// The position in an instrument.
    pub fn holding(&self, owner: &Owner, symbol: &Symbol) -> Holding {
        let books = self.books.get(owner);
        let slot = books.and_then(|books| Some((books, books.positions.get(symbol)?)));
        slot.map_or(Holding::Unreported, |(books, slot)| slot.holding(&books.live))
    }

    /// Every position of an account that is, or was when last told, open or flat.
    pub fn holdings(&self, owner: &Owner) -> impl Iterator<Item = (&Symbol, Holding)> {
        self.books.get(owner).into_iter().flat_map(|books| {
            books.positions.iter().map(|(symbol, slot)| (symbol, slot.holding(&books.live)))
        })
    }

    /// One order; unreported when its feed is not live and it may still change.
    pub fn order(&self, owner: &Owner, key: &OrderKey) -> Reported<&Order> {
        let books = self.books.get(owner);
        let slot = books.and_then(|books| Some((books, books.orders.get(key)?)));
        slot.map_or(Reported::Unreported, |(books, slot)| slot.order(&books.live))
    }

    /// Every order of an account in memory. A final one stays known: nothing more can happen to it.
    pub fn orders(&self, owner: &Owner) -> impl Iterator<Item = (&OrderKey, Reported<&Order>)> {
        self.books
            .get(owner)
            .into_iter()
            .flat_map(|books| books.orders.iter().map(|(key, slot)| (key, slot.order(&books.live))))
    }

    /// The fills of an account in memory, earliest first.
    pub fn fills(&self, owner: &Owner) -> impl Iterator<Item = &OwnFill> {
        self.books.get(owner).into_iter().flat_map(|books| books.fills.iter())
    }

    /// The fills of one order in memory.
    pub fn fills_of(&self, owner: &Owner, key: &OrderKey) -> Vec<&OwnFill> {
        self.books.get(owner).map(|books| books.fills.of_order(key).collect()).unwrap_or_default()
    }

    /// The scopes of a part that are live.
    pub(crate) fn live_scopes(&self, owner: &Owner, part: Part) -> Vec<Name> {
        let live = self.books.get(owner).into_iter().flat_map(|books| &books.live);
        live.filter(|(of, _)| *of == part).map(|(_, scope)| scope.clone()).collect()
    }

    /// The scope that a position belongs to.
    pub(crate) fn scope_of_position(&self, owner: &Owner, symbol: &Symbol) -> Option<&Name> {
        Some(&self.books.get(owner)?.positions.get(symbol)?.scope)
    }

    /// The scope that an order belongs to.
    pub(crate) fn scope_of_order(&self, owner: &Owner, key: &OrderKey) -> Option<&Name> {
        Some(&self.books.get(owner)?.orders.get(key)?.scope)
    }
}

/// The ledger at a place, whose row is there when it can be read.
fn ledger_of(place: Place, slot: Option<&Slot<(BalancePatch, Amounts)>>) -> Ledger {
    match slot {
        Some(slot) => {
            let (row, amounts) = &slot.row;
            Ledger { place, amounts: Reported::Known(*amounts), standing: Standing::of(row) }
        }
        None => Ledger { place, amounts: Reported::Unreported, standing: Standing::default() },
    }
}

impl<T> Slot<T> {
    fn reads(&self, part: Part, live: &BTreeSet<(Part, Name)>) -> bool {
        self.told && live.contains(&(part, self.scope.clone()))
    }
}

impl Slot<PositionPatch> {
    fn holding(&self, live: &BTreeSet<(Part, Name)>) -> Holding {
        if self.reads(Part::Positions, live) { position::holding(&self.row) } else { Holding::Unreported }
    }
}

impl Slot<Order> {
    fn reads_order(&self, live: &BTreeSet<(Part, Name)>) -> bool {
        self.row.status.is_final() || self.reads(Part::Orders, live)
    }

    fn order(&self, live: &BTreeSet<(Part, Name)>) -> Reported<&Order> {
        if self.reads_order(live) { Reported::Known(&self.row) } else { Reported::Unreported }
    }
}

impl Books {
    fn ledgers(&self, owner: &Owner) -> impl Iterator<Item = Ledger> {
        self.ledgers.iter().map(|((wallet, asset), slot)| {
            let place = Place {
                venue: owner.venue.clone(),
                account: owner.account.clone(),
                wallet: wallet.clone(),
                asset: asset.clone(),
            };
            ledger_of(place, Some(slot).filter(|slot| slot.reads(Part::Balances, &self.live)))
        })
    }

    fn begin_snapshot(&mut self, feed: &Feed) {
        fn untell<'a, T: 'a>(slots: impl Iterator<Item = &'a mut Slot<T>>, scope: &Name) {
            slots.filter(|slot| slot.scope == *scope).for_each(|slot| slot.told = false);
        }
        match feed.part {
            Part::Balances => untell(self.ledgers.values_mut(), &feed.scope),
            Part::Positions => untell(self.positions.values_mut(), &feed.scope),
            Part::Orders => untell(self.orders.values_mut(), &feed.scope),
        }
    }

    /// What was empty or flat and is left out says nothing worth keeping; it reads unreported either way.
    fn end_snapshot(&mut self, feed: &Feed, applied: &mut Applied) {
        let left_out = |scope: &Name, told: bool| !told && *scope == feed.scope;
        match feed.part {
            Part::Balances => self
                .ledgers
                .retain(|_, slot| !left_out(&slot.scope, slot.told) || slot.row.1 != Amounts::default()),
            Part::Positions => self.positions.retain(|_, slot| {
                !left_out(&slot.scope, slot.told) || position::holding(&slot.row) != Holding::Flat
            }),
            Part::Orders => {
                let lost = self.orders.iter().filter(|(_, slot)| left_out(&slot.scope, slot.told));
                let open = lost.filter(|(_, slot)| !slot.row.status.is_final());
                applied.left_out.extend(open.map(|(key, _)| key.clone()));
            }
        }
    }

    fn merge(
        &mut self,
        feed: &Feed,
        row: Row,
        limits: &Limits,
        applied: &mut Applied,
    ) -> Result<(), Refused> {
        match row {
            Row::Balance(row) if feed.part == Part::Balances => self.merge_balance(feed, *row, limits),
            Row::Position(symbol, patch) if feed.part == Part::Positions => {
                self.merge_position(feed, symbol, *patch, limits)
            }
            Row::Order(symbol, patch) if feed.part == Part::Orders => {
                self.merge_order(feed, symbol, &patch, limits, applied)
            }
            Row::Balance(row) => Err(Refused::Foreign { key: row.asset }),
            Row::Position(symbol, _) => Err(Refused::Foreign { key: symbol.to_string() }),
            Row::Order(_, patch) => Err(Refused::Foreign { key: patch.order_id }),
        }
    }

    fn merge_balance(&mut self, feed: &Feed, row: BalancePatch, limits: &Limits) -> Result<(), Refused> {
        if !is_part_of(&row.wallet, &feed.scope) {
            return Err(Refused::Foreign { key: format!("{}/{}", row.wallet, row.asset) });
        }
        let key = (Name::from(row.wallet.as_str()), Name::from(row.asset.as_str()));
        let known = self.ledgers.get(&key);
        if known.is_none() && self.ledgers.len() >= limits.ledgers {
            return Err(Refused::Full { part: Part::Balances });
        }
        let merged = match known.filter(|slot| slot.told) {
            Some(slot) => {
                let mut known = slot.row.0.clone();
                known.merge(&row);
                known
            }
            None => row,
        };
        let Some(amounts) = ledger::amounts(&merged)? else {
            return Err(Refused::Incomplete {
                key: format!("{}/{}", key.0, key.1),
                needs: "its free amount",
            });
        };
        self.ledgers.insert(key, Slot { scope: feed.scope.clone(), told: true, row: (merged, amounts) });
        Ok(())
    }

    fn merge_position(
        &mut self,
        feed: &Feed,
        symbol: Symbol,
        patch: PositionPatch,
        limits: &Limits,
    ) -> Result<(), Refused> {
        let full = self.positions.len() >= limits.positions;
        match self.positions.get_mut(&symbol) {
            Some(slot) if slot.scope != feed.scope => Err(Refused::Foreign { key: symbol.to_string() }),
            Some(slot) if slot.told => {
                slot.row.merge(&patch);
                Ok(())
            }
            _ if patch.qty.is_none() => {
                Err(Refused::Incomplete { key: symbol.to_string(), needs: "its quantity" })
            }
            None if full => Err(Refused::Full { part: Part::Positions }),
            _ => {
                let slot = Slot { scope: feed.scope.clone(), told: true, row: patch };
                self.positions.insert(symbol, slot);
                Ok(())
            }
        }
    }

    fn merge_order(
        &mut self,
        feed: &Feed,
        symbol: Symbol,
        patch: &OrderPatch,
        limits: &Limits,
        applied: &mut Applied,
    ) -> Result<(), Refused> {
        let key = OrderKey { symbol, order_id: patch.order_id.clone() };
        let first = Order::first(patch);
        let incomplete = || Refused::Incomplete {
            key: format!("order {} in {}", key.order_id, key.symbol),
            needs: "its side, quantity and status",
        };
        if let Some(slot) = self.orders.get_mut(&key) {
            if slot.scope != feed.scope {
                return Err(Refused::Foreign { key: key.order_id });
            }
            if !slot.told && first.is_none() {
                return Err(incomplete());
            }
            match slot.row.merge(patch) {
                Merge::Taken => {}
                Merge::Old => applied.old += 1,
                Merge::Contradicts => return Err(Refused::Contradiction(key)),
            }
            slot.told = true;
            return Ok(());
        }
        let row = first.ok_or_else(incomplete)?;
        if self.orders.len() >= limits.orders && !self.forget_an_order() {
            return Err(Refused::Full { part: Part::Orders });
        }
        self.orders.insert(key, Slot { scope: feed.scope.clone(), told: true, row });
        Ok(())
    }

    /// Makes room by the final order that changed longest ago.
    fn forget_an_order(&mut self) -> bool {
        let finals = self.orders.iter().filter(|(_, slot)| slot.row.status.is_final());
        let oldest = finals.min_by_key(|(_, slot)| slot.row.updated_at).map(|(key, _)| key.clone());
        oldest.is_some_and(|key| self.orders.remove(&key).is_some())
    }
}
