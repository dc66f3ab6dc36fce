//! What a session told of the account, and where it differs from the simulator's own books of account.
//!
//! Rows are kept here by maps of their own, a message at a time, as anybody who listens to the events would. They are
//! compared at rest, when nothing moves any more: cash by wallet and asset, positions, open orders by what they are,
//! and fills one by one. What follows the marks alone (profits, liquidation prices) is the venue's estimate and is not.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use venuekit_book::State;
use venuekit_session::{Emission, Event, Session, StreamId, StreamStatus};
use venuekit_sim::venue::VenueSim;
use venuekit_sim::wallets;
use venuekit_types::{Mono, Now};
use venuekit_venue::spec::PrivateModel;
use venuekit_venue::{
    BalancePatch, Channel, DataKind, Fill, MarketId, OrderPatch, PositionPatch, Spec, Wallet,
};

use crate::rig::Watch;

/// One row of a message that is not over yet.
#[derive(Clone, Debug)]
enum Row {
    Balance(Box<BalancePatch>),
    Position(Box<PositionPatch>),
    Order(Box<OrderPatch>),
}

/// What one stream told.
#[derive(Clone, Debug, Default)]
struct Rows {
    message: Vec<Row>,
    balances: BTreeMap<(String, String), BalancePatch>,
    positions: BTreeMap<MarketId, PositionPatch>,
    orders: BTreeMap<(MarketId, String), OrderPatch>,
    /// When each whole state was told, by the wallet that it was of.
    whole: BTreeMap<Option<Wallet>, Mono>,
}

/// Everything that was told of the account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    streams: BTreeMap<StreamId, Rows>,
    fills: BTreeMap<(StreamId, MarketId, String), Fill>,
    doubled: Vec<String>,
}

/// What an account comes to: the same of both sides, so that they can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Books {
    /// Total, borrowed and interest by wallet and asset; what is empty is left out.
    cash: BTreeMap<(String, String), [Decimal; 3]>,
    /// Signed quantity and entry price by symbol; what is flat is left out.
    positions: BTreeMap<String, [Decimal; 2]>,
    /// How many orders of a kind are open: symbol, side, then quantity, filled quantity, limit and trigger.
    orders: BTreeMap<(String, &'static str, [Decimal; 4]), u32>,
}

impl Told {
    /// Takes note of what was said.
    pub(crate) fn hear(&mut self, now: Now, event: &Event) {
        let (stream, row) = match event {
            Event::Balance { stream, row } => (stream, Row::Balance(row.clone())),
            Event::Position { stream, row } => (stream, Row::Position(row.clone())),
            Event::Order { stream, row } => (stream, Row::Order(row.clone())),
            Event::Fill { stream, row } => {
                let key = (*stream, row.market, row.fill_id.clone());
                if self.fills.insert(key, Fill::clone(row)).is_some() {
                    self.doubled.push(row.fill_id.clone());
                }
                return;
            }
            Event::Committed { stream, kind, wallet } => {
                self.streams.entry(*stream).or_default().commit(now.mono, *kind, *wallet);
                return;
            }
            _ => return,
        };
        self.streams.entry(*stream).or_default().message.push(row);
    }

    /// How many rows are known.
    pub(crate) fn rows(&self) -> usize {
        let of = |rows: &Rows| rows.balances.len() + rows.positions.len() + rows.orders.len();
        self.streams.values().map(of).sum::<usize>() + self.fills.len()
    }

    /// Where another session was told something else, in words.
    pub(crate) fn differences_from(
        &self,
        session: &Session,
        other: &Told,
        other_session: &Session,
    ) -> Vec<String> {
        let (ours, theirs) = (self.books(session), other.books(other_session));
        let mut found = Vec::new();
        differ("cash", &theirs.cash, &ours.cash, &mut found, PartialEq::eq);
        differ("position", &theirs.positions, &ours.positions, &mut found, PartialEq::eq);
        differ("order", &theirs.orders, &ours.orders, &mut found, PartialEq::eq);
        differ("fill", &other.fills, &self.fills, &mut found, PartialEq::eq);
        found
    }

    /// Whether each private stream is live, and its whole state was told since where its messages have no numbers.
    pub(crate) fn is_whole_since(&self, session: &Session, since: Mono) -> bool {
        session.streams().filter(|status| status.info.channel.is_private()).all(|status| {
            let spec = &session.venue().specs()[status.info.product];
            let parts = parts(spec, &status);
            let whole = self.streams.get(&status.info.stream).map(|rows| &rows.whole);
            status.state == State::Live
                && parts.iter().all(|part| {
                    whole.and_then(|whole| whole.get(part)).is_some_and(|told_at| *told_at >= since)
                })
        })
    }

    /// Every difference between what was told and the simulator's books, in words, and how many rows were compared.
    pub(crate) fn differences(&self, session: &Session, sim: &VenueSim) -> (Vec<String>, u64) {
        let (told, truth) = (self.books(session), truth(session, sim));
        let mut found = Vec::new();
        let compared = truth.cash.len() + truth.positions.len() + truth.orders.len() + self.fills.len();
        differ("cash", &told.cash, &truth.cash, &mut found, |told, truth| {
            told.iter().zip(truth).all(|(told, truth)| is_told(*told, *truth))
        });
        differ("position", &told.positions, &truth.positions, &mut found, PartialEq::eq);
        differ("order", &told.orders, &truth.orders, &mut found, PartialEq::eq);
        found.extend(self.doubled.iter().map(|id| format!("fill {id} told twice")));
        self.check_fills(session, sim, &mut found);
        (found, compared as u64)
    }

    /// Each fill that was told is one of the simulator's, and no two are the same one.
    fn check_fills(&self, session: &Session, sim: &VenueSim, found: &mut Vec<String>) {
        type What = (String, &'static str, [Decimal; 3], bool, i64);
        let mut made: BTreeMap<What, u32> = BTreeMap::new();
        for fill in sim.account().fills() {
            let spec = sim.world().markets()[fill.market].spec;
            let figures = [spec.price(fill.price), spec.qty(fill.qty), fill.fee].map(|n| n.normalize());
            let key = (spec.symbol.to_owned(), fill.order.side.as_str(), figures, fill.maker, fill.at_ms);
            *made.entry(key).or_default() += 1;
        }
        for ((stream, market, id), fill) in &self.fills {
            let Some(name) = name(session, *stream, *market) else { continue };
            let figures = [fill.price, fill.qty, fill.fee].map(|n| n.normalize());
            let key = (name, fill.side.as_str(), figures, fill.maker, fill.at.millis());
            match made.get_mut(&key).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => found.push(format!("fill {id} never happened: {key:?}")),
            }
        }
    }

    fn books(&self, session: &Session) -> Books {
        let mut books = Books::default();
        for (stream, rows) in &self.streams {
            let product = session.streams().find(|status| status.info.stream == *stream);
            let Some(spec) = product.map(|status| &session.venue().specs()[status.info.product]) else {
                continue;
            };
            for row in rows.balances.values() {
                let held = [row.free, row.locked, row.order_margin, row.position_margin];
                let cash = [
                    held.into_iter().flatten().sum(),
                    row.borrowed.unwrap_or_default(),
                    row.interest.unwrap_or_default(),
                ];
                add_cash(&mut books, (ledger(spec, &row.wallet), row.asset.clone()), cash);
            }
            for (market, row) in &rows.positions {
                let Some(name) = name(session, *stream, *market) else { continue };
                let figures = [row.qty, row.entry_price].map(|n| n.unwrap_or_default().normalize());
                if !figures[0].is_zero() {
                    books.positions.insert(name, figures);
                }
            }
            for ((market, _), row) in &rows.orders {
                let Some(name) = name(session, *stream, *market) else { continue };
                let figures = [row.qty, row.cum_qty, row.price, row.stop_price];
                let figures = figures.map(|n| n.unwrap_or_default().normalize());
                let side = row.side.map_or("?", |side| side.as_str());
                *books.orders.entry((name, side, figures)).or_default() += 1;
            }
        }
        books
    }
}

impl Watch<VenueSim> for Told {
    fn event(&mut self, now: Now, emission: Emission<'_>, _: &VenueSim) {
        self.hear(now, emission.event);
    }
}

impl Rows {
    /// The message is over: its rows replace what they are the whole of, or what they are rows of.
    fn commit(&mut self, at: Mono, kind: DataKind, wallet: Option<Wallet>) {
        if kind == DataKind::Snapshot {
            self.whole.insert(wallet, at);
            self.balances.retain(|(of, _), _| wallet.is_some_and(|wallet| !wallet.is_named(of)));
            self.positions.clear();
            self.orders.clear();
        }
        for row in self.message.drain(..) {
            match row {
                Row::Balance(row) => {
                    self.balances.insert((row.wallet.clone(), row.asset.clone()), *row);
                }
                Row::Position(row) => {
                    self.positions.insert(row.market, *row);
                }
                Row::Order(row) => {
                    let key = (row.market, row.order_id.clone());
                    match row.status.is_some_and(|status| status.is_final()) {
                        true => self.orders.remove(&key),
                        false => self.orders.insert(key, *row),
                    };
                }
            }
        }
    }
}

/// What a whole state of a stream is told in; nothing where the stream itself sends it and counts on from there.
fn parts(spec: &Spec, status: &StreamStatus<'_>) -> Vec<Option<Wallet>> {
    let model = match status.info.channel {
        Channel::Balances => spec.private.balances,
        Channel::Positions => spec.private.positions,
        Channel::Orders => spec.private.orders,
        _ => return Vec::new(),
    };
    let is_fetched = spec.channel(status.info.channel).is_some_and(|channel| !channel.snapshot);
    match status.info.channel {
        _ if !is_fetched || model != PrivateModel::Delta => Vec::new(),
        Channel::Balances => spec.wallets.iter().copied().map(Some).collect(),
        _ => vec![None],
    }
}

/// The unified symbol of a stream's market.
fn name(session: &Session, stream: StreamId, market: MarketId) -> Option<String> {
    let product = session.streams().find(|status| status.info.stream == stream)?.info.product;
    Some(session.catalog(product).get(market)?.symbol.to_string())
}

/// The simulator's word for a wallet: where contracts keep a wallet for each pair, it has one for all of them.
fn ledger(spec: &Spec, wallet: &str) -> String {
    let of_contracts = spec.wallets.contains(&Wallet::Futures) && Wallet::Isolated.is_named(wallet);
    if of_contracts { Wallet::Futures.as_str().to_owned() } else { wallet.to_owned() }
}

fn add_cash(books: &mut Books, key: (String, String), cash: [Decimal; 3]) {
    if cash.iter().all(Decimal::is_zero) {
        return;
    }
    let sums = books.cash.entry(key).or_default();
    sums.iter_mut().zip(cash).for_each(|(sum, part)| *sum = (*sum + part).normalize());
}

/// The simulator's own books, as far as a session of this venue can be told of them.
fn truth(session: &Session, sim: &VenueSim) -> Books {
    let (account, markets) = (sim.account(), sim.world().markets());
    let wallets: Vec<Wallet> = session.venue().specs().iter().flat_map(|spec| spec.wallets.clone()).collect();
    let follows = |channel| session.streams().any(|status| status.info.channel == channel);
    let mut books = Books::default();
    for (wallet, asset, cash) in account.cash() {
        let word = match wallet {
            wallets::Wallet::Isolated(pair) => Wallet::Isolated.of_pair(pair),
            wallet => wallet.as_str().to_owned(),
        };
        if wallets.iter().any(|wallet| wallet.is_named(&word)) {
            add_cash(&mut books, (word, asset.to_owned()), [cash.total, cash.borrowed, cash.interest]);
        }
    }
    for (market, state) in markets.iter().enumerate().filter(|_| follows(Channel::Positions)) {
        let held = account.position(market);
        if held.qty != 0 {
            let figures = [state.spec.qty(held.qty), held.entry_price(state.spec)].map(|n| n.normalize());
            books.positions.insert(state.spec.symbol.to_owned(), figures);
        }
    }
    for order in account.open_orders().filter(|_| follows(Channel::Orders)) {
        let spec = markets[order.market].spec;
        let price = |price: Option<i64>| price.map_or(Decimal::ZERO, |price| spec.price(price));
        let stop = order.stop.map(|stop| stop.price);
        let figures = [spec.qty(order.qty), spec.qty(order.filled), price(order.price), price(stop)];
        let key = (spec.symbol.to_owned(), order.side.as_str(), figures.map(|n| n.normalize()));
        *books.orders.entry(key).or_default() += 1;
    }
    books
}

/// Places of an amount that a venue writes at most.
const PLACES: u32 = 8;

/// Whether an amount was told as it is; of one with more places than are written, as far as they go. What is free and
/// what is held are cut one by one.
fn is_told(told: Decimal, truth: Decimal) -> bool {
    told == truth || (truth.scale() > PLACES && (told - truth).abs() < Decimal::new(2, PLACES))
}

/// Names each key whose values are not the same, or that only one side has.
fn differ<K: Ord + core::fmt::Debug, V: core::fmt::Debug>(
    what: &str,
    told: &BTreeMap<K, V>,
    truth: &BTreeMap<K, V>,
    found: &mut Vec<String>,
    is_same: impl Fn(&V, &V) -> bool,
) {
    for key in told.keys().chain(truth.keys().filter(|key| !told.contains_key(*key))) {
        let (told, truth) = (told.get(key), truth.get(key));
        if !told.zip(truth).is_some_and(|(told, truth)| is_same(told, truth)) {
            found.push(format!("{what} {key:?} told as {told:?}, is {truth:?}"));
        }
    }
}
