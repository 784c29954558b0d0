//! What streams take together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::disk::Disk;
use crate::store::{Inner, Store};

/// Bytes of messages in all stores that are counted here, each as its limits count them: those of one account's streams on one
/// shard, say. The rest of an account is on other shards, which have theirs.
#[derive(Debug, Default)]
pub struct Usage(Cell<u64>);

impl Usage {
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.get()
    }

    fn change(&self, before: u64, after: u64) {
        self.0.set(self.0.get() - before + after);
    }
}

/// Where a store is counted, if anywhere.
#[derive(Debug, Default)]
pub(super) struct CountedIn(RefCell<Option<Rc<Usage>>>);

impl CountedIn {
    /// The store's bytes were and are so many.
    pub(super) fn changed(&self, before: u64, after: u64) {
        if before != after
            && let Some(usage) = &*self.0.borrow()
        {
            usage.change(before, after);
        }
    }
}

impl<D: Disk> Store<D> {
    /// Counts the store's bytes in `usage` from now on and until the store is closed or dropped, and nowhere else any more.
    pub fn count_in(&self, usage: Rc<Usage>) {
        let bytes = self.with(|ledger| ledger.bytes);
        let before = self.0.counted_in.0.replace(Some(Rc::clone(&usage)));
        usage.change(0, bytes);
        if let Some(before) = before {
            before.change(bytes, 0);
        }
    }

    pub(super) fn count_no_more(&self) {
        let bytes = self.with(|ledger| ledger.bytes);
        self.0.counted_in.changed(bytes, 0);
        self.0.counted_in.0.take();
    }
}

impl<D: Disk> Drop for Inner<D> {
    fn drop(&mut self) {
        self.counted_in.changed(self.ledger.get_mut().bytes, 0);
    }
}
