//! What can go wrong with a measurement.

use std::io;
use std::path::PathBuf;

use natrium_storage::disk::DiskError;
use natrium_storage::log::LogError;
use natrium_storage::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RigError {
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was stored is not what was read.
    #[error("{0}")]
    Wrong(String),
    #[error("the part {part} ended with {status}")]
    Part { part: String, status: String },
    #[error("{} has no direct I/O: name a folder on a disk with --folder", .0.display())]
    NotDirect(PathBuf),
}

impl RigError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}
