//! The venuekit binary.
fn main() {}
