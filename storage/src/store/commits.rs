//! Which commits are durable, and who waits for one.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::store::CommitNumber;
use crate::store::error::StoreError;

/// Commits are numbered from 1. One is gathered while the one before is being written.
#[derive(Debug)]
pub(super) struct Commits {
    /// The one that changes go with now.
    gathered: Cell<CommitNumber>,
    has_changes: Cell<bool>,
    /// Commits that were closed and that the writer has not begun.
    closed: Cell<u64>,
    durable: Cell<CommitNumber>,
    durable_seq: Cell<u64>,
    /// How often the store was cut: sequences from before a cut say nothing of those after.
    cuts: Cell<u64>,
    failed: RefCell<Option<StoreError>>,
    waiting: RefCell<Vec<(CommitNumber, Waker)>>,
    writer: RefCell<Option<Waker>>,
    is_closing: Cell<bool>,
    is_ended: Cell<bool>,
}

impl Default for Commits {
    fn default() -> Self {
        Self {
            gathered: Cell::new(1),
            has_changes: Cell::new(false),
            closed: Cell::new(0),
            durable: Cell::new(0),
            durable_seq: Cell::new(0),
            cuts: Cell::new(0),
            failed: RefCell::new(None),
            waiting: RefCell::new(Vec::new()),
            writer: RefCell::new(None),
            is_closing: Cell::new(false),
            is_ended: Cell::new(false),
        }
    }
}

impl Commits {
    /// Something was changed: the number of the commit it goes with.
    pub(super) fn changed(&self) -> CommitNumber {
        if !self.has_changes.replace(true) {
            self.wake_writer();
        }
        self.gathered.get()
    }

    /// Something was changed since the last commit was closed.
    #[must_use]
    pub(super) fn has_changes(&self) -> bool {
        self.has_changes.get()
    }

    /// Waits until there is something to be written; `false` when there will be nothing any more.
    pub(super) async fn work(&self) -> bool {
        poll_fn(|context| {
            if (self.has_changes.get() || self.closed.get() > 0) && self.failed.borrow().is_none() {
                return Poll::Ready(true);
            }
            if self.is_closing.get() || self.failed.borrow().is_some() {
                return Poll::Ready(false);
            }
            *self.writer.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Waits until a commit was closed that the writer has not begun. For the writer.
    pub(super) async fn closed(&self) {
        poll_fn(|context| {
            if self.closed.get() > 0 {
                return Poll::Ready(());
            }
            *self.writer.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Closes the commit that was gathered: changes from here on go with the next.
    pub(super) fn close_one(&self) -> CommitNumber {
        self.has_changes.set(false);
        self.closed.set(self.closed.get() + 1);
        let number = self.gathered.get();
        self.gathered.set(number + 1);
        self.wake_writer();
        number
    }

    /// The writer began with a commit that was closed.
    pub(super) fn begun(&self) {
        self.closed.set(self.closed.get() - 1);
    }

    pub(super) fn set_durable(&self, commit: CommitNumber, last_seq: u64, cuts: u64) {
        if commit < self.durable.get() {
            // Others count as durable once they are closed.
            return;
        }
        self.durable.set(commit);
        if cuts == self.cuts.get() {
            self.durable_seq.set(last_seq);
        }
        self.wake(|waiting| waiting <= commit);
    }

    /// Nothing above `seq` is there any more, and what comes there next is not durable yet.
    pub(super) fn cut(&self, seq: u64) {
        self.cuts.set(self.cuts.get() + 1);
        self.durable_seq.set(self.durable_seq.get().min(seq));
    }

    #[must_use]
    pub(super) fn cuts(&self) -> u64 {
        self.cuts.get()
    }

    /// What recovery found is durable.
    pub(super) fn set_durable_seq(&self, last_seq: u64) {
        self.durable_seq.set(last_seq);
    }

    pub(super) fn fail(&self, error: StoreError) {
        self.failed.borrow_mut().get_or_insert(error);
        self.wake(|_| true);
        self.wake_writer();
    }

    /// The error every change gets from here on.
    #[must_use]
    pub(super) fn failed(&self) -> Option<StoreError> {
        self.failed.borrow().clone().map(|error| StoreError::Failed(Box::new(error)))
    }

    #[must_use]
    pub(super) fn durable_seq(&self) -> u64 {
        self.durable_seq.get()
    }

    /// The commit that is durable once all that was changed so far is.
    #[must_use]
    pub(super) fn latest(&self) -> CommitNumber {
        if self.has_changes.get() { self.gathered.get() } else { self.gathered.get() - 1 }
    }

    pub(super) async fn wait(&self, commit: CommitNumber) -> Result<(), StoreError> {
        poll_fn(|context| {
            if self.durable.get() >= commit {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = self.failed() {
                return Poll::Ready(Err(error));
            }
            if self.is_ended.get() {
                return Poll::Ready(Err(StoreError::Closed));
            }
            let mut waiting = self.waiting.borrow_mut();
            let is_there = waiting
                .last()
                .is_some_and(|(last, waker)| *last == commit && waker.will_wake(context.waker()));
            if !is_there {
                waiting.push((commit, context.waker().clone()));
            }
            Poll::Pending
        })
        .await
    }

    /// Nothing is changed any more: once all is written the writer ends.
    pub(super) fn close(&self) {
        self.is_closing.set(true);
        self.wake_writer();
    }

    /// The writer ended.
    pub(super) fn end(&self) {
        self.is_ended.set(true);
        self.wake(|_| true);
    }

    /// Waits until the writer ended.
    pub(super) async fn ended(&self) {
        poll_fn(|context| {
            if self.is_ended.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push((CommitNumber::MAX, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.borrow_mut().take() {
            writer.wake();
        }
    }

    fn wake(&self, is_done: impl Fn(CommitNumber) -> bool) {
        let woken: Vec<_> =
            self.waiting.borrow_mut().extract_if(.., |(commit, _)| is_done(*commit)).collect();
        for (_, waker) in woken {
            waker.wake();
        }
    }
}
