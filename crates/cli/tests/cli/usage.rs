//! The command line itself: help with examples everywhere, and the nearest name where one is wrong.

use crate::child::venuekit;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = venuekit(args).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_command_helps_with_examples_that_name_it() {
    let commands: &[&[&str]] = &[
        &["ingest"],
        &["sim"],
        &["watch"],
        &["replay"],
        &["sign"],
        &["sign", "--venue", "doex", "challenge"],
        &["sign", "--venue", "doex", "request"],
        &["gateway"],
        &["halt"],
        &["arm"],
        &["order", "place"],
        &["order", "cancel"],
        &["order", "status"],
        &["order", "open"],
    ];
    let (_, overview, _) = run(&["--help"]);
    for command in commands {
        let (code, help, err) = run(&[command, &["--help"][..]].concat());
        assert_eq!(code, Some(0), "{err}");
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command:?}: {help}"));
        assert!(examples.contains(&format!("venuekit {}", command[0])), "{help}");
        assert!(help.contains("--json") || help.contains("--ndjson") || command.len() > 1, "{help}");
        assert!(overview.contains(command[0]), "{overview}");
    }
    assert!(overview.contains("Exit codes"), "{overview}");
}

#[test]
fn nothing_and_nonsense_are_usage_errors_on_standard_error() {
    let check = |args: &[&str], word: &str| {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains(word), "{word:?} is missing from {err}");
    };
    check(&[], "Usage");
    check(&["ingets"], "ingest");
    check(&["wacht", "BTC/USDT"], "watch");
    check(&["sim", "--sim-faults", "hevy"], "heavy");
    check(&["replay", "--venue", "doex", "--at-error", "stpo", "x"], "stop");
    check(&["sim", "--listen", "nowhere"], "--listen");
}

#[test]
fn a_simulator_stays_on_this_machine() {
    let (code, out, err) = run(&["sim", "--listen", "0.0.0.0:0"]);
    assert_eq!((code, out.as_str()), (Some(4), ""), "{err}");
    assert!(err.contains("127.0.0.0/8"), "{err}");
}
