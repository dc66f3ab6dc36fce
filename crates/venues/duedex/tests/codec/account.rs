//! Answers about an account: every shape of the card, and every way in which one may stray from it.

use venuekit_duedex::DueDex;
use venuekit_types::{Fixed, Side};
use venuekit_venue::{
    Ask, BrokenWhy, Data, DataKind, Event, EventBuf, Fault, FaultKind, HttpReply, MarketId, NewOrder,
    OrderRef, OrderStatus, OrderType, Page, Row, TriggerBy, Venue, Wallet,
};

use crate::{catalog, dump, place, reply};

const ORDER: &str = r#"{"instrument":"BTCUSD","orderId":69839181,"clientOrderId":"desk-1","type":"stopLimit","isCloseOrder":true,"side":"short","price":"8600.00","size":7,"stopPrice":"8650.50","triggerType":"markPrice","timeInForce":"gtc","notionalValue":"0.00081390","status":"untriggered","fillPrice":"0.00","filledSize":0,"accumulatedFees":"0.00000000","createTime":"2020-09-10T10:02:52.165Z","updateTime":"2020-09-10T10:02:53.165Z"}"#;
const POSITION: &str = r#"{"instrument":"BTCUSD","quantity":-250,"leverage":"25.00","entryValue":"0.02741228","entryPrice":"9120.00","markPrice":"9120.02","liquidationPrice":"9433.50","positionMargin":"0.00109649","buyOrderMargin":"0.00000000","sellOrderMargin":"0.00000000","unrealisedPnl":"-0.00000006","realisedPnl":"0.00000685","riskValue":"0.02741228","riskLimit":"100.00000000"}"#;
const BTC: &str = r#"{"currency":"BTC","available":"9.99999841","orderMargin":"0.00000161","positionMargin":"0.00000000","realisedPnl":"0.00000002","unrealisedPnl":"0.00000000","bonusLeft":"0.00000000"}"#;
const USDT: &str = r#"{"currency":"USDT","available":"100.0000","orderMargin":"0.0000","positionMargin":"0.0000","realisedPnl":"0.0000","unrealisedPnl":"0.0000"}"#;

fn data(body: &str) -> String {
    format!(r#"{{"code":0,"data":{body}}}"#)
}

fn answer(ask: &Ask, reply: &HttpReply<'_>) -> Result<EventBuf, Fault> {
    let mut out = EventBuf::new();
    DueDex::new().answer(place(&catalog()), ask, reply, &mut out).map(|()| out)
}

fn read(ask: &Ask, body: &str) -> EventBuf {
    answer(ask, &reply(200, body)).unwrap_or_else(|fault| panic!("{ask:?}: {fault}"))
}

fn open(market: Option<u32>) -> Ask {
    Ask::OpenOrders { market: market.map(MarketId) }
}

fn by_name(market: u32, id: &str) -> Ask {
    Ask::Order { market: MarketId(market), order: OrderRef::Client(id.to_owned()) }
}

fn by_id(id: &str) -> Ask {
    Ask::Order { market: MarketId(0), order: OrderRef::Venue(id.to_owned()) }
}

fn placed() -> Ask {
    Ask::Place(Box::new(NewOrder {
        market: MarketId(0),
        client_order_id: "desk-1".to_owned(),
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: None,
        qty: Fixed::whole(7),
        price: Some(Fixed::whole(8600)),
        stop_price: None,
        trigger_by: None,
        post_only: false,
        reduce_only: false,
    }))
}

fn cancel() -> Ask {
    Ask::Cancel { market: MarketId(0), order: OrderRef::Venue("42".to_owned()) }
}

#[test]
fn every_answer_of_the_card() {
    let mut text = String::new();
    let mut tell = |ask: Ask, body: &str| text += &format!("{ask:?}\n{}\n", dump(&read(&ask, body)));
    let market = MarketId(0);
    tell(Ask::Balances { wallet: Wallet::Futures }, &data(&format!("[{BTC},{USDT}]")));
    tell(Ask::Positions { market: Some(market) }, &data(POSITION));
    tell(open(None), &data(&format!("[{ORDER},{}]", ORDER.replace("BTCUSD", "ETHUSDT"))));
    tell(open(Some(0)), &data(&format!("[{ORDER},{}]", ORDER.replace("BTCUSD", "ETHUSDT"))));
    tell(open(Some(0)), &data("[]"));
    tell(by_name(0, "desk-1"), &data(ORDER));
    tell(Ask::OrderHistory { market, page: Page::default() }, &data(&format!("[{ORDER}]")));
    tell(placed(), &data(&ORDER.replace("untriggered", "new")));
    insta::assert_snapshot!(text);
    let silent = [
        cancel(),
        Ask::CancelAll { market: Some(market) },
        Ask::Amend { market, order: OrderRef::Client("desk-1".to_owned()), price: Fixed::whole(1) },
        Ask::SetLeverage { market, leverage: 1.into() },
        Ask::SetRiskLimit { market, limit: 1.into() },
        Ask::MoveMargin { market, amount: 1.into() },
    ];
    for ask in silent {
        for body in [r#"{"code":0}"#, r#"{"code":0,"data":null}"#, r#"{"code":0,"data":{"new":1}}"#] {
            assert_eq!(read(&ask, body).events, [], "{ask:?}");
        }
    }
}

/// The list goes on, and no longer says that what it lacks is gone.
#[test]
fn a_broken_row_costs_itself() {
    let check = |ask: Ask, good: &str, bad: &str, why| {
        let whole = read(&ask, &data(&format!("[{good}]")));
        let is_whole = matches!(&whole.events[..], [Event::Data(Data { kind: DataKind::Snapshot, .. })]);
        assert_eq!(is_whole, !matches!(ask, Ask::OrderHistory { .. }), "{ask:?}");
        let out = read(&ask, &data(&format!("[{bad},{good}]")));
        let [Event::Broken(broken), Event::Data(data)] = &out.events[..] else {
            panic!("{bad}: {:?}", out.events)
        };
        assert_eq!((broken.why, broken.topic), (why, Some(data.topic)), "{bad}");
        assert_eq!((data.kind, out.rows.len()), (DataKind::Update, 1), "{bad}");
    };
    let (shape, number) = (BrokenWhy::Shape, BrokenWhy::Number);
    for bad in ["null", "7", "{}"] {
        check(open(None), ORDER, bad, shape);
    }
    check(open(None), ORDER, &ORDER.replace("69839181", "-1"), shape);
    check(open(None), ORDER, &ORDER.replace(r#""8600.00""#, r#""high""#), shape);
    check(open(None), ORDER, &ORDER.replace(r#""8600.00""#, "1e400"), number);
    check(open(None), ORDER, &ORDER.replace("BTCUSD", "XRPUSD"), BrokenWhy::UnknownMarket);
    let history = Ask::OrderHistory { market: MarketId(0), page: Page::default() };
    check(history, ORDER, &ORDER.replace("BTCUSD", "ETHUSDT"), shape);
    check(Ask::Balances { wallet: Wallet::Futures }, BTC, &USDT.replace("100.0000", "all"), shape);
}

/// Numbers for strings, strings for numbers, fields nobody knows, and `null`, `""` or nothing where a field may lack.
#[test]
fn answers_that_stray_a_little() {
    let order = |row: &str| dump(&read(&open(None), &data(&format!("[{row}]"))));
    let same = |strayed: &str| assert_eq!(order(ORDER), order(strayed), "{strayed}");
    same(&ORDER.replace("69839181", r#""69839181""#).replace(r#""size":7"#, r#""size":"7""#));
    same(&ORDER.replace(r#""8600.00""#, "8600.00").replace(r#""0.00000000""#, "0"));
    same(&ORDER.replace(r#""2020-09-10T10:02:52.165Z""#, "1599732172165"));
    same(&ORDER.replacen('{', r#"{"color":[{"a":1e400}],"#, 1));
    assert_eq!(order(&ORDER.replace("desk-1", "17")), order(&ORDER.replace(r#""desk-1""#, "17")));
    let position = |row: &str| dump(&read(&Ask::Positions { market: Some(MarketId(0)) }, &data(row)));
    assert_eq!(
        position(POSITION),
        position(&POSITION.replace("-250", r#""-250""#).replace(r#""25.00""#, "25"))
    );
    for nothing in ["null", r#""""#] {
        let bare = ORDER
            .replace(r#""8650.50""#, nothing)
            .replace(r#""desk-1""#, nothing)
            .replace(r#""filledSize":0"#, &format!(r#""filledSize":{nothing}"#))
            .replace(r#","triggerType":"markPrice""#, "");
        let out = read(&open(None), &data(&format!("[{bare}]")));
        let [Row::Order(order)] = &out.rows[..] else { panic!("{nothing}: {:?}", out.events) };
        assert_eq!((order.stop_price, order.cum_qty, &order.client_order_id), (None, None, &None));
    }
}

#[test]
fn words_that_nobody_knows() {
    let strange =
        ORDER.replace("untriggered", "pondering").replace("stopLimit", "iceberg").replace("gtc", "gtt");
    let out = read(&open(None), &data(&format!("[{}]", strange.replace("short", "sideways"))));
    let [Row::Order(order)] = &out.rows[..] else { panic!("{:?}", out.events) };
    assert_eq!((order.status, order.side), (Some(OrderStatus::Unknown), None));
    assert_eq!((order.order_type.as_deref(), order.time_in_force.as_deref()), (Some("iceberg"), Some("GTT")));
}

/// Which price trips a trigger, by the venue's word; one that nobody knows is none of the three.
#[test]
fn what_a_trigger_watches() {
    for (word, watched) in [
        ("lastPrice", Some(TriggerBy::Last)),
        ("indexPrice", Some(TriggerBy::Index)),
        ("markPrice", Some(TriggerBy::Mark)),
        ("moonPhase", None),
        ("", None),
    ] {
        let out = read(&open(None), &data(&format!("[{}]", ORDER.replace("markPrice", word))));
        let [Row::Order(order)] = &out.rows[..] else { panic!("{word}: {:?}", out.events) };
        assert_eq!((order.trigger_by, order.stop_price.is_some()), (watched, true), "{word}");
    }
}

/// An answer about another order, or another market, than the one asked for proves nothing about it.
#[test]
fn an_answer_is_about_what_was_asked() {
    assert_eq!(read(&by_id("69839181"), &data(ORDER)).rows.len(), 1);
    let elsewhere = ORDER.replace("BTCUSD", "ETHUSDT");
    let renamed = ORDER.replace("desk-1", "desk-2");
    for (ask, body) in [
        (by_name(2, "desk-1"), ORDER),
        (by_name(0, "desk-2"), ORDER),
        (by_id("69839182"), ORDER),
        (by_id("69839181"), &elsewhere),
        (placed(), &renamed),
    ] {
        let fault = answer(&ask, &reply(200, &data(body))).expect_err("another order");
        assert_eq!(fault.kind, FaultKind::Unreadable, "{ask:?}");
        assert!(fault.text.contains("not asked for"), "{fault}");
    }
    let fault = answer(&Ask::Positions { market: Some(MarketId(2)) }, &reply(200, &data(POSITION)));
    assert_eq!(fault.expect_err("another market").text, "the position of BTCUSD");
}

#[test]
fn nothing_to_cancel_is_nothing_left() {
    let none = reply(200, r#"{"code":10118,"message":"No orders to cancel"}"#);
    let all = Ask::CancelAll { market: Some(MarketId(0)) };
    assert_eq!(answer(&all, &none).expect("done").events, []);
    assert_eq!(answer(&cancel(), &none).expect_err("no such order").kind, FaultKind::NotFound);
    let gone =
        answer(&cancel(), &reply(400, r#"{"code":10056,"message":"Order not found"}"#)).expect_err("gone");
    assert_eq!(
        gone.to_string(),
        "not found: Order not found; take the order as gone, and confirm by a query (code 10056)"
    );
    let busy = answer(&all, &reply(503, r#"{"code":10118}"#)).expect_err("unknown outcome");
    assert_eq!(busy.kind, FaultKind::Unavailable);
}

#[test]
fn answers_that_are_none() {
    for ask in [placed(), by_id("1"), open(None), Ask::Balances { wallet: Wallet::Futures }] {
        for body in [
            "",
            "null",
            "7",
            "[",
            "<html>",
            "{}",
            r#"{"data":[]}"#,
            r#"{"code":0}"#,
            r#"{"code":0,"data":7}"#,
        ] {
            let fault = answer(&ask, &reply(200, body)).expect_err(body);
            assert_eq!(fault.kind, FaultKind::Unreadable, "{ask:?} {body}");
        }
    }
    // A change without a code is no success.
    for body in ["", "{}", "<html>", r#"{"status":200}"#] {
        assert_eq!(
            answer(&cancel(), &reply(200, body)).expect_err(body).kind,
            FaultKind::Unreadable,
            "{body}"
        );
    }
}

/// A key that lacks something and an address that is banned come with one status.
#[test]
fn forbidden_is_a_ban_or_a_key() {
    let kind = |body| answer(&placed(), &reply(403, body)).expect_err("forbidden");
    let lacks = kind(r#"{"code":5011,"message":"Insufficient permission"}"#);
    assert_eq!(lacks.kind, FaultKind::Credentials);
    assert!(
        lacks.text.ends_with("give the key the permission that this takes: view to read, trade to order")
    );
    let foreign = kind(r#"{"code":5012,"message":"Not in whitelist"}"#);
    assert!(foreign.text.ends_with("add this address to the key's allow-list"), "{foreign}");
    for body in ["", "<html>", r#"{"code":5010}"#, r#"{"message":"Banned"}"#] {
        assert_eq!(kind(body).kind, FaultKind::Banned, "{body}");
    }
}
