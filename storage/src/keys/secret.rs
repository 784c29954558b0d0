//! Keys of 32 bytes, each of a type of its own.

use std::fmt;

use hmac::{Hmac, Mac};
use rand_core::RngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::wrap;
use crate::block::header::{Encryption, StreamId};

pub(crate) const KEY_LEN: usize = 32;

/// Overwritten when dropped.
pub(super) struct Secret(Zeroizing<[u8; KEY_LEN]>);

/// Wraps the keys of one stream's blocks. Random, and as old as the stream's encryption.
pub struct StreamKey(Secret);

/// Encrypts the frames of one generation of one block.
pub struct BlockKey(Secret);

/// Encrypts what is known of a stream and its consumers. Follows from the stream's key.
pub struct MetaKey(Secret);

impl Secret {
    pub(super) fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(super) fn generate(rng: &mut impl RngCore) -> Self {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(&mut *key);
        Self(key)
    }

    /// HMAC-SHA256 under `key` of `parts`, each behind its length, so that no two lists of parts give one input.
    pub(super) fn derive(key: &[u8], parts: &[&[u8]]) -> Self {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        Self::new(mac.finalize().into_bytes().into())
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl StreamKey {
    /// `rng` is the operating system's outside of tests.
    #[must_use]
    pub fn generate(rng: &mut impl RngCore) -> Self {
        Self(Secret::generate(rng))
    }

    pub(super) fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }

    /// The key of a block as it stands in the block's head.
    #[must_use]
    pub fn wrap_block_key(&self, key: &BlockKey, block: BlockIdentity, rng: &mut impl RngCore) -> Vec<u8> {
        wrap::wrap(&self.0, &key.0, &block.aad(), rng)
    }

    /// `None` where `wrapped` was not made by this key for this very block.
    #[must_use]
    pub fn unwrap_block_key(&self, wrapped: &[u8], block: BlockIdentity) -> Option<BlockKey> {
        wrap::unwrap(&self.0, wrapped, &block.aad()).map(BlockKey)
    }

    #[must_use]
    pub fn meta_key(&self) -> MetaKey {
        MetaKey(Secret::derive(self.0.bytes(), &[b"natrium metadata 1"]))
    }
}

impl BlockKey {
    /// Only together with what seals with it: [`crate::coding::Sealer::create`].
    pub(crate) fn generate(rng: &mut impl RngCore) -> Self {
        Self(Secret::generate(rng))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        self.0.bytes()
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Secret::new(bytes))
    }
}

impl MetaKey {
    /// Appends `plain` sealed: [`super::SEAL_OVERHEAD`] bytes more.
    pub fn seal(&self, plain: &[u8], aad: &[u8], rng: &mut impl RngCore, out: &mut Vec<u8>) {
        wrap::seal(&self.0, plain, aad, rng, out);
    }

    /// `None` where `sealed` was not made with this key and `aad`.
    #[must_use]
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
        wrap::open(&self.0, sealed, aad)
    }
}

/// Whose a block's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockIdentity {
    pub stream: StreamId,
    pub number: u64,
    pub generation: u64,
    /// Bound too, so that one key is never used in two ciphers.
    pub encryption: Encryption,
}

impl BlockIdentity {
    fn aad(self) -> Vec<u8> {
        let mut aad = b"natrium block key 1\0".to_vec();
        aad.extend_from_slice(&self.stream.0);
        aad.extend_from_slice(&self.number.to_le_bytes());
        aad.extend_from_slice(&self.generation.to_le_bytes());
        aad.push(match self.encryption {
            Encryption::None => 0,
            Encryption::ChaCha20Poly1305 => 1,
            Encryption::Aes256Gcm => 2,
        });
        aad
    }
}

/// Nothing of a key is shown, not even by accident in a struct that holds one.
macro_rules! opaque {
    ($($key:ident),*) => {$(
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($key), "(..)"))
            }
        }
    )*};
}
opaque!(Secret, StreamKey, BlockKey, MetaKey);

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const BLOCK: BlockIdentity = BlockIdentity {
        stream: StreamId([1; 16]),
        number: 7,
        generation: 2,
        encryption: Encryption::ChaCha20Poly1305,
    };

    #[test]
    fn a_block_key_opens_only_for_its_block_and_stream_key() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let (stream, other_stream) = (StreamKey::generate(&mut rng), StreamKey::generate(&mut rng));
        let key = BlockKey::generate(&mut rng);
        let wrapped = stream.wrap_block_key(&key, BLOCK, &mut rng);
        let back = stream.unwrap_block_key(&wrapped, BLOCK).unwrap();
        assert_eq!(back.bytes(), key.bytes());
        assert!(other_stream.unwrap_block_key(&wrapped, BLOCK).is_none());
        for other in [
            BlockIdentity { stream: StreamId([2; 16]), ..BLOCK },
            BlockIdentity { number: 8, ..BLOCK },
            BlockIdentity { generation: 3, ..BLOCK },
            BlockIdentity { encryption: Encryption::Aes256Gcm, ..BLOCK },
        ] {
            assert!(stream.unwrap_block_key(&wrapped, other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn one_key_is_wrapped_differently_each_time() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let (stream, key) = (StreamKey::generate(&mut rng), BlockKey::generate(&mut rng));
        let wrapped = stream.wrap_block_key(&key, BLOCK, &mut rng);
        assert_ne!(wrapped, stream.wrap_block_key(&key, BLOCK, &mut rng));
    }

    /// RFC 4231, test case 2, as far as the lengths before the parts let it be compared: the parts are not just strung
    /// together.
    #[test]
    fn parts_of_a_derivation_do_not_run_into_one_another() {
        let derive = |parts: &[&[u8]]| *Secret::derive(b"key", parts).bytes();
        assert_ne!(derive(&[b"ab", b"c"]), derive(&[b"a", b"bc"]));
        assert_ne!(derive(&[b"ab"]), derive(&[b"ab", b""]));
        assert_eq!(derive(&[b"ab", b"c"]), derive(&[b"ab", b"c"]));
    }

    #[test]
    fn keys_show_nothing() {
        let key = BlockKey::from_bytes([0x41; KEY_LEN]);
        assert_eq!(format!("{key:?}"), "BlockKey(..)");
        let stream = StreamKey::generate(&mut Xoshiro256PlusPlus::seed_from_u64(1));
        assert_eq!(format!("{stream:?} {:?}", stream.meta_key()), "StreamKey(..) MetaKey(..)");
    }
}
