//! The fast path of book frames against the tolerant one: the body of a fuzz target and of the test that replays its
//! corpus.

use serde::Deserialize;
use serde_json::value::RawValue;
use venuekit_types::{Level, Scale, parse_scaled};
use venuekit_wire::scan;
use venuekit_wire::usual::{Cursor, Unusual};

const PRICE: u8 = 2;
const QTY: u8 = 3;

#[derive(Debug, PartialEq)]
struct Book {
    symbol: String,
    first: u64,
    last: u64,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

fn scales() -> (Scale, Scale) {
    (Scale::new(PRICE).expect("small"), Scale::new(QTY).expect("small"))
}

fn fast(frame: &[u8]) -> Result<Book, Unusual> {
    let mut frame = Cursor::new(frame);
    frame.literal(r#"{"s":""#)?;
    let symbol = frame.text()?.to_owned();
    frame.literal(r#","U":"#)?;
    let first = frame.integer()?;
    frame.literal(r#","u":"#)?;
    let last = frame.integer()?;
    frame.literal(r#","b":"#)?;
    let bids = frame.levels(scales()).collect::<Result<_, _>>()?;
    frame.literal(r#","a":"#)?;
    let asks = frame.levels(scales()).collect::<Result<_, _>>()?;
    frame.literal("}")?;
    frame.end()?;
    Ok(Book { symbol, first, last, bids, asks })
}

fn tolerant(frame: &[u8]) -> Option<Book> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        s: String,
        #[serde(rename = "U")]
        first: u64,
        #[serde(rename = "u")]
        last: u64,
        #[serde(borrow)]
        b: &'a RawValue,
        a: &'a RawValue,
    }
    let Frame { s, first, last, b, a } = serde_json::from_slice(frame).ok()?;
    let (price, qty) = scales();
    let side = |rows: &RawValue| -> Option<Vec<Level>> {
        let number = |text: &str, scale| parse_scaled(text.as_bytes(), scale).ok();
        scan::levels(rows.get())
            .map(|row| row.ok().and_then(|(p, q)| Some(Level::new(number(p, price)?, number(q, qty)?))))
            .collect()
    };
    Some(Book { symbol: s, first, last, bids: side(b)?, asks: side(a)? })
}

/// What the fast path takes, the tolerant path reads the same.
pub(crate) fn frame(data: &[u8]) {
    if let Ok(book) = fast(data) {
        assert_eq!(Some(book), tolerant(data), "{}", String::from_utf8_lossy(data));
    }
}

/// Whether the fast path takes a frame at all.
#[allow(dead_code, reason = "the fuzz target does not ask")]
pub(crate) fn is_usual(data: &[u8]) -> bool {
    fast(data).is_ok()
}
