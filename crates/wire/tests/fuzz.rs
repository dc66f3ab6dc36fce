//! The fast path of book frames over the corpus of its fuzz target and over frames from a seed.

#[path = "support/frame.rs"]
mod target;

use proptest::prelude::*;

#[test]
fn the_corpus_of_frames() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/frame");
    let files: Vec<_> = std::fs::read_dir(folder).expect("the corpus is committed").flatten().collect();
    let frames: Vec<Vec<u8>> =
        files.iter().map(|file| std::fs::read(file.path()).expect("readable")).collect();
    frames.iter().for_each(|frame| target::frame(frame));
    let usual = frames.iter().filter(|frame| target::is_usual(frame)).count();
    assert!(usual >= 5 && frames.len() - usual >= 5, "{usual} usual of {}", frames.len());
}

proptest! {
    #[test]
    fn frames_from_a_seed(
        rows in prop::collection::vec(("\"?[0-9]{1,18}(\\.[0-9]{1,6})?\"?", "\"?[0-9]{0,18}(\\.[0-9]{0,6})?\"?"), 0..5),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let rows: Vec<String> = rows.iter().map(|(price, qty)| format!("[{price},{qty}]")).collect();
        let (bids, asks) = rows.split_at(rows.len() / 2);
        let text = format!(r#"{{"s":"BTCUSDT","U":157,"u":160,"b":[{}],"a":[{}]}}"#, bids.join(","), asks.join(","));
        let mut frame = text.into_bytes();
        if let Some((at, byte)) = change {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        target::frame(&frame);
    }
}
