//! How far a stream has come in its sources, as a block tells it: an entry where that changed (docs/format/record.md), and
//! in the block's summary what the entries come to (docs/format/block.md).

use xxhash_rust::xxh64::xxh64;

use crate::block::entry::decode_body;
use crate::record::RecordError;
use crate::sources::{SourcePosition, SourcePositions};
use crate::varint;

/// What one entry, or all of a block, tell of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldSources {
    /// It tells of all there are: what was told before does not count any more.
    pub is_whole: bool,
    /// The sequence 0, which takes back what was told before, is only where it is not the whole.
    pub positions: SourcePositions,
}

impl ToldSources {
    /// Whether it tells nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.is_whole && self.positions.is_empty()
    }

    /// Takes in what is told behind it.
    pub fn then(&mut self, later: &Self) {
        if later.is_whole {
            self.clone_from(later);
            return;
        }
        for (name, position) in &later.positions {
            if self.is_whole && position.seq == 0 {
                self.positions.remove(name);
            } else {
                self.positions.insert(name.clone(), position.clone());
            }
        }
    }

    /// Takes in what was told before it.
    pub fn after(&mut self, earlier: &Self) {
        if self.is_whole {
            return;
        }
        for (name, position) in &earlier.positions {
            self.positions.entry(name.clone()).or_insert_with(|| position.clone());
        }
        self.is_whole = earlier.is_whole;
        if self.is_whole {
            self.positions.retain(|_, position| position.seq > 0);
        }
    }

    /// `whole u8 | count varint | each, in the order of their names: name, sequence varint, identity`; name and identity
    /// have their length before them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_whole));
        varint::encode(self.positions.len() as u64, out);
        for (name, SourcePosition { seq, identity }) in &self.positions {
            assert!(*seq > 0 || !self.is_whole, "what is not known is not told of");
            encode_part(name, out);
            varint::encode(*seq, out);
            encode_part(identity, out);
        }
    }

    /// Bytes that [`ToldSources::encode`] appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let part = |part: &[u8]| varint::len(part.len() as u64) + part.len();
        let positions = self
            .positions
            .iter()
            .map(|(name, position)| part(name) + varint::len(position.seq) + part(&position.identity));
        1 + varint::len(self.positions.len() as u64) + positions.sum::<usize>()
    }

    /// Reads what [`ToldSources::encode`] wrote, and what is behind it.
    #[must_use]
    pub fn decode(input: &[u8]) -> Option<(Self, &[u8])> {
        let (&whole, mut input) = input.split_first()?;
        let mut told = Self { is_whole: whole == 1, positions: SourcePositions::new() };
        let count = usize::try_from(number(&mut input)?).ok()?;
        if whole > 1 || count > input.len() / POSITION_LEN_MIN {
            return None;
        }
        for _ in 0..count {
            let name = part(&mut input)?;
            let seq = number(&mut input)?;
            let identity = part(&mut input)?;
            let is_behind = told.positions.last_key_value().is_none_or(|(last, _)| last[..] < *name);
            if !is_behind || (told.is_whole && seq == 0) {
                return None;
            }
            told.positions.insert(name.into(), SourcePosition { seq, identity: identity.into() });
        }
        Some((told, input))
    }
}

/// `kind u8 | length varint | what is told | XXH64 u64`.
pub(super) fn encode_entry(told: &ToldSources, salt: u64, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(SOURCES);
    varint::encode(told.encoded_len() as u64, out);
    told.encode(out);
    let checksum = xxh64(&out[start..], salt);
    out.extend_from_slice(&checksum.to_le_bytes());
}

pub(super) fn decode_entry(input: &[u8], salt: u64) -> Result<(ToldSources, usize), RecordError> {
    let (body, took) = decode_body(input, salt)?;
    match ToldSources::decode(body) {
        Some((told, [])) => Ok((told, took)),
        _ => Err(RecordError::Invalid),
    }
}

fn encode_part(part: &[u8], out: &mut Vec<u8>) {
    varint::encode(part.len() as u64, out);
    out.extend_from_slice(part);
}

fn number(input: &mut &[u8]) -> Option<u64> {
    let (number, took) = varint::decode(input)?;
    *input = &input[took..];
    Some(number)
}

fn part<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(number(input)?).ok()?;
    let (part, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(part)
}

/// The first byte of the entry.
pub(super) const SOURCES: u8 = super::control::CONTROL | 0x12;
/// No position takes fewer bytes.
const POSITION_LEN_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(is_whole: bool, positions: &[(&str, u64)]) -> ToldSources {
        let of_one = |&(name, seq): &(&str, u64)| {
            (name.as_bytes().into(), SourcePosition { seq, identity: b"ID".as_slice().into() })
        };
        ToldSources { is_whole, positions: positions.iter().map(of_one).collect() }
    }

    fn encoded(told: &ToldSources) -> Vec<u8> {
        let mut out = Vec::new();
        told.encode(&mut out);
        assert_eq!(out.len(), told.encoded_len());
        out
    }

    #[test]
    fn the_layout_is_the_one_written_down() {
        assert_eq!(encoded(&told(true, &[("A > >", 300)])), b"\x01\x01\x05A > >\xac\x02\x02ID");
        assert_eq!(encoded(&ToldSources::default()), [0, 0]);
    }

    // go: server/filestore_test.go TestFileStoreSourcesDecodeRejectsMalformed
    #[test]
    fn what_is_cut_or_of_another_kind_is_no_state_of_sources() {
        let state = told(true, &[("bar", 7), ("foo", 1)]);
        let whole = encoded(&state);
        assert_eq!(ToldSources::decode(&whole), Some((state, &[][..])));
        // In the middle of every part: flag, count, name, sequence, identity.
        for len in 0..whole.len() {
            assert_eq!(ToldSources::decode(&whole[..len]), None, "{len} bytes");
        }
        let mut other = whole.clone();
        other[0] = 2;
        assert_eq!(ToldSources::decode(&other), None, "a flag that is none");
        assert_eq!(ToldSources::decode(&[1, 1]), None, "one is told of and none is there");
        assert_eq!(ToldSources::decode(b"\x01\x01\x03foo\x00\x00"), None, "nothing is known, as the whole");
        assert_eq!(ToldSources::decode(b"\x00\x02\x01b\x01\x00\x01a\x01\x00"), None, "out of order");
        assert_eq!(ToldSources::decode(b"\x00\x02\x01a\x01\x00\x01a\x01\x00"), None, "twice");
        let mut entry = Vec::new();
        encode_entry(&told(true, &[("bar", 7)]), 3, &mut entry);
        assert_eq!(decode_entry(&entry, 3), Ok((told(true, &[("bar", 7)]), entry.len())));
        assert!((1..entry.len()).all(|len| decode_entry(&entry[..len], 3).is_err()));
    }

    #[test]
    fn the_last_that_is_told_counts() {
        let mut all = told(false, &[("a", 1), ("b", 2)]);
        all.then(&told(false, &[("b", 3), ("c", 0)]));
        assert_eq!(all, told(false, &[("a", 1), ("b", 3), ("c", 0)]));
        all.then(&told(true, &[("b", 4)]));
        assert_eq!(all, told(true, &[("b", 4)]));
        all.then(&told(false, &[("b", 0), ("d", 1)]));
        assert_eq!(all, told(true, &[("d", 1)]));
    }

    fn any_told() -> impl Strategy<Value = ToldSources> {
        let positions = proptest::collection::btree_map("[abc]", 0..4u64, 0..4);
        (any::<bool>(), positions).prop_map(|(is_whole, positions)| {
            let positions: Vec<_> = positions.iter().filter(|(_, seq)| **seq > 0 || !is_whole).collect();
            told(is_whole, &positions.iter().map(|(name, seq)| (&name[..], **seq)).collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_again(told in any_told()) {
            let encoded = encoded(&told);
            prop_assert_eq!(ToldSources::decode(&encoded), Some((told, &[][..])));
        }

        /// Recovery hears blocks from the last to the first, their entries are written from the first to the last.
        #[test]
        fn what_is_heard_in_either_order_is_the_same(all in proptest::collection::vec(any_told(), 0..6)) {
            let (mut forth, mut back) = (ToldSources::default(), ToldSources::default());
            for told in &all {
                forth.then(told);
            }
            for told in all.iter().rev() {
                back.after(told);
            }
            prop_assert_eq!(forth, back);
        }
    }
}
