//! The server sink against a real server: the same promises as the embedded one, and those that a server adds.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::disallowed_methods, reason = "how long a refusal takes is measured")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use common::{
    candle, change, cursor, fill, gap, instrument, market, movement, order_state, rows, sim, ticker, trade,
};
use server::Server;
use venuekit_store::postgres::{ConnectError, Dsn, Postgres};
use venuekit_store::{Batch, Counts, Outbox, RelayError, Relayed, Row, Sink, SinkError, Table, Why, World};
use venuekit_types::UnixNanos;

fn connect(server: &Server) -> Postgres {
    Postgres::connect(&server.dsn(), &sim("1")).expect("connects")
}

fn one_of_each(arrived: i64) -> Batch {
    rows([
        Row::Instrument(Box::new(instrument(1, arrived))),
        Row::Trade(trade("BTC/USDT", 7, 880_450, arrived)),
        Row::BookChange(change("BTC/USDT", 1, 3, 25, arrived)),
        Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5"))),
        Row::Candle(Box::new(candle("BTC/USDT", 60, "2"))),
        Row::Gap(Box::new(gap("BTC/USDT", 50, None))),
        Row::OrderState(Box::new(order_state("BTC/USDT", 7, "2.5", 100))),
        Row::Fill(Box::new(fill("BTC/USDT", 9, "8804", arrived))),
        Row::Movement(Box::new(movement(4, "pending", "100", arrived))),
    ])
}

/// The promises of the embedded sink, one after the other on one server: starting one takes seconds.
#[test]
fn a_server_keeps_the_promises_of_the_embedded_sink() {
    let Some(server) = Server::start() else { return };
    tells_new_from_duplicate_from_conflict(&server);
    heals_once(&server);
    counts_versions_and_epochs(&server);
    knows_the_generations_it_was_given(&server);
    resumes_and_never_moves_back(&server);
    cuts_by_day(&server);
    refuses_other_worlds_and_newer_schemas(&server);
}

fn tells_new_from_duplicate_from_conflict(server: &Server) {
    let mut sink = connect(server);
    let first = sink.commit(&one_of_each(100)).expect("commits");
    let second = sink.commit(&one_of_each(200)).expect("commits");
    for table in Table::ALL.into_iter().filter(|&table| table != Table::Stream) {
        assert_eq!(first.of(table), Counts { new: 1, ..Counts::default() }, "{table}");
        assert_eq!(second.of(table), Counts { dup: 1, ..Counts::default() }, "{table}");
    }
    let mut other_cause = gap("BTC/USDT", 50, None);
    other_cause.cause = "closed".into();
    let mut other_order = order_state("BTC/USDT", 7, "2.5", 100);
    other_order.order_type = Some("market".into());
    // What only one telling knows is no contradiction.
    let mut bare = fill("BTC/USDT", 9, "8804", 1);
    (bare.fee_asset, bare.maker) = (None, None);
    let mut other_price = trade("BTC/USDT", 7, 880_450, 100);
    other_price.price = venuekit_types::Scaled::new(880_451, common::scale(2));
    let changed = sink
        .commit(&rows([
            Row::Trade(other_price),
            Row::BookChange(change("BTC/USDT", 1, 3, 26, 100)),
            Row::Ticker(Box::new(ticker("BTC/USDT", 1, "5.1"))),
            Row::Candle(Box::new(candle("BTC/USDT", 60, "2.5"))),
            Row::Gap(Box::new(other_cause)),
            Row::OrderState(Box::new(other_order)),
            Row::Fill(Box::new(fill("BTC/USDT", 9, "8804.1", 100))),
            Row::Movement(Box::new(movement(4, "pending", "99", 100))),
            Row::Fill(Box::new(bare)),
            Row::Trade(trade("BTC/USDT", 8, 1, 100)),
            Row::BookChange(change("BTC/USDT", 1, u64::MAX, 1, 1)),
        ]))
        .expect("a conflict is no failure");
    let refused: Vec<String> =
        changed.refused.iter().map(|refused| format!("{} {}", refused.table, refused.key)).collect();
    assert_eq!(
        refused,
        [
            "trade doex BTC/USDT 7",
            "book_change doex BTC/USDT epoch 1 seq 3",
            "ticker doex BTC/USDT epoch 1 seq 1",
            "candle doex BTC/USDT 1m 60",
            "gap doex BTC/USDT book at 50",
            "order_state doex main spot BTC/USDT 7 partially_filled 2.5 at 100",
            "fill doex main spot BTC/USDT 9",
            "movement doex main withdrawal 4 pending",
            "book_change doex BTC/USDT epoch 1 seq 18446744073709551615",
        ]
    );
    assert!(changed.refused[..8].iter().all(|refused| refused.why == Why::Conflict));
    assert_eq!(changed.refused[8].why, Why::OutOfRange);
    assert_eq!(changed.of(Table::Fill), Counts { dup: 1, refused: 1, ..Counts::default() });
    assert_eq!(
        server.sql("SELECT fill_id, last_px, fee_asset, liquidity, derived, wallet, ts_local FROM fill"),
        ["9|8804|USDT|maker|f|spot|100"]
    );
    assert_eq!(
        server.sql(
            "SELECT status, cum_qty, post_only, reduce_only IS NULL, created_at, ts_venue FROM order_state"
        ),
        ["partially_filled|2.5|t|t|1|100"]
    );
    assert_eq!(
        server.sql("SELECT kind, status, amount, from_wallet FROM movement"),
        ["withdrawal|pending|100|spot"]
    );
    assert_eq!(changed.of(Table::Trade), Counts { new: 1, refused: 1, ..Counts::default() });
    assert_eq!(
        server.sql("SELECT trade_id, price, ts_local FROM trade ORDER BY 1"),
        ["7|8804.5|100", "8|0.01|100"]
    );
    assert_eq!(
        server.sql("SELECT bids, ts_venue FROM book_change"),
        [r#"[["8804.5","0.025"],["8804","0"]]|0"#]
    );
    // The same row twice in one batch, and a contradiction within one.
    let within = sink
        .commit(&rows([
            Row::Candle(Box::new(candle("BTC/USDT", 120, "2"))),
            Row::Candle(Box::new(candle("BTC/USDT", 120, "2"))),
            Row::Candle(Box::new(candle("BTC/USDT", 120, "3"))),
        ]))
        .expect("commits");
    assert_eq!(within.of(Table::Candle), Counts { new: 1, dup: 1, refused: 1, ..Counts::default() });
}

fn heals_once(server: &Server) {
    let mut sink = connect(server);
    let mut write = |healed: &[Option<i64>]| {
        let gaps = healed.iter().map(|&at| Row::Gap(Box::new(gap("ETH/USDT", 50, at))));
        let Counts { new, dup, healed, refused, .. } =
            sink.commit(&rows(gaps)).expect("commits").of(Table::Gap);
        (new, dup, healed, refused)
    };
    assert_eq!(write(&[None]), (1, 0, 0, 0), "noticed");
    assert_eq!(write(&[Some(60)]), (0, 0, 1, 0), "healed");
    assert_eq!(write(&[Some(60)]), (0, 1, 0, 0), "the same again");
    assert_eq!(write(&[None]), (0, 1, 0, 0), "the first writing delivered late");
    assert_eq!(write(&[Some(61)]), (0, 0, 0, 1), "healed at another time");
    server.sql("DELETE FROM gap WHERE symbol = 'ETH/USDT'");
    assert_eq!(write(&[None, Some(60)]), (1, 0, 1, 0), "noticed and healed in one batch");
    assert_eq!(write(&[None, Some(60)]), (0, 2, 0, 0), "and the same batch again");
    assert_eq!(server.sql("SELECT healed_at FROM gap WHERE symbol = 'ETH/USDT'"), ["60"]);
}

fn counts_versions_and_epochs(server: &Server) {
    server.sql("DELETE FROM instrument");
    let mut sink = connect(server);
    let seen = |tick, at| Row::Instrument(Box::new(instrument(tick, at)));
    let history = rows([seen(1, 10), seen(1, 20), seen(5, 30), seen(1, 40)]);
    let first = sink.commit(&history).expect("commits");
    assert_eq!(first.of(Table::Instrument), Counts { new: 3, dup: 1, ..Counts::default() });
    let again = sink.commit(&history).expect("commits");
    assert_eq!(again.of(Table::Instrument), Counts { dup: 4, ..Counts::default() });
    let clash = sink.commit(&rows([seen(7, 30)])).expect("commits");
    assert_eq!(clash.of(Table::Instrument).refused, 1, "two terms cannot arrive at one instant");
    assert_eq!(server.sql("SELECT version, tick FROM instrument ORDER BY 1"), ["1|0.01", "2|0.05", "3|0.01"]);

    let mut taken = Vec::new();
    for count in [1, 16, 1] {
        let count = NonZeroU32::new(count).expect("not zero");
        taken.push(connect(server).reserve_epochs(&market("BTC/USDT"), count).expect("reserves"));
    }
    // The first came with rows, above.
    assert_eq!(taken, [2, 3, 19]);
}

fn knows_the_generations_it_was_given(server: &Server) {
    let mut sink = connect(server);
    let of = |sink: &mut Postgres, symbol: &str| {
        let known = sink.epochs().expect("reads");
        known.into_iter().find(|(known, _)| *known == market(symbol)).map_or(0, |(_, last)| last)
    };
    let given = [("LINK/USDT", 40), ("LINK/USDT", 41), ("LINK/USDT", 7)];
    let _ = sink
        .commit(&rows(given.map(|(symbol, epoch)| Row::BookChange(change(symbol, epoch, 0, 1, 1)))))
        .expect("commits");
    assert_eq!(of(&mut sink, "LINK/USDT"), 41, "the highest of those that came with rows");
    assert_eq!(sink.reserve_epochs(&market("LINK/USDT"), NonZeroU32::MIN).expect("reserves"), 42);
    let _ = sink.commit(&rows([Row::BookChange(change("LINK/USDT", 9, 0, 1, 1))])).expect("commits");
    assert_eq!(of(&mut sink, "LINK/USDT"), 42, "it never moves back");
}

fn resumes_and_never_moves_back(server: &Server) {
    let mut sink = connect(server);
    for (epoch, seq) in [(1, 5), (1, 9), (1, 7), (2, 0), (1, 30)] {
        let _ = sink.commit(&Batch { rows: vec![], cursors: vec![cursor("BTC/USDT", epoch, seq)] });
    }
    let both = Batch { rows: vec![], cursors: vec![cursor("ETH/USDT", 1, 3), cursor("ETH/USDT", 1, 4)] };
    let receipt = sink.commit(&both).expect("commits");
    assert_eq!(receipt.of(Table::Stream), Counts { new: 1, dup: 1, ..Counts::default() });
    let resume = connect(server).resume().expect("reads");
    assert_eq!(resume.cursors, [cursor("BTC/USDT", 2, 0), cursor("ETH/USDT", 1, 4)]);
    assert_eq!(resume.open_gaps, [gap("BTC/USDT", 50, None)]);
}

fn cuts_by_day(server: &Server) {
    let mut sink = connect(server);
    let day = 86_400_000_000_000;
    let at = |id, stamp, arrived| {
        let mut row = trade("DAY/USDT", id, 1, arrived);
        row.ts_venue = UnixNanos(stamp);
        Row::Trade(row)
    };
    let today = 20_781 * day;
    let batch = rows([
        at(1, today + 5, today + 9),
        at(2, today + day - 1, today + day),
        at(3, today + day, today + day),
        // Fetched long after, and stamped by a clock that lies.
        at(4, today - 30 * day, today),
        at(5, i64::MAX, today),
        at(6, -1, today),
        at(7, 0, today),
    ]);
    for round in 0..2 {
        let counts = sink.commit(&batch).expect("commits").of(Table::Trade);
        let expected = if round == 0 { (7, 0) } else { (0, 7) };
        assert_eq!((counts.new, counts.dup, counts.refused), (expected.0, expected.1, 0));
    }
    let sql = "SELECT tableoid::regclass, trade_id FROM trade WHERE symbol = 'DAY/USDT' ORDER BY trade_id";
    let partitions = server.sql(sql);
    assert_eq!(
        partitions,
        [
            "trade_20261124|1",
            "trade_20261124|2",
            "trade_20261125|3",
            "trade_other|4",
            "trade_other|5",
            "trade_other|6",
            "trade_unstamped|7"
        ]
    );
    // A day whose first rows stand among the others already goes on there.
    let late = rows([at(8, today - 30 * day, today - 30 * day)]);
    assert_eq!(connect(server).commit(&late).expect("commits").of(Table::Trade).new, 1);
    assert_eq!(
        server.sql("SELECT am.amname FROM pg_class c JOIN pg_am am ON am.oid = c.relam WHERE c.relname = 'trade_time'"),
        ["brin"]
    );
}

fn refuses_other_worlds_and_newer_schemas(server: &Server) {
    let live = World::Live { hosts: [("doex".to_owned(), "api.doex.example".to_owned())].into() };
    let error = Postgres::connect(&server.dsn(), &live).expect_err("another world").to_string();
    assert!(error.contains("simulator run 1") && error.contains("doex=api.doex.example"), "{error}");
    server.sql("INSERT INTO schema_version VALUES (99)");
    let error = Postgres::connect(&server.dsn(), &sim("1")).expect_err("newer").to_string();
    assert!(error.contains("version 99") && error.contains("up to 4"), "{error}");
    server.sql("DELETE FROM schema_version WHERE version = 99");
    drop(connect(server));
    server.sql("DROP SCHEMA venuekit CASCADE; CREATE SCHEMA venuekit; CREATE TABLE venuekit.trade (x int)");
    let error = Postgres::connect(&server.dsn(), &sim("1")).expect_err("foreign");
    assert!(matches!(error, ConnectError::Foreign { .. }), "{error}");
    assert_eq!(
        server.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'venuekit'::regnamespace"),
        ["1"]
    );
}

/// Wrong credentials and an absent server are told apart, and nobody waits long.
#[test]
fn who_may_not_and_who_is_not_there_are_told_apart() {
    let port = server::closed_port();
    let began = Instant::now();
    let absent = Dsn::parse(&format!("postgres://a@127.0.0.1:{port}/b")).expect("valid");
    let error = Postgres::connect(&absent, &sim("1")).expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    // One that accepts and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = mute.local_addr().expect("bound").port();
    let mute = Dsn::parse(&format!("postgres://a@127.0.0.1:{port}/b")).expect("valid");
    let error = Postgres::connect(&mute, &sim("1")).expect_err("nobody answers");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "bounded");

    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE worker LOGIN PASSWORD 'right'");
    fs::write(
        server.data_dir().join("pg_hba.conf"),
        "local all test trust\nlocal all worker scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .expect("writes");
    server.reload();
    let refused = |user: &str, more: &str| {
        let error = Postgres::connect(&server.dsn_as(user, more), &sim("1")).expect_err("refused");
        assert!(matches!(error, ConnectError::Credentials { .. }), "{user}: {error:?}");
    };
    refused("worker", "password=CANARY");
    refused("worker", "");
    refused("nobody", "password=x");
    // The right password of a user who may not make tables.
    refused("worker", "password=right");
    server.sql("GRANT CREATE ON DATABASE postgres TO worker");
    drop(Postgres::connect(&server.dsn_as("worker", "password=right"), &sim("1")).expect("connects"));
    // A server without TLS behind a name: nothing is sent in the clear.
    let port = server.port();
    let named = Dsn::parse(&format!("postgres://worker:right@localhost:{port}/postgres")).expect("valid");
    let error = Postgres::connect(&named, &sim("1")).expect_err("no TLS, no password");
    assert!(!matches!(error, ConnectError::Credentials { .. }), "{error:?}");
}

/// I5: the server crashes in the middle of batches, again and again. What failed is committed again, and in the end
/// every row is there once.
#[test]
fn a_server_that_crashes_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else { return };
    let mut sink = connect(&server);
    let batch = |n: u64| {
        let ids = n * 50..(n + 1) * 50;
        let rows = ids.map(|id| Row::Trade(trade("BTC/USDT", id, 100, 1)));
        Batch { rows: rows.collect(), cursors: vec![cursor("BTC/USDT", 1, n)] }
    };
    let (mut failed, mut new, mut dup) = (0, 0, 0);
    std::thread::scope(|scope| {
        let crashes = scope.spawn(|| {
            for _ in 0..3 {
                server.down();
                server.up();
            }
        });
        let mut n = 0;
        let mut after = 0;
        // Some more once the last crash is over.
        while after < 20 {
            match sink.commit(&batch(n)) {
                Ok(receipt) => {
                    new += receipt.total().new;
                    dup += receipt.total().dup;
                    assert_eq!(receipt.total().refused, 0);
                    n += 1;
                    after += usize::from(crashes.is_finished());
                }
                Err(SinkError::Unreachable(_)) => failed += 1,
                Err(error) => panic!("another error: {error:?}"),
            }
        }
        let stored =
            server.sql("SELECT count(*), count(DISTINCT trade_id), max(trade_id::bigint) FROM trade");
        assert_eq!(stored, [format!("{0}|{0}|{1}", n * 50, n * 50 - 1)]);
        assert_eq!(new + dup, n * 50);
        assert_eq!(sink.resume().expect("reads").cursors, [cursor("BTC/USDT", 1, n - 1)]);
    });
    assert!(failed > 0, "no commit met a crash");
}

/// I5: while the server is away rows wait in the spool, whoever writes them notices nothing, and all of them arrive
/// once when it is back, also those that a crash left unacknowledged.
#[test]
fn a_spool_fills_while_the_server_is_away_and_drains_when_it_is_back() {
    let Some(server) = Server::start() else { return };
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("spool.db");
    let mut spool = common::open(&path).expect("opens");
    let mut remote = connect(&server);
    let mut outbox = Outbox::open(&path, "postgres").expect("opens");
    let mut fill = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let at = 880_450 + i64::try_from(n).expect("small");
            let mut batch = rows([
                Row::Trade(trade("BTC/USDT", n, at, at)),
                Row::BookChange(change("BTC/USDT", 1, n, at, at)),
                Row::Gap(Box::new(gap("BTC/USDT", at, None))),
            ]);
            batch.cursors.push(cursor("BTC/USDT", 1, n));
            let _ = spool.commit(&batch).expect("commits");
            let _ = spool
                .commit(&rows([Row::Gap(Box::new(gap("BTC/USDT", at, Some(at + 1))))]))
                .expect("commits");
        }
    };
    fill(0..20);
    let _ = outbox.step(&mut remote, 10).expect("hands on");
    server.down();
    fill(20..40);
    let error = outbox.step(&mut remote, 10).expect_err("nobody there");
    assert!(matches!(error, RelayError::Remote(SinkError::Unreachable(_))), "{error:?}");
    server.up();
    let mut refused = 0;
    loop {
        // A server that has just started may still turn connections away.
        match outbox.step(&mut remote, 10) {
            Ok(Relayed { receipt: None, .. }) => break,
            Ok(Relayed { receipt: Some(receipt), .. }) => refused += receipt.total().refused,
            Err(error) => assert!(matches!(error, RelayError::Remote(_)), "{error:?}"),
        }
    }
    assert_eq!(refused, 0);
    let counts = "SELECT (SELECT count(*) FROM trade), (SELECT count(*) FROM book_change),
        (SELECT count(*) FROM gap WHERE healed_at = detected_at + 1)";
    assert_eq!(server.sql(counts), ["40|40|40"]);
    assert_eq!(remote.resume().expect("reads").cursors, [cursor("BTC/USDT", 1, 39)]);
    let texts =
        server.sql("SELECT trade_id, price, qty, side, ts_venue, ts_local FROM trade ORDER BY ts_local");
    let there = rusqlite::Connection::open(&path).expect("opens");
    let mut select = there
        .prepare("SELECT trade_id || '|' || price || '|' || qty || '|' || side || '|' || ts_venue || '|' || ts_local FROM trade ORDER BY id")
        .expect("a table");
    let here: Vec<String> =
        select.query_map([], |row| row.get(0)).expect("reads").map(|row| row.expect("text")).collect();
    assert_eq!(texts, here);
}

/// Two that start at once on an empty database agree on its schema.
#[test]
fn many_may_start_at_once() {
    let Some(server) = Server::start() else { return };
    let first: BTreeSet<u64> = std::thread::scope(|scope| {
        let start =
            || connect(&server).reserve_epochs(&market("BTC/USDT"), NonZeroU32::MIN).expect("reserves");
        let running: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(first, BTreeSet::from([1, 2, 3, 4]));
}
