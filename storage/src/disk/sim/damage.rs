//! Damage by hand, and a look at what is there: both at once and for good, without an operation.

use std::path::Path;

use super::SimDisk;
use super::inode::Inode;
use super::state::State;
use crate::disk::{Cause, PAGE_SIZE};

impl SimDisk {
    /// The files there are, by path.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.with(|state| state.names.files().into_iter().map(|(path, _)| path).collect())
    }

    /// What reads would see of a file; `None` where there is none, or where some of it cannot be read.
    #[must_use]
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.with(|state| {
            let file = state.names.find_file(path.as_ref()).ok()?;
            let inode = state.inode(file);
            inode.read(0, inode.size() as usize).map(Vec::from)
        })
    }

    /// Carries out what is in flight and makes all of it durable.
    pub fn settle(&self) {
        self.with(State::settle);
    }

    /// Whether a crash now would lose nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.with(|state| {
            state.waiting().is_empty()
                && state.names.is_settled()
                && state.inodes.values().all(Inode::is_settled)
        })
    }

    /// Flips bit 0 to 7 of the byte at `offset`.
    ///
    /// # Panics
    /// As all damage does, where there is no such file: the test is wrong then.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u32) {
        assert!(bit < 8, "a byte has no bit {bit}");
        self.edit(path.as_ref(), |inode| {
            assert!(offset < inode.size(), "the file ends before {offset}");
            inode.damage(offset..offset + 1, |_, byte| byte ^ (1 << bit));
        });
    }

    /// Puts `bytes` over what is at `offset`; what would fall behind the end of the file is left out.
    pub fn overwrite(&self, path: impl AsRef<Path>, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        self.edit(path.as_ref(), |inode| inode.damage(offset..end, |at, _| bytes[(at - offset) as usize]));
    }

    pub fn zero(&self, path: impl AsRef<Path>, offset: u64, len: u64) {
        self.edit(path.as_ref(), |inode| inode.damage(offset..offset + len, |_, _| 0));
    }

    /// Cuts or lengthens a file, durable at once with all that was pending of it.
    pub fn cut(&self, path: impl AsRef<Path>, size: u64) {
        self.edit(path.as_ref(), |inode| {
            inode.truncate(0, size);
            inode.settle();
        });
    }

    pub fn delete(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        self.with(|state| state.names.force_remove(path)).unwrap_or_else(|cause| no_such(path, cause));
    }

    /// Makes `to` a copy of `from` as it is durable after all pending writes.
    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let (from, to) = (from.as_ref(), to.as_ref());
        self.with(|state| {
            let source = state.names.find_file(from).unwrap_or_else(|cause| no_such(from, cause));
            let mut inode = state.inode(source).clone();
            inode.settle();
            let target = state.names.force_create(to).unwrap_or_else(|cause| no_such(to, cause));
            state.inodes.insert(target, inode);
        });
    }

    /// Reads of the page at `offset` fail until it is written anew.
    pub fn spoil_page(&self, path: impl AsRef<Path>, offset: u64) {
        self.edit(path.as_ref(), |inode| inode.damage_page(offset / PAGE_SIZE as u64));
    }

    fn edit(&self, path: &Path, change: impl FnOnce(&mut Inode)) {
        self.with(|state| {
            let file = state.names.find_file(path).unwrap_or_else(|cause| no_such(path, cause));
            change(state.inode(file));
        });
    }
}

fn no_such(path: &Path, cause: Cause) -> ! {
    panic!("damage to {}: {cause}", path.display())
}
