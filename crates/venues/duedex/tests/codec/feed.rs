//! Every kind of frame that makes sense.

use venuekit_venue::EventBuf;

use crate::{FRAMES, catalog, decode, dump};

#[test]
fn every_frame_of_the_fixture() {
    let catalog = catalog();
    let told: Vec<String> = FRAMES
        .lines()
        .map(|frame| format!("{frame}\n{}", dump(&decode(&catalog, frame.as_bytes()))))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_buffer_that_is_cleared_is_as_good_as_new() {
    let catalog = catalog();
    let mut out = EventBuf::new();
    let venue = venuekit_duedex::DueDex::new();
    for frame in FRAMES.lines() {
        out.clear();
        venuekit_venue::Venue::decode(&venue, crate::place(&catalog), frame.as_bytes(), &mut out);
        assert_eq!(dump(&out), dump(&decode(&catalog, frame.as_bytes())));
    }
}
