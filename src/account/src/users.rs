//! The configured users, ready to be looked up.

use std::{collections::BTreeMap, sync::Arc};

use natrium_config::options::auth::{AuthOptions, Credential, PermissionOptions, UserOptions};
use natrium_model::AccountId;

use crate::{
    accounts::Accounts,
    connection_type::{ConnectionType, ConnectionTypes},
    dn::DistinguishedName,
    error::AuthError,
    nonce::is_public_user_key,
    password::Password,
    peer_certificate::PeerCertificate,
    permissions::{PermissionError, Permissions},
};

/// All users of all accounts. A name and a key belong to one user only.
#[derive(Debug, Default)]
pub(crate) struct Users {
    by_name: BTreeMap<Box<str>, PasswordUser>,
    by_nkey: BTreeMap<Box<str>, Rights>,
    /// Names of users that are distinguished names, in file order.
    distinguished: Vec<(DistinguishedName, Box<str>)>,
}

#[derive(Debug)]
pub(crate) struct PasswordUser {
    pub(crate) password: Password,
    pub(crate) rights: Rights,
}

/// What a user has once it has proved who it is, and on what conditions.
#[derive(Debug)]
pub(crate) struct Rights {
    pub(crate) account: AccountId,
    pub(crate) permissions: Option<Arc<Permissions>>,
    pub(crate) connection_types: ConnectionTypes,
    pub(crate) proxy_required: bool,
}

impl Users {
    pub(crate) fn from_options(options: &AuthOptions, accounts: &Accounts) -> Result<Self, AuthError> {
        let mut users = Self::default();
        users.add(AccountId::GLOBAL, &options.users, options.default_permissions.as_ref())?;
        for account in &options.accounts {
            let id = accounts.by_name(&account.name).expect("both tables are built from these options");
            users.add(id, &account.users, account.default_permissions.as_ref())?;
        }
        Ok(users)
    }

    /// Adds a user of `$G` without a password under a name nobody has, and returns the name.
    pub(crate) fn add_anonymous(&mut self) -> Box<str> {
        let mut name = String::from(ANONYMOUS);
        while self.by_name.contains_key(name.as_str()) || self.by_nkey.contains_key(name.as_str()) {
            name.push('_');
        }
        let rights = Rights {
            account: AccountId::GLOBAL,
            permissions: None,
            connection_types: ConnectionTypes::of(&ConnectionType::ALL),
            proxy_required: false,
        };
        let name = name.into_boxed_str();
        self.by_name.insert(name.clone(), PasswordUser { password: Password::new(""), rights });
        name
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.by_nkey.is_empty()
    }

    pub(crate) fn has_names(&self) -> bool {
        !self.by_name.is_empty()
    }

    pub(crate) fn has_nkeys(&self) -> bool {
        !self.by_nkey.is_empty()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<(&str, &PasswordUser)> {
        self.by_name.get_key_value(name).map(|(name, user)| (&**name, user))
    }

    pub(crate) fn by_nkey(&self, nkey: &str) -> Option<&Rights> {
        self.by_nkey.get(nkey)
    }

    pub(crate) fn with_password(&self) -> impl Iterator<Item = (&str, &PasswordUser)> {
        self.by_name.iter().map(|(name, user)| (&**name, user))
    }

    /// The user that `certificate` stands for on a connection of type `kind`: the first of its names, from the most
    /// particular to the subject, that is a user allowed there.
    pub(crate) fn by_certificate(
        &self,
        certificate: &PeerCertificate,
        kind: ConnectionType,
    ) -> Option<(&str, &PasswordUser)> {
        let allowed =
            |name: &str| self.by_name(name).filter(|(_, user)| user.rights.connection_types.contains(kind));
        certificate
            .alternative_names()
            .find_map(allowed)
            .or_else(|| self.by_subject(certificate.subject()?, kind))
            .or_else(|| certificate.subject_texts().find_map(allowed))
    }

    /// A user whose name has the parts of `subject` in order, or else one that has them in any order.
    fn by_subject(&self, subject: &DistinguishedName, kind: ConnectionType) -> Option<(&str, &PasswordUser)> {
        // Names of no part ("cn=" is one) would all be equal to an empty subject.
        if subject.is_empty() {
            return None;
        }
        let allowed = || {
            let named = self.distinguished.iter().filter_map(|(dn, name)| Some((dn, self.by_name(name)?)));
            named.filter(|(_, (_, user))| user.rights.connection_types.contains(kind))
        };
        allowed()
            .find(|(dn, _)| dn.matches_in_order(subject))
            .or_else(|| allowed().find(|(dn, _)| dn.matches_in_any_order(subject)))
            .map(|(_, found)| found)
    }

    fn add(
        &mut self,
        account: AccountId,
        list: &[UserOptions],
        default_permissions: Option<&PermissionOptions>,
    ) -> Result<(), AuthError> {
        let mut shared_default = None;
        for options in list {
            let permissions = match (&options.permissions, default_permissions) {
                (Some(own), _) => Some(compile(own, &options.credential)?),
                (None, Some(_)) if shared_default.is_some() => shared_default.clone(),
                (None, Some(default)) => {
                    shared_default = Some(compile(default, &options.credential)?);
                    shared_default.clone()
                }
                (None, None) => None,
            };
            let rights = Rights {
                account,
                permissions,
                connection_types: ConnectionTypes::from_names(&options.allowed_connection_types)?,
                proxy_required: options.proxy_required,
            };
            match &options.credential {
                Credential::Password { user, password } => self.add_password_user(user, password, rights)?,
                Credential::Nkey(nkey) => self.add_nkey_user(nkey, rights)?,
            }
        }
        Ok(())
    }

    fn add_password_user(&mut self, name: &str, password: &str, rights: Rights) -> Result<(), AuthError> {
        if name.is_empty() {
            return Err(AuthError::UserWithoutName);
        }
        // Names and keys are one name space, as in the reference.
        if self.by_name.contains_key(name) || self.by_nkey.contains_key(name) {
            return Err(AuthError::DuplicateUser(name.to_owned()));
        }
        if let Ok(dn) = DistinguishedName::parse(name) {
            self.distinguished.push((dn, name.into()));
        }
        self.by_name.insert(name.into(), PasswordUser { password: Password::new(password), rights });
        Ok(())
    }

    fn add_nkey_user(&mut self, nkey: &str, rights: Rights) -> Result<(), AuthError> {
        if !is_public_user_key(nkey) {
            return Err(AuthError::NotAUserNkey);
        }
        if self.by_name.contains_key(nkey) || self.by_nkey.contains_key(nkey) {
            return Err(AuthError::DuplicateNkey(nkey.to_owned()));
        }
        self.by_nkey.insert(nkey.into(), rights);
        Ok(())
    }
}

fn compile(options: &PermissionOptions, credential: &Credential) -> Result<Arc<Permissions>, AuthError> {
    let named = |source: PermissionError| match credential {
        Credential::Password { user, .. } => AuthError::UserPermissions { user: user.clone(), source },
        Credential::Nkey(nkey) => AuthError::NkeyPermissions { nkey: nkey.clone(), source },
    };
    Permissions::compile(options).map(Arc::new).map_err(named)
}

/// Who everybody is that says nothing of itself where only the system account has users.
const ANONYMOUS: &str = "nats-anonymous";
