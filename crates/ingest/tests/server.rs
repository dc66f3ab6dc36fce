//! A server behind the spool: it takes everything once, may go away and come back, and is refused for a reason.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::disallowed_methods, reason = "how long a refusal takes is measured")]

mod common;
#[path = "../../store/tests/common/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use common::{PATIENCE, Running, counts_until, into, start_with};
use server::Server;
use venuekit_driver::{Clock, ServeOptions, serve};
use venuekit_ingest::{Config, Dsn, Ended, Exit, Overrides, RunOptions, SinkKind};
use venuekit_sim::{Sim, SimConfig};
use venuekit_store::{MarketCounts, Reader};

/// The usual run, into a spool in this folder and the server behind it.
fn through(directory: &Path) -> Config {
    let mut config = into(directory, Overrides { sim_rate: Some(100), ..Overrides::default() });
    config.sink.kind = SinkKind::Postgres;
    config
}

fn begin(config: Config, dsn: Dsn) -> Running {
    start_with(config, RunOptions { server: Some(dsn), ..RunOptions::default() })
}

fn rows(counts: &[MarketCounts]) -> u64 {
    counts.iter().map(|market| market.trades + market.book_changes + market.tickers).sum()
}

async fn more_rows(path: &Path, than: u64) -> u64 {
    rows(&counts_until(path, |counts| rows(counts) >= than).await)
}

/// Every trade and book change of the spool, as one sorted list.
fn stored(path: &Path) -> Vec<String> {
    let reader = Reader::open(path).expect("opens");
    let mut all = Vec::new();
    for MarketCounts { market, .. } in reader.counts().expect("counts") {
        let (venue, symbol) = (market.venue.as_ref(), market.symbol.as_str());
        let trade = |row: venuekit_store::StoredTrade| {
            let venuekit_store::StoredTrade { trade_id, price, qty, side, ts_venue, ts_local } = row;
            all.push(format!(
                "{venue}|{symbol}|{trade_id}|{price}|{qty}|{side}|{}|{}",
                ts_venue.0, ts_local.0
            ));
        };
        reader.trades(&market, trade).expect("reads");
        for epoch in reader.epochs(&market).expect("reads") {
            let change = |row: venuekit_store::StoredChange<'_>| {
                let levels = row.bids.len() + row.asks.len();
                all.push(format!("{venue}|{symbol}|{epoch}|{}|{}|{levels}", row.first_seq, row.last_seq));
            };
            reader.book_changes(&market, epoch, change).expect("reads");
        }
    }
    all.sort();
    all
}

/// The same of the server.
fn taken(server: &Server) -> Vec<String> {
    let mut all =
        server.sql("SELECT venue, symbol, trade_id, price, qty, side, ts_venue, ts_local FROM trade");
    all.extend(server.sql(
        "SELECT venue, symbol, epoch, first_seq, last_seq,
                json_array_length(bids::json) + json_array_length(asks::json) FROM book_change",
    ));
    all.sort();
    all
}

/// I5: the server crashes and comes back; nothing is lost, nothing is doubled, and what waited is handed on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_gets_everything_once() {
    let Some(server) = Server::start() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut running = begin(through(scratch.path()), server.dsn());
    running.started().await;
    let spool = scratch.path().join("v.db");
    let first = more_rows(&spool, 200).await;
    running
        .until("/readyz?verbose", |text| text.contains("[+]postgres ok rows=") && text.ends_with("\nready\n"))
        .await;
    server.down();
    let text = running.until("/readyz", |text| text.contains("[-]postgres failing")).await;
    assert!(text.contains("cannot be reached") && !text.contains("[-]sink"), "{text}");
    // The worker goes on as if nothing had happened.
    let second = more_rows(&spool, first + 300).await;
    let metrics = running.get("/metrics").await.1;
    assert!(metrics.contains("venuekit_sink_up{sink=\"postgres\"} 0"), "{metrics}");
    assert!(metrics.contains("venuekit_sink_up{sink=\"sqlite\"} 1"), "{metrics}");
    server.up();
    running
        .until("/readyz?verbose", |text| text.contains("[+]postgres ok") && text.contains("behind=0"))
        .await;
    more_rows(&spool, second + 100).await;
    let (summary, _) = running.end(Ended::Asked).await;
    assert_eq!((summary.conflicts, summary.shed), (0, 0), "{summary}");
    let (stored, taken) = (stored(&spool), taken(&server));
    assert!(stored.len() > 500);
    assert_eq!(taken, stored);
    assert_eq!(server.sql("SELECT count(*) FROM gap WHERE healed_at IS NULL"), ["0"]);
}

/// S5: a spool that is full while the server is away gives up its oldest market data, each stretch named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_sheds_the_oldest_by_name() {
    let Some(server) = Server::start() else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut config = through(scratch.path());
    (config.sink.spool_bytes, config.sim.rate) = (1 << 20, 1_000);
    let mut running = begin(config, server.dsn());
    running.started().await;
    running
        .until("/readyz?verbose", |text| text.contains("[+]postgres ok rows=") && text.ends_with("\nready\n"))
        .await;
    server.down();
    let text = running.until("/readyz?verbose", |text| text.contains("rows were shed")).await;
    assert!(text.contains("[-]postgres failing") && text.contains("[+]sink ok"), "{text}");
    let bytes = running.get("/metrics").await.1;
    let line = bytes.lines().find(|line| line.starts_with("venuekit_spool_bytes ")).expect("told");
    let bytes: f64 = line.rsplit(' ').next().expect("a value").parse().expect("a number");
    assert!(bytes < 1.5 * f64::from(1 << 20), "{bytes}");
    server.up();
    running
        .until("/readyz?verbose", |text| text.contains("[+]postgres ok") && text.contains("behind=0"))
        .await;
    running.end(Ended::Asked).await;
    let named =
        server.sql("SELECT count(*) > 0, bool_and(healed_at IS NOT NULL) FROM gap WHERE cause = 'shed'");
    assert_eq!(named, ["t|t"]);
    // Each row that a book misses lies within a stretch that is named.
    let unnamed = server.sql(
        "SELECT count(*) FROM (
           SELECT venue, symbol, epoch, first_seq, is_snapshot,
                  lag(last_seq) OVER (PARTITION BY venue, symbol, epoch ORDER BY first_seq) AS before
           FROM book_change) AS linked
         WHERE before IS NOT NULL AND first_seq <> before + 1 AND NOT is_snapshot AND NOT EXISTS (
           SELECT FROM gap WHERE cause = 'shed' AND channel = 'book' AND gap.venue = linked.venue
             AND gap.symbol = linked.symbol AND gap.epoch = linked.epoch AND from_seq <= first_seq - 1
             AND to_seq >= before + 1)",
    );
    assert_eq!(unnamed, ["0"]);
}

/// A spool that was lost is made anew: no generation comes twice, and what nobody listened to is a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_spool_goes_on_where_the_server_is() {
    let Some(server) = Server::start() else { return };
    let clock = Clock::start();
    let sim = Sim::new(SimConfig::new(7, clock.now()));
    let mut venues = sim.into_venues().into_iter();
    let duedex = venues.find(|venue| venue.name() == "duedex").expect("simulated");
    let front = serve(duedex, ServeOptions { clock, ..ServeOptions::default() }).await.expect("serves");
    let hosts = format!("rest = \"{}\"\nstream = \"{}\"\n", front.rest_origin(), front.stream_origin());
    let rest = "[health]\nlisten = \"127.0.0.1:0\"\n[sink]\nkind = \"postgres\"\npath = \"v.db\"\n";
    let text = format!("[venues.duedex]\n{hosts}{rest}");
    let mut seen = 0;
    let mut generations = BTreeSet::new();
    for _ in 0..3 {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let config = Config::from_toml(&text, "v.toml", scratch.path()).expect("valid");
        let mut running = begin(config, server.dsn());
        running.started().await;
        more_rows(&scratch.path().join("v.db"), 100).await;
        running.end(Ended::Asked).await;
        let taken = taken(&server).len();
        assert!(taken > seen, "the server takes the rows of each spool");
        seen = taken;
        let stored = stored(&scratch.path().join("v.db"));
        let own: BTreeSet<String> =
            stored.iter().filter(|row| !is_trade(row)).map(|row| generation(row)).collect();
        let twice: Vec<&String> = own.intersection(&generations).collect();
        assert!(own.len() >= 4 && twice.is_empty(), "generations that an earlier spool gave: {twice:?}");
        generations.extend(own);
        let server: BTreeSet<String> = self::taken(&server).into_iter().collect();
        let missing: Vec<&String> =
            stored.iter().filter(|row| !is_trade(row) && !server.contains(*row)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    let unlistened = server.sql("SELECT count(*) FROM gap WHERE cause = 'not_running' AND channel = 'book'");
    assert_eq!(unlistened, ["8"], "two starts found four books");
}

/// Venue, symbol and epoch of a book's row.
fn generation(row: &str) -> String {
    row.splitn(4, '|').take(3).collect::<Vec<_>>().join("|")
}

/// A trade may arrive with each run; only the first arrival is kept.
fn is_trade(row: &str) -> bool {
    row.matches('|').count() == 7
}

/// Who may not, and what is not there, ends the run before anything begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_used_ends_the_run_at_once() {
    let Some(server) = Server::start() else { return };
    let refused = async |dsn: Option<Dsn>, exit: Exit, words: &[&str]| {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let began = Instant::now();
        let options = RunOptions { server: dsn, ..RunOptions::default() };
        let outcome = start_with(through(scratch.path()), options).task.await.expect("no panic");
        let error = outcome.expect_err("refused");
        let mut text = error.to_string();
        let mut source: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        assert_eq!(error.exit(), exit, "{text}");
        assert!(began.elapsed() < PATIENCE / 4, "{text} took {:?}", began.elapsed());
        for word in words {
            assert!(text.contains(word), "{word:?} is missing from {text}");
        }
        assert!(!scratch.path().join("v.db").exists(), "a spool was made: {text}");
    };
    refused(None, Exit::Config, &["VENUEKIT_CLUSTER_DSN_FILE"]).await;
    refused(Some(server.dsn_as("nobody_we_know", "")), Exit::Credentials, &["refuses the user"]).await;
    let nobody = format!("host=127.0.0.1 port={} user=test", server::closed_port());
    refused(Some(Dsn::parse(&nobody).expect("valid")), Exit::Unreachable, &["cannot be reached"]).await;
    // One that takes connections and says nothing.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = mute.local_addr().expect("bound").port();
    let mute_dsn = Dsn::parse(&format!("host=127.0.0.1 port={port} user=test")).expect("valid");
    refused(Some(mute_dsn), Exit::Unreachable, &["no answer"]).await;
    // Another world, then a later release.
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut running = begin(through(scratch.path()), server.dsn());
    running.started().await;
    running.end(Ended::Asked).await;
    refused(Some(server.dsn()), Exit::Config, &["simulator run", "name another database"]).await;
    server.sql("TRUNCATE world");
    server.sql("INSERT INTO schema_version VALUES (99)");
    refused(Some(server.dsn()), Exit::Config, &["version 99", "use a newer venuekit"]).await;
}
