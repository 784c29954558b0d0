//! Seeded hashing of what clients send.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// Hashes subjects and tokens under a seed that clients do not know, so that they cannot choose subjects that meet
/// in one bucket.
#[derive(Clone, Debug)]
pub(crate) struct SubjectHasher(FixedState);

/// What a table keeps of a hash: enough to find a bucket and to turn down nearly all strangers, and half the space.
/// With it in the table, growing the table touches no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShortHash(u32);

impl SubjectHasher {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    pub(crate) fn subject(&self, subject: &[u8]) -> ShortHash {
        let mut hasher = self.0.build_hasher();
        hasher.write(subject);
        ShortHash::fold(hasher.finish())
    }

    /// Hash of the edge that leaves trie node `parent` with `token`.
    pub(crate) fn edge(&self, parent: u32, token: &[u8]) -> ShortHash {
        let mut hasher = self.0.build_hasher();
        hasher.write_u32(parent);
        hasher.write(token);
        ShortHash::fold(hasher.finish())
    }
}

impl ShortHash {
    fn fold(hash: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "both halves are folded into the result")]
        Self((hash ^ (hash >> 32)) as u32)
    }

    /// What hashbrown asks for: it takes the bucket from the low bits and a tag from the highest seven.
    pub(crate) fn widened(self) -> u64 {
        (u64::from(self.0) << 32) | u64::from(self.0)
    }

    pub(crate) fn index(self, slots: usize) -> usize {
        self.0 as usize & (slots - 1)
    }
}
