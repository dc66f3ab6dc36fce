//! Stream against REST: where the state kept from streams and a snapshot disagree.
//!
//! Both sides are [`Accounts`], so both went through the same merging. Only parts that are live on both sides are
//! compared: a feed that is down is being resynchronised already. Marks and profits move by themselves and are not
//! compared.

use core::fmt;

use rust_decimal::Decimal;
use venuekit_types::Symbol;

use crate::exact::{self, Arithmetic};
use crate::place::is_part_of;
use crate::{Accounts, Amounts, Feed, Holding, Order, OrderKey, Owner, Part, Place, Position, Reported};

/// How far two numbers may be apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Of amounts in ledgers, as interest that accrues.
    pub amount: Decimal,
    /// Of the quantities of positions and of filled quantities.
    pub qty: Decimal,
    /// Of entry prices, which venues round.
    pub price: Decimal,
}

/// What disagrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A ledger.
    Ledger(Place),
    /// A position.
    Position(Symbol),
    /// An order.
    Order(OrderKey),
}

/// How it disagrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A field differs beyond tolerance.
    Field {
        /// Which.
        field: &'static str,
        /// By the stream, as text.
        stream: String,
        /// By REST.
        rest: String,
    },
    /// Only the stream knows it: REST leaves it out.
    OnlyStream,
    /// Only REST knows it: the stream never told it.
    OnlyRest,
}

/// One disagreement: an event, and a reason to resynchronise the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The feed to resynchronise.
    pub feed: Feed,
    /// What.
    pub subject: Subject,
    /// How.
    pub kind: Kind,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Ledger(place) => write!(f, "ledger {}/{}", place.wallet, place.asset)?,
            Subject::Position(symbol) => write!(f, "position {symbol}")?,
            Subject::Order(key) => write!(f, "order {} of {}", key.order_id, key.symbol)?,
        }
        match &self.kind {
            Kind::Field { field, stream, rest } => {
                write!(f, ": {field} is {stream} by stream, {rest} by REST")
            }
            Kind::OnlyStream => f.write_str(": known by stream, left out by REST"),
            Kind::OnlyRest => f.write_str(": told by REST, unknown by stream"),
        }
    }
}

/// Compares what streams told of an account with what REST says.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn reconcile(
    stream: &Accounts,
    rest: &Accounts,
    owner: &Owner,
    tolerance: &Tolerance,
) -> Result<Vec<Difference>, Arithmetic> {
    let mut differences = Vec::new();
    for part in [Part::Balances, Part::Positions, Part::Orders] {
        for scope in rest.live_scopes(owner, part) {
            let feed = Feed { owner: owner.clone(), part, scope };
            if !stream.is_live(&feed) {
                continue;
            }
            let found = match part {
                Part::Balances => ledgers(stream, rest, &feed, tolerance)?,
                Part::Positions => positions(stream, rest, &feed, tolerance)?,
                Part::Orders => orders(stream, rest, &feed, tolerance)?,
            };
            let of = |(subject, kind)| Difference { feed: feed.clone(), subject, kind };
            differences.extend(found.into_iter().map(of));
        }
    }
    Ok(differences)
}

type Found = Vec<(Subject, Kind)>;

fn apart(a: Decimal, b: Decimal, tolerance: Decimal) -> Result<bool, Arithmetic> {
    Ok(exact::sub(a, b)?.abs() > tolerance)
}

fn ledgers(s: &Accounts, r: &Accounts, feed: &Feed, tolerance: &Tolerance) -> Result<Found, Arithmetic> {
    let here = |place: &Place| {
        (&place.venue, &place.account) == (&feed.owner.venue, &feed.owner.account)
            && is_part_of(&place.wallet, &feed.scope)
    };
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for ledger in s.ledgers().into_iter().chain(r.ledgers()).filter(|ledger| here(&ledger.place)) {
        if !places.contains(&ledger.place) {
            places.push(ledger.place);
        }
    }
    // What is empty and what is left out are the same to a ledger.
    let full =
        |reported: Reported<Amounts>| reported.known().filter(|amounts| *amounts != Amounts::default());
    for place in places {
        let (a, b) = (full(s.ledger(&place).amounts), full(r.ledger(&place).amounts));
        match (a, b) {
            (None, None) => {}
            (Some(_), None) if r.ledger(&place).amounts == Reported::Unreported => {
                found.push((Subject::Ledger(place), Kind::OnlyStream));
            }
            (None, Some(_)) if s.ledger(&place).amounts == Reported::Unreported => {
                found.push((Subject::Ledger(place), Kind::OnlyRest));
            }
            (a, b) => {
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                let fields = [
                    ("free", a.free, b.free),
                    ("locked", a.locked, b.locked),
                    ("borrowed", a.borrowed, b.borrowed),
                    ("interest", a.interest, b.interest),
                ];
                for (field, a, b) in fields {
                    if apart(a, b, tolerance.amount)? {
                        found.push((Subject::Ledger(place.clone()), differ(field, a, b)));
                    }
                }
            }
        }
    }
    Ok(found)
}

fn positions(s: &Accounts, r: &Accounts, feed: &Feed, tolerance: &Tolerance) -> Result<Found, Arithmetic> {
    let owner = &feed.owner;
    let symbols_of = |accounts: &Accounts| -> Vec<Symbol> {
        let mine = |symbol: &Symbol| accounts.scope_of_position(owner, symbol) == Some(&feed.scope);
        accounts.holdings(owner).map(|(symbol, _)| symbol).filter(|s| mine(s)).cloned().collect()
    };
    let mut symbols = symbols_of(s);
    symbols.extend(symbols_of(r));
    symbols.sort();
    symbols.dedup();
    let mut found = Vec::new();
    for symbol in symbols {
        let kind = match (s.holding(owner, &symbol), r.holding(owner, &symbol)) {
            (Holding::Open(a), Holding::Open(b)) => {
                found.extend(
                    position_fields(&a, &b, tolerance)?
                        .into_iter()
                        .map(|kind| (Subject::Position(symbol.clone()), kind)),
                );
                continue;
            }
            (Holding::Open(a), Holding::Flat) => differ("qty", a.qty, Decimal::ZERO),
            (Holding::Flat, Holding::Open(b)) => differ("qty", Decimal::ZERO, b.qty),
            (Holding::Open(_), Holding::Unreported) => Kind::OnlyStream,
            (Holding::Unreported, Holding::Open(_)) => Kind::OnlyRest,
            (Holding::Flat | Holding::Unreported, Holding::Flat | Holding::Unreported) => continue,
        };
        found.push((Subject::Position(symbol), kind));
    }
    Ok(found)
}

fn position_fields(a: &Position, b: &Position, tolerance: &Tolerance) -> Result<Vec<Kind>, Arithmetic> {
    let mut kinds = Vec::new();
    if apart(a.qty, b.qty, tolerance.qty)? {
        kinds.push(differ("qty", a.qty, b.qty));
    }
    // A field that one side does not tell is no disagreement.
    if let Some((a, b)) = a.entry.zip(b.entry)
        && apart(a, b, tolerance.price)?
    {
        kinds.push(differ("entry", a, b));
    }
    if let Some((a, b)) = a.mode.zip(b.mode)
        && a != b
    {
        kinds.push(Kind::Field { field: "mode", stream: format!("{a:?}"), rest: format!("{b:?}") });
    }
    Ok(kinds)
}

fn orders(s: &Accounts, r: &Accounts, feed: &Feed, tolerance: &Tolerance) -> Result<Found, Arithmetic> {
    let owner = &feed.owner;
    let keys_of = |accounts: &Accounts| -> Vec<OrderKey> {
        let mine = |key: &OrderKey| accounts.scope_of_order(owner, key) == Some(&feed.scope);
        accounts.orders(owner).map(|(key, _)| key).filter(|key| mine(key)).cloned().collect()
    };
    let mut keys = keys_of(s);
    keys.extend(keys_of(r));
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        match (s.order(owner, &key).known(), r.order(owner, &key).known()) {
            (Some(a), Some(b)) => {
                let kinds = order_fields(a, b, tolerance)?;
                found.extend(kinds.into_iter().map(|kind| (Subject::Order(key.clone()), kind)));
            }
            // A list of open orders leaves out what has ended.
            (Some(a), None) if !a.status.is_final() => found.push((Subject::Order(key), Kind::OnlyStream)),
            (None, Some(b)) if !b.status.is_final() => found.push((Subject::Order(key), Kind::OnlyRest)),
            _ => {}
        }
    }
    Ok(found)
}

fn order_fields(a: &Order, b: &Order, tolerance: &Tolerance) -> Result<Vec<Kind>, Arithmetic> {
    let mut kinds = Vec::new();
    for (field, a, b) in [("cum_qty", a.cum_qty, b.cum_qty), ("qty", a.qty, b.qty)] {
        if apart(a, b, tolerance.qty)? {
            kinds.push(differ(field, a, b));
        }
    }
    if a.status != b.status {
        let word = |order: &Order| order.status.as_str().to_owned();
        kinds.push(Kind::Field { field: "status", stream: word(a), rest: word(b) });
    }
    Ok(kinds)
}

fn differ(field: &'static str, stream: Decimal, rest: Decimal) -> Kind {
    Kind::Field { field, stream: stream.normalize().to_string(), rest: rest.normalize().to_string() }
}
