//! Old market data goes by rule, a little at a time, and what is left still vouches for itself.
#![cfg(unix)]

mod common;

use std::time::Duration;

use common::{
    candle, change, fill as own_fill, gap, instrument, movement, open, order_state, owner, rows, ticker,
    trade,
};
use venuekit_store::{
    Market, Outbox, Reader, Removal, Retainer, Retention, Row, Sink, SinkError, Sqlite, Table,
};
use venuekit_types::UnixNanos;

const HOUR: i64 = 3_600_000_000_000;

/// Ten batches, an hour apart, of two venues.
fn fill(sink: &mut Sqlite) {
    for hour in 0..10_u32 {
        let at = i64::from(hour) * HOUR;
        let of_other = |mut row: venuekit_store::Trade| {
            row.market = Market::new("duedex", row.market.symbol);
            row
        };
        let mut all = Vec::new();
        for n in 0..20 {
            let id = u64::from(hour) * 20 + n;
            all.push(Row::Trade(trade("BTC/USDT", id, 100, at)));
            all.push(Row::Trade(of_other(trade("BTC/USDT", id, 100, at))));
            all.push(Row::BookChange(change("BTC/USDT", 1, id, 5, at)));
        }
        all.push(Row::Ticker(Box::new(ticker("BTC/USDT", hour.into(), "5"))));
        all.push(Row::Candle(Box::new(candle("BTC/USDT", at, "2"))));
        all.push(Row::Gap(Box::new(gap("BTC/USDT", at, None))));
        all.push(Row::Instrument(Box::new(instrument(1 + i64::from(hour), at))));
        let _ = sink.commit(&rows(all)).expect("commits");
    }
}

fn rules() -> Retention {
    let hours = |hours: u64| Duration::from_secs(3_600 * hours);
    let mut retention = Retention::default();
    retention.keep(Table::Trade, None, hours(3));
    retention.keep(Table::Trade, Some("duedex"), hours(6));
    retention.keep(Table::BookChange, None, hours(4));
    // Never kept by a rule, so never taken by one.
    retention.keep(Table::Gap, None, hours(1));
    retention.keep(Table::Instrument, None, hours(1));
    retention
}

fn trades(reader: &Reader, venue: &str) -> usize {
    let mut count = 0;
    let market = Market::new(venue, "BTC/USDT".parse().expect("a symbol"));
    reader.trades(&market, |_| count += 1).expect("reads");
    count
}

#[test]
fn what_is_old_goes_in_steps_and_what_is_left_vouches_for_itself() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    fill(&mut sink);
    let now = UnixNanos(10 * HOUR);
    let mut retainer = Retainer::open(&path, rules()).expect("opens");
    let due = retainer.due(now).expect("counts");
    let told = |removals: &[Removal]| -> Vec<(Table, String, u64)> {
        removals.iter().map(|r| (r.table, r.venue.clone(), r.rows)).collect()
    };
    let expected = [
        (Table::Trade, "doex".to_owned(), 140),
        (Table::Trade, "duedex".to_owned(), 80),
        (Table::BookChange, "doex".to_owned(), 120),
    ];
    assert_eq!(told(&due), expected);
    let (mut steps, mut gone) = (0, 0);
    loop {
        let step = retainer.step(now, 30).expect("removes");
        let rows: u64 = step.iter().map(|removal| removal.rows).sum();
        if rows == 0 {
            break;
        }
        assert!(rows <= 60, "a step is small: {rows}");
        (steps, gone) = (steps + 1, gone + rows);
        let verdict = Reader::open(&path).expect("opens").verify().expect("reads");
        assert_eq!(verdict.damage, [], "after step {steps}");
        // A sink beside it goes on.
        let _ = sink.commit(&rows_of(1_000 + steps)).expect("commits");
    }
    assert!(steps > 5, "{steps}");
    assert_eq!(gone, 340);
    let reader = Reader::open(&path).expect("opens");
    let more = usize::try_from(steps).expect("small");
    assert_eq!((trades(&reader, "doex"), trades(&reader, "duedex")), (60 + more, 120));
    let counts = &reader.counts().expect("counts")[0];
    assert_eq!((counts.book_changes, counts.tickers, counts.candles, counts.gaps), (80, 10, 10, 10));
    assert_eq!(retainer.due(now).expect("counts"), []);
    let log = retainer.log().expect("reads");
    assert_eq!(log.iter().map(|(_, removal)| removal.rows).sum::<u64>(), 340, "{log:?}");
    assert_eq!(log.len(), 3);
    // An hour later the next hour goes, also after a restart.
    let mut again = Retainer::open(&path, rules()).expect("opens");
    let step = again.step(UnixNanos(11 * HOUR), 1_000).expect("removes");
    assert_eq!(step.iter().map(|removal| removal.rows).sum::<u64>(), 60, "{step:?}");
}

fn rows_of(id: u64) -> venuekit_store::Batch {
    rows([Row::Trade(trade("BTC/USDT", id, 100, 100 * HOUR))])
}

#[test]
fn what_waits_for_another_sink_stays_and_what_is_damaged_is_not_touched() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    fill(&mut sink);
    let now = UnixNanos(1_000 * HOUR);
    let mut remote = open(&dir.path().join("remote.db")).expect("opens");
    let mut outbox = Outbox::open(&path, "remote").expect("opens");
    let mut retainer = Retainer::open(&path, rules()).expect("opens");
    assert_eq!(retainer.step(now, 1_000).expect("looks"), [], "nothing was handed on yet");
    let _ = outbox.step(&mut remote, 1).expect("hands on");
    let first: u64 = retainer.step(now, 1_000).expect("removes").iter().map(|removal| removal.rows).sum();
    assert_eq!(first, 60, "the first batch alone");
    while outbox.step(&mut remote, 1_000).expect("hands on").receipt.is_some() {}
    let conn = rusqlite::Connection::open(&path).expect("opens");
    let before = "SELECT count(*) FROM trade";
    conn.execute("UPDATE trade SET qty = '1.6' WHERE id = (SELECT min(id) FROM trade)", []).expect("changes");
    let count: i64 = conn.query_row(before, [], |row| row.get(0)).expect("counts");
    let error = retainer.step(now, 1_000).expect_err("not as written");
    assert!(matches!(error, SinkError::Corrupt(_)), "{error:?}");
    assert_eq!(conn.query_row(before, [], |row| row.get::<_, i64>(0)).expect("counts"), count);
}

/// Fills, orders and movements are kept for good, unless a rule names them.
#[test]
fn an_accounts_own_rows_go_by_their_own_rule_alone() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let mut sink = open(&path).expect("opens");
    for hour in 0..4_u64 {
        let at = i64::try_from(hour).expect("small") * HOUR;
        let _ = sink
            .commit(&rows([
                Row::Trade(trade("BTC/USDT", hour, 100, at)),
                Row::OrderState(Box::new(order_state("BTC/USDT", hour, "2.5", at))),
                Row::Fill(Box::new(own_fill("BTC/USDT", hour, "8804", at))),
                Row::Movement(Box::new(movement(hour, "completed", "1", at))),
            ]))
            .expect("commits");
    }
    let fills = || {
        let mut count = 0;
        Reader::open(&path).expect("opens").fills(&owner(), |_| count += 1).expect("reads");
        count
    };
    let now = UnixNanos(1_000 * HOUR);
    let step = Retainer::open(&path, rules()).expect("opens").step(now, 1_000).expect("removes");
    assert!(step.iter().all(|removal| removal.table == Table::Trade) && !step.is_empty(), "{step:?}");
    assert_eq!(fills(), 4);
    let mut told_otherwise = Retention::default();
    told_otherwise.keep(Table::Fill, None, Duration::from_secs(3_600 * 998));
    let step = Retainer::open(&path, told_otherwise).expect("opens").step(now, 1_000).expect("removes");
    let removed: Vec<(Table, u64)> = step.iter().map(|removal| (removal.table, removal.rows)).collect();
    assert_eq!((removed, fills()), (vec![(Table::Fill, 2)], 2));
    assert!(Reader::open(&path).expect("opens").verify().expect("reads").is_whole());
}
