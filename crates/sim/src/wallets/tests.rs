//! Money to the last digit, in small cases worked by hand and over random runs.

use super::*;
use crate::engine::Tif;
use crate::market::{DOEX, DUEDEX};
use proptest::prelude::*;

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn order(market: usize, id: u64, side: Side, price: i64, qty: i64) -> Order {
    Order {
        wallet: Wallet::Spot,
        market,
        id,
        client_id: String::new(),
        side,
        kind: OrderKind::Limit,
        price: Some(price),
        stop: None,
        qty,
        filled: 0,
        value: Decimal::ZERO,
        fee: Decimal::ZERO,
        tif: Tif::Gtc,
        post_only: false,
        reduce_only: false,
        status: Status::New,
        created_ms: 1,
        updated_ms: 1,
    }
}

fn part(price: i64, qty: i64, maker: bool) -> Part {
    let rate = if maker { "-0.00025" } else { "0.00075" };
    Part { price, qty, maker, rate: dec(rate) }
}

#[test]
fn spot_money_moves_to_the_last_digit() {
    let mut account = Account::new(1, &DOEX);
    account.deposit(Wallet::Spot, "USDT", dec("1000"));
    account.accept(order(0, 1, Side::Buy, 6_000_000, 1000));
    assert_eq!(account.cash_of(Wallet::Spot, "USDT").locked, dec("600"));
    // Half of it fills at a better price: the difference is free again.
    account.fill(0, 1, Part { rate: dec("0.001"), ..part(5_990_000, 500, true) }, 2);
    let usdt = account.cash_of(Wallet::Spot, "USDT");
    assert_eq!((usdt.total, usdt.locked), (dec("700.5"), dec("300")));
    assert_eq!(account.cash_of(Wallet::Spot, "BTC").total, dec("0.004995"));
    account.end(0, 1, Status::Cancelled, 3);
    assert_eq!(account.cash_of(Wallet::Spot, "USDT").locked, Decimal::ZERO);
    let mut news = vec![];
    account.drain_news(&mut news);
    let statuses: Vec<Status> = news
        .iter()
        .filter_map(|n| match n {
            News::Order(order) => Some(order.status),
            News::Fill(fill) => Some(fill.order.status),
            News::Cash => None,
        })
        .collect();
    assert_eq!(statuses, [Status::New, Status::PartiallyFilled, Status::Cancelled]);
}

#[test]
fn an_order_must_be_paid_for() {
    let mut account = Account::new(1, &DOEX);
    account.deposit(Wallet::Spot, "USDT", dec("10"));
    let marks = [0; 5];
    assert_eq!(account.covers(Wallet::Spot, 0, Side::Buy, 1, dec("10"), &marks), Ok(()));
    assert_eq!(account.covers(Wallet::Spot, 0, Side::Buy, 1, dec("10.01"), &marks), Err(Insufficient));
    assert_eq!(account.covers(Wallet::Spot, 0, Side::Sell, 1, dec("0"), &marks), Err(Insufficient));
    assert_eq!(account.covers(Wallet::Spot, 3, Side::Sell, 1, dec("1"), &marks), Err(Insufficient));
}

#[test]
fn the_inverse_contract_pays_in_the_base() {
    let mut account = Account::new(1, &DUEDEX);
    account.deposit(Wallet::Futures, "BTC", dec("1"));
    account.accept(order(0, 1, Side::Buy, 1_000_000, 1000));
    account.fill(0, 1, part(1_000_000, 1000, false), 2);
    let position = account.position(0);
    assert_eq!((position.qty, position.entry_value), (1000, dec("0.1")));
    assert_eq!(position.entry_price(&DUEDEX[0]), dec("10000"));
    assert_eq!(position.unrealised(&DUEDEX[0], 1_100_000), dec("0.00909091"));
    // Taker fee 0.075 % of 0.1.
    assert_eq!(account.cash_of(Wallet::Futures, "BTC").total, dec("0.999925"));
    let liquidation = account.liquidation_price(0, &[1_000_000, 0, 0, 0]);
    assert!(liquidation > dec("900") && liquidation < dec("1000"), "{liquidation}");
    // Sold through zero: 1000 closed, 500 opened short.
    account.accept(order(0, 2, Side::Sell, 1_100_000, 1500));
    account.fill(0, 2, part(1_100_000, 1500, true), 3);
    let position = account.position(0);
    assert_eq!((position.qty, position.entry_value), (-500, dec("0.04545454")));
    // The value at exit is cut, so the profit is larger by that part of a satoshi.
    assert_eq!(
        account.cash_of(Wallet::Futures, "BTC").realised,
        dec("-0.000075") + dec("0.00909091") + dec("0.00003409")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    /// The identity that both recorded margin samples of DueDEX show, after any run of fills and cancels.
    #[test]
    fn available_and_margins_are_deposits_and_realised(
        moves in prop::collection::vec((0usize..4, any::<bool>(), 1i64..500, -20i64..20, 0i64..3), 1..40)
    ) {
        let mut account = Account::new(1, &DUEDEX);
        account.deposit(Wallet::Futures, "BTC", dec("10"));
        account.deposit(Wallet::Futures, "USDT", dec("50000"));
        let marks: Vec<i64> = DUEDEX.iter().map(|spec| spec.open).collect();
        for (id, (market, buy, qty, away, part)) in (1..).zip(moves) {
            let side = if buy { Side::Buy } else { Side::Sell };
            let price = DUEDEX[market].open + away * DUEDEX[market].tick;
            account.accept(order(market, id, side, price, qty * 2));
            if part > 0 {
                account.fill(market, id, self::part(price, qty, part == 1), 2);
            }
            if part == 2 {
                account.end(market, id, Status::Cancelled, 3);
            }
        }
        for (asset, deposit) in [("BTC", "10"), ("USDT", "50000")] {
            let margin = account.margin(asset, &marks);
            prop_assert_eq!(margin.available + margin.order + margin.position, dec(deposit) + margin.realised);
        }
        for market in 0..4 {
            let position = account.position(market);
            prop_assert_eq!(position.qty == 0, position.entry_value.is_zero());
            prop_assert!(position.entry_value >= Decimal::ZERO);
        }
    }
}
