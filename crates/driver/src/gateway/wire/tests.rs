//! Entries over real sockets, with a venue that counts every byte that reaches it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use venuekit_types::Mono;
use venuekit_venue::{Ask, AskKind, Method};

use super::*;
use crate::clock::Clock;

/// A venue that answers each request, and knows what arrived.
struct Venue {
    origin: String,
    bytes: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Venue {
    /// Answers when it is told, or at once.
    async fn listen(answer: Option<Arc<Notify>>) -> Venue {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let (bytes, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let venue = Venue { origin, bytes: Arc::clone(&bytes), connections: Arc::clone(&connections) };
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (bytes, answer) = (Arc::clone(&bytes), answer.clone());
                tokio::spawn(async move {
                    let (mut heard, mut buf) = (Vec::new(), [0; 4_096]);
                    while let Ok(read @ 1..) = tcp.read(&mut buf).await {
                        bytes.fetch_add(read, Ordering::SeqCst);
                        heard.extend_from_slice(&buf[..read]);
                        if heard.ends_with(b"order") {
                            heard.clear();
                            if let Some(answer) = &answer {
                                answer.notified().await;
                            }
                            let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-used: 7\r\n\r\nok";
                            if tcp.write_all(reply).await.is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        venue
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

fn order() -> HttpRequest {
    HttpRequest {
        kind: AskKind::Place,
        method: Method::Post,
        body: b"order".to_vec(),
        headers: vec![("X-Key".into(), "canary".into())],
        ..HttpRequest::get(&Ask::Instruments, "/v1/orders", "/v1/orders?signature=canary")
    }
}

fn wire() -> (EntryWire, GateCell) {
    let cell = GateCell::shut(Clock::start());
    (EntryWire::new(ClientTls::new(), cell.clone()), cell)
}

#[tokio::test]
async fn an_open_gate_lets_orders_leave_on_a_connection_that_is_kept() {
    let venue = Venue::listen(None).await;
    let (wire, cell) = wire();
    cell.open(Mono(u64::MAX));
    for _ in 0..3 {
        let reply = wire.send(&venue.origin, &order()).await.expect("answered");
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"ok"[..]));
        assert!(reply.headers.contains(&("x-used".to_owned(), "7".to_owned())), "{:?}", reply.headers);
    }
    assert_eq!(venue.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_shut_gate_lets_no_byte_out_on_new_and_on_kept_connections() {
    let venue = Venue::listen(None).await;
    let (wire, cell) = wire();
    assert_eq!(wire.send(&venue.origin, &order()).await.err(), Some(Failure::Unsent(SHUT.into())));
    assert_eq!(venue.connections.load(Ordering::SeqCst), 0, "nobody was even called");
    cell.open(Mono(u64::MAX));
    wire.send(&venue.origin, &order()).await.expect("answered");
    let before = venue.bytes();
    cell.trip();
    assert_eq!(wire.send(&venue.origin, &order()).await.err(), Some(Failure::Unsent(SHUT.into())));
    assert_eq!(venue.bytes(), before);
}

#[tokio::test]
async fn a_trip_between_the_first_look_and_the_socket_stops_the_order() {
    // What a slow connection or a busy machine does: the gate was open when the order came and is shut at the write.
    let venue = Venue::listen(None).await;
    let (_, cell) = wire();
    let tcp = TcpStream::connect(venue.origin.trim_start_matches("http://")).await.expect("it listens");
    let guard = Arc::new(Guard::default());
    let mut gated = Gated { inner: tcp, cell: cell.clone(), guard: Arc::clone(&guard) };
    gated.write_all(b"hello").await.expect("a handshake is no order");
    cell.open(Mono(u64::MAX));
    guard.begin();
    gated.write_all(b"half an ").await.expect("open");
    cell.trip();
    let stopped = gated.write_all(b"order").await.expect_err("shut");
    assert_eq!(stopped.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!((guard.written(), guard.was_stopped()), (8, true));
}

#[tokio::test]
async fn what_left_and_got_no_answer_is_lost_and_not_unsent() {
    let (answer, (wire, cell)) = (Arc::new(Notify::new()), wire());
    let venue = Venue::listen(Some(Arc::clone(&answer))).await;
    cell.open(Mono(u64::MAX));
    let wire = Arc::new(wire);
    let sent = tokio::spawn({
        let (wire, origin) = (Arc::clone(&wire), venue.origin.clone());
        async move { wire.send(&origin, &order()).await }
    });
    while venue.bytes() == 0 {
        tokio::task::yield_now().await;
    }
    cell.trip();
    answer.notify_one();
    assert!(sent.await.expect("no panic").is_ok(), "an answer to what had left still counts");

    let closing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", closing.local_addr().expect("bound"));
    tokio::spawn(async move {
        let (mut tcp, _) = closing.accept().await.expect("called");
        let mut buf = [0; 64];
        let _ = tcp.read(&mut buf).await;
    });
    cell.open(Mono(u64::MAX));
    let lost = wire.send(&origin, &order()).await.expect_err("it hung up");
    assert!(matches!(&lost, Failure::Lost(why) if !why.contains("canary")), "{lost:?}");
    let refused = wire.send("http://127.0.0.1:1", &order()).await.expect_err("nobody listens");
    assert!(matches!(&refused, Failure::Unsent(why) if !why.contains("canary")), "{refused:?}");
    let plain = wire.send("http://example.com", &order()).await.expect_err("not encrypted");
    assert!(matches!(plain, Failure::Unsent(_)), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_a_trip_stopped_has_sent_nothing_and_one_that_left_is_whole() {
    let venue = Venue::listen(None).await;
    let (wire, cell) = wire();
    let wire = Arc::new(wire);
    cell.open(Mono(u64::MAX));
    wire.send(&venue.origin, &order()).await.expect("answered");
    let size = venue.bytes();
    let (mut left, mut stopped) = (1, 0);
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        cell.open(Mono(u64::MAX));
        let orders: Vec<_> = (0..3)
            .map(|_| {
                let (wire, origin) = (Arc::clone(&wire), venue.origin.clone());
                tokio::spawn(async move { wire.send(&origin, &order()).await })
            })
            .collect();
        // In some rounds one has left for sure, however busy the machine is; in the others whatever the yields allow.
        if seed % 10 == 0 {
            let whole = left * size;
            while venue.bytes() == whole {
                tokio::task::yield_now().await;
            }
        } else {
            for _ in 0..random.u32(0..60) {
                tokio::task::yield_now().await;
            }
        }
        cell.trip();
        for order in orders {
            match order.await.expect("no panic") {
                Ok(_) => left += 1,
                Err(Failure::Unsent(_)) => stopped += 1,
                Err(Failure::Lost(why)) => panic!("SEED={seed} torn: {why}"),
            }
        }
        assert_eq!(venue.bytes(), left * size, "SEED={seed}");
    }
    assert!(left > 1 && stopped > 0, "{left} left, {stopped} were stopped");
}
