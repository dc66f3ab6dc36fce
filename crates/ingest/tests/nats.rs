//! A bus beside the store: it is told of everything once it is there, and its death is nobody else's.
#![cfg(all(unix, feature = "nats"))]

mod common;
#[path = "../../store/tests/common/nats.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Running, counts_until, into, start};
use server::NatsServer;
use venuekit_ingest::{Config, Ended, Exit, Overrides, Private};
use venuekit_store::{MarketCounts, Owner, Reader};

const STREAM: &str = "venuekit";

/// The usual run with the demo accounts, and a bus.
fn beside(directory: &Path, server: &NatsServer) -> Config {
    let mut config = into(directory, Overrides { sim_rate: Some(100), ..Overrides::default() });
    config.venues.iter_mut().for_each(|venue| venue.private = Private::Demo);
    let text = format!("[fanout]\nkind = \"nats\"\nservers = [\"{}\"]\n", server.address());
    config.fanout = Config::from_toml(&text, "v.toml", directory).expect("valid").fanout;
    config
}

/// The distinct ids that the stream holds, counted by kind, and those of trades.
fn held(server: &NatsServer) -> (BTreeMap<String, u64>, Vec<String>) {
    let ids: BTreeSet<String> = server.held(STREAM).into_iter().map(|held| held.id).collect();
    let mut kinds = BTreeMap::new();
    for id in &ids {
        *kinds.entry(id.split('|').next().expect("a kind").to_owned()).or_default() += 1;
    }
    (kinds, ids.into_iter().filter(|id| id.starts_with("trade|")).collect())
}

/// The same of the store.
fn stored(path: &Path) -> (BTreeMap<String, u64>, Vec<String>) {
    let reader = Reader::open(path).expect("opens");
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut add = |kind: &str, count: u64| {
        if count > 0 {
            *kinds.entry(kind.to_owned()).or_default() += count;
        }
    };
    let mut trades = Vec::new();
    for MarketCounts { market, trades: count, book_changes, tickers, candles, .. } in
        reader.counts().expect("counts")
    {
        let (venue, symbol) = (&market.venue, &market.symbol);
        reader
            .trades(&market, |row| trades.push(format!("trade|{venue}|{symbol}|{}", row.trade_id)))
            .expect("reads");
        for (kind, count) in
            [("trade", count), ("book_change", book_changes), ("ticker", tickers), ("candle", candles)]
        {
            add(kind, count);
        }
    }
    for venue in ["doex", "duedex"] {
        let owner = Owner::new(venue, "main");
        reader.order_states(&owner, |_| add("order_state", 1)).expect("reads");
        reader.fills(&owner, |_| add("fill", 1)).expect("reads");
        reader.movements(&owner, |_| add("movement", 1)).expect("reads");
    }
    trades.sort();
    (kinds, trades)
}

async fn more_rows(path: &Path, than: u64) -> u64 {
    let rows = |counts: &[MarketCounts]| {
        counts.iter().map(|market| market.trades + market.book_changes).sum::<u64>()
    };
    rows(&counts_until(path, |counts| rows(counts) >= than).await)
}

async fn metric(running: &Running, name: &str) -> f64 {
    let text = running.get("/metrics").await.1;
    let line =
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_dies_stops_nothing_and_hears_of_everything() {
    let Some(mut server) = NatsServer::start("") else { return };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut running = start(beside(scratch.path(), &server), BTreeMap::new());
    running.started().await;
    let path = scratch.path().join("v.db");
    let first = more_rows(&path, 200).await;
    running
        .until("/readyz?verbose", |text| {
            text.contains("[+]nats ok published=") && text.ends_with("\nready\n")
        })
        .await;
    server.kill();
    let text = running.until("/readyz", |text| text.contains("[-]nats failing")).await;
    assert!(text.contains("cannot be reached") && !text.contains("[-]sink"), "{text}");
    running.until("/readyz?exclude=nats", |text| text == "ready\n").await;
    // The worker goes on as if nothing had happened, and the cursor stands still.
    let second = more_rows(&path, first + 300).await;
    assert_eq!(metric(&running, "venuekit_fanout_up{bus=\"nats\"}").await, 0.0);
    assert_eq!(metric(&running, "venuekit_sink_up{sink=\"sqlite\"}").await, 1.0);
    assert!(metric(&running, "venuekit_fanout_errors_total{bus=\"nats\"}").await >= 1.0);
    server.up();
    running.until("/readyz?verbose", |text| text.contains("[+]nats ok")).await;
    more_rows(&path, second + 100).await;
    let (summary, _) = running.end(Ended::Asked).await;
    assert_eq!((summary.conflicts, summary.shed), (0, 0), "{summary}");
    let ((mut kinds, trades), (stored_kinds, stored_trades)) = (held(&server), stored(&path));
    // What the store has no count of here.
    kinds.remove("instrument");
    kinds.remove("gap");
    assert!(stored_kinds["trade"] > 20 && stored_kinds["fill"] > 0, "{stored_kinds:?}");
    assert_eq!(kinds, stored_kinds);
    assert_eq!(trades, stored_trades);
}

/// A bus that was never there: the run begins, goes on and ends all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_not_there_holds_up_no_start_and_no_end() {
    let Some(mut server) = NatsServer::start("") else { return };
    server.kill();
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut running = start(beside(scratch.path(), &server), BTreeMap::new());
    running.started().await;
    let path = scratch.path().join("v.db");
    more_rows(&path, 100).await;
    running.until("/readyz", |text| text.contains("[-]nats failing")).await;
    let (summary, _) = running.end(Ended::Asked).await;
    assert_eq!(summary.shed, 0, "{summary}");
    // The next run tells what this one could not.
    server.up();
    let mut config = beside(scratch.path(), &server);
    config.sink.path = path.clone();
    let mut fanout = venuekit_store::Fanout::open(&path, "nats").expect("opens");
    let settings = venuekit_store::NatsSettings {
        servers: vec![server.address()],
        stream: STREAM.into(),
        credentials: None,
        ca: None,
        max_age: std::time::Duration::from_secs(3_600),
        bytes_max: None,
    };
    let told = tokio::task::spawn_blocking(move || {
        let mut bus = venuekit_store::Nats::new(&settings).expect("makes sense");
        while fanout.step(&mut bus, 1_000).expect("tells").published.is_some() {}
    });
    told.await.expect("no panic");
    assert_eq!(held(&server).1, stored(&path).1);
}

/// What a config can be refused for is refused before anything begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_cannot_be_used_ends_the_run_at_once() {
    let refused = async |keys: &str, exit: Exit, word: &str| {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let mut config = into(scratch.path(), Overrides::default());
        std::fs::write(scratch.path().join("open"), "token").expect("writes");
        let text = format!("[fanout]\nkind = \"nats\"\n{keys}\n");
        config.fanout = Config::from_toml(&text, "v.toml", scratch.path()).expect("valid").fanout;
        let error = start(config, BTreeMap::new()).task.await.expect("no panic").expect_err("refused");
        assert_eq!((error.exit(), error.to_string().contains(word)), (exit, true), "{error}");
    };
    let servers = "servers = [\"127.0.0.1:4222\"]";
    refused("servers = [\"http://127.0.0.1:4222\"]", Exit::Config, "is no NATS server").await;
    refused(&format!("{servers}\nstream = \"a.b\""), Exit::Config, "no name for a stream").await;
    refused(&format!("{servers}\ncredentials = \"absent\""), Exit::Config, "cannot be read").await;
    refused(&format!("{servers}\ncredentials = \"open\""), Exit::Credentials, "chmod 600").await;
}
