//! Kraken passes the suite.
#[allow(dead_code, reason = "shared with the other tests of this folder")]
mod common;

venuekit_testkit::conformance!(common::kraken());
