//! The one task of a log: gathers what waits into a batch, writes and syncs it, folds, and uses segments again.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::file::LogFile;
use super::segment::{self, Segments};
use super::state::{Done, Job, State};
use super::ticket::Progress;
use super::{LogError, LogOptions, LogStats};
use crate::disk::Disk;

/// What a log and its files share.
pub(super) struct Shared<D: Disk> {
    disk: D,
    state: RefCell<State<D>>,
    /// One step: closed.
    closed: Rc<Progress>,
}

impl<D: Disk> Shared<D> {
    pub(super) fn new(disk: D, segments: Segments<D::File>, options: LogOptions, salt: u64) -> Self {
        Self { disk, state: RefCell::new(State::new(segments, options, salt)), closed: Rc::default() }
    }

    /// A number for one more file.
    pub(super) fn next_file(&self) -> u64 {
        self.state.borrow_mut().next_file()
    }

    pub(super) fn failed(&self) -> Option<LogError> {
        self.state.borrow().failed()
    }

    pub(super) fn stats(&self) -> LogStats {
        self.state.borrow().stats()
    }

    /// Why the file takes no more commits.
    pub(super) fn refusal(&self, file: &LogFile<D>) -> Option<LogError> {
        self.state.borrow().refusal().or_else(|| file.durable.failed())
    }

    /// A commit of `bytes` bytes was put at the end of the file's queue.
    pub(super) fn committed(&self, file: &Rc<LogFile<D>>, bytes: usize) {
        self.state.borrow_mut().committed(file, bytes);
    }

    /// What was committed up to `step` is to be folded.
    pub(super) fn want_fold(&self, file: &Rc<LogFile<D>>, step: u64) {
        let mut state = self.state.borrow_mut();
        match state.failed().or_else(|| file.durable.failed()) {
            Some(error) => file.folded.fail(&error),
            None => state.want_fold(file, step),
        }
    }

    pub(super) fn detach(&self, file: &Rc<LogFile<D>>) {
        self.state.borrow_mut().detach(file);
    }

    pub(super) async fn close(&self) -> Result<(), LogError> {
        self.state.borrow_mut().close();
        self.closed.ticket(1).await
    }

    pub(super) async fn run(&self) {
        let mut jobs = FuturesUnordered::new();
        let result = loop {
            self.state.borrow_mut().begin(&mut jobs);
            if jobs.is_empty()
                && let Some(result) = self.state.borrow().outcome()
            {
                break result;
            }
            let done = poll_fn(|cx| self.poll_work(&mut jobs, cx)).await;
            if done.is_none() && self.state.borrow().has_to_tell() {
                if self.state.borrow().has_direct_under_way() {
                    // The device begins with the next one before those that are told now keep the executor busy.
                    self.disk.submit().await;
                }
                self.state.borrow_mut().tell();
            }
            let is_batch = matches!(done, Some(Done::Batch { .. }));
            if let Some(done) = done {
                self.state.borrow_mut().finish(done);
            }
            if is_batch {
                // Whoever was woken by this batch may have the next commit at hand, or wake someone who has.
                yield_now().await;
                yield_now().await;
            }
        };
        let result = match result {
            Ok(()) => self.remove_log().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => self.closed.advance(1),
            Err(error) => self.closed.fail(&error),
        }
    }

    /// `Some`: I/O came back. `None`: there is something new to begin.
    fn poll_work(&self, jobs: &mut FuturesUnordered<Job<D>>, cx: &mut Context<'_>) -> Poll<Option<Done<D>>> {
        if let Poll::Ready(Some(done)) = jobs.poll_next_unpin(cx) {
            return Poll::Ready(Some(done));
        }
        let mut state = self.state.borrow_mut();
        if state.has_to_tell() || state.has_work(cx.waker()) { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Nothing of the log is needed: a last batch says so, then its files go.
    async fn remove_log(&self) -> Result<(), LogError> {
        let last_batch = self.state.borrow_mut().last_batch();
        let Done::Batch { result, .. } = last_batch.await else { unreachable!("a batch was begun") };
        result.map_err(|source| LogError::Poisoned { source })?;
        let (folder, mut paths, current) = self.state.borrow().segments().paths();
        let last = paths.swap_remove(current);
        segment::remove(&self.disk, &folder, &paths, &last).await
    }
}

/// Lets all other tasks run that are ready.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
