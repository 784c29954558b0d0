//! Frames: what one commit writes, or a part of it (docs/format/block.md).
//!
//! A commit is one or more frames behind one another and begins at a page of its own, so that no page with acknowledged
//! bytes is ever written again. Each frame stands alone: it is compressed and encrypted by itself.

use xxhash_rust::xxh64::xxh64;

/// Bytes of the head of a frame.
pub const FRAME_HEAD_LEN: usize = 48;

/// The head of one frame. 48 bytes, little-endian:
/// `magic u32 | kind u8 | position in the commit u8 | compression u8 | reserved u8 | commit u64 | stored length u32 | plain length u32
/// | place of its first entry u32 | index in the commit u32 | XXH64 of the stored body u64 | XXH64 of the 40 bytes before u64`.
///
/// Both checksums are seeded with the block's salt plus the frame's offset in the file, so that a frame that was written
/// to the wrong place does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    pub kind: FrameKind,
    /// Ends its commit.
    pub is_last: bool,
    /// The body shrank when it was compressed and is stored so. What does not shrink is stored as it is.
    pub is_compressed: bool,
    /// Ascending in a block; never 0.
    pub commit: u64,
    /// From 0 in each commit.
    pub index: u32,
    /// Bytes of the body on disk.
    pub stored_len: u32,
    /// Bytes of the body before compression and encryption.
    pub plain_len: u32,
    /// Where its first entry is among all entries of the block.
    pub at: u32,
    pub body_checksum: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Records and control entries.
    Entries,
    /// Where each record of a sealed block is.
    Table,
    /// What recovery needs of a sealed block.
    Summary,
}

impl FrameHead {
    /// The checksum of a body at `offset`.
    #[must_use]
    pub fn checksum_of(body: &[u8], salt: u64, offset: u64) -> u64 {
        xxh64(body, salt.wrapping_add(offset))
    }

    /// What a head says beside the checksums. An encrypted body is bound to these bytes (docs/format/coding.md).
    pub(crate) fn fields(&self) -> [u8; FIELDS_LEN] {
        let mut fields = [0; FIELDS_LEN];
        fields[..4].copy_from_slice(&MAGIC);
        fields[4] = match self.kind {
            FrameKind::Entries => 1,
            FrameKind::Table => 2,
            FrameKind::Summary => 3,
        };
        fields[5] = u8::from(self.is_last);
        fields[6] = u8::from(self.is_compressed);
        fields[8..16].copy_from_slice(&self.commit.to_le_bytes());
        fields[16..20].copy_from_slice(&self.stored_len.to_le_bytes());
        fields[20..24].copy_from_slice(&self.plain_len.to_le_bytes());
        fields[24..28].copy_from_slice(&self.at.to_le_bytes());
        fields[28..32].copy_from_slice(&self.index.to_le_bytes());
        fields
    }

    #[must_use]
    pub fn encode(&self, salt: u64, offset: u64) -> [u8; FRAME_HEAD_LEN] {
        let mut head = [0; FRAME_HEAD_LEN];
        head[..FIELDS_LEN].copy_from_slice(&self.fields());
        head[32..40].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = xxh64(&head[..40], salt.wrapping_add(offset));
        head[40..].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    /// `None` where no frame of this block begins.
    #[must_use]
    pub fn decode(input: &[u8], salt: u64, offset: u64) -> Option<Self> {
        let head: &[u8; FRAME_HEAD_LEN] = input.first_chunk()?;
        if head[..4] != MAGIC || xxh64(&head[..40], salt.wrapping_add(offset)) != u64_at(head, 40) {
            return None;
        }
        Some(Self {
            kind: match head[4] {
                1 => FrameKind::Entries,
                2 => FrameKind::Table,
                3 => FrameKind::Summary,
                _ => return None,
            },
            is_last: head[5] == 1,
            is_compressed: match head[6] {
                0 => false,
                1 => true,
                _ => return None,
            },
            commit: u64_at(head, 8),
            stored_len: u32_at(head, 16),
            plain_len: u32_at(head, 20),
            at: u32_at(head, 24),
            index: u32_at(head, 28),
            body_checksum: u64_at(head, 32),
        })
    }

    /// Whether `body`, read behind the head at `offset`, is what was written.
    #[must_use]
    pub fn is_intact(&self, body: &[u8], salt: u64, offset: u64) -> bool {
        body.len() == self.stored_len as usize && Self::checksum_of(body, salt, offset) == self.body_checksum
    }

    /// Bytes of the frame on disk.
    #[must_use]
    pub fn len_on_disk(&self) -> u64 {
        FRAME_HEAD_LEN as u64 + u64::from(self.stored_len)
    }
}

fn u64_at(head: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*head[at..].first_chunk().expect("inside the head"))
}

fn u32_at(head: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*head[at..].first_chunk().expect("inside the head"))
}

pub(crate) const MAGIC: [u8; 4] = *b"NTRF";
/// Bytes of a head before its checksums.
pub(crate) const FIELDS_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: FrameHead = FrameHead {
        kind: FrameKind::Entries,
        is_last: true,
        is_compressed: true,
        commit: 9,
        index: 1,
        stored_len: 100,
        plain_len: 200,
        at: 3,
        body_checksum: 77,
    };

    #[test]
    fn a_head_comes_back_only_in_its_block_and_place() {
        let bytes = HEAD.encode(1, 4096);
        assert_eq!(FrameHead::decode(&bytes, 1, 4096), Some(HEAD));
        assert_eq!(FrameHead::decode(&bytes, 2, 4096), None);
        assert_eq!(FrameHead::decode(&bytes, 1, 8192), None);
        assert_eq!(FrameHead::decode(&bytes[1..], 1, 4096), None);
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        let bytes = HEAD.encode(1, 0);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHead::decode(&damaged, 1, 0), None, "bit {bit}");
        }
    }
}
