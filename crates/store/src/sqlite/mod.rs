//! The embedded sink: one SQLite file in WAL mode with `synchronous=FULL`, so that acknowledged means committed.
//!
//! Owns the connection and the mapping of its errors. It refuses to be shared: one owner, one thread at a time;
//! others read through a [`Reader`] or any SQLite tool while it writes.

mod checksum;
mod fanout;
mod open;
mod outbox;
mod read;
mod retain;
mod schema;
mod stored;
mod verify;
mod write;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use venuekit_types::UnixNanos;

pub use fanout::{Fanout, Told};
pub use open::{OpenError, OpenMode};
pub use outbox::{Outbox, RelayError, Relayed, Trimmed};
pub use read::{MarketCounts, Reader, StoredChange, StoredTrade};
pub use retain::{Removal, Retainer, Retention};
pub use verify::{Damage, Verdict};

use crate::{Batch, Limit, Market, Receipt, Resume, Sink, SinkError, World};

/// A SQLite database that takes rows.
#[derive(Debug)]
pub struct Sqlite {
    conn: Connection,
    text: write::Buffers,
    path: PathBuf,
    set_aside: Option<PathBuf>,
}

impl Sqlite {
    /// Opens a database, creating it with mode 0600 where there is none, and migrates an older schema.
    ///
    /// **Errors**: [`OpenError`]; a file that is not ours, of a newer schema, of another world or writable by
    /// others is refused and stays as it is.
    pub fn open(path: &Path, world: &World, mode: OpenMode) -> Result<Sqlite, OpenError> {
        let (conn, set_aside) = open::open(path, world, mode)?;
        Ok(Sqlite { conn, text: write::Buffers::default(), path: path.to_path_buf(), set_aside })
    }

    /// Takes away some of the oldest market data while the rows take up more than `bytes_max`, in a step small
    /// enough to stand between two commits; `now` names the gaps that it leaves.
    ///
    /// What every [`Outbox`] has handed on goes first. Then goes what still waits, each stretch named by a gap row
    /// with the cause `shed`, which is handed on in turn. Instruments and gaps stay. A file keeps its size on disk:
    /// room is used again, not given back.
    ///
    /// **Errors**: [`SinkError`].
    pub fn trim(&mut self, bytes_max: u64, now: UnixNanos) -> Result<Trimmed, SinkError> {
        outbox::trim(&mut self.conn, &mut self.text, bytes_max, now)
    }

    /// Bytes that rows take up; the file itself may be larger, by what was taken away.
    ///
    /// **Errors**: [`SinkError`].
    pub fn bytes(&self) -> Result<u64, SinkError> {
        outbox::bytes(&self.conn)
    }

    /// Never hands out `last` and the generations before it any more: another sink that takes the rows has them.
    ///
    /// **Errors**: [`SinkError`].
    pub fn raise_epochs(&mut self, market: &Market, last: u64) -> Result<(), SinkError> {
        let last = i64::try_from(last).map_err(read::damaged)?;
        self.move_epoch(market, |before| before.max(last))?;
        Ok(())
    }

    /// Moves the last generation of a market, and gives what it was.
    fn move_epoch(&mut self, market: &Market, to: impl FnOnce(i64) -> i64) -> Result<i64, SinkError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (venue, symbol) = (&*market.venue, market.symbol.as_str());
        let before: Option<i64> = tx
            .query_row("SELECT last FROM epoch WHERE venue = ?1 AND symbol = ?2", [venue, symbol], |row| {
                row.get(0)
            })
            .optional()?;
        let before = before.unwrap_or(0);
        let last = to(before);
        let sum = checksum::of_row([venue.into(), symbol.into(), ValueRef::Integer(last)]).cast_signed();
        tx.execute(
            "INSERT OR REPLACE INTO epoch VALUES (?1, ?2, ?3, ?4)",
            params![venue, symbol, last, sum],
        )?;
        tx.commit()?;
        Ok(before)
    }

    /// The file it writes to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where [`OpenMode::NewSimRun`] moved an earlier run's file, if it did.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }
}

impl Sink for Sqlite {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let mut receipt = Receipt::default();
        if batch.is_empty() {
            return Ok(receipt);
        }
        // A transaction that is dropped on an error rolls back.
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write::Writer::new(&tx, &mut self.text).write(batch, &mut receipt)?;
        tx.commit()?;
        Ok(receipt)
    }

    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        let before = self.move_epoch(market, |before| before.saturating_add(count.get().into()))?;
        Ok(before.unsigned_abs() + 1)
    }

    fn keep_limits(&mut self, limits: &[Limit]) -> Result<(), SinkError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for Limit { origin, name, amount, at } in limits {
            let values = [
                origin.as_str().into(),
                name.as_str().into(),
                ValueRef::Integer((*amount).into()),
                ValueRef::Integer(at.0),
            ];
            let sum = checksum::of_row(values).cast_signed();
            tx.execute(
                "INSERT OR REPLACE INTO request_limit VALUES (?1, ?2, ?3, ?4, ?5)",
                params![origin, name, amount, at.0, sum],
            )?;
        }
        Ok(tx.commit()?)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume {
            cursors: read::cursors(&self.conn)?,
            open_gaps: read::gaps(&self.conn, true)?,
            limits: read::limits(&self.conn)?,
        })
    }
}

impl From<rusqlite::Error> for SinkError {
    fn from(error: rusqlite::Error) -> SinkError {
        let code = error.sqlite_error().map(|e| (e.code, e.extended_code));
        let wrap = match code {
            // The shared-memory file could not grow: no room either.
            Some((ErrorCode::DiskFull, _) | (_, rusqlite::ffi::SQLITE_IOERR_SHMSIZE)) => SinkError::Full,
            Some((ErrorCode::ReadOnly, _)) => SinkError::ReadOnly,
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => SinkError::Busy,
            Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => SinkError::Corrupt,
            _ => SinkError::Other,
        };
        wrap(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use venuekit_types::{Scale, Scaled, UnixNanos};

    use super::*;
    use crate::{Counts, Row, Trade};

    fn trades(ids: std::ops::Range<u32>) -> Batch {
        let market = Market::new("doex", "BTC/USDT".parse().expect("a symbol"));
        let trade = |id: u32| {
            Row::Trade(Trade {
                market: market.clone(),
                trade_id: id.to_string(),
                price: Scaled::new(1, Scale::ZERO),
                qty: Scaled::new(1, Scale::ZERO),
                side: None,
                ts_venue: UnixNanos(0),
                ts_local: UnixNanos(0),
            })
        };
        Batch { rows: ids.map(trade).collect(), cursors: vec![] }
    }

    fn scratch() -> (tempfile::TempDir, Sqlite) {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let world = World::Sim { run_id: "1".into() };
        let sink = Sqlite::open(&dir.path().join("t.db"), &world, OpenMode::Resume).expect("opens");
        (dir, sink)
    }

    fn stored(sink: &Sqlite) -> u32 {
        sink.conn.query_row("SELECT count(*) FROM trade", [], |row| row.get(0)).expect("counts")
    }

    /// I3: no room is an error of its own, nothing of the batch stays, and the batch goes in once there is room.
    #[test]
    fn a_full_disk_is_named_and_outlived() {
        let (_dir, mut sink) = scratch();
        assert_eq!(sink.commit(&trades(0..10)).expect("fits").total().new, 10);
        let pages: u32 = sink.conn.pragma_query_value(None, "page_count", |row| row.get(0)).expect("reads");
        let limit = |sink: &Sqlite, pages: u32| {
            sink.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).expect("sets");
        };
        limit(&sink, pages + 2);
        let large = trades(5..5_000);
        for _ in 0..2 {
            let error = sink.commit(&large).expect_err("does not fit");
            assert!(matches!(error, SinkError::Full(_)), "{error:?}");
            assert_eq!(stored(&sink), 10);
        }
        assert_eq!(sink.commit(&trades(10..11)).expect("a small one still fits").total().new, 1);
        limit(&sink, 1_000_000);
        let counts = sink.commit(&large).expect("there is room again").total();
        assert_eq!(counts, Counts { new: 4_989, dup: 6, ..Counts::default() });
    }

    #[test]
    fn a_read_only_database_is_named_and_outlived() {
        let (_dir, mut sink) = scratch();
        sink.conn.pragma_update(None, "query_only", true).expect("sets");
        let error = sink.commit(&trades(0..3)).expect_err("cannot write");
        assert!(matches!(error, SinkError::ReadOnly(_)), "{error:?}");
        sink.conn.pragma_update(None, "query_only", false).expect("sets");
        assert_eq!(sink.commit(&trades(0..3)).expect("can write").total().new, 3);
    }

    #[test]
    fn another_writer_is_named_and_outlived() {
        let (_dir, mut sink) = scratch();
        sink.conn.busy_timeout(std::time::Duration::ZERO).expect("sets");
        let other = Connection::open(&sink.path).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("holds the lock");
        for error in [
            sink.commit(&trades(0..3)).expect_err("waits in vain"),
            sink.reserve_epochs(&Market::new("doex", "BTC/USDT".parse().expect("a symbol")), NonZeroU32::MIN)
                .expect_err("waits in vain"),
        ] {
            assert!(matches!(error, SinkError::Busy(_)), "{error:?}");
        }
        other.execute_batch("ROLLBACK").expect("lets go");
        assert_eq!(sink.commit(&trades(0..3)).expect("can write").total().new, 3);
    }

    #[test]
    fn a_damaged_page_is_named() {
        let (_dir, mut sink) = scratch();
        let _ = sink.commit(&trades(0..2_000)).expect("fits");
        let path = sink.path.clone();
        drop(sink);
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[8_192..].fill(0xFF);
        std::fs::write(&path, bytes).expect("writes");
        let error =
            Sqlite::open(&path, &World::Sim { run_id: "1".into() }, OpenMode::Resume).expect_err("damaged");
        assert!(matches!(error, OpenError::Engine { source: SinkError::Corrupt(_), .. }), "{error:?}");
    }

    #[test]
    fn every_commit_is_synchronous() {
        let (_dir, sink) = scratch();
        let pragma = |name: &str| {
            sink.conn
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .expect("reads")
        };
        assert_eq!(pragma("synchronous"), rusqlite::types::Value::Integer(2));
        assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".into()));
    }
}
