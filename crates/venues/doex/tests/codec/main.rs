//! The codecs of Doex, from bytes to events and from words to bytes.
//!
//! The fixtures are written for these tests in the assumed shapes of the venue; none is a recording.

mod account;
mod asked;
mod broken;
mod feed;
mod profile;
mod rest;
mod said;
mod usual;

use venuekit_doex::Doex;
use venuekit_testkit::codec::{dump, reply};
use venuekit_venue::{Ask, Catalog, EventBuf, HttpReply, Place, Venue};

const PUBLIC: &str = include_str!("../../../../../fixtures/doex/public.jsonl");
const FUTURES_ONLY: &str = include_str!("../../../../../fixtures/doex/futures.jsonl");
const USER: &str = include_str!("../../../../../fixtures/doex/user.jsonl");
const INSTRUMENTS: &str = include_str!("../../../../../fixtures/doex/instruments.json");

/// A product of the venue, and the instruments of the fixture that belong to it.
struct Desk {
    venue: Doex,
    product: usize,
    catalog: Catalog,
}

impl Desk {
    fn new(product: usize) -> Desk {
        let mut desk = Desk { venue: Doex::default(), product, catalog: Catalog::new() };
        let out = desk.answer(&Ask::Instruments, &reply(200, INSTRUMENTS)).expect("the fixture reads");
        assert_eq!(out.events, []);
        for instrument in out.instruments {
            desk.catalog.put(instrument);
        }
        desk
    }

    fn place(&self) -> Place<'_> {
        Place { product: self.product, socket: 0, catalog: &self.catalog }
    }

    fn decode(&self, frame: &[u8]) -> EventBuf {
        let mut out = EventBuf::new();
        self.venue.decode(self.place(), frame, &mut out);
        out
    }

    fn answer(&self, ask: &Ask, reply: &HttpReply<'_>) -> Result<EventBuf, venuekit_venue::Fault> {
        let mut out = EventBuf::new();
        self.venue.answer(self.place(), ask, reply, &mut out).map(|()| out)
    }

    fn market(&self, name: &str) -> venuekit_venue::MarketId {
        self.catalog.find(name).expect("listed").0
    }
}
