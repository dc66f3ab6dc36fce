//! serde_json into a `BTreeMap`.

fn main() {
    venuekit_peers::parse_main::<venuekit_peers::parse::Serde>("btreemap");
}
