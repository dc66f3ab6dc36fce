//! Ours, through its front door: a numbered stream, every message judged.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Ours>("venuekit-book");
}
