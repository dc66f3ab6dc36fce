#![no_main]

#[path = "../../crates/wire/tests/support/frame.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::frame(data));
