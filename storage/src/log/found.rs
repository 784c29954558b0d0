//! What can be read of a log after a crash, and which of it counts.
//!
//! Pure: bytes of segments in, pages of files out. The bytes may be anything.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::batch::{Entries, Entry, HEAD_LEN, Head, NoHead};
use super::pages::PAGE;
use crate::disk::PAGE_SIZE;

/// The batches of one log.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By number.
    batches: BTreeMap<u64, Batch>,
    /// Of a format that is not ours: segment and version.
    pub(super) newer: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Batch {
    head: Head,
    /// `None`: the head alone is intact.
    body: Option<Bytes>,
    /// Paths that stand in a body that is damaged.
    suspects: Vec<PathBuf>,
}

/// What a log has to say.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Pages of each file, in the order of their paths.
    pub(super) files: BTreeMap<PathBuf, BTreeMap<u64, Image>>,
    pub(super) batches: u64,
    pub(super) damage: Vec<Lack>,
    /// Entries of files whose names stood in batches that are damaged.
    pub(super) nameless: u64,
    /// The newest intact batch, and its entries.
    pub(super) newest: Option<(Head, Bytes)>,
}

/// Batches that were needed and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) batches: RangeInclusive<u64>,
    /// Files of which they are known to hold something; there may be others.
    pub(super) files: Vec<PathBuf>,
}

/// A page as it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    /// So many bytes at its start are to be taken from the file: the batch that held them is damaged.
    pub(super) prefix_missing: usize,
}

impl Found {
    /// Takes the batches of one segment. What was left of older ones when newer ones were written over them is no batch.
    pub(super) fn read(&mut self, segment: u32, bytes: &Bytes) {
        let mut page = 0;
        while let Some(rest) = bytes.get(page * PAGE_SIZE..).filter(|rest| rest.len() >= HEAD_LEN) {
            page += match Head::decode(rest) {
                Ok(head) if head.segment == segment && head.page as usize == page => {
                    self.take(head, bytes.slice(page * PAGE_SIZE + HEAD_LEN..))
                }
                Err(NoHead::Version(version)) => {
                    self.newer.get_or_insert((segment, version));
                    1
                }
                Ok(_) | Err(NoHead::NotABatch | NoHead::Damaged) => 1,
            }
        }
    }

    /// Pages to go on.
    fn take(&mut self, head: Head, rest: Bytes) -> usize {
        let body = rest.get(..head.body_len as usize);
        let is_intact = body.is_some_and(|body| head.is_intact(body));
        let batch = if is_intact {
            Batch { head, body: Some(rest.slice(..head.body_len as usize)), suspects: Vec::new() }
        } else {
            let suspects = names(body.unwrap_or(&rest)).map(|(_, path)| path.to_path_buf()).collect();
            Batch { head, body: None, suspects }
        };
        // The newest batch may be there twice: a recovery that was interrupted wrote it again, behind the first. That one is
        // durable.
        let known = self.batches.entry(head.number).or_insert_with(|| Batch {
            head,
            body: None,
            suspects: Vec::new(),
        });
        if known.body.is_none() || is_intact {
            *known = batch;
        }
        if is_intact { head.pages() as usize } else { 1 }
    }

    /// The newest intact batch says from which one on all are needed; their entries, in order, make the pages.
    pub(super) fn tell(&self) -> Told {
        let mut told = Told::default();
        let intact = self.batches.values().rev().find_map(|batch| Some((batch.head, batch.body.clone()?)));
        let Some((newest, body)) = intact else { return told };
        told.newest = Some((newest, body));
        let is_ours = |batch: &&Batch| batch.head.salt == newest.salt;
        let mut paths = BTreeMap::new();
        for body in self.batches.values().filter(is_ours).filter_map(|batch| batch.body.as_ref()) {
            paths.extend(names(body));
        }
        let mut expected = newest.low;
        for batch in self
            .batches
            .range(newest.low.min(newest.number)..=newest.number)
            .map(|(_, batch)| batch)
            .filter(is_ours)
        {
            let Some(body) = &batch.body else { continue };
            if batch.head.number < newest.low {
                continue;
            }
            if expected < batch.head.number {
                told.damage.push(self.lack(expected..=batch.head.number - 1));
            }
            expected = batch.head.number + 1;
            told.batches += 1;
            if !told.apply(body, &paths) {
                let files = names(body).map(|(_, path)| path.to_path_buf()).collect();
                told.damage.push(Lack { batches: batch.head.number..=batch.head.number, files });
            }
        }
        if told.damage.is_empty() && told.nameless == 0 {
            // The entries that began these pages were folded, and no fold has begun since, or an entry would carry the page
            // whole: what is told of them is in the file. Written again, they would be read from there first, and a crash
            // meanwhile might leave them unreadable.
            for pages in told.files.values_mut() {
                pages.retain(|_, image| image.prefix_missing == 0);
            }
            told.files.retain(|_, pages| !pages.is_empty());
        }
        told
    }

    fn lack(&self, batches: RangeInclusive<u64>) -> Lack {
        let mut files: Vec<PathBuf> = self
            .batches
            .range(batches.clone())
            .flat_map(|(_, batch)| batch.suspects.iter().cloned())
            .collect();
        files.sort_unstable();
        files.dedup();
        Lack { batches, files }
    }
}

impl Told {
    /// Whether all of the body could be read.
    fn apply(&mut self, body: &[u8], paths: &BTreeMap<u64, &Path>) -> bool {
        for entry in Entries::new(body) {
            let Ok(entry) = entry else { return false };
            let file = match entry {
                Entry::Name { .. } => continue,
                Entry::Append { file, .. } | Entry::Page { file, .. } => file,
            };
            let Some(&path) = paths.get(&file) else {
                self.nameless += 1;
                continue;
            };
            if !self.files.contains_key(path) {
                self.files.insert(path.to_path_buf(), BTreeMap::new());
            }
            let pages = self.files.get_mut(path).expect("just inserted");
            match entry {
                Entry::Append { offset, bytes, .. } => append(pages, offset, bytes),
                Entry::Page { page, bytes, .. } => {
                    pages.insert(page, Image { bytes: bytes.to_vec(), prefix_missing: 0 });
                }
                Entry::Name { .. } => unreachable!("has no bytes"),
            }
        }
        true
    }
}

fn append(pages: &mut BTreeMap<u64, Image>, mut offset: u64, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let at = (offset % PAGE) as usize;
        let (chunk, rest) = bytes.split_at(bytes.len().min(PAGE_SIZE - at));
        let image = pages
            .entry(offset / PAGE)
            .or_insert_with(|| Image { bytes: vec![0; PAGE_SIZE], prefix_missing: at });
        image.prefix_missing = image.prefix_missing.min(at);
        image.bytes[at..at + chunk.len()].copy_from_slice(chunk);
        image.bytes[at + chunk.len()..].fill(0);
        offset += chunk.len() as u64;
        bytes = rest;
    }
}

fn names(body: &[u8]) -> impl Iterator<Item = (u64, &Path)> {
    Entries::new(body).filter_map(|entry| match entry {
        Ok(Entry::Name { file, path }) => Some((file, path)),
        Ok(Entry::Append { .. } | Entry::Page { .. }) | Err(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::batch::{Builder, Place};

    /// Three batches, each of one page, of the files `a` and `b`; the first is no longer needed.
    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 1..=4 {
            let mut builder = Builder::empty();
            if number == 1 {
                builder.name(1, Path::new("a"));
            }
            if number == 3 {
                builder.name(2, Path::new("b"));
                builder.append(2, 0, b"xyz");
            }
            builder.append(1, 10 * number, &[number as u8; 10]);
            let place = Place {
                segment: 5,
                page: number as u32 - 1,
                salt: 77,
                number,
                low: number.saturating_sub(2).max(1),
            };
            bytes.extend(builder.finish(place));
        }
        bytes
    }

    fn tell(bytes: Vec<u8>) -> Told {
        let mut found = Found::default();
        found.read(5, &Bytes::from(bytes));
        found.tell()
    }

    #[test]
    fn what_the_newest_batch_needs_is_applied_in_order() {
        let told = tell(segment());
        assert_eq!((told.batches, told.damage.len(), told.nameless), (3, 0, 0));
        assert_eq!(told.newest.unwrap().0.number, 4);
        assert_eq!(told.files[Path::new("b")][&0].bytes[..4], *b"xyz\0");
        assert!(
            !told.files.contains_key(Path::new("a")),
            "the page was begun by a batch that was folded: so was the rest"
        );
    }

    #[test]
    fn a_damaged_batch_is_named_and_the_rest_applied() {
        let mut bytes = segment();
        bytes[2 * PAGE_SIZE + HEAD_LEN + 20] ^= 1;
        let told = tell(bytes);
        assert_eq!(told.damage, [Lack { batches: 3..=3, files: vec![PathBuf::from("b")] }]);
        assert_eq!(told.batches, 2);
        assert_eq!(told.files[Path::new("a")][&0].bytes[20..50], [[2; 10], [0; 10], [4; 10]].concat());
        assert!(!told.files.contains_key(Path::new("b")));
    }

    #[test]
    fn a_torn_last_batch_was_never_there() {
        let mut bytes = segment();
        bytes[3 * PAGE_SIZE + HEAD_LEN] ^= 1;
        let told = tell(bytes);
        assert_eq!((told.batches, told.damage.len()), (3, 0));
        assert_eq!(told.newest.unwrap().0.number, 3);
    }

    #[test]
    fn a_name_is_found_in_a_batch_that_is_needed_no_more() {
        let mut bytes = segment();
        assert_eq!(tell(bytes.clone()).nameless, 0);
        bytes[0] ^= 1;
        assert_eq!(tell(bytes).nameless, 3, "its only name is gone");
    }

    #[test]
    fn a_batch_at_another_place_is_none() {
        let mut found = Found::default();
        let bytes = segment();
        found.read(4, &Bytes::from(bytes.clone()));
        let mut moved = vec![0; PAGE_SIZE];
        moved.extend(bytes);
        found.read(5, &Bytes::from(moved));
        assert!(found.tell().newest.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_told_without_a_panic(
            noise in prop::collection::vec((0..4 * PAGE_SIZE, any::<u8>()), 0..8),
            cut in 0..=4 * PAGE_SIZE,
        ) {
            let mut bytes = segment();
            for (at, byte) in noise {
                bytes[at] = byte;
            }
            bytes.truncate(cut);
            let told = tell(bytes);
            prop_assert!(told.batches <= 4);
        }

        #[test]
        fn any_body_is_told_without_a_panic(bodies in prop::collection::vec((any::<Vec<u8>>(), 0u64..4, any::<u64>()), 1..5)) {
            let mut bytes = Vec::new();
            for (body, number, low) in bodies {
                let place = Place { segment: 5, page: (bytes.len() / PAGE_SIZE) as u32, salt: 77, number, low };
                bytes.extend(Builder::of(&body).finish(place));
            }
            let told = tell(bytes);
            prop_assert!(told.newest.is_some());
        }
    }
}
