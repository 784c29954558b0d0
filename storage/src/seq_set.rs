//! Sets of sequences: what is deleted, what is acknowledged.

use std::ops::RangeInclusive;

use roaring::{RoaringBitmap, RoaringTreemap};

/// A set of 64-bit sequences, small whether they are dense, sparse or in long runs.
///
/// A run costs some 50 bytes for each 65,536 sequences it goes over, so a run that a peer or a client chooses the length
/// of (a gap of 2^40 sequences) is not for this set.
#[derive(Clone, Debug, Default)]
pub struct SeqSet {
    set: RoaringTreemap,
    /// Counted as it changes: the set itself would have to add it up.
    len: u64,
}

/// Bytes that are no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of a set of sequences end early, go on too long or contradict themselves")]
pub struct MalformedSet;

impl SeqSet {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[must_use]
    pub fn contains(&self, seq: u64) -> bool {
        self.set.contains(seq)
    }

    #[must_use]
    pub fn min(&self) -> Option<u64> {
        self.set.min()
    }

    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.set.max()
    }

    /// False where it was there.
    pub fn insert(&mut self, seq: u64) -> bool {
        let inserted = self.set.insert(seq);
        self.len += u64::from(inserted);
        inserted
    }

    /// How many were not there yet.
    pub fn insert_range(&mut self, seqs: RangeInclusive<u64>) -> u64 {
        let inserted = self.set.insert_range(seqs);
        self.len += inserted;
        inserted
    }

    /// False where it was not there.
    pub fn remove(&mut self, seq: u64) -> bool {
        let removed = self.set.remove(seq);
        self.len -= u64::from(removed);
        removed
    }

    /// How many were there.
    pub fn remove_range(&mut self, seqs: RangeInclusive<u64>) -> u64 {
        let removed = self.set.remove_range(seqs);
        self.len -= removed;
        removed
    }

    /// Removes all smaller than `seq`. How many were there.
    pub fn remove_below(&mut self, seq: u64) -> u64 {
        seq.checked_sub(1).map_or(0, |last| self.remove_range(0..=last))
    }

    /// How many of `seqs` are in the set.
    #[must_use]
    pub fn count_in(&self, seqs: RangeInclusive<u64>) -> u64 {
        self.set.range_cardinality(seqs)
    }

    /// The first sequence of the set at or after `from`.
    #[must_use]
    pub fn next_present(&self, from: u64) -> Option<u64> {
        self.runs_from(from).next().map(|(first, _)| first)
    }

    /// The first sequence at or after `from` that is not in the set. Goes over the run at `from` in steps of 65,536.
    #[must_use]
    pub fn next_absent(&self, from: u64) -> Option<u64> {
        match self.runs_from(from).next() {
            Some((first, last)) if first == from => last.checked_add(1),
            Some(_) | None => Some(from),
        }
    }

    /// In ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.set.iter()
    }

    /// The runs of neighbours, first and last of each, in ascending order.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs_from(0)
    }

    /// The runs at or after `from`. One that began before starts at `from`.
    pub fn runs_from(&self, from: u64) -> impl Iterator<Item = (u64, u64)> {
        let (high, low) = split(from);
        let mut parts = self
            .set
            .bitmaps()
            .skip_while(move |(key, _)| *key < high)
            .flat_map(move |(key, part)| runs_of(key, part, if key == high { low } else { 0 }));
        // A run may go on in the next part, each of which covers 2^32 sequences.
        let mut pending = parts.next();
        std::iter::from_fn(move || {
            let (first, mut last) = pending.take()?;
            loop {
                pending = parts.next();
                match pending {
                    Some((next, end)) if last.checked_add(1) == Some(next) => last = end,
                    Some(_) | None => return Some((first, last)),
                }
            }
        })
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &Self) {
        self.set |= &other.set;
        self.len = self.set.len();
    }

    /// Removes `seq` and all above; how many that were.
    pub fn remove_from(&mut self, seq: u64) -> u64 {
        self.remove_range(seq..=u64::MAX)
    }

    /// Removes what is in `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.set -= &other.set;
        self.len = self.set.len();
    }

    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.set.is_subset(&other.set)
    }

    /// What of the set is in `seqs`.
    #[must_use]
    pub fn in_range(&self, seqs: RangeInclusive<u64>) -> Self {
        let mut part = Self::new();
        for (first, last) in self.runs_from(*seqs.start()) {
            if first > *seqs.end() {
                break;
            }
            part.insert_range(first..=last.min(*seqs.end()));
        }
        part
    }

    /// The highest sequence at or below `from` that is not in the set. `None` where all of them are.
    #[must_use]
    pub fn previous_absent(&self, from: u64) -> Option<u64> {
        // Runs are long or few where a set is large, so that it is looked for in steps that double.
        let mut to = from;
        let mut step = 1;
        loop {
            if !self.contains(to) {
                return Some(to);
            }
            let below = to.saturating_sub(step);
            let present = self.count_in(below..=to);
            if present == to - below + 1 {
                to = below.checked_sub(1)?;
                step *= 2;
            } else {
                let mut low = below;
                let mut high = to;
                // The last one that is absent in `low..=high`.
                while low < high {
                    let middle = low + (high - low).div_ceil(2);
                    if self.count_in(middle..=high) == high - middle + 1 {
                        high = middle - 1
                    } else {
                        low = middle
                    }
                }
                return Some(low);
            }
        }
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Appends the set in the portable 64-bit Roaring layout (RoaringFormatSpec, "extension for 64-bit implementations"),
    /// runs as runs where that is shorter. Equal sets with different pasts may give different bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut shortest = self.set.clone();
        shortest.optimize();
        out.reserve(shortest.serialized_size());
        shortest.serialize_into(out).expect("a Vec takes all bytes");
    }

    /// Reads what [`SeqSet::encode`] appended, no more and no less.
    ///
    /// # Errors
    /// For bytes that are not a set down to the last one. Until they are known to be there, no more than 256 KiB are
    /// allocated for those to come.
    pub fn decode(input: &[u8]) -> Result<Self, MalformedSet> {
        let mut rest = input;
        let set = RoaringTreemap::deserialize_from(&mut rest).map_err(|_| MalformedSet)?;
        if !rest.is_empty() || set.bitmaps().any(|(_, part)| part.is_empty()) {
            return Err(MalformedSet);
        }
        // The reader passes over counts and offsets it has no use for; writing it all again looks at every byte.
        let mut again = Vec::with_capacity(input.len());
        set.serialize_into(&mut again).expect("a Vec takes all bytes");
        if again != input {
            return Err(MalformedSet);
        }
        Ok(Self { len: set.len(), set })
    }

    /// Bytes allocated, about.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.set
            .bitmaps()
            .map(|(_, part)| {
                let parts = part.statistics();
                // The library gives the bits of its bitsets for their bytes.
                let bitsets = u64::from(parts.n_bitset_containers) * BITSET_BYTES;
                let values = parts.n_bytes_array_containers + parts.n_bytes_run_containers + bitsets;
                PART_BYTES + parts.n_containers as usize * CONTAINER_BYTES + values as usize
            })
            .sum()
    }
}

impl PartialEq for SeqSet {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.runs().eq(other.runs())
    }
}

impl Eq for SeqSet {}

impl FromIterator<u64> for SeqSet {
    fn from_iter<I: IntoIterator<Item = u64>>(seqs: I) -> Self {
        let mut set = Self::new();
        for seq in seqs {
            set.insert(seq);
        }
        set
    }
}

/// The runs of one part at or after `low`.
fn runs_of(high: u32, part: &RoaringBitmap, low: u32) -> impl Iterator<Item = (u64, u64)> {
    let mut rest = part.range(low..);
    std::iter::from_fn(move || {
        rest.next_range().map(|run| (join(high, *run.start()), join(high, *run.end())))
    })
}

fn split(seq: u64) -> (u32, u32) {
    ((seq >> 32) as u32, seq as u32)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Of a part in the map of parts: its key and its list of containers.
const PART_BYTES: usize = 32;
/// A bit for each of the 65,536 sequences of a container.
const BITSET_BYTES: u64 = 8192;
/// Of a container beside its values.
const CONTAINER_BYTES: usize = 40;

#[cfg(test)]
mod tests;
