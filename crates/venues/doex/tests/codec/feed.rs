//! Every kind of frame that makes sense.

use venuekit_doex::{FUTURES, SPOT};

use crate::{Desk, FUTURES_ONLY, PUBLIC, USER, dump};

fn told(product: usize, frames: &str) -> String {
    let desk = Desk::new(product);
    let told: Vec<String> =
        frames.lines().map(|frame| format!("{frame}\n{}", dump(&desk.decode(frame.as_bytes())))).collect();
    told.join("\n")
}

#[test]
fn public_frames() {
    insta::assert_snapshot!(told(SPOT, PUBLIC));
}

#[test]
fn frames_of_futures() {
    insta::assert_snapshot!(told(FUTURES, FUTURES_ONLY));
}

/// What is said of the other product is no data here, and the key of the stream is in no event.
#[test]
fn user_frames_of_spot() {
    let told = told(SPOT, USER);
    insta::assert_snapshot!(told);
    assert_eq!(told.matches("canary").count(), 1, "in the frame alone");
}

#[test]
fn user_frames_of_futures() {
    insta::assert_snapshot!(told(FUTURES, USER));
}

/// The mark is a matter of futures, and a spot socket that tells of it has told nothing that is followed there.
#[test]
fn spot_has_no_mark() {
    let frame = FUTURES_ONLY.lines().nth(1).expect("the mark");
    assert_eq!(dump(&Desk::new(SPOT).decode(frame.as_bytes())), "Control(Beat)\n");
}
