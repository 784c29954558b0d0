//! Message blocks: their layout on disk, piece by piece (docs/format/block.md).

pub mod control;
pub mod entry;
pub mod footer;
pub mod frame;
pub mod header;
pub mod index;
pub mod scan;
pub mod sources;
pub mod spans;
pub mod summary;
pub mod tail;
