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
use venuekit_venue::{Ask, Body, Catalog, Data, Event, EventBuf, HttpReply, Place, Row, Trade, Venue};

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

fn reply(status: u16, body: &str) -> HttpReply<'_> {
    HttpReply { status, headers: &[], body: body.as_bytes() }
}

/// Events as text, with what they point at.
fn dump(out: &EventBuf) -> String {
    let mut text = String::new();
    for event in &out.events {
        let Event::Data(Data { topic, kind, ids, at, body }) = event else {
            text += &format!("{event:?}\n");
            continue;
        };
        let ids = ids.map(|ids| (ids.first, ids.last));
        let at = at.map(|at| at.0);
        let market = topic.market.map(|market| market.0);
        text += &format!("{:?} {market:?} {kind:?} ids={ids:?} at={at:?}\n", topic.channel);
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
                    let some: Vec<_> = row.split(", ").filter(|part| !part.ends_with(": None")).collect();
                    text += &format!("  {}\n", some.join(", "));
                }
            }),
        }
    }
    text
}
