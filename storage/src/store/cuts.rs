//! Who has to know when the store is truncated below a sequence.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use crate::disk::Disk;
use crate::store::{Media, Store, StoreError};

/// Tells whether the store was truncated below `last` since the mark was made.
#[derive(Debug)]
pub(crate) struct CutMark {
    last: u64,
    is_cut: Cell<bool>,
}

/// The marks of one store, as long as somebody holds them.
#[derive(Debug, Default)]
pub(super) struct CutMarks(Vec<Weak<CutMark>>);

impl CutMark {
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }
}

impl CutMarks {
    /// A truncation to `seq` begins.
    pub(super) fn cut(&mut self, seq: u64) {
        self.0.retain(|mark| {
            let Some(mark) = mark.upgrade() else { return false };
            mark.is_cut.set(mark.is_cut() || seq < mark.last);
            true
        });
    }
}

impl<D: Disk> Store<D> {
    pub(crate) fn mark_cuts_below(&self, last: u64) -> Rc<CutMark> {
        let mark = Rc::new(CutMark { last, is_cut: Cell::new(false) });
        self.with(|ledger| ledger.cut_marks.0.push(Rc::downgrade(&mark)));
        mark
    }

    /// Waits until all that was changed so far is durable.
    pub(crate) async fn settled(&self) -> Result<(), StoreError> {
        self.committed(self.0.commits.latest()).await
    }

    /// A number that says nothing.
    pub(crate) fn random(&self) -> u64 {
        match &self.0.media {
            Media::Memory { .. } => self.next_salt(),
            Media::File(file) => file.random(),
        }
    }
}
