//! The end of a store: put away to be opened again, or gone for good.

use crate::disk::Disk;
use crate::store::{Media, Store, StoreError};

impl<D: Disk> Store<D> {
    /// Takes no more changes, makes those that were made durable, and leaves whole files behind.
    ///
    /// # Errors
    /// [`StoreError::Failed`] where the store had failed before: what is on disk is as recovery will find it.
    pub async fn close(&self) -> Result<(), StoreError> {
        {
            let _pass = self.0.gate.enter().await;
            self.0.is_closed.set(true);
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
