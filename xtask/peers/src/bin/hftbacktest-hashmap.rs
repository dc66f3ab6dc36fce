//! hftbacktest-hashmap, alone in its binary.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Hft<venuekit_peers::engine::HashMapMarketDepth>>(
        "hftbacktest-hashmap",
    );
}
