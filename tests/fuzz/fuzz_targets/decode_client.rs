#![no_main]

#[path = "../entries/decode_client.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::run(data));
