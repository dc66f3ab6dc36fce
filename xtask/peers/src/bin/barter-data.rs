//! barter-data, alone in its binary.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Barter>("barter-data");
}
