//! The fast path and the tolerant one read the same. A space at the end is enough to make a frame unusual.

use proptest::prelude::*;
use venuekit_venue::Event;

use crate::{Desk, PUBLIC, dump};

/// What is data on one path is the same data on the other.
fn agree(frame: &[u8]) -> Result<(), TestCaseError> {
    let desk = Desk::new(0);
    let (fast, slow) = (desk.decode(frame), desk.decode(&[frame, b" "].concat()));
    let is_data = |event: &Event| matches!(event, Event::Data(_));
    prop_assert_eq!(
        fast.events.iter().map(is_data).collect::<Vec<_>>(),
        slow.events.iter().map(is_data).collect::<Vec<_>>()
    );
    if fast.events.iter().all(is_data) {
        prop_assert_eq!(dump(&fast), dump(&slow));
    }
    Ok(())
}

#[test]
fn of_every_frame_of_the_fixture() {
    for frame in PUBLIC.lines() {
        agree(frame.as_bytes()).expect("both paths read it alike");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn of_a_depth_update_with_bytes_changed(
        rows in prop::collection::vec(("[0-9]{1,7}(\\.[0-9]{1,3})?", "[0-9]{1,6}(\\.[0-9]{1,7})?"), 0..6),
        time in prop_oneof![Just("1568100000000"), Just("9223372036854"), Just("9223372036855"), Just("01")],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
    ) {
        let rows: Vec<String> = rows.iter().map(|(price, qty)| format!("[\"{price}\",\"{qty}\"]")).collect();
        let (bids, asks) = rows.split_at(rows.len() / 2);
        let mut frame = format!(
            r#"{{"e":"depthUpdate","E":{time},"s":"BTCUSDT","U":5,"u":7,"b":[{}],"a":[{}]}}"#,
            bids.join(","), asks.join(","),
        ).into_bytes();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        agree(&frame)?;
    }
}
