//! Streams that a stream takes its messages from, and how far it has come in each.
//!
//! Every message that was taken from another stream says so in a header ([`header`]): which source of the configuration
//! it came through, and its sequence there. A store keeps the last such position of each source, so that it is known where
//! to go on although the message that told it is gone (`SourcesState` in the reference's server/filestore.go).

pub mod header;

use std::collections::BTreeMap;

/// One source of a stream's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What its messages' headers call it: name of the stream with what tells it from others of that name, filter,
    /// destination, with a blank between: `ORIGIN > >` (`composeIName` in the reference's server/stream.go).
    pub index_name: Box<[u8]>,
    /// The name of its stream.
    pub stream: Box<[u8]>,
}

/// How far a stream has come in a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePosition {
    /// The sequence of the last message, in the stream that it came from. 0 where none is known.
    pub seq: u64,
    /// Tells that stream from another that had its name before or after; empty where it did not say.
    pub identity: Box<[u8]>,
}

/// By the sources' index names.
pub type SourcePositions = BTreeMap<Box<[u8]>, SourcePosition>;

impl Source {
    /// Whether this is what releases before 2.10 called the source: by its stream's name, and, where that is in another
    /// domain or account, by the name with a hash of the prefix that leads there.
    #[must_use]
    pub fn has_old_name(&self, name: &[u8]) -> bool {
        let first = self.index_name.split(|&byte| byte == b' ').next().unwrap_or_default();
        let rest = first.strip_prefix(&self.stream[..]).unwrap_or_default();
        let hash = &rest[..memchr::memmem::find(rest, CONSUMER).unwrap_or(rest.len())];
        name.strip_prefix(&self.stream[..]).is_some_and(|behind| behind.is_empty() || behind == hash)
    }
}

/// Before the hash of a source's consumer, which old names do not have.
const CONSUMER: &[u8] = b":C=";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_is_that_of_the_stream() {
        let source = |index_name: &str| Source {
            index_name: index_name.as_bytes().into(),
            stream: b"ORIGIN".as_slice().into(),
        };
        let cases = [
            ("ORIGIN > >", "ORIGIN", true),
            ("ORIGIN > >", "ORIGIN2", false),
            ("ORIGIN > >", "ORIGIN:abc", false),
            ("ORIGIN:abc > >", "ORIGIN", true),
            ("ORIGIN:abc > >", "ORIGIN:abc", true),
            ("ORIGIN:abc:C=def > >", "ORIGIN:abc", true),
            ("ORIGIN:C=def > >", "ORIGIN:C=def", false),
            ("ORIGIN:C=def > >", "ORIGIN", true),
            ("ORIGIN > >", "", false),
        ];
        for (index_name, name, is_it) in cases {
            assert_eq!(source(index_name).has_old_name(name.as_bytes()), is_it, "{index_name}, {name}");
        }
    }
}
