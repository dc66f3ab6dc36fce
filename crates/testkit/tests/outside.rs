//! The example of `docs/adding-a-venue`, built from its own source: what an outsider reads first holds.
//!
//! That it builds by its own manifest too is a step of `cargo xtask ci`.

// The suite names its crate, which here is this one.
extern crate self as kiosk;

#[path = "../../../docs/adding-a-venue/example/src/lib.rs"]
mod example;
#[path = "../../../docs/adding-a-venue/example/tests/conformance.rs"]
mod suite;

pub use example::*;
