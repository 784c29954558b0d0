//! What of a configuration cannot be used to decide who may connect.

use natrium_wire::quote::quoted;

use crate::{connection_type::UnknownConnectionType, permissions::PermissionError};

/// Texts are the reference's where it has one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("{} is a Reserved Account", quoted(.0.as_bytes()))]
    ReservedAccount(String),
    #[error("Duplicate Account Entry: {0}")]
    DuplicateAccount(String),
    #[error("error resolving system account: account missing")]
    SystemAccountMissing,
    /// In one account or in two.
    #[error("Duplicate user {} detected", quoted(.0.as_bytes()))]
    DuplicateUser(String),
    #[error("Duplicate nkey {} detected", quoted(.0.as_bytes()))]
    DuplicateNkey(String),
    #[error("User entry requires a user")]
    UserWithoutName,
    #[error("Not a valid public nkey for a user")]
    NotAUserNkey,
    #[error(transparent)]
    ConnectionType(#[from] UnknownConnectionType),
    #[error("invalid permissions for user {}: {source}", quoted(.user.as_bytes()))]
    UserPermissions { user: String, source: PermissionError },
    #[error("invalid permissions for nkey {}: {source}", quoted(.nkey.as_bytes()))]
    NkeyPermissions { nkey: String, source: PermissionError },
    #[error("no_auth_user: \"{0}\" present, but users/nkeys are not defined")]
    NoAuthUserWithoutUsers(String),
    #[error(
        "no_auth_user: \"{0}\" not present as user or nkey in authorization block or account configuration"
    )]
    NoAuthUserMissing(String),
}
