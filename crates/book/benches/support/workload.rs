//! The sessions that order books are measured with: two that are made from a seed, and recorded ones.
//!
//! A session is a snapshot and messages in ticks and lots, the same for every engine. The shapes: W1 is dense and
//! close to the touch, one level a message; W2 is sparse and everywhere, 1 to 200 levels a message; BTC and ETH are
//! recorded sessions of Binance USD-M where a folder of recordings has them, and a session of the same measures
//! from a seed where it has none.

#![allow(dead_code, unreachable_pub, reason = "shared by binaries, of which none uses all")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use venuekit_types::{Level, Scale, parse_scaled};

/// One message: where its rows stand in [`Session::levels`].
#[derive(Clone, Copy)]
pub struct Span {
    start: u32,
    middle: u32,
    end: u32,
}

/// A snapshot, which is the first message, and what follows it.
pub struct Session {
    /// Where it comes from.
    pub source: String,
    /// Decimal places of its integers, as the venue writes them.
    pub scales: (Scale, Scale),
    levels: Vec<Level>,
    spans: Vec<Span>,
}

impl Session {
    fn new(source: &str, price: u8, qty: u8) -> Session {
        let scale = |digits| Scale::new(digits).expect("within 0..=18");
        Session {
            source: source.into(),
            scales: (scale(price), scale(qty)),
            levels: Vec::new(),
            spans: Vec::new(),
        }
    }

    fn push(&mut self, bids: impl IntoIterator<Item = Level>, asks: impl IntoIterator<Item = Level>) {
        let at = |levels: &Vec<Level>| u32::try_from(levels.len()).expect("a session is smaller");
        let start = at(&self.levels);
        self.levels.extend(bids);
        let middle = at(&self.levels);
        self.levels.extend(asks);
        self.spans.push(Span { start, middle, end: at(&self.levels) });
    }

    /// Bids and asks of a message.
    #[inline]
    pub fn rows(&self, span: Span) -> (&[Level], &[Level]) {
        let (start, middle, end) = (span.start as usize, span.middle as usize, span.end as usize);
        (&self.levels[start..middle], &self.levels[middle..end])
    }

    /// How many levels a message has.
    #[inline]
    pub fn levels_in(&self, span: Span) -> usize {
        (span.end - span.start) as usize
    }

    /// The snapshot.
    pub fn snapshot(&self) -> (&[Level], &[Level]) {
        self.rows(self.spans[0])
    }

    /// The messages after the snapshot.
    pub fn spans(&self) -> &[Span] {
        &self.spans[1..]
    }

    /// Bids and asks of each message after the snapshot.
    pub fn messages(&self) -> impl Iterator<Item = (&[Level], &[Level])> {
        self.spans().iter().map(|&span| self.rows(span))
    }

    /// Levels in the messages after the snapshot.
    pub fn updates(&self) -> usize {
        self.levels.len() - self.spans[0].end as usize
    }

    /// The lowest and the highest price, and the widest step that divides all.
    pub fn grid(&self) -> (i64, i64, i64) {
        let prices = || self.levels.iter().map(|row| row.price.0);
        let gcd = |mut a: i64, mut b: i64| {
            while b != 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        (prices().min().unwrap_or(1), prices().max().unwrap_or(1), prices().fold(0, gcd).max(1))
    }

    /// The book at the end, by the simplest means.
    pub fn end(&self) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
        let mut book = (BTreeMap::new(), BTreeMap::new());
        for &span in &self.spans {
            let (bids, asks) = self.rows(span);
            for (side, rows) in [(&mut book.0, bids), (&mut book.1, asks)] {
                for row in rows {
                    match row.qty.0 {
                        0 => side.remove(&row.price.0),
                        qty => side.insert(row.price.0, qty),
                    };
                }
            }
        }
        book
    }
}

/// Numbers from a seed (splitmix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `low`, below `high`.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % high.abs_diff(low)).cast_signed()
    }

    /// A quantity; in one of five cases it removes.
    fn qty(&mut self) -> i64 {
        if self.within(0, 5) == 0 { 0 } else { self.within(1, 1_000_000) }
    }
}

/// W1 and the scale runs: `levels` a side without a gap, one level a message, nine of ten within 20 ticks of the
/// touch, which moves.
pub fn dense(levels: i64, messages: usize) -> Session {
    let mut rng = Rng(1);
    let mut session = Session::new("dense, seed 1", 2, 3);
    let mut middle = 6_000_000_i64;
    session.push(
        (1..=levels).map(|away| Level::new(middle - away, 1_000)),
        (0..levels).map(|away| Level::new(middle + away, 1_000)),
    );
    for n in 0..messages {
        if n % 1_000 == 999 {
            // The touch moves by one: what stood there has traded.
            if rng.within(0, 2) == 0 {
                session.push([], [Level::new(middle, 0)]);
                middle += 1;
            } else {
                middle -= 1;
                session.push([Level::new(middle, 0)], []);
            }
            continue;
        }
        let away =
            if rng.within(0, 10) == 0 && levels > 20 { rng.within(20, levels) } else { rng.within(0, 20) };
        let qty = rng.qty();
        if rng.within(0, 2) == 0 {
            session.push([Level::new(middle - 1 - away, qty)], []);
        } else {
            session.push([], [Level::new(middle + away, qty)]);
        }
    }
    session
}

/// W2 and W3: diffs of 1 to 200 levels, anywhere among some 5,000 prices a side that stand 1 to 20 ticks apart.
pub fn sparse(messages: usize) -> Session {
    let mut rng = Rng(2);
    let mut session = Session::new("sparse, seed 2", 2, 3);
    let (mut bids, mut asks) = (vec![6_000_000_i64], vec![6_000_001_i64]);
    for _ in 1..5_000 {
        bids.push(bids[bids.len() - 1] - rng.within(1, 20));
        asks.push(asks[asks.len() - 1] + rng.within(1, 20));
    }
    session.push(bids.iter().map(|&p| Level::new(p, 1_000)), asks.iter().map(|&p| Level::new(p, 1_000)));
    for _ in 0..messages {
        let count = rng.within(1, 201);
        let on_bids = rng.within(0, count + 1);
        let mut rows = |count: i64, prices: &[i64]| -> Vec<Level> {
            let prices_len = i64::try_from(prices.len()).expect("5,000");
            let pick = |rng: &mut Rng| prices[usize::try_from(rng.within(0, prices_len)).expect("a place")];
            let mut rows: Vec<Level> = (0..count).map(|_| Level::new(pick(&mut rng), rng.qty())).collect();
            // Venues sort their diffs, and name no price twice.
            rows.sort_by_key(|row| row.price.0);
            rows.dedup_by_key(|row| row.price.0);
            rows
        };
        let (bids, asks) = (rows(on_bids, &bids), rows(count - on_bids, &asks));
        session.push(bids, asks);
    }
    session
}

/// A session with the measures of a recorded one, for where the recording is absent: some 67 levels a message, one
/// in 15 within 20 ticks of the touch, depths that thin out, prices that come back, and one level 6 million ticks
/// away.
fn like_recorded(name: &str, middle: i64) -> Session {
    let mut rng = Rng(3);
    let mut session = Session::new(&format!("{name}: no recording, seed 3"), 2, 3);
    // The prices that a side ever has, by distance. Far away they are round ones.
    let mut pool = |range: std::ops::Range<i64>, step: i64, count: usize| -> Vec<i64> {
        let mut ticks: Vec<i64> = (0..count).map(|_| rng.within(range.start, range.end) * step).collect();
        ticks.sort_unstable();
        ticks.dedup();
        ticks
    };
    let pools: [[Vec<i64>; 4]; 2] = core::array::from_fn(|_| {
        [
            pool(0..20, 1, 100),
            pool(20..4_096, 1, 3_000),
            pool(4_096..60_000, 1, 2_000),
            pool(600..2_500, 100, 1_000),
        ]
    });
    let price = |side: usize, away: i64| if side == 0 { middle - 1 - away } else { middle + away };
    let rows = |side: usize, keep: u64, rng: &mut Rng| -> Vec<Level> {
        let near = pools[side].iter().flatten().filter(|_| rng.next() % 10 < keep);
        near.map(|&away| Level::new(price(side, away), 1_000)).collect()
    };
    let mut far = rows(1, 6, &mut rng);
    far.push(Level::new(middle + 6_000_000, 1));
    session.push(rows(0, 6, &mut rng), far);
    for _ in 0..3_000 {
        let mut diff = |side: usize| -> Vec<Level> {
            let count = rng.within(20, 48);
            let mut ticks: Vec<i64> = (0..count)
                .map(|_| {
                    let pool = match rng.within(0, 100) {
                        0..7 => &pools[side][0],
                        7..70 => &pools[side][1],
                        70..90 => &pools[side][2],
                        _ => &pools[side][3],
                    };
                    pool[usize::try_from(rng.next() % pool.len() as u64).expect("a place")]
                })
                .collect();
            ticks.sort_unstable();
            ticks.dedup();
            ticks.iter().map(|&away| Level::new(price(side, away), rng.qty())).collect()
        };
        let (mut bids, asks) = (diff(0), diff(1));
        bids.reverse();
        session.push(bids, asks);
    }
    session
}

/// The folder of recordings, where there is one.
pub fn recordings() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(WORKSPACE);
    let folder = std::env::var("VENUEKIT_RECORDINGS").unwrap_or_else(|_| "../shared/recordings".into());
    Some(root.join(folder)).filter(|folder| folder.is_dir())
}

/// Where the workspace's root is, seen from the crate that includes this file.
const WORKSPACE: &str = "../..";

/// The longest recorded session of a symbol on Binance USD-M, else one with its measures.
pub fn recorded(symbol: &str) -> Session {
    let found = recordings().and_then(|folder| {
        let mut files = Vec::new();
        for source in fs::read_dir(folder.join("binance-usdm")).ok()?.flatten() {
            let Ok(entries) = fs::read_dir(source.path()) else { continue };
            files.extend(entries.flatten().map(|entry| entry.path()));
        }
        files.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
        files.sort();
        let sessions = files.iter().filter_map(|path| replay(path, symbol));
        sessions.max_by_key(Session::updates)
    });
    found
        .unwrap_or_else(|| like_recorded(symbol, if symbol.starts_with("BTC") { 6_000_000 } else { 270_000 }))
}

/// The rows of a tape that are about one book, from its snapshot on.
fn replay(path: &Path, symbol: &str) -> Option<Session> {
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).ok()?;
    if !text.contains(symbol) {
        return None;
    }
    let mut session = Session::new(&path.file_name()?.to_string_lossy(), 2, 3);
    let mut pending: Vec<(u64, Vec<Level>, Vec<Level>)> = Vec::new();
    let mut started = None;
    for line in text.lines().filter(|line| line.contains(symbol)) {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        let data: serde_json::Value = serde_json::from_str(row["data"].as_str()?).ok()?;
        let rows = |side: &serde_json::Value| -> Vec<Level> {
            let one = |row: &serde_json::Value| {
                let read = |text: &serde_json::Value, scale| {
                    parse_scaled(text.as_str().expect("a text").as_bytes(), scale).expect("a number")
                };
                Level::new(read(&row[0], session.scales.0), read(&row[1], session.scales.1))
            };
            side.as_array().into_iter().flatten().map(one).collect()
        };
        if row["t"] == "http" {
            if let Some(last) = data["lastUpdateId"].as_u64().filter(|_| started.is_none()) {
                started = Some((last, rows(&data["bids"]), rows(&data["asks"])));
            }
        } else if data["data"]["e"] == "depthUpdate" && data["data"]["s"] == symbol {
            let data = &data["data"];
            pending.push((data["u"].as_u64()?, rows(&data["b"]), rows(&data["a"])));
        }
    }
    let (last, bids, asks) = started?;
    session.push(bids, asks);
    for (_, bids, asks) in pending.into_iter().filter(|(id, ..)| *id > last) {
        session.push(bids, asks);
    }
    Some(session)
}

/// A session as the frames that a venue would send; the second number is that of its levels.
pub fn frames(session: &Session, frame: impl Fn(&mut String, usize, &[Level], &[Level])) -> Vec<String> {
    let one = |(n, (bids, asks)): (usize, (&[Level], &[Level]))| {
        let mut text = String::new();
        frame(&mut text, n, bids, asks);
        text
    };
    std::iter::once(session.snapshot()).chain(session.messages()).enumerate().map(one).collect()
}
