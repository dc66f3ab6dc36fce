//! Health and numbers over HTTP: `/livez`, `/readyz`, `/metrics`, `/version`.
//!
//! `/livez` says that the process moves and looks at nothing else, so that a venue's outage restarts nobody. `/readyz`
//! says that every stream delivers and every row is stored, and names what does not.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use venuekit_driver::Clock;
use venuekit_types::Now;

use crate::board::{Board, Role, ShardState, StreamLine, VenueBoard};
use crate::error::IngestError;
use crate::fanout::{FanoutBoard, FanoutState, NATS};
use crate::metrics::Metrics;
use crate::relay::{RelayBoard, RelayState, SERVER};

/// Without a beat for so long, the runtime is wedged.
const BEAT_WITHIN: Duration = Duration::from_secs(5);
/// A transaction that takes longer holds everything up.
const COMMIT_WITHIN: Duration = Duration::from_secs(1);

/// What health is read from.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// What it is called in `?exclude=`: `sink`, `book:doex:BTC/USDT`.
    pub(crate) name: String,
    pub(crate) is_ok: bool,
    /// What, and how it is.
    pub(crate) text: String,
}

/// Listens: where it shall, or on the usual port, or on any free one when that is taken.
pub(crate) async fn bind(listen: Option<SocketAddr>) -> Result<TcpListener, IngestError> {
    let wanted = listen.unwrap_or(crate::config::DEFAULT_HEALTH);
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok(listener),
        Err(_) if listen.is_none() => {
            let any = SocketAddr::new(wanted.ip(), 0);
            TcpListener::bind(any).await.map_err(|source| IngestError::Health { listen: any, source })
        }
        Err(source) => Err(IngestError::Health { listen: wanted, source }),
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, health: Health) {
    // It ends only with the listener.
    if let Err(error) = axum::serve(listener, router(health)).await {
        tracing::error!("health is no longer served: {error}");
    }
}

fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(health)
}

async fn livez(State(health): State<Health>) -> Response {
    let since = health.clock.now().mono.since(health.board.last_beat());
    if since < BEAT_WITHIN {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let text = format!("the event loop has not moved for {} s\n", since.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn version() -> Response {
    let version = serde_json::json!({ "name": "venuekit", "version": env!("CARGO_PKG_VERSION") });
    ([(header::CONTENT_TYPE, "application/json")], version.to_string()).into_response()
}

async fn readyz(State(health): State<Health>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let mut checks = health.board.checks(health.clock.now());
    if let Some(unknown) = asked.exclude.iter().find(|name| !checks.iter().any(|check| check.name == **name))
    {
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        let text = format!("there is no check {unknown:?} to exclude; there are {}\n", names.join(", "));
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    checks.retain(|check| !asked.exclude.contains(&check.name));
    let is_ok = checks.iter().all(|check| check.is_ok);
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wants =
        |kind: &str| headers.get(header::ACCEPT).is_some_and(|value| value.as_bytes() == kind.as_bytes());
    if wants("application/json") {
        return (status, [(header::CONTENT_TYPE, "application/json")], json(&checks, is_ok)).into_response();
    }
    (status, text(&checks, is_ok, asked.verbose)).into_response()
}

/// What a query asks for: `verbose`, and any number of `exclude=NAME`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    verbose: bool,
    exclude: Vec<String>,
}

impl Asked {
    fn read(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "verbose" => asked.verbose = true,
                "exclude" => asked.exclude.push(value.into_owned()),
                _ => {}
            }
        }
        asked
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, health.metrics.render()).into_response()
}

/// Every check when it is asked for, else those that fail.
fn text(checks: &[Check], is_ok: bool, is_verbose: bool) -> String {
    let mut text = String::new();
    for check in checks.iter().filter(|check| is_verbose || !check.is_ok) {
        let mark = if check.is_ok { '+' } else { '-' };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{mark}]{}", check.text);
    }
    text.push_str(if is_ok { "ready\n" } else { "not ready\n" });
    text
}

fn json(checks: &[Check], is_ok: bool) -> String {
    let word = |is_ok| if is_ok { "pass" } else { "fail" };
    let all: serde_json::Map<String, _> = checks
        .iter()
        .map(|check| {
            let seen = serde_json::json!([{ "status": word(check.is_ok), "output": check.text }]);
            (check.name.clone(), seen)
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    serde_json::json!({ "status": word(is_ok), "version": version, "checks": all }).to_string()
}

impl Check {
    fn new(name: impl Into<String>, is_ok: bool, text: impl Into<String>) -> Check {
        Check { name: name.into(), is_ok, text: text.into() }
    }
}

impl Board {
    /// Everything that must hold, as it stands now.
    pub(crate) fn checks(&self, now: Now) -> Vec<Check> {
        let mut checks = vec![self.sink_check(now)];
        checks.extend(self.relay.get().map(|relay| relay_check(relay, now)));
        checks.extend(self.fanout.get().map(|fanout| fanout_check(fanout, now)));
        if self.is_draining() {
            checks.push(Check::new("draining", false, "draining"));
        }
        for venue in &self.venues {
            venue_checks(venue, now, &mut checks);
        }
        checks
    }

    fn sink_check(&self, now: Now) -> Check {
        let sink = self.sink.lock();
        let slow = sink.busy_since.map(|since| now.mono.since(since)).filter(|span| *span > COMMIT_WITHIN);
        match (&sink.trouble, slow) {
            (Some((since, why)), _) => {
                let seconds = now.mono.since(*since).as_secs();
                Check::new("sink", false, format!("sink failing for {seconds}s: {why}"))
            }
            (None, Some(span)) => {
                Check::new("sink", false, format!("sink busy with one commit for {}s", span.as_secs()))
            }
            (None, None) => Check::new("sink", true, format!("sink ok rows={}", sink.total().new)),
        }
    }
}

fn relay_check(relay: &RelayBoard, now: Now) -> Check {
    let RelayState { trouble, behind, rows, shed, fenced, .. } = relay.lock().clone();
    let mut lost = if shed > 0 { format!(", {shed} rows were shed") } else { String::new() };
    if fenced > 0 {
        // Writing to a string cannot fail.
        let _ = write!(lost, ", {fenced} rows were another member's to write");
    }
    match trouble {
        Some((since, why)) => {
            let seconds = now.mono.since(since).as_secs();
            Check::new(SERVER, false, format!("{SERVER} failing for {seconds}s: {why}{lost}"))
        }
        None => Check::new(SERVER, true, format!("{SERVER} ok rows={rows} behind={behind}{lost}")),
    }
}

fn fanout_check(board: &FanoutBoard, now: Now) -> Check {
    let FanoutState { trouble, behind, published, oversize, missed } = board.lock().clone();
    let mut lost = String::new();
    for (count, what) in [(oversize, "messages were too large"), (missed, "batches went untold")] {
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(lost, ", {count} {what}");
        }
    }
    match trouble {
        Some((since, why)) => {
            let seconds = now.mono.since(since).as_secs();
            Check::new(NATS, false, format!("{NATS} failing for {seconds}s: {why}{lost}"))
        }
        None => Check::new(NATS, true, format!("{NATS} ok published={published} behind={behind}{lost}")),
    }
}

fn venue_checks(board: &VenueBoard, now: Now, checks: &mut Vec<Check>) {
    let venue = &board.venue;
    if let Some(shard) = &board.shard {
        let ShardState { role, owner, fence } = shard.lock().clone();
        let (name, role_word) = (&shard.name, role.as_str());
        let text = match &owner {
            Some(owner) => format!("shard {name} owned by {owner} fence={fence} {role_word}"),
            None => format!("shard {name} owned by nobody {role_word}"),
        };
        checks.push(Check::new(format!("shard:{name}"), owner.is_some(), text));
        // What another member stores is not ours to deliver.
        if role != Role::Held {
            return;
        }
    }
    let state = board.lock();
    // A shard may have no market at all.
    if board.shard.is_some() && state.is_listed && state.streams.is_empty() {
        return;
    }
    if let Some(tape) = board.tape.get() {
        let text = match tape.failure() {
            Some(why) => format!("{venue} tape ended: {why}"),
            None => format!("{venue} tape rows={} dropped={}", tape.written(), tape.dropped()),
        };
        checks.push(Check::new(format!("tape:{venue}"), tape.failure().is_none(), text));
    }
    if state.streams.is_empty() {
        let why = state.fault.as_deref().unwrap_or("its instruments have not come yet");
        checks.push(Check::new(
            format!("instruments:{venue}"),
            false,
            format!("{venue} follows nothing yet: {why}"),
        ));
    }
    if let Some(why) = &state.credentials {
        checks.push(Check::new(format!("credentials:{venue}"), false, format!("{venue} credentials {why}")));
    }
    checks.extend(state.streams.iter().map(|stream| stream_check(venue, stream, now)));
}

fn stream_check(venue: &str, stream: &StreamLine, now: Now) -> Check {
    let mut text = venue.to_owned();
    // Writing to a string cannot fail.
    if let Some(symbol) = &stream.symbol {
        let _ = write!(text, "/{symbol}");
    }
    let _ = write!(text, " {} ", stream.label);
    match (&stream.stopped, stream.shed, stream.gap) {
        (Some(why), _, _) => {
            let _ = write!(text, "stopped: {why}");
        }
        (None, true, _) => {
            let _ = write!(text, "{}: rows were shed, the sink is too slow", stream.state);
        }
        (None, false, _) if stream.silent => {
            let _ = write!(text, "{}: silent, nothing came since", stream.state);
        }
        (None, false, Some(gap)) if !stream.is_ready() => {
            let _ = write!(text, "{}: {gap}", stream.state);
        }
        (None, false, _) => {
            let _ = write!(text, "{}", stream.state);
        }
    }
    if let Some(seq) = stream.seq {
        let _ = write!(text, " seq={seq}");
    }
    if stream.last_data.0 > 0 {
        let tenths = now.wall.since(stream.last_data).max(0) / 100_000_000;
        let _ = write!(text, " age={}.{}s", tenths / 10, tenths % 10);
    } else {
        text.push_str(" age=never");
    }
    let symbol = stream.symbol.as_ref().map(|symbol| format!(":{symbol}")).unwrap_or_default();
    Check::new(format!("{}:{venue}{symbol}", stream.label), stream.is_ready(), text)
}

#[cfg(test)]
mod tests {
    use venuekit_book::{Cause, Gap, State};
    use venuekit_types::{Mono, UnixNanos};

    use super::*;

    fn stream() -> StreamLine {
        StreamLine {
            label: "book".into(),
            symbol: Some("BTC/USDT".parse().expect("a symbol")),
            state: State::Live,
            seq: Some(7),
            last_data: UnixNanos(1_000_000_000),
            gap: None,
            stopped: None,
            silent: false,
            shed: false,
            touch: None,
        }
    }

    #[test]
    fn a_stream_says_what_is_wrong_with_it() {
        let now = Now { mono: Mono(0), wall: UnixNanos(3_250_000_000) };
        let check = |stream: StreamLine, is_ok: bool, text: &str| {
            let found = stream_check("doex", &stream, now);
            assert_eq!((found.is_ok, found.text.as_str()), (is_ok, text));
        };
        check(stream(), true, "doex/BTC/USDT book live seq=7 age=2.2s");
        let gap = Some(Gap::between(Cause::Sequence, 8, 10));
        // A live stream keeps its last gap, which is no fault any more.
        check(StreamLine { gap, ..stream() }, true, "doex/BTC/USDT book live seq=7 age=2.2s");
        let stale = StreamLine { state: State::Stale, gap, ..stream() };
        check(stale, false, "doex/BTC/USDT book stale: sequence, expected 8, got 10 seq=7 age=2.2s");
        let shed = StreamLine { shed: true, ..stream() };
        check(shed, false, "doex/BTC/USDT book live: rows were shed, the sink is too slow seq=7 age=2.2s");
        let silent = StreamLine { silent: true, ..stream() };
        check(silent, false, "doex/BTC/USDT book live: silent, nothing came since seq=7 age=2.2s");
        let orders = StreamLine {
            label: "orders".into(),
            symbol: None,
            state: State::Empty,
            seq: None,
            last_data: UnixNanos(0),
            stopped: Some("credentials refused: no".into()),
            ..stream()
        };
        check(orders, false, "doex orders stopped: credentials refused: no age=never");
    }

    #[test]
    fn what_is_not_ready_is_shown_unasked_and_the_rest_on_request() {
        let board = Board::new(["doex"]);
        let now = Now { mono: Mono(10_000_000_000), wall: UnixNanos(0) };
        let read = |is_verbose| {
            let checks = board.checks(now);
            let is_ok = checks.iter().all(|check| check.is_ok);
            text(&checks, is_ok, is_verbose)
        };
        assert_eq!(
            read(false),
            "[-]doex follows nothing yet: its instruments have not come yet\nnot ready\n"
        );
        board.venues[0].lock().streams.push(stream());
        assert_eq!(read(false), "ready\n");
        assert!(read(true).starts_with("[+]sink ok rows=0\n[+]doex/BTC/USDT book live"), "{}", read(true));
        // A commit that does not come back holds everything up, though nothing has failed yet.
        board.sink.lock().busy_since = Some(Mono(8_500_000_000));
        assert_eq!(read(false), "[-]sink busy with one commit for 1s\nnot ready\n");
        board.sink.lock().busy_since = Some(Mono(9_500_000_000));
        assert_eq!(read(false), "ready\n");
        board.venues[0].lock().credentials = Some("key_id=… credentials refused: no".into());
        assert_eq!(read(false), "[-]doex credentials key_id=… credentials refused: no\nnot ready\n");
        board.venues[0].lock().credentials = None;
        board.drain();
        assert_eq!(read(false), "[-]draining\nnot ready\n");
        let checks = board.checks(now);
        let json: serde_json::Value = serde_json::from_str(&json(&checks, false)).expect("JSON");
        let draining = &json["checks"]["draining"][0];
        assert_eq!((&json["status"], &draining["output"]), (&"fail".into(), &"draining".into()));
        assert_eq!(json["checks"]["book:doex:BTC/USDT"][0]["status"], "pass");
    }

    #[tokio::test]
    async fn what_is_excluded_does_not_count_and_what_cannot_be_is_named() {
        let board = Arc::new(Board::new(["doex"]));
        board.venues[0].lock().streams.push(StreamLine { state: State::Stale, ..stream() });
        let health = Health { board, metrics: Arc::new(Metrics::new()), clock: Clock::start() };
        let read = async |query: &str| {
            let answer =
                readyz(State(health.clone()), RawQuery(Some(query.to_owned())), HeaderMap::new()).await;
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await.expect("a body");
            (status, String::from_utf8(body.to_vec()).expect("text"))
        };
        assert_eq!(read("").await.0, 503);
        assert_eq!(read("exclude=book%3Adoex%3ABTC%2FUSDT").await, (200, "ready\n".to_owned()));
        assert_eq!(
            read("verbose&exclude=book:doex:BTC/USDT").await,
            (200, "[+]sink ok rows=0\nready\n".to_owned())
        );
        let (status, text) = read("exclude=bok").await;
        assert_eq!(status, 400);
        assert!(text.contains("\"bok\"") && text.contains("sink, book:doex:BTC/USDT"), "{text}");
    }
}
