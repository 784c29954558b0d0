//! What is known of a stream or a consumer beside its messages: configuration, time of creation, identity; and the stream's
//! wrapped key (docs/format/meta.md).
//!
//! One small file each, replaced as a whole: after a crash at any moment the file is the old one or the new one. The new one
//! is written beside it first; what a crash leaves of that is told apart and moved aside, for it was never acknowledged.

mod file;
mod layout;

pub use file::{LeftOver, MetaError, Was, read, recover, replace};
pub use layout::{BODY_MAX, ContentError, HEAD_LEN, Meta, Owner, Stored};

#[cfg(test)]
mod tests;
