//! Addresses to listen on.

use crate::language::{Data, Value};

use super::report::Report;

/// What `listen` and its kin say: a port, or `host:port`.
pub(super) struct Address {
    pub(super) host: Option<String>,
    pub(super) port: i64,
}

pub(super) fn address(key: &str, value: &Value, report: &mut Report) -> Option<Address> {
    match &value.data {
        Data::Integer(port) => Some(Address { host: None, port: *port }),
        Data::String(text) => {
            let Some((host, port)) = split(text) else {
                report.error(value, format!("could not parse address string {text:?}"));
                return None;
            };
            let Ok(port) = port.parse() else {
                report.error(value, format!("could not parse port {port:?}"));
                return None;
            };
            Some(Address { host: Some(host.to_owned()), port })
        }
        _ => {
            report.error(value, format!("{key:?}: expected port or host:port, got {}", value.data.kind()));
            None
        }
    }
}

/// Host and port; an address with colons stands in brackets.
fn split(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host, port.strip_prefix(':')?));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains(':')).then_some((host, port))
}

/// A port as a configuration has it: -1 is any that is free (0 here), 0 is `None`: the default, or none at all.
pub(super) fn port(key: &str, number: i64, value: &Value, report: &mut Report) -> Option<Option<u16>> {
    match number {
        -1 => Some(Some(0)),
        0 => Some(None),
        _ => match u16::try_from(number) {
            Ok(port) => Some(Some(port)),
            Err(_) => {
                report.error(value, format!("{key:?}: port {number} is out of range"));
                None
            }
        },
    }
}
