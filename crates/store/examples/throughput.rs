//! Rows per second that the embedded sink takes, and how long a commit holds its caller:
//! `cargo run --release -p venuekit-store --example throughput [DIR]`.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use venuekit_store::{Batch, BookChange, Market, OpenMode, Row, Sink, Sqlite, Trade, World};
use venuekit_types::{Level, Scale, Scaled, Side, UnixNanos};

const ROWS: u64 = 400_000;
const SYMBOLS: [&str; 5] = ["BTC/USDT", "ETH/USDT", "DOGE/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(dir)?;
    for per_batch in [200, 1_000, 5_000] {
        for (name, make) in [
            ("trades", trade as fn(u64) -> Row),
            ("book, 1 level", |n| book(n, 1)),
            ("book, 10 levels", |n| book(n, 10)),
        ] {
            let path = scratch.path().join(format!("{per_batch}-{name}.db"));
            let mut sink = Sqlite::open(&path, &World::Sim { run_id: "bench".into() }, OpenMode::Resume)?;
            let fresh = run(&mut sink, per_batch, make)?;
            let again = run(&mut sink, per_batch, make)?;
            println!("{name:15} batches of {per_batch:4}: new {fresh}; repeated {again}");
        }
    }
    Ok(())
}

fn run(
    sink: &mut Sqlite,
    per_batch: u64,
    make: fn(u64) -> Row,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut batch = Batch::default();
    let mut commits = Vec::new();
    for start in (0..ROWS).step_by(usize::try_from(per_batch)?) {
        batch.clear();
        batch.rows.extend((start..start + per_batch).map(make));
        let began = Instant::now();
        let receipt = sink.commit(&batch)?;
        commits.push(began.elapsed());
        assert_eq!(receipt.total().refused, 0, "no row conflicts");
    }
    let total: Duration = commits.iter().sum();
    commits.sort();
    let rate = u128::from(ROWS) * 1_000_000 / total.as_micros();
    let at = |percent: usize| commits[(commits.len() - 1) * percent / 100];
    Ok(format!("{rate} rows/s, commit p50 {:.1?} p99 {:.1?} max {:.1?}", at(50), at(99), at(100)))
}

fn market(n: u64) -> Market {
    let symbol = SYMBOLS[usize::try_from(n).expect("small") % SYMBOLS.len()];
    Market::new("doex", symbol.parse().expect("valid"))
}

fn scale(digits: u8) -> Scale {
    Scale::new(digits).expect("in range")
}

fn trade(n: u64) -> Row {
    Row::Trade(Trade {
        market: market(n),
        trade_id: (1_000_000 + n).to_string(),
        price: Scaled::new(6_000_025, scale(2)),
        qty: Scaled::new(125, scale(4)),
        side: Some(Side::Buy),
        ts_venue: UnixNanos(1_700_000_000_000_000_000),
        ts_local: UnixNanos(1_700_000_000_000_000_000),
    })
}

fn book(n: u64, levels: i64) -> Row {
    let side =
        |from: i64| (0..levels.div_euclid(2).max(1)).map(move |i| Level::new(from + i, 125 + i)).collect();
    Row::BookChange(BookChange {
        market: market(n),
        epoch: 1,
        first_seq: n,
        last_seq: n,
        is_snapshot: false,
        price_scale: scale(2),
        qty_scale: scale(4),
        bids: side(6_000_000),
        asks: if levels > 1 { side(6_000_100) } else { Vec::new() },
        ts_venue: Some(UnixNanos(1_700_000_000_000_000_000)),
        ts_local: UnixNanos(1_700_000_000_000_000_000),
    })
}
