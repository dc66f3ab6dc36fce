//! The codecs of both products, held against what the venue and other projects sent.
//!
//! Recordings are looked for in `VENUEKIT_RECORDINGS`, by default beside the workspace; without them the tests that need
//! them say so and pass, unless `VENUEKIT_REQUIRE_SERVICES=1`.

mod common;
mod oracle;
mod recordings;
mod said;
mod sources;
mod usual;
