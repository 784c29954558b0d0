#![no_main]

#[path = "../entries/stored_footer.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::run(data));
