//! What every engine is measured by: the same sessions, the same clock, the same check of the book at the end.
//!
//! One binary an engine, since many engines in one binary cost each other their inlining. A binary takes the names
//! of the benches to run and prints one line of JSON for each.

#[path = "../../../crates/book/benches/support/workload.rs"]
pub mod workload;

pub mod engine;
pub mod parse;

use std::hint::black_box;
use std::time::Instant;

use venuekit_types::Level;
pub use workload::{Session, Span};

/// An order book of some engine.
pub trait Engine: Sized {
    /// A message in the form that the engine takes; to make it is not measured.
    type Message<'a>;
    /// A book that stands at a snapshot.
    fn new(session: &Session) -> Self;
    /// Makes a message.
    fn message<'a>(session: &Session, bids: &'a [Level], asks: &'a [Level]) -> Self::Message<'a>;
    /// Takes message `n`, counted from 1.
    fn apply(&mut self, n: usize, message: &Self::Message<'_>);
    /// All levels, bids and asks, best first, as the integers of the session.
    fn levels(&self, session: &Session) -> (Vec<Level>, Vec<Level>);
}

/// How many books take turns in `rotate/256`.
const BOOKS: usize = 256;

/// The session of a bench about applying; nothing for another bench.
pub fn session(bench: &str) -> Option<Session> {
    Some(match bench {
        "apply/w1" => workload::dense(1_000, 2_000_000),
        "apply/w2" => workload::sparse(50_000),
        "apply/btc" => workload::recorded("BTCUSDT"),
        "apply/eth" | "rotate/256" => workload::recorded("ETHUSDT"),
        _ => {
            let levels = bench.strip_prefix("scale/")?.parse().ok()?;
            workload::dense(levels, 1_000_000)
        }
    })
}

/// One measurement, as far as one engine can tell it.
pub struct Measured {
    /// Nanoseconds for each level of each message.
    pub ns_per_level: f64,
    /// Whether the book at the end is the right one.
    pub ok: bool,
}

/// True when the engine's book is the session's.
pub fn is_right<E: Engine>(engine: &E, session: &Session) -> bool {
    equals(&engine.levels(session), session)
}

/// True when these levels are the session's end.
fn equals((our_bids, our_asks): &(Vec<Level>, Vec<Level>), session: &Session) -> bool {
    let (bids, asks) = session.end();
    let pair = |row: &Level| (row.price.0, row.qty.0);
    our_bids.iter().map(pair).eq(bids.into_iter().rev()) && our_asks.iter().map(pair).eq(asks)
}

/// Levels between two looks at the clock: fewer than a scheduler's slice has time for.
const STRETCH: usize = 4_000;

/// Times the stretches of one run, and keeps the shortest time of each over all runs: another program that takes
/// the processor for a while costs a stretch of one run, not the measurement.
#[derive(Default)]
struct Stretches {
    shortest: Vec<f64>,
    at: usize,
}

impl Stretches {
    fn note(&mut self, seconds: f64) {
        match self.shortest.get_mut(self.at) {
            Some(shortest) => *shortest = shortest.min(seconds),
            None => self.shortest.push(seconds),
        }
        self.at += 1;
    }

    /// Applies each message, timing stretch by stretch.
    fn run<E: Engine>(&mut self, session: &Session, engine: &mut E) {
        let spans = session.spans();
        self.at = 0;
        let mut next = 0;
        while next < spans.len() {
            let from = next;
            let mut levels = 0;
            while next < spans.len() && levels < STRETCH {
                levels += session.levels_in(spans[next]);
                next += 1;
            }
            let messages: Vec<_> = spans[from..next]
                .iter()
                .map(|&span| session.rows(span))
                .map(|(bids, asks)| E::message(session, bids, asks))
                .collect();
            let start = Instant::now();
            for (n, message) in (from + 1..).zip(&messages) {
                engine.apply(n, message);
            }
            self.note(start.elapsed().as_secs_f64());
        }
    }

    fn seconds(&self) -> f64 {
        self.shortest.iter().sum()
    }
}

/// Applies a session, some times over.
pub fn apply<E: Engine>(session: &Session, times: usize) -> Measured {
    let mut stretches = Stretches::default();
    let mut ok = false;
    for time in 0..times {
        let mut engine = E::new(session);
        stretches.run(session, &mut engine);
        ok = if time == 0 { is_right(&engine, session) } else { ok };
        black_box(&engine);
    }
    Measured { ns_per_level: stretches.seconds() * 1e9 / session.updates() as f64, ok }
}

/// Applies a session to many books in rotation, one message each at a time. Each book is at another place of the
/// session, as 256 instruments would be: the processor cannot learn from one book what comes for the next.
pub fn rotate<E: Engine>(session: &Session, books: usize, times: usize) -> Measured {
    let spans = session.spans();
    // A quarter of the session brings every book to where it allocates no more.
    let starts: Vec<usize> =
        (0..books).map(|book| spans.len() / 4 + book * spans.len() / 2 / books).collect();
    let rounds = (spans.len() / 4).min(100);
    let messages: Vec<_> = spans
        .iter()
        .map(|&span| session.rows(span))
        .map(|(bids, asks)| E::message(session, bids, asks))
        .collect();
    let mut shortest = vec![f64::INFINITY; rounds];
    let mut ok = false;
    for time in 0..times {
        let mut engines: Vec<E> = (0..books).map(|_| E::new(session)).collect();
        let step = |engine: &mut E, n: usize| engine.apply(n + 1, &messages[n]);
        for (engine, &start) in engines.iter_mut().zip(&starts) {
            (0..start).for_each(|n| step(engine, n));
        }
        for (round, shortest) in shortest.iter_mut().enumerate() {
            let clock = Instant::now();
            for (engine, &start) in engines.iter_mut().zip(&starts) {
                step(engine, start + round);
            }
            *shortest = shortest.min(clock.elapsed().as_secs_f64());
        }
        if time == 0 {
            (starts[0] + rounds..spans.len()).for_each(|n| step(&mut engines[0], n));
            ok = is_right(&engines[0], session);
        }
        black_box(&engines);
    }
    let places = starts.iter().flat_map(|&start| &spans[start..start + rounds]);
    let levels: usize = places.map(|&span| session.levels_in(span)).sum();
    Measured { ns_per_level: shortest.iter().sum::<f64>() * 1e9 / levels as f64, ok }
}

/// Bytes and allocations that the process asked for so far: `(bytes held, allocations)`.
pub type Counted = (usize, usize);

/// What a book takes: bytes at the end of a session, and allocations for each message of its second half.
pub fn memory<E: Engine>(session: &Session, count: impl Fn() -> Counted) -> (usize, f64) {
    let spans = session.spans();
    let messages: Vec<_> = spans
        .iter()
        .map(|&span| session.rows(span))
        .map(|(bids, asks)| E::message(session, bids, asks))
        .collect();
    let (empty, _) = count();
    let mut engine = E::new(session);
    let half = messages.len() / 2;
    (0..half).for_each(|n| engine.apply(n + 1, &messages[n]));
    let (_, warm) = count();
    (half..messages.len()).for_each(|n| engine.apply(n + 1, &messages[n]));
    let (full, all) = count();
    black_box(&engine);
    (full.saturating_sub(empty) + size_of::<E>(), (all - warm) as f64 / (messages.len() - half) as f64)
}

/// How often a session is applied: `VENUEKIT_BENCH_TIMES`, else 5.
fn times() -> usize {
    std::env::var("VENUEKIT_BENCH_TIMES").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

fn print(bench: &str, engine: &str, measured: &Measured) {
    let state = if measured.ok { "ok" } else { "wrong" };
    println!(
        r#"{{"bench":"{bench}","engine":"{engine}","ns_per_level":{:.3},"final_state":"{state}"}}"#,
        measured.ns_per_level
    );
}

/// Runs the benches about parsing among those named on the command line.
pub fn parse_main<P: parse::Pipeline>(engine: &str) {
    for bench in std::env::args().skip(1) {
        if let Some((session, shape)) = parse::session(&bench) {
            print(&bench, engine, &parse::run::<P>(&session, shape));
        }
    }
}

/// Runs the benches about applying among those named on the command line.
pub fn main<E: Engine>(engine: &str) {
    for bench in std::env::args().skip(1) {
        let Some(session) = session(&bench) else { continue };
        let measured = if bench == "rotate/256" {
            rotate::<E>(&session, BOOKS, times().min(5))
        } else {
            apply::<E>(&session, times())
        };
        print(&bench, engine, &measured);
    }
}
