//! Answers about an account: every shape of the card, and every way in which one may stray from it.

use venuekit_doex::{FUTURES, SPOT};
use venuekit_types::{Fixed, Side};
use venuekit_venue::{
    Ask, BrokenWhy, Control, Data, DataKind, Event, EventBuf, FaultKind, MarginMode, MovementStatus,
    NewOrder, OrderRef, OrderStatus, OrderType, Page, Row, Token, Wallet,
};

use crate::{Desk, dump, reply};

const ORDER: &str = r#"{"symbol":"ETHUSDT","orderId":88001,"clientOrderId":"desk-1","side":"BUY","type":"STOP_LIMIT","timeInForce":"IOC","postOnly":true,"reduceOnly":false,"price":"1800.10","stopPrice":"1790.00","origQty":"0.5000","executedQty":"0.2000","avgPrice":"1799.95","status":"PARTIALLY_FILLED","fee":"-0.0002","feeAsset":"ETH","time":1700000000000,"updateTime":1700000001999}"#;
const FILL: &str = r#"{"id":41,"orderId":88001,"clientOrderId":"desk-1","symbol":"ETHUSDT","side":"SELL","price":"1799.90","qty":"0.1","quoteQty":"179.99","fee":"0.0001","feeAsset":"ETH","isMaker":true,"realizedPnl":"-1.50","time":1700000001999}"#;
const SPOT_MONEY: &str = r#"{"assets":[{"asset":"BTC","free":"1.50000000","locked":"0.25"},{"asset":"USDT","free":"0","locked":"0"}]}"#;
const MARGIN_MONEY: &str = r#"{"marginLevel":"3.21","assets":[{"asset":"USDT","free":"100.5","locked":"1","borrowed":"50","interest":"0.00012345"}]}"#;
const FUTURES_MONEY: &str = r#"{"assets":[{"asset":"USDT","walletBalance":"300.5","availableBalance":"250.25","unrealizedPnl":"-1.75","orderMargin":"20","positionMargin":"30.25"}]}"#;
const POSITION: &str = r#"{"symbol":"ETHUSDT","positionAmt":"-0.010","entryPrice":"1810.5","markPrice":"1800.1","liquidationPrice":"2100","leverage":"10","marginMode":"isolated","isolatedMargin":"1.8105","unrealizedPnl":"0.104","maintMarginRate":"0.005","updateTime":1700000003000}"#;
const DEPOSIT: &str = r#"{"id":5,"asset":"BTC","amount":"0.5","fee":"0.0001","network":"BTC","address":"bc1q","txId":"ab12","status":"confirming","time":1700000000000}"#;
const TRANSFER: &str =
    r#"{"id":6,"asset":"USDT","amount":"25","from":"spot","to":"futures","time":1700000000000}"#;
const COPY_POSITION: &str = r#"{"copyId":3,"leadTraderId":9,"leadTraderName":"Ada","mirrorRatio":"0.25","symbol":"ETHUSDT","positionAmt":"1.5","entryPrice":"1800","markPrice":"1810","unrealizedPnl":"15","openTime":1700000000000}"#;
const COPY_TRADE: &str = r#"{"copyId":3,"leadTraderId":9,"leadOrderId":70,"orderId":88001,"fillId":41,"symbol":"ETHUSDT","side":"BUY","price":"1800","qty":"1.5","profitShare":"0.75","time":1700000000000}"#;
const FEES: &str = r#"{"tier":2,"volume30d":"123456.78","pairs":[{"symbol":"ETHUSDT","maker":"-0.0001","taker":"0.0005"},{"symbol":"ELSEWHERE","maker":"1","taker":"1"}],"tiers":[{"tier":2,"minVolume30d":"100000","maker":"-0.0001","taker":"0.0005"}]}"#;

fn listed(rows: &[&str]) -> String {
    format!("[{}]", rows.join(","))
}

fn read(product: usize, ask: &Ask, body: &str) -> EventBuf {
    Desk::new(product).answer(ask, &reply(200, body)).unwrap_or_else(|fault| panic!("{ask:?}: {fault}"))
}

fn data(out: &EventBuf) -> &Data {
    let data = out.events.iter().find_map(|event| match event {
        Event::Data(data) => Some(data),
        _ => None,
    });
    data.expect("data")
}

fn placed(desk: &Desk) -> Ask {
    Ask::Place(Box::new(NewOrder {
        market: desk.market("ETHUSDT"),
        client_order_id: "desk-1".to_owned(),
        side: Side::Buy,
        order_type: OrderType::StopLimit,
        time_in_force: None,
        qty: Fixed::whole(1),
        price: Some(Fixed::whole(1)),
        stop_price: Some(Fixed::whole(1)),
        trigger_by: None,
        post_only: true,
        reduce_only: false,
    }))
}

#[test]
fn every_answer_of_the_card() {
    let desk = Desk::new(FUTURES);
    let market = desk.market("ETHUSDT");
    let page = Page::default;
    let order = OrderRef::Venue("88001".to_owned());
    let mut text = String::new();
    let mut tell = |product, ask: &Ask, body: &str| {
        text += &format!("{ask:?}\n{}\n", dump(&read(product, ask, body)));
    };
    let permissions = r#"{"read":true,"trade":false,"withdraw":false,"ipRestricted":true}"#;
    tell(SPOT, &Ask::Permissions, permissions);
    tell(SPOT, &Ask::Fees, FEES);
    tell(SPOT, &Ask::Balances { wallet: Wallet::Spot }, SPOT_MONEY);
    tell(SPOT, &Ask::Balances { wallet: Wallet::Margin }, MARGIN_MONEY);
    tell(FUTURES, &Ask::Balances { wallet: Wallet::Futures }, FUTURES_MONEY);
    tell(FUTURES, &Ask::Positions { market: None }, &listed(&[POSITION]));
    tell(FUTURES, &Ask::OpenOrders { market: None }, &listed(&[ORDER]));
    tell(FUTURES, &Ask::OpenOrders { market: Some(market) }, "[]");
    tell(SPOT, &Ask::OrderHistory { market, page: page() }, &listed(&[ORDER]));
    tell(SPOT, &Ask::Order { market, order: order.clone() }, ORDER);
    tell(SPOT, &placed(&desk), ORDER);
    tell(SPOT, &Ask::Cancel { market, order }, &ORDER.replace("PARTIALLY_FILLED", "CANCELED"));
    tell(SPOT, &Ask::CancelAll { market: None }, &listed(&[&ORDER.replace("PARTIALLY_FILLED", "CANCELED")]));
    tell(SPOT, &Ask::Countdown { market: None, within: None }, "{}");
    tell(FUTURES, &Ask::Fills { market, page: page() }, &listed(&[FILL]));
    tell(SPOT, &Ask::Deposits { page: page() }, &listed(&[DEPOSIT]));
    tell(SPOT, &Ask::Withdrawals { page: page() }, &listed(&[&DEPOSIT.replace("confirming", "cancelled")]));
    tell(SPOT, &Ask::Transfers { page: page() }, &listed(&[TRANSFER]));
    tell(FUTURES, &Ask::CopyPositions, &listed(&[COPY_POSITION]));
    tell(FUTURES, &Ask::CopyTrades { page: page() }, &listed(&[COPY_TRADE]));
    tell(SPOT, &Ask::RenewToken { token: Token("k".to_owned()) }, r#"{"listenKey":"k"}"#);
    tell(SPOT, &Ask::DropToken { token: Token("k".to_owned()) }, "");
    insta::assert_snapshot!(text);
    let out = read(SPOT, &Ask::OpenToken, r#"{"listenKey":"canary-key"}"#);
    assert_eq!(out.events, [Event::Control(Control::Token(Token("canary-key".to_owned())))]);
    assert!(!format!("{:?}", out.events).contains("canary"));
}

/// The list goes on, and no longer says that what it lacks is gone.
#[test]
fn a_broken_row_costs_itself() {
    let market = Desk::new(FUTURES).market("ETHUSDT");
    let page = Page::default;
    let check = |product, ask: Ask, good: &str, bad: &str, why| {
        let out = read(product, &ask, &listed(&[bad, good]));
        let broken: Vec<_> = out
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Broken(broken) => Some((broken.why, broken.topic)),
                _ => None,
            })
            .collect();
        let data = data(&out);
        assert_eq!(broken, [(why, Some(data.topic))], "{ask:?} {bad}");
        assert_eq!((data.kind, out.rows.len()), (DataKind::Update, 1), "{ask:?}");
        let kind = data_kind(product, &ask, &listed(&[good]));
        let is_whole = matches!(ask, Ask::Positions { .. } | Ask::OpenOrders { .. });
        assert_eq!(kind == DataKind::Snapshot, is_whole, "{ask:?}");
    };
    let (shape, number) = (BrokenWhy::Shape, BrokenWhy::Number);
    let open = || Ask::OpenOrders { market: None };
    check(FUTURES, open(), ORDER, "null", shape);
    check(FUTURES, open(), ORDER, "7", shape);
    check(FUTURES, open(), ORDER, &ORDER.replace("BUY", "SIDEWAYS"), shape);
    check(FUTURES, open(), ORDER, &ORDER.replace("0.5000", "half"), shape);
    check(FUTURES, open(), ORDER, &ORDER.replace("0.5000", "1e400"), number);
    check(FUTURES, open(), ORDER, &ORDER.replace("88001", "-1"), shape);
    check(FUTURES, open(), ORDER, &ORDER.replace("ETHUSDT", "XRPUSDT"), BrokenWhy::UnknownMarket);
    let of_another = ORDER.replace("ETHUSDT", "BTCUSDT");
    check(FUTURES, Ask::OpenOrders { market: Some(market) }, ORDER, &of_another, shape);
    check(FUTURES, Ask::OrderHistory { market, page: page() }, ORDER, &of_another, shape);
    check(FUTURES, Ask::Fills { market, page: page() }, FILL, &FILL.replace("ETHUSDT", "BTCUSDT"), shape);
    check(FUTURES, Ask::Fills { market, page: page() }, FILL, &FILL.replace(r#""0.0001""#, "null"), shape);
    check(
        FUTURES,
        Ask::Positions { market: None },
        POSITION,
        &POSITION.replace(r#""-0.010""#, "null"),
        shape,
    );
    check(SPOT, Ask::Deposits { page: page() }, DEPOSIT, &DEPOSIT.replace("0.5", "some"), shape);
    check(SPOT, Ask::Transfers { page: page() }, TRANSFER, &TRANSFER.replace("time", "when"), shape);
    check(
        FUTURES,
        Ask::CopyPositions,
        COPY_POSITION,
        &COPY_POSITION.replace("ETHUSDT", "?"),
        BrokenWhy::UnknownMarket,
    );
    check(FUTURES, Ask::CopyTrades { page: page() }, COPY_TRADE, &COPY_TRADE.replace("BUY", ""), shape);
    let money = SPOT_MONEY.replace("1.50000000", "much");
    let out = read(SPOT, &Ask::Balances { wallet: Wallet::Spot }, &money);
    assert_eq!((data(&out).kind, out.rows.len(), out.events.len()), (DataKind::Update, 1, 2));
    // A level that does not read is complained of, and costs the rows of its wallet nothing.
    let margin = Ask::Balances { wallet: Wallet::Margin };
    for (level, complaints) in [("\"infinite\"", 1), ("{}", 1), ("null", 0), ("\"\"", 0)] {
        let out = read(SPOT, &margin, &MARGIN_MONEY.replace("\"3.21\"", level));
        assert_eq!((data(&out).kind, out.events.len()), (DataKind::Snapshot, 1 + complaints), "{level}");
        assert!(
            matches!(&out.rows[..], [Row::Balance(row)] if row.margin_level.is_none() && row.free.is_some())
        );
    }
    let out = read(SPOT, &Ask::Fees, &FEES.replace(r#""maker":"-0.0001""#, r#""maker":null"#));
    let [Event::Broken(_), Event::Broken(_), Event::Data(_)] = &out.events[..] else {
        panic!("{:?}", out.events)
    };
    assert!(matches!(&out.rows[..], [Row::Fees(fees)] if fees.pairs.is_empty() && fees.tiers.is_empty()));
}

fn data_kind(product: usize, ask: &Ask, body: &str) -> DataKind {
    data(&read(product, ask, body)).kind
}

/// Numbers for strings, strings for numbers, fields nobody knows, and `null`, `""` or nothing where a field may lack.
#[test]
fn answers_that_stray_a_little() {
    let market = Desk::new(FUTURES).market("ETHUSDT");
    let same = |product, ask: Ask, plain: &str, strayed: &str| {
        let (plain, strayed) =
            (read(product, &ask, &listed(&[plain])), read(product, &ask, &listed(&[strayed])));
        assert_eq!(dump(&plain), dump(&strayed), "{ask:?}");
    };
    let open = || Ask::OpenOrders { market: None };
    let fills = || Ask::Fills { market, page: Page::default() };
    let numbers = ORDER.replace(r#""0.5000""#, "0.5").replace(r#""1800.10""#, "1800.1");
    same(FUTURES, open(), ORDER, &numbers);
    let strings = ORDER.replace("88001", r#""88001""#).replace("1700000000000", r#""1700000000000""#);
    same(FUTURES, open(), ORDER, &strings);
    same(FUTURES, open(), ORDER, &ORDER.replace("1700000000000", r#""2023-11-14T22:13:20.000Z""#));
    same(FUTURES, open(), &ORDER.replace("desk-1", "17"), &ORDER.replace(r#""desk-1""#, "17"));
    same(FUTURES, open(), ORDER, &ORDER.replacen('{', r#"{"color":{"a":[1e400]},"#, 1));
    same(FUTURES, fills(), FILL, &FILL.replace("41", r#""41""#).replace(r#""0.1""#, "0.1"));
    same(SPOT, Ask::Deposits { page: Page::default() }, DEPOSIT, &DEPOSIT.replacen("5", r#""5""#, 1));
    for nothing in ["null", r#""""#] {
        let bare = ORDER
            .replace(r#""1790.00""#, nothing)
            .replace(r#""1799.95""#, nothing)
            .replace(r#""desk-1""#, nothing)
            .replace(r#""ETH","#, &format!("{nothing},"))
            .replace("1700000001999", "null");
        let out = read(FUTURES, &open(), &listed(&[&bare]));
        let [Row::Order(order)] = &out.rows[..] else { panic!("{nothing}: {:?}", out.events) };
        assert_eq!((order.stop_price, order.avg_px, order.updated_at), (None, None, None));
        assert_eq!((&order.client_order_id, &order.fee_asset), (&None, &None));
        let bare = DEPOSIT
            .replace(r#""ab12""#, nothing)
            .replace(r#""0.0001""#, nothing)
            .replace(r#""bc1q""#, nothing);
        let out = read(SPOT, &Ask::Deposits { page: Page::default() }, &listed(&[&bare]));
        let [Row::Movement(movement)] = &out.rows[..] else { panic!("{nothing}: {:?}", out.events) };
        assert_eq!((&movement.tx_id, movement.fee, &movement.address), (&None, None, &None));
    }
    let out = read(SPOT, &Ask::Permissions, r#"{"read":true,"trade":null}"#);
    assert!(
        matches!(out.rows[..], [Row::Permissions(p)] if (p.read, p.trade, p.withdraw) == (Some(true), None, None))
    );
    let out = read(SPOT, &Ask::Fees, r#"{"tier":"VIP 1","pairs":null}"#);
    assert!(matches!(&out.rows[..], [Row::Fees(fees)] if fees.tier.as_deref() == Some("VIP 1")));
}

#[test]
fn words_that_nobody_knows() {
    let first = |product, ask: &Ask, row: &str| read(product, ask, &listed(&[row])).rows.remove(0);
    let open = Ask::OpenOrders { market: None };
    let strange =
        ORDER.replace("PARTIALLY_FILLED", "PONDERING").replace("STOP_LIMIT", "ICEBERG").replace("IOC", "GTX");
    let Row::Order(order) = first(FUTURES, &open, &strange) else { panic!("an order") };
    assert_eq!(order.status, Some(OrderStatus::Unknown));
    assert_eq!((order.order_type.as_deref(), order.time_in_force.as_deref()), (Some("iceberg"), Some("GTX")));
    let mode = |word: &str| {
        let row = first(
            FUTURES,
            &Ask::Positions { market: None },
            &POSITION.replace("isolated\"", &format!("{word}\"")),
        );
        let Row::Position(position) = row else { panic!("a position") };
        position.margin_mode
    };
    assert_eq!(
        [mode("cross"), mode("isolated"), mode("both")],
        [Some(MarginMode::Cross), Some(MarginMode::Isolated), None]
    );
    let page = Page::default;
    let Row::Movement(movement) =
        first(SPOT, &Ask::Deposits { page: page() }, &DEPOSIT.replace("confirming", "lost"))
    else {
        panic!("a movement")
    };
    assert_eq!(movement.status, MovementStatus::Unknown);
    let row = first(SPOT, &Ask::Transfers { page: page() }, &TRANSFER.replace("futures", "earn"));
    let Row::Movement(movement) = row else { panic!("a movement") };
    assert_eq!((movement.from, movement.to), (Some(Wallet::Spot), None));
}

/// An answer about another order than the one asked for proves nothing about it.
#[test]
fn the_order_of_an_answer_is_the_one_asked_for() {
    let desk = Desk::new(SPOT);
    let (market, other) = (desk.market("ETHUSDT"), desk.market("BTCUSDT"));
    let ours = |market, id: &str| Ask::Order { market, order: OrderRef::Client(id.to_owned()) };
    let theirs = |market, id: &str| Ask::Cancel { market, order: OrderRef::Venue(id.to_owned()) };
    assert_eq!(read(SPOT, &ours(market, "desk-1"), ORDER).rows.len(), 1);
    let renamed = ORDER.replace("desk-1", "desk-2");
    for (ask, body) in [
        (ours(other, "desk-1"), ORDER),
        (ours(market, "desk-2"), ORDER),
        (theirs(market, "88002"), ORDER),
        (theirs(other, "88001"), ORDER),
        (placed(&desk), &renamed),
    ] {
        let fault = desk.answer(&ask, &reply(200, body)).expect_err("another order");
        assert_eq!(fault.kind, FaultKind::Unreadable, "{ask:?}");
        assert!(fault.text.contains("not asked for"), "{fault}");
    }
}

#[test]
fn answers_that_are_none() {
    let desk = Desk::new(FUTURES);
    let market = desk.market("ETHUSDT");
    let asks = [
        Ask::Balances { wallet: Wallet::Futures },
        Ask::Positions { market: None },
        Ask::OpenOrders { market: None },
        Ask::Order { market, order: OrderRef::Venue("1".to_owned()) },
        Ask::Fills { market, page: Page::default() },
        Ask::OpenToken,
        placed(&desk),
    ];
    for ask in &asks {
        for body in ["", "null", "7", "\"ok\"", "[", "<html>", "\u{1}", r#"{"code":-1,"msg":"no"}"#] {
            let fault = desk.answer(ask, &reply(200, body)).expect_err(body);
            assert_eq!(fault.kind, FaultKind::Unreadable, "{ask:?} {body}");
        }
    }
    for body in ["<html>", "{"] {
        let fault =
            desk.answer(&Ask::Countdown { market: None, within: None }, &reply(200, body)).expect_err(body);
        assert_eq!(fault.kind, FaultKind::Unreadable);
    }
    let gone = reply(400, r#"{"code":-2011,"msg":"Unknown order."}"#);
    let cancel = Ask::Cancel { market, order: OrderRef::Venue("1".to_owned()) };
    let fault = desk.answer(&cancel, &gone).expect_err("unknown");
    assert_eq!(
        fault.to_string(),
        "not found: Unknown order.; take the order as gone, and confirm by a query (code -2011)"
    );
}
