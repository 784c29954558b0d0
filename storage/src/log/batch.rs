//! One batch of the commit log: its head and its entries (docs/format/log.md).
//!
//! Pure: bytes to values and back. A batch is what one write and one sync make durable; it begins at a page of a segment
//! and is padded to whole pages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use xxhash_rust::xxh64::xxh64;

use crate::disk::PAGE_SIZE;
use crate::varint;

/// Bytes of the head of a batch.
pub(super) const HEAD_LEN: usize = 64;

/// The head of a batch. 64 bytes, little-endian:
/// `magic [8] | version u32 | segment u32 | page u32 | body length u32 | salt u64 | number u64 | low u64 | XXH64 of the
/// body u64 | XXH64 of the 56 bytes before u64`.
///
/// Both checksums are seeded with salt plus number. Segment and page say where the batch was written: one that lies
/// elsewhere is a copy, or a write that went astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) segment: u32,
    /// Where it begins in the segment, in pages.
    pub(super) page: u32,
    /// Bytes of the entries behind the head.
    pub(super) body_len: u32,
    /// Of this log's life; random.
    pub(super) salt: u64,
    /// Ascending by one over all segments of the log, from 1.
    pub(super) number: u64,
    /// The oldest batch that held bytes which were not in their files when this one was written. Above `number` when there
    /// was none.
    pub(super) low: u64,
    pub(super) body_checksum: u64,
}

/// Why no batch begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHead {
    NotABatch,
    Damaged,
    /// Intact, and written by a newer program.
    Version(u32),
}

impl Head {
    fn encode(&self) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[12..16].copy_from_slice(&self.segment.to_le_bytes());
        head[16..20].copy_from_slice(&self.page.to_le_bytes());
        head[20..24].copy_from_slice(&self.body_len.to_le_bytes());
        head[24..32].copy_from_slice(&self.salt.to_le_bytes());
        head[32..40].copy_from_slice(&self.number.to_le_bytes());
        head[40..48].copy_from_slice(&self.low.to_le_bytes());
        head[48..56].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = xxh64(&head[..CHECKSUM_AT], self.seed());
        head[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    pub(super) fn decode(input: &[u8]) -> Result<Self, NoHead> {
        let head: &[u8; HEAD_LEN] = input.first_chunk().ok_or(NoHead::NotABatch)?;
        if head[..8] != MAGIC {
            return Err(NoHead::NotABatch);
        }
        let decoded = Self {
            segment: u32_at(head, 12),
            page: u32_at(head, 16),
            body_len: u32_at(head, 20),
            salt: u64_at(head, 24),
            number: u64_at(head, 32),
            low: u64_at(head, 40),
            body_checksum: u64_at(head, 48),
        };
        // Salt, number and checksum stand at the same place in every version, so that a version is believed only when
        // intact.
        if u64_at(head, CHECKSUM_AT) != xxh64(&head[..CHECKSUM_AT], decoded.seed()) {
            return Err(NoHead::Damaged);
        }
        match u32_at(head, 8) {
            VERSION => Ok(decoded),
            newer => Err(NoHead::Version(newer)),
        }
    }

    /// Whether `body`, read behind the head, is what was written.
    pub(super) fn is_intact(&self, body: &[u8]) -> bool {
        body.len() == self.body_len as usize && xxh64(body, self.seed()) == self.body_checksum
    }

    /// Pages the batch takes.
    pub(super) fn pages(&self) -> u32 {
        u32::try_from((HEAD_LEN as u64 + u64::from(self.body_len)).div_ceil(PAGE_SIZE as u64))
            .expect("below 2^32 / 4096 + 2")
    }

    fn seed(&self) -> u64 {
        self.salt.wrapping_add(self.number)
    }
}

/// Where and as what a batch is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) page: u32,
    pub(super) salt: u64,
    pub(super) number: u64,
    pub(super) low: u64,
}

/// A batch being gathered, in a buffer that is used again.
#[derive(Debug)]
pub(super) struct Builder {
    buffer: Vec<u8>,
}

impl Builder {
    /// Begins a batch in `buffer`, whose content is dropped.
    pub(super) fn begin(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEAD_LEN, 0);
        Self { buffer }
    }

    /// A batch without entries.
    pub(super) fn empty() -> Self {
        Self::of(&[])
    }

    /// A batch with these entries, as they were encoded before.
    pub(super) fn of(body: &[u8]) -> Self {
        let mut builder = Self::begin(Vec::with_capacity(HEAD_LEN + body.len()));
        builder.buffer.extend_from_slice(body);
        builder
    }

    /// Bytes so far, with the head.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.len() == HEAD_LEN
    }

    pub(super) fn name(&mut self, file: u64, path: &Path) {
        let path = path.as_os_str().as_bytes();
        self.buffer.push(KIND_NAME);
        varint::encode(file, &mut self.buffer);
        varint::encode(path.len() as u64, &mut self.buffer);
        self.buffer.extend_from_slice(path);
    }

    pub(super) fn append(&mut self, file: u64, offset: u64, bytes: &[u8]) {
        self.buffer.push(KIND_APPEND);
        varint::encode(file, &mut self.buffer);
        varint::encode(offset, &mut self.buffer);
        varint::encode(bytes.len() as u64, &mut self.buffer);
        self.buffer.extend_from_slice(bytes);
    }

    /// One whole page; what is missing of it in `bytes` is zeros.
    pub(super) fn page(&mut self, file: u64, page: u64, bytes: &[u8]) {
        self.buffer.push(KIND_PAGE);
        varint::encode(file, &mut self.buffer);
        varint::encode(page, &mut self.buffer);
        self.buffer.extend_from_slice(bytes);
        self.buffer.resize(self.buffer.len() + PAGE_SIZE - bytes.len(), 0);
    }

    /// The batch as it is written: whole pages.
    pub(super) fn finish(mut self, place: Place) -> Vec<u8> {
        let body = &self.buffer[HEAD_LEN..];
        let head = Head {
            segment: place.segment,
            page: place.page,
            body_len: u32::try_from(body.len()).expect("a batch fits a segment"),
            salt: place.salt,
            number: place.number,
            low: place.low,
            body_checksum: xxh64(body, place.salt.wrapping_add(place.number)),
        };
        self.buffer[..HEAD_LEN].copy_from_slice(&head.encode());
        self.buffer.resize(self.buffer.len().next_multiple_of(PAGE_SIZE), 0);
        self.buffer
    }
}

/// The most that [`Builder::name`] and the head of an entry behind it take, beyond the entry's bytes.
pub(super) fn overhead_max(path: &Path) -> usize {
    1 + varint::MAX_LEN * 2 + path.as_os_str().len() + 1 + varint::MAX_LEN * 3
}

/// One entry of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// From here on, in all batches of the log, `file` is the file at `path`.
    Name { file: u64, path: &'a Path },
    /// Bytes of the file at `offset`; behind them its page is zeros.
    Append { file: u64, offset: u64, bytes: &'a [u8] },
    /// A whole page of the file.
    Page { file: u64, page: u64, bytes: &'a [u8] },
}

/// The entries of a body, up to the first that is none.
pub(super) struct Entries<'a>(&'a [u8]);

/// What is no entry. Under an intact checksum: written by a program with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Entries<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    fn entry(&mut self, kind: u8) -> Option<Entry<'a>> {
        let file = self.number()?;
        match kind {
            KIND_NAME => {
                let len = self.number()?;
                let path = Path::new(OsStr::from_bytes(self.bytes(len)?));
                is_plain(path).then_some(Entry::Name { file, path })
            }
            KIND_APPEND => {
                let offset = self.number()?;
                let len = self.number()?;
                let end = offset.checked_add(len)?;
                let bytes = self.bytes(len)?;
                (len > 0 && end <= OFFSET_MAX).then_some(Entry::Append { file, offset, bytes })
            }
            KIND_PAGE => {
                let page = self.number()?;
                let bytes = self.bytes(PAGE_SIZE as u64)?;
                (page < OFFSET_MAX / PAGE_SIZE as u64).then_some(Entry::Page { file, page, bytes })
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        let (number, took) = varint::decode(self.0)?;
        self.0 = &self.0[took..];
        Some(number)
    }

    fn bytes(&mut self, len: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let entry = self.entry(kind);
        if entry.is_none() {
            self.0 = &[];
        }
        Some(entry.ok_or(Malformed))
    }
}

/// Whether a path stays below the disk's root.
pub(super) fn is_plain(path: &Path) -> bool {
    path.file_name().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

fn u64_at(head: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*head[at..].first_chunk().expect("inside the head"))
}

fn u32_at(head: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*head[at..].first_chunk().expect("inside the head"))
}

/// The format's version, in every head.
pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"NTRMLOG\0";
const CHECKSUM_AT: usize = HEAD_LEN - size_of::<u64>();
const KIND_NAME: u8 = 1;
const KIND_APPEND: u8 = 2;
const KIND_PAGE: u8 = 3;
/// What file systems take; beyond it an offset is nonsense.
const OFFSET_MAX: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place = Place { segment: 2, page: 7, salt: 0xfeed, number: 9, low: 4 };

    fn batch() -> Vec<u8> {
        let mut builder = Builder::begin(Vec::new());
        builder.name(300, Path::new("s/a.blk"));
        builder.append(300, 5000, b"hello");
        builder.page(300, 3, b"short");
        builder.finish(PLACE)
    }

    #[test]
    fn a_batch_comes_back() {
        let bytes = batch();
        assert_eq!(bytes.len(), 2 * PAGE_SIZE);
        let head = Head::decode(&bytes).unwrap();
        assert_eq!(
            (head.segment, head.page, head.salt, head.number, head.low, head.pages()),
            (2, 7, 0xfeed, 9, 4, 2)
        );
        let body = &bytes[HEAD_LEN..HEAD_LEN + head.body_len as usize];
        assert!(head.is_intact(body));
        let mut page = [0; PAGE_SIZE];
        page[..5].copy_from_slice(b"short");
        assert_eq!(
            Entries::new(body).collect::<Vec<_>>(),
            [
                Ok(Entry::Name { file: 300, path: Path::new("s/a.blk") }),
                Ok(Entry::Append { file: 300, offset: 5000, bytes: b"hello" }),
                Ok(Entry::Page { file: 300, page: 3, bytes: &page }),
            ]
        );
    }

    #[test]
    fn a_flip_of_any_bit_is_seen() {
        let bytes = batch();
        let head = Head::decode(&bytes).unwrap();
        let end = HEAD_LEN + head.body_len as usize;
        for bit in 0..end * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match Head::decode(&damaged) {
                Ok(read) => {
                    assert!(bit / 8 >= HEAD_LEN && !read.is_intact(&damaged[HEAD_LEN..end]), "bit {bit}")
                }
                Err(_) => assert!(bit / 8 < HEAD_LEN, "bit {bit}"),
            }
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = batch();
        bytes[8] = 2;
        let checksum = xxh64(&bytes[..CHECKSUM_AT], PLACE.salt + PLACE.number);
        bytes[CHECKSUM_AT..HEAD_LEN].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Head::decode(&bytes), Err(NoHead::Version(2)));
    }

    #[test]
    fn a_path_that_leaves_the_root_is_no_name() {
        for path in ["/etc/passwd", "../a", "a/../../b", ""] {
            let mut builder = Builder::begin(Vec::new());
            builder.name(1, Path::new(path));
            builder.append(1, 0, b"x");
            let bytes = builder.finish(PLACE);
            let head = Head::decode(&bytes).unwrap();
            let body = &bytes[HEAD_LEN..HEAD_LEN + head.body_len as usize];
            assert_eq!(Entries::new(body).collect::<Vec<_>>(), [Err(Malformed)], "{path}");
        }
    }

    #[test]
    fn no_entry_takes_more_than_was_reckoned() {
        let path = Path::new("a/b");
        let mut builder = Builder::begin(Vec::new());
        builder.name(u64::MAX, path);
        builder.append(u64::MAX, u64::MAX, &[7; 300]);
        assert!(builder.len() - HEAD_LEN - 300 <= overhead_max(path));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Head::decode(&bytes);
            for entry in Entries::new(&bytes).flatten() {
                match entry {
                    Entry::Name { path, .. } => prop_assert!(is_plain(path)),
                    Entry::Append { offset, bytes, .. } => prop_assert!(offset + bytes.len() as u64 <= OFFSET_MAX),
                    Entry::Page { bytes, .. } => prop_assert_eq!(bytes.len(), PAGE_SIZE),
                }
            }
        }

        #[test]
        fn entries_come_back(entries in prop::collection::vec((0u64..5, 0u64..1 << 40, prop::collection::vec(any::<u8>(), 1..200)), 0..20)) {
            let mut builder = Builder::begin(vec![1, 2, 3]);
            for (file, offset, bytes) in &entries {
                builder.append(*file, *offset, bytes);
            }
            let bytes = builder.finish(PLACE);
            let head = Head::decode(&bytes).unwrap();
            let read: Vec<_> = Entries::new(&bytes[HEAD_LEN..HEAD_LEN + head.body_len as usize]).collect();
            let wrote: Vec<_> =
                entries.iter().map(|(file, offset, bytes)| Ok(Entry::Append { file: *file, offset: *offset, bytes })).collect();
            prop_assert_eq!(read, wrote);
        }
    }
}
