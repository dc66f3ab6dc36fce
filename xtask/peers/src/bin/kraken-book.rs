//! kraken-book, alone in its binary.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Kraken>("kraken-book");
}
