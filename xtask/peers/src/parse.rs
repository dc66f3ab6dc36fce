//! Frame bytes to book: the fast path and our book, against serde_json and a `BTreeMap`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use venuekit_book::{Book, ChainFirst, Ids, Linkage, Outcome, Rules, StaleStep, StepFirst, Update};
use venuekit_types::{BookSide, Level, Now, Scale, Scaled};
use venuekit_wire::usual::{Cursor, Unusual};

use crate::workload::{self, frames};
use crate::{Measured, STRETCH, Session, times};

/// How a frame is spelt.
#[derive(Clone, Copy, PartialEq)]
pub enum Shape {
    /// Binance USD-M.
    Binance,
    /// DueDEX.
    DueDex,
}

/// The session and shape of a bench about parsing; nothing for another bench.
pub fn session(bench: &str) -> Option<(Session, Shape)> {
    Some(match bench {
        "parse/binance" => (workload::sparse(10_000), Shape::Binance),
        "parse/duedex" => (whole_lots(workload::sparse(10_000)), Shape::DueDex),
        "parse/btc" => (workload::recorded("BTCUSDT"), Shape::Binance),
        "parse/eth" => (workload::recorded("ETHUSDT"), Shape::Binance),
        _ => return None,
    })
}

/// DueDEX counts contracts.
fn whole_lots(session: Session) -> Session {
    let mut session = session;
    session.scales.1 = Scale::ZERO;
    session
}

fn write(session: &Session, shape: Shape) -> Vec<String> {
    use fmt::Write as _;
    let quote = if shape == Shape::Binance { "\"" } else { "" };
    let rows = |text: &mut String, rows: &[Level]| {
        for (n, row) in rows.iter().enumerate() {
            let price = Scaled::new(row.price.0, session.scales.0).padded();
            let qty = Scaled::new(row.qty.0, session.scales.1).padded();
            let comma = if n == 0 { "" } else { "," };
            write!(text, r#"{comma}["{price}",{quote}{qty}{quote}]"#).expect("a string takes everything");
        }
    };
    frames(session, |text, n, bids, asks| {
        match shape {
            Shape::Binance => write!(
                text,
                r#"{{"e":"depthUpdate","E":1723161256303,"T":1723161256302,"s":"BTCUSDT","U":{n},"u":{n},"pu":{},"b":["#,
                n.saturating_sub(1)
            ),
            Shape::DueDex => write!(
                text,
                r#"{{"type":"update","channel":"level2","instrument":"BTCUSD","sequence":{n},"data":{{"bids":["#
            ),
        }
        .expect("a string takes everything");
        rows(text, bids);
        text.push_str(if shape == Shape::Binance { r#"],"a":["# } else { r#"],"asks":["# });
        rows(text, asks);
        text.push_str(match shape {
            Shape::Binance => "]}",
            Shape::DueDex => r#"]},"timestamp":"2019-05-30T00:00:00.000Z"}"#,
        });
    })
}

/// Something that reads frames into a book.
pub trait Pipeline {
    /// A book that waits for its first frame.
    fn new(session: &Session, shape: Shape) -> Self;
    /// Takes a frame.
    fn frame(&mut self, frame: &[u8]);
    /// All levels, bids and asks, best first.
    fn levels(&self) -> (Vec<Level>, Vec<Level>);
}

/// The fast path into our book.
pub struct Ours {
    book: Book,
    scales: (Scale, Scale),
    shape: Shape,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

impl Ours {
    fn read(&mut self, frame: &[u8]) -> Result<Ids, Unusual> {
        let mut frame = Cursor::new(frame);
        let (ids, asks) = match self.shape {
            Shape::Binance => {
                frame.literal(r#"{"e":"depthUpdate","E":"#)?;
                frame.integer()?;
                frame.literal(r#","T":"#)?;
                frame.integer()?;
                frame.literal(r#","s":""#)?;
                frame.text()?;
                frame.literal(r#","U":"#)?;
                let first = frame.integer()?;
                frame.literal(r#","u":"#)?;
                let last = frame.integer()?;
                frame.literal(r#","pu":"#)?;
                let prev = Some(frame.integer()?);
                frame.literal(r#","b":"#)?;
                (Ids { first, last, prev }, r#","a":"#)
            }
            Shape::DueDex => {
                frame.literal(r#"{"type":""#)?;
                frame.text()?;
                frame.literal(r#","channel":"level2","instrument":""#)?;
                frame.text()?;
                frame.literal(r#","sequence":"#)?;
                let n = frame.integer()?;
                frame.literal(r#","data":{"bids":"#)?;
                (Ids::single(n), r#","asks":"#)
            }
        };
        fill(&mut self.bids, &mut frame, self.scales)?;
        frame.literal(asks)?;
        fill(&mut self.asks, &mut frame, self.scales)?;
        if self.shape == Shape::DueDex {
            frame.literal(r#"},"timestamp":""#)?;
            frame.text()?;
        }
        frame.literal("}")?;
        frame.end()?;
        Ok(ids)
    }
}

fn fill(rows: &mut Vec<Level>, frame: &mut Cursor<'_>, scales: (Scale, Scale)) -> Result<(), Unusual> {
    rows.clear();
    for row in frame.levels(scales) {
        rows.push(row?);
    }
    Ok(())
}

impl Pipeline for Ours {
    fn new(session: &Session, shape: Shape) -> Ours {
        let linkage = match shape {
            Shape::Binance => Linkage::Chain { first: ChainFirst::Prev },
            Shape::DueDex => {
                Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Desync }
            }
        };
        let mut book = Book::new(Rules::new(linkage));
        book.expect_snapshot();
        Ours { book, scales: session.scales, shape, bids: Vec::new(), asks: Vec::new() }
    }

    fn frame(&mut self, frame: &[u8]) {
        let ids = self.read(frame).expect("the usual spelling");
        let update = Update { ids: Some(ids), bids: &self.bids, asks: &self.asks, ..Update::default() };
        let outcome = match ids.last {
            0 => self.book.snapshot(Now::default(), 1, &update),
            _ => self.book.apply(Now::default(), &update),
        };
        assert!(outcome == Outcome::Applied, "a straight session");
    }

    fn levels(&self) -> (Vec<Level>, Vec<Level>) {
        let view = self.book.view(Now::default()).expect("live");
        (view.levels(BookSide::Bid).collect(), view.levels(BookSide::Ask).collect())
    }
}

/// serde_json with a visitor to fixed point, into a `BTreeMap` a side.
pub struct Serde {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
    /// Places of quantities; those of prices are 2.
    places: u8,
    shape: Shape,
}

/// Decimal text by its bytes, at so many places.
fn fixed(text: &str, places: u8) -> i64 {
    let (mut value, mut left, mut behind) = (0_i64, places, false);
    for byte in text.bytes() {
        match byte {
            b'.' => behind = true,
            digit if !behind || left > 0 => {
                value = value * 10 + i64::from(digit - b'0');
                left -= u8::from(behind);
            }
            _ => {}
        }
    }
    (0..left).fold(value, |value, _| value * 10)
}

/// A number, quoted or bare, at `P` places.
struct Fixed<const P: u8>(i64);

impl<'de, const P: u8> Deserialize<'de> for Fixed<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fixed<P>, D::Error> {
        struct Number<const P: u8>;
        impl<const P: u8> Visitor<'_> for Number<P> {
            type Value = Fixed<P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Fixed<P>, E> {
                Ok(Fixed(fixed(text, P)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Fixed<P>, E> {
                Ok(Fixed(value as i64))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// Rows as they come, without a copy of their text.
struct Rows<const P: u8>(Vec<(i64, i64)>);

impl<'de, const P: u8> Deserialize<'de> for Rows<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rows<P>, D::Error> {
        struct Side<const P: u8>;
        impl<'de, const P: u8> Visitor<'de> for Side<P> {
            type Value = Rows<P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Rows<P>, A::Error> {
                let mut all = Vec::with_capacity(128);
                while let Some((price, qty)) = rows.next_element::<(Fixed<2>, Fixed<P>)>()? {
                    all.push((price.0, qty.0));
                }
                Ok(Rows(all))
            }
        }
        deserializer.deserialize_seq(Side)
    }
}

#[derive(Deserialize)]
struct Binance {
    #[serde(rename = "b")]
    bids: Rows<3>,
    #[serde(rename = "a")]
    asks: Rows<3>,
}

#[derive(Deserialize)]
struct DueDex {
    data: Sides,
}

#[derive(Deserialize)]
struct Sides {
    bids: Rows<0>,
    asks: Rows<0>,
}

impl Pipeline for Serde {
    fn new(session: &Session, shape: Shape) -> Serde {
        Serde { bids: BTreeMap::new(), asks: BTreeMap::new(), places: session.scales.1.digits(), shape }
    }

    fn frame(&mut self, frame: &[u8]) {
        debug_assert_eq!(self.places, if self.shape == Shape::Binance { 3 } else { 0 });
        let (bids, asks) = match self.shape {
            Shape::Binance => {
                let Binance { bids, asks } = serde_json::from_slice(frame).expect("its shape");
                (bids.0, asks.0)
            }
            Shape::DueDex => {
                let DueDex { data: Sides { bids, asks } } = serde_json::from_slice(frame).expect("its shape");
                (bids.0, asks.0)
            }
        };
        for (side, rows) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for (price, qty) in rows {
                if qty == 0 {
                    side.remove(&price);
                } else {
                    side.insert(price, qty);
                }
            }
        }
    }

    fn levels(&self) -> (Vec<Level>, Vec<Level>) {
        let row = |(&price, &qty): (&i64, &i64)| Level::new(price, qty);
        (self.bids.iter().rev().map(row).collect(), self.asks.iter().map(row).collect())
    }
}

/// Reads a session's frames, some times over, and keeps the shortest time of each stretch.
pub fn run<P: Pipeline>(session: &Session, shape: Shape) -> Measured {
    let frames = write(session, shape);
    let per_stretch = (STRETCH * session.spans().len() / session.updates().max(1)).max(1);
    let mut shortest = vec![f64::INFINITY; frames.len().div_ceil(per_stretch)];
    let mut ok = false;
    for time in 0..times() {
        let mut pipeline = P::new(session, shape);
        pipeline.frame(frames[0].as_bytes());
        for (stretch, shortest) in frames[1..].chunks(per_stretch).zip(&mut shortest) {
            let clock = Instant::now();
            for frame in stretch {
                pipeline.frame(frame.as_bytes());
            }
            *shortest = shortest.min(clock.elapsed().as_secs_f64());
        }
        if time == 0 {
            ok = crate::equals(&pipeline.levels(), session);
        }
    }
    let seconds: f64 = shortest.iter().filter(|seconds| seconds.is_finite()).sum();
    Measured { ns_per_level: seconds * 1e9 / session.updates() as f64, ok }
}
