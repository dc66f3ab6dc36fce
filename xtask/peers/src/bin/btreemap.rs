//! The baseline: a `BTreeMap` of integers a side.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::BTree>("btreemap");
}
