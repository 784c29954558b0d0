#![no_main]

#[path = "../entries/consumer_journal.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::run(data));
