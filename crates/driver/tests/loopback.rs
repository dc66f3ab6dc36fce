//! Sessions against served fronts over real sockets: what goes well, and every way it may go wrong.

mod support;

use std::time::Duration;

use serde_json::json;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use venuekit_driver::{Options, ServeError, ServeOptions, Server, ServerTls, serve};
use venuekit_session::Command;
use venuekit_sim::{FrontInput, FrontOutput};

async fn served(play: Play) -> Server<Play> {
    serve(play, ServeOptions::default()).await.expect("a free port of loopback")
}

#[tokio::test]
async fn a_session_follows_a_front_and_both_stop_in_order() {
    let (play, mut seen) = Play::new(well);
    let server = served(play).await;
    let mut running = follow(&server);
    let asked = seen.until("request").await;
    assert!(asked.contains("GET /instruments ? signature="), "{asked}");
    assert!(asked.contains(&format!("x-tiny-key: {CANARY}")), "{asked}");
    assert_eq!(seen.until("opened").await, "opened 2 /feed from 127.0.0.1");
    assert!(seen.until("frame").await.starts_with("frame 2 false {"));
    assert_eq!(running.lines.until("Trade 7").await, "Trade 7 at 150");

    let streams = running.handle.query(|session, _| session.streams().count()).await;
    assert_eq!(streams, Ok(1));

    // Our ping is answered by the client, on its own.
    server.with(|play, _| play.act(FrontOutput::Ping { conn: 2 })).await.expect("still served");
    seen.until("pong 2").await;

    let handle = running.handle.clone();
    let (session, teller, _) = running.stop().await;
    assert_eq!(session.report().decode_errors, 0);
    assert!(teller.rounds > 0);
    seen.until("closed 2").await;
    assert!(handle.command(Command::Stop).await.is_err());
    let play = server.stop().await.expect("no panic");
    assert_eq!(play.seen.iter().filter(|line| line.starts_with("closed")).count(), 1);
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let (play, _) = Play::new(well);
    let server = served(play).await;
    let mut running = follow(&server);
    running.lines.until("Trade 7").await;
    timeout(PATIENCE, server.stop()).await.expect("it stops").expect("no panic");
    let lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("closed by the peer with 1001"), "{lost}");
    running.stop().await;
}

#[tokio::test]
async fn the_same_over_tls_for_those_who_trust_it_and_for_nobody_else() {
    let tls = ServerTls::fresh().expect("keys");
    let options = ServeOptions { tls: Some(tls.clone()), ..ServeOptions::default() };
    let (play, _) = Play::new(well);
    let server = serve(play, options).await.expect("a free port of loopback");
    assert!(server.stream_origin().starts_with("wss://127.0.0.1:"));
    let at = || config(server.rest_origin(), server.stream_origin());

    let mut trusting_it = run(Tiny::new(), at(), trusting(tls.ca_pem()));
    assert_eq!(trusting_it.lines.until("Trade 7").await, "Trade 7 at 150");
    trusting_it.stop().await;

    let other = ServerTls::fresh().expect("keys");
    let mut strange = run(Tiny::new(), at(), trusting(other.ca_pem()));
    let refused = strange.lines.until("Fault").await;
    assert!(refused.contains("certificate") && !refused.contains(CANARY), "{refused}");
    strange.stop().await;

    // The requests reach a server that speaks plain, and the stream fails by itself.
    let (play, _) = Play::new(well);
    let plain = served(play).await;
    let mixed = config(plain.rest_origin(), server.stream_origin());
    let mut strange = run(Tiny::new(), mixed, trusting(other.ca_pem()));
    let lost = strange.lines.until("Disconnected").await;
    assert!(lost.contains("the TLS handshake failed"), "{lost}");
    strange.stop().await;
    server.stop().await.expect("no panic");
}

#[tokio::test]
async fn a_message_over_the_limit_closes_the_connection_and_says_so() {
    let (play, mut seen) = Play::new(|input, out| match *input {
        FrontInput::Frame { conn, .. } => out.push(text(conn, json!({"type": "x".repeat(10_000)}))),
        _ => well(input, out),
    });
    let server = served(play).await;
    let at = config(server.rest_origin(), server.stream_origin());
    let mut running = run(Tiny::with_limit(4_096), at, Options::default());
    let lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("a message of 10011 bytes is over the limit of 4096"), "{lost}");
    seen.until("closed").await;
    running.stop().await;
}

#[tokio::test]
async fn plain_text_never_leaves_the_machine() {
    let (play, mut seen) = Play::new(well);
    let server = served(play).await;
    let port = server.address().port();
    let named = config(server.rest_origin(), format!("ws://localhost:{port}"));
    let mut running = run(Tiny::new(), named, Options::default());
    let lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("ws://localhost is not encrypted; use wss://"), "{lost}");
    running.stop().await;

    let named = config(format!("http://localhost:{port}"), server.stream_origin());
    let mut running = run(Tiny::new(), named, Options::default());
    let refused = running.lines.until("Fault").await;
    assert!(refused.contains("http://localhost is not encrypted; use https://"), "{refused}");
    running.stop().await;
    // One request by the first session, and nothing else, has reached the server.
    seen.until("request").await;
    let play = server.stop().await.expect("no panic");
    assert_eq!(play.seen.len(), 1, "{:?}", play.seen);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (play, _) = Play::new(|input, out| {
        if let FrontInput::Request { id, request } = input {
            let to = format!("http://{}/elsewhere", request.header("host").unwrap_or_default());
            let headers = vec![("location", to)];
            let response = venuekit_sim::Response { status: 307, headers, body: "".into() };
            out.push(FrontOutput::Respond { id: *id, response });
        }
    });
    let server = served(play).await;
    let mut running = follow(&server);
    let fault = running.lines.until("Fault").await;
    assert!(fault.contains("HTTP 307"), "{fault}");
    running.stop().await;
    let play = server.stop().await.expect("no panic");
    assert!(play.seen.iter().all(|line| line.contains("/instruments")), "{:?}", play.seen);
    assert_eq!(play.seen.len(), 1, "{:?}", play.seen);
}

#[tokio::test]
async fn refusals_cuts_and_abandoned_requests_look_as_they_should() {
    let mut answered = false;
    let (play, mut seen) = Play::new(move |input, out| match *input {
        FrontInput::Opened { conn, .. } if conn == 3 => out.push(FrontOutput::Refuse { conn, status: 503 }),
        FrontInput::Request { id, .. } if !answered => {
            answered = true;
            out.push(FrontOutput::Abandon { id });
        }
        FrontInput::Frame { conn, .. } if conn == 4 => {
            // What was said before the cut still arrives.
            out.push(text(conn, json!({"type": "last words"})));
            out.push(FrontOutput::Cut { conn });
        }
        FrontInput::Frame { conn, .. } if conn == 5 => {
            out.push(FrontOutput::Close { conn, code: Some(1013) });
        }
        FrontInput::Frame { conn, .. } if conn == 6 => out.push(FrontOutput::Close { conn, code: None }),
        _ => well(input, out),
    });
    let server = served(play).await;
    let mut at = config(server.rest_origin(), server.stream_origin());
    at.limits.backoff_base = Duration::from_millis(1);
    at.limits.backoff_cap = Duration::from_millis(5);
    let mut running = run(Tiny::new(), at, Options::default());
    let fault = running.lines.until("Fault").await;
    assert!(fault.contains("the request failed") && !fault.contains(CANARY), "{fault}");
    let mut lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("the upgrade was refused with HTTP 503"), "{lost}");
    running.lines.until("another type").await;
    lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("the connection was cut without a close"), "{lost}");
    lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("closed by the peer with 1013"), "{lost}");
    lost = running.lines.until("Disconnected").await;
    assert!(lost.contains("closed by the peer without a code"), "{lost}");
    running.lines.until("Trade 7").await;
    running.stop().await;
    // The front ended three of its connections itself, and hears of the last one only.
    seen.until("closed 7").await;
    let play = server.stop().await.expect("no panic");
    assert_eq!(play.seen.iter().filter(|line| line.starts_with("closed")).count(), 1, "{:?}", play.seen);
}

/// Upgrades by hand and reads not a byte more.
async fn deaf_client(server: &Server<Play>) -> TcpStream {
    let mut tcp = TcpStream::connect(server.address()).await.expect("it listens");
    let request = "GET /feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.expect("it answers"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    tcp
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_when_too_much_waits_for_it() {
    let (play, mut seen) = Play::new(well);
    let options = ServeOptions { client_bytes: 1 << 20, ..ServeOptions::default() };
    let server = serve(play, options).await.expect("a free port of loopback");
    let client = deaf_client(&server).await;
    // Far more than the kernel's buffers and the queue together.
    let flood = |play: &mut Play, _| {
        for _ in 0..64 {
            play.act(text(1, json!({"type": "x".repeat(1 << 19)})));
        }
    };
    server.with(flood).await.expect("still served");
    seen.until("closed 1").await;
    drop(client);
    server.stop().await.expect("no panic");
}

#[tokio::test]
async fn a_client_that_stalls_is_cut_and_the_others_go_on() {
    let (play, mut seen) = Play::new(well);
    let options = ServeOptions { stall: Duration::ZERO, ..ServeOptions::default() };
    let server = serve(play, options).await.expect("a free port of loopback");
    let client = deaf_client(&server).await;
    // Within the bound of the queue, yet more than the kernel takes: it never becomes less.
    let flood = |play: &mut Play, _| {
        for _ in 0..24 {
            play.act(text(1, json!({"type": "x".repeat(1 << 19)})));
        }
    };
    server.with(flood).await.expect("still served");
    seen.until("closed 1").await;
    let mut running = follow(&server);
    running.lines.until("Trade 7").await;
    running.stop().await;
    drop(client);
    server.stop().await.expect("no panic");
}

#[tokio::test]
async fn a_front_is_served_on_this_machine_only() {
    let (play, _) = Play::new(well);
    let options = ServeOptions { listen: ([0, 0, 0, 0], 0).into(), ..ServeOptions::default() };
    let error = serve(play, options).await.expect_err("it could be reached");
    assert!(matches!(error, ServeError::NotLoopback(_)));
    assert!(error.to_string().contains("127.0.0.0/8"), "{error}");

    let (play, _) = Play::new(well);
    let server = served(play).await;
    let (play, _) = Play::new(well);
    let options = ServeOptions { listen: server.address(), ..ServeOptions::default() };
    let error = serve(play, options).await.expect_err("the port is taken");
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn the_last_handle_stops_the_session() {
    let (play, mut seen) = Play::new(well);
    let server = served(play).await;
    let mut running = follow(&server);
    running.lines.until("Trade 7").await;
    drop(running.handle);
    timeout(PATIENCE, running.done).await.expect("it stops").expect("no panic");
    seen.until("closed 2").await;
}

/// Waits until a front that is always due is no longer told the time, and gives how often it was since it had a client.
async fn paused(server: &Server<Play>) -> usize {
    let (mut ticks, mut unchanged) = (0, 0);
    while unchanged < 2_000 {
        let (now, closed) = server
            .with(|play, _| {
                let closed = play.seen.iter().any(|line| line.starts_with("closed"));
                let served = play.seen.iter().skip_while(|line| !line.starts_with("opened"));
                (served.filter(|line| *line == "tick").count(), closed)
            })
            .await
            .expect("still served");
        assert!(!closed, "a client was cut instead of waited for, after {now} ticks");
        unchanged = if now > 0 && now == ticks { unchanged + 1 } else { 0 };
        ticks = now;
        tokio::task::yield_now().await;
    }
    ticks
}

/// Speaks 64 KiB to the one connection whenever it is told the time, which it always wants to be.
fn talkative() -> (Play, Lines) {
    let mut open = None;
    let (mut play, seen) = Play::new(move |input, out| match *input {
        FrontInput::Tick => {
            if let Some(conn) = open {
                out.push(text(conn, json!({"type": "x".repeat(64 << 10)})));
            }
        }
        FrontInput::Opened { conn, .. } => {
            open = Some(conn);
            well(input, out);
        }
        _ => well(input, out),
    });
    play.always_due = true;
    (play, seen)
}

#[tokio::test]
async fn a_front_waits_for_a_client_that_reads_slowly() {
    let (play, _) = talkative();
    let options = ServeOptions { stall: PATIENCE, ..ServeOptions::default() };
    let server = serve(play, options).await.expect("a free port of loopback");
    let mut client = deaf_client(&server).await;
    paused(&server).await;
    // More than may ever wait for one client: whoever is not waited for is cut before that.
    let mut left: usize = 40 << 20;
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let read = client.read(&mut buffer).await.expect("it is not cut");
        assert!(read > 0, "it was cut with {left} bytes to go");
        left = left.saturating_sub(read);
    }
    drop(client);
    server.stop().await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_does_not_keep_up_stops_reading_and_nothing_grows() {
    use venuekit_session::{Emission, Event, Persist, PersistId};
    use venuekit_types::Now;

    /// Blocks on the first message until it is let go.
    struct Stuck {
        release: std::sync::mpsc::Receiver<()>,
        broken: tokio::sync::mpsc::UnboundedSender<()>,
    }
    impl venuekit_driver::Host for Stuck {
        fn event(&mut self, _: Now, emission: Emission<'_>) {
            if matches!(emission.event, Event::Broken { .. }) {
                let _ = self.broken.send(());
                // Once let go, it is for good.
                let _ = self.release.recv();
            }
        }

        fn persist(&mut self, _: PersistId, _: Persist) -> Option<u64> {
            None
        }
    }

    let (play, _) = talkative();
    let options = ServeOptions { stall: PATIENCE, ..ServeOptions::default() };
    let server = serve(play, options).await.expect("a free port of loopback");
    let at = config(server.rest_origin(), server.stream_origin());
    let session = venuekit_session::Session::new(Tiny::new(), at).expect("it fits");
    let (let_go, release) = std::sync::mpsc::channel();
    let (broken, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let (runner, handle) =
        venuekit_driver::Runner::new(session, Stuck { release, broken }, Options::default())
            .expect("it runs");
    // On a thread of its own, so that nothing but the session itself is stuck.
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(runner.run()));
    heard.recv().await.expect("a first message");
    // What was read ahead, what waits at the server, and what the system holds, 64 KiB a tick.
    let ticks = paused(&server).await;
    assert!(ticks < (32 << 20) / (64 << 10), "{ticks} ticks were spoken to a client that takes nothing");
    drop(let_go);
    // The rest arrives, and what comes after it.
    for _ in 0..2 * ticks {
        timeout(PATIENCE, heard.recv()).await.expect("it goes on").expect("it runs");
    }
    handle.stop().await.expect("it runs");
    timeout(PATIENCE, done).await.expect("it stops").expect("no panic");
    server.stop().await.expect("no panic");
}
