//! The codecs of DueDEX, from bytes to events and from words to bytes.
//!
//! The fixtures are written for these tests in the shapes of the venue's documents; none is a recording.

mod account;
mod asked;
mod broken;
mod feed;
mod rest;
mod said;
mod spec;
mod usual;

use venuekit_duedex::DueDex;
use venuekit_venue::{
    Ask, Body, Catalog, Control, Data, Event, EventBuf, HttpReply, Place, Row, Trade, Venue,
};

const FRAMES: &str = include_str!("../../../../../fixtures/duedex/frames.jsonl");
const INSTRUMENTS: &str = include_str!("../../../../../fixtures/duedex/instruments.json");

fn place(catalog: &Catalog) -> Place<'_> {
    Place { product: 0, socket: 0, catalog }
}

fn reply(status: u16, body: &str) -> HttpReply<'_> {
    HttpReply { status, headers: &[], body: body.as_bytes() }
}

/// The four instruments of the fixture, in its order.
fn catalog() -> Catalog {
    let (mut catalog, mut out) = (Catalog::new(), EventBuf::new());
    DueDex::new()
        .answer(place(&catalog), &Ask::Instruments, &reply(200, INSTRUMENTS), &mut out)
        .expect("the fixture reads");
    assert_eq!(out.events, []);
    for instrument in out.instruments {
        catalog.put(instrument);
    }
    catalog
}

fn decode(catalog: &Catalog, frame: &[u8]) -> EventBuf {
    let mut out = EventBuf::new();
    DueDex::new().decode(place(catalog), frame, &mut out);
    out
}

/// Events as text, with what they point at.
fn dump(out: &EventBuf) -> String {
    let mut text = String::new();
    for event in &out.events {
        match event {
            Event::Data(Data { topic, kind, ids, at, body }) => {
                let ids = ids.map(|ids| (ids.first, ids.last));
                let at = at.map(|at| at.0);
                let market = topic.market.map(|market| market.0);
                text += &format!("{} {market:?} {kind:?} ids={ids:?} at={at:?}\n", topic.channel);
                match body {
                    Body::Book(book) => {
                        text += &format!("  bids {:?}\n", out.levels(book.bids));
                        text += &format!("  asks {:?}\n", out.levels(book.asks));
                    }
                    Body::Rows(rows) => out.rows[rows.clone()].iter().for_each(|row| match row {
                        Row::Trade(Trade { market, id, number, price, qty, side, at }) => {
                            text += &format!(
                                "  trade of {} id={} number={number:?} {price:?} {qty:?} {side:?} at={at}\n",
                                market.0,
                                out.text(*id)
                            );
                        }
                        row => {
                            let row = format!("{row:?}");
                            let some: Vec<_> =
                                row.split(", ").filter(|part| !part.ends_with(": None")).collect();
                            text += &format!("  {}\n", some.join(", "));
                        }
                    }),
                }
            }
            Event::Control(Control::Challenge(span)) => text += &format!("challenge {}\n", out.text(*span)),
            event => text += &format!("{event:?}\n"),
        }
    }
    text
}
