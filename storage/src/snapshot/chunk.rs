//! Chunks: each under checksums of its own, and chained to the one before.

use bytes::Bytes;
use natrium_model::Timestamp;
use xxhash_rust::xxh64::xxh64;

use crate::block::sources::ToldSources;
use crate::record::SEQ_MAX;
use crate::seq_set::SeqSet;
use crate::sources::SourcePositions;

/// Bytes of a chunk before its body.
pub const CHUNK_HEAD_LEN: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the snapshot is of. The first.
    Head,
    /// Records, one behind another.
    Messages,
    /// What there was in all. The last.
    Trailer,
}

/// What the first chunk says: the store when the snapshot was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    pub first: u64,
    pub last: u64,
    pub last_timestamp: Option<Timestamp>,
    pub messages: u64,
}

/// What the last chunk says: what the chunks before it have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub messages: u64,
    /// Of their records.
    pub bytes: u64,
    /// How far the store had come in its sources when the snapshot was begun.
    pub sources: SourcePositions,
    /// Messages that were acknowledged once and could not be read.
    pub lost: SeqSet,
}

/// Why a chunk is not taken. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("chunk {number} is no chunk of a snapshot")]
    NotAChunk { number: u64 },
    #[error("chunk {number} has {found} bytes, {expected} were sent")]
    Cut { number: u64, expected: u64, found: usize },
    #[error("chunk {number} is damaged")]
    Damaged { number: u64 },
    #[error("the snapshot has format version {version}; this program reads {VERSION}")]
    Version { version: u32 },
    #[error("chunk {number} is of another snapshot")]
    Foreign { number: u64 },
    #[error("chunk {found} came where chunk {expected} belongs")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("chunk {number} does not continue the one before it")]
    BrokenChain { number: u64 },
    /// Its checksums hold, so it was made so.
    #[error("chunk {number} says what cannot be")]
    Invalid { number: u64 },
    #[error("chunk {number} came behind the end of the snapshot")]
    BehindEnd { number: u64 },
}

/// Where a chain of chunks is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    id: u64,
    /// Of the next chunk.
    pub number: u64,
    link: u64,
}

impl Chain {
    /// `id` is random, and of this snapshot alone.
    pub(super) fn begin(id: u64) -> Self {
        Self { id, number: 0, link: id }
    }

    /// The salt of the records.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The next chunk. `chunk` is room for the head, and the body behind it.
    pub(super) fn seal(&mut self, kind: Kind, mut chunk: Vec<u8>) -> Bytes {
        let (head, body) = chunk.split_at_mut(CHUNK_HEAD_LEN);
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[12] = match kind {
            Kind::Head => 1,
            Kind::Messages => 2,
            Kind::Trailer => 3,
        };
        head[16..24].copy_from_slice(&self.id.to_le_bytes());
        head[24..32].copy_from_slice(&self.number.to_le_bytes());
        head[32..40].copy_from_slice(&(body.len() as u64).to_le_bytes());
        head[40..48].copy_from_slice(&xxh64(body, self.seed()).to_le_bytes());
        self.link = xxh64(&head[..LINK_AT], self.link);
        head[LINK_AT..CHECKSUM_AT].copy_from_slice(&self.link.to_le_bytes());
        let checksum = xxh64(&head[..CHECKSUM_AT], 0);
        head[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        self.number += 1;
        Bytes::from(chunk)
    }

    /// Reads the next chunk of a chain; the first one begins it.
    ///
    /// # Errors
    /// [`ChunkError`]; the chain is where it was.
    pub(super) fn open(chain: &mut Option<Self>, chunk: &Bytes) -> Result<(Kind, Bytes), ChunkError> {
        let expected = chain.map_or(0, |chain| chain.number);
        let head: &[u8; CHUNK_HEAD_LEN] =
            chunk.first_chunk().ok_or(ChunkError::NotAChunk { number: expected })?;
        if head[..8] != MAGIC {
            return Err(ChunkError::NotAChunk { number: expected });
        }
        if u64_at(head, CHECKSUM_AT) != xxh64(&head[..CHECKSUM_AT], 0) {
            return Err(ChunkError::Damaged { number: expected });
        }
        // Magic, version and the last checksum stand at the same places in every version.
        let version = u32::from_le_bytes(*head[8..].first_chunk().expect("inside the head"));
        if version != VERSION {
            return Err(ChunkError::Version { version });
        }
        let (id, number, len) = (u64_at(head, 16), u64_at(head, 24), u64_at(head, 32));
        let mut now = chain.unwrap_or_else(|| Self::begin(id));
        if id != now.id {
            return Err(ChunkError::Foreign { number });
        }
        if number != now.number {
            return Err(ChunkError::OutOfOrder { expected, found: number });
        }
        let body = chunk.slice(CHUNK_HEAD_LEN..);
        if len != body.len() as u64 {
            return Err(ChunkError::Cut {
                number,
                expected: CHUNK_HEAD_LEN as u64 + len,
                found: chunk.len(),
            });
        }
        if u64_at(head, 40) != xxh64(&body, now.seed()) {
            return Err(ChunkError::Damaged { number });
        }
        let link = xxh64(&head[..LINK_AT], now.link);
        if link != u64_at(head, LINK_AT) {
            return Err(ChunkError::BrokenChain { number });
        }
        let kind = match head[12] {
            1 => Kind::Head,
            2 => Kind::Messages,
            3 => Kind::Trailer,
            _ => return Err(ChunkError::Invalid { number }),
        };
        if (kind == Kind::Head) != (number == 0) {
            return Err(ChunkError::Invalid { number });
        }
        now.link = link;
        now.number += 1;
        *chain = Some(now);
        Ok((kind, body))
    }

    fn seed(&self) -> u64 {
        self.id.wrapping_add(self.number)
    }
}

impl Pin {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(&self.messages.to_le_bytes());
        out.extend_from_slice(&self.last_timestamp.unwrap_or(Timestamp(0)).0.to_le_bytes());
        out.push(u8::from(self.last_timestamp.is_some()));
    }

    /// `None` for what no store can be.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        if body.len() != PIN_LEN {
            return None;
        }
        let (first, last, messages) = (u64_at(body, 0), u64_at(body, 8), u64_at(body, 16));
        let last_timestamp = match body[32] {
            0 => None,
            1 => Some(Timestamp(u64_at(body, 24).cast_signed())),
            _ => return None,
        };
        let can_be = first >= 1 && last <= SEQ_MAX && first <= last + 1 && messages <= last + 1 - first;
        (can_be && (messages == 0 || last_timestamp.is_some())).then_some(Self {
            first,
            last,
            last_timestamp,
            messages,
        })
    }
}

impl Totals {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.messages.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        ToldSources { is_whole: true, positions: self.sources.clone() }.encode(out);
        self.lost.encode(out);
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (told, rest) = ToldSources::decode(body.get(16..)?)?;
        let lost = SeqSet::decode(rest).ok()?;
        let sources = told.is_whole.then_some(told.positions)?;
        Some(Self { messages: u64_at(body, 0), bytes: u64_at(body, 8), sources, lost })
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("its length was looked at"))
}

const MAGIC: [u8; 8] = *b"NTRSNAP\0";
const VERSION: u32 = 1;
const LINK_AT: usize = 48;
const CHECKSUM_AT: usize = 56;
const PIN_LEN: usize = 33;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sources::SourcePosition;

    fn chunks(id: u64) -> Vec<Bytes> {
        let mut chain = Chain::begin(id);
        let chunk = |body: &[u8]| [&[0; CHUNK_HEAD_LEN], body].concat();
        vec![
            chain.seal(Kind::Head, chunk(b"head")),
            chain.seal(Kind::Messages, chunk(b"some")),
            chain.seal(Kind::Messages, chunk(b"more")),
            chain.seal(Kind::Trailer, chunk(b"")),
        ]
    }

    fn open(chunks: &[Bytes]) -> Result<Vec<(Kind, Bytes)>, ChunkError> {
        let mut chain = None;
        chunks.iter().map(|chunk| Chain::open(&mut chain, chunk)).collect()
    }

    #[test]
    fn a_chain_comes_back() {
        let opened = open(&chunks(5)).unwrap();
        let bodies: Vec<&[u8]> = opened.iter().map(|(_, body)| &body[..]).collect();
        assert_eq!(bodies, [&b"head"[..], b"some", b"more", b""]);
        assert_eq!((opened[0].0, opened[3].0), (Kind::Head, Kind::Trailer));
    }

    #[test]
    fn a_flip_of_any_bit_and_a_cut_at_any_byte_are_seen() {
        let whole = chunks(5);
        for at in 0..whole.len() {
            for bit in 0..whole[at].len() * 8 {
                let mut damaged = whole[at].to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let mut chunks = whole.clone();
                chunks[at] = damaged.into();
                assert!(open(&chunks).is_err(), "chunk {at}, bit {bit}");
            }
            for len in 0..whole[at].len() {
                let mut chunks = whole.clone();
                chunks[at].truncate(len);
                assert!(open(&chunks).is_err(), "chunk {at}, {len} bytes");
            }
        }
    }

    #[test]
    fn order_and_origin_are_told_by_name() {
        let whole = chunks(5);
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(open(&swapped), Err(ChunkError::OutOfOrder { expected: 1, found: 2 }));
        let missing = [whole[0].clone(), whole[2].clone()];
        assert_eq!(open(&missing), Err(ChunkError::OutOfOrder { expected: 1, found: 2 }));
        let again = [whole[0].clone(), whole[1].clone(), whole[1].clone()];
        assert_eq!(open(&again), Err(ChunkError::OutOfOrder { expected: 2, found: 1 }));
        let foreign = [whole[0].clone(), chunks(6)[1].clone()];
        assert_eq!(open(&foreign), Err(ChunkError::Foreign { number: 1 }));
        let mut other = Chain::begin(5);
        other.seal(Kind::Head, vec![0; CHUNK_HEAD_LEN]);
        let spliced = [whole[0].clone(), other.seal(Kind::Messages, vec![0; CHUNK_HEAD_LEN])];
        assert_eq!(open(&spliced), Err(ChunkError::BrokenChain { number: 1 }));
        assert_eq!(open(&[Bytes::from_static(b"hello")]), Err(ChunkError::NotAChunk { number: 0 }));
    }

    #[test]
    fn what_the_first_and_the_last_say_comes_back() {
        let pin = Pin { first: 3, last: 9, last_timestamp: Some(Timestamp(-4)), messages: 7 };
        let mut body = Vec::new();
        pin.encode(&mut body);
        assert_eq!(Pin::decode(&body), Some(pin));
        for wrong in [Pin { first: 0, ..pin }, Pin { first: 11, ..pin }, Pin { messages: 8, ..pin }] {
            let mut body = Vec::new();
            wrong.encode(&mut body);
            assert_eq!(Pin::decode(&body), None, "{wrong:?}");
        }
        let position = SourcePosition { seq: 7, identity: b"ID".as_slice().into() };
        let sources = [(b"ORIGIN > >".as_slice().into(), position)].into();
        let mut totals = Totals { messages: 3, bytes: 99, sources, lost: SeqSet::new() };
        totals.lost.insert_range(4..=5);
        let mut body = Vec::new();
        totals.encode(&mut body);
        assert_eq!(Totals::decode(&body), Some(totals));
        assert!((0..body.len()).all(|len| Totals::decode(&body[..len]).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(chunk: Vec<u8>) {
            let _ = Chain::open(&mut None, &Bytes::from(chunk.clone()));
            let _ = Pin::decode(&chunk);
            let _ = Totals::decode(&chunk);
        }
    }
}
