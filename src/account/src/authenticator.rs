//! Who a client is: from what it presents to an account, or to a refusal.

use natrium_config::options::auth::AuthOptions;

use crate::{
    accounts::Accounts,
    connection_type::{ConnectionType, ConnectionTypes},
    decision::{Decision, Denial, Grant},
    error::AuthError,
    nonce::verify_signature,
    password::Password,
    peer_certificate::PeerCertificate,
    presented::Presented,
    users::{PasswordUser, Rights, Users},
};

/// Decides who may connect. Built once from a configuration, immutable, shared by all shards.
#[derive(Debug)]
pub struct Authenticator {
    users: Users,
    shared_secret: Option<SharedSecret>,
    no_auth_user: NoAuthUser,
    certificate_types: ConnectionTypes,
}

/// What all clients present alike. A file holds it or users, but the command line can add it to the users of a file;
/// it is then for clients that name no user.
#[derive(Debug)]
enum SharedSecret {
    Token(Password),
    User { name: Box<str>, password: Password },
}

/// Who a client is that presents nothing.
#[derive(Debug, PartialEq, Eq)]
enum NoAuthUser {
    None,
    /// `no_auth_user`; INFO then does not ask for authentication.
    Configured(Box<str>),
    /// Only the system account has users, so everybody else is in `$G`; INFO asks for authentication all the same.
    Anonymous(Box<str>),
}

impl Authenticator {
    /// `certificate_types` are the connection types whose listeners have `verify_and_map`.
    ///
    /// # Errors
    /// Users that are there twice, keys and permissions that are not valid, a `no_auth_user` that is not there.
    pub fn new(
        options: &AuthOptions,
        accounts: &Accounts,
        certificate_types: ConnectionTypes,
    ) -> Result<Self, AuthError> {
        let mut users = Users::from_options(options, accounts)?;
        let no_auth_user = match options.no_auth_user.as_deref() {
            Some(name) if !name.is_empty() => {
                if users.is_empty() {
                    return Err(AuthError::NoAuthUserWithoutUsers(name.to_owned()));
                }
                if users.by_name(name).is_none() && users.by_nkey(name).is_none() {
                    return Err(AuthError::NoAuthUserMissing(name.to_owned()));
                }
                NoAuthUser::Configured(name.into())
            }
            Some(_) | None => {
                if accounts.only_system_is_configured() && !has_authorization_block(options) {
                    NoAuthUser::Anonymous(users.add_anonymous())
                } else {
                    NoAuthUser::None
                }
            }
        };
        Ok(Self {
            users,
            shared_secret: SharedSecret::from_options(options),
            no_auth_user,
            certificate_types,
        })
    }

    /// Whether a client has to be authenticated before anything else it asks for is done.
    pub fn auth_required(&self) -> bool {
        !self.users.is_empty() || self.shared_secret.is_some()
    }

    /// `auth_required` in INFO: a client that need not present anything is not told to.
    pub fn advertises_auth_required(&self) -> bool {
        let excused = match self.no_auth_user {
            NoAuthUser::Configured(_) => true,
            NoAuthUser::None | NoAuthUser::Anonymous(_) => false,
        };
        self.auth_required() && !excused
    }

    /// Whether INFO carries a nonce.
    pub fn needs_nonce(&self) -> bool {
        self.users.has_nkeys()
    }

    /// Whether the operator is to be warned that a password stands in clear in the configuration.
    pub fn has_clear_passwords(&self) -> bool {
        let shared = match &self.shared_secret {
            Some(SharedSecret::User { password, .. }) => !password.is_empty() && !password.is_hash(),
            Some(SharedSecret::Token(_)) | None => false,
        };
        shared
            || self.users.with_password().any(|(name, user)| {
                let by_certificate = user.password.is_empty() && self.can_map(&user.rights);
                let is_anonymous =
                    matches!(&self.no_auth_user, NoAuthUser::Anonymous(other) if **other == *name);
                !by_certificate && !is_anonymous && !user.password.is_hash()
            })
    }

    /// Decides on a CONNECT. `nonce` is what INFO carried.
    pub fn authenticate(&self, presented: &Presented<'_>, nonce: &[u8]) -> Decision {
        if !self.auth_required() {
            return Decision::Granted(Grant::in_global_account(presented));
        }
        self.authenticate_user(presented, nonce).unwrap_or_else(|| match &self.shared_secret {
            Some(secret) => secret.authenticate(presented),
            None => Decision::Denied(Denial::NothingPresented),
        })
    }

    /// Decides on a client whose first word is not CONNECT: it is let in if the user for those who present nothing
    /// exists, has a password and not a key, and may come this way.
    pub fn authenticate_without_connect(
        &self,
        connection_type: ConnectionType,
        certificate: Option<&PeerCertificate>,
    ) -> Decision {
        let presented = Presented { certificate, ..Presented::nothing(connection_type) };
        if !self.auth_required() {
            return Decision::Granted(Grant::in_global_account(&presented));
        }
        let Some((_, user)) = self.no_auth_user.name().and_then(|name| self.users.by_name(name)) else {
            return Decision::Denied(Denial::NothingPresented);
        };
        match user.rights.check(connection_type) {
            Err(denial) => Decision::Denied(denial),
            Ok(()) => self.authenticate(&presented, b""),
        }
    }

    /// By key, by certificate, by name, in this order; the first that applies decides alone. `None` if none does.
    fn authenticate_user(&self, presented: &Presented<'_>, nonce: &[u8]) -> Option<Decision> {
        let mut presented = *presented;
        let names_nobody =
            presented.user.is_empty() && presented.pass.is_empty() && presented.token.is_empty();
        let fallback = self.no_auth_user.name().filter(|_| names_nobody);
        if self.users.has_nkeys() {
            if let Some(nkey) =
                fallback.filter(|name| presented.nkey.is_empty() && self.users.by_nkey(name).is_some())
            {
                presented.nkey = nkey;
            }
            if !presented.nkey.is_empty() {
                return Some(self.authenticate_nkey(&presented, nonce));
            }
        }
        if !self.users.has_names() {
            return None;
        }
        if self.maps_certificates(presented.connection_type) {
            return Some(authenticate_certificate(&self.users, presented));
        }
        if let Some((name, user)) = fallback.and_then(|name| self.users.by_name(name)) {
            presented.user = name;
            return Some(authenticate_unnamed(user, &presented));
        }
        (!presented.user.is_empty()).then(|| self.authenticate_name(&presented))
    }

    fn authenticate_name(&self, presented: &Presented<'_>) -> Decision {
        let Some((name, user)) = self.users.by_name(presented.user) else {
            return Decision::Denied(Denial::UnknownUser);
        };
        if let Err(denial) = user.rights.check(presented.connection_type) {
            return Decision::Denied(denial);
        }
        // Without a password the name would be enough, and the name of such a user is in its certificate to read.
        if user.password.is_empty() && self.no_auth_user.name() != Some(name) && self.can_map(&user.rights) {
            return Decision::Denied(Denial::CertificateRequired);
        }
        compare_password(user, presented)
    }

    fn authenticate_nkey(&self, presented: &Presented<'_>, nonce: &[u8]) -> Decision {
        let Some(rights) = self.users.by_nkey(presented.nkey) else {
            return Decision::Denied(Denial::UnknownNkey);
        };
        if let Err(denial) = rights.check(presented.connection_type) {
            return Decision::Denied(denial);
        }
        // Whoever presents nothing becomes this user, so its key need not be proved either.
        if self.no_auth_user.name() != Some(presented.nkey)
            && let Err(error) = verify_signature(presented.nkey, nonce, presented.sig)
        {
            return Decision::Denied(error.into());
        }
        Decision::Granted(Grant::of(rights, presented))
    }

    /// Whether a connection of this type is known by its certificate.
    fn maps_certificates(&self, kind: ConnectionType) -> bool {
        // A connection inside the process goes by the client listener's rule, and has no certificate to show.
        let listener = if kind == ConnectionType::InProcess { ConnectionType::Standard } else { kind };
        self.certificate_types.contains(listener)
    }

    /// Whether a certificate could stand for this user on some listener.
    fn can_map(&self, rights: &Rights) -> bool {
        rights.connection_types.intersects(self.certificate_types)
    }
}

impl SharedSecret {
    /// A token goes before a single user.
    fn from_options(options: &AuthOptions) -> Option<Self> {
        if let Some(token) = present(&options.token) {
            return Some(Self::Token(Password::new(token)));
        }
        let password = Password::new(options.password.as_deref().unwrap_or_default());
        present(&options.user).map(|name| Self::User { name: name.into(), password })
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Decision {
        let grant = Grant::in_global_account(presented);
        match self {
            Self::Token(token) => {
                Decision::by_comparison(token.compare(presented.token), Denial::WrongToken, grant)
            }
            Self::User { name, .. } if **name != *presented.user => Decision::Denied(Denial::UnknownUser),
            Self::User { password, .. } => {
                Decision::by_comparison(password.compare(presented.pass), Denial::WrongPassword, grant)
            }
        }
    }
}

impl NoAuthUser {
    fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Configured(name) | Self::Anonymous(name) => Some(name),
        }
    }
}

impl Rights {
    fn check(&self, kind: ConnectionType) -> Result<(), Denial> {
        if !self.connection_types.contains(kind) {
            Err(Denial::ConnectionType)
        } else if self.proxy_required {
            // No proxy is trusted: the configuration knows none.
            Err(Denial::ProxyRequired)
        } else {
            Ok(())
        }
    }
}

fn authenticate_certificate<'a>(users: &'a Users, mut presented: Presented<'a>) -> Decision {
    let Some(certificate) = presented.certificate else {
        return Decision::Denied(Denial::NoCertificate);
    };
    let Some((name, user)) = users.by_certificate(certificate, presented.connection_type) else {
        return Decision::Denied(Denial::CertificateNotMapped);
    };
    if let Err(denial) = user.rights.check(presented.connection_type) {
        return Decision::Denied(denial);
    }
    presented.user = name;
    // A password the user has is asked for besides the certificate.
    compare_password(user, &presented)
}

fn authenticate_unnamed(user: &PasswordUser, presented: &Presented<'_>) -> Decision {
    match user.rights.check(presented.connection_type) {
        Err(denial) => Decision::Denied(denial),
        Ok(()) if user.password.is_hash() => Decision::Denied(Denial::NoAuthUserHashed),
        Ok(()) => Decision::Granted(Grant::of(&user.rights, presented)),
    }
}

fn compare_password(user: &PasswordUser, presented: &Presented<'_>) -> Decision {
    Decision::by_comparison(
        user.password.compare(presented.pass),
        Denial::WrongPassword,
        Grant::of(&user.rights, presented),
    )
}

/// Whether anything stands in `authorization`, which ends the leave that clients have beside a system account.
fn has_authorization_block(options: &AuthOptions) -> bool {
    options.user.is_some()
        || options.password.is_some()
        || options.token.is_some()
        || options.timeout.is_some()
        || options.default_permissions.is_some()
        || !options.users.is_empty()
}

/// The value, unless it is empty: the reference makes no difference.
fn present(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
