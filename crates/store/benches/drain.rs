//! I5: how fast a spool drains into a server that is back, while rows go on coming. Printed, never asserted.
#![allow(clippy::disallowed_methods, reason = "it measures")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/server.rs"]
mod server;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{change, open, rows, sim, trade};
use server::Server;
use venuekit_store::postgres::Postgres;
use venuekit_store::{Outbox, Row, Sink as _, Sqlite};
use venuekit_types::{Level, UnixNanos};

/// Rows a second that come in.
const LIVE: u64 = 20_000;
/// How long the server is away.
const AWAY: Duration = Duration::from_secs(10);
/// Rows of one commit of the spool.
const BATCH: u64 = 200;
/// Rows of one step, about, as the worker takes them.
const STEP: usize = 4_000;
/// 2026-11-24.
const DAY: i64 = 20_781 * 86_400_000_000_000;

/// Nine changes of ten levels to one trade.
fn row(number: u64) -> Row {
    let at = DAY + i64::try_from(number).expect("small") * 50_000;
    if number.is_multiple_of(10) {
        let mut row = trade("BTC/USDT", number, 880_450, at);
        row.ts_venue = UnixNanos(at);
        return Row::Trade(row);
    }
    let mut row = change("BTC/USDT", 1, number, 5, at);
    row.bids = (0..10).map(|level| Level::new(880_450 - level, 5)).collect();
    row.ts_venue = Some(UnixNanos(at));
    Row::BookChange(row)
}

/// Brings rows at the live rate until it is told to end; gives how many.
fn produce(mut spool: Sqlite, from: u64, until: &dyn Fn() -> bool) -> u64 {
    let began = Instant::now();
    let mut brought = 0;
    while !until() {
        let batch = rows((0..BATCH).map(|n| row(from + brought + n)));
        let _ = spool.commit(&batch).expect("the spool takes rows");
        brought += BATCH;
        let due = Duration::from_nanos(brought * 1_000_000_000 / LIVE);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    brought
}

fn spool(path: &Path) -> Sqlite {
    open(path).expect("opens")
}

fn main() {
    let Some(server) = Server::start() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let path = scratch.path().join("spool.db");
    drop(spool(&path));
    let mut outbox = Outbox::open(&path, "postgres").expect("opens");
    let began = Instant::now();
    let waiting = produce(spool(&path), 0, &|| began.elapsed() >= AWAY);
    let mut sink = Postgres::connect(&server.dsn(), &sim("1")).expect("connects");
    let is_drained = AtomicBool::new(false);
    let (rows, took, came) = thread::scope(|scope| {
        let live = scope.spawn(|| produce(spool(&path), waiting, &|| is_drained.load(Ordering::Relaxed)));
        let began = Instant::now();
        let mut rows = 0;
        // The last batch but one: the very last may always be another that has just come.
        loop {
            let step = outbox.step(&mut sink, STEP).expect("the server takes rows");
            rows += step.receipt.as_ref().map_or(0, |receipt| receipt.total().new);
            if step.behind <= 1 {
                break;
            }
        }
        let took = began.elapsed();
        is_drained.store(true, Ordering::Relaxed);
        (rows, took, live.join().expect("no panic"))
    });
    let millis = u64::try_from(took.as_millis()).expect("minutes at most").max(1);
    let (rate, live) = (rows * 1_000 / millis, (came * 1_000 / millis).max(1));
    let tenths = rate * 10 / live;
    println!(
        "drain: {waiting} rows waited after {} s without a server; {rows} in {millis} ms are {rate} rows/s while \
         {live} came: {}.{} times live",
        AWAY.as_secs(),
        tenths / 10,
        tenths % 10
    );
}
