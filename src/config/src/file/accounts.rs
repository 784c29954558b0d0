//! The `accounts` block.

use std::collections::BTreeSet;

use crate::language::{Data, Map, Value};
use crate::options::auth::{AccountOptions, AuthOptions};

use super::authorization::{self, Names};
use super::mappings;
use super::nkey;
use super::not_yet::Block;
use super::permissions;
use super::report::Report;

/// The account of everybody who is in no other.
const RESERVED: &str = "$G";

pub(super) fn read(value: &Value, auth: &mut AuthOptions, names: &mut Names, report: &mut Report) {
    match &value.data {
        Data::Array(values) => {
            let mut seen = BTreeSet::new();
            for value in values {
                let Some(name) = report.string("accounts", value) else { continue };
                if name == RESERVED {
                    report.error(value, format!("{name:?} is a Reserved Account"));
                } else if !seen.insert(name.clone()) {
                    report.error(value, format!("Duplicate Account Entry: {name}"));
                } else {
                    auth.accounts.push(AccountOptions { name, ..AccountOptions::default() });
                }
            }
        }
        Data::Map(map) => {
            for (name, entry) in map.iter().filter(|(_, entry)| !entry.is_variable) {
                match &entry.value.data {
                    Data::Map(_) if name == RESERVED => {
                        report.error(&entry.value, format!("{name:?} is a Reserved Account"));
                    }
                    Data::Map(map) => {
                        let account = account(name, map, names, report);
                        auth.accounts.push(account);
                    }
                    _ => report.error(&entry.value, "Expected map entries for accounts"),
                }
            }
        }
        _ => report.error(
            value,
            format!("\"accounts\" takes an array of names or a map, not {}", value.data.kind()),
        ),
    }
}

fn account(name: &str, map: &Map, names: &mut Names, report: &mut Report) -> AccountOptions {
    let mut account = AccountOptions { name: name.to_owned(), ..AccountOptions::default() };
    for (key, entry) in map.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "nkey" => {
                account.nkey = report.string(key, value).filter(|nkey| !nkey.is_empty());
                if let Some(text) = account.nkey.as_deref().filter(|text| !nkey::is_of_account(text)) {
                    report.error(value, format!("Not a valid public nkey for an account: {text:?}"));
                }
            }
            "users" => account.users = authorization::account_users(key, value, names, report),
            "default_permissions" => account.default_permissions = permissions::read(key, value, report),
            "mappings" | "maps" => account.mappings = mappings::read(key, value, report),
            "jetstream" if is_off(value) => {}
            _ => report.not_read(Block::Account, key, entry),
        }
    }
    account
}

fn is_off(value: &Value) -> bool {
    match &value.data {
        Data::Bool(on) => !on,
        Data::String(text) => text.eq_ignore_ascii_case("disabled"),
        _ => false,
    }
}
