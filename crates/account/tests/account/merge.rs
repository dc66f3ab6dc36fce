//! Merging: partial updates, snapshots, rows left out, feeds that are not live, orders that do not run backwards.

use venuekit_account::{Accounts, Holding, Limits, MarginMode, OrderKey, Part, Refused, Reported, Standing};
use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{DataKind, OrderStatus};

use crate::support::*;

fn amounts(accounts: &Accounts, wallet: &str, asset: &str) -> Option<[String; 4]> {
    let amounts = accounts.ledger(&place(wallet, asset)).amounts.known()?;
    Some([amounts.free, amounts.locked, amounts.borrowed, amounts.interest].map(|n| n.to_string()))
}

fn four(numbers: [&str; 4]) -> Option<[String; 4]> {
    Some(numbers.map(str::to_owned))
}

#[test]
fn an_update_changes_the_fields_it_carries_and_a_snapshot_replaces_all() {
    let (mut accounts, margin) = (accounts(), feed(Part::Balances, "margin"));
    let row = balance("margin", "BTC", |row| {
        row.free = Some(d("1"));
        row.locked = Some(d("0.25"));
        row.borrowed = Some(d("0.5"));
        row.interest = Some(d("0.001"));
    });
    let _ = accounts.apply(&margin, DataKind::Snapshot, vec![row]).unwrap();
    let _ = accounts.apply(&margin, DataKind::Update, vec![free("margin", "BTC", "2")]).unwrap();
    assert_eq!(amounts(&accounts, "margin", "BTC"), four(["2", "0.25", "0.5", "0.001"]));
    // Nothing of the old row shines through a snapshot.
    let _ = accounts.apply(&margin, DataKind::Snapshot, vec![free("margin", "BTC", "3")]).unwrap();
    assert_eq!(amounts(&accounts, "margin", "BTC"), four(["3", "0", "0", "0"]));
}

/// Of the whole wallet or of the whole row: once an amount moved, neither is known until it is told again.
#[test]
fn the_venues_own_figures_stand_as_long_as_what_they_were_told_beside() {
    let (mut accounts, margin) = (accounts(), feed(Part::Balances, "margin"));
    let told = || {
        balance("margin", "BTC", |row| {
            row.free = Some(d("1"));
            row.wallet_balance = Some(d("1"));
            row.margin_level = Some(d("3.21"));
        })
    };
    let standing = |accounts: &Accounts| accounts.ledger(&place("margin", "BTC")).standing;
    let both = Standing { wallet_balance: Some(d("1")), margin_level: Some(d("3.21")) };
    let _ = accounts.apply(&margin, DataKind::Snapshot, vec![told()]).unwrap();
    assert_eq!(standing(&accounts), both);
    assert_eq!(accounts.ledgers()[0].standing, both);
    let _ = accounts.apply(&margin, DataKind::Update, vec![free("margin", "BTC", "2")]).unwrap();
    assert_eq!(standing(&accounts), Standing::default());
    let _ = accounts.apply(&margin, DataKind::Snapshot, vec![told()]).unwrap();
    accounts.lost(&margin);
    assert_eq!(standing(&accounts), Standing::default(), "nothing is told of a feed that is not live");
}

#[test]
fn what_holds_funds_adds_up_to_locked_however_a_venue_splits_it() {
    let (mut accounts, futures) = (accounts(), feed(Part::Balances, "futures"));
    // The venue's own sample: available, order margin and position margin are the whole.
    let row = balance("futures", "BTC", |row| {
        row.free = Some(d("0.09865794"));
        row.order_margin = Some(d("0.00046317"));
        row.position_margin = Some(d("0.00088501"));
        row.unrealized_pnl = Some(d("7"));
        row.realized_pnl = Some(d("0.00000612"));
    });
    let _ = accounts.apply(&futures, DataKind::Snapshot, vec![row]).unwrap();
    assert_eq!(amounts(&accounts, "futures", "BTC"), four(["0.09865794", "0.00134818", "0", "0"]));
    let ledger = accounts.ledger(&place("futures", "BTC")).amounts.known().unwrap();
    assert_eq!(ledger.total(), Ok(d("0.10000612")), "profit at the mark is no balance");
}

#[test]
fn an_instrument_left_out_is_unreported_and_never_flat() {
    let (mut accounts, positions) = (accounts(), feed(Part::Positions, "futures"));
    let reading = |accounts: &Accounts, of: &str| match accounts.holding(&owner(), &symbol(of)) {
        Holding::Open(position) => position.qty.to_string(),
        Holding::Flat => "flat".into(),
        Holding::Unreported => "unreported".into(),
    };
    assert_eq!(reading(&accounts, BTC), "unreported");
    let both = vec![held(BTC, "-3"), held(ETH, "0")];
    let _ = accounts.apply(&positions, DataKind::Snapshot, both).unwrap();
    assert_eq!((reading(&accounts, BTC), reading(&accounts, ETH)), ("-3".into(), "flat".into()));
    let _ = accounts.apply(&positions, DataKind::Snapshot, vec![]).unwrap();
    assert_eq!(
        (reading(&accounts, BTC), reading(&accounts, ETH)),
        ("unreported".into(), "unreported".into())
    );
    // What was open is still listed, since it may be open; what was flat is not.
    assert_eq!(accounts.holdings(&owner()).count(), 1);
    let _ = accounts.apply(&positions, DataKind::Update, vec![held(BTC, "0")]).unwrap();
    assert_eq!(reading(&accounts, BTC), "flat");
}

#[test]
fn a_ledger_left_out_is_unreported_unless_it_was_empty() {
    let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
    let rows = vec![free("spot", "BTC", "1"), free("spot", "ETH", "0")];
    let _ = accounts.apply(&spot, DataKind::Snapshot, rows).unwrap();
    let _ = accounts.apply(&spot, DataKind::Snapshot, vec![free("spot", "USDT", "5")]).unwrap();
    let ledgers = accounts.ledgers();
    let listed: Vec<_> = ledgers.iter().map(|l| (&*l.place.asset, l.amounts.known().is_some())).collect();
    assert_eq!(listed, [("BTC", false), ("USDT", true)]);
}

#[test]
fn a_feed_that_is_not_live_reads_unreported_until_a_snapshot() {
    let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
    let early = accounts.apply(&spot, DataKind::Update, vec![free("spot", "BTC", "1")]);
    assert_eq!(early, Err(Refused::NotLive));
    let _ = accounts.apply(&spot, DataKind::Snapshot, vec![free("spot", "BTC", "1")]).unwrap();
    let futures = feed(Part::Balances, "futures");
    let _ = accounts.apply(&futures, DataKind::Snapshot, vec![free("futures", "BTC", "9")]).unwrap();
    accounts.lost(&spot);
    assert!(!accounts.is_live(&spot));
    assert_eq!(amounts(&accounts, "spot", "BTC"), None);
    assert_eq!(amounts(&accounts, "futures", "BTC"), four(["9", "0", "0", "0"]), "another feed stands");
    let while_down = accounts.apply(&spot, DataKind::Update, vec![free("spot", "BTC", "2")]);
    assert_eq!(while_down, Err(Refused::NotLive));
    let _ = accounts.apply(&spot, DataKind::Snapshot, vec![free("spot", "BTC", "3")]).unwrap();
    assert_eq!(amounts(&accounts, "spot", "BTC"), four(["3", "0", "0", "0"]));
}

#[test]
fn an_unknown_key_without_its_required_fields_takes_its_feed_down() {
    let locked = || balance("spot", "ETH", |row| row.locked = Some(d("1")));
    let entry = || position(ETH, |row| row.entry_price = Some(d("1")));
    let filled = || order(ETH, "7", |row| row.cum_qty = Some(d("1")));
    let check = |part, scope, good, bad, key: &str| {
        let (mut accounts, feed) = (accounts(), feed(part, scope));
        let _ = accounts.apply(&feed, DataKind::Snapshot, vec![good]).unwrap();
        let refused = accounts.apply(&feed, DataKind::Update, vec![bad]);
        let Err(Refused::Incomplete { key: named, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(named, key);
        assert!(refused.unwrap_err().to_string().ends_with("ask for a snapshot"));
        assert!(!accounts.is_live(&feed));
    };
    check(Part::Balances, "spot", free("spot", "BTC", "1"), locked(), "spot/ETH");
    check(Part::Positions, "futures", held(BTC, "1"), entry(), ETH);
    let open = whole(BTC, "7", OrderStatus::New, "0", 1);
    check(Part::Orders, "futures", open, filled(), "order 7 in ETH/USDT:USDT");
}

#[test]
fn a_row_of_another_wallet_product_or_part_is_refused() {
    let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
    let mut refused = |feed, row| match accounts.apply(&feed, DataKind::Snapshot, vec![row]) {
        Err(Refused::Foreign { key }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(spot.clone(), free("margin", "BTC", "1")), "margin/BTC");
    assert_eq!(refused(spot.clone(), held(BTC, "1")), BTC);
    assert_eq!(refused(spot, whole(BTC, "7", OrderStatus::New, "0", 1)), "7");
    assert_eq!(refused(feed(Part::Orders, "futures"), free("futures", "BTC", "1")), "BTC");
    let _ =
        accounts.apply(&feed(Part::Positions, "futures"), DataKind::Snapshot, vec![held(BTC, "1")]).unwrap();
    let moved = accounts.apply(&feed(Part::Positions, "copy"), DataKind::Snapshot, vec![held(BTC, "1")]);
    assert_eq!(moved, Err(Refused::Foreign { key: BTC.into() }));
}

#[test]
fn zero_prices_are_none_and_a_leverage_of_zero_is_cross() {
    let (mut accounts, positions) = (accounts(), feed(Part::Positions, "futures"));
    let rows = vec![
        position(BTC, |row| {
            row.qty = Some(d("1"));
            row.entry_price = Some(d("0.00"));
            row.liquidation_price = Some(d("0"));
            row.leverage = Some(d("0.00"));
        }),
        position(ETH, |row| {
            row.qty = Some(d("1"));
            row.leverage = Some(d("10"));
            row.margin_mode = Some(MarginMode::Isolated);
        }),
    ];
    let _ = accounts.apply(&positions, DataKind::Snapshot, rows).unwrap();
    let mode = |of: &str| match accounts.holding(&owner(), &symbol(of)) {
        Holding::Open(position) => (position.entry, position.liquidation, position.mode),
        other => panic!("{other:?}"),
    };
    assert_eq!(mode(BTC), (None, None, Some(MarginMode::Cross)));
    assert_eq!(mode(ETH), (None, None, Some(MarginMode::Isolated)));
}

#[test]
fn limits_are_kept_and_only_final_orders_make_room() {
    let limits = Limits { ledgers: 1, positions: 1, orders: 2, fills: 1 };
    let mut accounts = Accounts::new(limits);
    let full = |part| Err(Refused::Full { part });
    let rows = vec![free("spot", "BTC", "1"), free("spot", "ETH", "1")];
    assert_eq!(accounts.apply(&feed(Part::Balances, "spot"), DataKind::Snapshot, rows), full(Part::Balances));
    let rows = vec![held(BTC, "1"), held(ETH, "1")];
    let positions = feed(Part::Positions, "futures");
    assert_eq!(accounts.apply(&positions, DataKind::Snapshot, rows), full(Part::Positions));
    let orders = feed(Part::Orders, "futures");
    let rows = vec![whole(BTC, "1", OrderStatus::Filled, "10", 1), whole(BTC, "2", OrderStatus::New, "0", 1)];
    let _ = accounts.apply(&orders, DataKind::Snapshot, rows).unwrap();
    let third = vec![whole(BTC, "3", OrderStatus::New, "0", 2)];
    let _ = accounts.apply(&orders, DataKind::Update, third).unwrap();
    let ids: Vec<_> = accounts.orders(&owner()).map(|(key, _)| key.order_id.clone()).collect();
    assert_eq!(ids, ["2", "3"]);
    let fourth = vec![whole(BTC, "4", OrderStatus::New, "0", 2)];
    assert_eq!(accounts.apply(&orders, DataKind::Update, fourth), full(Part::Orders));
}

fn read(accounts: &Accounts, id: &str) -> Option<(OrderStatus, String)> {
    let key = OrderKey { symbol: symbol(BTC), order_id: id.into() };
    accounts.order(&owner(), &key).known().map(|order| (order.status, order.cum_qty.to_string()))
}

#[test]
fn an_order_does_not_run_backwards() {
    use OrderStatus::{Canceled, Filled, New, PartiallyFilled, Unknown};
    let check = |first: (OrderStatus, &str, i64), then: (OrderStatus, &str, i64), old: usize| {
        let (mut accounts, orders) = (accounts(), feed(Part::Orders, "futures"));
        let rows = vec![whole(BTC, "7", first.0, first.1, first.2)];
        let _ = accounts.apply(&orders, DataKind::Snapshot, rows).unwrap();
        let rows = vec![whole(BTC, "7", then.0, then.1, then.2)];
        let applied = accounts.apply(&orders, DataKind::Update, rows).unwrap();
        assert_eq!(applied.old, old, "{first:?} then {then:?}");
        let expected = if old == 0 { then } else { first };
        assert_eq!(read(&accounts, "7"), Some((expected.0, expected.1.into())), "{first:?} then {then:?}");
    };
    check((New, "0", 1), (PartiallyFilled, "4", 2), 0);
    check((PartiallyFilled, "4", 2), (New, "0", 1), 1);
    check((PartiallyFilled, "4", 2), (PartiallyFilled, "3", 2), 1);
    check((Filled, "10", 2), (PartiallyFilled, "10", 3), 1);
    check((Canceled, "4", 2), (Unknown, "4", 3), 1);
    check((Canceled, "4", 2), (Filled, "10", 3), 0);
    check((New, "0", 1), (Unknown, "0", 2), 0);
    check((PartiallyFilled, "4", 3), (Unknown, "4", 2), 1);
}

#[test]
fn an_order_that_changes_its_side_is_another_order() {
    let (mut accounts, orders) = (accounts(), feed(Part::Orders, "futures"));
    let _ =
        accounts.apply(&orders, DataKind::Snapshot, vec![whole(BTC, "7", OrderStatus::New, "0", 1)]).unwrap();
    let sold = order(BTC, "7", |row| row.side = Some(Side::Sell));
    let refused = accounts.apply(&orders, DataKind::Update, vec![sold]);
    assert!(matches!(refused, Err(Refused::Contradiction(key)) if key.order_id == "7"));
}

#[test]
fn one_order_id_in_two_instruments_is_two_orders() {
    let (mut accounts, orders) = (accounts(), feed(Part::Orders, "futures"));
    let rows = vec![whole(BTC, "7", OrderStatus::New, "0", 1), whole(ETH, "7", OrderStatus::Filled, "10", 1)];
    let _ = accounts.apply(&orders, DataKind::Snapshot, rows).unwrap();
    let _ = accounts.fill(&owner(), &symbol(ETH), fill("1", "7", "5", "10", 2));
    assert_eq!(read(&accounts, "7"), Some((OrderStatus::New, "0".into())));
    let key = OrderKey { symbol: symbol(BTC), order_id: "7".into() };
    assert!(accounts.fills_of(&owner(), &key).is_empty());
}

#[test]
fn an_open_order_left_out_of_a_snapshot_is_named_and_a_final_one_stays_known() {
    let (mut accounts, orders) = (accounts(), feed(Part::Orders, "futures"));
    let rows = vec![
        whole(BTC, "1", OrderStatus::Filled, "10", 1),
        whole(BTC, "2", OrderStatus::New, "0", 1),
        whole(BTC, "3", OrderStatus::New, "0", 1),
    ];
    let _ = accounts.apply(&orders, DataKind::Snapshot, rows).unwrap();
    accounts.lost(&orders);
    assert_eq!(read(&accounts, "1"), Some((OrderStatus::Filled, "10".into())));
    assert_eq!(read(&accounts, "2"), None);
    let rows = vec![whole(BTC, "3", OrderStatus::New, "0", 1)];
    let applied = accounts.apply(&orders, DataKind::Snapshot, rows).unwrap();
    assert_eq!(applied.left_out, [OrderKey { symbol: symbol(BTC), order_id: "2".into() }]);
    assert_eq!(read(&accounts, "2"), None);
    let key = OrderKey { symbol: symbol(BTC), order_id: "2".into() };
    assert_eq!(accounts.order(&owner(), &key), Reported::Unreported);
    // What it changes is not known any more, so a bare change is not enough to know it again.
    let change = order(BTC, "2", |row| row.updated_at = Some(UnixNanos(9)));
    assert!(matches!(
        accounts.apply(&orders, DataKind::Update, vec![change]),
        Err(Refused::Incomplete { .. })
    ));
}

#[test]
fn an_amount_that_does_not_fit_is_refused() {
    let (mut accounts, spot) = (accounts(), feed(Part::Balances, "spot"));
    let row = balance("spot", "BTC", |row| {
        row.free = Some(d("1"));
        row.locked = Some(rust_decimal::Decimal::MAX);
        row.order_margin = Some(d("0.1"));
    });
    let refused = accounts.apply(&spot, DataKind::Snapshot, vec![row]);
    assert!(matches!(refused, Err(Refused::Arithmetic(_))), "{refused:?}");
}
