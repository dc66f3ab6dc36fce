//! How long a halt takes to hold: inside the gateway's process, and asked for by another one, while orders leave.
//!
//! It prints and asserts nothing. `cargo bench -p venuekit-driver --bench trip`; the other process is this same
//! program, started again with the gateway's directory. The venue is one without limits, so that orders really flow:
//! how many left, and how many the venue took, is printed beside the spans.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_driver::gateway::{Answer, Gateway, GatewayClient, GatewayHandle, OrderWish, Setup, Talk};
use venuekit_driver::{Clock, ServeOptions, serve};
use venuekit_duedex::DueDex;
use venuekit_session::gate::{Arm, Caps, Notional};
use venuekit_session::{Config, HostOverride};
use venuekit_sim::{DuedexLimits, Sim, SimConfig};
use venuekit_testkit::Tweaked;
use venuekit_types::Side;
use venuekit_venue::OrderType;

/// Halts measured inside the process, and from another one.
const ROUNDS: (usize, usize) = (2_000, 200);
/// The pause between two orders of one writer; with four of them, about 500 a second are tried.
const ORDER_EVERY: Duration = Duration::from_millis(8);
const WRITERS: usize = 4;
/// How long orders leave before each halt inside the process.
const FLOWS_FOR: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() {
    match std::env::args().nth(1) {
        Some(dir) if Path::new(&dir).is_dir() => halt_from_outside(PathBuf::from(dir)).await,
        _ => measure().await,
    }
}

/// The other process: halts, and prints how long the word took, in microseconds.
async fn halt_from_outside(dir: PathBuf) {
    let clock = Clock::start();
    let begun = clock.now().mono;
    let mut client = GatewayClient::connect(&dir).await.expect("the gateway runs");
    let halt = Talk::Halt { by: "bench".into(), patience_ms: 0 };
    assert_eq!(client.ask(&halt).await.expect("answered"), Answer::Halted);
    println!("{}", clock.now().mono.since(begun).as_micros());
}

async fn measure() {
    let dir = std::env::temp_dir().join(format!("venuekit-trip-{}", std::process::id()));
    let clock = Clock::start();
    let duedex_limits =
        DuedexLimits { quota_ip: u32::MAX / 2, quota_user: u32::MAX / 2, ..DuedexLimits::default() };
    let config = SimConfig { rate: 50, script: false, duedex_limits, ..SimConfig::new(7, clock.now()) };
    let credentials = Some(config.keys.duedex.clone());
    let venue = Sim::new(config).into_venues().into_iter().find(|venue| venue.name() == "duedex");
    let server = serve(venue.expect("it has it"), ServeOptions { clock, ..ServeOptions::default() });
    let server = server.await.expect("a port of loopback");
    let hosts =
        vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }];
    let large = Notional { order: Decimal::from(1_000_000), day: Decimal::from(1_000_000_000) };
    let setup = Setup {
        caps: Caps {
            orders_per_second: 10_000,
            open_orders: 100_000,
            collar: Decimal::ONE,
            notional: [("USD".to_owned(), large)].into(),
        },
        venues: vec![(
            Arc::new(Tweaked::new(Arc::new(DueDex::new()), |spec| spec.budgets.clear())),
            Config { hosts, credentials, ..Config::default() },
        )],
        ..Setup::new(&dir, "sim")
    };
    let mut gateway = Gateway::start(setup).await.expect("it starts");
    gateway.serve().expect("a socket");
    let handle = gateway.handle();
    // So many were tried, and so many of them the venue took.
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (handle, counts) = (handle.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                loop {
                    let (handle, counts) = (handle.clone(), Arc::clone(&counts));
                    // Nobody waits for one before the next is tried.
                    tokio::spawn(async move {
                        counts[0].fetch_add(1, Ordering::Relaxed);
                        let taken = handle.place(order()).await.is_ok_and(|end| end.outcome == "accepted");
                        counts[1].fetch_add(u64::from(taken), Ordering::Relaxed);
                    });
                    tokio::time::sleep(ORDER_EVERY).await;
                }
            })
        })
        .collect();

    let mut inside = Vec::new();
    let flow = Flow::begin(clock, &counts);
    for _ in 0..ROUNDS.0 {
        arm(&handle).await;
        tokio::time::sleep(FLOWS_FOR).await;
        let begun = clock.now().mono;
        handle.halt("bench");
        inside.push(clock.now().mono.since(begun).as_micros());
    }
    report("inside the process", inside, &flow.end());

    let mut outside = Vec::new();
    let flow = Flow::begin(clock, &counts);
    for _ in 0..ROUNDS.1 {
        arm(&handle).await;
        let (program, dir) = (std::env::current_exe().expect("it has a path"), dir.clone());
        let run = move || std::process::Command::new(program).arg(dir).output().expect("it runs");
        let said = tokio::task::spawn_blocking(run).await.expect("no panic").stdout;
        let said = String::from_utf8(said).expect("text");
        outside.push(said.trim().parse::<u128>().expect("microseconds"));
    }
    report("from another process", outside, &flow.end());
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    gateway.stop().await;
    std::fs::remove_dir_all(&dir).expect("removable");
}

fn order() -> OrderWish {
    OrderWish {
        venue: "duedex".into(),
        symbol: "BTC/USD:BTC".into(),
        product: None,
        side: Side::Buy,
        order_type: OrderType::Limit,
        qty: "1".parse().expect("a number"),
        price: Some("1000".parse().expect("a number")),
        stop_price: None,
        trigger_by: None,
        time_in_force: None,
        post_only: true,
        reduce_only: false,
        client_order_id: None,
    }
}

async fn arm(handle: &GatewayHandle) {
    loop {
        let wish = Arm { span: Duration::from_secs(600), reducing: false, force: true, by: "bench".into() };
        if handle.arm(wish).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Orders over a span.
struct Flow<'a> {
    clock: Clock,
    counts: &'a [AtomicU64; 2],
    before: [u64; 2],
    begun: venuekit_types::Mono,
}

impl<'a> Flow<'a> {
    fn begin(clock: Clock, counts: &'a [AtomicU64; 2]) -> Flow<'a> {
        let before = [0, 1].map(|at: usize| counts[at].load(Ordering::Relaxed));
        Flow { clock, counts, before, begun: clock.now().mono }
    }

    /// What flowed since, in words.
    fn end(&self) -> String {
        let ms = self.clock.now().mono.since(self.begun).as_millis().max(1);
        let a_second =
            |at: usize| u128::from(self.counts[at].load(Ordering::Relaxed) - self.before[at]) * 1_000 / ms;
        format!("{} orders a second tried, {} taken by the venue", a_second(0), a_second(1))
    }
}

/// Prints the spans in one line that can be quoted.
fn report(what: &str, mut micros: Vec<u128>, flow: &str) {
    micros.sort_unstable();
    let at = |part: usize| micros[(micros.len() * part / 1_000).min(micros.len() - 1)];
    println!(
        "halt {what}: {} halts, p50 {} us, p99 {} us, p99.9 {} us, worst {} us; {flow}",
        micros.len(),
        at(500),
        at(990),
        at(999),
        at(1_000),
    );
}
