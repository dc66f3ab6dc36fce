//! Decimal text against integers of any size, over the corpus of the fuzz target and over texts from a seed.

#[path = "support/decimal.rs"]
mod target;

use proptest::prelude::*;

#[test]
fn the_corpus_of_decimals() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/decimal");
    let files: Vec<_> = std::fs::read_dir(folder).expect("the corpus is committed").flatten().collect();
    assert!(files.len() >= 20, "{} files", files.len());
    files.iter().for_each(|file| target::decimal(&std::fs::read(file.path()).expect("readable")));
}

proptest! {
    #[test]
    fn decimals_from_a_seed(scale in 0_u8..19, text in "[-+]?[0-9]{0,24}(\\.[0-9]{0,24})?([eE][-+]?[0-9]{1,3})?") {
        let mut data = vec![scale];
        data.extend(text.bytes());
        target::decimal(&data);
    }
}
