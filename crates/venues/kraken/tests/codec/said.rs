//! Frames in both directions, and faults: composed from the documents.

use proptest::prelude::*;
use venuekit_kraken::{FUTURES, Kraken, SPOT};
use venuekit_sign::Credentials;
use venuekit_venue::{
    AckOf, Ask, Body, Catalog, Channel, Control, DataKind, Event, EventBuf, Fault, FaultKind, HttpReply,
    Interval, OrderChange, OrderStatus, Page, Pass, Place, Retry, Row, Say, Token, Topic, Venue,
};

use crate::common::catalogs;

/// The secret of the documents' challenge.
const SECRET: &str =
    "7zxMEF5p/Z8l2p2U7Ghv6x14Af+Fx+92tPgUdVQ748FOIrEoT9bgT+bTRfXc5pz8na+hL/QdrCVG7bh9KpT0eMTm";

fn place(product: usize, catalogs: &[Catalog; 2]) -> Place<'_> {
    Place { product, socket: 0, catalog: &catalogs[product] }
}

fn said(product: usize, say: Say<'_>) -> Option<String> {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let mut out = Vec::new();
    venue.say(place(product, &catalogs), say, &mut out).then(|| String::from_utf8(out).expect("text"))
}

#[test]
fn spot_asks_for_one_channel_at_a_time() {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let market = |name: &str| catalogs[SPOT].find(name).expect(name).0;
    let (btc, eth) = (market("BTC/USD"), market("ETH/USD"));
    let subscribe = |topics: &[Topic], pass| said(SPOT, Say::Subscribe { id: 7, topics, pass });
    assert_eq!(
        subscribe(&[Topic::of(Channel::Book, btc), Topic::of(Channel::Book, eth)], None).as_deref(),
        Some(
            r#"{"method":"subscribe","params":{"channel":"book","depth":1000,"symbol":["BTC/USD","ETH/USD"]},"req_id":7}"#
        )
    );
    // What is asked for is what is kept: levels beyond it are never deleted by a message.
    assert_eq!(venue.specs()[SPOT].books[0].trim, Some(1_000));
    let bars = [Topic::of(Channel::Candles(Interval::M1), btc)];
    assert_eq!(
        said(SPOT, Say::Unsubscribe { id: 8, topics: &bars, pass: None }).as_deref(),
        Some(
            r#"{"method":"unsubscribe","params":{"channel":"ohlc","interval":1,"symbol":["BTC/USD"]},"req_id":8}"#
        )
    );
    let token = Token("T".to_owned());
    // Two of our channels are one of theirs.
    let own = [Topic::account(Channel::Orders), Topic::account(Channel::Fills)];
    assert_eq!(
        subscribe(&own, Some(Pass::Token(&token))).as_deref(),
        Some(
            r#"{"method":"subscribe","params":{"channel":"executions","snap_orders":true,"snap_trades":true,"token":"T"},"req_id":7}"#
        )
    );
    assert_eq!(subscribe(&own, None), None);
    assert_eq!(subscribe(&[Topic::of(Channel::Book, btc), Topic::of(Channel::Trades, btc)], None), None);
    assert_eq!(subscribe(&[], None), None);
    assert_eq!(said(SPOT, Say::Ping { id: 9 }).as_deref(), Some(r#"{"method":"ping","req_id":9}"#));
}

#[test]
fn futures_proves_itself_in_each_subscribe() {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let market = catalogs[FUTURES].find("PF_XBTUSD").expect("listed").0;
    let credentials = Credentials::new("K", SECRET);
    assert_eq!(
        said(FUTURES, Say::AskChallenge { credentials: &credentials }).as_deref(),
        Some(r#"{"api_key":"K","event":"challenge"}"#)
    );
    let challenge = "c100b894-1729-464d-ace1-52dbce11db42";
    let pass = Some(Pass::Challenge { credentials: &credentials, challenge });
    let signed = "4JEpF3ix66GA2B+ooK128Ift4XQVtc137N9yeg4Kqsn9PI0Kpzbysl9M1IeCEdjg0zl00wkVqcsnG4bmnlMb3A==";
    assert_eq!(
        said(FUTURES, Say::Subscribe { id: 1, topics: &[Topic::account(Channel::Fills)], pass }),
        Some(format!(
            r#"{{"api_key":"K","event":"subscribe","feed":"fills","original_challenge":"{challenge}","signed_challenge":"{signed}"}}"#
        ))
    );
    let book = [Topic::of(Channel::Book, market)];
    assert_eq!(
        said(FUTURES, Say::Subscribe { id: 1, topics: &book, pass: None }).as_deref(),
        Some(r#"{"event":"subscribe","feed":"book","product_ids":["PF_XBTUSD"]}"#)
    );
    // A secret that cannot sign says nothing.
    let broken = Credentials::new("K", "not base64!");
    let pass = Some(Pass::Challenge { credentials: &broken, challenge });
    let fills = [Topic::account(Channel::Fills)];
    assert_eq!(said(FUTURES, Say::Subscribe { id: 1, topics: &fills, pass }), None);
}

fn heard(product: usize, frame: &str) -> EventBuf {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let mut out = EventBuf::new();
    venue.decode(place(product, &catalogs), frame.as_bytes(), &mut out);
    out
}

#[test]
fn answers_name_what_they_answer() {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let btc = catalogs[SPOT].find("BTC/USD").expect("listed").0;
    let control = |frame: &str| match heard(SPOT, frame).events.pop() {
        Some(Event::Control(control)) => control,
        other => panic!("{other:?}"),
    };
    let yes =
        r#"{"method":"subscribe","req_id":7,"result":{"channel":"trade","symbol":"BTC/USD"},"success":true}"#;
    assert_eq!(control(yes), Control::Ack(AckOf::OneOf(7, btc)));
    let already = r#"{"method":"subscribe","req_id":7,"error":"Already subscribed to one or more channels","success":false,"symbol":"BTC/USD"}"#;
    assert_eq!(control(already), Control::Ack(AckOf::OneOf(7, btc)));
    let no = r#"{"method":"subscribe","req_id":7,"error":"Currency pair not supported FOO/BAR","success":false,"symbol":"FOO/BAR"}"#;
    let Control::Refused { of: AckOf::Request(7), fault } = control(no) else { panic!("no refusal") };
    assert_eq!((fault.kind, fault.retry), (FaultKind::NotFound, Retry::Never));
    let own = r#"{"method":"subscribe","req_id":3,"result":{"channel":"executions"},"success":true}"#;
    assert_eq!(control(own), Control::Ack(AckOf::Request(3)));
    for stale in ["ESession:Invalid session", "EAPI:Invalid token"] {
        let frame = format!(r#"{{"method":"subscribe","req_id":3,"error":"{stale}","success":false}}"#);
        assert_eq!(control(&frame), Control::KeyExpired);
    }
}

#[test]
fn a_report_is_a_row_of_two_channels_under_one_number() {
    let trade = r#"{"channel":"executions","type":"update","sequence":5,"data":[{"exec_type":"trade","exec_id":"E1","order_id":"O1","cl_ord_id":"c","symbol":"BTC/USD","side":"buy","order_status":"partially_filled","last_qty":0.5,"last_price":100.1,"liquidity_ind":"m","fees":[{"asset":"USD","qty":0.08}],"cum_qty":0.5,"timestamp":"2026-01-01T00:00:00.000001Z"}]}"#;
    let out = heard(SPOT, trade);
    let data: Vec<_> = out
        .events
        .iter()
        .map(|event| match event {
            Event::Data(data) => (data.topic.channel, data.ids.map(|ids| ids.last), data.body.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        data,
        [
            (Channel::Orders, Some(5), Body::Rows(0..1)),
            (Channel::Fills, Some(5), Body::Rows(1..2)),
            // What is held has changed, and is asked for.
            (Channel::Balances, None, Body::Rows(0..0)),
        ]
    );
    let Row::Fill(fill) = &out.rows[1] else { panic!("no fill") };
    assert_eq!((fill.fill_id.as_str(), fill.maker, fill.fee.to_string()), ("E1", true, "0.08".to_owned()));

    let ended = r#"{"channel":"executions","type":"update","sequence":6,"data":[{"exec_type":"canceled","order_id":"O1","order_status":"canceled","timestamp":"2026-01-01T00:00:01Z"}]}"#;
    let out = heard(SPOT, ended);
    let Row::OrderChange(change) = &out.rows[0] else { panic!("no change") };
    let OrderChange { order_id, status, .. } = &**change;
    assert_eq!((order_id.as_str(), *status), ("O1", Some(OrderStatus::Canceled)));
}

#[test]
fn the_last_trades_of_a_snapshot_are_no_open_orders() {
    let snapshot = r#"{"channel":"executions","type":"snapshot","sequence":1,"data":[{"exec_type":"new","order_id":"O2","symbol":"BTC/USD","side":"sell","order_qty":1,"order_status":"new"},{"exec_type":"trade","exec_id":"E1","order_id":"O1","symbol":"BTC/USD","side":"buy","order_status":"filled","last_qty":0.5,"last_price":100.1,"timestamp":"2026-01-01T00:00:00Z"}]}"#;
    let out = heard(SPOT, snapshot);
    let Event::Data(orders) = &out.events[0] else { panic!("no orders") };
    assert_eq!((orders.kind, &orders.body), (DataKind::Snapshot, &Body::Rows(0..1)));
    let Row::Order(order) = &out.rows[0] else { panic!("no order") };
    assert_eq!(order.order_id, "O2");
}

#[test]
fn a_frame_that_does_not_read_breaks_what_it_was_part_of() {
    let topics = |product: usize, frame: &str| -> Vec<Option<Channel>> {
        let events = heard(product, frame).events;
        let topic = |event: &Event| match event {
            Event::Broken(broken) => broken.topic.map(|topic| topic.channel),
            other => panic!("{other:?}"),
        };
        events.iter().map(topic).collect()
    };
    let book = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":7}]}"#;
    assert_eq!(topics(SPOT, book), [Some(Channel::Book)]);
    let own = r#"{"channel":"executions","type":"update","sequence":1,"data":[{"exec_type":7}]}"#;
    assert_eq!(topics(SPOT, own), [Some(Channel::Orders), Some(Channel::Fills)]);
    let level = r#"{"feed":"book","product_id":"PF_XBTUSD","side":"buy","seq":"x"}"#;
    assert_eq!(topics(FUTURES, level), [Some(Channel::Book)]);
    assert_eq!(topics(SPOT, "[1,2"), [None]);
    assert_eq!(topics(FUTURES, "{}"), [None]);
}

fn refused(product: usize, status: u16, body: &str) -> Fault {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let reply = HttpReply { status, headers: &[], body: body.as_bytes() };
    let mut out = EventBuf::new();
    venue.answer(place(product, &catalogs), &Ask::OpenToken, &reply, &mut out).expect_err(body)
}

#[test]
fn refusals_say_who_must_act() {
    let check = |words: &str, kind: FaultKind| {
        let fault = refused(SPOT, 200, &format!(r#"{{"error":["{words}"]}}"#));
        assert_eq!(fault.kind, kind, "{words}");
        assert!(fault.text.starts_with(words), "{}", fault.text);
    };
    check("EAPI:Invalid nonce", FaultKind::Clock);
    check("EAPI:Invalid key", FaultKind::Credentials);
    check("EAPI:Rate limit exceeded", FaultKind::RateLimited);
    check("EGeneral:Permission denied", FaultKind::Credentials);
    check("EGeneral:Temporary lockout", FaultKind::Banned);
    check("EGeneral:Invalid arguments:volume", FaultKind::BadRequest);
    check("EGeneral:Internal error", FaultKind::Unavailable);
    check("EService:Unavailable", FaultKind::Unavailable);
    check("EService:Market in cancel_only mode", FaultKind::Rejected);
    check("EOrder:Insufficient funds", FaultKind::Rejected);
    check("EOrder:Unknown order", FaultKind::NotFound);
    check("EQuery:Unknown asset pair", FaultKind::NotFound);
    check("ETrade:User Locked", FaultKind::Credentials);
    assert_eq!(refused(SPOT, 429, "<html>").kind, FaultKind::RateLimited);
    assert_eq!(refused(SPOT, 502, "").kind, FaultKind::Unavailable);

    let check = |error: &str, kind: FaultKind| {
        let body =
            format!(r#"{{"result":"error","error":"{error}","serverTime":"2026-01-01T00:00:00.000Z"}}"#);
        assert_eq!(refused(FUTURES, 200, &body).kind, kind, "{error}");
    };
    check("authenticationError", FaultKind::Credentials);
    check("insufficientPrivileges", FaultKind::Credentials);
    check("apiLimitExceeded", FaultKind::RateLimited);
    check("nonceBelowThreshold", FaultKind::Clock);
    check("invalidArgument: symbol", FaultKind::BadRequest);
    check("Unavailable", FaultKind::Unavailable);
    check("marketUnavailable", FaultKind::Rejected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), product in 0usize..2) {
        let (venue, catalog) = (Kraken::new(), Catalog::new());
        let mut out = EventBuf::new();
        venue.decode(Place { product, socket: 0, catalog: &catalog }, &bytes, &mut out);
        prop_assert!(!out.events.is_empty());
    }
}

/// Of an order in the history the venue tells what is left; and one that changed stands under another name.
#[test]
fn the_history_of_futures_tells_what_is_left_of_an_order() {
    let venue = Kraken::new();
    let catalogs = catalogs(&venue);
    let place = Place { product: FUTURES, socket: 0, catalog: &catalogs[FUTURES] };
    let (market, _) = place.catalog.find("PF_XBTUSD").expect("listed");
    let element = |event: &str, field: &str, left: &str, filled: &str| {
        format!(
            r#"{{"uid":"e","timestamp":1707258274849,"event":{{"{event}":{{"{field}":{{"uid":"o","tradeable":"PF_XBTUSD","direction":"Buy","quantity":"{left}","filled":"{filled}","timestamp":1707258274849,"limitPrice":"69.22","orderType":"IoC","clientId":"","reduceOnly":false,"lastUpdateTimestamp":1707258274849}},"reason":"new_user_order"}}}}}}"#
        )
    };
    for (event, field, left, filled, qty, status) in [
        ("OrderPlaced", "order", "0", "0.1", "0.1", OrderStatus::Filled),
        ("OrderPlaced", "order", "0.1", "0", "0.1", OrderStatus::New),
        ("OrderUpdated", "newOrder", "0.3", "0.1", "0.4", OrderStatus::PartiallyFilled),
        ("OrderCancelled", "order", "0.3", "0.1", "0.4", OrderStatus::Canceled),
    ] {
        let body =
            format!(r#"{{"accountUid":"a","len":1,"elements":[{}]}}"#, element(event, field, left, filled));
        let reply = HttpReply { status: 200, headers: &[], body: body.as_bytes() };
        let mut out = EventBuf::new();
        let ask = Ask::OrderHistory { market, page: Page::default() };
        venue.answer(place, &ask, &reply, &mut out).expect("it reads");
        let [Row::Order(order)] = &out.rows[..] else { panic!("{:?}", out.events) };
        let told = (order.qty, order.cum_qty, order.status);
        let number = |text: &str| Some(text.parse().expect("a number"));
        assert_eq!(told, (number(qty), number(filled), Some(status)), "{event} {left} {filled}");
    }
}
