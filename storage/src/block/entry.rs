//! What the body of a frame holds: records and control entries, one behind another.

use rand_core::RngCore;
use xxhash_rust::xxh64::xxh64;

use crate::block::control::{CONTROL, Control};
use crate::block::sources::{self, SOURCES, ToldSources};
use crate::record::{Record, RecordError, SEQ_MAX};
use crate::seq_set::SeqSet;
use crate::varint;

#[derive(Debug)]
pub enum Entry<'a> {
    Record(Record<'a>),
    Control(Control),
    /// These messages are gone.
    DeletedSet(SeqSet),
    /// Here was a message that was deleted and overwritten.
    Erased {
        seq: u64,
    },
    /// How far the stream has come in its sources.
    Sources(ToldSources),
}

impl<'a> Entry<'a> {
    /// Reads the entry at the start of `input`, and how many bytes it takes.
    ///
    /// # Errors
    /// [`RecordError`]; nothing of `input` may be believed then.
    pub fn decode(input: &'a [u8], salt: u64) -> Result<(Self, usize), RecordError> {
        match *input.first().ok_or(RecordError::Short)? {
            DELETED_SET => {
                let (set, took) = decode_deleted_set(input, salt)?;
                Ok((Self::DeletedSet(set), took))
            }
            ERASED => {
                let (seq, took) = decode_erased(input, salt)?;
                Ok((Self::Erased { seq }, took))
            }
            SOURCES => {
                let (told, took) = sources::decode_entry(input, salt)?;
                Ok((Self::Sources(told), took))
            }
            kind if kind & CONTROL != 0 => Ok((Self::Control(Control::decode(input, salt)?), Control::LEN)),
            _ => {
                let (record, took) = Record::decode(input, salt)?;
                Ok((Self::Record(record), took))
            }
        }
    }
}

/// `kind u8 | length varint | set | XXH64 u64`.
pub fn encode_deleted_set(set: &SeqSet, salt: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut body = Vec::new();
    set.encode(&mut body);
    out.push(DELETED_SET);
    varint::encode(body.len() as u64, out);
    out.extend_from_slice(&body);
    let checksum = xxh64(&out[start..], salt);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// `kind u8 | length varint | what is told | XXH64 u64`.
pub fn encode_sources(told: &ToldSources, salt: u64, out: &mut Vec<u8>) {
    sources::encode_entry(told, salt, out);
}

/// Overwrites the record of `seq`, which takes all of `record`, with as many bytes that say nothing of it:
/// `kind u8 | length of the whole u32 | sequence u64 | filler | XXH64 u64`.
///
/// # Panics
/// If `record` is shorter than any record is.
pub fn erase(record: &mut [u8], seq: u64, salt: u64, rng: &mut impl RngCore) {
    assert!(record.len() >= ERASED_LEN_MIN, "a record of {} bytes", record.len());
    let checksum_at = record.len() - size_of::<u64>();
    let len = u32::try_from(record.len()).expect("records are below 4 GiB");
    record[0] = ERASED;
    record[1..5].copy_from_slice(&len.to_le_bytes());
    record[5..13].copy_from_slice(&seq.to_le_bytes());
    rng.fill_bytes(&mut record[13..checksum_at]);
    let checksum = xxh64(&record[..checksum_at], salt);
    record[checksum_at..].copy_from_slice(&checksum.to_le_bytes());
}

fn decode_erased(input: &[u8], salt: u64) -> Result<(u64, usize), RecordError> {
    let len = u32::from_le_bytes(*input[1..].first_chunk().ok_or(RecordError::Short)?) as usize;
    if len < ERASED_LEN_MIN {
        return Err(RecordError::Invalid);
    }
    let entry = input.get(..len).ok_or(RecordError::Short)?;
    let (covered, checksum) = entry.split_at(len - size_of::<u64>());
    let stored = u64::from_le_bytes(*checksum.first_chunk().ok_or(RecordError::Short)?);
    let computed = xxh64(covered, salt);
    if stored != computed {
        return Err(RecordError::Checksum { stored, computed });
    }
    let seq = u64::from_le_bytes(*covered[5..].first_chunk().ok_or(RecordError::Short)?);
    if seq == 0 || seq > SEQ_MAX { Err(RecordError::Invalid) } else { Ok((seq, len)) }
}

fn decode_deleted_set(input: &[u8], salt: u64) -> Result<(SeqSet, usize), RecordError> {
    let (body, took) = decode_body(input, salt)?;
    let set = SeqSet::decode(body).map_err(|_| RecordError::Invalid)?;
    Ok((set, took))
}

/// What stands between the length and the checksum of `kind u8 | length varint | body | XXH64 u64`, and how many bytes all of
/// it takes.
pub(super) fn decode_body(input: &[u8], salt: u64) -> Result<(&[u8], usize), RecordError> {
    let (len, took) = varint::decode(&input[1..]).ok_or(RecordError::Invalid)?;
    let len = usize::try_from(len).map_err(|_| RecordError::Invalid)?;
    let covered = len.checked_add(1 + took).ok_or(RecordError::Invalid)?;
    let body = input.get(1 + took..covered).ok_or(RecordError::Short)?;
    let stored = u64::from_le_bytes(*input[covered..].first_chunk().ok_or(RecordError::Short)?);
    let computed = xxh64(&input[..covered], salt);
    if stored != computed {
        return Err(RecordError::Checksum { stored, computed });
    }
    Ok((body, covered + size_of::<u64>()))
}

/// The entries of one body with the place of each, until the first that is none.
pub struct Entries<'a> {
    body: &'a [u8],
    at: usize,
    salt: u64,
}

impl<'a> Entries<'a> {
    #[must_use]
    pub fn new(body: &'a [u8], salt: u64) -> Self {
        Self { body, at: 0, salt }
    }
}

impl<'a> Iterator for Entries<'a> {
    /// Offset and length in the body, and the entry.
    type Item = Result<(usize, usize, Entry<'a>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        match Entry::decode(&self.body[self.at..], self.salt) {
            Ok((entry, len)) => {
                let at = self.at;
                self.at += len;
                Some(Ok((at, len, entry)))
            }
            Err(error) => {
                self.at = self.body.len();
                Some(Err(error))
            }
        }
    }
}

const DELETED_SET: u8 = CONTROL | 0x10;
const ERASED: u8 = CONTROL | 0x11;
/// Every record is longer.
const ERASED_LEN_MIN: usize = 1 + 4 + 8 + 8;

#[cfg(test)]
mod tests {
    use natrium_model::Timestamp;
    use proptest::prelude::*;
    use rand_core::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::sources::SourcePosition;

    #[test]
    fn a_body_comes_back_entry_by_entry() {
        let mut body = Vec::new();
        let record = Record {
            seq: 4,
            timestamp: Timestamp(9),
            expires: None,
            due: None,
            subject: b"a",
            headers: b"",
            payload: b"x",
        };
        record.encode(3, &mut body);
        Control::Deleted { first: 1, last: 2 }.encode(3, &mut body);
        let mut set = SeqSet::default();
        set.insert(77);
        set.insert(1 << 40);
        encode_deleted_set(&set, 3, &mut body);
        let erased = body.len();
        record.encode(3, &mut body);
        erase(&mut body[erased..], 4, 3, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        encode_sources(&some_sources(), 3, &mut body);
        let entries: Vec<_> = Entries::new(&body, 3).map(|entry| entry.unwrap()).collect();
        assert_eq!(entries.iter().map(|(_, len, _)| len).sum::<usize>(), body.len());
        assert!(matches!(&entries[0].2, Entry::Record(read) if read.seq == 4));
        assert!(matches!(&entries[1].2, Entry::Control(Control::Deleted { first: 1, last: 2 })));
        assert!(matches!(&entries[2].2, Entry::DeletedSet(read) if *read == set));
        assert!(matches!(&entries[3].2, Entry::Erased { seq: 4 }));
        assert!(matches!(&entries[4].2, Entry::Sources(read) if *read == some_sources()));
        for bit in 0..body.len() * 8 {
            let mut damaged = body.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Entries::new(&damaged, 3).any(|entry| entry.is_err()), "bit {bit}");
        }
    }

    fn encoded(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match entry {
            Entry::Record(record) => record.encode(3, &mut out),
            Entry::Control(control) => control.encode(3, &mut out),
            Entry::DeletedSet(set) => encode_deleted_set(set, 3, &mut out),
            Entry::Erased { .. } => {}
            Entry::Sources(told) => encode_sources(told, 3, &mut out),
        }
        out
    }

    fn some_sources() -> ToldSources {
        let position = |seq, identity: &[u8]| SourcePosition { seq, identity: identity.into() };
        let positions = [(&b"A > >"[..], position(7, b"ID")), (b"B > >", position(1 << 40, b""))];
        let positions = positions.into_iter().map(|(name, position)| (name.into(), position)).collect();
        ToldSources { is_whole: true, positions }
    }

    /// One of each kind.
    fn some_entries() -> Vec<Vec<u8>> {
        let (time, mut set) = (Timestamp(9), SeqSet::default());
        set.insert_range(1000..=90_000);
        set.insert(1 << 40);
        let record = Record {
            seq: 4,
            timestamp: time,
            expires: None,
            due: None,
            subject: b"a.b",
            headers: b"h",
            payload: b"xy",
        };
        let dated = Record { expires: Some(time), due: Some(time), ..record };
        let entries = [
            Entry::Record(record),
            Entry::Record(dated),
            Entry::Control(Control::Deleted { first: 1, last: 2 }),
            Entry::Control(Control::Skipped { first: 1, last: 2, timestamp: time }),
            Entry::Control(Control::Bounds { first: 1, last: 2, timestamp: time }),
            Entry::Control(Control::Truncated { last: 2, timestamp: time }),
            Entry::DeletedSet(set),
            Entry::Sources(some_sources()),
        ];
        let mut all: Vec<Vec<u8>> = entries.iter().map(encoded).collect();
        let mut erased = all[1].clone();
        erase(&mut erased, 4, 3, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        all.push(erased);
        all
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>) {
            prop_assert!(Entries::new(&body, 3).count() <= body.len());
        }

        /// As another program could have written it: some of its bytes are others, and the checksum is right.
        #[test]
        fn what_is_read_is_written_so_again(
            which in any::<prop::sample::Index>(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let entries = some_entries();
            let mut bytes = entries[which.index(entries.len())].clone();
            let checksum_at = bytes.len() - size_of::<u64>();
            for (at, byte) in changes {
                bytes[at.index(checksum_at)] = byte;
            }
            let checksum = xxh64(&bytes[..checksum_at], 3);
            bytes[checksum_at..].copy_from_slice(&checksum.to_le_bytes());
            let mut read = None;
            let memory = allocation_counter::measure(|| read = Entry::decode(&bytes, 3).ok());
            prop_assert!(memory.bytes_max < 300 << 10, "{} allocated", memory.bytes_max);
            if let Some((entry, took)) = read {
                prop_assert!(took <= bytes.len());
                let again = encoded(&entry);
                // What was erased says nothing that could be written again.
                let last = match entry {
                    Entry::Erased { .. } => Vec::new(),
                    Entry::Record(_) | Entry::Control(_) | Entry::DeletedSet(_) | Entry::Sources(_) => {
                        encoded(&Entry::decode(&again, 3).unwrap().0)
                    }
                };
                prop_assert_eq!(last, again);
            }
        }
    }
}
