//! Files as the engine sees them: whole pages in, bytes out, and durability only where it was asked for.
//!
//! What an implementation promises, and what the engine relies on:
//!
//! - A write is durable once a [`File::sync`] that began after the write was done has succeeded. Before that any sector of
//!   512 bytes of it may be on disk or not, in any order; where a page was written several times, each sector is of any
//!   of them. A page being written when the power goes may not be readable until it is written anew.
//! - The size a file was given by [`File::allocate`], [`File::truncate`] or a write behind its end is durable with the next
//!   sync of the file, under the same rule. Until then a crash finds the old or the new size; of an allocation, also any
//!   page between; of a truncation, all bytes behind the new size or none.
//! - A file's name (created, renamed, removed) is durable once [`Disk::sync_folder`] of its folder has succeeded, if it was
//!   done before that began; a rename is all or nothing, and its promise is with the folder it goes to. A folder is a
//!   name in the folder above it. Syncing a file does not make its name durable, nor the other way round.
//! - After a failed sync nothing is known about what was written since the last good one; the next may succeed and mean
//!   nothing. The engine never tries again.
//! - Operations at once happen in any order. One whose future is dropped before it was polled never began.

pub mod blocking;
#[cfg(test)]
mod conformance;
mod path;
mod salvage;
pub mod sim;
pub mod uring;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;

pub(crate) use self::salvage::read_anyhow;

/// Writes begin at a multiple of this and are as long as one: what direct I/O takes on every device we know.
pub const PAGE_SIZE: usize = 4096;

/// A tree of folders and files. Paths are relative to its root.
pub trait Disk: Clone + 'static {
    type File: File;

    /// # Errors
    /// [`Cause::NotFound`], [`Cause::Exists`] and whatever the disk says.
    async fn open(&self, path: &Path, how: Open) -> Result<Self::File, DiskError>;

    /// What `folder` holds, sorted by name. A folder that is not there holds nothing.
    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, DiskError>;

    /// Makes a folder and those above it; one that is there already is left alone.
    async fn create_folder(&self, folder: &Path) -> Result<(), DiskError>;

    /// Replaces `to` where it exists. Open files follow.
    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file's name; handles that are open go on.
    async fn remove(&self, path: &Path) -> Result<(), DiskError>;

    /// Removes a folder that is empty ([`Cause::NotEmpty`] otherwise).
    async fn remove_folder(&self, folder: &Path) -> Result<(), DiskError>;

    /// Makes the names in `folder` durable.
    async fn sync_folder(&self, folder: &Path) -> Result<(), DiskError>;

    /// Returns when the device has all that was asked of it before. A disk whose requests leave with the next turn of its
    /// executor would else be idle while tasks run.
    async fn submit(&self) {}
}

/// An open file. Dropping it closes it. An operation that was begun is carried out even when its future is dropped.
pub trait File: 'static {
    type Buffer: Buffer;

    /// Room for `len` bytes or more, of whole pages.
    fn buffer(&self, len: usize) -> Self::Buffer;

    /// Up to `len` bytes from `offset`, of any alignment; fewer only where the file ends.
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError>;

    /// Writes all of `pages`, or fails; then any of its sectors may be in the file. `offset` and the length are multiples
    /// of [`PAGE_SIZE`].
    ///
    /// # Panics
    /// Where they are not.
    async fn write_at(&self, offset: u64, pages: &[u8]) -> Result<(), DiskError>;

    /// As [`Self::write_at`], and what was written and the file's length are durable then. What others wrote need not be.
    async fn write_synced(&self, offset: u64, pages: Self::Buffer) -> Result<(), DiskError> {
        self.write_at(offset, pages.bytes()).await?;
        self.sync().await
    }

    /// Makes durable what was written, and the file's length.
    async fn sync(&self) -> Result<(), DiskError>;

    /// Reserves space up to `len` bytes, which read as zeros until written. Never shortens. May fill page by page: no
    /// write behind the file's end, and no other allocation, may be under way with it.
    async fn allocate(&self, len: u64) -> Result<(), DiskError>;

    /// As [`Self::allocate`], at once and without writing: what is written there later is entered into the file system's
    /// books with its sync. Writes may be under way with it.
    async fn reserve(&self, len: u64) -> Result<(), DiskError> {
        self.allocate(len).await
    }

    /// Cuts or lengthens the file to `len` bytes; what is added reads as zeros.
    async fn truncate(&self, len: u64) -> Result<(), DiskError>;

    /// The file's length in bytes.
    async fn size(&self) -> Result<u64, DiskError>;
}

/// Memory that a disk takes pages from without a copy. Clones are the same memory.
pub trait Buffer: Clone + 'static {
    fn bytes(&self) -> &[u8];

    /// # Panics
    /// If it has clones.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Gives up what is behind the first `len` bytes.
    ///
    /// # Panics
    /// As [`Self::bytes_mut`].
    fn truncate(&mut self, len: usize);
}

/// The [`Buffer`] of disks that copy what they write.
#[derive(Clone, Debug)]
pub struct PlainBuffer(Rc<Vec<u8>>);

impl PlainBuffer {
    /// Zeros, `len` bytes and as many as are missing to whole pages.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self(Rc::new(vec![0; len.next_multiple_of(PAGE_SIZE)]))
    }

    fn own(&mut self) -> &mut Vec<u8> {
        Rc::get_mut(&mut self.0).expect("a buffer is filled before it is shared")
    }
}

impl Buffer for PlainBuffer {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.own()
    }

    fn truncate(&mut self, len: usize) {
        self.own().truncate(len);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// A file that is there, to read.
    Read,
    /// A file that is there, to read and write.
    Write,
    /// A file that is not there yet, to read and write.
    CreateNew,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    File,
    Folder,
    /// A link, a socket, a device: nothing of ours.
    Other,
}

/// A disk said no.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} {}: {cause}", path.display())]
pub struct DiskError {
    pub operation: Operation,
    pub path: PathBuf,
    pub cause: Cause,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Open,
    List,
    CreateFolder,
    Rename,
    Remove,
    SyncFolder,
    Read,
    Write,
    Sync,
    Allocate,
    Truncate,
    Size,
}

/// Why it failed, in the classes the engine answers differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("no such file or folder")]
    NotFound,
    #[error("it exists already")]
    Exists,
    /// ENOSPC and EDQUOT: useless to try again until an operator frees space.
    #[error("no space left on device: free some, or move the store")]
    NoSpace,
    #[error("the folder is not empty")]
    NotEmpty,
    /// The path is absolute, has `..` in it, or is not UTF-8.
    #[error("the path leaves the store's folder")]
    BadPath,
    /// EROFS, EACCES and EPERM.
    #[error("the file system is read-only, or permission is denied")]
    ReadOnly,
    /// EMFILE and ENFILE.
    #[error("too many open files: raise the limit (ulimit -n)")]
    TooManyOpenFiles,
    /// Fewer bytes than asked for reached the file.
    #[error("short write")]
    ShortWrite,
    #[error("input/output error (os error {0})")]
    Io(i32),
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::List => "list",
            Self::CreateFolder => "create folder",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::SyncFolder => "sync folder",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Allocate => "allocate",
            Self::Truncate => "truncate",
            Self::Size => "size of",
        })
    }
}
