//! The database as a spool: its batches handed on to another sink, and its size held.
//!
//! Owns the cursor of that sink and what may go when there is no room. A batch is handed on whole and checked, at
//! least once and in order; stable ids make that exactly once where it arrives. It refuses to shed anything but
//! market data, and each loss leaves a gap row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use venuekit_types::UnixNanos;

use super::checksum::{self, Log};
use super::open::{self, OpenError};
use super::stored::{batches, number_or_none, unlike};
use super::{read, write};
use crate::{Batch, Gap, Market, Receipt, Row, Sink, SinkError};

/// The batches of a database on their way to one other sink.
///
/// It reads beside whoever writes. Its cursor is written without waiting for the disk: a power cut may set it back,
/// and what was handed on since is then handed on again.
#[derive(Debug)]
pub struct Outbox {
    conn: Connection,
    sink: String,
    at: i64,
}

/// What one step of an [`Outbox`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Relayed {
    /// What the other sink said; nothing where there was nothing to hand on.
    pub receipt: Option<Receipt>,
    /// Batches that wait.
    pub behind: u64,
}

/// Why a step failed. The cursor stands where it stood, and the step may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database on this side.
    #[error("the spool failed")]
    Spool(#[source] SinkError),
    /// The sink on the other side.
    #[error("the sink that the spool feeds failed")]
    Remote(#[source] SinkError),
}

impl Outbox {
    /// Opens the outbox of a database for the sink of that name, which starts with the oldest batch there is.
    ///
    /// **Errors**: [`OpenError`]; a [`Sqlite`](super::Sqlite) must have made or migrated the file.
    pub fn open(path: &Path, sink: &str) -> Result<Outbox, OpenError> {
        let fail = |source: rusqlite::Error| OpenError::Engine { path: path.into(), source: source.into() };
        let conn = open::open_beside(path)?;
        let at = conn
            .query_row("SELECT batch FROM relay WHERE sink = ?1", [sink], |row| row.get(0))
            .optional()
            .map_err(fail)?;
        let mut outbox = Outbox { conn, sink: sink.to_owned(), at: at.unwrap_or(0) };
        // A row from the start, so that what this sink has not taken yet is known to wait.
        outbox.keep(outbox.at).map_err(fail)?;
        Ok(outbox)
    }

    /// Hands on the next batches, up to about `rows_max` rows and at least one batch, and keeps the cursor once the
    /// other sink has acknowledged them. Cursors of streams go along when nothing is left behind.
    ///
    /// **Errors**: [`RelayError`]; `Spool(Corrupt)` where a batch is not as it was written, which is not handed on.
    pub fn step(
        &mut self,
        remote: &mut (impl Sink + ?Sized),
        rows_max: usize,
    ) -> Result<Relayed, RelayError> {
        let next = self.next(rows_max).map_err(RelayError::Spool)?;
        let Some((batch, upto, behind)) = next else { return Ok(Relayed { receipt: None, behind: 0 }) };
        let receipt = remote.commit(&batch).map_err(RelayError::Remote)?;
        self.keep(upto).map_err(|error| RelayError::Spool(error.into()))?;
        Ok(Relayed { receipt: Some(receipt), behind })
    }

    /// The next rows, the last batch they come from, and how many batches follow.
    fn next(&self, rows_max: usize) -> Result<Option<(Batch, i64, u64)>, SinkError> {
        // One moment for all of it: cursors must not be ahead of rows.
        let tx = self.conn.unchecked_transaction()?;
        let Some(found) = batches(&tx, self.at, rows_max, |_| true)? else { return Ok(None) };
        let upto = found.upto;
        let mut batch = Batch { rows: found.rows, cursors: Vec::new() };
        let behind: i64 =
            tx.query_row("SELECT count(DISTINCT batch) FROM batch WHERE batch > ?1", [upto], |row| {
                row.get(0)
            })?;
        if behind == 0 {
            batch.cursors = read::cursors(&tx)?;
        }
        Ok(Some((batch, upto, behind.unsigned_abs())))
    }

    fn keep(&mut self, upto: i64) -> rusqlite::Result<()> {
        let sum = checksum::of_row([self.sink.as_str().into(), ValueRef::Integer(upto)]).cast_signed();
        self.conn
            .execute("INSERT OR REPLACE INTO relay VALUES (?1, ?2, ?3)", params![self.sink, upto, sum])?;
        self.at = upto;
        Ok(())
    }
}

/// What holding a database's size took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows that every sink with an outbox here has taken.
    pub taken: u64,
    /// Rows that are lost, each stretch named by a gap.
    pub shed: u64,
}

/// How many batches one step of trimming looks at, so that no step holds up a commit for long.
const TRIM_BATCHES: i64 = 32;

/// The tables that may be shed, with the channel that a gap names and the numbers it misses.
const MARKET_DATA: [(Log, &str, &str, &str); 4] = [
    (Log::Trade, "'trades'", "NULL", "NULL, NULL"),
    (Log::BookChange, "'book'", "epoch", "min(first_seq), max(last_seq)"),
    (Log::Ticker, "'ticker'", "epoch", "min(seq), max(seq)"),
    (Log::Candle, "'candles:' || interval", "NULL", "NULL, NULL"),
];

/// Bytes of the pages that hold something.
pub(super) fn bytes(conn: &Connection) -> Result<u64, SinkError> {
    let pragma =
        |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0).map(i64::unsigned_abs));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.saturating_mul(pragma("page_size")?))
}

/// Takes away the oldest market data in one small step, if the database holds more than `bytes_max`.
pub(super) fn trim(
    conn: &mut Connection,
    text: &mut write::Buffers,
    bytes_max: u64,
    now: UnixNanos,
) -> Result<Trimmed, SinkError> {
    let mut trimmed = Trimmed::default();
    if bytes(conn)? <= bytes_max {
        return Ok(trimmed);
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: i64 = tx.query_row("SELECT coalesce(min(batch), 0) FROM relay", [], |row| row.get(0))?;
    let mut gaps = BTreeMap::new();
    for (number, log, first_id, last_id) in oldest(&tx)? {
        let Some(&(_, channel, epoch, range)) = MARKET_DATA.iter().find(|entry| entry.0 == log) else {
            continue;
        };
        let table = log.as_str();
        if number > taken {
            lost(&tx, (table, channel, epoch, range), (first_id, last_id), now, &mut gaps)?;
        }
        let rows = tx.execute(
            &format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2"),
            params![first_id, last_id],
        )?;
        tx.execute("DELETE FROM batch WHERE batch = ?1 AND log = ?2", params![number, table])?;
        let count = if number > taken { &mut trimmed.shed } else { &mut trimmed.taken };
        *count += rows as u64;
    }
    let rows = gaps.into_values().map(|gap| Row::Gap(Box::new(gap))).collect();
    write::Writer::new(&tx, text).write(&Batch { rows, cursors: Vec::new() }, &mut Receipt::default())?;
    tx.commit()?;
    Ok(trimmed)
}

/// Parts of the oldest batches that hold market data.
fn oldest(tx: &Transaction<'_>) -> Result<Vec<(i64, Log, i64, i64)>, SinkError> {
    let mut select = tx.prepare_cached(
        "SELECT batch, log, first_id, last_id FROM batch
         WHERE log IN ('trade', 'book_change', 'ticker', 'candle') ORDER BY batch LIMIT ?1",
    )?;
    let mut rows = select.query([TRIM_BATCHES])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, table): (i64, String) = (row.get(0)?, row.get(1)?);
        let log = Log::parse(&table).ok_or_else(|| unlike(number, &table))?;
        parts.push((number, log, row.get(2)?, row.get(3)?));
    }
    Ok(parts)
}

type GapKey = (String, String, String, Option<i64>);

/// Names what goes lost with rows that nobody has taken: one gap a stream and generation.
fn lost(
    tx: &Transaction<'_>,
    (table, channel, epoch, range): (&str, &str, &str, &str),
    (first_id, last_id): (i64, i64),
    now: UnixNanos,
    gaps: &mut BTreeMap<GapKey, Gap>,
) -> Result<(), SinkError> {
    let mut select = tx.prepare_cached(&format!(
        "SELECT venue, symbol, {channel}, {epoch}, {range} FROM {table} WHERE id BETWEEN ?1 AND ?2 GROUP BY 1, 2, 3, 4"
    ))?;
    let mut rows = select.query(params![first_id, last_id])?;
    while let Some(row) = rows.next()? {
        let key: GapKey = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (from, to) = (number_or_none(row.get(4)?)?, number_or_none(row.get(5)?)?);
        // Several generations of a stream in one step are several gaps, of which each needs its own instant.
        let at = now.0.saturating_add(i64::try_from(gaps.len()).unwrap_or(i64::MAX));
        let market = Market::new(key.0.as_str(), key.1.parse().map_err(read::damaged)?);
        let gap = gaps.entry(key.clone()).or_insert_with(|| Gap {
            market,
            channel: Cow::Owned(key.2),
            epoch: key.3.and_then(|epoch| u64::try_from(epoch).ok()),
            from_seq: from,
            to_seq: to,
            cause: Cow::Borrowed("shed"),
            detected_at: UnixNanos(at),
            // What follows is stored: the stretch has an end.
            healed_at: Some(UnixNanos(at)),
        });
        gap.from_seq = gap.from_seq.min(from);
        gap.to_seq = gap.to_seq.max(to);
    }
    Ok(())
}
