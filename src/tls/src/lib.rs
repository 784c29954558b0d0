//! What a listener with TLS needs, made of its options and files.
//!
//! Files are read while a [`ListenerTls`] is loaded, at start-up and at reload, and at no other time. The rest decides:
//! which certificate a client gets, whether its own will do, and how many handshakes begin in a second. Moving the bytes of
//! TLS is the shell's.

mod certificates;
mod clients;
mod error;
mod groups;
mod listener;
mod pinned;
mod probe;
mod rate;
mod suites;

pub use error::{KeyPairError, PairPlace, TlsError};
pub use listener::{InfoTls, ListenerTls};
pub use pinned::NotPinned;
pub use probe::is_probe;
pub use rate::HandshakeRate;
pub use suites::{cipher_suite_name, version_name};

#[cfg(test)]
mod test_pki;
