//! The end of a store: put away to be opened again, or gone for good.

use crate::disk::Disk;
use crate::store::block::Block;
use crate::store::ledger::Ledger;
use crate::store::{Media, Store, StoreError};

impl<D: Disk> Store<D> {
    /// Takes no more changes, makes those that were made durable, and leaves whole files behind.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the store had failed before: what is on disk is as recovery will find it.
    pub async fn close(&self) -> Result<(), StoreError> {
        {
            let _pass = self.0.gate.enter().await;
            let was_closed = self.0.is_closed.replace(true);
            self.count_no_more();
            if let Media::File(media) = &self.0.media
                && !was_closed
                && self.ends_bare()
            {
                if self.0.commits.has_changes() {
                    media.close_commit(self);
                }
                self.with(Ledger::write_bounds);
                self.changed();
            }
        }
        let Media::File(media) = &self.0.media else { return Ok(()) };
        self.0.commits.close();
        self.0.commits.ended().await;
        media.stop().await;
        if let Some(error) = self.0.commits.failed() {
            return Err(error);
        }
        media.fold_all().await
    }

    /// Whether damage in the last commit could be taken for one that was being written when the writer stopped. A commit
    /// behind it, of which nothing would be missed, tells the two apart.
    fn ends_bare(&self) -> bool {
        let was_found_so = |block: &Block| block.open().is_some_and(|open| open.ends_bare);
        self.0.commits.latest() > 0 || self.with(|ledger| ledger.blocks.iter().any(was_found_so))
    }

    /// Takes no more changes and removes the store's folder with all that is in it, what was put aside there included.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn delete(&self) -> Result<(), StoreError> {
        // What cannot be written any more need not be.
        let _ = self.close().await;
        match &self.0.media {
            Media::Memory { .. } => Ok(()),
            Media::File(media) => media.remove_all().await,
        }
    }
}
