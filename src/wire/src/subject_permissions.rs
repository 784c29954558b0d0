//! Subjects that one side of a connection allows and denies, as servers tell each other.

use serde::Serialize;
use serde::de::MapAccess;

use crate::json::{Field, Members, skip};

/// `import` and `export` of CONNECT and INFO. An empty `allow` allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SubjectPermissions {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

impl Members for SubjectPermissions {
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "allow" => self.allow.read(map),
            "deny" => self.deny.read(map),
            _ => skip(map),
        }
    }
}
