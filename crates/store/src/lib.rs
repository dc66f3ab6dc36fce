//! Sinks behind one trait, and the embedded default: SQLite.
//!
//! Who would take this crate alone: anyone who wants market data on disk exactly once. A commit is durable
//! when it returns, the same rows twice change nothing, and rows and stream cursors move together or not at all.
//!
//! ```
//! use venuekit_store::{Batch, Market, OpenMode, Row, Sink, Sqlite, Trade, World};
//! use venuekit_types::{Scale, Scaled, Side, UnixNanos};
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("venuekit.db");
//! let world = World::Sim { run_id: "seed-7".into() };
//! let mut sink = Sqlite::open(&path, &world, OpenMode::Resume)?;
//! let cents = Scale::new(2).expect("2 is within 0..=18");
//! let trade = Trade {
//!     market: Market::new("doex", "BTC/USDT".parse()?),
//!     trade_id: "1001".into(),
//!     price: Scaled::new(880_450, cents),
//!     qty: Scaled::new(25, cents),
//!     side: Some(Side::Buy),
//!     ts_venue: UnixNanos::from_millis(1_700_000_000_000),
//!     ts_local: UnixNanos::from_millis(1_700_000_000_004),
//! };
//! let batch = Batch { rows: vec![Row::Trade(trade)], cursors: vec![] };
//! assert_eq!(sink.commit(&batch)?.total().new, 1);
//! assert_eq!(sink.commit(&batch)?.total().dup, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It refuses: clocks (instants are arguments), threads, mixing live data with simulated, and overwriting a row.

#[cfg(feature = "parquet")]
mod archive;
mod bus;
mod csv;
mod day;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
mod private;
mod rows;
mod shard;
mod sink;
mod sqlite;
mod switch;
mod text;
#[cfg(any(feature = "nats", feature = "postgres"))]
mod tls;
mod world;

#[cfg(feature = "parquet")]
pub use archive::{ArchiveError, Archived, archive};
pub use bus::{Bus, BusError, FanoutError, Message, Published, SUBJECT_PREFIX};
pub use csv::{CsvError, Tardis, dump};
pub use day::{Day, DayError};
#[cfg(feature = "nats")]
pub use nats::{Nats, NatsError, NatsSettings};
pub use private::{Desk, Fill, Movement, OrderState, Owner};
pub use rows::{Batch, BookChange, Candle, Cursor, Gap, InstrumentSeen, Market, Row, Table, Ticker, Trade};
pub use shard::{Shard, assign};
pub use sink::{Counts, Limit, Receipt, Refused, Resume, Sink, SinkError, Why};
pub use sqlite::{
    Damage, Fanout, MarketCounts, OpenError, OpenMode, Outbox, Reader, RelayError, Relayed, Removal,
    Retainer, Retention, Sqlite, StoredChange, StoredTrade, Told, Trimmed, Verdict,
};
pub use switch::{SWITCH_TABLE, SwitchError, SwitchRow};
pub use world::World;
