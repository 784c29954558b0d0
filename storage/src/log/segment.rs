//! The files of a log: each holds batches one behind the other, and is written again from its start when none of them is
//! needed (docs/format/log.md).

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::batch::is_plain;
use super::{LogError, LogOptions};
use crate::disk::{Disk, File, Open, PAGE_SIZE};

#[derive(Debug)]
pub(super) struct Segments<F> {
    folder: PathBuf,
    name: String,
    segments: Vec<Segment<F>>,
    /// The one that is written.
    current: usize,
    /// Where the next batch begins in it, in pages.
    next_page: u32,
    /// Of each segment.
    pages: u32,
    /// How often a segment was begun.
    uses: u64,
}

#[derive(Debug)]
struct Segment<F> {
    file: Rc<F>,
    /// The newest batch in it; 0 before the first.
    last: u64,
}

impl<F: File> Segments<F> {
    pub(super) async fn create<D: Disk<File = F>>(
        disk: &D,
        folder: &Path,
        name: &str,
        options: &LogOptions,
    ) -> Result<Self, LogError> {
        assert!(is_plain(Path::new(name)) && !name.contains('/'), "{name:?} as the name of a log");
        disk.create_folder(folder).await?;
        let mut segments = Vec::with_capacity(options.segments);
        for index in 0..options.segments {
            let file = disk.open(&folder.join(file_name(name, index as u32)), Open::CreateNew).await?;
            file.allocate(options.segment_len).await?;
            file.sync().await?;
            segments.push(Segment { file: Rc::new(file), last: 0 });
        }
        disk.sync_folder(folder).await?;
        disk.sync_folder(folder.parent().unwrap_or(Path::new(""))).await?;
        Ok(Self {
            folder: folder.to_path_buf(),
            name: name.to_owned(),
            segments,
            current: 0,
            next_page: 0,
            pages: (options.segment_len / PAGE_SIZE as u64) as u32,
            uses: 1,
        })
    }

    /// Bytes the next batch may have in the current segment. Its last page is kept for [`Self::has_spare`].
    pub(super) fn room(&self) -> usize {
        (self.pages - 1).saturating_sub(self.next_page) as usize * PAGE_SIZE
    }

    /// Whether a batch without entries has a place still.
    pub(super) fn has_spare(&self) -> bool {
        self.next_page < self.pages
    }

    /// Whether a segment holds no batch from `low` on, so that it can be begun again.
    pub(super) fn has_free(&self, low: u64) -> bool {
        self.free(low).is_some()
    }

    /// Goes to a segment that holds no batch from `low` on. `low` stands in a durable batch.
    pub(super) fn roll(&mut self, low: u64) -> bool {
        let Some(free) = self.free(low) else { return false };
        self.current = free;
        self.next_page = 0;
        self.uses += 1;
        true
    }

    /// Takes the place of batch `number`, of `pages` pages: segment, page and the file.
    pub(super) fn take(&mut self, number: u64, pages: u32) -> (u32, u32, Rc<F>) {
        let page = self.next_page;
        self.next_page += pages;
        assert!(
            self.next_page <= self.pages,
            "batch {number} ends at page {} of {}",
            self.next_page,
            self.pages
        );
        let segment = &mut self.segments[self.current];
        segment.last = number;
        (self.current as u32, page, segment.file.clone())
    }

    /// Changes with each segment that is begun.
    pub(super) fn uses(&self) -> u64 {
        self.uses
    }

    /// Segments with a batch from `low` on, and the current one.
    pub(super) fn in_use(&self, low: u64) -> usize {
        (0..self.segments.len()).filter(|&at| at == self.current || self.segments[at].last >= low).count()
    }

    pub(super) fn count(&self) -> usize {
        self.segments.len()
    }

    /// The newest batch of the segment that holds batch `low`, or of the first behind it.
    pub(super) fn last_of(&self, low: u64) -> u64 {
        self.segments.iter().map(|segment| segment.last).filter(|&last| last >= low).min().unwrap_or(low)
    }

    /// The folder, the paths of all segments, and the index of the current one.
    pub(super) fn paths(&self) -> (PathBuf, Vec<PathBuf>, usize) {
        let path = |index| self.folder.join(file_name(&self.name, index as u32));
        (self.folder.clone(), (0..self.segments.len()).map(path).collect(), self.current)
    }

    fn free(&self, low: u64) -> Option<usize> {
        (0..self.segments.len()).find(|&at| at != self.current && self.segments[at].last < low)
    }
}

/// Removes the segments of a log. The newest batch, which says that nothing is needed, is in `last`: it goes when the others
/// are gone for certain, for without it they would bring back an older state of their files.
pub(super) async fn remove<D: Disk>(
    disk: &D,
    folder: &Path,
    others: &[PathBuf],
    last: &Path,
) -> Result<(), LogError> {
    for path in others {
        disk.remove(path).await?;
    }
    disk.sync_folder(folder).await?;
    disk.remove(last).await?;
    disk.sync_folder(folder).await?;
    Ok(())
}

pub(super) fn file_name(name: &str, index: u32) -> String {
    format!("{name}.{index}{SUFFIX}")
}

/// The log's name and the segment's index.
pub(super) fn parse_file_name(file_name: &str) -> Option<(&str, u32)> {
    let (name, index) = file_name.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    let index: u32 = index.parse().ok()?;
    (!name.is_empty() && self::file_name(name, index) == file_name).then_some((name, index))
}

const SUFFIX: &str = ".log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_segments_come_back_and_others_are_left_alone() {
        assert_eq!(parse_file_name(&file_name("shard.3", 12)), Some(("shard.3", 12)));
        for other in
            ["a.log", ".1.log", "a.01.log", "a.+1.log", "a.1.blk", "a.1.log.tmp", "a.4294967296.log", ""]
        {
            assert_eq!(parse_file_name(other), None, "{other}");
        }
    }
}
