//! `venuekit smoke`, as a user runs it: the whole signed loop against the simulator.

use serde_json::Value;

use crate::child::venuekit;

/// The lines of every venue: what was looked at, the verdict, what was found.
fn lines(args: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = venuekit(&["smoke", "--json"]).args(args).envs(environment.iter().copied()).output();
    let output = output.expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut found = Vec::new();
    for venue in text.lines() {
        let venue: Value = serde_json::from_str(venue).expect("one object a venue");
        for line in venue["lines"].as_array().expect("lines") {
            let word = |name: &str| line[name].as_str().expect("a text").to_owned();
            found.push((word("what"), word("verdict"), word("found")));
        }
    }
    assert!(!found.is_empty() || output.status.code() != Some(0), "nothing was looked at");
    (output.status.code(), found)
}

fn count(lines: &[(String, String, String)], what: &str) -> usize {
    lines.iter().filter(|(name, ..)| name == what).count()
}

/// What a venue has: wallets, streams that are followed, and markets that an order is placed in.
fn all_of_it_works(venue: &str, wallets: usize, streams: usize, markets: usize) {
    let (exit, lines) = lines(&["-v", venue, "--env", "sim", "--for", "2", "--trade"], &[]);
    let failed: Vec<_> = lines.iter().filter(|(_, verdict, _)| verdict == "fail").collect();
    assert_eq!((exit, failed.as_slice()), (Some(0), [].as_slice()), "{venue}");
    assert_eq!((count(&lines, "balances"), count(&lines, "trade")), (wallets, markets), "{venue}");
    let live = lines.iter().filter(|(what, _, found)| what == "streams" && found.contains(" is live"));
    assert_eq!(live.count(), streams, "{venue}: {lines:?}");
    assert!(lines.iter().all(|(what, _, found)| what != "trade" || found.ends_with("and cancelled")));
}

#[test]
fn everything_of_doex_is_read_followed_and_one_order_a_market_is_taken_back() {
    all_of_it_works("doex", 3, 14, 2);
}

#[test]
fn everything_of_duedex_is_read_followed_and_one_order_a_market_is_taken_back() {
    all_of_it_works("duedex", 1, 7, 1);
}

#[test]
fn everything_of_binance_is_read_followed_and_one_order_a_market_is_taken_back() {
    all_of_it_works("binance", 5, 14, 2);
}

#[test]
fn everything_of_kraken_is_read_followed_and_one_order_a_market_is_taken_back() {
    all_of_it_works("kraken", 5, 13, 2);
}

#[test]
fn nothing_is_placed_unasked_and_an_unknown_symbol_is_a_usage_error() {
    let args = ["-v", "doex", "--env", "sim", "--for", "1", "--symbol"];
    let (exit, read) = lines(&[args.as_slice(), &["ETH/USDT"]].concat(), &[]);
    assert_eq!((exit, count(&read, "trade"), count(&read, "order history")), (Some(0), 0, 1));
    let (exit, lines) = lines(&[args.as_slice(), &["XRP/USDT"]].concat(), &[]);
    assert_eq!((exit, lines[0].1.as_str()), (Some(2), "fail"), "{lines:?}");
}

#[test]
fn a_host_that_cannot_be_reached_is_named() {
    // Nothing listens on the discard port of this machine.
    let place =
        ["-v", "doex", "--env", "live", "--rest", "http://127.0.0.1:9", "--stream", "ws://127.0.0.1:9"];
    let keys = [("VENUEKIT_DOEX_API_KEY", "key"), ("VENUEKIT_DOEX_API_SECRET", "secret")];
    let output = venuekit(&["smoke"]).args(place).envs(keys).output().expect("the binary runs");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), told.contains("127.0.0.1:9")), (Some(5), true), "{told}");
}
