//! Fills: once each, early, twice, split, late, conflicting, and the ones nobody told.

use venuekit_account::{Accounts, FillNews, Limits, OrderKey, Part, Underivable};
use venuekit_types::{Side, UnixNanos};
use venuekit_venue::{DataKind, Fill, OrderStatus};

use crate::support::*;

const COUNTED: FillNews = FillNews::Counted { early: false, overfilled: false, withdrawn: Vec::new() };
const EARLY: FillNews = FillNews::Counted { early: true, overfilled: false, withdrawn: Vec::new() };

fn tell(accounts: &mut Accounts, fill: Fill) -> FillNews {
    accounts.fill(&owner(), &symbol(BTC), fill)
}

fn filled(accounts: &Accounts, id: &str) -> String {
    let key = OrderKey { symbol: symbol(BTC), order_id: id.into() };
    let sum: rust_decimal::Decimal = accounts.fills_of(&owner(), &key).iter().map(|own| own.fill.qty).sum();
    sum.normalize().to_string()
}

fn with_order(status: OrderStatus, cum: &str) -> Accounts {
    let mut accounts = accounts();
    let rows = vec![whole(BTC, "7", status, cum, 5)];
    let _ = accounts.apply(&feed(Part::Orders, "futures"), DataKind::Snapshot, rows).unwrap();
    accounts
}

#[test]
fn a_fill_is_counted_once_by_whatever_road_it_comes() {
    let mut accounts = with_order(OrderStatus::New, "0");
    assert_eq!(tell(&mut accounts, fill("1", "7", "100", "4", 2)), COUNTED);
    // REST repeats it without what only the stream tells.
    let again = Fill { fee_asset: None, maker: false, ..fill("1", "7", "100.00", "4.0", 2) };
    assert_eq!(tell(&mut accounts, again), FillNews::Repeated);
    assert_eq!(filled(&accounts, "7"), "4");
    // The same id is another fill in another instrument, and at another account.
    assert_eq!(accounts.fill(&owner(), &symbol(ETH), fill("1", "7", "100", "4", 2)), EARLY);
    let other = venuekit_account::Owner::new("doex", "second");
    assert_eq!(accounts.fill(&other, &symbol(BTC), fill("1", "7", "100", "4", 2)), EARLY);
    assert_eq!(filled(&accounts, "7"), "4");
}

#[test]
fn a_fill_before_its_order_is_counted_and_meets_it() {
    let mut accounts = accounts();
    assert_eq!(tell(&mut accounts, fill("1", "7", "100", "4", 2)), EARLY);
    let rows = vec![whole(BTC, "7", OrderStatus::PartiallyFilled, "4", 5)];
    let _ = accounts.apply(&feed(Part::Orders, "futures"), DataKind::Snapshot, rows).unwrap();
    assert_eq!(filled(&accounts, "7"), "4");
    assert_eq!(accounts.derive_fills(&owner()), (vec![], vec![]), "nothing is missing");
}

#[test]
fn a_split_fill_counts_by_its_parts() {
    let mut accounts = with_order(OrderStatus::Filled, "10");
    assert_eq!(tell(&mut accounts, fill("1", "7", "100", "4", 3)), COUNTED);
    assert_eq!(tell(&mut accounts, fill("2", "7", "100", "6", 3)), COUNTED);
    assert_eq!(filled(&accounts, "7"), "10");
    // One part more than was ordered is counted, since the venue says so, and named.
    let news = tell(&mut accounts, fill("3", "7", "100", "1", 3));
    assert_eq!(news, FillNews::Counted { early: false, overfilled: true, withdrawn: vec![] });
}

#[test]
fn one_id_with_other_contents_is_a_conflict_and_not_counted() {
    let mut accounts = with_order(OrderStatus::New, "0");
    assert_eq!(tell(&mut accounts, fill("1", "7", "100", "4", 2)), COUNTED);
    for other in [
        fill("1", "7", "100", "5", 2),
        fill("1", "7", "101", "4", 2),
        fill("1", "8", "100", "4", 2),
        Fill { side: Side::Sell, ..fill("1", "7", "100", "4", 2) },
        // A new id, but an order that buys does not sell.
        Fill { side: Side::Sell, ..fill("2", "7", "100", "4", 2) },
    ] {
        assert_eq!(tell(&mut accounts, other), FillNews::Conflicting);
    }
    assert_eq!(filled(&accounts, "7"), "4");
}

#[test]
fn past_its_memory_a_fill_is_named_too_old_and_never_counted_twice() {
    let mut accounts = Accounts::new(Limits { fills: 3, ..Limits::default() });
    for at in [5, 2, 4, 3, 6] {
        assert_eq!(tell(&mut accounts, fill(&at.to_string(), "7", "1", "1", at)), EARLY);
    }
    // The earliest went, whatever order they came in.
    let kept: Vec<_> = accounts.fills(&owner()).map(|own| own.fill.fill_id.clone()).collect();
    assert_eq!(kept, ["4", "5", "6"]);
    for at in [2, 3] {
        assert_eq!(tell(&mut accounts, fill(&at.to_string(), "7", "1", "1", at)), FillNews::TooOld);
    }
    assert_eq!(tell(&mut accounts, fill("4", "7", "1", "1", 4)), FillNews::Repeated);
}

fn told(qty: &str, average: &str, fee: &str) -> Accounts {
    let mut accounts = with_order(OrderStatus::Filled, qty);
    let change = order(BTC, "7", |row| {
        row.avg_px = Some(d(average));
        row.fee = Some(d(fee));
    });
    let _ = accounts.apply(&feed(Part::Orders, "futures"), DataKind::Update, vec![change]).unwrap();
    accounts
}

#[test]
fn what_filled_unseen_is_derived_marked_and_exact() {
    let mut accounts = told("10", "100.50", "1.0");
    let (derived, cannot) = accounts.derive_fills(&owner());
    assert!(cannot.is_empty(), "{cannot:?}");
    let [own] = derived.as_slice() else { panic!("{derived:?}") };
    assert!(own.derived);
    assert_eq!((own.fill.price, own.fill.qty, own.fill.fee), (d("100.5"), d("10"), d("1")));
    assert_eq!((own.fill.side, own.fill.at, &*own.fill.fill_id), (Side::Buy, UnixNanos(5), "derived-7-0-10"));
    assert_eq!(accounts.derive_fills(&owner()), (vec![], vec![]), "only once");
    assert!(accounts.fills(&owner()).all(|own| own.derived));
}

#[test]
fn a_derived_fill_stands_for_the_rest_of_the_known_ones() {
    let mut accounts = told("10", "100.50", "1.0");
    assert_eq!(tell(&mut accounts, fill("1", "7", "100", "4", 3)), COUNTED);
    let (derived, _) = accounts.derive_fills(&owner());
    // 10 at 100.50 without 4 at 100 leaves 605 for 6, to the places of the average.
    assert_eq!((derived[0].fill.price, derived[0].fill.qty), (d("100.83"), d("6")));
    assert_eq!(derived[0].fill.fee, d("0.9"));
    // A real one that comes late disproves it.
    let news = tell(&mut accounts, fill("2", "7", "100", "1", 4));
    let withdrawn = vec!["derived-7-4-10".to_owned()];
    assert_eq!(news, FillNews::Counted { early: false, overfilled: false, withdrawn });
    assert_eq!(filled(&accounts, "7"), "5");
    let (derived, _) = accounts.derive_fills(&owner());
    assert_eq!((derived[0].fill.qty, &*derived[0].fill.fill_id), (d("5"), "derived-7-5-10"));
    assert_eq!(filled(&accounts, "7"), "10");
}

#[test]
fn of_an_inverse_contract_the_rest_is_a_harmonic_mean() {
    let inverse = symbol("BTC/USD:BTC");
    let mut accounts = accounts();
    let row = order(inverse.as_str(), "7", |row| {
        row.side = Some(Side::Buy);
        row.qty = Some(d("200"));
        row.cum_qty = Some(d("200"));
        row.status = Some(OrderStatus::Filled);
        // 100 at 8000 and 100 at 12000.
        row.avg_px = Some(d("9600.00"));
        row.fee = Some(d("0"));
        row.created_at = Some(UnixNanos(1));
        row.updated_at = Some(UnixNanos(2));
    });
    let _ = accounts.apply(&feed(Part::Orders, "futures"), DataKind::Snapshot, vec![row]).unwrap();
    let _ = accounts.fill(&owner(), &inverse, fill("1", "7", "8000", "100", 2));
    let (derived, _) = accounts.derive_fills(&owner());
    assert_eq!((derived[0].fill.price, derived[0].fill.qty), (d("12000"), d("100")));
}

#[test]
fn what_cannot_be_derived_says_why() {
    let mut accounts = with_order(OrderStatus::Filled, "10");
    let key = OrderKey { symbol: symbol(BTC), order_id: "7".into() };
    let why = |accounts: &mut Accounts| accounts.derive_fills(&owner()).1;
    assert_eq!(why(&mut accounts), [(key.clone(), Underivable::NoField("average price"))]);

    // Once the memory has forgotten fills younger than the order, some of its own may be among them.
    let mut accounts = Accounts::new(Limits { fills: 1, ..Limits::default() });
    for (id, at) in [("1", 3), ("2", 4)] {
        let _ = tell(&mut accounts, fill(id, "7", "100", "1", at));
    }
    let rows = vec![whole(BTC, "7", OrderStatus::Filled, "10", 5)];
    let _ = accounts.apply(&feed(Part::Orders, "futures"), DataKind::Snapshot, rows).unwrap();
    assert_eq!(why(&mut accounts), [(key, Underivable::BeyondMemory)]);
}
