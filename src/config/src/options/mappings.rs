//! Subject mappings of an account.

/// One entry of `mappings`: messages to `source` go to one of `destinations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingOptions {
    pub source: String,
    pub destinations: Vec<DestinationOptions>,
}

/// One place a mapped message may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationOptions {
    /// Subject, with `$1`, `{{wildcard(1)}}` and the other functions.
    pub subject: String,
    /// Percent of the messages; `None`: 100.
    pub weight: Option<u8>,
    /// Only for messages from clients of this cluster.
    pub cluster: Option<String>,
}
