//! A config says what it means, and a mistake says where it is and what was meant.

use std::path::Path;
use std::time::Duration;

use venuekit_ingest::{Config, Faults, Overrides, Private};
use venuekit_session::Want;
use venuekit_venue::{Channel, Interval};

fn read(text: &str) -> Result<Config, String> {
    Config::from_toml(text, "v.toml", Path::new("dir")).map_err(|error| error.to_string())
}

#[test]
fn mistakes_have_a_place_and_a_way_out() {
    let check = |text: &str, starts: &str, holds: &[&str]| {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(starts), "{text:?} gave {error:?}, not {starts:?}");
        for part in holds {
            assert!(error.contains(part), "{text:?} gave {error:?} without {part:?}");
        }
    };
    // keys
    check("[snik]\n", "v.toml:1:2: unknown key \"snik\"", &["did you mean \"sink\"?", "venues"]);
    check(
        "[venues.doex]\nenabled = true\n  symbolz = []\n",
        "v.toml:3:3: unknown key \"symbolz\"",
        &["did you mean \"symbols\"?"],
    );
    check("[sink]\nbatch_row = 5\n", "v.toml:2:1: unknown key \"batch_row\"", &["\"batch_rows\""]);
    check("[health]\nport = 5\n", "v.toml:2:1: unknown key \"port\"", &["known are listen"]);
    check("[venues.doex.products.spot]\nhost = \"x\"\n", "v.toml:2:1: unknown key \"host\"", &["rest"]);
    check("api_secret = \"s\"\n", "v.toml:1:1: unknown key \"api_secret\"", &[]);
    // values
    check("[sim]\nfaults = \"hevy\"\n", "v.toml:2:10: unknown value \"hevy\"", &["did you mean \"heavy\"?"]);
    check("[sim]\nrate = -1\n", "v.toml:2:8:", &["-1"]);
    check("[sim]\nrate = \"fast\"\n", "v.toml:2:8:", &["string"]);
    check("[sink]\nkind = \"postgress\"\n", "v.toml:2:8: unknown value \"postgress\"", &["\"postgres\""]);
    let canary = "[sink]\ndsn = \"postgres://me:CANARY@db/x\"\n";
    check(canary, "v.toml:2:7: no server is named in a config", &["VENUEKIT_CLUSTER_DSN_FILE"]);
    assert!(!read(canary).expect_err("refused").contains("CANARY"));
    check("[sink]\nspool_bytes = 4096\n", "v.toml:2:15: spool_bytes must be at least 1048576", &[]);
    check("[retain]\ntrade = \"90\"\n", "v.toml:2:9: \"90\" is no span", &["90d"]);
    check("[retain]\ngap = \"90d\"\n", "v.toml:2:1: unknown key \"gap\"", &["trade"]);
    check("[retain.venues.duedx]\nticker = \"1d\"\n", "v.toml:1:16: unknown venue", &["duedex"]);
    if !cfg!(feature = "postgres") {
        check("[sink]\nkind = \"postgres\"\n", "v.toml:2:8: this build knows no server", &["--features"]);
    }
    let bus = |keys: &str| format!("[fanout]\nkind = \"nats\"\n{keys}\n");
    check("[fanout]\nkind = \"nat\"\nservers = []\n", "v.toml:2:8: unknown value \"nat\"", &["\"nats\""]);
    if cfg!(feature = "nats") {
        check(&bus("servers = []"), "v.toml:3:11: no server is named", &[]);
        let canary = bus("servers = [\"nats://me:CANARY@10.0.0.1\"]");
        check(&canary, "v.toml:3:11: an address holds a user or a token", &["credentials"]);
        assert!(!read(&canary).expect_err("refused").contains("CANARY"));
        check(&bus("servers = [\"a\"]\nmax_age = \"1\""), "v.toml:4:11: \"1\" is no span", &["90d"]);
    } else {
        check(&bus("servers = [\"a\"]"), "v.toml:2:8: this build knows no bus", &["--features nats"]);
    }
    check("[sink]\nqueue_rows = 0\n", "v.toml:2:14: queue_rows must be at least 1", &[]);
    check("[sink]\nbatch_ms = 60000\n", "v.toml:2:12: batch_ms must be at most 1000", &[]);
    check("[health]\nlisten = \"nowhere\"\n", "v.toml:2:10:", &["address"]);
    check("[sink\n", "v.toml:1:6:", &[]);
    // names
    check("[venues.duedx]\n", "v.toml:1:9: unknown venue \"duedx\"", &["did you mean duedex?"]);
    check(
        "[venues.duedex]\nchannels = [\"book\", \"trade\"]\n",
        "v.toml:2:21: unknown channel \"trade\"",
        &["did you mean \"trades\"?"],
    );
    check("[venues.doex]\nchannels = [\"candles:7m\"]\n", "v.toml:2:13: unknown channel \"candles:7m\"", &[]);
    check(
        "[venues.duedex]\nchannels = [\"mark\"]\n",
        "v.toml:2:13: unknown channel \"mark\"",
        &["known are"],
    );
    check(
        "[venues.doex.products.spott]\n",
        "v.toml:1:23: unknown product \"spott\"",
        &["did you mean \"spot\"?", "futures"],
    );
    check(
        "[venues.doex.products.spot]\nchannels = [\"mark\"]\n",
        "v.toml:2:13: unknown channel \"mark\"",
        &["book"],
    );
    check(
        "[venues.doex]\nenvironment = \"liv\"\n",
        "v.toml:2:15: unknown environment \"liv\"",
        &["\"live\""],
    );
    check("[venues.doex]\nsymbols = [\"\"]\n", "v.toml:2:12: an empty symbol", &["\"*\""]);
    // hosts
    check("[venues.doex]\nrest = \"http://127.0.0.1:1\"\n", "v.toml:2:8: rest needs stream beside it", &[]);
    check(
        "[venues.doex]\nrest = \"ws://127.0.0.1:1\"\nstream = \"ws://127.0.0.1:1\"\n",
        "v.toml:2:8:",
        &["https:// or http://"],
    );
    check("[venues.doex]\nprofile = \"no.toml\"\n", "v.toml:2:11: dir/no.toml cannot be read", &[]);
    check("[tls]\nca = \"no.pem\"\n", "v.toml:2:6: dir/no.pem cannot be read", &[]);
    check("[venues.doex]\nenabled = false\n", "v.toml:1:1: no venue is enabled", &[]);
    check("[venues.doex]\nsymbols = []\n", "v.toml:1:9: nothing is followed", &[]);
    check(
        "[venues.duedex]\nprivate = \"demo\"\nenvironment = \"live\"\n",
        "v.toml:1:9: private = \"demo\"",
        &["embedded"],
    );
}

#[test]
fn nothing_at_all_is_the_simulator_with_every_market() {
    for config in [Config::default_sim(), read("").expect("an empty file")] {
        let ids: Vec<&str> = config.venues.iter().map(|venue| venue.id.as_str()).collect();
        assert_eq!(ids, ["doex", "duedex"]);
        assert!(config.venues.iter().all(|venue| venue.is_embedded() && venue.private == Private::Auto));
        let public: [&[&str]; 2] = [&["book", "trades", "ticker", "candles"], &["book", "trades", "ticker"]];
        for (venue, public) in config.venues.iter().zip(public) {
            let channels: Vec<&str> = venue.wants.iter().map(|want| want.channel.as_str()).collect();
            assert_eq!(channels, public, "DueDEX streams no candles");
            assert!(venue.wants.iter().all(|want| want.symbol == "*"));
        }
        assert_eq!(config.sink.path, Path::new("venuekit.db"));
        assert!(config.sink.is_default_path);
    }
}

#[test]
fn every_key_does_what_it_says() {
    let text = r#"
        [venues.doex]
        environment = "live"
        symbols = ["BTC/USDT", "ETHUSDT"]
        channels = ["book", "candles:5m"]
        private = "off"
        [venues.doex.products.futures]
        rest = "https://futures.example.com"
        stream = "wss://futures.example.com"
        symbols = ["*"]
        [venues.duedex]
        rest = "http://127.0.0.1:9001"
        stream = "ws://127.0.0.1:9001"
        channels = ["orders"]
        [sink]
        path = "x.db"
        batch_rows = 10
        batch_ms = 0
        queue_rows = 100
        [health]
        listen = "127.0.0.1:1234"
        [tape]
        path = "tapes"
        [sim]
        rate = 5
        seed = 9
        faults = "light"
        truth = "truth.ndjson"
        truth_every = 10
        tls = true
    "#;
    let config = read(text).expect("valid");
    let doex = &config.venues[0];
    assert_eq!((doex.environment.as_str(), doex.private), ("live", Private::Off));
    let want = |product: &str, symbol: &str, channel| Want {
        product: Some(product.to_owned()),
        symbol: symbol.to_owned(),
        channel,
    };
    let (book, candles) = (Channel::Book, Channel::Candles(Interval::M5));
    let expected = [
        want("spot", "BTC/USDT", book),
        want("spot", "ETHUSDT", book),
        want("spot", "BTC/USDT", candles),
        want("spot", "ETHUSDT", candles),
        want("futures", "*", book),
        want("futures", "*", candles),
    ];
    assert_eq!(doex.wants, expected);
    assert_eq!(doex.hosts.len(), 1);
    assert_eq!(doex.hosts[0].product.as_deref(), Some("futures"));
    let duedex = &config.venues[1];
    assert!(!duedex.is_embedded());
    assert_eq!(duedex.hosts[0].rest, "http://127.0.0.1:9001");
    assert_eq!(duedex.wants, [Want::new("", Channel::Orders)]);
    assert_eq!(config.sink.path, Path::new("dir/x.db"));
    assert!(!config.sink.is_default_path);
    assert_eq!((config.sink.batch_rows, config.sink.queue_rows), (10, 100));
    assert_eq!(config.sink.batch_for, Duration::ZERO);
    assert_eq!(config.health.map(|at| at.port()), Some(1234));
    assert_eq!(config.tape.as_deref(), Some(Path::new("dir/tapes")));
    assert_eq!((config.sim.rate, config.sim.seed, config.sim.faults), (5, 9, Faults::Light));
    assert_eq!(config.sim.truth.as_deref(), Some(Path::new("dir/truth.ndjson")));
    assert!(config.sim.tls && config.sim.truth_every == 10);
}

#[test]
fn flags_stand_above_the_file() {
    let flags = Overrides {
        database: Some("f.db".into()),
        sim_faults: Some(Faults::Heavy),
        seed: Some(7),
        ..Overrides::default()
    };
    let config = read("[sink]\npath = \"x.db\"\n[sim]\nrate = 5\n").expect("valid").with(flags);
    assert_eq!(config.sink.path, Path::new("f.db"));
    assert_eq!((config.sim.rate, config.sim.seed, config.sim.faults), (5, 7, Faults::Heavy));
}

#[test]
fn a_profile_replaces_the_one_that_is_compiled_in() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let default = venuekit_registry::default_profile("doex").expect("known").expect("has one");
    std::fs::write(scratch.path().join("p.toml"), default.replace("wss://", "wss://x.")).expect("writes");
    let text = "[venues.doex]\nprofile = \"p.toml\"\nenvironment = \"live\"\n";
    let config = Config::from_toml(text, "v.toml", scratch.path()).expect("valid");
    let hosts = &config.venues[0].venue.specs()[0].hosts;
    assert!(hosts.iter().all(|hosts| hosts.stream.starts_with("wss://x.")), "{hosts:?}");
    std::fs::write(scratch.path().join("p.toml"), "[socket]\nmax_age_hour = 3\n").expect("writes");
    let error = Config::from_toml(text, "v.toml", scratch.path()).expect_err("a broken profile").to_string();
    assert!(error.starts_with("v.toml:2:11: ") && error.contains("p.toml"), "{error}");
}

/// The example in the README is one that works.
#[test]
fn the_readme_shows_a_valid_config() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("```toml\n").expect("an example");
    let (example, _) = after.split_once("```").expect("its end");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    std::fs::write(scratch.path().join("ca.pem"), "a certificate").expect("writes");
    let config = Config::from_toml(example, "README.md", scratch.path()).expect("valid");
    assert_eq!(config.venues.len(), 2);
    assert_eq!(config.ca.as_deref(), Some("a certificate"));
    // Where it shows a default, it is the default.
    let usual = Config::default_sim();
    let sink = (config.sink.batch_rows, config.sink.batch_for, config.sink.queue_rows);
    assert_eq!(sink, (usual.sink.batch_rows, usual.sink.batch_for, usual.sink.queue_rows));
    assert_eq!((config.sim.rate, config.sim.seed), (usual.sim.rate, usual.sim.seed));
    assert_eq!((config.sim.faults, config.sim.tls), (usual.sim.faults, usual.sim.tls));
    assert_eq!(config.health, Some(venuekit_ingest::DEFAULT_HEALTH));
}

#[cfg(feature = "nats")]
#[test]
fn the_readme_shows_a_valid_bus() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("```toml\n[fanout]").expect("an example");
    let (example, _) = after.split_once("```").expect("its end");
    let bus = read(&format!("[fanout]{example}")).expect("valid").fanout.expect("named");
    assert_eq!((bus.stream.as_str(), bus.bytes_max), ("venuekit", Some(4 << 30)));
    assert_eq!(bus.credentials.as_deref(), Some(Path::new("dir/nats.creds")));
    // Where it shows a default, it is the default.
    let usual = read("[fanout]\nkind = \"nats\"\nservers = [\"127.0.0.1\"]\n").expect("valid").fanout;
    let usual = usual.expect("named");
    assert_eq!((usual.stream, usual.max_age), (bus.stream, bus.max_age));
}
