//! A bus against a real server: what is published is what is stored, also when either side is killed in the middle.
#![cfg(all(unix, feature = "nats"))]

mod common;
#[path = "common/nats.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use common::{change, fill, gap, movement, open, order_state, rows, trade};
use server::NatsServer;
use venuekit_store::{
    Bus, BusError, Fanout, FanoutError, Message, Nats, NatsSettings, Published, Row, Sink, Sqlite,
};
use venuekit_types::Level;

const STREAM: &str = "rows";

fn settings(server: &NatsServer) -> NatsSettings {
    NatsSettings {
        servers: vec![server.address()],
        stream: STREAM.into(),
        credentials: None,
        ca: None,
        max_age: Duration::from_secs(3_600),
        bytes_max: Some(64 << 20),
    }
}

fn bus(server: &NatsServer) -> Nats {
    Nats::new(&settings(server)).expect("makes sense")
}

/// What the stream holds: subject and payload of each message by its id, and how many messages there are.
fn held(server: &NatsServer) -> (BTreeMap<String, (String, String)>, u64) {
    let all = server.held(STREAM);
    let count = all.len() as u64;
    (all.into_iter().map(|held| (held.id, (held.subject, held.payload))).collect(), count)
}

/// Does something that an operator would do.
fn asking<T>(server: &NatsServer, act: impl AsyncFnOnce(async_nats::jetstream::Context) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    runtime.block_on(async {
        let client = async_nats::connect(server.address()).await.expect("connects");
        act(async_nats::jetstream::new(client)).await
    })
}

/// Commits batches of public and private rows; gives what a consumer has to end up with.
fn commit(sink: &mut Sqlite, numbers: std::ops::Range<u64>) -> BTreeMap<String, (String, String)> {
    let mut told = BTreeMap::new();
    for n in numbers {
        let at = i64::try_from(n).expect("small");
        let all = [
            Row::Trade(trade("BTC/USDT", n, 880_450, at)),
            Row::BookChange(change("BTC/USDT:USDT", 1, n, 25, at)),
            Row::Gap(Box::new(gap("BTC/USDT", 1_000 + at, None))),
            Row::OrderState(Box::new(order_state("BTC/USDT", n, "2.5", at))),
            Row::Fill(Box::new(fill("BTC/USDT", n, "8804", at))),
            Row::Movement(Box::new(movement(n, "completed", "1", at))),
        ];
        for row in &all {
            let Message { id, subject, payload } = Message::of(row);
            told.insert(id, (subject, payload));
        }
        let _ = sink.commit(&rows(all)).expect("commits");
    }
    told
}

/// Tells until nothing is left, with patience; gives how often it failed and how many the server knew already.
fn tell_all(path: &Path, bus: &mut dyn Bus) -> (usize, u64) {
    let (mut failed, mut dup) = (0, 0);
    while failed < 100 {
        let mut fanout = Fanout::open(path, "nats").expect("opens");
        match fanout.step(bus, 40) {
            Ok(told) => match told.published {
                None => return (failed, dup),
                Some(published) => dup += published.dup,
            },
            Err(FanoutError::Bus(BusError::Unreachable(_))) => failed += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the bus never came back");
}

struct Scratch {
    _dir: tempfile::TempDir,
    path: PathBuf,
    sink: Sqlite,
}

fn scratch() -> Scratch {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let path = dir.path().join("t.db");
    let sink = open(&path).expect("opens");
    drop(Fanout::open(&path, "nats").expect("opens"));
    Scratch { _dir: dir, path, sink }
}

#[test]
fn what_is_published_is_what_is_stored_when_the_server_is_killed_in_the_middle() {
    let Some(mut server) = NatsServer::start("") else { return };
    let Scratch { path, mut sink, _dir } = scratch();
    let mut bus = bus(&server);
    let mut all = commit(&mut sink, 0..100);
    assert_eq!(tell_all(&path, &mut bus), (0, 0));
    assert_eq!(held(&server), (all.clone(), 600));
    all.extend(commit(&mut sink, 100..200));
    let mut fanout = Fanout::open(&path, "nats").expect("opens");
    let _ = fanout.step(&mut bus, 40).expect("tells");
    server.kill();
    let before = fanout.step(&mut bus, 40).expect_err("nobody is there");
    assert!(matches!(before, FanoutError::Bus(BusError::Unreachable(_))), "{before:?}");
    // The store goes on.
    all.extend(commit(&mut sink, 200..250));
    server.up();
    let (failed, _) = tell_all(&path, &mut bus);
    assert!(failed < 5, "it came back after {failed} attempts");
    assert_eq!(held(&server), (all, 1_500));
}

/// The worker dies after the server has taken what it was told and before the cursor says so.
#[test]
fn a_worker_killed_between_publishing_and_its_cursor_tells_again_under_the_same_ids() {
    let Some(server) = NatsServer::start("") else { return };
    // A window that is over when the worker is back: then it is the consumer who drops what it has seen.
    for (window, is_kept_once) in [(Duration::from_secs(60), true), (Duration::from_millis(100), false)] {
        asking(&server, async |context| {
            let _ = context.delete_stream(STREAM).await;
            let config = Config {
                name: STREAM.into(),
                subjects: vec!["venuekit.v1.>".into()],
                storage: StorageType::File,
                duplicate_window: window,
                ..Config::default()
            };
            context.create_stream(config).await.expect("makes it");
        });
        let Scratch { path, mut sink, _dir } = scratch();
        let all = commit(&mut sink, 0..30);
        let mut killed = 0;
        for _ in 0..4 {
            let mut dies = Dies { bus: bus(&server), messages: 0 };
            let mut fanout = Fanout::open(&path, "nats").expect("opens");
            fanout.step(&mut dies, 40).expect_err("it dies");
            killed += dies.messages;
            if !is_kept_once {
                // Once the window is over for what was taken, which the server sweeps by its own clock.
                let first =
                    Message { id: "probe".into(), subject: "venuekit.v1.a.b.c".into(), payload: "{}".into() };
                while bus(&server).publish(std::slice::from_ref(&first)).expect("publishes").dup > 0 {}
                while bus(&server).publish(std::slice::from_ref(&first)).expect("publishes").dup > 0 {}
            }
        }
        let (_, dup) = tell_all(&path, &mut bus(&server));
        let (mut deduplicated, messages) = held(&server);
        deduplicated.remove("probe");
        assert_eq!(deduplicated, all, "window {window:?}");
        if is_kept_once {
            assert_eq!((dup, messages), (40, 180), "the server drops what it knows");
        } else {
            assert!(messages > 180 + 40, "{messages} messages, though {killed} were told twice");
        }
    }
}

/// A bus whose owner dies with the acknowledgement on its way.
struct Dies {
    bus: Nats,
    messages: usize,
}

impl Bus for Dies {
    fn publish(&mut self, messages: &[Message]) -> Result<Published, BusError> {
        let published = self.bus.publish(messages)?;
        self.messages += messages.len();
        drop(published);
        Err(BusError::Other("killed".into()))
    }
}

/// A row that no server takes holds up none of the others.
#[test]
fn what_is_too_large_is_named_and_left_out() {
    let Some(server) = NatsServer::start("max_payload: 4096") else { return };
    let mut large = change("BTC/USDT", 1, 5, 1, 1);
    large.bids = (1..200).map(|price| Level::new(price, 1)).collect();
    let messages = [
        Message::of(&Row::Trade(trade("BTC/USDT", 1, 1, 1))),
        Message::of(&Row::BookChange(large)),
        Message::of(&Row::Trade(trade("BTC/USDT", 2, 1, 1))),
    ];
    let published = bus(&server).publish(&messages).expect("publishes");
    assert_eq!(
        published,
        Published { new: 2, dup: 0, oversize: vec!["book_change|doex|BTC/USDT|1|5".into()] }
    );
    assert_eq!(
        held(&server).0.into_keys().collect::<Vec<_>>(),
        ["trade|doex|BTC/USDT|1", "trade|doex|BTC/USDT|2"]
    );
}

#[test]
fn a_stream_that_is_not_ours_is_refused() {
    let Some(server) = NatsServer::start("") else { return };
    let message = [Message::of(&Row::Trade(trade("BTC/USDT", 1, 1, 1)))];
    for (subjects, storage, word) in [
        ("other.>", StorageType::File, "does not take venuekit.v1.>"),
        ("venuekit.v1.>", StorageType::Memory, "keeps nothing on disk"),
    ] {
        asking(&server, async |context| {
            let _ = context.delete_stream(STREAM).await;
            let config =
                Config { name: STREAM.into(), subjects: vec![subjects.into()], storage, ..Config::default() };
            context.create_stream(config).await.expect("makes it");
        });
        let error = bus(&server).publish(&message).expect_err("refused");
        assert!(matches!(error, BusError::Unfit { .. }) && error.to_string().contains(word), "{error}");
    }
}

#[test]
fn who_may_not_is_told_apart_from_who_is_not_there() {
    let more = "authorization { users: [ { user: worker, password: \"right:CANARY\" } ] }";
    let Some(mut server) = NatsServer::start(more) else { return };
    let message = [Message::of(&Row::Trade(trade("BTC/USDT", 1, 1, 1)))];
    let file = server.dir().join("login");
    let with = |text: &str| {
        fs::write(&file, text).expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("sets");
        Nats::new(&NatsSettings { credentials: Some(file.clone()), ..settings(&server) })
            .expect("makes sense")
    };
    for mut nobody in [bus(&server), with("worker:wrong"), with("sometoken")] {
        let error = nobody.publish(&message).expect_err("refused");
        assert!(matches!(error, BusError::Refused(_)), "{error:?}");
    }
    // The file is read for each connection: a key that was replaced is used.
    let mut worker = with("worker:wrong");
    worker.publish(&message).expect_err("refused");
    fs::write(&file, "worker:right:CANARY\n").expect("writes");
    assert_eq!(worker.publish(&message).expect("publishes").new, 1);
    assert!(!format!("{worker:?}").contains("CANARY"));
    server.kill();
    let error = worker.publish(&message).expect_err("nobody is there");
    assert!(matches!(error, BusError::Unreachable(_)), "{error:?}");
}

/// Off the loopback, or where an address says so, nothing is said before the server has shown who it is.
#[test]
fn tls_is_verified_or_nothing_is_sent() {
    let key =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()]).expect("is made");
    let (certificate, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (certificate_at, key_at) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    fs::write(&certificate_at, &certificate).expect("writes");
    fs::write(&key_at, secret).expect("writes");
    let more =
        format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", certificate_at.display(), key_at.display());
    let Some(secure) = NatsServer::start(&more) else { return };
    let Some(plain) = NatsServer::start("") else { return };
    let message = [Message::of(&Row::Trade(trade("BTC/USDT", 1, 1, 1)))];
    let to = |server: String, ca: Option<&String>, of: &NatsServer| {
        let settings = NatsSettings { servers: vec![server], ca: ca.cloned(), ..settings(of) };
        Nats::new(&settings).expect("makes sense").publish(&message)
    };
    for refused in [
        // Nobody vouches for it, even on the loopback.
        to(format!("tls://127.0.0.1:{}", secure.port()), None, &secure),
        to(secure.address(), None, &secure),
        // A name is no loopback, so a server without TLS is not spoken to.
        to(format!("nats://localhost:{}", plain.port()), Some(&certificate), &plain),
    ] {
        let error = refused.expect_err("not verified");
        assert!(matches!(error, BusError::Unreachable(_)), "{error:?}");
    }
    for address in
        [format!("tls://127.0.0.1:{}", secure.port()), format!("nats://localhost:{}", secure.port())]
    {
        let published = to(address.clone(), Some(&certificate), &secure).expect("vouched for");
        assert_eq!(published.new + published.dup, 1, "{address}");
    }
}
