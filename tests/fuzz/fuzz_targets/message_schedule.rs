#![no_main]

#[path = "../entries/message_schedule.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry::run(data));
