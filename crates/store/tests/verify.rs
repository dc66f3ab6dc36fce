//! Disks that lie: what is stored is compared with what was written, and no flipped bit goes unseen.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;

use common::{
    candle, change, cursor, fill, gap, instrument, movement, open, order_state, rows, sim, ticker, trade,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use venuekit_store::{Damage, Fanout, OpenMode, Reader, Row, Sink, Sqlite};

/// How many rows of each frequent table.
const ROUNDS: u64 = 80;

/// A database with rows in every table, closed.
fn filled(path: &Path) {
    let mut sink = open(path).expect("opens");
    // A bus that is told nothing: what it is owed stays.
    drop(Fanout::open(path, "bus").expect("opens"));
    for n in 0..ROUNDS {
        let at = i64::try_from(n).expect("small");
        let mut batch = rows([
            Row::Trade(trade("BTC/USDT", n, 880_450 + at, at)),
            Row::BookChange(change("BTC/USDT", 1, n, 25 + at, at)),
            Row::Ticker(Box::new(ticker("BTC/USDT", n, "5"))),
            Row::Candle(Box::new(candle("ETH/USDT", 60 * at, "2"))),
        ]);
        batch.cursors.push(cursor("BTC/USDT", 1, n));
        let _ = sink.commit(&batch).expect("commits");
    }
    let _ = sink
        .commit(&rows([
            Row::Instrument(Box::new(instrument(1, 5))),
            Row::Gap(Box::new(gap("BTC/USDT", 50, None))),
            Row::Gap(Box::new(gap("ETH/USDT", 50, Some(55)))),
            Row::OrderState(Box::new(order_state("BTC/USDT", 7, "2.5", 50))),
            Row::Fill(Box::new(fill("BTC/USDT", 9, "8804", 50))),
            Row::Movement(Box::new(movement(4, "completed", "1", 50))),
        ]))
        .expect("commits");
    let _ = sink.commit(&rows([Row::Gap(Box::new(gap("BTC/USDT", 50, Some(60))))])).expect("commits");
    sink.reserve_epochs(&common::market("BTC/USDT"), std::num::NonZeroU32::MIN).expect("reserves");
}

/// Everything that a reader of a database can see; nothing where the engine gives up.
fn content(path: &Path) -> Option<Vec<Vec<Value>>> {
    let read = || {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut all = Vec::new();
        for table in [
            "instrument",
            "trade",
            "book_change",
            "ticker",
            "candle",
            "gap",
            "heal",
            "order_state",
            "fill",
            "movement",
            "batch",
            "world",
            "epoch",
            "stream",
            "relay",
            "fanout",
            "outbox",
        ] {
            let mut select = conn.prepare(&format!("SELECT * FROM {table} NOT INDEXED"))?;
            let width = select.column_count();
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let name = Value::Text(table.to_owned());
                let values = (0..width).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()?;
                all.push([vec![name], values].concat());
            }
        }
        Ok::<_, rusqlite::Error>(all)
    };
    read().ok()
}

/// What `verify` says of a database: true when it holds.
fn holds(path: &Path) -> bool {
    Reader::open(path).is_ok_and(|reader| reader.verify().is_ok_and(|verdict| verdict.is_whole()))
}

#[test]
fn what_was_written_holds_also_after_healing_and_restarts() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    filled(&path);
    filled(&path);
    let verdict = Reader::open(&path).expect("opens").verify().expect("reads");
    assert_eq!(verdict.damage, []);
    // Of four tables, an instrument, two gaps, one healed later, and one of each private table.
    assert_eq!((verdict.rows, verdict.parts), (4 * ROUNDS + 7, 4 * ROUNDS + 6));
}

/// I4: one bit flipped anywhere in a copied file. Where it changes a row that a reader sees, or keeps it from being
/// read, `verify` says so. Elsewhere (free space, unused pages, counters of the header) nobody reads it.
#[test]
fn every_flip_that_changes_a_row_is_found() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    filled(&path);
    assert!(!dir.path().join("t.db-wal").exists(), "the copied file is whole by itself");
    let (original, bytes) = (content(&path).expect("reads"), fs::read(&path).expect("reads"));
    let copy = dir.path().join("copy.db");
    let seed = std::env::var("VENUEKIT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let flips = std::env::var("VENUEKIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut state: u64 = seed;
    let mut changing = 0;
    for _ in 0..flips {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 20).expect("64 bits") % bytes.len();
        let bit = (state >> 17) & 7;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        fs::write(&copy, &flipped).expect("writes");
        if content(&copy).as_ref() != Some(&original) {
            changing += 1;
            assert!(!holds(&copy), "SEED={seed}: bit {bit} of byte {at} changed a row unseen");
        }
    }
    assert!(changing > flips / 10, "only {changing} of {flips} flips met a row");
}

#[test]
fn damage_is_named() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let after = |sql: &str| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(dir.path().join(format!("t.db{suffix}")));
        }
        filled(&path);
        Connection::open(&path).expect("opens").execute_batch(sql).expect("changes");
        Reader::open(&path).expect("opens").verify().expect("reads").damage
    };
    let of_batch = |damage: &[Damage], table: &str| matches!(damage, [Damage::Batch { table: found, .. }] if found == table);
    assert_eq!(after("SELECT 1"), []);
    for (sql, table) in [
        ("UPDATE trade SET price = '8804.6' WHERE id = 3", "trade"),
        ("UPDATE book_change SET ts_local = 9 WHERE id = 12", "book_change"),
        ("UPDATE ticker SET quote_volume = '' WHERE id = 1", "ticker"),
        ("UPDATE candle SET close = '2.0' WHERE id = 2", "candle"),
        ("UPDATE instrument SET min_qty = NULL", "instrument"),
        ("UPDATE gap SET healed_at = NULL WHERE id = 1", "gap"),
        ("UPDATE gap SET healed_at = 56 WHERE id = 2", "gap"),
        ("UPDATE order_state SET wallet = NULL", "order_state"),
        ("UPDATE fill SET fee = '0.2'", "fill"),
        ("UPDATE movement SET address = 'T2'", "movement"),
        (
            "UPDATE batch SET rows = 2 WHERE batch = 3 AND log = 'trade'; DELETE FROM trade WHERE id = 99",
            "trade",
        ),
    ] {
        let damage = after(sql);
        assert!(of_batch(&damage[..1], table), "{sql}: {damage:?}");
    }
    assert!(after("DELETE FROM batch WHERE batch = 2 AND log = 'candle'").contains(&Damage::Count {
        table: "candle",
        stored: 80,
        entered: 79
    }));
    for (sql, name) in [
        ("UPDATE stream SET last_seq = 99", "stream"),
        ("UPDATE epoch SET last = 7", "epoch"),
        ("UPDATE world SET identity = '2'", "world"),
        ("UPDATE fanout SET batch = 9", "fanout"),
        ("UPDATE outbox SET row = 2 WHERE log = 'fill'", "outbox"),
    ] {
        let damage = after(sql);
        assert!(matches!(&damage[..], [Damage::State { table, .. }] if *table == name), "{sql}: {damage:?}");
    }
}

/// A database of the first schema, with rows, as that release left it.
fn of_version_1(path: &Path) {
    let conn = Connection::open(path).expect("creates");
    conn.execute_batch(include_str!("../migrations/sqlite/0001.sql")).expect("is valid");
    conn.execute_batch(
        "PRAGMA user_version = 1; PRAGMA application_id = 0x564B4954;
         INSERT INTO world VALUES ('*', 'sim', '1');
         INSERT INTO epoch VALUES ('doex', 'BTC/USDT', 16);
         INSERT INTO stream VALUES ('doex', 'BTC/USDT', 'book', 1, 9, 1);
         INSERT INTO gap VALUES (1, 'doex', 'BTC/USDT', 'book', 1, 8, NULL, 'sequence jumped', 50, NULL);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)
         INSERT INTO trade SELECT i + 1, 'doex', 'BTC/USDT', CAST(i AS TEXT), '8804.5', '1.5', 'sell', 880450000000, 1 FROM n;",
    )
    .expect("fills");
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("sets");
}

#[test]
fn an_older_schema_is_migrated_with_its_rows_vouched_for() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    of_version_1(&path);
    let mut sink = open(&path).expect("migrates");
    let verdict = Reader::open(&path).expect("opens").verify().expect("reads");
    // Sealed in pieces, so that whoever reads them batch by batch has bounded work.
    assert_eq!((verdict.damage.as_slice(), verdict.rows, verdict.parts), (&[][..], 2_501, 4));
    let receipt = sink
        .commit(&rows([
            Row::Trade(trade("BTC/USDT", 2_499, 880_450, 7)),
            Row::Gap(Box::new(gap("BTC/USDT", 50, Some(60)))),
        ]))
        .expect("goes on");
    assert_eq!((receipt.total().dup, receipt.total().healed), (1, 1));
    assert_eq!(
        sink.reserve_epochs(&common::market("BTC/USDT"), std::num::NonZeroU32::MIN).expect("reserves"),
        17
    );
    assert!(holds(&path));
    drop(sink);
    drop(Sqlite::open(&path, &sim("1"), OpenMode::Resume).expect("is migrated once"));
    assert!(holds(&path));
}

/// A file of an earlier release lacks what came later: that is no damage, and the next run brings it.
#[test]
fn a_file_from_before_private_rows_is_whole_and_goes_on() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    filled(&path);
    Connection::open(&path)
        .expect("opens")
        .execute_batch(
            "DELETE FROM batch WHERE log IN ('order_state', 'fill', 'movement');
             DROP TABLE order_state; DROP TABLE fill; DROP TABLE movement; DROP TABLE fanout; DROP TABLE outbox;
             DROP TABLE request_limit;
             PRAGMA user_version = 3;",
        )
        .expect("is as that release left it");
    let verdict = Reader::open(&path).expect("opens").verify().expect("reads");
    assert_eq!((verdict.damage.as_slice(), verdict.rows), (&[][..], 4 * ROUNDS + 4));
    let mut sink = open(&path).expect("migrates");
    let told = rows([Row::Fill(Box::new(fill("BTC/USDT", 9, "8804", 50)))]);
    assert_eq!(sink.commit(&told).expect("commits").total().new, 1);
    assert!(holds(&path));
}
