//! Runs the entry of the fuzz target for a moment: over its corpus and damaged copies of it.
#![allow(clippy::unwrap_used, reason = "a test ends where its corpus is missing")]

use std::fs;
use std::path::Path;

#[path = "../../../tests/fuzz/entries/configuration.rs"]
mod configuration;

#[test]
fn configurations_and_their_ruins_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/configuration");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        configuration::run(&text);
        for at in 0..text.len() {
            configuration::run(&text[..at]);
            configuration::run(&text[at..]);
            for sign in b"{}[]()\"'$#=:,;\n\\" {
                let mut damaged = text.clone();
                damaged[at] = *sign;
                configuration::run(&damaged);
            }
        }
        count += 1;
    }
    assert!(count > 5, "only {count} files in the corpus");
}
