//! Private state kept by primary key, partial updates merged, until `account` takes it over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use venuekit_types::UnixNanos;
use venuekit_venue::{BalancePatch, Fill, MarketId, OrderPatch, PositionPatch, Wallet};

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Order(MarketId, String),
    Position(MarketId),
    Balance(String, String),
}

/// A merged row.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Order(OrderPatch),
    Position(PositionPatch),
    Balance(BalancePatch),
}

/// Why a row could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It changes a row we do not know and lacks what a new one needs.
    Incomplete,
    /// There is no room for one more.
    Full,
}

/// The rows of one private channel.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: BTreeMap<Key, State>,
    fills: BTreeSet<(MarketId, String)>,
    fill_order: VecDeque<(MarketId, String)>,
    last_fill: Option<UnixNanos>,
    markets: BTreeSet<MarketId>,
}

/// Fills remembered for being told once; older ones are caught by the store's key.
const FILLS_REMEMBERED: usize = 8_192;

impl Rows {
    /// Forgets every row, or those of one wallet: a snapshot follows. Fills stay remembered.
    pub(crate) fn begin_snapshot(&mut self, wallet: Option<Wallet>) {
        self.rows.retain(|key, _| match (key, wallet) {
            (Key::Balance(of, _), Some(wallet)) => !wallet.is_named(of),
            _ => false,
        });
    }

    /// When the newest fill was made, by the venue's time.
    pub(crate) fn last_fill(&self) -> Option<UnixNanos> {
        self.last_fill
    }

    /// Markets in which an order or a fill was seen.
    pub(crate) fn markets(&self) -> impl Iterator<Item = MarketId> {
        self.markets.iter().copied()
    }

    /// The market of an open order.
    pub(crate) fn market_of(&self, order_id: &str) -> Option<MarketId> {
        self.rows.keys().find_map(|key| match key {
            Key::Order(market, id) if id == order_id => Some(*market),
            _ => None,
        })
    }

    /// Merges one row and gives it whole. A final order is told once more and forgotten.
    pub(crate) fn merge(&mut self, patch: State, limit: usize) -> Result<State, Refusal> {
        let key = match &patch {
            State::Order(p) => {
                self.markets.insert(p.market);
                Key::Order(p.market, p.order_id.clone())
            }
            State::Position(p) => Key::Position(p.market),
            State::Balance(p) => Key::Balance(p.wallet.clone(), p.asset.clone()),
        };
        if let Some(known) = self.rows.get_mut(&key) {
            match (&mut *known, &patch) {
                (State::Order(known), State::Order(patch)) => known.merge(patch),
                (State::Position(known), State::Position(patch)) => known.merge(patch),
                (State::Balance(known), State::Balance(patch)) => known.merge(patch),
                _ => return Err(Refusal::Incomplete),
            }
            let merged = known.clone();
            if is_final(&merged) {
                self.rows.remove(&key);
            }
            return Ok(merged);
        }
        if !is_complete(&patch) {
            return Err(Refusal::Incomplete);
        }
        if self.rows.len() >= limit {
            return Err(Refusal::Full);
        }
        if !is_final(&patch) {
            self.rows.insert(key, patch.clone());
        }
        Ok(patch)
    }

    /// Whether a fill was seen.
    pub(crate) fn knows(&self, fill: &Fill) -> bool {
        self.fills.contains(&(fill.market, fill.fill_id.clone()))
    }

    /// Whether a fill is seen for the first time.
    pub(crate) fn is_new(&mut self, fill: &Fill) -> bool {
        let key = (fill.market, fill.fill_id.clone());
        if !self.fills.insert(key.clone()) {
            return false;
        }
        self.markets.insert(fill.market);
        self.last_fill = self.last_fill.max(Some(fill.at));
        self.fill_order.push_back(key);
        if self.fill_order.len() > FILLS_REMEMBERED
            && let Some(oldest) = self.fill_order.pop_front()
        {
            self.fills.remove(&oldest);
        }
        true
    }
}

fn is_complete(row: &State) -> bool {
    match row {
        State::Order(p) => p.side.is_some() && p.qty.is_some() && p.status.is_some(),
        State::Position(p) => p.qty.is_some(),
        State::Balance(p) => p.free.is_some(),
    }
}

fn is_final(row: &State) -> bool {
    matches!(row, State::Order(p) if p.status.is_some_and(|status| status.is_final()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;
    use venuekit_types::Side;
    use venuekit_venue::OrderStatus;

    fn order(status: Option<OrderStatus>, filled: Option<i64>) -> OrderPatch {
        let mut patch = OrderPatch::new(MarketId(0), "7".into());
        patch.status = status;
        patch.cum_qty = filled.map(Decimal::from);
        patch
    }

    #[test]
    fn a_partial_update_is_merged_and_a_final_order_is_forgotten() {
        let mut rows = Rows::default();
        let mut whole = order(Some(OrderStatus::New), Some(0));
        whole.side = Some(Side::Buy);
        whole.qty = Some(Decimal::from(10));
        assert!(rows.merge(State::Order(whole), 10).is_ok());
        let merged = rows.merge(State::Order(order(Some(OrderStatus::Filled), Some(10))), 10);
        let Ok(State::Order(merged)) = merged else { panic!("not merged") };
        assert_eq!((merged.side, merged.cum_qty), (Some(Side::Buy), Some(Decimal::from(10))));
        let late = rows.merge(State::Order(order(None, Some(10))), 10);
        assert!(matches!(late, Err(Refusal::Incomplete)));
    }

    /// What a whole state does not tell of a row is not known of it any more; another wallet's rows stand.
    #[test]
    fn a_snapshot_forgets_what_it_leaves_out() {
        let mut rows = Rows::default();
        let balance = |wallet: &str, locked: Option<Decimal>| {
            let mut patch = BalancePatch::new(wallet.into(), "BTC".into());
            (patch.free, patch.locked) = (Some(Decimal::ONE), locked);
            patch
        };
        let told = |rows: &mut Rows, patch| match rows.merge(State::Balance(patch), 10) {
            Ok(State::Balance(merged)) => merged.locked,
            other => panic!("{other:?}"),
        };
        for wallet in ["spot", "margin"] {
            assert_eq!(told(&mut rows, balance(wallet, Some(Decimal::TEN))), Some(Decimal::TEN));
        }
        rows.begin_snapshot(Some(Wallet::Spot));
        assert_eq!(told(&mut rows, balance("spot", None)), None);
        assert_eq!(told(&mut rows, balance("margin", None)), Some(Decimal::TEN));
    }

    #[test]
    fn an_unknown_key_without_its_required_fields_is_refused() {
        let mut rows = Rows::default();
        let patch = BalancePatch::new("futures".into(), "BTC".into());
        assert!(matches!(rows.merge(State::Balance(patch), 10), Err(Refusal::Incomplete)));
        let mut position = PositionPatch::new(MarketId(1));
        position.qty = Some(Decimal::ZERO);
        assert!(rows.merge(State::Position(position.clone()), 1).is_ok());
        position.market = MarketId(2);
        assert!(matches!(rows.merge(State::Position(position), 1), Err(Refusal::Full)));
    }
}
