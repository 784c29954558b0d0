//! What a store does beside answering: sealing, removing, rewriting, making room ahead.

use std::rc::Rc;

use crate::disk::{Disk, EntryKind, File, Open};
use crate::store::block::{Block, BlockNumber};
use crate::store::file::encode::lengthen;
use crate::store::file::names::{ASIDE, BlockName};
use crate::store::file::{FileMedia, NextFile};
use crate::store::{Media, Store, StoreError};

/// Does what there is to do until the store is closed.
pub(super) async fn maintain<D: Disk>(store: Store<D>) {
    let Media::File(media) = &store.0.media else { unreachable!("only stores on disk are maintained") };
    while media.maintenance.wait().await {
        // What fails here is tried again with the next word; only a commit that fails ends a store.
        let _ = media.turn(&store).await;
    }
    media.maintained.end();
}

impl<D: Disk> FileMedia<D> {
    async fn turn(&self, store: &Store<D>) -> Result<(), StoreError> {
        self.remove_the_dead().await?;
        let full: Vec<BlockNumber> = store.with(|ledger| {
            ledger.blocks.iter().filter(|block| block.is_full()).map(|block| block.number).collect()
        });
        for number in full {
            if self.maintenance.is_ended() {
                return Ok(());
            }
            self.seal(store, number).await?;
        }
        self.prepare_next(store).await?;
        if let Some(number) = store.with(|ledger| self.choose_rewrite(ledger)) {
            self.rewrite(store, number).await?;
            self.maintenance.set();
        }
        Ok(())
    }

    /// Waits until nothing is done in the background any more.
    pub(in crate::store) async fn stop(&self) {
        self.maintenance.end();
        while self.maintained.wait().await {}
    }

    /// Whatever the log still has of the store's files is in them then.
    pub(in crate::store) async fn fold_all(&self) -> Result<(), StoreError> {
        let writers: Vec<_> =
            self.files.borrow_mut().values_mut().filter_map(|file| file.writer.take()).collect();
        for writer in writers {
            writer.logged.fold().await?;
            writer.logged.detach();
        }
        Ok(())
    }

    pub(in crate::store) async fn remove_all(&self) -> Result<(), StoreError> {
        let files = std::mem::take(&mut *self.files.borrow_mut());
        for file in files.into_values() {
            if let Some(writer) = file.writer {
                writer.logged.detach();
            }
            self.engine.forget_file(&file.path);
        }
        let disk = self.engine.disk();
        let folder = &self.options.folder;
        let aside = folder.join(ASIDE);
        for below in [&aside, folder] {
            for entry in disk.list(below).await? {
                if entry.kind == EntryKind::File {
                    disk.remove(&below.join(&entry.name)).await?;
                }
            }
        }
        if disk.list(folder).await?.iter().any(|entry| entry.name == ASIDE) {
            disk.remove_folder(&aside).await?;
        }
        disk.remove_folder(folder).await?;
        Ok(())
    }

    /// Removes the files of blocks of which nothing is left, durably.
    async fn remove_the_dead(&self) -> Result<(), StoreError> {
        loop {
            let Some((_, block)) = self.graves.borrow_mut().pop() else { return Ok(()) };
            self.remove_file(&block).await?;
        }
    }

    async fn remove_file(&self, block: &Block) -> Result<(), StoreError> {
        let Some(file) = self.files.borrow_mut().remove(&block.number) else { return Ok(()) };
        if let Some(writer) = file.writer {
            writer.logged.detach();
        }
        self.engine.forget_file(&file.path);
        self.engine.disk().remove(&file.path).await?;
        Ok(())
    }

    /// Makes the next block's file when this one's is more than half used: named and filled ahead, its head to come.
    async fn prepare_next(&self, store: &Store<D>) -> Result<(), StoreError> {
        let number = store.with(|ledger| {
            let block = ledger.active();
            (block.plain_len > self.options.block_len / 2).then_some(block.number + 1)
        });
        let Some(number) = number.filter(|_| self.next.borrow().is_none()) else { return Ok(()) };
        // A salt of its own: a block that is begun before the file is whole gets another name, and so another file.
        let salt = self.engine.random();
        let path = BlockName { number, salt }.path(&self.options.folder);
        let disk = self.engine.disk();
        let file = Rc::new(disk.open(&path, Open::CreateNew).await?);
        let allocated = self.options.file_len_max();
        let fill = async {
            // See `make_space`.
            lengthen(&*file, allocated, self.is_filled(self.commit_len.get())).await?;
            file.sync().await?;
            disk.sync_folder(&self.options.folder).await
        };
        let filled = fill.await;
        if filled.is_err() || store.with(|ledger| ledger.active().number + 1 != number) {
            disk.remove(&path).await?;
            return Ok(filled?);
        }
        *self.next.borrow_mut() = Some(NextFile { number, salt, path, file, allocated });
        Ok(())
    }
}
