//! The engine against the rules said as plainly as possible.

use super::*;
use proptest::prelude::*;

/// The rules, said as plainly as possible: one list of orders, searched anew each time.
#[derive(Default)]
struct Naive {
    orders: Vec<Resting>,
    last_order: u64,
    last_trade: u64,
}

impl Naive {
    fn place(&mut self, order: NewOrder) -> (Result<Placed, Refused>, Vec<Fill>) {
        let crosses = |price: i64| match order.side {
            Side::Buy => order.limit.is_none_or(|limit| price <= limit),
            Side::Sell => order.limit.is_none_or(|limit| price >= limit),
        };
        let mut others: Vec<Resting> =
            self.orders.iter().copied().filter(|o| o.side != order.side && crosses(o.price)).collect();
        others.sort_by_key(|o| (if order.side == Side::Buy { o.price } else { -o.price }, o.id));
        if order.post_only && !others.is_empty() {
            return (Err(Refused::WouldCross), vec![]);
        }
        if order.tif == Tif::Fok && others.iter().map(|o| o.left).sum::<i64>() < order.qty {
            return (Err(Refused::CannotFill), vec![]);
        }
        self.last_order += 1;
        let mut left = order.qty;
        let mut fills = vec![];
        for maker in others {
            let qty = left.min(maker.left);
            if qty == 0 {
                break;
            }
            left -= qty;
            self.last_trade += 1;
            fills.push(Fill {
                trade: self.last_trade,
                price: maker.price,
                qty,
                aggressor: order.side,
                maker: Party { order: maker.id, owner: maker.owner },
                taker: Party { order: self.last_order, owner: order.owner },
            });
            for o in &mut self.orders {
                if o.id == maker.id {
                    o.left -= qty;
                }
            }
        }
        self.orders.retain(|o| o.left > 0);
        let rests = left > 0 && order.tif == Tif::Gtc && order.limit.is_some();
        if rests {
            self.orders.push(Resting {
                id: self.last_order,
                owner: order.owner,
                side: order.side,
                price: order.limit.unwrap_or(0),
                left,
            });
        }
        let placed =
            Placed { id: self.last_order, filled: order.qty - left, resting: if rests { left } else { 0 } };
        (Ok(placed), fills)
    }

    fn levels(&self, side: Side) -> BTreeMap<i64, i64> {
        let mut levels = BTreeMap::new();
        for order in self.orders.iter().filter(|o| o.side == side) {
            *levels.entry(order.price).or_insert(0) += order.left;
        }
        levels
    }
}

#[derive(Clone, Debug)]
enum Action {
    Place(NewOrder),
    Cancel(u64),
    Drain,
}

fn action() -> impl Strategy<Value = Action> {
    let place = (
        any::<bool>(),
        1i64..20,
        prop_oneof![1 => Just(None), 9 => (90i64..110).prop_map(Some)],
        prop_oneof![6 => Just(Tif::Gtc), 2 => Just(Tif::Ioc), 1 => Just(Tif::Fok)],
        prop::bool::weighted(0.1),
        0u32..3,
    )
        .prop_map(|(buy, qty, limit, tif, post_only, owner)| {
            let side = if buy { Side::Buy } else { Side::Sell };
            Action::Place(NewOrder { owner: Owner(owner), side, qty, limit, tif, post_only })
        });
    prop_oneof![6 => place, 2 => (1u64..60).prop_map(Action::Cancel), 1 => Just(Action::Drain)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn agrees_with_the_naive_model(actions in prop::collection::vec(action(), 1..80)) {
        let mut engine = Engine::new();
        let mut naive = Naive::default();
        let mut mirror: BTreeMap<(BookSide, i64), i64> = BTreeMap::new();
        let mut changes = vec![];
        for action in actions.into_iter().chain([Action::Drain]) {
            match action {
                Action::Place(order) => {
                    let mut fills = vec![];
                    let placed = engine.place(order);
                    engine.drain_fills(&mut fills);
                    prop_assert_eq!((placed, fills), naive.place(order));
                }
                Action::Cancel(id) => {
                    let at = naive.orders.iter().position(|o| o.id == id);
                    prop_assert_eq!(engine.order(id), at.map(|at| naive.orders[at]));
                    prop_assert_eq!(engine.cancel(id), at.map(|at| naive.orders.remove(at)));
                }
                Action::Drain => {
                    changes.clear();
                    let events = engine.drain_changes(&mut changes);
                    prop_assert!(events >= changes.len() as u64);
                    for Change { side, price, was, now } in &changes {
                        prop_assert_ne!(was, now);
                        prop_assert_eq!(mirror.insert((*side, *price), *now).unwrap_or(0), *was);
                    }
                    mirror.retain(|_, qty| *qty > 0);
                    let listed = engine.bids().map(|(p, q)| ((BookSide::Bid, p), q))
                        .chain(engine.asks().map(|(p, q)| ((BookSide::Ask, p), q)));
                    prop_assert_eq!(&mirror, &listed.collect::<BTreeMap<_, _>>());
                }
            }
            prop_assert_eq!(engine.bids.iter().map(|(p, q)| (*p, q.qty)).collect::<BTreeMap<_, _>>(), naive.levels(Side::Buy));
            prop_assert_eq!(engine.asks.iter().map(|(p, q)| (*p, q.qty)).collect::<BTreeMap<_, _>>(), naive.levels(Side::Sell));
            prop_assert_eq!(engine.open_orders(), naive.orders.len());
        }
    }
}

#[test]
fn refuses_what_it_cannot_count() {
    let mut engine = Engine::new();
    let order = NewOrder {
        owner: Owner::HOUSE,
        side: Side::Buy,
        qty: 1,
        limit: Some(1),
        tif: Tif::Gtc,
        post_only: false,
    };
    assert_eq!(engine.place(NewOrder { qty: 0, ..order }), Err(Refused::BadQty));
    assert_eq!(engine.place(NewOrder { qty: MAX_QTY + 1, ..order }), Err(Refused::BadQty));
    assert_eq!(engine.place(NewOrder { limit: Some(0), ..order }), Err(Refused::BadPrice));
    assert_eq!(engine.open_orders(), 0);
}
