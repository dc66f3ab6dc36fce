//! The sequence engine over the corpus of its fuzz target and over letters from a seed.

#[path = "support/engine.rs"]
mod target;

use proptest::prelude::*;

#[test]
fn the_corpus_of_the_engine() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/engine");
    let files: Vec<_> = std::fs::read_dir(folder).expect("the corpus is committed").flatten().collect();
    assert!(files.len() >= 10, "{} files", files.len());
    files.iter().for_each(|file| target::engine(&std::fs::read(file.path()).expect("readable")));
}

proptest! {
    #[test]
    fn letters_from_a_seed(data in prop::collection::vec(any::<u8>(), 0..120)) {
        target::engine(&data);
    }
}
