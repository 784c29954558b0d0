//! The commit log: one physical redo log an executor, for the small commits of all its files.
//!
//! A thousand files with one small commit each would cost a thousand syncs. Here they are gathered into one batch, which one
//! write and one sync make durable; in the background the bytes are *folded* into their own files, and then the log's space
//! is used again. Large commits go straight to their file.
//!
//! Invariants:
//!
//! - Commits of one file become durable in their order. A direct append is issued when all before it is durable, and what
//!   comes after waits for it.
//! - **The page rule.** A page that holds acknowledged bytes is never rewritten while it is their only copy, for a page under
//!   rewrite may be unreadable after a crash. From the moment a fold of a file begins, the next entry of its last page
//!   carries that page from its start; an overwrite carries whole pages.
//! - A file's own pages are written by folds only once the log holds them durably, so that a crash in the middle of a fold
//!   is made good from the log.
//! - A segment of the log is used again only when a durable batch says that nothing in it is needed.
//!
//! Nothing here is `Send`. No borrow of the state lives across an await: futures own what they work on.

mod batch;
mod commits;
mod file;
mod found;
mod pages;
mod peek;
mod recovery;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod ticket;
mod writer;

use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use file::{DirectBuffer, LoggedFile};
pub(crate) use peek::{Peek, PeekedPage, peek};
pub use recovery::{Damage, Replay};
pub use ticket::Ticket;

use crate::disk::{Disk, DiskError, PAGE_SIZE};
use segment::Segments;
use writer::Shared;

/// The log of one executor. Clones are the same log.
pub struct CommitLog<D: Disk>(Rc<Shared<D>>);

#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Bytes of a segment: a multiple of [`PAGE_SIZE`], at least [`SEGMENT_LEN_MIN`].
    pub segment_len: u64,
    /// At least two. When more than half of them are in use, the files of the oldest are folded.
    pub segments: usize,
    /// A file is folded when it holds as many bytes in memory.
    pub fold_at: usize,
    pub folds_in_flight: usize,
    /// Leaves the page rule out, to prove that the tests would see that.
    #[cfg(test)]
    pub(crate) without_page_rule: bool,
}

/// What a log did since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Batches that became durable, each by one write and one sync of the log.
    pub batches: u64,
    /// Bytes of these batches, with what pads them.
    pub batch_bytes: u64,
    /// Folds that became durable, each by one sync of its file.
    pub folds: u64,
    pub fold_bytes: u64,
    /// Direct appends that became durable, each by one write and one sync of its file.
    pub directs: u64,
    pub direct_bytes: u64,
    /// Segments that hold what is not in the files yet, and the one that is written.
    pub segments_in_use: usize,
    /// Bytes handed in and not durable yet.
    pub backlog_bytes: usize,
    /// Files with bytes that are only in the log.
    pub unfolded_files: usize,
}

impl LogStats {
    /// All syncs, of the log and of the files.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.batches + self.folds + self.directs
    }
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What reached the disk is unknown; a restart reads it back.
    #[error("the commit log takes no more commits: {source}")]
    Poisoned { source: DiskError },
    /// Other files go on. What the log holds of this one is restored by a restart.
    #[error("{} takes no more commits: {source}", path.display())]
    FilePoisoned { path: PathBuf, source: DiskError },
    /// What a file that takes no more commits left in the log fills it.
    #[error("the commit log is full of what could not be written to {}", path.display())]
    Full { path: PathBuf },
    #[error("the commit log was closed")]
    Closed,
    #[error("the file was detached from the commit log")]
    Detached,
    #[error("{} is a commit log of format version {version}; this program reads {}", path.display(), batch::VERSION)]
    Version { path: PathBuf, version: u32 },
}

impl<D: Disk> CommitLog<D> {
    /// Brings into their files what the logs in `folder` hold, makes that durable, and removes the logs. To be called once,
    /// before any log is opened there. It may be interrupted at any point and is then simply done again.
    ///
    /// # Errors
    /// [`LogError::Disk`] and [`LogError::Version`]: nothing is lost, the logs are still there. What can be read only in
    /// part is no error: see [`Replay::damage`].
    pub async fn recover_all(disk: &D, folder: &Path) -> Result<Replay, LogError> {
        recovery::recover_all(disk, folder).await
    }

    /// Makes an empty log `name` in `folder`. `salt` is random: it tells this log's batches from those of any other.
    ///
    /// # Errors
    /// [`LogError::Disk`]; with the cause `Exists` where a log of this name was not recovered.
    ///
    /// # Panics
    /// If the options are out of their bounds, or `name` is no plain name.
    pub async fn open(
        disk: D,
        folder: &Path,
        name: &str,
        options: LogOptions,
        salt: u64,
    ) -> Result<Self, LogError> {
        options.check();
        let segments = Segments::create(&disk, folder, name, &options).await?;
        Ok(Self(Rc::new(Shared::new(disk, segments, options, salt))))
    }

    /// Takes a file of which the first `len` bytes are durable; `tail` are the bytes of its last page below `len`, none if
    /// `len` is page aligned. `path` is never used for another file, for the log may still name it.
    ///
    /// # Panics
    /// If `tail` has another length, or `path` is longer than [`PATH_LEN_MAX`] or leaves the root.
    #[must_use]
    pub fn attach(&self, path: &Path, file: Rc<D::File>, len: u64, tail: &[u8]) -> LoggedFile<D> {
        LoggedFile::attach(&self.0, path, file, len, tail)
    }

    /// Gathers, writes, syncs, folds and recycles, until [`Self::close`] or a failure of the log. The owner runs it once and
    /// does not drop it before.
    pub async fn run(&self) {
        self.0.run().await;
    }

    /// Folds everything and removes the log: what was appended is then whole in its files. Appends fail from here on.
    /// [`Self::run`] does the work.
    ///
    /// # Errors
    /// What ended the log before, or a file that could not be folded: its log stays for the next start.
    pub async fn close(&self) -> Result<(), LogError> {
        self.0.close().await
    }

    /// What ended the log.
    #[must_use]
    pub fn failed(&self) -> Option<LogError> {
        self.0.failed()
    }

    /// Bytes handed in and not durable yet: what an owner bounds.
    #[must_use]
    pub fn backlog_bytes(&self) -> usize {
        self.stats().backlog_bytes
    }

    #[must_use]
    pub fn stats(&self) -> LogStats {
        self.0.stats()
    }
}

impl<D: Disk> Clone for CommitLog<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_len: 4 << 20,
            segments: 4,
            fold_at: 256 << 10,
            folds_in_flight: 4,
            #[cfg(test)]
            without_page_rule: false,
        }
    }
}

impl LogOptions {
    #[cfg(not(test))]
    const fn has_page_rule(&self) -> bool {
        true
    }

    #[cfg(test)]
    const fn has_page_rule(&self) -> bool {
        !self.without_page_rule
    }

    fn check(&self) {
        assert!(self.segment_len.is_multiple_of(PAGE_SIZE as u64), "segments of {} bytes", self.segment_len);
        assert!(self.segment_len >= SEGMENT_LEN_MIN, "segments of {} bytes", self.segment_len);
        assert!(self.segment_len <= u64::from(u32::MAX), "segments of {} bytes", self.segment_len);
        assert!(self.segments >= 2, "{} segments", self.segments);
        assert!(self.folds_in_flight >= 1, "no fold may be in flight");
    }
}

/// Room for a few batches of one entry each, the largest of which is a page, a name and a head.
pub const SEGMENT_LEN_MIN: u64 = 16 * PAGE_SIZE as u64;
/// Bytes of the path of an attached file: with a page of its bytes it has to fit the smallest batch.
pub const PATH_LEN_MAX: usize = 1024;
