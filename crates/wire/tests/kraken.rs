//! Frames of Kraken's documents, read as a client does.

use venuekit_wire::kraken::{Named, futures, spot, v1};
use venuekit_wire::{Num, WireError, parse};

fn spot_data(text: &str) -> spot::Message<'_> {
    match spot::ServerFrame::parse(text.as_bytes()) {
        Ok(spot::ServerFrame::Data(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_keep_their_text_on_both_engines() {
    let text = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":50000.10,"qty":5.1e-05}],"asks":[],"checksum":2114181697,"timestamp":"2026-01-01T00:00:00.000000Z"}]}"#;
    let rows: Vec<spot::Book<'_>> = spot_data(text).rows().expect("a book");
    let level = &rows[0].bids[0];
    assert_eq!(
        (level.price.as_str(), level.qty.as_str(), rows[0].checksum),
        ("50000.10", "5.1e-05", 2114181697)
    );

    let text = r#"{"feed":"book","product_id":"PF_PEPEUSD","side":"buy","seq":7,"price":1e-10,"qty":3000.0,"timestamp":1612269825817}"#;
    let told: futures::BookChange<'_> = parse(text.as_bytes()).expect("a change");
    assert_eq!((told.price, told.qty.as_str(), told.seq), (Num::bare("1e-10"), "3000.0", 7));
}

#[test]
fn frames_are_told_apart() {
    let parse = |text: &'static str| spot::ServerFrame::parse(text.as_bytes());
    assert!(matches!(parse(r#"{"channel":"heartbeat"}"#), Ok(spot::ServerFrame::Heartbeat)));
    let pong = parse(r#"{"method":"pong","req_id":9,"time_in":"x"}"#);
    assert!(matches!(pong, Ok(spot::ServerFrame::Reply(reply)) if reply.req_id == Some(9)));
    let old = parse(r#"{"event":"systemStatus","status":"online"}"#);
    assert!(matches!(old, Ok(spot::ServerFrame::Retired { event }) if event == "systemStatus"));
    assert_eq!(parse(r#"{"channel":"book"}"#).err(), Some(WireError::Missing { field: "type" }));
    assert_eq!(parse("{}").err(), Some(WireError::Missing { field: "channel" }));

    let parse = |text: &'static str| futures::ServerFrame::parse(text.as_bytes());
    let told = parse(r#"{"event":"subscribed","feed":"book","product_ids":["PF_XBTUSD"]}"#);
    assert!(matches!(told, Ok(futures::ServerFrame::Event(event)) if event.product_ids.len() == 1));
    assert!(matches!(parse(r#"{"feed":"heartbeat","time":1}"#), Ok(futures::ServerFrame::Data { .. })));
    assert_eq!(parse("{}").err(), Some(WireError::Missing { field: "feed" }));
}

#[test]
fn a_retired_book_may_send_its_sides_apart() {
    let text = r#"[741,{"a":[["413.9","27.7","1.0"]]},{"b":[["400.0","3.3","1.0"]],"c":"974942666"},"book-1000","BCH/USD"]"#;
    let frame = v1::Frame::parse(text.as_bytes()).expect("a frame");
    assert_eq!(
        (frame.channel.as_str(), frame.pair.as_str(), frame.payloads.len()),
        ("book-1000", "BCH/USD", 2)
    );
    let part: v1::Book<'_> = parse(frame.payloads[1].get().as_bytes()).expect("a side");
    assert_eq!((part.a.is_none(), part.b.is_some(), part.c), (true, true, Some("974942666")));
    for text in ["[]", "[1]", "[1,2]", "{}", "[1,{},7,{}]"] {
        assert!(v1::Frame::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn an_object_of_names_keeps_their_order() {
    let Named(rows): Named<'_, Num<'_>> = parse(br#"{"ZUSD":"1.50","XXBT":2}"#).expect("an object");
    let rows: Vec<(&str, &str)> = rows.iter().map(|(name, num)| (name.as_str(), num.as_str())).collect();
    assert_eq!(rows, [("ZUSD", "1.50"), ("XXBT", "2")]);
    assert!(parse::<Named<'_, Num<'_>>>(b"[]").is_err());
}

/// One answer of futures may spell a field in either way.
#[test]
fn both_spellings_of_an_order_are_one() {
    let open = r#"{"order_id":"o","cliOrdId":"c","symbol":"PI_XBTUSD","side":"sell","orderType":"lmt","limitPrice":10640,"unfilledSize":304,"receivedTime":"2019-09-05T17:01:17.410Z","status":"untouched","filledSize":0,"reduceOnly":true,"lastUpdateTime":"2019-09-05T17:01:17.410Z"}"#;
    let event = r#"{"orderId":"o","cliOrdId":"c","type":"lmt","symbol":"PI_XBTUSD","side":"sell","quantity":304,"filled":0,"limitPrice":10640,"reduceOnly":true,"timestamp":"2019-09-05T17:01:17.410Z","lastUpdateTimestamp":"2019-09-05T17:01:17.410Z"}"#;
    let read = |text: &'static str| parse::<futures::RestOrder<'_>>(text.as_bytes()).expect(text);
    let (open, event) = (read(open), read(event));
    assert_eq!(
        (&open.order_id, &open.cli_ord_id, &open.r#type),
        (&event.order_id, &event.cli_ord_id, &event.r#type)
    );
    assert_eq!((open.timestamp, open.last_update_time), (event.timestamp, event.last_update_time));
    assert_eq!((open.unfilled_size, open.quantity), (event.quantity, event.unfilled_size));
}
