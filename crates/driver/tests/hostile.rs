//! Servers that break the rules: each of them costs its connection or its request, says why, and costs nothing else.

mod support;

use bytes::Bytes;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use venuekit_driver::{Options, ServeOptions, serve};
use venuekit_sim::{FrontInput, FrontOutput, Response};

/// Reads the head of a request.
async fn head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.expect("a client that speaks"));
    }
    String::from_utf8(head).expect("a client that speaks HTTP")
}

/// The right answer to an upgrade.
fn welcome(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Runs a session whose stream server says `bytes`, after the right answer to the upgrade or instead of it, and then
/// cuts the connection; gives what the session says of its end.
async fn told(upgrades: bool, bytes: Vec<u8>) -> String {
    let (play, _) = Play::new(well);
    let rest = serve(play, ServeOptions::default()).await.expect("a free port of loopback");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of loopback");
    let stream = format!("ws://{}", listener.local_addr().expect("it listens"));
    let hostile = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a client");
        let head = head(&mut tcp).await;
        if upgrades {
            tcp.write_all(welcome(&head).as_bytes()).await.expect("a client that reads");
        }
        // The client may hang up in the middle.
        let _ = tcp.write_all(&bytes).await;
        let _ = tcp.shutdown().await;
        // What it still says is read, so that the system sends no reset before it has read everything.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let at = config(rest.rest_origin(), stream);
    let mut running = run(Tiny::with_limit(4_096), at, Options::default());
    let lost = running.lines.until("Disconnected").await;
    running.stop().await;
    hostile.abort();
    lost
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("short payloads");
    [&[first, 126][..], &length.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_connection_with_a_reason() {
    let endless = [&[0x82, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    let in_parts = [frame(0x01, &[b'x'; 3_000]), frame(0x80, &[b'x'; 3_000])].concat();
    for (bytes, says) in [
        (vec![0x81, 2, 0xff, 0xff], "a text message is not UTF-8"),
        (vec![0x81, 0x82, 0, 0, 0, 0, b'h', b'i'], "masked frame"),
        (vec![0xf1, 0], "Reserved bits"),
        (vec![0x83, 0], "not websocket"),
        (vec![0x80, 1, b'x'], "nothing to continue"),
        (vec![0x09, 0], "Fragmented control frame"),
        (vec![0x88, 1, 3], "Invalid close sequence"),
        (endless, "is over the limit of 4096"),
        (in_parts, "a message of 6000 bytes is over the limit of 4096"),
        (vec![0x01, 3, b'h'], "the connection was cut without a close"),
        (Vec::new(), "the connection was cut without a close"),
    ] {
        let lost = told(true, bytes.clone()).await;
        assert!(lost.contains(says), "{bytes:x?}: {lost}");
    }
}

#[tokio::test]
async fn answers_that_are_no_upgrade_are_named() {
    let wrong_key = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: AAAA\r\n\r\n";
    let endless = format!("HTTP/1.1 101 Switching Protocols\r\nX: {}", "x".repeat(1 << 20));
    let crowded = format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n", "X: x\r\n".repeat(10_000));
    let moved = "HTTP/1.1 302 Found\r\nLocation: wss://example.com/\r\nContent-Length: 0\r\n\r\n";
    for (bytes, says) in [
        (wrong_key, "Key mismatch"),
        (moved, "the upgrade was refused with HTTP 302"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the upgrade was refused with HTTP 200"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not websocket"),
        (endless.as_str(), "the upgrade answer is too long"),
        (crowded.as_str(), "the upgrade answer"),
        ("", "not websocket: Handshake not finished"),
    ] {
        let lost = told(false, bytes.as_bytes().to_vec()).await;
        assert!(lost.contains(says), "{}: {lost}", &bytes[..bytes.len().min(60)]);
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_fails_its_request() {
    let (play, _) = Play::new(|input, out| {
        if let FrontInput::Request { id, .. } = *input {
            let body = Bytes::from(vec![b' '; (8 << 20) + 1]);
            let response = Response { status: 200, headers: Vec::new(), body };
            out.push(FrontOutput::Respond { id, response });
        }
    });
    let server = serve(play, ServeOptions::default()).await.expect("a free port of loopback");
    let mut running = follow(&server);
    let fault = running.lines.until("Fault").await;
    assert!(fault.contains("the answer is over the limit of 8388608 bytes"), "{fault}");
    running.stop().await;
}

#[tokio::test]
async fn an_answer_cut_short_fails_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of loopback");
    let rest = format!("http://{}", listener.local_addr().expect("it listens"));
    let hostile = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a client");
        head(&mut tcp).await;
        tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]")
            .await
            .expect("a client that reads");
    });
    let mut running = run(Tiny::new(), config(rest, "ws://127.0.0.1:1"), Options::default());
    let fault = running.lines.until("Fault").await;
    assert!(fault.contains("the request failed") && !fault.contains(CANARY), "{fault}");
    running.stop().await;
    hostile.await.expect("no panic");
}

#[tokio::test]
async fn a_stopping_session_says_goodbye() {
    let (play, _) = Play::new(well);
    let rest = serve(play, ServeOptions::default()).await.expect("a free port of loopback");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port of loopback");
    let stream = format!("ws://{}", listener.local_addr().expect("it listens"));
    let patient = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.expect("a client");
        let head = head(&mut tcp).await;
        tcp.write_all(welcome(&head).as_bytes()).await.expect("a client that reads");
        // Short masked frames: two bytes of head, four of mask, the payload.
        loop {
            let (first, length) =
                (tcp.read_u8().await.expect("a goodbye"), tcp.read_u8().await.expect("a frame"));
            let mut rest = vec![0; 4 + usize::from(length & 0x7f)];
            tcp.read_exact(&mut rest).await.expect("a whole frame");
            if first == 0x88 {
                break u16::from_be_bytes([rest[4] ^ rest[0], rest[5] ^ rest[1]]);
            }
        }
    });
    let mut running = run(Tiny::new(), config(rest.rest_origin(), stream), Options::default());
    running.lines.until("Connected").await;
    running.stop().await;
    assert_eq!(patient.await.expect("no panic"), 1000);
}
