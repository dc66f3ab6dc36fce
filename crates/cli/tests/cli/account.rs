//! Accounts on the command line, against a simulator whose own ledgers are at hand.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;
use venuekit_driver::{Clock, ServeOptions, Server, serve};
use venuekit_sim::{Keys, Sim, SimConfig, VenueSim};
use venuekit_types::Level;

use crate::child::venuekit;
use crate::secret::assert_untold;

/// Both venues, at rest, on ports of this process.
struct Served {
    runtime: tokio::runtime::Runtime,
    servers: Vec<(&'static str, Server<VenueSim>)>,
    keys: Keys,
}

/// Where something sits: wallet and asset.
type Cells = BTreeMap<(String, String), [Decimal; 3]>;

impl Served {
    fn start(seed: u64) -> Served {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let keys = Keys::from_seed(seed);
        let servers = runtime.block_on(async {
            let clock = Clock::start();
            // It trades for a while in no time, then stands still.
            let mut sim = Sim::new(SimConfig::new(seed, clock.now()));
            let mut now = clock.now();
            for _ in 0..2_000 {
                now = now.plus(std::time::Duration::from_millis(5));
                sim.tick(now);
                while sim.poll().is_some() {}
            }
            let mut servers = Vec::new();
            for mut venue in sim.into_venues() {
                venue.set_rate(now, 0);
                let options = ServeOptions { clock, ..ServeOptions::default() };
                servers.push((venue.name(), serve(venue, options).await.expect("a free port")));
            }
            servers
        });
        Served { runtime, servers, keys }
    }

    /// Runs a command at one venue with these credentials.
    fn run(&self, venue: &str, key: &str, secret: &str, args: &[&str]) -> (Option<i32>, String, String) {
        let (_, server) = self.servers.iter().find(|(name, _)| *name == venue).expect("served");
        let upper = venue.to_ascii_uppercase();
        let (rest, stream) = (server.rest_origin(), server.stream_origin());
        let place = ["-v", venue, "--env", "sim", "--rest", &rest, "--stream", &stream];
        let output = venuekit(&[args, &place].concat())
            .env(format!("VENUEKIT_{upper}_API_KEY"), key)
            .env(format!("VENUEKIT_{upper}_API_SECRET"), secret)
            .env("VENUEKIT_LOG", "trace")
            .output()
            .expect("the binary runs");
        for bytes in [&output.stdout, &output.stderr] {
            assert_untold([key, secret], bytes, "an output");
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn demo(&self, venue: &str) -> (String, String) {
        let who = if venue == "doex" { &self.keys.doex } else { &self.keys.duedex };
        (who.key.clone(), String::from_utf8(who.secret.expose().to_vec()).expect("text"))
    }

    fn json(&self, venue: &str, args: &[&str]) -> Value {
        let (key, secret) = self.demo(venue);
        let (code, out, err) = self.run(venue, &key, &secret, args);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// The simulator's own books: total, borrowed and interest.
    fn ledger(&self, venue: &str) -> Cells {
        let (_, server) = self.servers.iter().find(|(name, _)| *name == venue).expect("served");
        let look = |venue: &mut VenueSim, _| {
            let cash = venue.account().cash();
            cash.map(|(wallet, asset, cash)| {
                let amounts = [cash.total, cash.borrowed, cash.interest].map(|amount| amount.normalize());
                ((wallet.as_str().to_owned(), asset.to_owned()), amounts)
            })
            .collect()
        };
        self.runtime.block_on(server.remote().with(look)).expect("it is served")
    }
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().expect("decimals are text").parse().expect("a decimal")
}

#[test]
fn each_cell_and_each_sum_is_the_simulators_own_to_the_last_digit() {
    for seed in [1, 7] {
        let served = Served::start(seed);
        for venue in ["doex", "duedex"] {
            let truth = served.ledger(venue);
            assert!(truth.values().any(|[total, ..]| !total.is_zero()), "SEED={seed}: {venue} holds nothing");
            for by in ["asset", "wallet", "venue"] {
                let shown = served.json(venue, &["account", "--json", "--by", by]);
                assert_eq!((&shown["env"], &shown["by"]), (&"sim".into(), &by.into()));
                assert_eq!(shown["unreported"], Value::Array(Vec::new()));
                let mut cells = Cells::new();
                for line in shown["lines"].as_array().expect("lines") {
                    assert_eq!(line["complete"], true);
                    let mut sum = [Decimal::ZERO; 3];
                    for cell in line["cells"].as_array().expect("cells") {
                        let of =
                            ["total", "borrowed", "interest"].map(|name| decimal(&cell["amounts"][name]));
                        let text = |name: &str| cell[name].as_str().expect("text").to_owned();
                        assert_eq!((text("venue"), &cell["asset"]), (venue.to_owned(), &line["asset"]));
                        // What the venue itself makes of it, and nothing where it says nothing.
                        let balance = (venue == "doex" && cell["wallet"] == "futures")
                            .then(|| cell["amounts"]["total"].clone());
                        assert_eq!(
                            cell["wallet_balance"],
                            balance.unwrap_or_default(),
                            "SEED={seed}: {cell}"
                        );
                        assert_eq!(
                            cell["margin_level"].is_string(),
                            cell["wallet"] == "margin",
                            "SEED={seed}: {cell}"
                        );
                        let known = cells.insert((text("wallet"), text("asset")), of);
                        assert_eq!(known, None, "SEED={seed}: a cell stands in two lines");
                        sum.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
                    }
                    let told = ["total", "borrowed", "interest"].map(|name| decimal(&line["sum"][name]));
                    assert_eq!(told, sum, "SEED={seed}: {line}");
                }
                assert_eq!(cells, truth, "SEED={seed}: {venue} by {by}");
            }
        }
        let wallets: Vec<_> = served.ledger("doex").into_keys().map(|(wallet, _)| wallet).collect();
        for wallet in ["spot", "margin", "futures"] {
            assert!(wallets.iter().any(|name| name == wallet), "SEED={seed}: no {wallet} wallet");
        }
    }
}

/// The simulator stands still, so each worth is the amount at the middle of its own book.
#[test]
fn what_an_account_is_worth_is_each_cell_at_the_middle_of_its_book() {
    let served = Served::start(7);
    let (_, server) = served.servers.iter().find(|(name, _)| *name == "doex").expect("served");
    let middle = |symbol: &'static str| {
        let book = served.runtime.block_on(server.remote().with(move |venue, _| venue.book(symbol)));
        let book = book.expect("it is served").expect("a market");
        let price = |level: &Level| Decimal::new(level.price.0, book.price_scale.digits().into());
        (price(&book.bids[0]) + price(&book.asks[0])) / Decimal::TWO
    };
    let shown = served.json("doex", &["account", "--json", "--in", "usdt"]);
    let worth = &shown["worth"];
    assert_eq!((&worth["in"], &worth["complete"]), (&"USDT".into(), &true.into()), "{worth}");
    let (mut sum, mut seen) = (Decimal::ZERO, 0);
    for line in shown["lines"].as_array().expect("lines") {
        for cell in line["cells"].as_array().expect("cells") {
            let rate = match cell["asset"].as_str().expect("text") {
                "USDT" => Decimal::ONE,
                "BTC" => middle("BTC/USDT"),
                "ETH" => middle("ETH/USDT"),
                "DOGE" => middle("DOGE/USDT"),
                other => panic!("{other} has no market here"),
            };
            let is_it =
                |value: &&Value| ["venue", "wallet", "asset"].iter().all(|key| value[key] == cell[key]);
            let value =
                worth["cells"].as_array().and_then(|cells| cells.iter().find(is_it)).expect("every cell");
            assert_eq!(
                decimal(&value["value"]),
                (decimal(&cell["amounts"]["net"]) * rate).round_dp(8),
                "{value}"
            );
            sum += decimal(&value["value"]);
            seen += 1;
        }
    }
    assert!(seen > 4 && decimal(&worth["balance"]) == sum, "{worth}");
    // Nobody here trades against this one.
    let shown = served.json("doex", &["account", "--json", "--in", "CHF"]);
    assert_eq!((&shown["worth"]["complete"], &shown["worth"]["balance"]), (&false.into(), &"0".into()));
}

#[test]
fn every_list_reads_and_names_its_environment() {
    let served = Served::start(7);
    for venue in ["doex", "duedex"] {
        for (command, list) in [("positions", "positions"), ("orders", "orders"), ("fees", "fees")] {
            let shown = served.json(venue, &[command, "--json"]);
            assert_eq!(shown["env"], "sim");
            assert!(shown[list].is_array(), "{command}: {shown}");
        }
        let symbol = if venue == "doex" { "BTC/USDT" } else { "BTC/USDT:USDT" };
        let fills = served.json(venue, &["fills", symbol, "--json", "--limit", "5"]);
        for fill in fills["fills"].as_array().expect("a list") {
            assert_eq!(fill["derived"], venue == "duedex", "{fill}");
            assert!(decimal(&fill["last_qty"]) > Decimal::ZERO);
        }
        let doctor = served.json(venue, &["doctor", venue, "--json"]);
        let lines = doctor["lines"].as_array().expect("lines");
        let line = |what: &str| lines.iter().find(|line| line["what"] == what).unwrap_or(&Value::Null);
        assert_eq!(line("key")["verdict"], "ok", "{doctor}");
        assert_eq!(line("dead man")["verdict"], if venue == "doex" { "ok" } else { "warn" }, "{doctor}");
    }
}

#[test]
fn a_key_that_is_refused_ends_with_three_and_is_not_quoted() {
    let served = Served::start(1);
    for venue in ["doex", "duedex"] {
        let (key, secret) = served.demo(venue);
        // Another secret of the same form.
        let wrong: String = secret
            .chars()
            .map(|c| {
                if c == 'A' {
                    'B'
                } else if c == 'B' {
                    'A'
                } else {
                    c
                }
            })
            .collect();
        let wrong = if wrong == secret { secret.replacen('c', "d", 1) } else { wrong };
        let (code, _, err) = served.run(venue, &key, &wrong, &["account"]);
        assert_eq!(code, Some(3), "{err}");
        assert!(!err.contains(&wrong) && !err.contains(&key), "{err}");
    }
}

#[test]
fn an_environment_is_never_guessed_while_there_is_a_key() {
    let run = |env: &[(&str, &str)], args: &[&str]| {
        let output = venuekit(args).envs(env.iter().copied()).output().expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let keys = [("DOEX_KEY", "k"), ("DOEX_SECRET", "s")];
    for command in ["account", "positions", "orders", "fees"] {
        let (code, err) = run(&keys, &[command]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("--env sim") && err.contains("--env live"), "{err}");
    }
    let (code, err) = run(&[], &["account", "--env", "live", "-v", "doex"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("VENUEKIT_DOEX_API_KEY"), "{err}");
}

#[test]
fn a_venues_json_becomes_the_common_one_without_a_network() {
    let normalize = |args: &[&str], body: &str| {
        let mut folder = tempfile::NamedTempFile::new().expect("a scratch file");
        std::io::Write::write_all(&mut folder, body.as_bytes()).expect("written");
        let path = folder.path().to_str().expect("text");
        let output = venuekit(&[&["normalize"], args, &[path]].concat()).output().expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let body = r#"{"assets":[{"asset":"BTC","free":"1.50","locked":"0.25","new":1}]}"#;
    let (code, out, err) = normalize(&["--venue", "doex", "--what", "balances"], body);
    assert_eq!(code, Some(0), "{err}");
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    let row = &shown["rows"][0];
    assert_eq!(
        (&row["wallet"], &row["free"], &row["locked"]),
        (&"spot".into(), &"1.5".into(), &"0.25".into())
    );
    let what = ["--venue", "doex", "--wallet", "margin", "--what", "balances"];
    let body = r#"{"marginLevel":"3.210","assets":[{"asset":"BTC","free":"1","locked":"0"}]}"#;
    let (code, out, err) = normalize(&what, body);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["rows"][0]["margin_level"], "3.21");
    let body = r#"{"code":0,"data":[{"instrument":"BTCUSD","orderId":1,"type":"stopMarket","side":"long","size":1,"stopPrice":"9000.5","triggerType":"indexPrice","status":"untriggered"}]}"#;
    let (code, out, err) = normalize(&["--venue", "duedex", "--what", "open-orders"], body);
    assert_eq!(code, Some(0), "{err}");
    let row = &serde_json::from_str::<Value>(&out).expect("JSON")["rows"][0];
    assert_eq!((&row["stop_price"], &row["trigger_by"]), (&"9000.5".into(), &"index".into()));
    // A row that makes no sense is named, and the others count.
    let body = r#"{"code":0,"data":[{"currency":"BTC","available":"1","orderMargin":"0","positionMargin":"0","realisedPnl":"0","unrealisedPnl":"0"},{"currency":"USDT","available":"much"}]}"#;
    let (code, out, err) = normalize(&["--venue", "duedex", "--what", "balances"], body);
    assert_eq!(code, Some(8), "{out}{err}");
    assert!(err.contains("left out"), "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["rows"].as_array().map(Vec::len), Some(1));
    // A refusal of the venue is one here.
    let (code, _, err) =
        normalize(&["--venue", "duedex", "--what", "balances"], r#"{"code":5005,"message":"no"}"#);
    assert_eq!(code, Some(3), "{err}");
    let (code, _, err) = normalize(&["--venue", "duedex", "--what", "deposits"], "{}");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("no route"), "{err}");
}
