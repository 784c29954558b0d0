//! Why a store does not do what it was asked.

use std::path::PathBuf;

use crate::disk::DiskError;
use crate::keys::KeyError;
use crate::log::LogError;
use crate::store::write::Refusal;

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The limits do not let it in. Nothing is wrong with the store.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Larger than a record can be.
    #[error("message too large: {bytes} bytes, {max} are the most")]
    TooLarge { bytes: usize, max: usize },
    /// Another sequence is next than the one that was asked for.
    #[error("sequence {expected} expected, {next} is next")]
    SequenceMismatch { expected: u64, next: u64 },
    /// The message was acknowledged once and cannot be read any more.
    #[error("message {seq} is damaged on disk")]
    Damaged { seq: u64 },
    /// What was appended last may not be on disk: the store takes no more changes. Reopened, it has what is.
    #[error("the store takes no more changes: {0}")]
    Failed(Box<StoreError>),
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key is needed and none was given.
    #[error("{} is encrypted, and there is no encryption key", path.display())]
    NoKey { path: PathBuf },
    /// The block does not open with the stream's key.
    #[error("{} does not open with the key of its stream", path.display())]
    WrongKey { path: PathBuf },
    #[error("{} has format version {version}; this program reads {}", path.display(), crate::block::header::VERSION)]
    Version { path: PathBuf, version: u32 },
    /// More messages match than the caller wants to hear of.
    #[error("too many matching results for request")]
    TooManyResults,
    /// A block was needed that is not in the store any more.
    #[error("a block was removed while it was read")]
    Vanished,
}
