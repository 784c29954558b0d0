//! The accounts of this server: isolated subject spaces, by number and by name.

use std::{collections::BTreeMap, sync::Arc};

use natrium_config::options::auth::AuthOptions;
use natrium_model::AccountId;

use crate::error::AuthError;

/// All accounts; an account's number is its place here.
///
/// Number 0 is `$G`. Number 1 is the system account: `$SYS`, or the account that `system_account` names. The others
/// follow in file order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    accounts: Vec<Account>,
    by_name: BTreeMap<Arc<str>, AccountId>,
    system: SystemAccount,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: Arc<str>,
}

/// What number 1 stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SystemAccount {
    /// Made by the server, without users.
    Default,
    Configured,
    /// `no_system_account`: the number stays free.
    None,
}

impl Accounts {
    /// # Errors
    /// An account that is there twice or has the name `$G`, and a `system_account` that is not there.
    pub fn from_options(options: &AuthOptions) -> Result<Self, AuthError> {
        let is_configured = |name: &str| options.accounts.iter().any(|account| account.name == name);
        let (system_name, system) = match options.system_account.as_deref() {
            Some(name) if is_configured(name) => (name, SystemAccount::Configured),
            Some(_) => return Err(AuthError::SystemAccountMissing),
            None if is_configured(SYSTEM) => (SYSTEM, SystemAccount::Configured),
            None if options.no_system_account => (SYSTEM, SystemAccount::None),
            None => (SYSTEM, SystemAccount::Default),
        };
        let mut table = Self { accounts: Vec::new(), by_name: BTreeMap::new(), system };
        table.push(GLOBAL)?;
        table.push(system_name)?;
        // The system account stands already; its first entry in the file is that one, a second is a duplicate.
        let mut system_seen = system != SystemAccount::Configured;
        for account in &options.accounts {
            if account.name == GLOBAL {
                return Err(AuthError::ReservedAccount(account.name.clone()));
            }
            if account.name == system_name && !system_seen {
                system_seen = true;
                continue;
            }
            table.push(&account.name)?;
        }
        if system == SystemAccount::None {
            table.by_name.remove(SYSTEM);
        }
        Ok(table)
    }

    pub fn by_name(&self, name: &str) -> Option<AccountId> {
        self.by_name.get(name).copied()
    }

    /// `None` for a number no account has.
    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.iter().find(|(other, _)| *other == id).map(|(_, account)| account)
    }

    /// The system account, unless `no_system_account` took it away.
    pub fn system(&self) -> Option<AccountId> {
        (self.system != SystemAccount::None).then_some(AccountId::SYSTEM)
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        (0..)
            .map(AccountId)
            .zip(&self.accounts)
            .filter(|(id, _)| *id != AccountId::SYSTEM || self.system().is_some())
    }

    /// Whether the configuration consists of a system account alone. Its users are for operators then, and everybody
    /// else stays in `$G` as if no user were configured.
    pub(crate) fn only_system_is_configured(&self) -> bool {
        self.system == SystemAccount::Configured && self.accounts.len() == 2
    }

    fn push(&mut self, name: &str) -> Result<(), AuthError> {
        let id = AccountId(
            u32::try_from(self.accounts.len()).expect("fewer accounts than bytes of configuration"),
        );
        let name: Arc<str> = name.into();
        if self.by_name.insert(Arc::clone(&name), id).is_some() {
            return Err(AuthError::DuplicateAccount(name.as_ref().to_owned()));
        }
        self.accounts.push(Account { name });
        Ok(())
    }
}

impl Account {
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

const GLOBAL: &str = "$G";
const SYSTEM: &str = "$SYS";

#[cfg(test)]
mod tests {
    use natrium_config::options::auth::AccountOptions;

    use super::*;

    fn options(names: &[&str]) -> AuthOptions {
        let account = |name: &&str| AccountOptions { name: (*name).to_owned(), ..AccountOptions::default() };
        AuthOptions { accounts: names.iter().map(account).collect(), ..AuthOptions::default() }
    }

    fn names(accounts: &Accounts) -> Vec<(u32, &str)> {
        accounts.iter().map(|(id, account)| (id.0, account.name().as_ref())).collect()
    }

    #[test]
    fn configured_accounts_follow_the_two_built_in_ones() {
        let accounts = Accounts::from_options(&options(&["B", "A"])).unwrap();
        assert_eq!(names(&accounts), [(0, "$G"), (1, "$SYS"), (2, "B"), (3, "A")]);
        assert_eq!(accounts.by_name("A"), Some(AccountId(3)));
        assert_eq!(accounts.by_name("C"), None);
        assert_eq!(accounts.get(AccountId(2)).unwrap().name().as_ref(), "B");
        assert_eq!(accounts.get(AccountId(4)), None);
        assert_eq!(accounts.system(), Some(AccountId::SYSTEM));
    }

    #[test]
    fn the_system_account_has_number_one_under_its_configured_name() {
        let mut with_name = options(&["A", "ADMIN"]);
        with_name.system_account = Some("ADMIN".into());
        let accounts = Accounts::from_options(&with_name).unwrap();
        assert_eq!(names(&accounts), [(0, "$G"), (1, "ADMIN"), (2, "A")]);
        assert_eq!(accounts.by_name("$SYS"), None);

        let accounts = Accounts::from_options(&options(&["A", "$SYS"])).unwrap();
        assert_eq!(names(&accounts), [(0, "$G"), (1, "$SYS"), (2, "A")]);
    }

    #[test]
    fn without_a_system_account_its_number_stays_free() {
        let mut without = options(&["A"]);
        without.no_system_account = true;
        let accounts = Accounts::from_options(&without).unwrap();
        assert_eq!(names(&accounts), [(0, "$G"), (2, "A")]);
        assert_eq!(accounts.system(), None);
        assert_eq!(accounts.by_name("$SYS"), None);
        assert_eq!(accounts.get(AccountId::SYSTEM), None);
    }

    #[test]
    fn unusable_names_are_refused() {
        let error = |options: &AuthOptions| Accounts::from_options(options).unwrap_err().to_string();
        assert_eq!(error(&options(&["$G"])), r#""$G" is a Reserved Account"#);
        assert_eq!(error(&options(&["A", "A"])), "Duplicate Account Entry: A");
        assert_eq!(error(&options(&["$SYS", "$SYS"])), "Duplicate Account Entry: $SYS");
        let mut missing = options(&["A"]);
        missing.system_account = Some("B".into());
        assert_eq!(error(&missing), "error resolving system account: account missing");
    }
}
