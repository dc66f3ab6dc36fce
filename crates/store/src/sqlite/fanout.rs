//! Telling a bus of what was committed: its cursor over the batches, and the private rows that it is owed.
//!
//! Owns both. Of market data the cursor is the only state: what was published since it was last kept is published
//! again after a crash, under the same ids. An account's own rows are owed one by one, by rows that are written with
//! them and taken away when the bus has acknowledged them. It refuses to hold anything up: what goes before the bus
//! was told of it goes.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::checksum::{self, Log};
use super::open::{self, OpenError};
use super::stored;
use crate::{Bus, FanoutError, Message, Published, SinkError};

/// The committed rows of a database on their way to one bus.
///
/// It reads beside whoever writes. Its cursor is written without waiting for the disk: a power cut may set it back.
#[derive(Debug)]
pub struct Fanout {
    conn: Connection,
    sink: String,
    at: i64,
}

/// What one step of a [`Fanout`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Told {
    /// What the bus did with it; nothing where there was nothing to tell.
    pub published: Option<Published>,
    /// Batches that wait.
    pub behind: u64,
    /// Batches that went, by retention or for want of room, before the bus was told of them.
    pub missed: u64,
}

impl Fanout {
    /// Opens the way from a database to the bus of that name. One that is new begins with what is committed next.
    ///
    /// **Errors**: [`OpenError`]; a [`Sqlite`](super::Sqlite) must have made or migrated the file.
    pub fn open(path: &Path, sink: &str) -> Result<Fanout, OpenError> {
        let fail = |source: rusqlite::Error| OpenError::Engine { path: path.into(), source: source.into() };
        let mut conn = open::open_beside(path)?;
        let begin = |conn: &mut Connection| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = tx
                .query_row("SELECT batch FROM fanout WHERE sink = ?1", [sink], |row| row.get(0))
                .optional()?;
            let at = match known {
                Some(at) => at,
                None => {
                    let next = checksum::next_batch(&tx)?;
                    keep(&tx, sink, next - 1)?;
                    next - 1
                }
            };
            tx.commit()?;
            Ok(at)
        };
        let at = begin(&mut conn).map_err(fail)?;
        Ok(Fanout { conn, sink: sink.to_owned(), at })
    }

    /// Tells the bus of what is next, of about `rows_max` rows: private rows first, and at least one batch of market
    /// data. What the bus has acknowledged is not told again, unless this ends before it has said so.
    ///
    /// **Errors**: [`FanoutError`]; `Store(Corrupt)` where rows are not as they were written, which are not told.
    pub fn step(&mut self, bus: &mut (impl Bus + ?Sized), rows_max: usize) -> Result<Told, FanoutError> {
        let store = |error: rusqlite::Error| FanoutError::Store(error.into());
        let (owed, messages) = self.owed(rows_max).map_err(FanoutError::Store)?;
        if !owed.is_empty() {
            let published = bus.publish(&messages)?;
            self.settle(&owed).map_err(store)?;
            let behind = self.last().map_err(store)?.saturating_sub(self.at).unsigned_abs();
            return Ok(Told { published: Some(published), behind, missed: 0 });
        }
        let next = self.next(rows_max).map_err(FanoutError::Store)?;
        let Some(Next { messages, upto, behind, missed }) = next else { return Ok(Told::default()) };
        let published = if messages.is_empty() { Published::default() } else { bus.publish(&messages)? };
        keep(&self.conn, &self.sink, upto).map_err(store)?;
        self.at = upto;
        Ok(Told { published: Some(published), behind, missed })
    }

    /// The oldest private rows that the bus is owed, by the rows that say so.
    fn owed(&self, rows_max: usize) -> Result<(Vec<i64>, Vec<Message>), SinkError> {
        let tx = self.conn.unchecked_transaction()?;
        let mut select = tx.prepare_cached(
            "SELECT id, log, row, sum, checksum FROM outbox WHERE sink = ?1 ORDER BY id LIMIT ?2",
        )?;
        let limit = i64::try_from(rows_max.max(1)).unwrap_or(i64::MAX);
        let mut rows = select.query(params![self.sink, limit])?;
        let (mut owed, mut messages) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let (log, at, sum): (String, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
            if of_debt(&self.sink, &log, at, sum) != row.get::<_, i64>(4)? {
                return Err(SinkError::Corrupt("what a bus is owed is not as it was written".into()));
            }
            let log = Log::parse(&log).ok_or_else(|| stored::unlike(at, &log))?;
            // A rule may have taken the row away meanwhile: then nothing is left to tell.
            if let Some((row, found)) = stored::one(&tx, log, at)? {
                if found.cast_signed() != sum {
                    return Err(stored::unlike(at, log.as_str()));
                }
                messages.push(Message::of(&row));
            }
            owed.push(row.get(0)?);
        }
        Ok((owed, messages))
    }

    fn settle(&mut self, owed: &[i64]) -> rusqlite::Result<()> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut delete = tx.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
            for id in owed {
                delete.execute([id])?;
            }
        }
        tx.commit()
    }

    /// The next market data.
    fn next(&self, rows_max: usize) -> Result<Option<Next>, SinkError> {
        let tx = self.conn.unchecked_transaction()?;
        let is_public = |log: Log| !Log::PRIVATE.contains(&log);
        let Some(found) = stored::batches(&tx, self.at, rows_max, is_public)? else { return Ok(None) };
        let passed = found.upto.saturating_sub(self.at).unsigned_abs();
        drop(tx);
        Ok(Some(Next {
            messages: found.rows.iter().map(Message::of).collect(),
            upto: found.upto,
            behind: self.last()?.saturating_sub(found.upto).unsigned_abs(),
            missed: passed.saturating_sub(found.batches),
        }))
    }

    /// The last batch there is.
    fn last(&self) -> rusqlite::Result<i64> {
        let last = "SELECT coalesce(max(batch), 0) FROM batch";
        Ok(self.conn.query_row(last, [], |row| row.get::<_, i64>(0))?.max(self.at))
    }
}

/// Market data to be told.
struct Next {
    messages: Vec<Message>,
    upto: i64,
    behind: u64,
    missed: u64,
}

fn keep(conn: &Connection, sink: &str, upto: i64) -> rusqlite::Result<()> {
    let sum = checksum::of_row([sink.into(), ValueRef::Integer(upto)]).cast_signed();
    conn.execute("INSERT OR REPLACE INTO fanout VALUES (?1, ?2, ?3)", params![sink, upto, sum])?;
    Ok(())
}

/// Notes for every bus that it is to be told of a private row, whose sum is `sum`; `buses` are looked up once a batch.
pub(super) fn owe(
    tx: &Transaction<'_>,
    buses: &mut Option<Vec<String>>,
    (log, row, sum): (Log, i64, u64),
) -> rusqlite::Result<()> {
    if buses.is_none() {
        let mut select = tx.prepare_cached("SELECT sink FROM fanout ORDER BY sink")?;
        let found: Result<Vec<String>, _> = select.query_map([], |row| row.get(0))?.collect();
        *buses = Some(found?);
    }
    let (log, sum) = (log.as_str(), sum.cast_signed());
    for sink in buses.iter().flatten() {
        let mut insert = tx.prepare_cached(
            "INSERT INTO outbox (sink, log, row, sum, checksum) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![sink, log, row, sum, of_debt(sink, log, row, sum)])?;
    }
    Ok(())
}

fn of_debt(sink: &str, log: &str, row: i64, sum: i64) -> i64 {
    checksum::of_row([sink.into(), log.into(), ValueRef::Integer(row), ValueRef::Integer(sum)]).cast_signed()
}
