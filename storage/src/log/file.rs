//! A file whose commits go through the log.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::batch::is_plain;
use super::commits::Commits;
use super::ticket::{Progress, Ticket};
use super::writer::Shared;
use super::{LogError, PATH_LEN_MAX};
use crate::disk::{Disk, File};

/// A file attached to a log. Clones are the same file.
pub struct LoggedFile<D: Disk> {
    shared: Rc<Shared<D>>,
    file: Rc<LogFile<D>>,
}

/// What a disk writes from without a copy.
pub type DirectBuffer<D> = <<D as Disk>::File as File>::Buffer;

/// What the log and its owner share of a file.
pub(super) struct LogFile<D: Disk> {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Rc<D::File>,
    pub(super) commits: RefCell<Commits<DirectBuffer<D>>>,
    /// Commits that the operating system has: they outlive the process, not yet a loss of power.
    pub(super) written: Rc<Progress>,
    /// Commits that are durable, in the log or in the file.
    pub(super) durable: Rc<Progress>,
    /// Commits that are durable in the file.
    pub(super) folded: Rc<Progress>,
    pub(super) work: Cell<Work>,
    /// The commit up to which a fold is wanted.
    pub(super) fold_wanted: Cell<Option<u64>>,
    pub(super) is_in_fold_queue: Cell<bool>,
    /// Overwrites so far: who reads from the file looks whether one came between.
    overwrites: Cell<u64>,
}

/// What the writer does with a file's oldest commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    None,
    /// Waits in one of the writer's queues.
    Queued,
    /// Is in the batch that is being written.
    Batch,
    /// Is being written directly, or read for an overwrite.
    File,
}

impl<D: Disk> LoggedFile<D> {
    pub(super) fn attach(
        shared: &Rc<Shared<D>>,
        path: &Path,
        file: Rc<D::File>,
        len: u64,
        tail: &[u8],
    ) -> Self {
        assert!(is_plain(path), "{} leaves the disk's root", path.display());
        assert!(path.as_os_str().len() <= PATH_LEN_MAX, "a path of {} bytes", path.as_os_str().len());
        let number = shared.next_file();
        let file = LogFile {
            number,
            path: path.to_path_buf(),
            file,
            commits: RefCell::new(Commits::new(number, len, tail)),
            written: Rc::default(),
            durable: Rc::default(),
            folded: Rc::default(),
            work: Cell::new(Work::None),
            fold_wanted: Cell::new(None),
            is_in_fold_queue: Cell::new(false),
            overwrites: Cell::new(0),
        };
        Self { shared: shared.clone(), file: Rc::new(file) }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Bytes of the file with all that was appended, durable or not.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a file with a head is never empty")]
    pub fn len(&self) -> u64 {
        self.file.commits.borrow().len()
    }

    /// Appends at [`Self::len`]. Appends that wait together become durable together.
    pub fn append(&self, bytes: &[u8]) -> Ticket {
        self.commit(|commits| commits.append(bytes))
    }

    /// The next append begins at a page of its own; what is left of this one reads as zeros. [`Self::len`], which this
    /// returns, says so at once.
    ///
    /// # Errors
    /// The one that an append would get.
    pub fn align(&self) -> Result<u64, LogError> {
        if let Some(refusal) = self.shared.refusal(&self.file) {
            return Err(refusal);
        }
        let bytes = self.file.commits.borrow_mut().align();
        self.shared.committed(&self.file, bytes);
        Ok(self.len())
    }

    /// Room for [`Self::append_direct`], of `len` bytes or more.
    #[must_use]
    pub fn buffer(&self, len: usize) -> DirectBuffer<D> {
        self.file.file.buffer(len)
    }

    /// Aligns, and writes whole pages straight to the file. For what is so large that a sync of its own is cheaper than
    /// writing it twice.
    ///
    /// # Panics
    /// If `pages` ends within a page.
    pub fn append_direct(&self, pages: DirectBuffer<D>) -> Ticket {
        self.commit(|commits| commits.append_direct(pages))
    }

    /// Replaces bytes below [`Self::len`]; each page it touches goes through the log.
    ///
    /// # Panics
    /// If the bytes reach beyond [`Self::len`].
    pub fn overwrite(&self, offset: u64, bytes: &[u8]) -> Ticket {
        self.file.overwrites.set(self.file.overwrites.get() + 1);
        self.commit(|commits| commits.overwrite(offset, bytes))
    }

    /// Up to `len` bytes from `offset`, fewer only where the file ends. Sees what was appended and overwritten, durable or
    /// not.
    ///
    /// # Errors
    /// [`LogError::Disk`].
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, LogError> {
        loop {
            let overwrites = self.file.overwrites.get();
            let bytes = match self.read_memory(offset, len) {
                Memory::Whole(bytes) => return Ok(bytes),
                Memory::None(range) => {
                    let wanted = (range.end - range.start) as usize;
                    let read = self.file.file.read_at(range.start, wanted).await?;
                    if read.len() == wanted { read } else { filled(&read, wanted) }
                }
                Memory::Part { range, mut bytes, missing } => {
                    for gap in missing {
                        let read = self.file.file.read_at(gap.start, (gap.end - gap.start) as usize).await?;
                        let at = (gap.start - range.start) as usize;
                        bytes[at..at + read.len()].copy_from_slice(&read);
                    }
                    bytes.freeze()
                }
            };
            // A page that was overwritten meanwhile may have been folded meanwhile: half of it was read.
            if self.file.overwrites.get() == overwrites {
                return Ok(bytes);
            }
        }
    }

    /// Resolves when all that was committed so far is with the operating system: it outlives the process then, and is made
    /// durable next.
    pub fn written(&self) -> Ticket {
        self.file.written.ticket(self.file.commits.borrow().last_step())
    }

    /// Waits until all that was committed so far is durable in the file itself.
    ///
    /// # Errors
    /// What ended the file or the log.
    pub async fn fold(&self) -> Result<(), LogError> {
        let step = self.file.commits.borrow().last_step();
        self.shared.want_fold(&self.file, step);
        self.file.folded.ticket(step).await
    }

    /// Gives the file up: what of it waits is dropped, its tickets fail, and the log keeps nothing for it. The file may then
    /// lack bytes that were durable, so its owner first makes certain that it is not needed after a crash.
    pub fn detach(self) {
        self.shared.detach(&self.file);
    }

    /// `change` gives the bytes it put into the backlog.
    fn commit(&self, change: impl FnOnce(&mut Commits<DirectBuffer<D>>) -> usize) -> Ticket {
        if let Some(error) = self.shared.refusal(&self.file) {
            return Progress::refusal(error);
        }
        let bytes = change(&mut self.file.commits.borrow_mut());
        self.shared.committed(&self.file, bytes);
        self.file.durable.ticket(self.file.commits.borrow().last_step())
    }

    fn read_memory(&self, offset: u64, len: usize) -> Memory {
        let commits = self.file.commits.borrow();
        let range = offset.min(commits.len())..offset.saturating_add(len as u64).min(commits.len());
        if range.is_empty() {
            return Memory::Whole(Bytes::new());
        }
        let overwrites = || {
            commits
                .waiting_overwrites()
                .filter(|&(at, bytes)| at < range.end && range.start < at + bytes.len() as u64)
        };
        let is_overwritten = overwrites().next().is_some();
        if !is_overwritten && let Some(bytes) = commits.pages().run_with(&range) {
            return Memory::Whole(Bytes::copy_from_slice(bytes));
        }
        let mut pieces: Vec<Range<u64>> = Vec::new();
        commits.pages().each_in(&range, |at, piece| pieces.push(at..at + piece.len() as u64));
        if pieces.is_empty() && !is_overwritten {
            return Memory::None(range);
        }
        let mut bytes = BytesMut::zeroed((range.end - range.start) as usize);
        let mut put = |at: u64, piece: &[u8]| {
            let from = at.max(range.start);
            let to = (at + piece.len() as u64).min(range.end);
            bytes[(from - range.start) as usize..(to - range.start) as usize]
                .copy_from_slice(&piece[(from - at) as usize..(to - at) as usize]);
        };
        commits.pages().each_in(&range, &mut put);
        for (at, piece) in overwrites() {
            pieces.push(at.max(range.start)..(at + piece.len() as u64).min(range.end));
            put(at, piece);
        }
        let missing = gaps(&range, pieces);
        if missing.is_empty() {
            Memory::Whole(bytes.freeze())
        } else {
            Memory::Part { range, bytes, missing }
        }
    }
}

impl<D: Disk> Clone for LoggedFile<D> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), file: self.file.clone() }
    }
}

/// What memory has of a range.
enum Memory {
    Whole(Bytes),
    None(Range<u64>),
    /// All but the `missing` ranges.
    Part {
        range: Range<u64>,
        bytes: BytesMut,
        missing: Vec<Range<u64>>,
    },
}

/// What `pieces` leave of `range`.
fn gaps(range: &Range<u64>, mut pieces: Vec<Range<u64>>) -> Vec<Range<u64>> {
    pieces.sort_unstable_by_key(|piece| piece.start);
    let mut at = range.start;
    let mut gaps = Vec::new();
    for piece in pieces {
        if at < piece.start {
            gaps.push(at..piece.start);
        }
        at = at.max(piece.end);
    }
    if at < range.end {
        gaps.push(at..range.end);
    }
    gaps
}

/// The file on disk is shorter than what was committed to it: it ends with zeros that were never written.
fn filled(read: &[u8], len: usize) -> Bytes {
    let mut bytes = BytesMut::zeroed(len);
    bytes[..read.len()].copy_from_slice(read);
    bytes.freeze()
}
