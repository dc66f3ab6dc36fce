//! nautilus-model, alone in its binary.

fn main() {
    venuekit_peers::main::<venuekit_peers::engine::Nautilus>("nautilus-model");
}
