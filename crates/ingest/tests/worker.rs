//! Whole runs against the embedded simulator on real sockets: driven by what is seen, never by waiting a while.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use common::{PATIENCE, counts_until, into, start};
use venuekit_driver::{Clock, ServeOptions, serve};
use venuekit_ingest::{Config, Ended, Exit, Faults, IngestError, Overrides};
use venuekit_sign::Credentials;
use venuekit_sim::{Sim, SimConfig};
use venuekit_store::{Limit, MarketCounts, OpenMode, Reader, Sink as _, Sqlite, World};

/// Trades and book changes of all nine markets.
fn all_nine(counts: &[MarketCounts]) -> bool {
    counts.len() == 9 && counts.iter().all(|market| market.trades > 0 && market.book_changes > 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_books_go_live_and_everything_is_stored_once() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let tapes = scratch.path().join("tapes");
    let truth = scratch.path().join("truth.ndjson");
    let flags =
        Overrides { tape: Some(tapes.clone()), sim_truth: Some(truth.clone()), ..Overrides::default() };
    let mut running = start(into(scratch.path(), flags), BTreeMap::new());
    let started = running.started().await;
    assert!(matches!(started.world, World::Sim { .. }), "{started:?}");
    let mut live = Vec::new();
    for _ in 0..9 {
        let line = running.line().await;
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[2], words[4], words[6]), ("live", "/", "seq"), "{line}");
        live.push(format!("{} {}", words[0], words[1]));
    }
    live.sort();
    live.dedup();
    assert_eq!(live.len(), 9, "{live:?}");
    let path = scratch.path().join("v.db");
    counts_until(&path, all_nine).await;
    let ready = running.until("/readyz?verbose", |text| text.ends_with("\nready\n")).await;
    assert!(ready.contains("[+]doex/BTC/USDT book live seq="), "{ready}");
    assert!(ready.contains("[+]duedex/BTC/USD:BTC trades live"), "{ready}");
    assert!(!ready.contains("[-]"), "{ready}");
    assert_eq!(running.get("/readyz").await, ("HTTP/1.1 200 OK".to_owned(), "ready\n".to_owned()));
    assert_eq!(running.get("/livez").await, ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    let metrics = running.get("/metrics").await.1;
    assert!(metrics.contains("venuekit_book_state{venue=\"doex\",symbol=\"BTC/USDT\"} 2"), "{metrics}");

    let (summary, rest) = running.end(Ended::Interrupt).await;
    assert_eq!(summary.ended.exit(), Exit::Interrupted);
    assert_eq!(rest.last(), Some(&summary.to_string()), "the last line is the summary");
    let told = (summary.conflicts, summary.gaps_opened, summary.gaps_open, summary.shed, summary.broken);
    assert_eq!(told, (0, 0, 0, 0, 0), "{summary}");
    // The summary, the database and the sessions' own reports agree to the row.
    let counts = Reader::open(&path).expect("opens").counts().expect("counts");
    assert_eq!(summary.trades, counts.iter().map(|market| market.trades).sum::<u64>());
    assert_eq!(summary.book_changes, counts.iter().map(|market| market.book_changes).sum::<u64>());
    let reported: u64 = summary.reports.values().flat_map(|r| r.trades.values()).map(|t| t.count).sum();
    assert_eq!(summary.trades, reported, "every trade that was told is stored");
    let updates: u64 = summary.reports.values().flat_map(|r| r.books.values()).map(|b| b.updates).sum();
    let snapshots: u64 = summary.reports.values().filter_map(|r| r.events.get("book_snapshot")).sum();
    assert_eq!(summary.book_changes, updates + snapshots, "every change that was told is stored");
    // The truth knows each of them.
    let truth = std::fs::read_to_string(&truth).expect("written");
    for (venue, report) in &summary.reports {
        for (symbol, book) in &report.books {
            let seq = format!("\"seq\":{},", book.last_seq.expect("numbered"));
            let place = format!("\"venue\":\"{venue}\",\"symbol\":\"{symbol}\"");
            let mut lines = truth.lines().filter(|line| line.contains("\"t\":\"book\""));
            let line = lines.find(|line| line.contains(&place) && line.contains(&seq)).expect("told");
            assert!(line.contains(&book.sha256), "{venue} {symbol}: {line}");
        }
    }
    let mut names: Vec<String> = std::fs::read_dir(&tapes)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert!(
        names.len() == 2 && names[0].starts_with("doex-") && names[1].starts_with("duedex-"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_faults_books_go_stale_and_heal_and_the_account_is_followed_over_tls() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let flags = Overrides {
        sim_faults: Some(Faults::Heavy),
        seed: Some(7),
        sim_tls: Some(true),
        ..Overrides::default()
    };
    let mut config = into(scratch.path(), flags);
    config.venues.iter_mut().for_each(|venue| venue.private = venuekit_ingest::Private::Demo);
    let mut running = start(config, BTreeMap::new());
    running.started().await;
    let healed =
        |text: &str| text.lines().filter(|l| l.starts_with("venuekit_book_resync_seconds_count")).count();
    running.until("/metrics", |text| healed(text) == 2).await;
    let both =
        |text: &str| ["]doex orders live", "]duedex orders live"].iter().all(|line| text.contains(line));
    running.until("/readyz?verbose", both).await;
    let path = scratch.path().join("v.db");
    counts_until(&path, all_nine).await;
    let (summary, _) = running.end(Ended::Asked).await;
    assert!(summary.gaps_healed > 0 && summary.gaps_opened >= summary.gaps_healed, "{summary}");
    assert_eq!((summary.conflicts, summary.shed), (0, 0), "{summary}");
    let open: u64 =
        Reader::open(&path).expect("opens").counts().expect("counts").iter().map(|m| m.open_gaps).sum();
    assert!(open <= summary.gaps_open, "{open} gaps are open in the database, {summary}");
}

/// R2: what a venue lets through is kept, and the next run sends nothing before a ban is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_and_what_was_used_outlive_a_restart() {
    let clock = Clock::start();
    let sim = Sim::new(SimConfig::new(7, clock.now()).only(&["doex"]));
    let doex = sim.into_venues().pop().expect("simulated");
    let server = serve(doex, ServeOptions { clock, ..ServeOptions::default() }).await.expect("serves");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (rest, stream) = (server.rest_origin(), server.stream_origin());
    let text = format!(
        "[venues.doex]\nrest = \"{rest}\"\nstream = \"{stream}\"\nsymbols = [\"BTC/USDT\"]\n\
         channels = [\"book\"]\n[health]\nlisten = \"127.0.0.1:0\"\n[sink]\npath = \"v.db\"\n"
    );
    let config = || Config::from_toml(&text, "v.toml", scratch.path()).expect("valid");
    let path = scratch.path().join("v.db");
    let mut running = start(config(), BTreeMap::new());
    let world = running.started().await.world;
    assert!(running.line().await.starts_with("doex BTC/USDT live "));
    running.end(Ended::Asked).await;
    let mut sink = Sqlite::open(&path, &world, OpenMode::Resume).expect("opens");
    let kept = sink.resume().expect("reads").limits;
    assert!(kept.iter().any(|limit| limit.origin == rest && limit.amount > 0), "{kept:?}");

    // As a run leaves it that was banned for two seconds and killed.
    let until = clock.now().wall.plus(std::time::Duration::from_secs(2));
    let ban = Limit { origin: rest.clone(), name: "ban".to_owned(), amount: 0, at: until };
    sink.keep_limits(&[ban]).expect("stores");
    drop(sink);
    let mut running = start(config(), BTreeMap::new());
    running.started().await;
    assert!(running.line().await.starts_with("doex BTC/USDT live "));
    assert!(clock.now().wall >= until, "a book was fetched during a ban");
    running.end(Ended::Asked).await;
}

/// The canary: a key and a secret that must not be seen anywhere. The secret is base64, as the venue hands it out.
const KEY: &str = "CANARYKEYCANARYKEYCANARYKEY";
const SECRET: &str = "Q0FOQVJZU0VDUkVUQ0FOQVJZU0VDUkVUQ0FOQVJZISE=";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_named_stops_nothing_public_and_is_seen_nowhere() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let flags = Overrides { tape: Some(scratch.path().join("tapes")), ..Overrides::default() };
    let accounts = BTreeMap::from([("duedex".to_owned(), Credentials::new(KEY, SECRET))]);
    let writer = {
        let log = Arc::clone(&log);
        move || Log(Arc::clone(&log))
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(writer);
    tracing::subscriber::set_global_default(subscriber.finish()).expect("the only subscriber here");
    let mut running = start(into(scratch.path(), flags), accounts);
    running.started().await;
    let named = |text: &str| text.contains("[-]duedex credentials key_id=CANA… credentials refused");
    let text = running.until("/readyz?verbose", named).await;
    assert!(text.contains("[-]duedex orders stopped: credentials refused"), "{text}");
    let is_live = |text: &str| {
        text.lines().filter(|line| line.contains("duedex/") && line.contains(" book live")).count() == 4
    };
    let public = running.until("/readyz?verbose", is_live).await;
    let (status, plain) = running.get("/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(plain.contains("[-]duedex credentials"), "{plain}");
    let metrics = running.get("/metrics").await.1;
    let (summary, lines) = running.end(Ended::Terminate).await;
    assert_eq!(summary.ended.exit(), Exit::Terminated);

    let mut places = vec![
        ("readyz", text.into_bytes()),
        ("readyz", public.into_bytes()),
        ("metrics", metrics.into_bytes()),
        ("data", lines.join("\n").into_bytes()),
        ("summary", summary.to_json().into_bytes()),
        ("reports", summary.reports_json().into_bytes()),
        ("log", log.lock().expect("no panic").clone()),
    ];
    for directory in [scratch.path().to_owned(), scratch.path().join("tapes")] {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            if entry.path().is_file() {
                let bytes = std::fs::read(entry.path()).expect("reads");
                let is_packed = entry.path().extension().is_some_and(|extension| extension == "zst");
                places.push(("file", if is_packed { unpacked(&bytes) } else { bytes }));
            }
        }
    }
    assert!(places.iter().filter(|(name, _)| *name == "file").count() >= 3, "database and two tapes");
    assert!(places.iter().all(|(_, bytes)| !bytes.is_empty()));
    let raw = b"CANARYSECRETCANARYSECRETCANARY!!";
    let forms = [KEY.into(), SECRET.into(), raw.to_vec(), hex::encode(raw).into(), hex::encode(KEY).into()];
    for (name, bytes) in &places {
        for form in &forms {
            let found = bytes.windows(form.len()).any(|window| window == form.as_slice());
            assert!(!found, "{name} holds {}", String::from_utf8_lossy(form));
        }
    }
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    zstd::decode_all(bytes).expect("a whole tape")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_symbol_that_is_not_listed_ends_the_run_with_the_nearest() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let text = "[venues.doex]\nsymbols = [\"BTC/USTD\"]\n[health]\nlisten = \"127.0.0.1:0\"\n[sink]\npath = \"v.db\"\n";
    let config = Config::from_toml(text, "v.toml", scratch.path()).expect("valid");
    let running = start(config, BTreeMap::new());
    let outcome = tokio::time::timeout(PATIENCE, running.task).await.expect("in time").expect("no panic");
    let error = outcome.expect_err("no such symbol");
    assert_eq!(error.exit(), Exit::Config);
    assert_eq!(error.to_string(), "doex does not list \"BTC/USTD\"; did you mean BTC/USDT?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_by_default_keeps_the_first_aside_and_a_named_database_refuses_it() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let mut config = into(scratch.path(), Overrides::default());
    config.sink.is_default_path = true;
    let mut asides = Vec::new();
    for _ in 0..2 {
        let mut running = start(config.clone(), BTreeMap::new());
        asides.push(running.started().await.set_aside);
        running.line().await;
        running.end(Ended::Asked).await;
    }
    assert_eq!(asides, [None, Some(scratch.path().join("v.1.db"))]);
    config.sink.is_default_path = false;
    let refused = start(config, BTreeMap::new()).task.await.expect("no panic").expect_err("two worlds");
    assert_eq!(refused.exit(), Exit::Config);
    let why = std::error::Error::source(&refused).expect("a source").to_string();
    assert_eq!(why.matches("simulator run ").count(), 2, "both are named: {why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_nobody_serves_are_unreachable() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let text = "[venues.doex]\nrest = \"http://127.0.0.1:1\"\nstream = \"ws://127.0.0.1:1\"\n";
    let config = Config::from_toml(text, "v.toml", scratch.path()).expect("valid");
    let error = start(config, BTreeMap::new()).task.await.expect("no panic").expect_err("nobody is there");
    assert_eq!(error.exit(), Exit::Unreachable);
    assert!(error.to_string().contains("doex at http://127.0.0.1:1"), "{error}");
}

/// A simulator in another process names its run too, and one database takes rows of one run only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simulator_elsewhere_is_known_by_its_run() {
    let clock = Clock::start();
    let sim = Sim::new(SimConfig::new(7, clock.now()));
    let run_id = sim.run().to_owned();
    let mut venues = sim.into_venues().into_iter();
    let duedex = venues.find(|venue| venue.name() == "duedex").expect("simulated");
    let server = serve(duedex, ServeOptions { clock, ..ServeOptions::default() }).await.expect("serves");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let hosts = format!("rest = \"{}\"\nstream = \"{}\"\n", server.rest_origin(), server.stream_origin());
    let rest = "[health]\nlisten = \"127.0.0.1:0\"\n[sink]\npath = \"v.db\"\n";
    let text = format!("[venues.duedex]\n{hosts}symbols = [\"BTCUSD\"]\nchannels = [\"book\"]\n{rest}");
    let config = Config::from_toml(&text, "v.toml", scratch.path()).expect("valid");
    let mut running = start(config, BTreeMap::new());
    assert_eq!(running.started().await.world, World::Sim { run_id });
    assert!(running.line().await.starts_with("duedex BTC/USD:BTC live "));
    running.end(Ended::Asked).await;

    let text = format!("[venues.duedex]\n{hosts}[venues.doex]\n{rest}");
    let config = Config::from_toml(&text, "v.toml", scratch.path()).expect("valid");
    let error = start(config, BTreeMap::new()).task.await.expect("no panic").expect_err("two runs");
    assert!(matches!(error, IngestError::TwoWorlds { .. }), "{error:?}");
    assert_eq!(error.exit(), Exit::Config);
}
