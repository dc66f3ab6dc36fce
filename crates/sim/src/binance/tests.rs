//! Frames pinned byte for byte to the shapes of the card.

use rust_decimal::Decimal;
use venuekit_types::Side;

use crate::binance::MARKETS;
use crate::binance::events::{Aggregate, aggregate, depth, trade};
use crate::binance::futures::{order_update, trade_lite};
use crate::binance::streams::Diff;
use crate::binance::user::execution_report;
use crate::engine::Owner;
use crate::market::Spec;
use crate::text::Text;
use crate::wallets::{Order, OwnFill, Status, Ticket};
use crate::world::{TickDirection, Trade};

fn shown(write: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::new();
    write(&mut text);
    text.into_string()
}

const TRADE: Trade = Trade {
    id: 12_345,
    price: 6_498_720,
    qty: 150,
    aggressor: Side::Sell,
    direction: TickDirection::Plus,
    at_ms: 1_672_515_782_136,
};

/// Eight places on spot, the market's own on futures, whose undocumented event has its keys in another order.
#[test]
fn the_trade_event() {
    assert_eq!(
        shown(|text| trade(text, &MARKETS[0], &TRADE)),
        r#"{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"64987.20000000","q":"0.00150000","T":1672515782136,"m":true,"M":true}"#
    );
    assert_eq!(
        shown(|text| trade(text, &MARKETS[2], &TRADE)),
        r#"{"e":"trade","E":1672515782136,"T":1672515782136,"s":"BTCUSDT","t":12345,"p":"64987.20","q":"0.150","X":"MARKET","m":true}"#
    );
}

#[test]
fn the_aggregate_event() {
    let one = Aggregate {
        id: 7,
        price: 6_498_720,
        qty: 150,
        first: 100,
        last: 105,
        aggressor: Side::Buy,
        at_ms: 1_672_515_782_136,
    };
    assert_eq!(
        shown(|text| aggregate(text, &MARKETS[0], &one)),
        r#"{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":7,"p":"64987.20000000","q":"0.00150000","f":100,"l":105,"T":1672515782136,"m":false,"M":true}"#
    );
    assert_eq!(
        shown(|text| aggregate(text, &MARKETS[2], &one)),
        r#"{"e":"aggTrade","E":1672515782136,"s":"BTCUSDT","a":7,"p":"64987.20","q":"0.150","nq":"0.150","f":100,"l":105,"T":1672515782136,"m":false,"st":1}"#
    );
}

#[test]
fn the_depth_event_removes_with_a_zero() {
    let diff = Diff { prev: 149, range: None, bids: [(24, 0), (30, 10)].into(), asks: [(40, 100)].into() };
    let event = |spec: &Spec| shown(|text| depth(text, spec, &diff, (157, 160), 123_456_789));
    assert_eq!(
        event(&MARKETS[0]),
        r#"{"e":"depthUpdate","E":123456789,"s":"BTCUSDT","U":157,"u":160,"b":[["0.30000000","0.00010000"],["0.24000000","0.00000000"]],"a":[["0.40000000","0.00100000"]]}"#
    );
    assert_eq!(
        event(&MARKETS[3]),
        r#"{"e":"depthUpdate","E":123456789,"T":123456789,"s":"ETHUSDT","ps":"ETHUSDT","st":1,"U":157,"u":160,"pu":149,"b":[["0.30","0.010"],["0.24","0.000"]],"a":[["0.40","0.100"]]}"#
    );
}

/// An order of a market that stands, and a fill of some of it.
fn order(market: usize) -> (Order, OwnFill) {
    let mut ticket = Ticket::new(Owner(1), market, Side::Buy, 300, Some(6_498_720));
    ticket.client_id = "mine".to_string();
    let mut order = Order::of(ticket, 28, 1_499_405_658_657);
    let spec = &MARKETS[market];
    let open = order.clone();
    order.status = Status::PartiallyFilled;
    order.filled = 100;
    order.value = spec.value(6_498_720, 100);
    let fill = OwnFill {
        market,
        id: 77,
        order,
        price: 6_498_720,
        qty: 100,
        maker: true,
        rate: spec.fee_rate(true),
        fee: Decimal::new(1, 6),
        realised: Decimal::ZERO,
        at_ms: 1_499_405_658_700,
    };
    (open, fill)
}

#[test]
fn the_spot_order_event_says_which_id_is_the_cancels() {
    let (open, fill) = order(0);
    let report = |order: &Order, fill: Option<&OwnFill>, cancel: Option<&str>| {
        shown(|text| execution_report(text, &MARKETS[0], order, fill, (cancel, 3, 1_499_405_658_658)))
    };
    assert_eq!(
        report(&open, None, None),
        r#"{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"mine","S":"BUY","o":"LIMIT","f":"GTC","q":"0.00300000","p":"64987.20000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"NEW","X":"NEW","r":"NONE","i":28,"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,"T":1499405658657,"t":-1,"v":0,"I":3,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}"#
    );
    let traded = report(&fill.order, Some(&fill), None);
    assert!(traded.contains(r#""x":"TRADE","X":"PARTIALLY_FILLED""#));
    assert!(
        traded
            .contains(r#""l":"0.00100000","z":"0.00100000","L":"64987.20000000","n":"0.00000100","N":"BTC""#)
    );
    let gone = Order { status: Status::Cancelled, ..open.clone() };
    let gone = report(&gone, None, Some("the-cancel"));
    assert!(
        gone.contains(r#""c":"the-cancel""#) && gone.contains(r#""C":"mine","x":"CANCELED","X":"CANCELED""#)
    );
    let expired = Order { status: Status::Expired, ..open };
    assert!(report(&expired, None, None).ends_with(r#""V":"NONE","eR":"INSUFFICIENT_LIQUIDITY"}"#));
}

#[test]
fn the_futures_order_events() {
    let (open, fill) = order(2);
    assert_eq!(
        shown(|text| order_update(text, &MARKETS[2], &open, None, "NEW")),
        r#"{"e":"ORDER_TRADE_UPDATE","E":1499405658657,"T":1499405658657,"o":{"s":"BTCUSDT","c":"mine","S":"BUY","o":"LIMIT","f":"GTC","q":"0.300","p":"64987.20","ap":"0.0","sp":"0","x":"NEW","X":"NEW","i":28,"l":"0.000","z":"0.000","L":"0.00","T":1499405658657,"t":0,"b":"0","a":"0","m":false,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0.00000000","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0}}"#
    );
    let traded = shown(|text| order_update(text, &MARKETS[2], &fill.order, Some(&fill), "TRADE"));
    assert!(traded.contains(r#""ap":"64987.2","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED","i":28,"l":"0.100","z":"0.100","L":"64987.20","n":"0.00000100","N":"USDT""#));
    assert_eq!(
        shown(|text| trade_lite(text, &MARKETS[2], &fill)),
        r#"{"e":"TRADE_LITE","E":1499405658700,"T":1499405658700,"s":"BTCUSDT","q":"0.300","p":"64987.20","m":true,"c":"mine","S":"BUY","L":"64987.20","l":"0.100","t":77,"i":28}"#
    );
}
