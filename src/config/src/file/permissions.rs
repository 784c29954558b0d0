//! What a user may publish and subscribe to.

use std::time::Duration;

use natrium_model::go_duration;
use natrium_subject::grammar::is_valid_filter_text;

use crate::language::{Data, Map, Value};
use crate::options::auth::{PermissionOptions, ResponsePermissionOptions, SubjectPermissionOptions};

use super::not_yet::Block;
use super::report::Report;

/// Whether entries may name a queue group behind the subject.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Queues {
    Allowed,
    Refused,
}

const RESPONSES_MAX: i64 = 1;
const RESPONSES_EXPIRE: Duration = Duration::from_secs(120);

pub(super) fn read(key: &str, value: &Value, report: &mut Report) -> Option<PermissionOptions> {
    let mut permissions = PermissionOptions::default();
    for (key, entry) in report.map(key, value)?.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "pub" | "publish" | "import" => permissions.publish = subjects(value, Queues::Refused, report),
            "sub" | "subscribe" | "export" => {
                permissions.subscribe = subjects(value, Queues::Allowed, report)
            }
            "publish_allow_responses" | "allow_responses" => {
                permissions.allow_responses = responses(key, value, report);
            }
            _ => report.not_read(Block::Complete, key, entry),
        }
    }
    Some(permissions)
}

/// A subject, several, or a map with `allow` and `deny`. An empty map says nothing.
fn subjects(value: &Value, queues: Queues, report: &mut Report) -> Option<SubjectPermissionOptions> {
    let Data::Map(map) = &value.data else {
        let allow = list("permissions", value, queues, report)?;
        return Some(SubjectPermissionOptions { allow: Some(allow), deny: None });
    };
    if map.is_empty() {
        return None;
    }
    let mut permission = SubjectPermissionOptions::default();
    for (key, entry) in map.iter() {
        match key.to_ascii_lowercase().as_str() {
            "allow" => permission.allow = list(key, &entry.value, queues, report),
            "deny" => permission.deny = list(key, &entry.value, queues, report),
            _ if entry.is_variable => {}
            _ => report.error(
                &entry.value,
                format!(
                    "Unknown field name {key:?} parsing subject permissions, only 'allow' or 'deny' are permitted"
                ),
            ),
        }
    }
    Some(permission)
}

fn list(key: &str, value: &Value, queues: Queues, report: &mut Report) -> Option<Vec<String>> {
    let subjects = report.strings(key, value)?;
    for subject in &subjects {
        if let Err(text) = check(subject, queues) {
            report.error(value, text);
        }
    }
    Some(subjects)
}

fn check(entry: &str, queues: Queues) -> Result<(), String> {
    let is_valid = |subject: &str| is_valid_filter_text(subject.as_bytes());
    if is_valid(entry) {
        return Ok(());
    }
    let words: Vec<&str> = entry.split_whitespace().collect();
    match (queues, words.as_slice()) {
        (Queues::Allowed, [subject, _]) if !is_valid(subject) => {
            Err(format!("subject {subject:?} is not a valid subject"))
        }
        (Queues::Allowed, [_, queue]) if !is_valid(queue) => {
            Err(format!("queue {queue:?} is not a valid queue"))
        }
        (Queues::Allowed, [_, _]) => Ok(()),
        (Queues::Allowed | Queues::Refused, _) => Err(format!("subject {entry:?} is not a valid subject")),
    }
}

fn responses(key: &str, value: &Value, report: &mut Report) -> Option<ResponsePermissionOptions> {
    let mut response = ResponsePermissionOptions { max: RESPONSES_MAX, expires: RESPONSES_EXPIRE };
    let map: &Map = match &value.data {
        Data::Bool(allowed) => return allowed.then_some(response),
        Data::Map(map) => map,
        _ => {
            report.error(
                value,
                format!("{key:?}: error parsing response permissions, expected a boolean or a map"),
            );
            return None;
        }
    };
    for (key, entry) in map.iter() {
        let value = &entry.value;
        match key.to_ascii_lowercase().as_str() {
            "max" | "max_msgs" | "max_messages" | "max_responses" => {
                response.max = report.integer(key, value).filter(|&max| max != 0).unwrap_or(RESPONSES_MAX);
            }
            "expires" | "expiration" | "ttl" => {
                let Data::String(text) = &value.data else {
                    report.error(value, "error parsing expires, not a duration string");
                    continue;
                };
                match go_duration(text) {
                    Ok(0) => {}
                    // Less than nothing is no limit, and so is nothing in the options.
                    Ok(nanos) => {
                        response.expires = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
                    }
                    Err(error) => report.error(value, format!("error parsing expires: {error}")),
                }
            }
            _ => report.not_read(Block::Complete, key, entry),
        }
    }
    Some(response)
}
