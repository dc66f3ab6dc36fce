//! Telling a bus: everything committed, under one id each, however often either side dies; and nothing waits for it.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use common::{candle, change, fill, gap, instrument, movement, open, order_state, rows, ticker, trade};
use rusqlite::Connection;
use venuekit_store::{
    Bus, BusError, Fanout, FanoutError, Message, Published, Reader, Retainer, Retention, Row, Sink,
    SinkError, Sqlite, Table,
};
use venuekit_types::UnixNanos;

const BUS: &str = "bus";

/// A bus that fails on demand, before or after it has taken what it was told.
#[derive(Default)]
struct Flaky {
    taken: Vec<Message>,
    /// How it fails, over and over; never where empty.
    fails: Vec<Fail>,
    turn: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Fail {
    Not,
    Before,
    After,
}

impl Flaky {
    /// What it was told, by id, each with how often.
    fn by_id(&self) -> BTreeMap<&str, (&Message, usize)> {
        let mut all = BTreeMap::new();
        for message in &self.taken {
            let (known, times) = all.entry(message.id.as_str()).or_insert((message, 0));
            assert_eq!(*known, message, "two messages of one id");
            *times += 1;
        }
        all
    }
}

impl Bus for Flaky {
    fn publish(&mut self, messages: &[Message]) -> Result<Published, BusError> {
        let fail = self.fails.get(self.turn % self.fails.len().max(1)).copied().unwrap_or(Fail::Not);
        self.turn += 1;
        let down = || Err(BusError::Unreachable("down".into()));
        if fail == Fail::Before {
            return down();
        }
        self.taken.extend_from_slice(messages);
        let published = Published { new: messages.len() as u64, ..Published::default() };
        if fail == Fail::After { down() } else { Ok(published) }
    }
}

/// Batches of every table, and the ids that a consumer has to end up with.
fn commit(sink: &mut Sqlite, numbers: std::ops::Range<u64>) -> Vec<String> {
    let mut ids = Vec::new();
    for n in numbers {
        let at = i64::try_from(n).expect("small");
        let all = [
            Row::Trade(trade("BTC/USDT", n, 880_450, at)),
            Row::BookChange(change("BTC/USDT", 1, n, 25, at)),
            Row::Ticker(Box::new(ticker("BTC/USDT", n, "5"))),
            Row::Candle(Box::new(candle("ETH/USDT", 60 * at, "2"))),
            Row::Instrument(Box::new(instrument(1 + at, at))),
            Row::Gap(Box::new(gap("BTC/USDT", 1_000 + at, None))),
            Row::OrderState(Box::new(order_state("BTC/USDT", n, "2.5", at))),
            Row::Fill(Box::new(fill("BTC/USDT", n, "8804", at))),
            Row::Movement(Box::new(movement(n, "completed", "1", at))),
        ];
        ids.extend(all.iter().map(|row| Message::of(row).id));
        // The same again is told once, since it is stored once.
        let _ = sink.commit(&rows(all.clone())).expect("commits");
        let heal = Row::Gap(Box::new(gap("BTC/USDT", 1_000 + at, Some(2_000 + at))));
        ids.push(Message::of(&heal).id);
        let _ = sink.commit(&rows(all.into_iter().chain([heal]))).expect("commits");
    }
    ids.sort();
    ids
}

/// Tells until there is nothing left; gives how often the bus failed.
fn tell_all(path: &Path, bus: &mut Flaky, rows_max: usize) -> usize {
    let mut failed = 0;
    loop {
        // Opened anew each time, as after a restart: whatever was not kept is told again.
        let mut fanout = Fanout::open(path, BUS).expect("opens");
        match fanout.step(bus, rows_max) {
            Ok(told) if told.published.is_none() => return failed,
            Ok(told) => assert_eq!(told.missed, 0),
            Err(FanoutError::Bus(BusError::Unreachable(_))) => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn owed(path: &Path) -> i64 {
    let conn = Connection::open(path).expect("opens");
    conn.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).expect("counts")
}

#[test]
fn everything_is_told_under_one_id_however_often_either_side_dies() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    // Before there was a bus: it is told of what comes next.
    commit(&mut sink, 900..903);
    drop(Fanout::open(&path, BUS).expect("opens"));
    assert_eq!(owed(&path), 0);
    let ids = commit(&mut sink, 0..20);
    assert_eq!(owed(&path), 60, "one for each private row");
    let fails = vec![Fail::After, Fail::Before, Fail::Not];
    let mut bus = Flaky { fails, ..Flaky::default() };
    let failed = tell_all(&path, &mut bus, 7);
    assert!(failed > 40, "each of more than twenty steps failed twice: {failed}");
    let by_id = bus.by_id();
    assert_eq!(by_id.keys().copied().collect::<Vec<_>>(), ids);
    let again = by_id.values().filter(|(_, times)| *times > 1).count();
    assert!(again > 180, "only {again} of {} ids were told again", ids.len());
    assert_eq!(owed(&path), 0);
    // Private rows first, and each row under its kind.
    assert!(bus.taken[0].subject.ends_with(".order_state"), "{}", bus.taken[0].subject);
    assert!(by_id.keys().all(|id| by_id[id].0.subject.ends_with(id.split('|').next().expect("a kind"))));
    let verdict = Reader::open(&path).expect("opens").verify().expect("reads");
    assert!(verdict.is_whole(), "{verdict:?}");
}

/// The private row and its place in the outbox enter together or not at all.
#[test]
fn what_is_owed_is_committed_with_the_row() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    drop(Fanout::open(&path, BUS).expect("opens"));
    drop(Fanout::open(&path, "another").expect("opens"));
    let conn = Connection::open(&path).expect("opens");
    conn.execute_batch("CREATE TRIGGER no_room BEFORE INSERT ON outbox WHEN new.sink = 'bus' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .expect("is valid");
    let told = rows([Row::Fill(Box::new(fill("BTC/USDT", 1, "8804", 1)))]);
    sink.commit(&told).expect_err("the outbox takes nothing");
    let stored =
        || conn.query_row("SELECT count(*) FROM fill", [], |row| row.get::<_, i64>(0)).expect("counts");
    assert_eq!((stored(), owed(&path)), (0, 0));
    conn.execute_batch("DROP TRIGGER no_room").expect("is valid");
    let _ = sink.commit(&told).expect("commits");
    let _ = sink.commit(&told).expect("commits");
    assert_eq!((stored(), owed(&path)), (1, 2), "one for each bus, once");
}

/// A bus that is away holds up neither retention nor the size of a spool, and is told how much it missed.
#[test]
fn nothing_waits_for_a_bus_and_what_it_missed_is_counted() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    drop(Fanout::open(&path, BUS).expect("opens"));
    let market_data = |n: u64| rows([Row::Trade(trade("BTC/USDT", n, 1, 1))]);
    for n in 0..10 {
        let _ = sink.commit(&market_data(n)).expect("commits");
    }
    let _ = sink.commit(&rows([Row::Fill(Box::new(fill("BTC/USDT", 1, "8804", 1)))])).expect("commits");
    let mut retention = Retention::default();
    retention.keep(Table::Trade, None, Duration::from_secs(1));
    let mut retainer = Retainer::open(&path, retention).expect("opens");
    while !retainer.step(UnixNanos(i64::MAX), 1_000).expect("removes").is_empty() {}
    let mut fanout = Fanout::open(&path, BUS).expect("opens");
    let mut bus = Flaky::default();
    let first = fanout.step(&mut bus, 100).expect("tells");
    assert_eq!((bus.taken.len(), bus.taken[0].id.as_str()), (1, "fill|doex|main|spot|BTC/USDT|1"));
    assert_eq!((first.behind, first.missed), (11, 0));
    let rest = fanout.step(&mut bus, 100).expect("tells");
    assert_eq!((rest.published, rest.behind, rest.missed), (Some(Published::default()), 0, 10));
    // Numbers go on above what was told, although every batch is gone: nothing new is taken for old.
    let conn = Connection::open(&path).expect("opens");
    conn.execute_batch("DELETE FROM batch; DELETE FROM fill").expect("changes");
    let _ = sink.commit(&market_data(100)).expect("commits");
    let next = fanout.step(&mut bus, 100).expect("tells");
    assert_eq!((next.published.expect("something").new, next.missed), (1, 0));
    assert_eq!(fanout.step(&mut bus, 100).expect("looks").published, None);
}

#[test]
fn what_is_not_as_written_is_not_told() {
    let check = |sql: &str, told_before: usize| {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("t.db");
        let mut sink = open(&path).expect("opens");
        let mut fanout = Fanout::open(&path, BUS).expect("opens");
        let _ = sink.commit(&rows([Row::Fill(Box::new(fill("BTC/USDT", 1, "8804", 1)))])).expect("commits");
        let _ = sink.commit(&rows([Row::Trade(trade("BTC/USDT", 1, 1, 1))])).expect("commits");
        Connection::open(&path).expect("opens").execute_batch(sql).expect("changes");
        let mut bus = Flaky::default();
        let error = loop {
            match fanout.step(&mut bus, 1) {
                Ok(told) => assert_ne!(told.published, None, "{sql}: everything was told"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, FanoutError::Store(SinkError::Corrupt(_))), "{sql}: {error:?}");
        assert_eq!(bus.taken.len(), told_before, "{sql}");
    };
    check("UPDATE fill SET fee = '0.2'", 0);
    check("UPDATE outbox SET row = 9", 0);
    check("UPDATE trade SET price = '2'", 1);
}
