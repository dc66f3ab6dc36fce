//! Notional, profit and liquidation by hand, and every reason to be blind.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_account::{
    Accounts, Arithmetic, BadTiers, Basis, Cause, Contract, Distance, Liquidation, Maintenance, MarginMode,
    Marks, Name, Outlook, Part, Sight, Terms, Tier, outlooks, stakes,
};
use venuekit_types::{Mono, Symbol};
use venuekit_venue::DataKind;

use crate::support::*;

const NOW: Mono = Mono(60_000_000_000);

fn linear(size: &str) -> Contract {
    Contract { inverse: false, size: d(size), places: 4, price_places: 2 }
}

fn inverse() -> Contract {
    Contract { inverse: true, size: d("1"), places: 8, price_places: 2 }
}

#[test]
fn notionals_are_the_venues_own() {
    let check = |contract: Contract, qty: &str, price: &str, expected: &str| {
        assert_eq!(contract.notional(d(qty), d(price)), Ok(d(expected)), "{qty} at {price}");
    };
    // Recorded: 1 at 8600 is 0.00011627; half-even would give …28.
    check(inverse(), "1", "8600.00", "0.00011627");
    check(inverse(), "-1", "8600", "0.00011627");
    check(linear("0.0001"), "1", "10000.55", "1");
    check(linear("0.0001"), "25", "10000.50", "25.0012");
    check(inverse(), "0", "8600", "0");
    assert_eq!(inverse().notional(d("1"), d("0")), Err(Arithmetic::DivisionByZero));
    assert_eq!(linear("1").notional(Decimal::MAX, d("2")), Err(Arithmetic::OutOfRange));
}

#[test]
fn profit_is_the_difference_of_two_notionals() {
    let check = |contract: Contract, qty: &str, entry: &str, exit: &str, expected: &str| {
        assert_eq!(contract.profit(d(qty), d(entry), d(exit)), Ok(d(expected)), "{qty} {entry} {exit}");
    };
    check(linear("0.01"), "100", "200", "210", "10");
    check(linear("0.01"), "-100", "200", "210", "-10");
    check(inverse(), "100", "8000", "10000", "0.0025");
    check(inverse(), "-100", "8000", "10000", "-0.0025");
    // Both notionals are cut: 0.00011627 - 0.00009999, where one cut of the difference would give …627.
    check(inverse(), "1", "8600", "10001", "0.00001628");
    check(inverse(), "5", "9000", "9000", "0");
}

fn terms(contract: Contract, basis: Basis, rate: &str) -> Terms {
    Terms { contract, maintenance: Maintenance::flat(basis, d(rate)).unwrap() }
}

#[test]
fn liquidation_prices_by_hand() {
    use Liquidation::{Always, At, Never};
    let check = |terms: &Terms, qty: &str, entry: &str, backing: &str, expected: Liquidation| {
        assert_eq!(
            terms.liquidation(d(qty), d(entry), d(backing)),
            Ok(expected),
            "{qty} at {entry} on {backing}"
        );
    };
    // The card's formula: entry (1 - IMR + MMR) - extra / (size mult), here with 10 % initial and 0.5 extra a unit.
    let due = terms(linear("0.01"), Basis::Entry, "0.005");
    check(&due, "100", "200", "20.5", At(d("180.5")));
    check(&due, "-100", "200", "20.5", At(d("219.5")));
    check(&due, "100", "200", "300", Never);
    check(&due, "-100", "200", "-200", Always);
    check(&due, "100", "200", "0", At(d("201")));
    // At the mark: (UE - B) / (U (1 - m)).
    let marked = terms(linear("0.01"), Basis::Mark, "0.01");
    check(&marked, "100", "200", "20", At(d("181.82")));
    check(&marked, "-100", "200", "20", At(d("217.82")));
    // Rounded toward the entry: 180 / 0.99 is 181.81…, 220 / 1.01 is 217.82….
    let coins = terms(inverse(), Basis::Entry, "0.005");
    check(&coins, "100", "8000", "0.00125", At(d("7305.94")));
    check(&coins, "-100", "8000", "0.00125", At(d("8839.77")));
    check(&coins, "-100", "8000", "0.02", Never);
    check(&coins, "100", "8000", "-0.0125", Always);
    let marked = terms(inverse(), Basis::Mark, "0.005");
    check(&marked, "100", "8000", "0.00125", At(d("7309.1")));
    check(&marked, "-100", "8000", "0.00125", At(d("8844.44")));
    // Less than a tick away from zero is every mark there is.
    check(&terms(linear("1"), Basis::Entry, "0"), "-1", "0.001", "0", Always);
}

#[test]
fn the_tier_that_holds_at_the_liquidation_price_counts() {
    let tiers = [Tier { from: d("0"), rate: d("0.01") }, Tier { from: d("1000"), rate: d("0.05") }];
    let tiered = Terms { contract: linear("1"), maintenance: Maintenance::new(Basis::Mark, &tiers).unwrap() };
    let flat = terms(linear("1"), Basis::Mark, "0.01");
    let liquidation =
        |terms: &Terms, backing: &str| terms.liquidation(d("10"), d("110"), d(backing)).unwrap();
    // Liquidated at 1,000 and below, only the first tier is there, though the entry lies in the second.
    assert_eq!(liquidation(&tiered, "210"), liquidation(&flat, "210"));
    assert_eq!(liquidation(&tiered, "210"), Liquidation::At(d("89.9")));
    // (1100 - 50 - 40) / (10 * 0.95): the deduction keeps what lies below 1,000 at the lower rate.
    assert_eq!(liquidation(&tiered, "50"), Liquidation::At(d("106.32")));
    assert_eq!(tiered.maintenance.required(d("1500")), Ok(d("35")));
}

#[test]
fn tiers_that_make_no_rule_are_refused() {
    let tier = |from: &str, rate: &str| Tier { from: d(from), rate: d(rate) };
    let check = |tiers: &[Tier], why: BadTiers| {
        assert_eq!(Maintenance::new(Basis::Entry, tiers), Err(why), "{tiers:?}");
    };
    check(&[], BadTiers::Start);
    check(&[tier("1", "0.1")], BadTiers::Start);
    check(&[tier("0", "1")], BadTiers::Rate);
    check(&[tier("0", "-0.1")], BadTiers::Rate);
    check(&[tier("0", "0.1"), tier("0", "0.2")], BadTiers::Order);
    check(&[tier("0", "0.2"), tier("5", "0.1")], BadTiers::Order);
}

#[test]
fn distance_is_a_part_of_the_mark_or_due_or_endless() {
    let check = |liquidation: Liquidation, qty: &str, mark: &str, expected: Distance| {
        assert_eq!(liquidation.distance(d(qty), d(mark)), Ok(expected));
    };
    let at = Liquidation::At(d("90"));
    check(at, "1", "120", Distance::Ratio(d("0.25")));
    check(at, "1", "91", Distance::Ratio(d("0.010989")));
    check(at, "1", "90", Distance::Due);
    check(at, "1", "80", Distance::Due);
    check(at, "-1", "80", Distance::Ratio(d("0.125")));
    check(at, "-1", "91", Distance::Due);
    check(Liquidation::Never, "1", "1", Distance::Endless);
    check(Liquidation::Always, "1", "1", Distance::Due);
}

// ---- the whole account -------------------------------------------------------------------------------------------

/// 1,000 free and 100 held; ten BTC from 100, cross; five ETH short from 50, cross; SOL isolated.
const SOL: &str = "SOL/USDT:USDT";

fn pool(
    change: impl FnOnce(&mut Accounts, &mut Marks, &mut BTreeMap<Symbol, Terms>),
) -> Vec<(String, String)> {
    let (mut accounts, mut marks) = (accounts(), Marks::new(Duration::from_secs(5)));
    let wallet = balance("futures", "USDT", |row| {
        row.free = Some(d("1000"));
        row.position_margin = Some(d("100"));
    });
    let _ = accounts.apply(&feed(Part::Balances, "futures"), DataKind::Snapshot, vec![wallet]).unwrap();
    let open = |of: &str, qty: &str, entry: &str, mode: MarginMode| {
        position(of, |row| {
            row.qty = Some(d(qty));
            row.entry_price = Some(d(entry));
            row.margin = Some(d("40"));
            row.margin_mode = Some(mode);
        })
    };
    let rows = vec![
        open(BTC, "10", "100", MarginMode::Cross),
        open(ETH, "-5", "50", MarginMode::Cross),
        open(SOL, "8", "20", MarginMode::Isolated),
    ];
    let _ = accounts.apply(&feed(Part::Positions, "futures"), DataKind::Snapshot, rows).unwrap();
    let mut rules = BTreeMap::new();
    for (of, mark) in [(BTC, "90"), (ETH, "60"), (SOL, "21")] {
        marks.put_contract(&"doex".into(), &symbol(of), d(mark), NOW);
        rules.insert(symbol(of), terms(linear("1"), Basis::Entry, "0.1"));
    }
    change(&mut accounts, &mut marks, &mut rules);
    let owner = owner();
    let stakes = stakes(&accounts, &owner, "USDT", &rules, &marks, NOW);
    let ledger = accounts.ledger(&place("futures", "USDT"));
    let word = |outlook: &Outlook<'_>| {
        let liquidation = match &outlook.liquidation {
            Sight::Seen(Liquidation::At(price)) => price.to_string(),
            Sight::Seen(other) => format!("{other:?}"),
            Sight::Blind(causes) => causes[0].to_string(),
        };
        let distance = match &outlook.distance {
            Sight::Seen(Distance::Ratio(ratio)) => ratio.to_string(),
            Sight::Seen(other) => format!("{other:?}"),
            Sight::Blind(causes) => causes[0].to_string(),
        };
        (liquidation, distance)
    };
    outlooks(&ledger, &stakes).unwrap().iter().map(word).collect()
}

fn pair(liquidation: &str, distance: &str) -> (String, String) {
    (liquidation.into(), distance.into())
}

#[test]
fn a_cross_position_rests_on_the_whole_account() {
    // Behind BTC: 1,100 - 40 set aside for SOL + (-50 - 25) of ETH = 985; 100 + (100 - 985) / 10 = 11.5.
    // Behind ETH: 1,100 - 40 + (-100 - 100) of BTC = 860; 50 - (25 - 860) / 5 = 217.
    // SOL stands alone: 20 + (16 - 40) / 8 = 17.
    assert_eq!(
        pool(|_, _, _| {}),
        [pair("11.5", "0.872222"), pair("217", "2.616666"), pair("17", "0.190476")]
    );
}

#[test]
fn a_stale_mark_blinds_what_rests_on_it_and_says_so() {
    let stale = "the mark for ETH/USDT:USDT at doex is 6000 ms old; wait for a fresh one";
    let six_seconds_ago = Mono(NOW.0 - 6_000_000_000);
    let seen = pool(|_, marks, _| {
        *marks = Marks::new(Duration::from_secs(5));
        for (of, mark, at) in [(BTC, "90", NOW), (ETH, "60", six_seconds_ago), (SOL, "21", NOW)] {
            marks.put_contract(&"doex".into(), &symbol(of), d(mark), at);
        }
    });
    // ETH's own price rests on the other marks only; its distance needs its own.
    assert_eq!(seen, [pair(stale, stale), pair("217", stale), pair("17", "0.190476")]);
}

#[test]
fn what_is_not_reported_blinds_what_rests_on_it() {
    let ledger = "the balance at doex/main/futures/USDT is not reported; wait for its resync";
    assert_eq!(
        pool(|accounts, _, _| accounts.lost(&feed(Part::Balances, "futures"))),
        [pair(ledger, ledger), pair(ledger, ledger), pair("17", "0.190476")]
    );
    // ETH is left out of a snapshot: it may still be open and draw on the same wallet.
    let left_out = "the position in ETH/USDT:USDT at doex is not reported; wait for its resync";
    let seen = pool(|accounts, _, _| {
        let row = position(BTC, |row| {
            row.qty = Some(d("10"));
            row.entry_price = Some(d("100"));
            row.margin_mode = Some(MarginMode::Cross);
        });
        let feed = feed(Part::Positions, "futures");
        let rows = vec![row, held(SOL, "0")];
        let _ = accounts.apply(&feed, DataKind::Snapshot, rows).unwrap();
    });
    assert_eq!(seen, [pair(left_out, left_out), pair(left_out, left_out)]);
}

#[test]
fn missing_terms_and_fields_are_named() {
    let seen = pool(|accounts, _, rules| {
        rules.remove(&symbol(ETH));
        let update = vec![position(SOL, |row| row.entry_price = Some(d("0")))];
        let _ = accounts.apply(&feed(Part::Positions, "futures"), DataKind::Update, update).unwrap();
    });
    let terms = "the terms of ETH/USDT:USDT are not known; load the instruments";
    let entry =
        "the venue does not tell the entry price of the position in SOL/USDT:USDT; ask for positions again";
    assert_eq!(seen, [pair(terms, terms), pair(terms, terms), pair(entry, entry)]);
}

#[test]
fn a_mark_is_read_only_through_its_age() {
    let mut marks = Marks::new(Duration::from_secs(5));
    let (venue, of) = (Name::from("doex"), symbol(BTC));
    let at = |nanos: u64| Mono(nanos);
    assert!(
        matches!(marks.contract(&venue, &of, NOW), Sight::Blind(causes) if matches!(causes[0], Cause::NoMark(_)))
    );
    marks.put_contract(&venue, &of, d("0.00"), at(1));
    assert!(matches!(marks.contract(&venue, &of, at(1)), Sight::Blind(_)), "zero is no price");
    marks.put_contract(&venue, &of, d("7"), at(10));
    marks.put_contract(&venue, &of, d("6"), at(9));
    assert_eq!(
        marks.contract(&venue, &of, at(5_000_000_010)),
        Sight::Seen(d("7")),
        "the later one, to the limit"
    );
    let age = Duration::from_nanos(5_000_000_001);
    let stale = Cause::StaleMark { of: "BTC/USDT:USDT at doex".into(), age };
    assert_eq!(marks.contract(&venue, &of, at(5_000_000_011)), Sight::Blind(vec![stale]));
}
