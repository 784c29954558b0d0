//! Accounts, users and permissions: who a client is, and what it may do.

pub mod permissions;

pub use permissions::{ConnectionPermissions, Permissions, SubscribeDecision, Violation};
