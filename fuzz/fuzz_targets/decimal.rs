#![no_main]

#[path = "../../crates/types/tests/support/decimal.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::decimal(data));
