//! The keys of an encrypted store (docs/format/coding.md).
//!
//! ```text
//! the configured string -> key of a stream's key -> key of the stream -> key of a block -> frames
//!       ServerKey             (derived)              StreamKey           BlockKey
//! ```
//!
//! The configured string is only ever used to derive; the keys below it are random and lie on the disk wrapped by the one
//! above. So a new string means one small file anew for each stream and no block, and no key is in use in two places.
//!
//! A wrap is XChaCha20-Poly1305 with a random nonce of 24 bytes, whichever cipher the blocks use: a key wraps many others
//! over its life, and nonces of that length need no counter that would have to survive a crash. Each wrap is bound to whose
//! key it is; one moved to another stream or block does not open.
//!
//! Keys are overwritten when they are dropped and show nothing of themselves.

mod ring;
mod secret;
mod wrap;

pub use ring::{KeyError, KeyRing, ServerKey, StreamIdentity, Unwrapped};
pub use secret::{BlockIdentity, BlockKey, MetaKey, StreamKey};
pub use wrap::{SEAL_OVERHEAD, WRAPPED_LEN};
