//! Accounts, users and permissions: who a client is, and what it may do.
//!
//! Decisions only. A decision that needs a slow hash function is handed out as a job ([`HashJob`]) for whoever owns a
//! thread. Everything here is built once from a configuration and shared as it is; the little that a connection adds
//! is in [`ConnectionPermissions`].

mod accounts;
mod authenticator;
mod connection_type;
mod decision;
pub mod dn;
mod error;
mod nonce;
mod password;
mod peer_certificate;
pub mod permissions;
mod presented;
mod users;

pub use accounts::{Account, Accounts};
pub use authenticator::Authenticator;
pub use connection_type::{ConnectionType, ConnectionTypes, UnknownConnectionType};
pub use decision::{Decision, Denial, Grant, HashJob, HashOutcome};
pub use error::AuthError;
pub use nonce::{Nonce, SignatureError};
pub use peer_certificate::{CertificateError, PeerCertificate};
pub use permissions::{ConnectionPermissions, Permissions, SubscribeDecision, Violation};
pub use presented::Presented;
