//! The states of all consumers of a stream, and the bytes by which they can be had again.

use std::collections::BTreeMap;

use xxhash_rust::xxh64::xxh64;

use super::entry::{self, Place};
use super::state::{Applied, ConsumerState, Operation, Refused, Rules};

/// Consumers by their number, which is given once in the life of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumers {
    by_number: BTreeMap<u64, Consumer>,
    /// About as many bytes as checkpoints of all of them take; the sum of [`entry::encoded_len_estimate`].
    size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consumer {
    pub(super) rules: Rules,
    pub(super) state: ConsumerState,
}

/// States and their journal. Each change appends to `out` what has to be written, at once and in order, behind what was
/// written before; it may be told to others once that is durable.
///
/// A journal grows with each change. When [`Journal::is_rewrite_due`], a new one is begun from the states
/// ([`Journal::rewrite`]) and takes the old one's place when it is durable.
#[derive(Debug)]
pub struct Journal {
    pub(super) salt: u64,
    /// Bytes so far.
    pub(super) len: u64,
    pub(super) consumers: Consumers,
    /// A part of it cannot be read: it should not be built upon for long.
    pub(super) is_damaged: bool,
}

impl Consumers {
    #[must_use]
    pub fn state(&self, number: u64) -> Option<&ConsumerState> {
        self.by_number.get(&number).map(|consumer| &consumer.state)
    }

    #[must_use]
    pub fn rules(&self, number: u64) -> Option<Rules> {
        self.by_number.get(&number).map(|consumer| consumer.rules)
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Rules, &ConsumerState)> {
        self.by_number.iter().map(|(&number, consumer)| (number, consumer.rules, &consumer.state))
    }

    pub(super) fn insert(&mut self, number: u64, consumer: Consumer) {
        self.remove(number);
        self.size += entry::encoded_len_estimate(&consumer.state) as u64;
        self.by_number.insert(number, consumer);
    }

    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some(gone) = self.by_number.remove(&number) else { return false };
        self.size -= entry::encoded_len_estimate(&gone.state) as u64;
        true
    }

    pub(super) fn apply(&mut self, number: u64, operation: Operation) -> Option<Applied> {
        let consumer = self.by_number.get_mut(&number)?;
        self.size -= entry::encoded_len_estimate(&consumer.state) as u64;
        let applied = consumer.state.apply(consumer.rules, operation);
        self.size += entry::encoded_len_estimate(&consumer.state) as u64;
        Some(applied)
    }
}

impl Journal {
    /// A new journal of no consumers. `salt` is random, and of this journal alone.
    #[must_use]
    pub fn create(salt: u64, out: &mut Vec<u8>) -> Self {
        Self::begin(salt, Consumers::default(), out)
    }

    /// A new journal that begins with the states of this one.
    #[must_use]
    pub fn rewrite(&self, salt: u64, out: &mut Vec<u8>) -> Self {
        Self::begin(salt, self.consumers.clone(), out)
    }

    #[must_use]
    pub fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    /// Bytes so far, written or not.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.len
    }

    /// Whether it is long enough for its states to be written anew, or damaged. Rewriting at [`REWRITE_FACTOR`] times the
    /// states writes each byte of a change about once more.
    #[must_use]
    pub fn is_rewrite_due(&self) -> bool {
        self.is_damaged || self.len > REWRITE_LEN_MIN.max(self.consumers.size.saturating_mul(REWRITE_FACTOR))
    }

    /// Applies an operation, and journals it if it changed something. `None` where there is no such consumer.
    pub fn apply(&mut self, number: u64, operation: Operation, out: &mut Vec<u8>) -> Option<Applied> {
        let applied = self.consumers.apply(number, operation)?;
        if applied.is_changed {
            self.append(out, |place, out| entry::encode_operation(number, operation, place, out));
        }
        Some(applied)
    }

    /// Makes a consumer, or puts `state` in the place of its own, whatever that was.
    ///
    /// # Errors
    /// [`Refused`] where `state` cannot be.
    pub fn set(
        &mut self,
        number: u64,
        rules: Rules,
        state: ConsumerState,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        state.check()?;
        self.append(out, |place, out| entry::encode_checkpoint(number, rules, &state, place, out));
        self.consumers.insert(number, Consumer { rules, state });
        Ok(())
    }

    /// Puts `state` in the place of the consumer's own, as the leader of its group sends it. Does nothing, and returns
    /// `false`, where there is no such consumer.
    ///
    /// # Errors
    /// [`Refused`] where `state` cannot be, or is older.
    pub fn update(&mut self, number: u64, state: ConsumerState, out: &mut Vec<u8>) -> Result<bool, Refused> {
        state.check()?;
        let Some(consumer) = self.consumers.by_number.get(&number) else { return Ok(false) };
        state.check_newer_than(&consumer.state)?;
        self.set(number, consumer.rules, state, out).map(|()| true)
    }

    /// Changes the rules of a consumer, as its configuration was changed. `false` where there is none.
    pub fn set_rules(&mut self, number: u64, rules: Rules, out: &mut Vec<u8>) -> bool {
        let Some(mut consumer) = self.consumers.by_number.get(&number).cloned() else { return false };
        consumer.rules = rules;
        self.append(out, |place, out| entry::encode_checkpoint(number, rules, &consumer.state, place, out));
        self.consumers.insert(number, consumer);
        true
    }

    /// `false` where there is no such consumer.
    pub fn remove(&mut self, number: u64, out: &mut Vec<u8>) -> bool {
        let was_there = self.consumers.remove(number);
        if was_there {
            self.append(out, |place, out| entry::encode_removed(number, place, out));
        }
        was_there
    }

    fn begin(salt: u64, consumers: Consumers, out: &mut Vec<u8>) -> Self {
        let head = head(salt);
        out.extend_from_slice(&head);
        let mut journal =
            Self { salt, len: head.len() as u64, consumers: Consumers::default(), is_damaged: false };
        for (number, rules, state) in consumers.iter() {
            journal.append(out, |place, out| entry::encode_checkpoint(number, rules, state, place, out));
        }
        journal.consumers = consumers;
        journal
    }

    fn append(&mut self, out: &mut Vec<u8>, encode: impl FnOnce(Place, &mut Vec<u8>)) {
        let start = out.len();
        encode(Place { salt: self.salt, offset: self.len }, out);
        self.len += (out.len() - start) as u64;
    }
}

/// `magic 8 | version u32 | 0 u32 | XXH64 of the 16 bytes before u64`.
pub(super) fn head(salt: u64) -> [u8; HEAD_LEN] {
    let mut head = [0; HEAD_LEN];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = xxh64(&head[..16], salt);
    head[16..].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Bytes before the first entry.
pub(super) const HEAD_LEN: usize = 24;
pub(super) const MAGIC: [u8; 8] = *b"NTRCONS\0";
pub(super) const VERSION: u32 = 1;
/// A journal this long is read in well under a millisecond; rewriting shorter ones would only cost syncs.
const REWRITE_LEN_MIN: u64 = 256 << 10;
/// How many times longer than its states a journal may be.
const REWRITE_FACTOR: u64 = 4;

#[cfg(test)]
mod tests;
