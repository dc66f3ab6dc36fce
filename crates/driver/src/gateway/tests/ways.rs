//! Row K1: whichever way a halt came, no order leaves once it is acknowledged, while orders are tried all the time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use venuekit_types::Mono;
use venuekit_venue::ClientIds;

use super::*;

/// The pause between two orders of one writer; with four of them, about 500 a second are tried.
const ORDER_EVERY: Duration = Duration::from_millis(8);
const WRITERS: u64 = 4;
const TOKEN: &str = "fedcba98765432100123456789abcdef";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A switch that a test sets.
#[derive(Clone)]
struct Lever(Arc<Mutex<Option<Position>>>);

impl Lever {
    fn set(&self, position: Option<Position>) {
        *self.0.lock().expect("nobody broke it") = position;
    }
}

impl Switch for Lever {
    fn name(&self) -> String {
        "the lever".to_owned()
    }

    fn read(&mut self) -> Result<Position, Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().expect("nobody broke it").clone().ok_or_else(|| "it is gone".into())
    }
}

/// An order that was tried: when, under which id, and how that ended.
struct Tried {
    at: Mono,
    client_id: String,
    end: Result<Outcome, DeskError>,
}

/// Tries orders until it is dropped.
struct Flood {
    tried: Arc<Mutex<Vec<Tried>>>,
    _writers: JoinSet<()>,
}

impl Flood {
    fn of(gateway: &Gateway, order: &OrderWish) -> Flood {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let tried = Arc::new(Mutex::new(Vec::new()));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (handle, order, tried) = (gateway.handle(), order.clone(), Arc::clone(&tried));
            writers.spawn(async move {
                loop {
                    let client_id = ClientIds::id(NEXT.fetch_add(1, Ordering::Relaxed), 9);
                    let order = OrderWish { client_order_id: Some(client_id.clone()), ..order.clone() };
                    let at = handle.desk.shared.clock.now().mono;
                    let (handle, tried) = (handle.clone(), Arc::clone(&tried));
                    tokio::spawn(async move {
                        let end = handle.place(order).await;
                        tried.lock().expect("nobody broke it").push(Tried { at, client_id, end });
                    });
                    tokio::time::sleep(ORDER_EVERY).await;
                }
            });
        }
        Flood { tried, _writers: writers }
    }

    fn look<R>(&self, look: impl FnOnce(&[Tried]) -> R) -> R {
        look(&self.tried.lock().expect("nobody broke it"))
    }
}

async fn post(address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let mut tcp = tokio::net::TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let request =
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    tcp.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.expect("read");
    answer
}

/// The headers of a message that halts.
fn signed(id: &str, body: &str, gateway: &Gateway) -> String {
    let at = gateway.desk.shared.clock.now().wall.0 / 1_000_000_000;
    let secret = venuekit_sign::webhook::secret(&venuekit_sign::Secret::from(SECRET)).expect("24 bytes");
    let signature = venuekit_sign::webhook::sign(&secret, id, at, body.as_bytes());
    format!("webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: {signature}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_leaves_once_a_halt_is_acknowledged_whichever_way_it_came() {
    let (world, dir) = (World::serve().await, scratch());
    let mut setup = world.setup(&dir.path().join("gate"));
    // No cap comes before the halt that is meant.
    setup.caps.open_orders = 100_000;
    let mut gateway = Gateway::start(setup).await.expect("it starts");
    gateway.serve().expect("a socket");
    let files = dir.path().join("gate");
    let [token, secret] = [("token", TOKEN), ("secret", SECRET)].map(|(name, text)| {
        let path = dir.path().join(name);
        journal::replace(&path, text.as_bytes()).expect("written");
        path
    });
    let by = HaltBy {
        token: Some(HaltToken::read(&token).expect("usable")),
        webhook: Some(HookSecret::read(&secret).expect("usable")),
    };
    let address = gateway.serve_halt("127.0.0.1:0".parse().expect("an address"), by).await.expect("a port");
    let lever = Lever(Arc::new(Mutex::new(Some(Position::Run))));
    gateway.obey(Box::new(lever.clone())).expect("a thread");
    let order = resting(&gateway, "duedex", "BTC/USD:BTC", "1").await;
    let handle = gateway.handle();
    let halted = async |word: &str| {
        until(word, async || (handle.status().halt.as_deref() == Some(word)).then_some(())).await;
    };
    for way in ["command", "socket", "file", "http", "webhook", "row", "row gone", "cap"] {
        arm(&gateway).await;
        let flood = Flood::of(&gateway, &order);
        until(way, async || flood.look(|tried| tried.iter().any(|one| one.end.is_ok())).then_some(())).await;
        // Each of these ends when the halt is acknowledged.
        match way {
            "command" => handle.halt("the test"),
            "socket" => {
                let mut client = GatewayClient::connect(&files).await.expect("it listens");
                let halt = Talk::Halt { by: "the test".into(), patience_ms: 0 };
                assert_eq!(client.ask(&halt).await.expect("answered"), Answer::Halted);
            }
            "file" => {
                std::fs::write(files.join("halt"), "").expect("writes");
                halted("command").await;
            }
            "http" => {
                let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
                let answer = post(address, "/halt", &bearer, "").await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            "webhook" => {
                let body = r#"{"type":"risk.breach","data":{}}"#;
                let answer = post(address, "/webhook", &signed("msg_1", body, &gateway), body).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            "row" => {
                lever.set(Some(Position::Halt("the desk".into())));
                halted("command").await;
            }
            "row gone" => {
                lever.set(None);
                halted("unverified").await;
            }
            _ => {
                let finger = OrderWish { qty: "10000000".parse().expect("a number"), ..order.clone() };
                let tripped = handle.place(finger).await.expect_err("a fat finger");
                assert_eq!(tripped.exit, 9, "{tripped:?}");
            }
        }
        let acknowledged = gateway.desk.shared.clock.now().mono;
        assert!(!gateway.desk.shared.cell.is_open(), "{way}");
        // A hundred more are tried, and none leaves.
        let late = until(way, async || {
            let late = flood.look(|tried| tried.iter().filter(|one| one.at > acknowledged).count());
            (late >= 100).then_some(late)
        })
        .await;
        let (ids, ends) = flood.look(|tried| {
            let late: Vec<&Tried> = tried.iter().filter(|one| one.at > acknowledged).collect();
            let ids: Vec<String> = late.iter().map(|one| one.client_id.clone()).collect();
            (
                ids,
                late.iter().map(|one| one.end.as_ref().map_err(|error| error.exit).err()).collect::<Vec<_>>(),
            )
        });
        assert!(ends.iter().all(|exit| *exit == Some(9)), "{way}: {late} tried: {ends:?}");
        let remote = world.servers[1].remote();
        let known = remote.with(move |venue, _| {
            venue.account().orders().filter(|order| ids.contains(&order.client_id)).count()
        });
        assert_eq!(
            known.await.expect("it is served"),
            0,
            "{way}: an order arrived that was tried after the halt"
        );
        drop(flood);
        // A row that is gone is doubt, which cancels nothing; every other way does.
        if way == "row gone" {
            handle.halt("the test");
        }
        let report = handle.until_flat(PATIENCE).await;
        assert!(report.flat, "{way}: {report:?}");
        let text = match way {
            "file" => "halt file",
            "row" => "the lever says halt: the desk",
            "row gone" => "the lever cannot be read: it is gone",
            _ => "",
        };
        if !text.is_empty() {
            // While it is there no command allows anything, and says why.
            let refused = handle.arm(wish(60)).await.expect_err("it stays shut");
            assert!(refused.exit == 9 && refused.text.contains(text), "{way}: {refused:?}");
            lever.set(Some(Position::Run));
            let _ = std::fs::remove_file(files.join("halt"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_halts_once_and_only_by_who_has_the_secret() {
    let (world, dir) = (World::serve().await, scratch());
    let mut gateway = world.gateway(&dir).await;
    let file = dir.path().join("secret");
    journal::replace(&file, SECRET.as_bytes()).expect("written");
    let by = HaltBy { token: None, webhook: Some(HookSecret::read(&file).expect("usable")) };
    let address = gateway.serve_halt("127.0.0.1:0".parse().expect("an address"), by).await.expect("a port");
    arm(&gateway).await;
    let (body, handle) = ("{}", gateway.handle());
    let good = signed("msg_1", body, &gateway);
    let check = async |path: &str, headers: &str, body: &str, status: &str| {
        let answer = post(address, path, headers, body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers} {body}: {answer}");
    };
    check("/webhook", "", body, "400").await;
    check("/webhook", &good, "{ }", "401").await;
    check("/webhook", &format!("{good}Origin: http://{address}\r\n"), body, "403").await;
    check("/halt", &good, body, "401").await;
    check("/arm", &good, body, "401").await;
    let large = "x".repeat(65 << 10);
    check("/webhook", &signed("msg_2", &large, &gateway), &large, "413").await;
    assert_eq!(handle.status().mode, "active");
    check("/webhook", &good, body, "200").await;
    let status = handle.status();
    assert_eq!(status.halt.as_deref(), Some("command"));
    assert!(status.why.is_some_and(|why| why.contains("webhook msg_1")));
    assert!(handle.until_flat(PATIENCE).await.flat);
    // The same message, seen again, stops nothing that was armed since.
    arm(&gateway).await;
    check("/webhook", &good, body, "409").await;
    assert_eq!(handle.status().mode, "active");
    check("/webhook", &signed("msg_3", body, &gateway), body, "200").await;
    assert_eq!(handle.status().mode, "halted");
}
