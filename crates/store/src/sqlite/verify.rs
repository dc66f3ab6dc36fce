//! Finding out whether a database still holds what was written to it.
//!
//! Owns the comparison of rows with the checksums that were stored beside them. It repairs nothing: what is damaged
//! is fetched again from the venue, or marked as a gap.

use rusqlite::{Connection, ErrorCode};

use super::checksum::{self, Log, Part, State};
use super::schema;
use crate::SinkError;

/// How many places of damage are named; more are counted.
const NAMED: usize = 100;

/// What a database was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// Parts of batches, each the rows of one table, that were added up.
    pub parts: u64,
    /// Rows in them.
    pub rows: u64,
    /// What does not hold, at most a hundred places.
    pub damage: Vec<Damage>,
    /// How many places there are.
    pub damaged: u64,
}

impl Verdict {
    /// True when every row is as it was written.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0
    }

    fn add(&mut self, damage: Damage) {
        self.damaged += 1;
        if self.damage.len() < NAMED {
            self.damage.push(damage);
        }
    }
}

/// One place that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The engine cannot make sense of the file, or an index does not say what its table says.
    Structure(String),
    /// Rows of a batch are not those that entered with it.
    Batch {
        /// Its number.
        batch: i64,
        /// The table.
        table: String,
        /// First row id.
        first_id: i64,
        /// Last row id.
        last_id: i64,
    },
    /// The batches account for another number of rows than the table has.
    Count {
        /// The table.
        table: &'static str,
        /// How many it has.
        stored: i64,
        /// How many entered.
        entered: i64,
    },
    /// A row that is updated in place is not as it was written.
    State {
        /// The table.
        table: &'static str,
        /// The first column of its key.
        key: String,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Structure(text) => f.write_str(text),
            Damage::Batch { batch, table, first_id, last_id } => {
                write!(
                    f,
                    "{table} rows {first_id} to {last_id} of batch {batch} are not as they were written"
                )
            }
            Damage::Count { table, stored, entered } => {
                write!(f, "{table} has {stored} rows where {entered} entered")
            }
            Damage::State { table, key } => write!(f, "{table} row {key:?} is not as it was written"),
        }
    }
}

/// Compares the whole database with its checksums, at one moment.
pub(super) fn verify(conn: &Connection) -> Result<Verdict, SinkError> {
    let mut verdict = Verdict::default();
    let tx = conn.unchecked_transaction()?;
    for check in [structure, batches, state] {
        match check(&tx, &mut verdict) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => verdict.add(Damage::Structure(error.to_string())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(verdict)
}

/// Whether an error speaks of the file's content rather than of the disk or a lock.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => {
            matches!(code.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        }
        // A value of another type than its column.
        _ => true,
    }
}

/// The engine's own look: pages, order, and indexes against tables.
fn structure(conn: &Connection, verdict: &mut Verdict) -> rusqlite::Result<()> {
    let mut check = conn.prepare(&format!("PRAGMA integrity_check({NAMED})"))?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            verdict.add(Damage::Structure(text));
        }
    }
    Ok(())
}

fn batches(conn: &Connection, verdict: &mut Verdict) -> rusqlite::Result<()> {
    let mut entered = [0i64; Log::ALL.len()];
    let mut select = conn.prepare("SELECT batch, log, first_id, last_id, rows, checksum FROM batch")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (batch, table): (i64, String) = (row.get(0)?, row.get(1)?);
        let (first_id, last_id): (i64, i64) = (row.get(2)?, row.get(3)?);
        let (count, sum): (i64, i64) = (row.get(4)?, row.get(5)?);
        let found = match Log::parse(&table) {
            Some(log) => {
                entered[log as usize] = entered[log as usize].saturating_add(count);
                checksum::reread(conn, log, first_id, last_id)?
            }
            None => Part::default(),
        };
        verdict.parts += 1;
        verdict.rows = verdict.rows.saturating_add(found.rows.unsigned_abs());
        if found.rows != count || found.sealed(batch, &table).cast_signed() != sum {
            verdict.add(Damage::Batch { batch, table, first_id, last_id });
        }
    }
    for log in Log::of_version(schema::version(conn)?) {
        let (table, entered) = (log.as_str(), entered[log as usize]);
        let stored = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        if stored != entered {
            verdict.add(Damage::Count { table, stored, entered });
        }
    }
    Ok(())
}

fn state(conn: &Connection, verdict: &mut Verdict) -> rusqlite::Result<()> {
    for State { table, columns, .. } in State::of_version(schema::version(conn)?) {
        let mut select = conn.prepare(&format!("SELECT {columns}, checksum FROM {table}"))?;
        let width = select.column_count() - 1;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if checksum::of_stored(row, width)?.cast_signed() != row.get::<_, i64>(width)? {
                let key = format!("{:?}", row.get_ref(0)?);
                verdict.add(Damage::State { table, key });
            }
        }
    }
    Ok(())
}
