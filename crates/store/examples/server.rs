//! Rows per second that a Postgres server takes, directly and out of a spool that waited; `PGHOST` and its
//! companions name an empty database:
//! `cargo run --release -p venuekit-store --features postgres --example server`.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::Instant;

use venuekit_store::postgres::{Dsn, Postgres};
use venuekit_store::{Batch, BookChange, Market, OpenMode, Outbox, Row, Sink, Sqlite, Trade, World};
use venuekit_types::{Level, Scale, Scaled, Side, UnixNanos};

const ROWS: u64 = 200_000;
const PER_BATCH: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dsn = Dsn::from_variables(|name| std::env::var(name).ok())?;
    let world = World::Sim { run_id: "bench".into() };
    let mut server = Postgres::connect(&dsn, &world)?;
    for (name, make) in [("trades", trade as fn(u64) -> Row), ("book, 10 levels", book)] {
        for round in ["new", "repeated"] {
            let began = Instant::now();
            for start in (0..ROWS).step_by(usize::try_from(PER_BATCH)?) {
                let receipt = server.commit(&batch(start, make))?;
                assert_eq!(receipt.total().refused, 0, "no row conflicts");
            }
            println!("{name:15} {round:8} {} rows/s", rate(ROWS, began));
        }
    }
    let scratch = tempfile::tempdir()?;
    let path = scratch.path().join("spool.db");
    let mut spool = Sqlite::open(&path, &world, OpenMode::Resume)?;
    let began = Instant::now();
    for start in (ROWS..2 * ROWS).step_by(usize::try_from(PER_BATCH)?) {
        let _ = spool.commit(&batch(start, book))?;
    }
    println!("into the spool           {} rows/s", rate(ROWS, began));
    let mut outbox = Outbox::open(&path, "server")?;
    let began = Instant::now();
    while outbox.step(&mut server, 4_000)?.receipt.is_some() {}
    println!("out of the spool         {} rows/s", rate(ROWS, began));
    Ok(())
}

fn rate(rows: u64, began: Instant) -> u128 {
    u128::from(rows) * 1_000_000 / began.elapsed().as_micros().max(1)
}

fn batch(start: u64, make: fn(u64) -> Row) -> Batch {
    Batch { rows: (start..start + PER_BATCH).map(make).collect(), cursors: vec![] }
}

fn market() -> Market {
    Market::new("doex", "BTC/USDT".parse().expect("valid"))
}

fn scale(digits: u8) -> Scale {
    Scale::new(digits).expect("in range")
}

/// A row every 100 µs.
fn at(n: u64) -> UnixNanos {
    UnixNanos(1_795_478_400_000_000_000 + i64::try_from(n * 100_000).expect("small"))
}

fn trade(n: u64) -> Row {
    Row::Trade(Trade {
        market: market(),
        trade_id: (1_000_000 + n).to_string(),
        price: Scaled::new(6_000_025, scale(2)),
        qty: Scaled::new(125, scale(4)),
        side: Some(Side::Buy),
        ts_venue: at(n),
        ts_local: at(n),
    })
}

fn book(n: u64) -> Row {
    let side = |from: i64| (0..5).map(move |i| Level::new(from + i, 125 + i)).collect();
    Row::BookChange(BookChange {
        market: market(),
        epoch: 1,
        first_seq: n,
        last_seq: n,
        is_snapshot: false,
        price_scale: scale(2),
        qty_scale: scale(4),
        bids: side(6_000_000),
        asks: side(6_000_100),
        ts_venue: Some(at(n)),
        ts_local: at(n),
    })
}
