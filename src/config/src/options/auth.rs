//! Who may connect, and what they may do: the `authorization` and `accounts` blocks after checking.

use std::time::Duration;

use super::mappings::MappingOptions;

/// The top-level `authorization` block, `accounts`, and `no_auth_user`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthOptions {
    /// `authorization.user` and `.password`; also the command line's `--user` and `--pass`.
    pub user: Option<String>,
    /// In clear or a bcrypt hash (`$2a$...`).
    pub password: Option<String>,
    /// In clear or a bcrypt hash.
    pub token: Option<String>,
    /// `authorization.timeout`; `None` takes the default, which depends on TLS.
    pub timeout: Option<Duration>,
    /// `authorization.users`: they belong to `$G`. Users and nkeys alike, in file order.
    pub users: Vec<UserOptions>,
    /// `authorization.default_permissions`: for each of `users` that has none of its own.
    pub default_permissions: Option<PermissionOptions>,
    /// `accounts`, in file order.
    pub accounts: Vec<AccountOptions>,
    /// A user name or a public nkey of one of the users.
    pub no_auth_user: Option<String>,
    /// `system_account`; `None` is `$SYS`, made by default.
    pub system_account: Option<String>,
    /// `no_system_account`.
    pub no_system_account: bool,
}

/// One entry of `accounts`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountOptions {
    pub name: String,
    /// `nkey`: the account's public key (`A...`), by which other accounts may name it.
    pub nkey: Option<String>,
    pub users: Vec<UserOptions>,
    pub default_permissions: Option<PermissionOptions>,
    pub mappings: Vec<MappingOptions>,
}

/// How a user proves who it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    /// Name and password; the password in clear or a bcrypt hash.
    Password { user: String, password: String },
    /// A public user nkey (`U...`).
    Nkey(String),
}

/// One user of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct UserOptions {
    pub credential: Credential,
    pub permissions: Option<PermissionOptions>,
    /// Empty: all kinds. Else upper-case names of the reference (`STANDARD`, `WEBSOCKET`, ...).
    pub allowed_connection_types: Vec<String>,
    pub proxy_required: bool,
}

/// What a user may publish and subscribe to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PermissionOptions {
    pub publish: Option<SubjectPermissionOptions>,
    /// Entries are `subject` or `subject queue`.
    pub subscribe: Option<SubjectPermissionOptions>,
    pub allow_responses: Option<ResponsePermissionOptions>,
}

/// `None` and an empty list alike say nothing: all is allowed, nothing denied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubjectPermissionOptions {
    pub allow: Option<Vec<String>>,
    pub deny: Option<Vec<String>>,
}

/// `allow_responses`: how often and how long a reply subject just received may be published to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResponsePermissionOptions {
    /// Negative: no limit. Default 1.
    pub max: i64,
    /// Zero or less is no limit. Default two minutes.
    pub expires: Duration,
}
