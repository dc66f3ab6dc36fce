//! Orders and the grid of their instrument: what fits, what does not, and which way a number was rounded.

use proptest::prelude::*;
use venuekit_types::{Fixed, Instrument, Kind, Price, Qty, Scale, Side, Status, Symbol, parse_fixed};
use venuekit_venue::grid::{OffGrid, Toward, check, round_price, round_qty};
use venuekit_venue::spec::{ClientId, DeadMan, OrderAck, OrderSpec};
use venuekit_venue::{ClientIds, MarketId, NewOrder, OrderType, TimeInForce, TriggerBy};

fn scale(digits: u8) -> Scale {
    Scale::new(digits).expect("0 to 18")
}

fn number(text: &str) -> Fixed {
    text.parse().expect("a number")
}

/// Ticks of 0.5, steps of 0.003, at least 0.010 and 5 in value.
fn instrument() -> Instrument {
    Instrument {
        venue_symbol: "BTCUSDT".to_owned(),
        aliases: Vec::new(),
        symbol: Symbol::spot("BTC", "USDT").expect("a symbol"),
        kind: Kind::Spot,
        price_scale: scale(1),
        qty_scale: scale(3),
        tick: Price(5),
        step: Qty(3),
        min_qty: Some(Qty(10)),
        max_qty: Some(Qty(100_000)),
        min_notional: Some(number("5")),
        contract_size: None,
        inverse: false,
        maker_fee: None,
        taker_fee: None,
        status: Status::Trading,
        version: 1,
    }
}

fn rules() -> OrderSpec {
    OrderSpec {
        ack: OrderAck::Result,
        client_id: ClientId::Unique,
        client_id_max: 36,
        types: vec![OrderType::Limit, OrderType::Market, OrderType::StopLimit],
        triggers: vec![TriggerBy::Mark],
        reduce_only: true,
        dead_man: DeadMan::None,
    }
}

fn limit(qty: &str, price: &str) -> NewOrder {
    NewOrder {
        market: MarketId(0),
        client_order_id: "desk-1_A".to_owned(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: None,
        qty: number(qty),
        price: Some(number(price)),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }
}

fn told(order: &NewOrder) -> String {
    match check(order, &instrument(), &rules()) {
        Ok(()) => "fits".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn numbers() {
    let check =
        |qty, price, expected: &str| assert_eq!(told(&limit(qty, price)), expected, "{qty} at {price}");
    check("0.012", "27123.5", "fits");
    check("0.0120000", "27123.50", "fits");
    check("0.012", "27123.4", "price 27123.4 is between two ticks; use 27123 or 27123.5");
    check("0.012", "0.0001", "price 0.0001 is not positive; use 0.5 or more");
    check("0.012", "0", "price 0 is not positive; use 0.5 or more");
    check("0.012", "-1", "price -1 is not positive; use 0.5 or more");
    check("0.013", "27123.5", "quantity 0.013 is between two steps; use 0.012 or 0.015");
    check("0.0121", "27123.5", "quantity 0.0121 is between two steps; use 0.012 or 0.015");
    // The least is the first step at or above the minimum, the most the last at or below the maximum.
    check("0.009", "27123.5", "quantity 0.009 is too small; use 0.012 or more");
    check("-3", "27123.5", "quantity -3 is too small; use 0.012 or more");
    check("0", "27123.5", "quantity 0 is too small; use 0.012 or more");
    check("99.999", "1", "fits");
    check("100", "1", "quantity 100 is too large; use 99.999 or less");
    check(
        "0.012",
        "100",
        "the order is worth 1.200, less than 5; use a quantity of 0.051 or more at this price",
    );
    check("0.051", "100", "fits");
    let huge = "price 9223372036854775807 does not fit 64 bits at the instrument's scale; use a smaller one";
    check("0.012", "9223372036854775807", huge);
}

#[test]
fn form() {
    let order = limit("0.012", "27123.5");
    let check = |order: NewOrder, expected: &str| assert_eq!(told(&order), expected);
    let stop = Some(number("27000"));
    check(NewOrder { price: None, ..order.clone() }, "a limit order needs a price; give one");
    check(NewOrder { stop_price: stop, ..order.clone() }, "a limit order has no stop price; leave it out");
    let stop_limit = NewOrder { order_type: OrderType::StopLimit, stop_price: stop, ..order.clone() };
    check(stop_limit.clone(), "fits");
    check(
        NewOrder { stop_price: None, ..stop_limit.clone() },
        "a stop_limit order needs a stop price; give one",
    );
    let between = "stop price 27000.2 is between two ticks; use 27000 or 27000.5";
    check(NewOrder { stop_price: Some(number("27000.2")), ..stop_limit.clone() }, between);
    check(NewOrder { trigger_by: Some(TriggerBy::Mark), ..stop_limit.clone() }, "fits");
    let watches = "the venue cannot be told that a trigger watches the Last price; leave it out";
    check(NewOrder { trigger_by: Some(TriggerBy::Last), ..stop_limit.clone() }, watches);
    let trigger = "a limit order has no trigger; leave it out";
    check(NewOrder { trigger_by: Some(TriggerBy::Mark), ..order.clone() }, trigger);
    let market = NewOrder { order_type: OrderType::Market, price: None, ..order.clone() };
    check(market.clone(), "fits");
    check(NewOrder { price: order.price, ..market.clone() }, "a market order has no price; leave it out");
    let post = "order cannot be post-only; use a limit order that is good till cancelled";
    check(NewOrder { post_only: true, ..market.clone() }, &format!("a market {post}"));
    let ioc = Some(TimeInForce::Ioc);
    check(NewOrder { post_only: true, time_in_force: ioc, ..order.clone() }, &format!("a limit {post}"));
    check(NewOrder { post_only: true, ..order.clone() }, "fits");
    let none = "the venue has no take_profit_market orders; use one of limit, market, stop_limit";
    check(NewOrder { order_type: OrderType::TakeProfitMarket, ..market.clone() }, none);
    check(NewOrder { reduce_only: true, ..order.clone() }, "fits");
    let refusal =
        check_with(&NewOrder { reduce_only: true, ..order }, &OrderSpec { reduce_only: false, ..rules() });
    assert_eq!(refusal, Err(OffGrid::ReduceOnly));
}

fn check_with(order: &NewOrder, rules: &OrderSpec) -> Result<(), OffGrid> {
    check(order, &instrument(), rules)
}

#[test]
fn client_order_ids() {
    let named = |id: &str| {
        check(
            &NewOrder { client_order_id: id.to_owned(), ..limit("0.012", "27123.5") },
            &instrument(),
            &rules(),
        )
    };
    assert_eq!(named(""), Err(OffGrid::NoId));
    for (id, found) in [("a b", ' '), ("é", 'é'), ("a&b", '&'), ("a\n", '\n'), ("\"", '"')] {
        assert_eq!(named(id), Err(OffGrid::IdCharacter { found }));
    }
    assert_eq!(named(&"x".repeat(36)), Ok(()));
    assert_eq!(named(&"x".repeat(37)), Err(OffGrid::LongId { length: 37, most: 36 }));
    let mut ids = ClientIds::new(u64::MAX);
    let (first, second) = (ids.next_id(), ids.next_id());
    assert_eq!(
        (ClientIds::parts(&first), ClientIds::parts(&second)),
        (Some((u64::MAX, 0)), Some((u64::MAX, 1)))
    );
    assert_eq!((named(&first), named(&second)), (Ok(()), Ok(())));
    for other in [
        "",
        "desk-1",
        "0000000000005EED0000000000000000",
        "+000000000005eed0000000000000000",
        &"0".repeat(33),
    ] {
        assert_eq!(ClientIds::parts(other), None, "{other}");
    }
}

/// The value of a contract is its size's worth; of an inverse one it does not depend on the price.
#[test]
fn value_of_contracts() {
    let contract_size = Some(number("0.01"));
    let plain = Instrument { step: Qty(0), tick: Price(0), min_qty: None, max_qty: None, ..instrument() };
    let linear = Instrument { contract_size, ..plain.clone() };
    let order = limit("1.001", "400");
    let need = |instrument: &Instrument| match check(&order, instrument, &rules()) {
        Err(OffGrid::Notional { value, qty, .. }) => (value.normalize().to_string(), qty.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(need(&linear), ("4.004".to_owned(), "1.25".to_owned()));
    assert_eq!(need(&Instrument { inverse: true, ..linear }), ("0.01001".to_owned(), "500".to_owned()));
    assert_eq!(check(&order, &Instrument { min_notional: None, ..plain }, &rules()), Ok(()));
}

fn toward() -> impl Strategy<Value = Toward> {
    prop::sample::select(vec![
        Toward::Up,
        Toward::Down,
        Toward::Passive(Side::Buy),
        Toward::Passive(Side::Sell),
        Toward::Aggressive(Side::Buy),
        Toward::Aggressive(Side::Sell),
    ])
}

fn fixed() -> impl Strategy<Value = Fixed> {
    (1..1_000_000_000_000i64, 0..=18u8)
        .prop_map(|(mantissa, digits)| Fixed { mantissa, scale: scale(digits) })
}

/// A number in 10^-18, by the dullest way there is.
fn fine(value: Fixed) -> i128 {
    (value.scale.digits()..18).fold(i128::from(value.mantissa), |value, _| value * 10)
}

proptest! {
    /// O2: what is rounded stands on the grid, less than one increment away, and on the side that was named.
    #[test]
    fn rounding_names_its_side(
        value in fixed(), digits in 0..=18u8, increment in 1..1_000_000i64, toward in toward(), is_price in any::<bool>(),
    ) {
        let scale = scale(digits);
        let terms = Instrument {
            price_scale: scale, qty_scale: scale, tick: Price(increment), step: Qty(increment), ..instrument()
        };
        let round = if is_price { round_price } else { round_qty };
        let up = match toward {
            Toward::Up => true,
            Toward::Down => false,
            Toward::Passive(side) => is_price && side == Side::Sell,
            Toward::Aggressive(side) => !is_price || side == Side::Buy,
        };
        let one = fine(Fixed { mantissa: increment, scale });
        match round(value, &terms, toward) {
            Some(rounded) => {
                prop_assert_eq!(rounded.scale, scale);
                prop_assert_eq!(rounded.mantissa % increment, 0);
                let moved = fine(rounded) - fine(value);
                let distance = if up { moved } else { -moved };
                prop_assert!((0..one).contains(&distance), "{}", distance);
                prop_assert_eq!(round(rounded, &terms, toward), Some(rounded));
            }
            None => {
                let most = fine(Fixed { mantissa: i64::MAX, scale });
                prop_assert!(fine(value) + one > most);
            }
        }
    }

    /// O2: what a refusal names as valid is valid, and so is what was rounded; its text reads as the same number.
    #[test]
    fn what_is_named_is_taken(qty in fixed(), price in fixed()) {
        let terms = Instrument { max_qty: None, ..instrument() };
        let mut order = NewOrder { qty, price: Some(price), ..limit("1", "1") };
        for _ in 0..5 {
            match check(&order, &terms, &rules()) {
                Ok(()) => break,
                Err(OffGrid::Tick { above, .. }) => order.price = Some(above),
                Err(OffGrid::NotPositive { least, .. }) => order.price = Some(least),
                Err(OffGrid::Step { below, .. }) => order.qty = below,
                Err(OffGrid::TooSmall { least, .. }) => order.qty = least,
                Err(OffGrid::Notional { qty, value, least }) => {
                    prop_assert!(value < least.into() && fine(qty) > fine(order.qty));
                    order.qty = qty;
                }
                Err(error) => prop_assert!(matches!(error, OffGrid::OutOfRange { .. }), "{}", error),
            }
        }
        let end = check(&order, &terms, &rules());
        prop_assert!(matches!(end, Ok(()) | Err(OffGrid::OutOfRange { .. })), "{:?}", end);
        for number in [order.qty, order.price.expect("a limit")] {
            let read = parse_fixed(number.to_string().as_bytes()).expect("our own text");
            prop_assert_eq!(fine(read), fine(number));
        }
    }
}
