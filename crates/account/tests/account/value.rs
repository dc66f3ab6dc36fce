//! Projection and valuation: totals that open into cells, and numbers that say what they lack.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_account::{
    Accounts, Amounts, Basis, Cause, Contract, Figure, Ledger, Maintenance, Marks, Name, Owner, Part, Policy,
    Reported, Sight, Standing, Terms, Unprojectable, Yardstick, project, stakes, value,
};
use venuekit_types::Mono;
use venuekit_venue::DataKind;

use crate::support::*;

const NOW: Mono = Mono(60_000_000_000);

/// Three wallets at one venue and one at another.
fn four_cells() -> Accounts {
    let mut accounts = accounts();
    for (wallet, amount) in [("spot", "1.10000001"), ("margin", "0.2"), ("futures", "0.03")] {
        let rows = vec![free(wallet, "BTC", amount)];
        let _ = accounts.apply(&feed(Part::Balances, wallet), DataKind::Snapshot, rows).unwrap();
    }
    let duedex = venuekit_account::Feed::new(&Owner::new("duedex", "main"), Part::Balances, "futures");
    let rows = vec![free("futures", "BTC", "0.004"), free("futures", "USDT", "5")];
    let _ = accounts.apply(&duedex, DataKind::Snapshot, rows).unwrap();
    accounts
}

#[test]
fn every_policy_opens_into_the_same_cells() {
    let ledgers = four_cells().ledgers();
    let check = |policy: Policy, expected: &[(&str, &str, &str, &[&str])]| {
        let view = project(&ledgers, policy).unwrap();
        let lines: Vec<_> = view
            .lines
            .iter()
            .map(|line| {
                let cells: Vec<String> = line.cells.iter().map(|cell| cell.place.to_string()).collect();
                let Figure::Whole(sum) = &line.sum else { panic!("{line:?}") };
                (line.group.map_or("", |g| g), &**line.asset, sum.free.to_string(), cells)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(group, asset, sum, cells)| {
                (*group, *asset, (*sum).to_owned(), cells.iter().map(ToString::to_string).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(lines, expected, "{policy:?}");
    };
    let (spot, margin) = ("doex/main/spot/BTC", "doex/main/margin/BTC");
    let (futures, other) = ("doex/main/futures/BTC", "duedex/main/futures/BTC");
    let tether = "duedex/main/futures/USDT";
    check(
        Policy::Asset,
        &[("", "BTC", "1.33400001", &[futures, margin, spot, other]), ("", "USDT", "5", &[tether])],
    );
    check(
        Policy::Wallet,
        &[
            ("futures", "BTC", "0.034", &[futures, other]),
            ("futures", "USDT", "5", &[tether]),
            ("margin", "BTC", "0.2", &[margin]),
            ("spot", "BTC", "1.10000001", &[spot]),
        ],
    );
    check(
        Policy::Venue,
        &[
            ("doex", "BTC", "1.33000001", &[futures, margin, spot]),
            ("duedex", "BTC", "0.004", &[other]),
            ("duedex", "USDT", "5", &[tether]),
        ],
    );
    for policy in [Policy::Asset, Policy::Wallet, Policy::Venue] {
        assert_eq!(Policy::from_word(policy.as_str()), Some(policy));
    }
    assert_eq!(Policy::from_word("account"), None);
}

#[test]
fn a_sum_without_a_cell_is_partial_and_names_it() {
    let mut accounts = four_cells();
    accounts.lost(&feed(Part::Balances, "margin"));
    let ledgers = accounts.ledgers();
    let view = project(&ledgers, Policy::Asset).unwrap();
    let Figure::Partial { known, without } = &view.lines[0].sum else { panic!("{view:?}") };
    assert_eq!(
        (known.free, without.as_slice()),
        (d("1.13400001"), &[Cause::Ledger(place("margin", "BTC"))][..])
    );
    assert_eq!(view.lines[0].cells.len(), 4, "the cell is still shown");
    assert!(matches!(view.lines[1].sum, Figure::Whole(_)));
}

#[test]
fn a_place_given_twice_and_a_sum_that_does_not_fit_are_refused() {
    let mut ledgers = four_cells().ledgers();
    ledgers.push(ledgers[0].clone());
    assert_eq!(project(&ledgers, Policy::Asset), Err(Unprojectable::Twice(ledgers[0].place.clone())));
    let ledger = |wallet, free| Ledger {
        place: place(wallet, "BTC"),
        amounts: Reported::Known(Amounts { free, ..Amounts::default() }),
        standing: Standing::default(),
    };
    let huge = [ledger("spot", Decimal::MAX), ledger("margin", d("0.1"))];
    assert!(matches!(project(&huge, Policy::Asset), Err(Unprojectable::Arithmetic(_))));
    assert!(project(&huge, Policy::Wallet).is_ok());
}

#[test]
fn rates_go_direct_or_over_one_fresh_link() {
    let name = |text: &str| Name::from(text);
    let old = Mono(NOW.0 - 6_000_000_000);
    let mut marks = Marks::new(Duration::from_secs(5));
    let put =
        |marks: &mut Marks, asset, quote, price, at| marks.put_rate(&name(asset), &name(quote), d(price), at);
    put(&mut marks, "BTC", "USDT", "20000", NOW);
    put(&mut marks, "USDT", "USD", "0.999", NOW);
    put(&mut marks, "BTC", "EUR", "18000", old);
    put(&mut marks, "EUR", "USD", "1.1", NOW);
    let rate = |marks: &Marks, asset, quote| marks.rate(&name(asset), &name(quote), NOW).unwrap().seen();
    assert_eq!(rate(&marks, "USD", "USD"), Some(d("1")));
    // EUR comes first by name, but its leg is stale.
    assert_eq!(rate(&marks, "BTC", "USD"), Some(d("19980")));
    assert_eq!(rate(&marks, "USD", "BTC"), None, "a rate is not turned around");
    assert_eq!(rate(&marks, "BTC", "EUR"), None);
    put(&mut marks, "BTC", "USD", "19970", NOW);
    assert_eq!(rate(&marks, "BTC", "USD"), Some(d("19970")));
}

#[test]
fn a_valuation_says_what_it_lacks_and_sums_its_lines() {
    let mut accounts = four_cells();
    let open = |of: &str, entry: &str| {
        position(of, |row| {
            row.qty = Some(d("3"));
            row.entry_price = Some(d(entry));
        })
    };
    let rows = vec![open(BTC, "100"), open(ETH, "10")];
    let _ = accounts.apply(&feed(Part::Positions, "futures"), DataKind::Snapshot, rows).unwrap();
    let mut marks = Marks::new(Duration::from_secs(5));
    let venue = Name::from("doex");
    marks.put_contract(&venue, &symbol(BTC), d("110.5"), NOW);
    marks.put_contract(&venue, &symbol(ETH), d("9"), Mono(1));
    marks.put_rate(&"USDT".into(), &"USD".into(), d("0.9995"), NOW);
    let contract = Contract { inverse: false, size: d("1"), places: 4, price_places: 2 };
    let maintenance = Maintenance::flat(Basis::Entry, d("0.01")).unwrap();
    let rules: BTreeMap<_, _> = [BTC, ETH]
        .map(|of| (symbol(of), Terms { contract, maintenance: maintenance.clone() }))
        .into_iter()
        .collect();
    let (ledgers, owner, quote) = (accounts.ledgers(), owner(), Name::from("USD"));
    let stakes = stakes(&accounts, &owner, "USDT", &rules, &marks, NOW);
    let yardstick = Yardstick { quote: &quote, places: 2, marks: &marks, now: NOW };
    let worth = value(&ledgers, &stakes, &yardstick).unwrap();
    // 5 USDT at 0.9995 is 4.9975: half-even at two places.
    let Figure::Partial { known, without } = &worth.balance else { panic!("{:?}", worth.balance) };
    assert_eq!((*known, without.len()), (d("5"), 4), "four cells of BTC have no price: {without:?}");
    assert_eq!(without[0].to_string(), "there is no mark for BTC in USD; subscribe to it");
    // 3 × 10.5 = 31.5 USDT; the other position has a stale mark.
    let Figure::Partial { known, without } = &worth.unrealised else { panic!("{:?}", worth.unrealised) };
    assert_eq!((*known, without.len()), (d("31.48"), 1));
    assert!(matches!(&without[0], Cause::StaleMark { of, .. } if of == "ETH/USDT:USDT at doex"));
    let Figure::Partial { known, without } = worth.equity else { panic!() };
    assert_eq!((known, without.len()), (d("36.48"), 5));

    // With every mark there, the same numbers are whole; an empty cell needs no mark.
    marks.put_contract(&venue, &symbol(ETH), d("9"), NOW);
    marks.put_rate(&"BTC".into(), &"USD".into(), d("20000"), NOW);
    let dust = vec![free("spot", "BTC", "1.10000001"), free("spot", "DUST", "0")];
    let _ = accounts.apply(&feed(Part::Balances, "spot"), DataKind::Snapshot, dust).unwrap();
    let ledgers = accounts.ledgers();
    let stakes = venuekit_account::stakes(&accounts, &owner, "USDT", &rules, &marks, NOW);
    let yardstick = Yardstick { quote: &quote, places: 2, marks: &marks, now: NOW };
    let worth = value(&ledgers, &stakes, &yardstick).unwrap();
    assert_eq!(worth.balance, Figure::Whole(d("26685")));
    assert_eq!(worth.unrealised, Figure::Whole(d("28.48")));
    assert_eq!(worth.equity.whole(), Some(d("26713.48")));
    let lines: Vec<_> = worth.ledgers.iter().filter_map(|line| line.value.clone().seen()).collect();
    assert_eq!(lines.len(), worth.ledgers.len());
    assert_eq!(lines.iter().sum::<Decimal>(), d("26685"));
    let dust = worth.ledgers.iter().find(|line| &*line.of.place.asset == "DUST").unwrap();
    assert_eq!(dust.value, Sight::Seen(d("0")));
}

#[test]
fn debts_are_taken_off() {
    let amounts = Amounts { free: d("5"), locked: d("1"), borrowed: d("2"), interest: d("0.25") };
    assert_eq!((amounts.total(), amounts.net()), (Ok(d("6")), Ok(d("3.75"))));
}
