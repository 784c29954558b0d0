//! Runs the entries of the fuzz targets for a moment: over their corpus and damaged copies of it.
#![expect(clippy::unwrap_used, reason = "a test ends where its corpus is missing")]

use std::fs;
use std::path::Path;

#[path = "../../tests/fuzz/entries/consumer_journal.rs"]
mod consumer_journal;
#[path = "../../tests/fuzz/entries/message_schedule.rs"]
mod message_schedule;
#[path = "../../tests/fuzz/entries/stored_footer.rs"]
mod stored_footer;
#[path = "../../tests/fuzz/entries/stored_frame.rs"]
mod stored_frame;
#[path = "../../tests/fuzz/entries/stored_meta.rs"]
mod stored_meta;

/// Runs `entry` over each file of the corpus, cut and changed at each byte.
fn ruin(corpus: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(corpus);
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let input = fs::read(file.unwrap().path()).unwrap();
        entry(&input);
        for at in 0..input.len() {
            entry(&input[..at]);
            entry(&input[at..]);
            for byte in [0, 1, 2, 7, 0x7f, 0x80, 0xff, input[at] ^ 1, input[at].wrapping_add(1)] {
                let mut damaged = input.clone();
                damaged[at] = byte;
                entry(&damaged);
            }
        }
        count += 1;
    }
    assert!(count > 1, "only {count} files in the corpus");
}

#[test]
fn journals_and_their_ruins_are_read_or_cut() {
    ruin("consumer_journal", consumer_journal::run);
}

#[test]
fn metadata_and_its_ruins_are_read_or_refused() {
    ruin("stored_meta", stored_meta::run);
}

#[test]
fn frames_and_their_ruins_are_read_or_refused() {
    ruin("stored_frame", stored_frame::run);
}

#[test]
fn footers_and_their_ruins_are_read_or_refused() {
    ruin("stored_footer", stored_footer::run);
}

#[test]
fn schedules_and_their_ruins_are_admitted_or_refused() {
    ruin("message_schedule", message_schedule::run);
}
