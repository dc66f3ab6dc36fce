//! A server forgets by rule: days that are over go whole, what shares a day goes row by row, and all of it is written
//! down.
#![cfg(all(unix, feature = "postgres"))]

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::Duration;

use common::{change, cursor, fill as own_fill, gap, rows, sim, trade};
use server::Server;
use venuekit_store::postgres::{Postgres, ServerRetainer};
use venuekit_store::{Market, Removal, Retention, Row, Sink as _, Table};
use venuekit_types::UnixNanos;

const DAY: i64 = 86_400_000_000_000;
/// 2026-11-01.
const FIRST: i64 = 20_758 * DAY;

/// Ten days of two venues, and rows that the venue did not stamp.
fn fill(server: &Server) {
    let mut sink = Postgres::connect(&server.dsn(), &sim("1")).expect("connects");
    let duedex = |mut row: venuekit_store::Trade| {
        row.market = Market::new("duedex", row.market.symbol);
        row
    };
    for day in 0..10_u8 {
        let at = FIRST + i64::from(day) * DAY + DAY / 2;
        let mut all = Vec::new();
        for n in 0..20 {
            let id = u64::from(day) * 100 + n;
            let stamped = |mut row: venuekit_store::Trade| {
                row.ts_venue = UnixNanos(at);
                row
            };
            all.push(Row::Trade(stamped(trade("BTC/USDT", id, 100, at))));
            all.push(Row::Trade(duedex(stamped(trade("BTC/USDT", id, 100, at)))));
            let mut change = change("BTC/USDT", 1, id, 5, at);
            change.ts_venue = None;
            all.push(Row::BookChange(change));
        }
        all.push(Row::Gap(Box::new(gap("BTC/USDT", at, None))));
        all.push(Row::Fill(Box::new(own_fill("BTC/USDT", u64::from(day), "8804", at))));
        let mut batch = rows(all);
        batch.cursors.push(cursor("BTC/USDT", 1, u64::from(day) + 1));
        let mut other = cursor("BTC/USDT", 1, u64::from(day) + 1);
        other.market = Market::new("duedex", other.market.symbol);
        batch.cursors.push(other);
        assert_eq!(sink.commit(&batch).expect("commits").total().refused, 0);
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(86_400 * days)
}

fn all_of(retainer: &mut ServerRetainer, now: UnixNanos) -> (Vec<Removal>, usize) {
    let (mut gone, mut steps) = (Vec::new(), 0);
    loop {
        let step = retainer.step(now, 7).expect("steps");
        if step.is_empty() {
            return (gone, steps);
        }
        steps += 1;
        gone.extend(step);
    }
}

fn rows_of(removals: &[Removal], table: Table, venue: &str) -> u64 {
    removals.iter().filter(|r| r.table == table && r.venue == venue).map(|r| r.rows).sum()
}

#[test]
fn days_go_whole_and_the_rest_in_steps() {
    let Some(server) = Server::start() else { return };
    fill(&server);
    let mut retention = Retention::default();
    retention.keep(Table::Trade, None, days(6));
    retention.keep(Table::Trade, Some("duedex"), days(8));
    retention.keep(Table::BookChange, None, days(5));
    // Never kept by a rule, so never taken by one.
    retention.keep(Table::Gap, None, days(1));
    let now = UnixNanos(FIRST + 10 * DAY);
    let mut retainer = ServerRetainer::connect(&server.dsn(), retention.clone()).expect("connects");
    let due = retainer.due(now).expect("counts");
    let count = |table: Table, venue: &str| rows_of(&due, table, venue);
    // Days 0 to 3 of Doex's trades, 0 and 1 of DueDEX's, and half a day of changes that have no stamp.
    assert_eq!(
        [count(Table::Trade, "doex"), count(Table::Trade, "duedex"), count(Table::BookChange, "doex")],
        [80, 40, 100]
    );
    assert_eq!(server.sql("SELECT count(*) FROM trade"), ["400"], "counting takes nothing");

    // Whoever else is at it finds nothing to do.
    let mut other = ServerRetainer::connect(&server.dsn(), retention).expect("connects");
    let (gone, steps) = all_of(&mut retainer, now);
    assert_eq!(all_of(&mut other, now).1, 0);
    for (table, venue) in [(Table::Trade, "doex"), (Table::Trade, "duedex"), (Table::BookChange, "doex")] {
        assert_eq!(rows_of(&gone, table, venue), count(table, venue), "{table} {venue}");
    }
    assert!(steps > 10, "{steps} steps of seven rows took 220");
    let partitions = server
        .sql("SELECT relname FROM pg_class WHERE relname LIKE 'trade_2026%' AND relkind = 'r' ORDER BY 1");
    assert_eq!(partitions.len(), 8, "{partitions:?}");
    assert_eq!(partitions[0], "trade_20261103");
    assert_eq!(
        server.sql("SELECT venue, count(*) FROM trade GROUP BY 1 ORDER BY 1"),
        ["doex|120", "duedex|160"]
    );
    assert_eq!(server.sql("SELECT count(*) FROM book_change_unstamped"), ["100"]);
    assert_eq!(server.sql("SELECT count(*) FROM gap"), ["10"]);
    assert!(retainer.due(now).expect("counts").is_empty());
    let log = retainer.log().expect("reads");
    let logged: Vec<Removal> = log.iter().map(|(_, removal)| removal.clone()).collect();
    assert_eq!(logged.len(), 3, "{log:?}");
    assert_eq!(rows_of(&logged, Table::Trade, "doex"), 80);
    assert_eq!(log[0].0.to_string(), "2026-11-11");

    // A row that comes late to a day that is gone finds a place, and goes by the same rule.
    let mut sink = Postgres::connect(&server.dsn(), &sim("1")).expect("connects");
    let mut late = trade("BTC/USDT", 7_777, 100, FIRST);
    late.ts_venue = UnixNanos(FIRST);
    assert_eq!(sink.commit(&rows([Row::Trade(late)])).expect("commits").total().new, 1);
    assert_eq!(rows_of(&all_of(&mut retainer, now).0, Table::Trade, "doex"), 1);

    // An account's own rows were kept, until a rule names them.
    assert_eq!(server.sql("SELECT count(*) FROM fill"), ["10"]);
    let mut told_otherwise = Retention::default();
    told_otherwise.keep(Table::Fill, None, days(5));
    let mut retainer = ServerRetainer::connect(&server.dsn(), told_otherwise).expect("connects");
    assert_eq!(rows_of(&retainer.due(now).expect("counts"), Table::Fill, "doex"), 5);
    assert_eq!(rows_of(&all_of(&mut retainer, now).0, Table::Fill, "doex"), 5);
    assert_eq!(server.sql("SELECT count(*) FROM fill"), ["5"]);
}
