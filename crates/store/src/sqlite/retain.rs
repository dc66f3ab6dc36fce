//! Keeping market data for so long and no longer, a little at a time beside whoever writes.
//!
//! Owns which rows are old enough, the checksums of the batches they leave, and the log of what went. It refuses to
//! touch what an outbox has not handed on, what is not as it was written, and what no rule names.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params, params_from_iter};
use venuekit_types::UnixNanos;

use super::checksum::{self, Log, Part};
use super::open::{self, OpenError};
use crate::day::Day;
use crate::{SinkError, Table};

/// How long rows are kept, by table and venue. What no rule names is kept for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    log: Log,
    /// Every venue without a rule of its own where absent.
    venue: Option<String>,
    span: Duration,
}

impl Retention {
    /// The tables that may have a rule: instruments and gaps are what explains the others, and are kept. An account's
    /// own rows go by no rule but their own.
    pub const TABLES: [Table; 7] = [
        Table::Trade,
        Table::BookChange,
        Table::Ticker,
        Table::Candle,
        Table::OrderState,
        Table::Fill,
        Table::Movement,
    ];

    /// Keeps rows of a table for so long after their arrival: those of one venue, or of every venue without a rule of
    /// its own. A table that is not one of [`Retention::TABLES`] is kept all the same.
    pub fn keep(&mut self, table: Table, venue: Option<&str>, span: Duration) {
        let log = Log::parse(table.as_str()).filter(|_| Retention::TABLES.contains(&table));
        self.rules.extend(log.map(|log| Rule { log, venue: venue.map(str::to_owned), span }));
    }

    /// Whether everything is kept.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first arrival at `now` that is kept of a table and venue; nothing where all of it is.
    #[cfg(feature = "postgres")]
    pub(crate) fn kept_from(&self, table: Table, venue: &str, now: UnixNanos) -> Option<UnixNanos> {
        let of_table = || self.rules.iter().filter(|rule| rule.log.as_str() == table.as_str());
        let own = of_table().find(|rule| rule.venue.as_deref() == Some(venue));
        let rule = own.or_else(|| of_table().find(|rule| rule.venue.is_none()))?;
        Some(UnixNanos(before(now, rule.span)))
    }

    /// What a rule says of a row's venue, and the values in it.
    fn condition(&self, rule: &Rule) -> (String, Vec<Value>) {
        match &rule.venue {
            Some(venue) => ("venue = ?".to_owned(), vec![venue.clone().into()]),
            None => {
                let own = self.rules.iter().filter(|other| other.log == rule.log);
                let own: Vec<Value> = own.filter_map(|other| other.venue.clone()).map(Value::from).collect();
                let marks = vec!["?"; own.len()].join(", ");
                (format!("venue NOT IN ({marks})"), own)
            }
        }
    }
}

/// Rows of one table and venue that are old enough, or that went for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The table.
    pub table: Table,
    /// The venue.
    pub venue: String,
    /// How many rows.
    pub rows: u64,
    /// When the first of them arrived.
    pub oldest: UnixNanos,
    /// When the last of them arrived.
    pub newest: UnixNanos,
}

/// A connection that takes old rows away, beside a sink that writes.
#[derive(Debug)]
pub struct Retainer {
    conn: Connection,
    retention: Retention,
    /// The last batch that each rule is done with.
    done: Vec<i64>,
}

/// Parts that one step looks at, whether or not anything in them is old enough.
const LOOKED_AT: usize = 256;

impl Retainer {
    /// Opens a database that a [`Sqlite`](super::Sqlite) has made or migrated.
    ///
    /// **Errors**: [`OpenError`].
    pub fn open(path: &Path, retention: Retention) -> Result<Retainer, OpenError> {
        let done = vec![0; retention.rules.len()];
        Ok(Retainer { conn: open::open_beside(path)?, retention, done })
    }

    /// Counts what is old enough at `now`; it reads every row of the tables that have a rule.
    ///
    /// **Errors**: [`SinkError`].
    pub fn due(&self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        let mut due = Vec::new();
        for rule in &self.retention.rules {
            let (venues, mut values) = self.retention.condition(rule);
            let log = rule.log.as_str();
            let sql = format!(
                "SELECT venue, count(*), min(ts_local), max(ts_local) FROM {log}
                 WHERE {venues} AND ts_local < ? GROUP BY 1 ORDER BY 1"
            );
            values.push(before(now, rule.span).into());
            due.extend(removals(&self.conn, rule.log, &sql, values)?);
        }
        Ok(due)
    }

    /// Takes away at least one batch's rows that are old enough at `now`, until about `rows_max` are gone; nothing is
    /// left when it gives nothing. Each batch is a transaction of its own, which a sink hardly waits for.
    ///
    /// **Errors**: [`SinkError`]; `Corrupt` where a batch is not as it was written, which is not touched.
    pub fn step(&mut self, now: UnixNanos, rows_max: u64) -> Result<Vec<Removal>, SinkError> {
        let mut gone: BTreeMap<(Table, String), Removal> = BTreeMap::new();
        let mut looked_at = 0;
        for at in 0..self.retention.rules.len() {
            while let Some(removed) = self.part(at, now)? {
                for removal in removed {
                    let key = (removal.table, removal.venue.clone());
                    let sum = gone.entry(key).or_insert_with(|| Removal { rows: 0, ..removal.clone() });
                    sum.rows += removal.rows;
                    sum.newest = sum.newest.max(removal.newest);
                }
                looked_at += 1;
                let rows: u64 = gone.values().map(|removal| removal.rows).sum();
                if rows >= rows_max || (looked_at >= LOOKED_AT && rows > 0) {
                    return Ok(gone.into_values().collect());
                }
            }
        }
        Ok(gone.into_values().collect())
    }

    /// What went so far, by the day on which it went, the latest first.
    ///
    /// **Errors**: [`SinkError`].
    pub fn log(&self) -> Result<Vec<(Day, Removal)>, SinkError> {
        let mut select = self.conn.prepare(
            "SELECT day, log, venue, rows, oldest, newest FROM removal ORDER BY day DESC, log, venue",
        )?;
        let mut rows = select.query([])?;
        let mut log = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            let table = Retention::TABLES.into_iter().find(|table| table.as_str() == name);
            let Some(table) = table else { continue };
            let removal = Removal {
                table,
                venue: row.get(2)?,
                rows: row.get::<_, i64>(3)?.unsigned_abs(),
                oldest: UnixNanos(row.get(4)?),
                newest: UnixNanos(row.get(5)?),
            };
            log.push((Day::of(UnixNanos(row.get::<_, i64>(0)?.saturating_mul(DAY))), removal));
        }
        Ok(log)
    }

    /// The next part that a rule is not done with: what of it went, or nothing where it is not old enough yet.
    fn part(&mut self, at: usize, now: UnixNanos) -> Result<Option<Vec<Removal>>, SinkError> {
        let rule = &self.retention.rules[at];
        let (log, table) = (rule.log, rule.log.as_str());
        let (venues, values) = self.retention.condition(rule);
        let next = "SELECT batch, first_id, last_id FROM batch WHERE log = ?1 AND batch > ?2
                      AND batch <= (SELECT coalesce(min(batch), 9223372036854775807) FROM relay)
                    ORDER BY batch LIMIT 1";
        let part: Option<(i64, i64, i64)> = self
            .conn
            .prepare_cached(next)?
            .query_row(params![table, self.done[at]], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((batch, first_id, last_id)) = part else { return Ok(None) };
        let within = format!("FROM {table} WHERE id BETWEEN {first_id} AND {last_id} AND {venues}");
        let newest: Option<i64> = self.conn.query_row(
            &format!("SELECT max(ts_local) {within}"),
            params_from_iter(values.clone()),
            |row| row.get(0),
        )?;
        match newest {
            Some(newest) if newest >= before(now, rule.span) => return Ok(None),
            None => {
                self.done[at] = batch;
                return Ok(Some(Vec::new()));
            }
            Some(_) => {}
        }
        // Nothing enters a batch later; at most it was taken away meanwhile.
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stored = "SELECT rows, checksum FROM batch WHERE batch = ?1 AND log = ?2";
        let stored: Option<(i64, i64)> =
            tx.query_row(stored, params![batch, table], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((rows, sum)) = stored else {
            self.done[at] = batch;
            return Ok(Some(Vec::new()));
        };
        let sql =
            format!("SELECT venue, count(*), min(ts_local), max(ts_local) {within} GROUP BY 1 ORDER BY 1");
        let removed = removals(&tx, log, &sql, values.clone())?;
        let whole = checksum::reread(&tx, log, first_id, last_id)?;
        if whole.rows != rows || whole.sealed(batch, table).cast_signed() != sum {
            let text = format!("{table} rows of batch {batch} are not as they were written");
            return Err(SinkError::Corrupt(text.into()));
        }
        tx.execute(&format!("DELETE {within}"), params_from_iter(values))?;
        let left = Part { first_id, last_id, ..checksum::reread(&tx, log, first_id, last_id)? };
        if left.rows == 0 {
            tx.execute("DELETE FROM batch WHERE batch = ?1 AND log = ?2", params![batch, table])?;
        } else {
            let sum = left.sealed(batch, table).cast_signed();
            let keep = "UPDATE batch SET rows = ?3, checksum = ?4 WHERE batch = ?1 AND log = ?2";
            tx.execute(keep, params![batch, table, left.rows, sum])?;
        }
        for removal in &removed {
            let note = "INSERT INTO removal VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
                          rows = rows + excluded.rows, oldest = min(oldest, excluded.oldest),
                          newest = max(newest, excluded.newest)";
            let rows = i64::try_from(removal.rows).unwrap_or(i64::MAX);
            let (day, oldest, newest) = (now.0.div_euclid(DAY), removal.oldest.0, removal.newest.0);
            tx.execute(note, params![day, table, removal.venue, rows, oldest, newest])?;
        }
        tx.commit()?;
        self.done[at] = batch;
        Ok(Some(removed))
    }
}

/// Nanoseconds.
const DAY: i64 = 86_400_000_000_000;

/// The first arrival that is kept.
fn before(now: UnixNanos, span: Duration) -> i64 {
    now.0.saturating_sub(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX))
}

fn removals(conn: &Connection, log: Log, sql: &str, values: Vec<Value>) -> Result<Vec<Removal>, SinkError> {
    let table = Retention::TABLES.into_iter().find(|table| table.as_str() == log.as_str());
    let table = table.expect("only those tables have rules");
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut removals = Vec::new();
    while let Some(row) = rows.next()? {
        removals.push(Removal {
            table,
            venue: row.get(0)?,
            rows: row.get::<_, i64>(1)?.unsigned_abs(),
            oldest: UnixNanos(row.get(2)?),
            newest: UnixNanos(row.get(3)?),
        });
    }
    Ok(removals)
}
