//! The two ciphers of a block behind one face, and the rule that a nonce never repeats.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use rand_core::RngCore;

use crate::block::header::Encryption;
use crate::keys::BlockKey;

/// Bytes that sealing adds to a body: the tag, behind it.
pub const TAG_LEN: usize = 16;

/// Opens what was sealed in one generation of one block.
pub struct BlockCipher(Cipher);

/// Seals the frames of one block, in ascending order.
///
/// There is one only with the key it makes ([`Sealer::create`]), never from a key that was read from a disk: where a writer
/// was interrupted, a torn frame may lie under a nonce that would be used again. So nothing is added to such a block, not
/// even its footer: it is read as it is and then rewritten, and a new generation has a new key.
pub struct Sealer {
    cipher: Cipher,
    nonces: NonceSequence,
}

/// Each number once: two bodies under one nonce and key would give both away.
#[derive(Debug, Default)]
struct NonceSequence {
    last: Option<(u64, u32)>,
}

#[expect(clippy::large_enum_variant, reason = "one a block; a box would cost each frame a step")]
enum Cipher {
    ChaCha20Poly1305(ChaCha20Poly1305),
    Aes256Gcm(Aes256Gcm),
}

impl BlockCipher {
    /// `None` without encryption.
    #[must_use]
    pub fn new(encryption: Encryption, key: &BlockKey) -> Option<Self> {
        Cipher::new(encryption, key).map(Self)
    }

    /// Opens `body` in place and cuts its tag off. `false` where it was not sealed with this key, this place and this
    /// `aad`; `body` is of no use then.
    #[must_use]
    pub(super) fn open(&self, commit: u64, index: u32, aad: &[u8], body: &mut [u8]) -> bool {
        let Some(plain_len) = body.len().checked_sub(TAG_LEN) else { return false };
        let (text, tag) = body.split_at_mut(plain_len);
        let (nonce, tag) = (nonce(commit, index), Tag::from_slice(tag));
        match &self.0 {
            Cipher::ChaCha20Poly1305(cipher) => cipher.decrypt_in_place_detached(&nonce, aad, text, tag),
            Cipher::Aes256Gcm(cipher) => cipher.decrypt_in_place_detached(&nonce, aad, text, tag),
        }
        .is_ok()
    }
}

impl Sealer {
    /// A key for a block that does not exist yet, to be wrapped into its head, and what seals with it. `None` without
    /// encryption.
    #[must_use]
    pub fn create(encryption: Encryption, rng: &mut impl RngCore) -> Option<(Self, BlockKey)> {
        let key = BlockKey::generate(rng);
        let cipher = Cipher::new(encryption, &key)?;
        Some((Self { cipher, nonces: NonceSequence::default() }, key))
    }

    /// Encrypts `text` in place and returns its tag.
    ///
    /// # Panics
    /// If the place is not behind that of the frame sealed before.
    pub(super) fn seal(&mut self, commit: u64, index: u32, aad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = self.nonces.take(commit, index);
        match &self.cipher {
            Cipher::ChaCha20Poly1305(cipher) => cipher.encrypt_in_place_detached(&nonce, aad, text),
            Cipher::Aes256Gcm(cipher) => cipher.encrypt_in_place_detached(&nonce, aad, text),
        }
        .expect("a frame is far below the 64 GiB that a nonce is good for")
        .into()
    }
}

impl NonceSequence {
    fn take(&mut self, commit: u64, index: u32) -> Nonce {
        let place = (commit, index);
        assert!(self.last < Some(place), "frame {place:?} would be sealed behind {:?}", self.last);
        self.last = Some(place);
        nonce(commit, index)
    }
}

impl Cipher {
    fn new(encryption: Encryption, key: &BlockKey) -> Option<Self> {
        let key = key.bytes().into();
        match encryption {
            Encryption::None => None,
            Encryption::ChaCha20Poly1305 => Some(Self::ChaCha20Poly1305(ChaCha20Poly1305::new(key))),
            Encryption::Aes256Gcm => Some(Self::Aes256Gcm(Aes256Gcm::new(key))),
        }
    }
}

/// Both ciphers take 12 bytes: the commit and the index in it, little-endian.
fn nonce(commit: u64, index: u32) -> Nonce {
    let mut nonce = Nonce::default();
    nonce[..8].copy_from_slice(&commit.to_le_bytes());
    nonce[8..].copy_from_slice(&index.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    const CIPHERS: [Encryption; 2] = [Encryption::ChaCha20Poly1305, Encryption::Aes256Gcm];

    fn pair(encryption: Encryption, seed: u64) -> (Sealer, BlockCipher) {
        let (sealer, key) = Sealer::create(encryption, &mut Xoshiro256PlusPlus::seed_from_u64(seed)).unwrap();
        (sealer, BlockCipher::new(encryption, &key).unwrap())
    }

    fn sealed(sealer: &mut Sealer, commit: u64, index: u32, text: &[u8]) -> Vec<u8> {
        let mut body = text.to_vec();
        let tag = sealer.seal(commit, index, b"head", &mut body);
        body.extend_from_slice(&tag);
        body
    }

    #[test]
    fn a_body_opens_only_with_its_key_place_and_head() {
        for encryption in CIPHERS {
            let (mut sealer, cipher) = pair(encryption, 1);
            let body = sealed(&mut sealer, 7, 2, b"hello");
            assert_ne!(&body[..5], b"hello");
            let opens = |cipher: &BlockCipher, commit, index, aad: &[u8]| {
                let mut body = body.clone();
                cipher.open(commit, index, aad, &mut body).then(|| body[..5].to_vec())
            };
            assert_eq!(opens(&cipher, 7, 2, b"head").as_deref(), Some(&b"hello"[..]));
            assert_eq!(opens(&cipher, 8, 2, b"head"), None);
            assert_eq!(opens(&cipher, 7, 3, b"head"), None);
            assert_eq!(opens(&cipher, 7, 2, b"heat"), None);
            assert_eq!(opens(&pair(encryption, 2).1, 7, 2, b"head"), None);
        }
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        for encryption in CIPHERS {
            let (mut sealer, cipher) = pair(encryption, 1);
            let body = sealed(&mut sealer, 1, 0, b"hello");
            for bit in 0..body.len() * 8 {
                let mut damaged = body.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(!cipher.open(1, 0, b"head", &mut damaged), "{encryption:?}, bit {bit}");
            }
            for len in 0..body.len() {
                assert!(
                    !cipher.open(1, 0, b"head", &mut body[..len].to_vec()),
                    "{encryption:?}, {len} bytes"
                );
            }
        }
    }

    /// The vector of RFC 8439, section 2.8.2, with this nonce as a commit and an index.
    #[test]
    fn chacha20_poly1305_is_the_one_of_the_rfc() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let cipher = Cipher::new(Encryption::ChaCha20Poly1305, &BlockKey::from_bytes(key)).unwrap();
        let mut sealer = Sealer { cipher, nonces: NonceSequence::default() };
        let commit = u64::from_le_bytes([7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43]);
        let index = u32::from_le_bytes([0x44, 0x45, 0x46, 0x47]);
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for \
            the future, sunscreen would be it.";
        let tag = sealer.seal(commit, index, &aad, &mut text);
        assert_eq!(&text[..8], &[0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(
            tag,
            [0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91]
        );
    }

    /// Test case 14 of the specification of GCM: one block of zeros under a key and a nonce of zeros.
    #[test]
    fn aes_256_gcm_is_the_one_of_the_specification() {
        let cipher = Cipher::new(Encryption::Aes256Gcm, &BlockKey::from_bytes([0; 32])).unwrap();
        let mut sealer = Sealer { cipher, nonces: NonceSequence::default() };
        let mut text = [0; 16];
        let tag = sealer.seal(0, 0, &[], &mut text);
        assert_eq!(u128::from_be_bytes(text), 0xcea7_403d_4d60_6b6e_074e_c5d3_baf3_9d18);
        assert_eq!(u128::from_be_bytes(tag), 0xd0d1_c8a7_9999_6bf0_265b_98b5_d48a_b919);
    }

    #[test]
    #[should_panic(expected = "would be sealed behind")]
    fn a_place_is_not_sealed_twice() {
        let (mut sealer, _) = pair(Encryption::Aes256Gcm, 1);
        sealed(&mut sealer, 7, 2, b"");
        sealed(&mut sealer, 7, 2, b"");
    }

    #[test]
    #[should_panic(expected = "would be sealed behind")]
    fn a_place_before_the_last_is_not_sealed() {
        let (mut sealer, _) = pair(Encryption::Aes256Gcm, 1);
        sealed(&mut sealer, 8, 0, b"");
        sealed(&mut sealer, 7, 9, b"");
    }

    #[test]
    fn no_encryption_is_no_cipher() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        assert!(Sealer::create(Encryption::None, &mut rng).is_none());
        assert!(BlockCipher::new(Encryption::None, &BlockKey::generate(&mut rng)).is_none());
    }
}
