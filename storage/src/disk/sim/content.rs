//! The bytes of a file, kept by pages. A page that is not there reads as zeros.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use crate::disk::PAGE_SIZE;

/// Bytes a device writes whole.
pub(super) const SECTOR_SIZE: usize = 512;
const SECTORS_PER_PAGE: usize = PAGE_SIZE / SECTOR_SIZE;
const PAGE: u64 = PAGE_SIZE as u64;
static ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

const _: () = assert!(SECTORS_PER_PAGE == Sectors::BITS as usize);

/// Sectors of a page, a bit each; the lowest is the first sector.
pub(super) type Sectors = u8;
pub(super) const ALL_SECTORS: Sectors = Sectors::MAX;

/// Invariant: what is behind `size` reads as zeros, should the file grow again.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Bytes>,
    size: u64,
    unreadable: BTreeSet<u64>,
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset`, fewer where the file ends; `None` where a page of them cannot be read.
    pub(super) fn read(&self, offset: u64, len: usize) -> Option<Bytes> {
        let end = self.size.min(offset.saturating_add(len as u64));
        if offset >= end {
            return Some(Bytes::new());
        }
        let (first, last) = (offset / PAGE, (end - 1) / PAGE);
        if self.unreadable.range(first..=last).next().is_some() {
            return None;
        }
        let from = (offset % PAGE) as usize;
        if first == last {
            return Some(self.page(first).slice(from..from + (end - offset) as usize));
        }
        let mut out = BytesMut::with_capacity((end - first * PAGE) as usize);
        for page in first..=last {
            out.extend_from_slice(&self.page(page));
        }
        out.truncate((end - first * PAGE) as usize);
        Some(out.freeze().slice(from..))
    }

    pub(super) fn page(&self, page: u64) -> Bytes {
        self.pages.get(&page).cloned().unwrap_or_else(|| Bytes::from_static(&ZEROS))
    }

    /// Writes some sectors of a page. Only a page that is written whole becomes readable again.
    pub(super) fn put(&mut self, page: u64, bytes: &Bytes, sectors: Sectors) {
        assert_eq!(bytes.len(), PAGE_SIZE, "pages are written one by one");
        if sectors == ALL_SECTORS {
            self.unreadable.remove(&page);
            self.pages.insert(page, bytes.clone());
        } else if sectors != 0 {
            let merged = merge(&self.page(page), bytes, sectors);
            self.pages.insert(page, merged);
        }
    }

    pub(super) fn is_readable(&self, page: u64) -> bool {
        !self.unreadable.contains(&page)
    }

    pub(super) fn make_unreadable(&mut self, page: u64) {
        self.unreadable.insert(page);
    }

    pub(super) fn grow(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Sets the size; what was behind it is gone for good.
    pub(super) fn resize(&mut self, size: u64) {
        self.size = size;
        self.pages.split_off(&size.div_ceil(PAGE));
        self.unreadable.split_off(&size.div_ceil(PAGE));
        let (page, kept) = (size / PAGE, (size % PAGE) as usize);
        if kept > 0 && self.pages.contains_key(&page) {
            let cut = zeroed_from(&self.page(page), kept);
            self.pages.insert(page, cut);
        }
    }
}

/// `old` with the chosen sectors of `new`.
fn merge(old: &Bytes, new: &Bytes, sectors: Sectors) -> Bytes {
    let mut page = BytesMut::from(&old[..]);
    for sector in sectors_of(sectors) {
        let range = sector * SECTOR_SIZE..(sector + 1) * SECTOR_SIZE;
        page[range.clone()].copy_from_slice(&new[range]);
    }
    page.freeze()
}

/// `page` with zeros behind its first `kept` bytes.
pub(super) fn zeroed_from(page: &Bytes, kept: usize) -> Bytes {
    let mut page = BytesMut::from(&page[..]);
    page[kept..].fill(0);
    page.freeze()
}

/// The numbers of the sectors in a set.
pub(super) fn sectors_of(sectors: Sectors) -> impl Iterator<Item = usize> {
    (0..SECTORS_PER_PAGE).filter(move |sector| sectors >> sector & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(byte: u8) -> Bytes {
        Bytes::from(vec![byte; PAGE_SIZE])
    }

    #[test]
    fn reads_of_any_alignment_end_with_the_file() {
        let mut content = Content::default();
        content.put(0, &filled(1), ALL_SECTORS);
        content.put(2, &filled(3), ALL_SECTORS);
        content.grow(3 * PAGE);
        assert_eq!(content.read(4095, 2).unwrap()[..], [1, 0]);
        assert_eq!(content.read(4095, 2 * PAGE_SIZE).unwrap().len(), 2 * PAGE_SIZE);
        assert_eq!(content.read(8191, 2).unwrap()[..], [0, 3]);
        assert_eq!(content.read(3 * PAGE - 1, 9).unwrap()[..], [3]);
        assert!(content.read(3 * PAGE, 9).unwrap().is_empty());
        assert!(content.read(u64::MAX, 9).unwrap().is_empty());
    }

    #[test]
    fn what_was_cut_off_reads_as_zeros_when_the_file_grows_again() {
        let mut content = Content::default();
        content.put(0, &filled(1), ALL_SECTORS);
        content.put(1, &filled(2), ALL_SECTORS);
        content.grow(2 * PAGE);
        content.resize(100);
        content.grow(2 * PAGE);
        let all = content.read(0, 2 * PAGE_SIZE).unwrap();
        assert!(all[..100].iter().all(|&byte| byte == 1));
        assert!(all[100..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn a_page_becomes_readable_only_when_written_whole() {
        let mut content = Content::default();
        content.grow(PAGE);
        content.make_unreadable(0);
        assert_eq!(content.read(10, 1), None);
        content.put(0, &filled(1), 0b0111_1111);
        assert_eq!(content.read(10, 1), None);
        content.put(0, &filled(2), ALL_SECTORS);
        assert_eq!(content.read(10, 1).unwrap()[..], [2]);
    }
}
