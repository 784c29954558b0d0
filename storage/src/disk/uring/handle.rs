//! One open file: whole reads, whole writes and filling with zeros, in pieces that leave the executor to others.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use glommio_ng::GlommioError;
use glommio_ng::io::{BufferedFile, DmaFile, OpenOptions};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::super::{Buffer, Cause, Open, PAGE_SIZE, PlainBuffer};
use super::buffer::{Spares, UringBuffer};
use super::names::FILE_MODE;
use super::{Access, cause_of, cause_of_raw};

pub(super) enum Handle {
    Direct(DmaFile),
    Buffered(BufferedFile),
}

impl Handle {
    pub(super) async fn open(path: PathBuf, how: Open, access: Access) -> Result<Self, Cause> {
        let opened = natrium_shards::spawn_blocking(move || open_plain(&path, how)).await?;
        // The runtime looks a second time at the path it is given, and panics where the file has been renamed or removed
        // meanwhile. The name of a descriptor stays.
        Self::reopen(opened.as_raw_fd(), how, access, OFlags::empty()).await
    }

    /// The same file, whose writes are durable when they return.
    pub(super) async fn open_synced(&self, how: Open, access: Access) -> Result<Self, Cause> {
        let descriptor = match self {
            Self::Direct(file) => file.as_raw_fd(),
            Self::Buffered(file) => file.as_raw_fd(),
        };
        Self::reopen(descriptor, how, access, OFlags::DSYNC).await
    }

    /// The runtime's own handle of the file that is open as `descriptor`.
    async fn reopen(descriptor: RawFd, how: Open, access: Access, flags: OFlags) -> Result<Self, Cause> {
        let path = format!("/proc/self/fd/{descriptor}");
        let flags = i32::try_from(flags.bits()).expect("a flag of the kernel's");
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read).custom_flags(flags);
        match access {
            Access::Direct => options.dma_open(path).await.map(Self::Direct),
            Access::Buffered { .. } => options.buffered_open(path).await.map(Self::Buffered),
        }
        .map_err(cause_of_error)
    }

    pub(super) async fn read(&self, offset: u64, len: usize) -> Result<Bytes, Cause> {
        let first = offset - offset % PAGE;
        let skipped = (offset - first) as usize;
        let wanted = skipped.saturating_add(len);
        let piece = |read: usize| (wanted - read).min(READ_PIECE_SIZE).next_multiple_of(PAGE_SIZE);
        let is_end = |read: &Bytes| read.is_empty() || !read.len().is_multiple_of(PAGE_SIZE);
        let mut read = self.read_piece(first, piece(0)).await?;
        if read.len() >= wanted || is_end(&read) {
            let end = read.len().min(wanted);
            return Ok(read.slice(skipped.min(end)..end));
        }
        let mut all = BytesMut::from(&read[..]);
        while all.len() < wanted && !is_end(&read) {
            read = self.read_piece(first + all.len() as u64, piece(all.len())).await?;
            all.extend_from_slice(&read);
        }
        all.truncate(wanted);
        let end = all.len();
        Ok(all.freeze().slice(skipped.min(end)..))
    }

    /// Writes all of it. The kernel may take less than it was given, and says why when asked for the rest.
    pub(super) async fn write(&self, mut offset: u64, mut buffer: UringBuffer) -> Result<(), Cause> {
        loop {
            let len = buffer.bytes().len();
            let written = self.write_piece(offset, &buffer).await?;
            if written == len {
                return Ok(());
            }
            if written == 0 || !written.is_multiple_of(PAGE_SIZE) {
                return Err(Cause::ShortWrite);
            }
            offset += written as u64;
            buffer = self.buffer_of(&buffer.bytes()[written..], &Rc::default());
        }
    }

    pub(super) async fn sync(&self) -> Result<(), Cause> {
        match self {
            Self::Direct(file) => file.fdatasync().await,
            Self::Buffered(file) => file.fdatasync().await,
        }
        .map_err(cause_of_error)
    }

    /// Writes zeros from the end of the file to `size`: a page that was reserved only would cost a commit of the file
    /// system's journal with the first sync after it was written.
    pub(super) async fn allocate(&self, size: u64) -> Result<(), Cause> {
        let old = self.size().await?;
        if size <= old {
            return Ok(());
        }
        let (mut at, end) = (old.next_multiple_of(PAGE), size - size % PAGE);
        let mut reached = old;
        if at < end {
            let mut zeros = self.zeros((end - at).min(ZERO_PIECE_SIZE));
            while at < end {
                if end - at < ZERO_PIECE_SIZE {
                    zeros = self.zeros(end - at);
                }
                self.write(at, zeros.clone()).await?;
                at += zeros.bytes().len() as u64;
            }
            reached = at;
        }
        if reached < size { self.truncate(size).await } else { Ok(()) }
    }

    pub(super) async fn reserve(&self, size: u64) -> Result<(), Cause> {
        let reserved = match self {
            Self::Direct(file) => file.pre_allocate(size, false).await,
            Self::Buffered(file) => file.pre_allocate(size, false).await,
        };
        match reserved {
            // A file system without it.
            Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {
                self.allocate(size).await
            }
            reserved => reserved.map_err(cause_of_error),
        }
    }

    pub(super) async fn truncate(&self, size: u64) -> Result<(), Cause> {
        match self {
            Self::Direct(file) => file.truncate(size).await,
            Self::Buffered(file) => file.truncate(size).await,
        }
        .map_err(cause_of_error)
    }

    pub(super) async fn size(&self) -> Result<u64, Cause> {
        match self {
            Self::Direct(file) => file.file_size().await,
            Self::Buffered(file) => file.file_size().await,
        }
        .map_err(cause_of_error)
    }

    /// `len` bytes, and as many as are missing to whole pages.
    pub(super) fn buffer(&self, len: usize, spares: &Rc<Spares>) -> UringBuffer {
        match self {
            Self::Direct(file) => UringBuffer::direct(spares, len, |len| file.alloc_dma_buffer(len)),
            Self::Buffered(_) => UringBuffer::Buffered(PlainBuffer::new(len)),
        }
    }

    pub(super) fn buffer_of(&self, pages: &[u8], spares: &Rc<Spares>) -> UringBuffer {
        let mut buffer = self.buffer(pages.len(), spares);
        buffer.bytes_mut().copy_from_slice(pages);
        buffer
    }

    fn zeros(&self, size: u64) -> UringBuffer {
        self.buffer_of(&vec![0; size as usize], &Rc::default())
    }

    async fn read_piece(&self, offset: u64, len: usize) -> Result<Bytes, Cause> {
        loop {
            let read = match self {
                Self::Direct(file) => file.read_at_aligned(offset, len).await,
                Self::Buffered(file) => file.read_at(offset, len).await,
            };
            match read {
                Ok(read) => return Ok(Bytes::copy_from_slice(&read)),
                Err(error) if is_interrupted(&error) => {}
                Err(error) => return Err(cause_of_error(error)),
            }
        }
    }

    async fn write_piece(&self, offset: u64, buffer: &UringBuffer) -> Result<usize, Cause> {
        loop {
            let written = match (self, buffer) {
                (Self::Direct(file), UringBuffer::Direct(buffer)) => {
                    file.write_rc_at(buffer.shared(), offset).await
                }
                (Self::Buffered(file), buffer) => file.write_at(buffer.bytes().to_vec(), offset).await,
                (Self::Direct(file), UringBuffer::Buffered(plain)) => {
                    let UringBuffer::Direct(buffer) = self.buffer_of(plain.bytes(), &Rc::default()) else {
                        return Err(Cause::ShortWrite);
                    };
                    file.write_rc_at(buffer.shared(), offset).await
                }
            };
            match written {
                Ok(written) => return Ok(written),
                Err(error) if is_interrupted(&error) => {}
                Err(error) => return Err(cause_of_error(error)),
            }
        }
    }
}

fn open_plain(path: &Path, how: Open) -> Result<OwnedFd, Cause> {
    let flags = match how {
        Open::Read => OFlags::RDONLY,
        Open::Write => OFlags::RDWR,
        Open::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    };
    let opened = rustix::fs::open(path, flags | OFlags::CLOEXEC, FILE_MODE).map_err(cause_of)?;
    let stat = rustix::fs::fstat(&opened).map_err(cause_of)?;
    // The kernel lets folders be opened to read.
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_folder { Err(cause_of(Errno::ISDIR)) } else { Ok(opened) }
}

/// A signal came between: nothing happened, so that asking again is safe.
fn is_interrupted(error: &GlommioError<()>) -> bool {
    error.raw_os_error() == Some(Errno::INTR.raw_os_error())
}

fn cause_of_error(error: GlommioError<()>) -> Cause {
    cause_of_raw(error.raw_os_error())
}

const PAGE: u64 = PAGE_SIZE as u64;
/// Bytes read by one request; longer reads are several, so that a length from a damaged file reserves no memory.
const READ_PIECE_SIZE: usize = 1 << 20;
/// Bytes of zeros written by one request: few requests for a block, and no commit waits long behind one.
const ZERO_PIECE_SIZE: u64 = 256 << 10;
