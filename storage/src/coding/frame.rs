//! From the entries of a frame to its bytes on disk and back.

use bytes::{Bytes, BytesMut};

use super::cipher::{BlockCipher, Sealer, TAG_LEN};
use crate::block::frame::{FRAME_HEAD_LEN, FrameHead, FrameKind};
use crate::block::header::Compression;

/// Bytes of the largest body before compression and encryption: 64 KiB of entries that fill up, and one more record of up
/// to 64 MiB, which is twice what the reference stores. A head that tells of more is refused before anything is allocated.
pub const FRAME_PLAIN_MAX: usize = (64 << 10) + (64 << 20);

/// What the writer says of a frame; the rest of its head follows from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFields {
    pub kind: FrameKind,
    pub is_last: bool,
    pub commit: u64,
    pub index: u32,
    /// Where its first entry is among all entries of the block.
    pub at: u32,
}

/// Makes the frames of one block.
pub struct FrameEncoder {
    compression: Compression,
    sealer: Option<Sealer>,
    /// Kept for its table, which a frame would otherwise allocate anew.
    snappy: snap::raw::Encoder,
}

/// Why the body of a frame is not what was written. The head was intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    #[error("a frame of {0} bytes; {FRAME_PLAIN_MAX} is the most")]
    TooLarge(u32),
    /// Fewer bytes follow than the head tells of.
    #[error("the frame has {expected} bytes, {found} are there")]
    Short { expected: u32, found: usize },
    #[error("checksum {stored:#018x} on disk, {computed:#018x} computed")]
    Checksum { stored: u64, computed: u64 },
    /// The checksum is right and the seal is not: the wrong key, or bytes made by someone without it.
    #[error("the frame does not open with the key of its block")]
    Seal,
    /// What was compressed, or its length, is not what the head tells of.
    #[error("the frame does not decompress to the {0} bytes its head tells of")]
    Compression(u32),
}

impl FrameEncoder {
    /// `sealer` where the block is encrypted.
    #[must_use]
    pub fn new(compression: Compression, sealer: Option<Sealer>) -> Self {
        Self { compression, sealer, snappy: snap::raw::Encoder::new() }
    }

    /// Appends the frame that begins at `offset` of the block's file: its head, and `plain` as it is stored. `salt` is the
    /// block's.
    ///
    /// # Panics
    /// If `plain` is longer than [`FRAME_PLAIN_MAX`], or, with encryption, if the frame's place is not behind that of the
    /// one before.
    pub fn encode(
        &mut self,
        frame: FrameFields,
        plain: &[u8],
        salt: u64,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> FrameHead {
        let start = out.len();
        out.resize(start + self.len_max(plain.len()), 0);
        let head = self.encode_into(frame, plain, salt, offset, &mut out[start..]);
        out.truncate(start + head.len_on_disk() as usize);
        head
    }

    /// The most bytes a frame takes.
    #[must_use]
    pub fn len_max(&self, plain_len: usize) -> usize {
        let body = match self.compression {
            Compression::None => plain_len,
            Compression::Snappy => snap::raw::max_compress_len(plain_len),
        };
        FRAME_HEAD_LEN + body + self.tag_len()
    }

    /// [`Self::encode`] to the front of `out`, of which it leaves the rest as it likes.
    ///
    /// # Panics
    /// As there, and if `out` is shorter than [`Self::len_max`].
    pub fn encode_into(
        &mut self,
        frame: FrameFields,
        plain: &[u8],
        salt: u64,
        offset: u64,
        out: &mut [u8],
    ) -> FrameHead {
        assert!(plain.len() <= FRAME_PLAIN_MAX, "a frame of {} bytes", plain.len());
        let FrameFields { kind, is_last, commit, index, at } = frame;
        let (front, body) = out.split_at_mut(FRAME_HEAD_LEN);
        let compressed = match self.compression {
            Compression::None => None,
            Compression::Snappy => self.compress(plain, body),
        };
        let len = compressed.unwrap_or(plain.len());
        if compressed.is_none() {
            body[..len].copy_from_slice(plain);
        }
        let tag_len = self.tag_len();
        let mut head = FrameHead {
            kind,
            is_last,
            is_compressed: compressed.is_some(),
            commit,
            index,
            stored_len: (len + tag_len) as u32,
            plain_len: plain.len() as u32,
            at,
            body_checksum: 0,
        };
        if let Some(sealer) = &mut self.sealer {
            let tag = sealer.seal(commit, index, &head.fields(), &mut body[..len]);
            body[len..len + tag_len].copy_from_slice(&tag);
        }
        head.body_checksum = FrameHead::checksum_of(&body[..len + tag_len], salt, offset);
        front.copy_from_slice(&head.encode(salt, offset));
        head
    }

    fn tag_len(&self) -> usize {
        if self.sealer.is_some() { TAG_LEN } else { 0 }
    }

    /// Bytes of `plain` compressed, where that is shorter.
    fn compress(&mut self, plain: &[u8], out: &mut [u8]) -> Option<usize> {
        let len = self
            .snappy
            .compress(plain, out)
            .expect("the output has room for the worst case and the input is below 4 GiB");
        (len < plain.len()).then_some(len)
    }
}

/// The entries of the frame with `head`, which stands at `offset` of the block's file. `stored` is what follows the head
/// and may be longer than the frame. `cipher` where the block is encrypted. A body that is stored as it is comes back
/// without a copy.
///
/// # Errors
/// [`CodingError`]; nothing of the frame may be believed then.
pub fn decode_frame(
    head: &FrameHead,
    stored: Bytes,
    cipher: Option<&BlockCipher>,
    salt: u64,
    offset: u64,
) -> Result<Bytes, CodingError> {
    if head.plain_len as usize > FRAME_PLAIN_MAX {
        return Err(CodingError::TooLarge(head.plain_len));
    }
    let stored_len = head.stored_len as usize;
    if stored.len() < stored_len {
        return Err(CodingError::Short { expected: head.stored_len, found: stored.len() });
    }
    let mut body = stored;
    body.truncate(stored_len);
    let computed = FrameHead::checksum_of(&body, salt, offset);
    if computed != head.body_checksum {
        return Err(CodingError::Checksum { stored: head.body_checksum, computed });
    }
    if let Some(cipher) = cipher {
        body = open(head, body, cipher)?;
    }
    if head.is_compressed {
        return decompress(head, &body);
    }
    if body.len() == head.plain_len as usize {
        Ok(body)
    } else {
        Err(CodingError::Compression(head.plain_len))
    }
}

fn open(head: &FrameHead, body: Bytes, cipher: &BlockCipher) -> Result<Bytes, CodingError> {
    // In place where nobody else holds the buffer it was read into.
    let mut body = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    if !cipher.open(head.commit, head.index, &head.fields(), &mut body) {
        return Err(CodingError::Seal);
    }
    body.truncate(body.len() - TAG_LEN);
    Ok(body.freeze())
}

fn decompress(head: &FrameHead, body: &[u8]) -> Result<Bytes, CodingError> {
    let refused = CodingError::Compression(head.plain_len);
    let plain_len = head.plain_len as usize;
    // Asked before the output is allocated: the body has a length of its own.
    if snap::raw::decompress_len(body) != Ok(plain_len) {
        return Err(refused);
    }
    let mut plain = vec![0; plain_len];
    match snap::raw::Decoder::new().decompress(body, &mut plain) {
        Ok(len) if len == plain_len => Ok(Bytes::from(plain)),
        Ok(_) | Err(_) => Err(refused),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;
    use crate::block::header::Encryption;

    const SALT: u64 = 5;
    const OFFSET: u64 = 8192;
    const FRAME: FrameFields =
        FrameFields { kind: FrameKind::Entries, is_last: true, commit: 3, index: 1, at: 2 };
    const ENCRYPTIONS: [Encryption; 3] =
        [Encryption::None, Encryption::ChaCha20Poly1305, Encryption::Aes256Gcm];
    const COMPRESSIONS: [Compression; 2] = [Compression::None, Compression::Snappy];

    struct Block {
        encoder: FrameEncoder,
        cipher: Option<BlockCipher>,
    }

    impl Block {
        fn new(compression: Compression, encryption: Encryption) -> Self {
            let made = Sealer::create(encryption, &mut Xoshiro256PlusPlus::seed_from_u64(1));
            let (sealer, cipher) =
                made.map(|(sealer, key)| (sealer, BlockCipher::new(encryption, &key).unwrap())).unzip();
            Self { encoder: FrameEncoder::new(compression, sealer), cipher }
        }

        fn encode(&mut self, plain: &[u8]) -> (FrameHead, Vec<u8>) {
            let mut out = b"before".to_vec();
            let head = self.encoder.encode(FRAME, plain, SALT, OFFSET, &mut out);
            let frame = out.strip_prefix(b"before").unwrap();
            assert_eq!(frame.len() as u64, head.len_on_disk());
            assert_eq!(FrameHead::decode(frame, SALT, OFFSET), Some(head));
            (head, frame[FRAME_HEAD_LEN..].to_vec())
        }

        fn decode(&self, head: &FrameHead, body: Vec<u8>) -> Result<Bytes, CodingError> {
            decode_frame(head, body.into(), self.cipher.as_ref(), SALT, OFFSET)
        }
    }

    fn all(mut test: impl FnMut(Block, Compression, Encryption)) {
        for compression in COMPRESSIONS {
            for encryption in ENCRYPTIONS {
                test(Block::new(compression, encryption), compression, encryption);
            }
        }
    }

    #[test]
    fn a_body_comes_back_from_every_coding() {
        let text = b"the same words again and again, ".repeat(100);
        all(|mut block, compression, encryption| {
            let (head, body) = block.encode(&text);
            assert_eq!(head.is_compressed, compression == Compression::Snappy);
            let tag = if encryption == Encryption::None { 0 } else { TAG_LEN };
            match compression {
                Compression::None => assert_eq!(body.len(), text.len() + tag),
                Compression::Snappy => assert!(body.len() < text.len() / 10, "{} bytes", body.len()),
            }
            let readable = body.windows(16).any(|window| window == &text[..16]);
            assert_eq!(readable, encryption == Encryption::None, "{compression:?} {encryption:?}");
            assert_eq!(block.decode(&head, body).unwrap(), text);
        });
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        for plain in [&b""[..], b"a", b"no word in here occurs twice"] {
            let mut block = Block::new(Compression::Snappy, Encryption::None);
            let (head, body) = block.encode(plain);
            assert!(!head.is_compressed);
            assert_eq!(body, plain);
            assert_eq!(block.decode(&head, body).unwrap(), plain);
        }
    }

    #[test]
    fn a_plain_body_is_not_copied() {
        let mut block = Block::new(Compression::None, Encryption::None);
        let (head, body) = block.encode(b"hello");
        let stored = Bytes::from([&body[..], b"the next page"].concat());
        let plain = decode_frame(&head, stored.clone(), None, SALT, OFFSET).unwrap();
        assert_eq!(plain, "hello");
        assert_eq!(plain.as_ptr(), stored.as_ptr());
    }

    #[test]
    fn a_flip_of_any_bit_is_seen_and_seals_see_it_without_the_checksum() {
        let text = b"the same words again and again, ".repeat(3);
        all(|mut block, compression, encryption| {
            let (head, body) = block.encode(&text);
            for bit in 0..body.len() * 8 {
                let mut damaged = body.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let refused = block.decode(&head, damaged.clone());
                assert!(matches!(refused, Err(CodingError::Checksum { .. })), "{refused:?}");
                let fixed =
                    FrameHead { body_checksum: FrameHead::checksum_of(&damaged, SALT, OFFSET), ..head };
                if encryption != Encryption::None {
                    let refused = block.decode(&fixed, damaged);
                    assert_eq!(refused, Err(CodingError::Seal), "{compression:?} {encryption:?}");
                }
            }
        });
    }

    #[test]
    fn a_sealed_body_is_bound_to_its_head() {
        for encryption in [Encryption::ChaCha20Poly1305, Encryption::Aes256Gcm] {
            let mut block = Block::new(Compression::None, encryption);
            let (head, body) = block.encode(b"hello");
            for other in [
                FrameHead { kind: FrameKind::Summary, ..head },
                FrameHead { is_last: false, ..head },
                FrameHead { is_compressed: true, ..head },
                FrameHead { commit: 4, ..head },
                FrameHead { index: 2, ..head },
                FrameHead { at: 3, ..head },
                FrameHead { plain_len: 6, ..head },
            ] {
                assert_eq!(block.decode(&other, body.clone()), Err(CodingError::Seal), "{other:?}");
            }
            let plain = FrameHead {
                stored_len: 5,
                body_checksum: FrameHead::checksum_of(b"hello", SALT, OFFSET),
                ..head
            };
            assert_eq!(block.decode(&plain, b"hello".to_vec()), Err(CodingError::Seal), "an unsealed one");
        }
    }

    #[test]
    fn lengths_that_are_not_true_are_refused_before_anything_is_allocated() {
        let mut block = Block::new(Compression::Snappy, Encryption::None);
        let (head, body) = block.encode(&[7; 1000]);
        let too_large = FrameHead { plain_len: FRAME_PLAIN_MAX as u32 + 1, ..head };
        assert_eq!(block.decode(&too_large, body.clone()), Err(CodingError::TooLarge(too_large.plain_len)));
        for plain_len in [0, 999, 1001, FRAME_PLAIN_MAX as u32] {
            let other = FrameHead { plain_len, ..head };
            assert_eq!(block.decode(&other, body.clone()), Err(CodingError::Compression(plain_len)));
        }
        let short = body[..body.len() - 1].to_vec();
        let error = CodingError::Short { expected: head.stored_len, found: short.len() };
        assert_eq!(block.decode(&head, short), Err(error));
    }

    /// Written by hand from the description of Snappy's format: a literal and a copy that overlaps itself.
    #[test]
    fn snappy_blocks_are_read_whoever_wrote_them() {
        let mut body = vec![20, 4 << 2];
        body.extend_from_slice(b"Wikip");
        body.extend_from_slice(&[(15 - 1) << 2 | 2, 5, 0]); // a copy of 15 bytes from 5 back, repeating itself
        let head = FrameHead {
            kind: FrameKind::Entries,
            is_last: true,
            is_compressed: true,
            commit: 1,
            index: 0,
            stored_len: body.len() as u32,
            plain_len: 20,
            at: 1,
            body_checksum: FrameHead::checksum_of(&body, SALT, OFFSET),
        };
        let plain = decode_frame(&head, body.into(), None, SALT, OFFSET);
        assert_eq!(plain.unwrap(), "WikipWikipWikipWikip");
    }

    proptest! {
        #[test]
        fn every_body_comes_back(plain in vec(any::<u8>(), 0..3000), repeat in 1..20usize) {
            let plain = plain.repeat(repeat);
            all(|mut block, compression, encryption| {
                let (head, body) = block.encode(&plain);
                assert_eq!(block.decode(&head, body).unwrap(), plain, "{compression:?} {encryption:?}");
            });
        }

        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>, plain_len: u32, is_compressed: bool) {
            let head = FrameHead {
                kind: FrameKind::Entries, is_last: true, is_compressed, commit: 1, index: 0,
                stored_len: body.len() as u32, plain_len: plain_len % (1 << 20), at: 1,
                body_checksum: FrameHead::checksum_of(&body, SALT, OFFSET),
            };
            all(|block, _, _| { let _ = block.decode(&head, body.clone()); });
        }
    }
}
