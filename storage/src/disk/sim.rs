//! A disk that lives in memory, does what it likes wherever the trait promises nothing, and does it the same way again for
//! the same seed.
//!
//! - Reads see every write that is done. A sync makes durable what was done before it began; everything else may be lost
//!   by [`SimDisk::crash`], sector by sector, and so may sizes and names.
//! - An operation takes a seeded number of turns of the executor, and its effect falls somewhere between. Two runs that
//!   make the same calls in the same order have the same [`SimDisk::schedule_hash`].
//! - An operation that was dropped goes on beside the operations of others; where there are none, [`SimDisk::settle`] or the
//!   end of the machine finds it.
//! - Clones are one disk. After [`SimDisk::crash`], [`SimDisk::kill`] or the operation of [`SimDisk::crash_after`], its
//!   operations never complete, as those of a machine that is off: wait for [`SimDisk::stopped`] beside them.

mod content;
mod damage;
mod dice;
mod faults;
mod inode;
mod names;
mod request;
mod state;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_lite::future::yield_now;

pub use self::faults::{Chance, Faults, Script};
use self::inode::OpId;
use self::names::FileId;
use self::request::{Answer, Request};
use self::state::{Ending, State};
use super::{Cause, Disk, DiskError, Entry, File, Open, Operation, PAGE_SIZE, PlainBuffer};

#[derive(Clone)]
pub struct SimDisk(Rc<RefCell<State>>);

pub struct SimFile {
    disk: SimDisk,
    file: FileId,
    path: PathBuf,
    is_writable: bool,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self::of(State::new(seed, faults))
    }

    /// What power loss leaves, chosen by the seed; this disk is off from now on. Each call draws anew, so that one moment
    /// can be crashed in many ways.
    #[must_use]
    pub fn crash(&self) -> Self {
        self.end(Ending::PowerLoss, |left| {
            left.names = left.names.after_crash(&mut left.dice, left.faults.names_in_any_order);
            let may_spoil = left.faults.unreadable_pages;
            for inode in left.inodes.values_mut() {
                *inode = inode.after_crash(&mut left.dice, may_spoil);
            }
        })
    }

    /// What the kernel has when only the process is killed: all that was done, and of what was in flight all, a part or
    /// nothing. It is not durable for that: a crash of what is returned can still lose it.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.end(Ending::Kill, |_| {})
    }

    /// Turns the machine off after so many operations more: the one that begins then, and all in flight, never complete.
    /// What they did, [`Self::crash`] decides.
    pub fn crash_after(&self, operations: u64) {
        self.with(|state| state.stop_at = Some(state.first_op + state.operations() + operations));
    }

    /// Operations begun since this disk was made or came back.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.with(|state| state.operations())
    }

    /// Operations begun and not done, those among them that nobody waits for.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.with(|state| state.in_flight())
    }

    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.with(|state| state.is_stopped())
    }

    /// Done once the machine is off.
    pub async fn stopped(&self) {
        poll_fn(|context| {
            self.with(|state| {
                if state.is_stopped() {
                    return Poll::Ready(());
                }
                state.wake_when_stopped(context.waker());
                Poll::Pending
            })
        })
        .await;
    }

    /// Operations, their order, their results so far, those before a crash among them.
    #[must_use]
    pub fn schedule_hash(&self) -> u64 {
        self.with(|state| state.schedule())
    }

    /// Makes operations fail. Scripts are asked in the order they were given; an end of the machine forgets them.
    pub fn play(&self, script: Script) {
        self.with(|state| state.scripts.push(script));
    }

    /// The next such operation on a path that has `path_has` in it fails.
    pub fn fail_next(&self, operation: Operation, path_has: &str, cause: Cause) {
        self.play(Script { operation, path_has: path_has.to_owned(), skip: 0, times: 1, cause });
    }

    /// Whether all that changes something fails.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.with(|state| state.is_read_only = is_read_only);
    }

    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.with(|state| state.faults.capacity = bytes);
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|state| state.faults = faults);
    }

    fn of(state: State) -> Self {
        Self(Rc::new(RefCell::new(state)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }

    fn end(&self, ending: Ending, lose: impl FnOnce(&mut State)) -> Self {
        let mut left = self.with(|state| {
            state.stop();
            let mut left = state.clone();
            left.dice = dice::Dice::new(state.dice.seed());
            left
        });
        left.end_flights(ending);
        lose(&mut left);
        left.restart();
        Self::of(left)
    }

    async fn run(&self, path: &Path, request: Request) -> Result<Answer, DiskError> {
        let operation = request.operation();
        let running = Running { disk: self, path, request: Some(request), op: None };
        running.await.map_err(|cause| DiskError { operation, path: path.to_owned(), cause })
    }

    async fn run_to_end(&self, path: &Path, request: Request) -> Result<(), DiskError> {
        self.run(path, request).await.map(drop)
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    async fn open(&self, path: &Path, how: Open) -> Result<SimFile, DiskError> {
        let Answer::Opened(file) = self.run(path, Request::Open { how }).await? else {
            unreachable!("{WRONG_ANSWER}")
        };
        Ok(SimFile { disk: self.clone(), file, path: path.to_owned(), is_writable: how != Open::Read })
    }

    async fn list(&self, folder: &Path) -> Result<Vec<Entry>, DiskError> {
        let Answer::Entries(entries) = self.run(folder, Request::List).await? else {
            unreachable!("{WRONG_ANSWER}")
        };
        Ok(entries)
    }

    async fn create_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run_to_end(folder, Request::CreateFolder).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.run_to_end(from, Request::Rename { to: to.to_owned() }).await
    }

    async fn remove(&self, path: &Path) -> Result<(), DiskError> {
        self.run_to_end(path, Request::Remove).await
    }

    async fn remove_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run_to_end(folder, Request::RemoveFolder).await
    }

    async fn sync_folder(&self, folder: &Path) -> Result<(), DiskError> {
        self.run_to_end(folder, Request::SyncFolder).await
    }

    async fn submit(&self) {
        yield_now().await;
    }
}

impl SimFile {
    fn check_writable(&self, operation: Operation) -> Result<(), DiskError> {
        if self.is_writable {
            return Ok(());
        }
        Err(DiskError { operation, path: self.path.clone(), cause: Cause::Io(EBADF) })
    }
}

impl File for SimFile {
    type Buffer = PlainBuffer;

    fn buffer(&self, len: usize) -> PlainBuffer {
        PlainBuffer::new(len)
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, DiskError> {
        let request = Request::Read { file: self.file, offset, len };
        let Answer::Bytes(bytes) = self.disk.run(&self.path, request).await? else {
            unreachable!("{WRONG_ANSWER}")
        };
        Ok(bytes)
    }

    async fn write_at(&self, offset: u64, pages: &[u8]) -> Result<(), DiskError> {
        assert!(offset.is_multiple_of(PAGE_SIZE as u64), "a write at {offset} is not at a page");
        assert!(
            pages.len().is_multiple_of(PAGE_SIZE),
            "a write of {} bytes is not of whole pages",
            pages.len()
        );
        self.check_writable(Operation::Write)?;
        let pages = Bytes::copy_from_slice(pages);
        self.disk.run_to_end(&self.path, Request::Write { file: self.file, offset, pages }).await
    }

    async fn sync(&self) -> Result<(), DiskError> {
        self.disk.run_to_end(&self.path, Request::Sync { file: self.file }).await
    }

    async fn allocate(&self, len: u64) -> Result<(), DiskError> {
        self.check_writable(Operation::Allocate)?;
        self.disk.run_to_end(&self.path, Request::Allocate { file: self.file, size: len }).await
    }

    async fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.check_writable(Operation::Truncate)?;
        self.disk.run_to_end(&self.path, Request::Truncate { file: self.file, size: len }).await
    }

    async fn size(&self) -> Result<u64, DiskError> {
        let request = Request::Size { file: self.file };
        let Answer::Size(size) = self.disk.run(&self.path, request).await? else {
            unreachable!("{WRONG_ANSWER}")
        };
        Ok(size)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.with(|state| state.close(self.file));
    }
}

/// One operation, from its first poll to its end.
struct Running<'a> {
    disk: &'a SimDisk,
    path: &'a Path,
    request: Option<Request>,
    op: Option<OpId>,
}

impl Future for Running<'_> {
    type Output = Result<Answer, Cause>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.disk.with(|state| {
            if let Some(request) = this.request.take() {
                if state.is_stopped() {
                    return Poll::Pending;
                }
                this.op = Some(state.begin(this.path, request));
            }
            let Some(op) = this.op else { return Poll::Pending };
            match state.step(op) {
                Some(outcome) => {
                    this.op = None;
                    Poll::Ready(outcome)
                }
                None => {
                    if !state.is_stopped() {
                        context.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(op) = self.op {
            self.disk.with(|state| state.abandon(op));
        }
    }
}

const WRONG_ANSWER: &str = "each request has its kind of answer";
const EBADF: i32 = 9;
