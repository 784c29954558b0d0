//! A disk that counts its reads and may be made slower to sync, for figures the disk at hand would not show.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use natrium_storage::disk::{Disk, DiskError, Entry, File, Open};

#[derive(Clone)]
pub(crate) struct Watched<D> {
    inner: D,
    watch: Rc<Watch>,
}

pub(crate) struct WatchedFile<F> {
    inner: F,
    watch: Rc<Watch>,
}

#[derive(Default)]
struct Watch {
    reads: Cell<u64>,
    /// Added to each sync of a file.
    delay: Cell<Duration>,
}

impl<D> Watched<D> {
    pub(crate) fn new(inner: D) -> Self {
        Self { inner, watch: Rc::default() }
    }

    /// Reads of files so far.
    pub(crate) fn reads(&self) -> u64 {
        self.watch.reads.get()
    }

    /// What is added to each sync.
    pub(crate) fn delay(&self) -> Duration {
        self.watch.delay.get()
    }

    pub(crate) fn slow_down(&self, delay: Duration) {
        self.watch.delay.set(delay);
    }
}

impl<D: Disk> Disk for Watched<D> {
    type File = WatchedFile<D::File>;

    async fn open(&self, path: &Path, how: Open) -> Result<Self::File, DiskError> {
        Ok(WatchedFile { inner: self.inner.open(path, how).await?, watch: Rc::clone(&self.watch) })
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, DiskError> {
        self.inner.list(folder).await
    }

    async fn create_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.inner.create_folder(folder).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.inner.rename(from, to).await
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.inner.remove(path).await
    }

    async fn remove_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.inner.remove_folder(folder).await
    }

    async fn sync_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.inner.sync_folder(folder).await
    }

    async fn submit(&self) {
        self.inner.submit().await;
    }
}

impl<F> WatchedFile<F> {
    async fn delay_sync(&self) {
        let delay = self.watch.delay.get();
        if !delay.is_zero() {
            natrium_shards::sleep(delay).await;
        }
    }
}

impl<F: File> File for WatchedFile<F> {
    type Buffer = F::Buffer;

    fn buffer(&self, len: usize) -> F::Buffer {
        self.inner.buffer(len)
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        self.watch.reads.set(self.watch.reads.get() + 1);
        self.inner.read_at(offset, len).await
    }

    async fn write_at(&self, offset: u64, pages: &[u8]) -> Result<(), DiskError> {
        self.inner.write_at(offset, pages).await
    }

    async fn write_synced(&self, offset: u64, pages: F::Buffer) -> Result<(), DiskError> {
        self.delay_sync().await;
        self.inner.write_synced(offset, pages).await
    }

    async fn sync(&self) -> Result<(), DiskError> {
        self.delay_sync().await;
        self.inner.sync().await
    }

    async fn allocate(&self, len: u64) -> Result<(), DiskError> {
        self.inner.allocate(len).await
    }

    async fn reserve(&self, len: u64) -> Result<(), DiskError> {
        self.inner.reserve(len).await
    }

    async fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.inner.truncate(len).await
    }

    async fn size(&self) -> Result<u64, DiskError> {
        self.inner.size().await
    }
}
