//! Keeping market data on a server for so long and no longer: whole days go at once, and the rest a little at a time.
//!
//! Owns which days are over for everybody, and the log of what went. It refuses to touch anything but market data, and
//! to run twice at once: one retainer of a database works, the others find nothing to do.

use std::time::Duration;

use tokio_postgres::{Client, Transaction};
use venuekit_types::UnixNanos;

use super::link::{Link, LinkError};
use super::{ConnectError, Dsn, ready};
use crate::day::Day;
use crate::sqlite::{Removal, Retention};
use crate::{SinkError, Table};

/// What one retainer locks while it works; the number is arbitrary and must not change.
const LOCK: i64 = 0x564B_5254;
/// How long counting a day may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Nanoseconds.
const DAY: i64 = 86_400_000_000_000;

/// A connection that takes old rows of a server away, beside whoever writes.
#[derive(Debug)]
pub struct ServerRetainer {
    link: Link,
    retention: Retention,
}

/// A part of a table.
struct Partition {
    name: String,
    /// Nothing for those that hold rows of any day.
    day: Option<Day>,
}

/// A venue, and the first arrival of it that is kept.
type Bound = (String, i64);

impl ServerRetainer {
    /// Connects; an older schema is migrated.
    ///
    /// **Errors**: [`ConnectError`].
    pub fn connect(dsn: &Dsn, retention: Retention) -> Result<ServerRetainer, ConnectError> {
        Ok(ServerRetainer { link: ready(dsn, None)?, retention })
    }

    /// Counts what is old enough at `now`.
    ///
    /// **Errors**: [`SinkError`].
    pub fn due(&mut self, now: UnixNanos) -> Result<Vec<Removal>, SinkError> {
        let ServerRetainer { link, retention } = self;
        let act = async |client: &mut Client, _| {
            let tx = client.transaction().await?;
            let mut due = Vec::new();
            for table in Retention::TABLES {
                for (venue, before) in bounds(&tx, retention, table, now).await? {
                    let rows = format!("FROM {table} WHERE venue = $1 AND ts_local < $2");
                    due.extend(counted(&tx, table, &rows, &venue, before).await?);
                }
            }
            Ok(due)
        };
        link.run_within(WITHIN, act).map_err(LinkError::into_sink)
    }

    /// Takes one day away that is old enough as a whole at `now`, or about `rows_max` rows of others; nothing is left
    /// when it gives nothing.
    ///
    /// **Errors**: [`SinkError`]; `Busy` where a writer was in the way, which is no loss.
    pub fn step(&mut self, now: UnixNanos, rows_max: u64) -> Result<Vec<Removal>, SinkError> {
        let ServerRetainer { link, retention } = self;
        let act = async |client: &mut Client, _| {
            let tx = client.transaction().await?;
            // Writers wait for us no longer than they would for each other.
            tx.batch_execute("SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'").await?;
            let held = tx.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&LOCK]).await?;
            if !held.get::<_, bool>(0) {
                return Ok(Vec::new());
            }
            for table in Retention::TABLES {
                let bounds = bounds(&tx, retention, table, now).await?;
                let Some(latest) = bounds.iter().map(|(_, before)| *before).max() else { continue };
                for partition in partitions(&tx, table).await? {
                    // A day that is not over by then holds rows that are kept.
                    if partition.day.is_some_and(|day| day.next().start().0 > latest) {
                        continue;
                    }
                    let gone = match whole_day(&tx, table, &partition, &bounds).await? {
                        Some(gone) => gone,
                        None => some_rows(&tx, table, &partition, &bounds, rows_max).await?,
                    };
                    if !gone.is_empty() {
                        note(&tx, now, &gone).await?;
                        tx.commit().await?;
                        return Ok(gone);
                    }
                }
            }
            // Days that were empty are gone without a word.
            tx.commit().await?;
            Ok(Vec::new())
        };
        link.run_within(WITHIN, act).map_err(LinkError::into_sink)
    }

    /// What went so far, by the day on which it went, the latest first.
    ///
    /// **Errors**: [`SinkError`].
    pub fn log(&mut self) -> Result<Vec<(Day, Removal)>, SinkError> {
        let act = async |client: &mut Client, _| {
            let sql =
                "SELECT day, log, venue, rows, oldest, newest FROM removal ORDER BY day DESC, log, venue";
            client.query(sql, &[]).await
        };
        let rows = self.link.run(act).map_err(LinkError::into_sink)?;
        let entry = |row: &tokio_postgres::Row| {
            let name: String = row.get(1);
            let table = Retention::TABLES.into_iter().find(|table| table.as_str() == name)?;
            let rows = row.get::<_, i64>(3).unsigned_abs();
            let (oldest, newest) = (UnixNanos(row.get(4)), UnixNanos(row.get(5)));
            let day = Day::of(UnixNanos(row.get::<_, i64>(0).saturating_mul(DAY)));
            Some((day, Removal { table, venue: row.get(2), rows, oldest, newest }))
        };
        Ok(rows.iter().filter_map(entry).collect())
    }
}

/// The venues with rows that a rule speaks of, each with the first arrival that is kept.
async fn bounds(
    tx: &Transaction<'_>,
    retention: &Retention,
    table: Table,
    now: UnixNanos,
) -> Result<Vec<Bound>, tokio_postgres::Error> {
    let rows = tx
        .query("SELECT venue FROM stream UNION SELECT venue FROM instrument UNION SELECT venue FROM epoch ORDER BY 1", &[])
        .await?;
    let bound = |row: &tokio_postgres::Row| {
        let venue: String = row.get(0);
        let before = retention.kept_from(table, &venue, now)?;
        Some((venue, before.0))
    };
    Ok(rows.iter().filter_map(bound).collect())
}

/// The parts of a table, the oldest day first and those of any day last; a table that is not cut is its only part.
async fn partitions(tx: &Transaction<'_>, table: Table) -> Result<Vec<Partition>, tokio_postgres::Error> {
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = to_regclass('venuekit.' || $1) ORDER BY 1";
    let rows = tx.query(sql, &[&table.as_str()]).await?;
    let partition = |row: &tokio_postgres::Row| {
        let name: String = row.get(0);
        let digits = name.rsplit('_').next().filter(|digits| digits.len() == 8 && digits.is_ascii());
        let day = digits.map(|digits| format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]));
        let day = day.and_then(|day| day.parse().ok());
        Partition { name, day }
    };
    if rows.is_empty() {
        return Ok(vec![Partition { name: table.as_str().to_owned(), day: None }]);
    }
    Ok(rows.iter().map(partition).collect())
}

/// Drops a day of which every row is old enough; nothing where any is kept.
async fn whole_day(
    tx: &Transaction<'_>,
    table: Table,
    partition: &Partition,
    bounds: &[Bound],
) -> Result<Option<Vec<Removal>>, tokio_postgres::Error> {
    let (name, Some(_)) = (&partition.name, partition.day) else { return Ok(None) };
    // Nothing enters it between the look and the end; whoever reads goes on.
    tx.batch_execute(&format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")).await?;
    let (venues, before): (Vec<&str>, Vec<i64>) =
        bounds.iter().map(|(venue, before)| (venue.as_str(), *before)).unzip();
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {name} r LEFT JOIN unnest($1::text[], $2::bigint[]) b(venue, before)
           ON b.venue = r.venue WHERE b.venue IS NULL OR r.ts_local >= b.before)"
    );
    if tx.query_one(&sql, &[&venues, &before]).await?.get(0) {
        return Ok(None);
    }
    let mut gone = Vec::new();
    for (venue, _) in bounds {
        gone.extend(
            counted(tx, table, &format!("FROM {name} WHERE venue = $1 AND ts_local < $2"), venue, i64::MAX)
                .await?,
        );
    }
    tx.batch_execute(&format!("DROP TABLE {name}")).await?;
    Ok(Some(gone))
}

/// Takes rows away that are old enough, of a part that holds others too.
async fn some_rows(
    tx: &Transaction<'_>,
    table: Table,
    partition: &Partition,
    bounds: &[Bound],
    rows_max: u64,
) -> Result<Vec<Removal>, tokio_postgres::Error> {
    let (name, most) = (&partition.name, i64::try_from(rows_max).unwrap_or(i64::MAX));
    let sql = format!(
        "WITH gone AS (DELETE FROM {name} WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM {name} WHERE venue = $1 AND ts_local < $2 LIMIT $3)) RETURNING ts_local)
         SELECT count(*), min(ts_local), max(ts_local) FROM gone"
    );
    for (venue, before) in bounds {
        let row = tx.query_one(&sql, &[venue, before, &most]).await?;
        if let Some(removal) = removal(table, venue, &row) {
            return Ok(vec![removal]);
        }
    }
    Ok(Vec::new())
}

async fn counted(
    tx: &Transaction<'_>,
    table: Table,
    rows: &str,
    venue: &str,
    before: i64,
) -> Result<Option<Removal>, tokio_postgres::Error> {
    let sql = format!("SELECT count(*), min(ts_local), max(ts_local) {rows}");
    Ok(removal(table, venue, &tx.query_one(&sql, &[&venue, &before]).await?))
}

fn removal(table: Table, venue: &str, row: &tokio_postgres::Row) -> Option<Removal> {
    let rows = row.get::<_, i64>(0).unsigned_abs();
    let (oldest, newest): (Option<i64>, Option<i64>) = (row.get(1), row.get(2));
    let (oldest, newest) = (UnixNanos(oldest?), UnixNanos(newest?));
    Some(Removal { table, venue: venue.to_owned(), rows, oldest, newest })
}

/// Writes down what went.
async fn note(tx: &Transaction<'_>, now: UnixNanos, gone: &[Removal]) -> Result<(), tokio_postgres::Error> {
    let sql =
        "INSERT INTO removal AS r VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (day, log, venue) DO UPDATE SET
                 rows = r.rows + excluded.rows, oldest = least(r.oldest, excluded.oldest),
                 newest = greatest(r.newest, excluded.newest)";
    for Removal { table, venue, rows, oldest, newest } in gone {
        let (day, rows) = (now.0.div_euclid(DAY), i64::try_from(*rows).unwrap_or(i64::MAX));
        tx.execute(sql, &[&day, &table.as_str(), venue, &rows, &oldest.0, &newest.0]).await?;
    }
    Ok(())
}
