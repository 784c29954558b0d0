//! Message blocks: their layout on disk, piece by piece (docs/format/block.md).

pub mod control;
pub mod frame;
pub mod header;
