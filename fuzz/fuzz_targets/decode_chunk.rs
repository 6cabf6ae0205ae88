//! Columns of tables of rows, beneath their page, and the schema that says what they are.
#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::decode_chunk(bytes));
