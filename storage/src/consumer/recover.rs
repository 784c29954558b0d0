//! From the bytes of a journal back to the states.
//!
//! | what is found | what is done |
//! | --- | --- |
//! | whole entries to the end | the states are exact |
//! | from some point on no whole entry | a write that was cut short, never acknowledged: cut back to that point |
//! | no entry, and whole ones behind it | damage: reported; whose state is exact again is told by its next checkpoint |
//!
//! Behind damage nothing is applied to a consumer until its next checkpoint: an operation that is missing could have been
//! the delivery of a message, and going on without it would let the message pass as settled. A state from before the damage
//! delivers again what was delivered since, and loses nothing.

use std::collections::BTreeSet;
use std::ops::Range;

use xxhash_rust::xxh64::xxh64;

use super::entry::{self, Entry, EntryError, Place};
use super::journal::{Consumer, Consumers, HEAD_LEN, Journal, MAGIC, VERSION};

/// A journal that was read.
#[derive(Debug)]
pub struct Recovered {
    /// Goes on behind the last whole entry: cut what lies there, if anything does.
    pub journal: Journal,
    /// Bytes behind the last whole entry, of a write that was cut short.
    pub torn: u64,
    /// In the order of their places.
    pub damage: Vec<Damage>,
    /// Numbers of consumers that are at a state from before some damage.
    pub behind: BTreeSet<u64>,
    /// Numbers of consumers that were changed and of which nothing else is known: the damage took their beginning.
    pub unknown: BTreeSet<u64>,
}

/// Bytes of the journal that hold no entry, though whole ones follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub bytes: Range<u64>,
    pub cause: DamageCause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DamageCause {
    #[error("checksum {stored:#018x} on disk, {computed:#018x} computed")]
    Checksum { stored: u64, computed: u64 },
    #[error("no entry begins there")]
    NoEntry,
}

/// Nothing can be said of the journal as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("not a journal of consumers")]
    NotAJournal,
    #[error("the head of the journal is damaged, or of another one")]
    Damaged,
    #[error("format version {0}; this program reads {VERSION}")]
    Version(u32),
}

impl Journal {
    /// Reads all of a journal. `salt` is the one it was begun with.
    ///
    /// Of a write that was cut short, `bytes` may have a part from its beginning. Where sectors may reach a disk in any
    /// order, the file below has to tell whole writes from others: a later part without an earlier one looks like damage.
    ///
    /// # Errors
    /// [`JournalError`]. Damage behind the head is no error; it is told in what is returned.
    pub fn recover(bytes: &[u8], salt: u64) -> Result<Recovered, JournalError> {
        check_head(bytes, salt)?;
        let mut replay = Replay::default();
        let mut damage = Vec::new();
        let mut at = HEAD_LEN;
        let mut torn = 0;
        while at < bytes.len() {
            let offset = at as u64;
            match entry::decode(&bytes[at..], Place { salt, offset }) {
                Ok((entry, took)) => {
                    replay.entry(entry);
                    at += took;
                }
                Err(error) => {
                    let Some(next) = next_whole(bytes, at + 1, salt) else {
                        torn = (bytes.len() - at) as u64;
                        break;
                    };
                    damage.push(Damage { bytes: offset..next as u64, cause: error.into() });
                    replay.operations_are_missing();
                    at = next;
                }
            }
        }
        let Replay { consumers, behind, unknown } = replay;
        let is_damaged = !damage.is_empty() || !unknown.is_empty();
        let journal = Self { salt, len: at as u64, consumers, is_damaged };
        Ok(Recovered { journal, torn, damage, behind, unknown })
    }
}

#[derive(Default)]
struct Replay {
    consumers: Consumers,
    behind: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
}

impl Replay {
    fn entry(&mut self, entry: Entry) {
        match entry {
            Entry::Checkpoint { consumer, rules, state } => {
                self.behind.remove(&consumer);
                self.unknown.remove(&consumer);
                self.consumers.insert(consumer, Consumer { rules, state });
            }
            Entry::Removed { consumer } => {
                self.behind.remove(&consumer);
                self.unknown.remove(&consumer);
                self.consumers.remove(consumer);
            }
            Entry::Applied { consumer, operation } => {
                if !self.behind.contains(&consumer) && self.consumers.apply(consumer, operation).is_none() {
                    self.unknown.insert(consumer);
                }
            }
        }
    }

    fn operations_are_missing(&mut self) {
        self.behind.extend(self.consumers.iter().map(|(number, ..)| number));
    }
}

fn check_head(bytes: &[u8], salt: u64) -> Result<(), JournalError> {
    let head: &[u8; HEAD_LEN] = bytes.first_chunk().ok_or(JournalError::NotAJournal)?;
    if head[..8] != MAGIC {
        return Err(JournalError::NotAJournal);
    }
    if head[16..] != xxh64(&head[..16], salt).to_le_bytes() {
        return Err(JournalError::Damaged);
    }
    let version = u32::from_le_bytes(*head[8..].first_chunk().expect("inside the head"));
    if version != VERSION { Err(JournalError::Version(version)) } else { Ok(()) }
}

/// Where the next whole entry begins, from `from` on. Entries know their place, so that what passes is one.
fn next_whole(bytes: &[u8], from: usize, salt: u64) -> Option<usize> {
    (from..bytes.len()).find(|&at| entry::frame(&bytes[at..], Place { salt, offset: at as u64 }).is_ok())
}

impl From<EntryError> for DamageCause {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Checksum { stored, computed } => Self::Checksum { stored, computed },
            EntryError::Short | EntryError::Invalid => Self::NoEntry,
        }
    }
}
