//! Sealing with a random nonce: keys under keys, and metadata.

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand_core::RngCore;
use zeroize::Zeroizing;

use super::secret::{KEY_LEN, Secret};

/// Bytes of a wrapped key: the version of the wrap, then a sealed key.
pub const WRAPPED_LEN: usize = 1 + SEAL_OVERHEAD + KEY_LEN;
/// Bytes that sealing adds: a nonce before, a tag behind.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + TAG_LEN;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
pub(super) const VERSION: u8 = 1;

pub(super) fn wrap(under: &Secret, key: &Secret, aad: &[u8], rng: &mut impl RngCore) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(WRAPPED_LEN);
    wrapped.push(VERSION);
    seal(under, key.bytes(), aad, rng, &mut wrapped);
    wrapped
}

pub(super) fn unwrap(under: &Secret, wrapped: &[u8], aad: &[u8]) -> Option<Secret> {
    let (&VERSION, sealed) = wrapped.split_first()? else { return None };
    let key = Zeroizing::new(open(under, sealed, aad)?);
    Some(Secret::new(*key.first_chunk().filter(|_| key.len() == KEY_LEN)?))
}

/// Appends `nonce 24 | ciphertext | tag 16` of `plain`.
pub(super) fn seal(key: &Secret, plain: &[u8], aad: &[u8], rng: &mut impl RngCore, out: &mut Vec<u8>) {
    let mut nonce = XNonce::default();
    rng.fill_bytes(&mut nonce);
    // Room for all of it first: a buffer that grew would leave a copy of the plain bytes behind.
    out.reserve(SEAL_OVERHEAD + plain.len());
    out.extend_from_slice(&nonce);
    let text = out.len();
    out.extend_from_slice(plain);
    let tag = XChaCha20Poly1305::new(key.bytes().into())
        .encrypt_in_place_detached(&nonce, aad, &mut out[text..])
        .expect("far below the 256 GiB that a nonce is good for");
    out.extend_from_slice(&tag);
}

/// What [`seal`] was given. `None` where it was not this key, this `aad` and these bytes.
pub(super) fn open(key: &Secret, sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_LEN)?)?;
    let mut plain = text.to_vec();
    XChaCha20Poly1305::new(key.bytes().into())
        .decrypt_in_place_detached(XNonce::from_slice(nonce), aad, &mut plain, Tag::from_slice(tag))
        .ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_flip_of_any_bit_and_every_cut_is_seen() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let (under, key) = (Secret::generate(&mut rng), Secret::generate(&mut rng));
        let wrapped = wrap(&under, &key, b"aad", &mut rng);
        assert_eq!(wrapped.len(), WRAPPED_LEN);
        assert_eq!(unwrap(&under, &wrapped, b"aad").unwrap().bytes(), key.bytes());
        assert!(unwrap(&under, &wrapped, b"aab").is_none());
        for bit in 0..wrapped.len() * 8 {
            let mut damaged = wrapped.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(&under, &damaged, b"aad").is_none(), "bit {bit}");
        }
        for len in 0..wrapped.len() {
            assert!(unwrap(&under, &wrapped[..len], b"aad").is_none(), "{len} bytes");
        }
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let under = Secret::generate(&mut rng);
        for len in [0, KEY_LEN - 1, KEY_LEN + 1] {
            let mut wrapped = vec![VERSION];
            seal(&under, &vec![7; len], b"aad", &mut rng, &mut wrapped);
            assert!(unwrap(&under, &wrapped, b"aad").is_none(), "{len} bytes");
        }
    }

    /// The vector of draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn xchacha20_poly1305_is_the_one_of_the_draft() {
        let key = Secret::new(std::array::from_fn(|at| 0x80 + at as u8));
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it.";
        struct Fixed;
        impl RngCore for Fixed {
            fn next_u32(&mut self) -> u32 {
                0
            }
            fn next_u64(&mut self) -> u64 {
                0
            }
            fn fill_bytes(&mut self, bytes: &mut [u8]) {
                bytes.iter_mut().zip(0x40..).for_each(|(byte, value)| *byte = value);
            }
        }
        let mut sealed = Vec::new();
        seal(&key, text, &aad, &mut Fixed, &mut sealed);
        assert_eq!(&sealed[NONCE_LEN..NONCE_LEN + 8], &[0xbd, 0x6d, 0x17, 0x9d, 0x3e, 0x83, 0xd4, 0x3b]);
        let tag = u128::from_be_bytes(*sealed.last_chunk().unwrap());
        assert_eq!(tag, 0xc087_5924_c1c7_9879_47de_afd8_780a_cf49);
    }
}
