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
use venuekit_types::{
    Fixed, Instrument, Kind, Level, Price, Qty, Scale, Scaled, Side, Status, Symbol, UnixNanos, parse_scaled,
};

use super::checksum::{self, Log, Part};
use super::open::{self, OpenError};
use super::{read, write};
use crate::{
    Batch, BookChange, Candle, Gap, InstrumentSeen, Market, Receipt, Row, Sink, SinkError, Ticker, Trade,
};

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
        let mut parts = tx.prepare_cached(
            "SELECT batch, log, first_id, last_id, rows, checksum FROM batch WHERE batch > ?1 ORDER BY batch",
        )?;
        let mut parts = parts.query([self.at])?;
        let mut batch = Batch::default();
        // Of one batch, what heals a gap comes last.
        let mut heals = Vec::new();
        let mut upto = self.at;
        while let Some(row) = parts.next()? {
            let (number, table): (i64, String) = (row.get(0)?, row.get(1)?);
            if number != upto && batch.rows.len() + heals.len() >= rows_max {
                break;
            }
            upto = number;
            let log = Log::parse(&table).ok_or_else(|| unlike(number, &table))?;
            let rows = if log == Log::Heal { &mut heals } else { &mut batch.rows };
            let found = read_part(&tx, log, (row.get(2)?, row.get(3)?), rows)?;
            if found.rows != row.get::<_, i64>(4)?
                || found.sealed(number, &table).cast_signed() != row.get::<_, i64>(5)?
            {
                return Err(unlike(number, &table));
            }
        }
        if upto == self.at {
            return Ok(None);
        }
        batch.rows.append(&mut heals);
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

fn unlike(batch: i64, table: &str) -> SinkError {
    SinkError::Corrupt(format!("{table} rows of batch {batch} are not as they were written").into())
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

fn number_or_none(number: Option<i64>) -> Result<Option<u64>, SinkError> {
    number.map(u64::try_from).transpose().map_err(read::damaged)
}

/// Reads a part back as the rows that entered, and adds them up.
fn read_part(
    conn: &Connection,
    log: Log,
    (first_id, last_id): (i64, i64),
    rows: &mut Vec<Row>,
) -> Result<Part, SinkError> {
    let table = log.as_str();
    let mut select = conn.prepare_cached(&format!(
        "SELECT {} WHERE {table}.id BETWEEN ?1 AND ?2 ORDER BY {table}.id",
        log.source()
    ))?;
    let columns = select.column_count();
    let mut stored = select.query(params![first_id, last_id])?;
    let mut part = Part { first_id, last_id, ..Part::default() };
    while let Some(row) = stored.next()? {
        part.rows += 1;
        part.sum = part.sum.wrapping_add(checksum::of_stored(row, columns)?);
        rows.push(match log {
            Log::Instrument => Row::Instrument(Box::new(instrument(row)?)),
            Log::Trade => Row::Trade(trade(row)?),
            Log::BookChange => Row::BookChange(book_change(row)?),
            Log::Ticker => Row::Ticker(Box::new(ticker(row)?)),
            Log::Candle => Row::Candle(Box::new(candle(row)?)),
            Log::Gap => Row::Gap(Box::new(gap(row)?)),
            Log::Heal => Row::Gap(Box::new(healed(conn, row)?)),
        });
    }
    Ok(part)
}

type Stored<'a> = rusqlite::Row<'a>;

fn market(row: &Stored<'_>) -> Result<Market, SinkError> {
    let symbol: Symbol = text(row, 1)?.parse().map_err(read::damaged)?;
    Ok(Market::new(text(row, 0)?, symbol))
}

fn text<'r>(row: &'r Stored<'_>, at: usize) -> Result<&'r str, SinkError> {
    row.get_ref(at)?.as_str().map_err(read::damaged)
}

fn time(row: &Stored<'_>, at: usize) -> Result<UnixNanos, SinkError> {
    Ok(UnixNanos(row.get(at)?))
}

fn time_or_none(row: &Stored<'_>, at: usize) -> Result<Option<UnixNanos>, SinkError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(UnixNanos))
}

fn seq(row: &Stored<'_>, at: usize) -> Result<u64, SinkError> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(read::damaged)
}

fn scaled(row: &Stored<'_>, at: usize) -> Result<Scaled, SinkError> {
    let Fixed { mantissa, scale } = text(row, at)?.parse().map_err(read::damaged)?;
    Ok(Scaled::new(mantissa, scale))
}

fn trade(row: &Stored<'_>) -> Result<Trade, SinkError> {
    Ok(Trade {
        market: market(row)?,
        trade_id: row.get(2)?,
        price: scaled(row, 3)?,
        qty: scaled(row, 4)?,
        side: match text(row, 5)? {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            _ => None,
        },
        ts_venue: time(row, 6)?,
        ts_local: time(row, 7)?,
    })
}

fn book_change(row: &Stored<'_>) -> Result<BookChange, SinkError> {
    type Side<'r> = Vec<(&'r str, &'r str)>;
    let bids: Side<'_> = serde_json::from_str(text(row, 6)?).map_err(read::damaged)?;
    let asks: Side<'_> = serde_json::from_str(text(row, 7)?).map_err(read::damaged)?;
    // Any scale that holds all of them gives the same text again.
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = |most: Option<usize>| {
        let digits = u8::try_from(most.unwrap_or(0)).map_err(read::damaged)?;
        Scale::new(digits).ok_or_else(|| SinkError::Corrupt("a level has too many digits".into()))
    };
    let both = || bids.iter().chain(&asks);
    let price_scale = scale(both().map(|level| digits(level.0)).max())?;
    let qty_scale = scale(both().map(|level| digits(level.1)).max())?;
    let levels = |side: &Side<'_>| {
        let level = |&(price, qty): &(&str, &str)| {
            let price = parse_scaled(price.as_bytes(), price_scale).map_err(read::damaged)?;
            let qty = parse_scaled(qty.as_bytes(), qty_scale).map_err(read::damaged)?;
            Ok(Level::new(price, qty))
        };
        side.iter().map(level).collect::<Result<Vec<_>, SinkError>>()
    };
    Ok(BookChange {
        market: market(row)?,
        epoch: seq(row, 2)?,
        first_seq: seq(row, 3)?,
        last_seq: seq(row, 4)?,
        is_snapshot: row.get(5)?,
        price_scale,
        qty_scale,
        bids: levels(&bids)?,
        asks: levels(&asks)?,
        ts_venue: time_or_none(row, 8)?,
        ts_local: time(row, 9)?,
    })
}

fn ticker(row: &Stored<'_>) -> Result<Ticker, SinkError> {
    Ok(Ticker {
        market: market(row)?,
        epoch: seq(row, 2)?,
        seq: seq(row, 3)?,
        bid: row.get(4)?,
        bid_qty: row.get(5)?,
        ask: row.get(6)?,
        ask_qty: row.get(7)?,
        last: row.get(8)?,
        mark: row.get(9)?,
        index: row.get(10)?,
        funding_rate: row.get(11)?,
        next_funding_at: time_or_none(row, 12)?,
        open_interest: row.get(13)?,
        volume: row.get(14)?,
        quote_volume: row.get(15)?,
        ts_venue: time_or_none(row, 16)?,
        ts_local: time(row, 17)?,
    })
}

fn candle(row: &Stored<'_>) -> Result<Candle, SinkError> {
    Ok(Candle {
        market: market(row)?,
        interval: Cow::Owned(row.get(2)?),
        open_at: time(row, 3)?,
        open: row.get(4)?,
        high: row.get(5)?,
        low: row.get(6)?,
        close: row.get(7)?,
        volume: row.get(8)?,
        ts_local: time(row, 9)?,
    })
}

fn gap(row: &Stored<'_>) -> Result<Gap, SinkError> {
    Ok(Gap {
        market: market(row)?,
        channel: Cow::Owned(row.get(2)?),
        epoch: number_or_none(row.get(3)?)?,
        from_seq: number_or_none(row.get(4)?)?,
        to_seq: number_or_none(row.get(5)?)?,
        cause: Cow::Owned(row.get(6)?),
        detected_at: time(row, 7)?,
        healed_at: time_or_none(row, 8)?,
    })
}

fn healed(conn: &Connection, row: &Stored<'_>) -> Result<Gap, SinkError> {
    let mut select = conn.prepare_cached(&format!("SELECT {} WHERE gap.id = ?1", Log::Gap.source()))?;
    let mut gaps = select.query([row.get::<_, i64>(0)?])?;
    let found = gaps.next()?.ok_or_else(|| SinkError::Corrupt("a gap that healed is not there".into()))?;
    Ok(Gap { healed_at: time_or_none(row, 1)?, ..gap(found)? })
}

fn instrument(row: &Stored<'_>) -> Result<InstrumentSeen, SinkError> {
    let scale = |at| {
        let digits = u8::try_from(row.get::<_, i64>(at)?).map_err(read::damaged)?;
        Scale::new(digits).ok_or_else(|| SinkError::Corrupt("an instrument has too many digits".into()))
    };
    let (price_scale, qty_scale) = (scale(5)?, scale(6)?);
    let counted = |at, scale| parse_scaled(text(row, at)?.as_bytes(), scale).map_err(read::damaged);
    let qty_or_none = |at| {
        let stored: Option<String> = row.get(at)?;
        stored
            .map(|text| parse_scaled(text.as_bytes(), qty_scale).map(Qty))
            .transpose()
            .map_err(read::damaged)
    };
    let fixed_or_none = |at| {
        let stored: Option<String> = row.get(at)?;
        stored.map(|text| text.parse::<Fixed>()).transpose().map_err(read::damaged)
    };
    let unknown = |what: &str| SinkError::Corrupt(format!("{what:?} is no word for an instrument").into());
    let Market { venue, symbol } = market(row)?;
    Ok(InstrumentSeen {
        venue,
        terms: Instrument {
            venue_symbol: row.get(2)?,
            aliases: Vec::new(),
            symbol,
            kind: match text(row, 3)? {
                "spot" => Kind::Spot,
                "perpetual" => Kind::Perpetual,
                "future" => Kind::Future,
                other => return Err(unknown(other)),
            },
            status: match text(row, 4)? {
                "trading" => Status::Trading,
                "halted" => Status::Halted,
                "delisted" => Status::Delisted,
                other => return Err(unknown(other)),
            },
            price_scale,
            qty_scale,
            tick: Price(counted(7, price_scale)?),
            step: Qty(counted(8, qty_scale)?),
            min_qty: qty_or_none(9)?,
            max_qty: qty_or_none(10)?,
            min_notional: fixed_or_none(11)?,
            contract_size: fixed_or_none(12)?,
            inverse: row.get(13)?,
            maker_fee: fixed_or_none(14)?,
            taker_fee: fixed_or_none(15)?,
            // The store counts versions; a session's own are not stored.
            version: 0,
        },
        ts_local: time(row, 16)?,
    })
}
