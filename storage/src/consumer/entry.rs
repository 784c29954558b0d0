//! Entries of the journal as bytes (docs/format/consumer.md).

use std::collections::BTreeMap;

use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use super::state::{AckPolicy, ConsumerState, Operation, Pending, Rules, SequencePair};
use crate::varint;

/// One entry. `consumer` numbers are given once in the life of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// All that is known of the consumer from here on.
    Checkpoint {
        consumer: u64,
        rules: Rules,
        state: ConsumerState,
    },
    Removed {
        consumer: u64,
    },
    Applied {
        consumer: u64,
        operation: Operation,
    },
}

/// Why no entry begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryError {
    /// The bytes end first.
    Short,
    Invalid,
    Checksum {
        stored: u64,
        computed: u64,
    },
}

/// Appends a checkpoint; `place` is where it begins in the journal.
pub(super) fn encode_checkpoint(
    consumer: u64,
    rules: Rules,
    state: &ConsumerState,
    place: Place,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let body = &mut *out;
    body.push(CHECKPOINT);
    varint::encode(consumer, body);
    body.push(match rules.ack_policy {
        AckPolicy::None => 0,
        AckPolicy::All => 1,
        AckPolicy::Explicit => 2,
    });
    varint::encode(rules.max_deliver.unwrap_or(0), body);
    for pair in [state.delivered, state.ack_floor] {
        varint::encode(pair.consumer, body);
        varint::encode(pair.stream, body);
    }
    // Each number as the distance from the one before: mostly a byte or two.
    varint::encode(state.pending.len() as u64, body);
    let mut before = (0, Pending { consumer: 0, timestamp: Timestamp(0) });
    for (&seq, &pending) in &state.pending {
        varint::encode(seq - before.0, body);
        signed(pending.consumer.wrapping_sub(before.1.consumer).cast_signed(), body);
        signed(pending.timestamp.0.wrapping_sub(before.1.timestamp.0), body);
        before = (seq, pending);
    }
    varint::encode(state.redelivered.len() as u64, body);
    let mut before = 0;
    for (&seq, &count) in &state.redelivered {
        varint::encode(seq - before, body);
        varint::encode(count, body);
        before = seq;
    }
    finish(start, place, out);
}

pub(super) fn encode_removed(consumer: u64, place: Place, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(REMOVED);
    varint::encode(consumer, out);
    finish(start, place, out);
}

pub(super) fn encode_operation(consumer: u64, operation: Operation, place: Place, out: &mut Vec<u8>) {
    let kind = match operation {
        Operation::Delivered { .. } => DELIVERED,
        Operation::Acked { .. } => ACKED,
        Operation::Skipped { .. } => SKIPPED,
        Operation::Started { .. } => STARTED,
        Operation::Reset { .. } => RESET,
        Operation::RedeliveredForgotten { .. } => FORGOTTEN,
    };
    let start = out.len();
    let body = &mut *out;
    body.push(kind);
    varint::encode(consumer, body);
    match operation {
        Operation::Delivered { consumer, stream, count, timestamp } => {
            varint::encode(consumer, body);
            varint::encode(stream, body);
            varint::encode(count, body);
            body.extend_from_slice(&timestamp.0.to_le_bytes());
        }
        Operation::Acked { consumer, stream } => {
            varint::encode(consumer, body);
            varint::encode(stream, body);
        }
        Operation::Skipped { stream: seq }
        | Operation::Started { stream: seq }
        | Operation::Reset { stream: seq }
        | Operation::RedeliveredForgotten { below: seq } => varint::encode(seq, body),
    }
    finish(start, place, out);
}

/// Where an entry stands. Both enter its checksum, so that an entry of another journal or place does not pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) salt: u64,
    pub(super) offset: u64,
}

impl Place {
    pub(super) fn seed(self) -> u64 {
        self.salt.wrapping_add(self.offset)
    }
}

/// `length of the body varint | body | XXH64 of both u64`, where the body stands in `out` from `start` on.
fn finish(start: usize, place: Place, out: &mut Vec<u8>) {
    let body_len = out.len() - start;
    varint::encode(body_len as u64, out);
    out[start..].rotate_left(body_len);
    let checksum = xxh64(&out[start..], place.seed());
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The entry at the start of `input` and the bytes it takes.
pub(super) fn decode(input: &[u8], place: Place) -> Result<(Entry, usize), EntryError> {
    let (body, took) = frame(input, place)?;
    Ok((read(body).ok_or(EntryError::Invalid)?, took))
}

/// The body of the entry at the start of `input`, if it is intact, and the bytes the entry takes.
pub(super) fn frame(input: &[u8], place: Place) -> Result<(&[u8], usize), EntryError> {
    let Some((body_len, head_len)) = varint::decode(input) else {
        return Err(if input.len() < varint::MAX_LEN { EntryError::Short } else { EntryError::Invalid });
    };
    let covered = usize::try_from(body_len)
        .ok()
        .and_then(|len| len.checked_add(head_len))
        .ok_or(EntryError::Invalid)?;
    // Before anything is hashed: what no entry begins with need not be.
    if body_len == 0 || input.get(head_len).is_some_and(|&kind| !(CHECKPOINT..=FORGOTTEN).contains(&kind)) {
        return Err(EntryError::Invalid);
    }
    let Some((covered, rest)) = input.split_at_checked(covered) else { return Err(EntryError::Short) };
    let Some(stored) = rest.first_chunk() else { return Err(EntryError::Short) };
    let (stored, computed) = (u64::from_le_bytes(*stored), xxh64(covered, place.seed()));
    if stored != computed {
        return Err(EntryError::Checksum { stored, computed });
    }
    Ok((&covered[head_len..], covered.len() + size_of::<u64>()))
}

fn read(body: &[u8]) -> Option<Entry> {
    let (&kind, rest) = body.split_first()?;
    let mut reader = Reader { rest };
    let consumer = reader.number()?;
    let entry = match kind {
        CHECKPOINT => {
            let (rules, state) = reader.checkpoint()?;
            Entry::Checkpoint { consumer, rules, state }
        }
        REMOVED => Entry::Removed { consumer },
        kind => Entry::Applied { consumer, operation: reader.operation(kind)? },
    };
    reader.rest.is_empty().then_some(entry)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn operation(&mut self, kind: u8) -> Option<Operation> {
        Some(match kind {
            DELIVERED => Operation::Delivered {
                consumer: self.number()?,
                stream: self.number()?,
                count: self.number()?,
                timestamp: Timestamp(i64::from_le_bytes(*self.bytes()?)),
            },
            ACKED => Operation::Acked { consumer: self.number()?, stream: self.number()? },
            SKIPPED => Operation::Skipped { stream: self.number()? },
            STARTED => Operation::Started { stream: self.number()? },
            RESET => Operation::Reset { stream: self.number()? },
            FORGOTTEN => Operation::RedeliveredForgotten { below: self.number()? },
            _ => return None,
        })
    }

    fn checkpoint(&mut self) -> Option<(Rules, ConsumerState)> {
        let ack_policy = match self.bytes()? {
            [0] => AckPolicy::None,
            [1] => AckPolicy::All,
            [2] => AckPolicy::Explicit,
            _ => return None,
        };
        let max_deliver = Some(self.number()?).filter(|&max| max > 0);
        let delivered = SequencePair { consumer: self.number()?, stream: self.number()? };
        let ack_floor = SequencePair { consumer: self.number()?, stream: self.number()? };
        let mut pending = BTreeMap::new();
        let mut before = (0u64, Pending { consumer: 0, timestamp: Timestamp(0) });
        for at in 0..self.number()? {
            let seq = self.ascending(at, before.0)?;
            let consumer = before.1.consumer.wrapping_add(self.signed()?.cast_unsigned());
            let timestamp = Timestamp(before.1.timestamp.0.wrapping_add(self.signed()?));
            before = (seq, Pending { consumer, timestamp });
            pending.insert(before.0, before.1);
        }
        let mut redelivered = BTreeMap::new();
        let mut before = 0;
        for at in 0..self.number()? {
            before = self.ascending(at, before)?;
            redelivered.insert(before, self.number()?);
        }
        Some((
            Rules { ack_policy, max_deliver },
            ConsumerState { delivered, ack_floor, pending, redelivered },
        ))
    }

    /// The next of sequences that are each above the one before.
    fn ascending(&mut self, at: u64, before: u64) -> Option<u64> {
        let step = self.number()?;
        if at > 0 && step == 0 { None } else { before.checked_add(step) }
    }

    fn number(&mut self) -> Option<u64> {
        let (number, took) = varint::decode(self.rest)?;
        self.rest = &self.rest[took..];
        Some(number)
    }

    fn signed(&mut self) -> Option<i64> {
        let zigzag = self.number()?;
        Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
    }

    fn bytes<const N: usize>(&mut self) -> Option<&[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(bytes)
    }
}

/// Signs alternate, so that small numbers of either sign are short.
fn signed(value: i64, out: &mut Vec<u8>) {
    varint::encode(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

/// About as many bytes as a checkpoint of `state` takes, in constant time.
pub(super) fn encoded_len_estimate(state: &ConsumerState) -> usize {
    CHECKPOINT_LEN + state.pending.len() * PENDING_LEN + state.redelivered.len() * REDELIVERED_LEN
}

const CHECKPOINT: u8 = 1;
const REMOVED: u8 = 2;
const DELIVERED: u8 = 3;
const ACKED: u8 = 4;
const SKIPPED: u8 = 5;
const STARTED: u8 = 6;
const RESET: u8 = 7;
const FORGOTTEN: u8 = 8;
/// Of a state without anything pending, with sequences of a few billion.
const CHECKPOINT_LEN: usize = 40;
/// Sequences close to one another, a microsecond to a second apart.
const PENDING_LEN: usize = 6;
const REDELIVERED_LEN: usize = 3;
