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
use venuekit_testkit::codec::{dump, reply};
use venuekit_venue::{Ask, Catalog, EventBuf, Place, Venue};

const FRAMES: &str = include_str!("../../../../../fixtures/duedex/frames.jsonl");
const INSTRUMENTS: &str = include_str!("../../../../../fixtures/duedex/instruments.json");

fn place(catalog: &Catalog) -> Place<'_> {
    Place { product: 0, socket: 0, catalog }
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
