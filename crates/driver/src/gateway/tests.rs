//! The gateway over real sockets, against the simulator.

mod ways;

use rust_decimal::Decimal;
use tempfile::TempDir;
use venuekit_doex::Doex;
use venuekit_duedex::DueDex;
use venuekit_session::HostOverride;
use venuekit_session::gate::Notional;
use venuekit_sim::faults::{Command, Fault as SimFault};
use venuekit_sim::wallets::Ticket;
use venuekit_sim::world::Step;
use venuekit_sim::{Keys, Sim, SimConfig, VenueSim};
use venuekit_types::Side;
use venuekit_venue::OrderType;

use super::*;
use crate::{ServeOptions, Server, serve};

/// Longest wait for anything; only a broken test comes near it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both venues, served.
struct World {
    servers: Vec<Server<VenueSim>>,
    keys: Keys,
}

impl World {
    async fn serve() -> World {
        let clock = Clock::start();
        let config = SimConfig { rate: 50, script: false, ..SimConfig::new(7, clock.now()) };
        let keys = config.keys.clone();
        let mut servers = Vec::new();
        let ours = |venue: &VenueSim| ["doex", "duedex"].contains(&venue.name());
        for venue in Sim::new(config).into_venues().into_iter().filter(ours) {
            servers
                .push(serve(venue, ServeOptions { clock, ..ServeOptions::default() }).await.expect("a port"));
        }
        World { servers, keys }
    }

    fn setup(&self, dir: &Path) -> Setup {
        let hosts = |number: usize| {
            let server: &Server<VenueSim> = &self.servers[number];
            vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }]
        };
        let large = Notional { order: Decimal::from(1_000_000), day: Decimal::from(100_000_000) };
        let assets = ["USDT", "USD"].map(|asset| (asset.to_owned(), large));
        let config = |number, credentials: &venuekit_sign::Credentials| Config {
            hosts: hosts(number),
            credentials: Some(credentials.clone()),
            ..Config::default()
        };
        let doex: Arc<dyn Venue> = Arc::new(Doex::default());
        let duedex: Arc<dyn Venue> = Arc::new(DueDex::new());
        Setup {
            caps: Caps {
                orders_per_second: 1_000,
                open_orders: 400,
                notional: assets.into(),
                ..Caps::default()
            },
            venues: vec![(doex, config(0, &self.keys.doex)), (duedex, config(1, &self.keys.duedex))],
            ..Setup::new(dir, "sim")
        }
    }

    /// The first venue alone.
    fn setup_one(&self, dir: &Path) -> Setup {
        let hosts = |server: &Server<VenueSim>| {
            vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }]
        };
        let doex: Arc<dyn Venue> = Arc::new(Doex::default());
        let credentials = Some(self.keys.doex.clone());
        let config = Config { hosts: hosts(&self.servers[0]), credentials, ..Config::default() };
        Setup { venues: vec![(doex, config)], ..Setup::new(dir, "sim") }
    }

    /// Puts so many orders at each venue that no gateway knows of.
    async fn rest_orders(&self, each: usize) {
        for (server, (market, qty)) in self.servers.iter().zip([(0, 100), (1, 10)]) {
            let remote = server.remote();
            let placed = remote.with(move |venue, now| {
                let (owner, at_ms) = (venue.owner(), venue.world().wall_ms(now.mono));
                let listed = &venue.world().markets()[market];
                let price = listed.spec.on_tick(listed.last_price() / 100 * 97, Side::Buy);
                for _ in 0..each {
                    let ticket = Ticket::new(owner, market, Side::Buy, qty, Some(price));
                    venue.world_mut().submit(ticket, at_ms).expect("the account can pay for it");
                }
                venue.world_mut().flush(market, at_ms, &mut Step::default());
                venue.account().open_orders().count()
            });
            assert_eq!(placed.await.expect("it is served"), each);
        }
    }

    /// What the venues themselves hold.
    async fn open_orders(&self) -> usize {
        let mut open = 0;
        for server in &self.servers {
            let left = server.remote().with(|venue, _| venue.account().open_orders().count()).await;
            open += left.expect("it is served");
        }
        open
    }

    async fn gateway(&self, dir: &TempDir) -> Gateway {
        Gateway::start(self.setup(&dir.path().join("gate"))).await.expect("it starts")
    }
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn wish(span: u64) -> Arm {
    Arm { span: Duration::from_secs(span), reducing: false, force: false, by: "test".into() }
}

/// Waits for something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waited = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// Arms, as soon as the state was verified.
async fn arm(gateway: &Gateway) {
    let handle = gateway.handle();
    let mut last = None;
    let armed = async {
        while let Err(error) = handle.arm(wish(3_600)).await {
            last = Some(error);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let armed = timeout(PATIENCE, armed).await;
    assert!(armed.is_ok(), "not armed: {last:?}, {:?}", gateway.handle().status());
}

/// A buy that rests a little below the market.
async fn resting(gateway: &Gateway, venue: &str, symbol: &str, qty: &str) -> OrderWish {
    let handle = gateway.handle();
    let (price, found) = until("a live book", async || {
        let found = handle.find(venue, symbol, None).await.ok()?;
        let reference = handle.desk.reference(found.at, found.market).await?;
        Some((reference * Decimal::new(98, 2), found.instrument))
    })
    .await;
    let tick = Decimal::from(venuekit_types::Scaled::new(found.tick.0, found.price_scale));
    let price = ((price / tick).floor() * tick).normalize();
    OrderWish {
        venue: venue.into(),
        symbol: symbol.into(),
        product: None,
        side: Side::Buy,
        order_type: OrderType::Limit,
        qty: qty.parse().expect("a number"),
        price: Some(price.to_string().parse().expect("a number")),
        stop_price: None,
        trigger_by: None,
        time_in_force: None,
        post_only: false,
        reduce_only: false,
        client_order_id: None,
    }
}

const MARKETS: [(&str, &str, &str); 3] =
    [("doex", "BTC/USDT", "0.01"), ("doex", "BTC/USDT:USDT", "0.01"), ("duedex", "BTC/USD:BTC", "10")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_halted_and_lets_orders_leave_once_armed() {
    let (world, dir) = (World::serve().await, scratch());
    let gateway = world.gateway(&dir).await;
    let handle = gateway.handle();
    assert_eq!(handle.status().halt.as_deref(), Some("start_up"));
    for (venue, symbol, qty) in MARKETS {
        let order = resting(&gateway, venue, symbol, qty).await;
        let refused = handle.place(order).await.expect_err("not armed");
        assert_eq!(refused.exit, 9, "{refused:?}");
    }
    arm(&gateway).await;
    for (venue, symbol, qty) in MARKETS {
        let placed = handle.place(resting(&gateway, venue, symbol, qty).await).await.expect("armed");
        assert_eq!((placed.outcome.as_str(), &placed.fault), ("accepted", &None), "{placed:?}");
        let open = handle.open_orders(Some(venue)).await.expect("readable");
        let ours = |order: &&OrderView| order.client_order_id.as_ref() == Some(&placed.client_order_id);
        let order = open.iter().find(ours).unwrap_or_else(|| panic!("{symbol} is not among {open:?}"));
        assert_eq!(order.symbol, symbol);
        let name = venuekit_venue::OrderRef::Client(placed.client_order_id.clone());
        handle.cancel(venue, symbol, None, name).await.expect("cancelled");
    }
    assert_eq!(handle.open_orders(None).await, Ok(Vec::new()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_finds_orders_that_it_did_not_place_and_cancels_them() {
    let (world, one, other) = (World::serve().await, scratch(), scratch());
    let (stranger, gateway) = (world.gateway(&one).await, world.gateway(&other).await);
    arm(&stranger).await;
    arm(&gateway).await;
    for (venue, symbol, qty) in MARKETS {
        for _ in 0..5 {
            let order = resting(&stranger, venue, symbol, qty).await;
            assert_eq!(stranger.handle().place(order).await.expect("armed").outcome, "accepted");
        }
    }
    let handle = gateway.handle();
    assert_eq!(handle.open_orders(None).await.expect("readable").len(), 15);
    handle.halt("the test");
    assert!(!gateway.desk.shared.cell.is_open());
    let report = handle.until_flat(PATIENCE).await;
    assert!(report.halted && report.flat, "{report:?}");
    assert!(report.products.iter().all(|product| product.open == Some(0)), "{report:?}");
    let none = |product: &&ProductReport| product.dead_man.starts_with("none");
    assert!(report.products.iter().filter(none).all(|product| product.venue == "duedex"), "{report:?}");
    assert!(report.products.iter().any(|product| product.venue == "duedex" && none(&product)), "{report:?}");
    assert_eq!(stranger.handle().open_orders(None).await, Ok(Vec::new()));
    let refused = handle.place(resting(&gateway, "doex", "BTC/USDT", "0.01").await).await;
    assert_eq!(refused.map_err(|error| error.exit), Err(9));
    // What was halted stays halted over a restart, and says why.
    gateway.stop().await;
    let gateway = world.gateway(&other).await;
    let status = gateway.handle().status();
    assert_eq!((status.mode.as_str(), status.halt.as_deref()), ("halted", Some("command")), "{status:?}");
}

/// Row K3 at its size: the venues hold orders that no gateway ever placed, while their markets trade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_orders_a_venue_that_nobody_knows_of_are_found_and_cancelled() {
    const EACH: usize = 200;
    let (world, dir) = (World::serve().await, scratch());
    world.rest_orders(EACH).await;
    let gateway = world.gateway(&dir).await;
    let handle = gateway.handle();
    assert_eq!(handle.open_orders(None).await.expect("readable").len(), 2 * EACH);
    let clock = Clock::start();
    handle.halt("the test");
    let report = handle.until_flat(PATIENCE).await;
    // The record of the row; a busy machine asserts nothing.
    eprintln!("flat, twice read, after {:?}", clock.now().mono.since(venuekit_types::Mono(0)));
    assert!(report.halted && report.flat, "{report:?}");
    assert_eq!(world.open_orders().await, 0);
}

/// K3: cancels that are refused, that answer with an error although they were done, or that never answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_outlasts_cancels_that_are_refused_lost_and_late() {
    const EACH: usize = 30;
    let (world, dir) = (World::serve().await, scratch());
    world.rest_orders(EACH).await;
    let gateway = world.gateway(&dir).await;
    let handle = gateway.handle();
    assert_eq!(handle.open_orders(None).await.expect("readable").len(), 2 * EACH);
    for server in &world.servers {
        let faults = [
            SimFault::Reject(503),
            SimFault::LoseAnswer,
            SimFault::FailAnswer(502),
            SimFault::CutAnswer,
            SimFault::LateAnswer(Duration::from_secs(3_600)),
        ];
        let remote = server.remote();
        let struck = remote.with(move |venue, now| {
            faults.into_iter().for_each(|fault| venue.inject(now, Command::all(fault)));
        });
        struck.await.expect("it is served");
    }
    handle.halt("the test");
    let report = handle.until_flat(PATIENCE).await;
    assert!(report.halted && report.flat, "{report:?}");
    assert_eq!(world.open_orders().await, 0);
    for server in &world.servers {
        let counts = server.remote().with(|venue, _| venue.fault_log().counts().clone()).await;
        let counts = counts.expect("it is served");
        // A venue that cancels everything at once gets fewer requests to spoil.
        assert!(
            counts.contains_key("reject") && counts.len() >= 2,
            "what was to go wrong did not: {counts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_outstanding_forbid_arming_and_no_answer_is_no_flatness() {
    let (world, dir) = (World::serve().await, scratch());
    let gateway = world.gateway(&dir).await;
    arm(&gateway).await;
    // One venue is gone: nobody can say that it is empty.
    let mut servers = world.servers;
    servers.pop().expect("two").stop().await.expect("no panic");
    let handle = gateway.handle();
    handle.halt("the test");
    let report = handle.until_flat(Duration::from_millis(500)).await;
    assert!(!report.flat, "{report:?}");
    let refused = handle.arm(wish(60)).await.expect_err("outstanding");
    assert!(refused.exit == 9 && refused.text.contains("outstanding"), "{refused:?}");
    // Neither does a restart forget.
    drop(gateway);
    let world = World { servers, keys: world.keys };
    let gateway = Gateway::start(world.setup_one(&dir.path().join("gate"))).await.expect("it starts");
    assert_eq!(gateway.handle().status().halt.as_deref(), Some("command"));
    // With the venue that is left alone, the sweep ends, and it can be armed again.
    let report = gateway.handle().until_flat(PATIENCE).await;
    assert!(report.flat, "{report:?}");
    arm(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_halt_it_and_none_of_them_opens_it() {
    let (world, dir) = (World::serve().await, scratch());
    let gateway = world.gateway(&dir).await;
    let (handle, files) = (gateway.handle(), dir.path().join("gate"));
    let halted = async |word: &str| {
        until(word, async || (handle.status().halt.as_deref() == Some(word)).then_some(())).await;
        assert!(!gateway.desk.shared.cell.is_open());
    };
    // A halt file appears.
    arm(&gateway).await;
    std::fs::write(files.join("halt"), "").expect("writes");
    halted("command").await;
    let report = handle.until_flat(PATIENCE).await;
    assert!(report.flat, "{report:?}");
    assert_eq!(handle.arm(wish(60)).await.map_err(|error| error.exit), Err(9), "while the file is there");
    std::fs::remove_file(files.join("halt")).expect("removes");
    // The state is changed, cut, laid open, removed; the journal is replaced.
    let state = files.join("state.json");
    let breakages: [&dyn Fn(); 5] = [
        &|| std::fs::write(&state, "{}").expect("writes"),
        &|| std::fs::write(&state, "").expect("writes"),
        &|| {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o644)).expect("ours");
        },
        &|| std::fs::remove_file(&state).expect("removes"),
        &|| {
            std::fs::rename(files.join("journal"), files.join("aside")).expect("renames");
            std::fs::write(files.join("journal"), "").expect("writes");
        },
    ];
    for (number, breakage) in breakages.iter().enumerate() {
        arm(&gateway).await;
        // Once the armed state is written nothing else will write it.
        let armed = async || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("\"halt\":null"));
        until("the state is written", async || armed().await.then_some(())).await;
        breakage();
        until("halted", async || (handle.status().halt.as_deref() == Some("state")).then_some(())).await;
        assert!(!gateway.desk.shared.cell.is_open(), "breakage {number}");
    }
    halted("state").await;
    assert_eq!(handle.arm(wish(60)).await.map_err(|error| error.exit), Err(9), "its journal is another's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_ends_halts_it() {
    let (world, dir) = (World::serve().await, scratch());
    let gateway = world.gateway(&dir).await;
    arm(&gateway).await;
    gateway.desk.lines[0].handle.stop().await.expect("it runs");
    let handle = gateway.handle();
    until("halted", async || (handle.status().halt.as_deref() == Some("crashed")).then_some(())).await;
    assert!(!gateway.desk.shared.cell.is_open());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_hangs_vouches_for_nothing() {
    let (world, dir) = (World::serve().await, scratch());
    let gateway = world.gateway(&dir).await;
    arm(&gateway).await;
    let shared = Arc::clone(&gateway.desk.shared);
    // Whoever holds the gate for two seconds keeps everybody from verifying it; the cell needs nobody to shut.
    let holder = std::thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.gate(|_, now| {
                while shared.clock.now().mono.since(now.mono) < Duration::from_millis(2_200) {
                    std::thread::yield_now();
                }
            });
        }
    });
    until("the cell shuts", async || (!shared.cell.is_open()).then_some(())).await;
    holder.join().expect("no panic");
    assert_eq!(gateway.handle().status().halt.as_deref(), Some("unverified"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_socket_speaks_to_its_user_within_bounds() {
    let (world, dir) = (World::serve().await, scratch());
    let mut gateway = world.gateway(&dir).await;
    gateway.serve().expect("a socket");
    let files = dir.path().join("gate");
    let about = std::fs::metadata(files.join("gateway.sock")).expect("there");
    assert_eq!(about.mode() & 0o777, 0o600);
    assert!(matches!(Gateway::start(world.setup(&files)).await, Err(GatewayError::Running { .. })));
    let mut client = GatewayClient::connect(&files).await.expect("it listens");
    let seconds = 3_600;
    let armed = until("arming", async || {
        let talk = Talk::Arm { seconds, reducing: false, force: false, by: "test".into() };
        match client.ask(&talk).await.expect("answered") {
            Answer::Status(status) => Some(status),
            Answer::Error(error) => {
                assert_eq!(error.exit, 9);
                None
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(armed.mode, "active");
    let order = resting(&gateway, "doex", "BTC/USDT", "0.01").await;
    let text = OrderText {
        venue: order.venue.clone(),
        symbol: order.symbol.clone(),
        side: "buy".into(),
        order_type: "limit".into(),
        qty: order.qty.to_string(),
        price: order.price.map(|price| price.to_string()),
        ..OrderText::default()
    };
    let placed = client.ask(&Talk::Place(Box::new(text.clone()))).await.expect("answered");
    assert!(matches!(&placed, Answer::Placed(placed) if placed.outcome == "accepted"), "{placed:?}");
    // A fat finger trips the gate, and what rests is taken off.
    let finger = OrderText { qty: "100".into(), ..text.clone() };
    let tripped = client.ask(&Talk::Place(Box::new(finger))).await.expect("answered");
    let Answer::Error(error) = &tripped else { panic!("{tripped:?}") };
    assert!(error.exit == 9 && error.text.contains("cap"), "{error:?}");
    let flat = gateway.handle().until_flat(PATIENCE).await;
    assert!(flat.flat && flat.products.iter().all(|product| product.open == Some(0)), "{flat:?}");
    let wrong = OrderText { qty: "1e".into(), ..text };
    let wrong = client.ask(&Talk::Place(Box::new(wrong))).await.expect("answered");
    assert!(matches!(&wrong, Answer::Error(error) if error.exit == 2), "{wrong:?}");
    let halt = Talk::Halt { by: "test".into(), patience_ms: 60_000 };
    assert_eq!(client.ask(&halt).await.expect("answered"), Answer::Halted);
    assert!(matches!(client.next().await.expect("answered"), Answer::Report(report) if report.flat));
    assert!(matches!(GatewayClient::connect(dir.path()).await, Err(TalkError::NotRunning { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_make_no_sense_cost_themselves_alone() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let (world, dir) = (World::serve().await, scratch());
    let mut gateway = world.gateway(&dir).await;
    gateway.serve().expect("a socket");
    let path = dir.path().join("gate").join("gateway.sock");
    let stream = tokio::net::UnixStream::connect(&path).await.expect("it listens");
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader).lines();
    for (line, part) in [
        ("nonsense canary", "\"exit\":2"),
        (r#"{"v":2,"say":"status"}"#, "version 2"),
        (r#"{"v":1,"say":{"place":{"canary":1}}}"#, "\"exit\":2"),
        (r#"{"v":1,"say":"status"}"#, "start_up"),
    ] {
        writer.write_all(format!("{line}\n").as_bytes()).await.expect("written");
        let answer =
            timeout(PATIENCE, reader.next_line()).await.expect("in time").expect("read").expect("a line");
        assert!(answer.contains(part) && !answer.contains("canary"), "{line}: {answer}");
    }
    // A line without an end takes no more than its bound.
    let endless = vec![b'x'; 3 << 20];
    let _ = writer.write_all(&endless).await;
    let gone = timeout(PATIENCE, reader.next_line()).await.expect("in time");
    assert!(!matches!(gone, Ok(Some(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_halts_and_refuses_everything_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (world, dir) = (World::serve().await, scratch());
    let mut gateway = world.gateway(&dir).await;
    arm(&gateway).await;
    let token = "fedcba98765432100123456789abcdef".to_owned();
    let file = dir.path().join("token");
    journal::replace(&file, token.as_bytes()).expect("written");
    let read = || HaltBy { token: Some(HaltToken::read(&file).expect("usable")), webhook: None };
    let foreign = gateway.serve_halt("0.0.0.0:0".parse().expect("an address"), read()).await;
    assert!(matches!(foreign, Err(HaltHttpError::Foreign(_))));
    let address =
        gateway.serve_halt("127.0.0.1:0".parse().expect("an address"), read()).await.expect("a port");
    let call = async |path: &str, more: &str| {
        let mut tcp = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let request = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{more}Content-Length: 0\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.expect("read");
        answer
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (path, more, status) in [
        ("/halt", String::new(), "401"),
        ("/halt", format!("{bearer}Origin: http://{address}\r\n"), "403"),
        ("/arm", bearer.clone(), "404"),
    ] {
        let answer = call(path, &more).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(!answer.contains(&token), "{answer}");
    }
    assert_eq!(gateway.handle().status().mode, "active");
    let answer = call("/halt", &bearer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!gateway.desk.shared.cell.is_open());
    assert_eq!(gateway.handle().status().halt.as_deref(), Some("command"));
}
