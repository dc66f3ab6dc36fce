//! Reading back what was stored: for checks, summaries and tools, beside the sink that writes.
//!
//! Owns no rules: it hands out rows as they stand, numbers as the text they are.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, Row, params};
use venuekit_types::UnixNanos;

use super::checksum::Log;
use super::open::{self, OpenError};
use super::stored;
use super::verify::{self, Verdict};
use crate::{Cursor, Fill, Gap, Limit, Market, Movement, OrderState, Owner, SinkError, Table};

/// A connection that only reads. It sees whole batches, those committed before each call.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
}

/// A stored book row, borrowed for the length of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange<'a> {
    /// First sequence number covered.
    pub first_seq: u64,
    /// Last sequence number covered.
    pub last_seq: u64,
    /// True when it replaces the book.
    pub is_snapshot: bool,
    /// Price and absolute quantity, as stored.
    pub bids: Vec<(&'a str, &'a str)>,
    /// Price and absolute quantity, as stored.
    pub asks: Vec<(&'a str, &'a str)>,
    /// The venue's stamp.
    pub ts_venue: Option<UnixNanos>,
    /// When it arrived.
    pub ts_local: UnixNanos,
}

/// A stored trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrade {
    /// The venue's id.
    pub trade_id: String,
    /// Price, as stored.
    pub price: String,
    /// Quantity, as stored.
    pub qty: String,
    /// `buy`, `sell` or `unknown`.
    pub side: String,
    /// The venue's stamp.
    pub ts_venue: UnixNanos,
    /// When it arrived.
    pub ts_local: UnixNanos,
}

/// How many rows of each kind a market has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketCounts {
    /// Which market.
    pub market: Market,
    /// Trades.
    pub trades: u64,
    /// Book rows, snapshots among them.
    pub book_changes: u64,
    /// Book generations with rows.
    pub epochs: u64,
    /// Tickers.
    pub tickers: u64,
    /// Candles.
    pub candles: u64,
    /// Gaps.
    pub gaps: u64,
    /// Gaps without `healed_at`.
    pub open_gaps: u64,
}

impl Reader {
    /// Opens a database beside whoever writes it.
    ///
    /// **Errors**: [`OpenError`]; it must exist, be ours, and not be of a newer schema.
    pub fn open(path: &Path) -> Result<Reader, OpenError> {
        Ok(Reader { conn: open::open_for_reading(path)? })
    }

    /// Counts the rows of every market that has any, by venue and symbol. It reads the keys of the whole file.
    ///
    /// **Errors**: [`SinkError`].
    pub fn counts(&self) -> Result<Vec<MarketCounts>, SinkError> {
        let mut statement = self.conn.prepare(
            "SELECT venue, symbol, sum(t), sum(b), sum(e), sum(k), sum(c), sum(g), sum(o) FROM (
               SELECT venue, symbol, count(*) t, 0 b, 0 e, 0 k, 0 c, 0 g, 0 o FROM trade GROUP BY 1, 2
               UNION ALL SELECT venue, symbol, 0, count(*), count(DISTINCT epoch), 0, 0, 0, 0 FROM book_change GROUP BY 1, 2
               UNION ALL SELECT venue, symbol, 0, 0, 0, count(*), 0, 0, 0 FROM ticker GROUP BY 1, 2
               UNION ALL SELECT venue, symbol, 0, 0, 0, 0, count(*), 0, 0 FROM candle GROUP BY 1, 2
               UNION ALL SELECT venue, symbol, 0, 0, 0, 0, 0, count(*), count(*) - count(healed_at) FROM gap GROUP BY 1, 2
             ) GROUP BY venue, symbol ORDER BY venue, symbol",
        )?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(MarketCounts {
                market: market(row)?,
                trades: seq(row, 2)?,
                book_changes: seq(row, 3)?,
                epochs: seq(row, 4)?,
                tickers: seq(row, 5)?,
                candles: seq(row, 6)?,
                gaps: seq(row, 7)?,
                open_gaps: seq(row, 8)?,
            });
        }
        Ok(all)
    }

    /// The book generations of a market that have rows, oldest first.
    ///
    /// **Errors**: [`SinkError`].
    pub fn epochs(&self, market: &Market) -> Result<Vec<u64>, SinkError> {
        let mut statement = self.conn.prepare(
            "SELECT DISTINCT epoch FROM book_change WHERE venue = ?1 AND symbol = ?2 ORDER BY epoch",
        )?;
        let mut rows = statement.query(params![market.venue, market.symbol.as_str()])?;
        let mut epochs = Vec::new();
        while let Some(row) = rows.next()? {
            epochs.push(seq(row, 0)?);
        }
        Ok(epochs)
    }

    /// Calls `each` with the book rows of one generation, by sequence number.
    ///
    /// **Errors**: [`SinkError`]; `Corrupt` where levels are no JSON.
    pub fn book_changes(
        &self,
        market: &Market,
        epoch: u64,
        mut each: impl FnMut(StoredChange<'_>),
    ) -> Result<(), SinkError> {
        let Ok(epoch) = i64::try_from(epoch) else { return Ok(()) };
        let mut statement = self.conn.prepare(
            "SELECT first_seq, last_seq, is_snapshot, bids, asks, ts_venue, ts_local FROM book_change
             WHERE venue = ?1 AND symbol = ?2 AND epoch = ?3 ORDER BY first_seq",
        )?;
        let mut rows = statement.query(params![market.venue, market.symbol.as_str(), epoch])?;
        while let Some(row) = rows.next()? {
            each(StoredChange {
                first_seq: seq(row, 0)?,
                last_seq: seq(row, 1)?,
                is_snapshot: row.get(2)?,
                bids: levels(row, 3)?,
                asks: levels(row, 4)?,
                ts_venue: row.get::<_, Option<i64>>(5)?.map(UnixNanos),
                ts_local: UnixNanos(row.get(6)?),
            });
        }
        Ok(())
    }

    /// Calls `each` with the trades of a market, in the order they were stored.
    ///
    /// **Errors**: [`SinkError`].
    pub fn trades(&self, market: &Market, mut each: impl FnMut(StoredTrade)) -> Result<(), SinkError> {
        let mut statement = self.conn.prepare(
            "SELECT trade_id, price, qty, side, ts_venue, ts_local FROM trade
             WHERE venue = ?1 AND symbol = ?2 ORDER BY id",
        )?;
        let mut rows = statement.query(params![market.venue, market.symbol.as_str()])?;
        while let Some(row) = rows.next()? {
            each(StoredTrade {
                trade_id: row.get(0)?,
                price: row.get(1)?,
                qty: row.get(2)?,
                side: row.get(3)?,
                ts_venue: UnixNanos(row.get(4)?),
                ts_local: UnixNanos(row.get(5)?),
            });
        }
        Ok(())
    }

    /// All gaps, in the order they were stored.
    ///
    /// **Errors**: [`SinkError`].
    pub fn gaps(&self) -> Result<Vec<Gap>, SinkError> {
        gaps(&self.conn, false)
    }

    /// Calls `each` with the states of an account's orders, in the order they were stored.
    ///
    /// **Errors**: [`SinkError`].
    pub fn order_states(&self, owner: &Owner, each: impl FnMut(OrderState)) -> Result<(), SinkError> {
        stored::of_owner(&self.conn, Log::OrderState, owner, stored::order_state, each)
    }

    /// Calls `each` with an account's fills, in the order they were stored.
    ///
    /// **Errors**: [`SinkError`].
    pub fn fills(&self, owner: &Owner, each: impl FnMut(Fill)) -> Result<(), SinkError> {
        stored::of_owner(&self.conn, Log::Fill, owner, stored::fill, each)
    }

    /// Calls `each` with the states of an account's movements, in the order they were stored.
    ///
    /// **Errors**: [`SinkError`].
    pub fn movements(&self, owner: &Owner, each: impl FnMut(Movement)) -> Result<(), SinkError> {
        stored::of_owner(&self.conn, Log::Movement, owner, stored::movement, each)
    }

    /// Compares every stored row with the checksums that were written with it, and the indexes with their tables.
    ///
    /// Damage in pages that hold no row, or between rows, changes nothing that anyone reads and is not looked for.
    ///
    /// **Errors**: [`SinkError`] where the disk or a lock fails; what the file itself has wrong is in the verdict.
    pub fn verify(&self) -> Result<Verdict, SinkError> {
        verify::verify(&self.conn)
    }

    /// How far each stream is stored, by venue, symbol and channel.
    ///
    /// **Errors**: [`SinkError`].
    pub fn cursors(&self) -> Result<Vec<Cursor>, SinkError> {
        cursors(&self.conn)
    }
}

impl Reader {
    /// Calls `each` with the rows of a table that arrived within a span, by arrival: `columns` of those of a market.
    pub(crate) fn between<E: From<SinkError>>(
        &self,
        (columns, table): (&str, Table),
        market: &Market,
        span: &Range<UnixNanos>,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!(
            "SELECT {columns} FROM {table} WHERE venue = ?1 AND symbol = ?2 AND ts_local >= ?3 AND ts_local < ?4
             ORDER BY ts_local, id"
        );
        let mut statement = self.conn.prepare(&sql).map_err(SinkError::from)?;
        let symbol = market.symbol.as_str();
        let mut rows = statement
            .query(params![market.venue, symbol, span.start.0, span.end.0])
            .map_err(SinkError::from)?;
        while let Some(row) = rows.next().map_err(SinkError::from)? {
            each(row)?;
        }
        Ok(())
    }
}

/// What venues let through, by origin and name.
pub(super) fn limits(conn: &Connection) -> Result<Vec<Limit>, SinkError> {
    let mut select =
        conn.prepare("SELECT origin, name, amount, at FROM request_limit ORDER BY origin, name")?;
    let mut rows = select.query([])?;
    let mut limits = Vec::new();
    while let Some(row) = rows.next()? {
        let amount = u32::try_from(row.get::<_, i64>(2)?).map_err(damaged)?;
        limits.push(Limit { origin: row.get(0)?, name: row.get(1)?, amount, at: UnixNanos(row.get(3)?) });
    }
    Ok(limits)
}

pub(super) fn cursors(conn: &Connection) -> Result<Vec<Cursor>, SinkError> {
    let mut statement = conn.prepare(
        "SELECT venue, symbol, channel, epoch, last_seq, ts_local FROM stream ORDER BY venue, symbol, channel",
    )?;
    let mut rows = statement.query([])?;
    let mut cursors = Vec::new();
    while let Some(row) = rows.next()? {
        cursors.push(Cursor {
            market: market(row)?,
            channel: Cow::Owned(row.get(2)?),
            epoch: seq(row, 3)?,
            last_seq: seq(row, 4)?,
            ts_local: UnixNanos(row.get(5)?),
        });
    }
    Ok(cursors)
}

pub(super) fn gaps(conn: &Connection, only_open: bool) -> Result<Vec<Gap>, SinkError> {
    let mut statement = conn.prepare(
        "SELECT venue, symbol, channel, epoch, from_seq, to_seq, cause, detected_at, healed_at FROM gap
         WHERE healed_at IS NULL OR NOT ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([only_open])?;
    let mut gaps = Vec::new();
    while let Some(row) = rows.next()? {
        gaps.push(Gap {
            market: market(row)?,
            channel: Cow::Owned(row.get(2)?),
            epoch: maybe_seq(row, 3)?,
            from_seq: maybe_seq(row, 4)?,
            to_seq: maybe_seq(row, 5)?,
            cause: Cow::Owned(row.get(6)?),
            detected_at: UnixNanos(row.get(7)?),
            healed_at: row.get::<_, Option<i64>>(8)?.map(UnixNanos),
        });
    }
    Ok(gaps)
}

/// The market from the first two columns.
fn market(row: &Row<'_>) -> Result<Market, SinkError> {
    let venue: String = row.get(0)?;
    let symbol: String = row.get(1)?;
    Ok(Market::new(venue, symbol.parse().map_err(damaged)?))
}

fn seq(row: &Row<'_>, column: usize) -> Result<u64, SinkError> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(damaged)
}

fn maybe_seq(row: &Row<'_>, column: usize) -> Result<Option<u64>, SinkError> {
    row.get::<_, Option<i64>>(column)?.map(u64::try_from).transpose().map_err(damaged)
}

fn levels<'a>(row: &'a Row<'_>, column: usize) -> Result<Vec<(&'a str, &'a str)>, SinkError> {
    let text = row.get_ref(column)?.as_str().map_err(damaged)?;
    serde_json::from_str(text).map_err(damaged)
}

/// Content that this crate never writes.
pub(super) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> SinkError {
    SinkError::Corrupt(Box::new(error))
}
