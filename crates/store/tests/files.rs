//! Which files are opened, how they are created, and what is refused untouched.
#![cfg(unix)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::{open, rows, sim, trade};
use rusqlite::Connection;
use venuekit_store::{OpenError, OpenMode, Reader, Row, Sink, Sqlite, World};

fn live(hosts: &[(&str, &str)]) -> World {
    World::Live { hosts: hosts.iter().map(|(venue, host)| (venue.to_string(), host.to_string())).collect() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o777
}

/// Every file of a directory with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.display().to_string(), fs::read(&path).expect("readable"))).collect()
}

/// Runs in a process of its own, whose umask the other test chose.
#[test]
fn child_creates_a_database() {
    let Some(path) = std::env::var_os("STORE_TEST_CREATE") else { return };
    let mut sink = open(Path::new(&path)).expect("opens");
    let _ = sink.commit(&rows([Row::Trade(trade("BTC/USDT", 1, 1, 1))])).expect("commits");
    // Leaves the log files where they are.
    std::mem::forget(sink);
}

#[test]
fn files_are_for_the_owner_alone_under_any_umask() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    for umask in ["000", "022", "277"] {
        let path = dir.path().join(format!("{umask}.db"));
        let status = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" --exact child_creates_a_database")])
            .arg(std::env::current_exe().expect("known"))
            .env("STORE_TEST_CREATE", &path)
            .output()
            .expect("sh runs");
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
        for suffix in ["", "-wal", "-shm"] {
            let name = path.with_file_name(format!("{umask}.db{suffix}"));
            assert_eq!(mode(&name), 0o600, "{}", name.display());
        }
    }
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    drop(open(&path).expect("creates"));
    for loose in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).expect("chmod");
        let before = contents(dir.path());
        let error = open(&path).expect_err("refused");
        assert!(matches!(error, OpenError::WritableByOthers { mode, .. } if mode == loose), "{error}");
        assert_eq!(contents(dir.path()), before);
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
    drop(open(&path).expect("readers are the owner's business"));
}

#[test]
fn a_foreign_file_is_refused_untouched() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let foreign = |pragma: &str| {
        let conn = Connection::open(&path).expect("opens");
        conn.execute_batch(&format!("{pragma}; CREATE TABLE notes (text)")).expect("creates");
        conn
    };
    let refused = |left_open: Option<Connection>| {
        let before = contents(dir.path());
        for mode in [OpenMode::Resume, OpenMode::NewSimRun] {
            let error = Sqlite::open(&path, &sim("1"), mode).expect_err("refused");
            assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        }
        assert!(matches!(Reader::open(&path), Err(OpenError::Foreign { .. })));
        let mut after = contents(dir.path());
        // The index of the log is scratch memory that any reader may write.
        let index = |files: &mut BTreeMap<String, Vec<u8>>| files.retain(|name, _| !name.ends_with("-shm"));
        let mut before = before;
        index(&mut before);
        index(&mut after);
        assert_eq!(after, before);
        drop(left_open);
        for file in contents(dir.path()).into_keys() {
            fs::remove_file(file).expect("removes");
        }
    };
    refused(Some(foreign("PRAGMA application_id = 7")));
    // Rows that stand only in its log must stay there.
    refused(Some(foreign("PRAGMA journal_mode = WAL")));
    let conn = foreign("PRAGMA journal_mode = WAL");
    fs::copy(&path, dir.path().join("copy")).expect("copies");
    fs::copy(dir.path().join("t.db-wal"), dir.path().join("copy-wal")).expect("copies");
    drop(conn);
    fs::rename(dir.path().join("copy"), &path).expect("renames");
    fs::rename(dir.path().join("copy-wal"), dir.path().join("t.db-wal")).expect("renames");
    refused(None);
    fs::write(&path, "Dear diary, this file is long enough to have a header but has none at all. Nothing.")
        .expect("writes");
    refused(None);
    fs::write(&path, "short").expect("writes");
    refused(None);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    drop(open(&path).expect("creates"));
    Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("sets");
    let error = open(&path).expect_err("refused").to_string();
    assert!(error.contains("version 99") && error.contains("up to 5"), "{error}");
    let error = Reader::open(&path).expect_err("refused").to_string();
    assert!(error.contains("version 99"), "{error}");
}

#[test]
fn an_empty_file_becomes_a_database_and_a_missing_one_is_not_read() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    assert!(matches!(Reader::open(&path), Err(OpenError::Io { .. })));
    assert!(!path.exists());
    fs::write(&path, "").expect("writes");
    drop(open(&path).expect("fills it"));
    drop(Reader::open(&path).expect("reads it"));
}

#[test]
fn worlds_do_not_mix() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let check = |name: &str, first: &World, second: &World, mode: OpenMode, refused: Option<[&str; 2]>| {
        let path = dir.path().join(name);
        drop(Sqlite::open(&path, first, mode).expect("creates"));
        match (Sqlite::open(&path, second, mode), refused) {
            (Ok(sink), None) => assert_eq!(sink.set_aside(), None, "{name}"),
            (Err(error), Some(named)) => {
                let text = error.to_string();
                assert!(named.iter().all(|world| text.contains(world)), "{name}: {text}");
                drop(Sqlite::open(&path, first, mode).expect("still of its first world"));
            }
            (got, _) => panic!("{name}: {got:?}"),
        }
    };
    use OpenMode::{NewSimRun, Resume};
    let doex = live(&[("doex", "api.doex.example")]);
    let both = live(&[("doex", "api.doex.example"), ("duedex", "api.duedex.example")]);
    let moved = live(&[("doex", "127.0.0.1:9000")]);
    check("same run", &sim("a"), &sim("a"), Resume, None);
    check("same run, new allowed", &sim("a"), &sim("a"), NewSimRun, None);
    check("other run", &sim("a"), &sim("b"), Resume, Some(["simulator run a", "simulator run b"]));
    check("live on sim", &sim("a"), &doex, Resume, Some(["simulator run a", "doex=api.doex.example"]));
    check("live on sim, new allowed", &sim("a"), &doex, NewSimRun, Some(["simulator run a", "live venues"]));
    check("sim on live", &doex, &sim("a"), NewSimRun, Some(["doex=api.doex.example", "simulator run a"]));
    check("venue added", &doex, &both, Resume, None);
    check("venue left out", &both, &doex, Resume, None);
    check("host changed", &doex, &moved, Resume, Some(["doex=api.doex.example", "doex=127.0.0.1:9000"]));
}

#[test]
fn a_new_simulator_run_keeps_the_old_file_whole() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("venuekit.db");
    for (run, kept) in [("a", None), ("b", Some("venuekit.1.db")), ("c", Some("venuekit.2.db"))] {
        let mut sink = Sqlite::open(&path, &sim(run), OpenMode::NewSimRun).expect("opens");
        assert_eq!(sink.set_aside(), kept.map(|name| dir.path().join(name)).as_deref());
        let _ = sink.commit(&rows([Row::Trade(trade("BTC/USDT", 1, 1, 1))])).expect("commits");
    }
    for name in ["venuekit.db", "venuekit.1.db", "venuekit.2.db"] {
        let counts = Reader::open(&dir.path().join(name)).expect("opens").counts().expect("reads");
        assert_eq!(counts.iter().map(|market| market.trades).collect::<Vec<_>>(), [1], "{name}");
        assert_eq!(mode(&dir.path().join(name)), 0o600);
    }
}

#[test]
fn a_run_in_use_is_not_moved_away() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("venuekit.db");
    let mut running = Sqlite::open(&path, &sim("a"), OpenMode::NewSimRun).expect("opens");
    let error = Sqlite::open(&path, &sim("b"), OpenMode::NewSimRun).expect_err("refused");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let _ = running.commit(&rows([Row::Trade(trade("BTC/USDT", 1, 1, 1))])).expect("goes on");
}

/// Were a reader to open and close the file behind SQLite's back, the kernel would drop the sink's locks, and the
/// next process to close the database would take the log away as if it were alone.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_leaves_the_sink_its_locks() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let sink = open(&path).expect("opens");
    let inode = fs::metadata(&path).expect("exists").ino();
    // The list is read in parts while others lock and unlock: it may leave an entry out or say one twice, under
    // another number, and never makes one up.
    let look = |_| {
        let held = fs::read_to_string("/proc/locks").expect("the kernel lists locks");
        let of_ours = held.lines().filter(|line| line.contains(&format!(":{inode} ")));
        of_ours.filter_map(|line| line.split_once(": ")).map(|(_, lock)| lock.to_owned()).collect::<Vec<_>>()
    };
    let locks = || (0..20).flat_map(look).collect::<BTreeSet<_>>();
    let held = locks();
    assert!(!held.is_empty(), "a sink at rest holds a lock");
    drop(Reader::open(&path).expect("opens"));
    assert_eq!(locks(), held, "after a reader");
    drop(open(&path).expect("opens"));
    assert_eq!(locks(), held, "after a second sink");
    drop(sink);
    assert_eq!(locks(), BTreeSet::new());
}
