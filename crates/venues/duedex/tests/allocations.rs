//! From a frame's bytes to the book without asking for memory, once both have seen their market.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use venuekit_book::{Book, Outcome, Rules};
use venuekit_duedex::DueDex;
use venuekit_types::Now;
use venuekit_venue::{Ask, Body, Catalog, Event, EventBuf, HttpReply, Place, Venue};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_frame_reaches_a_warm_book_without_an_allocation() {
    let venue = DueDex::new();
    let (mut catalog, mut buf) = (Catalog::new(), EventBuf::new());
    let listed = include_bytes!("../../../../fixtures/duedex/instruments.json");
    let reply = HttpReply { status: 200, headers: &[], body: listed };
    venue
        .answer(
            Place { product: 0, socket: 0, catalog: &Catalog::new() },
            &Ask::Instruments,
            &reply,
            &mut buf,
        )
        .expect("the fixture reads");
    for instrument in buf.instruments.drain(..) {
        catalog.put(instrument);
    }
    let place = Place { product: 0, socket: 0, catalog: &catalog };
    let frames: Vec<String> = (1..2_000_u32)
        .map(|n| {
            let row = |k: u32, mid: u32| format!("[\"{}.{}0\",{}]", mid + (n * 7 + k * 13) % 50, k % 10, (n + k) % 4);
            let rows = |mid| (0..1 + n % 5).map(|k| row(k, mid)).collect::<Vec<_>>().join(",");
            format!(
                r#"{{"type":"update","channel":"level2","instrument":"BTCUSD","sequence":{n},"data":{{"bids":[{}],"asks":[{}]}},"timestamp":"2020-09-10T10:00:00.000Z"}}"#,
                rows(9_000), rows(9_100)
            )
        })
        .collect();
    let mut book = Book::new(Rules::new(venue.specs()[0].books[0].linkage));
    let mut pass = || {
        for (n, frame) in frames.iter().enumerate() {
            buf.clear();
            venue.decode(place, frame.as_bytes(), &mut buf);
            let [Event::Data(data)] = &buf.events[..] else { panic!("{:?}", buf.events) };
            let Body::Book(body) = &data.body else { panic!("{data:?}") };
            let update = buf.update(data.ids, body);
            let outcome = match n {
                0 => book.snapshot(Now::default(), 1, &update),
                _ => book.apply(Now::default(), &update),
            };
            assert_eq!(outcome, Outcome::Applied);
        }
    };
    pass();
    pass();
    let region = Region::new(ALLOCATOR);
    pass();
    let after = region.change();
    assert_eq!((after.allocations, after.reallocations), (0, 0));
}
