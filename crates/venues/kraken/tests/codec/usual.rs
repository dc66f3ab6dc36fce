//! The fast path and the tolerant one read the same, digits behind points included. A space at the end is enough to
//! make a frame unusual.

use proptest::prelude::*;
use venuekit_kraken::{FUTURES, Kraken, SPOT};
use venuekit_types::{Instrument, Qty, Scale};
use venuekit_venue::read::bare_terms;
use venuekit_venue::{Body, Catalog, Event, EventBuf, Place, Venue};

use crate::common::{files, recordings};

/// A list of one market at these scales, one that was guessed at or not.
fn listed(product: usize, name: &str, is_guess: bool, digits: (u8, u8)) -> Catalog {
    let empty = Catalog::new();
    let place = Place { product, socket: 0, catalog: &empty };
    let bare = match product {
        FUTURES => Kraken::new().terms_of(place, name).expect("a name of a contract"),
        _ => bare_terms(name, name.parse().expect("a symbol"), false),
    };
    let scale = |digits| Scale::new(digits).expect("in range");
    let step = Qty(i64::from(!is_guess));
    let mut catalog = Catalog::new();
    catalog.put(Instrument { price_scale: scale(digits.0), qty_scale: scale(digits.1), step, ..bare });
    catalog
}

/// What a frame says, as text, with the levels and their spelling.
fn said(product: usize, catalog: &Catalog, frame: &[u8]) -> (bool, Vec<String>) {
    let mut out = EventBuf::new();
    Kraken::new().decode(Place { product, socket: 0, catalog }, frame, &mut out);
    let is_data = out.events.iter().all(|event| matches!(event, Event::Data(_)));
    let said = out.events.iter().map(|event| match event {
        Event::Data(data) => {
            let Body::Book(book) = &data.body else { return format!("{data:?}") };
            let head = (&data.topic, data.kind, data.at);
            format!("{head:?} {:?}", out.update(data.ids, book))
        }
        event => format!("{event:?}"),
    });
    (is_data, said.collect())
}

/// What is data on one path is the same data on the other.
fn agree(product: usize, catalog: &Catalog, frame: &[u8]) -> Result<bool, TestCaseError> {
    let fast = said(product, catalog, frame);
    let slow = said(product, catalog, &[frame, b" "].concat());
    prop_assert_eq!(fast.0, slow.0, "{:?}", String::from_utf8_lossy(frame));
    if fast.0 {
        prop_assert_eq!(fast.1, slow.1, "{:?}", String::from_utf8_lossy(frame));
    }
    Ok(fast.0)
}

#[test]
fn of_every_book_of_the_recorded_sessions() {
    let Some(folder) = recordings() else { return };
    for (venue, product) in [("kraken/cryptofeed-as-v2", SPOT), ("kraken-futures/cryptofeed", FUTURES)] {
        let mut books = 0;
        for path in files(&folder.join(venue), ".jsonl.gz") {
            let file = std::fs::File::open(&path).expect("as recorded");
            let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).expect("as recorded");
            for line in text.lines() {
                let row: serde_json::Value = serde_json::from_str(line).expect("as recorded");
                let (Some("recv"), Some(frame)) = (row["t"].as_str(), row["data"].as_str()) else { continue };
                let told: serde_json::Value = serde_json::from_str(frame).expect("as recorded");
                let name = if product == SPOT { &told["data"][0]["symbol"] } else { &told["product_id"] };
                let Some(name) = name.as_str() else { continue };
                // Sometimes guessed at, sometimes known, and then sometimes too coarse.
                let digits = if books % 3 == 0 { (4, 4) } else { (10, 8) };
                let catalog = listed(product, name, books % 2 == 0, digits);
                agree(product, &catalog, frame.as_bytes()).expect("both paths read it alike");
                books += 1;
                if books == 20_000 {
                    break;
                }
            }
        }
        assert!(books > 1_000, "{venue}: {books}");
    }
}

/// Bytes of a frame that become others.
type Changes = Vec<(prop::sample::Index, u8)>;

fn changes() -> impl Strategy<Value = Changes> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2)
}

fn changed(frame: String, changes: Changes) -> Vec<u8> {
    let mut frame = frame.into_bytes();
    for (at, byte) in changes {
        let at = at.index(frame.len());
        frame[at] = byte;
    }
    frame
}

/// A number as either engine may write one.
const NUMBER: &str = "[0-9]{1,7}(\\.[0-9]{1,9})?(e-?[0-9])?";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn of_a_book_of_spot_with_bytes_changed(
        rows in prop::collection::vec((NUMBER, NUMBER), 0..6),
        sum in prop_oneof![Just(0_u64), Just(4_294_967_295), Just(4_294_967_296)],
        kind in prop_oneof![Just("update"), Just("snapshot")],
        time in prop_oneof![
            Just(""), Just(",\"timestamp\":\"2021-04-17T16:48:53.567659Z\""), Just(",\"timestamp\":\"soon\""),
        ],
        is_guess in any::<bool>(), digits in (0_u8..=10, 0_u8..=10), changes in changes(),
    ) {
        let row = |(price, qty): &(String, String)| format!("{{\"price\":{price},\"qty\":{qty}}}");
        let rows: Vec<String> = rows.iter().map(row).collect();
        let (bids, asks) = rows.split_at(rows.len() / 2);
        let frame = format!(
            r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":"ADA/CAD","bids":[{}],"asks":[{}],"checksum":{sum}{time}}}]}}"#,
            bids.join(","), asks.join(","),
        );
        agree(SPOT, &listed(SPOT, "ADA/CAD", is_guess, digits), &changed(frame, changes))?;
    }

    #[test]
    fn of_a_level_of_futures_with_bytes_changed(
        (price, qty) in (NUMBER, NUMBER),
        side in prop_oneof![Just("buy"), Just("sell"), Just("hold")],
        time in prop_oneof![Just("1626994927856"), Just("9223372036854"), Just("9223372036855"), Just("01")],
        digits in (0_u8..=10, 0_u8..=10), changes in changes(),
    ) {
        let frame = format!(
            r#"{{"feed":"book","product_id":"PF_XBTUSD","side":"{side}","seq":7,"price":{price},"qty":{qty},"timestamp":{time}}}"#,
        );
        agree(FUTURES, &listed(FUTURES, "PF_XBTUSD", false, digits), &changed(frame, changes))?;
    }
}
