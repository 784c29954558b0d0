//! What all stores of one executor share: the disk, the commit log, the cache, open files.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;

use quick_cache::unsync::Cache as ByCount;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::cache::Cache;
use crate::disk::{Disk, DiskError, Open};
use crate::log::{CommitLog, LogError, LogOptions};

/// Work that goes on beside whoever began it, on the same executor.
pub type Background = Pin<Box<dyn Future<Output = ()>>>;

/// Starts background work.
pub type Spawn = Rc<dyn Fn(Background)>;

pub struct Engine<D: Disk>(Rc<Inner<D>>);

#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Of messages and indexes that were read or written and may be read again.
    pub cache_bytes: u64,
    /// Of sealed blocks that are open to be read.
    pub open_files_max: usize,
    pub log: LogOptions,
}

struct Inner<D: Disk> {
    disk: D,
    log: CommitLog<D>,
    cache: Cache,
    files: RefCell<ByCount<PathBuf, Rc<D::File>>>,
    spawn: Spawn,
    /// Keys of blocks come from it, and so do salts and nonces, which are plain on disk: no output may tell of another.
    rng: RefCell<ChaCha20Rng>,
    stores: Cell<u64>,
}

impl<D: Disk> Engine<D> {
    /// Opens the log `name` in `log_folder`, after [`CommitLog::recover_all`] has emptied what was there. `seed` is the operating
    /// system's randomness outside of tests: keys follow from it.
    ///
    /// # Errors
    /// [`LogError`]
    pub async fn open(
        disk: D,
        log_folder: &Path,
        name: &str,
        options: EngineOptions,
        spawn: Spawn,
        seed: [u8; 32],
    ) -> Result<Self, LogError> {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let log = CommitLog::open(disk.clone(), log_folder, name, options.log, rng.next_u64()).await?;
        let writer = log.clone();
        spawn(Box::pin(async move { writer.run().await }));
        Ok(Self(Rc::new(Inner {
            disk,
            log,
            cache: Cache::new(options.cache_bytes),
            files: RefCell::new(ByCount::new(options.open_files_max)),
            spawn,
            rng: RefCell::new(rng),
            stores: Cell::new(0),
        })))
    }

    #[must_use]
    pub fn disk(&self) -> &D {
        &self.0.disk
    }

    #[must_use]
    pub fn log(&self) -> &CommitLog<D> {
        &self.0.log
    }

    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }

    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        (self.0.spawn)(Box::pin(work));
    }

    pub fn random(&self) -> u64 {
        self.0.rng.borrow_mut().next_u64()
    }

    /// Enters the generator for as long as `f` runs.
    pub fn with_rng<R>(&self, f: impl FnOnce(&mut ChaCha20Rng) -> R) -> R {
        f(&mut self.0.rng.borrow_mut())
    }

    /// A number no other store of this engine has.
    pub fn next_store(&self) -> u64 {
        let number = self.0.stores.get();
        self.0.stores.set(number + 1);
        number
    }

    /// A file to read, kept open for the next who asks.
    ///
    /// # Errors
    /// [`DiskError`]
    pub async fn file(&self, path: &Path) -> Result<Rc<D::File>, DiskError> {
        if let Some(file) = self.0.files.borrow_mut().get(path) {
            return Ok(Rc::clone(file));
        }
        let file = Rc::new(self.0.disk.open(path, Open::Read).await?);
        self.0.files.borrow_mut().insert(path.to_owned(), Rc::clone(&file));
        Ok(file)
    }

    /// Closes a file that is about to go.
    pub fn forget_file(&self, path: &Path) {
        self.0.files.borrow_mut().remove(path);
    }

    /// Folds all that is in the log into its files and ends the log. Stores are closed first.
    ///
    /// # Errors
    /// [`LogError`]
    pub async fn close(&self) -> Result<(), LogError> {
        self.0.log.close().await
    }
}

impl<D: Disk> Clone for Engine<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, open_files_max: 256, log: LogOptions::default() }
    }
}
