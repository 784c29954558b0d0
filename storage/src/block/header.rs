//! The head of a block's file: what it is, whose it is, and the salt of its checksums (docs/format/block.md).
//!
//! One page, written twice, so that one damaged page costs nothing.

use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use crate::disk::PAGE_SIZE;
use crate::record::SEQ_MAX;

/// Bytes before the first frame: the head and its copy.
pub const HEAD_LEN: usize = 2 * PAGE_SIZE;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the stream's life: a stream made anew under an old name has another one.
    pub stream: StreamId,
    /// Blocks are in the order of their numbers.
    pub number: u64,
    /// How often the block was rewritten.
    pub generation: u64,
    /// Random; seeds each checksum of the file.
    pub salt: u64,
    pub created: Timestamp,
    /// Where its sequences begin.
    pub first: u64,
    /// Deletes that blocks below this number hold of this block's messages are part of it already.
    pub absorbed_below: u64,
    pub coding: Coding,
    /// The block's key, sealed with the stream's; empty without encryption.
    pub wrapped_key: Vec<u8>,
}

/// Identity of one life of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub [u8; 16]);

/// How frames are stored. Compression comes before encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    pub compression: Compression,
    pub encryption: Encryption,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    /// Snappy's block format, which S2 reads too. See [`crate::coding`].
    Snappy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    #[default]
    None,
    ChaCha20Poly1305,
    Aes256Gcm,
}

/// Why a page is no head of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("not the head of a block")]
    NotABlock,
    #[error("the head of the block is damaged")]
    Damaged,
    #[error("format version {0}; this program reads {VERSION}")]
    Version(u32),
}

impl Header {
    /// Both copies.
    ///
    /// # Panics
    /// If the wrapped key is longer than [`WRAPPED_KEY_MAX`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.wrapped_key.len() <= WRAPPED_KEY_MAX, "a key of {} bytes", self.wrapped_key.len());
        let mut page = Vec::with_capacity(HEAD_LEN);
        page.extend_from_slice(&MAGIC);
        page.extend_from_slice(&VERSION.to_le_bytes());
        page.push(match self.coding.compression {
            Compression::None => 0,
            Compression::Snappy => 1,
        });
        page.push(match self.coding.encryption {
            Encryption::None => 0,
            Encryption::ChaCha20Poly1305 => 1,
            Encryption::Aes256Gcm => 2,
        });
        page.extend_from_slice(&(self.wrapped_key.len() as u16).to_le_bytes());
        page.extend_from_slice(&self.stream.0);
        page.extend_from_slice(&self.number.to_le_bytes());
        page.extend_from_slice(&self.generation.to_le_bytes());
        page.extend_from_slice(&self.salt.to_le_bytes());
        page.extend_from_slice(&self.created.0.to_le_bytes());
        page.extend_from_slice(&self.first.to_le_bytes());
        page.extend_from_slice(&self.absorbed_below.to_le_bytes());
        page.extend_from_slice(&self.wrapped_key);
        page.resize(CHECKSUM_AT, 0);
        let checksum = xxh64(&page, 0);
        page.extend_from_slice(&checksum.to_le_bytes());
        page.extend_from_within(..PAGE_SIZE);
        page
    }

    /// # Errors
    /// [`HeaderError`].
    pub fn decode(page: &[u8]) -> Result<Self, HeaderError> {
        let page = page.get(..PAGE_SIZE).ok_or(HeaderError::NotABlock)?;
        if page[..8] != MAGIC {
            return Err(HeaderError::NotABlock);
        }
        if u64_at(page, CHECKSUM_AT) != xxh64(&page[..CHECKSUM_AT], 0) {
            return Err(HeaderError::Damaged);
        }
        // The checksum stands at the same place in every version, so that a version is believed only when intact.
        let version = u32::from_le_bytes(*page[8..].first_chunk().expect("inside the page"));
        if version != VERSION {
            return Err(HeaderError::Version(version));
        }
        let compression = match page[12] {
            0 => Compression::None,
            1 => Compression::Snappy,
            _ => return Err(HeaderError::Damaged),
        };
        let encryption = match page[13] {
            0 => Encryption::None,
            1 => Encryption::ChaCha20Poly1305,
            2 => Encryption::Aes256Gcm,
            _ => return Err(HeaderError::Damaged),
        };
        let key_len = usize::from(u16::from_le_bytes([page[14], page[15]]));
        if key_len > WRAPPED_KEY_MAX {
            return Err(HeaderError::Damaged);
        }
        let first = u64_at(page, 64);
        if first == 0 || first > SEQ_MAX {
            return Err(HeaderError::Damaged);
        }
        Ok(Self {
            stream: StreamId(*page[16..].first_chunk().expect("inside the page")),
            number: u64_at(page, 32),
            generation: u64_at(page, 40),
            salt: u64_at(page, 48),
            created: Timestamp(u64_at(page, 56).cast_signed()),
            first,
            absorbed_below: u64_at(page, 72),
            coding: Coding { compression, encryption },
            wrapped_key: page[KEY_AT..KEY_AT + key_len].to_vec(),
        })
    }
}

fn u64_at(page: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*page[at..].first_chunk().expect("inside the page"))
}

/// The format's version, in every head.
pub const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"NTRMBLK\0";
const KEY_AT: usize = 80;
const CHECKSUM_AT: usize = PAGE_SIZE - size_of::<u64>();
/// What the head has room for.
pub const WRAPPED_KEY_MAX: usize = 1024;
const _: () = assert!(KEY_AT + WRAPPED_KEY_MAX <= CHECKSUM_AT);

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            stream: StreamId(*b"0123456789abcdef"),
            number: 7,
            generation: 2,
            salt: 0xfeed,
            created: Timestamp(1),
            first: 5,
            absorbed_below: 3,
            coding: Coding { compression: Compression::Snappy, encryption: Encryption::Aes256Gcm },
            wrapped_key: vec![9; 60],
        }
    }

    #[test]
    fn both_copies_come_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), HEAD_LEN);
        assert_eq!(Header::decode(&bytes), Ok(header()));
        assert_eq!(Header::decode(&bytes[PAGE_SIZE..]), Ok(header()));
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        let bytes = header().encode();
        for bit in 0..PAGE_SIZE * 8 {
            let mut damaged = bytes[..PAGE_SIZE].to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut page = header().encode()[..PAGE_SIZE].to_vec();
        page[8] = 9;
        let checksum = xxh64(&page[..CHECKSUM_AT], 0);
        page[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Header::decode(&page), Err(HeaderError::Version(9)));
    }

    #[test]
    fn what_is_no_block_is_told_from_a_damaged_one() {
        assert_eq!(Header::decode(&[]), Err(HeaderError::NotABlock));
        assert_eq!(Header::decode(&[0; PAGE_SIZE]), Err(HeaderError::NotABlock));
    }
}
