//! Numbered migrations, run in order; the number of the last one is the file's `user_version`.

use rusqlite::{Connection, Transaction};

use super::checksum;

/// `VKIT`: how a file says that it is ours.
pub(super) const APPLICATION_ID: i32 = 0x564B_4954;

/// One schema step: its SQL, then what SQL alone cannot do.
pub(super) struct Step {
    sql: &'static str,
    then: fn(&Transaction<'_>) -> rusqlite::Result<()>,
}

impl Step {
    const fn sql(sql: &'static str) -> Step {
        Step { sql, then: |_| Ok(()) }
    }
}

/// Every schema step since the first release. Released steps never change; a new step is a new file.
pub(super) const MIGRATIONS: &[Step] = &[
    Step::sql(include_str!("../../migrations/sqlite/0001.sql")),
    Step { sql: include_str!("../../migrations/sqlite/0002.sql"), then: checksum::seal },
    Step::sql(include_str!("../../migrations/sqlite/0003.sql")),
    Step::sql(include_str!("../../migrations/sqlite/0004.sql")),
    Step::sql(include_str!("../../migrations/sqlite/0005.sql")),
];

/// The schema version this build writes.
pub(super) fn known_version(migrations: &[Step]) -> u32 {
    u32::try_from(migrations.len()).expect("migrations are counted in tens")
}

/// The schema version of a file; 0 for one without any.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Runs the steps that the file lacks.
pub(super) fn migrate(tx: &Transaction<'_>, migrations: &[Step]) -> rusqlite::Result<()> {
    let found = version(tx)?;
    for (number, step) in (1u32..).zip(migrations) {
        if number > found {
            tx.execute_batch(step.sql)?;
            (step.then)(tx)?;
            tx.pragma_update(None, "user_version", number)?;
        }
    }
    if found == 0 {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_schema_runs_only_the_steps_it_lacks() {
        let mut conn = Connection::open_in_memory().expect("memory");
        let steps =
            [Step::sql("CREATE TABLE a (x INTEGER)"), Step::sql("ALTER TABLE a ADD COLUMN y INTEGER")];
        for upto in [1, 2, 2] {
            let tx = conn.transaction().expect("begin");
            migrate(&tx, &steps[..upto]).expect("migrates");
            tx.commit().expect("commit");
        }
        assert_eq!(version(&conn).expect("version"), 2);
        conn.execute("INSERT INTO a VALUES (1, 2)", []).expect("both columns exist");
    }
}
