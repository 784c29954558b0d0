//! Bytes to operations and back: the client protocol, its JSON documents, message headers and the PROXY protocol.
//!
//! Zero-copy and without I/O: a decoded operation borrows the bytes it was read from.

pub mod decoder;
pub mod op;
pub mod quote;

pub use decoder::{DecodeError, Decoded, Limits, decode};
pub use op::{Op, Publish};
