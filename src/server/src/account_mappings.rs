//! The mappings of each account.

use natrium_account::Accounts;
use natrium_config::options::Options;
use natrium_config::options::mappings::MappingOptions;
use natrium_model::AccountId;
use natrium_subject::{Destination, MappingError, Mappings};

/// By the number of the account; most have none.
pub(crate) struct AccountMappings(Vec<Option<Mappings>>);

/// A mapping that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("Error adding mapping for {from:?}: {error}")]
pub(crate) struct AccountMappingError {
    from: String,
    #[source]
    error: MappingError,
}

impl AccountMappings {
    pub(crate) fn of(options: &Options, accounts: &Accounts) -> Result<Self, AccountMappingError> {
        let mut table = Self(Vec::new());
        table.add(AccountId::GLOBAL, &options.mappings)?;
        for account in &options.auth.accounts {
            if let Some(id) = accounts.by_name(&account.name) {
                table.add(id, &account.mappings)?;
            }
        }
        Ok(table)
    }

    /// Whether no account maps anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` where nothing is mapped.
    #[inline]
    pub(crate) fn of_account(&self, account: AccountId) -> Option<&Mappings> {
        self.0.get(account.0 as usize)?.as_ref()
    }

    fn add(&mut self, account: AccountId, options: &[MappingOptions]) -> Result<(), AccountMappingError> {
        if options.is_empty() {
            return Ok(());
        }
        let place = account.0 as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        let mappings = self.0[place].get_or_insert_default();
        for mapping in options {
            let destinations: Vec<Destination<'_>> = mapping
                .destinations
                .iter()
                .map(|destination| Destination {
                    subject: &destination.subject,
                    weight: destination.weight.unwrap_or(WHOLE),
                    cluster: destination.cluster.as_deref(),
                })
                .collect();
            mappings
                .add(&mapping.source, &destinations)
                .map_err(|error| AccountMappingError { from: mapping.source.clone(), error })?;
        }
        Ok(())
    }
}

const WHOLE: u8 = 100;
