#![no_main]

#[path = "../../crates/book/tests/support/engine.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::engine(data));
