//! A million fills through an account, each counted exactly once; prints how long that took and how much it held.
//!
//! `cargo run --release -p venuekit-account --example fills -- [FILLS] [SEED]`
#![allow(clippy::disallowed_methods, reason = "the time it takes is printed, and nothing hangs on it")]

#[path = "../tests/account/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;
#[path = "../tests/account/torrent.rs"]
mod torrent;

use std::time::Instant;

fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = |usual: u64| words.next().map_or(usual, |word| word.parse().expect("a whole number"));
    let (fills, seed) = (number(1_000_000), number(1));
    let began = Instant::now();
    let tally = torrent::run(seed, fills);
    let [counted, early, repeated, conflicting, too_old] = tally.news;
    println!(
        "{} fills told {} times: {} counted, {early} of them before their order; {repeated} repeated, {conflicting} \
         conflicting, {too_old} too old; {} inferred and taken back; {} rows of orders, {} of them old",
        tally.made,
        tally.told,
        counted + early,
        tally.derived,
        tally.rows[0],
        tally.rows[1],
    );
    println!("{:.1} s, {} at most", began.elapsed().as_secs_f64(), most_memory().unwrap_or("?".into()));
}

/// The most memory that this process held, where the system tells.
fn most_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
