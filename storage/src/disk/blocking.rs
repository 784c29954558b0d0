//! A folder of a real file system through plain system calls that block: for offline tools, which have no executor. Never
//! for a server: each operation stops everything else.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::path::parts;
use super::uring::{cause_of, names};
use super::{Cause, Disk, DiskError, Entry, File, Open, Operation, PAGE_SIZE, PlainBuffer};

/// Paths are relative to the root it was made with.
#[derive(Clone)]
pub struct BlockingDisk {
    root: Rc<Path>,
}

pub struct BlockingFile {
    path: PathBuf,
    file: OwnedFd,
}

impl BlockingDisk {
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    fn run<T>(
        &self,
        operation: Operation,
        path: &Path,
        run: impl FnOnce(&Path) -> Result<T, Cause>,
    ) -> Result<T, DiskError> {
        let full =
            parts(path).map(|parts| parts.iter().fold(self.root.to_path_buf(), |all, part| all.join(part)));
        full.and_then(|full| run(&full)).map_err(|cause| DiskError {
            operation,
            path: path.to_owned(),
            cause,
        })
    }
}

impl Disk for BlockingDisk {
    type File = BlockingFile;

    async fn open(&self, path: &Path, how: Open) -> Result<BlockingFile, DiskError> {
        self.run(Operation::Open, path, |full| {
            let flags = match how {
                Open::Read => OFlags::RDONLY,
                Open::Write => OFlags::RDWR,
                Open::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            };
            let file = rustix::fs::open(full, flags | OFlags::CLOEXEC, names::FILE_MODE).map_err(cause_of)?;
            let stat = rustix::fs::fstat(&file).map_err(cause_of)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                return Err(cause_of(Errno::ISDIR));
            }
            Ok(BlockingFile { path: path.to_owned(), file })
        })
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, DiskError> {
        self.run(Operation::List, folder, names::list)
    }

    async fn create_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run(Operation::CreateFolder, folder, |_| names::create_folder(&self.root, folder))
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let to = self.run(Operation::Rename, to, |to| Ok(to.to_owned()))?;
        self.run(Operation::Rename, from, |from| names::rename(from, &to))
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.run(Operation::Remove, path, names::remove)
    }

    async fn remove_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run(Operation::Remove, folder, names::remove_folder)
    }

    async fn sync_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run(Operation::SyncFolder, folder, names::sync_folder)
    }
}

impl BlockingFile {
    fn failed(&self, operation: Operation) -> impl Fn(Errno) -> DiskError + '_ {
        move |errno| DiskError { operation, path: self.path.clone(), cause: cause_of(errno) }
    }
}

impl File for BlockingFile {
    type Buffer = PlainBuffer;

    fn buffer(&self, len: usize) -> PlainBuffer {
        PlainBuffer::new(len)
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        let size = self.size().await?;
        let len = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(len);
        let mut bytes = BytesMut::zeroed(len);
        let mut read = 0;
        while read < len {
            let piece = rustix::io::pread(&self.file, &mut bytes[read..], offset + read as u64);
            match piece.map_err(self.failed(Operation::Read))? {
                0 => break,
                more => read += more,
            }
        }
        bytes.truncate(read);
        Ok(bytes.freeze())
    }

    async fn write_at(&self, offset: u64, pages: &[u8]) -> Result<(), DiskError> {
        assert!(offset.is_multiple_of(PAGE_SIZE as u64), "a write at {offset} is not at a page");
        assert!(
            pages.len().is_multiple_of(PAGE_SIZE),
            "a write of {} bytes is not of whole pages",
            pages.len()
        );
        let mut written = 0;
        while written < pages.len() {
            let piece = rustix::io::pwrite(&self.file, &pages[written..], offset + written as u64);
            written += piece.map_err(self.failed(Operation::Write))?;
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), DiskError> {
        rustix::fs::fsync(&self.file).map_err(self.failed(Operation::Sync))
    }

    async fn allocate(&self, len: u64) -> Result<(), DiskError> {
        if self.size().await? < len {
            rustix::fs::ftruncate(&self.file, len).map_err(self.failed(Operation::Allocate))?;
        }
        Ok(())
    }

    async fn truncate(&self, len: u64) -> Result<(), DiskError> {
        rustix::fs::ftruncate(&self.file, len).map_err(self.failed(Operation::Truncate))
    }

    async fn size(&self) -> Result<u64, DiskError> {
        let stat = rustix::fs::fstat(&self.file).map_err(self.failed(Operation::Size))?;
        Ok(u64::try_from(stat.st_size).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::conformance;

    #[test]
    fn it_does_what_every_disk_does() {
        let folder = tempfile::tempdir().unwrap();
        futures_lite::future::block_on(conformance::check(&BlockingDisk::new(folder.path())));
    }
}
