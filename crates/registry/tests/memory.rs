//! What a frame or an answer as long as the driver lets through can make a venue's reader ask the system for.

#![cfg(target_os = "linux")]

use std::fs;

use venuekit_registry::{ids, venue};
use venuekit_types::{Instrument, Kind, Scale, Status, Symbol};
use venuekit_venue::{Catalog, EventBuf, Place};

/// The longest frame.
const FRAME: usize = 8 << 20;

/// A field of `/proc/self/status`, in bytes.
fn status(field: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").expect("the kernel tells of this process");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("it has the field");
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<usize>().expect("a number") << 10
}

/// What `act` needs at its height, beyond what is there.
fn height(act: impl FnOnce()) -> usize {
    // Starts the count of the highest anew.
    fs::write("/proc/self/clear_refs", "5").expect("the kernel takes it");
    let before = status("VmRSS");
    act();
    status("VmHWM").saturating_sub(before)
}

/// At most `count` elements in a list, as many as a frame has room for.
fn frame(open: &str, element: &str, close: &str, count: usize) -> Vec<u8> {
    let count = count.min((FRAME - open.len() - close.len()) / (element.len() + 1));
    let mut frame = open.as_bytes().to_vec();
    for n in 0..count {
        frame.extend_from_slice(if n == 0 { b"" } else { b"," });
        frame.extend_from_slice(element.as_bytes());
    }
    frame.extend_from_slice(close.as_bytes());
    frame
}

fn catalog(names: &[&str]) -> Catalog {
    let mut catalog = Catalog::new();
    for name in names {
        catalog.put(Instrument {
            venue_symbol: (*name).into(),
            aliases: Vec::new(),
            symbol: Symbol::spot("BTC", "USDT").expect("a symbol"),
            kind: Kind::Spot,
            price_scale: Scale::new(2).expect("a scale"),
            qty_scale: Scale::new(8).expect("a scale"),
            tick: Default::default(),
            step: Default::default(),
            min_qty: None,
            max_qty: None,
            min_notional: None,
            contract_size: None,
            inverse: false,
            maker_fee: None,
            taker_fee: None,
            status: Status::Trading,
            version: 1,
        });
    }
    catalog
}

#[test]
fn no_frame_costs_more_than_the_longest_one() {
    let books = [
        (
            "doex",
            r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":["#,
            r#"["1","1"]"#,
            r#"],"a":[]}"#,
        ),
        (
            "duedex",
            r#"{"type":"update","channel":"level2","instrument":"BTCUSDT","sequence":1,"data":{"bids":["#,
            "[1,1]",
            r#"],"asks":[]},"timestamp":"2020-09-10T10:00:00.000Z"}"#,
        ),
        (
            "duedex",
            r#"{"type":"update","channel":"matches","instrument":"BTCUSDT","sequence":1,"timestamp":"2020-09-10T10:00:00.000Z","data":["#,
            r#"{"matchId":1,"side":"long","price":"1","size":1,"timestamp":"2020-09-10T10:00:00.000Z"}"#,
            "]}",
        ),
        (
            "binance",
            r#"{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":1,"b":["#,
            r#"["1","1"]"#,
            r#"],"a":[]}"#,
        ),
        (
            "kraken",
            r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USDT","bids":["#,
            r#"{"price":1,"qty":1}"#,
            r#"],"asks":[],"checksum":1}]}"#,
        ),
        ("kraken", r#"{"channel":"trade","type":"update","data":["#, "{}", "]}"),
    ];
    let catalog = catalog(&["BTCUSDT", "BTC/USDT"]);
    for (name, open, element, close) in books {
        let venue = venue(name).expect("listed");
        let read = |bytes: &[u8]| {
            let mut buf = EventBuf::new();
            venue.decode(Place { product: 0, socket: 0, catalog: &catalog }, bytes, &mut buf);
            assert!(!buf.events.is_empty(), "{name} says something of every frame");
        };
        // As long as can be, and the longest list of either kind that is read.
        let elements = [element, "0", "[0]"].into_iter();
        for (element, count) in elements.flat_map(|of| [usize::MAX, 131_072, 16_384].map(|count| (of, count)))
        {
            let bytes = frame(open, element, close, count);
            let height = height(|| read(&bytes));
            let (mib, len) = (height >> 20, bytes.len());
            assert!(height <= FRAME, "{name}: {mib} MiB for {len} bytes of {open}{element},…");
        }
    }
    assert_eq!(ids().len(), 4, "a new venue gets its frames here");
}
