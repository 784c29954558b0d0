//! A store's content as a stream of chunks, taken while writes go on, and a store made of one (docs/format/snapshot.md).
//!
//! A [`Snapshot`] is pinned at the last sequence that was given when it was begun. It holds every message up to there that is
//! not deleted while it runs, as it is; what is deleted meanwhile may be in it or be a gap, and what was deleted before is a
//! gap. Chunks are pulled, so whoever takes them sets the pace, and nothing is kept in the store for it: a snapshot that is
//! dropped has cost nothing. A truncation below the pin ends it, for the same sequences may then be given again.
//!
//! A [`Restore`] takes the chunks in their order and is a store only when it is finished: until then everything is in a
//! folder beside the store's own.

mod chunk;
mod restore;
mod take;
#[cfg(test)]
mod tests;

pub use self::chunk::{CHUNK_HEAD_LEN, ChunkError};
pub use self::restore::{Restore, RestoreError, Restored, restore};
pub use self::take::{Snapshot, SnapshotError};
