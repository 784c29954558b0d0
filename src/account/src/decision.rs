//! The outcome of a CONNECT: a grant, a refusal, or a hash to be run first.

use std::sync::Arc;

use natrium_model::{AccountId, CloseReason};

use crate::{
    nonce::SignatureError,
    password::{Comparison, PasswordHash},
    permissions::Permissions,
    presented::Presented,
    users::Rights,
};

/// The outcome of one CONNECT.
#[derive(Debug)]
#[must_use = "a client is let in by its grant alone"]
pub enum Decision {
    Granted(Grant),
    Denied(Denial),
    /// The password is stored as a hash. The job runs beside the shards, where it may take its time; its
    /// [`HashOutcome::resume`] decides.
    NeedsPasswordHash(HashJob),
}

/// What a client has been given.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub account: AccountId,
    /// As the monitoring documents show it; `None` for a client that named nobody.
    pub user: Option<Arc<str>>,
    /// `None`: everything.
    pub permissions: Option<Arc<Permissions>>,
}

/// Why a client was refused: for the log, never for the client, which learns `Authorization Violation` and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("no credentials presented")]
    NothingPresented,
    #[error("User not known")]
    UnknownUser,
    #[error("User nkey not known")]
    UnknownNkey,
    #[error("Connection type not allowed")]
    ConnectionType,
    #[error("wrong password")]
    WrongPassword,
    #[error("wrong token")]
    WrongToken,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("User required in cert, no peer certificates found")]
    NoCertificate,
    #[error("User in cert not found")]
    CertificateNotMapped,
    /// It has no password, and a certificate alone proves it.
    #[error("User requires a client certificate")]
    CertificateRequired,
    /// What a client that presents nothing would have to present is the hash itself, and that never matches. The
    /// reference refuses as well.
    #[error("no_auth_user has a bcrypt password, which no client can present for it: give it one in clear")]
    NoAuthUserHashed,
    #[error("proxy connection required")]
    ProxyRequired,
}

/// A password to be compared with a hash, and what follows from it.
#[derive(Debug)]
pub struct HashJob {
    hash: PasswordHash,
    grant: Grant,
    denial: Denial,
}

/// What a [`HashJob`] found.
#[derive(Debug)]
#[must_use = "it holds the decision"]
pub struct HashOutcome(Result<Grant, Denial>);

impl Decision {
    /// The grant if the passwords are equal, else the denial.
    pub(crate) fn by_comparison(comparison: Comparison, denial: Denial, grant: Grant) -> Self {
        match comparison {
            Comparison::Equal => Self::Granted(grant),
            Comparison::Different => Self::Denied(denial),
            Comparison::NeedsHash(hash) => Self::NeedsPasswordHash(HashJob { hash, grant, denial }),
        }
    }
}

impl Grant {
    pub(crate) fn in_global_account(presented: &Presented<'_>) -> Self {
        Self { account: AccountId::GLOBAL, user: presented.shown_user().map(Arc::from), permissions: None }
    }

    pub(crate) fn of(rights: &Rights, presented: &Presented<'_>) -> Self {
        Self {
            account: rights.account,
            user: presented.shown_user().map(Arc::from),
            permissions: rights.permissions.clone(),
        }
    }
}

impl Denial {
    /// How the closed connection is reported.
    pub fn close_reason(self) -> CloseReason {
        match self {
            Self::ProxyRequired => CloseReason::ProxyRequired,
            Self::NothingPresented
            | Self::UnknownUser
            | Self::UnknownNkey
            | Self::ConnectionType
            | Self::WrongPassword
            | Self::WrongToken
            | Self::Signature(_)
            | Self::NoCertificate
            | Self::CertificateNotMapped
            | Self::CertificateRequired
            | Self::NoAuthUserHashed => CloseReason::AuthenticationViolation,
        }
    }
}

impl HashJob {
    /// Takes tens of milliseconds at the usual costs, and minutes at absurd ones.
    pub fn run(self) -> HashOutcome {
        HashOutcome(if self.hash.is_equal() { Ok(self.grant) } else { Err(self.denial) })
    }
}

impl HashOutcome {
    /// The decision that waited for the hash: granted or denied, never another job.
    pub fn resume(self) -> Decision {
        match self.0 {
            Ok(grant) => Decision::Granted(grant),
            Err(denial) => Decision::Denied(denial),
        }
    }
}

const _: fn() = || {
    fn crosses_threads<T: Send + 'static>() {}
    crosses_threads::<HashJob>();
    crosses_threads::<HashOutcome>();
};
