//! Worlds: stores on a disk that fails and crashes, under random changes, held against a model. A seed is a world; the same
//! seed is the same world again.
//!
//! `NATRIUM_WORLDS` says how many worlds are run, `NATRIUM_WORLD` a single one.

mod actor;
mod chance;
mod check;
mod footers;
mod inspected;
mod model;
mod rot;
mod worlds;

use crate::store::file;

/// A world that is run alone tells what happens in it.
fn tell(what: impl FnOnce() -> String) {
    if std::env::var_os("NATRIUM_WORLD").is_some() {
        eprintln!("{}", what());
    }
}

/// What is broken on purpose, to prove that worlds would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Commits are acknowledged before they are on the disk.
    Acknowledgement,
    /// The commit log rewrites pages that are the only copy of what was acknowledged.
    PageRule,
    /// Something in a store.
    Store(file::Broken),
}
