//! Stream against REST.

use venuekit_account::reconcile::{Difference, Kind, Subject, Tolerance, reconcile};
use venuekit_account::{Accounts, Feed, Part, Row};
use venuekit_venue::{DataKind, OrderStatus};

use crate::support::*;

fn side(part: Part, scope: &str, rows: Vec<Row>) -> Accounts {
    let mut accounts = accounts();
    let _ = accounts.apply(&feed(part, scope), DataKind::Snapshot, rows).unwrap();
    accounts
}

fn words(differences: &[Difference]) -> Vec<String> {
    let word = |difference: &Difference| {
        let subject = match &difference.subject {
            Subject::Ledger(place) => place.asset.to_string(),
            Subject::Position(symbol) => symbol.to_string(),
            Subject::Order(key) => key.order_id.clone(),
        };
        match &difference.kind {
            Kind::Field { field, stream, rest } => format!("{subject} {field} {stream}/{rest}"),
            Kind::OnlyStream => format!("{subject} only stream"),
            Kind::OnlyRest => format!("{subject} only rest"),
        }
    };
    differences.iter().map(word).collect()
}

fn check(part: Part, scope: &str, stream: Vec<Row>, rest: Vec<Row>, expected: &[&str]) {
    let tolerance = Tolerance { amount: d("0.001"), qty: d("0"), price: d("0.5") };
    let (stream, rest) = (side(part, scope, stream), side(part, scope, rest));
    let found = reconcile(&stream, &rest, &owner(), &tolerance).unwrap();
    assert_eq!(words(&found), expected);
    assert!(found.iter().all(|difference| difference.feed == feed(part, scope)));
}

#[test]
fn ledgers_are_compared_beyond_tolerance() {
    let check = |stream, rest, expected: &[&str]| check(Part::Balances, "spot", stream, rest, expected);
    check(vec![free("spot", "BTC", "1")], vec![free("spot", "BTC", "1.001")], &[]);
    check(vec![free("spot", "BTC", "1")], vec![free("spot", "BTC", "1.0011")], &["BTC free 1/1.0011"]);
    check(vec![free("spot", "BTC", "1")], vec![free("spot", "BTC", "0")], &["BTC free 1/0"]);
    check(vec![free("spot", "BTC", "1")], vec![], &["BTC only stream"]);
    check(vec![], vec![free("spot", "BTC", "1")], &["BTC only rest"]);
    check(vec![free("spot", "BTC", "0")], vec![], &[]);
    check(vec![], vec![free("spot", "BTC", "0")], &[]);
    let locked = |amount: &str| {
        balance("spot", "BTC", |row| {
            row.free = Some(d("1"));
            row.locked = Some(d(amount));
            row.borrowed = Some(d(amount));
        })
    };
    check(vec![locked("2")], vec![locked("3")], &["BTC locked 2/3", "BTC borrowed 2/3"]);
}

#[test]
fn positions_are_compared_and_a_flat_one_may_be_left_out() {
    let check = |stream, rest, expected: &[&str]| check(Part::Positions, "futures", stream, rest, expected);
    let open = |qty: &str, entry: &str| {
        position(BTC, |row| {
            row.qty = Some(d(qty));
            row.entry_price = Some(d(entry));
        })
    };
    check(vec![open("1", "100")], vec![open("1", "100.5")], &[]);
    check(
        vec![open("1", "100")],
        vec![open("2", "100.6")],
        &["BTC/USDT:USDT qty 1/2", "BTC/USDT:USDT entry 100/100.6"],
    );
    check(vec![open("1", "100")], vec![held(BTC, "1")], &[]);
    check(vec![open("1", "100")], vec![held(BTC, "0")], &["BTC/USDT:USDT qty 1/0"]);
    check(vec![held(BTC, "0")], vec![open("1", "100")], &["BTC/USDT:USDT qty 0/1"]);
    check(vec![held(BTC, "0")], vec![], &[]);
    check(vec![open("1", "100")], vec![], &["BTC/USDT:USDT only stream"]);
    check(vec![], vec![open("1", "100")], &["BTC/USDT:USDT only rest"]);
}

#[test]
fn orders_are_compared_and_an_ended_one_may_be_left_out() {
    use OrderStatus::{Filled, New, PartiallyFilled};
    let check = |stream, rest, expected: &[&str]| check(Part::Orders, "futures", stream, rest, expected);
    check(vec![whole(BTC, "7", New, "0", 1)], vec![whole(BTC, "7", New, "0", 2)], &[]);
    check(
        vec![whole(BTC, "7", New, "0", 1)],
        vec![whole(BTC, "7", PartiallyFilled, "4", 2)],
        &["7 cum_qty 0/4", "7 status new/partially_filled"],
    );
    check(vec![whole(BTC, "7", New, "0", 1)], vec![], &["7 only stream"]);
    check(vec![whole(BTC, "7", Filled, "10", 1)], vec![], &[]);
    check(vec![], vec![whole(BTC, "7", New, "0", 1)], &["7 only rest"]);
    check(vec![], vec![whole(BTC, "7", Filled, "10", 1)], &[]);
}

#[test]
fn a_feed_that_is_down_is_not_compared() {
    let mut stream = side(Part::Balances, "spot", vec![free("spot", "BTC", "1")]);
    let rest = side(Part::Balances, "spot", vec![free("spot", "BTC", "2")]);
    stream.lost(&Feed::new(&owner(), Part::Balances, "spot"));
    assert_eq!(reconcile(&stream, &rest, &owner(), &Tolerance::default()), Ok(vec![]));
    // And REST says nothing about a wallet it was not asked for.
    let stream = side(Part::Balances, "margin", vec![free("margin", "BTC", "1")]);
    assert_eq!(reconcile(&stream, &rest, &owner(), &Tolerance::default()), Ok(vec![]));
}
