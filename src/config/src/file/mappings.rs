//! `mappings` of an account.

use natrium_subject::grammar::is_valid_filter_text;

use crate::language::{Data, Map, Value};
use crate::options::mappings::{DestinationOptions, MappingOptions};

use super::not_yet::Block;
use super::report::Report;

pub(super) fn read(key: &str, value: &Value, report: &mut Report) -> Vec<MappingOptions> {
    let mut mappings = Vec::new();
    for (source, entry) in report.map(key, value).into_iter().flat_map(Map::iter) {
        let value = &entry.value;
        if !is_valid_filter_text(source.as_bytes()) {
            report.error(value, format!("Subject {source:?} is not a valid subject"));
            continue;
        }
        let destinations = match &value.data {
            Data::String(subject) => {
                vec![DestinationOptions { subject: subject.clone(), weight: None, cluster: None }]
            }
            Data::Array(values) => values.iter().filter_map(|value| destination(value, report)).collect(),
            _ => destination(value, report).into_iter().collect(),
        };
        mappings.push(MappingOptions { source: source.to_owned(), destinations });
    }
    mappings
}

fn destination(value: &Value, report: &mut Report) -> Option<DestinationOptions> {
    let Data::Map(map) = &value.data else {
        report.error(value, "Expected an entry for the mapping destination");
        return None;
    };
    let (mut subject, mut weight, mut cluster) = (None, None, None);
    for (key, entry) in map.iter() {
        match key.to_ascii_lowercase().as_str() {
            "dest" | "destination" => subject = report.string(key, &entry.value),
            "weight" => weight = Some(percent(&entry.value, report)?),
            "cluster" => cluster = report.string(key, &entry.value),
            _ => report.not_read(Block::Complete, key, entry),
        }
    }
    let subject = subject.unwrap_or_default();
    if weight.is_none() {
        report.error(value, format!("Missing weight for mapping destination {subject:?}"));
        return None;
    }
    Some(DestinationOptions { subject, weight, cluster })
}

/// `50` or `"50%"`.
fn percent(value: &Value, report: &mut Report) -> Option<u8> {
    let weight = match &value.data {
        Data::Integer(weight) => Ok(*weight),
        Data::String(text) => text.strip_suffix('%').unwrap_or(text).parse::<i64>().map_err(|_| text),
        _ => {
            report.error(value, format!("\"weight\" takes a percentage, not {}", value.data.kind()));
            return None;
        }
    };
    match weight {
        Ok(weight @ 0..=100) => u8::try_from(weight).ok(),
        Ok(weight) => {
            report.error(value, format!("Invalid weight {weight} for mapping destination"));
            None
        }
        Err(text) => {
            report.error(value, format!("Invalid weight {text:?} for mapping destination"));
            None
        }
    }
}
