//! The `authorization` block, and the users of it and of accounts.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::language::{Data, Value};
use crate::options::auth::{AuthOptions, Credential, UserOptions};

use super::nkey;
use super::not_yet::Block;
use super::permissions;
use super::report::{Report, set};

/// Users that were seen: a name or a key is there once, over all accounts.
#[derive(Default)]
pub(super) struct Names {
    seen: BTreeSet<String>,
    /// `authorization` has `user` or `token`.
    has_shared_secret: bool,
}

const TIMEOUT_HIGH: Duration = Duration::from_secs(60);

pub(super) fn read(value: &Value, auth: &mut AuthOptions, names: &mut Names, report: &mut Report) {
    let Some(map) = report.map("authorization", value) else { return };
    let mut users_block = None;
    for (key, entry) in map.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "user" | "username" => auth.user = report.string(key, value),
            "pass" | "password" => auth.password = report.string(key, value),
            "token" => auth.token = report.string(key, value),
            "timeout" => {
                if let Some(timeout) = report.seconds(key, value) {
                    auth.timeout = timeout;
                    warn_of_high(key, timeout, value, report);
                }
            }
            "users" => users_block = Some((key, value)),
            "default_permission" | "default_permissions" | "permissions" => {
                auth.default_permissions = permissions::read(key, value, report);
            }
            "proxy_required" if value.data == Data::Bool(false) => {}
            _ => report.not_read(Block::Authorization, key, entry),
        }
    }
    let is_given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let (user, password) = (is_given(&auth.user), is_given(&auth.password));
    let token = is_given(&auth.token);
    if (user || password) && token {
        report.error(value, "Cannot have a user/pass and token");
    }
    names.has_shared_secret = user || token;
    if users_block.is_some() || !names.seen.is_empty() {
        if user {
            report.error(value, "Can not have a single user/pass and a users array");
        }
        if token {
            report.error(value, "Can not have a token and a users array");
        }
    }
    if let Some((key, value)) = users_block {
        auth.users = users(key, value, names, report);
    }
}

fn warn_of_high(key: &str, timeout: Option<Duration>, value: &Value, report: &mut Report) {
    if let Some(timeout) = timeout.filter(|&timeout| timeout > TIMEOUT_HIGH) {
        report.warn(
            value,
            format!(
                "invalid use of field {key:?}: timeout of {} seconds is high, consider keeping it under 60 seconds. \
                 possibly caused by unquoted duration; use '1m' instead of 1m, for example",
                timeout.as_secs_f64()
            ),
        );
    }
}

/// The users of an account.
pub(super) fn account_users(
    key: &str,
    value: &Value,
    names: &mut Names,
    report: &mut Report,
) -> Vec<UserOptions> {
    let users = users(key, value, names, report);
    if names.has_shared_secret && !users.is_empty() {
        report.error(value, "Can not have a single user/pass or a token and accounts");
    }
    users
}

fn users(key: &str, value: &Value, names: &mut Names, report: &mut Report) -> Vec<UserOptions> {
    let mut users = Vec::new();
    for value in report.array(key, value).unwrap_or_default() {
        let Some(user) = user(value, report) else { continue };
        let (kind, name) = match &user.credential {
            Credential::Password { user, .. } => ("user", user),
            Credential::Nkey(nkey) => ("nkey", nkey),
        };
        if !names.seen.insert(name.clone()) {
            report.error(value, format!("Duplicate {kind} {name:?} detected"));
            continue;
        }
        users.push(user);
    }
    users
}

fn user(value: &Value, report: &mut Report) -> Option<UserOptions> {
    let (mut name, mut password, mut public_key) = (None, None, None);
    let mut user = UserOptions {
        credential: Credential::Nkey(String::new()),
        permissions: None,
        allowed_connection_types: Vec::new(),
        proxy_required: false,
    };
    for (key, entry) in report.map("users", value)?.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "nkey" => {
                public_key = report.string(key, value).filter(|text| !text.is_empty());
                if public_key.as_deref().is_some_and(|text| !nkey::is_of_user(text)) {
                    report.error(value, "Not a valid public nkey for a user");
                }
            }
            "user" | "username" => name = report.string(key, value).filter(|name| !name.is_empty()),
            "pass" | "password" => {
                password = report.string(key, value).filter(|password| !password.is_empty());
            }
            "permission" | "permissions" | "authorization" => {
                user.permissions = permissions::read(key, value, report);
            }
            "allowed_connection_types" | "connection_types" | "clients" => {
                let types = report.strings(key, value).unwrap_or_default();
                user.allowed_connection_types = types.iter().map(|kind| kind.to_uppercase()).collect();
                check_connection_types(value, &user.allowed_connection_types, report);
            }
            "proxy_required" if value.data == Data::Bool(false) => {
                set(&mut user.proxy_required, report.bool(key, value));
            }
            _ => report.not_read(Block::User, key, entry),
        }
    }
    user.credential = match (public_key, name, password) {
        (Some(nkey), None, None) => Credential::Nkey(nkey),
        (Some(_), _, _) => {
            report.error(value, "Nkey users do not take usernames or passwords");
            return None;
        }
        (None, Some(user), password) => Credential::Password { user, password: password.unwrap_or_default() },
        (None, None, _) => {
            report.error(value, "User entry requires a user");
            return None;
        }
    };
    Some(user)
}

fn check_connection_types(value: &Value, types: &[String], report: &mut Report) {
    const TYPES: [&str; 7] =
        ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "INPROCESS"];
    let unknown: Vec<&str> = types.iter().map(String::as_str).filter(|kind| !TYPES.contains(kind)).collect();
    if !unknown.is_empty() {
        report.error(value, format!("unknown connection types {unknown:?}; there are {TYPES:?}"));
    }
}
