//! Book messages a second through real sockets: a front that writes as fast as it is read, the loop, decoder and book.
//!
//! `cargo bench -p venuekit-driver`. Both ends share the machine, which is part of the figure; each runs on one
//! thread. A message is a diff of ten levels, about 300 bytes.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use venuekit_driver::{ClientTls, Clock, Host, Options, Runner, ServeOptions, ServerTls, serve};
use venuekit_duedex::DueDex;
use venuekit_session::{Config, Emission, Event, HostOverride, Persist, PersistId, Session, Want};
use venuekit_sim::{Front, FrontInput, FrontOutput, Sim, SimConfig, VenueSim};
use venuekit_types::{Mono, Now};
use venuekit_venue::Channel;

/// Messages that are timed.
const MESSAGES: u64 = 2_000_000;
/// Messages before those.
const WARM_UP: u64 = 200_000;

/// A simulated venue that stands still, but for the book of one market, which changes without end.
struct Flood {
    venue: VenueSim,
    conn: Option<u64>,
    seq: u64,
    ready: Vec<FrontOutput>,
}

impl Front for Flood {
    fn handle(&mut self, now: Now, input: FrontInput<'_>) {
        if let (FrontInput::Tick, Some(conn)) = (&input, self.conn) {
            for _ in 0..256 {
                self.seq += 1;
                self.ready.push(FrontOutput::Send { conn, text: diff(self.seq) });
            }
            self.ready.reverse();
        }
        self.venue.handle(now, input);
    }

    fn poll(&mut self) -> Option<FrontOutput> {
        let output = self.venue.poll().or_else(|| self.ready.pop())?;
        if let FrontOutput::Send { conn, text } = &output
            && text.starts_with(br#"{"type":"snapshot","channel":"level2""#)
        {
            let snapshot: serde_json::Value =
                serde_json::from_slice(text).expect("the simulator writes JSON");
            self.seq = snapshot["sequence"].as_u64().expect("a number");
            self.conn = Some(*conn);
        }
        Some(output)
    }

    fn next_at(&self) -> Option<Mono> {
        self.conn.map(|_| Mono(0)).or_else(|| self.venue.next_at())
    }
}

/// A diff of ten levels.
fn diff(seq: u64) -> Bytes {
    let mut text = format!(
        r#"{{"type":"update","channel":"level2","instrument":"BTCUSDT","sequence":{seq},"data":{{"bids":["#
    );
    let side = |first: u64, text: &mut String| {
        for level in 0..5 {
            let comma = if level > 0 { "," } else { "" };
            let price = first + (seq + level * 7) % 40;
            let _ = write!(text, r#"{comma}["{price}.50",{}]"#, 1 + (seq + level) % 900);
        }
    };
    side(9_000, &mut text);
    text.push_str(r#"],"asks":["#);
    side(9_100, &mut text);
    text.push_str(r#"]},"timestamp":"2026-11-24T10:02:52.290Z"}"#);
    text.into()
}

/// Tells when the counting begins and ends.
struct Count {
    books: u64,
    marks: mpsc::UnboundedSender<Now>,
}

impl Host for Count {
    fn event(&mut self, now: Now, emission: Emission<'_>) {
        match emission.event {
            Event::Book(_) => {
                self.books += 1;
                if self.books == WARM_UP || self.books == WARM_UP + MESSAGES {
                    let _ = self.marks.send(now);
                }
            }
            Event::GapOpened(gap) => panic!("a message was lost: {gap:?}"),
            _ => {}
        }
    }

    fn persist(&mut self, id: PersistId, _: Persist) -> Option<u64> {
        Some(1 + id.0 * 64)
    }
}

fn one_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

fn measure(name: &str, tls: Option<ServerTls>) {
    let (servers, clients) = (one_thread(), one_thread());
    let clock = Clock::start();
    let config = SimConfig { rate: 0, ..SimConfig::new(7, clock.now()) };
    let mut venues = Sim::new(config).into_venues().into_iter();
    let venue = venues.find(|venue| venue.name() == "duedex").expect("the simulator has it");
    let front = Flood { venue, conn: None, seq: 0, ready: Vec::new() };
    let trust =
        tls.as_ref().map_or_else(ClientTls::new, |tls| ClientTls::with_ca(tls.ca_pem()).expect("its CA"));
    let options = ServeOptions { tls, clock, ..ServeOptions::default() };
    let server = servers.block_on(serve(front, options)).expect("a free port of loopback");
    let hosts =
        vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }];
    let wants = vec![Want::new("BTC/USDT:USDT", Channel::Book)];
    let session = Session::new(Arc::new(DueDex::new()), Config { wants, hosts, ..Config::default() });
    let (marks, mut marked) = mpsc::unbounded_channel();
    let options = Options { tls: trust, clock, ..Options::default() };
    let host = Count { books: 0, marks };
    let (runner, handle) = Runner::new(session.expect("it fits"), host, options).expect("it runs");
    let running = clients.spawn(runner.run());
    let (first, last) = clients.block_on(async { (marked.recv().await, marked.recv().await) });
    let (Some(first), Some(last)) = (first, last) else { panic!("the session stopped") };
    clients.block_on(async {
        handle.stop().await.expect("it runs");
        running.await.expect("no panic");
    });
    servers.block_on(server.stop()).expect("no panic");
    let span = last.mono.since(first.mono);
    let rate = u128::from(MESSAGES) * 1_000_000_000 / span.as_nanos().max(1);
    println!("{name}: {MESSAGES} messages in {} ms, {rate} a second", span.as_millis());
}

fn main() {
    println!("one message is {} bytes", diff(1_000_000).len());
    measure("plain", None);
    measure("TLS", Some(ServerTls::fresh().expect("keys")));
}
