//! A journal of consumers: any bytes, and any bodies of entries under checksums that are right.

use natrium_storage::consumer::{Journal, Recovered};
use xxhash_rust::xxh64::xxh64;

const SALT: u64 = 7;
const HEAD_LEN: usize = 24;

/// The input is read as a journal as it is, and as a list of bodies, each behind a byte with its length.
pub(crate) fn run(input: &[u8]) {
    if let Ok(read) = Journal::recover(input, SALT) {
        check(&read, input.len());
    }
    let journal = journal_of(input);
    check(&Journal::recover(&journal, SALT).expect("the head is right"), journal.len());
}

fn check(read: &Recovered, len: usize) {
    assert_eq!(read.journal.size() + read.torn, len as u64);
    let mut end = HEAD_LEN as u64;
    for damage in &read.damage {
        assert!(end <= damage.bytes.start && damage.bytes.start < damage.bytes.end, "{damage:?}");
        end = damage.bytes.end;
    }
    assert!(end <= read.journal.size());
    let mut again = Vec::new();
    let written = read.journal.rewrite(SALT + 1, &mut again);
    let reread = Journal::recover(&again, SALT + 1).expect("just written");
    assert_eq!(reread.journal.consumers(), read.journal.consumers());
    assert_eq!((reread.torn, reread.damage.len(), written.size()), (0, 0, again.len() as u64));
}

fn journal_of(mut input: &[u8]) -> Vec<u8> {
    let mut journal = Vec::new();
    let _ = Journal::create(SALT, &mut journal);
    while let [len, rest @ ..] = input {
        let (body, rest) = rest.split_at(rest.len().min(usize::from(len & 0x7f)));
        let start = journal.len();
        journal.push(body.len() as u8);
        journal.extend_from_slice(body);
        let checksum = xxh64(&journal[start..], SALT.wrapping_add(start as u64));
        journal.extend_from_slice(&checksum.to_le_bytes());
        input = rest;
    }
    journal
}
