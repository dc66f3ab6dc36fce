//! A session's tape: every input in order, no secret in it, and the same session when it is replayed.

mod support;

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use support::*;
use venuekit_driver::{Clock, Options, Runner, ServeOptions, Server, Tape, TapeStatus, serve};
use venuekit_session::tape::{Kind, Row};
use venuekit_session::{About, Replay, Session};
use venuekit_sim::{FrontInput, FrontOutput};

fn about() -> About {
    About { venue: "tiny".into(), recorder: "venuekit test".into(), seed: 42, ..About::default() }
}

/// Begins to record a session with a login.
fn record(path: &Path, server: &Server<Play>) -> (Running, TapeStatus, String) {
    let config = private_config(server.rest_origin(), server.stream_origin());
    let clock = Clock::start();
    let session = Session::new(Tiny::new(), config.clone()).expect("it fits");
    let (lines, receiver) = tokio::sync::mpsc::unbounded_channel();
    let options = Options { clock, ..Options::default() };
    let (mut runner, handle) = Runner::new(session, Teller::new(lines), options).expect("it runs");
    let tape = Tape::create(path, &about(), clock.now()).expect("a new file");
    let printed = format!("{tape:?} {config:?} {handle:?} {server:?}");
    let status = tape.status();
    runner.record(tape);
    (Running { handle, lines: Lines(receiver), done: tokio::spawn(runner.run()) }, status, printed)
}

/// Runs a session with a login against the tiny venue, and gives its tape and everything that was printed of it.
async fn recorded(name: &str) -> (String, String, Session) {
    let (play, mut seen) = Play::new(well);
    let server = serve(play, ServeOptions::default()).await.expect("a free port of loopback");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    let (mut running, status, mut printed) = record(&path, &server);
    // Both kinds of connection have delivered, in either order.
    let (mut traded, mut ordered) = (false, false);
    while !(traded && ordered) {
        let line = running.lines.next().await;
        traded |= line.contains("Trade 7");
        ordered |= line.contains("Order {");
        printed.push_str(&line);
    }
    // A message of the private connection that is no JSON at all.
    let conn = seen.until("challenge").await.split(' ').nth(1).and_then(|conn| conn.parse().ok());
    let conn = conn.expect("a frame's line names its connection");
    let secret = FrontOutput::Send { conn, text: format!("bare {CANARY}").into() };
    server.with(|play, _| play.act(secret)).await.expect("still served");
    running.lines.until("Broken").await;
    let (session, _, mut rest) = running.stop().await;
    while let Ok(line) = rest.0.try_recv() {
        printed.push_str(&line);
    }
    server.stop().await.expect("no panic");
    assert_eq!((status.dropped(), status.failure()), (0, None));
    let text = unpacked(&path);
    assert_eq!(text.lines().count() as u64, status.written());
    (text, printed, session)
}

fn unpacked(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("the tape");
    let mut text = String::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
        Some("zst") => zstd::Decoder::new(file).expect("zstd").read_to_string(&mut text),
        _ => std::io::BufReader::new(file).read_to_string(&mut text),
    }
    .expect("text");
    text
}

fn rows(text: &str) -> Vec<Row> {
    text.lines().map(|line| Row::parse(line).expect("a row")).collect()
}

#[tokio::test]
async fn a_tape_holds_every_input_and_replays_to_the_same_end() {
    for name in ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"] {
        let (text, _, session) = recorded(name).await;
        let rows = rows(&text);
        assert_eq!(rows[0].kind, Kind::Header);
        let header = String::from_utf8(rows[0].data.clone()).expect("JSON");
        assert!(header.contains(r#""seed":42"#) && header.contains(r#""venue":"tiny""#), "{header}");
        for kind in [Kind::Connect, Kind::Send, Kind::Recv, Kind::Http, Kind::Command] {
            assert!(rows.iter().any(|row| row.kind == kind), "no {kind:?} in {text}");
        }
        let http = rows.iter().find(|row| row.kind == Kind::Http).expect("the instruments");
        assert_eq!(http.method.as_deref(), Some("GET"));
        let url = http.url.as_deref().expect("a URL");
        assert!(url.contains("/instruments?signature=REDACTED-") && url.ends_with("&limit=5"), "{url}");
        assert_eq!(http.headers.iter().find(|(name, _)| name == "x-secret"), None);
        assert!(rows.windows(2).all(|pair| pair[0].mono <= pair[1].mono), "time went back");

        let config = private_config("http://127.0.0.1:1", "ws://127.0.0.1:1");
        let mut replay = Replay::new(Session::new(Tiny::new(), config).expect("it fits"));
        for row in &rows {
            replay.row(row, &mut |_, _| {});
        }
        let (told, live) = (replay.session().report(), session.report());
        assert_eq!((told.frames, told.decode_errors), (live.frames, live.decode_errors));
        assert_eq!(told.trades, live.trades);
        assert_eq!(told.events, live.events);
    }
}

#[tokio::test]
async fn no_secret_is_on_the_tape_or_in_anything_printed() {
    let (text, printed, _) = recorded("t.jsonl").await;
    assert!(text.contains("REDACTED-"), "nothing was redacted, so nothing secret was there");
    let hex = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let forms = [CANARY.to_owned(), hex, STANDARD.encode(CANARY).trim_end_matches('=').to_owned()];
    for form in forms {
        assert!(!text.contains(&form), "the tape holds {form}: {text}");
        assert!(!printed.contains(&form), "something printed {form}: {printed}");
    }
    // What is public is there to the letter.
    let trade = rows(&text)
        .into_iter()
        .find(|row| row.kind == Kind::Recv && row.data.windows(7).any(|part| part == br#""trade""#));
    let trade = trade.expect("the trade's frame");
    assert_eq!(trade.data, br#"{"id":7,"price":"1.5","size":"2","type":"trade"}"#);
}

#[tokio::test]
async fn what_a_private_connection_says_after_it_was_closed_is_not_recorded() {
    let (play, _) = Play::new(|input, out| match *input {
        FrontInput::Frame { conn, data, .. } if data.windows(6).any(|part| part == br#""auth""#) => {
            out.push(text(conn, json!({"type": "refused"})));
            // The session closes at that word, and this is on its way already.
            out.push(text(conn, json!({"type": "order", "listenKey": CANARY})));
        }
        _ => well(input, out),
    });
    let server = serve(play, ServeOptions::default()).await.expect("a free port of loopback");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("t.jsonl");
    let (mut running, _, _) = record(&path, &server);
    running.lines.until("Stopped").await;
    running.stop().await;
    let text = unpacked(&path);
    assert!(text.contains("refused") && !text.contains(CANARY), "{text}");
}
