//! How long a halt takes to hold: inside the gateway's process, and asked for by another one, while orders leave.
//!
//! It prints and asserts nothing. `cargo bench -p venuekit-driver --bench trip`; the other process is this same
//! program, started again with the gateway's directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use venuekit_driver::gateway::{Answer, Gateway, GatewayClient, GatewayHandle, OrderWish, Setup, Talk};
use venuekit_driver::{Clock, ServeOptions, serve};
use venuekit_duedex::DueDex;
use venuekit_session::gate::{Arm, Caps, Notional};
use venuekit_session::{Config, HostOverride};
use venuekit_sim::{Sim, SimConfig};
use venuekit_types::Side;
use venuekit_venue::OrderType;

/// Halts measured inside the process, and from another one.
const ROUNDS: (usize, usize) = (2_000, 200);
/// The pause between two orders of one writer; with four of them, about 500 a second are tried.
const ORDER_EVERY: Duration = Duration::from_millis(8);

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
    let config = SimConfig { rate: 50, script: false, ..SimConfig::new(7, clock.now()) };
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
        venues: vec![(Arc::new(DueDex::new()), Config { hosts, credentials, ..Config::default() })],
        ..Setup::new(&dir, "sim")
    };
    let mut gateway = Gateway::start(setup).await.expect("it starts");
    gateway.serve().expect("a socket");
    let handle = gateway.handle();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                loop {
                    // Refused or not, the next one follows.
                    let _ = handle.place(order()).await;
                    tokio::time::sleep(ORDER_EVERY).await;
                }
            })
        })
        .collect();

    let mut inside = Vec::new();
    for _ in 0..ROUNDS.0 {
        arm(&handle).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let begun = clock.now().mono;
        handle.halt("bench");
        inside.push(clock.now().mono.since(begun).as_micros());
    }
    report("inside the process", inside, 999);

    let mut outside = Vec::new();
    for _ in 0..ROUNDS.1 {
        arm(&handle).await;
        let (program, dir) = (std::env::current_exe().expect("it has a path"), dir.clone());
        let run = move || std::process::Command::new(program).arg(dir).output().expect("it runs");
        let said = tokio::task::spawn_blocking(run).await.expect("no panic").stdout;
        let said = String::from_utf8(said).expect("text");
        outside.push(said.trim().parse::<u128>().expect("microseconds"));
    }
    report("from another process", outside, 990);
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

/// Prints the median and a quantile, given in thousandths.
fn report(what: &str, mut micros: Vec<u128>, thousandths: usize) {
    micros.sort_unstable();
    let at = |part: usize| micros[(micros.len() * part / 1_000).min(micros.len() - 1)];
    let tenths = thousandths % 10;
    println!(
        "halt {what}: {} times, median {} us, p{}.{tenths} {} us, worst {} us",
        micros.len(),
        at(500),
        thousandths / 10,
        at(thousandths),
        at(1_000),
    );
}
