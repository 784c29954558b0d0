//! Values and where they stand.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One value. Where it belongs to a key, it is placed where the key stands: that is where an operator looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub data: Data,
    pub at: Position,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Bool(bool),
    /// With a unit (`1k`, `1kb`) already multiplied.
    Integer(i64),
    Float(f64),
    String(String),
    /// `2016-05-04T18:53:41Z`, as written: always in this form.
    DateTime(String),
    Array(Vec<Value>),
    Map(Map),
}

impl Data {
    /// What an operator calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with decimals",
            Self::String(_) => "a string",
            Self::DateTime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
        }
    }
}

/// Keys in file order. A key that is there twice has its last value, in its first place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(IndexMap<String, Entry>);

/// A value of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    /// Something refers to it as `$KEY`: then the key need not mean anything by itself.
    pub is_variable: bool,
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).map(|entry| &entry.value)
    }

    /// In file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, key: String, value: Value) {
        self.0.insert(key, Entry { value, is_variable: false });
    }

    /// The value of a variable, which is one from now on.
    pub(super) fn refer(&mut self, key: &str) -> Option<&Value> {
        let entry = self.0.get_mut(key)?;
        entry.is_variable = true;
        Some(&entry.value)
    }

    /// Takes over what another file has.
    pub(super) fn merge(&mut self, other: Map) {
        self.0.extend(other.0);
    }
}
