//! The embedded sink as a spool: everything arrives once, in order and checked, and what there is no room for is named.
#![cfg(unix)]

mod common;

use std::num::NonZeroU32;
use std::path::Path;

use common::{
    candle, change, cursor, fill as own_fill, gap, instrument, movement, open, order_state, owner, rows,
    ticker, trade,
};
use rusqlite::Connection;
use venuekit_store::{
    Batch, Market, Outbox, Reader, Receipt, RelayError, Resume, Row, Sink, SinkError, Sqlite, Trimmed,
};
use venuekit_types::UnixNanos;

/// A sink that fails on demand, before or after it has stored a batch.
struct Flaky {
    inner: Sqlite,
    fails: Vec<Fail>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fail {
    Not,
    Before,
    After,
}

impl Sink for Flaky {
    fn commit(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let fail = self.fails.pop().unwrap_or(Fail::Not);
        let down = || Err(SinkError::Unreachable("down".into()));
        if fail == Fail::Before {
            return down();
        }
        let receipt = self.inner.commit(batch)?;
        if fail == Fail::After { down() } else { Ok(receipt) }
    }

    fn reserve_epochs(&mut self, market: &Market, count: NonZeroU32) -> Result<u64, SinkError> {
        self.inner.reserve_epochs(market, count)
    }

    fn resume(&mut self) -> Result<Resume, SinkError> {
        self.inner.resume()
    }
}

/// All rows of a database but for what the store itself numbers.
fn content(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).expect("opens");
    let mut all = Vec::new();
    for table in [
        "instrument",
        "trade",
        "book_change",
        "ticker",
        "candle",
        "gap",
        "order_state",
        "fill",
        "movement",
        "stream",
    ] {
        let mut select = conn.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut rows = select.query([]).expect("reads");
        while let Some(row) = rows.next().expect("reads") {
            let fields = names.iter().enumerate().filter(|(_, name)| *name != "id");
            let fields = fields.map(|(at, name)| format!("{name}={:?}", row.get_ref(at).expect("a value")));
            all.push(format!("{table} {}", fields.collect::<Vec<_>>().join(" ")));
        }
    }
    all.sort();
    all
}

fn fill(sink: &mut Sqlite, from: u64, upto: u64) {
    for n in from..upto {
        let at = i64::try_from(n).expect("small");
        let mut batch = rows([
            Row::Trade(trade("BTC/USDT", n, 880_450 + at, at)),
            Row::BookChange(change("BTC/USDT", 1, n, 25 + at, at)),
            Row::Ticker(Box::new(ticker("BTC/USDT", n, "5"))),
            Row::Candle(Box::new(candle("ETH/USDT", 60 * at, "2"))),
            Row::Instrument(Box::new(instrument(1 + at % 3, at))),
            Row::Gap(Box::new(gap("BTC/USDT", 1_000 + at, None))),
        ]);
        if n % 10 == 0 {
            batch.rows.extend([
                Row::OrderState(Box::new(order_state("BTC/USDT", n, "2.5", at))),
                Row::Fill(Box::new(own_fill("BTC/USDT", n, "8804", at))),
                Row::Movement(Box::new(movement(n, "completed", "1", at))),
            ]);
        }
        batch.cursors.push(cursor("BTC/USDT", 1, n));
        let _ = sink.commit(&batch).expect("commits");
        if n > from {
            let heal = gap("BTC/USDT", 999 + at, Some(2_000 + at));
            let _ = sink.commit(&rows([Row::Gap(Box::new(heal))])).expect("commits");
        }
    }
}

#[test]
fn everything_arrives_once_however_often_the_other_side_fails() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (path, remote_path) = (dir.path().join("spool.db"), dir.path().join("remote.db"));
    let mut spool = open(&path).expect("opens");
    let fails = [Fail::Before, Fail::After, Fail::Not, Fail::After].repeat(10);
    let mut remote = Flaky { inner: open(&remote_path).expect("opens"), fails };
    fill(&mut spool, 0, 20);
    let mut failed = 0;
    // Opened anew each time, as after a restart.
    loop {
        let mut outbox = Outbox::open(&path, "remote").expect("opens");
        match outbox.step(&mut remote, 7) {
            Ok(step) if step.receipt.is_none() => break,
            Ok(step) => assert_eq!(step.receipt.expect("checked").total().refused, 0),
            Err(RelayError::Remote(SinkError::Unreachable(_))) => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(failed, 30);
    assert_eq!(content(&remote_path), content(&path));
    // What comes later follows, healed gaps among it.
    fill(&mut spool, 20, 30);
    let mut outbox = Outbox::open(&path, "remote").expect("opens");
    let mut behind = u64::MAX;
    while behind > 0 {
        let step = outbox.step(&mut remote, 1).expect("hands on");
        assert!(step.behind < behind, "each step gets on");
        behind = step.behind;
    }
    assert_eq!(content(&remote_path), content(&path));
    for path in [&path, &remote_path] {
        assert_eq!(Reader::open(path).expect("opens").verify().expect("reads").damage, []);
    }
}

#[test]
fn a_batch_that_is_not_as_written_is_not_handed_on() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("spool.db");
    let mut spool = open(&path).expect("opens");
    fill(&mut spool, 0, 3);
    Connection::open(&path)
        .expect("opens")
        .execute("UPDATE trade SET qty = '1.6' WHERE id = 2", [])
        .expect("changes");
    let mut remote = open(&dir.path().join("remote.db")).expect("opens");
    let mut outbox = Outbox::open(&path, "remote").expect("opens");
    let _ = outbox.step(&mut remote, 1).expect("the first is whole");
    for _ in 0..2 {
        let error = outbox.step(&mut remote, 1).expect_err("the second is not");
        assert!(matches!(error, RelayError::Spool(SinkError::Corrupt(_))), "{error:?}");
    }
    let stored = Reader::open(remote.path()).expect("opens").counts().expect("reads");
    assert_eq!(stored.iter().map(|market| market.trades).sum::<u64>(), 1);
}

/// S5: no room for what waits: the oldest market data goes, and a gap names each stretch.
#[test]
fn what_there_is_no_room_for_is_shed_with_gaps() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (path, remote_path) = (dir.path().join("spool.db"), dir.path().join("remote.db"));
    let mut spool = open(&path).expect("opens");
    let mut remote = open(&remote_path).expect("opens");
    let mut outbox = Outbox::open(&path, "remote").expect("opens");
    fill(&mut spool, 0, 5);
    while outbox.step(&mut remote, 100).expect("hands on").receipt.is_some() {}
    fill(&mut spool, 5, 300);
    let size = |path: &Path| {
        let conn = Connection::open(path).expect("opens");
        conn.query_row(
            "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
            [],
            |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
        )
        .expect("reads")
    };
    let full = size(&path);
    assert_eq!(spool.trim(full, UnixNanos(1)).expect("looks"), Trimmed::default(), "there is room");
    let first = spool.trim(full - 1, UnixNanos(5_000)).expect("trims");
    assert_eq!(first, Trimmed { taken: 20, shed: 12 }, "what was taken goes first");
    let gaps = Reader::open(&path).expect("opens").gaps().expect("reads");
    let shed: Vec<_> = gaps
        .iter()
        .filter(|gap| gap.cause == "shed")
        .map(|gap| (gap.market.symbol.to_string(), gap.channel.to_string(), gap.from_seq, gap.to_seq))
        .collect();
    assert_eq!(
        shed,
        [
            ("BTC/USDT".into(), "book".into(), Some(5), Some(7)),
            ("BTC/USDT".into(), "ticker".into(), Some(5), Some(7)),
            ("BTC/USDT".into(), "trades".into(), None, None),
            ("ETH/USDT".into(), "candles:1m".into(), None, None),
        ]
    );
    assert!(gaps.iter().filter(|gap| gap.cause == "shed").all(|gap| gap.healed_at.is_some()));
    let mut steps = 0;
    while spool.trim(full / 8 * 7, UnixNanos(6_000 + 100 * steps)).expect("trims") != Trimmed::default() {
        steps += 1;
        assert!(steps < 60, "it ends");
    }
    assert!(steps > 1 && size(&path) <= full / 8 * 7, "{steps} steps to {}", size(&path));
    while outbox.step(&mut remote, 100).expect("hands on").receipt.is_some() {}
    // What was not shed arrived, and what was is named there too. Nothing but market data went.
    let there = Reader::open(&remote_path).expect("opens").gaps().expect("reads");
    assert_eq!(there.iter().filter(|gap| gap.cause != "shed").count(), 300);
    let conn = Connection::open(&remote_path).expect("opens");
    let (trades, books, instruments): (i64, i64, i64) = conn
        .query_row(
            "SELECT (SELECT count(*) FROM trade), (SELECT count(*) FROM book_change), (SELECT count(*) FROM instrument)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("reads");
    assert_eq!(instruments, 300);
    let mut fills = 0;
    Reader::open(&remote_path).expect("opens").fills(&owner(), |_| fills += 1).expect("reads");
    assert_eq!(fills, 30, "an account's own rows are never shed");
    let missing = |from: u64, to: u64| to - from + 1;
    let lost: u64 = there
        .iter()
        .filter(|gap| gap.cause == "shed" && gap.channel == "book")
        .map(|gap| missing(gap.from_seq.expect("known"), gap.to_seq.expect("known")))
        .sum();
    assert_eq!((trades, books), (300 - lost.cast_signed(), 300 - lost.cast_signed()));
    for path in [&path, &remote_path] {
        assert_eq!(Reader::open(path).expect("opens").verify().expect("reads").damage, []);
    }
}
