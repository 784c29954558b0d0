//! What a frame holds beside messages: deletes, bounds and gaps, as durable and as ordered as what they speak of
//! (docs/format/block.md).
//!
//! `kind u8 | a u64 | b u64 | c i64 | XXH64 u64`, little-endian, the checksum seeded with the block's salt. Kinds have the high
//! bit set, which no record's flags have.

use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use crate::record::{RecordError, SEQ_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Messages `first..=last` are gone.
    Deleted { first: u64, last: u64 },
    /// Sequences `first..=last` never had a message.
    Skipped { first: u64, last: u64, timestamp: Timestamp },
    /// Nothing below `first` is left, and `last` was given. Opens each block, so that the blocks before may go.
    Bounds { first: u64, last: u64, timestamp: Timestamp },
    /// Nothing above `last` in the blocks before this one counts; the next message is `last + 1` again. Only ever the first
    /// entry of a block.
    Truncated { last: u64, timestamp: Timestamp },
}

impl Control {
    /// Bytes of every control entry.
    pub const LEN: usize = 1 + 8 + 8 + 8 + 8;

    pub fn encode(self, salt: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let (kind, a, b, c) = match self {
            Self::Deleted { first, last } => (DELETED, first, last, 0),
            Self::Skipped { first, last, timestamp } => (SKIPPED, first, last, timestamp.0),
            Self::Bounds { first, last, timestamp } => (BOUNDS, first, last, timestamp.0),
            Self::Truncated { last, timestamp } => (TRUNCATED, last, 0, timestamp.0),
        };
        out.push(kind);
        out.extend_from_slice(&a.to_le_bytes());
        out.extend_from_slice(&b.to_le_bytes());
        out.extend_from_slice(&c.to_le_bytes());
        let checksum = xxh64(&out[start..], salt);
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    /// # Errors
    /// [`RecordError`], as for records.
    pub fn decode(input: &[u8], salt: u64) -> Result<Self, RecordError> {
        let entry: &[u8; Self::LEN] = input.first_chunk().ok_or(RecordError::Short)?;
        let (covered, checksum) = entry.split_at(Self::LEN - size_of::<u64>());
        let stored = u64_at(checksum, 0);
        let computed = xxh64(covered, salt);
        if stored != computed {
            return Err(RecordError::Checksum { stored, computed });
        }
        let (a, b) = (u64_at(covered, 1), u64_at(covered, 9));
        let timestamp = Timestamp(u64_at(covered, 17).cast_signed());
        if a > SEQ_MAX || b > SEQ_MAX {
            return Err(RecordError::Invalid);
        }
        match covered[0] {
            DELETED if a <= b => Ok(Self::Deleted { first: a, last: b }),
            SKIPPED if a <= b => Ok(Self::Skipped { first: a, last: b, timestamp }),
            BOUNDS if a <= b.saturating_add(1) => Ok(Self::Bounds { first: a, last: b, timestamp }),
            TRUNCATED => Ok(Self::Truncated { last: a, timestamp }),
            _ => Err(RecordError::Invalid),
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("entries have a fixed length"))
}

/// Set in the first byte of every control entry, and in no record's.
pub(crate) const CONTROL: u8 = 0x80;
const DELETED: u8 = CONTROL | 1;
const SKIPPED: u8 = CONTROL | 2;
const BOUNDS: u8 = CONTROL | 3;
const TRUNCATED: u8 = CONTROL | 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_and_a_flip_of_any_bit_is_seen() {
        let timestamp = Timestamp(-3);
        for control in [
            Control::Deleted { first: 3, last: 9 },
            Control::Skipped { first: 1, last: 1, timestamp },
            Control::Bounds { first: 10, last: 9, timestamp },
            Control::Truncated { last: 0, timestamp },
        ] {
            let mut bytes = Vec::new();
            control.encode(5, &mut bytes);
            assert_eq!(bytes.len(), Control::LEN);
            assert_eq!(Control::decode(&bytes, 5), Ok(control));
            assert!(Control::decode(&bytes, 6).is_err());
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(Control::decode(&damaged, 5).is_err(), "{control:?}, bit {bit}");
            }
        }
    }

    #[test]
    fn ranges_that_end_before_they_begin_are_refused() {
        let mut bytes = Vec::new();
        Control::Deleted { first: 9, last: 3 }.encode(5, &mut bytes);
        assert_eq!(Control::decode(&bytes, 5), Err(RecordError::Invalid));
    }
}
