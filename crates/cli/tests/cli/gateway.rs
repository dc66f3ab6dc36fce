//! `venuekit gateway`, `order`, `halt` and `arm`, as a user runs them, against a simulator of its own process.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use venuekit_driver::Clock;

use crate::child::{Run, venuekit};
use crate::secret::assert_untold;

/// Longest wait for anything; only a broken test comes near it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that can be logged is.
const LOUD: [(&str, &str); 2] = [("VENUEKIT_LOG", "trace"), ("RUST_LOG", "trace")];

/// The span since a clock was started.
fn elapsed(clock: Clock) -> Duration {
    clock.now().mono.since(venuekit_types::Mono(0))
}

/// A simulator, and what it takes to speak to its Doex.
struct World {
    _sim: Run,
    dir: tempfile::TempDir,
    rest: String,
    stream: String,
    keys: Vec<(String, String)>,
}

impl World {
    fn start() -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = dir.path().join("keys.env");
        let mut sim =
            Run::start(&["sim", "--rate", "50", "--ndjson", "--credentials", keys.to_str().expect("text")]);
        let doex = sim.json();
        assert_eq!(doex["venue"], "doex");
        let text = |name: &str| doex[name].as_str().expect("an origin").to_owned();
        let lines = std::fs::read_to_string(&keys).expect("written");
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let keys = lines.lines().filter_map(pair).collect();
        World { rest: text("rest"), stream: text("stream"), _sim: sim, dir, keys }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("gateway.log")
    }

    fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The flags that name this simulator and a gateway's directory.
    fn place<'a>(&'a self, home: &'a Path) -> Vec<&'a str> {
        let home = home.to_str().expect("text");
        vec!["--env", "sim", "-v", "doex", "--rest", &self.rest, "--stream", &self.stream, "--dir", home]
    }

    fn gateway(&self, home: &Path, more: &[&str]) -> Run {
        let args = [&["gateway", "--json"], &self.place(home)[..], more].concat();
        // Its log goes into a file: a pipe that nobody reads would fill.
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.log()).expect("a log");
        let keys = self.keys.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut gateway = Run::logged(venuekit(&args).envs(keys).envs(LOUD), log);
        let shown = gateway.json();
        assert_eq!((&shown["mode"], &shown["environment"]), (&"halted".into(), &"sim".into()));
        gateway
    }

    fn run(&self, args: &[&str]) -> Output {
        let keys = self.keys.iter().map(|(name, value)| (name, value));
        venuekit(args).envs(keys).envs(LOUD).output().expect("the binary runs")
    }

    /// Speaks to a gateway: the code and what came out, without a secret in it.
    fn speak(&self, home: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
        let args = [args, &["--env", "sim", "--json", "--dir", home.to_str().expect("text")]].concat();
        let output = self.run(&args);
        self.no_secret(&output.stdout);
        self.no_secret(&output.stderr);
        let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), value, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// As [`World::speak`], for a command that may have to reach the venue itself.
    fn speak_in_place(&self, home: &Path, args: &[&str]) -> (Option<i32>, Value, String) {
        let output = self.run(&[args, &["--json"], &self.place(home)[..]].concat());
        self.no_secret(&output.stdout);
        self.no_secret(&output.stderr);
        let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), value, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn no_secret(&self, bytes: &[u8]) {
        assert_untold(self.keys.iter().map(|(_, value)| value.as_str()), bytes, "an output");
    }

    /// Arms as soon as the gateway has verified its state.
    fn arm(&self, home: &Path) {
        self.until("arming", || self.speak(home, &["arm", "--for", "1h"]).0 == Some(0));
    }

    fn until(&self, what: &str, mut look: impl FnMut() -> bool) {
        let clock = Clock::start();
        // Asked without a pause, the venue's budget would hold the answers back for a minute.
        let (_silent, pause) = std::sync::mpsc::channel::<()>();
        while !look() {
            assert!(elapsed(clock) < PATIENCE, "in vain: {what}");
            let _ = pause.recv_timeout(Duration::from_millis(200));
        }
    }

    /// Places an order that rests, as soon as the book is live.
    fn rest_an_order(&self, home: &Path, id: &str) {
        let order =
            ["order", "place", "--venue", "doex", "--symbol", "BTC/USDT", "--side", "buy", "--qty", "0.01"];
        self.until("a live book", || {
            let watch = self.run(
                &[&["watch", "BTC/USDT", "--ndjson", "--count", "1", "--depth", "1"], &self.place(home)[..8]]
                    .concat(),
            );
            let row: Value = serde_json::from_slice(&watch.stdout).unwrap_or(Value::Null);
            let Some(best) = row["bids"][0]["price"].as_str() else { return false };
            let whole: u64 = best.split('.').next().and_then(|text| text.parse().ok()).expect("a price");
            let price = (whole * 97 / 100).to_string();
            let more = ["--type", "limit", "--price", &price, "--client-id", id, "--yes"];
            let (code, placed, err) = self.speak(home, &[&order[..], &more].concat());
            if code == Some(10) {
                return false;
            }
            assert_eq!(
                (code, placed["placed"]["outcome"].as_str()),
                (Some(0), Some("accepted")),
                "{placed} {err}"
            );
            true
        });
    }

    fn status(&self, home: &Path, id: &str) -> String {
        let ask = ["order", "status", "--venue", "doex", "--symbol", "BTC/USDT", "--client-id", id];
        let (_, shown, _) = self.speak(home, &ask);
        shown["order"]["status"].as_str().unwrap_or_default().to_owned()
    }
}

const ONE: &str = "00000000000000aa0000000000000001";
const TWO: &str = "00000000000000aa0000000000000002";
const THREE: &str = "00000000000000aa0000000000000003";

#[test]
fn a_gateway_that_is_killed_leaves_its_orders_to_the_venues_countdown() {
    let world = World::start();
    let (home, other) = (world.home("one"), world.home("two"));
    let gateway = world.gateway(&home, &["--countdown", "5"]);
    let (code, _, err) = world.speak(
        &home,
        &[
            "order", "place", "--venue", "doex", "--symbol", "BTC/USDT", "--side", "buy", "--type", "limit",
            "--qty", "1", "--price", "1", "--yes",
        ],
    );
    assert_eq!(code, Some(9), "it starts halted: {err}");
    assert!(err.contains("venuekit arm"), "{err}");
    world.arm(&home);
    world.rest_an_order(&home, ONE);
    assert_eq!(world.status(&home, ONE), "new");
    gateway.signal(Signal::KILL);
    drop(gateway);
    let killed = Clock::start();
    // Another one looks: it starts halted, and reading is no trading.
    let _reader = world.gateway(&other, &["--countdown", "600"]);
    world.until("the venue cancels it", || world.status(&other, ONE) == "canceled");
    assert!(elapsed(killed) < Duration::from_secs(30), "{:?}", elapsed(killed));
    // The one that was killed starts halted again, from the files it left.
    let _again = world.gateway(&home, &[]);
    for file in ["journal", "state.json"] {
        world.no_secret(&std::fs::read(home.join(file)).expect("kept"));
    }
    let log = std::fs::read(world.log()).expect("it logs");
    assert!(log.windows(7).any(|part| part == b"\"trace\"" || part == b"\"debug\""), "it was not loud");
    world.no_secret(&log);
}

#[test]
fn every_way_to_halt_cancels_everything() {
    let world = World::start();
    let home = world.home("gate");
    let switch = world.home("switch.db");
    let row = rusqlite::Connection::open(&switch).expect("a file");
    let mut gateway = world.gateway(&home, &["--halt-db", switch.to_str().expect("text")]);
    // A row that is not there vouches for nothing.
    world.until("the row is named", || {
        let (code, _, err) = world.speak(&home, &["arm", "--for", "1h"]);
        assert_eq!(code, Some(9), "{err}");
        err.contains("venuekit_switch") && err.contains("cannot be read")
    });
    row.execute_batch(venuekit_store::SWITCH_TABLE).expect("is made");
    // By the row.
    world.arm(&home);
    world.rest_an_order(&home, THREE);
    row.execute_batch("UPDATE venuekit_switch SET halt = 1, reason = 'the desk'").expect("is set");
    world.until("it is cancelled", || world.status(&home, THREE) == "canceled");
    let (code, _, err) = world.speak(&home, &["arm", "--for", "1h", "--force"]);
    assert_eq!(code, Some(9), "{err}");
    row.execute_batch("UPDATE venuekit_switch SET halt = 0").expect("is set");
    // By a signal.
    world.arm(&home);
    world.rest_an_order(&home, ONE);
    gateway.signal(Signal::USR1);
    world.until("it is cancelled", || world.status(&home, ONE) == "canceled");
    // By command, through the gateway.
    world.arm(&home);
    world.rest_an_order(&home, TWO);
    let (code, shown, err) = world.speak_in_place(&home, &["halt"]);
    assert_eq!((code, &shown["report"]["flat"]), (Some(0), &true.into()), "{shown} {err}");
    assert_eq!(shown["through_gateway"], true);
    assert_eq!(world.status(&home, TWO), "canceled");
    gateway.signal(Signal::TERM);
    let (code, err) = gateway.end();
    assert_eq!(code, Some(143), "{err}");
    world.no_secret(err.as_bytes());
    // By command, with no gateway: the next one stays halted.
    let (code, shown, err) = world.speak_in_place(&home, &["halt"]);
    assert_eq!((code, &shown["report"]["flat"]), (Some(0), &true.into()), "{shown} {err}");
    assert_eq!(shown["through_gateway"], false);
    assert!(home.join("halt").exists());
    let _gateway = world.gateway(&home, &[]);
    world.until("the file is named", || {
        let (code, _, err) = world.speak(&home, &["arm", "--for", "1h"]);
        assert_eq!(code, Some(9), "{err}");
        err.contains("halt file")
    });
}

#[test]
fn what_is_missing_is_said_with_its_code() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().to_str().expect("text");
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let output = venuekit(args).output().expect("the binary runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {word:?} is missing from {err}");
        }
    };
    check(&["arm", "--for", "8h", "--dir", path], 5, &["venuekit gateway"]);
    check(&["arm", "--for", "8 hours", "--dir", path], 2, &["8h"]);
    check(&["order", "open", "--dir", path], 5, &["venuekit gateway"]);
    check(&["order", "status", "--venue", "doex", "--symbol", "x", "--dir", path], 2, &["--id"]);
    check(&["gateway", "--env", "live", "-v", "doex", "--dir", path], 3, &["VENUEKIT_DOEX_API_KEY"]);
    check(&["gateway", "--dir", path, "--max-order", "USDT=5"], 2, &["--max-day"]);
    check(&["gateway", "--dir", path, "--halt-http", "127.0.0.1:0"], 2, &["--halt-token"]);
    let token = home.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").expect("written");
    let open = [
        "gateway",
        "--dir",
        path,
        "--halt-http",
        "127.0.0.1:0",
        "--halt-token",
        token.to_str().expect("text"),
    ];
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).expect("ours");
    check(&open, 4, &["chmod 600"]);
    let hook = [
        "gateway",
        "--dir",
        path,
        "--halt-http",
        "127.0.0.1:0",
        "--halt-webhook",
        token.to_str().expect("text"),
    ];
    check(&hook, 4, &["chmod 600"]);
    check(&["gateway", "--dir", path, "--halt-webhook", path], 2, &["--halt-http"]);
    for flag in ["--key", "--secret", "--token"] {
        check(&["gateway", flag, "x"], 2, &[flag]);
    }
    // Credentials without a word on what they are for.
    let output = venuekit(&["order", "open", "--dir", path])
        .env("DOEX_KEY", "k")
        .env("DOEX_SECRET", "canary")
        .output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("canary"));
}
