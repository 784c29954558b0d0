//! What is found wrong while a configuration is read, and the reading of single values.

use std::fmt;
use std::time::Duration;

use natrium_model::go_duration;

use crate::language::{Data, Entry, Map, Position, Value};

use super::not_yet::Block;

/// One sentence about the configuration, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub at: Option<Position>,
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{at}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Errors keep the server from starting; warnings are told.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

impl Report {
    pub(super) fn error(&mut self, value: &Value, text: impl Into<String>) {
        self.errors.push(Finding { at: Some(value.at.clone()), text: text.into() });
    }

    pub(super) fn warn(&mut self, value: &Value, text: impl Into<String>) {
        self.warnings.push(Finding { at: Some(value.at.clone()), text: text.into() });
    }

    /// A key no reader took: a variable, something that is not built yet, or a mistake.
    pub(super) fn not_read(&mut self, block: Block, key: &str, entry: &Entry) {
        if block.knows(&key.to_ascii_lowercase()) {
            self.error(&entry.value, format!("{key:?} is not supported yet"));
        } else if !entry.is_variable {
            self.error(&entry.value, format!("unknown field {key:?}"));
        }
    }

    fn wrong_kind(&mut self, key: &str, value: &Value, expected: &str) {
        self.error(value, format!("{key:?} takes {expected}, not {}", value.data.kind()));
    }

    pub(super) fn string(&mut self, key: &str, value: &Value) -> Option<String> {
        match &value.data {
            Data::String(text) => Some(text.clone()),
            _ => {
                self.wrong_kind(key, value, "a string");
                None
            }
        }
    }

    pub(super) fn bool(&mut self, key: &str, value: &Value) -> Option<bool> {
        match value.data {
            Data::Bool(value) => Some(value),
            _ => {
                self.wrong_kind(key, value, "a boolean");
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &str, value: &Value) -> Option<i64> {
        match value.data {
            Data::Integer(value) => Some(value),
            _ => {
                self.wrong_kind(key, value, "an integer");
                None
            }
        }
    }

    pub(super) fn map<'a>(&mut self, key: &str, value: &'a Value) -> Option<&'a Map> {
        match &value.data {
            Data::Map(map) => Some(map),
            _ => {
                self.wrong_kind(key, value, "a map");
                None
            }
        }
    }

    pub(super) fn array<'a>(&mut self, key: &str, value: &'a Value) -> Option<&'a [Value]> {
        match &value.data {
            Data::Array(values) => Some(values),
            _ => {
                self.wrong_kind(key, value, "an array");
                None
            }
        }
    }

    /// A string, or an array of strings.
    pub(super) fn strings(&mut self, key: &str, value: &Value) -> Option<Vec<String>> {
        match &value.data {
            Data::String(text) => Some(vec![text.clone()]),
            Data::Array(values) => values.iter().map(|value| self.string(key, value)).collect(),
            _ => {
                self.wrong_kind(key, value, "a string or an array of strings");
                None
            }
        }
    }

    /// How many there may be at most; zero and less set no limit.
    pub(super) fn limit(&mut self, key: &str, value: &Value) -> Option<Option<usize>> {
        let number = self.integer(key, value)?;
        Some(usize::try_from(number).ok().filter(|&number| number > 0))
    }

    /// Bytes in 32 bits; zero is the default.
    pub(super) fn size(&mut self, key: &str, value: &Value, default: usize) -> Option<usize> {
        let number = self.integer(key, value)?;
        match i32::try_from(number).map(usize::try_from) {
            Ok(Ok(0)) => Some(default),
            Ok(Ok(size)) => Some(size),
            Ok(Err(_)) => {
                self.error(value, format!("{key:?} can not be negative"));
                None
            }
            Err(_) => {
                self.error(value, format!("{key} value is too big"));
                None
            }
        }
    }

    /// `"2m"`; as the reference, an integer counts as seconds and earns a warning.
    pub(super) fn duration(&mut self, key: &str, value: &Value) -> Option<Duration> {
        match &value.data {
            Data::String(_) => self.strict_duration(key, value),
            Data::Integer(seconds) => {
                self.warn(
                    value,
                    format!("invalid use of field {key:?}: {key} should be converted to a duration"),
                );
                match u64::try_from(*seconds) {
                    Ok(seconds) => Some(Duration::from_secs(seconds)),
                    Err(_) => {
                        self.error(value, format!("{key:?} can not be negative"));
                        None
                    }
                }
            }
            _ => {
                self.wrong_kind(key, value, "a duration like \"10s\"");
                None
            }
        }
    }

    /// A string only.
    pub(super) fn strict_duration(&mut self, key: &str, value: &Value) -> Option<Duration> {
        let text = self.string(key, value)?;
        match go_duration(&text) {
            Ok(nanos) if nanos < 0 => {
                self.error(value, format!("{key:?} can not be negative"));
                None
            }
            Ok(nanos) => Some(Duration::from_nanos(nanos.unsigned_abs())),
            Err(error) => {
                self.error(value, format!("error parsing {key}: {error}"));
                None
            }
        }
    }

    /// Seconds as a number, or a duration; zero is the default, which `None` stands for.
    pub(super) fn seconds(&mut self, key: &str, value: &Value) -> Option<Option<Duration>> {
        let duration = match &value.data {
            Data::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            Data::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
            Data::String(_) => Some(self.strict_duration(key, value)?),
            _ => {
                self.wrong_kind(key, value, "seconds or a duration");
                return None;
            }
        };
        if duration.is_none() {
            self.error(value, format!("{key:?} can not be negative"));
        }
        duration.map(|duration| Some(duration).filter(|duration| !duration.is_zero()))
    }
}

/// Puts a value that could be read in its place.
pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}
