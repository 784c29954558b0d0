//! The bytes of a metadata file.

use natrium_model::Timestamp;
use rand_core::RngCore;
use xxhash_rust::xxh64::Xxh64;

use crate::block::header::StreamId;
use crate::disk::PAGE_SIZE;
use crate::keys::{MetaKey, SEAL_OVERHEAD};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub owner: Owner,
    /// The stream's, also in the file of a consumer.
    pub stream: StreamId,
    /// One more with each replacement.
    pub revision: u64,
    pub created: Timestamp,
    /// Opaque here: JSON of a configuration, or a wrapped key.
    pub body: Vec<u8>,
}

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Stream,
    /// The consumer's number in the journal of its stream's consumers.
    Consumer(u64),
    /// `meta.key`: the wrapped key of the stream. Never sealed, because it is what opens the others.
    Key,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub meta: Meta,
    /// The body was encrypted. One that is not, in a store with encryption, is from before it had any: replace it.
    pub is_sealed: bool,
}

/// Why the bytes of a file are no metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    #[error("not a file of metadata")]
    NotMeta,
    #[error("damaged")]
    Damaged,
    #[error("format version {0}; this program reads {VERSION}")]
    Version(u32),
    #[error("encrypted, and no encryption_key is configured")]
    NoKey,
    #[error("the key of the stream does not open it")]
    WrongKey,
}

impl Meta {
    /// The whole file: pages, filled up with zeros. The body is sealed where there is a key, but never that of
    /// [`Owner::Key`].
    ///
    /// # Panics
    /// If the body is longer than [`BODY_MAX`].
    #[must_use]
    pub fn encode(&self, key: Option<&MetaKey>, rng: &mut impl RngCore) -> Vec<u8> {
        assert!(self.body.len() <= BODY_MAX, "metadata of {} bytes", self.body.len());
        let key = key.filter(|_| self.owner != Owner::Key);
        let stored_len = self.body.len() + if key.is_some() { SEAL_OVERHEAD } else { 0 };
        let mut file = Vec::with_capacity((HEAD_LEN + stored_len).next_multiple_of(PAGE_SIZE));
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        let (kind, consumer) = match self.owner {
            Owner::Stream => (1, 0),
            Owner::Consumer(number) => (2, number),
            Owner::Key => (3, 0),
        };
        file.push(kind);
        file.push(u8::from(key.is_some()));
        file.extend_from_slice(&[0; 2]);
        file.extend_from_slice(&self.stream.0);
        file.extend_from_slice(&consumer.to_le_bytes());
        file.extend_from_slice(&self.revision.to_le_bytes());
        file.extend_from_slice(&self.created.0.to_le_bytes());
        file.extend_from_slice(&(stored_len as u64).to_le_bytes());
        let head: [u8; CHECKSUM_AT] = *file.first_chunk().expect("just written");
        file.extend_from_slice(&[0; HEAD_LEN - CHECKSUM_AT]);
        match key {
            Some(key) => key.seal(&self.body, &head, rng, &mut file),
            None => file.extend_from_slice(&self.body),
        }
        let checksum = checksum(&head, &file[HEAD_LEN..]);
        file[CHECKSUM_AT..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
        file.resize(file.len().next_multiple_of(PAGE_SIZE), 0);
        file
    }

    /// # Errors
    /// [`ContentError`]. Damage is told from a wrong key.
    pub fn decode(file: &[u8], key: Option<&MetaKey>) -> Result<Stored, ContentError> {
        let (head, rest) = file.split_first_chunk::<HEAD_LEN>().ok_or(ContentError::NotMeta)?;
        if head[..8] != MAGIC {
            return Err(ContentError::NotMeta);
        }
        let (head, stored_checksum) = head.split_first_chunk::<CHECKSUM_AT>().expect("a part of the head");
        let stored_len = usize::try_from(u64_at(head, 56)).map_err(|_| ContentError::Damaged)?;
        let (body, rest) = rest.split_at_checked(stored_len).ok_or(ContentError::Damaged)?;
        // Zeros up to the page's end and no page more: each byte of the file is held to something.
        let is_filled = rest.len() < PAGE_SIZE
            && file.len().is_multiple_of(PAGE_SIZE)
            && rest.iter().all(|&byte| byte == 0);
        if !is_filled || checksum(head, body).to_le_bytes() != *stored_checksum {
            return Err(ContentError::Damaged);
        }
        // Length and checksum stand at the same places in every version, so that a version is believed only when intact.
        let version = u32::from_le_bytes(*head[8..].first_chunk().expect("inside the head"));
        if version != VERSION {
            return Err(ContentError::Version(version));
        }
        let owner = match head[12] {
            1 => Owner::Stream,
            2 => Owner::Consumer(u64_at(head, 32)),
            3 => Owner::Key,
            _ => return Err(ContentError::Damaged),
        };
        let is_sealed = match head[13] {
            0 => false,
            1 => true,
            _ => return Err(ContentError::Damaged),
        };
        let body = if is_sealed {
            let key = key.ok_or(ContentError::NoKey)?;
            key.open(body, head).ok_or(ContentError::WrongKey)?
        } else {
            body.to_vec()
        };
        let meta = Self {
            owner,
            stream: StreamId(*head[16..].first_chunk().expect("inside the head")),
            revision: u64_at(head, 40),
            created: Timestamp(u64_at(head, 48).cast_signed()),
            body,
        };
        Ok(Stored { meta, is_sealed })
    }
}

fn checksum(head: &[u8; CHECKSUM_AT], body: &[u8]) -> u64 {
    let mut hash = Xxh64::new(0);
    hash.update(head);
    hash.update(body);
    hash.digest()
}

fn u64_at(head: &[u8; CHECKSUM_AT], at: usize) -> u64 {
    u64::from_le_bytes(*head[at..].first_chunk().expect("inside the head"))
}

/// Bytes before the body.
pub const HEAD_LEN: usize = 72;
/// Bytes of the longest body, far above any configuration. Longer files are not read.
pub const BODY_MAX: usize = 16 << 20;
/// The format's version, in every file.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"NTRMETA\0";
const CHECKSUM_AT: usize = 64;
const _: () = assert!(CHECKSUM_AT + size_of::<u64>() == HEAD_LEN);
/// Bytes of the longest file.
pub(super) const FILE_MAX: usize = (HEAD_LEN + BODY_MAX + SEAL_OVERHEAD).next_multiple_of(PAGE_SIZE);

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;
    use crate::keys::StreamKey;

    fn rng() -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(1)
    }

    fn meta(owner: Owner) -> Meta {
        Meta {
            owner,
            stream: StreamId(*b"0123456789abcdef"),
            revision: 3,
            created: Timestamp(1_700_000_000_000_000_000),
            body: br#"{"name":"ORDERS"}"#.to_vec(),
        }
    }

    #[test]
    fn the_layout_is_the_one_written_down() {
        let file = meta(Owner::Consumer(5)).encode(None, &mut rng());
        assert_eq!(file.len(), PAGE_SIZE);
        assert_eq!(&file[..16], b"NTRMETA\0\x01\0\0\0\x02\0\0\0");
        assert_eq!(&file[16..32], b"0123456789abcdef");
        assert_eq!(&file[32..48], b"\x05\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(&file[48..56], &1_700_000_000_000_000_000i64.to_le_bytes());
        assert_eq!(&file[56..64], b"\x11\0\0\0\0\0\0\0");
        assert_eq!(&file[72..89], br#"{"name":"ORDERS"}"#);
        assert!(file[89..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_flip_of_any_bit_and_every_cut_is_seen() {
        let key = StreamKey::generate(&mut rng()).meta_key();
        for key in [None, Some(&key)] {
            let file = meta(Owner::Stream).encode(key, &mut rng());
            for bit in 0..file.len() * 8 {
                let mut damaged = file.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let error = Meta::decode(&damaged, key).unwrap_err();
                let expected = if bit < 64 { ContentError::NotMeta } else { ContentError::Damaged };
                assert_eq!(error, expected, "bit {bit}");
            }
            for len in 0..file.len() {
                assert!(Meta::decode(&file[..len], key).is_err(), "{len} bytes");
            }
            let longer = [&file[..], &[0; PAGE_SIZE]].concat();
            assert_eq!(Meta::decode(&longer, key), Err(ContentError::Damaged));
        }
    }

    #[test]
    fn a_sealed_body_cannot_be_read_without_its_key() {
        let (key, other) = (StreamKey::generate(&mut rng()), StreamKey::generate(&mut rng().clone_ahead()));
        let (key, other) = (key.meta_key(), other.meta_key());
        let file = meta(Owner::Stream).encode(Some(&key), &mut rng());
        assert!(!file.windows(6).any(|window| window == b"ORDERS"));
        assert_eq!(Meta::decode(&file, None), Err(ContentError::NoKey));
        assert_eq!(Meta::decode(&file, Some(&other)), Err(ContentError::WrongKey));
        let stored = Stored { meta: meta(Owner::Stream), is_sealed: true };
        assert_eq!(Meta::decode(&file, Some(&key)), Ok(stored));
    }

    #[test]
    fn a_sealed_body_is_bound_to_its_head() {
        let key = StreamKey::generate(&mut rng()).meta_key();
        let mut file = meta(Owner::Stream).encode(Some(&key), &mut rng());
        file[40] += 1;
        let len = usize::from(file[56]);
        let checksum = checksum(file.first_chunk().unwrap(), &file[HEAD_LEN..HEAD_LEN + len]);
        file[CHECKSUM_AT..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Meta::decode(&file, Some(&key)), Err(ContentError::WrongKey));
    }

    #[test]
    fn what_is_not_sealed_says_so_and_a_key_file_never_is() {
        let key = StreamKey::generate(&mut rng()).meta_key();
        let plain = meta(Owner::Stream).encode(None, &mut rng());
        assert!(!Meta::decode(&plain, Some(&key)).unwrap().is_sealed);
        let wrapped = meta(Owner::Key).encode(Some(&key), &mut rng());
        assert_eq!(Meta::decode(&wrapped, None), Ok(Stored { meta: meta(Owner::Key), is_sealed: false }));
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut file = meta(Owner::Stream).encode(None, &mut rng());
        file[8] = 9;
        let len = usize::from(file[56]);
        let checksum = checksum(file.first_chunk().unwrap(), &file[HEAD_LEN..HEAD_LEN + len]);
        file[CHECKSUM_AT..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Meta::decode(&file, None), Err(ContentError::Version(9)));
    }

    trait CloneAhead {
        fn clone_ahead(self) -> Self;
    }

    impl CloneAhead for Xoshiro256PlusPlus {
        fn clone_ahead(mut self) -> Self {
            self.jump();
            self
        }
    }

    proptest! {
        #[test]
        fn every_body_comes_back(body in vec(any::<u8>(), 0..10_000), sealed: bool, revision: u64, created: i64, consumer: u64) {
            let key = StreamKey::generate(&mut rng()).meta_key();
            let key = sealed.then_some(&key);
            let created = Timestamp(created);
            let meta = Meta { owner: Owner::Consumer(consumer), stream: StreamId([7; 16]), revision, created, body };
            let file = meta.encode(key, &mut rng());
            prop_assert!(file.len().is_multiple_of(PAGE_SIZE));
            prop_assert_eq!(Meta::decode(&file, key), Ok(Stored { meta, is_sealed: sealed }));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Meta::decode(&[&MAGIC[..], &bytes].concat(), None);
            let _ = Meta::decode(&bytes, None);
        }
    }
}
