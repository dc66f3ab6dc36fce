//! Real sessions of other people's recorders through `venuekit replay`, against what an independent checker made of them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::child::venuekit;

/// Venue, product and session. Kraken's first protocol is not spoken here; its session re-framed as the second is.
const SESSIONS: [(&str, &str, &str); 7] = [
    ("binance", "spot", "binance/cryptofeed/spot_4sym_20211011"),
    ("binance", "spot", "binance/cryptofeed/spot_btc_eth_dot_20210404"),
    ("binance", "spot", "binance/hftbacktest/spot_ethusdt_20240808"),
    ("binance", "usdm", "binance-usdm/cryptofeed/usdm_4sym_20210722"),
    ("binance", "usdm", "binance-usdm/hftbacktest/usdm_ethusdt_20240808_first30000"),
    ("kraken", "spot", "kraken/cryptofeed-as-v2/wsv2_book1000_10pairs_20210417"),
    ("kraken", "futures", "kraken-futures/cryptofeed/ws_book_10products_20210722"),
];

/// The folder of recordings; nothing, told in one line, where there is none and none is required.
fn recordings() -> Option<PathBuf> {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let folder = std::env::var_os("VENUEKIT_RECORDINGS").map_or_else(usual, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("VENUEKIT_REQUIRE_SERVICES").is_none_or(|word| word != "1"),
        "no recordings at {}",
        folder.display()
    );
    eprintln!("no recordings at {}; set VENUEKIT_RECORDINGS to replay them", folder.display());
    None
}

/// An entry by the venue's spelling, which either side may write in capitals.
fn of<'a>(all: &'a Value, name: &str) -> &'a Value {
    let mut all = all.as_object().expect("an object").values();
    let is_it =
        |entry: &&Value| entry["venue_symbol"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name));
    all.find(is_it).unwrap_or_else(|| panic!("nothing of {name}"))
}

#[test]
fn sessions_of_others_replay_to_what_an_independent_checker_made_of_them() {
    let Some(folder) = recordings() else { return };
    for (venue, product, name) in SESSIONS {
        let tape = folder.join(format!("{name}.jsonl.gz"));
        let output =
            venuekit(&["replay", "--venue", venue, "--product", product, "--json"]).arg(&tape).output();
        let output = output.expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
        let expected = std::fs::read(folder.join(format!("{name}.expected.json"))).expect("beside it");
        let expected: Value = serde_json::from_slice(&expected).expect("JSON");
        let books = expected["books"].as_object().expect("books");
        assert_eq!(report["books"].as_object().map(|ours| ours.len()), Some(books.len()), "{name}");
        for (symbol, theirs) in books {
            let ours = of(&report["books"], symbol);
            for (key, wanted) in [
                ("updates", "updates"),
                ("gaps", "gaps"),
                ("stale_dropped", "stale_dropped"),
                ("bid_levels", "bid_levels"),
                ("ask_levels", "ask_levels"),
                ("top_bids", "final_top10_bids"),
                ("top_asks", "final_top10_asks"),
                ("sha256", "final_book_sha256"),
            ] {
                assert_eq!(ours[key], theirs[wanted], "{name} {symbol} {key}");
            }
            if theirs["last_id"].is_u64() {
                assert_eq!(ours["last_seq"], theirs["last_id"], "{name} {symbol}");
            }
            for key in ["checksums_ok", "checksums_bad"] {
                assert_eq!(ours[key].as_u64(), theirs[key].as_u64().or(Some(0)), "{name} {symbol} {key}");
            }
            assert_eq!(ours["state"], "live", "{name} {symbol}");
        }
        for (stream, theirs) in expected["trades"].as_object().into_iter().flatten() {
            // The checker names the kind of trade beside the symbol.
            let symbol = stream.split(':').next().unwrap_or(stream);
            let ours = of(&report["trades"], symbol);
            for (key, wanted) in
                [("count", "count"), ("qty_sum", "sum_qty"), ("notional_sum", "sum_notional")]
            {
                assert_eq!(ours[key], theirs[wanted], "{name} {stream} {key}");
            }
        }
    }
}
