//! Opening a database: is it ours, is it safe, is it of this world; creating it where there is none.
//!
//! Owns every refusal of a file, each before anything is written to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use super::checksum;
use super::schema::{self, APPLICATION_ID, MIGRATIONS};
use super::write::STATEMENTS;
use crate::{SinkError, World};

/// What to do with a database that an earlier simulator run left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Go on in the same world, and refuse any other.
    Resume,
    /// As `Resume`; but where the file holds another *simulator* run, and this run is simulated too, keep that file
    /// under a numbered name (`venuekit.1.db`) and start a fresh one. For a default path, so that a demo runs twice.
    NewSimRun,
}

/// Why a database was not opened. The file stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error("cannot open {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Some other program's file.
    #[error("{} is not a venuekit database; name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Others could change the data.
    #[error("{} may be written by others (mode {mode:03o}); run chmod go-w on it first", path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Written by a later release.
    #[error("{} has schema version {found}, and this build knows versions up to {known}; use a newer venuekit", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// Rows of two worlds would mix.
    #[error("{} holds data of {recorded}, and this run would add data of {wanted}; name another file for it", path.display())]
    OtherWorld {
        /// The file.
        path: PathBuf,
        /// What it holds.
        recorded: World,
        /// What was to be added.
        wanted: World,
    },
    /// The earlier run's file cannot be kept aside while somebody uses it.
    #[error("{} is in use by another process; stop it or name another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The engine failed.
    #[error("cannot open {}", path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: SinkError,
    },
}

/// How long a write waits for another process to finish its own.
const BUSY_FOR: Duration = Duration::from_secs(5);

/// How many earlier runs are kept aside before a person has to tidy up.
const ASIDE_MAX: u32 = 9_999;

/// Opens or creates, and says where an earlier run's file went.
pub(super) fn open(
    path: &Path,
    world: &World,
    mode: OpenMode,
) -> Result<(Connection, Option<PathBuf>), OpenError> {
    let mut conn = connect_for_writing(path)?;
    let mut set_aside = None;
    let other_run = match prepare(path, &mut conn, world) {
        Ok(()) => false,
        Err(OpenError::OtherWorld { recorded: World::Sim { .. }, wanted: World::Sim { .. }, .. })
            if mode == OpenMode::NewSimRun =>
        {
            true
        }
        Err(error) => return Err(error),
    };
    if other_run {
        set_aside = Some(keep_aside(path, conn)?);
        conn = connect_for_writing(path)?;
        prepare(path, &mut conn, world)?;
    }
    let wal: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|source| engine(path, source))?;
    if wal != "wal" {
        let source = SinkError::Other(format!("its disk does not allow WAL mode, only {wal}").into());
        return Err(OpenError::Engine { path: path.into(), source });
    }
    // The first read in WAL mode takes the lock that tells others the file is in use.
    refuse_newer(path, &conn)?;
    Ok((conn, set_aside))
}

/// A connection that only reads, to a file that is ours.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, OpenError> {
    fs::metadata(path).map_err(|source| OpenError::Io { path: path.into(), source })?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if application_id(&conn).map_err(|source| engine(path, source))? != Some(APPLICATION_ID) {
        return Err(OpenError::Foreign { path: path.into() });
    }
    refuse_newer(path, &conn)?;
    Ok(conn)
}

/// A connection that writes little, beside a sink that has opened the file and made it ours.
pub(super) fn open_beside(path: &Path) -> Result<Connection, OpenError> {
    drop(open_for_reading(path)?);
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "synchronous", "NORMAL").map_err(|source| engine(path, source))?;
    Ok(conn)
}

fn connect_for_writing(path: &Path) -> Result<Connection, OpenError> {
    let io = |source| OpenError::Io { path: path.into(), source };
    if !private::create(path).map_err(io)? {
        private::refuse_writable_by_others(path)?;
        // An empty file is one that was created and not yet filled.
        if fs::metadata(path).map_err(io)?.len() != 0 {
            refuse_foreign(path)?;
        }
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let set = |name: &str, value: i64| conn.pragma_update(None, name, value);
    // Larger pages carry more levels; the size is fixed by the first write.
    set("page_size", 8192)
        .and_then(|()| conn.pragma_update(None, "synchronous", "FULL"))
        // What a long reader made the log grow to is given back.
        .and_then(|()| set("journal_size_limit", 64 << 20))
        .map_err(|source| engine(path, source))?;
    Ok(conn)
}

/// Looks at a file through a connection that cannot write, since one that can would recover a foreign log.
///
/// The look goes through SQLite: were the file opened and closed behind its back, every lock that this process
/// holds on it would be gone, and another process could take the log away from a running sink.
fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match application_id(&conn) {
        Ok(Some(APPLICATION_ID)) => Ok(()),
        Ok(_) => Err(OpenError::Foreign { path: path.into() }),
        // An interrupted transaction waits to be rolled back, which only a writer can do. Outside WAL mode we
        // write once, when the file is made; `prepare` looks at what is left of it.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => Ok(()),
        Err(source) => Err(engine(path, source)),
    }
}

/// How the file marks itself; nothing where it is no SQLite file.
fn application_id(conn: &Connection) -> rusqlite::Result<Option<i32>> {
    match conn.pragma_query_value(None, "application_id", |row| row.get(0)) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => Ok(None),
        Err(error) => Err(error),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let open = || {
        let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(BUSY_FOR)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(conn)
    };
    open().map_err(|source| engine(path, source))
}

fn engine(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::Engine { path: path.into(), source: source.into() }
}

fn refuse_newer(path: &Path, conn: &Connection) -> Result<(), OpenError> {
    let found = schema::version(conn).map_err(|source| engine(path, source))?;
    let known = schema::known_version(MIGRATIONS);
    if found > known {
        return Err(OpenError::NewerSchema { path: path.into(), found, known });
    }
    Ok(())
}

/// Checks version and world, migrates and records, in one transaction: two processes that start at once agree.
fn prepare(path: &Path, conn: &mut Connection, world: &World) -> Result<(), OpenError> {
    let fail = |source| engine(path, source);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    refuse_newer(path, &tx)?;
    let tables: u32 =
        tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if tables != 0 && application_id(&tx).map_err(fail)? != Some(APPLICATION_ID) {
        return Err(OpenError::Foreign { path: path.into() });
    }
    schema::migrate(&tx, MIGRATIONS).map_err(fail)?;
    if let Some(recorded) = recorded_world(&tx).map_err(fail)?
        && !recorded.admits(world)
    {
        return Err(OpenError::OtherWorld { path: path.into(), recorded, wanted: world.clone() });
    }
    record_world(&tx, world).map_err(fail)?;
    tx.commit().map_err(fail)
}

fn recorded_world(tx: &Transaction<'_>) -> rusqlite::Result<Option<World>> {
    let mut statement = tx.prepare("SELECT venue, kind, identity FROM world")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(World::of_rows(rows.collect::<Result<Vec<_>, _>>()?))
}

fn record_world(tx: &Transaction<'_>, world: &World) -> rusqlite::Result<()> {
    let mut insert = tx.prepare("INSERT INTO world VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?;
    for (venue, kind, identity) in world.rows() {
        let sum = checksum::of_row([venue.into(), kind.into(), identity.into()]).cast_signed();
        insert.execute(params![venue, kind, identity, sum])?;
    }
    Ok(())
}

/// Moves a database to the first free numbered name beside it.
///
/// Leaving WAL mode needs to be alone with the file, and folds the log into it: a lone file can be renamed.
fn keep_aside(path: &Path, conn: Connection) -> Result<PathBuf, OpenError> {
    let io = |source| OpenError::Io { path: path.into(), source };
    let alone = conn
        .busy_timeout(Duration::ZERO)
        .and_then(|()| conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())));
    match alone.map_err(SinkError::from) {
        Ok(()) => {}
        Err(SinkError::Busy(_)) => return Err(OpenError::InUse { path: path.into() }),
        Err(source) => return Err(OpenError::Engine { path: path.into(), source }),
    }
    let free =
        (1..=ASIDE_MAX).map(|number| numbered(path, number)).find(|name| fs::symlink_metadata(name).is_err());
    let Some(free) = free else {
        let text = format!("{ASIDE_MAX} earlier runs lie beside it; delete some");
        return Err(io(io::Error::other(text)));
    };
    fs::rename(path, &free).map_err(io)?;
    drop(conn);
    Ok(free)
}

/// `venuekit.db` and 3 give `venuekit.3.db`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    match path.extension() {
        Some(extension) => path.with_extension(format!("{number}.{}", extension.display())),
        None => path.with_extension(number.to_string()),
    }
}

/// Whose the file is, where the system knows such a thing.
#[cfg(unix)]
mod private {
    use std::fs::{self, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    use super::OpenError;

    /// Creates the file for its owner alone, whatever the umask; SQLite gives its log the same mode.
    /// False where it exists.
    pub(super) fn create(path: &Path) -> io::Result<bool> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => file.set_permissions(Permissions::from_mode(0o600)).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Looks at the file and at the log that belongs to it.
    pub(super) fn refuse_writable_by_others(path: &Path) -> Result<(), OpenError> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let Ok(metadata) = fs::metadata(&name) else { continue };
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o022 != 0 {
                return Err(OpenError::WritableByOthers { path: name.into(), mode });
            }
        }
        Ok(())
    }
}

/// Elsewhere the directory's rights are all there is.
#[cfg(not(unix))]
mod private {
    use std::fs::OpenOptions;
    use std::io;
    use std::path::Path;

    use super::OpenError;

    pub(super) fn create(path: &Path) -> io::Result<bool> {
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn refuse_writable_by_others(_: &Path) -> Result<(), OpenError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_run_is_numbered_before_the_extension() {
        assert_eq!(numbered(Path::new("a/venuekit.db"), 1), Path::new("a/venuekit.1.db"));
        assert_eq!(numbered(Path::new("rows"), 12), Path::new("rows.12"));
    }
}
