//! Files through io_uring: direct I/O where the file system has it. Belongs to the shard it was opened on.
//!
//! Names go through the executor's helper threads, as the kernel has no way to change them without blocking. No more than
//! so many operations are in flight; the others wait their turn in order.

mod buffer;
mod carry;
mod handle;
pub(super) mod names;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bytes::Bytes;
use glommio_ng::sync::{Semaphore, StaticPermit};
use natrium_shards::outside;
use rustix::io::Errno;

use self::buffer::Spares;
pub use self::buffer::UringBuffer;
use self::carry::Carrier;
use self::handle::Handle;
use super::path::parts;
use super::{Buffer, Cause, Disk, DiskError, Entry, File, Open, Operation, PAGE_SIZE};

/// A folder of a real file system.
#[derive(Clone)]
pub struct UringDisk(Rc<Shared>);

pub struct UringFile {
    disk: UringDisk,
    handle: Rc<Handle>,
    /// The same file, opened for writes that are durable at once: when the first one, or room for them, is asked for.
    synced: Rc<RefCell<Option<Rc<Handle>>>>,
    how: Open,
    path: PathBuf,
}

/// How the bytes of files are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Past the kernel's cache.
    Direct,
    /// Through the kernel's cache, as this file system (its magic number) has no other way. Durable all the same, but
    /// slower, and memory is used twice.
    Buffered { file_system: u64 },
}

struct Shared {
    root: PathBuf,
    access: Access,
    in_flight: Rc<Semaphore>,
    carrier: Rc<Carrier>,
    spares: Rc<Spares>,
}

impl UringDisk {
    /// Opens `root` on the shard this is called on, and makes it where it is not there. At most `in_flight_max` operations
    /// are with the kernel at once: no more than the shard's rings are deep.
    ///
    /// Log [`Self::access`] where it is not direct.
    ///
    /// # Errors
    /// Whatever the file system says about the folder.
    ///
    /// # Panics
    /// Outside of a shard.
    pub async fn open(root: &Path, in_flight_max: u32) -> Result<Self, DiskError> {
        let path = root.to_owned();
        let prepared = natrium_shards::spawn_blocking(move || names::prepare_root(&path)).await;
        let access = prepared.map_err(|cause| DiskError {
            operation: Operation::Open,
            path: root.to_owned(),
            cause,
        })?;
        Ok(Self::open_with(root, in_flight_max, access))
    }

    #[must_use]
    pub fn access(&self) -> Access {
        self.0.access
    }

    fn open_with(root: &Path, in_flight_max: u32, access: Access) -> Self {
        assert!(in_flight_max > 0, "operations wait for ever where none may be in flight");
        let carrier = Rc::new(Carrier::default());
        natrium_shards::spawn(Rc::clone(&carrier).run());
        let in_flight = Rc::new(Semaphore::new(u64::from(in_flight_max)));
        Self(Rc::new(Shared { root: root.to_owned(), access, in_flight, carrier, spares: Rc::default() }))
    }

    /// The path on the machine of one below the root.
    fn full(&self, path: &Path) -> Result<PathBuf, Cause> {
        Ok(parts(path)?.iter().fold(self.0.root.clone(), |full, part| full.join(part)))
    }

    /// As [`Self::full`], of something that has a name: not the root.
    fn full_named(&self, path: &Path) -> Result<PathBuf, Cause> {
        if parts(path)?.is_empty() {
            return Err(cause_of(Errno::BUSY));
        }
        self.full(path)
    }

    async fn turn(&self) -> StaticPermit {
        let permit = self.0.in_flight.acquire_static_permit(1).await;
        permit.expect("the semaphore lives as long as the disk and nobody closes it")
    }

    /// Runs something that blocks on a helper thread, to its end even when dropped.
    async fn block<T: Send + 'static>(
        &self,
        operation: Operation,
        path: &Path,
        work: Result<impl FnOnce() -> Result<T, Cause> + Send + 'static, Cause>,
    ) -> Result<T, DiskError> {
        let failed = |cause| DiskError { operation, path: path.to_owned(), cause };
        let work = work.map_err(failed)?;
        let disk = self.clone();
        let blocking = async move {
            let _turn = disk.turn().await;
            natrium_shards::spawn_blocking(work).await
        };
        self.0.carrier.carry(blocking).await.map_err(failed)
    }
}

impl Disk for UringDisk {
    type File = UringFile;

    async fn open(&self, path: &Path, how: Open) -> Result<UringFile, DiskError> {
        let failed = |cause| DiskError { operation: Operation::Open, path: path.to_owned(), cause };
        let full = self.full_named(path).map_err(failed)?;
        let disk = self.clone();
        let opening = async move {
            let _turn = disk.turn().await;
            outside(Handle::open(full, how, disk.access())).await
        };
        let handle = self.0.carrier.carry(opening).await.map_err(failed)?;
        Ok(UringFile {
            disk: self.clone(),
            handle: Rc::new(handle),
            synced: Rc::default(),
            how,
            path: path.to_owned(),
        })
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, DiskError> {
        let work = self.full(folder).map(|full| move || names::list(&full));
        self.block(Operation::List, folder, work).await
    }

    async fn create_folder(&self, folder: &Path) -> Result<(), DiskError> {
        let (root, path) = (self.0.root.clone(), folder.to_owned());
        let work = parts(folder).map(|_| move || names::create_folder(&root, &path));
        self.block(Operation::CreateFolder, folder, work).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let paths = self.full_named(from).and_then(|from| Ok((from, self.full_named(to)?)));
        let work = paths.map(|(from, to)| move || names::rename(&from, &to));
        self.block(Operation::Rename, from, work).await
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        let work = self.full_named(path).map(|full| move || names::remove(&full));
        self.block(Operation::Remove, path, work).await
    }

    async fn remove_folder(&self, folder: &Path) -> Result<(), DiskError> {
        let work = self.full_named(folder).map(|full| move || names::remove_folder(&full));
        self.block(Operation::Remove, folder, work).await
    }

    async fn sync_folder(&self, folder: &Path) -> Result<(), DiskError> {
        let work = self.full(folder).map(|full| move || names::sync_folder(&full));
        self.block(Operation::SyncFolder, folder, work).await
    }

    async fn submit(&self) {
        natrium_shards::submitted().await;
    }
}

impl UringFile {
    /// One operation in its turn, to its end even when dropped.
    async fn carry<T: 'static>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, Cause>> + 'static,
    ) -> Result<T, DiskError> {
        let disk = self.disk.clone();
        let in_turn = async move {
            let _turn = disk.turn().await;
            outside(work).await
        };
        self.disk.0.carrier.carry(in_turn).await.map_err(|cause| self.failed(operation, cause))
    }

    /// The handle whose writes are durable at once.
    fn synced(&self) -> impl Future<Output = Result<Rc<Handle>, Cause>> + 'static {
        let (handle, synced) = (Rc::clone(&self.handle), Rc::clone(&self.synced));
        let (how, access) = (self.how, self.disk.access());
        async move {
            let known = synced.borrow().clone();
            if let Some(known) = known {
                return Ok(known);
            }
            let opened = Rc::new(handle.open_synced(how, access).await?);
            Ok(Rc::clone(synced.borrow_mut().get_or_insert(opened)))
        }
    }

    fn failed(&self, operation: Operation, cause: Cause) -> DiskError {
        DiskError { operation, path: self.path.clone(), cause }
    }
}

impl File for UringFile {
    type Buffer = UringBuffer;

    fn buffer(&self, len: usize) -> UringBuffer {
        self.handle.buffer(len, &self.disk.0.spares)
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        let _turn = self.disk.turn().await;
        outside(self.handle.read(offset, len)).await.map_err(|cause| self.failed(Operation::Read, cause))
    }

    async fn write_at(&self, offset: u64, pages: &[u8]) -> Result<(), DiskError> {
        check_pages(offset, pages);
        if pages.is_empty() {
            return Ok(());
        }
        let (handle, buffer) = (Rc::clone(&self.handle), self.handle.buffer_of(pages, &self.disk.0.spares));
        self.carry(Operation::Write, async move { handle.write(offset, buffer).await }).await
    }

    async fn write_synced(&self, offset: u64, pages: UringBuffer) -> Result<(), DiskError> {
        check_pages(offset, pages.bytes());
        let synced = self.synced();
        self.carry(Operation::Write, async move { synced.await?.write(offset, pages).await }).await
    }

    async fn sync(&self) -> Result<(), DiskError> {
        let handle = Rc::clone(&self.handle);
        self.carry(Operation::Sync, async move { handle.sync().await }).await
    }

    async fn allocate(&self, len: u64) -> Result<(), DiskError> {
        let handle = Rc::clone(&self.handle);
        self.carry(Operation::Allocate, async move { handle.allocate(len).await }).await
    }

    async fn reserve(&self, len: u64) -> Result<(), DiskError> {
        let handle = Rc::clone(&self.handle);
        let synced = self.synced();
        let reserve = async move {
            handle.reserve(len).await?;
            // What comes is large, and written so.
            synced.await.map(drop)
        };
        self.carry(Operation::Allocate, reserve).await
    }

    async fn truncate(&self, len: u64) -> Result<(), DiskError> {
        let handle = Rc::clone(&self.handle);
        self.carry(Operation::Truncate, async move { handle.truncate(len).await }).await
    }

    async fn size(&self) -> Result<u64, DiskError> {
        let _turn = self.disk.turn().await;
        outside(self.handle.size()).await.map_err(|cause| self.failed(Operation::Size, cause))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.carrier.close();
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("direct I/O"),
            Self::Buffered { file_system: names::TMPFS } => f.write_str(
                "buffered I/O: tmpfs has none that is direct, and nothing on it survives the machine",
            ),
            Self::Buffered { file_system } => {
                write!(f, "buffered I/O: file system {file_system:#x} has none that is direct")
            }
        }
    }
}

fn check_pages(offset: u64, pages: &[u8]) {
    assert!(offset.is_multiple_of(PAGE_SIZE as u64), "a write at {offset} is not at a page");
    assert!(pages.len().is_multiple_of(PAGE_SIZE), "a write of {} bytes is not of whole pages", pages.len());
}

pub(super) fn cause_of(errno: Errno) -> Cause {
    match errno {
        Errno::NOENT => Cause::NotFound,
        Errno::EXIST => Cause::Exists,
        Errno::NOTEMPTY => Cause::NotEmpty,
        Errno::NOSPC | Errno::DQUOT => Cause::NoSpace,
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Cause::ReadOnly,
        Errno::MFILE | Errno::NFILE => Cause::TooManyOpenFiles,
        other => Cause::Io(other.raw_os_error()),
    }
}

/// An error without a number is none of the kernel's; it counts as the one that says least.
fn cause_of_raw(errno: Option<i32>) -> Cause {
    errno.map_or(Cause::Io(Errno::IO.raw_os_error()), |errno| cause_of(Errno::from_raw_os_error(errno)))
}
