//! The fast path into our book.

fn main() {
    venuekit_peers::parse_main::<venuekit_peers::parse::Ours>("venuekit-book");
}
