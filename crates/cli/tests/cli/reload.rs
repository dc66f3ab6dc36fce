//! C2: config and keys change while the worker runs, and its streams stay up.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use venuekit_driver::{Clock, ServeOptions, Server, serve};
use venuekit_sign::Credentials;
use venuekit_sim::{ApiKey, Keys, Permissions, Sim, SimConfig, VenueSim};
use venuekit_store::Reader;

use crate::child::{Run, venuekit};
use crate::secret::assert_untold;

const SEED: u64 = 5;
const VENUES: [&str; 2] = ["doex", "duedex"];
/// Looks at what cannot be waited for.
const LOOKS: u32 = 1_200;
const BETWEEN: Duration = Duration::from_millis(50);

/// A worker, the venues it follows, and the folder that it lives in.
struct Scene {
    runtime: tokio::runtime::Runtime,
    servers: Vec<Server<VenueSim>>,
    folder: tempfile::TempDir,
    run: Option<Run>,
}

impl Scene {
    fn start(keys: &Keys) -> Scene {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let servers = runtime.block_on(async {
            let clock = Clock::start();
            let mut servers = Vec::new();
            for venue in Sim::new(SimConfig { rate: 20, ..SimConfig::new(SEED, clock.now()) }.only(&VENUES))
                .into_venues()
            {
                let options = ServeOptions { clock, ..ServeOptions::default() };
                servers.push(serve(venue, options).await.expect("a free port"));
            }
            servers
        });
        let folder = tempfile::tempdir().expect("a folder");
        let mut scene = Scene { runtime, servers, folder, run: None };
        scene.write_keys(keys);
        scene.write_config("\"BTC/USDT\"", "");
        let config = scene.path("venuekit.toml");
        let mut command = venuekit(&["ingest", "--quiet", "--config"]);
        command.arg(config).env("VENUEKIT_LOG", "debug");
        for venue in VENUES {
            for part in ["KEY", "SECRET"] {
                let name = format!("VENUEKIT_{}_API_{part}_FILE", venue.to_uppercase());
                command.env(name, scene.path(&format!("{venue}-{part}")));
            }
        }
        let log = File::create(scene.path("log")).expect("a file");
        scene.run = Some(Run::logged(&mut command, log));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("reads")
    }

    /// A config that follows these of Doex's symbols.
    fn write_config(&self, symbols: &str, more: &str) {
        let mut text = format!("[sink]\npath = \"v.db\"\n{more}\n[health]\nlisten = \"127.0.0.1:0\"\n");
        for (venue, server) in VENUES.iter().zip(&self.servers) {
            let (rest, stream) = (server.rest_origin(), server.stream_origin());
            let symbols = if *venue == "doex" { symbols } else { "\"BTCUSD\"" };
            text += &format!(
                "[venues.{venue}]\nrest = \"{rest}\"\nstream = \"{stream}\"\nsymbols = [{symbols}]\n"
            );
            text += "channels = [\"book\", \"trades\"]\n";
        }
        fs::write(self.path("venuekit.toml"), text).expect("writes");
    }

    fn write_keys(&self, keys: &Keys) {
        for venue in VENUES {
            let Credentials { key, secret, .. } = keys.of(venue).expect("a venue of the simulator");
            write_private(&self.path(&format!("{venue}-KEY")), key.as_bytes());
            write_private(&self.path(&format!("{venue}-SECRET")), secret.expose());
        }
    }

    fn add(&self, keys: &Keys) {
        self.each(keys, |venue, key, _| venue.add_key(ApiKey::new(key, Permissions::TRADE)));
    }

    fn revoke(&self, keys: &Keys) {
        self.each(keys, |venue, key, now| assert!(venue.revoke_key(now, &key.key), "it was there"));
    }

    fn each(&self, keys: &Keys, act: fn(&mut VenueSim, Credentials, venuekit_types::Now)) {
        for (venue, server) in VENUES.iter().zip(&self.servers) {
            let key = keys.of(venue).expect("a venue of the simulator").clone();
            self.runtime.block_on(server.with(move |venue, now| act(venue, key, now))).expect("it is served");
        }
    }

    fn hang_up(&self) {
        self.run.as_ref().expect("it runs").signal(Signal::HUP);
    }

    fn until_logged(&self, text: &str) {
        until(
            &self.runtime,
            || self.log().contains(text),
            || format!("{text:?} was never logged:\n{}", self.log()),
        );
    }

    fn get(&self, path: &str) -> String {
        let log = self.log();
        let Some((_, from)) = log.split_once("health on http://") else { return String::new() };
        let address = from.split('/').next().expect("an address");
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    }

    fn until_ready(&self, holds: impl Fn(&str) -> bool) -> String {
        let ready = || self.get("/readyz?verbose");
        until(
            &self.runtime,
            || {
                let text = ready();
                text.ends_with("\nready\n") && holds(&text)
            },
            || format!("never ready: {}\n{}", ready(), self.log()),
        );
        ready()
    }
}

fn until(runtime: &tokio::runtime::Runtime, holds: impl Fn() -> bool, why: impl Fn() -> String) {
    for _ in 0..LOOKS {
        if holds() {
            return;
        }
        runtime.block_on(async { tokio::time::sleep(BETWEEN).await });
    }
    panic!("{}", why());
}

/// Replaces a file for its owner alone, as one does with a key: never half of it can be read.
fn write_private(path: &Path, bytes: &[u8]) {
    let aside = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&aside).expect("opens");
    file.write_all(bytes).expect("writes");
    fs::rename(aside, path).expect("renames");
}

#[test]
fn keys_and_config_change_while_streams_stay_up() {
    let [first, second, third] = [SEED, SEED + 1, SEED + 2].map(Keys::from_seed);
    let mut scene = Scene::start(&first);
    scene.until_ready(|text| VENUES.iter().all(|venue| text.contains(&format!("[+]{venue} orders live"))));

    // A new key of each venue, told by a signal; then the old one goes.
    scene.add(&second);
    scene.write_keys(&second);
    scene.hang_up();
    scene.until_logged("reloaded; what changed: doex speaks with key_id=sim");
    let rotated =
        |venue: &str| format!("venuekit_ws_reconnects_total{{venue=\"{venue}\",reason=\"rotated\"}} ");
    until(
        &scene.runtime,
        || {
            let text = scene.get("/metrics");
            VENUES.iter().all(|venue| text.contains(&rotated(venue)))
        },
        || scene.get("/metrics"),
    );
    scene.revoke(&first);
    let text = scene.until_ready(|_| true);
    assert!(!text.contains("credentials"), "{text}");

    // Another, told by its files alone.
    scene.add(&third);
    scene.write_keys(&third);
    scene.until_logged("a key file changed");
    until(&scene.runtime, || scene.log().matches("duedex speaks with").count() == 2, || scene.log());
    until(
        &scene.runtime,
        || scene.get("/metrics").matches("reason=\"rotated\"} ").count() == 2,
        || scene.get("/metrics"),
    );
    scene.revoke(&second);
    scene.until_ready(|_| true);

    // A mistake, and a change that needs a restart: nothing moves, and the log says why.
    scene.write_config("\"BTC/USDT\" 7", "");
    scene.hang_up();
    scene.until_logged("nothing is changed: ");
    assert!(scene.log().contains("venuekit.toml:9:"), "neither line nor column: {}", scene.log());
    scene.write_config("\"BTC/USDT\", \"ETH/USDT\"", "batch_rows = 77\n[tape]\npath = \"t\"\n");
    scene.hang_up();
    scene.until_logged("[sink] batch_rows cannot change while it runs; restart; [tape] path cannot");
    scene.write_config("\"BTC/USDT\", \"XYZ/USDT\"", "");
    scene.hang_up();
    scene.until_logged("doex: doex lists no XYZ/USDT");
    let text = scene.until_ready(|_| true);
    assert!(text.contains("doex/BTC/USDT book") && !text.contains("doex/ETH/USDT"), "{text}");

    // Symbols and retention, which can change.
    let more = "queue_rows = 9000\n[retain]\ntrade = \"90d\"\n";
    scene.write_config("\"BTC/USDT\", \"ETH/USDT\"", more);
    scene.hang_up();
    scene.until_logged("[retain], queue_rows = 9000");
    scene.until_ready(|text| text.contains("[+]doex/ETH/USDT book live"));
    scene.write_config("\"ETH/USDT\"", more);
    scene.hang_up();
    scene.until_ready(|text| !text.contains("doex/BTC/USDT"));
    scene.write_config("\"BTC/USDT\", \"ETH/USDT\"", more);
    scene.hang_up();
    scene.until_ready(|text| text.contains("[+]doex/BTC/USDT book live"));

    let run = scene.run.as_mut().expect("it runs");
    run.signal(Signal::TERM);
    assert_eq!(run.end().0, Some(143), "{}", scene.log());
    // Nothing was missed but what nobody wanted, and that ended when it was wanted again.
    let gaps = Reader::open(&scene.path("v.db")).expect("opens").gaps().expect("reads");
    let told: Vec<_> = gaps
        .iter()
        .map(|gap| (gap.market.to_string(), gap.cause.as_ref(), gap.healed_at.is_some()))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|(_, cause, healed)| *cause == "not_followed" && *healed), "{told:?}");
    for keys in [&first, &second, &third] {
        for venue in VENUES {
            let Credentials { key, secret, .. } = keys.of(venue).expect("a venue of the simulator");
            let secret = String::from_utf8_lossy(secret.expose()).into_owned();
            assert_untold([key.as_str(), secret.as_str()], scene.log().as_bytes(), "the log");
        }
    }
}
