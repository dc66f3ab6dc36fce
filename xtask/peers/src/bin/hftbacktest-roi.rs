//! hftbacktest-roi, alone in its binary.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Hft<venuekit_peers::engine::ROIVectorMarketDepth>>(
        "hftbacktest-roi",
    );
}
