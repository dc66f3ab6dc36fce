//! How long a hostile frame keeps the tolerant path: frames as long as the driver lets through, the shortest time of
//! ten, since the machine is shared. Longer frames are refused by their size and never parsed.

use std::time::Instant;

use venuekit_types::{Level, Scale, parse_scaled};
use venuekit_wire::duedex::ServerFrame;
use venuekit_wire::scan;

/// The longest message that a venue's connection takes, unless its specification says less.
const FRAME_MAX: usize = 8 << 20;

/// A book frame around this text, filled up with this element.
fn frame(open: &str, element: &str, count: usize, close: &str) -> String {
    let head = r#"{"type":"snapshot","channel":"level2","instrument":"BTCUSD","sequence":1,"timestamp":"2019-05-30T00:00:00.000Z","data":"#;
    format!("{head}{open}{}{close}}}", element.repeat(count))
}

/// Frame bytes to levels, as a venue's decoder does it; nothing where the frame cannot be read.
fn read(frame: &str) -> Option<Vec<Level>> {
    let ServerFrame::Data(message) = ServerFrame::parse(frame.as_bytes()).ok()? else { return None };
    let rows = message.data.get().strip_prefix(r#"{"bids":"#)?.strip_suffix('}')?;
    let of = |digits: &str, scale| parse_scaled(digits.as_bytes(), scale).ok();
    scan::levels(rows)
        .map(|row| {
            let (price, qty) = row.ok()?;
            Some(Level::new(of(price, Scale::new(2)?)?, of(qty, Scale::ZERO)?))
        })
        .collect()
}

fn main() {
    let fits = |element: &str| (FRAME_MAX - 512) / element.len();
    let (level, zero) = (r#"["8804.00",100],"#, "0,");
    let hostile = [
        ("nesting of 100,000", frame("", "[", 100_000, "")),
        ("nesting in the rows", frame(r#"{"bids":["#, "[", 100_000, "")),
        ("4 million elements", frame("[", zero, fits(zero), "0]")),
        ("4 million in a row", frame(r#"{"bids":[["#, zero, fits(zero), "0]]}")),
        ("half a million levels", frame(r#"{"bids":["#, level, fits(level), r#"["1",1]]}"#)),
        ("a text to the end", frame(r#"{"bids":""#, "x", fits("x"), r#""}"#)),
        ("escapes to the end", frame(r#"{"bids":""#, r"\u0041", fits(r"\u0041"), r#""}"#)),
        ("one endless number", frame(r#"{"bids":["#, "1", fits("1"), "]}")),
    ];
    for (name, frame) in hostile {
        let mut shortest = f64::INFINITY;
        let mut levels = None;
        for _ in 0..10 {
            let start = Instant::now();
            levels = read(&frame).map(|levels| levels.len());
            shortest = shortest.min(start.elapsed().as_secs_f64() * 1e3);
        }
        let outcome = levels.map_or("refused".into(), |levels| format!("{levels} levels"));
        println!("{name:<24}{:>8} KiB{shortest:>9.2} ms  {outcome}", frame.len() >> 10);
    }
}
