//! A kill switch in a database: the one row that says whether orders may leave.
//!
//! Owns which row that is, and what it can say. It refuses to make or to change it: one that is gone has to be noticed,
//! and not to be put back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::SinkError;

/// What makes the row, in a file or on a server.
pub const SWITCH_TABLE: &str = "CREATE TABLE venuekit_switch (id integer PRIMARY KEY CHECK (id = 1), \
     halt integer NOT NULL CHECK (halt IN (0, 1)), reason text NOT NULL DEFAULT ''); \
     INSERT INTO venuekit_switch VALUES (1, 0, '')";

/// How long one that writes to the file is waited for.
const BUSY_FOR: Duration = Duration::from_millis(500);

/// Why the row says nothing. Whoever asked has to take that for a halt, if it lasts.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// It is not there.
    #[error("the table venuekit_switch has no row with the id 1; insert it with halt 0 or 1")]
    Missing,
    /// It says what it cannot.
    #[error("halt is {found} in it; 0 lets orders leave, and 1 halts")]
    Word {
        /// What it says.
        found: i64,
    },
    /// Everybody could let orders leave.
    #[error("{} may be written by everybody; run chmod o-w on it", path.display())]
    WritableByAll {
        /// The file.
        path: PathBuf,
    },
    /// The file is not there, or not ours to see.
    #[error("{} cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database does not answer.
    #[error(transparent)]
    Engine(#[from] SinkError),
}

/// A switch, and where it is.
#[derive(Debug)]
pub enum SwitchRow {
    /// In an SQLite file, which is opened anew for each reading: one that was replaced is another switch.
    File(PathBuf),
    /// On a server.
    #[cfg(feature = "postgres")]
    Server(Box<crate::postgres::SwitchLink>),
}

impl SwitchRow {
    /// Reads it: why everything is to halt, or nothing when orders may leave. It blocks, on a server for some seconds.
    ///
    /// **Errors**: [`SwitchError`].
    pub fn read(&mut self) -> Result<Option<String>, SwitchError> {
        let row = match self {
            SwitchRow::File(path) => read_file(path)?,
            #[cfg(feature = "postgres")]
            SwitchRow::Server(link) => link.read()?,
        };
        match row {
            None => Err(SwitchError::Missing),
            Some((0, _)) => Ok(None),
            Some((1, reason)) if reason.is_empty() => Ok(Some("it gives no reason".to_owned())),
            Some((1, reason)) => Ok(Some(reason)),
            Some((found, _)) => Err(SwitchError::Word { found }),
        }
    }
}

fn read_file(path: &PathBuf) -> Result<Option<(i64, String)>, SwitchError> {
    let about = fs::metadata(path).map_err(|source| SwitchError::File { path: path.clone(), source })?;
    if writable_by_all(&about) {
        return Err(SwitchError::WritableByAll { path: path.clone() });
    }
    let read = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file = Connection::open_with_flags(path, flags)?;
        file.busy_timeout(BUSY_FOR)?;
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        file.query_row("SELECT halt, reason FROM venuekit_switch WHERE id = 1", [], row).optional()
    };
    Ok(read().map_err(SinkError::from)?)
}

#[cfg(unix)]
fn writable_by_all(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    about.mode() & 0o002 != 0
}

/// Elsewhere the directory's rights are all there is.
#[cfg(not(unix))]
fn writable_by_all(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_row_says_run_or_halt_and_everything_else_says_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("switch.db");
        let mut switch = SwitchRow::File(path.clone());
        assert!(matches!(switch.read(), Err(SwitchError::File { .. })), "no file");
        let file = Connection::open(&path).expect("opens");
        assert!(matches!(switch.read(), Err(SwitchError::Engine(_))), "no table");
        file.execute_batch(SWITCH_TABLE).expect("is made");
        assert_eq!(switch.read().expect("readable"), None);
        let set =
            |text: &str| file.execute_batch(&format!("UPDATE venuekit_switch SET {text}")).expect("is set");
        set("halt = 1");
        assert!(switch.read().expect("readable").is_some());
        set("reason = 'the desk'");
        assert_eq!(switch.read().expect("readable").as_deref(), Some("the desk"));
        set("halt = 0");
        assert_eq!(switch.read().expect("readable"), None);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("ours");
        assert!(matches!(switch.read(), Err(SwitchError::WritableByAll { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).expect("ours");
        assert_eq!(switch.read().expect("readable"), None);
        file.execute_batch("DELETE FROM venuekit_switch").expect("is deleted");
        assert!(matches!(switch.read(), Err(SwitchError::Missing)));
        // A table that somebody else made keeps no rule of ours.
        file.execute_batch("DROP TABLE venuekit_switch; CREATE TABLE venuekit_switch (id, halt, reason)")
            .expect("is made");
        for (row, says) in [("(1, 7, '')", true), ("(1, NULL, '')", false), ("(1, 'no', '')", false)] {
            file.execute_batch(&format!(
                "DELETE FROM venuekit_switch; INSERT INTO venuekit_switch VALUES {row}"
            ))
            .expect("is put there");
            let said = switch.read().expect_err("no word");
            assert_eq!(matches!(said, SwitchError::Word { found: 7 }), says, "{row}: {said:?}");
        }
        // One that was replaced is another switch.
        drop(file);
        fs::write(&path, b"").expect("ours");
        assert!(matches!(switch.read(), Err(SwitchError::Engine(_))));
    }

    #[test]
    fn a_writer_in_wal_mode_is_read_while_it_writes() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("switch.db");
        let file = Connection::open(&path).expect("opens");
        let mode: String =
            file.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).expect("is set");
        assert_eq!(mode, "wal");
        file.execute_batch(SWITCH_TABLE).expect("is made");
        let mut switch = SwitchRow::File(path);
        file.execute_batch("BEGIN IMMEDIATE; UPDATE venuekit_switch SET halt = 1, reason = 'risk'")
            .expect("is begun");
        assert_eq!(switch.read().expect("readable"), None);
        file.execute_batch("COMMIT").expect("is committed");
        assert_eq!(switch.read().expect("readable").as_deref(), Some("risk"));
    }
}
