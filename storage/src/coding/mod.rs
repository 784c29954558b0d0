//! How the body of a frame is stored: compressed, then encrypted, each only where the block's head says so
//! (docs/format/coding.md).
//!
//! **Compression** is Snappy's block format, one stream for one body. Each reader of Snappy blocks and of S2 blocks reads
//! it: S2's block format is Snappy's with additions that are not used here. It is not Snappy's framing format, the one of
//! `.sz` files, whose chunks, lengths and checksums the frame head already has.
//!
//! **Encryption** is authenticated: a body that opens is the one that was sealed, in this block, under this head. Its nonce
//! is the frame's place in the block. A key belongs to one generation of one block and can be sealed with only by whoever
//! made it, in this run of the program (see [`Sealer`]): a block whose writer was interrupted is read and never written
//! again, because what was written under its last nonces is not known.

mod cipher;
mod frame;

pub use cipher::{BlockCipher, Sealer, TAG_LEN};
pub use frame::{CodingError, FRAME_PLAIN_MAX, FrameEncoder, FrameFields, decode_frame};
