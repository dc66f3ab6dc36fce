//! Properties: sums are kept, merging twice is merging once, and order does not matter where that is promised.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rust_decimal::Decimal;
use venuekit_account::{
    Accounts, Amounts, Figure, FillNews, Ledger, Limits, OrderKey, Part, Policy, Reported, Row, Standing,
    project,
};
use venuekit_venue::{DataKind, OrderStatus};

use crate::support::*;

fn amount() -> impl Strategy<Value = Decimal> {
    (0i64..1_000_000_000_000_000, 0u32..=12).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale))
}

fn ledgers() -> impl Strategy<Value = Vec<Ledger>> {
    let key = (0usize..2, 0usize..3, 0usize..3);
    prop::collection::btree_map(key, (amount(), amount(), amount(), amount()), 0..18).prop_map(|cells| {
        cells
            .into_iter()
            .map(|((venue, wallet, asset), (free, locked, borrowed, interest))| {
                let mut place = place(["spot", "margin", "futures"][wallet], ["BTC", "ETH", "USDT"][asset]);
                place.venue = ["doex", "duedex"][venue].into();
                let amounts = Amounts { free, locked, borrowed, interest };
                Ledger { place, amounts: Reported::Known(amounts), standing: Standing::default() }
            })
            .collect()
    })
}

/// What an asset comes to, added with the library's own operator: 27 digits at most, so nothing rounds.
fn by_asset(ledgers: &[Ledger]) -> BTreeMap<String, [Decimal; 4]> {
    let mut sums: BTreeMap<String, [Decimal; 4]> = BTreeMap::new();
    for ledger in ledgers {
        let Reported::Known(a) = ledger.amounts else { continue };
        let sum = sums.entry(ledger.place.asset.to_string()).or_default();
        for (sum, part) in sum.iter_mut().zip([a.free, a.locked, a.borrowed, a.interest]) {
            *sum += part;
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the policy, the lines come to what the cells come to, and hold each cell once.
    #[test]
    fn every_view_keeps_the_sum(ledgers in ledgers()) {
        for policy in [Policy::Asset, Policy::Wallet, Policy::Venue] {
            let view = project(&ledgers, policy).unwrap();
            let as_ledgers = view.lines.iter().enumerate().map(|(index, line)| {
                let Figure::Whole(sum) = line.sum else { panic!("all is known") };
                Ledger {
                    place: place(&index.to_string(), line.asset),
                    amounts: Reported::Known(sum),
                    standing: Standing::default(),
                }
            });
            let as_ledgers: Vec<Ledger> = as_ledgers.collect();
            prop_assert_eq!(by_asset(&as_ledgers), by_asset(&ledgers));
            let mut cells: Vec<_> = view.lines.iter().flat_map(|line| &line.cells).map(|c| &c.place).collect();
            cells.sort();
            let mut places: Vec<_> = ledgers.iter().map(|ledger| &ledger.place).collect();
            places.sort();
            prop_assert_eq!(cells, places);
        }
    }

    /// The same message twice is the message once, for snapshots and for updates.
    #[test]
    fn merging_is_idempotent(
        rows in prop::collection::vec((0usize..3, amount(), prop::option::of(amount())), 1..6),
        kind in prop::bool::ANY,
    ) {
        let rows = || rows.iter().map(|(asset, free, locked)| balance("spot", ["BTC", "ETH", "USDT"][*asset], |row| {
            row.free = Some(*free);
            row.locked = *locked;
        })).collect::<Vec<Row>>();
        let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
        let first = vec![free("spot", "BTC", "1"), free("spot", "DAI", "2")];
        let _ = accounts.apply(&spot, DataKind::Snapshot, first).unwrap();
        let kind = if kind { DataKind::Snapshot } else { DataKind::Update };
        let _ = accounts.apply(&spot, kind, rows()).unwrap();
        let once = accounts.ledgers();
        let _ = accounts.apply(&spot, kind, rows()).unwrap();
        prop_assert_eq!(accounts.ledgers(), once);
    }

    /// Updates of different rows give one state in any order.
    #[test]
    fn rows_of_different_keys_commute(
        amounts in prop::collection::vec(amount(), 6).prop_map(|a| a.into_iter().enumerate().collect::<Vec<_>>())
            .prop_flat_map(|a| (Just(a.clone()), Just(a).prop_shuffle())),
    ) {
        let play = |rows: &[(usize, Decimal)]| {
            let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
            let _ = accounts.apply(&spot, DataKind::Snapshot, vec![free("spot", "A0", "1")]).unwrap();
            for (key, amount) in rows {
                let row = free("spot", &format!("A{key}"), &amount.to_string());
                let _ = accounts.apply(&spot, DataKind::Update, vec![row]).unwrap();
            }
            accounts.ledgers()
        };
        prop_assert_eq!(play(&amounts.0), play(&amounts.1));
    }

    /// Whole rows of one order, stamped and never shrinking, give one state in any order, however often told.
    #[test]
    fn stamped_orders_converge(steps in prop::collection::vec(0u32..3, 1..6), order in any::<u64>()) {
        let mut filled = 0;
        let mut history: Vec<(i64, u32)> = Vec::new();
        for (at, step) in (1i64..).zip(steps) {
            filled = (filled + step).min(9);
            history.push((at, filled));
        }
        let last = history.len() - 1;
        let play = |told: &[usize]| {
            let (mut accounts, orders) = (accounts(), feed(Part::Orders, "futures"));
            let _ = accounts.apply(&orders, DataKind::Snapshot, vec![]).unwrap();
            for index in told {
                let (at, filled) = history[*index];
                let status = if *index == last { OrderStatus::Canceled } else { OrderStatus::PartiallyFilled };
                let row = whole(BTC, "7", status, &filled.to_string(), at);
                let _ = accounts.apply(&orders, DataKind::Update, vec![row]).unwrap();
            }
            let key = OrderKey { symbol: symbol(BTC), order_id: "7".into() };
            accounts.order(&owner(), &key).known().cloned()
        };
        let straight: Vec<usize> = (0..=last).collect();
        let mut mixed = [straight.clone(), straight.clone()].concat();
        fastrand::Rng::with_seed(order).shuffle(&mut mixed);
        prop_assert_eq!(play(&mixed), play(&straight));
    }

    /// Fills, each told any number of times in any order, count once and come to the same.
    #[test]
    fn fills_count_once_in_any_order(
        told in prop::collection::vec(0usize..12, 1..60),
        limit in prop::option::of(1usize..6),
    ) {
        let limits = Limits { fills: limit.unwrap_or(1_000), ..Limits::default() };
        let mut accounts = Accounts::new(limits);
        let mut counted = vec![0u32; 12];
        for id in &told {
            let at = i64::try_from(*id / 2).unwrap();
            let fill = fill(&id.to_string(), &(id % 3).to_string(), "1", "2", at);
            if let FillNews::Counted { .. } = accounts.fill(&owner(), &symbol(BTC), fill) {
                counted[*id] += 1;
            }
        }
        prop_assert!(counted.iter().all(|times| *times <= 1), "counted twice: {:?}", counted);
        if limit.is_none() {
            let expected: Vec<u32> = (0..12).map(|id| u32::from(told.contains(&id))).collect();
            prop_assert_eq!(&counted, &expected);
            let sum: Decimal = accounts.fills(&owner()).map(|own| own.fill.qty).sum();
            prop_assert_eq!(sum, Decimal::from(2 * expected.iter().sum::<u32>()));
        } else {
            prop_assert!(accounts.fills(&owner()).count() <= limits.fills);
        }
    }
}
